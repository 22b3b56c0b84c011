"""Files of the rigs that come with the package, found without importing numpy, for listings."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path


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
