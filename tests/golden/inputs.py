"""What all golden values are computed from: small, seeded, and written by nobody's recorder."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from helpers.walking import noisy, walk

from rae_bench.data.corpus import Corpus
from rae_bench.model.api import Domain, Prompt
from rae_bench.motion.course import course_of
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.phases import local_phases

FPS = 30.0


def turns(shape: tuple[int, ...], seed: int, size: float = 1.0) -> np.ndarray:
    """(*shape, 4) rotations by about `size` radians, float64."""
    rng = np.random.default_rng(seed)
    vector = size * rng.standard_normal((*shape, 3))
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), np.sin(angle / 2) * vector / angle], -1)


@cache
def truth() -> Motion:
    """Four walks of up to five seconds; the last clip ends early."""
    made = walk(4, 150, seed=3)
    lengths = np.array([150, 150, 150, 110])
    return make_motion(
        made.rig, made.fps, made.root_positions, made.rotations, lengths=lengths, contacts=made.contacts
    )


@cache
def generated(seed: int = 5) -> Motion:
    """The same walks with faults that every metric sees: feet that slide, sink and hover, noise, a root off its way."""
    true, glides = truth(), walk(4, 150, seed=3, slide=0.2)
    frame = np.arange(150)[None, :, None]
    away = np.array([0.5, 1, 2, 4])[:, None, None]
    drift = away * frame * np.array([4e-4, 0, 3e-4]) + 0.03 * np.sin(frame / 9) * np.array([0, 1, 0])
    moved = make_motion(
        true.rig, true.fps, glides.root_positions + drift, glides.rotations, lengths=true.lengths,
        contacts=true.contacts,
    )  # fmt: skip
    return noisy(moved, 1, seed)


@cache
def crowd() -> tuple[Motion, Motion, Motion]:
    """Eight walks, the same a little off (a critic sees it often and not always), and eight others."""
    return walk(8, 60, seed=7), noisy(walk(8, 60, seed=7, slide=0.05), 0.03, 8), walk(8, 60, seed=9)


@cache
def domain(seed: int = 0) -> Domain:
    """What a model learns from: eight walks of two seconds, of different length."""
    made = walk(8, 60, seed=seed)
    lengths = np.array([60, 60, 60, 45, 60, 52, 60, 60])
    motion = make_motion(
        made.rig, made.fps, made.root_positions, made.rotations, lengths=lengths, contacts=made.contacts
    )
    names = tuple(f"clip{i}" for i in range(8))
    return Domain("walks", motion.rig, motion, keyframe_objectives(motion), local_phases(motion), names, names)


@cache
def larger() -> Domain:
    """The same walks of a larger character."""
    known = domain()
    rig = replace(known.rig, offsets=1.3 * known.rig.offsets)
    motion = make_motion(
        rig, known.motion.fps, 1.3 * known.motion.root_positions, known.motion.rotations,
        lengths=known.motion.lengths, contacts=known.motion.contacts,
    )  # fmt: skip
    phases = local_phases(motion, keyframe_objectives(motion))
    return replace(known, name="large", rig=rig, motion=motion, objectives=keyframe_objectives(motion), phases=phases)


@cache
def prompt(frames: int = 12) -> Prompt:
    """Two walks that go on for so many frames."""
    motion, history = walk(2, 60, seed=9), 30
    past = motion.cut(0, history)
    return Prompt(
        motion.rig,
        motion.fps,
        past,
        keyframe_objectives(motion).cut(0, history + frames),
        np.full(2, frames),
        local_phases(past, past_only=True)[:, -1],
    )


@cache
def corpus() -> Corpus:
    """Twenty-four shaky walks of eight groups and three actions, some of them short."""
    made = noisy(walk(24, 75, seed=1), 0.5)
    lengths = np.where(np.arange(24) % 5, 75, 48)
    motion = make_motion(
        made.rig, made.fps, made.root_positions, made.rotations, lengths=lengths, contacts=made.contacts
    )
    return Corpus(
        "walks",
        motion,
        tuple(f"take{i // 3}#{i % 3}" for i in range(24)),
        tuple(f"take{i // 3}" for i in range(24)),
        tuple(("walk", "turn", "run")[(i // 3 + (i % 3 == 2)) % 3] for i in range(24)),
        tuple(f"take{i // 3}" for i in range(24)),
        course_of(motion),
        "golden",
    )


