"""Which metric sees which fault: known faults are put into true motion at rising strength and measured.

A metric's response to a fault is how far it moves from its value on the truth, as a share of the farthest that any
fault moves it. In each ranked track a primary must rise with the fault of its category, and every fault must move some
primary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.kinematics.forward import global_to_local
from rae_bench.metrics import METRICS, evaluate, primaries
from rae_bench.metrics.feet import SPEED
from rae_bench.model.api import Trajectory
from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.tracks import CONTROL, LIMBS
from rae_bench.results.columns import COLUMNS, narrow_heading
from rae_bench.results.text_table import SECTION, Cells, TextColumn

Inject = Callable[[Motion, float], Motion]
Compare = Callable[[Trajectory], Mapping[str, float]]
"""compare(trajectory): the metrics that compare all windows with those of other real clips."""
TRACKS = (LIMBS, CONTROL)
"""The tracks that are ranked."""
PANELS = 5
"""Panels in a row of the picture."""

SEEN = 0.05
"""A response at least this large counts as seen."""
FAULT_OF_CATEGORY = {
    "reconstruction": "mean-pose collapse", "feet": "foot slide", "objective": "drift", "adversarial": "jitter",
}  # fmt: skip
"""Category -> the fault that its primary must rise with."""


@dataclass(frozen=True)
class Fault:
    """A way to spoil motion, at rising strengths in `unit`."""

    name: str
    unit: str
    strengths: tuple[float, ...]
    inject: Inject


@dataclass(frozen=True)
class Reading:
    """The metrics of one fault at one strength; strength 0 is the truth itself."""

    fault: str
    unit: str
    strength: float
    values: Mapping[str, float]


def foot_slide(motion: Motion, speed: float) -> Motion:
    """Move the body on a circle of one turn a second at `speed` cm/s: feet slide, and nothing drifts away."""
    angle = 2 * np.pi * np.arange(motion.root_positions.shape[1]) / motion.fps
    radius = speed / 100 / (2 * np.pi)
    circle = radius * np.stack([np.cos(angle) - 1, 0 * angle, np.sin(angle)], -1)
    return _placed(motion, motion.root_positions + circle)


def jitter(motion: Motion, degrees: float) -> Motion:
    """Turn every joint at random in every frame; `degrees` is the standard deviation about each axis."""
    turn = np.random.default_rng(0).standard_normal((*motion.rotations.shape[:3], 3)) * np.radians(degrees)
    angle = np.linalg.norm(turn, axis=-1)
    return _turned(motion, quat.mul(quat.from_axis_angle(turn / angle[..., None], angle), motion.rotations))


def collapse(motion: Motion, percent: float) -> Motion:
    """Turn every joint `percent` of the way to its mean over the clip, without the root."""
    weight = motion.valid[..., None, None]
    mean = quat.normalize((motion.rotations * weight).sum(1, keepdims=True))
    rotations = quat.slerp(motion.rotations, np.broadcast_to(mean, motion.rotations.shape), percent / 100)
    root = motion.rig.parents < 0
    return _turned(motion, np.where(root[:, None], motion.rotations, rotations))


def lag(motion: Motion, milliseconds: float) -> Motion:
    """Delay everything; the first pose is held until then."""
    late = np.maximum(np.arange(motion.root_positions.shape[1]) - round(milliseconds / 1000 * motion.fps), 0)
    return replace(motion, root_positions=motion.root_positions[:, late], rotations=motion.rotations[:, late])


def exaggerate(motion: Motion, percent: float) -> Motion:
    """Turn every joint but the root `percent` farther from its mean over the clip: so much more motion energy."""
    mean = quat.normalize((motion.rotations * motion.valid[..., None, None]).sum(1, keepdims=True))
    away = quat.mul(quat.inverse(mean), motion.rotations).astype(np.float64)
    away *= np.where(away[..., :1] < 0, -1, 1)
    size = np.linalg.norm(away[..., 1:], axis=-1)
    axis = away[..., 1:] / np.maximum(size, 1e-12)[..., None]
    farther = quat.from_axis_angle(axis, (1 + percent / 100) * 2 * np.arctan2(size, away[..., 0]))
    root = motion.rig.parents < 0
    return _turned(motion, np.where(root[:, None], motion.rotations, quat.mul(mean, farther)))


def freeze(motion: Motion, percent: float) -> Motion:
    """Bring body and joints `percent` of the way to the first pose of the clip: at 100 % nothing moves."""
    share, first = percent / 100, motion.root_positions[:, :1]
    still = np.broadcast_to(motion.rotations[:, :1], motion.rotations.shape)
    placed = _placed(motion, motion.root_positions + share * (first - motion.root_positions))
    return _turned(placed, quat.slerp(motion.rotations, still, share))


def hover(motion: Motion, percent: float) -> Motion:
    """Raise the body by `percent` of the rig's height."""
    return _placed(motion, motion.root_positions + np.array([0, percent / 100 * motion.rig.height, 0]))


