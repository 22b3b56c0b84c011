"""The conformance suite passes the reference entries and tells what is wrong with broken models."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers.still_model import Still, failures, moved
from torch import nn

from rae_bench.errors import UserError
from rae_bench.model import (
    Context,
    Domain,
    Frame,
    LightningModel,
    Linear,
    ModelCard,
    Next,
    Prompt,
    Sizes,
    StepNetwork,
    TrainConfig,
    Trajectory,
)
from rae_bench.testing import PendingCheck, assert_model, check_model, list_checks


@pytest.mark.parametrize("check", list_checks("hold"), ids=str)
def test_hold_conforms_check_by_check(check: PendingCheck) -> None:
    check.require()


@pytest.mark.parametrize("name", ["interpolate", "nearest"])
def test_controls_conform(name: str) -> None:
    assert_model(name)


def test_reference_entry_conforms() -> None:
    # Fewer updates than the default: what is tested is the API, and 16 checks of a network take their time.
    assert_model("fe", updates=6)


def test_correct_model_passes() -> None:
    assert not failures(Still)


class LastRow(Still):
    """Goes to the last objective from the first frame on."""

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        return moved(super().generate(prompt, ctx), 0.1 * prompt.objectives.positions[:, -1:, 0])


class NextRow(Still):
    """Frame t + 1 from row t + 1: one row too far."""

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        first, frames = prompt.history.root_positions.shape[1], int(prompt.frames.max())
        return moved(super().generate(prompt, ctx), prompt.objectives.positions[:, first : first + frames, 0])


class CurrentRow(Still):
    """Frame t + 1 from row t: as it should be."""

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        first, frames = prompt.history.root_positions.shape[1] - 1, int(prompt.frames.max())
        return moved(super().generate(prompt, ctx), prompt.objectives.positions[:, first : first + frames, 0])


@pytest.mark.parametrize("model", [LastRow, NextRow])
def test_future(model: type) -> None:
    found = failures(model)
    assert list(found) == ["no_future_objectives"]
    assert "uses the future" in found["no_future_objectives"]


def test_current_objectives_are_no_future() -> None:
    assert not failures(CurrentRow)


def test_offline_models_may_look_ahead() -> None:
    class Offline(LastRow):
        # Not the last row of all, which depends on the longest clip of the batch, but the clip's own.
        card = replace(Still.card, access="offline")

        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            own = prompt.history.root_positions.shape[1] + prompt.frames - 2
            goal = prompt.objectives.positions[np.arange(len(own)), own, 0]
            return moved(Still.generate(self, prompt, ctx), goal[:, None])

    assert not failures(Offline)


def test_batch_split() -> None:
    class Normalising(Still):
        """Subtracts the mean over the batch."""

        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            mean = prompt.history.root_positions[:, -1].mean(0)
            return moved(super().generate(prompt, ctx), -mean)

    found = failures(Normalising)
    assert list(found) == ["batch_split"]
    assert "clips [0] alone differ from the whole batch" in found["batch_split"]


def test_order_of_the_batch() -> None:
    class Counting(Still):
        """Depends on the place of a clip in the batch."""

        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            return moved(super().generate(prompt, ctx), 0.1 * np.arange(len(prompt.frames))[:, None, None])

    assert list(failures(Counting)) == ["batch_split"]


class WritesPrompt(Still):
    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        out = super().generate(prompt, ctx)
        prompt.history.root_positions[:, -1] -= 1
        return out


class WritesPositions(Still):
    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        prompt.history.positions[...] = 0
        return super().generate(prompt, ctx)


class WritesDomain(Still):
    def adapt(self, target: Domain, ctx: Context) -> None:
        super().adapt(target, ctx)
        target.motion.rotations[...] *= 0.5


class WritesSource(Still):
    def adapt(self, target: Domain, ctx: Context) -> None:
        super().adapt(target, ctx)
        if ctx.source is not None:
            ctx.source.phases[...] = 1


class WantsSource(Still):
    """There is no source in `cold`."""

    def adapt(self, target: Domain, ctx: Context) -> None:
        super().adapt(target, ctx)
        assert ctx.source is not None, "no source"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (WritesPrompt, "generate: prompt.history.root_positions was changed"),
        (WritesPositions, "generate: prompt.history.positions was changed"),
        (WritesDomain, "adapt: domain.motion.rotations was changed"),
        (WritesSource, "adapt: ctx.source.phases was changed"),
    ],
)
def test_inputs(model: type, reason: str) -> None:
    found = failures(model)
    assert list(found) == ["inputs_unchanged"]
    assert found["inputs_unchanged"].startswith(reason)


def test_a_model_that_counts_on_a_source_fails_in_cold() -> None:
    assert "no source" in failures(WantsSource)["shapes"]


class Meets(LightningModel):
    """Its network averages over whatever else is in the batch, cells included."""

    card = ModelCard(name="meets")
    train_defaults = TrainConfig(windows=4)

    def network(self, sizes: Sizes) -> nn.Module:
        class Mixed(StepNetwork):
            stacks = True

            def __init__(self) -> None:
                super().__init__()
                self.codec, self.core = Linear(sizes.pose, sizes.change), Linear(1, 1)

            def forward(self, frame: Frame) -> Next:
                change = self.codec(frame.pose)
                return Next(0.1 * (change - (change.mean() if frame.draws else 0)), frame.phase)

        return Mixed()


def test_cells_that_do_not_keep_apart() -> None:
    found = failures(Meets)
    assert "a cell that trained with another differs from the same cell alone" in found["trained_together"]


def test_forgetful() -> None:
    class Forgetful(Still):
        def load(self, folder: Path) -> None:
            self.taught = 0.5

    assert set(failures(Forgetful)) == {"save_pretrained", "save_adapted"}


def test_frozen_without_a_source() -> None:
    class Untaught(Still):
        def pretrain(self, source: Domain, ctx: Context) -> None:
            pass

        def adapt(self, target: Domain, ctx: Context) -> None:
            pass

    found = failures(Untaught)
    assert list(found) == ["frozen_needs_pretraining"]
    assert "nothing of the source is used" in found["frozen_needs_pretraining"]


def test_claimed_regime_that_fails() -> None:
    class Boasting(Still):
        card: ClassVar[ModelCard] = replace(Still.card, capabilities=frozenset({"frozen", "zero-shot"}))

        def adapt(self, target: Domain, ctx: Context) -> None:
            super().adapt(target, ctx)
            if ctx.regime == "zero-shot":
                raise RuntimeError("cannot do that")

    found = failures(Boasting)
    assert list(found) == ["claimed_regimes"]
    assert found["claimed_regimes"].startswith("RuntimeError: cannot do that (test_check_model.py, line ")


def test_empty_target() -> None:
    class Greedy(Still):
        def adapt(self, target: Domain, ctx: Context) -> None:
            super().adapt(target, ctx)
            target.motion.root_positions.min()

    assert list(failures(Greedy)) == ["no_segments"]


def test_card() -> None:
    class Nameless(Still):
        card = ModelCard(name="", capabilities=frozenset({"samples"}))

    class Strange(Still):
        card = replace(Still.card, capabilities=frozenset({"frosen"}))

    assert failures(Nameless)["card_complete"] == "card says nothing under: name, authors, licence, description"
    assert "unknown capabilities: frosen" in failures(Strange)["card_complete"]


def test_all_failures_are_in_the_error() -> None:
    class Forgetful(Still):
        def load(self, folder: Path) -> None:
            self.taught = 0.5

    with pytest.raises(AssertionError, match=r"2 of 18 checks failed\n  save_pretrained: .*\n  save_adapted: "):
        assert_model(Forgetful)


def test_no_such_model_is_a_usage_error() -> None:
    with pytest.raises(UserError, match="unknown model 'hodl'; did you mean hold"):
        check_model("hodl")
    with pytest.raises(UserError, match="takes no arguments"):
        check_model("hold", options={"size": 3})
