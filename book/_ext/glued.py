"""The numbers of a build: written to ``numbers.json``, and held against the committed ones.

Each build writes what its chapters glue to ``_build/html/numbers.json``; the committed reference
is ``book/numbers.json``. ``{build-differences} PART`` puts a table into its page: this build
against the reference, recorded builds of other machines, or the rules. Filled when all is read.
The tables lead to the sentence that a number stands in, so each number gets an id.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tolerances as t
from docutils import nodes
from lectures import in_order, table_row
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from timings import GluedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PARTS = ("machines", "chapters", "numbers", "recorded", "tolerances")
FILES = ("numbers.json", "tolerances.yml", "recorded.json")
MOST = 25  # numbers that a page lists
SMALL = 1e-4  # of a tolerance: a number that uses up less is counted, and not listed
NEXT_TO_NOTHING = f"each by less than {t.percent(SMALL)} of its tolerance"
SAME = "same"
DIGITS = 4  # of each: more say no more to a reader
ZERO = 1e-12  # two numbers that are closer, or relatively so, are no two numbers to a reader
NOTHING = f"<{ZERO:g}"
USED = "of its\ntolerance "
FULL = 10  # times its tolerance: how far a number is beyond that says no more to a reader


# ------------------------------------------------------------------------------- what a build has


def glued(env: BuildEnvironment, docname: str) -> dict[str, t.Value]:
    """Return what a page glues: numbers and texts, not figures."""
    keys = NbMetadataCollector.get_doc_data(env)[docname].get("glue", ())
    if not keys:
        return {}
    folder = Path(env.mystnb_config.output_folder)  # type: ignore[attr-defined]
    content = json.loads((folder / f"{docname}.glue.json").read_text(encoding="utf-8"))
    found = {}
    for key in keys:
        data = content[key]["data"]
        if "text/markdown" in data:
            found[key] = data["text/markdown"]
        elif not any(mime.startswith(("image/", "text/html")) for mime in data):
            found[key] = t.parse(data.get("text/plain", ""))
    return found


def numbers(env: BuildEnvironment) -> dict[str, Any]:
    """Return the numbers of a build, with what computed them; pages in the order of the book."""
    reports = getattr(env, "udl_reports", {})
    chapters = {}
    for docname in [name for name in in_order(env) if name in reports]:
        if found := glued(env, docname):
            data = t.sources(reports[docname]["data"])
            chapters[docname.removeprefix("book/")] = {"data": data, "numbers": found}
    pairs = sorted({pair for report in reports.values() for pair in report["versions"].items()})
    devices = sorted({report["device"] for report in reports.values()})
    processors = sorted({report.get("processor", "unknown") for report in reports.values()})
    return {
        # A chapter that needs no GPU says CPU also where there is one.
        "device": ", ".join([one for one in devices if one != "CPU"] or ["CPU"]),
        "machine": ", ".join(processors),
        "python": ", ".join(sorted({report["python"] for report in reports.values()})),
        "versions": dict(pairs),
        "chapters": chapters,
    }


def write(app: Sphinx, exception: Exception | None) -> None:
    """At the end of a build: write its numbers, if they are others than before."""
    if exception or app.builder.name != "html":
        return
    target = Path(app.outdir) / "numbers.json"
    text = t.written(numbers(app.env))
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        partial = target.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)


# ------------------------------------------------------------------------- where a number stands


class NamedText(GluedText):
    """The role ``{glue:text}``, whose node knows which number it shows."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Note the number; no table lists one of another page, or a timing."""
        found, messages = super().run()
        for node in found:
            if isinstance(node, nodes.inline):
                node["number"] = self.text.partition(":")[0]
        return found, messages


def places(env: BuildEnvironment) -> dict[str, set[str]]:
    """Return which numbers of a page have an id there."""
    if not hasattr(env, "udl_places"):
        env.udl_places = {}
    return env.udl_places  # type: ignore[no-any-return]


def place(key: str) -> str:
    """Return the id of a number in its page."""
    return f"number-{key}"


def mark(app: Sphinx, doctree: nodes.document) -> None:
    """Give each number an id where it stands first. A title is copied to other places."""
    known = places(app.env)[app.env.docname] = set()
    for node in doctree.findall(nodes.inline):
        key = node.get("number")
        if key and key not in known and not inside(node, nodes.title):
            node["ids"].append(place(key))
            known.add(key)


def inside(node: nodes.Node, kind: type[nodes.Node]) -> bool:
    """Say whether a node stands in one of a kind."""
    while (node := node.parent) is not None:
        if isinstance(node, kind):
            return True
    return False


# ------------------------------------------------------------------------------------- the tables


class differences(nodes.General, nodes.Element):
    """Stands for a part until all pages are read."""


