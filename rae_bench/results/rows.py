"""The rows of a table, made from cell results: regimes, controls, the truth, and what the transfer gained."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rae_bench.metrics import METRICS, category_scores, floored, floored_scores, headline_score, primaries
from rae_bench.metrics.transfer import LEAST_HEADROOM, data_saved, gain_over_cold, quality_of_full
from rae_bench.model.regimes import COLD, FULL, NO_REGIME, ROWS, row_name
from rae_bench.model.registry import CONTROLS
from rae_bench.objectives.tracks import KEYFRAMES, TRACKS
from rae_bench.results.columns import COLUMNS
from rae_bench.results.files import reported_number
from rae_bench.task.cells import NEAREST, TRUTH

ERROR = primaries()["reconstruction"]
"""The metric by which transfer is judged where the truth decides the motion; in `control` its first second is."""
ONE_STEP = "one_step_error"
"""The metric by which transfer is judged where nothing is rolled out, as in the published protocol."""
_BESIDE = (ONE_STEP, "score", "gain_over_cold", "quality_of_full", "data_saved", "core_seconds", "trained")
ROW_COLUMNS = tuple(
    COLUMNS[name]
    for name in dict.fromkeys([*(primaries(track)[kind] for kind in primaries() for track in TRACKS), *_BESIDE])
)
"""The columns that a row may have, in the order of the table."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        label: the regime or control.
        fraction: the fraction of the target's data. It is None if the row does not depend on a fraction.
        kind: `truth`, `control` or `model`.
        values: name of one of `ROW_COLUMNS` -> a value for each seed. Gain, quality of full and data saved have only
            the seeds that have cold cells. Data saved is left out if the headroom is below `LEAST_HEADROOM`.
        seeds: the seeds in the order of the values.
        capped: "above" or "below" if `data_saved` is a bound and not a measurement.
        reason: why there are no values.
        headroom: the error of `cold` at the fraction divided by the error of full data, as the geometric mean over
            seeds. It is NaN if it is unknown.
    """

    label: str
    fraction: float | None
    kind: str
    values: Mapping[str, list[float]]
    seeds: list[int] = field(default_factory=list)
    capped: str = ""
    reason: str = ""
    headroom: float = math.nan


def track_of(results: Iterable[Mapping[str, Any]]) -> str:
    """Return the track of results of one task. Results without a track belong to `keyframes`."""
    return next((str(result["track"]) for result in results if "track" in result), KEYFRAMES)


def rig_height(results: Iterable[Mapping[str, Any]]) -> float:
    """Return the height of the target's rig in metres, for the score's yardsticks; NaN if no result says it."""
    found = (reported_number(result.get("rig_height")) for result in results)
    return next((height for height in found if height is not None and height > 0), math.nan)


def metric_values(result: Mapping[str, Any]) -> dict[str, float]:
    """Return name -> value of a cell's metrics. A null becomes NaN."""
    return {k: math.nan if v["value"] is None else float(v["value"]) for k, v in result["metrics"].items()}


