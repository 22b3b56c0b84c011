"""`rae-bench data report`: what a domain is made of and what may be wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

SHOWN = 12


@click.command()
@click.argument("name")
@click.option("--page", type=click.Path(path_type=Path), help="Also a page with plots and moving clips: one file.")
@click.option("--all", "everything", is_flag=True, help="Every recording and bone, not the first few.")
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
def report(name: str, page: Path | None, everything: bool, as_json: bool) -> None:
    """Tell of the imported domain NAME: bones, ground, feet, speeds, faults by file and frame, what was mended."""
    from rae_bench.cli.options import writing
    from rae_bench.data.formats.export import check_place
    from rae_bench.data.importing.domain_report import domain_report
    from rae_bench.data.store import load_domain
    from rae_bench.storage import home

    if page:
        check_place(page)  # before the work
    corpus = load_domain(name)
    told = domain_report(corpus)
    if page:
        from rae_bench.viewer.report_page import write_report

        with writing(page):
            write_report(corpus, told, page)
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(f"{summary_table(told, home() / 'domains' / name)}\n\n{_details(told, None if everything else SHOWN)}")
    if page:
        click.echo(f"\n{page}")


def summary_table(report: dict[str, Any], kept: Path) -> str:
    """What `summarise` says, as aligned lines."""
    rates = ", ".join(f"{rate:g}" for rate in report["recorded_fps"])
    rows = [
        ("domain", f"{report['name']}  (kept in {kept})"),
        ("files", f"{report['files']} of {report['source']}, recorded at {rates} fps"),
        ("segments", f"{report['segments']} in {report['groups']} groups"),
        ("frames", f"{report['frames']} at {report['fps']:g} fps, {report['seconds']:.0f} s"),
        ("joints", f"{report['joints']}"),
        ("roles", ", ".join(f"{role} {joint}" for role, joint in report["roles"].items())),
        ("height", f"{_length(report['height'])}, pelvis at {_length(report['pelvis_height'])}"),
        ("rest pose", report["rest_pose"]),
    ]
    if report["guessed"]:
        touching = ", ".join(report["contact_share"]) or "none"
        rows.insert(6, ("", f"on the ground {touching}; both guessed from names: --roles says better"))
    rows += [
        ("speed" if i == 0 else "", f"{speed:5.2f} m/s  {action}")
        for i, (action, speed) in enumerate(report["speed"].items())
    ]
    rows += [
        ("on the ground" if i == 0 else "", f"{100 * share:5.1f} %    {joint}")
        for i, (joint, share) in enumerate(report["contact_share"].items())
    ]
    rows += [("mended" if i == 0 else "", text) for i, text in enumerate(report["fixed"])]
    rows += [("warnings" if i == 0 else "", text) for i, text in enumerate(report["warnings"])]
    rows += [("dropped" if i == 0 else "", text) for i, text in enumerate(report["dropped"])]
    return "\n".join(f"{head:<14}{text}".rstrip() for head, text in rows)


def _details(told: dict[str, Any], shown: int | None) -> str:
    """Bones, feet and recordings as tables."""
    bones = [bone for bone in told["bones"] if bone["spread"] or bone["apart"]]
    bones.sort(key=lambda bone: -max(bone["spread"], bone["apart"] / max(bone["length"], 1e-9)))
    blocks = [
        _columns(
            ("feet", "stance height", "lowest", "on the ground", "slides at", "lowest where"),
            [
                (
                    foot["joint"],
                    _length(foot["stance"]),
                    _length(foot["lowest"]),
                    f"{100 * foot['share']:.1f} %",
                    "-" if foot["slide"] is None else f"{100 * foot['slide']:.2g} cm/s",
                    foot["lowest_at"],
                )
                for foot in told["feet"]
            ],
            None,
        ),
        _columns(
            ("bones, those that vary most", "length", "over time", "between files", "other side"),
            [
                (
                    bone["joint"],
                    _length(bone["length"]),
                    f"{100 * bone['spread']:.2g} %",
                    _length(bone["apart"]),
                    "-" if bone["other_side"] is None else _length(bone["other_side"]),
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
                for each in sorted(told["recordings"], key=lambda each: -len(each["events"]))
            ],
            shown,
        ),
    ]
    if not bones:
        blocks[1] = f"bones          all {len(told['bones'])} keep their lengths, over time and between files"
    if not told["recordings"]:
        blocks.append("imported by an older version: import it again for what its files hold")
    return "\n\n".join(block for block in blocks if block)


def _frames(recording: dict[str, Any], kind: str, count: int = 4) -> str:
    """Where in a file: "3: frames 12 40 41"."""
    found = [event["frame"] for event in recording["events"] if event["kind"] == kind]
    listed = " ".join(str(frame) for frame in found[:count])
    return f"{len(found)}: frame {listed}{' ...' if len(found) > count else ''}" if found else "-"


def _columns(head: tuple[str, ...], rows: list[tuple[str, ...]], shown: int | None) -> str:
    """Aligned columns, the first `shown` rows, and how many are left out."""
    if not rows:
        return ""
    cut = rows[:shown]
    widths = [max(len(row[k]) for row in [head, *cut]) for k in range(len(head))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in [head, *cut]]
    if len(rows) > len(cut):
        lines.append(f"... and {len(rows) - len(cut)} more: --all")
    return "\n".join(line.rstrip() for line in lines)


def _length(metres: float) -> str:
    if metres and abs(metres) < 0.1:
        return f"{1000 * metres:.2g} mm"
    return f"{100 * metres:.0f} cm"
