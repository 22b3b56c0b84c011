"""Tasks: what is trained and tested on what, with how much data and how many updates."""

SPLIT_VERSION = 3
"""Covers the segments of a track, folds, fractions, budgets, prompts and truth: raise it when these numbers move."""
