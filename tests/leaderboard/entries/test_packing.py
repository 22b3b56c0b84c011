"""What is read from packed trajectories is what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from rae_bench.kinematics import quat
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.packing import check_motion
from rae_bench.model.api import Trajectory


def motion(length: float = 1.0) -> Trajectory:
    """Ten clips of twenty frames, in single precision, whose rotations have this length."""
    rng = np.random.default_rng(0)
    turns = quat.normalize(rng.standard_normal((1, 10, 20, 8, 4))).astype(np.float32)
    return Trajectory(rng.standard_normal((1, 10, 20, 3)).astype(np.float32), (length * turns).astype(np.float32))


def test_unit_rotations_stay_as_they_are() -> None:
    """Another rounding would choose other frames where a foot rests, and honest numbers would not be found again."""
    stored = motion()
    read = check_motion(stored, "here")
    np.testing.assert_array_equal(read.rotations, stored.rotations)
    assert read.rotations.dtype == np.float32


def test_other_rotations_are_normalised_or_refused() -> None:
    read = check_motion(motion(1.0005), "here")
    np.testing.assert_allclose(np.linalg.norm(read.rotations, axis=-1), 1, atol=2e-7)
    with pytest.raises(Refused):
        check_motion(motion(1.01), "here")
