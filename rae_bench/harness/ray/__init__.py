"""Jobs on Ray: a machine of one's own, or a cluster."""
