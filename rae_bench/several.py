"""Training on several rigs at once: networks that share a core take turns, an update each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as lightning
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from rae_bench.training import Batch, Streams, Training


class SeveralStreams(IterableDataset):
    """One update's windows of each domain in turn, with the domain's place in the row."""

    def __init__(self, streams: Sequence[Streams]) -> None:
        self.streams = streams

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        turns = [iter(stream) for stream in self.streams]
        for update in range(self.streams[0].updates):
            which = update % len(turns)
            yield which, next(turns[which])


class SeveralTraining(lightning.LightningModule):
    """A `Training` for each domain; one optimiser over all their parameters, those of the shared core once."""

    def __init__(self, parts: Sequence[Training]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.config, self.updates = parts[0].config, parts[0].updates

    def training_step(self, batch: tuple[int, Batch], index: int) -> Tensor:
        """The loss on the domain whose turn it is."""
        which, windows = batch
        loss: Tensor = self.parts[which].training_step(windows, index)  # type: ignore[operator]
        return loss

    def configure_optimizers(self) -> Any:
        """As for one domain."""
        return Training.configure_optimizers(self)  # type: ignore[arg-type]
