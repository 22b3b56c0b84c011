"""The thesis' study run again: its models, regimes, rigs and claims, in our protocol and in its own.

    thesis      what is run (arms), and the measured errors as tables
    published   the thesis' numbers
    effects     one regime of one model against another: in our statistics, and in the published ones
    claims      the five claims as comparisons, and what was found of each
    cost        training and roll-out side by side in one run
    report      Markdown, JSON and a figure

`docs/reports/study.md` says what the mode `paper` takes over of the published protocol, and what it leaves.
"""
