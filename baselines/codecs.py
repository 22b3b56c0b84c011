"""Codecs: the rig-specific part of a reference entry, pose <-> embedding."""

from __future__ import annotations

from torch import nn

from .layers import mlp


class FeatureEncoding(nn.Module):
    """FE: an encoder and a decoder per rig, three ELU layers each (thesis.md, "OMG").

    The encoder reads the whole pose. The decoder gives the change that leads to the next pose, so that an
    embedding which decodes to nothing holds the pose.
    """

    def __init__(self, pose: int, change: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.encode = mlp(pose, hidden, hidden, embedding)
        self.decode = mlp(embedding, hidden, hidden, change)
