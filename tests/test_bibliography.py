"""The bibliography: each entry leads somewhere, by an identifier of the right form. No network."""

import re
from pathlib import Path

import pytest
from pybtex.backends.html import Backend
from pybtex.database import parse_file
from pybtex.style.formatting.alpha import Style as Alpha
from pybtex.style.formatting.unsrt import Style

FILE = Path(__file__).parent.parent / "book" / "references.bib"
ENTRIES = parse_file(str(FILE)).entries
DOI = re.compile(r"10\.\d{4,9}/[\w.()/:-]+")
ARXIV = re.compile(r"\d{2}(?:0[1-9]|1[0-2])\.\d{4,5}")
URL = re.compile(r"https?://[\w.-]+\.[a-z]{2,}(?:/[\w./~?=&%-]*)?")


def is_isbn(text: str) -> bool:
    """Say whether the last digit of an ISBN, of ten digits or of thirteen, fits the others."""
    text = text.replace("-", "")
    if re.fullmatch(r"\d{9}[\dX]", text):
        digits = [10 if digit == "X" else int(digit) for digit in text]
        return sum(k * digit for k, digit in enumerate(reversed(digits), 1)) % 11 == 0
    if re.fullmatch(r"97[89]\d{10}", text):
        return sum(int(digit) * (1 + 2 * (k % 2)) for k, digit in enumerate(text)) % 10 == 0
    return False


def complaints(key: str, fields: dict[str, str]) -> list[str]:
    """Say what is wrong with an entry's identifiers."""
    forms = {"doi": DOI.fullmatch, "eprint": ARXIV.fullmatch, "url": URL.fullmatch}
    forms["isbn"] = is_isbn
    found = {name: fields[name] for name in forms if name in fields}
    wrong = [f"{key}: {name} {text!r}" for name, text in found.items() if not forms[name](text)]
    if "arxiv.org" in fields.get("url", "") or "doi.org" in fields.get("url", ""):
        wrong.append(f"{key}: write the address as an eprint or a doi")
    return wrong if found else [f"{key}: no doi, eprint, isbn or url"]


def test_every_entry_has_an_identifier_of_the_right_form():
    assert [text for key, e in ENTRIES.items() for text in complaints(key, e.fields)] == []


def test_every_identifier_becomes_a_link_and_none_stands_twice():
    style, backend = Style(), Backend()
    seen = {}
    for formatted in style.format_entries(ENTRIES.values()):
        html = formatted.text.render(backend)
        links = re.findall(r'href="([^"]*)"', html)
        fields = ENTRIES[formatted.key].fields
        for name, base in [("doi", "https://doi.org/"), ("eprint", "https://arxiv.org/abs/")]:
            if name in fields:
                assert base + fields[name] in links, formatted.key
        assert links, formatted.key
        assert html.count("arXiv:") <= 1, formatted.key
        for link in links:
            assert seen.setdefault(link, formatted.key) == formatted.key, link


def test_a_label_is_initials_or_the_beginning_of_a_name():
    labels = [formatted.label for formatted in Alpha().format_entries(ENTRIES.values())]
    form = re.compile(r"[A-Z][A-Za-z]{1,4}\+?\d\d[a-z]?")
    assert [label for label in labels if not form.fullmatch(label)] == []


def test_a_title_needs_no_typesetting():
    """Nothing turns formulas of the bibliography into what a page shows."""
    fields = [text for entry in ENTRIES.values() for text in entry.fields.values()]
    assert [text for text in fields if "$" in text] == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "no doi, eprint, isbn or url"),
        ({"doi": "https://doi.org/10.1038/323533a0"}, "doi"),
        ({"doi": "10.1038"}, "doi"),
        ({"eprint": "1412.69800x"}, "eprint"),
        ({"eprint": "1413.6980"}, "eprint"),
        ({"url": "d2l.ai"}, "url"),
        ({"url": "https://arxiv.org/abs/1412.6980"}, "an eprint or a doi"),
        ({"isbn": "9781009389434"}, "isbn"),
        ({"isbn": "1558600158"}, "isbn"),
    ],
)
def test_a_wrong_identifier_is_named(fields, complaint):
    assert any(complaint in text for text in complaints("one", fields))


def test_right_identifiers_pass():
    assert complaints("one", {"isbn": "978-1-009-38943-3", "doi": "10.1038/323533a0"}) == []
    assert is_isbn("0-8044-2957-X")
