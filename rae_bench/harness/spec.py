"""What is asked of one model on one task: checked once, handed on whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, unknown
from rae_bench.harness.isolation.models import isolated
from rae_bench.harness.preset import read_preset
from rae_bench.model.regimes import COLD, FULL, NO_REGIME, REGIMES, ROWS
from rae_bench.model.registry import CONTROLS, ModelRef, config_hash, resolve_model
from rae_bench.task.cells import NEAREST, TRUTH, Cell
from rae_bench.task.named import adhoc_task, load_task
from rae_bench.task.task import QUICK_BUDGET, Task

DEVICES = {"cpu": "cpu", "gpu": "cuda"}
"""What torch calls an accelerator."""
Fractions = str | float | Sequence[str | float]
Seeds = int | Sequence[int]


@dataclass(frozen=True)
class RunSpec:
    """What is asked of one model on one task. Names and numbers are checked; data has not been looked at.

    Attributes:
        model, options: the model, and what it is made with.
        regimes: any of `rae_bench.model.regimes.ROWS`.
        fractions: of the target's training frames, 0 < f <= 1; `full` and regimes without target data take their own,
            and `retarget` runs at 0 as well.
        seeds: which.
        out: folder of results.
        data_root: folder that holds the recordings a task names.
        controls: whether the rows that learn nothing are asked for too.
        force: whether finished cells count as not done.
        keep: whether adapted models are kept beside their results.
        trials: configurations that were tried before these options were chosen.
        accelerator: what models that can use one compute on, cpu or gpu.
    """

    model: ModelRef
    task: Task
    options: Mapping[str, Any]
    regimes: tuple[str, ...]
    fractions: tuple[float, ...]
    seeds: tuple[int, ...]
    out: Path
    data_root: Path | None = None
    controls: bool = True
    force: bool = False
    keep: bool = False
    trials: int = 0
    accelerator: str = "cpu"

    @property
    def device(self) -> str:
        """As torch calls it."""
        return DEVICES[self.accelerator]

    def cells(self) -> Iterator[Cell]:
        """The cells in the order of a plan; some may be the same."""
        for seed in self.seeds:
            for regime in self.regimes:
                name = COLD if regime == FULL else regime
                for fraction in (1.0,) if regime == FULL else REGIMES[regime].fractions(self.fractions):
                    yield Cell(self.model.spec, self.options, name, fraction, seed, self.trials)
        if self.controls:
            for seed in self.seeds:  # every seed tests on another fold
                yield from (Cell(name, {}, NO_REGIME, 1.0, seed) for name in (TRUTH, *CONTROLS) if name != NEAREST)
                yield from (Cell(NEAREST, {}, NO_REGIME, fraction, seed) for fraction in self.fractions)

    def folder(self, cell: Cell | None = None) -> Path:
        """Where results lie, of the model or of the control that a cell runs.

        It is `<out>/<model>-<config hash>/<task>`, and `<task>-quick` for the quick budget.
        """
        if cell is not None and cell.model != self.model.spec:
            name, facts = cell.model, dict(cell.options)
        else:
            name, facts = self.model.name, dict(self.options)
            if self.model.is_plugin:  # names of classes may repeat
                facts[""] = self.model.portable
        return self.out / f"{name}-{config_hash(facts)}" / self.task.folder

    def path(self, cell: Cell) -> Path:
        """Where the result of a cell goes."""
        return self.folder(cell) / f"{cell.file_name}.json"


def make_spec(
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
) -> RunSpec:
    """Check what is asked for, all but the data. The arguments are those of `rae_bench.run`.

    Raises:
        UserError: a name or number that is wrong, in a line that says which and what is right.
    """
    ref = resolve_model(model)
    trials = 0
    if preset is not None:
        found = read_preset(Path(preset))
        if resolve_model(found.model).name != ref.name:
            raise UserError(f"{preset}: a preset of model '{found.model}', not of '{model}'")
        options, trials = {**found.options, **(options or {})}, found.trials
    if accelerator not in DEVICES:
        raise unknown("accelerator", accelerator, DEVICES)
    # Found out here rather than by every cell; the import of an installed entry is left to the workers.
    if options and ref.plugin is None:
        ref.make(options)
    ref = isolated(ref, options or {})
    chosen = _task(task, source, target).at(budget)
    check_out(Path(out))
    return RunSpec(
        ref, chosen, dict(options or {}), _regimes(regimes, ref), _fractions(fractions, chosen), _seeds(seeds),
        Path(out), Path(data_root) if data_root is not None else None, controls, force, keep, trials, accelerator,
    )  # fmt: skip


def _task(task: str | Path | Task | None, source: str | None, target: str | None) -> Task:
    if (task is None) == (source is None or target is None):
        raise UserError("name either --task or both --source and --target")
    if isinstance(task, Task):
        return task
    return load_task(task) if task is not None else adhoc_task(str(source), str(target))


def _regimes(asked: str | Sequence[str] | None, model: ModelRef) -> tuple[str, ...]:
    names = asked.split(",") if isinstance(asked, str) else asked
    regimes = tuple(name.strip() for name in names or ())
    for regime in regimes:
        if regime not in ROWS:
            raise unknown("regime", regime, ROWS)
    return regimes or usual_regimes(model)


def usual_regimes(model: ModelRef) -> tuple[str, ...]:
    """What is run unless regimes are named: the usual ones, and those that need no target data and the card claims."""
    claimed = (r.name for r in REGIMES.values() if not r.needs_target and r.name in model.capabilities)
    return (*(r.name for r in REGIMES.values() if r.usual), *claimed, FULL)


def _fractions(asked: Fractions | None, task: Task) -> tuple[float, ...]:
    if asked == "all":
        return task.protocol.fractions
    given = [asked] if isinstance(asked, (str, float, int)) else asked
    words = [part for item in given or () for part in (item.split(",") if isinstance(item, str) else [item])]
    fractions = tuple(_fraction(word) for word in words) or (task.protocol.default_fraction,)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise UserError(f"fraction {fraction:g} is not within 0 < f <= 1 (0.05 is 5 % of the training frames)")
    return fractions


def _fraction(word: str | float) -> float:
    text = str(word).strip()
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise UserError(f"fraction '{text}' is not a number such as 0.05 or 5%") from None


def _seeds(asked: Seeds) -> tuple[int, ...]:
    if isinstance(asked, (bool, str)) or not isinstance(asked, (int, Sequence)):
        raise UserError(f"seeds {asked!r}: give how many, or a list of which")
    seeds = tuple(range(asked)) if isinstance(asked, int) else tuple(asked)
    if not seeds:
        raise UserError("no seed: --seeds takes a number above 0")
    if any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise UserError(f"seeds {list(seeds)}: whole numbers from 0 on are needed")
    return seeds


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
