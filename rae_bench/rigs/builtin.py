"""Names and files of the rigs that come with the package, without importing numpy, for listings."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from rae_bench.errors import UserError

MORPH = re.compile(r"(?P<first>[\w-]+)~(?P<second>[\w-]+)@(?P<share>\d+(\.\d+)?)(?P<joints>[+-]\d+)?")


def builtin_rigs() -> dict[str, Path]:
    """Return the names and files of the rigs that come with the package."""
    folder = resources.files("rae_bench.rigs")
    return {Path(str(f)).stem: Path(str(f)) for f in sorted(folder.iterdir(), key=str) if f.name.endswith(".toml")}


def rig_descriptions() -> dict[str, str]:
    """Return the names of the built-in rigs and the line for people in their files."""
    return {
        name: str(tomllib.loads(path.read_text(encoding="utf-8")).get("description", ""))
        for name, path in builtin_rigs().items()
    }


class RigName(NamedTuple):
    """The name of a rig between two rigs: `r1~r2@0.25`, or `r1~r2@0.25+2` with two joints more."""

    first: str
    second: str
    share: float
    joints: int = 0

    def __str__(self) -> str:
        return f"{self.first}~{self.second}@{self.share:g}" + (f"{self.joints:+d}" if self.joints else "")


def rig_name(name: str) -> RigName | None:
    """Return what a name says of a rig between two rigs; None where it is not such a name.

    Raises:
        UserError: it is not as such names are, or its share is above 1.
    """
    if "~" not in name:
        return None
    found = MORPH.fullmatch(name)
    if found is None or float(found["share"]) > 1:
        raise UserError(
            f"rig '{name}': a rig between two is named A~B@SHARE, with a share from 0 to 1, or A~B@SHARE+N or -N with "
            "N joints more or fewer, as in r1~r2@0.25+2"
        )
    return RigName(found["first"], found["second"], float(found["share"]), int(found["joints"] or 0))


def is_builtin(name: str) -> bool:
    """Whether a name is that of a rig that comes with the package, or of one between two of them.

    Raises:
        UserError: as of `rig_name`.
    """
    between, rigs = rig_name(name), builtin_rigs()
    return name in rigs if between is None else between.first in rigs and between.second in rigs
