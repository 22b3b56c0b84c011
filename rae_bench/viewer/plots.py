"""Sheets of poses of truth and roll-outs, and what all figures have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.motion.root import RootSpace, root_space
from rae_bench.results.trajectories import load_trajectory
from rae_bench.rigs.rig import Rig
from rae_bench.storage import whole_file
from rae_bench.task.cells import TRUTH, row_label
from rae_bench.viewer.kinds import COLOURS, kind_of

if TYPE_CHECKING:
    from rae_bench.data.corpus import Corpus
    from rae_bench.harness.run import Outcome
    from rae_bench.task.held_out import HeldOutClips

ON_PAPER = {kind: light for kind, (light, _) in COLOURS.items()}
"""Kind of a row -> its colour on white paper."""
DPI = 110
"""Pixels of an inch of a figure."""
SHEET_CLIPS, SHEET_COLUMNS, SHEET_WIDTH, SHEET_ROW = 3, 3, 6.2, 1.0
"""The clips of a sheet and how many stand side by side; inches of a clip's width, and of a row's height at least, where
that leaves room for enough poses of a long rig."""


def make_axes(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """Make a figure of `size` inches and its axes (rows, columns)."""
    from rae_bench.viewer.picture import Picture

    figure = Picture(figsize=size, dpi=DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with whole_file(path) as scratch:
        figure.savefig(scratch, dpi="figure", format="png")
    return path


def contact_sheet(outcome: Outcome, path: Path) -> Path | None:
    """Draw poses of a few test clips in rows: every roll-out of the first seed and fraction over the truth in grey.

    Poses are seen from the left and a little above, each in its own root space, as the reconstruction error compares
    them.

    Returns:
        `path`; None where there is no roll-out.
    """
    seed = outcome.plan.spec.seeds[0]
    rows: dict[str, tuple[str, Path]] = {}  # kind of row -> its label and trajectory
    for p in outcome.cells:
        file = p.path.with_suffix(".npz")
        if p.cell.model != TRUTH and p.cell.seed == seed and file.exists():
            label = row_label(p.cell.model, p.cell.regime, p.cell.fraction)
            rows.setdefault(kind_of(label), (label, file))
    if not rows:
        return None
    exam = outcome.target.held_out_clips(outcome.target.split(seed).test)
    picked: dict[str, int] = {}
    for n in np.argsort(-exam.truth.lengths, kind="stable"):
        picked.setdefault(exam.actions[n], int(n))
    return exam_sheet(outcome.task.name, exam, rows, list(picked.values())[:SHEET_CLIPS], path)


def exam_sheet(
    task: str, exam: HeldOutClips, rows: Mapping[str, tuple[str, Path]], clips: Sequence[int], path: Path
) -> Path:
    """Draw a `contact_sheet` of some clips.

    Args:
        task: the name of the task.
        exam: its test clips.
        rows: kind of a row, a key of `COLOURS` -> its label and the file of its trajectory.
        clips: places of the clips among the test clips.
        path: the file to write.
    """
    truth, rig = exam.truth, exam.truth.rig
    order = [kind for kind in COLOURS if kind in rows]
    pictures = {clip: _side(truth.positions[clip], truth.root.origin[clip], truth.root.yaw[clip]) for clip in clips}
    extent = np.concatenate([picture.reshape(-1, 2) for picture in pictures.values()])
    low, high = extent.min(0) - 0.05 * rig.height, extent.max(0) + 0.05 * rig.height
    pitch = high[0] - low[0]
    poses = int(np.clip(SHEET_WIDTH * (high[1] - low[1]) / (SHEET_ROW * pitch), 5, 9))
    tall = SHEET_WIDTH / (poses * pitch) * (high[1] - low[1]) + 0.15
    columns = 2 if len(clips) in (2, 4) else min(len(clips), SHEET_COLUMNS)
    blocks = -(-len(clips) // columns)
    size = (SHEET_WIDTH * columns, (tall * len(order) + 0.3) * blocks + 0.5)
    figure, axes = make_axes(len(order) * blocks, columns, size)
    for axis in axes.flat:
        axis.axis("off")
    for row, kind in enumerate(order):
        label, file = rows[kind]
        trajectory = load_trajectory(file)
        for k, clip in enumerate(clips):
            axis = axes[k // columns * len(order) + row][k % columns]
            length = int(truth.lengths[clip])
            frames = np.linspace(0, length - 1, poses).round().astype(int)
            made, turned = rig.forward_kinematics(
                trajectory.rotations[0, clip, frames], trajectory.root_positions[0, clip, frames]
            )
            space = root_space(made, turned, rig)
            drawn = _side(made, space.origin, space.yaw)
            for n, t in enumerate(frames):
                _draw(axis, rig, pictures[clip][t], n * pitch, "#d0d0d0", 2)
                _draw(axis, rig, drawn[n], n * pitch, ON_PAPER[kind], 1)
            every = f"every {(length - 1) / (poses - 1) / truth.fps:.2f} s" if row == 0 else ""
            _strip(axis, low, high, poses, f"{exam.actions[clip]} ({exam.ids[clip]}), {every}" if every else "")
            if k % columns == 0:
                axis.text(
                    -0.01,
                    0.5,
                    label,
                    color=ON_PAPER[kind],
                    fontsize=9,
                    ha="right",
                    va="center",
                    transform=axis.transAxes,
                )
    figure.suptitle(_plain(f"{task}: roll-outs over the truth (grey),\neach in its own root frame"))
    return save_figure(figure, path)


def domain_sheet(corpus: Corpus, clips: Sequence[int], path: Path) -> Path:
    """Draw poses of some clips of a domain in rows, seen as in `contact_sheet`."""
    motion, rig = corpus.motion, corpus.motion.rig
    part = motion[list(clips)]
    drawn = _side(part.positions, part.root.origin, part.root.yaw)  # (N, T, J, 2)
    low, high = drawn.min((0, 1, 2)) - 0.05 * rig.height, drawn.max((0, 1, 2)) + 0.05 * rig.height
    pitch, poses = high[0] - low[0], 9
    width = 2 * SHEET_WIDTH
    tall = width / (poses * pitch) * (high[1] - low[1])
    figure, axes = make_axes(len(clips), 1, (width, (tall + 0.3) * len(clips) + 0.5))
    for row, n in enumerate(clips):
        axis = axes[row][0]
        axis.axis("off")
        frames = np.linspace(0, motion.lengths[n] - 1, poses).round().astype(int)
        for k, t in enumerate(frames):
            _draw(axis, rig, drawn[row, t], k * pitch, ON_PAPER[TRUTH], 1)
        every = f"every {(motion.lengths[n] - 1) / (poses - 1) / motion.fps:.2f} s"
        _strip(axis, low, high, poses, f"{corpus.actions[n]} ({corpus.ids[n]}), {every}")
    figure.suptitle(_plain(f"{corpus.name}: in its own root frame"))
    return save_figure(figure, path)


def _strip(axis: Any, low: np.ndarray, high: np.ndarray, poses: int, title: str) -> None:
    """Give an axis room for a row of poses, each between the corners `low` and `high`."""
    axis.set(xlim=(low[0], low[0] + poses * (high[0] - low[0])), ylim=(low[1], high[1]))
    axis.set_aspect("equal")
    if title:
        axis.set_title(_plain(title), fontsize=9)


def _plain(text: str) -> str:
    """Escape dollars, which matplotlib reads as mathematics."""
    return text.replace("$", r"\$")


def _side(positions: np.ndarray, origin: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Return (T, J, 2) of world positions (T, J, 3), seen from the left of their root spaces, a little from above."""
    local = RootSpace(origin, yaw).points_in(positions)
    x, y, z = np.moveaxis(local, -1, 0)
    return np.stack([z + 0.25 * x, y - 0.12 * x], -1)


def _draw(axis: Any, rig: Rig, points: np.ndarray, shift: float, colour: str, width: float) -> None:
    from matplotlib.collections import LineCollection

    joints = np.flatnonzero(rig.parents >= 0)
    bones = np.stack([points[joints], points[rig.parents[joints]]], 1) + np.array([shift, 0])
    axis.add_collection(LineCollection(list(bones), colors=colour, linewidths=width))
