"""Codecs: from a pose to an embedding and back, per rig. One file each; `rae_bench.baselines.catalogue` finds them."""
