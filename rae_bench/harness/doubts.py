"""What speaks against a motion that a kept model made: what it misses, its feet, and what was asked beyond training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rae_bench.data.wording import as_length
from rae_bench.motion.contacts import CONTACT_HEIGHT, joint_speeds
from rae_bench.motion.motion import Motion
from rae_bench.objectives.written import WrittenObjectives
from rae_bench.rigs.rig import ROLES

MISSED = 0.1
"""Rig heights by which an objective is missed that is worth a warning."""
SUNK = 0.03
"""Rig heights of a contact joint below where it stands."""
SLIDES = 0.1
"""Rig heights a second of the lowest foot over the ground, on average."""
FASTER, HIGHER = 1.25, 0.05
"""Speed and reach are asked beyond training by this factor; a height by this share of the rig's."""


@dataclass(frozen=True)
class Doubt:
    """One thing that speaks against a motion.

    Attributes:
        text: one line.
        size: how many times as much as is worth a warning.
        frame: where it is worst, counted from the end of the history; None where it concerns what was asked.
    """

    text: str
    size: float
    frame: int | None = None


def trained_range(motion: Motion) -> dict[str, Any]:
    """Return what a model was trained on, ready for JSON: `speed`, `reach` and `heights`; {} of no motion.

    Args:
        motion: the training segments.

    Returns:
        speed: m/s over the ground that 99 % of the frames stay below. reach: role -> metres from the pelvis, likewise.
        heights: role -> metres above the ground between which 98 % of the frames are.
    """
    if not len(motion):
        return {}
    rig, real = motion.rig, motion.valid
    pelvis = motion.positions[:, :, rig.roles.get("pelvis", 0)]
    speed = joint_speeds(pelvis[:, :, None] * np.array([1, 0, 1], np.float32), motion.fps, motion.lengths)[real]
    places = {role: motion.positions[:, :, joint] for role, joint in rig.roles.items()}
    return {
        "speed": float(np.percentile(speed, 99)),
        "reach": {
            role: float(np.percentile(np.linalg.norm(place - pelvis, axis=-1)[real], 99))
            for role, place in places.items()
            if role != "pelvis"
        },
        "heights": {role: np.percentile(place[..., 1][real], [1, 99]).tolist() for role, place in places.items()},
    }


def asked_beyond(
    written: WrittenObjectives, trained: Mapping[str, Any], start: np.ndarray, height: float
) -> list[Doubt]:
    """Return what was asked of a model beyond what it was trained on: speed, heights, reach.

    Args:
        written: what was asked, in the root space of the last frame of the history.
        trained: of `trained_range`; {} says nothing.
        start: (3,) metres, the pelvis there.
        height: the rig's, in metres.
    """
    if not trained:
        return []
    pelvis = sorted((o.time, o.position) for o in written.objectives if ROLES[o.slot] == "pelvis" and o.time > 0)
    way = [(0.0, start), *pelvis, *((point.time, np.array([point.x, start[1], point.z])) for point in written.path)]
    times, places = np.array([time for time, _ in way]), np.stack([place for _, place in way])
    doubts = []
    steps = np.linalg.norm(np.diff(places[:, [0, 2]], axis=0), axis=-1) / np.maximum(np.diff(times), 1e-3)
    if len(steps) and steps.max() > FASTER * trained["speed"]:
        worst = int(steps.argmax())
        text = f"{steps[worst]:.2g} m/s on the way to {times[worst + 1]:.2f} s; it was trained at up to"
        doubts.append(Doubt(f"asked for {text} {trained['speed']:.2g} m/s", steps[worst] / max(trained["speed"], 1e-6)))
    for each in written.objectives:
        role = ROLES[each.slot]
        where = f"{role} at {each.time:.2f} s"
        if role in trained["heights"]:
            low, high = trained["heights"][role]
            off = max(low - each.position[1], each.position[1] - high)
            if off > HIGHER * height:
                text = f"a height of {as_length(each.position[1])}; it was trained between {as_length(low)} and"
                doubts.append(Doubt(f"{where}: asked for {text} {as_length(high)}", off / (HIGHER * height)))
        if role in trained["reach"] and pelvis:
            middle = np.array([np.interp(each.time, times, places[:, axis]) for axis in range(3)])
            far = float(np.linalg.norm(each.position - middle))
            known = trained["reach"][role]
            if far > FASTER * known:
                text = f"{as_length(far)} from where the pelvis is asked to be; it was trained on up to"
                doubts.append(Doubt(f"{where}: {text} {as_length(known)}", far / max(known, 1e-6)))
    return doubts


def missed(distances: Sequence[tuple[str, float, float]], fps: float, height: float) -> list[Doubt]:
    """Return the roles that missed objectives by far, the worst of each; (role, seconds, metres) of all are given."""
    worst: dict[str, tuple[float, float]] = {}
    for role, time, metres in distances:
        if metres > max(MISSED * height, worst.get(role, (0.0, 0.0))[1]):
            worst[role] = time, metres
    return [
        Doubt(f"{role} misses what it was asked by {as_length(metres)} at {time:.2f} s", metres / (MISSED * height),
              max(0, round(time * fps) - 1))
        for role, (time, metres) in worst.items()
    ]  # fmt: skip


def feet(made: Motion, stance: np.ndarray) -> tuple[str, list[Doubt]]:
    """Return how deep feet sink and how fast they slide in words, and what of it is worth a warning.

    Args:
        made: one clip.
        stance: (C,) metres, how high each contact joint stands.
    """
    rig = made.rig
    if not len(rig.contact_joints):
        return "", []
    places = made.positions[0][:, rig.contact_joints]
    above = places[..., 1] - stance
    frame, foot = divmod(int(above.argmin()), above.shape[1])
    depth = max(0.0, -float(above[frame, foot]))
    speed = joint_speeds(places[None] * np.array([1, 0, 1], np.float32), made.fps, made.lengths)[0]
    lowest = above.argmin(1)
    frames = np.arange(len(above))
    near = above[frames, lowest] < CONTACT_HEIGHT * rig.height
    sliding = np.where(near, speed[frames, lowest], 0)
    slide = float(sliding[near].mean()) if near.any() else 0.0
    name = rig.joint_names[rig.contact_joints[foot]]
    text = f"feet: {as_length(depth)} below the ground at most, the lowest slides at {100 * slide:.1f} cm/s"
    doubts = []
    if depth > SUNK * rig.height:
        line = f"{name} sinks {as_length(depth)} below the ground at {(frame + 1) / made.fps:.2f} s"
        doubts.append(Doubt(line, depth / (SUNK * rig.height), frame))
    if slide > SLIDES * rig.height:
        at = int(sliding.argmax())
        line = f"feet slide at {100 * slide:.0f} cm/s, most at {(at + 1) / made.fps:.2f} s"
        doubts.append(Doubt(line, slide / (SLIDES * rig.height), at))
    if not near.all() and (~near).mean() > 0.5:
        seconds = float((~near).sum() / made.fps)
        doubts.append(Doubt(f"no foot is near the ground for {seconds:.2f} s", 1.0, int((~near).argmax())))
    return text, doubts
