"""Roll-outs of several networks as one tensor program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from rae_bench.model.api import Prompt
from rae_bench.model.control import control_targets
from rae_bench.model.engine.asking import Asked
from rae_bench.model.engine.frame import BodyFrame, CellNormals
from rae_bench.model.engine.geometry import BodyPlan
from rae_bench.model.engine.stack import ALIGNED, Stack
from rae_bench.model.engine.windows import asked_of_targets
from rae_bench.model.features import make_skeleton, states
from rae_bench.model.step import Carry, Normal, needs_of
from rae_bench.objectives.phases import local_phases


def roll_out(
    networks: Sequence[nn.Module], normals: Sequence[Normal], prompt: Prompt, noise: Sequence[Tensor],
    device: torch.device,
) -> Tensor:
    """Continue the clips of a prompt with each of K networks with `StepNetwork.stacks`, or with one of them K times.

    What comes out for a network does not depend on the others. For that, all cells must lie alike within vector units:
    so the last clip is continued several times where the clips are not a multiple of `ALIGNED`.

    Args:
        networks, normals: K, in evaluation mode.
        prompt: N clips.
        noise: what each of K networks is given, (T, Z) for T frames, or (1, Z) for all.
        device: where to compute.

    Returns:
        (K, N, T, D) states of the generated frames.
    """
    needs = needs_of(networks[0])
    stack = Stack([[network.to(device)] for network in networks])
    stack.evaluate()
    normal = CellNormals([normal.to(device) for normal in normals])
    plan = BodyPlan(make_skeleton(prompt.rig, prompt.fps).to(device))
    clips = len(prompt.frames)
    prompt = prompt[np.minimum(np.arange(-(-clips // ALIGNED) * ALIGNED), clips - 1)]
    frames, flags, path = asked_of_targets(control_targets(prompt.objectives, prompt.fps, prompt.path), device)
    cells, rows = len(networks), len(prompt.frames)
    given = torch.stack(list(noise)).to(device)
    last = prompt.history.root_positions.shape[1] - 1

    def asked(t: int) -> Asked:
        return Asked(*(part[t].expand(cells, *part.shape[1:]) for part in (frames, flags, path)))

    def drawn(t: int) -> Tensor:
        return given[:, min(t, given.shape[1] - 1), None].expand(-1, rows, -1)

    with torch.inference_mode():
        known = states(prompt.history).to(device)  # (N, T, D)
        bodies = known[..., plan.order].permute(1, 2, 0)  # frame, D, row
        lead = (cells, rows)
        phase = torch.from_numpy(prompt.phases).flatten(1).to(device).expand(*lead, -1)
        carry = Carry(bodies[last].expand(cells, -1, -1), phase, known.new_zeros(*lead, needs.memory), drawn(0))
        if needs.memory:
            phases = local_phases(prompt.history, prompt.objectives, past_only=True)
            past = torch.from_numpy(phases).flatten(2).to(device)
            for t in range(last):
                before = carry._replace(state=bodies[t].expand(cells, -1, -1), phase=past[:, t].expand(*lead, -1))
                out = stack(0, BodyFrame(before, asked(t), plan, normal))
                carry = carry._replace(memory=carry.memory if out.memory is None else out.memory)
        made: list[Tensor] = []
        for step in range(int(prompt.frames.max())):
            frame = BodyFrame(carry, asked(last + step), plan, normal)
            out = frame.held(stack(0, frame))
            memory = frame.memory if out.memory is None else out.memory
            carry = Carry(frame.moved(out.change), out.phase, memory, drawn(step + 1))
            made.append(carry.state)
        return plan.windows(torch.stack(made, 1))[:, :clips]
