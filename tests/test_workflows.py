"""The workflows: what they may do, what they pin, what they name, and what their checks say."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PUBLISH = ROOT / "publish"
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
# Every right to write, and who needs it for what.
WRITES = {
    ("book", "deploy", "pages"),
    ("book", "deploy", "id-token"),
    ("book", "notebooks", "contents"),
    ("links", "issue", "issues"),
    ("newest", "issue", "issues"),
    ("release", "attest", "id-token"),
    ("release", "attest", "attestations"),
    ("release", "publish", "id-token"),
    ("release", "release", "contents"),
    ("release", "site", "actions"),
}


def load(path: Path) -> dict[Any, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def triggers(workflow: dict[Any, Any]) -> dict[str, Any]:
    return workflow[True]  # YAML 1.1 reads `on` as true


def steps(path: Path) -> list[dict[str, Any]]:
    if path.name == "action.yml":
        return load(path)["runs"]["steps"]
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


class Said(NamedTuple):
    """What a script came to."""

    status: int
    out: str
    error: str


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a script of the folder `publish`."""
    monkeypatch.syspath_prepend(str(PUBLISH))

    def call(script: str, *arguments: object) -> Said:
        status = importlib.import_module(script).main([str(a) for a in arguments])
        return Said(status, *capsys.readouterr())

    return call


def by_name(path: Path) -> str:
    return path.parent.name if path.name == "action.yml" else path.name


workflows = pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
files = pytest.mark.parametrize("path", WORKFLOWS + ACTIONS, ids=by_name)


