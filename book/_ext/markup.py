"""Mend the markup that the theme and the extensions emit, where it is invalid or inaccessible.

Each rule says what is wrong and who writes it; when a new version writes it right, the rule goes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RULES = (
    # sphinx-thebe: settings of a service that this book does not use
    (r'<script type="text/x-thebe-config">.*?</script>', ""),
    (r"<script>kernelName = '[^']*'</script>", ""),
    # pandas: scoped styles in the body, an obsolete attribute, a header cell that heads nothing
    (r"<style scoped>.*?</style>", ""),
    (r'<table border="\d+"', "<table"),
    (r'(<th\b[^>]*?) halign="\w+"', r"\1"),  # pandas, above columns of two levels
    (  # the name of the index in a row of its own
        r"(<tr[^>]*>\s*)<th></th>((?:\s*<th[^>]*>[^<]*</th>)+\s*</tr>)"
        r"\s*<tr>\s*(<th>[^<]+</th>)(?:\s*<th></th>)+\s*</tr>(?=\s*</thead>)",
        r"\1\3\2",
    ),
    (r"<th></th>", "<td></td>"),
    # sphinx-exercise: a space within a link, the same id on every exercise and every solution
    (r"(?<=Solution to)(<a [^>]*>) ", r" \1"),
    (r' id="(?:exercise|solution)-content"', ""),
    # docutils: roles of citations that ARIA has deprecated, or that their parents do not allow
    (r' role="(?:list|listitem|doc-biblioentry)"', ""),
)
SUMMARY = re.compile(r'<summary(?: aria-label="[^"]*")?>(.*?)</summary>', re.DOTALL)
REDIRECT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{title}: the cover page.">
<meta http-equiv="refresh" content="0; url={target}"><link rel="icon" href="data:,">
</head>
<body><main><h1>{title}</h1><p><a href="{target}">Open the book</a></p></main></body>
</html>
"""


def summary(match: re.Match[str]) -> str:
    """MyST-NB puts paragraphs in a summary, and a label that hides what the summary says."""
    inside = re.sub(r"<(/?)p\b", r"<\1span", match[1])
    return f"<summary>{inside}</summary>"


def mend(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    body = context.get("body", "")
    for pattern, replacement in RULES:
        body = re.sub(pattern, replacement, body, flags=re.DOTALL)
    context["body"] = SUMMARY.sub(summary, body)


def write_entrance(app: Sphinx, exception: Exception | None) -> None:
    """Write the root page; the table-of-contents extension writes one without head or title."""
    if exception is None and app.builder.format == "html":
        page = REDIRECT.format(title=app.config.html_title, target=f"{app.config.root_doc}.html")
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.connect("html-page-context", mend, priority=900)
    app.connect("build-finished", write_entrance, priority=990)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
