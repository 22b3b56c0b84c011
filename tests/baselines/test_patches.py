"""Patches: Motion2Motion transfers what the source does, and what is played follows what the library holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rae_bench.baselines.footwork import landed
from rae_bench.baselines.library import library_of
from rae_bench.baselines.motion2motion import PATCH, Windows, _nearest, body_of, keys_of, speeds_of, transferred
from rae_bench.baselines.patches import Patches, _some, on_rig
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.metrics.feet import horizontal_speed
from rae_bench.model.api import Budget, Context, Domain, Prompt, Trajectory
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.objectives import ROLES
from rae_bench.rigs.file import load_rig
from rae_bench.testing import PendingCheck, list_checks
from rae_bench.testing.subject import Material, material

HISTORY = 30


def context(regime: str = "cold", *sources: Domain) -> Context:
    return Context(regime, 1.0, Budget(100, 1000), 0, sources=sources, source=sources[0] if sources else None)


@pytest.fixture(scope="module", params=["control", "limbs"])
def found(request: pytest.FixtureRequest) -> Material:
    return material(request.param)


def positions(trajectory: Trajectory, prompt: Prompt) -> np.ndarray:
    return make_motion(prompt.rig, prompt.fps, trajectory.root_positions[0], trajectory.rotations[0]).positions


def short(domain: Domain, frames: int = 24) -> Domain:
    """The first frames of its segments."""
    path = None if domain.path is None else domain.path.cut(0, frames)
    return replace(
        domain, motion=domain.motion.cut(0, frames), objectives=domain.objectives.cut(0, frames),
        phases=domain.phases[:, :frames], path=path,
    )  # fmt: skip


@pytest.mark.parametrize("check", list_checks("patches"), ids=str)
def test_conforms(check: PendingCheck) -> None:
    check.require()


def test_windows_end_with_their_segment() -> None:
    library = library_of(material("control").target)
    frames = int(material("control").target.motion.lengths[0])
    within = Windows.of(library)
    assert within.since[: frames + 2].tolist() == [*range(frames), 0, 1]
    at, there = within.at(-3)
    assert at[:5].tolist() == [0, 0, 0, 0, 1]
    assert there[:5].tolist() == [False, False, False, True, True]
    assert within.at(2)[0][frames - 2 : frames + 1].tolist() == [frames - 1, frames - 1, frames + 2]


def test_patches_that_few_ask_for_are_used_too() -> None:
    """Two patches of examples, at 0 and 1, and sources at 0 and 0.4. The plain nearest of both is 0. Divided by the
    least distances to any source, 0 (+ 0.01) and 0.36 (+ 0.01), 0.4 is 16 from the first and 0.97 from the second.
    """
    asks, answers = (np.array(values, np.float32)[:, None] for values in ([0.0, 0.4], [0.0, 1.0]))
    assert _nearest(asks, answers).tolist() == [0, 1]


def test_on_its_own_rig_motion_is_transferred_to_itself(found: Material) -> None:
    """Every patch of the examples is nearest to itself, so that the copy is the motion."""
    domain = found.target
    own = library_of(domain)
    copy = transferred(own, body_of(domain.rig), own, domain.rig, domain.motion.fps)
    assert np.median(quat.angle(copy.turns, own.turns)) < 0.02
    assert np.linalg.norm(copy.keys - own.keys, axis=-1).mean() < 0.02
    np.testing.assert_allclose(copy.steps, own.steps, atol=1e-6)
    np.testing.assert_array_equal(copy.left, own.left)
    assert (copy.stands == own.stands).mean() > 0.95


def test_the_root_goes_as_the_source_by_height(found: Material) -> None:
    source, target = found.source, found.target
    given = library_of(source)
    copy = transferred(given, body_of(source.rig), library_of(target), target.rig, target.motion.fps)
    scale = target.rig.height / source.rig.height
    np.testing.assert_allclose(copy.steps, given.steps * [scale, scale, 1], rtol=1e-5, atol=1e-8)
    if target.path is not None:
        np.testing.assert_array_equal(copy.asked, given.asked)


def test_what_stands_on_one_rig_and_swings_on_the_other_is_not_bound() -> None:
    biped, quad = (body_of(load_rig(name)) for name in ("r1", "quad"))
    alike = biped.stands == quad.stands
    assert not alike[ROLES.index("left_hand")]
    assert alike[[ROLES.index("left_foot"), ROLES.index("head"), 0]].all()


def test_objectives_of_unbound_roles_come_from_the_examples() -> None:
    found = material("limbs")
    source, target = found.source, found.target
    copy = transferred(library_of(source), body_of(source.rig), library_of(target), target.rig, target.motion.fps)
    asked = copy.asked.reshape(len(copy), -1, len(ROLES))
    assert not library_of(source).asked.reshape(-1, 7, len(ROLES))[:, -1, ROLES.index("left_hand")].any()
    assert set(np.unique(asked[:, -1])) <= {0.0, 1.0}
    paws = asked[:, -1, ROLES.index("left_hand")] > 0
    assert paws.mean() > 0.5
    examples = library_of(target).asked.reshape(-1, 7, len(ROLES))[..., ROLES.index("left_hand")]
    low, high = examples[examples[:, -1] > 0].min(0), examples[examples[:, -1] > 0].max(0)
    there = asked[paws][..., ROLES.index("left_hand")]
    assert (there >= low - 1e-4).all()
    assert (there <= high + 1e-4).all()


def test_keys_and_speeds_are_those_of_a_library(found: Material) -> None:
    library, rig, fps = library_of(found.target), found.target.rig, found.target.motion.fps
    np.testing.assert_allclose(keys_of(library.turns, library.place, rig), library.keys, atol=1e-5)
    later = np.flatnonzero(Windows.of(library).since > 0)
    speeds = speeds_of(library.keys[later - 1], library.keys[later], library.steps[later], rig, fps)
    np.testing.assert_allclose(speeds, library.speeds[later], atol=2e-3)


def test_what_the_library_holds_is_followed(found: Material) -> None:
    domain = found.target
    motion = domain.motion
    phases = np.zeros((len(domain), 8, 2), np.float32)
    history, frames = motion.cut(0, HISTORY), motion.lengths - HISTORY
    prompt = Prompt(motion.rig, motion.fps, history, domain.objectives, frames, phases, 1, domain.path)
    model = Patches(feet=False)
    model.adapt(domain, context())
    until = len(motion.positions[0]) - HISTORY - 2 * PATCH  # nearer to the end, no whole patch is left
    made = positions(model.generate(prompt, context()), prompt)[:, :until]
    np.testing.assert_allclose(made, motion.positions[:, HISTORY : HISTORY + until], atol=5e-3)


def test_without_target_data_it_moves_as_the_retargeted_source(found: Material) -> None:
    source = short(found.source)
    model, ctx = Patches(segments=2), context("zero-shot", source)
    model.pretrain(source, ctx)
    model.adapt(found.empty, ctx)
    made = model.generate(found.prompt, context("zero-shot"))
    moving = positions(made, found.prompt)
    assert np.linalg.norm(np.diff(moving, axis=1), axis=-1).mean() > 1e-3
    there = Patches(segments=2)
    there.pretrain(on_rig(_some(source, 2), found.target.rig), context("retarget"))
    there.adapt(found.empty, context("retarget"))
    np.testing.assert_allclose(there.generate(found.prompt, ctx).rotations, made.rotations, atol=1e-4)


def test_paws_that_no_hand_has_taught_stand_where_they_touch_down() -> None:
    """No hand of a biped stands. Copied to fore paws, they stand from a touch-down on, as the objectives say."""
    found = material("limbs")
    prompt, rig = found.prompt, found.prompt.rig
    source = short(found.source)
    model, ctx = Patches(segments=2), context("zero-shot", source)
    model.pretrain(source, ctx)
    model.adapt(found.empty, ctx)
    made = model.generate(prompt, ctx)
    motion = make_motion(rig, prompt.fps, made.root_positions[0], made.rotations[0])
    paws = np.isin(rig.contact_slots, [ROLES.index("left_hand"), ROLES.index("right_hand")])
    frames = made.root_positions.shape[2]
    stand = landed(prompt.objectives.cut(HISTORY - 1, HISTORY - 1 + frames), prompt.fps)[:, :, rig.contact_slots]
    both = stand[:, 1:] & stand[:, :-1] & (np.arange(1, frames) < prompt.frames[:, None])[..., None]
    speed = horizontal_speed(motion)
    assert both[..., paws].any()
    assert np.median(speed[both & paws]) < 0.3 * np.median(speed[~both & paws])


def test_the_source_changes_what_a_few_examples_give(found: Material, tmp_path: Path) -> None:
    cold, warm = Patches(), Patches(segments=3)
    cold.adapt(found.one, context())
    ctx = context("finetune", found.source)
    warm.pretrain(found.source, ctx)
    warm.save(tmp_path / "pretrained")
    again = Patches()
    again.load(tmp_path / "pretrained")
    for model in (warm, again):
        model.adapt(found.one, context("finetune"))
    made = [model.generate(found.prompt, ctx) for model in (cold, warm, again)]
    assert np.abs(made[0].rotations - made[1].rotations).max() > 0.01
    np.testing.assert_array_equal(made[1].rotations, made[2].rotations)
    again.save(tmp_path / "adapted")
    kept = Patches()
    kept.load(tmp_path / "adapted")
    np.testing.assert_array_equal(kept.generate(found.prompt, ctx).rotations, made[1].rotations)
    assert ctx.cost()["updates"] == 0


def test_feet_stand_with_footwork() -> None:
    found = material("control")
    slid = []
    for feet in (False, True):
        model = Patches(feet=feet)
        model.adapt(found.target, context())
        made = model.generate(found.prompt, context())
        motion = make_motion(found.prompt.rig, found.prompt.fps, made.root_positions[0], made.rotations[0])
        low = np.sort(horizontal_speed(motion), axis=1)
        slid.append(low[:, : low.shape[1] // 3].mean())
    assert slid[1] < 0.7 * slid[0]


def test_a_damaged_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no saved model 'patches'"):
        Patches().load(tmp_path)
    with pytest.raises(UserError, match="generate needs adapt or load"):
        Patches().generate(material("control").prompt, context())
