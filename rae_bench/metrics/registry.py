"""All metrics in the order of the tables, found by looking into this folder.

To add one, write two files: a module here that holds a function `measure(generated, truth, objectives) -> Sums` and
`METRICS = (MetricInfo(...),)`, and its test. Nothing else names it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from rae_bench.errors import UserError, unknown
from rae_bench.metrics.base import CATEGORIES, MetricInfo

SHELL = ("base", "evaluation", "headline", "lafan1", "registry")
"""Modules of this folder that define no metric; they may import this one."""


def discover(path: Iterable[str], package: str) -> Mapping[str, MetricInfo]:
    """The `METRICS` of every module of a package: by category, primaries first, then by module and place in it."""
    found: list[MetricInfo] = []
    for module in sorted(pkgutil.iter_modules(path), key=lambda m: m.name):
        if module.name not in SHELL:
            found.extend(getattr(importlib.import_module(f"{package}.{module.name}"), "METRICS", ()))
    for info in found:
        if info.category not in CATEGORIES:
            raise unknown("category of metric " + info.name, info.category, CATEGORIES)
    ordered = sorted(found, key=lambda info: (CATEGORIES.index(info.category), not info.primary))
    table: dict[str, MetricInfo] = {}
    for info in ordered:
        if info.name in table:
            raise UserError(f"metric '{info.name}' is defined twice")
        table[info.name] = info
    return MappingProxyType(table)


def _own() -> Mapping[str, MetricInfo]:
    package = __name__.rpartition(".")[0]
    return discover(importlib.import_module(package).__path__, package)


METRICS: Mapping[str, MetricInfo] = _own()
"""Name -> what it is."""

PRIMARY: Mapping[str, str] = MappingProxyType({info.category: name for name, info in METRICS.items() if info.primary})
"""Category -> name of its primary metric."""
