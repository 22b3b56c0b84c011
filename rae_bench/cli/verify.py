"""`rae-bench verify`: is an entry what it says?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_bench.cli.screen import next_steps, print_notes
from rae_bench.cli.status import begin, status_line
from rae_bench.cli.values import writing
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.level import CLAIMED, REPRODUCED, RESCORED

if TYPE_CHECKING:
    from rae_bench.leaderboard.verify.verifier import Report

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("entry", type=PATH)
@click.option("--trajectories", type=PATH, help="The file that submit packed.")
@click.option("--fetch", is_flag=True, help="Download that file from the entry's https address.")
@click.option("--others", type=PATH, help="Folder of the entries to compare with (the one the entry lies in).")
@click.option("--task", "tasks", multiple=True, type=PATH, help="File of a task that is not in the package.")
@click.option("--data", "data_root", type=PATH, help="Folder of recordings ($RAE_BENCH_DATA).")
@click.option("--record", is_flag=True, help="Write the level reached to the entry's level.json.")
@click.option("--rerun", is_flag=True, help="Train some of its cells again. This runs the model's code.")
@click.option("--cells", type=int, default=1, show_default=True, help="How many cells of each task --rerun trains.")
@click.option("--cell", "names", multiple=True, help="With --rerun: train this cell, such as finetune-f0.05-s0.")
@click.option("--data-seed", type=int, help="With --rerun: seed of the motion that nobody has seen (a secret one).")
@click.option("--model", help="With --rerun: where the model is, such as path/to/file.py:Class (the entry's name).")
@click.option("--json", "as_json", is_flag=True, help="Findings and levels as JSON.")
def verify(
    entry: Path,
    trajectories: Path | None,
    fetch: bool,
    others: Path | None,
    tasks: tuple[Path, ...],
    data_root: Path | None,
    record: bool,
    rerun: bool,
    cells: int,
    names: tuple[str, ...],
    data_seed: int | None,
    model: str | None,
    as_json: bool,
) -> int:
    """Check an entry of the leaderboard, and recompute its metrics from its trajectories.

    Exit 0 where nothing is wrong, 1 with findings: each says where, what, and how to mend it.
    """
    if fetch and trajectories:
        raise UserError("--fetch downloads the trajectories; leave it out, or --trajectories")
    if not rerun and (data_seed is not None or model is not None or names):
        raise UserError("--cell, --data-seed and --model belong to --rerun")
    if cells < 1:
        raise UserError("--cells takes a number above 0")
    begin(f"verify {entry.name}")

    from rae_bench.leaderboard.entries.fetch import fetched
    from rae_bench.leaderboard.verify import verifier

    with status_line() as progress, fetched(entry, fetch, progress) as file:
        report = verifier.verify(
            entry, file or trajectories, others=others, tasks=tasks, data_root=data_root, levels=not rerun,
            progress=progress,
        )  # fmt: skip
        again = {}
        if rerun and report.entry and not report.findings:
            from rae_bench.leaderboard.verify.rerun import rerun as train_again

            again = train_again(
                report, cells=cells, names=names, data_seed=data_seed, model=model, tasks=tasks, data_root=data_root,
                progress=progress,
            )  # fmt: skip
    if record and report.entry and not report.findings:
        with writing(entry):
            verifier.record(report, again)
    if as_json:
        _print_json(report)
    else:
        _print(report, entry)
    return int(bool(report.findings))


def print_findings(report: Report) -> None:
    """Print where each finding is, what it is, and how to mend it; findings that say the same of many cells once."""
    for finding, count in report.grouped():
        more = f" (and {count - 1} more)" if count > 1 else ""
        print_notes([f"{finding.where}{more}: {finding.what}", f"    mend: {finding.mend}"])


def _print(report: Report, entry: Path) -> None:
    print_findings(report)
    print_notes((f"note: {note}" for note in report.notes), err=True)
    if report.findings:
        click.echo(f"{entry.name}: {len(report.findings)} finding{'s' if len(report.findings) > 1 else ''}")
        return
    for task, level in report.levels.items():
        clips, total = report.clips.get(task, (0, 0))
        part = f" on {clips:,} of {total:,} clips" if clips else ""
        rests = f"{REPRODUCED}: {report.evidence[task].words()}; " if task in report.evidence else ""
        click.echo(f"{entry.name}: {task} {rests}{RESCORED}{part}" if clips else f"{entry.name}: {task} {level}")
    if CLAIMED in report.levels.values():
        click.echo("note: claimed is its authors' word: no trajectories were there to recompute metrics from", err=True)
        next_steps(f"rae-bench verify {entry} --fetch")
    elif any(clips < total for clips, total in report.clips.values()):
        text = "rescored: metrics of the clips that the entry carries were computed again, and agree"
        click.echo(f"note: {text}", err=True)
        next_steps(f"rae-bench verify {entry} --fetch, for all clips")
    elif RESCORED in report.levels.values():
        click.echo("note: rescored: its metrics were computed again from its trajectories, and agree", err=True)
        next_steps(f"rae-bench verify {entry} --rerun, which runs the model's code")


def _print_json(report: Report) -> None:
    import json
    from dataclasses import asdict

    facts = {
        "entry": report.entry.name if report.entry else None,
        "findings": [asdict(finding) for finding in report.findings],
        "levels": report.levels,
        "evidence": {task: found._asdict() for task, found in report.evidence.items()},
        "clips": report.clips,
        "notes": report.notes,
    }
    click.echo(json.dumps(facts, indent=1, allow_nan=False))