def drift(motion: Motion, speed: float) -> Motion:
    """Carry the body away at `speed` cm/s."""
    time = np.arange(motion.root_positions.shape[1])[:, None] / motion.fps
    return _placed(motion, motion.root_positions + speed / 100 * time * np.array([0.6, 0, 0.8]))


def reverse(motion: Motion, percent: float) -> Motion:
    """Run `percent` of the clips backwards."""
    frame = np.arange(motion.root_positions.shape[1])
    backwards = np.maximum(motion.lengths[:, None] - 1 - frame, 0)
    order = np.where(_some(motion, percent)[:, None], backwards, np.minimum(frame, motion.lengths[:, None] - 1))
    clip = np.arange(len(motion))[:, None]
    return replace(motion, root_positions=motion.root_positions[clip, order], rotations=motion.rotations[clip, order])


def swap_sides(motion: Motion, percent: float) -> Motion:
    """Exchange left and right in `percent` of the clips, each pose mirrored in its place."""
    rest, facing = motion.rig.rest_global[1], motion.root.rotation[:, :, None]
    turns = quat.mul(quat.mul(quat.inverse(facing), motion.global_rotations), quat.inverse(rest))
    mirrored = turns[:, :, motion.rig.mirror] * np.array([1, 1, -1, -1], turns.dtype)
    rotations = global_to_local(quat.mul(facing, quat.mul(mirrored, rest)), motion.rig.parents)
    return _turned(motion, np.where(_some(motion, percent)[:, None, None, None], rotations, motion.rotations))


def _some(motion: Motion, percent: float) -> np.ndarray:
    """Pick a share of the clips, (N,) bool, spread evenly. A larger share holds every smaller one."""
    order = np.random.default_rng(0).permutation(len(motion))
    return order < round(percent / 100 * len(motion))


def _placed(motion: Motion, root: np.ndarray) -> Motion:
    return replace(motion, root_positions=root.astype(np.float32))


def _turned(motion: Motion, rotations: np.ndarray) -> Motion:
    return replace(motion, rotations=quat.continuous(quat.normalize(rotations.astype(np.float32)), axis=1))


FAULTS = (
    Fault("foot slide", "cm/s", (5, 10, 20, 40), foot_slide),
    Fault("jitter", "deg", (0.25, 0.5, 1, 2), jitter),
    Fault("mean-pose collapse", "%", (25, 50, 75, 100), collapse),
    Fault("exaggeration", "%", (25, 50, 75, 100), exaggerate),
    Fault("freezing", "%", (25, 50, 75, 100), freeze),
    Fault("lag", "ms", (100, 200, 400, 800), lag),
    Fault("floating", "% of height", (1, 2, 5, 10), hover),
    Fault("drift", "cm/s", (5, 10, 20, 40), drift),
    Fault("time reversal", "% of clips", (25, 50, 75, 100), reverse),
    Fault("swapped sides", "% of clips", (25, 50, 75, 100), swap_sides),
)


def readings(
    truth: Motion, objectives: Objectives, compare: Compare, faults: Sequence[Fault] = FAULTS
) -> list[Reading]:
    """Measure all metrics of the truth itself, then of every fault at every strength."""

    def measured(motion: Motion) -> dict[str, float]:
        trajectory = Trajectory.of(motion)
        return evaluate(trajectory, truth, objectives) | dict(compare(trajectory))

    sound = measured(truth)
    out = []
    for fault in faults:
        out.append(Reading(fault.name, fault.unit, 0.0, sound))
        out += [Reading(fault.name, fault.unit, s, measured(fault.inject(truth, s))) for s in fault.strengths]
    return out


def responses(found: Sequence[Reading]) -> dict[str, dict[str, float]]:
    """Return {fault: {metric: response}} at the greatest strength, between -1 and 1."""
    sound, strongest = found[0].values, {reading.fault: reading for reading in found}
    names = [name for name in sound if name != SPEED]
    farthest = {n: max(abs(r.values[n] - sound[n]) for r in found) for n in names}
    return {
        fault: {n: (r.values[n] - sound[n]) / farthest[n] if farthest[n] > 1e-9 else 0.0 for n in names}
        for fault, r in strongest.items()
    }


def failings(found: Sequence[Reading]) -> list[str]:
    """Return the failures in words: a primary that does not rise with its fault, a fault that no primary sees."""
    out: dict[str, None] = {}
    seen = responses(found)
    for track in TRACKS:
        for category, fault in FAULT_OF_CATEGORY.items():
            name = primaries(track)[category]
            values = [r.values[name] for r in found if r.fault == fault]
            if len(values) > 1 and any(b <= a for a, b in pairwise(values)):
                out[f"{name} does not rise with {fault}: {', '.join(f'{v:.3g}' for v in values)}"] = None
        for fault, response in seen.items():
            if max(abs(response[name]) for name in primaries(track).values()) < SEEN:
                out[f"no primary of {track} sees {fault}"] = None
    return list(out)


