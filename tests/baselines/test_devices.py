"""Every reference entry keeps to the device that it is given, seen without one."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from rae_bench.baselines.pair_options import OUTPUTS
from rae_bench.errors import UserError
from rae_bench.model import (
    Budget,
    Carry,
    Context,
    Domain,
    Draws,
    Frame,
    TrainConfig,
    control_targets,
    make_skeleton,
    states,
)
from rae_bench.model.alone import Training
from rae_bench.model.engine import learn as engine
from rae_bench.model.engine.learn import Lesson
from rae_bench.model.engine.linear import Leaf
from rae_bench.model.registry import CONTROLS, list_models, make_model
from rae_bench.model.step import run_step
from rae_bench.model.streams import Streams
from rae_bench.model.training import sizes_for
from rae_bench.task.held_out import cut_clips

CONFIG = TrainConfig(windows=6, length=5)
GPU = torch.device("cuda", 0)


class Pretended(TorchFunctionMode):
    """Computes on the CPU with tensors that claim to lie on a GPU, and refuses to mix them with others.

    torch without CUDA cannot even trace such a mixture. Numbers (tensors without dimensions) may come from anywhere.
    A tensor lies where its memory does, so views and parameters lie where their tensors do.
    """

    def __init__(self) -> None:
        super().__init__()
        self._there: dict[int, torch.Tensor] = {}  # kept, so that no other tensor gets the memory

    def is_there(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor lies on the GPU."""
        return _memory(tensor) in self._there

    def place(self, made: Any) -> Any:
        """Put all tensors in something onto the GPU."""
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.numel():
                self._there[_memory(tensor)] = tensor.detach()
        return made

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == torch.Tensor.device.__get__:  # type: ignore[attr-defined]
            return GPU if self.is_there(args[0]) else torch.device("cpu")
        given = dict(kwargs or {})
        tensors = [x for x in tree_leaves((args, given)) if isinstance(x, torch.Tensor) and x.numel()]
        goes = given.pop("device", None) == GPU or (func is torch.Tensor.to and GPU in args[1:])
        if func is torch.Tensor.to and goes:
            return self.place(args[0].clone())
        if func in (torch.Tensor.cpu, torch.Tensor.pin_memory):
            return args[0].clone()
        there = [self.is_there(x) for x in tensors]
        assert not any(there) or all(t or not x.ndim for t, x in zip(there, tensors, strict=True)), f"{func} mixes"
        made = func(*args, **given)
        return self.place(made) if goes or any(there) else made


def _memory(tensor: torch.Tensor) -> int:
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):  # within vmap
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor.untyped_storage().data_ptr()


ENTRIES = sorted(list_models())
UNTRAINED = ("match", "patches")
"""They compute on the processor alone."""
NETWORKS = [name for name in ENTRIES if name not in (*CONTROLS, "feedforward", *UNTRAINED)]
WINDOWS = [*((name, {}) for name in (*NETWORKS, "fc-rbf-in", "fc-dec-cat"))]
WINDOWS += [("fe", {"output": output}) for output in OUTPUTS[1:]] + [("fc-rbf-in+omg-lstm", {"mode": "paper"})]


@pytest.mark.parametrize(("name", "options"), WINDOWS, ids=str)
def test_a_window_on_a_gpu(name: str, options: dict[str, Any], domains: dict[str, Domain]) -> None:
    domain = domains["r4"]
    model = make_model(name, options)
    network = model.network(sizes_for(len(domain.rig)))
    skeleton = make_skeleton(domain.rig, domain.motion.fps)
    normal = model.statistics(domain)
    training = Training(
        network, normal, skeleton, CONFIG, 9, Context("full", 1.0, Budget(9, 216), 0), loss=model.loss
    )
    first, second = Streams(domain, CONFIG, 2, 0)
    training.training_step(first, 0)  # what looks at values, such as where to put centres, is done once

    pretended = Pretended()
    pretended.place([*training.parameters(), *training.buffers(), *second])
    training.carried = Carry(*pretended.place([part.clone() for part in training.carried or ()]))
    with pretended:
        training.skeleton, training.draws = skeleton.to(GPU), Draws(torch.Generator(), GPU)
        loss = training.training_step(second, 1)
    assert pretended.is_there(loss)


