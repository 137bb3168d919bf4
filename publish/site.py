"""Put the site together: the newest book at the root, each earlier release under ``versions/``.

    python publish/site.py OUT --html _build/html --releases FOLDER

``FOLDER`` holds a folder for each release, named by its tag, with the offline archive that was
attached to it; ``releases.json`` in it (of ``gh release list --json tagName,publishedAt``) gives
dates. An earlier version says where the newest is, and asks search engines to pass by. The site is
made beside ``OUT`` and takes its place when it is complete.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import stat
import sys
import tempfile
import zipfile
from contextlib import suppress
from html import escape
from pathlib import Path, PurePosixPath

from address import configured

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from downloads import fill as fill_downloads  # noqa: E402
from launch import TAG, base_path  # noqa: E402

NAME = "hands-on-deep-learning"
ARCHIVE = f"{NAME}-offline.zip"
DOWNLOADS = (f"{NAME}.pdf", ARCHIVE)
LIMIT = 1_000_000_000  # bytes: what GitHub Pages takes
TITLE = "Hands-on Deep Learning"
NOINDEX = '<meta name="robots" content="noindex">'

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
{noindex}
<meta name="color-scheme" content="light dark">
<title>{title} &#8212; {book}</title>
<style>
:root {{ --ink: #1b1f24; --paper: #fff; --muted: #5a6270; --line: #d5d9df; --link: #005f96; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e8eb; --paper: #14181d; --muted: #a8b0bb; --line: #3a424c; }}
  :root {{ --link: #6cb8ee; }}
}}
body {{ margin: 0; background: var(--paper); color: var(--ink); }}
body {{ font: 1.0625rem/1.6 system-ui, sans-serif; }}
main {{ max-width: 38rem; margin: 0 auto; padding: 3rem 1.25rem; }}
h1 {{ font-size: 1.75rem; line-height: 1.25; }}
a {{ color: var(--link); text-underline-offset: .15em; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); text-align: left; }}
td:last-child {{ color: var(--muted); }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def version_key(tag: str) -> tuple[int, int, int, bool, str, int]:
    """Order tags as versions; a candidate stands before its release.

    >>> sorted(["v0.10.0", "v0.9.0", "v0.10.0rc2", "v0.10.0rc10"], key=version_key)
    ['v0.9.0', 'v0.10.0rc2', 'v0.10.0rc10', 'v0.10.0']
    """
    found = TAG.fullmatch(tag)
    if not found:
        raise ValueError(f"expected a tag such as v1.2.3, got {tag!r}")
    major, minor, patch, more = found.groups()
    kind, number = re.fullmatch(r"([a-z]*)(\d*)", more or "").groups()  # type: ignore[union-attr]
    return int(major), int(minor), int(patch), not more, kind, int(number or 0)


def unpack(archive: Path, folder: Path, limit: int = LIMIT) -> None:
    """Unpack an archive, and nothing of it anywhere but in ``folder``.

    Raises
    ------
    ValueError
        If a name leads out of the folder, an entry is no plain file, the whole is too large, or
        there is no ``index.html``. Nothing has been written then.
    """
    try:
        file = zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: expected a zip archive ({error})") from error
    with file as zipped:
        entries = [entry for entry in zipped.infolist() if not entry.is_dir()]
        for entry in entries:
            # As it stands in the archive: `filename` is what zipfile has made of it already.
            name = entry.orig_filename
            path = PurePosixPath(name)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if path.is_absolute() or ".." in path.parts or re.search(r"[\\:\0]", name):
                raise ValueError(f"{archive}: {name!r} leads out of the archive's folder")
            if kind not in (0, stat.S_IFREG):
                raise ValueError(f"{archive}: {name!r} is no plain file")
        if (total := sum(entry.file_size for entry in entries)) > limit:
            raise ValueError(f"{archive}: {total:,} bytes unpacked, expected at most {limit:,}")
        tops = {PurePosixPath(entry.filename).parts[0] for entry in entries}
        depth = 0 if "index.html" in tops else 1
        inside = {PurePosixPath(*PurePosixPath(e.filename).parts[depth:]): e for e in entries}
        if (len(tops) != 1 and depth) or PurePosixPath("index.html") not in inside:
            raise ValueError(f"{archive}: expected a site with an index.html, found none")
        for path, entry in inside.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipped.open(entry) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def mark_earlier(site: Path, folder: Path, tag: str) -> None:
    """Let each page of an earlier version say so, and lead to the same page of the newest."""
    for page in sorted(folder.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        inside = page.relative_to(folder)
        newest = inside if (site / inside).is_file() else Path("index.html")
        up = "../" * (len(page.relative_to(site).parts) - 1)
        note = (
            f'<p class="earlier-version" role="note">This is version {escape(tag[1:])}. '
            f'<a href="{up}{newest.as_posix()}">Read the newest</a>, or '
            f'<a href="{up}versions/index.html">see all versions</a>.</p>'
        )
        text = re.sub(r'\s*<meta name="robots"[^>]*>|\s*<link rel="canonical"[^>]*>', "", text)
        for after, what in ((r"<head(?=[\s>])[^>]*>", NOINDEX), (r"<article\b[^>]*>", note)):
            if start := re.search(after, text):
                text = text[: start.end()] + what + text[start.end() :]
        page.write_text(text, encoding="utf-8")


def versions_page(tags: list[str], dates: dict[str, str]) -> str:
    """Write the page that lists the versions."""
    rows = "".join(
        f'<tr><td><a href="{tag}/index.html">{tag[1:]}</a></td>'
        f"<td>{escape(dates.get(tag, ''))}</td></tr>\n"
        for tag in tags
    )
    listed = (
        '<table>\n<thead><tr><th scope="col">Version</th><th scope="col">Released</th></tr>'
        "</thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table>"
        if tags
        else "<p>There is no earlier one yet.</p>"
    )
    body = (
        '<p><a href="../index.html">The newest state of the book</a> is rebuilt with every '
        "change. Released versions stay as they were.</p>\n" + listed
    )
    return PAGE.format(noindex=NOINDEX, title="Versions", book=TITLE, body=body)


def not_found_page(base: str) -> str:
    """Write the page for an address that leads nowhere; it is shown at any depth."""
    body = (
        f'<p>There is no such page, or no longer. <a href="{escape(base)}index.html">Start at the '
        f'book\'s first page</a>, or <a href="{escape(base)}search.html">search</a>.</p>'
    )
    return PAGE.format(noindex=NOINDEX, title="Not found", book=TITLE, body=body)


def releases_in(folder: Path | None) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the archives by tag, the newest first, and the dates that are known."""
    if folder is None or not folder.is_dir():
        return {}, {}
    found = {}
    for tag in sorted(
        (p.name for p in folder.iterdir() if p.is_dir() and TAG.fullmatch(p.name)),
        key=version_key,
        reverse=True,
    ):
        archives = sorted((folder / tag).glob("*-offline.zip"))
        if archives:
            found[tag] = archives[0]
        else:
            print(f"{tag}: no offline archive is attached to this release; left out")
    dates = {}
    with suppress(FileNotFoundError):
        for release in json.loads((folder / "releases.json").read_text(encoding="utf-8")):
            dates[str(release["tagName"])] = str(release["publishedAt"])[:10]
    return found, dates


