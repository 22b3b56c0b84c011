"""What a codec and a core are to each other: the two halves of a reference entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rae_bench.model import Frame, Sizes

PHASE_UPDATE = 0.9
"""Share of the newly predicted phase, as by the thesis; the rest is the old one."""


class Widths(NamedTuple):
    """Widths that a core must fit.

    Attributes:
        given: of what the core reads of the pose: an embedding, or what a clustering layer makes of one.
        embedding: of the embedding whose change the core predicts.
        extra: of what is joined to the input of every layer; 0 for nothing.
        control: of `Frame.control`.
        phase: of `Frame.phase`.
    """

    given: int
    embedding: int
    extra: int
    control: int
    phase: int


class CoreOutput(NamedTuple):
    """What a core gives.

    Attributes:
        change: (B, embedding) of the embedding.
        phase, memory, losses, notes: as of `rae_bench.model.Next`.
        steer: step (B, 2) of the root and its weight (B, 1), as `Frame.steered` takes them; None for no steering.
    """

    change: Tensor
    phase: Tensor
    memory: Tensor | None = None
    losses: Mapping[str, Tensor] = {}
    notes: Mapping[str, Tensor] = {}
    steer: tuple[Tensor, Tensor] | None = None


class Codec(nn.Module):
    """The half that belongs to one rig: it reads a frame into an embedding, and decodes an embedding to a change.

    Attributes:
        encode: takes a pose (B, 4 + 12 J) to an embedding.
        decode: takes an embedding to a change (B, 4 + 3 J), or whatever else the output of the entry is.
        embedding: width of the embedding.
        stacks: as of `rae_bench.model.StepNetwork`.
    """

    encode: nn.Module
    decode: nn.Module
    embedding: int
    stacks: bool = False

    def read(self, frame: Frame) -> Tensor:
        """Embedding (B, embedding) of a frame; by default of its whole pose."""
        embedding: Tensor = self.encode(frame.pose)
        return embedding

    def core(self, make: Callable[[Widths], Core], sizes: Sizes) -> Core:
        """The core behind this codec; `make` makes one that fits the given widths."""
        return make(Widths(self.embedding, self.embedding, 0, sizes.control, sizes.phase))


class Core(nn.Module):
    """The half that is the same for every rig.

    Attributes:
        memory, noise, noise_held, reads_following, stacks: as of `rae_bench.model.StepNetwork`.
        residual: whether what it gives is added to the embedding that was read; else it is the next embedding.
    """

    memory: int = 0
    noise: int = 0
    noise_held: bool = False
    reads_following: bool = False
    stacks: bool = False
    residual: bool = True

    def as_published(self) -> None:
        """Take on the faults of the published code. A core that has none leaves this as it is."""

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """One frame on.

        Args:
            given: (B, given) what is read of the pose.
            frame: everything else. A core reads only those parts of it that are as wide on every rig.
            after: (B, given) of the true next frame, in training of cores with `reads_following`; else None.
            extra: (B, extra), None where that width is 0.
        """
        raise NotImplementedError


def join(x: Tensor, extra: Tensor | None) -> Tensor:
    """`x` (..., B, N) with `extra` (..., B, E) beside it, where there is one."""
    return x if extra is None else torch.cat([x, extra], -1)


def next_phase(predicted: Tensor, now: Tensor) -> Tensor:
    """The phase one frame on, (B, phase): mostly what is predicted, for the rest the phase as it is."""
    return PHASE_UPDATE * predicted + (1 - PHASE_UPDATE) * now
