"""Typeset formulas when the book is built, so that no page has to load and run MathJax.

MathJax itself does the work: its components come from the package ``sphinx-mathjax-offline`` and
run in an embedded V8. A page gets its formulas as HTML with MathML for screen readers, a style
sheet with the rules that it uses, and the book gets fonts cut down to the characters it uses.

Around the formulas: no line begins with the comma after one, and a number that a cell glued into
a text is written as a person writes it, with a minus sign and a power of ten.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number, wrap_displaymath

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

COMPONENTS = (
    "loader.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-base.js",
    "input/tex/extensions/ams.js",
    "input/tex/extensions/boldsymbol.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
)
START = r"""
const {mathjax} = MathJax._.mathjax;
const adaptor = MathJax._.adaptors.liteAdaptor.liteAdaptor({fontSize: 16});
MathJax._.handlers.html_ts.RegisterHTMLHandler(adaptor);
const {CONVERT} = MathJax._.core.MathItem.STATE;
const {TeXFont} = MathJax._.output.chtml.fonts.tex_ts;
const {SerializedMmlVisitor} = MathJax._.core.MmlTree.SerializedMmlVisitor;
const visitor = new SerializedMmlVisitor();
let doc, chtml;
function begin() {
  const tex = new MathJax._.input.tex_ts.TeX({packages: ["base", "ams", "boldsymbol"]});
  chtml = new MathJax._.output.chtml_ts.CHTML({font: new TeXFont({fontURL: "."})});
  doc = mathjax.document("", {InputJax: tex, OutputJax: chtml});
  return true;
}
function typeset(source, display) {
  const mathml = visitor.visitTree(doc.convert(source, {display, end: CONVERT}));
  const html = adaptor.outerHTML(doc.convert(source, {display}));
  return [html, mathml];
}
function styles() { return adaptor.textContent(chtml.styleSheet(doc)); }
"""
# MathJax's letter for a font variant, as its style sheet writes it, and the font's file.
FONTS = {
    "": "Main-Regular",
    ".TEX-A": "AMS-Regular",
    ".TEX-B": "Main-Bold",
    ".TEX-BI": "Math-BoldItalic",
    ".TEX-C": "Calligraphic-Regular",
    ".TEX-CB": "Calligraphic-Bold",
    ".TEX-FR": "Fraktur-Regular",
    ".TEX-FRB": "Fraktur-Bold",
    ".TEX-I": "Math-Italic",
    ".TEX-MI": "Main-Italic",
    ".TEX-S1": "Size1-Regular",
    ".TEX-S2": "Size2-Regular",
    ".TEX-S3": "Size3-Regular",
    ".TEX-S4": "Size4-Regular",
    ".TEX-SC": "Script-Regular",
    ".TEX-SS": "SansSerif-Regular",
    ".TEX-SSB": "SansSerif-Bold",
    ".TEX-SSI": "SansSerif-Italic",
    ".TEX-T": "Typewriter-Regular",
    ".TEX-V": "Vector-Regular",
    ".TEX-VB": "Vector-Bold",
}
# A quoted brace ends no rule.
RULE = re.compile(r'([^{}]+)\{((?:"(?:\\.|[^"\\])*"|[^{}"])*)\}')
# A browser may break a line on either side of a formula, whatever stands there.
KEPT = "udl-kept"
KEPT_RULE = f".{KEPT}{{white-space:nowrap}}\n"
BEFORE = re.compile(r"[^\w\s]+\Z")
AFTER = re.compile(r"[^\w\s]+")
# Nor does it know that a number may end a name. A date is one, too.
HYPHENATED = re.compile(r"(?<![\w/.-])(?:\d{4}-\d\d-\d\d|[A-Za-z]{1,8}-\d+)(?![\w/-])")
CODE = (nodes.literal, nodes.FixedTextElement, nodes.raw, nodes.comment, nodes.math)
# A number as Python's formats write it, alone in its node.
GLUED = "pasted-text"
SHORT = re.compile(r"-?\d[\d,]*(?:\.\d+)?%?")
LONG = re.compile(r"(-?)(\d(?:\.\d+)?)e([+-])0*(\d+)")


class Page(NamedTuple):
    """The formulas of one page, by source and kind, and the rules that they need."""

    formulas: dict[tuple[str, bool], str]
    css: str


def components() -> Path:
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static" / "mathjax"


@cache
def engine() -> MiniRacer:
    context = MiniRacer()
    context.eval("globalThis.MathJax = {loader: {load: []}};")
    for name in COMPONENTS:
        context.eval((components() / name).read_text(encoding="utf-8"))
    context.eval(START)
    return context


def source_of(node: nodes.Element) -> tuple[str, bool]:
    text = node.astext()
    if isinstance(node, nodes.math):
        return text, False
    if not node.get("nowrap"):
        # Sphinx wraps display math for LaTeX: MathJax wants what is inside the outermost pair.
        wrapped = wrap_displaymath(text, None, False)
        text = re.sub(r"\\(begin|end)\{equation\*?\}", "", wrapped).strip()
    return text, True


def typeset(app: Sphinx, doctree: nodes.document) -> None:
    """Typeset a page's formulas when it is read, so that they are kept with what was read."""
    typeset_page(app.env, app.env.docname, doctree)


