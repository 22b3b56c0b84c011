"""How a folder of recordings is to be read: the keys of a `roles.toml` or of a task's `[source]` and `[target]` tables.

docs/reference/formats.md lists the keys.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from rae_bench.data.formats.units import metres_per_unit, upright
from rae_bench.data.importing.file_list import ORIGIN_KEYS, RecordingFile, read_file_list
from rae_bench.errors import UserError, check_keys, unknown
from rae_bench.rigs.rig import ROLES
from rae_bench.storage import read_toml

FORMATS = ("bvh", "gltf", "smpl", "npz", "deepmimic", "unity")
"""Names of the formats of recordings."""
BVH_FILES = ("*.[bB][vV][hH]",)
_LATER = (
    "recorded_fps",
    "root_path",
    "points",
    "skeleton",
    "skip_frames",
    "frame_cuts",
    "fixed_base",
    "group_by",
    "loop_seconds",
    "action_by",
    "median_bones",
)
"""Keys that came later: they count in an identity only where they are set, so that older identities stay what they
are."""


@dataclass(frozen=True)
class Recipe:
    """How to read a folder of recordings; every field is a key of the same name in TOML.

    Attributes:
        unit: "cm", "m", "mm", or metres per unit of the files; None is cm for BVH and metres for all else.
        up: vertical axis of the files: "y", "z", "-y", "-z" or a direction; None is z for SMPL and y for all else.
        roles: role -> joint name.
        contact_joints: names of the joints that touch the ground.
        fps: frame rate to resample to; None leaves it to the protocol (30).
        group_pattern: regular expression on the file's stem whose first group names the split group.
        action_pattern: regular expression on the manifest's action or the file's stem; its first group names the
            action.
        manifest: JSON file in the folder: a list of objects with `file` and any of `session`, `action`, `style`.
        include: globs on file names relative to the folder; none takes all files of the format.
        exclude: globs on file names that are left out.
        drop_joints: globs on joint names; these joints are dropped, with all that hangs on them.
        root: joint to make the root, with all above it folded in; None finds it from the motion.
        licence: for people; copied to the provenance.
        citation: for people; copied to the provenance.
        format: one of `FORMATS`, or "auto", which finds it from suffix and content.
        recorded_fps: frames per second of the files, in place of what they say, if they say it.
        root_path: where files lack the root: "fixed", carried by its "children", or the array of its path.
        points: npz: name of the array of positions.
        skeleton: files of joint names and parents, by path or relative to the folder.
        skip_frames: first frames of every file that are dropped.
        frame_cuts: CSV file in the folder that says which frames of each file to keep, as `read_frame_cuts` reads it.
        fixed_base: whether the root stays where it is.
        group_by: "names", what file names say of subjects and sessions, else files; "file"; or "segment" where there
            are too few files to hold any out.
        median_bones: whether bones that change length, or differ between files, are held at their medians.
        loop_seconds: DeepMimic clips that wrap are played on until they last so long; None plays them once.
        action_by: "file", or "motion" to find the action of each segment as `rae_bench.data.importing.actions` does;
            labels of files are not looked at then.
        whole_set: how many files the whole set has; a folder with fewer is imported with a warning.
        files: the only files to read, which have to be as listed; none takes what `include` says.
    """

    unit: str | float | None = None
    up: str | tuple[float, ...] | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    contact_joints: tuple[str, ...] = ()
    fps: float | None = None
    group_pattern: str | None = None
    action_pattern: str | None = None
    manifest: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    drop_joints: tuple[str, ...] = ()
    root: str | None = None
    licence: str = ""
    citation: str = ""
    format: str = "auto"
    recorded_fps: float | None = None
    root_path: str | None = None
    points: str | None = None
    skeleton: tuple[str, ...] = ()
    skip_frames: int = 0
    frame_cuts: str | None = None
    fixed_base: bool = False
    group_by: str = "names"
    median_bones: bool = False
    loop_seconds: float | None = None
    action_by: str = "file"
    whole_set: int = 0
    files: Mapping[str, RecordingFile] = field(default_factory=dict)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str = "recipe") -> Recipe:
        """Return the checked recipe of a TOML table.

        `kind`, `folder`, `name`, `origin` and `download`, which say what to import and from where, are passed over.

        Raises:
            UserError: A key is unknown (the nearest is named), or a value is of the wrong kind.
        """
        given = {key: value for key, value in table.items() if key not in ("kind", "folder", "name", *ORIGIN_KEYS)}
        check_keys(given, {field.name for field in fields(cls)}, where)
        values = {key: _checked(key, value, where) for key, value in given.items() if key != "files"}
        if "files" in given:
            values["files"] = read_file_list(given["files"], where)
        return cls(**values)

    def options(self) -> dict[str, Any]:
        """Return what decides the imported content, ready for JSON; later keys count only where they are set."""
        defaults = Recipe()
        words = ("licence", "citation", "files", "whole_set")
        values = {key: value for key, value in asdict(self).items() if key not in words}
        if self.format in ("auto", "bvh"):
            del values["format"]
        for key in _LATER:
            if values[key] == getattr(defaults, key):
                del values[key]
        return values


class _Needed(Exception):
    """What the value of a key needs to be."""


def _checked(key: str, value: Any, where: str) -> Any:
    """Return the value of a key, checked and in the type of its field."""
    try:
        return _CHECKS.get(key, _text)(value)
    except _Needed as need:
        raise UserError(f"{where}: {key} = {value!r} needs to be {need}"[:300]) from None
    except UserError as error:
        raise UserError(f"{where}: {key}: {error}") from None


def _number(value: Any, need: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Needed(need)
    try:
        return float(value)
    except OverflowError:
        raise _Needed(need) from None


def _unit(value: Any) -> str | int | float:
    if not isinstance(value, str):
        _number(value, "cm, m, mm or a number")
    metres_per_unit(value)
    return value


def _up(value: Any) -> str | tuple[float, ...]:
    try:
        upright(value)
    except (UserError, TypeError, ValueError, OverflowError):
        raise _Needed('"y" or "z", "-y", "-z" or three numbers') from None
    return value if isinstance(value, str) else tuple(float(v) for v in value)


def _format(value: Any) -> str:
    if value != "auto" and value not in FORMATS:
        raise unknown("format", str(value), ["auto", *FORMATS])
    return str(value)


def _group_by(value: Any) -> str:
    if value not in ("names", "file", "segment"):
        raise _Needed('"names", "file" or "segment"')
    return str(value)


def _action_by(value: Any) -> str:
    if value not in ("file", "motion"):
        raise _Needed('"file" or "motion"')
    return str(value)


def _loop_seconds(value: Any) -> float:
    need = "a number of seconds up to 600"
    if not 0 < (seconds := _number(value, need)) <= 600:
        raise _Needed(need)
    return seconds


def _rate(value: Any) -> float:
    need = "a number of frames per second"
    if not 1e-3 <= (fps := _number(value, need)) <= 1e5:
        raise _Needed(need)
    return fps


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _Needed("a whole number from 0 on")
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Needed("true or false")
    return value


def _roles(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(joint, str) for joint in value.values()):
        raise _Needed("a table of role = joint name")
    for role in value:
        if role not in ROLES:
            raise unknown("role", role, ROLES)
    return dict(value)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(v, str) for v in value):
        raise _Needed("a list of names")
    return tuple(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Needed("a text")
    return value


def _pattern(value: Any) -> str:
    text = _text(value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of brackets within brackets
            groups = re.compile(text).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(f"'{text[:80]}' is not a regular expression: {error}") from None
    if groups < 1:
        raise _Needed("a regular expression with a group in parentheses, which becomes the name")
    return text


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "unit": _unit,
    "up": _up,
    "format": _format,
    "group_by": _group_by,
    "action_by": _action_by,
    "loop_seconds": _loop_seconds,
    "skip_frames": _count,
    "whole_set": _count,
    "fixed_base": _yes_or_no,
    "median_bones": _yes_or_no,
    "fps": _rate,
    "recorded_fps": _rate,
    "roles": _roles,
    "group_pattern": _pattern,
    "action_pattern": _pattern,
    **dict.fromkeys(("contact_joints", "include", "exclude", "drop_joints", "skeleton"), _names),
}
"""Key -> function that returns its value checked; every other key is a text."""


def read_roles(path: Path) -> dict[str, Any]:
    """Return the table of a `roles.toml`, to be given to `Recipe.from_table`."""
    return read_toml(path, "no such roles file; write one with a [roles] table")
