"""What a page says of time: marked, so that two builds can be compared without it.

A date or a duration stands in ``<time>``. What a cell has measured by the clock stands between two
comments: numbers that ``tolerances.yml`` calls timings, and what cells with the tag ``timing``
print and draw. All else is the same in each build on one machine (``publish/reproduce.py``).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import tolerances
from docutils import nodes
from figures import drawing
from myst_nb.ext.glue.roles import PasteTextRole

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

START, END = "<!--measured-->", "<!--/measured-->"
STATED = re.compile(rf"<time\b[^>]*>.*?</time>|{START}.*?{END}", re.DOTALL)
RULES = Path("book") / "tolerances.yml"


def without(html: str) -> str:
    """Return a page without what it says of time.

    >>> without("Built <time>1 January</time> in <!--measured-->3<!--/measured--> s.")
    'Built  in  s.'
    """
    return STATED.sub("", html)


class measured(nodes.General, nodes.Inline, nodes.Element):
    """What the clock has said."""


@cache
def rules(path: Path, changed: int) -> tolerances.Rules:
    """Read the rules, once for each state of the file."""
    return tolerances.rules(path)


def is_timing(env: BuildEnvironment, name: str) -> bool:
    """Say whether a glued number, CHAPTER:KEY, is a timing."""
    path = Path(env.srcdir) / RULES
    if not path.exists():
        return False
    env.note_dependency(str(path))
    return rules(path, path.stat().st_mtime_ns).is_timing(name)


class GluedText(PasteTextRole):
    """MyST-NB's role, which marks what it has put in if that is a timing."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the text."""
        found, messages = super().run()
        env = self.document.settings.env
        page, _, key = self.text.rsplit(":", 1)[0].rpartition("::")
        chapter = PurePosixPath(page).stem or env.docname.removeprefix("book/")
        if found and is_timing(env, f"{chapter}:{key}"):
            found = [measured("", *found)]
        return found, messages


def mark(app: Sphinx, doctree: nodes.document) -> None:
    """Mark what cells with the tag have printed and drawn; their captions are the author's."""
    for cell in doctree.findall(nodes.container):
        if "tag_timing" not in cell["classes"]:
            continue
        for output in cell.findall(nodes.container):
            if "cell_output" in output["classes"]:
                for node in list(output.findall(is_result)):
                    node.replace_self(measured("", node.deepcopy()))


def is_result(node: nodes.Node) -> bool:
    """Say whether a node is text or a picture that a cell has made."""
    return isinstance(node, (drawing, nodes.image, nodes.literal_block))


def visit(self: Any, node: measured) -> None:
    self.body.append(START)


def depart(self: Any, node: measured) -> None:
    self.body.append(END)


def setup(app: Sphinx) -> dict[str, object]:
    """Register the role and the marks."""
    app.add_node(measured, html=(visit, depart))
    app.setup_extension("myst_nb")
    app.add_role_to_domain("glue", "text", GluedText(), override=True)
    app.connect("doctree-read", mark, priority=200)  # when figures are drawn into the page
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