class BuildDifferences(SphinxDirective):
    """Leave a placeholder for one part."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Remember the page."""
        part = self.arguments[0]
        if part not in PARTS:
            expected = ", ".join(PARTS)
            raise ExtensionError(
                f"{self.get_location()}: expected a part of {expected}, got {part!r}"
            )
        comparing(self.env).add(self.env.docname)
        return [differences(part=part)]


def comparing(env: BuildEnvironment) -> set[str]:
    """Return the pages with a part."""
    if not hasattr(env, "udl_comparing"):
        env.udl_comparing = set()
    return env.udl_comparing  # type: ignore[no-any-return]


def table(heads: list[str], rows: Iterable[list[nodes.Node | str]]) -> nodes.table:
    """Return a table; columns of numbers are named with a trailing space, and do not wrap."""
    group = nodes.tgroup("", cols=len(heads))
    group += [nodes.colspec("", colwidth=1) for _ in heads]
    group += nodes.thead("", table_row(*(lines(head.strip()) for head in heads)))
    group += (body := nodes.tbody())
    for row in rows:
        body += table_row(*row)
    for line in group.findall(nodes.row):
        for head, entry in zip(heads, line, strict=True):
            if head.endswith(" "):
                entry["classes"].append("number")
    return nodes.table("", group, classes=["build-report"])


def lines(said: str) -> nodes.Node:
    """Return a text with its lines as they are."""
    line = nodes.inline("", "")
    for count, part in enumerate(said.split("\n")):
        line += [nodes.raw("", "<br>\n", format="html")] if count else []
        line += nodes.Text(part)
    return line


def text(said: str) -> nodes.paragraph:
    """Return a paragraph."""
    return nodes.paragraph("", said)


