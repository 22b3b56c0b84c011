"""A scene as a film: a panel for each actor over the truth, seen from the same side, as GIF or through ffmpeg."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rae_bench.objectives.objectives import CONTACT, KEYFRAME, TARGET
from rae_bench.viewer.page import Actor, Clip, Scene, bulk, on_ground

WIDTH, HEIGHT, HEAD, FOOT = 960, 540, 46, 34
"""Pixels of the picture, of its title and of its time line. They are even, as video needs it."""
GIF_FPS, MP4_FPS, PAUSE = 12.5, 30, 0.4
"""Frames a second (a GIF counts in hundredths of a second), and seconds for which the last frame of a clip stays."""
LENS = math.tan(math.radians(18))
SQUARES = 7
"""Squares of the ground on each side of the middle."""
PAPER, INK, SOFT, GROUND, AMBER = "#14171c", "#eceff3", "#a0a9b5", "#2c333d", "#e09a00"
MARKERS = {CONTACT: "o", KEYFRAME: "D", TARGET: "o"}


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera that looks at a middle, which moves over the ground.

    Attributes:
        axes: (3, 3), its rows right, up and near.
        far: metres from the middle to the eye.
        pixels: pixels of one metre at the middle.
    """

    axes: np.ndarray
    far: float
    pixels: float

    def __call__(self, points: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Project (..., 3) metres to (..., 2) pixels from the middle of the panel; NaN where too near to be drawn."""
        local = (points - middle) @ self.axes.T
        depth = 1 - local[..., 2:] / self.far
        return np.where(depth > 0.15, local[..., :2] * self.pixels / np.maximum(depth, 0.15), np.nan)


def _middles(truth: np.ndarray, root: int, height: float, fps: float) -> np.ndarray:
    """Return what the camera follows, (T, 3): the middle of the body, smoothed, or its mean if the body stays."""
    centre = truth.mean(1)
    centre[:, 1] = (truth[..., 1].min() + truth[..., 1].max()) / 2
    way = np.linalg.norm((truth[:, root] - truth[:1, root])[:, [0, 2]], axis=-1).max()
    half = len(centre) if way < 0.5 * height else round(fps / 4)
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(centre, 0)])
    frame = np.arange(len(centre))
    first, end = np.maximum(frame - half, 0), np.minimum(frame + half + 1, len(centre))
    return (sums[end] - sums[first]) / (end - first)[:, None]


def _axes(truth: np.ndarray, root: int, height: float) -> np.ndarray:
    """Return right, up and near of an eye that sees the truth go by from the front and above."""
    way = (truth[-1, root] - truth[0, root]) * [1, 0, 1]
    length = np.linalg.norm(way)
    way = way / length if length > 0.2 * height else np.array([0.0, 0, 1])
    near = np.array([-way[2], 0, way[0]]) + 0.7 * way + np.array([0, 0.4, 0])
    near /= np.linalg.norm(near)
    right = np.cross([0, 1, 0], near)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(near, right), near])


def _far(local: np.ndarray, wide: float, tall: float) -> float:
    """Return how far the eye must be to see points (..., 3), right, up and near, in a panel of `wide` by `tall`."""
    side = np.maximum(np.abs(local[..., 0]) / (LENS * wide / tall), np.abs(local[..., 1]) / LENS)
    return float(max((local[..., 2] + 1.12 * side).max(), np.linalg.norm(local, axis=-1).max()))


def _panels(local: np.ndarray, count: int) -> list[tuple[float, float, float, float]]:
    """Return left, bottom, width and height of each panel, with the columns that make the actors largest."""
    tall = HEIGHT - HEAD - FOOT

    def smallness(columns: int) -> float:
        rows = math.ceil(count / columns)
        return rows * _far(local, WIDTH / columns, tall / rows)

    columns = min(range(1, count + 1), key=smallness)
    rows = math.ceil(count / columns)
    wide, high = WIDTH / columns, tall / rows
    return [(n % columns * wide, FOOT + (rows - 1 - n // columns) * high, wide, high) for n in range(count)]


def _between(track: np.ndarray, at: float) -> np.ndarray:
    """Interpolate a track (T, ...) at a time between two frames."""
    first = min(int(at), len(track) - 1)
    after = min(first + 1, len(track) - 1)
    return track[first] + (at - first) * (track[after] - track[first])


def frames(scene: Scene, fps: float) -> Iterator[np.ndarray]:
    """Yield pictures (HEIGHT, WIDTH, 3) uint8 of all clips, one after the other, in real time at `fps`."""
    for clip in scene.clips:
        stage = _Stage(scene, clip)
        last = len(clip.truth) - 1
        for k in range(math.ceil(last / scene.fps * fps - 1e-6)):
            yield stage.draw(k / fps * scene.fps)
        yield from [stage.draw(last)] * (1 + round(PAUSE * fps))


class _Stage:
    """One clip's picture. What stays is drawn once; what moves is set for each frame."""

    def __init__(self, scene: Scene, clip: Clip) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rig = scene.rig
        self.scene, self.clip, self.rig = scene, clip, rig
        root = rig.roles.get("pelvis", 0)
        tracks = [clip.truth, *(np.concatenate([clip.truth[: clip.start], made]) for made in clip.made)]
        shown = [(actor, track) for actor, track in zip(scene.actors, tracks, strict=True) if actor.shown]
        if len(shown) > 1 and shown[0][1] is clip.truth:
            shown = shown[1:]  # the truth stands behind every other actor
        self.middles = [_middles(track, root, rig.height, scene.fps) for _, track in shown]
        axes = _axes(clip.truth, root, rig.height)
        middles = _middles(clip.truth, root, rig.height, scene.fps)
        local = (clip.truth - middles[:, None]) @ axes.T
        boxes = _panels(local, len(shown))
        wide, high = boxes[0][2:]
        far = _far(local, wide, high)
        self.camera = Camera(axes, far, high / (2 * LENS * far))
        self.cell = _nice(max(0.3 * rig.height, float(np.linalg.norm(local, axis=-1).max()) / 4))
        self.bones = np.flatnonzero(rig.parents >= 0)

        self.figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor=PAPER)
        self.canvas = FigureCanvasAgg(self.figure)
        self.axis = self.figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
        self.axis.axis("off")
        self.movers: list[Any] = []
        self._text(14, HEIGHT - 13, scene.title, INK, 11, va="top")
        others = shown[0][1] is not clip.truth
        key = [f"white: {scene.actors[0].label}"] * others + ["amber: objectives"]
        if len(rig.contact_joints):
            key.append(f"rings: feet that stand{' in the truth' if others else ''}")
        self._text(14, HEIGHT - 31, clip.name, SOFT, 9, va="top")
        self._text(WIDTH - 14, HEIGHT - 31, "; ".join(key), SOFT, 9, va="top", ha="right")
        width = float(np.clip(0.018 * bulk(rig) * self.camera.pixels, 1.2, 5))
        self.panels = [
            _Panel(self, box, actor, track, middle, width)
            for box, (actor, track), middle in zip(boxes, shown, self.middles, strict=True)
        ]
        self._words()
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def _text(self, x: float, y: float, words: str, colour: str, size: float, **how: Any) -> Any:
        # Dollars in a name are no mathematics.
        return self.axis.text(x, y, words, color=colour, fontsize=size, parse_math=False, **how)

    def moving(self, *style: str, **how: Any) -> Any:
        """Make a line or marks that are drawn anew for each frame."""
        (made,) = self.axis.plot([], [], *style, animated=True, **how)
        self.movers.append(made)
        return made

    def _words(self) -> None:
        """Draw the time line: history, then what was generated."""
        clip, last = self.clip, max(len(self.clip.truth) - 1, 1)
        self.left, self.wide = 14, WIDTH - 210
        mark = self.left + self.wide * clip.start / last
        self.axis.plot([mark, self.left + self.wide], [FOOT / 2] * 2, color="#4b5562", lw=2)
        self.axis.plot([self.left, mark], [FOOT / 2] * 2, color="#7d8794", lw=2)
        if clip.start:
            self.axis.plot([mark] * 2, [FOOT / 2 - 6, FOOT / 2 + 6], color=INK, lw=1.5)
        self.dot = self.moving("o", color="#6ea4f7", ms=6)
        middle = {"ha": "right", "va": "center"}
        self.time = self._text(WIDTH - 14, FOOT / 2, "", INK, 10, family="monospace", animated=True, **middle)

    def draw(self, at: float) -> np.ndarray:
        """Return the picture at a time in frames, which may lie between two frames."""
        last = len(self.clip.truth) - 1
        for panel in self.panels:
            panel.draw(at)
        self.dot.set_data([self.left + self.wide * at / max(last, 1)], [FOOT / 2])
        seconds, end = ((frame - self.clip.start) / self.scene.fps for frame in (at, last))
        past = "history " if at < self.clip.start else ""
        self.time.set_text(f"{past}{seconds:5.2f} / {end:.2f} s")
        self.canvas.restore_region(self.background)
        for mover in (*self.movers, self.time):
            self.axis.draw_artist(mover)
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()


