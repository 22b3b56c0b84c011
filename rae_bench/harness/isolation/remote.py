"""A model whose code runs in a model process, as its driver uses it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rae_bench.harness.isolation import messages as m
from rae_bench.harness.isolation.arrays import read_trajectory, write
from rae_bench.harness.isolation.process import ModelProcess, Report
from rae_bench.model.api import Domain, Prompt, Trajectory
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


class RemoteModel:
    """A fresh instance in a model process.

    Args:
        process: the process; instances that it held before are forgotten there.
        make: how the instance is made.

    Raises:
        ModelFailed: as every method does, where the model raises or its process dies.
    """

    def __init__(self, process: ModelProcess, make: m.Make) -> None:
        self.process = process
        self._began = process.core_seconds()
        process.reset_peak_memory()
        self.card: Mapping[str, Any] = process.ask(make)["card"]

    def describe(self, *, space: bool = False) -> dict[str, Any]:
        """`card` and resolved `options`; `search_space` where `space` asks for it."""
        return self.process.ask(m.Describe(space))

    def pretrain(self, sources: Sequence[Side], ctx: m.Circumstances, report: Report) -> dict[str, Any]:
        """Pre-train on the sources' training segments of the seed. Returns the cost."""
        self.process.ask(m.Take(sources=self._source_files(sources, ctx.seed)))
        return self._timed(m.Pretrain(ctx), report)

    def adapt(self, target: Domain, sources: Sequence[Side], ctx: m.Circumstances, report: Report) -> dict[str, Any]:
        """Adapt to the target, whose file is gone when this returns. Returns the cost."""
        path = self._file("target.npz")
        write(path, target)
        self.process.ask(m.Take(sources=self._source_files(sources, ctx.seed), target=str(path)))
        path.unlink()
        return self._timed(m.Adapt(ctx), report)

    def _timed(self, command: m.Command, report: Report | None = None) -> dict[str, Any]:
        """The cost that a command returns, and the core-seconds that it took."""
        before = self.process.core_seconds()
        cost: dict[str, Any] = self.process.ask(command, report).get("cost", {})
        return {**cost, "core_seconds": self.process.core_seconds() - before}

    def _source_files(self, sources: Sequence[Side], seed: int) -> tuple[str, ...]:
        """Files of the sources' training segments. They stay for the next cells of the same task."""
        paths = []
        for source in sources:
            train = source.split(seed).train
            path = self.process.files / f"source-{source.corpus.identity[:16]}-{source.hash_of(train)[:16]}.npz"
            if not path.exists():
                write(path, source.domain(train))
            paths.append(path)
        for old in self.process.files.glob("source-*.npz"):
            if old not in paths:
                old.unlink()
        return tuple(map(str, paths))

    def save(self, folder: Path) -> float:
        """Have the model save itself, and copy what it left to a folder. Returns the core-seconds that it took."""
        own = self._file("saved")
        seconds: float = self._timed(m.Save(str(own)))["core_seconds"]
        if own.is_dir():
            shutil.copytree(own, folder)
            shutil.rmtree(own)
        else:  # nothing to keep
            folder.mkdir(parents=True)
        return seconds

    def load(self, folder: Path, without: Sequence[str] = ()) -> float:
        """Have the model load a copy of a folder, all but some files. Returns the core-seconds that it took."""
        own = self._file("loaded")
        shutil.copytree(folder, own, ignore=shutil.ignore_patterns(*without))
        seconds: float = self._timed(m.Load(str(own)))["core_seconds"]
        shutil.rmtree(own)
        return seconds

    def generate(self, prompt: Prompt, ctx: m.Circumstances) -> Shown:
        """Continue a prompt, which the model is shown now. The trajectory has not been checked."""
        path = self._file("prompt.npz")
        write(path, prompt)
        self.process.ask(m.Show(str(path)))
        path.unlink()
        clock = time.perf_counter()
        core_seconds = self._timed(m.Generate(ctx))["core_seconds"]
        clock = time.perf_counter() - clock
        seconds = min(max(self.process.seconds(), core_seconds / ctx.threads), clock)
        self.process.ask(m.Give(str(path := self._file("made.npz"))))
        made = read_trajectory(path)
        path.unlink()
        return Shown(made, core_seconds, seconds)

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
