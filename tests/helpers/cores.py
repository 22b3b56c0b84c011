"""Cores of reference entries, and frames for them to read."""

from typing import Any

import torch
from torch import Tensor

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.model.api import Domain
from rae_bench.model.control import control_targets
from rae_bench.model.features import make_skeleton, states
from rae_bench.model.registry import make_model
from rae_bench.model.step import Carry, Frame
from rae_bench.model.streams import statistics
from rae_bench.model.training import sizes_for
from rae_bench.rigs.file import load_rig
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol


def network_of(name: str, domain: Domain) -> Any:
    """An untrained network for a domain's rig."""
    torch.manual_seed(0)
    return make_model(name, {}).network(sizes_for(len(domain.rig)))


def frame_at(domain: Domain, t: int, *, phases: bool = True) -> tuple[Frame, Tensor]:
    """Frame t of every clip, with its true phase or with none; and its state."""
    motion = domain.motion
    state = states(motion)[:, t]
    empty = torch.zeros(len(state), 0)
    phase = torch.from_numpy(domain.phases[:, t]).flatten(1)
    carry = Carry(state, phase if phases else torch.zeros_like(phase), empty, empty)
    targets = control_targets(domain.objectives, motion.fps, domain.path).at(t)
    return Frame(carry, targets, make_skeleton(domain.rig, motion.fps), statistics(domain)), state


def asked_by(track: str, rig: str) -> Domain:
    """A few segments of a rig, and what a track asks in them."""
    protocol = Protocol(seconds=2.5, track=track)
    side = Side(generate_locomotion(load_rig(rig), clips=16, seconds=protocol.seconds), protocol)
    return side.domain(side.split(0).train)
