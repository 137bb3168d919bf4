r"""Each page with cells as a notebook, ``_notebooks/PAGE.ipynb`` beside the site's pages.

It has the page's text as plain Markdown, the cells as they stand in its source, and no outputs:
it is there to be run. Its first code cell installs this package where it is missing. A notebook is
written when its page is written, from the same resolved tree; what has no page any more goes.
"""

from __future__ import annotations

import hashlib
import os
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from docutils import nodes
from execution import read
from launch import known, services, site
from notebook_text import FOLDER, PAGE_ONLY, Cell, Page, anchor, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode
    from sphinx.application import Sphinx
    from sphinx.config import Config

UNSEEN = {"remove-input", "remove-cell"}  # no reader of the page finds this code
HIDDEN = UNSEEN | {"hide-input", "hide-cell"}
# All of these, by the names that Python imports, come with the extra `chapters`.
INSTALL = """\
# Install what this notebook needs, where it is not there yet. That takes minutes. If you are then
# asked to restart the session, do so, and begin here again.
from importlib.util import find_spec

if not all(map(find_spec, ("udl", "torch", "myst_nb"))):
    %pip install --quiet "udl[chapters] @ git+{url}@{ref}\""""
# As long as the book has no address: from a copy of its repository that the notebook lies in.
INSTALL_HERE = """\
# Install what this notebook needs, where it is not there yet. That takes minutes.
from importlib.util import find_spec
from pathlib import Path

if not all(map(find_spec, ("udl", "torch", "myst_nb"))):
    folders = (Path.cwd(), *Path.cwd().parents)
    source = next((folder for folder in folders if (folder / "src" / "udl").is_dir()), None)
    if source is None:
        raise ModuleNotFoundError(
            "This notebook needs the package udl, which is in the book's repository. Ask where "
            'you got it for a copy, and open it there, or type there: pip install ".[chapters]"'
        )
    %pip install --quiet "{source}[chapters]\""""
NOTE = (
    "*A page of {book}, as a notebook. Run its cells from top to bottom, then change them. The "
    "numbers in the text were computed when the book was built. Yours can differ in their last "
    "digits, and by more where data could not be loaded and a surrogate stands in. Solutions are "
    "folded until you open them.*"
)
RIGHTS = "Text and figures CC BY 4.0, code MIT."


