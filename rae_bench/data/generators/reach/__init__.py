"""The built-in motion `reach`: hands go for targets on a cylinder around the body, as in the thesis.

docs/concepts/builtin-motion.md#reach describes it. `reach.py` has the entry points.
"""

REACH_VERSION = 2
"""Covers the motion: raise it when these numbers move. It is part of the identity of a corpus."""
