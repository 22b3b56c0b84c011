"""Numbers of everything that trains: features, training, codecs, cores, what joins them, `anyrig`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from golden import inputs
from golden.values import TRAINED, Value, Values, close, counted, exact
from my_model import MyModel
from safetensors.torch import load_file
from torch import Tensor, nn

import rae_bench.model as M
from rae_bench.baselines import layers
from rae_bench.baselines.anyrig import vary
from rae_bench.baselines.catalogue import CODEC, Pair, PairPart, parts
from rae_bench.baselines.network import PairModel
from rae_bench.baselines.pair_options import OUTPUTS
from rae_bench.baselines.parts import Codec, Core, CoreOutput, Widths
from rae_bench.model.alone import Training
from rae_bench.model.outputs import rodrigues
from rae_bench.model.registry import make_model
from rae_bench.model.streams import Batch, Streams, statistics
from rae_bench.model.training import sizes_for, window_loss

UPDATES, FRAMES = 20, 64
"""Length of a golden run, and frames in an update."""
PAPER = {"fc": ("fc-rbf", "fc-dec-in"), "omg-lstm": ("raw+omg-lstm",)}
"""Parts that have a form of their own with `mode=paper`, in which models."""


def trained(
    model: Any, regime: str = "cold", updates: int = UPDATES, sources: Sequence[M.Domain] = (), frames: int = 4
) -> Values:
    """A golden run: losses, ten weights, and some frames that it generates."""
    losses: list[float] = []
    ctx = M.Context(
        regime, 1.0, M.Budget(updates, updates * FRAMES), 0, progress=lambda u, n, loss: losses.append(loss),
        sources=tuple(sources),
    )  # fmt: skip
    if sources:
        model.pretrain(sources[0], replace(ctx, regime="pretrain", budget=M.Budget(UPDATES, UPDATES * FRAMES)))
    model.adapt(inputs.domain(), ctx)
    asked = replace(inputs.prompt(frames), num_samples=2)
    made = model.generate(asked, ctx)
    places = asked.rig.forward_kinematics(made.rotations, made.root_positions)[0]
    moved = places - asked.history.positions[None, :, -1:]
    learnt = {"loss": close(losses, TRAINED), "weights": close(weights(model), TRAINED)} if losses else {}
    return {**learnt, "generated": close(moved, TRAINED)}


def published(model: Any) -> Values:
    """Losses of three updates with `mode=paper`: its roll-outs make much of any rounding after that."""
    return {"paper loss": trained(model, updates=3)["loss"]}


def weights(model: Any) -> np.ndarray:
    """(10,) of a model's weights, evenly spread over all of them as it saves them."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        kept = load_file(Path(folder) / "model.safetensors")
    flat = [kept[key].double().ravel() for key in sorted(kept) if key.startswith("network.")]
    everything = torch.cat(flat).numpy()
    return everything[((np.arange(10) + 0.5) / 10 * len(everything)).astype(int)]


def named(prefix: str, values: Values) -> Values:
    """The same values under longer names."""
    return {f"{prefix} {key}": value for key, value in values.items()}


@cache
def windows(count: int = 6) -> Batch:
    """So many windows of five frames."""
    return next(iter(Streams(inputs.domain(), M.TrainConfig(windows=count, length=5), 1, 0)))


def first(model: Any, rows: int = 96) -> Values:
    """What an untrained network makes of one frame in training."""
    domain, batch = inputs.domain(), windows(rows)
    skeleton, normal = M.make_skeleton(domain.rig, domain.motion.fps), model.statistics(domain)
    torch.manual_seed(0)
    network = model.network(sizes_for(len(domain.rig)))
    widths = network.memory, network.noise
    memory, noise = (torch.cos(torch.arange(rows * width)).view(rows, width) for width in widths)
    carries = [M.Carry(batch.states[:, t], batch.phases[:, t], memory, noise) for t in (2, 3)]
    asked = batch.targets.at(2)
    following = M.Frame(carries[1], asked, skeleton, normal) if network.reads_following else None
    with torch.no_grad():
        made = network(M.Frame(carries[0], asked, skeleton, normal, following, 0.3))
    return {
        "first change": close(made.change),
        "first phase": close(made.phase),
        **({} if made.memory is None else {"first memory": close(made.memory)}),
        # A loss of an untrained network is a small difference of numbers that processors round differently.
        **{f"first {name} loss": close(float(loss), TRAINED) for name, loss in made.losses.items()},
    }


