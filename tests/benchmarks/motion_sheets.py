"""Draw poses of the actions of the built-in motion `locomotion`, one sheet for each rig.

    python tests/benchmarks/motion_sheets.py docs/concepts r1 quad hexapod
    python tests/benchmarks/motion_sheets.py --all FOLDER r2

A sheet has a clip of each action that the documentation shows, with `--all` of every action.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from rae_bench.data.generators.locomotion.actions import action_cells
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.rigs.file import load_rig
from rae_bench.viewer.plots import domain_sheet

SHOWN = {
    2: ("walk", "run", "back", "side", "turn", "idle", "jump", "sit"),
    4: ("walk", "trot", "back", "jump", "sit", "lie"),
    6: ("tripod", "side", "turn", "jump"),
}
"""Actions of the sheets in the documentation, by number of legs."""
WIDE, SHADES = 900, 64
"""Pixels and shades of a sheet, so that it stays small."""


def draw(name: str, folder: Path, every: bool) -> Path:
    """Draw the sheet of a rig and return its file.

    Args:
        name: the rig.
        folder: where the file goes.
        every: whether to show every action.
    """
    rig = load_rig(name)
    legs = len(rig.contact_joints)
    corpus = generate_locomotion(rig, clips=len(action_cells(legs)))
    first: dict[str, int] = {}
    for i, action in enumerate(corpus.actions):
        # Straight ahead where there is a choice: a turn hides the stride.
        if action not in first or ("straight" in corpus.ids[i] and "straight" not in corpus.ids[first[action]]):
            first[action] = i
    chosen = [i for action, i in first.items() if every or action in SHOWN[legs]]
    path = domain_sheet(corpus, chosen, folder / f"locomotion-{name}.png")
    with Image.open(path) as drawn:
        small = drawn.convert("RGB").resize((WIDE, round(drawn.height * WIDE / drawn.width)), Image.Resampling.LANCZOS)
    small.quantize(SHADES).save(path, optimize=True)
    return path


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--all"]
    for asked in words[1:]:
        print(draw(asked, Path(words[0]), "--all" in sys.argv))
