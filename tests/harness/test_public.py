"""`rb.run` and `rb.sweep`: arguments are told apart by name, and one value is as good as a list of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rae_bench as rb


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_an_unknown_argument_is_told_with_the_name_of_the_function(name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'seed'"):
        getattr(rb, name)("hold", "biped2quad", seed=3)


def test_one_value_is_a_list_of_one(tiny_task: Path, tmp_path: Path) -> None:
    one = rb.run("hold", tiny_task, regimes="cold", fractions=0.05, out=tmp_path)
    again = rb.run("hold", tiny_task, regimes=["cold"], fractions=["5%"], seeds=[0], out=tmp_path)
    assert one == again
    assert {cell["regime"] for cell in one if cell["model"] == "hold"} == {"cold", "none"}


def test_a_sweep_returns_what_its_runs_return(tiny_task: Path, tmp_path: Path) -> None:
    models, arguments = ["hold", "interpolate"], {"fractions": 0.05, "seeds": 1, "out": tmp_path, "controls": False}
    swept = rb.sweep(models, [tiny_task], workers=1, **arguments)
    runs = [cell for model in models for cell in rb.run(model, tiny_task, **arguments)]
    assert swept == runs


def test_without_ray_a_cluster_is_refused_in_one_line(tiny_task: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from rae_bench.cli import main\n"
        f"main(['sweep', '--model', 'hold', '--task', {str(tiny_task)!r}, '--out', {str(tmp_path)!r},"
        " '--ray-address', 'local'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("rae-bench: Ray is not installed: pip install 'rae-bench[sweep]'")
