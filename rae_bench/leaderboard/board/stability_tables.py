"""Tables of `stability.Stability` for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence

from rae_bench.leaderboard.board.escape import markdown
from rae_bench.leaderboard.board.stability import FIRST, Stability
from rae_bench.leaderboard.entries.finding import one_line
from rae_bench.results.text_table import Cells, TextColumn

HEADINGS = ("task", "pairs apart", "groups", f"other first {FIRST}", "other order", "largest change")
NOTES = (
    "pairs apart: pairs of entries of which one is better by more than folds explain, after Holm's adjustment.",
    f"other first {FIRST}, other order: groups of test clips without which other entries are the first {FIRST}, or the "
    "same ones in another order.",
    "largest change: of an entry's score, when one group is left out.",
)


def stability_rows(found: Sequence[Stability]) -> list[list[str]]:
    """Return a row of text for each task."""
    return [
        [
            one_line(one.task), f"{one.apart} of {one.pairs}", str(one.groups), str(len(one.others)),
            str(len(one.reordered)), f"{one.largest:.3f}",
        ]
        for one in found
    ]  # fmt: skip


def stability_columns(found: Sequence[Stability]) -> tuple[list[TextColumn], list[Cells]]:
    """Return columns and rows for a terminal."""
    narrow = ("task", "apart", "groups", "others", "order", "change")
    pairs = zip(HEADINGS, narrow, strict=True)
    columns = [TextColumn(heading, short, right=heading != HEADINGS[0]) for heading, short in pairs]
    return columns, [*stability_rows(found)]


def stability_notes(found: Sequence[Stability]) -> list[str]:
    """Return what stands below the table: the first entries, the groups that decide, and what the columns are."""
    notes = []
    for one in found:
        groups = [*one.others, *one.reordered]
        decide = f"; it depends on {', '.join(one_line(group) for group in groups[:4])}" if groups else ""
        more = f" and {len(groups) - 4} more" if len(groups) > 4 else ""
        notes.append(f"{one_line(one.task)}: {', '.join(map(one_line, one.first))}{decide}{more}")
    return [*notes, *NOTES]


def stability_markdown(found: Sequence[Stability]) -> str:
    """Return the table as Markdown, with the first entries in place of the notes."""
    head = (HEADINGS[0], f"first {FIRST}", *HEADINGS[1:])
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for one, row in zip(found, stability_rows(found), strict=True):
        first = ", ".join(f"`{markdown(name)}`" for name in one.first)
        lines.append(f"| {' | '.join([markdown(row[0]), first, *row[1:]])} |")
    return "\n".join(lines)
