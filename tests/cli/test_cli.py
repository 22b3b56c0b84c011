"""The command line: bad input is told in one line, listings are light, stdout carries the result."""

from __future__ import annotations

import errno
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.cli import main
from rae_bench.cli.run import footnotes
from rae_bench.errors import UserError
from rae_bench.harness.run import Outcome
from rae_bench.results.rows import rows
from rae_bench.storage import home

TINY = "tasks/tiny.toml"
FILES = {
    "file": "",
    "empty/.keep": "",
    "cut/a.bvh": "HIERARCHY\nROOT Hips\n{\n  OFFSET 0 0 0\n  CHANNELS 6 Xposition Ypos",
    "roles.toml": '[roles]\npelvis = "Hips"\n',
    "broken.toml": "[source",
    "typo.toml": '[source]\nkind = "builtin"\nrigg = "r4"\n[target]\nkind = "builtin"\nrig = "quad"\n',
    "arm.toml": (
        '[source]\nkind = "builtin"\nrig = "r4"\nclips = 24\n[target]\nkind = "builtin"\nrig = "arm"\nclips = 24\n'
    ),
    "mid.toml": (
        '[source]\nkind = "builtin"\nrig = "r4"\nclips = 24\n[target]\nkind = "builtin"\nrig = "quad"\nclips = 24\n'
        '[protocol]\nroles = ["left_mid"]\n'
    ),
    "model.py": "class Model:\n    pass\n",
}
RUN = ["run", "--model", "fe"]
BAD = {
    "command": (["rnu"], "unknown command 'rnu'; did you mean run"),
    "list": (["list", "rigz"], "did you mean rigs"),
    "rig": (["show", "rig", "quda"], "unknown rig 'quda'; did you mean quad"),
    "rig file": (["show", "rig", "none.toml"], "none.toml: no such rig file"),
    "shown task": (["show", "task", "biped2quat"], "did you mean biped2quad"),
    "folds as JSON": (["show", "task", "biped2quad", "--json"], "--json and --data are for --folds"),
    "shown model": (["show", "model", "fee"], "did you mean fe"),
    "checked model": (["check", "model", "fee"], "did you mean fe"),
    "model": (["run", "--model", "ef", "--task", TINY], "unknown model 'ef'; did you mean fs or fe or fc?"),
    "model glob": (["run", "--model", "f*x", "--task", TINY], "unknown model 'f*x'"),
    "model file": (["run", "--model", "none.py:X", "--task", TINY], "no such file none.py"),
    "model module": (["run", "--model", "no.such:X", "--task", TINY], "no.such"),
    "model class": (["run", "--model", "model.py:Modle", "--task", TINY], "did you mean Model"),
    "no model": (["run", "--model", "model.py:Model", "--task", TINY], "has no card"),
    "task": ([*RUN, "--task", "biped2quat"], "unknown task 'biped2quat'; did you mean biped2quad"),
    "task glob": ([*RUN, "--task", "biped*x"], "unknown task 'biped*x'"),
    "task file": ([*RUN, "--task", "none.toml"], "none.toml: no such task file"),
    "broken task": ([*RUN, "--task", "broken.toml"], "broken.toml: not a TOML file"),
    "key of a task": ([*RUN, "--task", "typo.toml"], "did you mean rig"),
    "no task": (RUN, "--task or both --source and --target"),
    "both": ([*RUN, "--task", TINY, "--source", "r1", "--target", "quad"], "--task or both"),
    "half": ([*RUN, "--source", "r1"], "both --source and --target"),
    "source": ([*RUN, "--source", "qaud", "--target", "r1"], "unknown domain 'qaud'; did you mean quad"),
    "target": ([*RUN, "--source", "quad", "--target", "hexapot"], "did you mean hexapod"),
    "regime": ([*RUN, "--task", TINY, "--regimes", "cold,frozn"], "unknown regime 'frozn'; did you mean frozen"),
    "fraction 0": ([*RUN, "--task", TINY, "--fractions", "0"], "fraction 0 is not within"),
    "fraction 2": ([*RUN, "--task", TINY, "--fractions", "0.05,2"], "fraction 2 is not within"),
    "fraction nan": ([*RUN, "--task", TINY, "--fractions", "nan"], "fraction nan is not within"),
    "fraction word": ([*RUN, "--task", TINY, "--fractions", "few"], "--fractions few: not a number"),
    "seeds": ([*RUN, "--task", TINY, "--seeds", "0"], "--seeds takes a number above 0"),
    "workers": ([*RUN, "--task", TINY, "--workers", "0"], "--workers takes a number above 0"),
    "option": ([*RUN, "--task", TINY, "--set", "nonsense"], "--set nonsense: write key=value"),
    "option name": ([*RUN, "--task", TINY, "--set", "nonsense=1"], "nonsense"),
    "out under a file": ([*RUN, "--task", TINY, "--out", "file/results"], "cannot write results to file/results"),
    "out is a file": ([*RUN, "--task", TINY, "--out", "file"], "cannot write results to file"),
    "recordings": ([*RUN, "--task", "human2dog"], "recordings 'human_full' not found; give the folder"),
    "data folder": ([*RUN, "--task", "human2dog", "--data", "empty"], "not found under empty"),
    "rig that cannot": ([*RUN, "--task", "arm.toml"], "rig 'arm' cannot walk"),
    "rig without roles": ([*RUN, "--task", "mid.toml"], "left_mid"),
    "compared": (["compare", "empty", "fe"], "empty: no cell results here"),
    "unknown to compare": (["compare", "nothing", "fe"], "unknown entry or folder of results 'nothing'"),
    "regime to compare": (["compare", "empty:cold", "empty:colt"], "empty: no cell results here"),
    "no module": (["check", "model", "./empty:X"], "model './empty:X': ./empty is a folder without __init__.py"),
    "mode of a study": (["study", "thesis", "--modes", "papr"], "unknown mode 'papr'; did you mean paper"),
    "rig of a study": (["study", "thesis", "--rigs", "quad"], "unknown rig of the study 'quad'"),
    "model of a study": (["study", "thesis", "--models", "mann"], "unknown model of the study 'mann'"),
    "no recordings": (["data", "import", "empty", "--name", "x", "--roles", "roles.toml"], "empty: no recordings"),
    "no folder": (["data", "import", "nowhere", "--name", "x", "--roles", "roles.toml"], "nowhere: no such file or"),
    "truncated": (["data", "import", "cut", "--name", "x", "--roles", "roles.toml"], "a.bvh: "),
    "no roles": (["data", "import", "cut", "--name", "x"], "a.bvh: no MOTION section"),  # roles are guessed
    "format": (["data", "import", "cut", "--name", "x", "--format", "bhv"], "unknown format 'bhv'; did you mean bvh"),
    "up": (["data", "import", "cut", "--name", "x", "--up", "1,2"], "up = "),
    "root path": (["data", "import", "cut", "--name", "x", "--root-path", "fixed"], "root_path is for npz, unity"),
    "roles file": (["data", "import", "cut", "--name", "x", "--roles", "none.toml"], "none.toml: no such roles file"),
}
USAGE = {
    "no model": ["run"],
    "option": [*RUN, "--nosuch"],
    "number": [*RUN, "--seeds", "many"],
    "choice": [*RUN, "--by", "colour"],
    "thing to show": ["show", "tusk"],
    "nothing to show": ["show", "rig"],
    "name of a domain": ["data", "import", "empty"],
}
HEAVY = ("torch", "pandas", "pytorch_lightning", "matplotlib", "scipy", "rich", "ray")
LIGHT: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "help": (["--help"], (*HEAVY, "numpy")),
    "version": (["--version"], (*HEAVY, "numpy")),
    "list": (["list"], (*HEAVY, "numpy")),
    "list --json": (["list", "--json"], (*HEAVY, "numpy")),
    "run --help": (["run", "--help"], (*HEAVY, "numpy")),
    "compare --help": (["compare", "--help"], (*HEAVY, "numpy")),
    "sweep --help": (["sweep", "--help"], (*HEAVY, "numpy")),
    "tune --help": (["tune", "--help"], (*HEAVY, "numpy")),
    "show rig": (["show", "rig", "quad"], HEAVY),
    "show task": (["show", "task", "biped2quad"], (*HEAVY, "numpy")),
    "show model": (["show", "model", "fc-rbf-in+rtn"], (*HEAVY, "numpy")),
    "show entry": (["show", "model", "anyrig"], (*HEAVY, "numpy")),
}


