"""Ask for every external address that the built pages name, once each.

    python publish/links.py [--html _build/html] [--ignore publish/links.yml]

HEAD first, then GET where a server does not answer that; several tries; hosts side by side, but
one request at a time to each, with a pause. Prints a table of what does not answer, and exits 1.
An address that answers, but not to programs (401, 403, 429), is named and does not fail the check.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urldefrag, urlsplit
from urllib.request import Request, urlopen

import yaml

ROOT = Path(__file__).parent.parent
AGENT = "Mozilla/5.0 (compatible; link check of a textbook)"
SHY = {401, 403, 429}  # there, but not for programs
AGAIN = {408, 425, 429, 500, 502, 503, 504}
LONGEST_WAIT = 30.0  # seconds, whatever a server asks for


class Links(HTMLParser):
    """The external addresses of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a reader can follow and what a page loads."""
        for name, value in attrs:
            if name in {"href", "src"} and re.match(r"https?://", value or "", re.IGNORECASE):
                self.addresses.add(urldefrag(value or "").url)


class Answer(NamedTuple):
    """What came of one address."""

    address: str
    state: str  # "fine", "shy" or "broken"
    what: str


def addresses(html: Path) -> dict[str, list[str]]:
    """Return each external address with the pages that name it."""
    found: dict[str, list[str]] = defaultdict(list)
    for page in sorted(html.rglob("*.html")):
        name = page.relative_to(html).as_posix()
        if not name.startswith(("_", "versions/")):
            for address in sorted(Links(page.read_text(encoding="utf-8")).addresses):
                found[address].append(name)
    return dict(found)


def ignored(file: Path) -> list[re.Pattern[str]]:
    """Read what is not asked for; each entry needs its reason."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8")) or []
    for entry in entries:
        if set(entry) != {"address", "reason"} or not all(entry.values()):
            raise ValueError(f"{file}: expected `address` and `reason` in each entry, got {entry}")
    return [re.compile(entry["address"]) for entry in entries]


def ask(address: str, method: str, timeout: float) -> tuple[int, str, float]:
    """Send one request; return the status (0 if none), a text, and how long to wait."""
    try:
        # A name outside of ASCII, as a browser sends it.
        parts = urlsplit(address)
        plain = parts._replace(
            netloc=parts.netloc.encode("idna").decode("ascii"),
            path=quote(parts.path, safe="/%:@!$&'()*+,;=~"),
            query=quote(parts.query, safe="/%:@!$&'()*+,;=~?"),
        ).geturl()
        request = Request(plain, method=method, headers={"User-Agent": AGENT, "Accept": "*/*"})
        with urlopen(request, timeout=timeout) as response:
            return response.status, "", 0.0
    except HTTPError as error:
        wait = error.headers.get("Retry-After", "") if error.headers else ""
        error.close()
        return error.code, f"{error.code} {error.reason}", float(wait) if wait.isdigit() else 0.0
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return 0, str(reason) or type(reason).__name__, 0.0


def check(address: str, *, tries: int = 3, timeout: float = 20.0, pause: float = 1.0) -> Answer:
    """Ask for one address, with patience."""
    status, text = 0, ""
    for attempt in range(tries):
        for method in ("HEAD", "GET"):
            status, text, wait = ask(address, method, timeout)
            if 200 <= status < 400:
                return Answer(address, "fine", "")
            if status == 429:
                break  # a second request at once is what it asks not to get
        if status not in AGAIN | {0} or attempt + 1 == tries:
            break
        time.sleep(min(max(wait, pause * 2**attempt), LONGEST_WAIT))
    return Answer(address, "shy" if status in SHY else "broken", text)


def check_all(
    names: list[str], *, tries: int = 3, timeout: float = 20.0, pause: float = 1.0
) -> list[Answer]:
    """Ask for all addresses: hosts side by side, one host's addresses one after another."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        hosts[urlsplit(name).netloc.casefold()].append(name)

    def one_host(group: list[str]) -> list[Answer]:
        answers = []
        for i, name in enumerate(group):
            time.sleep(pause if i else 0)
            answers.append(check(name, tries=tries, timeout=timeout, pause=pause))
        return answers

    with ThreadPoolExecutor(max_workers=8) as pool:
        return sorted(answer for group in pool.map(one_host, hosts.values()) for answer in group)


def table(answers: list[Answer], found: dict[str, list[str]]) -> str:
    """Write a table of some answers, in Markdown."""
    rows = ["| address | answer | on |", "| --- | --- | --- |"]
    for answer in answers:
        pages = found[answer.address]
        on = ", ".join(f"`{page}`" for page in pages[:3])
        more = f" and {len(pages) - 3} more" if len(pages) > 3 else ""
        address, what = (
            text.replace("|", r"\|").replace("\n", " ") for text in (answer.address, answer.what)
        )
        rows.append(f"| <{address}> | {what} | {on}{more} |")
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    """Check the links; 1 if one is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--ignore", type=Path, default=ROOT / "publish" / "links.yml")
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds for one request")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two to one host")
    options = parser.parse_args(argv)
    found = addresses(options.html)
    if not found:
        parser.error(f"expected built pages with links, found none in {options.html}")
    patterns = ignored(options.ignore)
    names = [name for name in found if not any(p.match(name) for p in patterns)]
    answers = check_all(names, tries=options.tries, timeout=options.timeout, pause=options.pause)
    broken = [answer for answer in answers if answer.state == "broken"]
    shy = [answer for answer in answers if answer.state == "shy"]
    print(
        f"{len(names)} addresses asked for, {len(found) - len(names)} ignored: "
        f"{len(broken)} broken, {len(shy)} not for programs."
    )
    if broken:
        print("\nBroken:\n\n" + table(broken, found))
    if shy:
        print("\nThere, but not for programs; look at them by hand:\n\n" + table(shy, found))
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
