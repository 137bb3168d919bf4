"""Run the chapters as other machines would: with other kernels, other widths, other threads.

The same cells, data and versions, and other arithmetic: environment variables make NumPy,
OpenBLAS, MKL, oneDNN and PyTorch take the code that they have for older processors, or more
threads. What the chapters glue then is what another machine could get; ``book/tolerances.yml`` is
derived from how far that is from the reference. A chapter whose own asserts fail is named: it
would not build there. Says much only on a processor with AVX-512, which has kernels to take away.

    python publish/perturb.py OUT                        # OUT/<name>.json each, half an hour
    python publish/compare.py --record NAME OUT/NAME.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import tolerances as t  # noqa: E402

REFERENCE = ROOT / "book" / "numbers.json"
RECORD = "application/papermill.record/"

# Each with what it stands for. NumPy's names are those of its own dispatch groups.
RUNS: dict[str, tuple[str, dict[str, str]]] = {
    "repeated": ("the same machine, once more", {}),
    "avx2": (
        "as on a processor without AVX-512",
        {
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
            "OPENBLAS_CORETYPE": "Haswell",
        },
    ),
    "sse": (
        "as on a processor without fused multiply-add, and with short vectors",
        {
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL",
            "OPENBLAS_CORETYPE": "Nehalem",
        },
    ),
    "threads": (
        "two threads instead of one",
        {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    ),
}
# Run in the chapter's kernel after its last cell.
DATA = """
import json, sys
_data = sys.modules.get("udl.data")
print(json.dumps([vars(p) for p in (_data.loaded() if _data else [])]))
"""


def run(path: Path, env: dict[str, str], timeout: int) -> tuple[dict[str, Any], list[str]]:
    """Run a page in a kernel of its own; return its numbers, and the cells that failed."""
    notebook = jupytext.read(path, fmt="md:myst")
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    book = {"UDL_BOOK": "1", "UDL_OFFLINE": "1", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    client = NotebookClient(
        notebook, timeout=timeout, allow_errors=True, extra_arguments=["--log-level=ERROR"]
    )
    notebook.cells.append(nbformat.v4.new_code_cell(DATA))
    found, failed, printed = {}, [], ""
    with client.setup_kernel(env=os.environ | book | env, cwd=str(path.parent)):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            for output in cell.outputs:
                if output.output_type == "error":
                    failed.append(f"cell {index + 1}: {output.ename}: {last_line(output)}")
                name = output.get("metadata", {}).get("scrapbook", {}).get("name")
                data = output.get("data", {})
                if name and f"{RECORD}text/markdown" in data:
                    found[name] = data[f"{RECORD}text/markdown"]
                elif name and f"{RECORD}text/plain" in data:
                    found[name] = t.parse(data[f"{RECORD}text/plain"])
        printed = "".join(o.text for o in notebook.cells[-1].outputs if o.output_type == "stream")
    return {"data": t.sources(json.loads(printed)), "numbers": found}, failed


def last_line(error: dict[str, Any]) -> str:
    """Return the line of the cell that failed."""
    lines = [line for part in error["traceback"] for line in part.splitlines()]
    marked = [line for line in lines if "--->" in line or "---->" in line]
    plain = "".join(c for c in (marked or [""])[0] if c.isprintable())
    return plain + " " + error["evalue"][:200]


def main(argv: list[str] | None = None) -> int:
    """Run what was asked for; exits with 1 if a chapter failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for what the runs give")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--pages", nargs="+", help="only these; the others of a run are kept")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for a cell")
    args = parser.parse_args(argv)
    reference = t.build(REFERENCE)
    if unknown := [page for page in args.pages or [] if page not in reference["chapters"]]:
        parser.error(f"--pages: the reference has no chapter {', '.join(unknown)}")
    args.out.mkdir(parents=True, exist_ok=True)
    bad = False
    for name in args.only:
        what, env = RUNS[name]
        target = args.out / f"{name}.json"
        build = t.build(target) if target.exists() else reference | {"chapters": {}}
        build |= {"what": what, "env": env}
        for page in [p for p in reference["chapters"] if p in (args.pages or [p])]:
            chapter, failed = run(ROOT / "book" / f"{page}.md", env, args.timeout)
            for where in failed:
                print(f"{name}: {page}: {where}", file=sys.stderr, flush=True)
            bad = bad or bool(failed)
            build["chapters"][page] = chapter
            print(f"{name}: {page}: {len(chapter['numbers'])} numbers", flush=True)
            partial = target.with_suffix(".partial")
            partial.write_text(t.written(build), encoding="utf-8")
            partial.replace(target)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
