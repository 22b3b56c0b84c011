"""The row of key poses of each clip: where its hands go, and what comes nearer where time is short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rae_bench.data.generators.reach.key_poses import KeyPoses, MoveFrames, hands, make_pose, touch_distance
from rae_bench.data.generators.reach.limbs import Reacher
from rae_bench.data.generators.reach.solve_keys import hand_places, reach_keys
from rae_bench.data.generators.reach.targets import LEVELS, POINTS, Variant, spawn_places
from rae_bench.kinematics import quat

TURN = np.radians(40)
"""Radians by which a target is turned at random, at most."""
STEPS = 5
"""Key poses of a clip at most: standing, three targets, standing."""
TARGETS = 3
"""Targets of a clip at most, for each hand that reaches."""
DRAWS = 3 + 11 * TARGETS
"""Random numbers that a clip is made of, each in [0, 1)."""
STILL, STEP, PACE, EVENT = 0, 1, 2, 3  # columns: standing time, way round, pace, and the first of those of a target
"""Columns of the random numbers: standing time, way round, pace, and the first of those of a target."""


@dataclass(frozen=True)
class Route:
    """Key poses of all clips, and the row of them, S at most, that each clip goes through.

    Attributes:
        keys: P key poses.
        row: (N, S) int, key pose; a clip's last one is repeated.
        count: (N,) int, how many it goes through, the first one included.
        active: (N, S, L) bool, whether the limb reaches a target in that key pose.
        positions: (N, S, L, 3) metres, the target there.
        rotations: (N, S, L, 4) the target there, relative to the rest pose.
        respawned: (N, S, L) bool, whether the spawn point was out of reach.
    """

    keys: KeyPoses
    row: np.ndarray
    count: np.ndarray
    active: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray
    respawned: np.ndarray

    @property
    def aims(self) -> np.ndarray:
        """(N, S) bool, whether any limb reaches a target in that key pose."""
        return np.asarray(self.active.any(-1))


@dataclass(frozen=True)
class _Goals:
    """E key poses that are to be solved.

    Attributes:
        clip: (E,) int.
        first: (E,) int, the limb that goes for the spawn point.
        active: (E, L) bool, limbs that go anywhere.
        positions: (E, L, 3) metres.
        turned: (E,) bool, whether the targets have a rotation.
        turns: (E, L, 4) that rotation, away from how the hand would come.
    """

    clip: np.ndarray
    first: np.ndarray
    active: np.ndarray
    positions: np.ndarray
    turned: np.ndarray
    turns: np.ndarray


def make_route(reacher: Reacher, stand: KeyPoses, variants: Sequence[Variant], draw: np.ndarray) -> Route:
    """Return the key poses of all clips.

    Args:
        reacher: the rig.
        stand: the pose at rest.
        variants: N variants, one for each clip.
        draw: (N, DRAWS) random numbers in [0, 1).
    """
    goals = _goals(reacher, stand, variants, draw)
    events, limbs = goals.active.shape
    keys, index = stand, np.zeros(events, int)
    met, rotations = goals.positions.copy(), np.zeros((events, limbs, 4))
    for crew in [list(range(limbs))] if reacher.free_hands else [[i] for i in range(limbs)]:
        for with_turn in (False, True):
            together = np.flatnonzero(goals.active[:, crew].all(1) & (goals.turned == with_turn))
            if len(together):
                at = together[:, None], np.array(crew)
                made = reach_keys(
                    reacher,
                    [reacher.limbs[i] for i in crew],
                    stand,
                    goals.positions[at],
                    goals.turns[at] if with_turn else None,
                    goals.positions[together, goals.first[together]],
                )
                index[together] = len(keys.root) + np.arange(len(together))
                met[at], rotations[at] = (places[:, crew] for places in hand_places(reacher, made))
                keys = keys + made
    respawned = np.linalg.norm(met - goals.positions, axis=-1) > 0.2 * touch_distance(reacher)
    wanted = np.where(respawned[..., None], met, goals.positions)

    rest_places, rest_turns = _at_rest(reacher, stand)
    size = (len(variants), STEPS)
    route = Route(
        keys,
        np.zeros(size, int),
        np.ones(len(variants), int),
        np.zeros((*size, limbs), bool),
        np.zeros((*size, limbs, 3)),
        np.tile(np.array([1.0, 0, 0, 0]), (*size, limbs, 1)),
        np.zeros((*size, limbs), bool),
    )
    for clip, variant in enumerate(variants):
        events_of_clip = np.flatnonzero(goals.clip == clip)
        steps = slice(1, 1 + len(events_of_clip))
        route.row[clip, steps], route.active[clip, steps] = index[events_of_clip], goals.active[events_of_clip]
        route.positions[clip, steps], route.rotations[clip, steps] = wanted[events_of_clip], rotations[events_of_clip]
        route.respawned[clip, steps] = respawned[events_of_clip] & goals.active[events_of_clip]
        route.count[clip] = 2 + len(events_of_clip)
        if variant.setting.count == 1:  # the next target is where the hand rests
            route.active[clip, 2] = goals.active[events_of_clip[0]]
            route.positions[clip, 2], route.rotations[clip, 2] = rest_places, rest_turns
    return route


def _at_rest(reacher: Reacher, stand: KeyPoses) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions (L, 3) and rest-relative rotations (L, 4) of all hands at rest, also of those that stand."""
    here = np.zeros((1, 1), int)
    pose = make_pose(reacher, stand, MoveFrames(here, here, np.zeros((1, 1))))[0]
    # Turns away from the rest pose are what rest-relative rotations are.
    return hands(reacher, pose)[0, 0], np.stack([pose.turn(limb.hand)[0, 0] for limb in reacher.limbs])


