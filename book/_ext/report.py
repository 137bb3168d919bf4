"""The build report: how long chapters ran, on what, with which data, and how large the site is.

Sizes are known only when everything is written, so ``{build-report} PART`` leaves two marks in its
page, and the end of each build puts a part between them: also a build that wrote no page. Nothing
but the date depends on when the book was built; the file is touched only if something has changed.
"""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from history import recorded, summary
from jupyter_cache import get_cache
from lectures import in_order
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from tally import chapters, tallies
from trust import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PARTS = ("date", "machine", "seconds", "history", "data", "counts", "pages", "site")
TOOLS = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme")
GPU = {"capability": "Compute capability", "driver": "Driver", "cuda": "CUDA", "cudnn": "cuDNN"}
RECORDED = 5  # builds that the page shows, besides this one
MARKS = re.compile(r"(<!--report:(\w+)-->)(.*?)(<!--/report-->)", re.DOTALL)
KINDS = {
    "pages": ("*.html",),
    "search index": ("searchindex.js",),
    "interactives": ("_static/udl/*",),
    "styles, scripts and fonts of pages": (
        "_static/book.min.*",
        "_static/slides.*",
        "_static/fonts/*",
    ),
    "pictures": ("_images/*", "*.png", "*.svg"),
    "sources and notebooks": ("_sources/*", "*.ipynb"),
}


class BuildReport(SphinxDirective):
    """Leave the marks of one part."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Remember the page, which the end of the build writes to."""
        name = self.arguments[0]
        if name not in PARTS:
            expected = ", ".join(PARTS)
            raise ExtensionError(
                f"{self.get_location()}: expected a part of {expected}, got {name!r}"
            )
        reporting(self.env).add(self.env.docname)
        return [nodes.raw("", f"<!--report:{name}--><!--/report-->", format="html")]


def reporting(env: BuildEnvironment) -> set[str]:
    """Return the pages with a part of the report."""
    if not hasattr(env, "udl_reporting"):
        env.udl_reporting = set()
    return env.udl_reporting  # type: ignore[no-any-return]


# ------------------------------------------------------------------------- what is written as what


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table; cells are HTML. Columns of numbers are named with a trailing space."""
    heads = list(heads)
    numbers = [name.endswith(" ") for name in heads]

    def line(tag: str, cells: Iterable[str]) -> str:
        right = (' class="number"' if number else "" for number in numbers)
        pairs = zip(right, cells, strict=True)
        return "<tr>" + "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in pairs) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    head = line("th", (name.strip() for name in heads))
    return (
        '<div class="pst-scrollable-table-container"><table class="table build-report">'
        f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def size(count: int) -> str:
    """Write a number of bytes.

    >>> size(512), size(20_480), size(3 * 1024**2)
    ('0.5 kB', '20.0 kB', '3.0 MB')
    """
    return f"{count / 1024:.1f} kB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"


def plain(number: int) -> str:
    """Write a count with its thousands apart."""
    return f"{number:,}"


def packed(path: Path) -> int:
    """Return a file's size as servers send it."""
    return len(gzip.compress(path.read_bytes(), 6, mtime=0))


# ------------------------------------------------------------------------------------ the parts


