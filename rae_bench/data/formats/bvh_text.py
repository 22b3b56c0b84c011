"""The text of BVH files, with the joints of the HIERARCHY. docs/reference/formats.md says what is understood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from rae_bench.data.formats.bvh_numbers import COMMENT, parse_motion, with_points
from rae_bench.data.formats.encodings import as_utf8
from rae_bench.data.formats.source import Source
from rae_bench.data.formats.take import Note
from rae_bench.data.wording import first_few
from rae_bench.errors import unknown
from rae_bench.rigs.rig import LARGEST, MAX_JOINTS

END = "_end"
"""An End Site under joint X is the joint `X_end`."""

_CHANNELS = [axis + kind for kind in ("position", "rotation", "scale") for axis in "xyz"]
_AXIS_LAST = re.compile("(position|rotation|scale)([xyz])")
HEAD = 1 << 16
"""Bytes within which HIERARCHY stands: comments may come before it."""
_MOTION = re.compile(rb"^[ \t]*MOTION\b[^\n]*\n?", re.MULTILINE | re.IGNORECASE)
_COMMENT_AFTER_NAME = re.compile(r"\s(#\s+[^\W\d]|//).*$")
"""After the name of a joint "# the back" is a comment, "#7" is part of the name."""
_NAMED = re.compile(r"\s*(ROOT|JOINT)\b", re.IGNORECASE)


@dataclass
class BvhJoint:
    """A joint in the file's own units and axes.

    Attributes:
        name: unique name.
        parent: index of its parent, -1 at the root.
        offset: (3,) from the parent.
        columns: channel, such as "xrotation" -> its column of the number block.
    """

    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    columns: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class BvhFile:
    """What the text of a BVH file says.

    Attributes:
        joints: parents first, in the order of the file.
        values: (T, channels) float64, the number block in the file's units and degrees.
        fps: frames per second.
        notes: what is odd about the text.
    """

    joints: list[BvhJoint]
    values: np.ndarray
    fps: float
    notes: list[Note]


def parse_bvh(source: Source, recorded_fps: float | None = None) -> BvhFile:
    """Parse a BVH file.

    Args:
        source: the file.
        recorded_fps: frames per second; None takes the file's Frame Time.

    Raises:
        UserError: One line names the file, the line where there is one, the fault and what to do.
    """
    data, notes = as_utf8(source.read())
    if b"HIERARCHY" not in data[:HEAD].upper():
        raise source.fault("not a BVH file (it does not begin with HIERARCHY)")
    match = _MOTION.search(data)
    if match is None:
        text = "no MOTION section; the file is cut short or holds a skeleton only"
        raise source.fault(f"{text} (--exclude '{source.path.name}' leaves it out)")
    joints, doubled = _parse_hierarchy(data[: match.start()].decode(), source)
    channels = sum(len(joint.columns) for joint in joints)
    values, fps, odd = parse_motion(data, match.end(), channels, source, recorded_fps)
    if doubled:
        notes.append(Note("doubled", f"names that stand twice got a number: {first_few(doubled, 4)}"))
    return BvhFile(joints, values, fps, [*notes, *odd])


def free_name(name: str, taken: set[str]) -> str:
    """Return `name`, with a number where a joint has more than one End Site."""
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}{count}"
    return free


def _header_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, statement), without comments and with each brace as a statement."""
    for number, line in enumerate(text.split("\n"), 1):
        comment = _COMMENT_AFTER_NAME if _NAMED.match(line) else COMMENT
        for part in re.split(r"([{}])", comment.sub("", line)):
            if part.strip():
                yield number, part.strip()


