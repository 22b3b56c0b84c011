"""Plug-ins of several files: what identifies them, how they are loaded, where their results lie, how they travel."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers.running import plan_cells, run_cells

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.harness.plan import PlannedCell
from rae_bench.harness.spec import RunSpec
from rae_bench.harness.sweep import make_specs
from rae_bench.leaderboard.submission import gather_cells
from rae_bench.model.plugins import plugin as plugins
from rae_bench.model.plugins.plugin import (
    PackedPlugin,
    pin_plugin,
    plugin_files,
    plugin_identity,
    portable_spec,
    resolved_spec,
    ship_plugin,
    take_plugin,
)
from rae_bench.model.plugins.syntax import parse
from rae_bench.model.registry import make_model, resolve_model
from rae_bench.task.named import load_task


def code_of(spec: str) -> object:
    """What identifies the code of a model."""
    return resolve_model(spec).identity


BODY = '''
    card = None
    def pretrain(self, source, ctx): ...
    def adapt(self, target, ctx): ...
    def generate(self, prompt, ctx): ...
    def save(self, folder): ...
    def load(self, folder): ...
'''
MODEL = f"""
from net import SIZE

class Mine:{BODY}
    size = SIZE
"""
LAZY = f"""
class Mine:{BODY}
    def adapt(self, target, ctx):
        from net import SIZE
        import lib.parts as parts
        return SIZE + parts.SIZE
"""
PACKAGE = {
    "pack/__init__.py": "from .model import Mine",
    "pack/model.py": f"from . import net\nfrom .deep.er import TWO\nfrom pack.deep import ONE\n\nclass Mine:{BODY}"
    "    size = (net.SIZE, ONE, TWO)\n",
    "pack/net.py": "SIZE = 1",
    "pack/deep/__init__.py": "ONE = 1",
    "pack/deep/er.py": "from .. import net\nTWO = net.SIZE + 1",
    "pack/unused.py": "1 / 0",
}
RUNS = '''
import json

from rae_bench.model import ModelCard, Trajectory

class Mine:
    card = ModelCard(name="mine", authors="Me")
    def pretrain(self, source, ctx):
        pass
    def adapt(self, target, ctx):
        from shift import far
        self.shift = far()
    def generate(self, prompt, ctx):
        import numpy as np
        frames, history = int(prompt.frames.max()), prompt.history
        roots = np.repeat(history.root_positions[None, :, -1:], frames, 2) + np.float32(self.shift)
        return Trajectory(roots, np.repeat(history.rotations[None, :, -1:], frames, 2))
    def save(self, folder):
        folder.mkdir(parents=True)
    def load(self, folder):
        pass
'''


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test keeps to ends with it."""
    monkeypatch.setattr(plugins, "_KEPT", {})


