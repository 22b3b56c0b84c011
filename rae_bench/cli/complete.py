"""Completion in a shell: names of models, tasks, rigs and domains, in options that take a list too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(names: Callable[[], Iterable[str]], *, listed: bool = False) -> Complete:
    """Return a completer for one of `names`, or with `listed` for the last of a comma-separated list.

    What looks like a path is left to the shell's completion of files.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if listed else ("", "", incomplete)
        if last.startswith((".", "/", "~")):
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(before + comma + name) for name in names() if name.startswith(last)]

    return complete


def _models() -> Iterable[str]:
    from rae_bench.model.registry import list_models

    return list_models()


def _tasks() -> Iterable[str]:
    from rae_bench.task.named import builtin_tasks

    return builtin_tasks()


def _rigs() -> Iterable[str]:
    from rae_bench.rigs.builtin import rig_descriptions

    return rig_descriptions()


def _imported() -> Iterable[str]:
    from rae_bench.storage import list_domains

    return list_domains()


def _domains() -> Iterable[str]:
    return [*_rigs(), *_imported()]


model, models = _completer(_models), _completer(_models, listed=True)
task, tasks = _completer(_tasks), _completer(_tasks, listed=True)
rig, domain, imported = _completer(_rigs), _completer(_domains), _completer(_imported)
