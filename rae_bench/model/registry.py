"""Finding models: entry points, `package.module:Class`, or `path/to/file.py:Class`. Listing imports no model.

An entry point in the group `rae_bench.models` is a class. One in `rae_bench.families` is a module of models that are
put together by name, such as `rae_bench.baselines.family`, with five functions. `names()` lists the models with a name
of their own. `find(name)` gives what there is of a name, or None. `about(found)` gives a mapping with description,
paper, licence, capabilities and parameters. `resolve(found, options)` gives every option with its value. `load(name)`
gives the class; it alone may import torch.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

from rae_bench.errors import UserError, unknown
from rae_bench.model.config import TrainConfig, alike, train_values

GROUP, FAMILIES = "rae_bench.models", "rae_bench.families"
CONTROLS = ("hold", "interpolate", "nearest")
_COPIES: dict[str, Path] = {}


class KnownModel(NamedTuple):
    """A model that is known by name.

    Attributes:
        module: where its code is.
        load: gives its class.
        about: description, paper, licence, capabilities and parameters, as far as they are known without importing the
            model; of an entry point what its class says as literals in `card = ModelCard(...)`.
        resolve: gives every option with its value, without the class; None where that takes an instance.
    """

    module: str
    load: Callable[[], Any]
    about: Mapping[str, Any]
    resolve: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None


def list_models() -> dict[str, KnownModel]:
    """The installed models that have a short name, in the order of their names."""
    out = {point.name: _of_entry_point(point) for point in entry_points(group=GROUP)}
    for family in entry_points(group=FAMILIES):
        out |= {name: found for name in family.load().names() if (found := _in_family(family, name)) is not None}
    return dict(sorted(out.items()))


def find_model(name: str) -> KnownModel:
    """A model by its short name, or by one that a family puts together. Raises `UserError` where there is none."""
    for point in entry_points(group=GROUP, name=name):
        return _of_entry_point(point)
    for family in entry_points(group=FAMILIES):
        found = _in_family(family, name)
        if found is not None:
            return found
    raise unknown("model", name, list_models())


def known_capabilities(spec: str) -> frozenset[str]:
    """What a model's card says it can do besides `cold`. The model is imported if that cannot be read otherwise."""
    about: Mapping[str, Any] = {} if ":" in spec else find_model(spec).about
    if "capabilities" in about:
        return frozenset(about["capabilities"])
    return frozenset(load_model_class(spec).card.capabilities)  # type: ignore[attr-defined]


def _of_entry_point(point: EntryPoint) -> KnownModel:
    return KnownModel(point.module, point.load, _card_literals(point.module, point.attr))


def _card_literals(module: str, name: str) -> dict[str, Any]:
    """What a class's `card = ModelCard(...)` says as literals, read without running its module.

    The result is empty if the capabilities are not among them, because nobody is to guess what a model can do.
    """
    try:
        found = importlib.util.find_spec(module)
        tree = ast.parse(Path(found.origin).read_text(encoding="utf-8")) if found and found.origin else None
    except (ImportError, OSError, ValueError, SyntaxError):
        tree = None
    about: dict[str, Any] = {}
    for node in ast.walk(tree) if tree else ():
        if not isinstance(node, ast.ClassDef) or node.name != name:
            continue
        for line in node.body:
            target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
            value = getattr(line, "value", None)
            if isinstance(target, ast.Name) and target.id == "card" and isinstance(value, ast.Call):
                about = {key.arg: _literal(key.value) for key in value.keywords if key.arg}
    if about.get("capabilities") is None:
        return {}
    usual = {"description": "", "paper": "", "licence": "", "parameters": None if about.get("learns", True) else 0}
    known = {key: value for key, value in about.items() if value is not None}
    return {**usual, **known, "capabilities": sorted(about["capabilities"])}


def _literal(node: ast.expr) -> Any:
    """The value of a literal or a `frozenset` of one; None for anything else."""
    try:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "frozenset":
            return frozenset(ast.literal_eval(node.args[0]) if node.args else ())
        return ast.literal_eval(node)
    except ValueError:
        return None


def _in_family(point: Any, name: str) -> KnownModel | None:
    family = point.load()
    found = family.find(name)
    if found is None:
        return None
    return KnownModel(point.module, partial(family.load, name), family.about(found), partial(family.resolve, found))


def model_name(spec: str) -> str:
    """A short name for files and tables: that of the entry point, or of the class."""
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
        return _checked(find_model(spec).load(), spec)
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
                raise _not_imported(spec, place, error) from error
    else:
        try:
            module = importlib.import_module(place)
        except Exception as error:  # foreign code, too
            raise _not_imported(spec, place, error) from error
    if not hasattr(module, name):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise unknown(f"class in {place}", name, classes)
    return _checked(getattr(module, name), spec)


def _not_imported(spec: str, place: str, error: Exception) -> UserError:
    kind = "" if isinstance(error, (SyntaxError, ImportError)) else f"{type(error).__name__}: "
    return UserError(f"model '{spec}': {place} cannot be imported: {kind}{error}")


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


def resolved_options(spec: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of a model with the value that an instance uses, JSON-ready.

    Options that are left out and options that say what the default is anyway give the same. A family says it without
    importing torch. Of any other model an instance is made: its options are the arguments of its class, the fields of
    `TrainConfig` where it has one in `config`, and what its preset stands for where it says so in `widths`.
    Defaults that JSON cannot hold are left out.

    Raises:
        UserError: what `make_model` raises; or a given option that JSON cannot hold.
    """
    known = find_model(spec) if ":" not in spec else None
    if known is not None and known.resolve is not None:
        return known.resolve(options)
    instance = make_model(spec, options)
    values = _arguments(type(instance), options)
    config = getattr(instance, "config", None)
    if isinstance(config, TrainConfig):
        values |= train_values(config)
    if getattr(instance, "widths", None):
        values["widths"] = dict(instance.widths)
    return _json_ready(spec, values, options)


def _arguments(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a class is made with, defaults filled in."""
    values = dict(options)
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.default is not parameter.empty:
            values[name] = alike(parameter.default, options.get(name, parameter.default))
    return values


def _json_ready(spec: str, values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    ready = {}
    for name, value in values.items():
        try:
            ready[name] = json.loads(json.dumps(value))
        except (TypeError, ValueError):
            if name in given:
                kind = type(value).__name__
                text = f"model '{spec}': option {name} is a {kind}; numbers, texts and lists are options"
                raise UserError(text) from None
    return ready


def config_hash(options: Mapping[str, Any]) -> str:
    """Eight hex digits that stand for a model's options."""
    return hashlib.sha256(json.dumps(dict(options), sort_keys=True).encode()).hexdigest()[:8]


def source_hash(spec: str) -> str:
    """sha256 of the file that a model comes from; of the whole package for the reference entries.

    Nothing is imported, so what a plug-in's file imports in turn is not covered. What every model rests on (features,
    training loop, protocol) is hashed by `rae_bench.harness.identity` instead.

    Raises:
        UserError: no such model or file.
    """
    place = spec.rpartition(":")[0]
    if ":" not in spec:
        place = find_model(spec).module
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
    files = sorted(path.parent.rglob("*.py")) if place.startswith("rae_bench.baselines") else [path]
    digest = hashlib.sha256()
    for member in files:
        digest.update(member.relative_to(path.parent).as_posix().encode() + b"\0" + member.read_bytes() + b"\0")
    return digest.hexdigest()
