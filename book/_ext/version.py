"""Which version of the book this is: at the foot of each page, and in the headings of its changes.

The version is that of the installed package. The foot says so, too, where the changelog has
changes that no release has yet.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.config import Config

PAGE = "book/changelog"
FILE = "CHANGELOG.md"
# A release or what comes next, as Keep a Changelog writes their headings, up to the next of them.
PART = re.compile(r"^## \[(.+?)\](?: - (\S+))?\n(.*?)(?=^## \[|\Z)", re.MULTILINE | re.DOTALL)


def current(changelog: str) -> str:
    """Say which version this is, in the words of the foot."""
    version = f"Version {metadata.version('udl')}"
    later = next((text for name, _, text in PART.findall(changelog) if name == "Unreleased"), "")
    return f"{version} and later changes" if later.strip() else version


def for_readers(changelog: str) -> str:
    r"""Write the headings of a changelog without brackets, and none of which there is no text.

    >>> print(for_readers("## [Unreleased]\n\n## [1.0.0] - 2026-01-31\n\nAll.\n"))
    ## Version 1.0.0, 2026-01-31
    <BLANKLINE>
    All.
    <BLANKLINE>
    """

    def part(found: re.Match[str]) -> str:
        name, date, text = found.groups()
        if not text.strip():
            return ""
        title = "Not released yet" if name == "Unreleased" else f"Version {name}"
        return f"## {title}{f', {date}' if date else ''}\n{text}"

    return PART.sub(part, changelog)


def read(app: Sphinx, config: Config) -> None:
    """Note the version: pages are written again when it is another one."""
    path = Path(app.srcdir, FILE)
    config.udl_version = current(path.read_text(encoding="utf-8") if path.exists() else "")


def change_headings(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    """Change what the page of changes includes."""
    if path.name == FILE:
        content[0] = for_readers(content[0])


def add_foot(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the version behind what the foot of a page says."""
    version = app.config.udl_version
    if PAGE in app.env.all_docs:
        version = f'<a href="{context["pathto"](PAGE)}">{version}</a>'
    context["theme_extra_footer"] = f"{context.get('theme_extra_footer') or ''} {version}.".strip()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_config_value("udl_version", "", "html", types=frozenset({str}))
    app.connect("config-inited", read)
    app.connect("include-read", change_headings)
    app.connect("html-page-context", add_foot)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
