"""`mvae`: its latent, its prior, and what it rolls out."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.cores import network_of

from rae_bench.baselines.cores.mvae import Gaussian, Mvae, active_units, divergence
from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.registry import make_model
from rae_bench.model.step import Next
from rae_bench.task.held_out import cut_clips

Walk = Callable[..., list[Next]]
ROWS = 6


def test_divergence() -> None:
    torch.manual_seed(0)
    q, p = Gaussian(torch.randn(50, 4), torch.randn(50, 4)), Gaussian(torch.randn(50, 4), torch.randn(50, 4))
    made = [torch.distributions.Normal(one.mean, torch.exp(0.5 * one.log_variance)) for one in (q, p)]
    torch.testing.assert_close(divergence(q, p), torch.distributions.kl_divergence(*made).mean(0))
    assert not divergence(q, q).any()


def test_active_units() -> None:
    """Means of variances 1, 0.000625 and 0; a spread of 5 of the prior makes 0.04 of the first."""
    mean = torch.tensor([[1.0, 0.0, 5.0], [-1.0, 0.05, 5.0]])
    flat = Gaussian(torch.zeros_like(mean), torch.zeros_like(mean))
    assert int(active_units(Gaussian(mean, flat.log_variance), flat)) == 1
    assert int(active_units(Gaussian(mean, flat.log_variance), Gaussian(mean, flat.log_variance))) == 0
    wide = Gaussian(flat.mean, torch.full_like(mean, 2 * np.log(5)))
    assert int(active_units(Gaussian(mean, flat.log_variance), wide)) == 1
    wider = Gaussian(flat.mean, torch.full_like(mean, 2 * np.log(11)))
    assert int(active_units(Gaussian(mean, flat.log_variance), wider)) == 0


def test_mvae_rolls_out_in_training_what_it_is_tested_with(domains: dict[str, Domain], walk: Walk) -> None:
    """Of six rows five see the true next frame; the last one has the prior's mean, as a roll-out has."""
    net = network_of("mvae", domains["quad"]).eval()
    noise = torch.randn(ROWS, net.noise)
    taught = walk(net, "quad", noise=noise)[0].change
    tested = walk(net, "quad", noise=torch.zeros(ROWS, net.noise), taught=False)[0].change
    sampled = walk(net, "quad", noise=noise, taught=False)[0].change
    torch.testing.assert_close(taught[5:], tested[5:])
    assert ((taught - tested)[:5].abs().amax(1) > 1e-4).all()
    assert ((sampled - tested).abs().amax(1) > 1e-4).all()


def test_mvae_teaches_its_prior_by_the_divergence(domains: dict[str, Domain], walk: Walk) -> None:
    net = network_of("mvae", domains["quad"])
    made = walk(net, "quad", noise=torch.zeros(ROWS, net.noise))[0]
    loss, kl = made.losses["kl"], float(made.notes["kl"].detach())
    assert float(loss.detach()) == pytest.approx(0.2 * kl / net.noise)
    loss.backward()
    for part in (net.core.prior[-1], net.core.last):
        assert part.weight.grad.abs().max() > 0
    assert not walk(net, "quad", taught=False)[0].losses
    with torch.no_grad():  # a posterior that says what the prior says costs nothing
        for layer in (net.core.prior[-1], net.core.last):
            layer.weight.zero_()
            layer.bias.fill_(0.3)
    made = walk(net, "quad", noise=torch.zeros(ROWS, net.noise))[0]
    assert float(made.losses["kl"].detach()) == pytest.approx(0, abs=1e-6)
    assert int(made.notes["active_units"]) == 0


def test_mvae_joins_the_latent_to_every_layer(domains: dict[str, Domain]) -> None:
    core: Mvae = network_of("mvae", domains["quad"]).core
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
