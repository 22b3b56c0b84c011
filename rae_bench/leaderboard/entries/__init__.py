"""Entries: a model's cells with its card, read without trust."""
