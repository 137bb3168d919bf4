"""What each page of the built book costs its reader, and what Lighthouse and axe say of it.

Weight is the sum of the gzipped bodies of all responses that a browser loads while it opens a
page and scrolls it to its end. The first paint is that of a slow phone: a processor a sixth as
fast as this one, and a slow mobile network (1.6 Mbit/s, 150 ms from end to end; the browser delays
each request as Lighthouse does). axe looks at a narrow window, once. Lighthouse measures as on a
phone; it comes from npm: `LIGHTHOUSE` names its command, or it is found with
`npx --no-install lighthouse`. `CHROMIUM` names the browser if it is not on the path.

    python benchmarks/pages.py [--runs 3] [--only linear-regression] [--markdown]

A page takes about 20 s a run. With ``--markdown``, the table is for the summary of a job.
"""

from __future__ import annotations

import argparse
import gzip
import json
import mimetypes
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from _harness import BUSY, report, table

HTML = Path(__file__).parents[1] / "_build" / "html"
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
COMPRESSED = {".html", ".css", ".js", ".mjs", ".svg", ".json", ".txt", ".xml", ".map"}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GOOD = 0.9  # of an audit's points: Lighthouse's own limit
TRIES = 3
PHONE = {"width": 390, "height": 844}
SLOWER = 6  # times, the phone's processor
# Lighthouse's slow mobile network: what it asks of a browser that delays whole requests.
NETWORK = {
    "offline": False,
    "latency": 562.5,
    "downloadThroughput": 1474.56 * 1024 / 8,
    "uploadThroughput": 675 * 1024 / 8,
}
PAINTED = """() => new Promise((done) => {
  const look = () => {
    const [entry] = performance.getEntriesByName("first-contentful-paint");
    entry ? done(entry.startTime / 1000) : setTimeout(look, 50);
  };
  look();
})"""
# To its end, as a reader; what watches the view follows.
SCROLL = """async () => {
  await new Promise((done) => setTimeout(done, 100));
  for (let y = 0; y < document.body.scrollHeight; y += 800) {
    window.scrollTo(0, y);
    await new Promise((done) => setTimeout(done, 30));
  }
}"""
LOOK = """async (rules) => (await axe.run(document,
  { runOnly: rules, resultTypes: ["violations"] })).violations.length"""


class Handler(BaseHTTPRequestHandler):
    """Serve the book as a host of static pages does: gzip, kept connections."""

    protocol_version = "HTTP/1.1"
    bodies: dict[str, tuple[str, bytes]] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        """Answer with the file, compressed if its type gains from it."""
        path = unquote(urlsplit(self.path).path).lstrip("/")
        if path not in self.bodies:
            file = (HTML / path).resolve()
            if not file.is_relative_to(HTML) or not file.is_file():
                self.send_error(404)
                return
            content = file.read_bytes()
            kind = TYPES.get(file.suffix) or mimetypes.guess_type(file)[0] or "text/plain"
            if file.suffix in COMPRESSED:
                content = gzip.compress(content, 9, mtime=0)
            self.bodies[path] = (kind, content)
        kind, content = self.bodies[path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "max-age=600")
        if Path(path).suffix in COMPRESSED:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the table readable."""


def weigh(browser: Browser, origin: str, page: str) -> dict[str, float]:
    """Open a page in a fresh context, scroll it to its end, and add up what it loaded."""
    context = browser.new_context(viewport={"width": 1350, "height": 940})
    urls: list[str] = []
    tab = context.new_page()
    tab.on("request", lambda request: urls.append(request.url))
    tab.goto(f"{origin}/{page}", wait_until="networkidle")
    tab.evaluate(SCROLL)
    tab.wait_for_load_state("networkidle")
    context.close()
    loaded = [url for url in urls if not url.startswith(("data:", "blob:"))]
    own = [url for url in loaded if url.startswith(origin + "/")]
    paths = [unquote(urlsplit(url).path).lstrip("/") for url in own]
    size = sum(len(Handler.bodies[path][1]) for path in paths if path in Handler.bodies)
    return {
        "kb_gzip": round(size / 1000, 1),
        "requests": len(loaded),
        "external": len(loaded) - len(own),
    }


def first_paint(browser: Browser, origin: str, page: str) -> float:
    """Give the seconds until a slow phone that comes for the first time shows something."""
    context = browser.new_context(viewport=PHONE, device_scale_factor=2, is_mobile=True)
    tab = context.new_page()
    devtools = context.new_cdp_session(tab)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", NETWORK)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    tab.goto(f"{origin}/{page}", wait_until="commit", timeout=120_000)
    seconds = tab.evaluate(PAINTED)
    context.close()
    return float(seconds)


def axe_violations(browser: Browser, origin: str, page: str) -> int:
    """Count the rules of axe that a page breaks on a narrow screen."""
    context = browser.new_context(viewport=PHONE, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(f"{origin}/{page}")
    tab.evaluate(SCROLL)
    tab.evaluate(Axe().axe_script)
    count = tab.evaluate(LOOK, AXE_RULES)
    context.close()
    return int(count)


def find_lighthouse() -> tuple[list[str], str]:
    """Find the command and its version; no command, and why, if there is none."""
    named = os.environ.get("LIGHTHOUSE")
    if not named and not shutil.which("npx"):
        return [], "missing: neither LIGHTHOUSE nor npx"
    command = shlex.split(named) if named else ["npx", "--no-install", "lighthouse"]
    try:
        run = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return [], f"missing: `{shlex.join(command)} --version` fails"
    return command, run.stdout.strip()


def quiet(patience_s: float = 60.0) -> bool:
    """Wait until other processes leave the machine alone; say whether they did."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if psutil.cpu_percent(interval=1) / 100 * (psutil.cpu_count() or 1) <= BUSY:
            return True
    return False


