"""Exercises: how hard each one is, what checks it, and a list of all.

A grade is the class of an exercise: easy, medium or hard. What checks it is found on the page: a
question widget, or a ``check`` of `udl.exercises`, which stands between an exercise and the next.
``{exercise-list}`` lists all exercises, ``{exercise-counts}`` counts them. What breaks a rule
stops the build; ``udl_exercises_strict`` tells whether chapters must have enough of everything.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from docutils import nodes
from lectures import in_order, table_row
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.nodes import is_exercise_node, solution_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

GRADES = ("easy", "medium", "hard")
LABEL = re.compile(r"ex-[\w-]+", re.ASCII)  # as the progress in the browser knows them
LEAST = 8  # exercises in a chapter
QUESTION = re.compile(r'<div class="udl-widget"[^>]* data-module="questions"')
CHECK = re.compile(
    r'<div class="udl-check" data-check="([^":]*):([^"]*)" '
    r'data-state="(right|wrong|open)" data-names="([^"]*)"'
)
KINDS = {"": "no check", "a": "answer", "c": "code", "ac": "answer and code"}


class Exercise(NamedTuple):
    """One exercise: what the reader sees of it, and what checks it."""

    label: str
    title: str
    grades: tuple[str, ...]
    kind: str  # "a" for a question, "c" for a check of code, both or none
    solved: bool

    @property
    def name(self) -> str:
        """Return the name of its check: the label without ``ex-`` and the chapter's letters."""
        return self.label.split("-", 2)[-1]


class Page(NamedTuple):
    """The exercises of a page, and what is wrong with them whatever the page is."""

    exercises: list[Exercise]
    wrong: list[str]


def pages(env: BuildEnvironment) -> dict[str, Page]:
    """Return the pages read so far that have exercises."""
    if not hasattr(env, "udl_exercises"):
        env.udl_exercises = {}
    return env.udl_exercises  # type: ignore[no-any-return]


def listings(env: BuildEnvironment) -> set[str]:
    """Return the pages with a list or with counts."""
    if not hasattr(env, "udl_exercise_listings"):
        env.udl_exercise_listings = set()
    return env.udl_exercise_listings  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------ what a page has


def outputs(node: nodes.Node) -> Iterator[str]:
    """Yield the HTML that cells have put out."""
    for raw in node.findall(nodes.raw):
        if raw.get("format") == "html":
            yield raw.astext()


