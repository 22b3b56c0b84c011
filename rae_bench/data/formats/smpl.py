"""Recordings of the body model SMPL and its successors SMPL+H and SMPL-X, as AMASS and pose estimators save them: npz.

SMPL: Loper et al. 2015, doi:10.1145/2816795.2818013. AMASS: Mahmood et al. 2019, arXiv:1904.03278.
docs/reference/formats.md describes the files. The body models are not free to pass on, so nothing of them is in this
package: `average_body` has proportions of its own.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rae_bench.data.formats.archive import Archive, recorded_rate
from rae_bench.data.formats.source import Source
from rae_bench.data.formats.take import Note, Take
from rae_bench.data.formats.units import Up, upright
from rae_bench.files import regular
from rae_bench.kinematics import quat
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.file import read_rig
from rae_bench.rigs.rig import make_rig
from rae_bench.rigs.tree import depth_first, joint_list

JOINTS = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle"),
    *("spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder"),
    *("right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand"),
)
"""The 24 joints of SMPL; the first 22 are those of all its successors, too."""
PARENTS = np.array([-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21])
BODY = 22
"""Joints whose turns every file holds; those behind them are hands, jaw and eyes, and differ between the models."""
HEIGHT = 1.7
"""Metres, of `average_body`."""
_PLACES = {  # x to the left, y up, z ahead, in shares of the height; the right side is the mirror image
    "pelvis": (0, 0.555, 0),
    "spine1": (0, 0.625, 0),
    "spine2": (0, 0.695, 0),
    "spine3": (0, 0.765, 0),
    "neck": (0, 0.835, 0),
    "head": (0, 0.885, 0.01),
    "left_hip": (0.048, 0.53, 0),
    "left_knee": (0.048, 0.285, 0),
    "left_ankle": (0.048, 0.039, 0),
    "left_foot": (0.048, 0.012, 0.08),
    "left_collar": (0.04, 0.8, 0),
    "left_shoulder": (0.11, 0.818, 0),
    "left_elbow": (0.296, 0.818, 0),
    "left_wrist": (0.442, 0.818, 0),
    "left_hand": (0.496, 0.818, 0),
}
"""Heights of hip, knee, ankle and shoulder and lengths of arm, forearm and hand: Winter, Biomechanics and Motor Control
of Human Movement, 2009, figure 4.1, after Drillis and Contini 1966. A hip lies at a quarter of the hips' breadth there.
The spine is cut into equal parts."""
_PATHS = ("trans", "transl", "translation")
_RATES = ("mocap_framerate", "mocap_frame_rate", "fps", "framerate", "frame_rate")
_POSES = "poses.npy"
_BESIDE = {"trans.npy", "transl.npy", "betas.npy", "gender.npy"}
_SPLIT = {"body_pose.npy", "global_orient.npy"}


@dataclass(frozen=True, eq=False)
class SmplBody:
    """The skeleton on which SMPL's turns are put, in the pose without turns: arms to the sides, y up, facing +Z.

    Attributes:
        offsets: (24, 3) metres from each joint's parent, those of `JOINTS`; zero at the pelvis.
        pelvis: (3,) metres, where the pelvis is in a recording whose `trans` is zero.
        name: words for people.
    """

    offsets: np.ndarray
    pelvis: np.ndarray
    name: str


def average_body() -> SmplBody:
    """Return a body of average proportions, `HEIGHT` tall; its joints are not where SMPL's own model has them."""
    places = np.zeros((len(JOINTS), 3))
    for j, joint in enumerate(JOINTS):
        side = -1 if joint.startswith("right") else 1
        places[j] = np.array(_PLACES[joint.replace("right", "left")]) * [side, 1, 1]
    return _body_of(places * HEIGHT, "a body of average proportions", np.zeros(3))


def _body_of(places: np.ndarray, name: str, pelvis: np.ndarray) -> SmplBody:
    """Return the body whose joints lie at `places` (24, 3) where nothing turns."""
    offsets = places - places[PARENTS]
    offsets[0] = 0
    return SmplBody(offsets, pelvis, name)


def read_smpl_body(path: str | Path) -> SmplBody:
    """Read the skeleton of a user's own body model, or of a rig file with SMPL's joints.

    Args:
        path: a model's npz with `v_template` (V, 3) and `J_regressor` (J, V), as SMPL+H and SMPL-X come, of which the
            mean body is taken; or a rig file (.toml) with offsets for `JOINTS`.

    Raises:
        UserError: One line names the file and what it lacks.
    """
    path = Path(path)
    source = Source(path)
    if path.suffix.lower() == ".toml":
        rig = read_rig(path)
        missing = [joint for joint in JOINTS if joint not in rig.joint_names]
        if missing:
            joints = ", ".join(missing[:4])
            raise source.fault(f"no joint {joints}; a body for SMPL has the joints of docs/reference/formats.md")
        offsets = np.array([rig.offsets[rig.index(joint)] for joint in JOINTS], np.float64)
        offsets[0] = 0
        return SmplBody(offsets, np.zeros(3), path.name)
    archive = Archive(source, pass_pickles=True)
    surface = archive.checked("v_template", (None, 3), "f").astype(np.float64)
    regressor = archive.checked("J_regressor", (None, len(surface)), "f").astype(np.float64)
    if len(regressor) < len(JOINTS):
        raise source.fault(f"J_regressor has {len(regressor)} joints; SMPL has {len(JOINTS)}")
    places = regressor @ surface
    hands = [BODY, BODY + 1]
    if len(regressor) > len(JOINTS):  # there the joints behind the body are fingers: a hand is the middle of its first
        parents = archive.checked("kintree_table", (2, len(regressor)), "iu")[0].astype(np.int64)
        places[hands] = [places[parents == wrist].mean(0) for wrist in (20, 21)]
    return _body_of(places[: len(JOINTS)], path.name, places[0])


