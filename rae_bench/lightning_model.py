"""`LightningModel`: the convenience base for models written in torch.

A subclass gives a network with two parts, `codec` (tied to the rig) and `core` (the same for every rig), that maps
one frame to the next. Windows, scheduled sampling, roll-out, normalisation, regimes, budgets, seeding, saving and
loading are done here.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytorch_lightning as lightning
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from rae_bench.errors import UserError, unknown
from rae_bench.features import (
    CONTROL,
    PHASES,
    Layout,
    Skeleton,
    Targets,
    advance,
    changes,
    control,
    frame_of,
    make_skeleton,
    states,
    targets,
    to_motion,
)
from rae_bench.model import Context, Domain, ModelCard, Prompt, Trajectory
from rae_bench.motion import make_motion
from rae_bench.phases import local_phases
from rae_bench.rig import Rig


LOST = 0.3
"""Rig heights that a carried-over roll-out may be off, in place or mean pose, before its stream starts afresh."""
LEAST_RATE = 0.02


class Sizes(NamedTuple):
    """Widths that a network must fit: it reads pose, control and phase, and predicts a change and a phase."""

    pose: int
    control: int
    phase: int
    change: int


def _sizes(joints: int) -> Sizes:
    layout = Layout(joints)
    return Sizes(layout.size_pose, CONTROL, PHASES, layout.size_change)


@dataclass(frozen=True)
class TrainConfig:
    """How a `LightningModel` trains.

    Attributes:
        windows: windows in an update.
        length: frames in a window; the first is given, the others are predicted.
        rate, warmup, fall, weight_decay, clip: of AdamW; shares of the updates over which the rate rises linearly and by
            which it has fallen, as a cosine, to a fiftieth.
        ramp: share of the updates over which the probability of reading one's own prediction rises from 0 to 1.
        position, rotation, velocity, slide, phase: weights of the loss terms, which are in rig heights and seconds.
    """

    windows: int = 32
    length: int = 5
    rate: float = 3e-3
    warmup: float = 0.05
    fall: float = 0.85
    weight_decay: float = 0.01
    clip: float = 1.0
    ramp: float = 0.1
    position: float = 20.0
    rotation: float = 10.0
    velocity: float = 1.0
    slide: float = 0.4
    phase: float = 0.1


class Batch(NamedTuple):
    """One update's windows: B windows of L frames."""

    states: Tensor
    """(B, L, D)"""
    frames: Tensor
    """(B, L, 24, 3)"""
    flags: Tensor
    """(B, L, 8, 4)"""
    start: Tensor
    """(B, 16) phase at the first frame, from its past alone."""
    phases: Tensor
    """(B, L, 16)"""
    contacts: Tensor
    """(B, L, C)"""
    fresh: Tensor
    """(B,) bool: the stream starts here; otherwise its first frame is the last one of the window before."""
    coins: Tensor
    """(B, L) in 0..1, for scheduled sampling."""