def as_metrics(values: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return the values of metrics as a result has them: with unit and direction."""
    return {
        name: {"value": value, "unit": METRICS[name].unit, "direction": METRICS[name].direction}
        for name, value in values.items()
    }


def rows(results: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the table rows of one model's cells on one task, and those of the controls and the truth.

    Each seed has its own test clips. So the score of a cell uses the truth of the same seed. The columns of transfer
    compare the cell with the cold cell of the same fraction and seed, and with `full` of the same seed.
    """
    fixed = [r for r in results if r["regime"] == NO_REGIME and r["model"] in (TRUTH, *CONTROLS)]
    truths = {r["seed"]: metric_values(r) for r in fixed if r["model"] == TRUTH and r["status"] == "ok"}
    finished = [r for r in results if r["status"] == "ok"]
    track, height = track_of(results), rig_height(results)
    primary = primaries(track)
    rolled_out = not finished or any(primary["reconstruction"] in r["metrics"] for r in finished)
    judged = primary["reconstruction"] if rolled_out else ONE_STEP
    measured = tuple(primary.values()) if rolled_out else (ONE_STEP,)

    def settled(columns: Mapping[str, list[float]], seeds: Sequence[int]) -> dict[str, list[float]]:
        """Floor the mean adversarial score of a row's seeds, and add the headline scores of the seeds."""
        if primary["adversarial"] not in columns:
            return dict(columns)
        likeness = columns[primary["adversarial"]]
        shown = {**columns, primary["adversarial"]: floored(likeness).tolist()}
        known = [truths.get(seed, {}) for seed in seeds]
        if math.isnan(height) or not all(name in truth for truth in known for name in measured):
            return shown | {"score": [math.nan for _ in likeness]}
        cells = [dict(zip(measured, values, strict=True)) for values in zip(*map(columns.get, measured), strict=True)]
        scaled = [category_scores(cell, truth, height, track) for cell, truth in zip(cells, known, strict=True)]
        return shown | {"score": [headline_score([one]) for one in floored_scores(scaled)]}

    cells = [r for r in results if r["regime"] != NO_REGIME]
    cold: dict[int, dict[float, float]] = defaultdict(dict)
    for r in cells:
        if r["regime"] == COLD and r["status"] == "ok":
            error = metric_values(r).get(judged, math.nan)
            if not math.isnan(error):
                cold[r["seed"]][r["fraction"]] = error

    grouped: dict[tuple[str, float], list[Mapping[str, Any]]] = defaultdict(list)
    for r in cells:
        label = row_name(r["regime"], r["fraction"])
        grouped[label, r["fraction"]].append(r)

    out = []
    lines: dict[tuple[str, float], list[Mapping[str, Any]]] = defaultdict(list)
    for r in sorted(fixed, key=lambda r: ((TRUTH, *CONTROLS).index(r["model"]), r["fraction"], r["seed"])):
        lines[r["model"], r["fraction"]].append(r)
    for (name, share), members in lines.items():
        made = {r["seed"]: metric_values(r) for r in members if r["status"] == "ok"}
        shown = {n: [values.get(n, math.nan) for values in made.values()] for n in measured} if made else {}
        why = _reasons(members)
        kind, part = "truth" if name == TRUTH else "control", share if name == NEAREST else None
        out.append(Row(name, part, kind, settled(shown, list(made)), list(made), reason=why))
    for (label, fraction), members in sorted(grouped.items(), key=lambda item: (ROWS.index(item[0][0]), item[0][1])):
        columns: dict[str, list[float]] = defaultdict(list)
        good = sorted((r for r in members if r["status"] == "ok"), key=lambda r: r["seed"])
        bounds: set[str] = set()
        for r in good:
            values, seed = metric_values(r), r["seed"]
            for name in measured:
                columns[name].append(values.get(name, math.nan))
            for name in ("core_seconds", "trained"):
                value = reported_number(r["cost"].get(name))
                columns[name].append(math.nan if value is None else value)
            curve = sorted(cold[seed].items())
            error = values.get(judged, math.nan)
            if label not in (COLD, FULL) and not math.isnan(error):
                if fraction in cold[seed]:
                    columns["gain_over_cold"].append(gain_over_cold(cold[seed][fraction], error))
                if len(curve) > 1 and fraction > 0:
                    found = data_saved([f for f, _ in curve], [e for _, e in curve], fraction, error)
                    columns["data_saved"].append(found.factor)
                    bounds.add(found.capped)
            if label != FULL and 1.0 in cold[seed]:
                columns["quality_of_full"].append(quality_of_full(cold[seed][1.0], error))
        headroom = _headroom(cold, fraction)
        if {"above", "below"} <= bounds or not headroom >= LEAST_HEADROOM:
            columns.pop("data_saved", None)  # bounds on both sides have no mean, and no headroom leaves none to save
        capped = next((bound for bound in ("above", "below") if bound in bounds), "")
        seeds, why = [r["seed"] for r in good], _reasons(members)
        out.append(Row(label, fraction, "model", settled(columns, seeds), seeds, capped, why, headroom))
    return out


def _reasons(members: Sequence[Mapping[str, Any]]) -> str:
    """Say why cells of a row have no values; which seeds these are of, where others have some."""
    missing: dict[str, list[int]] = defaultdict(list)
    for r in members:
        if r["status"] != "ok":
            missing[r["reason"]].append(r["seed"])
    whole = len(members) == sum(map(len, missing.values()))
    named = {why: "" if whole else f"seed {', '.join(map(str, sorted(seeds)))}: " for why, seeds in missing.items()}
    return "; ".join(f"{named[why]}{why}" for why in sorted(missing))


def _headroom(cold: Mapping[int, Mapping[float, float]], fraction: float) -> float:
    """Return the cold error at a fraction over that at 1, geometric mean over the seeds that have both; NaN where none.

    Args:
        cold: seed -> fraction -> error.
    """
    both = [errors for errors in cold.values() if errors.get(fraction, 0) > 0 and errors.get(1.0, 0) > 0]
    logs = [math.log(errors[fraction] / errors[1.0]) for errors in both]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan
