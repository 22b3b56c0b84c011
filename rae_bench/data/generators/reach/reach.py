"""The built-in motion `reach`: when key poses are reached, which clips a corpus has, and the cache that keeps it."""

from __future__ import annotations

import numpy as np

from rae_bench.data.corpus import Corpus, ReachTargets
from rae_bench.data.generators.reach import REACH_VERSION
from rae_bench.data.generators.reach.key_poses import MoveFrames, hands, make_pose
from rae_bench.data.generators.reach.limbs import Reacher, read_reacher
from rae_bench.data.generators.reach.route import DRAWS, PACE, STILL, TARGETS, Route, come_nearer, make_route
from rae_bench.data.generators.reach.solve_keys import standing_pose
from rae_bench.data.generators.reach.targets import (
    HOLD_FRAMES,
    MAX_ACCELERATION,
    MAX_SPEED,
    choose_variants,
    spawn_names,
)
from rae_bench.data.generators.shared import (
    BLOCK,
    check_size,
    corpus_identity,
    in_blocks,
    occurrences,
    random_numbers,
    tell_of_motion,
)
from rae_bench.data.store import keep_generated
from rae_bench.kinematics import quat
from rae_bench.motion.course import course_of
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import Rig

STANDS = (0.5, 0.8)
"""Seconds between which a clip stands still before it reaches; one that is short of time starts as soon as its first
target is still reached later than `STANDS[0]`."""
SLOWER = 0.4
"""A clip with time to spare moves slower than it may by up to this share."""
SAMPLES = 33
"""Frames of a move at which speed and acceleration of the hands are taken."""
NEARER = 8
"""Rounds in which targets of clips short of time come nearer."""


def _identity(rig: Rig, clips: int, seconds: float, fps: float, seed: int) -> str:
    return corpus_identity("reach", rig.content_hash, REACH_VERSION, clips, float(seconds), float(fps), seed)


def generate_reach(rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 60.0, seed: int = 0) -> Corpus:
    """Generate hands that go for one to three targets on a cylinder around the body, while the feet stay planted.

    Args:
        rig: with a hand; legs by the roles of its contact joints, or a fixed base.
        clips: how many of the 960 variants; from 40 on, every spawn point comes first in one of them.
        seconds: length of each. In 5 s all targets are reached; in fewer, one that is not is not in the clip.
        fps: frames per second.
        seed: another seed gives other times, turns and ways round of the same variants.

    Returns:
        A corpus named after the rig, with exact contacts and with targets; the spawn point of the first target is a
        group.

    Raises:
        UserError: The rig has no hand, or nothing to stand on.
    """
    check_size("reach", clips, seconds, fps)
    tell_of_motion("reach", clips)
    reacher = read_reacher(rig)
    variants = choose_variants(clips)
    draw = random_numbers(rig, seed, clips, DRAWS)
    stand = standing_pose(reacher)
    frames = round(seconds * fps)
    route, moves = _in_time(reacher, make_route(reacher, stand, variants, draw), frames, fps)
    slots = np.array([limb.slot for limb in reacher.limbs])
    course, targets = _timetable(route, moves, slots, draw, frames, fps)
    root, rotations, contacts = in_blocks(lambda part: _block(reacher, route, course, part), clips)
    names = [variant.name for variant in variants]
    ids = [name if n == 1 else f"{name}-{n:02d}" for name, n in zip(names, occurrences(names), strict=True)]
    motion = make_motion(rig, fps, root, rotations, contacts=contacts)
    return Corpus(
        f"{rig.name}-reach",
        motion,
        tuple(ids),
        tuple(variant.group for variant in variants),
        tuple(f"reach-{variant.setting.count}" for variant in variants),
        tuple(ids),
        course_of(motion),
        _identity(rig, clips, seconds, fps, seed),
        {"source": f"built-in motion 'reach', version {REACH_VERSION}, seed {seed}", "licence": "MIT"},
        exact_contacts=True,
        targets=targets,
        combinations=spawn_names(),
    )


