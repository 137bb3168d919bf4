"""The design of the package, held against its source: who imports whom, what each one promises."""

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import udl

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "udl"

# From the ground up. Imports point down only; modules on one floor do not import each other.
FLOORS = (
    {"_check", "activations", "gradcheck", "plot"},
    # parts of linear; of deep and regions; of train and zoo; of exam and exercises
    {"_least_squares", "_network", "_evaluating", "_answers"},
    {"linear", "shallow", "deep", "regions", "losses", "optim", "autograd", "data"},
    {"backprop", "playground", "landscape", "train", "zoo", "exam"},
    {"gpt"},
    {"web", "exercises"},
    {"cli"},
)
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
ALONE = {"plot"}  # arrays in, Axes out: imports nothing of the package
# Who may name a heavy library at all, and who may load it along with itself.
MAY_NAME = {
    "torch": {"__init__", "_evaluating", "train", "gpt", "zoo", "cli"},
    "matplotlib": {"plot"},
    "pandas": {"data", "exam", "train", "zoo"},
    "pooch": {"data"},
    "scipy": {"activations", "losses", "zoo"},
    "sklearn": {"data", "zoo", "exam"},
    "tqdm": {"train", "gpt"},
    "tiktoken": {"gpt"},
    "click": {"cli"},
}
MAY_LOAD = {
    "torch": {"_evaluating", "train", "gpt", "zoo"},
    "matplotlib": {"plot"},
    "pandas": set(),
    "pooch": set(),
    "scipy": set(),
    "sklearn": {"zoo"},
    "tqdm": {"train", "gpt"},
    "tiktoken": set(),
    "click": {"cli"},
}

MODULES = sorted(
    path.stem
    for path in SOURCE.iterdir()
    if path.stem != "__init__" and (path.suffix == ".py" or (path / "__init__.py").exists())
)


def part_of(path: Path) -> str:
    """Return the module of the picture that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(
    node: ast.AST, package: list[str], *, later: bool = False
) -> Iterator[tuple[str, bool]]:
    """Yield each full name that is imported, and whether that happens as the module loads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, not later) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) + 1 - child.level] if child.level else []
            origin = ".".join(base + ([child.module] if child.module else []))
            if origin == "udl":
                yield from ((f"udl.{alias.name}", not later) for alias in child.names)
            else:
                yield origin, not later
        else:
            waits = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            waits |= isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from imported(child, package, later=later or waits)


def complaints(me: str, source: str, package: str = "udl") -> list[str]:
    """Return what a file of the module ``me`` imports against the design."""
    found = []
    for name, at_once in imported(ast.parse(source), package.split(".")):
        top, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if top in MAY_NAME:
            if me not in MAY_NAME[top]:
                found.append(f"{me} imports {top}")
            elif at_once and me not in MAY_LOAD[top]:
                found.append(f"{me} loads {top} at once")
        elif top == "udl" and not other:
            found.append(f"{me} imports udl as a whole: name the module")
        elif top == "udl" and other != me:
            if me in ALONE or FLOOR.get(other, len(FLOORS)) >= FLOOR[me]:
                found.append(f"{me} imports {other}, which is not below it")
    return found


def test_every_module_is_in_the_picture():
    assert set(MODULES) == FLOOR.keys()
    assert sum(len(floor) for floor in FLOORS) == len(FLOOR)


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_imports_point_down_only(path):
    me = part_of(path)
    package = ".".join(("udl", *path.relative_to(SOURCE).parts[:-1]))
    source = path.read_text(encoding="utf-8")
    if me == "__init__":
        names = {name.partition(".")[0] for name, _ in imported(ast.parse(source), ["udl"])}
        assert "udl" not in names
        assert names & MAY_NAME.keys() == {"torch"}
        assert ("torch", True) not in imported(ast.parse(source), ["udl"])
    else:
        assert complaints(me, source, package) == []


