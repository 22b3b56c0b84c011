"""Several results of one task on one page: the roll-outs of different models on the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rae_bench.errors import UserError
from rae_bench.model.regimes import COLD, FINETUNE, FROZEN, FULL, ZERO_SHOT
from rae_bench.model.registry import CONTROLS
from rae_bench.viewer.choice import ALL, Choice, Rollout
from rae_bench.viewer.gather import ResultFolder, exam_scene
from rae_bench.viewer.kinds import COLOURS, LINE_COLOURS
from rae_bench.viewer.page import Actor, Scene

FIRST_SEEN = (FINETUNE, FROZEN, ZERO_SHOT, COLD, FULL)
"""Of each model the first kind that is there is shown from the start."""


def compared_scene(results: Sequence[ResultFolder], choice: Choice = ALL) -> Scene:
    """Show the roll-outs of several results side by side, one of each from the start; the others are hidden.

    Raises:
        UserError: results of different tasks, budgets or test clips.
    """
    first = results[0]
    for other in results[1:]:
        if other.task.content_hash != first.task.content_hash or other.exam.ids != first.exam.ids:
            raise UserError(
                f"{other.folder}: not of the same task and test clips as {first.folder}; results that are shown "
                "together have one task, one budget and one seed (--seed)"
            )
    names = [result.model for result in results]
    if len(set(names)) < len(names):  # the same model with other options: the folders tell them apart
        names = [result.folder.parent.name for result in results]
    found: list[tuple[bool, Rollout, Actor]] = []
    for place, (name, result) in enumerate(zip(names, results, strict=True)):
        there = {rollout.kind for rollout in result.rollouts}
        seen = next((kind for kind in FIRST_SEEN if kind in there), None)
        for rollout in result.rollouts:
            control = rollout.kind in CONTROLS
            if control and place:  # those of the first are the same
                continue
            number = sum(not control for control, _, _ in found)
            colours = COLOURS[rollout.kind] if control else LINE_COLOURS[number % len(LINE_COLOURS)]
            label = rollout.label if control else f"{name} {rollout.label}"
            shown = bool(choice.regimes) or rollout.kind == seen
            found.append((control, rollout, Actor(label, colours, rollout.note, shown)))
    found.sort(key=lambda one: one[0])  # controls come last
    rollouts, actors = [rollout for _, rollout, _ in found], [actor for _, _, actor in found]
    missing = [f"{name} {what}" for name, result in zip(names, results, strict=True) for what in result.missing]
    subtitle = f"rig {first.exam.truth.rig.name}; {len(first.exam.ids)} held-out clips, the same for all"
    subtitle += f"; missing: {', '.join(missing)}" if missing else ""
    title = f"{' and '.join(names)} on {first.task.name}: {first.task.title}"
    return replace(exam_scene(title, subtitle, first.exam, rollouts, choice, actors), beside=True)
