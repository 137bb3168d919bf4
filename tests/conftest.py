"""What all tests share."""

import json
import os
import shutil
import subprocess

import jaxtyping
import pytest
from hypothesis import settings

from udl.web import STATIC

# The same examples in every run, and no failure because the machine was busy.
settings.register_profile("book", deadline=None, derandomize=True)
settings.load_profile("book")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Let calls of wrong types through where it is held that the code itself refuses them."""
    jaxtyping.config.update("jaxtyping_disable", "refuse" in item.name)
    try:
        return (yield)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


# Imports of a module are resolved before anything in it runs, so the script's own may follow.
PREAMBLE = """
import { readFileSync } from "node:fs";
const data = JSON.parse(readFileSync(0, "utf8"));
const give = (value) => process.stdout.write(JSON.stringify(value));
"""


@pytest.fixture(scope="session")
def node():
    """Give the path of node. Where it is missing: skip, or fail if nothing may be skipped."""
    path = shutil.which("node")
    if path is None:
        if os.environ.get("UDL_NO_SKIP") == "1":
            pytest.fail("UDL_NO_SKIP=1, but there is no node", pytrace=False)
        pytest.skip("there is no node")
    return path


@pytest.fixture(scope="session")
def run_node(node):
    """Give a function that runs JavaScript beside the modules of ``web/static/``.

    ``run_node(script, data)`` has ``data`` in the script under that name, and returns what the
    script hands to ``give(value)``; both travel as JSON.
    """

    def run(script, data=None, *, timeout=60):
        found = subprocess.run(
            [node, "--input-type=module", "--eval", PREAMBLE + script],
            input=json.dumps(data),
            cwd=STATIC,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)

    return run