class Fill(SphinxPostTransform):
    """Put the parts in place, before Sphinx resolves links (priority 10)."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder of this page."""
        for node in list(self.document.findall(differences)):
            part: Callable[[], list[nodes.Node]] = getattr(self, node["part"])
            node.replace_self(part())

    @property
    def now(self) -> dict[str, Any]:
        """What was compared."""
        return self.env.udl_differences  # type: ignore[attr-defined, no-any-return]

    def chapter(self, name: str, key: str = "") -> nodes.Node:
        """Return a chapter's title as a link, to a number's sentence if it stands in one.

        Where the book has the chapter no more, return its name.
        """
        docname = next((d for d in (f"book/{name}", name) if d in self.env.titles), None)
        if docname is None:
            return nodes.inline("", name)
        address = self.app.builder.get_relative_uri(self.env.docname, docname)
        if key in self.now["places"].get(docname, ()):
            address = f"{address.partition('#')[0]}#{place(key)}"
        title = self.env.titles[docname].astext()
        return nodes.reference("", title, internal=True, refuri=address)

    def number(self, one: t.Difference) -> nodes.Node:
        """Return the chapter of a number as a link to its sentence, and the number's key."""
        key = nodes.literal("", one.key)
        return nodes.inline("", "", self.chapter(one.chapter, one.key), nodes.Text(" "), key)

    def folded(self, what: str, names: list[str]) -> nodes.paragraph:
        """Name the pages that a table leaves out, since nothing differs there."""
        pages = "1 page is" if len(names) == 1 else f"{len(names)} pages are"
        line = text(f"{pages} {what}: ")
        for place, name in enumerate(names):
            line += [nodes.Text(", "), self.chapter(name)] if place else [self.chapter(name)]
        line += nodes.Text(".")
        return line

    @property
    def shared(self) -> dict[str, str]:
        """The versions that all builds of this page have in common; none if there is but one."""
        others = [one for one in (self.now["reference"], *self.now["runs"].values()) if one]
        if not others:
            return {}
        common = set(software(self.now["here"]).items())
        common.intersection_update(*(software(one).items() for one in others))
        return dict(sorted(common, key=lambda pair: (pair[0] != "Python", pair[0])))

    def machines(self) -> list[nodes.Node]:
        """Say what computed this build, and what the reference."""
        here, there = self.now["here"], self.now["reference"]
        shared = self.shared
        said = [text(f"This build: {computed_by(here, shared)}.")]
        if there:
            said.append(text(f"The reference: {computed_by(there, shared)}."))
        if shared:
            these = "Both" if there else "It"
            every = f"{these}, and each build below," if self.now["runs"] else these
            said.append(text(f"{every} had {listed(shared)}."))
        kinds = {t.kind(one["device"]) for one in (here, there, *self.now["runs"].values()) if one}
        if kinds <= {"CPU"}:
            said.append(
                text(
                    "No build on a GPU has been recorded so far. Where the book is built on one, "
                    "the table below compares the GPU with the CPU."
                )
            )
        return said

    def chapters(self) -> list[nodes.Node]:
        """Hold this build against the reference, a row a chapter."""
        if not self.now["reference"]:
            return [text("There is no reference to compare this build with.")]
        compared: t.Comparison = self.now["compared"]
        rows: list[list[nodes.Node | str]] = []
        everything: list[t.Difference] = []
        identical: list[str] = []
        for name in self.now["here"]["chapters"]:
            own = [
                one
                for one in compared.numbers
                if one.chapter == name and one.verdict not in (t.TIMING, t.DEVICE)
            ]
            everything += own
            if name in compared.data:
                rows.append([self.chapter(name), "other data: not compared", ""])
            elif any(one.verdict != t.SAME for one in own):
                rows.append([self.chapter(name), *counted(own)])
            elif own:
                identical.append(name)
        rows.append([nodes.strong("", "Together"), *counted(everything)])
        heads = ["Page", "differ ", USED]
        left_out = [
            f"{len(compared.of(verdict))} {what}"
            for verdict, what in (
                (t.TIMING, "measured times and what is made from them"),
                (t.DEVICE, "numbers of what a GPU computes on a larger scale"),
            )
            if compared.of(verdict)
        ]
        said: list[nodes.Node] = [table(heads, rows)] if len(rows) > 1 else []
        if identical:
            said.append(self.folded("identical in every number", identical))
        if left_out:
            said.append(text(f"Left out: {' and '.join(left_out)}."))
        return said

    def numbers(self) -> list[nodes.Node]:
        """List the numbers that differ, those first that come nearest to their tolerance."""
        if not self.now["reference"]:
            return []
        compared: t.Comparison = self.now["compared"]
        apart = compared.of(t.WITHIN, *t.BAD)
        if not apart:
            return [text("No number of this build differs from the reference.")]
        apart.sort(key=lambda one: (one.verdict == t.WITHIN, -one.share, one.name))
        large = [one for one in apart if not next_to_nothing(one)]
        rows: list[list[nodes.Node | str]] = [
            [self.number(one), both(one), said(one)] for one in large[:MOST]
        ]
        heads = ["Number", "reference,\nthis build ", USED]
        more = len(apart) - len(rows)
        if not rows:
            differ = "1 number differs" if more == 1 else f"{more} numbers differ"
            return [text(f"{differ}, {NEXT_TO_NOTHING}.")]
        note = f"Rounded to {DIGITS} digits; what they use up is computed before rounding."
        if more:
            how = NEXT_TO_NOTHING if len(large) <= MOST else "further from their tolerances"
            note = f"And {more} more, {how}. {note}"
        first = "These came closest. A page’s name leads to the sentence with the number."
        return [text(first), table(heads, rows), text(note)]

    def recorded(self) -> list[nodes.Node]:
        """Show the recorded builds: the largest difference in each chapter."""
        runs, by = self.now["runs"], self.now["rules"]
        if not runs:
            return [text("No other build was recorded.")]
        listing, shared = nodes.definition_list(""), self.shared
        for name, run in runs.items():
            setting = " ".join(f"{k}={shlex.quote(v)}" for k, v in run["env"].items())
            what = nodes.paragraph("", f"{upper(run['what'])}. {computed_by(run, shared)}.")
            if setting:
                what += [nodes.Text(" Set: "), nodes.literal("", setting), nodes.Text(".")]
            listing += nodes.definition_list_item(
                "", nodes.term("", name), nodes.definition("", what)
            )
        chapters = dict.fromkeys(c for run in runs.values() for c in run["chapters"])
        known = [c for c in self.now["here"]["chapters"] if c in chapters]
        rows: list[list[nodes.Node | str]] = []
        identical: list[str] = []
        for name in known:
            row: list[nodes.Node | str] = []
            for run in runs.values():
                apart = t.recorded(run, name, by)
                numbers = [one for one in apart if one.size < float("inf")]
                same = SAME if name in run["chapters"] else "not run"
                words = "other words" if apart else same
                row.append(largest(numbers) if numbers else words)
            if any(cell != SAME for cell in row):
                rows.append([self.chapter(name), *row])
            else:
                identical.append(name)
        shown: list[nodes.Node] = []
        if rows:
            shown.append(table(["Page", *(f"{name} " for name in runs)], rows))
        if identical:
            shown.append(self.folded("identical in all of these builds", identical))
        worded = {
            (name, one.key, f": “{t.shown(one.a, 60)}” or “{t.shown(one.b, 60)}”")
            for name in known
            for run in runs.values()
            for one in t.recorded(run, name, by)
            if one.size == float("inf")
        }
        if not worded:
            return [listing, *shown, text("All words were the same.")]
        line = text("Other words, in ")
        for count, (name, key, words) in enumerate(sorted(worded)):
            line += [nodes.Text("; in ")] if count else []
            line += [self.chapter(name, key), nodes.Text(words)]
        line += nodes.Text(".")
        return [listing, *shown, line]

    def tolerances(self) -> list[nodes.Node]:
        """Print the rules."""
        by: t.Rules = self.now["rules"]
        listing = nodes.definition_list("")
        for keys, limit, why in t.stated(by):
            term = nodes.term("")
            for place, key in enumerate(keys):
                term += [nodes.Text(", ")] if place else []
                term += nodes.literal("", key)
            definition = nodes.definition("", text(f"{limit}. {why}"))
            listing += nodes.definition_list_item("", term, definition)
        return [listing]


