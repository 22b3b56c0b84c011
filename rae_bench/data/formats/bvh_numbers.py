"""The numbers of BVH files: frame count, frame rate and rows of the MOTION. docs/reference/formats.md has the rules."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import NoReturn

import numpy as np

from rae_bench.data.formats.source import Source
from rae_bench.data.formats.take import Note
from rae_bench.errors import UserError
from rae_bench.rigs.rig import LARGEST

COMMENT = re.compile(r"(^|\s)(#|//).*$")
"""A comment to the end of a line."""
_NUMBER = re.compile(r"[-+.,]?\d")


def parse_motion(
    data: bytes, at: int, channels: int, source: Source, recorded_fps: float | None
) -> tuple[np.ndarray, float, list[Note]]:
    """Return the number block (T, channels) in the file's units and degrees, frames per second, and what is odd.

    Args:
        data: the file, UTF-8 with LF line ends.
        at: where the MOTION line has ended.
        channels: how many numbers the joints have in a frame.
        source: the file, for errors.
        recorded_fps: frames per second, in place of the file's Frame Time.
    """
    found: dict[str, str] = {}
    told: list[Note] = []
    line = data.count(b"\n", 0, at)
    while len(found) < 2 and at < len(data):
        start, end = at, data.find(b"\n", at)
        end = len(data) if end < 0 else end
        text = data[at:end].decode("utf-8", "replace").strip()
        line, at = line + 1, end + 1
        if not text:
            continue
        match = re.fullmatch(r"(frames|frame\s*time)\s*:?\s+(\S+)(\s.*)?", text.replace(":", ": "), re.IGNORECASE)
        if match is None and recorded_fps and "frames" in found and _NUMBER.match(text):
            found["frame time"], fps = "", recorded_fps  # the line is forgotten, and need not be there
            line, at = line - 1, start
            break
        if match is None:
            missing = "Frame Time:" if "frames" in found else "Frames:"
            raise source.fault(f"'{missing}' expected, found '{text[:40]}'", line)
        key = "frames" if match[1].lower() == "frames" else "frame time"
        found[key] = match[2]
        if key == "frames" and not re.fullmatch("-?[0-9]{1,12}", match[2]):
            raise source.fault(f"Frames '{match[2]}' is not a count", line)
        if key == "frame time" and recorded_fps is None:
            fps = _frames_per_second(match[2], line, source)
        elif key == "frame time" and recorded_fps:
            fps = recorded_fps
            if (said := _said(match[2], line, source)) and abs(said / fps - 1) > 0.01:
                text = f"its Frame Time says {said:.4g} fps; it is read at {fps:.4g} fps, as said"
                told.append(Note("rate said", text))
    if len(found) < 2:
        raise source.fault("MOTION lacks Frames or Frame Time; the file is cut short", line)
    frames = int(found["frames"])
    values, notes = _numbers(data[at:], line, frames, channels, source)
    return values, fps, [*told, *notes]


def _said(text: str, line: int, source: Source) -> float | None:
    """Return the frames per second that a Frame Time says, None where it says none."""
    try:
        return _frames_per_second(text, line, source)
    except UserError:
        return None


def _frames_per_second(text: str, line: int, source: Source) -> float:
    """Return 1 / frame time: a whole number where the text's digits allow it (0.0083333 is 120, 0.0333667 is 29.97)."""
    try:
        time = Decimal(with_points([text])[0])
        digit = 10.0 ** int(time.as_tuple().exponent)
    except (InvalidOperation, ValueError, TypeError, OverflowError, IndexError):
        text = f"Frame Time '{text}' is not a number of seconds; put 0.0333333 for 30 fps, or say --recorded-fps 30"
        raise source.fault(text, line) from None
    if not 1e-6 < time < 1000:
        text = f"Frame Time {text} is not the duration of a frame; put 0.0333333 for 30 fps, or say --recorded-fps 30"
        raise source.fault(text, line)
    fps = 1 / float(time)
    whole = round(fps)
    return float(whole) if whole and abs(1 / whole - float(time)) < digit else fps


