"""The checks. Each returns what is wrong with a model in words, or an empty text."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from rae_bench.model.api import MULTIPLE_SOURCES, SAMPLES, Budget, Context, ModelCard, Trajectory
from rae_bench.model.regimes import COLD, FROZEN, REGIMES, RETARGET, ZERO_SHOT
from rae_bench.objectives.tracks import CONTROL
from rae_bench.testing.check import Skipped
from rae_bench.testing.faults import (
    change_since,
    copies_of,
    fault_of,
    file_fault,
    finite_fault,
    gap_between,
    shape_fault,
    unit_fault,
)
from rae_bench.testing.prompts import only, with_other_objectives, with_other_path
from rae_bench.testing.subject import PROTOCOL, Subject
from rae_bench.testing.subject import material as material_of

TOLERANCE = 1e-3
"""Metres and radians by which two outputs that are to be equal may differ. It is not zero, because a matrix product
over another number of clips adds in another order. The last bits of float32 (1e-7) differ then, and a roll-out feeds
them back frame by frame."""


def card_complete(subject: Subject) -> str:
    """The card names the model and who made it, and uses words that the protocol knows."""
    card = subject.card
    if not isinstance(card, ModelCard):
        return f"card is a {type(card).__name__}; a rae_bench.model.ModelCard is needed"
    empty = [name for name in ("name", "version", "authors", "licence", "description") if not getattr(card, name)]
    if empty:
        return f"card says nothing under: {', '.join(empty)}"
    known = (*REGIMES, SAMPLES, MULTIPLE_SOURCES)
    strange = sorted(set(card.capabilities) - set(known))
    if strange:
        return f"card has unknown capabilities: {', '.join(strange)}; known: {', '.join(known)}"
    if card.access not in ("causal", "offline"):
        return f"card has access '{card.access}'; causal or offline is needed"
    return ""


def shapes(subject: Subject) -> str:
    """Trajectories are float32, (S, N, T, 3) and (S, N, T, J, 4), and rotations are unit quaternions."""
    prompt = subject.material.prompt
    fault = shape_fault(subject.output, prompt) or unit_fault(subject.output, prompt)
    if fault:
        return fault
    if "samples" in subject.card.capabilities:
        return shape_fault(subject.generate(subject.adapted, replace(prompt, num_samples=3)), prompt, samples=3)
    return ""


def finite(subject: Subject) -> str:
    """No NaN and no infinity."""
    return finite_fault(subject.output, subject.material.prompt)


def deterministic(subject: Subject) -> str:
    """The same seed gives the same numbers: generated twice, and trained and generated twice."""
    frames = subject.material.prompt.frames
    gap, where = gap_between(subject.output, subject.generate(subject.adapted), frames)
    if gap:
        return f"generate called twice with the same seed differs, {where}; draw from a generator seeded with ctx.seed"
    gap, where = gap_between(subject.output, subject.generate(subject.adapt(subject.regimes[0])), frames)
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
            part = only(prompt, clips)
            got = subject.generate(subject.adapted, part)
            frames = got.rotations.shape[2]
            whole = Trajectory(
                subject.output.root_positions[:, clips, :frames], subject.output.rotations[:, clips, :frames]
            )
            gap, where = gap_between(whole, got, part.frames)
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
        got = subject.generate(subject.adapted, with_other_objectives(prompt, row))
        # Row t is what may be known when frame t + 1 is made: frames up to and with `row` come first.
        gap, where = gap_between(subject.output, got, np.minimum(prompt.frames, ahead + 1))
        if not gap <= TOLERANCE:
            return (
                f"uses the future: objectives current from generated frame {ahead} on change what comes before, "
                f"{where}; frame t + 1 may use rows up to t alone, or the card says access='offline'"
            )
    return ""


def control_track(subject: Subject) -> str:
    """In the track `control` it adapts and generates, and later rows of the path change nothing before them."""
    material = deepcopy(material_of(CONTROL))
    model = subject.adapt(subject.regimes[0], target=material.target)
    prompt = material.prompt
    output = subject.generate(model, prompt)
    fault = fault_of(output, prompt)
    if fault or subject.card.access != "causal":
        return fault
    history = prompt.history.root_positions.shape[1]
    for ahead in (1, 25):
        got = subject.generate(model, with_other_path(prompt, history + ahead))
        gap, where = gap_between(output, got, np.minimum(prompt.frames, ahead + 1))
        if not gap <= TOLERANCE:
            return (
                f"uses the future: the path known from generated frame {ahead} on changes what comes before, {where}; "
                "frame t + 1 may use rows up to t alone, or the card says access='offline'"
            )
    return ""


def inputs_unchanged(subject: Subject) -> str:
    """Domains and prompts belong to the caller: pretrain, adapt and generate leave every array as it was."""
    model, material = subject.make(), deepcopy(subject.material)
    regime = subject.regimes[0]
    domain, prompt, source = material.target, material.prompt, material.source
    before = copies_of(domain, "domain") | copies_of(prompt, "prompt") | copies_of(source, "ctx.source")
    ctx = replace(subject.context(regime), source=source)
    if subject.card.learns:
        ctx.budget = Budget(1, PROTOCOL.frames_per_update)
    pretraining = replace(ctx, regime="pretrain", source=None)
    for call, run in (
        ("pretrain", lambda: subject.make().pretrain(source, pretraining)),
        ("adapt", lambda: model.adapt(domain, ctx)),
        ("generate", lambda: model.generate(prompt, Context.to_generate(regime, subject.seed))),
    ):
        run()
        changed = (
            change_since(domain, "domain", before)
            or change_since(prompt, "prompt", before)
            or change_since(source, "ctx.source", before)
        )
        if changed:
            return f"{call}: {changed}"
    return ""


def trained_together(subject: Subject) -> str:
    """Two cells that train together come out as each does alone; for models whose cells train in groups."""
    kind: Any = type(subject.make())
    together = getattr(kind, "trains_together", None)
    if together is None or not together("adapt"):
        raise Skipped("its cells train one by one")
    models, ctxs = [subject.make(), subject.make()], [subject.context(COLD), subject.context(COLD)]
    ctxs[1].seed += 1
    targets = [deepcopy(subject.material.target), deepcopy(subject.material.target)]
    kind.adapt_together(models, targets, ctxs)
    gap, where = gap_between(subject.output, subject.generate(models[0]), subject.material.prompt.frames)
    if gap:
        return f"a cell that trained with another differs from the same cell alone, {where}"
    if together("generate"):
        asked = [Context.to_generate(COLD, ctx.seed) for ctx in ctxs]
        made = kind.generate_together(models, deepcopy(subject.material.prompt), asked)
        gap, where = gap_between(subject.output, made[0], subject.material.prompt.frames)
        if gap:
            return f"a cell that generates with another differs from the same cell alone, {where}"
    return ""


def one_segment(subject: Subject) -> str:
    """One training segment is enough to go on."""
    model = subject.adapt(subject.regimes[0], target=subject.material.one)
    return fault_of(subject.generate(model), subject.material.prompt)


def no_segments(subject: Subject) -> str:
    """With no training segment `adapt` does not fail and what is generated is finite."""
    model = subject.adapt(subject.regimes[0], target=subject.material.empty)
    return fault_of(subject.generate(model), subject.material.prompt)


def save_pretrained(subject: Subject) -> str:
    """Saved after pre-training and loaded in a fresh instance, a model adapts to the same."""
    if subject.transfer is None:
        raise Skipped("the card claims no regime that starts from pre-training")
    kept, _ = subject.pretrained
    transferred = subject.transferred
    target = subject.material.empty if subject.transfer == ZERO_SHOT else subject.material.target
    kept.adapt(deepcopy(target), subject.context(subject.transfer))
    got = subject.generate(kept, regime=subject.transfer)
    gap, where = gap_between(got, transferred, subject.material.prompt.frames)
    if not gap <= TOLERANCE:
        return f"{subject.transfer} after save and load in a fresh instance differs from without them, {where}"
    return ""


def save_adapted(subject: Subject) -> str:
    """Saved after adapting and loaded in a fresh instance, a model generates the same."""
    folder = subject.folder / "adapted"
    subject.adapted.save(folder)
    fresh = subject.make()
    fresh.load(folder)
    gap, where = gap_between(subject.output, subject.generate(fresh), subject.material.prompt.frames)
    return f"generate after save and load in a fresh instance differs, {where}" if not gap <= TOLERANCE else ""


def saved_files(subject: Subject) -> str:
    """A model saves arrays and JSON, and nothing that runs code when it is loaded."""
    folders = [subject.folder / "files"]
    subject.adapted.save(folders[0])
    if subject.transfer is not None:
        folders.append(subject.pretrained[1])
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            fault = "" if path.is_dir() and not path.is_symlink() else file_fault(path)
            if fault:
                return f"saved file {path.relative_to(folder)} {fault}"
    return ""


def claimed_regimes(subject: Subject) -> str:
    """Every regime in the card's capabilities runs."""
    if not subject.card.learns:
        raise Skipped("the card says that it learns nothing")
    for regime in subject.regimes:
        if regime == COLD:
            output = subject.output
        elif regime == subject.transfer:
            output = subject.transferred
        else:
            load = subject.pretrained_for(regime)
            target = subject.material.empty if regime == ZERO_SHOT else None
            output = subject.generate(subject.adapt(regime, load=load, target=target), regime=regime)
        fault = fault_of(output, subject.material.prompt)
        if fault:
            return f"{regime}: {fault}"
    return ""


