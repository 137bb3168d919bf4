"""What it takes to install the package: time, size, what imports it; and Binder's image.

Each environment is made new in a temporary folder, with this checkout and the versions of
``constraints.txt``: the package alone, with PyTorch for processors (``udl[torch]``), and what
Binder and the branch of notebooks need (``udl[chapters]`` and JupyterLab). pip takes what it can
from its cache, and it is filled first: seconds are those of unpacking and compiling, as the
network is nobody's but the reader's. Sizes are those of the files installed, by the package that
lists them. Imports are timed in fresh processes, a start of Python without imports subtracted.

Binder's image is estimated: what repo2docker puts under every Python repository (Ubuntu, Node, a
conda environment with its own Jupyter), assumed as ``BASE_GB``, and the third environment. To
build an image needs an engine, which not every machine has.

    python benchmarks/install.py [--only udl]

It takes three minutes on a quiet machine, the download apart, and 2 GB of a disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _harness import compare, report, table

ROOT = Path(__file__).resolve().parent.parent
BASE_GB = 1.3
LARGEST = 5
ENVIRONMENTS = {
    "udl": ["."],
    "udl[torch]": [".[torch]"],
    "notebooks": [".[chapters]", "jupyterlab"],
}
# Run inside of an environment: megabytes of each distribution.
SIZES = """
import importlib.metadata as m, json, os
def size(d):
    paths = {os.path.realpath(f.locate()) for f in d.files or ()}
    return sum(os.path.getsize(p) for p in paths if os.path.isfile(p)) / 1e6
print(json.dumps({d.metadata["Name"]: size(d) for d in m.distributions()}))
"""


def run(*command: str | Path) -> str:
    """Run a command outside of the checkout; return what it prints."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=env, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def install(folder: Path, name: str, wanted: list[str]) -> dict[str, object]:
    """Make an environment; return the seconds and the size."""
    place = folder / name.replace("[", "-").rstrip("]")
    pip = place / "bin" / "pip"
    for _ in range(2):  # the first fills pip's cache
        start = time.perf_counter()
        run(sys.executable, "-m", "venv", "--clear", place)
        made = time.perf_counter() - start
        start = time.perf_counter()
        run(pip, "install", "--quiet", "-c", ROOT / "constraints.txt", *wanted)
        seconds = time.perf_counter() - start
    sizes: dict[str, float] = json.loads(run(place / "bin" / "python", "-c", SIZES))
    files = [p for p in place.rglob("*") if p.is_file() and not p.is_symlink()]
    largest = sorted(sizes, key=lambda package: -sizes[package])[:LARGEST]
    return {
        "venv_s": made,
        "install_s": seconds,
        "mb": sum(path.stat().st_size for path in files) / 1e6,
        "packages": len(sizes),
        "largest_mb": ", ".join(f"{package} {sizes[package]:.0f}" for package in largest),
    }


def imports(python: Path) -> dict[str, float]:
    """Time imports in fresh processes; return milliseconds."""
    codes = {"nothing": "pass", "numpy": "import numpy", "udl": "import udl"}

    def call(code: str) -> None:
        subprocess.run([python, "-c", code], check=True, cwd=python.parent)

    timings = compare({name: lambda code=code: call(code) for name, code in codes.items()})
    start = timings["nothing"].seconds
    found = {name: 1e3 * (timings[name].seconds - start) for name in ("numpy", "udl")}
    return {
        "import_numpy_ms": found["numpy"],
        "import_udl_ms": found["udl"],
        "python_start_ms": 1e3 * start,
        "import_samples_kept": min(timing.kept for timing in timings.values()),
    }


def main() -> None:
    """Measure, print a table, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=ENVIRONMENTS, help="one environment, not all three")
    options = parser.parse_args()
    names = [options.only] if options.only else list(ENVIRONMENTS)
    metrics: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {name: install(folder, name, ENVIRONMENTS[name]) for name in names}
        python = folder / names[0].replace("[", "-").rstrip("]") / "bin" / "python"
        metrics |= imports(python)
    if "notebooks" in found:
        metrics |= {"binder_base_gb_assumed": BASE_GB}
        metrics["binder_image_gb"] = BASE_GB + float(str(found["notebooks"]["mb"])) / 1e3
    rows = [
        [name, f"{one['install_s']:.1f}", f"{one['mb']:.0f}", one["packages"], one["largest_mb"]]
        for name, one in found.items()
    ]
    table(["environment", "seconds", "MB", "packages", "largest (MB)"], rows)
    for text, value in metrics.items():
        print(f"{text.replace('_', ' '):28s} {value:8.3g}")
    report("install", {**metrics, "environments": found})


if __name__ == "__main__":
    main()
