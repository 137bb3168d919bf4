"""Test the text of the chapters on language models, against stand-in files and Python's pages."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import subprocess
import sys
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from pydoc_data.topics import topics

import jaxtyping
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udl import data
from udl.data import _files, _text
from udl.data.__main__ import main

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n"


def refused(match: str) -> AbstractContextManager[object]:
    """Expect an error of the code itself: from here to the end of a test no type checker looks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    return pytest.raises(ValueError, match=match)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder that UDL_DATA_DIR names, an empty cache; the expected file is `TEXT`."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("UDL_DATA_DIR", str(folder))
    monkeypatch.setenv("UDL_OFFLINE", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_files, "cache_dir", lambda: tmp_path / "cache")
    sha256 = hashlib.sha256(TEXT.encode()).hexdigest()
    mirrors = (("http://127.0.0.1:9/input.txt", sha256),)
    monkeypatch.setattr(_text, "FILE", _files.Remote(_text.FILE.name, mirrors))
    return folder


@pytest.mark.parametrize("source", ["auto", "file"])
def test_the_file_is_used_where_it_is(places: Path, source) -> None:
    (places / "tinyshakespeare-input.txt").write_text(TEXT, encoding="ascii", newline="\n")
    found = data.tiny_shakespeare(source)
    assert found.text == TEXT
    assert not found.is_surrogate
    assert found.provenance in data.loaded()
    assert found.provenance.sha256 == data.available()["Tiny Shakespeare"]
    assert data.tiny_shakespeare("surrogate").is_surrogate


