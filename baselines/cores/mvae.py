"""`mvae`: a conditional autoencoder of the next pose, whose latent holds all that is not decided yet.

The paper is Ling, Zinno, Cheng, van de Panne 2020, "Character Controllers Using Motion VAEs" (SIGGRAPH). With x the
next pose and c the condition, the encoder is [x, c] - 256 - [x, h1] - 256 - [x, h2] - mean, log-variance (32, ELU). The
decoder has three layers of blended experts (256, K = 6). The latent z is joined to the input of each of them, and c to
that of the first. The gate is [z, c] - 64 - 64 - K. The loss adds beta KL(N(mean, variance) || N(0, 1)), beta = 0.2.

Mapped onto objectives, the condition is the embedded pose and what the objectives ask, everywhere. A roll-out needs a z
for each frame. The paper has N(0, 1), or a controller that is trained to choose. Here a small network, the prior, gives
p(z | c), and the divergence is KL(q || p): the prior learns to expect what the encoder will say. A roll-out takes the
prior's mean. Where several samples are asked for, z is drawn from the prior anew for each frame. So that training meets
the roll-outs that are tested, a quarter of the rows of each update has the prior's mean in place of the encoder's z.
These rows have the loss of motion alone. The encoder sees the embedding of the true next frame, in training only.

This departs from the paper in three points: the prior; no reinforcement learning on top, because objectives are part of
the condition; and no local phase is predicted. As in the published code the divergence is a mean over dimensions.

Two figures are reported with the costs: `kl` (nats, summed over dimensions, the mean over the last update's rows) and
`active_units` (dimensions in which the encoder's mean, as the prior sees it, varies by more than 0.01 over the rows;
after Burda et al. 2016). No nats are free: the weight alone keeps the latent alive.

The weight and the share of rows were chosen on the source's val part of `biped2quad` (docs/guides/model.md has the
figures): nine recipes besides the one of before, two seeds and 800 updates each in `control`, four of them in `limbs`
too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rae_bench.model import Frame, Linear

from ..layers import MixedStack, mlp
from ..parts import Core, CoreOutput, Widths, join

ABOUT = {
    "class": "Mvae",
    "version": 2,
    "paper": "Character Controllers Using Motion VAEs, SIGGRAPH 2020",
    "licence": "MIT",
    "description": "motion VAE with a prior that is conditioned on the objectives",
    "capabilities": ["samples"],
    "parameters": 561_573,
}
PRESETS = {
    "small": {"hidden": 128, "latent": 16, "width": 128, "experts": 4, "gate": 64},
    "paper": {"hidden": 256, "latent": 32, "width": 256, "experts": 6, "gate": 64},
}
BETA = 0.2
TAUGHT = 0.75
"""Share of the rows of an update that see the true next frame; the others roll the prior's mean out."""
ACTIVE = 0.01


class Mvae(Core):
    """`hidden` and `latent` are widths of encoder and prior, `width` of the experts, `gate` of the gate."""

    reads_following = True
    stacks = True

    def __init__(self, widths: Widths, hidden: int, latent: int, width: int, experts: int, gate: int) -> None:
        super().__init__()
        self.noise = latent
        condition = widths.given + widths.control
        self.first = Linear(widths.given + condition + widths.extra, hidden)
        self.second = Linear(widths.given + hidden, hidden)
        self.last = Linear(widths.given + hidden, 2 * latent)
        self.prior = mlp(condition + widths.extra, hidden, 2 * latent)
        self.gate = mlp(latent + condition, gate, gate, experts)
        self.mixture = MixedStack(experts, condition, width, widths.embedding, latent + widths.extra)
        with torch.no_grad():  # an untrained prior is nearly N(0, 1)
            self.prior[-1].weight.mul_(0.1)
            self.prior[-1].bias.zero_()

    def expected(self, condition: Tensor) -> Gaussian:
        """p(z | condition), of conditions (B, any)."""
        return gaussian(self.prior(condition))

    def posterior(self, after: Tensor, condition: Tensor) -> Gaussian:
        """q(z | next embedding, condition), of what leads from the conditions (B, any) to the next embeddings."""
        h = nn.functional.elu(self.first(torch.cat([after, condition], -1)))
        h = nn.functional.elu(self.second(torch.cat([after, h], -1)))
        return gaussian(self.last(torch.cat([after, h], -1)))

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding; in training with the divergence as a loss."""
        condition = torch.cat([given, frame.control], -1)
        told = join(condition, extra)
        prior, losses, notes = self.expected(told), {}, {}
        if after is None:
            z = prior.sample(frame.noise)
        else:
            cut = math.ceil(TAUGHT * given.shape[-2])
            taught, untaught = prior.rows(None, cut), prior.rows(cut, None)
            posterior = self.posterior(after[..., :cut, :], told[..., :cut, :])
            z = torch.cat([posterior.sample(frame.noise[..., :cut, :]), untaught.mean], -2)
            kl = divergence(posterior, taught)
            losses = {"kl": BETA * kl.mean(-1)}
            notes = {"kl": kl.sum(-1), "active_units": active_units(posterior, taught)}
        gates = torch.softmax(self.gate(torch.cat([z, condition], -1)), -1)
        change = self.mixture(condition, gates, join(z, extra), frame.draws)
        return CoreOutput(change, frame.phase, losses=losses, notes=notes)


class Gaussian(NamedTuple):
    """Independent normal distributions of B rows: means (B, Z) and logarithms of the variances (B, Z)."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """(B, Z) where standard normal noise (B, Z) leads; zeros lead to the mean."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def rows(self, begin: int | None, end: int | None) -> Gaussian:
        """Those of some rows."""
        return Gaussian(self.mean[..., begin:end, :], self.log_variance[..., begin:end, :])


def gaussian(parts: Tensor) -> Gaussian:
    """What a network (B, 2 Z) says; variances are held where their logarithms mean something."""
    mean, log_variance = parts.chunk(2, -1)
    return Gaussian(mean, log_variance.clamp(-10, 5))


def divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """(..., Z) KL(q || p) of each dimension in nats, the mean over rows."""
    ratio = (q.log_variance - p.log_variance).exp()
    apart = (q.mean - p.mean) ** 2 * torch.exp(-p.log_variance)
    return 0.5 * (apart + ratio - 1 - q.log_variance + p.log_variance).mean(-2)


def active_units(q: Gaussian, p: Gaussian) -> Tensor:
    """How many dimensions say of the next frame what the condition does not.

    In these the mean of q, in spreads of p and from the mean of p, varies over the rows by more than `ACTIVE`.
    """
    told = ((q.mean - p.mean) * torch.exp(-0.5 * p.log_variance)).detach()
    return (told.var(-2, correction=0) > ACTIVE).sum(-1)
