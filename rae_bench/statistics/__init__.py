"""Statistics over many cells. The functions take tables and return tables, and they do not need torch.

    folds          which seeds belong to one fold, and how much training data folds share (`overlap` measures it)
    intervals      interquartile mean, effects nested in folds, the interval (`coverage` measures it)
    significance   Mann-Whitney, Wilcoxon, Holm
    tables         cells by name; no cell is there twice, and no cell is missing
    gains          gains, quality of full, area under the curve, source x target
    curves         data saved and gap closed with their intervals
    pairing        the same clips by two entries, side by side
    comparison     one entry against another
    ranks          headline scores, rank intervals, tie groups

The formulas themselves are metrics: `rae_bench.metrics.transfer` and `rae_bench.metrics.headline`.
"""
