"""The reference entries: a codec around a core.

What all of them depart from their papers in: the decoder gives the change of the pose instead of the pose, and the core
the change of the embedding, so that an untrained network holds still; poses follow by forward kinematics from predicted
root motion and rotations; what objectives ask is recomputed from the generated pose; training carries its own
roll-outs on (see `rae_bench.training`), with one schedule and one loss for all.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from torch import nn

from rae_bench.errors import unknown
from rae_bench.lightning_model import Frame, LightningModel, Next, Sizes, StepNetwork
from rae_bench.model import ModelCard

from .pairs import Pair, about
from .parts import Codec, Core


class PairNetwork(StepNetwork):
    """Read, generate in embedding space, decode."""

    def __init__(self, codec: Codec, core: Core) -> None:
        super().__init__()
        self.codec, self.core = codec, core
        self.memory, self.noise, self.noise_held = core.memory, core.noise, core.noise_held
        self.reads_following = core.reads_following

    def forward(self, frame: Frame) -> Next:
        """One frame on."""
        given = self.codec.read(frame)
        following = None if frame.following is None else self.codec.read(frame.following)
        made = self.core(given, frame, following)
        embedding = given + made.change if self.core.residual else made.change
        change = self.codec.decode(embedding)
        if made.steer is not None:
            change = frame.steered(change, *made.steer)
        return Next(change, made.phase, made.memory, made.losses, made.notes)


class PairModel(LightningModel):
    """A codec and a core. Option `preset`: small (default) or paper."""

    pair: ClassVar[Pair]

    def __init__(self, preset: str = "small", **options: Any) -> None:
        super().__init__(**options)
        known = self.pair.core.presets.keys() & self.pair.codec.presets.keys()
        if preset not in known:
            raise unknown(f"preset of model '{self.card.name}'", preset, known)
        self.preset = preset

    def network(self, sizes: Sizes) -> nn.Module:
        """A `PairNetwork` of the preset's widths."""
        pair = self.pair
        codec: Codec = pair.codec.load()(sizes, **pair.codec.presets[self.preset], **pair.variants)
        make = pair.core.load()
        return PairNetwork(codec, codec.core(lambda widths: make(widths, **pair.core.presets[self.preset]), sizes))


@cache
def model_class(pair: Pair) -> type[PairModel]:
    """The class of a pair."""
    facts = about(pair)
    card = ModelCard(
        name=pair.name,
        authors="rae-bench",
        paper=facts["paper"],
        licence=facts["licence"],
        description=facts["description"],
        capabilities=frozenset(facts["capabilities"]),
    )
    return type("PairModel", (PairModel,), {"card": card, "pair": pair, "__doc__": card.description})
