"""Plug-ins: models in files of their own. What identifies one, how it is loaded, and how it travels.

A plug-in is named `path/to/file.py:Class`, `path/to/my_package:Class`, `path/to/my_package/file.py:Class` or, where it
is installed, `package.module:Class`. What stands before the colon is a path if it has a slash in it or ends in .py.

What a path can import: a file that is in no package sees the files and folders beside it first, as a script does. A
file in a package (its folder has an `__init__.py`) sees what lies beside the outermost package folder first, and what
lies beside itself last. In between comes what is on `sys.path`.

What counts for the identity: the plug-in's file and every Python file that it imports, directly or through others, in
functions too, in so far as it lies outside site-packages, the standard library, this package and what this package
depends on. Of an installed plug-in its own package counts wherever it lies. The files are found and read, never run.
Comments, docstrings, formatting and the folder in which all this lies do not count. Data files do not count either: a
plug-in that reads one and changes it is taken for the same plug-in.

How a path is loaded: its files are modules of a package that bears the plug-in's identity in its name, and their import
statements (also those that run later, in a method) look there first, as in `torch.package`. So two plug-ins in one
process never see each other's `net.py`, nobody else sees it, and an edited plug-in is another one. What is run is what
was read for the identity, even if the file is edited meanwhile. The price: a file that is imported by a name in a
string (`importlib.import_module`, a pickle) is not found; inside a package this is an error that says so.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import NamedTuple

from rae_bench.errors import UserError
from rae_bench.files import LARGEST_TEXT, read_bytes
from rae_bench.model.plugins.importer import Importer, Module
from rae_bench.model.plugins.search import Found, Search
from rae_bench.model.plugins.syntax import Import, parse
from rae_bench.storage import home, pack_folder, unpack, whole_folder

PREFIX = "rae_bench_plugin_"
_KEPT: dict[str, Plugin] = {}
"""Plug-ins that this process was told to keep as they were, by place: see `pin_plugin`."""


@dataclass(frozen=True, eq=False)
class Plugin:
    """The files of a plug-in.

    Attributes:
        entry: dotted name of the module that has the class.
        modules: by dotted name, in the order of the names.
        identity: sha256 over the names and syntax trees of all modules, and which of them is the entry.
    """

    entry: str
    modules: Mapping[str, Module]
    identity: str


class PackedPlugin(NamedTuple):
    """A plug-in that travels.

    Attributes:
        entry: the file in `files` that has the class.
        files: {relative path: content} of all files that count.
    """

    identity: str
    entry: str
    files: dict[str, bytes]


def plugin_identity(spec: str) -> str:
    """What a plug-in is identified by, as hex digits: the same on every machine and in Python 3.11 to 3.13.

    Raises:
        UserError: no such file, folder or module, or a file that counts is not Python.
    """
    return read_plugin(spec).identity


def plugin_files(spec: str) -> list[Path]:
    """The files that count, in the order of their module names. Raises as `plugin_identity` does."""
    return [module.path for module in read_plugin(spec).modules.values()]


def is_path(spec: str) -> bool:
    """Whether a model is named by a path."""
    return _is_path(spec.rpartition(":")[0])


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or "\\" in place or place in (".", "..")


def resolved_spec(spec: str) -> str:
    """The one absolute name of a plug-in that is named by a path, wherever one stands; other names as they are."""
    if not is_path(spec):
        return spec
    place, _, name = spec.rpartition(":")
    path = Path(place).resolve()
    return f"{path.parent if path.name == '__init__.py' else path}:{name}"


def portable_spec(spec: str) -> str:
    """What results call a plug-in: of a path the last folder and the file, `my_folder/model.py:Class`.

    It is the same on another machine, after the folder has moved, and however the path was written. A copy of the
    folder under another name, to try something in, is another plug-in, with results in another place.
    """
    if not is_path(spec):
        return spec
    place, _, name = resolved_spec(spec).rpartition(":")
    return f"{'/'.join(Path(place).parts[-2:])}:{name}"


# Reading: which files count.


def read_plugin(spec: str) -> Plugin:
    """Find and read the files of a plug-in, without running any. Raises as `plugin_identity` does."""
    place = spec.rpartition(":")[0]
    return _KEPT[place] if place in _KEPT else _read(spec, place)


def _read(spec: str, place: str) -> Plugin:
    entry, search = _start(spec, place)
    modules: dict[str, Module] = {}
    waiting = [entry]
    while waiting:
        parts = waiting.pop().split(".")
        for name in (".".join(parts[: n + 1]) for n in range(len(parts))):
            found = search.find(name)
            if found is None or not search.counts(name, found):
                break
            if name in modules or found.file is None:
                continue
            try:
                source = read_bytes(found.file, LARGEST_TEXT)
                imports = parse(source).imports
            except OSError as error:
                raise UserError(f"model '{spec}': {found.file} cannot be read: {error.strerror}") from None
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                what = f"{error.msg} (line {error.lineno})" if isinstance(error, SyntaxError) else f"{error}"
                raise UserError(f"model '{spec}': {found.file} cannot be imported: {what}") from None
            modules[name] = Module(found.file, source, found.inside)
            package = name if found.file.name == "__init__.py" else name.rpartition(".")[0]
            for absolute in (a for statement in imports for a in _absolute(statement, package)):
                if not found.inside and search.hides(absolute):
                    raise UserError(
                        f"model '{spec}': {found.file} imports '{absolute}', and the plug-in's own folder has another "
                        "module of that name; rename one of them"
                    )
                waiting.append(absolute)
    if entry not in modules:
        raise UserError(f"model '{spec}': no module {place}")
    modules = dict(sorted(modules.items()))
    digest = hashlib.sha256(entry.encode() + b"\0")
    for name, module in modules.items():
        digest.update(f"{_file_name(name, module)}\0{parse(module.source).digest}\0".encode())
    return Plugin(entry, modules, digest.hexdigest())


def _file_name(name: str, module: Module) -> str:
    """Where a module lies within its folder."""
    return name.replace(".", "/") + ("/__init__.py" if module.path.name == "__init__.py" else ".py")


def _absolute(statement: Import, package: str) -> Iterator[str]:
    """Absolute names of the modules that an import statement in a package may load."""
    base = statement.module
    if statement.level:
        parts = package.split(".") if package else []
        kept = len(parts) - (statement.level - 1)
        if kept < 0:
            return
        base = ".".join([*parts[:kept], *filter(None, [base])])
    if base:
        yield base
    for name in statement.names:
        yield f"{base}.{name}" if base else name


def _start(spec: str, place: str) -> tuple[str, Search]:
    """The entry's dotted name, and where its imports are found."""
    if not _is_path(place):
        return place, Search(place.partition(".")[0], (), (), {})
    path = Path(place).resolve()
    if path.is_dir() and not (path / "__init__.py").is_file():
        raise UserError(f"model '{spec}': {place} is a folder without __init__.py; name the file that has the class")
    if not path.is_dir() and not (path.suffix == ".py" and path.is_file()):
        raise UserError(f"model '{spec}': no such file {place}")
    file = path / "__init__.py" if path.is_dir() else path
    package = file.parent if (file.parent / "__init__.py").is_file() else None
    folder, parts = file.parent, [] if file.name == "__init__.py" else [file.stem]
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    # A dot in the name of a file is no border between modules. No import statement can name what has a hyphen.
    parts = [part.replace(".", "-") for part in parts]
    known = {}
    above = file.parent if file.name == "__init__.py" else file
    for n in range(len(parts), 0, -1):
        folders = () if above == file else (above,)
        known[".".join(parts[:n])] = Found(file if above == file else above / "__init__.py", folders, True)
        above = above.parent
    return ".".join(parts), Search(parts[0], (folder,), (package,) if package else (), known)


