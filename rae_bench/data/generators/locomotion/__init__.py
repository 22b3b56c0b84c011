"""The built-in motion `locomotion`: gaits with planted feet on any rig that stands on its feet, hands or middle legs.

docs/concepts/builtin-motion.md#locomotion describes it. `locomotion.py` has the entry points.
"""

LOCOMOTION_VERSION = 3
"""Covers the motion: raise it when these numbers move. It is part of the identity of a corpus."""
SWEEP_VERSION = 2
"""Covers the cells of the sweep: raise it when these numbers move. It is part of the identity of a sweep."""
