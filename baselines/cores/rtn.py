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
to two seconds. A path is always near: it is a part of target and offset, and where it is all that is asked lambda is
0, so that several samples are alike. Where no samples are asked for, the noise is zero.

This departs from the paper in three points. There are no critics and no contact output. The loss and the optimiser are
those of all reference entries. No local phase is predicted. The paper learns through transitions of 5 to 30 frames and
more, whose length grows. Here a window has 16 frames to predict, all learnt through. Frames are true ones at first; the
share of predicted ones grows to 1 over the first tenth of the updates, and with it the length of the roll-outs. A
stream carries pose and memory on to its next window.

Length and the reading of the path were chosen on the source's val part of `biped2quad-control` (docs/guides/model.md):
five recipes of three seeds and 800 updates, and seven of one seed and 400 updates.
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
    "version": 3,
    "paper": "Robust Motion In-Betweening, SIGGRAPH 2020",
    "licence": "MIT",
    "description": "recurrent transition network with time to arrival and target noise",
    "capabilities": ["samples"],
    "parameters": 463_585,
}
PRESETS = {
    "small": {"hidden": 128, "encoding": 64, "width": 192},
    "paper": {"hidden": 512, "encoding": 256, "width": 1024},
}
TRAINING = {"length": 17}
"""An update of 128 frames is eight windows, whose 16 frames are all learnt through."""
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


def earliest_arrival(frame: Frame) -> Tensor:
    """(B,) frames of the paper to the first arrival of an objective; 0 where there is none, and so nothing to hide."""
    frames = torch.where(frame.active > 0, FPS * frame.seconds, LONGEST).amin(-1)
    return frames * frame.active.amax(-1)


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
        self.target = _encoder(per_slot + PATH_SIZE, hidden, encoding)
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
        target, offset = (
            encode(torch.cat([torch.cat([asked[..., part], active], -1).flatten(-2), path], -1))
            for encode, part in ((self.target, CONTROL.target), (self.offset, CONTROL.cost))
        )
        frames = FPS * frame.seconds
        times = (time_embedding(frames, target.shape[-1]) * active).sum(-2) / active.sum(-2).clamp(min=1)
        noise = NOISE * noise_scale(earliest_arrival(frame))[..., None] * frame.noise
        goal = torch.cat([offset + times, target + times], -1) + noise
        x = torch.cat([self.state(given) + times, goal], -1)
        top, memory = self.recurrence(x, frame.memory, extra)
        change = self.out(join(self.decoder(join(top, extra)), extra))
        return CoreOutput(change, frame.phase, memory)
