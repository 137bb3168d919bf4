"""The reference of the package: every name is used and explained, and links lead both ways."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from html import unescape
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "udl"
BOOK = ROOT / "book"
PAGES = sorted(BOOK.glob("*.md"))

spec = importlib.util.spec_from_file_location("api_names", BOOK / "_ext" / "api_names.py")
assert spec is not None
assert spec.loader is not None
api_names = importlib.util.module_from_spec(spec)
spec.loader.exec_module(api_names)

NAMES = api_names.Names(SOURCE)
ENTRIES = [
    f"{module}.{name}"
    for module, names in NAMES.modules.items()
    for name in names
    if f"{module}.{name}" not in NAMES.modules
]
# Used where no import shows it.
USED_OTHERWISE = {
    "udl.cli.main": "the command udl",
    "udl.data.available": "book/_ext/execution.py: the key of a chapter's outputs",
    "udl.data.loaded": "book/_ext/execution.py: the panel at a chapter's foot",
}


@cache
def trees() -> dict[Path, ast.Module]:
    paths = sorted(SOURCE.rglob("*.py"))
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def definitions(entry: str) -> list[tuple[Path, ast.FunctionDef | ast.ClassDef]]:
    """Return where the function or class of an entry is written; nothing for a constant."""
    parts = entry.split(".")
    folder = SOURCE.joinpath(*parts[1:-1])
    found = [
        (path, node)
        for path, tree in trees().items()
        if path.is_relative_to(folder) or path == folder.with_suffix(".py")
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == parts[-1]
    ]
    return sorted(found, key=lambda pair: pair[0].name != "__init__.py")[:1]


FUNCTIONS = [
    pytest.param(path, node, id=entry.removeprefix("udl."))
    for entry in ENTRIES
    for path, node in definitions(entry)
    if isinstance(node, ast.FunctionDef)
]


@cache
def users() -> dict[str, set[str]]:
    """Return who uses each entry: chapters in cells or text, and other modules of the package."""
    found: dict[str, set[str]] = {entry: set() for entry in ENTRIES}
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        used = set().union(*NAMES.used(api_names.cells(text)))
        used |= {NAMES.named(code) for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)}
        for entry in used & found.keys():
            found[entry].add(path.stem)
    for path in trees():
        package = ".".join(("udl", *path.relative_to(SOURCE).parts[:-1]))
        for entry in NAMES.used([path.read_text(encoding="utf-8")], package)[0]:
            if path.name != "__init__.py" and path not in dict(definitions(entry)):
                found[entry].add(str(path.relative_to(SOURCE)))
    return found


def test_every_function_is_used_by_a_chapter_or_another_module_or_goes():
    functions = {entry for entry in ENTRIES for _, node in definitions(entry) if is_function(node)}
    unused = {entry for entry in functions if not users()[entry]}
    assert unused - USED_OTHERWISE.keys() == set()


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef)


def test_every_class_and_constant_is_used_or_comes_with_what_is():
    functions = {entry for entry in ENTRIES for _, node in definitions(entry) if is_function(node)}
    loaded = {getattr(n, "id", "") for tree in trees().values() for n in ast.walk(tree)}
    texts = "\n".join(path.read_text(encoding="utf-8") for path in trees())
    for entry in set(ENTRIES) - functions:
        parts = entry.split(".")
        # In code, or as the type of a parameter that a docstring explains.
        in_code = parts[-1] in loaded
        told = rf"^    \w+ : .*\b{parts[-1]}\b"
        in_text = re.search(told, texts, re.MULTILINE)
        assert users()[entry] or in_code or in_text, entry


def sections(node: ast.FunctionDef) -> dict[str, str]:
    """Return the parts of a docstring by their titles; what is before the first has none."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", ast.get_docstring(node) or "", flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("path", "node"), FUNCTIONS)
def test_a_docstring_says_all_that_one_has_to_know(path, node):
    found = sections(node)
    summary = found[""].partition("\n")[0]
    assert summary.endswith((".", ":")), summary
    arguments = node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a]
    heads = re.findall(r"^\S.*$", found.get("Parameters", ""), re.MULTILINE)
    explained = {name for head in heads for name in re.findall(r"\w+", head.partition(" : ")[0])}
    assert set(names) <= explained
    returns = "" if node.returns is None else ast.unparse(node.returns)
    if returns != "None" and not any(
        "contextmanager" in ast.unparse(d) for d in node.decorator_list
    ):
        assert "Returns" in found
    if any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
        assert "Raises" in found
    assert ">>> " in found["Examples"]


