r"""The glossary, and links to it: each term at its first use in each chapter.

The directive ``{terms}`` holds all terms of the book, one after the other::

    learning rate
      :at: sec-lr-gradient-descent
      :also: step size
      :forms: rate of learning
      The factor $\alpha$ of the gradient in a step.

``:at:`` is the section that introduces the term, ``:also:`` what others call it, ``:forms:`` what
is linked besides the name and its plural in -s, ``:pages:`` the only chapters in which it is.
A name with parentheses or commas stands on no page, so its forms have to be given.
A use is in running text. Where the first one is bold, the page itself says what the term means.
What stands in a table is a use as well, but no link.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import lectures
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

REFERENCE = "Reference"  # the part whose pages are no chapters
WORD = re.compile(r"(?<![\w-])\w[\w-]*")
OPTION = re.compile(r":(at|also|forms|pages): +(\S.*)")
NO_PROSE = (
    *(nodes.title, nodes.subtitle, nodes.rubric, nodes.caption, nodes.raw),
    *(nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.comment),
    *(nodes.reference, addnodes.pending_xref, nodes.citation, nodes.footnote),
    *(nodes.footnote_reference, nodes.citation_reference, addnodes.toctree),
)
# What cells printed or glued, and what other extensions have made.
NO_PROSE_CLASSES = {
    *("cell", "cell_input", "cell_output", "pasted-text", "pasted-inline", "pasted-figure"),
    *("covers", "lecture-map", "slide-check-source"),
}


class Term(NamedTuple):
    """An entry of the glossary."""

    name: str
    at: str
    also: tuple[str, ...]
    forms: tuple[str, ...]
    pages: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The anchor of the entry."""
        return nodes.make_id(f"term-{self.name}")

    def on(self, docname: str) -> bool:
        """Return whether a page may link the term."""
        return not self.pages or docname.rsplit("/")[-1] in self.pages


class Prose(NamedTuple):
    """The running text of a page: its pieces, and with which piece each section begins."""

    pieces: list[tuple[str, str]]  # each with what it stands in: "strong", "table" or nothing
    starts: dict[str, int]


class Use(NamedTuple):
    """The first use of a term on a page."""

    piece: int
    start: int
    end: int
    inside: str


class Finder:
    """Finds the first use of each term; of two terms in one place, the longer one is used."""

    def __init__(self, terms: Iterable[Term]) -> None:
        forms = {form.lower(): term.name for term in terms for form in term.forms}
        self.names = forms
        starting: dict[str, list[str]] = {}
        for form in sorted(forms, key=len, reverse=True):
            first = WORD.match(form)
            if first is None:
                raise ExtensionError(f"glossary: no word begins the form {form!r}")
            starting.setdefault(first[0], []).append(form)
        self.patterns = {
            first: re.compile(
                "(?:"
                + "|".join(r"\s+".join(map(re.escape, form.split())) for form in found)
                + r")(?![\w-])",
                re.IGNORECASE,
            )
            for first, found in starting.items()
        }

    def uses(self, prose: Prose) -> dict[str, Use]:
        """Return the first use of each term that a page has, by the term's name."""
        found: dict[str, Use] = {}
        # A table uses what the text does not.
        pieces = sorted(enumerate(prose.pieces), key=lambda piece: piece[1][1] == "table")
        for number, (text, inside) in pieces:
            end = 0
            for word in WORD.finditer(text):
                pattern = self.patterns.get(word[0].lower())
                match = pattern.match(text, word.start()) if pattern else None
                if match is None or match.start() < end:
                    continue
                end = match.end()
                name = self.names[" ".join(match[0].lower().split())]
                found.setdefault(name, Use(number, match.start(), end, inside))
        return found


def running(node: nodes.Node, inside: str = "") -> Iterator[tuple[list[nodes.Node], str]]:
    """Yield sections, and the texts that stand side by side, in the order of the page."""
    texts: list[nodes.Node] = []  # of a piece: a line that ends begins another node
    for child in [*node.children, nodes.comment()]:
        if isinstance(child, nodes.Text):
            texts.append(child)
            continue
        if texts:
            yield texts, inside
            texts = []
        if isinstance(child, NO_PROSE) or NO_PROSE_CLASSES & set(child.get("classes", ())):
            continue
        if isinstance(child, nodes.bullet_list) and isinstance(node.parent, nodes.document):
            continue  # below the title: what the reader will be able to do
        if isinstance(child, nodes.section):
            yield [child], inside
        special = isinstance(child, nodes.strong | nodes.table)
        yield from running(child, inside or (child.tagname if special else ""))


def prose_of(document: nodes.document) -> tuple[Prose, list[list[nodes.Node]]]:
    """Return the running text of a page, and the nodes that hold it."""
    prose, texts = Prose([], {}), []
    for found, inside in running(document):
        if isinstance(found[0], nodes.section):
            prose.starts.update(dict.fromkeys(found[0]["ids"], len(prose.pieces)))
        else:
            prose.pieces.append(("".join(text.astext() for text in found), inside))
            texts.append(found)
    return prose, texts


