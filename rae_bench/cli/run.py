"""`rae-bench run`: the main job."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rae_bench.cli.cells import cell_options, print_plans, wanted_cells
from rae_bench.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from rae_bench.harness.run import Outcome
    from rae_bench.results.rows import Row
    from rae_bench.task.sides import Side
    from rae_bench.task.split import Folds
    from rae_bench.task.task import Task


@click.command()
@cell_options(seeds=1, fractions="the task's default")
@click.option("--workers", type=int, help="Worker processes of one thread (2 where two cores are there).")
@click.option("--by", type=click.Choice(["action"]), help="Also a table by action: walk, trot, start and so on.")
def run(
    workers: int | None, by: str | None, metrics: tuple[str, ...], dry_run: bool, as_json: bool, **asked: Any
) -> int:
    """Run models on tasks and show what transfer bought.

    Pre-trains on the source, adapts to the target in each regime, generates the held-out clips and measures them.
    Finished cells are kept and not run again.
    --model, --task, --regimes and --fractions take several values: comma-separated, or the option again.
    """
    from rich.console import Console

    from rae_bench.cli.progress import RunProgress
    from rae_bench.harness.run import run_spec, run_workers
    from rae_bench.harness.spec import make_spec
    from rae_bench.study.on_request import add_thesis_errors

    if workers is not None and workers < 1:
        raise UserError("--workers takes a number above 0")
    stderr = Console(stderr=True)
    specs = [make_spec(model, task, **arguments) for model, task, arguments in wanted_cells(**asked)]
    if dry_run:
        print_plans(specs, workers or run_workers(), as_json=as_json)
        return 0
    code = 0
    results: list[dict[str, Any]] = []
    for spec in specs:
        with RunProgress(stderr, f"{spec.model.name} on {spec.task.name}") as progress:
            outcome = run_spec(spec, workers=workers, observe=progress.observe)
        code = max(code, int(bool(outcome.failed)))
        if metrics:
            add_thesis_errors([outcome], stderr.print)
        if as_json:
            results.extend(outcome.results)
        else:
            _print_outcome(outcome, stderr, by)
    if as_json:
        click.echo(json.dumps(results, indent=1, allow_nan=False))
    return code


def _print_outcome(outcome: Outcome, stderr: Any, by: str | None) -> None:
    from rich.console import Console

    from rae_bench.harness.kept import kept_folder
    from rae_bench.results.rows import rows
    from rae_bench.viewer import run_scene, write_page
    from rae_bench.viewer.plots import contact_sheet, fraction_curves

    table_rows = rows(outcome.results)
    console = Console(width=None if Console().is_terminal else 150)
    console.print(render(table_rows, f"{outcome.plan.spec.model.name} on {outcome.task.name}: {outcome.task.title}"))
    for line in footnotes(outcome, table_rows):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if by == "action":
        console.print(action_table(outcome))
    folder = outcome.plan.spec.folder()
    curves = fraction_curves(outcome, table_rows, folder / "curves.png")
    pictures = [curves, contact_sheet(outcome, folder / "sheet.png")]
    stderr.print(f"results   {folder}", highlight=False, markup=False, soft_wrap=True)
    for p in outcome.cells:
        if p.keep and kept_folder(p.path).is_dir():
            stderr.print(f"model     {kept_folder(p.path)}", highlight=False, markup=False, soft_wrap=True)
    for picture in pictures:
        if picture is not None:
            stderr.print(f"picture   {picture}", highlight=False, markup=False, soft_wrap=True)
    page = write_page(run_scene(outcome), folder / "view.html")
    stderr.print(f"page      {page}", highlight=False, markup=False, soft_wrap=True)


RATIOS = ("gain_over_cold", "quality_of_full", "data_saved")


def _value(name: str, row: Row, digits: int) -> str:
    from rae_bench.statistics.intervals import gain_interval, level_interval

    values = row.values[name]
    seeds = row.seeds if len(row.seeds) == len(values) else range(len(values))  # a seed without cold has no gain
    if name in RATIOS:
        trained_on = row.fraction if name == "gain_over_cold" and row.fraction is not None else 1.0
        mean, low, high = gain_interval(seeds, values, trained_on)
        sign = {"above": "> ", "below": "< "}.get(row.capped, "") if name == "data_saved" else ""
        text = f"{sign}{mean:.{digits}f}"
        return text if math.isnan(low) else f"{text}\n({low:.{digits}f}-{high:.{digits}f})"
    found = level_interval(seeds, values)
    mean, half = found.estimate, found.high - found.estimate
    plain = math.isnan(half) or name in ("trained", "core_seconds")
    return f"{mean:,.{digits}f}" if plain else f"{mean:,.{digits}f}\n± {half:.{digits}f}"


def render(table_rows: Sequence[Row], title: str) -> Any:
    """The rows as a rich table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from rae_bench.model.regimes import percent
    from rae_bench.results.columns import narrow_heading
    from rae_bench.results.rows import ROW_COLUMNS

    table = Table(title=Text(title, "bold"), box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("regime", no_wrap=True)
    table.add_column("target\ndata", justify="right", no_wrap=True)
    known = {name for row in table_rows for name, found in row.values.items() if not all(map(math.isnan, found))}
    columns = [column for column in ROW_COLUMNS if column.name in known]
    for column in columns:
        table.add_column(narrow_heading(column), justify="right")
    last = ""
    for row in table_rows:
        if last and row.kind != last:
            table.add_section()
        last = row.kind
        cells = []
        for column in columns:
            values = row.values.get(column.name, [])
            if not values or all(math.isnan(v) for v in values):
                cells.append("")
                continue
            cells.append(_value(column.name, row, column.digits))
        fraction = "" if row.fraction is None else percent(row.fraction)
        table.add_row(Text(row.label + (" *" if row.reason else "")), fraction, *cells)
    return table


def budget_notes(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which rows trained for longer than the budget, or did not say for how long."""
    from rae_bench.model.regimes import NO_REGIME, percent, row_name

    facts: dict[str, set[str]] = defaultdict(set)
    for result in results:
        if result["regime"] == NO_REGIME or not result.get("card", {}).get("learns", True):
            continue
        row = f"{row_name(result['regime'], result['fraction'])} {percent(result['fraction'])}"
        cost = result["cost"]
        if cost.get("over_budget") or cost.get("pretrain_over_budget"):
            facts["trained for longer than its budget"].add(row)
        if "undeclared" in (cost.get("budget_status"), cost.get("pretrain_budget_status")):
            facts["did not say how long it trained (ctx.declare)"].add(row)
    return [f"The model {fact}: {', '.join(sorted(found))}." for fact, found in sorted(facts.items())]


def headroom_notes(table_rows: Sequence[Row]) -> list[str]:
    """Where there is no data to save, because the cold start is nearly as good as full data."""
    from rae_bench.metrics.transfer import LEAST_HEADROOM
    from rae_bench.model.regimes import COLD, percent

    cold = [row for row in table_rows if row.label == COLD and row.fraction is not None]
    small = [f"{row.headroom:.2f} at {percent(row.fraction or 0)}" for row in cold if row.headroom < LEAST_HEADROOM]
    needed = f"No data saved where cold / full is below {LEAST_HEADROOM}, which leaves too little to save"
    return [f"{needed}: {', '.join(small)}."] if small else []


def budget_note(task: Task) -> str:
    """Which version of the benchmark the numbers are of, by which budget, and what they are for."""
    from rae_bench.benchmark import BENCHMARK_VERSION
    from rae_bench.cli.cells import budget_words
    from rae_bench.task.task import FULL_BUDGET

    said = f"Benchmark version {BENCHMARK_VERSION}, {budget_words(task.protocol)}."
    if task.budget == FULL_BUDGET:
        return said
    updates = f"{task.protocol.full_updates:,} updates"
    return f"{said} Quick numbers are not for the board; --budget full ({updates}) makes those."


def fold_notes(folds: Folds, name: str, warnings: Sequence[str] = ()) -> list[str]:
    """What is uneven about the folds of the domain `name`, of which its import has `warnings`."""
    from rae_bench.data.importing.copies import COPIED
    from rae_bench.data.importing.recordings import INCOMPLETE
    from rae_bench.task.cells import FOLDS

    lines = [f"Domain {name}: {text}." for text in warnings if text.startswith(INCOMPLETE)]
    if folds.blocks:
        lines += [
            f"Domain {name} has fewer than {FOLDS} groups: its folds are blocks of time, so held-out motion is like "
            "what is trained on. Such a task is never ranked."
        ]
        if any(text.startswith(COPIED) for text in warnings):
            lines.append(f"Domain {name} has copies of takes: held-out motion may be trained on. Remove them.")
        return lines
    return lines + [f"Group {group} of {name} has {100 * share:.0f} % of the frames: it is a fold by itself."
                    for group, share in folds.large.items()]


def footnotes(outcome: Outcome, table_rows: Sequence[Row]) -> list[str]:
    """What a reader must know to read the table."""
    import numpy as np

    from rae_bench.data.wording import first_few
    from rae_bench.model.regimes import percent
    from rae_bench.task.cells import fold_of

    target = outcome.target
    folds = {fold_of(seed): target.split(seed) for seed in outcome.plan.spec.seeds}
    clips, frames = sum(len(split.test) for split in folds.values()), target.motion.lengths
    trained = sum(frames[split.train].sum() for split in folds.values()) / len(folds) / target.protocol.fps
    lines = [
        f"{clips} held-out clips of rig {target.corpus.motion.rig.name}, "
        f"{100 * target.corpus.motion.rig.height:.0f} cm tall; lower is better but for gain, of full and data saved. "
        f"full: all {trained:.0f} s of training motion{' of a seed' if len(folds) > 1 else ''}."
    ]
    lines.append(budget_note(outcome.task))
    if outcome.task.demo:
        lines.append("An import demo: it has too little motion for its rows to rank anything.")
    for side in (*outcome.plan.sources, target):
        lines += fold_notes(side.folds, side.corpus.name, side.corpus.provenance.get("warnings", ()))
    lines += ground_notes(target, np.concatenate([split.test for split in folds.values()]))
    alone = sorted({action for result in outcome.results for action in result.get("other_actions", ())})
    if alone:
        named = "" if outcome.task.target["kind"] != "domain" else (
            " data import --action-pattern or --action-by motion names actions that several files share."
        )  # fmt: skip
        lines.append(
            f"No other group has the action {first_few(alone)}: for the adversarial score real clips of other actions "
            f"stood beside such clips.{named}"
        )
    for row in table_rows:
        if row.reason:
            lines.append(f"* {row.label}{'' if row.fraction is None else ' ' + percent(row.fraction)}: {row.reason}")
    lines += budget_notes(outcome.results) + headroom_notes(table_rows)
    learned = [r for r in table_rows if r.kind == "model" and r.seeds]
    lines += control_notes(table_rows)
    if any(len(r.seeds) > 1 for r in learned):
        seeds = max((r.seeds for r in learned), key=len)
        tested = len({fold_of(seed) for seed in seeds})
        each = "each a fold" if tested == len(seeds) else f"of {tested} folds"
        lines.append(f"± and brackets: 95 % interval over {len(seeds)} seeds, {each}; ratios are geometric means.")
    uneven = sorted({len(r.seeds) for r in table_rows if r.seeds})
    if len(uneven) > 1:
        lines.append("Rows with fewer seeds are means over fewer folds: they do not compare with the others.")
    return lines


def ground_notes(target: Side, tested: np.ndarray) -> list[str]:
    """Say which errors are 0 for every row because no foot of the held-out segments touches the ground."""
    from rae_bench.objectives.tracks import LIMBS

    if target.motion.contacts[tested].any():
        return []
    asked = target.protocol.track != LIMBS or target.corpus.targets is not None
    errors = "foot sliding is 0" if asked else "foot sliding and objective error are 0, for nothing is asked,"
    return [
        f"No foot touches the ground in the held-out clips: {errors} in every row and in its score. Are the contact "
        "joints and the ground right? rae-bench data report says more."
    ]


def control_notes(table_rows: Sequence[Row]) -> list[str]:
    """Say which rows that learn have a worse score than a control, over the seeds that both have.

    `nearest` knows as much of the target as a row of its fraction, so it is compared with those.
    """
    from rae_bench.model.regimes import percent

    def label(row: Row, always: bool) -> str:
        return row.label + (f" {percent(row.fraction)}" if row.fraction is not None and always else "")

    lines = []
    for control in (r for r in table_rows if r.kind == "control"):
        beaten = []
        for row in (r for r in table_rows if r.kind == "model"):
            ours, theirs = (dict(zip(r.seeds, r.values.get("score", ()), strict=False)) for r in (control, row))
            both = [(ours[seed], theirs[seed]) for seed in ours.keys() & theirs.keys()]
            fair = control.fraction is None or control.fraction == row.fraction
            if both and fair and sum(a - b for a, b in both) < 0:
                beaten.append(label(row, row.fraction != 1))
        if beaten:
            lines.append(f"The control {label(control, True)} has a better score than: {', '.join(beaten)}.")
    return lines


def action_table(outcome: Outcome) -> Any:
    """Reconstruction, sliding and root speed by action, every row's beside the controls'."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from rae_bench.metrics import primaries
    from rae_bench.results.clips import means_by_action
    from rae_bench.results.columns import COLUMNS
    from rae_bench.task.cells import TRUTH

    primary = primaries(outcome.task.protocol.track)
    shown = (primary["reconstruction"], primary["feet"], "root_speed_ratio")

    files: dict[str, list[Path]] = {}
    for p in outcome.cells:
        if p.path.with_suffix(".csv").exists() and p.cell.model != TRUTH:
            label = p.cell.row
            files.setdefault(label, []).append(p.path.with_suffix(".csv"))
    values = means_by_action(files, shown)
    named = " / ".join(f"{COLUMNS[name].label} {COLUMNS[name].unit}" for name in shown[:2])
    title = f"By action: {named} / root speed over the truth's"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("row")
    for action in values:
        table.add_column(Text(action), justify="right")
    for label in files:
        cells = []
        for columns in values.values():
            means = columns.get(label, {})
            words = (f"{means[n]:.{COLUMNS[n].digits}f}" if n in means else "-" for n in shown)
            cells.append(" / ".join(words))
        table.add_row(label, *cells)
    return table
