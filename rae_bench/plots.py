"""Pictures of a run: error over the target fraction, and a contact sheet of truth and roll-outs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.kinematics import forward_kinematics, root_space
from rae_bench.report import Row, interval, row_label
from rae_bench.results import load_trajectory
from rae_bench.rig import Rig
from rae_bench.storage import whole_file

if TYPE_CHECKING:
    from rae_bench.protocol.run import Outcome

COLOURS = {
    "truth": "#444444",
    "cold": "#2a6fdb",
    "cold-long": "#7fb2f0",
    "frozen": "#d43d3d",
    "finetune": "#2e9e4f",
    "zero-shot": "#c77f1a",
    "full": "#7b3fa0",
    "hold": "#999999",
    "interpolate": "#b07d2b",
    "nearest": "#5b8c8c",
}
"""The thesis' colours (truth, blue cold, red frozen, green finetune) on white paper."""
PANELS = (
    ("reconstruction_error", "reconstruction, cm"),
    ("foot_sliding", "foot sliding, cm/s"),
    ("objective_error", "objective error, cm"),
    ("adversarial_score", "adversarial score"),
)
SHEET_CLIPS, SHEET_POSES = 3, 9


def _axes(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _save(figure: Any, path: Path) -> Path:
    with whole_file(path) as scratch:
        figure.savefig(scratch, dpi=110, format="png")
    return path


def fraction_curves(outcome: Outcome, table_rows: Sequence[Row], path: Path) -> Path | None:
    """Primary errors over the fraction of target data, one line a regime, controls as dashes."""
    lines: dict[str, list[Row]] = {}
    for row in table_rows:
        if row.kind == "model" and row.values.get("reconstruction_error"):
            lines.setdefault("cold" if row.label == "full" else row.label, []).append(row)
    if not lines:
        return None
    figure, axes = _axes(1, 4, (15, 4))
    for (name, title), axis in zip(PANELS, axes[0], strict=True):
        for label, points in lines.items():
            points = sorted(points, key=lambda r: r.fraction or 0)
            x = [100 * (r.fraction or 0) for r in points]
            means, halves = zip(*(interval(r.values[name]) for r in points), strict=True)
            error = [0 if math.isnan(h) else h for h in halves]
            axis.errorbar(x, means, yerr=error, marker="o", capsize=3, label=label, color=COLOURS[label])
        for row in table_rows:
            if row.kind != "model" and row.values.get(name):
                style = ":" if row.kind == "truth" else "--"
                axis.axhline(row.values[name][0], color=COLOURS[row.label], ls=style, lw=1, label=row.label)
        axis.set(xscale="log", xlabel="target training data, %", title=title)
        axis.set_ylim(bottom=0)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.minorticks_off()
        axis.grid(alpha=0.2)
        if name == "objective_error":  # hold misses by metres; the models would lie on the axis
            top = max(max(r.values[name]) for points in lines.values() for r in points)
            axis.set_ylim(0, 1.4 * top)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(f"{outcome.task.name}: error over target data (right end: full)")
    return _save(figure, path)


def contact_sheet(outcome: Outcome, path: Path) -> Path | None:
    """Frames in a row of a few test clips: every roll-out of the first seed over the truth in grey.

    Seen from the left and a little above, each pose in its own root frame, as the reconstruction error compares them.
    """
    exam = outcome.target.examination(outcome.target.split.test)
    truth, rig = exam.truth, exam.truth.rig
    picked: dict[str, int] = {}
    for n in np.argsort(-truth.lengths, kind="stable"):
        picked.setdefault(exam.actions[n], int(n))
    clips = list(picked.values())[:SHEET_CLIPS]
    paths = {
        _label(p): p.path.with_suffix(".npz")
        for p in reversed(outcome.cells)
        if p.cell.model != "truth" and p.path.with_suffix(".npz").exists()
    }
    order = [name for name in COLOURS if name in paths]
    if not order:
        return None
    figure, axes = _axes(len(order), len(clips), (6.2 * len(clips), 1.35 * len(order) + 0.6))
    for row, label in enumerate(order):
        trajectory = load_trajectory(paths[label])
        for column, clip in enumerate(clips):
            axis = axes[row][column]
            length = int(truth.lengths[clip])
            frames = np.linspace(0, length - 1, SHEET_POSES).round().astype(int)
            rotations = trajectory.rotations[0, clip, frames]
            made, turned = forward_kinematics(rotations, trajectory.root_positions[0, clip, frames], rig)
            own, true = root_space(made, turned, rig), truth.root
            for step, t in enumerate(frames):
                shift = step * 1.15 * rig.height
                here = _side(truth.positions[clip, t], true.origin[clip, t], true.yaw[clip, t])
                _draw(axis, rig, here, shift, "#c8c8c8")
                _draw(axis, rig, _side(made[step], own.origin[step], own.yaw[step]), shift, COLOURS[label])
            wide = SHEET_POSES * 1.15 * rig.height
            axis.set(xlim=(-0.8 * rig.height, wide), ylim=(-0.15 * rig.height, 1.25 * rig.height), xticks=[], yticks=[])
            axis.set_aspect("equal")
            for spine in axis.spines.values():
                spine.set_visible(False)
            if row == 0:
                every = f"every {length / SHEET_POSES / truth.fps:.2f} s"
                axis.set_title(f"{exam.actions[clip]} ({exam.ids[clip]}), {every}", fontsize=9)
            if column == 0:
                axis.set_ylabel(label, color=COLOURS[label])
    figure.suptitle(f"{outcome.task.name}: roll-outs over the truth (grey), each in its own root frame")
    return _save(figure, path)


def _label(planned: Any) -> str:
    cell = planned.cell
    return row_label(cell.model, cell.regime, cell.fraction).partition(" ")[0]


def _side(positions: np.ndarray, origin: np.ndarray, yaw: float) -> np.ndarray:
    """(J, 2) seen from the left of a root frame, a little from the front and above."""
    c, s = np.cos(yaw), np.sin(yaw)
    x, y, z = (positions - origin).T
    along, across = c * z + s * x, c * x - s * z
    return np.stack([along + 0.25 * across, y - 0.12 * across], -1)


def _draw(axis: Any, rig: Rig, points: np.ndarray, shift: float, colour: str) -> None:
    from matplotlib.collections import LineCollection

    joints = np.flatnonzero(rig.parents >= 0)
    bones = np.stack([points[joints], points[rig.parents[joints]]], 1) + np.array([shift, 0])
    axis.add_collection(LineCollection(list(bones), colors=colour, linewidths=1))
