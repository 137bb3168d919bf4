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
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", re.IGNORECASE)
# The tag of a release, and the name of its folder in the site.
TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)((?:a|b|rc)\d+)?")

# Names that are set aside for examples (RFC 2606, RFC 6761): an address to be filled in.
RESERVED = re.compile(r"(.*\.)?(example(\.(com|net|org))?|invalid|localhost|test)")
ROCKET = {
    True: "opens it on {services}, where you install nothing, or hands it out as a file for "
    "JupyterLab or VS Code, which installs what it needs",
    False: "hands it out as a file for JupyterLab or VS Code; in a copy of the book's repository, "
    "its first cell installs what it needs",
}


def known(url: str) -> bool:
    """Whether an address is one, and not to be filled in.

    >>> known("https://github.com/a/b"), known("https://example.org/b"), known("")
    (True, False, False)
    """
    host = urlsplit(url).hostname
    return bool(host) and RESERVED.fullmatch(host) is None


def base_path(url: str) -> str:
    """Return the path that a repository's pages are served from.

    >>> base_path("https://github.com/ann/book.git"), base_path("https://github.com/Ann/ann.github.io")
    ('/book/', '/')
    >>> base_path("https://github.com/ann/bob.github.io")
    '/bob.github.io/'
    """
    path = urlsplit(url).path.strip("/")
    *_, owner, name = ("", "", *re.sub(r"\.git$", "", path, flags=re.IGNORECASE).split("/"))
    return "/" if name.lower() in {"", f"{owner}.github.io".lower()} else f"/{name}/"


def site(url: str, baseurl: str = "", ref: str = "") -> str:
    """Return the address of the published pages, of a release if ``ref`` is its tag, or "".

    >>> site("https://github.com/Ann/book"), site("https://github.com/ann/book", ref="v1.0.0")
    ('https://ann.github.io/book', 'https://ann.github.io/book/versions/v1.0.0')
    >>> site("https://github.com/ann/book", ref="main"), site("https://example.org/book")
    ('https://ann.github.io/book', '')
    """
    base = baseurl.rstrip("/")
    if not base and (found := GITHUB.fullmatch(url)):
        owner = found[1].partition("/")[0].lower()
        base = f"https://{owner}.github.io{base_path(url)}".rstrip("/")
    return f"{base}/versions/{ref}" if base and TAG.fullmatch(ref) else base


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
