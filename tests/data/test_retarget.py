"""Motion on another rig: feet stand where they should, limits hold, and what a rig lacks is left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rae_bench import load_rig
from rae_bench.cli import main
from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.data.retarget import pin, retarget, retarget_corpus, standing
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import limit_angles
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.correspondence import distance, match, partners
from rae_bench.rigs.rig import ROLES, Rig
from rae_bench.task.sides import load_side
from rae_bench.task.task import Protocol
from rae_bench.viewer.gather import retargeted_scene


def corpus(rig: str, motion: str, clips: int) -> Corpus:
    return load_side({"kind": "builtin", "rig": rig, "motion": motion, "clips": clips}, Protocol())


@pytest.fixture(scope="module")
def walking() -> Corpus:
    return corpus("r1", "locomotion", 12)


@pytest.fixture(scope="module")
def reaching() -> Corpus:
    return corpus("r1", "reach", 4)


@pytest.fixture(scope="module", params=["walking", "reaching"])
def pair(request: pytest.FixtureRequest) -> tuple[Motion, Motion]:
    source = request.getfixturevalue(request.param).motion
    return source, retarget(source, load_rig("r2"))


def accelerations(motion: Motion) -> np.ndarray:
    return np.linalg.norm(np.diff(motion.positions, 2, axis=1), axis=-1) * motion.fps**2


def test_feet_stand_within_a_centimetre_and_below_two_centimetres_a_second(pair: tuple[Motion, Motion]) -> None:
    source, made = pair
    np.testing.assert_array_equal(made.contacts, source.contacts)
    assert [name for name, *_ in standing(made)] == ["LPad", "RPad"]
    rig = made.rig
    for which, joint in enumerate(rig.contact_joints):
        stands = made.contacts[:, :, which]
        both = stands[:, 1:] & stands[:, :-1]
        place = made.positions[:, :, joint]
        assert (np.linalg.norm(np.diff(place[..., [0, 2]], axis=1), axis=-1)[both] * made.fps).max() < 0.02
        assert np.abs(place[..., 1] - rig.rest_global[0][joint, 1])[stands].max() < 0.01


def test_no_limit_is_broken_and_nothing_snaps(pair: tuple[Motion, Motion]) -> None:
    source, made = pair
    angles, limits = limit_angles(made.rotations.astype(np.float64), made.rig), made.rig.limits
    assert (angles - limits[..., 1]).max() < 1e-4
    assert (limits[..., 0] - angles).max() < 1e-4
    assert accelerations(made).max() < 3 * accelerations(source).max()


def test_a_rig_on_itself_moves_as_it_did(walking: Corpus) -> None:
    source = walking.motion
    made = retarget(source, source.rig)
    apart = np.linalg.norm(made.positions - source.positions, axis=-1)
    assert apart.mean() < 0.01
    assert np.quantile(apart, 0.99) < 0.05


def test_the_rest_pose_of_one_is_the_rest_pose_of_the_other() -> None:
    source, target = load_rig("r1"), load_rig("r2")
    positions, _ = source.rest_global
    root = np.tile(positions[:1], (1, 4, 1))
    still = make_motion(source, 30.0, root, np.tile(source.rest, (1, 4, 1, 1)), contacts=np.ones((1, 4, 2), bool))
    made = retarget(still, target)
    roles = [target.roles[role] for role in ROLES if role in target.roles]
    wanted = np.tile(target.rest_global[0][roles], (4, 1, 1))
    np.testing.assert_allclose(made.positions[0][:, roles], wanted, atol=0.01)


def test_a_place_holds_while_a_foot_stands_and_goes_over_in_between() -> None:
    places = np.zeros((1, 7, 3), np.float32)
    places[0, :, 0] = np.arange(7)
    stands = np.array([[False, True, True, False, False, True, False]])
    moved = pin(places, stands, 0.5)[0]
    np.testing.assert_allclose(moved[[1, 2], 0], 1.5)  # the mean of 1 and 2
    np.testing.assert_allclose(moved[[1, 2, 5], 1], 0.5)
    np.testing.assert_allclose(moved[5], [5, 0.5, 0])
    # Corrections of -0.5 at frame 2 and 0 at frame 5; before the first and after the last they stay.
    np.testing.assert_allclose(moved[[0, 3, 4, 6], 0], [0.5, 3 - 1 / 3, 4 - 1 / 6, 6], atol=1e-6)
    np.testing.assert_array_equal(pin(places, np.zeros_like(stands), 0.5), places)


def test_what_corresponds(walking: Corpus) -> None:
    r1, quad, hexapod = (load_rig(name) for name in ("r1", "quad", "hexapod"))
    assert [target for target, *_ in match(r1, quad).contacts] == [
        quad.joint_names.index("hind_paw_l"), quad.joint_names.index("hind_paw_r")
    ]  # fmt: skip  # a biped's hands do not stand
    assert match(r1, hexapod).new == ("left_mid", "right_mid")
    assert match(hexapod, r1).missing == ("left_mid", "right_mid")
    names = {quad.joint_names[a]: r1.joint_names[b] for a, b in partners(r1, quad).items()}
    assert names["hind_paw_l"] == "ankle_l"
    assert names["femur_l"] == "hip_l"
    assert "tail_a" not in names
    same = partners(r1, r1)
    assert all(same[joint] == joint for joint in same)


def test_how_far_apart_two_rigs_are() -> None:
    """Nothing lies between a rig and itself; a longer arm and a joint more are told, the same in both directions."""
    r1, quad, hexapod = (load_rig(name) for name in ("r1", "quad", "hexapod"))
    assert (distance(r1, r1).bones, distance(r1, r1).joints, distance(r1, r1).limbs) == (0, 0, 0)
    for one, other in ((r1, quad), (quad, hexapod), (r1, load_rig("arm"))):
        assert distance(one, other) == distance(other, one)
    assert distance(r1, hexapod).limbs == 2
    assert distance(r1, load_rig("r3")).bones < 0.1 < distance(r1, load_rig("r2")).bones < distance(r1, quad).bones
    longer = r1.offsets.copy()
    elbow = r1.joint_names.index("elbow_l")
    longer[elbow] *= 2  # one bone of those on the ways, log 2 off
    bones = len(set(partners(r1, r1)) - {0} - set(r1.contact_joints.tolist()))
    assert distance(r1, replace(r1, offsets=longer)).bones == pytest.approx(np.log(2) / bones**0.5, rel=1e-5)


def test_rigs_without_a_common_role_are_told() -> None:
    rig = load_rig("r1")
    bare = replace(rig, name="bare", roles={"pelvis": 0}, contact_joints=np.array([], int))
    with pytest.raises(UserError, match="'bare' and rig 'r1' have no role in common"):
        match(bare, rig)


def test_a_corpus_keeps_its_names_and_scales_what_is_asked(reaching: Corpus) -> None:
    rig = load_rig("r2")
    made = retarget_corpus(reaching, rig, "there")
    assert (made.ids, made.groups, made.actions, made.takes) == (
        reaching.ids, reaching.groups, reaching.actions, reaching.takes
    )  # fmt: skip
    assert made.identity != reaching.identity
    assert made.exact_contacts
    scale = rig.height / reaching.motion.rig.height
    np.testing.assert_allclose(made.course[..., :2], reaching.course[..., :2] * scale, rtol=1e-5)
    targets = made.targets
    assert targets is not None
    clip, event = np.argwhere(targets.slots >= 0)[0]
    joint, at = rig.key_joints[targets.slots[clip, event]], targets.arrivals[clip, event]
    np.testing.assert_allclose(targets.positions[clip, event], made.motion.positions[clip, at, joint])
    np.testing.assert_allclose(
        quat.mul(targets.rotations[clip, event], rig.rest_global[1][joint]),
        made.motion.global_rotations[clip, at, joint], atol=1e-5,
    )  # fmt: skip


def test_its_page_shows_both_from_one_place_on() -> None:
    """Far from the origin the smaller body's path leads elsewhere; the page moves it beside the other."""
    source = corpus("r1", "locomotion", 6)
    away = source.motion.root_positions + np.array([5, 0, 3], np.float32)
    source = replace(source, motion=replace(source.motion, root_positions=away))
    made = retarget_corpus(source, load_rig("quad"), "r1-on-quad")
    scene = retargeted_scene(source, made)
    assert scene.beside
    for clip in scene.clips:
        apart = clip.made[0][0, 0] - clip.truth[0, 0]
        assert 0 < apart[0] < 2 * source.motion.rig.height
        assert abs(apart[2]) < 1e-5


