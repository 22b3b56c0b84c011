"""`LightningModel`: regimes, seeding, budgets, hooks, saving."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_model import LENGTH, OPTIONS, TinyModel, context, parts, same
from torch import Tensor, nn

from rae_bench.errors import UserError
from rae_bench.model import Batch, Budget, Context, Domain, LightningModel, ModelCard, Prompt, Sizes, Skeleton
from rae_bench.model.api import one_a_rig
from rae_bench.model.features import FASTEST, HIGHEST, LOWEST
from rae_bench.model.registry import make_model
from rae_bench.model.step import FAR


@pytest.fixture(scope="module")
def pretrained(source: Domain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = TinyModel(**OPTIONS)
    model.pretrain(source, context("pretrain"))
    folder = tmp_path_factory.mktemp("pretrained") / "model"
    model.save(folder)
    return folder


def adapted(
    domain: Domain, regime: str, load: Path | None = None, *, updates: int = 3, seed: int = 0, **options: Any
) -> tuple[TinyModel, Context]:
    model, ctx = TinyModel(**OPTIONS | options), context(regime, updates, seed)
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
    assert ctx.declared["trained"] == sum(v.numel() for v in parts(model)[0].values())


def test_finetune_trains_both(target: Domain, pretrained: Path) -> None:
    start, _ = adapted(target, "finetune", pretrained, updates=0)
    model, ctx = adapted(target, "finetune", pretrained)
    core = {f"core.{k}": v for k, v in model._core.items()}
    assert same(parts(start)[1], core)
    assert not same(parts(model)[1], core)
    assert not same(parts(model)[0], parts(start)[0])
    assert ctx.declared["trained"] == ctx.declared["parameters"]


def test_a_carried_core_may_rest_while_the_codec_learns(target: Domain, pretrained: Path) -> None:
    start, _ = adapted(target, "finetune", pretrained, updates=0)
    moves = {}
    for rest in (0.0, 0.5, 1.0):
        model, _ = adapted(target, "finetune", pretrained, updates=4, rest=rest)
        assert not same(parts(model)[0], parts(start)[0])
        moves[rest] = distance(parts(model)[1], parts(start)[1])
    assert moves[1.0] == 0
    assert 0 < moves[0.5] < moves[0.0]
    slow, _ = adapted(target, "finetune", pretrained, updates=4, core_rate=0.01)
    assert 0 < distance(parts(slow)[1], parts(start)[1]) < 0.1 * moves[0.0]
    # A core that nothing was carried over to does not wait, and neither does one whose codec is carried over with it.
    assert same(parts(adapted(target, "cold", rest=1.0)[0])[1], parts(adapted(target, "cold")[0])[1])


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return float(sum(((a[k] - b[k]) ** 2).sum() for k in a)) ** 0.5


def test_retarget_goes_on_from_the_whole_network(target: Domain, prompt: Prompt, tmp_path: Path) -> None:
    there = TinyModel(**OPTIONS)
    there.pretrain(target, context("pretrain"))
    there.save(tmp_path / "there")
    none = replace(
        target, motion=target.motion[:0], objectives=target.objectives[:0], phases=target.phases[:0], ids=(), groups=()
    )
    start, ctx = adapted(none, "retarget", tmp_path / "there", updates=0)
    assert same(dict(start._adapted[0].state_dict()), dict(there._adapted[0].state_dict()))
    assert ctx.declared["updates"] == 0
    here, made = (model.generate(prompt, context("retarget")) for model in (there, start))
    np.testing.assert_array_equal(here.rotations, made.rotations)
    few = replace(
        target, motion=target.motion[:2], objectives=target.objectives[:2], phases=target.phases[:2],
        ids=target.ids[:2], groups=target.groups[:2],
    )  # fmt: skip
    model, _ = adapted(few, "retarget", tmp_path / "there")
    assert not same(parts(model)[0], parts(there)[0])
    assert not same(parts(model)[1], parts(there)[1])
    slow, _ = adapted(few, "retarget", tmp_path / "there", core_rate=0.01, rest=1.0)
    for part in (0, 1):  # codec and core go slowly, and neither waits
        usual = distance(parts(model)[part], parts(there)[part])
        assert 0 < distance(parts(slow)[part], parts(there)[part]) < 0.1 * usual
    for name in ("mean", "std", "change"):  # the scales are what the network knows
        assert torch.equal(getattr(model._adapted[1], name), getattr(there._adapted[1], name))


def test_retarget_needs_the_targets_rig(target: Domain, pretrained: Path) -> None:
    with pytest.raises(UserError, match=r"regime retarget needs pretrain on the target's rig, of \d+ joints; it had"):
        adapted(target, "retarget", pretrained)


def test_domains_on_one_rig_are_one(source: Domain, target: Domain) -> None:
    short = replace(
        source, name="short", motion=source.motion[:2].cut(0, 40), objectives=source.objectives[:2].cut(0, 40),
        phases=source.phases[:2, :40], ids=source.ids[:2], groups=source.groups[:2],
    )  # fmt: skip
    both, other = one_a_rig([short, target, source])
    assert other is target
    assert (both.name, len(both)) == (f"short+{source.name}", 2 + len(source))
    assert both.ids[:2] == tuple(f"short/{name}" for name in source.ids[:2])
    assert both.motion.lengths.tolist() == [40, 40, *source.motion.lengths]
    assert len(both.phases) == len(both.objectives.kinds) == len(both.motion) == len(both)
    np.testing.assert_array_equal(both.motion.rotations[:2, :40], source.motion.rotations[:2, :40])
    np.testing.assert_array_equal(both.motion.rotations[:2, 40:], source.motion.rotations[:2, 39:40].repeat(
        both.motion.rotations.shape[1] - 40, 1
    ))  # fmt: skip
    np.testing.assert_array_equal(both.motion.positions[2:], source.motion.positions)
    assert not both.objectives.active[:2, 40:].any()
    np.testing.assert_array_equal(both.objectives.arrivals[2:], source.objectives.arrivals)
    model, ctx = TinyModel(**OPTIONS), context("pretrain")
    model.pretrain(source, replace(ctx, sources=(short, target, source)))
    assert len(model._adapted[1].mean) == 4 + 12 * len(source.rig)


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
    assert ctx.declared["updates"] == 3  # the cap on frames comes first
    assert ctx.declared["frames"] == 3 * per_update
    assert ctx.cost()["budget_status"] == "enforced"
    assert ctx.cost()["over_budget"] is False


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
    """Numbers that are none are told as that, and not as a fault of some matrix."""
    model, ctx = adapted(target, "cold")
    assert model._network is not None
    model._network.state_dict()["codec.decode.weight"].mul_(float("nan"))
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


def test_reference_entry_saves_json_and_tensors(target: Domain, tmp_path: Path) -> None:
    model: Any = make_model("fe", OPTIONS)
    model.adapt(target, context("cold", updates=1))
    model.save(tmp_path / "fe")
    assert json.loads((tmp_path / "fe" / "model.json").read_text())["joints"] == len(target.rig)


# Hooks.


class Halved(TinyModel):
    """Half the usual loss: with AdamW the same direction, so that what differs is the clipped norm."""

    seen: tuple[torch.Size, torch.Size, torch.Size] | None = None

    def loss(self, predicted: Tensor, phases: Tensor, batch: Batch, skeleton: Skeleton) -> Tensor:
        Halved.seen = (predicted.shape, phases.shape, batch.states.shape)
        return super().loss(predicted, phases, batch, skeleton) / 2


class Descent(TinyModel):
    """Plain gradient descent."""

    def optimiser(self, parameters: Sequence[nn.Parameter], updates: int) -> Any:
        self.given = len(parameters), updates
        return torch.optim.SGD(parameters, lr=1e-3)


def losses_of(cls: type[TinyModel], domain: Domain) -> list[float]:
    heard: list[float] = []
    ctx = Context("cold", 1.0, Budget(1, 10**6), 0, progress=lambda update, updates, loss: heard.append(loss))
    cls(**OPTIONS).adapt(domain, ctx)
    return heard


def test_a_loss_may_be_overridden(target: Domain) -> None:
    usual, halved = (losses_of(cls, target) for cls in (TinyModel, Halved))
    assert halved == pytest.approx([loss / 2 for loss in usual])
    width = 10 + 15 * len(target.rig)
    rows = OPTIONS["windows"]
    assert Halved.seen == ((rows, LENGTH - 1, width), (rows, LENGTH - 1, 16), (rows, LENGTH, width))


def test_an_optimiser_may_be_overridden(target: Domain, pretrained: Path) -> None:
    """One step of gradient descent: every weight moves by the rate times its clipped gradient, so by 1e-3 in all."""
    moved = {}
    for updates in (0, 1):
        model = Descent(**OPTIONS | {"clip": 0.1})  # below the norm of any gradient here
        model.load(pretrained)
        model.adapt(target, context("frozen", updates))
        moved[updates] = parts(model)[0]
    assert model.given == (len(moved[1]), 1)  # frozen trains the codec alone
    squares = [float(((moved[1][k] - moved[0][k]) ** 2).sum()) for k in moved[1]]
    assert sum(squares) ** 0.5 == pytest.approx(1e-3 * model.config.clip, rel=1e-3)


@pytest.mark.parametrize("name", ["tiny", "mann"])
def test_a_roll_out_that_runs_away_stays_within_bounds(name: str, target: Domain, prompt: Prompt) -> None:
    """The weights blow up every error; without bounds the numbers have no end after some frames."""
    model: Any = TinyModel(**OPTIONS) if name == "tiny" else make_model("mann", {})
    model.adapt(target, context("cold"))
    calm = model.generate(prompt, context("cold"))
    with torch.no_grad():
        for parameter in model._network.parameters():
            parameter.mul_(30)
    wild = model.generate(prompt, context("cold"))
    height, fps = prompt.rig.height, prompt.fps
    normal = model._normal
    most = float((normal.mean[:2].abs() + FAR * normal.std[:2]).norm()) * fps
    assert most < FASTEST * height
    for made, binds in ((calm, False), (wild, True)):
        first = prompt.history.root_positions[:, -1:]
        roots = np.concatenate([first[None].repeat(len(made.root_positions), 0), made.root_positions], 2)
        speed = np.linalg.norm(np.diff(roots, axis=2)[..., [0, 2]], axis=-1) * fps
        assert np.isfinite(made.rotations).all()
        assert speed.max() <= most + 1e-3
        assert (roots[..., 1] >= LOWEST * height - 1e-3).all()
        assert (roots[..., 1] <= HIGHEST * height + 1e-3).all()
        assert (speed.max() > 0.5 * most) == binds
