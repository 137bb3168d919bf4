"""Refuse computed results that were typed into prose: they would rot, and nobody would notice.

A number in running text, a caption, alt text or a formula is refused when it has a decimal point,
or three digits and more, unless book/allowed-numbers.yml names it with a reason: data of the
problem, or what a slide says. Everything else is glued from a cell.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from docutils import nodes
from sphinx.util import logging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)

# A hyphen before a number is a minus sign, or the middle of a name such as CC-BY-4.0.
NUMBER = re.compile(
    r"(?<![\w.,/])(?<![\w.,]-)"
    r"(?:(?:\d[\d,]*)?\.\d+(?:e[+-]?\d+)?(?![\d/-]|\.\d)|\d[\d,]*(?:e[+-]?\d+)?(?![\w/-]|\.\d))"
)
# What a cell printed or glued, and code.
COMPUTED = (nodes.literal, nodes.literal_block, nodes.raw, nodes.comment)
COMPUTED_CLASSES = {"cell_output", "pasted-text", "pasted-inline", "pasted-figure"}
GENERATED_CLASSES = {"api", "covers", "lecture-map", "slide-check-source"}


def suspicious(text: str) -> list[str]:
    """Return the numbers in a text that look like results.

    >>> suspicious("The loss is 7.07 for 12 points, 2938 rows, 1,000 in all")
    ['7.07', '2938', '1,000']
    """
    found = (match[0].rstrip(",") for match in NUMBER.finditer(text))
    return [n for n in found if "." in n or "e" in n or len(re.sub(r"\D", "", n)) >= 3]


def written(node: nodes.Node) -> Iterator[tuple[nodes.Node, str]]:
    """Yield what a person typed, with its node; captions and descriptions included."""
    for child in node.children:
        if isinstance(child, nodes.Text):
            yield node, child.astext()
        elif isinstance(child, nodes.Element):
            if isinstance(child, nodes.image) or child.tagname == "drawing":
                yield child, child.get("alt", "")
            classes = set(child.get("classes", ()))
            if isinstance(child, COMPUTED) or classes & (GENERATED_CLASSES | {"cell_input"}):
                continue
            if classes & COMPUTED_CLASSES:
                for figure in child.findall(nodes.figure):
                    yield from written(figure)
                continue
            yield from written(child)


def allowed_numbers(app: Sphinx) -> dict[str, dict[str, str]]:
    path = Path(app.srcdir) / app.config.udl_allowed_numbers
    if not path.exists():
        return {}
    content: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for chapter, numbers in content.items():
        for number, reason in numbers.items():
            if not isinstance(number, str) or not reason:
                raise ValueError(
                    f"{path}: {chapter}: {number!r} must be a quoted string with a reason"
                )
    return content


def check(app: Sphinx, doctree: nodes.document) -> None:
    docname = app.env.docname
    if docname in app.config.udl_prose_exempt:
        return
    app.env.note_dependency(str(Path(app.srcdir) / app.config.udl_allowed_numbers))
    allowed = allowed_numbers(app).get(docname.removeprefix("book/"), {})
    used = set()
    for node, text in written(doctree):
        for number in suspicious(text):
            used.add(number)
            if number not in allowed:
                logger.warning(
                    "%s is typed into prose: glue it from a cell, or give a reason for it in %s",
                    number,
                    app.config.udl_allowed_numbers,
                    location=node,
                )
    for number in sorted(allowed.keys() - used):
        logger.warning(
            "%s allows %s, which %s does not use", app.config.udl_allowed_numbers, number, docname
        )


def check_chapters(app: Sphinx, env: BuildEnvironment) -> None:
    pages = {name.removeprefix("book/") for name in env.found_docs}
    for chapter in sorted(allowed_numbers(app).keys() - pages):
        logger.warning("%s names %s, which is no page", app.config.udl_allowed_numbers, chapter)


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.add_config_value("udl_allowed_numbers", "book/allowed-numbers.yml", "env")
    app.add_config_value("udl_prose_exempt", [], "env")
    app.connect("doctree-read", check, priority=50)
    app.connect("env-check-consistency", check_chapters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
