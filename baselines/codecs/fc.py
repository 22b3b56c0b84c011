"""`fc`: feature clustering, an embedding seen through its relation to cluster centres that all rigs share.

Encoder and decoder are those of `fe`. A layer C stands between them and the generator (the same thesis; DEC after Xie
et al. 2016, "Unsupervised Deep Embedding for Clustering Analysis", equations 1 to 3). C belongs to the core and is
carried over with it. There are three layers, with h the embedding and c_j the centres:

    rbf    phi_j = exp(-(|h - c_j| / s_j)^2); loss 0.1 mean |D D^T - I|, D the centres' directions
    vae    a sample of N(mu(h), sigma(h)) in training, mu(h) else; loss 0.2 KL(N(mu, sigma) || N(0, 1)), per entry
    dec    q_j ~ 1 / (1 + |h - c_j|^2 / s^2), summing to 1; loss KL(p || q), p_j ~ q_j^2 / sum over the batch of q_j

The use `cat` joins C(h) to the input of every layer of the generator. The use `in` puts C(h) in the place of h. What
the generator gives is then the next embedding itself, because h would come through beside C otherwise.

This departs from the thesis in the centres. If they are drawn from N(0, 1) with fixed widths, all of them are as far
from every embedding (phi = .97 each), and the vector says nothing. Here the first batch places them (k-means). Their
widths are the median distance of embeddings to centres, so that a typical phi is exp(-1). Both are learnt from there.
The orthogonality loss takes directions, because on whole centres it pulls them to length 1 whatever the embeddings'
scale. The width of DEC's kernel is set in the same way. As published, centres are drawn and RBF's widths start at the
thesis' 0.01 in its terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rae_bench.model import Draws, Frame, Linear, Sizes

from ..parts import Core, CoreOutput, Widths
from .fe import FeatureEncoding

ABOUT = {
    "class": "FeatureClustering",
    "version": 2,
    "variants": {"layer": ["vae", "rbf", "dec"], "use": ["cat", "in"]},
    "paper": "A study of transfer learning on data-driven motion synthesis frameworks, KTH, 2022",
    "licence": "MIT",
    "description": "feature clustering",
    "parameters": 388_805,
}
PRESETS = {
    "small": {"hidden": 128, "embedding": 64, "clusters": 32},
    "paper": {"hidden": 256, "embedding": 256, "clusters": 128},
}
ORTHOGONALITY, DIVERGENCE = 0.1, 0.2
KMEANS = 10
PUBLISHED_WIDTH = 100.0
"""The thesis' exp(-(0.01 d)^2) has this width."""


def square_distances(x: Tensor, centres: Tensor) -> Tensor:
    """(..., B, C) |x - c|^2 of x (..., B, E) and centres (..., C, E), as |x|^2 - 2 x c + |c|^2: one matrix product."""
    both = (centres * centres).sum(-1)[..., None, :] - 2 * (x @ centres.mT)
    return (both + (x * x).sum(-1, keepdim=True)).clamp(min=0)


