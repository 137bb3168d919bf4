"""The lecture map against the pages, read without the extension; then the extension itself."""

import importlib.util
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


def sections(row: dict[str, str]) -> list[str]:
    return [row["section"], *row.get("also", "").split()]


def test_the_rows_of_a_deck_are_in_slide_order_and_do_not_overlap():
    for deck in CONTENT["decks"]:
        spans = [lines(row) for row in ROWS if row["deck"] == deck]
        assert spans, deck
        assert all(first <= last for first, last in spans)
        for (_, last), (first, _) in itertools.pairwise(spans):
            assert last < first, f"{deck}: {first} comes after {last}"


def test_no_row_goes_past_the_end_of_its_deck_and_each_deck_is_covered_to_its_end():
    for name, deck in CONTENT["decks"].items():
        spans = [lines(row) for row in ROWS if row["deck"] == name]
        assert 1 <= spans[0][0]
        assert spans[-1][1] <= deck["length"]
        if name != "ips-2024":  # one label; the other slides are those of 2025
            # Title pages, and a page of thanks at the end; between topics the pictures of a slide.
            assert spans[0][0] <= 24
            assert deck["length"] - spans[-1][1] <= 21
            assert all(b - a <= 43 for (_, a), (b, _) in itertools.pairwise(spans)), name


def test_every_row_is_complete_and_nothing_is_promised():
    assert set(CONTENT) == {"decks", "beyond", "rows"}
    for row in ROWS:
        assert {"deck", "lines", "topic", "section"} <= set(row), row
        assert set(row) <= {"deck", "lines", "topic", "section", "also", "note"}, row
        assert not re.search(r"\bwill\b", f"{row['topic']} {row.get('note', '')}"), row
        assert 3 < len(row["topic"]) < 90, row
        assert not row["topic"].endswith("."), row
        assert row.get("note", ".").endswith("."), row


def test_every_section_that_a_row_names_is_a_labeled_heading_of_exactly_one_page():
    defined = [label for text in TEXTS.values() for label in labels(text)]
    assert len(defined) == len(set(defined))
    assert {label for row in ROWS for label in sections(row)} <= set(defined)


def test_every_labeled_section_is_covered_by_a_row_or_declared_as_beyond_the_decks():
    covered = {label for row in ROWS for label in sections(row)}
    beyond = set(CONTENT["beyond"])
    assert not covered & beyond
    assert {label for text in TEXTS.values() for label in labels(text)} == covered | beyond


def test_chapters_that_cover_rows_say_so_and_others_do_not():
    covered = {label for row in ROWS for label in sections(row)}
    for name, text in TEXTS.items():
        if name != "bibliography.md":
            assert ("```{covers}" in text) == bool(covered & set(labels(text))), name


def test_every_deck_has_its_table():
    tables = re.findall(r"^```\{lecture-map\} (\S+)$", TEXTS["lectures.md"], re.MULTILINE)
    assert tables == list(CONTENT["decks"])


def test_the_map_goes_the_other_way_too():
    assert TEXTS["lectures.md"].count("```{section-map}\n```") == 1


def test_a_slide_check_has_a_name_of_its_own():
    titles = [t for text in TEXTS.values() for t in re.findall(r"\{slide-check\} (.+)", text)]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("page", [name for name in TEXTS if SLIDE_CHECK.search(TEXTS[name])])
def test_slide_checks_point_at_slides_that_the_page_covers(page):
    for options in SLIDE_CHECK.findall(TEXTS[page]):
        check = dict(re.findall(r"^:(\w+): +(.+)$", options, re.MULTILINE))
        first, last = lines(check)
        about = {
            label
            for row in ROWS
            if row["deck"] == check["deck"] and lines(row)[0] <= last and first <= lines(row)[1]
            for label in sections(row)
        }
        assert about & set(labels(TEXTS[page])), check


