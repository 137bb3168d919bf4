"""The lecture map: every topic of the decks, and the section of the book that covers it.

``lectures.yml`` is the only source. ``{lecture-map} DECK`` prints one deck as a table, from slide
to section; ``{section-map}`` prints the book, from section to slides; ``{covers}`` prints the
topics that the page it stands on covers. A wrong entry stops the build.
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
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PATH = Path(__file__).parent.parent / "lectures.yml"
FILE = PATH.name
LINES = re.compile(r"(\d+)(?:-(\d+))?")
DECK_FIELDS = ({"short", "title", "origin", "length"}, {"note"})
ROW_FIELDS = ({"deck", "lines", "topic", "section"}, {"also", "note"})


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
    """One lecture; its length is the number of lines of its plain text."""

    short: str
    title: str
    origin: str
    length: str
    note: str = ""


class Row(NamedTuple):
    """One topic of one deck; ``also`` are more sections about it, separated by spaces."""

    deck: str
    lines: str
    topic: str
    section: str
    also: str = ""
    note: str = ""

    @property
    def sections(self) -> list[str]:
        """The labels of the sections that cover this topic, the main one first."""
        return [self.section, *self.also.split()]

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
    parts = {"decks", "beyond", "rows"}
    if not isinstance(content, dict) or content.keys() != parts:
        raise ExtensionError(f"{path.name}: expected exactly the parts {', '.join(sorted(parts))}")
    decks = {
        str(name): Deck(**_fields(f"{path.name}: deck {name}", entry, *DECK_FIELDS))
        for name, entry in content["decks"].items()
    }
    rows: dict[str, list[Row]] = {}
    for number, entry in enumerate(content["rows"], 1):
        row = Row(**_fields(f"{path.name}: row {number} ({entry})", entry, *ROW_FIELDS))
        where = f"{path.name}: row {number} ({row.deck}, {row.lines}, {row.topic!r})"
        if row.deck not in decks:
            raise ExtensionError(f"{where}: unknown deck")
        try:
            first, last = span(row.lines)
            end = span(decks[row.deck].length)[1]
        except ExtensionError as error:
            raise ExtensionError(f"{where}: {error}") from error
        if last > end:
            raise ExtensionError(f"{where}: the deck has {end} lines")
        before = next(reversed(rows.get(row.deck, [])), None)
        if before and first <= span(before.lines)[1]:
            raise ExtensionError(f"{where}: expected a line after those of {before.topic!r}")
        rows.setdefault(row.deck, []).append(row)
    beyond = [str(label) for label in content["beyond"]]
    return Lectures(decks, [row for deck in decks for row in rows.get(deck, [])], beyond)


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


def table_row(*cells: str | nodes.Node) -> nodes.row:
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


def in_order(env: BuildEnvironment) -> Iterator[str]:
    """Yield the pages in the order of the book; pages outside of it come last."""
    seen: set[str] = set()

    def walk(docname: str) -> Iterator[str]:
        if docname not in seen:
            seen.add(docname)
            yield docname
            for child in env.toctree_includes.get(docname, []):
                yield from walk(child)

    yield from walk(env.config.root_doc)
    yield from sorted(env.all_docs.keys() - seen)


def sections(env: BuildEnvironment) -> dict[str, list[str]]:
    """Return each page's labels of sections, in the order of the page (as Sphinx keeps them)."""
    found: dict[str, list[str]] = {docname: [] for docname in in_order(env)}
    for label, (docname, _, _) in env.get_domain("std").data["labels"].items():
        if label.startswith("sec-"):
            found[docname].append(label)
    return {docname: labels for docname, labels in found.items() if labels}


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
        group += nodes.thead("", table_row("Lines", "Topic", "In this book"))
        body = nodes.tbody()
        for row in content.of(name):
            if row.label in labels["labels"]:
                raise ExtensionError(f"{self.get_location()}: deck {name!r} is mapped twice")
            text = row.topic + (f". {row.note}" if row.note else "")
            where = nodes.inline("", "", link(row.section))
            for label in row.sections[1:]:
                where += [nodes.Text("; "), link(label)]
            body += (line := table_row(dashed(row.lines), text, where))
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
        here = [
            row
            for row in content.rows
            if any(labels.get(label, ("",))[0] == docname for label in row.sections)
        ]
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
        head = f'<details class="covers"><summary>{summary}</summary>'
        return [
            nodes.raw("", head, format="html"),
            listing,
            nodes.raw("", "</details>", format="html"),
        ]


