"""Commands that the documents print."""

from __future__ import annotations

import re
import shlex

from helpers.places import DOCS


def commands() -> list[list[str]]:
    """The import commands of docs/guides/importing.md, one for each folder."""
    text = (DOCS / "guides" / "importing.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^rae-bench data import \$DATA/.*$", text, re.MULTILINE)]
