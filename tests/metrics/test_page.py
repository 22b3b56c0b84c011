"""docs/metrics.md says of every metric what the code says, and of nothing else."""

import re

from helpers.places import DOCS

from rae_bench.metrics import CATEGORIES, METRICS, PRIMARY

PAGE = DOCS / "metrics.md"


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


def test_primaries_come_first() -> None:
    first = {category: cells[0].strip("`") for category, cells in reversed(_rows())}
    assert {category: first[category] for category in PRIMARY} == dict(PRIMARY)
    assert set(first) == set(CATEGORIES)
