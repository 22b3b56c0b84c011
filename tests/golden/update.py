"""Take the numbers of pieces as they are now: `python tests/golden/update.py [--same-versions] [PIECE...]`.

Without a name all pieces are taken, and those that are gone are dropped. With a piece goes all that rests on it.
Numbers that moved without their version are refused. `--same-versions` takes them: for when the inputs or the choice of
golden values changed, and no result did.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # instead of the folder of this file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from golden.check import Golden, write


def main(words: list[str]) -> int:
    """Update the file; what cannot be is said, and then nothing is written."""
    golden, names = Golden(), [word for word in words if not word.startswith("--")]
    options = set(words) - set(names)
    unknown = [*(options - {"--same-versions"}), *(name for name in names if name not in golden.pieces)]
    if unknown:
        print(f"no such piece or option: {', '.join(unknown)}; pieces: {', '.join(golden.pieces)}", file=sys.stderr)
        return 2
    above = {one for name in names for one in golden.above(name) if one in golden.recorded}
    wanted = {*names, *above} if names else set(golden.pieces)
    if not names:
        golden.recorded = {name: old for name, old in golden.recorded.items() if name in golden.pieces}
    refused = []
    for name in golden.pieces:
        if name not in wanted:
            continue
        known = name in golden.recorded
        moved = golden.moved(name) if known else []
        if moved and not golden.changed(name) and not options:
            refused.append(golden.complaint(name))
        elif not known or moved or golden.changed(name):
            print(f"{name}: version {golden.pieces[name].version}, {f'{len(moved)} values moved' if known else 'new'}")
    if refused:
        print("\n".join(refused), file=sys.stderr)
        return 2
    golden.record(name for name in golden.pieces if name in wanted)
    write(golden.recorded)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
