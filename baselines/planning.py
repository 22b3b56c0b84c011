"""How key joints go where they are asked to: what the control `interpolate` plans before inverse kinematics."""

from __future__ import annotations

import itertools

import numpy as np

from rae_bench.model import HORIZONS, KINDS, ROLES, Prompt, quat

CONTACT, KEYFRAME = KINDS.index("contact"), KINDS.index("keyframe")
SWING = 0.3
"""Seconds of a swing where the history shows no whole one."""
CALM = 0.85
"""Share of its velocity that the pelvis keeps in a thirtieth of a second while touch-downs lead it."""
PELVIS = ROLES.index("pelvis")


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """The share of the way that is done at a share u, 0 to 1, of the time."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u * u)


def way_of_keys(
    prompt: Prompt, keys: np.ndarray, key_turns: np.ndarray, frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Key-joint positions (N, G, 8, 3) and rest-relative rotations (N, G, 8, 4) on their way, both in the world.

    Args:
        keys, key_turns: (N, H, 8, ...) of the history.
        frames: G.
    """
    # Row t of the objectives is what may be known when frame t + 1 is made.
    first = prompt.history.root_positions.shape[1] - 1
    known = prompt.objectives.cut(first, first + frames)
    walk = _Walk(prompt, keys, key_turns)
    at, turn = keys[:, first].copy(), key_turns[:, first].copy()
    out = np.empty((len(at), frames, *at.shape[1:]), np.float32)
    out_turn = np.empty((len(at), frames, *turn.shape[1:]), np.float32)
    begun = np.zeros(at.shape[:2], int)  # frame at which the way to the current objective began
    since, since_turn, due = at.copy(), turn.copy(), np.full(at.shape[:2], -1)
    for i in range(frames):
        left = known.arrivals[:, i] - i
        asked = known.active[:, i] & (left > 0)
        contact = asked & (known.kinds[:, i] == CONTACT)
        goes = asked & ~(contact & walk.stands & (left > walk.swing))
        new = goes & (due != known.arrivals[:, i])
        begun = np.where(new, i, begun)
        since, since_turn = np.where(new[..., None], at, since), np.where(new[..., None], turn, since_turn)
        due = np.where(new, known.arrivals[:, i], np.where(goes, due, -1))
        walk.stands = np.where(goes, left <= 1, walk.stands)

        u = (i + 1 - begun) / np.maximum(known.arrivals[:, i] - begun, 1)
        smooth = known.kinds[:, i] != KEYFRAME
        done = np.where(smooth, minimum_jerk(u), u)[..., None].astype(np.float32)
        goal = since + done * (known.positions[:, i] - since)
        goal[..., 1] += np.where(contact, walk.rise * 16 * (u * (1 - u)) ** 2, 0)
        goal_turn = quat.slerp(since_turn, known.rotations[:, i], done[..., 0])

        place, facing = goal[:, PELVIS], goal_turn[:, PELVIS]
        if prompt.path is not None:
            place, facing = walk.along(prompt.path.positions[:, first + i, 0], prompt.path.headings[:, first + i, 0])
        else:
            led = walk.led(known.positions[:, i], known.rotations[:, i], left, contact)
            own = asked[:, PELVIS, None]
            place, facing = np.where(own, place, led[0]), np.where(own, facing, led[1])
        walk.take(place, facing)
        rigid = quat.mul(facing, quat.inverse(turn[:, PELVIS]))[:, None]
        carried = place[:, None] + quat.rotate(np.broadcast_to(rigid, turn.shape), at - at[:, PELVIS, None])
        # A foot that stands stays where it is.
        planted = (walk.stands & walk.feet)[..., None] & ~asked[:, PELVIS, None, None] & (prompt.path is None)
        rest, rest_turn = np.where(planted, at, carried), np.where(planted, turn, quat.mul(rigid, turn))
        at = np.where(goes[..., None], goal, rest)
        turn = np.where(goes[..., None], goal_turn, rest_turn)
        at[:, PELVIS], turn[:, PELVIS] = place, facing
        out[:, i], out_turn[:, i] = at, turn
    return out, out_turn


