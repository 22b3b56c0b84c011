"""The path of the track `control`: where it lies, and that it does not give the stride away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from rae_bench.motion.course import course_of, smooth_takes
from rae_bench.motion.motion import Motion
from rae_bench.objectives.path import GRAIN, HORIZONS, RootPath, path_of
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, load_side

LAGS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Seconds into the past at which the regression reads path rows."""
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
"""Of the variance of an input."""
LEAST_SPEED = 0.15
"""Heights a second: who stands has no stride."""


def test_rows_lie_on_the_course_ahead() -> None:
    course = np.cumsum(np.random.default_rng(0).standard_normal((3, 80 + 30, 3)), 1).astype(np.float32)
    path = path_of(course, 30.0, 1.6)
    assert path.positions.shape == (3, 80, 3, 2)
    for h, seconds in enumerate(HORIZONS):
        step = round(30 * seconds)
        assert np.abs(path.positions[:, :, h] - course[:, step : step + 80, :2]).max() < 0.501 * GRAIN * 1.6
        assert np.abs(path.headings[:, :, h] - course[:, step : step + 80, 2]).max() < 0.501 * GRAIN
    grains = path.positions / (GRAIN * 1.6)
    np.testing.assert_allclose(grains, grains.round(), atol=1e-3)


def test_clips_and_frames_of_a_path() -> None:
    course = np.random.default_rng(1).standard_normal((4, 60 + 30, 3)).astype(np.float32)
    path = path_of(course, 30.0, 1.0)
    part = path[[2, 0]].cut(10, 40)
    np.testing.assert_array_equal(part.positions, path.positions[[2, 0], 10:40])
    np.testing.assert_array_equal(part.headings, path.headings[[2, 0], 10:40])


def stride_signal(motion: Motion) -> np.ndarray:
    """(N, T) how far the left foot is ahead of the right one along the heading, heights."""
    left, right = (motion.positions[:, :, motion.rig.roles[f"{side}_foot"]] for side in ("left", "right"))
    return motion.root.vectors_in((left - right)[:, :, None])[:, :, 0, 2] / motion.rig.height


def rows_seen(path: RootPath, height: float, fps: float) -> np.ndarray:
    """(N, T, D) path rows of the last second, seen from the nearest place and heading of the present one."""
    frames = path.headings.shape[1]
    origin, yaw = path.positions[:, :, 0], path.headings[:, :, 0]
    c, s = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    seen = []
    for lag in LAGS:
        row = np.maximum(np.arange(frames) - round(lag * fps), 0)
        x, z = np.moveaxis(path.positions[:, row] - origin[:, :, None], -1, 0)
        seen += [c * x - s * z, s * x + c * z]
        seen[-2:] = [part / height for part in seen[-2:]]
        turn = path.headings[:, row] - yaw[:, :, None]
        seen += [np.sin(turn), np.cos(turn)]
    return np.concatenate(seen, -1)


def explained(x: np.ndarray, y: np.ndarray, fold: np.ndarray, seed: int = 0) -> float:
    """Cross-validated R2 of a ridge regression on x (M, D) and 300 random features of it, at the best ridge."""
    rng = np.random.default_rng(seed)
    weights, bias = rng.standard_normal((x.shape[1], 300)) / np.sqrt(x.shape[1]), rng.standard_normal(300)
    left = np.zeros((len(RIDGES), len(y)))
    for held in np.unique(fold):
        train = fold != held
        z = np.clip((x - x[train].mean(0)) / (x[train].std(0) + 1e-6), -4, 4)
        z = np.concatenate([z, np.maximum(z @ weights + bias, 0)], 1)
        z, mean = z - z[train].mean(0), y[train].mean()
        values, axes = np.linalg.eigh(z[train].T @ z[train])
        half = axes.T @ (z[train].T @ (y[train] - mean))
        for k, ridge in enumerate(RIDGES):
            left[k, ~train] = y[~train] - mean - z[~train] @ (axes @ (half / (values + ridge * train.sum())))
    return float((1 - (left**2).mean(1) / y.var()).max())


