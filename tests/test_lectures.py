"""The lecture map against the pages, read without the extension; then the extension itself."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
CONTENT = yaml.safe_load((BOOK / "lectures.yml").read_text(encoding="utf-8"))
ROWS = CONTENT["rows"]
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(BOOK.glob("*.md"))}
LABELED_HEADING = re.compile(r"^\((sec-[\w-]+)\)=\n+#+ +\S", re.MULTILINE)
SLIDE_CHECK = re.compile(r"^`{3,}\{slide-check\} .+\n((?::\w+:.*\n)+)", re.MULTILINE)


def labels(text: str) -> list[str]:
    return LABELED_HEADING.findall(text)


def lines(row: dict[str, object]) -> tuple[int, int]:
    first, _, last = str(row["lines"]).partition("-")
    return int(first), int(last or first)


def test_the_rows_of_a_deck_are_in_slide_order_and_do_not_overlap():
    for deck in CONTENT["decks"]:
        spans = [lines(row) for row in ROWS if row["deck"] == deck]
        assert spans, deck
        assert all(first <= last for first, last in spans)
        for (_, last), (first, _) in itertools.pairwise(spans):
            assert last < first, f"{deck}: {first} comes after {last}"


def test_every_row_is_complete():
    for row in ROWS:
        assert {"deck", "lines", "topic"} <= set(row), row
        assert set(row) <= {"deck", "lines", "topic", "section", "later", "note"}, row
        assert ("section" in row) != ("later" in row), row
        assert row.get("later", CONTENT["chapters"][0]) in CONTENT["chapters"], row
        assert 3 < len(row["topic"]) < 90, row
        assert not row["topic"].endswith("."), row
        assert row.get("note", ".").endswith("."), row


def test_every_section_that_a_row_names_is_a_labeled_heading_of_exactly_one_page():
    defined = [label for text in TEXTS.values() for label in labels(text)]
    assert len(defined) == len(set(defined))
    assert {row["section"] for row in ROWS if "section" in row} <= set(defined)


def test_every_labeled_section_is_covered_by_a_row_or_declared_as_beyond_the_decks():
    covered = {row["section"] for row in ROWS if "section" in row}
    beyond = set(CONTENT["beyond"])
    assert not covered & beyond
    assert {label for text in TEXTS.values() for label in labels(text)} == covered | beyond


def test_chapters_that_cover_rows_say_so_and_others_do_not():
    covered = {row["section"] for row in ROWS if "section" in row}
    for name, text in TEXTS.items():
        if name != "bibliography.md":
            assert ("```{covers}" in text) == bool(covered & set(labels(text))), name


def test_every_deck_has_its_table():
    tables = re.findall(r"^```\{lecture-map\} (\S+)$", TEXTS["lectures.md"], re.MULTILINE)
    assert tables == list(CONTENT["decks"])


def test_a_chapter_to_come_is_not_there_yet():
    titles = {text.split("\n# ", 1)[-1].partition("\n")[0] for text in TEXTS.values()}
    assert not titles & set(CONTENT["chapters"])


@pytest.mark.parametrize("page", [name for name in TEXTS if SLIDE_CHECK.search(TEXTS[name])])
def test_slide_checks_point_at_slides_that_the_page_covers(page):
    for options in SLIDE_CHECK.findall(TEXTS[page]):
        check = dict(re.findall(r"^:(\w+): +(.+)$", options, re.MULTILINE))
        first, last = lines(check)
        sections = {
            row.get("section")
            for row in ROWS
            if row["deck"] == check["deck"] and lines(row)[0] <= last and first <= lines(row)[1]
        }
        assert sections & set(labels(TEXTS[page])), check


MINIATURE = {
    "conf.py": """\
        import sys
        sys.path.insert(0, "_ext")
        extensions = ["myst_parser", "lectures", "slide_checks"]
        """,
    "index.md": """\
        # Book

        ```{toctree}
        chapter
        map
        checks
        ```
        """,
    "chapter.md": """\
        # The chapter

        ```{covers}
        ```

        (sec-a)=
        ## A section

        ```{slide-check} A slip
        :deck: one
        :lines: 4-5
        Both versions.
        ```
        """,
    "map.md": "# Map\n\n```{lecture-map} one\n```\n",
    "checks.md": "# Checks\n\n```{slide-check-list}\n```\n",
    "lectures.yml": """\
        decks: {one: {short: ONE, title: A lecture, origin: A place}}
        chapters: [Next]
        beyond: []
        rows:
          - {deck: one, lines: 1-5, topic: The first topic, section: sec-a}
          - {deck: one, lines: "7", topic: The second topic, later: Next}
        """,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build a book of one chapter."""
    folder = tmp_path_factory.mktemp("lectures") / "book"
    (folder / "_ext").mkdir(parents=True)
    for name, text in MINIATURE.items():
        text = re.sub(r"^ {8}", "", text, flags=re.MULTILINE)
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("lectures.py", "slide_checks.py"):
        # The extension looks for its file one folder up, as in the book.
        shutil.copy(BOOK / "_ext" / name, folder / "_ext" / name)
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def book(built, tmp_path):
    """Return a copy of it, to be broken."""
    return shutil.copytree(built, tmp_path / "book")


