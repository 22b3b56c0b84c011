"""Copies that `verify` finds: of another entry, within an entry, and of the truth, shifted, mixed or under noise."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.forger import Forger
from helpers.made_entries import write_entry
from scipy.ndimage import gaussian_filter1d

from rae_bench.kinematics import quat
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.verify.copies import copied_clips
from rae_bench.leaderboard.verify.grading import FoldGrader, Grader
from rae_bench.leaderboard.verify.plausibility import check_copies_within
from rae_bench.model.api import Trajectory
from rae_bench.task.named import load_task


def test_copy_of_another_entry(honest: Forger, tmp_path: Path) -> None:
    """Under another name beside the original, with the numbers a little changed and the file packed anew."""
    copy = honest.copy(tmp_path, "better")
    copy.set("name", "better")
    honest.copy(tmp_path / "more")
    others = tmp_path / "more" / "entries"
    found = copy.form_findings(others=others)
    assert "has the numbers of" in found
    assert "are those of the entry 'sway'" in found

    def worsen(result: dict[str, Any]) -> None:
        for facts in result["metrics"].values():
            facts["value"] *= 1.004

    for path in (copy.folder / "cells" / "tiny").glob("*.json"):
        copy.edit(worsen, path)
    copy.set("sha256", "1" * 64)
    found = copy.form_findings(others=others)
    cell = "cells/tiny/cold-f0.05-s1.json"
    assert f"{cell}: has the numbers of {cell} of the entry 'sway'" in found


def test_copy_of_a_seed(forged: Forger) -> None:
    """Seed 0 once more as seed 1, which is tested on other clips."""
    source = forged.cell.with_name("cold-f0.05-s0.json")
    kept = json.loads(source.read_text())
    forged.edit(lambda r: r.update(metrics=kept["metrics"]))
    assert "has the numbers of cold-f0.05-s0, which was tested on other clips" in forged.form_findings()


def test_a_trajectory_of_another_seed(forged: Forger) -> None:
    """Another seed is another fold: seed 0's motion is far from the test clips of seed 1, so it earns nothing."""
    before = json.loads(forged.cell.read_text())["metrics"]["reconstruction_error"]["value"]
    source = forged.members()["tiny/cold-f0.05-s0.npz"]
    with np.load(io.BytesIO(source)) as arrays:
        known = Trajectory(arrays["root_positions"], arrays["rotations"])

    def copy(grader: FoldGrader) -> Trajectory:
        """As many clips as this fold has."""
        pick = np.arange(len(grader.exam.truth)) % known.root_positions.shape[1]
        return Trajectory(known.root_positions[:, pick], known.rotations[:, pick])

    forged.replace_trajectory(copy)
    after = json.loads(forged.cell.read_text())["metrics"]["reconstruction_error"]["value"]
    assert after > before


def _with_rows(folder: Path, rows: dict[tuple[str, float], float]) -> Path:
    names = ("reconstruction_error", "foot_sliding", "objective_error")
    cells = {
        ("biped2quad", *row, seed): {name: value * (1 + 0.1 * seed + 0.01 * k) for k, name in enumerate(names)}
        for row, value in rows.items()
        for seed in range(3)
    }
    return write_entry(folder, "x", cells)


def test_a_row_of_more_data_is_handed_in_as_one_of_less(tmp_path: Path) -> None:
    rows = {("cold", 0.05): 3.0, ("cold", 1.0): 1.0, ("finetune", 0.05): 1.0}
    findings, notes = check_copies_within(load_entry(_with_rows(tmp_path, rows)))
    what = "has the numbers of cold-f1-s{}, another regime and fraction"
    assert [finding.what for finding in findings] == [what.format(seed) for seed in range(3)]
    assert notes == []


def test_what_an_honest_model_may_do_is_noted(tmp_path: Path) -> None:
    """One that learns nothing from its source."""
    rows = {("cold", 0.05): 3.0, ("finetune", 0.05): 3.0, ("cold", 1.0): 1.0}
    findings, notes = check_copies_within(load_entry(_with_rows(tmp_path, rows)))
    assert findings == []
    assert len(notes) == 3
    assert "finetune-f0.05-s0.json has the numbers of cold-f0.05-s0" in notes[0]


def test_copy_of_the_truth(forged: Forger) -> None:
    forged.replace_trajectory(lambda grader: grader.truth)
    assert "clips are the truth itself, half a second of it or more" in forged.findings()


# ---- what forgers do to the truth ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fold(tiny_task: Path) -> FoldGrader:
    return Grader.of(load_task(tiny_task)).on(1)


def _turn(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) as quaternions."""
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), vectors / np.maximum(angle, 1e-9) * np.sin(angle / 2)], -1)


def _at(truth: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Rotations (N, T, J, 4) at places between frames."""
    place = np.clip(frames, 0, truth.shape[1] - 1)
    low = np.floor(place).astype(int)
    high, share = np.minimum(low + 1, truth.shape[1] - 1), (place - low)[:, None, None]
    return quat.normalize((1 - share) * truth[:, low] + share * truth[:, high])