def lay(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def names(spec: str, folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in plugin_files(spec)}


# What counts.


def test_an_edit_of_a_second_or_third_file_counts(tmp_path: Path) -> None:
    lay(tmp_path, {"model.py": MODEL, "net.py": "import third\nSIZE = 1", "third.py": "X = 1", "other.py": "X = 1"})
    spec = f"{tmp_path}/model.py:Mine"
    assert names(spec, tmp_path) == {"model.py", "net.py", "third.py"}
    seen = {code_of(spec)}
    for name, text in (("net.py", "import third\nSIZE = 2"), ("third.py", "X = 2"), ("model.py", MODEL + "Y = 1")):
        lay(tmp_path, {name: text})
        seen.add(code_of(spec))
    assert len(seen) == 4
    lay(tmp_path, {"other.py": "X = 2"})
    assert code_of(spec) in seen


@pytest.mark.parametrize("name", ["model.py", "net.py"])
def test_comments_docstrings_and_formatting_do_not_count(tmp_path: Path, name: str) -> None:
    spec = f"{lay(tmp_path, {'model.py': MODEL, 'net.py': 'SIZE = 1'})}/model.py:Mine"
    before = plugin_identity(spec)
    text = (tmp_path / name).read_text(encoding="utf-8")
    text = '"""Of a module."""\n# a line\n' + text.replace("SIZE = 1", "SIZE  =  ( 1 )\n'''Of a constant.'''")
    text = text.replace("class Mine:", 'class Mine:\n    """Of a class."""')
    text = text.replace("ctx): ...", 'ctx):\n        "f"\n        ...')
    lay(tmp_path, {name: text})
    assert plugin_identity(spec) == before
    lay(tmp_path, {name: text.replace("SIZE  =  ( 1 )", "SIZE = 2").replace("card = None", "card = 0")})
    assert plugin_identity(spec) != before


def test_imports_in_functions_count(tmp_path: Path) -> None:
    lay(tmp_path, {"model.py": LAZY, "net.py": "SIZE = 1", "lib/parts.py": "SIZE = 2"})
    spec = f"{tmp_path}/model.py:Mine"
    assert names(spec, tmp_path) == {"model.py", "net.py", "lib/parts.py"}
    before = code_of(spec)
    lay(tmp_path, {"lib/parts.py": "SIZE = 3"})
    assert code_of(spec) != before


def test_nothing_is_run_to_find_what_counts(tmp_path: Path) -> None:
    lay(tmp_path, {"model.py": "import pack.net\n1 / 0", "pack/__init__.py": "1 / 0", "pack/net.py": "1 / 0"})
    assert names(f"{tmp_path}/model.py:Mine", tmp_path) == {"model.py", "pack/__init__.py", "pack/net.py"}


def test_what_is_installed_and_what_is_ours_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = lay(tmp_path / "lib" / "site-packages", {"strange/__init__.py": "from . import part", "strange/part.py": ""})
    mine = lay(tmp_path / "mine", {"helping.py": "X = 1"})
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(mine))
    text = "import json, statistics, numpy, torch.nn, strange.part, helping\nimport rae_bench.model\n" + MODEL
    lay(tmp_path / "here", {"model.py": text, "net.py": "SIZE = 1"})
    lay(tmp_path / "here", {"rae_bench/__init__.py": "", "rae_bench/model.py": ""})
    spec = f"{tmp_path}/here/model.py:Mine"
    # What lies elsewhere on sys.path counts.
    assert names(spec, tmp_path) == {"here/model.py", "here/net.py", "mine/helping.py"}
    before = code_of(spec)
    lay(site, {"strange/part.py": "X = 2"})
    assert code_of(spec) == before
    lay(mine, {"helping.py": "X = 2"})
    assert code_of(spec) != before


def test_one_name_for_two_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module on sys.path takes its own neighbour, not the plug-in's; an edit of either must count."""
    path = lay(tmp_path / "path", {"helping.py": "import net", "net.py": "X = 1"})
    lay(tmp_path, {"model.py": "import helping\n" + MODEL, "net.py": "SIZE = 1"})
    monkeypatch.syspath_prepend(str(path))
    with pytest.raises(UserError, match=r"helping\.py imports 'net', and the plug-in's own folder has another"):
        plugin_identity(f"{tmp_path}/model.py:Mine")
    (path / "net.py").unlink()
    assert names(f"{tmp_path}/model.py:Mine", tmp_path) == {"model.py", "net.py", "path/helping.py"}


def test_an_installed_plugin_counts_its_own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = lay(tmp_path / "site-packages", {"other.py": "", **PACKAGE})
    lay(site, {"pack/net.py": "import other\nSIZE = 1"})
    monkeypatch.syspath_prepend(str(site))
    spec = "pack.model:Mine"
    assert names(spec, site) == set(PACKAGE) - {"pack/unused.py"}
    assert resolve_model(spec).load().size == (1, 1, 2)  # type: ignore[attr-defined]
    before = code_of(spec)
    lay(site, {"pack/deep/er.py": "TWO = 3"})
    assert code_of(spec) != before


def test_the_module_that_has_the_class_counts(tmp_path: Path) -> None:
    """Two models of one package import the same files, and are two."""
    lay(tmp_path, {"pack/__init__.py": "from . import a, b", "pack/a.py": "X = 1", "pack/b.py": "X = 2"})
    one, two = (f"{tmp_path}/pack/{name}.py:Mine" for name in "ab")
    assert plugin_files(one) == plugin_files(two)
    assert plugin_identity(one) != plugin_identity(two)


