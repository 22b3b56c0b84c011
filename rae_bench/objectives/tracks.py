"""Tracks: what a task asks of a model (docs/design.md 4.4)."""

from __future__ import annotations

LIMBS, CONTROL, KEYFRAMES = TRACKS = ("limbs", "control", "keyframes")
"""`limbs`: feet are given their next touch-down, hands their target. `control`: the path alone. `keyframes`: every key
joint, every half second."""