class Book:
    """What the pages say, and what follows: which of them link which terms."""

    def __init__(self, env: BuildEnvironment) -> None:
        self.env = env
        self.page, self.terms = next(iter(glossaries(env).items()), ("", []))
        self.chapters = chapters(env)

    def uses(self, docname: str, prose: Prose) -> dict[str, Use]:
        """Return the first use of each term on a page."""
        if docname not in self.chapters or docname == self.page:
            return {}
        return Finder(term for term in self.terms if term.on(docname)).uses(prose)

    def linked(self, docname: str, prose: Prose) -> dict[str, Use]:
        """Return the uses that become links: not the bold ones, nor those below a definition."""
        labels = self.env.get_domain("std").data["labels"]
        found = {}
        for name, use in self.uses(docname, prose).items():
            at, anchor = labels.get(self.term(name).at, ("", ""))[:2]
            first = prose.starts.get(anchor, 0) if at == docname else len(prose.pieces)
            if not use.inside and use.piece < first:
                found[name] = use
        return found

    def term(self, name: str) -> Term:
        """Return the term of a name."""
        return next(term for term in self.terms if term.name == name)


def glossaries(env: BuildEnvironment) -> dict[str, list[Term]]:
    """Return the terms of the page that has them."""
    if not hasattr(env, "terms"):
        env.terms = {}
    return env.terms  # type: ignore[no-any-return]


def proses(env: BuildEnvironment) -> dict[str, Prose]:
    """Return the running text of each page read so far."""
    if not hasattr(env, "terms_prose"):
        env.terms_prose = {}
    return env.terms_prose  # type: ignore[no-any-return]


def chapters(env: BuildEnvironment) -> list[str]:
    """Return the chapters in the order of the book: the pages of all parts but the reference."""
    found = []
    parts = env.tocs[env.config.root_doc].findall(addnodes.toctree)
    for part in parts:
        if part["caption"] != REFERENCE:
            found += part["includefiles"]
    for docname in found:
        below = [name for name in env.toctree_includes.get(docname, []) if name not in found]
        found[found.index(docname) + 1 : found.index(docname) + 1] = below
    return found


def listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split(",") if part.strip())


class Terms(SphinxDirective):
    """The glossary."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Build the list, and remember its terms."""
        if glossaries(self.env).get(self.env.docname):
            raise ExtensionError(f"{self.get_location()}: a second list of terms")
        found: list[Term] = []
        listing = nodes.definition_list(classes=["terms"])
        self.set_source_info(listing)
        letters: dict[str, str] = {}
        for term, lines, head, offset in self.entries():
            if found and term.name.lower() < found[-1].name.lower():
                raise ExtensionError(
                    f"{self.where(head)}: {term.name!r} comes after {found[-1].name!r}"
                )
            found.append(term)
            letters.setdefault(term.name[0].upper(), term.anchor)
            listing += self.entry(term, lines, offset)
        glossaries(self.env)[self.env.docname] = found
        index = nodes.paragraph(classes=["terms-index"])
        for letter, anchor in letters.items():
            index += [nodes.reference("", letter, internal=True, refid=anchor), nodes.Text(" ")]
        return [index, listing]

    def where(self, offset: int) -> str:
        """Return the place of a line of the content."""
        line = self.lineno + self.content_offset + offset
        return f"{self.env.doc2path(self.env.docname)}:{line}"

    def entries(self) -> Iterator[tuple[Term, list[str], int, int]]:
        """Yield each term its definition, and the lines where both begin."""
        lines = [*self.content, "end"]
        heads = [k for k, line in enumerate(lines) if line[:1].strip()]
        for head, end in pairwise(heads):
            body = head + 1
            options: dict[str, tuple[str, ...]] = {}
            while match := OPTION.fullmatch(lines[body].strip()):
                options[match[1]] = listed(match[2])
                body += 1
            definition = [line.strip() for line in lines[body:end]]
            if not "".join(definition) or len(options.get("at", ())) != 1:
                raise ExtensionError(
                    f"{self.where(head)}: {lines[head]!r} needs :at: with a label, and a text"
                )
            name = lines[head].strip()
            implied = () if re.search("[(,]", name) else (name, f"{name}s")
            yield (
                Term(
                    name,
                    options["at"][0],
                    options.get("also", ()),
                    (*implied, *options.get("forms", ())),
                    options.get("pages", ()),
                ),
                definition,
                head,
                body,
            )

    def entry(self, term: Term, lines: list[str], offset: int) -> nodes.Node:
        """Return an entry, with a place for the chapters that use it."""
        head = nodes.term("", term.name, ids=[term.anchor])
        self.set_source_info(head)
        self.env.get_domain("std").note_object("term", term.name, term.anchor, location=head)
        body = nodes.definition()
        source = self.content.source(0)
        text = StringList(lines, items=[(source, offset + k) for k in range(len(lines))])
        self.state.nested_parse(text, self.content_offset + offset, body)
        more = nodes.paragraph(classes=["terms-more"])
        if term.also:
            more += nodes.Text(f"Also: {', '.join(term.also)} · ")
        # No full stops: a name may be "i.i.d.", and the title of a section a question.
        more += [nodes.Text("Section: "), lectures.link(term.at)]
        body += [more, term_uses(term=term.name)]
        return nodes.definition_list_item("", head, body)


