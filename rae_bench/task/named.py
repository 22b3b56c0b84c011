"""Tasks by name: those that come with the package, files, and pairs of domains. Nothing here imports torch."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from rae_bench.errors import unknown
from rae_bench.objectives.tracks import TRACKS
from rae_bench.storage import read_toml
from rae_bench.task.reading import task_from_table
from rae_bench.task.task import Task


def builtin_tasks() -> dict[str, Path]:
    """Names and files of the tasks that come with the package."""
    folder = resources.files("rae_bench.tasks")
    return {Path(str(f)).stem: Path(str(f)) for f in sorted(folder.iterdir(), key=str) if f.name.endswith(".toml")}


def is_builtin_task(name: str) -> bool:
    """Whether a task comes with the package, in the track of its file or in another one, as its name says then."""
    base, _, track = name.rpartition("-")
    return name in builtin_tasks() or (base in builtin_tasks() and track in TRACKS)


def load_task(name: str | Path) -> Task:
    """A task by name, or a task file by path (anything ending in .toml).

    A task's name with a track behind it, such as `biped2quad-control`, is the same task in that track. SOURCE-to-TARGET
    is the task of two domains by name, as `adhoc_task` makes it.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        return task_from_table(path.stem, read_toml(path, "no such task file"), path.name)
    tasks = builtin_tasks()
    base, _, track = str(name).rpartition("-")
    if str(name) in tasks:
        base, track = str(name), ""
    elif base not in tasks or track not in TRACKS:
        pair = _two_domains(str(name))
        if pair is None:
            raise unknown("task", str(name), tasks)
        return adhoc_task(*pair)
    path = tasks[base]
    task = task_from_table(path.stem, read_toml(path, "no such task file"), path.name)
    return task.in_track(track) if track else task


def _two_domains(name: str) -> tuple[str, str] | None:
    """Return source and target where a name is SOURCE-to-TARGET of domains that are there; names may hold "-to-"."""
    from rae_bench.rigs.builtin import is_builtin
    from rae_bench.storage import list_domains

    cuts = [at for at in range(len(name)) if name.startswith("-to-", at)]
    known = list_domains() if cuts else []
    for source, target in ((name[:at], name[at + 4 :]) for at in cuts):
        if all(side in known or is_builtin(side) for side in (source, target)):
            return source, target
    return None


def adhoc_task(source: str, target: str) -> Task:
    """A task of two domains by name: imported ones, or a built-in rig's `locomotion` by the rig's name."""
    from rae_bench.rigs.builtin import builtin_rigs, is_builtin
    from rae_bench.storage import list_domains

    def side(name: str) -> dict[str, Any]:
        if name in list_domains():
            return {"kind": "domain", "name": name}
        if is_builtin(name):
            return {"kind": "builtin", "rig": name, "motion": "locomotion"}
        raise unknown("domain", name, [*list_domains(), *builtin_rigs()])

    table = {"title": f"{source} to {target}", "source": side(source), "target": side(target)}
    return task_from_table(f"{source}-to-{target}", table, f"--source {source} --target {target}")
