r"""A resolved page as plain Markdown: what Jupyter, Colab and VS Code show, without MyST.

`Page` walks over the page once. ``parts`` then holds its texts, a string each, and between them
the code cells, each by its place in the source. Formulas are left to the reader's program, numbers
of figures and sections are text. A link within the page leads to its heading. One to another page
leads to where that is published, and to its section. As long as no address is known, it leads to
the notebook of that page, in the same folder.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from mathematics import source_of
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx_exercise.nodes import is_exercise_node, solution_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)

FOLDER = "_notebooks"
PAGE_ONLY = "page-only"  # the class of what a page says of itself, and a notebook need not

# What Markdown would read as markup. An underscore between letters or digits is none.
MARKUP = re.compile(r"[\\`*\[\]$]|~~|(?<![^\W_])_|_(?![^\W_])")
ENTITY = re.compile(r"&(?=#?\w+;)")
BULLET, ORDINAL = re.compile(r"^(?=(?:#+|[-+])(?:\s|$)|>)"), re.compile(r"^(\d+)(?=[.)](?:\s|$))")
SILENT = (nodes.target, nodes.comment, nodes.substitution_definition, nodes.raw)
MODULE = re.compile(r'class="udl-widget"[^>]* data-module="([\w-]+)"')
STYLES = {nodes.emphasis: "*", nodes.strong: "**", nodes.title_reference: "*"}


# What a reader of a notebook asks first, since it comes without outputs. The seconds of a build
# would make another file of it each time, and another image on Binder.
BEFORE_A_RUN = (
    "*Nothing has run yet: figures, questions and interactives appear as you run the cells. All "
    'of them take seconds to minutes. What is folded under "Behind the page" holds checks, and '
    "the numbers of the text: it has to run, but need not be read.*"
)


class Cell(int):
    """A code cell: its place among the cells of the page's source."""


def names(env: BuildEnvironment) -> dict[str, str]:
    """Return the pages with cells, and the names of their notebooks."""
    found = {page: f"{page.rpartition('/')[2]}.ipynb" for page in sorted(env.udl_reports)}  # type: ignore[attr-defined]
    pages: dict[str, str] = {}
    for page, name in found.items():
        if name in pages:
            raise ExtensionError(f"{page} and {pages[name]} would both become {name}")
        pages[name] = page
    return found


def escaped(text: str) -> str:
    r"""Return a text that Markdown shows as it is, on one line.

    >>> print(escaped("5 * 3 < 16, snake_case, _private, [1]"))
    5 \* 3 &lt; 16, snake_case, \_private, \[1\]
    """
    text = ENTITY.sub("&amp;", re.sub(r"\s+", " ", text))
    return MARKUP.sub(lambda m: "\\" + "\\".join(m[0]), text).replace("<", "&lt;")


def fenced(text: str, fence: str = "`") -> str:
    """Return a text as code within a line.

    >>> print(fenced("a`b"), fenced("x"))
    ``a`b`` `x`
    """
    while fence in text:
        fence += "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def styled(text: str, mark: str) -> str:
    """Put a mark around a text; Markdown wants no space inside of it."""
    inner = text.strip()
    if not inner:
        return text
    start = text.index(inner)
    return text[:start] + mark + inner + mark + text[start + len(inner) :]


def indented(text: str, first: str, rest: str) -> str:
    """Put a prefix before each line."""
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((rest + line).rstrip() for line in lines[1:])])


def joined(blocks: Iterable[str]) -> str:
    """Put an empty line between blocks."""
    return "\n\n".join(filter(None, blocks))


def anchor(title: str) -> str:
    """Return the name by which Jupyter finds a heading."""
    return title.replace(" ", "-")


def fragment(heading: str) -> str:
    r"""Return the link to a heading; a formula has no text that an address could repeat.

    >>> fragment("A part"), fragment("The size of $x$"), fragment("")
    ('#A-part', '', '')
    """
    return f"#{anchor(heading)}" if heading and not re.search(r"[$`\\]", heading) else ""


