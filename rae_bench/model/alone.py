"""Training of one cell by itself, as `pytorch_lightning` modules.

This is for what cannot train with others (`rae_bench.model.engine.learn` says when), and what tests compare the engine
with: the obvious program, a state a row.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from rae_bench.model.api import Context
from rae_bench.model.config import LOST, TrainConfig
from rae_bench.model.control import ControlTargets
from rae_bench.model.features import Layout, Skeleton
from rae_bench.model.step import Carry, Draws, Frame, Normal, needs_of, run_step
from rae_bench.model.streams import Batch, Streams, TurnTakingStreams
from rae_bench.model.training import Loss, Optimiser, core_of, share_predicted, warm_adamw, window_loss


class Training(lightning.LightningModule):
    """Scheduled sampling over windows, as a `pytorch_lightning` module.

    `loss` and `optimiser` are the hooks of `LightningModel`; None for what it does unless it is overridden. `draws` is
    what random numbers for the network come from.
    """

    def __init__(
        self,
        network: nn.Module,
        normal: Normal,
        skeleton: Skeleton,
        config: TrainConfig,
        updates: int,
        ctx: Context,
        *,
        frozen: bool = False,
        loss: Loss | None = None,
        optimiser: Optimiser | None = None,
        draws: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.frozen = frozen
        self.network, self.normal, self.needs = network, normal, needs_of(network)
        self.skeleton, self.config, self.updates, self.ctx = skeleton, config, updates, ctx
        self.loss: Loss = loss or partial(window_loss, config=config)
        self.optimiser: Optimiser = optimiser or partial(warm_adamw, config=config)
        self.carried: Carry | None = None
        self.draws = Draws(draws or torch.Generator().manual_seed(ctx.seed), skeleton.device)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch of windows, from carried-over states where they are worth going on from."""
        if self.frozen and index == 0:
            core_of(self.network).eval()  # running statistics are not to move either
        share = share_predicted(index, self.updates, self.config)
        given = batch.targets
        carry = self._first_carry(batch, share)
        path, phases = [], []
        extra: list[Tensor] = []
        steps = batch.states.shape[1] - 1
        for t in range(steps):
            if t and share < 1:
                use = (batch.coins[:, t] < share)[:, None]
                carry = carry._replace(
                    state=torch.where(use, carry.state, batch.states[:, t]),
                    phase=torch.where(use, carry.phase, batch.phases[:, t]),
                )
            if self.needs.noise and not self.needs.noise_held:
                carry = carry._replace(noise=self.draws.normal(*carry.noise.shape))
            carry, made = run_step(self.network, self._frame(carry, batch, given, t, index))
            path.append(carry.state)
            phases.append(carry.phase)
            extra += made.losses.values()
        self.carried = Carry(*(part.detach() for part in carry))
        loss = self.loss(torch.stack(path, 1), torch.stack(phases, 1), batch, self.skeleton)
        if extra:
            loss = loss + torch.stack(extra).sum() / steps
        if index == self.updates - 1:
            notes: dict[str, Any] = {name: float(value.detach()) for name, value in made.notes.items()}
            self.ctx.declare(**notes)
        if self.ctx.progress is not None and (index % 10 == 0 or index == self.updates - 1):
            self.ctx.progress(index + 1, self.updates, float(loss.detach()))
        return loss

    def _frame(self, carry: Carry, batch: Batch, given: ControlTargets, t: int, index: int) -> Frame:
        following = None
        if self.needs.reads_following:
            true = Carry(batch.states[:, t + 1], batch.phases[:, t + 1], carry.memory, carry.noise)
            following = Frame(true, given.at(t), self.skeleton, self.normal)
        return Frame(carry, given.at(t), self.skeleton, self.normal, following, index / self.updates, self.draws)

    def _first_carry(self, batch: Batch, share: float) -> Carry:
        """What the first frame of each window starts from: memory and noise last as long as a stream does.

        A roll-out that is too far off starts afresh. One that is out of step has the true pose on its own course.
        """
        state, phase, rows = batch.states[:, 0], batch.start, len(batch.states)
        memory = state.new_zeros(rows, self.needs.memory)
        noise = self.draws.normal(rows, self.needs.noise)
        if self.carried is None:
            return Carry(state, phase, memory, noise)
        before = self.carried
        apart, away = self._off(before.state, state)
        on = ~batch.fresh & (apart <= LOST) & (away <= LOST)
        own = on & (batch.coins[:, 0] < share)
        in_step = (own & (apart <= self.config.in_step))[:, None]
        course = torch.where(own[:, None], before.state, state)[:, Layout.course]
        posed = torch.cat([course, state[:, Layout.course.stop :]], 1)
        return Carry(
            torch.where(in_step, before.state, posed),
            torch.where(in_step, before.phase, phase),
            torch.where(on[:, None], before.memory, memory),
            torch.where(on[:, None], before.noise, noise),
        )

    def _off(self, state: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) how far joints are from the truth in root space, on average, and roots, in rig heights."""
        part, tall = self.skeleton.layout.p, self.skeleton.height
        apart = (state[:, part] - true[:, part]).unflatten(1, (-1, 3)).norm(dim=-1).mean(-1)
        away = (state[:, Layout.origin] - true[:, Layout.origin]).norm(dim=1)
        return apart / tall, away / tall

    def configure_optimizers(self) -> Any:
        """What the hook `optimiser` gives for all parameters that train."""
        return self.optimiser([p for p in self.parameters() if p.requires_grad], self.updates)


class TurnTakingTraining(lightning.LightningModule):
    """A `Training` for each domain; one optimiser over all their parameters, those of the shared core once."""

    def __init__(self, parts: Sequence[Training]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.updates, self.optimiser = parts[0].updates, parts[0].optimiser

    def training_step(self, batch: tuple[int, Batch], index: int) -> Tensor:
        """The loss on the domain whose turn it is."""
        which, window = batch
        part = self.parts[which]
        assert isinstance(part, Training)
        return part.training_step(window, index)

    def configure_optimizers(self) -> Any:
        """As for one domain."""
        return self.optimiser([p for p in self.parameters() if p.requires_grad], self.updates)


def fit(parts: Sequence[Training], streams: Sequence[Streams]) -> None:
    """Train on each stream in turn, an update each."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    first = parts[0]
    training = first if len(parts) == 1 else TurnTakingTraining(parts)
    data = DataLoader(streams[0] if len(parts) == 1 else TurnTakingStreams(streams), batch_size=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu" if first.skeleton.device.type == "cpu" else "gpu",
            devices=1,
            max_steps=first.updates,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=first.config.clip,
        )
        trainer.fit(training, data)
