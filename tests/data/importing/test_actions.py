"""Actions that are found from posture, speed and turning: made motion whose action is known, then the recorded dog."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import RECIPE, TABLE, header, walk

from rae_bench.data.corpus import Corpus
from rae_bench.data.importing import actions
from rae_bench.data.importing.actions import ACTIONS, GRAVITY, find_actions, frame_actions
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.recordings import import_folder
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.course import course_of
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig
from rae_bench.task.named import load_task
from rae_bench.task.sides import load_side

SECONDS = 5.0


def leg(rig: Rig) -> float:
    return float(rig.rest_global[0][rig.roles["pelvis"], 1])


def made(rig: Rig, height: object = 1.0, froude: float = 0.0, turning: float = 0.0, pitch: object = 0.0,
         fps: float = 30.0, heading: float = 0.3) -> Motion:  # fmt: skip
    """One clip of the rest pose, carried along.

    Args:
        height: of the pelvis in legs, of each frame or of all.
        froude: v^2 / (g leg) of its speed.
        turning: radians a second.
        pitch: radians that the body is reared, of each frame or of all.
        heading: where it faces at first.
    """
    frames = round(SECONDS * fps)
    time = np.arange(frames) / fps
    yaw = heading + turning * time
    speed = np.sqrt(froude * GRAVITY * leg(rig))
    root = np.stack([speed * time * np.sin(heading), np.broadcast_to(height, frames) * leg(rig),
                     speed * time * np.cos(heading)], -1)  # fmt: skip
    rotations = np.tile(rig.rest, (1, frames, 1, 1)).astype(np.float64)
    reared = quat.from_axis_angle(np.array([1.0, 0, 0]), -np.broadcast_to(pitch, frames).astype(float))
    turn = quat.mul(quat.from_yaw(yaw), reared)
    rotations[0, :, 0] = quat.mul(turn, rotations[0, :, 0])
    return make_motion(rig, fps, root[None], rotations, contacts=np.zeros((1, frames, len(rig.contact_joints)), bool))


def action(motion: Motion) -> str:
    (found,) = find_actions(motion, course_of(motion))
    return found


MADE = {
    "stand": {},
    "turn": {"turning": 1.0},
    "walk": {"froude": 0.1},
    "run": {"froude": 1.0},
    "lie": {"height": 0.2},
    "raised": {"height": 2.5},
}


@pytest.mark.parametrize("what", MADE)
@pytest.mark.parametrize("rig", ["quad", "hexapod"])
def test_made_motion(what: str, rig: str) -> None:
    assert action(made(load_rig(rig), **MADE[what])) == what


def test_a_man_lies_sits_and_goes() -> None:
    man = load_rig("r1")
    assert [action(made(man, **MADE[what])) for what in ("stand", "turn", "walk", "run")] == [
        "stand", "turn", "walk", "run",
    ]  # fmt: skip
    assert action(made(man, height=0.15, pitch=1.4)) == "lie"
    assert action(made(man, height=0.15)) == "sit"


def test_a_dog_sits_with_its_chest_up() -> None:
    assert action(made(load_rig("quad"), height=0.2, pitch=0.8)) == "sit"


@pytest.mark.parametrize(("frames", "expected"), [(2, "run"), (3, "jump"), (75, "jump"), (76, "raised")])
def test_how_long_a_jump_is(frames: int, expected: str) -> None:
    height = np.ones(150)
    height[20 : 20 + frames] = 1.5
    assert action(made(load_rig("quad"), height=height, froude=1.0)) == expected


@pytest.mark.parametrize(("frames", "expected"), [(37, "walk"), (38, "lie")])
def test_a_quarter_of_rest_counts_more_than_the_walk(frames: int, expected: str) -> None:
    height = np.ones(150)
    height[:frames] = 0.2
    assert action(made(load_rig("quad"), height=height, froude=0.2)) == expected


@pytest.mark.parametrize(("froude", "expected"), [(0.009, "stand"), (0.011, "walk"), (0.49, "walk"), (0.51, "run")])
def test_speeds_are_in_proportion_to_the_leg(froude: float, expected: str) -> None:
    for rig in ("quad", "r1", "hexapod"):
        assert action(made(load_rig(rig), froude=froude)) == expected


def test_place_heading_rate_and_company_do_not_matter() -> None:
    rig = load_rig("quad")
    one = made(rig, froude=0.1)
    assert action(made(rig, froude=0.1, fps=60.0, heading=2.0)) == "walk"
    assert action(replace(one, root_positions=one.root_positions + np.array([9, 0, -4], np.float32))) == "walk"
    parts = [made(rig, **words) for words in MADE.values()]
    root, rotations = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("root_positions", "rotations")
    )
    together = make_motion(rig, 30.0, root, rotations)
    assert find_actions(together, course_of(together)) == tuple(MADE)
    order = np.arange(len(parts))[::-1]
    assert find_actions(together[order], course_of(together[order])) == tuple(MADE)[::-1]


def test_frames_past_the_end_do_not_count() -> None:
    height = np.ones(150)
    height[60:] = 0.2
    motion = made(load_rig("quad"), height=height, froude=0.1)
    assert action(motion) == "lie"
    short = make_motion(motion.rig, 30.0, motion.root_positions, motion.rotations, lengths=np.array([60]))
    assert action(short) == "walk"


def test_a_rig_without_hands_and_head_has_actions() -> None:
    rig = load_rig("r1")
    bare = replace(rig, roles={"pelvis": rig.roles["pelvis"]})
    assert action(made(bare, froude=0.1)) == "walk"


def test_the_importer_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bvh").write_text(header() + walk(13, 30, 100.0))
    recipe = replace(RECIPE, action_by="motion", action_pattern="(never)")
    corpus = import_folder(tmp_path, recipe, "x")
    assert corpus.actions == ("walk", "walk", "walk")
    assert corpus.identity != import_folder(tmp_path, RECIPE, "x").identity
    monkeypatch.setattr(actions, "VERSION", actions.VERSION + 1)
    assert import_folder(tmp_path, recipe, "x").identity != corpus.identity
    (tmp_path / "a.bvh").write_text(header() + walk(5, 30, 0.0))
    assert import_folder(tmp_path, recipe, "x").actions == ("stand",)
    with pytest.raises(UserError, match="""action_by = 'motions' needs to be "file" or "motion\""""):
        Recipe.from_table({**TABLE, "action_by": "motions"}, "x")


