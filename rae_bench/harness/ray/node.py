"""What runs on a worker of Ray, be it here or on a node that shares no disk with who planned the job."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from rae_bench.errors import UserError
from rae_bench.harness.identity import identity_changes, installation
from rae_bench.harness.isolation.models import Models, isolated
from rae_bench.harness.jobs import AnyJob, PretrainJob
from rae_bench.harness.worker import failure, perform
from rae_bench.model.plugins.plugin import PackedPlugin, take_plugin
from rae_bench.model.registry import resolve_model
from rae_bench.storage import pack_folder, scratch, unpack
from rae_bench.task.cells import TRUTH
from rae_bench.task.sides import Side
from rae_bench.task.task import Task

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


_MODELS = Models()
"""Of this worker; they end when it does."""
_SIDES: dict[str, tuple[Task, tuple[Side, ...], Side]] = {}


def warm_up(threads: int) -> None:
    """Start a model process, and have it import what takes long."""
    _MODELS.warm(threads)


def answer(
    encoded: bytes, corpora: Sequence[ray.ObjectRef], plugin: PackedPlugin | None,
    pretrained: Sequence[ray.ObjectRef] | None,
) -> tuple[dict[str, bytes], tuple[str, str, bool] | None]:
    """Do a job (JSON) on a worker: the files that it leaves; and, where it failed, the fields of a `Failed`."""
    import ray

    job = msgspec.json.decode(encoded, type=AnyJob)
    key = corpora[0].hex()
    if key not in _SIDES:
        _SIDES.clear()  # a worker goes from task to task and needs one at a time
        _SIDES[key] = ray.get(corpora[0])
    try:
        take_plugin(job.model, plugin)
        check_installation(job.identity, job.model, job.options)
        with scratch() as folder:
            before, after = folder / "pretrained", folder / "out"
            if pretrained is not None:
                unpack(ray.get(pretrained[0]), before)
            if isinstance(job, PretrainJob):
                job = structs.replace(job, folder=str(after))
            else:
                job = structs.replace(job, path=str(after / Path(job.path).name), pretrained=str(before))
            perform(job, *_SIDES[key], report=lambda *_: None, models=_MODELS)
            return pack_folder(after), None
    except ray.exceptions.RayError:
        raise
    except Exception as error:
        failed = failure(error)
        return {}, (failed.reason, failed.trace, failed.died)


def check_installation(wanted: Mapping[str, Any], model: str, options: Mapping[str, Any]) -> None:
    """Raise `UserError` where this node's package is not the one that planned: results must not claim to be its."""
    ref = None if model == TRUTH else isolated(resolve_model(model), options)
    other = identity_changes(wanted, installation(ref, options))
    if other:
        raise UserError(
            f"node {platform.node()} has another rae-bench than the one that planned this cell "
            f"(different: {', '.join(other)}); install the same version there"
        )
