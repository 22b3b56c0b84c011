"""`fe`: feature encoding (FE) on the objective-driven mixture of experts, the thesis' reference entry."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from rae_bench.baselines.codecs import FeatureEncoding
from rae_bench.baselines.cores import OmgMoE
from rae_bench.lightning_model import LightningModel, Sizes
from rae_bench.model import ModelCard

PRESETS = {
    "small": {"hidden": 128, "embedding": 64, "latent": 32, "width": 128, "experts": 4, "gate": 128},
    "paper": {"hidden": 256, "embedding": 256, "latent": 128, "width": 512, "experts": 4, "gate": 128},
}


class FENetwork(nn.Module):
    """Encode, generate in embedding space, decode."""

    def __init__(self, sizes: Sizes, preset: dict[str, int]) -> None:
        super().__init__()
        self.codec = FeatureEncoding(sizes.pose, sizes.change, preset["hidden"], preset["embedding"])
        self.core = OmgMoE(sizes.control, sizes.phase, **preset)

    def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Change (B, M) and phase (B, 16) of pose (B, P), control (B, C) and phase (B, 16)."""
        z, phase = self.core(self.codec.encode(pose), control, phase)
        return self.codec.decode(z), phase


class FE(LightningModel):
    """Rig-specific encoder and decoder around a transferable generator."""

    card = ModelCard(name="fe")

    def __init__(self, preset: str = "small", **options: Any) -> None:
        super().__init__(**options)
        self.preset = preset

    def network(self, sizes: Sizes) -> nn.Module:
        """An `FENetwork` of the preset's size."""
        return FENetwork(sizes, PRESETS[self.preset])
