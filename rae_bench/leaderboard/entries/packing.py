"""All trajectories of an entry in one file for upload: a zip of the cells' npz files, stored as they are.

The same trajectories give the same bytes. Reading checks names, sizes, shapes and dtypes before it allocates anything.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from rae_bench import files
from rae_bench.data.formats.archive import Archive
from rae_bench.data.formats.source import Source
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.card import MAX_TRAJECTORIES
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.entry_files import ENTRY
from rae_bench.leaderboard.entries.finding import Refused, one_line
from rae_bench.model.trajectory import Trajectory, trajectory_fault
from rae_bench.motion.motion import Motion
from rae_bench.storage import whole_file

MAX_SAMPLES = 16
OVERHEAD = 1 << 16
"""The most bytes of an npz besides its arrays."""
NORM_TOLERANCE = 1e-3
"""How far the length of a stored quaternion, in single precision, may be from 1."""
ROUNDING = 1e-6
"""How far rounding takes the length of a unit quaternion in single precision from 1."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_AGAIN = "pack the trajectories again with rae-bench submit"


def pack(members: Mapping[str, Path], path: Path) -> None:
    """Write `members`, {<task>/<cell>.npz: file}, to a zip at `path`, whole or not at all."""
    with whole_file(path) as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            packed.writestr(info, files.read_bytes(members[name], MAX_TRAJECTORIES))


