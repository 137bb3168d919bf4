"""What the offline archive holds, opened as files: everything works, and nothing asks a server.

`open_page` sees to it that pages are quiet.
"""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"

pytestmark = [pytest.mark.browser, pytest.mark.book]

WIDGET = re.compile(
    r'<div class="udl-widget" id="[^"]*" data-module="([^"]*)">.*?</script>(?=.{0,20}</div>)',
    re.DOTALL,
)
KINDS = {"gpt", "landscape", "least-squares", "playground", "questions", "relu", "stepper"}


@pytest.fixture(scope="module")
def offline():
    """Load the script that packs."""
    spec = importlib.util.spec_from_file_location("offline", ROOT / "publish" / "offline.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(book, offline, tmp_path_factory):
    """Give the folder of the unpacked archive, in a path that has to be escaped."""
    where = tmp_path_factory.mktemp("A reader's files #1")
    for name, content in offline.files(HTML, None):
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return where


@pytest.fixture(scope="module")
def all_kinds(folder):
    """Give a page of the archive that holds one interactive of each kind, from its chapters."""
    found = {}
    for path in sorted((folder / "book").glob("*.html")):
        for match in WIDGET.finditer(path.read_text(encoding="utf-8")):
            found.setdefault(match[1], f"{match[0]}</div>")
    # It is put into the page that has weights, beside what that one holds.
    html = (folder / "book" / "training-a-gpt.html").read_text(encoding="utf-8")
    body = "".join(found[kind] for kind in sorted(found) if f'"{kind}"' not in html)
    page = folder / "book" / "all-kinds.html"
    head, article, rest = html.partition('<article class="bd-article">')
    html = head + article + rest.replace("</h1>", f"</h1>{body}", 1)
    page.write_text(html, encoding="utf-8")
    return page, set(found)


def test_interactives(all_kinds, open_page):
    path, kinds = all_kinds
    assert kinds == KINDS
    page = open_page(path.as_uri())
    for kind in sorted(kinds):
        widget = page.locator(f'[data-module="{kind}"]').first
        widget.scroll_into_view_if_needed()
        widget.locator(":scope > div:not(.udl-fallback) :is(button, input)").first.wait_for()
        widget.locator(".udl-fallback").wait_for(state="hidden")

    # The weights are in the page; the model writes.
    gpt = page.locator('[data-module="gpt"]')
    gpt.get_by_role("button", name="Load").click()
    text = gpt.locator(".udl-text")
    text.wait_for()
    before = text.inner_text()
    gpt.get_by_role("button", name=re.compile("Next|Sample|Step", re.I)).first.click()
    page.wait_for_function(
        "before => document.querySelector('.udl-gpt .udl-text').innerText !== before", arg=before
    )

    # A module that is loaded late, by another one.
    playground = page.locator('[data-module="playground"]')
    playground.get_by_text("This run as a program").click()
    playground.locator("pre", has_text="import").wait_for()


def test_slides_and_progress(folder, open_page):
    page = open_page((folder / "book" / "linear-regression.html").as_uri())
    page.get_by_role("button", name="Slides").click()
    bar = page.get_by_role("navigation", name="Slides")
    bar.locator("output", has_text="1 /").wait_for()
    assert page.evaluate("getComputedStyle(document.querySelector('.sl-bar')).position") == "fixed"
    page.keyboard.press("ArrowRight")
    bar.locator("output", has_text="2 /").wait_for()
    page.keyboard.press("Escape")

    page.locator(".udl-done input").first.check()
    page.goto((folder / "book" / "exercises.html").as_uri())
    page.get_by_text(re.compile(r"^1 of \d+ exercises done")).wait_for()
    theme = page.evaluate("document.documentElement.dataset.mode")
    page.locator("button.theme-switch-button:visible").first.click()
    page.wait_for_function("old => document.documentElement.dataset.mode !== old", arg=theme)


def test_it_opens_and_search_finds(folder, open_page):
    page = open_page((folder / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    page.goto(f"{(folder / 'search.html').as_uri()}?q=normal+equation")
    first = page.locator("#search-results li a").first
    first.wait_for()
    assert "normal equation" in first.inner_text().lower()
    page.wait_for_selector("#search-results >> text=/Search finished|found/i")
    first.click()
    page.wait_for_url("**/book/*.html*")


def test_every_file_that_a_page_asks_for_is_there(folder):
    wanted = set()
    for path in folder.rglob("*.html"):
        if path.name == "all-kinds.html":
            continue
        html = path.read_text(encoding="utf-8")
        html = re.sub(r"(<script\b[^>]*>).*?</script>", r"\1", html, flags=re.DOTALL)
        for address in re.findall(r'\s(?:src|href)="([^"#?:]+)[#?"]', html):
            wanted.add((path.parent / address).resolve())
    assert len(wanted) > 60
    assert not sorted(path for path in wanted if not path.exists())


def test_the_policy_lets_no_page_ask_a_network(folder):
    for path in folder.rglob("*.html"):
        for policy in re.findall(r'Security-Policy" content="([^"]*)"', path.read_text("utf-8")):
            assert policy.startswith("default-src 'none';")
            assert "connect-src" not in policy
            assert "http" not in policy
