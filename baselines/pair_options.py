"""What the options of a pair come to: preset, mode, output, and how it trains. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rae_bench.model import MODES, TrainConfig, train_config, train_values, unknown

from .catalogue import Pair

OUTPUTS = ("led", "change", "absolute", "straight", "momentum")
"""What the decoder gives: what the change that leads to the next pose has over that of a root which goes along its path
(`Frame.along`), the same as `change` where there is no path; that change; the next pose itself; what the change has
over that of a pose that goes straight for its objectives (`Frame.straight`); or what it has over a share of the last
change."""


OPTION_TEXTS = {
    "preset": "small, or paper: the sizes of the papers",
    "mode": "corrected, or paper: the thesis' published protocol with its faults (docs/reports/study.md)",
    "output": f"what the decoder gives: {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}",
}
"""What the options do that are not of `TrainConfig`."""


@dataclass(frozen=True)
class Mode:
    """What a mode changes of a pair.

    Attributes:
        defaults: options of the pair where none are given.
        pooled_scale: whether poses are scaled by one mean and one spread for all entries, whatever their units.
        as_published: whether codec and core take on the faults of their published code.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    pooled_scale: bool = False
    as_published: bool = False


CORRECTED, PAPER = MODES
MODE = {
    CORRECTED: Mode({"output": "led", "core_rate": 0.3}),
    PAPER: Mode(
        {"output": "absolute", "length": 2, "coin": "gaussian", "in_step": 0.3}, pooled_scale=True, as_published=True
    ),
}
"""All that the published protocol changes of a model (docs/reports/study.md); its changes of a task are the task's."""


@dataclass(frozen=True)
class PairOptions:
    """The options of a pair, every default filled in.

    Attributes:
        config: how it trains.
        codec, core: what their classes are made with, besides the sizes that they must fit.
    """

    preset: str
    mode: str
    output: str
    config: TrainConfig
    codec: Mapping[str, Any]
    core: Mapping[str, Any]

    def values(self) -> dict[str, Any]:
        """All of it by name, JSON-ready."""
        facts = {"preset": self.preset, "mode": self.mode, "output": self.output}
        return {**facts, **train_values(self.config), "widths": self.widths()}

    def widths(self) -> dict[str, Any]:
        """What codec and core are made with."""
        return {"codec": dict(self.codec), "core": dict(self.core)}


def choose(pair: Pair, options: Mapping[str, Any]) -> PairOptions:
    """What options of a pair come to. Raises `UserError` where one is unknown or impossible."""
    model = pair.name
    mode = options.get("mode", CORRECTED)
    if mode not in MODE:
        raise unknown(f"mode of model '{model}'", mode, MODE)
    given = {key: value for key, value in options.items() if key != "output" or value is not None}
    chosen = {"preset": "small", **pair.core.training, **MODE[mode].defaults, **given}
    training = {key: value for key, value in chosen.items() if key not in ("preset", "mode", "output")}
    config = train_config(model, TrainConfig(), training)
    preset, output = chosen["preset"], chosen["output"]
    known = pair.core.presets.keys() & pair.codec.presets.keys()
    if preset not in known:
        raise unknown(f"preset of model '{model}'", preset, known)
    if output not in OUTPUTS:
        raise unknown(f"output of model '{model}'", output, OUTPUTS)
    codec = {**pair.codec.presets[preset], **pair.variants}
    return PairOptions(preset, mode, output, config, codec, dict(pair.core.presets[preset]))