def next_to_nothing(one: t.Difference) -> bool:
    """Whether a page counts a difference, and does not list it. Words have no size."""
    return one.verdict == t.WITHIN and one.share < SMALL and one.size < float("inf")


def software(build: dict[str, Any]) -> dict[str, str]:
    """Return the versions of what computed a build."""
    return {"Python": build["python"], **build["versions"]}


def listed(versions: dict[str, str]) -> str:
    """Write versions."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def computed_by(build: dict[str, Any], shared: dict[str, str]) -> str:
    """Say what computed a build; what is said of all builds is left out."""
    own = {k: v for k, v in software(build).items() if shared.get(k) != v}
    return ", ".join(filter(None, [f"{build['device']} ({build['machine']})", listed(own)]))


def upper(said: str) -> str:
    """Begin a sentence."""
    return said[:1].upper() + said[1:]


def largest(apart: list[t.Difference]) -> str:
    """Write the largest of some differences; of what should be zero, none counts."""
    counting = [one for one in apart if one.distance > ZERO]
    top = max((one.size for one in counting), default=0.0)
    if top <= ZERO:
        return NOTHING
    return "other words" if top == float("inf") else t.percent(top)


def both(one: t.Difference) -> nodes.Node:
    """Write the two values, one below the other."""
    values = [t.shown(value, digits=DIGITS) or "–" for value in (one.a, one.b)]
    return lines("\n".join(values))


def used(share: float) -> str:
    """Write how much of a tolerance was used up."""
    return t.percent(share) if share <= FULL else f">{t.percent(FULL)}"


def said(one: t.Difference) -> nodes.Node:
    """Say how much of their tolerance two values use up, or why none applies."""
    if one.verdict in (t.GONE, t.NEW):
        place = "reference" if one.verdict == t.GONE else "this build"
        return lines(f"only in\n{place}")
    if one.size == float("inf"):
        return lines("other\nwords" if one.verdict == t.WITHIN else "other words,\nnot expected")
    return lines(used(one.share) + ("" if one.verdict == t.WITHIN else "\noutside"))


def counted(found: list[t.Difference]) -> list[nodes.Node | str]:
    """Write how many numbers differ, of how many, and how much of its tolerance one used."""
    same = sum(one.verdict == t.SAME for one in found)
    apart = [one for one in found if one.verdict in (t.WITHIN, t.OUTSIDE, t.WORDS)]
    share = max((one.share for one in apart), default=0.0)
    return [f"{len(found) - same} of {len(found)}", used(share) if apart else ""]


# ------------------------------------------------------------------------------- when it is filled


def resolve(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """When all pages are read: compare; return the pages whose tables have changed."""
    pages = sorted(comparing(env))
    if not pages:
        return []
    folder = Path(app.srcdir) / app.config.udl_numbers
    try:
        reference, by, runs = (t.build, t.rules, t.runs)
        paths = [folder / name for name in FILES]
        here = numbers(env)
        found: dict[str, Any] = {
            "here": here,
            "reference": reference(paths[0]) if paths[0].exists() else None,
            "rules": by(paths[1]) if paths[1].exists() else t.DEFAULT,
            "runs": runs(paths[2]) if paths[2].exists() else {},
            "places": {name: set(keys) for name, keys in places(env).items()},
        }
    except t.Mistake as error:
        raise ExtensionError(str(error)) from error
    if found["reference"]:
        found["compared"] = t.compare(found["reference"], here, found["rules"])
    if found == getattr(env, "udl_differences", None):
        return []
    env.udl_differences = found  # type: ignore[attr-defined]
    return pages


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again."""
    comparing(env).discard(docname)
    places(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has found."""
    comparing(env).update(comparing(other) & docnames)
    places(env).update({n: places(other)[n] for n in docnames if n in places(other)})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive, and what fills it."""
    app.add_config_value("udl_numbers", "book", "")
    app.add_node(differences)
    app.add_directive("build-differences", BuildDifferences)
    app.setup_extension("timings")  # which has the role, too, and would have the last word
    app.add_role_to_domain("glue", "text", NamedText(), override=True)
    app.add_post_transform(Fill)
    app.connect("doctree-read", mark)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", resolve)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
