"""Generating with a kept model: a second of motion to start from and written objectives make new motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rae_bench.data.formats.bvh import read_bvh_take
from rae_bench.data.formats.bvh_write import end_sites
from rae_bench.data.formats.gltf_read import read_gltf
from rae_bench.data.formats.take import Take
from rae_bench.data.wording import as_length, first_few
from rae_bench.errors import UserError, unknown
from rae_bench.harness.doubts import Doubt, asked_beyond, feet, missed
from rae_bench.harness.kept import Kept, read_kept
from rae_bench.model.api import Context, Prompt
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.motion.resample import resample
from rae_bench.motion.root import RootSpace
from rae_bench.objectives.from_written import frames_to_generate, to_objectives, to_path
from rae_bench.objectives.objectives import KEYFRAME, Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.objectives.phases import local_phases
from rae_bench.objectives.tracks import CONTROL, LIMBS
from rae_bench.objectives.walk import with_walk
from rae_bench.objectives.written import WrittenObjectives, read_objectives
from rae_bench.rigs.rig import ROLES, Rig

SAME_OFFSET = 0.02
"""Share of its length by which a bone of the history may differ from the rig's, without a word."""
SLACK = 2e-3
"""Share of the longest bone that is forgiven besides: files round."""
ANOTHER = 0.03
"""Share of the rig's height by which it may differ at most: takes of one character are calibrated anew."""
GLTF = (".glb", ".gltf", ".vrm")
"""Files of these names are read as glTF, all others as BVH."""
REST = "rest"
"""In place of a clip: the history is a second of standing in the rest pose."""


@dataclass(frozen=True, eq=False)
class Generated:
    """What `generate` returns.

    Attributes:
        history: one clip, what the model was given.
        motion: one clip, the frames after it.
        objectives: what the model was asked, over the frames of both.
        distances: (role, seconds, metres) of each written objective: by how far it was missed on arrival.
        path: what the model was asked to follow, over the frames of both; None in tracks without a path.
        kept: the model that made it.
        notes: what is odd about the history's file, and how it was taken.
        feet: how deep feet sink and how fast they slide, in words.
        doubts: what speaks against the motion, the worst first.
    """

    history: Motion
    motion: Motion
    objectives: Objectives
    distances: tuple[tuple[str, float, float], ...]
    kept: Kept
    path: RootPath | None = None
    notes: tuple[str, ...] = ()
    feet: str = ""
    doubts: tuple[Doubt, ...] = ()

    @property
    def worst(self) -> int | None:
        """The frame of `whole` where the motion is worst; None where nothing speaks against it."""
        frames = [doubt.frame for doubt in self.doubts if doubt.frame is not None]
        return self.history.root_positions.shape[1] + frames[0] if frames else None

    @property
    def whole(self) -> Motion:
        """The history and the motion as one clip."""
        roots = np.concatenate([self.history.root_positions, self.motion.root_positions], 1)
        rotations = np.concatenate([self.history.rotations, self.motion.rotations], 1)
        contacts = np.concatenate([self.history.contacts, self.motion.contacts], 1)
        return make_motion(self.motion.rig, self.motion.fps, roots, rotations, contacts=contacts)


def generate(
    folder: Path,
    objectives: Path,
    history: Path | str,
    *,
    unit: str | float = "cm",
    up: str = "y",
    seconds: float | None = None,
    clip: str | None = None,
) -> Generated:
    """Continue a clip towards objectives with a kept model.

    The model is imported and loaded only when everything else has been checked.

    Args:
        folder: what `run --keep` left.
        objectives: TOML file; docs/reference/formats.md describes it.
        history: BVH or glTF file whose end the motion continues, or "rest" to start from standing.
        unit: of a history in BVH, as `read_bvh` takes it; glTF is in metres.
        up: vertical axis of the history, as `read_bvh` takes it.
        seconds: how long to generate, in place of what the file says.
        clip: name of the animation of a history in glTF that holds several.

    Raises:
        UserError: One line says what is wrong with the folder, the objectives or the history.
    """
    kept = read_kept(folder)
    written = read_objectives(objectives, seconds)
    notes: tuple[str, ...] = ()
    if history == REST:
        if clip is not None:
            raise UserError(f"--clip {clip} chooses among the animations of a glTF file; --history is {REST}")
        past = standing_history(kept)
    else:
        past, notes = read_history(Path(history), kept, unit=unit, up=up, clip=clip)
    frames = past.root_positions.shape[1]
    root = RootSpace(past.root.origin[0, -1], past.root.yaw[0, -1])
    _check_track(kept.track, written, objectives.name)
    everything = written
    if written.walk:
        steps = with_walk(written.walk, written.objectives, written.seconds, past, objectives.name)
        everything = replace(written, objectives=steps)
    if kept.track == LIMBS:
        everything = replace(everything, objectives=tuple(o for o in everything.objectives if o.kind != KEYFRAME))
    asked = to_objectives(everything, kept.rig, kept.fps, root, frames, objectives.name)
    path = to_path(written, kept.fps, past) if kept.track == CONTROL else None
    prompt = Prompt(
        kept.rig,
        kept.fps,
        past,
        asked,
        np.array([frames_to_generate(written, kept.fps)]),
        local_phases(past, asked, past_only=True)[:, -1].copy(),
        path=path,
    )
    made = _run(kept, prompt)
    motion = _lowered(made, kept.raised)
    asked = replace(asked, positions=asked.positions - np.array([0, kept.raised, 0], np.float32))
    distances = _distances(written, made, root)  # also of those that only say where a walk leads
    start = root.points_in(past.positions[0, -1, [kept.rig.roles.get("pelvis", 0)]])[0]
    standing, doubts = feet(made, kept.stance)
    doubts += missed(distances, kept.fps, kept.rig.height)
    doubts += asked_beyond(written, kept.trained, start, kept.rig.height)
    return Generated(
        _lowered(past, kept.raised), motion, asked, distances, kept, path, notes, standing,
        tuple(sorted(doubts, key=lambda doubt: -doubt.size)),
    )  # fmt: skip


