"""The sample of an entry: chosen by a hash, small, exact enough, and measured by anybody."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers.forger import Forger
from helpers.made_entries import write_reproduced, write_rerun

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.leaderboard.entries import sample
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.entry_files import MAX_SAMPLE, SAMPLE
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.quantised import GRIDS, differences, off_grid, on_grid, summed
from rae_bench.leaderboard.rescore import rescore
from rae_bench.leaderboard.submission import gather_cells, make_card, submit_entry
from rae_bench.leaderboard.verify import sampled
from rae_bench.leaderboard.verify.sampled import Exams, allowances, measured_alone
from rae_bench.leaderboard.verify.verifier import Report, known_tasks, verify
from rae_bench.results.trajectories import load_trajectory
from rae_bench.task.named import load_task


@pytest.fixture(scope="module")
def ranking_task(tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny task, whose file says that it ranks."""
    path = tmp_path_factory.mktemp("ranking") / "tiny.toml"
    path.write_text(tiny_task.read_text(encoding="utf-8") + "\n[ranking]\nfractions = [0.05, 0.2]\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def entry(sway_results: Path, ranking_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Forger:
    place = tmp_path_factory.mktemp("sampled")
    found = gather_cells(sway_results)
    report = submit_entry(
        found, "sway", make_card(found), out=place / "entries", packed=place / "packed.zip", tasks=[ranking_task]
    )
    assert report.findings == []
    return Forger(place / "entries" / "sway", place / "packed.zip", ranking_task)


@pytest.fixture
def forged(entry: Forger, tmp_path: Path) -> Forger:
    return entry.copy(tmp_path)


def _offline(forger: Forger) -> Report:
    return verify(forger.folder, tasks=[forger.task])


def _findings(forger: Forger) -> str:
    return "\n".join(map(str, _offline(forger).findings))


def test_values_on_a_grid_come_back_exactly() -> None:
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.integers(-(1 << 20), 1 << 20, (50, 4, 3)), 0)
    values[0] = [[(1 << 30) - 1, -(1 << 30) + 1, 0]] * 4
    assert np.array_equal(summed(differences(values), values.shape), values)


def test_a_grid_is_as_fine_as_it_says() -> None:
    rng = np.random.default_rng(1)
    roots = rng.normal(0, 3, (20, 3)).astype(np.float32)
    rotations = quat.normalize(rng.normal(size=(20, 5, 4))).astype(np.float32)
    for bits in GRIDS[:-1]:
        found_roots, found = off_grid(on_grid(roots, rotations, bits))
        assert np.abs(found_roots - roots).max() <= 0.6 * 2.0**-bits + 1e-6
        nearer = np.sign(np.sum(found * rotations, -1, keepdims=True)) * found
        assert np.abs(nearer - rotations).max() <= 2 * 2.0**-bits
    assert on_grid(roots * 1e4, rotations, 24).bits < 24  # 30 km away there are fewer


def test_the_sample_holds_clips_of_every_ranked_cell_and_of_no_other(entry: Forger) -> None:
    found = load_entry(entry.folder)
    order = sample.choose_clips(found, known_tasks([entry.task]))
    cells = [c for c in found.cells if c.regime == "cold" and c.fraction < 1]
    # Two clips of seed 0 come first, the same at both fractions; then one of every cell.
    first = order[: 2 * sum(c.seed == 0 for c in cells)]
    assert {chosen.cell.seed for chosen in first} == {0}
    assert len({chosen.cell.clips.clips[chosen.clip] for chosen in first}) == 2
    assert {chosen.cell.where for chosen in order[len(first) : len(first) + len(cells)]} == {c.where for c in cells}
    assert sample.least_clips(order) <= len(first) + len(cells)
    assert len({(chosen.cell.where, chosen.clip) for chosen in order}) == len(order) == sum(
        len(c.clips.clips) for c in cells
    )
    held = len(sample.read_sample(entry.folder))
    assert held == len(order)  # so few clips fit whole
    assert (entry.folder / SAMPLE).stat().st_size < MAX_SAMPLE
    assert sample.choose_clips(found, known_tasks([])) == []  # no task of the package
    again = sample.choose_clips(load_entry(entry.folder), known_tasks([entry.task]))
    assert [(c.cell.where, c.clip) for c in again] == [(c.cell.where, c.clip) for c in order]


def test_an_entry_is_rescored_on_its_sample_offline(
    entry: Forger, capsys: pytest.CaptureFixture[str]
) -> None:
    report = _offline(entry)
    assert report.findings == []
    clips, total = report.clips["tiny"]
    assert 0 < clips < total
    assert report.levels == {"tiny": "rescored"}
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(entry.folder), "--task", str(entry.task)])
    assert ended.value.code == 0
    assert f"sway: tiny rescored on {clips} of {total} clips\n" in capsys.readouterr().out
    whole = verify(entry.folder, entry.packed, tasks=[entry.task])
    assert whole.findings == []
    assert whole.clips == {"tiny": (total, total)}


