"""`rae-bench list` and `rae-bench show`: what there is, without importing torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rae_bench.cli import complete
from rae_bench.cli.screen import next_steps, print_facts, print_notes
from rae_bench.errors import unknown

if TYPE_CHECKING:
    from rae_bench.model.registry import ModelRef
    from rae_bench.rigs.rig import Rig
    from rae_bench.task.task import Task

NAMES = 24
"""Characters of the column of names, at most."""
KINDS = ("models", "tasks", "rigs", "domains")


@click.command("list")
@click.argument("kinds", nargs=-1, metavar="[models|tasks|rigs|domains]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(kinds: tuple[str, ...], as_json: bool) -> None:
    """List models, tasks, rigs and imported domains."""
    from rae_bench.model.registry import list_models
    from rae_bench.objectives.tracks import TRACKS
    from rae_bench.rigs.builtin import rig_descriptions
    from rae_bench.storage import list_domains
    from rae_bench.task.named import builtin_tasks, load_task

    for kind in kinds:
        if kind not in KINDS:
            raise unknown("list", kind, KINDS)
    found: dict[str, dict[str, Any]] = {}
    for kind in kinds or KINDS:
        if kind == "models":
            found[kind] = {name: {"module": m.module, **m.about} for name, m in list_models().items()}
        elif kind == "tasks":
            found[kind] = {name: load_task(name).title for name in builtin_tasks()}
        elif kind == "rigs":
            found[kind] = rig_descriptions()
        else:
            found[kind] = dict.fromkeys(list_domains(), "imported")
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for kind, entries in found.items():
        click.secho(kind, bold=True)
        width = max(map(len, entries), default=0)
        for name, text in entries.items():
            lines = model_lines(text) if kind == "models" else [text]
            lines += [_budgets_in_short(load_task(name))] if kind == "tasks" else []
            print_facts(((f"  {name}" if n == 0 else "", line) for n, line in enumerate(lines)), min(width, NAMES) + 4)
        if kind == "tasks":
            print_notes([f"  NAME-TRACK is a task in another track: {', '.join(TRACKS)}; show task NAME says more"])
        if not entries:
            click.echo("  none" + ("; rae-bench data import makes one" if kind == "domains" else ""))
    next_steps("rae-bench show model fe", "rae-bench show task biped2quad")


def _budgets_in_short(task: Task) -> str:
    p = task.protocol
    sizes = f"full {p.full_updates:,} updates, quick {p.quick_updates:,}, {p.frames_per_update} frames each"
    return f"track {p.track}; {sizes}"


def model_lines(about: dict[str, Any]) -> list[str]:
    """Return what is known of a model without importing it: description, parameters, capabilities, paper, licence."""
    if "description" not in about:
        return [about["module"]]
    count = about["parameters"]
    words = ", ".join(about["capabilities"]) if about.get("learns", True) else "learns nothing"
    facts = ["" if count is None else f"{count:,} parameters", words]
    return [about["description"], ". ".join(fact for fact in (*facts, about["paper"], about["licence"]) if fact)]


@click.group()
def show() -> None:
    """Show a rig, a task or a model."""


@show.command("rig")
@click.argument("name", shell_complete=complete.rig)
@click.option(
    "--to", "other", shell_complete=complete.rig,
    help="Another rig: how far apart they are, and which joints correspond.",
)  # fmt: skip
def show_rig(name: str, other: str | None) -> None:
    """Print the joint tree of rig NAME (or of a rig file)."""
    from rae_bench.rigs.file import load_rig

    rig = load_rig(name)
    for line in rig_tree(rig) if other is None else rigs_apart(rig, load_rig(other)):
        click.echo(line)
    run = f"rae-bench run --model fe --source {name} --target {other}"
    next_steps(f"rae-bench view {name}" if other is None else run)


def rigs_apart(rig: Rig, other: Rig) -> list[str]:
    """Return how far apart two rigs are, and the joints of the second beside those of the first that move them."""
    from rae_bench.rigs.correspondence import distance, match, partners

    apart, common = distance(rig, other), match(rig, other)
    lines = [
        f"{rig.name} and {other.name}",
        f"bones   {apart.bones:.2f}   root mean square of the log ratios of bone lengths, in heights",
        f"joints  {apart.joints:<6} put in or taken out, limb by limb, until both have as many",
        f"limbs   {apart.limbs:<6} that only one has" + "".join(f", {role}" for role in common.missing + common.new),
        "",
    ]
    pairs = partners(rig, other)
    width = max(len(other.joint_names[joint]) for joint in pairs)
    return lines + [
        f"{other.joint_names[joint]:<{width}}  moves as {rig.joint_names[pairs[joint]]}" for joint in sorted(pairs)
    ]


def rig_tree(rig: Rig) -> list[str]:
    """Return the joints as a tree: role, bone length in cm, degrees of freedom, contact."""
    import numpy as np

    from rae_bench.rigs.tree import children_of

    lengths = 100 * np.linalg.norm(rig.offsets, axis=1)
    freedom = (rig.limits[:, :, 1] > rig.limits[:, :, 0]).sum(1)
    role_of = {joint: role for role, joint in rig.roles.items()}
    contacts = set(rig.contact_joints.tolist())
    mean = lengths[rig.parents >= 0].mean()
    lines = [
        f"{rig.name}: {rig.description}".rstrip(": "),
        f"{len(rig)} joints, {freedom.sum()} degrees of freedom, height {100 * rig.height:.1f} cm, "
        f"mean bone {mean:.1f} cm" + (", fixed base" if rig.fixed_base else ""),
        "",
    ]
    children = children_of(rig.parents)

    def walk(joint: int, lead: str, tail: str) -> None:
        notes = [f"{lengths[joint]:.1f} cm" if rig.parents[joint] >= 0 else "root", f"{freedom[joint]} dof"]
        notes += [role_of[joint]] if joint in role_of else []
        notes += ["contact"] if joint in contacts else []
        lines.append(f"{lead}{rig.joint_names[joint]}  ({', '.join(notes)})")
        for i, child in enumerate(children[joint]):
            last = i == len(children[joint]) - 1
            walk(child, tail + ("└─ " if last else "├─ "), tail + ("   " if last else "│  "))

    walk(children[-1][0], "", "")
    return lines


@show.command("task")
@click.argument("name", shell_complete=complete.task)
@click.option("--folds", is_flag=True, help="What each fold holds: takes, groups, minutes, actions. Makes the data.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA), for --folds.")
@click.option("--json", "as_json", is_flag=True, help="Print the folds as JSON.")
def show_task(name: str, folds: bool, data: Path | None, as_json: bool) -> None:
    """Print what task NAME (or a task file) asks, or what its folds hold."""
    from rae_bench.cli.show_folds import fold_facts, fold_lines
    from rae_bench.errors import UserError
    from rae_bench.task.named import load_task

    task = load_task(name)
    if folds:
        from rae_bench.task.sides import load_sides

        sides = load_sides(task, data)
        lines = [json.dumps(fold_facts(task, *sides), indent=1)] if as_json else fold_lines(task, *sides)
        click.echo("\n".join(lines))
    else:
        if as_json or data:
            raise UserError("--json and --data are for --folds")
        title, description, *facts = task_lines(task)
        print_notes([title, description])
        print_facts((line[:12].rstrip(), line[12:]) for line in facts)
    next_steps(f"rae-bench run --model fe --task {name}")


def task_lines(task: Task) -> list[str]:
    """Return a task in words, a line each."""
    from rae_bench.model.regimes import percent
    from rae_bench.objectives.tracks import TRACK_WORDS
    from rae_bench.task.task import PRETRAINING_SHARE

    def side(table: Mapping[str, Any]) -> str:
        words = {k: v for k, v in table.items() if k in ("rig", "motion", "folder", "name", "licence", "origin")}
        if "files" in table:
            words["files"] = len(table["files"])
        swept = ", sweep" if table.get("sweep") else ""
        return f"{table['kind']}: " + ", ".join(f"{k} {v}" for k, v in words.items()) + swept

    p = task.protocol
    fractions = ", ".join(percent(f) for f in p.fractions)
    return [
        f"{task.name}: {task.title}",
        task.description,
        *(["demo        shows that an import works; its rows are not ranked"] if task.demo else []),
        *(f"source      {side(source)}" for source in task.sources),
        f"target      {side(task.target)}",
        f"track       {p.track}: {TRACK_WORDS[p.track]}",
        f"segments    {p.seconds:g} s at {p.fps:g} fps, {p.history:g} s of them history",
        f"fractions   {fractions} and full; run takes {percent(p.default_fraction)}",
        f"budget      full: {p.full_updates:,} updates to adapt, {PRETRAINING_SHARE * p.full_updates:,} to pre-train",
        f"            quick: {p.quick_updates:,} and {PRETRAINING_SHARE * p.quick_updates:,}; the default of run",
        f"            up to {p.frames_per_update} frames each",
        f"roles       {', '.join(p.roles)}",
        f"ranked      {_ranking_words(task)}",
    ]


def _ranking_words(task: Task) -> str:
    """Say at which fractions a task is ranked, or why it is not."""
    from rae_bench.model.regimes import percent

    found = task.ranking
    if found is None:
        return "not measured; rae-bench check task --ranking does"
    room = ""
    if found.headroom:
        ratio, low, high = found.headroom
        room = f"; cold / full is {ratio:.2f} [{low:.2f}, {high:.2f}]"
    return (f"at {', '.join(map(percent, found.fractions))}" if found.fractions else f"no: {found.reason}") + room


@show.command("model")
@click.argument("spec", shell_complete=complete.model)
def show_model(spec: str) -> None:
    """Print what model SPEC is, its options for --set, and of a plug-in the files that identify it.

    An installed entry is not imported; a plug-in is, for its card.
    """
    from rae_bench.model.described import model_options
    from rae_bench.model.registry import resolve_model

    ref = resolve_model(spec)
    for key, value in _card(ref).items():
        text = ", ".join(sorted(value)) if isinstance(value, (frozenset, list)) else value
        print_facts([(key, f"{text:,}" if key == "parameters" else str(text))], 14)
    if ref.plugin is not None:
        from rae_bench.model.plugins.plugin import plugin_files, plugin_identity

        click.echo(f"{'identity':<13} {plugin_identity(ref.plugin)}")
        for n, file in enumerate(plugin_files(ref.plugin)):
            click.echo(f"{'' if n else 'of the files':<13} {file}")
    options = model_options(ref)
    if not options:
        click.echo("\nIt declares no options.")
        next_steps(f"rae-bench run --model {spec} --task biped2quad")
        return
    click.echo("\noptions, as in --set NAME=VALUE: type, default, what it does")
    rows = [(f"  {option.name}", option.kind, option.default, option.text) for option in options]
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    heads = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=False)) + "  " for row in rows]
    print_facts(zip(heads, (row[3] for row in rows), strict=True), sum(widths) + 7)
    next_steps(f"rae-bench check model {spec}", f"rae-bench run --model {spec} --task biped2quad")


def _card(ref: ModelRef) -> dict[str, Any]:
    """What is said of a model, without importing an installed one."""
    if "description" in ref.about:
        known: dict[str, Any] = {"name": ref.name, **ref.about}
        identity = ref.identity
        if isinstance(identity, dict):
            known["version"] = ", ".join(f"{part} {number}" for part, number in identity.items())
        said = {key: value for key, value in known.items() if value not in ("", None, [])}
        return {key: value for key, value in said.items() if key not in ("versions", "groups")}
    from dataclasses import asdict

    model: Any = ref.load()
    return {key: value for key, value in asdict(model.card).items() if value not in ("", None)}
