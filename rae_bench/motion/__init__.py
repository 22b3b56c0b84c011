"""Motion: clips on one rig, root space, and changes of frame rate."""
