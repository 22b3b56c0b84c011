"""What the options of a model are and do, read from its source: nothing is imported but what is light."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from rae_bench.files import read_text
from rae_bench.model.config import TrainConfig
from rae_bench.model.registry import ModelRef

SECTIONS = ("Options:", "Attributes:", "Args:")
"""Headings of a docstring below which options are described."""


@dataclass(frozen=True)
class ModelOption:
    """An option of a model: its name, the type of its value, its default as Python writes it, and what it does."""

    name: str
    kind: str
    default: str
    text: str = ""


def model_options(ref: ModelRef) -> list[ModelOption]:
    """Return the options of a model, for `--set`, in the order of its source; what is not written there is empty."""
    training = described(TrainConfig.__doc__ or "")
    if ref.option_texts is not None:
        texts = {**training, **ref.option_texts}
        values = {name: value for name, value in ref.resolved({}).items() if name != "widths"}
        return [ModelOption(name, type(v).__name__, repr(v), texts.get(name, "")) for name, v in values.items()]
    found = _class_of(ref)
    if found is None:
        return []
    texts = described(ast.get_docstring(found) or "")
    init = next((node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None)
    options = []
    if init is not None:
        texts |= described(ast.get_docstring(init) or "")
        options = [_option(argument, default, texts) for argument, default in _arguments(init)]
    trains = init.args.kwarg is not None if init is not None else _is_lightning(found)
    if trains:
        defaults = _train_defaults(found)
        for field in fields(TrainConfig):
            value = defaults.get(field.name, repr(field.default))
            options.append(ModelOption(field.name, str(field.type), value, training.get(field.name, "")))
    return options


def described(doc: str) -> dict[str, str]:
    """Return {name: text} of the sections of a docstring that describe options; "a, b: text" describes both."""
    out: dict[str, str] = {}
    names: list[str] = []
    indent = -1
    for line in doc.expandtabs().splitlines():
        bare, depth = line.strip(), len(line) - len(line.lstrip())
        if bare in SECTIONS:
            names, indent = [], depth
        elif indent >= 0 and bare and depth <= indent:
            indent = -1
        elif indent >= 0 and bare:
            entry = re.fullmatch(r"([a-z_]\w*(?:, [a-z_]\w*)*): (.*)", bare)
            if entry and depth <= indent + 4:
                names = entry[1].split(", ")
                out |= dict.fromkeys(names, entry[2])
            else:
                out |= {name: f"{out[name]} {bare}" for name in names}
    return out


def _class_of(ref: ModelRef) -> ast.ClassDef | None:
    """The class of a model in its source; None where there is no such source."""
    place, _, name = ref.spec.rpartition(":") if ref.is_plugin else (ref.module, "", "")
    path = Path(place)
    if not path.exists():
        try:
            found = importlib.util.find_spec(place)
        except (ImportError, ValueError):
            return None
        path = Path(found.origin) if found is not None and found.origin else path
    if path.is_dir():
        path /= "__init__.py"
    if not path.is_file():
        return None
    classes = [node for node in ast.parse(read_text(path)).body if isinstance(node, ast.ClassDef)]
    wanted = name or ref.class_name
    return next((node for node in classes if node.name == wanted), None)


def _arguments(init: ast.FunctionDef) -> list[tuple[ast.arg, ast.expr | None]]:
    plain = init.args.args[1:]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(init.args.defaults)) + list(init.args.defaults)
    return [*zip(plain, defaults, strict=True), *zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)]


def _option(argument: ast.arg, default: ast.expr | None, texts: Mapping[str, str]) -> ModelOption:
    kind = ast.unparse(argument.annotation) if argument.annotation else ""
    said = ast.unparse(default) if default is not None else "required"
    return ModelOption(argument.arg, kind, said, texts.get(argument.arg, ""))


def _is_lightning(found: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("LightningModel") for base in found.bases)


def _train_defaults(found: ast.ClassDef) -> dict[str, str]:
    """What the class's `train_defaults = TrainConfig(...)` says, as it is written."""
    for line in found.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and target.id == "train_defaults" and isinstance(value, ast.Call):
            return {key.arg: ast.unparse(key.value) for key in value.keywords if key.arg}
    return {}
