"""Imported domains, kept by name under `home()/domains`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from rae_bench.data.corpus import Corpus, load_corpus, save_corpus
from rae_bench.errors import UserError, unknown
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.storage import home, list_domains


def check_name(name: str) -> None:
    """Refuses what no domain may be called: a path, or a built-in rig, whose own motion could no longer be named."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"domain name '{name}': use letters, digits, '-', '_' and '.'")
    if name in builtin_rigs():
        raise UserError(f"domain name '{name}': a built-in rig has it; choose another")


def save_domain(corpus: Corpus) -> Path:
    """Keep a corpus as the domain of its name, in place of an older one; returns its folder."""
    check_name(corpus.name)
    folder = home() / "domains" / corpus.name
    try:
        save_corpus(corpus, folder)
    except OSError as error:
        text = f"cannot keep the domain in {folder} ({error.strerror or error})"
        raise UserError(f"{text}; RAE_BENCH_HOME=DIR names another place") from None
    return folder


def load_domain(name: str) -> Corpus:
    """An imported domain by name."""
    known = list_domains()
    if name not in known:
        if not known:
            raise UserError(f"unknown domain '{name}'; none is imported yet: rae-bench data import DIR --name {name}")
        raise unknown("domain", name, known)
    return load_corpus(home() / "domains" / name)


def keep_generated(name: str, identity: str, make: Callable[[], Corpus]) -> Corpus:
    """The corpus of that identity under `home()/generated`, made and kept where it is not there yet."""
    folder = home() / "generated" / f"{name}-{identity[:16]}"
    if (folder / "corpus.json").exists():
        try:
            return load_corpus(folder)
        except UserError:  # damaged, or of an older schema: as good as absent
            pass
    corpus = make()
    save_corpus(corpus, folder)
    return corpus
