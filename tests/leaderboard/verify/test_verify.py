"""What `verify` rejects, each on a copy of an entry that passes: the forgery alone makes the difference."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.forger import Forger, npz
from helpers.made_entries import write_entry, write_reproduced

from rae_bench.kinematics import quat
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.level import Again
from rae_bench.leaderboard.verify.budgets import check_cost
from rae_bench.leaderboard.verify.grading import FoldGrader
from rae_bench.leaderboard.verify.plausibility import check_required
from rae_bench.leaderboard.verify.verifier import record, verify
from rae_bench.model.api import Trajectory
from rae_bench.task.named import load_task


def test_an_honest_entry_passes(forged: Forger) -> None:
    report = forged.verify()
    assert report.findings == []
    assert report.levels == {"tiny": "rescored"}


def _scale(result: dict[str, Any], name: str, factor: float) -> None:
    result["metrics"][name]["value"] *= factor


def test_edited_metric(forged: Forger) -> None:
    forged.edit(lambda r: _scale(r, "reconstruction_error", 0.99))
    assert "cold-f0.05-s1.json: reconstruction_error: says" in forged.findings()


def test_edited_other_metrics(forged: Forger) -> None:
    names = {"adversarial_score", "foot_sliding", "objective_error"}
    forged.edit(lambda r: [_scale(r, name, 0.9) for name in names])
    findings = forged.verify().findings
    assert {finding.where.split(": ")[1] for finding in findings} == names
    assert all(finding.what.startswith("says") and finding.mend for finding in findings)


def test_edited_clip(forged: Forger) -> None:
    path = forged.cell.with_suffix(".csv")
    lines = path.read_text().splitlines()
    words = lines[1].split(",")
    words[3] = f"{float(words[3]) * 0.8:.6g}"
    path.write_text("\n".join([lines[0], ",".join(words), *lines[2:]]) + "\n")
    assert "cold-f0.05-s1.csv: reconstruction_error: clip" in forged.findings()


@pytest.mark.parametrize(
    ("text", "what"),
    [("clip,group,action\na,g,walk\n", "has no column reconstruction_error"), ("x" * 200_000, "not a table of clips")],
)
def test_a_table_is_read_without_trajectories_too(forged: Forger, text: str, what: str) -> None:
    forged.cell.with_suffix(".csv").write_text(text)
    assert f"cold-f0.05-s1.csv: {what}" in forged.form_findings()


def test_a_name_in_other_capitals(forged: Forger, tmp_path: Path) -> None:
    """Half of all file systems hold one of the two."""
    forged.copy(tmp_path / "more", "Sway").set("name", "Sway")
    assert "name: differs from that of the entry 'Sway'" in forged.form_findings(others=tmp_path / "more" / "entries")


def test_edited_trajectory(forged: Forger) -> None:
    """Made a little better, with the right hash: its metrics are no longer those of the results."""
    arrays = forged.arrays()
    arrays["root_positions"] = arrays["root_positions"] + np.float32(0.01)
    forged.replace_member(npz(**arrays))
    assert "cold-f0.05-s1.json: world_position_error: says" in forged.findings()


def test_edited_file(forged: Forger) -> None:
    data = bytearray(forged.packed.read_bytes())
    data[len(data) // 2] ^= 1
    forged.packed.write_bytes(data)
    assert "packed.zip: is not the entry's file" in forged.findings()


def test_wrong_split_hash(forged: Forger) -> None:
    forged.edit(lambda r: r["identity"].update(split="0" * 64))
    (finding,) = forged.verify().findings
    assert str(finding).startswith("cells/tiny/cold-f0.05-s1.json: its split hash is not that of task tiny; run")


def test_other_wrong_hashes(forged: Forger) -> None:
    parts = ("metrics", "task", "data")
    forged.edit(lambda r: r["identity"].update(dict.fromkeys(parts, "0" * 64)))
    findings = forged.verify().findings
    assert len(findings) == 3
    assert all(part in finding.what for part, finding in zip(parts, findings, strict=True))


def test_missing_seed(forged: Forger) -> None:
    for ending in (".json", ".csv"):
        forged.cell.with_suffix(ending).unlink()
    findings = forged.form_findings()
    assert "tiny cold 5 % seed 1: is missing" in findings
    assert "has the seeds [0, 2]; seeds are prescribed" in findings
    assert f"{forged.member}: is no finished cell of the entry" in forged.findings()


def test_nan(forged: Forger) -> None:
    arrays = forged.arrays()
    arrays["root_positions"][0, 1, 7] = np.nan
    forged.replace_member(npz(**arrays))
    assert "root position of clip 1, frame 7 is not finite" in forged.findings()


def test_null_metric(forged: Forger) -> None:
    forged.edit(lambda r: r["metrics"]["foot_sliding"].update(value=None))
    assert "foot_sliding: is not finite" in forged.form_findings()


@pytest.mark.parametrize("factor", [0.5, np.nan, np.inf, 1e30])
def test_no_rotations(forged: Forger, factor: float) -> None:
    arrays = forged.arrays()
    arrays["rotations"][0, 0, 3, 2] *= factor
    forged.replace_member(npz(**arrays))
    assert "clip 0, frame 3, joint 2: no unit quaternion" in forged.findings()


def test_object_array(forged: Forger) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return print, ("unpickled",)

    file = io.BytesIO()
    np.savez(file, **forged.arrays() | {"fps": np.array(Bomb(), dtype=object)})
    forged.replace_member(file.getvalue())
    assert "holds Python objects (a pickle)" in forged.findings()


def test_zip_bomb_of_arrays(forged: Forger) -> None:
    """A quarter of a gigabyte of zeros in a quarter of a megabyte: its header says so, and nothing is unpacked."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**26,)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        with packed.open("root_positions.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(16):
                member.write(bytes(2**24))
        for name, array in forged.arrays().items():
            if name != "root_positions":
                with packed.open(f"{name}.npy", "w") as member:
                    np.save(member, array)
    limit_before = _peak()
    forged.replace_member(file.getvalue())
    findings = forged.findings()
    assert "is larger than its clips can be" in findings or "root_positions has shape" in findings
    assert _peak() - limit_before < 150