@files
def test_actions_are_pinned(path):
    uses = re.findall(r"uses: *(\S+)(.*)", path.read_text(encoding="utf-8"))
    assert uses
    for action, comment in uses:
        if action.startswith("./"):
            assert (ROOT / action / "action.yml").is_file()
            continue
        assert re.fullmatch(r"actions/[\w/-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_an_action_has_one_version_everywhere():
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS + ACTIONS:
        text = path.read_text(encoding="utf-8")
        for name, pin in re.findall(r"uses: *(actions/[\w-]+)[\w/-]*@(.+)", text):
            pins.setdefault(name, set()).add(pin)
    assert not {name: found for name, found in pins.items() if len(found) > 1}


@files
def test_no_expression_stands_in_a_script(path):
    # An expression in a script is code that someone else may write.
    assert not [step for step in steps(path) if "${{" in step.get("run", "")]


@files
def test_no_secret_is_used_and_no_checkout_keeps_its_token(path):
    assert "secrets." not in path.read_text(encoding="utf-8")
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@workflows
def test_a_workflow_may_read_and_has_an_end(path):
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["name"] == path.stem
    assert set(workflow["concurrency"]) == {"group", "cancel-in-progress"}
    # `bash -e` alone takes a failure on the left of a pipe for success.
    assert workflow["defaults"] == {"run": {"shell": "bash"}}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 150


def test_only_these_jobs_may_write():
    found = {
        (path.stem, name, right)
        for path in WORKFLOWS
        for name, job in load(path)["jobs"].items()
        for right, level in job.get("permissions", {}).items()
        if level != "read"
    }
    assert found == WRITES


def test_what_may_write_runs_nothing_of_the_book():
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            if any(right[:2] == (path.stem, name) for right in WRITES):
                scripts = " ".join(step.get("run", "") for step in job["steps"])
                assert not re.search(r"\bmake\b|\.venv|jupyter|pytest", scripts), (path.name, name)


def test_code_of_strangers_meets_neither_the_gpu_nor_a_right():
    for path in WORKFLOWS:
        workflow = load(path)
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(
            triggers(workflow)
        )
        if "pull_request" in triggers(workflow):
            assert not any(right[0] == path.stem for right in WRITES)
            assert all(job["runs-on"] == "ubuntu-latest" for job in workflow["jobs"].values())


@pytest.mark.parametrize(("name", "job"), [("book", "build"), ("release", "book")])
def test_the_label_of_the_gpu_runner_is_a_setting_and_there_is_a_way_without(name, job):
    found = load(FOLDER / f"{name}.yml")["jobs"][job]
    assert found["runs-on"] == "${{ vars.GPU_RUNNER || 'ubuntu-latest' }}"
    assert found["env"]["PIP_EXTRA_INDEX_URL"] == (
        "${{ vars.GPU_RUNNER && vars.TORCH_INDEX_GPU"
        " || !vars.GPU_RUNNER && vars.TORCH_INDEX_CPU || '' }}"
    )


def test_executed_chapters_are_kept_by_lock_file_device_and_code():
    caches = [s for s in steps(FOLDER / "book.yml") if s.get("uses", "").startswith("actions/ca")]
    (cache,) = caches
    for part in ("steps.device.outputs.key", "'constraints.txt'", "'src/**', 'book/**'"):
        assert part in cache["with"]["key"]
    # Never from another device or other versions.
    (earlier,) = cache["with"]["restore-keys"].splitlines()
    assert cache["with"]["key"].startswith(earlier)
    assert "steps.device.outputs.key" in earlier
    assert "'constraints.txt'" in earlier
    release = (FOLDER / "release.yml").read_text(encoding="utf-8")
    assert "actions/cache" not in release


@files
def test_what_a_workflow_calls_exists(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(step.get("run", "") for step in steps(path))
    for line in re.findall(r"^\s*make ([a-z ]+)$", text, re.MULTILINE):
        assert set(line.split()) <= targets, line
    for script in re.findall(r"\b(?:publish|benchmarks|tests)/\w+\.py", text):
        assert (ROOT / script).is_file(), script


def test_the_workflow_runs_the_two_commands_and_skips_nothing():
    path = FOLDER / "test.yml"
    job = load(path)["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make book", "make test"]
    assert job["env"]["UDL_NO_SKIP"] == "1"


@pytest.mark.parametrize("name", ["book", "release"])
def test_the_first_thing_is_the_address(name):
    first = next(step for step in steps(FOLDER / f"{name}.yml") if "run" in step)
    assert first["run"] == ('python3 publish/address.py "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"')


def test_a_book_with_another_address_is_not_published(run, tmp_path):
    config = tmp_path / "_config.yml"
    config.write_text(
        "title: A\n\n# Where.\nrepository:\n  # Here.\n  url: https://example.org/a\n"
    )
    fine = run("address", "https://example.org/A.git", "--config", config)
    assert fine.status == 0
    wrong = run("address", "https://example.org/other", "--config", config)
    assert wrong.status == 1
    assert "`repository.url: https://example.org/a`, but" in wrong.error
    assert "Set `repository.url` in _config.yml to https://example.org/other" in wrong.error
    address = load(ROOT / "_config.yml")["repository"]["url"]
    assert run("address", address).status == 0


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1.2.3"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.3\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n- Later.\n\n## [1.2.3] - 2026-01-31\n\n### Added\n\n"
        "- This.\n\n## [1.2.2] - 2026-01-30\n\n- That.\n\n[1.2.3]: https://example.org\n"
    )
    return tmp_path


def test_a_release_prints_its_section_of_the_changelog(run, project):
    done = run("release", "v1.2.3", "--root", project)
    assert done.status == 0
    assert done.out == "### Added\n\n- This.\n"


def test_the_text_of_a_release_is_broken_where_something_ends(run, project):
    """Its page shows each line of the text as a line, unlike the page of a file."""
    changelog = project / "CHANGELOG.md"
    wrapped = "- This,\n  *that*\n  and more.\n  - One below,\n    too.\n- Last.\n\nA\nword.\n"
    changelog.write_text(changelog.read_text().replace("- This.\n", wrapped))
    assert run("release", "v1.2.3", "--root", project).out == (
        "### Added\n\n- This, *that* and more.\n  - One below, too.\n- Last.\n\nA word.\n"
    )


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pyproject.toml", '"1.2.3"', '"1.2.4"'),
        ("CITATION.cff", "version: 1.2.3", "version: 1.2.2"),
        ("CHANGELOG.md", "[1.2.3] - 2026-01-31", "[1.2.3]"),
    ],
)
def test_a_release_needs_one_version_everywhere(run, project, file, old, new):
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    done = run("release", "v1.2.3", "--root", project)
    assert done.status == 1
    assert done.out == ""
    assert [line.split(":")[0].strip() for line in done.error.splitlines()[1:]] == [file]


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-final"])
def test_a_release_refuses_other_tags(run, project, tag):
    assert run("release", tag, "--root", project).status == 1