def features() -> Values:
    """States and what a network reads of them, what it predicts, and where that leads."""
    domain, batch = inputs.domain(), windows()
    motion = domain.motion
    skeleton, layout = M.make_skeleton(domain.rig, motion.fps), M.Layout(len(domain.rig))
    path, asked, normal = M.states(motion), M.control_targets(domain.objectives, motion.fps), statistics(domain)
    empty = statistics(replace(domain, ids=(), motion=motion[:0]))
    carry = M.Carry(batch.states[:, 2], batch.phases[:, 2], torch.zeros(6, 0), torch.zeros(6, 0))
    frame = M.Frame(carry, batch.targets.at(2), skeleton, normal)
    state, axes = carry.state, M.frame_of(carry.state)
    change = 0.02 * torch.sin(torch.arange(6 * layout.size_change)).view(6, -1)
    moved = M.advance(state, change, axes, skeleton)
    pose = torch.cos(torch.arange(6 * (4 + 6 * layout.joints))).view(6, -1)
    now = state[:, layout.columns].unflatten(1, (3, layout.joints, 3))
    sin, cos = torch.linspace(0.5, 0.1, 6).view(6, 1, 1, 1), -torch.linspace(0.866, 0.995, 6).view(6, 1, 1, 1)
    x, y, z = now.split(1, -1)
    step, weight = torch.full((6, 2), 0.1), torch.linspace(0, 1, 6)[:, None]
    root, rotations = M.to_motion(path, domain.rig)
    columns = frame.asked.flatten(0, 1)
    return {
        "chain": close(skeleton.chain),
        "keys": close(skeleton.keys),
        "place": close(path[..., :6]),
        "turn": close(path[..., 6:10]),
        "p": close(path[..., layout.p]),
        "v": close(path[..., layout.v]),
        "columns": close(path[..., layout.columns]),
        "changes": close(M.changes(path)),
        "target_frames": close(asked.frames),
        "target_flags": close(asked.flags),
        **{f"control_{i}": close(column) for i, column in enumerate(columns.pow(2).mean(0).sqrt())},
        "control": close(frame.control),
        "pose": close(frame.pose),
        "frame_keys": close(frame.keys),
        "active": close(frame.active),
        "seconds": close(frame.seconds),
        "advanced_p": close(moved[:, layout.p]),
        "advanced_v": close(moved[:, layout.v]),
        "advanced_columns": close(moved[:, layout.columns]),
        "moved": close(frame.moved(change)[:, :10]),
        "steered": close(frame.steered(change, step, weight)[:, :2]),
        "change_to": close(frame.change_to(pose)),
        "nearly_half_turns": close(rodrigues(now, torch.cat([cos * x + sin * z, y, cos * z - sin * x], -1))),
        "straight": close(frame.straight),
        "mean": close(normal.mean),
        "std": close(normal.std),
        "change": close(normal.change),
        "at_rest": close(torch.cat([empty.mean, empty.std, empty.change])),
        "root": close(root),
        "rotations": close(rotations),
    }


class Louder(nn.Module):
    """Stands for layers that do in training what they do not do afterwards, or in a core that is frozen."""

    def forward(self, x: Tensor) -> Tensor:
        """A tenth more in training."""
        return 1.1 * x if self.training else x


