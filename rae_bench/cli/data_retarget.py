"""`rae-bench data retarget`: the motion of one character on another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_bench.cli.screen import next_steps, print_facts
from rae_bench.cli.status import begin, status_line

if TYPE_CHECKING:
    from rae_bench.rigs.rig import Rig


@click.command()
@click.argument("what", metavar="DOMAIN")
@click.argument("onto", metavar="RIG")
@click.option("--name", required=True, help="Name of the new domain, for --source and --target.")
@click.option("--motion", type=click.Choice(["locomotion", "reach"]), help="Of a built-in rig: which motion.")
@click.option("--page", type=click.Path(path_type=Path), help="Page of both, side by side (NAME-retargeted.html).")
def retarget(what: str, onto: str, name: str, motion: str | None, page: Path | None) -> None:
    """Put the motion of DOMAIN on the skeleton RIG, and keep it as the domain NAME.

    DOMAIN is an imported domain or a built-in rig. RIG is a built-in rig, a rig file (.toml), or an imported domain,
    whose skeleton is taken. Roles say what corresponds (docs/guides/retargeting.md); nothing of RIG's motion is needed.
    """
    begin(f"retarget {what} to {onto}")

    from rae_bench.cli.values import writing
    from rae_bench.data.retarget import retarget_corpus, standing
    from rae_bench.data.store import check_name, save_domain
    from rae_bench.data.wording import as_length
    from rae_bench.rigs.correspondence import match
    from rae_bench.viewer.choice import ALL
    from rae_bench.viewer.gather import open_domain, retargeted_scene
    from rae_bench.viewer.page import write_page

    check_name(name)
    source, rig = open_domain(what, motion), _rig(onto)
    with status_line() as say:
        made = retarget_corpus(source, rig, name, lambda done, frames: say(f"frame {done} of {frames}"))
        say("writing the domain")
    common = match(source.motion.rig, rig)
    kept = save_domain(made)
    there, seconds = made.motion, made.motion.frames / made.motion.fps
    facts = [
        ("domain", f"{name}  (kept in {kept})"),
        ("segments", f"{len(there)} of {source.name}, {seconds:,.0f} s at {there.fps:g} fps"),
        ("rig", f"{rig.name}, {as_length(rig.height)} tall; {source.motion.rig.name} is "
                f"{as_length(source.motion.rig.height)}"),
        ("roles", " ".join(common.roles)),
    ]  # fmt: skip
    others = (("left out", common.missing), ("at rest", common.new))
    facts += [(word, " ".join(roles)) for word, roles in others if roles]
    for joint, sliding, height in standing(there):
        text = f"{joint}: slides {sliding:.2f} cm/s, off its height by {height:.2f} cm (95 % are below)"
        facts.append(("stands", text))
    print_facts(facts, 11)
    path = page or Path(f"{name}-retargeted.html")
    with writing(path):
        write_page(retargeted_scene(source, made, ALL.for_page), path)
    click.echo(f"page       {path}")
    next_steps(f"open {path} in a browser", f"rae-bench data report {name}")


def _rig(onto: str) -> Rig:
    from rae_bench.data.store import load_domain
    from rae_bench.errors import unknown
    from rae_bench.rigs.builtin import builtin_rigs, is_builtin
    from rae_bench.rigs.file import load_rig
    from rae_bench.storage import list_domains

    if onto in list_domains():
        return load_domain(onto).motion.rig
    if onto.endswith(".toml") or is_builtin(onto):
        return load_rig(onto)
    raise unknown("rig or domain", onto, [*list_domains(), *builtin_rigs()])
