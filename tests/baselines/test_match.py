"""Motion matching: it follows what the database holds, jumps without a jolt, and sees nothing of the future."""

from dataclasses import replace

import numpy as np
import pytest

from rae_bench.baselines.controls import Nearest
from rae_bench.baselines.library import asked_of as asked_at
from rae_bench.baselines.library import features_of, last_frame, library_of, scales_of
from rae_bench.baselines.match import Match
from rae_bench.kinematics import quat
from rae_bench.model.api import Budget, Context, Domain, Prompt, Trajectory
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.asked import asked_of
from rae_bench.objectives.path import RootPath
from rae_bench.testing import PendingCheck, list_checks
from rae_bench.testing.subject import material

CTX = Context("cold", 1.0, Budget(100, 1000), 0)
HISTORY = 30


def positions(trajectory: Trajectory, prompt: Prompt) -> np.ndarray:
    made = make_motion(prompt.rig, prompt.fps, trajectory.root_positions[0], trajectory.rotations[0])
    return made.positions


def prompt_of(domain: Domain) -> Prompt:
    """The segments of a domain as a test would show them: their beginning, and what is asked of all."""
    motion = domain.motion
    frames = motion.lengths - HISTORY
    phases = np.zeros((len(domain), 8, 2), np.float32)
    return Prompt(motion.rig, motion.fps, motion.cut(0, HISTORY), domain.objectives, frames, phases, 1, domain.path)


def fitted(domain: Domain, **options: bool) -> Match:
    model = Match(**options)
    model.adapt(domain, CTX)
    return model


@pytest.mark.parametrize("check", list_checks("match"), ids=str)
def test_conforms(check: PendingCheck) -> None:
    check.require()


@pytest.mark.parametrize("track", ["control", "limbs"])
def test_what_the_database_holds_is_followed_exactly(track: str) -> None:
    domain = material(track).target
    prompt = prompt_of(domain)
    made = fitted(domain, feet=False).generate(prompt, CTX)
    np.testing.assert_allclose(positions(made, prompt), domain.motion.positions[:, HISTORY:], atol=1e-3)
    bent = fitted(domain).generate(prompt, CTX)
    off = np.linalg.norm(positions(bent, prompt) - domain.motion.positions[:, HISTORY:], axis=-1)
    assert off.mean() < 0.003 * domain.rig.height


def test_it_is_followed_wherever_it_is_asked() -> None:
    """A prompt that is moved and turned gives the same motion, moved and turned."""
    domain = material("control").target
    prompt = prompt_of(domain)
    turn, shift = quat.from_yaw(np.array(1.1, np.float32)), np.array([5, 0, -3], np.float32)

    def carried(points: np.ndarray) -> np.ndarray:
        return quat.rotate(np.broadcast_to(turn, (*points.shape[:-1], 4)), points) + shift

    history = prompt.history
    rotations = history.rotations.copy()
    rotations[:, :, 0] = quat.mul(turn, rotations[:, :, 0])
    assert prompt.path is not None
    flat = np.insert(prompt.path.positions, 1, 0, axis=-1)
    path = RootPath(carried(flat)[..., [0, 2]], prompt.path.headings + np.float32(1.1))
    there = replace(
        prompt, path=path,
        history=replace(history, root_positions=carried(history.root_positions), rotations=rotations),
    )  # fmt: skip
    model = fitted(domain, feet=False)
    one, two = model.generate(prompt, CTX), model.generate(there, CTX)
    np.testing.assert_allclose(positions(two, there), carried(positions(one, prompt)), atol=2e-3)


@pytest.mark.parametrize("track", ["control", "limbs"])
def test_jumps_are_blended_away(track: str) -> None:
    """Frames are jumped to, and still no joint goes faster than in the database by more than half."""
    found = material(track)
    prompt = found.prompt
    moving = positions(fitted(found.target, feet=False).generate(prompt, CTX), prompt)
    start = prompt.history.positions[:, -1:]
    fastest = np.linalg.norm(np.diff(np.concatenate([start, moving], 1), axis=1), axis=-1)
    real = np.linalg.norm(np.diff(found.target.motion.positions, axis=1), axis=-1)
    for n, frames in enumerate(prompt.frames):
        assert fastest[n, :frames].max() < 1.5 * real.max()


def test_a_path_is_kept_to() -> None:
    """Clips that the database does not hold end nearer to where their path leads than the nearest clip replayed."""
    found = material("control")
    prompt = found.prompt
    replay = Nearest()
    replay.adapt(found.target, CTX)
    assert prompt.path is not None
    ends = []
    for model in (fitted(found.target), replay):
        made = model.generate(prompt, CTX)
        # Row t of the path leads to where the root is to be a third of a second later.
        at = np.array([made.root_positions[0, n, f - 1, [0, 2]] for n, f in enumerate(prompt.frames)])
        asked = np.array([prompt.path.positions[n, HISTORY + f - 11, 0] for n, f in enumerate(prompt.frames)])
        ends.append(np.linalg.norm(at - asked, axis=1).mean())
    assert ends[0] < 0.25 * prompt.rig.height
    assert ends[0] < 0.5 * ends[1]


def test_the_first_frame_is_the_nearest_by_its_features() -> None:
    found = material("control")
    prompt, library = found.prompt[np.array([1])], library_of(found.target)
    scales = scales_of(library)
    root = prompt.history.root
    origin, yaw = root.origin[:, -1][:, [0, 2]], root.yaw[:, -1]
    asked = asked_at(prompt.objectives, prompt.path, HISTORY - 1, origin, yaw, prompt.history)
    query = features_of(last_frame(prompt.history), asked) * scales
    apart = np.square(features_of(library, library.asked) * scales - query).sum(1)
    best = int(np.where(library.left >= 6, apart, np.inf).argmin())
    model = fitted(found.target, feet=False)
    short = replace(prompt, frames=np.array([1]))
    made = model.generate(short, CTX).rotations[0, 0, 0, 1:]
    after, history = library.turns[best + 1, 1:], prompt.history.rotations[0, -1, 1:]
    # A frame after the jump, the pose is still nearer to the history than to the database, and on its way.
    assert quat.angle(made, history).mean() < quat.angle(made, after).mean()
    assert quat.angle(made, after).mean() < quat.angle(history, after).mean()


def test_clips_come_out_the_same_alone() -> None:
    for track in ("control", "limbs"):
        found = material(track)
        model = fitted(found.target)
        whole = model.generate(found.prompt, CTX)
        for n, frames in enumerate(found.prompt.frames):
            alone = model.generate(found.prompt[np.array([n])], CTX)
            np.testing.assert_allclose(alone.rotations[0, 0, :frames], whole.rotations[0, n, :frames], atol=1e-6)


def test_nothing_is_trained_and_the_frames_are_counted() -> None:
    ctx = Context("cold", 1.0, Budget(100, 1000), 0)
    Match().adapt(material("control").target, ctx)
    cost = ctx.cost()
    assert (cost["updates"], cost["frames"], cost["parameters"]) == (0, 0, 0)
    assert cost["budget_status"] == "declared"


def test_segments_of_one_frame_are_nothing_to_play() -> None:
    domain = material("control").one
    motion: Motion = domain.motion.cut(0, 1)
    objectives, path = asked_of("control", motion, np.zeros((1, 31, 3), np.float32))
    stub = replace(domain, motion=motion, objectives=objectives, phases=domain.phases[:, :1], path=path)
    prompt = material("control").prompt
    made = fitted(stub).generate(prompt, CTX)
    np.testing.assert_allclose(made.rotations[0, :, -1], prompt.history.rotations[:, -1], atol=1e-5)
