"""Motion: clips on one rig, root space, and changes of frame rate."""

VERSION = 1
"""Covers root space, contacts, resampling, and what is derived from a rig: raise it when these numbers move."""
