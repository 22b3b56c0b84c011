"""One frame of many cells' characters, as their networks read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rae_bench.model.control import ARRIVAL_SCALE
from rae_bench.model.engine.geometry import Asked, BodyPlan, advance_bodies, control_of, keys_of, pose_of
from rae_bench.model.step import Carry, Draws, Frame, Normal


class CellNormals:
    """`Normal` of K cells: `mean` and `std` (K, 1, 4 + 12 J), `change` (K, 1, 4 + 3 J)."""

    def __init__(self, normals: Sequence[Normal]) -> None:
        self.mean, self.std, self.change = (
            torch.stack([getattr(normal, name) for normal in normals])[:, None] for name in ("mean", "std", "change")
        )

    next_pose = Normal.next_pose


class BodyFrame(Frame):
    """A `Frame` of K cells at once: its parts are (K, B, ...), and its state is a body (K, D, B)."""

    def __init__(
        self, carry: Carry, asked: Asked, plan: BodyPlan, normal: CellNormals,
        following: BodyFrame | None = None, progress: float = 1.0, draws: Draws | None = None,
    ) -> None:  # fmt: skip
        self.phase, self.memory, self.noise = carry.phase, carry.memory, carry.noise
        self.following, self.progress, self.draws = following, progress, draws
        self._body, self._asked, self._plan = carry.state, asked, plan
        self._normal: Any = normal
        self._skeleton = plan.skeleton

    @cached_property
    def _state(self) -> Tensor:  # type: ignore[override]
        return self._plan.states(self._body)

    @cached_property
    def _flags(self) -> Tensor:  # type: ignore[override]
        return self._asked.flags.permute(0, 3, 2, 1)

    @cached_property
    def pose(self) -> Tensor:
        """(K, B, 4 + 12 J) as of `Frame`."""
        return pose_of(self._body, self._normal.mean, self._normal.std, self._plan)

    @cached_property
    def control(self) -> Tensor:
        """(K, B, 204) as of `Frame`."""
        return self._row * self._plan.scales

    @cached_property
    def _row(self) -> Tensor:
        return control_of(self._body, self._asked, self._plan)

    @cached_property
    def keys(self) -> Tensor:
        """(K, B, 8, 12) as of `Frame`."""
        return keys_of(self._body, self._plan)

    @cached_property
    def active(self) -> Tensor:
        """(K, B, 8) as of `Frame`."""
        return (self._asked.flags[:, 0] * self._plan.mask).transpose(1, 2)

    @cached_property
    def seconds(self) -> Tensor:
        """(K, B, 8) as of `Frame`."""
        squashed = self._asked.flags[:, 2].transpose(1, 2)
        return self.active * ARRIVAL_SCALE * squashed / (1 - squashed)

    def moved(self, change: Tensor) -> Tensor:
        """Bodies (K, D, B) that a change leads to."""
        return advance_bodies(self._body, change, self._normal.change, self._plan)

    def given(self, whole: bool) -> dict[str, Any]:
        """What a network of one cell is given, by name: tensors with an axis of cells.

        Args:
            whole: whether it reads more than pose, control and phase.
        """
        made: dict[str, Any] = {"pose": self.pose, "control": self.control, "phase": self.phase}
        if whole:
            made |= {"keys": self.keys, "_row": self._row, "active": self.active, "seconds": self.seconds}
            made |= {"memory": self.memory, "noise": self.noise, "_state": self._state, "_flags": self._flags}
            made |= {"normal": {name: getattr(self._normal, name)[:, 0] for name in ("mean", "std", "change")}}
            if isinstance(self.following, BodyFrame):
                made["following"] = self.following.given(whole)
        return made


class GivenFrame(Frame):
    """The frame of one of a `BodyFrame`'s cells, within `torch.func.vmap`: what it was `given` is there already."""

    def __init__(self, frame: BodyFrame, given: Mapping[str, Any]) -> None:
        following = given.get("following")
        assert frame.following is None or isinstance(frame.following, BodyFrame)
        self.following = None if following is None else GivenFrame(frame.following or frame, following)
        self.progress, self._skeleton = frame.progress, frame.skeleton
        self.draws = None if frame.draws is None else _NoDraws()
        self._normal: Any = _OneNormal(given.get("normal", {}))
        for name, value in given.items():
            if name not in ("following", "normal"):
                self.__dict__[name] = value


class _NoDraws(Draws):
    """Where a network that knows nothing of cells would draw, it cannot train with others."""

    def __init__(self) -> None:
        super().__init__(())

    def _draw(self, one: Any) -> Tensor:
        raise RuntimeError("it draws random numbers; with StepNetwork.stacks they would be each cell's own")


class _OneNormal:
    """`Normal` of one of the cells."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.__dict__.update(tensors)

    next_pose = Normal.next_pose
