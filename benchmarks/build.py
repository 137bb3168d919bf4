"""How long the book takes to build: cold, unchanged, and after one module was edited.

Works on a copy of the checkout in a temporary folder, with the Makefile's own command. Run
``python benchmarks/build.py [REPEATS]`` on a quiet machine: some ten minutes a round. Rounds
during which other programs were busy are left out and counted.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import yaml

from _harness import report

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "publish"))

from reproduce import copy_checkout  # noqa: E402

EDITED = "src/udl/playground/__init__.py"  # reached by one chapter
BUSY = 0.15  # cores that others may keep busy while a sample is taken


def make_book(book: Path) -> tuple[float, float]:
    """Run ``make book``, which installs nothing here: the environment is another's."""
    environment = {**os.environ, "PYTHONPATH": str(book / "src")}
    environment.pop("MAKEFLAGS", None)  # set where `make bench` has started this
    before, mine = psutil.cpu_times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        ["make", "--silent", "book"],
        cwd=book,
        env=environment,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"make book failed:\n{done.stdout}\n{done.stderr}")
    after, own = psutil.cpu_times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    used = sum(after) - sum(before) - (after.idle - before.idle) - (after.iowait - before.iowait)
    used -= own.ru_utime - mine.ru_utime + own.ru_stime - mine.ru_stime
    return seconds, max(used, 0.0) / seconds


def executed(book: Path) -> dict[str, dict[str, Any]]:
    """Return the build's own record: each page's seconds, and the key of what it ran with."""
    path = book / "_build" / "execution.json"
    return json.loads(path.read_text(encoding="utf-8"))


def pages(book: Path) -> int:
    """Return the number of pages in the table of contents."""

    def count(node: object) -> int:
        if isinstance(node, dict):
            return ("file" in node or "root" in node) + sum(map(count, node.values()))
        return sum(map(count, node)) if isinstance(node, list) else 0

    return count(yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8")))


def one_round(book: Path, number: int) -> tuple[dict[str, float], float]:
    """Take each sample once; return them, and the cores that others kept busy at most."""
    shutil.rmtree(book / "_build", ignore_errors=True)
    samples, busy = {}, []

    def sample(name: str) -> None:
        samples[name], others = make_book(book)
        busy.append(others)

    sample("cold_s")
    reports = executed(book)
    samples["execution_s"] = sum(float(page["execution_seconds"]) for page in reports.values())
    for folder in ("html", ".doctrees"):  # the second may lie in the first
        shutil.rmtree(book / "_build" / folder, ignore_errors=True)
    # All but the execution: the outputs are kept, everything else is made again.
    sample("rendered_s")
    sample("no_change_s")
    with (book / EDITED).open("a", encoding="utf-8") as file:
        file.write(f"# edited, {number}\n")
    sample("after_edit_s")
    again = [page for name, page in executed(book).items() if page["key"] != reports[name]["key"]]
    samples["chapters_again"] = len(again)
    samples["edited_chapter_s"] = max(float(page["execution_seconds"]) for page in again)
    return samples, max(busy)


def main(repeats: int) -> None:
    """Measure, print a table, and end with one line of JSON."""
    rounds, left_out = [], 0
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder) / "book"
        book.mkdir()
        copy_checkout(book)
        count = pages(book)
        for number in range(2 * repeats):
            samples, busy = one_round(book, number)
            if busy > BUSY:
                left_out += 1
                print(f"left out: others kept {busy:.2f} cores busy", file=sys.stderr)
            else:
                rounds.append(samples)
            if len(rounds) == repeats:
                break
    if not rounds:
        sys.exit("every sample was taken while other programs were busy: nothing to report")
    metrics = {name: median(samples[name] for samples in rounds) for name in rounds[0]}
    metrics["overhead_s_per_page"] = metrics.pop("rendered_s") / count
    metrics["after_edit_extra_s"] = metrics["after_edit_s"] - metrics["edited_chapter_s"]
    print(f"{count} pages; medians of {len(rounds)} rounds, {left_out} left out")
    rows = {
        "cold, all that make book does": "cold_s",
        "execution, summed over the chapters": "execution_s",
        "all but the execution, per page": "overhead_s_per_page",
        "nothing changed": "no_change_s",
        "one module of one chapter edited": "after_edit_s",
        "  beyond that chapter's own time": "after_edit_extra_s",
    }
    for text, name in rows.items():
        print(f"{text:38s} {metrics[name]:8.2f} s")
    report("build", {**metrics, "pages": count, "rounds": len(rounds), "left_out": left_out})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
