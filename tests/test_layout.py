"""The repository is laid out as docs/develop/design.md 9 says: imports point one way, and one package is installed."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from helpers.places import ROOT, TESTS

LAYERS = (
    ("benchmark", "errors", "files", "storage"),
    ("kinematics", "rigs"),
    ("motion",),
    ("data",),
    ("objectives",),
    ("model",),
    ("task",),
    ("metrics",),
    ("results",),
    ("statistics",),
    ("harness",),
    ("testing",),
    ("viewer", "leaderboard", "study"),
    ("cli", "notebook", "__main__"),
)
"""From the lowest up. A package imports from its own layer and from those before it."""
MOST_LINES = 350
"""A file of Python fits in one sitting."""
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def _module(path: Path) -> str:
    words = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(words if words[0] == "rae_bench" else ("rae_bench", *words)).removesuffix(".__init__")


FILES = {_module(path): path for folder in ("rae_bench", "baselines") for path in (ROOT / folder).rglob("*.py")}


def _imports(module: str) -> set[str]:
    """The modules of the project that one imports anywhere, inside functions too."""
    found = set()
    folder = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = folder.split(".")[: len(folder.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            found |= {name if name in FILES else base for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in FILES} - {module}


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_package_has_a_layer() -> None:
    assert {_package(module) for module in FILES} - {"", "baselines"} == set(RANK)


def test_imports_point_one_way() -> None:
    wrong = [
        f"{module} -> {imported}"
        for module in FILES
        for imported in _imports(module)
        if _package(module) not in ("", "baselines")
        if _package(imported) in ("", "baselines") or RANK[_package(imported)] > RANK[_package(module)]
    ]
    assert wrong == []


def _first_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    """Not even inside functions."""
    assert _first_cycle({module: _imports(module) for module in FILES if module != "rae_bench"}) == []


def test_the_check_finds_a_cycle() -> None:
    assert _first_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def _too_long(root: Path, *folders: str) -> list[str]:
    """Name the files of Python below these folders that have too many lines. A folder may be absent."""
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    counts = {path.relative_to(root).as_posix(): len(path.read_text("utf-8").splitlines()) for path in paths}
    return [f"{name} has {count} lines, more than {MOST_LINES}" for name, count in counts.items() if count > MOST_LINES]


def test_no_file_is_too_long() -> None:
    """A longer one holds two concepts: give each a file of its own, with a name that says what lies there."""
    assert _too_long(ROOT, "rae_bench", "baselines", "scripts") == []


def test_the_check_finds_a_long_file(tmp_path: Path) -> None:
    for name, count in (("fits", MOST_LINES), ("long", MOST_LINES + 1)):
        (tmp_path / "package" / name).mkdir(parents=True)
        (tmp_path / "package" / name / "a.py").write_text("x = 1\n" * count)
    assert _too_long(tmp_path, "package", "absent") == ["package/long/a.py has 351 lines, more than 350"]


def test_the_wheel_has_every_package() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    data = {"rae_bench.tasks", "rae_bench.leaderboard.site.assets", "rae_bench.leaderboard.site.templates"}
    there = {_module(path.parent / "__init__.py") for path in FILES.values()} | data
    assert listed == sorted(there)


def test_the_contract_lists_the_same_layers() -> None:
    text = (ROOT / "docs" / "develop" / "design.md").read_text(encoding="utf-8")
    block = text.split("A\ntest holds it.\n\n```text\n")[1].split("```")[0]
    listed = [tuple(layer.replace(",", " ").split()) for layer in block.split("->")]
    assert listed == [tuple(name for name in layer if name != "__main__") for layer in LAYERS]


def test_tests_mirror_the_packages() -> None:
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    own = {"helpers", "golden", "benchmarks", "baselines"}
    packages = {path.parent.name for path in (ROOT / "rae_bench").glob("*/__init__.py")}
    assert folders - own == packages
