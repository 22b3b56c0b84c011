"""Coverage of the published intervals as Markdown tables."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from rae_bench.statistics.coverage import (
    DATA_SETS,
    METHODS,
    PUBLISHED,
    SPREADS,
    Scenario,
    compare_methods,
    coverage,
    gap_bootstrap,
)
from rae_bench.statistics.coverage_entries import equal_entries, one_test_set
from rae_bench.task.cells import FOLDS


def coverage_table(found: pd.DataFrame) -> str:
    """Return coverage in percent as Markdown."""
    lines = ["| shape | groups a fold | " + " | ".join(PUBLISHED) + " |", "|---" * (2 + len(PUBLISHED)) + "|"]
    for row in found.to_dict("records"):
        cells = [f"{100 * row[name]:.1f}" for name in PUBLISHED]
        lines.append(f"| {row['shape']} | {row['groups']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def methods_table(found: pd.DataFrame) -> str:
    """Return coverage in percent, with the width in brackets, as Markdown."""
    lines = ["| shape | groups a fold | " + " | ".join(METHODS) + " |", "|---" * (2 + len(METHODS)) + "|"]
    for (shape, count), rows in found.groupby(["shape", "groups"], sort=False):
        known = rows.set_index("method")
        cells = [f"{100 * known.coverage[name]:.1f} ({known.width[name]:.2f})" for name in METHODS]
        lines.append(f"| {shape} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def entries_table(found: pd.DataFrame) -> str:
    """Return how many pairs of equal entries are called apart as Markdown."""
    lines = ["| the first varies | variance | pairs apart, of 45 | any apart, % |", "|---|---|---|---|"]
    for row in found.to_dict("records"):
        lines.append(f"| {row['varies']} | {row['method']} | {row['pairs']:.2f} | {100 * row['any']:.1f} |")
    return "\n".join(lines)


def main(sets: int) -> None:
    """Print the tables of docs/concepts/statistics.md."""
    for seeds in (FOLDS, 3):
        print(f"\nCoverage, {seeds} seeds:\n\n{coverage_table(coverage(seeds=seeds, sets=sets))}", flush=True)
    print(f"\nOne pair, five seeds:\n\n{methods_table(compare_methods(sets=sets))}", flush=True)
    print(f"\nTen equal entries, five seeds:\n\n{entries_table(equal_entries(max(2, sets // 4)))}")
    print(f"\nGap closed by bootstrap: {100 * gap_bootstrap(sets=max(2, sets // 5)):.1f} % at the least")
    old = one_test_set(Scenario(*SPREADS[0], groups=1), 10, sets, np.random.default_rng(0))
    print(f"\nVersion 1's test (one set of five groups for all seeds): {old:.1f} of 45 pairs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DATA_SETS)
