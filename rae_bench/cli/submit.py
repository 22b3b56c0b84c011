"""`rae-bench submit`: an entry for the leaderboard."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from rae_bench.cli.leaderboard import ENTRIES_FOLDER
from rae_bench.cli.values import writing
from rae_bench.errors import UserError

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run_dir", type=PATH)
@click.option("--name", help="Of the entry: letters, digits, -, _ and single dots.")
@click.option("--author", "authors", multiple=True, help="Who made the model; repeat it for each (the card's).")
@click.option("--model", help="Its class or its card's name, where the folder holds several; or a control, or truth.")
@click.option("--title", help="What the board calls it (the card's name).")
@click.option("--description", help="One line (the card's).")
@click.option("--paper", help="Words, such as a title and a year (the card's).")
@click.option("--link", help="https address of the paper or project.")
@click.option("--code", help="https address of the code.")
@click.option("--licence", help="Of the code (the card's).")
@click.option("--regime", help="Regime whose score ranks the entry (finetune, where there is one).")
@click.option(
    "--external", multiple=True, metavar="TEXT",
    help="Other data or pre-training it learnt from; repeat it. Makes the entry one of the open division.",
)  # fmt: skip
@click.option("--task", "tasks", multiple=True, help="Only this task; one that is not in the package as its file.toml.")
@click.option("--out", type=PATH, default=ENTRIES_FOLDER, show_default=True, help="Folder of the entries.")
@click.option("--trajectories", type=PATH, help="Where the file to be uploaded goes (NAME-trajectories.zip).")
@click.option("--url", default="", help="https address at which that file will lie; it can be filled in later.")
@click.option("--replace", is_flag=True, help="Overwrite an entry of that name.")
@click.option("--data", "data_root", type=PATH, help="Folder of recordings ($RAE_BENCH_DATA).")
def submit(
    run_dir: Path,
    name: str | None,
    authors: tuple[str, ...],
    model: str | None,
    tasks: tuple[str, ...],
    out: Path,
    trajectories: Path | None,
    data_root: Path | None,
    **asked: Any,
) -> int:
    """Make an entry of what run or sweep left in RUN_DIR, and the file of its trajectories.

    Everything that verify checks is checked first; an entry with findings is not made. At a terminal it asks for what
    is missing.
    """
    from rae_bench.cli.screen import print_notes
    from rae_bench.cli.status import status_line
    from rae_bench.cli.verify import print_findings
    from rae_bench.data.formats.export import check_place
    from rae_bench.leaderboard.completing import missing_commands
    from rae_bench.leaderboard.submission import gather_cells, make_card, submit_entry

    files = [task for task in tasks if task.endswith(".toml")]
    names = [Path(task).stem if task in files else task for task in tasks]
    found = gather_cells(run_dir, model, names)
    words: dict[str, str | None] = {
        key: asked.pop(key) for key in ("title", "description", "paper", "link", "code", "licence")
    }
    name, who = _ask(found, name, ", ".join(authors), words)
    card = make_card(found, authors=who or None, **words)
    packed = trajectories or Path(f"{name}-trajectories.zip")
    check_place(packed)
    with status_line() as progress, writing(out):
        report = submit_entry(
            found, name, card, out=out, packed=packed, tasks=files, data_root=data_root, progress=progress, **asked
        )
    if report.findings:
        print_findings(report)
        click.echo("no entry was made", err=True)
        if report.entry is not None:
            for command in missing_commands(report.entry, found.spec, list(found.cells.values()), run_dir, tasks):
                click.echo(f"what is missing:\n  {command}", err=True)
        return 1
    cells = report.entry.cells if report.entry else ()
    click.echo(f"entry         {out / name}: {len(cells)} cells of {found.model}, {', '.join(report.levels)}")
    if report.entry and report.entry.trajectories:
        facts = report.entry.trajectories
        click.echo(f"trajectories  {packed}: {facts.size / 2**20:.1f} MiB, sha256 {facts.sha256}")
        if not facts.url:
            click.echo(f"\nUpload {packed} to where anybody can fetch it by https, and write its address")
            click.echo(f"to `url` in {out / name / 'entry.toml'}.")
    click.echo("\nFor a pull request:")
    for line in git_commands(name, out):
        click.echo(f"  {line}")
    if found.quick:
        report.notes.append(f"{found.quick} results of the quick budget are not for the board and were left out")
    print_notes((f"note: {note}" for note in report.notes), err=True)
    return 0


def git_commands(name: str, out: Path) -> list[str]:
    """Return the commands that bring an entry of `out` and the changed board to a pull request."""
    entries = out.resolve()
    clone = next((folder for folder in entries.parents if (folder / ".git").exists()), None)
    board = Path("leaderboard") if clone is None else entries.parent.relative_to(clone)
    here = [f"cp -r {shlex.quote(str(out / name))} CLONE/{board}/entries", "cd CLONE"]
    if clone is not None:
        here = [] if clone == Path.cwd() else [f"cd {shlex.quote(os.path.relpath(clone))}"]
    folder = shlex.quote(str(board))
    return [
        *here,
        f"git switch -c entry-{name}",
        "rae-bench leaderboard build" + ("" if board == Path("leaderboard") else f" --folder {folder}"),
        f"git add {folder}",
        f"git commit -m 'Entry: {name}'",
        f"git push -u origin entry-{name}",
    ]


def _ask(found: Any, name: str | None, authors: str, words: dict[str, str | None]) -> tuple[str, str]:
    """Return name and authors of an entry, and fill `words`. At a terminal, ask for what is missing."""
    carried = found.card
    known = authors or carried.get("authors") or ("rae-bench" if not carried else "")
    missing = [option for option, value in (("--name", name), ("--author", known)) if not value]
    if not sys.stdin.isatty():
        if missing:
            raise UserError(f"{' and '.join(missing)} missing: say it, or call submit at a terminal, where it asks")
        return str(name), authors
    if missing:
        name = name or click.prompt("Name of the entry", default=f"{found.model}".lower(), err=True)
        authors = authors or click.prompt("Authors", default=known or None, err=True)
        for key in ("title", "description", "licence"):
            default = carried.get("name" if key == "title" else key, "")
            if words[key] is None:
                words[key] = click.prompt(key.capitalize(), default=default, err=True)
    return str(name), authors
