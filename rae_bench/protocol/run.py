"""Runs: which cells a command asks for, which of them are done, and the workers that do the rest."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, unknown
from rae_bench.protocol.cell import COST_FILE, TRUTH, Cell
from rae_bench.protocol.domains import Side, load_sides
from rae_bench.protocol.identity import identity, stale_parts
from rae_bench.protocol.kept import is_kept
from rae_bench.protocol.task import Task, adhoc_task, load_task
from rae_bench.registry import CONTROLS, config_hash, load_model_class, make_model, model_name, source_hash
from rae_bench.results import cell_name, read_result
from rae_bench.storage import sweep

DEFAULT_REGIMES = ("cold", "frozen", "finetune", "full")
REGIMES = ("cold", "frozen", "finetune", "cold-long", "zero-shot", "full")
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


def _cells(
    model: str, options: Mapping[str, Any], regimes: Sequence[str], fractions: Sequence[float], seeds: Sequence[int],
    controls: bool,
) -> Iterator[Cell]:
    for seed in seeds:
        for regime in regimes:
            if regime == "full":
                yield Cell(model, options, "cold", 1.0, seed)
            elif regime == "zero-shot":
                yield Cell(model, options, regime, 0.0, seed)
            else:
                yield from (Cell(model, options, regime, fraction, seed) for fraction in fractions)
    if controls:
        yield from (Cell(name, {}, "none", 1.0, 0) for name in (TRUTH, *CONTROLS) if name != "nearest")
        yield from (Cell("nearest", {}, "none", fraction, 0) for fraction in fractions)


def cell_folder(out: Path, cell: Cell, task: Task) -> Path:
    """`<out>/<model>-<config hash>/<task>`; the hash of a plug-in's covers where it comes from, as names may repeat."""
    facts = {**cell.options, "": cell.model} if ":" in cell.model else cell.options
    return out / f"{model_name(cell.model)}-{config_hash(facts)}" / task.name


def plan(
    cells: Iterable[Cell], task: Task, source: Side, target: Side, out: Path, *, force: bool = False,
    keep: bool = False,
) -> list[Planned]:
    """Each distinct cell once, with what is known of it."""
    planned: dict[Path, Planned] = {}
    swept: set[Path] = set()
    for cell in cells:
        folder = cell_folder(out, cell, task)
        if folder not in swept:
            swept.add(folder)
            sweep(folder)
        path = folder / (cell_name(cell.regime, cell.fraction, cell.seed) + ".json")
        spec = "hold" if cell.model == TRUTH else cell.model
        facts = identity(spec, cell.options, task, source, target, cell.fraction)
        state, why = "to do", ""
        keeps = keep and cell.regime != "none"
        result = read_result(path)
        if result is not None and not force:
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
    return list(planned.values())


def _pretrained_is_current(folder: Path, facts: Mapping[str, str]) -> bool:
    """Pre-training depends on all but the target's fraction, its test clips and the metrics."""
    try:
        known = json.loads((folder / COST_FILE).read_text(encoding="utf-8"))["identity"]
    except (OSError, ValueError, KeyError):
        return False
    return all(known.get(key) == facts[key] for key in ("engine", "model", "config", "task", "data"))


def jobs_for(planned: Sequence[Planned], task: Task, data_root: Path | None) -> list[Job]:
    """Work for every cell that is not done, pre-training first, in the order in which it is best begun."""
    common = {"task": _task_payload(task), "data_root": str(data_root) if data_root else None}
    protocol = task.protocol
    jobs: dict[str, Job] = {}
    todo = [p for p in planned if p.state != "done"]
    for p in todo:
        name = f"pretrain {p.pretrained}"
        if p.cell.needs_pretraining and name not in jobs and not _pretrained_is_current(p.pretrained, p.identity):
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
            updates = protocol.adapt_updates + (protocol.pretrain_updates if p.cell.regime == "cold-long" else 0)
        jobs[str(p.path)] = Job(str(p.path), payload | common, needs, updates)
    return list(jobs.values())


