"""Tables of clips on disk: each finished cell has a CSV file with a row for each clip and a column for each metric.

Entries of the leaderboard come from strangers. Therefore this reader checks everything.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.errors import UserError
from rae_bench.files import LARGEST_TEXT, read_bytes
from rae_bench.storage import whole_file

if TYPE_CHECKING:
    import pandas as pd

AGAIN = "delete it and run the cell again"
"""What mends a damaged file beside a result."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
NAMES = ("clip", "group", "action")
"""The first columns of every table; the others are metrics."""


@dataclass(frozen=True, eq=False)
class ClipTable:
    """The metrics of a cell's N clips.

    Attributes:
        clips, groups, actions: N names each.
        values: metric -> (N,) float64. A value is NaN if the clip has nothing to measure.
    """

    clips: tuple[str, ...]
    groups: tuple[str, ...]
    actions: tuple[str, ...]
    values: Mapping[str, np.ndarray]


def write_clips(
    path: Path,
    clips: Sequence[str],
    groups: Sequence[str],
    actions: Sequence[str],
    values: Mapping[str, np.ndarray],
) -> None:
    """Write a table of clips, whole or not at all; the arguments are the attributes of `ClipTable`."""
    with whole_file(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NAMES, *values])
        for n, names in enumerate(zip(clips, groups, actions, strict=True)):
            row = [float(column[n]) + 0.0 for column in values.values()]  # a zero has no sign
            writer.writerow([*names, *(f"{v:.6g}" if math.isfinite(v) else "" for v in row)])


def parse_clips(data: bytes) -> ClipTable:
    """Read the content of a table of clips.

    Raises:
        UserError: the content is wrong. The message says what is wrong. The caller adds the name of the file.
    """
    try:
        head, *lines = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    except (ValueError, csv.Error) as error:
        raise UserError(f"not a table of clips ({error})") from None
    count = len(NAMES)
    if tuple(head[:count]) != NAMES or len(set(head)) != len(head) or any(len(line) != len(head) for line in lines):
        raise UserError(f"its columns are not {', '.join(NAMES)} and metrics")
    try:
        numbers = np.array([[_number(v) if v else np.nan for v in line[count:]] for line in lines])
    except ValueError as error:
        raise UserError(f"not a number ({error})") from None
    numbers = numbers.reshape(len(lines), len(head) - count)
    if np.isinf(numbers).any():
        raise UserError("holds infinite numbers")
    clips, groups, actions = (tuple(line[i] for line in lines) for i in range(count))
    return ClipTable(clips, groups, actions, {name: numbers[:, i] for i, name in enumerate(head[count:])})


def _number(word: str) -> float:
    """Return a number as `write_clips` writes it; Python reads nan, 1_0, spaces and digits of all scripts besides."""
    if not _NUMBER.fullmatch(word):
        raise ValueError(f"{word[:40]!r}")
    return float(word)


def read_clips(path: Path) -> ClipTable:
    """Read a table of clips.

    Raises:
        UserError: there is no such file, the file is much too large, or its content is not a table of clips.
    """
    try:
        return parse_clips(read_bytes(path, LARGEST_TEXT))
    except OSError as error:
        raise UserError(f"{path}: not a readable table of clips ({error.strerror}); {AGAIN}") from None
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}; {AGAIN}") from None


def load_clips(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one metric of every clip of the finished cells in `results`, from the tables beside them.

    Args:
        results: as from `load_results`.

    Returns:
        The columns of `results` with `clip`, `group` and each clip's `value` (NaN where it has nothing to measure), one
        row for each clip. Metrics that single clips do not have give no row.

    Raises:
        UserError: a table is missing or damaged.
    """
    import pandas as pd

    cells = results[(results["metric"] == metric) & (results["status"] == "ok")]
    tables = []
    for cell in cells.to_dict("records"):
        found = read_clips(Path(str(cell["path"])).with_suffix(".csv"))
        if metric in found.values:
            names = pd.DataFrame({"clip": found.clips, "group": found.groups})
            facts = {str(key): value for key, value in cell.items()}
            tables.append(names.assign(**facts).assign(value=found.values[metric]))
    return pd.concat(tables, ignore_index=True) if tables else cells.iloc[:0].assign(clip="", group="")


def means_by_action(
    paths: Mapping[str, Sequence[Path]], metrics: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the means of per-clip metrics for each action: {action: {row label: {metric: value}}}.

    Args:
        paths: row label -> the tables of its cells, one for each seed.
        metrics: names. A metric that no clip of an action has is left out there.

    Raises:
        UserError: a table is missing or damaged.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for label, files in paths.items():
        for table in map(read_clips, files):
            for metric in metrics:
                for action, value in zip(table.actions, table.values.get(metric, np.empty(0)).tolist(), strict=False):
                    if not math.isnan(value):
                        found[action][label][metric].append(value)
    return {
        action: {
            label: {metric: sum(v) / len(v) for metric, v in columns.items()} for label, columns in by_label.items()
        }
        for action, by_label in sorted(found.items())
    }
