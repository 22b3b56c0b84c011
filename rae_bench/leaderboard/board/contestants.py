"""The cells of all entries, sorted for the board: which entry is complete on a task, and its numbers as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.finding import one_line
from rae_bench.leaderboard.entries.rules import SEEDS, CellKey, compared_fractions, missing_cells, ranked_fractions
from rae_bench.metrics import primaries
from rae_bench.model.regimes import COLD, is_retargeted
from rae_bench.model.registry import CONTROLS
from rae_bench.objectives.tracks import KEYFRAMES
from rae_bench.results.clips import ClipTable
from rae_bench.results.files import SAME_IDENTITY, part_hash
from rae_bench.results.rows import rig_height, track_of
from rae_bench.task.cells import TRUTH, fold_of
from rae_bench.task.named import builtin_tasks, is_builtin_task, load_task
from rae_bench.task.task import Task


@dataclass(frozen=True, eq=False)
class Contestant:
    """An entry that has every cell that a task asks for.

    Attributes:
        entry: the entry.
        task: the name of the task.
        seeds: the seeds that it has in every cell that is compared, 0 to S - 1.
        low: the fractions of its transfer regime; (0,) where that takes no target data.
        cells: (regime, fraction, seed) -> finished cell.
        track: of the task.
    """

    entry: Entry
    task: str
    seeds: tuple[int, ...]
    low: tuple[float, ...]
    cells: Mapping[CellKey, EntryCell] = field(repr=False)
    track: str = KEYFRAMES

    @property
    def error(self) -> str:
        """The metric by which transfer is judged."""
        return primaries(self.track)["reconstruction"]

    @property
    def name(self) -> str:
        """The name of the entry."""
        return self.entry.name

    @property
    def regime(self) -> str:
        """The regime whose score ranks the entry."""
        return self.entry.regime

    def at(self, regime: str, fraction: float, seeds: Sequence[int] | None = None) -> list[EntryCell]:
        """Return the cells of a regime and fraction, one for each seed; none where any of them is missing."""
        keys = [CellKey(regime, fraction, seed) for seed in (self.seeds if seeds is None else seeds)]
        return [self.cells[key] for key in keys] if all(key in self.cells for key in keys) else []

    @property
    def transfer(self) -> list[EntryCell]:
        """The cells of its transfer regime, fraction by fraction and seed by seed."""
        return [cell for fraction in self.low for cell in self.at(self.regime, fraction)]

    def values(self, regime: str, fraction: float, metric: str) -> np.ndarray:
        """Return a metric of every seed, (S,); an empty array where a cell is missing."""
        return np.array([cell.metrics.get(metric, np.nan) for cell in self.at(regime, fraction)])

    def clips(self, regime: str, fraction: float, seeds: Sequence[int]) -> list[ClipTable]:
        """Return the tables of clips, one for each seed; none where a cell is missing."""
        return [cell.clips for cell in self.at(regime, fraction, seeds)]


@dataclass(frozen=True, eq=False)
class TaskCells:
    """All entries on one task.

    Attributes:
        fractions: the fractions at which entries are compared.
        identity: the parts `SAME_IDENTITY` of every cell's identity.
        controls: name of a control or of the truth -> fraction -> seed -> metrics. The fraction is 1 where it plays no
            part.
        complete: the entries that have every cell.
        missing: name of an entry -> the cells that it lacks.
        track: of the task.
        height: of the target's rig, metres; NaN where the truth's result does not say it.
    """

    task: Task
    fractions: tuple[float, ...]
    identity: Mapping[str, str]
    controls: Mapping[str, Mapping[float, Mapping[int, Mapping[str, float]]]]
    complete: tuple[Contestant, ...]
    missing: Mapping[str, Sequence[CellKey]]
    track: str = KEYFRAMES
    height: float = math.nan

    def yardsticks_at(self, seed: int) -> tuple[Mapping[str, float], float, str] | None:
        """Return the metrics of the truth, the rig's height and the track, with which a seed is scored.

        The truth is that of the clips that the seed was tested on. None where it or the height is missing.
        """
        truths = self.controls.get(TRUTH, {}).get(1.0, {})
        of_fold = {fold_of(other): metrics for other, metrics in truths.items()}
        truth = truths.get(seed) or of_fold.get(fold_of(seed))
        return (truth, self.height, self.track) if truth and self.height > 0 else None

    def control_means(self, name: str) -> dict[float, dict[str, float]]:
        """Return fraction -> means over seeds of the metrics that all of them have, of a control or the truth."""
        out = {}
        for fraction, by_seed in self.controls.get(name, {}).items():
            found = [*by_seed.values()]
            shared = [metric for metric in found[0] if all(metric in metrics for metrics in found)]
            out[fraction] = {metric: float(np.mean([metrics[metric] for metrics in found])) for metric in shared}
        return out


def task_cells(name: str, entries: Sequence[Entry]) -> TaskCells:
    """Sort the cells of a task.

    Raises:
        UserError: an unknown task; a control twice.
    """
    if not is_builtin_task(name):
        known = ", ".join(builtin_tasks())
        raise UserError(f"task '{one_line(name)}' is none of {known}; install the version that has it")
    task = load_task(name)
    present = [entry for entry in entries if entry.of(name)]
    identity = {part: _shared(present, name, part) for part in SAME_IDENTITY}
    track = track_of(c.result for entry in present for c in entry.of(name))
    height = rig_height(c.result for entry in present if entry.card.model == TRUTH for c in entry.of(name))
    controls: dict[str, dict[float, dict[int, Mapping[str, float]]]] = {}
    complete, missing = [], {}
    for entry in present:
        if entry.card.model in (TRUTH, *CONTROLS):
            finished: dict[float, dict[int, Mapping[str, float]]] = {}
            for cell in entry.of(name):
                if cell.status == "ok":
                    finished.setdefault(cell.fraction, {})[cell.seed] = cell.metrics
            if controls.setdefault(entry.card.model, finished) is not finished:
                raise UserError(f"{name}: more than one entry is the control '{entry.card.model}'; remove one")
            continue
        lacking = missing_cells(entry, task)
        if lacking:
            missing[entry.name] = lacking
        else:
            complete.append(_contestant(entry, task, track))
    fractions = compared_fractions(task)
    return TaskCells(task, fractions, identity, controls, tuple(complete), missing, track, height)


def _contestant(entry: Entry, task: Task, track: str) -> Contestant:
    cells = {CellKey(c.regime, c.fraction, c.seed): c for c in entry.of(task.name) if c.status == "ok"}
    fractions = compared_fractions(task)
    low = ranked_fractions(entry.regime, task)
    pairs = {(entry.regime, f) for f in low} | {(COLD, f) for f in (*fractions, 1.0)}
    count = len(SEEDS)
    while all(CellKey(regime, f, count) in cells for regime, f in pairs):
        count += 1
    return Contestant(entry, task.name, tuple(range(count)), low, cells, track)


def _shared(entries: Sequence[Entry], task: str, part: str) -> str:
    """Return a part of the identity that all cells of a task share (`sound.sort_out`), but for retargeted sources."""
    own = (cell for entry in entries for cell in entry.of(task) if not is_retargeted(cell.regime))
    return next((part_hash(cell.identity.get(part, "")) for cell in own), "")
