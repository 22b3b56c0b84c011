"""Plans: which cells are asked for, which of them are done, and the jobs that do the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rae_bench.files import read_text
from rae_bench.harness.cell import COST_FILE
from rae_bench.harness.identity import identity, identity_changes, only_metrics_changed, pretraining_changes
from rae_bench.harness.jobs import AnyJob, CellJob, PretrainJob
from rae_bench.harness.kept import is_kept
from rae_bench.harness.spec import RunSpec
from rae_bench.model.regimes import is_retargeted
from rae_bench.model.registry import CONTROLS, ModelRef, resolve_model
from rae_bench.results.files import read_result
from rae_bench.storage import remove_leftovers
from rae_bench.task.cells import TRUTH, Cell, budget_of, fold_of, skip_reason
from rae_bench.task.sides import Side, load_sides
from rae_bench.task.task import Task

State = Literal["done", "stale", "to do"]


@dataclass(frozen=True)
class PlannedCell:
    """A cell, where its result goes, and whether it is there.

    Attributes:
        identity: what its numbers depend on.
        pretrained: folder of the pre-trained model of its seed.
        state: `done`, `stale` or `to do`.
        why: what changed of a stale cell, an earlier failure, or which of its files is missing.
        keep: whether the adapted model is kept.
    """

    cell: Cell
    path: Path
    identity: Mapping[str, Any]
    pretrained: Path
    state: State
    why: str = ""
    keep: bool = False


@dataclass(frozen=True)
class Plan:
    """A spec, the sides of its task, and each distinct cell once, in order, with what is known of it."""

    spec: RunSpec
    sources: tuple[Side, ...]
    target: Side
    cells: tuple[PlannedCell, ...]

    @property
    def task(self) -> Task:
        """The task of all cells."""
        return self.spec.task


def make_plan(spec: RunSpec, sides: tuple[tuple[Side, ...], Side] | None = None) -> Plan:
    """What is known of the cells of a spec.

    Args:
        sides: of the task, where they have been loaded before.
    """
    sources, target = sides or load_sides(spec.task, spec.data_root)
    models = {spec.model.spec: spec.model, TRUTH: None} | {name: resolve_model(name) for name in CONTROLS}
    planned: dict[Path, PlannedCell] = {}
    cleaned: set[Path] = set()
    for cell in spec.cells():
        path = spec.path(cell)
        folder = path.parent
        if folder not in cleaned:
            cleaned.add(folder)
            remove_leftovers(folder)
        facts = identity(models[cell.model], cell.options, spec.task, sources, target, cell)
        keep = spec.keep and cell.learns
        state, why = _state(cell, path, facts, keep, spec)
        planned[path] = PlannedCell(cell, path, facts, folder / cell.pretrained_name, state, why, keep)
    return Plan(spec, sources, target, tuple(planned.values()))


def make_plans(specs: Sequence[RunSpec]) -> list[Plan]:
    """A plan for each spec; the data of each task is made or found once."""
    sides: dict[str, tuple[tuple[Side, ...], Side]] = {}
    plans = []
    for spec in specs:
        if spec.task.folder not in sides:
            sides[spec.task.folder] = load_sides(spec.task, spec.data_root)
        plans.append(make_plan(spec, sides[spec.task.folder]))
    return plans


def _state(cell: Cell, path: Path, facts: Mapping[str, Any], keep: bool, spec: RunSpec) -> tuple[State, str]:
    """Whether a result that lies there is that of the cell, whole and up to date; and why it is not."""
    result = None if spec.force else read_result(path)
    if result is None:
        return "to do", ""
    changed = identity_changes(result["identity"], facts)
    if changed:
        hint = "; rescore mends it without training" if only_metrics_changed(result["identity"], facts) else ""
        return "stale", f"changed: {', '.join(changed)}{hint}"
    if result["status"] == "failed":
        return "to do", f"failed before: {result['reason']}"
    if result["status"] == "ok":
        missing = [file.name for file in files_of(cell, path, spec.task) if not file.is_file()]
        if missing:
            return "to do", f"missing: {', '.join(missing)}"
        if keep and not is_kept(path, facts):
            return "to do", "model not kept"
    return "done", ""


def is_done(planned: PlannedCell, plan: Plan) -> bool:
    """Whether the result of a planned cell lies there now, up to date and whole."""
    spec = replace(plan.spec, force=False)
    return _state(planned.cell, planned.path, planned.identity, planned.keep, spec)[0] == "done"


def files_of(cell: Cell, path: Path, task: Task) -> list[Path]:
    """The files beside the result of a finished cell: its table of clips and, if it generated motion, that motion."""
    generated = cell.model != TRUTH and not task.protocol.published
    return [path.with_suffix(".csv"), *([path.with_suffix(".npz")] if generated else [])]


def pretrained_is_current(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether what was pre-trained there would come out the same."""
    try:
        known = json.loads(read_text(folder / COST_FILE))["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return not pretraining_changes(known, facts)


def jobs_of(plan: Plan, threads: int = 1) -> Iterator[AnyJob]:
    """Work for every cell that is not done, pre-training first, in the order in which it is best begun."""
    spec = plan.spec
    common: dict[str, Any] = {
        "task": plan.task.name,
        "task_table": plan.task.table(),
        "budget": plan.task.budget,
        "data_root": None if spec.data_root is None else str(spec.data_root),
        "device": spec.device,
        "threads": threads,
        "groups": bool(spec.model.about.get("groups")),
    }
    everything = [p for p in plan.cells if p.state != "done"]
    # A plug-in's process serves one fold (`rae_bench.harness.isolation.models`), so its folds come one after another.
    folds = sorted({fold_of(p.cell.seed) for p in everything}) if spec.model.plugin else [None]
    for fold in folds:
        todo = [p for p in everything if fold is None or fold_of(p.cell.seed) == fold]
        yield from _in_order(todo, plan, common)


def _in_order(todo: Sequence[PlannedCell], plan: Plan, common: Mapping[str, Any]) -> Iterator[AnyJob]:
    """Work for cells, pre-training first."""
    spec, protocol = plan.spec, plan.task.protocol
    pretraining: dict[Path, str] = {}
    for p in todo:
        if p.pretrained in pretraining or not _pretrains(p, spec.model, len(plan.sources)):
            continue
        job = PretrainJob(
            model=p.cell.model,
            options=dict(p.cell.options),
            seed=p.cell.seed,
            folder=str(p.pretrained),
            identity=dict(p.identity),
            updates=protocol.pretrain_updates,
            retargeted=is_retargeted(p.cell.regime),
            **common,
        )
        pretraining[p.pretrained] = job.name
        yield job
    # Long cells that wait for nothing come first, so that no worker idles while another pre-trains.
    for p in sorted(todo, key=lambda p: (p.cell.needs_pretraining, not p.cell.learns, -p.cell.fraction)):
        needs = {pretraining[p.pretrained]} if p.cell.needs_pretraining and p.pretrained in pretraining else ()
        yield CellJob(
            model=p.cell.model,
            options=dict(p.cell.options),
            cell=p.cell,
            path=str(p.path),
            pretrained=str(p.pretrained),
            keep=p.keep,
            identity=dict(p.identity),
            updates=budget_of(p.cell.regime, p.cell.fraction, protocol).updates if p.cell.learns else 0,
            needs=frozenset(needs),
            **{**common, "groups": common["groups"] and p.cell.learns},
        )


def _pretrains(planned: PlannedCell, model: ModelRef, sources: int) -> bool:
    """Whether the source must be learnt for a cell, as what was learnt before is not there or not of today."""
    cell = planned.cell
    if not cell.needs_pretraining or skip_reason(cell, model.capabilities, sources):
        return False
    return not pretrained_is_current(planned.pretrained, planned.identity)


def jobs_of_all(plans: Sequence[Plan], threads: int = 1) -> list[AnyJob]:
    """What is to be done for any of the plans, once each: models share their controls."""
    return list({job.name: job for plan in plans for job in jobs_of(plan, threads)}.values())
