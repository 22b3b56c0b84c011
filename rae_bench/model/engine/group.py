"""The updates of a group of cells: what `rae_bench.model.alone` does for one, as one tensor program for all."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rae_bench.model.config import LOST, TrainConfig
from rae_bench.model.engine.frame import BodyFrame, CellNormals
from rae_bench.model.engine.geometry import COURSE
from rae_bench.model.engine.loss import window_losses
from rae_bench.model.engine.recording import PlacedDraws, Recording
from rae_bench.model.engine.stack import Stack
from rae_bench.model.engine.windows import CellBatch, CellStreams, Drawn
from rae_bench.model.features import PHASES
from rae_bench.model.step import Carry, Draws, StepNetwork, put
from rae_bench.model.streams import Batch
from rae_bench.model.training import Loss, share_predicted


class CannotGroup(Exception):
    """Why a model cannot train in a group, in a line. Nothing has been learnt."""


class Given(NamedTuple):
    """What one update is given.

    Attributes:
        drawn: where its windows begin, on the device.
        share: the probability with which a frame is the network's own prediction.
        progress: share of the training that is done.
    """

    drawn: Drawn
    share: float | Tensor
    progress: float | Tensor


class RigTraining:
    """The losses of K cells on one rig: scheduled sampling over windows.

    Args:
        rig: which of the stack's rigs.
        draws: what networks draw from; `PlacedDraws` where updates may be recorded.
        hook: a loss of the model's own, of one cell; None for `window_loss`.
    """

    def __init__(
        self, stack: Stack, rig: int, needs: StepNetwork, normal: CellNormals, streams: CellStreams,
        config: TrainConfig, draws: Draws, hook: Loss | None = None,
    ) -> None:  # fmt: skip
        self._stack, self.rig, self._needs, self._normal, self.streams = stack, rig, needs, normal, streams
        self._config, self.draws, self._hook = config, draws, hook
        plan = self._plan = streams.plan
        lead = (len(stack), streams.count)
        self._course = (torch.arange(plan.size, device=plan.chain.device) < COURSE)[:, None]
        self._carried = Carry(
            *(torch.zeros(shape, device=plan.chain.device) for shape in (
                (lead[0], plan.size, lead[1]), (*lead, PHASES), (*lead, needs.memory), (*lead, needs.noise)
            ))
        )  # fmt: skip
        self.notes: Mapping[str, Tensor] = {}

    def losses(self, given: Given) -> Tensor:
        """(K,) the losses of an update, from carried-over bodies where they are worth going on from."""
        plan, normal, share = self._plan, self._normal, given.share
        batch = self.streams.batch(given.drawn)
        carry = self._first_carry(batch, share)
        made: list[Tensor] = []
        phases: list[Tensor] = []
        extra: list[Tensor] = []
        steps = batch.true.shape[1]
        for t in range(steps):
            if t and (isinstance(share, Tensor) or share < 1):
                use = batch.coins[:, :, t] < share
                carry = carry._replace(
                    state=torch.where(use[:, None], carry.state, batch.true[:, t - 1]),
                    phase=torch.where(use[..., None], carry.phase, batch.phases[:, :, t]),
                )
            if self._needs.noise and not self._needs.noise_held:
                carry = carry._replace(noise=self.draws.normal(*carry.noise.shape[1:]))
            asked, following = batch.asked(t), None
            if self._needs.reads_following:
                true = Carry(batch.true[:, t], batch.phases[:, :, t + 1], carry.memory, carry.noise)
                following = BodyFrame(true, asked, plan, normal)
            frame = BodyFrame(carry, asked, plan, normal, following, given.progress, self.draws)
            out = self._stack(self.rig, frame)
            memory = frame.memory if out.memory is None else out.memory
            carry = Carry(frame.moved(out.change), out.phase, memory, frame.noise)
            made.append(carry.state)
            phases.append(carry.phase)
            extra += out.losses.values()
            self.notes = out.notes
        for kept, last in zip(self._carried, carry, strict=True):
            kept.copy_(last.detach())
        loss = self._loss(torch.stack(made, 1), torch.stack(phases, 2), batch)
        if extra:
            loss = loss + torch.stack(extra).sum(0) / steps
        return loss

    def _loss(self, made: Tensor, phases: Tensor, batch: CellBatch) -> Tensor:
        plan = self._plan
        if self._hook is None:
            stance = batch.contacts[:, 1:] * batch.contacts[:, :-1]
            loss = window_losses(made, batch.true, stance, plan, self._config)
            return loss + self._config.phase * (phases - batch.phases[:, :, 1:]).abs().mean((1, 2, 3))
        hook: Callable[..., Tensor] = self._hook

        def one(made: Tensor, phases: Tensor, *windows: Tensor) -> Tensor:
            return hook(made, phases, Batch(*windows), plan.skeleton)

        return torch.vmap(one, randomness="error")(plan.windows(made), phases, *batch.flat(plan))

    def _first_carry(self, batch: CellBatch, share: float | Tensor) -> Carry:
        """What the first frame of each window starts from: memory and noise last as long as a stream does.

        A roll-out that is too far off starts afresh. One that is out of step has the true pose on its own course.
        """
        state, phase, before = batch.first, batch.start, self._carried
        noise = self.draws.normal(phase.shape[1], self._needs.noise)
        apart, away = (distance / self._plan.height for distance in self._plan.apart(before.state, state))
        on = ~batch.fresh & (apart <= LOST) & (away <= LOST)
        own = on & (batch.coins[:, :, 0] < share)
        in_step = own & (apart <= self._config.in_step)
        return Carry(
            torch.where(in_step[:, None] | (own[:, None] & self._course), before.state, state),
            torch.where(in_step[..., None], before.phase, phase),
            before.memory.masked_fill(~on[..., None], 0),
            torch.where(on[..., None], before.noise, noise),
        )


class Steps:
    """The steps of a group's optimisers: one for all cells, or one each where a model has an optimiser of its own.

    Args:
        make: an optimiser of some parameters, as the hook `optimiser` of `LightningModel` gives it.
        each: whether every cell has one.
        decays: (K, 1) weight decay of each cell, which is of its own amount of motion; None leaves it to the optimiser.
    """

    def __init__(
        self, stack: Stack, make: Callable[[Sequence[Any]], Any], *, each: bool, decays: Tensor | None = None
    ) -> None:
        if each:
            made = [make(stack.parameters_of(cell)) for cell in range(len(stack))]
        else:
            made = [make([block for section in stack.sections for block in section.blocks])]
        self._stack, self._decays = stack, decays
        self._pairs = [optimiser_of(one) for one in made]
        self._each = each

    def zero(self, rig: int) -> None:
        """Empty the gradients of what an update on a rig trains; nothing else takes part in its step."""
        used = list(self._stack.used(rig))
        for section in self._stack.sections:
            for block, gradient in zip(section.blocks, section.gradients, strict=True):
                block.grad = gradient if section in used else None
            if section in used:
                for leaf, gradient in zip(section.leaves.values(), section.gradients, strict=True):
                    leaf.pending.clear()  # of an update that failed
                    if not leaf.deferred:
                        gradient.zero_()

    def step(self, rig: int, most: float) -> None:
        """Scale each cell's gradient to a norm of at most `most`, as `clip_grad_norm_` of torch does, and step."""
        sections = list(self._stack.used(rig))
        for section in sections:
            for leaf in section.leaves.values():
                leaf.settle()
        used = [gradient for section in sections for gradient in section.gradients]
        norms = torch.stack([torch.linalg.vector_norm(gradient, dim=1) for gradient in used], 1)
        scale = (most / (torch.linalg.vector_norm(norms, dim=1) + 1e-6)).clamp_(max=1)[:, None]
        torch._foreach_mul_(used, [scale] * len(used))
        for optimizer, _ in self._pairs:
            if self._decays is not None:
                self._decay(optimizer, self._decays)
            optimizer.step()

    @torch.no_grad()
    def _decay(self, optimizer: torch.optim.Optimizer, decays: Tensor) -> None:
        """Shrink the weights that are about to move, as AdamW does, each cell's by a decay of its own."""
        for group in optimizer.param_groups:
            moving = [block for block in group["params"] if block.grad is not None]
            if moving:
                torch._foreach_mul_(moving, [1 - group["lr"] * decays] * len(moving))

    def schedule(self) -> None:
        """Have the schedules take the rates of the next step."""
        for _, schedule in self._pairs:
            if schedule is not None:
                schedule.step()


