"""Claims: two runs on one folder of results do each cell once.

A claim is a lock on a file in `.claims` beside what a job leaves. The system drops it with the process that holds it,
however that ends, so nobody waits for the dead. Where a disk has no locks or is full there are no claims. Two runs may
do a cell twice there. Files are written whole, so nothing is damaged by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rae_bench.harness.jobs import AnyJob, CellJob

FOLDER = ".claims"


def _lock_of(job: AnyJob) -> Path:
    place = Path(job.path if isinstance(job, CellJob) else job.folder)
    return place.parent / FOLDER / f"{place.name}.lock"


class Claims:
    """The jobs that this process has claimed; all are given up at the end of the block."""

    def __init__(self) -> None:
        self._held: dict[str, FileLock] = {}

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._held):
            self.give_up(name)

    def take(self, job: AnyJob) -> bool:
        """Claim a job. Return False where another process has it."""
        if job.name in self._held:
            return True
        lock = _locked(_lock_of(job))
        if lock is None:
            return False
        self._held[job.name] = lock
        return True

    def give_up(self, name: str) -> None:
        """Give a job up, done or not."""
        lock = self._held.pop(name, None)
        if lock is not None:
            _release(lock)


def _locked(path: Path) -> FileLock | None:
    """Return a lock that is held, or one of nothing where there can be none; None where another process holds it."""
    lock = FileLock(path, thread_local=False)
    for _ in range(100):  # whoever leaves last removes the folder, perhaps just now
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
            return lock
        except Timeout:
            return None
        except FileNotFoundError:
            continue
        except (OSError, NotImplementedError):
            break
    return lock


def _release(lock: FileLock) -> None:
    path = Path(lock.lock_file)
    with suppress(OSError):
        if lock.is_locked:
            path.unlink(missing_ok=True)  # while it is held: filelock sees that a lock is of a file that is gone
    lock.release()
    with suppress(OSError):
        path.parent.rmdir()


def remove_claims(folders: Iterable[Path]) -> None:
    """Remove the files of claims that nobody holds, as killed processes leave them, in folders of results."""
    for folder in {folder / FOLDER for folder in folders}:
        for path in folder.glob("*.lock"):
            lock = _locked(path)
            if lock is not None:
                _release(lock)
        with suppress(OSError):
            folder.rmdir()
