"""`rae-bench data report`: what a domain is made of and what may be wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rae_bench.cli import complete
from rae_bench.cli.screen import next_steps, print_facts, print_notes, print_table, wide_option
from rae_bench.cli.status import begin
from rae_bench.data.wording import as_length
from rae_bench.results.text_table import Cells, TextColumn

FEW_GROUPS = 5
"""Domains with fewer groups are cut into blocks of time: `rae_bench.task.split.FOLDS`."""
SHOWN = 12
"""Rows of a table that are shown without `--all`."""


@click.command()
@click.argument("name", shell_complete=complete.imported)
@click.option("--page", type=click.Path(path_type=Path), help="Also a page with plots and moving clips: one file.")
@click.option("--all", "everything", is_flag=True, help="Every recording and bone, not the first few.")
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
@wide_option
def report(name: str, page: Path | None, everything: bool, as_json: bool, wide: bool) -> None:
    """Describe the imported domain NAME: bones, ground, feet, speeds, glitches by file and frame, what was mended."""
    begin(f"report on {name}", brief=True)

    from rae_bench.cli.values import writing
    from rae_bench.data.formats.export import check_place
    from rae_bench.data.importing.domain_report import domain_report
    from rae_bench.data.store import load_domain
    from rae_bench.storage import home

    if page:
        check_place(page)  # before the work
    corpus = load_domain(name)
    numbers = domain_report(corpus)
    if page:
        from rae_bench.viewer.report_page import write_report

        with writing(page):
            write_report(corpus, numbers, page)
    if as_json:
        click.echo(json.dumps(numbers, indent=1))
        return
    print_summary(numbers, home() / "domains" / name)
    _print_details(numbers, None if everything else SHOWN, wide=wide)
    if page:
        click.echo(f"\n{page}")
    next_steps(f"rae-bench view {name}", f"rae-bench run --model fe --source {name} --target quad")


def print_summary(report: dict[str, Any], kept: Path) -> None:
    """Print what `domain_summary` says."""
    print_facts(_summary(report, kept), 14)


def _summary(report: dict[str, Any], kept: Path) -> list[tuple[str, str]]:
    from rae_bench.data.importing.copies import COPIED

    rates = ", ".join(f"{rate:g}" for rate in report["recorded_fps"])
    rows = [
        ("domain", f"{report['name']}  (kept in {kept})"),
        ("files", f"{report['files']} of {report['source']}, recorded at {rates} fps"),
        ("segments", f"{report['segments']} in {report['groups']} group{'s' * (report['groups'] != 1)}"),
        ("frames", f"{report['frames']} at {report['fps']:g} fps, {report['seconds']:.0f} s"),
        ("joints", f"{report['joints']}"),
        ("roles", ", ".join(f"{role} {joint}" for role, joint in report["roles"].items())),
        ("height", f"{as_length(report['height'])}, pelvis at {as_length(report['pelvis_height'])}"),
        ("rest pose", report["rest_pose"]),
    ]
    if report["segments"] < FEW_GROUPS:
        text = "fewer than 5 segments: no run can hold a fifth out; import more motion, or cut it shorter (--seconds)"
        rows.insert(3, ("", text))
    elif report["groups"] < FEW_GROUPS:
        text = "fewer than 5 groups: runs hold out blocks of time and rank nothing; --group-by says what is a group"
        rows.insert(3, ("", text))
        if any(line.startswith(COPIED) for line in report["warnings"]):
            rows.insert(4, ("", "copies of takes then stand on both sides of what is held out: remove them first"))
    if report["grouped_by"]:
        rows.insert(3, ("", report["grouped_by"]))
    if report["guessed"]:
        touching = ", ".join(report["contact_share"]) or "none"
        at = [head for head, _ in rows].index("roles") + 1
        rows.insert(at, ("", f"on the ground {touching}; both guessed from names: --roles says better"))
    rows += [
        ("speed" if i == 0 else "", f"{speed:5.2f} m/s  {action}")
        for i, (action, speed) in enumerate([*report["speed"].items()][:SHOWN])
    ]
    if len(report["speed"]) > SHOWN:
        more = f"... and {len(report['speed']) - SHOWN} more actions: --json"
        rows.append(("", f"{more}; --action-by motion finds walks, runs and the like"))
    rows += [
        ("on the ground" if i == 0 else "", f"{100 * share:5.1f} %    {joint}")
        for i, (joint, share) in enumerate(report["contact_share"].items())
    ]
    rows += [("mended" if i == 0 else "", text) for i, text in enumerate(report["fixed"])]
    rows += [("warnings" if i == 0 else "", text) for i, text in enumerate(report["warnings"])]
    rows += [("dropped" if i == 0 else "", text) for i, text in enumerate(report["dropped"])]
    return rows


def print_next(reports: list[dict[str, Any]]) -> None:
    """Print the commands that come after an import."""
    name = reports[0]["name"]
    source = reports[1]["name"] if len(reports) > 1 else "arm" if reports[0]["fixed_base"] else "r1"
    click.echo(f"next          rae-bench data report {name} --page {name}.html")
    click.echo(f"              rae-bench run --model fe --source {source} --target {name}")


def _print_details(numbers: dict[str, Any], shown: int | None, *, wide: bool) -> None:
    """Print bones, feet and recordings as tables; `shown` limits their rows."""
    bones = [bone for bone in numbers["bones"] if bone["spread"] or bone["apart"]]
    bones.sort(key=lambda bone: -max(bone["spread"], bone["apart"] / max(bone["length"], 1e-9)))
    _print_part(
        FEET,
        [
            (
                foot["joint"],
                as_length(foot["stance"]),
                as_length(foot["lowest"]),
                f"{100 * foot['share']:.1f} %",
                "-" if foot["slide"] is None else f"{100 * foot['slide']:.2g} cm/s",
                foot["lowest_at"],
            )
            for foot in numbers["feet"]
        ],
        None, wide=wide,
    )  # fmt: skip
    if not bones:
        click.echo()
        print_facts([("bones", f"all {len(numbers['bones'])} keep their lengths, over time and between files")], 14)
    _print_part(
        BONES,
        [
            (
                bone["joint"],
                as_length(bone["length"]),
                f"{100 * bone['spread']:.2g} %",
                as_length(bone["apart"]),
                "-" if bone["other_side"] is None else as_length(bone["other_side"]),
            )
            for bone in bones
        ],
        shown, wide=wide,
    )  # fmt: skip
    _print_part(
        RECORDINGS,
        [
            (
                each["file"],
                f"{each['frames']}",
                f"{each['fps']:g}",
                f"{each['seconds']:.1f}",
                f"{each['segments']}",
                _frames(each, "jump"),
                _frames(each, "spike"),
                _frames(each, "frozen"),
            )
            for each in sorted(numbers["recordings"], key=lambda each: -len(each["events"]))
        ],
        shown, wide=wide,
    )  # fmt: skip
    if not numbers["recordings"]:
        click.echo()
        print_notes(["imported by an older version: import it again for what its files hold"])


def _column(name: str, leaves: int = 0, heading: str = "") -> TextColumn:
    return TextColumn(name, heading, right=False, leaves=leaves)


FEET = (
    _column("feet"), _column("stance height", 0, "stance\nheight"), _column("lowest"),
    _column("on the ground", 0, "on the\nground"), _column("slides at"), _column("lowest where", 1),
)  # fmt: skip
BONES = (
    _column("bones, those that vary most", 0, "bones that\nvary most"), _column("length"), _column("over time"),
    _column("between files", 1), _column("other side", 2),
)  # fmt: skip
RECORDINGS = (
    _column("recordings, the most faulty first", 0, "recordings, the\nmost faulty first"), _column("frames", 3),
    _column("fps", 4), _column("seconds", 1), _column("segments", 2), _column("jumps"), _column("spikes"),
    _column("frozen"),
)  # fmt: skip
"""The columns of the tables, in their order, with when each leaves a narrow terminal: the greatest number first."""


def _print_part(columns: Sequence[TextColumn], rows: Sequence[Cells], shown: int | None, *, wide: bool) -> None:
    """Print a table after an empty line: the first `shown` rows, and how many are left out."""
    if not rows:
        return
    click.echo()
    print_table(columns, rows[:shown], wide=wide, end="")
    if shown is not None and len(rows) > shown:
        click.echo(f"... and {len(rows) - shown} more: --all")


def _frames(recording: dict[str, Any], kind: str, count: int = 4) -> str:
    """Return where in a file a kind of glitch is, as in "3: frame 12 40 41"."""
    found = [event["frame"] for event in recording["events"] if event["kind"] == kind]
    first = " ".join(str(frame) for frame in found[:count])
    return f"{len(found)}: frame {first}{' ...' if len(found) > count else ''}" if found else "-"
