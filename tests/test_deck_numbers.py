"""The numbers of the decks: the file against the pages, then the extension on a small book."""

import importlib.util
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

BOOK = Path(__file__).parent.parent / "book"
ROWS = yaml.safe_load((BOOK / "deck-numbers.yml").read_text(encoding="utf-8"))["rows"]
DECKS = yaml.safe_load((BOOK / "lectures.yml").read_text(encoding="utf-8"))["decks"]
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(BOOK.glob("*.md"))}
BIBLIOGRAPHY = (BOOK / "references.bib").read_text(encoding="utf-8")
PLAIN = "\n".join(TEXTS.values()).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
CHECKS = set(re.findall(r"\{slide-check\} (.+)", PLAIN))


@pytest.fixture(scope="module")
def extension():
    """Load the extension, whose siblings import each other by name."""
    sys.path.insert(0, str(BOOK / "_ext"))
    try:
        spec = importlib.util.spec_from_file_location(
            "book_numbers", BOOK / "_ext/deck_numbers.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(BOOK / "_ext"))


def lines(row):
    first, _, last = str(row["lines"]).partition("-")
    return int(first), int(last or first)


def listed(value):
    return value if isinstance(value, list) else [value]


def test_the_rows_of_a_deck_are_in_slide_order_and_within_it():
    for name, deck in DECKS.items():
        spans = [lines(row) for row in ROWS if row["deck"] == name]
        assert spans, name
        assert all(first <= last <= deck["length"] for first, last in spans)
        assert all(a[0] <= b[0] for a, b in itertools.pairwise(spans)), name


def test_the_file_is_as_the_extension_wants_it(extension):
    assert len(extension.rows()) == len(ROWS) > 100
    assert {row["deck"] for row in ROWS} == set(DECKS)


@pytest.mark.parametrize("field", ["source", "section", "check"])
def test_what_a_row_names_is_in_the_book(field):
    text = "\n".join(TEXTS.values())
    for row in ROWS:
        if name := row.get(field):
            found = {
                "source": f"{{{name},\n" in BIBLIOGRAPHY,
                "section": f"\n({name})=\n" in text,
                "check": name in CHECKS,
            }
            assert found[field], row


def test_each_number_of_ours_is_glued_by_the_page_that_the_row_names():
    for row in ROWS:
        for source in listed(row.get("ours", [])):
            page, _, key = source.removeprefix("-").partition(":")
            if page in {"bib", "eprint"}:
                assert f"{{{key},\n" in BIBLIOGRAPHY, row
            elif not (page == "here" and re.match(r"[nh]_|\w+_(rows|columns)$|(dead|live)", key)):
                text = TEXTS["deck-numbers" if page == "here" else page]
                assert re.search(rf"\b{key}\b", text), row


@pytest.mark.book
def test_in_the_built_book_each_number_has_come_to_a_verdict(extension):
    folder = BOOK.parent / "_build" / "jupyter_execute" / "book"
    glued = json.loads((folder / "deck-numbers.glue.json").read_text(encoding="utf-8"))
    for row in ROWS:
        keys = [s.split(":")[1] for s in listed(row.get("ours", [])) if s.startswith("here:")]
        assert set(keys) <= set(glued), row
    html = (BOOK.parent / "_build/html/book/deck-numbers.html").read_text(encoding="utf-8")
    assert html.count('<table class="deck-numbers') == len(DECKS)
    assert len(re.findall(r"<strong>(?:same|rounds to it|holds|differs)</strong>", html)) > 60


@pytest.mark.parametrize(
    ("rule", "printed", "ours", "held"),
    [
        ("same", "2938", 2938, True),
        ("same", "2938", 2937, False),
        ("same", "12288", "12,288", True),
        ("same", "1, 2", "1, 2", True),
        ("same", "65.4", 65.44, False),
        ("rounds", "65.4", 65.44523941593881, True),
        ("rounds", "65.0", 65.01177419518197, True),
        ("rounds", "65.1", 65.01177419518197, False),
        ("rounds", "175", 174.604259328, True),
        ("rounds", "1.58686254e-01", 0.15868625430411426, True),
        ("rounds", "1.58686255e-01", 0.15868625430411426, False),
        ("rounds", "0.5", 0.45, True),
        ("within 1e-12", "58.98617203832164", 58.9861720383217, True),
        ("within 1e-12", "58.98617203932164", 58.9861720383217, False),
        ("holds", "(D + 1)^K", 0, True),
        ("holds", "(D + 1)^K", 1, False),
        ("differs", "5.79", 5.784750918898876, True),
        ("differs", "5.78", 5.784750918898876, False),
        ("differs", "1, 2, 2, 4", "1, 2, 3, 4", True),
        ("same", "7", float("nan"), False),
    ],
)
def test_rules(extension, rule, printed, ours, held):
    assert extension.holds(rule, (printed,), (ours,)) is held


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rule: same", "rule: equal", "expected a rule of"),
        (", rule: same", "", "expected either ours and a rule, or why"),
        ("why: A date.", "why: A date., rule: same", "expected either ours and a rule, or why"),
        ("rule: differs, check: A slip", "rule: differs", "expected a slide check, or a note"),
        ('"chapter:two"', '["chapter:two", "chapter:two"]', "as many numbers in ours"),
        (
            "lines: 1-2, what: Two",
            "lines: 2-1, what: Two",
            "row 1 .*'Two'.*expected lines such as",
        ),
        ("lines: 1-2, what: Two", "line: 1-2, what: Two", "row 1 .*expected deck, lines"),
        ("what: Two", "what: Two, page: 3", "unknown field page"),
        ("rows:", "entries:", "expected exactly the part rows"),
    ],
)
def test_a_mistake_in_the_file_is_named(extension, tmp_path, old, new, message):
    text = re.sub("^ {8}", "", MINIATURE["deck-numbers.yml"], flags=re.MULTILINE)
    path = tmp_path / "deck-numbers.yml"
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(Exception, match=message):
        extension.rows(path)


