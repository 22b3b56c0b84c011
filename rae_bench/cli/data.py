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
from rae_bench.cli.status import begin, status_line

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
@click.option("--roles", type=click.Path(path_type=Path), help="TOML file: [roles], contact_joints, options as keys.")
@click.option("--format", help="bvh, gltf, smpl, npz (positions), deepmimic, unity; default: found out.")
@click.option("--unit", help="cm, m, mm, or metres per unit of the files (default cm for BVH, else m).")
@click.option("--up", help="Vertical axis of the files: y, z, -y, -z or a direction 0,1,0.1 (default y; SMPL: z).")
@click.option("--convert", is_flag=True, help="FBX: make glTF of it first, with Blender, FBX2glTF or assimp.")
@click.option("--root", help="BVH, glTF: the joint to make the root, with all above it folded in.")
@click.option("--recorded-fps", type=float, help="Frame rate of the files, in place of what they say; glTF: sampling.")
@click.option("--root-path", help="Files without a root: fixed, children, or the npz array with its path.")
@click.option("--points", help="npz: which array of positions.")
@click.option("--skeleton", multiple=True, help="TOML file of names and parents; DeepMimic: character; SMPL: body.")
@click.option("--skip-frames", type=int, help="First frames of every file to drop.")
@click.option("--frame-cuts", help="CSV file in PATH: which frames of each file to keep, as 100STYLE has it.")
@click.option("--fixed-base", is_flag=True, default=None, help="The root does not travel: an arm on a table.")
@click.option("--fps", type=float, help="Frame rate to resample to (default 30).")
@click.option("--seconds", type=float, help="Length of a segment (default 5).")
@click.option("--minimum-seconds", type=float, help="Drop what is shorter (default 2).")
@click.option("--manifest", help="JSON file in PATH with session, action and style per file.")
@click.option("--group-pattern", help="Regular expression on the file name; its first group is the split group.")
@click.option("--group-by", help="What is held out together: names (subjects, sessions; default), file or segment.")
@click.option("--action-pattern", help="Regular expression on the manifest's action or the file name.")
@click.option("--action-by", help="file (default), or motion: lie, sit, stand, turn, walk, run, jump by a rule.")
@click.option("--include", multiple=True, help="Glob of files to read (default: all of the format).")
@click.option("--exclude", multiple=True, help="Glob of files to leave out.")
@click.option("--drop-joints", multiple=True, help="Glob of joints to drop, with all that hangs on them.")
@click.option(
    "--median-bones", is_flag=True, default=None, help="Hold bones that slide or differ between files at their median."
)
@click.option("--per-skeleton", is_flag=True, help="A domain for each skeleton in PATH: NAME-1, NAME-2, ...")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_(
    folder: Path,
    name: str,
    roles: Path | None,
    per_skeleton: bool,
    convert: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a domain of the recordings in the folder PATH, or of the one file PATH.

    BVH, glTF, SMPL and AMASS, positions as npz, DeepMimic, the thesis' recorder; FBX with --convert.

    Roles are guessed from names and shown; roles.toml says better:

    \b
        contact_joints = ["Toes_L", "Toes_R"]
        [roles]
        pelvis = "Hips"
        head = "Head"
        left_foot = "Foot_L"

    The other options are keys there too, with _ for -: minimum_seconds = 1. Options of the command line win.
    """
    from rae_bench.cli.data_report import print_next
    from rae_bench.cli.values import length_unit, numbers
    from rae_bench.data.importing.domain_report import domain_summary
    from rae_bench.data.importing.recipe import Recipe, read_roles
    from rae_bench.data.importing.recordings import MINIMUM_SECONDS, SECONDS, import_folder, import_skeletons
    from rae_bench.data.store import check_name, save_domain
    from rae_bench.errors import UserError

    check_name(name)
    begin(f"import {folder} as {name}", brief=True)
    table = read_roles(roles) if roles else {}
    given = {key: value for key, value in options.items() if value not in (None, ())}
    per_skeleton = table.pop("per_skeleton", False) is True or per_skeleton
    longest, least = (_seconds(key, given, table, str(roles), usual) for key, usual in
                      (("seconds", SECONDS), ("minimum_seconds", MINIMUM_SECONDS)))
    if "unit" in given:
        given["unit"] = length_unit(given["unit"])
    if "," in given.get("up", ""):
        given["up"] = numbers("--up", given["up"].split(","))
    if not 0 < least <= longest < LONGEST:
        raise UserError(f"--minimum-seconds {least:g} needs to lie between 0 and --seconds {longest:g}")
    if convert:
        from rae_bench.data.importing.convert import convert_folder
        from rae_bench.storage import home

        converted = home() / "converted" / name
        count, unit = convert_folder(folder, converted, lambda file: click.echo(f"converting {file}", err=True))
        click.echo(f"converted  {count} FBX file{'s' * (count != 1)} (kept in {converted})", err=True)
        given.setdefault("unit", table.get("unit", unit))
        folder = converted
    if folder.is_file():
        if "include" in given:
            raise UserError(f"{folder} is a file; --include chooses from a folder")
        folder, given["include"] = folder.parent, (glob.escape(folder.name),)
    recipe = Recipe.from_table({**table, **given}, where=str(roles) if roles else "options")
    import_ = import_skeletons if per_skeleton else lambda *words, **asked: [import_folder(*words, **asked)]
    with status_line() as say:
        corpora = import_(folder, recipe, name, seconds=longest, minimum_seconds=least, say=say)
        say("writing the domain")
        reports = [(domain_summary(corpus), save_domain(corpus)) for corpus in corpora]
    if as_json:
        found = [{**each, "folder": str(kept)} for each, kept in reports]
        click.echo(json.dumps(found if per_skeleton else found[0], indent=1))
    else:
        for number, (each, kept) in enumerate(reports):
            if number:
                click.echo()
            print_summary(each, kept)
        print_next([each for each, _ in reports])


def _seconds(key: str, given: dict[str, Any], table: dict[str, Any], where: str, usual: float) -> float:
    """Take a number of seconds out of the options, else out of the roles file."""
    from rae_bench.errors import UserError

    said = table.pop(key, usual)
    value = given.pop(key, said)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{where}: {key} = {value!r} needs to be a number of seconds")
    return float(value)


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
    from rae_bench.task.named import builtin_tasks

    place = root or downloads_folder()
    for recordings in download.recordings_of(name):
        folder = place / recordings.folder
        lacking = download.missing_files(recordings, folder)
        size = sum(recordings.files[file].size for file in lacking) / 1e6
        to_get = f"{len(lacking)} of {len(recordings.files)} files to get, {size:.1f} MB"
        click.echo(f"{recordings.folder}  {to_get if recordings.files else 'not downloaded: bring your own copy'}")
        for head, text in (("licence", recordings.licence), ("cite", recordings.citation), ("from", recordings.origin)):
            click.echo(f"  {head:<8}{text or 'not stated'}")
        if not recordings.files:
            click.echo(f"  put it into {folder}")
            continue
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
