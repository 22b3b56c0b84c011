"""What a driver asks of a model process and what that answers, one line of JSON each.

Arrays cross as files, whose paths the messages name. A model process does one thing after another, on the one instance
that the last `Make` made.
"""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from rae_bench.errors import UserError


class PluginFiles(msgspec.Struct, frozen=True):
    """A plug-in that travels, see `rae_bench.model.plugins.plugin.PackedPlugin`."""

    identity: str
    entry: str
    files: dict[str, bytes]


class Make(msgspec.Struct, frozen=True, tag=True):
    """Make a fresh instance; the last one and all that it was given go.

    Attributes:
        spec, options: what `make_model` takes.
        plugin: the files of a plug-in as the driver knows them, should those on disk be gone or be others by now.
    """

    spec: str
    options: dict[str, Any]
    plugin: PluginFiles | None = None


class Describe(msgspec.Struct, frozen=True, tag=True):
    """Say what the instance is. Returns `card`, resolved `options`, and `search_space` where that is asked for."""

    space: bool = False


class Take(msgspec.Struct, frozen=True, tag=True):
    """Read domains from files, for the next `Pretrain` or `Adapt`."""

    sources: tuple[str, ...] = ()
    target: str = ""


class Circumstances(msgspec.Struct, frozen=True):
    """What makes a `Context`, all but the domains."""

    regime: str
    seed: int
    fraction: float = 1.0
    updates: int = 0
    frames: int = 0
    device: str = "cpu"
    threads: int = 1


class Pretrain(msgspec.Struct, frozen=True, tag=True):
    """Call `pretrain` with the sources. Returns the cost that the context counted."""

    ctx: Circumstances


class Adapt(msgspec.Struct, frozen=True, tag=True):
    """Call `adapt` with the target. Returns the cost that the context counted. The domains go."""

    ctx: Circumstances


class Save(msgspec.Struct, frozen=True, tag=True):
    """Call `save` with a folder that is not there yet."""

    folder: str


class Load(msgspec.Struct, frozen=True, tag=True):
    """Call `load` with a folder."""

    folder: str


class Show(msgspec.Struct, frozen=True, tag=True):
    """Read a prompt from a file, for the next `Generate`."""

    prompt: str


class Generate(msgspec.Struct, frozen=True, tag=True):
    """Call `generate` with the prompt; its fraction, updates and frames are not looked at."""

    ctx: Circumstances


class Give(msgspec.Struct, frozen=True, tag=True):
    """Write what was generated to a file that is not there yet."""

    path: str


class Warm(msgspec.Struct, frozen=True, tag=True):
    """Import what takes long."""


Command = Make | Describe | Take | Pretrain | Adapt | Save | Load | Show | Generate | Give | Warm


class Trained(msgspec.Struct, frozen=True, tag=True):
    """How far a training is. It comes before the answer of its command."""

    update: int
    updates: int
    loss: float | None


class Returned(msgspec.Struct, frozen=True, tag=True):
    """A command ended well.

    Attributes:
        facts: what it returns.
        seconds: that it took, by the process' own clock.
        core_seconds, peak_memory_mb: of the process since it began, by its own account: for systems that let nobody
            else look.
    """

    facts: dict[str, Any]
    seconds: float
    core_seconds: float
    peak_memory_mb: float


class Raised(msgspec.Struct, frozen=True, tag=True):
    """A command raised: the reason in a line, and the trace of what is no user's error."""

    reason: str
    trace: str = ""


Reply = Trained | Returned | Raised


def raised(error: Exception) -> Raised:
    """What was raised, as an answer: a model is foreign code, whatever it raises is the cell's reason."""
    if isinstance(error, UserError):
        return Raised(str(error))
    trace = "".join(traceback.format_exception(error))
    return Raised(f"{type(error).__name__}: {error}", trace)
