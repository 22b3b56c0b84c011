"""Files with plug-ins for tests to run."""

from __future__ import annotations

from pathlib import Path

import pytest

HOLDS = '''
"""Plug-ins that need no torch."""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from rae_bench.model import ModelCard, Trajectory


class Holds:
    """Holds the last pose."""

    card = ModelCard(name="base")

    def __init__(self, log=""):
        self.log = log

    def pretrain(self, source, ctx):
        pass

    def adapt(self, target, ctx):
        pass

    def generate(self, prompt, ctx):
        frames, history = int(prompt.frames.max()), prompt.history
        return Trajectory(
            np.repeat(history.root_positions[None, :, -1:], frames, 2),
            np.repeat(history.rotations[None, :, -1:], frames, 2),
        )

'''
"""The beginning of a file: a base class, without `save` and `load`, and what plug-ins import."""


def write_plugins(folders: pytest.TempPathFactory, text: str) -> Path:
    """Write a file of plug-ins to a new folder."""
    path = folders.mktemp("plugins") / "models.py"
    path.write_text(text, encoding="utf-8")
    return path
