"""Warnings on a domain: each fault is put into clean built-in motion and found there, and only it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from rae_bench.data.generators.locomotion.actions import OFF_PATH
from rae_bench.data.generators.locomotion.locomotion import load_locomotion
from rae_bench.data.importing.domain_warnings import domain_warnings, hardly_move, uneven_feet
from rae_bench.data.importing.rest_pose import facing_ahead
from rae_bench.data.importing.rig_warnings import helper_nodes, legs
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import ROLES, Rig, make_rig

CLEAN = ["r1", "r2", "r4", "r5", "quad", "hexapod"]


@lru_cache(maxsize=8)
def walking(name: str) -> Motion:
    """Clips that travel; others would rightly be warned of."""
    corpus, staying = load_locomotion(load_rig(name), clips=32), {"side", "turn", *OFF_PATH}
    return corpus[[i for i, action in enumerate(corpus.actions) if action not in staying]].motion


def with_rig(motion: Motion, rig: Rig) -> Motion:
    return make_motion(rig, motion.fps, motion.root_positions, motion.rotations, contacts=motion.contacts)


def warnings_on(motion: Motion, unit: str | float = "m", up: str = "y") -> list[str]:
    return domain_warnings(motion, unit, up, [f"c{n}" for n in range(len(motion))])


def only(motion: Motion, unit: str | float = "m") -> str:
    """The one line that there should be."""
    lines = warnings_on(motion, unit)
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("name", CLEAN)
def test_clean_motion(name: str) -> None:
    lines = [line for line in warnings_on(walking(name)) if "never turn" not in line]
    assert lines == []
    assert legs(walking(name).rig) == {"quad": 4, "hexapod": 6}.get(name, 2)


@pytest.mark.parametrize(
    ("factor", "read_in", "advice"),
    [
        (100, "m", r"cm\? --unit cm makes it"),
        (0.1, "mm", r"cm\? --unit cm"),
        (0.01 / 0.056444, "cm", r"CMU's own unit\? --unit 0\.056444"),
        (0.01 / 0.0254, "cm", r"inches\? --unit 0\.0254 makes it"),
        (1e6, "m", r"is --unit right\?"),
    ],
)
def test_a_unit_that_no_man_has(factor: float, read_in: str, advice: str) -> None:
    motion = walking("r4")
    rig = replace(motion.rig, offsets=motion.rig.offsets * np.float32(factor))
    big = with_rig(replace(motion, root_positions=motion.root_positions * np.float32(factor)), rig)
    lines = warnings_on(big, read_in)
    assert re.search(advice, lines[0]), lines
    if "makes it" in lines[0]:
        made = re.search(r"makes it ([\d.]+) m", lines[0])
        assert made is not None
        assert float(made[1]) == pytest.approx(motion.rig.height, rel=0.01)


def swapped(motion: Motion, *limbs: str) -> Motion:
    """Left and right of some limbs take each other's roles; the rest pose is turned as an import would."""
    roles = dict(motion.rig.roles)
    for limb in limbs:
        roles[f"left_{limb}"], roles[f"right_{limb}"] = roles[f"right_{limb}"], roles[f"left_{limb}"]
    return with_rig(motion, facing_ahead(replace(motion.rig, roles=roles)))


def test_a_bird_is_smaller_than_a_man() -> None:
    """Two legs and no hands: half a metre is plausible, fifty are not."""
    motion = walking("r4")
    roles = {role: joint for role, joint in motion.rig.roles.items() if not role.endswith("hand")}

    def lines(factor: float) -> list[str]:
        rig = replace(motion.rig, roles=roles, offsets=motion.rig.offsets * np.float32(factor))
        bird = with_rig(replace(motion, root_positions=motion.root_positions * np.float32(factor)), rig)
        return [line for line in warnings_on(bird) if "it stands" in line]

    assert lines(0.3) == []
    assert re.search(r"on 2 legs, the files .* --unit cm", lines(30)[0])


