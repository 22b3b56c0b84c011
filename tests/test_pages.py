"""Every command and code block of the documentation runs in a test: here, or where `ELSEWHERE` says.

Pages are played in a folder of their own, in this process, on a task whose every cell takes about a second.
"""

from __future__ import annotations

import pickle
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.documents import PAGES, blocks, commands_on, text_of
from helpers.places import DOCS, ROOT
from helpers.recordings import header, walk

import rae_bench as rb
from rae_bench.cli import main
from rae_bench.data.formats.joint_tree import read_joint_tree
from rae_bench.data.importing.file_list import read_file_list
from rae_bench.data.importing.recipe import Recipe, read_roles
from rae_bench.harness.search_space import check_space, draw
from rae_bench.objectives.written import read_objectives
from rae_bench.rigs.file import read_rig
from rae_bench.task.reading import task_from_table

INSTALLS = "makes an environment from a package index, as .ci/run and .github/workflows/ci.yml do"
MACHINE = "measures a machine for minutes or hours"
ELSEWHERE: dict[str, tuple[str, str]] = {
    r"(python3?|uv) -?m? ?venv .*": (".ci/run", INSTALLS),
    r"\.venv/bin/pip install .*|pip install .*|uv pip install .*": (".ci/run", INSTALLS),
    r"git clone .*|cd rae-bench|\. \.venv/bin/activate": (".ci/run", "sets a clone up"),
    r"(\.venv/bin/)?python -m pytest .*": (".ci/run", "runs the tests"),
    r"(\S+=\S+ )?python -m mkdocs (serve|build .*)": ("tests/test_site.py", "builds the same pages"),
    r"rae-bench leaderboard build .* --documentation .*": ("tests/leaderboard/site/test_site.py", "takes pages along"),
    r"python -m rae_bench\.statistics\.coverage_tables": ("tests/statistics/test_coverage.py", "its tables, smaller"),
    r"python tests/benchmarks/.*": ("tests/benchmarks", MACHINE),
    r"rae-bench data import \$DATA/.*": ("tests/data/importing/test_detect.py", "runs them on the recordings"),
    r"rae-bench data import (100STYLE|cmu-mocap|AMASS).*": ("tests/task/test_sets_of_your_own.py", "runs them"),
    r"rae-bench check task \S+ --budgets.*": ("tests/study/test_budgets.py", "runs it on a small task"),
    r"rae-bench check task biped2quad --ranking": ("tests/study/test_ranking.py", "runs it on a small task"),
    r"rae-bench check task .* --ranking --models .*": ("tests/study/test_ranking.py", "runs it on a small task"),
    r"rae-bench (sweep|compare) .*--task biped2monster-control .*": ("tests/harness", "trains on a small task"),
    r"rae-bench check task .* --evidence .*": ("tests/study/test_ranked_tasks.py", "judges by the same file"),
    r"rae-bench study thesis .*": ("tests/study", "trains the thesis' models"),
    r"rae-bench study distance .*": ("tests/study/test_distance.py", "trains on a tiny series"),
    r"rae-bench verify leaderboard/entries/NAME": ("tests/leaderboard/test_submitting_page.py", "runs verify"),
    r"rae-bench leaderboard stability": ("tests/leaderboard/board/test_stability.py", "runs it on one task"),
    r"rae-bench leaderboard diff OLD NEW": ("tests/leaderboard/board/test_board.py", "compares two boards"),
    r"ray start .*|rae-bench sweep .* --ray-address .*": ("tests/harness/test_sweep_kills.py", "uses Ray"),
    r"rae-bench tune .*|rae-bench run .* --preset .*": ("tests/harness/test_tuning.py", "searches on a small task"),
    r"rae-bench view results/\S+ results/.*": ("tests/viewer/test_where_it_opens.py", "shows two results"),
    r"rae-bench check metrics --plot .*": ("tests/test_adding.py", "runs it on a small task"),
}  # fmt: skip
"""Commands that are not run here -> where they are, and what happens there."""
WHOLE = {
    "docs/guides/submitting.md": "tests/leaderboard/test_submitting_page.py",
    **{f"docs/develop/add-a-{what}.md": "tests/test_adding.py"
       for what in ("model", "core-or-codec", "task", "rig", "metric")},
}  # fmt: skip
"""Pages whose every command another test runs in its order."""
HERE = (
    "README.md", "docs/start/install.md", "docs/start/first-run.md", "docs/start/look.md", "docs/start/compare.md",
    "docs/guides/your-model.md", "docs/guides/your-characters.md", "docs/guides/adapted-model.md",
    "docs/guides/retargeting.md", "docs/guides/sweep.md", "docs/guides/viewer.md", "docs/guides/importing.md",
    "docs/concepts/statistics.md",
    "docs/concepts/leaderboard.md", "docs/package-index.md",
)  # fmt: skip
"""Pages that are played below."""
BLOCKS = {
    "docs/guides/model.md": "tests/model/test_page.py", "docs/guides/your-model.md": "tests/test_readme.py",
    **{page: test for page, test in WHOLE.items() if "add-a-" in page},
}  # fmt: skip
"""Pages whose code blocks another test runs."""
SMALLER = {
    ".venv/bin/rae-bench": "rae-bench",
    "results/fe-44136fa3/biped2quad-quick": "results/fe-44136fa3/tiny-quick --task tiny.toml",
    "--task biped2quad": "--task tiny.toml",
    "--task loco-r1-r2 --regimes cold,finetune,retarget": "--task tiny.toml --regimes cold,finetune,retarget",
    "--task '*2quad' --seeds 5": "--task tiny.toml --seeds 1",
    "--target r1~r2@0.5": "--target r1~r2@0.5 --dry-run",
    "--data path/to/recordings": "--data $RECORDINGS --dry-run",
}
"""What is put in place of what stands in a command, so that it takes seconds."""


