"""The thesis' study: published numbers, effects and claims on tables worked out by hand."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from rae_bench.data.corpus import Corpus, with_swapped_roles
from rae_bench.data.generators.reach.reach import generate_reach
from rae_bench.errors import UserError
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import TARGET
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import ROLES
from rae_bench.statistics.significance import mann_whitney
from rae_bench.study.claims import CLAIMS, MODELS, Claim, Comparison, claim_verdict, judge
from rae_bench.study.cost import Cost, cheaper, judge_cost, measure_costs
from rae_bench.study.effects import Effect, compare_models
from rae_bench.study.findings import find
from rae_bench.study.published import ERRORS, ratio
from rae_bench.study.report import report_lines
from rae_bench.study.thesis import CORRECTED, PAPER, SWAPPED, arms
from rae_bench.task.cells import budget_of
from rae_bench.task.named import load_task
from rae_bench.task.reading import task_from_table
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol

HALF, SAME = math.log(2), 0.0


def clips(
    errors: dict[tuple[str, str], float], tasks: tuple[str, ...] = ("thesis-r2",), seeds: int = 3, noise: float = 0.02
) -> pd.DataFrame:
    """Eight clips in four groups a cell, all of about the same error; noise differs by model, seed and clip."""
    rows = []
    for k, ((model, regime), error) in enumerate(errors.items()):
        for task in tasks:
            for seed in range(seeds):
                for n in range(8):
                    wobble = noise * math.sin(7 * n + 3 * seed + 5 * k)
                    fraction = 1.0 if regime == "full" else 0.2
                    value = error * math.exp(wobble) * (1 + 0.1 * n)
                    rows.append((model, task, regime, fraction, seed, f"c{n}", f"g{n // 2}", value))
    return pd.DataFrame(rows, columns=["model", "task", "regime", "fraction", "seed", "clip", "group", "value"])


def test_published_means_are_those_of_the_thesis() -> None:
    # Means of the table's last column, and "FE: cold error 1.98x the frozen one and 1.84x the fine-tuned one", which
    # errors rounded to four digits give to 1 %.
    means = {key: sum(errors.values()) / 4 for key, errors in ERRORS.items()}
    assert means["fe", "cold"] == pytest.approx(0.0645, abs=6e-5)
    assert means["fc-dec-cat", "frozen"] == pytest.approx(0.0769, abs=6e-5)
    assert means["fs", "finetune"] == pytest.approx(0.0380, abs=6e-5)
    assert ratio(("fe", "frozen"), ("fe", "cold")) == pytest.approx(1.98, rel=0.015)
    assert ratio(("fe", "finetune"), ("fe", "cold")) == pytest.approx(1.84, rel=0.015)
    assert ratio(("fe", "cold"), ("fe", "full"), ("r2",)) == pytest.approx(0.0270 / 0.0710)
    assert ratio(("fe+omg-lstm", "full"), ("fe", "full")) == pytest.approx(0.319)
    assert ratio(("fs", "cold"), ("fs", "full")) is None


def test_effect_of_paired_clips() -> None:
    table = clips({("fe", "frozen"): 2.0, ("fe", "cold"): 4.0, ("fe", "full"): 1.0})
    for names in ("clip", "group"):  # each seed was tested on a fold of its own
        table[names] = table["seed"].astype(str) + table[names]
    found = compare_models(table, ("fe", "frozen"), ("fe", "cold"))
    assert found is not None
    assert found.times == pytest.approx(2, rel=0.03)
    assert found.low < 2 < found.high
    assert found.p < 0.01
    assert (found.rigs, found.seeds) == (1, 3)
    beside_full = compare_models(table, ("fe", "frozen"), ("fe", "full"))
    assert beside_full is not None
    assert beside_full.times == pytest.approx(0.5, rel=0.03)
    assert compare_models(table, ("fe", "frozen"), ("fs", "cold")) is None


def test_effect_takes_the_seeds_and_tasks_that_both_sides_have() -> None:
    a = clips({("fe", "full"): 1.0}, ("thesis-r2", "thesis-r4"), seeds=3)
    b = clips({("fs", "full"): 1.5}, ("thesis-r2",), seeds=2)
    found = compare_models(pd.concat([a, b]), ("fe", "full"), ("fs", "full"))
    assert found is not None
    assert (found.rigs, found.seeds) == (1, 2)
    one = compare_models(pd.concat([a, b[b["seed"] == 0]]), ("fe", "full"), ("fs", "full"))
    assert one is not None
    assert math.isnan(one.p)


def test_published_statistics_are_ratios_of_means_and_the_largest_p() -> None:
    # r2: 4 against 2, r4: 6 against 2, without noise: mean of the ratios 2 and 3. Clips need not be the same.
    near = clips({("fe", "cold"): 4.0, ("fe", "frozen"): 2.0}, ("r2-paper",), noise=0)
    far = clips({("fe", "cold"): 6.0, ("fe", "frozen"): 2.0}, ("r4-paper",), noise=0)
    table = pd.concat([near, far[(far["regime"] == "cold") | (far["clip"] != "c7")]])
    found = compare_models(table, ("fe", "frozen"), ("fe", "cold"), published=True)
    assert found is not None
    short = [2 * (1 + 0.1 * n) for n in range(7)]
    second = sum(6 * (1 + 0.1 * n) for n in range(8)) / 8 / (sum(short) / 7)
    assert found.times == pytest.approx((2 + second) / 2)
    assert found.low == pytest.approx(found.high)
    p = mann_whitney([2 * (1 + 0.1 * n) for n in range(8)], [4 * (1 + 0.1 * n) for n in range(8)])
    assert found.p == pytest.approx(max(p, mann_whitney(short, [6 * (1 + 0.1 * n) for n in range(8)])))


def test_rigs_that_disagree_decide_nothing_in_published_statistics() -> None:
    better = clips({("fe", "cold"): 9.0, ("fe", "frozen"): 2.0}, ("a",), noise=0)
    worse = clips({("fe", "cold"): 2.0, ("fe", "frozen"): 9.0}, ("b",), noise=0)
    found = compare_models(pd.concat([better, worse]), ("fe", "frozen"), ("fe", "cold"), published=True)
    assert found is not None
    assert found.p == 1


def some(times: float, low: float, high: float, p: float) -> Effect:
    return Effect(times, low, high, p, 2, 3)


@pytest.mark.parametrize(
    ("effects", "words", "verdict"),
    [
        ([some(2, 1.5, 2.6, 0.001), some(1.3, 1.1, 1.5, 0.02)], ["holds", "holds"], "confirmed"),
        # 0.04 is below 0.05, but not as one of two: Holm doubles the smaller.
        ([some(2, 1.1, 3, 0.04), some(1.3, 0.9, 1.5, 0.2)], ["undecided", "undecided"], "undecided"),
        ([some(2, 1.5, 2.6, 0.001), some(0.8, 0.7, 0.9, 0.02)], ["holds", "fails"], "overturned"),
        ([some(2, 1.5, 2.6, 0.001), None], ["holds", "not run"], "undecided"),
        ([None, None], ["not run", "not run"], "not run"),
    ],
)
def test_verdicts(effects: list[Effect | None], words: list[str], verdict: str) -> None:
    parts = (Comparison(("fe", "frozen"), ("fe", "cold")), Comparison(("fs", "frozen"), ("fs", "cold")))
    known = dict(zip(parts, effects, strict=True))
    found = judge(Claim(1, "", parts), lambda a, b: known[Comparison(a, b)], adjusted=True)
    assert [f.verdict for f in found.findings] == words
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (some(1.02, 0.9, 1.1, 0.6), "holds"),
        (some(1.1, 1.05, 1.2, 0.001), "holds"),  # it differs, not clearly
        (some(1.1, 0.7, 1.6, 0.6), "undecided"),
        (some(1.6, 1.3, 1.9, 0.001), "fails"),
        (some(0.6, 0.5, 0.7, 0.001), "fails"),
    ],
)
def test_alike(found: Effect, word: str) -> None:
    claim = Claim(2, "", (Comparison(("fe", "frozen"), ("fs", "frozen"), alike=True),))
    assert judge(claim, lambda a, b: found, adjusted=True).findings[0].verdict == word


def test_one_counterexample_overturns_what_is_said_of_all() -> None:
    assert claim_verdict(["holds", "undecided", "fails", "not run"]) == "overturned"


def test_claims_speak_of_what_is_run() -> None:
    sides = {side for claim in CLAIMS for part in claim.parts for side in (part.a, part.b)}
    assert {model for model, _ in sides} <= set(MODELS)
    first = {part.a for part in CLAIMS[0].parts}
    assert ("fc-dec-cat", "frozen") not in first
    assert len(first) == 15  # eight encodings in two regimes, less that one


def test_costs_by_turns() -> None:
    costs = [
        Cost("fe", [10.0, 11.0, 10.5], [1.0, 1.1, 1.0], 100),
        Cost("fs", [5.0, 5.4, 5.2], [1.0, 1.05, 1.1], 80),
        Cost("fc-rbf-cat", [20.0, 22.5, 21.0], [2.0, 2.1, 2.1], 120),
        Cost("fe+omg-lstm", [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 1),
    ]
    assert cheaper(costs, "fe", "fc-rbf-cat", "ms_update").times == pytest.approx((20 / 10 * 22.5 / 11 * 2) ** (1 / 3))
    found = judge_cost(CLAIMS[2], costs)
    words = {f.words: f.verdict for f in found.findings}
    assert words["ms an update: fe less than fs"] == "fails"
    assert words["ms a frame: fe less than fs"] == "undecided"
    assert words["ms a frame: fe less than fc-rbf-cat"] == "holds"
    assert words["parameters: fe less than fs"] == "fails"
    assert found.verdict == "overturned"
    assert not any("lstm" in word for word in words)  # the claim is about encodings


def test_report_has_every_claim_and_a_row_for_each_regime() -> None:
    corrected = clips(
        {("fe", "full"): 1.0, ("fe", "cold"): 2.0, ("fe", "frozen"): 1.6, ("fe", "finetune"): 1.2}, ("thesis-r2",)
    )
    swapped = clips({("fe", "frozen"): 2.0, ("fe", "finetune"): 1.5}, ("thesis-r2-swapped",))
    study = find({CORRECTED: corrected, SWAPPED: swapped}, ["fe"], [], ["r2"], [0, 3, 4], {CORRECTED: (4, 4)})
    assert [v.number for v in study.verdicts[CORRECTED]] == [1, 2, 3, 4, 5]
    by_regime = {row.regime: row for row in study.rows}
    measured = by_regime["finetune"].to_cold[CORRECTED]
    assert isinstance(measured, Effect)
    assert measured.times == pytest.approx(2 / 1.2, rel=0.03)
    assert by_regime["finetune"].to_cold["published"] == pytest.approx(0.0710 / 0.0526)
    words = {f.words: f.effect for f in study.sources}
    true = words["finetune, true against swapped source"]
    assert true is not None
    assert true.times == pytest.approx(1.5 / 1.2, rel=0.03)
    text = "\n".join(report_lines(study))
    assert "seeds: 0, 3-4; corrected 4 of 4 cells" in text
    assert text.count("**undecided**") + text.count("**not run**") == 5


def test_arms_never_share_a_cell() -> None:
    found = arms(["r2", "r4"])
    tasks = [task for arm in found for task in arm.tasks]
    assert len({task.name for task in tasks}) == len({task.content_hash for task in tasks}) == 6
    corrected, paper, swapped = found
    assert corrected.tasks[0] == load_task("thesis-r2").at("quick")
    assert paper.options == {"mode": "paper"}
    assert not paper.controls
    assert swapped.models == ("fe",)
    assert arms(["r2"], [CORRECTED], budget="full")[0].tasks[0] == load_task("thesis-r2")


def test_mode_is_part_of_a_tasks_hash_and_the_usual_one_changes_nothing() -> None:
    task = load_task("biped2quad")
    table = {"source": dict(task.source), "target": dict(task.target)}
    protocol = {"roles": list(task.protocol.roles)}
    same = task_from_table("x", {**table, "protocol": {**protocol, "mode": "corrected"}}, "x")
    assert same.content_hash == task.content_hash
    other = task_from_table("x", {**table, "protocol": {**protocol, "mode": PAPER}}, "x")
    assert other.content_hash != task.content_hash
    with pytest.raises(UserError, match="mode"):
        task_from_table("x", {**table, "protocol": {"mode": "papr"}}, "x.toml")
    with pytest.raises(UserError, match="swap_roles = 'yes' needs to be true or false"):
        task_from_table("x", {**table, "source": {**task.source, "swap_roles": "yes"}}, "x.toml")


def test_in_the_published_protocol_less_data_means_fewer_updates() -> None:
    ours = Protocol(full_updates=500)
    theirs = replace(ours, mode=PAPER)
    assert {budget_of(r, f, ours).updates for r in ("cold", "finetune") for f in (0.05, 0.2, 1.0)} == {500}
    assert budget_of("cold", 1.0, theirs).updates == 1000
    assert budget_of("frozen", 0.2, theirs).updates == round(1000 * 0.2 * 31 / 51)
    assert budget_of("cold", 0.2, theirs).updates == budget_of("finetune", 0.2, theirs).updates


@cache
def reach() -> Corpus:
    return generate_reach(load_rig("r1"), clips=40, seconds=2.0)


def test_swapped_roles_move_targets_with_their_joint_and_nothing_else() -> None:
    corpus = reach()
    swapped = with_swapped_roles(corpus)
    before, after = corpus.motion, swapped.motion
    assert after.rig.roles["left_foot"] == before.rig.roles["left_hand"]
    assert after.rig.roles["right_hand"] == before.rig.roles["right_foot"]
    assert after.rig.roles["head"] == before.rig.roles["head"]
    assert after.rig.height == before.rig.height
    np.testing.assert_array_equal(before.positions, after.positions)
    np.testing.assert_allclose(before.root.yaw, after.root.yaw, atol=1e-6)
    assert swapped.identity != corpus.identity
    # The target of a joint is the same, in another slot.
    order = [ROLES.index(role) for role in ("pelvis", "head", "left_foot", "right_foot", "left_hand", "right_hand")]
    a, b = keyframe_objectives(before, corpus.targets), keyframe_objectives(after, swapped.targets)
    asked = a.kinds[:, :, :6] == TARGET
    assert asked.any()
    np.testing.assert_array_equal(b.kinds[:, :, order] == TARGET, asked)
    for name in ("positions", "rotations", "arrivals"):
        np.testing.assert_array_equal(getattr(a, name)[:, :, :6][asked], getattr(b, name)[:, :, order][asked])
    again = with_swapped_roles(swapped)
    assert dict(again.motion.rig.roles) == dict(before.rig.roles)


def test_the_published_test_set_is_what_was_not_trained_on() -> None:
    corpus = reach()
    ours, theirs = (Side(corpus, Protocol(fps=60, seconds=2.0, history=0.5, mode=mode)) for mode in (CORRECTED, PAPER))
    everything = set(range(40))
    for fraction in (0.2, 1.0):
        trained = set(theirs.fraction(0, fraction))
        assert trained == set(ours.fraction(0, fraction))
        assert set(theirs.held_out(0, fraction)) == everything - trained
        assert set(ours.held_out(0, fraction)) == set(ours.split(0).test)
    assert set(theirs.held_out(0, 1.0)) == set(ours.split(0).test)


def test_measured_costs_are_of_every_model_and_round() -> None:
    side = Side(reach(), Protocol(fps=60, seconds=2.0, history=0.5, frames_per_update=32, fractions=(0.2,)))
    found = measure_costs(["fe", "fs"], {}, side, rounds=2, updates=3)
    assert [cost.model for cost in found] == ["fe", "fs"]
    for cost in found:
        assert len(cost.ms_update) == len(cost.ms_frame) == 2
        assert min(*cost.ms_update, *cost.ms_frame) > 0
        assert cost.parameters > 1e5


def test_the_published_protocol_keeps_its_own_steps_and_epochs() -> None:
    """So many that it sees as many frames as it did before tasks had budgets: 800 updates of 256."""
    for budget, share in (("full", 1), ("quick", 10)):
        (arm,) = arms(["r2"], [PAPER], budget=budget)
        published = arm.tasks[0].protocol
        assert published.frames_per_update == 64
        assert published.pretrain_updates * 64 * share == 800 * 256
        assert arm.tasks[0].folder == "thesis-r2-paper" + ("-quick" if budget == "quick" else "")