def test_a_body_without_feet_is_told_and_has_the_height_of_its_pose() -> None:
    joints: list[tuple[str, str | None, object]] = [("Body", None, [0, 0, 0])]
    for n in range(8):
        x, z = (0.1, -0.1)[n % 2], 0.05 * (n // 2)
        joints += [(f"Leg{n}a", "Body", [x, 0.1, z]), (f"Leg{n}b", f"Leg{n}a", [2 * x, -0.3, 0])]
    rig = make_rig("spider", joints, {"pelvis": "Body"})
    assert rig.height == pytest.approx(0.3)  # from the claws up to the knees
    motion = make_motion(rig, 30.0, np.full((2, 60, 3), 0.2), np.tile(rig.rest, (2, 60, 1, 1)))
    assert any("no feet were found by name" in line for line in warnings_on(motion))
    snake = make_rig("snake", [(f"s{n}", f"s{n - 1}" if n else None, [0, 0, -0.1]) for n in range(11)], {"head": "s0"})
    assert snake.height == pytest.approx(0.2)  # a fifth of its length
    assert load_rig("arm").height == pytest.approx(float(np.linalg.norm(load_rig("arm").offsets[1:], axis=1).sum()))


def test_swapped_sides() -> None:
    assert "toes point back, and it travels backwards" in only(swapped(walking("r4"), "hand", "foot"))
    assert "left and right hands are swapped against the feet" in only(swapped(walking("r4"), "hand"))
    assert "left and right are swapped: the left limbs lie to the right" in only(
        swapped(walking("quad"), "hand", "foot")
    )
    assert "left and right middle legs are swapped" in only(swapped(walking("hexapod"), "mid"))


def test_a_mirrored_recording() -> None:
    """Files in left-handed axes that are read as if right-handed: x runs the other way, names stay."""
    motion = walking("r4")
    flip = np.array([-1, 1, 1], np.float32)
    rig = facing_ahead(
        replace(
            motion.rig, offsets=motion.rig.offsets * flip, rest=motion.rig.rest * np.array([1, 1, -1, -1], np.float32)
        )
    )
    rotations = motion.rotations * np.array([1, 1, -1, -1], np.float32)
    made = make_motion(rig, motion.fps, motion.root_positions * flip, rotations, contacts=motion.contacts)
    np.testing.assert_allclose(made.positions, motion.positions * flip, atol=1e-5)
    assert "mirrored" in only(made)


def nodes(*names: str) -> Rig:
    return make_rig("r", [("Hips", None, [0, 1, 0]), *((name, "Hips", [0.1, 0, 0]) for name in names)], {})


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("LeftArm", "RightArm", "Head", "Neck_end"), None),
        (("b__LeftArm", "b_RightArm", "Dog_LeftTail001", "Dog_LeftTail002"), None),  # half of the sides lack the other
        (("LeftArm", "RightArm", "LeftLeg", "RightLeg", "LeftTail"), "rather than body: LeftTail;"),
        (
            ("Bip01_Footsteps", "Bip01_HeadNub", "LeftArm", "RightArm"),
            "rather than body: Bip01_Footsteps, Bip01_HeadNub;",
        ),
        (("lhand", "rhand", "LeftArmor", "RightArmor"), "rather than body: LeftArmor, RightArmor;"),
        (("LeftArm", "LeftHand"), None),  # an arm alone
    ],
)
def test_helper_nodes(names: tuple[str, ...], found: str | None) -> None:
    lines = helper_nodes(nodes(*names))
    assert re.search(found, lines[0]) if found else lines == [], lines


def test_uneven_bones() -> None:
    motion = walking("r4")
    hand = motion.rig.roles["left_hand"]
    offsets = motion.rig.offsets.copy()
    offsets[hand] *= 1.5
    length = np.linalg.norm(offsets[hand])
    text = only(with_rig(motion, replace(motion.rig, offsets=offsets)))
    assert f"{motion.rig.joint_names[hand]}, " in text
    assert f": {100 * length:.3g} cm and {100 * length / 1.5:.3g} cm" in text


@pytest.mark.parametrize("degrees", [3.0, 8.0])
def test_a_tilted_ground_and_the_axis_that_mends_it(degrees: float) -> None:
    motion = walking("quad")
    turn = quat.from_axis_angle(np.array([1.0, 0, 0]), np.radians(degrees))
    rotations = motion.rotations.copy()
    rotations[:, :, 0] = quat.mul(turn.astype(np.float32), rotations[:, :, 0])
    root = quat.rotate(turn, motion.root_positions)
    tilted = make_motion(motion.rig, motion.fps, root, rotations, contacts=motion.contacts)
    text = only(tilted)
    found = re.search(r"slopes by ([\d.]+) degrees.*--up=(\S+)", text)
    assert found is not None
    assert float(found[1]) == pytest.approx(degrees, abs=0.3)
    up = np.array([float(v) for v in found[2].split(",")])
    np.testing.assert_allclose(up, quat.rotate(turn, np.array([0.0, 1, 0])), atol=0.006)


