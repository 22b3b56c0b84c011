"""Batched kinematics over arrays: quaternions, forward kinematics, inverse kinematics."""
