"""`rae-bench leaderboard`: the board from the entries alone, without importing torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from rae_bench.cli.screen import next_steps, print_notes, print_table, wide_option
from rae_bench.cli.status import begin
from rae_bench.cli.values import writing
from rae_bench.errors import UserError

BOARD_FOLDER = Path("leaderboard")
ENTRIES_FOLDER = BOARD_FOLDER / "entries"
folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), default=BOARD_FOLDER, show_default=True,
    help="Holds entries/ and the board.",
)  # fmt: skip


@click.group()
def leaderboard() -> None:
    """Build, show, check and compare boards."""


@leaderboard.command()
@folder_option
@click.option("--site", type=click.Path(path_type=Path), help="Where the pages go (FOLDER/site).")
@click.option("--no-site", is_flag=True, help="Only the tables.")
@click.option(
    "--results", type=click.Path(path_type=Path), help="Results with trajectories: the pages then show the motion."
)
@click.option("--no-motion", is_flag=True, help="Pages without the motion of the entries' sample clips.")
@click.option("--repository", default="", help="https address of the repository: the pages link to it.")
@click.option(
    "--documentation", type=click.Path(path_type=Path),
    help="Pages that mkdocs built: the board takes them along and links to them.",
)  # fmt: skip
@click.option("--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
def build(
    folder: Path, site: Path | None, no_site: bool, results: Path | None, no_motion: bool, repository: str,
    documentation: Path | None, data_root: Path | None,
) -> int:  # fmt: skip
    """Make the tables, figures and badge of FOLDER/entries, and pages that open from disk.

    Exit 0 where all entries are on the board, 1 where one cannot stand with the others: it is named and left out.
    """
    begin(f"leaderboard build in {folder}", brief=True)

    from rae_bench.leaderboard.board.build import SITE, read_board, write_board
    from rae_bench.leaderboard.board.escape import web_address
    from rae_bench.leaderboard.entries.finding import one_line

    if repository and not web_address(repository):
        raise UserError(f"--repository {one_line(repository)}: no https address")
    if documentation and not (documentation / "index.html").is_file():
        raise UserError(f"{documentation}: has no index.html; build the pages with python -m mkdocs build --strict")
    board = read_board(folder)
    with writing(folder):
        paths = write_board(board, folder)
    for path in paths:
        click.echo(str(path))
    if not no_site:
        from rae_bench.leaderboard.site.write import write_site

        place = site or folder / SITE
        with writing(place):
            index = write_site(
                board, place, results, repository=repository, documentation=documentation, motion=not no_motion,
                data_root=data_root,
            )  # fmt: skip
        click.echo(str(index))
    left = board.data["left_out"]
    for row in left:
        print_notes([f"left out: {one_line(row['entry'])}: {row['why']}"])
    next_steps(f"rae-bench leaderboard show --folder {folder}")
    return int(bool(left))


@leaderboard.command()
@click.argument("table", required=False)
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@wide_option
def show(table: str | None, folder: Path, as_json: bool, wide: bool) -> None:
    """Print a table: overall, or that of a task."""
    begin(f"leaderboard show of {folder}", brief=True)

    from rae_bench.errors import unknown
    from rae_bench.leaderboard.board.build import read_board
    from rae_bench.leaderboard.board.text_tables import terminal_table
    from rae_bench.leaderboard.entries.finding import one_line

    data = read_board(folder).data
    known = {**({"overall": data["overall"]} if data["overall"]["rows"] else {}), **data["tasks"]}
    if table is not None and table not in known:
        raise unknown("table", table, known)
    if as_json:
        click.echo(json.dumps(data if table is None else known[table], indent=1, allow_nan=False))
        return
    if not known:
        click.echo("no entries yet; rae-bench submit makes the first")
    for name in [table] if table else list(known)[:1]:
        columns, rows, notes = terminal_table(known[name])
        print_table(columns, rows, f"{one_line(name)}, benchmark version {data['benchmark']}", wide=wide)
        print_notes(notes)
    for row in data["left_out"]:
        print_notes([f"left out: {one_line(row['entry'])}: {row['why']}"])
    if table is None and len(known) > 1:
        click.echo()
        print_notes([f"also: {', '.join(list(known)[1:])}"])
        next_steps(f"rae-bench leaderboard show {list(known)[1]} --folder {folder}")


@leaderboard.command()
@click.argument("table", required=False)
@folder_option
@click.option("--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print a table of Markdown.")
@wide_option
def stability(
    table: str | None, folder: Path, data_root: Path | None, as_json: bool, markdown: bool, wide: bool
) -> None:
    """Say how firm the order of the first three entries is, on each task or one.

    Counts the pairs of entries that are apart. Leaves out each group of test clips in turn and says where other entries
    are the first three then, or the same in another order. Makes or reads the motion of the targets.
    """
    begin(f"leaderboard stability of {folder}", brief=True)

    from rae_bench.errors import unknown
    from rae_bench.leaderboard.board.build import read_board
    from rae_bench.leaderboard.board.stability import stability_of
    from rae_bench.leaderboard.board.stability_tables import stability_columns, stability_markdown, stability_notes
    from rae_bench.leaderboard.verify.sampled import Exams

    board = read_board(folder)
    if table is not None and table not in board.tasks:
        raise unknown("task", table, board.tasks)
    found = []
    for name in [table] if table else board.tasks:
        one = stability_of(board.tasks[name], Exams.of(board.tasks[name].task, data_root).of_truth)
        found += [one] if one else []
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=1))
    elif markdown:
        click.echo(stability_markdown(found))
    elif not found:
        click.echo("no entry has a score yet; rae-bench submit makes the first")
    else:
        print_table(*stability_columns(found), "leaving out each group of test clips in turn", wide=wide)
        print_notes(stability_notes(found))


@leaderboard.command()
@folder_option
def check(folder: Path) -> int:
    """Say whether the board is that of the entries; exit 1 where it is not."""
    begin(f"leaderboard check of {folder}", brief=True)

    from rae_bench.leaderboard.board.build import read_board, stale_files

    stale = stale_files(read_board(folder), folder)
    for name, why in stale.items():
        click.echo(f"{folder / name}: {why}")
    click.echo(f"stale; run rae-bench leaderboard build --folder {folder}" if stale else "the board is of its entries")
    if not stale:
        next_steps(f"rae-bench leaderboard show --folder {folder}")
    return 1 if stale else 0


@leaderboard.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print a table of Markdown, as a pull request shows it.")
def diff(old: Path, new: Path, as_json: bool, markdown: bool) -> None:
    """Say what moved between two boards, and whether by more than the seeds explain.

    OLD and NEW are board.json files or folders with one.
    """
    begin(f"leaderboard diff of {old} and {new}", brief=True)

    from rae_bench.leaderboard.board.build import load_board
    from rae_bench.leaderboard.board.difference import compare_boards, difference_markdown, difference_tables

    boards = [load_board(path) for path in (old, new)]
    try:
        changes = compare_boards(*boards)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{old}, {new}: not boards as rae-bench leaderboard build writes them ({error!r})") from None
    if as_json or markdown:
        click.echo(json.dumps(changes, indent=1, allow_nan=False) if as_json else difference_markdown(changes).rstrip())
        return
    for name, (columns, rows) in difference_tables(changes).items():
        print_table(columns, rows, name)
    said = "better and worse: the score moved by more than the folds explain" if changes else "Nothing moved."
    print_notes([said])
    if new.is_dir():
        next_steps(f"rae-bench leaderboard show --folder {new}")
