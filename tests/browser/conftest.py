"""One browser and one local server for all tests of pages.

``CHROMIUM`` names the browser if it is not on the path. A missing browser or book skips, with its
reason; with ``UDL_NO_SKIP=1`` it fails.
"""

import os
import shutil
import threading
import time
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"

AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# The last flag resolves no name at all: a request that leaves the machine fails, and is seen.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def unavailable(reason: str) -> None:
    """Skip with a reason, or fail where nothing may be skipped."""
    if os.environ.get("UDL_NO_SKIP") == "1":
        pytest.fail(f"UDL_NO_SKIP=1, but {reason}", pytrace=False)
    pytest.skip(reason)


class Document(HTMLParser):
    """A page as flat lists: its tags in order, its ids, its links, its figures."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.tags: list[tuple[str, dict]] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.figures: list[dict] = []
        self.images: list[dict] = []
        self._open: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        self.ids |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        self.links += [
            attributes[name] for name in ("href", "src", "data") if attributes.get(name)
        ]
        if tag == "figure":
            self.figures.append({"id": attributes.get("id"), "images": [], "text": {}})
        if tag == "img" or attributes.get("role") == "img":
            inside = self._inside("figure")
            image = {
                "place": f"line {self.getpos()[0]}",
                "alt": attributes.get("alt") or attributes.get("aria-label", ""),
                "in figure": inside,
                "in output": any("cell_output" in names for _, names in self._open),
            }
            self.images.append(image)
            if inside:
                self.figures[-1]["images"].append(image)
        if tag not in VOID:
            self._open.append((tag, attributes.get("class", "")))

    def handle_endtag(self, tag):
        for k in range(len(self._open) - 1, -1, -1):
            if self._open[k][0] == tag:
                del self._open[k:]
                return

    def handle_data(self, data):
        if self._inside("figcaption") and self.figures:
            names = [name for _, classes in self._open for name in classes.split()]
            for part in ("caption-number", "caption-text"):
                if part in names:
                    text = self.figures[-1]["text"]
                    text[part] = text.get(part, "") + data

    def _inside(self, tag: str) -> bool:
        return any(name == tag for name, _ in self._open)


VOID = set("area base br col embed hr img input link meta source track wbr".split())


def built_pages() -> dict[str, Path]:
    """All pages of the book that hold something to read, by their path in it."""
    pages = {path.relative_to(HTML).as_posix(): path for path in sorted(HTML.rglob("*.html"))}
    return {
        name: path
        for name, path in pages.items()
        if not name.startswith("_")
        and (name != "genindex.html" or "genindextable" in path.read_text(encoding="utf-8"))
    }


def sends_on(path: Path) -> bool:
    """Whether a page does nothing but send its reader to another one."""
    return 'http-equiv="refresh"' in path.read_text(encoding="utf-8").lower()


def pytest_generate_tests(metafunc):
    """Run a test that asks for ``page_path`` once for each page that can be read."""
    if "page_path" in metafunc.fixturenames:
        names = [name for name, path in built_pages().items() if not sends_on(path)]
        metafunc.parametrize("page_path", names or ["(no book)"])


def pytest_collection_modifyitems(items):
    """Put the tests of a page together: they share its load. Its looks come first."""

    def page(item):
        return item.callspec.params["page_path"], "test_pages" not in item.nodeid

    some = [item for item in items if "page_path" in getattr(item, "fixturenames", ())]
    others = [item for item in items if "page_path" not in getattr(item, "fixturenames", ())]
    items[:] = sorted(some, key=page) + others


@pytest.fixture(scope="session", name="unavailable")
def give_unavailable():
    """Give `unavailable` to tests, which cannot import this file."""
    return unavailable


@pytest.fixture(scope="session")
def book():
    """Give the documents of the built book by their path."""
    pages = built_pages()
    if not pages:
        unavailable("there is no built book: run `make book` first")
    return {name: Document(path) for name, path in pages.items()}


@pytest.fixture(scope="session")
def browser():
    """Start one headless chromium for all tests."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        unavailable("there is no chromium: install it, or name it in CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class _Quiet(SimpleHTTPRequestHandler):
    # A page is text in UTF-8 whatever the machine's table of types says.
    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".svg": "image/svg+xml",
    }

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def serve():
    """Give a function that serves a folder and returns its address."""
    servers = []

    def start(folder: Path) -> str:
        handler = partial(_Quiet, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def site(book, serve):
    """Give the address of the built book."""
    return serve(HTML)


def new_context(browser, theme="light", width=1280, javascript=True):
    """Return a context whose pages have what a reader who chose this theme has."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        reduced_motion="reduce",
        java_script_enabled=javascript,
    )
    # This is where the theme keeps what the reader chose.
    context.add_init_script(
        f"try {{ localStorage.setItem('mode', '{theme}');"
        f" localStorage.setItem('theme', '{theme}'); }} catch {{}}"
    )
    return context


def new_page(context, url: str, problems: list[str]):
    """Return a page that writes down what is not quiet: nothing is opened in it yet.

    Quiet means no request off this machine, none that fails, and nothing in the console.
    """
    origin = "/".join(url.split("/")[:3])
    page = context.new_page()
    page.set_default_timeout(60_000)

    def on_request(request):
        if not request.url.startswith((origin + "/", "data:", "blob:", "about:")):
            problems.append(f"external request: {request.url}")

    def on_console(message):
        if message.type in {"error", "warning", "assert"}:
            problems.append(f"console {message.type}: {message.text}")

    def on_response(response):
        if response.status >= 400:
            problems.append(f"status {response.status}: {response.url}")

    def wait_for_function(condition, *, arg=None):
        end = time.monotonic() + 60
        while not page.evaluate(condition, arg):
            assert time.monotonic() < end, f"not so after a minute: {condition}"
            page.wait_for_timeout(20)

    # Playwright's own has the page evaluate a text, which the book's policy forbids.
    page.wait_for_function = wait_for_function
    page.on("request", on_request)
    page.on("console", on_console)
    page.on("response", on_response)
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    return page


@pytest.fixture
def open_page(browser):
    """Give a function that opens a page, and check at the end that it was quiet."""
    contexts = []
    problems: list[str] = []

    def start(url: str, *, wait="load", **how):
        contexts.append(new_context(browser, **how))
        page = new_page(contexts[-1], url, problems)
        page.goto(url, wait_until=wait)
        return page

    start.problems = problems
    yield start
    for context in contexts:
        context.close()
    assert not problems, "\n".join(sorted(set(problems)))


# Everything that a reader can open is open, and everything that loads late has loaded.
SETTLE = """async () => {
  // Sections far from the view are not laid out; here all of them are looked at.
  const style = document.createElement("style");
  style.id = "laid-out";
  style.textContent = "section { content-visibility: visible !important }";
  document.head.append(style);
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const toggle of document.querySelectorAll(".toggle-hidden")) {
    toggle.classList.remove("toggle-hidden");
  }
  for (const image of document.querySelectorAll("img")) image.loading = "eager";
  const late = (widget) => !widget.querySelector(".udl-fallback").hidden;
  const widgets = [...document.querySelectorAll(".udl-widget")];
  for (const widget of widgets) {
    widget.scrollIntoView();
    for (const end = performance.now() + 20_000; late(widget) && performance.now() < end;) {
      await new Promise((done) => setTimeout(done, 10));
    }
  }
  return widgets.filter(late).map((widget) => `interactive ${widget.id} did not load`);
}"""
# What watches the view looks a thousand pixels ahead, and is told with the next frames, however
# slow they are.
SCROLL_THROUGH = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight + 1000) {
    window.scrollTo(0, y);
    await frame();
    await frame();
  }
  await document.fonts.ready;
  window.scrollTo(0, 0);
  await frame();
  await frame();
}"""