DEGREE = 2
"""Of the polynomial that is taken from two seconds of a path before steps are looked for in it."""
FINE_RIDGES = (1e-10, 1e-8, 1e-6, 1e-4, 1e-2)


def stride_filtered_out(side: Side, rows: RootPath) -> float:
    """Cross-validated R2 of the stride by a filter of two seconds of path, as a causal model can put them together.

    What rows of the past and the present say of the path from a second before a frame to a second after it; a low
    degree polynomial is taken out, and a linear regression with next to no ridge brings back what a low-pass left.
    """
    motion, fps = side.corpus.motion, round(side.corpus.motion.fps)
    furthest = np.concatenate([rows.positions[:, :, -1], rows.headings[:, :, -1:]], -1).astype(np.float64)
    signal = stride_signal(motion)
    step = np.linalg.norm(np.diff(motion.root.origin, axis=1, prepend=motion.root.origin[:, :1]), axis=-1) * fps
    moving = motion.valid & (step > LEAST_SPEED * motion.rig.height) & (side.folds.of >= 0)[:, None]
    moving[:, : 2 * fps] = False
    clip, frame = np.nonzero(moving)
    window = furthest[clip[:, None], frame[:, None] + np.arange(-2 * fps, 1)]  # the path from -1 s to +1 s
    place, yaw = window[:, fps, :2], window[:, fps, 2]
    x, z = np.moveaxis(window[..., :2] - place[:, None], -1, 0)
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    seen = np.stack(
        [(c * x - s * z) / motion.rig.height, (s * x + c * z) / motion.rig.height, window[..., 2] - yaw[:, None]]
    )
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, 2 * fps + 1), DEGREE))
    left = seen - (seen @ basis) @ basis.T
    z = (left / (left.std((1, 2), keepdims=True) + 1e-12)).transpose(1, 0, 2).reshape(len(clip), -1)
    y, fold = signal[clip, frame], side.folds.of[clip]
    best = -np.inf
    for ridge in FINE_RIDGES:
        off = np.zeros(len(y))
        for held in np.unique(fold):
            train = fold != held
            mean, level = z[train].mean(0), y[train].mean()
            a = z[train] - mean
            weights = np.linalg.solve(a.T @ a + ridge * len(a) * np.eye(a.shape[1]), a.T @ (y[train] - level))
            off[~train] = y[~train] - level - (z[~train] - mean) @ weights
        best = max(best, 1 - (off**2).mean() / y.var())
    return float(best)


def fine_path(course: np.ndarray, fps: float) -> RootPath:
    """The path as it was before it was rounded: in single precision."""
    step = round(HORIZONS[-1] * fps)
    rows = np.repeat(course[:, step:, None], len(HORIZONS), 2)
    return RootPath(rows[..., :2], rows[..., 2])


def stride_shown(side: Side, course: np.ndarray) -> float:
    """How much of the stride the path rows along a course give away, over all segments in which the root moves."""
    motion = side.corpus.motion
    path = path_of(course, motion.fps, motion.rig.height)
    x, y = rows_seen(path, motion.rig.height, motion.fps), stride_signal(motion)
    step = np.linalg.norm(np.diff(motion.root.origin, axis=1, prepend=motion.root.origin[:, :1]), axis=-1) * motion.fps
    moving = motion.valid & (step > LEAST_SPEED * motion.rig.height)
    moving[:, : round(motion.fps)] = False
    fold = np.broadcast_to(side.folds.of[:, None], moving.shape)
    kept = moving & (fold >= 0)
    return explained(x[kept].astype(np.float64), y[kept].astype(np.float64), fold[kept])


