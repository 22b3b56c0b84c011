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
from rae_bench.harness.jobs import AnyJob, Failed, Group, PretrainJob
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


Answered = tuple[dict[str, bytes], tuple[str, str, bool, bool] | None]
"""What a job left, and the fields of a `Failed` where it failed."""


def answer(
    encoded: bytes, corpora: Sequence[ray.ObjectRef], plugin: PackedPlugin | None,
    pretrained: Sequence[Sequence[ray.ObjectRef]],
) -> list[Answered]:
    """Do a group of jobs (JSON) on a worker."""
    import ray

    jobs = msgspec.json.decode(encoded, type=Group).jobs
    key = corpora[0].hex()
    if key not in _SIDES:
        _SIDES.clear()  # a worker goes from task to task and needs one at a time
        _SIDES[key] = ray.get(corpora[0])
    errors: dict[str, Exception | None] = {}
    with scratch() as folder:
        here: list[AnyJob] = []
        after = [folder / f"out-{number}" for number in range(len(jobs))]
        try:
            take_plugin(jobs[0].model, plugin)
            check_installation(jobs[0].identity, jobs[0].model, jobs[0].options)
            for number, (job, refs) in enumerate(zip(jobs, pretrained, strict=True)):
                if isinstance(job, PretrainJob):
                    here.append(structs.replace(job, folder=str(after[number])))
                    continue
                before = folder / f"pretrained-{number}"
                for ref in refs:
                    unpack(ray.get(ref), before)
                path = str(after[number] / Path(job.path).name)
                here.append(structs.replace(job, path=path, pretrained=str(before)))
            names = {one.name: job.name for one, job in zip(here, jobs, strict=True)}

            def ended(job: AnyJob, error: Exception | None) -> None:
                errors[names[job.name]] = error

            perform(here, *_SIDES[key], report=lambda *_: None, models=_MODELS, ended=ended)
        except ray.exceptions.RayError:
            raise
        except Exception as error:
            for job in jobs:
                errors.setdefault(job.name, error)
            whole = failure(error)
            return [_left(errors[job.name], after[n], whole, len(jobs) > 1) for n, job in enumerate(jobs)]
        return [_left(errors[job.name], after[n], None, False) for n, job in enumerate(jobs)]


def _left(error: Exception | None, folder: Path, whole: Failed | None, together: bool) -> Answered:
    """What a job left, or why it failed: by itself, or with all that had not ended when `whole` was raised."""
    if error is None:
        return pack_folder(folder), None
    failed = failure(error)
    return {}, (failed.reason, failed.trace, failed.died, together and whole is not None and failed == whole)


def check_installation(wanted: Mapping[str, Any], model: str, options: Mapping[str, Any]) -> None:
    """Raise `UserError` where this node's package is not the one that planned: results must not claim to be its."""
    ref = None if model == TRUTH else isolated(resolve_model(model), options)
    other = identity_changes(wanted, installation(ref, options))
    if other:
        raise UserError(
            f"node {platform.node()} has another rae-bench than the one that planned this cell "
            f"(different: {', '.join(other)}); install the same version there"
        )
