"""All metrics in the order of the tables, collected from the modules of this folder.

To add a metric, write two files: a module in this folder with a function `measure(generated, truth, objectives) ->
Sums` and `METRICS = (MetricInfo(...),)`, and its test. Add its line to docs/reference/metrics.md, and write its golden
values with `python tests/golden/update.py NAME`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from rae_bench.errors import UserError, unknown
from rae_bench.metrics.base import CATEGORIES, MetricInfo
from rae_bench.objectives.tracks import KEYFRAMES, TRACKS

NOT_METRICS = ("base", "catalogue", "evaluation", "headline", "lafan1")
"""Modules of this folder that define no metric. They may import this one."""


def discover(path: Iterable[str], package: str) -> Mapping[str, MetricInfo]:
    """Collect the `METRICS` of every module of a package.

    They are ordered by category, then primary metrics first (of most tracks), then by module and place in the module.

    Args:
        path: the folders of the package.
        package: its name.

    Raises:
        UserError: an unknown category or track, or two metrics of one name.
    """
    found: list[MetricInfo] = []
    for module in sorted(pkgutil.iter_modules(path), key=lambda m: m.name):
        if module.name not in NOT_METRICS:
            found.extend(getattr(importlib.import_module(f"{package}.{module.name}"), "METRICS", ()))
    for info in found:
        if info.category not in CATEGORIES:
            raise unknown("category of metric " + info.name, info.category, CATEGORIES)
        for track in info.primary:
            if track not in TRACKS:
                raise unknown("track of metric " + info.name, track, TRACKS)
    ordered = sorted(found, key=lambda info: (CATEGORIES.index(info.category), -len(info.primary)))
    table: dict[str, MetricInfo] = {}
    for info in ordered:
        if info.name in table:
            raise UserError(f"metric '{info.name}' is defined twice")
        table[info.name] = info
    return MappingProxyType(table)


_PACKAGE = __name__.rpartition(".")[0]
METRICS: Mapping[str, MetricInfo] = discover(importlib.import_module(_PACKAGE).__path__, _PACKAGE)
"""Name -> metric."""

_PRIMARIES: Mapping[str, Mapping[str, str]] = {
    track: MappingProxyType({info.category: name for name, info in METRICS.items() if track in info.primary})
    for track in TRACKS
}


def primaries(track: str = KEYFRAMES) -> Mapping[str, str]:
    """Return category -> name of the metric that stands for it in a track, for the categories that have one.

    Raises:
        UserError: an unknown track.
    """
    if track not in _PRIMARIES:
        raise unknown("track", track, TRACKS)
    return _PRIMARIES[track]
