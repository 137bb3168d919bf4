"""The tests that are written in JavaScript, by node's own test runner."""

import os
import re
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "node"
FILES = sorted(path.name for path in FOLDER.glob("*.test.mjs"))


@pytest.mark.parametrize("name", FILES)
def test_in_node(node, name):
    # The runner behaves differently when it believes that another one has started it.
    environment = {key: value for key, value in os.environ.items() if key != "NODE_TEST_CONTEXT"}
    found = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(FOLDER / name)],
        env=environment | {"FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r"^ℹ tests [1-9]", found.stdout, re.M), "this file holds no test"
