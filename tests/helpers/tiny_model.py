"""A small `LightningModel` and what it is trained on."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.model import Budget, Context, LightningModel, ModelCard, Sizes
from rae_bench.rigs.file import load_rig
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol

PROTOCOL = Protocol(seconds=2.5)
LENGTH = 5
OPTIONS: dict[str, Any] = {"windows": 4, "length": LENGTH}


class Tiny(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.codec = nn.ModuleDict({"encode": nn.Linear(sizes.pose, 16), "decode": nn.Linear(16, sizes.change)})
        self.core = nn.Sequential(
            nn.Linear(16 + sizes.control + sizes.phase, 32), nn.ELU(), nn.Linear(32, 16 + sizes.phase)
        )

    def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        z = self.core(torch.cat([self.codec["encode"](pose), control, phase], 1))
        return self.codec["decode"](z[:, :16]), z[:, 16:]


class TinyModel(LightningModel):
    card = ModelCard(name="tiny")

    def network(self, sizes: Sizes) -> nn.Module:
        return Tiny(sizes)


def side(rig: str, track: str = PROTOCOL.track) -> Side:
    return Side(generate_locomotion(load_rig(rig), clips=12, seconds=PROTOCOL.seconds), replace(PROTOCOL, track=track))


def context(regime: str, updates: int = 3, seed: int = 0) -> Context:
    return Context(regime, 1.0, Budget(updates, updates * 10_000), seed)


def parts(model: LightningModel) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of codec and core after adapting."""
    assert model._network is not None
    state = model._network.state_dict()
    return tuple({k: v for k, v in state.items() if k.startswith(part)} for part in ("codec", "core"))  # type: ignore


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
