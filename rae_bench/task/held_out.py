"""Test clips: what a model is shown of them, and the truth that it is not."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rae_bench.model.api import Prompt
from rae_bench.motion.contacts import find_contacts
from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.objectives.phases import local_phases

STEP_INTERVAL = 0.5
"""Seconds between the histories from which the published protocol asks for single frames."""
STEPS = 4
"""Frames of a history that the corrected protocol asks for."""
MINIMUM_GENERATED = 0.5
"""Seconds: test clips with less left after the history are not scored."""


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
    motion: Motion, history: int, ids: list[str], groups: list[str], actions: list[str], objectives: Objectives,
    path: RootPath | None = None, *, stance: np.ndarray | None = None, rounds: np.ndarray | None = None,
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