def identified(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Give each cell an id that depends on what it says: equal builds give equal files."""
    seen: dict[str, int] = {}
    for cell in cells:
        key = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:10]
        seen[key] = seen.get(key, 0) + 1
        cell["id"] = key if seen[key] == 1 else f"{key}-{seen[key]}"
    return cells


def texts(page: Page, parts: list[str]) -> list[NotebookNode]:
    """Return texts as cells; each heading begins one, so that it can be folded.

    What a reader opens ends one: Jupyter would put the next line right below it.
    """
    cells: list[list[str]] = []
    folded = []
    for part in parts:
        if part.startswith("#") or not cells or folded[-1] or cells[-1][-1].endswith("</details>"):
            cells.append([])
            folded.append(part in page.folded)
        cells[-1].append(part)
    made = []
    for content, fold in zip(cells, folded, strict=True):
        head = content[0]
        if head.startswith("#") and not re.search(r"[$`\\]", head):
            mark, _, title = head.partition(" ")
            # Colab finds a heading by this, Jupyter by the heading itself.
            content[0] = f'{mark} <a name="{escape(anchor(title))}"></a>{title}'
        cell = nbformat.v4.new_markdown_cell("\n\n".join(content))
        if fold:
            cell.metadata["jp-MarkdownHeadingCollapsed"] = True
        made.append(cell)
    return made


def code(cell: NotebookNode, title: str = "") -> NotebookNode:
    """Return a code cell as in the source; what the page folds or hides is folded here.

    Jupyter shows the first line of what is folded, which can be half of an answer: so that line
    is a title, the way Colab writes titles.
    """
    made = nbformat.v4.new_code_cell(cell.source)
    tags = cell.metadata.get("tags", [])
    if tags:
        made.metadata["tags"] = list(tags)
    jupyter = {}
    if HIDDEN & set(tags):
        jupyter["source_hidden"] = True
        made.metadata["cellView"] = "form"  # Colab's word for it
        if not cell.source.startswith("%%"):
            title = title or ("Behind the page" if UNSEEN & set(tags) else "Folded code")
            made.source = f"#@title {title}\n{cell.source}"
    if {"hide-output", "remove-output", "hide-cell", "remove-cell"} & set(tags):
        jupyter["outputs_hidden"] = True
    if jupyter:
        made.metadata["jupyter"] = jupyter
    return made


def stretches(
    parts: list[str | Cell], source: list[NotebookNode]
) -> Iterator[tuple[list[str], int | None]]:
    """Yield the code cells in order, each with the texts before it; then the texts that are left.

    A cell that the page does not show at all has to run all the same. It stands at the end of
    the section that it was written in.
    """
    left = [k for k, cell in enumerate(source) if cell.cell_type == "code"]
    waiting: list[str] = []
    for part in [*parts, Cell(len(source))]:
        if not isinstance(part, Cell):
            waiting.append(part)
            continue
        while left and left[0] < part:
            k = left.pop(0)
            text_follows = any(cell.cell_type != "code" for cell in source[k:part])
            heads = [n for n, text in enumerate(waiting) if text.startswith("#")]
            upto = heads[0] if heads and text_follows else len(waiting)
            yield waiting[:upto], k
            del waiting[:upto]
        yield waiting, left.pop(0) if left else None
        waiting = []


def origin(app: Sphinx, docname: str, notebooks: dict[str, str]) -> str:
    """Say what a notebook belongs to, what one may do with it, and where the others are."""
    config = app.config
    said = [f"{config.udl_version}.", RIGHTS]
    if config.udl_site:
        said.insert(0, f"[This page in the book]({config.udl_site}/{docname}.html).")
    if (root := config.root_doc) in notebooks and docname != root:
        name = notebooks[root]
        lists = [f"[in this folder]({name})", *elsewhere(app, name)]
        said.append(f"All chapters: {', '.join(lists)}.")
    return f"*{' '.join(said)}*"


def elsewhere(app: Sphinx, name: str) -> list[str]:
    """Return the link to a notebook on Colab, where none leads to a file beside it."""
    url = app.config.html_theme_options.get("repository_url", "")
    return [f"[on {kind}]({there})" for kind, there in services(url, name) if kind == "Colab"]


def contents(app: Sphinx, page: Page) -> list[str]:
    """List all notebooks, in the order of the book."""
    order = app.env.toctree_includes.get(page.docname, [])
    items = []
    for other in (name for name in order if name in page.notebooks):
        name = page.notebooks[other]
        title = page.with_number(other, "", app.env.titles[other])
        items.append("- " + " · ".join([f"[{title}]({name})", *elsewhere(app, name)]))
    return ["## All chapters", "\n".join(items)] if items else []


def close_up(doctree: nodes.document) -> None:
    """Give what only the page says the space before it: left out, it leaves no second one."""
    for aside in list(doctree.findall(nodes.inline)):
        place = aside.parent.index(aside)
        before = aside.parent[place - 1] if place else None
        if PAGE_ONLY in aside["classes"] and isinstance(before, nodes.Text):
            kept = before.rstrip()
            aside.parent[place - 1] = nodes.Text(kept)
            aside.insert(0, nodes.Text(before[len(kept) :]))


def notebook(app: Sphinx, docname: str, doctree: nodes.document) -> NotebookNode:
    """Return a page as a notebook."""
    path = Path(app.env.doc2path(docname))
    source = read(app, docname, path.read_text(encoding="utf-8"))
    assert source is not None
    close_up(doctree)
    page = Page(app, docname, doctree, names(app.env))
    url = app.config.html_theme_options.get("repository_url", "")
    install = INSTALL.format(url=url, ref=app.config.udl_ref) if known(url) else INSTALL_HERE
    first = page.parts[:1] if isinstance(page.parts[0], str) else []
    head = [*first, NOTE.format(book=app.config.html_title), origin(app, docname, page.notebooks)]
    if docname == app.config.root_doc:
        head += contents(app, page)
    cells = [*texts(page, head), nbformat.v4.new_code_cell(install)]

    for waiting, part in stretches(page.parts[len(first) :], source.cells):
        cells += texts(page, waiting)
        if part is not None:
            cells.append(code(source.cells[part], page.titles.get(part, "")))

    made = nbformat.v4.new_notebook(cells=identified(cells))
    folded = [cell.id for cell in cells if "jp-MarkdownHeadingCollapsed" in cell.metadata]
    for cell in cells:
        cell.metadata["id"] = cell.id  # Colab's place for it
    made.metadata = nbformat.from_dict(
        {
            "colab": {"collapsed_sections": folded, "provenance": [], "toc_visible": True},
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        }
    )
    nbformat.validate(made)
    return made


def write(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write the notebook of a page that is being written."""
    if app.builder.name != "html" or docname not in getattr(app.env, "udl_reports", {}):
        return
    path = Path(app.outdir) / FOLDER / names(app.env)[docname]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(notebook(app, docname, doctree)) + "\n"
    # A page is also written again where another page's title has changed.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def sweep(app: Sphinx, exception: Exception | None) -> None:
    """Remove the notebooks of pages that are gone, or have no cells any more."""
    if exception or app.builder.name != "html":
        return
    kept = set(names(app.env).values())
    for path in (Path(app.outdir) / FOLDER).glob("*.ipynb"):
        if path.name not in kept:
            path.unlink()


def choose(app: Sphinx, config: Config) -> None:
    """Install from the branch that the book is written on, or from what UDL_REF names.

    Links lead to the pages of a release if UDL_REF is its tag, otherwise to the newest.
    """
    ref = os.environ.get("UDL_REF", "")
    options = config.html_theme_options
    config.udl_ref = config.udl_ref or ref or options.get("repository_branch") or "main"
    config.udl_site = site(options.get("repository_url", ""), config.html_baseurl, ref)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_config_value("udl_ref", "", "html")
    app.add_config_value("udl_site", "", "html")
    app.connect("config-inited", choose)
    app.connect("doctree-resolved", write, priority=990)
    app.connect("build-finished", sweep)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
