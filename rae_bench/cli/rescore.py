"""`rae-bench rescore`: metrics of finished cells, computed again from the trajectories that were kept."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click

from rae_bench.cli.screen import next_steps
from rae_bench.cli.status import begin, status_line
from rae_bench.errors import UserError

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="ENTRY|RESULTS", type=PATH)
@click.option("--trajectories", type=PATH, help="Of an entry: the file that submit packed.")
@click.option("--fetch", is_flag=True, help="Of an entry: download that file from its https address.")
@click.option("--task", "tasks", multiple=True, type=PATH, help="File of a task that is not in the package.")
@click.option("--data", "data_root", type=PATH, help="Folder of recordings ($RAE_BENCH_DATA).")
def rescore(
    folder: Path, trajectories: Path | None, fetch: bool, tasks: tuple[Path, ...], data_root: Path | None
) -> int:
    """Compute metrics again from kept trajectories, without any model's code.

    Use it after a metric's version was raised: older cells are stale then, and this makes them current. It takes an
    entry of the leaderboard, or the folder of results that `run` or `sweep` left.

    Exit 0 where the metrics of every finished cell are current now, 1 where some are left, each with the reason.
    """
    from rae_bench.leaderboard.entries.entry_files import ENTRY

    if fetch and trajectories:
        raise UserError("--fetch downloads the trajectories; leave it out, or --trajectories")
    is_entry = (folder / ENTRY).is_file()
    if fetch and not is_entry:
        raise UserError(f"{folder}: is no entry; its trajectories lie beside the results, so leave --fetch out")
    begin(f"rescore {folder.name}")

    from rae_bench.leaderboard.entries.fetch import fetched
    from rae_bench.leaderboard.rescore import rescore as rescore_cells

    with status_line() as progress, fetched(folder, fetch, progress) as file:
        done = rescore_cells(folder, file or trajectories, tasks=tasks, data_root=data_root, progress=progress)
    reasons: dict[str, list[Path]] = defaultdict(list)
    for path, reason in done.left.items():
        reasons[reason].append(path)
    for reason, paths in reasons.items():
        more = f" (and {len(paths) - 1} more)" if paths[1:] else ""
        click.echo(f"{paths[0]}{more}: {reason}")
    click.echo(f"{folder}: cells: {len(done.changed)} rescored, {done.current} were current, {len(done.left)} left")
    next_steps(f"rae-bench verify {folder}" if is_entry else "rae-bench run, with the options that made them")
    return int(bool(done.left))
