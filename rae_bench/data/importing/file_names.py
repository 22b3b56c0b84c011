"""What the names of files and folders say of recordings: who was recorded, in which session, in which style."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from rae_bench.data.wording import first_few

_PEOPLE = r"(?:subject|subj|sub|actor|actress|performer|participant|person)"
_SESSIONS = r"(?:session|sess|day)"
_NUMBER = r"[ _-]?(?:\d+|[A-Z](?![A-Za-z]))"
_PERSON = re.compile(rf"(?<![A-Za-z])((?i:{_PEOPLE}){_NUMBER})(?![A-Za-z0-9])")
_SESSION = re.compile(rf"(?<![A-Za-z])((?i:{_SESSIONS}){_NUMBER})(?![A-Za-z0-9])")
_NUMBERED = re.compile(r"[A-Za-z]{0,2}\d{1,4}")
"""Folders of this kind are subjects: 01, S3, P12."""
_MIRROR = re.compile(r"(?i:mirror(ed)?|mirrors|flip(ped)?)")
_MIRRORED = re.compile(
    rf"[ _.-]*(?<![A-Za-z]){_MIRROR.pattern}$"  # walk_mirror
    rf"|^{_MIRROR.pattern}(?![A-Za-z])[ _.-]*"  # mirror_walk
    r"|(?<=[a-z0-9])(Mirror|Flip)(ed|ped)?$|_[mM]$"  # walkMirrored, walk_M
)
_ACCLAIM = re.compile(r"(\d+)_(\d+)")
"""CMU's files: the subject, the trial."""


def labels_by_name(stems: Sequence[str]) -> tuple[list[dict[str, str]], str]:
    """Return session and style of each file, as far as names say so, and in words what the sessions are.

    The session, which becomes the split group, is the first of these that tells at least two apart: the subject that
    names name ("walk1_subject5", "Actor_02/run"), the session ("day2_walk"), the subject by number ("02_01", "S3/run").
    Files in folders that are called otherwise have the folder as their style.

    Args:
        stems: names of the files without suffix, relative to the folder, with forward slashes.

    Returns:
        For each file any of `session` and `style`; "" where no name tells of sessions.
    """
    folders = [PurePosixPath(stem).parent.as_posix() for stem in stems]
    labels: list[dict[str, str]] = [{} for _ in stems]
    text = ""
    by_number = [_by_number(stem) for stem in stems]
    for what, found in (
        ("subjects", [_last(_PERSON, stem) for stem in stems]),
        ("sessions", [_last(_SESSION, stem) for stem in stems]),
        ("subjects", by_number if all(by_number) else [None] * len(stems)),
    ):
        kinds = sorted({each for each in found if each})
        if len(kinds) > 1 and sum(each is not None for each in found) >= len(stems) / 2:
            text = f"{len(kinds)} {what} by the names of files: {first_few(kinds, 4)}"
            for label, each in zip(labels, found, strict=True):
                if each:
                    label["session"] = each
            break
    sessions = {label.get("session") for label in labels}
    for label, folder in zip(labels, folders, strict=True):
        name = PurePosixPath(folder).name
        if name and folder != "." and name not in sessions and not _NUMBERED.fullmatch(name):
            label["style"] = name
    return labels, text


def mirrored_by_name(stems: Sequence[str]) -> dict[str, str]:
    """Return stem -> the stem whose mirror image its name says it is: "walk_mirror" of "walk", "mirrored/walk" too."""
    known = set(stems)
    found = {}
    for stem in stems:
        path = PurePosixPath(stem)
        parts = [part for part in path.parts[:-1] if not _MIRROR.fullmatch(part)]
        bare = (PurePosixPath(*parts) / _MIRRORED.sub("", path.name)).as_posix()
        if bare != stem and bare in known:
            found[stem] = bare
    return found


def _last(pattern: re.Pattern[str], stem: str) -> str | None:
    """Return the last match in a name, so that a file says more than its folder."""
    found = pattern.findall(stem)
    return found[-1] if found else None


def _by_number(stem: str) -> str | None:
    """Return the subject of CMU's "02_01", or the numbered folder that a file lies in."""
    path = PurePosixPath(stem)
    numbered = [part for part in path.parts[:-1] if _NUMBERED.fullmatch(part)]
    if numbered:
        return numbered[-1]
    match = _ACCLAIM.fullmatch(path.name)
    return match[1] if match else None
