"""The path of the track `control`: where it lies, and that it does not give the stride away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from rae_bench.motion.course import course_of
from rae_bench.motion.motion import Motion
from rae_bench.objectives.path import HORIZONS, RootPath, path_of
from rae_bench.task.sides import Side, load_side
from rae_bench.task.task import load_task

LAGS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Seconds into the past at which the regression reads path rows."""
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
"""Of the variance of an input."""
LEAST_SPEED = 0.15
"""Heights a second: who stands has no stride."""


def test_rows_lie_on_the_course_ahead() -> None:
    course = np.cumsum(np.random.default_rng(0).standard_normal((3, 80 + 30, 3)), 1).astype(np.float32)
    path = path_of(course, 30.0)
    assert path.positions.shape == (3, 80, 3, 2)
    for h, seconds in enumerate(HORIZONS):
        step = round(30 * seconds)
        np.testing.assert_array_equal(path.positions[:, :, h], course[:, step : step + 80, :2])
        np.testing.assert_array_equal(path.headings[:, :, h], course[:, step : step + 80, 2])


def test_clips_and_frames_of_a_path() -> None:
    course = np.random.default_rng(1).standard_normal((4, 60 + 30, 3)).astype(np.float32)
    path = path_of(course, 30.0)
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


def stride_shown(side: Side, course: np.ndarray) -> float:
    """How much of the stride the path rows along a course give away, over all segments in which the root moves."""
    motion = side.corpus.motion
    path = path_of(course, motion.fps)
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
    print(f"\nR2 of the stride from path rows, {rig}: {shown:.3f}")
    assert shown < 0.1


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
    print(f"\nR2 of the stride, {side.corpus.name}: {shown:.3f}; 0.5 s mean {averaged:.3f}; not smoothed {rough:.3f}")
    assert shown < 0.1
    assert max(rough, averaged) > 0.15


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
