"""What `match` and `patches` share: libraries, springs, roots that are led, feet that stand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.spatial.transform import Rotation

from rae_bench.baselines.footwork import Shown, footwork, landed
from rae_bench.baselines.library import (
    EVENT,
    SLOTS,
    TIME,
    Library,
    asked_of,
    findable,
    last_frame,
    library_of,
    together,
)
from rae_bench.baselines.playing import missed
from rae_bench.baselines.steering import CALM, Roots, exp, in_world, lead, log, moved, spring, usual_arrivals
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.objectives import CONTACT, ROLES, Objectives, no_objectives
from rae_bench.testing.subject import Material, material

LEFT, RIGHT = ROLES.index("left_foot"), ROLES.index("right_foot")


@pytest.fixture(scope="module")
def limbs() -> Material:
    return material("limbs")


@pytest.fixture(scope="module")
def control() -> Material:
    return material("control")


def test_frames_of_a_library_are_the_motion_wherever_it_is(control: Material) -> None:
    motion, library = control.target.motion, library_of(control.target)
    frames = motion.root_positions.shape[1]
    assert len(library) == motion.frames
    root, rotations = in_world(
        motion.root.origin[1][:, [0, 2]], motion.root.yaw[1],
        library.place[frames : 2 * frames], library.turns[frames : 2 * frames],
    )  # fmt: skip
    np.testing.assert_allclose(root, motion.root_positions[1], atol=1e-5)
    assert quat.angle(rotations, motion.rotations[1]).max() < 1e-3
    # Steps lead from each root to the next.
    at, yaw = motion.root.origin[1][:-1, [0, 2]], motion.root.yaw[1][:-1]
    led = moved(at, yaw, library.steps[frames + 1 : 2 * frames])
    np.testing.assert_allclose(led, motion.root.origin[1][1:, [0, 2]], atol=1e-5)


def test_a_library_is_kept_and_a_damaged_one_is_told(control: Material, tmp_path: Path) -> None:
    library = library_of(control.one)
    library.write(tmp_path / "a.npz")
    np.testing.assert_array_equal(Library.read(tmp_path / "a.npz").turns, library.turns)
    with pytest.raises(UserError, match="no saved library"):
        Library.read(tmp_path / "b.npz")


def test_only_frames_that_others_follow_are_found(control: Material) -> None:
    library = together([library_of(control.one), library_of(control.one)])
    good, tree = findable(library, library.place.astype(float), 6)
    frames = len(library) // 2
    assert tree is not None
    assert good.tolist() == [*range(frames - 6), *range(frames, 2 * frames - 6)]
    assert findable(library_of(control.empty), np.zeros((0, 3)), 6)[1] is None


def test_springs_follow_their_equation() -> None:
    """x'' = -2 y x' - y^2 x with y = 2 ln 2 / half-life."""
    y, fps = 2 * np.log(2) / 0.1, 30.0
    exact = solve_ivp(lambda t, s: [s[1], -2 * y * s[1] - y * y * s[0]], (0, 3 / fps), [0.3, -2.0], rtol=1e-9)
    x, v = np.array([0.3]), np.array([-2.0])
    for _ in range(3):
        x, v = spring(x, v, 0.1, fps)
    np.testing.assert_allclose([x[0], v[0]], exact.y[:, -1], rtol=1e-5)


def test_rotation_vectors_are_those_of_scipy() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    vectors[0] = 0
    turned = Rotation.from_rotvec(vectors)
    np.testing.assert_allclose(quat.angle(exp(vectors), turned.as_quat(scalar_first=True)), 0, atol=1e-7)
    np.testing.assert_allclose(log(turned.as_quat(scalar_first=True)), turned.as_rotvec(), atol=1e-9)


def test_a_path_leads_the_root_by_what_it_will_be_off(control: Material) -> None:
    """A body that will be 0.2 heights short of the path in a third of a second goes 0.6 heights a second faster."""
    rig = control.target.rig
    known = np.array([[0, 0, 0, 1, 2, 3, 0, 0, 0, 1, 1, 1.0]])
    wanted = known.copy()
    wanted[:, 3] = 1.2
    made = lead(wanted, known, np.zeros((1, 3)), np.zeros((SLOTS, 5)), rig, 30)
    np.testing.assert_allclose(made, [[0, 0.6 * rig.height, 0]], atol=1e-9)
    wanted[:, [6, 9]] = np.sin(0.1), np.cos(0.1)
    assert lead(wanted, known, np.zeros((1, 3)), np.zeros((SLOTS, 5)), rig, 30)[0, 2] == pytest.approx(0.3)


