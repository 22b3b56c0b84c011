"""The commands that make the cells which an entry still lacks."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.entry import Card, Entry
from rae_bench.leaderboard.entries.rules import CellKey, missing_cells, required_cells
from rae_bench.model.plugins.plugin import is_path, portable_spec
from rae_bench.model.regimes import COLD, FULL, ROWS, percent
from rae_bench.task.named import is_builtin_task, load_task
from rae_bench.task.task import Task


def missing_commands(
    entry: Entry, spec: str, results: Iterable[Mapping[str, Any]], out: Path, files: Sequence[str | Path] = ()
) -> Iterator[str]:
    """Give a command for each task of an entry that lacks cells: it makes them, and no others.

    Args:
        entry: as it is.
        spec: what results call the model.
        results: of the entry.
        out: the folder of results.
        files: files of tasks that are not in the package.
    """
    options: Mapping[str, Any] = next((r.get("options", {}) for r in results), {})
    for name in sorted({cell.task for cell in entry.cells}):
        task = _task(name, files)
        lacking = missing_cells(entry, task) if task is not None else []
        if lacking:
            yield run_command(spec, options, _task_word(name, files), lacking, out)


def required_command(card: Card, spec: str, regime: str, results: Sequence[Mapping[str, Any]], out: Path) -> str:
    """Return the command that makes all cells that an entry of these results' first task must have."""
    name = str(results[0]["task"])
    task = _task(name, ())
    keys = required_cells(card, regime, task) if task is not None else []
    return run_command(spec, results[0].get("options", {}), _task_word(name, ()), keys, out)


def run_command(spec: str, options: Mapping[str, Any], task: str, keys: Sequence[CellKey], out: Path) -> str:
    """Return the `rae-bench run` that makes some cells of a task. What is there already it leaves as it is."""
    rows = {FULL if key.regime == COLD and key.fraction == 1 else key.regime for key in keys}
    shares = sorted({key.fraction for key in keys if 0 < key.fraction < 1})
    seeds = sorted({key.seed for key in keys})
    words = ["rae-bench", "run", "--model", model_word(spec), "--task", task, "--budget", "full"]
    if rows:
        words += ["--regimes", ",".join(row for row in ROWS if row in rows)]
    if shares:
        words += ["--fractions", ",".join(percent(share).replace(" ", "") for share in shares)]
    if seeds:
        words += ["--seeds", ",".join(map(str, seeds)) + ("-" + str(seeds[0]) if len(seeds) == 1 else "")]
    for key, value in sorted(options.items()):
        words += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    words += [] if out == Path("results") else ["--out", str(out)]
    return shlex.join(words)


def model_word(spec: str) -> str:
    """Return how the command line finds a model here, of what results call it: they keep no path of a plug-in."""
    if not is_path(spec):
        return spec
    file, _, name = spec.rpartition(":")
    here = [f"./{Path(file).name}:{name}", f"./{file}:{name}", f"../{file}:{name}"]
    return next((word for word in here if _is(word, spec)), f"PATH/TO/{file}:{name}")


def _is(word: str, spec: str) -> bool:
    return Path(word.rpartition(":")[0]).exists() and portable_spec(word) == spec


def _task(name: str, files: Sequence[str | Path]) -> Task | None:
    try:
        return load_task(_task_word(name, files))
    except UserError:
        return None


def _task_word(name: str, files: Sequence[str | Path]) -> str:
    """Return how the command line finds a task: built in, or a file of that name."""
    given = [str(file) for file in files if Path(file).stem == name]
    return given[0] if given else name if is_builtin_task(name) else f"{name}.toml"
