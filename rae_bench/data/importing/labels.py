"""Name, split group and action of each recording, as lists, manifests, names of files and patterns tell them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rae_bench.data.formats.take import Take
from rae_bench.data.importing.file_list import LABELS
from rae_bench.data.importing.file_names import labels_by_name, mirrored_by_name
from rae_bench.data.importing.recipe import Recipe
from rae_bench.errors import UserError
from rae_bench.storage import read_json

ENOUGH_FILES = 5
"""Files from which on each is a group, with all its takes; as many groups as there are folds."""


def read_labels(
    folder: Path, recipe: Recipe, files: Sequence[str] = ()
) -> tuple[Mapping[str, Mapping[str, str]], str]:
    """Return file -> its session, action and style, by the recipe's list and manifest, and what names of files told.

    Where there is no list and no manifest, names of files and folders tell session and style as far as they can.

    Raises:
        UserError: The manifest is missing, or is no list of objects.
    """
    labels: defaultdict[str, dict[str, str]] = defaultdict(dict)
    labels.update({name: dict(file.labels) for name, file in recipe.files.items()})
    if recipe.manifest:
        path = folder / recipe.manifest
        entries = read_json(path, "no such manifest")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f"{path}: a list of objects with the key 'file' is needed")
        for entry in entries:
            words = {key: str(entry[key]) for key in LABELS if key in entry}
            labels[str(entry.get("file", ""))] = words
    elif not recipe.files and files:
        named, told = labels_by_name([str(PurePosixPath(file).with_suffix("")) for file in files])
        if recipe.group_by != "names" or recipe.group_pattern:
            told, named = "", [{key: word for key, word in each.items() if key == "style"} for each in named]
        labels.update(zip(files, named, strict=True))
        return labels, told
    return labels, ""


class TakeName(NamedTuple):
    """How a take is called.

    Attributes:
        file: where it is from, relative to the folder.
        own: its name in a file that holds several, else empty.
        stem: its file's name without the suffix, then its own; unique.
    """

    file: str
    own: str
    stem: str


def take_names(sources: Sequence[str], takes: Sequence[Take], files: Sequence[str]) -> list[TakeName]:
    """Return how each take is called.

    Args:
        sources: the file of each take.
        takes: what was read.
        files: unique names, in place of a stem that several takes would share.
    """
    of = list(zip(sources, takes, files, strict=True))
    stems = [f"{_bare(source)}/{take.name}" if take.name else _bare(source) for source, take, _ in of]
    return [
        TakeName(source, take.name, stem if stems.count(stem) == 1 else file)
        for stem, (source, take, file) in zip(stems, of, strict=True)
    ]


def take_groups(
    names: Sequence[TakeName], labels: Mapping[str, Mapping[str, str]], recipe: Recipe
) -> tuple[list[str], str]:
    """Return the split group of each take, and which files share one as they are mirror images by name, in words.

    Args:
        names: how the takes are called.
        labels: file -> what `read_labels` says of it.
        recipe: how the folder is read.
    """
    whole = _file_is_group([name.file for name in names], recipe)
    groups = [
        _group(_bare(name.file) if whole and name.own else name.stem, labels[name.file], recipe) for name in names
    ]
    stems = [name.stem for name in names]
    mirrors = mirrored_by_name(stems) if recipe.group_by == "names" else {}
    if not mirrors:
        return groups, ""
    groups = [groups[stems.index(mirrors.get(stem, stem))] for stem in stems]
    first = next(iter(mirrors))
    return groups, f"{len(mirrors)} files are mirror images by name and share a group with what they mirror, as {first}"


def take_actions(names: Sequence[TakeName], labels: Mapping[str, Mapping[str, str]], recipe: Recipe) -> list[str]:
    """Return the action of each take: its label or name, or what the pattern finds in it."""
    return [_action(name.own or name.stem, labels[name.file], recipe) for name in names]


def _bare(file: str) -> str:
    return str(PurePosixPath(file).with_suffix(""))


def _file_is_group(sources: Sequence[str], recipe: Recipe) -> bool:
    """Return whether all takes of a glTF file are of one group, as pieces of one recording have to be.

    Where a character's takes are in few files, a take is a group by itself: else there were too few to hold any out.
    """
    if recipe.group_pattern or recipe.group_by == "segment":
        return False
    return recipe.group_by == "file" or len(set(sources)) >= ENOUGH_FILES


def _group(stem: str, labels: Mapping[str, str], recipe: Recipe) -> str:
    """Return the split group of a file: what its pattern finds in the name, else its session, else its name."""
    if recipe.group_pattern:
        return _first_group("group_pattern", recipe.group_pattern, stem, stem)
    return labels.get("session", stem)


def _action(stem: str, labels: Mapping[str, str], recipe: Recipe) -> str:
    """Return the action of a file: its label or name, or what the pattern finds in it."""
    text = labels.get("action", stem)
    return _first_group("action_pattern", recipe.action_pattern, text, stem) if recipe.action_pattern else text


def _first_group(key: str, pattern: str, text: str, stem: str) -> str:
    """Return what the first group of a regular expression finds in a text."""
    match = re.search(pattern, text)
    if match is None or match[1] is None:
        raise UserError(f"{key} '{pattern}' does not match '{text}' of the file '{stem}'")
    return match[1]
