"""Interactives in JupyterLab: a page of MyST opens as a notebook, runs, and its keys arrive.

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

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]

CHAPTER = """---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---

# A chapter

```{code-cell} ipython3
import numpy as np
from udl import web

theta = np.array([[0.0, 1.0], [-0.4, 1.0], [-0.7, 1.0]])
web.relu_explorer(theta, np.array([0.1, 1.0, -2.0, 1.5]), label="relu-lab")
```

```{code-cell} ipython3
web.playground(label="playground-lab")
```

```{code-cell} ipython3
web.numeric("How many parameters has a line?", 2, label="question-lab")
```
"""

# Which cells are chosen, and which one is active.
CHOSEN = """[...document.querySelectorAll(".jp-Notebook .jp-Cell")]
    .map((cell) => [...cell.classList].filter((name) => /mod-(active|selected)/.test(name)).join())
    .join("|")"""
FOCUS_IN_FRAME = "document.activeElement?.tagName === 'IFRAME'"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, unavailable):
    """Start JupyterLab as binder/ sets it up, with this Python as its kernel; give its address."""
    beside = shutil.which("jupyter-lab", path=str(Path(sys.executable).parent))
    program = os.environ.get("JUPYTER_LAB") or beside or shutil.which("jupyter-lab")
    if program is None:
        unavailable("there is no JupyterLab: install it, or name it in JUPYTER_LAB")
    home = tmp_path_factory.mktemp("home")
    files = home / "book"
    files.mkdir()
    (files / "chapter.md").write_text(CHAPTER, encoding="utf-8")
    kernel = home / "data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "Python 3", "language": "python"})
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
    subprocess.run(["bash", str(ROOT / "binder" / "postBuild")], env=environment, check=True)
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
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/api/status?token=lab", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
        else:
            pytest.fail(f"JupyterLab did not answer:\n{log.read_text()}")
        yield address
    finally:
        # Asked politely, it ends its kernels too.
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def notebook(lab, browser):
    """Open the chapter in JupyterLab, run all its cells, and give the page."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{lab}/lab/tree/chapter.md?token=lab&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
    page.wait_for_selector("#jp-bottom-panel >> text=Python 3 | Idle")
    page.click(".jp-Notebook .jp-MarkdownCell >> nth=0")
    page.keyboard.press("Escape")
    for _ in range(4):
        page.keyboard.press("Shift+Enter")
    page.wait_for_function("document.querySelectorAll('iframe.udl-frame').length === 3")
    yield page
    context.close()


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
    here = (lab, lab.replace("http", "ws", 1), "data:", "blob:", "about:")
    assert [url for url in notebook.asked if not url.startswith(here)] == []
    assert notebook.errors == []