def build(book: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ".", "_build"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=book, capture_output=True, text=True, env=environment)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def page(book: Path, name: str) -> str:
    return (book / "_build" / f"{name}.html").read_text(encoding="utf-8")


def test_links_lead_from_chapter_to_map_and_back_and_follow_changes(book):
    assert build(book).returncode == 0  # all is read anew in a new folder, and then no more
    assert 'href="chapter.html#sec-a"' in page(book, "map")
    assert "will come with the chapter <em>Next</em>" in page(book, "map")
    assert '<tr class="row-even" id="lecture-one-1-5">' in page(book, "map")
    assert "This chapter covers 1 topic of the lectures: ONE" in page(book, "chapter")
    assert page(book, "chapter").count('href="map.html#lecture-one-1-5"') == 2
    assert 'href="chapter.html#slide-check-a-slip"' in page(book, "checks")

    change(book / "chapter.md", "## A section", "## Another title")
    change(book / "chapter.md", "} A slip", "} A blunder")
    assert build(book).returncode == 0
    assert "Another title" in page(book, "map")
    assert 'href="chapter.html#slide-check-a-blunder"' in page(book, "checks")

    change(book / "lectures.yml", "The first topic", "The renamed topic")
    assert build(book).returncode == 0
    assert "The renamed topic" in page(book, "map")
    assert "The renamed topic" in page(book, "chapter")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("lectures.yml", "section: sec-a", "section: sec-b", "no section is labeled 'sec-b'"),
        ("chapter.md", "(sec-a)=", "(sec-z)=", "no section is labeled 'sec-a'"),
        ("lectures.yml", "beyond: []", "beyond: [sec-c]", "no section is labeled 'sec-c'"),
        ("lectures.yml", ", topic: The second topic", "", "row 2 .*: missing topic"),
        ("lectures.yml", "section: sec-a", "section: sec-a, page: 3", "unknown field page"),
        ("lectures.yml", 'lines: "7"', "lines: 1-5", "row 2 .*: duplicate of 'The first topic'"),
        ("lectures.yml", "lines: 1-5", "lines: 5-1", "expected lines such as"),
        ("lectures.yml", ", later: Next", "", "expected either section or later"),
        ("lectures.yml", "later: Next", "later: Nowhere", "no chapter to come is called"),
        ("lectures.yml", "deck: one, lines: 1-5", "deck: two, lines: 1-5", "unknown deck"),
        ("map.md", "```{lecture-map} one\n```", "Nothing.", "deck 'one' stands on no page"),
        ("map.md", "{lecture-map} one", "{lecture-map} two", "expected a deck of one, got 'two'"),
        ("chapter.md", ":lines: 4-5", ":lines: 6", "no row of deck 'one' holds a line of '6'"),
        ("chapter.md", ":deck: one\n", "", "chapter.md:9: slide-check needs :deck:"),
        ("checks.md", "```{slide-check-list}", "```{covers}", "checks: no row of lectures.yml"),
    ],
)
def test_a_mistake_stops_the_build_and_is_named(book, file, old, new, message):
    change(book / file, old, new)
    done = build(book)
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr


def test_a_mistake_is_not_forgotten_by_the_next_build(book):
    change(book / "chapter.md", "(sec-a)=\n", "")
    assert [build(book).returncode for _ in range(2)] == [2, 2]
