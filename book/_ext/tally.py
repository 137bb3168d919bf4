"""What is on each page, counted when it is read: for the page for teachers and the build report.

A section owns what stands in it and in no section below it. An exercise stands beside the
section that it has most in common with: links to it first, then words that few sections use.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docutils import nodes
from lectures import in_order
from sphinx import addnodes
from sphinx_exercise.nodes import is_exercise_node, solution_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

# A chapter is a page that says what its reader will be able to do.
GOALS = re.compile("you will be able to|find out whether you can")
WIDGET = re.compile(r'<div class="udl-widget"[^>]* data-module="([\w-]+)"')
SPOKEN = re.compile(r"[^\W_][\w’'-]*")
WORD = re.compile(r"[^\W\d_]{3,}")
# No prose: what a cell shows, code, formulas, and the parts of a page that are not its text.
SILENT = (nodes.literal_block, nodes.raw, nodes.comment, nodes.math, nodes.math_block)
GLUED = {"pasted-text", "pasted-inline"}
UNSEEN = {"tag_hide-input", "tag_remove-input", "tag_hide-cell"}
LINK = 5.0  # a link to a section weighs as much as this many words that no other section has


@dataclass
class Section:
    """A section: what stands in it, but in no section below it."""

    ids: frozenset[str]
    title: str
    above: int | None  # place of the section around it
    words: int = 0
    figures: int = 0
    cells: int = 0
    shown: int = 0  # cells whose code is in view
    questions: int = 0
    interactives: int = 0
    glued: int = 0
    slide_checks: int = 0
    practice: bool = False  # exercises stand in it


@dataclass
class Page:
    """A page: its sections in order, its goals, and which pages it needs."""

    sections: list[Section] = field(default_factory=list)
    goals: list[list[tuple[str, str]]] = field(default_factory=list)
    exercises: dict[str, int] = field(default_factory=dict)  # label, and place of its section
    targets: Counter[str] = field(default_factory=Counter)  # labels that the page links to

    def total(self, name: str) -> int:
        """Add up one count over all sections."""
        return sum(getattr(section, name) for section in self.sections)


def tallies(env: BuildEnvironment) -> dict[str, Page]:
    """Return what was counted on each page read so far."""
    if not hasattr(env, "udl_tallies"):
        env.udl_tallies = {}
    return env.udl_tallies  # type: ignore[no-any-return]


def is_chapter(env: BuildEnvironment, docname: str) -> bool:
    """Say whether a page is a chapter: whether it has goals."""
    return docname in tallies(env) and bool(tallies(env)[docname].goals)


def chapters(env: BuildEnvironment) -> list[str]:
    """Return the chapters in the order of the book."""
    return [name for name in in_order(env) if is_chapter(env, name)]


def goals(doctree: nodes.document) -> list[list[tuple[str, str]]]:
    """Return the list after "you will be able to", an item as pieces of marked-up text."""
    for paragraph in doctree.findall(nodes.paragraph):
        if GOALS.search(paragraph.astext()):
            listing = paragraph.next_node(descend=False, siblings=True)
            if isinstance(listing, nodes.bullet_list):
                return [list(pieces(item)) for item in listing]
    return []


def pieces(item: nodes.Node) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a list item, each with the name of its markup."""
    for paragraph in item.findall(nodes.paragraph):
        for child in paragraph:
            kind = type(child).__name__
            yield kind if kind in {"emphasis", "strong", "literal"} else "Text", child.astext()


def is_own(section: nodes.Element) -> bool:
    """Say whether a section is one of the page, not the inside of an exercise."""
    return isinstance(section.parent, (nodes.document, nodes.section))


def targets(node: nodes.Node) -> Iterator[str]:
    """Yield the labels that a part of a page links to."""
    for link in node.findall(addnodes.pending_xref):
        yield link.get("reftarget", "")
    for local in node.findall(nodes.reference):
        if local.get("refid"):
            yield local["refid"]


