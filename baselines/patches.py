"""`patches`: motion of the source, put on the target by matching and blending patches of a few examples. No training.

After Motion2Motion (Chen et al., SIGGRAPH Asia 2025, and its public code). That method transfers a given motion to
another skeleton. A few bones of both are bound to each other; a patch is some frames of motion. Every patch of the
source asks, through the bound bones, for the patch of the target's examples that is most like it. The patches that are
found are averaged where they overlap, from coarse to fine.

Here it makes the library from which a character is played:

1. **Binding**: a role is bound where both rigs have it, and where both or neither stand on it. What is bound are the
   places of these roles, as displacements from the rest pose in rig heights, and the steps of the root.
2. **Transfer**, when the model adapts: each segment of the source becomes motion of the target by Motion2Motion. The
   root goes as the source's, scaled by height. What was asked of the source is asked of the copy.
3. **Playing**: every tenth of a second the patch is sought whose past is most like what has just been shown, and of
   which was asked what is asked now, among the copies and the examples. Patches are averaged where they overlap.
   Root, feet and objectives are corrected as in `match`.

Kept of Motion2Motion: sparse binding, patches of 11 frames, weights 0.9 and 0.1 of bound and other channels, distances
normalised by how near a patch of the examples comes to anything (alpha 0.01), coarse to fine, blending by the mean.
Left: the noise it starts from (here other channels join after the first pass, so that results do not depend on chance);
its pyramid shrinks motion by a quarter a level, here patches reach over every fourth, second and single frame; three
passes a level are two; bound bones are roles' places here, rotations there; the root goes as the source's here, as the
patches' there. Added: all that generates, since a prompt holds no motion of the source.

In `cold` there are the target's examples alone. In `zero-shot` there are none, and the source's segments are carried
over by the benchmark's own retargeting. In `retarget` they come so from the benchmark, and are taken for the source's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from rae_bench.model import (
    Context,
    Domain,
    ModelCard,
    Objectives,
    Prompt,
    Rig,
    RootPath,
    Trajectory,
    UserError,
    key_transforms,
    quat,
    retarget,
)

from .footwork import Shown
from .library import SLOTS, Library, features_of, findable, last_frame, library_of, scales_of, together
from .motion2motion import PATCH, Body, Windows, body_of, keys_of, speeds_of, transferred
from .playing import held, missed, played
from .steering import Roots, exp, log, spring

EVERY = 0.1
"""Seconds between two patches."""
HALF_LIFE = 0.1
"""Seconds in which a spring halves what the first patch is off the history."""
PAST = (0, 5, 10)
"""Frames ago whose poses a patch is found by."""
LEAST = 0.4
"""Seconds that have to follow a frame for a patch to be found there."""
BETTER = 0.8
"""Another patch is taken if its squared distance is below this share of that of the one that goes on."""


class Patches:
    """Patches of the source's motion, matched and blended. Raise the card's version when its numbers move.

    Args:
        segments: how many segments of each source are carried over at most, evenly spread.
        feet: whether inverse kinematics keeps standing feet in place and brings joints to their objectives.
    """

    card = ModelCard(
        name="patches",
        version="1",
        authors="The rae-bench authors",
        paper="Chen et al., Motion2Motion, SIGGRAPH Asia 2025",
        licence="MIT",
        description="patches of the source's motion, matched and blended from the target's; nothing is trained",
        capabilities=frozenset({"finetune", "retarget", "zero-shot", "multiple-sources"}),
        parameters=0,
    )

    def __init__(self, segments: int = 64, feet: bool = True) -> None:
        self.segments, self.feet = segments, feet
        self._library: Library | None = None
        self._index: _Index | None = None
        self._sources: list[_Source] = []

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """Keep segments of the sources. How they become motion of the target depends on that."""
        some = [_some(each, self.segments) for each in ctx.sources or (source,)]
        self._sources = [
            _Source(each.rig.content_hash, library_of(each), body_of(each.rig)) for each in some if len(each)
        ]
        ctx.declare(updates=0, frames=0, parameters=0, trained=0)

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Put the sources' motion on the target. There are no updates."""
        torch.set_num_threads(ctx.threads)
        examples, rig = library_of(target), target.rig
        parts = [examples]
        if len(examples):
            parts += [transferred(each.library, each.body, examples, rig, target.motion.fps) for each in self._sources]
        elif self._sources:
            there = [each.library for each in self._sources if each.rig == rig.content_hash]
            elsewhere = [each for each in ctx.sources if each.rig.content_hash != rig.content_hash]
            some = (_some(each, self.segments) for each in elsewhere if len(each))
            parts += there or [library_of(on_rig(each, rig)) for each in some]
        self._library, self._index = together(parts), None
        ctx.declare(updates=0, frames=0, parameters=0, trained=0, library_frames=len(self._library))

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Play patches. Where there are none, the last pose is held."""
        if self._library is None:
            raise UserError("model 'patches': generate needs adapt or load first")
        if self._index is None or self._index.fps != prompt.fps:
            self._index = _Index(self._library, prompt.fps)
        return played(_Player(self._index, prompt), prompt, self._library, self.feet)

    def save(self, folder: Path) -> None:
        """The frames that are played as `library.npz`, those of each source as `source-0.npz` and so on."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {"library": self._library is not None, "sources": len(self._sources)}
        (folder / "patches.json").write_text(json.dumps(kept), encoding="utf-8")
        if self._library is not None:
            self._library.write(folder / "library.npz")
        for n, source in enumerate(self._sources):
            source.library.write(folder / f"source-{n}.npz")
            body = {each.name: getattr(source.body, each.name) for each in fields(Body)}
            np.savez(folder / f"body-{n}.npz", rig=np.array(source.rig), **body)

    def load(self, folder: Path) -> None:
        """Restore what `save` kept. Raises `UserError` where the files are not there or damaged."""
        try:
            kept = json.loads((folder / "patches.json").read_text(encoding="utf-8"))
            self._sources = [_read_source(folder, n) for n in range(int(kept["sources"]))]
            self._library = Library.read(folder / "library.npz") if kept["library"] else None
            self._index = None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: no saved model 'patches' ({error})") from None


