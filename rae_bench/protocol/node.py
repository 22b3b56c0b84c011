"""What runs on a worker of Ray, be it here or on a node that shares no disk with who planned the job."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.errors import UserError
from rae_bench.plugins import Parcel, take_plugin
from rae_bench.protocol.domains import Side
from rae_bench.protocol.identity import installation, stale_parts
from rae_bench.protocol.task import Task
from rae_bench.protocol.worker import failure, perform
from rae_bench.registry import source_hash
from rae_bench.storage import pack, scratch, unpack

if TYPE_CHECKING:
    import ray


def shipped(module: str, name: str) -> Any:
    """A function of this package as Ray calls it on a worker.

    It travels by value, as it is a local one: Ray puts the folder where the sweep was called on the workers' path, and
    a source tree of this package there must not be taken for the installed one.
    """
    folder = os.getcwd()
    known = folder in sys.path

    def call(*arguments: Any, **named: Any) -> Any:
        import importlib
        import sys

        if not known:
            sys.path[:] = [place for place in sys.path if place not in (folder, "")]
        return getattr(importlib.import_module(module), name)(*arguments, **named)

    return call


def imports() -> None:
    """Import what takes long."""
    import torch

    import rae_bench.lightning_model

    assert torch
    assert rae_bench.lightning_model


_SIDES: dict[str, tuple[Task, tuple[Side, ...], Side]] = {}


def answer(
    payload: dict[str, Any], corpora: Sequence[ray.ObjectRef], plugin: Parcel | None,
    pretrained: Sequence[ray.ObjectRef] | None,
) -> dict[str, Any]:
    """Do a job on a worker: {kind: done, files} or {kind: failed, reason, trace}."""
    import ray

    spec = payload["model"] if payload["do"] == "pretrain" else payload["cell"]["model"]
    key = corpora[0].hex()
    if key not in _SIDES:
        _SIDES.clear()  # a worker goes from task to task and needs one at a time
        _SIDES[key] = ray.get(corpora[0])
    try:
        take_plugin(spec, plugin)
        check_installation(payload["identity"], spec)
        with scratch() as folder:
            before, after = folder / "pretrained", folder / "out"
            if pretrained is not None:
                unpack(ray.get(pretrained[0]), before)
            if payload["do"] == "pretrain":
                moved = {"folder": str(after)}
            else:
                moved = {"path": str(after / Path(payload["path"]).name), "pretrained": str(before)}
            perform(payload | moved, *_SIDES[key], progress=lambda *_: None)
            return {"kind": "done", "files": pack(after)}
    except ray.exceptions.RayError:
        raise
    except SystemExit as error:
        return {"kind": "failed", "reason": f"the worker process ended with exit code {error.code}", "trace": ""}
    except Exception as error:
        return {"kind": "failed", **failure(error)}


def check_installation(wanted: Mapping[str, str], spec: str) -> None:
    """Raise `UserError` where this node's package is not the one that planned: results must not claim to be its."""
    found = installation()
    if spec != "truth":
        found |= {"model": source_hash(spec)}
    other = stale_parts(wanted, found)
    if other:
        raise UserError(
            f"node {os.uname().nodename} has another rae-bench than the one that planned this cell "
            f"(different: {', '.join(other)}); install the same version there"
        )
