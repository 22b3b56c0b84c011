"""The sample of an entry: generated motion of some test clips of its ranked cells, in the repository itself.

Anybody can rescore these clips offline. Which clips they are follows from a slow hash of all results and tables of the
entry and of its packed trajectories, so nobody knows them before the numbers are fixed. docs/guides/submitting.md says
what that is worth.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rae_bench.data.formats.archive import Archive
from rae_bench.data.formats.source import Source
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.entry_files import MAX_SAMPLE, SAMPLE, read_bytes
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.quantised import GRIDS, PLANES, OnGrid, differences, summed
from rae_bench.leaderboard.entries.rules import is_ranked, ranked_cells
from rae_bench.storage import whole_file
from rae_bench.task.task import Task

MAX_ALL = 20_000_000
"""The most bytes of the samples of all entries together."""
ENOUGH = 1_000_000
"""A sample of so many bytes is large enough. A smaller one holds every ranked cell at least once."""
MOST = 400
"""The most clips of a sample."""
MAX_VALUES = 1 << 24
"""The most numbers of a sample: frames times joints times three."""
SLOW = {"n": 1 << 15, "r": 8, "p": 1, "maxmem": 1 << 26}
"""The cost of the hash, a tenth of a second: who wants another choice of clips has to pay it for every try."""
SCHEMA = "rae-bench.sample/2"
SHARED = 2
"""Clips of a task that every sample has of the cells of seed 0, so that people can watch entries on the same clip."""
_AGAIN = "make the entry again with rae-bench submit"


@dataclass(frozen=True, eq=False)
class Chosen:
    """A clip that the hash has chosen.

    Attributes:
        clip: the row of the cell's table.
    """

    cell: EntryCell
    clip: int


def choose_clips(entry: Entry, tasks: Mapping[str, Task]) -> list[Chosen]:
    """Return the clips of all ranked cells in the order in which a sample takes them.

    First come `SHARED` clips of the cells of seed 0, which are the same for all entries. Then comes one clip of every
    cell, then a second one, and so on. A sample is a beginning of this list, so nobody chooses its clips.

    Raises:
        Refused: a table of clips is none.
    """
    cells = [cell for name in entry.tasks if name in tasks and is_ranked(tasks[name])
             for cell in ranked_cells(entry, tasks[name])]  # fmt: skip
    if not cells or entry.trajectories is None:
        return []
    facts = [SCHEMA, entry.name, entry.card.model, entry.card.config, entry.regime, entry.trajectories.sha256]
    facts += sorted(f"{cell.where} {cell.sha256}" for cell in entry.cells)
    seed = hashlib.scrypt("\0".join(facts).encode(), salt=SCHEMA.encode(), **SLOW)

    def key(*words: str) -> bytes:
        return hashlib.sha256(seed + "\0".join(words).encode()).digest()

    ordered: list[tuple[int, bytes, Chosen]] = []
    for cell in cells:
        keys = [key(cell.where, name) for name in cell.clips.clips]
        clips = sorted(range(len(keys)), key=keys.__getitem__)
        if cell.seed == 0:
            shared = _shared(cell)
            ordered += [(-1, key(cell.where), Chosen(cell, clip)) for clip in shared]
            clips = [clip for clip in clips if clip not in shared]
        ordered += [(place, key(cell.where), Chosen(cell, clip)) for place, clip in enumerate(clips)]
    return [chosen for _, _, chosen in sorted(ordered, key=lambda found: found[:2])]


def least_clips(order: Sequence[Chosen]) -> int:
    """Return how many clips of `choose_clips` there must be until every ranked cell has one."""
    first: dict[str, int] = {}
    for number, chosen in enumerate(order):
        first.setdefault(chosen.cell.where, number)
    return max(first.values(), default=-1) + 1


def _shared(cell: EntryCell) -> list[int]:
    """The clips of a cell of seed 0 that all entries and fractions show: by a hash of the task and of their names."""
    names = cell.clips.clips
    keys = [hashlib.sha256("\0".join((SCHEMA, cell.task, name)).encode()).digest() for name in names]
    return sorted(range(len(names)), key=keys.__getitem__)[:SHARED]


def as_bytes(clip: OnGrid) -> int:
    """Return about how many bytes a clip takes in a sample."""
    parts = (differences(clip.roots), differences(clip.turns), clip.largest)
    return sum(len(zlib.compress(part.tobytes(), 6)) for part in parts)


def fit(clips: Iterator[OnGrid], room: int) -> list[OnGrid]:
    """Return as many clips, from the first on, as a sample of `room` bytes holds."""
    kept: list[OnGrid] = []
    size = 4096
    for clip in clips:
        size += as_bytes(clip)
        if size > room or len(kept) == MOST:
            break
        kept.append(clip)
    while kept and len(_packed(kept)) > room:  # the estimate was too low
        kept.pop()
    return kept


def _packed(clips: Sequence[OnGrid]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(
        file,
        bits=np.array([clip.bits for clip in clips], np.uint8),
        frames=np.array([len(clip.roots) for clip in clips], np.int32),
        joints=np.array([clip.largest.shape[1] for clip in clips], np.int32),
        roots=np.concatenate([differences(clip.roots) for clip in clips], 1),
        turns=np.concatenate([differences(clip.turns) for clip in clips], 1),
        largest=np.concatenate([clip.largest.ravel() for clip in clips]),
    )
    return file.getvalue()


def write_sample(folder: Path, clips: Sequence[OnGrid]) -> None:
    """Write the sample of an entry, whole or not at all, unless it is there already."""
    data = _packed(clips)
    try:
        if read_bytes(folder / SAMPLE, SAMPLE) == data:
            return
    except Refused:  # none yet, or another one
        pass
    with whole_file(folder / SAMPLE) as scratch:
        scratch.write_bytes(data)


def room_for(name: str, entries: Path) -> int:
    """Return how many bytes the sample of an entry may have beside those of the other entries in a folder.

    Raises:
        UserError: the samples of the others leave next to nothing.
    """
    others = sum(path.stat().st_size for path in entries.glob(f"*/{SAMPLE}") if path.parent.name != name)
    room = min(MAX_SAMPLE, MAX_ALL - others)
    if room < MAX_SAMPLE // 10:
        raise UserError(
            f"{entries}: the samples of the entries have {others / 1e6:.1f} MB, and {MAX_ALL / 1e6:g} MB are published "
            "at most; ask the maintainers to shorten some"
        )
    return room


class _Content(Source):
    """What was read of a file, in place of the file."""

    def __init__(self, where: str, data: bytes) -> None:
        super().__init__(Path(where))
        self._data = data

    def read(self) -> bytes:
        return self._data


def read_sample(folder: Path) -> list[OnGrid]:
    """Read the sample of an entry. Sizes, shapes and types are checked before anything is unpacked.

    Raises:
        Refused: no sample, one that is too large, or one that is not as it must be.
    """
    data = read_bytes(folder / SAMPLE, SAMPLE)
    try:
        archive = Archive(_Content(SAMPLE, data))
        found = _checked(archive)
    except Refused:
        raise
    except UserError as error:
        raise Refused(SAMPLE, str(error).removeprefix(f"{SAMPLE}: "), _AGAIN) from None
    clips: list[OnGrid] = []
    at = 0
    for bits, frames, joints in zip(*(found[name].tolist() for name in ("bits", "frames", "joints")), strict=True):
        n, start = frames * joints, 3 * sum(len(clip.roots) for clip in clips)
        roots = summed(found["roots"][:, start : start + 3 * frames], (frames, 3))
        turns = summed(found["turns"][:, 3 * at : 3 * (at + n)], (frames, joints, 3))
        clips.append(OnGrid(bits, roots, found["largest"][at : at + n].reshape(frames, joints), turns))
        at += n
        if np.abs(turns).max(initial=0) > 1 << bits:
            raise Refused(f"{SAMPLE}: clip {len(clips)}", "holds no rotations", _AGAIN)
    return clips


def _checked(archive: Archive) -> dict[str, np.ndarray]:
    wanted = {"bits": "u", "frames": "i", "joints": "i", "roots": "u", "turns": "u", "largest": "u"}
    if set(archive.shapes) != set(wanted):
        raise Refused(SAMPLE, f"holds the arrays {', '.join(sorted(archive.shapes))[:200]}", _AGAIN)
    for name, kind in wanted.items():
        shape, found = archive.shapes[name]
        wide = name in ("roots", "turns")
        if found != kind or len(shape) != 1 + wide or (wide and shape[0] != PLANES) or shape[-1] > MAX_VALUES:
            raise Refused(SAMPLE, f"{name} has shape {list(shape)[:4]} of kind {found}", _AGAIN)
    counts = {archive.shapes[name][0][0] for name in ("bits", "frames", "joints")}
    if len(counts) != 1 or not 0 < min(counts) <= MOST:
        raise Refused(SAMPLE, f"holds not 1 to {MOST} clips", _AGAIN)
    if any(archive.dtype(name).itemsize != 1 for name in ("bits", "roots", "turns", "largest")):
        raise Refused(SAMPLE, "its numbers are not bytes", _AGAIN)
    head = {name: archive[name].astype(np.int64) for name in ("bits", "frames", "joints")}
    sizes = head["frames"] * head["joints"]
    good = (head["frames"] > 0).all() and (head["joints"] > 0).all() and (sizes > 0).all()
    if not good or not ((head["bits"] > 0) & (head["bits"] <= GRIDS[-1])).all() or max(head["frames"]) > MAX_VALUES:
        raise Refused(SAMPLE, "frames, joints or bits are none", _AGAIN)
    shapes = {"roots": 3 * int(head["frames"].sum()), "turns": 3 * int(sizes.sum()), "largest": int(sizes.sum())}
    if any(archive.shapes[name][0][-1] != size for name, size in shapes.items()):
        raise Refused(SAMPLE, "does not hold as many numbers as its clips have", _AGAIN)
    arrays = head | {name: archive[name] for name in shapes}
    if arrays["largest"].max(initial=0) > 3:
        raise Refused(SAMPLE, "holds no rotations", _AGAIN)
    return arrays
