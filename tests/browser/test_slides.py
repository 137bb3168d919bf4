"""The slides view of one chapter, from opening it to leaving it."""

import pytest

pytestmark = [pytest.mark.book, pytest.mark.browser]

# What a slide shows is neither wider than the screen, nor hidden under the bar at the bottom.
FITS = """() => {
  const article = document.querySelector(".bd-article");
  const bar = document.querySelector(".sl-bar").getBoundingClientRect();
  return article.scrollWidth <= article.clientWidth
    && article.getBoundingClientRect().bottom <= bar.top + 1 && bar.right <= innerWidth + 1;
}"""
# Go on to the last slide with the button; return the slides that do not fit.
WALK = """async (fits) => {
  const wrong = [], fit = eval(fits);
  const next = document.querySelector("[aria-label='Next slide']");
  while (next.getAttribute("aria-disabled") !== "true") {
    next.click();
    await new Promise(requestAnimationFrame);
    if (!fit()) wrong.push(document.querySelector(".sl-bar output").textContent);
  }
  return wrong;
}"""
READY = ".sl-bar output:not(:empty)"
SEEN = """() => [...document.querySelectorAll(".bd-article section > *")]
  .filter((el) => el.tagName !== "SECTION" && el.getClientRects().length).length"""


FIRST = "document.querySelector('.sl-bar output').textContent.startsWith('1 /')"
# On a figure's slide the figure takes at least two fifths of the screen, its caption one line, and
# the code that drew it is with the notes.
FIGURE = """() => {
  const shown = (el) => el.getClientRects().length > 0;
  const [figure] = [...document.querySelectorAll(".bd-article figure")].filter(shown);
  const caption = figure.querySelector("figcaption p").getBoundingClientRect();
  return figure.querySelector(".udl-figure").getBoundingClientRect().height > 0.4 * innerHeight
    && caption.height < 2 * parseFloat(getComputedStyle(figure).fontSize)
    && ![...document.querySelectorAll(".tag_hide-input > details")].some(shown);
}"""
# A link within the chapter to its first figure, as a click of the reader.
FOLLOW = """() => {
  const link = document.createElement("a");
  link.href = "#" + document.querySelector(".bd-article figure[id]").id;
  document.querySelector(".bd-article").append(link);
  link.click();
  link.remove();
}"""


def test_a_chapter_as_slides(site, open_page, violations):
    page = open_page(f"{site}/book/linear-regression.html")
    blocks = page.evaluate("document.querySelectorAll('.bd-article section > *').length")
    assert page.evaluate(
        "performance.getEntriesByType('resource').every((one) => !one.name.includes('slides'))"
    )
    page.get_by_role("button", name="Slides").click()
    bar = page.get_by_role("navigation", name="Slides")
    count = bar.locator("output")
    page.wait_for_selector(READY)

    def number():
        return tuple(int(part) for part in count.inner_text().split("/"))

    def heading():
        return page.locator(".bd-article :is(h1, h2, h3):visible").last.inner_text()

    first, last = number()
    assert first == 1
    assert last > 20
    assert "Linear regression" in heading()
    assert page.evaluate("document.activeElement.matches('.bd-article')")
    for key, expected in (
        ("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("PageUp", 1), ("Home", 1),
        ("End", last), ("ArrowRight", last), ("Home", 1), (" ", 2), ("Shift+ ", 1),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert number() == (expected, last), key

    # Long texts are notes.
    short = page.evaluate(SEEN)
    page.keyboard.press("n")
    assert bar.get_by_role("button", name="Notes").get_attribute("aria-pressed") == "true"
    page.keyboard.press("n")
    assert page.evaluate(SEEN) == short

    # A link leads to the slide of its target, the way back too; no address is an error.
    page.evaluate(FOLLOW)
    assert number()[0] > 1
    assert page.evaluate(FIGURE)
    page.go_back()
    page.wait_for_function(FIRST)
    page.keyboard.press("End")
    page.evaluate("location.hash = '#slides:%E0%A4%A'")
    page.wait_for_function(FIRST)

    # A question on a slide takes the keys that it needs, and an answer stays.
    field = page.locator("input[type=text]:visible, input[type=number]:visible").first
    while not field.count():
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(30)
    place = number()
    field.fill("134")
    page.keyboard.press("ArrowLeft")
    assert number() == place
    assert not (found := violations(page)), "\n".join(found)
    page.keyboard.press("Escape")  # leaves the field only
    assert number() == place
    assert page.evaluate("document.activeElement.matches('.bd-article')")
    page.keyboard.press("PageDown")
    while number() == place:  # a slide that is taller than the screen scrolls first
        page.keyboard.press("PageDown")
    page.locator(".bd-article").focus()
    page.keyboard.press("ArrowLeft")
    assert field.input_value() == "134"

    # The address knows the slide: on a narrow screen, after a reload, and when it is left.
    title, address = heading(), page.url
    page.evaluate("history.replaceState(null, '', '#another:a=1')")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(400)
    assert heading() == title
    assert field.is_visible()
    assert not (found := violations(page)), "\n".join(found)
    assert page.evaluate(WALK, FITS) == []
    assert number()[0] == number()[1]
    page.goto(address)
    page.reload()
    page.wait_for_selector(READY)
    assert heading() == title
    page.keyboard.press("Escape")
    assert bar.count() == 0
    assert page.evaluate("location.hash.startsWith('#') && !location.hash.includes('slides')")
    assert page.evaluate("document.activeElement.matches('.btn-slides')")
    # Who goes back while the slides open stays on the page.
    page.evaluate("location.hash = 'slides'; history.back()")
    page.wait_for_function("!location.hash.startsWith('#slides')")
    page.wait_for_timeout(300)
    assert bar.count() == 0
    # Nothing is left of the slides.
    assert page.evaluate("document.querySelectorAll('[class*=\"sl-\"]').length") == 0
    assert page.evaluate("document.querySelectorAll('.bd-article section > *').length") == blocks
    assert page.evaluate("document.scrollingElement.scrollHeight") > 5000