def assemble(
    out: Path, html: Path, releases: Path | None = None, *, base: str = "/", limit: int = LIMIT
) -> None:
    """Make the site in ``out``; what stood there stays as it was if anything fails."""
    if not (html / "index.html").is_file():
        raise ValueError(f"expected a built book, found no {html / 'index.html'}")
    archives, dates = releases_in(releases)
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        site = made / "site"
        shutil.copytree(html, site, ignore=shutil.ignore_patterns(".*"))
        for name in DOWNLOADS:
            if (html.parent / name).is_file():
                shutil.copy2(html.parent / name, site / name)
        (site / "versions").mkdir()
        page = versions_page(list(archives), dates)
        (site / "versions" / "index.html").write_text(page, encoding="utf-8")
        (site / "404.html").write_text(not_found_page(base), encoding="utf-8")
        (site / ".nojekyll").touch()
        fill_downloads(site)  # before the earlier versions: these keep their own
        for tag, archive in archives.items():
            folder = site / "versions" / tag
            unpack(archive, folder, limit)
            mark_earlier(site, folder, tag)
        size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
        if size > limit:
            raise ValueError(
                f"the site has {size:,} bytes, expected at most {limit:,}: leave out old releases"
            )
        if out.exists():
            out.rename(made / "before")
        try:
            site.rename(out)
        except OSError:
            if (made / "before").exists():
                (made / "before").rename(out)
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def main(argv: list[str] | None = None) -> int:
    """Put the site together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder of the site; replaced when it is complete")
    parser.add_argument(
        "--html", type=Path, default=ROOT / "_build" / "html", help="the built book"
    )
    parser.add_argument("--releases", type=Path, help="folder with a folder for each release")
    parser.add_argument(
        "--base", help="path that the site is served from (default: from _config.yml)"
    )
    options = parser.parse_args(argv)
    base = options.base or base_path(configured())
    try:
        assemble(options.out, options.html, options.releases, base=base)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        print(f"site.py: {error}", file=sys.stderr)
        return 1
    count = sum(1 for _ in options.out.rglob("*.html"))
    print(f"{options.out}: {count} pages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
