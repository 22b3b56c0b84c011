"""A page of moving skeletons that a notebook shows in a frame. It lies on disk too, for a browser of its own."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """A page: one file that asks nothing of the network.

    Attributes:
        path: of the file.
        height: of the frame in a notebook, pixels.
    """

    path: Path
    height: int = 560

    def __repr__(self) -> str:
        return f"Page('{self.path}'): open it in a browser"

    def _repr_html_(self) -> str:
        # The whole page goes into the frame's attribute: a notebook may be served from elsewhere than its files. The
        # frame may run the page's script, and nothing else: it cannot reach the notebook.
        whole = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        return (
            f'<iframe srcdoc="{whole}" sandbox="allow-scripts" title="moving skeletons" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )
