"""The page for teachers, the build report and the slides' button, on a miniature book."""

import gzip
import importlib.util
import re
import shutil
import sys
from collections import Counter
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest
import yaml

SPEC = importlib.util.spec_from_file_location(
    "miniature", Path(__file__).with_name("test_book.py")
)
assert SPEC is not None
assert SPEC.loader is not None
miniature = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(miniature)

LECTURES = """
decks: {one: {short: ONE, title: A lecture, origin: A place, length: "9"}}
beyond: [sec-two-water]
rows:
  - {deck: one, lines: "1-2", topic: First, section: sec-one-fire}
  - {deck: one, lines: "3", topic: Second, section: sec-one-fire}
  - {deck: one, lines: "4", topic: Third, section: sec-one-air}
  - {deck: one, lines: "7-9", topic: Fourth, section: sec-one-fire}
"""
WORDS = "Fire burns wood. " * 100
CHAPTER = """
After this chapter you will be able to

- light a *fire*;
- blow it out.

(sec-{name}-fire)=
## Fire in {name}

{words}
{back}

### Smoke

Smoke rises from embers.

(sec-{name}-{last})=
## Air or water

A river carries boats.

## Exercises

```{{exercise}} Boats
:label: ex-{name}-boats
:class: easy
How many boats does a river carry?
```

```{{exercise}} Embers
:label: ex-{name}-embers
:class: hard
What rises from embers?
```

```{{code-cell}} ipython3
rises = None
```

```{{code-cell}} ipython3
:tags: [remove-input]
from IPython.display import HTML
HTML('<div class="udl-widget" data-module="questions"></div>')
```
"""
TEACHERS = """# For teachers

```{teaching-way} one
```

```{teaching-way} whole
```

```{teaching-goals}
```

```{teaching-needs}
```

```{teaching-rates}
```

```{lecture-map} one
```
"""
REPORT = "# Report\n\n" + "".join(
    f"```{{build-report}} {part}\n```\n\n"
    for part in ("date", "machine", "seconds", "history", "data", "counts", "pages", "site")
)


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def rows(html: str) -> list[list[str]]:
    """Read the rows of all tables, the heads left out."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in found]
    return [[text(cell) for cell in row] for row in cells if row]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Build a miniature book with a lecture map of its own."""
    book = miniature.make(tmp_path_factory.mktemp("teaching"))
    shutil.copytree(miniature.EXTENSIONS, book.folder / "book" / "_ext")
    book.write("book/lectures.yml", LECTURES)
    config = yaml.safe_load(book.read("_config.yml"))
    names = [*config["sphinx"]["local_extensions"], "lectures"]
    config["sphinx"]["local_extensions"] = dict.fromkeys(sorted(set(names)), "book/_ext")
    config["sphinx"]["extra_extensions"] = ["sphinx_exercise"]
    config["sphinx"]["config"]["udl_prose_exempt"] = ["book/four", "book/five"]
    book.write("_config.yml", yaml.safe_dump(config))
    back = "See {ref}`sec-one-fire`, {ref}`sec-one-air` and {ref}`ch-one`."
    for name, last, links in (("one", "air", ""), ("two", "water", back)):
        chapter = CHAPTER.format(name=name, last=last, words=WORDS, back=links)
        book.append(f"book/{name}.md", chapter)
    book.add("four", TEACHERS)
    book.add("five", REPORT)
    miniature.good(book.build())
    return book


@pytest.mark.book
def test_the_pages_for_teachers_follow_the_chapters(book):
    table = rows(book.page("four"))
    # 300 words are two minutes; what is below a section is part of it.
    assert table[0][:2] == ["1–3", "Chapter one : Fire in one"]
    assert table[0][2:] == ["2", "1.2 (hard)"]
    assert table[1] == ["4", "Air or water", "1", "1.1 (easy)"]
    assert table[2] == ["7–9", "Fire in one", "above", ""]
    said = text(book.page("four"))
    assert "Together 3 min in class (1 session of 90 minutes), and 25 min" in said
    whole = [row for row in table if len(row) == 5]
    assert [row[0] for row in whole] == ["Chapter one", "Chapter two"]
    assert whole[1][1] == "3"
    # 315 words and the cell above them; the cells that answer an exercise are in its minutes.
    assert whole[1][2] == "3 min"
    assert whole[1][4] == "2.1 (easy), 2.2 (hard)"
    assert "light a fire ; blow it out." in said
    needs = [row for row in table if len(row) == 3 and row[0] == "Chapter two"]
    assert needs == [["Chapter two", "Chapter one", ""]]
    # Only chapters can be shown as slides.
    for name in ("one", "two", "three", "four", "five"):
        button = '<button data-does="slides"' in book.page(name)
        module = 'import("../_static/slides.mjs")' in book.page(name)
        assert button == module == (name in {"one", "two"}), name
    static = book.folder / "_build/html/_static"
    size = {name: len(gzip.compress((static / name).read_bytes())) for name in FILES}
    assert all(0 < size[name] < 4_500 for name in FILES)


