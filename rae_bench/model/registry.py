"""Finding models: installed entries by name, and plug-ins (`rae_bench.model.plugins`). Listing runs no model's code.

An entry point in the group `rae_bench.models` is a class. One in `rae_bench.families` is a module of models that are
put together by name, such as `rae_bench.baselines.family`, with `OPTION_TEXTS` ({option: what it does}) and five
functions. `names()` lists the models with a name
of their own. `find(name)` gives what there is of a name, or None. `about(found)` gives a mapping with description,
paper, licence, capabilities, parameters and versions. `resolve(found, options)` gives every option with its value.
`load(name)` gives the class; it alone may import torch.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, unknown
from rae_bench.files import read_text
from rae_bench.model.config import TrainConfig, alike, train_values
from rae_bench.model.plugins.plugin import is_path, load_plugin, plugin_identity, portable_spec, resolved_spec

GROUP, FAMILIES = "rae_bench.models", "rae_bench.families"
CONTROLS = ("hold", "interpolate", "nearest")
OURS = "rae_bench"
"""The package whose models have versions that golden tests pin; the code of any other is hashed."""
NEEDED = ("card", "pretrain", "adapt", "generate", "save", "load")
Resolve = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class ModelRef:
    """A model that was named, resolved once: what it is called, what it can do, what it depends on, and how to make it.

    Attributes:
        spec: its one name: that of an entry, `package.module:Class`, or the absolute path of a plug-in and its class.
        name: a short name for files and tables: that of the entry, else of the class.
        about: description, paper, licence, capabilities, parameters, versions, as far as they are known without
            importing it: of an entry point what its class says as literals in `card = ModelCard(...)`.
        class_name: of an entry point.
        option_texts: of a family, {option: what it does} of those that `TrainConfig` does not have.
    """

    spec: str
    name: str
    about: Mapping[str, Any] = field(repr=False, compare=False)
    module: str = field(repr=False)
    _load: Callable[[], Any] = field(repr=False, compare=False)
    _resolve: Resolve | None = field(default=None, repr=False, compare=False)
    class_name: str = field(default="", repr=False, compare=False)
    option_texts: Mapping[str, str] | None = field(default=None, repr=False, compare=False)

    @property
    def is_plugin(self) -> bool:
        """Whether it is named by its class, and is no installed entry."""
        return ":" in self.spec

    @property
    def portable(self) -> str:
        """What results call it: a plug-in's last folder, file and class, which are the same on another machine."""
        return portable_spec(self.spec)

    @property
    def plugin(self) -> str | None:
        """The plug-in that it is, as `rae_bench.model.plugins` takes it; None for what ships with this package."""
        named = self.spec if self.is_plugin else f"{self.module}:{self.name}"
        ours = not is_path(named) and named.partition(":")[0].partition(".")[0] == OURS
        return None if ours else named

    @cached_property
    def identity(self) -> dict[str, int] | str:
        """What its code is: {part: version} of what ships with this package; of a plug-in, the hash of its code.

        Raises:
            UserError: no such file or module, or a file that is not Python.
        """
        if self.plugin is not None:
            return plugin_identity(self.plugin)
        if "versions" in self.about:
            return dict(self.about["versions"])
        version = str(self.about.get("version", ""))
        if not version.isdecimal():
            raise UserError(f"model '{self.spec}': its card needs a whole number as its version, as in version=\"1\"")
        return {self.name: int(version)}

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What its card says it can do besides `cold`; it is imported where that cannot be read otherwise."""
        if "capabilities" in self.about:
            return frozenset(self.about["capabilities"])
        model: Any = self.load()
        return frozenset(model.card.capabilities)

    def load(self) -> type:
        """Its class. Raises `UserError` where it cannot be imported or is no model."""
        found = self._load()
        missing = [name for name in NEEDED if not hasattr(found, name)]
        if not inspect.isclass(found) or missing:
            wanted = ", ".join(missing) or "class"
            raise UserError(f"model '{self.spec}' has no {wanted}; a model needs {', '.join(NEEDED)}")
        return found

    def make(self, options: Mapping[str, Any]) -> Any:
        """A fresh instance. Raises `UserError` where the model does not take an option."""
        cls = self.load()
        try:
            return cls(**options)
        except TypeError as error:
            raise UserError(f"model '{self.spec}': {error}; see --set") from None

    def resolved(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Every option with the value that an instance uses, JSON-ready.

        Options that are left out and options that say what the default is anyway give the same. A family says it
        without importing torch. Of any other model an instance is made: its options are the arguments of its class,
        the fields of `TrainConfig` where it has one in `config`, and what its preset stands for where it says so in
        `widths`. Defaults that JSON cannot hold are left out.

        Raises:
            UserError: what `make` raises; or a given option that JSON cannot hold.
        """
        if self._resolve is not None:
            return self._resolve(options)
        instance = self.make(options)
        values = _arguments(type(instance), options)
        config = getattr(instance, "config", None)
        if isinstance(config, TrainConfig):
            values |= train_values(config)
        if getattr(instance, "widths", None):
            values["widths"] = dict(instance.widths)
        return _json_ready(self.spec, values, options)


