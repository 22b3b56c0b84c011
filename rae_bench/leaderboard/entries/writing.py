"""Writing `entry.toml`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from rae_bench.leaderboard.entries import files
from rae_bench.leaderboard.entries.entry import SCHEMA, Card, Trajectories
from rae_bench.storage import whole_file


def _literal(value: Any) -> str:
    """A value of a card as TOML. JSON's texts and lists of texts are TOML's, but for DEL, which checks refuse."""
    return json.dumps(value, ensure_ascii=False)


def entry_toml(
    name: str, card: Card, division: str, external: list[str], regime: str, trajectories: Trajectories | None
) -> str:
    """The text of an entry's file."""
    head = {"schema": SCHEMA, "name": name, "division": division, "regime": regime, "external": external}
    tables = {"card": card, "trajectories": trajectories}
    lines = [f"{key} = {_literal(value)}" for key, value in head.items()]
    for title, table in tables.items():
        if table is not None:
            lines += ["", f"[{title}]"]
            lines += [f"{key} = {_literal(value)}" for key, value in msgspec.to_builtins(table).items()]
    return "\n".join(lines) + "\n"


def write_entry_file(
    folder: Path, card: Card, division: str, external: list[str], regime: str, trajectories: Trajectories | None
) -> None:
    """Write `entry.toml` in an entry's folder, whose name it carries."""
    with whole_file(folder / files.ENTRY) as scratch:
        text = entry_toml(folder.name, card, division, external, regime, trajectories)
        scratch.write_text(text, encoding="utf-8")