def _peak() -> float:
    """MB that the process has used at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_zip_bomb_of_the_file(forged: Forger) -> None:
    with zipfile.ZipFile(forged.packed, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(forged.member, bytes(2**24))
    forged.seal()
    assert "is packed or encrypted; files are stored as they are" in forged.findings()


def test_path_that_climbs(forged: Forger) -> None:
    forged.repack(forged.members() | {"../../escaped.npz": b""})
    assert "../../escaped.npz: is no finished cell of the entry" in forged.findings()
    assert not (forged.packed.parents[1] / "escaped.npz").exists()


def test_path_that_climbs_in_a_result(forged: Forger) -> None:
    forged.edit(lambda r: r.update(task="../../../tmp"))
    assert "holds the result of cells/../../../tmp" in forged.findings()


def test_symlink(forged: Forger) -> None:
    forged.cell.with_suffix(".csv").unlink()
    forged.cell.with_suffix(".csv").symlink_to("/etc/passwd")
    assert "cold-f0.05-s1.csv: is a symbolic link" in forged.findings()


def test_symlink_in_the_file(forged: Forger) -> None:
    members = forged.members()
    with zipfile.ZipFile(forged.packed, "w") as packed:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == forged.member else 0o644) << 16
            packed.writestr(info, data)
    forged.seal()
    assert f"{forged.member}: is no regular file" in forged.findings()


def test_options_of_another_cell(forged: Forger) -> None:
    forged.edit(lambda r: r.update(options={"width": 4}))
    assert "cold-f0.05-s1.json: options: are not those of its config" in forged.form_findings()


def test_a_card_that_the_model_did_not_have(forged: Forger) -> None:
    """What it can do excuses cells, so it is not the author's to write; nor is its access."""
    forged.edit(lambda r: r["card"].update(access="offline", capabilities=["frozen"]))
    found = forged.form_findings()
    assert "entry.toml: card.access: is not what the model said as it ran (offline)" in found
    assert "entry.toml: card.capabilities: is not what the model said as it ran (['frozen'])" in found


