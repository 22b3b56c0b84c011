"""A correct model to break, and what the conformance suite says of one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from rae_bench.errors import UserError
from rae_bench.model import Context, Domain, ModelCard, Prompt, Trajectory
from rae_bench.testing import CHECKS, check_model


class Still:
    """Holds the last pose; a correct model to break."""

    card = ModelCard(
        name="still",
        authors="test",
        licence="MIT",
        description="holds the last pose",
        capabilities=frozenset({"frozen", "finetune"}),
    )
    taught = 0.0

    def pretrain(self, source: Domain, ctx: Context) -> None:
        self.taught = 0.01

    def adapt(self, target: Domain, ctx: Context) -> None:
        if ctx.regime in ("frozen", "finetune") and not self.taught:
            raise UserError("pretrain first")

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        frames = int(prompt.frames.max())
        root = np.repeat(prompt.history.root_positions[:, -1:], frames, 1)
        rotations = np.repeat(prompt.history.rotations[:, -1:], frames, 1)
        return Trajectory(root[None] + np.float32(self.taught), rotations[None])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps(self.taught))

    def load(self, folder: Path) -> None:
        self.taught = json.loads((folder / "state.json").read_text())


def failures(model: type) -> dict[str, str]:
    checks = check_model(model)
    assert len(checks) == len(CHECKS)
    return {check.name: check.reason for check in checks if not check.ok}


def moved(trajectory: Trajectory, shift: np.ndarray) -> Trajectory:
    """Roots moved by (N, T, 3) metres."""
    return replace(trajectory, root_positions=(trajectory.root_positions + shift).astype(np.float32))