# As reStructuredText reads it: an initial at the head of a paragraph numbers an item of a list.
ITEM = re.compile(r"(?:^|\n\n|-\n)[ ]*(?:\w|[ivxlc]+)\. ")
MYST = re.compile(r"(?<![_^])\{[a-z][a-z:-]+\}`")


@pytest.mark.parametrize(("path", "node"), FUNCTIONS)
def test_a_docstring_has_no_list_by_mistake_and_no_markup_of_another_language(path, node):
    doc = ast.get_docstring(node) or ""
    assert ITEM.findall(doc) == []
    assert MYST.findall(doc) == []


@pytest.mark.parametrize(("path", "node"), FUNCTIONS)
def test_a_function_leads_to_where_it_is_explained(path, node):
    """A reference is a source, or a chapter that uses it: its entry links there."""
    module = ".".join(("udl", *path.relative_to(SOURCE).with_suffix("").parts))
    entry = NAMES.entry(f"{module.removesuffix('.__init__')}.{node.name}")
    sources = r"UDL|et al|\d{4}|torch|NumPy|:func:|:class:|PyTorch"
    doc = ast.get_docstring(node) or ""
    assert users()[entry] or re.search(sources, doc) or entry in USED_OTHERWISE


def test_each_module_is_on_exactly_one_page_of_the_reference():
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (BOOK / "api").glob("*.md")}
    shown = [n for t in texts.values() for n in re.findall(r"^```\{api\} (\S+)$", t, re.MULTILINE)]
    assert sorted(f"udl.{name}" for name in shown) == sorted(NAMES.modules)
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    pages = [page for part in parts for page in part["chapters"]]
    (sections,) = (page["sections"] for page in pages if page["file"] == "book/api")
    assert {section["file"] for section in sections} == {f"book/api/{name}" for name in texts}
    overview = (BOOK / "api.md").read_text(encoding="utf-8")
    assert {f"`udl.{name}`" in overview for name in shown} == {True}


# The extension, on a book of its own

MINIATURE = {
    "conf.py": """
        import sys
        from types import SimpleNamespace
        sys.path[:0] = ["_ext", "src"]
        extensions = ["myst_parser", "api"]
        exclude_patterns = ["_build", "_ext", "src"]
        nitpicky = True
        default_role = "literal"
        napoleon_use_param = napoleon_use_rtype = False
        napoleon_custom_sections = [["Attributes", "params_style"]]
        autodoc_typehints = "none"
        CELLS = [
            ("markdown", "(sec-first)=\\n## First"),
            ("code", "from toy import tools as t"),
            ("code", "t.double(1)"),
            ("code", "t.late(1)"),
        ]

        def prepared(app, env, docnames):
            cells = [SimpleNamespace(cell_type=kind, source=text) for kind, text in CELLS]
            page = SimpleNamespace(notebook=SimpleNamespace(cells=cells))
            env.udl_prepared = {"chapter": page}
            env.udl_reports = {"chapter": {}}

        def setup(app):
            app.add_config_value("udl_package", "src/toy", "env")
            app.connect("env-before-read-docs", prepared)
        """,
    "index.md": "# Book\n\n```{toctree}\nchapter\ntools\n```\n",
    "chapter.md": "# The chapter\n\n(sec-first)=\n## First, `tools.half`\n\nHere `tools.half(x)` "
    "and `tools.half` and `tools.nothing`. Later there is `tools.third`.\n",
    "tools.md": "# Tools\n\n```{api} tools\n```\n",
    "src/toy/__init__.py": "",
    "src/toy/tools.py": '''
        """Tools, two of them."""
        from pathlib import Path
        from typing import NamedTuple
        __all__ = ["HERE", "LIMIT", "Pair", "double", "half"]

        HERE = Path(__file__).parent
        """Where this lies."""

        LIMIT = {"a": 1}


        class Pair(NamedTuple):
            """Two numbers."""

            one: int
            two: int

            @property
            def sum(self) -> int:
                """The sum: of both."""
                return self.one + self.two


        def double(number: float, *, times: int = 1, **more: str) -> float:
            r"""Return :math:`2 x`, twice `number`; :class:`Pair` is for two.

            Parameters
            ----------
            number : array of shape (I, D), in m
                What to double.

            Raises
            ------
            ValueError
                Never.

            Examples
            --------
            >>> double(2)
            4
            """
            return 2 * number


        def half(number: float) -> float:
            """Return half of a number."""
            return number / 2
        ''',
}


