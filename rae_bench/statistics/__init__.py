"""Statistics: what the numbers of many cells say. They take tables and return tables, without torch.

    folds          which seeds are of one fold, and how much training data folds share (`overlap` measures it)
    intervals      interquartile mean, effects nested in folds, the interval (`coverage` measures it)
    significance   Mann-Whitney, Wilcoxon, Holm
    tables         cells by name: none twice, none missing
    gains          gains, quality of full, area under the curve, source x target
    curves         data saved and gap closed with their intervals
    pairing        the same clips by two entries, side by side
    comparison     one entry against another
    ranks          headline scores, rank intervals, tie groups

The formulas themselves are metrics: `rae_bench.metrics.transfer` and `rae_bench.metrics.headline`.
"""
