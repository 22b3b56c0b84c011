"""Is the default budget enough? Long: trains the reference entry on its whole source domain."""

from typing import Any

import numpy as np
import pytest

from rae_bench.baselines.controls import Hold
from rae_bench.metrics import evaluate
from rae_bench.model.alone import Training
from rae_bench.model.api import Budget, Context
from rae_bench.model.registry import make_model
from rae_bench.task.named import load_task
from rae_bench.task.sides import HeldOutClips, load_sides


def _error(model: Any, exam: HeldOutClips, ctx: Context) -> float:
    values = evaluate(model.generate(exam.prompt, ctx), exam.truth, exam.objectives)
    return values["reconstruction_error"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_pretraining_has_converged(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The roll-out error on the source's val clips falls by less than 5 % over the last fifth of the updates."""
    task = load_task("biped2quad")
    (source,), _ = load_sides(task)
    exam = source.held_out_clips(source.split(0).test)
    updates = task.protocol.pretrain_updates
    ctx = Context("cold", 1.0, Budget(updates, updates * task.protocol.frames_per_update), seed)
    model: Any = make_model("fe", {})
    errors: dict[int, float] = {}
    plain = Training.training_step

    def watched(self: Training, batch: Any, index: int) -> Any:
        if index == int(0.8 * updates):
            model._network, model._normal = self.network.eval(), self.normal
            errors[index] = _error(model, exam, ctx)
            self.network.train()
        return plain(self, batch, index)

    monkeypatch.setattr(Training, "training_step", watched)
    model.adapt(source.domain(source.split(0).train), ctx)
    before, after = errors[int(0.8 * updates)], _error(model, exam, ctx)
    hold = _error(Hold(), exam, ctx)
    print(f"seed {seed}: {before:.3f} cm at 80 %, {after:.3f} cm at 100 % of {updates} updates; hold {hold:.2f} cm")
    assert np.isfinite(after)
    assert after > 0.95 * before
    assert after < 0.5 * hold
