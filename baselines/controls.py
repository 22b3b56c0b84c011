"""Controls: models that learn nothing, to see what learning is worth.

`hold` repeats the last pose. `interpolate` carries the key joints to their objectives, or the body along the path, and
lets inverse kinematics find the rest. `nearest` replays the training motion that best continues the history. Raise a
card's version when its motion changes.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np

from rae_bench.model import (
    HORIZONS,
    KINDS,
    ROLES,
    Context,
    Domain,
    ModelCard,
    Motion,
    Prompt,
    Trajectory,
    UserError,
    key_transforms,
    quat,
    solve_ik,
    velocities,
)

AUTHORS = "The rae-bench authors"
CONTACT, KEYFRAME = KINDS.index("contact"), KINDS.index("keyframe")


class _Control:
    """What the controls share: they learn nothing, and there is nothing to keep."""

    card: ModelCard

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """Learn nothing."""

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Learn nothing."""

    def save(self, folder: Path) -> None:
        """Keep the name alone, because there is no state."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "control.json").write_text(json.dumps({"control": self.card.name}), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Check that the folder is of this control."""
        _read_card(folder, self.card.name)


def _read_card(folder: Path, name: str) -> None:
    try:
        found = json.loads((folder / "control.json").read_text(encoding="utf-8")).get("control")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}: no saved control ({error})") from None
    if found != name:
        raise UserError(f"{folder}: holds the control {found!r}, not '{name}'")


