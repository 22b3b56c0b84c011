"""Speed of training and roll-out beside the thesis' step and the limit that matrix products set, one core.

    python -m pytest -m slow -s tests/benchmarks/test_network_speed.py
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers.race import gemm_forward, gemm_training, race
from helpers.thesis_step import FRAMES, WINDOWS, BlendedWeights, ThesisNetwork, frame_step
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rae_bench.baselines.layers import MixedLinear
from rae_bench.model.alone import Training
from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.control import ControlTargets, control_targets
from rae_bench.model.engine.learn import Lesson, program_of
from rae_bench.model.engine.rollout import roll_out
from rae_bench.model.features import make_skeleton, states
from rae_bench.model.registry import make_model
from rae_bench.model.step import Carry, Frame, run_step
from rae_bench.model.streams import Streams, statistics
from rae_bench.model.training import sizes_for
from rae_bench.task.named import load_task
from rae_bench.task.sides import cut_clips, load_sides

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def walking() -> Domain:
    """The source of `biped2quad`: r1, 31 joints."""
    side = load_sides(load_task("biped2quad"))[0][0]
    return side.domain(side.split(0).train)


def _operations(run: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


def _thesis() -> tuple[ThesisNetwork, torch.optim.Optimizer]:
    network = ThesisNetwork()
    return network, torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.01)


def _lesson(domain: Domain, preset: str) -> Lesson:
    """A training of `fe` on as many windows as the thesis'; every frame reads its prediction."""
    options = {"preset": preset, "windows": WINDOWS, "length": FRAMES + 1, "ramp": 1e-9}
    context = Context("full", 1.0, Budget(100, 100 * WINDOWS * FRAMES), 0)
    return Lesson(make_model("fe", options), (domain,), context)


def _together(domain: Domain, preset: str) -> Callable[[], object]:
    """An update as the engine does it, of one cell."""
    lesson = _lesson(domain, preset)
    lesson.prepare()
    program, (training,) = program_of([lesson], torch.device("cpu"))
    return lambda: program.update(training, 1.0, 0.5)


def _alone(domain: Domain, preset: str) -> tuple[Callable[[], object], int]:
    """An update as `rae_bench.model.alone` does it, and its parameters."""
    lesson = _lesson(domain, preset)
    lesson.prepare()
    config, network = lesson.config, lesson.networks[0]
    skeleton = make_skeleton(domain.rig, domain.motion.fps)
    training = Training(network, lesson.normals[0], skeleton, config, 100, lesson.ctx)
    optimizer = training.configure_optimizers()["optimizer"]
    batches = iter(Streams(domain, config, 100, 0))

    def update() -> None:
        optimizer.zero_grad()
        training.training_step(next(batches), 50).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimizer.step()

    return update, sum(p.numel() for p in network.parameters())


def test_training(walking: Domain, benchmark: Any) -> None:
    """Per frame: a window's update of `fe` paper has 12 frames, a step of the thesis one."""
    (alone, parameters), together = _alone(walking, "paper"), _together(walking, "paper")
    thesis, optimizer = _thesis()
    frame, following = torch.randn(2, WINDOWS, 492)
    products, work = gemm_training(WINDOWS)

    def thesis_step() -> None:
        frame_step(thesis, optimizer, frame, following)

    racers = {"engine": together, "alone": alone, "thesis": thesis_step, "gemm": products}
    found = race(benchmark, racers, rounds=4)
    limit = work / found.best["gemm"]
    operations = _operations(alone)  # the counter does not see into the engine's own functions
    speed = WINDOWS * FRAMES / found.best["engine"]
    slow = WINDOWS / found.best["thesis"]
    # What the thesis' step would have to do at least: as much as ours, the networks being of one size.
    needed = operations / (WINDOWS * FRAMES)
    print(f"\ntraining, {WINDOWS} windows of {FRAMES + 1}, {parameters:,} parameters, frames per core-second:")
    print(f"  thesis' step {slow:.0f} ({slow * needed / limit:.1%} of the limit)")
    for name in ("engine", "alone"):
        took = found.best[name]
        print(f"  fe paper, {name}: {WINDOWS * FRAMES / took:.0f} ({operations / took / limit:.0%} of the limit)")
    print(f"  {speed / slow:.1f} times as many; limit {limit / 1e9:.0f} GFLOP/s, {needed / 1e6:.1f} MFLOP a frame")
    assert speed > 5 * slow