def count(section: Section, node: nodes.Element, words: Counter[str], names: set[str]) -> None:
    """Add what stands in a node to a section, but not exercises and the sections below."""
    names.update(node.get("ids", ()))
    if "label" in node:
        names.add(str(node["label"]))
    if isinstance(node, nodes.figure):
        section.figures += 1
    classes = set(node.get("classes", ()))
    section.slide_checks += "slide-check" in classes
    section.glued += bool(classes & GLUED)
    if "cell" in classes:
        section.cells += 1
        section.shown += not classes & UNSEEN
    if isinstance(node, nodes.raw):
        for module in WIDGET.findall(node.astext()):
            if module == "questions":
                section.questions += 1
            else:
                section.interactives += 1
    if isinstance(node, SILENT):
        return
    for child in node.children:
        if isinstance(child, nodes.Text):
            said = child.astext()
            section.words += len(SPOKEN.findall(said))
            words.update(word.lower() for word in WORD.findall(said))
        elif isinstance(child, nodes.Element) and not (
            is_exercise_node(child) or isinstance(child, (solution_node, nodes.section))
        ):
            count(section, child, words, names)


def nearest(
    said: Counter[str], linked: set[str], sections: list[tuple[Counter[str], set[str]]]
) -> int:
    """Return the place of the section that an exercise has most in common with.

    >>> spring, river = Counter(["spring", "water"]), Counter(["river", "water", "flow"])
    >>> nearest(Counter(["flow", "water"]), set(), [(spring, {"a"}), (river, {"b"})])
    1
    >>> nearest(Counter(["flow", "water"]), {"a"}, [(spring, {"a"}), (river, {"b"})])
    0
    """
    spread = Counter(word for words, _ in sections for word in words)

    def weight(word: str) -> float:
        return math.log(len(sections) / spread[word]) if word in spread else 0.0

    def common(place: int) -> float:
        words, names = sections[place]
        size = math.sqrt(sum((weight(word) * n) ** 2 for word, n in words.items())) or 1.0
        alike = sum(weight(word) ** 2 * n * words[word] for word, n in said.items())
        return alike / size + LINK * len(linked & names)

    return max(range(len(sections)), key=lambda place: (common(place), -place))


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Count a page that was read."""
    page = tallies(app.env)[app.env.docname] = Page(goals=goals(doctree))
    page.targets.update(targets(doctree))
    found = [node for node in doctree.findall(nodes.section) if is_own(node)]
    contents: list[tuple[Counter[str], set[str]]] = []
    for node in found:
        around = node.parent
        above = next((k for k, other in enumerate(found) if other is around), None)
        title = node.next_node(nodes.title)
        section = Section(frozenset(node["ids"]), title.astext() if title else "", above)
        words, names = Counter[str](), set[str]()
        count(section, node, words, names)
        page.sections.append(section)
        contents.append((words, names))
    solutions = {node.get("target_label"): node for node in doctree.findall(solution_node)}
    for node in doctree.findall(is_exercise_node):
        parts = [node, *filter(None, [solutions.get(node["label"])])]
        said = Counter(word.lower() for part in parts for word in WORD.findall(part.astext()))
        home = next((k for k, other in enumerate(found) if other is holder(node)), 0)
        page.sections[home].practice = True
        # The section that all exercises stand in is about none of them.
        linked = {target for part in parts for target in targets(part)}
        empty = (Counter[str](), set[str]())
        open_to = [empty if k == home else entry for k, entry in enumerate(contents)]
        page.exercises[node["label"]] = nearest(said, linked, open_to)


def holder(node: nodes.Element) -> nodes.Element:
    """Return the section of the page that an exercise stands in."""
    up = node.parent
    while up.parent is not None and not (isinstance(up, nodes.section) and is_own(up)):
        up = up.parent
    return up


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    tallies(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has counted."""
    tallies(env).update({n: tallies(other)[n] for n in docnames if n in tallies(other)})


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
