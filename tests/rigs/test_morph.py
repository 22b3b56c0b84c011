"""Rigs between two rigs."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.data.retarget import standing
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.rigs.builtin import RigName, is_builtin, rig_name
from rae_bench.rigs.correspondence import distance
from rae_bench.rigs.file import load_rig, read_rig, rig_to_toml
from rae_bench.rigs.morph import morph
from rae_bench.rigs.rig import Rig

PAIRS = [("r1", "r2"), ("r2", "r1"), ("r1", "r5"), ("r1", "quad"), ("quad", "hexapod")]


def of(name: str) -> Rig:
    return load_rig(name)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_bones_go_from_one_rig_to_the_other(first: str, second: str) -> None:
    a, b = of(first), of(second)
    between = [morph(a, b, share) for share in (0, 0.25, 0.5, 1)]
    np.testing.assert_allclose(between[0].offsets, a.offsets, atol=1e-6)
    from_a, to_b = ([distance(end, rig) for rig in between] for end in (a, b))
    assert from_a[0].bones < 1e-4
    for near, far in itertools.pairwise(from_a):
        assert near.bones < far.bones
    for far, near in itertools.pairwise(to_b):
        assert near.bones < far.bones
    assert all((d.joints, d.limbs) == (0, 0) for d in from_a)
    # Key joints stand where those of the other rig do.
    common = [role for role in a.roles if role in b.roles]
    ends = [rig.rest_global[0] - rig.rest_global[0][rig.roles["pelvis"]] for rig in (between[-1], b)]
    for role in common:
        np.testing.assert_allclose(ends[0][between[-1].roles[role]], ends[1][b.roles[role]], atol=1e-4)


def test_between_two_bipeds_nothing_is_left_at_the_end() -> None:
    assert distance(of("r1~r2@1"), of("r2")).bones < 0.01 < distance(of("r1"), of("r2")).bones
    assert of("r1~r2@0.5").height == pytest.approx((of("r1~r2@0").height + of("r1~r2@1").height) / 2, abs=1e-4)


def test_both_sides_stay_alike() -> None:
    for name in ("r1~r2@0.5", "r1~r1@0+6", "r1~r1@0-6", "quad~quad@0+7"):
        rig = of(name)
        places = rig.rest_global[0]
        np.testing.assert_array_equal(rig.mirror[rig.mirror], np.arange(len(rig)))
        mirrored = places[rig.mirror] * [-1, 1, 1]
        np.testing.assert_allclose(mirrored, places, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("count", [1, 2, 6, -1, -2, -6])
@pytest.mark.parametrize("base", ["r1", "quad"])
def test_joints_are_split_and_dropped(base: str, count: int) -> None:
    rig, plain = of(f"{base}~{base}@0{count:+d}"), of(base)
    assert len(rig) == len(plain) + count
    apart = distance(plain, rig)
    assert (apart.joints, apart.limbs) == (abs(count), 0)
    assert apart.bones < (0.15 if count < 0 else 1e-3)  # where a bend is dropped, the way is shorter
    assert rig.height == pytest.approx(plain.height, abs=1e-4)
    assert dict(rig.roles).keys() == dict(plain.roles).keys()
    for role, joint in rig.roles.items():  # the rest pose stays
        for a, b in zip(rig.rest_global, plain.rest_global, strict=True):
            np.testing.assert_allclose(a[joint], b[plain.roles[role]], atol=1e-4)
    names = [rig.joint_names[j] for j in rig.contact_joints]
    assert names == [plain.joint_names[j] for j in plain.contact_joints]
    limits = {name: rig.limits[j] for j, name in enumerate(rig.joint_names)}
    for j, name in enumerate(plain.joint_names):
        if name in limits:
            np.testing.assert_array_equal(limits[name], plain.limits[j])
    assert all(rig.parents[j] < j for j in range(len(rig)))


def test_a_dropped_joint_hands_its_rest_rotation_down() -> None:
    rig = load_rig("r1")
    turned = rig.rest.copy()
    spare = rig.joint_names.index(next(iter({*rig.joint_names} - {*of("r1~r1@0-2").joint_names})))
    turned[spare] = quat.normalize(np.array([[1, 0.2, 0.1, 0]], np.float32))[0]
    bent = replace(rig, rest=turned)
    less = morph(bent, bent, 0, -2)
    for j, name in enumerate(less.joint_names):
        np.testing.assert_allclose(less.rest_global[0][j], bent.rest_global[0][bent.index(name)], atol=1e-4)


@pytest.mark.parametrize("name", ["r1~r2@0.25", "r1~r2@0.5", "r1~r2@1", "r1~r1@0+6", "r1~r1@0-6", "quad~quad@0+4"])
def test_they_move(name: str) -> None:
    motion = generate_locomotion(load_rig(name), clips=24, seconds=2).motion
    assert motion.rig.name == name
    assert max(speed for _, speed, _ in standing(motion)) < 1
    assert max(off for *_, off in standing(motion)) < 0.5


def test_a_rig_file_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "between.toml"
    rig = of("r1~r2@0.25+2")
    path.write_text(rig_to_toml(rig), encoding="utf-8")
    np.testing.assert_allclose(read_rig(path).rest_global[0], rig.rest_global[0], atol=1e-6)


def test_names() -> None:
    assert rig_name("r1") is None
    assert rig_name("r1~r2@0.25") == RigName("r1", "r2", 0.25)
    assert rig_name("r1~r2@1-4") == RigName("r1", "r2", 1.0, -4)
    assert str(RigName("r1", "r2", 0.5, 2)) == "r1~r2@0.5+2" == of("r1~r2@0.5+2").name
    assert is_builtin("r1~r2@0.25")
    assert not is_builtin("r1~nobody@0.25")
    for wrong in ("r1~r2", "r1~r2@2", "r1~r2@-1", "r1~r2@0.5+", "~r2@0.5", "r1~r2@1/2"):
        with pytest.raises(UserError, match=r"a rig between two is named A~B@SHARE"):
            rig_name(wrong)
    with pytest.raises(UserError, match="unknown rig 'r9'"):
        load_rig("r1~r9@0.5")


@pytest.mark.parametrize(("name", "message"), [
    ("r1~r1@0+99", r"99 joints to split are not there; up to \d+ are"),
    ("r1~r1@0-99", r"99 joints to drop are not there; up to \d+ are"),
])  # fmt: skip
def test_too_many_joints(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_rig(name)


PINNED = {
    "r1~r2@0.25": "320bba8bd473003a",
    "r1~r2@0.5": "7791e243e862871e",
    "r1~r2@1": "bccc516acd3fe309",
    "r1~r1@0+6": "be49a5ad73db79b5",
    "r1~r1@0-6": "bcdfa88c30513691",
    "r1~quad@0.5": "dc17e508e1a41918",
}


@pytest.mark.parametrize("name", PINNED)
def test_pinned(name: str) -> None:
    """Generators draw by the hash of a rig: it has to be the same on every machine."""
    assert load_rig(name).content_hash[:16] == PINNED[name]
