"""Finding models: entry points, and plug-ins (`rae_bench.model.plugins`). Listing imports no model.

An entry point in the group `rae_bench.models` is a class. One in `rae_bench.families` is a module of models that are
put together by name (`rae_bench.baselines.family`): `names()` lists those with a name of their own, `find(name)` says
whether there is such a model, None where there is not, `about(found)` gives a mapping with description, paper, licence,
capabilities and parameters, `load(name)` the class; only `load` may import torch.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

from rae_bench.errors import UserError, unknown
from rae_bench.model.plugins.plugin import is_path, load_plugin, plugin_identity, portable_spec, resolved_spec

GROUP, FAMILIES = "rae_bench.models", "rae_bench.families"
CONTROLS = ("hold", "interpolate", "nearest")


class Listed(NamedTuple):
    """A model that is known by name.

    Attributes:
        module: where its code is.
        load: gives its class.
        about: description, paper, licence, capabilities, parameters, as far as they are known without importing it; of
            an entry point what its class says as literals in `card = ModelCard(...)`.
    """

    module: str
    load: Callable[[], Any]
    about: Mapping[str, Any]


def list_models() -> dict[str, Listed]:
    """The installed models that have a name of their own."""
    out = {point.name: _listed(point) for point in entry_points(group=GROUP)}
    for family in entry_points(group=FAMILIES):
        out |= {name: found for name in family.load().names() if (found := _in_family(family, name)) is not None}
    return dict(sorted(out.items()))


def find_model(name: str) -> Listed:
    """A model by name, its own or one that a family puts together. Raises `UserError` where there is none."""
    for point in entry_points(group=GROUP, name=name):
        return _listed(point)
    for family in entry_points(group=FAMILIES):
        found = _in_family(family, name)
        if found is not None:
            return found
    raise unknown("model", name, list_models())


def known_capabilities(spec: str) -> frozenset[str]:
    """What a model's card says it can do besides `cold`; a model is imported where that cannot be read otherwise."""
    about: Mapping[str, Any] = {} if ":" in spec else find_model(spec).about
    if "capabilities" in about:
        return frozenset(about["capabilities"])
    return frozenset(load_model_class(spec).card.capabilities)  # type: ignore[attr-defined]


def _listed(point: EntryPoint) -> Listed:
    return Listed(point.module, point.load, _card_literals(point.module, point.attr))


def _card_literals(module: str, name: str) -> dict[str, Any]:
    """What a class's `card = ModelCard(...)` says as literals, read without running its module.

    Empty where its capabilities are not among them: it is not to be guessed what a model can do.
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


def _in_family(point: Any, name: str) -> Listed | None:
    family = point.load()
    found = family.find(name)
    return None if found is None else Listed(point.module, partial(family.load, name), family.about(found))


def model_name(spec: str) -> str:
    """A short name for files and tables: that of the entry point, else of the class."""
    return spec.rpartition(":")[2] if ":" in spec else spec


def load_model_class(spec: str) -> type:
    """The class of a model.

    Raises:
        UserError: no such model, file, module or class.
    """
    if ":" not in spec:
        return _checked(find_model(spec).load(), spec)
    place, _, name = spec.rpartition(":")
    module = load_plugin(spec)
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


def plugin_spec(spec: str) -> str | None:
    """The plug-in that a model is, as `rae_bench.model.plugins` takes it; None for what ships with this package.

    Raises:
        UserError: no model of that name.
    """
    named = spec if ":" in spec else f"{find_model(spec).module}:{spec}"
    ours = not is_path(named) and named.partition(":")[0].partition(".")[0] == "rae_bench"
    return None if ours else named


def model_versions(spec: str) -> dict[str, int]:
    """Versions of the parts of a reference entry, by name: `{"fe": 1, "omg-moe": 1, "pair": 1}`, `{"hold": 1}`.

    Empty for a plug-in: its code has no version that a test would pin.

    Raises:
        UserError: there is no such model.
    """
    if plugin_spec(spec) is not None:
        return {}
    if ":" in spec:
        about: Mapping[str, Any] = _card_literals(*spec.rsplit(":", 1))
    else:
        about = find_model(spec).about
    if "versions" in about:
        return dict(about["versions"])
    version = str(about.get("version", ""))
    if not version.isdecimal():
        raise UserError(f"model '{spec}': its card needs a whole number as its version, such as version=\"1\"")
    return {model_name(spec): int(version)}


@dataclass(frozen=True)
class ModelRef:
    """A model that was named, resolved once: what it is called, what it can do, what it depends on, and how to make it.

    Attributes:
        spec: its one name: that of an entry, `package.module:Class`, or the absolute path of a plug-in and its class.
        name: a short name for files and tables: that of the entry, else of the class.
        identity: {part: version} of a reference entry; of a plug-in, the hash of its code.
    """

    spec: str
    name: str
    identity: Mapping[str, int] | str

    @property
    def is_plugin(self) -> bool:
        """Whether it is named by its class, and is no installed entry."""
        return ":" in self.spec

    @property
    def portable(self) -> str:
        """What results call it: a plug-in's last folder, file and class, which are the same on another machine."""
        return portable_spec(self.spec)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What its card claims besides `cold`; the model is imported where that cannot be read otherwise."""
        return known_capabilities(self.spec)

    def resolved(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All its options, those that were given and the defaults of the rest."""
        return dict(options)

    def load(self) -> type:
        """Its class. Raises `UserError` where it cannot be imported or is no model."""
        return load_model_class(self.spec)

    def make(self, options: Mapping[str, Any]) -> Any:
        """A fresh instance. Raises `UserError` where the model does not take an option."""
        return make_model(self.spec, options)


def resolve_model(spec: str) -> ModelRef:
    """A model by name. Raises `UserError` where there is no such entry, module or file; runs no code of the model."""
    plugin = plugin_spec(spec)
    identity = model_versions(spec) if plugin is None else plugin_identity(plugin)
    return ModelRef(resolved_spec(spec), model_name(spec), identity)
