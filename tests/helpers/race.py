"""Timing two things side by side, in seconds of one core: a neighbour's load then hits both alike."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

GEMM_WIDTHS = (2048, 512)


class Race(NamedTuple):
    """Least core-seconds of each contestant."""

    best: Mapping[str, float]

    def ratio(self, slow: str, fast: str) -> float:
        """How many times as long `slow` takes."""
        return self.best[slow] / self.best[fast]


def race(benchmark: Any, contestants: Mapping[str, Callable[[], object]], rounds: int = 5) -> Race:
    """Runs all of them in turn, `rounds` times after one to warm up; the first is what pytest-benchmark records."""
    torch.set_num_threads(1)
    best = dict.fromkeys(contestants, float("inf"))
    for done in range(rounds + 1):
        for name, run in contestants.items():
            started = time.process_time()
            run()
            if done:
                best[name] = min(best[name], time.process_time() - started)
    benchmark.pedantic(next(iter(contestants.values())), rounds=1)
    benchmark.extra_info.update({name: round(seconds, 6) for name, seconds in best.items()})
    return Race(best)


def gemm_forward(batch: int) -> tuple[Callable[[], object], float]:
    """A matrix product of `batch` rows at the widths of the paper's mixture, and its floating point operations."""
    wide, narrow = GEMM_WIDTHS
    x, weight = torch.randn(batch, wide), torch.randn(wide, narrow)
    return lambda: torch.mm(x, weight), 2.0 * batch * wide * narrow


def gemm_training(batch: int) -> tuple[Callable[[], object], float]:
    """The three products that such a layer needs in training: forward, and the gradients of input and weights."""
    wide, narrow = GEMM_WIDTHS
    x, weight, gradient = torch.randn(batch, wide), torch.randn(wide, narrow), torch.randn(batch, narrow)

    def products() -> None:
        torch.mm(x, weight)
        torch.mm(gradient, weight.T)
        torch.mm(x.T, gradient)

    return products, 6.0 * batch * wide * narrow