def call(command: str) -> None:
    """Run a command in this process, in the folder of the reader."""
    for old, new in SMALLER.items():
        command = command.replace(old, new)
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command, comments=True)[1:])
    assert not ended.value.code, command


def run_here(pages: Iterable[str], *, only: str = "", but: str = "") -> list[str]:
    """Run the commands of pages that are not run elsewhere, in their order. Return them."""
    ran = []
    for page in pages:
        for command in commands_on(page):
            for part in command.split(" && "):
                skipped = elsewhere(part) or not re.search(only, part) or (but and re.search(but, part))
                if not skipped:
                    call(part)
                    ran.append(part)
    return ran


def elsewhere(command: str) -> str:
    """The test that runs a command that is not run here."""
    return next((place for pattern, (place, _) in ELSEWHERE.items() if re.fullmatch(pattern, command)), "")


def parts_of(page: str) -> list[str]:
    return [part for command in commands_on(page) for part in command.split(" && ")]


@pytest.fixture
def reader(tmp_path: Path, tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a reader works in, with what the pages take for given."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny_task, "tiny.toml")
    (tmp_path / "my_model.py").write_text(block("docs/guides/your-model.md", "class MyModel"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def characters(reader: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six walks of a man and six of a somewhat taller one who stands for the dog, and the roles of the page."""
    monkeypatch.setenv("RAE_BENCH_HOME", str(reader / "home"))
    for name, head in (("man", 60.0), ("dog", 75.0)):
        folder = reader / "path" / "to" / name
        folder.mkdir(parents=True)
        for number in range(6):
            file = folder / ("walk.bvh" if number == 0 else f"walk{number}.bvh")
            file.write_text(header(head=head) + walk(12, 30, speed=50 + 10 * number), encoding="utf-8")
        (reader / f"{name}.toml").write_text(block("docs/guides/your-characters.md", "[roles]"), encoding="utf-8")
    (reader / "docs").mkdir()
    text = (DOCS / "objectives.toml").read_text(encoding="utf-8")
    text = text.replace("left_hand = 0.15, ", "").replace(", right_hand = 0.65", "")  # this one walks on two legs
    assert set(tomllib.loads(text)["walk"]["touch_downs"]) == {"left_foot", "right_foot"}
    Path("docs/objectives.toml").write_text(text, encoding="utf-8")
    return reader


def block(page: str, holding: str) -> str:
    """The one block of a page that holds these words."""
    (found,) = [one.text for one in blocks(text_of(page)) if one.language and holding in one.text]
    return found


def test_every_command_runs_somewhere() -> None:
    lost = {}
    for page in PAGES:
        if page not in (*HERE, *WHOLE):
            lost |= {command: page for command in parts_of(page) if not elsewhere(command)}
    assert lost == {}
    places = {*(place for place, _ in ELSEWHERE.values()), *WHOLE.values(), *BLOCKS.values()}
    assert [place for place in places if not (ROOT / place).exists()] == []
    everything = [command for page in PAGES for command in parts_of(page)]
    assert [p for p in ELSEWHERE if not any(re.fullmatch(p, command) for command in everything)] == []
    assert [old for old in SMALLER if not any(old in command for command in everything)] == []


def test_a_command_that_runs_nowhere_is_found() -> None:
    assert not elsewhere("rae-bench frobnicate")
    assert elsewhere("python3 -m venv .venv")


def test_every_block_of_code_runs_somewhere() -> None:
    """Python, TOML and scripts; `text` is what a command prints or a figure."""
    played = {*BLOCKS, *PYTHON, *TOML, "docs/guides/python.md", "docs/guides/sweep.md", "docs/develop/design.md"}
    having = {page for page in PAGES for one in blocks(text_of(page)) if one.language in ("python", "toml", "json")}
    assert having - played == set()
    languages = {one.language for page in PAGES for one in blocks(text_of(page))}
    assert languages <= {"", "sh", "bash", "python", "toml", "text", "markdown"}


def test_the_first_pages(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Install, first run, look, and README's own commands and code, one after the other in one folder."""
    start = ("install.md", "first-run.md", "look.md")
    ran = run_here([*(f"docs/start/{name}" for name in start), "docs/guides/viewer.md", "README.md"])
    assert len(ran) == 10
    assert re.search(r"^finetune +5 %", capsys.readouterr().out, re.MULTILINE)
    results = Path("results/fe-44136fa3/tiny-quick")
    for path in map(Path, ("sheet.png", "trot.gif", "quad-view.html", "arm-view.html", results / "view.html")):
        assert path.stat().st_size > 10_000, path
    found = {path.suffix for path in results.iterdir()}
    assert {".json", ".csv", ".npz", ".png", ".html"} <= found
    for page in ("README.md", "docs/package-index.md"):
        play_python(page)
    call("rae-bench compare fe-44136fa3:finetune fe-44136fa3:cold")  # as README's table has it
    assert "rae-bench compare fe-44136fa3:finetune fe-44136fa3:cold" in text_of("README.md")


def play_python(page: str, **replaced: str) -> dict[str, Any]:
    """Run the Python of a page with the small task in place of biped2quad."""
    names: dict[str, Any] = {}
    for one in blocks(text_of(page)):
        if one.language == "python":
            source = one.text.replace('"biped2quad"', '"tiny.toml"')
            for old, new in replaced.items():
                source = source.replace(old, new)
            exec(compile(source, page, "exec"), names)
    return names


PYTHON = ("README.md", "docs/package-index.md", "docs/concepts/statistics.md")


@pytest.mark.slow
def test_comparing(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page on comparing and that on statistics; then the first one again with the first run in the same folder."""
    run_here(["docs/start/compare.md"])
    assert re.search(r"tiny +frozen / cold +20 %.*(better|worse|undecided)", capsys.readouterr().out)
    run_here(["docs/concepts/statistics.md"], but="--task")
    play_python("docs/concepts/statistics.md")
    assert "gain" in capsys.readouterr().out
    (command,) = [each for each in commands_on("docs/concepts/statistics.md") if "--task" in each]
    call(command.replace("biped2quad", "tiny").replace("5%", "20%"))
    run_here(["docs/start/first-run.md", "docs/start/compare.md"])


def test_pickles_become_plain_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both commands of the page on importing, on files like those that it is about."""
    monkeypatch.chdir(tmp_path)
    poses = np.arange(12.0).reshape(2, 6)
    np.savez("IN.npz", poses=np.array(poses.tolist(), dtype=object))
    with open("IN.pkl", "wb") as file:
        pickle.dump({"smpl_poses": poses, "smpl_trans": np.ones((2, 3)), "smpl_scaling": 2.0}, file)
    commands = [command for command in commands_on("docs/guides/importing.md") if command.startswith("python -c")]
    assert len(commands) == 2
    for command in commands:
        subprocess.run([sys.executable, *shlex.split(command)[1:]], check=True)
        with np.load("OUT.npz", allow_pickle=False) as arrays:
            np.testing.assert_array_equal(arrays["poses"], poses)
    with np.load("OUT.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["trans"], np.full((2, 3), 0.5))
        assert arrays["fps"] == 60


def test_the_page_of_the_board(reader: Path) -> None:
    shutil.copytree(ROOT / "leaderboard", "leaderboard", ignore=shutil.ignore_patterns("v1", "site"))
    assert len(run_here(["docs/concepts/leaderboard.md"])) == 5
    assert Path("leaderboard/site/index.html").is_file()


def test_characters_come_in(characters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of the page on characters but what trains, and retargeting."""
    run_here(["docs/guides/your-characters.md"], but="^rae-bench run")
    run_here(["docs/guides/retargeting.md"], only="man dog|show rig|@0.5")
    said = capsys.readouterr().out
    assert "fold 4" in said
    assert Path("man.html").stat().st_size > 100_000
    assert Path("both.html").stat().st_size > 100_000


@pytest.mark.slow
def test_an_adapted_model(characters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page on characters, then the one on adapted models, as they stand there."""
    run_here(["docs/guides/your-characters.md", "docs/guides/adapted-model.md"], but="human2dog|data retarget")
    assert Path("out.bvh").stat().st_size > 10_000
    assert Path("out.html").stat().st_size > 100_000


@pytest.mark.slow
def test_published_recordings(reader: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SMALLER, "--data $RECORDINGS", f"--data {recordings}")
    assert len(run_here(["docs/guides/your-characters.md"], only="human2dog")) == 1


@pytest.mark.slow
def test_a_model_of_ones_own_and_a_sweep(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_here(["docs/guides/your-model.md", "docs/guides/sweep.md"])
    said = capsys.readouterr().out
    assert "FAIL" not in said
    assert "my-model" in said or "MyModel" in said


@pytest.mark.slow
def test_retargeting(reader: Path) -> None:
    assert len(run_here(["docs/guides/retargeting.md"], but="man dog")) == 5


@pytest.mark.slow
def test_the_page_on_python(reader: Path) -> None:
    Path("walk.bvh").write_text(header() + walk(4, 30), encoding="utf-8")
    names = play_python("docs/guides/python.md", **{', "human2dog"': ""})
    assert set(names["table"]["model"]) >= {"fe", "mann"}
    assert Path("again.bvh").stat().st_size > 1000
    assert Path("again.glb").stat().st_size > 1000


def test_the_search_space_of_the_page_on_sweeps_is_one() -> None:
    names = play_python("docs/guides/sweep.md")
    space = check_space("mine", names["search_space"], {})
    assert len(draw(space, 4)) == 4


def test_the_names_of_the_contract_are_there() -> None:
    """The contract's Python shows shapes, so it is no program; each name of it that is public is there."""
    shown = "".join(one.text for one in blocks(text_of("docs/develop/design.md")) if one.language == "python")
    compile(shown, "design.md", "exec")
    names = set(re.findall(r"\brb\.([\w.]+)", shown))
    assert len(names) > 5
    for name in names:
        thing: Any = rb
        for part in name.split("."):
            thing = getattr(thing, part)


TOML = (
    "docs/reference/formats.md", "docs/concepts/protocol.md", "docs/guides/your-characters.md",
    "docs/guides/adapted-model.md",
)  # fmt: skip


def test_files_on_pages_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each TOML block of these pages goes to the reader of such files."""
    monkeypatch.chdir(tmp_path)
    read = dict.fromkeys(("rig", "skeleton", "recipe", "files", "objectives", "task", "roles"), 0)
    task = tomllib.loads((ROOT / "tasks" / "human2dog.toml").read_text(encoding="utf-8"))
    task = {key: task[key] for key in ("source", "target")}
    for page in TOML:
        for one in blocks(text_of(page)):
            if one.language != "toml":
                continue
            text, file = one.text.replace('sha256 = "..."', 'sha256 = "' + 64 * "0" + '"'), tmp_path / "file.toml"
            table = tomllib.loads(text)
            file.write_text(text, encoding="utf-8")
            if "joints" in table and "contact_joints" in table:
                kind, _ = "rig", read_rig(file)
            elif "joints" in table:
                kind, _ = "skeleton", read_joint_tree(file)
            elif "format" in table:
                kind, _ = "recipe", Recipe.from_table(table)
            elif "files" in table.get("source", {}):
                kind, _ = "files", read_file_list(table["source"]["files"], page)
            elif "seconds" in table:
                kind, _ = "objectives", read_objectives(file)
            elif {"budget", "ranking", "control"} & table.keys():
                kind, _ = "task", task_from_table("shown", {**task, **table}, page)
            else:
                kind, _ = "roles", read_roles(file)
            read[kind] += 1
    assert min(read.values()) > 0, read
