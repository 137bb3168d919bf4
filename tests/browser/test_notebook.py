"""JupyterLab: the book's notebooks run there, and interactives fill their frames and get keys.

``JUPYTER_LAB`` names the program if it is neither beside this Python nor on the path.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

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
NEWS = "@jupyterlab/apputils-extension:announcements"
# Which cells are chosen, and which one is active.
CHOSEN = """[...document.querySelectorAll(".jp-Notebook .jp-Cell")]
    .map((cell) => [...cell.classList].filter((name) => /mod-(active|selected)/.test(name)).join())
    .join("|")"""
FOCUS_IN_FRAME = "document.activeElement?.tagName === 'IFRAME'"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, unavailable):
    """Start JupyterLab on notebooks, with this Python as its kernel; give address and folder."""
    beside = shutil.which("jupyter-lab", path=str(Path(sys.executable).parent))
    program = os.environ.get("JUPYTER_LAB") or beside or shutil.which("jupyter-lab")
    if program is None:
        unavailable("there is no JupyterLab: install it, or name it in JUPYTER_LAB")
    home = tmp_path_factory.mktemp("home")
    files = home / "book"
    files.mkdir()
    for name in CHAPTERS:
        if not (BUILT / f"{name}.ipynb").exists():
            unavailable(f"there is no _notebooks/{name}.ipynb: run make book first")
        shutil.copy2(BUILT / f"{name}.ipynb", files)
    cells = [nbformat.v4.new_code_cell(source) for source in WIDGETS]
    widgets = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(widgets, files / "widgets.ipynb")
    kernel = home / "data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (home / "config" / "labconfig").mkdir(parents=True)  # as binder/postBuild has it
    (home / "config" / "labconfig" / "page_config.json").write_text(
        json.dumps({"disabledExtensions": {NEWS: True}}), encoding="utf-8"
    )
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": command, **{k: KERNEL[k] for k in ("display_name", "language")}})
    )
    environment = {
        **{name: value for name, value in os.environ.items() if name != "UDL_BOOK"},
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PATH": f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.allow_root": True,
        "ServerApp.root_dir": files,
        "IdentityProvider.token": "lab",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
    }
    log = home / "log.txt"
    with log.open("w") as output:
        server = subprocess.Popen(
            [program, "--no-browser", *(f"--{name}={value}" for name, value in options.items())],
            env=environment,
            cwd=files,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"{address}/api/status?token=lab", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
        else:
            pytest.fail(f"JupyterLab did not answer:\n{log.read_text()}")
        yield address, files
    finally:
        # Asked politely, it ends its kernels too.
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def opened(lab, browser, name):
    """Open a notebook, run all its cells, and give the page."""
    address, _ = lab
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(120_000)
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{address}/lab/tree/{name}.ipynb?token=lab&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
    page.wait_for_selector("#jp-bottom-panel >> text=Python 3 | Idle")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    return page


def quiet(lab, page):
    """Hold that a page asked nobody else, and logged no error."""
    here = (lab[0], lab[0].replace("http", "ws", 1), "data:", "blob:", "about:")
    assert [url for url in page.asked if not url.startswith(here)] == []
    assert page.errors == []


@pytest.fixture(scope="module")
def notebook(lab, browser):
    """Give the page of a notebook with three interactives, all run."""
    page = opened(lab, browser, "widgets")
    page.wait_for_function("document.querySelectorAll('iframe.udl-frame').length === 3")
    yield page
    page.context.close()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_to_its_end(lab, browser, name):
    page = opened(lab, browser, name)
    path = lab[1] / f"{name}.ipynb"
    for _ in range(600):
        page.wait_for_timeout(500)
        page.keyboard.press("Control+s")
        codes = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        failed = [o for c in codes for o in c.outputs if o.output_type == "error"]
        assert failed == []
        if all(cell.execution_count for cell in codes):
            break
    assert all(cell.execution_count for cell in codes)
    assert sum("image/svg+xml" in o.get("data", {}) for c in codes for o in c.outputs) >= 5
    # Answers stay hidden: the code of questions, and what stands in a solution.
    # What a folded cell shows of its code is a title, not the half of an answer.
    shown = page.locator(".jp-InputPlaceholder .jp-PlaceholderText").all_text_contents()
    assert shown
    assert not [text for text in shown if not text.startswith("#@title ")]
    quiet(lab, page)
    page.context.close()


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


def test_notebook_was_quiet(lab, notebook):
    quiet(lab, notebook)
