"""The two menus of a page: a click opens them, Escape and a choice close them."""

import re

import pytest

pytestmark = pytest.mark.browser

PAGE = "book/gradient-descent.html"
MENUS = {"primary": "normal-equation.html", "secondary": "#step-by-step"}


def menu(page, which):
    """Return the one button that opens a menu."""
    return page.locator(f".{which}-toggle:visible")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("which", MENUS)
def test_a_menu_of_a_narrow_page_opens_and_closes(site, open_page, which, theme, violations):
    page = open_page(f"{site}/{PAGE}", width=390, theme=theme)
    dialog = page.locator(f"#pst-{which}-sidebar-modal")
    assert not dialog.is_visible()
    menu(page, which).click()
    dialog.wait_for(state="visible")
    assert violations(page, alike=True) == []
    links = dialog.locator("a:visible")
    assert links.count() >= 5
    box = dialog.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    menu(page, which).press("Enter")
    dialog.wait_for(state="visible")


def test_a_chapter_is_chosen_in_the_menu_of_a_narrow_page(site, open_page):
    page = open_page(f"{site}/{PAGE}", width=390)
    menu(page, "primary").click()
    page.locator("#pst-primary-sidebar-modal a:visible", has_text="normal equation").click()
    page.wait_for_url(re.compile(r"normal-equation\.html"))


def test_a_section_is_chosen_in_the_menu_of_a_narrow_page(site, open_page):
    page = open_page(f"{site}/{PAGE}", width=390)
    menu(page, "secondary").click()
    dialog = page.locator("#pst-secondary-sidebar-modal")
    link = dialog.locator("a[href^='#']:visible").nth(3)
    target = link.get_attribute("href")
    link.click()
    dialog.wait_for(state="hidden")
    page.wait_for_timeout(500)
    assert 0 <= page.locator(target).bounding_box()["y"] < 200


def test_the_button_of_a_wide_page_folds_the_chapters_away_and_back(site, open_page):
    page = open_page(f"{site}/{PAGE}", width=1280)
    sidebar = page.locator("#pst-primary-sidebar")
    article = page.locator("article.bd-article")
    before = article.bounding_box()["x"]
    assert sidebar.bounding_box()["x"] == 0
    for folded in (True, False):
        menu(page, "primary").click()
        page.wait_for_timeout(500)
        assert (sidebar.bounding_box()["x"] < 0) == folded
        assert (article.bounding_box()["x"] < before) == folded
