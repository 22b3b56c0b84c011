"""Plans: which cells a command asks for, which of them are done, and the jobs that do the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rae_bench.errors import UserError, unknown
from rae_bench.plugins import portable_spec, resolved_spec
from rae_bench.protocol.cell import COST_FILE, TRUTH, Cell, budget_of, excuse
from rae_bench.protocol.domains import Side, load_sides
from rae_bench.protocol.identity import identity, stale_parts
from rae_bench.protocol.kept import is_kept
from rae_bench.protocol.preset import read_preset
from rae_bench.protocol.task import Task, adhoc_task, load_task
from rae_bench.registry import (
    CONTROLS,
    config_hash,
    known_capabilities,
    load_model_class,
    make_model,
    model_name,
    source_hash,
)
from rae_bench.results import cell_name, read_result
from rae_bench.storage import sweep

DEFAULT_REGIMES = ("cold", "frozen", "finetune", "full")
REGIMES = ("cold", "frozen", "finetune", "cold-long", "zero-shot", "full")
DEVICES = {"cpu": "cpu", "gpu": "cuda"}
"""What torch calls an accelerator."""
Observer = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Planned:
    """A cell, where its result goes, and whether it is there.

    Attributes:
        state: `done`, `stale` or `to do`; `why` names the changed parts of a stale cell, an earlier failure, or that
            its model was not kept.
        keep: whether the adapted model is kept.
    """

    cell: Cell
    path: Path
    identity: Mapping[str, str]
    pretrained: Path
    state: str
    why: str = ""
    keep: bool = False


@dataclass
class Job:
    """A piece of work for a worker.

    Attributes:
        updates: how long it is, in optimiser updates, for the progress display.
    """

    name: str
    payload: dict[str, Any]
    needs: set[str] = field(default_factory=set)
    updates: int = 0


@dataclass(frozen=True)
class Request:
    """What is asked of one model on one task; names and numbers are checked, data is not looked at yet.

    Attributes:
        model, options: what `make_model` takes.
        out: folder of results.
        data_root: folder that holds the recordings a task names.
        controls: whether the rows that learn nothing are asked for too.
        force: whether finished cells count as not done.
        keep: whether adapted models are kept.
        trials: configurations that were tried before these options were chosen.
        accelerator: what models that can use one compute on, cpu or gpu.
    """

    model: str
    options: Mapping[str, Any]
    task: Task
    regimes: Sequence[str]
    fractions: Sequence[float]
    seeds: Sequence[int]
    out: Path
    data_root: Path | None
    controls: bool
    force: bool
    keep: bool
    trials: int = 0
    accelerator: str = "cpu"

    def cells(self) -> Iterator[Cell]:
        """The cells in the order of a plan; some may be the same."""
        for seed in self.seeds:
            for regime in self.regimes:
                name = "cold" if regime == "full" else regime
                for fraction in {"full": (1.0,), "zero-shot": (0.0,)}.get(regime, self.fractions):
                    yield Cell(self.model, self.options, name, fraction, seed, self.trials)
        if self.controls:
            yield from (Cell(name, {}, "none", 1.0, 0) for name in (TRUTH, *CONTROLS) if name != "nearest")
            yield from (Cell("nearest", {}, "none", fraction, 0) for fraction in self.fractions)

    def path(self, cell: Cell) -> Path:
        """Where the result of a cell goes."""
        return cell_folder(self.out, cell, self.task) / (cell_name(cell.regime, cell.fraction, cell.seed) + ".json")


class Plan(NamedTuple):
    """A task, its sides, and each distinct cell of a request once, in order, with what is known of it."""

    task: Task
    sources: tuple[Side, ...]
    target: Side
    cells: list[Planned]
    accelerator: str = "cpu"


def cell_folder(out: Path, cell: Cell, task: Task) -> Path:
    """`<out>/<model>-<config hash>/<task>`; a plug-in's hash covers its portable name, as classes may share one."""
    facts = {**cell.options, "": portable_spec(cell.model)} if ":" in cell.model else cell.options
    return out / f"{model_name(cell.model)}-{config_hash(facts)}" / task.name


def request(
    model: str,
    task: str | Task | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    regimes: Sequence[str] | None = None,
    fractions: Sequence[float] | Literal["all"] | None = None,
    seeds: int | Sequence[int] = 1,
    out: str | Path = "results",
    options: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    controls: bool = True,
    force: bool = False,
    keep: bool = False,
    preset: str | Path | None = None,
    accelerator: str = "cpu",
) -> Request:
    """Check what is asked for, all but the data. See `run_cells` for the arguments; `all` fractions are the task's."""
    trials = 0
    if preset is not None:
        found = read_preset(Path(preset))
        if model_name(found.model) != model_name(model):
            raise UserError(f"{preset}: a preset of model '{found.model}', not of '{model}'")
        options, trials = {**found.options, **(options or {})}, found.trials
    if accelerator not in DEVICES:
        raise unknown("accelerator", accelerator, DEVICES)
    source_hash(model)  # is there such a model?
    # Found out here rather than by every cell; the import of an installed entry is left to the workers.
    if options:
        make_model(model, options)
    elif ":" in model:
        load_model_class(model)
    if (task is None) == (source is None or target is None):
        raise UserError("name either --task or both --source and --target")
    if isinstance(task, Task):
        chosen = task
    else:
        chosen = load_task(task) if task is not None else adhoc_task(str(source), str(target))
    for regime in regimes or ():
        if regime not in REGIMES:
            raise unknown("regime", regime, REGIMES)
    if fractions == "all":
        fractions = chosen.protocol.fractions
    fractions = tuple(fractions) if fractions else (chosen.protocol.default_fraction,)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise UserError(f"fraction {fraction:g} is not within 0 < f <= 1 (0.05 is 5 % of the training frames)")
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    if not len(seeds):
        raise UserError("no seed: --seeds takes a number above 0")
    check_out(Path(out))
    root = Path(data_root) if data_root is not None else None
    if not regimes:
        also = ("zero-shot",) if "zero-shot" in known_capabilities(model) else ()
        regimes = (*DEFAULT_REGIMES[:-1], *also, DEFAULT_REGIMES[-1])
    return Request(
        resolved_spec(model), dict(options or {}), chosen, tuple(regimes), fractions, tuple(seeds), Path(out), root,
        controls, force, keep, trials, accelerator,
    )  # fmt: skip


