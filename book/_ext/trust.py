"""The panel at a chapter's foot: what its numbers were computed with, and from which data."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SOURCES = {
    "file": "the real file",
    "surrogate": "a surrogate",
    "generated": "generated from a seed",
    "embedded": "part of the package",
}


def data_row(entry: dict[str, Any]) -> str:
    source = SOURCES.get(entry["source"], entry["source"])
    digest = entry.get("sha256") or ""
    short = f', SHA-256 <code title="{digest}">{digest[:12]}…</code>' if digest else ""
    terms = f"; {escape(entry['license'])}" if entry.get("license") else ""
    return f"<li>{escape(entry['name'])}: {escape(source)}{short}{terms}</li>"


def decks(app: Sphinx, pagename: str) -> str:
    """Name the lecture decks that a page covers a topic of."""
    if "lectures" not in app.extensions:
        return ""
    from lectures import lectures

    content = lectures()
    labels = app.env.get_domain("std").data["labels"]
    here = {row.deck for row in content.rows if labels.get(row.section, ("",))[0] == pagename}
    return ", ".join(deck.short for name, deck in content.decks.items() if name in here)


def panel(report: dict[str, Any], lectures: str = "") -> str:
    versions = ", ".join(f"{name} {v}" for name, v in sorted(report["versions"].items()))
    rows = [
        ("Python", report["python"]),
        ("Packages", versions),
        ("Device", report["device"]),
    ]
    rows += [("Lectures", lectures)] if lectures else []
    items = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    seconds = f"{report['execution_seconds']:.1f}"
    items += f'<dt>Ran in</dt><dd><time datetime="PT{seconds}S">{seconds} s</time></dd>'
    data = "".join(data_row(entry) for entry in report["data"]) or "<li>none</li>"
    return (
        '<details class="trust"><summary>How this page was computed</summary>'
        f"<dl>{items}<dt>Data</dt><dd><ul>{data}</ul></dd></dl></details>"
    )


def banner(report: dict[str, Any]) -> str:
    """Say at the head of a page that a surrogate stands in for real data."""
    missing = [d for d in report["data"] if d["source"] == "surrogate"]
    if not missing:
        return ""
    said = " ".join(f"For {escape(d['name'])}, a surrogate: {escape(d['note'])}" for d in missing)
    return (
        '<aside class="surrogate" aria-label="Data of this page"><strong>Built without the real '
        f"data.</strong> {said}</aside>"
    )


def add(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    report = getattr(app.env, "udl_reports", {}).get(pagename)
    if report is None or "body" not in context:
        return
    head, mark, rest = context["body"].partition("</h1>")
    context["body"] = head + mark + banner(report) + rest + panel(report, decks(app, pagename))


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.connect("html-page-context", add)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