@pytest.mark.parametrize("rig", ["r1", "quad"])
def test_built_in_paths_hide_the_stride(rig: str) -> None:
    task = load_task("biped2quad")
    table = {"kind": "builtin", "rig": rig, "motion": "locomotion", "clips": 120}
    side = Side(load_side(table, task.protocol), task.protocol)
    shown = stride_shown(side, side.corpus.course)
    fps = side.corpus.motion.fps
    filtered = stride_filtered_out(side, path_of(side.corpus.course, fps, side.corpus.motion.rig.height))
    fine = stride_filtered_out(side, fine_path(side.corpus.course, fps))
    print(f"\nR2 of the stride from path rows, {rig}: {shown:.3f}; by a filter {filtered:.3f}, not rounded {fine:.3f}")
    assert max(shown, filtered) < 0.1
    # So the filter would find it. A dog's body goes so evenly that even its fine path shows little of its stride.
    assert fine > (0.03 if rig == "quad" else 0.15)


@pytest.mark.parametrize("which", ["source", "target"])
def test_recorded_paths_hide_the_stride(which: str, recordings: Path) -> None:
    """People and the dog. The same regression finds the stride where nothing is smoothed, so it can."""
    task = load_task("human2dog")
    side = Side(load_side(getattr(task, which), task.protocol, recordings), task.protocol)
    shown = stride_shown(side, side.corpus.course)
    root = side.corpus.motion.root
    raw = np.stack([root.origin[..., 0], root.origin[..., 2], np.unwrap(root.yaw, axis=1)], -1)
    plain = np.concatenate([raw, np.repeat(raw[:, -1:], 30, 1)], 1)
    average = uniform_filter1d(plain, 15, axis=1, mode="nearest")
    rough, averaged = stride_shown(side, plain), stride_shown(side, average)
    filtered = stride_filtered_out(
        side, path_of(side.corpus.course, side.corpus.motion.fps, side.corpus.motion.rig.height)
    )
    print(
        f"\nR2 of the stride, {side.corpus.name}: {shown:.3f}, by a filter {filtered:.3f}; "
        f"0.5 s mean {averaged:.3f}; not smoothed {rough:.3f}"
    )
    assert max(shown, filtered) < 0.1
    assert max(rough, averaged) > 0.15


def test_the_course_does_not_end_where_the_motion_does() -> None:
    """A built-in clip is a take by itself: its last root is not given away by the last rows of its path."""
    task = load_task("biped2quad")
    side = Side(load_side({"kind": "builtin", "rig": "r1", "clips": 60}, task.protocol), task.protocol)
    motion, course = side.corpus.motion, side.corpus.course
    end = np.arange(len(motion)), motion.lengths - 1
    moves = np.linalg.norm(motion.root.origin[end] - motion.root.origin[end[0], end[1] - 30], axis=-1) > 0.3
    off = np.linalg.norm(course[end][:, :2] - motion.root.origin[end][:, [0, 2]], axis=-1)[moves]
    print(f"\nthe course at a clip's end is {100 * np.median(off):.1f} cm off its root")
    assert np.median(off) > 0.005


def test_a_straight_walk_goes_on_as_it_was() -> None:
    time = np.arange(90)[None, :, None] / 30
    line = np.concatenate([2.0 * time, 1 - 0.5 * time, 0 * time], -1)
    got = smooth_takes(line, np.array([90]), 30.0, 30)[0]
    ahead = np.arange(120)[:, None] / 30
    np.testing.assert_allclose(got, np.concatenate([2 * ahead, 1 - 0.5 * ahead, 0 * ahead], 1), atol=1e-9)


def test_the_course_of_a_segment_is_cut_from_that_of_its_take(recordings: Path) -> None:
    task = load_task("human2dog")
    side = Side(load_side(task.target, task.protocol, recordings), task.protocol)
    corpus = side.corpus
    one, two = next((i, i + 1) for i in range(len(corpus.ids) - 1) if corpus.takes[i] == corpus.takes[i + 1])
    ahead = corpus.course.shape[1] - corpus.motion.root_positions.shape[1]
    length = int(corpus.motion.lengths[one])
    np.testing.assert_allclose(corpus.course[one, length : length + ahead], corpus.course[two, :ahead], atol=1e-5)
    alone = course_of(corpus.motion[[one]])[0]
    assert np.abs(alone[length : length + ahead] - corpus.course[one, length : length + ahead]).max() > 0.01
