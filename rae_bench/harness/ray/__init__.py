"""Run jobs with Ray, on this machine or on a cluster."""
