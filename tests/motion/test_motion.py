"""Motion as people use it: attributes, one-line representations, contacts, and files out and in again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rae_bench as rb
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.model.api import Domain, Prompt
from rae_bench.model.trajectory import Trajectory
from rae_bench.motion.contacts import find_contacts, stance_heights
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import no_objectives
from rae_bench.objectives.path import RootPath


@pytest.fixture(scope="module")
def quad() -> rb.Rig:
    return rb.load_rig("quad")


@pytest.fixture(scope="module")
def walking(quad: rb.Rig) -> rb.Motion:
    return generate_locomotion(quad, clips=6, seconds=2.0, fps=30).motion


def test_attributes_of_a_motion(walking: rb.Motion, quad: rb.Rig) -> None:
    joints, contacts = len(quad), len(quad.contact_joints)
    assert (walking.rig is quad, walking.fps, len(walking)) == (True, 30.0, 6)
    assert walking.lengths.tolist() == [60] * 6
    assert walking.root_positions.shape == (6, 60, 3)
    assert walking.rotations.shape == (6, 60, joints, 4)
    assert walking.positions.shape == (6, 60, joints, 3)
    assert walking.contacts.shape == (6, 60, contacts)
    np.testing.assert_array_equal(walking.positions[:, :, 0], walking.root_positions)


def test_attributes_of_a_rig(quad: rb.Rig) -> None:
    joints = len(quad)
    assert len(set(quad.joint_names)) == joints
    assert quad.parents.tolist()[0] == -1
    assert (quad.parents[1:] < np.arange(1, joints)).all()
    assert quad.offsets.shape == (joints, 3)
    assert quad.joint_names[quad.roles["pelvis"]] == "pelvis"
    feet = {quad.roles[role] for role in ("left_hand", "right_hand", "left_foot", "right_foot")}
    assert set(quad.contact_joints.tolist()) == feet
    assert quad.limits.shape == (joints, 3, 2)
    assert (quad.mirror[quad.mirror] == np.arange(joints)).all()
    assert quad.rest.shape == (joints, 4)
    assert quad.height == pytest.approx(0.83, abs=1e-3)


def test_representations_are_one_line(walking: rb.Motion, quad: rb.Rig) -> None:
    corpus = generate_locomotion(quad, clips=6, seconds=2.0)
    assert repr(walking) == "Motion(6 clips, rig 'quad', 30 fps, 12.0 s)"
    assert repr(quad) == f"Rig('quad', {len(quad)} joints, height {quad.height:.3g} m)"
    assert repr(corpus) == "Corpus('quad-locomotion', 6 segments in 6 groups, " + repr(corpus.motion) + ")"
    assert repr(rb.load_task("biped2quad")) == "Task('biped2quad', r1 to quad)"
    assert repr(rb.load_task("human2dog")) == "Task('human2dog', human to dog)"


def test_what_models_get_and_give_is_told_in_a_line(walking: rb.Motion, quad: rb.Rig) -> None:
    keyframes, phases = keyframe_objectives(walking), np.zeros((6, 60, 8, 2), np.float32)
    path = RootPath(np.zeros((6, 60, 3, 2), np.float32), np.zeros((6, 60, 3), np.float32))
    names = ("a",) * 6
    domain = Domain("quad", quad, walking, keyframes, phases, tuple("abcdef"), names, path)
    assert repr(domain) == f"Domain('quad', 6 segments in 1 group, with a path, {walking!r})"
    assert repr(path) == "RootPath(6 clips, 60 frames)"
    assert repr(keyframes).startswith("Objectives(6 clips, 60 frames, of pelvis, head, ")
    assert repr(no_objectives(1, 2)) == "Objectives(1 clip, 2 frames, of no role)"
    assert repr(Trajectory.of(walking[:1])) == f"Trajectory(1 sample of 1 clip, 60 frames, {len(quad)} joints)"
    prompt = Prompt(quad, 30.0, walking, keyframes, np.full(6, 50), phases[:, 0], 3)
    assert repr(prompt) == f"Prompt(up to 50 frames to generate, 3 samples, history {walking!r})"


def test_a_motion_is_written_and_read(walking: rb.Motion, tmp_path: Path) -> None:
    rb.write_bvh(tmp_path / "clip.bvh", walking, 2)
    again = rb.read_bvh(tmp_path / "clip.bvh")
    assert repr(again) == "Motion(1 clip, rig 'clip', 30 fps, 2.0 s)"
    np.testing.assert_allclose(again.positions[0], walking.positions[2], atol=1e-4)
    rb.write_glb(tmp_path / "clips.glb", walking, [0, 1])
    assert (tmp_path / "clips.glb").read_bytes()[:4] == b"glTF"


def test_a_motion_of_arrays_is_padded_and_gets_contacts(walking: rb.Motion, quad: rb.Rig) -> None:
    root, rotations = walking.root_positions.astype(np.float64), walking.rotations.astype(np.float64)
    made = rb.make_motion(quad, 30, root, rotations, lengths=np.array([60, 60, 60, 60, 60, 20]))
    assert made.root_positions.dtype == made.rotations.dtype == np.float32
    np.testing.assert_array_equal(made.root_positions[5, 20:], np.repeat(made.root_positions[5, 19:20], 40, 0))
    np.testing.assert_array_equal(made.contacts[5, 20:], np.repeat(made.contacts[5, 19:20], 40, 0))
    agreement = (made.contacts[:5] == walking.contacts[:5]).mean()
    assert agreement > 0.9  # the generator knows its contacts


def test_contacts_against_the_stance_of_a_larger_set(walking: rb.Motion, quad: rb.Rig) -> None:
    """A clip in which a foot never stands finds no ground of its own; the stance heights of all clips give it."""
    root = walking.root_positions[:1] + np.array([0, 0.3, 0], np.float32)
    stance = stance_heights(walking.positions, quad, walking.lengths)
    assert rb.make_motion(quad, 30, root, walking.rotations[:1]).contacts.any()
    hovering = rb.make_motion(quad, 30, root, walking.rotations[:1], stance=stance)
    assert not hovering.contacts.any()
    found = find_contacts(hovering.positions, quad, 30, hovering.lengths, stance=stance)
    np.testing.assert_array_equal(hovering.contacts, found)


def test_a_rig_without_contact_joints_has_no_contacts() -> None:
    arm = rb.load_rig("arm")
    motion = rb.make_motion(arm, 30, np.zeros((2, 5, 3)), np.tile(arm.rest, (2, 5, 1, 1)))
    assert motion.contacts.shape == (2, 5, 0)
