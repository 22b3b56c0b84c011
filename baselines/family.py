"""The reference entries as a family of models: the registry finds `fe`, `mann`, `fc-vae-cat+rtn` here by name.

Naming a model imports no torch; only `load` does.
"""

from __future__ import annotations

from .pairs import about, find, names

__all__ = ["about", "find", "load", "names"]


def load(name: str) -> type:
    """The class of a pair (imports torch)."""
    from .network import model_class

    pair = find(name)
    assert pair is not None
    return model_class(pair)
