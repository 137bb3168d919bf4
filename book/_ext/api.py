"""The API reference: an entry for each public name of the package, and links both ways.

``{api} linear`` prints what ``udl.linear`` offers, from the docstrings. An entry names the
chapters that use it, a chapter ends with the entries that it uses, and a name in backquotes in the
text, such as ``linear.predict``, is a link to its entry where it stands first on a page.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from api_names import Names
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

HEADING = re.compile(r"^\(([\w-]+)\)=\n+#+ ", re.MULTILINE)
# A link in one of these would be in the way, or inside another link.
NO_LINK_IN = (
    *(nodes.title, nodes.reference, nodes.caption, nodes.rubric),
    *(addnodes.pending_xref, addnodes.desc_signature),
)
COLON = "\N{RATIO} "
NARROW = 50  # characters of code that a phone shows


def names_of(app: Sphinx) -> Names:
    """Return the public names of the book's package."""
    return Names(Path(app.confdir) / app.config.udl_package)


class Mentions(NamedTuple):
    """What a page says, be it an entry or not yet."""

    code: dict[str, str]  # names in cells, each with a label near the first
    text: set[str]  # what stands in backquotes


def mentions(env: BuildEnvironment) -> dict[str, Mentions]:
    """Return what each page read so far mentions."""
    if not hasattr(env, "udl_api_mentions"):
        env.udl_api_mentions = {}
    return env.udl_api_mentions  # type: ignore[no-any-return]


def uses(env: BuildEnvironment) -> dict[str, dict[str, str]]:
    """Return, for each page, the entries that it uses, each with a label near the first use."""
    return getattr(env, "udl_api_uses", {})


def places(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Return page and anchor of each entry that is on a page."""
    objects = env.get_domain("py").data["objects"]
    return {name: (entry.docname, entry.node_id) for name, entry in objects.items()}


# The entries


class Api(SphinxDirective):
    """Print all that a module offers: functions, then classes, then the rest."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Hand the names to autodoc."""
        offered = names_of(self.env.app)
        name = f"{offered.package}.{self.arguments[0]}"
        if name not in offered.modules:
            raise ExtensionError(f"{self.get_location()}: no public module is called {name!r}")
        module = importlib.import_module(name)
        source = Path(str(module.__file__))
        for path in source.parent.glob("*.py") if source.stem == "__init__" else [source]:
            self.env.note_dependency(str(path))
        lines = [f".. automodule:: {name}", ""]
        names = [n for n in offered.modules[name] if f"{name}.{n}" not in offered.modules]
        things = {n: getattr(module, n) for n in names}
        shorts = sorted(things, key=lambda n: order(things[n]))
        links = ", ".join(f":py:obj:`~{name}.{short}`" for short in shorts)
        lines += [".. container:: api-index", "", f"   {links}", ""]
        for short in shorts:
            lines += [f".. {directive(things[short])}:: {name}.{short}"]
            lines += ["   :members:"] if order(things[short]) in {1, 2} else []
            # Where a folder lies is a matter of the machine.
            lines += ["   :no-value:"] if isinstance(things[short], Path) else []
            lines += [""]
        text = StringList(["`````{eval-rst}", *lines, "`````"], source=str(source))
        box = nodes.container(classes=["api"])
        self.state.nested_parse(text, self.content_offset, box)
        return [box]


def order(thing: object) -> int:
    """Return the place of a thing on its page."""
    if inspect.isclass(thing):
        return 2 if issubclass(thing, Exception) else 1
    return 0 if callable(thing) else 3


def directive(thing: object) -> str:
    """Return what autodoc calls a thing."""
    return f"auto{('function', 'class', 'exception', 'data')[order(thing)]}"


def untouched(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Keep a colon in the text of a property: napoleon takes what is before it for a type."""
    if what == "property" and not any(set(line) == {"-"} for line in lines):
        lines[:1] = [lines[0].replace(": ", COLON)]


def complete(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """End the text of an entry with its types, and with the chapters that use it."""
    lines[:] = [line.replace(COLON, ": ") for line in lines]
    if names_of(app).entry(name) != name:
        return
    if what == "data":
        lines[:] = [] if type(thing) in {dict, str} else lines  # those of the type say nothing
    lines += ["", f".. api-foot:: {name}", ""]


def leave_out(
    app: Sphinx, what: str, name: str, thing: object, skip: bool, options: object
) -> bool | None:
    """Leave out the fields of a named tuple: Python documents each as an alias of a number."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def real_signature(
    app: Sphinx, what: str, name: str, thing: object, options: object, text: str, returns: str
) -> tuple[str, str] | None:
    """Leave out what Python makes up as the signature of a protocol."""
    return ("", "") if text == "(*args, **kwargs)" and inspect.isclass(thing) else None


def typed(thing: object) -> str:
    """Return the signature of a function, or the fields of a class, with the types as written.

    Empty where there is nothing to say.
    """
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return ""
    node = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))).body[0]
    if isinstance(node, ast.ClassDef):
        inner = [n for n in node.body if getattr(n, "name", "") == "__init__"]
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
        public = [ast.unparse(n) for n in fields if not ast.unparse(n.target).startswith("_")]
        if not inner:
            return "\n".join(public)
        node = inner[0]  # type: ignore[assignment]
    assert isinstance(node, ast.FunctionDef)
    arguments = [part for part in parameters(node.args) if part not in {"self", "cls"}]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    title = getattr(thing, "__name__", node.name)
    returns = "" if inspect.isclass(thing) else returns
    line = f"{title}({', '.join(arguments)}){returns}"
    if len(line) > NARROW and arguments:
        line = "\n".join([f"{title}(", *(f"    {part}," for part in arguments), f"){returns}"])
    return line.replace("'", '"')


