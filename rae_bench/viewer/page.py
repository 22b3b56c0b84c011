"""From arrays to the text of a page. Names may come from anybody, so they reach the page only as JSON and as text."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.rigs.rig import Rig
from rae_bench.storage import whole_file

LARGEST_STEP = 32767
"""The largest 16-bit step."""
ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


@dataclass(frozen=True)
class Actor:
    """One skeleton of the page.

    Attributes:
        label: its name in the legend.
        colours: its colour on a light and on a dark ground, "#rrggbb".
        note: small print beside the label.
        shown: whether it is shown from the start.
        rig: its skeleton where that is not the scene's; the clips have no history then.
        stands: its joints that stand where the contact joints of the scene's rig do, -1 for none.
    """

    label: str
    colours: tuple[str, str]
    note: str = ""
    shown: bool = True
    rig: Rig | None = None
    stands: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip of T frames. The first `start` frames are history, which is the truth's for every actor.

    Attributes:
        truth: (T, J, 3) metres, world.
        made: (T - start, J, 3) metres, world, of every other actor; J is that of its rig.
        objectives: the clip's objectives, (1, T, 8, ...).
        contacts: the truth's contacts, (T, C) bool.
        path: what the track `control` asks, (1, T, ...); None in other tracks.
        opens: frame at which the page stands when it opens; None plays from the start.
    """

    name: str
    start: int
    truth: np.ndarray
    made: Sequence[np.ndarray]
    objectives: Objectives
    contacts: np.ndarray
    path: RootPath | None = None
    opens: int | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a page shows. The first actor is the truth.

    Attributes:
        beside: whether the page opens with every actor in a picture of its own, as those of different sizes need.
    """

    title: str
    subtitle: str
    rig: Rig
    fps: float
    actors: Sequence[Actor]
    clips: Sequence[Clip]
    beside: bool = False


def _packed(points: np.ndarray) -> dict[str, Any]:
    """Pack (..., 3) metres as 16-bit steps, each a fifth of a millimetre where the points span ten metres."""
    points = np.nan_to_num(np.asarray(points, np.float64), posinf=0, neginf=0).reshape(-1, 3)
    low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(3), np.zeros(3))
    offset, step = (low + high) / 2, max(float((high - low).max()) / 2, 1e-3) / LARGEST_STEP
    whole = np.clip(np.round((points - offset) / step), -LARGEST_STEP, LARGEST_STEP).astype("<i2")
    return {"offset": [float(v) for v in offset], "step": step, "data": _text(whole)}


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _clip(clip: Clip) -> dict[str, Any]:
    return {
        "name": clip.name,
        "frames": len(clip.truth),
        "start": clip.start,
        "opens": clip.opens,
        "tracks": [_packed(points) for points in (clip.truth, *clip.made)],
        "objectives": _packed(clip.objectives.positions[0]),
        "kinds": _text(clip.objectives.kinds[0].astype(np.uint8)),
        "contacts": _text(clip.contacts.astype(np.uint8)),
        "path": None if clip.path is None else _packed(on_ground(clip.path)),
    }


def on_ground(path: RootPath) -> np.ndarray:
    """Return the places (T, 3, 3) in metres at the path's horizons, a little over the ground."""
    x, z = np.moveaxis(path.positions[0], -1, 0)
    return np.stack([x, np.full_like(x, 0.005), z], -1)


def bulk(rig: Rig) -> float:
    """Return the size that thicknesses go by, metres: the height, or more for a rig much longer than high."""
    return float(max(rig.height, 0.6 * np.ptp(rig.rest_global[0], axis=0).max()))


def page_data(scene: Scene) -> dict[str, Any]:
    """Return what the page's script reads, ready for JSON."""
    rig = scene.rig
    return {
        "title": scene.title,
        "subtitle": scene.subtitle,
        "fps": float(scene.fps),
        "beside": scene.beside,
        "size": bulk(rig),
        **_skeleton(rig, rig.contact_joints.tolist()),
        "characters": [
            {
                "label": a.label, "note": a.note, "colours": list(a.colours), "shown": a.shown,
                "skeleton": None if a.rig is None else _skeleton(a.rig, a.stands),
            }
            for a in scene.actors
        ],
        "clips": [_clip(clip) for clip in scene.clips],
    }


def _skeleton(rig: Rig, stands: Sequence[int]) -> dict[str, Any]:
    return {
        "root": int(rig.roles.get("pelvis", 0)),
        "parents": [int(p) for p in rig.parents],
        "contactJoints": [int(j) for j in stands],
        "keyJoints": [int(j) if filled else -1 for j, filled in zip(rig.key_joints, rig.role_mask, strict=True)],
    }


@lru_cache(maxsize=1)
def _template() -> tuple[str, str, str]:
    """Return the page before the data, the part between data and library with the library, and the rest."""
    folder = resources.files("rae_bench.viewer")
    text = (folder / "template.html").read_text(encoding="utf-8")
    head, _, rest = text.partition("{{data}}")
    middle, _, tail = rest.partition("{{three}}")
    return head, middle + (folder / "three.bundle.js").read_text(encoding="utf-8"), tail


def page(scene: Scene) -> str:
    """Return the whole page: one HTML file that needs no network."""
    # The JSON has no "<", so no name in it can end its script element.
    data = json.dumps(page_data(scene), allow_nan=False, separators=(",", ":")).translate(ESCAPES)
    head, middle, tail = _template()
    return head + data + middle + tail


def write_page(scene: Scene, path: Path) -> Path:
    """Write the page, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_text(page(scene), encoding="utf-8")
    return path
