"""The tests that are written in JavaScript, by node's own test runner."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from udl.web import STATIC

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "node"
SERVED = ROOT / "_build" / "html" / "_static" / "udl"
FILES = sorted(path.name for path in FOLDER.glob("*.test.mjs"))


def passes(node: str, file: Path) -> None:
    # The runner behaves differently when it believes that another one has started it.
    environment = {key: value for key, value in os.environ.items() if key != "NODE_TEST_CONTEXT"}
    found = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(file)],
        env=environment | {"FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r"^ℹ tests [1-9]", found.stdout, re.M), "this file holds no test"


@pytest.mark.parametrize("name", FILES)
def test_in_node(node, name):
    passes(node, FOLDER / name)


@pytest.mark.book
@pytest.mark.parametrize("name", FILES)
def test_what_the_site_serves_passes_as_well(node, name, tmp_path):
    # Beside the modules lie the weights that they load.
    served = {path.name for path in SERVED.iterdir() if path.suffix != ".bin"}
    assert served == {path.name for path in STATIC.iterdir()}
    shutil.copytree(SERVED, tmp_path / STATIC.relative_to(ROOT))
    (tmp_path / "tests" / "node").mkdir(parents=True)
    passes(node, shutil.copy(FOLDER / name, tmp_path / "tests" / "node"))
