"""Built-in motion `locomotion`: gaits with planted feet on any rig that stands on its feet, hands or middle legs.

All clips are made at once. A clip is a root path (speed and curvature over time) and a gait phase. A foot stands at
its home place beside the body of the middle of its stance, and flies between two such places along profiles whose
velocity and acceleration vanish at both ends, so that a planted foot does not move at all. The trunk, arms and tail
follow the phase; each leg is then solved in closed form from the hip to the planted foot.

Rotations are kept as turns in world axes away from the rest pose, so that rigs with and without rest rotations are
one case. Sizes are in leg lengths and speeds are Froude speeds: v / sqrt(g x leg length).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d, maximum_filter1d

from rae_bench.data.corpus import Corpus, load_corpus, save_corpus
from rae_bench.errors import UserError
from rae_bench.kinematics import from_limit_angles, global_to_local, limit_angles, quat
from rae_bench.motion import make_motion
from rae_bench.rig import ROLES, Rig
from rae_bench.storage import home

LOCOMOTION_VERSION = 1
"""Raised whenever the motion changes; the golden values of the tests change with it."""
GRAVITY = 9.81
DRAWS = 28
"""Random numbers a clip is made of, each in [0, 1)."""
BLOCK = 24
"""Clips at a time: keeps the memory of long corpora flat."""
MARGIN = 3.0
"""Seconds of path before and after a clip: foot places depend on the middle of stances that lie outside it."""
MIN_BEND = np.radians([20, 32])
"""A leg never straightens further than this, one that rests well bent than the second value: nearer to straight, the
knee would have to snap."""
UP = np.array([0.0, 1.0, 0.0])
SIDEWAYS = np.array([1.0, 0.0, 0.0])


@dataclass(frozen=True)
class Gait:
    """How a body moves at one gait; lengths in leg lengths, angles in degrees, phases in cycles.

    Attributes:
        touchdowns: role -> phase at which that foot comes down.
        duty: share of the cycle a foot stands.
        speeds: Froude speeds called slow, medium and fast.
        stride: travel of the body in one cycle at the medium speed; grows with the root of the speed.
        lift: height of the swinging foot.
        heel: pitch of the foot around lift-off.
        toe: how far the toes are raised before touch-down.
        bob: rise of the pelvis in the middle of a stance (negative: it falls, as in running).
        sway, yaw, roll, pitch: sideways travel, turn and tilts of the pelvis.
        lean: forward tilt of the trunk.
        arm, elbow: swing of the arms and bend of the elbows.
        width: distance of the feet from the midline, of that at rest.
        behind: how far the feet stand behind their rest place.
    """

    touchdowns: Mapping[str, float]
    duty: float
    speeds: tuple[float, float, float]
    stride: float
    lift: float
    heel: float = 0
    toe: float = 0
    bob: float = 0.015
    sway: float = 0.02
    yaw: float = 0
    roll: float = 0
    pitch: float = 0
    lean: float = 0
    arm: float = 0
    elbow: float = 0
    width: float = 1
    behind: float = 0


SPEEDS = ("slow", "medium", "fast")
TURNS = {"straight": 0.0, "left": 0.09, "right": -0.09, "sharp-left": 0.2, "sharp-right": -0.2}
"""Turn rate over sqrt(g / leg length); a left turn is positive."""
FEW = ("straight", "left", "right")

_BIPED = {"left_foot": 0.0, "right_foot": 0.5}
_LATERAL = {"left_foot": 0.0, "left_hand": 0.25, "right_foot": 0.5, "right_hand": 0.75}
_DIAGONAL = {"left_foot": 0.0, "right_hand": 0.0, "right_foot": 0.5, "left_hand": 0.5}
_SIDES = {"left_foot": 0.0, "left_hand": 0.03, "right_foot": 0.5, "right_hand": 0.53}
_TRIPODS = dict.fromkeys(("left_foot", "right_mid", "left_hand"), 0.0) | dict.fromkeys(
    ("right_foot", "left_mid", "right_hand"), 0.5
)
_WAVE = {
    f"{side}_{part}": start + after
    for side, start in (("left", 0.0), ("right", 0.5))
    for part, after in (("foot", 0.0), ("mid", 1 / 6), ("hand", 1 / 3))
}
# fmt: off
_GAITS: dict[int, dict[str, Gait]] = {  # by number of legs
    2: {
        "walk": Gait(_BIPED, duty=0.6, speeds=(0.22, 0.33, 0.44), stride=1.08, lift=0.09, heel=34, toe=14, bob=0.01,
                     sway=0.022, yaw=6, roll=3, lean=2, arm=20, elbow=14, width=0.8, behind=0.08),
        "run": Gait(_BIPED, duty=0.33, speeds=(0.65, 0.82, 1.0), stride=1.75, lift=0.2, heel=58, toe=8, bob=-0.03,
                    sway=0.01, yaw=8, roll=4, lean=9, arm=30, elbow=72, width=0.5, behind=0.1),
    },
    4: {
        "walk": Gait(_LATERAL, duty=0.66, speeds=(0.22, 0.32, 0.42), stride=1.0, lift=0.11, heel=34, bob=0.008,
                     sway=0.02, yaw=4, roll=2.5, pitch=1.2, width=0.85),
        "trot": Gait(_DIAGONAL, duty=0.44, speeds=(0.5, 0.62, 0.76), stride=1.3, lift=0.11, heel=36, bob=-0.018,
                     sway=0.006, yaw=2, roll=1.5, pitch=0.7, width=0.75),
        "pace": Gait(_SIDES, duty=0.46, speeds=(0.45, 0.53, 0.62), stride=1.2, lift=0.11, heel=36, bob=-0.012,
                     sway=0.035, yaw=2, roll=4, pitch=0.6, width=0.8),
    },
    6: {
        "tripod": Gait(_TRIPODS, duty=0.56, speeds=(0.16, 0.24, 0.32), stride=0.95, lift=0.22, bob=-0.012,
                       sway=0.015, yaw=2, roll=1.5),
        "walk": Gait(_WAVE, duty=0.76, speeds=(0.08, 0.12, 0.16), stride=0.72, lift=0.2, bob=0.006,
                     sway=0.012, yaw=1.5, roll=1, pitch=1),
    },
}
# fmt: on
_SPREAD = {"hand": 0.45, "foot": -0.45}
_LEGS = ("left_foot", "right_foot", "left_hand", "right_hand", "left_mid", "right_mid")


@dataclass(frozen=True)
class Cell:
    """A group of clips: a gait, the speed before and after the change (0 stands), and a turn."""

    group: str
    action: str
    gait: str
    before: float
    after: float
    turn: float


def _cells(gaits: Mapping[str, Gait]) -> list[Cell]:
    """All cells of a body plan, 48 each."""
    names, cells = list(gaits), []
    for i, (name, gait) in enumerate(gaits.items()):
        turns = TURNS if i == 0 or len(names) == 2 else FEW
        speeds = gait.speeds if i < 2 else gait.speeds[::2]
        for speed in speeds:
            for turn in turns:
                label = SPEEDS[gait.speeds.index(speed)]
                cells.append(Cell(f"{name}/{label}/{turn}", name, name, speed, speed, TURNS[turn]))
    # The gaits that start, stop and change: the first for all, and the second where there are more than two.
    for name in names[:2]:
        slow, medium, fast = gaits[name].speeds
        for turn in FEW:
            rate = TURNS[turn]
            cells.append(Cell(f"start-{name}/medium/{turn}", "start", name, 0, medium, rate))
            cells.append(Cell(f"stop-{name}/medium/{turn}", "stop", name, medium, 0, rate))
            if name == names[0]:
                cells.append(Cell(f"{name}-faster/slow-to-fast/{turn}", "speed-change", name, slow, fast, rate))
                cells.append(Cell(f"{name}-slower/fast-to-slow/{turn}", "speed-change", name, fast, slow, rate))
    return cells


# --------------------------------------------------------------------------------------------------------- body plan


@dataclass(frozen=True)
class _Leg:
    """A leg from hip to ground, all in the rest pose's world axes.

    Attributes:
        role: role slot it belongs to.
        contact: joint that is planted.
        column: which of the rig's contact joints that is.
        girdle: joints between trunk and hip.
        coxa: joint that only turns the leg plane about the vertical, -1 where the hip does it.
        hip, knee, ankle: joints; ankle is -1 where the lower leg itself ends in the contact joint.
        upper, lower, foot: (3,) metres, bone vectors.
        hinge: (3,) axis of the knee about which it bends positively.
        bend: radians the knee is bent at rest.
        fore: whether it hangs on the trunk rather than on the root.
    """

    role: str
    contact: int
    column: int
    girdle: tuple[int, ...]
    coxa: int
    hip: int
    knee: int
    ankle: int
    upper: np.ndarray
    lower: np.ndarray
    foot: np.ndarray
    hinge: np.ndarray
    bend: float
    fore: bool

    @property
    def joints(self) -> tuple[int, ...]:
        """The solved joints."""
        return tuple(j for j in (self.coxa, self.hip, self.knee, self.ankle, self.contact) if j >= 0)

    def length(self, bend: float) -> float:
        """Metres from hip to ankle with the knee bent by `bend` radians."""
        along = (self.upper @ self.hinge) * (self.lower @ self.hinge)
        across = np.linalg.norm(np.cross(self.hinge, self.upper)) * np.linalg.norm(np.cross(self.hinge, self.lower))
        return float(np.sqrt(self.upper @ self.upper + self.lower @ self.lower + 2 * (along + across * np.cos(bend))))


@dataclass(frozen=True)
class _Arm:
    """An arm: joints, +1 on the left and -1 on the right, metres from shoulder to hand."""

    clavicles: tuple[int, ...]
    shoulder: int
    elbow: int
    hand: int
    side: int
    length: float


@dataclass(frozen=True)
class _Body:
    """What the generator knows of a rig.

    Attributes:
        legs: all legs that carry it.
        trunk: joints above the root up to the one that bears arms or fore legs, both ends of its bending included.
        neck: joints from there to the head.
        arms: those that carry nothing.
        tails: chains of other joints, root first.
        leg_length: metres, hip over ground.
        length: metres between the root and the fore legs' girdle, 0 where no leg hangs on the trunk.
    """

    legs: tuple[_Leg, ...]
    trunk: tuple[int, ...]
    neck: tuple[int, ...]
    arms: tuple[_Arm, ...]
    tails: tuple[tuple[int, ...], ...]
    leg_length: float
    length: float


def _path(rig: Rig, joint: int) -> list[int]:
    """Joints from the root down to `joint`."""
    return [int(j) for j in np.flatnonzero(rig.ancestors[joint])]


def _body(rig: Rig) -> _Body:
    at = rig.rest_global[0].astype(np.float64)
    contact_of: dict[str, int] = {}
    for column in np.argsort(rig.depths[rig.contact_joints], kind="stable"):  # of heel and toe, the toe is planted
        slot = rig.contact_slots[column]
        # A joint that may touch the ground but rests in the air (a man's hand) carries nothing.
        if slot >= 0 and ROLES[slot] in _LEGS and at[rig.contact_joints[column], 1] < 0.2 * rig.rest_global[0][0, 1]:
            contact_of[ROLES[slot]] = int(column)
    if len(contact_of) not in _GAITS or set(contact_of) != set(_GAITS[len(contact_of)]["walk"].touchdowns):
        raise UserError(
            f"rig '{rig.name}' cannot walk: locomotion needs contact joints on both feet, or on feet and hands, "
            f"or on feet, hands and mids; it has {', '.join(contact_of) or 'none'}"
        )
    to_head = _path(rig, rig.roles["head"]) if "head" in rig.roles else [0]
    limbs = [_path(rig, rig.roles[r]) for r in ("left_hand", "right_hand") if r in rig.roles]
    top = max((j for limb in limbs for j in limb if j in to_head), default=to_head[-1])
    trunk = tuple(j for j in to_head if 0 < j <= top)
    legs = tuple(_leg(rig, role, column, trunk, at) for role, column in contact_of.items())
    used = {0, *to_head, *(j for leg in legs for j in _path(rig, leg.contact))}
    arms = []
    for role in ("left_hand", "right_hand"):
        if role in rig.roles and role not in contact_of:
            chain = [j for j in _path(rig, rig.roles[role]) if j not in to_head]
            used.update(np.flatnonzero(rig.ancestors[:, chain[0]]))
            if len(chain) >= 3:
                length = float(np.linalg.norm(np.diff(at[chain[-3:]], axis=0), axis=-1).sum())
                side = 1 if role.startswith("left") else -1
                arms.append(_Arm(tuple(chain[:-3]), chain[-3], chain[-2], chain[-1], side, length))
    tails = []
    for j in range(len(rig)):
        below = np.flatnonzero(rig.ancestors[:, j])
        if j not in used and rig.parents[j] == 0 and not used.intersection(below):
            tails.append(_path(rig, int(below[rig.depths[below].argmax()]))[1:-1])
    # A rig whose legs all hang on the trunk moves from its root.
    hips = np.mean(
        [at[leg.coxa if leg.coxa >= 0 else leg.hip, 1] for leg in legs if not leg.fore or "hand" not in leg.role]
    )
    ground = np.mean([at[leg.contact, 1] for leg in legs])
    return _Body(
        legs,
        trunk,
        tuple(j for j in to_head if j > top),
        tuple(arms),
        tuple(tuple(tail) for tail in tails if tail),
        float(hips - ground),
        float(at[top, 2] - at[0, 2]) if any(leg.fore for leg in legs) else 0.0,
    )


def _only_axis(rig: Rig, joint: int) -> np.ndarray | None:
    """(3,) the one axis about which a hinge turns, in world axes of the rest pose; None where the joint is no hinge."""
    axes = np.flatnonzero(np.ptp(rig.limits[joint], axis=1) > 1e-6)
    return quat.rotate(rig.rest_global[1][joint].astype(np.float64), np.eye(3)[axes[0]]) if len(axes) == 1 else None


def _leg(rig: Rig, role: str, column: int, trunk: tuple[int, ...], at: np.ndarray) -> _Leg:
    contact = int(rig.contact_joints[column])
    path = _path(rig, contact)
    others = [_path(rig, rig.roles[r]) for r in rig.roles if r != role and rig.roles[r] not in path]
    chain = [j for j in path[1:] if not any(j in other for other in others)]
    # Joints in one place act as one: the first of them turns.
    chain = [j for i, j in enumerate(chain) if i == 0 or np.linalg.norm(at[j] - at[chain[i - 1]]) > 1e-4]
    if len(chain) < 3:
        raise UserError(
            f"rig '{rig.name}' cannot walk: {role} needs a hip, a knee and a foot, it has {len(chain)} joints"
        )
    drop = at[contact] - at[chain[0]]
    sprawled = len(chain) >= 4 and np.hypot(drop[0], drop[2]) > 0.7 * abs(drop[1])
    if sprawled:
        coxa, hip, knee, ankle = *chain[-4:-1], -1
        radial = np.array([drop[0], 0, drop[2]])
        side = np.cross(radial / np.linalg.norm(radial), UP)
        girdle = chain[:-4]
    else:
        coxa, (hip, knee, ankle) = -1, chain[-4:-1] if len(chain) >= 4 else (*chain[:2], -1)
        side = SIDEWAYS
        girdle = chain[:-4]
    end = contact if ankle < 0 else ankle
    upper, lower = at[knee] - at[hip], at[end] - at[knee]
    hinge = _only_axis(rig, knee)
    hinge = side if hinge is None else hinge
    across_upper, across_lower = upper - (upper @ hinge) * hinge, lower - (lower @ hinge) * hinge
    bend = float(np.arctan2(np.cross(across_upper, across_lower) @ hinge, across_upper @ across_lower))
    # A leg that rests straight bends like a knee; a fore leg, like an elbow.
    if bend < -1e-3 or (abs(bend) <= 1e-3 and role.endswith("hand") and not sprawled):
        hinge, bend = -hinge, -bend
    foot = at[contact] - at[end]
    fore = any(j in trunk for j in path)
    return _Leg(role, contact, column, tuple(girdle), coxa, hip, knee, ankle, upper, lower, foot, hinge, bend, fore)


# ----------------------------------------------------------------------------------------------------- path and gait


@dataclass(frozen=True)
class _Clips:
    """Per-clip settings as (N, 1) columns, and the path on a time grid of G points that reaches past the clip.

    Attributes:
        start, step: time of the first grid point and distance between two, seconds.
        x, z, yaw: (N, G) metres and radians, the middle of the body on the ground.
        phase: (N, G) gait cycles.
        speed: (N, G) metres a second.
        bend: (N, G) radians a metre, curvature of the path where the body moves.
    """

    start: float
    step: float
    x: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    phase: np.ndarray
    speed: np.ndarray
    bend: np.ndarray

    def at(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Values (N, G) at times (N, T), linear between grid points."""
        place = np.clip((times - self.start) / self.step, 0, values.shape[1] - 1.000001)
        left = place.astype(int)
        clip = np.arange(len(values))[:, None]
        low = values[clip, left]
        return low + (values[clip, left + 1] - low) * (place - left)

    def time_of(self, phase: np.ndarray) -> np.ndarray:
        """Times (N, T) at which the phase reaches `phase`."""
        # One sorted table for all clips: clip n occupies [n, n + 1).
        low, high = self.phase[:, :1] - 1e-9, self.phase[:, -1:] + 1e-9
        row = np.arange(len(phase))[:, None]
        table = row + (self.phase - low) / (high - low)
        times = self.start + self.step * np.arange(table.shape[1])
        wanted = row + np.clip((phase - low) / (high - low), 1e-9, 1 - 1e-9)
        return np.interp(wanted.ravel(), table.ravel(), np.tile(times, len(table))).reshape(phase.shape)


def _ease(u: np.ndarray) -> np.ndarray:
    """0 to 1 with zero velocity and acceleration at both ends."""
    u = np.clip(u, 0, 1)
    return u * u * u * (10 - 15 * u + 6 * u * u)


def _bump(u: np.ndarray, rise: int = 3, fall: int = 3) -> np.ndarray:
    """0 to 1 and back over u in [0, 1], peak at rise / (rise + fall), zero velocity and acceleration at both ends."""
    u = np.clip(u, 0, 1)
    peak = rise / (rise + fall)
    return u**rise * (1 - u) ** fall / (peak**rise * (1 - peak) ** fall)


def _fade(x: np.ndarray) -> np.ndarray:
    """About 1 at 1, 0 at 0, smooth: how much of a full-speed movement remains."""
    return np.tanh(2 * x) / np.tanh(2.0)


def _make_path(
    cells: list[Cell], gaits: Mapping[str, Gait], leg: float, draw: np.ndarray, seconds: float, fps: float
) -> tuple[_Clips, np.ndarray, np.ndarray]:
    """Paths of all clips, their reference speed (N, 1) in m/s and stride (N, 1) in m; `draw`: (N, DRAWS) in [0, 1)."""

    def column(values: list[float]) -> np.ndarray:
        return np.array(values, float)[:, None]

    unit = np.sqrt(GRAVITY * leg)
    varied = 1 + 0.14 * (draw[:, :1] - 0.5)
    before = column([cell.before for cell in cells]) * unit * varied
    after = column([cell.after for cell in cells]) * unit * varied
    medium = column([gaits[cell.gait].speeds[1] for cell in cells]) * unit
    reference = np.where((before > 0) & (after > 0), (before + after) / 2, np.maximum(before, after))
    stride = column([gaits[cell.gait].stride for cell in cells]) * leg * (0.94 + 0.12 * draw[:, 1:2])
    stride = stride * np.sqrt(reference / medium)

    fine = 4
    step = 1 / (fps * fine)
    times = np.arange(-round(MARGIN * fps) * fine, round((seconds + MARGIN) * fps) * fine + 1) * step
    # Stops and starts take about one stride; a change of speed two.
    lasts = np.where((before > 0) & (after > 0), 2.0, 1.3) * stride / reference
    middle = seconds * (0.4 + 0.2 * draw[:, 2:3])
    change = _ease((times - middle) / lasts + 0.5)
    wander = 1 + 0.05 * np.sin(2 * np.pi * (times / (2.5 + 2 * draw[:, 3:4]) + draw[:, 4:5]))
    speed = (before + (after - before) * change) * wander
    frequency = reference / stride * np.sqrt(0.3 + 0.7 * speed / reference)
    rate = column([cell.turn for cell in cells]) * np.sqrt(GRAVITY / leg) * (0.75 + 0.5 * draw[:, 5:6])
    drift = 0.02 * np.sqrt(GRAVITY / leg) * (draw[:, 6:7] - 0.5)
    # A tighter turn than half a g of sideways pull would throw the body over.
    curvature = np.clip((rate + drift) / reference, -0.45 / leg, 0.45 / leg)
    curvature = curvature * np.minimum(1, 0.35 * GRAVITY / np.maximum(reference**2 * np.abs(curvature), 1e-9))
    curvature = curvature * (1 + 0.25 * np.sin(2 * np.pi * (times / (3 + 2 * draw[:, 7:8]) + draw[:, 8:9])))

    zero = int(np.argmin(np.abs(times)))

    def integral(rate_: np.ndarray) -> np.ndarray:
        total = np.concatenate([np.zeros((len(rate_), 1)), np.cumsum((rate_[:, 1:] + rate_[:, :-1]) / 2, 1)], 1) * step
        return total - total[:, zero : zero + 1]

    yaw = integral(speed * curvature)
    clips = _Clips(
        float(times[0]),
        step,
        integral(speed * np.sin(yaw)),
        integral(speed * np.cos(yaw)),
        yaw,
        integral(frequency) + draw[:, 9:10],
        speed,
        curvature * _fade(speed / reference),
    )
    return clips, reference, stride


@dataclass(frozen=True)
class _Ground:
    """Where the body's two girdles stand at some times: each x, z in metres and heading in radians, all (N, T)."""

    rear: tuple[np.ndarray, np.ndarray, np.ndarray]
    fore: tuple[np.ndarray, np.ndarray, np.ndarray]


def _ground(clips: _Clips, times: np.ndarray, length: float) -> _Ground:
    """The girdles lie on the path, half the body's length behind and before its middle; the back bends along it."""
    x, z, yaw = (clips.at(v, times) for v in (clips.x, clips.z, clips.yaw))
    bend = clips.at(clips.bend, times) * length
    half = length / 2
    back, ahead = yaw - bend / 4, yaw + bend / 4
    return _Ground(
        (x - half * np.sin(back), z - half * np.cos(back), yaw - bend / 2),
        (x + half * np.sin(ahead), z + half * np.cos(ahead), yaw + bend / 2),
    )


@dataclass(frozen=True)
class _Step:
    """One leg over all frames (N, T, ...).

    Attributes:
        position: (N, T, 3) metres, the contact joint.
        yaw: (N, T) radians, heading of the foot.
        planted: (N, T) bool.
        swing: (N, T) 0 to 1 through the flight, 0 in stance.
        phase: (N, T) cycles since touch-down, in [0, 1).
        gain: (N, T) length of the coming or present step, about 1 at the reference stride.
    """

    position: np.ndarray
    yaw: np.ndarray
    planted: np.ndarray
    swing: np.ndarray
    phase: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True)
