"""Chapters as notebooks: their text, their cells, where they are launched, and that they run."""

import doctest
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import jupytext
import nbformat
import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_parser.docutils_ import Parser

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
BUILT = HTML / "_notebooks"
BOOK = ROOT / "book"


def loaded(name, path):
    """Load a file as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


miniature = loaded("miniature_of_notebooks", Path(__file__).with_name("test_book.py"))


@pytest.fixture(scope="module")
def extension():
    """Give the modules that write notebooks, and publish/notebooks.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BOOK / "_ext"))
        patch.syspath_prepend(str(ROOT / "publish"))
        import lab
        import launch
        import notebook_text

        # Of the same name: neither is imported by it.
        yield SimpleNamespace(
            launch=launch,
            text=notebook_text,
            lab=lab,
            notebooks=loaded("book_notebooks", BOOK / "_ext" / "notebooks.py"),
            publish=loaded("publish_notebooks", ROOT / "publish" / "notebooks.py"),
        )


def renderer() -> MarkdownIt:
    """Return a reader of Markdown that knows formulas, and nothing of MyST."""
    md = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    return md.use(dollarmath_plugin, allow_space=False, double_inline=True)


class Words(HTMLParser):
    """The text of a piece of HTML."""

    def __init__(self, html):
        super().__init__()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_data(self, data):
        self.text += data


def words(html: str) -> str:
    return " ".join(Words(html).text.split())


# ------------------------------------------------------------------------------------ the text


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=40))
@example("a*b*c _x_ snake_case `code` $5 and $6 [a](b) <b> &amp; \\( ~~no~~ | 1. # >")
def test_a_text_is_shown_as_it_is(extension, text):
    shown = renderer().renderInline(extension.text.escaped(text))
    assert words(shown) == " ".join(text.split())


@pytest.mark.parametrize("start", ["# no", "- no", "+ no", "> no", ">no", "1. no", "12) no", "-1"])
def test_a_paragraph_begins_no_list(extension, start):
    text = written(extension, nodes.paragraph("", start))
    html = renderer().render(text)
    assert html == f"<p>{start.replace('>', '&gt;')}</p>\n"


def page(extension, document, *, notebooks=None, site="", numbers=None, tocs=None, labels=None):
    env = SimpleNamespace(
        toc_secnumbers={},
        toc_fignumbers={"book/here": numbers or {}},
        tocs=tocs or {},
        domains={"std": SimpleNamespace(labels=labels or {})},
    )
    config = SimpleNamespace(
        udl_site=site, numfig_format={"figure": "Fig. %s", "exercise": "Exercise %s"}
    )
    app = SimpleNamespace(env=env, config=config)
    return extension.text.Page(app, "book/here", document, notebooks or {})


def written(extension, *parts, **options):
    """Write nodes, or what Markdown says."""
    document = publish_doctree("")
    document += parts
    return "\n\n".join(map(str, page(extension, document, **options).parts))


def read(markdown: str):
    settings = {"myst_enable_extensions": ["dollarmath"], "doctitle_xform": False}
    return publish_doctree(markdown, parser=Parser(), settings_overrides=settings)


ROUND = """\
# A heading with $x^2$

Some *emphasis*, **strong words**, `code with \\ and *`, ``a ` in code`` and `` `b` ``.
A second line of it with $a_i * b_i$ and [a link](https://example.org/a_b).

- one
- two, with

  a second paragraph

  1. and
  2. numbers

> A quotation.
>
> - with a list

```python
x = "*"
```

| a | b |
| --- | --- |
| $x$ | 1.5 |
| a \\| bar | `c` |
"""


def test_markdown_that_is_read_and_written_says_the_same(extension):
    text = written(extension, *read(ROUND).children)
    again = written(extension, *read(text).children)
    assert again == text
    html, expected = renderer().render(text), renderer().render(ROUND)
    for tag in ("em", "strong", "code", "li", "ol", "blockquote", "td", "th", "pre", "a"):
        assert html.count(f"<{tag}") == expected.count(f"<{tag}"), tag
    assert words(html) == words(expected)


