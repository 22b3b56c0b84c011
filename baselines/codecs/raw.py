"""`raw`: a plain linear layer in and out per rig. Everything between them is the core, which is carried over.

This is what MANN and its successors have as first and last layer, cut where the rig's own width ends (the "adapter"
form of transfer). It departs from them in that the gate does not blend these two layers.
"""

from __future__ import annotations

import torch

from rae_bench.model import Linear, Sizes

from ..parts import Codec

ABOUT = {
    "class": "Raw",
    "version": 1,
    "paper": "",
    "licence": "MIT",
    "description": "a linear layer in and out",
    "parameters": 357_829,
}
PRESETS = {"small": {"embedding": 128}, "paper": {"embedding": 512}}


class Raw(Codec):
    """Two linear layers. The one that decodes starts small, so that an untrained entry nearly holds the pose."""

    stacks = True

    def __init__(self, sizes: Sizes, embedding: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.encode = Linear(sizes.pose, embedding)
        self.decode = Linear(embedding, sizes.change)
        with torch.no_grad():
            self.decode.weight.mul_(0.1)