def digest(path: Path) -> tuple[str, int]:
    """Return sha256 and size of a file, read piece by piece. Raise `UserError` where it cannot be read."""
    try:
        return files.digest(path, MAX_TRAJECTORIES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def member(cell: EntryCell) -> str:
    """Return the name of a cell's trajectory in the pack."""
    return f"{cell.task}/{cell.name}.npz"


def open_pack(entry: Entry, path: Path) -> Pack:
    """Open the packed trajectories of an entry.

    Raises:
        UserError: the file cannot be read.
        Refused: it is not the file that the entry names, or no pack.
    """
    assert entry.trajectories is not None
    sha256, size = digest(path)
    if (sha256, size) != (entry.trajectories.sha256, entry.trajectories.size):
        raise Refused(
            path.name, f"is not the entry's file: {size} bytes, sha256 {sha256[:12]}…; {ENTRY} says "
            f"{entry.trajectories.size} bytes, {entry.trajectories.sha256[:12]}…",
            "give the file that submit packed",
        )  # fmt: skip
    return Pack(path, {member(cell) for cell in entry.cells if cell.status == "ok"})


class Pack:
    """The packed trajectories of an entry, one cell at a time."""

    def __init__(self, path: Path, names: set[str]) -> None:
        """Open a pack that must hold exactly these members. Raise `Refused` where it does not."""
        self.name = path.name
        self._open = ExitStack()
        try:
            self._zip = self._open.enter_context(zipfile.ZipFile(self._open.enter_context(files.regular(path))))
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            self._open.close()
            raise Refused(self.name, f"not a zip file ({error})", _AGAIN) from None
        try:
            self._check(path.stat().st_size, names)
        except Refused:
            self._open.close()
            raise
        self._names = frozenset(names)

    def _check(self, size: int, names: set[str]) -> None:
        infos = self._zip.infolist()
        if len(infos) > len(names) + 1000:
            raise Refused(self.name, f"holds {len(infos)} files, {len(names)} cells were expected", _AGAIN)
        found = [info.filename for info in infos]
        for info in infos:
            where = f"{self.name}: {one_line(info.filename, 100)}"
            if info.filename not in names:
                raise Refused(where, "is no finished cell of the entry", _AGAIN)
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
                raise Refused(where, "is packed or encrypted; files are stored as they are", _AGAIN)
            if info.external_attr >> 16 & 0o170000 not in (0, 0o100000):
                raise Refused(where, "is no regular file", _AGAIN)
        if len(set(found)) != len(found) or sum(info.file_size for info in infos) > size:
            raise Refused(self.name, "holds a file twice", _AGAIN)
        missing = sorted(names - set(found))
        if missing:
            raise Refused(self.name, f"lacks {missing[0]} and {len(missing) - 1} others" if missing[1:] else
                          f"lacks {missing[0]}", _AGAIN)  # fmt: skip

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def read(self, name: str, truth: Motion) -> Trajectory:
        """Return a cell's generated motion, checked against the clips that it continues.

        Raises:
            Refused: another rig, rate or shape than the truth's, objects, or values that no motion has.
        """
        where = f"{self.name}: {name}"
        samples = MAX_SAMPLES * truth.root_positions[..., 0].size * (12 + 16 * len(truth.rig))
        if self._zip.getinfo(name).file_size > samples + OVERHEAD + 4 * len(truth):
            raise Refused(where, "is larger than its clips can be", _AGAIN)
        try:
            archive = Archive(_Member(self._zip, name, where))
            _check_shapes(archive, truth, where)
            with np.errstate(over="ignore"):
                root, rotations = (archive[name].astype(np.float32) for name in ("root_positions", "rotations"))
            trajectory = Trajectory(root, rotations)
            facts = {key: archive[key] for key in ("lengths", "fps", "rig")}
        except Refused:
            raise
        except UserError as error:
            raise Refused(where, str(error).removeprefix(f"{where}: "), _AGAIN) from None
        _check_facts(facts, truth, where)
        return check_motion(trajectory, where)


class _Member(Source):
    """A member of the pack in place of a file."""

    def __init__(self, packed: zipfile.ZipFile, name: str, where: str) -> None:
        super().__init__(Path(where))
        self._zip, self._name = packed, name

    def read(self) -> bytes:
        try:
            return self._zip.read(self._name)
        except (OSError, RuntimeError, zipfile.BadZipFile) as error:
            raise self.fault(f"is damaged ({error})") from None


def _check_shapes(archive: Archive, truth: Motion, where: str) -> None:
    """Check shapes before anything is unpacked: a deflated array may be a thousand times larger than on disk."""
    clips, frames = truth.root_positions.shape[:2]
    wanted = {
        "root_positions": ((clips, frames, 3), "f"),
        "rotations": ((clips, frames, len(truth.rig), 4), "f"),
        "lengths": ((clips,), "i"),
        "fps": ((), "f"),
        "rig": ((32,), "u"),
    }
    if set(archive.shapes) != set(wanted):
        raise Refused(where, f"holds the arrays {', '.join(sorted(archive.shapes))}", _AGAIN)
    samples = {archive.shapes[name][0][:1] for name in ("root_positions", "rotations")}
    for name, (shape, kind) in wanted.items():
        found, found_kind = archive.shapes[name]
        tail = found[1:] if name in ("root_positions", "rotations") else found
        if tail != shape or found_kind != kind:
            raise Refused(where, f"{name} has shape {found} of kind {found_kind}; the task has {shape}", _AGAIN)
    if len(samples) != 1 or not 1 <= min(samples)[0] <= MAX_SAMPLES:
        raise Refused(where, f"{sorted(samples)} samples", f"give 1 to {MAX_SAMPLES}")


def _check_facts(facts: Mapping[str, np.ndarray], truth: Motion, where: str) -> None:
    same = {
        "lengths": np.array_equal(facts["lengths"], truth.lengths),
        "fps": math.isclose(float(facts["fps"]), truth.fps, rel_tol=1e-6),
        "rig": facts["rig"].tobytes().hex() == truth.rig.content_hash,
    }
    for name, alike in same.items():
        if not alike:
            raise Refused(where, f"{name} is not that of the task's test clips", "run the cell again")


FARTHEST = 1000.0
"""The farthest place of a root, metres from the origin. No clip of seconds gets there; single precision gets coarse."""


def check_motion(trajectory: Trajectory, where: str) -> Trajectory:
    """Raise `Refused` unless everything is finite, near, and rotations are unit quaternions; return it normalised.

    Rotations of unit length up to rounding stay as they are, because they are what was measured.
    """
    fault = trajectory_fault(trajectory, unit_tolerance=NORM_TOLERANCE, farthest=FARTHEST)
    if fault is not None:
        clip, frame, *joint = fault.place
        place = f"clip {clip}, frame {frame}"
        if fault.array == "rotations":
            raise Refused(where, f"{place}, joint {joint[0]}: no unit quaternion", "run the cell again")
        if fault.kind == "far":
            raise Refused(where, f"{place} is more than {FARTHEST:g} m away", "mend the model")
        raise Refused(where, f"root position of {place} is not finite", "run the cell again")
    norms = np.linalg.norm(trajectory.rotations, axis=-1, keepdims=True)
    rounded = np.abs(norms - 1) <= ROUNDING
    return Trajectory(trajectory.root_positions, np.where(rounded, trajectory.rotations, trajectory.rotations / norms))
