"""FBX by way of a converter on the path: programs that stand for the real ones get the words that those take."""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.places import TESTS

from rae_bench.cli.data import data
from rae_bench.data.importing.convert import CONVERTERS, convert_folder
from rae_bench.data.store import load_domain
from rae_bench.errors import UserError

GLB = TESTS / "data" / "formats" / "gltf" / "fbx2gltf-0.9.7.glb"
WORDS = {
    "blender": ["--background", "--factory-startup", "--disable-autoexec", "--python-exit-code", "1", "--python-expr"],
    "FBX2glTF": ["--binary", "--anim-framerate", "bake60", "--input"],
    "assimp": ["export"],
}


def stand_in(folder: Path, name: str, body: str) -> None:
    """A program of Python lines."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable}\nimport shutil, sys\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def fbx(tmp_path: Path) -> Path:
    folder = tmp_path / "my fbx"
    (folder / "in").mkdir(parents=True)
    for name in ("walk.fbx", "in/Run.FBX"):
        (folder / name).write_text("FBX")
    (folder / "notes.txt").write_text("")
    return folder


@pytest.mark.parametrize("name", [converter.program for converter in CONVERTERS])
def test_each_converter_is_called_as_it_wants(
    name: str, fbx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "words"
    stand_in(tmp_path / "bin", name, f"open({str(words)!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n"
             f"assert open(sys.argv[-3 if sys.argv[-2] == '--output' else -2]).read() == 'FBX'\n"
             f"shutil.copy({str(GLB)!r}, sys.argv[-1])")  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    told: list[str] = []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.glb").write_text("of another time")
    assert convert_folder(fbx, tmp_path / "out", told.append) == (2, "cm" if name == "assimp" else "m")
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert made == ["in/Run.glb", "walk.glb"]
    assert told == [str(fbx / "in" / "Run.FBX"), str(fbx / "walk.fbx")]
    for line in words.read_text().splitlines():
        given = ast.literal_eval(line)
        assert given[: len(WORDS[name])] == WORDS[name]
    assert convert_folder(fbx / "walk.fbx", tmp_path / "one", told.append)[0] == 1


def test_what_fails_is_named_and_leaves_nothing(
    fbx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match=r"no converter for FBX on the path \(blender, FBX2glTF, assimp\)"):
        convert_folder(fbx, tmp_path / "out", str)
    for body, message in (
        ("print('one'); print('no FBX at all', file=sys.stderr); sys.exit(3)", "cannot convert it: no FBX at all"),
        ("pass", "assimp cannot convert it: no word"),
    ):
        stand_in(tmp_path / "bin", "assimp", body)
        with pytest.raises(UserError, match=rf"Run\.FBX: .*{message}"):
            convert_folder(fbx, tmp_path / "out", str)
        assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="no FBX file to convert"):
        convert_folder(tmp_path / "bin", tmp_path / "out", str)


def run(*words: str) -> str:
    result = CliRunner().invoke(data, ["import", *words], catch_exceptions=True)
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_the_import_converts_where_it_is_told(
    fbx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path / "home"))
    for path in (fbx, fbx / "walk.fbx"):
        with pytest.raises(UserError, match="FBX is read by way of glTF: --convert does that"):
            run(str(path), "--name", "walker")
    stand_in(tmp_path / "bin", "assimp", f"shutil.copy({str(GLB)!r}, sys.argv[-1])")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    run(str(fbx), "--name", "walker", "--convert", "--minimum-seconds", "0.2")
    corpus = load_domain("walker")
    assert sorted(corpus.takes) == ["in/Run", "walk"]
    assert corpus.motion.rig.roles.keys() >= {"pelvis", "head", "left_foot", "right_hand"}
    assert corpus.provenance["unit"] == "cm"  # assimp's; this file was in metres
    run(str(fbx), "--name", "walker", "--convert", "--minimum-seconds", "0.2", "--unit", "m")
    assert load_domain("walker").motion.rig.height == pytest.approx(100 * corpus.motion.rig.height, rel=1e-5)
    corpus = load_domain("walker")
    shutil.rmtree(tmp_path / "home" / "converted")
    assert load_domain("walker").identity == corpus.identity
