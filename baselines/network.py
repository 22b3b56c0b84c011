"""The reference entries: a codec around a core.

What all of them depart from their papers in: the decoder gives the change of the pose instead of the pose, and the core
the change of the embedding, so that an untrained network holds still; poses follow by forward kinematics from predicted
root motion and rotations; what objectives ask is recomputed from the generated pose; training carries its own
roll-outs on (see `rae_bench.model.training`), with one schedule and one loss for all.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import torch
from torch import nn

from rae_bench.errors import unknown
from rae_bench.model.api import Domain, ModelCard
from rae_bench.model.lightning import Frame, LightningModel, Next, Sizes, StepNetwork
from rae_bench.model.outputs import size_pose_out
from rae_bench.model.step import Normal
from rae_bench.task.task import MODES

from .pairs import Pair, about
from .parts import Codec, Core

OUTPUTS = ("change", "absolute", "straight", "momentum")
"""What the decoder gives: the change that leads to the next pose; that pose; what the change has over that of a pose
that goes straight for its objectives (`rae_bench.model.outputs.straight_change`); or what it has over `KEPT` of the
last one.
"""
KEPT = 0.9
"""Below 1, so that what is predicted once wears off."""


class PairNetwork(StepNetwork):
    """Read, generate in embedding space, decode; `output` as of `OUTPUTS`."""

    def __init__(self, codec: Codec, core: Core, output: str = "change", change: int = 0) -> None:
        super().__init__()
        self.codec, self.core, self.output = codec, core, output
        self.last = change if output == "momentum" else 0
        self.memory, self.noise, self.noise_held = core.memory + self.last, core.noise, core.noise_held
        self.reads_following = core.reads_following

    def forward(self, frame: Frame) -> Next:
        """One frame on."""
        last, frame.memory = frame.memory.tensor_split([self.last], 1)  # the rest is the core's
        given = self.codec.read(frame)
        following = None if frame.following is None else self.codec.read(frame.following)
        made = self.core(given, frame, following)
        embedding = given + made.change if self.core.residual else made.change
        change = self.codec.decode(embedding)
        if self.output == "absolute":
            change = frame.change_to(change)
        elif self.output == "straight":
            change = frame.straight + change
        elif self.output == "momentum":
            change = KEPT * last + change
        if made.steer is not None:
            change = frame.steered(change, *made.steer)
        memory = frame.memory if made.memory is None else made.memory
        if self.last:
            memory = torch.cat([change, memory], 1)
        return Next(change, made.phase, memory, made.losses, made.notes)


class PairModel(LightningModel):
    """A codec and a core.

    Options `preset`: small (default) or paper; `mode`: corrected (default), or paper, with those faults of the thesis
    that are the model's (see docs/study.md); `output`: one of `OUTPUTS`, change unless said, absolute in `mode=paper`.
    """

    pair: ClassVar[Pair]

    def __init__(
        self, preset: str = "small", output: str | None = None, mode: str = MODES[0], **options: Any
    ) -> None:
        if mode not in MODES:
            raise unknown(f"mode of model '{self.card.name}'", mode, MODES)
        usual = "change"
        if mode == "paper":
            usual, options = "absolute", {"length": 2, "coin": "gaussian", **options}
        output = usual if output is None else output
        super().__init__(**options)
        self.mode = mode
        known = self.pair.core.presets.keys() & self.pair.codec.presets.keys()
        if preset not in known:
            raise unknown(f"preset of model '{self.card.name}'", preset, known)
        if output not in OUTPUTS:
            raise unknown(f"output of model '{self.card.name}'", output, OUTPUTS)
        self.preset, self.output = preset, output

    def network(self, sizes: Sizes) -> nn.Module:
        """A `PairNetwork` of the preset's widths."""
        pair = self.pair
        change = sizes.change
        if self.output == "absolute":
            sizes = sizes._replace(change=size_pose_out((sizes.pose - 4) // 12))
        codec: Codec = pair.codec.load()(sizes, **pair.codec.presets[self.preset], **pair.variants)
        make = pair.core.load()
        core = codec.core(lambda widths: make(widths, **pair.core.presets[self.preset]), sizes)
        if self.mode == "paper":
            core.as_published()
        return PairNetwork(codec, core, self.output, change)

    def statistics(self, domain: Domain) -> Normal:
        """In `mode=paper` one mean and one spread for all entries of a pose, whatever their units."""
        normal = super().statistics(domain)
        if self.mode == "paper":
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
