"""`rae-bench data`: recordings in, motion out."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any

import click

from rae_bench.cli.data_export import export
from rae_bench.cli.data_report import print_summary, report
from rae_bench.cli.data_retarget import retarget
from rae_bench.cli.screen import next_steps

LONGEST = 86400.0
"""Seconds: no segment is longer."""


@click.group()
def data() -> None:
    """Bring in recordings and look at them."""


data.add_command(export)
data.add_command(report)
data.add_command(retarget)


@data.command("import")
@click.argument("folder", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the domain, for --source and --target.")
@click.option("--roles", type=click.Path(path_type=Path), help="TOML file: [roles], contact_joints, any key below.")
@click.option("--format", help="bvh, npz (positions), deepmimic or unity (the thesis' recorder); default: found out.")
@click.option("--unit", help="cm, m, mm, or metres per unit of the files (default cm for BVH, else m).")
@click.option("--up", help="Vertical axis of the files: y (default), z, -y, -z, or a direction such as 0,1,0.1.")
@click.option("--recorded-fps", type=float, help="Frame rate of npz and Unity files that do not say it.")
@click.option("--root-path", help="Files without a root: fixed, children, or the npz array with its path.")
@click.option("--points", help="npz: which array of positions.")
@click.option("--skeleton", multiple=True, help="TOML file of names and parents; DeepMimic: character file.")
@click.option("--skip-frames", type=int, help="First frames of every file to drop.")
@click.option("--fixed-base", is_flag=True, default=None, help="The root does not travel: an arm on a table.")
@click.option("--fps", type=float, help="Frame rate to resample to (default 30).")
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Length of a segment.")
@click.option("--minimum-seconds", type=float, default=2.0, show_default=True, help="Drop what is shorter.")
@click.option("--manifest", help="JSON file in PATH with session, action and style per file.")
@click.option("--group-pattern", help="Regular expression on the file name; its first group is the split group.")
@click.option("--action-pattern", help="Regular expression on the manifest's action or the file name.")
@click.option("--include", multiple=True, help="Glob of files to read (default: all of the format).")
@click.option("--exclude", multiple=True, help="Glob of files to leave out.")
@click.option("--drop-joints", multiple=True, help="Glob of joints to drop, with all that hangs on them.")
@click.option("--per-skeleton", is_flag=True, help="A domain for each skeleton in PATH: NAME-1, NAME-2, ...")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_(
    folder: Path,
    name: str,
    roles: Path | None,
    seconds: float,
    minimum_seconds: float,
    per_skeleton: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a domain of the recordings in the folder PATH, or of the one file PATH.

    Roles are guessed from names and shown; roles.toml says better:

    \b
        contact_joints = ["Toes_L", "Toes_R"]
        [roles]
        pelvis = "Hips"
        head = "Head"
        left_foot = "Foot_L"

    Options of the command line win over the file's.
    """
    from rae_bench.cli.values import length_unit, numbers
    from rae_bench.data.importing.domain_report import domain_summary
    from rae_bench.data.importing.recipe import Recipe, read_roles
    from rae_bench.data.importing.recordings import import_folder, import_skeletons
    from rae_bench.data.store import check_name, save_domain
    from rae_bench.errors import UserError

    check_name(name)
    table = read_roles(roles) if roles else {}
    given = {key: value for key, value in options.items() if value not in (None, ())}
    if "unit" in given:
        given["unit"] = length_unit(given["unit"])
    if "," in given.get("up", ""):
        given["up"] = numbers("--up", given["up"].split(","))
    if not 0 < minimum_seconds <= seconds < LONGEST:
        raise UserError(f"--minimum-seconds {minimum_seconds:g} needs to lie between 0 and --seconds {seconds:g}")
    if folder.is_file():
        if "include" in given:
            raise UserError(f"{folder} is a file; --include chooses from a folder")
        folder, given["include"] = folder.parent, (glob.escape(folder.name),)
    recipe = Recipe.from_table({**table, **given}, where=str(roles) if roles else "options")
    import_ = import_skeletons if per_skeleton else lambda *words, **times: [import_folder(*words, **times)]
    corpora = import_(folder, recipe, name, seconds=seconds, minimum_seconds=minimum_seconds)
    reports = [(domain_summary(corpus), save_domain(corpus)) for corpus in corpora]
    if as_json:
        found = [{**each, "folder": str(kept)} for each, kept in reports]
        click.echo(json.dumps(found if per_skeleton else found[0], indent=1))
    else:
        for number, (each, kept) in enumerate(reports):
            if number:
                click.echo()
            print_summary(each, kept)
        next_steps(f"rae-bench data report {reports[0][0]['name']} --page report.html")


@data.command("get")
@click.argument("name", metavar="TASK|NAME")
@click.option(
    "--to", "root", type=click.Path(path_type=Path), help="Folder to fill, for --data (default: where runs look)."
)
@click.option("--yes", is_flag=True, help="Accept the licence without being asked.")
def get(name: str, root: Path | None, yes: bool) -> None:
    """Download the recordings of TASK, or the folder NAME of them.

    By https, file by file, each checked against the sha256 that the task lists. The licence is shown first. The same
    command goes on where it was interrupted.
    """
    from rae_bench.data.importing.file_list import downloads_folder
    from rae_bench.task import download
    from rae_bench.task.task import builtin_tasks

    place = root or downloads_folder()
    for recordings in download.recordings_of(name):
        folder = place / recordings.folder
        lacking = download.missing_files(recordings, folder)
        size = sum(recordings.files[file].size for file in lacking) / 1e6
        click.echo(f"{recordings.folder}  {len(lacking)} of {len(recordings.files)} files to get, {size:.1f} MB")
        for head, text in (("licence", recordings.licence), ("cite", recordings.citation), ("from", recordings.origin)):
            click.echo(f"  {head:<8}{text or 'not stated'}")
        if lacking and all(file in recordings.urls for file in lacking) and not yes:
            _accepted()
        opener = download.https_opener()
        download.download_missing(recordings, folder, opener, lambda file: click.echo(f"  {file}", err=True))
        click.echo(f"  in      {folder}")
    next_steps(f"rae-bench run --model fe --task {name}" if name in builtin_tasks() else "rae-bench list tasks")


def _accepted() -> None:
    """Ask whether the licence is accepted; whoever says no, or cannot be asked, gets nothing."""
    from rae_bench.errors import UserError

    try:
        if click.confirm("  Do you accept the licence, and shall they be downloaded?"):
            return
    except click.Abort:  # Ctrl-C, or nobody there to answer
        click.echo()
    raise UserError("the licence was not accepted, nothing was downloaded; --yes accepts it without being asked")
