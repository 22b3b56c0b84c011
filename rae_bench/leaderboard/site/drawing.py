"""A rig in its rest pose as SVG, seen from its left and from the front, in the colours of the page."""

from __future__ import annotations

import numpy as np

from rae_bench.rigs.rig import Rig

WIDE, TALL, PAD = 300.0, 210.0, 14.0


def rig_svg(rig: Rig) -> str:
    """An inline SVG, `WIDE` by `TALL`; classes `bone`, `joint`, `key` and `ground` are styled by the page."""
    points = rig.rest_global[0].astype(float)
    views = [np.stack([points[:, 2], points[:, 1]], 1), np.stack([-points[:, 0], points[:, 1]], 1)]
    spans = [max(float(np.ptp(view[:, 0])), 0.05) for view in views]
    tall = max(float(np.ptp(points[:, 1])), 0.05)
    scale = min((WIDE - 3 * PAD) / sum(spans), (TALL - 2 * PAD) / tall)
    left = (WIDE - scale * sum(spans) - PAD) / 2
    keys = {int(joint) for joint in rig.key_joints if joint >= 0}
    parts = [f'<line class="ground" x1="0" x2="{WIDE:g}" y1="{TALL - PAD:g}" y2="{TALL - PAD:g}"/>']
    for view, span in zip(views, spans, strict=True):
        x = left + scale * (view[:, 0] - view[:, 0].min())
        y = TALL - PAD - scale * (view[:, 1] - points[:, 1].min())
        for joint, parent in enumerate(rig.parents):
            if parent >= 0:
                ends = f'x1="{x[parent]:.1f}" y1="{y[parent]:.1f}" x2="{x[joint]:.1f}" y2="{y[joint]:.1f}"'
                parts.append(f'<line class="bone" {ends}/>')
        for joint in range(len(rig)):
            kind, radius = ("key", 4) if joint in keys else ("joint", 1.8)
            parts.append(f'<circle class="{kind}" cx="{x[joint]:.1f}" cy="{y[joint]:.1f}" r="{radius}"/>')
        left += scale * span + PAD
    return f'<svg class="rig" viewBox="0 0 {WIDE:g} {TALL:g}" aria-hidden="true">{"".join(parts)}</svg>'