def test_the_command_makes_a_domain_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    small = corpus("r1", "locomotion", 12)
    monkeypatch.setattr("rae_bench.viewer.gather.load_side", lambda *_: small)
    with pytest.raises(SystemExit) as ended:
        main(["data", "retarget", "r1", "r2", "--name", "r1-on-r2"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("stands     LPad: slides 0.0") for line in lines)
    assert lines[-1] == "page       r1-on-r2-retargeted.html"
    assert (tmp_path / "r1-on-r2-retargeted.html").stat().st_size > 500_000
    with pytest.raises(SystemExit):
        main(["view", "r1-on-r2", "-o", "view.html"])
    assert (tmp_path / "view.html").exists()
    for words, reason in (
        (["nobody", "r2"], "unknown result folder or domain 'nobody'"),
        (["r1", "r9"], "unknown rig or domain 'r9'"),
        (["r1", "arm.toml"], "arm.toml"),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["data", "retarget", *words, "--name", "x"])
        assert ended.value.code == 2
        assert reason in capsys.readouterr().err


def test_a_rig_of_another_leg_count_can_be_asked_for(walking: Corpus) -> None:
    def moves(rig: Rig) -> None:
        made = retarget(walking.motion[:2], rig)
        assert np.isfinite(made.positions).all()
        assert made.contacts.shape[2] == len(rig.contact_joints)

    for name in ("quad", "hexapod"):
        moves(load_rig(name))


@pytest.mark.parametrize("onto", ["r2", "quad"])
def test_ends_of_a_clip_keep_their_speed_and_nothing_goes_below_the_ground(onto: str) -> None:
    """What is calmed must not brake where a clip begins and ends; a hand that becomes a fore paw stays above."""
    source = generate_locomotion(load_rig("r1"), clips=48, seconds=3).motion
    made = retarget(source, load_rig(onto))
    scale = made.rig.height / source.rig.height
    steps = [np.linalg.norm(np.diff(m.root_positions[..., [0, 2]], axis=1), axis=-1) for m in (made, source)]
    travels = steps[1].mean(1) > 0.01
    for part in (np.s_[:, :1], np.s_[:, 40:41], np.s_[:, -1:]):
        ours, theirs = (step[travels][part].sum() for step in steps)
        assert ours == pytest.approx(scale * theirs, rel=0.03)
    contacts = made.rig.contact_joints
    assert (made.positions[:, :, contacts, 1] - made.rig.rest_global[0][contacts, 1]).min() > -0.002
