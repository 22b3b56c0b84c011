"""A model of one's own: a linear encoder and decoder for each rig around a small network that all rigs share."""

import torch
from torch import Tensor, nn

from rae_bench.model import LightningModel, ModelCard, Sizes

EMBEDDING = 64


class MyNetwork(nn.Module):
    """Encode the pose, predict the next embedding and phase from it and the objectives, decode the change of pose."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.codec = nn.ModuleDict(
            {"encode": nn.Linear(sizes.pose, EMBEDDING), "decode": nn.Linear(EMBEDDING, sizes.change)}
        )
        self.core = nn.Sequential(
            nn.Linear(EMBEDDING + sizes.control + sizes.phase, 128),
            nn.ELU(),
            nn.Linear(128, 128),
            nn.ELU(),
            nn.Linear(128, EMBEDDING + sizes.phase),
        )

    def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        z = self.codec["encode"](pose)
        z, phase = self.core(torch.cat([z, control, phase], 1)).split([EMBEDDING, phase.shape[1]], 1)
        return self.codec["decode"](z), phase


class MyModel(LightningModel):
    """Windows, scheduled sampling, roll-out, regimes, budgets, seeding, saving and loading are inherited."""

    card = ModelCard(name="my-model", authors="Me", licence="MIT", description="linear codec, small core")

    def network(self, sizes: Sizes) -> nn.Module:
        return MyNetwork(sizes)
