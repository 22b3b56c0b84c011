"""Task files of strangers: `data get` and `run` refuse what they cannot mean in one line, and fetch nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rae_bench.cli import main
from rae_bench.data.importing.file_list import is_https
from rae_bench.errors import UserError
from rae_bench.task.named import load_task

TASK = """
title = "A stranger's"
[source]
kind = "builtin"
rig = "r4"
[target]
kind = "recordings"
folder = {folder}
[target.files]
{name} = {{ bytes = 3, sha256 = "{digest}" }}
[target.download]
"*" = {address}
"""
GOOD = {"folder": '"set"', "name": '"a.bvh"', "digest": "0" * 64, "address": '"https://example.org/{name}"'}
LABEL = "a" * 64


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("address", '"https://[::1"', "is not an https address"),
        ("address", f'"https://{LABEL}.org/a.bvh"', "is not an https address"),
        ("address", '"https://a..org/a.bvh"', "is not an https address"),
        ("address", '"https://example.org:99999999/a.bvh"', "is not an https address"),
        ("address", '"https://example.org/\\u0000"', "is not an https address"),
        ("address", '"https://u:p@example.org/a.bvh"', "is not an https address"),
        ("address", '"https:///a.bvh"', "is not an https address"),
        ("name", '"a\\u0000.bvh"', "is no file within the folder"),
        ("name", '"a\\u001b[2J.bvh"', "is no file within the folder"),
        ("folder", '"se\\u0000t"', "holds a character that no name may have"),
        ("folder", '""', "needs to be a name"),
    ],
)
def test_data_get_says_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, value: str, words: str
) -> None:
    path = tmp_path / "strange.toml"
    path.write_text(TASK.format(**GOOD | {key: value}), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["data", "get", str(path), "--yes"])
    said = capsys.readouterr().err
    assert (ended.value.code, len(said.splitlines())) == (2, 1), said
    assert words in said
    assert said.isprintable() or said.rstrip("\n").isprintable()


@pytest.mark.parametrize("sign", ["\\u001b[2J", "\\u202e", "\\u0007"])
def test_what_is_quoted_does_nothing_to_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sign: str
) -> None:
    path = tmp_path / "strange.toml"
    path.write_text(f'[source]\nkind = "x{sign}"\n', encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["data", "get", str(path)])
    said = capsys.readouterr().err.rstrip("\n")
    assert "unknown kind 'x?" in said
    assert said.isprintable()


BUILTIN = """
{budget}
[source]
kind = "builtin"
rig = "r4"
clips = {clips}
motion = {motion}
[target]
kind = "builtin"
rig = "quad"
{protocol}
"""
SOUND = {"budget": "", "clips": "24", "motion": '"locomotion"', "protocol": "[protocol]"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("clips", "1e3", "clips = 1000.0 needs to be a whole number"),
        ("clips", "true", "clips = True needs to be a whole number"),
        ("clips", "1" + 30 * "0", "needs to be at most 1,000,000"),
        ("motion", "1", "motion = 1 needs to be a name"),
        ("protocol", "protocol = 1979-05-27", "unknown key 'protocol'"),
        ("budget", "protocol = 1979-05-27", "needs to be a table [protocol]"),
        ("budget", "budget = 7", "budget = 7 needs to be a table [budget]"),
    ],
)
def test_values_of_another_kind(tmp_path: Path, key: str, value: str, words: str) -> None:
    path = tmp_path / "strange.toml"
    facts = SOUND | ({"protocol": ""} if key == "budget" else {})
    path.write_text(BUILTIN.format(**facts | {key: value}), encoding="utf-8")
    with pytest.raises(UserError) as raised:
        load_task(path)
    assert words in str(raised.value)
    path.write_text(BUILTIN.format(**SOUND), encoding="utf-8")
    assert load_task(path).name == "strange"


def test_addresses() -> None:
    assert all(map(is_https, ["https://example.org/a b"[:21], "https://[::1]:8443/x", f"https://{LABEL[1:]}.org/"]))
    assert not any(map(is_https, ["http://example.org", "https://", "https://a\nb/", "file:///etc/passwd", LABEL]))