GH = """#!{python}
import json, os, sys
arguments = sys.argv[1:]
if "--body-file" in arguments:
    place = arguments.index("--body-file") + 1
    arguments[place] = open(arguments[place], encoding="utf-8").read()
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(arguments) + chr(10))
if arguments[:2] == ["issue", "list"]:
    print(os.environ["OPEN"])
"""


@pytest.fixture
def gh(run, tmp_path, monkeypatch):
    """Put a program of that name on the path; it notes how it was called."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gh"
    program.write_text(GH.format(python=sys.executable))
    program.chmod(0o755)
    calls = tmp_path / "calls"

    def call(
        *arguments: str, numbers: tuple[int, ...] = (), body: str = "text"
    ) -> list[list[str]]:
        (tmp_path / "body.md").write_text(body, encoding="utf-8")
        listed = json.dumps([{"number": number} for number in numbers])
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        monkeypatch.setenv("CALLS", str(calls))
        monkeypatch.setenv("OPEN", listed)
        more = ("--label", "links", "--body", tmp_path / "body.md")
        done = run("issue", *more, *arguments)
        assert done.status == 0, done.error
        return [json.loads(line) for line in calls.read_text().splitlines()][1:]

    return call


def test_there_is_one_issue_opened_once_and_then_updated(gh):
    made = gh("--title", "Links")
    assert made[0][:3] == ["label", "create", "links"]
    assert made[1][:2] == ["issue", "create"]
    assert len(made) == 2


def test_an_open_issue_is_updated(gh):
    assert gh("--title", "Links", numbers=(7,)) == [
        ["issue", "edit", "7", "--title", "Links", "--body-file", "text"]
    ]


def test_an_issue_is_closed_when_all_is_well(gh):
    assert gh("--close", numbers=(7,)) == [
        ["issue", "comment", "7", "--body-file", "text"],
        ["issue", "close", "7"],
    ]


def test_nothing_is_closed_where_nothing_is_open(gh):
    assert gh("--close") == []


def test_a_long_text_is_cut_between_lines(gh):
    (call,) = gh("--title", "Links", numbers=(7,), body="0123456789\n" * 7000)
    body = call[-1]
    assert len(body) < 65_536
    assert set(body.partition("\n\nCut here")[0].splitlines()) == {"0123456789"}


# --- steps, acted out ------------------------------------------------------------------------


def act(workflow: str, job: str, name: str, folder: Path, **env: object) -> Said:
    """Run the script of a step as a runner does."""
    found = load(FOLDER / f"{workflow}.yml")["jobs"][job]["steps"]
    (text,) = (step["run"] for step in found if step.get("name") == name)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    environment = os.environ | {key: str(value) for key, value in env.items()}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


RELEASES = """#!/bin/sh
case "$*" in
  "release list"*--jq*) printf '%s\\n' v1.1.0 v1.0.0 ;;
  "release list"*) echo '[{"tagName": "v1.0.0", "publishedAt": "2026-01-31T12:00:00Z"}]' ;;
  "release view $GONE "*) echo "HTTP 502: Bad Gateway" >&2; exit 1 ;;
  "release view v1.0.0 "*) printf '%s\\n' book-offline.zip udl.whl ;;
  "release view v1.1.0 "*) echo udl.whl ;;
  "release download v1.0.0 --dir "*) mkdir -p "$5"; touch "$5/book-offline.zip" ;;
  *) exit 2 ;;
esac
"""


@pytest.fixture
def programs(tmp_path):
    """Give a folder for programs of a test's own, and the path that finds them first."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder, f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_a_site_that_would_lose_a_version_is_not_published(programs, tmp_path):
    folder, path = programs
    (folder / "gh").write_text(RELEASES)
    (folder / "gh").chmod(0o755)
    (tmp_path / "work").mkdir()
    done = act("book", "build", "Earlier releases", tmp_path / "work", PATH=path, GONE="none")
    assert done.status == 0, done.error
    releases = tmp_path / "work" / "_build" / "releases"
    assert (releases / "v1.0.0" / "book-offline.zip").is_file()
    assert json.loads((releases / "releases.json").read_text())[0]["tagName"] == "v1.0.0"
    assert done.out == "::warning::v1.1.0 has no offline archive\n"
    assert act("book", "build", "Earlier releases", tmp_path, PATH=path, GONE="v1.0.0").status


