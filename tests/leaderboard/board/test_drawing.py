"""Charts as SVG and sentences of what a table found: what can be worked out by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rae_bench.leaderboard.board.score_gains import MOTION, STARTS
from rae_bench.leaderboard.board.svg import HEIGHT, LEFT, RIGHT, TOP, WIDTH, above, cost_svg, curves_svg, highest
from rae_bench.leaderboard.site.findings import found
from rae_bench.viewer.kinds import line_colours

PANEL = {"category": "error", "title": "error", "unit": "cm", "digits": 1}


def line(label: str, *points: Any, shown: bool = True) -> dict[str, Any]:
    return {"label": label, "colours": ["#111111", "#eeeeee"], "shown": shown, "x": [5.0, 100.0], "error": list(points)}


def chart(*lines: dict[str, Any], controls: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"panels": [PANEL], "lines": list(lines), "controls": list(controls), "ticks": [5.0, 100.0]}


def test_the_scale_has_room_for_lines_and_their_intervals() -> None:
    assert highest(chart(line("a", [2, 1, 3], [1, None, None])), "error") == pytest.approx(1.12 * 3)
    assert highest(chart(line("a", [2, 1, 99], [1, 1, 1])), "error") == pytest.approx(1.12 * 6)  # up to three times
    outlier = chart(line("a", [2, 2, 2]), line("b", [3, 3, 3]), line("far", [90, 90, 90], [80, 80, 80]))
    assert highest(outlier, "error") == pytest.approx(1.12 * 3)
    assert above(outlier, PANEL) == "above the scale: far 80.0"
    assert highest(chart(line("a", None, None)), "error") == 1


def test_points_stand_where_they_belong() -> None:
    text = str(curves_svg(chart(line("a", [2, 1, 2], [0, 0, 0])), PANEL))
    centres = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', text)]
    assert centres[0][0] < centres[1][0]
    assert centres[0][0] > LEFT
    assert centres[1][0] < WIDTH - RIGHT
    # 2 of 2.24 is high up, 0 is on the ground line of the grid.
    assert centres[0][1] == pytest.approx(TOP + 196 * (1 - 1 / 1.12), abs=0.1)
    assert centres[1][1] == pytest.approx(TOP + 196, abs=0.1)


def test_hidden_lines_and_controls() -> None:
    control = {"label": "hold", "colours": ["#222222", "#dddddd"], "error": [1.0, 1.5]}
    far = {"label": "away", "colours": ["#222222", "#dddddd"], "error": [50.0, None]}
    lines = line("a", [2, 1, 3], [1, 1, 1]), line("b", [2, 1, 3], [1, 1, 1], shown=False)
    drawn = chart(*lines, controls=(control, far))
    text = str(curves_svg(drawn, PANEL))
    assert re.findall(r'data-line="(\d)"[^>]*?( hidden)?>', text) == [("0", ""), ("1", " hidden")]
    assert text.count('class="control"') == 1
    assert above(drawn, PANEL) == "dashed: hold 1.0 to 1.5; above the scale: away 50.0"


NO_GAINS: dict[str, Any] = dict.fromkeys((*STARTS, MOTION))


def row(entry: str, score: float, cost: float | None = 10.0, **facts: Any) -> dict[str, Any]:
    known = {"value": score, "low": score - 0.01, "high": score + 0.01}
    gain = {**NO_GAINS, "cold": {"value": 0.02, "low": 0.01, "high": 0.03}}
    return {
        "entry": entry, "title": entry, "score": known, "ties": entry[0], "regime": "finetune", "score_gain": gain,
        "cost": {"adapt_core_seconds": cost},
    } | facts  # fmt: skip


def cost(*rows: dict[str, Any]) -> str:
    return str(cost_svg(rows, line_colours(row["entry"] for row in rows)))


def test_cost_against_score() -> None:
    """Every entry with both has its dot, its name and its colour; the line passes by who is beaten."""
    rows = [row("good", 0.1, 100), row("cheap", 0.3, 1), row("poor", 0.4, 50), row("free", 0.2, None)]
    text = cost(*rows)
    assert re.findall(r'<text x="[^>]*>([a-z]+)</text>', text) == ["poor", "cheap", "good"]
    assert text.count("<circle") == 3
    assert re.findall(r"--light: (#\w+)", text) == [line_colours([r["entry"] for r in rows])[n][0] for n in (
        "cheap", "poor", "good",
    )]  # fmt: skip
    front = re.search(r'class="front"><polyline points="([^"]*)"', text)
    assert front is not None
    assert len(front[1].split()) == 2
    assert cost_svg([row("free", 0.2, None), row("none", 0, 3) | {"score": None}], line_colours(["free"])) is None


def test_pre_training_is_a_ring_to_the_right() -> None:
    """It costs ten times the adaptation, and where there is none there is no ring."""
    taught = row("taught", 0.1) | {"cost": {"adapt_core_seconds": 10.0, "pretrain_core_seconds": 90.0}}
    text = cost(taught, row("alone", 0.2))
    ring, = re.findall(r'class="ring" cx="([\d.]+)"', text)
    dot = re.search(r'<circle cx="([\d.]+)"[^>]*><title>taught: score 0.100, 10 core-seconds, 100 with pre-tr', text)
    assert dot is not None
    assert float(dot[1]) < float(ring) < WIDTH - RIGHT


def test_names_of_neighbours_do_not_lie_on_each_other() -> None:
    text = cost(*(row(f"entry{k}", 0.3 + 0.001 * k, 10 + 0.1 * k) for k in range(4)))
    places = [float(y) for y in re.findall(r'<text x="[^"]*" y="([\d.]+)" text-anchor="\w+">entry', text)]
    assert len(places) == 4
    assert min(abs(a - b) for k, a in enumerate(places) for b in places[:k]) >= 11


def test_odd_numbers_have_a_place() -> None:
    """No data at all, a score of nothing, an error below 0: each is drawn within the picture."""
    none = {**chart(line("a", [2, 1, 3], [1, 1, 1])), "ticks": [0.0, 100.0]}
    none["lines"][0]["x"] = [0.0, 100.0]
    below = chart(line("a", [-0.1, -0.2, 0.0], [-0.1, None, None]))
    for text in (str(curves_svg(none, PANEL)), str(curves_svg(below, PANEL)), cost(row("fe", 0.0, 1e-9))):
        for x, y in re.findall(r'<circle cx="([^"]+)" cy="([^"]+)"', text):
            assert LEFT <= float(x) <= WIDTH - RIGHT
            assert TOP <= float(y) <= HEIGHT


def test_names_stay_text_in_drawings() -> None:
    text = cost(row("<script>alert(1)</script>", 0.1))
    assert "<script" not in text


KNOWN = {"value": 0.03, "low": 0.02, "high": 0.04}
WORSE = {"value": -0.01, "low": -0.015, "high": -0.005}


def part(*rows: dict[str, Any], **controls: float) -> dict[str, Any]:
    return {"rows": list(rows), "controls": [{"control": k, "score": v} for k, v in {"truth": 0.0, **controls}.items()]}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (part(), ""),
        (
            part(row("fe", 0.1), hold=0.5),
            "fe is the only entry; its score is 0.100 (0.090 to 0.110). Compared with cold, the source made the "
            "score of the one entry that has both better beyond chance, by 0.020. Every entry scores better "
            "than the controls, which learn nothing.",
        ),
        (
            part(
                row("fe", 0.3, score_gain={**NO_GAINS, "cold": KNOWN, "cold-long": WORSE, MOTION: KNOWN}),
                row("mann", 0.4, ties="fb", score_gain={**NO_GAINS, MOTION: WORSE}), row("nsm", 0.6, ties="c"),
                hold=0.2, nearest=0.5,
            ),
            "fe has the best score, 0.300 (0.290 to 0.310), but is tied with mann. Compared with cold, the "
            "source made the scores of 2 of 2 entries better beyond chance and those of none worse; the median is "
            "better by 0.025. Compared with cold-long, which has as many updates without a source, the source made the "
            "score of the one entry that has both worse beyond chance, by 0.010. Compared with cold-long, the source's "
            "motion, retargeted to the target's rig, made the scores of 1 of 2 entries better beyond chance and those "
            "of 1 worse; the median is better by 0.010. hold, which learns nothing, scores better than every entry.",
        ),
        (
            part(row("fe", 0.3, regime="cold"), row("mann", 0.6, regime="cold"), hold=0.4),
            "fe has the best score, 0.300 (0.290 to 0.310), and no other entry is tied with it. The control hold, "
            "which learns nothing, scores better than 1 of 2 entries.",
        ),
    ],
)
def test_what_a_table_found(table: dict[str, Any], words: str) -> None:
    assert found(table) == words
