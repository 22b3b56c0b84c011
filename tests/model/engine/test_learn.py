"""Groups of cells: each cell's numbers are those that it has alone, whatever model it is of."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.lessons import FRAMES, UPDATES, Lessons
from helpers.tiny_model import side
from my_model import MyModel
from torch import Tensor, nn

from rae_bench.model import (
    Budget,
    Context,
    Domain,
    Frame,
    LightningModel,
    ModelCard,
    Next,
    Sizes,
    StepNetwork,
    TrainConfig,
)
from rae_bench.model.alone import Training
from rae_bench.model.config import MOST_DECAY
from rae_bench.model.engine import learn as engine
from rae_bench.model.engine.group import CannotGroup
from rae_bench.model.engine.learn import Lesson, learn
from rae_bench.model.registry import CONTROLS, list_models, make_model
from rae_bench.model.training import decay_for

ENTRIES = [name for name in list_models() if name not in (*CONTROLS, "feedforward", "match", "patches")]
VARIANTS: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in (*ENTRIES, "fc-rbf-in", "fc-dec-cat", "fe+rtn")]
VARIANTS += [("fe", {"output": output}) for output in ("change", "absolute", "straight", "momentum")]
VARIANTS += [("fc-rbf-in+omg-lstm", {"mode": "paper"}), ("mann", {"preset": "paper"})]
QUICK = ("fe", "mann", "mvae", "rtn", "fc-rbf-in")
"""Those that are tried in every test run; between them they have every kind of part. The others are slow together."""
TRIED = [
    pytest.param(name, options, marks=() if name in QUICK and not options else pytest.mark.slow, id=f"{name}-{options}")
    for name, options in VARIANTS
]


def weights(lesson: Lesson) -> Tensor:
    return torch.cat([p.detach().flatten() for network in lesson.networks for p in network.state_dict().values()])


def losses_of(lessons: Sequence[Lesson]) -> list[list[float]]:
    heard: list[list[float]] = [[] for _ in lessons]
    for lesson, into in zip(lessons, heard, strict=True):
        lesson.ctx.progress = lambda update, updates, loss, into=into: into.append(loss)  # type: ignore[misc]
    learn(lessons)
    return heard


@pytest.fixture
def every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REPORTED", 1)


@pytest.fixture
def together_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell may train by itself."""
    monkeypatch.setattr(engine, "_alone", None)


@pytest.mark.usefixtures("every_update", "together_alone")
@pytest.mark.parametrize(("name", "options"), TRIED)
def test_a_cell_is_the_same_in_any_company(name: str, options: dict[str, Any], lessons: Lessons) -> None:
    one, five = lessons(name, [7], **options), lessons(name, [3, 7, 8, 12, 14], **options)
    fifteen = lessons(name, range(15), **options)
    heard = [losses_of(group)[place] for group, place in ((one, 0), (five, 1), (fifteen, 7))]
    assert heard[0] == heard[1] == heard[2]
    assert len(heard[0]) == UPDATES
    assert torch.equal(weights(one[0]), weights(five[1]))
    assert torch.equal(weights(one[0]), weights(fifteen[7]))
    assert not torch.equal(weights(fifteen[7]), weights(fifteen[8]))


@pytest.mark.usefixtures("every_update")
@pytest.mark.parametrize(("name", "options"), TRIED)
def test_a_group_learns_what_one_does_alone(
    name: str, options: dict[str, Any], lessons: Lessons, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, *_) = got = losses_of(lessons(name, [2, 11], **options))
    alone = lessons(name, [2, 11], **options)
    monkeypatch.setattr(engine, "train_together", cannot)
    monkeypatch.setattr(Training, "training_step", listened(Training.training_step, heard := []))
    learn(alone)
    assert len(first) == UPDATES
    torch.testing.assert_close(torch.tensor(got).flatten(), torch.tensor(heard), rtol=2e-4, atol=1e-5)


