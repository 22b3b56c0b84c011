"""The film: seen from where it should be, in real time, whole or not at all."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.harness.run import Outcome
from rae_bench.viewer import Scene, run_scene
from rae_bench.viewer import film as films
from rae_bench.viewer.encoding import find_encoder, write_gif, write_mp4
from rae_bench.viewer.film import HEIGHT, WIDTH, Camera, frames
from rae_bench.viewer.page import Clip

SECONDS, HISTORY = 0.6, 10


@pytest.fixture(scope="module")
def scene(tiny_run: Outcome) -> Scene:
    """One clip: a third of a second of history, then what was made."""
    whole = run_scene(tiny_run)
    clip, length = whole.clips[0], round(SECONDS * whole.fps) + 1
    first = clip.start - HISTORY
    short = Clip(
        "a $clip$",
        HISTORY,
        clip.truth[first : first + length],
        [made[: length - HISTORY] for made in clip.made],
        clip.objectives.cut(first, first + length),
        clip.contacts[first : first + length],
    )
    return replace(whole, clips=[short])


def near(picture: np.ndarray, colour: str) -> int:
    """Pixels of about that colour."""
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return int((np.abs(picture.astype(int) - wanted).sum(-1) < 40).sum())


def test_the_camera_by_hand() -> None:
    camera = Camera(np.eye(3), far=4, pixels=100)
    middle = np.array([5.0, 6, 7])
    seen = camera(middle + np.array([[1, 2, 0], [1, 0, 2], [1, 0, -4], [0, 0, 3.9]]), middle)
    np.testing.assert_allclose(seen, [[100, 200], [200, 0], [50, 0], [np.nan, np.nan]], atol=1e-9)


def test_the_eye_stands_where_all_is_seen() -> None:
    # tan 18 degrees is 0.325: a point a metre aside is at the edge from 3.08 m, with a margin of 12 % from 3.45 m.
    assert films._far(np.array([[1.0, 0, 0]]), 100, 100) == pytest.approx(3.447, abs=1e-3)
    assert films._far(np.array([[1.0, 0, 0]]), 200, 100) == pytest.approx(1.723, abs=1e-3)
    assert films._far(np.array([[1.0, 0, 2]]), 100, 100) == pytest.approx(5.447, abs=1e-3)


def test_the_camera_goes_along_and_stays() -> None:
    steps = np.linspace(0, 3, 91)[:, None]  # 1 m/s at 30 frames a second
    sway = 0.1 * np.sin(np.arange(91))[:, None]
    body = np.array([[0, 0, 0], [0, 1, 0]])
    walking = np.stack([sway, 0 * steps, steps], -1) + body
    middle = films._middles(walking, 0, 1.0, 30)
    np.testing.assert_allclose(np.diff(middle[10:-10, 2]), 1 / 30, atol=1e-6)
    assert np.abs(middle[:, 0]).max() < 0.05
    assert (middle[:, 1] == 0.5).all()
    standing = films._middles(np.stack([sway, 0 * sway, 0 * sway], -1) + body, 0, 1.0, 30)
    assert np.ptp(standing, axis=0).max() < 1e-12


@pytest.mark.parametrize(("length", "cell"), [(0.0011, 0.002), (0.2, 0.2), (0.21, 0.5), (0.7, 1), (6, 10)])
def test_squares_of_the_ground(length: float, cell: float) -> None:
    assert films._nice(length) == pytest.approx(cell)


def test_a_gif_in_real_time(scene: Scene, tmp_path: Path) -> None:
    path = write_gif(scene, tmp_path / "film.gif")
    assert [p.name for p in tmp_path.iterdir()] == ["film.gif"]
    with Image.open(path) as gif:
        assert gif.size == (WIDTH, HEIGHT)
        seconds, pictures = 0.0, []
        for n in range(gif.n_frames):
            gif.seek(n)
            seconds += gif.info["duration"] / 1000
            pictures.append(np.asarray(gif.convert("RGB")))
    assert seconds == pytest.approx(SECONDS + films.PAUSE, abs=0.17)
    assert len(pictures) >= SECONDS * films.GIF_FPS
    assert all((a != b).any() for a, b in pairwise(pictures))
    seen = [c.label for c in scene.actors[1:] if c.shown and near(pictures[-1], c.colours[1]) > 100]
    assert seen == ["cold 5 %", "frozen 5 %", "finetune 5 %", "full"]


def test_hidden_figures_have_no_panel(scene: Scene) -> None:
    """The truth stands behind the others; alone it has a panel of its own."""
    assert len(films._Stage(scene, scene.clips[0]).panels) == 4
    alone = [replace(c, shown=c.label == "truth") for c in scene.actors]
    assert len(films._Stage(replace(scene, actors=alone), scene.clips[0]).panels) == 1


def test_the_figures_are_those_of_the_scene(scene: Scene) -> None:
    """In the history a roll-out hides the truth behind it; later the truth is seen."""
    clip = scene.clips[0]
    away = [made + np.array([0, 0.5, 0]) for made in clip.made]
    apart = replace(scene, clips=[replace(clip, made=away)])
    start, *_, end = frames(apart, 2)
    assert near(start, "#5b9bff") > 200
    # The truth is drawn at 60 % of white over the paper.
    grey = "#a1a2a4"
    assert near(end, grey) > near(start, grey) + 200


ENCODER = """#!{python}
import sys
open({words!r}, "w").write(" ".join(sys.argv[1:]))
film = sys.stdin.buffer.read()
open(sys.argv[-1], "wb").write(len(film).to_bytes(8, "big"))
"""


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_encoder_is_given_every_frame(scene: Scene, tmp_path: Path) -> None:
    words = tmp_path / "words"
    encoder = program(tmp_path / "ffmpeg", ENCODER.format(python=sys.executable, words=str(words)))
    path = write_mp4(scene, tmp_path / "out" / "film.mp4", encoder)
    count = round(SECONDS * 30) + 1 + round(films.PAUSE * 30)
    assert int.from_bytes(path.read_bytes(), "big") == count * WIDTH * HEIGHT * 3
    assert f"-s {WIDTH}x{HEIGHT} -r 30" in words.read_text()
    assert [p.name for p in path.parent.iterdir()] == ["film.mp4"]


def test_an_encoder_that_fails(scene: Scene, tmp_path: Path) -> None:
    encoder = program(tmp_path / "ffmpeg", "#!/bin/sh\necho one >&2\necho no such codec >&2\nexit 3\n")
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="no such codec"):
        write_mp4(scene, tmp_path / "out" / "film.mp4", encoder)
    assert not list((tmp_path / "out").iterdir())


def test_a_film_of_this_machines_encoder(scene: Scene, tmp_path: Path) -> None:
    try:
        encoder = find_encoder()
    except UserError:
        pytest.skip("no ffmpeg here")
    data = write_mp4(scene, tmp_path / "film.mp4", encoder).read_bytes()
    assert data[4:8] == b"ftyp"
    assert len(data) > 5_000


def test_without_an_encoder_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(SystemExit) as ended:
        main(["view", "quad", "-o", str(tmp_path / "v.html"), "--mp4", str(tmp_path / "v.mp4")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ffmpeg" in said
    assert "--gif" in said
    assert not list(tmp_path.iterdir())