SPEC = importlib.util.spec_from_file_location("book_lectures", BOOK / "_ext" / "lectures.py")
EXTENSION = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(EXTENSION)
MINIATURE = {
    "conf.py": """\
        import sys
        sys.path.insert(0, "_ext")
        extensions = ["sphinx_exercise", "myst_parser", "lectures", "mathematics", "slide_checks"]
        html_math_renderer = "typeset"
        myst_enable_extensions = ["dollarmath"]
        numfig = True
        """,
    "index.md": """\
        # Book

        ```{toctree}
        second
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

        ````{slide-check} A slip
        :deck: one
        :lines: 4-5
        Both versions, $a^2$, as in [](#sec-b) and {numref}`fig-here`; {ref}`ex-why`.

        ```{figure} dot.svg
        :name: fig-here
        A dot.
        ```
        ````

        ```{exercise}
        :label: ex-why
        Why?
        ```

        (sec-0)=
        ## A last section
        """,
    "second.md": """\
        # The second

        ```{covers}
        ```

        (sec-b)=
        ## A section of the second

        (sec-1)=
        ## More about it
        """,
    "map.md": """\
        # Map

        ```{lecture-map} one
        ```

        ```{section-map}
        ```
        """,
    "checks.md": "# Checks\n\n```{slide-check-list}\n```\n",
    "dot.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
    "lectures.yml": """\
        decks: {one: {short: ONE, title: A lecture, origin: A place, length: 9}}
        beyond: [sec-0]
        rows:
          - {deck: one, lines: 1-5, topic: The first topic, section: sec-a}
          - {deck: one, lines: "7", topic: The second topic, section: sec-b, also: sec-1}
          - {deck: one, lines: 8-9, topic: The third topic, section: sec-a}
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
    for name in ("lectures.py", "mathematics.py", "slide_checks.py"):
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


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


def test_links_lead_from_chapter_to_map_and_back_and_follow_changes(book):
    assert build(book).returncode == 0  # all is read anew in a new folder, and then no more
    assert page(book, "map").count('href="chapter.html#sec-a"') == 3
    assert '<tr class="row-even" id="lecture-one-1-5">' in page(book, "map")
    assert "This chapter covers 2 topics of the lectures: ONE" in page(book, "chapter")
    assert page(book, "chapter").count('href="map.html#lecture-one-1-5"') == 2
    # The chapters in the order of the book, not of the alphabet; lines lead to the table above.
    table = page(book, "map").partition("section-map")[2].partition("</table>")[0]
    assert plain(table).partition("Slides ")[2].split("ONE") == [
        "The second A section of the second ",
        " 7 More about it ",
        " 7 The chapter A section ",
        " 1–5, 8–9 A last section beyond the slides ",
    ]
    assert re.findall('href="#(.*?)"', table) == [
        "lecture-one-7",
        "lecture-one-7",
        "lecture-one-1-5",
        "lecture-one-8-9",
    ]

    assert "A section of the second; More about it" in plain(page(book, "map"))

    change(book / "chapter.md", "## A section", "## Another title")
    assert build(book).returncode == 0
    assert page(book, "map").count("Another title") == 3

    change(book / "chapter.md", "(sec-0)=\n## A last section\n", "")
    change(book / "second.md", "(sec-b)=", "(sec-0)=\n## A first section\n\n(sec-b)=")
    assert build(book).returncode == 0
    table = page(book, "map").partition("section-map")[2].partition("</table>")[0]
    assert "A first section beyond the slides A section of the second ONE 7" in plain(table)

    change(book / "lectures.yml", "The first topic", "The renamed topic")
    assert build(book).returncode == 0
    assert "The renamed topic" in page(book, "map")
    assert "The renamed topic" in page(book, "chapter")


def test_the_page_of_slide_checks_shows_each_in_full_and_follows_changes(book):
    assert build(book).returncode == 0
    html = page(book, "checks")
    box = html.partition('class="slide-check admonition"')[2].partition("</section>")[0]
    assert 'href="second.html#sec-b"' in box
    exercise = box.partition('href="chapter.html#ex-why"')[2].partition("</a>")[0]
    assert plain(f"<a{exercise}") == "Exercise 1"
    assert 'href="chapter.html#fig-here"' in box  # the number leads to the figure,
    assert "dot.svg" not in html  # which is not repeated
    assert "<mjx-container" in box
    # The rules that the formula needs are in the fonts of the book.
    assert "MJXTEX" in (book / "_build" / "_static" / "math.css").read_text(encoding="utf-8")
    footer = plain(box.partition("slide-check-source")[2])
    assert "Chapter: The chapter. Slide: ONE, lines 4–5" in footer
    assert 'href="chapter.html#slide-check-a-slip"' in box
    assert 'href="map.html#lecture-one-1-5"' in box
    assert 'href="#slide-check-a-slip"' in html
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "slide-check-a-slip" in ids

    before = page(book, "checks")
    change(book / "second.md", "# The second\n", "# The second\n\nA word more.\n")
    assert build(book).returncode == 0
    assert page(book, "checks") == before
    change(book / "chapter.md", "Both versions, $a^2$", "Both versions, $b^3$")
    assert build(book).returncode == 0
    assert "$a^2$" not in page(book, "checks")
    assert page(book, "checks").count("<mi>b</mi>") == 1
    change(book / "checks.md", "# Checks", "# All checks")
    assert build(book).returncode == 0
    assert page(book, "checks").count("<mi>b</mi>") == 1
    change(book / "chapter.md", "} A slip", "} A blunder")
    assert build(book).returncode == 0
    assert 'href="chapter.html#slide-check-a-blunder"' in page(book, "checks")


AGAIN = "of the second\n\n```{slide-check} A slip\n:deck: one\n:lines: 7\nAgain.\n```"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("lectures.yml", "section: sec-b", "section: sec-c", "no section is labeled 'sec-c'"),
        ("chapter.md", "(sec-a)=", "(sec-z)=", "no section is labeled 'sec-a'"),
        ("lectures.yml", "beyond: [sec-0]", "beyond: [sec-c]", "no section is labeled 'sec-c'"),
        ("map.md", "```{lecture-map} one\n```", "Nothing.", "deck 'one' stands on no page"),
        ("map.md", "{lecture-map} one", "{lecture-map} two", "expected a deck of one, got 'two'"),
        ("chapter.md", ":lines: 4-5", ":lines: 6", "no row of deck 'one' holds a line of '6'"),
        ("chapter.md", ":deck: one\n", "", "chapter.md:9: slide-check needs :deck:"),
        ("checks.md", "```{slide-check-list}", "```{covers}", "checks: no row of lectures.yml"),
        ("second.md", "of the second", AGAIN, "chapter: a slide check on second is called"),
    ],
)
def test_a_mistake_stops_the_build_and_is_named(book, file, old, new, message):
    change(book / file, old, new)
    done = build(book)
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", topic: The second topic", "", "row 2 .*: missing topic"),
        (", section: sec-b", "", "row 2 .*: missing section"),
        ("section: sec-b", "section: sec-b, page: 3", "row 2 .*: unknown field page"),
        ("topic: The second topic", 'topic: ""', "row 2 .*: empty topic"),
        ('lines: "7"', "lines: 4-7", "row 2 .*: expected a line after those of 'The first topic'"),
        ("lines: 8-9", "lines: 8-10", "row 3 .*: the deck has 9 lines"),
        ("lines: 1-5", "lines: 5-1", "row 1 .*: expected lines such as"),
        ("length: 9", "length: nine", "row 1 .*: expected lines such as"),
        (", length: 9", "", "deck one: missing length"),
        ("deck: one, lines: 1-5", "deck: two, lines: 1-5", "row 1 .*: unknown deck"),
        ("beyond: [sec-0]", "chapters: []", "expected exactly the parts beyond, decks, rows"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, old, new, message):
    path = tmp_path / "lectures.yml"
    path.write_text(re.sub("^ {8}", "", MINIATURE["lectures.yml"], flags=re.MULTILINE))
    assert len(EXTENSION.lectures(path).rows) == 3
    change(path, old, new)
    with pytest.raises(Exception, match=message):
        EXTENSION.lectures(path)


def test_a_mistake_is_not_forgotten_by_the_next_build(book):
    change(book / "chapter.md", "(sec-a)=\n", "")
    assert [build(book).returncode for _ in range(2)] == [2, 2]