def is_smpl(path: Path) -> bool:
    """Return whether an npz file holds turns of SMPL's joints, by the names of its arrays."""
    try:
        with regular(path) as packed, zipfile.ZipFile(packed) as file:
            names = set(file.namelist())
    except (OSError, zipfile.BadZipFile, RuntimeError, ValueError):
        return False
    return (_POSES in names and bool(names & _BESIDE)) or names >= _SPLIT


def read_smpl(path: str | Path, body: SmplBody, *, up: Up = "z", fps: float | None = None) -> Take:
    """Read the turns of the body's joints and the path; fingers, face and shape are left out.

    Args:
        path: an npz with `poses` (T, 3 K) of at least 22 joints, or `global_orient` (T, 3) and `body_pose`; and with
            `trans` (T, 3) in metres, and a frame rate.
        body: the skeleton, since the file holds none.
        up: the file's vertical axis, as `upright` takes it; AMASS has z.
        fps: frames per second; None takes the file's.

    Returns:
        One take on 24 joints; the pose without turns stands, arms to the sides, y up, facing +Z.

    Raises:
        UserError: One line names the file, the array, and what to do.
    """
    source = Source(Path(path))
    turn = upright(up)
    archive = Archive(source, pass_pickles=True)
    turns, notes = _turns(archive)
    frames = len(turns)
    path_of = next((name for name in _PATHS if name in archive), None)
    root = body.pelvis + archive.checked(path_of or _PATHS[0], (frames, 3), "f").astype(np.float64)
    rate = recorded_rate(archive, fps, _RATES)
    rotations = np.tile(np.array([1.0, 0, 0, 0]), (frames, len(JOINTS), 1))
    rotations[:, : turns.shape[1]] = _quaternions(turns)
    if turn is not None:
        rotations[:, 0], root = quat.mul(turn, rotations[:, 0]), quat.rotate(turn, root)
    shape = " and the shape (betas)" if "betas" in archive else ""
    text = f"the files hold turns{shape} but no bone lengths: they are those of {body.name}"
    rig = make_rig(source.path.stem, joint_list(JOINTS, PARENTS, body.offsets), {}, where=str(path))
    rotations = rotations[:, depth_first(PARENTS)]  # a rig's order; SMPL's goes by how far joints are from the pelvis
    return Take(make_motion(rig, rate, root[None], rotations[None]), (*notes, Note("body", text)))


def _turns(archive: Archive) -> tuple[np.ndarray, list[Note]]:
    """Return the turns (T, K, 3) of 22 or 24 joints as axis times radians, and a note on those that are left out."""
    if "poses" in archive:
        values = _flat(archive, "poses")
    else:
        top, below = _flat(archive, "global_orient"), _flat(archive, "body_pose")
        if len(top) != len(below) or top.shape[1] != 3:
            raise archive.fault("global_orient and body_pose do not fit together")
        values = np.concatenate([top, below], 1)
    frames, width = values.shape
    if width % 3 or width < 3 * BODY or not frames:
        raise archive.fault(f"turns of {width / 3:g} joints in {frames} frames; SMPL has at least {BODY} in one")
    count = width // 3
    turns = values.reshape(frames, count, 3)
    if count in (BODY, len(JOINTS)):
        return turns, []
    text = f"{count - BODY} joints of fingers and face are left out"
    return turns[:, :BODY], [Note("fingers", text)]


def _flat(archive: Archive, name: str) -> np.ndarray:
    """Return an array (T, 3 K) of any of the shapes (T, 3 K) and (T, K, 3)."""
    shape, _ = archive.shapes.get(name, ((), ""))
    wanted: tuple[int | None, ...] = (None, None, 3) if len(shape) == 3 else (None, None)
    values = archive.checked(name, wanted, "f").astype(np.float64)
    return values.reshape(len(values), -1) if len(values) else values.reshape(0, 0)


def _quaternions(turns: np.ndarray) -> np.ndarray:
    """Return the quaternions (..., 4) of turns about an axis (..., 3), whose lengths are radians."""
    angle = np.linalg.norm(turns, axis=-1, keepdims=True)
    share = np.sinc(angle / (2 * np.pi)) / 2  # sin(angle / 2) / angle
    return quat.normalize(np.concatenate([np.cos(angle / 2), turns * share], -1))
