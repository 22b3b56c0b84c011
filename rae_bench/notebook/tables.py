"""The table of a run, as a DataFrame and as HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rae_bench.cli.result_table import interval_of, result_rows
from rae_bench.cli.run import footnotes
from rae_bench.results.rows import ROW_COLUMNS, rows

if TYPE_CHECKING:
    import pandas as pd

    from rae_bench.harness.run import Outcome


def frame_of(outcomes: Sequence[Outcome], *, intervals: bool = False) -> pd.DataFrame:
    """Return the rows of runs as `rae_bench.notebook.results.Results.table` says. Controls stand in each run."""
    import pandas as pd

    lines = []
    for outcome in outcomes:
        for row in rows(outcome.results):
            line: dict[str, Any] = {
                "model": outcome.plan.spec.model.name,
                "task": outcome.task.name,
                "row": row.label,
                "fraction": math.nan if row.fraction is None else row.fraction,
                "seeds": len(row.seeds),
            }
            for column in ROW_COLUMNS:
                values = row.values.get(column.name, [])
                if not values or all(map(math.isnan, values)):
                    continue
                found = interval_of(column.name, row)
                line[column.name] = found.estimate
                if intervals:
                    line |= {f"{column.name}_low": found.low, f"{column.name}_high": found.high}
            lines.append(line)
    table = pd.DataFrame(lines)
    first = ["model", "task", "row", "fraction", "seeds"]
    ends = ("", "_low", "_high") if intervals else ("",)
    order = [f"{column.name}{end}" for column in ROW_COLUMNS for end in ends]
    return table.reindex(columns=[*first, *(name for name in order if name in table)])


def html_table(outcome: Outcome) -> str:
    """Return the table that the command line prints, with its notes. Every text is escaped."""
    table_rows = rows(outcome.results)
    columns, body = result_rows(table_rows)
    title = f"{outcome.plan.spec.model.name} on {outcome.task.name}: {outcome.task.title}"

    def cell(kind: str, text: str, right: bool) -> str:
        style = f"text-align: {'right' if right else 'left'}; padding: 0 8px"
        return f'<{kind} style="{style}">{html.escape(text).replace(chr(10), "<br>")}</{kind}>'

    heads = "".join(cell("th", column.heading or column.name, column.right) for column in columns)
    lines = []
    for row in body:
        words = [""] * len(columns) if row is None else row
        lines.append("".join(cell("td", text, c.right) for text, c in zip(words, columns, strict=True)))
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in footnotes(outcome, table_rows))
    return (
        f"<p><b>{html.escape(title)}</b></p><table><thead><tr>{heads}</tr></thead><tbody>"
        + "".join(f"<tr>{line}</tr>" for line in lines)
        + f"</tbody></table><details><summary>how to read it</summary><ul>{notes}</ul></details>"
    )
