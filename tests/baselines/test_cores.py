"""Cores against their papers' formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rae_bench.baselines.cores.lmp_moe import LmpMoE, next_phase, turned
from rae_bench.baselines.cores.mann import gate_inputs
from rae_bench.baselines.layers import MixedLinear, Recurrence
from rae_bench.baselines.pairs import parts
from rae_bench.baselines.parts import Widths
from rae_bench.features import make_skeleton, states, targets
from rae_bench.metrics import evaluate
from rae_bench.model import Budget, Context, Domain
from rae_bench.protocol.domains import examine
from rae_bench.registry import make_model
from rae_bench.stepping import Carry, Frame, Next, StepNetwork
from rae_bench.training import sizes_for, statistics

Walk = Callable[..., list[Next]]
ROWS = 6
REMEMBER = ["lmp-moe", "omg-lstm"]


def network(name: str, domain: Domain) -> Any:
    torch.manual_seed(0)
    return make_model(name, {}).network(sizes_for(len(domain.rig)))


def mixed_per_sample(layer: MixedLinear, x: Tensor, gates: Tensor) -> Tensor:
    """The published form: a weight matrix for each sample."""
    experts = gates.shape[1]
    weights = torch.einsum("bk,kio->bio", gates, layer.weight.view(experts, -1, layer.weight.shape[1]))
    return torch.einsum("bi,bio->bo", x, weights) + gates @ layer.bias


@pytest.mark.parametrize("core", [c for c in sorted(parts("cores")) if c not in ("omg-lstm", "rtn")])
def test_gemm_form_equals_mixing_weights_per_sample(
    core: str, domains: dict[str, Domain], walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network(core, domains["quad"]).eval()
    noise = torch.randn(ROWS, net.noise)

    def run() -> tuple[Tensor, dict[str, Tensor]]:
        net.zero_grad()
        change = walk(net, "quad", noise=noise)[0].change
        (change**2).mean().backward()
        return change.detach(), {k: p.grad.clone() for k, p in net.named_parameters() if p.grad is not None}

    change, gradients = run()
    monkeypatch.setattr(MixedLinear, "forward", mixed_per_sample)
    expected, slow = run()
    torch.testing.assert_close(change, expected, rtol=1e-5, atol=1e-5)
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradient, slow[key], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("core", sorted(parts("cores")))
def test_overfits_one_segment(core: str, domains: dict[str, Domain]) -> None:
    """Rolled out over its one training segment, the error is below a tenth of that of holding the pose."""
    domain = domains["quad"]
    one = Domain(
        domain.name, domain.rig, domain.motion[:1], domain.objectives[:1], domain.phases[:1], domain.ids[:1],
        domain.groups[:1],
    )
    exam = examine(one.motion, 30, list(one.ids), list(one.groups))
    updates = 2000
    model = make_model(core, {"windows": 24})
    ctx = Context("cold", 1.0, Budget(updates, 10**9), 0)
    model.adapt(one, ctx)

    def error(which: Any) -> float:
        return evaluate(which.generate(exam.prompt, ctx), exam.truth, exam.objectives)["reconstruction_error"]

    got, hold = error(model), error(make_model("hold", {}))
    print(f"{core}: {got:.3f} cm, hold {hold:.3f} cm; {ctx.spent}")
    assert got < 0.1 * hold


# omg-lstm


def test_recurrence_is_torchs_lstm() -> None:
    stack, lstm = Recurrence(5, 4, 2), nn.LSTM(5, 4, 2)
    for i, cell in enumerate(stack.cells):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(lstm, f"{part}_l{i}").data = getattr(cell, part).data
    x, memory, out = torch.randn(7, 3, 5), torch.zeros(3, stack.memory), []
    for frame in x:
        top, memory = stack(frame, memory)
        out.append(top)
    torch.testing.assert_close(torch.stack(out), lstm(x)[0])


@pytest.mark.parametrize("core", REMEMBER)
def test_what_comes_next_depends_on_what_was(core: str, domains: dict[str, Domain], walk: Walk) -> None:
    """The same frame with an empty memory: another prediction."""
    net = network(core, domains["quad"]).eval()
    remembered = walk(net, "quad")[3].change
    forgot = walk(Forgetful(net), "quad")[3].change
    assert (remembered - forgot).abs().max() > 1e-5


# mann


def test_mann_gates_on_key_joints_and_objectives(domains: dict[str, Domain]) -> None:
    """Against the motion's own arrays; slots that the rig lacks are zeros."""
    domain, t = domains["quad"], 40
    motion, rig = domain.motion, domain.rig
    state = states(motion)[:, t]
    empty = torch.zeros(len(state), 0)
    carry = Carry(state, torch.zeros(len(state), 16), empty, empty)
    skeleton = make_skeleton(rig, motion.fps)
    frame = Frame(carry, targets(domain.objectives, motion.fps).at(t), skeleton, statistics(domain))
    got = gate_inputs(frame)
    velocity, distance, soon, active = got.split([24, 8, 8, 8], 1)
    assert got.shape == (len(state), 48)
    wanted = domain.objectives
    for slot, joint in enumerate(rig.key_joints):
        there = wanted.active[:, t, slot].astype("float32")
        gap = motion.positions[:, t, joint] - wanted.positions[:, t, slot]
        expected = there * np.linalg.norm(gap, axis=-1) / rig.height
        np.testing.assert_allclose(distance[:, slot], expected * (joint >= 0), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(active[:, slot], there)
        seconds = wanted.time_to_arrival(motion.fps)[:, t, slot]
        np.testing.assert_allclose(soon[:, slot], there / (1 + seconds), rtol=1e-3)
        moved = motion.positions[:, t, joint] - motion.positions[:, t - 1, joint]
        speed = np.linalg.norm(moved, axis=-1) * motion.fps / rig.height * (joint >= 0)
        np.testing.assert_allclose(velocity.unflatten(1, (8, 3))[:, slot].norm(dim=-1), speed, rtol=1e-3, atol=1e-5)


# lmp-moe


def phase_at(angle: float) -> Tensor:
    return torch.tensor([np.sin(angle), np.cos(angle)], dtype=torch.float32)


def test_phases_turn_on() -> None:
    torch.testing.assert_close(turned(2 * phase_at(0.3), torch.tensor(0.5)), 2 * phase_at(0.8))


def test_next_phase_is_half_integrated_half_predicted() -> None:
    """Old 3 at .2, turned on by .4, at the predicted amplitude 2; predicted 2 at .6: they agree."""
    agreed = next_phase(3 * phase_at(0.2)[None, None], 2 * phase_at(0.6)[None, None], torch.tensor([[0.4]]))
    torch.testing.assert_close(agreed[0, 0], 2 * phase_at(0.6))
    between = next_phase(phase_at(0.2)[None, None], phase_at(1.0)[None, None], torch.tensor([[0.4]]))
    torch.testing.assert_close(between[0, 0], 0.5 * phase_at(0.6) + 0.5 * phase_at(1.0))
    still = next_phase(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), torch.zeros(1, 1))
    assert still.abs().max() < 1e-5


def test_window_of_a_steady_phase() -> None:
    """A phase that turns by .1 a frame: samples are 5 frames, so .5, apart, from -3 to 3 around the frame's own."""
    core = LmpMoE(Widths(4, 4, 0, 192, 16), width=8, experts=2, gate=8, dropout=0.0)

    def phase(frame: int) -> Tensor:
        return phase_at(0.1 * frame).repeat(8)[None]

    now = 40
    past = torch.cat([phase(frame) for frame in range(now - 30, now)], 1)
    memory = torch.cat([torch.ones(1, 1), past, torch.full((1, 8), 0.1)], 1)
    samples, _ = core.window(phase(now), memory)
    expected = torch.stack([phase(now + 5 * k) for k in range(-6, 7)], 1)
    torch.testing.assert_close(samples, expected, rtol=1e-4, atol=1e-5)
    fresh, _ = core.window(phase(now), torch.zeros(1, core.memory))
    torch.testing.assert_close(fresh, phase(now)[:, None].expand(-1, 13, -1))


class Forgetful(StepNetwork):
    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net, self.memory, self.noise = net, net.memory, net.noise

    def forward(self, frame: Frame) -> Next:
        frame.memory = torch.zeros_like(frame.memory)
        made: Next = self.net(frame)
        return made
