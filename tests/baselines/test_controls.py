from pathlib import Path

import numpy as np
import pytest

from rae_bench.baselines.controls import Hold, Interpolate, Nearest
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.model.api import Budget, Context, Domain, Model, Prompt, Trajectory
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import ROLES, Objectives, key_transforms
from rae_bench.rigs.rig import Rig, make_rig

H, G, FPS = 12, 24, 30.0
CTX = Context(regime="cold", fraction=1.0, budget=Budget(0, 0), seed=0)
CONTROLS = [Hold, Interpolate, Nearest]


def _rig() -> Rig:
    joints: list[tuple[str, str | None, list[float]]] = [("hips", None, [0, 0, 0]), ("head", "hips", [0, 0.6, 0])]
    for side, x in (("left", 1), ("right", -1)):
        joints += [
            (f"{side}_hip", "hips", [0.1 * x, 0, 0]),
            (f"{side}_knee", f"{side}_hip", [0, -0.45, 0]),
            (f"{side}_foot", f"{side}_knee", [0, -0.45, 0]),
        ]
    roles = {"pelvis": "hips", "head": "head", "left_foot": "left_foot", "right_foot": "right_foot"}
    return make_rig("legs", joints, roles, contact_joints=["left_foot", "right_foot"])


def _motion(clips: int = 4, frames: int = H + G, seed: int = 0) -> Motion:
    rig, rng = _rig(), np.random.default_rng(seed)
    time = np.arange(frames) / FPS
    q = np.zeros((clips, frames, len(rig), 4))
    q[..., 0] = 1
    phase = rng.uniform(0, 6, (clips, 1))
    yaw = rng.uniform(-3, 3, (clips, 1)) + 0.3 * time
    q[:, :, 0] = quat.from_yaw(yaw)
    swing = 0.4 * np.sin(6 * time + phase)
    for side, sign in (("left", 1), ("right", -1)):
        q[:, :, rig.index(f"{side}_hip")] = quat.from_axis_angle(np.array([1.0, 0, 0]), sign * swing - 0.3)
        q[:, :, rig.index(f"{side}_knee")] = quat.from_axis_angle(np.array([1.0, 0, 0]), 0.6 + 0 * swing)
    root = np.stack([np.sin(yaw) * time, 0.8 + 0.02 * np.sin(8 * time) + 0 * yaw, np.cos(yaw) * time], -1)
    return make_motion(rig, FPS, root + rng.uniform(-2, 2, (clips, 1, 3)) * [1, 0, 1], q)


def _prompt(motion: Motion, frames: np.ndarray | None = None) -> Prompt:
    frames = np.full(len(motion), G) if frames is None else frames
    total = H + int(frames.max(initial=0))
    return Prompt(
        motion.rig,
        motion.fps,
        motion.cut(0, H),
        keyframe_objectives(motion).cut(0, total),
        frames,
        np.zeros((len(motion), 8, 2), np.float32),
    )


def _domain(motion: Motion) -> Domain:
    names = tuple(map(str, range(len(motion))))
    phases = np.zeros((*motion.root_positions.shape[:2], 8, 2), np.float32)
    return Domain("legs", motion.rig, motion, keyframe_objectives(motion), phases, names, names)


def _generated(trajectory: Trajectory, rig: Rig) -> Motion:
    return make_motion(rig, FPS, trajectory.root_positions[0], trajectory.rotations[0])


def _ready(control: type, motion: Motion) -> Model:
    model: Model = control()
    model.adapt(_domain(motion), CTX)
    return model


@pytest.mark.parametrize("control", CONTROLS)
def test_protocol_shapes_and_inputs_unchanged(control: type) -> None:
    motion = _motion()
    prompt = _prompt(motion)
    before = [a.copy() for a in (prompt.history.root_positions, prompt.history.rotations, prompt.objectives.positions)]
    model = _ready(control, _motion(seed=1))
    assert isinstance(model, Model)
    assert not model.card.learns
    out = model.generate(prompt, CTX)
    assert out.root_positions.shape == (1, 4, G, 3)
    assert out.rotations.shape == (1, 4, G, len(motion.rig), 4)
    assert out.root_positions.dtype == out.rotations.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(out.rotations, axis=-1), 1, atol=1e-5)
    after = (prompt.history.root_positions, prompt.history.rotations, prompt.objectives.positions)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("control", CONTROLS)
def test_batching_does_not_matter(control: type) -> None:
    frames = np.array([G, 10, G, 17])
    prompt = _prompt(_motion(), frames)
    model = _ready(control, _motion(clips=6, seed=1))
    together = model.generate(prompt, CTX)
    for n in range(4):
        pick = np.array([n])
        alone = model.generate(prompt[pick], CTX)
        for a, b in ((alone.root_positions, together.root_positions), (alone.rotations, together.rotations)):
            np.testing.assert_allclose(a[0, 0, : frames[n]], b[0, n, : frames[n]], atol=1e-5)


@pytest.mark.parametrize("control", CONTROLS)
def test_save_and_load(control: type, tmp_path: Path) -> None:
    prompt = _prompt(_motion())
    model = _ready(control, _motion(seed=1))
    model.save(tmp_path)
    again: Model = control()
    again.load(tmp_path)
    a, b = model.generate(prompt, CTX), again.generate(prompt, CTX)
    np.testing.assert_array_equal(a.rotations, b.rotations)
    np.testing.assert_array_equal(a.root_positions, b.root_positions)
    assert not any(path.suffix in (".pkl", ".pt") for path in tmp_path.iterdir())
    with pytest.raises(UserError):
        (Hold if control is not Hold else Nearest)().load(tmp_path)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("clips", [0, 1])
