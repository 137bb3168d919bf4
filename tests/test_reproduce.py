"""Two builds in two places are the same; what is not, and does not say so, is found."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def load(path: Path) -> ModuleType:
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


reproduce = load(ROOT / "publish" / "reproduce.py")
miniature = load(ROOT / "tests" / "test_book.py")

# A chapter that measures and says so, and one whose numbers are others each time.
CLOCK = """
import time
print("it took", time.perf_counter_ns(), "ns")
print("a line", end=" ", flush=True)
print("in two pieces")
glue("taken", time.perf_counter_ns(), display=False)
"""
DRAWN = """
---
mystnb:
  figure: {name: fig-clock, caption: What the clock said.}
  image: {alt: A line that rises from nothing to what the clock said.}
tags: [timing]
---
import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats
set_matplotlib_formats("svg")
plt.rcParams["svg.hashsalt"] = "salt"
plt.plot([0, time.perf_counter() % 1, 1])
plt.show()
"""
CHANCE = """
import random
glue("chance", random.random(), display=False)
"""
RULES = """
default: {rel: 0, abs: 0, why: the same machine}
tolerances: []
timing: {keys: ["clock:taken"], why: the clock}
device: {keys: [none], why: no GPU}
"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """Build the miniature book twice, in two places."""
    made = []
    for name in ("one", "another place"):
        book = miniature.make(tmp_path_factory.mktemp("book") / name)
        toc = book.read("_toc.yml")
        book.write("_toc.yml", toc.replace("- file: book/two\n- file: book/three\n", ""))
        for unused in ("two", "three"):
            (book.folder / f"book/{unused}.md").unlink()
        book.write("book/allowed-numbers.yml", "{}\n")
        book.write("book/tolerances.yml", RULES)
        book.edit("book/index.md", "Three chapters", "Some chapters")
        book.edit("book/one.md", "{ref}`ch-two`", "{ref}`ch-clock`")
        clock = miniature.cell(CLOCK, ":tags: [timing]\n") + "\nIt took {glue:text}`taken:d` ns.\n"
        clock += "\n" + miniature.cell(DRAWN)
        book.add("clock", miniature.chapter("clock", "", "1", clock))
        chance = miniature.cell(CHANCE) + "\nBy chance {glue:text}`chance:.9f`.\n"
        book.add("chance", miniature.chapter("chance", "", "1", chance))
        status, output = book.build()
        assert status == 0, output
        made.append(book.folder / "_build" / "html")
    rules = reproduce.tolerances.rules(made[0].parents[1] / "book" / "tolerances.yml")
    return *made, rules


@pytest.mark.book
def test_two_builds_differ_only_in_what_is_left_to_chance(sites):
    one, two, rules = sites
    assert (one / "book/clock.html").read_bytes() != (two / "book/clock.html").read_bytes()
    pages = [(site / "book/clock.html").read_text(encoding="utf-8") for site in (one, two)]
    drawn = [re.search(r"<svg class=.udl-figure.*?</svg>", page)[0] for page in pages]
    assert drawn[0] != drawn[1]
    assert "a line in two pieces\n" in pages[0]  # pieces come as it pleases the machine
    found = reproduce.differences(one, two, rules)
    assert "book/chance.html" in found
    assert "By chance" not in str(
        found["book/chance.html"]
    )  # only what differs, and a little more
    assert found.keys() == {"book/chance.html", "numbers.json"}, found


@pytest.mark.book
def test_what_is_gone_or_changed_is_named(sites, tmp_path, capsys, monkeypatch):
    one, _, rules = sites
    two = tmp_path / "html"
    shutil.copytree(one, two)
    assert reproduce.differences(one, two, rules) == {}
    monkeypatch.setattr(reproduce, "ROOT", one.parents[1])
    assert reproduce.main([str(one), str(two)]) == 0
    assert "files are the same" in capsys.readouterr().out

    page = two / "book" / "one.html"
    page.write_text(page.read_text(encoding="utf-8").replace("Some prose", "Other prose"))
    numbers = json.loads((two / "numbers.json").read_text(encoding="utf-8"))
    numbers["chapters"]["clock"]["numbers"]["taken"] = 0
    (two / "numbers.json").write_text(json.dumps(numbers))
    (two / "book" / "clock.html").unlink()
    (two / "_static" / "more.bin").write_bytes(b"\xff")
    assert reproduce.main([str(one), str(two)]) == 1
    said = capsys.readouterr().out
    assert "Some prose" in said
    assert "Other prose" in said
    assert said.count("\n    only in the first") == said.count("\n    only in the second") == 1
    assert "3 of " in said
    nowhere = str(tmp_path / "nowhere")
    for pair in ([nowhere, str(two)], [str(two), nowhere]):
        with pytest.raises(FileNotFoundError, match="nowhere holds no built site"):
            reproduce.main(pair)


def test_only_what_is_stated_is_left_out():
    without = reproduce.timings.without
    assert without("<p>5.1</p>") == "<p>5.1</p>"
    assert without('a<time datetime="PT5.1S">5.1 s</time>b') == "ab"
    text = "<!--measured--><svg>\n</svg><!--/measured--> and <!--measured-->2<!--/measured-->"
    assert without(text) == " and "
    cells = [
        {"cell_type": "code", "source": "a1"},
        {"cell_type": "markdown", "source": ["b", "2"]},
    ]
    assert reproduce.without_digits({"cells": [cell | {"id": "x"} for cell in cells]}) == {
        "cells": [cells[0], {"cell_type": "markdown", "source": "b"}]
    }
    index = {"terms": {"12": 1, "line": 2}, "titleterms": {"3": [0]}, "titles": ["4"]}
    assert reproduce.without_numbers(index) == {
        "terms": {"line": 2},
        "titleterms": {},
        "titles": ["4"],
    }


@pytest.mark.release
def test_the_book_is_the_same_when_it_is_built_again():
    assert reproduce.main([]) == 0
