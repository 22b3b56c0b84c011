"""Models and comparisons of sweeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rae_bench.harness.run import Outcome

MODELS = '''
"""Models that need no torch and note when they adapt."""

import json
import os
import time
from pathlib import Path

import numpy as np

from rae_bench.model import ModelCard, Trajectory


class Base:
    card = ModelCard(name="base")

    def __init__(self, log="", nap=0.0):
        self.log, self.nap = log, nap

    def note(self, *words):
        if self.log:
            with open(self.log, "a") as file:
                file.write(" ".join(map(str, words)) + "\\n")

    def pretrain(self, source, ctx):
        self.note("pretrain", ctx.seed)
        self.state = ctx.seed + 1

    def adapt(self, target, ctx):
        self.note("adapt", ctx.regime, ctx.fraction, ctx.seed, ctx.threads, __file__)
        self.shift = np.float32(len(target) / 100 + getattr(self, "state", 0))
        time.sleep(self.nap)

    def generate(self, prompt, ctx):
        frames, history = int(prompt.frames.max()), prompt.history
        return Trajectory(
            np.repeat(history.root_positions[None, :, -1:], frames, 2) + self.shift,
            np.repeat(history.rotations[None, :, -1:], frames, 2),
        )

    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps(self.state if hasattr(self, "state") else 0))

    def load(self, folder):
        self.state = json.loads((folder / "state.json").read_text())


class Raises(Base):
    def adapt(self, target, ctx):
        if ctx.regime == "frozen":
            raise ValueError("no luck")
        super().adapt(target, ctx)


class Quits(Base):
    def adapt(self, target, ctx):
        raise SystemExit(3)


class KilledOnce(Base):
    def adapt(self, target, ctx):
        super().adapt(target, ctx)
        if Path(self.log).read_text().count("adapt") == 1:
            os.kill(os.getpid(), 9)


class Killed(Base):
    def adapt(self, target, ctx):
        super().adapt(target, ctx)
        os.kill(os.getpid(), 9)
'''


LOGIC = ("cold", "frozen")


def scrubbed(path: Path) -> Any:
    """What a result says besides time and memory."""
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result.pop("cost")
    return result


def check_whole(
    out: Path, results: Sequence[Mapping[str, Any]], cells: int, kept: Mapping[Path, int], there: Path,
    reference: Outcome,
) -> None:
    """A sweep that was killed and taken up again has all cells, each as one that was left in peace has it.

    Args:
        results: what the sweep that ended printed.
        cells: how many cells of models there must be.
        kept: when files were written that had been finished before something was killed.
        there, reference: the folder and the outcome of a sweep that was left in peace.
    """
    assert {r["status"] for r in results} == {"ok"}
    assert sum(r["regime"] != "none" for r in results) == cells
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items()), "a finished cell was run again"
    for planned, result in reference.found():
        same = scrubbed(out / planned.path.relative_to(there))
        assert same == {key: value for key, value in result.items() if key != "cost"}
    assert not [p for p in out.rglob("*") if p.name.startswith(".")], "something was left half written"
