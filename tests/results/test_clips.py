"""Tables of clips: what is written is read, and what is no table is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rae_bench.errors import UserError
from rae_bench.results.clips import load_clips, means_by_action, parse_clips, read_clips, write_clips


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "cell.csv"
    write_clips(path, ["a,1", "b"], ["g", "h"], ["walk", "trot"], {"x": np.array([1.5, np.nan]), "y": np.array([2, 3])})
    assert path.read_text() == 'clip,group,action,x,y\n"a,1",g,walk,1.5,2\nb,h,trot,,3\n'
    found = read_clips(path)
    assert (found.clips, found.groups, found.actions) == (("a,1", "b"), ("g", "h"), ("walk", "trot"))
    assert list(found.values) == ["x", "y"]
    np.testing.assert_array_equal(found.values["x"], [1.5, np.nan])
    np.testing.assert_array_equal(found.values["y"], [2.0, 3.0])


def test_a_table_without_clips_or_metrics_is_one() -> None:
    assert parse_clips(b"clip,group,action,x\n").values["x"].shape == (0,)
    assert parse_clips(b"clip,group,action\na,g,walk\n").values == {}


FAULTS = {
    "nothing": (b"", "not a table of clips"),
    "no text": (b"\xff\xfe", "not a table of clips"),
    "a huge field": (b"x" * 200_000, "not a table of clips"),
    "an open quote": (b'clip,group,action\n"a,g,walk\n', "not a table of clips"),
    "other columns": (b"clip,action,x\na,walk,1\n", "its columns are not clip, group, action and metrics"),
    "a column twice": (b"clip,group,action,x,x\na,g,walk,1,2\n", "its columns are not"),
    "a short row": (b"clip,group,action,x\na,g,walk\n", "its columns are not"),
    "a word": (b"clip,group,action,x\na,g,walk,few\n", "not a number"),
    "infinity": (b"clip,group,action,x\na,g,walk,1e999\n", "holds infinite numbers"),
    "no number of CSV": (b"clip,group,action,x\na,g,walk,inf\n", "not a number"),
    "a number of Python": (b"clip,group,action,x\na,g,walk,1_0\n", "not a number"),
    "digits of another script": ("clip,group,action,x\na,g,walk,\u0663\n".encode(), "not a number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_table_is_refused(fault: str, tmp_path: Path) -> None:
    data, message = FAULTS[fault]
    with pytest.raises(UserError, match=f"^{message}"):
        parse_clips(data)
    path = tmp_path / "cell.csv"
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"cell.csv: {message}.*; delete it and run the cell again$"):
        read_clips(path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a readable table of clips"):
        read_clips(tmp_path / "none.csv")


def test_clips_of_cells(tmp_path: Path) -> None:
    """The skipped cell has no table; the metric y is none of single clips."""
    rows = []
    for seed, status in enumerate(("ok", "skipped", "ok")):
        path = tmp_path / f"cold-s{seed}.json"
        rows += [{"metric": name, "status": status, "seed": seed, "value": 0.0, "path": str(path)} for name in "xy"]
        if status == "ok":
            write_clips(path.with_suffix(".csv"), ["a", "b"], ["g", "g"], ["walk"] * 2, {"x": np.array([seed, np.nan])})
    results = pd.DataFrame(rows)
    found = load_clips(results, "x")
    assert list(zip(found["seed"], found["clip"], found["group"], strict=True)) == [
        (0, "a", "g"), (0, "b", "g"), (2, "a", "g"), (2, "b", "g"),
    ]  # fmt: skip
    np.testing.assert_array_equal(found["value"], [0, np.nan, 2, np.nan])
    assert load_clips(results, "y").empty


def test_means_by_action_are_over_clips_and_seeds(tmp_path: Path) -> None:
    files = []
    for seed, (walk, run) in enumerate(((1.0, 5.0), (2.0, 7.0))):
        path = tmp_path / f"{seed}.csv"
        write_clips(path, list("abcd"), ["g"] * 4, ["walk", "walk", "run", "sit"],
                    {"error": np.array([walk, 3, run, np.nan])})  # fmt: skip
        files.append(path)
    assert means_by_action({"cold": files}, ["error", "other"]) == {
        "run": {"cold": {"error": 6.0}},
        "walk": {"cold": {"error": 2.25}},
    }
