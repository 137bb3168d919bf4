"""Numbers of the decks: each number that a slide prints, beside ours.

``deck-numbers.yml`` has the numbers of the slides, and where ours come from: from what the
chapters have glued, never typed. ``{deck-numbers} DECK`` prints one deck as a table, and
``{deck-numbers-summary}`` counts. A number that does not do what its row says stops the build.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import lectures
import slide_checks
import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PATH = Path(__file__).parent.parent / "deck-numbers.yml"
NEEDED = {"deck", "lines", "what", "printed"}
MORE = {"unit", "ours", "rule", "why", "say", "note", "data", "source", "section", "check"}
SAYS = {
    "same": "same",
    "rounds": "rounds to it",
    "within": "same",
    "holds": "holds",
    "differs": "differs",
}


class Row(NamedTuple):
    """One or more numbers of a slide, as in the file."""

    deck: str
    lines: str
    what: str
    printed: tuple[str, ...]
    ours: tuple[str, ...] = ()
    rule: str = ""
    why: str = ""
    unit: str = ""
    say: str = ""
    note: str = ""
    data: str = ""
    source: str = ""
    section: str = ""
    check: str = ""

    @property
    def place(self) -> str:
        """Where an error is."""
        return f"{PATH.name}: {self.deck}, {self.lines}, {self.what!r}"


class Result(NamedTuple):
    """A row with our numbers, and what comes of holding them against those printed."""

    row: Row
    ours: tuple[Any, ...]
    verdict: str  # of SAYS, "surrogate", or empty
    topic: str  # the row's anchor in the lecture map, or empty
    check: tuple[str, str]  # page and anchor of the slide check, or empty


def listed(value: object) -> tuple[str, ...]:
    """Return one string or several as several."""
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


@lru_cache(maxsize=1)
def _load(path: Path, _changed: int) -> list[Row]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ExtensionError(f"{path.name}: {error}") from error
    if not isinstance(content, dict) or content.keys() != {"rows"}:
        raise ExtensionError(f"{path.name}: expected exactly the part rows")
    rows = []
    for number, entry in enumerate(content["rows"], 1):
        where = f"{path.name}: row {number} ({entry})"
        if not isinstance(entry, dict) or not entry.keys() >= NEEDED:
            raise ExtensionError(f"{where}: expected {', '.join(sorted(NEEDED))}")
        if unknown := entry.keys() - NEEDED - MORE:
            raise ExtensionError(f"{where}: unknown field {', '.join(sorted(unknown))}")
        plain = {name: value for name, value in entry.items() if name not in {"printed", "ours"}}
        many = {name: listed(entry[name]) for name in ("printed", "ours") if name in entry}
        row = Row(**{name: str(value) for name, value in plain.items()}, **many)
        try:
            lectures.span(row.lines)
        except ExtensionError as error:
            raise ExtensionError(f"{where}: {error}") from error
        kind = row.rule.partition(" ")[0]
        if bool(row.rule) == bool(row.why) or (row.rule and not row.ours):
            raise ExtensionError(
                f"{row.place}: expected either ours and a rule, or why there is none"
            )
        if row.rule and kind not in SAYS:
            raise ExtensionError(
                f"{row.place}: expected a rule of {', '.join(SAYS)}, got {row.rule!r}"
            )
        if kind in {"same", "rounds", "within"} and len(row.ours) != len(row.printed):
            raise ExtensionError(f"{row.place}: expected as many numbers in ours as in printed")
        if kind == "differs" and not (row.check or row.note):
            raise ExtensionError(f"{row.place}: expected a slide check, or a note that says why")
        rows.append(row)
    return rows


def rows(path: Path = PATH) -> list[Row]:
    """Return the checked file; parse it again only when it has changed."""
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ExtensionError(f"{path.name}: {error}") from error


def decimal(value: object) -> Decimal | None:
    """Return a number with the digits that it is written with; None for what is no number."""
    try:
        number = Decimal(str(value).replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def holds(rule: str, printed: tuple[str, ...], ours: tuple[Any, ...]) -> bool:
    """Say whether our numbers do what a rule says of those printed.

    >>> holds("rounds", ("65.4",), (65.44523941593881,))
    True
    >>> holds("same", ("65.4",), (65.44523941593881,))
    False
    >>> holds("differs", ("5.79",), (5.784750918898876,))
    True
    """
    kind, _, size = rule.partition(" ")
    if kind == "holds":
        return all(decimal(value) == 0 for value in ours)
    if kind == "differs":
        pairs = [(text, value) for text in printed for value in ours]
        if len(printed) == len(ours):
            pairs = list(zip(printed, ours, strict=True))
        return not any(agree("rounds", "", text, value) for text, value in pairs)
    return all(agree(kind, size, text, value) for text, value in zip(printed, ours, strict=True))


def agree(kind: str, size: str, printed: str, ours: object) -> bool:
    """Hold one number against one."""
    theirs, mine = decimal(printed), decimal(ours)
    if theirs is None or mine is None:
        return printed == str(ours)
    if kind == "same":
        return theirs == mine
    if kind == "rounds":
        step = Decimal(1).scaleb(int(theirs.as_tuple().exponent))
        ways = (ROUND_HALF_EVEN, ROUND_HALF_UP)
        return any(mine.quantize(step, rounding=way) == theirs for way in ways)
    return abs(theirs - mine) <= Decimal(size) * abs(theirs)


class Pages:
    """What the pages of the book have glued, and with which data."""

    def __init__(self, env: BuildEnvironment, here: str) -> None:
        self.env = env
        self.here = here
        self.folder = Path(env.mystnb_config.output_folder)  # type: ignore[attr-defined]
        self.found: dict[str, dict[str, Any]] = {}

    def docname(self, page: str) -> str:
        """Return the page in the book that a file of this name makes."""
        name = self.here if page == "here" else f"{self.here.rpartition('/')[0]}/{page}".strip("/")
        if name not in self.env.all_docs:
            raise ExtensionError(f"there is no page {page!r}")
        return name

    def glued(self, docname: str) -> dict[str, Any]:
        """Return the values that a page has glued."""
        if docname not in self.found:
            path = self.folder / f"{docname}.glue.json"
            content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            self.found[docname] = {
                key: entry["data"].get("text/plain", "") for key, entry in content.items()
            }
        return self.found[docname]

    def value(self, source: str) -> Any:
        """Return the value that ``page:key`` stands for."""
        page, _, key = source.removeprefix("-").partition(":")
        if page in {"bib", "eprint"}:
            entries = self.env.get_domain("cite").bibdata.data.entries  # type: ignore[attr-defined]
            if key not in entries:
                raise ExtensionError(f"references.bib has no entry {key!r}")
            if page == "bib":
                return int(entries[key].fields["year"])
            return 2000 + int(entries[key].fields["eprint"][:2])
        glued = self.glued(self.docname(page))
        if key not in glued:
            raise ExtensionError(f"{page} glues no {key!r}")
        try:
            value = ast.literal_eval(glued[key])
        except (ValueError, SyntaxError):
            value = glued[key]
        return -value if source.startswith("-") else value

    def on_surrogate(self, row: Row) -> bool:
        """Say whether one of the pages had a stand-in for the data that the row needs."""
        reports = getattr(self.env, "udl_reports", {})
        sources = (source.removeprefix("-").partition(":")[0] for source in row.ours)
        data = [
            entry
            for source in sources
            if source not in {"bib", "eprint"}
            for entry in reports.get(self.docname(source), {}).get("data", [])
        ]
        return bool(row.data) and any(
            entry["source"] == "surrogate" and row.data in entry["name"] for entry in data
        )

    def result(self, row: Row) -> Result:
        """Look up our numbers, and hold them against those printed."""
        try:
            ours = tuple(self.value(source) for source in row.ours)
        except ExtensionError as error:
            raise ExtensionError(f"{row.place}: {error}") from error
        links = (topic(row), place(self.env, row))
        if not row.rule:
            return Result(row, ours, "", *links)
        if holds(row.rule, row.printed, ours):
            return Result(row, ours, row.rule.partition(" ")[0], *links)
        if self.on_surrogate(row):
            return Result(row, ours, "surrogate", *links)
        said = f"printed {', '.join(row.printed)}, ours {', '.join(map(str, ours))}"
        raise ExtensionError(f"{row.place}: expected {row.rule!r}, but {said}")


class numbers(nodes.General, nodes.Element):
    """Stands for a table, or for the summary, until all pages are read."""


class DeckNumbers(SphinxDirective):
    """Print the numbers of one deck."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder."""
        self.env.note_dependency(str(PATH))
        self.env.note_dependency(str(lectures.PATH))
        deck = self.arguments[0]
        if deck not in lectures.lectures().decks:
            raise ExtensionError(f"{self.get_location()}: there is no deck {deck!r}")
        pages(self.env).setdefault(self.env.docname, []).append(deck)
        return [numbers(deck=deck)]


