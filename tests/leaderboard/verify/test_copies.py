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

from rae_bench.kinematics import quat
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.verify.grading import FoldGrader
from rae_bench.leaderboard.verify.plausibility import check_copies_within
from rae_bench.model.api import Trajectory


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
    assert "clips are the truth, shifted or mixed or not" in forged.findings()


def _mixed(grader: FoldGrader, share: float) -> Trajectory:
    """`share` of the truth, the rest of the last pose before it, held."""
    truth, held = grader.truth, grader.exam.prompt.history.rotations[None, :, -1:]
    held = np.where((truth.rotations * held).sum(-1, keepdims=True) < 0, -held, held)
    return Trajectory(truth.root_positions, quat.normalize(share * truth.rotations + (1 - share) * held))


@pytest.mark.parametrize("share", [0.95, 0.9, 0.6])
def test_the_truth_mixed_with_a_held_pose(forged: Forger, share: float) -> None:
    forged.replace_trajectory(lambda grader: _mixed(grader, share))
    (finding,) = forged.verify().findings
    assert "clips are the truth, shifted or mixed or not" in finding.what


@pytest.mark.parametrize("frames", [-2, 1, 3])
def test_the_truth_some_frames_aside(forged: Forger, frames: int) -> None:
    def moved(grader: FoldGrader) -> Trajectory:
        truth = grader.truth
        last = truth.rotations.shape[2] - 1
        index = np.clip(np.arange(last + 1) + frames, 0, last)
        return Trajectory(truth.root_positions[:, :, index], truth.rotations[:, :, index])

    forged.replace_trajectory(moved)
    (finding,) = forged.verify().findings
    assert "clips are the truth, shifted or mixed or not" in finding.what


def test_a_held_pose_is_no_copy(forged: Forger) -> None:
    """Although nothing of its error is left once the held pose is taken away."""
    forged.replace_trajectory(lambda grader: grader.held)
    assert forged.findings() == ""


def _noisy(grader: FoldGrader, size: float) -> Trajectory:
    truth = grader.truth
    turn = np.random.default_rng(0).normal(scale=size / 2, size=(*truth.rotations.shape[:-1], 3))
    small = quat.normalize(np.concatenate([np.ones_like(turn[..., :1]), turn], -1).astype(np.float32))
    return Trajectory(truth.root_positions, quat.mul(truth.rotations, small))


@pytest.mark.parametrize("size", [0.005, 0.05])
def test_copy_of_the_truth_under_noise(forged: Forger, size: float) -> None:
    """Of 0.3 and 3 degrees in every joint; every number belongs to it, nothing else is wrong."""
    forged.replace_trajectory(lambda grader: _noisy(grader, size))
    (finding,) = forged.verify().findings
    assert "clips are the truth with noise on it" in finding.what


def test_better_than_the_truth_allows(forged: Forger) -> None:
    """In the numbers alone, as where nobody has the recordings."""

    def improve(result: dict[str, Any]) -> None:
        result["metrics"]["reconstruction_error_height"]["value"] = 0.05

    forged.edit(improve)
    assert "0.05 % of the rig's height is better than the truth allows" in forged.form_findings()
