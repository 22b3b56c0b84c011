"""A small real entry, and the means to forge it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.leaderboard.entries.packing import digest, pack
from rae_bench.leaderboard.verify.grading import FoldGrader, Grader
from rae_bench.leaderboard.verify.verifier import Report, verify
from rae_bench.model.api import Trajectory
from rae_bench.results.clips import write_clips
from rae_bench.results.trajectories import load_trajectory, save_trajectory
from rae_bench.task.named import load_task

MODEL = '''
"""A model without torch: it holds the last pose and sways, the less the more clips it has seen."""

import json

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.model import ModelCard, Trajectory


class Sway:
    card = ModelCard(name="sway", authors="A. Author", licence="MIT", capabilities=frozenset())

    def pretrain(self, source, ctx):
        self.clips = 0

    def adapt(self, target, ctx):
        self.clips = len(target)
        ctx.declare(updates=0, frames=0)

    def generate(self, prompt, ctx):
        frames, past = int(prompt.frames.max()), prompt.history
        rng = np.random.default_rng(ctx.seed)
        axes = np.sin(np.arange(3 * len(prompt.rig))).reshape(-1, 3) * rng.normal(1, 0.1, size=(len(prompt.rig), 1))
        size = 0.5 / np.sqrt(1 + self.clips)
        angle = size * np.sin(np.arange(1, frames + 1) / past.fps)[:, None, None] * axes
        sway = quat.normalize(np.concatenate([np.ones_like(angle[..., :1]), angle / 2], -1).astype(np.float32))
        last = past.rotations[:, -1:]
        return Trajectory(
            np.repeat(past.root_positions[None, :, -1:], frames, 2),
            quat.mul(np.repeat(last, frames, 1), sway[None])[None],
        )

    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps(self.clips))

    def load(self, folder):
        self.clips = json.loads((folder / "state.json").read_text())
'''


@dataclass(frozen=True)
class Forger:
    """An entry in a folder of its own, its trajectories, and its task.

    Attributes:
        cell: the JSON of one of its results.
    """

    folder: Path
    packed: Path
    task: Path

    @property
    def cell(self) -> Path:
        return self.folder / "cells" / "tiny" / "cold-f0.05-s1.json"

    def verify(self, **arguments: Any) -> Report:
        return verify(self.folder, self.packed, tasks=[self.task], **arguments)

    def findings(self) -> str:
        return "\n".join(map(str, self.verify().findings))

    def form_findings(self, **arguments: Any) -> str:
        """Of the checks that need no trajectories."""
        return "\n".join(map(str, verify(self.folder, tasks=[self.task], **arguments).findings))

    def copy(self, to: Path, name: str = "sway") -> Forger:
        """The same in another folder, to be damaged."""
        shutil.copytree(self.folder, to / "entries" / name)
        shutil.copyfile(self.packed, to / "packed.zip")
        return Forger(to / "entries" / name, to / "packed.zip", self.task)

    def edit(self, change: Callable[[dict[str, Any]], object], cell: Path | None = None) -> None:
        """Change a result."""
        path = cell or self.cell
        result = json.loads(path.read_text())
        change(result)
        path.write_text(json.dumps(result))

    def set(self, key: str, value: object) -> None:
        """A line of entry.toml."""
        path = self.folder / "entry.toml"
        lines = path.read_text().splitlines()
        found = [i for i, line in enumerate(lines) if line.startswith(f"{key} = ")]
        lines[found[0]] = f"{key} = {json.dumps(value)}"
        path.write_text("\n".join(lines) + "\n")

    def seal(self) -> None:
        """Make entry.toml say the hash and size of the file as it is."""
        sha256, size = digest(self.packed)
        self.set("sha256", sha256)
        self.set("size", size)

    def members(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.packed) as packed:
            return {name: packed.read(name) for name in packed.namelist()}

    def repack(self, members: Mapping[str, bytes]) -> None:
        """Put these files in place of those that are packed, with the right hash."""
        place = self.packed.parent / "members"
        paths = {}
        for i, (name, data) in enumerate(sorted(members.items())):
            place.mkdir(exist_ok=True)
            (place / str(i)).write_bytes(data)
            paths[name] = place / str(i)
        pack(paths, self.packed)
        self.seal()

    def replace_member(self, data: bytes) -> None:
        """The trajectory of `cell`."""
        self.repack(self.members() | {self.member: data})

    @property
    def member(self) -> str:
        return f"tiny/{self.cell.stem}.npz"

    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(io.BytesIO(self.members()[self.member])) as arrays:
            return dict(arrays)

    def replace_trajectory(self, make: Callable[[FoldGrader], Trajectory]) -> None:
        """Another trajectory in `cell`, with the metrics, clips and hash that belong to it: a perfect forgery."""
        seed = json.loads(self.cell.read_text())["seed"]
        grader = Grader.of(load_task(self.task)).on(seed)
        exam = grader.exam
        path = self.packed.parent / "forged.npz"
        save_trajectory(path, make(grader), exam.truth.rig, exam.truth.fps, exam.truth.lengths)
        graded = grader.grade(load_trajectory(path), seed)

        def change(result: dict[str, Any]) -> None:
            for name, value in graded.values.items():
                result["metrics"][name]["value"] = value

        self.edit(change)
        write_clips(self.cell.with_suffix(".csv"), exam.ids, exam.groups, exam.actions, graded.clips)
        self.replace_member(path.read_bytes())


def npz(**arrays: np.ndarray) -> bytes:
    """The bytes of an npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