def test_a_formula_has_its_number_and_no_line_that_a_quotation_would_break(extension):
    formula = nodes.math_block("", "a = b \\\\\nc", ids=["equation-e"], label="e", number=1)
    formula["nowrap"] = False
    numbers = {"displaymath": {"equation-e": (2, 4)}}
    text = written(extension, formula, numbers=numbers)
    assert text.startswith("$$\n")
    assert text.endswith("\n\\tag{2.4}\n$$")
    box = nodes.admonition("", nodes.title("", "Slide check: no"), formula.deepcopy())
    text = written(extension, box, numbers=numbers)
    assert text.splitlines()[0] == "> **Slide check: no**"
    assert re.search(r"^> \$\$.*\\tag\{2\.4\}\$\$$", text, re.MULTILINE)


def test_a_bar_in_the_formula_of_a_table_ends_no_cell(extension):
    row = nodes.row(
        "",
        *(
            nodes.entry("", nodes.paragraph("", "", n))
            for n in (nodes.math("", r"|a| + \|b\|"), nodes.Text("x | y"))
        ),
    )
    group = nodes.tgroup("", nodes.tbody("", row), cols=2)
    text = written(extension, nodes.table("", group))
    assert text.splitlines()[-1] == r"| $\vert a\vert + \Vert b\Vert $ | x \| y |"


def test_links_lead_to_the_published_page_or_to_the_notebook_beside_or_nowhere(extension):
    def line(target, **options):
        link = nodes.reference("", "there", internal=True, refuri=target)
        return written(extension, nodes.paragraph("", "", link), **options)

    toc = nodes.bullet_list()
    for name, *title in (
        ("", nodes.Text("There")),
        ("#a-section", nodes.Text("A section")),
        ("#of-x", nodes.Text("Of "), nodes.math("", "x")),
    ):
        toc += nodes.reference("", "", *title, anchorname=name)
    titles = {"there": "There", "sec": "A section", "math": "Of x", "fig-1": "A caption."}
    beside = {
        "notebooks": {"book/there": "there.ipynb"},
        "tocs": {"book/there": toc},
        "labels": {label: ("book/there", label, title) for label, title in titles.items()},
    }
    published = {**beside, "site": "https://example.org/site"}
    for target, alone, online in (
        ("there.html", "there.ipynb", "there.html"),
        ("there.html#there", "there.ipynb", "there.html#there"),
        ("there.html#sec", "there.ipynb#A-section", "there.html#sec"),
        ("there.html#math", "there.ipynb", "there.html#math"),  # no address says a formula
        ("there.html#fig-1", "there.ipynb", "there.html#fig-1"),
    ):
        assert line(target, **beside) == f"[there]({alone})"
        assert line(target, **published) == f"[there](https://example.org/site/book/{online})"
    assert line("api/other.html#f", **beside) == "there"
    site = line("api/other.html#f", **published)
    assert site == "[there](https://example.org/site/book/api/other.html#f)"
    assert line("https://example.org/") == "[there](https://example.org/)"


def test_what_a_page_says_of_itself_is_left_out(extension):
    aside = nodes.inline("", " The rocket above opens it.", classes=["page-only"])
    text = written(extension, nodes.paragraph("", "", nodes.Text("Run it."), aside))
    assert text == "Run it."


def test_unknown_markup_is_named(extension, monkeypatch):
    said = []
    monkeypatch.setattr(extension.text.logger, "warning", lambda *args, **_: said.append(args))
    written(extension, nodes.line_block("", nodes.line("", "a")))
    assert [args[1] for args in said] == ["line_block"]


# ---------------------------------------------------------------------------- a miniature book

RICH = """\
(ch-rich)=
# Chapter rich

```{code-cell} ipython3
:tags: [remove-cell]
secret = 5
```

Text with $x$, and {numref}`fig-rich`. See {ref}`ch-one`, {ref}`sec-part` and {eq}`eq-rich`.

$$
a = b
$$ (eq-rich)

```{code-cell} ipython3
---
mystnb: {figure: {name: fig-rich, caption: A line that rises.}, image: {alt: %(alt)s}}
tags: [hide-input]
---
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
ax.plot([0, 1], [0, secret])
plt.show()
```

(sec-part)=
## A part

```{exercise} Count
:label: ex-r-count
:class: easy
How many?
```

```{solution-start} ex-r-count
:class: dropdown
:label: sol-r-count
```
As many as
```{code-cell} ipython3
len("many")
```
```{code-cell} ipython3
:tags: [remove-cell]
assert secret == 5
```
```{solution-end}
```

```{exercise} Think
:label: ex-r-think
:class: easy
Why?
```

```{solution-start} ex-r-think
:class: dropdown
:label: sol-r-think
```
Because.
```{solution-end}
```

## The end

The last words.

```{code-cell} ipython3
:tags: [remove-input]
print("asked")
```
"""


