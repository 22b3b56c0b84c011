"""Entries of the leaderboard: made from runs, checked without trusting them, and read by the board.

Nothing of this imports torch, Lightning or Ray; only `rerun` runs models.
"""