@pytest.fixture(scope="session")
def shelf(browser, site):
    """Keep the page of the book that was opened last, and what it said."""
    context = new_context(browser, width=390)
    at = {"path": None, "page": None, "problems": []}

    def take(path):
        if at["path"] != path:
            if at["page"]:
                at["page"].close()
            url = f"{site}/{path}"
            at.update(path=None, problems=[])
            at["page"] = new_page(context, url, at["problems"])
            at["page"].goto(url)
            # A reader who comes for the first time.
            if at["page"].evaluate("localStorage.length") > 2:
                at["page"].evaluate("localStorage.clear()")
                at["page"].reload()
            at["problems"] += at["page"].evaluate(SETTLE)
            at["path"] = path
        return at

    yield take
    context.close()


@pytest.fixture
def open_here(page_path, shelf):
    """Give a function that opens the page of this test, settled; check that it was quiet.

    Tests of a page take it as the one before has left it. A width and a theme are set anew.
    ``whole=False`` lays out only what is near the view, as for a reader, and that is quicker.
    """
    taken = []

    def start(width=1280, theme="light", whole=True):
        taken.append(shelf(page_path))
        page = taken[0]["page"]
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media="screen", forced_colors="none", color_scheme=theme)
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.evaluate("on => { document.getElementById('laid-out').disabled = !on; }", whole)
        if whole:
            page.evaluate(SCROLL_THROUGH)
        return page

    yield start
    for at in taken:
        problems = sorted(set(at["problems"]))
        at["problems"].clear()
        assert not problems, "\n".join(problems)


