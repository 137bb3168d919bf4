"""Where things stand on a page: at the width of a phone, and at that of a laptop."""

import pytest

PHONE, LAPTOP = 390, 1280

FOOT = """() => [...document.querySelectorAll(".prev-next-area a")].flatMap((link) => {
  const words = document.createRange();
  words.selectNodeContents(link);
  const rects = [...words.getClientRects()];
  const out = rects.some(({ left, right }) => left < 0 || right > innerWidth);
  const icon = link.querySelector("i");
  const { width, height } = icon.getBoundingClientRect();
  const said = link.innerText.trim().replace(/\\s+/g, " ");
  return [
    ...(out ? [`${said}: out of the page`] : []),
    ...(link.scrollWidth > link.clientWidth ? [`${said}: cut`] : []),
    ...(width < 0.9 * height ? [`${said}: its arrow is ${width} px wide`] : []),
  ];
})"""
# A formula that scrolls, with its number at its side: it looks as if it ended there.
NUMBERS = """() => [...document.querySelectorAll("div.math > .eqno")].filter((number) => {
  const formula = number.parentElement.querySelector("mjx-container");
  const below = number.getBoundingClientRect().top >= formula.getBoundingClientRect().bottom - 1;
  return formula.scrollWidth > formula.clientWidth + 1 && !below;
}).map((number) => number.innerText)"""
# What has more to show at the right fades there, and no longer once it is scrolled to its end.
FADES = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const fades = (element) => getComputedStyle(element).maskImage.includes("gradient");
  const all = document.querySelectorAll("article :is(pre, div.math > mjx-container, table)");
  const wrong = [];
  for (const inner of all) {
    if (inner.closest(".udl-widget") || !inner.checkVisibility()) continue;
    const box = inner.matches("table")
      ? inner.closest(".pst-scrollable-table-container, .output") : inner;
    if (!box) continue;
    const more = box.scrollWidth > box.clientWidth + 1;
    const said = box.innerText.trim().slice(0, 40);
    const fault = more ? "does not fade" : "fades for nothing";
    if (fades(box) !== more) wrong.push(`${said}: ${fault}`);
    if (!more) continue;
    box.scrollLeft = box.scrollWidth;
    await frame();
    await frame();
    if (fades(box)) wrong.push(`${said}: fades at its end`);
    box.scrollLeft = 0;
    await frame();
  }
  return wrong;
}"""
HEADINGS = """() => [
  ...document.querySelectorAll("article :is(h1, h2, h3, h4)"),
].filter((heading) => {
  const link = heading.querySelector("a.headerlink");
  if (!link || !heading.checkVisibility()) return false;
  const height = heading.offsetHeight;
  link.style.display = "none";
  const alone = heading.offsetHeight;
  link.style.display = "";
  return height > alone;
}).map((heading) => heading.innerText)"""
INDEX_ROWS = """() => [...document.querySelectorAll("table.dataframe thead tr")].filter((row) => {
  const said = [...row.cells].map((cell) => cell.textContent.trim());
  return said.length > 1 && said[0] && !said.slice(1).join("");
}).map((row) => row.textContent.trim())"""
BROKEN = """() => [
  ...document.querySelectorAll("table.deck-numbers td:nth-child(3)"),
].flatMap((cell) => {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), broken = [];
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    for (const found of text.data.matchAll(/[\\p{L}\\d.]+/gu)) {
      const range = document.createRange();
      range.setStart(text, found.index);
      range.setEnd(text, found.index + found[0].length);
      const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
      if (lines.size > 1) broken.push(found[0]);
    }
  }
  return broken;
})"""


def test_the_foot_stays_on_a_phone(page_path, open_here):
    assert not open_here(PHONE, whole=False).evaluate(FOOT)


@pytest.mark.parametrize("width", [PHONE, LAPTOP])
def test_what_is_cut_says_so(page_path, open_here, width):
    page = open_here(width)
    assert not page.evaluate(NUMBERS), "the number stands where the formula is cut"
    assert not page.evaluate(FADES)


@pytest.mark.parametrize("width", [PHONE, LAPTOP])
def test_the_link_of_a_heading_takes_no_line(page_path, open_here, width):
    assert not open_here(width).evaluate(HEADINGS)


def test_no_header_row_holds_one_name(page_path, open_here):
    assert not open_here(whole=False).evaluate(INDEX_ROWS)


def test_numbers_of_the_decks_are_not_broken(site, open_page):
    page = open_page(f"{site}/book/deck-numbers.html")
    assert not page.evaluate(BROKEN)