class Summary(SphinxDirective):
    """Say how many numbers there are, and what comes of them."""

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder."""
        return [numbers(deck="")]


def pages(env: BuildEnvironment) -> dict[str, list[str]]:
    """Return the decks that each page prints."""
    if not hasattr(env, "deck_number_pages"):
        env.deck_number_pages = {}
    return env.deck_number_pages  # type: ignore[no-any-return]


class Fill(SphinxPostTransform):
    """Put the tables in place, before Sphinx resolves links (priority 10)."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        results: list[Result] = getattr(self.env, "deck_number_results", [])
        for node in list(self.document.findall(numbers)):
            if deck := node["deck"]:
                node.replace_self(self.table([r for r in results if r.row.deck == deck]))
            else:
                node.replace_self(nodes.paragraph("", summary(results)))

    def table(self, results: list[Result]) -> nodes.table:
        """Return the numbers of one deck, a row of the file each."""
        group = nodes.tgroup("", cols=5)
        group += [nodes.colspec("", colwidth=width) for width in (8, 28, 16, 16, 32)]
        head = lectures.table_row("Lines", "What", "On the slide", "Ours", "Verdict")
        group += nodes.thead("", head)
        group += (body := nodes.tbody())
        for result in results:
            row = result.row
            printed = ", ".join(row.printed) + (f" {row.unit}" if row.unit else "")
            body += lectures.table_row(
                self.lines(result), row.what, printed, self.ours(result), self.verdict(result)
            )
        return nodes.table("", group, classes=["deck-numbers"])

    def lines(self, result: Result) -> nodes.Node:
        """Return the lines, as a link to the topic where the lecture map has one."""
        text = lectures.dashed(result.row.lines)
        return lectures.link(result.topic, text) if result.topic else nodes.inline("", text)

    def ours(self, result: Result) -> nodes.Node:
        """Return our numbers, as a link to the page that computed them."""
        row = result.row
        shown = [short(value, row) for value in result.ours]
        text = row.say.format(*shown) if row.say else ", ".join(shown)
        sources = {source.removeprefix("-").partition(":")[0] for source in row.ours} - {"here"}
        if not sources or not text:
            return nodes.inline("", text)
        page = min(sources)
        name = "bibliography" if page in {"bib", "eprint"} else page
        docname = f"{self.env.docname.rpartition('/')[0]}/{name}".strip("/")
        address = self.app.builder.get_relative_uri(self.env.docname, docname)
        return nodes.reference("", text, internal=True, refuri=address)

    def verdict(self, result: Result) -> nodes.inline:
        """Return what comes of it, with the note and the links of the row."""
        row = result.row
        said = nodes.inline("")
        if result.verdict == "surrogate":
            said += nodes.strong("", "from a surrogate")
            said += nodes.Text(": the real file is needed.")
        elif result.verdict:
            said += nodes.strong("", SAYS[result.verdict])
            _, _, size = row.rule.partition(" ")
            said += nodes.Text((f" within {size}" if size else "") + ". ")
        said += nodes.Text(" ".join(text for text in (row.why, row.note) if text))
        said += nodes.Text(" ")
        if row.source:
            said += addnodes.pending_xref(
                "",
                nodes.inline("", row.source),
                refdomain="cite",
                reftype="t",
                reftarget=row.source,
                refdoc=self.env.docname,
                refwarn=True,
            )
            said += nodes.Text(" ")
        if row.section:
            said += lectures.link(row.section)
            said += nodes.Text(" ")
        if row.check:
            said += nodes.Text("Slide check: ")
            said += self.check(result)
        return said

    def check(self, result: Result) -> nodes.reference:
        """Return a link to a slide check."""
        docname, anchor = result.check
        address = self.app.builder.get_relative_uri(self.env.docname, docname)
        text = result.row.check.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
        return nodes.reference("", text, internal=True, refuri=f"{address}#{anchor}")


