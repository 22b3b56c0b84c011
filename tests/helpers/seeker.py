"""A plug-in that searches whatever its process can reach for frames that it must not have, in each of its methods.

What it looks for are hashes of rows of float32 (`hashes`): the rows themselves would be found wherever they are told.
It imports nothing of the tests, as it is run as a plug-in by its path.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.model import Context, Domain, ModelCard, Prompt, Trajectory

CHUNK = 1 << 22
WIDTH = 3
"""Words of a row: a root position is three numbers."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


def hashes(words: np.ndarray) -> np.ndarray:
    """A number for each `WIDTH` words (uint32) in a row."""
    count = max(len(words) - WIDTH + 1, 0)
    with np.errstate(over="ignore"):
        return sum(
            (words[k : count + k].astype(np.uint64) * _FACTORS[k] for k in range(WIDTH)), np.zeros(count, np.uint64)
        )


def rows_of(positions: np.ndarray) -> np.ndarray:
    """The hash of each row of (..., 3) float32."""
    rows = np.ascontiguousarray(positions, np.float32).reshape(-1, WIDTH)
    return np.array([hashes(row.view(np.uint32))[0] for row in rows], np.uint64)


class Search:
    """Counts needles in bytes."""

    def __init__(self, needles: np.ndarray) -> None:
        self.needles = np.sort(needles)
        self.likely = np.zeros(1 << 16, bool)
        self.likely[needles & np.uint64(0xFFFF)] = True

    def count(self, data: Any, offsets: tuple[int, ...] = (0,)) -> int:
        """How many needles there are in bytes that begin at some offset from a word's border."""
        found = 0
        for offset in offsets:
            size = (len(data) - offset) // 4
            if size < WIDTH:
                continue
            made = hashes(np.frombuffer(data, np.uint32, size, offset))
            made = made[self.likely[made & np.uint64(0xFFFF)]]
            found += int(np.isin(made, self.needles).sum())
        return found

    def in_objects(self) -> int:
        """In the arrays and bytes that Python's objects refer to."""
        found, seen = 0, set()
        for holder in gc.get_objects():
            for thing in gc.get_referents(holder):
                if id(thing) in seen:
                    continue
                seen.add(id(thing))
                if type(thing) is np.ndarray and thing.dtype == np.float32:
                    found += self.count(np.ascontiguousarray(thing).tobytes())
                elif type(thing) is bytes and len(thing) > 1000:
                    found += self.count(thing, (0, 1, 2, 3))
        return found

    def in_memory(self, process: int | str = "self") -> int | None:
        """In all memory of a process that can be read, at the borders of words; None where there is no such file."""
        if not os.path.exists(f"/proc/{process}/mem"):
            return None
        found = 0
        with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
            for line in maps.read().splitlines():
                span, mode, _, _, _, *name = line.split(maxsplit=5)
                if mode[:2] != "rw" or (name and name[0].startswith("[v")):
                    continue
                start, stop = (int(end, 16) for end in span.split("-"))
                for at in range(start, stop, CHUNK):
                    try:
                        memory.seek(at)
                        found += self.count(memory.read(min(CHUNK + 4 * WIDTH, stop - at)))
                    except (OSError, ValueError, OverflowError):
                        break
        return found

    def in_files(self, folder: Path) -> int:
        """In all files below a folder."""
        files = (path for path in folder.rglob("*") if path.is_file())
        return sum(self.count(path.read_bytes(), (0, 1, 2, 3)) for path in files)


def places() -> Iterator[Path]:
    """Folders that a process is told of: home, working directory, temporary files, and what lies around them."""
    named = [Path(os.environ[name]) for name in ("TMPDIR", "RAE_BENCH_HOME", "XDG_CACHE_HOME")]
    told = [Path.home(), Path.cwd(), *named]
    yield from {place for place in told if place.is_dir()}
    yield Path.cwd().parent  # where the domains and prompts lie that it is given


class Seeker:
    """Holds the last pose, and writes down what it finds.

    Options:
        needles: a file of hashes.
        log: a file of JSON lines, one for each call.
        far: whether to look where the documentation says that a plug-in can look.
    """

    card = ModelCard(name="seeker")

    def __init__(self, needles: str = "", log: str = "", far: bool = False) -> None:
        self.search, self.log, self.far = Search(np.load(needles)), log, far
        self.seek("__init__")

    def seek(self, call: str, **facts: Any) -> None:
        (Path.home() / "note").write_text(call)
        found = {
            "call": call,
            "pid": os.getpid(),
            "parent": os.getppid(),
            "objects": self.search.in_objects(),
            "memory": self.search.in_memory(),
            "files": sum(self.search.in_files(place) for place in places()),
            "environment": [*os.environ, *os.environ.values()],
            "places": sorted(map(str, places())),
            **facts,
        }
        with open(self.log, "a") as file:
            file.write(json.dumps(found) + "\n")

    def pretrain(self, source: Domain, ctx: Context) -> None:
        self.seek("pretrain", seed=ctx.seed)

    def adapt(self, target: Domain, ctx: Context) -> None:
        self.seek("adapt", seed=ctx.seed)
        if self.far:
            self.look_far(target)

    def look_far(self, target: Domain) -> None:
        """What stays possible: the package's own generators, and the driver's memory where the system lets it."""
        from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
        from rae_bench.rigs.file import load_rig

        made = generate_locomotion(load_rig(target.rig.name), clips=24)
        try:
            parent = self.search.in_memory(os.getppid())
        except PermissionError:
            parent = None
        again = self.search.count(np.ascontiguousarray(made.motion.root_positions).tobytes())
        with open(self.log, "a") as file:
            file.write(json.dumps({"call": "far", "generated": again, "parent": parent}) + "\n")

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        known = (ctx.source, ctx.sources, ctx.progress, ctx.budget.updates, ctx.fraction == ctx.fraction)
        self.seek("generate", seed=ctx.seed, context=known == (None, (), None, 0, False))
        frames, history = int(prompt.frames.max()), prompt.history
        return Trajectory(
            np.repeat(history.root_positions[None, :, -1:], frames, 2),
            np.repeat(history.rotations[None, :, -1:], frames, 2),
        )

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.seek("save", folder=str(folder))
        (folder / "state.json").write_text("{}")

    def load(self, folder: Path) -> None:
        self.seek("load", folder=str(folder), files_there=sorted(path.name for path in folder.iterdir()))
