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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from rae_bench.data.generators.shared import MOTION_MADE
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

    account = Account()
    served = Served(progress, account)
    while True:
        command = decoder.decode(lines.get())
        try:
            began = time.perf_counter()
            facts = served.do(command)
            seconds = time.perf_counter() - began
            send(m.Returned(facts, seconds, time.process_time(), _peak_memory(), account.clips))
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


class Account:
    """What this process does, as the harness counts it: built-in motion, and steps of torch's optimisers.

    No model needs to make built-in motion, and test clips are among it. What has been hooked in cannot be taken out
    again. Code that brings a generator or an optimiser of its own is not seen.

    Attributes:
        clips: of built-in motion that the package's generators have made.
    """

    def __init__(self) -> None:
        self.clips = 0
        self._steps: dict[int, int] = {}
        self._counts = False
        sys.addaudithook(self._hear)

    def begin(self) -> None:
        """Begin to count steps anew."""
        self._steps.clear()
        self._look_for_torch()

    def steps(self) -> int:
        """The steps of the optimiser that took most since `begin`: one update may step several of them."""
        return max(self._steps.values(), default=0)

    def _hear(self, event: str, facts: tuple[Any, ...]) -> None:
        if event == MOTION_MADE:
            self.clips += int(facts[1])
        elif event == "import" and not self._counts:  # a model may import torch as late as in `adapt`
            self._look_for_torch()

    def _look_for_torch(self) -> None:
        hook = getattr(sys.modules.get("torch.optim.optimizer"), "register_optimizer_step_post_hook", None)
        if hook is not None and not self._counts:
            self._counts = True
            hook(self._count)

    def _count(self, optimizer: Any, *_: object) -> None:
        self._steps[id(optimizer)] = self._steps.get(id(optimizer), 0) + 1


class Served:
    """The instances of a model, and what they have been given.

    Args:
        progress: what a context reports to.
        account: counts what the process does.
    """

    def __init__(self, progress: Callable[[int, int, float], None], account: Account) -> None:
        self._progress, self._account = progress, account
        self._forget()

    def _forget(self) -> None:
        self._spec = ""
        self._options: Mapping[str, Any] = {}
        self._instances: list[Any] = []
        self._sources: list[tuple[Domain, ...]] = []
        self._targets: list[Domain] = []
        self._prompt: Prompt | None = None
        self._made: list[Any] = []

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
        self._instances = [make_model(asked.spec, asked.options) for _ in range(asked.count)]
        return {"card": self._card(), "generates_together": self._together("generate")}

    def _card(self) -> dict[str, Any]:
        from rae_bench.model.api import ModelCard

        card = self._instances[0].card
        if not isinstance(card, ModelCard):
            kind = type(card).__name__
            raise UserError(f"model '{self._spec}': its card is a {kind}; a rae_bench.model.ModelCard is needed")
        return {**asdict(card), "capabilities": sorted(card.capabilities)}

    def _describe(self, asked: m.Describe) -> dict[str, Any]:
        from rae_bench.model.registry import resolve_model

        return {
            "card": self._card(),
            "options": resolve_model(self._spec).resolved(self._options),
            "groups": self._together("adapt"),
            "search_space": dict(getattr(self._instances[0], "search_space", {})) if asked.space else {},
            "why_alone": self._why_alone() if asked.trial else "",
        }

    def _why_alone(self) -> str:
        asked = getattr(self._instances[0], "why_alone", None)
        return str(asked()) if asked is not None else "it is no LightningModel"

    def _take(self, asked: m.Take) -> None:
        from rae_bench.harness.isolation.arrays import read

        known: dict[str, Domain] = {}  # instances may share sources
        for path in [path for paths in asked.sources for path in paths]:
            if path not in known:
                known[path] = read(Path(path))
        self._sources = [tuple(known[path] for path in paths) for paths in asked.sources]
        self._targets = [read(Path(path)) for path in asked.targets]

    def _contexts(self, asked: Sequence[m.Circumstances], *, adapts: bool) -> list[Any]:
        """The context of each instance; the first reports for all."""
        from rae_bench.model.api import Budget, Context

        made: list[Any] = []
        for one, sources in zip(asked, self._sources, strict=True):
            made.append(Context(
                one.regime, one.fraction, Budget(one.updates, one.frames), one.seed, one.device, one.threads,
                None if made else self._progress, sources=sources, source=sources[0] if adapts and sources else None,
            ))  # fmt: skip
        return made

    def _together(self, method: str) -> bool:
        """Whether the model's class has a way to do a method for several instances at once."""
        asked = getattr(type(self._instances[0]), "trains_together", None)
        return bool(asked is not None and asked(method))

    def _pretrain(self, asked: m.Pretrain) -> dict[str, Any]:
        return self._learn("pretrain", [each[0] for each in self._sources], self._contexts(asked.ctxs, adapts=False))

    def _learn(self, method: str, domains: Sequence[Domain], ctxs: Sequence[Any]) -> dict[str, Any]:
        """Have all instances learn, together where they can. Returns what it cost each, by the contexts' account."""
        steps = []
        if len(ctxs) > 1 and self._together(method):
            self._account.begin()
            getattr(type(self._instances[0]), f"{method}_together")(self._instances, domains, ctxs)
            steps = [self._account.steps()] * len(ctxs)
        else:
            for instance, domain, ctx in zip(self._instances, domains, ctxs, strict=True):
                self._account.begin()
                getattr(instance, method)(domain, ctx)
                steps.append(self._account.steps())
        return {"costs": [{**ctx.cost(), "optimizer_steps": n} for ctx, n in zip(ctxs, steps, strict=True)]}

    def _adapt(self, asked: m.Adapt) -> dict[str, Any]:
        costs = self._learn("adapt", self._targets, self._contexts(asked.ctxs, adapts=True))
        self._sources, self._targets = [], []
        return costs

    def _save(self, asked: m.Save) -> None:
        self._instances[asked.which].save(Path(asked.folder))

    def _load(self, asked: m.Load) -> None:
        self._instances[asked.which].load(Path(asked.folder))

    def _show(self, asked: m.Show) -> None:
        from rae_bench.harness.isolation.arrays import read

        self._prompt = read(Path(asked.prompt))

    def _generate(self, asked: m.Generate) -> None:
        from rae_bench.model.api import Context

        ctxs = [Context.to_generate(one.regime, one.seed, one.device, one.threads) for one in asked.ctxs]
        instances = [self._instances[which] for which in asked.which]
        if self._together("generate"):
            self._made = type(instances[0]).generate_together(instances, self._prompt, ctxs)
        else:
            self._made = [one.generate(self._prompt, ctx) for one, ctx in zip(instances, ctxs, strict=True)]

    def _give(self, asked: m.Give) -> None:
        from rae_bench.harness.isolation.arrays import write_trajectory
        from rae_bench.model.trajectory import Trajectory

        every, self._made, self._prompt = self._made, [], None
        for made, path in zip(every, asked.paths, strict=True):
            checked = Trajectory.checked(made, f"model '{self._spec}': generate gave", single_precision=False)
            write_trajectory(Path(path), checked)

    def _warm(self, asked: m.Warm) -> None:
        import torch

        import rae_bench.model

        assert torch
        assert rae_bench.model


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
