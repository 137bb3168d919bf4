"""Print the built book as one PDF: tagged, with an outline, a list of contents and all solutions.

The pages have their formulas and figures in them, so Chromium prints what a reader sees. They are
joined in the order of ``_toc.yml`` by ``pdf.js``, in a page of their own, and look as ``pdf.css``
says. Printed twice: the first time tells on which page each entry of the contents begins, the
second has these numbers, and must have broken its pages at the same places.

    python publish/pdf.py [OUT]
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import matplotlib
import yaml
from browsers import chromium
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

import udl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
OUT = ROOT / "_build" / "hands-on-deep-learning.pdf"
LICENSE = "Text CC BY 4.0, code MIT"
# What is about the pages themselves, and the API reference, which is for searching and clicking.
LEFT_OUT = ("book/api", "book/build-report", "book/measurements", "book/changelog")
# Fonts that come with matplotlib, so that each machine prints alike.
FONTS = {
    "Stix": ("STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol", "STIXGeneralBolIta"),
    "DejaVu": ("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSans-Bold", "DejaVuSans-BoldOblique"),
    "DejaVuMono": (
        "DejaVuSansMono",
        "DejaVuSansMono-Oblique",
        "DejaVuSansMono-Bold",
        "DejaVuSansMono-BoldOblique",
    ),
}
WIDTH = 612  # of the text, in pixels: A4 without the margins in pdf.css
DOWNLOADS = re.compile(r"<!--downloads-->.*?<!--/downloads-->", re.DOTALL)
FORMULA = re.compile(r"x-f(\d+)")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def order(toc: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the pages of the book, each with the title of its part.

    >>> list(order({"root": "a", "parts": [{"caption": "B", "chapters": [{"file": "c"}]}]}))
    [('a', ''), ('c', 'B')]
    """

    def below(entries: list[dict[str, Any]], part: str) -> Iterator[tuple[str, str]]:
        for entry in entries:
            yield entry["file"], part
            yield from below(entry.get("sections", []), part)

    yield toc["root"], ""
    for part in toc.get("parts", []):
        yield from below(part["chapters"], part.get("caption", ""))
    yield from below(toc.get("chapters", []), "")


def pages(site: Path, toc: dict[str, Any], without: tuple[str, ...]) -> list[dict[str, str]]:
    """Return what pdf.js needs of each page."""
    found = []
    for docname, part in order(toc):
        path = site / f"{docname}.html"
        if docname in without or docname.startswith(tuple(f"{name}/" for name in without)):
            continue
        if not path.exists():
            raise FileNotFoundError(f"the book has no {docname}.html: run `make book` first")
        name = docname.removeprefix("book/").replace("/", "-")
        html = DOWNLOADS.sub("", path.read_text(encoding="utf-8"))
        found.append({"path": f"{docname}.html", "name": name, "html": html, "part": part})
    return found