def test_target_of_no_or_one_segment(control: type, clips: int) -> None:
    out = _ready(control, _motion(seed=1)[:clips]).generate(_prompt(_motion()), CTX)
    assert np.isfinite(out.root_positions).all()
    assert np.isfinite(out.rotations).all()


@pytest.mark.parametrize("control", CONTROLS)
def test_nothing_to_generate(control: type) -> None:
    motion = _motion()
    model = _ready(control, motion)
    assert model.generate(_prompt(motion, np.zeros(4, int)), CTX).root_positions.shape == (1, 4, 0, 3)
    assert model.generate(_prompt(motion)[np.zeros(0, int)], CTX).root_positions.shape[1] == 0


def test_hold_repeats_the_last_pose() -> None:
    motion = _motion()
    out = Hold().generate(_prompt(motion), CTX)
    for t in range(G):
        np.testing.assert_array_equal(out.rotations[0, :, t], motion.rotations[:, H - 1])
        np.testing.assert_array_equal(out.root_positions[0, :, t], motion.root_positions[:, H - 1])


def test_interpolate_arrives() -> None:
    motion = _motion()
    prompt = _prompt(motion)
    made = _generated(Interpolate().generate(prompt, CTX), motion.rig)
    at, turn = key_transforms(made.positions, made.global_rotations, motion.rig)
    o = prompt.objectives.cut(H - 1)
    checked = 0
    for n in range(4):
        for slot in np.flatnonzero(motion.rig.role_mask):
            arrival = int(o.arrivals[n, 0, slot])
            if o.active[n, 0, slot] and arrival <= G:
                assert np.linalg.norm(at[n, arrival - 1, slot] - o.positions[n, 0, slot]) < 0.02
                checked += 1
    assert checked > 8
    # The pelvis goes exactly where it is told, turn included: straight, and at a steady pace.
    for n in range(4):
        left = int(o.arrivals[n, 0, 0])
        target, start = o.positions[n, 0, 0], motion.positions[n, H - 1, 0]
        for i in range(left):
            np.testing.assert_allclose(at[n, i, 0], start + (i + 1) / left * (target - start), atol=1e-4)
        np.testing.assert_allclose(np.abs((turn[n, left - 1, 0] * o.rotations[n, 0, 0]).sum()), 1, atol=1e-4)


def test_interpolate_knows_only_current_objectives() -> None:
    motion = _motion()
    prompt = _prompt(motion)
    o = prompt.objectives
    later = np.arange(o.kinds.shape[1]) >= H + 5
    moved = Objectives(o.positions + later[:, None, None].astype(np.float32), o.rotations, o.arrivals, o.kinds)
    other = Prompt(prompt.rig, prompt.fps, prompt.history, moved, prompt.frames, prompt.phases)
    a, b = (Interpolate().generate(p, CTX).root_positions for p in (prompt, other))
    np.testing.assert_array_equal(a[:, :, :6], b[:, :, :6])
    assert np.abs(a[:, :, 6:] - b[:, :, 6:]).max() > 0.01


def test_interpolate_carries_joints_without_objective() -> None:
    motion = _motion()
    prompt = _prompt(motion)
    o = prompt.objectives
    pelvis_only = np.where(np.arange(8) == ROLES.index("pelvis"), o.kinds, 0).astype(np.int8)
    alone = Objectives(o.positions, o.rotations, o.arrivals, pelvis_only)
    prompt = Prompt(prompt.rig, prompt.fps, prompt.history, alone, prompt.frames, prompt.phases)
    out = Interpolate().generate(prompt, CTX)
    # Only the root has moved: the pose is the held one.
    held = np.broadcast_to(motion.rotations[:, H - 1, None, 1:], out.rotations[0, :, :, 1:].shape)
    assert quat.angle(held, out.rotations[0, :, :, 1:]).max() < 1e-2
    assert np.linalg.norm(out.root_positions[0, :, -1] - motion.root_positions[:, H - 1], axis=-1).min() > 0.3


def test_nearest_replays_what_it_has_seen_wherever_it_stands() -> None:
    motion = _motion()
    turn = quat.from_yaw(np.array(1.1))
    rotations = motion.rotations.copy()
    rotations[:, :, 0] = quat.mul(turn, rotations[:, :, 0])
    elsewhere = make_motion(motion.rig, FPS, quat.rotate(turn, motion.root_positions) + np.array([3, 0, -5]), rotations)
    out = _ready(Nearest, elsewhere).generate(_prompt(motion), CTX)
    made = _generated(out, motion.rig)
    np.testing.assert_allclose(made.positions, motion.positions[:, H:], atol=1e-3)


def test_nearest_holds_where_the_continuation_ends() -> None:
    motion = _motion()
    short = motion.cut(0, H + G // 2)
    out = _ready(Nearest, short).generate(_prompt(motion), CTX)
    np.testing.assert_allclose(out.root_positions[0, :, : G // 2], motion.root_positions[:, H : H + G // 2], atol=1e-4)
    for t in range(G // 2, G):
        np.testing.assert_array_equal(out.rotations[0, :, t], out.rotations[0, :, G // 2 - 1])
