"""`rtn`: a recurrent transition network that knows how long there is until it must arrive.

The paper is Harvey, Yurick, Nowrouzezahrai, Pal 2020, "Robust Motion In-Betweening" (SIGGRAPH). Three encoders
(512-256, PLU) read the state, the target and the offset between the two. An LSTM of 1024 with a memory and a decoder
(512-256, PLU) give the change. To every encoding the time to arrival tta, in frames, is added as

    z(2i) = sin(tta / 10000^(2i/d)),    z(2i+1) = cos(tta / 10000^(2i/d)).

To those of offset and target the noise lambda(tta) n is added too. n ~ N(0, 0.5^2) is drawn once for a sequence. lambda
is 0 below 5 frames, (tta - 5) / 25 up to 30, and 1 from there on. PLU(x) = max(a (x + c) - c, min(a (x - c) + c, x)),
with a = 0.1 and c = 1.

Mapped onto objectives, targets are those of key joints, positions and rotations with a mask, in place of a whole pose.
Each role has a time to arrival. The embedding is the mean over active roles; lambda takes the earliest. tta is clamped
to two seconds. A path is a part of the offset. Where no samples are asked for, the noise is zero.

This departs from the paper in three points. There are no critics and no contact output. The loss, the schedule
(carried-over windows in place of a curriculum of transition lengths) and the optimiser are those of all reference
entries. No local phase is predicted.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rae_bench.model import CONTROL, PATH_SIZE, Frame, Linear

from ..layers import Recurrence
from ..parts import Core, CoreOutput, Widths, join

ABOUT = {
    "class": "Rtn",
    "version": 2,
    "paper": "Robust Motion In-Betweening, SIGGRAPH 2020",
    "licence": "MIT",
    "description": "recurrent transition network with time to arrival and target noise",
    "capabilities": ["samples"],
    "parameters": 462_049,
}
PRESETS = {
    "small": {"hidden": 128, "encoding": 64, "width": 192},
    "paper": {"hidden": 512, "encoding": 256, "width": 1024},
}
FPS = 30.0
"""Frames a second of the paper, whose constants count frames."""
LONGEST = 60.0
"""Frames to which times to arrival are clamped."""
BASE = 10000.0
NOISE = 0.5


def plu(x: Tensor, a: float = 0.1, c: float = 1.0) -> Tensor:
    """Piecewise linear unit: x between -c and c, slope a outside."""
    return torch.maximum(a * (x + c) - c, torch.minimum(a * (x - c) + c, x))


def time_embedding(frames: Tensor, width: int) -> Tensor:
    """(..., width) of frames to arrival (...), sines and cosines in turn."""
    rates = torch.exp(torch.arange(0, width, 2, dtype=frames.dtype, device=frames.device) * (-math.log(BASE) / width))
    angles = frames.clamp(max=LONGEST)[..., None] * rates
    return torch.stack([torch.sin(angles), torch.cos(angles)], -1).flatten(-2)


def noise_scale(frames: Tensor) -> Tensor:
    """lambda of frames to arrival, 0 to 1."""
    return ((frames - 5) / 25).clamp(0, 1)


class _Plu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return plu(x)


def _encoder(wide: int, hidden: int, narrow: int) -> nn.Sequential:
    return nn.Sequential(Linear(wide, hidden), _Plu(), Linear(hidden, narrow), _Plu())


class Rtn(Core):
    """`hidden` and `encoding` are widths of encoders and decoder, `width` of the LSTM. Offset and target have noise."""

    noise_held = True
    stacks = True

    def __init__(self, widths: Widths, hidden: int, encoding: int, width: int) -> None:
        super().__init__()
        self.slots = widths.phase // 2
        per_slot = self.slots * 10
        self.state = _encoder(widths.given, hidden, encoding)
        self.offset = _encoder(per_slot + PATH_SIZE, hidden, encoding)
        self.target = _encoder(per_slot, hidden, encoding)
        self.recurrence = Recurrence(3 * encoding, width, 1, widths.extra)
        self.memory, self.noise = self.recurrence.memory, 2 * encoding
        self.decoder = _encoder(width + widths.extra, hidden, encoding)
        self.out = Linear(encoding + widths.extra, widths.embedding)
        with torch.no_grad():
            self.out.weight.mul_(0.1)

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding and what is remembered."""
        asked, path = frame.control.split([self.slots * CONTROL.size, PATH_SIZE], -1)
        asked = asked.unflatten(-1, (self.slots, -1))
        active = frame.active[..., None]
        target = self.target(torch.cat([asked[..., CONTROL.target], active], -1).flatten(-2))
        offset = self.offset(torch.cat([torch.cat([asked[..., CONTROL.cost], active], -1).flatten(-2), path], -1))
        frames = FPS * frame.seconds
        times = (time_embedding(frames, target.shape[-1]) * active).sum(-2) / active.sum(-2).clamp(min=1)
        earliest = torch.where(frame.active > 0, frames, LONGEST).amin(-1)
        noise = NOISE * noise_scale(earliest)[..., None] * frame.noise
        goal = torch.cat([offset + times, target + times], -1) + noise
        x = torch.cat([self.state(given) + times, goal], -1)
        top, memory = self.recurrence(x, frame.memory, extra)
        change = self.out(join(self.decoder(join(top, extra)), extra))
        return CoreOutput(change, frame.phase, memory)