def plan(asked: Request, sources: tuple[Side, ...], target: Side) -> Plan:
    """What is known of the cells that are asked for."""
    planned: dict[Path, Planned] = {}
    swept: set[Path] = set()
    for cell in asked.cells():
        path = asked.path(cell)
        folder = path.parent
        if folder not in swept:
            swept.add(folder)
            sweep(folder)
        spec = "hold" if cell.model == TRUTH else cell.model
        facts = identity(spec, cell.options, asked.task, sources, target, cell.fraction)
        state, why = "to do", ""
        keeps = asked.keep and cell.regime != "none"
        result = read_result(path)
        if result is not None and not asked.force:
            changed = stale_parts(result.get("identity", {}), facts)
            if changed:
                state, why = "stale", f"changed: {', '.join(changed)}"
            elif result["status"] == "failed":
                why = f"failed before: {result['reason']}"
            elif keeps and result["status"] == "ok" and not is_kept(path, facts):
                why = "model not kept"
            else:
                state = "done"
        planned[path] = Planned(cell, path, facts, folder / f"pretrained-s{cell.seed}", state, why, keeps)
    return Plan(asked.task, sources, target, list(planned.values()), asked.accelerator)


def prepare(
    model: str, task: str | None = None, *, observe: Observer = lambda event: None, **arguments: Any
) -> Plan:
    """Check what is asked for, make or find the data, and plan the cells. See `run` for the arguments."""
    asked = request(model, task, **arguments)
    observe({"kind": "data", "task": asked.task})
    return plan(asked, *load_sides(asked.task, asked.data_root))


def pretrained_is_current(folder: Path, facts: Mapping[str, str]) -> bool:
    """Pre-training depends on all but the target's fraction, its test clips and the metrics."""
    try:
        known = json.loads((folder / COST_FILE).read_text(encoding="utf-8"))["identity"]
    except (OSError, ValueError, KeyError):
        return False
    return all(known.get(key) == facts[key] for key in ("engine", "model", "config", "task", "data"))


def jobs_for(plan: Plan, data_root: str | Path | None = None) -> list[Job]:
    """Work for every cell that is not done, pre-training first, in the order in which it is best begun."""
    common = {
        "task": {"name": plan.task.name, "table": plan.task.table()},
        "data_root": str(data_root) if data_root else None,
        "device": DEVICES[plan.accelerator],
    }
    protocol = plan.task.protocol
    jobs: dict[str, Job] = {}
    todo = [p for p in plan.cells if p.state != "done"]

    def starts_pretrained(cell: Cell) -> bool:
        return cell.needs_pretraining and not excuse(cell, known_capabilities(cell.model), len(plan.sources))

    for p in todo:
        name = f"pretrain {p.pretrained}"
        if name not in jobs and starts_pretrained(p.cell) and not pretrained_is_current(p.pretrained, p.identity):
            payload = {
                "do": "pretrain",
                "model": p.cell.model,
                "options": dict(p.cell.options),
                "seed": p.cell.seed,
                "folder": str(p.pretrained),
                "identity": dict(p.identity),
            }
            jobs[name] = Job(name, payload | common, updates=protocol.pretrain_updates)
    # Long cells that wait for nothing come first, so that no worker idles while another pre-trains.
    for p in sorted(todo, key=lambda p: (p.cell.needs_pretraining, p.cell.regime == "none", -p.cell.fraction)):
        payload = {
            "do": "cell",
            "cell": asdict(p.cell) | {"options": dict(p.cell.options)},
            "path": str(p.path),
            "pretrained": str(p.pretrained),
            "identity": dict(p.identity),
            "keep": p.keep,
        }
        needs = {f"pretrain {p.pretrained}"} & set(jobs) if p.cell.needs_pretraining else set()
        updates = 0
        if p.cell.regime != "none":
            updates = budget_of(p.cell.regime, p.cell.fraction, protocol).updates
        jobs[str(p.path)] = Job(str(p.path), payload | common, needs, updates)
    return list(jobs.values())


def jobs_of(plans: Sequence[Plan]) -> list[Job]:
    """What is to be done for any of the plans, once each: models share their controls."""
    return list({job.name: job for plan in plans for job in jobs_for(plan)}.values())


def check_out(out: Path) -> None:
    """Raise `UserError` where results cannot be written; nothing is made yet."""
    there = out.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        reason = f"{there} is not a folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        reason = f"no permission to write in {there}"
    else:
        return
    raise UserError(f"cannot write results to {out}: {reason}; choose another folder with --out")
