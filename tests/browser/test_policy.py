"""The content security policy: on every page, no wider than needed, and kept by what pages do.

Each test that opens a page fails on what the console says, and a policy that stops something says
so there: a test below shows that it does.
"""

import base64
import hashlib
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CSP = "Content-Security-Policy"
RUNS = re.compile(r'<script(?: type="module")?>(.*?)</script>', re.DOTALL)
LINE = re.compile(r'^<meta http-equiv="Content-Security-Policy" content="([^"]*)">$', re.MULTILINE)
HEAD = '<!doctype html>\n<html lang="en"><head>\n<meta charset="utf-8">'
PAGE = HEAD + "\n<title>t</title><script>let a = 1</script></head><body>{}</body></html>\n"


@pytest.fixture(scope="module")
def policy():
    path = ROOT / "book" / "_ext" / "policy.py"
    spec = importlib.util.spec_from_file_location("book_policy", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rules(html: str) -> dict[str, list[str]]:
    (content,) = LINE.findall(html)
    return {words[0]: words[1:] for words in (rule.split() for rule in content.split(";"))}


# What the end of a build does to a page


def test_a_page_gets_its_policy_once_and_a_new_one_when_its_script_changes(policy):
    page = PAGE.format("")
    once = policy.guarded(page)
    assert policy.guarded(once) == once
    other = once.replace("let a = 1", "let a = 2")
    assert rules(policy.guarded(other))["script-src"] != rules(once)["script-src"]
    assert once.count("Security-Policy") == once.count('name="referrer"') == 1
    assert policy.WRITTEN.sub("", once) == page


def test_scripts_are_named_by_their_hash_and_data_is_not(policy):
    body = '<script type="application/json">{"a": 1}</script><script src="a.js"></script>'
    body += '<script type="text/plain">x</script><script type="module">\nimport("é")</script>'
    found = rules(policy.guarded(PAGE.format(body)))["script-src"]
    codes = ("let a = 1", '\nimport("é")')
    digests = [base64.b64encode(hashlib.sha256(code.encode()).digest()) for code in codes]
    assert found == ["'self'", *(f"'sha256-{digest.decode()}'" for digest in digests)]


def test_handlers_become_marks_and_unknown_ones_are_refused(policy):
    made = policy.guarded(PAGE.format("""<button onclick="location.hash='slides'">S</button>"""))
    assert '<button data-does="slides">S</button>' in made
    assert policy.guarded(PAGE.format('<button onclick="location.hash=&#39;slides&#39;">S'))
    with pytest.raises(policy.ExtensionError, match=r"'steal\(\)'.*expected toggleFullScreen"):
        policy.guarded(PAGE.format('<b onmouseover="steal()">S</b>'))
    with pytest.raises(policy.ExtensionError, match="names no character set"):
        policy.guarded("<html><head></head></html>")


def test_an_address_that_is_a_script_is_replaced(policy):
    link = """'<a href="javascript:SphinxHighlight.hideSearchWords()">' + _("Hide") + "</a>"; """
    assert "javascript:" not in policy.without_addresses(link)
    for changed in ("", link + link):
        with pytest.raises(policy.ExtensionError, match="SPHINX_LINK"):
            policy.without_addresses(changed)


# The book


@pytest.mark.book
def test_every_page_has_a_policy_that_names_its_own_scripts_and_no_others(book):
    problems = []
    for name, document in book.items():
        html = document.path.read_text(encoding="utf-8")
        found = rules(html)
        digests = {hashlib.sha256(code.encode()).digest() for code in RUNS.findall(html)}
        named = {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}
        if set(found["script-src"]) != {"'self'"} | named:
            problems.append(f"{name}: {found['script-src']}")
        place = [about.get("http-equiv") for _, about in document.tags].index(CSP)
        before = {tag for tag, _ in document.tags[:place]}
        if before - {"html", "head", "meta"}:
            problems.append(f"{name}: {before} stand before the policy")
        for tag, about in document.tags:
            if any(key.startswith("on") for key in about) or "javascript:" in str(about):
                problems.append(f"{name}: {tag} {about}")
        if '<meta name="referrer" content="no-referrer">' not in html:
            problems.append(f"{name}: tells other sites where its readers come from")
        del found["script-src"]
        assert found == {
            "default-src": ["'none'"],
            "style-src": ["'self'", "'unsafe-inline'"],
            "img-src": ["'self'", "data:"],
            "font-src": ["'self'", "data:"],
            "connect-src": ["'self'"],
            "object-src": ["'none'"],
            "base-uri": ["'none'"],
            "form-action": ["'self'"],
        }
    assert not problems, "\n".join(problems)


INJECTED = """<script>window.ran = "script"</script>
<img src="data:," alt="" onerror="window.ran = 'handler'">
<a id="bad" href="javascript:window.ran = 'address'">x</a>
<iframe id="frame" title="f" srcdoc="<script>parent.ran = 'frame'</script>"></iframe>
<base href="https://example.com/">"""


@pytest.mark.book
@pytest.mark.browser
def test_what_finds_its_way_into_a_page_does_not_run_and_is_noticed(site, open_page):
    page = open_page(f"{site}/book/notation.html")
    assert not open_page.problems

    def inject(route):
        body = route.fetch().text()
        route.fulfill(body=body.replace("<h1>", f"{INJECTED}<h1>"), content_type="text/html")

    page.route("**/notation.html", inject)
    page.reload()
    page.evaluate("document.getElementById('bad').click()")
    answer = page.evaluate(
        """async () => {
          let fetched = "";
          try { await fetch("https://example.com/"); } catch (error) { fetched = error.name; }
          await new Promise((done) => setTimeout(done, 200));
          return [window.ran ?? "", fetched, document.baseURI.startsWith(location.origin)];
        }"""
    )
    assert answer == ["", "TypeError", True]
    said = "\n".join(open_page.problems)
    for rule in ("inline script", "event handler", "base URI", "connect-src", "JavaScript URL"):
        assert rule in said
    open_page.problems.clear()


@pytest.mark.book
@pytest.mark.browser
def test_what_readers_do_on_a_page_is_allowed(site, open_page):
    page = open_page(f"{site}/book/linear-regression.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def press(name):
        page.locator(f".article-header-buttons [data-does={name}]").evaluate(
            "button => button.click()"
        )

    press("fullscreen")
    page.wait_for_function("document.fullscreenElement !== null")
    press("fullscreen")
    page.wait_for_function("document.fullscreenElement === null")
    page.evaluate("window.print = () => { window.printed = true; }")
    press("print")
    assert page.evaluate("window.printed")
    before = page.evaluate("document.documentElement.dataset.mode")
    page.locator(".theme-switch-button:visible").first.click()
    assert page.evaluate("document.documentElement.dataset.mode") != before
    code = page.locator(".cell_input pre").first
    code.scroll_into_view_if_needed()
    page.locator(".cell_input button.copybtn").first.evaluate("button => button.click()")
    page.wait_for_function("document.querySelector('.copybtn.success') !== null")
    assert page.evaluate("navigator.clipboard.readText()").strip() == code.inner_text().strip()

    # A search, a page that it found, and the marks that it has left there.
    page.goto(f"{site}/search.html?q=residual")
    found = page.locator("ul.search li a")
    found.first.wait_for()
    found.first.click()
    page.locator("span.highlighted").first.wait_for(state="attached")
    page.get_by_role("button", name="Hide Search Matches").click()
    assert page.locator("span.highlighted").count() == 0
