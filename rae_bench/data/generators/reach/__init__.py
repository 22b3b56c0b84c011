"""Built-in motion `reach`: hands go for targets on a cylinder around the body, as in the thesis.

All clips are made at once. A clip is a row of key poses: standing, hands on their targets, the next, standing again.
Key poses are solved by inverse kinematics; between two of them the joints follow a quintic whose velocity and
acceleration vanish at both ends, as long as the hands' limits ask for. Feet stay planted: their legs are solved in
closed form at every frame.

Free hands reach both at once, as in the thesis: one for the spawn point, the other one for a point about its mirror
image, on another level. A rig that stands on its hands cannot lift both: it lifts one, the one on the side of the
clip's first target, and moves its body over the other feet. A target out of reach respawns at the nearest place that
is not; so do the later ones of a clip that could not get to all of them in its time.

`plan` says which targets a clip has, `limbs` what a rig reaches with, `poses` solves key poses and what lies between,
`route` chooses the key poses of each clip, `generate` times them, makes and keeps the corpus.
"""

REACH_VERSION = 2
"""Covers the motion: raise it when these numbers move. It is part of the identity of a corpus."""
