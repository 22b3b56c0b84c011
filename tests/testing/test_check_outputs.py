"""The conformance suite finds what is wrong with what a model gives and saves."""

import pickle
from pathlib import Path

import numpy as np
from helpers.still_model import Still, failures, moved

from rae_bench.model import Context, Domain, Prompt, Trajectory


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
    assert set(found) <= {"finite", "control_track", "batch_split", "one_segment", "no_segments", "claimed_regimes"}


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