def retarget_without_target(subject: Subject) -> str:
    """In the regime retarget, without target data, a model gives what it learnt of the source, and trains no more."""
    if RETARGET not in subject.card.capabilities:
        raise Skipped("the card does not claim retarget")
    load, frames = subject.pretrained_for(RETARGET), subject.material.prompt.frames
    made = subject.generate(subject.adapt(RETARGET, load=load, target=subject.material.empty), regime=RETARGET)
    fault = fault_of(made, subject.material.prompt)
    if fault:
        return f"retarget without target data: {fault}"
    untaught = subject.generate(subject.adapt(COLD, target=subject.material.empty), regime=COLD)
    if gap_between(made, untaught, frames)[0] == 0:
        return "retarget without target data gives what a cold start without data gives: what it learnt is lost"
    return ""


def frozen_needs_pretraining(subject: Subject) -> str:
    """Frozen without pre-training is refused, or gives something else than with it; else the source taught nothing."""
    if FROZEN not in subject.card.capabilities:
        raise Skipped("the card does not claim frozen")
    try:
        bare = subject.generate(subject.adapt(FROZEN), regime=FROZEN)
    except Exception:  # refusing is right, in whatever words
        return ""
    taught = subject.generate(subject.adapt(FROZEN, load=subject.pretrained[1]), regime=FROZEN)
    if gap_between(bare, taught, subject.material.prompt.frames)[0] == 0:
        return "frozen gives the same with and without pretrain: nothing of the source is used"
    return ""


