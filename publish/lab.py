"""Run notebooks as a reader does: in JupyterLab, in a browser, from the menu, to the end.

    python publish/lab.py FOLDER [NAME ...] --jupyter VENV/bin/jupyter-lab [--shots OUT] [--dark]

FOLDER holds notebooks, as the branch ``notebooks`` does. Each NAME (all, if there is none) is
opened and run. Prints the seconds that each took and what is wrong with it: a cell that failed or
did not run, a figure or an interactive that shows nothing, an error of the page, a request to
another server. Exits 1 if anything is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from browsers import chromium
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as PlaywrightTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIMIT = 900.0  # seconds for one notebook
TOKEN = secrets.token_urlsafe()
SERVER = {
    "ServerApp.ip": "127.0.0.1",
    "ServerApp.port_retries": 0,
    "ServerApp.allow_root": True,
    "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    "LabApp.extension_manager": "readonly",
}
NOTEBOOK = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
THEMES = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"
# What an interactive shows.
SHOWN = "(frame) => frame.contentDocument?.querySelector('main')?.innerText.trim()"
# What the notebook holds and what it shows, cell by cell.
LOOK = r"""() => jupyterapp.shell.currentWidget.content.widgets
  .filter((cell) => cell.model.type === "code")
  .map((cell) => {
    const outputs = cell.model.sharedModel.outputs;
    const frames = [...cell.node.querySelectorAll("iframe")];
    const pictures = [...cell.node.querySelectorAll(".jp-OutputArea-output img")];
    return {
      title: (/^#@title (.*)/.exec(cell.model.sharedModel.source) ?? ["", ""])[1],
      ran: cell.model.executionCount !== null && cell.model.executionState === "idle",
      errors: outputs.filter((o) => o.output_type === "error")
        .map((o) => `${o.ename}: ${o.evalue}`),
      said: outputs.filter((o) => o.name === "stderr").map((o) => [o.text].flat().join("")),
      pictures: pictures.filter((img) => img.complete && img.naturalWidth > 0).length
        + cell.node.querySelectorAll(".jp-OutputArea-output > svg, .jp-RenderedSVG svg").length,
      frames: frames.length,
      empty: frames.filter((frame) => !(SHOWN)(frame)).length,
    };
  })""".replace("SHOWN", SHOWN)
DONE = f"""() => {{
  const cells = ({LOOK})();
  return cells.length > 0 && (cells.every((cell) => cell.ran)
    || cells.some((cell) => cell.errors.length > 0));
}}"""
IDLE = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
# Frames fill themselves when they come into view; a fold shows what is below it.
PATIENCE = 10.0  # seconds for one of them
UNFOLD = f"""async () => {{
  for (const frame of document.querySelectorAll(".jp-Notebook iframe")) {{
    frame.scrollIntoView();
    const until = performance.now() + {1000 * PATIENCE:.0f};
    while (!({SHOWN})(frame) && performance.now() < until) {{
      await new Promise((resolve) => setTimeout(resolve, 50));
    }}
  }}
}}"""


@dataclass
class Run:
    """What came of one notebook."""

    name: str
    seconds: float = 0.0
    cells: int = 0
    pictures: int = 0
    interactives: int = 0
    said: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@contextmanager
def served(folder: Path, program: Path, *, dark: bool = False) -> Iterator[str]:
    """Start JupyterLab on a folder, with settings of its own; yield its address."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        home = Path(name)
        settings = home / "settings"
        for file, content in (
            (NOTEBOOK, {"windowingMode": "none"}),  # all cells are in the page, seen or not
            (THEMES, {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}),
        ):
            (settings / file).parent.mkdir(parents=True)
            (settings / file).write_text(json.dumps(content), encoding="utf-8")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        options = {**SERVER, "ServerApp.port": port, "ServerApp.root_dir": folder}
        env = {k: v for k, v in os.environ.items() if not re.match("UDL_BOOK|PYTHON|JUPYTER", k)}
        env |= {
            "HOME": str(home),
            "JUPYTER_TOKEN": TOKEN,  # among the arguments any user could read it
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "PATH": f"{program.parent}{os.pathsep}{env.get('PATH', '')}",
        }
        log = home / "log.txt"
        with log.open("w", encoding="utf-8") as output:
            server = subprocess.Popen(
                [program, "--no-browser", "--expose-app-in-browser"]
                + [f"--{key}={value}" for key, value in options.items()],
                env=env,
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/api/status?token={TOKEN}", server, log)
            yield address
        finally:
            server.terminate()  # asked politely, it ends its kernels too
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not answer:\n{log.read_text(encoding='utf-8')[-2000:]}")


@contextmanager
def opened(browser: Browser, address: str, name: str) -> Iterator[tuple[Page, list[str]]]:
    """Open a notebook, its kernel idle; yield its page and a list of what goes wrong there."""
    page = browser.new_context(viewport={"width": 1350, "height": 1000}).new_page()
    page.set_default_timeout(120_000)
    wrong: list[str] = []
    here = (address, address.replace("http", "ws", 1), "data:", "blob:", "about:")
    page.on("pageerror", lambda error: wrong.append(f"an error of the page: {error}"))
    page.on(
        "request", lambda asked: asked.url.startswith(here) or wrong.append(f"asked {asked.url}")
    )
    try:
        page.goto(f"{address}/lab/tree/{name}.ipynb?token={TOKEN}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
        page.wait_for_function(IDLE)
        yield page, wrong
    finally:
        with suppress(PlaywrightError):  # where it did not come that far, this is not the cause
            page.evaluate("jupyterapp.shell.currentWidget?.sessionContext.shutdown()")
        page.context.close()


def run_all(page: Page, limit: float = LIMIT) -> float:
    """Run all cells from the menu, to the end or to an error; return the seconds that it took."""
    began = time.perf_counter()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(DONE, timeout=1000 * limit, polling=250)
    return time.perf_counter() - began


def run(
    browser: Browser, address: str, name: str, shots: Path | None = None, limit: float = LIMIT
) -> Run:
    """Open one notebook, run all its cells from the menu, and look at what it shows."""
    found = Run(name)
    with opened(browser, address, name) as (page, wrong):
        try:
            found.seconds = run_all(page, limit)
        except PlaywrightTimeout:
            found.problems.append(f"not done after {limit:.0f} s")
        page.evaluate("jupyterapp.commands.execute('notebook:expand-all-headings')")
        page.evaluate(UNFOLD)
        examine(page, found)
        if shots:
            photograph(page, shots, name)
    found.problems += wrong
    return found


def examine(page: Page, found: Run) -> None:
    """Hold what each cell shows to what its title promises."""
    cells = page.evaluate(LOOK)
    found.cells = len(cells)
    for k, cell in enumerate(cells):
        name = f"code cell {k} ({cell['title'] or 'no title'})"
        found.pictures += cell["pictures"]
        found.interactives += cell["frames"]
        found.said += cell["said"]
        found.problems += [f"{name}: {error}" for error in cell["errors"]]
        if not cell["ran"]:
            found.problems.append(f"{name} did not run")
        elif cell["title"].startswith("Fig. ") and not cell["pictures"] + cell["frames"]:
            found.problems.append(f"{name} shows no picture")
        elif cell["title"] in {"Question", "Interactive"} and not cell["frames"]:
            found.problems.append(f"{name} shows no interactive")
        if cell["empty"]:
            found.problems.append(f"{name}: {cell['empty']} interactives show nothing")


def photograph(page: Page, folder: Path, name: str) -> None:
    """Write a picture of each screenful."""
    folder.mkdir(parents=True, exist_ok=True)
    inner = ".jp-NotebookPanel .jp-WindowedPanel-outer"
    page.evaluate(f"document.querySelector('{inner}').scrollTop = 0")
    height = page.evaluate(f"document.querySelector('{inner}').clientHeight")
    whole = page.evaluate(f"document.querySelector('{inner}').scrollHeight")
    for k in range(int(whole / height) + 1):
        page.evaluate(f"document.querySelector('{inner}').scrollTop = {k * height}")
        page.wait_for_timeout(200)
        page.screenshot(path=folder / f"{name}-{k:02d}.png")


@contextmanager
def started() -> Iterator[Browser]:
    """Start the browser."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run notebooks, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder of the notebooks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks, without .ipynb")
    parser.add_argument("--jupyter", type=Path, required=True, help="the program jupyter-lab")
    parser.add_argument("--shots", type=Path, metavar="OUT", help="write pictures of the pages")
    parser.add_argument("--dark", action="store_true", help="with the dark theme")
    given = parser.parse_args(argv)
    names = given.names or sorted(path.stem for path in given.folder.glob("*.ipynb"))
    missing = [name for name in names if not (given.folder / f"{name}.ipynb").is_file()]
    if missing or not names:
        parser.error(f"{given.folder}: expected notebooks, found no {', '.join(missing) or 'one'}")
    if not given.jupyter.is_file():
        parser.error(f"--jupyter: expected the program jupyter-lab, found no {given.jupyter}")
    wrong = 0
    folder, program = given.folder.resolve(), given.jupyter.absolute()
    with served(folder, program, dark=given.dark) as address, started() as browser:
        for name in names:
            found = run(browser, address, name, given.shots)
            wrong += bool(found.problems)
            print(
                f"{name}: {found.seconds:.0f} s, {found.cells} cells, {found.pictures} pictures, "
                f"{found.interactives} interactives",
                *found.problems,
                sep="\n  ",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
