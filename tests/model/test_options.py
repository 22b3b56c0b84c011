"""Options with every default filled in: of each registered entry what an instance uses, whoever spells what out."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rae_bench.baselines.catalogue import find, names
from rae_bench.errors import UserError
from rae_bench.model.registry import CONTROLS, list_models, make_model, resolve_model
from rae_bench.model.training import sizes_for

PAIRS = [*names(), "fc-dec-in+rtn", "fe+mann"]
GIVEN: list[dict[str, Any]] = [
    {},
    {"preset": "paper"},
    {"mode": "paper"},
    {"mode": "paper", "output": "change", "length": 4},
    {"output": "momentum", "rate": 1e-3, "windows": 8},
]


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_uses_what_is_resolved(name: str, given: dict[str, Any]) -> None:
    found, instance = resolve_model(name).resolved(given), make_model(name, given)
    assert json.loads(json.dumps(found)) == found
    assert {key: found[key] for key in asdict(instance.config)} == asdict(instance.config)
    assert found == instance.chosen.values()
    pair = find(name)
    assert pair is not None
    preset = given.get("preset", "small")
    assert found["widths"] == {
        "codec": {**pair.codec.presets[preset], **pair.variants},
        "core": pair.core.presets[preset],
    }
    assert set(found) == {*asdict(instance.config), "preset", "mode", "output", "widths"}


def test_the_network_is_made_of_the_resolved_widths() -> None:
    for given in ({}, {"preset": "paper"}):
        found = resolve_model("fe").resolved(given)["widths"]
        network = make_model("fe", given).network(sizes_for(31))
        assert network.codec.encode[0].out_features == found["codec"]["hidden"]
        assert network.codec.embedding == found["codec"]["embedding"]
        assert network.core.gate[-1].out_features == found["core"]["experts"]


def test_every_registered_entry_resolves() -> None:
    for name in list_models():
        found = resolve_model(name).resolved({})
        config = getattr(make_model(name, {}), "config", None)
        own = {"match": {"feet": True}, "patches": {"feet": True, "segments": 64}}.get(name, {})
        assert {key: found[key] for key in asdict(config)} == asdict(config) if config else found == own
        assert (name in (*CONTROLS, "feedforward", "match", "patches")) == (config is None)


def test_anyrig() -> None:
    found = resolve_model("anyrig").resolved({"preset": "paper", "hide": 0})
    assert (found["preset"], found["variants"], found["hide"], found["length"]) == ("paper", 4, 0.0, 3)
    assert found["widths"] == {"width": 128, "heads": 8, "layers": 4}
    network = make_model("anyrig", {"preset": "paper"}).network(sizes_for(20))
    assert (len(network.core.blocks), network.core.blocks[0].heads) == (4, 8)


@pytest.mark.parametrize("name", ["fe", "anyrig", "fc-vae-cat+omg-moe"])
def test_a_default_that_is_spelled_out_changes_nothing(name: str) -> None:
    plain = json.dumps(resolve_model(name).resolved({}), sort_keys=True)
    for given in ({"rate": 0.003}, {"clip": 1}, {"preset": "small"}, {"windows": 0, "coin": "fair"}):
        assert json.dumps(resolve_model(name).resolved(given), sort_keys=True) == plain
    assert json.dumps(resolve_model(name).resolved({"rate": 0.004}), sort_keys=True) != plain


def test_names_of_one_pair_resolve_alike() -> None:
    assert resolve_model("fc").resolved({}) == resolve_model("fc-vae-cat+omg-moe").resolved({})
    assert resolve_model("fc").resolved({}) != resolve_model("fc-vae-in").resolved({})


def test_resolving_a_pair_imports_no_torch() -> None:
    code = (
        "import sys; from rae_bench.model.registry import resolve_model as r\n"
        "r('fe').resolved({'rate': 0.01}); r('fc-rbf-in+rtn').resolved({'mode': 'paper'}); r('hold').resolved({})\n"
        "print([m for m in ('torch', 'pytorch_lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("fe", {"windws": 4}, "unknown option of model 'fe' 'windws'; did you mean windows"),
        ("fe", {"preset": "papr"}, "unknown preset of model 'fe' 'papr'; did you mean paper"),
        ("fe", {"mode": "papers"}, "unknown mode of model 'fe' 'papers'; did you mean paper"),
        ("fe", {"output": "momentun"}, "unknown output of model 'fe' 'momentun'; did you mean momentum"),
        ("fe", {"length": 1}, "model 'fe': windows must be at least 0, length at least 2"),
        ("fe", {"coin": "gaussain"}, "unknown coin of model 'fe' 'gaussain'; did you mean gaussian"),
        ("anyrig", {"hidden": 4}, "unknown option of model 'anyrig' 'hidden'"),
        ("hold", {"size": 4}, "takes no arguments; see --set"),
    ],
)
def test_unknown_options_are_refused_as_by_the_model(name: str, given: dict[str, Any], message: str) -> None:
    for refuse in (lambda name, given: resolve_model(name).resolved(given), make_model):
        with pytest.raises(UserError, match=message):
            refuse(name, given)


PLUGIN = '''
from pathlib import Path
from rae_bench.model import LightningModel, ModelCard, TrainConfig

class Plain:
    card = ModelCard(name="plain")
    def __init__(self, size=1, share=0.5, names=("a", "b"), folder=Path("x")): pass
    def pretrain(self, source, ctx): ...
    def adapt(self, target, ctx): ...
    def generate(self, prompt, ctx): ...
    def save(self, folder): ...
    def load(self, folder): ...

class Open(Plain):
    def __init__(self, **options): pass

class Torch(LightningModel):
    card = ModelCard(name="torch")
    train_defaults = TrainConfig(length=7)
    def __init__(self, depth=2, **options):
        super().__init__(**{"rate": 1e-4, **options})
'''


def test_plug_ins(tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text(PLUGIN)
    assert resolve_model(f"{file}:Plain").resolved({"share": 1}) == {"size": 1, "share": 1.0, "names": ["a", "b"]}
    assert resolve_model(f"{file}:Open").resolved({"anything": [1, 2]}) == {"anything": [1, 2]}
    found = resolve_model(f"{file}:Torch").resolved({"depth": 3})
    assert (found["depth"], found["length"], found["rate"], found["ramp"]) == (3, 7, 1e-4, 0.1)
    with pytest.raises(UserError, match="option folder is a PosixPath; numbers, texts and lists are options"):
        resolve_model(f"{file}:Plain").resolved({"folder": Path("y")})
    with pytest.raises(UserError, match="unknown option of model 'torch' 'dept'"):
        resolve_model(f"{file}:Torch").resolved({"dept": 3})