def cells_of(notebook, kind):
    return [cell for cell in notebook.cells if cell.cell_type == kind]


@pytest.mark.book
def test_notebooks_of_a_miniature_book(tmp_path):
    book = miniature.make(tmp_path / "book")
    book.add("rich", miniature.HEAD + RICH % {"alt": miniature.ALT})
    miniature.good(book.build())
    folder = book.folder / "_build" / "html" / "_notebooks"
    assert {path.stem for path in folder.iterdir()} == {"one", "two", "three", "rich"}
    notebook = nbformat.read(folder / "rich.ipynb", as_version=4)
    nbformat.validate(notebook)
    texts = [cell.source for cell in cells_of(notebook, "markdown")]
    everything = "\n".join(texts)
    assert texts[0].startswith('# <a name="4.-Chapter-rich"></a>4. Chapter rich\n\n*A page of')
    # Below what installs.
    assert texts[1].startswith("*Nothing has run yet: ")
    assert "[1. Chapter one]" not in everything
    assert "Fig. 4.1. See [Chapter one](one.ipynb), [A part](#A-part) and (4.1)." in everything
    assert "$$\na = b\n\\tag{4.1}\n$$" in everything
    assert (
        "**Fig. 4.1.** A line that rises.\n\n<details><summary>The figure in words</summary>\n\n"
        f"{miniature.ALT}\n\n</details>"
    ) in texts
    assert '### <a name="Exercise-4.1-(Count)"></a>Exercise 4.1 (Count)' in everything
    assert "<details><summary><b>Solution to Exercise 4.2 (Think)</b></summary>" in everything

    # All cells in order, as written, those too that the page does not show.
    codes = cells_of(notebook, "code")
    assert codes[0].source.startswith("# Install")
    assert [cell.source.splitlines()[:2][-1] for cell in codes[1:]] == [
        *("secret = 5", "import matplotlib.pyplot as plt", 'len("many")'),
        *("assert secret == 5", 'print("asked")'),
    ]
    assert codes[2].source.startswith("#@title Fig. 4.1\n")
    assert codes[3].source == 'len("many")'
    hidden = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in codes]
    assert hidden == [False, True, True, False, True, True]
    assert not any(cell.outputs for cell in codes)
    # What is folded away is the solution, with its cells and with no more than these.
    folded = [
        k for k, c in enumerate(notebook.cells) if "jp-MarkdownHeadingCollapsed" in c.metadata
    ]
    assert len(folded) == 1
    assert [c.cell_type for c in notebook.cells[folded[0] : folded[0] + 5]] == [
        *("markdown", "markdown", "code", "code", "markdown")
    ]
    assert "As many as" not in notebook.cells[folded[0]].source
    assert "Exercise 4.2" in notebook.cells[folded[0] + 4].source
    collapsed = notebook.metadata.colab.collapsed_sections
    assert collapsed == [notebook.cells[folded[0]].metadata.id]

    # Only what changed is written again, and what is gone is swept out.
    def times():
        return {path.stem: path.stat().st_mtime_ns for path in folder.iterdir()}

    before = times()
    book.edit("book/two.md", "Some prose", "Other prose")
    book.write("book/three.md", "(ch-three)=\n# Three\n\nThere are no cells, and a 2.5.\n")
    miniature.good(book.build())
    after = times()
    assert set(after) == {"one", "two", "rich"}
    assert {name for name in after if after[name] != before[name]} == {"two"}
    assert "Other prose" in (folder / "two.ipynb").read_text(encoding="utf-8")


COVER = """\
# A book

Read, or [the rocket {{ rocket }}]{.page-only} run.

```{code-cell} ipython3
1 + 1
```
"""