class term_uses(nodes.General, nodes.Element):
    """Stands for the chapters that use a term until all are read."""


class Link(SphinxPostTransform):
    """Link the first use of each term, and tell the glossary who uses it."""

    # Before api.Link (4) and what fills tables (5): the page is as when it was read.
    default_priority = 3

    def run(self, **kwargs: Any) -> None:
        """Work on a chapter, or on the glossary."""
        book = Book(self.env)
        docname = self.env.docname
        prose, texts = prose_of(self.document)
        parts: dict[int, list[tuple[Use, Term]]] = {}
        linked = book.linked(docname, prose) if self.app.builder.format == "html" else {}
        for name, use in linked.items():
            parts.setdefault(use.piece, []).append((use, book.term(name)))
        for piece, found in parts.items():
            (text, _), end, made = prose.pieces[piece], 0, []
            for use, term in sorted(found):
                address = self.address(book.page, term.anchor)
                link = nodes.reference("", "", internal=True, refuri=address, classes=["term"])
                link["ids"] = [f"use-{term.anchor}"]
                link += nodes.Text(text[use.start : use.end])
                made += [nodes.Text(text[end : use.start]), link]
                end = use.end
            parent = texts[piece][0].parent
            place = parent.index(texts[piece][0])
            parent[place : place + len(texts[piece])] = [*made, nodes.Text(text[end:])]
        for node in list(self.document.findall(term_uses)):
            node.replace_self(self.uses(book, node["term"]))

    def address(self, docname: str, anchor: str) -> str:
        """Return the address of a place as seen from this page."""
        page = self.app.builder.get_relative_uri(self.env.docname, docname)
        return f"{page}#{anchor}" if anchor else page

    def uses(self, book: Book, name: str) -> list[nodes.Node]:
        """Return the chapters that use a term, folded."""
        line = nodes.paragraph()
        for docname, title, linked in self.env.terms_found[book.page][name]:
            anchor = f"use-{book.term(name).anchor}" if linked else ""
            line += [nodes.Text(" · ")] if len(line) else []
            line += nodes.reference("", title, internal=True, refuri=self.address(docname, anchor))
        count = (len(line) + 1) // 2
        summary = f"Used in {count} chapter{'s' * (count > 1)}"
        return [
            nodes.raw(
                "", f'<details class="terms-uses"><summary>{summary}</summary>', format="html"
            ),
            line,
            nodes.raw("", "</details>", format="html"),
        ]


def read(app: Sphinx, document: nodes.document) -> None:
    """Remember the running text of a page."""
    proses(app.env)[app.env.docname] = prose_of(document)[0]


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    glossaries(env).pop(docname, None)
    proses(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    for get in (glossaries, proses):
        here, there = get(env), get(other)
        here.update({name: there[name] for name in docnames if name in there})  # type: ignore[arg-type]


def mistakes(book: Book, used: set[str]) -> Iterator[str]:
    """Yield what is wrong with the glossary."""
    labels = book.env.get_domain("std").data["labels"]
    names = {docname.rsplit("/")[-1] for docname in book.chapters}
    forms: dict[tuple[str, str], str] = {}
    for term in book.terms:
        if term.at not in labels:
            yield f"{term.name!r}: no section is labeled {term.at!r}"
        if wrong := set(term.pages) - names:
            yield f"{term.name!r}: no chapter is called {', '.join(sorted(wrong))}"
        elif term.name not in used:
            yield f"{term.name!r}: no chapter uses it"
        for form in {form.lower() for form in term.forms}:
            for page in term.pages or names:
                other = forms.setdefault((form, page), term.name)
                if other != term.name:
                    yield f"{term.name!r}: {form!r} is a form of {other!r} as well"
                    break


def check(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Refuse a wrong glossary; return the pages whose links or uses have changed."""
    book = Book(env)
    if len(glossaries(env)) > 1:
        raise ExtensionError(f"glossary: on two pages, {', '.join(sorted(glossaries(env)))}")
    now: dict[str, Any] = {}
    used: dict[str, list[tuple[str, str, bool]]] = {}
    for docname in book.chapters if book.terms else []:
        if prose := proses(env).get(docname):
            linked = book.linked(docname, prose)
            now[docname] = (book.page, sorted(linked.items()))
            for name in book.uses(docname, prose):
                entry = (docname, env.titles[docname].astext(), name in linked)
                used.setdefault(name, []).append(entry)
    if wrong := list(mistakes(book, set(used))):
        raise ExtensionError("\n".join(f"{book.page}: {line}" for line in wrong))
    if book.page:
        now[book.page] = used
    before = getattr(env, "terms_found", {})
    env.terms_found = now  # type: ignore[attr-defined]
    changed = [name for name in now.keys() | before.keys() if now.get(name) != before.get(name)]
    return sorted(name for name in changed if name in env.found_docs)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive, the links, and what keeps both true."""
    app.add_node(term_uses)
    app.add_directive("terms", Terms)
    app.add_post_transform(Link)
    app.connect("doctree-read", read)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
