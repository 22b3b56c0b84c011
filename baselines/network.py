"""The reference entries: a codec around a core (docs/guides/model.md says what they have in common, and why)."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any, ClassVar

import torch
from torch import nn

from rae_bench.model import Domain, Frame, Layout, LightningModel, ModelCard, Next, Normal, Sizes, StepNetwork

from .catalogue import Pair, about
from .pair_options import CORRECTED, MODE, choose
from .parts import Codec, Core

KEPT = 0.9
"""Share of the last change in the output `momentum`. It is below 1, so that what is predicted once wears off."""


class PairNetwork(StepNetwork):
    """Reads a frame into an embedding, lets the core change it, and decodes it to `output` (`pair_options.OUTPUTS`)."""

    def __init__(self, codec: Codec, core: Core, output: str = "led", change: int = 0) -> None:
        super().__init__()
        self.codec, self.core, self.output = codec, core, output
        self.last = change if output == "momentum" else 0
        self.memory, self.noise, self.noise_held = core.memory + self.last, core.noise, core.noise_held
        self.reads_following, self.stacks = core.reads_following, codec.stacks and core.stacks

    def forward(self, frame: Frame) -> Next:
        """One frame on."""
        last, frame.memory = frame.memory.tensor_split([self.last], -1)  # the rest is the core's
        given = self.codec.read(frame)
        following = None if frame.following is None else self.codec.read(frame.following)
        made = self.core(given, frame, following)
        embedding = given + made.change if self.core.residual else made.change
        change = self.codec.decode(embedding)
        if self.output == "led":
            change = frame.along + change
        elif self.output == "absolute":
            change = frame.change_to(change)
        elif self.output == "straight":
            change = frame.straight + change
        elif self.output == "momentum":
            change = KEPT * last + change
        if made.steer is not None:
            change = frame.steered(change, *made.steer)
        memory = frame.memory if made.memory is None else made.memory
        if self.last:
            memory = torch.cat([change, memory], -1)
        return Next(change, made.phase, memory, made.losses, made.notes)


class PairModel(LightningModel):
    """A codec and a core.

    Options:
        preset: `small`, or `paper` with the published sizes, which need a budget of their own (docs/guides/model.md).
        output: one of `pair_options.OUTPUTS`; None takes that of the mode.
        mode: `corrected`, or `paper` with those faults of the thesis that are the model's (docs/reports/study.md).
    """

    pair: ClassVar[Pair]

    def __init__(
        self, preset: str = "small", output: str | None = None, mode: str = CORRECTED, **options: Any
    ) -> None:
        self.chosen = choose(self.pair, {"preset": preset, "output": output, "mode": mode, **options})
        super().__init__(**asdict(self.chosen.config))
        self.widths = self.chosen.widths()

    def network(self, sizes: Sizes) -> nn.Module:
        """A `PairNetwork` of the preset's widths."""
        chosen, change = self.chosen, sizes.change
        if chosen.output == "absolute":
            sizes = sizes._replace(change=Layout(sizes.joints).size_next_pose)
        codec: Codec = self.pair.codec.load()(sizes, **chosen.codec)
        make = self.pair.core.load()
        core = codec.core(lambda widths: make(widths, **chosen.core), sizes)
        if MODE[chosen.mode].as_published:
            core.as_published()
        return PairNetwork(codec, core, chosen.output, change)

    def statistics(self, domain: Domain) -> Normal:
        """Those of the domain; in some modes one mean and one spread for all entries of a pose."""
        normal = super().statistics(domain)
        if MODE[self.chosen.mode].pooled_scale:
            spread = torch.sqrt((normal.std**2 + normal.mean**2).mean() - normal.mean.mean() ** 2)
            normal.mean, normal.std = normal.mean.mean().expand_as(normal.mean), spread.expand_as(normal.std)
        return normal


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