def _check_track(track: str, written: WrittenObjectives, where: str) -> None:
    """Raise `UserError` where a file asks for what a model of this track has not been taught."""
    taught = f"{where}: the model was trained on the track '{track}'"
    if track == CONTROL and not written.path:
        raise UserError(f"{taught}, which follows a path: give [[path]]")
    if track != CONTROL and written.path:
        raise UserError(f"{taught}, which has no path: give [[objectives]]")
    if track == LIMBS and not written.walk:
        for number, each in enumerate(written.objectives, 1):
            if each.kind == KEYFRAME:
                raise UserError(
                    f"{taught}, which has touch-downs (kind = \"contact\") and targets alone; objective {number} "
                    f"({ROLES[each.slot]}) is a keyframe: change its kind, or lay out a [walk]"
                )


def standing_history(kept: Kept) -> Motion:
    """Return the history of a character that stands in its rest pose, facing +Z, its contact joints where they stand.

    The motion has one clip, as long as the model's history, at the model's frame rate.
    """
    rig, frames = kept.rig, round(kept.history * kept.fps)
    place = np.array(rig.rest_global[0][0], np.float32)
    if len(kept.stance):
        place[1] += (kept.stance - rig.rest_global[0][rig.contact_joints, 1]).mean()
    roots = np.tile(place, (1, frames, 1))
    return make_motion(
        rig,
        kept.fps,
        roots,
        np.tile(rig.rest, (1, frames, 1, 1)),
        contacts=np.ones((1, frames, len(rig.contact_joints)), bool),
    )


def read_history(
    path: Path, kept: Kept, *, unit: str | float, up: str, clip: str | None = None
) -> tuple[Motion, tuple[str, ...]]:
    """Read the end of a BVH or glTF file as a history for the kept model, on the model's rig and at its frame rate.

    Joints are matched by name. Joints that the rig lacks are dropped, joints above the rig's root are folded into it.
    Bones have the rig's lengths.

    Args:
        path: the file.
        kept: the model that continues it.
        unit: of a BVH file, as `read_bvh` takes it; glTF is in metres.
        up: vertical axis of the file, as `read_bvh` takes it.
        clip: name of the animation of a glTF file that holds several.

    Returns:
        The history, and what is odd about the file in words.

    Raises:
        UserError: A joint is missing, hangs elsewhere or has another offset, the clip is too short, or no animation is
            chosen of several.
    """
    rig = kept.rig
    take = _read(path, unit, up, clip)
    if take.motion.rig.joint_names[0] != rig.joint_names[0] and rig.joint_names[0] in take.motion.rig.joint_names:
        take = _read(path, unit, up, clip, root=rig.joint_names[0])
    columns, apart = match_joints(take.motion.rig, rig, str(path))
    motion = resample(take.motion, kept.fps)
    frames = round(kept.history * kept.fps)
    there = int(motion.lengths[0])
    if there < frames:
        raise UserError(
            f"{path}: {there / kept.fps:.2f} s of motion; the model starts from {kept.history:g} s, give a longer clip"
        )
    lift = np.array([0, kept.raised, 0], np.float32)
    roots = motion.root_positions[:, there - frames : there] + lift
    rotations = motion.rotations[:, there - frames : there, columns]
    rotations[:, :, columns < 0] = np.array([1, 0, 0, 0], np.float32)
    notes = (*(f"{path}: {note.text}" for note in take.notes), *apart)
    return make_motion(rig, kept.fps, roots, rotations, stance=kept.stance), notes