class Report:
    """What one build has made."""

    def __init__(self, app: Sphinx) -> None:
        self.app = app
        self.env = app.env
        self.out = Path(app.outdir)
        self.reports: dict[str, Any] = getattr(app.env, "udl_reports", {})
        self.ran: set[str] = getattr(app, "udl_ran", set())

    def title(self, docname: str) -> str:
        """Return a page's title as a link; the report itself stands in one of the folders."""
        address = self.app.builder.get_relative_uri(self.here, docname)
        return f'<a href="{address}">{escape(self.env.titles[docname].astext())}</a>'

    def parts(self, here: str) -> dict[str, str]:
        """Return every part but the date as HTML, for the page ``here``."""
        self.here = here
        return {name: getattr(self, name)() for name in PARTS if name != "date"}

    def machine(self) -> str:
        """Write what computed: the same for all chapters, or each thing that some chapter had."""
        reports = self.reports.values()
        rows = [
            ("Device", {r["device"] for r in reports}),
            *((said, {r["gpu"][fact] for r in reports if r["gpu"]}) for fact, said in GPU.items()),
            ("Processor", {f"{r['processor']} ({r['cores']} cores)" for r in reports}),
            ("Python", {r["python"] for r in reports}),
            (
                "Packages that chapters import",
                {f"{n} {v}" for r in reports for n, v in r["versions"].items()},
            ),
        ]
        lines = [(name, escape(", ".join(sorted(said)))) for name, said in rows if said]
        made = ", ".join(f"{name} {version(name)}" for name in TOOLS)
        return table(("What", "In this build"), [*lines, ("Made with", made)])

    def seconds(self) -> str:
        """Write how long each page with cells ran, in this build and in recorded ones."""
        builds = [
            summary(self.reports, "this build"),
            *recorded(Path(self.app.confdir))[-RECORDED:],
        ]
        columns = [build["chapters"] for build in builds]
        pages = [name for name in self.order() if name in self.reports]
        rows = []
        for page in pages:
            key = page.removeprefix("book/")
            times = (f"{c[key]:.1f}" if key in c else "" for c in columns)
            rows.append((self.title(page), *times))
        # Sums of what stands in the rows, so that they add up; of another build, of all its pages.
        sums = (f"{sum(c.values()):,.1f}" for c in columns)
        rows.append(("<strong>Together</strong>", *sums))
        heads = ("Page", "Seconds ", *(f"Build {k} " for k in range(1, len(columns))))
        ran = [page for page in pages if page in self.ran]
        said = f"{len(ran)} of {len(pages)} pages ran in this build"
        if 0 < len(ran) < len(pages):
            said += f": {', '.join(self.title(page) for page in ran)}"
        return f"{table(heads, rows)}<p>{said}.</p>"

    def history(self) -> str:
        """Write what computed the recorded builds, and on what kind of device none did."""
        earlier = recorded(Path(self.app.confdir))
        kinds = {build["device"].partition(":")[0] for build in earlier}
        missing = " ".join(
            f"<p>No build on a {kind} has been recorded.</p>"
            for kind in ("CPU", "GPU")
            if kind not in kinds
        )
        if not earlier:
            return missing
        items = []
        for place, build in enumerate(earlier[-RECORDED:], start=1):
            facts = (
                build["date"],
                f"{(count := len(build['chapters']))} page{'s' if count != 1 else ''}",
                build["device"],
                f"{build['processor']} ({build['cores']} cores)",
                f"Python {build['python']}",
                f"PyTorch {build['torch']}",
            )
            items.append(f"<dt>Build {place}</dt><dd>{escape(', '.join(facts))}.</dd>")
        left_out = len(earlier) - RECORDED
        more = f" Recorded before these: {left_out}." if left_out > 0 else ""
        said = (
            "<p>Recorded builds, the oldest first. Each ran all its pages, and its machine did "
            f"hardly anything else; this build ran beside whatever else its machine did.{more}</p>"
        )
        return f'{said}<dl class="build-report">{"".join(items)}</dl>{missing}'

    def data(self) -> str:
        """Write each data set once, with the pages that use it."""
        entries: dict[tuple[str, str], dict[str, Any]] = {}
        users: dict[tuple[str, str], list[str]] = {}
        for docname in [n for n in self.order() if n in self.reports]:
            for entry in self.reports[docname]["data"]:
                key = (entry["name"], entry.get("sha256") or "")
                entries[key] = entry
                users.setdefault(key, []).append(self.title(docname))
        items = []
        for name, digest in sorted(entries):
            entry = entries[name, digest]
            said = [SOURCES.get(entry["source"], entry["source"]), entry.get("license") or ""]
            text = "; ".join(escape(one) for one in said if one)
            code = f"<br>SHA-256 <code>{digest}</code>" if digest else ""
            used = ", ".join(users[name, digest])
            items.append(f"<dt>{escape(name)}</dt><dd>{text}.<br>Used by {used}.{code}</dd>")
        return f'<dl class="build-report">{"".join(items)}</dl>'

    def counts(self) -> str:
        """Write what the chapters hold."""
        names = ("words", "figures", "cells", "questions", "interactives", "slide_checks", "glued")
        heads = (
            "words",
            "figures",
            "cells",
            "questions",
            "interactives",
            "slide<br>checks",
            "glued<br>numbers",
        )
        rows, sums = [], [0] * (len(names) + 1)
        for docname in chapters(self.env):
            page = tallies(self.env)[docname]
            own = [page.total(name) for name in names] + [len(page.exercises)]
            sums = [a + b for a, b in zip(sums, own, strict=True)]
            rows.append((self.title(docname), *map(plain, own)))
        rows.append((f"<strong>{len(rows)} chapters</strong>", *map(plain, sums)))
        return table(("Chapter", *(f"{head} " for head in heads), "exercises "), rows)

    def pages(self) -> str:
        """Write what a reader loads for each page, and how much of it is pictures."""
        rows = []
        for docname in [n for n in self.order() if n != self.here]:
            path = self.out / f"{docname}.html"
            if not path.exists():
                continue
            html = path.read_text(encoding="utf-8")
            drawn = re.findall(r"<svg[^>]*udl-figure.*?</svg>", html, re.DOTALL)
            drawing = sum(len(one.encode()) for one in drawn)
            full = len(html.encode())
            rows.append((self.title(docname), size(packed(path)), size(full), size(drawing)))
        return table(("Page", "HTML,<br>gzip ", "HTML ", "figures<br>in it "), rows)

    def files(self) -> list[Path]:
        """Return all files but the report's own pages, which would count themselves."""
        own = {self.out / f"{name}.html" for name in reporting(self.env)}
        found = (path for path in self.out.rglob("*") if path.is_file())
        return sorted(path for path in found if path not in own and path.name != ".buildinfo")

    def site(self) -> str:
        """Write how large the whole site is, by kinds of files."""
        left = self.files()
        sizes: dict[str, list[int]] = {}
        for path in left:
            kinds = (
                k for k, patterns in KINDS.items() if any(self.fits(path, p) for p in patterns)
            )
            sizes.setdefault(next(kinds, "the rest"), []).append(path.stat().st_size)
        rows = [
            (kind, plain(len(sizes[kind])), size(sum(sizes[kind])))
            for kind in (*KINDS, "the rest")
            if kind in sizes
        ]
        total = size(sum(map(sum, sizes.values())))
        rows.append(("<strong>Together</strong>", plain(len(left)), total))
        return table(("Files", "Number ", "Size "), rows)

    def fits(self, path: Path, pattern: str) -> bool:
        """Say whether a file lies in the folder and has the name that a pattern asks for."""
        folder, _, name = pattern.rpartition("/")
        inside = path.relative_to(self.out)
        return inside.match(name) and inside.as_posix().startswith(f"{folder}/" if folder else "")

    def order(self) -> list[str]:
        """Return the pages in the order of the book."""
        return [name for name in in_order(self.env) if name in self.env.titles]


