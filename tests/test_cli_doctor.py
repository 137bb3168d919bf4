"""``udl doctor``: it finds what is wrong, says how to mend it, and does not fall ill itself."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from udl.cli import _doctor, main
from udl.cli._doctor import Finding, Need
from udl.data import _files

FAKE = """
import types
__version__ = "2.13.0"
float64 = "float64"
version = types.SimpleNamespace(cuda={cuda_build!r}, hip=None)
backends = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: {mps}))
class Ones:
    def __init__(self, result): self.result = result
    def sum(self): return self.result
def ones(n, dtype=None, device="cpu"):
    if device != "cpu" and {gpu_sum!r} is None: raise RuntimeError("no kernel image\\nfor it")
    return Ones({cpu_sum!r} if device == "cpu" else {gpu_sum!r})
def get_num_threads(): return 2
class cuda:
    is_available = staticmethod(lambda: {cuda})
    device_count = staticmethod(lambda: 1)
    get_device_properties = staticmethod(lambda n: types.SimpleNamespace(
        name="Fake H1", total_memory=8_000_000_000, major=9, minor=0))
"""
NEEDS = _doctor._needs  # the true one
GOOD = {
    "cuda_build": None,
    "mps": False,
    "cpu_sum": 3.0,
    "gpu_sum": 3.0,
    "cuda": False,
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give an environment without settings, few packages, and no graphics card."""
    for name in ("UDL_DATA_DIR", "UDL_OFFLINE", "UDL_NO_SKIP", "UDL_BOOK", "UDL_PYTHONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_doctor, "_needs", lambda: ([Need("click", ">=8", "")], ""))
    monkeypatch.setattr(_doctor, "_cards", list)
    monkeypatch.setattr(_doctor, "_there", lambda name: False)


def found(section: str) -> list[Finding]:
    return [one for one in _doctor.examine() if one.section == section]


def torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str = "", **changes: Any
) -> list[Finding]:
    """Look at the device with a PyTorch that is made up."""
    source = source or FAKE.format(**(GOOD | changes))
    (tmp_path / "torch.py").write_text(textwrap.dedent(source), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(_doctor, "_there", lambda name: name == "torch")
    return [one for one in found("Device") if one.name != "CPU"]


def test_it_finds_this_environment_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.delenv("UDL_DATA_DIR", raising=False)
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["healthy"] is True
    findings = report["findings"]
    assert {one["section"] for one in findings} == {
        "Python", "Packages", "Device", "Extras", "Jupyter", "Data", "Folders", "Variables"
    }  # fmt: skip
    names = " ".join(one["name"] for one in findings)
    for package in ("numpy", "scipy", "matplotlib", "pandas", "scikit-learn", "torch"):
        assert f"{package} {metadata.version(package)}" in names
    assert str(Path.home()) + "/" not in json.dumps(findings) or Path.home() == Path("/")
    kernel = next(one for one in findings if one["name"] == "kernel")
    assert (kernel["level"], "python3" in kernel["words"]) == ("ok", True)


def test_it_tells_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.startswith("Python\n  ok       Python ")
    assert "\n  missing  torch  is not installed: udl.train, udl.gpt" in out
    assert "\n           pip install torch\n" in out
    end = out.rpartition("\n\n")[2]
    assert end.startswith("Nothing is broken. Missing, and needed for some things")


def test_the_end_names_each_thing_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = [Need("click", ">=8", ""), Need("gone-torch", ">=2", "torch")]
    monkeypatch.setattr(_doctor, "_needs", lambda: (needs, ""))
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    last = lines[lines.index("Variables") :]
    assert max(map(len, last)) <= 40
    end = " ".join(last).partition("things only: ")[2]
    assert end.removesuffix(".").split(", ")[:2] == ["torch", "kernel"]
    commands = [line.strip() for line in lines if "pip install" in line]
    assert 'pip install "gone-torch>=2"' in commands  # whole, to be copied


def test_what_is_broken_gives_another_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UDL_DATA_DIR", "/no such folder")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "BROKEN   UDL_DATA_DIR  '/no such folder' is no folder" in out
    assert "correct it, or unset UDL_DATA_DIR" in out
    assert "UDL_DATA_DIR" in out.rpartition("\n\n")[2]


def test_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tqdm.py").write_text("print('noise')\nraise ImportError('numpy.core is\\nold')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    needs = [
        Need("nowhere-to-be-found", ">=1", ""),
        Need("tqdm", ">=4", ""),
        Need("click", ">=99", ""),
        Need("jaxtyping", ">=0.2", ""),
    ]
    monkeypatch.setattr(_doctor, "_needs", lambda: (needs, ""))
    own, *others = found("Packages")
    assert own.name == f"udl {metadata.version('udl')}"
    told = {one.name.split()[0]: one for one in others}
    assert told["jaxtyping"].level == "ok"
    assert told["nowhere-to-be-found"].words == "is not installed"
    assert told["nowhere-to-be-found"].advice == 'pip install "nowhere-to-be-found>=1"'
    assert told["tqdm"].words == "ImportError: numpy.core is old"
    assert told["click"].words == "udl needs >=99"
    assert [one.level for one in others].count("broken") == 3


def test_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [
        Need("click", ">=8", "good"),
        Need("click", ">=99", "old"),
        Need("gone", ">=1", "some"),
        Need("click", ">=8", "some"),
        *(Need(f"gone{n}", "", "much") for n in range(9)),
    ]
    monkeypatch.setattr(_doctor, "_needs", lambda: (needs, ""))
    good, old, some, much = found("Extras")
    assert good.level == "ok"
    assert (old.level, old.advice) == ("note", 'pip install "click>=99"')
    assert (some.level, some.advice) == ("optional", 'pip install "gone>=1"')
    assert some.words == "all but gone is installed"
    assert much.words == "nothing of it is installed"
    assert much.advice == 'in a checkout: pip install -e ".[much]"'


def test_the_needs_are_those_of_the_package() -> None:
    needs, trouble = NEEDS()
    assert trouble == ""
    assert {"numpy", "click"} <= {need.package for need in needs if not need.extra}
    assert {"torch"} == {need.package for need in needs if need.extra == "torch"}
    assert "pytest" in {need.package for need in needs if need.extra == "test"}


@pytest.mark.parametrize("error", [metadata.PackageNotFoundError("udl"), ImportError("packaging")])
def test_without_metadata_it_goes_on(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(metadata, "requires", fail)
    monkeypatch.setattr(_doctor, "_needs", NEEDS)
    assert any(one.name == "metadata" and one.level == "broken" for one in found("Packages"))
    assert found("Extras") == []


def test_a_good_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, device = torch(monkeypatch, tmp_path, mps=False)
    assert (one.level, one.name, one.words) == ("ok", "torch 2.13.0", "2 threads")
    assert (device.level, device.words) == ("ok", "cpu: no GPU that PyTorch can use")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise OSError('libcudart.so: cannot\\nopen')", "OSError: libcudart.so: cannot open"),
        ("import os; os.kill(os.getpid(), 11)", "ends Python as it loads (SIGSEGV)"),
        ("import os; os._exit(3)", "ends Python as it loads (exit status 3)"),
        ("import sys; sys.exit(4)", "SystemExit: 4"),
        ("import time; time.sleep(60)", "does not load within 0.5 s"),
        ("x = 1", "loads, but does not tell what it is: AttributeError"),
    ],
)
def test_a_broken_torch(
    source: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_doctor, "SECONDS", 0.5 if "sleep" in source else 60.0)
    (one,) = torch(monkeypatch, tmp_path, source)
    assert one.level == "broken"
    assert one.words.startswith(words)
    assert one.advice.startswith("pip install")