class Normal(nn.Module):
    """Statistics of a rig's motion, from training segments only: of poses (P) and of the size of changes (M)."""

    mean: Tensor
    std: Tensor
    change: Tensor

    def __init__(self, mean: Tensor, std: Tensor, change: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("change", change)


def statistics(domain: Domain) -> Normal:
    """Mean and spread of pose features and the spread of changes; of the rest pose where the domain is empty.

    Spreads have a floor, so that a feature which happens not to move in a small fraction is not blown up.
    """
    rig, layout = domain.rig, Layout(len(domain.rig))
    motion = domain.motion
    if not len(domain):
        root = np.tile(rig.rest_global[0][:1], (2, 1))[None]
        motion = make_motion(rig, 30.0, root, np.tile(rig.rest, (1, 2, 1, 1)))
    path = states(motion)
    pose = path[torch.from_numpy(motion.valid)][:, layout.pose]
    change = changes(path)[torch.from_numpy(motion.valid[:, 1:])]
    tall, joints = rig.height, layout.joints
    floor = torch.cat(
        [
            torch.tensor([0.005 * tall, 0.005 * tall, 0.01, 0.01 * tall]),
            torch.full((3 * joints,), 0.01 * tall),
            torch.full((3 * joints,), 0.1 * tall),
            torch.full((6 * joints,), 0.05),
        ]
    )
    small = torch.cat(
        [torch.tensor([0.001 * tall, 0.001 * tall, 0.002, 0.001 * tall]), torch.full((3 * joints,), 0.003)]
    )
    return Normal(
        pose.mean(0),
        torch.sqrt(pose.var(0, unbiased=False) + floor**2),
        torch.sqrt((change**2).mean(0) + small**2),
    )


class Streams(IterableDataset):
    """Windows of a domain's segments, all in memory, one batch an item.

    Each of the B rows is a stream: it starts at a random frame of a random segment and walks on window by window to the
    segment's end. So a model that carries its own last state over meets the errors of long roll-outs while it
    learns from short windows.
    """

    def __init__(self, domain: Domain, config: TrainConfig, updates: int, seed: int) -> None:
        motion = domain.motion
        self.config, self.updates, self.seed = config, updates, seed
        self.states = states(motion)
        self.targets = targets(domain.objectives, motion.fps)
        self.past = torch.from_numpy(local_phases(motion, past_only=True)).flatten(2)
        self.phases = torch.from_numpy(domain.phases).flatten(2)
        self.contacts = torch.from_numpy(motion.contacts.astype(np.float32))
        self.last = torch.from_numpy(motion.lengths - config.length)
        """Last frame at which a window of each segment can start."""
        room = np.maximum(motion.lengths - config.length + 1, 0)
        self.starts = torch.from_numpy(
            np.stack([np.repeat(np.arange(len(room)), room), np.concatenate([np.arange(r) for r in room])], 1)
        )

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self.seed)
        config = self.config
        clip = torch.zeros(config.windows, dtype=torch.long)
        first = self.last.max() + torch.ones(config.windows, dtype=torch.long)
        for _ in range(self.updates):
            fresh = first > self.last[clip]
            pick = torch.randint(len(self.starts), (config.windows,), generator=generator)
            clip = torch.where(fresh, self.starts[pick, 0], clip)
            first = torch.where(fresh, self.starts[pick, 1], first)
            frame = first[:, None] + torch.arange(config.length)
            at = (clip[:, None], frame)
            yield Batch(
                self.states[at],
                self.targets.frames[at],
                self.targets.flags[at],
                self.past[clip, first],
                self.phases[at],
                self.contacts[at],
                fresh,
                torch.rand(config.windows, config.length, generator=generator),
            )
            first = first + config.length - 1


def step(
    network: nn.Module, normal: Normal, skeleton: Skeleton, state: Tensor, target: tuple[Tensor, Tensor], phase: Tensor
) -> tuple[Tensor, Tensor]:
    """One frame on: the next state (B, D) and phase (B, 16)."""
    frame = frame_of(state)
    pose = (state[:, skeleton.layout.pose] - normal.mean) / normal.std
    change, phase = network(pose, control(state, target, frame, skeleton), phase)
    return advance(state, change * normal.change, frame, skeleton), phase


def window_loss(predicted: Tensor, batch: Batch, phases: Tensor, skeleton: Skeleton, config: TrainConfig) -> Tensor:
    """The training loss of predicted states (B, L - 1, D) and phases (B, L - 1, 16); lengths in rig heights.

    Positions and velocities are compared in the world, so that drift of the root counts.
    """
    layout, tall = skeleton.layout, skeleton.height
    true = batch.states[:, 1:]
    joints = layout.joints

    def world(state: Tensor, part: slice) -> Tensor:
        axes = frame_of(state.flatten(0, 1)).view(*state.shape[:2], 3, 3)
        return torch.matmul(state[..., part].unflatten(-1, (joints, 3)), axes)

    def distance(gap: Tensor) -> Tensor:
        return torch.sqrt((gap * gap).sum(-1) + 1e-8)

    shift = (predicted[..., :3] - true[..., :3])[..., None, :]
    position = distance((world(predicted, layout.p) - world(true, layout.p) + shift) / tall).mean()
    moved = world(predicted, layout.v)
    velocity = distance((moved - world(true, layout.v)) / tall).mean()
    rotation = (predicted[..., layout.columns] - true[..., layout.columns]).abs().mean()
    feet = moved[:, :, skeleton.rig.contact_joints.tolist()]
    stance = batch.contacts[:, 1:] * batch.contacts[:, :-1]
    slide = (distance(feet[..., [0, 2]] / tall) * stance).sum() / stance.sum().clamp(min=1)
    phase = (phases - batch.phases[:, 1:]).abs().mean()
    return (
        config.position * position
        + config.rotation * rotation
        + config.velocity * velocity
        + config.slide * slide
        + config.phase * phase
    )


