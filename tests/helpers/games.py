"""Plug-ins that learn nothing, or feed nothing back, and want a good score all the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from rae_bench.baselines.controls import Hold, Interpolate, Nearest
from rae_bench.baselines.feedforward import FeedForward
from rae_bench.baselines.planning import minimum_jerk
from rae_bench.metrics import (
    adversarial,
    category_scores,
    evaluate,
    evaluate_clips,
    floored_scores,
    headline_score,
    primaries,
)
from rae_bench.metrics.headline import YARDSTICKS
from rae_bench.model import (
    HORIZONS,
    Budget,
    Context,
    Domain,
    ModelCard,
    Prompt,
    Trajectory,
    make_motion,
    quat,
    solve_ik,
)
from rae_bench.task.held_out import HeldOutClips
from rae_bench.task.others import other_real_clips
from rae_bench.task.sides import Side

SMOOTHING = 0.06
"""Seconds: standard deviation of the filter over rotations."""
SWING = 0.3
"""Seconds of a step."""
FAR = 0.12
"""Rig heights that a foot may be away from its home place before it steps."""
LIFT = 0.05
"""Rig heights that a foot is lifted."""
CENTRES = 1500
"""Training frames that the kernel looks at."""


def smoothed(rotations: np.ndarray, frames: float) -> np.ndarray:
    """Rotations (N, T, J, 4), low-passed over time by a Gaussian of so many frames."""
    signs = np.cumprod(np.where((rotations[:, 1:] * rotations[:, :-1]).sum(-1, keepdims=True) < 0, -1, 1), 1)
    even = np.concatenate([rotations[:, :1], rotations[:, 1:] * signs], 1)
    return quat.normalize(gaussian_filter1d(even, frames, axis=1, mode="nearest")).astype(np.float32)


def stepping(prompt: Prompt, roots: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lock the feet of bodies that are carried along: a foot stands until it is far from home, then it steps there."""
    rig, fps, frames = prompt.rig, prompt.fps, roots.shape[1]
    feet = [int(j) for j in rig.contact_joints]
    carried = make_motion(rig, fps, roots, rotations)
    home = carried.positions[:, :, feet].copy()
    at, begun, start = home[:, 0].copy(), np.full((len(home), len(feet)), -1), home[:, 0].copy()
    out, swing, far = home.copy(), max(round(SWING * fps), 2), FAR * rig.height
    parity = np.arange(len(feet)) % 2
    for t in range(frames):
        goal = home[:, min(t + swing // 2, frames - 1)]
        away = np.linalg.norm((goal - at)[..., [0, 2]], axis=-1)
        moving = begun >= 0
        busy = np.stack([(moving & (parity != side)).any(1) for side in parity], 1)
        begin = ~moving & ~busy & (away > far)
        begun, start = np.where(begin, t, begun), np.where(begin[..., None], at, start)
        u = np.where(begun >= 0, (t - begun + 1) / swing, 0.0)
        done = minimum_jerk(u)[..., None]
        target = start + done * (goal - start)
        target[..., 1] += LIFT * rig.height * 16 * (u * (1 - u)) ** 2
        at = np.where((begun >= 0)[..., None], target, at)
        begun = np.where(u >= 1, -1, begun)
        out[:, t] = at
    moved, turned = solve_ik(rig, roots, rotations, feet, out, floor=1e-3)
    return np.asarray(moved, np.float32), quat.normalize(np.asarray(turned, np.float32))


class Locked(Interpolate):
    """Interpolation with feet that step and do not slide, smoothed."""

    card = ModelCard(name="locked", authors="a", licence="MIT", description="interpolation, locked", learns=False)

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Smooth, then lock."""
        made = super().generate(prompt, ctx)
        roots, rotations = made.root_positions[0], smoothed(made.rotations[0], SMOOTHING * prompt.fps)
        if prompt.path is not None and roots.shape[1]:
            roots, rotations = stepping(prompt, roots, rotations)
        return Trajectory(roots[None], rotations[None])


class Drift(Hold):
    """The last pose, which drifts along the path, or as it went in the history."""

    card = ModelCard(name="drift", authors="a", licence="MIT", description="a drifting frozen pose", learns=False)

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """A rigid body on its way."""
        made = super().generate(prompt, ctx)
        roots, rotations = made.root_positions[0].copy(), made.rotations[0].copy()
        frames, first = roots.shape[1], prompt.history.root_positions.shape[1] - 1
        if prompt.path is not None:
            back = max(round(HORIZONS[0] * prompt.fps), 1)  # where the path is now was its nearest place before
            row = np.maximum(first + 1 + np.arange(frames) - back, 0)
            place, heading = prompt.path.positions[:, row, 0], prompt.path.headings[:, row, 0]
            roots[..., [0, 2]] += place - place[:, :1]
            turn = quat.from_yaw((heading - heading[:, :1]).astype(np.float32))
            rotations[:, :, 0] = quat.mul(turn, rotations[:, :, 0])
        else:
            past = prompt.history.root_positions
            speed = (past[:, -1] - past[:, 0]) * [1, 0, 1] / max(past.shape[1] - 1, 1)
            roots += (speed[:, None] * np.arange(1, frames + 1)[:, None]).astype(np.float32)
        return Trajectory(roots[None].astype(np.float32), rotations[None].astype(np.float32))


class Kernel(FeedForward):
    """Kernel ridge regression on what `feedforward` reads: no own past is fed back."""

    card = ModelCard(name="kernel", authors="a", licence="MIT", description="kernel ridge regression")

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Solve for the weights of some training frames."""
        rng = np.random.default_rng([ctx.seed, 11])
        rounds = [self._frames(target, target.motion, rng) for _ in range(4 if target.path is not None else 1)]
        x, y = (torch.cat([part[i] for part in rounds]).double() for i in range(2))
        self._scales = {"x_mean": x.mean(0), "x_std": x.std(0, unbiased=False) + 1e-3, "y_mean": y.mean(0)}
        x = self._scaled(x)
        self._centres = x[torch.from_numpy(rng.permutation(len(x))[:CENTRES])]
        self._width_of_kernel = float(torch.cdist(self._centres, self._centres).median())
        k, own = self._kernel(x), self._kernel(self._centres)
        ridge = 1e-3 * len(x) * own + 1e-6 * torch.eye(len(own), dtype=own.dtype)
        self._weights = torch.linalg.solve(k.T @ k + ridge, k.T @ (y - self._scales["y_mean"]))
        self._net = torch.nn.Identity()
        ctx.declare(updates=0, frames=0, parameters=self._weights.numel(), trained=self._weights.numel())

    def _scaled(self, x: Tensor) -> Tensor:
        return ((x - self._scales["x_mean"]) / self._scales["x_std"]).clamp(-5, 5)

    def _kernel(self, x: Tensor) -> Tensor:
        return torch.exp(-0.5 * (torch.cdist(x, self._centres) / self._width_of_kernel) ** 2)

    def _made(self, net: Any, x: Tensor) -> Tensor:
        made = self._kernel(self._scaled(x.double())) @ self._weights + self._scales["y_mean"]
        return made.float()


GAMES = {"locked": Locked, "drift": Drift, "kernel": Kernel}
CONTROLS = {"hold": Hold, "interpolate": Interpolate, "nearest": Nearest}
BEST = "best of controls"
"""No model can be this: of each clip it takes the control that comes nearest to the truth."""


def game_scores(target: Side, names: Sequence[str], seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Headline scores with all of the target's data, by name (S,): of `GAMES`, of `CONTROLS` and of `BEST`."""
    found = [_categories(target, names, seed) for seed in seeds]
    return {
        name: np.array([headline_score([one]) for one in floored_scores([each[name] for each in found])])
        for name in names
    }


def _categories(target: Side, names: Sequence[str], seed: int) -> dict[str, dict[str, float]]:
    """`category_scores` of one seed, by name."""
    exam = target.held_out_clips(target.held_out(seed, 1.0))
    others = other_real_clips(target, exam, seed)
    domain, ctx = target.domain(target.fraction(seed, 1.0)), Context("cold", 1.0, Budget(0, 0), seed)
    track, height = target.protocol.track, target.corpus.motion.rig.height

    @cache
    def made(name: str) -> Trajectory:
        if name == BEST:
            return _best_of([made(control) for control in CONTROLS], exam, track)
        model = {**GAMES, **CONTROLS}[name]()
        model.adapt(domain, ctx)
        return model.generate(exam.prompt, ctx)

    def measured(trajectory: Trajectory) -> dict[str, float]:
        values = evaluate(trajectory, exam.truth, exam.objectives)
        groups, other_groups = others.held_out_groups, others.groups
        return values | adversarial(
            trajectory, exam.truth, others.motion, groups=groups, other_groups=other_groups, seed=seed
        )

    truth = measured(Trajectory.of(exam.truth))
    return {name: category_scores(measured(made(name)), truth, height, track) for name in names}


def _best_of(made: Sequence[Trajectory], exam: HeldOutClips, track: str) -> Trajectory:
    """Of each clip that trajectory whose errors, in yardsticks, are least."""
    kinds = {kind: name for kind, name in primaries(track).items() if kind in YARDSTICKS}
    each = [evaluate_clips(one, exam.truth, exam.objectives) for one in made]
    errors = [
        sum(np.nan_to_num(clips[metric]) / YARDSTICKS[kind] for kind, metric in kinds.items()) for clips in each
    ]
    chosen, number = np.argmin(errors, 0), np.arange(len(exam.truth))
    roots = np.stack([one.root_positions[0] for one in made])[chosen, number]
    turns = np.stack([one.rotations[0] for one in made])[chosen, number]
    return Trajectory(roots[None], turns[None])
