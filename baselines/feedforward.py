"""`feedforward`: the probe of how much a task gives away.

A network of two hidden layers maps what is asked at a frame to the pose of that frame. It feeds nothing back and
carries nothing over from a source. In tracks with objectives it reads the last and the next event of each role, in
`control` the path, the last pose of the history and the time since then. A task that it wins asks too little: there the
answer lies in the question.

Where the body is does not come from its own past either. Its place and heading are measured from the roles that touch
the ground, on the straight way from their last event to the next one; in `control` they are measured from the path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from rae_bench.model import (
    HORIZONS,
    ROLES,
    Context,
    Domain,
    Layout,
    ModelCard,
    Motion,
    Objectives,
    Prompt,
    Rig,
    RootPath,
    Skeleton,
    Trajectory,
    UserError,
    key_transforms,
    make_skeleton,
    quat,
    states,
    to_motion,
)

from .layers import mlp

HIDDEN = 256
RATE, DECAY = 2e-3, 1e-2
SOON = 0.5
"""Seconds: times t are fed as t / (t + this)."""
LARGEST = 5.0
"""Standard deviations at which an input is cut off."""


class Seen(NamedTuple):
    """What the network reads of N clips of T frames, and from where it measures.

    Attributes:
        inputs: (N, T, F) float32.
        place: (N, T, 3) metres, world, on the ground.
        heading: (N, T) radians.
    """

    inputs: np.ndarray
    place: np.ndarray
    heading: np.ndarray


def seen_of(
    past: Motion, objectives: Objectives, path: RootPath | None, frames: int, given: int | np.ndarray
) -> Seen:
    """What is known when each frame is made: rows before it, and the clip's beginning.

    Args:
        past: N clips whose first frame, and in `control` whose frame `given` - 1, are known.
        objectives, path: at least `frames` rows.
        frames: T.
        given: frames of history, one number or (N,).
    """
    if path is not None:
        return _along_path(past, path, frames, np.broadcast_to(given, (len(past),)))
    return _between_events(past, objectives, frames)


def _between_events(past: Motion, objectives: Objectives, frames: int) -> Seen:
    rig, fps, height = past.rig, past.fps, past.rig.height
    row = np.maximum(np.arange(frames) - 1, 0)
    count, slots = len(past), len(ROLES)
    clip, slot = np.arange(count)[:, None, None], np.arange(slots)
    active = objectives.active[:, row]
    left = np.where(active, objectives.arrivals[:, row] - np.arange(frames)[:, None], 0)

    # An event has come when its objective's arrival is reached; the clip's first frame stands for the one before.
    came = np.zeros((count, frames, slots), bool)
    came[:, 1:] = active[:, 1:] & (left[:, 1:] == 0)
    when = np.maximum.accumulate(np.where(came, np.arange(frames)[:, None], 0), 1)
    before = np.maximum(when - 1, 0)
    first, first_turn = key_transforms(past.positions[:, 0], past.global_rotations[:, 0], rig)
    none = (when == 0)[..., None]
    last = np.where(none, first[:, None], objectives.positions[clip, before, slot])
    last_turn = np.where(none, first_turn[:, None], objectives.rotations[clip, before, slot])
    following = np.where(active[..., None], objectives.positions[:, row], last)
    following_turn = np.where(active[..., None], objectives.rotations[:, row], last_turn)

    since = np.arange(frames)[:, None] - when
    share = np.where(active, since / np.maximum(since + left, 1), 0)[..., None]
    feet = np.isin(np.arange(slots), rig.contact_slots)
    stands = feet if feet.any() else np.isin(np.arange(slots), [ROLES.index("pelvis")])
    between = last + share * (following - last)
    place = between[:, :, stands].mean(2) * [1, 0, 1]
    facing = (1 - share) * quat.forward(last_turn) + share * quat.forward(following_turn)
    facing = facing[:, :, stands].sum(2)
    heading = np.arctan2(facing[..., 0], facing[..., 2])

    told = feet | np.logical_or.accumulate(active, 1)  # of other roles nothing is heard after the first frame
    back = quat.from_yaw(-heading)[:, :, None]

    def local(positions: np.ndarray, turns: np.ndarray) -> np.ndarray:
        turned = np.broadcast_to(back, turns.shape)
        places = quat.rotate(turned, positions - place[:, :, None]) / height
        columns = quat.to_matrix(quat.mul(turned, turns))[..., :2]
        return np.concatenate([places, columns.reshape(*columns.shape[:-2], 6)], -1)

    times = np.stack([active, _squashed(left / fps), _squashed(since / fps)], -1)
    parts = np.concatenate([local(last, last_turn), local(following, following_turn), times], -1) * told[..., None]
    return Seen(parts.reshape(count, frames, -1).astype(np.float32), place, heading)


def _along_path(past: Motion, path: RootPath, frames: int, given: np.ndarray) -> Seen:
    rig, fps, height = past.rig, past.fps, past.rig.height
    count, clip = len(past), np.arange(len(past))
    step = round(HORIZONS[0] * fps)
    row = np.maximum(np.arange(frames) - 1, 0)
    # Where the path is now has been its nearest place a third of a second ago; before that it is taken as it was first.
    now = np.maximum(np.arange(frames) - step, 0)
    place = np.zeros((count, frames, 3))
    place[..., [0, 2]] = path.positions[:, now, 0]
    heading = path.headings[:, now, 0].astype(float)
    c, s = np.cos(heading)[..., None], np.sin(heading)[..., None]
    x, z = np.moveaxis(path.positions[:, row] - place[:, :, None, [0, 2]], -1, 0)
    turn = path.headings[:, row] - heading[..., None]
    ahead = [(c * x - s * z) / height, (s * x + c * z) / height, np.sin(turn), np.cos(turn)]

    at = np.maximum(given - 1, 0)
    keys = key_transforms(past.positions, past.global_rotations, rig)[0]
    here, before = keys[clip, at], keys[clip, np.maximum(at - 1, 0)]
    space = past.root[clip, at]
    pose = [space.points_in(here) / height, space.vectors_in((here - before) * fps) / height]
    known = np.concatenate(pose, -1).reshape(count, 1, -1)
    elapsed = (np.arange(frames) - at[:, None])[..., None] / fps
    inputs = np.concatenate([*ahead, np.broadcast_to(known, (count, frames, known.shape[-1])), elapsed], -1)
    return Seen(inputs.astype(np.float32), place, heading)


def _squashed(seconds: np.ndarray) -> np.ndarray:
    return seconds / (seconds + SOON)


class FeedForward:
    """Two hidden layers from what is asked to the pose. Raise the card's version when its numbers move."""

    card = ModelCard(
        name="feedforward",
        version="1",
        authors="The rae-bench authors",
        licence="MIT",
        description="a probe: what is asked of a frame to its pose, with no past of its own and no source",
        capabilities=frozenset({"cold-long"}),
        parameters=None,
    )

    def __init__(self) -> None:
        self._net: nn.Module | None = None
        self._scales: dict[str, Tensor] = {}

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """Learn nothing: nothing would be carried over."""

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Train on single frames of the target fraction."""
        torch.set_num_threads(ctx.threads)
        motion, rig = target.motion, target.rig
        if not len(target):
            rest = np.tile(rig.rest_global[0][:1], (2, 1))[None]
            contacts = np.zeros((1, 2, len(rig.contact_joints)), bool)
            motion = Motion(rig, motion.fps, np.array([2]), rest, np.tile(rig.rest, (1, 2, 1, 1)), contacts)
        rng = np.random.default_rng([ctx.seed, 7])
        updates = ctx.budget.updates if len(target) else 0
        size = ctx.budget.frames // max(ctx.budget.updates, 1)
        skeleton = make_skeleton(rig, motion.fps)
        rounds = [self._frames(target, motion, rng) for _ in range(4 if target.path is not None else 1)]
        x, y = (torch.cat([part[i] for part in rounds]) for i in range(2))
        self._scales = {"x_mean": x.mean(0), "x_std": x.std(0, unbiased=False) + 1e-3}
        self._scales |= {"y_mean": y.mean(0), "y_std": torch.sqrt(y.var(0, unbiased=False) + 0.01**2)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            net = mlp(x.shape[1], HIDDEN, HIDDEN, y.shape[1])
            optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(updates, 1), RATE / 50)
            for update in range(updates):
                pick = torch.from_numpy(rng.integers(0, len(x), size))
                loss = self._loss(net, x[pick], y[pick], skeleton)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                if ctx.progress is not None and (update % 10 == 0 or update == updates - 1):
                    ctx.progress(update + 1, updates, float(loss.detach()))
        self._net = net.eval()
        parameters = sum(p.numel() for p in net.parameters())
        ctx.declare(updates=updates, frames=updates * size, parameters=parameters, trained=parameters)

    def _frames(self, target: Domain, motion: Motion, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (M, F) and poses (M, P) of all frames; in `control` of those after a beginning of random length."""
        lengths, frames = motion.lengths, motion.root_positions.shape[1]
        given = rng.integers(1, np.maximum(lengths // 2, 2)) if target.path is not None else np.ones(len(lengths), int)
        if len(target):
            seen = seen_of(motion, target.objectives, target.path, frames, given)
        else:
            seen = Seen(np.zeros((1, 2, self._width(target.path)), np.float32), motion.root.origin, motion.root.yaw)
        valid = motion.valid & (np.arange(frames) >= given[:, None])
        kept = torch.from_numpy(valid if valid.any() else motion.valid)
        return torch.from_numpy(seen.inputs)[kept], _poses(states(motion), seen, motion.rig)[kept]

    @staticmethod
    def _width(path: RootPath | None) -> int:
        return len(ROLES) * 21 if path is None else 4 * len(HORIZONS) + 6 * len(ROLES) + 1

    def _loss(self, net: nn.Module, x: Tensor, y: Tensor, skeleton: Skeleton) -> Tensor:
        """Distance of joints in root space and of the root, in heights, and difference of rotation columns."""
        made = self._made(net, x)
        shift = (made[:, :3] - y[:, :3]).norm(dim=1).mean() + (made[:, 3:5] - y[:, 3:5]).abs().mean()
        columns, true = (_columns(part[:, 5:]) for part in (made, y))
        apart = ((columns - true).flatten(1) @ skeleton.chain).unflatten(1, (-1, 3)).norm(dim=-1).mean()
        return shift + apart / skeleton.height + (columns - true).abs().mean()

    def _made(self, net: nn.Module, x: Tensor) -> Tensor:
        scaled = ((x - self._scales["x_mean"]) / self._scales["x_std"]).clamp(-LARGEST, LARGEST)
        made: Tensor = net(scaled) * self._scales["y_std"] + self._scales["y_mean"]
        return made

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Every frame by itself."""
        if self._net is None:
            raise UserError("model 'feedforward': generate needs adapt or load first")
        torch.set_num_threads(ctx.threads)
        history = prompt.history.root_positions.shape[1]
        total = history + int(prompt.frames.max(initial=0))
        seen = seen_of(prompt.history, prompt.objectives, prompt.path, total, history)
        with torch.inference_mode():
            inputs = torch.from_numpy(seen.inputs[:, history:])
            made = self._made(self._net, inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
        after = Seen(seen.inputs[:, history:], seen.place[:, history:], seen.heading[:, history:])
        roots, turns = to_motion(_states(made, after, make_skeleton(prompt.rig, prompt.fps)), prompt.rig)
        return Trajectory(np.repeat(roots[None], prompt.num_samples, 0), np.repeat(turns[None], prompt.num_samples, 0))

    def save(self, folder: Path) -> None:
        """Weights and scales as safetensors, widths as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"scale.{k}": v for k, v in self._scales.items()}
        meta: dict[str, Any] = {"inputs": None}
        if self._net is not None:
            tensors |= {f"network.{k}": v for k, v in self._net.state_dict().items()}
            meta = {"inputs": len(self._scales["x_mean"]), "outputs": len(self._scales["y_mean"])}
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps(meta), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what `save` kept. Raises `UserError` where the files are not there or damaged."""
        try:
            meta = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "model.safetensors")
            self._scales = {k.removeprefix("scale."): v for k, v in tensors.items() if k.startswith("scale.")}
            if meta["inputs"] is not None:
                net = mlp(int(meta["inputs"]), HIDDEN, HIDDEN, int(meta["outputs"]))
                kept = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
                net.load_state_dict(kept)
                self._net = net.eval()
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{folder}: no saved model 'feedforward' ({reason})") from None


def _columns(pair: Tensor) -> Tensor:
    """(B, 3, 3 J) rotation columns of their first two (B, 6 J), made square to each other."""
    first, second = pair.unflatten(1, (2, -1, 3)).unbind(1)
    a = functional.normalize(first, dim=-1)
    b = functional.normalize(second - (a * second).sum(-1, keepdim=True) * a, dim=-1)
    return torch.stack([a, b, torch.linalg.cross(a, b)], 1).flatten(2)


def _poses(path: Tensor, seen: Seen, rig: Rig) -> Tensor:
    """(N, T, 5 + 6 J): place and height of the pelvis as seen from there, heights; heading; two columns per joint."""
    layout, height = Layout(len(rig)), rig.height
    c, s = (torch.from_numpy(f(seen.heading).astype(np.float32)) for f in (np.cos, np.sin))
    gap = path[..., Layout.origin] - torch.from_numpy(seen.place.astype(np.float32))
    x, z = c * gap[..., 0] - s * gap[..., 2], s * gap[..., 0] + c * gap[..., 2]
    forward = path[..., Layout.forward]
    sine, cosine = c * forward[..., 0] - s * forward[..., 2], s * forward[..., 0] + c * forward[..., 2]
    columns = path[..., layout.columns][..., : 6 * layout.joints]
    rise = path[..., Layout.rise].squeeze(-1)
    return torch.cat([torch.stack([x / height, z / height, rise / height, sine, cosine], -1), columns], -1)


def _states(made: Tensor, seen: Seen, skeleton: Skeleton) -> Tensor:
    """(N, T, D) states of what the network gave, as far as `to_motion` reads them."""
    layout, height = skeleton.layout, skeleton.height
    out = made.new_zeros(*made.shape[:2], layout.size)
    c, s = (torch.from_numpy(f(seen.heading).astype(np.float32)) for f in (np.cos, np.sin))
    x, z, rise, sine, cosine = made[..., :5].unbind(-1)
    place = torch.from_numpy(seen.place.astype(np.float32))
    out[..., 0] = place[..., 0] + height * (c * x + s * z)
    out[..., 2] = place[..., 2] + height * (c * z - s * x)
    size = torch.sqrt(sine**2 + cosine**2).clamp(min=1e-6)
    out[..., 3], out[..., 5] = (c * sine + s * cosine) / size, (c * cosine - s * sine) / size
    columns = _columns(made[..., 5:].flatten(0, 1)).flatten(1)
    out[..., layout.columns] = columns.unflatten(0, made.shape[:2])
    lifted = columns @ skeleton.chain + (height * rise).reshape(-1, 1) @ skeleton.up
    out[..., layout.p] = lifted.unflatten(0, made.shape[:2])
    return out
