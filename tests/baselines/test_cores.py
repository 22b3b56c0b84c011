"""Cores against their papers' formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers.cores import frame_at, network_of
from torch import Tensor, nn

from rae_bench.baselines.catalogue import parts
from rae_bench.baselines.cores.lmp_moe import RATE, Past, next_phase, turned, window
from rae_bench.baselines.cores.mann import gate_inputs
from rae_bench.baselines.layers import MixedLinear, Recurrence
from rae_bench.metrics import evaluate
from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.registry import make_model
from rae_bench.model.step import Frame, Next, StepNetwork
from rae_bench.task.held_out import cut_clips

Walk = Callable[..., list[Next]]
ROWS = 6
REMEMBER = ["lmp-moe", "omg-lstm", "rtn"]


def mixed_per_sample(layer: MixedLinear, x: Tensor, gates: Tensor) -> Tensor:
    """The published form: a weight matrix for each sample."""
    experts, wide = gates.shape[1], x.shape[1]
    weights = torch.einsum("bk,koi->bio", gates, layer.experts.weight.view(experts, -1, wide))
    return torch.einsum("bi,bio->bo", x, weights) + gates @ layer.experts.bias.view(experts, -1)


@pytest.mark.parametrize("core", [c for c in sorted(parts("cores")) if c not in ("omg-lstm", "rtn")])
def test_gemm_form_equals_mixing_weights_per_sample(
    core: str, domains: dict[str, Domain], walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network_of(core, domains["quad"]).eval()
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
        domain.name,
        domain.rig,
        domain.motion[:1],
        domain.objectives[:1],
        domain.phases[:1],
        domain.ids[:1],
        domain.groups[:1],
    )
    exam = cut_clips(one.motion, 30, [one.ids[0]], [one.groups[0]], [""], one.objectives)
    updates = 2000
    predicted = make_model(core, {}).config.length - 1
    model = make_model(core, {"windows": 96 // predicted})
    ctx = Context("cold", 1.0, Budget(updates, 10**9), 0)
    model.adapt(one, ctx)

    def error(which: Any) -> float:
        return evaluate(which.generate(exam.prompt, ctx), exam.truth, exam.objectives)["reconstruction_error"]

    got, hold = error(model), error(make_model("hold", {}))
    print(f"{core}: {got:.3f} cm, hold {hold:.3f} cm; {ctx.declared}")
    assert got < 0.1 * hold


# omg-lstm


def test_recurrence_is_torchs_lstm() -> None:
    stack, lstm = Recurrence(5, 4, 2), nn.LSTM(5, 4, 2)
    for i, cell in enumerate(stack.cells):
        for part, layer in (("ih", cell.given), ("hh", cell.kept)):
            getattr(lstm, f"weight_{part}_l{i}").data = layer.weight.data
            getattr(lstm, f"bias_{part}_l{i}").data = layer.bias.data
    x, memory, out = torch.randn(7, 3, 5), torch.zeros(3, stack.memory), []
    for frame in x:
        top, memory = stack(frame, memory)
        out.append(top)
    torch.testing.assert_close(torch.stack(out), lstm(x)[0])


@pytest.mark.parametrize("core", REMEMBER)
def test_what_comes_next_depends_on_what_was(core: str, domains: dict[str, Domain], walk: Walk) -> None:
    """The same frame with an empty memory: another prediction."""
    net = network_of(core, domains["quad"]).eval()
    remembered = walk(net, "quad")[3].change
    forgot = walk(Forgetful(net), "quad")[3].change
    assert (remembered - forgot).abs().max() > 1e-5


# mann


def test_mann_gates_on_key_joints_and_objectives(domains: dict[str, Domain]) -> None:
    """Against the motion's own arrays; slots that the rig lacks are zeros."""
    domain, t = domains["quad"], 40
    motion, rig = domain.motion, domain.rig
    frame, state = frame_at(domain, t)
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
    """Old 2 at .2, turned on by .4; predicted 2 at .6: they agree. Slots without a phase stay without."""
    agreed = next_phase(2 * phase_at(0.2)[None, None], 2 * phase_at(0.6)[None, None], torch.tensor([[0.4]]))
    torch.testing.assert_close(agreed[0, 0], 2 * phase_at(0.6))
    between = next_phase(phase_at(0.2)[None, None], 3 * phase_at(1.0)[None, None], torch.tensor([[0.4]]))
    torch.testing.assert_close(between[0, 0], 0.5 * phase_at(0.6) + 1.5 * phase_at(1.0))
    assert not next_phase(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), torch.ones(1, 1)).any()


@pytest.mark.parametrize("fps", [25, 30, 48, 50, 60, 120])
def test_the_window_is_in_seconds(fps: int) -> None:
    """A phase that turns by 3 radians a second: samples are a sixth of a second apart, whatever the frame rate is."""
    pace = RATE / fps
    memory = torch.zeros(1, 2 + (1 + 31) * 16 + 8)
    for frame in range(3 * fps):
        now = phase_at(3 * frame / fps).repeat(8)[None]
        past = Past.of(memory, now)
        memory = past.after(now, torch.full((1, 8), 0.1), pace)
    samples = window(now, past, pace)
    expected = torch.stack([phase_at(3 * (frame / fps + k / 6)).repeat(8)[None] for k in range(-6, 7)], 1)
    tolerance = 1e-4 if fps in (30, 60, 120) else 2e-3  # in between lies a chord in place of an arc
    torch.testing.assert_close(samples, expected, rtol=0, atol=tolerance)


def test_without_a_past_it_was_always_as_now() -> None:
    now = phase_at(0.4).repeat(8)[None]
    samples = window(now, Past.of(torch.zeros(1, 2 + 32 * 16 + 8), now), 1.0)
    torch.testing.assert_close(samples, now[:, None].expand(-1, 13, -1))


class Forgetful(StepNetwork):
    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net, self.memory, self.noise = net, net.memory, net.noise

    def forward(self, frame: Frame) -> Next:
        frame.memory = torch.zeros_like(frame.memory)
        made: Next = self.net(frame)
        return made
