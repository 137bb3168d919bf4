"""The page for teachers: ways through the book, goals, times, and which chapter needs which.

Everything here is made from what the pages hold (`tally`, `exercises`) and from the lecture map.

* ``{teaching-way} DECK`` follows the slides of a deck; ``{teaching-way} whole`` the whole book.
* ``{teaching-goals}`` repeats what each chapter says that its reader will be able to do.
* ``{teaching-needs}`` tells from the links between chapters which one builds on which.
* ``{teaching-rates}`` tells the rates that minutes are made of.
"""

from __future__ import annotations

import math
import posixpath
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

import exercises
import lectures
from docutils import nodes
from exercises import table
from lectures import table_row
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from tally import Page, Section, chapters, tallies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

# Minutes in class. Rules of thumb: change them here, and every table follows.
WORDS_A_MINUTE = 150
MINUTES = {
    "figures": (1.5, "a figure"),
    "shown": (1.0, "a code cell whose code is in view"),
    "questions": (1.5, "a question to answer before going on"),
    "interactives": (3.0, "an interactive"),
    "slide_checks": (1.0, "a slide check"),
}
ANSWERS = {"shown", "questions"}  # beside exercises: starter cells, and replies to check
EXERCISE = {"easy": 5, "medium": 10, "hard": 20}
UNGRADED = 10
SESSION = 90
SUGGESTED = 3  # exercises beside a section
NEEDS = 3  # links back, from which on a chapter builds on another


def minutes(sections: Iterable[Section]) -> int:
    """Return the minutes that sections take in class, at least one.

    What an exercise is answered with is in the minutes of the exercise.
    """
    total = 0.0
    for section in sections:
        total += section.words / WORDS_A_MINUTE
        for name, (each, _) in MINUTES.items():
            if not (section.practice and name in ANSWERS):
                total += getattr(section, name) * each
    return max(1, round(total))


def effort(exercise: exercises.Exercise) -> int:
    """Return the minutes that an exercise takes."""
    return EXERCISE[exercise.grades[0]] if exercise.grades else UNGRADED


def hours(total: int) -> str:
    """Write minutes as a reader expects them.

    >>> hours(45), hours(60), hours(135)
    ('45 min', '1 h', '2 h 15 min')
    """
    parts = [f"{total // 60} h"] * (total >= 60) + [f"{total % 60} min"] * bool(total % 60)
    return " ".join(parts) or "0 min"


def below(page: Page, place: int, stops: set[int]) -> Iterator[int]:
    """Yield a section and those under it; a section that a way visits by itself is left out."""
    yield place
    for k, section in enumerate(page.sections):
        if section.above == place and k not in stops:
            yield from below(page, k, stops)


def known(env: BuildEnvironment) -> set[str]:
    """Return the pages with a part of this extension."""
    if not hasattr(env, "udl_teaching"):
        env.udl_teaching = set()
    return env.udl_teaching  # type: ignore[no-any-return]


class teaching(nodes.General, nodes.Element):
    """Stands for a table until all chapters are read."""


class Part(SphinxDirective):
    """Leave a placeholder: what it stands for depends on every chapter."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Remember the page: it changes when a chapter does."""
        known(self.env).add(self.env.docname)
        self.env.note_dependency(str(lectures.PATH))
        what = self.arguments[0] if self.arguments else ""
        if self.name == "teaching-way":
            ways = [*lectures.lectures().decks, "whole"]
            if what not in ways:
                where = self.get_location()
                raise ExtensionError(f"{where}: expected one of {', '.join(ways)}, got {what!r}")
        return [teaching(name=self.name, what=what)]