def test_a_cache_that_may_not_be_read_holds_nothing(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def forbidden(path: Path) -> bytes:
        if tmp_path / closed in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    closed = "cache"
    assert data.tiny_shakespeare("auto").is_surrogate
    assert data.available()["Tiny Shakespeare"] == "surrogate"
    closed = "data"  # a folder that the reader has named is for the reader to mend
    with pytest.raises(PermissionError):
        data.tiny_shakespeare("auto")


def test_the_real_file() -> None:
    """Its size and alphabet are those that its compilers and users state."""
    if data.available()["Tiny Shakespeare"] == "surrogate":
        pytest.skip("the real Tiny Shakespeare is not here (set UDL_DATA_DIR)")
    found = data.tiny_shakespeare("file")
    assert (len(found.text), len(set(found.text))) == (1_115_394, 65)
    train, validation = found.split()
    assert (len(train), len(validation)) == (1_003_854, 111_540)
    assert found.text.startswith("First Citizen:\n")


def test_without_the_file(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data.tiny_shakespeare().is_surrogate  # not warned of: UDL_OFFLINE asks for it
    assert data.available()["Tiny Shakespeare"] == "surrogate"
    with pytest.raises(FileNotFoundError, match="UDL_OFFLINE forbids") as caught:
        data.tiny_shakespeare("file")
    assert caught.value.__notes__ == ['source="surrogate" needs no file']
    assert main() == 0
    assert "Tiny Shakespeare: a surrogate, prose from" in capsys.readouterr().out


@pytest.mark.caller
def test_without_a_network_the_surrogate_is_warned_of(places: Path, monkeypatch) -> None:
    monkeypatch.setenv("UDL_OFFLINE", "0")
    with pytest.warns(data.SurrogateWarning, match="stands in for Tiny Shakespeare") as caught:
        assert data.tiny_shakespeare().is_surrogate
    assert caught[0].filename == __file__


@pytest.mark.parametrize("source", ["auto", "file"])
def test_a_damaged_file_is_never_used(places: Path, source) -> None:
    (places / "tinyshakespeare-input.txt").write_text(TEXT + "!", encoding="ascii")
    with pytest.raises(data.ChecksumError, match="expected SHA-256"):
        data.tiny_shakespeare(source)
    with pytest.raises(data.ChecksumError):
        data.available()
    assert main() == 1


def test_an_unknown_source_refuses() -> None:
    with refused("expected source 'auto', 'file' or 'surrogate', got 'net'"):
        data.tiny_shakespeare("net")  # type: ignore[arg-type]


def test_the_surrogate_is_prose_of_the_help_pages() -> None:
    found = data.tiny_shakespeare("surrogate")
    assert found.text == data.tiny_shakespeare("surrogate").text
    assert len(found.text) > 100_000
    assert len(set(found.text)) <= 65
    assert set(found.text) >= set("abcdefghijklmnopqrstuvwxyz \n.,")
    assert f"{len(found.text):,} characters" in found.provenance.note
    assert "Not Shakespeare" in found.provenance.note
    paragraphs = found.text.strip("\n").split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    pages = " ".join(re.sub(r"\s+", " ", page) for page in _pages())
    assert all(re.sub(r"\s+", " ", paragraph) in pages for paragraph in paragraphs)
    words = re.findall("[a-z]+", found.text.lower())
    assert {"the", "of", "is", "to", "a"} <= set(sorted(set(words), key=words.count)[-12:])


def _pages() -> list[str]:
    """Return Python's help pages, with the quotes of a typewriter."""
    quotes = {"‘": "'", "’": "'", "“": '"', "”": '"'}
    return ["".join(quotes.get(sign, sign) for sign in page) for page in topics.values()]


def test_prose_is_sorted_plain_and_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {
        "while": "Loops go on.\n\n   It’s “so”,\n   or ‘so’.\n\nx = 1 is code.\n",
        "break": "Loops end.\n\nLoops go on.\n\nno sentence.\n\nNo end\n",
    }
    monkeypatch.setattr("pydoc_data.topics.topics", pages)
    assert _text.prose() == "Loops end.\n\nLoops go on.\n\nIt's \"so\",\nor 'so'.\n"


PROVENANCE = data.Provenance("toy", "embedded")


def test_the_repr_is_short() -> None:
    assert len(repr(data.Text("a" * 10_000, PROVENANCE))) < 300


@pytest.mark.parametrize("hundredths", range(1, 100))
@pytest.mark.parametrize("length", [100, 1_000_000])
def test_hundredths_are_exact(length: int, hundredths: int) -> None:
    train, validation = data.Text("a" * length, PROVENANCE).split(hundredths / 100)
    assert len(validation) == length * hundredths // 100
    assert len(train) + len(validation) == length


@given(st.text(min_size=2), st.floats(0.01, 0.99))
def test_the_parts_are_the_text(text: str, share: float) -> None:
    whole = data.Text(text, PROVENANCE)
    least = math.ceil(len(text) * Fraction(share) - Fraction(1, 10**9))  # in the tail
    if least == len(text):
        with pytest.raises(ValueError, match="a text that can be cut"):
            whole.split(share)
        return
    train, validation = whole.split(share)
    assert train + validation == text
    assert len(validation) == least > 0


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan"), 2.0])
def test_a_share_that_leaves_nothing(share: float) -> None:
    with pytest.raises(ValueError, match="expected validation between 0 and 1"):
        data.Text("some text", PROVENANCE).split(share)


@pytest.mark.parametrize("text", ["", "a"])
def test_a_text_too_short_to_cut(text: str) -> None:
    with pytest.raises(ValueError, match=f"got {len(text)} characters with validation=0.1"):
        data.Text(text, PROVENANCE).split()


def test_a_notebook_without_widgets_is_not_warned(tmp_path: Path) -> None:
    """The libraries that look for a file bring a progress bar: no page shows its worries."""
    kernel = """
import sys, types
sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel.zmqshell")
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: None)
sys.modules["ipywidgets"] = None
from udl import data
print(data.tiny_shakespeare().is_surrogate)
"""
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "UDL_OFFLINE": "1"}
    environment = {k: v for k, v in os.environ.items() if k != "UDL_DATA_DIR"} | places
    command = [sys.executable, "-c", kernel]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("True\n", "")
