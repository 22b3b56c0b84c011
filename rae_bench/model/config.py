"""Options that are read without torch or numpy: how a `LightningModel` trains, and the modes of tasks and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from rae_bench.errors import UserError, unknown

COINS = ("fair", "gaussian")
LOST = 0.3
"""Rig heights that a carried-over roll-out may be off, in place or mean pose, before its stream starts afresh."""
MODES = ("corrected", "paper")
"""Protocols that a task and a reference entry may follow: ours, and the one of the thesis with its faults."""


DECAY_SECONDS, MOST_DECAY = 600.0, 2.0
"""Seconds of motion for which `TrainConfig.weight_decay` is meant, and the most decay that less motion makes of it."""


@dataclass(frozen=True)
class TrainConfig:
    """How a `LightningModel` trains.

    Attributes:
        windows: how many windows an update has; 0 takes as many as the budget's frames allow.
        length: frames in a window. The first is given, the others are predicted.
        rate: largest learning rate of AdamW.
        weight_decay: weight decay of AdamW on ten minutes of motion. Half the motion has twice the decay, up to
            `MOST_DECAY`: a decay that is even in passes over the data (Wang and Aitchison 2024, arXiv:2405.13698) keeps
            a small fraction, which is passed over often, from being learnt by heart.
        clip: largest norm of the gradient.
        warmup: share of the updates over which the rate rises linearly.
        fall: share of the updates by which the rate has fallen, as a cosine, to a fiftieth.
        rest: share of the updates of `finetune` over which the core that was carried over rests, while the new codec
            learns to speak to it.
        core_rate: rate of that core after its rest, as a share of the rate of everything else. In `retarget`, where all
            of the network is carried over, the rate of all of it is `rate` times this.
        ramp: share of the updates over which the probability of reading the network's own prediction rises from 0 to 1.
        in_step: rig heights by which the joints of a roll-out may be off in root space, on average. Beyond it, the
            roll-out takes over the true pose and goes on along its own course. It counts where a path is all that is
            asked: nothing says at which point of its stride a body is, and a roll-out that is out of step with the
            truth can only learn the mean of all poses, which glides.
        coin: `fair`, or `gaussian`: the coin of the thesis, by which that probability rises from .5 to .84 only.
        position, rotation, velocity, slide, phase: weight of the loss term of that name, in rig heights and seconds.
    """

    windows: int = 0
    length: int = 5
    rate: float = 3e-3
    warmup: float = 0.05
    fall: float = 0.85
    weight_decay: float = 0.06
    clip: float = 1.0
    rest: float = 0.0
    core_rate: float = 1.0
    ramp: float = 0.1
    in_step: float = 0.04
    coin: str = "fair"
    position: float = 20.0
    rotation: float = 10.0
    velocity: float = 1.0
    slide: float = 0.4
    phase: float = 0.1


def train_config(model: str, defaults: TrainConfig, options: Mapping[str, Any]) -> TrainConfig:
    """`defaults` with options of a model of this name. Raises `UserError` where one is unknown or impossible."""
    known = {field.name for field in fields(TrainConfig)}
    for key in options:
        if key not in known:
            raise unknown(f"option of model '{model}'", key, known)
    config = replace(defaults, **options)
    if config.windows < 0 or config.length < 2:
        raise UserError(f"model '{model}': windows must be at least 0, length at least 2")
    if not 0 <= config.rest <= 1 or config.core_rate < 0:
        raise UserError(f"model '{model}': rest must be from 0 to 1, core_rate 0 or more")
    if not 0 <= config.in_step <= LOST:
        raise UserError(f"model '{model}': in_step must be from 0 to {LOST} rig heights")
    if config.coin not in COINS:
        raise unknown(f"coin of model '{model}'", config.coin, COINS)
    return config


def train_values(config: TrainConfig) -> dict[str, Any]:
    """The values of a configuration by name; whole numbers are floats where the field is one, so that 3 is 3.0."""
    return {name: alike(getattr(TrainConfig, name), value) for name, value in asdict(config).items()}


def alike(default: Any, value: Any) -> Any:
    """A value in the type of its default where they are the same number: 3 for a default of 1.0 is 3.0."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if isinstance(default, float) and whole else value
