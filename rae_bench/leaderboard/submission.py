"""From a folder of results to an entry and the file of its trajectories."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rae_bench.errors import UserError, unknown
from rae_bench.files import LARGEST_TEXT, copy
from rae_bench.leaderboard.completing import required_command
from rae_bench.leaderboard.entries.card import Card, Trajectories, check_facts
from rae_bench.leaderboard.entries.entry import load_entry, write_entry_file
from rae_bench.leaderboard.entries.entry_files import CELLS, is_slug
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.packing import digest, open_pack, pack
from rae_bench.leaderboard.entries.rules import is_ranked
from rae_bench.leaderboard.entries.sample import room_for
from rae_bench.leaderboard.verify.plausibility import check_required
from rae_bench.leaderboard.verify.sampled import make_sample
from rae_bench.leaderboard.verify.verifier import Report, Say, known_tasks, verify
from rae_bench.model.plugins.plugin import portable_spec
from rae_bench.model.regimes import COLD, COLD_LONG, FINETUNE, FROZEN, NO_REGIME, RETARGET, ZERO_SHOT
from rae_bench.model.registry import CONTROLS, model_name
from rae_bench.results.files import budget_of_result, check_result_version, read_result, write_json
from rae_bench.storage import scratch, whole_file, whole_folder
from rae_bench.task.cells import TRUTH, cell_name
from rae_bench.task.task import FULL_BUDGET

PREFERRED = (FINETUNE, FROZEN, RETARGET, ZERO_SHOT, COLD_LONG, COLD)
"""An entry declares the first of these regimes that it has cells of, unless its author names one."""


class _Carried(msgspec.Struct):
    """What `make_card` takes from the card of a result."""

    name: str = ""
    version: str = ""
    authors: str = ""
    paper: str = ""
    licence: str = ""
    description: str = ""
    access: str = ""
    learns: bool = True
    capabilities: list[str] = []


@dataclass(frozen=True, eq=False)
class Gathered:
    """The cells of one model with one set of options.

    Attributes:
        spec: what the results call the model: a name, or a plug-in's module or file and class.
        config: the hash of the options.
        cells: path of each result -> the result.
        quick: how many results of the quick budget lie there too; they are no part of an entry.
    """

    spec: str
    config: str
    cells: Mapping[Path, Mapping[str, Any]]
    quick: int = 0

    @property
    def model(self) -> str:
        """The model's name, without the path of a plug-in's code."""
        return model_name(self.spec)

    @property
    def card(self) -> Mapping[str, Any]:
        """The card that the model carries; empty for the truth. Raise `UserError` where a result has none of ours."""
        path, card = next(((path, r["card"]) for path, r in self.cells.items() if "card" in r), (None, {}))
        try:
            msgspec.convert(card, _Carried)
        except msgspec.ValidationError as error:
            raise UserError(f"{path}: its card is none ({error}); run the cell again with --force") from None
        return dict(card)

    @property
    def regime(self) -> str:
        """The regime that an entry of these cells declares unless its author names one."""
        if self.model in (TRUTH, *CONTROLS):
            return NO_REGIME
        finished = {r["regime"] for r in self.cells.values() if r["status"] == "ok"}
        return next((regime for regime in PREFERRED if regime in finished), COLD)


def gather_cells(folder: Path, model: str | None = None, tasks: Sequence[str] = ()) -> Gathered:
    """Gather the cells of one model under a folder of results.

    Args:
        folder: what `run` or `sweep` left.
        model: which model, where the folder holds more than one. Controls and `truth` are found only by name.
        tasks: names of the tasks whose cells count; all where there are none.

    Raises:
        UserError: no cells, none but quick ones, cells of another version of the benchmark, more than one model or set
            of options, failed cells, or missing trajectories.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name the one that `run` or `sweep` left (--out)")
    found: dict[tuple[str, str], dict[Path, Mapping[str, Any]]] = defaultdict(dict)
    quick: dict[Path, Mapping[str, Any]] = {}
    for path in sorted(folder.rglob("*.json")):
        result = read_result(path)
        if result is None or (tasks and result["task"] not in tasks):
            continue
        check_result_version(result, path)
        if budget_of_result(result) != FULL_BUDGET:
            quick[path] = result
        else:
            found[result["model"], result["identity"]["config"]][path] = result
    if quick and not found:
        raise UserError(
            f"{folder}: holds results of the quick budget alone, which are not for the board; run it with --budget full"
            f"{_full_command(folder, quick, model)}"
        )
    names = sorted({model_name(spec) for spec, _ in found})
    if model is None:
        chosen = [key for key in found if key[0] not in (TRUTH, *CONTROLS)]
    else:
        chosen = [k for k in found if k[0] == portable_spec(model) or model in (model_name(k[0]), _card_name(found[k]))]
        if not chosen:
            raise unknown(f"model in {folder}", model, names)
    if not chosen:
        raise UserError(f"{folder}: holds no results of a model{f' on {tasks[0]}' if tasks else ''}; run one first")
    if len({spec for spec, _ in chosen}) > 1:
        raise UserError(f"{folder}: holds {', '.join(sorted({s for s, _ in chosen}))}; choose one with --model")
    if len(chosen) > 1:
        folders = sorted({str(path.parents[1]) for key in chosen for path in found[key]})
        raise UserError(
            f"{folder}: holds {chosen[0][0]} with more than one set of options; name one of {', '.join(folders)}"
        )
    spec, config = chosen[0]
    _check_cells(found[chosen[0]])
    return Gathered(spec, config, found[chosen[0]], len(quick))


def _card_name(cells: Mapping[Path, Mapping[str, Any]]) -> str | None:
    """Return what the model's card calls it, which may be another name than that of its class."""
    card = next(iter(cells.values())).get("card")
    return str(card["name"]) if isinstance(card, Mapping) and "name" in card else None


