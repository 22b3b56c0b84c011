"""Style of built-in locomotion: each of its numbers does on every rig what it says, and its cells are balanced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rae_bench.data.generators.locomotion.actions import action_cells
from rae_bench.data.generators.locomotion.body import read_body
from rae_bench.data.generators.locomotion.gaits import GAITS
from rae_bench.data.generators.locomotion.paths import DRAWS
from rae_bench.data.generators.locomotion.postures import find_postures
from rae_bench.data.generators.locomotion.style import NUMBERS, PLAIN, WORDS, draw_style, style_cells, style_name
from rae_bench.data.generators.locomotion.whole_body import make_poses
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import ROLES

NAMES = [name for name in builtin_rigs() if len(load_rig(name).contact_joints)]


def low_and_high(name: str, number: str) -> Motion:
    """Two straight walks that differ in one number alone, which is -1 and 1; the others are near 0."""
    rig = load_rig(name)
    body = read_body(rig)
    plain = next(c for c in action_cells(len(body.legs)) if c.group.split("/")[1:3] == ["medium", "straight"])
    draw = np.full((2, DRAWS), 0.5)
    style = draw[:, -len(NUMBERS) :]
    style[:, [NUMBERS.index(word) for word in WORDS]] = 0.0  # of a cell's numbers: as near the middle as they come
    cells = [plain, plain]
    place = NUMBERS.index(number)
    if number in WORDS:
        style[:, place] = 1.0
        halves = np.array([[-1 if word == number else 1 for word in WORDS], [1] * len(WORDS)])
        cells = [replace(plain, style=tuple(int(half) for half in row)) for row in halves]
    else:
        style[:, place] = [0.0, 1.0]
        cells = [replace(plain, style=(1, 1, 1))] * 2
    root, rotations, contacts = make_poses(rig, body, find_postures(rig, body), cells, draw, 5.0, 30.0)
    return make_motion(rig, 30.0, root, rotations, contacts=contacts)


def _cadence(motion: Motion) -> np.ndarray:
    """(N,) how often feet come down."""
    return np.diff(motion.contacts.astype(int), axis=1).clip(0).sum((1, 2))


def _lifted(motion: Motion) -> np.ndarray:
    """(N, C) how high feet are lifted."""
    return np.ptp(motion.positions[:, :, motion.rig.contact_joints, 1], axis=1)


def _lean(motion: Motion) -> np.ndarray:
    """(N,) how far the trunk, or the head where there is no trunk, has come ahead of the pelvis by pitching."""
    body = read_body(motion.rig)
    top = body.trunk[-1] if body.trunk else body.neck[-1]
    local = motion.root.points_in(motion.positions)
    along = local[:, :, top] - local[:, :, 0]
    return -np.arctan2(along[..., 1], along[..., 2]).mean(1)


def _sway(motion: Motion) -> np.ndarray:
    """(N,) how far the root goes from side to side, off its own mean course."""
    x = motion.root_positions[..., 0]
    time = np.arange(x.shape[1])
    return np.array([np.std(row - np.polyval(np.polyfit(time, row, 3), time)) for row in x])


def _swing(motion: Motion) -> np.ndarray:
    """(N,) how much head, tail and arms turn about their mean."""
    body = read_body(motion.rig)
    joints = [*body.neck, *(arm.shoulder for arm in body.arms), *(j for tail in body.tails for j in tail)]
    turns = motion.rotations[:, :, joints].astype(np.float64)
    return quat.angle(turns, quat.normalize(turns.mean(1, keepdims=True))).mean((1, 2))


def _limp(motion: Motion) -> np.ndarray:
    """(N,) how much higher the left feet are lifted."""
    left = np.array([ROLES[slot].startswith("left") for slot in motion.rig.contact_slots])
    lifted = _lifted(motion)
    return lifted[:, left].mean(1) - lifted[:, ~left].mean(1)


MEASURES: dict[str, tuple[Callable[[Motion], np.ndarray], float]] = {
    "stride": (lambda m: 1 / _cadence(m), 1.3),
    "lift": (lambda m: _lifted(m).mean(1), 2.0),
    "crouch": (lambda m: -m.root_positions[..., 1].mean(1) / m.rig.height, 0),
    "lean": (_lean, 0),
    "sway": (_sway, 1.8),
    "swing": (_swing, 1.4),
    "asymmetry": (_limp, 0),
    "duty": (lambda m: m.contacts.mean((1, 2)), 1.08),
}
"""What measures a number, and by which factor it grows at least; 0 where it changes its sign or is a difference."""
LEAST = {"crouch": 0.04, "lean": np.radians(6), "asymmetry": 0.01}
"""Of differences: by how much they grow at least."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", NUMBERS)
def test_each_number_does_what_it_says(name: str, number: str) -> None:
    measure, factor = MEASURES[number]
    low, high = measure(low_and_high(name, number))
    if factor:
        assert high > factor * low > 0
    else:
        assert high - low > LEAST[number]
    if number == "asymmetry":
        assert low < 0 < high


def test_cells_halve_their_numbers() -> None:
    rng = np.random.default_rng(0)
    cells = [cell for k in range(100) for cell in style_cells(f"walk/{k}", 2)]
    style = draw_style(cells, rng.random((200, 8)), np.ones((200, 1)))
    for word, half in zip(WORDS, np.array(cells).T, strict=True):
        assert (np.sign(getattr(style, word)[:, 0]) == half).all()
        assert np.abs(getattr(style, word)).min() >= 0.15
    for number in NUMBERS:
        values = getattr(style, number)
        assert values.shape == (200, 1)
        assert -1 <= values.min() < -0.9
        assert 0.9 < values.max() <= 1
    plain = draw_style([PLAIN] * 3, rng.random((3, 8)), np.ones((3, 1)))
    assert not any(getattr(plain, number).any() for number in NUMBERS)


def test_strength_scales_every_number() -> None:
    cells, draw = style_cells("trot", 4), np.random.default_rng(1).random((4, 8))
    whole, half = (draw_style(cells, draw, np.full((4, 1), strength)) for strength in (1.0, 0.5))
    for number in NUMBERS:
        np.testing.assert_allclose(getattr(half, number), 0.5 * getattr(whole, number))


def test_cells_of_one_name_are_balanced() -> None:
    first, second = style_cells("walk/slow/left", 2)
    assert np.array_equal(np.array(first), -np.array(second))
    four = np.array(style_cells("idle", 4))
    for a, b in combinations(four.T, 2):  # each pair of halves once
        assert len({*zip(a.tolist(), b.tolist(), strict=True)}) == 4
    assert style_name((1, 1, -1)) == "low-long-calm"
    for legs in GAITS:
        halves = np.array([cell.style for cell in action_cells(legs)])
        assert np.abs(halves.mean(0)).max() < 0.1
