"""`LightningModel`: regimes, scheduled sampling, statistics, seeding, saving."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rae_bench.baselines.layers import MixedLinear
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.errors import UserError
from rae_bench.model.api import Budget, Context, Domain, ModelCard, Prompt
from rae_bench.model.features import make_skeleton
from rae_bench.model.lightning import LightningModel, Sizes, TrainConfig
from rae_bench.model.registry import make_model
from rae_bench.model.step import Normal
from rae_bench.model.streams import Streams, statistics
from rae_bench.model.training import Training
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


def side(rig: str) -> Side:
    return Side(generate_locomotion(load_rig(rig), clips=12, seconds=PROTOCOL.seconds), PROTOCOL)


@pytest.fixture(scope="module")
def source() -> Domain:
    biped = side("r4")
    return biped.domain(biped.split.train)


@pytest.fixture(scope="module")
def target_side() -> Side:
    return side("quad")


@pytest.fixture(scope="module")
def target(target_side: Side) -> Domain:
    return target_side.domain(target_side.split.train)


@pytest.fixture(scope="module")
def prompt(target_side: Side) -> Prompt:
    return target_side.examination(target_side.split.test).prompt


def context(regime: str, updates: int = 3, seed: int = 0) -> Context:
    return Context(regime, 1.0, Budget(updates, updates * 10_000), seed)


def parts(model: LightningModel) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of codec and core after adapting."""
    assert model._network is not None
    state = model._network.state_dict()
    return tuple({k: v for k, v in state.items() if k.startswith(part)} for part in ("codec", "core"))  # type: ignore


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def pretrained(source: Domain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = TinyModel(**OPTIONS)
    model.pretrain(source, context("pretrain"))
    folder = tmp_path_factory.mktemp("pretrained") / "model"
    model.save(folder)
    return folder


def adapted(
    domain: Domain, regime: str, load: Path | None = None, *, updates: int = 3, seed: int = 0
) -> tuple[TinyModel, Context]:
    model, ctx = TinyModel(**OPTIONS), context(regime, updates, seed)
    if load is not None:
        model.load(load)
    model.adapt(domain, ctx)
    return model, ctx


def test_frozen_trains_the_codec_alone(target: Domain, pretrained: Path) -> None:
    start, _ = adapted(target, "frozen", pretrained, updates=0)
    model, ctx = adapted(target, "frozen", pretrained)
    core = {f"core.{k}": v for k, v in model._core.items()}
    assert same(parts(model)[1], core)  # bit for bit what pre-training left
    assert not same(parts(model)[0], parts(start)[0])
    assert ctx.spent["trained"] == sum(v.numel() for v in parts(model)[0].values())


def test_finetune_trains_both(target: Domain, pretrained: Path) -> None:
    start, _ = adapted(target, "finetune", pretrained, updates=0)
    model, ctx = adapted(target, "finetune", pretrained)
    core = {f"core.{k}": v for k, v in model._core.items()}
    assert same(parts(start)[1], core)
    assert not same(parts(model)[1], core)
    assert not same(parts(model)[0], parts(start)[0])
    assert ctx.spent["trained"] == ctx.spent["parameters"]


def test_cold_takes_nothing_over(target: Domain, pretrained: Path) -> None:
    loaded, fresh = adapted(target, "cold", pretrained)[0], adapted(target, "cold")[0]
    assert same(parts(loaded)[0], parts(fresh)[0])
    assert same(parts(loaded)[1], parts(fresh)[1])


def test_the_core_moves_between_rigs_of_other_joint_counts(source: Domain, target: Domain, pretrained: Path) -> None:
    assert len(source.rig) != len(target.rig)
    model, _ = adapted(target, "frozen", pretrained)
    assert parts(model)[0]["codec.encode.weight"].shape[1] == 4 + 12 * len(target.rig)
    assert same(parts(model)[1], {f"core.{k}": v for k, v in model._core.items()})


@pytest.mark.parametrize("regime", ["frozen", "finetune"])
def test_transfer_needs_a_source(target: Domain, regime: str) -> None:
    with pytest.raises(UserError, match=f"regime {regime} needs pretrain or load first"):
        TinyModel(**OPTIONS).adapt(target, context(regime))


def test_seeds(target: Domain) -> None:
    first, again, other = (adapted(target, "cold", seed=seed)[0] for seed in (0, 0, 1))
    assert same(parts(first)[0], parts(again)[0])
    assert same(parts(first)[1], parts(again)[1])
    assert not same(parts(first)[1], parts(other)[1])


def test_seeding_leaves_the_callers_generator_alone(target: Domain) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    adapted(target, "cold")
    assert torch.equal(torch.rand(3), expected)


def test_the_budget_is_kept(target: Domain) -> None:
    per_update = OPTIONS["windows"] * (LENGTH - 1)
    model, ctx = TinyModel(**OPTIONS), Context("cold", 1.0, Budget(100, 3 * per_update + 1), 0)
    model.adapt(target, ctx)
    assert ctx.spent["updates"] == 3  # the cap on frames comes first
    assert ctx.spent["frames"] == 3 * per_update
    assert ctx.spent["enforced"] is True


def test_save_and_load(target: Domain, prompt: Prompt, pretrained: Path, tmp_path: Path) -> None:
    model, ctx = adapted(target, "finetune", pretrained)
    model.save(tmp_path / "saved")
    fresh = TinyModel(**OPTIONS)
    fresh.load(tmp_path / "saved")
    a, b = model.generate(prompt, ctx), fresh.generate(prompt, ctx)
    np.testing.assert_array_equal(a.root_positions, b.root_positions)
    np.testing.assert_array_equal(a.rotations, b.rotations)
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == ["model.json", "model.safetensors"]


@pytest.mark.parametrize("damage", ["missing", "json", "tensors"])
def test_damaged_files(tmp_path: Path, pretrained: Path, damage: str) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    for file in pretrained.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    if damage == "missing":
        (folder / "model.safetensors").unlink()
    elif damage == "json":
        (folder / "model.json").write_text("{")
    else:
        (folder / "model.safetensors").write_bytes(b"\x80\x04 not tensors")
    with pytest.raises(UserError, match="no saved model"):
        TinyModel(**OPTIONS).load(folder)


def test_generate_needs_a_network(prompt: Prompt) -> None:
    with pytest.raises(UserError, match="generate needs adapt or load first"):
        TinyModel(**OPTIONS).generate(prompt, context("cold"))


def test_a_roll_out_that_runs_away(target: Domain, prompt: Prompt) -> None:
    """Its numbers grow until they are none: told as that, and not as a fault of some matrix."""
    model, ctx = adapted(target, "cold")
    assert model._network is not None
    model._network.state_dict()["codec.decode.weight"].mul_(1e30)
    with pytest.raises(UserError, match=r"model 'tiny': its roll-out ran away: from frame \d+ on it is not finite \("):
        model.generate(prompt, ctx)


def test_unknown_options() -> None:
    with pytest.raises(UserError, match="unknown option of model 'tiny' 'widows'; did you mean windows"):
        TinyModel(widows=3)


def test_a_network_without_a_core(target: Domain) -> None:
    class Headless(LightningModel):
        card = ModelCard(name="headless")

        def network(self, sizes: Sizes) -> nn.Module:
            return nn.Linear(3, 3)

    with pytest.raises(UserError, match="needs the submodules `codec` and `core`"):
        Headless(**OPTIONS).adapt(target, context("cold"))


# Statistics.


def test_statistics_depend_on_the_given_segments_alone(target_side: Side) -> None:
    train = target_side.split.train
    few = statistics(target_side.domain(train[:3]))
    assert same(few.state_dict(), statistics(target_side.domain(train[:3])).state_dict())
    assert not same(few.state_dict(), statistics(target_side.domain(train[:4])).state_dict())


def test_statistics_do_not_see_padding(target_side: Side) -> None:
    """Half a clip in a batch of whole ones counts as half a clip."""
    domain = target_side.domain(target_side.split.train[:2])
    half = domain.motion.cut(0, 40)
    short = replace(domain, motion=half)
    motion = replace(domain.motion, lengths=np.array([40, 40]))
    padded = statistics(replace(domain, motion=motion))
    for name, value in statistics(short).state_dict().items():
        torch.testing.assert_close(padded.state_dict()[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_statistics_of_little(target_side: Side, count: int) -> None:
    normal = statistics(target_side.domain(target_side.split.train[:count]))
    for value in normal.state_dict().values():
        assert torch.isfinite(value).all()
    assert normal.std.min() > 0
    assert normal.change.min() > 0


# Windows and scheduled sampling.


def test_streams_go_on_where_the_last_window_ended(target: Domain) -> None:
    config = TrainConfig(windows=6, length=LENGTH)
    batches = list(Streams(target, config, updates=40, seed=0))
    assert batches[0].fresh.all()
    for before, after in pairwise(batches):
        on = ~after.fresh
        assert torch.equal(before.states[on, -1], after.states[on, 0])
        assert torch.equal(before.frames[on, -1], after.frames[on, 0])
    fresh = torch.stack([b.fresh for b in batches[1:]])
    assert fresh.any()
    assert not fresh.all()


def test_windows_stay_within_their_segments(target: Domain) -> None:
    """Padding repeats the last frame: a window within a short clip would show frames that do not move."""
    lengths = np.full(len(target), 75)
    lengths[::2] = 9
    motion = replace(target.motion, lengths=lengths)
    streams = Streams(replace(target, motion=motion), TrainConfig(windows=8, length=LENGTH), updates=30, seed=0)
    for clip in range(len(target)):
        streams.states[clip, lengths[clip] :] = float("nan")
    for batch in streams:
        assert torch.isfinite(batch.states).all()


def test_streams_of_one_seed_are_the_same(target: Domain) -> None:
    def drawn(seed: int) -> list[Tensor]:
        return [b.states for b in Streams(target, TrainConfig(windows=3, length=LENGTH), updates=5, seed=seed)]

    assert all(torch.equal(a, b) for a, b in zip(drawn(0), drawn(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(drawn(0), drawn(1), strict=True))


class Recording(nn.Module):
    """A network that remembers the poses that it reads; zero change, so its own predictions glide on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[Tensor] = []

    def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(pose.detach().clone())
        change = (pose.shape[1] - 4) // 12 * 3 + 4
        return self.weight * pose[:, :change], phase


def share_of_own(target: Domain, index: int, updates: int, ramp: float) -> float:
    """Share of the frames read within the windows of one update that are the network's own predictions."""
    config = TrainConfig(windows=64, length=LENGTH, ramp=ramp)
    network, skeleton = Recording(), make_skeleton(target.rig, target.motion.fps)
    normal: Normal = statistics(target)
    training = Training(network, normal, skeleton, config, updates, context("cold"))
    batch = next(iter(Streams(target, config, updates=1, seed=0)))
    training.training_step(batch, index)
    true = (batch.states[..., skeleton.layout.pose] - normal.mean) / normal.std
    own = [(network.seen[t] - true[:, t]).abs().max(1).values > 1e-6 for t in range(1, LENGTH - 1)]
    return float(torch.stack(own).float().mean())


def test_scheduled_sampling_rises_from_truth_to_own_predictions(target: Domain) -> None:
    shares = [share_of_own(target, index, updates=100, ramp=0.5) for index in (0, 10, 25, 40, 50, 99)]
    assert shares[0] == 0
    assert shares[-2:] == [1, 1]
    assert shares[1:4] == pytest.approx([0.2, 0.5, 0.8], abs=0.12)


def test_the_carried_state_opens_the_next_window(target: Domain) -> None:
    """After the ramp a window that goes on begins with what the last one ended in, unless it was lost."""
    config = TrainConfig(windows=32, length=LENGTH, ramp=0.01)
    network, skeleton = Recording(), make_skeleton(target.rig, target.motion.fps)
    normal = statistics(target)
    training = Training(network, normal, skeleton, config, 100, context("cold"))
    first, second = list(Streams(target, config, updates=2, seed=0))
    training.training_step(first, 98)
    assert training.carried is not None
    carried = training.carried[0]
    network.seen.clear()
    training.training_step(second, 99)
    opened = network.seen[0] * normal.std + normal.mean
    own = (opened - carried[:, skeleton.layout.pose]).abs().max(1).values < 1e-4
    assert not own[second.fresh].any()
    assert own[~second.fresh].float().mean() > 0.5
    assert not carried.requires_grad


# Layers.


def test_mixed_linear_is_a_layer_of_mixed_weights() -> None:
    """One GEMM against explicit weights per sample, values and gradients."""
    torch.manual_seed(0)
    experts, wide, narrow, count = 4, 7, 5, 6
    layer = MixedLinear(experts, wide, narrow)
    nn.init.normal_(layer.bias)
    x = torch.randn(count, wide, requires_grad=True)
    scores = torch.randn(count, experts, requires_grad=True)
    probe = torch.randn(count, narrow)

    def gradients(y: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((y * probe).sum(), [x, scores, layer.weight, layer.bias], retain_graph=True))

    gates = torch.softmax(scores, -1)
    got = layer(x, gates)
    weights = torch.einsum("bk,kio->bio", gates, layer.weight.view(experts, wide, narrow))
    expected = torch.einsum("bi,bio->bo", x, weights) + torch.einsum("bk,ko->bo", gates, layer.bias)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    for a, b in zip(gradients(got), gradients(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_reference_entry_saves_json_and_tensors(target: Domain, tmp_path: Path) -> None:
    model: Any = make_model("fe", OPTIONS)
    model.adapt(target, context("cold", updates=1))
    model.save(tmp_path / "fe")
    assert json.loads((tmp_path / "fe" / "model.json").read_text())["joints"] == len(target.rig)
