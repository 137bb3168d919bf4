"""What chapters took in builds that were recorded. ``python book/_ext/history.py`` records one.

The records lie in benchmarks/chapters.json, the oldest first. One is worth keeping if the build
was cold (``make clean book``) and its machine did nothing else.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORDS = Path("benchmarks", "chapters.json")


def summary(reports: dict[str, dict[str, Any]], date: str) -> dict[str, Any]:
    """Return what is kept of a build: the GPU if a page used one, and the seconds of each page."""
    found = sorted(reports.values(), key=lambda report: bool(report["gpu"]))
    last = found[-1] if found else {}
    torch = {r["versions"]["torch"] for r in found if "torch" in r["versions"]}
    return {
        "date": date,
        "device": last.get("device", "CPU"),
        "gpu": last.get("gpu", {}),
        "processor": last.get("processor", ""),
        "cores": last.get("cores", 0),
        "python": last.get("python", ""),
        "torch": ", ".join(sorted(torch)),
        "chapters": {
            name.removeprefix("book/"): round(report["execution_seconds"], 1)
            for name, report in sorted(reports.items())
        },
    }


def recorded(folder: Path) -> list[dict[str, Any]]:
    """Return the builds that were recorded, the oldest first."""
    path = folder / RECORDS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []  # type: ignore[no-any-return]


def main(folder: Path = ROOT) -> int:
    """Append the last build to the records."""
    last = folder / "_build" / "execution.json"
    if not last.exists():
        sys.exit("there is no built book: run `make clean book` first")
    reports = json.loads(last.read_text(encoding="utf-8"))
    machines = {(r.get("processor"), r.get("cores"), r["python"]) for r in reports.values()}
    if len(machines) > 1:
        sys.exit("pages of this build were computed on several machines: run `make clean book`")
    records = [*recorded(folder), summary(reports, f"{datetime.now(UTC):%Y-%m-%d}")]
    (folder / RECORDS).write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    new = records[-1]
    total = sum(new["chapters"].values())
    print(f"{new['date']}, {new['device']}: {len(new['chapters'])} pages, {total:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
