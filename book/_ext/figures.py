"""Figures that belong to the page: drawn in it, colored by its theme, described and numbered.

A cell's SVG is placed in the page itself. That saves a request, and the palette of ``udl.plot``
becomes the theme's variables, so that a figure is as readable in the dark as in the light.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

PALETTE = ("INK", "MUTED", "GRID", "PAPER", "BLUE", "ORANGE", "GREEN", "PURPLE", "GOLD")


class drawing(nodes.General, nodes.Element):
    """An SVG placed in the page, with the text that describes it."""


@cache
def colors() -> dict[str, str]:
    """Read the palette out of udl.plot's source: importing it would load matplotlib."""
    spec = importlib.util.find_spec("udl")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "plot" / "_style.py").read_text(encoding="utf-8")
    found = dict(re.findall(r'^([A-Z]+)(?:: Final)? = "(#[0-9a-f]{6})"', source, re.MULTILINE))
    return {found[name]: f"var(--udl-{name.lower()})" for name in PALETTE}


GLYPH = re.compile(r'<path id="(DejaVu[^"]*)"[^>]*/>')


def share_glyphs(svg: str, seen: set[str]) -> str:
    """Drop the letter shapes that an earlier figure of the page has drawn already."""
    for blank in re.findall(r'<path id="([^"]*)"(?![^>]* d=)[^>]*/>', svg):  # the space's shape
        svg = re.sub(rf'<(path id|use xlink:href)="#?{re.escape(blank)}"[^>]*/>', "", svg)

    def once(match: re.Match[str]) -> str:
        first = match[1] not in seen
        seen.add(match[1])
        return match[0] if first else ""

    return GLYPH.sub(once, svg)


# A style sheet in a figure makes a browser style all of the page so far again; book.css says this.
STROKES = (
    r'<defs>\s*<style type="text/css">'
    r"\*\{stroke-linejoin: round; stroke-linecap: butt\}</style>\s*</defs>"
)
POINT = r"-?[\d.]+ -?[\d.]+\s+"
LINES = re.compile(rf"(M {POINT}(L {POINT})*(z\s+)?)+")


def short(path: str) -> str:
    """Write a path of straight lines with the steps between its points, in tenths of a point.

    That halves a contour plot, and a tenth of a point is finer than the pixels of a page.
    """
    if not LINES.fullmatch(path + " "):
        return path
    at = start = (0, 0)
    written = ""
    for command, x, y, close in re.findall(r"([ML]) (\S+) (\S+)\s*(z?)", path):
        to = round(10 * float(x)), round(10 * float(y))
        start = to if command == "M" else start
        steps = " ".join(f"{(b - a) / 10:g}" for a, b in zip(at, to, strict=True))
        written += f"{'m' if command == 'M' else ' '}{steps}{close}"
        at = start if close else to
    return re.sub(r"(?<![\d.])0\.", ".", written).replace(" -", "-")


def themed(svg: str, prefix: str, alt: str) -> str:
    """Return SVG markup ready to stand in a page: own ids, theme colors, a description."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(STROKES, "", svg)
    # Two pictures of the same content have the same id, which nothing refers to.
    svg = re.sub(r'(<image\b[^>]*?) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'\b(id|xlink:href|href)="(#?)(?!#?DejaVu)', rf'\1="\2{prefix}-', svg)
    svg = svg.replace(f'="{prefix}-data:', '="data:')
    svg = svg.replace("url(#", f"url(#{prefix}-").replace("xlink:href", "href")
    svg = re.sub(r' (version|xmlns:xlink)="[^"]*"', "", svg)
    svg = re.sub(r' d="([^"]*)"', lambda m: f' d="{short(m[1])}"', svg)
    # A hundredth of a point is finer than any screen.
    svg = re.sub(r' (d|x|y)="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), svg)
    for color, variable in colors().items():
        svg = re.sub(re.escape(color) + r"\b", variable, svg, flags=re.IGNORECASE)
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    width = float(size[1]) * 4 / 3 if size else 0
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    label = f'style="width:{width:.0f}px" role="img" aria-label="{escape(alt)}"'
    svg = svg.replace("<svg", f'<svg class="udl-figure" {label}', 1)
    return re.sub(r">\s+<", "><", svg).replace("\n", " ")


def place(app: Sphinx, doctree: nodes.document) -> None:
    """Check every image's description, and put SVG drawings in the page."""
    count, glyphs = 0, set[str]()
    for image in list(doctree.findall(nodes.image)):
        uri, alt = image["uri"], " ".join(image.get("alt", "").split())
        if len(alt) < 20 or "/" in alt.split()[0] or uri.rsplit("/")[-1] in alt:
            logger.warning("image %s has no alt text that says what it shows", uri, location=image)
        figure = image.parent
        while figure is not None and not isinstance(figure, nodes.figure):
            figure = figure.parent
        if figure is None and "no-figure" not in image.get("classes", []):
            logger.warning(
                "image %s is in no figure with a number and caption", uri, location=image
            )
        path = Path(app.srcdir) / uri.lstrip("/")
        if not path.exists():
            path = Path(app.outdir) / uri.lstrip("/")
        if uri.endswith(".svg") and path.exists():
            count += 1
            svg = share_glyphs(path.read_text(encoding="utf-8"), glyphs)
            node = drawing(svg=themed(svg, f"f{count}", alt), alt=alt)
            image.replace_self(node)


def visit_html(self: HTML5Translator, node: drawing) -> None:
    self.body.append(node["svg"])
    raise nodes.SkipNode


def visit_text(self: object, node: drawing) -> None:
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.add_node(
        drawing, html=(visit_html, None), text=(visit_text, None), latex=(visit_text, None)
    )
    # Before Sphinx collects images: what stands in the page is not copied beside it.
    app.connect("doctree-read", place, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
