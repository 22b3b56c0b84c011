"""Built-in motion `locomotion`: gaits with planted feet on any rig that stands on its feet, hands or middle legs.

All clips are made at once. A clip is a root path (speed and curvature over time) and a gait phase. A foot stands at
its home place beside the body of the middle of its stance, and flies between two such places along profiles that
start and end at rest (in a sweep a cycloid: height and forward speed follow one sinusoid), so that a planted foot does
not move at all. The trunk, arms and tail follow the phase; each leg is then solved in closed form from the hip to the
planted foot.

Sizes are in leg lengths and speeds are Froude speeds: v / sqrt(g x leg length).

`gaits` says how bodies move, `body` what a rig is made of, `paths` where the body goes, `feet` where the feet do,
`solve` fills a pose and its legs, `poses` moves the whole body, `sweep` lays a grid of steps in place of the gaits,
`generate` makes and keeps the corpus.
"""

LOCOMOTION_VERSION = 1
"""Covers the motion: raise it when these numbers move. It is part of the identity of a corpus."""
SWEEP_VERSION = 1
"""Covers the cells of the sweep: raise it when these numbers move. It is part of the identity of a sweep."""
