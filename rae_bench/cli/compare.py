"""`rae-bench compare`: is A better than B, by how much, and how sure is that?"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.cli.leaderboard import ENTRIES_FOLDER
from rae_bench.cli.screen import next_steps, print_notes, print_table, wide_option
from rae_bench.cli.status import begin
from rae_bench.cli.values import SeedsType, numbers, split
from rae_bench.errors import UserError, unknown
from rae_bench.model.regimes import COLD, FULL, NO_REGIME, ROWS, ZERO_SHOT, is_retargeted
from rae_bench.objectives.tracks import LIMBS, TRACKS
from rae_bench.results.text_table import Cells, TextColumn, short_number
from rae_bench.task.task import BUDGETS, QUICK_BUDGET

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--task", "tasks", multiple=True, help="Only these tasks (all that both have).")
@click.option("--fractions", multiple=True, help="Only these fractions: 0.05 or 5%.")
@click.option("--seeds", type=SeedsType(), help="Only the first so many seeds, or only these: 0,3-4.")
@click.option("--budget", type=click.Choice(BUDGETS), help="Only results of this budget (the one that both have).")
@click.option("--metric", help="score, or any metric of the results (the primary reconstruction error).")
@click.option(
    "--results", type=click.Path(path_type=Path), default="results", show_default=True,
    help="Folder in which A and B are looked up.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@wide_option
def compare(
    a: str, b: str, tasks: tuple[str, ...], fractions: tuple[str, ...], seeds: int | list[int] | None,
    budget: str | None, metric: str | None, results: Path, as_json: bool, wide: bool,
) -> None:
    """Compare A with B on the cells that both have: effect, 95 % interval, p, and better, worse or undecided.

    A and B are folders of one model's results (results/fe-44136fa3), their names in the results folder with or
    without the hash, or entries of the leaderboard. NAME:REGIME takes one regime, to compare two of them:

    \b
    rae-bench compare fe-44136fa3:finetune fe-44136fa3:cold
    rae-bench compare fe-44136fa3 hold-44136fa3 --task biped2quad
    """
    begin(f"compare {a} with {b}", brief=True)

    from rae_bench.statistics import comparison
    from rae_bench.statistics.pairing import left_out
    from rae_bench.statistics.scores import SCORE
    from rae_bench.statistics.tables import in_short

    sides = [_EntryResults(text, results) for text in (a, b)]
    if bool(sides[0].regime) != bool(sides[1].regime) and not any(side.is_control for side in sides):
        raise UserError("give a regime to both A and B (NAME:REGIME), or to neither")
    if isinstance(seeds, int) and seeds < 1:
        raise UserError("--seeds takes a number above 0, or a list of seeds")
    wanted = numbers("--fractions", split(fractions))
    chosen = _one_budget(sides, split(tasks), budget)
    metric = metric or _primary(sides, split(tasks))
    tables = [side.clips(metric, split(tasks), wanted, seeds) for side in sides]
    _same_basis(tables)
    direction = str(tables[0]["direction"].iloc[0])
    across = bool(sides[0].regime) and bool(sides[1].regime)
    found = comparison.compare(tables[0], tables[1], direction, across_regimes=across, differences=metric == SCORE)
    unpaired = left_out(*tables, across_regimes=across)
    unit = str(tables[0]["unit"].iloc[0])
    if as_json:
        rows = [{k: _json(v) for k, v in row.items()} for row in found.to_dict("records")]
        facts = {"a": a, "b": b, "benchmark": BENCHMARK_VERSION, "budget": chosen, "metric": metric, "unit": unit,
                 "rows": rows, "left_out": unpaired}  # fmt: skip
        click.echo(json.dumps(facts, indent=1))
        return
    ratio = bool((found["scale"] == "x").all())
    title = f"{a} against {b}: {metric}, " + ("times better" if ratio else f"better by{unit and f', {unit}'}")
    print_table(COLUMNS, table_rows(found, ratio), title, wide=wide)
    print_notes(footnotes(found, ratio, metric == SCORE))
    quick = ": not for the board." if chosen == QUICK_BUDGET else "."
    print_notes([f"Benchmark version {BENCHMARK_VERSION}, {chosen} budget{quick}"])
    if unpaired:
        print_notes([f"Only one side has, so not compared: {in_short(unpaired)}."])
    if (found["seeds"] < 3).any():
        next_steps("rae-bench run ... --seeds 3, for an interval that decides", "rae-bench compare again")
    else:
        next_steps(f"rae-bench view {sides[0].folder}/TASK, to see the motion behind the numbers")


class _EntryResults:
    """The results of one entry, or of one of its regimes, that A or B names."""

    def __init__(self, text: str, results: Path) -> None:
        from rae_bench.results.files import load_results
        from rae_bench.statistics.tables import with_entry

        name, _, regime = text.rpartition(":")
        if name and regime not in ROWS and not Path(text).exists():
            raise unknown("regime", regime, ROWS)
        self.text, self.regime = text, regime if name and regime in ROWS else ""
        folder = self.folder = _folder(name if self.regime else text, results)
        table = with_entry(load_results(folder))
        if table.empty:
            raise UserError(f"{folder}: no cell results here")
        learned = table[table["regime"] != NO_REGIME]
        table = learned if len(learned) else table
        entries = sorted(table["entry"].unique())
        if len(entries) > 1:
            raise UserError(f"{folder} holds {len(entries)} entries, name one of them: {', '.join(entries)}")
        self.is_control = set(table["regime"]) == {NO_REGIME}
        if self.regime:
            table = table[table["regime"] == self.regime]
            if table.empty:
                raise UserError(f"{folder}: no finished cell of the regime {self.regime}")
        self.table = table

    def clips(
        self, metric: str, tasks: list[str], fractions: list[float], seeds: int | list[int] | None
    ) -> pd.DataFrame:
        """Return a row for each clip of the cells that the options leave; for each cell if no clip has the metric."""
        from rae_bench.model.regimes import percent
        from rae_bench.results.clips import load_clips
        from rae_bench.statistics.pairing import whole_cells
        from rae_bench.statistics.scores import SCORE, score_table

        table = self.table
        for task in tasks:
            if task not in set(table["task"]):
                raise unknown(f"task of {self.text}", task, set(table["task"]))
        if tasks:
            table = table[table["task"].isin(tasks)]
        uses_fraction = ~table["regime"].isin([NO_REGIME, FULL, ZERO_SHOT])
        for fraction in fractions:
            if uses_fraction.any() and fraction not in set(table["fraction"]):
                cold = fraction == 1 and self.regime == COLD
                hint = f"; cold on all data is {self.text.removesuffix(COLD)}{FULL}" if cold else ""
                raise UserError(f"{self.text}: no cell of {percent(fraction)}{hint}")
        if fractions:
            table = table[~uses_fraction | table["fraction"].isin(fractions)]
        if seeds is not None:
            table = table[table["seed"] < seeds if isinstance(seeds, int) else table["seed"].isin(seeds)]
        if metric == SCORE:
            scores = score_table(table, self._truth())
            if scores.empty:
                raise UserError(f"{self.text}: no cell that generated motion, so there is no score")
            return whole_cells(scores)
        known = [SCORE, *sorted(set(table["metric"]))]
        if metric not in known:
            raise unknown("metric", metric, known)
        clips = load_clips(table, metric)
        if len(clips):
            return clips
        return whole_cells(table[table["metric"] == metric])


    def _truth(self) -> pd.DataFrame:
        """The results of the ground truth that lie beside these."""
        import pandas as pd

        from rae_bench.results.files import load_results
        from rae_bench.task.cells import TRUTH

        folders = [f for f in sorted(self.folder.parent.glob(f"{TRUTH}*")) if f.is_dir()]
        tables = [load_results(folder) for folder in folders]
        table = pd.concat(tables, ignore_index=True) if tables else self.table[:0]
        table = table[table["model"] == TRUTH]
        if table.empty:
            raise UserError(f"{self.folder.parent}: the score needs the results of the truth here; run any model there")
        return table


def _one_budget(sides: list[_EntryResults], tasks: list[str], asked: str | None) -> str:
    """Leave the results of one budget to both sides and return it.

    Raises:
        UserError: the sides have results of both budgets and none was chosen, or a side has none of the chosen one.
    """
    tables = [side.table[side.table["task"].isin(tasks)] if tasks else side.table for side in sides]
    found = [set(table["budget"]) for table in tables]
    if asked is None and len(found[0] | found[1]) > 1:
        words = " and ".join(f"{s.text} has {', '.join(sorted(f))}" for s, f in zip(sides, found, strict=True))
        raise UserError(f"quick and full results do not compare: {words}; choose with --budget")
    chosen = asked or next(iter(found[0] | found[1]), QUICK_BUDGET)
    for side, budgets in zip(sides, found, strict=True):
        if chosen not in budgets and budgets:
            raise UserError(f"{side.text}: no result of the {chosen} budget; run it with --budget {chosen}")
        if budgets:
            side.table = side.table[side.table["budget"] == chosen]
    return chosen


def _primary(sides: list[_EntryResults], tasks: list[str]) -> str:
    """Return the metric by which transfer is judged in the track of the tasks that both sides have.

    Raises:
        UserError: the tasks are of tracks that are judged by different metrics.
    """
    from rae_bench.metrics import primaries

    tables = [side.table[side.table["task"].isin(tasks)] if tasks else side.table for side in sides]
    both = set(tables[0]["task"]) & set(tables[1]["task"]) or set(tables[0]["task"])
    tracks = {str(track) for track in tables[0].loc[tables[0]["task"].isin(both), "track"]}
    found = sorted({primaries(track)["reconstruction"] for track in tracks if track in TRACKS})
    if len(found) > 1:
        raise UserError(f"these tasks are judged by {' and '.join(found)}; choose tasks with --task, or a --metric")
    return found[0] if found else primaries(LIMBS)["reconstruction"]


def _folder(name: str, results: Path) -> Path:
    for folder in (Path(name), results / name, ENTRIES_FOLDER / name):
        if folder.is_dir():
            return folder
    of_model = sorted(folder for folder in results.glob("*-*") if folder.name.rpartition("-")[0] == name)
    if len(of_model) == 1:  # the hash of its options says nothing more where there is one
        return of_model[0]
    if of_model:
        named = ", ".join(folder.name for folder in of_model)
        raise UserError(f"{results} holds '{name}' with more than one set of options; name one of {named}")
    roots = [root for root in (results, ENTRIES_FOLDER) if root.is_dir()]
    near = {path.name for root in roots for path in root.iterdir() if path.is_dir()}
    raise unknown("entry or folder of results", name, near)


def _same_basis(tables: list[Any]) -> None:
    """Raise `UserError` where A and B were not measured on the same thing in the same way.

    The data of cells of `retarget` have a hash of their own, because their source is on the target's rig.
    """
    from rae_bench.results.files import without_data

    shared = set(tables[0]["task"]) & set(tables[1]["task"])
    for task in sorted(shared):
        found: dict[bool, set[str]] = {False: set(), True: set()}
        for table in tables:
            rows = table[table["task"] == task]
            for regime, basis in zip(rows["regime"], rows["basis"], strict=True):
                found[is_retargeted(regime)].add(basis)
        for alike in (*found.values(), {without_data(basis) for bases in found.values() for basis in bases}):
            if len(alike) > 1:
                one, other, *_ = sorted(alike)
                raise UserError(f"{task}: cells that do not compare ({one}; {other}); run the older ones again")


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


COLUMNS = (
    TextColumn("task", right=False),
    TextColumn("regime", right=False),
    TextColumn("data", right=False),
    TextColumn("effect"),
    TextColumn("95 % interval", "95 %\ninterval", right=False),
    TextColumn("p", leaves=1),
    TextColumn("seeds", leaves=2),
    TextColumn("clips", leaves=3),
    TextColumn("A is", right=False),
)
"""The columns of the comparison."""


def table_rows(found: pd.DataFrame, ratio: bool) -> list[Cells]:
    """Return the cells of the comparison; effects are ratios or differences."""
    from rae_bench.model.regimes import percent

    rows: list[Cells] = []
    for row in found.to_dict("records"):
        fraction = float(row["fraction"])
        digits = 2 if ratio else 3
        ends = [short_number(row[end], digits) or "nan" for end in ("effect", "low", "high")]
        known = math.isfinite(row["p"])
        rows.append((
            f"all {row['tasks']}" if row["task"] == "all" else str(row["task"]),
            str(row["regime"]),
            "all" if math.isnan(fraction) else percent(fraction),
            ends[0],
            f"{ends[1]} to {ends[2]}" if known else "none",
            ("< 0.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}") if known else "none",
            str(row["seeds"]),
            str(row["clips"]) if row["clips"] > row["tasks"] * row["folds"] else "",
            str(row["verdict"]),
        ))
    return rows


def footnotes(found: pd.DataFrame, ratio: bool, scores: bool = False) -> list[str]:
    """Return what a reader must know to read the rows."""
    above = "above 1" if ratio else "above 0"
    notes = [
        f"{above}: A is better. Interval: over folds (other training, other held-out motion); p: adjusted by Holm for "
        "the rows, and below 0.05 where it is decided."
    ]
    if not ratio and not scores:
        notes.append("Differences, not ratios: the metric is close to 0 on a clip, which would rule a mean of ratios.")
    if (found["seeds"] < 2).any():
        notes.append("One seed has no interval, so nothing is decided: run at least three (--seeds 3).")
    elif (found["folds"] < 2).any():
        notes.append("All seeds were tested on the same motion, so there is no interval, and nothing is decided.")
    if found["fraction"].isna().any():
        notes.append("data all: the mean over the fractions above.")
    if (found["task"] == "all").any():
        notes.append("all tasks: the interquartile mean.")
    return notes
