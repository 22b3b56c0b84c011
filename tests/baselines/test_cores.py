"""Cores against their papers' formulas."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from rae_bench.baselines.catalogue import parts
from rae_bench.baselines.cores.lmp_moe import LmpMoE, next_phase, turned
from rae_bench.baselines.cores.mann import gate_inputs
from rae_bench.baselines.cores.mvae import Mvae, active_units, divergence
from rae_bench.baselines.cores.nsm import gate_inputs as nsm_gate_inputs
from rae_bench.baselines.cores.nsm import goal_frames
from rae_bench.baselines.cores.rtn import noise_scale, plu, time_embedding
from rae_bench.baselines.layers import MixedLinear, Recurrence
from rae_bench.baselines.parts import Widths
from rae_bench.metrics import evaluate
from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.control import control_targets
from rae_bench.model.features import make_skeleton, states
from rae_bench.model.registry import make_model
from rae_bench.model.step import Carry, Frame, Next, StepNetwork
from rae_bench.model.streams import statistics
from rae_bench.model.training import sizes_for
from rae_bench.objectives.objectives import key_transforms
from rae_bench.task.held_out import cut_clips

Walk = Callable[..., list[Next]]
ROWS = 6
REMEMBER = ["lmp-moe", "omg-lstm", "rtn"]


def network(name: str, domain: Domain) -> Any:
    torch.manual_seed(0)
    return make_model(name, {}).network(sizes_for(len(domain.rig)))


def mixed_per_sample(layer: MixedLinear, x: Tensor, gates: Tensor) -> Tensor:
    """The published form: a weight matrix for each sample."""
    experts, wide = gates.shape[1], x.shape[1]
    weights = torch.einsum("bk,koi->bio", gates, layer.experts.weight.view(experts, -1, wide))
    return torch.einsum("bi,bio->bo", x, weights) + gates @ layer.experts.bias.view(experts, -1)


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
    exam = cut_clips(one.motion, 30, [one.ids[0]], [one.groups[0]], [""], one.objectives)
    updates = 2000
    model = make_model(core, {"windows": 24})
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
    net = network(core, domains["quad"]).eval()
    remembered = walk(net, "quad")[3].change
    forgot = walk(Forgetful(net), "quad")[3].change
    assert (remembered - forgot).abs().max() > 1e-5


def frame_at(domain: Domain, t: int) -> tuple[Frame, Tensor]:
    """Frame t of every clip, with its true phase; and its state."""
    motion = domain.motion
    state = states(motion)[:, t]
    empty = torch.zeros(len(state), 0)
    carry = Carry(state, torch.from_numpy(domain.phases[:, t]).flatten(1), empty, empty)
    skeleton = make_skeleton(domain.rig, motion.fps)
    return Frame(carry, control_targets(domain.objectives, motion.fps).at(t), skeleton, statistics(domain)), state


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


# rtn


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
    net = network("rtn", domains["quad"]).eval()
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


# mvae


def test_divergence() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(50, 4), torch.randn(50, 4)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, torch.exp(0.5 * log_variance)), normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_active_units() -> None:
    mean = torch.tensor([[1.0, 0.0, 5.0], [-1.0, 0.05, 5.0]])  # variances 1, 0.000625, 0
    assert int(active_units(mean)) == 1


def test_mvae_training_adds_the_divergence_as_it_warms_up(domains: dict[str, Domain], walk: Walk) -> None:
    net = network("mvae", domains["quad"])
    noise = torch.zeros(ROWS, net.noise)
    losses = [float(walk(net, "quad", noise=noise, progress=p)[0].losses["kl"].detach()) for p in (0, 0.25, 0.5, 1.0)]
    assert losses[0] == 0
    assert losses[1] == pytest.approx(0.5 * losses[2])
    assert losses[2] == losses[3] > 0
    assert not walk(net, "quad", noise=noise, taught=False)[0].losses
    with torch.no_grad():  # a collapsed posterior costs what is free, and no more
        net.core.last.weight.zero_()
        net.core.last.bias.zero_()
    made = walk(net, "quad", noise=noise)[0]
    assert float(made.losses["kl"].detach()) == pytest.approx(0.2 * 0.02)
    assert float(made.notes["kl"].detach()) == 0


def test_mvae_joins_the_latent_to_every_layer(domains: dict[str, Domain]) -> None:
    core: Mvae = network("mvae", domains["quad"]).core
    latent = core.noise
    wide = [layer.experts.weight.shape[1] for layer in core.mixture.layers]  # type: ignore[union-attr, operator]
    assert wide == [128 + 204 + latent, 128 + latent, 128 + latent]


@pytest.mark.slow
def test_mvae_does_not_collapse(domains: dict[str, Domain]) -> None:
    """Trained, its latent says something, and samples differ."""
    model, ctx = make_model("mvae", {"windows": 24}), Context("cold", 1.0, Budget(600, 10**9), 0)
    domain = domains["quad"]
    model.adapt(domain, ctx)
    print(ctx.declared)
    assert ctx.declared["active_units"] >= 2
    assert ctx.declared["kl"] > 0.5
    names = list(domain.ids[:2]), list(domain.groups[:2]), ["", ""]
    exam = cut_clips(domain.motion[:2], 30, *names, domain.objectives[:2])
    made = model.generate(replace(exam.prompt, num_samples=3), ctx)
    spread = np.abs(made.root_positions - made.root_positions.mean(0)).max()
    assert 1e-3 < spread < 10


# nsm


def test_goal_frames(domains: dict[str, Domain]) -> None:
    """Key joints in their objectives' frames, R^T (p - target), against the motion's own arrays."""
    domain, t = domains["r4"], 40
    motion, rig, wanted = domain.motion, domain.rig, domain.objectives
    frame, _ = frame_at(domain, t)
    _, _, here = goal_frames(frame.asked)
    checked = 0
    for slot, joint in enumerate(rig.key_joints):
        for clip in np.flatnonzero(wanted.active[:, t, slot] & (joint >= 0)):
            gap = motion.positions[clip, t, joint] - wanted.positions[clip, t, slot]
            turn = wanted.rotations[clip, t, slot]
            expected = Rotation.from_quat(turn[[1, 2, 3, 0]]).inv().apply(gap) / rig.height
            np.testing.assert_allclose(here[clip, slot], expected, atol=1e-4)
            checked += 1
    assert checked > 20


def test_nsm_gates_on_phase_times_distance_and_angle(domains: dict[str, Domain]) -> None:
    domain, t = domains["r4"], 40
    motion, rig, wanted = domain.motion, domain.rig, domain.objectives
    frame, _ = frame_at(domain, t)
    got = nsm_gate_inputs(frame).unflatten(1, (8, 2, 3))
    _, turns = key_transforms(motion.positions[:, t], motion.global_rotations[:, t], rig)
    for slot in range(8):
        there = wanted.active[:, t, slot]
        gap = np.linalg.norm(motion.positions[:, t, rig.key_joints[slot]] - wanted.positions[:, t, slot], axis=-1)
        pair = [Rotation.from_quat(q[:, [1, 2, 3, 0]]) for q in (turns[:, slot], wanted.rotations[:, t, slot])]
        angle = (pair[0].inv() * pair[1]).magnitude()
        phase = domain.phases[:, t, slot]
        np.testing.assert_allclose(got[:, slot, :, 0], phase, atol=1e-5)
        np.testing.assert_allclose(got[:, slot, :, 1], phase * (there * gap / rig.height)[:, None], atol=1e-4)
        np.testing.assert_allclose(got[:, slot, :, 2], phase * (there * angle)[:, None], atol=2e-2)


def test_nsm_learns_from_where_key_joints_go(domains: dict[str, Domain], walk: Walk) -> None:
    """The additional loss is of the true next frame; without a change of the network it is what it leaves out."""
    net = network("nsm", domains["quad"])
    with torch.no_grad():
        net.core.mixture.layers[-1].experts.weight.zero_()
        net.core.mixture.layers[-1].experts.bias.zero_()
    taught = float(walk(net, "quad")[0].losses["goal"].detach())
    assert 0 < taught < 10 * 0.1  # key joints move less than a tenth of the height in a thirtieth of a second
    assert not walk(net, "quad", taught=False)[0].losses


class Forgetful(StepNetwork):
    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net, self.memory, self.noise = net, net.memory, net.noise

    def forward(self, frame: Frame) -> Next:
        frame.memory = torch.zeros_like(frame.memory)
        made: Next = self.net(frame)
        return made
