"""Metrics: pure functions over whole batches, and the table of what they are.

A metric is a module of this folder with a function and a `METRICS` tuple; `rae_bench.metrics.catalogue` finds it.
Importing this imports neither torch nor scipy; no metric needs torch at all, so results can be checked without it.
The adversarial score lives in `critic`: a module called `adversarial` would hide the function of that name.
"""

from rae_bench.metrics.base import CATEGORIES, MetricInfo, Sums
from rae_bench.metrics.catalogue import METRICS, primaries
from rae_bench.metrics.evaluation import adversarial, evaluate, evaluate_clips, measure
from rae_bench.metrics.headline import category_scores, floored, floored_scores, headline_score

__all__ = [
    "CATEGORIES",
    "METRICS",
    "MetricInfo",
    "Sums",
    "adversarial",
    "category_scores",
    "evaluate",
    "evaluate_clips",
    "floored",
    "floored_scores",
    "headline_score",
    "measure",
    "primaries",
]
