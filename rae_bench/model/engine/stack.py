"""Many cells' networks as one: every parameter with a leading axis of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rae_bench.model.engine.frame import BodyFrame, CellDraws, GivenFrame, NotedDraws
from rae_bench.model.engine.linear import Leaf, make_leaf
from rae_bench.model.step import Draw, Next, StepNetwork
from rae_bench.model.training import core_of

ALIGNED = 16
"""What a cell has of a parameter is a multiple of so many numbers, so that all cells lie alike within vector units."""


class Section:
    """Parameters that train at the same updates, of K cells: those of the core, or of one rig's codec.

    Attributes:
        blocks: of each parameter (K, n) its n numbers and some zeros, which an optimiser steps.
        gradients: those of the blocks.
        leaves: name -> the same numbers as (K, ...), a leaf of autograd whose gradient lies in `gradients`.
    """

    def __init__(self, named: Sequence[tuple[str, Sequence[nn.Parameter]]]) -> None:
        self.blocks: list[nn.Parameter] = []
        self.gradients: list[Tensor] = []
        self.leaves: dict[str, Leaf] = {}
        for name, each in named:
            shape, size = (len(each), *each[0].shape), each[0].numel()
            block = nn.Parameter(torch.zeros(len(each), -(-size // ALIGNED) * ALIGNED, device=each[0].device))
            gradient = torch.zeros_like(block)
            leaf = make_leaf(block.data[:, :size].view(shape), gradient[:, :size].view(shape))
            leaf.data.copy_(torch.stack([one.detach() for one in each]))
            self.blocks.append(block)
            self.gradients.append(gradient)
            self.leaves[name] = leaf


class Stack:
    """The networks of K cells as one whose parameters and buffers are (K, ...).

    Each cell has a network for every rig that it trains on, with one core. A network whose `StepNetwork.stacks` is set
    takes tensors with an axis of cells; any other is called through `torch.func.vmap`, which knows nothing of branches
    on data, nor of random numbers but those of `Frame.draws`.

    Args:
        cells: the networks of each cell, a rig each.

    Attributes:
        device: where they are.
        sections: the parameters that train: those of the core, if they do, and those of each rig's codec.
    """

    def __init__(self, cells: Sequence[Sequence[nn.Module]]) -> None:
        self._cells = [nn.ModuleList(networks) for networks in cells]
        first = self._cells[0]
        self.device = next(first[0].parameters()).device
        self._stacks = isinstance(first[0], StepNetwork) and first[0].stacks
        named: list[dict[str, nn.Parameter]] = [dict(networks.named_parameters()) for networks in self._cells]
        shared = {id(parameter) for parameter in core_of(first[0]).parameters()}
        places: dict[str, list[str]] = {}
        for name, parameter in named[0].items():
            if parameter.requires_grad:
                places.setdefault("core" if id(parameter) in shared else name.partition(".")[0], []).append(name)
        self._sections = {
            place: Section([(name, [one[name] for one in named]) for name in names]) for place, names in places.items()
        }
        self._leaves: dict[str, nn.Parameter] = {}
        for section in self._sections.values():
            self._leaves |= section.leaves
        for name in named[0].keys() - self._leaves.keys():
            held = torch.stack([one[name].detach() for one in named])
            self._leaves[name] = nn.Parameter(held, requires_grad=False)
        buffers = [dict(networks.named_buffers()) for networks in self._cells]
        self._buffers = {name: torch.stack([one[name] for one in buffers]) for name in buffers[0]}
        self._asked: dict[str, list[Draw]] = {}  # random numbers of a frame, of networks that are called by vmap
        self._module = deepcopy(first)
        if self._stacks:
            self._put()

    def _put(self) -> None:
        """Give the module the stacked tensors in place of its own."""
        own = {id(parameter): name for name, parameter in self._module.named_parameters()}
        for prefix, module in self._module.named_modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[name] = self._leaves[own[id(parameter)]]
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = self._buffers[f"{prefix}.{name}" if prefix else name]

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def sections(self) -> Sequence[Section]:
        """All sections."""
        return tuple(self._sections.values())

    @property
    def core_blocks(self) -> list[nn.Parameter]:
        """What an optimiser steps of the core; nothing where it does not train."""
        return list(self._sections["core"].blocks) if "core" in self._sections else []

    @property
    def understood(self) -> bool:
        """Whether the networks say themselves that they take an axis of cells."""
        return self._stacks

    def used(self, rig: int) -> Iterator[Section]:
        """The sections that an update on a rig trains."""
        return (section for place, section in self._sections.items() if place in ("core", str(rig)))

    def parameters_of(self, cell: int) -> list[nn.Parameter]:
        """The parameters that a cell trains, with their gradients, for an optimiser of its own."""
        found = []
        for section in self.sections:
            for leaf in section.leaves.values():
                one = nn.Parameter(leaf.data[cell])
                assert leaf.grad is not None
                one.grad = leaf.grad[cell]
                found.append(one)
        return found

    def train(self, frozen: bool = False) -> None:
        """Put the networks into training; frozen cores stay as they are, running statistics included."""
        self._module.train()
        if frozen:
            for network in self._module:
                core_of(network).eval()

    def evaluate(self) -> None:
        """Put the networks into evaluation mode."""
        self._module.eval()

    def __call__(self, rig: int, frame: BodyFrame) -> Next:
        """One frame of all cells, of the network of a rig: every part is (K, B, ...), every loss and note (K,)."""
        network = self._module[rig]
        if self._stacks:
            made: Next = network(frame)
            return made
        return self._by_vmap(network, f"{rig}.", frame)

    def _by_vmap(self, network: nn.Module, prefix: str, frame: BodyFrame) -> Next:
        begin = len(prefix)
        whose = {id(p): name for name, p in self._module.named_parameters()}
        parameters = {name: self._leaves[whose[id(p)]] for name, p in network.named_parameters()}
        buffers = {name[begin:]: value for name, value in self._buffers.items() if name.startswith(prefix)}
        whole = isinstance(network, StepNetwork)
        given = frame.given(whole)

        def one(parameters: Any, buffers: Any, given: Any, drawn: Sequence[Tensor]) -> dict[str, Any]:
            cell = GivenFrame(frame, given, noted or CellDraws(zip(self._asked[prefix], drawn, strict=True)))
            if whole:
                made = functional_call(network, (parameters, buffers), (cell,))
            else:
                made = Next(*functional_call(network, (parameters, buffers), (cell.pose, cell.control, cell.phase)))
            return {name: part for name, part in made._asdict().items() if part is not None}

        every = torch.vmap(one, randomness="error")
        noted = None
        if not whole:
            self._asked[prefix] = []
        elif prefix not in self._asked:
            noted = NotedDraws(self.device)
            with torch.no_grad():
                every(parameters, {name: value.clone() for name, value in buffers.items()}, given, [])
            self._asked[prefix], noted = noted.asked, None
        assert frame.draws is not None
        return Next(**every(parameters, buffers, given, [frame.draws.draw(asked) for asked in self._asked[prefix]]))

    def hand_back(self) -> None:
        """Write every cell's parameters and buffers to its networks."""
        with torch.no_grad():
            for k, networks in enumerate(self._cells):
                for name, parameter in networks.named_parameters():
                    parameter.copy_(self._leaves[name][k])
                for name, buffer in networks.named_buffers():
                    buffer.copy_(self._buffers[name][k])