@dataclass(frozen=True, eq=False)
class _Source:
    """What is kept of a source; `rig` is the content hash of its rig."""

    rig: str
    library: Library
    body: Body


def _read_source(folder: Path, n: int) -> _Source:
    with np.load(folder / f"body-{n}.npz", allow_pickle=False) as arrays:
        body = Body(float(arrays["height"]), arrays["rest"], arrays["has"], arrays["stands"])
        return _Source(str(arrays["rig"]), Library.read(folder / f"source-{n}.npz"), body)


def _some(domain: Domain, count: int) -> Domain:
    """At most so many segments, evenly spread."""
    pick = np.unique(np.linspace(0, len(domain) - 1, min(count, len(domain))).round().astype(int))
    names = [tuple(column[i] for i in pick) for column in (domain.ids, domain.groups)]
    path = None if domain.path is None else domain.path[pick]
    return replace(
        domain, motion=domain.motion[pick], objectives=domain.objectives[pick], phases=domain.phases[pick],
        ids=names[0], groups=names[1], path=path,
    )  # fmt: skip


def on_rig(source: Domain, rig: Rig) -> Domain:
    """The source's segments on another rig, by the benchmark's retargeting, with what was asked of them.

    The path is scaled by height. Objectives are where the moved joints are when the source's arrive.
    """
    if source.rig.content_hash == rig.content_hash:
        return source
    motion = retarget(source.motion, rig)
    places, ways = key_transforms(motion.positions, motion.global_rotations, rig)
    old = source.objectives
    at = (np.arange(len(motion))[:, None, None], np.minimum(old.arrivals, places.shape[1] - 1), np.arange(SLOTS))
    kinds = np.where(rig.role_mask, old.kinds, 0).astype(old.kinds.dtype)
    scale = np.float32(rig.height / source.rig.height)
    path = None if source.path is None else RootPath(source.path.positions * scale, source.path.headings)
    return replace(
        source, rig=rig, motion=motion, objectives=Objectives(places[at], ways[at], old.arrivals, kinds), path=path
    )


