"""Hold the license of everything installed against what is allowed.

    python publish/licenses.py

``publish/licenses.yml`` says which licenses are fine, what older packages call them, and which
packages are used in spite of theirs, each with its reason. A license that is unknown or not
allowed exits 1, and so does one that has changed since its exception was made.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parent / "licenses.yml"


def stated(package: Distribution) -> str:
    """Return what a package says of its license: an SPDX expression if it has one."""
    about = package.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    named = [
        name.rpartition(" :: ")[2]
        for name in about.get_all("Classifier") or []
        if name.startswith("License :: ") and name != "License :: OSI Approved"
    ]
    if named:
        return " AND ".join(f'"{name}"' for name in sorted(set(named)))
    text = str(about.get("License") or "").strip()
    first = text.splitlines()[0].strip() if text and text != "UNKNOWN" else ""
    if re.fullmatch(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*", first):
        return first
    return f'"{first}"' if first else ""


def unallowed(expression: str, allowed: set[str], names: dict[str, str]) -> list[str]:
    """Return the licenses of an expression that stand in its way; none if it is allowed.

    >>> unallowed("MIT AND (GPL-2.0-only OR ISC)", {"MIT", "ISC"}, {})
    []
    >>> unallowed('"Some License" AND GPL-2.0-only', {"MIT"}, {"Some License": "MIT"})
    ['GPL-2.0-only']
    """
    tokens = re.findall(r'"[^"]*"|[()]|[^\s()"]+', expression)

    def one() -> list[str]:
        token = tokens.pop(0)
        if token == "(":
            found = some()
            if not tokens or tokens.pop(0) != ")":
                raise ValueError(f"expected an SPDX expression, got {expression!r}")
            return found
        name = token.strip('"')
        name = names.get(name, name)
        if tokens and tokens[0].upper() == "WITH":  # an exception permits more, never less
            name = f"{name} WITH {tokens[1]}" if f"{name} WITH {tokens[1]}" in allowed else name
            del tokens[:2]
        return [] if name in allowed else [name]

    def every() -> list[str]:
        found = one()
        while tokens and tokens[0].upper() == "AND":
            tokens.pop(0)
            found += one()
        return found

    def some() -> list[str]:
        found = every()
        while tokens and tokens[0].upper() == "OR":
            tokens.pop(0)
            other = every()
            found = found and other and found + other
        return found

    if not tokens:
        return ["no license stated"]
    found = some()
    if tokens:
        raise ValueError(f"expected an SPDX expression, got {expression!r}")
    return found


def read(file: Path) -> dict[str, Any]:
    """Read the rules; an exception needs the license that it is for, and a reason."""
    rules: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, exception in rules["exceptions"].items():
        if set(exception) != {"license", "reason"} or not exception["reason"]:
            raise ValueError(f"{file}: expected `license` and `reason` for {name}")
    return rules


def problems(packages: Iterable[Distribution], rules: dict[str, Any]) -> list[str]:
    """Return a line for each package whose license is not allowed."""
    allowed, found = set(rules["allowed"]), []
    for package in sorted(packages, key=lambda p: str(p.name).casefold()):
        expression = stated(package)
        try:
            wrong = unallowed(expression, allowed, rules["names"])
        except (ValueError, IndexError):
            wrong = [f"not understood: {expression}"]
        exception = next(
            (e for n, e in rules["exceptions"].items() if fnmatch(package.name.casefold(), n)),
            None,
        )
        if wrong and exception is None:
            found.append(f"{package.name} {package.version}: {', '.join(wrong)}")
        elif wrong and exception and exception["license"] not in (expression, "*"):
            found.append(
                f"{package.name} {package.version}: the exception is for "
                f"{exception['license']!r}, but the package states {expression!r}"
            )
    return found


def main(argv: list[str] | None = None) -> int:
    """Look at all packages of this environment; 1 if a license is not allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rules", type=Path, default=RULES)
    options = parser.parse_args(argv)
    packages = {str(package.name).casefold(): package for package in distributions()}
    found = problems(packages.values(), read(options.rules))
    if found:
        print(f"Not allowed by {options.rules.name}:", *found, sep="\n  ", file=sys.stderr)
        return 1
    print(f"{len(packages)} packages, all under licenses that {options.rules.name} allows")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
