"""``udl doctor``: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from udl.cli._probe import SIGN
from udl.cli._shared import homely, line, nearest, paint, size, tell, wrapped

Level = Literal["ok", "optional", "note", "broken"]
WORDS = {"ok": "ok", "optional": "missing", "note": "note", "broken": "BROKEN"}
COLORS = {"ok": "green", "optional": "yellow", "note": "yellow", "broken": "red"}
VARIABLES = {
    "UDL_DATA_DIR": "a folder of data files, which is looked in first",
    "UDL_OFFLINE": "1 forbids downloads",
    "UDL_BOOK": "set by the build of the book",
    "UDL_NO_SKIP": "1 turns skipped tests into failures",
    "UDL_REF": "what of the repository the notebooks of a build install",
    "UDL_PYTHONS": "interpreters that the tests of a release install the package in",
}
MODULES = {"scikit-learn": "sklearn"}  # by the name that is installed, where it is another
SECONDS = 120.0  # for loading all there is, on a slow disk


class Finding(NamedTuple):
    """What was found out about one thing."""

    section: str
    level: Level
    name: str
    words: str
    advice: str = ""


Row = tuple[Level, str, str, str]  # all of a finding but its section


class Need(NamedTuple):
    """What the package needs of another: for itself, or for an extra of its own."""

    package: str
    versions: str
    extra: str


@click.command(
    name="doctor", epilog="\b\nExamples:\n  udl doctor\n  udl doctor --json > report.json"
)
@click.option("--json", "as_json", is_flag=True, help="Write it for programs, or a bug report.")
@click.pass_context
def doctor(context: click.Context, /, as_json: bool) -> None:
    """Say what is installed, which device and which data, what is missing, how to get it.

    Nothing is changed or downloaded. The exit status is 0, also where something optional is
    missing, and 1 if something is broken. The report names no user and no home folder.
    """
    found = list(examine())
    broken = [one for one in found if one.level == "broken"]
    if as_json:
        report = {
            "healthy": not broken,
            "findings": [
                {key: homely(said) for key, said in one._asdict().items()} for one in found
            ],
        }
        tell(json.dumps(report, indent=2))
    else:
        _show(found)
    context.exit(1 if broken else 0)


def _show(found: Sequence[Finding]) -> None:
    section = ""
    for one in found:
        if one.section != section:
            section = one.section
            tell(("\n" if one is not found[0] else "") + section)
        first, *more = wrapped(f"{one.name}  {one.words}", 11)
        tell(f"  {paint(f'{WORDS[one.level]:<7}', COLORS[one.level])}  {first.lstrip()}")
        for part in more:
            tell(part)
        if one.advice:  # on one line, as it may be a command
            tell(homely(f"           {one.advice}"))
    broken = ", ".join(dict.fromkeys(one.name for one in found if one.level == "broken"))
    missing = ", ".join(dict.fromkeys(one.name for one in found if one.level == "optional"))
    tell("")
    if broken:
        end = f"Broken: {broken}."
    elif missing:
        end = f"Nothing is broken. Missing, and needed for some things only: {missing}."
    else:
        end = "All is well."
    for part in wrapped(end, 0):
        tell(paint(part, "red") if broken else part)


def examine() -> Iterator[Finding]:
    """Look at everything; what cannot be looked at is a finding, too."""
    needs, trouble = _needs()
    own = [need for need in needs if not need.extra]
    probes = {
        "base": _Probe([MODULES.get(need.package, need.package) for need in own]),
        "torch": _Probe(["torch"] if _there("torch") else []),
        "jupyter": _Probe(["jupyter_client"] if _there("jupyter_client") else []),
    }
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "Python": _python,
        "Packages": lambda: _packages(own, trouble, probes["base"]),
        "Device": lambda: _device(needs, probes["torch"]),
        "Extras": lambda: _extras(needs),
        "Jupyter": lambda: _jupyter(probes["jupyter"]),
        "Data": _data,
        "Folders": lambda: _folders(probes["base"]),
        "Variables": _variables,
    }
    try:
        for section, part in parts.items():
            try:
                for level, name, words, advice in part():
                    yield Finding(section, level, name, words, advice)
            except Exception as error:  # a doctor does not fall ill
                words = f"could not be looked at: {type(error).__name__}: {line(error)}"
                yield Finding(section, "broken", section, words)
    finally:
        for probe in probes.values():
            probe.end()


class _Probe:
    """Modules that load in a process of their own, while we look at other things."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.process: subprocess.Popen[str] | None = None
        self.trouble = ""
        self._results: dict[str, dict[str, Any]] | None = None
        if not names:
            return
        script = str(Path(__file__).with_name("_probe.py"))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", script, *names],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            self.trouble = f"Python could not be started: {line(error)}"

    def results(self) -> dict[str, dict[str, Any]]:
        """Wait, and return what became of each module: whether it loads, or why not."""
        if self._results is None:
            self._results = dict(self._wait())
        return self._results

    def _wait(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.process is None:
            yield from ((name, {"ok": False, "error": self.trouble}) for name in self.names)
            return
        end = ""
        try:
            out, _ = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, _ = self.process.communicate()
            end = f"does not load within {SECONDS:g} s"
        marked = [text[len(SIGN) :] for text in out.splitlines() if text.startswith(SIGN)]
        told = [json.loads(text) for text in marked]
        done = {facts["name"]: facts for facts in told if "name" in facts}
        code = self.process.returncode
        end = end or f"ends Python as it loads ({_signal(code)})"
        for name in self.names:
            yield name, done.get(name, {"ok": False, "error": end})

    def end(self) -> None:
        """Leave no process behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit status {code}"


def _there(module: str) -> bool:
    """Tell whether there is a module, without loading it."""
    try:
        return util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _needs() -> tuple[list[Need], str]:
    """Read what the package needs from its metadata; if that cannot be, say why."""
    try:
        from packaging.requirements import Requirement

        lines = metadata.requires("udl") or []
        extras = metadata.metadata("udl").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return [], "udl has no metadata, as it is not installed: pip install -e . in its folder"
    except ImportError:
        return [], "versions cannot be compared: pip install packaging"
    needs = []
    for text in lines:
        need = Requirement(text)
        if need.name == "udl":  # an extra that includes another: said there
            continue
        for extra in ["", *extras]:
            always = need.marker is None or need.marker.evaluate({"extra": ""})
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                if not extra or not always:
                    needs.append(Need(need.name, str(need.specifier), extra))
    return needs, ""


def _pip(needs: Sequence[Need]) -> str:
    """Return the command that installs what is needed."""
    return "pip install " + " ".join(f'"{one.package}{one.versions}"' for one in needs)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _old(need: Need) -> bool:
    """Tell whether the installed version is not one of those that are needed."""
    from packaging.specifiers import SpecifierSet

    return not SpecifierSet(need.versions).contains(_version(need.package), prereleases=True)


def _python() -> Iterator[Row]:
    version = platform.python_version()
    place = f"{platform.python_implementation()}, {sys.executable}"
    with suppress(ImportError, metadata.PackageNotFoundError):
        from packaging.specifiers import SpecifierSet

        wanted = metadata.metadata("udl")["Requires-Python"] or ""
        if not SpecifierSet(wanted).contains(version, prereleases=True):
            yield "broken", f"Python {version}", f"udl needs {wanted}: {place}", ""
            return
    yield "ok", f"Python {version}", place, ""
    yield "ok", "system", platform.platform(), ""


def _packages(needs: Sequence[Need], trouble: str, probe: _Probe) -> Iterator[Row]:
    own = _version("udl")
    yield "ok" if own else "broken", f"udl {own}".strip(), str(Path(__file__).parents[1]), ""
    if trouble:
        yield "broken", "metadata", trouble, ""
    for need in sorted(needs):
        version = _version(need.package)
        result = probe.results()[MODULES.get(need.package, need.package)]
        get = _pip([need])
        if not version and not result["ok"]:
            yield "broken", need.package, "is not installed", get
        elif not result["ok"]:
            again = f"pip install --force-reinstall {need.package}"
            yield "broken", f"{need.package} {version}", result["error"], again
        elif _old(need):
            yield "broken", f"{need.package} {version}", f"udl needs {need.versions}", get
        else:
            yield "ok", f"{need.package} {version}", need.versions, ""


def _device(needs: Sequence[Need], probe: _Probe) -> Iterator[Row]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS")
    words = f"{_processor()}, {cores} cores" + (f", OMP_NUM_THREADS={limit}" if limit else "")
    yield "ok", "CPU", words, ""
    cards = _cards()
    for card in cards:
        yield "ok", "GPU", card, ""
    get = "pip install torch"
    floors = [need for need in needs if need.package == "torch"][:1]
    if not _there("torch"):
        words = "is not installed: udl.train, udl.gpt, udl.zoo and udl gpt need it"
        yield "optional", "torch", words, _pip(floors) if floors else get
        return
    version = _version("torch")
    result = probe.results()["torch"]
    if not result["ok"]:
        again = "pip install --force-reinstall torch"
        yield "broken", f"torch {version}", result["error"], again
        return
    facts = result["facts"]
    name = f"torch {facts.get('version', version)}"
    if "error" in facts:
        yield "broken", name, f"loads, but does not tell what it is: {facts['error']}", get
        return
    if any(_old(need) for need in floors):
        yield "broken", name, f"udl needs {floors[0].versions}", _pip(floors)
    elif facts["sum"] != 3.0:
        yield "broken", name, f"does not add up 1 + 1 + 1: {_why(facts['sum'])}", get
    else:
        yield "ok", name, f"{facts['threads']} threads", ""
    if facts["cuda"] is not True:
        build = facts["cuda_build"] or facts["hip_build"]
        if isinstance(facts["cuda"], dict):
            yield "broken", "CUDA", _why(facts["cuda"]), ""
        elif cards and not build:
            words = "the GPU is not used, as this PyTorch was built for CPUs"
            yield "note", "CUDA", words, "pip install --force-reinstall torch"
        elif cards:
            words = f"PyTorch, built for CUDA {build}, cannot use the GPU"
            yield "note", "CUDA", words, "the driver may be too old for it"
        else:
            yield "ok", "device", "cpu: no GPU that PyTorch can use", ""
    elif isinstance(facts["gpus"], dict):
        yield "broken", "CUDA", _why(facts["gpus"]), ""
    else:
        for number, gpu in enumerate(facts["gpus"]):
            words = f"{gpu['name']}, {size(gpu['memory'])}, CUDA {facts['cuda_build']}"
            if gpu["sum"] == 3.0:
                yield "ok", f"cuda:{number}", words, ""
            else:
                yield "broken", f"cuda:{number}", f"{words}: {_why(gpu['sum'])}", ""
    if facts["mps"] is True:
        yield "ok", "MPS", "is there; the book computes on cpu or cuda, in float64 too", ""


def _why(result: object) -> str:
    return str(result["error"]) if isinstance(result, dict) else f"got {result}"


def _processor() -> str:
    with suppress(OSError):
        for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def _cards() -> list[str]:
    """Ask the driver for its GPUs: name, memory and the version of the driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            [program, *query],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [text.split(", ") for text in done.stdout.splitlines() if text.count(", ") == 2]
    return [f"{name}, {memory}, driver {driver}" for name, memory, driver in rows]


def _extras(needs: Sequence[Need]) -> Iterator[Row]:
    for extra in dict.fromkeys(need.extra for need in needs if need.extra):
        wanted = [need for need in needs if need.extra == extra]
        lacking = [need.package for need in wanted if not _version(need.package)]
        old = [need for need in wanted if need.package not in lacking and _old(need)]
        short = [need for need in wanted if need.package in lacking] + old
        get = _pip(short) if len(short) < 6 else f'in a checkout: pip install -e ".[{extra}]"'
        if lacking:
            all_of_it = len(lacking) == len(wanted)
            what = "nothing of it" if all_of_it else f"all but {', '.join(lacking)}"
            yield "optional", extra, f"{what} is installed", get
        elif old:
            words = ", ".join(f"{n.package} {_version(n.package)} ({n.versions})" for n in old)
            yield "note", extra, f"of other versions than needed: {words}", get
        else:
            yield "ok", extra, f"{len(wanted)} packages", ""


def _jupyter(probe: _Probe) -> Iterator[Row]:
    if not probe.names or not _there("ipykernel"):
        yield "optional", "kernel", "Jupyter is not installed", "pip install jupyterlab ipykernel"
        return
    result = probe.results()["jupyter_client"]
    facts = result.get("facts", {})
    if not result["ok"] or "error" in facts:
        yield "note", "kernel", f"cannot be looked for: {result.get('error') or _why(facts)}", ""
        return
    here = Path(sys.executable)
    kernels = facts["kernels"]
    mine = [one["name"] for one in kernels if _same(one["python"], here)]
    if mine:
        yield "ok", "kernel", f"this Python is the kernel {', '.join(mine)}", ""
    else:
        get = f"{sys.executable} -m ipykernel install --user --name udl"
        yield "optional", "kernel", "no kernel of Jupyter is this Python", get


def _same(command: str, here: Path) -> bool:
    """Tell whether a kernel's command starts this interpreter, in this environment."""
    if command in ("python", "python3", here.name):  # as Jupyter itself fills in
        return True
    path = Path(command)
    return path.parent == here.parent and path.name.startswith("python")


def _data() -> Iterator[Row]:
    from udl.data._sets import SETS

    levels: dict[str, Level] = {
        "real": "ok",
        "stand-in": "optional",
        "missing": "optional",
        "damaged": "broken",
    }
    for one in SETS:
        if not one.generated:
            state = one.state()
            yield levels[state.kind], one.name, state.words, state.advice


def _folders(probe: _Probe) -> Iterator[Row]:
    from udl.data import _files

    yield from _folder("downloads", _files.cache_dir(), "so nothing can be downloaded")
    cache = probe.results().get("matplotlib", {}).get("facts", {}).get("cache")
    if cache:
        yield from _folder("matplotlib", Path(cache), "so fonts are looked for at each start")


def _folder(name: str, folder: Path, so: str) -> Iterator[Row]:
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
    except PermissionError:  # of a folder above it, as where HOME is another user's
        yield "note", name, f"{folder} cannot be read, {so}", ""
        return
    if not there.is_dir():
        yield "broken", name, f"{folder} cannot be a folder, as {there} is a file", ""
    elif not os.access(there, os.W_OK | os.X_OK):
        yield "note", name, f"{folder} cannot be written, {so}", ""
    else:
        free = shutil.disk_usage(there).free
        level: Level = "ok" if free > 100e6 else "note"
        made = "" if there == folder else ", not made yet"
        yield level, name, f"{folder}{made}, {size(free)} free", ""


def _variables() -> Iterator[Row]:
    found = {name: value for name, value in os.environ.items() if name.startswith("UDL_")}
    if not found:
        yield "ok", "UDL_*", "none is set", ""
    for name, value in sorted(found.items()):
        if name not in VARIABLES:
            yield "note", name, f"is not known here.{nearest(name, VARIABLES)}", ""
        elif name == "UDL_DATA_DIR" and value and not Path(value).is_dir():
            yield "broken", name, f"{value!r} is no folder", "correct it, or unset UDL_DATA_DIR"
        elif name == "UDL_OFFLINE" and value not in ("", "0", "1"):
            yield "note", name, f"{value!r} forbids downloads, as all but 0 and nothing does", ""
        else:
            yield "ok", name, f"{value!r}: {VARIABLES[name]}", ""
