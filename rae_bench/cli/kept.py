"""Cells that a check or a study keeps in a folder: an interrupted command does the rest when it is called again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rae_bench.harness.run import Outcome
    from rae_bench.harness.spec import RunSpec


class Kept:
    """A folder of cells, and how what is missing of them is run."""

    def __init__(self, out: Path, data_root: Path | None, workers: int | None, report_only: bool) -> None:
        self.out, self.data_root = out, data_root
        self._workers, self._report_only = workers, report_only

    def outcomes(self, specs: Sequence[RunSpec]) -> list[Outcome]:
        """Return what is there of some cells, after the rest has been run."""
        from rich.console import Console

        from rae_bench.cli.sweep_progress import SweepProgress
        from rae_bench.harness.sweep import sweep_specs

        if self._report_only:
            return self.there(specs)
        with SweepProgress(Console(stderr=True)) as progress:
            return list(sweep_specs(specs, workers=self._workers, observe=progress.observe))

    def there(self, specs: Sequence[RunSpec]) -> list[Outcome]:
        """Return what is there of some cells."""
        from rae_bench.harness.plan import make_plans
        from rae_bench.harness.run import Outcome

        return [Outcome(plan, {}) for plan in make_plans(specs)]
