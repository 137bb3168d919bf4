"""Questions as a reader meets them: by keyboard, on a page, in a notebook's frame, without JS."""

import json
import re
import shutil

import pytest

from udl.web import STATIC, choice, numeric

pytestmark = pytest.mark.browser

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Questions</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">{head}
<script defer src="_static/udl/loader.js"></script>
<style>html[data-theme=dark] {{ background: #14181e; color: #e6e9ee; }}</style></head>
<body><main><h1>Questions</h1>{body}</main></body></html>"""
DARK = "<script>document.documentElement.dataset.theme = 'dark'</script>"


def a_number():
    return numeric(
        "What is the mean of $x$, in `years`?",
        65.4,
        unit="years",
        mistakes={654: "You dropped the $1/n$.", 60: "That is the median."},
        hint="Look at the table.",
        explanation="It is the sum over the count.",
        label="q-mean",
    )


def a_choice():
    return choice(
        "Which loss is convex in the parameters?",
        {
            "least squares": "Its Hessian is positive semidefinite.",
            "a sine": "It has many minima.",
            "neither": "One of them is a parabola.",
        },
        correct="least squares",
        label="q-convex",
    )


@pytest.fixture
def show(tmp_path, serve, open_page, monkeypatch):
    """Give a function that opens a page with these widgets, as the book would place them."""
    monkeypatch.setenv("UDL_BOOK", "1")
    shutil.copytree(STATIC, tmp_path / "_static" / "udl")

    def start(*widgets, head="", await_forms=True, **options):
        body = "\n".join(widget._repr_html_() for widget in widgets)
        (tmp_path / "page.html").write_text(PAGE.format(head=head, body=body), encoding="utf-8")
        page = open_page(f"{serve(tmp_path)}/page.html", **options)
        if await_forms:
            for widget in widgets:
                page.wait_for_selector(f"#{widget.label} form")
        return page

    return start


def reply(page, text):
    """Type into what has the focus, and submit, by keyboard."""
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def told(page, label):
    """Give what the live region of a question says."""
    return page.text_content(f"#{label} [role=status]").strip()


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent")


def test_number_by_keyboard_alone(show):
    page = show(a_number())
    page.keyboard.press("Tab")
    assert focused(page) == "q-mean-reply"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert told(page, "q-mean") == ""

    reply(page, "about sixty")
    assert "Write a number" in told(page, "q-mean")
    reply(page, "654")
    assert told(page, "q-mean") == "✗ Not yet. You dropped the 1/n."
    assert page.get_attribute("#q-mean-reply", "aria-invalid") == "true"
    assert page.is_hidden("text=Show the answer >> visible=true")
    reply(page, "12")
    assert told(page, "q-mean") == "✗ Not yet. Look at the table."

    page.keyboard.press("Tab")
    assert focused(page) == "Check"
    page.keyboard.press("Tab")
    assert focused(page) == "Show the answer"
    page.keyboard.press("Enter")
    assert told(page, "q-mean") == "The answer is 65.4 years. It is the sum over the count."

    page.focus("#q-mean-reply")
    reply(page, "65,4")
    assert told(page, "q-mean") == "✓ Correct. It is the sum over the count."
    assert page.get_attribute("#q-mean-reply", "aria-invalid") == "false"


@pytest.mark.parametrize(
    "text",
    ["65.4", "65,4", " 65.40 ", "6.54e1", "6,54E+01", "65.4 years", "0,654 x 10^2", "66", "64.8"],
)
def test_ways_to_write_the_right_number(show, text):
    page = show(a_number())
    page.focus("#q-mean-reply")
    reply(page, text)
    assert told(page, "q-mean").startswith("✓ Correct.")


def test_readings_of_a_reply(show):
    expected = {
        "2,938": [2.938, 2938],
        "2.938": [2.938, 2938],
        "1,234,567.5": [1234567.5],
        "1.234.567,5": [1234567.5],
        "1 234,5": [1234.5],
        "−3": [-3],
        "+.5": [0.5],
        "5.": [5],
        "-1e-3": [-0.001],
        "3·10^4": [30000],
        "12 %": [12],
        "5/6": [5 / 6],
        "-1/2 %": [-0.5],
        "1/0": [],
        "1/2/3": [],
        "": [],
        "e5": [],
        "1e": [],
        "1e999": [],
        "--1": [],
        "1.2.3": [],
        "1,2,3": [],
        "Infinity": [],
        "0x10": [],
        "NaN": [],
    }
    page = show(a_number())
    found = page.evaluate(
        """async (replies) => {
            const { readings } = await import("/_static/udl/questions.mjs");
            return replies.map((reply) => readings(reply, "%"));
        }""",
        list(expected),
    )
    assert dict(zip(expected, found, strict=True)) == expected


def test_nearest_foreseen_mistake_wins(show):
    page = show(numeric("a", 1, mistakes={100: "lower", 101.5: "upper"}, label="q"))
    page.focus("#q-reply")
    for text, feedback in [("100.6", "lower"), ("100.9", "upper")]:
        reply(page, text)
        assert told(page, "q") == f"✗ Not yet. {feedback}"


def test_choice_by_keyboard_alone(show):
    page = show(a_choice())
    page.keyboard.press("Tab")
    assert focused(page) == "q-convex-0"
    page.keyboard.press("Enter")
    assert told(page, "q-convex") == "Choose one of the answers."
    page.keyboard.press("ArrowDown")
    assert page.is_checked("#q-convex-1")
    page.keyboard.press("Enter")
    assert told(page, "q-convex") == "✗ Not yet. It has many minima."
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert told(page, "q-convex") == "✗ Not yet. One of them is a parabola."
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page) == "Show the answer"
    page.keyboard.press("Enter")
    assert told(page, "q-convex").startswith("The answer is: least squares. Its Hessian")
    page.focus("#q-convex-2")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert told(page, "q-convex") == "✓ Correct. Its Hessian is positive semidefinite."


def test_each_control_has_a_name_and_keeps_its_keys(show):
    page = show(a_number(), a_choice())
    page.get_by_role("group", name=re.compile(r"mean of\s+[x𝑥]\s*, in\s+years")).wait_for()
    page.get_by_role("textbox", name="Your answer (years)").wait_for()
    page.get_by_role("radio", name="a sine").wait_for()
    bare = "form :is(input, button):not([data-lm-suppress-shortcuts=true])"
    assert page.locator(bare).count() == 0
    assert page.locator(".udl-fallback:visible").count() == 0
    assert page.locator("style#udl-question-style").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_is_accessible_before_and_after_replies(show, violations, theme, width):
    page = show(a_number(), a_choice(), head=DARK * (theme == "dark"), width=width)
    assert violations(page) == []
    for _ in range(2):
        page.focus("#q-mean-reply")
        reply(page, "12")
    page.focus("#q-convex-0")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert told(page, "q-convex").startswith("✓")
    assert violations(page) == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_what_is_far_below_loads_when_it_comes_near(show):
    head = "<style>#q-mean { margin-top: 5000px }</style>"
    page = show(a_number(), head=head, await_forms=False)
    page.wait_for_timeout(200)
    assert page.locator("form").count() == 0
    page.mouse.wheel(0, 4500)
    page.wait_for_selector("form")


def test_without_javascript_the_answer_opens_by_keyboard(show):
    page = show(a_number(), a_choice(), javascript=False, await_forms=False)
    assert page.is_visible("text=Which loss is convex")
    assert not page.is_visible("text=It is the sum over the count")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("text=It is the sum over the count").wait_for()


def test_fallback_stays_when_a_module_cannot_be_had(tmp_path, serve, open_page, monkeypatch):
    monkeypatch.setenv("UDL_BOOK", "1")
    shutil.copytree(STATIC, tmp_path / "_static" / "udl")
    (tmp_path / "_static" / "udl" / "questions.mjs").write_text("throw new Error('broken')")
    (tmp_path / "page.html").write_text(PAGE.format(head="", body=a_number()._repr_html_()))
    page = open_page(f"{serve(tmp_path)}/page.html", wait="networkidle")
    assert page.is_visible(".udl-fallback")
    assert page.locator("form").count() == 0
    assert [problem for problem in open_page.problems if "broken" in problem]
    open_page.problems.clear()


def test_math_needs_nothing_but_the_browser(show):
    page = show(a_number())
    assert page.locator("legend math mi").bounding_box()["width"] > 4
    page.focus("#q-mean-reply")
    reply(page, "654")
    assert page.text_content("[role=status] math") == "1/n"


@pytest.mark.parametrize("background", ["#ffffff", "#111111"])
def test_frame_in_a_notebook(tmp_path, serve, open_page, violations, monkeypatch, background):
    monkeypatch.delenv("UDL_BOOK", raising=False)
    (tmp_path / "page.html").write_text(
        f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Notebook</title>
        <link rel="icon" href="data:,"></head>
        <body style="background: {background}; color: #777"><main><h1>Notebook</h1>
        {a_number()._repr_html_()}</main></body></html>""",
        encoding="utf-8",
    )
    page = open_page(f"{serve(tmp_path)}/page.html")
    frame = page.frames[1]
    frame.wait_for_selector("form")
    assert page.get_attribute("iframe", "title") == "What is the mean of x, in years?"
    page.keyboard.press("Tab")
    reply(frame.page, "654")
    assert frame.text_content("[role=status]") == "✗ Not yet. You dropped the 1/n."
    reply(frame.page, "12")
    assert frame.is_visible("text=Show the answer")

    theme = frame.evaluate("document.documentElement.dataset.theme ?? 'light'")
    assert theme == ("dark" if background == "#111111" else "light")
    for _ in range(30):  # the frame takes its height a little later
        page.wait_for_timeout(100)
        needed = frame.evaluate("document.documentElement.scrollHeight")
        height = page.evaluate("document.querySelector('iframe').clientHeight")
        if needed <= height <= needed + 2:
            break
    assert needed <= height <= needed + 2
    assert violations(page) == []


@pytest.mark.book
def test_questions_of_the_book_by_keyboard(book, page_path, open_here):
    boxes = [
        attributes["id"]
        for _, attributes in book[page_path].tags
        if attributes.get("data-module") == "questions"
    ]
    if not boxes:
        return
    page = open_here(whole=False)
    for label in boxes:
        props = json.loads(page.locator(f"#{label} > script").text_content())
        # As a link does: playwright's own scrolling takes an undrawn section's content for seen.
        page.locator(f"#{label}").evaluate("box => box.scrollIntoView({block: 'center'})")
        page.wait_for_selector(f"#{label} form")
        if props["kind"] == "numeric":
            page.focus(f"#{label}-reply")
            for value, _ in props["mistakes"]:
                reply(page, repr(value))
                assert told(page, label).startswith("✗ Not yet."), (label, value)
            reply(page, repr(props["answer"]).replace(".", ","))
        else:
            for k in range(len(props["options"])):
                page.focus(f"#{label}-{k}")
                page.keyboard.press("Space")
                page.keyboard.press("Enter")
                verdict = "✓ Correct." if k == props["correct"] else "✗ Not yet."
                assert told(page, label).startswith(verdict), (label, k)
            page.focus(f"#{label}-{props['correct']}")
            page.keyboard.press("Space")
            page.keyboard.press("Enter")
        assert told(page, label).startswith("✓ Correct."), label