def _wobble(truth: np.ndarray, size: float, hertz: float) -> np.ndarray:
    rng, (clips, frames, joints, _) = np.random.default_rng(0), truth.shape
    rate, phase = rng.uniform(0.1, hertz, (clips, 1, joints, 3)), rng.uniform(0, 6.28, (clips, 1, joints, 3))
    return _turn(size * np.sin(2 * np.pi * rate * np.arange(frames)[:, None, None] / 30 + phase))


def _mix(truth: np.ndarray, held: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """`share` of the truth, the rest of the last pose before it, held."""
    held = np.where((truth * held).sum(-1, keepdims=True) < 0, -held, held)
    weight = np.broadcast_to(share, truth.shape[1:2])[:, None, None]
    return quat.normalize(weight * truth + (1 - weight) * held)


def _forged(fold: FoldGrader, kind: str, size: float) -> np.ndarray:
    truth, held = quat.continuous(fold.truth.rotations[0], 1), fold.held.rotations[0]
    t = np.arange(truth.shape[1])
    if kind == "smoothed":
        return quat.normalize(gaussian_filter1d(truth, size, 1, mode="nearest"))
    if kind == "noisy":
        return quat.mul(truth, _turn(np.random.default_rng(0).normal(scale=size, size=(*truth.shape[:3], 3))))
    if kind == "wobbling":
        return quat.mul(truth, _wobble(truth, size, 0.5))
    if kind == "wobbling under its parent":
        return quat.mul(_wobble(truth, size, 0.5), truth)
    if kind == "mixed":
        return _mix(truth, held, size)
    if kind == "ramped":
        return _mix(truth, held, 1 - size * t / len(t))
    if kind == "warped":
        return _at(truth, size * t)
    if kind == "waved":
        return _at(truth, t + size * np.sin(t / 15))
    if kind == "shifted":
        return _at(truth, t + size)
    assert kind == "cut off"
    return np.where((t < size * len(t))[:, None, None], held, truth)


def _kinds(fold: FoldGrader, rotations: np.ndarray) -> list[str]:
    """What `verify` says of motion."""
    motion = Trajectory(fold.truth.root_positions, rotations[None].astype(np.float32))
    return [what for _, what in copied_clips(fold, motion).found()]


FAMILIES = [
    ("mixed", 0.95), ("mixed", 0.6), ("ramped", 0.7), ("ramped", 0.4), ("shifted", -2), ("shifted", 3), ("shifted", 6),
    ("shifted", -10), ("warped", 0.95), ("warped", 1.07), ("waved", 4), ("smoothed", 2), ("smoothed", 4),
    ("smoothed", 8), ("wobbling", 0.05), ("wobbling", 0.15), ("wobbling under its parent", 0.1), ("noisy", 0.005),
    ("noisy", 0.05), ("cut off", 0.4),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "size"), FAMILIES)
def test_copies_of_the_truth(fold: FoldGrader, kind: str, size: float) -> None:
    """Frames, radians and shares."""
    assert _kinds(fold, _forged(fold, kind, size))


def test_one_clip_of_the_truth_is_enough(fold: FoldGrader) -> None:
    """Among clips that sway far from it."""
    truth, held = fold.truth.rotations[0], fold.held.rotations[0]
    swaying = quat.mul(held, _wobble(truth, 0.4, 2.0))
    assert _kinds(fold, swaying) == []
    spliced = np.where((np.arange(len(truth)) == 4)[:, None, None, None], truth, swaying)
    assert _kinds(fold, spliced) == ["the truth itself, half a second of it or more"]


def test_honest_motion_is_no_copy(fold: FoldGrader) -> None:
    """A held pose, of whose error nothing is left once the held pose is taken away; and the motion of other clips."""
    truth, held = fold.truth.rotations[0], fold.held.rotations[0]
    assert _kinds(fold, held) == []
    assert _kinds(fold, quat.mul(held, _wobble(truth, 0.2, 0.5))) == []
    assert _kinds(fold, np.roll(truth, 1, 0)) == []


def test_a_pose_that_hardly_moves_is_no_copy(fold: FoldGrader) -> None:
    """A regression that knows no phase gives the mean pose: the truth smoothed over whole strides, slowly off."""
    truth = quat.continuous(fold.truth.rotations[0], 1)
    mean = quat.normalize(gaussian_filter1d(truth, 25, 1, mode="nearest"))
    still = quat.mul(mean, _wobble(truth, 0.2, 0.3))
    assert np.isinf(fold.forger.left(still.astype(np.float32)).slow).mean() > 0.5  # the fit says nothing of them
    assert _kinds(fold, still) == []


@pytest.mark.parametrize("hertz", [1.5, 3.0])
def test_what_remains_possible(fold: FoldGrader, hertz: float) -> None:
    """docs/develop/attacks.md says so: turns of the joints as fast as the motion itself."""
    truth = quat.continuous(fold.truth.rotations[0], 1)
    assert _kinds(fold, quat.mul(truth, _wobble(truth, 0.15, hertz))) == []


def test_better_than_the_truth_allows(forged: Forger) -> None:
    """In the numbers alone, as where nobody has the recordings."""

    def improve(result: dict[str, Any]) -> None:
        result["metrics"]["reconstruction_error_height"]["value"] = 0.05

    forged.edit(improve)
    assert "0.05 % of the rig's height is better than the truth allows" in forged.form_findings()
