"""The public conformance suite: does a model keep to the plug-in API?

    from rae_bench.testing import assert_model, list_checks

    def test_my_model() -> None:
        assert_model("path/to/my_model.py:MyModel")

or, one test per check:

    @pytest.mark.parametrize("check", list_checks(MyModel), ids=str)
    def test_conforms(check: PendingCheck) -> None:
        check.require()

A model is tried on two tiny built-in domains, a few clips of 2.5 s each. The checks tell whether it keeps to the API,
not whether it moves well. They see outputs only: a model that looks for test data on disk is beyond them.
"""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
import traceback
import weakref
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.data.locomotion import generate_locomotion
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.model import REGIMES, Budget, Context, Domain, Model, ModelCard, Prompt, Trajectory
from rae_bench.motion import Motion, make_motion
from rae_bench.objectives import CONTACT, KEYFRAME, Objectives
from rae_bench.protocol.domains import Side, examine
from rae_bench.protocol.task import Protocol
from rae_bench.registry import make_model
from rae_bench.rig import load_rig

TOLERANCE = 1e-3
"""Metres and radians. Not zero: a matrix product over another number of clips adds in another order, so the last bits
of float32 (1e-7) differ, and a roll-out feeds them back frame by frame."""
SUFFIXES = (".npz", ".npy", ".safetensors", ".json", ".toml", ".csv", ".txt")
SOURCE_RIG, TARGET_RIG = "r4", "quad"
PROTOCOL = Protocol(seconds=2.5)
LENGTHS = (75, 68, 60, 52)
"""Frames of the test clips: uneven, so that padding is met."""


@dataclass(frozen=True)
class Check:
    """What came of one check; `reason` says what is wrong, or why a check that passes was skipped."""

    name: str
    ok: bool
    reason: str = ""


class Skipped(Exception):
    """Raised by a check that does not apply to a model; the text says why."""


@dataclass(frozen=True, eq=False)
class Material:
    """The tiny domains; only ever handed to a model as copies.

    Attributes:
        source, target: training segments of two rigs.
        prompt: N = 4 test clips of the target's rig, of uneven length.
    """

    source: Domain
    target: Domain
    one: Domain
    empty: Domain
    prompt: Prompt


@lru_cache(maxsize=1)
def _material() -> Material:
    def side(rig: str, clips: int) -> Side:
        return Side(generate_locomotion(load_rig(rig), clips=clips, seconds=PROTOCOL.seconds), PROTOCOL)

    source, target = side(SOURCE_RIG, 10), side(TARGET_RIG, 20)
    train, held = target.split.train[:8], np.concatenate([target.split.test, target.split.val])[: len(LENGTHS)]
    motion = target.corpus.motion[held]
    motion = make_motion(
        motion.rig,
        motion.fps,
        motion.root_positions,
        motion.rotations,
        lengths=np.array(LENGTHS),
        contacts=motion.contacts,
    )
    names = [target.corpus.ids[i] for i in held]
    return Material(
        source.domain(source.split.train),
        target.domain(train),
        target.domain(train[:1]),
        target.domain(train[:0]),
        examine(motion, round(PROTOCOL.history * PROTOCOL.fps), names, names).prompt,
    )


