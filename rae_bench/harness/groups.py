"""Which jobs are done together: those whose trainings can be one tensor program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rae_bench.harness.jobs import AnyJob, CellJob
from rae_bench.model.registry import resolve_model
from rae_bench.task.cells import fold_of

LARGEST = {"cpu": 15, "cuda": 240}
"""Jobs of a group, by device: more of them cost as much each."""


def grouped(jobs: Sequence[AnyJob], workers: int, gpus: int = 1) -> list[list[AnyJob]]:
    """Put jobs into groups that are done together, in the order of their first jobs.

    Pre-trainings of one model go together, and cells of one model in one regime: seeds and fractions. A plug-in's are
    of one fold, as its process is. Where there would be fewer groups than workers, the largest are cut in two. On GPUs,
    which workers share, they are cut where there would be fewer than GPUs.
    """
    groups: dict[Any, list[list[AnyJob]]] = {}
    for job in jobs:
        rooms = groups.setdefault(_likeness(job), [[]])
        if len(rooms[-1]) == LARGEST[job.device]:
            rooms.append([])
        rooms[-1].append(job)
    for late in (False, True):
        for device, least in (("cpu", workers), ("cuda", min(workers, gpus))):
            mine = {
                key: rooms for key, rooms in groups.items()
                if bool(rooms[0][0].needs) is late and rooms[0][0].device == device
            }  # fmt: skip
            _cut(mine, least)
    order = {job.name: place for place, job in enumerate(jobs)}
    return sorted((room for rooms in groups.values() for room in rooms), key=lambda room: order[room[0].name])


def _cut(groups: dict[Any, list[list[AnyJob]]], least: int) -> None:
    """Cut the largest groups in two until there are so many."""
    while 0 < sum(map(len, groups.values())) < least:
        key, place = max(
            ((key, place) for key, rooms in groups.items() for place in range(len(rooms))),
            key=lambda at: len(groups[at[0]][at[1]]),
        )
        room = groups[key][place]
        if len(room) < 2:
            return
        groups[key][place : place + 1] = [room[: -(-len(room) // 2)], room[-(-len(room) // 2) :]]


def _likeness(job: AnyJob) -> Any:
    """What jobs of a group have in common; of a job that is done by itself, its name."""
    if not job.groups:
        return job.name
    options = json.dumps(job.options, sort_keys=True)
    seed, regime = (job.cell.seed, job.cell.regime) if isinstance(job, CellJob) else (job.seed, "pretrain")
    fold = fold_of(seed) if resolve_model(job.model).plugin is not None else None
    return job.task, job.budget, job.model, options, regime, job.retargeted, job.updates, job.device, job.threads, fold
