"""Which entries a board can be made of: one that cannot stand in a table is named and left out, and spoils no other.

This is no verification. It keeps away what cannot be read, what contradicts itself, and what is of another task, of
other data or of other metrics than the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry, load_entry
from rae_bench.leaderboard.entries.finding import Finding, one_line
from rae_bench.leaderboard.verify.clip_tables import check_table
from rae_bench.leaderboard.verify.plausibility import check_numbers
from rae_bench.leaderboard.verify.recorded import check_reruns, check_strays
from rae_bench.model.regimes import is_retargeted
from rae_bench.model.registry import CONTROLS
from rae_bench.results.files import SAME_IDENTITY, part_hash, reported_number
from rae_bench.task.cells import TRUTH, fold_of
from rae_bench.task.named import is_builtin_task, load_task

COMPARED = (*SAME_IDENTITY, "engine")
"""The parts of an identity that all cells of a task must share."""
YARDSTICKS = {"rig_height": "rig's height", "fps": "frame rate"}
"""What else they must share: key of a result -> words. The truth has no more say here than others: it is nobody's
measurement, and the truth's own would decide every score."""
OUTWEIGHS = 1 << 20
"""How many votes the truth has: all others are measured by it."""
Facts = Iterator[tuple[str, Hashable, str]]
"""What cells must agree on: (what it is, which cells, the value)."""


def read_entries(folder: Path) -> tuple[list[Entry], dict[str, str]]:
    """Read all entries of a folder. Return those that can be read, sorted by name, and why the others cannot.

    Raises:
        UserError: there are entries, and none can be read: they may all be of another version of the benchmark.
    """
    found, left = [], {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        try:
            found.append(load_entry(path))
        except UserError as error:
            # A name that is not UTF-8 has no place in a file of ours.
            left[path.name.encode("utf-8", "backslashreplace").decode("utf-8")] = one_line(error)
    if left and not found:
        raise UserError(next(iter(left.values())))
    return found, left


def sort_out(entries: Sequence[Entry]) -> tuple[list[Entry], dict[str, str]]:
    """Return the entries that can stand in tables together, and name -> why another cannot."""
    left = {entry.name: fault for entry in entries if (fault := _fault(entry, entries))}
    kept = [entry for entry in entries if entry.name not in left]
    usual = _usual(kept)
    first: dict[str, str] = {}
    for entry in sorted(kept, key=lambda entry: (entry.name != entry.card.model, entry.name)):
        fault = next((_unlike(what, whose) for what, whose, value in _facts(entry) if value != usual[what, whose]), "")
        if not fault and entry.card.model in (TRUTH, *CONTROLS):
            known = first.setdefault(entry.card.model, entry.name)
            fault = f"the entry '{one_line(known)}' is the control '{known}' already" if known != entry.name else ""
        if fault:
            left[entry.name] = fault
    return [entry for entry in kept if entry.name not in left], left


def _fault(entry: Entry, entries: Sequence[Entry]) -> str:
    """What of an entry is of no task of this version, or contradicts itself; "" where nothing does."""
    for task in entry.tasks:
        if not is_builtin_task(task):
            return f"task '{one_line(task)}' is none of this version; install the one that has it"
    own = (finding for cell in entry.cells for finding in _findings(entry, cell))
    trained = (finding for task in entry.tasks for finding in check_reruns(entry, load_task(task), entries))
    finding = next(chain(own, check_strays(entry), trained), None)
    return str(finding) if finding else ""


def _findings(entry: Entry, cell: EntryCell) -> Iterator[Finding]:
    track = load_task(cell.task).protocol.track
    if cell.result.get("track", track) != track:
        yield Finding(cell.where, f"is of the track {cell.result['track']}; the task's is {track}", "run it again")
        return
    if cell.identity.get("task") != load_task(cell.task).content_hash:
        yield Finding(cell.where, f"is of another version of the task {cell.task}", "run it again")
    if cell.status == "ok":
        yield from check_numbers(cell)
        yield from check_table(cell)


def _facts(entry: Entry) -> Facts:
    for cell in entry.cells:
        for part in COMPARED:
            yield part, (cell.task, is_retargeted(cell.regime)), part_hash(cell.identity.get(part, ""))
        for key, words in YARDSTICKS.items():
            said = reported_number(cell.result.get(key))
            yield words, cell.task, f"{said:.5g}" if said is not None else ""
        yield "split", (cell.task, cell.fraction, cell.seed), part_hash(cell.identity.get("split", ""))
        if cell.status == "ok":
            yield "test clips", (cell.task, fold_of(cell.seed)), "\0".join((*cell.clips.clips, *cell.clips.groups))


def _usual(entries: Sequence[Entry]) -> dict[tuple[str, Hashable], str]:
    """What most entries say of each fact; where the truth says it, what it says."""
    votes: dict[tuple[str, Hashable], Counter[str]] = defaultdict(Counter)
    for entry in entries:
        weight = OUTWEIGHS if entry.name == entry.card.model == TRUTH else 1
        for fact in sorted(set(_facts(entry)), key=str):
            votes[fact[:2]][fact[2]] += 1 if fact[0] in YARDSTICKS.values() else weight
    return {key: min(found, key=lambda value: (-found[value], value)) for key, found in votes.items()}


def _unlike(what: str, whose: Hashable) -> str:
    place = whose[0] if isinstance(whose, tuple) else whose
    mend = "rescore it" if what == "metrics" else "run it again with this version"
    return f"on {place} it was measured with another {what} than the other entries; {mend}"