def _last(history: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Root position (N, 3) and local rotations (N, J, 4) of each clip's last history frame."""
    clip, last = np.arange(len(history)), np.maximum(history.lengths - 1, 0)
    return history.root_positions[clip, last], history.rotations[clip, last]


def _longest(prompt: Prompt) -> int:
    return int(prompt.frames.max(initial=0))


class Hold(_Control):
    """Repeats the last pose of the history."""

    card = ModelCard(
        name="hold",
        version="1",
        authors=AUTHORS,
        licence="MIT",
        description="repeats the last pose of the history",
        capabilities=frozenset(),
        learns=False,
    )

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """The last pose, for as long as the prompt asks."""
        root, rotations = _last(prompt.history)
        frames = _longest(prompt)
        return Trajectory(
            np.repeat(root[None, :, None], frames, 2).astype(np.float32),
            np.repeat(rotations[None, :, None], frames, 2).astype(np.float32),
        )


class Interpolate(_Control):
    """Does what is asked as straight as a body can, and nothing else: what beats it has learnt.

    Nothing of later objectives is used. The pelvis goes

    - along the path, where there is one: to the place a third of a second ahead;
    - to its own objective in a straight line, where it has one;
    - else to where it has to be when feet touch down. In the history a foot touches down so far before the pelvis, and
      turned so far against it; its next touch-down says where the pelvis will be by then;
    - and stays where nothing says where to go.

    A hand goes to its target, and a swinging foot to its touch-down, by minimum jerk (Flash and Hogan 1985), position
    and rotation alike. A foot stands until a swing as long as those of the history begins. It rises as high as in the
    history. Keyframes are reached in straight lines. All else is carried along rigidly with the pelvis, in the last
    pose of the history, from which inverse kinematics starts for every frame.
    """

    card = ModelCard(
        name="interpolate",
        version="2",
        authors=AUTHORS,
        licence="MIT",
        description="key joints go straight to their current objectives, inverse kinematics does the rest",
        capabilities=frozenset(),
        learns=False,
    )

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Key joints of all frames first, then all poses at once."""
        rig, frames = prompt.rig, _longest(prompt)
        root, rotations = _last(prompt.history)
        clips, joints = len(root), len(rig)
        if not clips or not frames:
            return Trajectory(np.zeros((1, clips, frames, 3), np.float32), _identity(1, clips, frames, joints))
        keys, key_turns = key_transforms(prompt.history.positions, prompt.history.global_rotations, rig)
        last, clip = np.maximum(prompt.history.lengths - 1, 0), np.arange(clips)
        start, start_turn = keys[clip, last], key_turns[clip, last]
        goals, goal_turns = _towards(prompt, keys, key_turns, frames)

        pelvis = ROLES.index("pelvis")
        if "pelvis" in rig.roles:
            turn = quat.mul(goal_turns[:, :, pelvis], quat.inverse(start_turn[:, None, pelvis]))
            arm = root - start[:, pelvis]
            carried_root = goals[:, :, pelvis] + quat.rotate(turn, np.broadcast_to(arm[:, None], (*turn.shape[:2], 3)))
        else:
            turn = np.broadcast_to(quat.IDENTITY, (clips, frames, 4))
            carried_root = np.repeat(root[:, None], frames, 1)
        carried = np.broadcast_to(rotations[:, None], (clips, frames, joints, 4)).copy()
        carried[:, :, 0] = quat.mul(turn, carried[:, :, 0])

        slots = [k for k in range(len(ROLES)) if rig.role_mask[k] and k != pelvis]
        if slots and prompt.path is None:  # along a path the whole body is carried
            rest = rig.rest_global[1][rig.key_joints[slots]]
            carried_root, carried = solve_ik(
                rig,
                carried_root,
                carried,
                [int(j) for j in rig.key_joints[slots]],
                goals[:, :, slots],
                target_rotations=quat.mul(goal_turns[:, :, slots], rest),
                floor=1e-3,  # two neighbouring frames are not to end in poses far apart
                movable=~rig.ancestors[rig.roles.get("pelvis", 0)],  # the pelvis is where it should be already
            )
        return Trajectory(
            np.ascontiguousarray(carried_root[None], np.float32),
            quat.normalize(np.ascontiguousarray(carried[None], np.float32)),
        )


def _identity(*shape: int) -> np.ndarray:
    return np.broadcast_to(quat.IDENTITY, (*shape, 4)).copy()


SWING = 0.3
"""Seconds of a swing where the history shows no whole one."""
CALM = 0.85
"""Share of its velocity that the pelvis keeps in a thirtieth of a second while touch-downs lead it."""
PELVIS = ROLES.index("pelvis")


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """The share of the way that is done at a share u, 0 to 1, of the time."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u * u)


def _towards(
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


class Nearest(_Control):
    """Replays the training motion whose past is nearest to the history.

    The last `WINDOW` frames of the history are compared with every window of the target's training segments: key-joint
    positions in the root space of the window's last frame, and their velocities there. What follows the nearest window
    is replayed from where the history ends. Where there are windows that at least half as many frames follow as are
    asked for, only those are looked at. Where the segment ends too soon its last pose is held. Objectives are not
    looked at.
    """

    WINDOW = 10

    card = ModelCard(
        name="nearest",
        version="1",
        authors=AUTHORS,
        licence="MIT",
        description="replays the training motion whose past is nearest to the history",
        capabilities=frozenset(),
        learns=False,
    )

    def __init__(self) -> None:
        self.lengths = np.zeros(0, int)
        self.root_positions = np.zeros((0, 0, 3), np.float32)
        self.rotations = np.zeros((0, 0, 0, 4), np.float32)

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Keep the segments."""
        self.lengths = target.motion.lengths.astype(int)
        self.root_positions = target.motion.root_positions.copy()
        self.rotations = target.motion.rotations.copy()

    def save(self, folder: Path) -> None:
        """Segments as `segments.npz`."""
        super().save(folder)
        np.savez(
            folder / "segments.npz",
            lengths=self.lengths,
            root_positions=self.root_positions,
            rotations=self.rotations,
        )

    def load(self, folder: Path) -> None:
        """Segments from `segments.npz`."""
        super().load(folder)
        with np.load(folder / "segments.npz", allow_pickle=False) as arrays:
            self.lengths = arrays["lengths"]
            self.root_positions, self.rotations = arrays["root_positions"], arrays["rotations"]

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """The continuation of the nearest window of each clip; the last pose where there is no training motion."""
        rig, frames = prompt.rig, _longest(prompt)
        root, rotations = _last(prompt.history)
        out_root = np.repeat(root[:, None], frames, 1).astype(np.float32)
        out = np.repeat(rotations[:, None], frames, 1).astype(np.float32)
        if not len(self.lengths) or not frames:
            return Trajectory(out_root[None], out[None])
        contacts = np.zeros((*self.root_positions.shape[:2], len(rig.contact_joints)), bool)
        known = Motion(rig, prompt.fps, self.lengths, self.root_positions, self.rotations, contacts)
        size = min(self.WINDOW, prompt.history.root_positions.shape[1])
        clips, ends = np.nonzero(known.valid & (np.arange(known.valid.shape[1]) >= size - 1))
        follow = self.lengths[clips] - 1 - ends
        if not (follow > 0).any():
            return Trajectory(out_root[None], out[None])
        windows = _window_features(known, clips, ends, size)
        here = prompt.history.lengths - 1
        queries = _window_features(prompt.history, np.arange(len(root)), here, size)
        for n, needed in enumerate(prompt.frames):
            enough = follow >= max(1, min(int(needed) // 2, int(follow.max())))
            # A plain sum over each row: unlike a matrix product it does not depend on the other clips.
            distance = np.square(windows - queries[n]).sum(1)
            best = int(np.argmin(np.where(enough, distance, np.inf)))
            clip, end = clips[best], ends[best]
            frame = np.minimum(end + 1 + np.arange(frames), self.lengths[clip] - 1)
            turn = float(prompt.history.root.yaw[n, here[n]] - known.root.yaw[clip, end])
            back = quat.from_yaw(np.array(turn))
            moved = known.root_positions[clip, frame] - known.root.origin[clip, end]
            out_root[n] = quat.rotate(back, moved) + prompt.history.root.origin[n, here[n]]
            out[n] = known.rotations[clip, frame]
            out[n, :, 0] = quat.mul(back, out[n, :, 0])
        return Trajectory(out_root[None], out[None])


def _window_features(motion: Motion, clips: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    """(W, F) float32 of the windows of `size` frames that end at `ends`, in heights.

    Key-joint positions seen from the root space of the last frame, and velocities there over the window's duration.
    """
    rig = motion.rig
    keys = rig.key_joints[rig.role_mask]
    frame = np.maximum(ends[:, None] + np.arange(1 - size, 1), 0)
    key_positions = motion.positions[:, :, keys]
    speed = velocities(key_positions, motion.fps)[clips, ends] * (size / motion.fps)
    space = type(motion.root)(motion.root.origin[clips, ends][:, None], motion.root.yaw[clips, ends][:, None])
    seen = space.points_in(key_positions[clips[:, None], frame])
    moving = space.vectors_in(speed[:, None])
    count = len(ends)
    features = np.concatenate([seen.reshape(count, -1), moving.reshape(count, -1)], 1) / max(rig.height, 1e-6)
    return features.astype(np.float32)