def _task_payload(task: Task) -> dict[str, Any]:
    table = {
        "title": task.title,
        "description": task.description,
        "source": dict(task.source),
        "target": dict(task.target),
        "protocol": asdict(task.protocol),
    }
    return {"name": task.name, "table": table}


class _Worker:
    """A worker process; what it says goes to `inbox` as (worker, event), at last `gone`."""

    def __init__(self, inbox: queue.Queue[tuple[_Worker, dict[str, Any]]]) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        # -P: the installed package, not a source folder of the same name where the command happens to be called.
        command = [sys.executable, "-P", "-m", "rae_bench.protocol.worker"]
        self.inbox = inbox
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines, suppress(ValueError):  # a line cut short by the process' death
            for line in lines:
                self.inbox.put((self, json.loads(line)))
        self.inbox.put((self, {"kind": "gone"}))

    def give(self, job: Job) -> None:
        """Hand over a job. Where the process is dead, `gone` is on its way."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(job.payload) + "\n")
            self.process.stdin.flush()

    def end(self, grace: float = 0) -> str:
        """Kill it where it has not ended within `grace` seconds, and say how it ended."""
        try:
            code = self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # what a dead process did not read
            self.process.stdin.close()
        if code < 0:
            return f"was killed by signal {-code}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
        return f"ended with exit code {code}"


def execute(jobs: Sequence[Job], count: int, observe: Observer) -> dict[str, str]:
    """Do all jobs on `count` single-thread worker processes. Returns {job name: reason} of those that failed.

    Each event that `observe` is given has `kind` (begin, progress, done, failed), `job` and `worker`.
    """
    waiting = list(jobs)
    failed: dict[str, str] = {}
    finished: set[str] = set()
    inbox: queue.Queue[tuple[_Worker, dict[str, Any]]] = queue.Queue()
    workers: list[_Worker] = []
    busy: dict[int, Job] = {}
    try:
        workers += (_Worker(inbox) for _ in range(min(count, len(jobs))))
        while waiting or busy:
            for job in [j for j in waiting if j.needs & failed.keys()]:
                waiting.remove(job)
                failed[job.name] = f"pre-training failed: {failed[next(iter(job.needs & failed.keys()))]}"
                observe({"kind": "failed", "job": job, "worker": -1, "reason": failed[job.name]})
            for number, worker in enumerate(workers):
                ready = next((j for j in waiting if j.needs <= finished), None)
                if number not in busy and ready is not None:
                    waiting.remove(ready)
                    busy[number] = ready
                    worker.give(ready)
                    observe({"kind": "begin", "job": ready, "worker": number})
            if not busy:
                continue
            sender, event = inbox.get()
            number = workers.index(sender)
            if event["kind"] == "gone":
                event = {"kind": "failed", "reason": f"the worker process {sender.end(grace=5)}"}
                if waiting:
                    workers[number] = _Worker(inbox)
            if number not in busy:
                continue
            current = busy[number]
            observe({**event, "job": current, "worker": number})
            if event["kind"] == "done":
                finished.add(busy.pop(number).name)
            elif event["kind"] == "failed":
                failed[busy.pop(number).name] = event["reason"]
    finally:
        for worker in workers:
            worker.end()
    return failed


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


@dataclass(frozen=True)
class Outcome:
    """What a run left: the task, its sides, and every planned cell in the order of the plan."""

    task: Task
    source: Side
    target: Side
    cells: list[Planned]
    failed: Mapping[str, str]
    reused: int

    @property
    def results(self) -> list[dict[str, Any]]:
        """Cell results that are on disk."""
        return [r for p in self.cells if (r := read_result(p.path)) is not None]


def prepare(
    model: str,
    task: str | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    regimes: Sequence[str] | None = None,
    fractions: Sequence[float] | None = None,
    seeds: int | Sequence[int] = 1,
    out: str | Path = "results",
    options: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    controls: bool = True,
    force: bool = False,
    keep: bool = False,
    observe: Observer = lambda event: None,
) -> tuple[Task, Side, Side, list[Planned]]:
    """Check what is asked for, make or find the data, and plan the cells. See `run` for the arguments."""
    source_hash(model)  # is there such a model?
    # Found out here rather than by every cell; the import of an installed entry is left to the workers.
    if options:
        make_model(model, options)
    elif ":" in model:
        load_model_class(model)
    if (task is None) == (source is None or target is None):
        raise UserError("name either --task or both --source and --target")
    chosen = load_task(task) if task is not None else adhoc_task(str(source), str(target))
    for regime in regimes or ():
        if regime not in REGIMES:
            raise unknown("regime", regime, REGIMES)
    fractions = tuple(fractions) if fractions else (chosen.protocol.default_fraction,)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise UserError(f"fraction {fraction:g} is not within 0 < f <= 1 (0.05 is 5 % of the training frames)")
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    if not len(seeds):
        raise UserError("no seed: --seeds takes a number above 0")
    check_out(Path(out))
    root = Path(data_root) if data_root is not None else None

    observe({"kind": "data", "task": chosen})
    sides = load_sides(chosen, root)
    cells = _cells(model, dict(options or {}), regimes or DEFAULT_REGIMES, fractions, seeds, controls)
    return chosen, *sides, plan(cells, chosen, *sides, Path(out), force=force, keep=keep)


def default_workers() -> int:
    """Two single-thread workers where two cores are there."""
    return 2 if (os.cpu_count() or 1) >= 2 else 1


def run(model: str, task: str | None = None, **arguments: Any) -> list[dict[str, Any]]:
    """`run_cells`, as the list of cell results in the order of the plan; see there for the arguments."""
    return run_cells(model, task, **arguments).results


def run_cells(
    model: str,
    task: str | None = None,
    *,
    workers: int | None = None,
    observe: Observer = lambda event: None,
    **arguments: Any,
) -> Outcome:
    """Run a model on a task, or what is missing of it.

    Args:
        model: name of an entry, `package.module:Class` or `path/to/file.py:Class`.
        task: name or path of a task; or `source` and `target`, names of two domains.
        regimes: any of cold, frozen, finetune, cold-long, zero-shot, full.
        fractions: of the target's training frames, 0 < f <= 1.
        seeds: how many, or which.
        out: folder of results.
        options: keyword arguments of the model.
        data_root: folder that holds the recordings a task names.
        controls: whether the rows that learn nothing are made too.
        force: whether finished cells are run again.
        keep: whether adapted models are kept, each in `<cell>-model/` beside its result.
        workers: worker processes, one thread each.
        observe: called with events as work goes on.

    Raises:
        UserError: bad names, fractions, data or output folder.
    """
    chosen, source, target, planned = prepare(model, task, observe=observe, **arguments)
    jobs = jobs_for(planned, chosen, Path(arguments["data_root"]) if arguments.get("data_root") else None)
    observe({"kind": "plan", "jobs": jobs, "cells": planned})
    try:
        failed = execute(jobs, workers or default_workers(), observe) if jobs else {}
    finally:
        for folder in {p.path.parent for p in planned}:
            sweep(folder)
    for p in planned:
        if str(p.path) in failed:
            _write_failure(p, chosen, failed[str(p.path)])
    return Outcome(chosen, source, target, planned, failed, sum(p.state == "done" for p in planned))


def _write_failure(planned: Planned, task: Task, reason: str) -> None:
    from rae_bench.protocol.cell import environment
    from rae_bench.results import SCHEMA, write_json

    cell = planned.cell
    write_json(
        planned.path,
        {
            "schema": SCHEMA,
            "status": "failed",
            "model": cell.model,
            "task": task.name,
            "regime": cell.regime,
            "fraction": cell.fraction,
            "seed": cell.seed,
            "identity": dict(planned.identity),
            "metrics": {},
            "cost": {},
            "environment": environment(),
            "reason": reason,
        },
    )
