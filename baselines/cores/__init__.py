"""Cores: generators that are the same for every rig. One file each; `rae_bench.baselines.catalogue` finds them."""
