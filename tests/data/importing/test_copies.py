"""Copies and mirrored copies of takes are found by their content and put into one group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.walking import noisy, walk

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.data.importing.copies import mirrored_alike, without_copies
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.file import load_rig
from rae_bench.task.named import load_task
from rae_bench.task.sides import load_side


def mirrored(motion: Motion) -> Motion:
    """The mirror image: left and right change places, x changes its sign."""
    rig = motion.rig
    flip = np.array([1, 1, -1, -1], np.float32)
    world = motion.global_rotations[:, :, rig.mirror] * flip
    local = world.copy()
    below = rig.parents >= 0
    local[:, :, below] = quat.mul(quat.inverse(world[:, :, rig.parents[below]]), world[:, :, below])
    return make_motion(rig, motion.fps, motion.root_positions * np.array([-1, 1, 1], np.float32), local)


def joined(*motions: Motion) -> Motion:
    first = motions[0]
    arrays = {
        name: np.concatenate([getattr(m, name) for m in motions])
        for name in ("lengths", "root_positions", "rotations", "contacts")
    }
    return replace(first, **arrays)


@pytest.fixture(scope="module")
def walks() -> Motion:
    corpus = generate_locomotion(load_rig("r1"), clips=64, seconds=4.0)
    travelling = [i for i, action in enumerate(corpus.actions) if action in ("walk", "run")]
    return corpus.motion[travelling[::4][:6]]


def test_a_motion_and_its_mirror_look_alike(walks: Motion) -> None:
    np.testing.assert_allclose(mirrored_alike(mirrored(walks)), mirrored_alike(walks), atol=2e-3)


@pytest.mark.parametrize("what", ["copy", "mirror", "moved", "later"])
def test_copies_are_found(what: str, walks: Motion) -> None:
    copy = walks[[2]]
    if what == "mirror":
        copy = mirrored(copy)
    if what == "moved":
        turn = quat.from_yaw(np.full((1, 120), 1.0))
        turns = copy.rotations.copy()
        turns[:, :, 0] = quat.mul(turn, turns[:, :, 0])
        copy = make_motion(copy.rig, copy.fps, quat.rotate(turn, copy.root_positions) + np.array([3, 0, 1]), turns)
    if what == "later":  # an excerpt that begins a second later
        copy = make_motion(copy.rig, copy.fps, copy.root_positions[:, 30:], copy.rotations[:, 30:])
        pad = ((0, 0), (0, 30))
        copy = make_motion(
            copy.rig, copy.fps, np.pad(copy.root_positions, (*pad, (0, 0)), "edge"),
            np.pad(copy.rotations, (*pad, (0, 0), (0, 0)), "edge"), lengths=np.array([90]),
        )  # fmt: skip
    motion = joined(walks, copy)
    groups, words = without_copies(motion, [*"abcdef", "z"], [f"take{n}" for n in range(7)])
    assert groups == (*"abcdef", "c")
    assert len(words) == 1
    assert "take2" in words[0]
    assert "take6" in words[0]


@pytest.mark.parametrize("aside", [0, 1, 2, 3])
def test_excerpts_that_begin_between_two_frames_are_found(aside: int) -> None:
    """Takes at 120 frames a second, and excerpts of them that were cut before both were resampled to 30."""
    takes = generate_locomotion(load_rig("r1"), clips=12, seconds=8.0, fps=120.0).motion

    def resampled(first: int, last: int) -> Motion:
        part = slice(first, last, 4)
        return make_motion(takes.rig, 30.0, takes.root_positions[:, part], takes.rotations[:, part])

    whole, excerpt = resampled(0, 600), resampled(120 + aside, 720 + aside)
    names = [f"take{n}" for n in range(12)]
    groups, _ = without_copies(joined(whole, excerpt), [*names, *(f"excerpt{n}" for n in range(12))], [*names, *names])
    assert sum(a == b for a, b in zip(groups[:12], groups[12:], strict=True)) >= 11


def test_a_slow_walk_has_copies_too(walks: Motion) -> None:
    """At a third of its speed joints move by less than a hundredth of the height within a second."""
    slow = make_motion(walks.rig, walks.fps, *(np.repeat(part, 3, 1)[:, :120] for part in (
        walks.root_positions, walks.rotations)))  # fmt: skip
    groups, _ = without_copies(joined(slow, slow[[1]]), [*"abcdefz"], [*"abcdefz"])
    assert groups == (*"abcdef", "b")


def test_what_is_alike_but_not_the_same_is_left_alone(walks: Motion) -> None:
    motion = joined(walks, noisy(walks, 3.0, seed=1))
    names = [*"abcdefghijkl"]
    assert without_copies(motion, names, names) == (tuple(names), [])


def test_standing_still_proves_nothing() -> None:
    rig = load_rig("r1")
    root = np.tile(rig.rest_global[0][0], (3, 90, 1))
    motion = make_motion(rig, 30.0, root, np.tile(rig.rest, (3, 90, 1, 1)))
    assert without_copies(motion, ["a", "b", "c"], ["a", "b", "c"]) == (("a", "b", "c"), [])


def test_identical_segments_are_found_where_hardly_anything_moves(walks: Motion) -> None:
    """A breath moves less than tells one take of standing from another, but its numbers do."""
    rig = walks.rig
    angle = 0.002 * np.sin(np.arange(90) / 9)
    turns = np.tile(rig.rest, (3, 90, 1, 1))
    turns[:, :, rig.roles["head"]] = quat.from_axis_angle(np.array([1.0, 0, 0]), np.stack([angle, 1.01 * angle, angle]))
    motion = make_motion(rig, 30.0, np.tile(rig.rest_global[0][0], (3, 90, 1)), turns)
    groups, words = without_copies(motion, ["a", "b", "c"], ["a#0", "b#0", "c#0"])
    assert groups == ("a", "b", "a")
    assert "a#0 and c#0" in words[0]


def test_a_cycle_over_other_ground_is_no_copy(walks: Motion) -> None:
    """The same poses at a tenth more speed, as synthetic sets have them."""
    faster = make_motion(
        walks.rig, walks.fps, walks.root_positions * np.array([1.1, 1, 1.1], np.float32), walks.rotations
    )
    names = [*"abcdefghijkl"]
    groups, _ = without_copies(joined(walks, faster), names, names)
    assert groups == tuple(names)
    assert without_copies(joined(walks, walks), names, names)[0] == (*"abcdef", *"abcdef")


def test_segments_of_one_group_are_not_compared() -> None:
    motion = walk(2, 90)
    motion = joined(motion, motion)
    assert without_copies(motion, ["a"] * 4, [*"wxyz"]) == (("a",) * 4, [])


@pytest.mark.parametrize(("task", "which"), [("human2dog", "source"), ("human2dog", "target")])
def test_no_take_of_the_recordings_is_a_copy(task: str, which: str, recordings: Path) -> None:
    found = load_task(task)
    corpus = load_side(getattr(found, which), found.protocol, recordings)
    assert not any("mirror image" in text for text in corpus.provenance["warnings"])
