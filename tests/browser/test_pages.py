"""Every page of the built book: quiet, accessible, valid, and whole."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

pytestmark = pytest.mark.book

# Two looks at each page see every text in both themes and every part at both widths.
LOOKS = {"narrow-dark": (390, "dark"), "light": (1280, "light")}
# The other two see what stands on all pages and depends on both, such as the menus.
MORE = {"dark": (1280, "dark"), "narrow": (390, "light")}
EACH_KIND = ["index.html", "book/index.html", "book/mock-exam.html", "search.html"]

# In the standards of HTML and CSS, and newer than some releases of the checker.
NEWER = ("Attribute “autocorrect” not allowed", "“overflow”: “clip” is not")

# What reaches over the edge, and lies in nothing that scrolls by itself.
TOO_WIDE = """(width) => [...document.querySelectorAll("body *")]
    .filter((el) => el.getBoundingClientRect().right > width + 1)
    .filter((el) => {
      for (let up = el; up !== document.body; up = up.parentElement) {
        if (getComputedStyle(up).overflowX !== "visible") return up === el;
      }
      return true;
    })
    .slice(0, 8).map((el) => `${el.tagName.toLowerCase()}#${el.id}.${el.getAttribute("class")}`)
    .join(", ")"""

# Letters of the theme's font of icons, which no page loads: they would show as boxes.
ICONS = r"""() => [...document.querySelectorAll("body *")]
    .filter((el) => ["::before", "::after"].some((which) => {
      const { content, fontFamily } = getComputedStyle(el, which);
      return /[\ue000-\uf8ff]/.test(content) && fontFamily.includes("Awesome");
    }))
    .map((el) => el.outerHTML.slice(0, 100))"""


@pytest.mark.browser
def test_page_in_a_browser(book, page_path, open_here, violations):
    problems = []
    looks = LOOKS | (MORE if page_path in EACH_KIND else {})
    for look, (width, theme) in looks.items():
        page = open_here(width, theme)
        problems += [f"{look}: {found}" for found in violations(page, alike=True)]
        found = page.evaluate("document.scrollingElement.scrollWidth")
        if found > width:
            wide = page.evaluate(TOO_WIDE, width)
            problems.append(f"{look}: scrolls sideways, {found} px: {wide}")
        problems += [f"{look}: {html} has an icon of a font" for html in page.evaluate(ICONS)]
    assert not problems, "\n".join(problems)


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_that_a_reader_chose_is_there_from_the_start(site, open_page, theme):
    page = open_page(f"{site}/book/index.html", theme=theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme


# How far what is in view has moved, in the measure of web vitals: more than 0.1 is a nuisance.
MOVED = """() => {
  globalThis.moved = 0;
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) globalThis.moved += value;
  }).observe({ type: "layout-shift", buffered: true });
}"""


@pytest.mark.browser
@pytest.mark.parametrize("name", ["gradient-descent", "shallow-networks", "training-a-gpt"])
def test_nothing_moves_while_a_slow_phone_opens_a_long_page(site, open_page, name):
    page = open_page(f"{site}/book/index.html", width=412)
    page.context.add_init_script(f"({MOVED})()")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(f"{site}/book/{name}.html")
    page.wait_for_timeout(500)
    assert page.evaluate("globalThis.moved") < 0.05


def test_style_sheets_stand_before_what_they_style(book):
    late = []
    for name, document in book.items():
        tags = [tag for tag, _ in document.tags]
        late += [name] * tags[tags.index("body") :].count("style")
    assert not late, "each makes a browser style again what has arrived"


def test_pages_are_valid_html(book, unavailable):
    jar = os.environ.get("VNU_JAR")
    if not jar or not shutil.which("java"):
        unavailable("there is no HTML checker: name its vnu.jar in VNU_JAR, and install java")
    command = ["java", "-jar", jar, "--format", "json", "--errors-only"]
    run = subprocess.run(
        [*command, *(str(document.path) for document in book.values())],
        capture_output=True,
        text=True,
        check=False,
    )
    messages = json.loads(run.stderr)["messages"]
    lines = sorted(
        f"{message['url'].rsplit('/html/')[-1]}:{message.get('lastLine')}: {message['message']}"
        for message in messages
        if not any(known in message["message"] for known in NEWER)
    )
    assert not lines, "\n".join(lines)


def test_links_and_references_resolve(book):
    name, document = next(iter(book.items()))
    root = Path(str(document.path).removesuffix(name))
    broken = []
    for name, document in book.items():
        for link in document.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            path = unquote(urlsplit(urljoin(f"/{name}", parts.path)).path).lstrip("/") or name
            target = root / (path if parts.path else name)
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                broken.append(f"{name}: {link} (no such file)")
                continue
            other = book.get(target.relative_to(root).as_posix())
            if parts.fragment and other and unquote(parts.fragment) not in other.ids:
                broken.append(f"{name}: {link} (no such place on the page)")
    assert not broken, "\n".join(sorted(set(broken)))


def test_no_reference_was_left_unresolved(book):
    left = [
        name
        for name, document in book.items()
        for _, attributes in document.tags
        if {"problematic", "system-message"} & set(attributes.get("class", "").split())
    ]
    assert not left


def test_interactives_are_placeholders(book):
    framed = [
        name for name, document in book.items() for tag, _ in document.tags if tag == "iframe"
    ]
    assert not framed, "these cells ran without UDL_BOOK"


def test_ids_are_unique(book):
    twice = []
    for name, document in book.items():
        ids = [attributes["id"] for _, attributes in document.tags if attributes.get("id")]
        twice += [f"{name}: #{one}" for one in {one for one in ids if ids.count(one) > 1}]
    assert not twice, "\n".join(sorted(twice))


def test_every_figure_has_number_caption_and_description(book):
    problems = []
    for name, document in book.items():
        for image in document.images:
            alt = image["alt"].strip()
            place = f"{name}: picture at {image['place']}"
            if image["in output"] and not image["in figure"]:
                problems.append(f"{place} is an output but no figure")
            if image["in figure"] and (len(alt) <= 20 or re.search(r"^\S*[/\\]\S*$", alt)):
                problems.append(f"{place} is described as {alt!r}")
        for figure in document.figures:
            if not figure["images"]:
                problems.append(f"{name}: figure {figure['id']} has no described picture")
            if not re.search(r"\d", figure["text"].get("caption-number", "")):
                problems.append(f"{name}: figure {figure['id']} has no number")
            if not figure["text"].get("caption-text", "").strip():
                problems.append(f"{name}: figure {figure['id']} has no caption")
    assert not problems, "\n".join(problems)
