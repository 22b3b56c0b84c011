"""How often an interval holds the true value, by simulation. `python -m rae_bench.statistics.coverage` prints it.

Each data set has four tasks with different true effects, groups of some clips, and four sources of spread: seeds,
groups, their interaction, and clips. A 95 % interval should hold the true interquartile mean over tasks in 95 of 100
data sets. The published choice must do so in at least 90 of 100 in every scenario.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rae_bench.statistics.intervals import (
    Effects,
    bootstrap,
    effect,
    half_width,
    hierarchical_interval,
    interquartile_mean,
    interval,
)

DATA_SETS = 1000
SIMULATION_DRAWS = 300
TRUE_EFFECTS = (-0.1, -0.03, 0.03, 0.1)
"""The true effects of four tasks, in logarithms; their interquartile mean is 0."""


@dataclass(frozen=True)
class Scenario:
    """Standard deviations of what varies, in logarithms of a ratio.

    Attributes:
        name: what varies, in words.
        seed, group, both, clip: the spread by seeds, by groups, by their interaction, and by clips.
        shared: whether a seed's effect is the same on every task, as when one source serves them all.
        shape: the shape of every distribution: `normal`, `skewed` (exponential) or `heavy` (Student's t, 3 degrees).
        groups: the number of groups of a task.
        clips: the least and the most clips of a group.
        tasks: the number of tasks, 1 or 4.
    """

    name: str
    seed: float
    group: float
    both: float
    clip: float
    shared: bool = True
    shape: str = "normal"
    groups: int = 10
    clips: tuple[int, int] = (1, 3)
    tasks: int = 4


EVEN = Scenario("seeds and groups alike", 0.06, 0.15, 0.1, 0.15)
MEASURED = Scenario("as measured on biped2quad", 0.03, 0.1, 0.1, 0.1, groups=5, clips=(5, 5))
"""The middle of the spread of `fe` between regimes there: seeds 0 to 0.06, groups 0 to 0.25, both 0.04 to 0.14."""
SCENARIOS = (
    MEASURED,
    EVEN,
    Scenario("seeds rule, shared by the tasks", 0.1, 0.02, 0.02, 0.1),
    Scenario("seeds rule, each task its own", 0.1, 0.02, 0.02, 0.1, shared=False),
    Scenario("groups rule", 0.0, 0.3, 0.05, 0.1),
    Scenario("small effect of seeds", 0.02, 0.2, 0.1, 0.1),
    Scenario("nothing but their interaction", 0.0, 0.0, 0.14, 0.06),
    replace(EVEN, name="skewed", shape="skewed"),
    replace(EVEN, name="heavy tails", shape="heavy"),
    replace(EVEN, name="three groups a task", groups=3),
    replace(EVEN, name="one task", tasks=1),
)


def draw_effects(scenario: Scenario, seeds: int, rng: np.random.Generator) -> list[Effects]:
    """Draw one data set."""
    noise: Mapping[str, Callable[[tuple[int, ...]], np.ndarray]] = {
        "normal": rng.standard_normal,
        "skewed": lambda shape: rng.exponential(size=shape) - 1,
        "heavy": lambda shape: rng.standard_t(3, shape) / math.sqrt(3),
    }
    of = noise[scenario.shape]
    common = of((seeds, 1))
    tasks = []
    for true in TRUE_EFFECTS if scenario.tasks == 4 else (0.0,):
        clips = rng.integers(scenario.clips[0], scenario.clips[1] + 1, scenario.groups)
        by_seed = common if scenario.shared else of((seeds, 1))
        means = true + scenario.seed * by_seed + scenario.group * of((1, scenario.groups))
        means = means + scenario.both * of((seeds, scenario.groups))
        means = means + scenario.clip * of((seeds, scenario.groups)) / np.sqrt(clips)
        tasks.append(Effects(means * clips, clips))
    return tasks


def percentile(tasks: Sequence[Effects], rng: np.random.Generator) -> tuple[float, float]:
    """Return the interval of the plain hierarchical bootstrap: quantiles of its draws."""
    low, high = np.quantile(bootstrap(tasks, rng, SIMULATION_DRAWS), [0.025, 0.975])
    return float(low), float(high)


def seeds_alone(tasks: Sequence[Effects], rng: np.random.Generator) -> tuple[float, float]:
    """Return the t-interval over seeds, as if no other motion could have been held out."""
    by_seed = interquartile_mean(np.stack([t.totals.sum(1) / t.clips.sum() for t in tasks], -1))
    mean, half = interval(by_seed.tolist())
    return mean - half, mean + half


def widest(tasks: Sequence[Effects], rng: np.random.Generator) -> tuple[float, float]:
    """Return the interval of the bootstrap's standard error, all of it with S - 1 degrees of freedom."""
    count = len(tasks[0].totals)
    error = float(bootstrap(tasks, rng, SIMULATION_DRAWS).std()) * math.sqrt(count / (count - 1))
    half = half_width(count - 1) * error
    return effect(tasks) - half, effect(tasks) + half


def published(tasks: Sequence[Effects], rng: np.random.Generator) -> tuple[float, float]:
    """Return the interval of `intervals.hierarchical_interval`."""
    found = hierarchical_interval(tasks, rng, SIMULATION_DRAWS)
    return found.low, found.high


METHODS = {
    "percentile": percentile,
    "t over seeds alone": seeds_alone,
    "bootstrap error, S - 1": widest,
    "published": published,
}


def coverage(
    scenarios: Sequence[Scenario] = SCENARIOS, seeds: Sequence[int] = (3, 5), sets: int = DATA_SETS, seed: int = 0
) -> pd.DataFrame:
    """Return the share of data sets whose interval holds the true effect, and the median width of the interval.

    Returns:
        Columns scenario, seeds, method, coverage, width.
    """
    rows = []
    for scenario in scenarios:
        for count in seeds:
            rng = np.random.default_rng([seed, count])
            ends = {name: np.empty((sets, 2)) for name in METHODS}
            for i in range(sets):
                tasks = draw_effects(scenario, count, rng)
                for name, method in METHODS.items():
                    ends[name][i] = method(tasks, rng)
            for name, found in ends.items():
                held = float(np.mean((found[:, 0] <= 0) & (found[:, 1] >= 0)))
                rows.append((scenario.name, count, name, held, float(np.median(found[:, 1] - found[:, 0]))))
    return pd.DataFrame(rows, columns=["scenario", "seeds", "method", "coverage", "width"])


def coverage_table(table: pd.DataFrame) -> str:
    """Return the table of docs/statistics.md: coverage in percent, median width in brackets."""
    lines = ["| what varies | seeds | " + " | ".join(METHODS) + " |", "|---" * (2 + len(METHODS)) + "|"]
    for (scenario, count), group in table.groupby(["scenario", "seeds"], sort=False):
        found = group.set_index("method")
        cells = [f"{100 * found.coverage[name]:.1f} ({found.width[name]:.2f})" for name in METHODS]
        lines.append(f"| {scenario} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(coverage_table(coverage(sets=int(sys.argv[1]) if len(sys.argv) > 1 else DATA_SETS)))