def _full_command(folder: Path, quick: Mapping[Path, Mapping[str, Any]], model: str | None) -> str:
    """Return the command that makes an entry's cells of the first task, where quick results are of one model."""
    learned = [
        r for r in quick.values() if r["model"] not in (TRUTH, *CONTROLS) and "card" in r
        and model in (None, r["model"], model_name(r["model"]))
    ]  # fmt: skip
    if len({(r["model"], r["identity"]["config"]) for r in learned}) != 1:
        return ""
    found = Gathered(learned[0]["model"], learned[0]["identity"]["config"], quick)
    return f": {required_command(make_card(found, authors='-'), found.spec, found.regime, learned, folder)}"


def _check_cells(cells: Mapping[Path, Mapping[str, Any]]) -> None:
    seen: dict[tuple[Any, ...], Path] = {}
    for path, result in cells.items():
        if result["status"] == "failed":
            raise UserError(f"{path}: the cell failed ({result['reason']}); run the same command again")
        if result["status"] == "ok" and result["model"] != TRUTH and not path.with_suffix(".npz").is_file():
            raise UserError(f"{path.with_suffix('.npz')}: the cell's trajectory is missing; run it again with --force")
        key = result["task"], result["regime"], result["fraction"], result["seed"]
        if key in seen:
            raise UserError(f"{path} and {seen[key]} are results of the same cell; name the folder of one of them")
        seen[key] = path


def make_card(gathered: Gathered, **words: str | None) -> Card:
    """Return the card of an entry: the model's card, with `words` in place of what it says.

    Raises:
        UserError: neither the model's card nor `words` name an author.
    """
    carried = gathered.card
    fields = ("version", "authors", "paper", "licence", "description", "access", "learns")
    facts: dict[str, Any] = {key: carried[key] for key in fields if key in carried}
    facts |= {"title": carried.get("name", gathered.model), "model": gathered.model, "config": gathered.config}
    facts["capabilities"] = sorted(carried.get("capabilities", []))
    if not carried:
        facts |= {"authors": "rae-bench", "learns": False, "description": "the recorded motion itself"}
    facts |= {key: " ".join(value.split()) for key, value in words.items() if value is not None}
    if not facts.get("authors"):
        raise UserError("nobody is named as author, neither by the model's card nor with --author")
    return Card(**facts)


def submit_entry(
    gathered: Gathered,
    name: str,
    card: Card,
    *,
    out: Path,
    packed: Path,
    regime: str | None = None,
    external: Sequence[str] = (),
    url: str = "",
    replace: bool = False,
    tasks: Sequence[str | Path] = (),
    data_root: Path | None = None,
    progress: Say = lambda text: None,
) -> Report:
    """Make the entry `out/name` and the file `packed` if `verify` finds no fault in them; otherwise make nothing.

    Args:
        gathered: the cells.
        name: the name of the entry.
        card: who the model is, as from `make_card`.
        out: the folder of the entries.
        packed: the file of the trajectories, for upload.
        regime: the regime that the entry declares; `gathered.regime` unless given.
        external: other data that the model learnt from. Any makes the division `open`.
        url: the https address where `packed` will lie.
        replace: whether an entry of that name may be overwritten.
        tasks, data_root, progress: as for `verify`.

    Raises:
        UserError: a name that cannot be, an entry that exists, or a card that is refused.
    """
    if not is_slug(name):
        raise UserError(f"--name {name}: use letters, digits, '-', '_' and single dots, 63 at most, no mark first")
    if (out / name).exists() and not replace:
        raise UserError(f"{out / name}: this entry exists; overwrite it with --replace, or choose another --name")
    division = "open" if external else "closed"
    declared = regime or gathered.regime
    lines = [" ".join(line.split()) for line in external]
    check_facts(card, division, lines, declared)
    with scratch() as place:
        folder, file = place / name, place / f"{name}.zip"
        trajectories = None
        members = {
            f"{r['task']}/{path.stem}.npz": path.with_suffix(".npz")
            for path, r in gathered.cells.items()
            if r["status"] == "ok" and gathered.model != TRUTH
        }
        if gathered.model != TRUTH:
            pack(members, file)
            trajectories = Trajectories(*digest(file), url)
        for path, result in gathered.cells.items():
            stem = cell_name(result["regime"], result["fraction"], result["seed"])
            target = folder / CELLS / result["task"] / f"{stem}.json"
            # The path of a plug-in's code is private.
            write_json(target, {**result, "model": gathered.model})
            if result["status"] == "ok":
                copy(path.with_suffix(".csv"), target.with_suffix(".csv"), LARGEST_TEXT)
        write_entry_file(folder, card, division, lines, declared, trajectories)
        others = out if out.is_dir() else place
        known = known_tasks(tasks)
        with suppress(Refused):  # verify reports it
            entry = load_entry(folder)
            asked = [known[task] for task in entry.tasks if task in known]
            if lacking := [finding for task in asked for finding in check_required(entry, task)]:
                return Report(entry, lacking)  # at once: to measure its motion takes minutes
            if trajectories and any(is_ranked(known[task]) for task in entry.tasks if task in known):
                with open_pack(entry, file) as opened:
                    make_sample(entry, opened, known, room_for(name, others), data_root, progress)
        report = verify(
            folder, file if trajectories else None, others=others, tasks=tasks, data_root=data_root, progress=progress
        )
        if report.findings:
            return report
        if trajectories:
            with whole_file(packed) as part:
                shutil.copyfile(file, part)
        with whole_folder(out / name) as part:
            shutil.copytree(folder, part)
        return report
