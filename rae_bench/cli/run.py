"""`rae-bench run`: the main job."""

from __future__ import annotations

import json
import math
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rae_bench.cli.cells import Wanted, cell_options, print_plans, wanted_cells, wanted_words
from rae_bench.cli.result_table import print_actions, print_rows
from rae_bench.cli.screen import next_steps, print_notes
from rae_bench.cli.status import begin
from rae_bench.errors import UserError
from rae_bench.model.regimes import COLD, FINETUNE, FULL
from rae_bench.task.task import QUICK_BUDGET

if TYPE_CHECKING:
    import numpy as np

    from rae_bench.harness.run import Outcome
    from rae_bench.harness.spec import RunSpec
    from rae_bench.results.rows import Row
    from rae_bench.task.sides import Side
    from rae_bench.task.split import Folds
    from rae_bench.task.task import Task


@click.command()
@cell_options(seeds=1, fractions="the task's default")
@click.option("--workers", type=int, help="Worker processes of one thread (2 where two cores are there).")
@click.option("--by", type=click.Choice(["action"]), help="Also a table by action: walk, trot, start and so on.")
def run(
    workers: int | None, by: str | None, metrics: tuple[str, ...], dry_run: bool, as_json: bool, wide: bool,
    **asked: Any,
) -> int:
    """Run models on tasks and show what transfer bought.

    Pre-trains on the source, adapts to the target in each regime, generates the held-out clips and measures them.
    Finished cells are kept and not run again.
    --model, --task, --regimes and --fractions take several values: comma-separated, or the option again.
    """
    if workers is not None and workers < 1:
        raise UserError("--workers takes a number above 0")
    wanted = wanted_cells(**asked)
    begin(wanted_words(wanted))

    from rich.console import Console

    from rae_bench.cli.progress import RunProgress
    from rae_bench.harness.run import run_spec, run_workers
    from rae_bench.harness.spec import make_spec
    from rae_bench.study.on_request import add_thesis_errors

    stderr = Console(stderr=True)
    specs = [make_spec(model, task, **arguments) for model, task, arguments in wanted]
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
            try:
                _print_outcome(outcome, stderr, by, wide=wide)
            except OSError as error:  # the cells of other models are still to come
                place = f"{error.filename}: " if error.filename else ""
                text = f"pictures and page were not written: {place}{error.strerror}"
                stderr.print(text, markup=False, soft_wrap=True)
                code = 1
    if as_json:
        click.echo(json.dumps(results, indent=1, allow_nan=False))
    else:
        next_steps(*what_next(specs, wanted))
    return code


def what_next(specs: Sequence[RunSpec], wanted: Sequence[Wanted]) -> list[str]:
    """Return the commands that make sense once cells are finished: motion to make, a comparison, or seeds for one.

    Args:
        specs: what was run.
        wanted: the same as it was asked for, which is how it is asked for again.
    """
    first = specs[0]
    entries = list(dict.fromkeys(spec.folder().parent.name for spec in specs))
    learned = [regime for regime in first.regimes if regime not in (COLD, FULL)]
    where = "" if first.out == Path("results") else f" --results {first.out}"
    steps = [step] if first.keep and (step := generate_command(first)) else []
    if len(first.seeds) < 2:
        return [*steps, f"{asked_again(*wanted[0])} --seeds 3"]
    if len(entries) > 1:
        return [*steps, f"rae-bench compare {entries[0]} {entries[1]}{where}"]
    if learned and COLD in first.regimes:
        return [*steps, f"rae-bench compare {entries[0]}:{learned[-1]} {entries[0]}:{COLD}{where}"]
    return [*steps, f"rae-bench view {first.folder()}"]