def test_a_body_that_never_travels() -> None:
    motion = walking("hexapod")
    still = motion.root_positions * np.array([0, 1, 0], np.float32)
    assert "never travels" in only(replace(motion, root_positions=still))


def test_a_foot_that_sinks() -> None:
    """One shin longer by 6 cm, nothing else changed."""
    motion = walking("r4")
    foot = motion.rig.contact_joints[0]
    ankle = int(motion.rig.parents[foot])
    offsets = motion.rig.offsets.copy()
    offsets[ankle] *= 1 + 0.06 / np.linalg.norm(offsets[ankle])
    longer = with_rig(motion, replace(motion.rig, offsets=offsets))
    names = motion.rig.joint_names
    found = re.fullmatch(
        rf"{names[foot]} stands ([\d.]+) cm lower than {names[motion.rig.mirror[foot]]}: one of them sinks\?",
        *uneven_feet(longer),
    )
    assert found is not None
    assert 5 < float(found[1]) < 6.1
    assert uneven_feet(motion) == []


def test_segments_that_hardly_move() -> None:
    motion = walking("quad")
    ids = [f"c{n}" for n in range(len(motion))]
    assert hardly_move(motion, ids) == []
    still = replace(motion, root_positions=motion.root_positions.copy(), rotations=motion.rotations.copy())
    for clip in (2, 5):  # sits down in the first second, then nothing
        frames = round(motion.fps)
        still.root_positions[clip, frames:] = still.root_positions[clip, frames]
        still.rotations[clip, frames:] = still.rotations[clip, frames]
    assert hardly_move(still, ids) == [f"2 of {len(motion)} segments hardly move: c2, c5; --exclude leaves files out"]
    assert hardly_move(still[[2]], ids[:1]) == []  # beside what?


def test_joints_that_nothing_moves() -> None:
    motion = walking("quad")
    rotations = motion.rotations.copy()
    knee = int(motion.rig.parents[motion.rig.roles["left_hand"]])
    rotations[:, :, knee] = rotations[0, 0, knee]
    before = warnings_on(motion)
    lines = [line for line in warnings_on(replace(motion, rotations=rotations)) if "never turn" in line]
    assert motion.rig.joint_names[knee] in lines[0]
    assert motion.rig.joint_names[knee] not in " ".join(before)


def test_a_lying_body() -> None:
    motion = walking("r4")
    rest = motion.rig.rest.copy()
    rest[0] = quat.mul(quat.from_axis_angle(np.array([1.0, 0, 0]), np.pi / 2).astype(np.float32), rest[0])
    assert "lies down" in only(with_rig(motion, replace(motion.rig, rest=rest)))


def test_degenerate_domains_get_warnings_without_a_fault() -> None:
    """Bodies of one joint, of no extent, of any roles: no division by nothing."""
    rng = np.random.default_rng(2)
    names = ["Hips", "Head", "LeftHand", "RightHand", "LeftFoot", "RightFoot", "LeftMid", "RightMid"]
    with np.errstate(divide="raise", invalid="raise"):
        for trial in range(120):
            count = int(rng.integers(1, len(names) + 1))
            offsets = rng.normal(size=(count, 3)) * rng.choice([0.0, 1e-7, 1.0], (count, 1), p=[0.3, 0.1, 0.6])
            joints = [
                (name, None if k == 0 else names[int(rng.integers(k))], offsets[k])
                for k, name in enumerate(names[:count])
            ]
            rig = make_rig("r", joints, {}, contact_joints=[n for n in names[4:count] if rng.random() < 0.7])
            some = [k for k in range(count) if rng.random() < 0.7]
            rig = replace(
                rig, roles={role: rig.joint_names.index(names[k]) for k, role in enumerate(ROLES) if k in some}
            )
            frames = int(rng.integers(1, 50))
            root = rng.normal(size=(2, frames, 3)) * rng.choice([0.0, 1.0])
            turns = quat.normalize(rng.normal(size=(2, frames, count, 4)) + np.array([5, 0, 0, 0]))
            motion = make_motion(rig, 30, root, turns, lengths=np.array([frames, 1]))
            lines = warnings_on(motion, "cm", "z")
            assert all("nan" not in line and "\n" not in line for line in lines), trial
