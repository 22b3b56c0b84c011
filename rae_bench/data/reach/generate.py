"""Corpora of reaching: targets, key poses, their times, and the motion between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.data.corpus import Corpus
from rae_bench.data.generated import keep_generated
from rae_bench.data.reach.limbs import Reacher, read_reacher
from rae_bench.data.reach.plan import HOLD, MAX_ACCELERATION, MAX_SPEED, Variant, choose, spawn_place
from rae_bench.data.reach.poses import Frames, Keys, hands, make_pose, reach_keys, standing, tolerance
from rae_bench.data.targets import Targets
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion import make_motion
from rae_bench.rig import Rig

REACH_VERSION = 1
"""Raised whenever the motion changes; the golden values of the tests change with it."""
BLOCK = 24
"""Clips at a time: keeps the memory of long corpora flat."""
STILL = (0.5, 0.8)
"""Seconds between which a clip stands still before it reaches."""
TURN = np.radians(40)
"""How far a target is turned at random, at most."""
SLOWER = 0.4
"""A clip with time to spare moves slower than it may by up to this share."""
EVENTS = 4
SAMPLES = 33
DRAWS = 18
_STILL, _STEP, _PACE, _MIDDLE, _TURN = 0, 1, 2, 3, 6  # columns of the draw


def _identity(rig: Rig, clips: int, seconds: float, fps: float, seed: int) -> str:
    parts = ["reach", rig.content_hash, REACH_VERSION, clips, float(seconds), float(fps), seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def generate_reach(rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 60.0, seed: int = 0) -> Corpus:
    """Hands that go for one to three targets on a cylinder around the body, while the feet stay planted.

    Args:
        rig: with a hand; legs by the roles of its contact joints, or a fixed base.
        clips: how many of the 960 variants; from 40 on, every spawn point comes first in one of them.
        seconds: length of each; a target that is not reached by the end of its clip is not in it.
        fps: frames per second.
        seed: other times, turns and ways round of the same variants.

    Raises:
        UserError: the rig has no hand, or nothing to stand on.
    """
    if clips < 1 or round(seconds * fps) < 2:
        raise UserError(f"reach needs at least 1 clip of 2 frames; asked for {clips} of {seconds:g} s at {fps:g} fps")
    reacher = read_reacher(rig)
    variants = choose(clips)
    # Two rigs must not get the same clips: a transferred model would meet its training times again.
    draw = np.random.default_rng([seed, int(rig.content_hash[:12], 16)]).random((clips, DRAWS))
    stand = standing(reacher)
    plan = _plan(reacher, stand, variants, draw)
    frames = round(seconds * fps)
    moves = _durations(reacher, plan, fps)
    slots = np.array([limb.slot for limb in reacher.limbs])
    clock, targets = _timetable(plan, moves, slots, draw, frames, fps)
    blocks = [_block(reacher, plan, clock, slice(start, start + BLOCK)) for start in range(0, clips, BLOCK)]
    root, rotations, contacts = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    seen: dict[str, int] = {}
    ids = []
    for variant in variants:
        seen[variant.name] = seen.get(variant.name, 0) + 1
        ids.append(variant.name if seen[variant.name] == 1 else f"{variant.name}-{seen[variant.name]:02d}")
    return Corpus(
        f"{rig.name}-reach",
        make_motion(rig, fps, root, rotations, contacts=contacts),
        tuple(ids),
        tuple(variant.group for variant in variants),
        tuple(f"reach-{variant.setting.count}" for variant in variants),
        _identity(rig, clips, seconds, fps, seed),
        {"source": f"built-in motion 'reach', version {REACH_VERSION}, seed {seed}", "licence": "MIT"},
        exact_contacts=True,
        targets=targets,
    )


def load_reach(
    rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 60.0, seed: int = 0, cache: bool = True
) -> Corpus:
    """`generate_reach`, kept under `home()/generated` between calls unless `cache` is off."""

    def make() -> Corpus:
        return generate_reach(rig, clips=clips, seconds=seconds, fps=fps, seed=seed)

    return keep_generated(f"{rig.name}-reach", _identity(rig, clips, seconds, fps, seed), make) if cache else make()


@dataclass(frozen=True)
class _Plan:
    """Key poses of all clips and the row of them, S at most, that each goes through.

    Attributes:
        row: (N, S) int, key pose; a clip's last one is repeated.
        count: (N,) int, how many it goes through, the first one included.
        limb: (N, S) int, the limb that reaches its target in that key pose, -1 where it is on the way.
        positions, rotations, respawned: (N, S, ...) the target there.
    """

    keys: Keys
    row: np.ndarray
    count: np.ndarray
    limb: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray
    respawned: np.ndarray


def _plan(reacher: Reacher, stand: Keys, variants: Sequence[Variant], draw: np.ndarray) -> _Plan:
    limbs = reacher.limbs
    events = []  # clip, point, whether it is turned, axis and angle
    for clip, variant in enumerate(variants):
        step = 1 if draw[clip, _STEP] < 0.5 else -1
        for number, point in enumerate(variant.points(step)):
            axis = draw[clip, _TURN + 4 * number : _TURN + 4 * number + 4]
            events.append((clip, point, variant.setting.turned, axis, draw[clip, _MIDDLE + number]))
    clip_of = np.array([event[0] for event in events])
    places = [spawn_place(variants[clip], point, reacher.scale) for clip, point, *_ in events]
    targets = np.stack([np.array(places) + limb.foot_of_cylinder for limb in limbs])  # (L, E, 3)
    chosen = _choose_limb(reacher, stand, np.array(places), targets, np.array([event[4] for event in events]))
    if limbs[0].leg:  # what stands on its hands lifts one of them in a clip
        chosen = chosen[np.searchsorted(clip_of, clip_of)]

    axes = np.array([event[3] for event in events])
    axis = axes[:, :3] * 2 - 1
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-9)
    turned = np.array([event[2] for event in events])
    turns = quat.from_axis_angle(axis, TURN * axes[:, 3])
    keys, first = stand, len(stand.root)
    index = np.zeros(len(events), int)
    places_met, rotations = np.zeros((len(events), 3)), np.zeros((len(events), 4))
    for i, limb in enumerate(limbs):
        for with_turn in (False, True):
            own = np.flatnonzero((chosen == i) & (turned == with_turn))
            if len(own):
                made, at, rotation = reach_keys(
                    reacher, limb, stand, targets[i, own], turns[own] if with_turn else None
                )
                index[own] = first + np.arange(len(own))
                first, keys = first + len(own), keys + made
                places_met[own], rotations[own] = at, rotation
    wanted = targets[chosen, np.arange(len(events))]
    respawned = np.linalg.norm(places_met - wanted, axis=-1) > 0.2 * tolerance(reacher)
    wanted = np.where(respawned[:, None], places_met, wanted)

    here = np.zeros((1, 1), int)
    at_rest = make_pose(reacher, stand, Frames(here, here, np.zeros((1, 1))))[0]
    rest_places = hands(reacher, at_rest)[0, 0]
    rest = reacher.rig.rest_global[1].astype(np.float64)
    world = quat.mul(np.stack([at_rest.turn(j)[0, 0] for j in range(len(rest))]), rest)
    rest_turns = np.stack([quat.mul(world[limb.hand], quat.inverse(rest[limb.hand])) for limb in limbs])

    size = 2 * EVENTS
    row, limb_at = np.zeros((len(variants), size), int), np.full((len(variants), size), -1)
    positions, turns_at = (
        np.zeros((len(variants), size, 3)),
        np.tile(np.array([1.0, 0, 0, 0]), (len(variants), size, 1)),
    )
    again = np.zeros((len(variants), size), bool)
    count = np.ones(len(variants), int)
    for clip, variant in enumerate(variants):
        last = -1
        for e in np.flatnonzero(clip_of == clip):
            k, last = count[clip], chosen[e]
            row[clip, k], limb_at[clip, k], positions[clip, k] = index[e], last, wanted[e]
            turns_at[clip, k], again[clip, k] = rotations[e], respawned[e]
            count[clip] += 1
        k = count[clip]
        if variant.setting.count == 1:  # the next target is where the hand rests
            limb_at[clip, k], positions[clip, k], turns_at[clip, k] = last, rest_places[last], rest_turns[last]
        count[clip] += 1
    return _Plan(keys, row, count, limb_at, positions, turns_at, again)


def _choose_limb(
    reacher: Reacher, stand: Keys, places: np.ndarray, targets: np.ndarray, draw: np.ndarray
) -> np.ndarray:
    """(E,) the limb that reaches each target: that of its side, a drawn one on the midline, or the one that can."""
    if len(reacher.limbs) == 1:
        return np.zeros(len(places), int)
    sides = np.array([limb.side for limb in reacher.limbs])
    flat, which = np.unique(np.round(np.concatenate(list(targets), -1), 9), axis=0, return_inverse=True)
    off = np.stack(
        [
            np.linalg.norm(reach_keys(reacher, limb, stand, goal)[1] - goal, axis=-1)
            for limb, goal in zip(reacher.limbs, np.split(flat, len(reacher.limbs), 1), strict=True)
        ]
    )[:, which.reshape(-1)]
    side = np.where(np.abs(places[:, 0]) < 1e-6, np.where(draw < 0.5, 1, -1), np.sign(places[:, 0]))
    wrong = sides[:, None] != side
    return (off + wrong * 0.2 * tolerance(reacher)).argmin(0)


def _durations(reacher: Reacher, plan: _Plan, fps: float) -> np.ndarray:
    """(N, S - 1) frames that each move needs to keep every hand within its speed and acceleration."""
    a, b = plan.row[:, :-1].reshape(-1, 1), plan.row[:, 1:].reshape(-1, 1)
    pairs, which = np.unique(np.concatenate([a, b], 1), axis=0, return_inverse=True)
    u = np.linspace(0, 1, SAMPLES)
    longest = np.zeros(len(pairs))
    for start in range(0, len(pairs), 8 * BLOCK):
        part = pairs[start : start + 8 * BLOCK]
        shape = (len(part), SAMPLES)
        a, b = (np.broadcast_to(part[:, i : i + 1], shape) for i in (0, 1))
        frames = Frames(a, b, np.broadcast_to(u, shape))
        path = hands(reacher, make_pose(reacher, plan.keys, frames, reaching_only=True)[0])
        speed = np.linalg.norm(np.diff(path, axis=1), axis=-1).max((1, 2)) * (SAMPLES - 1)
        acceleration = np.linalg.norm(np.diff(path, 2, axis=1), axis=-1).max((1, 2)) * (SAMPLES - 1) ** 2
        needed = np.maximum(
            speed / (MAX_SPEED * reacher.scale), np.sqrt(acceleration / (MAX_ACCELERATION * reacher.scale))
        )
        longest[start : start + 8 * BLOCK] = needed
    # The samples miss a little of the peaks.
    frames_needed = np.maximum(np.ceil(1.03 * longest * fps), round(0.2 * fps)).astype(int)
    return frames_needed[which.reshape(-1)].reshape(len(plan.row), -1)


def _timetable(
    plan: _Plan, moves: np.ndarray, slot_of: np.ndarray, draw: np.ndarray, frames: int, fps: float
) -> tuple[Frames, Targets]:
    """The key poses around each frame, and the targets that are reached before the end."""
    clips, size = plan.row.shape
    number = np.arange(size)
    real = number < plan.count[:, None]
    holds = np.where(plan.limb >= 0, HOLD - 1, 0)
    still = np.round((STILL[0] + (STILL[1] - STILL[0]) * draw[:, _STILL]) * fps).astype(int)
    # Where time is left over, part of it goes into the moves; a clip short of time starts sooner.
    busy, held = (moves * real[:, 1:]).sum(1), (holds * real).sum(1)
    still = np.clip(frames - 1 - held - busy, np.minimum(still, round(STILL[0] * fps)), still)
    spare = frames - 1 - still - held
    pace = np.clip(spare / np.maximum(busy, 1), 1, 1 + SLOWER * draw[:, _PACE])
    moves = np.floor(moves * pace[:, None]).astype(int)
    reached = still[:, None] + np.cumsum(moves, 1) + np.cumsum(np.concatenate([0 * holds[:, :1], holds[:, 1:-1]], 1), 1)
    reached = np.concatenate([np.zeros((clips, 1), int), reached], 1)  # (N, S) the frame of the key pose
    left = np.where(number == 0, still[:, None], reached + holds)  # and the one from which it is left
    t = np.arange(frames)
    step = np.minimum((t[None, :, None] >= left[:, None, :]).sum(-1), plan.count[:, None] - 1)  # on the way to this key
    before = np.maximum(step - 1, 0)
    leave, arrive = np.take_along_axis(left, before, 1), np.take_along_axis(reached, step, 1)
    u = np.where(step == 0, 1.0, np.clip((t - leave) / np.maximum(arrive - leave, 1), 0, 1))
    course = Frames(np.take_along_axis(plan.row, before, 1), np.take_along_axis(plan.row, step, 1), u)

    slots = np.full((clips, EVENTS), -1, np.int8)
    starts, arrivals = np.zeros((clips, EVENTS), np.int32), np.zeros((clips, EVENTS), np.int32)
    positions, again = np.zeros((clips, EVENTS, 3), np.float32), np.zeros((clips, EVENTS), bool)
    rotations = np.tile(quat.IDENTITY, (clips, EVENTS, 1))
    for clip in range(clips):
        from_frame = 0
        for event, k in enumerate(np.flatnonzero(plan.limb[clip] >= 0)):
            if reached[clip, k] + HOLD > frames:
                break
            slots[clip, event] = slot_of[plan.limb[clip, k]]
            starts[clip, event], arrivals[clip, event] = from_frame, reached[clip, k] + HOLD - 1
            positions[clip, event], rotations[clip, event] = plan.positions[clip, k], plan.rotations[clip, k]
            again[clip, event] = plan.respawned[clip, k]
            from_frame = arrivals[clip, event]
    return course, Targets(slots, starts, arrivals, positions, rotations, again)


def _block(reacher: Reacher, plan: _Plan, course: Frames, clips: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root positions (N, T, 3), local rotations (N, T, J, 4) and contacts (N, T, C) of some clips."""
    rig = reacher.rig
    pose, off_ground = make_pose(reacher, plan.keys, Frames(course.a[clips], course.b[clips], course.u[clips]))
    contacts = np.zeros((*off_ground.shape[:2], len(rig.contact_joints)), bool)
    limb_of = {id(limb.leg): i for i, limb in enumerate(reacher.limbs) if limb.leg}
    for leg in reacher.legs:
        down = np.ones(off_ground.shape[:2], bool)
        if id(leg) in limb_of:
            down = off_ground[..., limb_of[id(leg)]] <= 0
            down[:, 1:] &= down[:, :-1].copy()
        contacts[..., rig.contact_slots == rig.contact_slots[leg.column]] = down[..., None]
    return pose.root.astype(np.float32), pose.rotations().astype(np.float32), contacts
