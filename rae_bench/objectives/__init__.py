"""What a model is asked to do: objectives of key joints, local phases, and objectives that a person writes."""

OBJECTIVES_VERSION = 3
"""Covers key joints and their objectives: raise it when these numbers move."""
PHASES_VERSION = 2
"""Covers local motion phases: raise it when these numbers move."""
