"""List the packages whose installed version is not the pinned one, as a table.

python publish/moved.py [constraints.txt]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent


def key(name: str) -> str:
    """Return a package's name as registries compare it.

    >>> key("Jupyter_Book.core")
    'jupyter-book-core'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Read pinned versions by name."""
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in text.splitlines())
    return {key(name): version for name, _, version in (x.partition("==") for x in lines if x)}


def moved(pinned: dict[str, str], installed: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return name, pinned and installed version where they differ; a dash where there is none."""
    # `2.13.0+cpu` is another build of 2.13.0.
    present = {key(name): version.partition("+")[0] for name, version in installed}
    names = sorted(pinned | present)
    rows = [(name, pinned.get(name, "-"), present.get(name, "-")) for name in names]
    return [row for row in rows if row[1] != row[2]]


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pins", type=Path, nargs="?", default=ROOT / "constraints.txt")
    options = parser.parse_args(argv)
    pinned = pins(options.pins.read_text(encoding="utf-8"))
    unpinned = {"pip", "setuptools", "udl"}
    installed = [(d.name, d.version) for d in distributions() if key(d.name) not in unpinned]
    rows = moved(pinned, installed)
    print("| package | pinned | newest |\n| --- | --- | --- |" if rows else "No package moved.")
    print("".join(f"| {name} | {old} | {new} |\n" for name, old, new in rows), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
