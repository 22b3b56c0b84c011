"""The options of models, read from their source, are those that the models take."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from helpers.places import TESTS

from rae_bench.errors import UserError
from rae_bench.model.config import TrainConfig
from rae_bench.model.described import described, model_options
from rae_bench.model.registry import list_models, resolve_model

TRAINED = [field.name for field in fields(TrainConfig)]


@pytest.mark.parametrize("name", [*list_models(), "fc-rbf-in+rtn"])
def test_every_option_of_an_entry_has_its_type_its_default_and_a_text(name: str) -> None:
    ref = resolve_model(name)
    options = model_options(ref)
    values = {key: value for key, value in ref.resolved({}).items() if key != "widths"}
    assert {option.name: option.default for option in options} == {key: repr(v) for key, v in values.items()}
    assert all(option.kind == type(values[option.name]).__name__ for option in options)
    assert all(option.text for option in options), [option.name for option in options if not option.text]


def test_options_of_a_plug_in_are_its_arguments_and_those_of_its_base() -> None:
    assert [option.name for option in model_options(resolve_model(f"{TESTS}/my_model.py:MyModel"))] == TRAINED


def test_a_plug_ins_options_by_hand(tmp_path: Path) -> None:
    text = '''
    raise RuntimeError("nobody runs this")

    class Mine:
        """A model.

        Args:
            width: how wide,
                in units.
            rate, decay: of learning.

        Not an option: this line.
        """

        def __init__(self, width: int, rate: float = 0.1, *, decay=None, name: str = "x") -> None:
            pass
    '''
    (tmp_path / "mine.py").write_text(inspect.cleandoc(text), encoding="utf-8")
    found = [(o.name, o.kind, o.default, o.text) for o in model_options(resolve_model(f"{tmp_path}/mine.py:Mine"))]
    assert found == [
        ("width", "int", "required", "how wide, in units."),
        ("rate", "float", "0.1", "of learning."),
        ("decay", "", "None", "of learning."),
        ("name", "str", "'x'", ""),
    ]


def test_train_options_are_all_described() -> None:
    assert set(described(TrainConfig.__doc__ or "")) == set(TRAINED)


def test_an_unknown_model_is_told() -> None:
    with pytest.raises(UserError, match="did you mean fe"):
        resolve_model("fee")


def test_a_default_that_is_a_name_is_shown_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(
        "from rae_bench.model import LightningModel, ModelCard, TrainConfig\n"
        "FRAMES = 9\n\n\n"
        "class Mine(LightningModel):\n"
        "    card = ModelCard(name='mine')\n"
        "    train_defaults = TrainConfig(length=FRAMES, rate=0.01)\n",
        encoding="utf-8",
    )
    options = {option.name: option.default for option in model_options(resolve_model(f"{file}:Mine"))}
    assert (options["length"], options["rate"], options["clip"]) == ("FRAMES", "0.01", "1.0")