class section_map(nodes.General, nodes.Element):
    """Stands for the table from sections to slides until all labels are known."""


class SectionMap(SphinxDirective):
    """Print the book's sections in their order, each with its slides."""

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder, and remember the page: it changes when a chapter does."""
        self.env.note_dependency(str(PATH))
        section_maps(self.env).add(self.env.docname)
        return [section_map()]


def section_maps(env: BuildEnvironment) -> set[str]:
    """Return the pages with the table."""
    if not hasattr(env, "section_maps"):
        env.section_maps = set()
    return env.section_maps  # type: ignore[no-any-return]


class FillSectionMap(SphinxPostTransform):
    """Put the table in place, before Sphinx resolves links (priority 10)."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        for node in list(self.document.findall(section_map)):
            node.replace_self(self.table())

    def table(self) -> nodes.table:
        """Return the table: a heading a chapter, a row a section."""
        content = lectures()
        group = nodes.tgroup("", cols=2)
        group += [nodes.colspec("", colwidth=width) for width in (45, 55)]
        group += nodes.thead("", table_row("Section", "Slides"))
        group += (body := nodes.tbody())
        for docname, labels in sections(self.env).items():
            title = self.env.titles[docname].astext()
            address = self.app.builder.get_relative_uri(self.env.docname, docname)
            body += (head := table_row(nodes.reference("", title, internal=True, refuri=address)))
            head[0]["morecols"] = 1
            head["classes"].append("chapter")
            for label in labels:
                body += table_row(link(label), self.slides(content, label))
        return nodes.table("", group, classes=["section-map"])

    @staticmethod
    def slides(content: Lectures, label: str) -> nodes.inline:
        """Return the slides of a section, deck by deck, as links into the lecture map."""
        found = nodes.inline()
        for name, deck in content.decks.items():
            if rows := [row for row in content.of(name) if label in row.sections]:
                found += nodes.Text("; " if len(found) else "")
                found += nodes.strong("", deck.short)
                for number, row in enumerate(rows):
                    found += nodes.Text(", " if number else " ")
                    found += link(row.label, dashed(row.lines))
        return found if len(found) else nodes.inline("", "beyond the slides", classes=["beyond"])


def check(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Hold the file against the labels of the book; return the pages whose links have changed.

    Sphinx calls this on every build, also when no page has changed, so no error is seen once only.
    """
    content = lectures()
    labels = env.get_domain("std").data["labels"]
    wrong = [
        f"{FILE}: {row.deck}, {row.lines}, {row.topic!r}: no section is labeled {label!r}"
        for row in content.rows
        for label in row.sections
        if label not in labels
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
    targets = sorted({(x, *labels[x][::2]) for row in content.rows for x in row.sections})
    pages = {labels[row.label][0] for row in content.rows}
    shown = [
        (env.titles[name].astext(), [labels[x] for x in found])
        for name, found in sections(env).items()
    ]
    if (targets, shown) == getattr(env, "lecture_targets", None):
        return []
    env.lecture_targets = (targets, shown)  # type: ignore[attr-defined]
    return sorted(pages | section_maps(env))


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    section_maps(env).discard(docname)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    section_maps(env).update(section_maps(other) & set(docnames))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the three directives and the check."""
    app.add_node(covers)
    app.add_node(section_map)
    app.add_directive("section-map", SectionMap)
    app.add_post_transform(FillSectionMap)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.add_directive("lecture-map", LectureMap)
    app.add_directive("covers", Covers)
    app.add_post_transform(FillCovers)
    app.connect("env-updated", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
