"""What runs in a model process: reads commands as JSON lines on stdin, calls the model, answers as JSON lines.

It ends when stdin closes, in the middle of a command too, so it never outlives its driver, and takes its scratch folder
with it. What a model prints goes to stderr.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from rae_bench.errors import UserError
from rae_bench.harness.isolation import messages as m

if TYPE_CHECKING:
    from rae_bench.model.api import Domain, Prompt


def serve(scratch: Path) -> None:
    """Do commands until stdin closes.

    Args:
        scratch: a folder that is removed when this process ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle: it closes stdin
    commands, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # what models read from stdin are not our commands
    os.close(nothing)
    os.dup2(2, 1)  # what models print goes to stderr, not between our lines
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(commands, lines, scratch), daemon=True).start()
    decoder, lock = msgspec.json.Decoder(m.Command), threading.Lock()

    def send(reply: m.Reply) -> None:
        line = msgspec.json.encode(reply) + b"\n"
        with lock:
            replies.write(line)
            replies.flush()

    def progress(update: int, updates: int, loss: float) -> None:
        send(m.Trained(int(update), int(updates), float(loss) if loss == loss else None))

    served = Served(progress)
    while True:
        command = decoder.decode(lines.get())
        try:
            began = time.perf_counter()
            facts = served.do(command)
            seconds = time.perf_counter() - began
            send(m.Returned(facts, seconds, time.process_time(), _peak_memory()))
        except Exception as error:
            send(m.raised(error))


def _read(commands: BinaryIO, lines: queue.Queue[bytes], scratch: Path) -> None:
    for line in commands:
        lines.put(line)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


def _peak_memory() -> float:
    from rae_bench.harness.machine import peak_memory

    return peak_memory()


class Served:
    """The one instance of a model, and what it has been given.

    Args:
        progress: what a context reports to.
    """

    def __init__(self, progress: Callable[[int, int, float], None]) -> None:
        self._progress = progress
        self._forget()

    def _forget(self) -> None:
        self._spec = ""
        self._options: Mapping[str, Any] = {}
        self._instance: Any = None
        self._sources: tuple[Domain, ...] = ()
        self._target: Domain | None = None
        self._prompt: Prompt | None = None
        self._made: Any = None

    def do(self, command: m.Command) -> dict[str, Any]:
        """Do a command. Returns its facts; raises whatever the model does."""
        facts: dict[str, Any] | None = getattr(self, f"_{type(command).__name__.lower()}")(command)
        return facts or {}

    def _make(self, asked: m.Make) -> dict[str, Any]:
        from rae_bench.model.plugins.plugin import PackedPlugin, take_plugin
        from rae_bench.model.registry import make_model

        self._forget()
        files = asked.plugin
        take_plugin(asked.spec, PackedPlugin(files.identity, files.entry, files.files) if files else None)
        self._spec, self._options = asked.spec, asked.options
        self._instance = make_model(asked.spec, asked.options)
        return {"card": self._card()}

    def _card(self) -> dict[str, Any]:
        from rae_bench.model.api import ModelCard

        card = self._instance.card
        if not isinstance(card, ModelCard):
            kind = type(card).__name__
            raise UserError(f"model '{self._spec}': its card is a {kind}; a rae_bench.model.ModelCard is needed")
        return {**asdict(card), "capabilities": sorted(card.capabilities)}

    def _describe(self, asked: m.Describe) -> dict[str, Any]:
        from rae_bench.model.registry import resolve_model

        return {
            "card": self._card(),
            "options": resolve_model(self._spec).resolved(self._options),
            "search_space": dict(getattr(self._instance, "search_space", {})) if asked.space else {},
        }

    def _take(self, asked: m.Take) -> None:
        from rae_bench.harness.isolation.arrays import read

        self._sources = tuple(read(Path(path)) for path in asked.sources)
        self._target = read(Path(asked.target)) if asked.target else None

    def _context(self, asked: m.Circumstances, **domains: Any) -> Any:
        from rae_bench.model.api import Budget, Context

        budget = Budget(asked.updates, asked.frames)
        return Context(
            asked.regime, asked.fraction, budget, asked.seed, asked.device, asked.threads, self._progress,
            sources=self._sources, **domains,
        )  # fmt: skip

    def _pretrain(self, asked: m.Pretrain) -> dict[str, Any]:
        ctx = self._context(asked.ctx)
        self._instance.pretrain(self._sources[0], ctx)
        return {"cost": ctx.cost()}

    def _adapt(self, asked: m.Adapt) -> dict[str, Any]:
        ctx = self._context(asked.ctx, source=self._sources[0] if self._sources else None)
        self._instance.adapt(self._target, ctx)
        self._sources, self._target = (), None
        return {"cost": ctx.cost()}

    def _save(self, asked: m.Save) -> None:
        self._instance.save(Path(asked.folder))

    def _load(self, asked: m.Load) -> None:
        self._instance.load(Path(asked.folder))

    def _show(self, asked: m.Show) -> None:
        from rae_bench.harness.isolation.arrays import read

        self._prompt = read(Path(asked.prompt))

    def _generate(self, asked: m.Generate) -> None:
        from rae_bench.model.api import Context

        ctx = Context.to_generate(asked.ctx.regime, asked.ctx.seed, asked.ctx.device, asked.ctx.threads)
        self._made = self._instance.generate(self._prompt, ctx)

    def _give(self, asked: m.Give) -> None:
        from rae_bench.harness.isolation.arrays import write_trajectory
        from rae_bench.model.trajectory import Trajectory

        made, self._made, self._prompt = self._made, None, None
        checked = Trajectory.checked(made, f"model '{self._spec}': generate gave", single_precision=False)
        write_trajectory(Path(asked.path), checked)

    def _warm(self, asked: m.Warm) -> None:
        import torch

        import rae_bench.model

        assert torch
        assert rae_bench.model


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