class _Index:
    """A library with what patches are found by.

    Attributes:
        features: (F, P).
        good, tree: of `findable`.
    """

    def __init__(self, library: Library, fps: float) -> None:
        self.library, self.fps, self._scales = library, fps, scales_of(library)
        within = Windows.of(library)
        self.features = self.of([library[within.at(-k)[0]] for k in PAST], library.asked)
        self.good, self.tree = findable(library, self.features, LEAST * fps)

    def of(self, past: list[Library], asked: np.ndarray) -> np.ndarray:
        """(B, P) features: poses (B,) in frames of the past, and what is asked (B, A)."""
        none = np.zeros((len(asked), 0))
        poses = [features_of(each, none) * self._scales[: 6 * SLOTS] / np.sqrt(len(PAST)) for each in past]
        return np.concatenate([*poses, asked * self._scales[6 * SLOTS :]], 1)


class _Player:
    """N bodies that show the mean of K patches each, the newest first.

    Attributes:
        at: (N, K) frame of the library that each patch is at.
        age: (N, K) how many frames of it have been shown; `PATCH` where there is none.
    """

    def __init__(self, index: _Index, prompt: Prompt) -> None:
        self.index, self.library, self.rig, self.fps = index, index.library, prompt.rig, prompt.fps
        self.roots, self.every = Roots(prompt, index.library), max(round(EVERY * prompt.fps), 1)
        self.now, history = last_frame(prompt.history), prompt.history
        last = history.root_positions.shape[1] - 1
        self.past = [last_frame(history.cut(0, max(last + 1 - k, 1))) for k in range(max(PAST), -1, -1)]
        count, joints = self.now.turns.shape[:2]
        live = -(-PATCH // self.every)
        self.at, self.age = np.zeros((count, live), int), np.full((count, live), PATCH)
        self.off, self.off_speed = np.zeros((count, 3 * joints + 3)), np.zeros((count, 3 * joints + 3))

    def frame(self, i: int) -> Shown:
        """Generated frame i, after frame i - 1."""
        library, roots = self.library, self.roots
        if self.index.tree is None:
            return held(roots, self.now)
        asked = roots.asked(i)
        if i % self.every == 0:
            self._seek(asked, first=i == 0)
        known = library.asked[self.at[:, 0]]
        landing = missed(asked, known, roots.yaw, self.rig.height)
        self.at, self.age = self.at + (library.left[self.at] > 0), np.minimum(self.age + 1, PATCH + 1)
        weight = np.sin(np.pi * self.age / (PATCH + 1)) ** 2
        weight[:, 0] += 1e-6
        weight /= weight.sum(1, keepdims=True)
        place = (weight[..., None] * library.place[self.at]).sum(1)
        step = (weight[..., None] * library.steps[self.at]).sum(1)
        each = library.turns[self.at]
        sign = np.where((each * each[:, :1]).sum(-1, keepdims=True) < 0, -1, 1)
        turns = quat.normalize((weight[..., None, None] * sign * each).sum(1))
        self.off, self.off_speed = spring(self.off, self.off_speed, HALF_LIFE, self.fps)
        turns = quat.mul(exp(self.off[:, 3:].reshape(*turns.shape[:2], 3)), turns)
        place = place + self.off[:, :3]
        drag = roots.go(asked, known, step, step)
        stands = (weight[..., None] * library.stands[self.at]).sum(1) > 0.5
        keys = keys_of(turns, place, self.rig)
        speeds = speeds_of(self.past[-1].keys, keys, step, self.rig, self.fps)
        self.past = [*self.past[1:], replace(self.now, keys=keys, speeds=speeds)]
        return Shown(roots.origin, roots.yaw, place, turns, stands, landing, drag)

    def _seek(self, asked: np.ndarray, first: bool) -> None:
        """Begin a patch: the one that fits best, or the newest again, where that fits about as well."""
        library, index = self.library, self.index
        assert index.tree is not None
        query = index.of([self.past[-1 - k] for k in PAST], asked)
        far, which = index.tree.query(query)
        newest = self.at[:, 0]
        stay = np.where(library.left[newest] < PATCH, np.inf, np.square(query - index.features[newest]).sum(1))
        to = np.where(first | (far**2 < BETTER * stay), index.good[which], newest)
        if first:
            turned = log(quat.mul(self.now.turns, quat.inverse(library.turns[to])))
            self.off = np.concatenate([self.now.place - library.place[to], turned.reshape(len(to), -1)], 1)
        self.at = np.concatenate([to[:, None], self.at[:, :-1]], 1)
        self.age = np.concatenate([np.zeros((len(to), 1), int), self.age[:, :-1]], 1)
