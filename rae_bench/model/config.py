"""How a `LightningModel` trains: its options, which need no torch to be read."""

from __future__ import annotations

from dataclasses import dataclass

COINS = ("fair", "gaussian")


@dataclass(frozen=True)
class TrainConfig:
    """How a `LightningModel` trains.

    Attributes:
        windows: windows in an update; 0: as many as the budget's frames make.
        length: frames in a window; the first is given, the others are predicted.
        rate, weight_decay, clip: of AdamW.
        warmup, fall: shares of the updates over which the rate rises linearly, and by which it has fallen, as a cosine,
            to a fiftieth.
        ramp: share of the updates over which the probability of reading one's own prediction rises from 0 to 1.
        coin: `fair`, or `gaussian`: the thesis' coin, by which that probability rises from .5 to .84 only.
        position, rotation, velocity, slide, phase: weights of the loss terms, which are in rig heights and seconds.
    """

    windows: int = 0
    length: int = 5
    rate: float = 3e-3
    warmup: float = 0.05
    fall: float = 0.85
    weight_decay: float = 0.01
    clip: float = 1.0
    ramp: float = 0.1
    coin: str = "fair"
    position: float = 20.0
    rotation: float = 10.0
    velocity: float = 1.0
    slide: float = 0.4
    phase: float = 0.1
