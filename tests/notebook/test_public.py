"""`rb.run` and `rb.sweep`: arguments are told apart by name, and one value is as good as a list of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rae_bench as rb
from rae_bench.cli import main


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


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_the_quick_budget_is_taken_unless_told(name: str, tiny_task: Path, tmp_path: Path) -> None:
    asked = {"regimes": "cold", "fractions": 0.05, "seeds": 1, "workers": 1, "controls": False, "out": tmp_path}
    call = getattr(rb, name)
    assert [cell["budget"] for cell in call("hold", tiny_task, **asked)] == ["quick"]
    assert [cell["budget"] for cell in call("hold", tiny_task, budget="full", **asked)] == ["full"]
    with pytest.raises(rb.UserError, match="unknown budget 'fast'"):
        call("hold", tiny_task, budget="fast", **asked)


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


@pytest.mark.parametrize("hours", [-1.0, 0.0, float("nan")])
def test_a_limit_of_core_hours_is_above_0(hours: float, tiny_task: Path, tmp_path: Path) -> None:
    with pytest.raises(rb.UserError, match="core-hours is not above 0"):
        rb.sweep(["hold"], [tiny_task], out=tmp_path, max_core_hours=hours)


def test_a_table_of_single_frames(tiny_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The published protocol rolls nothing out: transfer is judged by the error of single frames."""
    text = tiny_task.read_text(encoding="utf-8")
    task = tmp_path / "published.toml"
    task.write_text(text.replace("[protocol]", '[protocol]\nmode = "paper"'), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(
            ["run", "--model", "interpolate", "--task", str(task), "--regimes", "cold", "--out", str(tmp_path / "out")]
        )
    assert not ended.value.code
    out = capsys.readouterr().out
    assert "one step" in out
    assert "struction" not in out
