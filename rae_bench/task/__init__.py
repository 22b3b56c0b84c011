"""Tasks: what is trained and tested on what, with how much data and how many updates."""

SPLIT_VERSION = 2
"""Covers split, fractions, budgets, prompts and their truth: raise it when these numbers move."""
