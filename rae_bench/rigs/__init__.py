"""Rigs: skeletons with roles, their files, and those that come with the package."""
