"""Which model process does what: kept from cell to cell as far as nothing may be learnt that way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rae_bench.errors import UserError
from rae_bench.harness.isolation import messages as m
from rae_bench.harness.isolation.process import ModelFailed, ModelProcess
from rae_bench.harness.isolation.remote import RemoteModel
from rae_bench.model.plugins.plugin import ship_plugin
from rae_bench.model.registry import ModelRef, resolve_model


class Models:
    """The model processes of one driver: one for all models that ship with this package, and one for a plug-in.

    The plug-in's is kept for cells of the same model, task and fold: what it was given of a fold's prompts must not
    reach the training for another one, whose segments they are.
    """

    def __init__(self) -> None:
        self._processes: dict[str, tuple[object, ModelProcess]] = {}

    def __enter__(self) -> Models:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def make(
        self, spec: str, options: Mapping[str, Any], *, company: object, threads: int = 1, count: int = 1
    ) -> RemoteModel:
        """Fresh instances of a model; of a plug-in that is named by a path, as its files are known to this process.

        Args:
            spec, options: what `make_model` takes.
            count: how many.
            company: what cells that may share a plug-in's process have in common.
            threads: of its process.

        Raises:
            UserError: there is no such model.
            ModelFailed: it cannot be made.
        """
        ours = resolve_model(spec).plugin is None
        packed = ship_plugin(spec)
        files = m.PluginFiles(packed.identity, packed.entry, packed.files) if packed else None
        process = self._process("ours" if ours else "plug-in", threads if ours else (spec, company, threads), threads)
        return RemoteModel(process, m.Make(spec, dict(options), count, files))

    def warm(self, threads: int) -> None:
        """Have the process of the package's own models import what takes long. Returns when that is done."""
        self._process("ours", threads, threads).ask(m.Warm())

    def _process(self, kind: str, key: object, threads: int) -> ModelProcess:
        known = self._processes.get(kind)
        if known is not None and known[0] == key and known[1].alive:
            return known[1]
        if known is not None:
            known[1].end()
        process = ModelProcess(threads)
        self._processes[kind] = (key, process)
        return process

    def close(self) -> None:
        """End all processes."""
        for _, process in list(self._processes.values()):
            process.end()
        self._processes.clear()


_DESCRIBED: dict[str, dict[str, Any]] = {}
"""What model processes said of plug-ins, by name, code and options."""


def describe(
    ref: ModelRef, options: Mapping[str, Any], *, space: bool = False, trial: bool = False
) -> dict[str, Any]:
    """What a plug-in is, as a model process of its own says: what the command `Describe` returns.

    Raises:
        UserError: it cannot be made with these options.
    """
    for name, value in options.items():
        if not _is_json(value):
            kind = type(value).__name__
            raise UserError(f"model '{ref.spec}': option {name} is a {kind}; numbers, texts and lists are options")
    key = json.dumps([ref.spec, ref.identity, dict(options), space, trial], sort_keys=True)
    if key not in _DESCRIBED:
        with Models() as models:
            try:
                _DESCRIBED[key] = models.make(ref.spec, options, company=None).describe(space=space, trial=trial)
            except ModelFailed as failed:
                named = ref.spec in failed.reason
                raise UserError(failed.reason if named else f"model '{ref.spec}': {failed.reason}") from None
    return _DESCRIBED[key]


def why_alone(ref: ModelRef, options: Mapping[str, Any]) -> str:
    """Return why the cells of a model train one by one; "" where they train together, or do not learn."""
    if ref.plugin is not None:
        return str(describe(ref, options, trial=True)["why_alone"])
    own = ref.about.get("learns", True) and not ref.about.get("groups")
    return "it has its own adapt" if own else ""


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def isolated(ref: ModelRef, options: Mapping[str, Any]) -> ModelRef:
    """The same model; where it is a plug-in, what its own code says of it has been asked in a model process.

    Whoever holds held-out motion, or will, may use the result without running foreign code.

    Raises:
        UserError: it cannot be made with these options.
    """
    if ref.plugin is None:
        return ref
    said = describe(ref, options)
    card = said["card"]
    about = {**ref.about, "capabilities": card["capabilities"], "groups": said["groups"]}
    return replace(ref, about=about, _resolve=lambda others: describe(ref, others)["options"])