def optimiser_of(made: Any) -> tuple[torch.optim.Optimizer, Any]:
    """The optimiser and the schedule that steps with it, or None, of what the hook `optimiser` gave.

    Raises:
        CannotGroup: it gave something that only `pytorch_lightning` understands.
    """
    if isinstance(made, torch.optim.Optimizer):
        return made, None
    if isinstance(made, dict) and isinstance(made.get("optimizer"), torch.optim.Optimizer):
        schedule = made.get("lr_scheduler")
        if schedule is None or (isinstance(schedule, dict) and schedule.get("interval") == "step"):
            plain = schedule is None or schedule.keys() <= {"scheduler", "interval", "name"}
            if plain:
                return made["optimizer"], schedule and schedule["scheduler"]
    raise CannotGroup("its optimiser is neither a torch optimiser nor one with a schedule that steps with each update")


class Program:
    """The updates of a group: on a CPU call by call, on a GPU as a recorded graph where they can be one."""

    def __init__(self, stack: Stack, steps: Steps, config: TrainConfig) -> None:
        self.stack, self._steps, self._config = stack, steps, config
        self._recordings: dict[int, Recording] = {}
        self.understood = stack.understood

    def update(self, training: RigTraining, share: float, progress: float) -> Tensor:
        """Do an update. Returns its losses (K,)."""
        drawn = training.streams.draw()
        if isinstance(training.draws, PlacedDraws):
            if training.rig not in self._recordings:
                self._recordings[training.rig] = self._recording(training, training.draws)
            numbers = [torch.tensor(number, dtype=torch.float64) for number in (share, progress)]
            losses = self._recordings[training.rig]([*drawn, *numbers])
        else:
            placed = Drawn(*(put(part, self.stack.device) for part in drawn))
            losses = self._update(training, Given(placed, share, progress))
        self._steps.schedule()
        return losses

    def _recording(self, training: RigTraining, draws: PlacedDraws) -> Recording:
        def update(given: Sequence[Tensor]) -> Tensor:
            return self._update(training, Given(Drawn(*given[:3]), given[3], given[4]))

        return Recording(update, draws, self.stack.device)

    def _update(self, training: RigTraining, given: Given) -> Tensor:
        self._steps.zero(training.rig)
        losses = training.losses(given)
        losses.sum().backward()
        self._steps.step(training.rig, self._config.clip)
        return losses.detach()


def run(
    program: Program, rigs: Sequence[RigTraining], updates: int, config: TrainConfig,
    report: Callable[[int, Tensor], None],
) -> Mapping[str, Tensor]:
    """Train: an update on each rig in turn.

    Args:
        report: is given the number of an update and its losses (K,), after the step.

    Returns:
        notes (K,) of the last update.

    Raises:
        CannotGroup: the networks cannot take an axis of cells, as their first update tells.
    """
    training = rigs[0]
    with warnings.catch_warnings():
        # Gradients lie side by side as the parameters do, which torch takes for a mistake.
        warnings.filterwarnings("ignore", "grad and param do not obey the gradient layout contract")
        for index in range(updates):
            training = rigs[index % len(rigs)]
            try:
                losses = program.update(training, share_predicted(index, updates, config), index / updates)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                if program.understood or index >= len(rigs):
                    raise
                raise CannotGroup(re.split(r"\n|\. ", str(error))[0]) from error
            report(index, losses)
    return training.notes
