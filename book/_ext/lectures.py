"""The lecture map: every topic of the decks, and the section of the book that covers it.

``lectures.yml`` is the only source. ``{lecture-map} DECK`` prints one deck as a table, and
``{covers}`` prints the topics that the page it stands on covers. A wrong entry stops the build.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PATH = Path(__file__).parent.parent / "lectures.yml"
FILE = PATH.name
LINES = re.compile(r"(\d+)(?:-(\d+))?")
DECK_FIELDS = ({"short", "title", "origin"}, {"note"})
ROW_FIELDS = ({"deck", "lines", "topic"}, {"section", "later", "note"})


def span(lines: object) -> tuple[int, int]:
    """Return first and last line of ``"92-97"`` or ``"92"``; refuse everything else."""
    match = LINES.fullmatch(str(lines))
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not 0 < first <= last:
        raise ExtensionError(f'expected lines such as "92-97" or "92", got {lines!r}')
    return first, last


def dashed(lines: str) -> str:
    """Write a range of lines as a reader expects it."""
    return lines.replace("-", "\N{EN DASH}")


class Deck(NamedTuple):
    """One lecture."""

    short: str
    title: str
    origin: str
    note: str = ""


class Row(NamedTuple):
    """One topic of one deck."""

    deck: str
    lines: str
    topic: str
    section: str = ""
    later: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """The anchor of this row in the lecture map."""
        return f"lecture-{self.deck}-{self.lines}"


class Lectures(NamedTuple):
    """What ``lectures.yml`` holds, checked."""

    decks: dict[str, Deck]
    rows: list[Row]
    beyond: list[str]

    def of(self, deck: str) -> list[Row]:
        """Return the rows of one deck."""
        return [row for row in self.rows if row.deck == deck]

    def at(self, deck: str, lines: str) -> Row:
        """Return the first row of a deck that shares a line with ``lines``."""
        first, last = span(lines)
        for row in self.of(deck):
            start, end = span(row.lines)
            if start <= last and first <= end:
                return row
        raise ExtensionError(f"{FILE}: no row of deck {deck!r} holds a line of {lines!r}")


def _fields(where: str, entry: Any, needed: set[str], more: set[str]) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise ExtensionError(f"{where}: expected fields, got {entry!r}")
    if missing := needed - entry.keys():
        raise ExtensionError(f"{where}: missing {', '.join(sorted(missing))}")
    if unknown := entry.keys() - needed - more:
        raise ExtensionError(f"{where}: unknown field {', '.join(sorted(map(str, unknown)))}")
    entry = {name: str(value) for name, value in entry.items()}
    if empty := sorted(name for name, value in entry.items() if not value.strip()):
        raise ExtensionError(f"{where}: empty {', '.join(empty)}")
    return entry


@lru_cache(maxsize=1)
def _load(path: Path, _changed: int) -> Lectures:
    """Read the file; raise an error that names the entry where something is wrong."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ExtensionError(f"{path.name}: {error}") from error
    parts = {"decks", "chapters", "beyond", "rows"}
    if not isinstance(content, dict) or content.keys() != parts:
        raise ExtensionError(f"{path.name}: expected exactly the parts {', '.join(sorted(parts))}")
    decks = {
        str(name): Deck(**_fields(f"{path.name}: deck {name}", entry, *DECK_FIELDS))
        for name, entry in content["decks"].items()
    }
    rows: dict[tuple[str, str], Row] = {}
    for number, entry in enumerate(content["rows"], 1):
        row = Row(**_fields(f"{path.name}: row {number} ({entry})", entry, *ROW_FIELDS))
        where = f"{path.name}: row {number} ({row.deck}, {row.lines}, {row.topic!r})"
        if row.deck not in decks:
            raise ExtensionError(f"{where}: unknown deck")
        try:
            span(row.lines)
        except ExtensionError as error:
            raise ExtensionError(f"{where}: {error}") from error
        if bool(row.section) == bool(row.later):
            raise ExtensionError(f"{where}: expected either section or later")
        if row.later and row.later not in content["chapters"]:
            raise ExtensionError(f"{where}: no chapter to come is called {row.later!r}")
        if (row.deck, row.lines) in rows:
            raise ExtensionError(f"{where}: duplicate of {rows[row.deck, row.lines].topic!r}")
        rows[row.deck, row.lines] = row
    return Lectures(decks, list(rows.values()), [str(label) for label in content["beyond"]])


def lectures(path: Path = PATH) -> Lectures:
    """Return the checked file; parse it again only when it has changed."""
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ExtensionError(f"{path.name}: {error}") from error


def link(label: str, text: str = "") -> addnodes.pending_xref:
    """Return a link to a label; without a text it takes the section's title."""
    return addnodes.pending_xref(
        "",
        nodes.inline("", text or label),
        refdomain="std",
        reftype="ref",
        reftarget=label,
        refexplicit=bool(text),
        refwarn=True,
    )


