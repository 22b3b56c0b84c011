"""`nsm`: a neural state machine that also predicts in the frames of its goals.

The paper is Starke, Zhang, Komura, Saito 2019, "Neural State Machine for Character-Scene Interactions" (SIGGRAPH Asia).
Encoders of two ELU layers read pose (512) and goal (128). Three blended layers follow (512, K = 10). They are gated by
an MLP (512-512-K) on the phase times (1, distance to the goal, angle to the goal). Output is given twice, in the
character's and in the goal's frame ("bidirectional control"). The root follows a blend of both, in which the goal's
frame counts more the nearer the goal is.

Mapped onto objectives, a goal is a role's objective. For each role the gate reads (its local phase vector, whether it
has an objective) times (1, distance, angle), 72 entries, and what the path asks. For each key joint the network gives
how it moves in its objective's frame; where the joint truly is at the next frame is an additional loss. The pelvis'
prediction is a step of the root. It is blended with the step that the codec decodes by w = exp(-distance / 0.5), in rig
heights, and by 0 without an objective.

This departs from the paper in five points. Its phase is a point of the unit circle. A local phase is zero where nothing
repeats, so goals and path reach the gate by themselves too, and not times a phase alone. There is no scene, so there
are no environment and interaction encoders. There are no trajectory samples, action labels and contact output. The
blend is of the root's place alone, not of its direction, and w is our choice. Phases are updated as by `omg-moe`.
Dropout (0.3) is in `paper` alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rae_bench.model import CONTROL, PATH_SIZE, ROLES, Frame

from ..layers import MixedStack, mlp
from ..parts import Core, CoreOutput, Widths, join, next_phase

ABOUT = {
    "class": "Nsm",
    "version": 2,
    "paper": "Neural State Machine for Character-Scene Interactions, SIGGRAPH Asia 2019",
    "licence": "MIT",
    "description": "neural state machine with outputs in the goals' frames",
    "parameters": 372_485,
}
PRESETS = {
    "small": {"hidden": 128, "goal": 64, "width": 128, "experts": 4, "gate": 64, "dropout": 0.0},
    "paper": {"hidden": 512, "goal": 128, "width": 512, "experts": 10, "gate": 512, "dropout": 0.3},
}
REACH = 0.5
"""Rig heights over which the weight of the goal's frame falls to 1 / e."""
GOAL_LOSS = 10.0
PELVIS, SLOTS = ROLES.index("pelvis"), len(ROLES)
GATED = 9 * SLOTS + PATH_SIZE
"""Inputs of the gate: nine for each role, and the path."""


def columns_of(pair: Tensor) -> Tensor:
    """(..., 3, 3) rotation matrices of their first two columns (..., 6)."""
    a, b = pair.unflatten(-1, (2, 3)).unbind(-2)
    return torch.stack([a, b, torch.linalg.cross(a, b)], -1)


def goal_frames(asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where objectives and key joints are to each other, of what objectives ask (B, 8, 24).

    Returns:
        (B, 8, 3) positions of the objectives and (B, 8, 3, 3) their rotations, in root space; (B, 8, 3) positions of
        the key joints in their objective's frame. All are in rig heights, and zeros where there is no objective.
    """
    axes = columns_of(asked[..., CONTROL.target_rotation])
    here = -(asked[..., None, CONTROL.position_cost] @ axes).squeeze(-2)
    return asked[..., CONTROL.target_position], axes, here


def gate_inputs(frame: Frame) -> Tensor:
    """(B, 84) what the gate reads.

    For each role its phase vector, and whether it has an objective, each times 1, the distance to its objective and the
    angle to it in radians (72); then the path (12), in rig heights.
    """
    asked = frame.asked
    distance = asked[..., CONTROL.position_cost].norm(dim=-1)
    target, cost = CONTROL.target_rotation, CONTROL.rotation_cost
    turned = columns_of(asked[..., target]) * columns_of(asked[..., target] - asked[..., cost])
    cosine = (turned.sum((-2, -1)) - 1) / 2
    angle = frame.active * torch.acos(cosine.clamp(-1 + 1e-5, 1 - 1e-5))
    scale = torch.stack([torch.ones_like(distance), distance, angle], -1)
    state = torch.cat([frame.phase.unflatten(-1, (SLOTS, 2)), frame.active[..., None]], -1)
    goals = (state[..., None] * scale[..., None, :]).flatten(-3)
    return torch.cat([goals, frame.path.flatten(-2)], -1)


class Nsm(Core):
    """`hidden` and `goal` are widths of the encoders, `width` is of the experts, `gate` of the gate."""

    reads_following = True
    stacks = True

    def __init__(
        self, widths: Widths, hidden: int, goal: int, width: int, experts: int, gate: int, dropout: float
    ) -> None:
        super().__init__()
        self.split = [widths.embedding, widths.phase, 3 * SLOTS]
        self.pose = nn.Sequential(mlp(widths.given + widths.extra, hidden, hidden), nn.ELU())
        self.goal = nn.Sequential(mlp(widths.control, goal, goal), nn.ELU())
        self.gate = mlp(GATED, gate, gate, experts)
        self.mixture = MixedStack(experts, hidden + goal, width, sum(self.split), widths.extra, dropout)

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding, next phase, and the root's step towards the goal."""
        gates = torch.softmax(self.gate(gate_inputs(frame)), -1)
        x = torch.cat([self.pose(join(given, extra)), self.goal(frame.control)], -1)
        change, phase, moved = self.mixture(x, gates, extra, frame.draws).split(self.split, -1)

        place, axes, here = goal_frames(frame.asked)
        there = here + moved.unflatten(-1, (SLOTS, 3))
        losses = {}
        if frame.following is not None:
            apart = (there - goal_frames(frame.following.asked)[2]).abs() * frame.active[..., None]
            asked = frame.active.sum((-2, -1)).clamp(min=1)
            losses = {"goal": GOAL_LOSS * apart.sum((-3, -2, -1)) / (3 * asked)}
        step = place[..., PELVIS, :] + (axes[..., PELVIS, :, :] @ there[..., PELVIS, :, None]).squeeze(-1)
        weight = frame.active[..., PELVIS] * torch.exp(-here[..., PELVIS, :].norm(dim=-1) / REACH)
        phase = next_phase(phase, frame.phase)
        return CoreOutput(change, phase, losses=losses, steer=(step[..., ::2], weight[..., None]))