@pytest.mark.parametrize(
    ("me", "source", "complaint"),
    [
        ("linear", "from udl._check import finite\nimport numpy", ""),
        ("data", "def f():\n    import pandas as pd", ""),
        ("data", "if TYPE_CHECKING:\n    import pandas as pd", ""),
        ("data", "from udl.data._toy import cars\nfrom . import _toy", ""),
        ("data", "from udl.linear import predict", "linear, which is not below"),
        ("linear", "def f():\n    from udl import web", "web, which is not below"),
        ("data", "from ..linear import predict", "linear, which is not below"),
        ("data", "from .. import linear", "linear, which is not below"),
        ("web", "import udl", "as a whole"),
        ("plot", "from udl._check import finite", "_check, which is not below"),
        ("linear", "from udl.unheard import of", "unheard, which is not below"),
        ("linear", "import torch.nn as nn", "imports torch"),
        ("linear", "def f():\n    from matplotlib import pyplot", "imports matplotlib"),
        ("data", "class A:\n    import pandas", "loads pandas at once"),
        ("deep", "from udl._network import layers", ""),
        ("deep", "from udl.shallow import forward", "shallow, which is not below"),
        ("activations", "def f():\n    from scipy.special import erf", ""),
        ("activations", "from scipy.special import erf", "loads scipy at once"),
        ("regions", "def f():\n    import scipy", "imports scipy"),
        ("data", "try:\n    import pooch\nexcept ImportError: pass", "loads pooch at once"),
    ],
)
def test_a_breach_is_seen(me, source, complaint):
    found = complaints(me, source, "udl.data" if me == "data" else "udl")
    assert len(found) == bool(complaint)
    assert complaint in "".join(found)


LOADING = """
import sys, time
began = time.perf_counter()
import udl
seconds = time.perf_counter() - began
print(seconds, *{name.partition(".")[0] for name in sys.modules})
"""


def test_import_udl_is_light_and_quick():
    best = float("inf")
    for _ in range(15):  # another process may take the processor away
        command = [sys.executable, "-W", "error", "-c", LOADING]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, *loaded = done.stdout.split()
        assert not {"torch", "matplotlib", "pandas", "pooch", "scipy", "numpy"} & set(loaded)
        best = min(best, float(seconds))
        if best < 0.05:
            break
    assert best < 0.15


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_test_file_of_its_name(name):
    assert (ROOT / "tests" / f"test_{name.lstrip('_')}.py").is_file()


def test_the_package_lists_and_loads_its_modules():
    public = [name for name in MODULES if not name.startswith("_")]
    assert dir(udl) == sorted(["__version__", "device", *public])
    for name in public:
        assert getattr(udl, name) is importlib.import_module(f"udl.{name}")
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'; modules: .*'linear'"):
        udl.nothing  # noqa: B018
    assert udl.__version__.count(".") == 2


def public(module: ModuleType) -> list[str]:
    """Return the names that a module offers."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = (name for name, value in vars(module).items() if inspect.getmodule(value) is module)
    return [name for name in own if not name.startswith("_")]


PUBLIC = [importlib.import_module(f"udl.{name}") for name in MODULES if not name.startswith("_")]


@pytest.mark.parametrize("module", PUBLIC, ids=lambda m: m.__name__)
def test_a_module_says_what_it_offers(module):
    assert module.__doc__
    assert module.__all__
    assert list(module.__all__) == sorted(
        set(module.__all__), key=lambda n: (not n.isupper(), not n[0].isupper(), n)
    )
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    defined = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(module.__name__):
            defined |= {alias.asname or alias.name for alias in node.names}
    assert {name for name in defined if not name.startswith("_")} <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


THINGS = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in [udl, *PUBLIC]
    for name in public(module)
    if callable(getattr(module, name))
]


def functions(thing: object) -> Iterator[tuple[str, object]]:
    """Yield a function, or the public methods that a class defines."""
    if inspect.isfunction(thing):
        yield thing.__name__, thing
    else:
        for name, value in vars(thing).items():
            value = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if inspect.isfunction(value) and not name.startswith("_"):
                yield name, value


@pytest.mark.parametrize("thing", THINGS)
def test_what_is_public_is_documented_and_typed(thing):
    doc = inspect.getdoc(thing) or ""
    assert len(doc.splitlines()[0]) > 10
    if inspect.isfunction(thing):
        assert ">>> " in doc
    for name, function in functions(thing):
        assert inspect.getdoc(function), name
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty, name
        for parameter in list(signature.parameters.values())[inspect.isclass(thing) :]:
            assert parameter.annotation is not inspect.Parameter.empty, f"{name}: {parameter.name}"