def build(book: Path) -> str:
    """Build; return which pages were written."""
    command = [sys.executable, "-m", "sphinx", "-W", "-b", "html", ".", "_build"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=book, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def page(book: Path, name: str) -> str:
    return (book / "_build" / f"{name}.html").read_text(encoding="utf-8")


def test_entries_and_links_and_what_a_change_does_to_them(tmp_path):
    for name, text in MINIATURE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"^ {8}", "", text, flags=re.MULTILINE).lstrip(), encoding="utf-8")
    (tmp_path / "_ext").mkdir()
    for name in ("api", "api_names"):
        shutil.copy(BOOK / "_ext" / f"{name}.py", tmp_path / "_ext")
    build(tmp_path)
    tools, chapter = page(tmp_path, "tools"), page(tmp_path, "chapter")

    # An entry: words of the docstring as they are, the types as they are written.
    plain = unescape(re.sub(r"\s+", " ", re.sub("<[^>]*>", "", tools)))
    assert "(array of shape (I, D), in m)" in plain
    assert "double( number: float, *, times: int = 1, **more: str, ) -> float" in plain
    assert "The sum: of both." in plain
    assert "one: int two: int" in plain
    assert "Alias for field" not in plain
    assert "LIMIT = {'a': 1}" in plain
    assert "HERE" in plain
    assert "Path(" not in plain  # the same page on every machine
    assert 'class="math ' in tools
    assert 'href="#toy.tools.Pair"' in tools
    assert tools.index('id="toy.tools.double"') < tools.index('id="toy.tools.Pair"')

    # There and back; in the text once, and not in a title.
    used = re.findall(r'Used in <a [^>]*href="([^"]*)">(.*?)</a>\.', tools)
    assert [address for address, _ in used] == ["chapter.html#sec-first", "chapter.html"]
    assert chapter.count('href="tools.html#toy.tools.half"') == 2  # in the text, and in the list
    assert chapter.count('href="tools.html#toy.tools.double"') == 1
    listed = re.sub("<[^>]*>", "", chapter.partition('class="trust api-here"')[2])
    assert "From toy on this pagetoolsdouble, half" in listed

    # Nothing is read twice; a docstring and a chapter are read again when they change.
    assert "0 source files that are out of date" in build(tmp_path)
    source = tmp_path / "src" / "toy" / "tools.py"
    late = source.read_text().replace("half of a number", "the smaller part")
    late = late.replace('"half"]', '"half", "late", "third"]')
    late += '\n\ndef late(x):\n    """Say it."""\n\n\ndef third(x):\n    """Say a third."""\n'
    source.write_text(late)
    assert "0 added, 1 changed" in build(tmp_path)
    assert "the smaller part" in page(tmp_path, "tools")
    # What is written later than the chapter is linked both ways.
    used = re.findall(r'Used in <a [^>]*href="([^"]*)">', page(tmp_path, "tools"))
    assert used == ["chapter.html#sec-first", "chapter.html"] * 2
    chapter = page(tmp_path, "chapter")
    assert chapter.count('href="tools.html#toy.tools.third"') == 2
    assert chapter.count('href="tools.html#toy.tools.late"') == 1
    text = (tmp_path / "chapter.md").read_text()
    text = text.replace("tools.half", "tools.LIMIT")
    (tmp_path / "chapter.md").write_text(text.replace("tools.third", "tools.nobody"))
    build(tmp_path)
    used = re.findall(r'Used in <a [^>]*href="([^"]*)">', page(tmp_path, "tools"))
    assert len(used) == 3
    assert (
        "Used in"
        not in page(tmp_path, "tools").partition('id="toy.tools.half"')[2].partition("<dl")[0]
    )


def test_what_a_cell_uses_is_seen():
    code = """
    from udl import activations, linear as l, plot
    from udl.web import numeric
    import udl.data, udl
    l.predict(1); udl.data.cars(); plot.style
    for name in ["relu", "tanh"]:
        getattr(activations, f"d_{name}")
    """
    used = NAMES.used([re.sub("^    ", "", code, flags=re.MULTILINE)])[0]
    assert used == {
        *("udl.linear.predict", "udl.web.numeric", "udl.data.cars", "udl.plot.style"),
        *("udl.activations.d_relu", "udl.activations.d_tanh"),
    }
    assert NAMES.entry("udl.data._toy.cars") == "udl.data.cars"
    assert NAMES.entry("udl.linear.Fit.phi") == "udl.linear.Fit"
    assert NAMES.named("linear.predict(X, phi)") == "udl.linear.predict"
    assert NAMES.named("udl.gpt.sizes") == "udl.gpt.sizes"
    assert {NAMES.named(text) for text in ("linear", "predict", "np.linalg.solve")} == {""}