def parameters(args: ast.arguments) -> Iterator[str]:
    """Yield the parts of a signature."""
    plain = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)

    def one(arg: ast.arg, default: ast.expr | None, mark: str = "") -> str:
        kind = f": {ast.unparse(arg.annotation)}" if arg.annotation else ""
        equals = "" if default is None else " = " + ast.unparse(default)
        return mark + arg.arg + kind + equals

    for number, (arg, default) in enumerate(zip(plain, defaults, strict=True), 1):
        yield one(arg, default)
        if number == len(args.posonlyargs):
            yield "/"
    if args.vararg:
        yield one(args.vararg, None, "*")
    elif args.kwonlyargs:
        yield "*"
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield one(arg, default)
    if args.kwarg:
        yield one(args.kwarg, None, "**")


class used_in(nodes.General, nodes.Element):
    """Stands for the chapters that use an entry, until all pages are read."""


class ApiFoot(SphinxDirective):
    """End an entry: its types, folded, and the chapters that use it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return both."""
        module, _, short = self.arguments[0].rpartition(".")
        text = typed(getattr(importlib.import_module(module), short))
        if not text:
            return [used_in(name=self.arguments[0])]
        head = '<details class="api-types"><summary>Types</summary>'
        return [
            used_in(name=self.arguments[0]),
            nodes.raw("", head, format="html"),
            nodes.literal_block(text, text, language="python"),
            nodes.raw("", "</details>", format="html"),
        ]


# The links


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Remember what a page uses in its cells, or names in its text."""
    env, offered = app.env, names_of(app)
    found: dict[str, str] = {}
    page = getattr(env, "udl_prepared", {}).get(env.docname)
    cells = page.notebook.cells if page else []
    labels = [""]
    for cell in cells:
        inside = HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
        labels.append(inside[-1] if inside else labels[-1])
    code = [c.source if c.cell_type == "code" else "" for c in cells]
    for label, names in zip(labels[1:], offered.mentioned(code), strict=True):
        found |= {name: label for name in sorted(names - found.keys())}
    if not is_reference(doctree):
        text = {literal.astext() for literal in linkable(doctree)}
        mentions(env)[env.docname] = Mentions(found, text)


def used(offered: Names, said: Mentions) -> dict[str, str]:
    """Return the entries among what a page mentions, each with a label near the first use."""
    found: dict[str, str] = {}
    for name, label in said.code.items():
        if entry := offered.entry(name):
            found.setdefault(entry, label)
    for name in filter(None, map(offered.named, sorted(said.text))):
        found.setdefault(name, "")
    return found


def is_reference(doctree: nodes.document) -> bool:
    """Say whether a page holds entries itself."""
    return next(doctree.findall(used_in), None) is not None


def linkable(doctree: nodes.document) -> Iterator[nodes.literal]:
    """Yield the code in the text, where it may become a link."""
    for literal in list(doctree.findall(nodes.literal)):
        node: nodes.Node | None = literal
        while node is not None and not isinstance(node, NO_LINK_IN):
            node = node.parent
        if node is None:
            yield literal


class Link(SphinxPostTransform):
    """Fill the entries' feet, and link names to entries, before Sphinx resolves links."""

    # After terms.Link (3), before what fills tables and sphinx-exercise (5): only what was read.
    default_priority = 4

    def run(self, **kwargs: Any) -> None:
        """Change this page."""
        for foot in list(self.document.findall(used_in)):
            foot.replace_self(self.chapters(foot["name"]))
        where = places(self.env)
        offered = names_of(self.app)
        done = set()
        for literal in linkable(self.document):
            name = offered.named(literal.astext())
            if name in done or name not in where:
                continue
            done.add(name)
            address = self.address(*where[name])
            link = nodes.reference("", "", internal=True, refuri=address)
            literal.replace_self(link)
            link += literal

    def chapters(self, name: str) -> list[nodes.Node]:
        """Return the line that names the chapters."""
        line = nodes.paragraph("", "Used in ", classes=["api-used"])
        for docname, label, title in users(self.env).get(name, []):
            link = nodes.reference("", title, internal=True, refuri=self.address(docname, label))
            line += [link, nodes.Text(", ")]
        if len(line) == 1:
            return []
        line[-1] = nodes.Text(".")
        return [line]

    def address(self, docname: str, anchor: str) -> str:
        """Return the way from this page to a place."""
        address = self.app.builder.get_relative_uri(self.env.docname, docname)
        return address + (f"#{anchor}" if anchor else "")


