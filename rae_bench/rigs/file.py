"""Reading and writing rig files, which are TOML. docs/reference/formats.md describes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rae_bench.errors import UserError, check_keys, unknown
from rae_bench.rigs.builtin import builtin_rigs, rig_name
from rae_bench.rigs.morph import morph
from rae_bench.rigs.rig import FREE, Rig, make_rig
from rae_bench.storage import read_toml


class _RigFile(msgspec.Struct):
    joints: list[dict[str, Any]] = []
    name: str = ""
    description: str = ""
    fixed_base: bool = False
    roles: dict[str, str] = {}
    contact_joints: list[str] = []
    mirror: list[list[str]] = []


def read_rig(path: Path) -> Rig:
    """Read a rig file.

    Raises:
        UserError: One line names the file, the joint and the fault.
    """
    table = read_toml(path, "no such rig file")
    check_keys(table, {field.name for field in msgspec.structs.fields(_RigFile)}, str(path))
    try:
        file = msgspec.convert(table, _RigFile)
    except msgspec.ValidationError as error:
        raise UserError(f"{path}: not as expected: {error}") from None
    entries = file.joints
    for entry in entries:
        if not isinstance(entry.get("name"), str) or "offset" not in entry:
            raise UserError(f"{path}: each joint needs a name and an offset; found {entry!r}"[:200])
        check_keys(entry, {"name", "parent", "offset", "limits", "rest"}, f"{path}: joint '{entry['name']}'")
        if not isinstance(entry.get("parent", ""), str):
            raise UserError(f"{path}: joint '{entry['name']}': parent {entry['parent']!r} is no name")
        if not isinstance(entry.get("limits", {}), dict):
            raise UserError(f"{path}: joint '{entry['name']}': limits are a table, as in {{ x = [-30, 30] }}")
    return make_rig(
        file.name or path.stem,
        [(entry["name"], entry.get("parent"), entry["offset"]) for entry in entries],
        file.roles,
        contact_joints=file.contact_joints,
        limits={entry["name"]: entry["limits"] for entry in entries if "limits" in entry},
        mirror=file.mirror,
        rest={entry["name"]: entry["rest"] for entry in entries if "rest" in entry},
        fixed_base=file.fixed_base,
        description=file.description,
        where=path.name,
    )


def rig_to_toml(rig: Rig) -> str:
    """Return the rig as the text of a rig file; `read_rig` gives it back."""
    quote = json.dumps
    lines = [f"name = {quote(rig.name)}"]
    if rig.description:
        lines.append(f"description = {quote(rig.description)}")
    if rig.fixed_base:
        lines.append("fixed_base = true")
    lines.append("joints = [")
    for j, joint in enumerate(rig.joint_names):
        parts = [f"name = {quote(joint)}"]
        if rig.parents[j] >= 0:
            parts.append(f"parent = {quote(rig.joint_names[rig.parents[j]])}")
        parts.append(f"offset = {_row(rig.offsets[j])}")
        if not np.allclose(rig.limits[j], [-FREE, FREE]):
            axes = [
                f"{axis} = {_row(np.degrees(rig.limits[j, a].astype(np.float64)))}"
                for a, axis in enumerate("xyz")
                if rig.limits[j, a].any()
            ]
            parts.append("limits = { " + ", ".join(axes) + " }" if axes else "limits = {}")
        if not np.allclose(rig.rest[j], [1, 0, 0, 0]):
            parts.append(f"rest = {_row(rig.rest[j])}")
        lines.append("  { " + ", ".join(parts) + " },")
    lines.append("]")
    lines.append(f"contact_joints = {quote([rig.joint_names[j] for j in rig.contact_joints])}")
    pairs = [[rig.joint_names[j], rig.joint_names[m]] for j, m in enumerate(rig.mirror) if j < m]
    lines.append(f"mirror = {quote(pairs)}")
    lines.append("[roles]")
    lines.extend(f"{role} = {quote(rig.joint_names[j])}" for role, j in rig.roles.items())
    return "\n".join(lines) + "\n"


def _row(values: np.ndarray) -> str:
    return "[" + ", ".join(repr(round(float(v), 7) + 0.0) for v in values) + "]"


def load_rig(name: str | Path) -> Rig:
    """Return a rig by name or file.

    Args:
        name: name of a built-in rig, path of a rig file (anything that ends in .toml), or name of a rig between two
            built-in ones, such as `r1~r2@0.25` (`rae_bench.rigs.morph`).

    Raises:
        UserError: There is no such rig, or its file is at fault.
    """
    if str(name).endswith(".toml"):
        return read_rig(Path(name))
    between = rig_name(str(name))
    if between is not None:
        return morph(load_rig(between.first), load_rig(between.second), between.share, between.joints)
    rigs = builtin_rigs()
    if str(name) not in rigs:
        raise unknown("rig", str(name), rigs)
    return read_rig(rigs[str(name)])
