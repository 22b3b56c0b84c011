"""Writes what the documentation shows of the code: `python docs/generate.py`. A test says where it is stale.

`reference/files.md` has the keys of files, from the types that check them. `develop/architecture.svg` is the picture of
the layers of packages, from the list of docs/develop/design.md 9.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from html import escape
from pathlib import Path
from typing import Annotated, Any

import msgspec

from rae_bench.leaderboard.entries.card import Card, Trajectories
from rae_bench.leaderboard.entries.cells import _Metric, _ResultFile
from rae_bench.leaderboard.entries.entry import _EntryFile
from rae_bench.leaderboard.entries.level import Again, Record, TaskLevel
from rae_bench.rigs.file import _RigFile
from rae_bench.task.reading import KINDS
from rae_bench.task.task import BUDGET_KEYS, Protocol, Ranking

DOCS = Path(__file__).resolve().parent
MEANINGS = {
    _ResultFile: {
        "schema": "`rae-bench.result/2`",
        "status": "whether the cell was finished, or skipped for a `reason`",
        "model": "name of the model",
        "task": "name of the task",
        "regime": "how the model was trained ([glossary](../concepts/glossary.md#regimes))",
        "fraction": "share of the target's training motion, from 0 to 1",
        "seed": "chooses the fold, the fraction's order, initialisation and sampling",
        "identity": "versions and hashes of what the numbers depend on ([identity](../develop/design.md#71-identity))",
        "metrics": "name of the metric -> value, unit, direction ([metrics](metrics.md))",
        "cost": "core-seconds, memory, parameters, updates and frames, as far as they are known",
        "environment": "system, processor, versions of Python and libraries",
        "reason": "why the cell was skipped; empty otherwise",
        "benchmark": "version of the benchmark",
        "budget": "which of the task's budgets was used",
        "options": "the model's options, resolved",
        "track": "what the task asked of the model",
        "rig_height": "height of the target rig in metres, which scores are measured by",
        "fps": "frames per second",
    },
    _Metric: {"value": "the number; null where it is not finite", "unit": "unit", "direction": "what is better"},
    _EntryFile: {
        "schema": "the version of this format",
        "benchmark": "version of the benchmark",
        "name": "name of the folder",
        "division": "`closed`: learnt from the task's data alone",
        "regime": "the regime whose score ranks the entry",
        "card": "the table `[card]` below",
        "external": "other data and pre-training, one line each",
        "trajectories": "the table `[trajectories]` below",
    },
    Card: {
        "title": "name on the board", "authors": "who made the model", "version": "the model's version",
        "description": "a sentence or two", "licence": "licence of the model",
        "access": "whether the model reads what lies ahead of the frame that it makes",
    },
    Trajectories: {
        "sha256": "hash of the zip", "size": "bytes of the zip", "url": "https address; empty until it is uploaded",
    },
    Record: {"schema": "the version of this format", "tasks": "name of the task -> the table below"},
    TaskLevel: {"level": "what was established"},
    Protocol: {
        "seconds": "length of a segment in seconds",
        "history": "how many of these seconds are given to the model",
        "default_fraction": "the fraction that `run` uses",
        "track": "what is asked of a model: `limbs`, `control` or `keyframes`",
        "roles": "roles that both rigs must have",
        "mode": "`paper` has held-out clips and budgets as the thesis had them ([study](../reports/study.md))",
        "full_updates": "optimiser steps of an adaptation in the full budget",
        "quick_updates": "optimiser steps of an adaptation in the quick budget",
        "frames_per_update": "a training may see this many frames for each update",
    },
    Ranking: {"fractions": "fractions of the target's data at which the task is ranked"},
    _RigFile: {
        "name": "name of the rig", "description": "one line for people",
        "joints": "tables with `name`, `parent`, `offset`, `limits`, `rest`, parents first",
        "roles": "role -> joint", "contact_joints": "joints that touch the ground", "mirror": "pairs of left and right",
        "fixed_base": "true: the root does not travel",
    },
}  # fmt: skip
"""What keys mean whose type has no words on them."""
SIDES = {
    "kind": "`builtin`, `recordings` or `domain`", "rig": "name of a built-in rig, or of one between two (`r1~r2@0.5`)",
    "motion": "`locomotion` or `reach`", "clips": "how many clips are made", "seed": "seed of the generator",
    "sweep": "true: the step grid of the thesis", "swap_roles": "true: hands are called feet, and feet hands",
    "actions": "which actions are taken; all without it", "name": "name of an imported domain",
}  # fmt: skip


def words_of(kind: type) -> dict[str, str]:
    """Key -> meaning, from the paragraph "Attributes:" of the docstring."""
    text = inspect.getdoc(kind) or ""
    found: dict[str, str] = {}
    for line in text.partition("Attributes:\n")[2].splitlines():
        start = re.match(r"    ([\w, ]+): (.*)", line)
        if start and not line.startswith("     "):
            names = [name.strip() for name in start[1].split(",")]
            found |= dict.fromkeys(names, start[2])
        elif line.strip() and found:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def spelt(kind: Any) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        limits = [f"{spelt(inner[0])}"]
        for meta in inner[1:]:
            signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
            limits += [f"{sign} {getattr(meta, name):,}" for name, sign in signs if getattr(meta, name) is not None]
            limits += [f"at most {meta.max_length}"] if meta.max_length is not None else []
            limits += [f"`{meta.pattern}`"] if meta.pattern is not None else []
        return ", ".join(limits)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(spelt(item) for item in inner)
    if origin is list or (origin is tuple and inner[-1:] == (...,)):
        return f"list of {spelt(inner[0])}"
    if origin is tuple:
        return f"list of {len(inner)}: {', '.join(spelt(item) for item in inner)}"
    if origin is dict:
        return f"table: text -> {spelt(inner[1])}" if inner[1] is not Any else "table"
    names = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null", Any: "anything"}
    return names.get(kind, "table")


def table(kind: type, *, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> str:
    """The keys of a type as a table of Markdown."""
    words, hints = words_of(kind) | MEANINGS.get(kind, {}), typing.get_type_hints(kind, include_extras=True)
    missing = dataclasses.MISSING
    if dataclasses.is_dataclass(kind):
        fields = [(f.name, f.default) for f in dataclasses.fields(kind)]
    else:
        fields = []
        for f in msgspec.structs.fields(kind):
            made = missing if f.default_factory is msgspec.NODEFAULT else f.default_factory()
            fields.append((f.encode_name, made if f.default is msgspec.NODEFAULT else f.default))
    rows = ["| key | type | without it | meaning |", "|---|---|---|---|"]
    for name, default in fields:
        if (only and name not in only) or name in without:
            continue
        shown = "must be there" if default is missing else "absent" if default is None else f"`{json.dumps(default)}`"
        kind_of = spelt(hints[name]).replace("|", r"\|")
        rows.append(f"| `{name}` | {kind_of} | {shown} | {words[name].rstrip('.')} |")
    return "\n".join(rows)


def sides() -> str:
    """The keys of `[source]` and `[target]`, by kind."""
    rows = ["| kind | key that it needs | other keys |", "|---|---|---|"]
    for kind, (needed, allowed) in KINDS.items():
        others = sorted((allowed or set()) - {"kind", needed})
        rest = ", ".join(f"`{key}`" for key in others) if allowed else "those of a [recipe](formats.md#recipes)"
        rows.append(f"| `{kind}` | `{needed}` | {rest} |")
    rows += ["", "| key | meaning |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in SIDES.items())]
    return "\n".join(rows)


def files_page() -> str:
    """The page `reference/files.md`."""
    return f"""<!-- Made by `python docs/generate.py` from the types that check these files. Do not edit. -->
