"""README, licenses, citation: what stands beside the code, and what stands nowhere."""

import doctest
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
AUTHORS = "The Hands-on Deep Learning authors"
# Written in pieces, so that this file is not its own counterexample.
NEVER = {
    "a path of one machine": re.compile(r"/(?:work|tmp)/\w|/(?:home|Users)/\w+/"),
    "a package registry": re.compile(
        "pypi" + r"\.org|files\.python" + r"hosted|registry\.npm" + "js"
    ),
    "a marker of an unfinished text": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|lorem ip" + "sum)"),
    "a machine as an author": re.compile(
        r"\b(?:clau" + r"de(?! .*shannon)|anthro" + r"pic|copi" + r"lot|co-authored" + "-by)",
        re.IGNORECASE,
    ),
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def texts() -> dict[str, str]:
    """Every text file that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {}
    for name in sorted(set(names.split("\0")) - {""}):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            found[name] = content.decode("utf-8")
    return found


def test_the_readme_is_short_shows_the_book_and_has_the_two_commands():
    readme = read("README.md")
    assert len(readme.splitlines()) < 100
    for picture in re.findall(r"!\[(.*?)\]\((.*?)\)", readme):
        assert len(picture[0]) > 20
        assert (ROOT / picture[1]).is_file()
    assert re.search(r"!\[", readme)
    assert "    make book" in readme
    assert "    make test" in readme


def test_the_readme_says_what_the_package_does():
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_command_that_is_named_exists(name):
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake (book|test|serve|clean|bench)\b", read(name))) <= targets


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_between_files_lead_somewhere(name):
    for target in re.findall(r"\]\((?!https?:)(.*?)\)", read(name)):
        assert (ROOT / target).exists(), target


def test_the_citation_is_complete_and_agrees_with_the_package():
    citation = yaml.safe_load(read("CITATION.cff"))
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "version", "license"}
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == project["version"]
    assert citation["authors"] == [{"name": AUTHORS}] == project["authors"]
    assert citation["license"] == ["MIT", "CC-BY-4.0"]
    assert not citation.keys() & {"url", "repository", "repository-code"}


def test_the_licenses_are_there():
    code, content = read("LICENSE"), read("LICENSE-CONTENT")
    assert code.startswith("MIT License\n")
    assert "Permission is hereby granted, free of charge" in code
    assert 'THE SOFTWARE IS PROVIDED "AS IS"' in code
    assert "https://creativecommons.org/licenses/by/4.0/" in content
    for text in (code, content):
        assert re.search(rf"^Copyright \(c\) \d{{4}} {AUTHORS}$", text, re.MULTILINE)


def test_the_changelog_keeps_its_format():
    changelog = read("CHANGELOG.md")
    versions = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert versions[0] == "Unreleased"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", changelog, re.MULTILINE)) <= kinds


def test_the_address_of_the_repository_stands_in_one_place_only():
    address = yaml.safe_load(read("_config.yml"))["repository"]["url"]
    assert [name for name, text in texts().items() if address in text] == ["_config.yml"]


@pytest.mark.parametrize("what", NEVER)
def test_no_file_holds(what):
    me = "tests/test_meta.py"
    found = [(name, m[0]) for name, text in texts().items() if (m := NEVER[what].search(text))]
    assert not [place for place in found if place[0] != me]


def test_hooks_call_the_tools_of_the_environment():
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
