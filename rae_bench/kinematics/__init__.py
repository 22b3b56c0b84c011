"""Batched kinematics over arrays: quaternions, forward kinematics, inverse kinematics."""

VERSION = 1
"""Covers quaternions, forward and inverse kinematics: raise it when these numbers move."""