def test_the_grid_changes_no_metric_by_a_tenth_of_its_interval(entry: Forger, sway_results: Path) -> None:
    """On every clip that no finer grid than single precision's had to be taken for."""
    found = load_entry(entry.folder)
    exams = Exams.of(load_task(entry.task), None)
    (folder,) = sway_results.glob("*/tiny")
    bits: Counter[int] = Counter()
    for chosen, clip in zip(
        sample.choose_clips(found, known_tasks([entry.task])), sample.read_sample(entry.folder), strict=False
    ):
        exam = exams.on(chosen.cell.seed)
        trajectory = load_trajectory(folder / f"{chosen.cell.name}.npz")
        frames = int(exam.truth.lengths[chosen.clip])
        roots, turns = trajectory.root_positions[0, chosen.clip, :frames], trajectory.rotations[0, chosen.clip, :frames]
        exact = measured_alone(exam, chosen.clip, roots, turns)
        values = measured_alone(exam, chosen.clip, *off_grid(clip))
        allowed = allowances(chosen.cell.clips)
        bits[clip.bits] += 1
        if clip.bits < GRIDS[-1]:
            off = {name: abs(values[name] - exact[name]) for name in exact if np.isfinite(exact[name])}
            assert all(off[name] <= allowed[name] for name in off)
    assert bits[GRIDS[-1]] < sum(bits.values())


def test_a_table_that_was_edited_does_not_fit_the_sample(forged: Forger) -> None:
    """All rows of a metric by half: whichever clips the new hash chooses, they are others, or tell."""
    path = forged.cell.with_suffix(".csv")
    head, *rows = path.read_text().splitlines()
    column = head.split(",").index("reconstruction_error")
    cells = [row.split(",") for row in rows]
    for cell in cells:
        cell[column] = f"{float(cell[column]) / 2:.6g}"
    path.write_text("\n".join([head, *map(",".join, cells)]) + "\n")
    assert SAMPLE in _findings(forged)


def test_a_result_that_is_no_mean_of_its_table(forged: Forger) -> None:
    """The sample is made anew for the numbers as they are; the table and the result disagree."""
    forged.edit(lambda result: result["metrics"]["reconstruction_error"].update(value=0.9))
    order = sample.choose_clips(load_entry(forged.folder), known_tasks([forged.task]))
    exams = Exams.of(load_task(forged.task), None)
    from rae_bench.leaderboard.entries.packing import member, open_pack

    with open_pack(load_entry(forged.folder), forged.packed) as pack:
        made = []
        for chosen in order:
            exam = exams.on(chosen.cell.seed)
            trajectory, frames = pack.read(member(chosen.cell), exam.truth), int(exam.truth.lengths[chosen.clip])
            arrays = trajectory.root_positions[0, chosen.clip, :frames], trajectory.rotations[0, chosen.clip, :frames]
            made.append(on_grid(*arrays, 24))
    sample.write_sample(forged.folder, made)
    assert "says 0.9; the mean over the clips of its table is" in _findings(forged)


def test_a_sample_is_there_and_whole(forged: Forger) -> None:
    clips = sample.read_sample(forged.folder)
    cells = sample.least_clips(sample.choose_clips(load_entry(forged.folder), known_tasks([forged.task])))
    sample.write_sample(forged.folder, clips[: cells - 1])
    assert f"holds {cells - 1} clips; one of every ranked cell needs {cells}" in _findings(forged)
    sample.write_sample(forged.folder, clips[:cells])
    assert _findings(forged) == ""
    sample.write_sample(forged.folder, [*clips[1:cells], clips[0]])
    assert "the table says" in _findings(forged)
    (forged.folder / SAMPLE).unlink()
    assert "sample.npz: is missing" in _findings(forged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": np.array([14, 14], np.uint8)}, "holds not 1 to 400 clips"),
        ({"bits": np.array([14.0])}, "bits has shape"), ({"bits": np.array([0], np.uint8)}, "frames, joints or bits"),
        ({"bits": np.array([25], np.uint8)}, "frames, joints or bits"),
        ({"frames": np.array([-1], np.int32)}, "frames, joints or bits"),
        ({"frames": np.array([1 << 30], np.int32)}, "frames, joints or bits"),
        ({"joints": np.array([3], np.int32)}, "does not hold as many numbers"),
        ({"largest": np.full(20, 9, np.uint8)}, "holds no rotations"),
        ({"turns": np.full((4, 60), 255, np.uint8)}, "holds no rotations"),
        ({"turns": np.zeros((4, 60), np.uint64)}, "not bytes"), ({"more": np.zeros(3)}, "holds the arrays"),
        ({"turns": np.array([["{}"]], object)}, "pickle"), ({"roots": np.zeros((4, 1 << 25), np.uint8)}, "has shape"),
    ],
)
def test_hostile_samples_are_refused(forged: Forger, change: dict[str, np.ndarray], message: str) -> None:
    good = {
        "bits": np.array([14], np.uint8), "frames": np.array([10], np.int32), "joints": np.array([2], np.int32),
        "roots": np.zeros((4, 30), np.uint8), "turns": np.zeros((4, 60), np.uint8), "largest": np.zeros(20, np.uint8),
    }  # fmt: skip
    file = io.BytesIO()
    np.savez_compressed(file, **good)
    (forged.folder / SAMPLE).write_bytes(file.getvalue())
    assert len(sample.read_sample(forged.folder)) == 1
    file = io.BytesIO()
    np.savez_compressed(file, **good | change)
    (forged.folder / SAMPLE).write_bytes(file.getvalue())
    with pytest.raises(Refused, match=message):
        sample.read_sample(forged.folder)