# -------------------------------------------------------------------------------- when it is made


def remember_cache(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Before chapters run: note which outputs the cache has."""
    store = get_cache(app.config.nb_execution_cache_path)
    app.udl_kept = {record.hashkey for record in store.list_cache_records()}  # type: ignore[attr-defined]


def notice_runs(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """After chapters ran: those whose outputs are new."""
    store = get_cache(app.config.nb_execution_cache_path)
    app.udl_ran = {  # type: ignore[attr-defined]
        docname
        for docname, page in getattr(env, "udl_prepared", {}).items()
        if store.match_cache_notebook(page.notebook).hashkey not in app.udl_kept  # type: ignore[attr-defined]
    }


def filled(html: str, parts: dict[str, str]) -> str:
    """Put parts between their marks.

    >>> filled("<!--report:seconds-->old<!--/report-->", {"seconds": "new"})
    '<!--report:seconds-->new<!--/report-->'
    """
    return MARKS.sub(lambda m: m[1] + parts.get(m[2], m[3]) + m[4], html)


def write(app: Sphinx, exception: Exception | None) -> None:
    """At the end of each build: bring the report up to date."""
    if exception or app.builder.name != "html":
        return
    for docname in sorted(reporting(app.env)):
        path = Path(app.builder.get_outfilename(docname))  # type: ignore[attr-defined]
        before = path.read_text(encoding="utf-8")
        after = filled(before, Report(app).parts(docname))
        if before == after and "<!--report:date--><" not in before:
            continue
        now = datetime.now(UTC)
        clock = f"{now.day} {now:%B %Y, %H:%M} UTC"
        said = f'<p>Built on <time datetime="{now:%Y-%m-%dT%H:%MZ}">{clock}</time>.</p>'
        path.write_text(filled(after, {"date": said}), encoding="utf-8")


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    reporting(env).discard(docname)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    reporting(env).update(reporting(other) & docnames)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive, and what fills it."""
    app.add_directive("build-report", BuildReport)
    app.connect("env-before-read-docs", remember_cache, priority=400)
    app.connect("env-before-read-docs", notice_runs, priority=600)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("build-finished", write, priority=995)  # when all other files are written
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
