"""Frames of two rigs for codecs and cores to read."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.model.api import Domain
from rae_bench.model.control import ControlTargets
from rae_bench.model.features import make_skeleton
from rae_bench.model.step import Carry, Frame, Next, needs_of, run_step
from rae_bench.model.streams import Streams, statistics
from rae_bench.model.training import TrainConfig
from rae_bench.rigs.file import load_rig
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol

RIGS = ("r4", "quad")
PROTOCOL = Protocol(seconds=2.5, track="keyframes")
ROWS, LENGTH = 6, 5

Walk = Callable[..., list[Next]]


@pytest.fixture(scope="session")
def domains() -> dict[str, Domain]:
    def domain(rig: str) -> Domain:
        side = Side(generate_locomotion(load_rig(rig), clips=16, seconds=PROTOCOL.seconds), PROTOCOL)
        return side.domain(side.split(0).train)

    return {rig: domain(rig) for rig in RIGS}


@pytest.fixture(scope="session")
def walk(domains: dict[str, Domain]) -> Walk:
    """walk(network, rig, rows=ROWS, noise=None, progress=1.0): what it gives for the four frames of some windows."""
    batches = {
        rig: next(iter(Streams(domain, TrainConfig(windows=ROWS, length=LENGTH), 1, 0)))
        for rig, domain in domains.items()
    }

    def run(
        network: nn.Module,
        rig: str,
        rows: slice = slice(ROWS),
        noise: torch.Tensor | None = None,
        progress: float = 1.0,
        taught: bool = True,
    ) -> list[Next]:
        domain, batch = domains[rig], batches[rig]
        skeleton, normal = make_skeleton(domain.rig, domain.motion.fps), statistics(domain)
        given, needs = ControlTargets(batch.frames[rows], batch.flags[rows], batch.path[rows]), needs_of(network)
        states, count = batch.states[rows], len(batch.states[rows])
        drawn = torch.zeros(count, needs.noise) if noise is None else noise
        carry = Carry(states[:, 0], batch.start[rows], torch.zeros(count, needs.memory), drawn)
        out = []
        for t in range(LENGTH - 1):
            true = carry._replace(state=states[:, t + 1])
            following = Frame(true, given.at(t), skeleton, normal) if needs.reads_following and taught else None
            carry, made = run_step(network, Frame(carry, given.at(t), skeleton, normal, following, progress))
            out.append(made)
        return out

    return run
