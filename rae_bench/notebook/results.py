"""What a run from Python gives back: its cell results, and the table, the curves and the page of them."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.errors import UserError
from rae_bench.harness.run import Outcome
from rae_bench.harness.sweep import results_of
from rae_bench.notebook.page import Page
from rae_bench.notebook.tables import frame_of, html_table

if TYPE_CHECKING:
    import pandas as pd

    from rae_bench.viewer.picture import Picture

SHOWN = 4
"""Runs of which a notebook shows table and curves; of more it shows one table."""


class Results(list[dict[str, Any]]):
    """The cell results of one run or of several, in the order of the plan, and what shows them.

    Attributes:
        outcomes: the runs, each of one model on one task.
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__(results_of(outcomes))
        self.outcomes = tuple(outcomes)

    def __repr__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in Counter(r["status"] for r in self).items())
        budget = f", {self.outcomes[0].task.budget} budget" if self.outcomes else ""
        runs = self._names[0] if len(self.outcomes) == 1 else f"{len(self.outcomes)} runs"
        return f"Results({runs}{budget}, {len(self)} cell{'s' * (len(self) != 1)}: {states or 'none'})"

    @property
    def _names(self) -> list[str]:
        return [f"{one.plan.spec.model.name} on {one.task.name}" for one in self.outcomes]

    @property
    def folders(self) -> list[Path]:
        """Where the results of each run lie."""
        return [one.plan.spec.folder() for one in self.outcomes]

    def select(self, model: str | None = None, task: str | None = None) -> Results:
        """Return the results of some of the runs.

        Args:
            model: the name of a model; any unless given.
            task: the name of a task; any unless given.

        Raises:
            UserError: there is no such run.
        """
        found = [
            one
            for one in self.outcomes
            if model in (None, one.plan.spec.model.name, one.plan.spec.model.spec) and task in (None, one.task.name)
        ]
        if not found:
            raise UserError(f"no run of model {model or '(any)'} on task {task or '(any)'}: {self._list()}")
        return Results(found)

    def table(self, *, intervals: bool = False) -> pd.DataFrame:
        """Return a line for each row of the table that the command line prints.

        Args:
            intervals: whether every figure also has the ends of its 95 % interval, `<name>_low` and `<name>_high`, NaN
                with one seed.

        Returns:
            The columns `model`, `task`, `row`, `fraction` (of the target's data; NaN where it plays no part) and
            `seeds` (how many), then the figures: means over the seeds, of ratios geometric means.
            docs/reference/metrics.md says what they are, and in which units.
        """
        return frame_of(self.outcomes, intervals=intervals)

    def plot(self) -> Picture | None:
        """Draw the primary errors over the fraction of the target's data.

        Returns:
            A matplotlib figure with a row of panels for each run; None where nothing has a value.
        """
        from rae_bench.viewer.curves import curves_figure

        figure: Picture | None = curves_figure(self.outcomes)
        return figure

    def view(
        self, *, clips: int = 0, names: str | Sequence[str] = (), regimes: str | Sequence[str] = (),
        fraction: float | None = None, seed: int | None = None, path: str | Path | None = None,
    ) -> Page:
        """Write a page of the roll-outs over the truth. A notebook shows it below its cell.

        Args:
            clips: how many clips; all unless given, up to 100.
            names: clips or actions by name or glob, such as "trot*".
            regimes: which regimes and controls, such as "cold"; all unless given, with the controls hidden.
            fraction: of the roll-outs; the first one unless given.
            seed: of the roll-outs; the first one unless given.
            path: the file; `view.html` beside the results unless given.

        Raises:
            UserError: the results are of more than one run; a name, regime, fraction or seed that is not there.
        """
        from rae_bench.viewer.choice import Choice
        from rae_bench.viewer.gather import run_scene
        from rae_bench.viewer.page import write_page

        outcome = self._one("view")
        choice = Choice(_several(names), clips, _several(regimes), fraction, seed)
        place = Path(path) if path is not None else outcome.plan.spec.folder() / "view.html"
        return Page(write_page(run_scene(outcome, choice.for_page), place))

    def _one(self, what: str) -> Outcome:
        if len(self.outcomes) != 1:
            raise UserError(f"{what} is of one run, and there are {len(self.outcomes)}; select one: {self._list()}")
        return self.outcomes[0]

    def _list(self) -> str:
        return ", ".join(self._names) or "there is none"

    def _repr_html_(self) -> str:
        if len(self.outcomes) > SHOWN:
            table = self.table().to_html(index=False, float_format="{:.3g}".format, na_rep="", border=0)
            return f"<p>{html.escape(repr(self))}</p>{table}"
        parts = []
        for outcome in self.outcomes:
            one = Results([outcome])
            parts += [html_table(outcome), _picture(one.plot())]
        words = "<code>.table()</code> gives the numbers, <code>.view()</code> shows the motion."
        return "".join(parts) + f"<p>{words}</p>"


def _several(words: str | Sequence[str]) -> tuple[str, ...]:
    found = words.split(",") if isinstance(words, str) else words
    return tuple(word.strip() for word in found if word.strip())


def _picture(figure: Picture | None) -> str:
    if figure is None:
        return ""
    data = base64.b64encode(figure._repr_png_()).decode("ascii")
    words = "errors over the fraction of target data"
    return f'<img alt="{words}" style="max-width: 100%" src="data:image/png;base64,{data}">'
