"""Codecs: the rig-specific part, pose <-> embedding. One file each; `rae_bench.baselines.pairs` finds them."""
