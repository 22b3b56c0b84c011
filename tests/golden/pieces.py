"""The pieces that have a version, what each rests on, and how its golden values are computed."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import NamedTuple

from golden.values import Values

import rae_bench.metrics
from rae_bench.baselines.catalogue import CODEC, CORE, PAIR_VERSION, parts
from rae_bench.harness.versions import (
    engine_versions,
    generator_versions,
    metric_versions,
    model_versions,
)
from rae_bench.metrics.catalogue import METRICS
from rae_bench.model.registry import list_models


class Piece(NamedTuple):
    """Something that makes numbers.

    Attributes:
        where: what is raised when its numbers move.
        rests_on: names of the pieces whose numbers go into its own.
        compute: its golden values.
    """

    version: int
    where: str
    rests_on: tuple[str, ...]
    compute: Callable[[], Values]


BASE = ("kinematics", "motion")
ENGINE = {
    "kinematics": ("VERSION in rae_bench/kinematics/__init__.py", ()),
    "motion": ("VERSION in rae_bench/motion/__init__.py", ("kinematics",)),
    "preparation": ("VERSION in rae_bench/data/importing/__init__.py", BASE),
    "objectives": ("OBJECTIVES_VERSION in rae_bench/objectives/__init__.py", BASE),
    "phases": ("PHASES_VERSION in rae_bench/objectives/__init__.py", (*BASE, "objectives")),
    "split": ("SPLIT_VERSION in rae_bench/task/__init__.py", (*BASE, "objectives", "phases")),
    "features": ("FEATURES_VERSION in rae_bench/model/__init__.py", (*BASE, "objectives")),
    "training": ("TRAINING_VERSION in rae_bench/model/__init__.py", ("phases", "features")),
}
GENERATORS = {
    "locomotion": ("LOCOMOTION_VERSION in rae_bench/data/generators/locomotion/__init__.py", BASE),
    "sweep": ("SWEEP_VERSION in rae_bench/data/generators/locomotion/__init__.py", ("locomotion",)),
    "reach": ("REACH_VERSION in rae_bench/data/generators/reach/__init__.py", BASE),
    "retarget": ("RETARGET_VERSION in rae_bench/data/retarget.py", (*BASE, "locomotion")),
    "actions": ("VERSION in rae_bench/data/importing/actions.py", (*BASE, "locomotion")),
}


@cache
def pieces() -> Mapping[str, Piece]:
    """All pieces by name; what one rests on stands before it."""
    engine, generators = engine_versions(), generator_versions()
    made = {
        name: Piece(version, *ENGINE[name], _later("networks" if name in ("features", "training") else "motions", name))
        for name, version in sorted(engine.items(), key=lambda item: list(ENGINE).index(item[0]))
    }
    made |= {
        name: Piece(version, *GENERATORS[name], _later("motions", "generator", name))
        for name, version in generators.items()
    }
    made["pair"] = Piece(
        PAIR_VERSION, "PAIR_VERSION in baselines/catalogue.py", ("training",), _later("networks", "pair")
    )
    for kind, first in (("codecs", CODEC), ("cores", CORE)):
        for name in sorted(parts(kind), key=lambda name: name != first):
            file = f"baselines/{kind}/{name.replace('-', '_')}.py"
            made[name] = Piece(
                parts(kind)[name].about["version"],
                f'"version" in ABOUT of {file}',
                ("pair",) if (kind, name) == ("codecs", CODEC) else ("pair", CORE if kind == "codecs" else CODEC),
                _later("networks", "part", kind, name),
            )
    for name, found in list_models().items():
        if found.plugin is None and "versions" not in found.about:
            learns, trained = found.about.get("learns", True), found.about.get("parameters") != 0
            file = found.module.removeprefix("rae_bench.").replace(".", "/") + ".py"
            made[name] = Piece(
                model_versions(name)[name],
                f"version in the card of {name} in {file}",
                ("training",) if trained else (*BASE, "objectives", *(("retarget",) if name == "patches" else ())),
                _later("networks", "entry", name) if learns else _later("motions", "control", name),
            )
    for name, version in metric_versions().items():
        where = f"version in the MetricInfo of {name} in {_metric_files()[name]}"
        made[name] = Piece(version, where, (*BASE, "objectives"), _later("metrics", "metric", name))
    return made


def _later(module: str, function: str, *given: str) -> Callable[[], Values]:
    """A function of a module beside this one. The module is imported when it is called: some import torch."""
    return lambda: getattr(import_module(f"golden.{module}"), function)(*given)  # type: ignore[no-any-return]


def _metric_files() -> Mapping[str, str]:
    """Where each metric is defined."""
    files = {}
    for module in pkgutil.iter_modules(rae_bench.metrics.__path__):
        for info in getattr(import_module(f"rae_bench.metrics.{module.name}"), "METRICS", ()):
            if info in METRICS.values() and module.name != "registry":
                files[info.name] = f"rae_bench/metrics/{module.name}.py"
    return files