def topic(row: Row) -> str:
    """Return the anchor of the topic that a row belongs to, or nothing."""
    try:
        return lectures.lectures().at(row.deck, row.lines).label
    except ExtensionError:
        return ""


def place(env: BuildEnvironment, row: Row) -> tuple[str, str]:
    """Return page and anchor of the slide check that a row names, or nothing."""
    if not row.check:
        return "", ""
    for docname, checks in slide_checks.found(env).items():
        for check in checks:
            if check.title.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") == row.check:
                return docname, check.anchor
    raise ExtensionError(f"{row.place}: no slide check is called {row.check!r}")


def short(value: Any, row: Row) -> str:
    """Write a number of ours with the digits that the comparison needs.

    >>> short(65.44523941593881, Row("", "", "", ("65.4",), rule="rounds"))
    '65.4452'
    """
    if not isinstance(value, float) or row.rule.partition(" ")[0] in {"same", "within"}:
        whole = isinstance(value, float) and value.is_integer() and "." not in "".join(row.printed)
        return str(int(value)) if whole else str(value)
    digits = (
        max(len(d.as_tuple().digits) for p in row.printed if (d := decimal(p))) if row.rule else 3
    )
    return f"{value:.{digits + 3 if row.rule else digits}g}"


def summary(results: list[Result]) -> str:
    """Count what comes of the numbers, list items counted one by one."""
    many: Counter[str] = Counter()
    for result in results:
        many[result.verdict] += len(result.row.printed)
    agreeing = many["same"] + many["within"] + many["holds"]
    parts = [
        f"{agreeing} are the same as ours",
        f"{many['rounds']} are ours, rounded",
        f"{many['differs']} differ",
        f"{many['']} have nothing to be compared with",
    ]
    if many["surrogate"]:
        parts.append(f"{many['surrogate']} need data for which this book has a surrogate")
    return f"Of {many.total()} entries, {', '.join(parts[:-1])} and {parts[-1]}."


def resolve(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Hold the numbers against ours; return the pages whose tables have changed."""
    where = pages(env)
    if not where:
        return []
    wrong, results = [], []
    glued = Pages(env, min(where))
    for row in rows():
        try:
            results.append(glued.result(row))
        except ExtensionError as error:
            wrong.append(str(error))
    printed = [deck for decks in where.values() for deck in decks]
    wrong += [
        f"{PATH.name}: the numbers of {deck} stand on no page: add the directive deck-numbers"
        for deck in sorted({result.row.deck for result in results} - set(printed))
    ]
    if wrong:
        raise ExtensionError("\n".join(wrong))
    if results == getattr(env, "deck_number_results", None):
        return []
    env.deck_number_results = results  # type: ignore[attr-defined]
    return sorted(where)


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    pages(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    pages(env).update({name: pages(other)[name] for name in docnames if name in pages(other)})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two directives and the comparison."""
    app.add_node(numbers)
    app.add_directive("deck-numbers", DeckNumbers)
    app.add_directive("deck-numbers-summary", Summary)
    app.add_post_transform(Fill)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
