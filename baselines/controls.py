"""Controls: models that learn nothing, to see what learning is worth.

`hold` repeats the last pose. `interpolate` carries the key joints to their objectives, or the body along the path, and
lets inverse kinematics find the rest. `nearest` replays the training motion that best continues the history. Raise a
card's version when its motion changes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from rae_bench.model import (
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

from .planning import way_of_keys

AUTHORS = "The rae-bench authors"


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
        goals, goal_turns = way_of_keys(prompt, keys, key_turns, frames)

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
