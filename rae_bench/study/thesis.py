"""What the study runs, and the errors that have been measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.model.regimes import COLD, FULL
from rae_bench.study.claims import MODELS, TRANSFER
from rae_bench.study.published import RIGS
from rae_bench.task.named import load_task
from rae_bench.task.task import MODES, QUICK_BUDGET, Protocol, Task

if TYPE_CHECKING:
    import pandas as pd

    from rae_bench.harness.events import Observer
    from rae_bench.harness.plan import Plan
    from rae_bench.harness.spec import RunSpec, Seeds

STUDY_REGIMES = (COLD, *TRANSFER, FULL)
CORRECTED, PAPER, SWAPPED = (*MODES, "swapped")
ARMS = (CORRECTED, PAPER, SWAPPED)
ERROR_OF_ARM = {CORRECTED: "reconstruction_error", PAPER: "one_step_error", SWAPPED: "reconstruction_error"}
"""The error that an arm is judged by: the thesis looks one frame ahead of the true one."""
PAPER_STEP = 2 * 32
"""Frames of an optimiser step in the thesis: 32 windows, a frame given and one to predict."""
PAPER_UPDATES = 1600
"""Half of the optimiser steps that stand for the thesis' 51 epochs of pre-training. The quick budget has a tenth."""


@dataclass(frozen=True)
class StudyArm:
    """A part of the study: models on tasks under one protocol.

    Attributes:
        name: `corrected`; `paper`, the published protocol with its faults; or `swapped`, the corrected protocol with a
            source whose hands are called feet.
        models, tasks, regimes: what is run.
        options: the options of every model.
        controls: whether the rows that learn nothing are run too.
    """

    name: str
    models: tuple[str, ...]
    tasks: tuple[Task, ...]
    regimes: tuple[str, ...] = STUDY_REGIMES
    options: Mapping[str, Any] = field(default_factory=dict)
    controls: bool = False


def arms(
    rigs: Sequence[str] = RIGS, names: Sequence[str] = ARMS, models: Sequence[str] = MODELS,
    options: Mapping[str, Any] | None = None, budget: str = QUICK_BUDGET,
) -> list[StudyArm]:
    """Return the arms of the study. Variants of a task have different names and hashes, so their cells never mix.

    Args:
        rigs: the target rigs.
        names: the arms.
        models: the models of every arm; `swapped` takes the first.
        options: the options of every model.
        budget: of the tasks, `quick` or `full`.
    """
    given = dict(options or {})
    tasks = [load_task(f"thesis-{rig}").at(budget) for rig in rigs]
    of_paper = tuple(replace(task, name=f"{task.name}-paper", protocol=_as_published(task.protocol)) for task in tasks)
    swapped = tuple(
        replace(task, name=f"{task.name}-swapped", sources=({**task.source, "swap_roles": True},)) for task in tasks
    )
    known = {
        CORRECTED: StudyArm(CORRECTED, tuple(models), tuple(tasks), options=given, controls=True),
        PAPER: StudyArm(PAPER, tuple(models), of_paper, options={**given, "mode": PAPER}),
        SWAPPED: StudyArm(SWAPPED, tuple(models)[:1], swapped, TRANSFER, given),
    }
    return [known[name] for name in names]


def _as_published(p: Protocol) -> Protocol:
    """Return the thesis' protocol with its small steps, its own epochs and no budget of ours: see `budget_of`."""
    return replace(
        p, mode=PAPER, frames_per_update=PAPER_STEP, full_updates=PAPER_UPDATES, quick_updates=PAPER_UPDATES // 10
    )


def _specs(arm: StudyArm, seeds: Seeds, out: Path) -> list[RunSpec]:
    from rae_bench.harness.sweep import make_specs

    return make_specs(
        arm.models, arm.tasks, regimes=arm.regimes, fractions=arm.tasks[0].protocol.fractions,
        budget=arm.tasks[0].budget, seeds=seeds, out=out, options=arm.options, controls=arm.controls,
    )  # fmt: skip


def plan_arm(arm: StudyArm, seeds: Seeds, out: Path) -> list[Plan]:
    """Return what is done and what is left to do of an arm."""
    from rae_bench.harness.plan import make_plans

    return make_plans(_specs(arm, seeds, out))


def run_arm(arm: StudyArm, seeds: Seeds, out: Path, observe: Observer, **resources: Any) -> int:
    """Sweep what is missing of an arm. Return how many jobs failed."""
    from rae_bench.harness.sweep import sweep_specs

    outcomes = sweep_specs(_specs(arm, seeds, out), observe=observe, **resources)
    return len({job for outcome in outcomes for job in outcome.failed})


def clips_of(arm: StudyArm, plans: Sequence[Plan], metric: str) -> pd.DataFrame:
    """Return the errors of an arm's finished cells, with a row for each clip.

    Cells that no longer match their hashes are left out. `cold` on all data is the regime `full`.

    Returns:
        Columns model, task, regime, fraction, seed, clip, group, value.
    """
    import pandas as pd

    from rae_bench.results.clips import load_clips
    from rae_bench.results.files import load_results
    from rae_bench.statistics.tables import with_entry

    columns = ["model", "task", "regime", "fraction", "seed", "clip", "group", "value"]
    done = {str(p.path) for plan in plans for p in plan.cells if p.state == "done"}
    folders = sorted({Path(path).parent for path in done})
    tables = [load_results(folder) for folder in folders]
    if not tables:
        return pd.DataFrame(columns=columns)
    table = pd.concat(tables, ignore_index=True)
    table = table[table["path"].isin(done) & table["model"].isin(arm.models)]
    return load_clips(with_entry(table), metric)[columns].dropna(subset=["value"])


def as_of(clips: pd.DataFrame, suffix: str, model: str) -> pd.DataFrame:
    """Return the rows of a variant of a task as those of another model on that task, so that they compare."""
    tasks = clips["task"].str.removesuffix(suffix)
    return clips.assign(task=tasks, model=model)
