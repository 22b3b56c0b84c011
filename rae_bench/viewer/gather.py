"""What a page shows: the roll-outs of a run or of a result folder over the truth, or the motion of a domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.data.corpus import Corpus
from rae_bench.errors import UserError, unknown
from rae_bench.kinematics import forward_kinematics
from rae_bench.motion import Motion
from rae_bench.objectives import Objectives, keyframe_objectives
from rae_bench.plots import COLOURS
from rae_bench.protocol.domains import Examination, Side, load_side
from rae_bench.protocol.task import Protocol, Task, adhoc_task, builtin_tasks, load_task
from rae_bench.registry import CONTROLS
from rae_bench.report import ERROR, row_label
from rae_bench.results import load_trajectory, read_result
from rae_bench.viewer.page import Character, Clip, Scene

if TYPE_CHECKING:
    from rae_bench.protocol.run import Outcome

CLIPS = 4
ON_DARK = {
    "truth": "#ffffff",
    "cold": "#5b9bff",
    "cold-long": "#a5cbf7",
    "frozen": "#ff6b6b",
    "finetune": "#4cc972",
    "zero-shot": "#e8a548",
    "full": "#b583ee",
    "hold": "#9a9a9a",
    "interpolate": "#d1a45c",
    "nearest": "#82b8b8",
}


@dataclass(frozen=True)
class Rollout:
    """A cell's trajectory: `kind` is a regime, `full` or a control."""

    kind: str
    label: str
    file: Path
    note: str = ""


def pick_clips(actions: Sequence[str], lengths: np.ndarray, count: int) -> list[int]:
    """The longest clip of every action, then the second longest, until there are `count`."""
    rank: dict[str, int] = {}
    order = []
    for n in np.argsort(-np.asarray(lengths), kind="stable"):
        rank[actions[n]] = rank.get(actions[n], 0) + 1
        order.append((rank[actions[n]], int(n)))
    return [n for _, n in sorted(order, key=lambda pair: pair[0])[:count]]


def _rollouts(results: Iterable[tuple[dict[str, Any], Path]]) -> list[Rollout]:
    """The first of every kind, in the order of the colours."""
    first: dict[str, Rollout] = {}
    for result, path in results:
        file = path.with_suffix(".npz")
        if result["status"] != "ok" or result["model"] == "truth" or not file.exists():
            continue
        label = row_label(result["model"], result["regime"], result["fraction"])
        kind = label.partition(" ")[0]
        error = result["metrics"].get(ERROR, {}).get("value")
        note = f"{error:.2f} cm" if isinstance(error, (int, float)) else ""
        if kind in COLOURS:
            first.setdefault(kind, Rollout(kind, label, file, note))
    return [first[kind] for kind in COLOURS if kind in first]


def _character(kind: str, label: str, note: str = "") -> Character:
    return Character(label, (COLOURS[kind], ON_DARK[kind]), note, kind not in CONTROLS)


def exam_scene(title: str, subtitle: str, exam: Examination, rollouts: Sequence[Rollout], clips: int = CLIPS) -> Scene:
    """The truth of some test clips, and what models made of them.

    Raises:
        UserError: a trajectory of other clips or of another rig.
    """
    truth, rig = exam.truth, exam.truth.rig
    picked = pick_clips(exam.actions, truth.lengths, clips)
    tracks: list[np.ndarray] = [truth.positions[picked]]
    for rollout in rollouts:
        made = load_trajectory(rollout.file)
        if made.root_positions.shape[1:3] != truth.root_positions.shape[:2] or made.rotations.shape[3] != len(rig):
            raise UserError(f"{rollout.file}: not of the test clips that the task has now; run it again")
        tracks.append(forward_kinematics(made.rotations[0, picked], made.root_positions[0, picked], rig)[0])
    names = [f"{exam.actions[n]} ({exam.ids[n]})" for n in picked]
    characters = [_character("truth", "truth"), *(_character(r.kind, r.label, r.note) for r in rollouts)]
    shown = _clips(names, truth[picked], exam.objectives[picked], tracks)
    return Scene(title, subtitle, rig, truth.fps, characters, shown)


def _clips(names: Sequence[str], truth: Motion, objectives: Objectives, tracks: Sequence[np.ndarray]) -> list[Clip]:
    """Clips cut to their lengths, from the tracks of all characters, (N, T, J, 3) each."""
    return [
        Clip(
            name,
            [track[n, :length] for track in tracks],
            objectives[n : n + 1].cut(0, int(length)),
            truth.contacts[n, :length],
        )
        for n, (name, length) in enumerate(zip(names, truth.lengths, strict=True))
    ]


