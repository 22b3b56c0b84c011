"""The plug-in API: what a model is given and what it gives back (docs/develop/design.md 5).

All arrays are numpy float32 unless a docstring says otherwise. Shapes use N clips, T frames, J joints, K = 8 role slots
(`ROLES`) and S samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from rae_bench.model.spending import Spending
from rae_bench.model.trajectory import Trajectory
from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.rigs.rig import Rig

__all__ = [
    "MULTIPLE_SOURCES",
    "SAMPLES",
    "Budget",
    "Context",
    "Domain",
    "Model",
    "ModelCard",
    "Prompt",
    "Space",
    "Trajectory",
    "one_a_rig",
]

SAMPLES, MULTIPLE_SOURCES = "samples", "multiple-sources"
"""Capabilities that are not regimes."""


@dataclass(frozen=True)
class ModelCard:
    """Who a model is and what it can do.

    Attributes:
        capabilities: the regimes that the model supports besides `cold` (frozen, finetune, cold-long, retarget,
            zero-shot);
            `samples` if it honours `num_samples`; `multiple-sources` if `pretrain` learns from every domain of
            `Context.sources`.
        access: `causal` if frame t depends only on objectives that are current at or before t, else `offline`.
        learns: False marks a control, which learns nothing.
        parameters: how many parameters the default options give on a rig of 31 joints; None if the card does not say.
    """

    name: str
    version: str = "1"
    authors: str = ""
    paper: str = ""
    licence: str = ""
    description: str = ""
    capabilities: frozenset[str] = frozenset({"frozen", "finetune", "cold-long", "retarget"})
    access: str = "causal"
    learns: bool = True
    parameters: int | None = None


@dataclass(frozen=True, eq=False)
class Domain:
    """What a model may see of a rig: training segments only, cut to the fraction. A domain may be empty.

    Attributes:
        motion: N training segments.
        objectives: the objectives of the same segments, (N, T, 8, ...).
        phases: (N, T, 8, 2) local motion phase of each role slot, zero where it touches neither ground nor target.
        ids, groups: N names each.
        path: the path of the same segments in the track `control`; None in others, where objectives say what is asked.
    """

    name: str
    rig: Rig
    motion: Motion
    objectives: Objectives
    phases: np.ndarray
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    path: RootPath | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        asked = ", with a path" if self.path is not None else ""
        groups = len(set(self.groups))
        size = f"{len(self)} segment{'s' * (len(self) != 1)} in {groups} group{'s' * (groups != 1)}"
        return f"Domain('{self.name}', {size}{asked}, {self.motion!r})"


def one_a_rig(domains: Sequence[Domain]) -> tuple[Domain, ...]:
    """Return the domains, those on the same rig joined, in the order of the rigs."""
    by_rig: dict[str, list[Domain]] = {}
    for domain in domains:
        by_rig.setdefault(domain.rig.content_hash, []).append(domain)
    return tuple(_joined(each) if len(each) > 1 else each[0] for each in by_rig.values())


def _joined(domains: Sequence[Domain]) -> Domain:
    """All segments of domains on one rig, as long as the longest; past its end nothing is asked of a segment."""
    longest = max(domain.motion.rotations.shape[1] for domain in domains)

    def together(get: Callable[[Domain], np.ndarray], mode: Literal["edge", "constant"] = "edge") -> np.ndarray:
        parts = []
        for domain in domains:
            part = get(domain)
            short = longest - part.shape[1] if part.ndim > 1 else 0
            wide = [(0, 0), (0, short), *[(0, 0)] * (part.ndim - 2)]
            parts.append(np.pad(part, wide, mode) if short and len(part) else part)
        return np.concatenate([part for part in parts if len(part)] or parts[:1])

    first = domains[0]
    motion = replace(
        first.motion,
        lengths=together(lambda d: d.motion.lengths),
        root_positions=together(lambda d: d.motion.root_positions),
        rotations=together(lambda d: d.motion.rotations),
        contacts=together(lambda d: d.motion.contacts),
    )
    objectives = Objectives(
        together(lambda d: d.objectives.positions),
        together(lambda d: d.objectives.rotations),
        together(lambda d: d.objectives.arrivals),
        together(lambda d: d.objectives.kinds, "constant"),
    )
    paths = [domain.path for domain in domains]
    path = None
    if all(one is not None for one in paths):
        path = RootPath(
            together(lambda d: d.path.positions if d.path else np.zeros(0)),
            together(lambda d: d.path.headings if d.path else np.zeros(0)),
        )
    return Domain(
        "+".join(domain.name for domain in domains),
        first.rig,
        motion,
        objectives,
        together(lambda d: d.phases),
        tuple(f"{domain.name}/{name}" for domain in domains for name in domain.ids),
        tuple(f"{domain.name}/{name}" for domain in domains for name in domain.groups),
        path,
    )


@dataclass(frozen=True)
class Budget:
    """What training may cost.

    Attributes:
        updates: how many optimiser steps there may be.
        frames: how many frames may be seen, over all updates.
    """

    updates: int
    frames: int


@dataclass
class Context:
    """The circumstances of one call: regime, budget, randomness, and where to report.

    In `generate` there are only regime, seed, device and threads (`to_generate`): what a model needs of the source, or
    of its training, it keeps, and saves.

    Attributes:
        fraction: the share of the target's training frames, 0 to 1; NaN in `generate`.
        device: what torch calls the device, `cpu` or `cuda`.
        threads: how many threads the model may use.
        progress: is called as progress(update, updates, loss).
        source: the first of `sources`, for models that retarget. None in `pretrain`, and where there are no `sources`.
        sources: the source domains of the task. `pretrain` gets them too; the domain that it is given is the first of
            them. Most tasks have one. Empty in the regimes that start without a source, `cold` and `cold-long`.
    """

    regime: str
    fraction: float
    budget: Budget
    seed: int
    device: str = "cpu"
    threads: int = 1
    progress: Callable[[int, int, float], None] | None = None
    source: Domain | None = None
    sources: tuple[Domain, ...] = ()
    _spending: Spending = field(default_factory=Spending, repr=False, compare=False)

    @classmethod
    def to_generate(cls, regime: str, seed: int, device: str = "cpu", threads: int = 1) -> Context:
        """The circumstances of `generate`: no domain, no budget, nobody to report to, and a fraction of NaN.

        NaN, not 0: a model that computes with the fraction there fails visibly, and none takes it for `zero-shot`.
        """
        return cls(regime, math.nan, Budget(0, 0), seed, device, threads)

    def declare(
        self,
        *,
        updates: int | None = None,
        frames: int | None = None,
        parameters: int | None = None,
        trained: int | None = None,
        **notes: Any,
    ) -> None:
        """Say what a training loop of the model's own has used; `LightningModel` does so by itself.

        What is declared stands in the `cost` of the result. A budget counts as declared if both `updates` and `frames`
        are. A later call replaces what an earlier one said under the same name. Updates and frames of a loop beside
        that of `LightningModel` come on top of what it has counted.

        Args:
            updates: optimiser steps made.
            frames: frames seen, over all updates.
            parameters: how many parameters the model has.
            trained: how many of them training changed.
            notes: further numbers and words to report, under names of the model's choice.

        Raises:
            UserError: a count that is not a whole number of at least 0; a note that is no number, text or truth value;
                or a name that the harness measures itself, such as `core_seconds`.
        """
        self._spending.declare({"updates": updates, "frames": frames, "parameters": parameters, "trained": trained})
        self._spending.note(notes)

    @property
    def declared(self) -> Mapping[str, Any]:
        """Everything that has been declared or counted in this context so far, by name."""
        return self._spending.figures()

    def cost(self) -> dict[str, Any]:
        """What the result's `cost` says of training, besides what the harness measures.

        Returns:
            `budget`; everything that was declared; `budget_status`: `enforced` (`LightningModel` kept to the budget),
            `declared` (the model says what it used) or `undeclared`; and `over_budget`, whether a declared figure
            exceeds the budget.
        """
        return self._spending.cost(updates=self.budget.updates, frames=self.budget.frames)


@dataclass(frozen=True, eq=False)
class Prompt:
    """What to generate from.

    Attributes:
        fps: frames a second, of the history and of what is to be generated.
        history: N clips of H true frames each.
        objectives: (N, H + G, 8, ...) over history and generated frames, where G is the longest clip's `frames`.
        frames: (N,) int, how many frames to generate per clip.
        phases: (N, 8, 2) local motion phase at the last history frame, from the history alone.
        num_samples: how many different continuations to give.
        path: over the same frames as the objectives, in the track `control`; None in others.
    """

    rig: Rig
    fps: float
    history: Motion
    objectives: Objectives
    frames: np.ndarray
    phases: np.ndarray
    num_samples: int = 1
    path: RootPath | None = None

    def __repr__(self) -> str:
        samples = f", {self.num_samples} samples" if self.num_samples > 1 else ""
        frames = f"up to {int(self.frames.max(initial=0))} frames to generate"
        return f"Prompt({frames}{samples}, history {self.history!r})"

    def cut(self, frames: int) -> Prompt:
        """The same clips with at most so many frames to generate."""
        stop = self.history.root_positions.shape[1] + frames
        path = None if self.path is None else self.path.cut(0, stop)
        return replace(
            self, frames=np.minimum(self.frames, frames), objectives=self.objectives.cut(0, stop), path=path
        )

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
            None if self.path is None else self.path[clips],
        )


@runtime_checkable
class Model(Protocol):
    """A benchmark entry. Each cell gets fresh instances: one runs `pretrain` and `save`, one `load` to `generate`."""

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
"""What `search_space` of a model is: options that `rae-bench tune` may choose, and from what (docs/guides/sweep.md)."""
