"""Ask whether a pinned package has a known vulnerability.

    python publish/audit.py

Looks at ``constraints.txt`` with pip-audit. Exit status: 0 if nothing is known, 1 if something
is, 2 if it could not look, or not at everything. ``publish/advisories.yml`` names advisories that
do not concern this book, each with its reason.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


def ignored(file: Path) -> list[str]:
    """Read the advisories that are set aside; each needs its reason."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8")) or []
    for entry in entries:
        if set(entry) != {"id", "reason"} or not all(entry.values()):
            raise ValueError(f"{file}: expected `id` and `reason` in each entry, got {entry}")
    return [entry["id"] for entry in entries]


def report(text: str) -> tuple[int, str]:
    """Return the exit status and the message for pip-audit's report.

    >>> report('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}')
    (0, '1 packages, no known vulnerability')
    >>> report("")
    (2, 'could not look: pip-audit left no report')
    """
    try:
        packages: list[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError):
        return 2, "could not look: pip-audit left no report"
    lines = [
        f"{p['name']} {p['version']}: {v['id']}"
        + (f" (fixed in {', '.join(v['fix_versions'])})" if v["fix_versions"] else " (no fix yet)")
        for p in packages
        for v in p.get("vulns", [])
    ]
    if lines:
        return 1, "\n  ".join(["known vulnerabilities:", *lines])
    unseen = [p["name"] for p in packages if "skip_reason" in p]
    if unseen or not packages:
        names = ", ".join(unseen[:5]) + (", ..." if len(unseen) > 5 else "")
        return 2, f"could not look at {len(unseen)} of {len(packages)} packages: {names}"
    return 0, f"{len(packages)} packages, no known vulnerability"


def main(argv: list[str] | None = None) -> int:
    """Run pip-audit and say what it found, or that it could not look."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pins", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--ignore", type=Path, default=ROOT / "publish" / "advisories.yml")
    options = parser.parse_args(argv)
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(options.pins)]
    command += ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    for advisory in ignored(options.ignore):
        command += ["--ignore-vuln", advisory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    status, message = report(done.stdout)
    if status == 2 and not done.stdout and done.stderr.strip():
        message += f": {done.stderr.strip().splitlines()[-1]}"
    print(f"audit: {message}", file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
