"""From a task's side to what a model sees: corpus, split, objectives, phases, test prompts."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rae_bench.data.corpus import Corpus, with_swapped_roles
from rae_bench.data.importing.actions import ACTIONS as MOTION_ACTIONS
from rae_bench.data.retarget import retarget_corpus, retargeted_identity
from rae_bench.data.store import keep_generated
from rae_bench.errors import UserError, unknown
from rae_bench.model.api import Domain, Prompt
from rae_bench.motion.contacts import find_contacts, stance_heights
from rae_bench.motion.motion import Motion
from rae_bench.objectives.asked import asked_of
from rae_bench.objectives.limbs import asks_after
from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.objectives.phases import local_phases
from rae_bench.objectives.tracks import CONTROL, LIMBS
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig
from rae_bench.task.split import Folds, Split, make_folds, prefix, split_of, subset_hash
from rae_bench.task.task import Protocol, Task

MINIMUM_GENERATED = 0.5
"""Seconds: test clips with less left after the history are not scored."""
STEP_INTERVAL = 0.5
"""Seconds between the histories from which the published protocol asks for single frames."""
STEPS = 4
"""Frames of a history that the corrected protocol asks for."""


def load_side(side: Mapping[str, Any], protocol: Protocol, data_root: Path | None = None) -> Corpus:
    """The corpus that a task's [source] or [target] names, from the cache where it has been made before.

    In the track `control` a side's `actions` are those that a path determines; segments of others are left out. The
    built-in motion `locomotion` knows which of its actions these are. In the track `limbs` segments that ask nothing of
    any limb after their history are left out: nothing would say when somebody sits down over standing feet.

    Raises:
        UserError: recordings that are not there, and how to say where they are; an action that no segment has, or that
            none can have where actions are found from the motion.
    """
    corpus = _load_whole(side, protocol, data_root)
    actions = side.get("actions")
    if protocol.track == LIMBS and not protocol.published:
        asked = asks_after(corpus.motion, corpus.targets, round(protocol.history * protocol.fps) - 1)
        return corpus[np.flatnonzero(asked)] if asked.any() else corpus
    if protocol.track != CONTROL:
        return corpus
    if actions is None and side["kind"] == "builtin":
        from rae_bench.data.generators.locomotion.actions import OFF_PATH

        actions = set(corpus.actions) - OFF_PATH
    if actions is None:
        return corpus
    there = set(corpus.actions)
    known = there.union(MOTION_ACTIONS) if side.get("action_by") == "motion" else there
    strange = sorted(set(actions) - known)
    if strange:
        raise unknown(f"action of domain '{corpus.name}'", strange[0], sorted(known))
    if there.isdisjoint(actions):
        raise UserError(
            f"domain '{corpus.name}' has no segment with the action {' or '.join(actions)}, which is what the track "
            f"{CONTROL} takes of it; it has {', '.join(sorted(there))}"
        )
    return corpus[[i for i, action in enumerate(corpus.actions) if action in actions]]


def _load_whole(side: Mapping[str, Any], protocol: Protocol, data_root: Path | None) -> Corpus:
    if side["kind"] == "builtin":
        from rae_bench.data.generators.locomotion.locomotion import load_locomotion
        from rae_bench.data.generators.reach.reach import load_reach

        load = {"locomotion": load_locomotion, "reach": load_reach}
        motion = str(side.get("motion", "locomotion"))
        if motion not in load:
            raise unknown("built-in motion", motion, load)
        # Tasks say `sweep`, after the thesis' second data set.
        names = {"clips": "clips", "seed": "seed", "sweep": "step_grid"}
        options = {name: side[key] for key, name in names.items() if key in side}
        corpus = load[motion](load_rig(side["rig"]), seconds=protocol.seconds, fps=protocol.fps, **options)
        return with_swapped_roles(corpus) if side.get("swap_roles") else corpus
    if side["kind"] == "domain":
        from rae_bench.data.store import load_domain

        corpus = load_domain(side["name"])
        if corpus.motion.fps != protocol.fps:
            raise UserError(
                f"domain '{side['name']}' has {corpus.motion.fps:g} frames a second, the task {protocol.fps:g}; "
                f"import it again with --fps {protocol.fps:g}"
            )
        if corpus.motion.root_positions.shape[1] > round(protocol.seconds * protocol.fps):
            raise UserError(
                f"domain '{side['name']}' has segments longer than the task's {protocol.seconds:g} s; "
                f"import it again with --seconds {protocol.seconds:g}"
            )
        return corpus

    from rae_bench.data.importing.file_list import find_recordings
    from rae_bench.data.importing.recipe import Recipe
    from rae_bench.data.importing.recordings import load_recording

    folder = find_recordings(side, data_root)
    recipe = Recipe.from_table({k: v for k, v in side.items() if k != "actions"}, f"[{side['folder']}]")
    return load_recording(side.get("name", side["folder"]), folder, recipe, fps=protocol.fps, seconds=protocol.seconds)


@dataclass(frozen=True, eq=False)
class Side:
    """A corpus and its folds; derived arrays are made once, on first use."""

    corpus: Corpus
    protocol: Protocol

    @cached_property
    def folds(self) -> Folds:
        """The fold of every segment."""
        c = self.corpus
        frames, fps, where = c.motion.lengths, c.motion.fps, f"domain '{c.name}'"
        return make_folds(c.groups, c.actions, c.takes, frames, fps, c.combinations, where)

    @cached_property
    def motion(self) -> Motion:
        """All segments, as much of each as its fold uses."""
        return self.corpus.motion.shortened(self.folds.lengths)

    @property
    def _takes(self) -> tuple[str, ...]:
        """What fractions are drawn by. In a domain that was cut into blocks a take may be all there is."""
        return self.corpus.ids if self.folds.blocks else self.corpus.takes

    @cached_property
    def _splits(self) -> dict[int, Split]:
        return {}

    def split(self, seed: int) -> Split:
        """What a seed trains and tests on."""
        if seed not in self._splits:
            self._splits[seed] = split_of(self.folds, self._takes, seed)
        return self._splits[seed]

    @cached_property
    def stance(self) -> np.ndarray:
        """(C,) metres: how high each contact joint stands, from all segments: it is a part of the preparation."""
        motion = self.corpus.motion
        return stance_heights(motion.positions, motion.rig, motion.lengths)

    @cached_property
    def _on(self) -> dict[str, Side]:
        return {}

    def on(self, rig: Rig) -> Side:
        """The same segments on another rig (`rae_bench.data.retarget`), made once and kept on disk."""
        if rig.content_hash not in self._on:
            name = f"{self.corpus.name}-on-{rig.name}"

            def make() -> Corpus:
                return retarget_corpus(self.corpus, rig, name)

            self._on[rig.content_hash] = Side(keep_generated(name, self.identity_on(rig), make), self.protocol)
        return self._on[rig.content_hash]

    def identity_on(self, rig: Rig | None) -> str:
        """The identity of the corpus, or of what it is on another rig."""
        return self.corpus.identity if rig is None else retargeted_identity(self.corpus, rig)

    def bare(self) -> Side:
        """The same side without the arrays that were derived from it, to travel."""
        return Side(replace(self.corpus, motion=replace(self.corpus.motion)), self.protocol)

    def fraction(self, seed: int, fraction: float) -> np.ndarray:
        """Indices of a fraction of the training segments of a seed; none at 0, as for `zero-shot`."""
        if fraction == 0:
            return np.array([], dtype=int)
        return prefix(self.split(seed).train, self._takes, self.motion.lengths, fraction)

    def held_out(self, seed: int, fraction: float) -> np.ndarray:
        """Indices of the segments that cells of a seed and fraction are scored on.

        The seed's fold, whatever the fraction; in the published protocol all that were not trained on.
        """
        if self.protocol.published:
            return np.setdiff1d(np.flatnonzero(self.folds.of >= 0), self.fraction(seed, fraction))
        return self.split(seed).test

    def _asked(self, indices: np.ndarray) -> tuple[Objectives, RootPath | None]:
        """What the track asks in these segments."""
        targets = self.corpus.targets
        return asked_of(
            self.protocol.track,
            self.motion[indices],
            self.corpus.course[indices],
            None if targets is None else targets[indices],
        )

    def domain(self, indices: np.ndarray) -> Domain:
        """What a model sees of these segments, and nothing else."""
        motion = self.motion[indices]
        objectives, path = self._asked(indices)
        return Domain(
            self.corpus.name,
            motion.rig,
            motion,
            objectives,
            local_phases(motion, objectives),
            tuple(self.corpus.ids[i] for i in indices),
            tuple(self.corpus.groups[i] for i in indices),
            path,
        )

    def held_out_clips(self, indices: np.ndarray) -> HeldOutClips:
        """Prompts and truth of these segments, as many as are long enough."""
        history = round(self.protocol.history * self.protocol.fps)
        least = history + round(MINIMUM_GENERATED * self.protocol.fps)
        kept = np.array([i for i in indices if self.motion.lengths[i] >= least], dtype=int)
        if not len(kept):
            raise UserError(f"domain '{self.corpus.name}': no held-out segment is long enough to be scored")
        corpus = self.corpus
        stance = None if corpus.exact_contacts else self.stance
        ids, groups, actions = ([column[i] for i in kept] for column in (corpus.ids, corpus.groups, corpus.actions))
        objectives, path = self._asked(kept)
        takes = [corpus.takes[i] for i in kept]
        rounds = np.array([takes[:n].count(take) for n, take in enumerate(takes)])
        return cut_clips(
            self.motion[kept], history, ids, groups, actions, objectives, path, stance=stance, rounds=rounds
        )

    def hash_of(self, indices: np.ndarray) -> str:
        """sha256 of a set of segments."""
        return subset_hash([self.corpus.ids[i] for i in indices])


@dataclass(frozen=True, eq=False)
class HeldOutClips:
    """Test clips: what the model is given, and what it is compared with.

    Attributes:
        prompt: history, objectives and path.
        truth: the same clips, frames after the history only.
        objectives: rows of the same frames, arrivals counted from their first.
        ids, groups, actions: N names.
        rounds: (N,) int, how many clips of the same take come before each. What a model is shown of a later one gives
            away where an earlier one ends, so they are shown one after another.
        whole, plan: the clips with their history, and their objectives; not for models.
        path: the path over all frames of `whole`; None in tracks without one.
        stance: (C,) metres where contacts are found again in a history by itself, else None.
    """

    prompt: Prompt
    truth: Motion
    objectives: Objectives
    ids: list[str]
    groups: list[str]
    actions: list[str]
    rounds: np.ndarray
    whole: Motion
    plan: Objectives
    path: RootPath | None
    stance: np.ndarray | None

    def single_steps(self, *, everywhere: bool = False) -> SingleSteps:
        """True histories, each to be continued by one frame; history and frame lie in what a model is given anyway.

        Each history has half the frames of the given one, rounded up. They end at up to `STEPS` frames, spread evenly
        from as early as that allows to the last frame but one of the given history.

        Args:
            everywhere: whole histories instead, `STEP_INTERVAL` apart over all of each clip, as the thesis tested. They
                show the model what it is tested on.
        """
        given = self.prompt.history.root_positions.shape[1]
        size = given if everywhere else -(-given // 2)
        if everywhere:
            starts = np.arange(0, self.truth.root_positions.shape[1], max(round(STEP_INTERVAL * self.whole.fps), 1))
            clip, which = np.nonzero(starts < self.truth.lengths[:, None])
        else:
            last = given - 1 - size
            starts = np.unique(np.linspace(0, last, STEPS).round().astype(int)) if last >= 0 else np.zeros(0, int)
            clip, which = np.nonzero(np.ones((len(self.truth), len(starts)), bool))
        rows = starts[which][:, None] + np.arange(size + 1)
        cut = _frames(self.whole, clip, rows)
        plan = self.plan
        objectives = Objectives(
            plan.positions[clip[:, None], rows],
            plan.rotations[clip[:, None], rows],
            plan.arrivals[clip[:, None], rows] - starts[which][:, None, None].astype(plan.arrivals.dtype),
            plan.kinds[clip[:, None], rows],
        )
        at = clip[:, None], rows
        path = None if self.path is None else RootPath(self.path.positions[at], self.path.headings[at])
        prompt = _prompt(cut.cut(0, size), objectives, path, np.ones(len(clip), int), self.stance)
        return SingleSteps(prompt, cut.cut(size), clip)


class SingleSteps(NamedTuple):
    """Single frames to be made from true histories.

    Attributes:
        prompt: M histories.
        following: their true next frames, M clips of one frame.
        clips: (M,) int, the test clip that each is of.
    """

    prompt: Prompt
    following: Motion
    clips: np.ndarray


def cut_clips(
    motion: Motion,
    history: int,
    ids: list[str],
    groups: list[str],
    actions: list[str],
    objectives: Objectives,
    path: RootPath | None = None,
    *,
    stance: np.ndarray | None = None,
    rounds: np.ndarray | None = None,
) -> HeldOutClips:
    """Cut clips into history and truth. The phase at the last history frame comes from the history alone.

    Where contacts were found by looking at the motion, `stance` (C,), the height at which each contact joint stands,
    has them found again in the history by itself: those of the whole clip look a frame ahead.

    The prompt's arrays are copies: a view would show what it was cut from (`.base`), and what a model writes into its
    prompt must not reach what it is scored with.

    Args:
        motion: N clips, T frames.
        history: how many of them are given.
        ids, groups, actions: N names each.
        objectives, path: what the track asks, T rows.
        stance: see above.
        rounds: of `HeldOutClips`; one for all clips where takes are not known.
    """
    frames = (motion.lengths - history).astype(int)
    prompt = _prompt(motion.cut(0, history), deepcopy(objectives), deepcopy(path), frames, stance)
    cut = motion.cut(history), objectives.cut(history)
    order = np.zeros(len(motion), int) if rounds is None else rounds
    return HeldOutClips(prompt, *cut, ids, groups, actions, order, motion, objectives, path, stance)


def _prompt(
    past: Motion, objectives: Objectives, path: RootPath | None, frames: np.ndarray, stance: np.ndarray | None
) -> Prompt:
    given = replace(
        past,
        lengths=past.lengths.copy(),
        root_positions=past.root_positions.copy(),
        rotations=past.rotations.copy(),
        contacts=past.contacts.copy()
        if stance is None
        else find_contacts(past.positions, past.rig, past.fps, past.lengths, stance=stance),
    )
    phases = local_phases(given, objectives, past_only=True)[:, -1].copy()
    return Prompt(past.rig, past.fps, given, objectives, frames, phases, path=path)


def _frames(motion: Motion, clips: np.ndarray, frames: np.ndarray) -> Motion:
    """Clips (M,) of these frames (M, T), all of them real."""
    return replace(
        motion,
        lengths=np.full(len(clips), frames.shape[1]),
        root_positions=motion.root_positions[clips[:, None], frames],
        rotations=motion.rotations[clips[:, None], frames],
        contacts=motion.contacts[clips[:, None], frames],
    )


def load_target(task: Task, data_root: Path | None = None) -> Side:
    """Return the target of a task, checked for the roles that it needs."""
    corpus = load_side(task.target, task.protocol, data_root)
    corpus.motion.rig.require_roles(task.protocol.roles, f"task '{task.name}'")
    return Side(corpus, task.protocol)


def load_sides(task: Task, data_root: Path | None = None) -> tuple[tuple[Side, ...], Side]:
    """Sources and target of a task, checked for the roles that it needs."""
    tables = (*task.sources, task.target)
    with ThreadPoolExecutor(2) as pool:
        corpora = list(pool.map(lambda side: load_side(side, task.protocol, data_root), tables))
    for corpus in corpora:
        corpus.motion.rig.require_roles(task.protocol.roles, f"task '{task.name}'")
    *sources, target = (Side(corpus, task.protocol) for corpus in corpora)
    return tuple(sources), target
