"""`mvae`: a conditional autoencoder of the next pose, whose latent holds all that is not decided yet.

The paper is Ling, Zinno, Cheng, van de Panne 2020, "Character Controllers Using Motion VAEs" (SIGGRAPH). With x the
next pose and c the condition, the encoder is [x, c] - 256 - [x, h1] - 256 - [x, h2] - mean, log-variance (32, ELU). The
decoder has three layers of blended experts (256, K = 6). The latent z is joined to the input of each of them, and c to
that of the first. The gate is [z, c] - 64 - 64 - K. The loss adds beta KL(N(mean, variance) || N(0, 1)), beta = 0.2.

Mapped onto objectives ("MVAE-C"), the condition is the embedded pose and what the objectives ask, everywhere. The
encoder reads the embedding of the true next frame, in training only. A roll-out has z = 0. Several samples draw
z ~ N(0, 1) anew for each frame.

This departs from the paper. Against posterior collapse beta rises from 0 over the first half of
training, and up to 0.02 nats of each latent dimension are free; the divergence is the mean over dimensions. There is no
reinforcement learning on top, because objectives are part of the condition. No local phase is predicted. And two
figures are reported with the costs: `kl` (nats, summed over dimensions) and `active_units` (dimensions whose mean
varies by more than 0.01 over a batch; Burda et al. 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rae_bench.model import Frame, Linear

from ..layers import MixedStack, mlp
from ..parts import Core, CoreOutput, Widths, join

ABOUT = {
    "class": "Mvae",
    "version": 1,
    "paper": "Character Controllers Using Motion VAEs, SIGGRAPH 2020",
    "licence": "MIT",
    "description": "motion VAE conditioned on the objectives",
    "capabilities": ["samples"],
    "parameters": 514_821,
}
PRESETS = {
    "small": {"hidden": 128, "latent": 16, "width": 128, "experts": 4, "gate": 64},
    "paper": {"hidden": 256, "latent": 32, "width": 256, "experts": 6, "gate": 64},
}
BETA, WARM, FREE = 0.2, 0.5, 0.02
ACTIVE = 0.01


class Mvae(Core):
    """`hidden` and `latent` are widths of the encoder, `width` of the experts, `gate` of the gate. The noise is z."""

    reads_following = True
    stacks = True

    def __init__(self, widths: Widths, hidden: int, latent: int, width: int, experts: int, gate: int) -> None:
        super().__init__()
        self.noise = latent
        condition = widths.given + widths.control
        self.first = Linear(widths.given + condition + widths.extra, hidden)
        self.second = Linear(widths.given + hidden, hidden)
        self.last = Linear(widths.given + hidden, 2 * latent)
        self.gate = mlp(latent + condition, gate, gate, experts)
        self.mixture = MixedStack(experts, condition, width, widths.embedding, latent + widths.extra)

    def posterior(self, after: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent) of what leads from the condition to the next embedding."""
        h = nn.functional.elu(self.first(torch.cat([after, condition], -1)))
        h = nn.functional.elu(self.second(torch.cat([after, h], -1)))
        mean, log_variance = self.last(torch.cat([after, h], -1)).chunk(2, -1)
        return mean, log_variance.clamp(-10, 5)

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding; in training with the divergence as a loss."""
        condition = torch.cat([given, frame.control], -1)
        z, losses, notes = frame.noise, {}, {}
        if after is not None:
            mean, log_variance = self.posterior(after, join(condition, extra))
            z = mean + torch.exp(0.5 * log_variance) * frame.noise
            kl = divergence(mean, log_variance)
            losses = {"kl": BETA * frame.risen(WARM) * kl.clamp(min=FREE).mean(-1)}
            notes = {"kl": kl.sum(-1), "active_units": active_units(mean)}
        gates = torch.softmax(self.gate(torch.cat([z, condition], -1)), -1)
        change = self.mixture(condition, gates, join(z, extra), frame.draws)
        return CoreOutput(change, frame.phase, losses=losses, notes=notes)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(..., Z) KL(N(mean, variance) || N(0, 1)) of each dimension in nats, the mean over rows."""
    return 0.5 * (mean * mean + log_variance.exp() - 1 - log_variance).mean(-2)


def active_units(mean: Tensor) -> Tensor:
    """How many latent dimensions carry information: those whose posterior mean (..., B, Z) varies over the rows."""
    return (mean.detach().var(-2, correction=0) > ACTIVE).sum(-1)