class Centres(nn.Module):
    """Cluster centres (C, E) and their widths, placed among the embeddings of the first batch that is trained on."""

    placed: Tensor

    def __init__(self, embedding: int, clusters: int, widths: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(clusters, embedding))
        self.log_width = nn.Parameter(torch.full((widths,), 0.5 * math.log(2 * embedding)))
        self.register_buffer("placed", torch.tensor(False))
        self._seen_placed = False

    def forward(self, x: Tensor, draws: Draws | None) -> Tensor:
        """(..., B, C) squared distances in units of the widths."""
        if draws is not None and not self._seen_placed:  # looking at a tensor waits for a GPU: once is enough
            if not self.placed.all():
                self.place(x.detach(), draws)
            self._seen_placed = True
        return square_distances(x, self.centres) * torch.exp(-2 * self.log_width)[..., None, :]

    @torch.no_grad()
    def place(self, x: Tensor, draws: Draws) -> None:
        """k-means among the embeddings x (..., B, E), from centres drawn of them, again if there are too few."""
        count, rows = self.centres.shape[-2], x.shape[-2]
        picked = torch.cat([draws.permutation(rows) for _ in range(-(-count // rows))], -1)[..., :count]
        jitter = 0.05 * draws.normal(count, x.shape[-1]) * x.std(-2, correction=0, keepdim=True)
        centres = x.gather(-2, picked[..., None].expand(*picked.shape, x.shape[-1])) + jitter
        for _ in range(KMEANS):
            nearest = nn.functional.one_hot(square_distances(x, centres).argmin(-1), count).to(x.dtype)
            size = nearest.sum(-2)[..., None]
            centres = torch.where(size > 0, nearest.mT @ x / size.clamp(min=1), centres)
        self.centres.copy_(centres)
        apart = square_distances(x, centres).sqrt()
        if self.log_width.shape[-1] > 1:
            middle = apart.median(-2).values
        else:
            middle = apart.flatten(-2).median(-1, keepdim=True).values
        self.log_width.copy_(torch.log(middle.clamp(min=1e-3)))
        self.placed.fill_(True)


class Rbf(nn.Module):
    """Gaussian activations of distances to centres."""

    def __init__(self, embedding: int, clusters: int) -> None:
        super().__init__()
        self.centres = Centres(embedding, clusters, clusters)

    def as_published(self) -> None:
        """Leave the centres as drawn, each with the width at which it says nothing."""
        self.centres.placed.fill_(True)
        nn.init.constant_(self.centres.log_width, math.log(PUBLISHED_WIDTH))

    def forward(self, x: Tensor, draws: Draws | None) -> tuple[Tensor, Tensor]:
        """Activations (..., B, C) and the weighted loss."""
        phi = torch.exp(-self.centres(x, draws))
        directions = nn.functional.normalize(self.centres.centres, dim=-1)
        off = directions @ directions.mT - torch.eye(directions.shape[-2], device=directions.device)
        return phi, ORTHOGONALITY * off.abs().mean((-2, -1))


class Vae(nn.Module):
    """A sampled latent."""

    def as_published(self) -> None:
        """Change nothing: the published layer has no fault."""

    def __init__(self, embedding: int, clusters: int) -> None:
        super().__init__()
        self.mean = Linear(embedding, clusters)
        self.log_variance = Linear(embedding, clusters)

    def forward(self, x: Tensor, draws: Draws | None) -> tuple[Tensor, Tensor]:
        """Latent (..., B, C) and the weighted loss."""
        mean, log_variance = self.mean(x), self.log_variance(x).clamp(-10, 10)
        divergence = 0.5 * (mean * mean + log_variance.exp() - 1 - log_variance).mean((-2, -1))
        if draws is not None:
            mean = mean + draws.normal(*mean.shape[-2:]) * torch.exp(0.5 * log_variance)
        return mean, DIVERGENCE * divergence


class Dec(nn.Module):
    """Soft assignment to centres by Student's t."""

    def __init__(self, embedding: int, clusters: int) -> None:
        super().__init__()
        self.centres = Centres(embedding, clusters, 1)

    def as_published(self) -> None:
        """Leave the centres as drawn, and the kernel's width 1."""
        self.centres.placed.fill_(True)
        nn.init.zeros_(self.centres.log_width)

    def forward(self, x: Tensor, draws: Draws | None) -> tuple[Tensor, Tensor]:
        """Assignments (..., B, C), and the loss.

        Assignments are not scaled. They sharpen in training, and one that was scaled to be about 1 while all are alike
        would rule the generator.
        """
        weight = 1 / (1 + self.centres(x, draws))
        q = weight / weight.sum(-1, keepdim=True)
        return q, divergence_from_target(q)


def divergence_from_target(q: Tensor) -> Tensor:
    """KL(p || q) of assignments q (..., B, C), the mean over rows; p is a sharper q and is held constant."""
    with torch.no_grad():
        sharp = q * q / q.sum(-2, keepdim=True)
        p = sharp / sharp.sum(-1, keepdim=True)
    return (p * (torch.log(p.clamp(min=1e-12)) - torch.log(q.clamp(min=1e-12)))).sum(-1).mean(-1)


LAYERS: dict[str, Any] = {"rbf": Rbf, "vae": Vae, "dec": Dec}


class FeatureClustering(FeatureEncoding):
    """Two MLPs as of `fe`; the layer between them and the generator belongs to the core."""

    def __init__(self, sizes: Sizes, hidden: int, embedding: int, clusters: int, layer: str, use: str) -> None:
        super().__init__(sizes, hidden, embedding)
        self.embedding, self.clusters, self.layer, self.use = embedding, clusters, layer, use

    def core(self, make: Callable[[Widths], Core], sizes: Sizes) -> Core:
        """The generator behind a new clustering layer."""
        layer = LAYERS[self.layer](self.embedding, self.clusters)
        given, extra = (self.embedding, self.clusters) if self.use == "cat" else (self.clusters, 0)
        return Clustered(layer, make(Widths(given, self.embedding, extra, sizes.control, sizes.phase)), self.use)


class Clustered(Core):
    """A generator behind a clustering layer; both are shared by all rigs."""

    def __init__(self, layer: Rbf | Vae | Dec, generator: Core, use: str) -> None:
        super().__init__()
        self.layer, self.generator, self.use = layer, generator, use
        self.memory, self.noise, self.noise_held = generator.memory, generator.noise, generator.noise_held
        self.reads_following, self.stacks = generator.reads_following, generator.stacks
        self.residual = use == "cat" and generator.residual

    def as_published(self) -> None:
        """Take on the faults of the layer and of the generator."""
        self.layer.as_published()
        self.generator.as_published()

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """What the generator gives for the embedding's relation to the centres, with the layer's loss."""
        relation, loss = self.layer(given, frame.draws)
        if self.use == "cat":
            made = self.generator(given, frame, after, relation)
        else:
            after = None if after is None else self.layer(after, frame.draws)[0]
            made = self.generator(relation, frame, after)
        return made._replace(losses={**made.losses, "clustering": loss})
