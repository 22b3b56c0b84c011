"""A task as the verifier knows it: hashes, test clips, and the metrics of a trajectory."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from rae_bench.errors import UserError
from rae_bench.harness.identity import identity
from rae_bench.kinematics import quat
from rae_bench.leaderboard.entries.entry import EntryCell
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.metrics import adversarial, measure
from rae_bench.metrics.evaluation import samples
from rae_bench.metrics.reconstruction import reconstruction_error
from rae_bench.model.api import Trajectory
from rae_bench.task.sides import Examination, Side, load_sides
from rae_bench.task.task import Task

NOT_RECOMPUTED = ("one_step_error",)
"""Metrics of motion that is not among the trajectories: single frames from true histories."""

IDS = ("clip", "group", "action")
HELD_PLACE, HELD_TURN = 1e-4, 1e-5
"""Metres and 1 - |cos| of half an angle (half a degree) by which a held pose may be off."""


class Unavailable(UserError):
    """The task's recordings are not here: its cells stay `claimed`."""


@dataclass(frozen=True, eq=False)
class Graded:
    """What a trajectory scores.

    Attributes:
        values: name -> value, of all clips together.
        clips: name -> (N,) of each clip alone, NaN where it has nothing to measure.
    """

    values: Mapping[str, float]
    clips: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Grader:
    """The data of a task, made or found on this machine."""

    task: Task
    sources: tuple[Side, ...]
    target: Side

    @classmethod
    def of(cls, task: Task, data_root: Path | None = None) -> Grader:
        """Load a task's data. Raises `Unavailable` where recordings are missing."""
        try:
            return cls(task, *load_sides(task, data_root))
        except UserError as error:
            if is_builtin(task):
                raise
            raise Unavailable(str(error)) from None

    @cached_property
    def exam(self) -> Examination:
        """The test clips."""
        return self.target.examination(self.target.split.test)

    def hashes(self, fraction: float) -> dict[str, str]:
        """What a cell's identity must say of task, data and split."""
        facts = identity(None, {}, self.task, self.sources, self.target, fraction)
        return {key: facts[key] for key in ("task", "data", "split")}

    def truth(self) -> Trajectory:
        """The truth as a trajectory."""
        return Trajectory(self.exam.truth.root_positions[None], self.exam.truth.rotations[None])

    def grade(self, trajectory: Trajectory, seed: int) -> Graded:
        """Every metric that needs the trajectory alone; `seed` is the cell's, for the critics."""
        exam = self.exam
        sums = measure(trajectory, exam.truth, exam.objectives)
        values = {name: s.value() for name, s in sums.items()} | adversarial(trajectory, exam.truth, seed=seed)
        return Graded(values, {name: s.per_clip() for name, s in sums.items()})

    @cached_property
    def held(self) -> Trajectory:
        """The last true pose, held."""
        past, frames = self.exam.prompt.history, self.exam.truth.root_positions.shape[1]
        return Trajectory(
            np.repeat(past.root_positions[None, :, -1:], frames, 2), np.repeat(past.rotations[None, :, -1:], frames, 2)
        )

    def is_held(self, trajectory: Trajectory) -> bool:
        """Whether it holds the last true pose, up to rounding: `hold` is the yardstick of every score."""
        valid = self.exam.truth.valid[None]
        apart = np.abs(trajectory.root_positions - self.held.root_positions).max(-1)
        turned = 1 - np.abs(np.sum(trajectory.rotations * self.held.rotations, -1)).min(-1)
        return bool((apart[valid] < HELD_PLACE).all() and (turned[valid] < HELD_TURN).all())

    @cached_property
    def hold_error(self) -> np.ndarray:
        """(N,) cm: reconstruction error of each clip where the last true pose is held."""
        truth = self.exam.truth
        return reconstruction_error(samples(self.held, truth)[0], truth, self.exam.objectives).per_clip()

    @cached_property
    def mixes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, T, J, 3) each, in root space: the truth, the held pose, and what is half-way in every joint's turn."""
        truth, held = self.truth(), self.held
        nearer = np.where(np.sum(truth.rotations * held.rotations, -1, keepdims=True) < 0, -1, 1) * held.rotations
        halfway = Trajectory((truth.root_positions + held.root_positions) / 2, quat.normalize(truth.rotations + nearer))
        motions = [samples(made, self.exam.truth)[0] for made in (truth, held, halfway)]
        one, two, three = (motion.root.points_in(motion.positions) for motion in motions)
        return one, two, three


def is_builtin(task: Task) -> bool:
    """Whether all of a task's motion is made here."""
    return all(side["kind"] == "builtin" for side in (*task.sources, task.target))


def read_clips(cell: EntryCell, data: bytes) -> tuple[list[tuple[str, ...]], dict[str, np.ndarray]]:
    """A cell's table of clips: (clip, group, action) of each, and metric -> (N,), NaN where empty.

    Raises:
        Refused: not such a table.
    """
    where = cell.where.removesuffix(".json") + ".csv"
    mend = "put the file there as run wrote it"
    try:
        head, *lines = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise Refused(where, f"not a table of clips ({error})", mend) from None
    if tuple(head[:3]) != IDS or any(len(line) != len(head) for line in lines) or len(set(head)) != len(head):
        raise Refused(where, f"its columns are not {', '.join(IDS)} and metrics", mend)
    try:
        table = np.array([[float(v) if v else np.nan for v in line[3:]] for line in lines]).reshape(len(lines), -1)
    except ValueError as error:
        raise Refused(where, f"not a number ({error})", mend) from None
    if np.isinf(table).any():
        raise Refused(where, "holds infinite numbers", mend)
    names = [tuple(line[:3]) for line in lines]
    return names, {name: table[:, i] for i, name in enumerate(head[3:])}
