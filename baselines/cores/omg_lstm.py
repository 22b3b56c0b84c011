"""`omg-lstm`: the thesis' generator with a stack of LSTMs in place of the mixture of experts.

The paper is "A study of transfer learning on data-driven motion synthesis frameworks", KTH, 2022: phase, embedding and
encoded objectives go through four LSTM layers and a linear one to the next embedding and phase. The cell is that of
Hochreiter and Schmidhuber.

This departs from it in one point. The published code draws the hidden state anew at every frame. It therefore has no
memory, and the comparison with the mixture says nothing. Here the hidden state starts at zero, is carried from frame to
frame over a whole clip, and is learnt through all frames of a window, which are more than other cores have. As
published, it is drawn anew in training, and has its mean, zero, in generation; windows are as long as the mode says.

The length was chosen on the source's val part of `biped2quad-control` (docs/guides/model.md): four recipes of three
seeds and 800 updates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rae_bench.model import Frame, Linear

from ..layers import Recurrence, mlp
from ..parts import Core, CoreOutput, Widths, next_phase

ABOUT = {
    "class": "OmgLstm",
    "version": 3,
    "paper": "A study of transfer learning on data-driven motion synthesis frameworks, KTH, 2022",
    "licence": "MIT",
    "description": "objective-driven stack of LSTMs with a memory",
    "parameters": 414_993,
}
PRESETS = {
    "small": {"hidden": 128, "latent": 32, "width": 128, "layers": 2},
    "paper": {"hidden": 256, "latent": 128, "width": 256, "layers": 4},
}
TRAINING = {"length": 17}
"""An update of 128 frames is eight windows, whose 16 frames are all learnt through."""


class OmgLstm(Core):
    """`hidden` and `latent` are widths of the encoder of objectives, `width` and `layers` are of the stack."""

    forgets, stacks = False, True

    def __init__(self, widths: Widths, hidden: int, latent: int, width: int, layers: int) -> None:
        super().__init__()
        self.split = [widths.embedding, widths.phase]
        self.cost = mlp(widths.control, hidden, hidden, latent)
        self.stack = Recurrence(widths.phase + widths.given + latent, width, layers, widths.extra)
        self.memory = self.stack.memory
        self.out = Linear(width, sum(self.split))
        with torch.no_grad():
            self.out.weight.mul_(0.1)

    def as_published(self) -> None:
        """Forget everything at every frame."""
        self.forgets = True

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding, the next phase and what is remembered."""
        x = torch.cat([frame.phase, given, self.cost(frame.control)], -1)
        before = frame.memory
        if self.forgets:
            before = torch.zeros_like(before) if frame.draws is None else frame.draws.normal(*before.shape[-2:])
        top, memory = self.stack(x, before, extra)
        change, phase = self.out(top).split(self.split, -1)
        return CoreOutput(change, next_phase(phase, frame.phase), memory)