def resolve_model(spec: str) -> ModelRef:
    """A model by name: an entry, one that a family puts together, or a plug-in. Runs no code of the model.

    Raises:
        UserError: there is no such entry, module or file.
    """
    if ":" in spec:
        return _plugin(spec)
    for point in entry_points(group=GROUP, name=spec):
        return _entry(point)
    for point in entry_points(group=FAMILIES):
        found = _in_family(point, spec)
        if found is not None:
            return found
    raise unknown("model", spec, list_models())


def list_models() -> dict[str, ModelRef]:
    """The installed models that have a name of their own."""
    out = {point.name: _entry(point) for point in entry_points(group=GROUP)}
    for family in entry_points(group=FAMILIES):
        out |= {name: found for name in family.load().names() if (found := _in_family(family, name)) is not None}
    return dict(sorted(out.items()))


def _entry(point: EntryPoint) -> ModelRef:
    about = _card_literals(point.module, point.attr)
    return ModelRef(point.name, point.name, about, point.module, point.load, class_name=point.attr)


def _in_family(point: EntryPoint, name: str) -> ModelRef | None:
    family: Any = point.load()
    found = family.find(name)
    if found is None:
        return None
    load, resolve = partial(family.load, name), partial(family.resolve, found)
    return ModelRef(
        name, name, family.about(found), point.module, load, resolve, option_texts=dict(family.OPTION_TEXTS)
    )


def _plugin(named: str) -> ModelRef:
    spec = resolved_spec(named)
    place, _, name = spec.rpartition(":")
    ref = ModelRef(spec, name, {}, place, partial(_plugin_class, spec))
    if ref.plugin is None:  # a class of ours, named as a plug-in is
        return ModelRef(spec, name, _card_literals(place, name), place, partial(_plugin_class, spec))
    plugin_identity(named)  # says what is wrong in the user's words
    return ref


def _plugin_class(spec: str) -> Any:
    place, _, name = spec.rpartition(":")
    module = load_plugin(spec)
    if not hasattr(module, name):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise unknown(f"class in {place}", name, classes)
    return getattr(module, name)


def _card_literals(module: str, name: str) -> dict[str, Any]:
    """What a class's `card = ModelCard(...)` says as literals, read without running its module.

    The result is empty if the capabilities are not among them, because nobody is to guess what a model can do.
    """
    try:
        found = importlib.util.find_spec(module)
        tree = ast.parse(read_text(Path(found.origin))) if found and found.origin else None
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


def model_name(spec: str) -> str:
    """The short name of a model, known to exist or not: that of the entry, else of the class."""
    return spec.rpartition(":")[2]


def make_model(spec: str, options: Mapping[str, Any]) -> Any:
    """A fresh instance of a model by name. Raises `UserError` as `resolve_model` and `ModelRef.make` do."""
    return resolve_model(spec).make(options)


def config_hash(options: Mapping[str, Any]) -> str:
    """Eight hex digits that stand for a model's options as they were given."""
    return hashlib.sha256(json.dumps(dict(options), sort_keys=True).encode()).hexdigest()[:8]
