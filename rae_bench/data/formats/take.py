"""What every reader of recordings returns: a `Take`, with notes for the person who imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rae_bench.motion.motion import Motion


@dataclass(frozen=True)
class Note:
    """One thing that a person should know about a file as it was read.

    Attributes:
        kind: notes of one kind are reported as one line for a whole folder.
        text: one line.
        size: how bad it is; the largest of a kind is the one that is reported.
    """

    kind: str
    text: str
    size: float = 0.0


@dataclass(frozen=True, eq=False)
class Take:
    """One recording as its reader returns it.

    Attributes:
        motion: one clip, metres, y up, on a rig without roles.
        notes: what is odd about the file.
        spread: joint -> by which share of its length its bone varied, where the format lets bones do that.
        name: of the take within its file, "" where the file holds only this one.
        slides: joint -> metres by which it strayed from the place where it is held now.
        dropped: names of joints that were left out as the recipe says.
        first_frame: how many frames of the file come before the motion, because the recipe leaves them out.
    """

    motion: Motion
    notes: tuple[Note, ...] = ()
    spread: Mapping[str, float] = field(default_factory=dict)
    name: str = ""
    slides: Mapping[str, float] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    first_frame: int = 0


def merged_notes(notes: Sequence[Sequence[Note]], files: Sequence[str]) -> list[str]:
    """Return one line for each kind of note: the worst file's text, and how many files have such a note.

    Args:
        notes: for each file its notes.
        files: names of the files.
    """
    kinds: dict[str, list[tuple[float, str]]] = {}
    for notes_of_file, file in zip(notes, files, strict=True):
        for note in notes_of_file:
            kinds.setdefault(note.kind, []).append((note.size, f"{file}: {note.text}"))
    lines = []
    for alike in kinds.values():
        size, worst = max(alike, key=lambda each: each[0])
        more = f"the worst of {len(alike)} files" if size else f"and {len(alike) - 1} more files"
        lines.append(worst if len(alike) == 1 else f"{worst} ({more})")
    return lines