def _read(path: Path, unit: str | float, up: str, clip: str | None, root: str | None = None) -> Take:
    """Read the take of a BVH file, or one of those of a glTF file."""
    if path.suffix.lower() not in GLTF:
        if clip is not None:
            raise UserError(f"--clip {clip} chooses among the animations of a glTF file; {path} holds one take")
        return read_bvh_take(path, unit=unit, up=up, median_bones=True, root=root)
    takes = read_gltf(path, up=up, root=root)
    if clip is None and len(takes) == 1:
        return takes[0]
    names = [take.name for take in takes]
    if clip is None:
        raise UserError(f"{path}: {len(takes)} animations; choose with --clip: {first_few(names, 8)}")
    if clip not in names:
        raise unknown("animation", clip, names)
    return takes[names.index(clip)]


def match_joints(clip: Rig, rig: Rig, where: str) -> tuple[np.ndarray, list[str]]:
    """Return the clip's joint for each joint of the rig, (J,) int, -1 for an End Site it lacks, and what differs.

    Args:
        clip: the clip's skeleton.
        rig: the model's skeleton, J joints.
        where: name of the file, for messages.

    Raises:
        UserError: One line names the first joint that does not fit.
    """
    index = {joint: j for j, joint in enumerate(clip.joint_names)}
    longest = float(np.linalg.norm(rig.offsets[1:], axis=1).max(initial=0))
    ends = end_sites(rig)
    other: dict[str, float] = {}
    for j, joint in enumerate(rig.joint_names):
        if joint not in index and ends[j]:
            continue
        if joint not in index:
            raise UserError(f"{where}: no joint '{joint}', but the model's rig '{rig.name}' has it; another skeleton?")
        if rig.parents[j] < 0:
            if index[joint] != 0:
                raise UserError(f"{where}: joint '{joint}' is the root of the model's rig, not of the clip")
            continue
        parent = rig.joint_names[rig.parents[j]]
        at = index[joint]
        found = clip.joint_names[clip.parents[at]] if clip.parents[at] >= 0 else "nothing"
        if found != parent:
            raise UserError(f"{where}: joint '{joint}' hangs on '{found}', in the model's rig on '{parent}'")
        apart = float(np.linalg.norm(clip.offsets[at] - rig.offsets[j]))
        length = float(np.linalg.norm(rig.offsets[j]))
        # The length of an End Site is what exporters forget; it turns nothing and stands in no model's input.
        if ends[j] or apart <= SAME_OFFSET * length + SLACK * longest:
            continue
        if apart > ANOTHER * rig.height:
            raise UserError(
                f"{where}: offset of joint '{joint}' is {100 * apart:.2g} cm off the model's "
                f"({100 * length:.3g} cm long); is --unit right, and is it the same character?"
            )
        other[joint] = apart
    notes = []
    if other:
        worst = max(other, key=lambda joint: other[joint])
        count = "1 bone differs" if len(other) == 1 else f"{len(other)} bones differ"
        text = f"{count} from the model's, most {worst} by {as_length(other[worst])}"
        notes.append(f"{where}: {text}: the model's are used")
    return np.array([index.get(joint, -1) for joint in rig.joint_names]), notes


def _run(kept: Kept, prompt: Prompt) -> Motion:
    """Load the model, have it continue the prompt, and check what it returns."""
    from rae_bench.model.registry import make_model

    instance = make_model(kept.model, kept.options)
    instance.load(kept.folder)
    made = instance.generate(prompt, Context.to_generate(kept.regime, kept.seed))
    frames, joints = int(prompt.frames[0]), len(kept.rig)
    for name, array, shape in (
        ("root_positions", made.root_positions, (1, frames, 3)),
        ("rotations", made.rotations, (1, frames, joints, 4)),
    ):
        if np.shape(array)[1:] != shape or not np.isfinite(array).all():
            raise UserError(f"model '{kept.model}': generate gave {name} of another shape, or not finite")
    return make_motion(kept.rig, kept.fps, made.root_positions[0], made.rotations[0], stance=kept.stance)


def _lowered(motion: Motion, raised: float) -> Motion:
    """Return the motion on the ground of the files that the model was trained on; `raised` is in metres."""
    return replace(motion, root_positions=motion.root_positions - np.array([0, raised, 0], np.float32))


def _distances(written: WrittenObjectives, made: Motion, root: RootSpace) -> tuple[tuple[str, float, float], ...]:
    """Return (role, seconds, metres by which it was missed) of each written objective, by time."""
    out = []
    for each in sorted(written.objectives, key=lambda each: (each.time, each.slot)):
        frame = min(max(1, round(each.time * made.fps)), made.root_positions.shape[1]) - 1
        joint = made.rig.key_joints[each.slot]
        gap = made.positions[0, frame, joint] - root.points_out(each.position[None])[0]
        out.append((ROLES[each.slot], each.time, float(np.linalg.norm(gap))))
    return tuple(out)
