"""A task as the verifier knows it: hashes, test clips, the metrics of a trajectory, and how far they may be off.

Trajectories are stored as they were generated, so a metric that is recomputed elsewhere differs only by that machine's
rounding. docs/guides/submitting.md has the measurements behind the tolerances.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from rae_bench.errors import UserError
from rae_bench.harness.beside import Beside
from rae_bench.harness.identity import corpora_hash, identity, split_hash
from rae_bench.leaderboard.verify.known_sources import KnownSource, known_sources
from rae_bench.leaderboard.verify.traces import Forger
from rae_bench.metrics import METRICS, measure
from rae_bench.metrics.base import Sums
from rae_bench.metrics.evaluation import beside_real, samples
from rae_bench.metrics.reconstruction import reconstruction_error
from rae_bench.model.api import Trajectory
from rae_bench.model.regimes import is_retargeted
from rae_bench.task.cells import TRUTH, Cell, fold_of
from rae_bench.task.held_out import HeldOutClips
from rae_bench.task.sides import Side, load_sides, load_target
from rae_bench.task.task import Task

HASHES = ("task", "data", "split")
"""The parts of a cell's identity that a task decides, whoever the model is."""
HELD_PLACE, HELD_TURN = 1e-4, 1e-5
"""How far a held pose may be off: metres, and 1 - |cos| of half an angle (half a degree)."""
BY_UNIT = {"cm": (0.001, 1e-4), "cm/s": (0.005, 5e-4), "deg": (0.001, 1e-4), "%": (0.2, 1e-3), "": (0.001, 1e-3)}
"""Unit of a metric -> absolute and relative tolerance."""
BY_NAME = {"jerk_ratio": (0.15, 0.01), "npss": (0.2, 0.01), "frechet_distance": (0.005, 1e-3),
           "coverage": (1.0, 0.01), "response_lag": (1.0, 0.01)}  # fmt: skip
"""Metric -> its tolerances. Of a pose that is held, the first two measure only rounding. The last two jump: a window is
near or not, and one of several shifts is best."""
DEFAULT = (0.001, 1e-3)


def tolerance(name: str, value: float) -> float:
    """Return the largest difference that passes for a metric whose recomputed value is `value`."""
    unit = METRICS[name].unit if name in METRICS else ""
    absolute, relative = BY_NAME.get(name) or BY_UNIT.get(unit, DEFAULT)
    return absolute + relative * abs(value)


def within_tolerance(name: str, claimed: float, recomputed: float, slack: float = 1.0) -> bool:
    """Return whether a claimed value passes. NaN (nothing to measure) is like NaN alone.

    Args:
        slack: multiplies the tolerance.
    """
    if math.isnan(claimed) or math.isnan(recomputed):
        return math.isnan(claimed) and math.isnan(recomputed)
    return abs(claimed - recomputed) <= slack * tolerance(name, recomputed)


class Unavailable(UserError):
    """The task's recordings are not on this machine, so its cells stay `claimed`."""


