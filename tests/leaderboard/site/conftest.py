"""A board with a hostile entry and its pages, which the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.pages import make_board_of

from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.site.write import write_site


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return make_board_of(tmp_path_factory.mktemp("board"))


@pytest.fixture(scope="module")
def site(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "site"
    write_site(board, folder)
    return folder
