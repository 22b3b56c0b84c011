"""Skeletons fitted to points: exact where bones are rigid, within the noise where they are not; npz and its faults."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.places import DOCS
from helpers.positions import NAMES, OFFSETS, PARENTS, body, turns

from rae_bench.data.formats.fit_points import fit_points
from rae_bench.data.formats.joint_tree import make_joint_tree, read_joint_tree
from rae_bench.data.formats.positions import Points, read_points, write_npz
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.kinematics.fit import fit_bones
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.rig import make_rig
from rae_bench.rigs.tree import depth_first, joint_list


def refit(points: np.ndarray, parents: np.ndarray = PARENTS) -> np.ndarray:
    offsets, rotations = fit_bones(points, parents)
    names = [f"j{j}" for j in range(len(parents))]
    joints = [(names[j], None if p < 0 else names[p], offsets[j]) for j, p in enumerate(parents)]
    return make_rig("fit", joints, {}).forward_kinematics(rotations[None], points[None, :, 0])[0][0]


def test_a_rigid_body_is_met_exactly() -> None:
    points = body()
    assert np.abs(refit(points) - points).max() < 2e-6
    offsets, rotations = fit_bones(points, PARENTS)
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), np.linalg.norm(OFFSETS, axis=1), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=-1), 1, atol=1e-9)
    # A bundle of children keeps its shape: the angle between the arms is that of the true offsets.
    assert offsets[3] @ offsets[5] == pytest.approx(OFFSETS[3] @ OFFSETS[5], abs=1e-6)
    assert (rotations[:, [2, 4, 5, 6, 7]] == [1, 0, 0, 0]).all()  # ends do not turn


def test_the_twist_of_a_lone_bone_is_the_shortest_turn() -> None:
    points = body()
    _, rotations = fit_bones(points, PARENTS)
    offsets, _ = fit_bones(points, PARENTS)
    axis = quat.normalize(rotations[:, 3])[:, 1:]  # arm_l has the hand as its only child
    assert np.abs(axis @ (offsets[4] / np.linalg.norm(offsets[4]))).max() < 1e-9


def test_children_on_one_line_leave_the_twist_at_rest() -> None:
    line = np.zeros((20, 3, 3))
    angle = np.linspace(0, 1, 20)
    along = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    line[:, 1], line[:, 2] = along, -2 * along
    parents = np.array([-1, 0, 0])
    assert np.abs(refit(line, parents) - line).max() < 1e-5
    _, rotations = fit_bones(line, parents)
    assert np.abs(rotations[:, 0, 1:3]).max() < 1e-4  # about z alone, as the line turns


def test_noise_is_met_within_itself() -> None:
    points = body(400)
    noisy = points + np.random.default_rng(1).normal(size=points.shape) * 0.01
    apart = np.linalg.norm(refit(noisy) - points, axis=-1)
    assert np.median(apart) < 0.02  # 1 cm of noise on each axis is 1.7 cm from the true place
    offsets, _ = fit_bones(noisy, PARENTS)
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), np.linalg.norm(OFFSETS, axis=1), atol=2e-3)
    take = fit_points([Points(Path("x.npz"), NAMES, PARENTS, 30, noisy)])[0]
    assert take.notes[0].kind == "noise"
    # Bones of 0.32 to 0.51 m at 1 cm of noise on both ends vary by about 1.4 cm.
    assert "bone lengths vary by 3" in take.notes[0].text or "bone lengths vary by 4" in take.notes[0].text


def test_a_spike_does_not_change_the_bones() -> None:
    points = body(100)
    points[7, 4] += 5
    offsets, _ = fit_bones(points, PARENTS)
    assert np.linalg.norm(offsets[4]) == pytest.approx(np.linalg.norm(OFFSETS[4]), abs=1e-9)


def test_degenerate_points_stay_finite() -> None:
    for points in (np.zeros((5, 8, 3)), np.tile(body(1), (5, 1, 1)), body(1)):
        offsets, rotations = fit_bones(points, PARENTS)
        assert np.isfinite(offsets).all()
        assert np.isfinite(rotations).all()


def test_files_of_one_skeleton_share_its_bones() -> None:
    def part(seed: int, scale: float = 1) -> Points:
        return Points(Path(f"{seed}.npz"), NAMES, PARENTS, 30, body(50, seed) * scale)

    takes = fit_points([part(0), part(1), part(2, 1.1)])
    first, second, larger = (take.motion.rig.offsets for take in takes)
    np.testing.assert_array_equal(first, second)
    assert np.linalg.norm(larger[1]) == pytest.approx(1.1 * np.linalg.norm(first[1]), rel=1e-5)
    for take, seed in zip(takes, (0, 1), strict=False):
        np.testing.assert_allclose(take.motion.positions[0], body(50, seed), atol=1e-5)


def save(tmp_path: Path, **arrays: object) -> Path:
    """A good file, with some arrays put in, or taken out by None."""
    whole: dict[str, object] = {
        "points": body().astype(np.float32),
        "names": np.array(NAMES),
        "parents": PARENTS,
        "fps": 50.0,
    }
    whole.update(arrays)
    path = tmp_path / "clip.npz"
    np.savez_compressed(path, **{k: np.asarray(v) for k, v in whole.items() if v is not None})  # type: ignore[arg-type]
    return path


def test_a_file_in_other_units_axes_and_order(tmp_path: Path) -> None:
    order = [5, 2, 7, 0, 4, 1, 3, 6]
    place = np.argsort(order)
    z_up = body()[:, order] @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) * 1000  # (x, y, z) -> (x, -z, y)
    parents = [-1 if PARENTS[j] < 0 else place[PARENTS[j]] for j in order]
    path = save(tmp_path, points=z_up, names=np.array(NAMES)[order], parents=np.array(parents))
    points = read_points(path, unit="mm", up="z")
    assert points.fps == 50
    assert points.names[0] == "hips"
    assert all(p < j for j, p in enumerate(points.parents))
    there = [NAMES.index(name) for name in points.names]
    np.testing.assert_allclose(points.positions, body()[:, there], atol=1e-6)
    assert read_points(path, fps=25).fps == 25


def test_an_oblique_vertical(tmp_path: Path) -> None:
    up = np.array([-0.015, 0.990, 0.137])
    points = read_points(save(tmp_path), up=tuple(up))
    heights = body() @ up / np.linalg.norm(up)
    np.testing.assert_allclose(points.positions[..., 1], heights, atol=1e-6)


def trees(tmp_path: Path, **arrays: object) -> Path:
    """The body without its hips: three trees."""
    parents = np.array([-1, 0, 0, 2, 0, -1, -1])
    return save(tmp_path, points=body()[:, 1:], names=np.array(NAMES[1:]), parents=parents, **arrays)


def test_a_root_path_is_given_and_never_guessed(tmp_path: Path) -> None:
    path = body()[:, 0]
    with pytest.raises(UserError, match=r"no root: 3 joints .*--root-path fixed .*children .*array"):
        read_points(trees(tmp_path))
    with pytest.raises(UserError, match=r"travels 1.*--root-path children"):
        read_points(trees(tmp_path), root_path="fixed")
    given = read_points(trees(tmp_path, path=path), root_path="path")
    assert given.names[0] == "root"
    np.testing.assert_allclose(given.positions[:, 0], path, atol=1e-6)
    # The joints that hang on it are rigid, so its path is exact but for where it was in the first frame.
    carried = read_points(trees(tmp_path), root_path="children").positions
    distance = np.linalg.norm(carried[:, 1:] - carried[:, :1], axis=-1)[:, [0, 5, 6]]
    np.testing.assert_allclose(distance, np.tile(distance[0], (60, 1)), atol=1e-6)
    np.testing.assert_allclose(carried[0, 0], 0, atol=1e-12)
    still = body() - path[:, None]
    names, parents = np.array(NAMES[1:]), np.array([-1, 0, 0, 2, 0, -1, -1])
    fixed = read_points(save(tmp_path, points=still[:, 1:], names=names, parents=parents), root_path="fixed")
    assert not fixed.positions[:, 0].any()
    with pytest.raises(UserError, match=r"root_path is not needed: 'hips' carries"):
        read_points(save(tmp_path), root_path="fixed")
    for wrong in ("names", "nothing"):
        with pytest.raises(UserError, match="none of fixed, children, an array"):
            read_points(trees(tmp_path), root_path=wrong)


def test_a_skeleton_file_in_place_of_parents(tmp_path: Path) -> None:
    toml = tmp_path / "body.toml"
    rows = [
        f'{{ name = "{n}"' + (f', parent = "{NAMES[p]}" }}' if p >= 0 else " }")
        for n, p in zip(NAMES, PARENTS, strict=True)
    ]
    toml.write_text(f"joints = [{', '.join(rows[:6])}]\n")
    skeleton = read_joint_tree(toml)
    points = read_points(save(tmp_path, parents=None), trees=[skeleton])
    assert points.names == NAMES[:6]
    assert "2 points that the skeleton file does not name were left out: leg_l, leg_r" in points.notes[0].text
    with pytest.raises(UserError, match=r"no skeleton file fits array 'points' \(names a, b"):
        read_points(save(tmp_path, names=np.array([*"abcdefgh"])), trees=[skeleton])
    unnamed = make_joint_tree(NAMES, PARENTS.tolist(), None, UserError)
    assert read_points(save(tmp_path, names=None), trees=[skeleton, unnamed]).names == NAMES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("joints = 3", "joints = "),
        ("joints = [", "not a TOML file"),
        ("joints = []", "0 joints"),
        ('joints = [{ name = "a", parent = "b" }]', "unknown parent 'b'"),
        ('joints = [{ name = "a" }, { name = "a" }]', "second joint called 'a'"),
        ('joints = [{ name = "" }]', "without a name"),
        ('joints = [{ name = "a", parent = "b" }, { name = "b", parent = "a" }]', "cycle through 'a'"),
        ("virtual_root = 3\njoints = [{ name = 'a' }]", "virtual_root needs to be a name"),
    ],
)
def test_skeleton_faults(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"s\.toml: ") as caught:
        read_joint_tree(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"fps": None}, "no frame rate in the file; give it with --recorded-fps"),
        ({"fps": np.nan}, "fps nan is not a frame rate"),
        ({"fps": -1}, "fps -1.0 is not"),
        ({"fps": "fast"}, "no frame rate"),
        ({"names": None}, "no names for the 8 points"),
        ({"parents": None}, "no parents for the 8 points of 'points'; give names and parents with --skeleton"),
        ({"parents": np.array([-1, 0, 1, 1, 3, 1, 0, 8])}, "joint 'leg_r': parent 8 is none of the 8"),
        ({"parents": np.array([-1, 0, 1, 1, 3, 1, 7, 6])}, "joint 'leg_l': its parents form a cycle through 'leg_l'"),
        ({"parents": np.array([1, 0, 1, 1, 1, 3, 0, 0])}, "cycle"),
        ({"names": np.array(["a"] * 8)}, "a second joint called 'a'"),
        ({"names": np.array([b"\xff"] * 8)}, "not UTF-8"),
        ({"points": None}, "no array of positions (T, J, 3); it holds names [8]"),
        ({"more": np.zeros((3, 8, 3))}, "several arrays of positions (points, more); choose with --points"),
        ({"points": np.zeros((0, 8, 3))}, "no frames"),
        (
            {"points": np.full((4, 8, 3), np.nan)},
            "frame 0: point 'hips' is [nan, nan, nan], not a place (4 of 4 frames",
        ),
        ({"points": np.full((4, 8, 3), np.inf)}, "not a place"),
        ({"points": np.full((4, 8, 3), 1e200)}, "not a place"),
    ],
)
def test_npz_faults(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    path = save(tmp_path, **arrays)
    with pytest.raises(UserError) as caught:
        read_points(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_python_objects_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "o.npz"
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="array 'a' holds Python objects"):
        read_points(path)


def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = (10**9, 8, 3)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    path = tmp_path / "huge.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("points.npy", header.getvalue() + b"\0" * 100)
    with pytest.raises(UserError, match=r"its header says \[1000000000, 8, 3\] but the file holds 100 bytes"):
        read_points(path)


def test_zeros_that_unpack_to_a_thousandfold_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = (6_000_000, 4, 3)  # 275 MiB in 0.3
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path = tmp_path / "dense.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("points.npy", "w") as file:
        file.write(header.getvalue())
        for _ in range(12):
            file.write(bytes(24_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"array 'points' is empty of content: 0\.3 MiB of it unpack to 275 MiB"):
            read_points(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_the_stick_insect_is_met_exactly(recordings: Path) -> None:
    path = recordings / "insect_stick" / "sungaya_0430_1500.npz"
    points = read_points(path, points="body_positions", up="z", fps=25)
    take = fit_points([points])[0]
    # Its README: every edge constant in length but for 4e-6 mm.
    assert np.linalg.norm(take.motion.positions[0] - points.positions, axis=-1).max() < 1e-6
    with pytest.raises(UserError, match="choose with --points"):
        read_points(path, fps=25)


def test_the_fly_is_met_within_its_noise(recordings: Path) -> None:
    path = recordings / "insect_fly" / "walk_fly1_PR_210902.npz"
    points = read_points(path, points="positions_raw", unit="mm", up="z", root_path="fixed")
    take = fit_points([points])[0]
    legs = np.array([points.parents[j] > 0 for j in range(len(points.names))])
    lengths = np.linalg.norm(points.bones[:, legs], axis=-1)
    spread = lengths.std(0) / lengths.mean(0)
    assert 0.04 < np.median(spread) < 0.07  # its README: raw segments vary by 4 to 7 %
    # Directions are met exactly, so a bone is off by the change of its length alone.
    fitted = take.motion.positions[0]
    bones = fitted - fitted[:, points.parents]
    off = np.linalg.norm(bones[:, legs] - points.bones[:, legs], axis=-1) / lengths.mean(0)
    assert np.median(off) < 0.07
    assert (
        np.sqrt((off**2).mean(0)).max() < 1.1 * (np.abs(lengths / np.median(lengths, 0) - 1) ** 2).mean(0).max() ** 0.5
    )
    with pytest.raises(UserError, match="no root: 6 joints"):
        read_points(path, points="positions_raw")


def test_the_arm_is_met_within_its_noise(recordings: Path) -> None:
    skeleton = read_joint_tree(DOCS / "skeletons" / "mouse_arm.toml")
    paths = sorted((recordings / "arm_mouse").glob("*.npz"))
    points = [read_points(path, points="body_positions", fps=1000, trees=[skeleton]) for path in paths]
    bones = np.linalg.norm(np.concatenate([p.bones for p in points])[:, 1:], axis=-1)
    # Its README: segments of 0.73, 6.82 and 6.94 mm, constant to 3e-4 mm.
    assert 1000 * np.median(bones, axis=0) == pytest.approx([0.73, 6.82, 6.94], abs=0.01)
    noise = np.abs(bones - np.median(bones, axis=0)).max()
    assert noise < 4e-7
    for take, measured in zip(fit_points(points), points, strict=True):
        off = np.linalg.norm(take.motion.positions[0] - measured.positions, axis=-1)
        assert off.max() <= 3 * noise + 1e-8  # a chain of three bones, each off by its own change of length


def test_the_mouse_is_met_within_its_noise(recordings: Path) -> None:
    skeleton = read_joint_tree(DOCS / "skeletons" / "mouse.toml")
    path = recordings / "quadruped_mouse" / "mouse_0000_2500.npz"
    points = read_points(path, unit="mm", up=[0.015, -0.990, -0.137], fps=30, trees=[skeleton])
    knees = [points.names.index("Knee_L"), points.names.index("Knee_R")]
    assert [points.names[points.parents[knee]] for knee in knees] == ["Hip_L", "Hip_R"]
    fitted = fit_points([points])[0].motion.positions[0]
    bones = fitted - fitted[:, points.parents]
    # Where a joint has one child its direction is met exactly, so such a bone is off by the change of its length alone.
    lone = [j for j, p in enumerate(points.parents) if p > 0 and (points.parents == p).sum() == 1]
    lengths = np.linalg.norm(points.bones, axis=-1)
    off = np.linalg.norm(bones - points.bones, axis=-1)
    changed = np.abs(lengths - np.median(lengths, axis=0))
    assert len(lone) > 8
    assert (off[:, lone] <= changed[:, lone] + 1e-6).all()
    # Its README: from hip to knee it is 20.2 +- 5.2 mm. The fit is off by no more than that spread.
    assert np.abs(1000 * lengths[:, knees].mean(0) - 20.2).max() < 5.2
    assert 1000 * np.sqrt((off[:, knees] ** 2).mean(0)).max() < 5.2


def walked() -> Motion:
    """The body of the helpers, with its turns and its path."""
    rig = make_rig("body", joint_list(NAMES, PARENTS, OFFSETS), {})
    rotations, points = turns(60, len(NAMES)), body()
    return make_motion(rig, 30, points[None, :, 0], rotations[None, :, depth_first(PARENTS)])


def test_what_is_written_comes_back_with_its_turns(tmp_path: Path) -> None:
    motion = walked()
    write_npz(tmp_path / "a.npz", motion)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert {name: array.dtype.str for name, array in arrays.items() if name != "names"} == {
            "positions": "<f4", "rotations": "<f4", "offsets": "<f4", "parents": "<i4", "fps": "<f8"
        }  # fmt: skip
    back = fit_points([read_points(tmp_path / "a.npz")])[0].motion
    assert back.rig.joint_names == motion.rig.joint_names
    np.testing.assert_allclose(back.positions, motion.positions, atol=1e-6)
    np.testing.assert_allclose(quat.chord(back.rotations, motion.rotations), 0, atol=1e-6)
    other = fit_points([read_points(tmp_path / "a.npz", unit=2.0, up="z")])[0].motion
    np.testing.assert_allclose(other.positions, 2 * motion.positions[..., [0, 2, 1]] * [1, 1, -1], atol=1e-5)
    with pytest.raises(UserError, match="clip 1 of a motion that has 1"):
        write_npz(tmp_path / "b.npz", motion, 1)
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize("kind", ["x, y, z, w", "world", "other bones", "not finite"])
def test_turns_of_another_kind_are_not_believed(kind: str, tmp_path: Path) -> None:
    """The points alone are fitted then, as if the file had no turns."""
    motion = walked()
    write_npz(tmp_path / "a.npz", motion)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        arrays = dict(file)
    match kind:
        case "x, y, z, w":
            arrays["rotations"] = np.roll(arrays["rotations"], -1, -1)
        case "world":
            arrays["rotations"] = motion.global_rotations[0]
        case "other bones":
            arrays["offsets"] = arrays["offsets"] * np.float32(1.01)
        case "not finite":
            arrays["rotations"][3, 2] = np.nan
    np.savez(tmp_path / "b.npz", **arrays)
    points = read_points(tmp_path / "b.npz")
    assert points.rotations is None
    take = fit_points([points])[0]
    assert take.notes
    np.testing.assert_allclose(take.motion.positions, motion.positions, atol=1e-5)