def generate_command(spec: RunSpec) -> str:
    """Return the command that makes motion with the last model that was kept; "" where none was."""
    from rae_bench.harness.kept import kept_folder

    kept = [folder for cell in spec.cells() if cell.learns and (folder := kept_folder(spec.path(cell))).is_dir()]
    named = [folder for folder in kept if folder.name.startswith(FINETUNE)] or kept
    return f"rae-bench generate {named[-1]} --objectives FILE.toml -o out.bvh --page out.html" if named else ""


def asked_again(model: str, task: str | None, asked: Mapping[str, Any]) -> str:
    """Return the command that was given for one model and task, without its seeds."""
    words = ["rae-bench", "run", "--model", model]
    words += ["--task", task] if task else ["--source", str(asked["source"]), "--target", str(asked["target"])]
    words += ["--regimes", ",".join(asked["regimes"])] if asked.get("regimes") else []
    words += ["--fractions", ",".join(f"{100 * f:g}%" for f in asked["fractions"])] if asked.get("fractions") else []
    words += ["--budget", asked["budget"]] if asked.get("budget", QUICK_BUDGET) != QUICK_BUDGET else []
    for key, value in (asked.get("options") or {}).items():
        words += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    for option, key in (("--preset", "preset"), ("--data", "data_root"), ("--out", "out")):
        words += [option, str(asked[key])] if asked.get(key) and str(asked[key]) != "results" else []
    return shlex.join(words)


def print_outcome(outcome: Outcome, table_rows: Sequence[Row], *, wide: bool = False) -> None:
    """Print the table of a model on a task, and what a reader must know to read it."""
    print_rows(table_rows, f"{outcome.plan.spec.model.name} on {outcome.task.name}: {outcome.task.title}", wide=wide)
    print_notes(footnotes(outcome, table_rows))


def _print_outcome(outcome: Outcome, stderr: Any, by: str | None, *, wide: bool) -> None:
    from rae_bench.harness.kept import kept_folder
    from rae_bench.results.rows import rows
    from rae_bench.viewer import run_scene, write_page
    from rae_bench.viewer.choice import ALL
    from rae_bench.viewer.curves import fraction_curves
    from rae_bench.viewer.plots import contact_sheet

    table_rows = rows(outcome.results)
    print_outcome(outcome, table_rows, wide=wide)
    if by == "action":
        print_actions(outcome, wide=wide)
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
    page = write_page(run_scene(outcome, ALL.for_page), folder / "view.html")
    stderr.print(f"page      {page}", highlight=False, markup=False, soft_wrap=True)


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
    needed = f"data saved is empty where the error of cold is less than {LEAST_HEADROOM} times that of full"
    return [f"{needed}, for there is too little to save: {', '.join(small)}."] if small else []


def transfer_notes(table_rows: Sequence[Row]) -> list[str]:
    """Say what the columns of transfer and of cost mean, as far as the table has them."""
    known = {name for row in table_rows for name, values in row.values.items() if not all(map(math.isnan, values))}
    capped = {row.capped for row in table_rows if "data_saved" in row.values}
    meanings = {
        "gain_over_cold": "gain over cold: error of cold over the row's",
        "quality_of_full": "quality of full: error of full over the row's, in %",
        "data_saved": "data saved: how many times more data cold needs for the row's error",
        "core_seconds": "CPU time: seconds on one core for one training on the target",
    }
    lines = ["; ".join(text for name, text in meanings.items() if name in known)]
    bounds = {
        "above": "≥: better than cold with the most data that it was run on, so at least this",
        "below": "≤: worse than cold with the least data that it was run on, so at most this",
    }
    lines.append("; ".join(text for bound, text in bounds.items() if bound in capped))
    return [f"{line}." for line in lines if line]


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
        f"{100 * target.corpus.motion.rig.height:.0f} cm tall; lower is better, except for gain over cold, quality of "
        "full and data saved. The row full has all "
        f"{trained:.0f} s of training motion{' of a seed' if len(folds) > 1 else ''}."
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
    lines += budget_notes(outcome.results) + transfer_notes(table_rows) + headroom_notes(table_rows)
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
