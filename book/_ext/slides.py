"""The slides view: a button on each chapter, and the files that it loads when it is asked for.

``#slides`` at the end of a chapter's address opens it too, ``#slides:SECTION:BLOCK`` at its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import minify
from page import minified
from tally import is_chapter

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
OPEN = (
    '<script type="module">const f=()=>/^#slides(:|$)/.test(location.hash)&&'
    'import("{module}").then(m=>m.show());f();addEventListener("hashchange",f)</script>'
)


def add(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Put the button among the page's tools."""
    if "body" not in context or not is_chapter(app.env, pagename):
        return
    button = {
        "type": "javascript",
        "javascript": "location.hash='slides'",
        "text": "Slides",
        "tooltip": "Show this chapter as slides",
        "label": "slides",
    }
    context.setdefault("header_buttons", []).insert(0, button)
    context["body"] += OPEN.format(module=context["pathto"]("_static/slides.mjs", resource=True))


def copy(app: Sphinx, exception: Exception | None) -> None:
    """Write the two files beside the others that pages load."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    code = minify.string(
        "application/javascript", (HERE / "slides.mjs").read_text(encoding="utf-8")
    )
    (static / "slides.mjs").write_text(code, encoding="utf-8")
    css = minified((HERE / "slides.css").read_text(encoding="utf-8"))
    (static / "slides.css").write_text(css, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.connect("html-page-context", add, priority=502)  # after the theme's own buttons
    app.connect("build-finished", copy, priority=905)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
