"""No number moves unless the version of its piece does; every piece has a version and golden values.

Golden values are computed from small fixed inputs (`inputs.py`) and kept in `golden.json`. Training is pinned by runs
of 20 updates: losses and ten weights within a thousandth; everything else within 1e-5, counts and names exactly.
"""

from __future__ import annotations

import ast
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden import check, metrics, update
from golden.check import Golden
from golden.pieces import Piece, pieces
from golden.values import Value, close, differences
from helpers.places import ROOT

from rae_bench.baselines.catalogue import parts
from rae_bench.baselines.cores import rtn
from rae_bench.data import generators
from rae_bench.harness.versions import engine_versions, generator_versions, metric_versions, model_versions
from rae_bench.metrics import METRICS, evaluation
from rae_bench.metrics.base import Sums
from rae_bench.model import step


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden()


@pytest.mark.parametrize("name", pieces())
def test_no_number_moves_unless_its_version_does(name: str, golden: Golden) -> None:
    complaint = golden.complaint(name)
    assert not complaint, complaint


# Completeness: what makes numbers has a version, and what has a version is pinned.


def test_golden_values_belong_to_pieces_and_say_something(golden: Golden) -> None:
    gone = golden.recorded.keys() - golden.pieces.keys()
    assert not gone, f"golden.json has {gone}, which are no pieces any more: run {check.UPDATE}"
    for name, one in golden.recorded.items():
        assert any(number for numbers in one["values"].values() for number in numbers), f"{name}: all values are 0"


def test_every_version_constant_belongs_to_a_piece() -> None:
    pinned = {piece.where for piece in pieces().values()}
    for file in [*ROOT.glob("rae_bench/**/*.py"), *ROOT.glob("baselines/**/*.py")]:
        for constant in re.findall(r"^((?:[A-Z_]+_)?VERSION) = \d+$", file.read_text(encoding="utf-8"), re.MULTILINE):
            if file.name == "benchmark.py":  # of the whole protocol, not of a piece of code
                continue
            where = f"{constant} in {file.relative_to(ROOT).as_posix()}"
            assert where in pinned, f"{where}: no golden values pin it; add a piece to tests/golden/pieces.py"


def test_every_metric_part_generator_and_stage_is_a_piece() -> None:
    known = pieces()
    for names in (engine_versions(), generator_versions(), metric_versions(), parts("codecs"), parts("cores")):
        assert set(names) <= set(known)
    folders = {module.name for module in pkgutil.iter_modules(generators.__path__) if module.ispkg}
    assert folders == {"locomotion", "reach"}, "a new generator needs a version in rae_bench/harness/versions.py"
    assert known["mann"].where == '"version" in ABOUT of baselines/cores/mann.py'
    assert known["nearest"].where == "version in the card of nearest in baselines/controls.py"
    assert known["l2q"].where == "version in the MetricInfo of l2q in rae_bench/metrics/l2.py"


def test_versions_of_models() -> None:
    assert model_versions("fe") == {"fe": 1, "omg-moe": 1, "pair": 4}
    assert model_versions("fc-rbf-in+rtn") == {"fc": 2, "rtn": 3, "pair": 4}
    assert model_versions("mann") == {"raw": 1, "mann": 1, "pair": 4}
    assert model_versions("anyrig") == {"anyrig": 4}
    assert model_versions("hold") == {"hold": 1}
    assert model_versions("tests/my_model.py:MyModel") == {}  # a plug-in


def test_versions_are_read_without_heavy_imports() -> None:
    code = (
        "import sys\n"
        "import rae_bench.kinematics, rae_bench.motion, rae_bench.data.importing, rae_bench.objectives\n"
        "import rae_bench.data.generators.locomotion, rae_bench.data.generators.reach\n"
        "import rae_bench.model, rae_bench.task\n"
        "from rae_bench.baselines.catalogue import PAIR_VERSION\n"
        "assert not {'numpy', 'torch'} & set(sys.modules)\n"
        "from rae_bench.harness import versions\n"
        "versions.engine_versions(), versions.generator_versions(), versions.metric_versions()\n"
        "[versions.model_versions(name) for name in ('fe', 'anyrig', 'hold')]\n"
        "bad = {'torch', 'pandas', 'scipy'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# The check can fail: formulas are changed, and it says which piece it was.


@pytest.fixture
def fresh_metrics() -> Iterator[None]:
    yield
    metrics.measured.cache_clear()


def test_a_metric_that_moves_by_a_thousandth_is_named(
    monkeypatch: pytest.MonkeyPatch, fresh_metrics: None
) -> None:
    info = METRICS["foot_sliding"]
    assert info.measure is not None
    measure = info.measure

    def off(*given: Any) -> Sums:
        sums = measure(*given)
        return replace(sums, totals=1.001 * sums.totals)

    monkeypatch.setattr(evaluation, "METRICS", {**METRICS, "foot_sliding": replace(info, measure=off)})
    metrics.measured.cache_clear()
    complaint = Golden().complaint("foot_sliding")
    assert complaint.startswith("foot_sliding: its numbers moved, and its version is still 1\n  clips: [0] ")
    assert "\nRaise version in the MetricInfo of foot_sliding in rae_bench/metrics/feet.py and run " in complaint
    assert "python tests/golden/update.py foot_sliding: results of older versions become stale" in complaint
    assert Golden().complaint("skate") == ""


@pytest.mark.parametrize("name", METRICS)
def test_a_thousandth_is_seen_in_every_metric(name: str, golden: Golden) -> None:
    value = golden.values(name)["value"]
    assert differences(golden.recorded[name]["values"]["value"], value) == []
    off = Value([None if number is None else 1.001 * number for number in value.numbers], value.tolerance)
    assert differences(golden.recorded[name]["values"]["value"], off)


def test_a_core_with_another_activation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtn, "plu", lambda x: torch.maximum(0.1 * x, torch.minimum(0.2 * x + 0.8, x)))
    complaint = Golden().complaint("rtn")
    assert complaint.startswith("rtn: its numbers moved, and its version is still 3\n  raw+rtn ")
    assert 'Raise "version" in ABOUT of baselines/cores/rtn.py and run' in complaint
    assert Golden().complaint("mann") == ""


