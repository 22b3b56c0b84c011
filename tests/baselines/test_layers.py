"""Layers that the reference entries share."""

import torch
from torch import Tensor, nn

from rae_bench.baselines.layers import MixedLinear


def test_mixed_linear_is_a_layer_of_mixed_weights() -> None:
    """One GEMM against explicit weights per sample, values and gradients."""
    torch.manual_seed(0)
    experts, wide, narrow, count = 4, 7, 5, 6
    layer = MixedLinear(experts, wide, narrow)
    nn.init.normal_(layer.experts.bias)
    x = torch.randn(count, wide, requires_grad=True)
    scores = torch.randn(count, experts, requires_grad=True)
    probe = torch.randn(count, narrow)

    def gradients(y: Tensor) -> list[Tensor]:
        of = [x, scores, layer.experts.weight, layer.experts.bias]
        return list(torch.autograd.grad((y * probe).sum(), of, retain_graph=True))

    gates = torch.softmax(scores, -1)
    got = layer(x, gates)
    weights = torch.einsum("bk,koi->bio", gates, layer.experts.weight.view(experts, narrow, wide))
    biases = layer.experts.bias.view(experts, narrow)
    expected = torch.einsum("bi,bio->bo", x, weights) + torch.einsum("bk,ko->bo", gates, biases)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    for a, b in zip(gradients(got), gradients(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