class _Panel:
    """One actor over the truth."""

    def __init__(
        self,
        stage: _Stage,
        box: tuple[float, float, float, float],
        actor: Actor,
        track: np.ndarray,
        middles: np.ndarray,
        width: float,
    ) -> None:
        from matplotlib.patches import Rectangle

        self.stage, self.track, self.middles = stage, track, middles
        self.alone = track is stage.clip.truth
        left, bottom, wide, high = box
        self.centre = np.array([left + wide / 2, bottom + high / 2])
        frame = Rectangle((left, bottom), wide, high, fill=False, ec="#3a424d", lw=1)
        stage.axis.add_patch(frame)

        def lines(colour: str, thick: float) -> Any:
            made = stage.moving(color=colour, lw=thick, solid_capstyle="round", solid_joinstyle="round")
            made.set_clip_path(frame)
            return made

        def dots(marker: str, colour: str, size: float, **how: Any) -> Any:
            made = stage.moving(marker, color=colour, ms=size, ls="", **how)
            made.set_clip_path(frame)
            return made

        colour = actor.colours[1]
        self.ground, self.path = lines(GROUND, 0.8), lines(colour, 0.8)
        self.ground.set_antialiased(False)
        self.threads, self.asked = lines(AMBER, 0.7), lines(AMBER, 0.8)
        self.ghost = lines(stage.scene.actors[0].colours[1], width)
        self.ghost.set_alpha(0.6)
        self.rings, self.limbs = lines(colour, 1.2), lines(colour, width)
        self.gems = {
            kind: dots(marker, AMBER, 5, fillstyle="none" if kind == CONTACT else "full")
            for kind, marker in MARKERS.items()
        }
        note = f"  {actor.note}" if actor.note else ""
        label = stage._text(left + 10, bottom + high - 9, f"{actor.label}{note}", colour, 10, va="top")
        label.set_clip_path(frame)

    def _on(self, points: np.ndarray) -> np.ndarray:
        return self.stage.camera(points, self.middle) + self.centre

    def draw(self, at: float) -> None:
        """Set everything that moves."""
        stage, rig = self.stage, self.stage.rig
        t = min(int(at), len(self.track) - 1)
        self.middle, now, truth = (_between(x, at) for x in (self.middles, self.track, stage.clip.truth))
        bones, root = stage.bones, rig.roles.get("pelvis", 0)
        self.ground.set_data(_broken(self._on(_squares(self.middle, stage.cell))))
        way = self.track[:, root] * [1, 0, 1]
        self.path.set_data(_broken(self._on(np.stack([way[:-1], way[1:]], 1))))
        self.limbs.set_data(_broken(self._on(np.stack([now[bones], now[rig.parents[bones]]], 1))))
        if not self.alone:
            self.ghost.set_data(_broken(self._on(np.stack([truth[bones], truth[rig.parents[bones]]], 1))))
        feet = now[rig.contact_joints[stage.clip.contacts[t]]] * [1, 0, 1]
        turn = np.linspace(0, 2 * np.pi, 17)
        circle = 0.035 * bulk(rig) * np.stack([np.cos(turn), np.zeros(17), np.sin(turn)], -1)
        self.rings.set_data(_broken(self._on(feet[:, None] + circle)))
        kinds = np.where(rig.role_mask, stage.clip.objectives.kinds[0, t], 0)
        wanted = self._on(stage.clip.objectives.positions[0, t])
        held = self._on(now[np.maximum(rig.key_joints, 0)])
        self.threads.set_data(_broken(np.stack([held, wanted], 1)[kinds > 0]))
        for kind, gem in self.gems.items():
            gem.set_data(*wanted[kinds == kind].T)
        if stage.clip.path is not None:
            places = on_ground(stage.clip.path)
            self.asked.set_data(_broken(self._on(np.stack([places[:-1, 0], places[1:, 0]], 1))))
            self.gems[CONTACT].set_data(*self._on(places[t]).T)


def _broken(lines: np.ndarray) -> np.ndarray:
    """Return lines (S, P, 2) as x and y, (2, S * (P + 1)), of one line with gaps, which is much faster to draw."""
    return np.concatenate([lines, np.full_like(lines[:, :1], np.nan)], 1).reshape(-1, 2).T


def _squares(middle: np.ndarray, cell: float) -> np.ndarray:
    """Return the sides, (S, 2, 3), of the ground's squares around a place."""
    i, k = (axis.ravel() for axis in np.meshgrid(np.arange(-SQUARES, SQUARES + 1), np.arange(-SQUARES, SQUARES)))
    along = np.stack([np.stack([i, 0 * i, k], -1), np.stack([i, 0 * i, k + 1], -1)], 1)
    return cell * (np.concatenate([along, along[..., ::-1]]) + np.round(middle / cell) * [1, 0, 1])


def _nice(length: float) -> float:
    """Round a length up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(length))
    return power * next(m for m in (1, 2, 5, 10) if length <= m * power * (1 + 1e-9))