def printed() -> datetime:
    """Return when the book is printed; ``SOURCE_DATE_EPOCH`` says it for a print that repeats."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)


def faces() -> str:
    """Return the rules that name the fonts."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    rules = []
    for family, files in FONTS.items():
        for k, file in enumerate(files):
            style, weight = ("normal", "italic")[k % 2], (400, 700)[k // 2]
            source = (folder / f"{file}.ttf").as_uri()
            rules.append(
                f"@font-face {{ font-family: {family}; src: url({source}); "
                f"font-style: {style}; font-weight: {weight} }}"
            )
    return "\n".join(rules)


def frame(site: Path, config: dict[str, Any]) -> str:
    """Return the page that the others are put in: cover, contents, and no chapters yet."""
    title, author, date = escape(config["title"]), escape(config["author"]), printed()
    style = (site / "_static" / "book.min.css").as_uri()
    sign = (ROOT / "book" / "_static" / "favicon.svg").as_uri()
    css = faces() + (HERE / "pdf.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="{style}"><style>{css}</style></head>
<body><div class="cover"><div><h1>{title}</h1>
<p class="what">A textbook that runs.<br>
Every figure and every number comes from a cell of code.</p><p>{author}</p></div>
<img src="{sign}" alt="">
<div class="about"><p>Version {udl.__version__}, {date.day} {date:%B %Y}</p>
<p>{LICENSE}.</p></div></div>
<nav class="toc" aria-label="Contents"><h1>Contents</h1><ol></ol></nav>
<main class="bd-content"></main></body></html>"""


def printout(page: Page) -> bytes:
    """Print what the page shows."""
    return page.pdf(tagged=True, outline=True, prefer_css_page_size=True, print_background=True)


NUMBER = """(places) => {
  for (const link of document.querySelectorAll("nav.toc a")) {
    link.querySelector(".page").textContent = places[link.hash.slice(1)] ?? "";
  }
}"""


# Chromium keeps what it has laid out, and takes it for the next print with the margins that it had
# dropped at the head of a page: so everything is laid out anew.
ANEW = """() => {
  document.body.style.display = "none";
  document.body.offsetHeight;
  document.body.style.display = "";
}"""


def places(pdf: bytes) -> dict[str, int]:
    """Return the page on which each target of a link stands, from one."""
    reader = PdfReader(BytesIO(pdf))
    numbers = {page.indirect_reference.idnum: k for k, page in enumerate(reader.pages, 1)}
    return {
        name.removeprefix("/"): numbers[place.raw_get("/Page").idnum]
        for name, place in reader.named_destinations.items()
    }


def entries(outline: DictionaryObject) -> Iterator[DictionaryObject]:
    """Yield the entries of an outline in order, each before those below it."""
    entry = outline.get("/First")
    while entry is not None:
        entry = entry.get_object()
        yield entry
        yield from entries(entry)
        entry = entry.get("/Next")


def finish(pdf: bytes, config: dict[str, Any], said: dict[str, list[str]]) -> bytes:
    """Say in the file itself what it is, and what Chromium leaves open."""
    writer = PdfWriter(clone_from=BytesIO(pdf))
    date = f"{printed():D:%Y%m%d%H%M%SZ}"
    writer.add_metadata(
        {
            "/Title": config["title"],
            "/Author": config["author"],
            "/Subject": f"Version {udl.__version__}. {LICENSE}.",
            "/CreationDate": date,
            "/ModDate": date,
        }
    )
    # A heading's entry has its letters as they are drawn: twice at the head of a page, and those
    # of a formula are of another alphabet.
    found = list(entries(writer.root_object["/Outlines"]))
    if len(found) != len(said["headings"]):
        raise ValueError(
            f"expected {len(said['headings'])} headings in the outline, got {len(found)}"
        )
    for entry, title in zip(found, said["headings"], strict=True):
        entry[NameObject("/Title")] = TextStringObject(title)
    # Nor does it know formulas. Each is in a language of its own, by its number: see pdf.js.
    for element in writer._objects:
        if isinstance(element, DictionaryObject) and "/Lang" in element:
            if match := FORMULA.fullmatch(str(element["/Lang"])):
                element[NameObject("/S")] = NameObject("/Formula")
                element[NameObject("/Alt")] = TextStringObject(said["formulas"][int(match[1])])
                del element["/Lang"]
    buffer = BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def make(site: Path, toc: dict[str, Any], config: dict[str, Any]) -> bytes:
    """Join the pages, print them twice, and return the PDF."""
    found = pages(site, toc, LEFT_OUT)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "book.html"
        path.write_text(frame(site, config), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(color_scheme="light", viewport={"width": WIDTH, "height": 900})
        page.emulate_media(media="print")
        page.set_default_timeout(600_000)
        page.goto(path.as_uri())
        said = page.evaluate((HERE / "pdf.js").read_text(encoding="utf-8"), found)
        if said["problems"]:
            raise ValueError("\n".join(said["problems"]))
        page.evaluate("document.fonts.ready.then(() => true)")
        numbers = places(printout(page))
        page.evaluate(NUMBER, numbers)
        page.evaluate(ANEW)
        pdf = printout(page)
        browser.close()
    if moved := [name for name, number in places(pdf).items() if numbers[name] != number]:
        raise ValueError(f"the contents name another page than that of {', '.join(moved[:5])}")
    return finish(pdf, config, said)


@contextmanager
def replacing(out: Path) -> Iterator[BinaryIO]:
    """Open a file that becomes `out` once it is whole; refuse at once what cannot be written."""
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    whole = out.with_name(f"{out.name}.part")
    try:
        with whole.open("wb") as file:
            yield file
        whole.replace(out)
    finally:
        whole.unlink(missing_ok=True)


def main(argv: list[str] | None = None) -> int:
    """Print the book."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=OUT, metavar="OUT")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--toc", type=Path, default=ROOT / "_toc.yml")
    given = parser.parse_args(argv)
    began = time.perf_counter()
    # It tells that Chromium's table of objects has a few numbers too little, which harms nobody.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    try:
        with replacing(given.out) as file:
            toc = yaml.safe_load(given.toc.read_text(encoding="utf-8"))
            pdf = make(given.site.resolve(), toc, config)
            file.write(pdf)
    except (OSError, ValueError) as error:
        print(f"pdf: {error}", file=sys.stderr)
        return 1
    count, seconds = len(PdfReader(BytesIO(pdf)).pages), time.perf_counter() - began
    print(f"{given.out}: {count} pages, {len(pdf) / 1e6:.1f} MB, in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
