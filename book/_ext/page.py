"""What a page loads: one style sheet, one script, nothing from elsewhere.

The theme and the extensions bring some twenty files, an icon font of 540 kB and a link to a CDN.
The files that this book uses are joined into two; the rest stays out of the page. So do the bytes
that an interactive loads later: a cell's output carries them, and the page gets them as a file.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import minify
from docutils import nodes
from figures import drawing
from sphinx.util.fileutil import copy_asset
from timings import measured

if TYPE_CHECKING:
    from sphinx.application import Sphinx

STYLES = (
    "styles/theme.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "togglebutton.css",
    "copybutton.css",
    "mystnb.*.css",
    "exercise.css",
    "math.css",
)
SETTINGS = """let toggleHintShow = "Show"; let toggleHintHide = "Hide";
let toggleOpenOnPrint = "true"; var togglebuttonSelector = ".toggle, .admonition.dropdown";
"""
# What scrolls sideways can be reached by keyboard; what does not is no stop on the way. Looked at
# whenever it has been laid out, which for most of a long page is when it comes near the view. All
# is read before anything is written: the page is not laid out again for each. Where something is
# left at the right, book.css fades the edge.
STOPS = """
const cut = (element) => element.scrollWidth - element.clientWidth - element.scrollLeft > 1;
addEventListener("scroll", ({ target }) => {
  if (target.tabIndex === 0) target.toggleAttribute("data-more", cut(target));
}, { capture: true, passive: true });
const scrollStops = new ResizeObserver((entries) => {
  const wide = entries.map(({ target }) => target.scrollWidth > target.clientWidth);
  const more = entries.map(({ target }) => cut(target));
  entries.forEach(({ target }, place) => {
    if (wide[place]) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
    target.toggleAttribute("data-more", more[place]);
  });
});
addEventListener("load", () => setTimeout(() => {
  const all = "pre, div.math > *, .pst-scrollable-table-container, .cell_output .output";
  for (const element of document.querySelectorAll(all)) {
    if (!element.closest(".udl-widget")) scrollStops.observe(element); // it has its own stops
  }
}, 50));
"""
# A menu over the page goes when a section of the page is chosen in it.
MENUS = """
document.addEventListener("click", ({ target }) => {
  if (target.closest("dialog a[href^='#']")) target.closest("dialog").close();
});
"""
# The theme's own way of the stops, which measures every block of the page while it loads.
THEME_STOPS = "e.tabIndex=e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight?0:-1"
SCRIPTS = ("documentation_options.js", "doctools.js", "sphinx_highlight.js")
# Nothing else needs these. Each group is a task of its own: all at once would keep a phone from
# answering for a third of a second.
TASKS = (
    ("clipboard.min.js", "copybutton.js"),
    ("togglebutton.js",),
    ("scripts/bootstrap.js",),
    ("scripts/pydata-sphinx-theme.js",),  # after bootstrap, which it uses
    ("scripts/sphinx-book-theme.js",),
)
UNUSED = (  # copied into the site by the theme and by extensions, loaded by no page
    *("vendor", "scripts/fontawesome.js*", "scripts/*.map", "styles/*.map", "sphinx-thebe.*"),
    *("sphinx-design*", "design-tabs.js", "*webpack-macros.html", "images", "locales"),
    *("play-solid.svg", "file.png", "plus.png", "minus.png", "basic.css"),
)
ICON_RULE = re.compile(r"(?<=\})[^{}@]*(?:\.fa-|\.svg-inline--fa)[^{}]*\{[^{}]*\}")
MARKUP = re.compile(r"<script.*?</script>|<[^>]*>", re.DOTALL)
LINES = 250  # letters
MANY = 5  # sections, or what they are taken for may move what is in view
CARRIED = re.compile(r'<script type="text/plain" data-file="([\w-]+\.\w+)">([\w+/=]*)</script>')
NAMELESS, NAMED = re.compile("<summary>(?=<span)"), '<summary aria-label="Pages of this part">'
FONT_FACE = re.compile(r"@font-face\s*\{[^{}]*Awesome[^{}]*\}")


def description(doctree: nodes.document | None) -> str:
    """Return a page's first paragraph, for search engines and link previews."""
    if doctree is None:
        return ""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if isinstance(paragraph.parent, nodes.section) and len(text) > 40:
            return text if len(text) <= 160 else text[:160].rsplit(" ", 1)[0] + " …"
    return ""


