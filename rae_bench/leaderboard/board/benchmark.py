"""The benchmark's version and what it is over. docs/leaderboard.md says when the version changes."""

from __future__ import annotations

BENCHMARK = "1"
"""Changes whenever numbers of before and after do not compare; a board holds one version only."""
TASKS = ("biped2quad", "reach-biped2monster")
"""Those that the overall score is over. Entries may have others, which get a table of their own."""
REFERENCES = ("fe", "fc", "fs", "mann", "nsm", "lmp-moe", "mvae", "rtn", "omg-lstm", "anyrig")
"""Names of entries whose best cold start, task by task and fraction by fraction, is the reference cold."""
SAME = ("task", "data", "metrics")
"""Parts of a cell's identity that all cells of a task on a board must share."""
