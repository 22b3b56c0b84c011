"""Cores: the rig-independent generators, in embedding space. One file each; `rae_bench.baselines.pairs` finds them."""