class Fill(SphinxPostTransform):
    """Put the tables in place, before Sphinx resolves links (priority 10)."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        for node in list(self.document.findall(teaching)):
            make = {
                "teaching-goals": self.goals,
                "teaching-needs": self.needs,
                "teaching-rates": self.rates,
                "teaching-way": self.whole if node["what"] == "whole" else self.way,
            }[node["name"]]
            node.replace_self(make(node["what"]))

    # ---------------------------------------------------------------------------- the ways

    def way(self, deck: str) -> list[nodes.Node]:
        """Return a deck's way: its slides in their order, and what to teach them from."""
        rows = lectures.lectures().of(deck)
        labels = self.env.get_domain("std").data["labels"]
        places = {row.section: self.place(*labels[row.section][:2]) for row in rows}
        group, body = table((14, 52, 12, 22), "Slides, lines", "Section", "Minutes", "Exercises")
        seen: set[str] = set()
        given: set[str] = set()
        chapter, taught, practiced = "", 0, 0
        for label, run in groupby(rows, key=lambda row: row.section):
            slides = list(run)
            first, last = slides[0].lines.split("-")[0], slides[-1].lines.split("-")[-1]
            lines = first if first == last else f"{first}\N{EN DASH}{last}"
            docname, place = places[label]
            where = nodes.inline("", "", lectures.link(label))
            if docname != chapter:
                chapter = docname
                where.insert(0, [self.chapter(docname), nodes.Text(": ")])
            slide = lectures.link(slides[0].label, lines)
            if label in seen:
                body += table_row(slide, where, "above", "")
                continue
            seen.add(label)
            page = tallies(self.env)[docname]
            stops = {k for name, k in places.values() if name == docname} - {place}
            inside = list(below(page, place, stops))
            time = minutes(page.sections[k] for k in inside)
            fitting = [
                entry
                for entry in self.exercises(docname)
                if page.exercises.get(entry.label) in inside and entry.label not in given
            ][:SUGGESTED]
            given |= {entry.label for entry in fitting}
            taught += time
            practiced += sum(map(effort, fitting))
            body += table_row(slide, where, str(time), self.links(docname, fitting))
        note = lectures.lectures().decks[deck].note
        notes = [nodes.paragraph("", note)] if note else []
        return [*notes, self.framed(group), self.sum(taught, practiced)]

    def whole(self, _: str) -> list[nodes.Node]:
        """Return the way through the whole book, chapter by chapter."""
        heads = ("Chapter", "Sections", "In class", f"Sessions of {SESSION} min", "Begin with")
        group, body = table((36, 10, 16, 14, 24), *heads)
        taught, practiced = 0, 0
        for docname in chapters(self.env):
            page = tallies(self.env)[docname]
            time = minutes(page.sections)
            entries = self.exercises(docname)
            # One of each grade, the first.
            first = {entry.grades: entry for entry in reversed(entries)}
            chosen = [entry for entry in entries if entry in first.values()][:SUGGESTED]
            taught += time
            practiced += sum(map(effort, entries))
            body += table_row(
                self.chapter(docname),
                str(sum(section.above == 0 for section in page.sections)),
                hours(time),
                str(math.ceil(time / SESSION)),
                self.links(docname, chosen),
            )
        return [self.framed(group), self.sum(taught, practiced)]

    def sum(self, taught: int, practiced: int) -> nodes.paragraph:
        """Return how long a way is."""
        sessions = math.ceil(taught / SESSION)
        count = f"{sessions} session{'s' * (sessions != 1)}"
        text = f"Together {hours(taught)} in class ({count} of {SESSION} minutes)"
        return nodes.paragraph("", f"{text}, and {hours(practiced)} for the exercises.")

    def place(self, docname: str, anchor: str) -> tuple[str, int]:
        """Return the page of a label, and the place of its section on the page."""
        for k, section in enumerate(tallies(self.env)[docname].sections):
            if anchor in section.ids:
                return docname, k
        raise ExtensionError(f"{docname}: the label {anchor!r} is at no section")

    def exercises(self, docname: str) -> list[exercises.Exercise]:
        """Return the exercises of a page."""
        page = exercises.pages(self.env).get(docname)
        return page.exercises if page else []

    def links(self, docname: str, entries: list[exercises.Exercise]) -> nodes.inline:
        """Return exercises as links, each with its grade."""
        line = nodes.inline()
        for entry in entries:
            if len(line):
                line += nodes.Text(", ")
            number = exercises.number(self.env, docname, entry.label) or entry.title
            grade = f" ({entry.grades[0]})" if entry.grades else ""
            line += [self.link(docname, number, entry.label, entry.title), nodes.Text(grade)]
        return line

    # ------------------------------------------------------------------- goals, needs, rates

    def goals(self, _: str) -> list[nodes.Node]:
        """Return the goals of each chapter."""
        listing = nodes.definition_list()
        for docname in chapters(self.env):
            points = nodes.bullet_list()
            for item in tallies(self.env)[docname].goals:
                line = nodes.paragraph()
                for kind, text in item:
                    line += nodes.Text(text) if kind == "Text" else getattr(nodes, kind)("", text)
                points += nodes.list_item("", line)
            term = nodes.term("", "", self.chapter(docname))
            listing += nodes.definition_list_item("", term, nodes.definition("", points))
        return [listing]

    def needs(self, _: str) -> list[nodes.Node]:
        """Return which earlier chapters each chapter links to: often, and now and then."""
        order = chapters(self.env)
        group, body = table((34, 40, 26), "Chapter", "builds on", "and refers to")
        for k, docname in enumerate(order):
            back = self.back(docname, order[:k])
            often = [name for name in order[:k] if back[name] >= NEEDS]
            rare = [name for name in order[:k] if 0 < back[name] < NEEDS]
            body += table_row(self.chapter(docname), *map(self.chapters, (often, rare)))
        return [self.framed(group)]

    def back(self, docname: str, earlier: list[str]) -> Counter[str]:
        """Count the links from a chapter to each earlier one."""
        std = self.env.get_domain("std").data
        equations = self.env.get_domain("math").data["objects"]
        registry = getattr(self.env, "sphinx_exercise_registry", {})
        count: Counter[str] = Counter()
        for target, times in tallies(self.env)[docname].targets.items():
            path = posixpath.normpath(posixpath.join(posixpath.dirname(docname), target))
            found = std["labels"].get(target) or std["anonlabels"].get(target)
            found = found or equations.get(target) or (path if path in earlier else None,)
            home = registry[target]["docname"] if target in registry else found[0]
            count[home] += times
        return count

    def chapters(self, names: list[str]) -> nodes.inline:
        """Return chapters as links in a row."""
        line = nodes.inline()
        for name in names:
            if len(line):
                line += nodes.Text("; ")
            line += self.chapter(name)
        return line

    def rates(self, _: str) -> list[nodes.Node]:
        """Return what minutes are made of."""
        group, body = table((70, 30), "What is on the page", "Minutes")
        body += table_row(f"{WORDS_A_MINUTE} words of text", "1")
        for each, name in MINUTES.values():
            body += table_row(name, f"{each:g}")
        for grade, each in EXERCISE.items():
            article = "an" if grade[0] in "aeiou" else "a"
            body += table_row(f"{article} {grade} exercise", str(each))
        return [self.framed(group)]

    def framed(self, group: nodes.tgroup) -> nodes.table:
        """Return a table with the class that its style goes by."""
        return nodes.table("", group, classes=["teaching"])

    def chapter(self, docname: str) -> nodes.reference:
        """Return a link to a chapter."""
        return self.link(docname, self.env.titles[docname].astext())

    def link(self, docname: str, text: str, anchor: str = "", title: str = "") -> nodes.reference:
        """Return a link to a page or to a place on it."""
        address = self.app.builder.get_relative_uri(self.env.docname, docname)
        address += f"#{anchor}" if anchor else ""
        more = {"reftitle": title} if title else {}
        return nodes.reference("", text, internal=True, refuri=address, **more)


def changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages to write again, where what they are made of has changed."""
    if not known(env):
        return []
    order = chapters(env)
    labels = env.get_domain("std").data["labels"]
    content = lectures.lectures()
    parts = [
        content,
        [(name, env.titles[name].astext(), tallies(env)[name]) for name in order],
        [(name, exercises.pages(env).get(name)) for name in order],
        [env.toc_fignumbers.get(name, {}).get("exercise") for name in order],
        [labels.get(row.section) for row in content.rows],
    ]
    if parts == getattr(env, "udl_teaching_parts", None):
        return []
    env.udl_teaching_parts = parts  # type: ignore[attr-defined]
    return sorted(known(env))


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    known(env).discard(docname)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    known(env).update(known(other) & docnames)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and what keeps their tables true."""
    app.add_node(teaching)
    for name in ("way", "goals", "needs", "rates"):
        app.add_directive(f"teaching-{name}", Part)
    app.add_post_transform(Fill)
    app.connect("env-updated", changed, priority=600)  # after the lecture map was checked
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
