"""Loading a plug-in's files so that nobody else sees them, and that they see each other first."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from rae_bench.model.plugins.search import look


class Module(NamedTuple):
    """A Python file that counts.

    Attributes:
        source: what it held when it was read.
        inside: whether it lies in the plug-in's own folder; else it was found on `sys.path`.
    """

    path: Path
    source: bytes
    inside: bool


class Importer(MetaPathFinder):
    """Finds the modules of one plug-in, and imports for them.

    Args:
        name: of the package in `sys.modules` whose submodules they are.
        modules: by dotted name; those that were found on `sys.path` are left to Python.
    """

    def __init__(self, name: str, modules: Mapping[str, Module]) -> None:
        self.name = name
        self._modules = {key: module for key, module in modules.items() if module.inside}
        self._tops = {key.partition(".")[0] for key in self._modules} - set(sys.builtin_module_names)
        self.builtins = {**vars(builtins), "__import__": self._import}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What Python asks for a module that is not in `sys.modules`."""
        if fullname == self.name:
            return _space(fullname)
        if not fullname.startswith(f"{self.name}."):
            return None
        name = fullname.removeprefix(f"{self.name}.")
        module = self._modules.get(name)
        if module is not None:
            folder = [str(module.path.parent)] if module.path.name == "__init__.py" else None
            loader = _Loader(fullname, module, self.builtins)
            return importlib.util.spec_from_file_location(
                fullname, module.path, loader=loader, submodule_search_locations=folder
            )
        if any(key.startswith(f"{name}.") for key in self._modules):
            return _space(fullname)
        missed = look([Path(folder) for folder in path or ()], name.rpartition(".")[2], True)
        if missed and missed.file:
            raise ImportError(
                f"{missed.file} is imported by a name that no import statement has, so it does not count for the "
                f"model's identity; write an import statement for it"
            )
        return None

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> ModuleType:
        """`__import__` of the plug-in's modules: their own files come first."""
        top = name.partition(".")[0]
        if level or top not in self._tops:
            return builtins.__import__(name, globals, locals, fromlist, level)
        importlib.import_module(f"{self.name}.{name}")
        if fromlist:
            return builtins.__import__(f"{self.name}.{name}", globals, locals, fromlist)
        return sys.modules[f"{self.name}.{top}"]


def _space(name: str) -> ModuleSpec:
    """The spec of a folder without `__init__.py`; its modules are asked of the importer."""
    return ModuleSpec(name, None, is_package=True)


class _Loader(SourceFileLoader):
    """Runs what was read before, with the importer's `__import__`."""

    def __init__(self, fullname: str, module: Module, names: Mapping[str, Any]) -> None:
        super().__init__(fullname, str(module.path))
        self._source, self._builtins = module.source, names

    def get_data(self, path: str) -> bytes:
        """The source as it was read; other files as they are."""
        return self._source if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Refused, so that no bytecode is used or left: it is taken for current by time and size alone."""
        raise OSError

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code; its functions look `__import__` up in what is put here."""
        vars(module)["__builtins__"] = self._builtins
        super().exec_module(module)