class _Training(lightning.LightningModule):
    """Scheduled sampling over windows, as a `pytorch_lightning` module."""

    def __init__(
        self, network: nn.Module, normal: Normal, skeleton: Skeleton, config: TrainConfig, updates: int, ctx: Context
    ) -> None:
        super().__init__()
        self.network, self.normal = network, normal
        self.skeleton, self.config, self.updates, self.ctx = skeleton, config, updates, ctx
        self.carried: tuple[Tensor, Tensor] | None = None

    def training_step(self, batch: Batch, index: int) -> Tensor:
        own = min(1.0, index / max(1.0, self.config.ramp * self.updates))
        given = Targets(batch.frames, batch.flags)
        state, phase = batch.states[:, 0], batch.start
        if self.carried is not None:
            before, before_phase = self.carried
            lost = self._lost(before, state)
            use = (~batch.fresh & (batch.coins[:, 0] < own) & ~lost)[:, None]
            state, phase = torch.where(use, before, state), torch.where(use, before_phase, phase)
        path, phases = [], []
        for t in range(batch.states.shape[1] - 1):
            if t and own < 1:
                use = (batch.coins[:, t] < own)[:, None]
                state = torch.where(use, state, batch.states[:, t])
                phase = torch.where(use, phase, batch.phases[:, t])
            state, phase = step(self.network, self.normal, self.skeleton, state, given.at(t), phase)
            path.append(state)
            phases.append(phase)
        self.carried = state.detach(), phase.detach()
        loss = window_loss(torch.stack(path, 1), batch, torch.stack(phases, 1), self.skeleton, self.config)
        if hasattr(self.network, "extra_loss"):
            pose = (batch.states[:, 0, self.skeleton.layout.pose] - self.normal.mean) / self.normal.std
            loss = loss + self.network.extra_loss(pose)
        if self.ctx.progress is not None and (index % 10 == 0 or index == self.updates - 1):
            self.ctx.progress(index + 1, self.updates, float(loss.detach()))
        return loss

    def _lost(self, state: Tensor, true: Tensor) -> Tensor:
        """(B,) whether a stream is too far from the truth to learn anything from going on."""
        part, tall = self.skeleton.layout.p, self.skeleton.height
        apart = (state[:, part] - true[:, part]).unflatten(1, (-1, 3)).norm(dim=-1).mean(-1)
        return (apart > LOST * tall) | ((state[:, :3] - true[:, :3]).norm(dim=1) > LOST * tall)

    def configure_optimizers(self) -> Any:
        config, updates = self.config, self.updates
        trained = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.rate, weight_decay=config.weight_decay, fused=True)
        warm = max(1.0, config.warmup * updates)

        def scale(update: int) -> float:
            if update < warm:
                return (update + 1) / (warm + 1)
            done = min(1.0, (update - warm) / max(1.0, config.fall * updates - warm))
            return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + np.cos(np.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class LightningModel:
    """Base class of torch models: implement `network` (and `card`), inherit the rest of the `Model` protocol.

    `network(sizes)` returns an `nn.Module` with the submodules `codec` and `core`, called as

        change, phase = module(pose, control, phase)

    with pose (B, sizes.pose) z-scored, control (B, sizes.control), phase (B, sizes.phase). `change` (B, sizes.change) is
    how root and joints move in this frame, in units of their usual size: zeros hold the pose. `phase` is the
    next local phase. An optional method `extra_loss(pose)` is added to the loss.

    `frozen` carries `core` over and trains `codec` alone; `finetune` carries it over and trains everything.
    Options (`--set key=value`) are the keyword arguments of the class and the fields of `TrainConfig`.
    """

    card: ClassVar[ModelCard]
    train_defaults: ClassVar[TrainConfig] = TrainConfig()

    def __init__(self, **options: Any) -> None:
        known = {field.name for field in fields(TrainConfig)}
        for key in options:
            if key not in known:
                raise unknown(f"option of model '{self.card.name}'", key, known)
        self.config = replace(self.train_defaults, **options)
        self._core: dict[str, Tensor] = {}
        self._network: nn.Module | None = None
        self._normal: Normal | None = None

    def network(self, sizes: Sizes) -> nn.Module:
        """The network for a rig of these sizes."""
        raise UserError(f"model '{self.card.name}' does not say what its network is; implement network(sizes)")

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """Train codec and core on the source; the core is what is kept."""
        network, _ = self._train(source, ctx, {}, frozen=False, stream=1)
        self._core = {k: v.clone() for k, v in network.core.state_dict().items()}  # type: ignore[union-attr]

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Train on the target fraction as the regime says."""
        carried = self._core if ctx.regime in ("frozen", "finetune") else {}
        if ctx.regime in ("frozen", "finetune") and not carried:
            raise UserError(f"model '{self.card.name}': regime {ctx.regime} needs pretrain or load first")
        self._network, self._normal = self._train(target, ctx, carried, frozen=ctx.regime == "frozen", stream=2)

    def _train(
        self, domain: Domain, ctx: Context, core: dict[str, Tensor], *, frozen: bool, stream: int
    ) -> tuple[nn.Module, Normal]:
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        torch.set_num_threads(ctx.threads)
        seed = int(np.random.SeedSequence([ctx.seed, stream]).generate_state(1)[0])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self._build(domain.rig)
            if core:
                network.core.load_state_dict(core)  # type: ignore[union-attr]
            for p in network.core.parameters():  # type: ignore[union-attr]
                p.requires_grad_(not frozen)
            normal = statistics(domain)
            config = self.config
            per_update = config.windows * (config.length - 1)
            updates = min(ctx.budget.updates, ctx.budget.frames // per_update)
            ctx.spent.update(
                updates=0,
                frames=0,
                enforced=True,
                parameters=sum(p.numel() for p in network.parameters()),
                trained=sum(p.numel() for p in network.parameters() if p.requires_grad),
            )
            if len(domain) and updates and int(domain.motion.lengths.max()) >= config.length:
                skeleton = make_skeleton(domain.rig, domain.motion.fps)
                training = _Training(network, normal, skeleton, config, updates, ctx)
                data = DataLoader(Streams(domain, config, updates, seed), batch_size=None)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    trainer = lightning.Trainer(
                        accelerator="gpu" if ctx.device.startswith("cuda") else "cpu",
                        devices=1,
                        max_steps=updates,
                        max_epochs=1,
                        logger=False,
                        enable_checkpointing=False,
                        enable_progress_bar=False,
                        enable_model_summary=False,
                        gradient_clip_val=config.clip,
                    )
                    trainer.fit(training, data)
                ctx.spent.update(updates=updates, frames=updates * per_update)
        return network.eval().cpu(), normal

    def _build(self, rig: Rig) -> nn.Module:
        network = self.network(_sizes(len(rig)))
        if not isinstance(getattr(network, "core", None), nn.Module):
            raise UserError(f"model '{self.card.name}': its network needs submodules `codec` and `core`")
        return network

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Roll every clip out from its last history frame, all clips at once."""
        if self._network is None or self._normal is None:
            raise UserError(f"model '{self.card.name}': generate needs adapt or load first")
        torch.set_num_threads(ctx.threads)
        skeleton = make_skeleton(prompt.rig, prompt.fps)
        given = targets(prompt.objectives, prompt.fps)
        first = prompt.history.root_positions.shape[1] - 1
        with torch.no_grad():
            state = states(prompt.history)[:, -1]
            phase = torch.from_numpy(prompt.phases).flatten(1)
            path = []
            for t in range(first, first + int(prompt.frames.max())):
                state, phase = step(self._network, self._normal, skeleton, state, given.at(t), phase)
                path.append(state)
        root_positions, rotations = to_motion(torch.stack(path, 1), prompt.rig)
        samples = prompt.num_samples
        return Trajectory(
            np.repeat(root_positions[None], samples, 0), np.repeat(rotations[None], samples, 0)
        )

    def save(self, folder: Path) -> None:
        """Keep the pre-trained core and, once adapted, the network, as safetensors and JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"pretrained.{k}": v for k, v in self._core.items()}
        meta: dict[str, Any] = {"options": asdict(self.config), "joints": None}
        if self._network is not None and self._normal is not None:
            tensors |= {f"network.{k}": v for k, v in self._network.state_dict().items()}
            tensors |= {f"normal.{k}": v for k, v in self._normal.state_dict().items()}
            meta["joints"] = (len(self._normal.mean) - 4) // 12
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps(meta, indent=1, sort_keys=True), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what `save` kept. Raises `UserError` where the files do not fit this model."""
        try:
            meta = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "model.safetensors")
        except (OSError, ValueError) as error:
            raise UserError(f"{folder}: no readable saved model ({error})") from None

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self._core = part("pretrained.")
        if meta["joints"] is not None:
            network = self.network(_sizes(int(meta["joints"])))
            network.load_state_dict(part("network."))
            normal = part("normal.")
            self._network, self._normal = network.eval(), Normal(normal["mean"], normal["std"], normal["change"])
