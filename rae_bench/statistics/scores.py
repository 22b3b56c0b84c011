"""The headline score as a metric of whole cells, so that two entries can be compared by it."""

from __future__ import annotations

import pandas as pd

from rae_bench.errors import UserError
from rae_bench.metrics.catalogue import primaries
from rae_bench.metrics.headline import category_scores, floored_scores, headline_score
from rae_bench.task.cells import fold_of

SCORE = "score"
"""What a comparison calls it. It is no metric of a result: it also needs the truth of the same clips."""
CELL = ["task", "track", "budget", "regime", "fraction"]


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
    best = {
        (task, budget, fold_of(seed)): dict(zip(cell["metric"], cell["value"].astype(float), strict=True))
        for (task, budget, seed), cell in truth.groupby(["task", "budget", "seed"])
    }
    out = []
    for (task, track, budget, *_), row in results.groupby(CELL, sort=True):
        names = primaries(str(track)).values()
        heads, scaled = [], []
        for seed, cell in row.groupby("seed", sort=True):
            known = best.get((task, budget, fold_of(seed)))
            if known is None:
                raise UserError(f"{task}: the score of seed {seed} needs the truth of its fold; run the model again")
            values = dict(zip(cell["metric"], cell["value"].astype(float), strict=True))
            if any(name not in values for name in names):
                continue  # a model without roll-outs
            head = cell.iloc[0]
            scaled.append(category_scores(values, known, float(head["rig_height"]), str(track)))
            heads.append({**head.to_dict(), "metric": SCORE, "unit": "", "direction": "lower"})
        if scaled:
            out += [
                {**head, "value": headline_score([one])}
                for head, one in zip(heads, floored_scores(scaled), strict=True)
            ]
    return pd.DataFrame(out, columns=list(results.columns))
