"""The package as others install it: its metadata, its files, what it loads, its oldest needs.

The tests marked ``release`` build it, and install it in clean environments: with the oldest
versions on the oldest Python, with the newest ones on the newest Python that is at hand.
``UDL_PYTHONS`` names interpreters, separated as in PATH; without it those on PATH are taken.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "udl"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OLDEST = (3, 11)
FILES = {
    path.relative_to(ROOT / "src").as_posix()
    for path in SOURCE.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
WITHOUT_TORCH = ("activations", "autograd", "data", "linear", "losses", "optim", "shallow")


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program, and show what it said if it fails."""
    options = {"timeout": 900, "cwd": "/", **options}
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


# ------------------------------------------------------------------------------------ what is said


def test_the_metadata_name_what_the_package_is_for() -> None:
    project = PROJECT["project"]
    assert project["requires-python"] == f">={OLDEST[0]}.{OLDEST[1]}"
    versions = re.findall(r"Python :: 3\.(\d+)", " ".join(project["classifiers"]))
    assert [int(minor) for minor in versions] == [*range(OLDEST[1], OLDEST[1] + len(versions))]
    assert "Typing :: Typed" in project["classifiers"]
    assert project["classifiers"] == sorted(project["classifiers"], key=str.lower)
    assert (ROOT / project["readme"]).is_file()
    assert "urls" not in project  # the address stands in _config.yml only
    for name in project["dependencies"]:
        assert re.fullmatch(r"[a-z-]+>=[0-9.]+", name), name  # a floor, and no ceiling


def test_the_description_stands_alone() -> None:
    """Where a package is listed, links into the repository would be dead."""
    text = (ROOT / PROJECT["project"]["readme"]).read_text(encoding="utf-8")
    assert not re.findall(r"\]\(", text)
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block
    *lines, last = block[1].strip().splitlines()
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    expression, expected = last.split("  # ")
    assert str(eval(expression, names)) == expected


def test_one_version_is_told_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## \[(.+?)\](.*)$", changelog, re.MULTILINE)
    assert heads[0] == ("Unreleased", "")
    assert heads[1][0] == version
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in heads[1:])


def test_every_file_of_the_package_is_taken_along() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["udl"]
    taken = {path for pattern in patterns for path in SOURCE.glob(pattern)}
    taken |= set(SOURCE.rglob("*.py"))
    assert {path.relative_to(SOURCE.parent).as_posix() for path in taken} == FILES
    assert "udl/py.typed" in FILES
    packages = {path.parent for path in SOURCE.rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in packages)


# --------------------------------------------------------------------------------- what is loaded

LOADED = """
import sys, time
began = time.process_time()
import {module}
print(time.process_time() - began)
"""


def test_import_udl_costs_a_fraction_of_import_numpy() -> None:
    def seconds(module: str) -> float:
        return float(run(sys.executable, "-c", LOADED.format(module=module)).stdout)

    ours = min(seconds("udl") for _ in range(3))
    theirs = min(seconds("numpy") for _ in range(3))
    assert ours < theirs / 4


@pytest.mark.parametrize("command", ["--help", "gpt --help", "data --help", "--version"])
def test_help_loads_nothing_heavy(command: str) -> None:
    program = "import sys; from udl.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    words = run(sys.executable, "-c", program, *command.split()).stdout.split()
    assert not {"torch", "numpy", "pandas", "matplotlib", "pooch", "tqdm"} & set(words)
    assert "click" in words