class Subject:
    """A model under test. What several checks need (a pre-training, an adaptation) is made once, on first use."""

    def __init__(self, model: str | type, options: Mapping[str, Any] | None, updates: int, seed: int) -> None:
        self.model, self.options, self.updates, self.seed = model, dict(options or {}), updates, seed
        self.material = _material()
        self.folder = Path(tempfile.mkdtemp(prefix="rae-bench-check-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def make(self) -> Model:
        """A fresh instance."""
        return make_model(self.model, self.options) if isinstance(self.model, str) else self.model(**self.options)

    @cached_property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.make().card

    @property
    def regimes(self) -> list[str]:
        """Regimes that the card claims; what learns nothing has only `none`."""
        return ["cold", *(r for r in REGIMES if r in self.card.capabilities)] if self.card.learns else ["none"]

    @property
    def transfer(self) -> str | None:
        """A claimed regime that starts from pre-training."""
        return next((r for r in ("finetune", "frozen", "zero-shot") if r in self.card.capabilities), None)

    def context(self, regime: str) -> Context:
        """A fresh context with a small budget."""
        budget = Budget(self.updates, self.updates * PROTOCOL.frames_per_update)
        source = None if regime == "pretrain" else deepcopy(self.material.source)
        return Context(regime, 1.0, budget, self.seed, source=source)

    def adapt(self, regime: str, *, load: Path | None = None, target: Domain | None = None) -> Model:
        """A fresh instance, loaded from `load` where given, adapted to `target` (as a rule eight segments)."""
        model = self.make()
        if load is not None:
            model.load(load)
        model.adapt(deepcopy(self.material.target if target is None else target), self.context(regime))
        return model

    def generate(self, model: Model, prompt: Prompt | None = None, regime: str | None = None) -> Trajectory:
        """What an adapted model makes of a copy of `prompt` (as a rule the four test clips)."""
        prompt = self.material.prompt if prompt is None else prompt
        return model.generate(deepcopy(prompt), self.context(regime or self.regimes[0]))

    @cached_property
    def adapted(self) -> Model:
        """An instance adapted without pre-training."""
        return self.adapt(self.regimes[0])

    @cached_property
    def output(self) -> Trajectory:
        """What `adapted` makes of the test clips."""
        return self.generate(self.adapted)

    @cached_property
    def pretrained(self) -> tuple[Model, Path]:
        """A pre-trained instance, and the folder that it was saved to."""
        model = self.make()
        model.pretrain(deepcopy(self.material.source), self.context("pretrain"))
        model.save(self.folder / "pretrained")
        return model, self.folder / "pretrained"

    @cached_property
    def transferred(self) -> Trajectory:
        """What an instance makes of the test clips that was loaded from `pretrained` and adapted."""
        assert self.transfer is not None
        target = self.material.empty if self.transfer == "zero-shot" else None
        return self.generate(self.adapt(self.transfer, load=self.pretrained[1], target=target), regime=self.transfer)


# What checks share.


def _shape_fault(trajectory: Any, prompt: Prompt, samples: int = 1) -> str:
    clips, frames, joints = len(prompt.frames), int(prompt.frames.max()), len(prompt.rig)
    for name, tail in (("root_positions", (3,)), ("rotations", (joints, 4))):
        array = getattr(trajectory, name, None)
        if not isinstance(array, np.ndarray) or array.dtype != np.float32:
            found = f"{array.dtype} array" if isinstance(array, np.ndarray) else type(array).__name__
            return f"generate gave {name} as {found}; a numpy float32 array is needed"
        wanted = (samples, clips, frames, *tail)
        if array.shape != wanted:
            return f"generate gave {name} of shape {array.shape}; (S, N, T, ...) = {wanted} is needed"
    return ""


def _finite_fault(trajectory: Trajectory, prompt: Prompt) -> str:
    for name in ("root_positions", "rotations"):
        for n, frames in enumerate(prompt.frames):
            bad = np.argwhere(~np.isfinite(getattr(trajectory, name)[:, n, :frames]))
            if len(bad):
                return f"{name} of clip {n} are not finite from generated frame {bad[:, 1].min()} on"
    return ""


def _fault(trajectory: Trajectory, prompt: Prompt) -> str:
    return _shape_fault(trajectory, prompt) or _finite_fault(trajectory, prompt)


def _gap(a: Trajectory, b: Trajectory, frames: np.ndarray) -> tuple[float, str]:
    """The largest difference over each clip's first `frames` (N,), in metres or radians, and where it is."""
    if a.root_positions.shape != b.root_positions.shape or a.rotations.shape != b.rotations.shape:
        return np.inf, f"the shapes differ: {a.rotations.shape} and {b.rotations.shape}"
    valid = np.arange(a.rotations.shape[2]) < frames[:, None]
    worst, where = 0.0, ""
    # What is not finite is for the check `finite` to say; here it counts as zero.
    p, q, root_a, root_b = (
        np.nan_to_num(x.astype(float)) for x in (a.rotations, b.rotations, a.root_positions, b.root_positions)
    )
    chord = np.minimum(np.linalg.norm(p - q, axis=-1), np.linalg.norm(p + q, axis=-1))
    for gap, unit in (
        (np.linalg.norm(root_a - root_b, axis=-1), "m at the root"),
        (4 * np.arcsin(np.minimum(chord / 2, 1)).max(-1), "rad at a joint"),
    ):
        gap = np.where(valid, gap, 0)
        if gap.max(initial=0) > worst:
            worst = float(gap.max())
            _, clip, frame = np.unravel_index(gap.argmax(), gap.shape)
            where = f"clip {clip}, generated frame {frame}: {worst:.3g} {unit}"
    return worst, where


def _only(prompt: Prompt, clips: np.ndarray) -> Prompt:
    """Some clips as they would come alone: objectives no longer than theirs."""
    part = prompt[clips]
    rows = part.history.root_positions.shape[1] + int(part.frames.max())
    return replace(part, objectives=part.objectives.cut(0, rows))


def _with_other_objectives(prompt: Prompt, row: int) -> Prompt:
    """The same prompt with other objectives in the rows from `row` on: elsewhere, turned, later, of another kind."""
    old = prompt.objectives
    late = np.arange(old.kinds.shape[1])[:, None] >= row
    moved = old.positions + np.float32(prompt.rig.height) * np.array([0.7, 0.2, -0.5], np.float32)
    turned = quat.mul(np.broadcast_to(quat.from_yaw(np.array(1.0)), old.rotations.shape), old.rotations)
    kinds = np.where(old.kinds == CONTACT, KEYFRAME, np.where(old.kinds == KEYFRAME, CONTACT, old.kinds))
    new = Objectives(
        np.where(late[..., None], moved, old.positions).astype(np.float32),
        np.where(late[..., None], turned, old.rotations).astype(np.float32),
        np.where(late, old.arrivals + 5, old.arrivals).astype(old.arrivals.dtype),
        np.where(late, kinds, old.kinds).astype(old.kinds.dtype),
    )
    return replace(prompt, objectives=new)


def _arrays(value: Any, path: str) -> dict[str, np.ndarray]:
    """Every array within a dataclass, by its path; of motions the derived world positions too, which are kept there."""
    if isinstance(value, np.ndarray):
        return {path: value}
    found: dict[str, np.ndarray] = {}
    if is_dataclass(value):
        for field in fields(value):
            found |= _arrays(getattr(value, field.name), f"{path}.{field.name}")
    if isinstance(value, Motion) and len(value):
        found |= {f"{path}.positions": value.positions, f"{path}.global_rotations": value.global_rotations}
    return found


def _changed(value: Any, path: str, before: Mapping[str, np.ndarray]) -> str:
    for name, array in _arrays(value, path).items():
        if not np.array_equal(array, before[name], equal_nan=array.dtype.kind == "f"):
            return f"{name} was changed; work on a copy"
    return ""


def _copies(value: Any, path: str) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in _arrays(value, path).items()}


def _file_fault(path: Path) -> str:
    """Why a saved file is neither arrays nor text; the content counts, not only the name."""
    if path.is_symlink():
        return "is a link; write a file"
    if path.suffix not in SUFFIXES:
        return f"has the ending '{path.suffix}'; allowed: {' '.join(SUFFIXES)}"
    data = path.read_bytes()
    if path.suffix in (".npz", ".npy"):
        try:
            with path.open("rb") as file:
                loaded = np.load(file, allow_pickle=False)
                for name in loaded.files if path.suffix == ".npz" else ():
                    loaded[name]
        except Exception as error:  # zip, npy header and pickle faults all come as other types
            return f"does not load with allow_pickle=False ({error})"
    elif path.suffix == ".safetensors":
        try:
            (size,) = struct.unpack("<Q", data[:8])
            json.loads(data[8 : 8 + size])
        except (struct.error, ValueError) as error:
            return f"is no safetensors file ({error})"
    else:
        # Pickles begin with byte 0x80 since protocol 2, which never begins a character of UTF-8; older ones are text,
        # but not JSON.
        try:
            text = data.decode("utf-8")
            if path.suffix == ".json":
                json.loads(text)
        except ValueError as error:
            return f"is not text as its name says ({error})"
    return ""


# The checks. Each returns what is wrong, "" where nothing is.


def card_complete(subject: Subject) -> str:
    """The card names the model and who made it, and uses words that the protocol knows."""
    card = subject.card
    if not isinstance(card, ModelCard):
        return f"card is a {type(card).__name__}; a rae_bench.model.ModelCard is needed"
    empty = [name for name in ("name", "version", "authors", "licence", "description") if not getattr(card, name)]
    if empty:
        return f"card says nothing under: {', '.join(empty)}"
    strange = sorted(set(card.capabilities) - set(REGIMES) - {"samples"})
    if strange:
        return f"card has unknown capabilities: {', '.join(strange)}; known: {', '.join(REGIMES)}, samples"
    if card.access not in ("causal", "offline"):
        return f"card has access '{card.access}'; causal or offline is needed"
    return ""


def shapes(subject: Subject) -> str:
    """Trajectories are float32, (S, N, T, 3) and (S, N, T, J, 4), and rotations are unit quaternions."""
    prompt = subject.material.prompt
    fault = _shape_fault(subject.output, prompt)
    if fault:
        return fault
    for n, frames in enumerate(prompt.frames):
        off = np.abs(np.linalg.norm(subject.output.rotations[:, n, :frames], axis=-1) - 1)
        if off.max() > 0.01:
            return f"rotations of clip {n} are not unit quaternions: a length is off by {off.max():.2g}"
    if "samples" in subject.card.capabilities:
        return _shape_fault(subject.generate(subject.adapted, replace(prompt, num_samples=3)), prompt, samples=3)
    return ""


def finite(subject: Subject) -> str:
    """No NaN and no infinity."""
    return _finite_fault(subject.output, subject.material.prompt)


def deterministic(subject: Subject) -> str:
    """The same seed gives the same numbers: generated twice, and trained and generated twice."""
    frames = subject.material.prompt.frames
    gap, where = _gap(subject.output, subject.generate(subject.adapted), frames)
    if gap:
        return f"generate called twice with the same seed differs, {where}; draw from a generator seeded with ctx.seed"
    gap, where = _gap(subject.output, subject.generate(subject.adapt(subject.regimes[0])), frames)
    if gap:
        return f"two instances trained with the same seed differ, {where}; draw from a generator seeded with ctx.seed"
    return ""


def batch_split(subject: Subject) -> str:
    """A clip comes out the same alone, in a part and in another order of the batch."""
    prompt = subject.material.prompt
    count = len(prompt.frames)
    order = np.arange(count)
    for what, parts in (
        ("alone", [order[n : n + 1] for n in order]),
        ("in another order", [order[::-1]]),
        ("in a smaller batch", [order[: count // 2], order[count // 2 :]]),
    ):
        for clips in parts:
            part = _only(prompt, clips)
            got = subject.generate(subject.adapted, part)
            frames = got.rotations.shape[2]
            whole = Trajectory(
                subject.output.root_positions[:, clips, :frames], subject.output.rotations[:, clips, :frames]
            )
            gap, where = _gap(whole, got, part.frames)
            if not gap <= TOLERANCE:
                return f"clips {clips.tolist()} {what} differ from the whole batch, {where}"
    return ""


def no_future_objectives(subject: Subject) -> str:
    """What becomes current later does not change what comes earlier; for cards with access `causal`."""
    if subject.card.access != "causal":
        raise Skipped("the card says offline")
    prompt = subject.material.prompt
    history = prompt.history.root_positions.shape[1]
    for ahead in (1, 8, 25):
        row = history + ahead
        got = subject.generate(subject.adapted, _with_other_objectives(prompt, row))
        # Row t is what may be known when frame t + 1 is made: frames up to and with `row` come first.
        gap, where = _gap(subject.output, got, np.minimum(prompt.frames, ahead + 1))
        if not gap <= TOLERANCE:
            return (
                f"uses the future: objectives current from generated frame {ahead} on change what comes before, "
                f"{where}; frame t + 1 may use rows up to t alone, or the card says access='offline'"
            )
    return ""


def inputs_unchanged(subject: Subject) -> str:
    """Domains and prompts are the caller's: pretrain, adapt and generate leave every array as it was."""
    model, material = subject.make(), deepcopy(subject.material)
    regime = subject.regimes[0]
    domain, prompt, source = material.target, material.prompt, material.source
    before = _copies(domain, "domain") | _copies(prompt, "prompt") | _copies(source, "ctx.source")
    ctx = replace(subject.context(regime), source=source)
    if subject.card.learns:
        ctx.budget = Budget(1, PROTOCOL.frames_per_update)
    pretraining = replace(ctx, regime="pretrain", source=None)
    for call, run in (
        ("pretrain", lambda: subject.make().pretrain(source, pretraining)),
        ("adapt", lambda: model.adapt(domain, ctx)),
        ("generate", lambda: model.generate(prompt, ctx)),
    ):
        run()
        changed = (
            _changed(domain, "domain", before)
            or _changed(prompt, "prompt", before)
            or _changed(source, "ctx.source", before)
        )
        if changed:
            return f"{call}: {changed}"
    return ""


def one_segment(subject: Subject) -> str:
    """One training segment is enough to go on."""
    model = subject.adapt(subject.regimes[0], target=subject.material.one)
    return _fault(subject.generate(model), subject.material.prompt)


def no_segments(subject: Subject) -> str:
    """With no training segment `adapt` does not fail and what is generated is finite."""
    model = subject.adapt(subject.regimes[0], target=subject.material.empty)
    return _fault(subject.generate(model), subject.material.prompt)


def save_pretrained(subject: Subject) -> str:
    """Saved after pre-training and loaded in a fresh instance, a model adapts to the same."""
    if subject.transfer is None:
        raise Skipped("the card claims no regime that starts from pre-training")
    kept, _ = subject.pretrained
    transferred = subject.transferred
    target = subject.material.empty if subject.transfer == "zero-shot" else subject.material.target
    kept.adapt(deepcopy(target), subject.context(subject.transfer))
    got = subject.generate(kept, regime=subject.transfer)
    gap, where = _gap(got, transferred, subject.material.prompt.frames)
    if not gap <= TOLERANCE:
        return f"{subject.transfer} after save and load in a fresh instance differs from without them, {where}"
    return ""


def save_adapted(subject: Subject) -> str:
    """Saved after adapting and loaded in a fresh instance, a model generates the same."""
    folder = subject.folder / "adapted"
    subject.adapted.save(folder)
    fresh = subject.make()
    fresh.load(folder)
    gap, where = _gap(subject.output, subject.generate(fresh), subject.material.prompt.frames)
    return f"generate after save and load in a fresh instance differs, {where}" if not gap <= TOLERANCE else ""


def saved_files(subject: Subject) -> str:
    """What is saved is arrays and JSON: nothing that runs code when it is loaded."""
    folders = [subject.folder / "files"]
    subject.adapted.save(folders[0])
    if subject.transfer is not None:
        folders.append(subject.pretrained[1])
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            fault = "" if path.is_dir() and not path.is_symlink() else _file_fault(path)
            if fault:
                return f"saved file {path.relative_to(folder)} {fault}"
    return ""


def claimed_regimes(subject: Subject) -> str:
    """Every regime in the card's capabilities runs."""
    if not subject.card.learns:
        raise Skipped("the card says that it learns nothing")
    for regime in subject.regimes:
        if regime == "cold":
            output = subject.output
        elif regime == subject.transfer:
            output = subject.transferred
        else:
            load = subject.pretrained[1] if regime in ("frozen", "finetune", "zero-shot") else None
            target = subject.material.empty if regime == "zero-shot" else None
            output = subject.generate(subject.adapt(regime, load=load, target=target), regime=regime)
        fault = _fault(output, subject.material.prompt)
        if fault:
            return f"{regime}: {fault}"
    return ""


def frozen_needs_pretraining(subject: Subject) -> str:
    """Frozen without pre-training is refused, or differs: otherwise the source taught nothing."""
    if "frozen" not in subject.card.capabilities:
        raise Skipped("the card does not claim frozen")
    try:
        bare = subject.generate(subject.adapt("frozen"), regime="frozen")
    except Exception:  # refusing is right, in whatever words
        return ""
    taught = subject.generate(subject.adapt("frozen", load=subject.pretrained[1]), regime="frozen")
    if _gap(bare, taught, subject.material.prompt.frames)[0] == 0:
        return "frozen gives the same with and without pretrain: nothing of the source is used"
    return ""


CHECKS: tuple[Callable[[Subject], str], ...] = (
    card_complete,
    shapes,
    finite,
    deterministic,
    batch_split,
    no_future_objectives,
    inputs_unchanged,
    one_segment,
    no_segments,
    save_pretrained,
    save_adapted,
    saved_files,
    claimed_regimes,
    frozen_needs_pretraining,
)


@dataclass(frozen=True)
class PendingCheck:
    """One check of one model, yet to be run; for `pytest.mark.parametrize`."""

    function: Callable[[Subject], str]
    subject: Subject

    @property
    def name(self) -> str:
        """The check's name."""
        return self.function.__name__

    def __str__(self) -> str:
        return self.name

    def run(self) -> Check:
        """Run it. A model that raises fails the check, with what it raised as the reason."""
        try:
            reason = self.function(self.subject)
        except Skipped as skipped:
            return Check(self.name, True, f"skipped: {skipped}")
        except Exception as error:  # a model is foreign code
            last = traceback.extract_tb(error.__traceback__)[-1]
            return Check(
                self.name, False, f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
            )
        return Check(self.name, not reason, reason)

    def require(self) -> None:
        """Run it, and raise `AssertionError` with the reason where it fails."""
        check = self.run()
        if not check.ok:
            raise AssertionError(f"{check.name}: {check.reason}")


def list_checks(
    model: str | type, *, options: Mapping[str, Any] | None = None, updates: int = 20, seed: int = 0
) -> list[PendingCheck]:
    """The checks of a model, to be run one by one; what they share is made once. Arguments as of `check_model`."""
    subject = Subject(model, options, updates, seed)
    return [PendingCheck(function, subject) for function in CHECKS]


def check_model(
    model: str | type, *, options: Mapping[str, Any] | None = None, updates: int = 20, seed: int = 0
) -> list[Check]:
    """Try a model on tiny built-in data.

    Args:
        model: name of an entry, `package.module:Class`, `path/to/file.py:Class`, or the class itself.
        options: keyword arguments of the model.
        updates: optimiser steps of each training; a handful is enough to see whether the API is kept.
        seed: of the trainings.

    Raises:
        UserError: there is no such model, or it does not take these options. Whatever else a model raises is a
            failed check.
    """
    checks = list_checks(model, options=options, updates=updates, seed=seed)
    try:
        checks[0].subject.make()
    except UserError:
        raise
    except Exception:  # whatever else a model raises is for the checks to tell
        pass
    return [pending.run() for pending in checks]


def assert_model(
    model: str | type, *, options: Mapping[str, Any] | None = None, updates: int = 20, seed: int = 0
) -> None:
    """`check_model`, raising `AssertionError` with every failure. Arguments as of `check_model`."""
    failed = [check for check in check_model(model, options=options, updates=updates, seed=seed) if not check.ok]
    if failed:
        lines = "\n".join(f"  {check.name}: {check.reason}" for check in failed)
        raise AssertionError(f"{len(failed)} of {len(CHECKS)} checks failed\n{lines}")
