"""Rig files."""
