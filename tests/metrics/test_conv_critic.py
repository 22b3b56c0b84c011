"""The thesis' critic on request: its network, its scale, and what it writes into results."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.walking import noisy, walk

from rae_bench.metrics.conv_critic import LEAST_FRAMES, images, make_critic, thesis_errors, train_critic
from rae_bench.motion.motion import make_motion
from rae_bench.study.robustness import freeze


def test_images_are_frames_by_features_in_root_space() -> None:
    motion = walk(3, 40)
    motion = make_motion(
        motion.rig, 30, motion.root_positions, motion.rotations, lengths=np.array([40, 30, 10]),
        contacts=motion.contacts,
    )  # fmt: skip
    found, clips = images(motion)
    joints = len(motion.rig)
    assert found.shape[1:] == (30, 12 * joints)
    assert clips.tolist() == [0, 1, 2]
    local = motion.root.points_in(motion.positions)[1, :30]
    assert found[1][:, : 3 * joints] == pytest.approx(local.reshape(30, -1), abs=1e-5)
    assert (found[2][10:] == found[2][9]).all()


@pytest.mark.parametrize("size", [(30, 360), (LEAST_FRAMES, 24), (60, 120)])
def test_the_network_is_the_thesis(size: tuple[int, int]) -> None:
    critic = make_critic(*size)
    kinds = [type(layer).__name__ for layer in critic]
    assert kinds == ["Conv2d", "MaxPool2d", "BatchNorm2d", "ELU"] * 2 + ["Flatten", "Linear"]
    assert critic[0].kernel_size == (3, 3)
    assert critic[1].kernel_size == 3
    assert critic(torch.zeros(2, 1, *size)).shape == (2, 1)


def test_tells_a_frozen_body_from_real_motion() -> None:
    real, truth = walk(16, 60, seed=9), walk(8, 60)
    frozen, shaky = freeze(truth, 100), noisy(truth, 10)
    errors = thesis_errors(real, [frozen, shaky], [truth], updates=80)
    assert min(errors[:2]) > 0.2
    assert errors[2] < 0.5 * min(errors[:2])
    one, two = (thesis_errors(real, [frozen], [truth], seed=4, updates=3) for _ in range(2))
    assert one == pytest.approx(two, rel=1e-3)


def test_groups_are_not_divided() -> None:
    """All clips of a group are judged by the critic that saw none of them: one group of odd clips gives it away."""
    real, truth = walk(8, 40, seed=9), walk(4, 40)
    one = thesis_errors(real, [truth], groups=["a", "a", "b", "b"], updates=5)
    two = thesis_errors(real, [truth], groups=["a", "b", "a", "b"], updates=5)
    assert one != two
    assert one == thesis_errors(real, [truth], groups=["x", "x", "y", "y"], updates=5)


def test_random_numbers_of_the_caller_stay() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    found, _ = images(walk(2, 40))
    train_critic(found, found, seed=1, updates=1)
    assert torch.equal(torch.rand(2), expected)


def test_the_catalogue_imports_no_torch() -> None:
    code = "import sys, rae_bench.metrics.conv_critic; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