@pytest.mark.book
def test_notebooks_of_a_book_that_has_an_address(tmp_path):
    book = miniature.make(tmp_path / "book")
    config = yaml.safe_load(book.read("_config.yml"))
    config["repository"]["url"] = "https://github.com/Ann/x"
    book.write("_config.yml", yaml.safe_dump(config))
    book.write("book/index.md", miniature.HEAD + COVER)
    miniature.good(book.build(UDL_REF="v1.2.3"))
    html = book.folder / "_build" / "html"
    notebooks = {
        path.stem: nbformat.read(path, as_version=4) for path in (html / "_notebooks").iterdir()
    }
    assert set(notebooks) == {"index", "one", "two", "three"}
    # A page that draws and asks nothing shows nothing, also when it has run.
    assert "Nothing has run" in notebooks["one"].cells[2].source
    assert "Nothing has run" not in str(notebooks["index"])
    # Those of a release lead to the pages of that release.
    pages = "https://ann.github.io/x/versions/v1.2.3/book"
    colab = "https://colab.research.google.com/github/Ann/x/blob/notebooks"
    for name, notebook in notebooks.items():
        install = cells_of(notebook, "code")[0].source
        assert install.endswith('"udl[chapters] @ git+https://github.com/Ann/x@v1.2.3"')
        head = notebook.cells[0].source
        assert f"[This page in the book]({pages}/{name}.html)" in head
        assert "Text and figures CC BY 4.0, code MIT." in head
        if name != "index":
            assert f"[in this folder](index.ipynb), [on Colab]({colab}/index.ipynb)" in head
    everything = "\n".join(cell.source for cell in notebooks["one"].cells)
    assert f"[Chapter two]({pages}/two.html#ch-two)" in everything

    listed = re.findall(
        r"^- \[\d\. (.*)\]\((.*)\) · \[on Colab\]\((.*)\)$",
        "\n".join(cell.source for cell in notebooks["index"].cells),
        re.MULTILINE,
    )
    assert listed == [
        (f"Chapter {name}", f"{name}.ipynb", f"{colab}/{name}.ipynb")
        for name in ("one", "two", "three")
    ]
    assert "Read, or run." in notebooks["index"].cells[-2].source
    said = " ".join(words(book.page("index")).split())
    assert "the rocket opens it on Binder or Colab, where you install nothing" in said
    menu = launches(book.page("one"))
    assert menu[1:] == [f"{colab}/one.ipynb", "../_notebooks/one.ipynb"]
    assert menu[0].startswith("https://mybinder.org/v2/gh/Ann/x/notebooks?")


@pytest.mark.parametrize(
    ("tag", "title", "first"),
    [
        ("remove-cell", "", "#@title Behind the page"),
        ("hide-input", "", "#@title Folded code"),
        ("hide-input", "Fig. 1", "#@title Fig. 1"),
        ("other", "", "a = 1"),
    ],
)
def test_the_first_line_of_a_hidden_cell_is_a_title(extension, tag, title, first):
    cell = nbformat.v4.new_code_cell("a = 1", metadata={"tags": [tag]})
    made = extension.notebooks.code(cell, title)
    assert made.source.splitlines()[0] == first
    assert made.metadata.get("jupyter", {}).get("source_hidden", False) == (tag != "other")


def test_two_pages_that_would_become_one_notebook_are_named(extension):
    env = SimpleNamespace(udl_reports={"a/one": {}, "b/one": {}})
    with pytest.raises(Exception, match=r"b/one and a/one would both become one\.ipynb"):
        extension.notebooks.names(env)


# ------------------------------------------------------------------------------ the built book


def placeholder(url: str) -> bool:
    """Whether the settings name no address yet."""
    return "//example.org/" in url


def built() -> list[Path]:
    return sorted(BUILT.glob("*.ipynb"))


def source_of(path: Path) -> Path:
    return BOOK / f"{path.stem}.md"


@pytest.mark.book
def test_every_page_with_cells_is_a_notebook():
    with_cells = {
        path.stem
        for path in BOOK.glob("*.md")
        if "```{code-cell}" in path.read_text(encoding="utf-8")
    }
    assert {path.stem for path in built()} == with_cells
    assert len(with_cells) >= 20


