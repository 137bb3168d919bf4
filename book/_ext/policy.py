"""What a page may load and run: its content security policy, written when all pages are.

A host of static pages sets no headers, so the policy is an element of each page. Scripts are the
book's own files, and the few that stand in a page are named by their hash: text that finds its way
into a page does not run. Handlers in attributes cannot be named so; each becomes a mark, and one
listener does what the marks say.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RULES = {
    "default-src": "'none'",
    "script-src": "'self'",
    # Formulas and figures hold thousands of style attributes, and no hash can name an attribute.
    # What styles could give away goes nowhere: no rule here lets a page load from elsewhere.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self' data:",
    "connect-src": "'self'",  # weights that an interactive fetches
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",  # the search
}
START = '<meta http-equiv="Content-Security-Policy" content="'
REFERRER = '<meta name="referrer" content="no-referrer">'
# All that a click may do: what pages ask for in an attribute, under the name that replaces it.
DEEDS = {
    "fullscreen": "toggleFullScreen()",
    "print": "window.print()",
    "slides": "location.hash='slides'",
    "unmark": "SphinxHighlight.hideSearchWords()",
}
LISTENER = (
    "\nconst deeds = {"
    + ", ".join(f"{name}() {{ {code}; }}" for name, code in DEEDS.items())
    + """};
addEventListener("click", (event) => {
  const deed = deeds[event.target.closest?.("[data-does]")?.dataset.does];
  if (!deed) return;
  event.preventDefault();
  deed();
});
"""
)
# Sphinx's way to hide what a search has marked.
SPHINX_LINK = re.compile(r'<a href="javascript:([^"]*)">')

CHARSET = re.compile(r"<meta charset=[^>]*>")
WRITTEN = re.compile(rf"\n(?:{re.escape(START)}|{re.escape(REFERRER)})[^\n]*")
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
DATA = re.compile(r"""\btype=["'](?:[\w/+.-]*json|text/plain)["']""")
HANDLER = re.compile(r'\son[a-z]+="([^"]*)"')


def hashes(html: str) -> list[str]:
    """Name the scripts that stand in a page, as a policy does.

    >>> hashes('<script src="a.js"></script><script type="application/json">{}</script>')
    []
    >>> hashes("<script>alert(1)</script>")
    ["'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"]
    """
    found = [
        code
        for about, code in SCRIPT.findall(html)
        if "src=" not in about and not DATA.search(about)
    ]
    digests = (hashlib.sha256(code.encode()).digest() for code in dict.fromkeys(found))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def policy(html: str) -> str:
    """Return the policy of a page."""
    rules = RULES | {"script-src": " ".join([RULES["script-src"], *hashes(html)])}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def mark(match: re.Match[str]) -> str:
    """Put the name of a deed in the place of a handler."""
    code = unescape(match[1])
    for name, known in DEEDS.items():
        if code == known:
            return f' data-does="{name}"'
    expected = ", ".join(DEEDS.values())
    raise ExtensionError(f"a handler does {code!r}, which no policy allows; expected {expected}")


def guarded(html: str) -> str:
    """Return a page with its policy, whether or not it had one.

    It stands behind the character set, before anything that it governs.
    """
    html = HANDLER.sub(mark, WRITTEN.sub("", html))
    place = CHARSET.search(html)
    if place is None:
        raise ExtensionError("a page names no character set, where its policy belongs")
    written = f'\n{START}{policy(html)}">\n{REFERRER}'
    return html[: place.end()] + written + html[place.end() :]


def without_addresses(scripts: str) -> str:
    """Make a button of the link whose address is a script."""

    def button(match: re.Match[str]) -> str:
        (name,) = (name for name, code in DEEDS.items() if code == match[1])
        return f'<a href="#" role="button" data-does="{name}">'

    made, count = SPHINX_LINK.subn(button, scripts)
    if count != 1:
        raise ExtensionError("Sphinx's script has changed: look at SPHINX_LINK in policy.py again")
    return made


def write(app: Sphinx, exception: Exception | None) -> None:
    """At the end of each build: all pages, of which only some were written by it."""
    if exception or app.builder.name != "html":
        return
    site = Path(app.outdir)
    script = site / "_static" / "book.min.js"  # page.py has written it anew
    code = without_addresses(script.read_text(encoding="utf-8")) + LISTENER
    script.write_text(code, encoding="utf-8")
    for path in sorted(site.rglob("*.html")):
        if path.relative_to(site).parts[0].startswith("_"):  # no pages
            continue
        before = path.read_text(encoding="utf-8")
        try:
            after = guarded(before)
        except ExtensionError as error:
            raise ExtensionError(f"{path.relative_to(site)}: {error}") from error
        if after != before:
            path.write_text(after, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    # After all that changes pages, before the report, which says how large they are.
    app.connect("build-finished", write, priority=994)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
