"""Run the chapters: in parallel, once, and again only when something they use has changed.

A chapter's outputs are kept in jupyter-cache under a key made of its cells and of all that the
cells reach: the modules of ``udl`` that they import (followed through the package's own imports),
the files those modules read, the data sets at hand, the installed packages, and a GPU if there is
one. The key travels in the notebook's kernelspec, which jupyter-cache hashes together with the
cells. On a GPU chapters run one at a time, for they would share its memory and its time.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.db import DB_NAME, OrmBase
from myst_nb.core.read import MystMetadataParsingError, create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from sphinx.errors import ExtensionError
from sphinx.util import logging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_cache.base import JupyterCacheAbstract
    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)
KERNELSPEC = re.compile(r"(?<=\n)kernelspec:\n((?:[ \t]+.*\n)+)")

# Run in the chapter's kernel after its last cell: what the trust panel shows, and which modules
# were really loaded, held against those that the key was made of.
REPORT = """
import json, platform, sys
from importlib.metadata import version
# The name of a distribution, where it is not that of what is imported.
_names = {n: n for n in ("udl", "numpy", "matplotlib", "pandas", "scipy", "torch")}
_names["sklearn"] = "scikit-learn"
_torch = sys.modules.get("torch")
_data = sys.modules.get("udl.data")
print(json.dumps({
    "python": platform.python_version(),
    "versions": {d: version(d) for n, d in _names.items() if n in sys.modules},
    "device": "GPU" if _torch and _torch.cuda.is_initialized() else "CPU",
    "modules": sorted(m for m in sys.modules if m.partition(".")[0] == PACKAGE),
    "data": [
        {"name": p.name, "source": p.source, "sha256": p.sha256, "license": p.license,
         "note": p.note}
        for p in (_data.loaded() if _data else [])
    ],
}))
"""

# Asked once in a build, by a Python of its own: PyTorch takes seconds to load.
PROBE = """
import json, torch
_there = torch.cuda.is_available()
print(json.dumps({
    "name": torch.cuda.get_device_name(),
    "capability": "{}.{}".format(*torch.cuda.get_device_capability()),
    "cuda": str(torch.version.cuda),
    "cudnn": str(torch.backends.cudnn.version()),
} if _there else {}))
"""
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # the second in Windows' Subsystem for Linux
DRIVER = Path("/proc/driver/nvidia/version")

# On a GPU the same numbers each time, in full precision: cuBLAS adds in a fixed order only within
# a workspace of its own, and convolutions would else round their inputs to ten bits.
ON_GPU = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "NVIDIA_TF32_OVERRIDE": "0"}
# What no variable says is said after each cell. It leaves no name behind, and imports nothing.
SETTLE = """
if "torch" in __import__("sys").modules:
    __import__("sys").modules["torch"].backends.cudnn.deterministic = True
"""


class Imports(NamedTuple):
    """What one module of the package names: other modules, and files beside it."""

    modules: frozenset[str]
    files: frozenset[Path]


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over what can run: not over what only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from running(child)


class Package:
    """The import graph of one package, read from its source; nothing is imported."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.paths = {
            ".".join((self.name, *path.relative_to(folder).with_suffix("").parts)).removesuffix(
                ".__init__"
            ): path
            for path in sorted(folder.rglob("*.py"))
        }
        self.files = [
            path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix not in {".py", ".pyc", ".typed"}
        ]
        self._imports: dict[str, Imports] = {}

    def named(self, source: str, module: str = "", *, is_package: bool = False) -> set[str]:
        """Modules of the package that a piece of source names, lazy attributes included.

        A package that loads an attribute late keeps it in a private module of the same name.
        """
        found: set[str] = set()
        known: dict[str, str] = {}
        ordered = sorted(running(ast.parse(source)), key=lambda n: isinstance(n, ast.Attribute))
        for node in ordered:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
                known |= {alias.asname: alias.name for alias in node.names if alias.asname}
            elif isinstance(node, ast.ImportFrom):
                parts = module.split(".")
                base = parts[: len(parts) - node.level + is_package] if node.level else []
                origin = ".".join([*base, *filter(None, [node.module])])
                found |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
                known |= {a.asname or a.name: f"{origin}.{a.name}" for a in node.names}
            elif isinstance(node, ast.Attribute):
                first, *rest = ast.unparse(node).split(".")
                found.add(".".join([known.get(first, first), *rest]))
        found |= {re.sub(r"\.(?=\w+$)", "._", name) for name in found}
        parents = {name[: m.start()] for name in found for m in re.finditer(r"\.", name)}
        return (found | parents) & self.paths.keys()

    def imports(self, module: str) -> Imports:
        if module not in self._imports:
            path = self.paths[module]
            source = path.read_text(encoding="utf-8")
            is_package = path.name == "__init__.py"
            files = {file for file in self.files if file.name in source}
            modules = self.named(source, module, is_package=is_package) - {module}
            self._imports[module] = Imports(frozenset(modules), frozenset(files))
        return self._imports[module]

    def reach(self, source: str) -> set[str]:
        """Every module that running ``source`` can load from the package."""
        todo, seen = self.named(source), set[str]()
        while todo:
            module = todo.pop()
            seen.add(module)
            todo |= self.imports(module).modules - seen
        return seen

    def digest(self, modules: set[str]) -> str:
        paths = {self.paths[m] for m in modules} | {
            file for m in modules for file in self.imports(m).files
        }
        sha = hashlib.sha256()
        for path in sorted(paths):
            sha.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return sha.hexdigest()


