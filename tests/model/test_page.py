"""docs/guides/model.md keeps its promises: its models keep to the API and learn, its tables are those of the code."""

import re
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.places import ROOT
from helpers.tiny_model import TinyModel, context

from rae_bench.metrics import evaluate
from rae_bench.model import CONTROL, CONTROL_SCALE, Budget, Context, Domain, Layout, statistics, windows
from rae_bench.model.registry import make_model
from rae_bench.task.sides import Side
from rae_bench.testing import assert_model

PAGE = (ROOT / "docs" / "guides" / "model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def block(text: str) -> str:
    (found,) = [block for block in BLOCKS if text in block]
    return found


@pytest.fixture(params=["vae.py:VaeModel", "next_pose.py:NextPose"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file, _, name = request.param.partition(":")
    assert f"`{file}`:\n\n```python" in PAGE
    (tmp_path / file).write_text(block(f"class {name}"))
    return f"{tmp_path / file}:{name}"


def test_models_conform(spec: str) -> None:
    assert_model(spec, updates=6)


def test_models_learn(spec: str, target_side: Side) -> None:
    """After 150 updates they are nearer to the truth than a model that holds still, and say what they have used."""
    ctx = Context("cold", 1.0, Budget(150, 150 * 128), 0)
    exam = target_side.held_out_clips(target_side.split(0).test)
    error = {}
    for name in (spec, "hold"):
        model = make_model(name, {})
        model.adapt(target_side.domain(target_side.split(0).train), ctx)
        error[name] = evaluate(model.generate(exam.prompt, ctx), exam.truth, exam.objectives)["objective_error"]
    assert error[spec] < 0.5 * error["hold"]
    assert ctx.cost()["budget_status"] == ("enforced" if "vae" in spec else "declared")
    assert ctx.cost()["over_budget"] is False
    assert ctx.declared["updates"] == 150


def test_samples_of_the_vae_differ(tmp_path: Path, target: Domain, prompt: Any) -> None:
    (tmp_path / "vae.py").write_text(block("class VaeModel"))
    model, ctx = make_model(f"{tmp_path / 'vae.py'}:VaeModel", {}), context("cold", 3)
    model.adapt(target, ctx)
    assert "kl" in ctx.declared
    made = model.generate(replace(prompt, num_samples=2), ctx)
    assert abs(made.root_positions[0] - made.root_positions[1]).max() > 1e-4


def run(text: str, folder: Path, **given: Any) -> dict[str, Any]:
    """What a block of the page leaves, run as a script."""
    (folder / "block.py").write_text(block(text))
    return runpy.run_path(str(folder / "block.py"), given)


def test_hooks_of_the_page_train(target: Domain, tmp_path: Path) -> None:
    found = run("class Published", tmp_path)
    published = type("Mine", (found["Published"], TinyModel), {"card": TinyModel.card})(windows=4)
    heard: list[float] = []
    ctx = Context("cold", 1.0, Budget(2, 10**6), 0, progress=lambda update, updates, loss: heard.append(loss))
    published.adapt(target, ctx)
    assert len(heard) == 2


def test_the_snippet_of_windows(target: Domain, tmp_path: Path) -> None:
    found = run("found = windows(domain, 10)", tmp_path, domain=target)
    size = Layout(len(target.rig)).size
    assert found["window"].states.shape == (32, 10, size)
    assert found["window"].phases.shape == (32, 10, 16)
    assert torch.equal(found["found"].starts, windows(target, 10).starts)
    assert torch.equal(found["normal"].std, statistics(target).std)


def test_the_table_of_the_control_row() -> None:
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| (\d) \| (\d) \|$", PAGE, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(CONTROL_SCALE)
    for name, width, scale in rows:
        part = getattr(CONTROL, name)
        assert (part.stop - part.start, CONTROL_SCALE[name]) == (int(width), float(scale))


def test_the_drawing_of_the_state() -> None:
    line = re.search(r"^  index (.*)$", PAGE, re.MULTILINE)
    assert line is not None
    ends = [re.fullmatch(r"(\d+)(?:\+(\d+)J)?", mark) for mark in line[1].split()]
    for joints in (1, 20):
        layout = Layout(joints)
        marks = [int(end[1]) + joints * int(end[2] or 0) for end in ends if end]
        columns = [layout.columns.start + 3 * joints * k for k in range(4)]
        starts = [layout.origin.start, layout.forward.start, layout.turn.start, layout.rise.start]
        assert marks == [*starts, layout.p.start, layout.v.start, *columns]