def test_a_set_that_is_not_whole(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.bvh").write_text(header() + walk(4, 30, 50.0 if name == "a" else 90.0))
    whole = import_folder(tmp_path, replace(RECIPE, whole_set=2), "x")
    part = import_folder(tmp_path, replace(RECIPE, whole_set=3), "x")
    told = f"the set is not whole: 2 of its 3 files are in the folder {tmp_path.name}"
    assert told in part.provenance["warnings"]
    assert not any("not whole" in text for text in whole.provenance["warnings"])
    assert part.identity == whole.identity  # what is there decides, and its hashes are in the identity


@pytest.fixture(scope="module")
def dog(recordings: Path) -> Corpus:
    task = load_task("human2dog-keyframes")  # limbs leaves out most of what sits and lies
    return load_side(task.target, task.protocol, recordings)


def test_the_recorded_dog(dog: Corpus, recordings: Path) -> None:
    """The names that google-research gave twenty of the recordings, which the rule does not look at."""
    manifest = json.loads((recordings / "dog_full" / "manifest.json").read_text(encoding="utf-8"))
    names = {entry["file"].removesuffix(".bvh"): entry["action"].removeprefix("dog_") for entry in manifest}
    found: dict[str, Counter[str]] = {}
    for take, each in zip(dog.takes, dog.actions, strict=True):
        found.setdefault(names[take], Counter())[each] += 1
    assert set(dog.actions) == set(ACTIONS)
    for name in ("walk00", "walk14", "walk09", "walk01"):
        assert found[name].most_common(1)[0][0] == "walk", name
    assert set(found["run01"]) == set(found["run02"]) == {"run"}
    assert set(found["sit00"]) == {"sit"}
    assert found["turn00"]["turn"]
    assert found["jump00"]["jump"]
    assert found["jump01"]["jump"]
    assert not found["unlabelled"]["turn"]
    assert Counter(dog.actions) == {
        "stand": 79, "walk": 78, "sit": 70, "lie": 37, "raised": 13, "jump": 7, "run": 7, "turn": 2,
    }  # fmt: skip


def test_the_rule_has_room_where_it_draws_its_lines(dog: Corpus) -> None:
    """Few frames of the dog lie near the limits of posture: these are not what the rule happens to cut in two."""
    motion = dog.motion
    heights = motion.positions[..., 1] / leg(motion.rig)
    pelvis = heights[..., motion.rig.roles["pelvis"]][motion.valid]
    assert np.mean(np.abs(pelvis - 0.6) < 0.1) < 0.01
    assert np.mean(np.abs(pelvis - 1.25) < 0.1) < 0.005
    frames = frame_actions(motion, dog.course)[motion.valid]
    assert np.bincount(frames, minlength=len(ACTIONS))[ACTIONS.index("jump")] == 0