def _rolling(domain: Domain, preset: str, rows: int, frames: int) -> Callable[[], object]:
    """Rolls `rows` clips on for so many frames."""
    network = make_model("fe", {"preset": preset}).network(sizes_for(len(domain.rig))).eval()
    normal, skeleton = statistics(domain), make_skeleton(domain.rig, domain.motion.fps)
    clips = torch.arange(rows) % len(domain)
    start = states(domain.motion)[clips, 0]
    given = control_targets(domain.objectives, domain.motion.fps)
    given = ControlTargets(*(part[clips] for part in given))

    def roll() -> None:
        with torch.inference_mode():
            carry = Carry(start, torch.zeros(rows, 16), torch.zeros(rows, 0), torch.zeros(rows, 0))
            for t in range(frames):
                carry, _ = run_step(network, Frame(carry, given.at(t), skeleton, normal))

    return roll


def _rolling_together(domain: Domain, preset: str, rows: int, frames: int) -> Callable[[], object]:
    """The same as one cell of a program of many, from a prompt to states."""
    network = make_model("fe", {"preset": preset}).network(sizes_for(len(domain.rig))).eval()
    normal, clips = statistics(domain), np.arange(rows) % len(domain)
    names = [str(row) for row in range(rows)]
    motion, objectives = domain.motion[clips].cut(0, 30 + frames), domain.objectives[clips].cut(0, 30 + frames)
    prompt = cut_clips(motion, 30, names, names, names, objectives).prompt
    noise = [torch.zeros(1, 0)]
    return lambda: roll_out([network], [normal], prompt, noise, torch.device("cpu"))


def _thesis_rolling(rows: int, frames: int) -> Callable[[], object]:
    network, start = ThesisNetwork().eval(), torch.randn(rows, 492)

    def roll() -> None:
        with torch.no_grad():
            frame = start
            for _ in range(frames):
                frame = network(frame)

    return roll


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_roll_out_of_one_clip(walking: Domain, benchmark: Any, preset: str) -> None:
    """Milliseconds a frame, with costs recomputed and forward kinematics; the thesis' network alone beside it."""
    found = race(
        benchmark, {"ours": _rolling(walking, preset, 1, 60), "thesis": _thesis_rolling(1, 60)}, rounds=10
    )
    ours, thesis = (1000 * found.best[name] / 60 for name in ("ours", "thesis"))
    print(f"\nroll-out of one clip, ms a frame: fe {preset} {ours:.2f}, thesis' network {thesis:.2f}")


def test_roll_out_of_256_clips(walking: Domain, benchmark: Any) -> None:
    rows = 256
    ours, (product, work) = _rolling(walking, "paper", rows, 30), gemm_forward(rows)
    engine = _rolling_together(walking, "paper", rows, 30)
    racers = {"engine": engine, "alone": ours, "thesis": _thesis_rolling(rows, 1), "gemm": product}
    found = race(benchmark, racers, rounds=6)
    limit, operations = work / found.best["gemm"], _operations(ours)
    slow = rows / found.best["thesis"]
    print(f"\nroll-out of {rows} clips, frames per core-second: thesis' network {slow:.0f}")
    for name in ("engine", "alone"):
        speed, share = 30 * rows / found.best[name], operations / found.best[name] / limit
        print(f"  fe paper, {name}: {speed:.0f} ({speed / slow:.1f} times as many, {share:.0%} of the limit)")
        assert speed > 5 * slow


@pytest.mark.parametrize("rows", [32, 256])
def test_mixture_layer(benchmark: Any, rows: int) -> None:
    """Forward and backward of one layer of the paper preset: one product against weights blended per sample."""
    torch.manual_seed(0)
    ours, blended = MixedLinear(4, 512, 512), BlendedWeights(4, 512, 512)
    with torch.no_grad():
        blended.weight.copy_(ours.experts.weight.view(4, 512, 512).mT)
        blended.bias.copy_(ours.experts.bias.view_as(blended.bias))
    x, gates = torch.randn(rows, 512), torch.softmax(torch.randn(rows, 4), 1)

    def both(layer: nn.Module) -> Callable[[], object]:
        def run() -> None:
            layer.zero_grad()
            layer(x, gates).square().mean().backward()

        return run

    found = race(benchmark, {"one product": both(ours), "blended": both(blended)}, rounds=6)
    print(f"\nmixture layer, 4 x 512 x 512, {rows} rows: {found.ratio('blended', 'one product'):.1f} times as fast")
    torch.testing.assert_close(ours(x, gates), blended(x, gates), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.experts.weight.grad, blended.weight.grad.mT.flatten(0, 1), rtol=1e-4, atol=1e-6)
    assert found.ratio("blended", "one product") > (2 if rows > 100 else 1)
