"""Python source as what it does: a hash that comments, docstrings and formatting do not change, and what it imports."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

SKIPPED = ("ctx", "kind", "type_comment")
"""Fields of a syntax tree that say nothing new: `ctx` follows from the place, and u"" is ""."""


class Import(NamedTuple):
    """An import statement.

    Attributes:
        level: dots before the module's name.
        module: "" in `from . import name`.
        names: what follows `from module import`; empty in `import module`.
    """

    level: int
    module: str
    names: tuple[str, ...]


class Parsed(NamedTuple):
    """What is known of a source: the sha256 of its syntax tree, and its import statements, those in functions too."""

    digest: str
    imports: tuple[Import, ...]


@lru_cache(maxsize=4096)
def parse(source: bytes) -> Parsed:
    """Parse Python source; nothing of it is run.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as Python's parser does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever runs the source is warned then
        tree = ast.parse(source)
    text = "\n".join(_preorder(tree))
    return Parsed(hashlib.sha256(text.encode()).hexdigest(), tuple(_imports(tree)))


def _preorder(tree: ast.AST) -> Iterator[str]:
    """A tree as words that name each node's class and fields, the same in Python 3.11, 3.12 and 3.13.

    `ast.dump` differs between versions: it prints fields that only newer ones have, and strings by `repr`, which
    follows the version's Unicode tables. Here, fields that are empty are left out and strings are written in ASCII.
    Each word says how many come below it, so two trees never give the same words. Statements that do nothing
    (docstrings, other strings on their own, `pass`) are left out. There is no recursion, as long sums make deep trees.
    """
    stack: list[Any] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.AST):
            values = {name: _cleaned(getattr(item, name, None)) for name in sorted(item._fields) if name not in SKIPPED}
            if isinstance(item, ast.JoinedStr):  # Python 3.12 adds "" to some
                values["values"] = [part for part in item.values if getattr(part, "value", None) != ""]
            values = {name: value for name, value in values.items() if value is not None and value != []}
            yield f"{type(item).__name__} {','.join(values)}"
            stack += reversed(values.values())
        elif isinstance(item, list):
            yield f"list {len(item)}"
            stack += reversed(item)
        elif isinstance(item, int) and not isinstance(item, bool):
            yield f"int {item:x}"  # Python refuses to print very long ones in decimal
        else:
            yield f"{type(item).__name__} {item!a}"


def _cleaned(value: Any) -> Any:
    """The value of a field; of statements, those that do something."""
    if not isinstance(value, list):
        return value
    return [item for item in value if not isinstance(item, ast.Pass) and not _is_text(item)]


def _is_text(item: Any) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)


def _imports(tree: ast.AST) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.level, node.module or "", tuple(alias.name for alias in node.names))
