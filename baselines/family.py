"""The reference entries as a family of models: the registry finds `fe`, `mann`, `fc-vae-cat+rtn` here by name.

Nothing but `load` imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalogue import Pair, about, find, names
from .pair_options import OPTION_TEXTS, choose

__all__ = ["OPTION_TEXTS", "about", "find", "load", "names", "resolve"]


def load(name: str) -> type:
    """The class of a pair (imports torch)."""
    from .network import model_class

    pair = find(name)
    assert pair is not None
    return model_class(pair)


def resolve(pair: Pair, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of a pair with its value, JSON-ready. Raises `UserError` where one is unknown or impossible."""
    return choose(pair, options).values()
