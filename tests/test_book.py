"""The book's machinery, tried on a miniature book with a toy package and the real settings."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from docutils import nodes
from docutils.utils import new_document

ROOT = Path(__file__).parent.parent
EXTENSIONS = ROOT / "book" / "_ext"
# These read files that only the real book has.
OWN_PAGES = {"lectures", "measurements", "slide_checks"}

HEAD = """\
---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---

"""
ALT = "A straight line that rises from the lower left to the upper right."


def cell(code: str, options: str = "") -> str:
    return f"```{{code-cell}} ipython3\n{options}{textwrap.dedent(code).strip()}\n```\n"


def drawing(figure: str = "", image: str = "") -> str:
    """Write a cell that draws a line, with the options that describe it."""
    parts = [f"  figure: {{{figure}}}"] if figure else []
    parts += [f"  image: {{{image}}}"] if image else []
    options = "\n".join(["---", "mystnb:", *parts, "---", ""]) if parts else ""
    return cell(
        """
        import matplotlib.pyplot as plt
        fig, ax = plt.subplots()
        ax.plot([0, 1], [0, 1], color="#0072b2")
        plt.show()
        """,
        options,
    )


def chapter(name: str, first: str, result: str, body: str = "") -> str:
    """Write a chapter that shows a result, and notes in a file that its cells ran."""
    log = f'with open(os.environ["RAN"], "a") as log: log.write("{name}\\n")'
    head = f"import os\nfrom myst_nb import glue\n{first}\n{log}\n"
    head += f'glue("{name}-result", {result}, display=False)'
    prose = f"The result is {{glue:text}}`{name}-result:.2f`. Some prose.\n"
    return HEAD + "\n".join([f"(ch-{name})=\n# Chapter {name}\n", cell(head), prose, body])


class Book:
    """A book in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "ran.txt"

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))

    def append(self, name: str, text: str) -> None:
        self.write(name, self.read(name) + "\n" + text)

    def add(self, name: str, text: str) -> None:
        """Add a chapter."""
        self.append("_toc.yml", f"- file: book/{name}\n")
        self.write(f"book/{name}.md", text)

    def page(self, name: str) -> str:
        return self.read(f"_build/html/book/{name}.html")

    def build(self, *options: str, **env: str) -> tuple[int, str]:
        """Build as ``make book`` does; returns the exit status and what was said."""
        self.log.unlink(missing_ok=True)
        env |= {"PYTHONPATH": str(self.folder / "src"), "RAN": str(self.log)}
        done = subprocess.run(
            [Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", *options],
            cwd=self.folder,
            env=os.environ | env | {"UDL_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def ran(self) -> list[str]:
        """Return the chapters whose cells ran in the last build."""
        return sorted(self.log.read_text().split()) if self.log.exists() else []


def make(folder: Path) -> Book:
    book = Book(folder)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    for key in ("bibtex_bibfiles", "logo", "html"):
        del config[key]
    config["repository"]["url"] = "https://example.org/miniature"
    extensions = config["sphinx"]["local_extensions"].keys() - OWN_PAGES
    config["sphinx"]["local_extensions"] = dict.fromkeys(sorted(extensions), str(EXTENSIONS))
    config["sphinx"]["config"] |= {
        "html_static_path": [str(ROOT / "book" / "_static")],
        "templates_path": [str(ROOT / "book" / "_templates")],
        "udl_package": "src/toy",
        "udl_prose_exempt": [],
        "udl_exercises_strict": False,  # a toy chapter has few of them
    }
    book.write("_config.yml", yaml.safe_dump(config))
    toc = "format: jb-book\nroot: book/index\noptions: {numbered: 1}\nchapters:\n"
    book.write("_toc.yml", toc + "".join(f"- file: book/{n}\n" for n in ("one", "two", "three")))
    book.write("book/allowed-numbers.yml", 'three:\n  "2.5": given by the problem\n')
    book.write(
        "book/index.md", "# Miniature\n\nThree chapters, made for a test of the machinery.\n"
    )
    figure = drawing("name: fig-line, caption: A line that rises.", f"alt: {ALT}")
    body = figure + "\nSee {numref}`fig-line` and {ref}`ch-two`.\n"
    book.write("book/one.md", chapter("one", "from toy import a", "a.value()", body))
    book.write("book/two.md", chapter("two", "import toy.b", "toy.b.value()"))
    book.write("book/three.md", chapter("three", "", "3", "Given is 2.5, and $x^2$.\n"))
    book.write("src/toy/__init__.py", "")
    book.write("src/toy/a.py", "def value():\n    return 1\n")
    book.write("src/toy/b.py", "from . import a\n\n\ndef value():\n    return a.value() + 1\n")
    book.write("src/toy/c.py", "def value():\n    return 3\n")
    return book


def restore(snapshot: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(snapshot, folder)  # with the times of the files, which Sphinx compares


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the miniature book once; returns its folder and a copy of the folder."""
    folder = tmp_path_factory.mktemp("book")
    book = make(folder)
    status, output = book.build()
    assert status == 0, output
    assert book.ran() == ["one", "three", "two"]
    snapshot = folder.with_name(f"{folder.name}-snapshot")
    shutil.copytree(folder, snapshot)
    return folder, snapshot


@pytest.fixture
def book(built: tuple[Path, Path]) -> Book:
    """Return the miniature book as it was after its first build, at the same place."""
    folder, snapshot = built
    restore(snapshot, folder)
    return Book(folder)


def good(result: tuple[int, str]) -> None:
    status, output = result
    assert status == 0, output


def extension(name: str) -> ModuleType:
    """Load a module of book/_ext under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"book_{name}", EXTENSIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What runs, and when


@pytest.mark.book
def test_an_unchanged_book_runs_nothing_and_writes_no_page(book):
    def state():
        files = [*book.folder.rglob("*.html"), *(book.folder / "_build").rglob("*.ipynb")]
        return {file: file.stat().st_mtime_ns for file in files if file.name != "index.html"}

    before = state()
    assert len(before) >= 6
    good(book.build())
    assert book.ran() == []
    assert state() == before


@pytest.mark.book
@pytest.mark.parametrize(
    ("module", "old", "new", "reaching", "results"),
    [
        ("c", "3", "4", [], {"one": "1.00", "two": "2.00"}),
        ("b", "+ 1", "+ 5", ["two"], {"one": "1.00", "two": "6.00"}),
        ("a", "1", "3", ["one", "two"], {"one": "3.00", "two": "4.00"}),
    ],
)
def test_editing_a_module_runs_exactly_the_chapters_that_reach_it(
    book, module, old, new, reaching, results
):
    book.edit(f"src/toy/{module}.py", old, new)
    good(book.build())
    assert book.ran() == reaching
    for name, result in results.items():
        assert f"The result is {result}." in re.sub("<[^>]*>", "", book.page(name))


@pytest.mark.book
def test_editing_a_cell_runs_its_chapter_and_editing_prose_runs_nothing(book):
    book.edit("book/one.md", "a.value()", "a.value() + 6")
    book.edit("book/two.md", "Some prose", "Other prose")
    good(book.build())
    assert book.ran() == ["one"]
    assert "7.00" in book.page("one")
    assert "Other prose" in book.page("two")
    assert "2.00" in book.page("two")


@pytest.mark.book
@pytest.mark.skipif(os.cpu_count() == 1, reason="needs two processors")
def test_chapters_run_side_by_side(book):
    # Each waits for the other: one after the other, neither would ever come to its end.
    wait = """
        import time
        from pathlib import Path
        Path(os.environ["RAN"] + ".{me}").touch()
        end = time.monotonic() + 100
        while not Path(os.environ["RAN"] + ".{other}").exists():
            assert time.monotonic() < end, "ran alone"
            time.sleep(0.05)
    """
    book.append("book/one.md", cell(wait.format(me="one", other="two")))
    book.append("book/two.md", cell(wait.format(me="two", other="one")))
    good(book.build())
    assert book.ran() == ["one", "two"]


@pytest.mark.book
def test_a_module_that_changes_while_a_chapter_runs_does_not_spoil_the_cache(book):
    book.edit(
        "book/two.md", "import toy.b", "import toy.b, toy.a; text = open(toy.a.__file__).read()"
    )
    change = 'open(toy.a.__file__, "w").write(text.replace("1", "4"))'
    book.append("book/two.md", cell(change))
    status, output = book.build()
    assert status != 0
    assert "two.md: what it imports changed while it ran: build again" in output
    good(book.build())
    assert book.ran() == ["one", "two"]
    assert "5.00" in book.page("two")


@pytest.mark.book
def test_a_build_that_was_killed_is_finished_by_the_next(book, built):
    killer = """
        import os, signal

        def setup(app):
            event, _, number = os.environ.get("KILL", "").partition(":")
            left = [int(number or 0)]

            def kill(*args):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            if event:
                app.connect(event, kill, priority=999)
            return {"version": "1"}
    """
    shutil.rmtree(book.folder / "_build")
    book.write("killer/killer.py", textwrap.dedent(killer))
    config = yaml.safe_load(book.read("_config.yml"))
    config["sphinx"]["local_extensions"]["killer"] = "killer"
    book.write("_config.yml", yaml.safe_dump(config))
    text = book.read("book/two.md")

    # While a chapter runs: the kernel's parent is the build.
    book.append("book/two.md", cell("os.kill(os.getppid(), 9)"))
    assert book.build()[0] == -9
    book.write("book/two.md", text)
    # While pages are read, while they are written, and before the last files are.
    for event in ("doctree-read:2", "html-page-context:3", "build-finished:1"):
        assert book.build(KILL=event)[0] == -9
    good(book.build())
    assert book.ran() == []

    def pages(folder):
        files = sorted((folder / "_build" / "html" / "book").glob("*.html"))
        seconds = re.compile(r"<time .*?</time>")
        return {file.name: seconds.sub("", file.read_text(encoding="utf-8")) for file in files}

    assert len(pages(book.folder)) == 4
    assert pages(book.folder) == pages(built[1])
    static = Path("_build", "html", "_static")
    for name in ("book.min.css", "book.min.js", "math.css"):
        assert (book.folder / static / name).read_bytes() == (
            built[1] / static / name
        ).read_bytes()


@pytest.mark.book
def test_what_a_kill_left_in_the_cache_is_computed_again(book):
    outputs = sorted((book.folder / "_build" / ".jupyter_cache").rglob("base.ipynb"))
    assert len(outputs) == 3
    outputs[0].write_bytes(outputs[0].read_bytes()[:100])
    outputs[1].unlink()
    shutil.rmtree(book.folder / "_build" / ".doctrees")
    good(book.build())
    assert len(book.ran()) == 2
    assert "2.00" in book.page("two")


CARRIER = """
    from udl.web.host import File, Widget
    file = File.named("toy", b"weights" * 1000)
    Widget("toy", {"file": file.props()}, "a fallback", "a title", "toy-1", file=file)
"""


@pytest.mark.book
def test_bytes_that_an_interactive_carries_become_a_file_of_the_site(book):
    def served():
        files = (book.folder / "_build" / "html").rglob("*.bin")
        return {file.relative_to(book.folder).as_posix(): file.read_bytes() for file in files}

    def name():
        return re.search(r'"name":"([\w.-]+)"', book.page("two"))[1]

    book.append("book/two.md", cell(CARRIER))
    good(book.build())
    first = name()
    assert served() == {f"_build/html/_static/udl/{first}": b"weights" * 1000}
    assert "data-file" not in book.page("two")
    pages = [p for p in (book.folder / "_build" / "html").rglob("*") if p.suffix != ".bin"]
    code = b"d2VpZ2h0c3dlaWdodHN3ZWlnaHRz"  # weightsweightsweights
    assert [p for p in pages if p.is_file() and code in p.read_bytes()] == []
    # A page that is not written again keeps its file; one that is, loses the old one.
    book.edit("book/one.md", "Some prose", "Other prose")
    good(book.build())
    assert list(served()) == [f"_build/html/_static/udl/{first}"]
    assert book.ran() == []
    book.edit("book/two.md", "* 1000", "* 500")
    good(book.build())
    assert name() != first
    assert served() == {f"_build/html/_static/udl/{name()}": b"weights" * 500}


# What fails


@pytest.mark.book
def test_cells_that_fail_are_named_with_their_place_also_the_second_time(book):
    book.append("book/one.md", cell("x = 0\n\n1 / x\n"))
    book.append("book/two.md", cell("%precision 3\nfirst = 1\nsecond = = 2\n"))
    book.append("book/three.md", cell('import importlib\nimportlib.import_module("toy.c")\n'))
    end = cell(
        """
        os.kill(os.getpid(), 9)
        import time
        time.sleep(60)
        """
    )
    book.add("four", chapter("four", "", "4", end))

    def place(name, line):
        lines = book.read(f"book/{name}.md").splitlines()
        return f"{name}.md:{lines.index(line) + 1}: code cell"

    for _ in range(2):
        status, output = book.build()
        assert status != 0
        assert f"{place('one', '1 / x')} 3 failed" in output
        assert "ZeroDivisionError" in output
        assert f"{place('two', 'second = = 2')} 2 failed" in output
        assert "SyntaxError" in output
        assert f"{place('four', 'os.kill(os.getpid(), 9)')} 2 failed" in output
        assert "three.md: running it loads toy.c, which its imports do not show" in output
        assert {"one", "two", "three", "four"} == set(book.ran())


@pytest.mark.book
def test_a_broken_reference_fails_the_build_also_the_second_time(book):
    book.append("book/two.md", "See {ref}`sec-nowhere`.\n")
    for _ in range(2):
        status, output = book.build()
        assert status != 0
        assert "sec-nowhere" in output
        assert book.ran() == []
    book.edit("book/two.md", "{ref}`sec-nowhere`", "{numref}`fig-line`")
    good(book.build())


@pytest.mark.book
def test_every_defect_of_a_page_is_reported_also_the_second_time(book):
    caption = "caption: The loss is 8.11 here."
    book.append("book/one.md", drawing(f"name: fig-path, {caption}"))
    book.append("book/one.md", drawing("name: fig-short, caption: A line.", "alt: At 8.22."))
    book.append("book/one.md", drawing("", f"alt: {ALT}"))
    book.append("book/two.md", "It fell to 8.33 and to -8.44, [at 8.55](#ch-one), $x = 8.66$.\n")
    book.append("book/two.md", cell('import sys; print("careful", file=sys.stderr)'))
    book.append("book/two.md", "$$\n\\nosuchcommand{x}\n$$\n")
    book.append("book/two.md", "Closed: {glue:text}`two-result:.2f`; `8.77`; 12 rows.\n")
    allowed = 'three:\n  "2.5": given\n  "9.75": no longer\nmissing-page:\n  "1.5": given\n'
    book.write("book/allowed-numbers.yml", allowed)
    for _ in range(2):
        status, output = book.build("--keep-going")
        assert status != 0
        warned = [line for line in output.splitlines() if "WARNING" in line]

        def said(*words, lines=warned):
            return len([line for line in lines if all(word in line for word in words)])

        assert said("one", "has no alt text that says what it shows") == 2
        assert said("one", "is in no figure with a number and caption") == 1
        for number in ("8.11", "8.22", "8.33", "8.44", "8.55", "8.66"):
            assert said(f"{number} is typed into prose") == 1, number
        assert said("is typed into prose") == 6
        assert said("two", "stderr") == 1
        assert said("Undefined control sequence", "nosuchcommand") == 1
        assert said("allows 9.75, which book/three does not use") == 1
        assert said("names missing-page, which is no page") == 1
        assert len(warned) == 13, output


# The parts


@pytest.fixture
def package(tmp_path):
    """Return the import graph of a toy package."""
    files = {
        "__init__.py": "def __getattr__(name): ...\n",
        "a.py": "TABLE = 'table.csv'\n",
        "b.py": "from toy.sub import deep\n",
        "c.py": "def late():\n    import toy.a\n",
        "data.py": "",
        "sub/__init__.py": "from . import inner\n",
        "sub/inner.py": "",
        "sub/deep.py": "from .. import c\nfrom .inner import thing\n",
        "late/__init__.py": (
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from toy.late._tool import tool\n"
        ),
        "late/_tool.py": "import toy.a\n",
        "table.csv": "1\n",
        "other.csv": "1\n",
    }
    for name, text in files.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return extension("execution").Package(tmp_path / "toy")


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        ("", ""),
        ("import numpy as np; np.toy.a", ""),
        ("import toy", "toy"),
        ("import toy\ntoy.a.f()", "toy toy.a"),
        ("import toy.a as alpha, numpy", "toy toy.a"),
        ("from toy import a as alpha", "toy toy.a"),
        ("from toy.a import *", "toy toy.a"),
        ("def f():\n  from toy import c", "toy toy.c toy.a"),
        ("import toy.sub", "toy toy.sub toy.sub.inner"),
        ("from toy.late import other", "toy toy.late"),
        ("from toy.late import tool", "toy toy.late toy.late._tool toy.a"),
        ("from toy import late as l\nl.tool(1)", "toy toy.late toy.late._tool toy.a"),
        ("import toy.late\ntoy.late.tool(1)", "toy toy.late toy.late._tool toy.a"),
        ("def f():\n  late.tool(1)\nfrom toy import late", "toy toy.late toy.late._tool toy.a"),
        ("from toy.b import f", "toy toy.b toy.sub toy.sub.deep toy.sub.inner toy.c toy.a"),
    ],
)
def test_reach_follows_imports(package, source, reached):
    assert package.reach(source) == set(reached.split())


def test_the_cells_are_read_as_python_where_they_are_python():
    python = extension("execution").python
    assert python("%matplotlib inline\nimport toy.a\n!ls") == "\nimport toy.a\n"
    assert python("x = (7\n    % 4)") == "x = (7\n    % 4)"
    assert python("x = !ls\nimport toy.a") == ""
    assert python("second = = 2") == ""


def test_the_key_of_a_chapter_knows_files_data_and_packages(package, monkeypatch):
    execution = extension("execution")
    installed = {"data": "{}", "environment": "1"}
    monkeypatch.setattr(execution, "data_at_hand", lambda: installed["data"])
    monkeypatch.setattr(execution, "environment", lambda: installed["environment"])

    def keys():
        return [execution.key_of(package, {"toy", name}) for name in ("toy.a", "toy.data")]

    def changes():
        nonlocal before
        now = keys()
        differ = [a != b for a, b in zip(before, now, strict=True)]
        before = now
        return differ

    before = keys()
    assert changes() == [False, False]
    installed["data"] = '{"life": "surrogate"}'
    assert changes() == [False, True]
    installed["environment"] = "2"
    assert changes() == [True, True]
    (package.paths["toy"].parent / "table.csv").write_text("2\n")
    assert changes() == [True, False]
    (package.paths["toy"].parent / "other.csv").write_text("2\n")
    assert changes() == [False, False]


def test_the_real_data_sets_and_packages_are_in_the_key(monkeypatch):
    from udl import data

    execution = extension("execution")
    assert json.loads(execution.data_at_hand()) == data.available()
    packages = execution.environment()
    assert f"numpy=={importlib.metadata.version('numpy')}" in packages
    assert sys.version.split()[0] in packages


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12 points, 2 of 3, x1, UTF-8, H100, 60 rows", []),
        ("CC-BY-4.0, 2020-01-15, 1.0.4, 3-1, page 7.", []),
        ("The loss is 7.07.", ["7.07"]),
        ("between 65.4–70.7 years, 77.3%, (0.5)", ["65.4", "70.7", "77.3", "0.5"]),
        ("-0.35, −1.5, +2.5, .05", ["0.35", "1.5", "2.5", ".05"]),
        ("0.15s, 3.5x, 3.5×", ["0.15", "3.5", "3.5"]),
        ("2938 rows, 1,000 in all, 1e-9, in 2014.", ["2938", "1,000", "1e-9", "2014"]),
    ],
)
def test_numbers_that_look_like_results(text, found):
    assert extension("prose").suspicious(text) == found


