"""Generators of built-in motion."""
