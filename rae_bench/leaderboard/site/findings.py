"""A few sentences for each table: who leads, whether the source helped, and whether controls do better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rae_bench.leaderboard.board import formatting
from rae_bench.leaderboard.board.score_gains import MOTION
from rae_bench.model.regimes import COLD, COLD_LONG
from rae_bench.results.columns import COLUMNS
from rae_bench.task.cells import TRUTH


def found(part: Mapping[str, Any]) -> str:
    """Say in sentences what a table of the board found; "" where no entry is complete."""
    rows = [row for row in part["rows"] if row["score"]]
    if not rows:
        return ""
    return " ".join(sentence for sentence in (_leader(rows), _transfer(rows), _controls(part, rows)) if sentence)


def _leader(rows: Sequence[Mapping[str, Any]]) -> str:
    first, others = rows[0], rows[1:]
    score = formatting.with_ends(first["score"], COLUMNS["score"].digits)
    if not others:
        return f"{first['entry']} is the only entry; its score is {score}."
    tied = [row["entry"] for row in others if set(row["ties"]) & set(first["ties"])]
    if not tied:
        return f"{first['entry']} has the best score, {score}, and no other entry is tied with it."
    return f"{first['entry']} has the best score, {score}, but is tied with {_list(tied)}."


def _transfer(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say how many entries the source helped, against a cold start and against one with as many updates (cold-long)."""
    learnt = [row for row in rows if row["regime"] != COLD]

    def known(name: str) -> list[Mapping[str, Any]]:
        return [row["score_gain"][name] for row in learnt if row["score_gain"][name]]

    what = {
        COLD: "Compared with cold, the source",
        COLD_LONG: "Compared with cold-long, which has as many updates without a source, the source",
        MOTION: "Compared with cold-long, the source's motion, retargeted to the target's rig,",
    }
    return " ".join(_helped(known(name), words) for name, words in what.items() if known(name))


def _helped(gains: Sequence[Mapping[str, Any]], what: str) -> str:
    helped = sum(gain["low"] is not None and gain["low"] > 0 for gain in gains)
    hurt = sum(gain["high"] is not None and gain["high"] < 0 for gain in gains)
    middle = formatting.number(median(gain["value"] for gain in gains), COLUMNS["score"].digits)
    if len(gains) == 1:
        if not helped and not hurt:
            return f"{what} made no difference beyond chance to the one entry that has both (better by {middle})."
        verdict = f"made the score of the one entry that has both {'better' if helped else 'worse'}"
        return f"{what} {verdict} beyond chance, by {middle.removeprefix('-')}."
    verdict = f"made the scores of {helped or 'none'} of {len(gains)} entries better beyond chance"
    return f"{what} {verdict} and those of {hurt or 'none'} worse; the median is better by {middle}."


def _controls(part: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    controls = [row for row in part["controls"] if row["control"] != TRUTH and row["score"] is not None]
    if not controls:
        return ""
    ahead = [c["control"] for c in controls if c["score"] < rows[0]["score"]["value"]]
    if ahead:
        verb, learn = ("scores", "learns") if len(ahead) == 1 else ("score", "learn")
        return f"{_list(ahead)}, which {learn} nothing, {verb} better than every entry."
    best = min(controls, key=lambda row: row["score"])
    behind = sum(row["score"]["value"] > best["score"] for row in rows)
    if not behind:
        return "Every entry scores better than the controls, which learn nothing."
    return f"The control {best['control']}, which learns nothing, scores better than {behind} of {len(rows)} entries."


def _list(names: Sequence[str], most: int = 3) -> str:
    """Name up to `most`, and count the others."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