def test_the_identity_does_not_depend_on_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"model.py": MODEL, "net.py": "SIZE = 1"}
    here, there = lay(tmp_path / "a" / "here", files), lay(tmp_path / "b", files)
    (tmp_path / "link").symlink_to(here)
    monkeypatch.chdir(here)
    folders = (".", "../here", here, tmp_path / "link", there)
    places = ["model.py", *(f"{folder}/model.py" for folder in folders)]
    assert len({plugin_identity(f"{place}:Mine") for place in places}) == 1


GOLDEN = r'''
import a.b as c
from ..d import e as f, g
async def h(x: int, /, y=1, *z, k: "t" = None, **o) -> None:
    """Doc."""
    async with x as w: await y
    for i in range(0xff): yield f"a{x!r:>{y}}b{{}} {x=}" "c" u"d" + '☃\U0001fae8' + b"\xff".decode()
    return [*x[1:2, ..., ::-1], {**o, 1.5: 2j}, (True is not None), -1e999, 0o17, not a, lambda: 0]
match x:
    case {"a": [1, *r], **k} if k: pass
    case None | A(b=1) as q: x: int = 3
try: pass
except* E as e: del x.y, z[0]
''' + "new = '\U0001fae8'"  # of Unicode 15, which Python 3.11 does not know


def test_the_hash_of_a_tree_is_the_same_in_every_python() -> None:
    """CI runs this in 3.11, 3.12 and 3.13."""
    assert parse(GOLDEN.encode()).digest == "15792937d60282a15c224f4adcc5216df1cf7fc654e46e40a909a70b9861d7e9"
    assert parse(GOLDEN.encode()).imports == ((0, "a.b", ()), (2, "d", ("e", "g")))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("x = 1", "x = 1.0"), ("x = 1", "x = True"), ("x = '1'", "x = 1"), ("x = None", "x = 'None'"),
        ("x = ''", "x = b''"), ("x = a", "x = 'a'"), ("f'{x!r}'", "f'{x!s}'"), ("return", "return None"),
        ("f(a, b)", "f(a)(b)"), ("f((a, b))", "f(a, b)"), ("[[a], b]", "[[a, b]]"),
        ("def f():\n  def g(): 1\n  2", "def f():\n  def g():\n    1\n    2"),
        ("if a:\n  if b: 1\n  else: 2", "if a:\n  if b: 1\nelse: 2"), ("class A[T]: pass", "class A: pass"),
    ],
)  # fmt: skip
def test_other_code_has_another_hash(one: str, two: str) -> None:
    if "[T]" in one and sys.version_info < (3, 12):
        pytest.skip("no such syntax before 3.12")
    assert parse(one.encode()).digest != parse(two.encode()).digest


def test_deep_trees_and_long_numbers_are_hashed() -> None:
    parse(("x = " + " + ".join(["1"] * 900) + f"\ny = 0x{'f' * 5000}").encode())


# Loading.


def test_a_file_sees_its_siblings(tmp_path: Path) -> None:
    lay(tmp_path, {"model.py": MODEL, "net.py": "import lib.parts\nSIZE = lib.parts.SIZE", "lib/parts.py": "SIZE = 5"})
    assert resolve_model(f"{tmp_path}/model.py:Mine").load().size == 5  # type: ignore[attr-defined]
    lay(tmp_path, {"other.py": MODEL.replace("net", ".net")})
    assert resolve_model(f"{tmp_path}/other.py:Mine").load().size == 5  # type: ignore[attr-defined]
    assert not {"model", "net", "lib", "lib.parts"} & set(sys.modules)
    assert str(tmp_path) not in sys.path
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize("place", ["pack", "./pack/", "pack/model.py", "pack/__init__.py"])
def test_a_package_folder(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lay(tmp_path, PACKAGE))
    place = "./pack" if place == "pack" else place
    assert resolve_model(f"{place}:Mine").load().size == (1, 1, 2)  # type: ignore[attr-defined]
    assert resolve_model(f"{tmp_path}/{place}:Mine").load() is resolve_model(f"{place}:Mine").load()
    assert names(f"{place}:Mine", tmp_path) == set(PACKAGE) - {"pack/unused.py"}


