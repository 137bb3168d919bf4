"""Slide checks: boxes that hold a slide against what a computation says.

``{slide-check} Title`` with the options ``:deck:`` and ``:lines:`` is a box in a chapter;
``{slide-check-list}`` shows all of them on one page, in full, chapter by chapter in the order of
the book. It copies what the chapters have computed: nothing runs twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import lectures
import mathematics
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.post_transforms import UpdateReferencesToEnumerated

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

# What a chapter draws stays in the chapter.
FIGURES = (nodes.figure, nodes.image)


class Check(NamedTuple):
    """One box: where it is, which slide it is about, and a copy of it."""

    anchor: str
    title: str
    source: str
    box: nodes.admonition


def found(env: BuildEnvironment) -> dict[str, list[Check]]:
    """Return the boxes of each page read so far; a page with the list alone has none."""
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
        """Build the box; it is remembered for the list when the page has been read."""
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
        count = "lines" if "-" in lines else "line"
        source = f"{content.decks[deck].short}, {count} {lectures.dashed(lines)}"
        box = nodes.admonition("", classes=["slide-check"], source=source)
        box["ids"].append(nodes.make_id(f"slide-check-{title}"))
        self.set_source_info(box)
        texts, messages = self.state.inline_text(f"Slide check: {title}", self.lineno)
        box += nodes.title("", "", *texts)
        self.state.nested_parse(self.content, self.content_offset, box)
        footer = nodes.paragraph("", "", nodes.Text("Slide: "), lectures.link(row.label, source))
        footer["classes"].append("slide-check-source")
        box += footer
        return [box, *messages]


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Remember the boxes of a page, with their numbers in place."""
    docname = app.env.docname
    for box in doctree.findall(nodes.admonition):
        if "slide-check" in box["classes"]:
            title = box[0].astext().removeprefix("Slide check: ")
            check = Check(box["ids"][0], title, box["source"], box.deepcopy())
            found(app.env).setdefault(docname, []).append(check)


class slide_check_list(nodes.General, nodes.Element):
    """Stands for the list until all chapters are read."""


class SlideCheckList(SphinxDirective):
    """Show every slide check of the book."""

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder, and remember the page: it changes when a chapter does."""
        found(self.env).setdefault(self.env.docname, [])
        return [slide_check_list()]


class FillList(SphinxPostTransform):
    """Put the list in place, before Sphinx resolves links (priority 10)."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        for node in list(self.document.findall(slide_check_list)):
            node.replace_self(self.listing())
            # It has the same priority: what is new here has not got the numbers of exercises yet.
            UpdateReferencesToEnumerated(self.document).run()

    def listing(self) -> list[nodes.Node]:
        """Return what is here at a glance, then the boxes under their chapters."""
        glance = nodes.bullet_list()
        parts: list[nodes.Node] = []
        for docname in lectures.in_order(self.env):
            if checks := found(self.env).get(docname):
                chapter = self.env.titles[docname].astext()
                titles = nodes.bullet_list()
                part = nodes.section("", ids=[nodes.make_id(f"checks-{docname}")])
                part += nodes.title("", "", self.link(docname, "", chapter))
                for check in checks:
                    here = nodes.reference("", check.title, internal=True, refid=check.anchor)
                    source = nodes.inline("", f" ({check.source})")
                    titles += nodes.list_item("", nodes.paragraph("", "", here, source))
                    part += self.copy(docname, chapter, check)
                name = nodes.paragraph(
                    "", "", nodes.reference("", chapter, internal=True, refid=part["ids"][0])
                )
                glance += nodes.list_item("", name, titles)
                parts.append(part)
        return [glance, *parts] if parts else [nodes.paragraph("", "There are none yet.")]

    def copy(self, docname: str, chapter: str, check: Check) -> nodes.admonition:
        """Return a box as it stands in its chapter, with a link to it, and links from here."""
        box = check.box.deepcopy()
        for node in list(box.findall(nodes.Element)):
            node["ids"] = []
            if isinstance(node, addnodes.pending_xref):
                node["refdoc"] = self.env.docname
            elif isinstance(node, nodes.reference) and "refid" in node:
                node["refuri"] = self.address(docname, node.attributes.pop("refid"))
            elif isinstance(node, FIGURES) and node.parent is not None:
                node.parent.remove(node)
        box["ids"] = [check.anchor]
        footer = nodes.inline("", "Chapter: ")
        footer += self.link(docname, check.anchor, chapter)
        footer += nodes.Text(". ")
        box[-1].insert(0, footer)
        return box

    def address(self, docname: str, anchor: str) -> str:
        """Return the address of a page, or of a place on it."""
        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        return f"{uri}#{anchor}" if anchor else uri

    def link(self, docname: str, anchor: str, text: str) -> nodes.reference:
        """Return a link to a page, or to a place on it."""
        return nodes.reference("", text, internal=True, refuri=self.address(docname, anchor))


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    found(env).pop(docname, None)
    getattr(env, "slide_checks_shown", {}).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    found(env).update({name: found(other)[name] for name in docnames if name in found(other)})


def changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages with a list, where what they show has changed; typeset their formulas."""
    places: dict[str, str] = {}
    shown = []
    for name in lectures.in_order(env):
        for check in found(env).get(name, []):
            if check.anchor in places:
                raise ExtensionError(
                    f"{name}: a slide check on {places[check.anchor]} is called {check.title!r}"
                )
            places[check.anchor] = name
            shown.append((name, env.titles[name].astext(), check.box.pformat()))
    # A page with a list alone has no checks of its own; chapters without any are not in here.
    lists = sorted(name for name, checks in found(env).items() if not checks)
    seen: dict[str, Any] = getattr(env, "slide_checks_shown", {})
    pages = [name for name in lists if seen.get(name) != shown]
    boxes = [check.box for checks in found(env).values() for check in checks]
    for name in pages if "mathematics" in app.extensions else []:
        mathematics.typeset_page(env, name, *boxes)
    env.slide_checks_shown = dict.fromkeys(lists, shown)  # type: ignore[attr-defined]
    return pages


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two directives and what keeps the list true."""
    app.add_node(slide_check_list)
    app.add_directive("slide-check", SlideCheck)
    app.add_directive("slide-check-list", SlideCheckList)
    app.add_post_transform(FillList)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", changed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
