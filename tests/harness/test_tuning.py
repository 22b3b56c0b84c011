"""Tuning: search spaces, the ledger, presets, and a whole search."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from helpers.running import plan_cells, run_cells

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.harness.preset import Preset, read_preset, write_preset
from rae_bench.harness.ray.cluster import Resources, cluster
from rae_bench.harness.search_space import check_space, draw, grid
from rae_bench.harness.spec import make_spec
from rae_bench.harness.tuning import Ledger, tune
from rae_bench.model.lightning import LightningModel
from rae_bench.model.registry import make_model

SPACE = {"rate": ("log", 1e-4, 1e-2), "size": ("choice", 8, 16, 32), "share": ("uniform", 0.0, 1.0)}
MODEL = '''
"""Holds the last pose, off by |x - 3| metres and, with little training, by more; fails where x is above 9."""

import json
from pathlib import Path

import numpy as np

from rae_bench.model import ModelCard, Trajectory


class Off:
    card = ModelCard(name="off")
    search_space = {"x": ("choice", *range(11))}

    def __init__(self, x=0, log="", bend=False):
        self.x, self.log, self.bend = x, log, bend

    def pretrain(self, source, ctx):
        pass

    def adapt(self, target, ctx):
        if self.x > 9:
            raise ValueError("too much")
        with open(self.log, "a") as file:
            file.write(f"{self.x} {ctx.budget.updates} {target.rig.name} {len(target)} {ctx.source.name}\\\\n")
        self.off = abs(self.x - 3) + 1 / ctx.budget.updates

    def generate(self, prompt, ctx):
        frames, history = int(prompt.frames.max()), prompt.history
        rotations = np.repeat(history.rotations[None, :, -1:], frames, 2)
        half = self.off / 10  # bends every joint: a root that is off would not count
        turn = np.array([np.cos(half), np.sin(half), 0, 0], np.float32)
        return Trajectory(np.repeat(history.root_positions[None, :, -1:], frames, 2), rotations * 0 + turn)

    def save(self, folder):
        folder.mkdir(parents=True)

    def load(self, folder):
        pass
'''.replace("\\\\n", "\\n")


def test_draws_stay_within_and_spread_over_the_space() -> None:
    drawn = draw(SPACE, 300)
    rates = np.array([options["rate"] for options in drawn])
    assert rates.min() >= 1e-4
    assert rates.max() <= 1e-2
    assert 0.4 < np.mean(rates < 1e-3) < 0.6  # half of the logarithm
    assert 0.4 < np.mean([options["share"] < 0.5 for options in drawn]) < 0.6
    counts = [sum(options["size"] == size for options in drawn) for size in (8, 16, 32)]
    assert min(counts) > 70
    assert draw(SPACE, 10) == drawn[:10]
    assert len({json.dumps(options) for options in drawn}) == 300
    assert len(draw({"size": SPACE["size"]}, 10)) == 3


def test_a_grid_has_every_combination() -> None:
    points = grid(SPACE)
    assert len(points) == 3**3
    assert {p["rate"] for p in points} == {1e-4, 1e-3, 1e-2}
    assert {p["share"] for p in points} == {0.0, 0.5, 1.0}
    assert {p["size"] for p in points} == {8, 16, 32}


@pytest.mark.parametrize(
    "space", [{}, {"a": ("choice",)}, {"a": ("log", 0, 1)}, {"a": ("uniform", 2, 1)}, {"a": ("normal", 0, 1)}]
)
def test_bad_spaces_are_refused(space: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(UserError, match="search_space"):
        check_space("m", space, {})


def test_fixed_options_are_not_searched() -> None:
    assert set(check_space("m", SPACE, {"rate": 1e-3})) == {"size", "share"}
    with pytest.raises(UserError, match="nothing to tune"):
        check_space("m", {"rate": ("log", 1e-4, 1e-2)}, {"rate": 1e-3})


def test_the_space_of_torch_models_is_made_of_their_options() -> None:
    for options in grid(check_space("fe", LightningModel.search_space, {})):
        make_model("fe", options)


def test_the_ledger_keeps_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "a" / "ledger.jsonl"
    ledger = Ledger(path, "mine")
    ledger.add({"x": 1}, 1, 2.5, 0.1)
    ledger.add({"x": 1}, 3, 1.5, 0.1)
    ledger.add({"x": 2}, 1, math.inf, 0.1, "ValueError: no")
    with path.open("a") as file:
        file.write('{"identity": "mine", "opt')  # killed while writing
    ledger = Ledger(path, "mine")
    assert ledger.of({"x": 1}) == {1: 2.5, 3: 1.5}
    assert ledger.of({"x": 2}) == {}  # a failure is tried again
    ledger.add({"x": 3}, 1, 4.0, 0.1)
    assert Ledger(path, "mine").of({"x": 3}) == {1: 4.0}
    assert Ledger(path, "another").of({"x": 1}) == {}


def test_presets_are_options_of_a_run(tiny_task: Path, tmp_path: Path) -> None:
    path = tmp_path / "preset.toml"
    write_preset(Preset("fe", {"rate": 0.002, "preset": "small"}, 12, "tiny", 3.25), path)
    preset = read_preset(path)
    assert (preset.model, preset.options, preset.trials) == ("fe", {"rate": 0.002, "preset": "small"}, 12)
    asked = make_spec("fe", str(tiny_task), preset=path, options={"rate": 0.001}, out=tmp_path)
    assert asked.options == {"rate": 0.001, "preset": "small"}
    assert {cell.trials for cell in asked.cells() if cell.regime != "none"} == {12}
    with pytest.raises(UserError, match="a preset of model 'fe', not of 'hold'"):
        make_spec("hold", str(tiny_task), preset=path, out=tmp_path)
    # The same cells as where the options are given by hand.
    plans = [plan_cells("fe", str(tiny_task), out=tmp_path, options=asked.options),
             plan_cells("fe", str(tiny_task), out=tmp_path, options={"rate": 0.001}, preset=path)]  # fmt: skip
    assert [p.path for p in plans[0].cells] == [p.path for p in plans[1].cells]
    assert [p.identity for p in plans[0].cells] == [p.identity for p in plans[1].cells]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[options", "not a TOML file"),
        ("[options]\nrate = 1", "needs `model`"),
        ('model = "fe"\n[optoins]', "did you mean options"),
        ('model = "fe"\n[tuning]\ntrials = -1', "trials = -1"),
    ],
)
def test_bad_presets_are_told(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=reason):
        read_preset(tmp_path / "p.toml")
    with pytest.raises(UserError, match="no such preset file"):
        read_preset(tmp_path / "none.toml")


@pytest.mark.slow
def test_a_search_finds_the_best_and_goes_on_from_its_ledger(
    tiny_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "off.py").write_text(MODEL, encoding="utf-8")
    spec, log = f"{tmp_path}/off.py:Off", tmp_path / "log"
    text = tiny_task.read_text(encoding="utf-8")
    text = text.replace("full_updates = 12", "full_updates = 45").replace("quick_updates = 10", "quick_updates = 45")
    task = tmp_path / "tiny.toml"
    task.write_text(text, encoding="utf-8")
    asked = {"options": {"log": str(log)}, "out": tmp_path / "out"}
    with cluster(None, 2, Resources()):
        tuned = tune(spec, str(task), search="grid", **asked)  # type: ignore[arg-type]
        lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
        assert sorted((int(x), int(u)) for x, u, *_ in lines) == [(x, 90) for x in range(10)]
        # What is trained on are the training segments of the source.
        assert {tuple(rest) for _, _, *rest in lines} == {("r4", "20", "r4-locomotion")}
        assert tuned.best.options == {"log": str(log), "x": 3}
        errors = [t.errors[9] for t in tuned.trials[:10]]
        assert np.argmin(errors) == 3
        assert (tuned.trials[10].errors, tuned.trials[10].reason) == ({}, "ValueError: too much")

        again = tune(spec, str(task), search="grid", **asked)  # type: ignore[arg-type]
        assert len(log.read_text(encoding="utf-8").splitlines()) == len(lines)
        assert [t.errors for t in again.trials] == [t.errors for t in tuned.trials]

        drawn = tune(spec, str(task), trials=12, **asked)  # type: ignore[arg-type]
        tried = log.read_text(encoding="utf-8").splitlines()[len(lines) :]
        assert {line.split()[1] for line in tried} == {"10", "30"}  # the whole budget is known from the grid
        halved = sum(line.split()[1] == "30" for line in tried)
        assert 0 < halved < len(tried) - halved
        tune(spec, str(task), trials=12, **asked)  # type: ignore[arg-type]
        tried = log.read_text(encoding="utf-8").splitlines()  # ASHA may let others go on now
        assert len(tried) == len(set(tried))
    preset = read_preset(drawn.preset)
    assert preset.trials == 11  # there are no more
    outcome = run_cells(spec, str(task), preset=drawn.preset, regimes=["cold"], controls=False, out=asked["out"])
    assert outcome.results[0]["card"]["trials"] == 11


def test_tune_is_told_what_is_wrong(tiny_task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, reason in (
        (["--model", "hold"], "declares no search_space"),
        (["--model", "fee"], "did you mean fe"),
        (["--model", "fe", "--trials", "0"], "--trials takes a number above 0"),
        (["--model", "fe", "--workers", "0"], "--workers takes a number above 0"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["tune", "--task", str(tiny_task), *more])
        assert ended.value.code == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.endswith(": loading")]
        assert reason in line