def test_a_torch_that_does_not_compute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, _ = torch(monkeypatch, tmp_path, cpu_sum=2.0)
    assert (one.level, one.words) == ("broken", "does not add up 1 + 1 + 1: got 2.0")


def test_a_torch_that_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs = [Need("torch", ">=99", "torch")]
    monkeypatch.setattr(_doctor, "_needs", lambda: (needs, ""))
    one, _ = torch(monkeypatch, tmp_path)
    assert (one.level, one.words) == ("broken", "udl needs >=99")
    assert one.advice == 'pip install "torch>=99"'


def test_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, gpu = torch(monkeypatch, tmp_path, cuda=True, cuda_build="13.0")
    assert (gpu.level, gpu.name) == ("ok", "cuda:0")
    assert gpu.words == "Fake H1, 8.0 GB, CUDA 13.0"
    _, gpu = torch(monkeypatch, tmp_path, cuda=True, cuda_build="13.0", gpu_sum=None)
    assert gpu.level == "broken"
    assert gpu.words.endswith("RuntimeError: no kernel image for it")
    card = "Fake H1, 8192 MiB, driver 999.1"
    monkeypatch.setattr(_doctor, "_cards", lambda: [card])
    driver, _, note = torch(monkeypatch, tmp_path)
    assert driver.words == card
    assert (note.level, "built for CPUs" in note.words) == ("note", True)
    *_, note = torch(monkeypatch, tmp_path, cuda_build="13.0")
    assert (note.level, note.advice) == ("note", "the driver may be too old for it")
    *_, mps = torch(monkeypatch, tmp_path, mps=True)
    assert mps.name == "MPS"


