"""Errors that a user can mend, and the words to report them with."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class RayLost(Exception):
    """A part of Ray on this machine died; what has been finished is kept."""


LONGEST = 900
"""Characters of a complaint; what it quotes of a file may be longer."""


class UserError(Exception):
    """Bad input or usage: one line saying what is wrong, where, and what to do. The CLI exits with 2."""

    def __init__(self, text: str) -> None:
        """Keep the text as one line, without the middle where it quotes more than a person reads."""
        line = " ".join(text.splitlines())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}")


def check_keys(keys: Iterable[str], known: Collection[str], where: str) -> None:
    """Raise `UserError` at the first key that is not known, with the nearest ones suggested; `where` is its place."""
    for key in keys:
        if key not in known:
            raise UserError(f"{where}: {unknown('key', key, known)}")


def unknown(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """A `UserError` for a name that is not among `choices`, with the nearest ones suggested."""
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return UserError(f"unknown {kind} '{name}'; {hint}")
