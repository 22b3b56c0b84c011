"""`rae-bench study distance`: what transfer is worth over the distance between rigs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_bench.cli.kept import Kept
from rae_bench.cli.screen import next_steps, print_notes, print_table, wide_option
from rae_bench.cli.status import begin
from rae_bench.cli.values import SeedsType, split
from rae_bench.results.text_table import TextColumn

if TYPE_CHECKING:
    from rae_bench.study.distance import Gain

PATH = click.Path(path_type=Path)
COLUMNS = (
    TextColumn("model", right=False),
    TextColumn("target", right=False),
    TextColumn("bones", leaves=2),
    TextColumn("joints", leaves=1),
    TextColumn("regime", right=False),
    TextColumn("over", right=False),
    TextColumn("gain in score"),
    TextColumn("95 % interval", "95 %\ninterval", right=False),
)

NOTES = (
    "Above 0: the regime is better. The interval is over folds. *: decided, p below 0.05, each p by itself.",
    "bones: root mean square of the log ratios of bone lengths. joints: that are put in or taken out.",
)


@click.command()
@click.option("--models", multiple=True, default=("mann",), show_default=True, help="Entries.")
@click.option("--seeds", type=SeedsType(), default=5, show_default=True, help="How many seeds, or which: 0,3-4.")
@click.option("--out", type=PATH, default="distance", show_default=True, help="Folder of the cells.")
@click.option("--plot", "plot_path", type=PATH, help="Where the plot goes (OUT/distance.png).")
@click.option("--workers", type=click.IntRange(min=1), help="Cells at a time (as many as there are cores).")
@click.option("--report-only", is_flag=True, help="Train nothing: report what is there.")
@click.option("--evidence", type=PATH, help="Report the numbers that --json printed into this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@wide_option
def distance(
    models: tuple[str, ...], seeds: int | list[int], out: Path, plot_path: Path | None, workers: int | None,
    report_only: bool, evidence: Path | None, as_json: bool, wide: bool,
) -> int:
    """How far does transfer reach? One source, and targets that are ever less like it.

    The source is the biped r1. The targets are r1 itself, three rigs with its joints and ever more of the monster's
    bones, the monster, and the quadruped. With the smallest fraction of the target, finetune and retarget are compared
    with cold and with cold-long, by the score.

    Finished cells are kept in --out: the same command does the rest.
    """
    from rae_bench.errors import UserError
    from rae_bench.results.files import strict
    from rae_bench.statistics.significance import SIGNIFICANT
    from rae_bench.study import distance as study

    begin("study distance")
    failed = False
    if evidence:
        found = _read(evidence)
    else:
        kept = Kept(out, None, workers, report_only)
        outcomes = kept.outcomes(study.distance_specs(split(models), seeds=seeds, out=out))
        failed = any(outcome.failed for outcome in outcomes)
        found = study.gains(outcomes)
    if not found:
        raise UserError(f"{out}: holds no finished cells to compare; run it without --report-only first")
    if as_json:
        click.echo(json.dumps(strict(study.facts(found)), indent=1, allow_nan=False))
    else:
        rows = [
            (
                gain.model, gain.target, f"{gain.bones:.2f}", str(gain.joints), gain.regime, gain.baseline,
                f"{gain.effect:+.3f}", f"{gain.low:+.3f} to {gain.high:+.3f}" + ("*" if gain.p < SIGNIFICANT else ""),
            )
            for gain in found
        ]  # fmt: skip
        print_table(COLUMNS, rows, f"gain in score, {found[0].seeds} seeds, from r1 to ever farther rigs", wide=wide)
        print_notes(NOTES)
    click.echo(f"plot: {study.draw_distance(found, plot_path or out / 'distance.png')}", err=True)
    next_steps("read docs/reports/ranked-tasks.md, to see the errors behind the scores")
    return int(failed)


def _read(path: Path) -> list[Gain]:
    """Return the numbers of a file. Raise `UserError` where it is not what --json writes."""
    from rae_bench.errors import UserError
    from rae_bench.files import read_text
    from rae_bench.study.distance import read_facts

    try:
        return read_facts(json.loads(read_text(path)))
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: this is not what study distance --json writes ({error})") from error
