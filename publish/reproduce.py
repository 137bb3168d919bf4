"""Whether the book can be built again: two cold builds of one checkout, compared byte for byte.

Both are built here, in folders of different names, from nothing but the files of the repository
and the data at hand. All published files must be the same, but for what is stated to depend on the
clock: what stands in ``<time>`` on a page, what a chapter has measured (``book/_ext/timings.py``),
and timings in ``numbers.json``. What repeats other files is not compared again: the build report's
table of sizes, and the numbers in the texts of notebooks and in the index of the search.

    python publish/reproduce.py               # builds twice: minutes to an hour
    python publish/reproduce.py ONE TWO       # compares two built sites

Prints what differs. Exits with 0 if nothing does, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import timings  # noqa: E402
import tolerances  # noqa: E402

REPORT = re.compile(
    r"<!--report:(?:date|seconds|history|pages|site)-->.*?<!--/report-->", re.DOTALL
)
SHOWN = 5  # places of a file
AROUND = 60  # characters before and after one
PIECES = re.compile(r"(?<=>)|(?<=\n)|(?<=[,;}\]])")


def copy_checkout(target: Path, root: Path = ROOT) -> None:
    """Copy what is, or is about to be, in the repository; the environment is shared."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in sorted(set(names.split("\0")) - {""}):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    (target / ".venv").symlink_to(root / ".venv")


def build(folder: Path) -> Path:
    """Build the book in a copy of the checkout, as ``make book`` does; return the site."""
    env = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [str(ROOT / ".venv" / "bin" / "python"), str(folder / "book" / "build.py")]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the book in {folder} was not built:\n{done.stdout}\n{done.stderr}")
    return folder / "_build" / "html"


# -------------------------------------------------------------------------------------- comparing


def without_timings(found: Any, rules: tolerances.Rules) -> Any:
    """Return a build's numbers without those that are timings."""
    for chapter, content in found["chapters"].items():
        for key in [k for k in content["numbers"] if rules.is_timing(f"{chapter}:{k}")]:
            content["numbers"][key] = "a timing"
    return found


def without_numbers(found: Any) -> Any:
    """Return the index of the search without words that are numbers: pages hold them, too."""
    for kind in ("terms", "titleterms"):
        words = found.get(kind, {})
        found[kind] = {word: places for word, places in words.items() if not word[:1].isdigit()}
    return found


def kept(path: Path, rules: tolerances.Rules) -> bytes:
    """Return what of a file must be the same in each build."""
    content = path.read_bytes()
    if path.suffix == ".html":
        return REPORT.sub("", timings.without(content.decode())).encode()
    if path.name == "numbers.json":
        return written(without_timings(json.loads(content), rules))
    if path.suffix == ".ipynb":
        return written(without_digits(json.loads(content)))
    if path.name == "searchindex.js":
        inside = content.decode().partition("Search.setIndex(")[2].rpartition(")")[0]
        return written(without_numbers(json.loads(inside)))
    return content


def without_digits(found: Any) -> Any:
    """Return a notebook without the digits of its texts, and names made of them: as above."""
    for cell in found["cells"]:
        cell.pop("id", None)
        cell.get("metadata", {}).pop("id", None)
        if cell["cell_type"] == "markdown":
            cell["source"] = re.sub(r"\d", "", "".join(cell["source"]))
    return found


def written(found: Any) -> bytes:
    """Write what was read; the order of its parts counts."""
    return json.dumps(found, indent=0, ensure_ascii=False).encode()


def files(site: Path) -> dict[str, Path]:
    """Return the published files by their names; hidden ones are Sphinx's own."""
    found = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*"))}
    return {
        name: path
        for name, path in found.items()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/"))
    }


def places(one: bytes, two: bytes) -> list[str]:
    """Show where two files differ, the first few places."""
    try:
        texts = [PIECES.split(content.decode()) for content in (one, two)]
    except UnicodeDecodeError:
        return [f"{len(one)} and {len(two)} bytes"]
    if len(texts[0]) != len(texts[1]):  # what is more shifts all that follows: one place
        ends = [len(shared(texts)), len(shared([text[::-1] for text in texts]))]
        ends[1] = min(ends[1], *(len(text) - ends[0] for text in texts))
        texts = [["".join(text[ends[0] : len(text) - ends[1]])] for text in texts]
    pairs = [(a, b) for a, b in zip(*texts, strict=True) if a != b]
    found = []
    for pair in pairs[:SHOWN]:
        same = len(shared(pair))
        a, b = (text[max(0, same - AROUND) : same + AROUND] for text in pair)
        found.append(f"{a!r} and {b!r}")
    return found + ([f"and {len(pairs) - SHOWN} more"] if len(pairs) > SHOWN else [])


def shared(texts: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the beginning that two texts, or lists of texts, have in common.

    >>> shared(["line", "link"]), shared([["a", "b"], ["a"]])
    ('lin', ['a'])
    """
    a, b = texts
    size = min(len(a), len(b))
    return a[: next((k for k in range(size) if a[k] != b[k]), size)]


def differences(one: Path, two: Path, rules: tolerances.Rules) -> dict[str, list[str]]:
    """Return the files that differ between two sites, each with the places."""
    here, there = files(one), files(two)
    for site, held in ((one, here), (two, there)):
        if not held:
            raise FileNotFoundError(f"{site} holds no built site")
    found = {}
    for name in sorted(here.keys() | there.keys()):
        if name not in there or name not in here:
            found[name] = [f"only in the {'first' if name in here else 'second'}"]
        elif (a := kept(here[name], rules)) != (b := kept(there[name], rules)):
            found[name] = places(a, b)
    return found


def report(one: Path, two: Path) -> int:
    """Print what differs; return the exit status."""
    rules = tolerances.rules(ROOT / "book" / "tolerances.yml")
    found = differences(one, two, rules)
    for name, where in found.items():
        print("\n    ".join([name, *where]))
    total = len(files(one))
    print(f"{len(found)} of {total} files differ" if found else f"all {total} files are the same")
    return bool(found)


def main(argv: list[str] | None = None) -> int:
    """Build twice, or take two sites, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sites", nargs="*", type=Path, help="two folders of built sites")
    options = parser.parse_args(argv)
    if options.sites:
        if len(options.sites) != 2:
            parser.error(f"expected two sites, got {len(options.sites)}")
        return report(*options.sites)
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / name / "book" for name in ("one", "another, with a longer name")]
        for copy in copies:  # both first: nobody edits in between
            copy.mkdir(parents=True)
            copy_checkout(copy)
        return report(*map(build, copies))


if __name__ == "__main__":
    sys.exit(main())
