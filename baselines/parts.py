"""What a codec and a core are to each other: the two halves of a reference entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rae_bench.model.step import Frame
from rae_bench.model.training import Sizes


class Widths(NamedTuple):
    """Widths that a core must fit.

    Attributes:
        given: of what it reads of the pose: an embedding, or what a clustering layer makes of one.
        embedding: of the embedding whose change it predicts.
        extra: of what is joined to the input of every layer; 0 for nothing.
        control, phase: of the frame's parts of these names.
    """

    given: int
    embedding: int
    extra: int
    control: int
    phase: int


class Made(NamedTuple):
    """What a core gives: a change of the embedding (B, E); the rest as of `rae_bench.model.Next`.

    Attributes:
        steer: step (B, 2) of the root and weight (B, 1), see `rae_bench.model.Frame.steered`.
    """

    change: Tensor
    phase: Tensor
    memory: Tensor | None = None
    losses: Mapping[str, Tensor] = {}
    notes: Mapping[str, Tensor] = {}
    steer: tuple[Tensor, Tensor] | None = None


class Codec(nn.Module):
    """Tied to one rig: what is read of a frame -> embedding, embedding -> change of the pose (B, M)."""

    encode: nn.Module
    decode: nn.Module
    embedding: int

    def read(self, frame: Frame) -> Tensor:
        """Embedding (B, E) of a frame; by default of its whole pose."""
        embedding: Tensor = self.encode(frame.pose)
        return embedding

    def core(self, make: Callable[[Widths], Core], sizes: Sizes) -> Core:
        """The core behind this codec; `make` makes one that fits the given widths."""
        return make(Widths(self.embedding, self.embedding, 0, sizes.control, sizes.phase))


class Core(nn.Module):
    """The same for every rig. Class attributes as of `rae_bench.model.StepNetwork`.

    Attributes:
        residual: what it gives is added to the embedding that was read; else it is the embedding.
    """

    memory: int = 0
    noise: int = 0
    noise_held: bool = False
    reads_following: bool = False
    residual: bool = True

    def as_published(self) -> None:
        """Take on the published code's own faults, for `mode=paper`."""

    def forward(self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None) -> Made:
        """One frame on.

        Args:
            given: (B, given) what is read of the pose.
            frame: everything else; a core reads the parts of it that are as wide on every rig.
            after: (B, given) of the true next frame, in training where `reads_following`.
            extra: (B, extra), None where that is 0.
        """
        raise NotImplementedError


def join(x: Tensor, extra: Tensor | None) -> Tensor:
    """`x` with `extra` beside it, where there is one."""
    return x if extra is None else torch.cat([x, extra], 1)
