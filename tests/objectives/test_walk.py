"""A walk laid out along the pelvis' way, against places and times worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.objectives import CONTACT, KEYFRAME
from rae_bench.objectives.walk import with_walk
from rae_bench.objectives.written import Walk, WrittenObjective, check_objectives, check_walk
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import ROLES

PELVIS, HEAD, LEFT, RIGHT, HAND = (
    ROLES.index(role) for role in ("pelvis", "head", "left_foot", "right_foot", "left_hand")
)
TABLE: dict[str, Any] = {"stride": 1.0, "duty": 0.5, "touch_downs": {"left_foot": 0.0, "right_foot": 0.5}}
HEIGHT = 0.9


@pytest.fixture(scope="module")
def past() -> Motion:
    """A second of standing in the rest pose, 5 cm lower than that."""
    rig = load_rig("r1")
    root = np.tile(rig.rest_global[0][0] - [0, 0.05, 0], (1, 30, 1))
    contacts = np.ones((1, 30, len(rig.contact_joints)), bool)
    return make_motion(rig, 30, root.astype(np.float32), np.tile(rig.rest, (1, 30, 1, 1)), contacts=contacts)


def ahead(time: float, z: float, degrees: float = 0, x: float = 0, y: float = HEIGHT) -> WrittenObjective:
    return WrittenObjective(PELVIS, time, np.array([x, y, z]), quat.from_yaw(np.radians(degrees)), KEYFRAME)


def events(wishes: tuple[WrittenObjective, ...], slot: int) -> list[WrittenObjective]:
    return sorted((wish for wish in wishes if wish.slot == slot), key=lambda wish: wish.time)


def test_feet_touch_down_where_the_body_will_stand(past: Motion) -> None:
    asked = (ahead(1, 1), ahead(2, 2), ahead(3, 3))  # a metre a second, straight on
    made = with_walk(check_walk(TABLE, "walk"), asked, 3.0, past, "x.toml")
    rest, rig = past.rig.rest_global[0], past.rig
    left, right = events(made, LEFT), events(made, RIGHT)
    assert [wish.time for wish in left] == pytest.approx([1, 2, 3])
    assert [wish.time for wish in right] == pytest.approx([0.5, 1.5, 2.5, 3])
    assert {wish.kind for wish in (*left, *right)} == {CONTACT}
    # A quarter of a second after it touches down the body is over the foot; at the end it stands where the body does.
    foot, pelvis = rest[rig.roles["left_foot"]], rest[rig.roles["pelvis"]]
    expected = [[foot[0] - pelvis[0], foot[1] - 0.05, foot[2] - pelvis[2] + z] for z in (1.25, 2.25, 3)]
    np.testing.assert_allclose([wish.position for wish in left], expected, atol=2e-2)
    # The right foot touched down half a second before the end: it has just left the ground and lands again.
    assert right[-1].position[2] - right[-2].position[2] == pytest.approx(3 - 2.75, abs=0.02)


def test_a_foot_that_stands_at_the_end_stays(past: Motion) -> None:
    made = events(with_walk(check_walk(TABLE, "walk"), (ahead(3, 3),), 2.7, past, "x.toml"), RIGHT)
    assert [wish.time for wish in made] == pytest.approx([0.5, 1.5, 2.5, 2.7])
    np.testing.assert_array_equal(made[-1].position, made[-2].position)


def test_the_rest_is_carried_along_and_turned(past: Motion) -> None:
    asked = (ahead(2, 1, degrees=90, x=1, y=HEIGHT + 0.1),)
    made = events(with_walk(check_walk(TABLE, "walk"), asked, 2.0, past, "x.toml"), HAND)
    assert [wish.time for wish in made] == pytest.approx([0.5, 1, 1.5, 2])
    assert {wish.kind for wish in made} == {KEYFRAME}
    rest, rig = past.rig.rest_global[0], past.rig
    x, y, z = rest[rig.roles["left_hand"]] - rest[rig.roles["pelvis"]]
    # Facing +X what was on the left (+X) lies at -Z, what was ahead at +X; the pelvis keeps its distance to the hand.
    np.testing.assert_allclose(made[-1].position, [1 + z, HEIGHT + 0.1 + y, 1 - x], atol=1e-4)
    assert quat.angle(made[-1].rotation, quat.from_yaw(np.array(np.pi / 2))) < 1e-3
    halfway = (made[1].position[0] - made[0].position[0], made[1].rotation[2])
    assert halfway[0] > 0
    assert 0 < halfway[1] < np.sin(np.pi / 4)


def test_what_is_asked_comes_first(past: Motion) -> None:
    hand = WrittenObjective(HAND, 1.1, np.array([0.2, 1.5, 1.0]), quat.IDENTITY, KEYFRAME)
    made = with_walk(check_walk(TABLE, "walk"), (ahead(2, 2), hand), 2.0, past, "x.toml")
    assert made[:2][1] is hand
    assert [wish.time for wish in events(made, HAND)] == pytest.approx([0.5, 1.1, 1.5, 2])
    assert [wish.time for wish in events(made, PELVIS)] == pytest.approx([0.5, 1, 1.5, 2])


def test_without_a_way_it_steps_on_the_spot(past: Motion) -> None:
    made = with_walk(check_walk(TABLE, "walk"), (), 2.0, past, "x.toml")
    places = np.array([wish.position for wish in events(made, LEFT)])
    assert np.ptp(places, axis=0).max() < 1e-9
    assert len(events(made, HEAD)) == 4


def test_the_posture_is_that_of_standing() -> None:
    """Laid out from a walk, feet touch down at the height at which they stand in it, not that of their swing."""
    walk = generate_locomotion(load_rig("quad"), clips=2).motion
    for clip in range(2):
        past = walk[[clip]].cut(30, 60)
        made = with_walk(Walk(1.0, {LEFT: 0.5}, 0.6), (), 2.0, past, "x.toml")
        foot, column = past.rig.roles["left_foot"], list(past.rig.contact_slots).index(LEFT)
        standing = past.contacts[0, :, column]
        assert 0 < standing.sum() < 30
        expected = past.positions[0, standing, foot, 1].mean()
        assert events(made, LEFT)[0].position[1] == pytest.approx(expected, abs=1e-4)
        lifted = replace(past, contacts=np.zeros_like(past.contacts))
        higher = events(with_walk(Walk(1.0, {LEFT: 0.5}, 0.6), (), 2.0, lifted, ""), LEFT)[0]
        assert higher.position[1] > expected + 1e-3


WRONG = {
    "table": (3, "is a table"),
    "key": (TABLE | {"stride_": 1}, "unknown key 'stride_'; did you mean stride"),
    "no stride": ({"touch_downs": {"left_foot": 0}}, "stride = None needs to be a number from 0.1 to 10"),
    "stride": (TABLE | {"stride": float("nan")}, "stride = nan needs"),
    "duty": (TABLE | {"duty": 1.0}, "duty = 1.0 needs to be a number from 0.05 to 0.95"),
    "true": (TABLE | {"duty": True}, "duty = True needs"),
    "no feet": (TABLE | {"touch_downs": {}}, "touch_downs is a table of roles"),
    "role": (TABLE | {"touch_downs": {"left_foo": 0}}, "unknown role 'left_foo'; did you mean left_foot"),
    "share": (TABLE | {"touch_downs": {"left_foot": 1.5}}, "left_foot = 1.5 needs to be a number from 0 to 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables(case: str) -> None:
    table, said = WRONG[case]
    with pytest.raises(UserError, match=r"^x\.toml: walk") as raised:
        check_objectives(
            {"seconds": 1, "walk": table, "objectives": [{"role": "pelvis", "time": 1, "position": [0, 1, 0]}]},
            "x.toml",
        )
    assert said in str(raised.value)


def test_a_foot_needs_a_contact_joint(past: Motion) -> None:
    with pytest.raises(UserError, match="rig 'r1' has no left_hand with a contact joint"):
        with_walk(Walk(1.0, {HAND: 0.0}, 0.6), (), 1.0, past, "x.toml")
