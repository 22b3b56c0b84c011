"""Finding models."""

import subprocess
import sys
from pathlib import Path

import pytest

from rae_bench.errors import UserError
from rae_bench.model.registry import (
    CONTROLS,
    config_hash,
    list_models,
    make_model,
    model_name,
    resolve_model,
)

MODEL = """
class Mine:
    card = None
    def __init__(self, size=1): self.size = size
    def pretrain(self, source, ctx): ...
    def adapt(self, target, ctx): ...
    def generate(self, prompt, ctx): ...
    def save(self, folder): ...
    def load(self, folder): ...

class Half:
    card = None

value = 3
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MODEL)
    return path


def test_entries_are_listed_by_name() -> None:
    names = list(list_models())
    assert names == sorted(names)
    assert {"fe", *CONTROLS} <= set(names)


def test_listing_imports_no_model() -> None:
    code = (
        "import sys, rae_bench.model.registry as r; r.list_models(); r.resolve_model('fe'); "
        "print([m for m in ('torch', 'pandas', 'rae_bench.baselines.network') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_three_ways_to_a_model(plugin: Path) -> None:
    assert resolve_model("hold").load().__name__ == "Hold"
    assert resolve_model("rae_bench.baselines.controls:Hold").load() is resolve_model("hold").load()
    mine = resolve_model(f"{plugin}:Mine").load()
    assert mine.__name__ == "Mine"
    assert resolve_model(f"{plugin}:Mine").load() is mine
    assert make_model(f"{plugin}:Mine", {"size": 4}).size == 4


def test_short_names(plugin: Path) -> None:
    assert model_name("fe") == "fe"
    assert model_name("package.module:Class") == "Class"
    assert model_name(f"{plugin}:Mine") == "Mine"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("holt", "unknown model 'holt'; did you mean hold"),
        ("no_such_package.module:Class", "no module no_such_package"),
        ("rae_bench.baselines.controls:Hodl", "unknown class in rae_bench.+controls 'Hodl'; did you mean Hold"),
        ("nowhere/mine.py:Mine", "no such file nowhere/mine.py"),
        ("PLUGIN:Mein", "unknown class in .*mine.py 'Mein'; did you mean Mine"),
        ("PLUGIN:Half", "has no pretrain, adapt, generate, save, load"),
        ("PLUGIN:value", "has no card, pretrain"),
    ],
)
def test_what_is_not_there(plugin: Path, spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve_model(spec.replace("PLUGIN", str(plugin))).load()


@pytest.mark.parametrize("text", ["class Mine(", "import no_such_package", "1 / 0"])
def test_files_that_do_not_import(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    for _ in range(2):  # the second time nothing is left of the first
        with pytest.raises(UserError, match=r"broken\.py cannot be imported: "):
            resolve_model(f"{path}:Mine").load()


def test_options_that_a_model_does_not_take(plugin: Path) -> None:
    with pytest.raises(UserError, match=r"unexpected keyword argument 'sise'.*--set"):
        make_model(f"{plugin}:Mine", {"sise": 4})
    with pytest.raises(UserError, match="unknown option of model 'fe' 'windws'; did you mean windows"):
        make_model("fe", {"windws": 4})


def test_config_hash_does_not_depend_on_order() -> None:
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
    assert len(config_hash({})) == 8


def test_the_identity_of_a_plugin_follows_its_code(plugin: Path) -> None:
    before = resolve_model(f"{plugin}:Mine").identity
    assert before == resolve_model(f"{plugin}:Half").identity  # of the file
    plugin.write_text(MODEL + "# another line\n")
    assert resolve_model(f"{plugin}:Mine").identity == before
    plugin.write_text(MODEL + "value = 4\n")
    assert resolve_model(f"{plugin}:Mine").identity != before


def test_the_identity_of_entries_is_the_versions_of_their_parts() -> None:
    assert resolve_model("fe").identity == resolve_model("fe+omg-moe").identity
    assert {"fe", "omg-moe"} < set(resolve_model("fe").identity)
    assert list(resolve_model("hold").identity) == ["hold"]
    assert resolve_model("rae_bench.baselines.controls:Hold").identity == {"Hold": 1}


@pytest.mark.parametrize("spec", ["holt", "no_such_package.module:Class", "nowhere/mine.py:Mine"])
def test_no_such_model(spec: str) -> None:
    with pytest.raises(UserError):
        resolve_model(spec)
