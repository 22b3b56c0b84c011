"""A model whose code runs in a model process, as its driver uses it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rae_bench.files import copy_folder
from rae_bench.harness.isolation import messages as m
from rae_bench.harness.isolation.arrays import read_trajectory, write
from rae_bench.harness.isolation.process import ModelProcess, Report
from rae_bench.model.api import Domain, Prompt, Trajectory
from rae_bench.model.spending import MEASURED
from rae_bench.task.sides import Side


class Shown(NamedTuple):
    """What was generated, and what it cost.

    Attributes:
        core_seconds: of the model process, as its driver sees them.
        seconds: on the model process' clock, and no less than the core-seconds a thread, no more than on the driver's.
    """

    trajectory: Trajectory
    core_seconds: float
    seconds: float


def taken_over(said: Mapping[str, Any], asked: m.Circumstances) -> dict[str, Any]:
    """Return what of a model process' account of a training its driver takes over.

    What the driver knows itself it does not take: the budget, and whether it was exceeded. Nor does a note stand in the
    place of a figure of the harness. Steps of torch's optimisers count where they are more than was declared.
    """
    budget = {"updates": asked.updates, "frames": asked.frames}
    own = {name: value for name, value in said.items() if name not in MEASURED}
    plain: dict[str, Any] = {name: v for name, v in own.items() if isinstance(v, bool | int | float | str)}
    status, steps = said.get("budget_status"), said.get("optimizer_steps")
    counted = steps if isinstance(steps, int) and steps >= 0 else 0

    def over(name: str) -> bool:
        used = plain.get(name, 0)
        number = isinstance(used, (int, float)) and not isinstance(used, bool)
        return not number or not used <= budget[name]

    return {
        "budget": budget,
        **plain,
        "optimizer_steps": counted,
        "budget_status": status if status in ("enforced", "declared") else "undeclared",
        "over_budget": counted > asked.updates or any(map(over, budget)),
    }


class RemoteModel:
    """Fresh instances of a model in a model process, alike: one, or one for each cell of a group.

    Args:
        process: the process; instances that it held before are forgotten there.
        make: how the instances are made.

    Raises:
        ModelFailed: as every method does, where the model raises or its process dies.
    """

    def __init__(self, process: ModelProcess, make: m.Make) -> None:
        self.process = process
        self._began = process.core_seconds()
        process.reset_peak_memory()
        made = process.ask(make)
        self.card: Mapping[str, Any] = made["card"]
        self.generates_together: bool = made["generates_together"]

    def describe(self, *, space: bool = False, trial: bool = False) -> dict[str, Any]:
        """What the command `Describe` returns."""
        return self.process.ask(m.Describe(space, trial))

    def pretrain(
        self, sources: Sequence[Side], ctxs: Sequence[m.Circumstances], report: Report
    ) -> list[dict[str, Any]]:
        """Pre-train each instance on the sources' training segments of its seed. Returns the costs."""
        self.process.ask(m.Take(sources=self._source_files(sources, ctxs)))
        return self._shared(m.Pretrain(tuple(ctxs)), len(ctxs), report)

    def adapt(
        self, targets: Sequence[Domain], sources: Sequence[Side], ctxs: Sequence[m.Circumstances], report: Report
    ) -> list[dict[str, Any]]:
        """Adapt each instance to its target; the targets' files are gone when this returns. Returns the costs."""
        paths = [self._file(f"target-{number}.npz") for number in range(len(targets))]
        for path, target in zip(paths, targets, strict=True):
            write(path, target)
        self.process.ask(m.Take(sources=self._source_files(sources, ctxs), targets=tuple(map(str, paths))))
        for path in paths:
            path.unlink()
        return self._shared(m.Adapt(tuple(ctxs)), len(ctxs), report)

    def _shared(self, command: m.Pretrain | m.Adapt, count: int, report: Report) -> list[dict[str, Any]]:
        """The cost of each instance, with its share of the core-seconds that a command for all of them took."""
        before = self.process.core_seconds()
        costs: list[dict[str, Any]] = self.process.ask(command, report)["costs"]
        share = (self.process.core_seconds() - before) / count
        company = {} if count == 1 else {"trained_together": count}
        return [
            {**taken_over(cost, ctx), "core_seconds": share, **company}
            for cost, ctx in zip(costs, command.ctxs, strict=True)
        ]

    def _timed(self, command: m.Command) -> float:
        """The core-seconds that a command took."""
        before = self.process.core_seconds()
        self.process.ask(command)
        return self.process.core_seconds() - before

    def _source_files(self, sources: Sequence[Side], ctxs: Sequence[m.Circumstances]) -> tuple[tuple[str, ...], ...]:
        """Files of the sources' training segments for each instance. They stay for the next cells of the same task."""
        paths: dict[int, tuple[str, ...]] = {}
        for seed in dict.fromkeys(ctx.seed for ctx in ctxs):
            found = []
            for source in sources:
                train = source.split(seed).train
                path = self.process.files / f"source-{source.corpus.identity[:16]}-{source.hash_of(train)[:16]}.npz"
                if not path.exists():
                    write(path, source.domain(train))
                found.append(str(path))
            paths[seed] = tuple(found)
        wanted = {path for found in paths.values() for path in found}
        for old in self.process.files.glob("source-*.npz"):
            if str(old) not in wanted:
                old.unlink()
        return tuple(paths[ctx.seed] for ctx in ctxs)

    def save(self, folder: Path, which: int = 0) -> float:
        """Have an instance save itself, and copy what it left to a folder. Returns the core-seconds that it took."""
        own = self._file("saved")
        seconds = self._timed(m.Save(str(own), which))
        if own.is_dir():
            copy_folder(own, folder)
            shutil.rmtree(own)
        else:  # nothing to keep
            folder.mkdir(parents=True)
        return seconds

    def load(self, folder: Path, without: Sequence[str] = (), which: int = 0) -> float:
        """Have an instance load a copy of a folder, all but some files. Returns the core-seconds that it took."""
        own = self._file("loaded")
        copy_folder(folder, own, without)
        seconds = self._timed(m.Load(str(own), which))
        shutil.rmtree(own)
        return seconds

    def generate(self, prompt: Prompt, ctx: m.Circumstances, which: int = 0) -> Shown:
        """Continue a prompt, which an instance is shown now. The trajectory has not been checked."""
        return self.generate_together(prompt, [ctx], [which])[0]

    def generate_together(self, prompt: Prompt, ctxs: Sequence[m.Circumstances], which: Sequence[int]) -> list[Shown]:
        """Continue a prompt with several instances, which are shown it now; each costs an equal share."""
        path = self._file("prompt.npz")
        write(path, prompt)
        self.process.ask(m.Show(str(path)))
        path.unlink()
        clock = time.perf_counter()
        core_seconds = self._timed(m.Generate(tuple(ctxs), tuple(which)))
        clock = time.perf_counter() - clock
        seconds = min(max(self.process.seconds(), core_seconds / ctxs[0].threads), clock)
        paths = [self._file(f"made-{number}.npz") for number in range(len(which))]
        self.process.ask(m.Give(tuple(map(str, paths))))
        shown = []
        for path in paths:
            shown.append(Shown(read_trajectory(path), core_seconds / len(which), seconds / len(which)))
            path.unlink()
        return shown

    def spent(self) -> float:
        """Core-seconds of the process since this instance was asked for, or began with it."""
        return self.process.core_seconds() - self._began

    def _file(self, name: str) -> Path:
        """A path within the exchange folder at which there is nothing, whatever the model left there."""
        path = self.process.files / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path