@pytest.fixture(scope="module")
def drawings():
    """Return two figures with text, clipping, markers and a raster, as a chapter draws them."""
    import io

    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    from udl import plot

    found = []
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "test"}):
        for title in ("a b c", "b c d"):
            figure = Figure()
            ax = figure.subplots()
            ax.set_title(title, color=plot.INK)
            ax.plot([0, 1], [0, 1], "o-", color=plot.BLUE)
            ax.imshow(np.eye(2))
            file = io.StringIO()
            figure.savefig(file, format="svg")
            found.append(file.getvalue())
    return found


def test_figures_of_a_page_are_drawn_once_in_the_colors_of_the_theme(drawings):
    from udl import plot

    figures = extension("figures")
    seen: set[str] = set()
    made = [
        figures.themed(figures.share_glyphs(svg, seen), f"f{number}", 'a "b" & <c>')
        for number, svg in enumerate(drawings, 1)
    ]
    page = ET.fromstring(f"<div>{''.join(made)}</div>")
    ids = [e.attrib["id"] for e in page.iter() if "id" in e.attrib]
    assert len(ids) == len(set(ids))
    uses = [e.attrib["href"] for e in page.iter() if "href" in e.attrib]
    local = {use.removeprefix("#") for use in uses if use.startswith("#")}
    assert len(local) > 10
    assert [use for use in uses if not use.startswith(("#", "data:image/png;base64,"))] == []
    clips = set(re.findall(r"url\(#([^)]*)\)", "".join(made)))
    assert len(clips) >= 2
    assert local | clips <= set(ids)
    # All letters but the d come from the first figure.
    assert [svg.count('<path id="DejaVu') > 5 for svg in made] == [True, False]
    assert made[1].count('<path id="DejaVu') == 1
    for svg in page:
        assert not list(svg.iter("{http://www.w3.org/2000/svg}style"))
        assert svg.attrib["aria-label"] == 'a "b" & <c>'
        assert svg.attrib["role"] == "img"
    text = "".join(made).lower()
    for name in ("INK", "BLUE"):
        assert getattr(plot, name).lower() in drawings[0].lower()
        assert getattr(plot, name).lower() not in text
        assert f"var(--udl-{name.lower()})" in text


