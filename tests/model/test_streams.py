"""Windows, the streams that training walks along, scheduled sampling, and statistics."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers.tiny_model import LENGTH, context, same
from torch import Tensor, nn

from rae_bench.model import (
    Domain,
    TrainConfig,
    control_targets,
    local_phases,
    make_skeleton,
    states,
    statistics,
    windows,
)
from rae_bench.model.alone import Training
from rae_bench.model.streams import Streams
from rae_bench.task.sides import Side

# Statistics.


def test_statistics_depend_on_the_given_segments_alone(target_side: Side) -> None:
    train = target_side.split(0).train
    few = statistics(target_side.domain(train[:3]))
    assert same(few.state_dict(), statistics(target_side.domain(train[:3])).state_dict())
    assert not same(few.state_dict(), statistics(target_side.domain(train[:4])).state_dict())


def test_statistics_do_not_see_padding(target_side: Side) -> None:
    """Half a clip in a batch of whole ones counts as half a clip."""
    domain = target_side.domain(target_side.split(0).train[:2])
    half = domain.motion.cut(0, 40)
    short = replace(domain, motion=half)
    motion = replace(domain.motion, lengths=np.array([40, 40]))
    padded = statistics(replace(domain, motion=motion))
    for name, value in statistics(short).state_dict().items():
        torch.testing.assert_close(padded.state_dict()[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_statistics_of_little(target_side: Side, count: int) -> None:
    normal = statistics(target_side.domain(target_side.split(0).train[:count]))
    for value in normal.state_dict().values():
        assert torch.isfinite(value).all()
    assert normal.std.min() > 0
    assert normal.change.min() > 0


# Windows.


def with_lengths(domain: Domain, *lengths: int) -> Domain:
    """The first segments of a domain, of which so many frames count."""
    count = len(lengths)
    motion = replace(domain.motion[:count], lengths=np.array(lengths))
    return Domain(
        domain.name, domain.rig, motion, domain.objectives[:count], domain.phases[:count], domain.ids[:count],
        domain.groups[:count],
    )  # fmt: skip


def test_windows_start_where_they_end_within_their_segment(target: Domain) -> None:
    """Of 7, 5 and 4 real frames: three windows of five frames, one, and none."""
    found = windows(with_lengths(target, 7, 5, 4), 5)
    assert found.starts.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]


def test_windows_hold_what_the_domain_holds(target: Domain) -> None:
    domain = with_lengths(target, 75, 60)
    found = windows(domain, 8)
    window = found.gather(torch.tensor([[1, 20], [0, 3], [1, 52]]))
    asked = control_targets(domain.objectives, domain.motion.fps)
    past = local_phases(domain.motion, past_only=True)
    for row, (clip, first) in enumerate([(1, 20), (0, 3), (1, 52)]):
        part = slice(first, first + 8)
        assert torch.equal(window.states[row], states(domain.motion)[clip, part])
        assert torch.equal(window.frames[row], asked.frames[clip, part])
        assert torch.equal(window.targets.flags[row], asked.flags[clip, part])
        np.testing.assert_array_equal(window.phases[row], domain.phases[clip, part].reshape(8, 16))
        np.testing.assert_array_equal(window.contacts[row], domain.motion.contacts[clip, part])
        np.testing.assert_array_equal(window.start[row], past[clip, first].ravel())


def test_windows_longer_than_any_segment(target: Domain) -> None:
    assert windows(with_lengths(target, 7, 5), 8).starts.shape == (0, 2)


def test_windows_of_an_empty_domain(target_side: Side) -> None:
    found = windows(target_side.domain(target_side.split(0).train[:0]), 5)
    assert found.starts.shape == (0, 2)
    assert len(found.states) == len(found.past) == len(found.phases) == len(found.contacts) == 0


# Streams and scheduled sampling.


def test_streams_go_on_where_the_last_window_ended(target: Domain) -> None:
    config = TrainConfig(windows=6, length=LENGTH)
    batches = list(Streams(target, config, updates=40, seed=0))
    assert batches[0].fresh.all()
    for before, after in pairwise(batches):
        on = ~after.fresh
        assert torch.equal(before.states[on, -1], after.states[on, 0])
        assert torch.equal(before.frames[on, -1], after.frames[on, 0])
    fresh = torch.stack([b.fresh for b in batches[1:]])
    assert fresh.any()
    assert not fresh.all()


def test_windows_stay_within_their_segments(target: Domain) -> None:
    """Padding repeats the last frame: a window within a short clip would show frames that do not move."""
    lengths = np.full(len(target), 75)
    lengths[::2] = 9
    motion = replace(target.motion, lengths=lengths)
    streams = Streams(replace(target, motion=motion), TrainConfig(windows=8, length=LENGTH), updates=30, seed=0)
    for clip in range(len(target)):
        streams.windows.states[clip, lengths[clip] :] = float("nan")
    for batch in streams:
        assert torch.isfinite(batch.states).all()


def test_streams_of_one_seed_are_the_same(target: Domain) -> None:
    def drawn(seed: int) -> list[Tensor]:
        return [b.states for b in Streams(target, TrainConfig(windows=3, length=LENGTH), updates=5, seed=seed)]

    assert all(torch.equal(a, b) for a, b in zip(drawn(0), drawn(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(drawn(0), drawn(1), strict=True))


class Recording(nn.Module):
    """A network that remembers the poses that it reads; zero change, so its own predictions glide on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[Tensor] = []

    def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(pose.detach().clone())
        change = (pose.shape[1] - 4) // 12 * 3 + 4
        return self.weight * pose[:, :change], phase


def share_of_own(target: Domain, index: int, updates: int, ramp: float) -> float:
    """Share of the frames read within the windows of one update that are the network's own predictions."""
    config = TrainConfig(windows=64, length=LENGTH, ramp=ramp)
    network, skeleton = Recording(), make_skeleton(target.rig, target.motion.fps)
    normal = statistics(target)
    training = Training(network, normal, skeleton, config, updates, context("cold"))
    batch = next(iter(Streams(target, config, updates=1, seed=0)))
    training.training_step(batch, index)
    true = (batch.states[..., skeleton.layout.pose] - normal.mean) / normal.std
    own = [(network.seen[t] - true[:, t]).abs().max(1).values > 1e-6 for t in range(1, LENGTH - 1)]
    return float(torch.stack(own).float().mean())


def test_scheduled_sampling_rises_from_truth_to_own_predictions(target: Domain) -> None:
    shares = [share_of_own(target, index, updates=100, ramp=0.5) for index in (0, 10, 25, 40, 50, 99)]
    assert shares[0] == 0
    assert shares[-2:] == [1, 1]
    assert shares[1:4] == pytest.approx([0.2, 0.5, 0.8], abs=0.12)


def test_the_carried_state_opens_the_next_window(target: Domain) -> None:
    """After the ramp a window that goes on begins with what the last one ended in, unless it was lost."""
    config = TrainConfig(windows=32, length=LENGTH, ramp=0.01)
    network, skeleton = Recording(), make_skeleton(target.rig, target.motion.fps)
    normal = statistics(target)
    training = Training(network, normal, skeleton, config, 100, context("cold"))
    first, second = list(Streams(target, config, updates=2, seed=0))
    training.training_step(first, 98)
    assert training.carried is not None
    carried = training.carried[0]
    network.seen.clear()
    training.training_step(second, 99)
    opened = network.seen[0] * normal.std + normal.mean
    own = (opened - carried[:, skeleton.layout.pose]).abs().max(1).values < 1e-4
    assert not own[second.fresh].any()
    assert own[~second.fresh].float().mean() > 0.5
    assert not carried.requires_grad
