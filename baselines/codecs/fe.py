"""`fe`: feature encoding, an encoder and a decoder per rig, of three linear layers each with ELU between them.

The encoder reads the whole pose. This departs from the thesis in two points. The decoder gives the change that leads to
the next pose instead of that pose, so that an embedding which decodes to nothing holds still. And it is trained with
the generator, instead of as an autoencoder before it.
"""

from __future__ import annotations

from rae_bench.model import Sizes

from ..layers import mlp
from ..parts import Codec

ABOUT = {
    "class": "FeatureEncoding",
    "version": 1,
    "paper": "A study of transfer learning on data-driven motion synthesis frameworks, KTH, 2022",
    "licence": "MIT",
    "description": "feature encoding",
    "parameters": 341_637,
}
PRESETS = {"small": {"hidden": 128, "embedding": 64}, "paper": {"hidden": 256, "embedding": 256}}


class FeatureEncoding(Codec):
    """Two MLPs: pose to embedding, embedding to change."""

    stacks = True

    def __init__(self, sizes: Sizes, hidden: int, embedding: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.encode = mlp(sizes.pose, hidden, hidden, embedding)
        self.decode = mlp(embedding, hidden, hidden, sizes.change)
