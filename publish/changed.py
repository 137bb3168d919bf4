"""List the pages that differ between two built sites, and how much text of each changed.

    python publish/changed.py OLD NEW [--markdown]

What is compared is a page's article: not the navigation, not the trust panel, and not what a
build states about itself (dates, times, the machine). It reads pages of strangers: it needs only
Python, runs nothing of theirs, and prints nothing of theirs but names of letters and digits.
"""

from __future__ import annotations

import argparse
import re
from difflib import SequenceMatcher
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

NAME = re.compile(r"[\w./-]+", re.ASCII)
# Between these marks stands what a build says of itself; see the extension `report`.
MARK = re.compile(r"(report|tally|measurements|downloads)\b")
VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "wbr",
}
BLOCKS = {"p", "li", "td", "th", "dt", "dd", "pre", "figcaption", "figure", "section", "tr", "div"}
BLOCKS |= {"h1", "h2", "h3", "h4", "h5", "h6"}
STAMP = re.compile(r"\?v=[0-9a-f]+")  # of a file's content: that file is compared, not its stamp


class Article(HTMLParser):
    """The article of a page: its text as blocks, and all the rest as one list."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self.others: list[str] = []
        self._words: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._inside = False
        self._marked = False
        self.feed(text)
        self.close()
        self._end()

    @property
    def _hidden(self) -> bool:
        return not self._inside or self._marked or any(hides for _, hides in self._open)

    def _end(self) -> None:
        if text := " ".join("".join(self._words).split()):
            self.blocks.append(text)
        self._words = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, unless it is of what a build states of itself."""
        if tag == "article":
            self._inside = True
            return
        if not self._inside:
            return
        if tag in BLOCKS:
            self._end()
        classes = (dict(attrs).get("class") or "").split()
        if tag not in VOID:
            self._open.append((tag, classes == ["trust"]))
        if not self._hidden:
            self.others.append(STAMP.sub("", f"<{tag} {sorted(map(str, attrs))}>"))

    def handle_endtag(self, tag: str) -> None:
        """Close a tag, and what was left open in it."""
        if tag == "article":
            self._end()
            self._inside, self._open = False, []
        elif any(tag == name for name, _ in self._open):
            if tag in BLOCKS:
                self._end()
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Collect text; a style or a script is none."""
        if self._hidden:
            return
        if self._open and self._open[-1][0] in {"style", "script"}:
            self.others.append(data)
        else:
            self._words.append(data)

    def handle_comment(self, data: str) -> None:
        """See what a build says of itself begin and end."""
        data = data.strip()
        if MARK.match(data):
            self._marked = True
        elif data.startswith("/") and MARK.match(data[1:]):
            self._marked = False


class Change(NamedTuple):
    """One page that differs."""

    page: str
    what: str  # "added", "removed" or "changed"
    words_added: int
    words_removed: int
    more: bool  # figures, formulas or markup differ as well


def words(blocks: list[str]) -> int:
    """Count the words of some blocks."""
    return sum(len(block.split()) for block in blocks)


def compare(page: str, old: str, new: str) -> Change | None:
    """Compare two versions of a page; None if its article says the same."""
    a, b = Article(old), Article(new)
    if (a.blocks, a.others) == (b.blocks, b.others):
        return None
    removed = added = 0
    for kind, i, j, k, m in SequenceMatcher(None, a.blocks, b.blocks, False).get_opcodes():
        if kind == "equal":
            continue
        before = " ".join(a.blocks[i:j]).split()
        after = " ".join(b.blocks[k:m]).split()
        kept = 0
        if max(len(before), len(after)) < 2000:  # the comparison takes quadratic time
            pairs = SequenceMatcher(None, before, after, False).get_matching_blocks()
            kept = sum(size for _, _, size in pairs)
        removed += len(before) - kept
        added += len(after) - kept
    return Change(page, "changed", added, removed, a.others != b.others)


def pages(site: Path) -> dict[str, Path]:
    """Return the pages of a site by name; not the files that only serve them."""
    found = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*.html"))}
    return {
        name: path
        for name, path in found.items()
        if NAME.fullmatch(name)
        and not name.startswith(("_", "versions/", "404"))
        and path.is_file()
    }


def changes(old: Path, new: Path) -> list[Change]:
    """Compare two sites, page by page."""
    before, after = pages(old), pages(new)
    found: list[Change] = []
    for name in sorted(before | after):
        a, b = (
            side[name].read_text(encoding="utf-8", errors="replace") if name in side else ""
            for side in (before, after)
        )
        if name in before and name in after:
            change = compare(name, a, b)
            found += [change] if change else []
        elif name in after:
            found.append(Change(name, "added", words(Article(b).blocks), 0, True))
        else:
            found.append(Change(name, "removed", 0, words(Article(a).blocks), True))
    return found


def table(found: list[Change], *, markdown: bool = False) -> str:
    """Write the changes as text, or as a table for a summary.

    >>> print(table([Change("book/gpt.html", "changed", 12, 3, False)]))
    changed  book/gpt.html: 12 words added, 3 removed
    """
    if not found:
        return "No page differs."
    if not markdown:
        return "\n".join(
            f"{c.what:8} {c.page}: {c.words_added} words added, {c.words_removed} removed"
            + ("; figures or markup differ" if c.more and c.what == "changed" else "")
            for c in found
        )
    return "\n".join(
        [
            "| page | | words added | words removed | figures, markup |",
            "| --- | --- | --: | --: | --- |",
        ]
        + [
            f"| `{c.page}` | {c.what} | {c.words_added} | {c.words_removed} "
            f"| {'differ' if c.more else 'same'} |"
            for c in found
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Print the pages that differ; 0 also where some do: it is a report, not a test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("old", type=Path, help="folder of a built site")
    parser.add_argument("new", type=Path, help="folder of another one")
    parser.add_argument("--markdown", action="store_true", help="write a table")
    options = parser.parse_args(argv)
    for site in (options.old, options.new):
        if not pages(site):
            parser.error(f"expected a built site, found no page in {site}")
    print(table(changes(options.old, options.new), markdown=options.markdown))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
