"""From arrays to the text of a page. Names may come from anybody, so they reach the page only as JSON and as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
from rae_bench.viewer.errors import MEASURES
from rae_bench.viewer.packing import in_steps, packed

FINENESS = 2000
"""Into how many steps a rig's size is divided: places are exact to half a step."""
SCRIPTS = ("data", "scene", "pose", "camera", "draw", "errors", "address", "main")
"""The page's scripts in their order."""
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
        name: what people call it; the address of the page names it by its `id`.
        truth: (T, J, 3) metres, world.
        made: (T - start, J, 3) metres, world, of every other actor; J is that of its rig. An actor that has not made
            this clip has no frames.
        objectives: the clip's objectives, (1, T, 8, ...).
        contacts: the truth's contacts, (T, C) bool.
        path: what the track `control` asks, (1, T, ...); None in other tracks.
        opens: frame from which the clip is shown when somebody comes to look at its worst moment; None for the first.
        about: more about it, such as its path and style.
        errors: of every other actor, what `errors.frame_errors` says, (T - start,); () where there is no truth.
    """

    name: str
    start: int
    truth: np.ndarray
    made: Sequence[np.ndarray]
    objectives: Objectives
    contacts: np.ndarray
    path: RootPath | None = None
    opens: int | None = None
    id: str = ""
    about: str = ""
    errors: Sequence[Mapping[str, np.ndarray]] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a page shows. The first actor is the truth.

    Attributes:
        beside: whether the page opens with every actor in a picture of its own, as those of different sizes need.
        first: the clip with which the page opens.
    """

    title: str
    subtitle: str
    rig: Rig
    fps: float
    actors: Sequence[Actor]
    clips: Sequence[Clip]
    beside: bool = False
    first: int = 0


def _clip(clip: Clip, step: float) -> dict[str, Any]:
    """Return what the page knows of a clip from the start, and as `packed` what it unpacks when the clip is shown."""
    made = [points for points in clip.made if len(points)]
    errors = [e for points, e in zip(clip.made, clip.errors, strict=False) if len(points)]
    arrays = [in_steps(points, step) for points in (clip.truth, *made, clip.objectives.positions[0])]
    arrays += [clip.objectives.kinds[0], clip.contacts]
    arrays += [] if clip.path is None else [in_steps(on_ground(clip.path), step)]
    arrays += [in_steps(one[measure], step) for one in errors for measure in MEASURES]
    return {
        "name": clip.name,
        "id": clip.id or clip.name,
        "about": clip.about,
        "frames": len(clip.truth),
        "start": clip.start,
        "opens": clip.opens,
        "has": [True, *(len(points) > 0 for points in clip.made)],
        "path": clip.path is not None,
        "means": [[float(f"{one[m].mean():.4g}") for one in errors] for m in MEASURES] if errors else [],
        "packed": packed(arrays),
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
    rig, step = scene.rig, bulk(scene.rig) / FINENESS
    return {
        "title": scene.title,
        "subtitle": scene.subtitle,
        "fps": float(scene.fps),
        "beside": scene.beside,
        "first": scene.first,
        "size": bulk(rig),
        "step": step,
        "measures": MEASURES,
        "kinds": sorted({int(kind) for clip in scene.clips for kind in np.unique(clip.objectives.kinds)}),
        **_skeleton(rig, rig.contact_joints.tolist()),
        "characters": [
            {
                "label": a.label, "note": a.note, "colours": list(a.colours), "shown": a.shown,
                "skeleton": None if a.rig is None else _skeleton(a.rig, a.stands),
            }
            for a in scene.actors
        ],
        "clips": [_clip(clip, step) for clip in scene.clips],
    }


def _skeleton(rig: Rig, stands: Sequence[int]) -> dict[str, Any]:
    return {
        "root": int(rig.roles.get("pelvis", 0)),
        "parents": [int(p) for p in rig.parents],
        "contactJoints": [int(j) for j in stands],
        "keyJoints": [int(j) if filled else -1 for j, filled in zip(rig.key_joints, rig.role_mask, strict=True)],
    }


@lru_cache(maxsize=1)
def _template() -> tuple[str, str]:
    """Return the page before the data and after it."""
    folder = resources.files("rae_bench.viewer")

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    style, script = text("assets/style.css"), "".join(text(f"assets/{name}.js") for name in SCRIPTS)
    head, _, rest = text("template.html").partition("{{data}}")
    middle, _, rest = rest.partition("{{three}}")
    between, _, tail = rest.partition("{{script}}")
    return head.replace("{{style}}", style), middle + text("three.bundle.js") + between + script + tail


def page(scene: Scene) -> str:
    """Return the whole page: one HTML file that needs no network."""
    # The JSON has no "<", so no name in it can end its script element.
    data = json.dumps(page_data(scene), allow_nan=False, separators=(",", ":")).translate(ESCAPES)
    head, tail = _template()
    return head + data + tail


def write_page(scene: Scene, path: Path) -> Path:
    """Write the page, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_text(page(scene), encoding="utf-8")
    return path