class LectureMap(SphinxDirective):
    """Print the rows of one deck as a table; each row can be linked to."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Build the table; Sphinx resolves the links in it when the page is written."""
        self.env.note_dependency(str(PATH))
        content = lectures()
        name = self.arguments[0]
        if name not in content.decks:
            decks = ", ".join(content.decks)
            raise ExtensionError(
                f"{self.get_location()}: expected a deck of {decks}, got {name!r}"
            )
        deck = content.decks[name]
        labels = self.env.get_domain("std").data
        group = nodes.tgroup("", cols=3)
        group += [nodes.colspec("", colwidth=width) for width in (12, 53, 35)]
        group += nodes.thead("", self.row("Lines", "Topic", "In this book"))
        body = nodes.tbody()
        for row in content.of(name):
            if row.label in labels["labels"]:
                raise ExtensionError(f"{self.get_location()}: deck {name!r} is mapped twice")
            text = row.topic + (f". {row.note}" if row.note else "")
            if row.section:
                where: nodes.Node = link(row.section)
            else:
                where = nodes.inline(
                    "",
                    "",
                    nodes.Text("will come with the chapter "),
                    nodes.emphasis("", row.later),
                )
            body += (line := self.row(dashed(row.lines), text, where))
            line["ids"].append(nodes.make_id(row.label))
            # As labels of the standard domain the anchors merge, purge and resolve like any other.
            labels["labels"][row.label] = (self.env.docname, line["ids"][0], row.topic)
            labels["anonlabels"][row.label] = (self.env.docname, line["ids"][0])
        group += body
        origin = f"{deck.title}. {deck.origin}." + (f" {deck.note}" if deck.note else "")
        return [
            nodes.paragraph("", origin),
            nodes.table("", group, classes=["lecture-map"]),
        ]

    @staticmethod
    def row(*cells: str | nodes.Node) -> nodes.row:
        """Return a table row of texts and nodes."""
        return nodes.row(
            "",
            *(
                nodes.entry(
                    "",
                    nodes.paragraph("", "", nodes.Text(cell) if isinstance(cell, str) else cell),
                )
                for cell in cells
            ),
        )


class covers(nodes.General, nodes.Element):
    """Stands for the list of topics until all labels are known."""


class Covers(SphinxDirective):
    """List the decks' topics that this page covers."""

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder: the labels below it are not read yet."""
        self.env.note_dependency(str(PATH))
        return [covers(docname=self.env.docname)]


class FillCovers(SphinxPostTransform):
    """Put the topics in place, before Sphinx resolves links (priority 10)."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        for node in list(self.document.findall(covers)):
            node.replace_self(self.topics(node))

    def topics(self, node: covers) -> list[nodes.Node]:
        """Return the list, folded, with the number of topics as its summary."""
        docname = node["docname"]
        content = lectures()
        labels = self.env.get_domain("std").data["labels"]
        here = [row for row in content.rows if labels.get(row.section, ("",))[0] == docname]
        if not here:
            raise ExtensionError(f"{docname}: no row of {FILE} is covered on this page")
        listing = nodes.bullet_list()
        shorts = []
        for name, deck in content.decks.items():
            if rows := [row for row in here if row.deck == name]:
                shorts.append(deck.short)
                listing += (item := nodes.list_item("", line := nodes.paragraph()))
                item["classes"].append("covers-deck")
                line += nodes.strong("", deck.short)
                line += nodes.Text(": ")
                for row in rows:
                    line += [link(row.label, row.topic), nodes.Text("; ")]
                line[-1] = nodes.Text(".")
        count = f"{len(here)} topic{'s' * (len(here) > 1)} of the lectures"
        summary = escape(f"This chapter covers {count}: {', '.join(shorts)}")
        # Printed on one page there is nothing to click.
        opened = " open" if self.app.builder.name == "singlehtml" else ""
        head = f'<details class="covers"{opened}><summary>{summary}</summary>'
        return [
            nodes.raw("", head, format="html"),
            listing,
            nodes.raw("", "</details>", format="html"),
        ]


def check(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Hold the file against the labels of the book; return the pages whose links have changed.

    Sphinx calls this on every build, also when no page has changed, so no error is seen once only.
    """
    content = lectures()
    labels = env.get_domain("std").data["labels"]
    wrong = [
        f"{FILE}: {row.deck}, {row.lines}, {row.topic!r}: no section is labeled {row.section!r}"
        for row in content.rows
        if row.section and row.section not in labels
    ]
    wrong += [
        f"{FILE}: beyond: no section is labeled {label!r}"
        for label in content.beyond
        if label not in labels
    ]
    wrong += [
        f"{FILE}: deck {name!r} stands on no page: add the directive lecture-map"
        for name in content.decks
        if not all(row.label in labels for row in content.of(name))
    ]
    if wrong:
        raise ExtensionError("\n".join(wrong))
    targets = sorted({(r.section, *labels[r.section][::2]) for r in content.rows if r.section})
    if targets == getattr(env, "lecture_targets", None):
        return []
    env.lecture_targets = targets  # type: ignore[attr-defined]
    return sorted({labels[row.label][0] for row in content.rows})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two directives and the check."""
    app.add_node(covers)
    app.add_directive("lecture-map", LectureMap)
    app.add_directive("covers", Covers)
    app.add_post_transform(FillCovers)
    app.connect("env-updated", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