def test_feet_lead_the_root_and_the_first_counts_most(limbs: Material) -> None:
    rig = limbs.target.rig
    known = np.zeros((1, EVENT, SLOTS))
    known[:, -1, [LEFT, RIGHT]], known[:, 4] = 1, 1
    known[:, TIME, LEFT], known[:, TIME, RIGHT] = 0.4, 1.9
    wanted = known.copy()
    wanted[:, 2, LEFT], wanted[:, 2, RIGHT] = 0.1, -0.1
    usual = np.ones((SLOTS, 5))
    made = lead(wanted.reshape(1, -1), known.reshape(1, -1), np.zeros((1, 3)), usual, rig, 30)
    # Weights are 1 / (seconds + 0.1): 2 and 0.5.
    np.testing.assert_allclose(made[0, 1], rig.height * (0.8 * 0.1 / 0.4 - 0.2 * 0.1 / 1.9))
    # Where the frames were asked nothing, they are taken to go on to a usual touch-down.
    known[:] = 0
    wanted[:, -1, RIGHT] = 0
    step = np.array([[0, 0.01 * rig.height, 0]])
    made = lead(wanted.reshape(1, -1), known.reshape(1, -1), step, 0.05 * usual, rig, 30)
    np.testing.assert_allclose(made[0, 1], rig.height * (0.1 - 0.05 - 0.01 * 30 * 0.4) / 0.4)


def test_usual_arrivals_are_where_feet_touch_down(limbs: Material) -> None:
    """The mean over arrivals of where an objective is seen from the root one frame before."""
    domain = limbs.target
    places = []
    for n in range(len(domain)):
        rows = np.flatnonzero(domain.objectives.active[n, :, LEFT])
        for t in rows[domain.objectives.arrivals[n, rows, LEFT] - rows == 1]:
            places.append(domain.motion.root[n, t].points_in(domain.objectives.positions[n, t, LEFT][None])[0])
    usual = usual_arrivals(library_of(domain), domain.motion.fps)
    np.testing.assert_allclose(usual[LEFT, :3] * domain.rig.height, np.mean(places, 0), atol=1e-4)


def test_roots_take_up_what_leads_them_within_a_time_constant(control: Material) -> None:
    """Led by a constant speed v, the root has (1 - 1/e) v after `CALM` seconds."""
    prompt = control.prompt[np.array([0])]
    roots = Roots(prompt, library_of(control.target))
    known = roots.asked(0)
    wanted = known.copy()
    wanted[:, 3] += 0.1
    none = np.zeros((1, 3))
    for _ in range(round(CALM * prompt.fps)):
        drag = roots.go(wanted, known, none, none)
    assert np.linalg.norm(drag[0, :2]) == pytest.approx((1 - np.exp(-1)) * 0.3 * prompt.rig.height, rel=1e-3)


def test_what_objectives_miss_is_in_the_world(limbs: Material) -> None:
    known = np.zeros((1, EVENT, SLOTS))
    known[:, -1, LEFT] = 1
    asked = known.copy()
    asked[:, 2, LEFT], asked[:, -1, RIGHT] = 0.5, 1
    made = missed(asked.reshape(1, -1), known.reshape(1, -1), np.array([np.pi / 2]), 2.0)
    np.testing.assert_allclose(made[0, LEFT], [1, 0, 0], atol=1e-12)
    assert np.isnan(made[0, RIGHT]).all()


def test_what_is_asked_moves_with_the_body(limbs: Material) -> None:
    """Turned and moved together with its objectives, a body is asked the same."""
    motion, old = limbs.target.motion, limbs.target.objectives
    root = motion.root
    first = asked_of(old, None, 3, root.origin[:, 3][:, [0, 2]], root.yaw[:, 3], motion)
    turn, shift = quat.from_yaw(np.array(0.7, np.float32)), np.array([3, 0, -2], np.float32)
    places = quat.rotate(np.broadcast_to(turn, (*old.positions.shape[:-1], 4)), old.positions) + shift
    ways = quat.mul(np.broadcast_to(turn, old.rotations.shape), old.rotations)
    new = Objectives(places, ways, old.arrivals, old.kinds)
    origin = (quat.rotate(np.broadcast_to(turn, (len(motion), 4)), root.origin[:, 3]) + shift)[:, [0, 2]]
    np.testing.assert_allclose(asked_of(new, None, 3, origin, root.yaw[:, 3] + 0.7, motion), first, atol=1e-5)


