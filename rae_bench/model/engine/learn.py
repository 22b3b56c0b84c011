"""Trainings that are asked for, together where they can be, else one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rae_bench.errors import UserError
from rae_bench.model.api import Context, Domain
from rae_bench.model.config import LOST, TrainConfig
from rae_bench.model.engine.frame import CellNormals
from rae_bench.model.engine.geometry import BodyPlan
from rae_bench.model.engine.group import CannotGroup, Program, RigTraining, Steps, run
from rae_bench.model.engine.recording import PlacedDraws
from rae_bench.model.engine.stack import Stack
from rae_bench.model.engine.windows import CellStreams
from rae_bench.model.features import Skeleton, make_skeleton
from rae_bench.model.spending import Spending
from rae_bench.model.step import Draws, Normal, needs_of
from rae_bench.model.streams import Batch
from rae_bench.model.training import Sizes, core_of, decay_for, sizes_for, warm_adamw


class Trains(Protocol):
    """What a lesson needs of a `LightningModel`."""

    config: TrainConfig

    def network(self, sizes: Sizes) -> nn.Module:
        """The network for a rig of these sizes."""

    def statistics(self, domain: Domain) -> Normal:
        """What poses and changes are scaled by."""

    def loss(self, predicted: Tensor, phases: Tensor, batch: Batch, skeleton: Skeleton) -> Tensor:
        """The loss of one update."""

    def optimiser(self, parameters: Sequence[nn.Parameter], updates: int) -> Any:
        """The optimiser of one training."""

    def has_own(self, name: str) -> bool:
        """Whether it overrides a method."""


REPORTED = 10
"""Updates from one report of progress to the next."""


@dataclass(eq=False)
class Lesson:
    """A training that is asked for: of one model, on one or more domains.

    Attributes:
        core: what the core starts from; its own initialisation where this is empty.
        whole: what the network of the one domain starts from, and its scales, where not the core alone is carried over.
        frozen: whether the core stays as it is.
        stream: which of the model's trainings it is, for the seeds.
        networks, normals: of each domain, once they are made.
    """

    model: Trains
    domains: Sequence[Domain]
    ctx: Context
    core: Mapping[str, Tensor] = field(default_factory=dict)
    frozen: bool = False
    stream: int = 2
    whole: tuple[Mapping[str, Tensor], Normal] | None = None
    networks: list[nn.Module] = field(default_factory=list)
    normals: list[Normal] = field(default_factory=list)

    @property
    def seed(self) -> int:
        """Of the initialisation and of the batches."""
        return seed_of(self.ctx.seed, self.stream)

    @property
    def config(self) -> TrainConfig:
        """How it trains: windows as many as the budget has room for, in step where a path is all that is asked.

        A network that was carried over whole trains at the rate of a core that was carried over.

        An objective says when a limb arrives. A roll-out that is out of step reads from it how to get back.
        """
        config, budget = self.model.config, self.ctx.budget
        if self.whole is not None and not self.model.has_own("optimiser"):  # nothing is new, so nothing has to rest
            config = replace(config, rate=config.rate * config.core_rate, core_rate=1.0, rest=0.0)
        room = max(1, budget.frames // max(1, budget.updates) // (config.length - 1))
        asks_path = all(domain.path is not None for domain in self.domains)
        return replace(config, windows=config.windows or room, in_step=config.in_step if asks_path else LOST)

    @property
    def decay(self) -> float:
        """Its weight decay, by how much motion there is to learn from."""
        return decay_for(sum(float(one.motion.lengths.sum()) / one.motion.fps for one in self.domains), self.config)

    @property
    def rests(self) -> bool:
        """Whether a core that was carried over trains by a schedule of its own: not with the model's own optimiser."""
        config = self.model.config
        slower = config.rest > 0 or config.core_rate != 1
        new_codec = bool(self.core) and self.whole is None and not self.frozen
        return new_codec and slower and not self.model.has_own("optimiser")

    @property
    def per_update(self) -> int:
        """Frames of an update."""
        return self.config.windows * (self.config.length - 1)

    @property
    def updates(self) -> int:
        """As many as the budget allows."""
        return min(self.ctx.budget.updates, self.ctx.budget.frames // self.per_update)

    @property
    def rigs(self) -> list[int]:
        """Which domains have a window to train on."""
        length = self.config.length
        long = [i for i, one in enumerate(self.domains) if len(one) and int(one.motion.lengths.max()) >= length]
        return long if self.updates else []

    def prepare(self) -> None:
        """Make networks and scales."""
        for domain in self.domains:
            self.networks.append(self.model.network(sizes_for(len(domain.rig))))
        core = core_of(self.networks[0])
        for other in self.networks[1:]:
            other.core = core
        if self.core:
            core.load_state_dict(self.core)
        for parameter in core.parameters():
            parameter.requires_grad_(not self.frozen)
        if self.whole is None:
            self.normals = [self.model.statistics(domain) for domain in self.domains]
        else:
            self.networks[0].load_state_dict(self.whole[0])
            self.normals = [self.whole[1]]

    def count(self) -> None:
        """Say what was used."""
        everything = list(nn.ModuleList(self.networks).parameters())
        made = self.updates if self.rigs else 0
        self.ctx._spending.count(
            updates=made,
            frames=made * self.per_update,
            parameters=sum(p.numel() for p in everything),
            trained=sum(p.numel() for p in everything if p.requires_grad),
        )


def learn(lessons: Sequence[Lesson]) -> None:
    """Do lessons: `networks` and `normals` of each are there then, on the CPU and in evaluation mode.

    Lessons whose networks, rigs and budgets are alike train together.
    """
    torch.set_num_threads(lessons[0].ctx.threads)
    device = device_of(lessons[0].ctx)
    for lesson in lessons:
        with seeded(lesson.seed, device):
            lesson.prepare()
    groups: dict[Any, list[Lesson]] = {}
    for lesson in lessons:
        if lesson.rigs:
            groups.setdefault(_likeness(lesson), []).append(lesson)
    for group in groups.values():
        _train(group, device)
    for lesson in lessons:
        lesson.count()
        for network in lesson.networks:
            network.eval().cpu()
        lesson.normals = [normal.cpu() for normal in lesson.normals]


def _likeness(lesson: Lesson) -> Any:
    """What lessons that train together have in common."""
    rigs = tuple(
        (lesson.domains[i].rig.content_hash, lesson.domains[i].motion.fps, str(lesson.networks[i])) for i in lesson.rigs
    )
    return type(lesson.model), lesson.config, lesson.updates, lesson.frozen, lesson.rests, rigs


def _train(group: Sequence[Lesson], device: torch.device) -> None:
    """Train lessons that are alike, as many at a time as the device has memory for."""
    halves: list[Sequence[Lesson]] = []
    try:
        train_together(group, device)
    except CannotGroup:
        for lesson in group:
            with seeded(lesson.seed, device):
                _alone(lesson, device)
    except torch.OutOfMemoryError:
        if len(group) == 1:
            raise
        halves = [group[: len(group) // 2], group[len(group) // 2 :]]
    for half in halves:  # no lesson has changed, and by now what the group had allocated is free
        _train(half, device)


def train_together(group: Sequence[Lesson], device: torch.device) -> None:
    """Train lessons that are prepared and alike as one program. Raises `CannotGroup` before any of them has changed."""
    first = group[0]
    if len(group) == 1 and not all(needs_of(network).stacks for network in first.networks):
        # torch may take other ways for a batch of one than for more, with other roundings: a copy keeps it company.
        group = [first, replace(first, networks=deepcopy(first.networks), ctx=replace(first.ctx, progress=None))]
        group[1].ctx._spending = Spending()
    updates = first.updates
    program, rigs = program_of(group, device)
    told = [lesson for lesson in group if lesson.ctx.progress is not None]

    def report(index: int, losses: Tensor) -> None:
        if told and (index % REPORTED == 0 or index == updates - 1):
            for lesson, loss in zip(group, losses.tolist(), strict=True):
                if lesson.ctx.progress is not None:
                    lesson.ctx.progress(index + 1, updates, loss)

    notes = run(program, rigs, updates, first.config, report)
    program.stack.hand_back()
    for k, lesson in enumerate(group):
        said: dict[str, Any] = {name: float(value[k].detach()) for name, value in notes.items()}
        lesson.ctx.declare(**said)


def program_of(group: Sequence[Lesson], device: torch.device) -> tuple[Program, list[RigTraining]]:
    """The updates of lessons that are prepared and alike, and their training on each rig."""
    first = group[0]
    model, config, updates = first.model, first.config, first.updates
    stack = Stack([[lesson.networks[i].to(device) for i in lesson.rigs] for lesson in group])
    generators = [torch.Generator().manual_seed(seed_of(lesson.ctx.seed, lesson.stream, 1)) for lesson in group]
    each = model.has_own("optimiser")
    draws, records = Draws(generators, device), device.type == "cuda" and not each
    rigs = []
    for place, i in enumerate(first.rigs):
        domain = first.domains[i]
        plan = BodyPlan(make_skeleton(domain.rig, domain.motion.fps).to(device))
        own = [lesson.rigs[place] for lesson in group]
        normal = CellNormals([lesson.normals[k].to(device) for lesson, k in zip(group, own, strict=True)])
        streams = CellStreams(
            [lesson.domains[k] for lesson, k in zip(group, own, strict=True)],
            [lesson.seed for lesson in group], config.windows, config.length, plan,
        )  # fmt: skip
        needs = needs_of(first.networks[i])
        hook = model.loss if model.has_own("loss") else None
        own_draws = PlacedDraws(draws) if records else draws
        rigs.append(RigTraining(stack, place, needs, normal, streams, config, own_draws, hook))
    carried = stack.core_blocks if first.rests else []

    def make(parameters: Sequence[nn.Parameter]) -> Any:
        if each:
            return model.optimiser(parameters, updates)
        return warm_adamw(parameters, updates, replace(config, weight_decay=0.0), carried=carried)

    decays = None if each else torch.tensor([[lesson.decay] for lesson in group], device=device)
    steps = Steps(stack, make, each=each, decays=decays)
    stack.train(first.frozen)
    return Program(stack, steps, config), rigs


def _alone(lesson: Lesson, device: torch.device) -> None:
    from rae_bench.model.alone import Training, fit
    from rae_bench.model.streams import Streams

    model, config, updates = lesson.model, lesson.config, lesson.updates
    draws = torch.Generator().manual_seed(seed_of(lesson.ctx.seed, lesson.stream, 1))
    parts, streams = [], []
    for i in lesson.rigs:
        domain = lesson.domains[i]
        skeleton = make_skeleton(domain.rig, domain.motion.fps).to(device)
        network, normal = lesson.networks[i], lesson.normals[i]
        optimiser: Any = model.optimiser
        if not model.has_own("optimiser"):
            carried = list(core_of(network).parameters()) if lesson.rests else []
            optimiser = partial(warm_adamw, config=replace(config, weight_decay=lesson.decay), carried=carried)
        hooks: dict[str, Any] = {"loss": model.loss, "optimiser": optimiser, "draws": draws}
        parts.append(Training(network, normal, skeleton, config, updates, lesson.ctx, frozen=lesson.frozen, **hooks))
        streams.append(Streams(domain, config, updates, lesson.seed, device))
    fit(parts, streams)


class seeded:
    """Torch's own random numbers begin at a seed within the block, and go on after it as if nothing had been."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._fork = torch.random.fork_rng(devices=[] if device.type == "cpu" else [device])

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.manual_seed(self._seed)

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)


def device_of(ctx: Context) -> torch.device:
    """Where to compute. Raises `UserError` where there is no such device."""
    device = torch.device(ctx.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("--accelerator gpu: torch sees no GPU here; leave the option out, or install torch for CUDA")
    return device


def seed_of(*path: int) -> int:
    """A seed for a place within a cell's randomness."""
    return int(np.random.SeedSequence(path).generate_state(1)[0])
