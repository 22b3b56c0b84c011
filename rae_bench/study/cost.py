"""What the entries cost: training and roll-out side by side in one run, in turns, so that noise meets all alike."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rae_bench.model.api import Budget, Context, Prompt
from rae_bench.model.regimes import COLD
from rae_bench.model.registry import make_model
from rae_bench.statistics.intervals import ratio_interval
from rae_bench.study.claims import Claim, Judgement, Verdict, claim_verdict
from rae_bench.study.effects import Effect
from rae_bench.task.sides import Side

ROUNDS, UPDATES, FRAMES = 5, 41, 30
REFERENCE = "fe"
COST_MEASURES = {"ms_update": "ms an update", "ms_frame": "ms a frame", "parameters": "parameters"}


@dataclass(frozen=True)
class Cost:
    """One model's cost.

    Attributes:
        model: its name.
        ms_update: core-milliseconds of an update, a value for each round.
        ms_frame: core-milliseconds of a frame of one character, a value for each round.
        parameters: the number of parameters.
    """

    model: str
    ms_update: list[float]
    ms_frame: list[float]
    parameters: int


def measure_costs(
    models: Sequence[str], options: Mapping[str, Any], target: Side, *, rounds: int = ROUNDS, updates: int = UPDATES
) -> list[Cost]:
    """Train every model for a few updates and have it make a second of one clip, round by round.

    Args:
        models: names.
        options: the options of every model.
        target: the side whose training segments are learnt from and whose test clip is generated.
        rounds: the number of rounds.
        updates: the number of updates in a round. The first is not counted.
    """
    protocol = target.protocol
    domain = target.domain(target.fraction(0, min(protocol.fractions)))
    one = target.held_out_clips(target.split(0).test).prompt[np.array([0])]
    frames = one.history.root_positions.shape[1] + FRAMES
    path = None if one.path is None else one.path.cut(0, frames)
    one = replace(one, frames=np.array([FRAMES]), objectives=one.objectives.cut(0, frames), path=path)
    costs = {model: Cost(model, [], [], 0) for model in models}
    for turn in range(rounds):
        for k in range(len(models)):
            model = models[(k + turn) % len(models)]
            budget = Budget(updates, updates * protocol.frames_per_update)
            cost = costs[model]
            update, frame, parameters = _once(make_model(model, options), domain, one, budget, turn)
            cost.ms_update.append(update)
            cost.ms_frame.append(frame)
            costs[model] = replace(cost, parameters=parameters)
    return list(costs.values())


def _once(instance: Any, domain: Any, one: Prompt, budget: Budget, seed: int) -> tuple[float, float, int]:
    stamps: list[tuple[int, float]] = []
    ctx = Context(COLD, 1.0, budget, seed, progress=lambda u, n, loss: stamps.append((u, time.process_time())))
    instance.adapt(domain, ctx)
    (first, began), (last, ended) = stamps[0], stamps[-1]
    took = []
    for _ in range(3):
        start = time.process_time()
        instance.generate(one, Context.to_generate(COLD, seed))
        took.append(time.process_time() - start)
    return 1000 * (ended - began) / (last - first), 1000 * min(took) / FRAMES, int(ctx.declared["parameters"])


def cheaper(costs: Sequence[Cost], a: str, b: str, what: str) -> Effect:
    """Return how many times less A costs than B: the geometric mean over rounds with its 95 % interval.

    The number of parameters is exact.
    """
    by_name = {cost.model: cost for cost in costs}
    one, other = (getattr(by_name[name], what) for name in (a, b))
    if what == "parameters":
        return Effect(other / one, other / one, other / one, 0.0, 1, 1)
    times, low, high = ratio_interval([y / x for x, y in zip(one, other, strict=True)])
    return Effect(times, low, high, 0.0 if low > 1 or high < 1 else 1.0, 1, len(one))


def judge_cost(claim: Claim, costs: Sequence[Cost]) -> Verdict:
    """Judge the third claim: the reference against every other codec on the same core, in each measure."""
    found = []
    others = [cost.model for cost in costs if cost.model != REFERENCE and "+" not in cost.model]
    for what, words in COST_MEASURES.items():
        for model in others:
            e = cheaper(costs, REFERENCE, model, what)
            word = "holds" if e.low > 1 else "fails" if e.high < 1 else "undecided"
            found.append(Judgement(f"{words}: {REFERENCE} less than {model}", e, e.p, word, None))
    return Verdict(claim.number, claim.text, claim_verdict([f.verdict for f in found]), tuple(found))
