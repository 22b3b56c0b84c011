"""Known sources of tasks without recordings: `python tests/golden/known_sources.py` writes the file as it is now."""

from __future__ import annotations

import json
from pathlib import Path

from rae_bench.leaderboard.verify import known_sources
from rae_bench.leaderboard.verify.known_sources import FILE, sources_as_made
from rae_bench.objectives.tracks import CONTROL, LIMBS
from rae_bench.task.named import load_task

KNOWN = [
    (name, track)
    for name in ("biped2quad", "quad2biped", "biped2hexapod", "biped2monster", "reach-biped2monster")
    for track in (LIMBS, CONTROL)
]
"""Tasks and tracks whose sources are known."""


def main() -> None:
    """Make the motion of all of them, and write the file."""
    made = {}
    for name, track in KNOWN:
        made |= sources_as_made(load_task(name).in_track(track))
    path = Path(known_sources.__file__).with_name(FILE)
    path.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
