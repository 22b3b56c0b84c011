"""Rigs: skeletons with roles, and the TOML files that hold them."""
