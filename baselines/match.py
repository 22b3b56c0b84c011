"""`match`: motion matching, the standard of the industry for characters that are steered. Nothing is trained.

The target's fraction is a database. Every frame of it is known by features of its pose and of what was asked of it.
Every tenth of a second, where the segment ends, and where the frame that is played has become a bad match, the frame
is sought that fits best to the pose that is played and to what is asked now. If it fits better, playing goes on there.
Springs blend the jump away: the difference of both poses and of their velocities is kept as an offset that decays
(inertialisation). The root goes as the database says, corrected towards the path.

After Buttner and Clavet 2015 and Clavet 2016, with features, weights and springs of Holden et al. 2020 and
inertialisation of Bollo 2018. What is kept of Holden et al.: path at three horizons (theirs are 1/3, 2/3 and 1 s, as
the benchmark's), positions and velocities of feet, velocity of the hip, scales by the standard deviation of a group,
search every 0.1 s, half-life 0.1 s, feet that stand by inverse kinematics. What is added: all key joints and not feet
alone, and in tracks with objectives their places and times to arrival in place of the path. What is left: the learned
parts of that paper.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from rae_bench.model import Context, Domain, ModelCard, Prompt, Trajectory, UserError, quat

from .footwork import Shown
from .library import SLOTS, Library, features_of, findable, last_frame, library_of, scales_of
from .playing import held, missed, played
from .steering import Roots, exp, log, spring

EVERY = 0.1
"""Seconds between two searches."""
HALF_LIFE = 0.1
"""Seconds in which a spring halves what a jump has left."""
LEAST = 0.2
"""Seconds that have to follow a frame in its segment for it to be found, where there are such frames."""
BETTER = 0.8
"""A frame is jumped to if its squared distance is below this share of that of the frame that is played."""
BAD = 4.0
"""Squared distance, in squared standard deviations and summed over what is asked, from which on a match is bad."""

class Match:
    """Motion matching over the target's fraction. Raise the card's version when its numbers move.

    Args:
        feet: whether inverse kinematics keeps standing feet in place and brings joints to their objectives.
    """

    card = ModelCard(
        name="match",
        version="1",
        authors="The rae-bench authors",
        paper="Clavet, GDC 2016; Holden et al., Learned Motion Matching, SIGGRAPH 2020",
        licence="MIT",
        description="motion matching: the target's fraction is searched and played, nothing is trained",
        capabilities=frozenset(),
        parameters=0,
    )

    def __init__(self, feet: bool = True) -> None:
        self.feet = feet
        self._library: Library | None = None
        self._database: _Database | None = None

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """Nothing: no regime of the card needs it."""

    def adapt(self, target: Domain, ctx: Context) -> None:
        """Keep the frames of the target. There are no updates."""
        self._library, self._database = library_of(target), None
        ctx.declare(updates=0, frames=0, parameters=0, trained=0)

    def generate(self, prompt: Prompt, ctx: Context) -> Trajectory:
        """Play the database. Where there is none, the last pose is held."""
        if self._library is None:
            raise UserError("model 'match': generate needs adapt or load first")
        if self._database is None or self._database.fps != prompt.fps:
            self._database = _Database(self._library, prompt.fps)
        return played(_Player(self._database, prompt), prompt, self._library, self.feet)

    def save(self, folder: Path) -> None:
        """The frames as `library.npz`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "match.json").write_text(json.dumps({"library": self._library is not None}), encoding="utf-8")
        if self._library is not None:
            self._library.write(folder / "library.npz")

    def load(self, folder: Path) -> None:
        """Restore what `save` kept. Raises `UserError` where the files are not there or damaged."""
        try:
            there = bool(json.loads((folder / "match.json").read_text(encoding="utf-8"))["library"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: no saved model 'match' ({error})") from None
        if there:
            self._library, self._database = Library.read(folder / "library.npz"), None


class _Database:
    """A library with what it is searched by.

    Attributes:
        features, scales: (F, P) and (P,) of `features_of` and `scales_of`.
        good, tree: of `findable`.
        spin, drift: (F, J, 3) radians a second and (F, 3) m/s, how joints turn and the root joint moves.
    """

    def __init__(self, library: Library, fps: float) -> None:
        self.library, self.fps, self.scales = library, fps, scales_of(library)
        self.features = features_of(library, library.asked) * self.scales
        self.good, self.tree = findable(library, self.features, LEAST * fps)
        self.spin, self.drift = _velocities(library, fps)


class _Player:
    """N bodies that play a library, frame by frame.

    Attributes:
        at: (N,) frame of the library that each plays; the last frame of the history before the first search.
    """

    def __init__(self, database: _Database, prompt: Prompt) -> None:
        self.data, self.library, self.fps = database, database.library, prompt.fps
        self.roots = Roots(prompt, self.library)
        self.height, self.every = prompt.rig.height, max(round(EVERY * prompt.fps), 1)
        history, last = prompt.history, prompt.history.root_positions.shape[1] - 1
        before, self.now = last_frame(history.cut(0, max(last, 1))), last_frame(history)
        self.now_spin = _turned(self.now.turns, before.turns, self.fps)
        self.now_drift = (self.now.place - before.place) * self.fps
        count, joints = self.now.turns.shape[:2]
        self.at = np.zeros(count, int)
        self.turn, self.turn_speed = np.zeros((count, joints, 3)), np.zeros((count, joints, 3))
        self.place, self.place_speed = np.zeros((count, 3)), np.zeros((count, 3))
        self.step, self.step_speed = np.zeros((count, 3)), np.zeros((count, 3))

    def frame(self, i: int) -> Shown:
        """Generated frame i, after frame i - 1."""
        library, roots = self.library, self.roots
        if self.data.tree is None:
            return held(roots, self.now)
        asked = roots.asked(i)
        self._seek(i, asked)
        known, before = library.asked[self.at], library.steps[self.at]
        landing = missed(asked, known, roots.yaw, self.height)
        self.at = self.at + 1
        self.turn, self.turn_speed = spring(self.turn, self.turn_speed, HALF_LIFE, self.fps)
        self.place, self.place_speed = spring(self.place, self.place_speed, HALF_LIFE, self.fps)
        self.step, self.step_speed = spring(self.step, self.step_speed, HALF_LIFE, self.fps)
        drag = roots.go(asked, known, before, library.steps[self.at] + self.step)
        turns = quat.mul(exp(self.turn), library.turns[self.at])
        place = library.place[self.at] + self.place
        return Shown(roots.origin, roots.yaw, place, turns, library.stands[self.at], landing, drag)

    def _seek(self, i: int, asked: np.ndarray) -> None:
        """Jump where a better frame is found."""
        library, data, first = self.library, self.data, i == 0
        assert data.tree is not None
        query = features_of(self.now if first else library[self.at], asked) * data.scales
        stay, due = np.full(len(query), np.inf), np.ones(len(query), bool)
        if not first:
            apart = np.square(query - data.features[self.at])
            over = library.left[self.at] < 1
            stay = np.where(over, np.inf, apart.sum(1))
            due = over | (apart[:, 6 * SLOTS :].sum(1) > BAD) | (i % self.every == 0)
        who = np.flatnonzero(due)
        far, which = data.tree.query(query[who])
        jumps = far**2 < BETTER * stay[who]
        who, to = who[jumps], data.good[which[jumps]]
        source = self.now[who] if first else library[self.at[who]]
        spin = self.now_spin[who] if first else data.spin[self.at[who]]
        drift = self.now_drift[who] if first else data.drift[self.at[who]]
        shown = quat.mul(exp(self.turn[who]), source.turns)
        self.turn[who] = log(quat.mul(shown, quat.inverse(library.turns[to])))
        self.turn_speed[who] += spin - data.spin[to]
        self.place[who] += source.place - library.place[to]
        self.place_speed[who] += drift - data.drift[to]
        self.step[who] += source.steps - library.steps[to]
        self.at[who] = to


def _velocities(library: Library, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """(F, J, 3) radians a second and (F, 3) m/s: how joints turn and the root joint moves; the first as the second."""
    if not len(library):
        return np.zeros((0, *library.turns.shape[1:2], 3)), np.zeros((0, 3))
    before = np.arange(len(library)) - 1
    new = np.append(True, np.diff(library.left) > -1) if len(library) > 1 else np.array([True])
    before = np.where(new, np.arange(len(library)), before)
    spin = _turned(library.turns, library.turns[before], fps)
    drift = (library.place - library.place[before]) * fps
    after = np.minimum(np.arange(len(library)) + 1, len(library) - 1)
    starts = new & (library.left > 0)
    spin[starts], drift[starts] = spin[after[starts]], drift[after[starts]]
    return spin, drift


def _turned(now: np.ndarray, before: np.ndarray, fps: float) -> np.ndarray:
    return log(quat.mul(now, quat.inverse(before))) * fps