def test_another_scale_of_the_control_is_of_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "SCALES", 1.01 * step.SCALES)
    golden = Golden()
    said = "features: its numbers moved, and its version is still 2\n  control:"
    assert golden.complaint("features").startswith(said)
    # What rests on it moves with it, and is not to blame.
    assert golden.complaint("mann").startswith("mann: its numbers moved because those of features did")
    assert golden.complaint("objectives") == ""


# Raising and updating, with pieces made up here.


def made_up(low: float = 1.0, high: float = 2.0, versions: tuple[int, int] = (1, 1)) -> dict[str, Piece]:
    """A piece, and one that rests on it and has its number too."""
    return {
        "low": Piece(versions[0], "VERSION in low.py", (), lambda: {"x": close([low])}),
        "high": Piece(versions[1], "VERSION in high.py", ("low",), lambda: {"x": close([low]), "y": close([high])}),
    }


@pytest.fixture
def recorded() -> dict[str, Any]:
    golden = Golden(made_up(), {})
    golden.record(("low", "high"))
    assert not golden.complaint("low")
    assert not golden.complaint("high")
    return golden.recorded


def test_a_piece_without_values_is_told_how_to_get_them() -> None:
    complaint = Golden(made_up(), {}).complaint("high")
    assert complaint == f"high has no golden values yet: run {check.UPDATE} high, and commit tests/golden/golden.json"


def test_numbers_that_move_within_rounding_pass(recorded: dict[str, Any]) -> None:
    assert not Golden(made_up(high=2.00001), recorded).complaint("high")
    assert "y: [0] 2 -> 2.00003" in Golden(made_up(high=2.00003), recorded).complaint("high")


def test_the_lower_piece_is_to_blame(recorded: dict[str, Any]) -> None:
    golden = Golden(made_up(low=1.5), recorded)
    assert golden.complaint("low").endswith("the change is a mistake.")
    assert golden.complaint("high") == (
        "high: its numbers moved because those of low did; see to low first\n  x: [0] 1 -> 1.5"
    )


def test_a_raised_version_asks_for_an_update(recorded: dict[str, Any]) -> None:
    """Of the piece and of what rests on it: else the next change of that would pass for the old one."""
    golden = Golden(made_up(low=1.5, versions=(2, 1)), recorded)
    for name in ("low", "high"):
        told = f"{name}: its golden values are of another version of low: run {check.UPDATE} low"
        assert golden.complaint(name) == told
    golden.record(("low", *golden.above("low")))
    assert not golden.complaint("low")
    assert not golden.complaint("high")
    assert Golden(made_up(low=1.6, versions=(2, 1)), recorded).complaint("low")


@pytest.mark.parametrize(
    ("old", "new", "tolerance", "said"),
    [
        ([1.0, 100.0], [1.0009, 100.0], 1e-5, []),  # as a share of the largest
        ([1.0, 100.0], [1.002, 100.0], 1e-5, ["[0] 1 -> 1.002"]),
        ([1, "a"], [1, "b"], 0, ["[1] a -> b"]),
        ([3], [4], 0, ["[0] 3 -> 4"]),
        ([None, 1.0], [None, 1.0], 1e-5, []),
        ([None], [1.0], 1e-5, ["[0] None -> 1.0"]),
        ([1.0], [float("inf")], 1e-5, ["[0] 1 -> inf"]),
        ([1.0, 2.0], [1.0], 1e-5, ["2 numbers -> 1"]),
    ],
)
def test_differences(old: list[Any], new: list[Any], tolerance: float, said: list[str]) -> None:
    assert differences(old, Value(new, tolerance)) == said


