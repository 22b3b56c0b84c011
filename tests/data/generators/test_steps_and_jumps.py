"""Steps and jumps of built-in locomotion: standing feet, the first and the last step, take-offs, flights, leg room."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.locomotion.actions import action_cells
from rae_bench.data.generators.locomotion.body import Leg, read_body
from rae_bench.data.generators.locomotion.curves import GRAVITY, RAMP, ease, glide
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig

NAMES = [name for name in builtin_rigs() if len(load_rig(name).contact_joints)]
BETWEEN = ("back", "side", "turn")
"""Actions between two times of standing."""
_MADE: dict[str, Corpus] = {}


@pytest.fixture(params=NAMES)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """A clip of every cell of a rig, made once."""
    name = request.param
    if name not in _MADE:
        rig = load_rig(name)
        _MADE[name] = generate_locomotion(rig, clips=len(action_cells(len(rig.contact_joints))))
    return _MADE[name]


def clips_of(corpus: Corpus, *actions: str) -> list[int]:
    """Indices of the clips of some actions."""
    return [i for i, action in enumerate(corpus.actions) if action in actions]


def knee(positions: np.ndarray, leg: Leg) -> np.ndarray:
    """Degrees between thigh and shank, (...); 180 is straight."""
    end = leg.contact if leg.ankle < 0 else leg.ankle
    thigh, shank = (positions[..., j, :] - positions[..., leg.knee, :] for j in (leg.hip, end))
    cosine = (thigh * shank).sum(-1) / np.linalg.norm(thigh, axis=-1) / np.linalg.norm(shank, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def reversals(values: np.ndarray, least: float) -> int:
    """How often a curve turns round and then goes back by more than `least`."""
    count, way, furthest = 0, 0.0, values[0]
    for value in values:
        if way * (value - furthest) >= 0 and (way or abs(value - furthest) > least):
            way, furthest = way or float(np.sign(value - furthest)), value
        elif way and abs(value - furthest) > least:
            count, way, furthest = count + 1, -way, value
    return count


def first_flight(corpus: Corpus, clip: int) -> tuple[int, int]:
    """The last frame before a jump's first flight, and the first frame after it."""
    air = ~corpus.motion.contacts[clip].any(-1)
    off = int(np.flatnonzero(np.diff(air.astype(int)) == 1)[0])
    return off, off + 1 + int(np.flatnonzero(~air[off + 1 :])[0])


def test_reversals_are_counted() -> None:
    assert reversals(np.array([0.0, 1, 2, 3]), 0.5) == 0
    assert reversals(np.array([0.0, 2, 1, 3]), 0.5) == 2
    assert reversals(np.array([0.0, 2, 1.8, 3]), 0.5) == 0


def test_a_foot_is_in_contact_exactly_where_it_rests_on_the_ground(corpus: Corpus) -> None:
    motion = corpus.motion
    feet = motion.positions[:, :, motion.rig.contact_joints].astype(np.float64)
    moved = np.linalg.norm(np.diff(feet, axis=1), axis=-1)
    low = np.abs(feet[..., 1] - motion.rig.rest_global[0][motion.rig.contact_joints, 1]) < 1e-5
    before, after = moved[:, :-1], moved[:, 1:]
    contacts = motion.contacts[:, 1:-1]
    nearer = np.minimum(before, after)
    assert nearer[contacts].max() < 2e-5  # metres; positions of 32 bits tell no less at some distance
    assert low[:, 1:-1][contacts].all()
    # A foot that comes down or leaves belongs to its stance in the frame in which it rests.
    assert (~contacts)[(nearer < 1e-6) & low[:, 1:-1]].mean() < 2e-3


def test_standing_bodies_have_all_feet_on_the_ground(corpus: Corpus) -> None:
    contacts, ids = corpus.motion.contacts, corpus.ids
    for i in clips_of(corpus, "start", *BETWEEN):
        assert contacts[i, 0].all(), ids[i]
    for i in clips_of(corpus, "stop", *BETWEEN):
        assert contacts[i, -1].all(), ids[i]


def test_steps_begin_and_end_with_the_movement(corpus: Corpus) -> None:
    """While the root rests no foot is lifted, and no step is slow."""
    motion = corpus.motion
    leg = read_body(motion.rig).leg_length
    ground = motion.root_positions[..., [0, 2]].astype(np.float64)
    speed = np.linalg.norm(np.diff(ground, axis=1), axis=-1) * motion.fps
    longest = 2.6 * np.sqrt(leg / GRAVITY)
    for i in clips_of(corpus, "start", "stop"):
        lifted = ~motion.contacts[i, 1:].all(-1)
        slow = speed[i] < 0.02 * np.sqrt(GRAVITY * leg)
        assert (lifted & slow).sum() <= 2, corpus.ids[i]
        assert lifted.any()
    for i in clips_of(corpus, "start", "stop", *BETWEEN):
        for on in motion.contacts[i].T:
            off, down = (np.flatnonzero(np.diff(on.astype(int)) == sign) for sign in (-1, 1))
            for begin in off:
                end = down[down > begin]
                if len(end):
                    assert (end[0] - begin) / motion.fps < longest, corpus.ids[i]


