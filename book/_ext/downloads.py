"""Links to the book's PDF and to its offline archive, with their sizes.

Both are made from the built book, so a build knows neither. ``{downloads}`` leaves two marks with
what holds for a book on one's own machine; whoever publishes a site calls `fill`, which puts links
between them to what lies in the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

MARKS = re.compile(r"(<!--downloads-->)(.*?)(<!--/downloads-->)", re.DOTALL)
FILES = {
    "hands-on-deep-learning.pdf": "the book as a PDF",
    "hands-on-deep-learning-offline.zip": "all pages as an archive that needs no network",
}
HERE = (
    "<p>For reading without a network, <code>make pdf</code> prints the book, and "
    "<code>make offline</code> packs all pages into one archive.</p>"
)


class Downloads(SphinxDirective):
    """Leave the marks."""

    def run(self) -> list[nodes.Node]:
        """Say between them what holds as long as nobody fills them."""
        return [nodes.raw("", f"<!--downloads-->{HERE}<!--/downloads-->", format="html")]


def size(count: int) -> str:
    """Write a number of bytes as one would say it.

    >>> size(412_000), size(4_190_000), size(31_400_000)
    ('0.4 MB', '4.2 MB', '31 MB')
    """
    millions = count / 1e6
    return f"{millions:.0f} MB" if millions >= 9.5 else f"{millions:.1f} MB"


def links(site: Path, up: str) -> str:
    """Return links to what there is, from a page that lies ``up`` below the site's root."""
    there = {name: site / name for name in FILES if (site / name).is_file()}
    items = (
        f'<li><p><a href="{up}{name}" download>{FILES[name]}</a>, '
        f"{name.rpartition('.')[2].upper()}, {size(path.stat().st_size)}</p></li>"
        for name, path in there.items()
    )
    return f'<ul class="simple downloads">{"".join(items)}</ul>' if there else HERE


def fill(site: Path) -> None:
    """Put links to what lies at a site's root between the marks of its pages."""
    for path in sorted(site.rglob("*.html")):
        html = path.read_text(encoding="utf-8")
        if "<!--downloads-->" not in html:
            continue
        found = links(site, "../" * (len(path.relative_to(site).parts) - 1))
        filled = MARKS.sub(lambda m, found=found: m[1] + found + m[3], html)  # type: ignore[misc]
        path.write_text(filled, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("downloads", Downloads)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
