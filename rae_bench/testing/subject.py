"""What the checks try a model on: two tiny domains, and trainings that more than one check needs."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.model.api import Budget, Context, Domain, Model, ModelCard, Prompt, Trajectory
from rae_bench.model.regimes import COLD, FINETUNE, FROZEN, NO_REGIME, REGIMES, ZERO_SHOT, is_pretrained, is_retargeted
from rae_bench.model.registry import make_model
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.asked import asked_of
from rae_bench.objectives.tracks import LIMBS
from rae_bench.rigs.file import load_rig
from rae_bench.task.held_out import cut_clips
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol

SOURCE_RIG, TARGET_RIG = "r4", "quad"
PROTOCOL = Protocol(seconds=2.5)
LENGTHS = (75, 68, 60, 52)
"""Frames of the test clips: uneven, so that padding is met."""


@dataclass(frozen=True, eq=False)
class Material:
    """The tiny domains. Models get copies of them alone.

    Attributes:
        source, target: training segments of two rigs.
        one: the first segment of the target alone.
        empty: the target without a segment.
        prompt: N = 4 test clips of the target's rig, of uneven length.
    """

    source: Domain
    target: Domain
    one: Domain
    empty: Domain
    prompt: Prompt


@lru_cache(maxsize=2)
def material(track: str = LIMBS) -> Material:
    """The domains of r4 and the quadruped as a track shows them, made once."""
    protocol = replace(PROTOCOL, track=track)

    def side(rig: str, clips: int) -> Side:
        return Side(generate_locomotion(load_rig(rig), clips=clips, seconds=protocol.seconds), protocol)

    source, target = side(SOURCE_RIG, 10), side(TARGET_RIG, 20)
    split = target.split(0)
    train, held = split.train[:8], np.concatenate([split.test, split.train[8:]])[: len(LENGTHS)]
    motion = target.corpus.motion[held]
    motion = make_motion(
        motion.rig,
        motion.fps,
        motion.root_positions,
        motion.rotations,
        lengths=np.array(LENGTHS),
        contacts=motion.contacts,
    )
    names, history = [target.corpus.ids[i] for i in held], round(PROTOCOL.history * PROTOCOL.fps)
    asked = asked_of(track, motion, target.corpus.course[held])
    return Material(
        source.domain(source.split(0).train),
        target.domain(train),
        target.domain(train[:1]),
        target.domain(train[:0]),
        cut_clips(motion, history, names, names, names, *asked).prompt,
    )


class Subject:
    """A model under test. What more than one check needs, such as a pre-training, is made once, on first use."""

    def __init__(self, model: str | type, options: Mapping[str, Any] | None, updates: int, seed: int) -> None:
        self.model, self.options, self.updates, self.seed = model, dict(options or {}), updates, seed
        self.material = material()
        self.folder = Path(tempfile.mkdtemp(prefix="rae-bench-check-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def make(self) -> Model:
        """A fresh instance."""
        return make_model(self.model, self.options) if isinstance(self.model, str) else self.model(**self.options)

    @cached_property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.make().card

    @property
    def regimes(self) -> list[str]:
        """Regimes that the card claims; a model that learns nothing has only `none`."""
        return [COLD, *(r for r in REGIMES if r in self.card.capabilities)] if self.card.learns else [NO_REGIME]

    @property
    def transfer(self) -> str | None:
        """A claimed regime that starts from pre-training; None if there is none."""
        return next((r for r in (FINETUNE, FROZEN, ZERO_SHOT) if r in self.card.capabilities), None)

    def context(self, regime: str) -> Context:
        """A fresh context with a small budget; as in a run, there is no source where nothing starts from one."""
        budget = Budget(self.updates, self.updates * PROTOCOL.frames_per_update)
        source = None
        if is_pretrained(regime):
            source = deepcopy(self.material.target if is_retargeted(regime) else self.material.source)
        return Context(regime, 1.0, budget, self.seed, source=source)

    def adapt(self, regime: str, *, load: Path | None = None, target: Domain | None = None) -> Model:
        """A fresh instance, loaded from `load` if there is one, adapted to `target` or else to eight segments."""
        model, ctx = self.make(), self.context(regime)
        if load is not None:
            model.load(load)
        target = self.material.target if target is None else target
        if is_retargeted(regime) and not len(target):
            ctx = replace(ctx, fraction=0.0, budget=Budget(0, 0))
        model.adapt(deepcopy(target), ctx)
        return model

    def pretrained_for(self, regime: str) -> Path | None:
        """The folder of the pre-trained instance that a regime starts from."""
        if not is_pretrained(regime):
            return None
        return self.pretrained_there if is_retargeted(regime) else self.pretrained[1]

    def generate(self, model: Model, prompt: Prompt | None = None, regime: str | None = None) -> Trajectory:
        """What an adapted model generates for a copy of `prompt`, or else of the four test clips."""
        prompt = self.material.prompt if prompt is None else prompt
        return model.generate(deepcopy(prompt), Context.to_generate(regime or self.regimes[0], self.seed))

    @cached_property
    def adapted(self) -> Model:
        """An instance adapted without pre-training."""
        return self.adapt(self.regimes[0])

    @cached_property
    def output(self) -> Trajectory:
        """What `adapted` generates for the test clips."""
        return self.generate(self.adapted)

    @cached_property
    def pretrained(self) -> tuple[Model, Path]:
        """A pre-trained instance, and the folder that it was saved to."""
        model = self.make()
        model.pretrain(deepcopy(self.material.source), self.context("pretrain"))
        model.save(self.folder / "pretrained")
        return model, self.folder / "pretrained"

    @cached_property
    def pretrained_there(self) -> Path:
        """The folder of an instance that was pre-trained on the target's rig, as for the regime `retarget`."""
        model = self.make()
        model.pretrain(deepcopy(self.material.target), self.context("pretrain"))
        model.save(self.folder / "pretrained-there")
        return self.folder / "pretrained-there"

    @cached_property
    def transferred(self) -> Trajectory:
        """What an instance that was loaded from `pretrained` and adapted generates for the test clips."""
        assert self.transfer is not None
        target = self.material.empty if self.transfer == ZERO_SHOT else None
        return self.generate(self.adapt(self.transfer, load=self.pretrained[1], target=target), regime=self.transfer)