def test_less_motion_has_more_weight_decay(lessons: Lessons) -> None:
    """Even in passes over the data; a group against one alone, above, has cells of different fractions."""
    small, large = lessons("fe", [2, 12], weight_decay=0.001)

    def seconds(lesson: Lesson) -> float:
        return sum(float(one.motion.lengths.sum()) / one.motion.fps for one in lesson.domains)

    assert seconds(small) < 0.5 * seconds(large)
    assert small.decay / large.decay == pytest.approx(seconds(large) / seconds(small))
    assert large.decay == pytest.approx(0.001 * 600 / seconds(large))
    assert decay_for(1e-9, TrainConfig()) == MOST_DECAY
    assert decay_for(600, TrainConfig(weight_decay=0.0)) == 0


@pytest.mark.usefixtures("every_update")
def test_a_group_rests_its_cores_as_one_does_alone(lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> list[Lesson]:
        found = lessons("fe", [2, 11], rest=0.5, core_rate=0.3)
        for lesson in found:
            lesson.core = {k: v.clone() for k, v in made_core(found[0]).items()}
        return found

    torch.manual_seed(0)
    got, alone = asked(), asked()
    for one, other in zip(got, alone, strict=True):
        other.core = one.core
    (first, *_) = losses = losses_of(got)
    monkeypatch.setattr(engine, "train_together", cannot)
    monkeypatch.setattr(Training, "training_step", listened(Training.training_step, heard := []))
    learn(alone)
    assert len(first) == UPDATES
    torch.testing.assert_close(torch.tensor(losses).flatten(), torch.tensor(heard), rtol=2e-4, atol=1e-5)
    core = got[0].networks[0].core.state_dict()  # type: ignore[union-attr]
    assert not all(torch.equal(v, got[0].core[k]) for k, v in core.items())


@pytest.mark.usefixtures("every_update")
def test_a_roll_out_that_is_out_of_step_takes_the_true_pose_where_a_path_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a group as alone. Objectives say where limbs are to be: there a roll-out finds its step by itself."""

    def asked(track: str, in_step: float) -> list[Lesson]:
        target = side("quad", track)
        options = {"in_step": in_step, "ramp": 0.0, "windows": 12}
        return [
            Lesson(
                make_model("mann", dict(options)), (target.domain(target.fraction(seed, 1.0)),),
                Context("cold", 1.0, Budget(UPDATES, UPDATES * FRAMES), seed),
            )
            for seed in range(2)
        ]  # fmt: skip

    got = losses_of(asked("control", 0.001))
    far = losses_of(asked("control", 0.3))
    assert torch.equal(torch.tensor(got)[:, 0], torch.tensor(far)[:, 0])  # the first windows are true
    assert not torch.isclose(torch.tensor(got)[:, 2:], torch.tensor(far)[:, 2:], rtol=1e-3).any()
    assert losses_of(asked("limbs", 0.001)) == losses_of(asked("limbs", 0.3))
    alone = asked("control", 0.001)
    monkeypatch.setattr(engine, "train_together", cannot)
    monkeypatch.setattr(Training, "training_step", listened(Training.training_step, heard := []))
    learn(alone)
    torch.testing.assert_close(torch.tensor(got).flatten(), torch.tensor(heard), rtol=2e-4, atol=1e-5)


def cannot(*_: Any) -> None:
    raise CannotGroup("as a test wants it")


def listened(step: Any, into: list[float]) -> Any:
    def run(self: Training, batch: Any, index: int) -> Tensor:
        loss: Tensor = step(self, batch, index)
        into.append(float(loss.detach()))
        return loss

    return run


@pytest.mark.usefixtures("together_alone")
def test_a_plug_in_trains_in_groups_unchanged(lessons: Lessons) -> None:
    one, three = lessons(MyModel, [6]), lessons(MyModel, [0, 6, 13])
    learn(one)
    learn(three)
    assert torch.equal(weights(one[0]), weights(three[1]))
    assert one[0].ctx.declared == three[1].ctx.declared


def test_different_budgets_and_rigs_do_not_mix(lessons: Lessons, domains: list[Domain]) -> None:
    mixed = lessons("fe", [0, 1, 2])
    mixed[1].ctx = replace(mixed[1].ctx, budget=replace(mixed[1].ctx.budget, updates=3))
    mixed[2].frozen = True
    mixed[2].core = {k: v.clone() for k, v in made_core(mixed[0]).items()}
    learn(mixed)
    assert [lesson.ctx.declared["updates"] for lesson in mixed] == [UPDATES, 3, UPDATES]
    for key, value in mixed[2].networks[0].core.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(value, mixed[2].core[key])


def made_core(lesson: Lesson) -> dict[str, Tensor]:
    from rae_bench.model.training import sizes_for

    return dict(lesson.model.network(sizes_for(len(lesson.domains[0].rig))).core.state_dict())  # type: ignore[union-attr]


def test_one_without_a_window_stays_as_it_began(lessons: Lessons, domains: list[Domain]) -> None:
    pair = lessons("fe", [0, 1])
    empty = domains[1]
    pair[1].domains = (replace(empty, motion=empty.motion[:0], objectives=empty.objectives[:0],
                               phases=empty.phases[:0], ids=(), groups=()),)  # fmt: skip
    learn(pair)
    assert [lesson.ctx.declared["updates"] for lesson in pair] == [UPDATES, 0]
    assert all(torch.isfinite(weights(lesson)).all() for lesson in pair)


class Own(LightningModel):
    """A plain network with a normalisation layer, whose running statistics are a cell's own."""

    card = ModelCard(name="own")

    def network(self, sizes: Sizes) -> nn.Module:
        return Plain(sizes)


class Plain(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.codec = nn.Sequential(nn.Linear(sizes.pose, 16), nn.BatchNorm1d(16))
        self.core = nn.Sequential(nn.Linear(16 + sizes.control, 16), nn.GELU(), nn.Linear(16, sizes.change))

    def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        return self.core(torch.cat([self.codec(pose), control], 1)), phase


class WithLoss(Own):
    """A loss, an optimiser and a schedule of its own."""

    card = ModelCard(name="with-loss")

    def loss(self, predicted: Tensor, phases: Tensor, batch: Any, skeleton: Any) -> Tensor:
        usual = super().loss(predicted, phases, batch, skeleton)
        return usual + (predicted - batch.states[:, 1:]).abs().mean() + batch.contacts.mean() + batch.flags.mean()

    def optimiser(self, parameters: Any, updates: int) -> Any:
        optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Draws(Own):
    """Draws numbers of torch's own."""

    card = ModelCard(name="draws")

    def network(self, sizes: Sizes) -> nn.Module:
        made = Plain(sizes)
        made.codec.append(nn.Dropout(0.5))
        return made


class Branches(Own):
    """Looks at a number before it goes on."""

    card = ModelCard(name="branches")

    def network(self, sizes: Sizes) -> nn.Module:
        class Looks(Plain):
            def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
                change, phase = super().forward(pose, control, phase)
                return (change if float(change.mean()) > 0 else 2 * change), phase

        return Looks(sizes)


class Whole(StepNetwork):
    """Remembers, is given noise, reads the true next frame, and has a loss and a note."""

    memory, noise, reads_following = 5, 3, True

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.codec = nn.Linear(sizes.pose, 8)
        self.core = nn.Linear(8 + 5 + 3 + 24, sizes.change + 5)
        self.split = [sizes.change, 5]

    def forward(self, frame: Frame) -> Next:
        read = self.codec(frame.pose)
        asked = (frame.asked.sum(2) + frame.seconds + frame.active, frame.keys.sum(2), frame.path.flatten(1)[:, :8])
        change, memory = self.core(torch.cat([read, frame.memory, frame.noise, *asked], 1)).split(self.split, 1)
        losses = {}
        if frame.following is not None:
            losses = {"near": (self.codec(frame.following.pose) - read).square().mean()}
        change = frame.steered(change, change[:, :2], torch.sigmoid(change[:, 2:3])) + 0.1 * frame.straight
        return Next(change, frame.phase, memory, losses, {"size": change.detach().norm()})


class Shaken(Whole):
    """Draws anew for each frame, as often as a frame asks."""

    def forward(self, frame: Frame) -> Next:
        made = super().forward(frame)
        if frame.draws is None:
            return made
        order = frame.draws.permutation(len(made.change))
        kept = frame.draws.uniform(*made.change.shape) > 0.2
        return made._replace(change=(made.change * kept)[order] + 0.1 * frame.draws.normal(1))


class WithShaken(Own):
    card = ModelCard(name="with-shaken")

    def network(self, sizes: Sizes) -> nn.Module:
        return Shaken(sizes)


class WithWhole(Own):
    card = ModelCard(name="with-whole")

    def network(self, sizes: Sizes) -> nn.Module:
        return Whole(sizes)


@pytest.mark.usefixtures("every_update", "together_alone")
@pytest.mark.parametrize("model", [Own, WithLoss, WithWhole, WithShaken])
def test_what_knows_nothing_of_groups_trains_in_them(model: type[LightningModel], lessons: Lessons) -> None:
    one, four = lessons(model, [9]), lessons(model, [1, 9, 10, 14])
    assert losses_of(one)[0] == losses_of(four)[1]
    assert torch.equal(weights(one[0]), weights(four[1]))
    assert one[0].ctx.declared == four[1].ctx.declared


@pytest.mark.usefixtures("every_update")
@pytest.mark.parametrize("model", [Own, WithLoss, WithWhole, WithShaken])
def test_hooks_mean_the_same_in_a_group(
    model: type[LightningModel], lessons: Lessons, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = lessons(model, [2, 11])
    got = losses_of(group)
    alone = lessons(model, [2, 11])
    monkeypatch.setattr(engine, "train_together", cannot)
    monkeypatch.setattr(Training, "training_step", listened(Training.training_step, heard := []))
    learn(alone)
    torch.testing.assert_close(torch.tensor(got).flatten(), torch.tensor(heard), rtol=2e-4, atol=1e-5)
    for ours, theirs in zip(group, alone, strict=True):
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("model", [Draws, Branches])
def test_what_cannot_train_in_a_group_trains_alone(model: type[LightningModel], lessons: Lessons) -> None:
    one, two = lessons(model, [9]), lessons(model, [1, 9])
    learn(one)
    learn(two)
    assert torch.equal(weights(one[0]), weights(two[1]))
    assert two[0].ctx.declared["updates"] == UPDATES


def test_pre_training_on_two_sources(lessons: Lessons, domains: list[Domain]) -> None:
    """Each source's codec takes part in its own updates alone."""
    pair, one = lessons("fe", [0, 6]), lessons("fe", [6])
    for lesson in (*pair, *one):
        lesson.domains = (lesson.domains[0], domains[10])
    learn(pair)
    learn(one)
    assert torch.equal(weights(one[0]), weights(pair[1]))
    first, second = one[0].networks
    assert first.core is second.core
    assert not torch.equal(first.codec.encode[0].weight, second.codec.encode[0].weight)  # type: ignore[union-attr, index]


def test_models_adapt_together_through_the_public_class(domains: list[Domain], lessons: Lessons) -> None:
    asked = lessons("fe", [3, 8])
    models = [lesson.model for lesson in asked]
    LightningModel.adapt_together(models, [lesson.domains[0] for lesson in asked], [lesson.ctx for lesson in asked])
    single = make_model("fe", {})
    single.adapt(domains[8], lessons("fe", [8])[0].ctx)
    ours, theirs = (dict(model._network.state_dict()) for model in (models[1], single))  # type: ignore[union-attr]
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_no_group_needs_lightning() -> None:
    import subprocess

    code = (
        "import sys, rae_bench.model.lightning, rae_bench.baselines.network\n"
        "assert 'pytorch_lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