def lighthouse(command: list[str], chromium: str, url: str) -> tuple[dict[str, int], set[str]]:
    """Give the four scores, 0 to 100, of one run as on a phone, and the audits that cost points.

    A browser that gets no turn in time yields no score, so a run may be tried again.
    """
    call = [
        *command,
        url,
        "--quiet",
        "--output=json",
        "--output-path=stdout",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags=--headless=new {' '.join(FLAGS)}",
    ]
    env = {**os.environ, "CHROME_PATH": chromium}
    said = ""
    for _ in range(TRIES):
        try:
            run = subprocess.run(call, env=env, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired as error:
            said = str(error)
            continue
        if run.returncode:
            said = f"exit status {run.returncode} {run.stderr.strip()[-500:]}"
            continue
        result = json.loads(run.stdout)
        found, audits = result["categories"], result["audits"]
        unscored = [name for name in CATEGORIES if found[name]["score"] is None]
        if not unscored:
            break
        said = f"no score for {', '.join(unscored)}"
    else:
        sys.exit(f"Lighthouse failed {TRIES} times on {url}: {said}")
    used = [ref["id"] for name in CATEGORIES for ref in found[name]["auditRefs"] if ref["weight"]]
    points = {name: audits[name]["score"] for name in used}  # None where it does not apply
    lost = {name for name, point in points.items() if point is not None and point < GOOD}
    return {name: round(100 * found[name]["score"]) for name in CATEGORIES}, lost


def pages(part: str) -> list[str]:
    """Return the pages that can be read, not those that send on to another."""
    found = {path.relative_to(HTML).as_posix(): path for path in sorted(HTML.rglob("*.html"))}
    return [
        name
        for name, path in found.items()
        if part in name
        and not name.startswith(("_", "."))
        and 'http-equiv="refresh"' not in path.read_text(encoding="utf-8").lower()
    ]


def markdown(header: list[str], rows: list[list[str]]) -> None:
    """Print the table for the summary of a job."""
    for cells in [header, ["---", *["---:"] * (len(header) - 1)], *rows]:
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Measure, print a table, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median counts")
    parser.add_argument("--only", default="", help="part of the path of the pages to measure")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table, no JSON")
    options = parser.parse_args()

    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        sys.exit("there is no chromium: install it, or name it in CHROMIUM")
    if not (names := pages(options.only)):
        sys.exit("there is no built book: run `make book` first")
    command, version = find_lighthouse()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_address[1]}"
    metrics: dict[str, dict] = {}
    causes: dict[str, set[str]] = {}
    disturbed = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for page in names:
            metrics[page] = weigh(browser, origin, page)
            metrics[page]["axe"] = axe_violations(browser, origin, page)
            paints = []
            for _ in range(options.runs):
                disturbed += not quiet()
                paints.append(first_paint(browser, origin, page))
            metrics[page]["first_paint_s"] = statistics.median(paints) if paints else None
        browser.close()
    for page in names if command and options.runs else ():
        scores = []
        for _ in range(options.runs):
            disturbed += not quiet()
            score, lost = lighthouse(command, chromium, f"{origin}/{page}")
            scores.append(score)
            causes.setdefault(page, set()).update(lost)
        metrics[page]["lighthouse"] = {
            name: statistics.median(score[name] for score in scores) for name in CATEGORIES
        }

    header = ["page", "KB gzip", "requests", "external", "axe", "first paint s", "Lighthouse"]
    rows = [
        [
            page,
            f"{row['kb_gzip']:.1f}",
            *(str(row[name]) for name in ("requests", "external", "axe")),
            "" if row["first_paint_s"] is None else f"{row['first_paint_s']:.2f}",
            "/".join(f"{score:g}" for score in row.get("lighthouse", {}).values()),
        ]
        for page, row in metrics.items()
    ]
    print(f"Lighthouse {version}, phone: {', '.join(CATEGORIES)}; {options.runs} runs, median\n")
    (markdown if options.markdown else table)(header, rows)
    if any(causes.values()):
        print("\nWhat cost points in Lighthouse, in any run:")
    for page in filter(causes.get, causes):
        print(f"- {page}: {', '.join(sorted(causes[page]))}")
    if disturbed:
        print(f"\n{disturbed} runs began while others were busy: trust performance less")
    if not options.markdown:
        about = {"lighthouse": version, "runs": options.runs, "disturbed": disturbed}
        report("pages", {"pages": metrics, **about})


if __name__ == "__main__":
    main()
