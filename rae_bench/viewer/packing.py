"""Arrays of a clip as text of a page: whole numbers, second differences over time, deflate, base64.

Motion is smooth, so second differences are small, and so are the pages. A clip is unpacked when somebody looks at it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable

import numpy as np

PLANES = 4
"""Bytes of a number. Most of the high ones are 0 and take no room."""
FARTHEST = 1 << 30
"""Steps: with a rig of 2 m that is a thousand kilometres."""


def packed(arrays: Iterable[np.ndarray]) -> str:
    """Return the text of integer arrays (T, ...), of which the reader knows the shapes."""
    return base64.b64encode(zlib.compress(b"".join(map(_differences, arrays)), 6)).decode("ascii")


def in_steps(values: np.ndarray, step: float) -> np.ndarray:
    """Return metres as whole steps, at most `FARTHEST`; what is not finite becomes 0."""
    steps = np.nan_to_num(np.asarray(values, np.float64), posinf=0, neginf=0) / step
    return np.clip(np.round(steps), -FARTHEST, FARTHEST).astype(np.int64)


def _differences(values: np.ndarray) -> bytes:
    """Return the second differences along the first axis: the lowest bytes of all, then the next ones."""
    second = np.asarray(values, np.int64)
    for _ in range(2):
        second = np.diff(second, axis=0, prepend=0)
    small = second.astype(np.int32).astype(np.int64).ravel()  # modulo 2^32, as the page adds them up
    folded = (small << 1 ^ small >> 31).astype(np.uint32).astype("<u4")  # the sign becomes the lowest bit
    return folded.view(np.uint8).reshape(-1, PLANES).T.tobytes()


def unpacked(text: str, shapes: Iterable[tuple[int, ...]]) -> list[np.ndarray]:
    """Return the arrays of a text, as the page does."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    found, at = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        folded = np.ascontiguousarray(data[at : at + PLANES * size].reshape(PLANES, -1).T).view("<u4").ravel()
        values = ((folded >> 1).astype(np.int64) ^ -(folded & 1).astype(np.int64)).reshape(shape)
        for _ in range(2):
            values = np.cumsum(values, 0)
        found.append(values.astype(np.int32))
        at += PLANES * size
    return found
