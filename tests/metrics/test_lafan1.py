"""LaFAN1's protocol on a closed-form clip, whose numbers were computed once with the publication's own functions."""

import hashlib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from rae_bench.cli import main
from rae_bench.data.formats.bvh import read_bvh
from rae_bench.data.formats.bvh_write import write_bvh
from rae_bench.errors import UserError
from rae_bench.metrics import lafan1
from rae_bench.metrics.npss import power
from rae_bench.motion.motion import make_motion

GOLDEN = {
    ("zero_velocity", "l2q"): (1.081709, 2.466250, 3.142567),
    ("interpolation", "l2q"): (0.230243, 1.208171, 2.322023),
    ("zero_velocity", "l2p"): (1.886477, 4.437902, 6.585871),
    ("interpolation", "l2p"): (0.301897, 1.637628, 3.955376),
    ("zero_velocity", "npss"): (0.016665, 0.206835, 1.083994),
    ("interpolation", "npss"): (0.002363, 0.203302, 0.909371),
}

Clips = tuple[list[lafan1.LocalClip], list[lafan1.LocalClip]]


def closed_form(frames: int, seed: int) -> lafan1.LocalClip:
    t, j = np.arange(frames)[:, None], np.arange(22)[None]
    angle = 0.8 * np.sin(2 * np.pi * t * (1 + j % 4) / 120 + j + seed)
    axis = np.stack([np.sin(j + 1), np.cos(j + 1), 0.5 + 0 * j], -1)
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    rotations = np.concatenate([np.cos(angle / 2)[..., None], axis * np.sin(angle / 2)[..., None]], -1)
    positions = np.repeat(np.stack([10 + j[0], 0.5 * j[0], -0.25 * j[0]], -1)[None], frames, 0)
    t = t[:, 0]
    positions[:, 0, 0] = 1.5 * t + 10 * np.sin(2 * np.pi * t / 90 + seed)
    positions[:, 0, 1] = 90 + 5 * np.sin(2 * np.pi * t / 45)
    positions[:, 0, 2] = 20 * np.cos(2 * np.pi * t / 200 + seed)
    return rotations, positions


@pytest.fixture(scope="module")
def clips() -> Clips:
    return [closed_form(1000, 0), closed_form(800, 1)], [closed_form(900, 2)]


def _golden() -> dict[tuple[str, str, int], float]:
    return {(*key, n): value for key, row in GOLDEN.items() for n, value in zip((5, 15, 30), row, strict=True)}


def test_golden_numbers(clips: Clips) -> None:
    assert lafan1.benchmark(*clips) == pytest.approx(_golden(), abs=1e-5)


def test_windows_are_counted_as_published() -> None:
    counts = [len(lafan1._windows(closed_form(frames, 0), *lafan1.TRAIN)[1]) for frames in (1000, 800, 50, 51)]
    assert counts == [48, 38, 0, 1]
    assert len(lafan1._windows(closed_form(900, 2), *lafan1.TEST)[1]) == 21


def _moved(clips: Clips) -> dict[tuple[str, str], float]:
    """What differs from the golden numbers at 30 frames."""
    values = lafan1.benchmark(*clips, lengths=(30,))
    return {key: values[*key, 30] for key in GOLDEN if abs(values[*key, 30] - GOLDEN[key][2]) > 1e-4}


def test_no_facing(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lafan1, "_facing", lambda rotations: np.zeros(len(rotations)))
    moved = _moved(clips)
    assert moved["zero_velocity", "l2p"] == pytest.approx(9.611, abs=5e-4)
    assert moved["interpolation", "npss"] == pytest.approx(1.037, abs=5e-4)
    assert not {key for key in moved if key[1] == "l2q"}


def test_no_centring(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lafan1, "_centre", lambda root: np.zeros((len(root), 3)))
    moved = _moved(clips)
    assert moved["zero_velocity", "l2p"] == pytest.approx(3.696, abs=5e-4)
    assert {key[1] for key in moved} == {"l2p"}


def test_whole_power(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lafan1, "real_power", power)
    moved = _moved(clips)
    assert moved["zero_velocity", "npss"] == pytest.approx(2.695, abs=5e-4)
    assert {key[1] for key in moved} == {"npss"}


