"""What each page of the built book costs its reader, and what Lighthouse says of it.

Weight is the sum of the gzipped bodies of all responses that a browser loads while it opens a
page and scrolls it to its end. Lighthouse comes from npm: `LIGHTHOUSE` names its command, or it
is found with `npx --no-install lighthouse`. `CHROMIUM` names the browser if it is not on the path.

    python benchmarks/pages.py [--runs 5] [--only linear-regression]
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
from playwright.sync_api import Browser, sync_playwright

from _harness import BUSY, report, table

HTML = Path(__file__).parents[1] / "_build" / "html"
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
COMPRESSED = {".html", ".css", ".js", ".mjs", ".svg", ".json", ".txt", ".xml", ".map"}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")


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
    tab.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 800) {
                window.scrollTo(0, y);
                await new Promise((done) => setTimeout(done, 30));
            }
        }"""
    )
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


def lighthouse(command: list[str], chromium: str, url: str, form: str) -> dict[str, int]:
    """Give the four scores, 0 to 100, of one run."""
    options = ["--preset=desktop"] if form == "desktop" else []
    run = subprocess.run(
        [
            *command,
            url,
            "--quiet",
            "--output=json",
            "--output-path=stdout",
            f"--only-categories={','.join(CATEGORIES)}",
            f"--chrome-flags=--headless=new {' '.join(FLAGS)}",
            *options,
        ],
        env={**os.environ, "CHROME_PATH": chromium},
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    found = json.loads(run.stdout)["categories"]
    unscored = [name for name in CATEGORIES if found[name]["score"] is None]
    if unscored:
        sys.exit(f"Lighthouse gave no score for {', '.join(unscored)} of {url}")
    return {name: round(100 * found[name]["score"]) for name in CATEGORIES}


def main() -> None:
    """Measure, print a table, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of Lighthouse per page and form")
    parser.add_argument("--only", default="", help="part of the path of the pages to measure")
    options = parser.parse_args()

    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        sys.exit("there is no chromium: install it, or name it in CHROMIUM")
    pages = [
        path.relative_to(HTML).as_posix()
        for path in sorted(HTML.glob("book/**/*.html"))
        if options.only in path.as_posix()
    ]
    if not pages:
        sys.exit("there is no built book: run `make book` first")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_address[1]}"
    metrics: dict[str, dict] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for page in pages:
            metrics[page] = weigh(browser, origin, page)
        browser.close()

    command, version = find_lighthouse()
    print(f"Lighthouse {version}; {options.runs} runs, median; scores: {', '.join(CATEGORIES)}\n")
    forms = ("mobile", "desktop") if command and options.runs else ()
    scores: dict[tuple[str, str], list[dict[str, int]]] = {}
    disturbed = 0
    for _ in range(options.runs):
        for page in pages:
            for form in forms:
                disturbed += not quiet()
                one = lighthouse(command, chromium, f"{origin}/{page}", form)
                scores.setdefault((page, form), []).append(one)
    for (page, form), runs in scores.items():
        metrics[page][form] = {
            name: statistics.median(run[name] for run in runs) for name in CATEGORIES
        }
    if disturbed:
        print(f"{disturbed} runs began while other processes were busy: trust performance less\n")

    rows = [
        [page, f"{row['kb_gzip']:.1f}", row["requests"], row["external"]]
        + ["/".join(f"{score:g}" for score in row[form].values()) for form in forms]
        for page, row in metrics.items()
    ]
    table(["page", "KB gzip", "requests", "external", *forms], rows)
    about = {"lighthouse": version, "runs": options.runs, "disturbed": disturbed}
    report("pages", {"pages": metrics, **about})


if __name__ == "__main__":
    main()
