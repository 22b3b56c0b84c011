"""A badge for other READMEs: how many entries, and which version."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

PER_LETTER, PAD, HEIGHT = 6.6, 8, 20
LABEL = "rae-bench"


def badge_svg(data: Mapping[str, Any]) -> str:
    """Its widths are estimates of an 11 pixel sans-serif, so that no font is needed to make it."""
    number = sum(1 for facts in data["entries"].values() if facts["learns"])
    message = f"v{data['benchmark']} · {number} entr{'y' if number == 1 else 'ies'}"
    left, right = (round(len(words) * PER_LETTER + 2 * PAD) for words in (LABEL, message))
    title = html.escape(f"{LABEL} leaderboard: {message}", quote=True)
    size = f'width="{left + right}" height="{HEIGHT}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">
<title>{title}</title>
<clipPath id="r"><rect {size} rx="4"/></clipPath>
<g clip-path="url(#r)">
<rect width="{left}" height="{HEIGHT}" fill="#2f3742"/>
<rect x="{left}" width="{right}" height="{HEIGHT}" fill="#1f5fc4"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{left / 2:g}" y="14" textLength="{left - 2 * PAD}">{html.escape(LABEL)}</text>
<text x="{left + right / 2:g}" y="14" textLength="{right - 2 * PAD}">{html.escape(message)}</text>
</g>
</svg>
"""