def test_an_attempt_publishes_the_site_that_it_built_or_the_last_one_that_was():
    jobs = load(FOLDER / "book.yml")["jobs"]
    ((kept,), (published,)) = (
        [step["with"] for step in jobs[job]["steps"] if f"/{action}@" in step.get("uses", "")]
        for job, action in (("build", "upload-pages-artifact"), ("deploy", "deploy-pages"))
    )
    # An attempt that runs only what failed takes the outputs of an earlier one.
    assert "github.run_attempt" in kept["name"]
    assert jobs["build"]["outputs"]["site"] == kept["name"]
    assert published["artifact_name"] == "${{ needs.build.outputs.site }}"


def test_the_branch_of_notebooks_gets_what_changed_and_nothing_else(programs, tmp_path):
    folder, path = programs
    (folder / "gh").symlink_to("/bin/true")
    remote, settings = tmp_path / "remote.git", tmp_path / "settings"
    git = ["git", "--git-dir", str(remote)]
    subprocess.run([*git, "init", "--quiet", "--bare"], check=True)
    settings.write_text(f'[url "{remote.as_uri()}"]\n\tinsteadOf = https://example.org/a/b\n')

    def push(number: int, **files: str) -> Said:
        notebooks = tmp_path / f"run{number}" / "notebooks"
        notebooks.mkdir(parents=True)
        for name, text in files.items():
            (notebooks / name).write_text(text)
        return act(
            "book", "notebooks", "Commit and push", notebooks,
            PATH=path, GIT_CONFIG_GLOBAL=settings, GITHUB_SHA=number,
            GITHUB_SERVER_URL="https://example.org", GITHUB_REPOSITORY="a/b",
        )  # fmt: skip

    def log() -> list[str]:
        show = [*git, "log", "--format=%s", "--name-status", "notebooks"]
        done = subprocess.run(show, capture_output=True, text=True, check=True)
        return done.stdout.split("\n")[:-1]

    first = ["Notebooks of 1", "", "A\ta", "A\tb"]
    assert push(1, a="1", b="2").status == 0
    assert log() == first
    done = push(2, a="1", b="2")
    assert (done.status, done.out) == (0, "The notebooks are as they were.\n")
    assert log() == first
    assert push(3, a="3").status == 0
    assert log() == ["Notebooks of 3", "", "M\ta", "D\tb", *first]
    remote.rename(tmp_path / "gone")
    assert push(4, a="4").status != 0


def test_the_sbom_is_one_that_can_be_attested(tmp_path):
    # Of a small environment: what it has to hold does not depend on how many packages there are.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    program = Path(sys.executable).parent / "cyclonedx-py"
    (tmp_path / ".venv" / "bin" / program.name).symlink_to(program)
    (tmp_path / "_build").mkdir()
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    step = "List what is in the locked environment"
    done = act("release", "package", step, tmp_path, GITHUB_REF_NAME="v1.2.3")
    assert done.status == 0, done.error
    sbom = json.loads((tmp_path / "_build" / "udl-1.2.3.cdx.json").read_text(encoding="utf-8"))
    # What actions/attest knows CycloneDX by; in the format itself the serial number is optional.
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["serialNumber"].startswith("urn:uuid:")
    assert sbom["specVersion"]


def test_dependabot_looks_after_actions_and_pins():
    config = load(ROOT / ".github" / "dependabot.yml")
    assert [update["package-ecosystem"] for update in config["updates"]] == [
        "github-actions",
        "pip",
    ]
    places = config["updates"][0]["directories"]
    assert places == ["/", *(f"/{p.parent.relative_to(ROOT).as_posix()}" for p in ACTIONS)]


def test_the_auditor_of_workflows_finds_nothing():
    program = Path(sys.executable).parent / "zizmor"
    command = [str(program), "--offline", "--no-progress", "--persona=pedantic", ".github"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout


def test_the_checker_of_workflows_finds_nothing():
    program = os.environ.get("ACTIONLINT")
    if not program:
        reason = "ACTIONLINT names no command"
        if os.environ.get("UDL_NO_SKIP") == "1":
            pytest.fail(f"UDL_NO_SKIP=1, but {reason}", pytrace=False)
        pytest.skip(reason)
    command = [*shlex.split(program), ".github/workflows/*.yml"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(WORKFLOWS)} workflow file" in done.stdout