def driver() -> str:
    """Return the version of NVIDIA's driver: by its own file, or by its tool."""
    try:
        said = DRIVER.read_text(encoding="utf-8")
    except OSError:
        tool = shutil.which("nvidia-smi")
        query = [tool or "", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, check=False) if tool else None
        said = done.stdout if done else ""
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", said)
    return found[0] if found else "unknown"


@cache
def gpu() -> dict[str, str]:
    """Describe the GPU that chapters compute on; on a CPU there is nothing to describe.

    With ``CUDA_VISIBLE_DEVICES=`` (empty) a machine with a GPU builds as one without.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    if hidden or not any(path.exists() for path in DRIVERS):
        return {}
    probe = [sys.executable, "-c", PROBE]
    asked = subprocess.run(probe, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise ExtensionError(
            "there is a GPU, but PyTorch can't use it. Set CUDA_VISIBLE_DEVICES to nothing to "
            f"build on the CPU.\n{asked.stderr.strip()}"
        )
    found = json.loads(asked.stdout)
    return found | {"driver": driver()} if found else {}


def threads() -> str:
    """Return how many threads a chapter's arithmetic may use: as text, for a variable.

    One, also where a chapter has all processors: sums of several threads round in another order,
    so a GPU's build would differ from a CPU's in more than what the GPU computes.
    """
    return os.environ.get("OMP_NUM_THREADS", "1")


@cache
def processor() -> str:
    """Return the name of the CPU."""
    try:
        named = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    except OSError:
        named = None
    return named[1] if named else platform.processor() or platform.machine()


@cache
def environment() -> str:
    """Say what is installed and how cells are run: each can change a number."""
    # Once each: one that is installed from a folder is met again in that folder.
    packages = sorted({f"{d.name}=={d.version}" for d in distributions()})
    here = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return json.dumps([sys.version, packages, here, gpu(), threads()])


@cache
def data_at_hand() -> str:
    from udl import data

    return json.dumps(data.available(), sort_keys=True)


def read(app: Sphinx, docname: str, text: str) -> nbformat.NotebookNode | None:
    """Return the page as a notebook, or None if it has no cells to run."""
    path = str(app.env.doc2path(docname))
    reader = create_nb_reader(path, app.env.myst_config, app.env.mystnb_config, text)
    try:
        return reader.read(text) if reader and reader.read_fmt else None
    except MystMetadataParsingError as error:
        raise ExtensionError(f"{docname}: {error}", modname="execution") from error


def code(nb: nbformat.NotebookNode) -> str:
    """Return the cells as one Python source; what only IPython understands is left out.

    A cell that is no Python at all fails when it runs, and then with its place.
    """
    return "\n".join(python(c.source) for c in nb.cells if c.cell_type == "code")


def python(cell: str) -> str:
    lines = cell.splitlines()
    plain = ["" if line.lstrip().startswith(("%", "!")) else line for line in lines]
    for source in (cell, "\n".join(plain)):
        try:
            ast.parse(source)
        except SyntaxError:
            continue
        return source
    return ""


def with_key(text: str, value: str) -> str:
    """Put the key in the front matter, on as many lines as there were."""

    def flow(match: re.Match[str]) -> str:
        inner = ", ".join(line.strip() for line in match[1].splitlines())
        return f'kernelspec: {{{inner}, language: python, udl: "{value}"}}' + "\n" * (
            1 + match[1].count("\n")
        )

    return KERNELSPEC.sub(flow, text, count=1)


class Page(NamedTuple):
    """One page with cells, ready to run: its text with the key in it, and as a notebook."""

    path: Path
    source: str
    text: str
    notebook: nbformat.NotebookNode
    reached: set[str]
    key: str


def key_of(package: Package, reached: set[str]) -> str:
    uses_data = f"{package.name}.data" in reached
    parts = [package.digest(reached), environment(), data_at_hand() if uses_data else ""]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def prepared(app: Sphinx, docname: str) -> Page | None:
    """Return a page ready to run; None if it has nothing to run."""
    path = Path(app.env.doc2path(docname))
    source = path.read_text(encoding="utf-8")
    nb = read(app, docname, source)
    if nb is None or not any(cell.cell_type == "code" for cell in nb.cells):
        return None
    package: Package = app.env.udl_package  # type: ignore[attr-defined]
    reached = package.reach(code(nb))
    key = key_of(package, reached)
    text = with_key(source, key)
    nb = read(app, docname, text)
    if nb is None or "udl" not in nb.metadata.kernelspec:
        raise ExtensionError(f"{path}: the front matter has no kernelspec with indented lines")
    return Page(path, source, text, nb, reached, key)


def explain(run: Page, index: int, error: Exception) -> str:
    """Say in which chapter, cell and line an error happened."""
    nb, cell = run.notebook, run.notebook.cells[index]
    start = nb.metadata["source_map"][index]
    lines, first = run.text.splitlines(), cell.source.splitlines()[0]
    while start < len(lines) and lines[start] != first:
        start += 1
    trace = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    within = re.search(r"Cell In\[\d+\], line (\d+)", trace)
    line = start + int(within[1]) if within else start + 1
    number = sum(c.cell_type == "code" for c in nb.cells[: index + 1])
    return f"{run.path}:{line}: code cell {number} failed\n{trace.strip()}"


def aside(client: NotebookClient, source: str) -> nbformat.NotebookNode:
    """Run something that is no part of the chapter, and return it with its outputs."""
    cells = client.nb.cells
    cells.append(nbformat.v4.new_code_cell(source))
    done = client.execute_cell(cells[-1], len(cells) - 1, store_history=False)
    cells.pop()
    return done


def execute(run: Page, package: Package, timeout: int) -> dict[str, object]:
    """Run a chapter's cells in a fresh kernel; returns its report, or raises with the place."""
    began = time.perf_counter()
    env = os.environ | {"UDL_BOOK": "1", "UDL_OFFLINE": "1", "PYTHONHASHSEED": "0"}
    env |= {"OMP_NUM_THREADS": threads()} | (ON_GPU if gpu() else {})
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(
        run.notebook,
        timeout=timeout,
        extra_arguments=quiet,
        record_timing=False,  # it would go into the cells, and the cells into the key
        coalesce_streams=True,  # MyST-NB begins a new line at each piece of what a cell prints
    )
    index = 0
    try:
        with client.setup_kernel(env=env, cwd=str(run.path.parent)):
            for index, cell in enumerate(run.notebook.cells):
                client.execute_cell(cell, index)
                if gpu():
                    aside(client, SETTLE)
            seconds = time.perf_counter() - began
            report = aside(client, f"PACKAGE = {package.name!r}{REPORT}")
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise ExtensionError(explain(run, index, error)) from error
    facts = json.loads("".join(o.text for o in report.outputs if o.output_type == "stream"))
    hidden = set(facts["modules"]) - run.reached - {package.name}
    if hidden:
        raise ExtensionError(
            f"{run.path}: running it loads {', '.join(sorted(hidden))}, which its imports do not "
            "show: the cache could serve stale outputs. Import what a cell uses by name."
        )
    if key_of(package, run.reached) != run.key:
        raise ExtensionError(f"{run.path}: what it imports changed while it ran: build again")
    used = gpu() if facts["device"] == "GPU" else {}
    facts["device"] += f": {used.get('name', 'unknown')}" if facts["device"] == "GPU" else ""
    machine = {"processor": processor(), "cores": os.cpu_count(), "gpu": used}
    return facts | machine | {"execution_seconds": seconds}