class Recalling(M.StepNetwork):
    """A small network that uses all that a step network may."""

    memory, noise, reads_following = 4, 3, True

    def __init__(self, sizes: M.Sizes) -> None:
        super().__init__()
        wide, narrow = 8 + sizes.control + self.memory + self.noise, sizes.change + 16 + self.memory
        self.codec, self.core = nn.Linear(sizes.pose, 8), nn.Sequential(nn.Linear(wide, narrow), Louder())
        self.split = [sizes.change, 16, self.memory]

    def forward(self, frame: M.Frame) -> M.Next:
        """One frame on."""
        x = torch.cat([torch.tanh(self.codec(frame.pose)), frame.control, frame.memory, frame.noise], 1)
        change, phase, memory = torch.tanh(self.core(x)).split(self.split, 1)
        losses = {}
        if frame.following is not None:
            losses = {"ahead": (frame.following.pose - frame.pose).pow(2).mean() * memory.pow(2).mean()}
        return M.Next(0.3 * change, phase, memory, losses, {"progress": torch.tensor(frame.progress)})


class RecallingModel(M.LightningModel):
    """The same as a model."""

    card = M.ModelCard(name="recalling")

    def network(self, sizes: M.Sizes) -> nn.Module:
        """A `Recalling`."""
        return Recalling(sizes)


def training() -> Values:
    """Batches, loss, rates, and runs of a plain and of a remembering network in every regime."""
    domain = inputs.domain()
    skeleton, batch = M.make_skeleton(domain.rig, domain.motion.fps), windows()
    config = M.TrainConfig()
    loss = window_loss(batch.states[:, :-1], batch.phases[:, :-1], batch, skeleton, config)
    batches = list(Streams(domain, M.TrainConfig(windows=4, length=6), 12, 1))
    network = MyModel().network(M.Sizes(4, 4, 4, 4))
    ctx = M.Context("cold", 1.0, M.Budget(50, 50), 0)
    told = Training(network, statistics(domain), skeleton, config, 50, ctx).configure_optimizers()
    rates = []
    for _ in range(50):
        rates.append(told["lr_scheduler"]["scheduler"].get_last_lr()[0])
        told["optimizer"].step()
        told["lr_scheduler"]["scheduler"].step()
    sources = (domain, inputs.domain(1))
    return {
        "defaults": exact(f"{key} {value}" for key, value in asdict(config).items()),
        "window_loss": close(float(loss)),
        "fresh": counted(torch.stack([one.fresh for one in batches]).numpy()),
        "coins": close(torch.stack([one.coins for one in batches])),
        "states": close(torch.stack([one.states[:, :, :10] for one in batches])),
        "starts": close(torch.stack([one.start for one in batches])),
        "rates": close(rates),
        **named("plain cold", trained(MyModel())),
        **named("plain finetune, two sources", trained(MyModel(), "finetune", sources=sources)),
        **named("plain finetune, two rigs", trained(MyModel(), "finetune", sources=(sources[0], inputs.larger()))),
        **named("remembering cold", trained(RecallingModel())),
        **named("remembering frozen", trained(RecallingModel(), "frozen", sources=sources[1:])),
    }


class PlainCodec(Codec):
    """Two linear layers."""

    def __init__(self, sizes: M.Sizes) -> None:
        super().__init__()
        self.embedding = 8
        self.encode, self.decode = nn.Linear(sizes.pose, 8), nn.Linear(8, sizes.change)


