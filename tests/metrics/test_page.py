"""docs/reference/metrics.md says of every metric what the code says, and of nothing else."""

import re

from helpers.places import DOCS

from rae_bench.metrics import CATEGORIES, METRICS, primaries
from rae_bench.objectives.tracks import TRACKS

PAGE = DOCS / "reference" / "metrics.md"


def _rows() -> list[tuple[str, list[str]]]:
    """(category, cells) of every line of the tables."""
    rows, category = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            category = line[3:]
        if line.startswith("| `"):
            rows.append((category, [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]))
    return rows


def test_page_and_code_agree() -> None:
    rows = _rows()
    assert [cells[0].strip("`") for _, cells in rows] == list(METRICS)
    for category, (name, unit, direction, formula, source, _trap) in rows:
        info = METRICS[name.strip("`")]
        assert (category, unit, direction, source) == (info.category, info.unit, info.direction, info.source), name
        assert formula


def test_the_page_names_the_primaries_of_every_track() -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, *lines = re.findall(r"^\| (.+?) \|\n", text[text.index("| category |") :], re.M)[:6]
    columns = [re.findall(r"`(\w+)`", cell) for cell in head.split(" | ")]
    named = {track: {} for track in TRACKS}  # type: dict[str, dict[str, str]]
    for line in lines:
        category, *cells = line.split(" | ")
        for tracks, cell in zip(columns[1:], cells, strict=False):
            for track in tracks:
                named[track][category] = cell.strip("`")
    assert {track: {c: n for c, n in found.items() if c in CATEGORIES} for track, found in named.items()} == {
        track: dict(primaries(track)) for track in TRACKS
    }
    assert {category for category, _ in _rows()} == set(CATEGORIES)