class _Home:
    """Where a foot stands beside its girdle: to the left and ahead at rest, metres; what the gait changes in it at full
    `speed` (N, 1) metres a second: its distance from the midline by the factor `width` (N, 1), `behind` (N, 1) metres.
    """

    side: float
    ahead: float
    width: np.ndarray
    behind: np.ndarray
    speed: np.ndarray


def _place(
    clips: _Clips, index: np.ndarray, offset: np.ndarray, duty: np.ndarray, length: float, fore: bool, place: _Home
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, z (N, T) in metres and heading of the `index`-th stance."""
    times = clips.time_of(index + offset + duty / 2)
    ground = _ground(clips, times, length)
    x, z, yaw = ground.fore if fore else ground.rear
    s, c = np.sin(yaw), np.cos(yaw)
    go = _fade(clips.at(clips.speed, times) / place.speed)
    side, ahead = place.side * (1 + (place.width - 1) * go), place.ahead - place.behind * go
    return x + c * side + s * ahead, z - s * side + c * ahead, yaw


def _steps(
    clips: _Clips,
    times: np.ndarray,
    length: float,
    fore: bool,
    offset: np.ndarray,
    duty: np.ndarray,
    place: _Home,
    stride: np.ndarray,
    lift: np.ndarray,
    height: float,
) -> _Step:
    """The path of one foot. `length`: of the body; `offset`, `duty`: (N, 1) cycles; `stride`, `lift` (N, 1) and
    `height` (of the standing foot) in metres.
    """
    phase = clips.at(clips.phase, times) - offset
    index = np.floor(phase)
    phase = phase - index
    x, z, yaw = _place(clips, index, offset, duty, length, fore, place)
    next_x, next_z, next_yaw = _place(clips, index + 1, offset, duty, length, fore, place)
    swing = np.clip((phase - duty) / (1 - duty), 0, 1)
    along = _ease(swing)
    distance = np.hypot(next_x - x, next_z - z)
    gain = _fade(1.2 * distance / stride)
    position = np.stack(
        [
            x + (next_x - x) * along,
            height + lift * gain * _bump(swing, 3, 4),
            z + (next_z - z) * along,
        ],
        -1,
    )
    still = (phase < duty) | (distance < 1e-7)
    # A backward difference is at rest only where the frame before stood in the same place.
    same = np.concatenate([still[:, :1], np.linalg.norm(np.diff(position, axis=1), axis=-1) < 1e-6], 1)
    return _Step(position, yaw + (next_yaw - yaw) * along, still & same, swing, phase, gain)


# -------------------------------------------------------------------------------------------------------------- poses


def _euler(x: np.ndarray | float = 0.0, y: np.ndarray | float = 0.0, z: np.ndarray | float = 0.0) -> np.ndarray:
    """Turn (..., 4) about x, then the new z, then the new y: the order of a rig's limits."""
    x, y, z = np.broadcast_arrays(x, y, z)
    around = [quat.from_axis_angle(np.eye(3)[axis], angle) for axis, angle in ((0, x), (2, z), (1, y))]
    return quat.mul(quat.mul(around[0], around[1]), around[2])


class _Pose:
    """Turns of all joints away from the rest pose, in world axes, (J, N, T, 4), filled from the root down."""

    def __init__(self, rig: Rig, root: np.ndarray, turn: np.ndarray) -> None:
        self.rig = rig
        self.rest = rig.rest_global[0].astype(np.float64)
        self.root = root
        self.turns: list[np.ndarray | None] = [None] * len(rig)
        self.turns[0] = turn

    def turn(self, joint: int) -> np.ndarray:
        """(N, T, 4) turn of a joint; one that nothing has turned follows its parent."""
        own = self.turns[joint]
        return self.turn(int(self.rig.parents[joint])) if own is None else own

    def bend(self, joint: int, local: np.ndarray) -> None:
        """Turn a joint by `local` (N, T, 4) relative to its parent."""
        self.turns[joint] = quat.mul(self.turn(int(self.rig.parents[joint])), local)

    def position(self, joint: int) -> np.ndarray:
        """(N, T, 3) metres, world."""
        if joint == 0:
            return self.root
        parent = int(self.rig.parents[joint])
        return self.position(parent) + _rotate(self.turn(parent), self.rest[joint] - self.rest[parent])

    def rotations(self) -> np.ndarray:
        """Local rotations (N, T, J, 4)."""
        turns = np.stack([self.turn(j) for j in range(len(self.rig))], -2)
        return global_to_local(quat.mul(turns, self.rig.rest_global[1].astype(np.float64)), self.rig)


def _rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """`quat.rotate` without np.cross, whose overhead would dominate here."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    a, b, c = np.moveaxis(np.asarray(v), -1, 0)
    i, j, k = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return np.stack([a + w * i + y * k - z * j, b + w * j + z * i - x * k, c + w * k + x * j - y * i], -1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _two_bones(leg: _Leg, hip: np.ndarray, end: np.ndarray, pole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turns (N, T, 4) of thigh and shank that bring the lower leg's end to `end`, the knee's axis nearest to `pole`."""
    reach = end - hip
    distance = (reach * reach).sum(-1)
    along = (leg.upper @ leg.hinge) * (leg.lower @ leg.hinge)
    across = np.linalg.norm(np.cross(leg.hinge, leg.upper)) * np.linalg.norm(np.cross(leg.hinge, leg.lower))
    cosine = (distance - leg.upper @ leg.upper - leg.lower @ leg.lower - 2 * along) / (2 * across)
    knee = quat.from_axis_angle(leg.hinge, np.arccos(np.clip(cosine, -1, 1)) - leg.bend)
    a = _unit(leg.upper + _rotate(knee, leg.lower))
    b = _unit(leg.hinge - (a @ leg.hinge)[..., None] * a)
    to_a = _unit(reach)
    to_b = _unit(pole - (pole * to_a).sum(-1, keepdims=True) * to_a)
    first = quat.between(a, to_a)
    # What is left after the shortest turn is a twist about the line from hip to end.
    turned = _rotate(first, b)
    sine = (np.cross(turned, to_b) * to_a).sum(-1)
    twist = quat.from_axis_angle(to_a, np.arctan2(sine, (turned * to_b).sum(-1)))
    thigh = quat.mul(twist, first)
    return thigh, quat.mul(thigh, knee)


def _solve_leg(pose: _Pose, leg: _Leg, step: _Step, foot: np.ndarray, body_yaw: np.ndarray) -> None:
    """Set the joints of a leg so that its contact joint stands exactly at `step.position`; `foot`: (N, T, 4) turn."""
    attach = pose.turn(int(pose.rig.parents[leg.coxa if leg.coxa >= 0 else leg.hip]))
    if leg.coxa >= 0:
        base = pose.position(leg.coxa)
        seen = _rotate(quat.inverse(attach), step.position - base)
        rest = pose.rest[leg.contact] - pose.rest[leg.coxa]
        angle = np.arctan2(seen[..., 0], seen[..., 2]) - np.arctan2(rest[0], rest[2])
        angle = np.remainder(angle + np.pi, 2 * np.pi) - np.pi
        pose.bend(leg.coxa, quat.from_axis_angle(UP, angle))
        pole, end = _rotate(pose.turn(leg.coxa), leg.hinge), step.position
    else:
        pole = _rotate(quat.from_yaw((step.yaw + body_yaw) / 2), leg.hinge)
        end = step.position if leg.ankle < 0 else step.position - _rotate(foot, leg.foot)
    pose.turns[leg.hip], pose.turns[leg.knee] = _two_bones(leg, pose.position(leg.hip), end, pole)
    if leg.ankle >= 0:
        pose.turns[leg.ankle] = foot


def _shortfall(pose: _Pose, leg: _Leg, step: _Step, foot: np.ndarray) -> np.ndarray:
    """Metres (N, T) that the body must sink for the leg to reach its foot with the knee still bent by `MIN_BEND`."""
    end = step.position if leg.ankle < 0 else step.position - _rotate(foot, leg.foot)
    if leg.coxa >= 0:
        # The coxa turns towards the foot: only its length and height count.
        base = pose.position(leg.coxa)
        link = pose.rest[leg.hip] - pose.rest[leg.coxa]
        flat = np.hypot(end[..., 0] - base[..., 0], end[..., 2] - base[..., 2]) - np.hypot(link[0], link[2])
        hip_y = base[..., 1] + link[1]
    else:
        hip = pose.position(leg.hip)
        flat = np.hypot(end[..., 0] - hip[..., 0], end[..., 2] - hip[..., 2])
        hip_y = hip[..., 1]
    longest = leg.length(float(np.clip(0.8 * leg.bend, *MIN_BEND)))
    return hip_y - end[..., 1] - np.sqrt(np.maximum(longest**2 - flat**2, (0.3 * longest) ** 2))


def _envelope(values: np.ndarray, radius: int) -> np.ndarray:
    """A smooth curve (N, T) nowhere below `values`: running maximum, then weighted mean, `radius` frames each way."""
    kernel = np.hanning(2 * radius + 3)[1:-1]
    highest = maximum_filter1d(values, 2 * radius + 1, axis=1, mode="nearest")
    return convolve1d(highest, kernel / kernel.sum(), axis=1, mode="nearest")


def _column(gaits: Mapping[str, Gait], cells: list[Cell], field: str) -> np.ndarray:
    """(N, 1) of a gait's number for each clip."""
    return np.array([getattr(gaits[cell.gait], field) for cell in cells], float)[:, None]


def _poses(
    rig: Rig, body: _Body, cells: list[Cell], draw: np.ndarray, seconds: float, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root positions (N, T, 3), local rotations (N, T, J, 4) and contacts (N, T, C) of all clips."""
    gaits, leg_length = _GAITS[len(body.legs)], body.leg_length
    clips, reference, stride = _make_path(cells, gaits, leg_length, draw, seconds, fps)
    times = np.broadcast_to(np.arange(round(seconds * fps)) / fps, (len(cells), round(seconds * fps)))
    duty = _column(gaits, cells, "duty")
    phase, speed = clips.at(clips.phase, times), clips.at(clips.speed, times)
    ground = _ground(clips, times, body.length)
    go = _fade(speed / reference)
    running = _fade(reference / np.sqrt(GRAVITY * leg_length))

    def style(draw_index: int, spread: float) -> np.ndarray:
        return 1 + spread * (2 * draw[:, draw_index : draw_index + 1] - 1)

    def number(field: str) -> np.ndarray:
        return _column(gaits, cells, field)

    cycle = 2 * np.pi * phase
    rest = rig.rest_global[0].astype(np.float64)

    # Pelvis: sways over the standing foot, bobs twice a cycle, leans into turns.
    middle = 2 * np.pi * (phase - duty / 2)
    pull = np.arctan(speed**2 * clips.at(clips.bend, times) / GRAVITY)
    sway = number("sway") * leg_length * style(10, 0.35) * go * np.cos(middle)
    inward = 0.55 * np.tan(pull) * leg_length
    bob = number("bob") * leg_length * style(11, 0.35) * go * np.cos(2 * middle)
    breath = 0.004 * leg_length * np.sin(2 * np.pi * (times * 0.3 + draw[:, 12:13]))
    twist = np.radians(number("yaw")) * style(13, 0.3) * go * np.cos(cycle)
    roll = -0.6 * pull - np.radians(number("roll")) * style(14, 0.3) * go * np.sin(middle + 0.6)
    pitch = np.radians(number("pitch")) * go * np.sin(2 * middle)
    lean = np.radians(number("lean")) * style(15, 0.4) * go + 0.04 * (draw[:, 16:17] - 0.5)
    shift = sway + inward
    x, z, yaw = ground.rear
    root = np.stack([x + np.cos(yaw) * shift, rest[0, 1] + bob + breath, z - np.sin(yaw) * shift], -1)
    upright = 0.4 * lean if body.arms else 0.0 * lean
    turn = quat.mul(quat.from_yaw(yaw - twist), _euler(x=upright + pitch, z=roll))
    pose = _Pose(rig, root, turn)

    # Trunk: bends along the path, turns against the pelvis, keeps the head level.
    bend = ground.fore[2] - yaw
    ahead = clips.at(clips.yaw, times + 0.5) - clips.at(clips.yaw, times)
    counter = twist * (1 + 0.6 * (len(body.arms) > 0)) * style(17, 0.3)
    nod = (0.012 if body.arms else 0.05) * np.sin(2 * middle + 1) * go
    nod = nod + 0.02 * np.sin(2 * np.pi * (times * 0.21 + draw[:, 18:19]))
    for joint in body.trunk:
        part = 1 / len(body.trunk)
        pose.bend(
            joint, _euler(x=part * (lean - upright - pitch), y=part * (bend + twist + counter), z=part * -0.75 * roll)
        )
    for joint in body.neck:
        part = 1 / len(body.neck)
        glance = 0.05 * np.sin(2 * np.pi * (times * 0.17 + draw[:, 19:20]))
        pose.bend(
            joint, _euler(x=part * (nod - 0.8 * lean), y=part * (0.45 * ahead + glance - counter), z=part * -0.2 * roll)
        )
    for arm in body.arms:
        back = np.radians(number("arm")) * style(24, 0.35) * go * arm.side * np.cos(cycle - 0.25)
        back = back * min(1, leg_length / arm.length) + 0.02 * np.sin(2 * np.pi * (times * 0.25 + draw[:, 27:28]))
        flex = np.radians(8) + np.radians(number("elbow")) * style(25, 0.25) * (0.3 + 0.7 * go) - 0.4 * back
        spread = np.radians(9) + np.radians(8) * running + 0.06 * draw[:, 26:27]
        _swing_arm(pose, arm, back, flex, spread)
    for tail in body.tails:
        for i, joint in enumerate(tail):
            wave = (0.10 + 0.05 * i) * style(20, 0.5) * (0.35 + 0.65 * go)
            pose.bend(joint, _euler(x=0.3 * wave * np.cos(2 * cycle - i), y=wave * np.sin(cycle - 0.8 * i)))

    # Legs.
    steps, feet = [], []
    for leg in body.legs:
        offset = np.array([gaits[cell.gait].touchdowns[leg.role] for cell in cells])[:, None]
        anchor = rest[body.trunk[-1]] if leg.fore else rest[0]
        side, _, ahead = rest[leg.contact] - anchor
        if leg.coxa >= 0:  # sprawled legs rest straight out; at work the fore ones reach ahead, the hind ones back
            ahead += _SPREAD.get(leg.role.split("_")[1], 0) * leg_length
        width = number("width") * style(21, 0.15)
        place = _Home(float(side), float(ahead), width, number("behind") * leg_length, reference)
        lift = number("lift") * leg_length * style(22, 0.3)
        step = _steps(
            clips, times, body.length, leg.fore, offset, duty, place, stride, lift, float(rest[leg.contact, 1])
        )
        steps.append(step)
        opening = 0.45 * duty
        window = (step.phase - opening) / (duty + 0.72 * (1 - duty) - opening)
        heel = np.radians(number("heel")) * style(23, 0.2) * step.gain * _bump(window, 4, 3)
        toe = np.radians(number("toe")) * step.gain * _bump((step.swing - 0.4) / 0.6, 4, 3)
        feet.append(quat.mul(quat.from_yaw(step.yaw), _euler(x=heel - toe)))
        for joint in leg.girdle:
            reachout = np.cos(2 * np.pi * step.phase + np.pi * (0.5 - duty))
            pose.bend(joint, _euler(x=-np.radians(7) * go * reachout / len(leg.girdle)))
        if rig.limits[leg.contact].any() and leg.ankle >= 0:
            pose.turns[leg.contact] = quat.mul(
                quat.from_yaw(step.yaw), _euler(x=0.45 * heel * _ease(step.swing * 2) - toe)
            )
    moves = list(zip(body.legs, steps, feet, strict=True))
    sink = np.max([_shortfall(pose, leg, step, foot) for leg, step, foot in moves], 0)
    pose.root = root - _envelope(np.maximum(sink, 0), round(0.45 * np.sqrt(leg_length / GRAVITY) * fps))[..., None] * UP
    for leg, step, foot in moves:
        _solve_leg(pose, leg, step, foot, ground.fore[2] if leg.fore else yaw)

    contacts = np.zeros((*times.shape, len(rig.contact_joints)), bool)
    for leg, step, _ in moves:
        contacts[..., leg.column] = step.planted
        # A second contact joint of the same foot stands while the foot is flat.
        for column in np.flatnonzero(rig.contact_slots == rig.contact_slots[leg.column]):
            if column != leg.column:
                moved = np.linalg.norm(np.diff(pose.position(int(rig.contact_joints[column])), axis=1), axis=-1) * fps
                contacts[..., column] = step.planted & (np.concatenate([moved[:, :1], moved], 1) < 1e-3 * leg_length)
    rotations = _within_limits(rig, body, pose.rotations())
    return pose.root.astype(np.float32), rotations.astype(np.float32), contacts


def _swing_arm(pose: _Pose, arm: _Arm, back: np.ndarray, flex: np.ndarray, spread: np.ndarray) -> None:
    """Set one arm: swung `back`, the elbow bent by `flex`, hanging `spread` out from the body; (N, T), radians."""
    shoulder, elbow, hand, side, rest = arm.shoulder, arm.elbow, arm.hand, arm.side, pose.rest
    hang = rest[hand] - rest[shoulder]
    out = float(np.arctan2(side * hang[0], -hang[1]))
    # A bent forearm points ahead, not outwards: the upper arm turns inwards as the elbow bends.
    inward = 0.1 + 0.4 * (flex + 0.4 * back)
    for joint in arm.clavicles:
        pose.bend(joint, _euler(y=0.12 * back * side / len(arm.clavicles)))
    # That turn also carries an arm that rests out from the body forward; the swing takes it back.
    swing = back + 0.06 + inward * np.sin(max(out, 0))
    pose.bend(shoulder, _euler(x=swing, y=-side * inward, z=side * (spread - out)))
    forearm = rest[hand] - rest[elbow]
    hinge = _unit(np.cross(_unit(forearm * [1, 1, 0]), [0.0, 0.0, 1.0]))
    own = _only_axis(pose.rig, elbow)
    if own is not None:
        hinge = own * np.sign(own @ hinge)
    pose.bend(elbow, quat.from_axis_angle(hinge, flex))
    pose.bend(hand, _euler(x=-0.08 - 0.15 * back))


def _within_limits(rig: Rig, body: _Body, rotations: np.ndarray) -> np.ndarray:
    """Brings what swings freely back inside its limits; legs are left alone, their feet are planted."""
    held = np.zeros(len(rig), bool)
    held[[0, *(j for leg in body.legs for j in leg.joints)]] = True
    angles = limit_angles(rotations, rig)
    low, high = rig.limits[..., 0].astype(np.float64), rig.limits[..., 1].astype(np.float64)
    over = ((angles < low - 1e-6) | (angles > high + 1e-6)).any((0, 1, 3)) & ~held
    if over.any():
        rotations[..., over, :] = from_limit_angles(np.clip(angles, low, high), rig)[..., over, :]
    return rotations


# ------------------------------------------------------------------------------------------------------------- corpus


def _identity(rig: Rig, clips: int, seconds: float, fps: float, seed: int) -> str:
    parts = ["locomotion", rig.content_hash, LOCOMOTION_VERSION, clips, float(seconds), float(fps), seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def generate_locomotion(
    rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 30.0, seed: int = 0
) -> Corpus:
    """Gaits, turns, starts, stops and changes of speed, spread evenly over the cells of the rig's body plan.

    Args:
        rig: two, four or six legs, by the roles of its contact joints.
        clips: how many.
        seconds: length of each.
        fps: frames per second.
        seed: other clips of the same cells.

    Raises:
        UserError: the rig has no legs to walk on.
    """
    if clips < 1 or round(seconds * fps) < 2:
        raise UserError(
            f"locomotion needs at least 1 clip of 2 frames; asked for {clips} of {seconds:g} s at {fps:g} fps"
        )
    body = _body(rig)
    table = _cells(_GAITS[len(body.legs)])
    chosen = [table[i * len(table) // clips] for i in range(clips)]
    # Two rigs must not get the same clips: a transferred model would meet its training paths again.
    generator = np.random.default_rng([seed, int(rig.content_hash[:12], 16)])
    draw = generator.random((clips, DRAWS))
    blocks = [
        _poses(rig, body, chosen[start : start + BLOCK], draw[start : start + BLOCK], seconds, fps)
        for start in range(0, clips, BLOCK)
    ]
    root, rotations, contacts = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    seen: dict[str, int] = {}
    ids = []
    for cell in chosen:
        seen[cell.group] = seen.get(cell.group, 0) + 1
        ids.append(f"{cell.group.replace('/', '-')}-{seen[cell.group]:02d}")
    return Corpus(
        f"{rig.name}-locomotion",
        make_motion(rig, fps, root, rotations, contacts=contacts),
        tuple(ids),
        tuple(cell.group for cell in chosen),
        tuple(cell.action for cell in chosen),
        _identity(rig, clips, seconds, fps, seed),
        {"source": f"built-in motion 'locomotion', version {LOCOMOTION_VERSION}, seed {seed}", "licence": "MIT"},
        exact_contacts=True,
    )


def load_locomotion(
    rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 30.0, seed: int = 0, cache: bool = True
) -> Corpus:
    """`generate_locomotion`, kept under `home()/generated` between calls unless `cache` is off."""
    identity = _identity(rig, clips, seconds, fps, seed)
    folder = home() / "generated" / f"{rig.name}-locomotion-{identity[:16]}"
    if cache and (folder / "corpus.json").exists():
        try:
            return load_corpus(folder)
        except UserError:  # damaged, or of an older schema: as good as absent
            pass
    corpus = generate_locomotion(rig, clips=clips, seconds=seconds, fps=fps, seed=seed)
    if cache:
        save_corpus(corpus, folder)
    return corpus