def multiple_sources(subject: Subject) -> str:
    """With two sources pre-training gives something else than with the first alone, and it can be adapted."""
    if MULTIPLE_SOURCES not in subject.card.capabilities:
        raise Skipped("the card does not claim multiple-sources")
    if subject.transfer is None:
        raise Skipped("the card claims no regime that starts from pre-training")
    sources = (deepcopy(subject.material.source), deepcopy(subject.material.target))
    model = subject.make()
    model.pretrain(sources[0], replace(subject.context("pretrain"), sources=sources))
    target = subject.material.empty if subject.transfer == ZERO_SHOT else subject.material.target
    model.adapt(deepcopy(target), replace(subject.context(subject.transfer), sources=sources))
    got = subject.generate(model, regime=subject.transfer)
    fault = fault_of(got, subject.material.prompt)
    if fault:
        return f"{subject.transfer} after two sources: {fault}"
    if gap_between(got, subject.transferred, subject.material.prompt.frames)[0] == 0:
        return "two sources give the same as the first alone: ctx.sources is not used"
    return ""


CHECKS: tuple[Callable[[Subject], str], ...] = (
    card_complete,
    shapes,
    finite,
    deterministic,
    batch_split,
    no_future_objectives,
    control_track,
    inputs_unchanged,
    trained_together,
    one_segment,
    no_segments,
    save_pretrained,
    save_adapted,
    saved_files,
    claimed_regimes,
    retarget_without_target,
    frozen_needs_pretraining,
    multiple_sources,
)
