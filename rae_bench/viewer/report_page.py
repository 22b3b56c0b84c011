"""A report on a domain as one HTML file: warnings, plots, tables, and its motion in the viewer.

Names come from files of anybody, so all text is escaped, and the viewer is in a frame whose text is an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from rae_bench.data.corpus import Corpus
from rae_bench.data.importing.domain_report import FAULTS
from rae_bench.data.wording import as_length
from rae_bench.storage import whole_file
from rae_bench.viewer.choice import Choice
from rae_bench.viewer.gather import domain_scene
from rae_bench.viewer.page import page

SHOWN_CLIPS = 6
"""Clips that move on the page."""
VARYING_BONE = 0.1
"""Bones that vary by more than this share of their length are marked."""
SHOWN_ROWS = 14
"""Rows of a table before the rest is folded away."""


def write_report(corpus: Corpus, measured: dict[str, Any], path: Path) -> Path:
    """Write the report on a domain, whole or not at all.

    Args:
        corpus: the domain.
        measured: what `rae_bench.data.importing.domain_report.domain_report` found.
        path: the file to write.
    """
    with whole_file(path) as scratch:
        # The folder's own name may be no UTF-8.
        scratch.write_bytes(report_page(corpus, measured).encode("utf-8", "backslashreplace"))
    return path


def report_page(corpus: Corpus, measured: dict[str, Any]) -> str:
    """Return the whole page: one HTML file that needs no network."""
    template = (resources.files("rae_bench.viewer") / "report.html").read_text(encoding="utf-8")
    head, _, rest = template.partition("{{title}}")
    middle, _, tail = rest.partition("{{body}}")
    body = [_header(measured), _tiles(measured), _warnings(measured), _moving(corpus), _speeds(measured)]
    body += [_feet(measured), _bones(measured), _recordings(measured), _clips(measured), _facts(measured)]
    return f"{head}{escape(measured['name'])} - data report{middle}{chr(10).join(filter(None, body))}{tail}"


def _header(measured: dict[str, Any]) -> str:
    count = f"{measured['files']} file{'s' if measured['files'] != 1 else ''}"
    about = [f"{count} of {measured['source']}", measured["licence"], measured["citation"]]
    small = f"<p class='soft'>{escape(' · '.join(filter(None, about)))}</p>"
    return f"<header><h1>{escape(measured['name'])}</h1>{small}</header>"


def _tiles(measured: dict[str, Any]) -> str:
    rates = ", ".join(f"{rate:g}" for rate in measured["recorded_fps"] if rate != measured["fps"])
    pairs = [
        ("segments", f"{measured['segments']:,}"),
        ("groups", f"{measured['groups']:,}"),
        ("frames", f"{measured['frames']:,}"),
        ("time", _time(measured["seconds"])),
        ("frames per second", f"{measured['fps']:g} from {rates}" if rates else f"{measured['fps']:g}"),
        ("joints", str(measured["joints"])),
        ("standing height", as_length(measured["height"])),
        ("pelvis at", as_length(measured["pelvis_height"])),
    ]
    return "<dl class='tiles'>" + "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in pairs) + "</dl>"


def _warnings(measured: dict[str, Any]) -> str:
    warnings = measured["warnings"]
    words = f"{len(warnings)} warning{'s' if len(warnings) != 1 else ''}" if warnings else "No warnings"
    blocks = [f"<section class='{'warnings' if warnings else ''}'><h2>{words}</h2>{_list(warnings)}</section>"]
    for title, lines in (("Mended at import", measured["fixed"]), ("Dropped at import", measured["dropped"])):
        if lines:
            blocks.append(f"<section><h2>{title}</h2>{_list(lines)}</section>")
    return "\n".join(blocks)


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else ""


def _moving(corpus: Corpus) -> str:
    viewer = escape(page(domain_scene(corpus, Choice(clips=SHOWN_CLIPS))), quote=True)
    return f'<iframe title="Moving clips" srcdoc="{viewer}"></iframe>'


def _speeds(measured: dict[str, Any]) -> str:
    top = max(measured["speed"].values(), default=0.0)
    rows = [
        (escape(action), _meter(speed / top if top else 0), f"{_speed(speed, top)}")
        for action, speed in sorted(measured["speed"].items(), key=lambda item: -item[1])
    ]
    unit, factor = ("m/s", 1.0) if measured["speeds"]["edges"][-1] >= 0.1 else ("mm/s", 1000.0)
    plot = _histogram(measured["speeds"], lambda v: f"{v * factor:.3g}", [])
    return (
        "<section><h2>Speed of the pelvis over the ground</h2><div class='plots pair'>"
        f"<figure>{plot}<figcaption>{unit}, share of all frames</figcaption></figure>"
        f"<div>{_table((('action', ''), ('', 'meter'), ('mean', 'n')), rows)}</div></div></section>"
    )


def _feet(measured: dict[str, Any]) -> str:
    if not measured["feet"]:
        return "<section><h2>Ground</h2><p>No joint touches the ground.</p></section>"
    figures = []
    tall = max(foot["heights"]["edges"][-1] for foot in measured["feet"])
    unit, factor = ("cm", 100.0) if tall >= 0.02 else ("mm", 1000.0)
    for foot in measured["feet"]:
        marks = [(foot["stance"], "mark"), (foot["limit"], "limit")]
        plot = _histogram(foot["heights"], lambda v: f"{v * factor:.2g}", marks)
        slide = "" if foot["slide"] is None else f", slides at {_speed(foot['slide'], foot['slide'])}"
        caption = (
            f"on the ground {100 * foot['share']:.1f} % of the time{slide}; stands at {as_length(foot['stance'])}, "
            f"lowest {as_length(foot['lowest'])} ({foot['lowest_at']})"
        )
        figures.append(
            f"<figure><h3>{escape(foot['joint'])}</h3>{plot}<figcaption>{escape(caption)}</figcaption></figure>"
        )
    raised = f"; the files' ground was raised by {as_length(measured['raised'])}" if measured["raised"] else ""
    return (
        f"<section><h2>Feet and ground</h2><p class='soft'>Height over the ground in {unit}, share of all frames. "
        f"Line: stance height, the 5th percentile. Dashes: contacts lie below it{raised}.</p>"
        f"<div class='plots'>{''.join(figures)}</div></section>"
    )


def _bones(measured: dict[str, Any]) -> str:
    longest = max((bone["length"] for bone in measured["bones"]), default=0.0) or 1.0
    moving = any(bone["spread"] or bone["apart"] for bone in measured["bones"])
    rows, odd = [], []
    for bone in measured["bones"]:
        other = bone["other_side"]
        uneven = other is not None and abs(other - bone["length"]) > 0.05 * max(other, bone["length"])
        words = [escape(bone["joint"]), _meter(bone["length"] / longest), as_length(bone["length"])]
        words += [f"{100 * bone['spread']:.2g} %", as_length(bone["apart"])] if moving else []
        rows.append((*words, "" if other is None else as_length(other)))
        odd.append(uneven or bone["spread"] > VARYING_BONE)
    heads = [("bone to", ""), ("", "meter"), ("length", "n")]
    heads += [("over time", "n"), ("between files", "n")] if moving else []
    still = "" if moving else "<p class='soft'>All bones keep their lengths, over time and between files.</p>"
    return f"<section><h2>Bones</h2>{still}{_table((*heads, ('other side', 'n')), rows, odd)}</section>"


def _recordings(measured: dict[str, Any]) -> str:
    rows, odd = [], []
    for each in sorted(measured["recordings"], key=lambda each: -len(each["events"])):
        counts = [str(each[kind]) if each[kind] else "" for kind in FAULTS]
        size = (f"{each['frames']:,}", f"{each['fps']:g}", f"{each['seconds']:.1f} s", str(each["segments"]))
        rows.append((escape(each["file"]), *size, *counts, _timeline(each)))
        odd.append(each["segments"] == 0)
    if not rows:
        text = "Imported by an older version: import it again to see its files."
        return f"<section><h2>Recordings</h2><p>{text}</p></section>"
    heads: tuple[tuple[str, str], ...] = (
        ("file", ""),
        ("frames", "n"),
        ("fps", "n"),
        ("length", "n"),
        ("segments", "n"),
    )
    heads += (("jumps", "n"), ("spikes", "n"), ("frozen", "n"), ("where", "meter"))
    keys = "".join(
        f"<span class='key' style='background: var(--{colour})'></span>{kind}"
        for kind, colour in (("jump", "jump"), ("spike", "warn"), ("frozen", "accent"))
    )
    return f"<section><h2>Recordings</h2><p class='soft'>Faults by frame:{keys}</p>{_table(heads, rows, odd)}</section>"


def _timeline(recording: dict[str, Any]) -> str:
    """Draw a file from its first frame to its last with a tick for each fault, which says where it is."""
    last = max(recording["frames"] - 1, 1)
    ticks = []
    for event in recording["events"]:
        x = 100 * min(event["frame"] / last, 1)
        end = 100 * min((event["frame"] + event["frames"] - 1) / last, 1)
        line = (
            f"x1='{x:.2f}%' x2='{end:.2f}%' y1='13' y2='13'"
            if event["kind"] == "frozen"
            else (f"x1='{x:.2f}%' x2='{x:.2f}%' y1='4' y2='22'")
        )
        words = f"{event['kind']}, frame {event['frame']}"
        if event["joint"]:
            words += f": {event['joint']} {as_length(event['metres'])}"
        ticks.append(f"<line class='{event['kind']}' {line}><title>{escape(words)}</title></line>")
    rail = "<line class='rail' x1='0' x2='100%' y1='13' y2='13'/>"
    return f"<svg class='line' role='img' aria-label='{len(ticks)} faults'>{rail}{''.join(ticks)}</svg>"


def _clips(measured: dict[str, Any]) -> str:
    top = max((clip["top_speed"] for clip in measured["clips"]), default=0.0)
    rows = [
        (
            escape(clip["id"]),
            escape(clip["action"]),
            escape(clip["group"]),
            f"{clip['seconds']:.2f} s",
            _speed(clip["mean_speed"], top),
            _speed(clip["top_speed"], top),
            as_length(clip["distance"]),
        )
        for clip in measured["clips"]
    ]
    heads = (("segment", ""), ("action", ""), ("group", ""), ("length", "n"), ("mean speed", "n"), ("top", "n"))
    return f"<section><h2>Segments</h2>{_table((*heads, ('gets', 'n')), rows, shown=6)}</section>"


def _facts(measured: dict[str, Any]) -> str:
    unit = measured["unit"]
    pairs = [
        ("roles", ", ".join(f"{role} {joint}" for role, joint in measured["roles"].items())),
        ("", "guessed from names; --roles says better" if measured["guessed"] else ""),
        ("rest pose", measured["rest_pose"]),
        ("unit of the files", f"{unit:g} m" if isinstance(unit, float) else unit or ""),
        ("identity", measured["identity"][:16]),
    ]
    lines = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in pairs if v)
    return f"<section><h2>How it was read</h2><dl class='facts'>{lines}</dl></section>"


def _table(
    heads: Iterable[tuple[str, str]], rows: Sequence[Sequence[str]], odd: Sequence[bool] = (), shown: int = SHOWN_ROWS
) -> str:
    """Make a table of HTML cells whose columns have classes; rows beyond `shown` are folded away."""
    kinds = list(heads)
    top = "<tr>" + "".join(f"<th class='{kind}'>{word}</th>" for word, kind in kinds) + "</tr>"
    lines = [
        f"<tr{' class=odd' if odd and odd[k] else ''}>"
        + "".join(f"<td class='{kind}'>{cell}</td>" for cell, (_, kind) in zip(row, kinds, strict=True))
        + "</tr>"
        for k, row in enumerate(rows)
    ]
    # A fold of a few rows is not worth it.
    cut = len(lines) if len(lines) <= shown + 4 else shown
    text = f"<div class='wide' tabindex='0'><table>{top}{''.join(lines[:cut])}</table></div>"
    if cut < len(lines):
        folded = f"<div class='wide' tabindex='0'><table>{top}{''.join(lines[cut:])}</table></div>"
        text += f"<details><summary>{len(lines) - cut} more</summary>{folded}</details>"
    return text


def _meter(share: float) -> str:
    return f"<i style='width: {100 * min(max(share, 0), 1):.1f}%'></i>"


def _histogram(
    histogram: dict[str, list[float]], words: Callable[[float], str], marks: Sequence[tuple[float, str]]
) -> str:
    """Draw bars over the width of the picture, upright lines at `marks` (value, class), and three numbers below."""
    edges, shares = histogram["edges"], histogram["shares"]
    low, high, top = edges[0], edges[-1], max(shares) or 1.0

    def across(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    wide = f"{100 / len(shares) * 0.9:.2f}%"
    parts = [
        f"<rect class='bar' x='{across(a)}' width='{wide}' y='{105 - 100 * share / top:.1f}' "
        f"height='{100 * share / top:.1f}'><title>{words(a)} to {words(b)}: {100 * share:.1f} %</title></rect>"
        for a, b, share in zip(edges, edges[1:], shares, strict=False)
    ]
    parts.append("<line class='axis' x1='0' x2='100%' y1='105.5' y2='105.5'/>")
    parts += [
        f"<line class='{kind}' x1='{across(value)}' x2='{across(value)}' y1='0' y2='105'/>"
        for value, kind in marks
        if low <= value <= high
    ]
    middle = (low + high) / 2
    for value, anchor in ((low, "start"), (middle, "middle"), (high, "end")):
        parts.append(f"<text x='{across(value)}' y='122' text-anchor='{anchor}'>{words(value)}</text>")
    return f"<svg role='img' aria-label='histogram'>{''.join(parts)}</svg>"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _speed(metres: float, largest: float) -> str:
    return (
        f"{metres:.2f} m/s"
        if largest >= 0.3
        else f"{100 * metres:.1f} cm/s"
        if largest >= 0.01
        else (f"{1000 * metres:.1f} mm/s")
    )
