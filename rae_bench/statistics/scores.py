"""The headline score as a metric of whole cells, so that two entries can be compared by it."""

from __future__ import annotations

import pandas as pd

from rae_bench.errors import UserError
from rae_bench.metrics.catalogue import primaries
from rae_bench.metrics.headline import category_scores, floored_scores, headline_score
from rae_bench.task.cells import fold_of

SCORE = "score"
"""What a comparison calls it. It is no metric of a result: it also needs the truth of the same clips."""
ROW = ["task", "track", "budget", "regime", "fraction"]
"""Columns that the seeds of one row of a table have in common."""


def score_table(results: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the headline score of every cell, a row each, as `load_results` has a metric.

    As in the table of `run`, the truth is that of the clips that the seed was tested on, and adversarial scores are
    floored over the seeds of a row.

    Args:
        results: of one entry, as of `load_results`.
        truth: the same of the ground truth, on the tasks of `results`.

    Raises:
        UserError: the truth of a fold, its metrics or the rig's height is missing.
    """
    best = {}
    for _, cell in truth.groupby(["task", "budget", "seed"]):
        best[str(cell["task"].iloc[0]), str(cell["budget"].iloc[0]), _fold(cell)] = _values(cell)
    out = []
    for _, row in results.groupby(ROW, sort=True):
        heads, scaled = [], []
        for _, cell in row.groupby("seed", sort=True):
            head = cell.iloc[0].to_dict()
            task, track, values = str(head["task"]), str(head["track"]), _values(cell)
            known = best.get((task, str(head["budget"]), _fold(cell)))
            if known is None:
                seed = head["seed"]
                raise UserError(f"{task}: the score of seed {seed} needs the truth of its fold; run the model again")
            if all(name in values for name in primaries(track).values()):  # it has roll-outs
                scaled.append(category_scores(values, known, float(head["rig_height"]), track))
                heads.append({**head, "metric": SCORE, "unit": "", "direction": "lower"})
        scores = [headline_score([one]) for one in floored_scores(scaled)] if scaled else []
        out += [{**head, "value": score} for head, score in zip(heads, scores, strict=True)]
    return pd.DataFrame(out, columns=list(results.columns))


def _values(cell: pd.DataFrame) -> dict[str, float]:
    return dict(zip(cell["metric"], cell["value"].astype(float), strict=True))


def _fold(cell: pd.DataFrame) -> int:
    return fold_of(int(cell["seed"].iloc[0]))