def siblings(node: nodes.Element) -> Iterator[nodes.Node]:
    """Yield what follows an exercise, up to the next one."""
    for other in node.parent[node.parent.index(node) + 1 :]:
        if is_exercise_node(other):
            return
        yield other


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Remember the exercises of a page, and mark them for `Badges`."""
    docname = app.env.docname
    found, wrong = [], []
    solved = {
        node.get("target_label")
        for node in doctree.findall(solution_node)
        if len(node.children) > 1 and node.children[-1].children
    }
    names: set[str] = set()
    checked: set[str] = set()
    for node in doctree.findall(is_exercise_node):
        label = node["label"]
        exercise = Exercise(
            label,
            "".join(part.astext() for part in node[0].children[1:]),
            tuple(grade for grade in GRADES if grade in node["classes"]),
            "",
            label in solved,
        )
        said, kind = [], set()
        if not LABEL.fullmatch(label):
            said.append("expected a label of ex-, letters, digits and -")
        for part in siblings(node):
            inside = isinstance(part, solution_node)
            for html in outputs(part):
                if QUESTION.search(html) and not inside:
                    kind.add("a")
                for chapter, name, state, listed in CHECK.findall(html):
                    names.update(listed.split())
                    if chapter != docname.rpartition("/")[2]:
                        said.append(f"it asks the check of the chapter {chapter!r}")
                    if name != exercise.name:
                        said.append(f"it asks the check {name!r}, expected {exercise.name!r}")
                        continue
                    checked.add(name)
                    kind.add("solved" if inside and state == "right" else "c")
                    if inside and state != "right":
                        said.append("the check in its solution does not say right")
                    if not inside and state != "open":
                        said.append("its check says more than that there is no answer yet")
        if "c" in kind and "solved" not in kind:
            said.append("no check in its solution says right")
        if "solved" in kind and "c" not in kind:
            said.append("there is a check in its solution, but none to begin with")
        if len(exercise.grades) > 1:
            said.append(f"expected one grade, got {', '.join(exercise.grades)}")
        exercise = exercise._replace(kind="".join(letter for letter in "ac" if letter in kind))
        node["grade"], node["kind"] = "".join(exercise.grades[:1]), exercise.kind
        found.append(exercise)
        wrong += [f"{docname}: exercise {label}: {what}" for what in dict.fromkeys(said)]
    wrong += [
        f"{docname}: the check {name!r} belongs to no exercise of this page: "
        f"its label would end in -{name}"
        for name in sorted(names - checked)
    ]
    if found:
        pages(app.env)[docname] = Page(found, wrong)


# ------------------------------------------------------------------------------------ the rules


def rules(docname: str, exercises: list[Exercise]) -> Iterator[str]:
    """Yield what a chapter's exercises lack."""
    for exercise in exercises:
        if len(exercise.grades) != 1:
            yield f"{docname}: exercise {exercise.label}: expected :class: easy, medium or hard"
        if not exercise.solved:
            yield f"{docname}: exercise {exercise.label}: it has no solution"
    graded = [exercise for exercise in exercises if exercise.grades]
    for before, after in pairwise(graded):
        if GRADES.index(before.grades[0]) > GRADES.index(after.grades[0]):
            yield (
                f"{docname}: exercise {after.label}: {after.grades[0]} after "
                f"{before.grades[0]}: expected the easier ones first"
            )
    if len(exercises) < LEAST:
        yield f"{docname}: expected at least {LEAST} exercises, got {len(exercises)}"
    checked = sum(bool(exercise.kind) for exercise in exercises)
    if 2 * checked < len(exercises):
        yield f"{docname}: expected checks for half of the exercises, got {checked}"
    if not any("c" in exercise.kind for exercise in exercises):
        yield f"{docname}: expected an exercise whose code is checked, got none"