@dataclass(frozen=True, eq=False)
class Graded:
    """What a trajectory scores.

    Attributes:
        values: name -> value over all clips.
        clips: name -> value of each clip, (N,); NaN where it has nothing to measure.
    """

    values: Mapping[str, float]
    clips: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Grader:
    """The data of a task, made or found on this machine.

    Attributes:
        known: what is known of the sources without their motion; None where they are loaded.
    """

    task: Task
    target: Side
    known: tuple[KnownSource, ...] | None = None
    loaded: tuple[Side, ...] = ()

    @classmethod
    def of(cls, task: Task, data_root: Path | None = None) -> Grader:
        """Load a task's data, as far as checks need it. Raise `Unavailable` where recordings are missing."""
        known = known_sources(task)
        if known is not None:
            return cls(task, load_target(task, data_root), known)
        try:
            sources, target = load_sides(task, data_root)
            return cls(task, target, None, sources)
        except UserError as error:
            if is_builtin(task):
                raise
            raise Unavailable(str(error)) from None

    @cached_property
    def sources(self) -> tuple[Side, ...]:
        """The sources, which training needs."""
        return self.loaded if self.known is None else load_sides(self.task)[0]

    @cached_property
    def folds(self) -> dict[int, FoldGrader]:
        """Fold -> what grades motion of its test clips, as far as anybody has asked for it."""
        return {}

    def on(self, seed: int) -> FoldGrader:
        """Return what grades motion of a seed's test clips."""
        fold = fold_of(seed)
        if fold not in self.folds:
            self.folds[fold] = FoldGrader(self.target, self.target.held_out_clips(self.target.split(seed).test))
        return self.folds[fold]

    def hashes(self, regime: str, fraction: float, seed: int) -> dict[str, str]:
        """Return what a cell's identity must say of task, data and split."""
        cell = Cell(TRUTH, {}, regime, fraction, seed)
        if self.known is None:
            facts = identity(None, {}, self.task, self.sources, self.target, cell)
            return {key: facts[key] for key in HASHES}
        corpora = [source.on_target if is_retargeted(regime) else source.identity for source in self.known]
        trained = [source.train[fold_of(seed)] for source in self.known]
        return {
            "task": self.task.content_hash,
            "data": corpora_hash(corpora, self.target),
            "split": split_hash(trained, self.target, cell),
        }


@dataclass(frozen=True, eq=False)
class FoldGrader:
    """The test clips of a fold, and what motion of them scores."""

    target: Side
    exam: HeldOutClips

    @cached_property
    def truth(self) -> Trajectory:
        """The truth as a trajectory."""
        return Trajectory.of(self.exam.truth)

    def grade(self, trajectory: Trajectory, seed: int) -> Graded:
        """Return every metric that needs only the trajectory; `seed` is the cell's, for the critics."""
        exam = self.exam
        sums = measure(trajectory, exam.truth, exam.objectives)
        values = {name: s.value() for name, s in sums.items()} | self.compared(trajectory, seed)
        return Graded(values, {name: s.per_clip() for name, s in sums.items()})

    def compared(self, trajectory: Trajectory, seed: int) -> dict[str, float]:
        """Return every metric that compares all windows with those of other real clips."""
        return beside_real(trajectory, self.beside.at(seed)[1])

    @cached_property
    def beside(self) -> Beside:
        """The real motion of comparisons."""
        return Beside(self.target, self.exam)

    @cached_property
    def of_truth(self) -> dict[str, Sums]:
        """Metric -> the sums of the truth itself."""
        return measure(self.truth, self.exam.truth, self.exam.objectives)

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """Metric -> what each clip counts in each group, (N, G); it depends on the truth alone."""
        return {name: sums.weights for name, sums in self.of_truth.items()}

    @cached_property
    def held(self) -> Trajectory:
        """The last true pose, held."""
        past, frames = self.exam.prompt.history, self.exam.truth.root_positions.shape[1]
        return Trajectory(
            np.repeat(past.root_positions[None, :, -1:], frames, 2), np.repeat(past.rotations[None, :, -1:], frames, 2)
        )

    def is_held(self, trajectory: Trajectory) -> bool:
        """Return whether a trajectory holds the last true pose, up to rounding."""
        valid = self.exam.truth.valid[None]
        apart = np.abs(trajectory.root_positions - self.held.root_positions).max(-1)
        turned = 1 - np.abs(np.sum(trajectory.rotations * self.held.rotations, -1)).min(-1)
        return bool((apart[valid] < HELD_PLACE).all() and (turned[valid] < HELD_TURN).all())

    @cached_property
    def hold_error(self) -> np.ndarray:
        """The reconstruction error of each clip where the last true pose is held, (N,) cm."""
        truth = self.exam.truth
        return reconstruction_error(samples(self.held, truth)[0], truth, self.exam.objectives).per_clip()

    @cached_property
    def forger(self) -> Forger:
        """What finds copies of the truth."""
        truth = self.exam.truth
        held = self.held.rotations[0][:, :1]
        return Forger(self.truth.rotations[0], held, truth.lengths, truth.fps)


def is_builtin(task: Task) -> bool:
    """Return whether all of a task's motion is made by the package."""
    return all(side["kind"] == "builtin" for side in (*task.sources, task.target))
