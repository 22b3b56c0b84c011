"""The notebooks of the documentation: committed without output, with short lines, and run to their end."""

from __future__ import annotations

import ast
import base64
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import nbformat
import pytest
from helpers.places import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LONGEST = 120
MINUTES = 30


def cells(path: Path, kind: str) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def code(cell: Any) -> str:
    """The Python of a cell; a file that it writes is the file's."""
    return re.sub(r"\A%%writefile .*\n", "", cell.source)


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["comparison", "tutorial"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_has_no_output(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3"
    assert [(c.outputs, c.execution_count) for c in cells(path, "code")] == [([], None)] * len(cells(path, "code"))
    assert len({cell.id for cell in book.cells}) == len(book.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_lines_are_short_and_its_code_is_python(path: Path) -> None:
    lines = [line for cell in nbformat.read(path, as_version=4).cells for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > LONGEST] == []
    for cell in cells(path, "code"):
        ast.parse(code(cell))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere(path: Path) -> None:
    for cell in cells(path, "markdown"):
        for link in re.findall(r"\]\(([^)#]+)", cell.source):
            assert (path.parent / link).exists(), link


def test_the_model_is_the_one_that_is_tested() -> None:
    (tutorial,) = [path for path in NOTEBOOKS if path.stem == "tutorial"]
    shown = [code(cell) for cell in cells(tutorial, "code") if "%%writefile" in cell.source]
    assert shown == [(ROOT / "tests" / "my_model.py").read_text(encoding="utf-8").rstrip("\n")]


def pictures(outputs: list[Any]) -> list[tuple[int, int]]:
    """Width and height of every PNG."""
    data = [base64.b64decode(out.data["image/png"]) for out in outputs if "image/png" in out.get("data", {})]
    return [struct.unpack(">II", one[16:24]) for one in data]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(path: Path, tmp_path: Path) -> None:
    """As in a clone of the repository: the board lies where it does there."""
    place = tmp_path / "docs" / "notebooks"
    place.mkdir(parents=True)
    shutil.copytree(ROOT / "leaderboard", tmp_path / "leaderboard")
    book = nbformat.read(path, as_version=4)
    NotebookClient(
        book, timeout=60 * MINUTES, kernel_name="python3", resources={"metadata": {"path": str(place)}}
    ).execute()
    nbformat.write(book, tmp_path / path.name)  # to be looked at
    outputs = [out for cell in book.cells for out in cell.get("outputs", [])]
    wrong = [out.text for out in outputs if out.get("name") == "stderr"]
    assert wrong == []  # warnings stand in the reader's way
    html = [out.data["text/html"] for out in outputs if "text/html" in out.get("data", {})]
    progress = [text for text in html if "cells finished" in text]
    assert progress
    assert not any("<progress" in text or "failed" in text for text in progress)
    assert any(text.startswith("<iframe srcdoc=") for text in html)
    assert any("how to read it" in text for text in html)
    assert min(pictures(outputs)) > (300, 100)
    assert len(pictures(outputs)) == sum("plt.show()" in cell.source for cell in book.cells)