def test_the_driver_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H1, 8192 MiB, 570.1'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert _doctor._cards() == ["NVIDIA H1, 8192 MiB, driver 570.1"]
    program.write_text("#!/bin/sh\necho failed; exit 9\n")
    assert _doctor._cards() == []


@pytest.mark.parametrize(
    ("name", "value", "level", "words"),
    [
        ("UDL_OFFLINE", "1", "ok", "'1': 1 forbids downloads"),
        ("UDL_OFFLINE", "false", "note", "'false' forbids downloads"),
        ("UDL_DATADIR", "x", "note", "is not known here. Did you mean UDL_DATA_DIR?"),
        ("UDL_DATA_DIR", "", "ok", "''"),
    ],
)
def test_variables(
    name: str, value: str, level: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    (one,) = [one for one in _doctor._variables() if one[1] == name]
    assert one[0] == level
    assert one[2].startswith(words)


def test_every_variable_that_the_source_reads_is_known() -> None:
    root = Path(__file__).parent.parent
    sources = [*root.glob("src/**/*.py"), *root.glob("tests/*.py")]
    named = set()
    for path in sources:
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"environ(?:\.get\(|\[)\"(UDL_[A-Z_]+)", text))
    assert named <= _doctor.VARIABLES.keys()


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = _doctor._folder("downloads", tmp_path / "a" / "b", "so")
    assert row[0] == "ok"
    assert ", not made yet, " in row[2]
    (tmp_path / "a").write_text("")
    (row,) = _doctor._folder("downloads", tmp_path / "a" / "b", "so")
    assert row[0] == "broken"
    monkeypatch.setattr("os.access", lambda *_: False)
    (row,) = _doctor._folder("downloads", tmp_path, "so it is")
    assert (row[0], row[2]) == ("note", f"{tmp_path} cannot be written, so it is")


def test_a_cache_that_may_not_be_read_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat, cache = Path.stat, _files.cache_dir()

    def forbidden(path: Path, **options: bool) -> os.stat_result:
        if tmp_path / "cache" in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", forbidden)
    ((level, name, words, _),) = _doctor._folder("downloads", cache, "so it is")
    assert (level, name, words) == ("note", "downloads", f"{cache} cannot be read, so it is")


def test_a_damaged_file_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tinyshakespeare-input.txt").write_text("To be")
    monkeypatch.setenv("UDL_DATA_DIR", str(tmp_path))
    (one,) = [one for one in found("Data") if one.name == "tiny_shakespeare"]
    assert one.level == "broken"
    assert "delete or replace it" in one.advice


@pytest.mark.parametrize("part", ["_python", "_device", "_extras", "_jupyter", "_data"])
def test_it_does_not_fall_ill(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("so\nit is")

    monkeypatch.setattr(_doctor, part, fail)
    section = part[1:].capitalize()
    (one,) = found(section)
    assert one.words == "could not be looked at: RuntimeError: so it is"
    assert len({finding.section for finding in _doctor.examine()}) >= 6


def test_it_does_without_torch_and_loads_nothing_heavy() -> None:
    program = """
import sys
sys.modules["torch"] = None
from udl.cli import _doctor, main
_doctor._needs = lambda: ([], "")
status = main(["doctor"])
print(*sorted({"matplotlib", "pandas", "scipy", "sklearn"} & sys.modules.keys()))
sys.exit(status)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "missing  torch  is not installed" in done.stdout
    assert done.stdout.endswith("\n\n")