def _goals(reacher: Reacher, stand: KeyPoses, variants: Sequence[Variant], draw: np.ndarray) -> _Goals:
    """Return where the limbs of each clip go.

    Free hands reach both at once: the one on its side for the spawn point, the other one for a point about its mirror
    image, on another level. A rig that stands on its hands lifts one of them in a clip.
    """
    limbs, scale = reacher.limbs, reacher.scale
    table = [
        (clip, number, point, variant.level, variant.setting.radius, variant.setting.turned)
        for clip, variant in enumerate(variants)
        for number, point in enumerate(variant.points(1 if draw[clip, STEP] < 0.5 else -1))
    ]
    clip, number, point, level, radius, turned = np.array(table).T
    numbers = draw[clip[:, None], EVENT + 11 * number[:, None] + np.arange(11)]  # (E, 11)
    places = spawn_places(radius, level, point, scale)
    side = np.where(np.abs(places[:, 0]) < 1e-6, np.where(numbers[:, 0] < 0.5, 1, -1), np.sign(places[:, 0]))
    at = np.stack([places + limb.foot_of_cylinder for limb in limbs], 1)  # (E, L, 3)
    event = np.arange(len(clip))
    if reacher.free_hands:
        first = np.where(side == limbs[0].side, 0, 1)
        from_ahead = np.clip(np.minimum(point, POINTS - point) + (3 * numbers[:, 1]).astype(int) - 1, 0, POINTS // 2)
        elsewhere = (level + 1 + ((LEVELS - 1) * numbers[:, 2]).astype(int)) % LEVELS
        other = spawn_places(radius, elsewhere, -side * from_ahead, scale)
        at[event, 1 - first] = other + limbs[1].foot_of_cylinder
        active = np.ones((len(clip), 2), bool)
    else:
        first = _choose_limb(reacher, stand, side, at)
        if limbs[0].leg:
            first = first[np.searchsorted(clip, clip)]
        active = first[:, None] == np.arange(len(limbs))
    around = numbers[:, 3:].reshape(-1, 2, 4)[:, : len(limbs)]
    axis = around[..., :3] * 2 - 1
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-9)
    return _Goals(clip, first, active, at, turned.astype(bool), quat.from_axis_angle(axis, TURN * around[..., 3]))


def _choose_limb(reacher: Reacher, stand: KeyPoses, side: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the limb (E,) that reaches each of `targets` (E, L, 3): that of its `side` (E,), or the one that can."""
    if len(reacher.limbs) == 1:
        return np.zeros(len(targets), int)
    off = []
    for i, limb in enumerate(reacher.limbs):
        places, which = np.unique(np.round(targets[:, i], 9), axis=0, return_inverse=True)
        keys = reach_keys(reacher, [limb], stand, places[:, None], None, places)
        off.append(np.linalg.norm(hand_places(reacher, keys)[0][:, i] - places, axis=-1)[which.reshape(-1)])
    wrong = np.array([limb.side for limb in reacher.limbs])[:, None] != side
    return (np.array(off) + wrong * 0.2 * touch_distance(reacher)).argmin(0)


def come_nearer(reacher: Reacher, route: Route, clips: np.ndarray, share: np.ndarray) -> Route:
    """Return the route with the targets of some clips at a share of the way to them.

    These are the targets after the first; the only one of a clip, where the other one is the rest position.

    Args:
        reacher: the rig.
        route: as it is.
        clips: (C,) indices.
        share: (C,) of the way.
    """
    keys, row = route.keys, route.row.copy()
    positions, rotations, respawned = route.positions.copy(), route.rotations.copy(), route.respawned.copy()
    only = row[clips, 2] == 0
    for step in range(1, 1 + TARGETS):
        moved = route.active[clips, step].any(-1) & (only if step == 1 else row[clips, step] > 0)
        affected, part = clips[moved], share[moved]
        if not len(affected):
            continue
        mixed = keys.between(row[affected, step - 1], row[affected, step], part)
        row[affected, step] = len(keys.root) + np.arange(len(affected))
        positions[affected, step], rotations[affected, step] = hand_places(reacher, mixed)
        respawned[affected, step] |= route.active[affected, step]
        keys = keys + mixed
    return replace(route, keys=keys, row=row, positions=positions, rotations=rotations, respawned=respawned)
