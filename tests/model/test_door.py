"""`rae_bench.model` is the one door: it offers what plug-ins need, lazily, and ours use nothing else."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.places import ROOT, TESTS

import rae_bench.model as door

PLUGINS = [TESTS / "my_model.py", *sorted((ROOT / "baselines").rglob("*.py"))]
PAGES = ["docs/guides/your-model.md", "docs/develop/add-a-model.md", "docs/guides/model.md"]
MODELS = r"LightningModel|ModelCard|StepNetwork"


def imports_of(source: str) -> list[str]:
    """Modules and names that a source imports from `rae_bench`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] == "rae_bench"]
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "rae_bench":
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def offered(name: str) -> bool:
    return name == "rae_bench.model" or name.removeprefix("rae_bench.model.") in door.__all__


def models_on(page: str) -> list[str]:
    """The Python blocks of a page that have a model in them; excerpts are no whole sources."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for block in blocks if re.search(MODELS, block) and not re.search(r"^ *\.\.\.$", block, re.MULTILINE)]


@pytest.mark.parametrize("file", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_plug_ins_use_the_door_alone(file: Path) -> None:
    assert [name for name in imports_of(file.read_text(encoding="utf-8")) if not offered(name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_models_on_pages_use_the_door_alone(page: str) -> None:
    blocks = models_on(page)
    assert blocks
    assert [name for block in blocks for name in imports_of(block) if not offered(name)] == []


def test_an_import_past_the_door_is_found() -> None:
    assert not all(map(offered, imports_of("from rae_bench.model.features import states")))
    assert not all(map(offered, imports_of("import rae_bench.kinematics.quat")))
    assert all(map(offered, imports_of("import rae_bench.model as M\nfrom rae_bench.model import states, quat")))


def test_every_name_is_there() -> None:
    assert sorted(door.__all__) == sorted(door._MODULES) == dir(door)
    for name in door.__all__:
        assert getattr(door, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'state'"):
        door.state  # noqa: B018


def test_what_type_checkers_see_is_what_there_is() -> None:
    tree = ast.parse(Path(door.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: line.module for line in block.body if isinstance(line, ast.ImportFrom) for alias in line.names
    }
    assert seen == door._MODULES


def test_no_name_is_that_of_a_module_within() -> None:
    """Importing `rae_bench.model.x` sets the attribute x of the package, whatever the door offers as x."""
    modules = {path.stem for path in Path(door.__file__).parent.iterdir()}
    assert not modules & set(door.__all__)


def test_public_names_say_what_they_are() -> None:
    for name in door.__all__:
        thing = getattr(door, name)
        if callable(thing):
            assert len((thing.__doc__ or "").strip()) > 15, name


def test_the_door_imports_no_torch() -> None:
    code = (
        "import sys, rae_bench.model as M\n"
        "M.ModelCard, M.Context, M.Trajectory, M.TrainConfig, M.quat, M.solve_ik, M.ROLES, M.make_motion, M.UserError\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
