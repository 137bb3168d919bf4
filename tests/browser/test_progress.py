"""Progress: marked by a right reply or by hand, counted on another page, saved, read, cleared."""

import json
import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from udl.web import STATIC, numeric

pytestmark = pytest.mark.browser

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Progress</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script defer src="_static/udl/loader.js"></script></head>
<body><main><h1>Progress</h1>{body}</main></body></html>"""
EXERCISE = """<div class="exercise easy admonition" id="{label}"><p class="admonition-title">
<span class="caption-number">Exercise {number} </span> (Title)</p><p>Do it.</p></div>"""
ROW = '<tr><td><a href="chapter.html#{0}">{0}</a></td><td>easy</td><td>answer</td><td></td></tr>'


def asked(label):
    return f"<div>{numeric('How many?', 2, label=label)._repr_html_()}</div>"


@pytest.fixture
def pages(tmp_path, serve, monkeypatch):
    """Give the address of a chapter with three exercises, beside a list of them."""
    monkeypatch.setenv("UDL_BOOK", "1")
    shutil.copytree(STATIC, tmp_path / "_static" / "udl")
    parts = [asked("before")]
    for number, label in enumerate(("ex-to-one", "ex-to-two", "ex-to-by-hand"), 1):
        parts.append(EXERCISE.format(label=label, number=number))
        parts += [asked(f"{label}-{part}") for part in range(number) if number < 3]
    inside = f'<div class="solution">{asked("inside")}</div>'
    chapter = PAGE.format(body=f"<section>{''.join(parts)}{inside}</section>")
    (tmp_path / "chapter.html").write_text(chapter, encoding="utf-8")
    rows = "".join(map(ROW.format, ("ex-to-one", "ex-to-two", "ex-to-by-hand")))
    head = '<tr class="chapter"><td colspan="3"><a href="chapter.html">Toy</a></td><td></td></tr>'
    table = f'<table class="exercise-list"><tbody>{head}{rows}</tbody></table>'
    body = f'<div id="udl-progress"><p>Nothing yet.</p></div>{table}'
    (tmp_path / "list.html").write_text(PAGE.format(body=body), encoding="utf-8")
    return serve(tmp_path)


def test_progress_is_kept_counted_saved_read_and_cleared(pages, open_page, tmp_path):
    page = open_page(f"{pages}/chapter.html", width=390)
    boxes = page.locator(".udl-done input")
    page.wait_for_selector("#inside form")

    def answer(label, text="2"):
        page.fill(f"#{label}-reply", text)
        page.press(f"#{label}-reply", "Enter")

    def done():
        return [boxes.nth(number).is_checked() for number in range(boxes.count())]

    assert done() == [False, False, False]
    names = page.evaluate(
        "[...document.querySelectorAll('.udl-done input')].map(e => e.ariaLabel)"
    )
    assert names == [f"Done: Exercise {number}" for number in (1, 2, 3)]
    answer("before")
    answer("inside")
    answer("ex-to-one-0", "3")
    assert done() == [False, False, False]
    answer("ex-to-one-0")
    answer("ex-to-two-0")
    assert done() == [True, False, False]  # the second has two questions
    answer("ex-to-two-1")
    boxes.nth(2).focus()
    page.keyboard.press("Space")
    boxes.nth(0).focus()
    page.keyboard.press("Space")
    assert done() == [False, True, True]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    kept = json.loads(page.evaluate("localStorage.getItem('udl-progress')"))
    assert kept["done"].keys() == {"ex-to-two", "ex-to-by-hand"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in kept["done"].values())

    page.goto(f"{pages}/list.html")
    page.wait_for_selector("text=2 of 3 exercises done.")
    cells = page.locator(".exercise-list td:last-child")
    assert cells.all_text_contents() == ["2 of 3", "", "✓", "✓"]
    with page.expect_download() as saved:
        page.click("text=Save to a file")
    file = tmp_path / saved.value.suggested_filename
    saved.value.save_as(file)
    assert json.loads(file.read_text()) == kept

    answers = iter([False, True])
    page.on("dialog", lambda asked: asked.accept() if next(answers) else asked.dismiss())
    page.click("text=Clear")
    assert cells.first.text_content() == "2 of 3"
    page.click("text=Clear")
    assert cells.all_text_contents() == ["0 of 3", "", "", ""]

    def read(text):
        file.write_text(text, encoding="utf-8")
        page.set_input_files("#udl-progress input", file)
        page.wait_for_function("document.querySelector('#udl-progress input').value === ''")
        return page.text_content("#udl-progress [role=status]")

    assert "holds no progress of this book" in read("no JSON")
    assert "holds no progress of this book" in read('{"done": {"ex-to-one": "2026-01-01"}}')
    other = {"ex-to-one": "2026-01-01", "ex-to-gone": "2026-01-01", "<b>": 1}
    said = read(json.dumps({"book": "udl-progress", "version": 1, "done": other}))
    assert said == "Read: 2 exercises are marked in the file."
    read(json.dumps(kept))
    assert cells.all_text_contents() == ["3 of 3", "✓", "✓", "✓"]
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    assert [violation["id"] for violation in found] == []

    # What cannot be read is put aside, not lost.
    page.evaluate("localStorage.setItem('udl-progress', 'mine')")
    page.reload()
    page.wait_for_selector("text=0 of 3 exercises done.")
    assert page.evaluate("localStorage.getItem('udl-progress-old')") == "mine"

    # In a browser that keeps nothing, marks last as long as the page, and that is said.
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });"
    )
    page.goto(f"{pages}/chapter.html")
    page.wait_for_selector("text=Done (not kept")
    page.goto(f"{pages}/list.html")
    page.wait_for_selector("text=This browser keeps nothing for this page")
    read(json.dumps(kept))
    assert cells.first.text_content() == "2 of 3"
