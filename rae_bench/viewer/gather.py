"""What a page shows: the roll-outs of a run or a result folder over the truth, or the motion of a domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.data.corpus import Corpus
from rae_bench.data.wording import as_length
from rae_bench.errors import UserError, unknown
from rae_bench.harness.identity import data_hash
from rae_bench.model.regimes import FINETUNE, NO_REGIME
from rae_bench.model.registry import CONTROLS
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.results.files import budget_of_result, check_result_version, read_result
from rae_bench.results.trajectories import load_trajectory
from rae_bench.rigs.correspondence import match
from rae_bench.rigs.file import load_rig
from rae_bench.task.cells import TRUTH
from rae_bench.task.held_out import HeldOutClips
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, load_side, load_sides
from rae_bench.task.task import Protocol, Task
from rae_bench.viewer.choice import ALL, Choice, Rollout, check_choice, pick_clips, pick_rollouts
from rae_bench.viewer.errors import frame_errors, worst_second
from rae_bench.viewer.kinds import COLOURS
from rae_bench.viewer.page import Actor, Clip, Scene

if TYPE_CHECKING:
    from rae_bench.harness.generate import Generated
    from rae_bench.harness.run import Outcome


def _actor(kind: str, label: str, note: str = "", shown: bool = True) -> Actor:
    return Actor(label, COLOURS[kind], note, shown)


def exam_scene(
    title: str, subtitle: str, exam: HeldOutClips, rollouts: Sequence[Rollout], choice: Choice = ALL,
    actors: Sequence[Actor] = (),
) -> Scene:  # fmt: skip
    """Show the truth of test clips with its history, and what models made of them, from its worst second on.

    Args:
        title, subtitle: of the page.
        exam: the test clips.
        rollouts: what models made.
        choice: which clips are shown.
        actors: one for each roll-out; without them every kind has its colour, and controls are hidden.

    Raises:
        UserError: a trajectory of other clips or of another rig.
    """
    truth, past, rig = exam.truth, exam.prompt.history, exam.truth.rig
    picked = pick_clips(exam.ids, exam.actions, truth.lengths, choice)
    shown = truth[picked]
    tracks, errors = [], []
    for rollout in rollouts:
        made = load_trajectory(rollout.file)
        if made.root_positions.shape[1:3] != truth.root_positions.shape[:2] or made.rotations.shape[3] != len(rig):
            raise UserError(f"{rollout.file}: not of the test clips that the task has now; run it again")
        roots, rotations = made.root_positions[0, picked], made.rotations[0, picked]
        motion = make_motion(rig, truth.fps, roots, rotations, lengths=shown.lengths, contacts=shown.contacts)
        tracks.append(motion.positions)
        errors.append(frame_errors(motion, shown))
    if not actors:  # controls are on the page, but hidden until the reader asks for them
        actors = [_actor(r.kind, r.label, r.note, r.kind not in CONTROLS or bool(choice.regimes)) for r in rollouts]
    start = past.root_positions.shape[1]
    whole = np.concatenate([past.positions[picked], shown.positions], 1)
    contacts = np.concatenate([past.contacts[picked], shown.contacts], 1)
    clips, worst = [], []
    for k, n in enumerate(picked):
        length = int(truth.lengths[n])
        own = [{measure: values[k, :length] for measure, values in one.items()} for one in errors]
        second, far = worst_second([e for e, actor in zip(own, actors, strict=True) if actor.shown], truth.fps)
        worst.append(far)
        clip = _clip(
            f"{exam.actions[n]} ({exam.ids[n]})",
            start + length,
            start,
            whole[k],
            [track[k] for track in tracks],
            exam.prompt.objectives[[n]],
            contacts[k],
            None if exam.path is None else exam.path[[n]],
        )
        about = " \u00b7 ".join(exam.groups[n].split("/"))
        clips.append(replace(clip, id=exam.ids[n], about=about, errors=own, opens=start + second if own else None))
    first = int(np.argmax(worst)) if any(worst) else 0
    return Scene(title, subtitle, rig, truth.fps, [_actor(TRUTH, TRUTH), *actors], clips, first=first)


def _clip(
    name: str,
    length: int,
    start: int,
    truth: np.ndarray,
    made: Sequence[np.ndarray],
    objectives: Objectives,
    contacts: np.ndarray,
    path: RootPath | None = None,
) -> Clip:
    """Make a clip, cut to its length."""
    return Clip(
        name,
        start,
        truth[:length],
        [track[: length - start] for track in made],
        objectives.cut(0, length),
        contacts[:length],
        None if path is None else path.cut(0, length),
    )


def run_scene(outcome: Outcome, choice: Choice = ALL) -> Scene:
    """Show what a run left: of every regime the first roll-out that fits the choice, and the controls.

    Raises:
        UserError: a choice that fits nothing of the run.
    """
    found = list(outcome.found())
    check_choice(choice, [result for _, result in found], outcome.plan.spec.folder())
    seed = outcome.plan.spec.seeds[0] if choice.seed is None else choice.seed
    exam = outcome.target.held_out_clips(outcome.target.split(seed).test)
    rollouts, missing = pick_rollouts(((r, p.path) for p, r in found), replace(choice, seed=seed))
    return exam_scene(*_words(outcome.plan.spec.model.name, outcome.task, exam, missing), exam, rollouts, choice)


def _words(model: str, task: Task, exam: HeldOutClips, missing: Sequence[str]) -> tuple[str, str]:
    rig = exam.truth.rig
    subtitle = f"rig {rig.name}, {as_length(rig.height)}; {len(exam.ids)} held-out clips, roll-outs beside the truth"
    if missing:
        subtitle += f"; missing: {', '.join(missing)}"
    return f"{model} on {task.name}: {task.title}", subtitle


@dataclass(frozen=True, eq=False)
class ResultFolder:
    """A folder of finished cells, as `RunSpec.folder` names it, with their task and its test clips.

    Attributes:
        missing: what cannot be shown, in words.
    """

    folder: Path
    model: str
    task: Task
    exam: HeldOutClips
    rollouts: list[Rollout]
    missing: list[str]


def open_result(
    folder: Path, task_spec: str | None = None, data_root: Path | None = None, choice: Choice = ALL
) -> ResultFolder:
    """Read the cells of a folder, and the controls of the same task in its siblings.

    Raises:
        UserError: no cells, none of those that were chosen, no trajectories, a task that cannot be found by its name,
            one that has changed since, domains that were imported anew since, or cells of another version of the
            benchmark. Of cells some of which are of other motion, those are passed over.
    """
    folder = folder.resolve()
    found = [(r, p) for p in sorted(folder.glob("*.json")) if (r := read_result(p)) is not None]
    if not found:
        raise UserError(f"{folder}: no cell results; name a folder <out>/<model>-<hash>/<task> that a run wrote")
    for result, path in found:
        check_result_version(result, path)
    found.sort(key=lambda pair: (pair[0]["seed"], pair[0]["fraction"]))
    model = str(next((r["model"] for r, _ in found if r["regime"] != NO_REGIME), found[0][0]["model"]))
    first = found[0][0]
    task = _task_of(str(first["task"]), task_spec).at(budget_of_result(first))
    if any(r["identity"].get("task") != task.content_hash for r, _ in found):
        raise UserError(
            f"{folder}: made of another '{task.name}' than there is now; run it again, or name its file with --task"
        )
    sides = None
    if any(table["kind"] == "domain" for table in (*task.sources, task.target)):
        sides = load_sides(task, data_root)
        found = [pair for pair in found if _is_of(pair[0], *sides)]
        if not found:
            raise UserError(f"{folder}: its domains hold other motion now, as they were imported again; run it again")
    check_choice(choice, [r for r, _ in found], folder)
    for path in sorted(folder.parent.parent.glob("*/*/none-*.json")):
        control = read_result(path) if path.parent.name == folder.name and path.parent != folder else None
        if not control or control["model"] not in CONTROLS or control["identity"].get("task") != task.content_hash:
            continue
        if sides is None or _is_of(control, *sides):
            found.append((control, path))
    seed = found[0][0]["seed"] if choice.seed is None else choice.seed
    rollouts, missing = pick_rollouts(found, replace(choice, seed=seed))
    if not rollouts:
        raise UserError(
            f"{folder}: nothing to show of what was asked for: {', '.join(missing) or 'no such cells'}; "
            "trajectories lie beside the cells as .npz, and running again makes what is missing"
        )
    side = sides[1] if sides else Side(load_side(task.target, task.protocol, data_root), task.protocol)
    return ResultFolder(folder, model, task, side.held_out_clips(side.split(seed).test), rollouts, missing)


def _is_of(result: dict[str, Any], sources: Sequence[Side], target: Side) -> bool:
    """Return whether a cell was made of the motion that the sides hold: a domain may have been imported again."""
    return bool(result["identity"].get("data") == data_hash(sources, target, result["regime"]))


def _task_of(name: str, spec: str | None) -> Task:
    """Return the task of results: the given one, else the one that their folder names."""
    if spec is not None:
        return load_task(spec)
    try:
        return load_task(name)
    except UserError as error:
        raise UserError(f"no task is called '{name}'; name its file with --task") from error


def names_result(what: str) -> bool:
    """Return whether a word names a result folder, and not a domain beside whose files the command runs."""
    from rae_bench.rigs.builtin import builtin_rigs
    from rae_bench.storage import list_domains

    folder = Path(what)
    if not folder.is_dir():
        return False
    named = what in list_domains() or what in builtin_rigs()
    return not named or any(read_result(path) for path in folder.glob("*.json"))


def result_scene(result: ResultFolder, choice: Choice = ALL) -> Scene:
    """Show the roll-outs of a result folder."""
    words = _words(result.model, result.task, result.exam, result.missing)
    return exam_scene(*words, result.exam, result.rollouts, choice)


def open_domain(name: str, motion: str | None = None) -> Corpus:
    """Open an imported domain, or built-in motion of a built-in rig, by name.

    Args:
        name: the name of the domain or rig.
        motion: the kind of built-in motion; locomotion unless given, or reaching where the rig has no contact joints.

    Raises:
        UserError: no such domain, or a kind of motion for an imported domain.
    """
    from rae_bench.rigs.builtin import builtin_rigs, is_builtin
    from rae_bench.storage import list_domains

    if name in list_domains():
        from rae_bench.data.store import load_domain

        if motion is not None:
            raise UserError(f"--motion {motion}: '{name}' is an imported domain; the choice is of built-in rigs")
        return load_domain(name)
    if not is_builtin(name):
        raise unknown("result folder or domain", name, [*list_domains(), *builtin_rigs()])
    walks = len(load_rig(name).contact_joints) > 0
    return load_side(
        {"kind": "builtin", "rig": name, "motion": motion or ("locomotion" if walks else "reach")}, Protocol()
    )


def domain_scene(corpus: Corpus, choice: Choice = ALL) -> Scene:
    """Show the motion of a domain."""
    picked = pick_clips(corpus.ids, corpus.actions, corpus.motion.lengths, choice)
    motion = corpus.motion[picked]
    objectives = keyframe_objectives(motion, None if corpus.targets is None else corpus.targets[picked])
    clips = [
        _clip(
            f"{corpus.actions[n]} ({corpus.ids[n]})",
            int(motion.lengths[k]),
            0,
            motion.positions[k],
            [],
            objectives[[k]],
            motion.contacts[k],
        )
        for k, n in enumerate(picked)
    ]
    rig = motion.rig
    subtitle = f"rig {rig.name}, {as_length(rig.height)}; {len(picked)} of {len(corpus.motion)} clips"
    return Scene(f"domain {corpus.name}", subtitle, rig, motion.fps, [_actor(TRUTH, "motion")], clips)


def retargeted_scene(source: Corpus, made: Corpus, choice: Choice = ALL) -> Scene:
    """Show a domain and what retargeting made of it, a figure beside the other."""
    old, new = source.motion.rig, made.motion.rig
    stands = [-1] * len(old.contact_joints)
    for joint, _, which in match(old, new).contacts:
        stands[which] = joint
    scene = domain_scene(source, choice)
    picked = pick_clips(source.ids, source.actions, source.motion.lengths, choice)
    motion = made.motion[picked]
    # A path has its body's scale and so begins elsewhere; one beside the other, both are seen in one picture too.
    aside = np.array([0.75 * (old.height + new.height) / 2, 0, 0], np.float32)
    flat = np.array([1, 0, 1], np.float32)
    clips = []
    for k, clip in enumerate(scene.clips):
        moved = motion.positions[k, : len(clip.truth)]
        clips.append(replace(clip, made=[moved + flat * (clip.truth[0, 0] - moved[0, 0]) + aside]))
    subtitle = f"rig {old.name}, {as_length(old.height)}, and on rig {new.name}, {as_length(new.height)}"
    actors = [_actor(TRUTH, source.name), replace(_actor(FINETUNE, made.name), rig=new, stands=stands)]
    title = f"{source.name} on {new.name}"
    return replace(scene, title=title, subtitle=subtitle, actors=actors, clips=clips, beside=True)


def generated_scene(made: Generated, title: str) -> Scene:
    """Show what `generate` made after its history, with its objectives."""
    whole, start = made.whole, made.history.root_positions.shape[1]
    length = int(whole.lengths[0])
    clip = _clip(title, length, start, whole.positions[0], [], made.objectives, whole.contacts[0], made.path)
    clip = replace(clip, opens=made.worst)
    height = as_length(whole.rig.height)
    subtitle = f"rig {whole.rig.name}, {height}; generated after {start / whole.fps:g} s of history"
    return Scene(title, subtitle, whole.rig, whole.fps, [_actor(FINETUNE, "generated")], [clip])