@pytest.mark.parametrize(("name", "options"), WINDOWS, ids=str)
def test_an_update_of_a_group_on_a_gpu(
    name: str, options: dict[str, Any], domains: dict[str, Domain], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two updates of two cells, forward, backward and step, call by call."""
    pretended = Pretended()
    monkeypatch.setattr(engine, "PlacedDraws", lambda draws: draws)  # there is nothing to record on
    settle = Leaf.settle

    def settled(leaf: Leaf) -> None:
        pretended.place(leaf.pending)  # made by torch's own backward pass, which nobody listens to
        settle(leaf)

    monkeypatch.setattr(Leaf, "settle", settled)
    ctxs = [Context("cold", 1.0, Budget(2, 48), seed) for seed in (0, 1)]
    lessons = [Lesson(make_model(name, options), (domains["r4"],), ctx) for ctx in ctxs]
    for lesson in lessons:
        lesson.prepare()
        for module in (*lesson.networks, *lesson.normals):
            pretended.place([*module.parameters(), *module.buffers()])
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, device: module)  # it is there
    before = [[p.clone() for p in lesson.networks[0].parameters()] for lesson in lessons]
    with pretended:
        engine.train_together(lessons, GPU)
    for lesson, old in zip(lessons, before, strict=True):
        assert any(not torch.equal(p, q) for p, q in zip(lesson.networks[0].parameters(), old, strict=True))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name in ("anyrig", "mvae", "rtn")])
def test_generation_on_a_gpu(name: str, domains: dict[str, Domain]) -> None:
    """A frame without the truth beside it, in evaluation mode, as in a roll-out."""
    domain = domains["quad"]
    network = make_model(name, {}).network(sizes_for(len(domain.rig))).eval()
    normal, skeleton = make_model(name, {}).statistics(domain), make_skeleton(domain.rig, domain.motion.fps)
    state, rows = states(domain.motion)[:, 3], len(domain)
    carry = Carry(state, torch.zeros(rows, 16), torch.zeros(rows, network.memory), torch.zeros(rows, network.noise))
    asked = control_targets(domain.objectives, domain.motion.fps).at(3)
    pretended = Pretended()
    pretended.place([*network.parameters(), *normal.buffers(), *carry, *asked])
    with pretended, torch.no_grad():
        after, _ = run_step(network, Frame(carry, asked, skeleton.to(GPU), normal))
    assert all(pretended.is_there(part) for part in after if part.numel())


@pytest.mark.parametrize("name", [*CONTROLS, *UNTRAINED])
def test_controls_compute_the_same_whatever_the_device(name: str, domains: dict[str, Domain]) -> None:
    """They leave what is on a device alone, so there is nothing to mix."""
    domain = domains["quad"]
    exam = cut_clips(domain.motion[:2], 30, ["a", "b"], ["a", "b"], ["a", "b"], domain.objectives[:2])
    made = []
    for device in ("cpu", "cuda"):
        model, ctx = make_model(name, {}), Context("none", 1.0, Budget(0, 0), 0, device=device)
        with Pretended():
            model.adapt(domain, ctx)
            made.append(model.generate(exam.prompt, ctx))
    np.testing.assert_array_equal(made[0].rotations, made[1].rotations)
    np.testing.assert_array_equal(made[0].root_positions, made[1].root_positions)


def test_every_registered_model_is_tried() -> None:
    tried = {name for name, _ in WINDOWS} | {*CONTROLS, "feedforward", *UNTRAINED}
    assert {"anyrig", "fe", "mann", *CONTROLS} <= set(ENTRIES) <= tried


def test_streams_draw_the_same_on_every_device(domains: dict[str, Domain]) -> None:
    here, there = (next(iter(Streams(domains["r4"], CONFIG, 1, 0, device))) for device in ("cpu", "meta"))
    assert all(part.device.type == "meta" for part in there)
    assert [part.shape for part in here] == [part.shape for part in there]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu_is_one_clear_line(domains: dict[str, Domain]) -> None:
    context = Context("cold", 1.0, Budget(1, 100), 0, device="cuda")
    with pytest.raises(UserError, match="--accelerator gpu: torch sees no GPU here"):
        make_model("fe", {}).adapt(domains["quad"], context)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", ["fe", "anyrig"])
def test_a_gpu_learns_what_the_cpu_learns(name: str, domains: dict[str, Domain]) -> None:
    losses: dict[str, list[float]] = {}
    for device in ("cpu", "cuda"):
        heard = losses[device] = []

        def note(update: int, updates: int, loss: float, heard: list[float] = heard) -> None:
            heard.append(loss)

        context = Context("cold", 1.0, Budget(30, 2000), 0, device, progress=note)
        make_model(name, {"windows": 16}).adapt(domains["r4"], context)
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=0.05)