# Loading.


def load_plugin(spec: str) -> ModuleType:
    """The module that has a plug-in's class. This runs the plug-in's code.

    Raises:
        UserError: what `plugin_identity` raises, and whatever the code raises while it is imported.
    """
    place = spec.rpartition(":")[0]
    name, entry = "", place
    if is_path(spec):
        plugin = read_plugin(spec)
        name = _importer(plugin).name
        entry = f"{name}.{plugin.entry}"
    try:
        return importlib.import_module(entry)
    except (Exception, SystemExit) as error:  # a plug-in is foreign code, perhaps a script that ends itself
        kind = "" if isinstance(error, (SyntaxError, ImportError)) else f"{type(error).__name__}: "
        text = str(error).replace(f"{name}.", "") if name else str(error)
        raise UserError(f"model '{spec}': {place} cannot be imported: {kind}{text}") from error


def _importer(plugin: Plugin) -> Importer:
    """What loads the modules of a plug-in in this process; made when it is first asked for."""
    path = plugin.modules[plugin.entry].path
    name = PREFIX + hashlib.sha256(f"{path}\0{plugin.identity}".encode()).hexdigest()[:16]
    for finder in sys.meta_path:
        if isinstance(finder, Importer) and finder.name == name:
            return finder
    importer = Importer(name, plugin.modules)
    sys.meta_path.insert(0, importer)
    return importer


