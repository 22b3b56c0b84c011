"""One frame of many cells' characters, as their networks read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rae_bench.model.control import ARRIVAL_SCALE
from rae_bench.model.engine.asking import Asked, control_of
from rae_bench.model.engine.geometry import BodyPlan, advance_bodies, keys_of, pose_of
from rae_bench.model.step import Carry, Draw, Draws, Frame, Normal


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
        following: BodyFrame | None = None, progress: float | Tensor = 1.0, draws: Draws | None = None,
    ) -> None:  # fmt: skip
        self.phase, self.memory, self.noise = carry.phase, carry.memory, carry.noise
        self.following, self.progress, self.draws = following, progress, draws
        self._body, self._asked, self._plan = carry.state, asked, plan
        self._normal: Any = normal
        self._skeleton = plan.skeleton

    @cached_property
    def _state(self) -> Tensor:  # type: ignore[override]  # of a `Frame` they are given
        return self._plan.states(self._body)

    @cached_property
    def _flags(self) -> Tensor:  # type: ignore[override]  # of a `Frame` they are given
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

    def __init__(self, frame: BodyFrame, given: Mapping[str, Any], draws: Draws | None) -> None:
        following = given.get("following")
        assert frame.following is None or isinstance(frame.following, BodyFrame)
        self.following = None if following is None else GivenFrame(frame.following or frame, following, None)
        self.progress, self._skeleton, self.draws = frame.progress, frame.skeleton, draws
        self._normal: Any = _OneNormal(given.get("normal", {}))
        for name, value in given.items():
            if name not in ("following", "normal"):
                self.__dict__[name] = value


class NotedDraws(Draws):
    """Numbers that are good for nothing, of a network that is called to learn what it asks for: `asked`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.asked: list[Draw] = []

    def draw(self, asked: Draw) -> Tensor:
        """Some numbers of the shape, which are not random: vmap allows none."""
        self.asked.append(asked)
        if asked.kind == "permutation":
            return torch.arange(*asked.shape, device=self._device)
        return torch.full(asked.shape, 0.5, device=self._device)


class CellDraws(Draws):
    """Random numbers of one of the cells within `torch.func.vmap`, where nothing can be drawn: they are there already.

    Args:
        drawn: what was asked for in the frames before, and the numbers for this one.
    """

    def __init__(self, drawn: Iterable[tuple[Draw, Tensor]]) -> None:
        self._drawn = iter(drawn)

    def draw(self, asked: Draw) -> Tensor:
        """The next of them."""
        before, numbers = next(self._drawn, (None, None))
        if before != asked or numbers is None:
            raise RuntimeError("it does not draw the same random numbers in each frame; see StepNetwork.stacks")
        return numbers


class _OneNormal:
    """`Normal` of one of the cells."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.__dict__.update(tensors)

    next_pose = Normal.next_pose
