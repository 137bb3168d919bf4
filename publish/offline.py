"""Pack the built site into one archive that works without a server: unpack, open ``index.html``.

A browser that opens a page as a file reads no module, no weights and no other page for it. So
pages get a plain script that holds the modules, weights move into the pages that ask for them, and
search does without excerpts. The same site gives the same archive, byte for byte.

    python publish/offline.py [OUT]
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
OUT = ROOT / "_build" / "hands-on-deep-learning-offline.zip"
PDF = ROOT / "_build" / "hands-on-deep-learning.pdf"
TOP = "hands-on-deep-learning"
TIME = (2026, 1, 1, 0, 0, 0)  # of all files: an archive tells its content, not when it was packed
# What no page asks for: modules and weights are in scripts, the theme in book.min.css and .js.
UNUSED = re.compile(
    r"^(_static/(vendor|scripts|styles|locales|images)/|_static/.*(macros\.html|\.js_t|\.mjs|\.bin)$|\.)"
)
# Files have no origin that 'self' could mean in every browser. Nothing asks a network.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'self' file: data:; "
    "style-src 'unsafe-inline' 'self' file:; img-src 'self' file: data: blob:; "
    "font-src 'self' file: data:; form-action 'self' file:; base-uri 'none'"
)
META = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")[^"]*(")')
DOWNLOADS = re.compile(r"<!--downloads-->.*?<!--/downloads-->", re.DOTALL)
MODULES = "_static/modules.js"
README = """Hands-on Deep Learning, offline
===============================

Open index.html in a browser: all pages, interactives, slides, exercises and the search work
without a network and without a server. What you have done is kept by that browser.

Unpack the whole archive first: pages need the files beside them.
{pdf}
License: text CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; code MIT.
"""


def modules(site: Path) -> str:
    """Return the script that holds all modules.

    Raises
    ------
    FileNotFoundError
        If the site has none: then it is no built book.
    """
    static = site / "_static"
    found = {
        path.relative_to(static).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(static.rglob("*.mjs"))
    }
    if not found:
        raise FileNotFoundError(f"no modules in {static}: run `make book` first")
    code = (Path(__file__).parent / "offline.js").read_text(encoding="utf-8")
    return f"const MODULES = {json.dumps(found, ensure_ascii=False)};\n{code}"


def carried(html: str, site: Path) -> str:
    """Return the scripts with the files that the interactives of a page ask for."""
    names = [path for path in sorted((site / "_static/udl").glob("*.bin")) if path.name in html]
    return "".join(
        f'<script type="text/plain" data-file="{path.name}">'
        f"{base64.b64encode(path.read_bytes()).decode()}</script>"
        for path in names
    )


def changed(html: str, name: str, site: Path, pdf: Path | None = None) -> str:
    """Return a page as it works when it is opened as a file."""
    up = "../" * name.count("/")
    html = META.sub(rf"\g<1>{POLICY}\g<2>", html)
    beside = f'<p>The book is here <a href="{up}{pdf.name}">as a PDF</a>, too.</p>' if pdf else ""
    html = DOWNLOADS.sub(beside, html)
    if "_static/slides.mjs" in html or "udl/loader.js" in html:
        html = html.replace("</title>", f'</title>\n<script src="{up}{MODULES}"></script>', 1)
        start, body, end = html.rpartition("</body>")
        html = start + carried(html, site) + body + end
    if name == "search.html":
        # An excerpt would be read from the page that was found.
        stop = "<script>DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false</script>"
        html = html.replace("</head>", f"{stop}</head>", 1)
    return html


def files(site: Path, pdf: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield what is in the archive, name by name."""
    said = "\nThe book as a PDF lies beside this file.\n" if pdf else ""
    found = {path.relative_to(site).as_posix(): path for path in site.rglob("*") if path.is_file()}
    found = {name: path for name, path in found.items() if not UNUSED.search(name)}
    if "index.html" not in found:
        raise FileNotFoundError(f"no index.html in {site}: run `make book` first")
    made = {"README.txt": README.format(pdf=said).encode(), MODULES: modules(site).encode()}
    if pdf:
        found[pdf.name] = pdf
    for name in sorted({*found, *made}):
        if name in made:
            yield name, made[name]
        elif name.endswith(".html"):
            html = changed(found[name].read_text(encoding="utf-8"), name, site, pdf)
            yield name, html.encode()
        else:
            yield name, found[name].read_bytes()


def pack(site: Path, out: Path, pdf: Path | None = None) -> None:
    """Write the archive; a broken one never has its name."""
    out.parent.mkdir(parents=True, exist_ok=True)
    whole = out.with_name(f"{out.name}.part")
    try:
        with zipfile.ZipFile(whole, "w") as archive:
            for name, content in files(site, pdf):
                entry = zipfile.ZipInfo(f"{TOP}/{name}", TIME)
                # The same on all systems.
                entry.create_system, entry.external_attr = 3, 0o100644 << 16
                kind = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content, compress_type=kind, compresslevel=9)
        whole.replace(out)
    finally:
        whole.unlink(missing_ok=True)


def main(argv: list[str] | None = None) -> int:
    """Pack the site."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=OUT, metavar="OUT")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--pdf", type=Path, default=PDF, help="goes in, if it is there")
    given = parser.parse_args(argv)
    try:
        pack(given.site, given.out, given.pdf if given.pdf.exists() else None)
    except OSError as error:
        print(f"offline: {error}", file=sys.stderr)
        return 1
    with zipfile.ZipFile(given.out) as archive:
        count = len(archive.namelist())
    print(f"{given.out}: {count} files, {given.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