# Travelling.


def pin_plugin(spec: str, identity: str, packed: PackedPlugin | None = None) -> None:
    """Have this process load a plug-in as it was when its run began, whatever happens to its files from now on.

    Nothing is done for models that are not named by a path.

    Args:
        packed: where the files lie if this machine does not have them, or has others.

    Raises:
        UserError: the plug-in was edited before this process began, or is not here.
    """
    place = spec.rpartition(":")[0]
    if not is_path(spec) or (place in _KEPT and _KEPT[place].identity == identity):
        return
    try:
        plugin = _read(spec, place)
    except UserError:
        if packed is None:
            raise
        plugin = None
    if packed is not None and (plugin is None or plugin.identity != identity):
        plugin = _read(spec, str(_unpacked(packed)))
    if plugin is None or plugin.identity != identity:
        raise UserError(
            f"model '{spec}' is not what it was when this run began: it was edited since, or imports a module that "
            "lies only where the command was called; give the command again, or put that module beside the model"
        )
    _KEPT[place] = plugin


def ship_plugin(spec: str) -> PackedPlugin | None:
    """All files that count, to travel where no disk is shared; None for models that are not named by a path."""
    if not is_path(spec):
        return None
    plugin = read_plugin(spec)
    files = {_file_name(name, module): module.source for name, module in plugin.modules.items()}
    return PackedPlugin(plugin.identity, _file_name(plugin.entry, plugin.modules[plugin.entry]), files)


def take_plugin(spec: str, packed: PackedPlugin | None) -> None:
    """Have this process load a plug-in as `ship_plugin` gave it: the original if it is here, else a copy of it."""
    if packed is not None:
        pin_plugin(spec, packed.identity, packed)


def _unpacked(packed: PackedPlugin) -> Path:
    """The entry of the copy of a packed plug-in in the cache, in a folder that is named by its content."""
    digest = hashlib.sha256()
    for name, content in sorted(packed.files.items()):
        parts = PurePosixPath(name).parts
        if not name.endswith(".py") or name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
            raise UserError(f"a plug-in that was sent here has a file '{name}'; a .py file within its folder is needed")
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    if packed.entry not in packed.files:
        raise UserError(f"a plug-in that was sent here lacks its file '{packed.entry}'")
    folder = home() / "plugins" / digest.hexdigest()[:16]
    if not folder.is_dir() or pack_folder(folder) != packed.files:
        with whole_folder(folder) as part:
            unpack(packed.files, part)
    return folder / packed.entry
