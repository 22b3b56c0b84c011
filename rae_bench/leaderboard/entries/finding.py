"""What is wrong with an entry: where, what, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from rae_bench.errors import UserError

LONGEST = 300
"""Characters of a finding's parts. What they quote of an entry may be longer, and is not to be trusted."""


def one_line(text: object, longest: int = LONGEST) -> str:
    """Return text that others wrote as one line that does nothing to a terminal, of at most `longest` characters."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"


@dataclass(frozen=True)
class Finding:
    """One fault of an entry, as plain text whatever it quotes.

    Attributes:
        where: the file, cell or field.
        what: what is wrong there.
        mend: what the author can do.
    """

    where: str
    what: str
    mend: str

    def __post_init__(self) -> None:
        for name in ("where", "what", "mend"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


class Refused(UserError):
    """An entry that cannot be read any further because of a finding."""

    def __init__(self, where: object, what: object, mend: str) -> None:
        self.finding = Finding(str(where), str(what), mend)
        super().__init__(str(self.finding))
