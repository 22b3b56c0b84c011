"""What a driver asks of a model process and what that answers, one line of JSON each.

Arrays cross as files, whose paths the messages name. A model process does one thing after another, on the instances
that the last `Make` made: those of a group of cells, or one.
"""

from __future__ import annotations

import errno
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
    """Make fresh instances; the last ones and all that they were given go. Returns the `card`, and whether the class
    `generates_together`.

    Attributes:
        spec, options: what `make_model` takes.
        count: how many instances, alike.
        plugin: the files of a plug-in as the driver knows them, should those on disk be gone or be others by now.
    """

    spec: str
    options: dict[str, Any]
    count: int = 1
    plugin: PluginFiles | None = None


class Describe(msgspec.Struct, frozen=True, tag=True):
    """Say what the first instance is. Returns its `card`, resolved `options`, and `groups`: whether its class has a way
    to do several trainings as one. Where they are asked for, it returns `search_space`, and `why_alone`: why its cells
    train one by one, which a trial tells, or "".
    """

    space: bool = False
    trial: bool = False


class Take(msgspec.Struct, frozen=True, tag=True):
    """Read domains from files, for the next `Pretrain` or `Adapt`.

    Attributes:
        sources: files of each instance's sources.
        targets: the file of each instance's target; none before `Pretrain`.
    """

    sources: tuple[tuple[str, ...], ...] = ()
    targets: tuple[str, ...] = ()


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
    """Call `pretrain` of each instance with its sources. Returns the costs that the contexts counted."""

    ctxs: tuple[Circumstances, ...]


class Adapt(msgspec.Struct, frozen=True, tag=True):
    """Call `adapt` of each instance with its target. Returns the costs that the contexts counted. The domains go."""

    ctxs: tuple[Circumstances, ...]


class Save(msgspec.Struct, frozen=True, tag=True):
    """Call `save` of an instance with a folder that is not there yet."""

    folder: str
    which: int = 0


class Load(msgspec.Struct, frozen=True, tag=True):
    """Call `load` of an instance with a folder."""

    folder: str
    which: int = 0


class Show(msgspec.Struct, frozen=True, tag=True):
    """Read a prompt from a file, for the next `Generate`."""

    prompt: str


class Generate(msgspec.Struct, frozen=True, tag=True):
    """Call `generate` of some instances with the prompt; fractions, updates and frames are not looked at.

    Attributes:
        ctxs: of each of them.
        which: which instances.
    """

    ctxs: tuple[Circumstances, ...]
    which: tuple[int, ...] = (0,)


class Give(msgspec.Struct, frozen=True, tag=True):
    """Write what each of them generated to a file that is not there yet."""

    paths: tuple[str, ...]


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
        generated_clips: of built-in motion that the process has made since it began.
    """

    facts: dict[str, Any]
    seconds: float
    core_seconds: float
    peak_memory_mb: float
    generated_clips: int = 0


class Raised(msgspec.Struct, frozen=True, tag=True):
    """A command raised: the reason in a line, and the trace of what is no user's error."""

    reason: str
    trace: str = ""


Reply = Trained | Returned | Raised


NO_ROOM = {errno.ENOSPC, errno.EROFS, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""What writing to a disk fails with that is full, over a quota, or only to be read."""


def raised(error: Exception) -> Raised:
    """What was raised, as an answer: a model is foreign code, whatever it raises is the cell's reason."""
    if isinstance(error, UserError):
        return Raised(str(error))
    if isinstance(error, OSError) and error.errno in NO_ROOM:  # no fault of anybody's code
        return Raised(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
    trace = "".join(traceback.format_exception(error))
    return Raised(f"{type(error).__name__}: {error}", trace)
