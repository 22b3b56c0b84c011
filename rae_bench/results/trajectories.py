"""Trajectories on disk: one compressed `.npz` beside each cell result."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rae_bench.data.formats.archive import Archive
from rae_bench.data.formats.source import Source
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.model.api import Trajectory
from rae_bench.results.clips import AGAIN
from rae_bench.rigs.rig import Rig
from rae_bench.storage import whole_file


def save_trajectory(path: Path, trajectory: Trajectory, rig: Rig, fps: float, lengths: np.ndarray) -> None:
    """Write root positions and unit rotations in single precision, because coarser steps would dominate the jerk.

    Frames after the end of a clip repeat its last frame. The values of the model in these frames are not used.

    Args:
        path: the file to write, whole or not at all.
        trajectory: what a model generated.
        rig, fps: of the clips.
        lengths: (N,) real frames of each clip.
    """
    last = np.minimum(np.arange(trajectory.root_positions.shape[2]), np.asarray(lengths)[:, None] - 1)
    clip = np.arange(len(last))[:, None]
    with whole_file(path) as scratch, scratch.open("wb") as file:
        np.savez_compressed(
            file,
            root_positions=trajectory.root_positions[:, clip, last].astype(np.float32),
            rotations=quat.normalize(trajectory.rotations[:, clip, last]).astype(np.float32),
            lengths=lengths.astype(np.int32),
            fps=np.float32(fps),
            rig=np.frombuffer(bytes.fromhex(rig.content_hash), np.uint8),
        )


def load_trajectory(path: Path) -> Trajectory:
    """Read what `save_trajectory` wrote. Raise `UserError` if the file is missing or damaged."""
    try:
        archive = Archive(Source(path))
        roots = archive.checked("root_positions", (None, None, None, 3), "f")
        rotations = archive.checked("rotations", (None, None, None, None, 4), "f")
        return Trajectory.checked(Trajectory(roots, rotations), "it holds", single_precision=False)
    except UserError as error:
        # What the reader of recordings advises, such as another download, does not help here.
        what = str(error).removeprefix(f"{path}: ").partition("; ")[0]
        raise UserError(f"{path}: not a readable trajectory ({what}); {AGAIN}") from None
