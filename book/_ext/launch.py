"""Open a page with cells as a notebook: a menu in its header, and a file among its downloads.

Binder and Colab take notebooks from the branch ``notebooks`` of the repository that the settings
name, which publish/notebooks.py writes. Each link leads to the page that one comes from. Colab
reads from GitHub alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from notebook_text import FOLDER, names

if TYPE_CHECKING:
    from sphinx.application import Sphinx

BRANCH = "notebooks"
BINDER = "https://mybinder.org/v2/{where}/{branch}?urlpath=lab/tree/{name}"
COLAB = "https://colab.research.google.com/github/{place}/blob/{branch}/{name}"
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def services(url: str, name: str) -> list[tuple[str, str]]:
    """Return the services that can open a notebook of a repository, and their addresses.

    >>> services("https://github.com/a/b", "page.ipynb")[0]
    ('Binder', 'https://mybinder.org/v2/gh/a/b/notebooks?urlpath=lab/tree/page.ipynb')
    >>> services("https://example.org/b", "page.ipynb")
    [('Binder', 'https://mybinder.org/v2/git/https%3A%2F%2Fexample.org%2Fb/notebooks?urlpath=lab/tree/page.ipynb')]
    """
    if not url:
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


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    # After the theme has made its own buttons, before slides.py puts one first.
    app.connect("html-page-context", add, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