# Files by their schema

This page lists the keys of the files that rae-bench reads and writes. It is made from the types that check the files in
the code. A key that is not listed here is refused, except in results. [File formats](formats.md) describes the files of
motion, and [Submit an entry](../guides/submitting.md#what-an-entry-is) says which files make an entry.

## Task

A task is a TOML file, such as those in `tasks/`. It has `title`, `description`, `[source]` (or several `[[source]]`),
`[target]`, `[protocol]`, `[budget]` and `[ranking]`. `demo = true` marks a demonstration that is too small to be
ranked. A table with the name of a track says what differs in that track
([budgets](../concepts/protocol.md#budgets)).

### Source and target

{sides()}

### Protocol

{table(Protocol, without=(*BUDGET_KEYS, "budget"))}

### Budget

{table(Protocol, only=BUDGET_KEYS)}

### Ranking

{table(Ranking)}

## Rig

A rig is a TOML file ([rig files](formats.md#rig-files) has an example).

{table(_RigFile)}

## Result

A result is the strict JSON file of one cell. Results may have more keys than these.

{table(_ResultFile)}

Each metric is a table:

{table(_Metric)}

Beside the result lie two files of the same name. The `.csv` has a row for each clip. The `.npz` has the generated
motion: `root_positions` (S, N, T, 3) and `rotations` (S, N, T, J, 4), both float32, `lengths`, `fps` and `rig`.

## Entry

`entry.toml` of a folder in `leaderboard/entries`:

{table(_EntryFile)}

### `[card]`

{table(Card)}

### `[trajectories]`

{table(Trajectories)}

## Level

`level.json` of an entry, which `rae-bench verify --record` writes:

{table(Record)}

For each task:

{table(TaskLevel)}

Each cell in `rerun`:

{table(Again)}
"""


WIDTH, ROW, LEFT, SIDE = 520, 50, 336, 372
ABOUT = {
    "cli": "commands, and runs from Python",
    "viewer": "pages and films, the board, the thesis' study",
    "testing": "the rules that every model keeps",
    "harness": "plans cells, runs them in processes of their own",
    "statistics": "tables in, tables out: intervals and ranks",
    "results": "files of results, rows of tables",
    "metrics": "one file for each concept",
    "task": "folds, fractions, budgets",
    "model": "the door for models, and the training engine",
    "objectives": "what is asked: limbs, path, keyframes",
    "data": "formats, imports, generators, retargeting",
    "motion": "clips on a rig, root space",
    "kinematics": "quaternions and skeletons",
    "benchmark": "version, errors, reading and writing files",
}
"""First package of a layer -> what the layer does."""
OUTSIDE = {
    "cli": ("you", "terminal, notebook"), "viewer": ("leaderboard/", "entries: data"),
    "task": ("tasks/", "one TOML file each"), "model": ("baselines/", "and your model"),
    "data": ("recordings", "yours"),
}  # fmt: skip
"""First package of a layer -> what from outside meets it there."""


def layers() -> list[list[str]]:
    """The layers of packages, from the lowest up, as docs/develop/design.md 9 lists them."""
    text = (DOCS / "develop" / "design.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if "->" in b and "benchmark, errors" in b)
    return [layer.replace(",", " ").split() for layer in block.split("->")]


def picture() -> str:
    """The picture `develop/architecture.svg`."""
    stack = layers()[::-1]
    top = {names[0]: 44 + ROW * number for number, names in enumerate(stack)}
    height = 44 + ROW * len(stack) + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif">',
        "<title>Layers of packages. Each imports from its own layer and from those below it.</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fbfbfa"/>',
        '<g fill="#59626d" font-size="13"><text x="16" y="27">rae_bench: imports point down</text>'
        f'<text x="{SIDE}" y="27">outside</text></g>',
    ]
    for names in stack:
        y = top[names[0]]
        parts.append(f'<rect x="12" y="{y}" width="{LEFT - 12}" height="{ROW - 8}" rx="7" fill="#e6edf9"/>')
        parts.append(
            f'<text x="22" y="{y + 18}" font-size="15" font-weight="700" fill="#1b1f24">{", ".join(names)}</text>'
            f'<text x="22" y="{y + 34}" font-size="12.5" fill="#3d4650">{escape(ABOUT[names[0]])}</text>'
        )
    for place, (name, text) in OUTSIDE.items():
        y = top[place]
        parts.append(
            f'<rect x="{SIDE}" y="{y}" width="{WIDTH - SIDE - 12}" height="{ROW - 8}" rx="7" fill="#f6ecd9"/>'
            f'<text x="{SIDE + 10}" y="{y + 18}" font-size="14" font-weight="700" fill="#1b1f24">{escape(name)}</text>'
            f'<text x="{SIDE + 10}" y="{y + 34}" font-size="12" fill="#3d4650">{escape(text)}</text>'
        )
        parts.append(f'<path d="M{SIDE} {y + 21}H{LEFT + 8}" fill="none" stroke="#59626d" stroke-width="1.5"/>')
        parts.append(f'<path d="M{LEFT + 2} {y + 21}l8 -4v8z" fill="#59626d"/>')
    parts.append(
        f'<text x="16" y="{height - 12}" font-size="12" fill="#59626d">'
        "baselines/ and your model import rae_bench.model alone.</text></svg>"
    )
    return "\n".join(parts) + "\n"


GENERATED = {"reference/files.md": files_page, "develop/architecture.svg": picture}
"""File in `docs` -> what makes its text."""

if __name__ == "__main__":
    for name, make in GENERATED.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
        print(f"wrote docs/{name}")
