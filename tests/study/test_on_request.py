"""`--metrics thesis` writes the thesis' error into the results of a run, once."""

import json
from pathlib import Path

import pytest
from helpers.forger import MODEL

from rae_bench.cli import main
from rae_bench.metrics.conv_critic import THESIS_ERROR


def _values(folder: Path) -> dict[str, float]:
    found = {}
    for path in folder.rglob("*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        if "metrics" in result:
            found[result["model"]] = result["metrics"].get(THESIS_ERROR, {}).get("value")
    return found


def test_run_adds_it(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rae_bench.metrics.conv_critic.UPDATES", 5)
    Path("sway.py").write_text(MODEL, encoding="utf-8")
    words = ["run", "--model", "sway.py:Sway", "--task", str(tiny_task), "--regimes", "cold", "--fractions", "0.2"]

    def run(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--out", "results", "--workers", "1", *more])
        assert ended.value.code == 0
        return capsys.readouterr().err

    run()
    assert set(_values(tmp_path / "results").values()) == {None}
    assert "the thesis' critics of seed 0, on 4 cells" in " ".join(run("--metrics", "thesis").split())
    found = _values(tmp_path / "results")
    assert {"truth", "hold", "interpolate", "nearest"} < found.keys()
    assert all(value >= 0 for value in found.values())
    assert "critics" not in run("--metrics", "thesis")
    assert _values(tmp_path / "results") == found
