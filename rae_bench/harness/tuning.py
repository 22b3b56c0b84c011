"""Tuning: Ray Tune searches a model's options by how well it does on the source's val segments.

Nothing of the target is looked at. A trial trains afresh on a ninth, a third and all of the budget of pre-training, so
that each has a whole learning-rate schedule; ASHA stops those that do badly. What was measured goes to a ledger of JSON
lines, from which the same command goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError
from rae_bench.files import read_text
from rae_bench.harness.cell import checked_trajectory
from rae_bench.harness.events import DataWanted
from rae_bench.harness.identity import identity
from rae_bench.harness.isolation.messages import Circumstances
from rae_bench.harness.isolation.models import Models, describe, isolated
from rae_bench.harness.preset import Preset, write_preset
from rae_bench.harness.ray.cluster import Resources, cluster, require_answer, require_ray
from rae_bench.harness.ray.node import check_installation, shipped
from rae_bench.harness.search_space import check_space, draw, grid
from rae_bench.harness.spec import check_out
from rae_bench.harness.sweep import sweep_workers
from rae_bench.harness.worker import failure
from rae_bench.metrics import evaluate, primaries
from rae_bench.model.plugins.plugin import PackedPlugin, ship_plugin, take_plugin
from rae_bench.model.regimes import COLD
from rae_bench.model.registry import ModelRef, config_hash, model_name, resolve_model
from rae_bench.results.files import strict
from rae_bench.storage import scratch
from rae_bench.task.cells import Cell
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, load_side
from rae_bench.task.task import QUICK_BUDGET, Protocol

RUNGS = (1, 3, 9)
"""Ninths of the budget after which ASHA compares; of three trials one goes on."""


@dataclass(frozen=True)
class Trial:
    """A configuration and what is known of it.

    Attributes:
        errors: {ninths of the budget: reconstruction error on the source's val segments, cm}.
        reason: why it failed, if it did.
    """

    options: Mapping[str, Any]
    errors: Mapping[int, float]
    reason: str = ""


@dataclass(frozen=True)
class Tuned:
    """What tuning left: the trials in the order of their drawing, and the best one as a preset file."""

    trials: list[Trial]
    best: Trial
    preset: Path


@dataclass(frozen=True)
class TrialsPlanned:
    """What will be tried, how many of the trials the ledger knows already, and the protocol with its budget."""

    trials: Sequence[Mapping[str, Any]]
    known: int
    protocol: Protocol


@dataclass(frozen=True)
class Measured:
    """What a trial gave on a share of the budget.

    Attributes:
        trial: its number.
        ninths: of the budget.
        error: cm; infinity where it failed, for the `reason`.
        again: whether the ledger knew it.
    """

    trial: int
    options: Mapping[str, Any]
    ninths: int
    error: float
    seconds: float
    again: bool
    reason: str = ""


TuneEvent = DataWanted | TrialsPlanned | Measured


class Ledger:
    """What has been measured, in a file of JSON lines: one for each trial and share of the budget.

    Lines of another identity are passed over, as is a last line that was cut short.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self.known: dict[str, dict[int, float]] = {}
        text = read_text(path) if path.exists() else ""
        self._whole = text.endswith("\n") or not text
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                if entry["identity"] == identity and entry["error"] is not None:
                    self.known.setdefault(_key(entry["options"]), {})[int(entry["ninths"])] = float(entry["error"])
            except (ValueError, KeyError, TypeError):
                continue

    def of(self, options: Mapping[str, Any]) -> dict[int, float]:
        """{ninths: error} of a configuration."""
        return dict(self.known.get(_key(options), {}))

    def add(self, options: Mapping[str, Any], ninths: int, error: float, seconds: float, reason: str = "") -> None:
        """Write a line down, for good."""
        entry = {
            "identity": self.identity,
            "options": dict(options),
            "ninths": ninths,
            "error": error,
            "seconds": seconds,
            "reason": reason,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("" if self._whole else "\n") + json.dumps(strict(entry), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._whole = True
        if math.isfinite(error):
            self.known.setdefault(_key(options), {})[ninths] = error


def _key(options: Mapping[str, Any]) -> str:
    return json.dumps(dict(options), sort_keys=True)


def score(
    spec: str, options: Mapping[str, Any], source: Side, ninths: int, models: Models, *, seed: int = 0, threads: int = 1
) -> float:
    """Reconstruction error, cm, on the source's val segments after training on its training segments.

    Args:
        ninths: of the updates of pre-training.
        models: processes for the model, which is shown the val prompts only when it has trained.
    """
    protocol = source.protocol
    updates = max(protocol.pretrain_updates * ninths // RUNGS[-1], 1)
    frames = updates * protocol.frames_per_update
    # The val prompts that one training was tested on must not reach a plug-in's next training.
    model = models.make(spec, options, company=ninths, threads=threads)
    ctx = Circumstances(COLD, seed, 1.0, updates, frames, threads=threads)
    split = source.split(seed)
    model.adapt([source.domain(split.train)], (), [ctx], lambda *_: None)
    exam = source.held_out_clips(split.test)
    made = checked_trajectory(model.generate(exam.prompt, ctx).trajectory, exam.truth, spec)
    return evaluate(made, exam.truth, exam.objectives)[primaries(protocol.track)["reconstruction"]]


def try_out(
    config: Mapping[str, Any], *, spec: str, plugin: PackedPlugin | None, source: Side, trials: Sequence[Any],
    rungs: Sequence[int], threads: int, facts: Mapping[str, Any],
) -> None:
    """A trial on a worker: what the ledger knows is said again, the rest is measured."""
    from ray import tune

    options, known = trials[config["trial"]]
    take_plugin(spec, plugin)
    with Models() as models:
        for ninths in rungs:
            began, reason, again = time.perf_counter(), "", ninths in known
            try:
                check_installation(facts, spec, {})
                error = known[ninths] if again else score(spec, options, source, ninths, models, threads=threads)
            except Exception as raised:
                error, reason = math.inf, failure(raised).reason
            error = error if math.isfinite(error) else math.inf
            seconds = time.perf_counter() - began
            tune.report({"error": error, "ninths": ninths, "seconds": seconds, "again": again, "reason": reason})
            if error == math.inf:
                return


def tune(
    model: str,
    task: str,
    *,
    trials: int = 16,
    search: str = "asha",
    budget: str = QUICK_BUDGET,
    options: Mapping[str, Any] | None = None,
    out: str | Path = "results",
    data_root: str | Path | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    cpus_per_cell: int = 1,
    observe: Callable[[TuneEvent], None] = lambda event: None,
) -> Tuned:
    """Search a model's declared options on a task's source.

    Args:
        model, task: names or paths, as for `run`.
        trials: configurations drawn at random; those of a grid are counted by themselves.
        search: `asha`, or `grid`: every combination on the whole budget.
        budget: of the task, `quick` or `full`: a trial may have the updates of its pre-training.
        options: held fixed.
        out: folder of results; the ledger and the preset lie in `<out>/tuned/<model>-<config hash>/<task>/`, those of
            the quick budget in `<task>-quick/`.
        data_root, workers, ray_address, cpus_per_cell, observe: as of `sweep`.

    Raises:
        UserError: bad names or options, nothing to tune, or no trial that ended well.
    """
    fixed = dict(options or {})
    ref = resolve_model(model)
    space = check_space(model, _search_space(ref, fixed), fixed)
    if trials < 1:
        raise UserError("--trials takes a number above 0")
    chosen = load_task(task).at(budget)
    if len(chosen.sources) > 1:
        raise UserError(f"task '{chosen.name}' has {len(chosen.sources)} sources; tune on a task with one")
    check_out(Path(out))
    require_ray()
    require_answer(ray_address)
    observe(DataWanted((chosen.name,)))
    root = Path(data_root) if data_root is not None else None
    source = Side(load_side(chosen.source, chosen.protocol, root), chosen.protocol)

    configurations = grid(space) if search == "grid" else draw(space, trials)
    drawn = [fixed | configuration for configuration in configurations]
    folder = Path(out) / "tuned" / f"{model_name(model)}-{config_hash(fixed)}" / chosen.folder
    facts = identity(isolated(ref, {}), {}, chosen, (source,), source, Cell(model, {}, COLD, 1.0, 0))
    ledger = Ledger(folder / "ledger.jsonl", hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest())
    failed: dict[int, str] = {}
    observe(TrialsPlanned(drawn, sum(bool(ledger.of(o)) for o in drawn), chosen.protocol))

    def take(found: Measured) -> None:
        if not found.again:
            ledger.add(found.options, found.ninths, found.error, found.seconds, found.reason)
        if found.reason:
            failed[found.trial] = found.reason
        observe(found)

    resources = Resources(cpus_per_cell)
    with cluster(ray_address, workers or sweep_workers(cpus_per_cell), resources):
        _search(model, facts, drawn, ledger, source, resources, take, halving=search != "grid")
    done = [Trial(o, ledger.of(o), failed.get(n, "")) for n, o in enumerate(drawn)]
    whole = [t for t in done if RUNGS[-1] in t.errors]
    if not whole:
        raise UserError(f"no trial of model '{model}' ended well: {next(iter(failed.values()), 'none was finished')}")
    best = min(whole, key=lambda t: t.errors[RUNGS[-1]])
    preset = Preset(model, best.options, len(drawn), chosen.name, best.errors[RUNGS[-1]], budget)
    write_preset(preset, folder / "preset.toml")
    return Tuned(done, best, folder / "preset.toml")


def _search_space(ref: ModelRef, fixed: Mapping[str, Any]) -> Any:
    """What a model says may be tuned. Raises `UserError` where it cannot be made with the fixed options."""
    if ref.plugin is not None:
        return describe(ref, fixed, space=True)["search_space"]
    ref.make(fixed)
    return getattr(ref.load(), "search_space", {})


def _search(
    model: str, facts: Mapping[str, Any], drawn: Sequence[Mapping[str, Any]], ledger: Ledger, source: Side,
    resources: Resources, take: Callable[[Measured], None], *, halving: bool,
) -> None:
    """Run all trials with Ray Tune; `take` is given what each reports."""
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    class Listener(tune.Callback):
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any) -> None:
            number = result["config"]["trial"]
            facts = {key: result[key] for key in ("ninths", "error", "seconds", "again", "reason")}
            take(Measured(number, drawn[number], **facts))

        def __reduce__(self) -> tuple[Any, ...]:
            return object, ()  # Ray Tune writes down what it was given, to resume by; we do not resume by that

    first, *_, last = RUNGS
    asha = ASHAScheduler(time_attr="ninths", max_t=last, grace_period=first, reduction_factor=RUNGS[1] / first)
    shared = {
        "spec": model,
        "plugin": ship_plugin(model),
        "source": source.bare(),
        "trials": [(o, ledger.of(o)) for o in drawn],
        "rungs": RUNGS if halving else RUNGS[-1:],
        "threads": resources.cpus,
        "facts": facts,
    }
    function = shipped("rae_bench.harness.tuning", "try_out")

    def trainable(config: Any, shared: Any = None) -> None:
        function(config, **shared)

    work = tune.with_resources(tune.with_parameters(trainable, shared=shared), {"cpu": resources.cpus})
    with scratch() as folder:  # Ray Tune's own files: nothing rests on them
        tuner = tune.Tuner(
            work,
            param_space={"trial": tune.grid_search(list(range(len(drawn))))},
            tune_config=tune.TuneConfig(
                metric="error", mode="min", scheduler=asha if halving else FIFOScheduler(), reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=str(folder), callbacks=[Listener()], verbose=0),
        )
        tuner.fit()
