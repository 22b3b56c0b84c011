"""Kinematics over batches of poses: quaternions, forward and inverse kinematics, skeletons fitted to points."""

VERSION = 1
"""Covers quaternions, forward and inverse kinematics: raise it when these numbers move."""
