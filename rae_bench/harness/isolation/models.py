"""Which model process does what: kept from cell to cell as far as nothing may be learnt that way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from rae_bench.errors import UserError
from rae_bench.harness.isolation import messages as m
from rae_bench.harness.isolation.process import ModelFailed, ModelProcess
from rae_bench.harness.isolation.remote import RemoteModel
from rae_bench.model.plugins.plugin import PackedPlugin
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
        self,
        spec: str,
        options: Mapping[str, Any],
        *,
        company: object,
        threads: int = 1,
        identity: str = "",
        plugin: PackedPlugin | None = None,
    ) -> RemoteModel:
        """A fresh instance of a model.

        Args:
            spec, options: what `make_model` takes.
            company: what cells that may share a plug-in's process have in common.
            threads: of its process.
            identity: of a plug-in that is named by a path: what its code must be.
            plugin: its files, for a machine that does not have them.

        Raises:
            ModelFailed: it cannot be made.
        """
        ours = resolve_model(spec).plugin is None
        process = self._process("ours" if ours else "plug-in", threads if ours else (spec, company, threads), threads)
        files = plugin and m.PluginFiles(plugin.identity, plugin.entry, plugin.files)
        return RemoteModel(process, m.Make(spec, dict(options), identity, files))

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
    ref: ModelRef, options: Mapping[str, Any], packed: PackedPlugin | None = None, *, space: bool = False
) -> dict[str, Any]:
    """`card` and resolved `options` of a plug-in, as a model process of its own says; `search_space` where asked for.

    Raises:
        UserError: it cannot be made with these options.
    """
    for name, value in options.items():
        if not _is_json(value):
            kind = type(value).__name__
            raise UserError(f"model '{ref.spec}': option {name} is a {kind}; numbers, texts and lists are options")
    key = json.dumps([ref.spec, ref.identity, dict(options), space], sort_keys=True)
    if key not in _DESCRIBED:
        with Models() as models:
            try:
                model = models.make(ref.spec, options, company=None, identity=str(ref.identity), plugin=packed)
                _DESCRIBED[key] = model.describe(space=space)
            except ModelFailed as failed:
                named = ref.spec in failed.reason
                raise UserError(failed.reason if named else f"model '{ref.spec}': {failed.reason}") from None
    return _DESCRIBED[key]


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def isolated(ref: ModelRef, options: Mapping[str, Any], packed: PackedPlugin | None = None) -> ModelRef:
    """The same model; where it is a plug-in, what its own code says of it has been asked in a model process.

    Whoever holds held-out motion, or will, may use the result without running foreign code.

    Raises:
        UserError: it cannot be made with these options.
    """
    if ref.plugin is None:
        return ref
    card = describe(ref, options, packed)["card"]
    resolved = partial(_resolved, ref, packed)
    return replace(ref, about={**ref.about, "capabilities": card["capabilities"]}, _resolve=resolved)


def _resolved(ref: ModelRef, packed: PackedPlugin | None, options: Mapping[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = describe(ref, options, packed)["options"]
    return resolved