def judge(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Stop at what is wrong; return the pages whose lists have changed.

    Sphinx calls this on every build, also when no page has changed, so no error is seen once only.
    """
    wrong = []
    for docname in in_order(env):
        if page := pages(env).get(docname):
            wrong += page.wrong
            if env.config.udl_exercises_strict:
                wrong += rules(docname, page.exercises)
    if wrong:
        raise ExtensionError("\n".join(wrong))
    shown = [
        (chapter, [(number(env, chapter, e.label), e) for e in page.exercises])
        for chapter, page in chapters(env)
    ]
    titles = [env.titles[chapter].astext() for chapter, _ in shown]
    if (shown, titles) == getattr(env, "udl_exercises_shown", None):
        return []
    env.udl_exercises_shown = (shown, titles)  # type: ignore[attr-defined]
    return sorted(listings(env))


# ------------------------------------------------------------------------------- what is shown


class Badges(SphinxPostTransform):
    """Say beside an exercise's title how hard it is, and what checks it."""

    default_priority = 25  # after sphinx-exercise has made the title

    def run(self, **kwargs: Any) -> None:
        """Add both to the titles of this page."""
        for node in self.document.findall(is_exercise_node):
            if node.get("grade"):
                node[0] += [nodes.Text(" "), *marks(node["grade"], node["kind"])]


def marks(grade: str, kind: str) -> list[nodes.Node]:
    """Return a grade and a kind of check as text with a frame and text without."""
    return [
        nodes.inline("", grade, classes=["grade", f"grade-{grade}"]),
        nodes.Text(" "),
        nodes.inline("", KINDS[kind] + (" checked" if kind else ""), classes=["checked-by"]),
    ]


def chapters(env: BuildEnvironment) -> Iterator[tuple[str, Page]]:
    """Yield the pages with exercises in the order of the book."""
    for docname in in_order(env):
        if page := pages(env).get(docname):
            yield docname, page


def number(env: BuildEnvironment, docname: str, label: str) -> str:
    """Return the number of an exercise."""
    found = env.toc_fignumbers.get(docname, {}).get("exercise", {}).get(label, ())
    return ".".join(map(str, found))


class listing(nodes.General, nodes.Element):
    """Stands for a list or for counts until all chapters are read."""


class Listing(SphinxDirective):
    """Leave a placeholder, and remember the page: it changes when a chapter does."""

    def run(self) -> list[nodes.Node]:
        """Leave the placeholder; the name of the directive says what shall stand there."""
        listings(self.env).add(self.env.docname)
        return [listing(name=self.name)]


class FillListing(SphinxPostTransform):
    """Put lists and counts in place."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        for node in list(self.document.findall(listing)):
            filled = self.counts() if node["name"] == "exercise-counts" else self.all()
            node.replace_self(filled)

    def all(self) -> nodes.table:
        """Return all exercises, a heading a chapter; the last column is for the reader's own."""
        group, body = table((52, 12, 24, 12), "Exercise", "Grade", "Check", "Done")
        for docname, page in chapters(self.env):
            body += (head := table_row(self.link(docname, self.env.titles[docname].astext()), ""))
            head[0]["morecols"] = 2
            head["classes"].append("chapter")
            for exercise in page.exercises:
                count = number(self.env, docname, exercise.label)
                title = f"{count} {exercise.title}".strip()
                grade = "".join(exercise.grades[:1])
                body += table_row(
                    self.link(docname, title, exercise.label),
                    marks(grade, "")[0] if grade else "",
                    KINDS[exercise.kind],
                    "",
                )
        return nodes.table("", group, classes=["exercise-list"])

    def counts(self) -> nodes.table:
        """Return how many exercises of each grade a chapter has, and how many are checked."""
        group, body = table((44, 12, 12, 12, 10, 10), "Chapter", *GRADES, "checked", "all")
        total = [0] * 5
        for docname, page in chapters(self.env):
            own = [sum(grade in e.grades for e in page.exercises) for grade in GRADES]
            own += [sum(bool(e.kind) for e in page.exercises), len(page.exercises)]
            total = [a + b for a, b in zip(total, own, strict=True)]
            title = self.link(docname, self.env.titles[docname].astext())
            body += table_row(title, *map(str, own))
        body += (last := table_row("The whole book", *map(str, total)))
        last["classes"].append("chapter")
        return nodes.table("", group, classes=["exercise-counts"])

    def link(self, docname: str, text: str, label: str = "") -> nodes.reference:
        """Return a link to a page or to an exercise on it."""
        address = self.app.builder.get_relative_uri(self.env.docname, docname)
        address += f"#{label}" if label else ""
        return nodes.reference("", text, internal=True, refuri=address)


def table(widths: tuple[int, ...], *titles: str) -> tuple[nodes.tgroup, nodes.tbody]:
    """Return a table's group with its head, and its empty body."""
    group = nodes.tgroup("", cols=len(widths))
    group += [nodes.colspec("", colwidth=width) for width in widths]
    group += nodes.thead("", table_row(*titles))
    group += (body := nodes.tbody())
    return group, body


def load(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Load the script where there is something for it to do."""
    body, scripts = context.get("body", ""), context.get("deferred_scripts")
    if scripts is not None and ('class="exercise ' in body or 'id="udl-progress"' in body):
        scripts += [name for name in ("udl/loader.js",) if name not in scripts]


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    pages(env).pop(docname, None)
    listings(env).discard(docname)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    pages(env).update({name: pages(other)[name] for name in docnames if name in pages(other)})
    listings(env).update(listings(other) & set(docnames))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two directives, the rules and the badges."""
    app.add_config_value("udl_exercises_strict", True, "env")
    app.add_node(listing)
    app.add_directive("exercise-list", Listing)
    app.add_directive("exercise-counts", Listing)
    app.add_post_transform(FillListing)
    app.add_post_transform(Badges)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", judge)
    # After page.py has chosen what a page loads.
    app.connect("html-page-context", load, priority=995)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