def test_a_stray_init_hides_no_sibling(tmp_path: Path) -> None:
    """Research code often has an `__init__.py` and plain imports side by side."""
    lay(tmp_path, {"code/model.py": MODEL, "code/net.py": "SIZE = 6", "code/__init__.py": "", "code/json.py": "1 / 0"})
    lay(tmp_path, {"code/model.py": "import json\n" + MODEL})
    spec = f"{tmp_path}/code/model.py:Mine"
    assert resolve_model(spec).load().size == 6  # type: ignore[attr-defined]
    assert names(spec, tmp_path) == {"code/model.py", "code/net.py", "code/__init__.py"}


def test_two_plugins_with_siblings_of_one_name(tmp_path: Path) -> None:
    """Neither sees the other's, whether it is imported at once or in a method."""
    for n in (1, 2):
        lay(tmp_path / str(n), {"model.py": MODEL, "lazy.py": LAZY})
        lay(tmp_path / str(n), {"net.py": f"SIZE = {n}", "lib/parts.py": f"SIZE = {n}0"})
    at_once = [resolve_model(f"{tmp_path}/{n}/model.py:Mine").load() for n in (1, 2)]
    assert [cls.size for cls in at_once] == [1, 2]  # type: ignore[attr-defined]
    lazy = [make_model(f"{tmp_path}/{n}/lazy.py:Mine", {}) for n in (1, 2)]
    assert [model.adapt(None, None) for model in lazy] == [11, 22]
    assert [model.adapt(None, None) for model in reversed(lazy)] == [22, 11]


def test_siblings_named_like_other_modules_are_seen_by_the_plugin_alone(tmp_path: Path) -> None:
    lay(tmp_path, {"model.py": MODEL.replace("net", "statistics")})
    lay(tmp_path, {"statistics.py": "import queue\nSIZE = queue.X", "queue.py": "X = 7"})
    assert resolve_model(f"{tmp_path}/model.py:Mine").load().size == 7  # type: ignore[attr-defined]
    assert hasattr(importlib.import_module("statistics"), "mean")
    assert hasattr(importlib.import_module("queue"), "Queue")


def test_an_edited_plugin_is_loaded_anew_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    spec = f"{lay(tmp_path, {'model.py': MODEL, 'net.py': 'SIZE = 1'})}/model.py:Mine"
    first = resolve_model(spec).load()
    lay(tmp_path, {"net.py": "SIZE = 1  # one"})
    assert resolve_model(spec).load() is first
    lay(tmp_path, {"net.py": "SIZE = 2"})
    assert resolve_model(spec).load().size == 2  # type: ignore[attr-defined]
    assert first.size == 1  # type: ignore[attr-defined]


def test_what_was_hashed_is_what_runs(tmp_path: Path) -> None:
    """A process that keeps to a plug-in sees no edit, not even of a file that is imported later."""
    lay(tmp_path, {"model.py": LAZY, "net.py": "SIZE = 1", "lib/parts.py": "SIZE = 10"})
    spec = f"{tmp_path}/model.py:Mine"
    wanted = plugin_identity(spec)
    pin_plugin(spec, wanted)
    lay(tmp_path, {"net.py": "SIZE = 2", "model.py": "1 / 0"})
    assert make_model(spec, {}).adapt(None, None) == 11
    pin_plugin(spec, wanted)
    plugins._KEPT.clear()  # as in a process that begins now
    with pytest.raises(UserError, match="is not what it was when this run began"):
        pin_plugin(spec, wanted)


def test_a_file_that_does_not_count_is_not_run(tmp_path: Path) -> None:
    lay(tmp_path, PACKAGE)
    lay(tmp_path, {"pack/net.py": "import importlib\nSIZE = importlib.import_module('.unused', __package__)"})
    with pytest.raises(UserError, match=r"unused\.py is imported by a name that no import statement has"):
        resolve_model(f"{tmp_path}/pack:Mine").load()


