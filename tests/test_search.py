"""The site's search, asked what readers type: its own scripts and its own index, run by node."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
QUERIES = yaml.safe_load((ROOT / "tests" / "search_queries.yml").read_text(encoding="utf-8"))
SCRIPTS = ("_static/sections.js", "_static/searchtools.js", "_static/language_data.js")
GENERATED = {"api", "exercises", "glossary", "lectures", "slide-checks", "deck-numbers"}

ASK = """
import vm from "node:vm";
const page = vm.createContext({
  document: { getElementById: () => null },
  localStorage: { setItem() {} },
  SPHINX_HIGHLIGHT_ENABLED: false,
  _ready() {},
  _: (text) => text,
});
for (const name of data.scripts) {
  vm.runInContext(readFileSync(`${data.html}/${name}`, "utf8"), page);
}
page.queries = data.queries;
give(vm.runInContext(
  "queries.map((query) => Search._performSearch(...Search._parseQuery(query)).reverse())", page,
));
"""


@pytest.fixture(scope="module")
def asked(request):
    """Return what the search finds for each query, best first: page, title, anchor, score."""
    run_node = request.getfixturevalue("run_node")
    data = {"html": str(HTML), "scripts": [*SCRIPTS, "searchindex.js"], "queries": [*QUERIES]}
    return dict(zip(QUERIES, run_node(ASK, data), strict=True))


def sections() -> dict[str, tuple[str, str]]:
    """Return page and anchor of each labeled section, read from the pages themselves."""
    found = {}
    for path in sorted(HTML.glob("book/*.html")):
        html = path.read_text(encoding="utf-8")
        marks = r'((?:<span id="[\w-]+"></span>)*)<section[^>]* id="([\w-]+)"[^>]*>\s*'
        for number, (first, anchor, more) in enumerate(
            re.findall(marks + r'((?:<span id="[\w-]+"></span>)*)', html)
        ):
            for label in [anchor, *re.findall(r'id="([\w-]+)"', first + more)]:
                place = "" if number == 0 else f"#{anchor}"
                found.setdefault(label, (f"book/{path.stem}", place))
    return found


def test_a_page_is_read_again_when_the_scorer_changes(tmp_path):
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        execution = importlib.import_module("execution")
    finally:
        sys.path.pop(0)
    for name in ("search.py", "search.js"):
        before = execution.version(tmp_path)
        (tmp_path / name).write_text("another", encoding="utf-8")
        assert execution.version(tmp_path) != before, name


@pytest.mark.book
def test_what_readers_type_leads_to_the_right_section_among_the_first_three(asked):
    places = sections()
    wrong = {}
    for query, labels in QUERIES.items():
        expected = {places[label] for label in labels}
        first = [(page, anchor) for page, _, anchor, *_ in asked[query][:3]]
        if not expected & set(first):
            wrong[query] = first
    assert not wrong


@pytest.mark.book
def test_results_name_their_section_and_reference_pages_stay_behind(asked):
    for query, results in asked.items():
        best = results[:3]
        assert best, query
        named = [title for _, title, anchor, descr, *_ in best if anchor and not descr]
        assert all(" > " in title for title in named), query
        assert best[0][0].rsplit("/")[-1] not in GENERATED, query
        places = [(page, anchor, descr) for page, _, anchor, descr, *_ in results]
        assert len(places) == len(set(places)), query


def test_the_words_of_search_yml_are_of_use():
    book = ROOT / "book"
    words = yaml.safe_load((book / "search.yml").read_text(encoding="utf-8"))
    labels = {
        label
        for path in book.glob("*.md")
        for label in re.findall(r"^\(([\w-]+)\)=$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert words.keys() <= labels
    assert {label for found in QUERIES.values() for label in found} <= labels
    for label, phrases in words.items():
        assert len(phrases) == len({phrase.lower() for phrase in phrases}), label