# ----------------------------------------------------------------------------------- what is built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the sdist, and from it the wheel."""
    folder = tmp_path_factory.mktemp("build")
    tree, out = folder / "tree", folder / "dist"
    names = [
        "pyproject.toml",
        "MANIFEST.in",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
    ]
    tree.mkdir()
    for name in names:
        shutil.copy(ROOT / name, tree / name)
    for name in ("src", "tests", "book"):
        leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, tree / name, ignore=leave)
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree)
    assert "Warning" not in done.stdout + done.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def about(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(opened.read(name).decode())


@pytest.mark.release
def test_the_wheel_holds_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    version = PROJECT["project"]["version"]
    assert built[1].name == f"udl-{version}-py3-none-any.whl"
    with zipfile.ZipFile(built[1]) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        entries = opened.read(f"udl-{version}.dist-info/entry_points.txt").decode()
        assert f"udl-{version}.dist-info/licenses/LICENSE" in opened.namelist()
    assert names == FILES
    assert entries.split() == ["[console_scripts]", "udl", "=", "udl.cli:main"]
    assert built[1].stat().st_size < 1_000_000


@pytest.mark.release
def test_the_sdist_holds_what_a_build_needs(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as opened:
        names = {name.partition("/")[2] for name in opened.getnames() if "/" in name}
    files = {name.removeprefix("src/") for name in names if name.startswith("src/udl/")}
    assert files >= FILES
    assert names >= {"pyproject.toml", "LICENSE", "CHANGELOG.md", "CITATION.cff", "PKG-INFO"}
    assert not [name for name in names if name.startswith(("tests", "book"))]


@pytest.mark.release
def test_a_package_index_would_take_it(built: tuple[Path, Path]) -> None:
    done = run(sys.executable, "-m", "twine", "check", "--strict", *built)
    assert done.stdout.count("PASSED") == 2
    metadata = about(built[1])
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_all("Project-URL") is None


# ------------------------------------------------------------------------ where it is installed


def interpreters() -> dict[tuple[int, int], str]:
    """Return the interpreters at hand that the package supports, by version, the oldest first."""
    given = os.environ.get("UDL_PYTHONS")
    names = given.split(os.pathsep) if given else [f"python3.{n}" for n in range(OLDEST[1], 40)]
    found = {sys.version_info[:2]: sys.executable}
    for name in names:
        path = shutil.which(name)
        if path is None:
            assert not given, f"UDL_PYTHONS names {name}, which is no program"
            continue
        ask = [path, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"]
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            major, minor = map(int, done.stdout.split())
            found.setdefault((major, minor), path)
    return {version: found[version] for version in sorted(found) if version >= OLDEST}


def missing(what: str) -> None:
    if os.environ.get("UDL_NO_SKIP") == "1":
        pytest.fail(f"UDL_NO_SKIP=1, but {what}", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="module", params=["oldest", "newest"])
def installed(
    request: pytest.FixtureRequest,
    built: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Install the wheel in a clean environment, and return its folder of programs."""
    known = interpreters()
    oldest = request.param == "oldest"
    version = min(known) if oldest else max(known)
    if oldest and version != OLDEST:
        missing(f"there is no Python {OLDEST[0]}.{OLDEST[1]}: name one in UDL_PYTHONS")
    if not oldest and version == OLDEST:
        missing("there is no Python that is newer than the oldest: name one in UDL_PYTHONS")
    folder = tmp_path_factory.mktemp(request.param)
    run(known[version], "-m", "venv", folder / "venv")
    pins = folder / "pins.txt"
    floors = [need.replace(">=", "==") for need in PROJECT["project"]["dependencies"]]
    pins.write_text("\n".join(floors if oldest else []), encoding="utf-8")
    python = folder / "venv" / "bin" / "python"
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--only-binary", ":all:", "--constraint", pins, built[1])
    run(*pip, "check")
    if oldest:
        frozen = json.loads(run(python, "-m", "pip", "list", "--format", "json").stdout)
        held = {one["name"].lower(): one["version"] for one in frozen}
        for name, _, floor in (need.partition("==") for need in floors):
            assert re.fullmatch(rf"{re.escape(floor)}(\.0)*", held[name]), name
    return python.parent


IMPORTS = """
import importlib, pkgutil, sys, udl
absent = set()
for module in pkgutil.walk_packages(udl.__path__, "udl."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        absent.add(error.name)
        print(module.name, error.name)
assert absent == {"torch"}, absent
assert not [name for name in sys.modules if name.startswith("torch")]
"""


@pytest.mark.release
def test_all_modules_load_but_those_of_torch(installed: Path) -> None:
    # Old releases of other packages warn of each other.
    strict = [] if "oldest" in str(installed) else ["-W", "error"]
    out = run(installed / "python", *strict, "-c", IMPORTS).stdout
    told = {line.split()[0].split(".")[1] for line in out.splitlines()}
    assert told <= {"_evaluating", "gpt", "train", "web", "zoo"}


@pytest.mark.release
def test_examples_of_the_docstrings_hold(installed: Path, tmp_path: Path) -> None:
    run(installed / "python", "-m", "pip", "install", "--quiet", "pytest")
    flags = "doctest_optionflags=NORMALIZE_WHITESPACE NUMBER"
    modules = [f"udl.{name}" for name in WITHOUT_TORCH]
    command = [installed / "python", "-m", "pytest", "-q", "-o", flags, "--pyargs"]
    done = run(*command, "--doctest-modules", *modules, cwd=tmp_path)
    assert re.search(r"\d{2,} passed", done.stdout)


@pytest.mark.release
def test_the_program_runs(installed: Path, tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("UDL_")
    }
    environment |= {"XDG_CACHE_HOME": str(tmp_path)}
    program = installed / "udl"
    version = PROJECT["project"]["version"]
    assert run(program, "--version").stdout == f"udl {version}\n"
    report = json.loads(run(program, "doctor", "--json", env=environment).stdout)
    assert report["healthy"] is True
    assert f"udl {version}" in [one["name"] for one in report["findings"]]
    rows = json.loads(run(program, "data", "list", "--json", env=environment).stdout)
    kinds = {row["name"]: row["kind"] for row in rows}
    assert kinds["titanic"] == kinds["wine"] == "real"
    assert kinds["digits"] == kinds["life_expectancy"] == "stand-in"
    run(program, "data", "verify", env=environment)
    done = subprocess.run(
        [program, "gpt", "sample", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "Error: this needs PyTorch, which is not installed: pip install torch\n"


USER = """
import numpy as np
from udl import linear

x = np.array([0.0, 1.0, 2.0])
line = linear.fit_line(x, x)
reveal_type(line.slope)
linear.fit_line("three", x)
"""


@pytest.mark.release
def test_a_type_checker_sees_the_types(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    command += ["--python-executable", str(installed / "python"), "user.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'user.py:7: note: Revealed type is "float"' in done.stdout.replace("builtins.", "")
    assert 'user.py:8: error: Argument 1 to "fit_line"' in done.stdout
    assert "Found 1 error in 1 file" in done.stdout