def glued(**values):
    """Return a notebook that has glued values, as if it had run."""
    outputs = [
        {
            "output_type": "display_data",
            "data": {"application/papermill.record/text/plain": repr(value)},
            "metadata": {
                "scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}
            },
        }
        for name, value in values.items()
    ]
    title = {
        "cell_type": "markdown",
        "metadata": {},
        "source": "# The chapter\n\n(sec-a)=\n## A\n",
    }
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "outputs": outputs,
        "source": "pass",
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = {"cells": [title, cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(book)


MINIATURE = {
    "conf.py": """\
        import sys
        sys.path.insert(0, "_ext")
        extensions = ["myst_nb", "lectures", "slide_checks", "deck_numbers"]
        nb_execution_mode = "off"
        exclude_patterns = ["_build"]
        """,
    "index.md": "# Book\n\n```{toctree}\nchapter\nsecond\nmap\nnumbers\n```\n",
    "chapter.ipynb": glued(two=2, long=65.44523941593881),
    "second.md": """\
        # Second

        ```{slide-check} A slip
        :deck: one
        :lines: 4
        Seven is wrong.
        ```
        """,
    "map.md": "# Map\n\n```{lecture-map} one\n```\n",
    "numbers.md": "# Numbers\n\n```{deck-numbers-summary}\n```\n\n```{deck-numbers} one\n```\n",
    "lectures.yml": """\
        decks: {one: {short: ONE, title: A lecture, origin: A place, length: 9}}
        beyond: []
        rows:
          - {deck: one, lines: 1-5, topic: The first topic, section: sec-a}
        """,
    "deck-numbers.yml": """\
        rows:
          - {deck: one, lines: 1-2, what: Two, printed: "2", ours: "chapter:two", rule: same}
          - {deck: one, lines: "3", what: Age, printed: "65.4", ours: "chapter:long", rule: rounds}
          - {deck: one, lines: "4", what: Seven, printed: "7", ours: "chapter:two", rule: differs, check: A slip}
          - {deck: one, lines: "9", what: A day, printed: 1 May, why: A date.}
        """,  # noqa: E501
}


def build(book):
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ".", "_build/html"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=book, capture_output=True, text=True, env=environment)


def test_the_tables_hold_the_numbers_and_a_number_that_is_changed_turns_red(tmp_path):
    (tmp_path / "_ext").mkdir()
    for name, text in MINIATURE.items():
        text = re.sub(r"^ {8}", "", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("lectures", "mathematics", "slide_checks", "deck_numbers"):
        shutil.copy(BOOK / "_ext" / f"{name}.py", tmp_path / "_ext")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "_build" / "html" / "numbers.html").read_text(encoding="utf-8")
    rows = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in html.split("<tr")[2:]]
    cells = [[" ".join(re.sub("<[^>]*>", "", c).split()) for c in row] for row in rows]
    assert cells == [
        ["1–2", "Two", "2", "2", "same."],
        ["3", "Age", "65.4", "65.4452", "rounds to it."],
        ["4", "Seven", "7", "2", "differs. Slide check: A slip"],
        ["9", "A day", "1 May", "", "A date."],
    ]
    assert 'href="second.html#slide-check-a-slip"' in html
    assert 'href="chapter.html"' in html
    assert "Of 4 entries, 1 are the same as ours, 1 are ours, rounded" in html

    # The topic has another anchor, and the slide check another page: the links follow.
    assert 'href="map.html#lecture-one-1-5"' in html
    text = (tmp_path / "lectures.yml").read_text(encoding="utf-8")
    (tmp_path / "lectures.yml").write_text(text.replace("1-5", "1-6"), encoding="utf-8")
    text = (tmp_path / "second.md").read_text(encoding="utf-8")
    (tmp_path / "second.md").write_text("# Second\n", encoding="utf-8")
    box = text.partition("# Second\n")[2]
    text = (tmp_path / "map.md").read_text(encoding="utf-8")
    (tmp_path / "map.md").write_text(text + box, encoding="utf-8")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "_build" / "html" / "numbers.html").read_text(encoding="utf-8")
    assert 'href="map.html#lecture-one-1-6"' in html
    assert "lecture-one-1-5" not in html
    assert 'href="map.html#slide-check-a-slip"' in html

    # Ours changes: the row follows, or stops the build.
    (tmp_path / "chapter.ipynb").write_text(glued(two=2, long=65.3999), encoding="utf-8")
    assert build(tmp_path).returncode == 0
    assert "65.3999" in (tmp_path / "_build" / "html" / "numbers.html").read_text(encoding="utf-8")
    (tmp_path / "chapter.ipynb").write_text(glued(long=65.5), encoding="utf-8")
    done = build(tmp_path)
    assert done.returncode != 0
    for message in (
        "one, 1-2, 'Two': chapter glues no 'two'",
        "one, 3, 'Age': expected 'rounds', but printed 65.4, ours 65.5",
    ):
        assert message in done.stderr