def test_costs_of_the_table(forged: Forger, tmp_path: Path) -> None:
    forged.edit(lambda r: r["cost"].update(pretrain_core_seconds=-5, parameters="few"))
    found = forged.form_findings()
    assert "cost.pretrain_core_seconds: is -5" in found
    assert "cost.parameters: is few" in found
    cells = {("biped2quad", "finetune", 0.05, 0): {"reconstruction_error": 1.0}}
    cell = load_entry(write_entry(tmp_path, "x", cells)).cells[0]
    assert "cost.pretrain_core_seconds: is missing" in "\n".join(map(str, check_cost(cell, load_task("biped2quad"))))


def test_a_level_that_nobody_found_is_a_finding(forged: Forger) -> None:
    again = Again("cold-f0.05-s0", 0.0, "2026-01-01", "Linux", "0" * 64)
    write_reproduced(forged.folder, "tiny", [again])
    assert load_entry(forged.folder).level("tiny") == "rescored"  # nothing bears out more
    findings = list(map(str, forged.verify().findings))
    assert findings[0].startswith("level.json: tiny cold-f0.05-s0: says that it was trained again, and reruns has no")
    write_reproduced(forged.folder, "tiny", [])
    (finding,) = forged.verify().findings
    assert str(finding).startswith("level.json: tiny: says reproduced; by what is at hand here it is rescored")
    (finding,) = verify(forged.folder, tasks=[forged.task]).findings
    assert "by what is at hand here it is claimed; verify with its trajectories and --rerun" in str(finding)


def test_a_level_of_recordings_that_are_not_here_stays(forged: Forger) -> None:
    """Whoever lacks a task's data and records what else he verified takes nothing away from it."""
    record(forged.verify(), {})
    report = forged.verify()
    report.levels["tiny"] = "claimed"
    (forged.folder / "level.json").unlink()
    record(report, {})
    assert load_entry(forged.folder).level("tiny") == "rescored"


def test_a_yardstick_that_is_none(sway_results: Path, tiny_task: Path, tmp_path: Path) -> None:
    """Every score is measured by `hold`: whoever hands in another motion under its name would change them all."""
    from helpers.running import do_here, plan_cells

    from rae_bench.leaderboard.submission import gather_cells, make_card, submit_entry

    spec = f"{sway_results.parent}/sway.py:Sway"
    plan = plan_cells(spec, str(tiny_task), regimes=["cold"], fractions=[0.05], budget="full", seeds=5, out=tmp_path)
    p = next(p for p in plan.cells if p.cell.model == "hold")
    do_here(plan, lambda job: job.model == "hold")
    found = gather_cells(p.path.parents[1], model="hold")
    packed = tmp_path / "packed.zip"
    report = submit_entry(found, "hold", make_card(found), out=tmp_path / "entries", packed=packed, tasks=[tiny_task])
    assert report.findings == []

    class Hold(Forger):
        @property
        def cell(self) -> Path:
            return self.folder / "cells" / "tiny" / f"{p.path.stem}.json"

    forger = Hold(tmp_path / "entries" / "hold", packed, tiny_task)

    def turned(grader: FoldGrader) -> Trajectory:
        rotations = grader.held.rotations.copy()
        rotations[0, 0, 5:, 3] = quat.mul(rotations[0, 0, 5:, 3], np.array([0.9998, 0, 0.02, 0], np.float32))
        return Trajectory(grader.held.root_positions, rotations)

    forger.replace_trajectory(turned)
    assert "what this control makes here gives" in forger.findings()


def test_names_of_reference_entries_are_kept(forged: Forger, tmp_path: Path) -> None:
    other = forged.copy(tmp_path / "other", "rtn")
    other.set("name", "rtn")
    assert "'rtn' is kept for the reference entry" in other.form_findings()


