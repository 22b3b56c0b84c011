"""The conformance suite passes the reference entries and tells what is wrong with broken models."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.model.api import Context, Domain, ModelCard, Prompt, Trajectory
from rae_bench.testing import CHECKS, PendingCheck, assert_model, check_model, list_checks


@pytest.mark.parametrize("check", list_checks("hold"), ids=str)
def test_hold_conforms_check_by_check(check: PendingCheck) -> None:
    check.require()


@pytest.mark.parametrize("name", ["interpolate", "nearest"])
def test_controls_conform(name: str) -> None:
    assert_model(name)


def test_reference_entry_conforms() -> None:
    # Fewer updates than the default: what is tested is the API, and 15 checks of a network take their time.
    assert_model("fe", updates=6)


class Still:
    """Holds the last pose; a correct model to break."""

    card = ModelCard(
        name="still",
        authors="test",
        licence="MIT",
        description="holds the last pose",
        capabilities=frozenset({"frozen", "finetune"}),
    )
    taught = 0.0

    def pretrain(self, source: Domain, ctx: Context) -> None:
        self.taught = 0.01

    def adapt(self, target: Domain, ctx: Context) -> None:
        if ctx.regime in ("frozen", "finetune") and not self.taught:
            raise UserError("pretrain first")

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        frames = int(prompt.frames.max())
        root = np.repeat(prompt.history.root_positions[:, -1:], frames, 1)
        rotations = np.repeat(prompt.history.rotations[:, -1:], frames, 1)
        return Trajectory(root[None] + np.float32(self.taught), rotations[None])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps(self.taught))

    def load(self, folder: Path) -> None:
        self.taught = json.loads((folder / "state.json").read_text())


def failures(model: type) -> dict[str, str]:
    checks = check_model(model)
    assert len(checks) == len(CHECKS)
    return {check.name: check.reason for check in checks if not check.ok}


def moved(trajectory: Trajectory, shift: np.ndarray) -> Trajectory:
    """Roots moved by (N, T, 3) metres."""
    return replace(trajectory, root_positions=(trajectory.root_positions + shift).astype(np.float32))


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
        assert ctx.source is not None
        ctx.source.phases[...] = 1


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


def test_shape() -> None:
    class Clipped(Still):
        """Forgets the samples axis."""

        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            out = super().generate(prompt, ctx)
            return Trajectory(out.root_positions[0], out.rotations[0])

    assert failures(Clipped)["shapes"] == (
        "generate gave root_positions of shape (4, 45, 3); (S, N, T, ...) = (1, 4, 45, 3) is needed"
    )


def test_dtype() -> None:
    class Double(Still):
        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            out = super().generate(prompt, ctx)
            return Trajectory(out.root_positions.astype(float), out.rotations)

    assert "root_positions as float64 array; a numpy float32 array" in failures(Double)["shapes"]


def test_unit_quaternions() -> None:
    class Long(Still):
        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            out = super().generate(prompt, ctx)
            return Trajectory(out.root_positions, 2 * out.rotations)

    found = failures(Long)
    assert list(found) == ["shapes"]
    assert "not unit quaternions" in found["shapes"]


def test_nan() -> None:
    class Diverges(Still):
        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            out = super().generate(prompt, ctx)
            out.rotations[:, 2, 20:] = np.nan
            return out

    found = failures(Diverges)
    assert found["finite"] == "rotations of clip 2 are not finite from generated frame 20 on"
    assert set(found) <= {"finite", "batch_split", "one_segment", "no_segments", "claimed_regimes"}


def test_padding_may_be_anything() -> None:
    class Padding(Still):
        """Frames past a clip's length are nobody's."""

        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            out = super().generate(prompt, ctx)
            for n, frames in enumerate(prompt.frames):
                out.root_positions[:, n, frames:] = np.nan
            return out

    assert not failures(Padding)


def test_global_randomness() -> None:
    class Random(Still):
        def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
            return moved(super().generate(prompt, ctx), np.random.normal(0, 0.1, 3))  # noqa: NPY002

    assert "generate called twice with the same seed differs" in failures(Random)["deterministic"]


def test_unseeded_training() -> None:
    class Random(Still):
        def adapt(self, target: Domain, ctx: Context) -> None:
            super().adapt(target, ctx)
            self.taught += np.random.default_rng().normal(0, 0.1)

    found = failures(Random)
    assert "two instances trained with the same seed differ" in found["deterministic"]
    assert "batch_split" not in found


def test_pickles() -> None:
    class Pickles(Still):
        """A pickle under the name of a text file."""

        def save(self, folder: Path) -> None:
            super().save(folder)
            (folder / "more.txt").write_bytes(pickle.dumps(self.taught))

    class Objects(Still):
        """Pickled objects within an npz file."""

        def save(self, folder: Path) -> None:
            super().save(folder)
            np.savez(folder / "more.npz", a=np.array([{}], dtype=object))

    class Checkpoint(Still):
        def save(self, folder: Path) -> None:
            super().save(folder)
            (folder / "more.ckpt").write_bytes(b"PK\3\4")

    for model, reason in (
        (Pickles, "saved file more.txt is not text as its name says"),
        (Objects, "saved file more.npz does not load with allow_pickle=False"),
        (Checkpoint, "saved file more.ckpt has the ending '.ckpt'"),
    ):
        found = failures(model)
        assert list(found) == ["saved_files"]
        assert found["saved_files"].startswith(reason)


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

    with pytest.raises(AssertionError, match=r"2 of 15 checks failed\n  save_pretrained: .*\n  save_adapted: "):
        assert_model(Forgetful)


def test_no_such_model_is_a_usage_error() -> None:
    with pytest.raises(UserError, match="unknown model 'hodl'; did you mean hold"):
        check_model("hodl")
    with pytest.raises(UserError, match="takes no arguments"):
        check_model("hold", options={"size": 3})
