"""`LightningModel`: the convenience base for models written in torch.

A subclass gives a network with two parts, `codec` (tied to the rig) and `core` (the same for every rig), that maps
one frame to the next. Windows, scheduled sampling, roll-out, normalisation, regimes, budgets, seeding, saving and
loading are done here, in `rae_bench.model.training` and in `rae_bench.model.engine`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rae_bench.errors import UserError
from rae_bench.model.api import Context, Domain, ModelCard, Prompt, Space, Trajectory, one_a_rig
from rae_bench.model.config import TrainConfig, train_config
from rae_bench.model.control import control_targets
from rae_bench.model.engine import trial
from rae_bench.model.engine.learn import Lesson, device_of, learn, seed_of
from rae_bench.model.engine.rollout import roll_out
from rae_bench.model.features import Skeleton, make_skeleton, states, to_motion
from rae_bench.model.regimes import FROZEN, RETARGET, is_pretrained, is_retargeted
from rae_bench.model.step import Carry, Frame, Normal, needs_of, run_step
from rae_bench.model.streams import Batch, statistics
from rae_bench.model.training import Sizes, core_of, sizes_for, warm_adamw, window_loss
from rae_bench.objectives.phases import local_phases

TOGETHER = {"cpu": 5, "cuda": 60}
"""Roll-outs that are one program, by device: more of them cost as much each, and more memory."""


class LightningModel:
    """Base class of torch models: implement `network` (and `card`), inherit the rest of the `Model` protocol.

    `network(sizes)` returns an `nn.Module` with the submodules `codec` and `core`, called as

        change, phase = module(pose, control, phase)

    with pose (B, sizes.pose) z-scored, control (B, sizes.control) and phase (B, sizes.phase). `change`
    (B, sizes.change) is how root and joints move in this frame, in units of their usual size: zeros hold the pose.
    `phase` is the next local phase. A network that remembers, samples, looks at the truth in training or has losses of
    its own is a `StepNetwork` instead, called as `network(frame)`. docs/guides/model.md shows both.

    `frozen` carries `core` over and trains `codec` alone; `finetune` carries it over and trains everything. `retarget`
    carries over the whole network, which has learnt the source's motion on the target's rig, and the scales.

    A subclass may also override `loss`, `optimiser` and `statistics`. Options (`--set key=value`) are the keyword
    arguments of the class and the fields of `TrainConfig`.

    Attributes:
        train_defaults: how the model trains where no option says otherwise.
        search_space: which options `rae-bench tune` may choose, and from what (docs/guides/sweep.md).
        widths: what a preset of the model stands for, JSON-ready; a part of its resolved options.
        config: how this instance trains.
    """

    card: ClassVar[ModelCard]
    train_defaults: ClassVar[TrainConfig] = TrainConfig()
    search_space: ClassVar[Space] = {
        "rate": ("log", 1e-3, 1e-2),
        "weight_decay": ("log", 6e-3, 0.6),
        "ramp": ("uniform", 0.05, 0.5),
        "slide": ("log", 0.1, 1.6),
    }
    widths: Mapping[str, Any] = {}

    def __init__(self, **options: Any) -> None:
        """Take options over. Raises `UserError` where one is unknown or impossible."""
        self.config = train_config(self.card.name, self.train_defaults, options)
        self._core: dict[str, Tensor] = {}
        self._network: nn.Module | None = None
        self._normal: Normal | None = None

    def network(self, sizes: Sizes) -> nn.Module:
        """The network for a rig of these sizes."""
        raise UserError(f"model '{self.card.name}' does not say what its network is; implement network(sizes)")

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """Train a core on all sources, with a codec for each rig.

        The core is kept, and, for the regime `retarget`, the network of the first rig.
        """
        self.pretrain_together([self], [source], [ctx])

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Train on the target fraction as the regime says."""
        self.adapt_together([self], [target], [ctx])

    @staticmethod
    def adapt_together(
        models: Sequence[LightningModel], targets: Sequence[Domain], ctxs: Sequence[Context]
    ) -> None:
        """`adapt` of several models of one class with the same options, each to its own target.

        What comes out for one does not depend on the others. Models whose rig and budget are alike train as one tensor
        program, which costs a fraction of what they cost one by one.
        """
        lessons = []
        for model, target, ctx in zip(models, targets, ctxs, strict=True):
            carried = model._core if is_pretrained(ctx.regime) else {}
            if is_pretrained(ctx.regime) and not carried:
                raise UserError(f"model '{model.card.name}': regime {ctx.regime} needs pretrain or load first")
            lesson = Lesson(model, (target,), ctx, carried, ctx.regime == FROZEN)
            if is_retargeted(ctx.regime):
                lesson.whole = model._learnt_on(target)
            lessons.append(lesson)
        learn(lessons)
        for model, lesson in zip(models, lessons, strict=True):
            model._network, model._normal = lesson.networks[0], lesson.normals[0]

    def statistics(self, domain: Domain) -> Normal:
        """What poses and changes are scaled by: by default the statistics of the domain's motion."""
        return statistics(domain)

    def loss(self, predicted: Tensor, phases: Tensor, batch: Batch, skeleton: Skeleton) -> Tensor:
        """The loss of one update, a scalar; by default `window_loss` with the weights of `config`.

        Gradients flow back through all frames of a window. Losses that the network gives itself (`Next.losses`) are
        added to it.

        Args:
            predicted: (B, L - 1, D) predicted states of frames 1 to L - 1, see `Layout`.
            phases: (B, L - 1, 16) predicted phases of the same frames.
            batch: B true windows of L frames, on the same device.
            skeleton: constants of the rig.
        """
        return window_loss(predicted, phases, batch, skeleton, self.config)

    def optimiser(self, parameters: Sequence[nn.Parameter], updates: int) -> Any:
        """The optimiser of one training; by default AdamW with a warm-up and a cosine fall of the rate.

        Where a class has none of its own, training takes the weight decay by the amount of motion
        (`TrainConfig.weight_decay`).

        The gradient's norm is clipped to `config.clip` whatever the optimiser is.

        Args:
            parameters: what this regime trains; in pre-training the codecs of all sources and the core.
            updates: how many updates there will be.

        Returns:
            Anything that `configure_optimizers` of `pytorch_lightning` may return: a torch optimiser, or a dictionary
            with `optimizer` and `lr_scheduler`.
        """
        return warm_adamw(parameters, updates, self.config)

    @classmethod
    def trains_together(cls, method: str) -> bool:
        """Whether `pretrain`, `adapt` or `generate` can be one of several instances: not where a class has its own."""
        return not cls.has_own(method)

    def why_alone(self) -> str:
        """Why its cells train one by one, as an update of two tiny ones tells; "" where they train together."""
        if not self.trains_together("adapt"):
            return "it has its own adapt"
        return trial.why_alone(self)

    @staticmethod
    def pretrain_together(
        models: Sequence[LightningModel], sources: Sequence[Domain], ctxs: Sequence[Context]
    ) -> None:
        """`pretrain` of several models of one class with the same options, as `adapt_together` adapts them."""
        lessons = [
            Lesson(model, one_a_rig(ctx.sources or (source,)), ctx, stream=1)
            for model, source, ctx in zip(models, sources, ctxs, strict=True)
        ]
        learn(lessons)
        for model, lesson in zip(models, lessons, strict=True):
            model._network, model._normal = lesson.networks[0], lesson.normals[0]
            model._core = {k: v.clone() for k, v in core_of(lesson.networks[0]).state_dict().items()}

    def _learnt_on(self, target: Domain) -> tuple[Mapping[str, Tensor], Normal]:
        """The network that was pre-trained on a rig, and its scales.

        Raises:
            UserError: it was pre-trained on another rig.
        """
        network, normal = self._adapted
        joints, wanted = (len(normal.mean) - 4) // 12, len(target.rig)
        if joints != wanted:
            raise UserError(
                f"model '{self.card.name}': regime {RETARGET} needs pretrain on the target's rig, of {wanted} joints; "
                f"it had one of {joints}"
            )
        return network.state_dict(), normal

    @classmethod
    def has_own(cls, name: str) -> bool:
        """Whether a subclass has a method of its own in place of this class's."""
        return getattr(cls, name) is not getattr(LightningModel, name)

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Roll every clip out from its last history frame, all clips at once."""
        return self.generate_together([self], prompt, [ctx])[0]

    @staticmethod
    def generate_together(
        models: Sequence[LightningModel], prompt: Prompt, ctxs: Sequence[Context]
    ) -> list[Trajectory]:
        """`generate` of several models of one class with the same options and rig, for the same prompt.

        What comes out for one does not depend on the others. Where the network takes an axis of cells
        (`StepNetwork.stacks`), a few models or samples at a time are one tensor program.
        """
        torch.set_num_threads(ctxs[0].threads)
        device, samples = device_of(ctxs[0]), prompt.num_samples
        random = samples > 1 and needs_of(models[0]._adapted[0]).noise > 0
        asked = [
            (model, torch.Generator().manual_seed(seed_of(ctx.seed, 3, sample)) if random else None)
            for model, ctx in zip(models, ctxs, strict=True)
            for sample in range(samples if random else 1)
        ]
        each = iter([to_motion(made, prompt.rig) for made in _rolled_out(asked, prompt, device)])
        found = []
        for _ in models:
            own = [next(each) for _ in range(samples if random else 1)]
            root, turns = np.stack([root for root, _ in own]), np.stack([turns for _, turns in own])
            again = 1 if random else samples
            found.append(Trajectory(np.repeat(root, again, 0), np.repeat(turns, again, 0)))
        return found

    @property
    def _adapted(self) -> tuple[nn.Module, Normal]:
        """Network and scales. Raises `UserError` where there are none yet."""
        if self._network is None or self._normal is None:
            raise UserError(f"model '{self.card.name}': generate needs adapt or load first")
        return self._network, self._normal

    def _roll_out(self, prompt: Prompt, draw: torch.Generator | None, device: torch.device) -> Tensor:
        """States (N, T, D) of the generated frames.

        A network with a memory reads the history first. All clips get the same noise, so that a clip's motion does
        not depend on which others are generated with it; without a generator the noise is zero, its mean.
        """
        network, normal = self._adapted
        network, normal, needs = network.to(device), normal.to(device), needs_of(network)
        skeleton = make_skeleton(prompt.rig, prompt.fps).to(device)
        given = control_targets(prompt.objectives, prompt.fps, prompt.path).to(device)
        last = prompt.history.root_positions.shape[1] - 1
        rows = len(prompt.frames)

        def noise() -> Tensor:
            one = torch.zeros(1, needs.noise) if draw is None else torch.randn(1, needs.noise, generator=draw)
            return one.to(device).expand(rows, -1)

        with torch.inference_mode():
            truth = states(prompt.history).to(device)
            phase = torch.from_numpy(prompt.phases).flatten(1).to(device)
            carry = Carry(truth[:, last], phase, truth.new_zeros(rows, 0), noise())
            if needs.memory:
                phases = local_phases(prompt.history, prompt.objectives, past_only=True)
                past = torch.from_numpy(phases).flatten(2).to(device)
                carry = carry._replace(memory=truth.new_zeros(rows, needs.memory))
                for t in range(last):
                    before = carry._replace(state=truth[:, t], phase=past[:, t])
                    after, _ = run_step(network, Frame(before, given.at(t), skeleton, normal))
                    carry = carry._replace(memory=after.memory)
            path: list[Tensor] = []
            for t in range(last, last + int(prompt.frames.max())):
                if path and not needs.noise_held:
                    carry = carry._replace(noise=noise())
                carry, _ = run_step(network, Frame(carry, given.at(t), skeleton, normal), held=True)
                path.append(carry.state)
        network.cpu()
        normal.cpu()
        return torch.stack(path, 1)

    def _finite(self, made: Tensor) -> Tensor:
        """States (N, T, D) that were generated. Raises `UserError` where some are not finite."""
        lost = ~made.isfinite().all(2)
        if lost.any():
            first = int(lost.any(0).nonzero()[0])
            raise UserError(
                f"model '{self.card.name}': its roll-out ran away: from frame {first} on it is not finite "
                f"({int(lost.any(1).sum())} of {len(made)} clips)"
            )
        return made

    def save(self, folder: Path) -> None:
        """Keep the pre-trained core and the network of the last training, as safetensors and JSON."""
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

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        try:
            meta = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "model.safetensors")
            self._core = part("pretrained.")
            if meta["joints"] is not None:
                network = self.network(sizes_for(int(meta["joints"])))
                network.load_state_dict(part("network."))
                normal = part("normal.")
                self._network, self._normal = network.eval(), Normal(normal["mean"], normal["std"], normal["change"])
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{folder}: no saved model '{self.card.name}' with these options ({reason})") from None


def _rolled_out(
    asked: Sequence[tuple[LightningModel, torch.Generator | None]], prompt: Prompt, device: torch.device
) -> Iterator[Tensor]:
    """States (N, T, D) of the generated frames, of models of one class, each with its random numbers.

    Raises:
        UserError: a roll-out that runs away until its numbers are no longer finite.
    """
    needs, frames = needs_of(asked[0][0]._adapted[0]), int(prompt.frames.max())
    if not needs.stacks or len(prompt.frames) == 1:  # for a single row the program of many cells is slower
        for model, draw in asked:
            yield model._finite(model._roll_out(prompt, draw, device))
        return
    for begin in range(0, len(asked), TOGETHER[device.type]):
        part = asked[begin : begin + TOGETHER[device.type]]
        networks, normals = zip(*(model._adapted for model, _ in part), strict=True)
        count = 1 if needs.noise_held else frames
        noise = [
            torch.zeros(1, needs.noise)
            if draw is None else torch.cat([torch.randn(1, needs.noise, generator=draw) for _ in range(count)])
            for _, draw in part
        ]  # fmt: skip
        made = roll_out(networks, normals, prompt, noise, device)
        for (model, _), one in zip(part, made, strict=True):
            yield model._finite(one)
        for held in (*networks, *normals):
            held.cpu()