def _treadmill(limbs: Material, speed: float, frames: int = 8) -> tuple[Shown, np.ndarray, np.ndarray]:
    """One body, held in the last pose of its history and pushed ahead, on one foot that is said to stand."""
    prompt = limbs.prompt[np.array([0])]
    last = prompt.history.root_positions.shape[1] - 1
    root = np.repeat(prompt.history.root_positions[:, last:], frames, 1)
    root[..., 2] += speed * limbs.target.rig.height * np.arange(1, frames + 1) / prompt.fps
    rotations = np.repeat(prompt.history.rotations[:, last:], frames, 1)
    rig = prompt.rig
    stands = np.zeros((1, frames, len(rig.contact_joints)), bool)
    stands[..., rig.contact_slots == LEFT] = True
    none = np.zeros((1, frames, 3))
    unknown = np.full((1, frames, SLOTS, 3), np.nan)
    return Shown(none[..., :2], none[..., 0], none, rotations, stands, unknown, none), root, rotations


def test_a_standing_foot_stays_where_it_is(limbs: Material) -> None:
    made, root, rotations = _treadmill(limbs, 0.2)
    prompt = limbs.prompt[np.array([0])]
    history = prompt.history
    down = history.contacts.copy()
    down[..., prompt.rig.contact_slots == LEFT] = True
    asked = no_objectives(*prompt.objectives.kinds.shape[:2])
    prompt = replace(prompt, history=replace(history, contacts=down), objectives=asked)
    library = library_of(limbs.target)
    bent_root, bent = footwork(prompt, root, rotations, made, library)
    joint = prompt.rig.contact_joints[prompt.rig.contact_slots == LEFT][0]
    before = history.positions[0, -1, joint, [0, 2]]
    slides, stays = (
        np.linalg.norm(make_motion(prompt.rig, 30, r, q).positions[0, :, joint][:, [0, 2]] - before, axis=1)
        for r, q in ((root, rotations), (bent_root, bent))
    )
    assert slides[-1] == pytest.approx(0.2 * prompt.rig.height * 8 / 30, rel=1e-3)
    assert stays.max() < 0.05 * slides[-1]


def test_a_foot_arrives_at_its_objective(limbs: Material) -> None:
    made, root, rotations = _treadmill(limbs, 0.0)
    prompt = limbs.prompt[np.array([0])]
    rig, history = prompt.rig, prompt.history.root_positions.shape[1]
    start = prompt.history.positions[0, -1, rig.roles["left_foot"]]
    place = start + rig.height * np.array([0.02, 0.03, 0.05], np.float32)
    asked, arrival = no_objectives(*prompt.objectives.kinds.shape[:2]), history + 5
    asked.positions[:, :, LEFT], asked.arrivals[:, :arrival, LEFT] = place, arrival
    asked.kinds[:, :arrival, LEFT] = CONTACT
    made = made._replace(stands=np.zeros_like(made.stands))
    moved_root, bent = footwork(replace(prompt, objectives=asked), root, rotations, made, library_of(limbs.target))
    foot = make_motion(rig, 30, moved_root, bent).positions[0, :, rig.roles["left_foot"]]
    way = np.linalg.norm(foot - place, axis=1) / np.linalg.norm(start - place)
    assert way[5] < 0.05
    np.testing.assert_allclose(way[:5], [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6], atol=0.05)  # in equal steps


def test_a_foot_has_landed_until_its_next_step_begins() -> None:
    """Asked to be there at frame 3 and at frame 20, of 30: it stands from frame 4 until 9 frames before the second."""
    rows = no_objectives(1, 30)
    rows.arrivals[:, :3, LEFT], rows.arrivals[:, 3:20, LEFT] = 3, 20
    rows.kinds[:, :20, LEFT] = CONTACT
    made = landed(rows, 30.0)
    # Row i is of frame i + 1.
    assert (np.flatnonzero(made[0, :, LEFT]) + 1).tolist() == [*range(4, 12), *range(21, 31)]
    assert not made[0, :, RIGHT].any()


def test_the_last_frame_is_that_of_each_history(control: Material) -> None:
    history = control.prompt.history
    now = last_frame(history)
    np.testing.assert_allclose(now.turns[:, 1:], history.rotations[:, -1, 1:], atol=1e-6)