def test_antipodal_alignment(clips: Clips) -> None:
    """What L2Q would be if the sign of a quaternion did not count."""
    rig = lafan1._rig(clips[0][0][1][0])
    rotations, root = lafan1._canonical(*lafan1._windows(clips[1][0], *lafan1.TEST))
    truth = rig.forward_kinematics(rotations[:, 10:40], root[:, 10:40])[1]
    made = rig.forward_kinematics(*lafan1._fill("zero_velocity", rotations, root, 30))[1]
    sign = np.where((made * truth).sum(-1, keepdims=True) < 0, -1, 1)
    assert lafan1._length(made - truth) == pytest.approx(3.142567, abs=1e-5)
    assert lafan1._length(sign * made - truth) == pytest.approx(3.1145, abs=5e-5)


def test_bad_clips_are_refused(clips: Clips) -> None:
    train, test = clips
    with pytest.raises(UserError, match="1 to 45"):
        lafan1.benchmark(train, test, lengths=(46,))
    with pytest.raises(UserError, match="both training and test"):
        lafan1.benchmark(train, [])
    with pytest.raises(UserError, match="longer than 65"):
        lafan1.benchmark(train, [closed_form(65, 0)])
    with pytest.raises(UserError, match="clip 2 has shapes"):
        lafan1.benchmark(train, [(test[0][0][:, :21], test[0][1])])
    assert np.isfinite(list(lafan1.benchmark(train, [closed_form(66, 2)]).values())).all()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The closed-form clips as BVH files in an archive that passes for the data set's."""
    with ZipFile(tmp_path / "lafan1.zip", "w") as files:
        for name, (frames, seed) in (
            ("a_subject1.bvh", (1000, 0)),
            ("b_subject4.bvh", (800, 1)),
            ("c_subject5.bvh", (900, 2)),
        ):
            rotations, positions = closed_form(frames, seed)
            rig = lafan1._rig(positions[0])
            motion = make_motion(rig, 30, positions[None, :, 0], rotations[None], contacts=np.zeros((1, frames, 0)))
            write_bvh(tmp_path / name, motion, unit="m")
            files.write(tmp_path / name, f"lafan1/{name}")
    data = (tmp_path / "lafan1.zip").read_bytes()
    monkeypatch.setattr(lafan1, "BYTES", len(data))
    monkeypatch.setattr(lafan1, "SHA256", hashlib.sha256(data).hexdigest())
    return tmp_path / "lafan1.zip"


def test_archive_gives_the_same(archive: Path) -> None:
    assert lafan1.benchmark(*lafan1.published_clips(archive)) == pytest.approx(_golden(), abs=2e-4)


def test_command(archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(path: Path) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["check", "lafan1", str(path)])
        return ended.value.code, *capsys.readouterr()

    monkeypatch.setattr(lafan1, "PUBLISHED", GOLDEN)
    code, out, _ = run(archive.parent)
    assert code == 0
    assert out.count("\n") == 9
    assert "6.5859" in out
    assert "differs" not in out
    monkeypatch.setattr(lafan1, "PUBLISHED", GOLDEN | {("zero_velocity", "l2p"): (1.886477, 4.437902, 9.611)})
    code, out, _ = run(archive)
    assert code == 1
    assert out.count("differs") == 1
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    for path, words in ((archive, "sha256"), (archive.parent / "nowhere", "not there")):
        code, out, err = run(path)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert words in err
    with archive.open("ab") as file:
        file.write(b"more")
    assert "bytes" in run(archive)[2]


def test_real_clips(recordings: Path) -> None:
    """Two takes of the set: its skeleton, and errors of that size; L2P is in units of one take's spread."""
    folder = recordings / "human_lafan1"
    files = (folder / "walk4_subject1.bvh", folder / "push1_subject2.bvh")
    walk, push = (lafan1._as_clip(read_bvh(file, unit=1.0)) for file in files)
    offsets = dict(zip(lafan1.JOINTS, walk[1][0], strict=True))
    assert offsets["LeftUpLeg"] == pytest.approx([0.1035, 1.8578, 10.5485], abs=1e-4)
    assert offsets["RightHand"] == pytest.approx([25.1998, 0.0001, 0.0004], abs=1e-4)
    values = lafan1.benchmark([walk], [push])
    for key, published in lafan1.PUBLISHED.items():
        ours = [values[*key, n] for n in lafan1.PUBLISHED_LENGTHS]
        assert ours == sorted(ours)
        if key[1] != "l2p":
            assert 1 / 4 < ours[0] / published[0] < 4, key
