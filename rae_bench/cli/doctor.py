"""`rae-bench doctor`: what is installed and found on this machine, and what would mend what is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click

from rae_bench.cli.screen import next_steps, print_facts, print_notes
from rae_bench.cli.status import begin

OK, MISSING, BROKEN = "ok", "missing", "broken"
LEAST_PYTHON = (3, 11)
LEAST_DISK = 2e9
"""Bytes: a full sweep with its roll-outs takes about as much."""


@dataclass(frozen=True)
class Condition:
    """What was looked at, its state, what was found, and what to do where it is not well.

    Attributes:
        state: `ok`; `missing`, which only some commands need; or `broken`, without which nothing works well.
    """

    name: str
    state: str
    found: str
    remedy: str = ""


@click.command()
@click.option("--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
@click.option(
    "--out", type=click.Path(path_type=Path), default="results", show_default=True, help="Result folder to look at."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(data_root: Path | None, out: Path, as_json: bool) -> int:
    """Say what is installed and found here, a line each, and what would mend what is missing.

    Exit 0 where everything that the main job needs is there, 1 where something is broken.
    """
    begin("doctor")
    found = list(conditions(data_root, out))
    if as_json:
        click.echo(json.dumps([asdict(condition) for condition in found], indent=1))
    else:
        for each in found:
            text = each.found + (f"; {each.remedy}" if each.remedy else "")
            print_facts([(f"{each.state:<8} {each.name}", text)], 22)
        click.echo()
        print_notes([summary(found)])
        next_steps("rae-bench run --model fe --task biped2quad")
    return int(any(each.state == BROKEN for each in found))


def summary(found: list[Condition]) -> str:
    """Return in a sentence whether the main job can be run."""
    broken, missing = (sum(each.state == state for each in found) for state in (BROKEN, MISSING))
    if broken:
        return f"{broken} broken: mend these first"
    rest = f", {missing} missing that only some commands need" if missing else ""
    return f"ready for rae-bench run --model fe --task biped2quad{rest}"


def conditions(data_root: Path | None, out: Path) -> Iterator[Condition]:
    """Yield what was looked at: program, libraries, processors, disk, data, recordings, helpers."""
    yield _python()
    yield from _packages()
    yield _threads()
    yield _gpu()
    yield from _folders(out)
    yield _domains()
    yield from _recordings(data_root)
    yield _film()


def _python() -> Condition:
    number = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < LEAST_PYTHON:
        return Condition("python", BROKEN, number, "3.11 or newer is needed: make the environment with a newer one")
    return Condition("python", OK, f"{number} ({sys.executable})")


def _packages() -> Iterator[Condition]:
    """This package, then what it needs: versions that are there, and a line for each that is not."""
    from rae_bench.benchmark import BENCHMARK_VERSION

    yield Condition("rae-bench", OK, f"{metadata.version('rae-bench')}, benchmark version {BENCHMARK_VERSION}")
    there = []
    for wanted in metadata.requires("rae-bench") or []:
        name = re.split(r"[\s\[<>=!~;]", wanted, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", wanted)
        if extra and extra[1] != "sweep":
            continue
        version = _version(name)
        if version is not None:
            there.append(f"{name} {version}")
        elif extra:
            yield Condition(name, MISSING, "needed by tune and --ray-address", "pip install 'rae-bench[sweep]'")
        else:
            yield Condition(name, BROKEN, "not installed", f"pip install '{wanted.split(';')[0].strip()}'")
    yield Condition("libraries", OK, ", ".join(there))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _threads() -> Condition:
    from rae_bench.harness.pool import core_count

    cores = core_count()
    said = f"{cores} core{'s' if cores > 1 else ''} to use, of {os.cpu_count()}; each worker has one thread"
    return Condition("processors", OK, said)


def _gpu() -> Condition:
    if _version("torch") is None:
        return Condition("gpu", MISSING, "torch is not installed")
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))
        return Condition("gpu", OK, f"{names}; CUDA {torch.version.cuda}: --accelerator gpu")
    if shutil.which("nvidia-smi") is None:
        return Condition("gpu", OK, "none, and none is needed")
    if torch.version.cuda is None:
        return Condition(
            "gpu", MISSING, f"torch {torch.__version__} is a CPU build", "install a CUDA build: pytorch.org/get-started"
        )
    return Condition("gpu", MISSING, f"torch has CUDA {torch.version.cuda} but finds no GPU", "look at nvidia-smi")


def _folders(out: Path) -> Iterator[Condition]:
    from rae_bench.storage import home

    for name, folder, remedy in (
        ("cache", home(), "name another with RAE_BENCH_HOME"),
        ("results", out, "name another with --out"),
    ):
        place = next((part for part in (folder.absolute(), *folder.absolute().parents) if part.exists()), Path("/"))
        if not (place.is_dir() and os.access(place, os.W_OK)):
            yield Condition(name, BROKEN, f"{folder} cannot be written", remedy)
            continue
        free = shutil.disk_usage(place).free
        text = f"{folder}, {free / 1e9:.1f} GB free"
        if free >= LEAST_DISK:
            yield Condition(name, OK, text)
        else:
            yield Condition(name, MISSING, text, f"make room, or {remedy}")


def _domains() -> Condition:
    from rae_bench.storage import list_domains

    names = list_domains()
    text = f"{len(names)} imported" + (f": {', '.join(names)}" if names else "")
    return Condition("domains", OK, text, "" if names else "rae-bench data import brings recordings in")


def _recordings(data_root: Path | None) -> Iterator[Condition]:
    """The folder of recordings, and a line for each set of them that a task of the package lists."""
    from rae_bench.data.importing.file_list import DATA_ROOT, find_recordings
    from rae_bench.errors import UserError
    from rae_bench.task.named import builtin_tasks, load_task

    root = data_root or (Path(os.environ[DATA_ROOT]) if os.environ.get(DATA_ROOT) else None)
    if root is not None:
        if root.is_dir():
            yield Condition("data folder", OK, str(root))
        else:
            yield Condition("data folder", BROKEN, f"{root}: no such folder", f"mend --data or {DATA_ROOT}")
    tasks: dict[str, list[str]] = {}
    sides = {}
    for name in builtin_tasks():
        task = load_task(name)
        for side in (*task.sources, task.target):
            if side["kind"] == "recordings":
                tasks.setdefault(str(side["folder"]), []).append(name)
                sides[str(side["folder"])] = side
    for folder, side in sides.items():
        text = f"for {', '.join(dict.fromkeys(tasks[folder]))}"
        try:
            yield Condition(folder, OK, f"{find_recordings(side, data_root)}, {text}")
        except UserError:
            how = f"rae-bench data get {folder}" if side.get("download") else "--data names the folder that holds it"
            yield Condition(folder, MISSING, text, how)


def _film() -> Condition:
    from importlib.util import find_spec

    if shutil.which("ffmpeg") or find_spec("imageio_ffmpeg"):
        return Condition("ffmpeg", OK, "for view --mp4")
    return Condition("ffmpeg", MISSING, "for view --mp4", "pip install imageio-ffmpeg")