def _numbers(
    block: bytes, line: int, frames: int, channels: int, source: Source
) -> tuple[np.ndarray, list[Note]]:
    """Return the number block (T, channels) as float64, and what is odd about it; its first line is `line` + 1.

    T is the count of rows: `frames`, or more where the file says too few, or one less.
    """
    values = _table(block, channels)
    notes = []
    if values is None and b";" in block:
        block = block.replace(b";", b" ")
        values = _table(block, channels)
    if values is None and b"," in block:
        # With as many numbers as channels the commas are decimal ones, else they stand between numbers.
        for other in (b".", b" ") if re.search(rb",\d", block) else (b" ",):
            values = _table(block.replace(b",", other), channels)
            if values is not None:
                notes = [Note("commas", "decimal commas are read as points")] if other == b"." else []
                break
    if values is None:
        values, notes = _diagnose(block, line, frames, channels, source)
    rows = len(values)
    if rows < max(frames - 1, 1):
        if frames == 0:
            raise source.fault("Frames is 0; the file holds no motion", line)
        _truncated(rows, frames, line + rows, source)
    if rows != frames:
        follow = "1 row follows" if rows == 1 else f"{rows} rows follow"
        text = f"Frames says {frames}, {follow}: all of them are read"
        notes.append(Note("rows", text, abs(rows - frames)))
    return values, notes


def _table(block: bytes, channels: int) -> np.ndarray | None:
    """Return a block of numbers (T, channels), None where it is no plain table of that width."""
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(block), sep=r"\s+", header=None, engine="c", dtype=np.float64, quoting=3)
        values = table.to_numpy()
        if values.shape[1] == channels and values.min() > -LARGEST and values.max() < LARGEST:
            return values
    except (ValueError, OverflowError):  # pandas' own errors are ValueErrors: the diagnosis says it better
        pass
    return None


def _diagnose(
    block: bytes, line: int, frames: int, channels: int, source: Source
) -> tuple[np.ndarray, list[Note]]:
    """Read a block that is no plain table the slow way: mend what is plain, or raise what is wrong.

    Rows that are broken over lines are joined; comments, and words after the last row, are passed over.
    """
    lines = block.decode("utf-8", "replace").split("\n")
    rows: list[tuple[int, list[float]]] = []
    notes = []
    total, commas = 0, False
    for number, row_text in enumerate(lines, line + 1):
        tokens = COMMENT.sub("", row_text).split()
        if tokens and total and total >= max(frames, 1) * channels and not _NUMBER.match(tokens[0]):
            notes.append(Note("footer", f"line {number} is no row of motion and ends it: '{row_text.strip()[:40]}'"))
            break
        commas |= any("," in token for token in tokens)
        row = []
        for column, token in enumerate(tokens, 1):
            try:
                row.append(float(token.replace(",", ".")))
            except ValueError:
                row.append(np.nan)
            if not abs(row[-1]) < LARGEST:
                kind = "too large a" if np.isfinite(row[-1]) else "not a finite"
                text = f"value {column} is '{token[:20]}', {kind} number; mend or drop the frame"
                raise source.fault(text, number)
        if row:
            rows.append((number, row))
            total += len(row)
    if commas:
        notes.append(Note("commas", "decimal commas are read as points"))
    if len(rows) > frames > 0 and len(rows[-1][1]) < channels and total != frames * channels:
        notes.append(Note("cut row", f"line {rows[-1][0]} is a part of a row beyond the last, and passed over"))
        total -= len(rows.pop()[1])
    odd = [(number, len(row)) for number, row in rows if len(row) != channels]
    if total == frames * channels or (rows and not odd):
        return np.array([value for _, row in rows for value in row]).reshape(-1, channels), notes
    if odd and odd[0][0] == rows[-1][0] and len(rows) <= max(frames, 1) and odd[0][1] < channels:
        _truncated(len(rows) - 1, frames, rows[-1][0], source)
    if odd:
        number, count = odd[0]
        text = f"{count} values in this row, the CHANNELS above make {channels}; hierarchy and motion do not match"
        raise source.fault(text, number)
    if frames <= 0:
        raise source.fault(f"Frames is {frames}; the file holds no motion", line)
    _truncated(0, frames, line, source)


def _truncated(rows: int, frames: int, line: int, source: Source) -> NoReturn:
    """Raise the error of a file that is cut short."""
    raise source.fault(f"cut short: {rows} whole rows of motion, Frames says {frames}; get the file again", line)


def with_points(tokens: Sequence[str]) -> list[str]:
    """Return numbers with decimal points in place of commas; a comma that ends one goes."""
    return [token.rstrip(",").replace(",", ".") for token in tokens if token != ","]
