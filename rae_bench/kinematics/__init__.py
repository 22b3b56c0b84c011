"""Batched kinematics: rotations, forward and inverse kinematics, root space, contacts."""

from rae_bench.kinematics.forward import forward_kinematics, global_to_local, local_to_global
from rae_bench.kinematics.inverse import from_limit_angles, limit_angles, solve_ik
from rae_bench.kinematics.root import RootSpace, heading_angle, root_space, velocities

__all__ = [
    "RootSpace",
    "forward_kinematics",
    "from_limit_angles",
    "global_to_local",
    "heading_angle",
    "limit_angles",
    "local_to_global",
    "root_space",
    "solve_ik",
    "velocities",
]