def test_samples_of_all_entries_have_room_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sample.room_for("a", tmp_path) == MAX_SAMPLE
    for name, size in (("a", 900), ("b", 700)):
        (tmp_path / name).mkdir()
        (tmp_path / name / SAMPLE).write_bytes(b"0" * size)
    monkeypatch.setattr(sample, "MAX_ALL", MAX_SAMPLE // 2)
    assert sample.room_for("a", tmp_path) == MAX_SAMPLE // 2 - 700
    monkeypatch.setattr(sample, "MAX_ALL", 1000)
    with pytest.raises(UserError, match="ask the maintainers"):
        sample.room_for("a", tmp_path)


def test_a_sample_keeps_to_its_room(entry: Forger) -> None:
    clips = sample.read_sample(entry.folder)
    room = sum(map(sample.as_bytes, clips)) // 2
    kept = sample.fit(iter(clips), room)
    assert 0 < len(kept) < len(clips)
    assert len(sample._packed(kept)) <= room


def test_whoever_wants_other_clips_pays_for_every_try(forged: Forger) -> None:
    """One digit of one cost changes the choice in all cells at once."""
    tasks = known_tasks([forged.task])
    before = [(c.cell.where, c.clip) for c in sample.choose_clips(load_entry(forged.folder), tasks)]
    forged.edit(lambda result: result["cost"].update(core_seconds=1.2345))
    after = [(c.cell.where, c.clip) for c in sample.choose_clips(load_entry(forged.folder), tasks)]
    assert sorted(before) == sorted(after)
    assert before != after
    assert sample.SLOW["n"] * sample.SLOW["r"] * 128 >= 1 << 25  # 32 MiB of memory for each


def test_a_task_that_does_not_rank_has_no_sample(honest: Forger, tmp_path: Path) -> None:
    assert not (honest.folder / SAMPLE).exists()
    copy = honest.copy(tmp_path)
    (copy.folder / SAMPLE).write_bytes(b"x")
    assert "no cell of the entry ranks" in copy.form_findings()


def test_rescoring_makes_the_sample_anew(forged: Forger) -> None:
    """A number of the entry moves; twice gives the same bytes, and nothing is written the second time."""
    before = (forged.folder / SAMPLE).read_bytes()
    forged.edit(lambda result: result["metrics"]["jerk_ratio"].update(value=99.0))
    rescore(forged.folder, forged.packed, tasks=[forged.task])
    after = (forged.folder / SAMPLE).read_bytes()
    assert after != before
    assert _findings(forged) == ""
    written = (forged.folder / SAMPLE).stat().st_mtime_ns
    rescore(forged.folder, forged.packed, tasks=[forged.task])
    assert (forged.folder / SAMPLE).stat().st_mtime_ns == written


@pytest.mark.parametrize("trained", [True, False])
def test_a_level_of_clips_with_several_continuations(
    forged: Forger, monkeypatch: pytest.MonkeyPatch, trained: bool
) -> None:
    """One continuation cannot give the mean over all, so only a kept training bears a level out."""
    again = [write_rerun(forged.folder, "tiny", "cold-f0.05-s0")] if trained else []
    write_reproduced(forged.folder, "tiny", again)
    monkeypatch.setattr(sampled, "has_several_samples", lambda table: True)
    report = _offline(forged)
    assert report.levels == {"tiny": "claimed"}
    assert bool(report.findings) != trained
    assert any("no clip could be measured here" in note for note in report.notes) == trained
