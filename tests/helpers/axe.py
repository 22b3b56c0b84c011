"""axe-core, which finds faults of accessibility: npm's where it is installed globally, else the older one of PyPI."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import Browser


@lru_cache(maxsize=1)
def axe_script() -> str:
    """The script of axe-core (MPL-2.0); the test is skipped where there is none."""
    if npm := shutil.which("npm"):
        root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False).stdout.strip()
        file = Path(root) / "axe-core" / "axe.min.js"
        if root and file.is_file():
            return file.read_text(encoding="utf-8")
    if find_spec("axe_core_python") is None:
        pytest.skip("no axe-core here: npm install -g axe-core, or pip install axe-core-python")
    return (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


def serious_faults(browser: Browser) -> list[Any]:
    """What axe finds in the page that is open: impact, rule and the first element of each serious fault."""
    browser.run(axe_script() + "; 0")
    found = browser.run("axe.run().then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))")
    return [fault for fault in found if fault[0] in ("serious", "critical")]
