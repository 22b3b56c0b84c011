"""`rae-bench compare` on result folders written by hand: every seed was tested on clips of its own fold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.made_entries import make_entry

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.harness.run import Outcome
from rae_bench.leaderboard.board.make import make_board
from rae_bench.leaderboard.entries.entry import load_entries
from rae_bench.results.clips import write_clips
from rae_bench.results.files import SCHEMA, write_json
from rae_bench.task.cells import cell_name

NOISE = np.random.default_rng(0).normal(0, 0.05, (3, 4))
IDENTITY = {"package": "0.1.0", "task": "t" * 64, "data": "d" * 64, "metrics": "m" * 64}
Call = Callable[[list[str]], tuple[int, str, str]]
WHOLE = ["m-00000000:finetune", "n-00000000:cold"]


def cell(
    root: Path, model: str, regime: str, fraction: float, seed: int, values: np.ndarray, task: str = "biped2quad",
    budget: str = "full", benchmark: int = BENCHMARK_VERSION, **identity: str,
) -> Path:
    folder = task + ("-quick" if budget == "quick" else "")
    path = root / f"{model}-00000000" / folder / f"{cell_name(regime, fraction, seed)}.json"
    metrics = {
        "reconstruction_error": {"value": float(values.mean()), "unit": "cm", "direction": "lower"},
        "adversarial_score": {"value": 0.1 + 0.01 * seed, "unit": "", "direction": "lower"},
    }
    write_json(
        path,
        {
            "schema": SCHEMA, "benchmark": benchmark, "budget": budget,
            "status": "ok", "model": model, "task": task, "regime": regime, "fraction": fraction,
            "seed": seed, "identity": {"config": "0" * 64, **IDENTITY, **identity}, "metrics": metrics, "cost": {},
            "environment": {}, "reason": "",
        },
    )  # fmt: skip
    names = [f"{seed}c{n}" for n in range(len(values))]
    groups = [f"{seed}{group}" for group in "gghi"]
    write_clips(path.with_suffix(".csv"), names, groups, names, {"reconstruction_error": values})
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`m` in three regimes and `n` in one, three times worse; `hold`."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results"
    for seed in range(3):
        for fraction in (0.05, 0.2):
            cell(root, "m", "cold", fraction, seed, np.exp(NOISE[seed]))
            cell(root, "m", "finetune", fraction, seed, np.exp(NOISE[seed][::-1]) / 2)
            cell(root, "n", "cold", fraction, seed, 3 * np.exp(NOISE[seed - 1]))
        cell(root, "hold", "none", 1.0, seed, np.full(4, 5.0))
    return tmp_path


@pytest.fixture
def compare(call: Call) -> Call:
    return lambda arguments: call(["compare", *arguments])


def test_words_and_numbers(place: Path, compare: Call) -> None:
    code, out, err = compare(["m-00000000", "n-00000000"])
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "m-00000000 against n-00000000: reconstruction_error, times better"
    rows = [line.split() for line in lines if line.startswith("biped2quad")]
    assert [row[1:3] for row in rows] == [["cold", "5"], ["cold", "20"], ["cold", "all"]]
    # Both have the same noise, so the mean ratio is exactly 3.
    assert all("3.00" in row for row in rows)
    assert all(row[-1] == "better" for row in rows)
    only = "m-00000000 biped2quad finetune 5 %; m-00000000 biped2quad finetune 20 %"
    assert lines[-1] == f"Only one side has, so not compared: {only}."
    assert "worse" in compare(["n-00000000", "results/m-00000000"])[1]


def test_regimes_of_one_model(place: Path, compare: Call) -> None:
    code, out, _ = compare(["m-00000000:finetune", "m-00000000:cold", "--json", "--fractions", "5%"])
    assert code == 0
    found = json.loads(out)
    assert (found["metric"], found["unit"]) == ("reconstruction_error", "cm")
    (row,) = found["rows"]
    assert (row["regime"], row["fraction"], row["seeds"], row["groups"], row["clips"]) == (
        "finetune / cold", 0.05, 3, 9, 12,
    )  # fmt: skip
    assert row["folds"] == 3
    assert row["effect"] == pytest.approx(2)
    assert 1 < row["low"] <= row["effect"] <= row["high"]
    assert row["verdict"] == "better"
    assert compare(["m-00000000:finetune", "m-00000000:cold", "--json", "--fractions", "5%"])[1] == out


def test_a_retargeted_source_is_other_data_and_compares_all_the_same(place: Path, compare: Call) -> None:
    root = place / "results"
    for seed in (0, 1, 2):
        cell(root, "m", "retarget", 0.05, seed, np.exp(NOISE[seed][::-1]) / 2, data="r" * 64)
    words = ["m-00000000:retarget", "m-00000000:cold", "--fractions", "5%"]
    code, out, err = compare(words)
    assert (code, err) == (0, "")
    (row,) = [line.split() for line in out.splitlines() if line.startswith("biped2quad")]
    assert (row[1], row[-1]) == ("retarget", "better")
    # Among themselves they have one hash, and metrics are the same for all.
    cell(root, "m", "retarget", 0.05, 2, np.exp(NOISE[2]), data="q" * 64)
    assert "cells that do not compare" in compare(words)[2]
    cell(root, "m", "retarget", 0.05, 2, np.exp(NOISE[2]), data="r" * 64, metrics="x" * 64)
    assert compare(words)[0] == 2


def test_controls_metrics_of_cells_and_one_seed(place: Path, compare: Call) -> None:
    assert "better" in compare(["m-00000000", "hold-00000000"])[1]
    found = json.loads(compare(["m-00000000:cold", "n-00000000:cold", "--metric", "adversarial_score", "--json"])[1])
    assert {(row["folds"], row["clips"], row["verdict"]) for row in found["rows"]} == {(3, 3, "undecided")}
    out = compare(["m-00000000", "n-00000000", "--seeds", "1"])[1]
    assert "none" in out
    assert "undecided" in out
    assert "run at least three" in out
    # With the only cell of a control nobody knows what it does on the other folds.
    for seed in (1, 2):
        (place / f"results/hold-00000000/biped2quad/none-f1-s{seed}.json").unlink()
    code, _, err = compare(["m-00000000", "hold-00000000"])
    assert code == 2
    assert "missing: hold-00000000 biped2quad none 100 % seed 1" in err
    assert "3.00" not in compare(["m-00000000", "hold-00000000", "--seeds", "1"])[1]


def test_seeds_on_the_same_motion_have_no_interval(place: Path, compare: Call) -> None:
    """As in results of version 1."""
    for path in (place / "results").glob("*/biped2quad/*.csv"):
        seed = path.stem[-1]
        path.write_text(path.read_text().replace(f"\n{seed}c", "\nc").replace(f",{seed}", ","))
    code, out, _ = compare(["m-00000000", "n-00000000"])
    assert code == 0
    assert "All seeds were tested on the same motion" in out
    assert "none" in out
    assert "better" not in out.splitlines()[3]


BAD = {
    "regime": (["m-00000000:cold", "m-00000000:finetun"], "unknown regime 'finetun'; did you mean finetune"),
    "half a regime": (["m-00000000:cold", "n-00000000"], "a regime to both A and B"),
    "no regime": (["m-00000000:cold", "m-00000000:frozen"], "no finished cell of the regime frozen"),
    "name": (["m-00000000", "m-0000000"], "did you mean m-00000000"),
    "many": (["results", "m-00000000"], "holds 2 entries, name one of them: m-00000000, n-00000000"),
    "task": (["m-00000000", "n-00000000", "--task", "biped2quat"], "did you mean biped2quad"),
    "metric": (["m-00000000", "n-00000000", "--metric", "reconstruction"], "did you mean reconstruction_error"),
    "fraction": (["m-00000000", "n-00000000", "--fractions", "7%"], "no cell of 7 %"),
    "cold on all": (
        ["m-00000000:cold", "n-00000000:cold", "--fractions", "100%"], "cold on all data is m-00000000:full"
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_told_in_one_line(arguments: list[str], message: str, place: Path, compare: Call) -> None:
    code, out, err = compare(arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err


def test_a_name_is_offered_once(place: Path, compare: Call) -> None:
    """The entries of the leaderboard are looked through beside --results, which may be the same folder."""
    (place / "leaderboard/entries/fe").mkdir(parents=True)
    err = compare(["something-else", "fe", "--results", "leaderboard/entries"])[2]
    assert err.rstrip().endswith("; known: fe")


def test_a_model_needs_no_hash_where_its_options_are_the_only_ones(place: Path, compare: Call) -> None:
    short, whole = (compare(words)[1].splitlines() for words in (["m:finetune", "n:cold"], WHOLE))
    assert short[1:] == whole[1:]
    (place / "results/m-11111111").mkdir()
    code, _, err = compare(["m", "n"])
    assert code == 2
    assert "holds 'm' with more than one set of options; name one of m-00000000, m-11111111" in err


def test_missing_cells_are_named(place: Path, compare: Call) -> None:
    (place / "results/n-00000000/biped2quad/cold-f0.2-s1.json").unlink()
    code, _, err = compare(["m-00000000", "n-00000000"])
    assert code == 2
    assert "missing: n-00000000 biped2quad cold 20 % seed 1" in err
    assert compare(["m-00000000", "n-00000000", "--fractions", "5%"])[0] == 0


def test_other_data_do_not_compare(place: Path, compare: Call) -> None:
    cell(place / "results", "n", "cold", 0.05, 1, np.ones(4), data="e" * 64)
    code, _, err = compare(["m-00000000", "n-00000000"])
    assert code == 2
    assert "cells that do not compare" in err
    assert "data eeeeeeee" in err


def test_budgets_do_not_mix(place: Path, compare: Call) -> None:
    """Both sides have one budget, or the user says which of them; quick numbers are called that."""
    full = compare(["m-00000000", "n-00000000"])[1]
    assert f"Benchmark version {BENCHMARK_VERSION}, full budget.\n" in full
    for seed in range(3):
        for model, size in (("m", 1.0), ("n", 2.0)):
            for fraction in (0.05, 0.2):
                cell(place / "results", model, "cold", fraction, seed, size * np.exp(NOISE[seed]), budget="quick")
    code, out, err = compare(["m-00000000", "n-00000000"])
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "m-00000000 has full, quick and n-00000000 has full, quick; choose with --budget" in err
    assert compare(["m-00000000", "n-00000000", "--budget", "full"])[1] == full
    out = compare(["m-00000000", "n-00000000", "--budget", "quick"])[1]
    assert "quick budget: not for the board." in out
    assert "2.00" in out
    found = json.loads(compare(["m-00000000", "n-00000000", "--budget", "quick", "--json"])[1])
    assert (found["benchmark"], found["budget"]) == (BENCHMARK_VERSION, "quick")
    # One side each.
    sides = ["results/m-00000000/biped2quad", "results/n-00000000/biped2quad-quick"]
    assert "m-00000000/biped2quad has full and results/n-00000000/biped2quad-quick has quick" in compare(sides)[2]
    assert "no result of the quick budget; run it with --budget quick" in compare([*sides, "--budget", "quick"])[2]


def test_results_of_another_version_are_refused(place: Path, compare: Call) -> None:
    cell(place / "results", "n", "cold", 0.05, 1, np.ones(4), benchmark=1)
    code, out, err = compare(["m-00000000", "n-00000000"])
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "cold-f0.05-s1.json: this result is of benchmark version 1" in err


def test_damaged_tables_of_clips(place: Path, compare: Call) -> None:
    (place / "results/n-00000000/biped2quad/cold-f0.2-s1.csv").write_text("clip,action,reconstruction_error\nc0,g,1\n")
    code, _, err = compare(["m-00000000", "n-00000000"])
    assert code == 2
    assert "cold-f0.2-s1.csv: its columns are not clip, group, action and metrics; delete it" in err
    (place / "results/n-00000000/biped2quad/cold-f0.2-s1.csv").unlink()
    assert "not a readable table of clips" in compare(["m-00000000", "n-00000000"])[2]


def test_imports_no_torch(place: Path) -> None:
    code = (
        "import sys; from rae_bench.cli import cli; "
        "cli.main(['compare', 'm-00000000', 'n-00000000'], standalone_mode=False); "
        "print([m for m in ('torch', 'pytorch_lightning', 'ray') if m in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "better" in ended.stdout
    assert ended.stderr.strip() == "[]"


def test_on_what_run_leaves(tiny_run: Outcome, compare: Call) -> None:
    root = tiny_run.cells[0].path.parents[2]
    fe = next(path.name for path in root.iterdir() if path.name.startswith("fe-"))
    code, out, _ = compare([f"{fe}:finetune", f"{fe}:cold", "--results", str(root)])
    assert code == 0
    assert "finetune / cold" in out
    assert "undecided" in out


def test_the_score_is_a_metric_too(tmp_path: Path, compare: Call) -> None:
    """Its difference is that of the scores on the board, and it needs the truth of every fold."""
    for name, skill in (("fe", 1.0), ("mann", 1.6)):
        make_entry(tmp_path, name, skill, tasks=["biped2quad-control"])
    make_entry(tmp_path, "hold", tasks=["biped2quad-control"])
    sides = [f"{tmp_path / name}:finetune" for name in ("fe", "mann")]
    code, _, err = compare([*sides, "--metric", "score"])
    assert code == 2
    assert "the score needs the results of the truth here" in err
    make_entry(tmp_path, "truth", tasks=["biped2quad-control"], leave_out=["none-f1-s1"])
    code, _, err = compare([*sides, "--metric", "score"])
    assert code == 2
    assert "the score of seed 1 needs the truth of its fold" in err
    make_entry(tmp_path, "truth", tasks=["biped2quad-control"])
    rows = make_board(load_entries(tmp_path)).data["tasks"]["biped2quad-control"]["rows"]
    seeds = {row["entry"]: np.mean(row["seed_scores"]) for row in rows}
    code, out, _ = compare([*sides, "--metric", "score", "--json"])
    assert code == 0
    found = json.loads(out)
    assert {row["scale"] for row in found["rows"]} == {"-"}
    over_all = next(row for row in found["rows"] if row["fraction"] is None)
    assert over_all["effect"] == pytest.approx(seeds["mann"] - seeds["fe"], abs=2e-6)
    assert over_all["verdict"] == "better"
    code, out, _ = compare([*sides, "--metric", "score"])
    assert code == 0
    assert "score, better by\n" in out.replace(str(tmp_path), "")
    assert "close to 0" not in out
