"""`rae-bench show task --folds`: what the folds of both sides hold, and what the target's fractions do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rae_bench.task.contents import Contents
    from rae_bench.task.sides import Side
    from rae_bench.task.task import Task

WIDTH, LABEL, COLUMN, PAIR = 80, 22, 9, 11
"""Characters of a line, of the first column, of each of the six others, and of each of five that hold two numbers."""


def fold_lines(task: Task, sources: Sequence[Side], target: Side) -> list[str]:
    """Return the folds of a task's sides as tables of 80 columns."""
    lines = [f"{task.name}, track {task.protocol.track}", "Seed s tests on fold s mod 5. Actions are in minutes.", ""]
    for word, side in (*(("source", source) for source in sources), ("target", target)):
        lines += [*_side_lines(word, side), ""]
    return [*lines, *_fraction_lines(target)]


def fold_facts(task: Task, sources: Sequence[Side], target: Side) -> dict[str, Any]:
    """Return the same numbers ready for JSON; seconds in place of minutes."""
    from rae_bench.task.contents import contents_of_folds, contents_of_fractions

    def facts(side: Side) -> dict[str, Any]:
        *folds, whole = (asdict(contents) for contents in contents_of_folds(side))
        return {"domain": side.corpus.name, "folds": folds, "all": whole, "notes": _notes(side)}

    fractions = {f"{f:g}": [asdict(each) for each in row] for f, row in contents_of_fractions(target).items()}
    return {
        "task": task.name,
        "sources": [facts(source) for source in sources],
        "target": facts(target) | {"fractions_by_seed": fractions},
    }


def _row(label: str, cells: Sequence[str], column: int = COLUMN) -> str:
    label = label if len(label) <= LABEL else label[: LABEL - 1] + "…"
    return f"{label:<{LABEL}}" + "".join(f"{cell:>{column}}" for cell in cells)


def _notes(side: Side) -> list[str]:
    """Return what is uneven about a side's folds."""
    from rae_bench.cli.run import fold_notes

    return fold_notes(side.folds, side.corpus.name, side.corpus.provenance.get("warnings", ()))


def _side_lines(word: str, side: Side) -> list[str]:
    from rae_bench.task.cells import FOLDS
    from rae_bench.task.contents import contents_of_folds

    columns = contents_of_folds(side)

    def row(label: str, cell: Callable[[Contents], str]) -> str:
        return _row(label, [cell(contents) for contents in columns])

    def minutes(action: str) -> Callable[[Contents], str]:
        return lambda contents: f"{contents.actions[action] / 60:.2f}" if action in contents.actions else "-"

    return [
        _row(f"{word} {side.corpus.name}", [*(f"fold {fold}" for fold in range(FOLDS)), "all"]),
        row("takes", lambda contents: f"{contents.takes:,}"),
        row("groups", lambda contents: f"{contents.groups:,}"),
        row("segments", lambda contents: f"{contents.segments:,}"),
        row("minutes", lambda contents: f"{contents.seconds / 60:.2f}"),
        *(row(f"  {action}", minutes(action)) for action in columns[-1].actions),
        *(line for note in _notes(side) for line in wrap(note, WIDTH)),
    ]


def _fraction_lines(target: Side) -> list[str]:
    """Return how many takes and seconds each fraction has with each seed."""
    from rae_bench.model.regimes import percent
    from rae_bench.task.cells import FOLDS
    from rae_bench.task.contents import contents_of_fractions

    drawn = "segments" if target.folds.blocks or target.corpus.combinations else "takes"
    rows = contents_of_fractions(target)
    return [
        _row(f"{drawn}, seconds", [f"seed {seed}" for seed in range(FOLDS)], PAIR),
        *(_row(percent(f), [_drawn(each, drawn) for each in row], PAIR) for f, row in rows.items()),
    ]


def _drawn(contents: Contents, what: str) -> str:
    return f"{getattr(contents, what):,}, {contents.seconds:.0f}"
