"""The glossary's links, tried on a book of two chapters."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXTENSIONS = ROOT / "book" / "_ext"

MINIATURE = {
    "conf.py": """\
        import sys
        sys.path.insert(0, "_ext")
        extensions = ["myst_parser", "terms"]
        """,
    "index.md": """\
        # Book

        A loss is no link here, since this is no chapter.

        ```{toctree}
        one
        two
        ```
        ```{toctree}
        :caption: Reference
        words
        ```
        """,
    "one.md": """\
        # A loss of one

        The code `loss` and [the loss](#sec-loss). A *loss
        function*, and another loss function.

        (sec-loss)=
        ## What a loss is

        A **loss** says how wrong a model is. Hidden units have no loss.

        (sec-unit)=
        ## Units

        A **hidden unit** is between. The criteria are below.

        | loss | table |
        | --- | --- |
        | loss function | unit |
        """,
    "two.md": """\
        # Two

        Hidden
        Units and a hidden unit. Loss-free, lossy; then a LOSS, and a loss.
        """,
    "words.md": """\
        # Words

        ```{terms}
        criterion
          :at: sec-unit
          :forms: criteria
          :pages: one
          What decides.
        hidden unit
          :at: sec-unit
          :also: hidden node
          A node with a {ref}`loss <sec-loss>`.
        loss
          :at: sec-loss
          A number.

          More of it.
        loss function
          :at: sec-loss
          :pages: one
          What computes it.
        table
          :at: sec-unit
          Rows.
        ```
        """,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the book."""
    folder = tmp_path_factory.mktemp("terms") / "book"
    (folder / "_ext").mkdir(parents=True)
    for name, text in MINIATURE.items():
        text = re.sub(r"^ {8}", "", text, flags=re.MULTILINE)
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("lectures.py", "terms.py"):
        shutil.copy(EXTENSIONS / name, folder / "_ext" / name)
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def book(built, tmp_path):
    """Return a copy of it, to be changed."""
    return shutil.copytree(built, tmp_path / "book")


def build(book: Path, builder: str = "html") -> subprocess.CompletedProcess[str]:
    folder = "_build" if builder == "html" else f"_build/{builder}"
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", builder, ".", folder]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=book, capture_output=True, text=True, env=environment)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def page(book: Path, name: str) -> str:
    return (book / "_build" / f"{name}.html").read_text(encoding="utf-8")


def links(book: Path, name: str) -> list[tuple[str, str]]:
    """Return anchor and text of the terms that a page links."""
    found = re.findall(
        r'<a class="[^"]*\bterm\b[^"]*" href="words.html#term-([\w-]+)"[^>]*>([^<]*)</a>',
        page(book, name),
    )
    return [(anchor, " ".join(text.split())) for anchor, text in found]


def test_the_first_use_on_a_page_is_a_link_in_prose_alone_and_not_below_the_definition(built):
    assert links(built, "one") == [
        ("loss-function", "loss function"),
        ("hidden-unit", "Hidden units"),
        # The first hidden unit stands above its section; what stands in the section is no link.
    ]
    assert links(built, "two") == [("hidden-unit", "Hidden Units"), ("loss", "LOSS")]
    assert links(built, "index") == links(built, "words") == []


def test_the_text_stays_as_it_is(built):
    def text(html):
        main = html.split('class="body"')[1].split('class="sphinxsidebar"')[0]
        return " ".join(re.sub("<[^>]*>", "", main).replace("¶", "").split())

    assert "Hidden Units and a hidden unit. Loss-free, lossy; then a LOSS, and a loss." in text(
        page(built, "two")
    )


def test_the_glossary_names_sections_other_names_and_the_chapters(built):
    words = re.sub(r"\s+", " ", page(built, "words"))
    assert (
        'Also: hidden node · Section: <a class="reference internal" href="one.html#sec-unit">'
        in (words)
    )
    assert re.findall(r"<summary>(.*?)</summary>", words) == [
        "Used in 1 chapter",
        "Used in 2 chapters",
        "Used in 2 chapters",
        "Used in 1 chapter",
        "Used in 1 chapter",
    ]
    assert 'href="two.html#use-term-loss"' in words
    assert 'id="use-term-loss"' in page(built, "two")
    assert "<p>More of it.</p>" in words
    assert re.findall(r'href="#term-[\w-]+">(\w)</a>', words) == ["C", "H", "L", "T"]


def test_the_glossary_is_in_a_book_of_plain_text_too(book):
    done = build(book, "text")
    assert done.returncode == 0, done.stderr
    text = (book / "_build" / "text" / "words.txt").read_text(encoding="utf-8")
    assert "A number." in text
    assert "Two" in text


def test_a_build_after_a_change_is_like_the_first(book):
    assert build(book).returncode == 0  # all is read anew in a new folder, and then no more
    change(book / "two.md", "LOSS", "gain")
    change(book / "words.md", "  :pages: one\n  What decides.", "  What decides.")
    change(book / "words.md", ":forms: criteria", ":forms: criteria, gain")
    change(book / "words.md", "What computes", ":forms: the code\n  What computes")
    assert build(book).returncode == 0
    found = {name: (links(book, name), page(book, name)) for name in ("one", "two", "words")}
    assert found["one"][0][0] == ("loss-function", "The code")  # the page itself is the same
    assert found["two"][0] == [
        ("hidden-unit", "Hidden Units"),
        ("criterion", "gain"),
        ("loss", "loss"),
    ]
    shutil.rmtree(book / "_build")
    assert build(book).returncode == 0
    assert found == {name: (links(book, name), page(book, name)) for name in found}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("one.md", "criteria", "rules", "words: 'criterion': no chapter uses it"),
        ("words.md", ":at: sec-unit\n  :also", ":at: sec-u\n  :also", "labeled 'sec-u'"),
        ("words.md", "{ref}`loss <sec-loss>`", "{ref}`loss <sec-l>`", "undefined label: 'sec-l'"),
        (
            "words.md",
            ":pages: one\n  What decides",
            ":pages: six\n  What",
            "no chapter is called six",
        ),
        ("words.md", ":forms: criteria", ":forms: criteria, loss", "'loss': 'loss' is a form of"),
        ("words.md", "hidden unit\n", "a unit\n", "words.md:8: 'a unit' comes after 'criterion'"),
        (
            "words.md",
            "  :at: sec-loss\n  A number",
            "  A number",
            "words.md:12: 'loss' needs :at:",
        ),
    ],
)
def test_a_mistake_stops_the_build_and_is_named(book, file, old, new, message):
    change(book / file, old, new)
    done = build(book)
    assert done.returncode != 0
    assert message in done.stderr, done.stderr
