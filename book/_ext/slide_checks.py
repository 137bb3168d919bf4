"""Slide checks: boxes that hold a slide against what a computation says.

``{slide-check} Title`` with the options ``:deck:`` and ``:lines:`` is a box in a chapter;
``{slide-check-list}`` lists all of them, chapter by chapter in the order of the book.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import lectures
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


class Check(NamedTuple):
    """One box: where it is and which slide it is about."""

    anchor: str
    title: str
    source: str


def found(env: BuildEnvironment) -> dict[str, list[Check]]:
    """Return the boxes of each page read so far."""
    if not hasattr(env, "slide_checks"):
        env.slide_checks = {}
    return env.slide_checks  # type: ignore[no-any-return]


class SlideCheck(SphinxDirective):
    """A box with a title, its text, and a link to the slide's row in the lecture map."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"deck": directives.unchanged, "lines": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Build the box and remember it for the list."""
        where = self.get_location()
        missing = [name for name in ("deck", "lines") if not self.options.get(name)]
        if missing or not self.content:
            what = " and ".join([f":{name}:" for name in missing] or ["a text"])
            raise ExtensionError(f"{where}: slide-check needs {what}")
        self.env.note_dependency(str(lectures.PATH))
        content = lectures.lectures()
        deck, lines = self.options["deck"], self.options["lines"]
        if deck not in content.decks:
            names = ", ".join(content.decks)
            raise ExtensionError(f"{where}: expected a deck of {names}, got {deck!r}")
        try:
            row = content.at(deck, lines)
        except ExtensionError as error:
            raise ExtensionError(f"{where}: {error}") from error

        title = self.arguments[0]
        anchor = nodes.make_id(f"slide-check-{title}")
        count = "lines" if "-" in lines else "line"
        source = f"{content.decks[deck].short}, {count} {lectures.dashed(lines)}"
        checks = found(self.env).setdefault(self.env.docname, [])
        if any(check.anchor == anchor for check in checks):
            raise ExtensionError(f"{where}: two slide checks are called {title!r}")

        box = nodes.admonition("", classes=["slide-check"], ids=[anchor])
        self.set_source_info(box)
        texts, messages = self.state.inline_text(f"Slide check: {title}", self.lineno)
        box += nodes.title("", "", *texts)
        self.state.nested_parse(self.content, self.content_offset, box)
        footer = nodes.paragraph("", "", nodes.Text("Slide: "), lectures.link(row.label, source))
        footer["classes"].append("slide-check-source")
        box += footer
        checks.append(Check(anchor, box[0].astext().removeprefix("Slide check: "), source))
        return [box, *messages]


class slide_check_list(nodes.General, nodes.Element):
    """Stands for the list until all chapters are read."""


class SlideCheckList(SphinxDirective):
    """List every slide check of the book."""

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder, and remember the page: it changes when a chapter does."""
        found(self.env).setdefault(self.env.docname, [])
        return [slide_check_list()]


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
    yield from sorted(found(env).keys() - seen)


class FillList(SphinxPostTransform):
    """Put the list in place, before Sphinx resolves links (priority 10)."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        for node in list(self.document.findall(slide_check_list)):
            node.replace_self(self.listing())

    def listing(self) -> list[nodes.Node]:
        """Return the pages that have checks, each with its checks as links."""
        pages = nodes.bullet_list()
        for docname in in_order(self.env):
            if checks := found(self.env).get(docname):
                boxes = nodes.bullet_list()
                for check in checks:
                    address = self.link(docname, check.anchor, check.title)
                    source = nodes.inline("", f" ({check.source})")
                    boxes += nodes.list_item("", nodes.paragraph("", "", address, source))
                chapter = self.link(docname, "", self.env.titles[docname].astext())
                pages += nodes.list_item("", nodes.paragraph("", "", chapter), boxes)
        return [pages] if len(pages) else [nodes.paragraph("", "There are none yet.")]

    def link(self, docname: str, anchor: str, text: str) -> nodes.reference:
        """Return a link to a page or to a box on it."""
        builder = self.app.builder
        address = builder.get_relative_uri(self.env.docname, docname)
        address += f"#{anchor}" if anchor else ""
        return nodes.reference("", text, internal=True, refuri=address)


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    found(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    found(env).update({name: found(other)[name] for name in docnames if name in found(other)})


def changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages with a list, where what they list has changed."""
    listed = [(n, env.titles[n].astext(), found(env).get(n)) for n in in_order(env)]
    listed = [entry for entry in listed if entry[2] is not None]
    if listed == getattr(env, "slide_checks_listed", None):
        return []
    env.slide_checks_listed = listed  # type: ignore[attr-defined]
    # A page with a list alone has no checks of its own; chapters without any are not in here.
    return [name for name, checks in found(env).items() if not checks]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two directives and what keeps the list true."""
    app.add_node(slide_check_list)
    app.add_directive("slide-check", SlideCheck)
    app.add_directive("slide-check-list", SlideCheckList)
    app.add_post_transform(FillList)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", changed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
