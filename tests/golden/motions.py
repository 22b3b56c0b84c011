"""Numbers of all that works on arrays of motion: kinematics, generators, recordings, objectives, split, controls."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from golden import inputs
from golden.values import Value, Values, close, counted, exact

from rae_bench.kinematics import quat
from rae_bench.rigs.file import load_rig

RIGS = ("r1", "r2", "r3", "r4", "r5", "quad", "hexapod", "arm")
"""A new rig is pinned by its file, and moves nothing of these."""


def kinematics() -> Values:
    """Quaternions, chains, joint limits, and inverse kinematics."""
    from helpers.positions import PARENTS, body

    from rae_bench.kinematics.fit import fit_bones
    from rae_bench.kinematics.forward import forward_kinematics, global_to_local
    from rae_bench.kinematics.inverse import from_limit_angles, limit_angles, solve_ik

    a, b = inputs.turns((40,), 0), inputs.turns((40,), 1)
    v = np.random.default_rng(2).standard_normal((40, 3))
    rig, limited = inputs.truth().rig, load_rig("r1")
    poses = inputs.turns((6, len(rig)), 3, 0.4).astype(np.float32)
    places, world = forward_kinematics(poses, v[:6].astype(np.float32), rig.parents, rig.offsets)
    angles = limit_angles(quat.mul(limited.rest, inputs.turns((6, len(limited)), 4, 0.3)), limited)
    ends = rig.key_joints[rig.role_mask][1:].tolist()
    goals = places[:, ends] + 0.3 * np.sin(np.arange(3 * len(ends)).reshape(-1, 3))
    root, solved = solve_ik(rig, v[:6], poses, ends, goals)
    return {
        "mul": close(quat.mul(a, b)),
        "rotate": close(quat.rotate(a, v)),
        "from_axis_angle": close(quat.from_axis_angle(v, v[:, 0])),
        "from_yaw": close(quat.from_yaw(v[:, 0])),
        "from_euler": close(quat.from_euler("ZXY", 60 * v.T)),
        "matrix": close(quat.to_matrix(a)),
        "from_matrix": close(quat.from_matrix(quat.to_matrix(a))),
        "continuous": close(quat.continuous(a * np.sign(v[:, :1]), 0)),
        "slerp": close(quat.slerp(a, b, np.linspace(0, 1, 40)[:, None])),
        "between": close(quat.between(v[:20], v[20:])),
        "chord": close(quat.chord(a, b)),
        "angle": close(quat.angle(a, b)),
        "forward": close(places),
        "local": close(global_to_local(world, rig.parents)),
        "fitted_bones": close(fit_bones(body(), PARENTS)[0]),
        "fitted_turns": close(fit_bones(body(), PARENTS)[1]),
        "limit_angles": close(angles),
        "from_limit_angles": close(from_limit_angles(0.5 * angles, limited)),
        "inverse": close(rig.forward_kinematics(solved, root)[0]),
        "inverse_turns": close(solved),
    }


def motion() -> Values:
    """What follows from a rig, world poses, root space, contacts, other frame rates."""
    from rae_bench.motion.contacts import find_contacts, joint_speeds, stance_heights
    from rae_bench.motion.resample import resample
    from rae_bench.motion.root import heading_angle, velocities

    made, noisy = inputs.truth(), inputs.generated()
    rigs = [load_rig(name) for name in ("r4", "quad", "r2")]
    bent = [rig.forward_kinematics(inputs.turns((8, len(rig)), 6, 0.3), np.zeros((8, 3))) for rig in rigs]
    stance = stance_heights(made.positions, made.rig, made.lengths)
    fewer, more = resample(made, 20.0), resample(made, 48.0)
    return {
        "height": close([rig.height for rig in rigs]),
        "rest": close(np.concatenate([rig.rest_global[0] for rig in rigs])),
        "tree": counted(np.concatenate([rig.ancestors.ravel() for rig in rigs])),
        "slots": exact([*rigs[0].key_joints, *rigs[0].contact_slots, *rigs[1].key_joints, *rigs[1].contact_slots]),
        "positions": close(made.positions),
        "rotations": close(made.global_rotations),
        "root": close(made.root.origin),
        "heading": close(made.root.rotation),
        "seen_from_root": close(made.root.points_in(made.positions)),
        "velocities": close(velocities(made.positions, made.fps)),
        "speeds": close(joint_speeds(made.positions, made.fps, made.lengths)),
        "stance": close(stance_heights(noisy.positions, made.rig, made.lengths)),
        "contacts": counted(find_contacts(made.positions, made.rig, made.fps, made.lengths)),
        "contacts_by_stance": counted(
            find_contacts(made.positions, made.rig, made.fps, made.lengths, stance=stance + 0.01)
        ),
        "contacts_of_noise": counted(find_contacts(noisy.positions, made.rig, made.fps, made.lengths)),
        "contacts_when_slow": counted(find_contacts(noisy.positions, made.rig, made.fps / 8, made.lengths)),
        "heading_of_rigs": close([heading_angle(*world, rig) for world, rig in zip(bent, rigs, strict=True)]),
        "resampled": close(np.concatenate([fewer.positions.ravel(), more.positions.ravel()])),
        "resampled_lengths": exact([*fewer.lengths, *more.lengths]),
        "resampled_contacts": counted(fewer.contacts),
    }


def preparation() -> Values:
    """A folder of BVH files that is written here, as it becomes a corpus; one small file of every other format."""
    from helpers.recordings import RECIPE, header, walk

    from rae_bench.data.corpus import with_swapped_roles
    from rae_bench.data.formats.bvh_write import write_bvh
    from rae_bench.data.importing.recipe import Recipe
    from rae_bench.data.importing.recordings import import_folder

    with TemporaryDirectory() as place:
        folder = Path(place)
        for stem, seconds, end in (("a", 6, 0.0), ("b", 3, 8.0), ("c", 1, 0.0)):
            (folder / f"{stem}.bvh").write_text(header(end) + walk(seconds, 60, floor=15), encoding="utf-8")
        made = import_folder(folder, RECIPE, "walks", seconds=2.5)
        (folder / "shaky").mkdir()
        for clip in range(4):
            write_bvh(folder / "shaky" / f"{clip}.bvh", inputs.generated(), clip)
        guessed = import_folder(folder / "shaky", Recipe(), "shaky", fps=20, seconds=4.0)
    rig, other = made.motion.rig, guessed.motion.rig
    return {
        "ids": exact([*made.ids, *guessed.ids]),
        "groups": exact([*made.groups, *made.actions]),
        "lengths": exact([*made.motion.lengths, *guessed.motion.lengths]),
        "offsets": close(rig.offsets),
        "rest": close(rig.rest_global[0]),
        "height": close([rig.height, other.height]),
        "mirror": exact(rig.mirror),
        "positions": close(made.motion.positions),
        "rotations": close(made.motion.rotations),
        "contacts": counted(made.motion.contacts),
        "guessed_roles": exact(f"{role} {joint}" for role, joint in other.roles.items()),
        "guessed_rest": close(other.rest_global[0]),
        "guessed_rest_turns": close(other.rest_global[1]),
        "guessed_positions": close(guessed.motion.positions),
        "guessed_contacts": counted(guessed.motion.contacts),
        "swapped_roles": exact(f"{role} {joint}" for role, joint in with_swapped_roles(made).motion.rig.roles.items()),
        **readers(),
    }


def readers() -> Values:
    """Positions as they are read from small files."""
    from helpers import bvh, deepmimic, positions, unity

    from rae_bench.data.formats.bvh import read_bvh
    from rae_bench.data.formats.deepmimic import read_character, read_deepmimic
    from rae_bench.data.formats.fit_points import fit_points
    from rae_bench.data.formats.positions import read_points
    from rae_bench.data.formats.unity import read_unity

    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "a.bvh").write_text(bvh.bvh(), encoding="utf-8")
        (folder / "b.json").write_text(json.dumps({"Loop": "wrap", "Frames": deepmimic.ROWS}), encoding="utf-8")
        (folder / "c.json").write_text(
            json.dumps({"timestamp": [0, 1], "frames": unity.frames()}), encoding="utf-8"
        )
        np.savez(folder / "d.npz", positions=positions.body(), names=positions.NAMES, parents=positions.PARENTS, fps=30)
        character = read_character(deepmimic.character(folder))
        takes = {
            "bvh": read_bvh(folder / "a.bvh", up="z"),
            "deepmimic": read_deepmimic(folder / "b.json", [character], loop_seconds=2.0).motion,
            "unity": read_unity(folder / "c.json", [unity.SKELETON], fps=60, root_path="children").motion,
            "npz": fit_points([read_points(folder / "d.npz")])[0].motion,
        }
    return {f"read_{name}": close(motion.positions) for name, motion in takes.items()}


def generator(name: str) -> Values:
    """A few clips on each of some rigs that can do this."""
    from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
    from rae_bench.data.generators.reach.reach import generate_reach
    from rae_bench.data.importing.actions import find_actions

    if name == "retarget":
        return _retargeted()
    if name == "actions":
        made = generate_locomotion(load_rig("quad"), clips=30, seconds=3.0)
        return {"found": exact(find_actions(made.motion, made.course))}
    values: dict[str, Value] = {}
    for rig in map(load_rig, RIGS):
        if name == "reach":
            made = generate_reach(rig, clips=6, fps=30.0)
            assert made.targets is not None
            values[f"{rig.name}_targets"] = close(made.targets.positions)
            values[f"{rig.name}_arrivals"] = counted(made.targets.arrivals)
        elif len(rig.contact_joints):
            made = generate_locomotion(rig, clips=12, seconds=3.0, step_grid=name == "sweep")
            values[f"{rig.name}_groups"] = exact(made.groups)
        else:
            continue
        values[f"{rig.name}_identity"] = exact([made.identity])
        values[f"{rig.name}_root"] = close(made.motion.root_positions)
        values[f"{rig.name}_positions"] = close(made.motion.positions)
        values[f"{rig.name}_contacts"] = counted(made.motion.contacts)
    return values


def _retargeted() -> Values:
    """Walks of a biped on another one and on a quadruped."""
    from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
    from rae_bench.data.retarget import retarget

    walks = generate_locomotion(load_rig("r1"), clips=4, seconds=3.0).motion
    made = {name: retarget(walks, load_rig(name)) for name in ("r2", "quad")}
    return {f"on_{name}": close(motion.positions) for name, motion in made.items()}


def objectives() -> Values:
    """Key joints and keyframes of walks, and targets of hands."""
    from rae_bench.data.corpus import ReachTargets
    from rae_bench.motion.course import course_of
    from rae_bench.objectives.keyframes import keyframe_objectives
    from rae_bench.objectives.objectives import key_transforms, slot_contacts
    from rae_bench.objectives.path import path_of

    made = inputs.truth()
    asked = keyframe_objectives(made)
    places, ways = key_transforms(made.positions, made.global_rotations, made.rig)
    events = {"slots": [[2, 3], [3, -1], [2, 2], [-1, -1]], "starts": [[30, 40], [35, 0], [30, 80], [0, 0]],
              "arrivals": [[60, 70], [90, 0], [75, 140], [0, 0]]}  # fmt: skip
    whole = {key: np.array(value, np.int32) for key, value in events.items()}
    points = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 2, 3)
    ways_there = inputs.turns((4, 2), 5).astype(np.float32)
    targets = ReachTargets(**whole, positions=points, rotations=ways_there, respawned=np.zeros((4, 2), bool))
    reached = keyframe_objectives(made, targets)
    way = 0.0123 * np.arange(150).reshape(1, 50, 3) ** 1.3  # no number of it lies half way between two grains
    path = path_of(way, 30.0, 1.7)
    return {
        "course": close(course_of(made)),
        "path": close(np.concatenate([path.positions, path.headings[..., None]], -1)),
        "key_positions": close(places),
        "key_rotations": close(ways),
        "slot_contacts": counted(slot_contacts(made.contacts, made.rig)),
        "positions": close(asked.positions),
        "rotations": close(asked.rotations),
        "arrivals": counted(asked.arrivals),
        "kinds": counted(asked.kinds),
        "seconds": close(asked.cut(30, 90).time_to_arrival(made.fps)),
        "target_positions": close(reached.positions),
        "target_rotations": close(reached.rotations),
        "target_arrivals": counted(reached.arrivals),
        "target_kinds": counted(reached.kinds),
    }


def phases() -> Values:
    """Phases of walks, from either side of a frame and from its past alone."""
    from rae_bench.objectives.objectives import TARGET, key_transforms, no_objectives
    from rae_bench.objectives.phases import local_phases, touches
    from rae_bench.rigs.rig import ROLES

    made = inputs.truth()[[0, 3]]
    keys, tall = key_transforms(made.positions, made.global_rotations, made.rig)[0], made.rig.height
    asked = no_objectives(*made.root_positions.shape[:2])
    hand = ROLES.index("left_hand")
    # A target where the hand is now and then, as it swings by.
    asked.positions[:, :, hand] = keys[:, 10:11, hand]
    asked.kinds[:, :, hand] = TARGET
    return {
        "around": close(local_phases(made)),
        "past": close(local_phases(made, past_only=True)),
        "touched": close(touches(keys, asked, 0.1 * tall).astype(float)),
        "reaching": close(local_phases(made, asked)),
    }


def split() -> Values:
    """Parts and fractions of a corpus, budgets, prompts, and what is compared with them."""
    from rae_bench.task.cells import budget_of
    from rae_bench.task.sides import Side
    from rae_bench.task.task import Protocol

    protocol = Protocol(seconds=2.5)
    side = Side(inputs.corpus(), protocol)
    exam = side.held_out_clips(side.split(0).test)
    steps, following, clips = exam.single_steps()
    budgets = [budget_of(regime, 0.05, protocol) for regime in ("cold", "frozen", "cold-long")]
    return {
        "train": exact(side.split(0).train),
        "folds": exact(side.folds.of),
        "test": exact(side.split(0).test),
        "fractions": exact(len(side.fraction(1, f)) for f in (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)),
        "hash": exact([side.hash_of(side.fraction(1, 0.2))]),
        "held_out": exact(side.held_out(1, 0.05)),
        "budgets": exact(number for budget in budgets for number in (budget.updates, budget.frames)),
        "frames": exact(exam.prompt.frames),
        "stance": close(side.stance),
        "history": close(exam.prompt.history.positions),
        "history_contacts": counted(exam.prompt.history.contacts),
        "phases": close(exam.prompt.phases),
        "objectives": close(exam.prompt.objectives.positions),
        "arrivals": counted(exam.prompt.objectives.arrivals),
        "truth": close(exam.truth.positions),
        "truth_arrivals": counted(exam.objectives.arrivals),
        "steps": exact([len(clips), *clips]),
        "step_history": close(steps.history.root_positions),
        "step_objectives": close(steps.objectives.positions),
        "step_truth": close(following.positions),
    }


def control(name: str) -> Values:
    """Motion of an entry that learns nothing."""
    from rae_bench.model.api import Budget, Context
    from rae_bench.model.registry import make_model

    model, ctx = make_model(name, {}), Context("none", 1.0, Budget(0, 0), 0)
    model.adapt(inputs.domain(), ctx)
    asked = inputs.prompt()
    made = model.generate(asked, ctx)
    places = asked.rig.forward_kinematics(made.rotations, made.root_positions)[0]
    return {"root": close(made.root_positions), "positions": close(places)}

