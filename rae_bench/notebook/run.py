"""`rae_bench.run` and `rae_bench.sweep`: the main job from Python, with progress and results that show themselves.

Signatures are explicit, so that an editor completes them and an unknown argument is told by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rae_bench.harness.events import Event, Observer, ignore
from rae_bench.harness.run import run_spec
from rae_bench.harness.spec import Fractions, Seeds, make_spec
from rae_bench.harness.sweep import SEEDS, make_specs, sweep_specs
from rae_bench.notebook.progress import shown_progress
from rae_bench.notebook.results import Results
from rae_bench.task.task import QUICK_BUDGET, Task


def run(
    model: str,
    task: str | Path | Task | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    regimes: str | Sequence[str] | None = None,
    fractions: Fractions | None = None,
    budget: str = QUICK_BUDGET,
    seeds: Seeds = 1,
    out: str | Path = "results",
    options: Mapping[str, Any] | None = None,
    preset: str | Path | None = None,
    data_root: str | Path | None = None,
    controls: bool = True,
    force: bool = False,
    keep: bool = False,
    accelerator: str = "cpu",
    workers: int | None = None,
    progress: bool = True,
    observe: Observer = ignore,
) -> Results:
    """Run a model on a task, or what is missing of it.

    Args:
        model: name of an entry, `package.module:Class` or `path/to/file.py:Class`.
        task: name or path of a task, or a task itself; or `source` and `target`, names of two domains.
        regimes: one or more of cold, cold-long, frozen, finetune, retarget, zero-shot, full.
        fractions: one or more shares of the target's training frames, 0 < f <= 1 or such as "5%"; "all": the task's.
        budget: `full` for numbers of the board, or `quick`, about a tenth of the updates; results lie apart.
        seeds: how many, or which.
        out: folder of results.
        options: keyword arguments of the model.
        preset: file with more of them, as `tune` writes it.
        data_root: folder that holds the recordings a task names; `$RAE_BENCH_DATA` otherwise.
        controls: whether the rows that learn nothing are made too.
        force: whether finished cells are run again.
        keep: whether adapted models are kept, each in `<cell>-model/` beside its result.
        accelerator: cpu, or gpu for models that can use one.
        workers: worker processes, one thread each; two where two cores are there.
        progress: whether progress is shown, on stderr or in the notebook.
        observe: is called with events (`rae_bench.harness.events`) as work goes on.

    Returns:
        the cell results in the order of the plan: a list of dictionaries, which a notebook shows as a table and curves.

    Raises:
        UserError: a bad name, number, task, domain or folder.
    """
    spec = make_spec(
        model, task, source=source, target=target, regimes=regimes, fractions=fractions, budget=budget, seeds=seeds,
        out=out, options=options, preset=preset, data_root=data_root, controls=controls, force=force, keep=keep,
        accelerator=accelerator,
    )  # fmt: skip
    with shown_progress(f"{spec.model.name} on {spec.task.name}", shown=progress) as show:
        outcome = run_spec(spec, workers=workers, observe=_both(show, observe))
    return Results([outcome])


def sweep(
    models: str | Sequence[str],
    tasks: str | Path | Task | Sequence[str | Path | Task] | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    regimes: str | Sequence[str] | None = None,
    fractions: Fractions | None = None,
    budget: str = QUICK_BUDGET,
    seeds: Seeds = SEEDS,
    out: str | Path = "results",
    options: Mapping[str, Any] | None = None,
    preset: str | Path | None = None,
    data_root: str | Path | None = None,
    controls: bool = True,
    force: bool = False,
    keep: bool = False,
    accelerator: str = "cpu",
    workers: int | None = None,
    cpus_per_cell: int = 1,
    ray_address: str | None = None,
    gpus_per_cell: float = 0.0,
    gpus: int | None = None,
    max_core_hours: float | None = None,
    progress: bool = True,
    observe: Observer = ignore,
) -> Results:
    """Run models on tasks, or what is missing of it. A cell's result is that of `run`, in the same place.

    Parameters that are not listed here are those of `run`.

    Args:
        models: names or paths, one or more.
        tasks: names or paths, one or more; none where `source` and `target` name two domains.
        fractions: as of `run`; all of each task's unless told otherwise.
        seeds: how many, or which; 3 unless told otherwise.
        workers: cells at a time on this machine; as many as it has cores for unless told otherwise.
        cpus_per_cell: cores of a cell, one thread each.
        ray_address: of a Ray cluster to use instead: `auto`, host:port, ray://host:port, or `local` for one of this
            machine's own. Needs `rae-bench[sweep]`.
        gpus_per_cell: GPUs of a cell on Ray, such as 0.25; a whole one with `accelerator="gpu"` unless told otherwise.
        gpus: how many of this machine's GPUs the workers share; any number is for `accelerator="gpu"`, too. Without
            it they share one.
        max_core_hours: no cell begins that would spend more than that in this call.

    Returns:
        the cell results, each once: models share their controls.

    Raises:
        UserError: a bad name, number, task, domain or folder; no cluster at the address; no node with these resources;
            Ray is wanted and not installed.
        RayLost: a part of Ray on this machine was killed.
    """
    named = [models] if isinstance(models, str) else list(models)
    chosen: list[str | Path | Task | None] = (
        [tasks] if tasks is None or isinstance(tasks, (str, Path, Task)) else list(tasks)
    )
    specs = make_specs(
        named, chosen, source=source, target=target, regimes=regimes, fractions=fractions, budget=budget, seeds=seeds,
        out=out, options=options, preset=preset, data_root=data_root, controls=controls, force=force, keep=keep,
        accelerator=accelerator if gpus is None else "gpu",
    )  # fmt: skip
    with shown_progress(_words(named, [spec.task.name for spec in specs]), shown=progress) as show:
        outcomes = sweep_specs(
            specs, workers=workers, cpus_per_cell=cpus_per_cell, ray_address=ray_address, gpus_per_cell=gpus_per_cell,
            gpus=gpus, max_core_hours=max_core_hours, observe=_both(show, observe),
        )  # fmt: skip
    return Results(outcomes)


def _words(models: Sequence[str], tasks: Sequence[str]) -> str:
    """Say what is swept."""
    each = list(dict.fromkeys(tasks))
    named = Path(models[0]).name if len(models) == 1 else f"{len(models)} models"
    return f"{named} on {each[0] if len(each) == 1 else f'{len(each)} tasks'}"


def _both(first: Observer, second: Observer) -> Observer:
    def observe(event: Event) -> None:
        first(event)
        second(event)

    return observe
