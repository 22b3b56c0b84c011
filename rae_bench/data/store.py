"""Corpora that are kept: imported domains under `home()/domains`, built-in motion under `home()/generated`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from rae_bench.data.corpus import Corpus, load_corpus, save_corpus
from rae_bench.errors import UserError, unknown
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.storage import home, list_domains


def check_name(name: str) -> None:
    """Refuse what no domain may be called: a path, or a built-in rig, whose motion could no longer be named.

    Raises:
        UserError: One line says what is wrong with the name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"domain name '{name}': use letters, digits, '-', '_' and '.'")
    if name in builtin_rigs():
        raise UserError(f"domain name '{name}': a built-in rig has it; choose another")


def save_domain(corpus: Corpus) -> Path:
    """Keep a corpus as the domain of its name, in place of an older one, and return its folder.

    Raises:
        UserError: The name may not be used, or the folder cannot be written.
    """
    check_name(corpus.name)
    folder = home() / "domains" / corpus.name
    try:
        save_corpus(corpus, folder)
    except OSError as error:
        text = f"cannot keep the domain in {folder} ({error.strerror or error})"
        raise UserError(f"{text}; RAE_BENCH_HOME=DIR names another place") from None
    return folder


def load_domain(name: str) -> Corpus:
    """Return an imported domain by name.

    Raises:
        UserError: There is no such domain, or its files are damaged.
    """
    known = list_domains()
    if name not in known:
        if not known:
            raise UserError(f"unknown domain '{name}'; none is imported yet: rae-bench data import DIR --name {name}")
        raise unknown("domain", name, known)
    return load_corpus(home() / "domains" / name)


def keep_generated(name: str, identity: str, make: Callable[[], Corpus]) -> Corpus:
    """Return the corpus of an identity, from `home()/generated` where it is there, else made and kept.

    Args:
        name: name of the corpus, the beginning of its folder's name.
        identity: sha256, as `Corpus.identity`.
        make: makes the corpus.
    """
    folder = home() / "generated" / f"{name}-{identity[:16]}"
    if (folder / "corpus.json").exists():
        try:
            return load_corpus(folder)
        except UserError:  # damaged, or of an older schema: as good as absent
            pass
    corpus = make()
    save_corpus(corpus, folder, packed=False)
    return corpus
