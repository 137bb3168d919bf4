"""Open a page with cells as a notebook: a menu in its header, and a file among its downloads.

Binder and Colab take notebooks from the branch ``notebooks`` of the repository that the settings
name, which publish/notebooks.py writes. Each link leads to the page that one comes from. Colab
reads from GitHub alone. As long as the settings name no address that could exist, the menu hands
out the file and no more, and ``{{ rocket }}``, which tells of the menu, says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from notebook_text import FOLDER, names

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

BRANCH = "notebooks"
BINDER = "https://mybinder.org/v2/{where}/{branch}?urlpath=lab/tree/{name}"
COLAB = "https://colab.research.google.com/github/{place}/blob/{branch}/{name}"
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")

# Names that are set aside for examples (RFC 2606, RFC 6761): an address to be filled in.
RESERVED = re.compile(r"(.*\.)?(example(\.(com|net|org))?|invalid|localhost|test)")
ROCKET = {
    True: "opens it on {services}, where you install nothing, or hands it out as a file for "
    "JupyterLab or VS Code, which installs what it needs",
    False: "hands it out as a file for JupyterLab or VS Code; its first cell installs what it "
    "needs, or says how",
}


def known(url: str) -> bool:
    """Whether an address is one, and not to be filled in.

    >>> known("https://github.com/a/b"), known("https://example.org/b"), known("")
    (True, False, False)
    """
    host = urlsplit(url).hostname
    return bool(host) and RESERVED.fullmatch(host) is None


def site(url: str, baseurl: str = "", version: str = "") -> str:
    """Return the address of the published pages, of one version if it is named; "" if unknown.

    >>> site("https://github.com/Ann/book"), site("https://github.com/ann/book", version="v1.0.0")
    ('https://ann.github.io/book', 'https://ann.github.io/book/versions/v1.0.0')
    >>> site("https://github.com/ann/ann.github.io"), site("https://example.org/book")
    ('https://ann.github.io', '')
    """
    base = baseurl.rstrip("/")
    if not base and (found := GITHUB.fullmatch(url)):
        owner, _, name = found[1].partition("/")
        base = f"https://{owner.lower()}.github.io"
        if name.lower() != base.removeprefix("https://"):
            base += f"/{name}"
    return f"{base}/versions/{version}" if base and version else base


def services(url: str, name: str) -> list[tuple[str, str]]:
    """Return the services that can open a notebook of a repository, and their addresses.

    >>> services("https://github.com/a/b", "page.ipynb")[0]
    ('Binder', 'https://mybinder.org/v2/gh/a/b/notebooks?urlpath=lab/tree/page.ipynb')
    >>> services("https://codeberg.org/b", "page.ipynb")
    [('Binder', 'https://mybinder.org/v2/git/https%3A%2F%2Fcodeberg.org%2Fb/notebooks?urlpath=lab/tree/page.ipynb')]
    >>> services("https://example.org/b", "page.ipynb")
    []
    """
    if not known(url):
        return []
    found = GITHUB.fullmatch(url)
    where = f"gh/{found[1]}" if found else f"git/{quote(url, safe='')}"
    both = [("Binder", BINDER.format(where=where, branch=BRANCH, name=quote(name)))]
    if found:
        both.append(("Colab", COLAB.format(place=found[1], branch=BRANCH, name=quote(name))))
    return both


def add(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Put the menu before that of the downloads, and the notebook first in both lists of files."""
    buttons = context.get("header_buttons")
    notebooks = names(app.env)
    if buttons is None or pagename not in notebooks or app.builder.name != "html":
        return
    name = notebooks[pagename]
    download = {
        "type": "link",
        "url": context["pathto"](f"{FOLDER}/{name}", resource=True),
        "text": ".ipynb",
        "tooltip": "Download this page as a notebook",
        "icon": "fas fa-code",
        "label": "download-notebook-button",
    }
    links = [
        {
            "type": "link",
            "url": address.replace("&", "&amp;"),
            "text": service,
            "tooltip": f"Run this page on {service}, in a new tab",
            "icon": f"fas fa-{service.lower()}",
            "label": f"launch-{service.lower()}",
        }
        for service, address in services(
            app.config.html_theme_options.get("repository_url", ""), name
        )
    ]
    menu = {
        "type": "group",
        "tooltip": "Run this page as a notebook",
        "icon": "fas fa-rocket",
        "label": "launch-buttons",
        "buttons": [*links, download],
    }
    at = next((k for k, b in enumerate(buttons) if b.get("label") == "download-buttons"), 0)
    if buttons and buttons[at].get("type") == "group":
        buttons[at]["buttons"].insert(0, download)
    buttons.insert(at, menu)


def tell(app: Sphinx, config: Config) -> None:
    """Let pages say what their rocket does."""
    found = [name for name, _ in services(config.html_theme_options.get("repository_url", ""), "")]
    said = ROCKET[bool(found)].format(services=" or ".join(found))
    config.myst_substitutions = {**config.myst_substitutions, "rocket": said}


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("config-inited", tell)
    # After the theme has made its own buttons, before slides.py puts one first.
    app.connect("html-page-context", add, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