def text_length(node: nodes.Node) -> int:
    """Count letters. An interactive or a figure counts as some lines of text.

    What a clock has said counts as nothing: it is of another length in the next build.
    """
    if isinstance(node, drawing):
        return LINES
    if isinstance(node.parent, measured):
        return 0
    if isinstance(node, nodes.Text):
        if isinstance(node.parent, nodes.raw):
            return LINES * node.count('class="udl-widget"') + len(MARKUP.sub("", node))
        return len(node)
    return sum(map(text_length, node.children))


def with_lengths(body: str, doctree: nodes.document | None) -> str:
    """Say how long the sections of a long page are: book.css lets them be laid out when read."""
    for page in doctree.children if doctree else ():
        sections = [part for part in page.children if isinstance(part, nodes.section)]
        for section in sections if len(sections) >= MANY else ():
            start = f'<section id="{section["ids"][0]}"'
            body = body.replace(start, f'{start} style="--letters:{text_length(section)}"', 1)
    return body


def lighten(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    context["css_files"] = []  # the template links the joined one
    # The search page's own scripts run while it is parsed, and need what the others define.
    at_once = pagename == "search"
    context["script_files"] = ["_static/book.min.js"] if at_once else []
    context["deferred_scripts"] = [] if at_once else ["book.min.js"]
    if 'class="udl-widget"' in context.get("body", ""):
        context["deferred_scripts"].append("udl/loader.js")
    context["description"] = description(doctree)
    if "body" in context:
        context["body"] = with_lengths(context["body"], doctree)
    if at_once:
        context["description"] = f"Search {app.config.html_title}: terms, sections, and all texts."
    if tree := context.get("generate_toctree_html"):  # its arrows have no name
        context["generate_toctree_html"] = lambda *args, **named: NAMELESS.sub(
            NAMED, str(tree(*args, **named))
        )


def move_files(html: str, folder: Path) -> str:
    """Put the bytes that interactives carry into files; returns the page without them."""

    def move(match: re.Match[str]) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / match[1]).write_bytes(base64.b64decode(match[2], validate=True))
        return ""

    return CARRIED.sub(move, html)


def take_out(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    if 'data-file="' in context.get("body", ""):
        folder = Path(app.outdir) / "_static" / "udl"
        context["body"] = move_files(context["body"], folder)


def sweep(static: Path, site: Path) -> None:
    """Remove the files that no page asks for any more. Their names change with their content."""
    files = list((static / "udl").glob("*-*.bin"))
    if files:
        pages = [path.read_text(encoding="utf-8") for path in site.rglob("*.html")]
        for path in files:
            if not any(path.name in page for page in pages):
                path.unlink()


def joined(static: Path, names: tuple[str, ...]) -> str:
    parts = []
    for name in names:
        found = sorted(static.glob(name))
        if not found:
            raise FileNotFoundError(f"the page needs _static/{name}, which no extension provides")
        parts += [path.read_text(encoding="utf-8") for path in found]
    return "\n".join(parts)


def minified(css: str) -> str:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"@import[^;]*;|@charset[^;]*;", "", css)
    return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"\s+", " ", css))


def join_assets(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for folder in app.config.html_static_path:  # Sphinx copies them only when a page changes
        copy_asset(str(Path(app.confdir) / folder), str(static))
    theirs = ICON_RULE.sub("", FONT_FACE.sub("", joined(static, STYLES)))
    css = minified(theirs + joined(static, ("book.css",)))
    (static / "book.min.css").write_text(css, encoding="utf-8")
    tasks = "".join(f"setTimeout(() => {{\n{joined(static, names)}\n}});\n" for names in TASKS)
    scripts = re.sub(r"//# sourceMappingURL=.*", "", f"{joined(static, SCRIPTS)}\n{tasks}")
    if scripts.count(THEME_STOPS) != 1:
        raise ValueError("the theme's script has changed: look at THEME_STOPS in page.py again")
    scripts = scripts.replace(THEME_STOPS, "0")
    (static / "book.min.js").write_text(SETTINGS + scripts + STOPS + MENUS, encoding="utf-8")
    modules = Path(app.confdir) / app.config.udl_package / "web" / "static"
    if modules.is_dir():
        (static / "udl").mkdir(exist_ok=True)
        for path in sorted(modules.iterdir()):
            code = minify.string("application/javascript", path.read_text(encoding="utf-8"))
            (static / "udl" / path.name).write_text(code, encoding="utf-8")
    sweep(static, Path(app.outdir))


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    # First of all: nobody else has to read through the bytes.
    app.connect("html-page-context", take_out, priority=100)
    app.connect("html-page-context", lighten, priority=990)
    # After the extensions have copied their files, and the formulas their fonts.
    app.connect("build-finished", join_assets, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
