"""The public names of a package, and which of them a piece of code uses; nothing is imported."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FENCE = re.compile(r"^( *)(`{3,})\{code-cell\}[^\n]*\n(.*?)^\1\2", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?::[^\n]*\n)+)", re.MULTILINE | re.DOTALL)


@cache
def public(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what each public module of a package offers, and each module that one offers."""
    found = {}
    for path in sorted(folder.iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if path.name.startswith((".", "_")) or source.suffix != ".py" or not source.is_file():
            continue
        if names := offered(source):
            found[f"{folder.name}.{path.stem}"] = names
        for name in names:
            if path.is_dir() and (inner := path / f"{name}.py").is_file():
                found[f"{folder.name}.{path.stem}.{name}"] = offered(inner)
    return found


def offered(source: Path) -> tuple[str, ...]:
    """Return the names that a file lists as public, or defines without an underscore."""
    defined = []
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            defined.append(ast.unparse(getattr(node, "target", None) or node.targets[0]))
    known = source.name != "__init__.py"
    return tuple(sorted(n for n in defined if known and not n.startswith("_")))


class Names:
    """The public names of a package: its modules, and what they offer."""

    def __init__(self, folder: Path) -> None:
        self.package = folder.name
        self.modules = public(folder)

    def entry(self, name: str) -> str:
        """Return the entry that a dotted name leads to, or nothing.

        A name of a private module leads to where the package offers it, and a field to its class.
        """
        parts = name.split(".")
        for depth in (3, 2):
            module = ".".join(parts[:depth])
            for part in parts[depth:]:
                if part in self.modules.get(module, ()) and f"{module}.{part}" not in self.modules:
                    return f"{module}.{part}"
        return ""

    def named(self, text: str) -> str:
        """Return the entry or the module that a text in backquotes names exactly, or nothing."""
        name = text.partition("(")[0]
        if name.removeprefix(f"{self.package}.") in self.modules or "." not in name:
            return ""
        name = name if name.startswith(f"{self.package}.") else f"{self.package}.{name}"
        return name if name in self.modules or self.entry(name) == name else ""

    def used(self, cells: Iterable[str], package: str = "") -> list[set[str]]:
        """Return the entries that each cell uses."""
        names = self.mentioned(cells, package)
        return [{entry for name in found if (entry := self.entry(name))} for found in names]

    def mentioned(self, cells: Iterable[str], package: str = "") -> list[set[str]]:
        """Return the package's names in each cell, be they there or not yet.

        What a cell imports, those after it know. ``getattr(module, f"d_{name}")`` may use each
        name that a string of the cell completes.
        """
        known: dict[str, str] = {}
        return [self._mentioned(parsed(cell), known, package.split(".")) for cell in cells]

    def _mentioned(self, tree: ast.AST, known: dict[str, str], package: list[str]) -> set[str]:
        found = set()
        walked = list(ast.walk(tree))
        for node in walked:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    known[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) + 1 - node.level] if node.level else []
                origin = ".".join([*base, *filter(None, [node.module])])
                known |= {a.asname or a.name: f"{origin}.{a.name}" for a in node.names}
                found |= {f"{origin}.{a.name}" for a in node.names}
        for node in walked:
            if isinstance(node, ast.Attribute | ast.Name):
                first, *rest = ast.unparse(node).split(".")
                found.add(".".join([known.get(first, ""), *rest]))
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
                module = known.get(ast.unparse(node.args[0]), "")
                parts = getattr(node.args[1], "values", [])
                start = parts[0].value if parts and isinstance(parts[0], ast.Constant) else ""
                strings = {getattr(n, "value", None) for n in walked}
                found |= {f"{module}.{start}{s}" for s in strings if isinstance(s, str)}
        return {name for name in found if name.startswith(f"{self.package}.")}


def cells(text: str) -> list[str]:
    """Return the code cells of a page, without their options."""
    return [
        OPTIONS.sub("", re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))
        for indent, _, body in FENCE.findall(text)
    ]


def parsed(cell: str) -> ast.Module:
    """Return a cell as a tree, without the lines that only IPython understands."""
    plain = "\n".join("" if re.match(r" *[%!]", line) else line for line in cell.splitlines())
    for source in (cell, plain):
        try:
            return ast.parse(source)
        except SyntaxError:
            continue
    return ast.parse("")