def sections(*lengths: int) -> nodes.document:
    """Return a page with a section of each length, in letters: five are its heading's."""
    doctree = new_document("page")
    page = nodes.section("", ids=["page"])
    doctree += page
    for number, length in enumerate(lengths):
        section = nodes.section("", ids=[f"s{number}"])
        section += nodes.title(text="Title")
        section += nodes.paragraph(text="x" * (length - 5))
        page += section
    return doctree


def test_long_pages_say_how_long_their_sections_are(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    page = extension("page")
    from figures import drawing  # the modules that page.py knows
    from timings import measured

    doctree = sections(100, 250, 1000, 40, 5)
    html = "".join(f'<section id="s{number}"><h2>Title</h2></section>' for number in range(5))
    found = re.findall(
        r'<section id="(\w+)" style="--letters:(\d+)">', page.with_lengths(html, doctree)
    )
    assert found == [("s0", "100"), ("s1", "250"), ("s2", "1000"), ("s3", "40"), ("s4", "5")]
    # Markup is no text; an interactive or a figure is some lines high.
    first = doctree[0][0]
    first += nodes.raw("", '<div class="udl-widget">{"many": "settings"}</div>', format="html")
    first += drawing(svg="<svg></svg>", alt="A figure")
    assert 300 <= (length := page.text_length(first)) - 100 <= 900
    first += measured("", nodes.literal_block(text="3.1 seconds"))
    first += measured("", nodes.Text("3.1"))
    assert page.text_length(first) == length
    first += measured("", drawing(svg="<svg></svg>", alt="Another figure"))
    assert page.text_length(first) > length
    assert page.with_lengths(html, sections(100, 100, 100, 100)) == html
    assert page.with_lengths(html, None) == html


def places(path: str) -> list[tuple[float, float]]:
    """Follow the pen through a path of relative lines, as the SVG standard reads it."""
    pen = first = (0.0, 0.0)
    found = []
    for ring in re.findall(r"m([^mz]*)", path):
        numbers = [float(n) for n in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", ring)]
        for k in range(0, len(numbers), 2):
            pen = pen[0] + numbers[k], pen[1] + numbers[k + 1]
            first = first if k else pen
            found.append(pen)
        pen = first  # rings of this test are closed
    return found


def test_a_shortened_path_goes_through_the_same_places():
    import numpy as np

    short = extension("figures").short
    points = np.random.default_rng(0).uniform(-300, 300, (400, 2))
    points[5] = points[4]
    rings = np.split(points, [3, 90, 92])
    path = "".join(
        "".join(f"{'L' if k else 'M'} {x:.6f} {y:.6f} \n" for k, (x, y) in enumerate(ring)) + "z\n"
        for ring in rings
    )
    made = short(path)
    np.testing.assert_allclose(places(made), points, atol=0.051)
    assert made.count("z") == len(rings)
    assert len(made) < 0.55 * len(path)
    assert short("M 1 2 \nL 3 2.25 \n") == "m1 2 2 .2"
    curve = "M 0 3 \nC 0.79 3 1.5 2.6 2.1 2.1 \nz"
    assert short(curve) == curve


def test_the_characters_of_a_style_sheet_are_found_with_their_fonts():
    css = r"""
        mjx-c.mjx-c1D465.TEX-I::before {padding: 0.442em 0.572em 0.011em 0; content: "x"}
        mjx-c.mjx-c2B::before {padding: 0; content: "+"}
        mjx-c.mjx-c22::before {padding: 0; content: "\22"}
        mjx-c.mjx-c5C::before {padding: 0; content: "\\"}
        mjx-c.mjx-c7B::before {padding: 0; content: "{"}
        mjx-c.mjx-c7D::before {padding: 0; content: "}"}
        mjx-c.mjx-c2211.TEX-S2::before {padding: 0; content: "\2211 "}
    """
    css = extension("mathematics").page_rules(css).replace('content: "', 'content:"')
    expected = {
        ("Math-Italic", "x"),
        ("Main-Regular", "+"),
        ("Main-Regular", '"'),
        ("Main-Regular", "\\"),
        ("Main-Regular", "{"),
        ("Main-Regular", "}"),
        ("Size2-Regular", "\N{N-ARY SUMMATION}"),
    }
    assert extension("mathematics").characters(css) == expected


def paragraph(*parts: nodes.Node | str) -> nodes.document:
    """Make a page of one paragraph; a text in dollar signs is a formula."""
    document = new_document("one.md")
    document.settings.env = SimpleNamespace(current_builder="html", config=None)
    made = [
        part
        if isinstance(part, nodes.Node)
        else nodes.math("", part[1:-1])
        if part[0] == "$"
        else nodes.Text(part)
        for part in parts
    ]
    document += nodes.paragraph("", "", *made)
    return document


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        (["the slope is ", "$a$", ", and ", "$b$", "."], ["a,", "b."]),
        (["(", "$a$", ") and (see ", "$b$", ")"], ["(a)", "b)"]),
        (["“", "$a$", "”. Then"], ["“a”."]),
        (["$a$", "/", "$b$", "?"], ["a/", "b?"]),
        (["where ", "$a$", " is, and\n", "$b$", "\nis not"], []),
        ([nodes.strong("", "", nodes.Text("of "), nodes.math("", "a"), nodes.Text(":"))], ["a:"]),
        (["by GPT-3, of 2026-11-22"], ["GPT-3", "2026-11-22"]),
        (["Fig. 3-4, x-axis, 10.1007/s10994-021-05946-3, 1-2-3"], []),
        (["an F-1-score, A-1/2, TV-1s, CC-BY-4, a/GPT-3"], []),
        ([nodes.literal("", "GPT-3")], []),
    ],
)
def test_no_line_begins_with_what_belongs_to_the_line_before(parts, kept):
    document = paragraph(*(p.deepcopy() if isinstance(p, nodes.Node) else p for p in parts))
    before = document.astext()
    mathematics = extension("mathematics")
    mathematics.Keep(document).run()
    found = [n.astext() for n in document.findall(nodes.inline) if "udl-kept" in n["classes"]]
    assert found == kept
    assert document.astext() == before
    assert all(n.parent.index(n) >= 0 for n in document.findall() if n.parent)
    assert all(document.findall(nodes.Text)), "no text is empty"
    assert re.search(r"\.udl-kept\s*\{\s*white-space:\s*nowrap\s*\}", mathematics.KEPT_RULE)


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        (f"{1.2e-16:.0e}", "10^−16"),
        (f"{1.47e-4:.2e}", "1.47 · 10^−4"),
        (f"{6e11:.0e}", "6 · 10^11"),
        (f"{1e100:.0e}", "10^100"),
        (f"{-5e-13:.0e}", "−5 · 10^−13"),
        (f"{-1e3:.0e}", "−10^3"),
        (f"{0:.0e}", "0"),
        (f"{3:.0e}", "3"),
        (f"{-1.4743:.4f}", "−1.4743"),
        (f"{-1234.5:,.1f}", "−1,234.5"),
        (f"{-0.25:.0%}", "−25%"),
        (f"{1234.5:,.1f}", "1,234.5"),
        (f"{2.5:+.1f}", "+2.5"),
        ("x-1", "x-1"),
        ("-1 to 1", "-1 to 1"),
        ("1e5 of them", "1e5 of them"),
    ],
)
def test_glued_numbers_are_written_as_a_person_writes_them(printed, written):
    glued = nodes.inline("", printed, classes=["pasted-text"])
    typed = nodes.inline("", printed)
    document = paragraph(glued, typed)
    extension("mathematics").Write(document).apply()
    shown = "".join(
        f"^{n.astext()}" if isinstance(n, nodes.superscript) else n.astext()
        for n in glued.children
    )
    assert shown.replace("\N{NO-BREAK SPACE}", " ") == written
    assert " · " not in shown, "a line could be broken there"
    assert typed.astext() == printed, "what nobody computed is left alone"


def test_a_formula_that_was_never_typeset_is_reported(monkeypatch):
    mathematics = extension("mathematics")
    said = []
    monkeypatch.setattr(mathematics.logger, "warning", lambda text, *args, **_: said.append(args))
    env = SimpleNamespace(udl_math={})
    builder = SimpleNamespace(env=env, current_docname="one")
    with pytest.raises(nodes.SkipNode):
        mathematics.html_of(SimpleNamespace(builder=builder), nodes.math("x^2", "x^2"))
    assert said == [("x^2",)]
