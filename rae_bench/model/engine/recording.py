"""An update as a CUDA graph: recorded once, and replayed without the thousands of calls that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rae_bench.model.step import Draw, Draws, put

WARM = 3
"""Updates that are done call by call before one is recorded: libraries and optimisers allocate in the first ones."""


class PlacedDraws(Draws):
    """Random numbers with places on the device that an update reads.

    What the first update asks for gets its places. From then on `fill` draws, and each update is given the places again
    in the same order.
    """

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._places: list[tuple[Draw, Tensor]] = []
        self._next: int | None = None

    def fill(self) -> None:
        """Draw what the next update will ask for."""
        for asked, place in self._places:
            place.copy_(self._draws.draw(asked))
        self.rewind()

    def rewind(self) -> None:
        """Give the same places once more."""
        self._next = 0

    def forget(self) -> None:
        """Let the next update ask for whatever it wants."""
        self._places, self._next = [], None

    def draw(self, asked: Draw) -> Tensor:
        """The place of what is asked for. Raises `RuntimeError` where an update asks otherwise than that before."""
        if self._next is None:
            place = self._draws.draw(asked)
            self._places.append((asked, place))
            return place
        if self._next == len(self._places) or self._places[self._next][0] != asked:
            raise RuntimeError("it does not draw the same random numbers in each update")
        self._next += 1
        return self._places[self._next - 1][1]


class Recording:
    """An update that is always the same but for the numbers that it is given.

    Nothing is drawn on the device: random numbers come from the CPU into places that the graph reads. What cannot be
    recorded, for instance because it waits for the device, is done call by call.

    Args:
        update: does an update, of tensors on the device, and returns its losses.
        draws: what it draws from.
        device: a CUDA device.

    Attributes:
        why_not: why it could not be recorded.
    """

    def __init__(self, update: Callable[[Sequence[Tensor]], Tensor], draws: PlacedDraws, device: torch.device) -> None:
        self._update, self._draws, self._device = update, draws, device
        self._stream = torch.cuda.Stream(device)
        self._given: list[Tensor] = []
        self._graph: torch.cuda.CUDAGraph | None = None
        self._losses = torch.empty(0)
        self._done = 0
        self.why_not = ""

    def __call__(self, given: Sequence[Tensor]) -> Tensor:
        """Do an update of these numbers, which are on the CPU."""
        if not self._given:
            self._given = [put(number, self._device) for number in given]
        else:
            for place, number in zip(self._given, given, strict=True):
                place.copy_(put(number, self._device))
        self._done += 1
        if self._done <= WARM or self.why_not:
            self._draws.forget()
            return self._call_by_call()
        self._draws.fill()
        if self._graph is None:
            self._record()
        if self._graph is None:
            return self._call_by_call()
        self._graph.replay()
        return self._losses.clone()

    def _call_by_call(self) -> Tensor:
        """Do the update on the stream that it is recorded on."""
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            losses = self._update(self._given)
        here.wait_stream(self._stream)
        return losses

    def _record(self) -> None:
        """Record the update without doing it."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._losses = self._update(self._given)
        except RuntimeError as error:
            self.why_not = str(error).partition("\n")[0]
            self._draws.rewind()
        else:
            self._graph = graph