def typeset_page(env: BuildEnvironment, docname: str, *parts: nodes.Node) -> None:
    """Typeset the formulas in the parts of a page."""
    found = [node for part in parts for node in part.findall(nodes.math)]
    found += [node for part in parts for node in part.findall(nodes.math_block)]
    pages: dict[str, Page] = env.udl_math  # type: ignore[attr-defined]
    pages.pop(docname, None)
    if not found:
        return
    engine().call("begin")
    formulas = {}
    for node in found:
        source, display = source_of(node)
        if (source, display) in formulas:
            continue
        html, mathml = engine().call("typeset", source, display)
        if "data-mjx-error" in html:
            reason = re.search(r'data-mjx-error="([^"]*)"', html)
            logger.warning(
                "MathJax: %s in %r", reason[1] if reason else "error", source, location=node
            )
        mathml = re.sub(r' data-mjx-[\w-]+="[^"]*"', "", mathml)
        html = html.replace("<mjx-math ", '<mjx-math aria-hidden="true" ', 1)
        spoken = f'<mjx-assistive-mml unselectable="on">{mathml}</mjx-assistive-mml>'
        html = html.removesuffix("</mjx-container>") + spoken + "</mjx-container>"
        html = html.replace(' columnspacing=""', "")  # of a single column
        formulas[source, display] = re.sub(r">\s+<", "><", html)
    pages[docname] = Page(formulas, page_rules(engine().call("styles")))


def page_rules(css: str) -> str:
    """Keep the rules for characters and layout; the fonts come in the book's own style sheet."""
    rules = (f"{sel.strip()}{{{body}}}" for sel, body in RULE.findall(css) if "@" not in sel)
    return re.sub(r"\s*([{};:,])\s*", r"\1", re.sub(r"\s+", " ", "".join(rules)))


def keep_together(formula: nodes.math) -> None:
    """Keep a formula in one line with the punctuation that touches it."""
    parent = formula.parent
    first = parent.index(formula)
    last = first + 1
    kept: list[nodes.Node] = [formula]
    left, right = "", ""
    if first and isinstance(text := parent[first - 1], nodes.Text):
        if found := BEFORE.search(text):
            kept.insert(0, nodes.Text(found[0]))
            left, first = text[: found.start()], first - 1
    if last < len(parent) and isinstance(text := parent[last], nodes.Text):
        if found := AFTER.match(text):
            kept.append(nodes.Text(found[0]))
            right, last = text[found.end() :], last + 1
    if len(kept) > 1:
        whole = nodes.inline("", "", *kept, classes=[KEPT])
        beside = [[nodes.Text(text)] if text else [] for text in (left, right)]
        parent[first:last] = [*beside[0], whole, *beside[1]]


def keep_names(text: nodes.Text) -> None:
    """Keep names such as GPT-3, and dates, in one line."""
    pieces: list[nodes.Node] = []
    end = 0
    for found in HYPHENATED.finditer(text):
        if between := text[end : found.start()]:
            pieces.append(nodes.Text(between))
        pieces.append(nodes.inline("", found[0], classes=[KEPT]))
        end = found.end()
    if pieces:
        rest = [nodes.Text(text[end:])] if text[end:] else []
        text.parent.replace(text, [*pieces, *rest])


class Keep(SphinxPostTransform):
    """Say where no line may be broken: in the pages, not in what is made of the text."""

    default_priority = 800
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        """Go through a page."""
        for formula in list(self.document.findall(nodes.math)):
            keep_together(formula)
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, CODE):
                keep_names(text)


def in_writing(number: str) -> list[nodes.Node]:
    """Write a number that Python formatted as a person writes it; leave other texts alone.

    >>> [node.astext() for node in in_writing("-0.62")], in_writing("from -1 to 1")
    (['−0.62'], [])
    >>> [node.astext() for node in in_writing("1e-16")]
    ['10', '−16']
    """
    if SHORT.fullmatch(number):
        return [nodes.Text(number.replace("-", "−"))] if number[0] == "-" else []
    if not (found := LONG.fullmatch(number)):
        return []
    minus, digits, sign, power = found.groups()
    minus = minus.replace("-", "−")
    if power == "0" or not float(digits):
        return [nodes.Text(minus + digits)]
    times = "" if digits == "1" else f"{digits}\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}"
    exponent = "−" * (sign == "-") + power
    return [nodes.Text(f"{minus}{times}10"), nodes.superscript("", exponent)]


