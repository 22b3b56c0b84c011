"""What a decoder may give instead of a change: poses, and what a straight way or the last change leaves over."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.tiny_model import side as controlled
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from rae_bench.baselines.codecs.fc import Rbf
from rae_bench.baselines.cores.omg_lstm import OmgLstm
from rae_bench.baselines.network import KEPT, PairNetwork
from rae_bench.baselines.pair_options import OUTPUTS
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.model.api import Budget, Context, Domain, Prompt
from rae_bench.model.control import control_targets
from rae_bench.model.features import changes, make_skeleton, states
from rae_bench.model.registry import make_model
from rae_bench.model.step import Carry, Draws, Frame, Next
from rae_bench.model.streams import statistics
from rae_bench.model.training import TrainConfig, sizes_for
from rae_bench.objectives.objectives import key_transforms
from rae_bench.objectives.path import HORIZONS
from rae_bench.task.sides import Side

Walk = Callable[..., list[Next]]


def frames_of(domain: Domain, t: int) -> tuple[Frame, Tensor]:
    """Frame t of every segment, and all of the states."""
    skeleton, path = make_skeleton(domain.rig, domain.motion.fps), states(domain.motion)
    rows = len(path)
    carry = Carry(path[:, t], torch.zeros(rows, 16), torch.zeros(rows, 0), torch.zeros(rows, 0))
    targets = control_targets(domain.objectives, domain.motion.fps, domain.path)
    return Frame(carry, targets.at(t), skeleton, statistics(domain)), path


@pytest.mark.parametrize("rig", ["r4", "quad"])
def test_a_pose_leads_to_the_change_between_true_frames(rig: str, domains: dict[str, Domain]) -> None:
    domain = domains[rig]
    frame, path = frames_of(domain, 20)
    normal, layout = statistics(domain), make_skeleton(domain.rig, 30).layout
    following = (path[:, 21, layout.pose] - normal.mean) / normal.std
    given = torch.cat([following[:, :4], following[:, 4 + 6 * layout.joints :]], 1)
    true = changes(path[:, 20:22])[:, 0] / normal.change
    torch.testing.assert_close(frame.change_to(given), true, atol=2e-4, rtol=1e-3)
    # Neither length nor angle between predicted columns matters: a is normalised, b made square to it.
    pairs = following[:, 4 + 6 * layout.joints :] * normal.std[4 + 6 * layout.joints :]
    pairs = pairs + normal.mean[4 + 6 * layout.joints :]
    a, b = pairs.unflatten(1, (2, -1)).unbind(1)
    bent = torch.cat([3 * a, b + 0.5 * a], 1) - normal.mean[4 + 6 * layout.joints :]
    bent = bent / normal.std[4 + 6 * layout.joints :]
    torch.testing.assert_close(frame.change_to(torch.cat([given[:, :4], bent], 1)), true, atol=2e-4, rtol=1e-3)


def test_the_straight_way_arrives(domains: dict[str, Domain]) -> None:
    """A frame before they are due, key joints with an objective get its rotation, and the pelvis its height."""
    domain = domains["r4"]
    left = domain.objectives.arrivals - np.arange(domain.objectives.arrivals.shape[1])[:, None]
    t = 29
    due = (left[:, t] == 1) & domain.objectives.active[:, t]
    assert due[:, :4].all()  # keyframes every half second
    frame, path = frames_of(domain, t)
    moved = frame.moved(frame.straight)
    skeleton = make_skeleton(domain.rig, domain.motion.fps)
    yaw = torch.atan2(moved[:, 3], moved[:, 5]).double().numpy()
    columns = moved[:, skeleton.layout.columns].double().unflatten(1, (3, -1, 3)).permute(0, 2, 3, 1).numpy()
    heading = Rotation.from_euler("y", np.repeat(yaw, len(domain.rig))[:, None])
    world = heading * Rotation.from_matrix(columns.reshape(-1, 3, 3))
    quats = world.as_quat(scalar_first=True).reshape(len(path), len(domain.rig), 4)
    _, turned = key_transforms(np.zeros((*quats.shape[:2], 3)), quats, domain.rig)
    wanted = domain.objectives.rotations[:, t]
    cosine = np.abs((turned * wanted).sum(-1))[due].clip(max=1)
    assert np.degrees(2 * np.arccos(cosine)).max() < 1  # small turns are added as vectors
    height = torch.from_numpy(domain.objectives.positions[:, t, 0, 1])
    torch.testing.assert_close(moved[:, 9], height, atol=1e-5, rtol=0)
    held = [j for j in range(len(domain.rig)) if j not in domain.rig.key_joints]
    before = path[:, t, skeleton.layout.columns].unflatten(1, (3, -1, 3))[:, :, held]
    torch.testing.assert_close(moved[:, skeleton.layout.columns].unflatten(1, (3, -1, 3))[:, :, held], before)


def test_a_root_that_is_led_comes_to_its_path(domains: dict[str, Domain]) -> None:
    """At an even pace: a tenth of a way of ten frames at each frame, wherever the root begins."""
    side = controlled("quad", "control")
    domain = side.domain(side.split(0).train)
    frame, path = frames_of(domain, 20)
    assert domain.path is not None
    layout, place = make_skeleton(domain.rig, domain.motion.fps).layout, domain.path.positions[:, 20, 0]
    frames = HORIZONS[0] * domain.motion.fps
    moved = frame.moved(frame.along)
    step = (moved[:, layout.origin] - path[:, 20, layout.origin])[:, ::2].double().numpy()
    np.testing.assert_allclose(step, (place - path[:, 20, layout.origin][:, ::2].numpy()) / frames, atol=1e-5)
    yaw = [torch.atan2(state[:, 3], state[:, 5]).double().numpy() for state in (path[:, 20], moved)]
    wanted = quat.wrapped(domain.path.headings[:, 20, 0] - yaw[0]) / frames
    np.testing.assert_allclose(quat.wrapped(yaw[1] - yaw[0]), wanted, atol=1e-5)
    assert not frame.along[:, 3:].any()


def test_nothing_leads_a_root_without_a_path(domains: dict[str, Domain], walk: Walk) -> None:
    frame, _ = frames_of(domains["quad"], 20)
    assert not frame.along.any()
    # Nor does a gradient come from there that is no number.
    carry = Carry(frame._state.clone().requires_grad_(), frame.phase, frame.memory, frame.noise)
    again = Frame(carry, frame._target, frame._skeleton, frame._normal)
    again.along.sum().backward()
    assert carry.state.grad is None or carry.state.grad.isfinite().all()
    led, plain = (walk(network(output, "quad", domains), "quad")[-1].change for output in ("led", "change"))
    assert torch.equal(led, plain)


def network(output: str, rig: str, domains: dict[str, Domain]) -> PairNetwork:
    torch.manual_seed(0)
    made = make_model("fe", {"output": output}).network(sizes_for(len(domains[rig].rig)))
    assert isinstance(made, PairNetwork)
    return made.eval()


def silence(made: PairNetwork) -> PairNetwork:
    """Its decoder gives zeros."""
    last = made.codec.decode[-1]  # type: ignore[index]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return made


@torch.no_grad()
def test_momentum_wears_off(domains: dict[str, Domain], walk: Walk) -> None:
    made = network("momentum", "quad", domains)
    first, *_ = walk(made, "quad")
    silence(made)
    domain = domains["quad"]
    frame, path = frames_of(domain, 20)
    start = torch.randn(len(path), sizes_for(len(domain.rig)).change)
    frame.memory = start.clone()
    out = made(frame)
    torch.testing.assert_close(out.change, KEPT * start)
    torch.testing.assert_close(out.memory, KEPT * start)
    assert first.memory is not None
    assert torch.equal(first.memory, first.change)  # nothing came before it


@torch.no_grad()
def test_momentum_leaves_the_cores_memory_to_the_core(domains: dict[str, Domain], walk: Walk) -> None:
    torch.manual_seed(0)
    sizes = sizes_for(len(domains["quad"].rig))
    made = make_model("fe+omg-lstm", {"output": "momentum"}).network(sizes).eval()
    assert isinstance(made, PairNetwork)
    assert made.memory == sizes.change + made.core.memory
    outs = walk(made, "quad")
    assert all(out.memory is not None and out.memory.shape[1] == made.memory for out in outs)
    assert outs[0].memory is not None
    assert torch.equal(outs[0].memory[:, : sizes.change], outs[0].change)


@torch.no_grad()
def test_straight_adds_to_the_straight_way(domains: dict[str, Domain]) -> None:
    made = silence(network("straight", "quad", domains))
    frame, _ = frames_of(domains["quad"], 20)
    torch.testing.assert_close(made(frame).change, frame.straight)


@pytest.mark.parametrize("options", [{"output": output} for output in OUTPUTS[1:]] + [{"mode": "paper"}], ids=str)
@pytest.mark.parametrize("name", ["fe", "fe+omg-lstm"])
def test_options_train_and_generate(
    options: dict[str, str], name: str, domains: dict[str, Domain], exam: Prompt
) -> None:
    domain = domains["quad"]
    model = make_model(name, {**options, "windows": 8})
    ctx = Context("cold", 1.0, Budget(3, 10**6), 0)
    model.adapt(domain, ctx)
    made = model.generate(exam, ctx)
    assert np.isfinite(made.rotations).all()
    assert np.isfinite(made.root_positions).all()
    one = model.generate(exam[np.array([1])], ctx)
    # After three updates joints turn at random, and rounding grows from frame to frame.
    np.testing.assert_allclose(one.rotations[0, 0, :5], made.rotations[0, 1, :5], atol=1e-4)


@pytest.fixture(scope="module")
def exam() -> Prompt:
    from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
    from rae_bench.rigs.file import load_rig
    from rae_bench.task.task import Protocol

    side = Side(generate_locomotion(load_rig("quad"), clips=12, seconds=2.5), Protocol(seconds=2.5))
    prompt = side.held_out_clips(side.split(0).test).prompt
    return prompt[np.array([0, 1])]


def test_unknown_options_are_refused() -> None:
    with pytest.raises(UserError, match=r"'momentun'.*momentum"):
        make_model("fe", {"output": "momentun"})
    with pytest.raises(UserError, match=r"'papers'.*paper"):
        make_model("fe", {"mode": "papers"})


def test_a_given_output_is_kept() -> None:
    made = [make_model("fe", options) for options in ({}, {"mode": "paper"}, {"mode": "paper", "output": "change"})]
    assert [m.chosen.output for m in made] == ["led", "absolute", "change"]  # type: ignore[attr-defined]
    rates = [m.chosen.config.core_rate for m in made]  # type: ignore[attr-defined]
    assert rates == [0.3, 1.0, 1.0]  # of what is carried over; the thesis had one rate for all
    with pytest.raises(UserError, match=r"'gaussain'.*gaussian"):
        make_model("fe", {"coin": "gaussain"})


def test_published_faults(domains: dict[str, Domain], walk: Walk) -> None:
    model = make_model("fc-rbf-in+omg-lstm", {"mode": "paper"})
    config = model.config
    assert isinstance(config, TrainConfig)
    assert (config.length, config.coin) == (2, "gaussian")
    normal = model.statistics(domains["quad"])
    assert len(normal.std.unique()) == len(normal.mean.unique()) == 1
    made = model.network(sizes_for(len(domains["quad"].rig)))
    assert made.output == "absolute"
    core = made.core.generator
    assert isinstance(core, OmgLstm)
    with torch.no_grad():
        fresh, later = walk(made.eval(), "quad")[:2]
    assert core.forgets
    assert fresh.memory is not None
    assert later.memory is not None  # it is made, and not read: see `forgets`
    # Published centres: all as far from an embedding, so that every activation is the same (motion.md: .97).
    layer = Rbf(256, 128)
    layer.as_published()
    phi, _ = layer(torch.randn(50, 256), Draws(torch.Generator()))
    assert float(phi.detach().mean()) == pytest.approx(0.95, abs=0.03)
    assert float(phi.detach().std()) < 0.01


def test_gaussian_coin_is_never_sure(domains: dict[str, Domain]) -> None:
    """P(normal < p) at p = 0, 1: how often windows read their own prediction at the first and last update."""
    from rae_bench.model.alone import Training
    from rae_bench.model.streams import Streams

    domain = domains["quad"]
    config = TrainConfig(windows=4000, length=2, coin="gaussian", ramp=0.5)
    net = network("change", "quad", domains)
    training = Training(
        net, statistics(domain), make_skeleton(domain.rig, 30), config, 10, Context("cold", 1.0, Budget(10, 1), 0)
    )
    batch = next(iter(Streams(domain, config, 1, 0)))._replace(fresh=torch.zeros(4000, dtype=torch.bool))
    shares = []
    for index in (0, 9):
        predicted = batch.states[:, 0] + 1e-3
        training.carried = Carry(predicted, batch.start, torch.zeros(4000, 0), torch.zeros(4000, 0))
        seen: list[Tensor] = []
        handle = net.register_forward_pre_hook(lambda module, inputs, seen=seen: seen.append(inputs[0]._state))
        training.training_step(batch, index)
        handle.remove()
        shares.append(float((seen[0] == predicted).all(1).float().mean()))
    assert shares == pytest.approx([0.5, 0.841], abs=0.03)
