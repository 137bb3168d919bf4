"""``udl data``: which data are at hand; download and check them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from udl.cli._interrupt import ending_at_once
from udl.cli._shared import (
    Failed,
    InOrder,
    Refused,
    homely,
    line,
    nearest,
    paint,
    size,
    tell,
    wrapped,
)

if TYPE_CHECKING:
    from udl.data._sets import Set

COLORS = {"real": "green", "generated": "green", "stand-in": "yellow"}
RESULTS = {"ok": ("ok", "green"), "wrong": ("WRONG", "red"), "absent": ("absent", "yellow")}


@click.group(
    name="data",
    cls=InOrder,
    epilog="\b\nExamples:\n  udl data list\n  udl data fetch tiny_shakespeare\n  udl data verify",
)
def group() -> None:
    """See which data are at hand, download and check them.

    A set is named like the function of udl.data that loads it. Files are looked for in the folder
    that UDL_DATA_DIR names, then among the downloads. UDL_OFFLINE=1 forbids downloads.
    """


@group.command(
    name="list", epilog="\b\nExamples:\n  udl data list\n  udl data list --json > sets.json"
)
@click.option("--json", "as_json", is_flag=True, help="Write it for programs.")
def _list(as_json: bool) -> None:
    """List all sets: what is at hand, size, license, and the chapters."""
    sets = _chosen(())
    states = [one.state() for one in sets]
    if as_json:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "kind": state.kind,
                "at_hand": state.words,
                "sha256": state.sha256,
                "advice": homely(state.advice),
                "places": state.places,
                "license": one.license,
                "bytes": one.size,
                "chapters": one.chapters,
            }
            for one, state in zip(sets, states, strict=True)
        ]
        tell(json.dumps(rows, indent=2))
        return
    width = max(len(one.name) for one in sets)
    for one, state in zip(sets, states, strict=True):
        about = ", ".join(filter(None, [size(one.size) if one.size else "", one.license]))
        color = COLORS.get(state.kind, "red")
        first, *rest = wrapped(state.words, width + 2)
        tell(f"{one.name:<{width}}  {paint(first.lstrip(), color)}")
        for part in rest:
            tell(paint(part, color))
        for more in (
            " and ".join(state.places),
            about,
            f"in {', '.join(one.chapters)}",
            state.advice,
        ):
            for part in wrapped(more, width + 2):
                tell(part)


@group.command(
    name="fetch",
    epilog="\b\nExamples:\n  udl data fetch\n  udl data fetch digits tiny_shakespeare",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
def _fetch(names: Sequence[str]) -> None:
    """Download what is not at hand of the sets NAME, or of all (13 MB).

    A file is used only if its SHA-256 is right. It is kept for the next time.
    """
    sets = _chosen(names)
    failed = []
    for one in sets:
        if one.generated and not names:
            continue
        bar = _Bar(one.name)
        try:
            with bar.cleared():
                words = one.fetch(bar if sys.stderr.isatty() else None)
        except (ValueError, OSError) as error:
            failed.append(one.name)
            tell(paint(homely(f"{one.name}: {line(error)}"), "red", err=True), err=True)
            for note in getattr(error, "__notes__", []):
                for part in wrapped(_short(note), 2):
                    tell(part, err=True)
        else:
            tell(f"{one.name}: {homely(words)}")
    if failed:
        _advise([one for one in sets if one.name in failed])
        raise Failed(f"not at hand: {', '.join(failed)}")


def _short(note: str) -> str:
    """Leave the cause of what a connection complains of, and drop through whom it came."""
    url, _, reason = note.partition(": ")
    cause = re.search(r"Caused by \w+\([\"']?(?:.*?\): )?(.+?)[\"']?\)+$", reason)
    return f"{url}: {cause[1] if cause else reason}"


def _advise(sets: Sequence[Set]) -> None:
    """Say how to get files by hand."""
    from udl.data import _files

    files = [file for one in sets for file in one.remotes()]
    if not files or _files.offline():
        return
    tell("By hand: put these files into one folder, and set UDL_DATA_DIR to it.", err=True)
    for file in files:
        tell(f"  {file.name}", err=True)
        tell(f"    {file.mirrors[0][0]}", err=True)


@group.command(
    name="verify", epilog="\b\nExamples:\n  udl data verify\n  udl data verify life_expectancy"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
def _verify(names: Sequence[str]) -> None:
    """Read again what is at hand of the sets NAME, or of all, and compare SHA-256."""
    wrong = []
    for one in _chosen(names):
        if one.generated and not names:
            continue
        for check in one.verify():
            word, color = RESULTS[check.result]
            tell(f"{paint(f'{word:<6}', color)} {check.what}: {homely(check.words)}")
            if check.result == "wrong":
                wrong.append(check.what)
    if wrong:
        raise Failed(f"not as expected: {', '.join(dict.fromkeys(wrong))}")


def _chosen(names: Sequence[str]) -> list[Set]:
    """Return the sets of some names, or all; refuse a name that none has."""
    try:
        with ending_at_once():
            from udl.data._sets import SETS
    except ImportError as error:
        raise Failed(f"udl.data does not load, udl doctor may say why: {line(error)}") from error
    known = {one.name: one for one in SETS}
    known |= {one.title.lower().replace(" ", "_"): one for one in SETS}
    found = []
    for name in names:
        key = name.lower().replace("-", "_").replace(" ", "_")
        if key not in known:
            hint = nearest(key, known)
            raise Refused(f"no data set {name!r}.{hint or ' See udl data list.'}")
        found.append(known[key])
    return list(dict.fromkeys(found)) or list(SETS)


class _Bar:
    """A line on the terminal that tells how far a download is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.drawn = False

    def __call__(self, file: str, done: int, total: int) -> None:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        done = min(done, total) if total else done
        text = f"{size(done)} of {size(total)}" if total else size(done)
        share = done / total if total else 0.0
        cells = 20
        bar = "#" * round(cells * share) + "." * (cells - round(cells * share))
        shown = f"{self.name}: {text} [{bar}] {file}"[: max(columns - 1, 10)]
        click.echo(f"\r\x1b[K{shown}", nl=False, err=True)
        self.drawn = True

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Wipe the line in the end, however that comes."""
        try:
            yield
        finally:
            if self.drawn:
                click.echo("\r\x1b[K", nl=False, err=True)
