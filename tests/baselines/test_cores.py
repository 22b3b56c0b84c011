"""Cores against their papers' formulas."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rae_bench.baselines.layers import MixedLinear, Recurrence
from rae_bench.baselines.pairs import parts
from rae_bench.metrics import evaluate
from rae_bench.model import Budget, Context, Domain
from rae_bench.protocol.domains import examine
from rae_bench.registry import make_model
from rae_bench.stepping import Frame, Next, StepNetwork
from rae_bench.training import sizes_for

Walk = Callable[..., list[Next]]
ROWS = 6
REMEMBER = ["omg-lstm"]


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


class Forgetful(StepNetwork):
    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net, self.memory, self.noise = net, net.memory, net.noise

    def forward(self, frame: Frame) -> Next:
        frame.memory = torch.zeros_like(frame.memory)
        made: Next = self.net(frame)
        return made
