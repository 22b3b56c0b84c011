"""The real motion beside which critics put what was generated for a set of test clips, kept from cell to cell."""

from __future__ import annotations

from dataclasses import dataclass, field

from rae_bench.metrics.evaluation import real_windows
from rae_bench.metrics.windows import RealWindows
from rae_bench.task.held_out import HeldOutClips
from rae_bench.task.others import OtherClips, other_real_clips
from rae_bench.task.sides import Side


@dataclass(frozen=True, eq=False)
class Beside:
    """Real motion beside the clips of `exam`. Other real clips depend on the seed; those of the last one are kept."""

    target: Side
    exam: HeldOutClips
    _kept: dict[int, tuple[OtherClips, RealWindows]] = field(default_factory=dict)

    def at(self, seed: int) -> tuple[OtherClips, RealWindows]:
        """Return the other real clips of a seed, and their windows with those of the test clips."""
        if seed not in self._kept:
            others = other_real_clips(self.target, self.exam, seed)
            groups, other_groups = others.held_out_groups, others.groups
            real = real_windows(self.exam.truth, others.motion, groups=groups, other_groups=other_groups, seed=seed)
            self._kept.clear()
            self._kept[seed] = others, real
        return self._kept[seed]