def is_sound(database: Path) -> bool:
    """Say whether the cache's index is whole: a full disk or a kill can leave a part of it."""
    if not database.exists():
        return True
    try:
        with closing(sqlite3.connect(database)) as index:
            tables = {name for (name,) in index.execute("SELECT name FROM sqlite_master")}
            said = index.execute("PRAGMA quick_check").fetchone()
    except sqlite3.OperationalError:  # locked, or no space: nothing wrong with it
        raise
    except sqlite3.DatabaseError:
        return False
    return said == ("ok",) and OrmBase.metadata.tables.keys() <= tables


def begin_a_new_cache(app: Sphinx) -> None:
    """Give up all outputs where there is no telling what they are of."""
    folder = Path(app.config.nb_execution_cache_path)
    if not is_sound(folder / DB_NAME):
        logger.info("the index of the outputs is broken: all chapters run again")
        shutil.rmtree(folder)


def is_stored(store: JupyterCacheAbstract, nb: nbformat.NotebookNode) -> bool:
    """Say whether the cache has a page's outputs; sweep out what a killed build left of them."""
    try:
        record = store.match_cache_notebook(nb)
    except KeyError:
        return False
    try:
        store.get_cache_bundle(record.pk)
    except (KeyError, ValueError):
        shutil.rmtree(Path(store.path) / "executed" / record.hashkey, ignore_errors=True)
        return False
    return True


