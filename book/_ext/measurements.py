"""The page of measurements: tables made from what ``make bench`` has collected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path("benchmarks") / "results.json"


def shown(value: Any) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, dict):
        return " / ".join(shown(inner) for inner in value.values())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def table(header: list[str], rows: list[list[str]], caption: str) -> nodes.table:
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    head, body = nodes.thead(), nodes.tbody()
    for parent, lines in ((head, [header]), (body, rows)):
        for line in lines:
            row = nodes.row()
            row += [nodes.entry("", nodes.paragraph(text=cell)) for cell in line]
            parent += row
    group += [head, body]
    return nodes.table("", nodes.title(text=caption), group, classes=["measurements"])


class Measurements(SphinxDirective):
    """The latest figures of one benchmark; a metric a row, or a page a row where it is nested."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / RESULTS
        self.env.note_dependency(str(path))
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        name = self.arguments[0]
        if name not in results:
            return [nodes.paragraph(text="Not measured on this machine: run make bench.")]
        metrics, machine = results[name]["metrics"], results[name]["machine"]
        flat = {k: v for k, v in metrics.items() if not isinstance(v, dict)}
        nested = {
            page: row for v in metrics.values() if isinstance(v, dict) for page, row in v.items()
        }
        found: list[nodes.Node] = []
        if flat:
            rows = [[key.replace("_", " "), shown(value)] for key, value in flat.items()]
            found.append(table(["Metric", "Value"], rows, f"benchmarks/{name}.py"))
        if nested:
            columns = list(dict.fromkeys(key for row in nested.values() for key in row))
            rows = [[key, *(shown(row.get(c)) for c in columns)] for key, row in nested.items()]
            first = "page" if name == "pages" else "name"
            header = [first, *(c.replace("_", " ") for c in columns)]
            found.append(table(header, rows, f"benchmarks/{name}.py, one by one"))
        where = ", ".join(f"{key} {value}" for key, value in machine.items())
        return [*found, nodes.paragraph(text=f"Measured on: {where}.")]


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.add_directive("measurements", Measurements)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