class Write(SphinxTransform):
    """Write the glued numbers, when a page is read: notebooks are made from that, too."""

    default_priority = 400

    def apply(self, **kwargs: object) -> None:
        """Go through a page."""
        for glued in self.document.findall(nodes.inline):
            if GLUED in glued["classes"] and (written := in_writing(glued.astext())):
                glued.children = []
                glued += written


def characters(css: str) -> set[tuple[str, str]]:
    """Font file and character of each character rule in a page's style sheet."""
    found = set()
    for selector, body in RULE.findall(css):
        content = re.search(r'content:"((?:\\[0-9A-Fa-f]+ ?|\\.|[^"\\])*)"', body)
        if not content or "mjx-c" not in selector:
            continue
        text = re.sub(r"\\([0-9A-Fa-f]+) ?", lambda m: chr(int(m[1], 16)), content[1])
        text = re.sub(r"\\(.)", r"\1", text)
        variants = re.findall(r"\.TEX-\w+", selector)
        family = re.search(r"font-family:[^;]*?MJXTEX-(\w+)", body)
        variant = f".TEX-{family[1]}" if family else (variants[-1] if variants else "")
        found |= {(FONTS[variant], char) for char in text}
        if "stretchy" in selector:  # drawn from the first of these fonts that has the piece
            found |= {
                (FONTS[f".TEX-{size}"], c) for c in text for size in ("S1", "S2", "S3", "S4")
            }
    return found


def cut(file: str, text: str) -> bytes:
    """Return a font with only the given characters."""
    from fontTools import subset  # only a build with new formulas needs it
    from fontTools.ttLib import TTFont

    font = TTFont(components() / "output/chtml/fonts/woff-v2" / f"MathJax_{file}.woff")
    options = subset.Options(
        flavor="woff", hinting=False, desubroutinize=True, notdef_outline=True
    )
    options.ignore_missing_unicodes = True
    options.drop_tables += ["FFTM"]
    cutter = subset.Subsetter(options)
    cutter.populate(text=text)
    cutter.subset(font)
    font.recalcTimestamp = False
    out = io.BytesIO()
    font.flavor = "woff"
    font.save(out)
    return out.getvalue()


def close(app: Sphinx, exception: Exception | None) -> None:
    """End the engine: its thread would keep the process alive."""
    if engine.cache_info().currsize:
        engine().close()
        engine.cache_clear()


def write_fonts(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    pages: dict[str, Page] = app.env.udl_math  # type: ignore[attr-defined]
    used = sorted(set().union(*(characters(page.css) for page in pages.values())))
    target = Path(app.outdir) / "_static" / "math.css"
    mark = f"/* {' '.join(f'{file}:{ord(c):x}' for file, c in used)} */\n"
    if target.exists() and target.read_text(encoding="utf-8").startswith(mark + KEPT_RULE):
        return
    css = [mark, KEPT_RULE]
    for variant, file in FONTS.items():
        text = "".join(c for f, c in used if f == file)
        if text:
            name = "MJXTEX" + variant.removeprefix(".TEX")
            data = base64.b64encode(cut(file, text)).decode()
            css.append(
                f"@font-face{{font-family:{name};"
                f"src:url(data:font/woff;base64,{data}) format('woff')}}\n"
            )
    target.write_text("".join(css), encoding="utf-8")


def html_of(self: HTML5Translator, node: nodes.Element) -> str:
    pages: dict[str, Page] = self.builder.env.udl_math  # type: ignore[attr-defined]
    here = pages.get(self.builder.current_docname)
    for page in [here, *pages.values()] if here else pages.values():
        if source_of(node) in page.formulas:
            return page.formulas[source_of(node)]
    logger.warning(
        "%r came in after the page was read: too late to typeset", node.astext(), location=node
    )
    raise nodes.SkipNode


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{html_of(self, node)}</span>')
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    number = get_node_equation_number(self, node) if node["number"] else ""
    link = f'<span class="eqno">({number})</span>' if number else ""
    ids = f' id="{node["ids"][0]}"' if node["ids"] else ""
    self.body.append(f'<div class="math"{ids}>{html_of(self, node)}{link}</div>\n')
    raise nodes.SkipNode


def begin(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    if not hasattr(env, "udl_math"):
        env.udl_math = {}  # type: ignore[attr-defined]


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    getattr(env, "udl_math", {}).pop(docname, None)


def add_rules(
    app: Sphinx, pagename: str, template: str, context: dict[str, object], doctree: object
) -> None:
    pages: dict[str, Page] = app.env.udl_math  # type: ignore[attr-defined]
    if pagename in pages:
        context["math_css"] = pages[pagename].css


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.add_html_math_renderer(
        "typeset", inline_renderers=(visit_inline, None), block_renderers=(visit_block, None)
    )
    app.add_transform(Write)
    app.add_post_transform(Keep)
    app.connect("env-before-read-docs", begin)
    app.connect("doctree-read", typeset)
    app.connect("env-purge-doc", forget)
    app.connect("html-page-context", add_rules)
    app.connect("build-finished", write_fonts)
    app.connect("build-finished", close)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