def load_reach(
    rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 60.0, seed: int = 0, cache: bool = True
) -> Corpus:
    """Generate reaching as `generate_reach` does, and keep it under `home()/generated` unless `cache` is off."""

    def make() -> Corpus:
        return generate_reach(rig, clips=clips, seconds=seconds, fps=fps, seed=seed)

    return keep_generated(f"{rig.name}-reach", _identity(rig, clips, seconds, fps, seed), make) if cache else make()


def _durations(reacher: Reacher, route: Route, clips: np.ndarray, fps: float) -> np.ndarray:
    """Return the frames (C, S - 1) that each move of some clips needs, so that the hands keep to their limits."""
    rows = route.row[clips]
    a, b = rows[:, :-1].reshape(-1, 1), rows[:, 1:].reshape(-1, 1)
    pairs, which = np.unique(np.concatenate([a, b], 1), axis=0, return_inverse=True)
    u = np.linspace(0, 1, SAMPLES)
    longest = np.zeros(len(pairs))
    for start in range(0, len(pairs), 8 * BLOCK):
        part = pairs[start : start + 8 * BLOCK]
        shape = (len(part), SAMPLES)
        a, b = (np.broadcast_to(part[:, i : i + 1], shape) for i in (0, 1))
        path = hands(
            reacher, make_pose(reacher, route.keys, MoveFrames(a, b, np.broadcast_to(u, shape)), reaching_only=True)[0]
        )
        speed = np.linalg.norm(np.diff(path, axis=1), axis=-1).max((1, 2)) * (SAMPLES - 1)
        acceleration = np.linalg.norm(np.diff(path, 2, axis=1), axis=-1).max((1, 2)) * (SAMPLES - 1) ** 2
        needed = np.maximum(
            speed / (MAX_SPEED * reacher.scale), np.sqrt(acceleration / (MAX_ACCELERATION * reacher.scale))
        )
        longest[start : start + 8 * BLOCK] = needed
    # The samples miss a little of the peaks.
    frames_needed = np.maximum(np.ceil(1.03 * longest * fps), round(0.2 * fps)).astype(int)
    return frames_needed[which.reshape(-1)].reshape(rows.shape[0], -1)


def _holds(route: Route) -> np.ndarray:
    """Return the frames (N, S) for which each key pose is held."""
    return np.where(route.aims, HOLD_FRAMES - 1, 0)


def _soonest(moves: np.ndarray, fps: float) -> np.ndarray:
    """Return the frames (N,) after which a clip may start at the earliest.

    Its first target must be reached later than `STANDS[0]`.
    """
    return np.maximum(np.ceil((STANDS[0] + 0.1) * fps) - moves[:, 0], np.ceil(0.1 * fps)).astype(int)


def _in_time(reacher: Reacher, route: Route, frames: int, fps: float) -> tuple[Route, np.ndarray]:
    """Return the route with targets brought nearer where the clip would end before the last, and its `_durations`."""
    aims = route.aims
    held = _holds(route).sum(1)
    moves = _durations(reacher, route, np.arange(len(aims)), fps)
    for _ in range(NEARER):
        left = frames - 1 - held - _soonest(moves, fps)
        needed = (moves * aims[:, 1:]).sum(1)
        late = np.flatnonzero(needed > left)
        if not len(late):
            break
        # At a given acceleration the way goes with the square of the time.
        share = np.clip((np.maximum(left, 0) / needed)[late] ** 2 * 0.97, 0.5, 0.97)
        route = come_nearer(reacher, route, late, share)
        moves[late] = _durations(reacher, route, late, fps)
    return route, moves