def test_costs(forged: Forger) -> None:
    forged.edit(lambda r: r["cost"].update(core_seconds=-1, budget={"updates": 10**6, "frames": 1}, target_frames=1))
    findings = forged.findings()
    assert "cost.core_seconds: is -1" in findings
    assert "cost.budget: is" in findings
    assert "cost: says {'target_segments'" in findings


def test_levels_are_recorded_and_lost_by_an_edit(forged: Forger) -> None:
    record(forged.verify(), {})
    assert load_entry(forged.folder).level("tiny") == "rescored"
    assert forged.findings() == ""
    forged.edit(lambda r: r["cost"].update(core_seconds=0.001, total_core_seconds=0.001))
    assert load_entry(forged.folder).level("tiny") == "claimed"
    assert "level.json: tiny: something was edited after it had been verified" in forged.form_findings()


def test_without_trajectories_it_stays_claimed(forged: Forger) -> None:
    report = verify(forged.folder, tasks=[forged.task])
    assert report.findings == []
    assert report.levels == {"tiny": "claimed"}
    assert "no trajectories at hand" in report.notes[0]


def test_text_of_an_entry_does_nothing_to_a_terminal(forged: Forger) -> None:
    """A column's name with an escape sequence, which no other check looks at; and a folder's beside the entry."""
    path = forged.cell.with_suffix(".csv")
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{head},\x1b[2Jbetter", *(f"{line},1" for line in lines)]) + "\n")
    (forged.folder.parent / "\x1b[2J").mkdir()
    (forged.folder.parent / "\x1b[2J" / "entry.toml").write_text("x")
    report = forged.verify()
    assert "?[2Jbetter: is no metric" in str(report.findings[0])
    assert report.notes[0].startswith("not compared with ?[2J: ")
    assert all(text.isprintable() for text in (*map(str, report.findings), *report.notes))


def test_a_huge_seed_takes_no_memory(tmp_path: Path) -> None:
    """Three million stand for the thousand million that a seed may be."""
    folder = write_entry(tmp_path, "x", {("biped2quad", "cold", 0.05, 3_000_000): {"reconstruction_error": 1.0}})
    tracemalloc.start()
    found = list(check_required(load_entry(folder), load_task("biped2quad")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "has the seeds [3000000]; seeds are prescribed: 0 to 3000000" in str(found[-1])
    assert peak < 16 << 20


def test_header_bomb(forged: Forger) -> None:
    """A header that says it is 64 MiB long, of zeros: numpy would read it before it looks at its length."""
    size = 1 << 26
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr("fps.npy", b"\x93NUMPY\x02\x00" + size.to_bytes(4, "little") + bytes(size))
    forged.replace_member(file.getvalue())
    tracemalloc.start()
    findings = forged.findings()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "array 'fps' is damaged" in findings
    assert peak < size


def test_unknown_task(forged: Forger) -> None:
    (finding,) = verify(forged.folder, forged.packed).findings
    assert str(finding) == "tiny: is no task of this version; name its file with --task"


def test_verify_imports_no_torch(honest: Forger) -> None:
    code = (
        "import sys; from rae_bench.leaderboard.verify.verifier import verify; from pathlib import Path;"
        "r = verify(sys.argv[1], Path(sys.argv[2]), tasks=[sys.argv[3]]); assert not r.findings;"
        "import rae_bench.cli.verify, rae_bench.cli.submit, rae_bench.leaderboard.submission;"
        "print([m for m in ('torch', 'pytorch_lightning', 'ray', 'pandas', 'scipy.stats') if m in sys.modules])"
    )
    words = [sys.executable, "-c", code, honest.folder, honest.packed, honest.task]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_recordings_that_are_not_here_stay_claimed(tmp_path: Path) -> None:
    cells = {("human2dog", "none", 1.0, 0): {"reconstruction_error": 0.0}}
    folder = write_entry(tmp_path, "truth", cells, regime="none", card={"model": "truth"})
    report = verify(folder, data_root=tmp_path)
    assert report.levels == {"human2dog": "claimed"}
    assert "human2dog stays claimed: recordings" in "\n".join(report.notes)
