"""The report on a domain as numbers: sizes, bones, feet, speeds, clips, recordings and their glitches."""

from __future__ import annotations

from typing import Any

import numpy as np

from rae_bench.data.corpus import Corpus
from rae_bench.motion.contacts import CONTACT_HEIGHT, joint_speeds, stance_heights

BINS = 32
"""Bins of a histogram."""
FAULTS = ("jump", "spike", "frozen")
"""Kinds of glitches."""


def domain_report(corpus: Corpus) -> dict[str, Any]:
    """Return all that can be said of a domain, ready for JSON: metres, seconds, m/s, shares from 0 to 1.

    It holds `domain_summary` and all that the summary leaves out. What only the files tell (`recordings`, `bones`) is
    as it was at the import.
    """
    motion, rig = corpus.motion, corpus.motion.rig
    length = np.linalg.norm(rig.offsets, axis=-1)
    drift = corpus.provenance.get("bones", {})
    pelvis = motion.positions[:, :, [rig.roles.get("pelvis", 0)]] * np.array([1, 0, 1], np.float32)
    speed = joint_speeds(pelvis, motion.fps, motion.lengths)[..., 0]
    bones = [
        {
            "joint": rig.joint_names[j],
            "parent": rig.joint_names[rig.parents[j]],
            "length": float(length[j]),
            "other_side": float(length[rig.mirror[j]]) if rig.mirror[j] != j else None,
            **drift.get(rig.joint_names[j], {"spread": 0.0, "apart": 0.0}),
        }
        for j in range(1, len(rig))
    ]
    return {
        **domain_summary(corpus),
        "identity": corpus.identity,
        "citation": corpus.provenance.get("citation", ""),
        "unit": corpus.provenance.get("unit"),
        "raised": float(corpus.provenance.get("raised", 0.0)),
        "bones": bones,
        "feet": _feet(corpus),
        "speeds": _histogram(speed[motion.valid]),
        "clips": [
            {
                "id": corpus.ids[n],
                "action": corpus.actions[n],
                "group": corpus.groups[n],
                "seconds": float(size / motion.fps),
                "mean_speed": float(speed[n, :size].mean()),
                "top_speed": float(speed[n, :size].max()),
                "distance": float(np.linalg.norm(pelvis[n, size - 1, 0] - pelvis[n, 0, 0])),
            }
            for n, size in enumerate(motion.lengths.tolist())
        ],
        "recordings": _recordings(corpus),
    }


def _feet(corpus: Corpus) -> list[dict[str, Any]]:
    """Return for each contact joint its contact share, stance height, lowest place, heights, and speed in contact."""
    motion, rig = corpus.motion, corpus.motion.rig
    stance = stance_heights(motion.positions, rig, motion.lengths)
    places = motion.positions[:, :, rig.contact_joints]
    speed = joint_speeds(places * np.array([1, 0, 1], np.float32), motion.fps, motion.lengths)
    feet = []
    for k, joint in enumerate(rig.contact_joints):
        height = np.where(motion.valid, places[:, :, k, 1], np.inf)
        clip, frame = np.unravel_index(int(height.argmin()), height.shape)
        touching = motion.contacts[..., k] & motion.valid
        feet.append(
            {
                "joint": rig.joint_names[joint],
                "share": float(touching[motion.valid].mean()),
                "stance": float(stance[k]),
                "limit": float(stance[k] + CONTACT_HEIGHT * rig.height),
                "lowest": float(height[clip, frame]),
                "lowest_at": f"{corpus.ids[clip]}, {frame / motion.fps:.2f} s",
                "slide": float(speed[..., k][touching].mean()) if touching.any() else None,
                "heights": _histogram(height[motion.valid]),
            }
        )
    return feet


def _histogram(values: np.ndarray) -> dict[str, list[float]]:
    """Return the shares of values in equal bins; the last bin takes the highest thousandth too, which may be far."""
    low, high = min(float(values.min()), 0.0), float(np.percentile(values, 99.9))
    high = high if high > low else low + 1e-3
    counts, edges = np.histogram(np.minimum(values, high), bins=BINS, range=(low, high))
    return {"edges": edges.tolist(), "shares": (counts / len(values)).tolist()}


def _recordings(corpus: Corpus) -> list[dict[str, Any]]:
    """Return every file as it came, with how many segments it gave and how many glitches of each kind it has."""
    stems = [name.rpartition("#")[0] for name in corpus.ids]
    rows = []
    for each in corpus.provenance.get("recordings", []):
        kept = stems.count(each.get("take", each["file"].rpartition(".")[0]))
        faults = {kind: sum(event["kind"] == kind for event in each["events"]) for kind in FAULTS}
        rows.append({**each, "seconds": each["frames"] / each["fps"], "segments": kept, **faults})
    return rows


def domain_summary(corpus: Corpus) -> dict[str, Any]:
    """Return what a person wants to see after an import, ready for JSON.

    Heights are in metres, speeds in m/s, contact shares from 0 to 1.
    """
    motion = corpus.motion
    rig = motion.rig
    pelvis = motion.positions[:, :, rig.roles.get("pelvis", 0)]
    step = np.linalg.norm(np.diff(pelvis[..., [0, 2]], axis=1), axis=-1) * motion.fps
    real = motion.valid[:, 1:]
    actions = np.array(corpus.actions)
    by_action = {}
    for action in sorted(set(corpus.actions)):
        steps = step[actions == action][real[actions == action]]
        by_action[action] = float(steps.mean()) if len(steps) else 0.0  # a segment of one frame goes nowhere
    shares = motion.contacts[motion.valid].mean(0)
    return {
        "name": corpus.name,
        "source": corpus.provenance.get("source", ""),
        "licence": corpus.provenance.get("licence", ""),
        "segments": len(motion),
        "frames": motion.frames,
        "seconds": motion.frames / motion.fps,
        "fps": motion.fps,
        "recorded_fps": corpus.provenance.get("recorded_fps", []),
        "files": len(corpus.provenance.get("files", {})),
        "joints": len(rig),
        "groups": len(set(corpus.groups)),
        "grouped_by": corpus.provenance.get("grouped_by", ""),
        "roles": {role: rig.joint_names[joint] for role, joint in rig.roles.items()},
        "fixed_base": rig.fixed_base,
        "height": rig.height,
        "pelvis_height": float(np.median(pelvis[..., 1][motion.valid])),
        "speed": by_action,
        "contact_share": {
            rig.joint_names[joint]: float(share) for joint, share in zip(rig.contact_joints, shares, strict=True)
        },
        "rest_pose": corpus.provenance.get("rest_pose", ""),
        "dropped": list(corpus.provenance.get("dropped", [])),
        "fixed": list(corpus.provenance.get("fixed", [])),
        "guessed": bool(corpus.provenance.get("guessed", False)),
        "warnings": list(corpus.provenance.get("warnings", [])),
    }
