"""`check rig`: built-in rigs pass, and each fault is found by its check alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rae_bench.cli import main
from rae_bench.kinematics import quat
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig, rig_to_toml
from rae_bench.rigs.rig import Rig
from rae_bench.testing import CHECKS_OF_RIGS, check_rig


@pytest.mark.parametrize("name", builtin_rigs())
def test_built_in_rigs_pass(name: str) -> None:
    found = check_rig(load_rig(name))
    assert [check for check in found if not check.ok] == []
    assert [check.name for check in found] == [function.__name__ for function in CHECKS_OF_RIGS]
    assert len([check for check in found if check.reason]) == (3 if name == "arm" else 0)  # what an arm has not


def turned(rig: Rig) -> Rig:
    rest = rig.rest.copy()
    rest[0] = quat.from_yaw(np.radians(90))
    return replace(rig, rest=rest)


def changed(rig: Rig, field: str, joint: str, value: Any) -> Rig:
    array = getattr(rig, field).copy()
    array[rig.index(joint)] = value
    return replace(rig, **{field: array})


LEFT, RIGHT = "leg_c_L", "leg_c_R"
FAULTS = {
    "roles": (lambda rig: replace(rig, roles={k: v for k, v in rig.roles.items() if k != "pelvis"}), "no joint has"),
    "size": (lambda rig: replace(rig, offsets=100 * rig.offsets), "179 m tall; are its offsets in metres?"),
    "faces_forward": (turned, "at rest it faces 90 degrees to the left"),
    "stands_on_the_ground": (
        lambda rig: replace(rig, contact_joints=np.array([rig.index("leg_b_L"), rig.index("leg_b_R")])),
        "at rest 'leg_b_L' is ",
    ),
    "mirrored": (lambda rig: changed(rig, "mirror", LEFT, rig.index(LEFT)), f"`mirror` does not pair '{LEFT}'"),
    "limits_hold_the_rest_pose": (
        lambda rig: changed(rig, "limits", "head", np.radians([[10, 20], [-5, 5], [-5, 5]])), "limits of 'head' do not"
    ),
    "limits_mirrored": (
        lambda rig: changed(rig, "limits", RIGHT, np.radians([[-55, 30], [-25, 25], [-25, 25]])), "differ by 35 degrees"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_its_check(name: str) -> None:
    spoil, reason = FAULTS[name]
    checks = {check.name: check for check in check_rig(spoil(load_rig("r4")))}
    assert not checks[name].ok
    assert reason in checks[name].reason


def test_a_left_side_on_the_right_is_found() -> None:
    rig = load_rig("r4")
    sides = str.maketrans({"<": "right", ">": "left"})
    roles = {
        role.replace("left", "<").replace("right", ">").translate(sides): joint for role, joint in rig.roles.items()
    }
    reason = next(check.reason for check in check_rig(replace(rig, roles=roles)) if check.name == "mirrored")
    assert reason == "left_hand 'arm_d_R' is not on the left, which is +X"


def test_a_rig_that_cannot_walk_says_why() -> None:
    rig = replace(load_rig("r4"), contact_joints=np.array([load_rig("r4").roles["left_foot"]]))
    (moves,) = [check for check in check_rig(rig) if check.name == "moves"]
    assert moves.ok
    assert moves.reason.startswith("skipped: no built-in motion: ")


def test_the_command_fails_where_a_check_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(rig_to_toml(load_rig("r4")), encoding="utf-8")
    bad.write_text(rig_to_toml(turned(load_rig("r4"))), encoding="utf-8")
    for path, code, word in ((good, 0, "ok    faces_forward"), (bad, 1, "FAIL  faces_forward: at rest it faces 90")):
        with pytest.raises(SystemExit) as ended:
            main(["check", "rig", str(path)])
        assert (ended.value.code or 0) == code
        assert word in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["check", "rig", str(bad), "--json"])
    assert [c["name"] for c in json.loads(capsys.readouterr().out) if not c["ok"]] == ["faces_forward", "mirrored"]