class _Walk:
    """What the history says of N bodies that walk: where feet touch down, how long they swing, how the pelvis goes.

    Attributes:
        feet: (8,) bool, roles with contact joints.
        stands: (N, 8) bool, whether they stand now.
        swing: (N, 1) frames.
        rise: (N, 8) metres that a role rises in a swing.
    """

    def __init__(self, prompt: Prompt, keys: np.ndarray, key_turns: np.ndarray) -> None:
        history, rig = prompt.history, prompt.rig
        self.fps = prompt.fps
        self.feet = np.isin(np.arange(len(ROLES)), rig.contact_slots)
        down = np.zeros(keys.shape[:3], bool)
        for column, slot in enumerate(rig.contact_slots):
            if slot >= 0:
                down[..., slot] |= history.contacts[..., column]
        touch = np.zeros_like(down)
        touch[:, 1:] = down[:, 1:] & ~down[:, :-1]
        self.stands = down[:, -1].copy()
        self.swing = np.stack([_swing(clip, self.feet, SWING * prompt.fps) for clip in down])[:, None]
        self.rise = np.maximum(keys[..., 1].max(1) - keys[..., 1].min(1), 0) * self.feet

        yaw = history.root.yaw
        ahead = history.root.vectors_in(keys - keys[:, :, PELVIS, None])  # (N, H, 8, 3) seen from the pelvis
        turned = quat.wrapped(quat.yaw(key_turns) - yaw[..., None])
        # Where no foot touches down in the history, the frame in which it is furthest ahead stands for that.
        furthest = np.zeros_like(touch)
        np.put_along_axis(furthest, ahead[..., 2].argmax(1)[:, None], True, 1)
        when = np.where(touch.any(1, keepdims=True), touch, furthest).astype(float)
        when /= when.sum(1, keepdims=True)
        self.reach = (when[..., None] * ahead).sum(1)
        self.turned = (when * turned).sum(1)

        self.place, self.facing = keys[:, -1, PELVIS].copy(), key_turns[:, -1, PELVIS].copy()
        self.yaw = yaw[:, -1].copy()
        span = max(keys.shape[1] - 1, 1)
        self.velocity = (keys[:, -1, PELVIS] - keys[:, 0, PELVIS]) * [1, 0, 1] / span
        self.spin = (np.unwrap(yaw, axis=1)[:, -1] - yaw[:, 0]) / span

    def take(self, place: np.ndarray, facing: np.ndarray) -> None:
        """The pelvis has gone to (N, 3), and faces (N, 4)."""
        self.yaw = self.yaw + quat.wrapped(quat.yaw(facing) - quat.yaw(self.facing))
        self.place, self.facing = place, facing

    def _moved(self, velocity: np.ndarray, spin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.place + velocity, quat.mul(quat.from_yaw(spin), self.facing)

    def along(self, place: np.ndarray, heading: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next place and rotation of a pelvis that is to be at (N, 2), heading (N,), a third of a second ahead."""
        gap = np.zeros_like(self.place)
        gap[:, [0, 2]] = place - self.place[:, [0, 2]]
        share = 1 / max(round(self.fps * HORIZONS[0]), 1)
        return self._moved(share * gap, share * quat.wrapped(heading - self.yaw))

    def led(
        self, places: np.ndarray, turns: np.ndarray, left: np.ndarray, contact: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next place and rotation of a pelvis that touch-downs lead.

        Args:
            places, turns: (N, 8, ...) of the objectives.
            left: (N, 8) frames to arrival.
            contact: (N, 8) bool, which of them are touch-downs to come.
        """
        wanted = quat.yaw(turns) - self.turned
        c, s = np.cos(wanted), np.sin(wanted)
        x, z = self.reach[..., 0], self.reach[..., 2]
        frames = np.maximum(left, 1)
        gap = np.stack([places[..., 0] - (c * x + s * z), places[..., 2] - (c * z - s * x)], -1)
        gap = (gap - self.place[:, None, [0, 2]]) / frames[..., None]
        spin = quat.wrapped(wanted - self.yaw[:, None]) / frames
        # The touch-down that comes first says most.
        weight = np.where(contact, 1 / (frames + 0.1 * self.fps), 0)
        total = np.maximum(weight.sum(1, keepdims=True), 1e-9)
        keep = CALM ** (30 / self.fps)
        asked = np.zeros_like(self.velocity)
        asked[:, [0, 2]] = (weight[..., None] * gap).sum(1) / total
        self.velocity = keep * self.velocity + (1 - keep) * asked
        self.spin = keep * self.spin + (1 - keep) * (weight * spin).sum(1) / total[:, 0]
        return self._moved(self.velocity, self.spin)


def _swing(down: np.ndarray, feet: np.ndarray, otherwise: float) -> float:
    """Median frames of the whole swings that contacts (H, 8) of the feet (8,) show; `otherwise` where there is none."""
    lengths: list[int] = []
    for slot in np.flatnonzero(feet):
        edges = np.flatnonzero(np.diff(down[:, slot].astype(int)))
        lengths += [int(b - a) for a, b in itertools.pairwise(edges) if not down[a + 1, slot]]
    return float(np.median(lengths)) if lengths else otherwise
