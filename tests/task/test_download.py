"""`data get`: a server of this machine with a certificate of its own, and all that may go wrong on the way."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rae_bench.cli.data import data
from rae_bench.data.importing.file_list import download_addresses, downloads_folder, find_recordings, read_file_list
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.recordings import INCOMPLETE, import_folder
from rae_bench.errors import UserError
from rae_bench.task import download
from rae_bench.task.named import builtin_tasks, load_task
from rae_bench.task.sides import load_side

CONTENT = {"walk.bvh": b"walk " * 40_000, "my run.bvh": b"run " * 300}


class Place:
    """An https server: what it holds, what it was asked, and an opener that trusts it."""

    def __init__(self, certificate: Path) -> None:
        self.asked: list[str] = []
        self.files = {"/" + name.replace(" ", "%20"): content for name, content in CONTENT.items()}
        self.redirects: dict[str, str] = {}
        self.sent = 0
        place = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place.asked.append(self.path)
                if self.path in place.redirects:
                    self.send_response(302)
                    self.send_header("Location", place.redirects[self.path])
                    self.end_headers()
                elif self.path == "/endless":
                    self.send_response(200)
                    self.end_headers()
                    for _ in range(2000):
                        place.sent += self.wfile.write(b"x" * 65536)
                elif self.path == "/torn":
                    self.send_response(200)
                    self.send_header("Content-Length", "1200")
                    self.end_headers()
                    self.wfile.write(b"run ")
                elif self.path in place.files:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(place.files[self.path])
                else:
                    self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # clients that hang up are what the tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(certificate)
        self.server.socket = serving.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.opener = download.https_opener(ssl.create_default_context(cafile=str(certificate)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([openssl, *words.split(), "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def place(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Place(certificate)
    yield server
    server.server.shutdown()
    server.server.server_close()


def facts(content: bytes) -> dict[str, object]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def recordings(url: str, change: Callable[[dict[str, object]], object] | None = None, path: str = "/{name}"):
    table = {name: facts(content) for name, content in CONTENT.items()}
    if change:
        change(table["my run.bvh"])
    files = read_file_list(table, "x")
    side = {"files": table, "download": {"*": url + path}}
    return download.RecordingFolder("takes", "free", "me", "here", files, download_addresses(side, "x"))


def test_files_arrive_as_they_are_listed(place: Place, tmp_path: Path) -> None:
    told: list[str] = []
    assert download.download_missing(recordings(place.url), tmp_path, place.opener, told.append) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == CONTENT
    assert told == list(CONTENT)
    assert place.asked == ["/walk.bvh", "/my%20run.bvh"]


def test_what_is_there_is_not_fetched_again(place: Place, tmp_path: Path) -> None:
    del place.files["/my%20run.bvh"]
    with pytest.raises(UserError, match=r"my%20run.bvh: could not be downloaded \(Not Found\); nothing was kept of it"):
        download.download_missing(recordings(place.url), tmp_path, place.opener)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.bvh"]
    place.files["/my%20run.bvh"] = CONTENT["my run.bvh"]
    place.asked.clear()
    assert download.download_missing(recordings(place.url), tmp_path, place.opener) == 1
    assert place.asked == ["/my%20run.bvh"]
    (tmp_path / "walk.bvh").write_bytes(b"damaged")
    assert download.download_missing(recordings(place.url), tmp_path, place.opener) == 1
    assert (tmp_path / "walk.bvh").read_bytes() == CONTENT["walk.bvh"]


def test_other_bytes_than_listed(place: Place, tmp_path: Path) -> None:
    def fails(message: str, change: Callable[[dict[str, object]], object], path: str = "/{name}") -> None:
        with pytest.raises(UserError, match=message):
            download.download_missing(recordings(place.url, change, path), tmp_path, place.opener)
        assert [file.name for file in tmp_path.iterdir()] in ([], ["walk.bvh"])

    fails("another file than the task lists", lambda facts: facts.update(sha256="0" * 64))
    fails("1,200 of 1,201 bytes came", lambda facts: facts.update(bytes=1201))
    fails("more than the 1,199 bytes that the task lists; not kept", lambda facts: facts.update(bytes=1199))
    place.files["/walk.bvh"] = b""
    (tmp_path / "walk.bvh").unlink()
    fails("0 of 200,000 bytes came", lambda facts: facts)
    fails("4 of 200,000 bytes came|could not be downloaded", lambda facts: facts, "/torn")
    fails("more than the 200,000 bytes", lambda facts: facts, "/endless")
    assert place.sent < 20e6  # of the 131 MB that were to come; the rest lies in sockets


def test_redirects(place: Place, tmp_path: Path) -> None:
    place.redirects = {"/a/walk.bvh": "/walk.bvh", "/a/my%20run.bvh": f"{place.url}/my%20run.bvh"}
    assert download.download_missing(recordings(place.url, path="/a/{name}"), tmp_path / "one", place.opener) == 2
    place.redirects = {"/a/walk.bvh": "http://127.0.0.1:9/walk.bvh"}
    with pytest.raises(UserError, match=r"sends on to 'http://127.0.0.1:9/walk.bvh', which is not https"):
        download.download_missing(recordings(place.url, path="/a/{name}"), tmp_path / "two", place.opener)
    place.redirects = {"/a/walk.bvh": "file:///etc/hostname"}
    with pytest.raises(UserError, match="is not allowed"):
        download.download_missing(recordings(place.url, path="/a/{name}"), tmp_path / "two", place.opener)
    place.redirects = {"/a/walk.bvh": "/a/walk.bvh"}
    with pytest.raises(UserError, match="could not be downloaded"):
        download.download_missing(recordings(place.url, path="/a/{name}"), tmp_path / "two", place.opener)
    assert not list((tmp_path / "two").iterdir())


def test_only_https_and_only_with_a_trusted_certificate(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="certificate verify failed"):
        download.download_missing(recordings(place.url), tmp_path, download.https_opener())
    with pytest.raises(UserError, match="is not an https address"):
        recordings("http://127.0.0.1")
    for other in ("http://127.0.0.1:9/x", "file:///etc/hostname", "ftp://127.0.0.1/x"):
        with pytest.raises(OSError, match="unknown url type"):
            place.opener.open(other, timeout=1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(UserError, match="refused"):
            download.download_missing(recordings(address), tmp_path, place.opener)
    assert not list(tmp_path.iterdir())
    assert not place.asked


def written(folder: Path, url: str) -> Path:
    listed = "\n".join(
        f'"{name}" = {{ bytes = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}" }}'
        for name, content in CONTENT.items()
    )
    (folder / "mine.toml").write_text(f"""
        [source]
        kind = "builtin"
        rig = "r1"
        [target]
        kind = "recordings"
        folder = "takes"
        licence = "CC BY 4.0"
        citation = "Me 2020"
        origin = "my shelf"
        {f'download = {{ "*" = "{url}/{{name}}" }}' if url else ""}
        [target.files]
        {listed}
        """)
    return folder / "mine.toml"


def test_command(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = written(tmp_path, place.url)
    monkeypatch.setattr(download, "https_opener", lambda: place.opener)
    words = ["get", str(task), "--to", str(tmp_path / "data")]
    result = CliRunner().invoke(data, words, input="n\n")
    assert isinstance(result.exception, UserError)
    assert "not accepted, nothing was downloaded" in str(result.exception)
    for text in ("takes  2 of 2 files to get, 0.2 MB", "CC BY 4.0", "Me 2020", "my shelf", "accept the licence"):
        assert text in result.output
    assert isinstance(CliRunner().invoke(data, words, input="").exception, UserError)  # nobody there to answer
    assert not place.asked
    result = CliRunner().invoke(data, words, input="y\n")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "data" / "takes" / "my run.bvh").read_bytes() == CONTENT["my run.bvh"]
    again = CliRunner().invoke(data, words)
    assert "0 of 2 files to get" in again.output
    assert again.exit_code == 0
    assert len(place.asked) == 2
    result = CliRunner().invoke(data, ["get", str(task), "--yes"])
    assert result.exit_code == 0, result.output
    monkeypatch.delenv("RAE_BENCH_DATA", raising=False)
    assert find_recordings(load_task(task).target, None) == downloads_folder() / "takes"
    shutil.rmtree(downloads_folder())


def test_what_cannot_be_had(tmp_path: Path) -> None:
    def fails(name: str, message: str) -> None:
        error = CliRunner().invoke(data, ["get", name, "--yes"]).exception
        assert isinstance(error, UserError), error
        assert message in str(error)

    fails(str(written(tmp_path, "")), "cannot be downloaded as listed; they come from my shelf; put them into a folder")
    fails("human2dgo", "unknown task or recordings 'human2dgo'; did you mean human2dog")
    fails("biped2quad", "has no recordings")
    fails("none.toml", "no such task file")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "files is a table"),
        ({"../a": facts(b"a")}, "is no file within the folder"),
        ({"/etc/a": facts(b"a")}, "is no file within the folder"),
        ({"a\\b": facts(b"a")}, "is no file within the folder"),
        ({"": facts(b"a")}, "is no file within the folder"),
        ({"a": "0" * 64}, "needs { bytes"),
        ({"a": {"bytes": 1}}, "sha256 needs to be 64"),
        ({"a": {**facts(b"a"), "bytes": True}}, "bytes = True"),
        ({"a": {**facts(b"a"), "bytes": -1}}, "bytes = -1"),
        ({"a": {**facts(b"a"), "sha": 1}}, "unknown key 'sha'; did you mean sha256"),
        ({"a": {**facts(b"a"), "action": 1}}, "need to be texts"),
    ],
)
def test_lists_that_are_wrong(table: object, message: str) -> None:
    with pytest.raises(UserError, match="mine: ") as caught:
        read_file_list(table, "mine")
    assert message in str(caught.value)


def test_listed_files_and_no_others_are_read(tmp_path: Path) -> None:
    from helpers.recordings import TABLE, header, walk

    folder = tmp_path / "takes"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.bvh").write_text(header() + walk(3, 30))
    content = (folder / "a.bvh").read_bytes()
    listed = {f"{name}.bvh": {**facts(content), "session": "S", "action": "stride"} for name in "ab"}
    recipe = Recipe.from_table({**TABLE, "files": listed, "download": {}, "origin": "x"})
    corpus = import_folder(folder, recipe, "x")
    assert corpus.ids == ("a#0", "b#0")
    assert corpus.groups == ("S", "S")
    assert corpus.actions == ("stride", "stride")
    renamed = {name: {**entry, "action": "step"} for name, entry in listed.items()}
    assert import_folder(folder, Recipe.from_table({**TABLE, "files": renamed}), "x").identity != corpus.identity
    (folder / "b.bvh").write_text(header() + walk(4, 30))
    with pytest.raises(UserError, match=r"takes: 1 of 2 files are not those that the task lists .*: b.bvh; get them"):
        import_folder(folder, recipe, "x")
    (folder / "b.bvh").unlink()
    with pytest.raises(UserError, match=r"1 of 2 files that the task lists are not there: b.bvh; get them: rae-bench"):
        import_folder(folder, recipe, "x")


def test_every_segment_its_own_group(tmp_path: Path) -> None:
    from helpers.recordings import TABLE, header, walk

    # Three seconds of each of three walks: a walk at one speed is the same motion again and again.
    rows = [row for speed in (40.0, 60.0, 80.0) for row in walk(4, 30, speed).splitlines()[33:123]]
    (tmp_path / "a.bvh").write_text(header() + "\n".join(["MOTION", "Frames: 270", "Frame Time: 0.0333333", *rows, ""]))
    corpus = import_folder(tmp_path, Recipe.from_table({**TABLE, "group_by": "segment"}), "x", seconds=3)
    assert corpus.groups == corpus.ids == ("a#0", "a#1", "a#2")
    assert "every segment is a group by itself" in " ".join(corpus.provenance["warnings"])


RECORDED = [
    name for name in builtin_tasks() if "recordings" in (load_task(name).source["kind"], load_task(name).target["kind"])
]


BROUGHT = {"human_lafan1", "human_100style", "human_cmu91", "human_amass"}
"""Folders that users bring: their licence lets nobody pass them on, or their checksums are not known here."""


def test_demos_say_so() -> None:
    demos = {name for name in builtin_tasks() if load_task(name).demo}
    assert demos == {"dog2labrador", "dog2stick", "human2dog-deepmimic"}
    for name in builtin_tasks():
        assert ("import demo, not ranked" in load_task(name).title) == (name in demos)


@pytest.mark.parametrize("name", RECORDED)
def test_tasks_on_recordings_say_where_they_come_from(name: str, recordings: Path) -> None:
    task = load_task(name)
    for side in (task.source, task.target):
        assert side["licence"]
        assert side["citation"]
        assert side["origin"]
        if side["folder"] in BROUGHT:
            assert not {"files", "download"} & set(side)
            continue
        files = read_file_list(side["files"], name)
        assert files
        assert set(download_addresses(side, name)) == (set() if side["folder"] == "insect_stick" else set(files))
        folder = recordings / side["folder"]
        assert not download.missing_files(download.RecordingFolder("", "", "", "", files, {}), folder)


def test_a_folder_is_listed_alike_everywhere() -> None:
    seen: dict[tuple[str, str], object] = {}
    for name in RECORDED:
        task = load_task(name)
        for side in (task.source, task.target):
            for file, listed in side.get("files", {}).items():
                assert seen.setdefault((side["folder"], file), listed) == listed


def test_recordings_that_are_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAE_BENCH_DATA", raising=False)
    side = load_task("human2dog").target
    with pytest.raises(UserError) as caught:
        find_recordings(side, tmp_path)
    for words in ("'dog_full' not found under", "--data DIR", "rae-bench data get dog_full", "CC BY-NC 4.0", "github"):
        assert words in str(caught.value)
    with pytest.raises(UserError) as caught:
        find_recordings(load_task("dog2stick").target, None)
    assert "data get" not in str(caught.value)
    assert "stac-mjx" in str(caught.value)
    with pytest.raises(UserError) as caught:
        find_recordings(load_task("lafan2dog").source, None)
    assert "data get" not in str(caught.value)
    for words in ("human_lafan1/", "CC BY-NC-ND 4.0", "ubisoft-laforge-animation-dataset"):
        assert words in str(caught.value)


def test_what_people_bring_is_named_and_not_downloaded(tmp_path: Path) -> None:
    told = CliRunner().invoke(data, ["get", "human_lafan1", "--to", str(tmp_path)])
    assert told.exit_code == 0
    for words in ("bring your own copy", "CC BY-NC-ND 4.0", "lafan1.zip", f"put it into {tmp_path / 'human_lafan1'}"):
        assert words in told.output
    result = CliRunner().invoke(data, ["get", "lafan2dog", "--to", str(tmp_path)], input="n\n")
    assert "bring your own copy" in result.output
    assert "dog_full  38 of 38 files to get, 48.9 MB" in result.output
    assert isinstance(result.exception, UserError)
    assert not list(tmp_path.iterdir())


def test_the_sets_are_taken_whole(recordings: Path) -> None:
    """`human2dog` lists every recording of both folders; `test_tasks_on_recordings_...` compares the checksums."""
    task = load_task("human2dog")
    for side, count in ((task.source, 397), (task.target, 38)):
        assert {path.name for path in (recordings / side["folder"]).glob("*.bvh")} == set(side["files"])
        assert len(side["files"]) == count


def test_lafan1_runs_on_the_takes_that_are_there(recordings: Path) -> None:
    task = load_task("lafan2dog")
    for protocol in (task.protocol, load_task("lafan2dog-control").protocol):
        corpus = load_side(task.source, protocol, recordings)
        assert set(corpus.takes) == {"push1_subject2", "walk4_subject1"}
        assert set(corpus.groups) == {"push1", "walk4"}
        (told,) = (text for text in corpus.provenance["warnings"] if text.startswith(INCOMPLETE))
        assert told.endswith("2 of its 77 files are in the folder human_lafan1")
    assert set(corpus.actions) == {"walk", "turn"}  # of run, turn and walk; none of the two takes has a run
    with pytest.raises(UserError, match="no segment with the action run, which is what the track control takes"):
        load_side({**task.source, "actions": ["run"]}, protocol, recordings)
    with pytest.raises(UserError, match="unknown action of domain 'lafan1' 'rum'; did you mean run"):
        load_side({**task.source, "actions": ["rum"]}, protocol, recordings)
