"""JupyterLab: the book's notebooks run there, and interactives fill their frames and get keys."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]

BUILT = ROOT / "_build" / "html" / "_notebooks"
# With an interactive and questions; with a surrogate where there is no data.
CHAPTERS = ("linear-regression", "normal-equation")
WIDGETS = (
    """\
import numpy as np
from udl import web

theta = np.array([[0.0, 1.0], [-0.4, 1.0], [-0.7, 1.0]])
web.relu_explorer(theta, np.array([0.1, 1.0, -2.0, 1.5]), label="relu-lab")""",
    'web.playground(label="playground-lab")',
    'web.numeric("How many parameters has a line?", 2, label="question-lab")',
)

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
# Which cells are chosen, and which one is active.
CHOSEN = """[...document.querySelectorAll(".jp-Notebook .jp-Cell")]
    .map((cell) => [...cell.classList].filter((name) => /mod-(active|selected)/.test(name)).join())
    .join("|")"""
FOCUS_IN_FRAME = "document.activeElement?.tagName === 'IFRAME'"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, browser, unavailable):
    """Start JupyterLab on notebooks; give what opens one of them and what runs all its cells."""
    program = Path(sys.executable).with_name("jupyter-lab")
    files = tmp_path_factory.mktemp("book")
    for name in CHAPTERS:
        if not (BUILT / f"{name}.ipynb").exists():
            unavailable(f"there is no _notebooks/{name}.ipynb: run make book first")
        shutil.copy2(BUILT / f"{name}.ipynb", files)
    cells = [nbformat.v4.new_code_cell(source) for source in WIDGETS]
    widgets = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(widgets, files / "widgets.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "publish"))
        import lab
    with lab.served(files, program) as address:
        yield SimpleNamespace(
            opened=lambda name: lab.opened(browser, address, name),
            run=lambda name: lab.run(browser, address, name),
            run_all=lab.run_all,
        )


@pytest.fixture(scope="module")
def notebook(lab):
    """Give the page of a notebook with three interactives, all run, and hold that it is quiet."""
    with lab.opened("widgets") as (page, wrong):
        lab.run_all(page)
        page.wait_for_function("document.querySelectorAll('iframe.udl-frame').length === 3")
        yield page
    assert wrong == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_to_its_end(lab, name):
    found = lab.run(name)
    assert found.problems == []
    assert found.pictures >= 5


@pytest.mark.parametrize("name", CHAPTERS)
def test_answers_stay_hidden(lab, name):
    # What a folded cell shows of its code is a title, not the half of an answer.
    with lab.opened(name) as (page, wrong):
        shown = page.locator(".jp-InputPlaceholder .jp-PlaceholderText").all_text_contents()
    assert shown
    assert not [text for text in shown if not text.startswith("#@title ")]
    assert wrong == []


def frame_of(page, k):
    """Bring the k-th interactive into view, and give its frame once something is in it."""
    page.locator("iframe.udl-frame").nth(k).scroll_into_view_if_needed()
    frame = page.locator("iframe.udl-frame").nth(k).element_handle().content_frame()
    frame.wait_for_selector("main :is(button, input)")
    return frame


@pytest.mark.parametrize("k", range(3))
def test_interactive_fills_its_frame(notebook, k):
    frame = frame_of(notebook, k)
    for _ in range(30):  # the frame is told its height, and takes it, a little later
        notebook.wait_for_timeout(300)
        needed = frame.evaluate("document.documentElement.scrollHeight")
        shown = notebook.locator("iframe.udl-frame").nth(k).evaluate("frame => frame.clientHeight")
        if needed <= shown <= needed + 2:
            break
    assert needed <= shown <= needed + 2
    wide = frame.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    assert frame.locator("main :is(button, input, select)").count() >= 2


@pytest.mark.parametrize("k", range(2))
def test_arrow_keys_reach_the_control_and_not_the_notebook(notebook, k):
    frame = frame_of(notebook, k)
    before = notebook.evaluate(CHOSEN)
    slider = frame.locator("input[type=range]:enabled, [role=slider]").first
    slider.scroll_into_view_if_needed()
    slider.focus()
    assert notebook.evaluate(FOCUS_IN_FRAME)
    # One widget may have it at the end of its range: there and back again is seen anyhow.
    state = (
        "el => [el.value, el.getAttribute('aria-valuetext'), el.getAttribute('transform')].join()"
    )
    seen = {slider.evaluate(state)}
    for key in ("ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowRight"):
        notebook.keyboard.press(key)
        seen.add(slider.evaluate(state))
    assert len(seen) > 1, "no arrow key reached the control"
    for key in ("a", "b", "j", "k"):
        notebook.keyboard.press(key)
    assert notebook.evaluate(CHOSEN) == before


def test_module_that_waits_to_be_asked_for_is_found_in_a_frame(notebook):
    frame = frame_of(notebook, 1)
    frame.get_by_text("This run as a program").click()
    frame.locator("pre").get_by_text("from udl.playground import Config, Engine").wait_for()
