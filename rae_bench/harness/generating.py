"""Generation of a cell's test clips by its model, with what it costs, and checks of what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rae_bench.errors import UserError
from rae_bench.harness.isolation.messages import Circumstances
from rae_bench.harness.isolation.process import ModelFailed
from rae_bench.harness.isolation.remote import RemoteModel
from rae_bench.harness.jobs import CellJob
from rae_bench.model.api import SAMPLES, Prompt, Trajectory
from rae_bench.model.trajectory import UNIT_TOLERANCE
from rae_bench.motion.motion import Motion
from rae_bench.task.held_out import HeldOutClips, SingleSteps

LATENCY_FRAMES = 30
SEVERAL = 10
"""Samples that are asked for in the track `control`."""


class Made(NamedTuple):
    """What is scored: the roll-out of the test clips, where the protocol has one, and the single frames."""

    trajectory: Trajectory | None
    step: Trajectory


def generate_clips(
    model: RemoteModel, company: Sequence[int], jobs: Sequence[CellJob], exam: HeldOutClips, steps: SingleSteps,
    published: bool,
) -> list[tuple[Made, dict[str, Any]] | Exception]:
    """Have instances generate what their cells are tested on, together where they can.

    Returns:
        for each, continuations of the test clips and single frames, with what they cost and the time that a single clip
        takes a frame; or why there are none.
    """
    ctxs = [Circumstances(job.cell.regime, job.cell.seed, device=job.device, threads=job.threads) for job in jobs]
    try:
        return [*_continued(model, company, jobs[0].cell.model, ctxs, exam, steps, published)]
    except (UserError, ModelFailed) as error:
        if isinstance(error, ModelFailed) and error.died:
            raise
        if len(company) == 1:
            return [error]
    # One of them fails, nobody knows which: each by itself.
    outcomes = []
    for one, job in zip(company, jobs, strict=True):
        outcomes += generate_clips(model, [one], [job], exam, steps, published)
    return outcomes


def _continued(
    model: RemoteModel, company: Sequence[int], name: str, ctxs: Sequence[Circumstances], exam: HeldOutClips,
    steps: SingleSteps, published: bool,
) -> list[tuple[Made, dict[str, Any]]]:
    """What `generate_clips` returns where nothing fails."""
    trajectories: list[Trajectory | None] = [None] * len(company)
    costs: list[dict[str, Any]] = [{} for _ in company]
    if not published:
        # Where the path is all that is asked, many motions are right: a model that can gives several
        # (docs/develop/design.md 6).
        several = exam.path is not None and SAMPLES in model.card["capabilities"]
        prompt = replace(exam.prompt, num_samples=SEVERAL if several else 1)
        whole, seconds = _in_rounds(model, company, prompt, exam, ctxs, name)
        trajectories = [checked_trajectory(one, exam.truth, name) for one in whole]
        one = _first_frames(exam.prompt)
        for which, ctx, cost in zip(company, ctxs, costs, strict=True):
            latency = 1000 * model.generate(one, ctx, which).seconds / int(one.frames[0])
            cost |= {"generate_seconds": seconds, "ms_per_frame": latency}
    following = [Trajectory.of(steps.following)] * len(company)
    if len(steps.clips):
        every = model.generate_together(steps.prompt, ctxs, company)
        following = [checked_trajectory(shown.trajectory, steps.following, name) for shown in every]
    made = map(Made, trajectories, following)
    return list(zip(made, costs, strict=True))


def _in_rounds(
    model: RemoteModel, company: Sequence[int], prompt: Prompt, exam: HeldOutClips, ctxs: Sequence[Circumstances],
    name: str,
) -> tuple[list[Trajectory], float]:
    """Continuations of all clips by each instance, and the core-seconds that an instance took.

    The clips of a take are asked for in the order of time: what has been generated when the next one is shown cannot
    profit from it.
    """
    rounds = [np.flatnonzero(exam.rounds == number) for number in range(int(exam.rounds.max()) + 1)]
    if len(rounds) == 1:
        every = model.generate_together(prompt, ctxs, company)
        return [shown.trajectory for shown in every], every[0].core_seconds
    whole: list[Trajectory] = []
    seconds = 0.0
    for clips in rounds:
        frames = int(prompt.frames[clips].max())
        part, truth = prompt[clips].cut(frames), exam.truth[clips].cut(0, frames)
        every = model.generate_together(part, ctxs, company)
        made = [checked_trajectory(shown.trajectory, truth, name) for shown in every]
        seconds += every[0].core_seconds
        whole = whole or [one.spread(len(prompt.frames), int(prompt.frames.max())) for one in made]
        for all_clips, one in zip(whole, made, strict=True):
            all_clips.root_positions[:, clips, :frames] = one.root_positions
            all_clips.rotations[:, clips, :frames] = one.rotations
    return whole, seconds


def _first_frames(whole: Prompt) -> Prompt:
    """The first clip of a prompt, for a second or so."""
    one = whole[np.array([0])]
    return one.cut(min(LATENCY_FRAMES, int(one.frames[0])))


def checked_trajectory(trajectory: Trajectory, truth: Motion, model: str) -> Trajectory:
    """What a model made. Raises `UserError` where its shape is not that asked for, or its numbers make no motion."""
    clips, frames = truth.root_positions.shape[:2]
    return Trajectory.checked(
        trajectory, f"model '{model}': generate gave", clips=clips, frames=frames, joints=len(truth.rig),
        lengths=truth.lengths, single_precision=False, unit_tolerance=UNIT_TOLERANCE,
    )  # fmt: skip
