"""`fe`: feature encoding (FE) on the objective-driven mixture of experts (OMG-MoE), the thesis' reference entry.

Where it departs from the thesis (thesis.md, "OMG"): the decoder gives the change of the pose instead of the pose, so
that an untrained network holds still; poses follow by forward kinematics from predicted root motion and rotations;
costs are recomputed from the generated pose instead of being predicted; training carries its own roll-outs on (see
`rae_bench.lightning_model.Streams`). Sizes, layers, gate and phase update are the thesis'.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from rae_bench.errors import unknown
from rae_bench.lightning_model import LightningModel, Sizes
from rae_bench.model import ModelCard

from .codecs import FeatureEncoding
from .cores import OmgMoE

PRESETS = {
    "small": {"hidden": 128, "embedding": 64, "latent": 32, "width": 128, "experts": 4, "gate": 128},
    "paper": {"hidden": 256, "embedding": 256, "latent": 128, "width": 512, "experts": 4, "gate": 128},
}
"""Widths; `small` is size S of the CPU track, `paper` the thesis' sizes."""


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
    """Rig-specific encoder and decoder around a transferable generator. Option `preset`: small (default) or paper."""

    card: ClassVar[ModelCard] = ModelCard(
        name="fe",
        version="1",
        authors="rae-bench",
        paper="A study of transfer learning on data-driven motion synthesis frameworks, KTH, 2022",
        licence="MIT",
        description="feature encoding x objective-driven mixture of experts",
    )

    def __init__(self, preset: str = "small", **options: Any) -> None:
        super().__init__(**options)
        if preset not in PRESETS:
            raise unknown("preset of model 'fe'", preset, PRESETS)
        self.preset = preset

    def network(self, sizes: Sizes) -> nn.Module:
        """An `FENetwork` of the preset's widths."""
        return FENetwork(sizes, PRESETS[self.preset])
