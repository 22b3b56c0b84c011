"""A figure that notebooks show by themselves, without pyplot and its list of open figures."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure whose representation in a notebook is its picture; all else is as of matplotlib."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, dpi="figure", format="png")
        return file.getvalue()
