"""What MkDocs does beside turning `docs` into pages: pages of the repository, links to them, and reference from code.

Links are written as GitHub reads them, from file to file. Where they leave `docs`, they lead to a page that is made of
the file; a file that has no page is named and not linked. A link with the name of a file gets the title of its page.
"""

from __future__ import annotations

import inspect
import os
import posixpath
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation

import rae_bench
import rae_bench.metrics
import rae_bench.model
from rae_bench.cli import cli

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = ("CHANGELOG.md", "CONTRIBUTING.md", *(f"leaderboard/{name}" for name in (
    "README.md", "board.csv", "board.json", "v1/README.md", "v1/board.md", "v1/board.csv", "v1/board.json",
    "v1/board-curves.png", "v1/results.md", "v1/study.md", "v1/study.png",
    *sorted(f"curves/{path.name}" for path in (ROOT / "leaderboard" / "curves").glob("*.svg")),
)))  # fmt: skip
"""Files outside of `docs` that are part of the site."""
FACES = {
    "rae_bench": lambda: {n: f"{place}.{n}" for n, place in rae_bench._PLACES.items()},
    "rae_bench.model": lambda: {n: f"{place}.{n}" for n, place in rae_bench.model._MODULES.items()},
    "rae_bench.metrics": lambda: {
        n: f"{thing.__module__}.{n}"
        for n in rae_bench.metrics.__all__ if callable(thing := getattr(rae_bench.metrics, n))
    },
}  # fmt: skip
"""Public package -> the names that it offers, with the modules that define them."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository that lie outside of `docs`."""
    for name in REPOSITORY:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Add the board's pages to the tabs, where `RAE_BENCH_BOARD` says where they lie, seen from the first page."""
    address = os.environ.get("RAE_BENCH_BOARD")
    if address:
        nav.items.append(Link("Board", address))
    return nav


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Lead links from file to file to pages, and put the reference in place of its marks."""
    here = page.file.src_uri
    lines, fenced = [], False
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        lines.append(line if fenced else LINK.sub(lambda link: _to_page(link, here, files), line))
    text = "\n".join(lines).replace("<!-- commands -->", "\n".join(_command(cli, None, "rae-bench")))
    return re.sub(r"<!-- names of ([\w.]+) -->", lambda mark: _names(mark[1]), text)


def _to_page(link: re.Match[str], here: str, files: Files) -> str:
    mark, text, address = link.groups()
    path, _, anchor = address.partition("#")
    if not path or re.match(r"[a-z][a-z0-9+.-]*:", path):
        return link[0]
    file = posixpath.normpath(posixpath.join(posixpath.dirname(_in_repository(here)), path))
    target = "index.md" if file == "README.md" else file.removeprefix("docs/")
    if files.get_file_from_path(target) is None:
        if file.startswith("docs/"):
            return link[0]  # dead: the build says so
        return text if (ROOT / file).exists() else link[0]
    if re.fullmatch(r"[\w/-]+\.md", text):
        text = _title(ROOT / file)
    relative = posixpath.relpath(target, posixpath.dirname(here) or ".")
    return f"{mark}[{text}]({relative}{'#' * bool(anchor)}{anchor})"


@lru_cache
def _title(page: Path) -> str:
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page.name


def _in_repository(uri: str) -> str:
    return uri if uri in REPOSITORY else f"docs/{uri}"


def _names(package: str) -> str:
    """Directives for the names of a package; names that models use stand on the page of `rae_bench.model`."""
    places = dict(sorted(FACES[package]().items(), key=lambda item: item[0].lower()))
    shared = FACES["rae_bench.model"]().keys() & places.keys() if package == "rae_bench" else set()
    lines = [f"::: {place}" for name, place in places.items() if name not in shared]
    if shared:
        also = ", ".join(f"[`{name}`][{FACES['rae_bench.model']()[name]}]" for name in sorted(shared))
        lines.append(f"These names are described with [the interface for models](model-api.md): {also}.")
    return "\n\n".join(lines)


def _command(command: click.Command, above: click.Context | None, name: str) -> list[str]:
    """The lines of a command and of those below it: what it does, how it is called, its options."""
    ctx = click.Context(command, info_name=name, parent=above, max_content_width=90)
    depth = min(2 + ctx.command_path.count(" "), 4)
    lines = [f'{"#" * depth} {ctx.command_path} {{ data-toc-label="{name}" }}', ""]
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        verbatim = paragraph.startswith("\b\n")
        lines += ["```text", paragraph[2:], "```", ""] if verbatim else [_plain(" ".join(paragraph.split())), ""]
    lines += ["```text", *command.get_usage(ctx).removeprefix("Usage: ").splitlines(), "```", ""]
    options = [each for each in command.get_params(ctx) if isinstance(each, click.Option)]
    records = [record for record in (each.get_help_record(ctx) for each in options) if record]
    rows = [f"| {_plain(names)} | {_plain(text)} |" for names, text in records if not names.endswith("--help")]
    lines += ["| option | what it does |", "|---|---|", *rows, ""] if rows else []
    if isinstance(command, click.Group):
        for each in command.list_commands(ctx):
            found = command.get_command(ctx, each)
            lines += _command(found, ctx, each) if found else []
    return lines


def _plain(text: str) -> str:
    """Text as it is: nothing in it is a mark of Markdown."""
    return re.sub(r"[&<>*_|`\[\]{}~#\\]", lambda mark: f"&#{ord(mark[0])};", text)
