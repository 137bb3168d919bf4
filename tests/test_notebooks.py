"""Chapters as notebooks: their text, their cells, where they are launched, and that they run."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
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
        import launch
        import notebook_text

        # Of the same name: neither is imported by it.
        yield SimpleNamespace(
            launch=launch,
            text=notebook_text,
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


def page(extension, document, *, notebooks=None, baseurl="", numbers=None):
    env = SimpleNamespace(toc_secnumbers={}, toc_fignumbers={"book/here": numbers or {}})
    config = SimpleNamespace(
        html_baseurl=baseurl, numfig_format={"figure": "Fig. %s", "exercise": "Exercise %s"}
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


def test_links_lead_to_notebooks_to_the_published_page_or_nowhere(extension):
    def line(target, **options):
        link = nodes.reference("", "there", internal=True, refuri=target)
        return written(extension, nodes.paragraph("", "", link), **options)

    known = {"book/there": "there.ipynb"}
    assert line("there.html#sec", notebooks=known) == "[there](there.ipynb)"
    assert line("api/other.html#f") == "there"
    site = line("api/other.html#f", baseurl="https://example.org/site/")
    assert site == "[there](https://example.org/site/book/api/other.html#f)"
    assert line("https://example.org/") == "[there](https://example.org/)"


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
    assert "[1. Chapter one]" not in everything
    assert "Fig. 4.1. See [Chapter one](one.ipynb), [A part](#A-part) and (4.1)." in everything
    assert "$$\na = b\n\\tag{4.1}\n$$" in everything
    assert "**Fig. 4.1.** A line that rises." in texts
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


def test_two_pages_that_would_become_one_notebook_are_named(extension):
    env = SimpleNamespace(udl_reports={"a/one": {}, "b/one": {}})
    with pytest.raises(Exception, match=r"b/one and a/one would both become one\.ipynb"):
        extension.notebooks.names(env)


# ------------------------------------------------------------------------------ the built book


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
    assert f"*A page of {config['title']}, as a notebook." in notebook.cells[0].source
    first, *rest = cells_of(notebook, "code")
    url, branch = config["repository"]["url"], config["repository"]["branch"]
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
        for pattern in LEFT_OVER:
            for found in re.finditer(pattern, text):
                wrong.append(text[max(0, found.start() - 40) : found.end() + 40])
    assert wrong == []
    for link in links:
        if link.startswith("#"):
            assert unquote(link[1:]).replace("&amp;", "&") in headings
        elif not re.match("https?://", link):
            assert link in names


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


def test_services_of_addresses(extension):
    services = extension.launch.services
    hub = dict(services("https://github.com/a-b/c.d.git", "x.ipynb"))
    assert hub == {
        "Binder": "https://mybinder.org/v2/gh/a-b/c.d/notebooks?urlpath=lab/tree/x.ipynb",
        "Colab": "https://colab.research.google.com/github/a-b/c.d/blob/notebooks/x.ipynb",
    }
    other = dict(services("https://example.org/a/b", "x.ipynb"))
    assert list(other) == ["Binder"]
    assert "/v2/git/https%3A%2F%2Fexample.org%2Fa%2Fb/notebooks?" in other["Binder"]
    assert services("", "x.ipynb") == []


@pytest.mark.book
def test_pages_with_cells_can_be_launched_at_their_own_place():
    names = {path.stem for path in built()}
    for path in HTML.glob("book/*.html"):
        html = path.read_text(encoding="utf-8")
        menu = re.search(r'<div class="dropdown dropdown-launch-buttons.*?</ul>', html, re.DOTALL)
        assert (menu is not None) == (path.stem in names), path.stem
        if menu:
            links = re.findall(r'href="([^"]*)"', menu[0])
            assert any(link.endswith(f"urlpath=lab/tree/{path.stem}.ipynb") for link in links)
            assert links[-1] == f"../_notebooks/{path.stem}.ipynb"
            assert all(link.endswith(f"{path.stem}.ipynb") for link in links)
            downloads = re.search(r"dropdown-download-buttons.*?</ul>", html, re.DOTALL)
            assert re.findall(r'href="([^"]*)"', downloads[0])[0] == links[-1]


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
def clean(tmp_path_factory):
    """Give the Python of a new environment with this package and what its notebooks need."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    python = folder / "venv" / "bin" / "python"
    source = folder / "source"  # pip leaves a build folder in it
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source)
    pins = ["--constraint", str(ROOT / "constraints.txt")]
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *pins, f"{source}[chapters]"],
        check=True,
        timeout=1200,
    )
    return python


# No network: a proxy at a port where nobody listens.
NOWHERE = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}


@pytest.mark.release
@pytest.mark.parametrize("data", [True, False], ids=["with data", "with surrogates"])
@pytest.mark.parametrize("path", built(), ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_in_a_clean_environment(clean, tmp_path, path, data):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UDL_", "PYTHON"))}
    env |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    folder = os.environ.get("UDL_DATA_DIR")
    if data and not folder:
        pytest.skip("UDL_DATA_DIR names no data")
    env |= {"UDL_DATA_DIR": folder} if data else NOWHERE
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
    for text in facts["said"]:
        assert not data, text
        assert "SurrogateWarning" in text
