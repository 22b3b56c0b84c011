"""The plug-in of the README: it keeps to the API, trains, and beats the control that stands still."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.places import TESTS

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.metrics import evaluate
from rae_bench.model.api import Budget, Context
from rae_bench.model.registry import make_model
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.rigs.file import load_rig
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, cut_clips
from rae_bench.testing import assert_model
from rae_bench.testing.faults import arrays_of

SPEC = f"{TESTS / 'my_model.py'}:MyModel"
UPDATES = 400


def test_plugin_conforms() -> None:
    assert_model(SPEC, updates=6)


@pytest.fixture(scope="module")
def target() -> Side:
    """The target of biped2quad, reduced to few clips."""
    protocol = load_task("biped2quad").protocol
    return Side(generate_locomotion(load_rig("quad"), clips=30, seconds=protocol.seconds), protocol)


def measured(spec: str, options: dict[str, Any], target: Side) -> dict[str, float]:
    ctx = Context("cold", 1.0, Budget(UPDATES, UPDATES * target.protocol.frames_per_update), seed=0)
    model = make_model(spec, options)
    model.adapt(target.domain(target.split(0).train), ctx)
    exam = target.held_out_clips(target.split(0).test)
    return evaluate(model.generate(exam.prompt, ctx), exam.truth, exam.objectives)


def test_plugin_learns(target: Side) -> None:
    mine, hold = measured(SPEC, {}, target), measured("hold", {}, target)
    assert mine["reconstruction_error"] < 0.9 * hold["reconstruction_error"]
    assert mine["objective_error"] < 0.2 * hold["objective_error"]


def test_nothing_of_the_test_clips_is_reachable(target: Side) -> None:
    """No array that a model is given is a view of a longer one."""
    domain, prompt = target.domain(target.split(0).train), target.held_out_clips(target.split(0).test).prompt
    assert not set(domain.ids) & {target.corpus.ids[i] for i in target.split(0).test}
    for path, array in (arrays_of(domain, "domain") | arrays_of(prompt, "prompt")).items():
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert base.size <= array.size or ".rig." in path, f"{path} is a view of {base.shape}"


def test_history_and_phase_do_not_depend_on_what_follows(target: Side) -> None:
    """Of the truth after the history a prompt holds objectives, and nothing else."""
    motion, history = target.corpus.motion[target.split(0).test], 30
    names = ["clip"] * len(motion)
    root, rotations, contacts = motion.root_positions.copy(), motion.rotations.copy(), motion.contacts.copy()
    root[:, history:] += 1
    rotations[:, history:] = rotations[:, history:][:, ::-1]
    contacts[:, history:] = ~contacts[:, history:]
    other = replace(motion, root_positions=root, rotations=rotations, contacts=contacts)
    prompt, changed = (
        cut_clips(m, history, names, names, names, keyframe_objectives(m)).prompt for m in (motion, other)
    )
    before, after = arrays_of(prompt, "prompt"), arrays_of(changed, "prompt")
    differ = {path for path in before if not np.array_equal(before[path], after[path])}
    assert differ == {f"prompt.objectives.{name}" for name in ("positions", "rotations", "arrivals", "kinds")}
