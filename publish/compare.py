"""Which numbers differ between two builds of the book, and whether by more than they may.

Each build leaves what its chapters glue in ``numbers.json``. A and B are such files, or folders of
built books. Without A, B is held against the committed reference ``book/numbers.json``; without
both, the book that was built here is.

    python publish/compare.py [A] [B]            # make compare A=... B=...
    python publish/compare.py --markdown A B     # for an issue, or the summary of a job
    python publish/compare.py --accept B         # B becomes the reference
    python publish/compare.py --record NAME B    # the page of differences then shows B as well

Prints a line for each number that differs. Exits with 0 if all are within the tolerances of
``book/tolerances.yml``, 1 if one is not, is missing or is new, 2 if there is nothing to compare.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import tolerances as t  # noqa: E402

REFERENCE = ROOT / "book" / "numbers.json"
TOLERANCES = ROOT / "book" / "tolerances.yml"
RECORDED = ROOT / "book" / "recorded.json"
HEADS = ("chapter", "number", "A", "B", "difference", "tolerance", "")


def limit(one: t.Difference) -> str:
    """Write what a number may differ by."""
    if one.rule is None or one.verdict in (t.GONE, t.NEW):
        return ""
    if one.size == float("inf"):
        return "any words" if one.rule.words else "none"
    parts = [t.percent(one.rule.rel)] if one.rule.rel else []
    parts += [f"{one.rule.abs:g}"] if one.rule.abs else []
    return " or ".join(parts) or "none"


def rows(compared: t.Comparison) -> list[tuple[str, ...]]:
    """Return a row for each number that differs; those that may not come first."""
    apart = compared.of(t.WITHIN, *t.BAD)
    apart.sort(key=lambda one: one.verdict == t.WITHIN)
    return [
        (
            one.chapter,
            one.key,
            t.shown(one.a),
            t.shown(one.b),
            t.percent(one.size) if 0 < one.size < float("inf") else "",
            limit(one),
            one.verdict,
        )
        for one in apart
    ]


def summary(compared: t.Comparison, a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Return what to know besides the table."""
    held = len(compared.numbers) - len(compared.of(t.TIMING, t.DEVICE))
    outside = len(compared.of(*t.BAD))
    said = [
        f"A: {describe(a)}",
        f"B: {describe(b)}",
        f"{held} numbers compared: {len(compared.of(t.SAME))} identical, "
        f"{len(compared.of(t.WITHIN))} within their tolerance, {outside} not.",
    ]
    if timings := len(compared.of(t.TIMING)):
        said.append(f"Not compared: {timings} measured times.")
    if other := len(compared.of(t.DEVICE)):
        said.append(f"Not compared: {other} numbers that another kind of device computes at will.")
    for chapter in compared.data:
        said.append(f"Not compared: {chapter}, which had other data (--any-data compares it).")
    said += [f"Only A has the chapter {chapter}." for chapter in compared.gone]
    said += [f"Only B has the chapter {chapter}." for chapter in compared.new]
    return said


def describe(build: dict[str, Any]) -> str:
    """Say what computed a build."""
    versions = build.get("versions", {})
    known = [f"{name} {versions[name]}" for name in ("numpy", "torch") if name in versions]
    return ", ".join([build.get("device", "?"), build.get("machine", "?"), *known])


def plain(table: list[tuple[str, ...]]) -> str:
    """Write a table with its columns aligned."""
    lines = [HEADS, *table]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown(table: list[tuple[str, ...]]) -> str:
    """Write a table for an issue; what is outside stands out."""

    def line(cells: tuple[str, ...]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    marked = [(*row[:-1], f"**{row[-1]}**" if row[-1] in t.BAD else row[-1]) for row in table]
    rule = line(tuple("---" for _ in HEADS))
    return "\n".join([line(HEADS), rule, *map(line, marked)])


def accept(path: Path, new: dict[str, Any], by: t.Rules, old: dict[str, Any] | None) -> None:
    """Make a build the reference, its timings left out."""
    if t.kind(new.get("device", "")) != "CPU":
        raise t.Mistake(f"the reference is computed on a CPU, but B on {new.get('device')}")
    for name, chapter in new["chapters"].items():
        had = (old or {}).get("chapters", {}).get(name, {}).get("data", {})
        for data, source in chapter["data"].items():
            if source == "surrogate" and had.get(data) != "surrogate":
                raise t.Mistake(f"{name}: the reference needs the real data, B has a surrogate")
    chapters = {
        name: chapter
        | {
            "numbers": {
                k: v for k, v in chapter["numbers"].items() if not by.is_timing(f"{name}:{k}")
            }
        }
        for name, chapter in new["chapters"].items()
    }
    partial = path.with_suffix(".partial")
    partial.write_text(t.written(new | {"chapters": chapters}), encoding="utf-8")
    partial.replace(path)


def main(argv: list[str] | None = None) -> int:
    """Compare, print, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("builds", nargs="*", metavar="A B", help="files or folders")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--any-data", action="store_true", help="compare what had other data too")
    parser.add_argument("--accept", action="store_true", help="make B the reference")
    parser.add_argument("--record", metavar="NAME", help="keep how B differs from the reference")
    parser.add_argument("--what", default="", help="with --record: what B stands for")
    args = parser.parse_args(argv)
    paths = [Path(name) for name in args.builds if name]
    if len(paths) > 2:
        parser.error("expected at most two builds")
    if not paths:
        paths = [ROOT / "_build" / "html"]
    if len(paths) == 1:
        paths = [REFERENCE, *paths]
    try:
        by = t.rules(TOLERANCES)
        b = t.build(paths[1])
        first = args.accept and not paths[0].exists()
        a = b if first else t.build(paths[0])
        compared = t.compare(a, b, by, any_data=args.any_data)
        if args.accept:
            accept(REFERENCE, b, by, None if first else a)
        if args.record:
            facts = {k: b.get(k, "") for k in ("device", "machine", "python", "versions")}
            entry = {"what": args.what or args.record, "env": b.get("env", {})} | facts
            t.record(RECORDED, args.record, entry, compared)
    except (t.Mistake, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    table = rows(compared)
    said = summary(compared, a, b)
    try:
        if args.markdown:
            print(markdown(table) if table else "No number differs.", *said, sep="\n\n")
        else:
            print(plain(table) if table else "No number differs.", "", *said, sep="\n")
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more (``| head``): Python would flush once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if compared.good or args.accept else 1


if __name__ == "__main__":
    sys.exit(main())
