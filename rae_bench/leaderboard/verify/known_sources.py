"""Built-in sources that are known by their hashes, so that checking an entry needs no motion of them.

A cell's identity names the segments that its source trains on. Which these are follows from the source's motion, which
takes longer to make than all other checks together. `known_sources.json` has the hashes that the motion gives, for the
ranked tasks and for one version of each piece that decides them: an entry of any other is checked with the motion.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from rae_bench.harness.versions import engine_versions, generator_versions
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig
from rae_bench.task.cells import FOLDS
from rae_bench.task.sides import Side, load_side
from rae_bench.task.task import Protocol, Task

FILE = "known_sources.json"
DECIDING = ("kinematics", "motion", "objectives", "split")
"""The pieces of the engine that decide which segments of a source train."""


class KnownSource(NamedTuple):
    """What a cell's identity says of a source.

    Attributes:
        train: the hash of the training segments, by the fold that is tested.
        identity: of the corpus.
        on_target: of what the corpus is on the target's rig.
    """

    train: tuple[str, ...]
    identity: str
    on_target: str


def known_sources(task: Task) -> tuple[KnownSource, ...] | None:
    """Return the sources of a task as far as all of them are known; None else."""
    sides = (*task.sources, task.target)
    if any(side["kind"] != "builtin" for side in sides):
        return None
    rig = load_rig(str(task.target["rig"]))
    found = [_known().get(_key(side, task.protocol, rig)) for side in task.sources]
    known = [source for source in found if source is not None]
    return tuple(known) if len(known) == len(found) else None


def sources_as_made(task: Task) -> dict[str, KnownSource]:
    """Make the motion of a task's sources; return what `known_sources.json` must have of it."""
    rig = load_rig(str(task.target["rig"]))
    found = {}
    for table in task.sources:
        side = Side(load_side(table, task.protocol), task.protocol)
        train = tuple(side.hash_of(side.split(fold).train) for fold in range(FOLDS))
        made = KnownSource(train, side.identity_on(None), side.identity_on(rig))
        found[_key(table, task.protocol, rig)] = made
    return found


@cache
def _known() -> Mapping[str, KnownSource]:
    text = (resources.files(__package__) / FILE).read_text(encoding="utf-8")
    return {key: KnownSource(tuple(train), *rest) for key, (train, *rest) in json.loads(text).items()}


def _key(side: Mapping[str, Any], protocol: Protocol, rig: Rig) -> str:
    """The hash of all that decides a source's segments and identities."""
    versions = {name: engine_versions()[name] for name in DECIDING} | generator_versions()
    facts = [
        dict(side), load_rig(str(side["rig"])).content_hash, rig.content_hash, protocol.fps, protocol.seconds,
        protocol.history, protocol.track, protocol.mode, versions,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