def test_names_that_are_no_identifiers(tmp_path: Path) -> None:
    lay(tmp_path / "my-1.0", {"model.v2.py": MODEL, "net.py": "SIZE = 1", "model.py": "1 / 0"})
    assert resolve_model(f"{tmp_path}/my-1.0/model.v2.py:Mine").load().size == 1  # type: ignore[attr-defined]
    text = MODEL.replace("from net import SIZE", "SIZE = 2")
    lay(tmp_path / "pack-1.0", {"__init__.py": "from .net import *", "net.py": text})
    assert resolve_model(f"{tmp_path}/pack-1.0:Mine").load().size == 2  # type: ignore[attr-defined]


def test_torch_finds_its_way(tmp_path: Path) -> None:
    """The tracer of `torch.compile` looks builtins up, which are not the usual dictionary here."""
    torch = pytest.importorskip("torch")
    text = "def double(x):\n    return x + x * float(min(len([x]), 3))\n"
    lay(tmp_path, {"model.py": MODEL, "net.py": text + "SIZE = (double,)"})
    (double,) = resolve_model(f"{tmp_path}/model.py:Mine").load().size  # type: ignore[attr-defined]
    x = torch.ones(3)
    assert torch.equal(torch.compile(double, backend="eager", fullgraph=True)(x), 2 * x)
    assert inspect.getsource(double) == text


