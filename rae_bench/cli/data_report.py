"""`rae-bench data report`: what a domain is made of and what may be wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rae_bench.data.wording import as_length

FEW_GROUPS = 5
"""Domains with fewer groups are cut into blocks of time: `rae_bench.task.split.FOLDS`."""
SHOWN = 12
"""Rows of a table that are shown without `--all`."""


@click.command()
@click.argument("name")
@click.option("--page", type=click.Path(path_type=Path), help="Also a page with plots and moving clips: one file.")
@click.option("--all", "everything", is_flag=True, help="Every recording and bone, not the first few.")
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
def report(name: str, page: Path | None, everything: bool, as_json: bool) -> None:
    """Describe the imported domain NAME: bones, ground, feet, speeds, glitches by file and frame, what was mended."""
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
    summary = summary_table(numbers, home() / "domains" / name)
    click.echo(f"{summary}\n\n{_details(numbers, None if everything else SHOWN)}")
    if page:
        click.echo(f"\n{page}")


def summary_table(report: dict[str, Any], kept: Path) -> str:
    """Return what `domain_summary` says as aligned lines."""
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
    return "\n".join(f"{head:<14}{text}".rstrip() for head, text in rows)


def next_steps(reports: list[dict[str, Any]]) -> str:
    """Return the commands that come after an import, as lines under the summary."""
    name = reports[0]["name"]
    source = reports[1]["name"] if len(reports) > 1 else "arm" if reports[0]["fixed_base"] else "r1"
    return (
        f"next          rae-bench data report {name} --page {name}.html\n"
        f"              rae-bench run --model fe --source {source} --target {name}"
    )


def _details(numbers: dict[str, Any], shown: int | None) -> str:
    """Return bones, feet and recordings as tables; `shown` limits their rows."""
    bones = [bone for bone in numbers["bones"] if bone["spread"] or bone["apart"]]
    bones.sort(key=lambda bone: -max(bone["spread"], bone["apart"] / max(bone["length"], 1e-9)))
    blocks = [
        _columns(
            ("feet", "stance height", "lowest", "on the ground", "slides at", "lowest where"),
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
            None,
        ),
        _columns(
            ("bones, those that vary most", "length", "over time", "between files", "other side"),
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
            shown,
        ),
        _columns(
            ("recordings, the most faulty first", "frames", "fps", "seconds", "segments", "jumps", "spikes", "frozen"),
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
            shown,
        ),
    ]
    if not bones:
        blocks[1] = f"bones          all {len(numbers['bones'])} keep their lengths, over time and between files"
    if not numbers["recordings"]:
        blocks.append("imported by an older version: import it again for what its files hold")
    return "\n\n".join(block for block in blocks if block)


def _frames(recording: dict[str, Any], kind: str, count: int = 4) -> str:
    """Return where in a file a kind of glitch is, as in "3: frame 12 40 41"."""
    found = [event["frame"] for event in recording["events"] if event["kind"] == kind]
    first = " ".join(str(frame) for frame in found[:count])
    return f"{len(found)}: frame {first}{' ...' if len(found) > count else ''}" if found else "-"


def _columns(head: tuple[str, ...], rows: list[tuple[str, ...]], shown: int | None) -> str:
    """Return aligned columns: the first `shown` rows, and how many are left out."""
    if not rows:
        return ""
    cut = rows[:shown]
    widths = [max(len(row[k]) for row in [head, *cut]) for k in range(len(head))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in [head, *cut]]
    if len(rows) > len(cut):
        lines.append(f"... and {len(rows) - len(cut)} more: --all")
    return "\n".join(line.rstrip() for line in lines)