@pytest.mark.book
@pytest.mark.parametrize("path", built(), ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_has_the_cells_of_its_page(path):
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    head = notebook.cells[0].source
    assert f"*A page of {config['title']}, as a notebook." in head
    assert f"Version {metadata.version('udl')}" in head
    assert "Text and figures CC BY 4.0, code MIT." in head
    assert ("(index.ipynb)" in head) == (path.stem != "index")
    first, *rest = cells_of(notebook, "code")
    url, branch = config["repository"]["url"], config["repository"]["branch"]
    if placeholder(url):  # nothing leads there
        assert '%pip install --quiet "{source}[chapters]"' in first.source
        assert url not in text
    else:
        assert f'%pip install --quiet "udl[chapters] @ git+{url}@' in first.source
        assert os.environ.get("UDL_REF", branch) in first.source.splitlines()[-1]
    # As another program reads the page.
    page = jupytext.reads(source_of(path).read_text(encoding="utf-8"), fmt="md:myst")
    expected = cells_of(page, "code")
    for cell, other in zip(rest, expected, strict=True):
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        # The first line of a hidden cell is in view: it must not be a part of an answer.
        title, _, below = cell.source.partition("\n")
        assert title.startswith("#@title ") == hidden
        assert (below if hidden else cell.source) == other.source
        assert cell.metadata.get("tags", []) == other.metadata.get("tags", [])
    assert re.search(r"/(?:work|tmp|home|root)/", text) is None


# What would show: a directive or role, a formula that was not closed, marks of Markdown.
LEFT_OVER = (
    *(r"\{[a-z]+[a-z:-]*\}", r":::", r"```", r"\*", r"\$", r"\]\(", r"\\[a-zA-Z(\[]", r"%s"),
    *(r"(?<!\w)_\w", r"\|", r"<a "),
)


@pytest.mark.book
@pytest.mark.parametrize("path", built(), ids=lambda path: path.stem)
def test_the_text_of_a_notebook_needs_no_myst(path):
    md = renderer()
    notebook = nbformat.read(path, as_version=4)
    names = {other.name for other in built()}
    headings = set()
    links = []
    wrong = []
    for cell in cells_of(notebook, "markdown"):
        html = md.render(cell.source)
        headings |= set(re.findall(r'<a name="([^"]*)"', html))
        links += re.findall(r'href="([^"]*)"', html)
        shown = re.sub(r"<(code|eqn?)[ >].*?</\1>", "", html, flags=re.DOTALL)
        shown = re.sub(r'<(span|div) class="math.*?</\1>', "", shown, flags=re.DOTALL)
        text = words(shown)
        whole = Words(re.sub(r"<(pre|code|eqn?)>.*?</\1>", "x", html, flags=re.DOTALL)).text
        wrong += re.findall(r".*\S {2,}\S.*", whole)  # something was left out between them
        for pattern in LEFT_OVER:
            for found in re.finditer(pattern, text):
                wrong.append(text[max(0, found.start() - 40) : found.end() + 40])
    assert wrong == []
    for link in links:
        if link.startswith("#"):
            assert unquote(link[1:]).replace("&amp;", "&") in headings
        elif not re.match("https?://", link):
            name, _, place = link.partition("#")
            assert name in names
            there = [c.source for c in nbformat.read(BUILT / name, as_version=4).cells]
            assert not place or f'name="{unquote(place)}"' in "\n".join(there)


@pytest.mark.book
def test_numbers_and_figures_of_the_pages_are_in_the_notebooks():
    for path in built():
        text = path.read_text(encoding="utf-8")
        html = (HTML / "book" / f"{path.stem}.html").read_text(encoding="utf-8")
        figures = re.findall(r'class="caption-number">(Fig\. [\d.]+) <', html)
        exercises = re.findall(
            r'<p class="admonition-title"><span class="caption-number">(Ex\w+ [\d.]+)', html
        )
        equations = re.findall(r'class="eqno">\(([\d.]+)\)', html)
        assert all(f"**{name}.**" in text for name in figures)
        assert all(f"</a>{name}".replace("</a>", "") in text for name in exercises)
        assert all(rf"\\tag{{{number}}}" in text for number in equations)


# ---------------------------------------------------------------------------------- launching


def test_the_examples_of_addresses_hold(extension):
    failed, tried = doctest.testmod(extension.launch)
    assert tried > 0
    assert failed == 0


def test_pages_are_where_github_serves_them(extension):
    for name, pages in (
        ("ann/book", "ann.github.io/book"),
        ("Ann/book.git", "ann.github.io/book"),
        ("ann/Ann.github.io/", "ann.github.io"),
        ("ann/bob.github.io", "ann.github.io/bob.github.io"),
    ):
        url = f"https://github.com/{name}"
        assert extension.launch.site(url) == f"https://{pages}"
        base = extension.launch.base_path(url)  # what publish/site.py puts before its links
        assert f"{pages}/".endswith(f"github.io{base}")


def test_services_of_addresses(extension):
    services = extension.launch.services
    hub = dict(services("https://github.com/a-b/c.d.git", "x.ipynb"))
    assert hub == {
        "Binder": "https://mybinder.org/v2/gh/a-b/c.d/notebooks?urlpath=lab/tree/x.ipynb",
        "Colab": "https://colab.research.google.com/github/a-b/c.d/blob/notebooks/x.ipynb",
    }
    assert services("https://GitHub.com/a-b/c.d.git", "x.ipynb") == list(hub.items())
    other = dict(services("https://codeberg.org/a/b", "x.ipynb"))
    assert list(other) == ["Binder"]
    assert "/v2/git/https%3A%2F%2Fcodeberg.org%2Fa%2Fb/notebooks?" in other["Binder"]
    for nowhere in ("", "https://example.org/a/b", "https://git.example/a", "http://localhost/a"):
        assert services(nowhere, "x.ipynb") == []
        assert extension.launch.site(nowhere) == ""


def launches(html: str) -> list[str]:
    """Return where the menu of a page leads to."""
    menu = re.search(r'<div class="dropdown dropdown-launch-buttons.*?</ul>', html, re.DOTALL)
    return re.findall(r'href="([^"]*)"', menu[0]) if menu else []


def launched(link: str) -> str:
    """Return the file of the branch that a service is asked to open."""
    found = re.search(r"/notebooks\?urlpath=lab/tree/([^&]+)$|/blob/notebooks/([^?#]+)$", link)
    assert found, link
    return unquote(found[1] or found[2])


@pytest.mark.book
def test_launching_lands_at_the_page_one_came_from(branch, extension):
    names = {path.stem for path in built()}
    url = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    for path in HTML.glob("book/*.html"):
        html = path.read_text(encoding="utf-8")
        *links, file = launches(html) or [""]
        assert bool(file) == (path.stem in names), path.stem
        if not file:
            continue
        # A menu has no button that would lead nowhere.
        assert bool(links) == (not placeholder(url))
        if not links:  # as they will be
            found = extension.launch.services("https://github.com/a/b", f"{path.stem}.ipynb")
            links = [link for _, link in found]
            assert len(links) == 2
        heading = words(html.rpartition("<h1>")[2].partition('<a class="headerlink')[0])
        for there in [*(branch / launched(link) for link in links), (path.parent / file)]:
            cell = nbformat.read(there, as_version=4).cells[0].source.splitlines()[0]
            assert words(renderer().render(cell)) == heading
            assert there.read_bytes() == (branch / f"{path.stem}.ipynb").read_bytes()
        downloads = re.search(r"dropdown-download-buttons.*?</ul>", html, re.DOTALL)
        assert re.findall(r'href="([^"]*)"', downloads[0])[0] == file


@pytest.mark.book
def test_the_cover_lists_every_notebook_in_the_order_of_the_book(branch):
    cover = nbformat.read(branch / "index.ipynb", as_version=4).cells[1].source
    listed = re.findall(r"^- \[(.*?)\]\((\S+?)\)", cover, re.MULTILINE)
    readme = (branch / "README.md").read_text(encoding="utf-8")
    assert listed == re.findall(r"^- \[(.*)\]\((.*)\)$", readme, re.MULTILINE)


def test_a_page_says_no_more_than_what_its_rocket_does(extension):
    def said(url):
        config = SimpleNamespace(html_theme_options={"repository_url": url}, myst_substitutions={})
        extension.launch.tell(None, config)
        return config.myst_substitutions["rocket"]

    assert said("https://github.com/a/b").startswith("opens it on Binder or Colab, ")
    assert said("https://codeberg.org/a/b").startswith("opens it on Binder, ")
    nowhere = said("https://example.org/b")
    assert not {"Binder", "Colab"} & set(re.findall(r"\w+", nowhere))
    assert "in a copy of the book's repository, its first cell installs" in nowhere

    # Nor do the sources in words of their own: these have to hold with and without an address.
    pages = [path.read_text(encoding="utf-8") for path in BOOK.rglob("*.md")]
    told = [text for page in pages for text in re.findall(r"[^.]*\b[Rr]ocket\b[^.]*", page)]
    assert len(told) >= 5
    assert [text for text in told if re.search(r"\bopen|\brun|Binder|Colab", text)] == []


@pytest.mark.parametrize("ref", ["", "main", "v1", "v1.2.3-rc", "0123abc", "v1.2.3", "v1.2.3rc1"])
def test_what_is_built_of_no_release_leads_to_the_newest_pages(extension, monkeypatch, ref):
    monkeypatch.setenv("UDL_REF", ref)
    options = {"repository_url": "https://GitHub.com/Ann/x.git"}
    config = SimpleNamespace(html_theme_options=options, html_baseurl="", udl_ref="")
    extension.notebooks.choose(None, config)
    part = f"/versions/{ref}" if ref in {"v1.2.3", "v1.2.3rc1"} else ""
    assert config.udl_site == f"https://ann.github.io/x{part}"
    assert config.udl_ref == (ref or "main")


@pytest.mark.book
def test_the_first_cell_installs_from_the_repository_around_it_or_says_how(extension, tmp_path):
    made = extension.notebooks.INSTALL_HERE
    (*_, last) = made.splitlines()
    python = made.replace(last.strip(), "print(source)").replace('"udl", ', '"no_such_module", ')

    def run(folder):
        return subprocess.run(
            [sys.executable, "-c", python], cwd=folder, capture_output=True, text=True, check=False
        )

    inside = tmp_path / "copy" / "_build"
    inside.mkdir(parents=True)
    alone = run(inside)
    assert alone.returncode == 1
    assert 'pip install ".[chapters]"' in alone.stderr.splitlines()[-1]
    (tmp_path / "copy" / "src" / "udl").mkdir(parents=True)
    assert run(inside).stdout == f"{tmp_path / 'copy'}\n"
    assert last.split("--quiet ")[1] == '"{source}[chapters]"'


# ---------------------------------------------------------------------------------- the branch


@pytest.fixture(scope="module")
def branch(tmp_path_factory, extension):
    """Give what the branch of notebooks holds."""
    folder = tmp_path_factory.mktemp("branch") / "notebooks"
    assert extension.publish.main([str(folder), "--html", str(HTML)]) == 0
    return folder


@pytest.mark.book
def test_the_branch_lists_its_notebooks_in_order(branch, extension):
    readme = (branch / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", readme, re.MULTILINE)
    names = {name for _, name in listed}
    assert names | {"index.ipynb"} == {path.name for path in branch.glob("*.ipynb")}
    numbers = [int(title.split(".")[0]) for title, _ in listed if title[0].isdigit()]
    assert numbers == list(range(1, len(numbers) + 1))
    url = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    assert ("mybinder.org" in readme) == (not placeholder(url))
    online = extension.publish.launch("https://github.com/a/b")
    assert "(https://mybinder.org/v2/gh/a/b/notebooks?urlpath=lab/tree/index.ipynb)" in online
    assert (branch / "binder" / "postBuild").stat().st_mode & 0o111
    asked = (branch / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert ".[chapters]" in asked
    pins = (branch / "constraints.txt").read_text(encoding="utf-8")
    assert {"numpy", "torch"} <= {line.partition("==")[0] for line in pins.splitlines()}
    assert not {"jupyterlab", "ipykernel"} & {
        line.partition("==")[0] for line in pins.splitlines()
    }


@pytest.mark.book
def test_the_branch_is_made_anew_and_nothing_else_is_emptied(branch, extension, tmp_path, capsys):
    (branch / "old.ipynb").write_text("{}", encoding="utf-8")
    (branch / ".git").mkdir(exist_ok=True)
    assert extension.publish.main([str(branch), "--html", str(HTML)]) == 0
    assert not (branch / "old.ipynb").exists()
    assert (branch / ".git").is_dir()
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert extension.publish.main([str(tmp_path), "--html", str(HTML)]) == 1
    assert "expected an empty folder" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").exists()
    for name in ("binder", "book"):  # as in a checkout
        (tmp_path / name).mkdir()
    assert extension.publish.main([str(tmp_path), "--html", str(HTML)]) == 1
    assert "expected an empty folder" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").exists()
    (branch / "elsewhere").symlink_to(tmp_path)
    assert extension.publish.main([str(branch), "--html", str(HTML)]) == 0
    assert (tmp_path / "mine.txt").exists()
    assert extension.publish.main([str(tmp_path / "new"), "--html", str(tmp_path)]) == 1
    assert "run make book first" in capsys.readouterr().err


@pytest.mark.release
def test_repo2docker_takes_the_branch(branch):
    program = shutil.which("jupyter-repo2docker", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run(
        [program, "--no-build", "--debug", str(branch)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    assert 'pip install --no-cache-dir -r "binder/requirements.txt"' in said
    assert "RUN ./binder/postBuild" in said
    assert "Building conda environment for python=3.11" in said


# ------------------------------------------------------------------------------- all of them run

RUN = """
import json, sys, tempfile, time, warnings
from pathlib import Path
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
folder = Path(tempfile.mkdtemp())
began = time.perf_counter()
client = NotebookClient(notebook, timeout=600, kernel_name="python3",
                        resources={"metadata": {"path": str(folder)}})
client.execute()
said = [o.text for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
print("\\n" + json.dumps({"seconds": time.perf_counter() - began, "said": said}))
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory, branch):
    """Give the Python of a new environment, made of the branch as Binder makes it.

    Without the other index that binder/ names: it saves room, and offers nothing that is missing.
    """
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    python = folder / "venv" / "bin" / "python"
    source = folder / "branch"  # pip leaves a build folder in it
    shutil.copytree(branch, source)
    asked = source / "binder" / "requirements.txt"
    lines = asked.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("--extra-index-url")]
    asked.write_text("\n".join(kept), encoding="utf-8")
    env = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    for command in (
        [python, "-m", "pip", "install", "--quiet", "-r", asked],
        ["binder/postBuild"],
    ):
        subprocess.run(command, cwd=source, env=env, check=True, timeout=1200)
    return python


# No network: a proxy at a port where nobody listens.
NOWHERE = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}


@pytest.mark.release
@pytest.mark.parametrize("path", built(), ids=lambda path: path.stem)
def test_a_notebook_runs_without_data_or_network(clean, tmp_path, path):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UDL_", "PYTHON"))}
    env |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1", **NOWHERE}
    done = subprocess.run(
        [clean, "-c", RUN, path],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    # What stands in for data says so; there is nothing else to say.
    assert all("SurrogateWarning" in text for text in facts["said"]), facts["said"]


@pytest.fixture(scope="module")
def chromium(extension):
    """Start the browser, once: two cannot be driven side by side."""
    with extension.lab.started() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(clean, branch, extension, chromium, tmp_path_factory):
    """Start JupyterLab on a copy of the branch; give a function that runs one notebook."""
    folder = tmp_path_factory.mktemp("lab") / "branch"
    shutil.copytree(branch, folder)
    program = clean.with_name("jupyter-lab")
    with extension.lab.served(folder, program) as address:
        yield lambda name: extension.lab.run(chromium, address, name)


@pytest.mark.release
@pytest.mark.parametrize("name", [path.stem for path in built()])
def test_a_notebook_runs_in_a_browser_as_on_binder(lab, name):
    found = lab(name)
    assert found.problems == []
    # With a folder of data all of them are the real ones: nothing is said of a surrogate.
    said = [text for text in found.said if "SurrogateWarning" not in text]
    assert (found.said if os.environ.get("UDL_DATA_DIR") else said) == []
    notebook = nbformat.read(BUILT / f"{name}.ipynb", as_version=4)
    sources = [cell.source for cell in cells_of(notebook, "code")]
    assert found.cells == len(sources)
    assert found.pictures >= sum(source.startswith("#@title Fig. ") for source in sources)


WRONG = {  # what a cell says, and what is to be said of it
    "1 / 0": "ZeroDivisionError: division by zero",
    "#@title Fig. 1\nNone": "(Fig. 1) shows no picture",
    "#@title Question\nNone": "(Question) shows no interactive",
    "from IPython.display import HTML\n"
    "HTML('<iframe srcdoc=\"<main></main>\"></iframe>')": "1 interactives show nothing",
    "from IPython.display import HTML\n"
    "HTML('<img src=\"http://127.0.0.1:9/a.png\">')": "asked http://127.0.0.1:9/a.png",
}
LATE = (
    "from IPython.display import HTML\n"
    "HTML('<iframe srcdoc=\"<main></main><script>setTimeout("
    "() => document.querySelector(`main`).append(`late`), 1500)</script>\"></iframe>')"
)


@pytest.mark.release
def test_what_is_wrong_with_a_notebook_is_seen_in_a_browser(clean, extension, chromium, tmp_path):
    for k, source in enumerate([*WRONG, LATE]):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, tmp_path / f"{k}.ipynb")
    program = clean.with_name("jupyter-lab")
    with extension.lab.served(tmp_path, program) as address:
        for k, expected in enumerate(WRONG.values()):
            problems = extension.lab.run(chromium, address, str(k)).problems
            assert any(expected in problem for problem in problems), problems
        late = extension.lab.run(chromium, address, str(len(WRONG)))
        assert (late.interactives, late.problems) == (1, [])


@pytest.mark.release
def test_a_server_that_is_not_there_is_the_cause_that_is_named(extension, chromium):
    with pytest.raises(extension.lab.PlaywrightError, match=r"net::ERR_"):
        extension.lab.run(chromium, "http://127.0.0.1:9", "none")
    assert chromium.contexts == []
