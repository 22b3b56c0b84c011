"""What goes on from frame to frame: memory and noise, in training and in roll-out."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.model import LightningModel, Sizes
from rae_bench.model.alone import Training
from rae_bench.model.api import Budget, Context, Domain, ModelCard
from rae_bench.model.config import LOST, TrainConfig
from rae_bench.model.control import control_targets
from rae_bench.model.features import make_skeleton, states
from rae_bench.model.step import Carry, Frame, Next, StepNetwork
from rae_bench.model.streams import Streams, statistics
from rae_bench.rigs.file import load_rig
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol

LENGTH = 5


class Counter(StepNetwork):
    """Holds the pose; its memory counts frames and keeps the first noise that it was given."""

    memory, noise, reads_following = 2, 1, True

    def __init__(self, sizes: Sizes, held: bool = False) -> None:
        super().__init__()
        self.codec, self.core = nn.Linear(1, 1), nn.Linear(1, 1)
        self.noise_held, self.change = held, sizes.change
        self.seen: list[tuple[Tensor, Tensor, Frame | None, float]] = []

    def forward(self, frame: Frame) -> Next:
        self.seen.append((frame.memory.detach(), frame.noise, frame.following, frame.progress))
        zero = 0 * self.core.weight.sum()
        change = zero + torch.zeros(len(frame.pose), self.change)
        change[:, 0] = change[:, 0] + 0.01 * frame.noise[:, 0]
        return Next(change, frame.phase, frame.memory + 1 + zero, {"mine": zero + 3.0}, {"note": zero + 7.0})


class CounterModel(LightningModel):
    card = ModelCard(name="counter")

    def network(self, sizes: Sizes) -> nn.Module:
        self.made = Counter(sizes)
        return self.made


@pytest.fixture(scope="module")
def side() -> Side:
    protocol = Protocol(seconds=2.5)
    return Side(generate_locomotion(load_rig("quad"), clips=20, seconds=protocol.seconds), protocol)


@pytest.fixture(scope="module")
def domain(side: Side) -> Domain:
    return side.domain(side.split(0).train)


def context() -> Context:
    return Context("cold", 1.0, Budget(4, 10**6), 0)


@pytest.mark.parametrize("held", [False, True])
def test_memory_lasts_as_long_as_a_stream(domain: Domain, held: bool) -> None:
    """Windows that go on find the count of all frames before them; fresh and lost ones find zero."""
    config = TrainConfig(windows=16, length=LENGTH)
    skeleton, normal = make_skeleton(domain.rig, domain.motion.fps), statistics(domain)
    network = Counter(Sizes(0, 0, 0, 4 + 3 * len(domain.rig)), held)
    training = Training(network, normal, skeleton, config, 40, context())
    counts, noises = torch.zeros(16), torch.zeros(16, 1)
    went_on = 0
    for index, batch in enumerate(Streams(domain, config, 40, seed=0)):
        on = ~batch.fresh
        if training.carried is not None:
            apart, away = training._off(training.carried.state, batch.states[:, 0])
            on &= (apart <= LOST) & (away <= LOST)
        network.seen.clear()
        training.training_step(batch, index)
        opened = network.seen[0]
        counts = torch.where(on, counts, 0)
        assert torch.equal(opened[0], counts[:, None].expand(-1, 2))
        counts = counts + LENGTH - 1
        went_on += int(on.sum())
        if held:
            assert all(torch.equal(a[1], b[1]) for a, b in pairwise(network.seen))
            if index:
                assert torch.equal(opened[1][on], noises[on])
            assert not (opened[1][~on] == noises[~on]).any()
            noises = opened[1]
        else:
            assert not any((a[1] == b[1]).any() for a, b in pairwise(network.seen))
        assert opened[3] == index / 40
    assert went_on > 100
    assert training.carried is not None
    assert not training.carried.memory.requires_grad


def test_training_shows_the_true_next_frame(domain: Domain) -> None:
    config = TrainConfig(windows=8, length=LENGTH)
    skeleton, normal = make_skeleton(domain.rig, domain.motion.fps), statistics(domain)
    network = Counter(Sizes(0, 0, 0, 4 + 3 * len(domain.rig)))
    batch = next(iter(Streams(domain, config, 1, seed=0)))
    Training(network, normal, skeleton, config, 1, context()).training_step(batch, 0)
    for t, (_, _, following, _) in enumerate(network.seen):
        assert following is not None
        true = (batch.states[:, t + 1, skeleton.layout.pose] - normal.mean) / normal.std
        assert torch.equal(following.pose, true)


def test_losses_are_added_and_notes_reported(domain: Domain) -> None:
    config = TrainConfig(windows=8, length=LENGTH)
    skeleton, normal = make_skeleton(domain.rig, domain.motion.fps), statistics(domain)

    class Quiet(Counter):
        def forward(self, frame: Frame) -> Next:
            return super().forward(frame)._replace(losses={}, notes={})

    losses, ctx = [], context()
    for cls in (Counter, Quiet):
        network = cls(Sizes(0, 0, 0, 4 + 3 * len(domain.rig)))
        torch.manual_seed(0)
        training = Training(network, normal, skeleton, config, 1, ctx)
        losses.append(training.training_step(next(iter(Streams(domain, config, 1, seed=0))), 0))
    assert float((losses[0] - losses[1]).detach()) == pytest.approx(3, abs=1e-4)
    assert ctx.declared["note"] == 7


def test_roll_out_reads_the_history_first(side: Side, domain: Domain) -> None:
    model, ctx = CounterModel(windows=4, length=LENGTH), context()
    model.adapt(domain, ctx)
    prompt = side.held_out_clips(side.split(0).test).prompt
    network = model.made
    network.seen.clear()
    model.generate(prompt, ctx)
    history, frames = prompt.history.root_positions.shape[1], int(prompt.frames.max())
    assert [int(memory[0, 0]) for memory, *_ in network.seen] == list(range(history - 1 + frames))
    assert all(not noise.any() and after is None and done == 1 for _, noise, after, done in network.seen)


def test_samples_differ_and_do_not_depend_on_the_batch(side: Side, domain: Domain) -> None:
    from dataclasses import replace

    model, ctx = CounterModel(windows=4, length=LENGTH), context()
    model.adapt(domain, ctx)
    prompt = replace(side.held_out_clips(side.split(0).test).prompt, num_samples=3)
    whole, alone = model.generate(prompt, ctx), model.generate(prompt[1:2], ctx)
    assert whole.root_positions.shape[0] == 3
    assert abs(whole.root_positions[0] - whole.root_positions[1]).max() > 1e-3
    assert abs(whole.root_positions[:, 1:2] - alone.root_positions).max() < 1e-5
    again: Any = model.generate(prompt, ctx)
    assert (again.root_positions == whole.root_positions).all()


def test_steering_puts_the_root_where_the_step_says(domain: Domain) -> None:
    """With weight 1 the root goes the step, in its own axes and rig heights; with 0 where the change says."""
    motion, rig = domain.motion, domain.rig
    skeleton, state = make_skeleton(rig, motion.fps), states(motion)[:, 40]
    rows = len(state)
    carry = Carry(state, torch.zeros(rows, 16), torch.zeros(rows, 0), torch.zeros(rows, 0))
    frame = Frame(carry, control_targets(domain.objectives, motion.fps).at(40), skeleton, statistics(domain))
    change = torch.randn(rows, skeleton.layout.size_change)
    step = torch.tensor([[0.1, 0.2]]).expand(rows, -1)
    plain, whole, half = (frame.moved(frame.steered(change, step, torch.full((rows, 1), w))) for w in (0.0, 1.0, 0.5))
    torch.testing.assert_close(plain, frame.moved(change))
    forward = state[:, 3:6]
    side = torch.stack([forward[:, 2], forward[:, 1], -forward[:, 0]], 1)  # x where z is forward and y is up
    expected = state[:, :3] + rig.height * (0.1 * side + 0.2 * forward)
    torch.testing.assert_close(whole[:, :3], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(half[:, :3], (plain[:, :3] + expected) / 2, rtol=1e-4, atol=1e-5)


def test_frame_in_rig_heights(domain: Domain) -> None:
    """Key joints, their velocities and times to arrival against the motion's own arrays."""
    motion, rig = domain.motion, domain.rig
    skeleton, t = make_skeleton(rig, motion.fps), 40
    state = states(motion)[:, t]
    count = len(state)
    carry = Carry(state, torch.zeros(count, 16), torch.zeros(count, 0), torch.zeros(count, 0))
    frame = Frame(carry, control_targets(domain.objectives, motion.fps).at(t), skeleton, statistics(domain))
    seconds = torch.from_numpy(domain.objectives.time_to_arrival(motion.fps)[:, t])
    torch.testing.assert_close(frame.seconds, seconds, rtol=1e-3, atol=1e-4)
    assert torch.equal(frame.active, torch.from_numpy(domain.objectives.active[:, t]).float())
    moved = torch.from_numpy(motion.positions[:, t] - motion.positions[:, t - 1]) * motion.fps / rig.height
    for slot, joint in enumerate(rig.key_joints):
        speed = moved[:, joint].norm(dim=-1) if joint >= 0 else torch.zeros(count)
        torch.testing.assert_close(frame.keys[:, slot, 9:].norm(dim=-1), speed, rtol=1e-3, atol=1e-4)
        if joint >= 0:
            high = torch.from_numpy(motion.positions[:, t, joint, 1]) / rig.height
            torch.testing.assert_close(frame.keys[:, slot, 1], high, rtol=1e-3, atol=1e-4)


def test_control_is_what_is_asked_times_its_scale(domain: Domain) -> None:
    path, given = states(domain.motion), control_targets(domain.objectives, domain.motion.fps).at(10)
    rows = len(path)
    carry = Carry(path[:, 10], torch.zeros(rows, 16), torch.zeros(rows, 0), torch.zeros(rows, 0))
    frame = Frame(carry, given, make_skeleton(domain.rig, domain.motion.fps), statistics(domain))
    scaled = frame.control[:, :192].unflatten(1, (8, 24))
    for part, factor in ((slice(0, 3), 8), (slice(3, 9), 4), (slice(9, 12), 8), (slice(12, 18), 4), (slice(18, 21), 3)):
        torch.testing.assert_close(scaled[:, :, part], factor * frame.asked[:, :, part])
    torch.testing.assert_close(scaled[:, :, 21], frame.active)
    torch.testing.assert_close(scaled[:, :, 23], 5 * frame.asked[:, :, 23])
    assert 0.3 < float(scaled[frame.active > 0].std(0)[:21].mean()) < 3  # of about unit size, as the pose is
