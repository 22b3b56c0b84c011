"""From a task's side to what a model sees: corpus, split, objectives, phases, test prompts."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.data.corpus import Corpus, with_swapped_roles
from rae_bench.data.importing.actions import ACTIONS as MOTION_ACTIONS
from rae_bench.data.retarget import retarget_corpus, retargeted_identity
from rae_bench.data.store import keep_generated
from rae_bench.errors import UserError, unknown
from rae_bench.model.api import Domain
from rae_bench.motion.contacts import stance_heights
from rae_bench.motion.motion import Motion
from rae_bench.objectives.asked import asked_of
from rae_bench.objectives.limbs import asks_after
from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.objectives.phases import local_phases
from rae_bench.objectives.tracks import CONTROL, LIMBS
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig
from rae_bench.task.held_out import MINIMUM_GENERATED, HeldOutClips, cut_clips
from rae_bench.task.split import Folds, Split, make_folds, prefix, split_of, subset_hash
from rae_bench.task.task import Protocol, Task


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