def test_jumps_take_off_from_stretched_legs(corpus: Corpus) -> None:
    motion, body = corpus.motion, read_body(corpus.motion.rig)
    standing = motion.rig.rest_global[0][0, 1]
    for i in clips_of(corpus, "jump"):
        off, _ = first_flight(corpus, i)
        height = motion.root_positions[i, off : off + 2, 1] / standing
        assert height[0] > 0.86, corpus.ids[i]
        assert height[1] > 0.95, corpus.ids[i]
        if len(body.legs) == 2:
            least = 125 if "/forward/" in corpus.groups[i] else 140
            for leg in body.legs:
                assert knee(motion.positions[i, off - 1 : off + 3], leg).max() > least, corpus.ids[i]


def test_knees_and_elbows_do_not_tremble_around_a_flight(corpus: Corpus) -> None:
    """A knee stretches to take off, bends in flight, stretches to land and bends again; an arm swings through."""
    motion, body = corpus.motion, read_body(corpus.motion.rig)
    most = 5 if len(body.legs) == 2 else 7  # the fore legs of a dog lift off before its hind legs stretch
    for i in clips_of(corpus, "jump"):
        off, land = first_flight(corpus, i)
        around = motion.positions[i, max(off - 8, 0) : land + 8]
        for leg in body.legs:
            assert reversals(knee(around, leg), 1.0) <= most, corpus.ids[i]
        for arm in body.arms:
            upper, lower = around[:, arm.shoulder] - around[:, arm.elbow], around[:, arm.hand] - around[:, arm.elbow]
            cosine = (upper * lower).sum(-1) / np.linalg.norm(upper, axis=-1) / np.linalg.norm(lower, axis=-1)
            assert reversals(np.degrees(np.arccos(cosine)), 1.0) <= 3, corpus.ids[i]


def test_runs_and_trots_fall_freely_in_flight(corpus: Corpus) -> None:
    motion = corpus.motion
    air = ~motion.contacts.any(-1)
    falls = np.diff(motion.root_positions[..., 1].astype(np.float64), 2, axis=1) * motion.fps**2
    for action, off in (("run", 0.5), ("trot", 1.5), ("pace", 1.5)):
        clips = clips_of(corpus, action)
        if clips:
            flight = air[clips, :-2] & air[clips, 1:-1] & air[clips, 2:]
            found = falls[clips][flight] if flight.any() else falls[clips][air[clips, 1:-1]]
            assert np.median(found) == pytest.approx(-GRAVITY, abs=off)


def _gap(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Metres between segments a to b and c to d, (...)."""
    u, v, w = b - a, d - c, a - c
    uu, vv, uv, uw, vw = ((x * y).sum(-1) for x, y in ((u, u), (v, v), (u, v), (u, w), (v, w)))
    s = np.clip((uv * vw - uw * vv) / np.maximum(uu * vv - uv * uv, 1e-12), 0, 1)
    t = np.clip((uv * s + vw) / vv, 0, 1)
    s = np.clip((uv * t - uw) / uu, 0, 1)
    return np.linalg.norm(w + u * s[..., None] - v * t[..., None], axis=-1)


def test_legs_keep_apart(corpus: Corpus) -> None:
    motion, body = corpus.motion, read_body(corpus.motion.rig)
    at = motion.positions[:, ::2].astype(np.float64)
    bones = []
    for leg in body.legs:
        joints = [leg.knee, *([leg.ankle] if leg.ankle >= 0 else []), leg.contact]
        bones.append([(at[:, :, a], at[:, :, b]) for a, b in pairwise(joints)])
    for one, other in combinations(range(len(bones)), 2):
        gap = np.min([_gap(*a, *b) for a in bones[one] for b in bones[other]], axis=(0, 2))
        worst = int(gap.argmin())
        assert gap[worst] > 0.03, f"{corpus.ids[worst]}: {body.legs[one].role} and {body.legs[other].role}"


def test_feet_do_not_rush(corpus: Corpus) -> None:
    """A walking foot is less than 4.6 times as fast as the body on two legs, where an eased step takes 4.9 times."""
    motion = corpus.motion
    if len(motion.rig.contact_joints) == 2:
        clips = clips_of(corpus, "walk")
        feet = motion.positions[clips][:, :, motion.rig.contact_joints]
        fastest = np.percentile(np.linalg.norm(np.diff(feet, axis=1), axis=-1), 99.5, axis=1).max(-1)
        body = np.linalg.norm(np.diff(motion.root_positions[clips][..., [0, 2]], axis=1), axis=-1).mean(1)
        assert np.median(fastest / body) < 4.6


def test_bodies_do_not_sink_deep_into_long_steps(corpus: Corpus) -> None:
    motion, body = corpus.motion, read_body(corpus.motion.rig)
    clips = [i for i in clips_of(corpus, "walk") if "/tall-" in corpus.groups[i]]
    sunk = 1 - motion.root_positions[clips][..., 1] / motion.rig.rest_global[0][0, 1]
    assert sunk.max() < (0.13 if len(body.legs) == 2 else 0.22)


def test_glide_goes_evenly() -> None:
    u = np.linspace(0, 1, 10001)
    way = glide(u)
    speed = np.gradient(way, u)
    assert way[0] == 0
    assert way[-1] == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(way, 1 - way[::-1], atol=1e-12)
    assert speed.max() == pytest.approx(1 / (1 - RAMP), rel=1e-3)
    assert np.gradient(ease(u), u).max() == pytest.approx(1.875, rel=1e-3)
    acceleration = np.gradient(speed, u)
    assert np.abs(np.diff(acceleration)).max() < 0.02  # continuous
    assert abs(acceleration[2]) < 0.02