def run_scene(outcome: Outcome, model: str, clips: int = CLIPS) -> Scene:
    """What a run left: the first seed and fraction of every regime, and the controls."""
    found = ((r, p.path) for p in outcome.cells if (r := read_result(p.path)) is not None)
    exam = outcome.target.examination(outcome.target.split.test)
    return exam_scene(*_words(model, outcome.task, exam), exam, _rollouts(found), clips)


def _words(model: str, task: Task, exam: Examination) -> tuple[str, str]:
    rig = exam.truth.rig
    subtitle = f"rig {rig.name}, {100 * rig.height:.0f} cm; {len(exam.ids)} held-out clips, roll-outs beside the truth"
    return f"{model} on {task.name}: {task.title}", subtitle


@dataclass(frozen=True, eq=False)
class Result:
    """A folder of finished cells, `<out>/<model>-<hash>/<task>`, and what they were asked."""

    folder: Path
    model: str
    task: Task
    exam: Examination
    rollouts: list[Rollout]


def open_result(folder: Path, task_spec: str | None = None, data_root: Path | None = None) -> Result:
    """Read the cells of a folder, and the controls of the same task in its siblings.

    Raises:
        UserError: no cells, a task that cannot be found by its name, or one that has changed since.
    """
    folder = folder.resolve()
    found = [(r, p) for p in sorted(folder.glob("*.json")) if (r := read_result(p)) is not None]
    if not found:
        raise UserError(f"{folder}: no cell results; name a folder <out>/<model>-<hash>/<task> that a run wrote")
    found.sort(key=lambda pair: (pair[0]["seed"], pair[0]["fraction"]))
    model = str(next((r["model"] for r, _ in found if r["regime"] != "none"), found[0][0]["model"]))
    task = _task_of(folder.name, task_spec)
    if any(r["identity"].get("task") != task.content_hash for r, _ in found):
        raise UserError(
            f"{folder}: made of another '{task.name}' than there is now; run it again, or name its file with --task"
        )
    for path in sorted(folder.parent.parent.glob("*/*/none-*.json")):
        control = read_result(path) if path.parent.name == folder.name and path.parent != folder else None
        if control and control["model"] in CONTROLS and control["identity"].get("task") == task.content_hash:
            found.append((control, path))
    side = Side(load_side(task.target, task.protocol, data_root), task.protocol)
    return Result(folder, model, task, side.examination(side.split.test), _rollouts(found))


def _task_of(name: str, spec: str | None) -> Task:
    """The task of a folder of that name: the one that was named, a built-in one, or one of two domains."""
    if spec is not None:
        return load_task(spec)
    if name in builtin_tasks():
        return load_task(name)
    for at in (i for i in range(len(name)) if name.startswith("-to-", i)):
        try:
            return adhoc_task(name[:at], name[at + 4 :])
        except UserError:
            continue
    raise UserError(f"no task is called '{name}'; name its file with --task")


def result_scene(result: Result, clips: int = CLIPS) -> Scene:
    """The roll-outs of a result folder."""
    return exam_scene(*_words(result.model, result.task, result.exam), result.exam, result.rollouts, clips)


def open_domain(name: str) -> Corpus:
    """An imported domain, or the locomotion of a built-in rig, by name."""
    from rae_bench.rigs import builtin_rigs
    from rae_bench.storage import list_domains

    if name in list_domains():
        from rae_bench.data.recordings import load_domain

        return load_domain(name)
    if name not in builtin_rigs():
        raise unknown("result folder or domain", name, [*list_domains(), *builtin_rigs()])
    return load_side({"kind": "builtin", "rig": name}, Protocol())


def domain_scene(corpus: Corpus, clips: int = CLIPS) -> Scene:
    """The motion of a domain, as it is."""
    picked = pick_clips(corpus.actions, corpus.motion.lengths, clips)
    motion = corpus.motion[picked]
    names = [f"{corpus.actions[n]} ({corpus.ids[n]})" for n in picked]
    shown = _clips(names, motion, keyframe_objectives(motion), [motion.positions])
    rig = motion.rig
    subtitle = f"rig {rig.name}, {100 * rig.height:.0f} cm; {len(picked)} of {len(corpus.motion)} clips"
    return Scene(f"domain {corpus.name}", subtitle, rig, motion.fps, [_character("truth", "truth")], shown)
