"""Say whether a tag, the package, the citation and the changelog name one version.

    python publish/release.py v1.2.3 > notes.md

Prints the section of the changelog: the text of the release. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGINS = re.compile(r" *([-*+>|]|#+|\d+\.)( |$)")  # an item, a heading: not the rest of a line


def section(changelog: str, version: str) -> str:
    r"""Return what the changelog says of a version; empty if it does not.

    >>> section("# C\n\n## [Unreleased]\n\n## [1.0.0] - 2026-01-31\n\nAll.\n", "1.0.0")
    'All.\n'
    """
    found = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## \[|^\[[^\]]+\]: |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    return found[1].strip() + "\n" if found and found[1].strip() else ""


def unwrapped(text: str) -> str:
    r"""Write each paragraph and each item on one line: in a release, the end of a line breaks it.

    >>> unwrapped("### Added\n\n- One that\n  *goes* on.\n- Two.\n\nAnd\nmore.\n")
    '### Added\n\n- One that *goes* on.\n- Two.\n\nAnd more.\n'
    """
    lines: list[str] = []
    for line in text.splitlines():
        if lines and lines[-1] and line and not BEGINS.match(line) and lines[-1][0] != "#":
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def problems(tag: str, root: Path) -> list[str]:
    """Return what does not agree with the tag."""
    version = tag.removeprefix("v")
    found = []
    if not re.fullmatch(r"v\d+\.\d+\.\d+((a|b|rc)\d+)?", tag):
        found.append(f"expected a tag such as v1.2.3, got {tag}")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if project["version"] != version:
        found.append(f"pyproject.toml: expected version {version}, got {project['version']}")
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    cited = re.search(r"^version: *[\"']?([^\s\"']+)", citation, re.MULTILINE)
    if not cited or cited[1] != version:
        found.append(f"CITATION.cff: expected version {version}, got {cited and cited[1]}")
    if not section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version):
        found.append(f"CHANGELOG.md: expected a section `## [{version}] - date` with text")
    return found


def main(argv: list[str] | None = None) -> int:
    """Check, and print the release's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tag", help="such as v1.2.3")
    parser.add_argument("--root", type=Path, default=ROOT)
    options = parser.parse_args(argv)
    if found := problems(options.tag, options.root):
        print(f"{options.tag} can't be released:", *found, sep="\n  ", file=sys.stderr)
        return 1
    changelog = (options.root / "CHANGELOG.md").read_text(encoding="utf-8")
    print(unwrapped(section(changelog, options.tag.removeprefix("v"))), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
