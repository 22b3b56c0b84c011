"""The cache of built-in motion."""

from __future__ import annotations

from collections.abc import Callable

from rae_bench.data.corpus import Corpus, load_corpus, save_corpus
from rae_bench.errors import UserError
from rae_bench.storage import home


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
