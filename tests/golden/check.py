"""Whether numbers moved while the version of their piece did not; and the file of golden values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from golden.pieces import Piece, pieces
from golden.values import Values, differences

FILE = Path(__file__).with_name("golden.json")
UPDATE = "python tests/golden/update.py"
SHOWN = 4
"""Numbers that moved which a complaint shows."""


class Golden:
    """Recorded values beside those of the code as it is. What is computed is kept."""

    def __init__(self, known: Mapping[str, Piece] | None = None, recorded: dict[str, Any] | None = None) -> None:
        self.pieces = pieces() if known is None else known
        self.recorded = read() if recorded is None else recorded
        self._values: dict[str, Values] = {}

    def values(self, name: str) -> Values:
        """What the code gives now."""
        if name not in self._values:
            self._values[name] = self.pieces[name].compute()
        return self._values[name]

    def beneath(self, name: str) -> list[str]:
        """All that a piece rests on, the lowest first."""
        found: set[str] = set()
        todo = [*self.pieces[name].rests_on]
        while todo:
            one = todo.pop()
            if one not in found:
                found.add(one)
                todo += self.pieces[one].rests_on
        return [one for one in self.pieces if one in found]

    def above(self, name: str) -> list[str]:
        """All that rests on a piece."""
        return [one for one in self.pieces if name in self.beneath(one)]

    def moved(self, name: str) -> list[str]:
        """The values that are not as they were recorded, each with the numbers that moved."""
        old, new = self.recorded[name]["values"], self.values(name)
        lines = [f"{key}: {'no longer computed' if key in old else 'new'}" for key in old.keys() ^ new.keys()]
        for key in new.keys() & old.keys():
            apart = differences(old[key], new[key])
            if apart:
                more = f" and {len(apart) - SHOWN} more" if len(apart) > SHOWN else ""
                lines.append(f"{key}: {', '.join(apart[:SHOWN])}{more}")
        return sorted(lines)

    def changed(self, name: str) -> list[str]:
        """Of a piece and all that it rests on, those whose version is another than when it was recorded."""
        old = self.recorded[name]
        versions = {**old["rests_on"], name: old["version"]}
        return [one for one in (*self.beneath(name), name) if versions.get(one) != self.pieces[one].version]

    def complaint(self, name: str) -> str:
        """What is wrong with a piece and what to do; empty where nothing is."""
        if name not in self.recorded:
            return f"{name} has no golden values yet: run {UPDATE} {name}, and commit tests/golden/{FILE.name}"
        changed = self.changed(name)
        if changed:
            said = ", ".join(changed)
            return f"{name}: its golden values are of another version of {said}: run {UPDATE} {changed[0]}"
        moved = self.moved(name)
        if not moved:
            return ""
        lines = "".join(f"\n  {line}" for line in moved)
        for lower in self.beneath(name):
            if lower not in self.recorded or self.moved(lower):
                return f"{name}: its numbers moved because those of {lower} did; see to {lower} first{lines}"
        return (
            f"{name}: its numbers moved, and its version is still {self.pieces[name].version}{lines}\n"
            f"Raise {self.pieces[name].where} and run {UPDATE} {name}: results of older versions become stale. "
            f"Where you did not mean to change {name}, the change is a mistake."
        )

    def record(self, names: Iterable[str]) -> None:
        """Take the values of some pieces as they are now."""
        for name in names:
            self.recorded[name] = {
                "version": self.pieces[name].version,
                "rests_on": {one: self.pieces[one].version for one in self.beneath(name)},
                "values": {key: value.numbers for key, value in self.values(name).items()},
            }


def read() -> dict[str, Any]:
    """The recorded values; none where there is no file yet."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}


def write(recorded: Mapping[str, Any]) -> None:
    """One value a line, so that a change can be read."""
    blocks = []
    for name in sorted(recorded):
        one = recorded[name]
        values = ",\n".join(f"   {json.dumps(key)}: {json.dumps(one['values'][key])}" for key in sorted(one["values"]))
        blocks.append(
            f' {json.dumps(name)}: {{\n  "version": {one["version"]},\n'
            f'  "rests_on": {json.dumps(one["rests_on"], sort_keys=True)},\n  "values": {{\n{values}\n  }}\n }}'
        )
    FILE.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")
