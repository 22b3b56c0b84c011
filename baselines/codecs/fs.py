"""`fs`: feature selection, an encoder of six key joints alone and a decoder of the whole pose.

The key joints are pelvis, head, hands and feet. Their positions, rotations and velocities are in root space, in rig
heights and relative to the rest pose, so that the input means the same on every rig. Roles that a rig lacks are zeros.
In a roll-out the key joints are read from the generated pose.

This is the thesis' plain autoencoder form (FS, AE), without clustering. It departs from it in two points. The root's
motion is read too, because a stream could not know otherwise how it moves. And the decoder gives the change of the
pose (see `fe`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rae_bench.model import Frame, Sizes

from ..layers import mlp
from ..parts import Codec

ABOUT = {
    "class": "FeatureSelection",
    "version": 1,
    "paper": "A study of transfer learning on data-driven motion synthesis frameworks, KTH, 2022",
    "licence": "MIT",
    "description": "feature selection, six key joints in, the whole pose out",
    "parameters": 303_237,
}
PRESETS = {"small": {"hidden": 128, "embedding": 64}, "paper": {"hidden": 256, "embedding": 256}}
SELECTED = 6
"""The first slots of `ROLES`: pelvis, head, hands, feet."""
ROOT = 4
"""The first entries of a pose: the root's turn and rise."""


class FeatureSelection(Codec):
    """Two MLPs; the encoder is as wide on every rig, but belongs to one."""

    stacks = True

    def __init__(self, sizes: Sizes, hidden: int, embedding: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.encode = mlp(ROOT + 12 * SELECTED, hidden, hidden, embedding)
        self.decode = mlp(embedding, hidden, hidden, sizes.change)

    def read(self, frame: Frame) -> Tensor:
        """Embedding (B, E) of root motion and six key joints."""
        selected = frame.keys[..., :SELECTED, :].flatten(-2)
        embedding: Tensor = self.encode(torch.cat([frame.pose[..., :ROOT], selected], -1))
        return embedding