class Page:
    """One page, walked over."""

    def __init__(
        self, app: Sphinx, docname: str, document: nodes.document, notebooks: dict[str, str]
    ) -> None:
        self.app, self.env, self.docname = app, app.env, docname
        self.notebooks = notebooks  # the pages that are notebooks too, and the names of these
        self.parts: list[str | Cell] = []
        self.titles: dict[int, str] = {}  # what a cell shows, for those whose code is hidden
        self.folded: set[str] = set()  # headings that begin what is folded away at first
        self.cited: dict[str, str] = {}
        self.quoted = 0
        self.headings = {
            name: self.heading(section)
            for section in document.findall(nodes.section)
            for name in section["ids"]
        }
        for exercise in document.findall(is_exercise_node):
            self.headings[exercise["label"]] = self.exercise_heading(exercise)
        self.walk(document, 0)
        has_run = docname in getattr(self.env, "udl_reports", {})
        if self.titles and has_run and docname != app.config.root_doc:
            self.parts.insert(1, BEFORE_A_RUN)  # below the title
        if self.cited:
            self.parts.append("## References")
            entries = (rf"- \[{label}\] {text}" for label, text in sorted(self.cited.items()))
            self.parts.append("\n".join(entries))

    # --------------------------------------------------------------------- what holds cells

    def walk(self, parent: nodes.Element, level: int) -> None:
        """Go over what stands in a section, in the order of the page."""
        hidden = False
        for node in parent.children:
            if isinstance(node, nodes.raw):
                # What an extension folds into the page about the page itself is left out.
                opened, closed = (node.astext().count(t) for t in ("<details", "</details"))
                hidden = hidden or opened > closed
                hidden = hidden and not closed > opened
            elif hidden or isinstance(node, nodes.title):
                continue
            elif isinstance(node, nodes.section):
                if title := self.heading(node):
                    self.parts.append(f"{'#' * min(level + 1, 6)} {title}")
                self.walk(node, level + 1 if title else level)
            elif is_exercise_node(node):
                self.exercise(node, level)
            elif isinstance(node, solution_node):
                self.solution(node, level)
            elif isinstance(node, nodes.Element) and node.get("nb_element") == "cell_code":
                self.cell(node)
            elif isinstance(node, nodes.Element) and node.get("nb_element"):
                self.walk(node, level)  # what holds a cell of text
            elif text := self.block(node):
                self.parts.append(text)

    def heading(self, section: nodes.Element) -> str:
        """Return the title of a section, with its number if it has one."""
        if not section.children or not isinstance(section[0], nodes.title):
            return ""
        top = isinstance(section.parent, nodes.document)
        place = "" if top else f"#{section['ids'][0]}"
        return self.with_number(self.docname, place, section[0])

    def with_number(self, page: str, place: str, title: nodes.Element) -> str:
        """Return a title of a page, behind its number if it has one."""
        number = self.env.toc_secnumbers.get(page, {}).get(place) or ()
        prefix = "".join(f"{n}." for n in number)
        return f"{prefix} {self.inline(title)}".strip()

    def cell(self, node: nodes.Element) -> None:
        """Place a code cell, and below it the captions of what it draws."""
        place = Cell(node["cell_index"])
        self.parts.append(place)
        modules = {
            name for raw in node.findall(nodes.raw) for name in MODULE.findall(raw.astext())
        }
        if modules:
            self.titles[place] = "Question" if modules == {"questions"} else "Interactive"
        for figure in node.findall(nodes.figure):
            for caption in figure.findall(nodes.caption):
                name = self.numbered("figure", figure)
                self.titles[place] = name.strip("*.") or "Figure"
                self.parts.append(f"{name} {self.inline(caption)}".strip())
            # A program that shows a notebook has no place for what describes an output.
            described = (n.get("alt", "") for n in figure.findall(self.is_picture))
            for alt in filter(None, described):
                summary = "<summary>The figure in words</summary>"
                self.parts.append(f"<details>{summary}\n\n{escaped(alt).strip()}\n\n</details>")

    @staticmethod
    def is_picture(node: nodes.Node) -> bool:
        return isinstance(node, nodes.image) or node.tagname == "drawing"

    def exercise(self, node: nodes.Element, level: int) -> None:
        """Write an exercise: a heading, how hard it is, and its text."""
        self.parts.append(f"{'#' * min(level + 1, 6)} {self.exercise_heading(node)}")
        if marks := [part.astext() for part in node[0].children if self.is_badge(part)]:
            self.parts.append(f"*{', '.join(marks)}*")
        for part in node.children[1:]:
            self.walk(part, level + 1)

    def exercise_heading(self, node: nodes.Element) -> str:
        """Return an exercise's name, its number, and its title."""
        name = self.numbered("exercise", node).strip("*.") or "Exercise"
        title = "".join(self.phrase(p) for p in node[0].children if not self.is_badge(p))
        return f"{name} {title.strip().removeprefix('Exercise').strip()}".strip()

    @staticmethod
    def is_badge(node: nodes.Node) -> bool:
        return isinstance(node, nodes.inline) and bool(
            {"grade", "checked-by"} & set(node["classes"])
        )

    def solution(self, node: nodes.Element, level: int) -> None:
        """Write a solution so that it is folded away: as one text, or below a heading."""
        body = node.children[1:]
        title = " ".join(self.plain(node[0]).split())
        if not any(
            part.get("nb_element") == "cell_code" for part in node.findall(nodes.container)
        ):
            texts = joined(self.block(child) for part in body for child in part.children)
            summary = title.replace("&", "&amp;").replace("<", "&lt;")
            self.parts.append(
                f"<details><summary><b>{summary}</b></summary>\n\n{texts}\n\n</details>"
            )
            return
        heading = f"{'#' * min(level + 2, 6)} {escaped(title)}"
        self.parts.append(heading)
        # What follows it, up to the next heading, would be folded away with it.
        following = node.parent.children[node.parent.index(node) + 1 :]
        others = (part for part in following if not isinstance(part, SILENT))
        other = next(others, None)
        if other is None or is_exercise_node(other) or isinstance(other, nodes.section):
            self.folded.add(heading)
        for part in body:
            self.walk(part, level + 2)

    # ------------------------------------------------------------------------------- blocks

    def block(self, node: nodes.Node) -> str:
        """Write what holds no cells."""
        if isinstance(node, SILENT) or "toctree-wrapper" in getattr(node, "attributes", {}).get(
            "classes", ()
        ):
            return ""
        name = re.sub(r"\W", "_", node.tagname)
        writer: Callable[[Any], str] | None = getattr(self, f"block_{name}", None)
        if writer is not None:
            return writer(node)
        if isinstance(node, (nodes.admonition, nodes.Admonition)):
            return self.block_admonition(node)
        if isinstance(node, nodes.TextElement):
            return self.block_paragraph(node)
        logger.warning(
            "%s is markup that notebook_text.py does not know how to write",
            node.tagname,
            location=node,
        )
        return escaped(node.astext())

    def blocks(self, node: nodes.Element) -> str:
        """Write the blocks that stand in another."""
        return joined(self.block(child) for child in node.children)

    def block_paragraph(self, node: nodes.Element) -> str:
        """Write a paragraph on one line, which shall not begin a list or a heading."""
        return ORDINAL.sub(r"\1\\", BULLET.sub(r"\\", self.inline(node).strip()))

    def block_rubric(self, node: nodes.Element) -> str:
        return styled(self.inline(node), "**")

    def block_transition(self, node: nodes.Element) -> str:
        return "---"

    def block_math_block(self, node: nodes.math_block) -> str:
        source, _ = source_of(node)
        if not re.search(r"\\\\|&", source):  # Sphinx splits also what has one line
            source = re.sub(r"\\(begin|end)\{split\}", "", source)
        lines = [line.strip() for line in source.splitlines() if line.strip()]
        if number := self.equation(node):
            lines.append(rf"\tag{{{number}}}")
        # A line of a quotation begins with a mark that is no part of the formula.
        return f"$${' '.join(lines)}$$" if self.quoted else "\n".join(["$$", *lines, "$$"])

    def equation(self, node: nodes.math_block) -> str:
        """Return the number of a formula that has a name."""
        for name in node["ids"]:
            found = self.env.toc_fignumbers.get(self.docname, {}).get("displaymath", {})
            if name in found:
                return ".".join(map(str, found[name]))
        number = node.get("number")
        return str(number) if node.get("label") and number else ""

    def block_literal_block(self, node: nodes.Element) -> str:
        language = node.get("language", "")
        language = "" if language in {"default", "none", "text"} else language
        return f"```{language}\n{node.astext().rstrip()}\n```"

    block_doctest_block = block_literal_block

    def block_block_quote(self, node: nodes.Element) -> str:
        self.quoted += 1
        text = self.blocks(node)
        self.quoted -= 1
        return indented(text, "> ", "> ")

    def block_attribution(self, node: nodes.Element) -> str:
        return f"— {self.inline(node)}"

    def block_admonition(self, node: nodes.Element) -> str:
        """Set a box off as a quotation with its title."""
        self.quoted += 1
        title = node.next_node(nodes.title)
        body = [child for child in node.children if child is not title]
        name = self.inline(title) if title else node.tagname.capitalize()
        text = joined([styled(name, "**"), *map(self.block, body)])
        self.quoted -= 1
        return indented(text, "> ", "> ")

    def listed(self, items: Iterable[tuple[str, nodes.Element]]) -> str:
        """Write the items of a list, each with its mark; tight, if each is one paragraph."""
        pairs = list(items)
        loose = any(
            sum(isinstance(child, nodes.paragraph) for child in item) > 1 for _, item in pairs
        )
        gap = "\n\n" if loose else "\n"
        written = []
        for mark, item in pairs:
            inner = gap.join(filter(None, map(self.block, item.children)))
            written.append(indented(inner, mark, " " * len(mark)))
        return gap.join(written)

    def block_bullet_list(self, node: nodes.Element) -> str:
        return self.listed(("- ", item) for item in node.children)

    def block_enumerated_list(self, node: nodes.Element) -> str:
        start = node.get("start", 1)
        return self.listed((f"{start + k}. ", item) for k, item in enumerate(node.children))

    def block_definition_list(self, node: nodes.Element) -> str:
        written = []
        for item in node.children:
            terms = [self.inline(part) for part in item if isinstance(part, nodes.term)]
            bodies = [self.blocks(part) for part in item if isinstance(part, nodes.definition)]
            written.append(joined([styled(", ".join(terms), "**"), *bodies]))
        return joined(written)

    def block_figure(self, node: nodes.Element) -> str:
        """Name a figure that no cell draws: its description and its caption."""
        captions = [self.inline(caption) for caption in node.findall(nodes.caption)]
        return joined([f"{self.numbered('figure', node)} {text}".strip() for text in captions])

    def block_image(self, node: nodes.Element) -> str:
        return ""

    block_drawing = block_image

    def block_compound(self, node: nodes.Element) -> str:
        return self.blocks(node)

    block_container = block_section = block_compound

    def block_table(self, node: nodes.Element) -> str:
        """Write a table the way GitHub does; a cell is one line."""
        title = node.next_node(nodes.title)
        caption = f"{self.numbered('table', node)} {self.inline(title)}".strip() if title else ""
        rows = [[*self.entries(row)] for row in node.findall(nodes.row)]
        width = max(map(len, rows))
        heads = sum(1 for head in node.findall(nodes.thead) for _ in head.children)
        heading = [" ".join(cells).strip() for cells in zip(*rows[:heads], strict=True)]
        lines = [heading or [""] * width, ["---"] * width, *rows[heads:]]
        text = "\n".join(f"| {' | '.join(line)} |".replace("  ", " ") for line in lines)
        return joined([caption, text])

    def entries(self, row: nodes.row) -> Iterator[str]:
        """Yield the cells of a row; a bar in one would end it."""
        for entry in row.children:
            parts = (
                self.inline(p).strip() if isinstance(p, nodes.paragraph) else self.block(p)
                for p in entry.children
            )
            text = "<br>".join(filter(None, parts)).replace("\n", "<br>")
            yield re.sub(r"\$[^$]*\$|\|", self.without_bars, text)
            yield from [""] * entry.get("morecols", 0)

    @staticmethod
    def without_bars(found: re.Match[str]) -> str:
        if found[0] == "|":
            return r"\|"
        return found[0].replace(r"\|", r"\Vert ").replace("|", r"\vert ")

    # ------------------------------------------------------------------------ within a line

    def inline(self, node: nodes.Element) -> str:
        """Write what stands in a line."""
        return "".join(map(self.phrase, node.children))

    def phrase(self, node: nodes.Node) -> str:
        """Write one piece of a line."""
        if isinstance(node, nodes.Text):
            return escaped(node.astext())
        if isinstance(node, nodes.math):
            return f"${' '.join(node.astext().split())}$"
        if isinstance(node, nodes.literal):
            return fenced(" ".join(node.astext().split()))
        if isinstance(node, (nodes.image, *SILENT)) or PAGE_ONLY in node.get("classes", ()):
            return ""
        if (
            isinstance(node, (nodes.reference, nodes.Element))
            and node.tagname.endswith("reference")
            and type(node) not in STYLES
        ):
            return self.reference(node)
        if isinstance(node, (nodes.superscript, nodes.subscript)):
            tag = node.tagname[:3]
            return f"<{tag}>{self.inline(node)}</{tag}>"
        return styled(self.inline(node), STYLES.get(type(node), ""))

    def plain(self, node: nodes.Element) -> str:
        """Return a text without links."""
        return "".join(
            f"${child.astext()}$"
            if isinstance(child, nodes.math)
            else child.astext()
            if isinstance(child, nodes.Text)
            else self.plain(child)
            for child in node.children
        )

    def reference(self, node: nodes.Element) -> str:
        """Write a link, or its text where there is nothing that it could lead to."""
        text = self.inline(node)
        if "bibtex-citation" in node.parent.get("classes", ()):
            title = escaped(node.get("reftitle", "")).strip()
            self.cited[node.astext()] = title.replace(r"\$", "$")  # formulas of titles
            return text
        address = self.address(node)
        return f"[{text}]({address})" if address else text

    def address(self, node: nodes.Element) -> str:
        """Return where a link leads to, seen from the notebook."""
        uri = node.get("refuri", "")
        if re.match(r"[a-z]+:", uri):
            return uri
        path, _, name = uri.partition("#")
        if not path:
            return fragment(self.headings.get(node.get("refid", name), ""))
        folder = posixpath.dirname(self.docname)
        page = posixpath.normpath(posixpath.join(folder, path.removesuffix(".html")))
        if site := self.app.config.udl_site:
            return f"{site}/{page}.html{'#' if name else ''}{name}"
        if page not in self.notebooks:
            return ""
        return self.notebooks[page] + self.section(page, name)

    def section(self, page: str, label: str) -> str:
        """Return where a section of another notebook begins, if its heading is plain."""
        where, _, title = self.env.domains["std"].labels.get(label, ("", "", ""))
        if where == page:
            for entry in self.env.tocs[page].findall(nodes.reference):
                if entry["anchorname"] and entry.astext() == title:
                    return fragment(self.with_number(page, entry["anchorname"], entry))
        return ""

    def numbered(self, kind: str, node: nodes.Element) -> str:
        """Return the number of a figure, a table or an exercise, in bold."""
        found = self.env.toc_fignumbers.get(self.docname, {}).get(kind, {})
        for name in node["ids"]:
            if name in found:
                number = ".".join(map(str, found[name]))
                return f"**{self.app.config.numfig_format[kind] % number}.**"
        return ""
