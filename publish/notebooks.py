"""Write what the branch ``notebooks`` holds: the chapters as notebooks, for Binder and Colab.

    python publish/notebooks.py OUT --html _build/html

The notebooks of a built book stand at the top, beside a README that lists them. ``binder/`` and
the package's source come along, so that ``pip install .[chapters]`` needs no address and nothing
that was not built from the same state. OUT is made anew; a ``.git`` in it stays.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

from address import configured

ROOT = Path(__file__).parent.parent
COPIED = ("LICENSE", "LICENSE-CONTENT", "binder", "pyproject.toml", "src")
README = """\
# {title}: the notebooks

This branch is written when the book is published: edit the chapters on the branch `{branch}`.
Each notebook runs from top to bottom, and installs what it needs where that is missing.

{launch}{chapters}

On a machine of your own:

    pip install ".[chapters]" jupyterlab
    jupyter lab

Code: MIT ([LICENSE](LICENSE)). Text and figures: CC BY 4.0 ([LICENSE-CONTENT](LICENSE-CONTENT)).
"""


def title(notebook: Path) -> str:
    """Return the heading of a notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    first = "".join(cells[0]["source"]).splitlines()[0]
    return re.sub(r"<[^>]*>|^#+", "", first).strip()


def ordered(notebooks: list[Path], toc: str) -> list[Path]:
    """Return notebooks in the order of the table of contents; the cover page is no chapter."""
    pages = re.findall(r"(?:file|root): *([\w/-]+)", toc)
    pages = [page for page in pages if page.count("/") < 2]  # those of the API are no notebooks
    places = {page.rpartition("/")[2]: k for k, page in enumerate(pages)}
    root = re.search(r"^root: *([\w/-]+)", toc, re.MULTILINE)
    cover = root[1].rpartition("/")[2] if root else ""
    return sorted((n for n in notebooks if n.stem != cover), key=lambda n: places[n.stem])


def own_constraints(text: str, pyproject: str) -> str:
    """Keep the versions of what the notebooks compute with.

    An image of Binder has Jupyter already: to replace that by other versions would make it larger.
    """
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["torch"], *extras["chapters"]]
    wanted = {re.split(r"[^\w-]", name)[0].lower() for name in asked}
    lines = [line for line in text.splitlines() if line.partition("==")[0].lower() in wanted]
    return "".join(f"{line}\n" for line in lines)


def clear(folder: Path) -> None:
    """Empty a folder, but for its history."""
    folder.mkdir(parents=True, exist_ok=True)
    others = [path for path in folder.iterdir() if path.name != ".git"]
    # A checkout of the book has a folder binder/, too.
    if others and (not (folder / "binder").is_dir() or (folder / "book").exists()):
        raise FileExistsError(f"{folder}: expected an empty folder, or what this script wrote")
    for path in others:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def assemble(out: Path, html: Path) -> list[Path]:
    """Write the branch's content; returns the notebooks, the cover page not among them."""
    found = sorted((html / "_notebooks").glob("*.ipynb"))
    if not found:
        raise FileNotFoundError(f"{html / '_notebooks'}: expected notebooks: run make book first")
    clear(out)
    for name in COPIED:
        if (ROOT / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", ".ipynb_checkpoints")
            shutil.copytree(ROOT / name, out / name, ignore=left_out)
        else:
            shutil.copy2(ROOT / name, out / name)
    for path in found:
        shutil.copy2(path, out / path.name)
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    own = own_constraints(constraints, pyproject)
    (out / "constraints.txt").write_text(own, encoding="utf-8")

    chapters = ordered(found, (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    said = {
        key: re.search(rf"^ *{key}: *(.+)$", config, re.MULTILINE) for key in ("title", "branch")
    }
    readme = README.format(
        title=said["title"][1] if said["title"] else "",
        branch=said["branch"][1] if said["branch"] else "main",
        launch=launch(configured(ROOT / "_config.yml")),
        chapters="\n".join(f"- [{title(path)}]({path.name})" for path in chapters),
    )
    (out / "README.md").write_text(readme, encoding="utf-8")
    return chapters


def launch(url: str) -> str:
    """Return the line that opens the list of them, where an address is known."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        from launch import services
    finally:
        sys.path.pop(0)
    links = [f"[{name}]({address})" for name, address in services(url, "index.ipynb")]
    return f"Open them on {' or '.join(links)}.\n\n" if links else ""


def main(argv: list[str] | None = None) -> int:
    """Write the folder that the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html", help="a built book")
    options = parser.parse_args(argv)
    try:
        chapters = assemble(options.out, options.html)
    except OSError as error:
        print(f"notebooks: {error}", file=sys.stderr)
        return 1
    print(f"{len(chapters)} notebooks in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