def _timetable(
    route: Route, moves: np.ndarray, slot_of: np.ndarray, draw: np.ndarray, frames: int, fps: float
) -> tuple[MoveFrames, ReachTargets]:
    """Return the key poses around each frame, and the targets that are reached before the end."""
    clips, size = route.row.shape
    number = np.arange(size)
    real = number < route.count[:, None]
    aims = route.aims
    holds = _holds(route)
    # Where time is left over, part of it goes into the moves; a clip short of time starts sooner.
    busy, held = (moves * real[:, 1:]).sum(1), holds.sum(1)
    spare = frames - 1 - held - (moves * aims[:, 1:]).sum(1)
    still = np.round((STANDS[0] + (STANDS[1] - STANDS[0]) * draw[:, STILL]) * fps).astype(int)
    still = np.clip(spare, _soonest(moves, fps), still)
    pace = np.clip((frames - 1 - still - held) / np.maximum(busy, 1), 1, 1 + SLOWER * draw[:, PACE])
    moves = np.floor(moves * pace[:, None]).astype(int)
    reached = still[:, None] + np.cumsum(moves, 1) + np.cumsum(np.concatenate([0 * holds[:, :1], holds[:, 1:-1]], 1), 1)
    reached = np.concatenate([np.zeros((clips, 1), int), reached], 1)  # (N, S) the frame of the key pose
    left = np.where(number == 0, still[:, None], reached + holds)  # and the one from which it is left
    t = np.arange(frames)
    # On the way to this key pose.
    step = np.minimum((t[None, :, None] >= left[:, None, :]).sum(-1), route.count[:, None] - 1)
    before = np.maximum(step - 1, 0)
    leave, arrive = np.take_along_axis(left, before, 1), np.take_along_axis(reached, step, 1)
    u = np.where(step == 0, 1.0, np.clip((t - leave) / np.maximum(arrive - leave, 1), 0, 1))
    course = MoveFrames(np.take_along_axis(route.row, before, 1), np.take_along_axis(route.row, step, 1), u)

    limbs = len(slot_of)
    shape = (clips, TARGETS, limbs)
    slots = np.full(shape, -1, np.int8)
    starts, arrivals = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    positions, rotations, again = np.zeros((*shape, 3)), np.tile(quat.IDENTITY, (*shape, 1)), np.zeros(shape, bool)
    for k in range(1, 1 + TARGETS):  # key poses with a target come first
        arrival = reached[:, k] + HOLD_FRAMES - 1
        clip, limb = np.nonzero(route.active[:, k] & (arrival < frames)[:, None])
        event = clip, k - 1, limb
        slots[event], arrivals[event] = slot_of[limb], arrival[clip]
        starts[event] = (reached[clip, k - 1] + HOLD_FRAMES - 1) * (k > 1)
        positions[event], rotations[event] = route.positions[clip, k, limb], route.rotations[clip, k, limb]
        again[event] = route.respawned[clip, k, limb]
    flat = (clips, TARGETS * limbs)
    return course, ReachTargets(
        slots.reshape(flat),
        starts.reshape(flat),
        arrivals.reshape(flat),
        positions.reshape(*flat, 3).astype(np.float32),
        rotations.reshape(*flat, 4).astype(np.float32),
        again.reshape(flat),
    )


def _block(
    reacher: Reacher, route: Route, course: MoveFrames, clips: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return root positions (N, T, 3), local rotations (N, T, J, 4) and contacts (N, T, C) of some clips."""
    rig = reacher.rig
    pose, off_ground = make_pose(reacher, route.keys, MoveFrames(course.a[clips], course.b[clips], course.u[clips]))
    contacts = np.zeros((*off_ground.shape[:2], len(rig.contact_joints)), bool)
    limb_of = {id(limb.leg): i for i, limb in enumerate(reacher.limbs) if limb.leg}
    for leg in reacher.legs:
        down = np.ones(off_ground.shape[:2], bool)
        if id(leg) in limb_of:
            down = off_ground[..., limb_of[id(leg)]] <= 0
            down[:, 1:] &= down[:, :-1].copy()
        contacts[..., rig.contact_slots == rig.contact_slots[leg.column]] = down[..., None]
    return pose.root.astype(np.float32), pose.rotations().astype(np.float32), contacts
