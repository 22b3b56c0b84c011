"""From a folder of recordings to a domain, with what is wrong with it."""

VERSION = 4
"""Covers how recordings become a corpus (readers of formats, rig, scale, rest pose, ground, contacts, segments): raise
it when these numbers move. It is part of the identity of such a corpus."""
