"""Batched kinematics: rotations, forward and inverse kinematics, root space, contacts."""

from rae_bench.kinematics.forward import forward_kinematics, global_to_local, local_to_global
from rae_bench.kinematics.root import RootSpace, heading_angle, root_space, velocities

__all__ = [
    "RootSpace",
    "forward_kinematics",
    "global_to_local",
    "heading_angle",
    "local_to_global",
    "root_space",
    "velocities",
]
