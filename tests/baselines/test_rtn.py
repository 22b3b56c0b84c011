"""`rtn` against its paper's formulas."""

from collections.abc import Callable

import numpy as np
import torch
from helpers.cores import asked_by, frame_at, network_of
from torch import Tensor

from rae_bench.baselines.cores.rtn import earliest_arrival, noise_scale, plu, time_embedding
from rae_bench.model.api import Domain
from rae_bench.model.step import Frame, Next, StepNetwork

Walk = Callable[..., list[Next]]
ROWS = 6


def test_plu() -> None:
    x = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.7, 1.0, 11.0])
    torch.testing.assert_close(plu(x), torch.tensor([-1.2, -1.0, -0.5, 0.0, 0.7, 1.0, 2.0]))


def test_time_embedding() -> None:
    """z(2i) = sin(t / 10000^(2i/d)), z(2i+1) = cos; constant beyond two seconds."""
    got = time_embedding(torch.tensor([0.0, 7.0, 60.0, 90.0]), 6)
    for row, t in enumerate((0, 7, 60, 60)):
        expected = [f(t / 10000 ** (2 * i / 6)) for i in range(3) for f in (np.sin, np.cos)]
        np.testing.assert_allclose(got[row], expected, atol=1e-5)


def test_noise_fades_before_arrival() -> None:
    got = noise_scale(torch.tensor([0.0, 4.9, 5.0, 17.5, 30.0, 31.0, 200.0]))
    torch.testing.assert_close(got, torch.tensor([0, 0, 0, 0.5, 1, 1, 1]))


def test_rtn_noise_depends_on_the_earliest_arrival(domains: dict[str, Domain], walk: Walk) -> None:
    """Noise changes what is predicted where every objective is more than 5 frames away, and nowhere else."""
    net = network_of("rtn", domains["quad"]).eval()
    frames: list[Tensor] = []

    class Watch(StepNetwork):
        memory, noise = net.memory, net.noise

        def forward(self, frame: Frame) -> Next:
            frames.append(torch.where(frame.active > 0, 30 * frame.seconds, 1000).amin(1))
            made: Next = net(frame)
            return made

    torch.manual_seed(0)
    noisy = walk(Watch(), "quad", noise=torch.randn(ROWS, net.noise))[0].change
    quiet = walk(Watch(), "quad", noise=torch.zeros(ROWS, net.noise))[0].change
    moved = (noisy - quiet).abs().amax(1) > 1e-7
    assert torch.equal(moved, frames[0] > 5.001)
    assert moved.any()


def test_rtn_hides_nothing_of_a_path() -> None:
    """Noise stands for not knowing a far target; where no role has one, it is zero, and the path is read as it is."""
    domain = asked_by("control", "quad")
    net = network_of("rtn", domain).eval()
    made = []
    for noise in (0.0, 5.0):
        frame, state = frame_at(domain, 40)
        assert not frame.active.any()
        assert not earliest_arrival(frame).any()
        frame.memory, frame.noise = torch.zeros(len(state), net.memory), torch.full((len(state), net.noise), noise)
        made.append(net(frame).change)
    assert torch.equal(*made)


def test_rtn_reads_the_path_as_target_and_as_offset() -> None:
    domain = asked_by("control", "quad")
    core = network_of("rtn", domain).core
    frame, state = frame_at(domain, 40)
    frame.memory, frame.noise = torch.zeros(len(state), core.memory), torch.zeros(len(state), core.noise)
    core(torch.zeros(len(state), 128), frame).change.pow(2).sum().backward()
    for encoder in (core.target, core.offset):
        assert encoder[0].weight.grad[:, -12:].abs().max() > 0
