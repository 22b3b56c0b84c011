"""Clips of a take are shown one after another: the history of one is where the one before it ends."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.walking import walk

from rae_bench.harness.cell import _in_rounds
from rae_bench.harness.isolation.messages import Circumstances
from rae_bench.model.api import Prompt
from rae_bench.model.trajectory import Trajectory
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, cut_clips, load_side

ROUNDS = np.array([0, 1, 0, 2, 1])


class Counts:
    """Gives every frame of a clip the height of its last pose, and keeps the prompts."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    def generate_together(self, prompt: Prompt, ctxs: Any, which: Any) -> Any:
        self.prompts.append(prompt)
        frames = int(prompt.frames.max())
        last = prompt.history.root_positions[None, :, -1:], prompt.history.rotations[None, :, -1:]
        made = Trajectory(*(np.repeat(part, frames, 2) for part in last))
        return [SimpleNamespace(trajectory=made, core_seconds=1.0) for _ in which]


def test_later_clips_of_a_take_come_later() -> None:
    motion = walk(5, 90)
    motion.lengths[:] = [90, 80, 90, 60, 70]
    names = [*"abcde"]
    exam = cut_clips(motion, 30, names, names, names, keyframe_objectives(motion), rounds=ROUNDS)
    model: Any = Counts()
    (made, _), seconds = _in_rounds(model, [0, 1], exam.prompt, exam, [Circumstances("cold", 0)] * 2, "counts")
    starts = [prompt.history.root_positions[:, 0] for prompt in model.prompts]
    assert [len(start) for start in starts] == [2, 2, 1]
    assert seconds == 3.0
    for number, start in enumerate(starts):
        np.testing.assert_array_equal(start, exam.prompt.history.root_positions[number == ROUNDS, 0])
    assert [int(prompt.frames.max()) for prompt in model.prompts] == [60, 50, 30]
    assert [prompt.objectives.positions.shape[1] for prompt in model.prompts] == [90, 80, 60]
    whole = Counts().generate_together(exam.prompt, [Circumstances("cold", 0)], [0])[0].trajectory
    for clip, frames in enumerate(exam.prompt.frames):
        np.testing.assert_array_equal(made.root_positions[:, clip, :frames], whole.root_positions[:, clip, :frames])
        np.testing.assert_array_equal(made.rotations[:, clip, :frames], whole.rotations[:, clip, :frames])


def test_no_history_that_is_shown_at_once_goes_on_from_a_clip(recordings: Path) -> None:
    """The dog: many a test clip begins where another one ends, and none of those is shown with it or before it."""
    task = load_task("human2dog")
    side = Side(load_side(task.target, task.protocol, recordings), task.protocol)
    together = 0
    for seed in range(5):
        exam = side.held_out_clips(side.split(seed).test)
        takes = dict(zip(side.corpus.ids, side.corpus.takes, strict=True))
        of = [takes[name] for name in exam.ids]
        assert len({*zip(of, exam.rounds.tolist(), strict=True)}) == len(of)  # of a take one clip at a time
        end = exam.truth.positions[np.arange(len(exam.truth)), exam.truth.lengths - 1]
        begin = exam.prompt.history.positions[:, 0]
        for before, after in itertools.permutations(range(len(of)), 2):
            if of[before] == of[after] and exam.rounds[after] == exam.rounds[before] + 1:
                together += np.linalg.norm(end[before] - begin[after], axis=-1).mean() < 0.05
    assert together > 20


def test_built_in_clips_are_takes_of_their_own() -> None:
    task = load_task("biped2quad")
    side = Side(load_side({**task.target, "clips": 24}, task.protocol), task.protocol)
    assert not side.held_out_clips(side.split(0).test).rounds.any()


@pytest.mark.parametrize("frames", [5, 60, 100])
def test_a_prompt_cut_short(frames: int) -> None:
    motion = walk(2, 90)
    names = ["a", "b"]
    prompt = cut_clips(motion, 30, names, names, names, keyframe_objectives(motion)).prompt.cut(frames)
    assert prompt.frames.tolist() == [min(frames, 60)] * 2
    assert prompt.objectives.positions.shape[1] == 30 + min(frames, 60)
