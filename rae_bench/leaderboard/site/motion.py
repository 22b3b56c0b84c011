"""The motion on the pages: the sample clips that entries publish, over the truth, on one page for each task.

Samples come from anybody. They are read as `verify` reads them, and what is not as it must be is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from rae_bench.errors import UserError
from rae_bench.leaderboard.board.charts import entry_colours
from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.entry_files import SAMPLE
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.packing import FARTHEST
from rae_bench.leaderboard.entries.quantised import off_grid
from rae_bench.leaderboard.entries.sample import choose_clips, read_sample
from rae_bench.leaderboard.verify.sampled import Exams
from rae_bench.model.regimes import percent
from rae_bench.motion.motion import make_motion
from rae_bench.task.cells import TRUTH, fold_of
from rae_bench.task.held_out import HeldOutClips
from rae_bench.task.task import Task
from rae_bench.viewer.errors import frame_errors, worst_second
from rae_bench.viewer.kinds import COLOURS
from rae_bench.viewer.page import Actor, Clip, Scene, write_page

CLIPS = 24
"""The most clips of a task's page. Those that most entries have come first."""
SEEN = 2
"""Entries that are shown from the start, each at its least fraction: the best ones."""

Place = tuple[int, int]
"""Fold and number of a test clip."""
Figure = tuple[str, float]
"""Entry and fraction."""
Made = Mapping[Place, Mapping[Figure, tuple[np.ndarray, np.ndarray]]]
"""Root positions (T, 3) and rotations (T, J, 4) of each clip and figure."""


@dataclass(frozen=True)
class Motion:
    """The page of a task's motion.

    Attributes:
        address: of the page.
        entries: entry -> address of its own motion on the page.
    """

    address: str
    entries: Mapping[str, str]


def write_motion(board: Board, part: Path, data_root: Path | None = None) -> dict[str, Motion]:
    """Write a page of moving skeletons for each task of which an entry has a sample; return task -> its page.

    Tasks on recordings have one only where the recordings are.
    """
    tasks = {name: cells.task for name, cells in board.tasks.items()}
    views: dict[str, Motion] = {}
    for name, found in _samples([entry for entry in board.entries.values() if entry.card.learns], tasks).items():
        try:
            exams = Exams.of(tasks[name], data_root)
        except UserError:  # recordings that are not here
            continue
        scene = sample_scene(board, name, exams, found)
        if scene is not None:
            address = f"view/{name}.html"
            write_page(scene, part / address)
            views[name] = Motion(address, _addresses(address, scene, board))
    return views


def _addresses(address: str, scene: Scene, board: Board) -> dict[str, str]:
    """Return entry -> where its first figure stands beside the truth."""
    out: dict[str, str] = {}
    for entry in board.entries:
        for number, actor in enumerate(scene.actors[1:]):
            clip = next((clip for clip in scene.clips if len(clip.made[number])), None)
            if clip is not None and actor.label.partition(" ")[0] == entry:
                words = [("clip", clip.id), ("show", TRUTH), ("show", actor.label)]
                out.setdefault(entry, f"{address}#{urlencode(words)}")
    return out


def _samples(entries: Sequence[Entry], tasks: Mapping[str, Task]) -> dict[str, Made]:
    """Return task -> the motion of its sample clips."""
    found: dict[str, dict[Place, dict[Figure, tuple[np.ndarray, np.ndarray]]]] = defaultdict(lambda: defaultdict(dict))
    for entry in entries:
        if not (entry.folder / SAMPLE).is_file():
            continue
        try:
            order, clips = choose_clips(entry, tasks), read_sample(entry.folder)
        except Refused:  # verify says what is wrong with it
            continue
        for chosen, clip in zip(order, clips, strict=False):
            place, figure = (fold_of(chosen.cell.seed), chosen.clip), (entry.name, chosen.cell.fraction)
            found[chosen.cell.task][place].setdefault(figure, off_grid(clip))
    return dict(found)


