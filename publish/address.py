"""Say whether the book's settings name the repository that a workflow runs in.

Everything that is published (links, launch buttons, the branch of notebooks) takes the address of
the repository from ``_config.yml``. A book that names another one must not be published.

    python publish/address.py "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"

Needs nothing but Python, so that it can be the first step.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

CONFIG = Path(__file__).parent.parent / "_config.yml"


def configured(config: Path = CONFIG) -> str:
    """Return ``repository.url`` of the book's settings."""
    found = re.search(
        r"^repository:\n(?:[ #].*\n)*?  url: *[\"']?([^\s\"']+)",
        config.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    if not found:
        raise ValueError(f"{config.name}: expected `repository:` with `url:`, found none")
    return found[1]


def same(one: str, other: str) -> bool:
    """Whether two addresses name one repository.

    >>> same("https://example.org/A/book.git", "https://example.org/a/book/")
    True
    """
    one, other = (a.casefold().rstrip("/").removesuffix(".git") for a in (one, other))
    return one == other


def main(argv: list[str] | None = None) -> int:
    """Compare; 0 if both are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("here", help="the address of the repository that this runs in")
    parser.add_argument("--config", type=Path, default=CONFIG)
    options = parser.parse_args(argv)
    address = configured(options.config)
    if same(address, options.here):
        print(f"{options.config.name} names this repository: {address}")
        return 0
    print(
        f"Nothing is published: {options.config.name} has `repository.url: {address}`, but this "
        f"runs in {options.here}.\nSet `repository.url` in {options.config.name} to "
        f"{options.here}, commit, and run this again.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