FILES = ("slides.mjs", "slides.css")


@pytest.mark.book
def test_the_report_says_what_this_build_made_and_stays_right(book):
    path = book.folder / "_build" / "html" / "book" / "five.html"

    def report():
        html = path.read_text(encoding="utf-8")
        parts = dict(re.findall(r"<!--report:(\w+)-->(.*?)<!--/report-->", html, re.DOTALL))
        assert html.count("<time") == 1
        return parts

    first = report()
    assert "<time" in first["date"]
    seconds = {row[0]: row[1] for row in rows(first["seconds"])}
    assert seconds.keys() >= {"Chapter one", "Chapter three", "Together"}
    assert "3 of 3 pages ran in this build." in text(first["seconds"])
    assert ["Python", ".".join(map(str, sys.version_info[:3]))] in rows(first["machine"])
    counts = {row[0]: row[1:] for row in rows(first["counts"])}
    assert counts["Chapter one"][1:4] == ["1", "4", "1"]  # figures, cells, questions
    assert counts["Chapter one"][-2:] == ["1", "2"]
    assert counts["2 chapters"][-1] == "4"
    assert [row[0] for row in rows(first["pages"])].count("Chapter two") == 1
    assert rows(first["site"])[-1][0] == "Together"

    # Nothing has changed but where the outputs come from.
    miniature.good(book.build())
    second = report()
    assert "0 of 3 pages ran in this build." in text(second["seconds"])
    assert {k: v for k, v in first.items() if k not in {"date", "seconds", "history"}} == {
        k: v for k, v in second.items() if k not in {"date", "seconds", "history"}
    }

    # A chapter changes; neither of the two pages does.
    book.edit("book/two.md", "Some prose", "Some more prose")
    book.edit("book/two.md", "light a *fire*", "carry the water")
    miniature.good(book.build())
    third = {row[0]: row[1:] for row in rows(report()["counts"])}
    assert int(third["Chapter two"][0]) == int(counts["Chapter two"][0]) + 1
    assert "carry the water; blow it out." in text(book.page("four"))


@pytest.fixture(scope="module")
def extensions():
    """Give a function that loads an extension, with those that it imports."""
    sys.path.insert(0, str(miniature.EXTENSIONS))
    yield importlib.import_module
    sys.path.remove(str(miniature.EXTENSIONS))


def test_an_exercise_stands_beside_the_section_it_is_about(extensions):
    tally: ModuleType = extensions("tally")
    spring, river = Counter(["spring", "water"]), Counter(["river", "water", "flow"])
    sections = [(spring, {"a"}), (river, {"b"})]
    assert tally.nearest(Counter(["flow", "water"]), set(), sections) == 1
    assert tally.nearest(Counter(["flow", "water"]), {"a"}, sections) == 0
    # Nothing in common with any: the first.
    assert tally.nearest(Counter(["snow"]), set(), sections) == 0


@pytest.mark.parametrize(
    ("minutes", "said"), [(0, "0 min"), (45, "45 min"), (60, "1 h"), (135, "2 h 15 min")]
)
def test_minutes_as_one_reads_them(extensions, minutes, said):
    assert extensions("teaching").hours(minutes) == said


def test_a_part_of_the_report_replaces_the_one_before(extensions):
    filled = extensions("report").filled
    page = "<!--report:a-->old<!--/report--> <!--report:b-->kept<!--/report-->"
    expected = "<!--report:a-->new<!--/report--> <!--report:b-->kept<!--/report-->"
    assert filled(page, {"a": "new"}) == expected
    assert filled(filled(page, {"a": "new"}), {"a": "new"}) == expected