class PlainCore(Core):
    """One linear layer that uses all that a core may."""

    memory, noise, reads_following = 5, 3, True

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.layer = nn.Linear(widths.given + widths.control + self.memory + self.noise, widths.embedding + 16 + 5 + 3)
        self.split = [widths.embedding, 16, 5, 3]

    def forward(
        self, given: Tensor, frame: M.Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """A change of the embedding, and a push ahead."""
        x = torch.cat([given, frame.control, frame.memory, frame.noise], 1)
        change, phase, memory, steer = torch.tanh(self.layer(x)).split(self.split, 1)
        losses = {} if after is None else {"after": 0.1 * (after - given - change).pow(2).mean()}
        steered = (0.05 * steer[:, :2], torch.sigmoid(steer[:, 2:]))
        return CoreOutput(0.3 * change, phase, memory, losses, steer=steered)


@dataclass(frozen=True)
class PlainPart(PairPart):
    """A part that stands here and not in a file."""

    def load(self) -> type:
        """Its class."""
        return PlainCodec if self.kind == "codecs" else PlainCore


def pair_of(codec: PairPart, core: PairPart) -> type[PairModel]:
    """The model of two parts."""
    card = M.ModelCard(name=f"{codec.name}+{core.name}")
    return type("GoldenPair", (PairModel,), {"card": card, "pair": Pair(card.name, codec, core)})


PLAIN_CODEC, PLAIN_CORE = (PlainPart(kind, "plain", {}, {"small": {}}) for kind in ("codecs", "cores"))


def pair() -> Values:
    """Layers that reference entries share, and a plain codec with a plain core in every form of output."""
    torch.manual_seed(0)
    x, gates, extra = torch.randn(5, 7), torch.softmax(torch.randn(5, 3), 1), torch.randn(5, 2)
    cells = layers.Recurrence(7, 6, 2, 2)
    top, memory = cells(x, 0.1 * torch.ones(5, cells.memory), extra)
    make = pair_of(PLAIN_CODEC, PLAIN_CORE)
    runs = [named(output, trained(make(output=output))) for output in OUTPUTS]
    runs.append(published(make(mode="paper")))
    return {
        "mlp": close(layers.mlp(7, 6, 5)(x).detach()),
        "mixed": close(layers.MixedLinear(3, 7, 4)(x, gates).detach()),
        "stack": close(layers.MixedStack(3, 7, 6, 4, 2)(x, gates, extra, None).detach()),
        "recurrence": close(torch.cat([top, memory], 1).detach()),
        **{key: value for run in runs for key, value in run.items()},
    }


def part(kind: str, name: str) -> Values:
    """Golden runs of a codec or a core, and its presets.

    A core runs behind `raw`, a codec and each of its variants on the usual core; `raw` itself, on which those runs
    rest, with a plain core.
    """
    chosen = parts(kind)[name]
    values: dict[str, Value] = {"presets": exact([json.dumps(chosen.presets, sort_keys=True)])}
    if (kind, name) == ("codecs", CODEC):
        plain = pair_of(chosen, PLAIN_CORE)
        return values | dict(first(plain())) | dict(trained(plain()))
    if kind == "cores":
        models = [f"{CODEC}+{name}"]
    else:
        known = list(chosen.about.get("variants", {}).values())
        usual = [options[0] for options in known]
        others = [[*usual[:at], other] for at, options in enumerate(known) for other in options[1:]]
        models = ["-".join([name, *words]) for words in ([], *others)]
    for model in models:
        values |= named(model, {**first(make_model(model, {})), **trained(make_model(model, {}))})
    for model in PAPER.get(name, ()):
        values |= named(model, published(make_model(model, {"mode": "paper"})))
    return values


def entry(name: str) -> Values:
    """A golden run of an entry that is no pair."""
    more = MORE[name]() if name in MORE else {}
    model = make_model(name, {})
    frame = first(model) if hasattr(model, "network") else {}
    return {**frame, **named("cold", trained(make_model(name, {}))), **more}


def anyrig() -> Values:
    """Copies of motion on other bones, and a run from pre-training on such a copy."""
    varied = vary(inputs.domain(), np.random.default_rng(3))
    carried = trained(make_model("anyrig", {"variants": 1}), "zero-shot", 0, sources=(inputs.domain(1),))
    return {
        "varied_offsets": close(varied.rig.offsets),
        "varied": close(varied.motion.positions),
        "varied_objectives": close(varied.objectives.positions),
        **named("zero-shot", carried),
    }


def patches() -> Values:
    """Motion of another domain made of patches, and carried over."""
    given = {"sources": (inputs.domain(1),), "frames": 12}
    return {
        **named("finetune", trained(make_model("patches", {}), "finetune", 0, **given)),
        **named("zero-shot", trained(make_model("patches", {}), "zero-shot", 0, **given)),
    }


MORE: Mapping[str, Callable[[], Values]] = {"anyrig": anyrig, "patches": patches}
"""What else is kept of an entry."""
