"""Tasks with several sources: what is read, what is trained, what is excused, what a result depends on."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.running import do_here

from rae_bench.baselines.catalogue import names
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.errors import UserError
from rae_bench.harness.identity import identity
from rae_bench.harness.jobs import PretrainJob
from rae_bench.harness.plan import jobs_of, make_plan
from rae_bench.harness.run import Outcome
from rae_bench.harness.spec import make_spec
from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.registry import list_models, make_model, resolve_model
from rae_bench.model.training import sizes_for
from rae_bench.rigs.file import load_rig
from rae_bench.task.cells import Cell, skip_reason
from rae_bench.task.named import load_task
from rae_bench.task.reading import task_from_table
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol

PROTOCOL = Protocol(seconds=2.5)
TABLE: dict[str, Any] = {
    "source": [{"kind": "builtin", "rig": "r4"}, {"kind": "builtin", "rig": "hexapod"}],
    "target": {"kind": "builtin", "rig": "quad"},
}


@pytest.fixture(scope="module")
def sides() -> dict[str, Side]:
    rigs = ("r4", "hexapod", "quad")
    return {rig: Side(generate_locomotion(load_rig(rig), clips=20, seconds=2.5), PROTOCOL) for rig in rigs}


def domain(side: Side) -> Domain:
    return side.domain(side.split(0).train)


# Tasks.


def test_leave_one_out() -> None:
    task = load_task("leave-one-out-quad")
    assert [source["rig"] for source in task.sources] == ["r1", "r2", "r3", "r4", "r5", "hexapod"]
    assert task.target["rig"] == "quad"
    assert task_from_table(task.name, task.table(), "again").content_hash == task.content_hash


def test_one_source_hashes_as_it_always_did() -> None:
    task = load_task("biped2quad")
    protocol = json.loads(json.dumps(task.table()["protocol"]))
    del protocol["fractions"], protocol["default_fraction"], protocol["mode"]
    protocol["budget"] = ["full", 3200, 128]
    sides = [{"kind": "builtin", "rig": rig, "motion": "locomotion"} for rig in ("r1", "quad")]
    wanted = hashlib.sha256(json.dumps([*sides, protocol], sort_keys=True).encode()).hexdigest()
    assert task.content_hash == wanted


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], r"no table \[source\]"),
        ([{"kind": "builtin", "rig": "r1"}, {"kind": "builtn"}], r"\[\[source\]\] number 2: unknown kind 'builtn'"),
        ([{"kind": "builtin", "rig": "r1"}, 3], r"no table \[source\]"),
        ([{"kind": "builtin"}], r"\[source\]: kind \"builtin\" needs `rig`"),
    ],
)
def test_faulty_sources(sources: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        task_from_table("t", TABLE | {"source": sources}, "t.toml")


def test_every_source_and_their_order_count(sides: dict[str, Side]) -> None:
    task = task_from_table("t", TABLE, "t.toml")
    r4, hexapod, quad = (sides[rig] for rig in ("r4", "hexapod", "quad"))
    cell = Cell("truth", {}, "none", 0.05, 0)
    facts = [identity(None, {}, task, sources, quad, cell) for sources in ((r4, hexapod), (r4,), (hexapod, r4))]
    for one, two in ((0, 1), (0, 2)):
        assert facts[one]["data"] != facts[two]["data"]
        assert facts[one]["split"] != facts[two]["split"]


# Training.


def test_networks_share_the_core_and_take_turns(sides: dict[str, Side]) -> None:
    """After one update only the first source has taught anything; after two, both have."""
    sources = (domain(sides["r4"]), domain(sides["hexapod"]))
    cores = {}
    for updates, given in ((1, sources), (1, sources[:1]), (2, sources), (2, sources[:1])):
        model = make_model("fe", {"windows": 4, "length": 3, "weight_decay": 0.0})
        model.pretrain(given[0], Context("pretrain", 1.0, Budget(updates, 10**6), 0, sources=given))
        cores[updates, len(given)] = model._core
    assert cores[1, 1].keys() == cores[1, 2].keys()
    for key in cores[1, 1]:
        torch.testing.assert_close(cores[1, 1][key], cores[1, 2][key])
    assert not all(torch.equal(cores[2, 1][key], cores[2, 2][key]) for key in cores[2, 1])


def test_the_spent_budget_is_that_of_one_source(sides: dict[str, Side]) -> None:
    sources = (domain(sides["r4"]), domain(sides["hexapod"]))
    model = make_model("fe", {"windows": 4, "length": 3, "weight_decay": 0.0})
    ctx = Context("pretrain", 1.0, Budget(4, 10**6), 0, sources=sources)
    model.pretrain(sources[0], ctx)
    assert (ctx.declared["updates"], ctx.declared["frames"]) == (4, 4 * 4 * 2)
    sizes = [sum(p.numel() for p in model.network(sizes_for(len(d.rig))).parameters()) for d in sources]
    shared = sum(v.numel() for v in model._core.values())
    assert ctx.declared["parameters"] == sum(sizes) - shared


# What models must and need not do.


def test_excuses() -> None:
    finetune, cold = (Cell("m", {}, regime, 0.05, 0) for regime in ("finetune", "cold"))
    assert skip_reason(cold, (), 6) == ""
    assert "does not support the regime finetune" in skip_reason(finetune, (), 1)
    assert skip_reason(finetune, ("finetune",), 1) == ""
    assert "does not learn from several sources, and the task has 6" in skip_reason(finetune, ("finetune",), 6)
    assert skip_reason(finetune, ("finetune", "multiple-sources"), 6) == ""


def test_reference_entries_learn_from_all_sources() -> None:
    assert all("multiple-sources" in resolve_model(name).capabilities for name in (*names(), "anyrig"))


PLUGIN = '''
import numpy as np
from rae_bench.model import ModelCard, Trajectory

class One:
    card = ModelCard(name="one", authors="a", licence="MIT", description="d", capabilities=frozenset({CAPABILITIES}))
    def pretrain(self, source, ctx):
        (LOG := open("LOGFILE", "a")).write(" ".join([source.name, *(s.name for s in ctx.sources)]) + "\\n")
        LOG.close()
    def adapt(self, target, ctx):
        if ctx.regime == "cold":
            assert ctx.source is None and ctx.sources == ()
        else:
            assert ctx.source is ctx.sources[0] and len(ctx.sources) == 2
    def generate(self, prompt, ctx):
        root = np.repeat(prompt.history.root_positions[None, :, -1:], prompt.frames.max(), 2)
        return Trajectory(root, np.repeat(prompt.history.rotations[None, :, -1:], prompt.frames.max(), 2))
    def save(self, folder): folder.mkdir(parents=True, exist_ok=True)
    def load(self, folder): assert folder.is_dir()
'''


@pytest.mark.parametrize("all_sources", [False, True])
def test_cells_of_a_plug_in(all_sources: bool, sides: dict[str, Side], tmp_path: Path) -> None:
    """A model that takes one source is not pre-trained and says why; another one is given all of them."""
    log = tmp_path / "log"
    words = '"finetune"' + (', "multiple-sources"' if all_sources else "")
    file = tmp_path / "plugin.py"
    file.write_text(PLUGIN.replace("CAPABILITIES", words).replace("LOGFILE", str(log)))
    task_file = tmp_path / "t.toml"
    lines = [f'[[source]]\nkind = "builtin"\nrig = "{rig}"' for rig in ("r4", "hexapod")]
    task_file.write_text("\n".join([*lines, '[target]\nkind = "builtin"\nrig = "quad"', "[protocol]\nseconds = 2.5"]))
    spec = make_spec(
        f"{file}:One", str(task_file), regimes=["finetune", "cold"], out=tmp_path / "out", controls=False
    )
    made = make_plan(spec, ((sides["r4"], sides["hexapod"]), sides["quad"]))
    assert [type(job) for job in jobs_of(made)].count(PretrainJob) == all_sources
    do_here(made)
    results = {r["regime"]: r for r in Outcome(made, {}).results}
    assert results["cold"]["status"] == "ok"
    assert results["finetune"]["status"] == ("ok" if all_sources else "skipped")
    assert ("several sources" in results["finetune"]["reason"]) is not all_sources
    if all_sources:
        assert len(set(log.read_text().split())) == 2
        assert len(log.read_text().split()) == 3


def test_run_shows_zero_shot_beside_the_others_where_a_model_can(tmp_path: Path) -> None:
    for model, there in (("anyrig", True), ("fe", False)):
        regimes = [(c.regime, c.fraction) for c in make_spec(model, "biped2quad", out=tmp_path).cells()]
        assert (("zero-shot", 0.0) in regimes) is there
        assert regimes.index(("cold", 1.0)) == (4 if there else 3)


# Listing.


def test_listing_says_what_controls_are() -> None:
    about = list_models()["interpolate"].about
    assert about["parameters"] == 0
    assert (about["licence"], about["learns"], about["capabilities"]) == ("MIT", False, [])
    assert "inverse kinematics" in about["description"]
