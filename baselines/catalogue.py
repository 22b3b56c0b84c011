"""Which reference entries there are: any codec with any core, such as `fe+mann` and `fc-vae-cat+rtn`.

A codec alone is on `omg-moe`, a core alone is behind `raw`. A codec's variants may be left out from the right: `fc` is
`fc-vae-cat`. Codecs and cores are the files in `codecs/` and `cores/`. Each has the literals ABOUT and PRESETS, and a
core may have TRAINING. They are read without running the file, so that listing imports no torch.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from rae_bench.model import UserError, unknown

FOLDER = Path(__file__).resolve().parent
PAIR_VERSION = 4
"""Covers what joins a codec and a core (pair_options.py, network.py, parts.py, layers.py): raise it when these numbers
move."""
CODEC, CORE = "raw", "omg-moe"
"""The codec and the core of a name that leaves one out."""
CAPABILITIES = ("frozen", "finetune", "cold-long", "retarget", "multiple-sources")
"""What every pair can do besides `cold`."""


@dataclass(frozen=True)
class PairPart:
    """A codec or a core.

    Attributes:
        kind: `codecs` or `cores`, the folder of its file.
        about: the literal ABOUT of its file.
        presets: the literal PRESETS of its file, preset -> arguments of its class.
        training: the literal TRAINING of a core's file: what it needs of `TrainConfig` where no option says otherwise.
    """

    kind: str
    name: str
    about: Mapping[str, Any] = field(compare=False)
    presets: Mapping[str, dict[str, Any]] = field(compare=False)
    training: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def load(self) -> Any:
        """Its class (imports torch)."""
        module = importlib.import_module(f"..{self.kind}.{self.name.replace('-', '_')}", __name__)
        return getattr(module, self.about["class"])


@dataclass(frozen=True)
class Pair:
    """A codec with its variants, and a core.

    Attributes:
        chosen: (variant, value) of the codec, in the order of its ABOUT.
    """

    name: str
    codec: PairPart
    core: PairPart
    chosen: tuple[tuple[str, str], ...] = ()

    @property
    def variants(self) -> dict[str, str]:
        """The codec's variants by name."""
        return dict(self.chosen)


@lru_cache(maxsize=2)
def parts(kind: str) -> dict[str, PairPart]:
    """The codecs or cores by name."""
    out = {}
    for path in sorted((FOLDER / kind).glob("[a-z]*.py")):
        said: dict[str, Any] = {"TRAINING": {}}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name in ("ABOUT", "PRESETS", "TRAINING"):
                    said[name] = ast.literal_eval(node.value)
        name = path.stem.replace("_", "-")
        out[name] = PairPart(kind, name, said["ABOUT"], said["PRESETS"], said["TRAINING"])
    return out


def names() -> list[str]:
    """The entries with a short name: codecs on the core `CORE`, cores behind the codec `CODEC`."""
    return sorted((set(parts("codecs")) - {CODEC}) | set(parts("cores")))


def find(name: str) -> Pair | None:
    """The pair of this name; None where there is no such codec or core.

    Raises:
        UserError: the name has a `+`, so it is meant to be a pair, but there is no such codec or core.
    """
    first, plus, second = name.partition("+")
    if not plus:
        if first in parts("cores"):
            return Pair(name, parts("codecs")[CODEC], parts("cores")[first])
        second = CORE
    if second not in parts("cores"):
        raise unknown(f"core of model '{name}'", second, parts("cores"))
    base, *words = first.split("-")
    if base not in parts("codecs"):
        if not plus:
            return None
        raise unknown(f"codec of model '{name}'", base, parts("codecs"))
    codec, chosen = parts("codecs")[base], []
    for key, values in codec.about.get("variants", {}).items():
        chosen.append((key, words.pop(0) if words and words[0] in values else values[0]))
    if words:
        known = [f"{key} {'|'.join(values)}" for key, values in codec.about.get("variants", {}).items()]
        takes = f"; {base} takes, in this order: {', '.join(known)}" if known else ""
        raise UserError(f"model '{name}': codec '{base}' has no variant '{words[0]}'{takes}")
    return Pair(name, codec, parts("cores")[second], tuple(chosen))


def about(pair: Pair) -> dict[str, Any]:
    """Description, paper, licence and capabilities; parameters where the pair has a name of its own.

    `versions` has those of the codec, of the core and of what joins them (`pair`).
    """
    codec, core = pair.codec, pair.core
    papers = [part.about["paper"] for part in (codec, core) if part.about["paper"]]
    counted = core if codec.name == CODEC else codec if core.name == CORE and not _chosen_otherwise(pair) else None
    return {
        "description": f"{codec.about['description']}; {core.about['description']}",
        "paper": "; ".join(dict.fromkeys(papers)),
        "licence": core.about["licence"],
        "capabilities": [*CAPABILITIES, *core.about.get("capabilities", [])],
        "parameters": counted.about["parameters"] if counted else None,
        "groups": True,
        "versions": {codec.name: codec.about["version"], core.name: core.about["version"], "pair": PAIR_VERSION},
    }


def _chosen_otherwise(pair: Pair) -> bool:
    usual = {key: values[0] for key, values in pair.codec.about.get("variants", {}).items()}
    return pair.variants != usual
