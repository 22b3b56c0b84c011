"""Tracks: what a task asks of a model (docs/develop/design.md 4.4)."""

from __future__ import annotations

LIMBS, CONTROL, KEYFRAMES = TRACKS = ("limbs", "control", "keyframes")
"""`limbs`: feet are given their next touch-down, hands their target. `control`: the path alone. `keyframes`: every key
joint, every half second."""
TRACK_WORDS = {
    LIMBS: "feet are given their next touch-down, hands their target",
    CONTROL: "the path of the root is given, a second ahead, and nothing else",
    KEYFRAMES: "every key joint is given, every half second",
}
"""What is known of the motion to come, in words."""
