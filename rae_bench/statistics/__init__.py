"""Statistics: what the numbers of many cells say. Tables in, tables out; numpy, pandas and scipy, no torch.

    intervals      interquartile mean, hierarchical bootstrap, the interval (and `coverage`, what it is worth)
    significance   Mann-Whitney, Wilcoxon, Holm
    tables         cells by name: none twice, none missing
    transfer       gains, quality of full, area under the curve, source x target
    curves         data saved and gap closed with their intervals
    pairs          the same clips by two entries, side by side
    compare        one entry against another
    ranks          headline scores, rank intervals, tie groups

The formulas themselves are metrics: `rae_bench.metrics.transfer` and `rae_bench.metrics.headline`.
"""