def in_order(env: BuildEnvironment) -> Iterator[str]:
    """Yield the pages in the order of the book."""
    yield env.config.root_doc
    for child in env.toctree_includes.get(env.config.root_doc, []):
        yield child
        yield from env.toctree_includes.get(child, [])


def users(env: BuildEnvironment) -> dict[str, list[tuple[str, str, str]]]:
    """Return the pages that use each entry: name, anchor and title of each."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    anchors = env.get_domain("std").data["anonlabels"]
    for docname in in_order(env):
        for name, label in uses(env).get(docname, {}).items():
            anchor = anchors.get(label, ("", ""))[1]
            found.setdefault(name, []).append((docname, anchor, env.titles[docname].astext()))
    return found


def changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages whose links have changed: those with entries, and those that use them."""
    # Not when a page is read: a function may be written later than the page.
    offered = names_of(app)
    env.udl_api_uses = {  # type: ignore[attr-defined]
        docname: used(offered, said) for docname, said in mentions(env).items()
    }
    where, now = places(env), {}
    for name, pages in users(env).items():
        if name in where:
            now[name] = (where[name], pages)
    links: dict[str, list[Any]] = {}
    for name, (place, pages) in sorted(now.items()):
        links.setdefault(place[0], []).append((name, pages))
        for docname, *_ in pages:
            links.setdefault(docname, []).append((name, place))
    before = getattr(env, "udl_api_links", {})
    env.udl_api_links = links  # type: ignore[attr-defined]
    stale = {n for n in links.keys() | before.keys() if links.get(n) != before.get(n)}
    return sorted(stale & env.all_docs.keys())


def panel(app: Sphinx, pagename: str) -> str:
    """Return the list of entries that a chapter uses, folded."""
    where, offered = places(app.env), names_of(app)
    here = sorted(n for n in uses(app.env).get(pagename, {}) if n in where)
    items = []
    for module, entries in groupby(here, lambda name: name.rpartition(".")[0]):
        links = []
        for name in entries:
            docname, anchor = where[name]
            address = f"{app.builder.get_relative_uri(pagename, docname)}#{anchor}"
            short = escape(name.rpartition(".")[2])
            links.append(f'<a href="{escape(address)}"><code>{short}</code></a>')
        short = escape(module.removeprefix(f"{offered.package}."))
        items.append(f"<dt><code>{short}</code></dt><dd>{', '.join(links)}</dd>")
    summary = f"From <code>{offered.package}</code> on this page"
    return (
        f'<details class="trust api-here"><summary>{summary}</summary><dl>{"".join(items)}</dl>'
        "</details>"
        if items
        else ""
    )


def valid(body: str) -> str:
    """Mend what Sphinx writes against the rules of HTML: long signatures, lists in fields."""

    def lines(match: re.Match[str]) -> str:
        inner = match[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
        return f"(</span>{inner}"

    body = re.sub(r"\(</span>\s*<dl>(\s*<dd>.*?)</dl>", lines, body, flags=re.DOTALL)
    return re.sub(
        r"<p>(<ul\b(?:(?!<p><ul).)*?</ul>)\s*</p>(?=\s*</dd>)", r"\1", body, flags=re.DOTALL
    )


def add(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Put the list at the end of a chapter, before the panel on how it was computed."""
    if 'class="sig ' in context.get("body", ""):
        context["body"] = valid(context["body"])
    if pagename in getattr(app.env, "udl_reports", {}) and "body" in context:
        context["body"] += panel(app, pagename)


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    mentions(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    there = mentions(other)
    mentions(env).update({name: there[name] for name in docnames if name in there})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and what keeps the links true."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.add_node(used_in)
    app.add_directive("api", Api)
    app.add_directive("api-foot", ApiFoot)
    app.add_post_transform(Link)
    app.connect("autodoc-process-docstring", untouched, priority=400)
    app.connect("autodoc-process-docstring", complete, priority=600)  # after napoleon
    app.connect("autodoc-process-signature", real_signature)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", changed)
    app.connect("html-page-context", add, priority=400)  # before the panel of trust.py
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