def table(found: Sequence[Reading]) -> str:
    """Return Markdown: for each track the primaries at every strength, then every metric's response to the greatest.

    Responses are in percent.
    """
    return "\n".join([*(_strengths(found, track) for track in TRACKS), _responses(found)])


def text_tables(found: Sequence[Reading]) -> list[tuple[str, list[TextColumn], list[Cells | None]]]:
    """Return (title, columns, rows) of the same tables for a terminal."""
    tables: list[tuple[str, list[TextColumn], list[Cells | None]]] = []
    for track in TRACKS:
        metrics = [COLUMNS[name] for name in primaries(track).values()]
        heads = [TextColumn("fault", right=False), TextColumn("strength", right=False)]
        heads += [TextColumn(m.label, narrow_heading(m, 10), leaves=n) for n, m in enumerate(metrics)]
        rows: list[Cells | None] = []
        for i, r in enumerate(found):
            if r.strength or i == 0:
                words = (r.fault, f"{r.strength:g} {r.unit}") if r.strength else ("none", "")
                if i and not (rows[-1] and rows[-1][0] == r.fault):
                    rows.append(SECTION)
                rows.append([*words, *(f"{r.values[m.name]:.3g}" for m in metrics)])
        tables.append((f"Track {track}: the primary metrics at every strength", heads, rows))
    by_fault = responses(found)
    heads = [TextColumn("metric", right=False)]
    heads += [TextColumn(fault, fault.replace(" ", "\n"), leaves=n) for n, fault in enumerate(by_fault)]
    body: list[Cells | None] = [
        [name, *(f"{100 * seen[name]:.0f}" if abs(seen[name]) >= SEEN else "" for seen in by_fault.values())]
        for name in (n for n in METRICS if n in next(iter(by_fault.values())))
    ]
    title = "What each metric makes of the greatest strength, % of what moves it most"
    return [*tables, (title, heads, body)]


def _strengths(found: Sequence[Reading], track: str) -> str:
    names = list(primaries(track).values())
    lines = ["| fault | strength | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for i, r in enumerate(found):
        if r.strength or i == 0:
            label = f"{r.strength:g} {r.unit}" if r.strength else ""
            name = r.fault if r.strength else "none"
            lines.append(f"| {name} | {label} | " + " | ".join(f"{r.values[n]:.3g}" for n in names) + " |")
    return "\n".join([f"Track `{track}`:", "", *lines, ""])


def _responses(found: Sequence[Reading]) -> str:
    by_fault = responses(found)
    lines = ["| metric | " + " | ".join(by_fault) + " |", "|---|" + "---|" * len(by_fault)]
    for name in (n for n in METRICS if n in next(iter(by_fault.values()))):
        cells = [f"{100 * seen[name]:.0f}" if abs(seen[name]) >= SEEN else "" for seen in by_fault.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(found: Sequence[Reading], path: Path) -> Path:
    """Draw a panel for each track and fault: the track's primaries over strength.

    They are drawn as shares of the farthest that any fault moves them.
    """
    from rae_bench.viewer.plots import make_axes, save_figure

    faults = list(dict.fromkeys(r.fault for r in found))
    sound, columns = found[0].values, min(PANELS, len(faults))
    rows = -(-len(faults) // columns)
    figure, axes = make_axes(rows * len(TRACKS), columns, (2.3 * columns, 2.2 * rows * len(TRACKS) + 0.4), sharey=True)
    lines = {}
    for number, track in enumerate(TRACKS):
        panels = axes[number * rows : (number + 1) * rows]
        for axis, fault in zip(panels.flat, faults, strict=False):
            here = [r for r in found if r.fault == fault]
            for k, (category, name) in enumerate(primaries(track).items()):
                farthest = max(abs(r.values[name] - sound[name]) for r in found) or 1.0
                share = [(r.values[name] - sound[name]) / farthest for r in here]
                (lines[category],) = axis.plot([r.strength for r in here], share, f"C{k}o-", markersize=3)
            axis.set_title(f"{track}: {fault}", fontsize=9)
            axis.set_xlabel(here[0].unit, fontsize=8)
            axis.set_ylim(-0.2, 1.05)
            axis.grid(alpha=0.3)
        for axis in panels.flat[len(faults) :]:
            axis.axis("off")
    figure.supylabel("share of the largest response", fontsize=9)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=4, fontsize=9)
    return save_figure(figure, path)