def test_a_changed_entry_of_a_large_array_shows() -> None:
    array = np.random.default_rng(0).standard_normal(5000)
    old = close(array).numbers
    array[1234] += 0.1
    assert differences(old, close(array))


class Updated:
    """`update` with pieces made up here, and a file of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(check, "FILE", file)

    def __call__(self, known: dict[str, Piece], *words: str) -> int:
        self.monkeypatch.setattr(check, "pieces", lambda: known)
        return update.main([*words])


@pytest.fixture
def updated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Updated:
    return Updated(monkeypatch, tmp_path / "golden.json")


def test_update_refuses_numbers_that_moved_alone(updated: Updated, capsys: pytest.CaptureFixture[str]) -> None:
    assert updated(made_up()) == 0
    assert capsys.readouterr().out == "low: version 1, new\nhigh: version 1, new\n"
    before = check.FILE.read_text()
    assert updated(made_up(high=3.0)) == 2
    assert "high: its numbers moved, and its version is still 1\n  y: [0] 2 -> 3" in capsys.readouterr().err
    assert check.FILE.read_text() == before
    assert updated(made_up(high=3.0), "--same-versions", "high") == 0
    assert updated(made_up(high=4.0, versions=(1, 2)), "high") == 0
    assert check.read()["high"] == {"version": 2, "rests_on": {"low": 1}, "values": {"x": [1.0], "y": [4.0]}}
    assert updated(made_up(low=7.0, high=4.0, versions=(2, 2)), "low") == 0
    assert check.read()["high"]["rests_on"] == {"low": 2}
    capsys.readouterr()
    assert updated(made_up(), "lo") == 2
    assert capsys.readouterr().err == "no such piece or option: lo; pieces: low, high\n"


def test_update_of_a_new_piece_takes_it_alone_and_of_all_drops_what_is_gone(updated: Updated) -> None:
    assert updated(made_up(), "low") == 0
    assert list(check.read()) == ["low"]
    assert updated(made_up()) == 0
    assert updated({"low": made_up()["low"]}) == 0
    assert list(check.read()) == ["low"]


def test_the_file_is_as_update_writes_it(golden: Golden, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = check.FILE.read_text(encoding="utf-8")
    monkeypatch.setattr(check, "FILE", tmp_path / "golden.json")
    check.write(golden.recorded)
    assert check.FILE.read_text(encoding="utf-8") == before


def test_docstrings_of_versions_say_what_they_cover() -> None:
    for piece in pieces().values():
        constant, _, file = piece.where.partition(" in ")
        if constant.endswith("VERSION"):
            body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
            at = next(
                n for n, line in enumerate(body)
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == constant
            )  # fmt: skip
            said = ast.literal_eval(body[at + 1].value)  # type: ignore[attr-defined]
            assert said.startswith("Covers ")
            assert "raise it when these numbers move" in " ".join(said.split())


@pytest.mark.slow
def test_edits_of_a_copy(tmp_path: Path) -> None:
    """Comments and docstrings of every file move nothing; a formula does, until its version is raised and taken."""
    for name in ("rae_bench", "baselines", "tasks", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("baselines", "tasks"):
        (tmp_path / "rae_bench" / name).symlink_to(tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file in [*tmp_path.glob("rae_bench/**/*.py"), *tmp_path.glob("baselines/**/*.py")]:
        source = file.read_text(encoding="utf-8")
        assert source.startswith('"""')
        file.write_text(f'"""Edited. {source[3:]}\n# A comment.\n', encoding="utf-8")

    def run(*command: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def edit(old: str, new: str) -> None:
        file = tmp_path / "rae_bench/metrics/feet.py"
        source = file.read_text(encoding="utf-8")
        assert source.count(old) == 1
        file.write_text(source.replace(old, new), encoding="utf-8")

    test = "tests/golden/test_golden.py::test_no_number_moves_unless_its_version_does"
    code, said = run("-m", "pytest", test)
    assert code == 0, said
    edit("Sums.over(CENTIMETRES * horizontal_speed(generated)", "Sums.over(99.9 * horizontal_speed(generated)")
    code, said = run("-m", "pytest", test, "-k", "feet or foot or skate or speed")
    assert code == 1
    assert "1 failed" in said
    assert "AssertionError: foot_sliding: its numbers moved, and its version is still 1" in said
    code, said = run(*check.UPDATE.split()[1:], "foot_sliding")
    assert code == 2
    edit("measure=foot_sliding,\n    )", "measure=foot_sliding,\n        version=2,\n    )")
    code, said = run("-m", "pytest", test, "-k", "foot_sliding")
    assert "its golden values are of another version of foot_sliding: run python tests/golden/update.py" in said
    assert run(*check.UPDATE.split()[1:], "foot_sliding") == (0, "foot_sliding: version 2, 2 values moved\n")
    code, said = run("-m", "pytest", test, "-k", "foot_sliding")
    assert code == 0, said
