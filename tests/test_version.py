"""The version: at the foot of each page, and on the page of changes."""

import importlib.util
import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
VERSION = metadata.version("udl")
CHANGELOG = """\
# Changelog

The format.

## [Unreleased]
{later}
## [1.1.0] - 2026-02-28

### Added

- All [of it](#there).

## [1.0.0] - 2026-01-31

First.
"""

spec = importlib.util.spec_from_file_location("version", ROOT / "book" / "_ext" / "version.py")
assert spec is not None
assert spec.loader is not None
version = importlib.util.module_from_spec(spec)
spec.loader.exec_module(version)


def test_the_foot_says_what_a_release_does_not_have():
    assert version.current(CHANGELOG.format(later="")) == f"Version {VERSION}"
    later = CHANGELOG.format(later="\n### Fixed\n\n- A sign.\n")
    assert version.current(later) == f"Version {VERSION} and later changes"
    assert version.current("") == f"Version {VERSION}"


def test_readers_see_headings_without_brackets():
    text = version.for_readers(CHANGELOG.format(later=""))
    assert re.findall("^## .*$", text, re.MULTILINE) == [
        "## Version 1.1.0, 2026-02-28",
        "## Version 1.0.0, 2026-01-31",
    ]
    assert text.startswith("# Changelog\n\nThe format.\n\n## Version 1.1.0")
    assert "- All [of it](#there).\n" in text
    assert text.endswith("First.\n")
    text = version.for_readers(CHANGELOG.format(later="\n- A sign.\n"))
    assert "## Not released yet\n\n- A sign.\n" in text


@pytest.mark.book
@pytest.mark.parametrize("page", ["book/index", "book/gpt", "book/api/data", "search"])
def test_each_page_says_its_version(page):
    text = (HTML / f"{page}.html").read_text(encoding="utf-8")
    foot = re.search(r'<div class="?extra_footer"?>(.*?)</div>', text, re.DOTALL)
    assert foot
    link = re.search(r'<a href="?([^" >]+)"?>(Version [^<]+)</a>\.', foot[1])
    assert link
    assert link[2].split()[1] == VERSION
    assert (HTML / page).parent.joinpath(link[1]).resolve() == HTML / "book" / "changelog.html"


@pytest.mark.book
def test_the_page_of_changes_is_the_changelog():
    text = (HTML / "book" / "changelog.html").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    told = re.findall(r"<h2>Version ([^,]+), <span[^>]*>(\S+?)<", text)  # a date is not broken
    assert told == re.findall(r"^## \[([^\]]+)\] - (\S+)$", changelog, re.MULTILINE)
    assert told
    article = text[text.index("<h1") : text.index("</article>")]
    assert "[Unreleased]" not in article