@pytest.mark.parametrize(
    ("files", "place", "reason"),
    [
        ({}, "model.py", "no such file .*model.py$"),
        ({"model.txt": ""}, "model.txt", "no such file .*model.txt$"),
        ({"pack/model.py": MODEL}, "pack", "is a folder without __init__.py; name the file"),
        ({"model.py": MODEL}, "model.py", "model.py cannot be imported: No module named 'net'$"),
        ({"model.py": MODEL, "net.py": "SIZE = "}, "model.py", r"net.py cannot be imported: invalid syntax \(line 1\)"),
        ({"model.py": MODEL, "net.py": "SIZE = '\0'"}, "model.py", r"net.py cannot be imported: .*null bytes"),
        ({"model.py": MODEL, "net.py": "SIZES = 1"}, "model.py", r"cannot import name 'SIZE' from 'net' \("),
        ({"model.py": MODEL, "net.py": "1 / 0"}, "model.py", "be imported: ZeroDivisionError: division by zero$"),
        ({"model.py": "raise SystemExit(3)"}, "model.py", "cannot be imported: SystemExit: 3$"),
        ({"pack/__init__.py": "from .no import X"}, "pack", "cannot be imported: No module named 'pack.no'$"),
    ],
)  # fmt: skip
def test_faults_are_one_line(
    files: dict[str, str], place: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path, files)
    for _ in range(2):  # the second time nothing is left of the first
        with pytest.raises(UserError, match=reason):
            resolve_model(f"{tmp_path}/{place}:Mine").load()
    with pytest.raises(SystemExit) as ended:
        main(["run", "--model", f"{tmp_path}/{place}:Mine", "--task", "biped2quad", "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    first, *fault = capsys.readouterr().err.splitlines()
    assert first == "Mine on biped2quad: loading"
    assert len(fault) == 1


# Names of results.


def test_one_place_of_results_however_the_path_is_written(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lay(tmp_path / "exp", {"model.py": MODEL, **PACKAGE}))
    task = load_task(tiny_task)

    def folder(spec: str) -> Path:
        return RunSpec(resolve_model(spec), task, {}, ("cold",), (1.0,), (0,), tmp_path).folder()

    ways = [f"{place}:Mine" for place in ("model.py", "./model.py", "../exp/model.py", tmp_path / "exp" / "model.py")]
    assert {portable_spec(spec) for spec in ways} == {"exp/model.py:Mine"}
    assert len({folder(spec) for spec in ways}) == len({resolved_spec(spec) for spec in ways}) == 1
    assert folder("./pack:Mine") == folder("pack/__init__.py:Mine") != folder("pack/model.py:Mine")
    assert folder("model.py:Mine") != folder("model.py:Other")
    for name in ("fe", "package.module:Class"):
        assert portable_spec(name) == resolved_spec(name) == name
    # It stays after a move and on another machine; a copy under another name is another plug-in.
    lay(tmp_path / "far" / "exp", {"model.py": MODEL})
    lay(tmp_path / "exp2", {"model.py": MODEL})
    assert folder(f"{tmp_path}/far/exp/model.py:Mine") == folder("model.py:Mine") != folder("../exp2/model.py:Mine")


def test_two_plugins_for_one_place_are_refused(tiny_task: Path, tmp_path: Path) -> None:
    carded = "from rae_bench.model import ModelCard\n" + MODEL.replace("card = None", 'card = ModelCard("mine")')
    files = {"model.py": carded, "net.py": "SIZE = 1"}
    one, two = (f"{lay(tmp_path / name / 'exp', files)}/model.py:Mine" for name in "ab")
    asked: dict[str, Any] = {"regimes": ["cold"], "out": tmp_path}
    with pytest.raises(UserError, match=r"two plug-ins are named 'exp/model\.py:Mine'"):
        make_specs([one, two], [str(tiny_task)], **asked)
    assert len(make_specs([one, one.replace("/exp/", "/exp/../exp/")], [str(tiny_task)], **asked)) == 2


def test_results_follow_the_code(tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of a plug-in of two files: what is done, what an edit makes stale, and an entry made of it."""
    monkeypatch.chdir(lay(tmp_path / "exp", {"model.py": RUNS, "shift.py": "def far():\n    return 0.25\n"}))
    asked: dict[str, Any] = {"out": tmp_path / "out", "fractions": [0.05], "controls": False, "budget": "full"}
    run_cells("model.py:Mine", str(tiny_task), regimes=["cold"], workers=1, **asked)
    whole = f"{tmp_path}/exp/model.py:Mine"
    outcome = run_cells(whole, str(tiny_task), regimes=["cold", "frozen"], workers=1, **asked)
    assert [r["status"] for r in outcome.results] == ["ok", "ok"]

    def planned(spec: str) -> tuple[PlannedCell, ...]:
        return plan_cells(spec, str(tiny_task), regimes=["cold", "frozen"], **asked).cells

    assert {p.state for spec in ("./model.py:Mine", whole) for p in planned(spec)} == {"done"}
    made = gather_cells(tmp_path / "out")
    assert (made.spec, len(made.cells)) == ("exp/model.py:Mine", 2)
    for name in ("./model.py:Mine", "Mine"):
        assert len(gather_cells(tmp_path / "out", name).cells) == 2

    lay(tmp_path / "exp", {"shift.py": 'def far():\n    """How far."""\n    return 0.25  # metres\n'})
    assert {p.state for p in planned(whole)} == {"done"}
    lay(tmp_path / "exp", {"shift.py": "def far():\n    return 0.5\n"})
    assert {(p.state, p.why) for p in planned(whole)} == {("stale", "changed: model")}
    outcome = run_cells(whole, str(tiny_task), regimes=["cold"], workers=1, **asked)
    (result,) = outcome.results
    assert result["identity"]["model"] == plugin_identity(whole)
    before = made.cells[next(path for path in made.cells if path.name.startswith("cold"))]
    assert result["metrics"]["one_step_error"] != before["metrics"]["one_step_error"]


def test_show_model_lists_what_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, {"model.py": RUNS, "shift.py": "def far(): return 0"})
    spec = f"{tmp_path}/model.py:Mine"
    with pytest.raises(SystemExit):
        main(["show", "model", spec])
    words = capsys.readouterr().out.split()
    assert words[words.index("identity") + 1] == plugin_identity(spec)
    assert [word for word in words if word.endswith(".py")] == [f"{tmp_path}/model.py", f"{tmp_path}/shift.py"]


# Travelling.


def moved(spec: str, folder: Path, change: Callable[[], object]) -> Any:
    """A plug-in's class on a machine where its folder has been changed after it was sent off."""
    packed = ship_plugin(spec)
    assert packed is not None
    change()
    take_plugin(spec, packed)
    assert code_of(spec) == packed.identity
    return resolve_model(spec).load()


@pytest.mark.parametrize("place", ["model.py", "pack", "pack/model.py", "code/model.py"])
def test_all_files_that_count_travel(
    place: str, tmp_path: Path, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = lay(tmp_path / "other", {"helping.py": "SIZE = 8"})
    monkeypatch.syspath_prepend(str(other))
    folder = lay(tmp_path / "here", {"model.py": MODEL, "net.py": "from helping import SIZE", **PACKAGE})
    lay(folder, {"code/__init__.py": "", "code/model.py": MODEL, "code/net.py": "SIZE = 8"})

    def go() -> None:
        for path in (folder, other):
            path.rename(path.with_name("gone"))
            path.with_name("gone").rename(tmp_path / f"gone-{path.name}")
        sys.modules.pop("helping", None)

    cls = moved(f"{folder}/{place}:Mine", folder, go)
    assert cls.size == ((1, 1, 2) if "pack" in place else 8)
    assert Path(sys.modules[cls.__module__].__file__ or "").is_relative_to(home_folder)


def test_a_machine_that_has_the_files_needs_no_copy(tmp_path: Path) -> None:
    spec = f"{lay(tmp_path, {'model.py': MODEL, 'net.py': 'SIZE = 1'})}/model.py:Mine"
    cls = moved(spec, tmp_path, lambda: lay(tmp_path, {"net.py": "SIZE = 1  # one"}))
    assert sys.modules[cls.__module__].__file__ == f"{tmp_path}/model.py"


def test_a_machine_that_has_others_takes_the_copy_even_a_damaged_one(tmp_path: Path, home_folder: Path) -> None:
    spec = f"{lay(tmp_path, {'model.py': MODEL, 'net.py': 'SIZE = 41'})}/model.py:Mine"
    packed = ship_plugin(spec)
    lay(tmp_path, {"net.py": "SIZE = 42"})
    for _ in range(2):
        take_plugin(spec, packed)
        assert resolve_model(spec).load().size == 41  # type: ignore[attr-defined]
        plugins._KEPT.clear()
        for copy in (home_folder / "plugins").glob("*/net.py"):
            copy.unlink()
    assert ship_plugin("hold") is ship_plugin("package.module:Class") is None


@pytest.mark.parametrize(
    "name", ["../net.py", "a/../../net.py", "/tmp/net.py", "a\\..\\net.py", "C:net.py", "net.sh", ""]
)
def test_packed_plugins_stay_within_their_folder(name: str, tmp_path: Path, home_folder: Path) -> None:
    packed = PackedPlugin("0" * 64, "model.py", {"model.py": b"", name: b"1 / 0"})
    before = sorted(home_folder.rglob("*"))
    with pytest.raises(UserError, match=r"a \.py file within its folder is needed"):
        take_plugin("/nowhere/model.py:Mine", packed)
    assert sorted(home_folder.rglob("*")) == before


def test_a_packed_plugin_must_be_what_it_says(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not what it was"):
        take_plugin("/nowhere/model.py:Mine", PackedPlugin("0" * 64, "model.py", {"model.py": b"x = 3"}))
    with pytest.raises(UserError, match=r"lacks its file 'a\.py'"):
        take_plugin("/nowhere/model.py:Mine", PackedPlugin("0" * 64, "a.py", {"model.py": b"x = 3"}))


def test_plugins_need_no_torch(tmp_path: Path) -> None:
    """Identities are asked for by commands that answer at once."""
    lay(tmp_path, {"model.py": "import torch, pandas\n" + MODEL, "net.py": ""})
    code = (
        "import sys; from rae_bench.model.registry import resolve_model; "
        f"resolve_model({f'{tmp_path}/model.py:Mine'!r}); "
        "print([m for m in ('torch', 'pandas', 'net') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
