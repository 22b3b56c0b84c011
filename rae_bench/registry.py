"""Finding models: entry points, `package.module:Class`, or `path/to/file.py:Class`. Listing imports no model."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, unknown

GROUP = "rae_bench.models"
CONTROLS = ("hold", "interpolate", "nearest")
_COPIES: dict[str, Path] = {}


def list_models() -> dict[str, EntryPoint]:
    """Names and entry points of the installed models."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def model_name(spec: str) -> str:
    """A short name for files and tables: that of the entry point, else of the class."""
    return spec.rpartition(":")[2] if ":" in spec else spec


def plugin_file(spec: str) -> Path | None:
    """The file of a `path/to/file.py:Class`, or the copy of it that this machine was given; None for other models."""
    place = spec.rpartition(":")[0]
    return _COPIES.get(place, Path(place)) if place.endswith(".py") else None


def use_copy(spec: str, path: Path) -> None:
    """Take the model `path/to/file.py:Class` from another file, on machines where the named one is not."""
    _COPIES[spec.rpartition(":")[0]] = path


def load_model_class(spec: str) -> type:
    """The class of a model.

    Raises:
        UserError: no such model, file, module or class.
    """
    if ":" not in spec:
        models = list_models()
        if spec not in models:
            raise unknown("model", spec, models)
        return _checked(models[spec].load(), spec)
    place, _, name = spec.rpartition(":")
    file = plugin_file(spec)
    if file is not None:
        path = file.resolve()
        if not path.is_file():
            raise UserError(f"model '{spec}': no such file {place}")
        module_name = f"rae_bench_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        if module_name in sys.modules:
            module = sys.modules[module_name]
        else:
            found = importlib.util.spec_from_file_location(module_name, path)
            assert found is not None
            assert found.loader is not None
            module = importlib.util.module_from_spec(found)
            sys.modules[module_name] = module
            try:
                found.loader.exec_module(module)
            except Exception as error:  # a plug-in is foreign code; half a module must not be found next time
                del sys.modules[module_name]
                kind = "" if isinstance(error, (SyntaxError, ImportError)) else f"{type(error).__name__}: "
                raise UserError(f"model '{spec}': {place} cannot be imported: {kind}{error}") from error
    else:
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise UserError(f"model '{spec}': {error}") from None
    if not hasattr(module, name):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise unknown(f"class in {place}", name, classes)
    return _checked(getattr(module, name), spec)


def _checked(cls: Any, spec: str) -> type:
    needed = ("card", "pretrain", "adapt", "generate", "save", "load")
    missing = [name for name in needed if not hasattr(cls, name)]
    if not inspect.isclass(cls) or missing:
        raise UserError(f"model '{spec}' has no {', '.join(missing) or 'class'}; a model needs {', '.join(needed)}")
    return cls


def make_model(spec: str, options: Mapping[str, Any]) -> Any:
    """A fresh instance. Raises `UserError` where the model does not take an option."""
    cls = load_model_class(spec)
    try:
        return cls(**options)
    except TypeError as error:
        raise UserError(f"model '{spec}': {error}; see --set") from None


def config_hash(options: Mapping[str, Any]) -> str:
    """Eight hex digits that stand for a model's options."""
    return hashlib.sha256(json.dumps(dict(options), sort_keys=True).encode()).hexdigest()[:8]


def source_hash(spec: str) -> str:
    """sha256 of the file that a model comes from; of the whole package for the reference entries.

    Nothing is imported, so what a plug-in's file imports in turn is not covered. What every model rests on (features,
    training loop, protocol) is hashed by `rae_bench.protocol.identity` instead.

    Raises:
        UserError: no such model or file.
    """
    place = spec.rpartition(":")[0]
    if ":" not in spec:
        models = list_models()
        if spec not in models:
            raise unknown("model", spec, models)
        place = models[spec].module
    file = plugin_file(spec)
    if file is not None:
        path = file
    else:
        try:
            found = importlib.util.find_spec(place)
        except ModuleNotFoundError:
            found = None
        if found is None or not found.origin:
            raise UserError(f"model '{spec}': no module {place}")
        path = Path(found.origin)
    if not path.is_file():
        raise UserError(f"model '{spec}': no such file {place}")
    files = sorted(path.parent.glob("*.py")) if place.startswith("rae_bench.baselines") else [path]
    digest = hashlib.sha256()
    for member in files:
        digest.update(member.name.encode() + b"\0" + member.read_bytes() + b"\0")
    return digest.hexdigest()
