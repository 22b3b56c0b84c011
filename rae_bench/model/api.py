"""The plug-in API: what a model is given and what it gives back.

All arrays are numpy float32 unless said otherwise; shapes use N clips, T frames, J joints, K = 8 role slots
(`rae_bench.rigs.rig.ROLES`), S samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import Objectives
from rae_bench.rigs.rig import Rig

REGIMES = ("cold", "frozen", "finetune", "cold-long", "zero-shot")
SAMPLES, SEVERAL_SOURCES = "samples", "several-sources"
"""Capabilities that are not regimes."""


@dataclass(frozen=True)
class ModelCard:
    """Who a model is and what it can do.

    Attributes:
        capabilities: the regimes it supports, besides `cold`: any of frozen, finetune, cold-long, zero-shot;
            `samples` where `num_samples` is honoured; and `several-sources` where `pretrain` learns from every domain
            of `Context.sources`. `learns=False` marks a control.
        parameters: of the default options on a rig of 31 joints; None where the card does not say.
        access: `causal` (frame t uses only objectives current at or before t) or `offline`.
    """

    name: str
    version: str = "1"
    authors: str = ""
    paper: str = ""
    licence: str = ""
    description: str = ""
    capabilities: frozenset[str] = frozenset({"frozen", "finetune", "cold-long"})
    access: str = "causal"
    learns: bool = True
    parameters: int | None = None


@dataclass(frozen=True, eq=False)
class Domain:
    """What a model may see of a rig: training segments only, cut to the fraction. May be empty.

    Attributes:
        motion: N training segments.
        objectives: of the same segments, (N, T, 8, ...).
        phases: (N, T, 8, 2) local motion phase of each role slot, zero where there are no contacts.
        ids, groups: N names.
    """

    name: str
    rig: Rig
    motion: Motion
    objectives: Objectives
    phases: np.ndarray
    ids: tuple[str, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Budget:
    """What training may cost.

    Attributes:
        updates: optimiser steps.
        frames: frames seen, over all updates.
    """

    updates: int
    frames: int


@dataclass
class Context:
    """Circumstances of one call: regime, budget, randomness, and where to report.

    Attributes:
        source: the source domain in `adapt` and `generate`, for models that retarget; None in `pretrain`. The first of
            `sources`.
        sources: the source domains of the task, in `pretrain` too, where `source` is the first of them; most tasks have
            one.
        progress: called as progress(update, updates, loss).
        spent: filled by `LightningModel` with what training used: updates, frames, enforced.
    """

    regime: str
    fraction: float
    budget: Budget
    seed: int
    device: str = "cpu"
    threads: int = 1
    progress: Callable[[int, int, float], None] | None = None
    cache: Path | None = None
    source: Domain | None = None
    sources: tuple[Domain, ...] = ()
    spent: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Prompt:
    """What to generate from.

    Attributes:
        history: N clips of H frames each, true.
        objectives: (N, H + G, 8, ...) over history and generated frames, G the longest clip's `frames`.
        frames: (N,) int, frames to generate per clip.
        phases: (N, 8, 2) local motion phase at the last history frame, from the history alone.
        num_samples: how many different continuations to give.
    """

    rig: Rig
    fps: float
    history: Motion
    objectives: Objectives
    frames: np.ndarray
    phases: np.ndarray
    num_samples: int = 1

    def __getitem__(self, clips: slice | np.ndarray) -> Prompt:
        """Some of the clips."""
        return Prompt(
            self.rig,
            self.fps,
            self.history[clips],
            self.objectives[clips],
            self.frames[clips],
            self.phases[clips],
            self.num_samples,
        )


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Generated motion, the frames after the history only.

    Attributes:
        root_positions: (S, N, T, 3) metres, world.
        rotations: (S, N, T, J, 4) local unit quaternions (w, x, y, z).
    """

    root_positions: np.ndarray
    rotations: np.ndarray


@runtime_checkable
class Model(Protocol):
    """A benchmark entry. A fresh instance serves each cell: `pretrain`, `save`; then `load`, `adapt`, `generate`."""

    card: ModelCard

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """Learn from the source domain, or from all of `ctx.sources`."""

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Learn the target rig from a fraction of its data; `ctx.regime` says what may change."""

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Continue each clip towards its objectives; results must not depend on how clips are batched."""

    def save(self, folder: Path) -> None:
        """Keep the state as arrays and JSON."""

    def load(self, folder: Path) -> None:
        """Restore what `save` kept."""


Space = Mapping[str, Sequence[Any]]
"""Options that may be tuned, and from what: a model's optional attribute `search_space`, see `protocol.space`."""
