"""Where the modules are that a plug-in's import statements name, without importing any."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import requires
from pathlib import Path
from typing import NamedTuple

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages, on all systems."""


class Found(NamedTuple):
    """A module's file (None: a folder without `__init__.py`, or no Python), and the folders of its submodules."""

    file: Path | None
    folders: tuple[Path, ...]
    inside: bool


class Search:
    """Finds modules as a plug-in's import statements do, without importing any.

    Args:
        plugin: top-level name of the plug-in; it counts even where it is installed.
        first, last: folders that are looked through before and after `sys.path`.
        known: modules whose files are known.
    """

    def __init__(self, plugin: str, first: Sequence[Path], last: Sequence[Path], known: Mapping[str, Found]) -> None:
        self._plugin, self._first, self._last = plugin, first, last
        self._known: dict[str, Found | None] = dict(known)

    def find(self, name: str) -> Found | None:
        """The module of a dotted name; None where there is none."""
        if name not in self._known:
            parent, _, child = name.rpartition(".")
            if parent:
                above = self.find(parent)
                self._known[name] = above and look(above.folders, child, above.inside)
            else:
                self._known[name] = self._top(name)
        return self._known[name]

    def counts(self, name: str, found: Found) -> bool:
        """Whether a module belongs to what a plug-in is identified by."""
        belongs = name.partition(".")[0] == self._plugin
        return belongs or found.file is None or not set(found.file.parts) & set(INSTALLED)

    def hides(self, name: str) -> bool:
        """Whether a module of the plug-in's own folder has the top-level name of another one on `sys.path`."""
        top = name.partition(".")[0]
        found = self.find(top)
        other = _on_path(top) if found and found.inside and found.file else None
        return bool(found and found.file and other and other.file and not found.file.samefile(other.file))

    def _top(self, name: str) -> Found | None:
        if name == "rae_bench" or name in sys.builtin_module_names:
            return None
        mine = look(self._first, name, True)
        if mine and mine.file:
            return mine
        if name in sys.stdlib_module_names or name in _foundations():
            return None
        other = _on_path(name)
        # A folder without __init__.py gives way to a module anywhere, as in Python itself.
        return other if other and (other.file or not other.folders) else mine or look(self._last, name, True) or other


def look(folders: Sequence[Path], name: str, inside: bool) -> Found | None:
    """A module by its name within folders: the first package or file; else the folders of that name."""
    spaces = []
    for folder in folders:
        package, file = folder / name / "__init__.py", folder / f"{name}.py"
        if package.is_file():
            return Found(package, (folder / name,), inside)
        if file.is_file():
            return Found(file, (), inside)
        if (folder / name).is_dir():
            spaces.append(folder / name)
    return Found(None, tuple(spaces), inside) if spaces else None


def _on_path(name: str) -> Found | None:
    """A top-level module on `sys.path`, or where else Python finds one; it is not imported."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):  # of modules in `sys.modules` that say nothing of themselves
        return None
    if found is None:
        return None
    file = Path(found.origin or "")
    is_source = file.suffix == ".py" and file.is_file()
    return Found(file if is_source else None, tuple(map(Path, found.submodule_search_locations or ())), False)


@lru_cache(maxsize=1)
def _foundations() -> frozenset[str]:
    """What this package depends on, torch and numpy: no part of a plug-in, also where they were built from source."""
    needed = [line for line in requires("rae-bench") or () if "extra ==" not in line]
    return frozenset(word[0].replace("-", "_") for line in needed if (word := re.match(r"[\w.-]+", line)))
