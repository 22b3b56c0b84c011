"""What `rb.run` gives back shows itself: as a line, a table, curves and a page."""

from __future__ import annotations

import io
import math
import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import Browser
from helpers.running import run_cells
from PIL import Image

import rae_bench as rb
from rae_bench.cli.result_table import result_rows
from rae_bench.harness.run import Outcome
from rae_bench.notebook.page import Page
from rae_bench.notebook.tables import html_table
from rae_bench.results.rows import rows
from rae_bench.viewer.kinds import COLOURS


@pytest.fixture(scope="module")
def results(tiny_run: Outcome) -> rb.Results:
    return rb.Results([tiny_run])


@pytest.fixture(scope="module")
def two(tiny_run: Outcome) -> rb.Results:
    """Those of two models on one task, in one folder."""
    spec = tiny_run.plan.spec
    other = run_cells("hold", spec.task, regimes="cold", fractions=0.05, out=spec.out, workers=1)
    return rb.Results([tiny_run, other])


def test_results_are_the_list_of_cells(results: rb.Results, two: rb.Results, tiny_run: Outcome) -> None:
    assert results == tiny_run.results
    assert len(two) == len(results) + 1  # controls are shared


def test_their_representation_is_one_line(results: rb.Results, two: rb.Results) -> None:
    assert repr(results) == "Results(fe on tiny, quick budget, 8 cells: 8 ok)"
    assert repr(two) == "Results(2 runs, quick budget, 9 cells: 9 ok)"
    assert repr(rb.Results([])) == "Results(0 runs, 0 cells: none)"


def test_the_table_has_the_numbers_of_the_cells(results: rb.Results) -> None:
    table = results.table()
    assert table["row"].tolist() == ["truth", "hold", "interpolate", "nearest", "cold", "frozen", "finetune", "full"]
    assert (table["model"] == "fe").all()
    assert table["fraction"].tolist()[3:] == [0.05] * 4 + [1.0]
    cells = {(r["regime"], r["fraction"]): r for r in results if r["model"] == "fe"}
    line = table.set_index("row").loc["finetune"]
    assert line["reconstruction_error"] == cells["finetune", 0.05]["metrics"]["reconstruction_error"]["value"]
    errors = [cells[key]["metrics"]["reconstruction_error"]["value"] for key in (("cold", 0.05), ("finetune", 0.05))]
    assert line["gain_over_cold"] == pytest.approx(errors[0] / errors[1])
    assert math.isnan(table.set_index("row").loc["cold", "gain_over_cold"])


def test_intervals_stand_beside_their_numbers(results: rb.Results) -> None:
    table = results.table(intervals=True)
    first = list(table).index("reconstruction_error")
    assert list(table)[first : first + 3] == [f"reconstruction_error{end}" for end in ("", "_low", "_high")]
    assert table["reconstruction_error_low"].isna().all()  # one seed


def test_the_table_of_several_runs_names_them(two: rb.Results) -> None:
    table = two.table()
    assert table["model"].drop_duplicates().tolist() == ["fe", "hold"]
    assert two.select(model="hold").table()["model"].unique().tolist() == ["hold"]
    assert two.select(task="tiny") == two
    with pytest.raises(rb.UserError, match=r"no run of model mann on task \(any\): fe on tiny, hold on tiny"):
        two.select(model="mann")


def png_size(data: bytes) -> tuple[int, int]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_the_curves_are_a_picture(results: rb.Results, two: rb.Results) -> None:
    figure = results.plot()
    assert figure is not None
    width, height = png_size(figure._repr_png_())
    assert width > 3 * height
    both = two.plot()
    assert both is not None
    assert len(both.axes) == 8
    assert rb.Results([]).plot() is None


def test_the_page_is_that_of_the_choice(results: rb.Results, two: rb.Results, tmp_path: Path) -> None:
    page = results.view(names="tr*", regimes="cold,full", path=tmp_path / "a.html")
    assert repr(page) == f"Page('{tmp_path / 'a.html'}'): open it in a browser"
    text = page.path.read_text(encoding="utf-8")
    assert '"label":"cold 5 %"' in text
    assert '"label":"frozen 5 %"' not in text
    assert results.view().path == results.folders[0] / "view.html"
    with pytest.raises(rb.UserError, match="view is of one run, and there are 2; select one: fe on tiny, hold on tiny"):
        two.view()
    with pytest.raises(rb.UserError, match="no cells of --seed 3"):
        results.view(seed=3)


def colours(picture: bytes) -> set[tuple[int, ...]]:
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).reshape(-1, 3)
    return {tuple(colour) for colour in np.unique(pixels, axis=0).tolist()}


def test_a_notebook_shows_the_page_in_a_frame(browser: Browser, results: rb.Results, tmp_path: Path) -> None:
    """It draws and complains of nothing, asks nothing of the network, and cannot reach the notebook."""
    ready = "<script>var then = 0</script>"  # what `open` waits for
    (tmp_path / "cell.html").write_text(f"<!doctype html>{ready}{results.view()._repr_html_()}", encoding="utf-8")
    browser.open(f"file://{tmp_path / 'cell.html'}", 900, 600)
    until = time.monotonic() + 20
    cold = tuple(bytes.fromhex(COLOURS["cold"][0][1:]))
    while cold not in (seen := colours(browser.picture())) and time.monotonic() < until:
        time.sleep(0.2)
    assert cold in seen  # the legend
    assert browser.complaints == []
    assert {address.split(":")[0] for address in browser.requests} <= {"file", "data", "about"}
    assert browser.run("document.querySelector('iframe').contentDocument") is None


def test_a_notebook_shows_table_and_curves(results: rb.Results, two: rb.Results) -> None:
    text = results._repr_html_()
    _, body = result_rows(rows(results))
    assert text.count("<tr>") == len(body) + 1
    assert "finetune" in text
    assert text.count("<img ") == 1
    assert two._repr_html_().count("<img ") == 2
    many = rb.Results(two.outcomes * 3)
    assert "<img " not in many._repr_html_()
    assert "<table" in many._repr_html_()


def test_texts_of_a_task_reach_the_page_as_text(tiny_run: Outcome) -> None:
    task = replace(tiny_run.task, title="<script>alert(1)</script>")
    plan = replace(tiny_run.plan, spec=replace(tiny_run.plan.spec, task=task))
    assert "<script>" not in html_table(Outcome(plan, {}))


def test_a_frame_holds_the_page_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "p.html").write_text("<p title=\"a & 'b'\">", encoding="utf-8")
    assert 'srcdoc="&lt;p title=&quot;a &amp; &#x27;b&#x27;&quot;&gt;"' in Page(tmp_path / "p.html")._repr_html_()
