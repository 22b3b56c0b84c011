"""Built-in motion `reach`: hands go for targets on a cylinder around the body, as in the thesis.

All clips are made at once. A clip is a row of key poses: standing, a hand on its target, the next, standing again.
Key poses are solved by inverse kinematics; between two of them the joints follow a quintic whose velocity and
acceleration vanish at both ends, as long as the hand's limits ask for. Feet stay planted: their legs are solved in
closed form at every frame.

`plan` says which targets a clip has, `limbs` what a rig reaches with, `poses` solves key poses and what lies between,
`generate` makes and keeps the corpus.
"""

from rae_bench.data.reach.generate import REACH_VERSION, generate_reach, load_reach

__all__ = ["REACH_VERSION", "generate_reach", "load_reach"]