# Contrast is nine tenths of the work on a long page, and most of its texts are alike: of those
# with one style on one ground, two are looked at.
LOOK = """async ([options, alike]) => {
  const grounds = new Map([[document, ""]]);
  const ground = (el) => {
    if (!grounds.has(el)) {
      const s = getComputedStyle(el);
      const own = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter, s.mixBlendMode,
        /fixed|sticky|absolute/.test(s.position)].join();
      const clear = own === "rgba(0, 0, 0, 0),none,1,none,normal,false";
      grounds.set(el, ground(el.parentNode) + (clear ? "" : `|${own}`));
    }
    return grounds.get(el);
  };
  const texts = new Map();
  for (const el of alike ? document.querySelectorAll("body, body *") : []) {
    const written = [...el.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!(written || el.matches("input, textarea, select")) || !el.checkVisibility()) continue;
    const s = getComputedStyle(el);
    const key = [el.closest(".udl-widget")?.id, s.color, s.fontSize, s.fontWeight, s.textShadow,
      ground(el)].join();
    texts.set(key, [...(texts.get(key) ?? []), el].slice(0, 2));
  }
  const chosen = [...texts.values()].flat();
  chosen.forEach((el) => el.setAttribute("data-chosen", ""));
  const selector = alike ? "[data-chosen]" : "*";
  axe.configure({ rules: [{ id: "color-contrast", selector }] });
  const { violations } = await axe.run(document, options);
  chosen.forEach((el) => el.removeAttribute("data-chosen"));
  return violations.flatMap(({ id, impact, nodes }) => nodes.map((node) =>
    `${id} (${impact}): ${node.target} ${node.html.slice(0, 200)}: ${node.failureSummary}`
      .replace(/\\s+/g, " ")));
}"""


@pytest.fixture
def violations():
    """Give a function that lists what axe finds on a page, a line each.

    With ``alike=True``, texts that look alike are measured once: for a whole page of the book.
    ``rules`` names those to hold it to, if not all.
    """

    def run(page, *, alike=False, rules=None) -> list[str]:
        if page.evaluate("typeof axe") == "undefined":
            page.evaluate(Axe().axe_script)
        options = AXE_OPTIONS | ({"runOnly": {"type": "rule", "values": rules}} if rules else {})
        return page.evaluate(LOOK, [options, alike])

    return run
