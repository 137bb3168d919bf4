"""Search that finds sections: by title, by the terms they introduce, by what readers type.

Sphinx ranks whole pages, and nearly all alike. So the search page gets a list of all sections with
what leads to them: title, the glossary's terms with their other names, and ``search.yml``, which
has further words for a label. ``search.js`` puts the sections that match before Sphinx's pages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import terms
import yaml
from docutils import nodes
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.environment import BuildEnvironment

SCRIPT = Path(__file__).with_name("search.js")
DATA = "sections.js"
# Reference pages hold each word of the book once more, and count when they are asked for by name;
# exercises and summaries repeat a chapter.
CHAPTER, NAMED, REPEATED, REFERENCE = 1.0, 0.9, 0.7, 0.5
REPEATING = {"Exercises", "Summary"}


def sections(env: BuildEnvironment) -> dict[str, list[tuple[list[str], str]]]:
    """Return the anchors and the title of each section, page by page."""
    if not hasattr(env, "search_sections"):
        env.search_sections = {}
    return env.search_sections  # type: ignore[no-any-return]


def keywords(app: Sphinx) -> dict[str, list[str]]:
    """Return the further words for a label."""
    path = Path(app.srcdir) / app.config.udl_search_keywords
    if not path.exists():
        return {}
    found: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for label, phrases in found.items():
        if not isinstance(phrases, list) or not all(isinstance(text, str) for text in phrases):
            raise ExtensionError(
                f"{path.name}: {label}: expected a list of texts, got {phrases!r}"
            )
    return found


def read(app: Sphinx, document: nodes.document) -> None:
    """Remember the sections of a page."""
    sections(app.env)[app.env.docname] = [
        (title.parent["ids"], title.astext())
        for title in document.findall(nodes.title)
        if isinstance(title.parent, nodes.section)
    ]


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    sections(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    there = sections(other)
    sections(env).update({name: there[name] for name in docnames if name in there})


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Refuse words for a label that no section has."""
    known = {anchor for page in sections(env).values() for ids, _ in page for anchor in ids}
    for label in keywords(app):
        if label not in known:
            raise ExtensionError(f"{app.config.udl_search_keywords}: no section is {label!r}")


def words(app: Sphinx) -> dict[str, list[str]]:
    """Return all that leads to a label, besides the title."""
    found = {label: list(phrases) for label, phrases in keywords(app).items()}
    for listed in terms.glossaries(app.env).values():
        for term in listed:
            found.setdefault(term.at, []).extend([term.name, *term.also])
    return found


def pages(app: Sphinx) -> list[list[Any]]:
    """Return what the search page needs: name, weight and sections of each page."""
    extra = words(app)
    chapters = set(terms.chapters(app.env))
    found: list[list[Any]] = []
    for docname, here in sorted(sections(app.env).items()):
        found.append([docname, CHAPTER if docname in chapters else REFERENCE, []])
        for number, (ids, title) in enumerate(here):
            phrases = [phrase for anchor in ids for phrase in extra.get(anchor, ())]
            weight = REPEATED if title in REPEATING else 1.0
            weight *= found[-1][1] if number or docname in chapters else NAMED
            found[-1][2].append([f"#{ids[0]}" if number else "", title, phrases, weight])
    return found


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the list of sections."""
    if exception is None and app.builder.format == "html":
        code = json.dumps(pages(app), ensure_ascii=False, separators=(",", ":"))
        path = Path(app.outdir) / "_static" / DATA
        path.write_text(f"var SECTIONS={code};\n", encoding="utf-8")


def load(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Let the search page load the list."""
    if pagename == "search":
        context["script_files"] = [*context["script_files"], f"_static/{DATA}"]


def use_script(app: Sphinx, config: Config) -> None:
    """Hand the script to Sphinx, which puts it behind its own."""
    config.html_search_scorer = str(SCRIPT)  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_config_value("udl_search_keywords", "book/search.yml", "")
    app.connect("config-inited", use_script)
    app.connect("doctree-read", read)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", check)
    # After page.py has said what a page loads.
    app.connect("html-page-context", load, priority=995)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
