"""Which frames of each file to keep, as 100STYLE's `Frame_Cuts.csv` says it.

The set's takes begin and end with frames that are not in the style: the actor stands in a T-pose and walks on and off.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rae_bench.errors import UserError
from rae_bench.files import LARGEST_TEXT, read_bytes

_START, _STOP = "_START", "_STOP"


def read_frame_cuts(path: Path) -> dict[str, tuple[int, int]]:
    """Return stem of a file -> its first frame and the frame after its last one, counted from 0 at the file's rate.

    The table has a row for each style, named in the first column, and two columns ACTION_START and ACTION_STOP for each
    action. They speak of the file STYLE_ACTION.bvh. Cells that hold no number, such as "N/A", speak of no file.

    Raises:
        UserError: The file is missing or no such table; frames that end before they begin.
    """
    try:
        text = read_bytes(path, LARGEST_TEXT).decode("utf-8-sig")
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline="")) if row]
    except OSError as error:
        raise UserError(f"{path}: the file of frame cuts cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: no CSV file of frame cuts: {error}") from None
    head = rows[0] if rows else []
    actions = {name.removesuffix(_START): k for k, name in enumerate(head) if name.endswith(_START)}
    columns = {action: (k, head.index(action + _STOP)) for action, k in actions.items() if action + _STOP in head}
    if not columns:
        raise UserError(f"{path}: the first line names no columns such as FW{_START} and FW{_STOP}")
    cuts = {}
    for row in rows[1:]:
        for action, (first, last) in columns.items():
            cells = row[first : first + 1] + row[last : last + 1]
            if len(cells) < 2 or not all(cell.isdecimal() and len(cell) < 10 for cell in cells):
                continue
            start, stop = int(cells[0]), int(cells[1])
            if stop <= start:
                raise UserError(f"{path}: {row[0]}, {action}: frames {start} to {stop} are none")
            cuts[f"{row[0]}_{action}"] = start, stop
    return cuts