def sample_scene(board: Board, name: str, exams: Exams, found: Made) -> Scene | None:
    """Show the sample clips of a task's entries over the truth, the best entries first; None where there are none."""
    rows = board.data["tasks"][name]["rows"]
    order = {row["entry"]: place for place, row in enumerate(rows)}
    fitting = {place: _fitting(exams.on(place[0]), place[1], made) for place, made in found.items()}
    figures = sorted({f for made in fitting.values() for f in made}, key=lambda f: (order.get(f[0], len(order)), f))
    places = sorted((place for place, made in fitting.items() if made), key=lambda p: (-len(fitting[p]), p))[:CLIPS]
    if not places:
        return None
    clips = [_clip(exams.on(fold), number, fitting[fold, number], figures) for fold, number in places]
    names = list(dict.fromkeys(entry for entry, _ in figures))
    actors = [Actor(TRUTH, COLOURS[TRUTH])]
    seen = {next(figure for figure in figures if figure[0] == name) for name in names[:SEEN]}
    colours = entry_colours(board)
    for entry, fraction in figures:
        actors.append(Actor(f"{entry} {percent(fraction)}", colours[entry], shown=(entry, fraction) in seen))
    worst = [worst_second([e for e in clip.errors if e], exams.target.corpus.motion.fps)[1] for clip in clips]
    first = max(range(len(clips)), key=lambda k: (len(seen & fitting[places[k]].keys()), worst[k]))
    task = board.tasks[name].task
    subtitle = f"rig {exams.target.corpus.motion.rig.name}; {len(clips)} clips that entries published, chosen by a hash"
    return Scene(
        f"{name}: {task.title}", subtitle, exams.target.corpus.motion.rig, exams.target.corpus.motion.fps, actors,
        clips, beside=True, first=first,
    )  # fmt: skip


def _fitting(
    exam: HeldOutClips, number: int, made: Mapping[Figure, tuple[np.ndarray, np.ndarray]]
) -> dict[Figure, tuple[np.ndarray, np.ndarray]]:
    """Return the motion that has the frames and joints of its clip and is not out of this world."""
    if not 0 <= number < len(exam.ids):
        return {}
    shape = int(exam.truth.lengths[number]), len(exam.truth.rig)
    return {
        figure: (roots, rotations)
        for figure, (roots, rotations) in made.items()
        if rotations.shape[:2] == shape and np.abs(roots).max(initial=0) <= FARTHEST
    }


def _clip(
    exam: HeldOutClips, number: int, made: Mapping[Figure, tuple[np.ndarray, np.ndarray]], figures: Sequence[Figure]
) -> Clip:
    """Return a clip with its history, and what each figure made of it, which is nothing where it has no such sample."""
    past, rig, length = exam.prompt.history, exam.truth.rig, int(exam.truth.lengths[number])
    truth, start = exam.truth[[number]].cut(0, length), past.root_positions.shape[1]
    tracks: list[np.ndarray] = []
    errors: list[dict[str, np.ndarray]] = []
    for figure in figures:
        if figure not in made:
            tracks.append(np.zeros((0, len(rig), 3), np.float32))
            errors.append({})
            continue
        roots, rotations = (values[None] for values in made[figure])
        motion = make_motion(rig, truth.fps, roots, rotations, contacts=truth.contacts)
        tracks.append(motion.positions[0])
        errors.append({measure: values[0] for measure, values in frame_errors(motion, truth).items()})
    second, _ = worst_second([one for one in errors if one], truth.fps)
    path = None if exam.path is None else exam.path[[number]].cut(0, start + length)
    return Clip(
        f"{exam.actions[number]} ({exam.ids[number]})",
        start,
        np.concatenate([past.positions[number], truth.positions[0]]),
        tracks,
        exam.prompt.objectives[[number]].cut(0, start + length),
        np.concatenate([past.contacts[number], truth.contacts[0]]),
        path,
        opens=start + second,
        id=exam.ids[number],
        about=" \u00b7 ".join(exam.groups[number].split("/")),
        errors=errors,
    )