def execute_missing(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Before pages are read: run, side by side, those that the cache has no outputs for."""
    store = get_cache(app.config.nb_execution_cache_path)
    env.udl_prepared = {}  # type: ignore[attr-defined]
    runs = []
    for docname in docnames:
        page = prepared(app, docname)
        if page is None:
            continue
        env.udl_prepared[docname] = page  # type: ignore[attr-defined]
        if not is_stored(store, page.notebook):
            runs.append(page)
    failures = []
    if runs:
        logger.info("executing %s", ", ".join(run.path.stem for run in runs))
    with ThreadPoolExecutor(max_workers=1 if gpu() else os.cpu_count()) as pool:
        timeout = app.config.nb_execution_timeout
        package: Package = env.udl_package  # type: ignore[attr-defined]
        futures = {pool.submit(execute, run, package, timeout): run for run in runs}
        for future in as_completed(futures):  # what is done is kept at once
            run = futures[future]
            try:
                facts = future.result()
            except ExtensionError as error:
                failures.append(str(error))
                continue
            bundle = CacheBundleIn(run.notebook, str(run.path), data=facts)
            try:
                store.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            except (OSError, RuntimeError) as error:
                why = f"{run.path}: its outputs can't be kept: {error.__cause__ or error}"
                raise ExtensionError(why) from error
            logger.info("%s: %.1f s", run.path.stem, facts["execution_seconds"])
    if failures:
        raise ExtensionError("\n\n".join(sorted(failures)))


def serve(app: Sphinx, docname: str, source: list[str]) -> None:
    """Hand the page with its key to MyST-NB, which then finds its outputs in the cache."""
    page: Page | None = app.env.udl_prepared.get(docname)  # type: ignore[attr-defined]
    if page is None:
        return
    if source[0] != page.path.read_text(encoding="utf-8") or page.source != source[0]:
        raise ExtensionError(f"{page.path} changed while the book was being built: build again")
    source[0] = page.text
    store = get_cache(app.config.nb_execution_cache_path)
    facts = store.match_cache_notebook(page.notebook).data
    app.env.udl_reports[docname] = facts | {"key": page.key}  # type: ignore[attr-defined]


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages whose text is the same, but not what their cells reach."""
    if not hasattr(env, "udl_reports"):
        env.udl_reports = {}  # type: ignore[attr-defined]
    env.udl_package = Package(Path(app.confdir) / app.config.udl_package)  # type: ignore[attr-defined]
    stale = []
    for docname, report in env.udl_reports.items():
        if docname not in added | changed | removed:
            page = prepared(app, docname)
            if page is None or page.key != report["key"]:
                stale.append(docname)
    return stale


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    getattr(env, "udl_reports", {}).pop(docname, None)


def start_clean_after_a_failure(app: Sphinx, config: Config) -> None:
    """Forget what an unfinished build has read and drawn, which may be a part only.

    Sphinx would not repeat a warning that it gave then, and MyST-NB draws no picture twice.
    """
    marker = Path(app.doctreedir).with_name("unfinished")
    if marker.exists():
        shutil.rmtree(app.doctreedir, ignore_errors=True)
        shutil.rmtree(marker.with_name("jupyter_execute"), ignore_errors=True)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


def finish(app: Sphinx, exception: Exception | None) -> None:
    app.env.udl_prepared = {}  # type: ignore[attr-defined]
    if exception is None and app._warncount == 0:
        reports = getattr(app.env, "udl_reports", {})
        target = Path(app.doctreedir).with_name("execution.json")
        partial = target.with_suffix(".partial")
        partial.write_text(json.dumps(reports, indent=2, sort_keys=True), encoding="utf-8")
        partial.replace(target)
        Path(app.doctreedir).with_name("unfinished").unlink(missing_ok=True)


def version(folder: Path) -> str:
    """Return a key of the extensions: a page read by others is another page, and read again."""
    parts = (path for path in sorted(folder.iterdir()) if path.suffix in {".py", ".js"})
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()


def setup(app: Sphinx) -> dict[str, object]:
    """Connect to Sphinx."""
    app.add_config_value("udl_package", "src/udl", "env")
    app.connect("config-inited", start_clean_after_a_failure)
    app.connect("builder-inited", begin_a_new_cache)
    app.connect("env-get-outdated", outdated)
    app.connect("env-before-read-docs", execute_missing)
    app.connect("source-read", serve)
    app.connect("env-purge-doc", forget)
    app.connect("build-finished", finish, priority=1000)  # when all files are whole
    return {
        "version": "1",
        "env_version": version(Path(__file__).parent),
        "parallel_read_safe": False,
        "parallel_write_safe": True,
    }
