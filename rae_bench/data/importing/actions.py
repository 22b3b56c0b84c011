"""Actions of recordings that nobody labelled: found from posture, speed and turning, by one rule for every rig.

docs/guides/importing.md has the rule in words. Heights are in legs, the height of the standing pelvis. Speed and
turning are those of the course. Speed is a Froude number, v^2 / (g leg), by which animals of all sizes change gait
alike (Alexander and Jayes 1983, A dynamic similarity hypothesis for the gaits of quadrupedal mammals, Journal of
Zoology 201).

A quarter of rest in a segment counts more than the walk after it, because a path does not tell whether a body that
stays where it is stands, sits or lies.
"""

from __future__ import annotations

import numpy as np

from rae_bench.motion.motion import Motion

VERSION = 1
"""Covers the rule, and with it the actions of segments; raise it when these numbers move."""
ACTIONS = ("raised", "jump", "lie", "sit", "run", "walk", "turn", "stand")
"""All that the rule may find."""
RAISED, LOW, LYING = 1.25, 0.6, 0.35
"""Legs: a pelvis above the first is raised, below the second it sits or lies, and lies with a chest below the third."""
RUNNING, WALKING = 0.5, 0.01
"""Froude numbers from which a body runs and walks."""
TURNING = 0.5
"""Radians a second from which a body that does not walk turns."""
JUMP, REST = 0.1, 0.25
"""Seconds of a segment that are raised in a jump, and share of it that sits or lies, from which that is its action."""
GRAVITY = 9.81


def find_actions(motion: Motion, course: np.ndarray) -> tuple[str, ...]:
    """Return the action of each segment, one of `ACTIONS`.

    Args:
        motion: N segments of up to T frames, metres, y up, the ground at height 0.
        course: (N, T + A, 3), of `rae_bench.motion.course.course_of`: x and z in metres and heading in radians, of the
            whole takes.
    """
    frames = frame_actions(motion, course)
    share = {action: (motion.valid & (frames == k)).sum(1) / motion.lengths for k, action in enumerate(ACTIONS)}
    resting, moving = ("lie", "sit"), ("run", "walk", "turn", "stand")

    def commonest(actions: tuple[str, ...]) -> np.ndarray:
        return np.array(actions)[np.argmax([share[action] for action in actions], axis=0)]

    found = np.select(
        [
            share["raised"] > 0.5,
            share["raised"] * motion.lengths >= JUMP * motion.fps,
            share["lie"] + share["sit"] >= REST,
        ],
        [np.array("raised"), np.array("jump"), commonest(resting)],
        commonest(moving),
    )
    return tuple(found.tolist())


def frame_actions(motion: Motion, course: np.ndarray) -> np.ndarray:
    """Return the action of each frame as an index of `ACTIONS`, (N, T); a frame is never a jump by itself.

    Args:
        motion, course: as of `find_actions`.
    """
    rig, frames = motion.rig, motion.root_positions.shape[1]
    pelvis, chest = rig.roles.get("pelvis", 0), _chest(motion)
    rest = rig.rest_global[0]
    leg = max(float(rest[pelvis, 1] - rest[:, 1].min()), 1e-6)
    heights = motion.positions[..., 1] / leg
    along = np.gradient(course.astype(np.float64), axis=1)[:, :frames] * motion.fps
    froude = (along[..., 0] ** 2 + along[..., 1] ** 2) / (GRAVITY * leg)
    rules = {
        "raised": heights[..., pelvis] > RAISED,
        "lie": (heights[..., pelvis] < LOW) & (heights[..., chest] < LYING),
        "sit": heights[..., pelvis] < LOW,
        "run": froude >= RUNNING,
        "walk": froude >= WALKING,
        "turn": np.abs(along[..., 2]) >= TURNING,
    }
    numbers = [ACTIONS.index(action) for action in rules]
    found: np.ndarray = np.select(list(rules.values()), numbers, ACTIONS.index("stand"))
    return found


def _chest(motion: Motion) -> int:
    """Return the joint from which both hands' chains hang, else the head, else the pelvis."""
    roles, ancestors = motion.rig.roles, motion.rig.ancestors
    if "left_hand" in roles and "right_hand" in roles:
        return int(np.flatnonzero(ancestors[roles["left_hand"]] & ancestors[roles["right_hand"]])[-1])
    return int(roles.get("head", roles.get("pelvis", 0)))