@pytest.fixture
def place(tmp_path: Path, tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the commands name; no recordings are known."""
    for name, text in {**FILES, TINY: tiny_task.read_text(encoding="utf-8")}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAE_BENCH_DATA", raising=False)
    return tmp_path


Call = Callable[[list[str]], tuple[int, str, str]]


def written() -> set[Path]:
    """All files and folders below the working folder."""
    return set(Path().rglob("*"))


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_told_in_one_line(arguments: list[str], message: str, place: Path, call: Call) -> None:
    before, domains = written(), set((home() / "domains").glob("*"))
    code, out, err = call(arguments)
    assert code == 2
    assert out == ""
    lines = [line for line in err.splitlines() if not line.endswith((": loading", ": making or finding the data"))]
    assert len(lines) == 1, err
    assert lines[0].startswith("rae-bench: ")
    assert message in lines[0]
    assert written() == before
    assert set((home() / "domains").glob("*")) == domains


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_points_to_help(arguments: list[str], place: Path, call: Call) -> None:
    before = written()
    code, out, err = call(arguments)
    assert code == 2
    assert out == ""
    assert re.fullmatch(r"rae-bench[ a-z]*: .* \(see rae-bench[ a-z]* --help\)\n", err)
    assert written() == before


@pytest.mark.parametrize(("arguments", "banned"), LIGHT.values(), ids=LIGHT.keys())
def test_listings_import_nothing_heavy(arguments: list[str], banned: tuple[str, ...]) -> None:
    code = "import sys; sys.argv[0] = 'rae-bench'; from rae_bench.cli import main; main()"
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        times.append(time.perf_counter() - begun)
        assert ended.returncode == 0, ended.stderr
    assert ended.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines() if "|" in line}
    assert "rae_bench" in imported
    assert not imported & set(banned)
    print(f"{' '.join(arguments)}: {statistics.median(times):.2f} s")  # shown with -s; not asserted, machines differ


def test_importing_the_package_is_cheap() -> None:
    code = "import sys; before = set(sys.modules); import rae_bench; print(*sorted(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in ended.stdout.split()}
    assert not imported & {*HEAVY, "numpy", "click"}


def test_every_public_name_loads() -> None:
    import rae_bench

    for name in rae_bench.__all__:
        assert getattr(rae_bench, name) is not None
    assert set(rae_bench.__all__) <= set(dir(rae_bench))
    with pytest.raises(AttributeError, match="nosuch"):
        _ = rae_bench.nosuch


def test_list_shows_all_kinds(call: Call) -> None:
    code, out, _ = call(["list"])
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == ["models", "tasks", "rigs", "domains"]
    found = json.loads(call(["list", "rigs", "tasks", "--json"])[1])
    assert list(found) == ["rigs", "tasks"]
    assert set(found["rigs"]) == {"arm", "hexapod", "quad", "r1", "r2", "r3", "r4", "r5"}
    assert all(found["rigs"].values())
    assert "biped2quad" in found["tasks"]


def test_show_rig_prints_each_joint(call: Call) -> None:
    from rae_bench.rigs.file import load_rig

    code, out, _ = call(["show", "rig", "quad"])
    rig = load_rig("quad")
    assert code == 0
    assert len(out.splitlines()) == 3 + len(rig)
    assert all(name in out for name in (*rig.joint_names, *rig.roles))


def test_show_rig_tells_how_far_apart_two_are(call: Call) -> None:
    lines = call(["show", "rig", "r1", "--to", "hexapod"])[1].splitlines()
    assert lines[0] == "r1 and hexapod"
    assert lines[3].endswith("that only one has, left_mid, right_mid")
    assert any(line.split() == ["hind_femur_left", "moves", "as", "knee_l"] for line in lines)
    assert max(map(len, lines)) <= 80


def test_show_task_and_model(call: Call) -> None:
    assert "r1" in call(["show", "task", "biped2quad"])[1]
    code, out, _ = call(["show", "model", "hold"])
    assert code == 0
    assert "repeats the last pose" in out


def test_dry_run_lists_the_cells_and_writes_nothing(place: Path, call: Call) -> None:
    before = written()
    code, out, err = call([*RUN, "--task", TINY, "--dry-run"])
    assert (code, err) == (0, "fe on tiny: loading\n")
    *lines, budget, estimate = out.splitlines()
    assert budget == "tiny: quick budget: 10 updates of 128 frames to adapt, 20 to pre-train"
    assert lines[0] == "to do    1 cell tiny  fe cold 5 %, seed 0"
    assert len(lines) == 8
    assert all(line.startswith("to do") for line in lines)
    assert estimate.startswith("9 jobs; how long is not known")

    code, out, _ = call([*RUN, "--task", TINY, "--dry-run", "--json", "--seeds", "2", "--regimes", "cold"])
    entries = json.loads(out)
    assert code == 0
    assert [e["seed"] for e in entries if e["model"] == "fe"] == [0, 1]
    assert {(e["state"], e["budget"]) for e in entries} == {("to do", "quick")}
    assert written() == before


def test_dry_run_knows_what_is_done(tiny_run: Outcome, tiny_task: Path, call: Call) -> None:
    out_folder = str(tiny_run.cells[0].path.parents[2])
    code, out, _ = call([*RUN, "--task", str(tiny_task), "--out", out_folder, "--dry-run"])
    assert code == 0
    *lines, budget = out.splitlines()
    assert len(lines) == 8
    assert all(line.startswith("done") for line in lines)
    assert "quick budget" in budget
    out = call([*RUN, "--task", str(tiny_task), "--out", out_folder, "--dry-run", "--force"])[1]
    assert out.splitlines()[-1].startswith("about ")
    assert "of CPU time" in out.splitlines()[-1]
    out = call([*RUN, "--task", str(tiny_task), "--out", out_folder, "--dry-run", "--seeds", "0,3-4"])[1]
    assert "done     1 cell tiny  fe cold 5 %, seed 0" in out.splitlines()
    assert "to do    2 cells tiny  fe cold 5 %, seeds 3-4" in out.splitlines()


def test_json_is_the_cell_results(tiny_run: Outcome, tiny_task: Path, call: Call) -> None:
    out_folder = str(tiny_run.cells[0].path.parents[2])
    code, out, err = call([*RUN, "--task", str(tiny_task), "--out", out_folder, "--json"])
    assert code == 0
    assert json.loads(out) == tiny_run.results
    assert err.splitlines()[-1].endswith("8 cells, 8 done before; nothing that they depend on has changed")


def test_the_table_of_a_finished_run(tiny_run: Outcome, tiny_task: Path, call: Call) -> None:
    out_folder = tiny_run.cells[0].path.parents[2]
    code, out, err = call([*RUN, "--task", str(tiny_task), "--out", str(out_folder), "--by", "action"])
    assert code == 0
    first = [line.split()[0] for line in out.splitlines() if line.strip()]
    order = ["truth", "hold", "interpolate", "nearest", "cold", "frozen", "finetune", "full"]
    assert [word for word in first if word in order][:8] == order
    assert "By action" in out
    assert "fe on tiny: Tiny" in out
    assert f"Benchmark version {BENCHMARK_VERSION}, quick budget: 10 updates of 128 frames to adapt" in out
    assert "Quick numbers are not for the board; --budget full (12 updates) makes those." in out
    folder = tiny_run.cells[0].path.parent
    assert str(folder / "curves.png") in err
    assert (folder / "sheet.png").stat().st_size > 0


def test_ratios_and_levels_are_shown_with_their_intervals_and_small_headroom_in_words() -> None:
    from rae_bench.cli.result_table import value_text
    from rae_bench.cli.run import headroom_notes
    from rae_bench.results.rows import Row

    values = {"reconstruction_error": [1.0, 2.0, 3.0], "gain_over_cold": [2.0, 2.0, 2.0]}
    row = Row("frozen", 0.05, "model", values, [0, 1, 2], headroom=1.1)
    assert value_text("gain_over_cold", row, 2) == "2.00\n(2.00-2.00)"
    # t(2) sqrt(2.5 (1/3 + 1/4)) of a variance of 1
    assert value_text("reconstruction_error", row, 2) == "2.00\n± 5.20"
    assert headroom_notes([row]) == []  # the note is of the cold start, once for all regimes
    (note,) = headroom_notes([Row("cold", 0.05, "model", {}, headroom=1.1), Row("cold", 0.2, "model", {}, headroom=2)])
    assert note == (
        "data saved is empty where the error of cold is less than 1.3 times that of full, for there is too little to "
        "save: 1.10 at 5 %."
    )


def test_columns_of_takes_and_seconds_stand_apart() -> None:
    from rae_bench.cli.show_folds import PAIR, WIDTH, _row

    line = _row("100 %", ["257, 1258"] * 5, PAIR)
    assert len(line) <= WIDTH
    assert len(re.split(r"(?<!,) +", line[22:].strip())) == 5


def test_uneven_folds_are_told() -> None:
    from rae_bench.cli.run import fold_notes
    from rae_bench.task.split import make_folds

    def notes(groups: str) -> list[str]:
        n = len(groups)
        return fold_notes(make_folds(tuple(groups), ("walk",) * n, tuple(groups), np.full(n, 60), 30.0), "dog")

    assert notes("abcdeabcde") == []
    assert notes("aabcdefg") == ["Group a of dog has 25 % of the frames: it is a fold by itself."]
    (note,) = notes("aaabbb")
    assert note.startswith("Domain dog has fewer than 5 groups")
    assert note.endswith("never ranked.")
    folds = make_folds(tuple("aaabbb"), ("walk",) * 6, tuple("aaabbb"), np.full(6, 60), 30.0)
    told = "the same motion, or its mirror image, is in two groups, which count as one: x and y"
    assert fold_notes(folds, "dog", ["other", told])[1].startswith("Domain dog has copies of takes")
    part = "the set is not whole: 2 of its 77 files are in the folder human_lafan1"
    assert fold_notes(folds, "dog", ["other", part])[0] == f"Domain dog: {part}."


def test_a_motion_without_ground_is_told() -> None:
    from helpers.tiny_model import side

    from rae_bench.cli.run import ground_notes

    quad = side("quad")
    tested = quad.split(0).test
    assert ground_notes(quad, tested) == []
    quad.motion.contacts[:] = False
    (note,) = ground_notes(quad, tested)
    assert note.startswith("No foot touches the ground in the held-out clips: foot sliding and objective error are 0")


def test_controls_are_compared_on_what_both_have() -> None:
    from rae_bench.cli.run import control_notes
    from rae_bench.results.rows import Row

    def row(label: str, kind: str, scores: dict[int, float], fraction: float | None = None) -> Row:
        return Row(label, fraction, kind, {"score": [*scores.values()]}, [*scores])

    hold = row("hold", "control", {0: 0.9, 1: 0.1, 2: 0.1})
    five, twenty = (row("nearest", "control", {0: 0.2}, share) for share in (0.05, 0.2))
    cold = row("cold", "model", {0: 0.8, 1: 0.3}, 0.05)
    full = row("full", "model", {0: 0.1, 1: 0.0}, 1.0)
    assert control_notes([hold, five, twenty, cold, full]) == [
        "The control hold has a better score than: cold 5 %.",
        "The control nearest 5 % has a better score than: cold 5 %.",
    ]
    same = row("cold", "model", {0: 0.9, 1: 0.1, 2: 0.1}, 0.05)
    assert control_notes([hold, same]) == []


def test_reasons_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    from helpers.running import cell_job
    from rich.console import Console

    from rae_bench.cli.progress import RunProgress
    from rae_bench.cli.result_table import print_rows
    from rae_bench.harness.events import Answered, DataWanted
    from rae_bench.harness.jobs import Failed
    from rae_bench.results.rows import Row

    reason = "ValueError: " + "[/red] of a long [list] " * 8
    event = Answered(cell_job("j", model="m"), 0, Failed(reason))
    with RunProgress(Console(file=sys.stdout), "m on [t]") as progress:
        progress.observe(DataWanted(("[t]",)))
        progress.observe(event)
    assert capsys.readouterr().out.splitlines() == [
        "m on [t]: making or finding the data",
        f"failed  m cold 5 % seed 0: {reason}",
    ]
    print_rows([Row("[/i]", 0.05, "model", {}, reason=reason)], "[/b]")
    out = capsys.readouterr().out
    assert "[/i] *" in out
    assert out.splitlines()[0].strip() == "[/b]"


def test_a_closed_pipe_makes_no_noise() -> None:
    code = "import sys; from rae_bench.cli import main; main(['show', 'rig', 'r1'])"
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert ended.stderr == b""


def test_the_table_names_who_left_the_budget() -> None:
    from rae_bench.cli.run import budget_notes

    def cell(regime: str, cost: dict[str, object], **more: object) -> dict[str, object]:
        return {"regime": regime, "fraction": 0.05, "cost": cost, **more}

    honest = {"budget_status": "enforced", "over_budget": False, "pretrain_budget_status": "enforced"}
    assert budget_notes([cell("cold", honest), cell("none", {"budget_status": "undeclared"})]) == []
    assert budget_notes([cell("cold", {"budget_status": "undeclared"}, card={"learns": False})]) == []
    assert budget_notes(
        [
            cell("cold", {"budget_status": "declared", "over_budget": True}),
            cell("frozen", {**honest, "pretrain_over_budget": True}),
            cell("finetune", {**honest, "pretrain_budget_status": "undeclared"}),
        ]
    ) == [
        "The model did not say how long it trained (ctx.declare): finetune 5 %.",
        "The model trained for longer than its budget: cold 5 %, frozen 5 %.",
    ]


@pytest.mark.parametrize(
    "failure", [BrokenPipeError(errno.EPIPE, "broken pipe"), RuntimeError("Ray is gone"), UserError("gone")]
)
def test_what_fails_while_an_interrupted_command_cleans_up_does_not_hide_the_interruption(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise failure

    monkeypatch.setattr(click.Group, "invoke", lambda *_: interrupted())
    with pytest.raises(SystemExit) as ended:
        main(["list"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("rae-bench: interrupted")


def test_an_action_that_no_other_group_has_is_told(tiny_run: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [result | {"other_actions": ["hop"]} for result in tiny_run.results]
    assert not any("hop" in line for line in footnotes(tiny_run, rows(results)))
    monkeypatch.setattr(type(tiny_run), "results", results)
    assert any("No other group has the action hop" in line for line in footnotes(tiny_run, rows(results)))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", 3), ("0", 0), ("0,3-4", [0, 3, 4]), ("3-3", [3]), ("2,", [2]), ("4,0-1,1", [4, 0, 1]), ("-1", -1)],
)
def test_seeds_are_a_number_or_a_list(text: str, seeds: int | list[int]) -> None:
    from rae_bench.cli.values import SeedsType

    assert SeedsType().convert(text, None, None) == seeds


@pytest.mark.parametrize("text", ["many", "3-1", "1-", "-3,1", "0,x", "0-99999999", "1.5"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    from rae_bench.cli.values import SeedsType

    with pytest.raises(click.BadParameter, match="a list such as 0,3-4"):
        SeedsType().convert(text, None, None)


@pytest.mark.parametrize("text", ["3", "0/3", "4/3", "a/b", "1/0", "-1/3"])
def test_what_is_no_share_is_refused(text: str) -> None:
    from rae_bench.cli.values import ShardType

    assert ShardType().convert("3/10", None, None) == (3, 10)
    with pytest.raises(click.BadParameter, match="no share such as 3/10"):
        ShardType().convert(text, None, None)


def test_an_estimate_says_at_least_where_not_all_is_known(
    tiny_run: Outcome, tiny_task: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rae_bench.harness import estimate

    out_folder = str(tiny_run.cells[0].path.parents[2])
    ask = [*RUN, "--task", str(tiny_task), "--out", out_folder, "--dry-run", "--force"]
    whole = estimate.estimate
    monkeypatch.setattr(estimate, "estimate", lambda jobs: dict(list(whole(jobs).items())[2:]))
    last = call(ask)[1].splitlines()[-1]
    assert last.startswith("at least ")
    assert last.endswith("2 of 8 jobs not counted: none of their kind has been run here")


def test_a_run_says_what_comes_next_in_the_words_it_was_given(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the task's file, the fractions, the budget and the folder: else the next command would be another run."""
    from rae_bench.cli.run import asked_again, what_next
    from rae_bench.harness.spec import make_spec

    asked = {
        "regimes": ["cold"], "fractions": [0.05, 0.2], "budget": "full", "options": {"preset": "paper", "rate": 0.01},
        "out": tmp_path, "data_root": None, "source": None, "target": None, "preset": None,
    }  # fmt: skip
    again = (
        f"rae-bench run --model fe --task {tiny_task} --regimes cold --fractions 5%,20% --budget full "
        f"--set preset=paper --set rate=0.01 --out {tmp_path}"
    )
    assert asked_again("fe", str(tiny_task), asked) == again
    bare = {"source": "man", "target": "dog", "budget": "quick", "out": Path("results")}
    assert asked_again("fe", None, bare) == "rae-bench run --model fe --source man --target dog"

    def steps(**more: object) -> list[str]:
        spec = make_spec("fe", tiny_task, out=tmp_path, **more)  # type: ignore[arg-type]
        for regime in ("cold", "finetune") if spec.keep else ():
            (spec.folder() / f"{regime}-f0.05-s0-model").mkdir(parents=True)
        return what_next([spec], [("fe", str(tiny_task), asked)])

    assert steps() == [f"{again} --seeds 3"]
    kept = tmp_path / "fe-44136fa3" / "tiny-quick" / "finetune-f0.05-s0-model"
    assert steps(keep=True)[0] == f"rae-bench generate {kept} --objectives FILE.toml -o out.bvh --page out.html"
    monkeypatch.chdir(tmp_path)
    assert steps(seeds=3) == [
        f"rae-bench compare fe-44136fa3:finetune fe-44136fa3:cold --results {tmp_path}"
    ]
