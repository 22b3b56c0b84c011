"""Metrics that are measured only when asked for, from the motion that cells kept: `--metrics thesis`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from rae_bench.harness.plan import PlannedCell
from rae_bench.harness.run import Outcome
from rae_bench.metrics.conv_critic import THESIS_ERROR, thesis_errors
from rae_bench.metrics.evaluation import samples
from rae_bench.motion.motion import Motion
from rae_bench.results.files import write_json
from rae_bench.results.rows import as_metrics
from rae_bench.results.trajectories import load_trajectory
from rae_bench.task.cells import TRUTH
from rae_bench.task.others import outside

ON_REQUEST = ("thesis",)
"""What `--metrics` takes."""


def add_thesis_errors(outcomes: Sequence[Outcome], progress: Callable[[str], None] = lambda text: None) -> int:
    """Write the thesis' adversarial error into the results of runs; see `rae_bench.metrics.conv_critic`.

    The critics of a task and seed are trained against what all cells of these runs generated, so values compare within
    one call. Where every cell of a seed has its value, nothing is done.

    Returns:
        how many results were written.
    """
    groups: dict[tuple[str, int], list[tuple[PlannedCell, dict[str, Any]]]] = defaultdict(list)
    targets = {}
    for outcome in outcomes:
        if outcome.task.protocol.published:
            continue  # nothing is rolled out
        targets[outcome.task.name] = outcome.target
        for planned, result in outcome.found():
            known = {p.path for p, _ in groups[outcome.task.name, result["seed"]]}
            if result["status"] == "ok" and planned.path not in known:
                groups[outcome.task.name, result["seed"]].append((planned, result))
    written = 0
    for (task, seed), cells in groups.items():
        made = [(p, r) for p, r in cells if p.cell.model != TRUTH]
        if not made or all(THESIS_ERROR in r["metrics"] for _, r in cells):
            continue
        progress(f"{task}: the thesis' critics of seed {seed}, on {len(made)} cells")
        target = targets[task]
        exam = target.held_out_clips(target.split(seed).test)
        real = target.motion[outside(target, seed)]
        motions: list[Motion] = []
        for planned, _ in made:
            motions.append(samples(load_trajectory(planned.path.with_suffix(".npz")), exam.truth)[0])
        errors = thesis_errors(real, motions, [exam.truth], groups=exam.groups, seed=seed)
        truth = [(p, r) for p, r in cells if p.cell.model == TRUTH]
        for (planned, result), error in zip([*made, *truth], errors, strict=False):
            write_json(planned.path, result | {"metrics": result["metrics"] | as_metrics({THESIS_ERROR: error})})
            written += 1
    return written
