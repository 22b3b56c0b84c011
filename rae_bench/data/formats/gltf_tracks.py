"""Animations of glTF 2.0 as values of nodes at the frames of an even rate.

Section numbers are those of the specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rae_bench.data.formats.gltf_file import Animation, GltfFile
from rae_bench.data.formats.units import rounded_rate
from rae_bench.kinematics import quat

WIDTHS = {"translation": 3, "rotation": 4, "scale": 3}
"""Paths that move a node, and how many numbers each takes."""
_INTERPOLATIONS = ("LINEAR", "STEP", "CUBICSPLINE")
ON_GRID = 0.04
"""Keys that lie within this share of a frame of an even rate lie on it: files round to milliseconds."""
SLOWEST = 20.0
"""Frames per second: keys that follow one another more slowly were set by hand, and motion lies between them."""
COMMON = (30.0, 60.0, 24.0, 25.0, 50.0, 120.0, 100.0, 240.0, 48.0, 90.0)
"""Rates to look for keys on, where they are no even row."""
UNEVEN = 60.0
"""Frames per second at which keys are sampled that lie on no even rate."""
MAX_PER_KEY, MAX_FEW = 300, 10_000
"""Frames per key, and frames in any case, of an animation that is read: a lone time far off is damage."""


@dataclass(frozen=True, eq=False)
class Track:
    """The keys of one property of a node.

    Attributes:
        times: (K,) seconds, not decreasing.
        values: (K, W), or (K, 3, W) of in-tangent, value and out-tangent where it is a cubic spline.
        interpolation: "LINEAR", "STEP" or "CUBICSPLINE".
    """

    times: np.ndarray
    values: np.ndarray
    interpolation: str

    @property
    def keys(self) -> np.ndarray:
        """(K, W) values at the keys."""
        return self.values[:, 1] if self.values.ndim == 3 else self.values


Tracks = Mapping[tuple[int, str], Track]
"""(node, path) -> its keys; a path is one of `WIDTHS`."""


def read_tracks(file: GltfFile, animation: Animation, label: str) -> dict[tuple[int, str], Track]:
    """Return the keys of all nodes that an animation moves (3.11); morph targets and pointers are left out.

    Quaternions keep the order of the file, x, y, z, w, and its length.

    Args:
        file: the file.
        animation: one of its animations.
        label: its name, for messages.

    Raises:
        UserError: A channel names what is not there, or its keys do not fit together.
    """
    tracks: dict[tuple[int, str], Track] = {}
    for number, channel in enumerate(animation.channels):
        node, path = channel.target.node, channel.target.path
        if node is None or path not in WIDTHS:
            continue
        where = f"animation '{label[:40]}', channel {number}"
        if not 0 <= node < len(file.document.nodes) or not 0 <= channel.sampler < len(animation.samplers):
            raise file.source.fault(f"{where}: names a node or a sampler that is not there; export it again")
        sampler = animation.samplers[channel.sampler]
        if sampler.interpolation not in _INTERPOLATIONS:
            raise file.source.fault(f"{where}: no interpolation of glTF: '{sampler.interpolation[:20]}'")
        times, values = file.array(sampler.input), file.array(sampler.output)
        cubic = sampler.interpolation == "CUBICSPLINE"
        if times.shape[1] != 1 or values.shape != (len(times) * (3 if cubic else 1), WIDTHS[path]):
            text = f"{len(times)} keys, but {values.shape[0]} values of {values.shape[1]} numbers for a {path}"
            raise file.source.fault(f"{where}: {text}; the file is damaged, export it again")
        if (np.diff(times[:, 0]) < 0).any():
            raise file.source.fault(f"{where}: key times run backwards; the file is damaged, export it again")
        if cubic:
            values = values.reshape(len(times), 3, WIDTHS[path])
        track = Track(times[:, 0].astype(np.float64), values, sampler.interpolation)
        if path == "rotation" and np.linalg.norm(track.keys, axis=-1).min() < 1e-3:
            raise file.source.fault(f"{where}: a quaternion of 0, which is no turn; export it again")
        tracks[node, path] = track
    return tracks


def frame_rate(tracks: Tracks) -> tuple[float, bool]:
    """Return the frames per second on which all keys lie, and whether they do lie on one.

    It is the rate of the keys where they are an even row of at least `SLOWEST`, else the first of `COMMON` on which
    they all lie, else a multiple of the even row's rate, else `UNEVEN`.
    """
    different = {track.times.tobytes(): track.times for track in tracks.values()}
    times = np.unique(np.concatenate(list(different.values())))
    gaps = np.diff(times)
    gaps = gaps[gaps > 1e-4]
    if not len(gaps):
        return COMMON[0], True
    span, count = float(times[-1] - times[0]), 0
    count = round(span / float(np.median(gaps)))
    even = rounded_rate(span / count) if count else UNEVEN
    is_even = _on_grid(times, even)
    if is_even and even >= SLOWEST:
        return even, True
    fitting = next((rate for rate in COMMON if _on_grid(times, rate)), None)
    if fitting is None and is_even:
        fitting = even * np.ceil(COMMON[0] / even)
    return (float(fitting), True) if fitting else (UNEVEN, False)


def _on_grid(times: np.ndarray, fps: float) -> bool:
    """Return whether all times lie on frames of a rate, counted from the first."""
    frames = (times - times[0]) * fps
    return bool((np.abs(frames - np.round(frames)) <= ON_GRID).all())


class Sampled:
    """An animation at an even rate, from its first key to its last; nodes hold their first and last keys beyond theirs.

    Args:
        tracks: keys of nodes, at least one.
        fps: frames per second.
        columns: node -> its column in the arrays that are filled; other nodes are passed over.

    Attributes:
        frames: how many frames it has.
    """

    def __init__(self, tracks: Tracks, fps: float, columns: Mapping[int, int]) -> None:
        start = min(track.times[0] for track in tracks.values())
        stop = max(track.times[-1] for track in tracks.values())
        self.frames = int((stop - start) * fps + ON_GRID) + 1
        self._fps = fps
        alike: defaultdict[tuple[str, str, bytes], list[int]] = defaultdict(list)
        for (node, path), track in tracks.items():
            if node in columns:
                alike[path, track.interpolation, track.times.tobytes()].append(node)
        self._groups = []
        for (path, interpolation, _), nodes in alike.items():
            at = (tracks[nodes[0], path].times - start) * fps
            at = np.where(np.abs(at - np.round(at)) <= ON_GRID, np.round(at), at)
            keys = np.stack([tracks[node, path].values for node in nodes], -2)
            self._groups.append((path, interpolation, [columns[node] for node in nodes], at, keys))

    def fill(self, frames: range, path: str, out: np.ndarray) -> None:
        """Put the values of a path into the columns of the nodes that the animation moves.

        Args:
            frames: which frames.
            path: one of `WIDTHS`; rotations become (w, x, y, z) of unit length.
            out: (len(frames), columns, W).
        """
        wanted = np.arange(frames.start, frames.stop)
        for of, interpolation, places, at, keys in self._groups:
            if of == path:
                values = self._between(keys, at, wanted, interpolation, path)
                out[:, places] = quat.normalize(np.roll(values, 1, -1)) if path == "rotation" else values

    def _between(
        self, keys: np.ndarray, at: np.ndarray, wanted: np.ndarray, interpolation: str, path: str
    ) -> np.ndarray:
        """Return values (F, M, W) at frames (appendix C).

        Args:
            keys: (K, M, W) of M nodes, (K, 3, M, W) of a cubic spline.
            at: (K,) frames of the keys.
            wanted: (F,) frames.
            interpolation: of all of them.
            path: what they are; rotations keep the order of the file and need not be of unit length.
        """
        before = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, len(at) - 1)
        after = np.minimum(before + 1, len(at) - 1)
        gap = at[after] - at[before]
        share = np.clip((wanted - at[before]) / np.where(gap > 0, gap, 1), 0, 1)
        if interpolation == "STEP":
            return keys[before].astype(np.float64)
        if interpolation == "CUBICSPLINE":
            t, seconds = share[:, None, None], (gap / self._fps)[:, None, None]
            values: np.ndarray = (
                (2 * t**3 - 3 * t**2 + 1) * keys[before, 1]
                + seconds * (t**3 - 2 * t**2 + t) * keys[before, 2]
                + (3 * t**2 - 2 * t**3) * keys[after, 1]
                + seconds * (t**3 - t**2) * keys[after, 0]
            )
            return values
        low = keys[before].astype(np.float64)
        if not share.any():
            return low
        high = keys[after].astype(np.float64)
        if path == "rotation":  # x, y, z, w: the order of the parts does not matter to the arc
            return quat.slerp(_unit_length(low), _unit_length(high), share[:, None])
        return low + (high - low) * share[:, None, None]


def _unit_length(quaternions: np.ndarray) -> np.ndarray:
    """Return quaternions (..., 4) in any order scaled to unit length; none of them is 0."""
    return quaternions / np.sqrt(np.einsum("...i,...i->...", quaternions, quaternions))[..., None]


def too_long(sampled: Sampled, tracks: Tracks) -> bool:
    """Return whether an animation has far more frames than its keys account for."""
    return sampled.frames > MAX_FEW + MAX_PER_KEY * max(len(track.times) for track in tracks.values())
