"""What transfer is worth over the distance between rigs: one source, and targets that are ever less like it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.model.regimes import COLD, COLD_LONG, FINETUNE, RETARGET
from rae_bench.task.named import load_task

if TYPE_CHECKING:
    import pandas as pd

    from rae_bench.harness.run import Outcome
    from rae_bench.harness.spec import RunSpec, Seeds
    from rae_bench.task.task import Task

FIRST, LAST = "biped2monster-control", "biped2quad-control"
"""The ranked task between whose rigs the series lies, and the one whose target is beyond them."""
SHARES = (0, 0.25, 0.5, 1)
"""How far the bones of a target are on the way from those of the source to those of the monster."""
OTHER_SEED = 1
"""Motion is drawn by the rig's content. With the seed of the source, the target at share 0 would repeat its clips."""
REGIMES, BASELINES = (FINETUNE, RETARGET), (COLD, COLD_LONG)


@dataclass(frozen=True)
class Gain:
    """What a regime gains in score over a baseline on one target.

    Attributes:
        model: the entry.
        target: the name of the rig.
        bones: root mean square of the logarithms of the ratios of bone lengths, as of
            `rae_bench.rigs.correspondence.distance`.
        joints: joints to put in or to take out.
        limbs: roles that only one of the rigs has.
        regime, baseline: what is compared.
        effect, low, high: difference in score and its 95 % interval over folds; above 0 where the regime is better.
        p: two-sided, of this comparison alone.
        seeds: how many.
    """

    model: str
    target: str
    bones: float
    joints: int
    limbs: int
    regime: str
    baseline: str
    effect: float
    low: float
    high: float
    p: float
    seeds: int


def distance_tasks() -> list[Task]:
    """Return the tasks of the series, the nearest target first, with the full budget.

    The targets are the source's own rig, three rigs on the way to the monster's bones, the monster, and the quadruped.
    The last two are ranked tasks, so their cells are those of the board.
    """
    monster, quad = load_task(FIRST), load_task(LAST)
    source, end = str(monster.source["rig"]), str(monster.target["rig"])
    between = [
        replace(
            monster, name=f"biped-distance-{share:g}-control", title=f"Biped to {source}~{end}@{share:g}",
            target={**monster.target, "rig": f"{source}~{end}@{share:g}", "seed": OTHER_SEED}, ranking=None, tracks={},
        )
        for share in SHARES
    ]  # fmt: skip
    return [*between, monster, quad]


def distance_specs(models: Sequence[str], *, seeds: Seeds, out: Path) -> list[RunSpec]:
    """Return what is run: the regimes and their baselines at each task's smallest fraction, and controls."""
    from rae_bench.harness.sweep import make_specs

    return [
        spec
        for task in distance_tasks()
        for spec in make_specs(
            models, [task], regimes=(*BASELINES, *REGIMES), fractions=(min(task.protocol.fractions),),
            budget=task.budget, seeds=seeds, out=out, controls=True,
        )
    ]  # fmt: skip


def gains(outcomes: Sequence[Outcome]) -> list[Gain]:
    """Return what each model gains on each target, as far as both sides of a comparison have been run."""
    from rae_bench.rigs.correspondence import distance
    from rae_bench.statistics.comparison import compare
    from rae_bench.statistics.pairing import whole_cells

    found = []
    for outcome in outcomes:
        task, model = outcome.task, outcome.plan.spec.model.name
        far = distance(*(side.corpus.motion.rig for side in (outcome.plan.sources[0], outcome.plan.target)))
        scores = _scores(outcome)
        fraction = min(task.protocol.fractions)
        sides = {
            regime: scores[(scores["regime"] == regime) & (scores["fraction"] == fraction)]
            for regime in (*BASELINES, *REGIMES)
        }
        for regime in REGIMES:
            for baseline in BASELINES:
                a, b = sides[regime], sides[baseline]
                if a.empty or b.empty:
                    continue
                row = compare(whole_cells(a), whole_cells(b), "lower", across_regimes=True, differences=True).iloc[0]
                found.append(
                    Gain(
                        model, str(task.target["rig"]), far.bones, far.joints, far.limbs, regime, baseline,
                        float(row["effect"]), float(row["low"]), float(row["high"]), float(row["p"]), int(row["seeds"]),
                    )
                )  # fmt: skip
    return found


def _scores(outcome: Outcome) -> pd.DataFrame:
    """The scores of a run's finished cells, a row each."""
    import pandas as pd

    from rae_bench.results.files import load_results
    from rae_bench.statistics.scores import score_table
    from rae_bench.statistics.tables import with_entry
    from rae_bench.task.cells import TRUTH

    done = {str(planned.path) for planned, result in outcome.found() if result["status"] == "ok"}
    folders = sorted({Path(path).parent for path in done})
    if not folders:
        return pd.DataFrame(columns=["regime", "fraction"])
    table = pd.concat([load_results(folder) for folder in folders], ignore_index=True)
    table = with_entry(table[table["path"].isin(done)])
    return score_table(table[table["model"] == outcome.plan.spec.model.name], table[table["model"] == TRUTH])


def facts(found: Sequence[Gain]) -> list[dict[str, Any]]:
    """Return everything as numbers, ready for JSON."""
    return [asdict(gain) for gain in found]


def read_facts(rows: Sequence[Mapping[str, Any]]) -> list[Gain]:
    """Return what `facts` wrote; an end that one seed does not have is null there. Raise `TypeError` for other rows."""
    known: list[dict[str, Any]] = [{k: math.nan if v is None else v for k, v in dict(row).items()} for row in rows]
    return [Gain(**row) for row in known]


def draw_distance(found: Sequence[Gain], path: Path) -> Path:
    """Draw the gain in score over the targets: a panel for each model and baseline, a line for each regime."""
    from rae_bench.viewer.plots import make_axes, save_figure

    models = list(dict.fromkeys(gain.model for gain in found))
    targets = {gain.target: f"{gain.target}\n{gain.bones:.2f}, {gain.joints}" for gain in found}
    figure, axes = make_axes(len(models), len(BASELINES), (10, 3.1 * len(models) + 0.9), sharex=True, sharey=True)
    places = {target: place for place, target in enumerate(targets)}
    for row, model in zip(axes, models, strict=True):
        for axis, baseline in zip(row, BASELINES, strict=True):
            axis.axhline(0, color="#777777", lw=1)
            for regime, shift, colour in zip(REGIMES, (-0.08, 0.08), ("#1f6fb4", "#b4501f"), strict=True):
                here = [g for g in found if (g.model, g.baseline, g.regime) == (model, baseline, regime)]
                x = [places[g.target] + shift for g in here]
                bars = [[g.effect - g.low for g in here], [g.high - g.effect for g in here]]
                known = all(map(math.isfinite, (*bars[0], *bars[1])))
                axis.errorbar(
                    x, [g.effect for g in here], yerr=bars if known else None, fmt="o", ms=5, capsize=3, lw=1.4,
                    color=colour, label=regime,
                )  # fmt: skip
            axis.set_title(f"{model}: over {baseline}")
            axis.grid(alpha=0.25, axis="y")
            axis.set_xticks(range(len(targets)), list(targets.values()), fontsize=7.5)
        row[0].set_ylabel("gain in score")
    for axis in axes[-1]:
        axis.set_xlabel("target rig: distance of bones, joints that differ")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return save_figure(figure, path)