def _parse_hierarchy(text: str, source: Source) -> tuple[list[BvhJoint], list[str]]:
    """Return the joints, parents first, in the order of the file, and those whose names stood twice.

    End Sites, and what has a name that another joint has too, are called once all names are known. A file may have
    several roots, of which all but one have to be dropped.
    """
    joints: list[BvhJoint] = []
    names: set[str] = set()
    unnamed: list[tuple[BvhJoint, str]] = []
    stack: list[int] = []
    opening: int | None = None
    columns = number = 0
    for number, statement in _header_lines(text):
        word, _, rest = statement.partition(" ") if "\t" not in statement else _split(statement)
        word, rest = word.upper(), rest.strip()
        if word == "HIERARCHY":
            continue
        if word == "{":
            if opening is None:
                raise source.fault("a '{' without a joint before it", number)
            stack.append(opening)
            opening = None
        elif word == "}":
            if not stack:
                raise source.fault("a '}' too many", number)
            stack.pop()
        elif word in ("ROOT", "JOINT", "END"):
            if word != "ROOT" and not stack:
                raise source.fault(f"'{statement}' stands outside the root's braces", number)
            parent = stack[-1] if stack else -1
            name = rest[1:-1] if rest[:1] == rest[-1:] == '"' else rest
            if not name and word != "END":
                raise source.fault(f"{word} without a name", number)
            if len(joints) == MAX_JOINTS:
                raise source.fault(f"more than {MAX_JOINTS} joints; this is no character's skeleton", number)
            joints.append(BvhJoint("" if word == "END" else name, parent))
            if word == "END" or name in names:
                unnamed.append((joints[-1], "" if word == "END" else name))
            else:
                names.add(name)
            opening = len(joints) - 1
        elif word in ("OFFSET", "CHANNELS"):
            if not stack:
                raise source.fault(f"{word} outside a joint", number)
            joint, tokens = joints[stack[-1]], rest.split()
            if word == "OFFSET":
                joint.offset = _offset(tokens, joint.name, number, source)
            else:
                if joint.columns:
                    raise source.fault(f"joint '{joint.name}': a second CHANNELS", number)
                joint.columns = _channels(tokens, joint.name, columns, number, source)
                columns += len(joint.columns)
        else:
            raise source.fault(f"'{statement[:40]}' is none of ROOT, JOINT, End Site, OFFSET, CHANNELS", number)
    if stack or opening is not None:
        name = joints[stack[-1] if stack else -1].name or "End Site"
        raise source.fault(f"joint '{name}' is not closed with '}}'; the file is cut short", number)
    if not joints:
        raise source.fault("no ROOT under HIERARCHY")
    if not columns:
        raise source.fault("no joint has CHANNELS, so nothing moves")
    doubled = []
    for joint, name in unnamed:
        joint.name = free_name(name or joints[joint.parent].name + END, names)
        names.add(joint.name)
        if name:
            doubled.append(joint.name)
    return joints, doubled


def _split(statement: str) -> tuple[str, str, str]:
    """Return a statement with tabs as (word, separator, rest)."""
    word, *rest = statement.split(None, 1)
    return word, " ", rest[0] if rest else ""


def _offset(tokens: list[str], joint: str, line: int, source: Source) -> np.ndarray:
    """Return the three numbers of an OFFSET."""
    try:
        offset = np.array([float(token) for token in with_points(tokens)])
    except ValueError:
        offset = np.zeros(0)
    if offset.shape != (3,) or not (np.abs(offset) < LARGEST).all():
        raise source.fault(f"joint '{joint}': OFFSET needs three numbers, found '{' '.join(tokens)}'", line)
    return offset


def _channels(tokens: list[str], joint: str, first: int, line: int, source: Source) -> dict[str, int]:
    """Return channel -> column of the number block, for a joint whose first column is `first`."""
    names = [_AXIS_LAST.sub(r"\2\1", token.lower()) for token in tokens[1:]]
    if not tokens or tokens[0].lstrip("0") != (str(len(names)) if names else ""):
        raise source.fault(f"joint '{joint}': CHANNELS '{' '.join(tokens)}' does not list as many as it says", line)
    for name in names:
        if name not in _CHANNELS:
            raise source.fault(f"joint '{joint}': {unknown('channel', name, _CHANNELS)}", line)
    if len(set(names)) < len(names):
        raise source.fault(f"joint '{joint}': a channel stands twice in CHANNELS", line)
    return {name: first + i for i, name in enumerate(names)}
