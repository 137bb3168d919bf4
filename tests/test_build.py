"""``make book``: one build at a time, and what each fault leaves for the next build."""

import errno
import fcntl
import importlib.util
import json
import os
import random
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psutil
import pytest
import yaml

ROOT = Path(__file__).parent.parent


def load(path: Path) -> ModuleType:
    """Load a file as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"tried_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


miniature = load(ROOT / "tests" / "test_book.py")


def allowed(*command: str) -> bool:
    """Say whether this machine lets a test shut things off for a process of its own."""
    try:
        return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


# A namespace of mounts, in which a folder can be read-only or small; and one with no network but
# the machine's own, through which a build speaks with its kernels.
MOUNTS = ("unshare", "--mount")
NO_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@pytest.fixture
def mounts():
    """Skip where a test can't mount, or fail where nothing may be skipped."""
    needed(MOUNTS)


@pytest.fixture
def no_network():
    """Skip where a test can't leave the network, or fail where nothing may be skipped."""
    needed(NO_NETWORK)


def needed(command: tuple[str, ...]) -> None:
    if allowed(*command):
        return
    if os.environ.get("UDL_NO_SKIP") == "1":
        pytest.fail(f"UDL_NO_SKIP=1, but {command[0]} is refused here", pytrace=False)
    pytest.skip(f"{command[0]} is refused here")


MAKEFILE = """\
.venv/ready: pyproject.toml
	mkdir -p .venv/bin
	sh $(SETUP)
	touch $@
"""
SETUP = """\
echo setup >> log
printf '#!/bin/sh\\necho {root}/src\\n' > .venv/bin/python
cp jupyter-book .venv/bin/
chmod +x .venv/bin/*
"""
JUPYTER_BOOK = """\
#!/bin/sh
echo book $UDL_OFFLINE $@ >> log
[ ! -e wait ] || { touch waits; while [ -e wait ]; do sleep 0.02; done; }
[ ! -e says ] || { cat says >&2; exit 1; }
mkdir -p _build/html
echo page > _build/html/page.html
"""


class Fake:
    """A folder in which all that ``make book`` calls is a line or two of shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "book").mkdir()
        shutil.copy(ROOT / "book" / "build.py", folder / "book")
        setup = SETUP.format(root=folder)
        files = {"Makefile": MAKEFILE, "jupyter-book": JUPYTER_BOOK, "setup": setup}
        for name, text in {**files, "pyproject.toml": ""}.items():
            (folder / name).write_text(text)

    def start(self, *within: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*within, sys.executable, "book/build.py"],
            cwd=self.folder,
            env=os.environ | {"SETUP": "setup"} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def build(self, *within: str, **env: str) -> tuple[int, str]:
        """Build; returns the exit status and what was said."""
        process = self.start(*within, **env)
        said = process.communicate(timeout=60)[0]
        return process.returncode, said

    def took(self) -> list[str]:
        """Return the steps taken since this was last asked."""
        log = self.folder / "log"
        steps = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [step.split()[0] for step in steps]

    def until(self, name: str) -> None:
        end = time.monotonic() + 30
        while not (self.folder / name).exists():
            assert time.monotonic() < end, name
            time.sleep(0.01)


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path)


# The environment


def test_the_environment_is_made_once_and_again_when_its_recipe_changes(fake):
    status, said = fake.build()
    assert status == 0
    assert "http.server -d _build/html" in said
    assert (fake.folder / "log").read_text().splitlines()[1] == "book 1 build . -W --quiet"
    assert fake.took() == ["setup", "book"]
    assert fake.build()[0] == 0
    assert fake.took() == ["book"]
    (fake.folder / ".venv" / "kept").touch()
    later = time.time() + 10
    os.utime(fake.folder / "pyproject.toml", (later, later))
    assert fake.build()[0] == 0
    assert fake.took() == ["setup", "book"]
    assert (fake.folder / ".venv" / "kept").exists()


def test_an_environment_that_is_half_made_or_of_another_folder_is_made_anew(fake):
    killed = "mkdir -p .venv/bin; touch .venv/half; kill -9 $PPID; sleep 1"
    (fake.folder / "killed").write_text(killed)
    assert fake.build(SETUP="killed")[0] == 1
    assert (fake.folder / ".venv" / "half").exists()
    assert fake.build()[0] == 0
    assert not (fake.folder / ".venv" / "half").exists()
    python = fake.folder / ".venv" / "bin" / "python"
    fake.took()
    for spoil in (
        python.unlink,
        lambda: python.write_text("#!/bin/sh\necho /elsewhere/src\n"),
        (fake.folder / ".venv" / "ready").unlink,
        lambda: shutil.rmtree(fake.folder / ".venv"),
    ):
        (fake.folder / ".venv" / "old").touch()
        spoil()
        assert fake.build()[0] == 0
        assert fake.took() == ["setup", "book"]
        assert not (fake.folder / ".venv" / "old").exists()


def test_an_update_that_fails_keeps_the_environment_and_one_that_is_killed_does_not(fake):
    assert fake.build()[0] == 0
    later = time.time() + 10
    os.utime(fake.folder / "pyproject.toml", (later, later))
    (fake.folder / ".venv" / "old").touch()
    (fake.folder / "offline").write_text("echo ERROR: no route to the index >&2; exit 1")
    status, said = fake.build(SETUP="offline")
    assert status == 1
    assert "no route to the index" in said
    assert "If the network was gone" in said
    assert fake.build()[0] == 0
    assert fake.took() == ["setup", "book", "setup", "book"]
    assert (fake.folder / ".venv" / "old").exists()
    os.utime(fake.folder / "pyproject.toml", (later + 10, later + 10))
    (fake.folder / "hang").write_text("touch hangs; sleep 100")
    process = fake.start(SETUP="hang")
    fake.until("hangs")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    fake.took()
    assert fake.build()[0] == 0
    assert fake.took() == ["setup", "book"]
    assert not (fake.folder / ".venv" / "old").exists()


# One at a time


def test_a_second_build_waits_for_the_first_also_if_only_its_head_was_killed(fake):
    assert fake.build()[0] == 0
    for signals in (False, True):
        fake.took()
        (fake.folder / "wait").touch()
        first = fake.start()
        fake.until("waits")
        second = fake.start()
        assert second.stdout is not None
        assert "this one waits" in second.stdout.readline()
        if signals:
            first.kill()
            first.wait()
        time.sleep(0.2)
        assert fake.took() == ["book"]
        assert second.poll() is None
        (fake.folder / "wait").unlink()
        assert second.wait(timeout=30) == 0
        assert first.wait(timeout=30) == (-signal.SIGKILL if signals else 0)
        assert fake.took() == ["book"]
        (fake.folder / "waits").unlink()
        first.communicate()
        second.communicate()


def test_the_lock_is_no_file(fake):
    assert fake.build()[0] == 0
    assert {path.name for path in (fake.folder / "_build").iterdir()} == {"html"}
    folder = os.open(fake.folder, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)


def members(group: int) -> list[str]:
    """Return what still runs of a group of processes."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.name())
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_ends_its_children_and_says_so(fake, number):
    assert fake.build()[0] == 0
    (fake.folder / "wait").touch()
    process = fake.start()
    fake.until("waits")
    assert len(members(process.pid)) >= 2
    process.send_signal(number)  # to this process alone, as by kill
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "The next `make book` goes on" in said
    time.sleep(0.2)
    assert members(process.pid) == []


# What is said, and what is removed


def test_after_a_build_that_did_not_end_pages_go_and_outputs_stay(fake):
    assert fake.build()[0] == 0
    kept = fake.folder / "_build" / ".jupyter_cache" / "outputs"
    kept.parent.mkdir()
    kept.touch()
    (fake.folder / "_build" / "html" / "old").touch()
    assert fake.build()[0] == 0
    assert (fake.folder / "_build" / "html" / "old").exists()
    (fake.folder / "_build" / "unfinished").touch()
    status, said = fake.build()
    assert status == 0
    assert "did not come to its end" in said
    assert not (fake.folder / "_build" / "html" / "old").exists()
    assert kept.exists()


BOX = (
    "RuntimeError:\n===\nThere was an error in building your book. Look above for the cause.\n==="
)
TRACE = "Traceback (most recent call last):\n  File x\nOSError: {}\n"


@pytest.mark.parametrize(
    ("says", "expected", "hidden"),
    [
        (f"one.md:3: cell 2 failed\n{TRACE}{BOX}", "one.md:3: cell 2", "RuntimeError"),
        (f"{TRACE.format('[Errno 28] No space left on device')}", "no space left on", "OSError"),
        ("database or disk is full", "no space left on", "The book was not built"),
        (f"{TRACE.format('[Errno 30] Read-only file system')}", "Copy the folder", "OSError"),
        ("Exception occurred:\n  frames\nKeyError: 'a'\n", "KeyError: 'a'", "no space"),
    ],
)
def test_a_failure_is_said_in_few_words(fake, says, expected, hidden):
    assert fake.build()[0] == 0
    (fake.folder / "says").write_text(says)
    process = fake.start()
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert expected in said
    assert hidden not in said
    assert said.rstrip().count("\n") < 14


def test_a_failure_that_nobody_foresaw_shows_where_it_happened(fake):
    assert fake.build()[0] == 0
    (fake.folder / "says").write_text(TRACE.format("odd"))
    process = fake.start()
    said = process.communicate(timeout=30)[0]
    assert "OSError: odd" in said
    assert "Traceback" in said


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, "no space left"), (errno.EROFS, "Copy the folder"), (errno.EACCES, "Copy")],
)
def test_a_folder_that_takes_no_file_is_a_clear_error(monkeypatch, capsys, number, expected):
    build = load(ROOT / "book" / "build.py")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(build.ROOT / "_build"))

    monkeypatch.setattr(build, "lock_folder", refuse)
    with pytest.raises(SystemExit) as stopped:
        build.main()
    assert expected in str(stopped.value)
    assert "Errno" not in str(stopped.value)


def test_a_file_elsewhere_that_may_not_be_read_is_named(monkeypatch):
    build = load(ROOT / "book" / "build.py")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/data/table.csv")

    monkeypatch.setattr(build, "lock_folder", refuse)
    with pytest.raises(SystemExit, match=r"/data/table\.csv"):
        build.main()


@pytest.mark.usefixtures("mounts")
def test_a_read_only_checkout_is_a_clear_error(fake):
    mount = f"mount --bind {fake.folder} {fake.folder} && mount -o remount,ro,bind {fake.folder}"
    status, said = fake.build(*MOUNTS, "sh", "-c", f'{mount} && cd {fake.folder} && "$@"', "sh")
    assert status == 1
    assert "can't be written to" in said
    assert "Traceback" not in said
    assert fake.build()[0] == 0


# The outputs' index


def test_what_a_kill_or_a_full_disk_leaves_of_the_index_is_noticed(tmp_path):
    from jupyter_cache import get_cache

    execution = miniature.extension("execution")
    index = tmp_path / "global.db"
    assert execution.is_sound(index)
    get_cache(tmp_path).list_cache_records()
    assert execution.is_sound(index)
    whole = index.read_bytes()
    for part in (b"", whole[: len(whole) // 2], whole[:5000], b"no index" * 1000):
        index.write_bytes(part)
        assert not execution.is_sound(index), len(part)
    index.write_bytes(whole)
    with sqlite3.connect(index) as connection:
        connection.execute("DROP TABLE settings")
    connection.close()
    assert not execution.is_sound(index)


def test_an_index_that_another_process_holds_is_not_taken_for_a_broken_one(tmp_path, monkeypatch):
    execution = miniature.extension("execution")
    index = tmp_path / "global.db"
    holder = sqlite3.connect(index, isolation_level=None)
    holder.execute("CREATE TABLE settings (pk)")
    holder.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, timeout=0.01))
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        execution.is_sound(index)
    holder.close()


# The miniature book


def write_book(folder: Path) -> None:
    """Write a miniature book, with what ``make book`` needs besides."""
    miniature.make(folder)
    shutil.copy(ROOT / "book" / "build.py", folder / "book")
    (folder / ".venv").symlink_to(sys.prefix)


def start(folder: Path, *within: str) -> subprocess.Popen[str]:
    own = {"PYTHONPATH": str(folder / "src"), "RAN": str(folder / "ran.txt"), "UDL_OFFLINE": "1"}
    return subprocess.Popen(
        [*within, sys.executable, "book/build.py"],
        cwd=folder,
        env=os.environ | own | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def make_book(folder: Path, *within: str) -> tuple[int, str]:
    process = start(folder, *within)
    said = process.communicate(timeout=300)[0]
    assert "Traceback" not in said, said
    return process.returncode, said


def site(folder: Path) -> dict[str, bytes]:
    """Return the files of the built site; what says how long something took is left out."""
    html = folder / "_build" / "html"
    return {
        path.relative_to(html).as_posix(): re.sub(rb"<time .*?</time>", b"", path.read_bytes())
        for path in sorted(html.rglob("*"))
        if path.is_file()
    }


def same(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


@pytest.mark.book
def test_what_was_cut_off_stays_until_the_mark_of_its_build_is_found(tmp_path):
    write_book(tmp_path)
    status, said = make_book(tmp_path)
    assert status == 0, said
    before = site(tmp_path)
    (tmp_path / "ran.txt").unlink()

    # Sphinx goes by times: a page that is newer than its source is taken for a whole one.
    page = tmp_path / "_build" / "html" / "book" / "one.html"
    page.write_bytes(page.read_bytes()[:1000])
    assert make_book(tmp_path)[0] == 0
    assert b"</html>" not in page.read_bytes()

    # MyST-NB draws no picture that is there already, the cache takes no index for an empty one.
    (picture,) = (tmp_path / "_build" / "jupyter_execute").rglob("*.png")
    picture.write_bytes(picture.read_bytes()[:1000])
    (tmp_path / "_build" / "unfinished").touch()
    assert make_book(tmp_path)[0] == 0
    same(site(tmp_path), before)
    assert not (tmp_path / "ran.txt").exists()

    (tmp_path / "_build" / ".jupyter_cache" / "global.db").write_bytes(b"")
    shutil.rmtree(tmp_path / "_build" / ".doctrees")
    assert make_book(tmp_path)[0] == 0
    same(site(tmp_path), before)
    assert len((tmp_path / "ran.txt").read_text().split()) == 3


@pytest.mark.release
def test_a_build_that_was_killed_at_any_moment_is_finished_by_the_next(tmp_path):
    clean, other = tmp_path / "clean" / "book", tmp_path / "other" / "book"
    for folder in (clean, other):
        folder.mkdir(parents=True)
        write_book(folder)
    began = time.monotonic()
    assert make_book(clean)[0] == 0
    lasts = time.monotonic() - began
    moments = random.Random(0)
    killed = 0
    for _ in range(5):
        process = start(other)
        time.sleep(moments.uniform(0.1, 1.0) * lasts)
        os.killpg(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.communicate()
        status, said = make_book(other)
        assert status == 0, said
        same(site(other), site(clean))
        shutil.rmtree(other / "_build")
    assert killed >= 2


@pytest.mark.release
@pytest.mark.usefixtures("mounts")
def test_a_full_disk_is_a_clear_error_and_the_next_build_recovers(tmp_path):
    clean, disk = tmp_path / "clean", tmp_path / "disk"
    clean.mkdir()
    disk.mkdir()
    write_book(clean)
    assert make_book(clean)[0] == 0
    size = sum(p.stat().st_size for p in (clean / "_build").rglob("*") if p.is_file()) >> 10
    build = f"{shlex.quote(sys.executable)} book/build.py"
    source = [path for path in clean.iterdir() if path.name not in {"_build", "ran.txt"}]
    names = " ".join(shlex.quote(str(path)) for path in source)
    script = f"""
        mount -t tmpfs -o size={size * 3}k disk {disk} && cp -a {names} {disk} && cd {disk}
        export PYTHONPATH={disk}/src RAN={tmp_path}/ran UDL_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
        for part in 5 20 40 60 75 90; do
            rm -rf _build
            mount -o remount,size=$((100 + $(du -sk . | cut -f1) + {size} * part / 100))k {disk}
            {build}; echo "status $?"
            mount -o remount,size={size * 3}k {disk}
            {build}; echo "status $?"
            mkdir -p {tmp_path}/at-$part/_build; cp -r _build/html {tmp_path}/at-$part/_build/
        done
    """
    done = subprocess.run(
        [*MOUNTS, "bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    said = done.stdout
    assert "Traceback" not in said
    status = re.findall(r"status (\d+)", said)
    assert status[1::2] == ["0"] * 6, said
    assert status[::2].count("1") > 3, said
    assert said.count("There is no space left") == status[::2].count("1"), said
    for path in tmp_path.glob("at-*"):
        same(site(path), site(clean))


@pytest.mark.release
@pytest.mark.usefixtures("no_network")
def test_a_book_is_built_with_no_network(tmp_path):
    write_book(tmp_path)
    status, said = make_book(tmp_path, *NO_NETWORK)
    assert status == 0, said
    assert len((tmp_path / "ran.txt").read_text().split()) == 3


@pytest.mark.release
@pytest.mark.usefixtures("no_network")
def test_the_real_recipe_says_so_when_there_is_no_network_for_packages(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "src" / "udl").mkdir(parents=True)
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / "build.py", tmp_path / "book")
    status, said = make_book(tmp_path, *NO_NETWORK, "env", "PIP_RETRIES=0", "PYTHON=python3")
    assert status == 1
    assert "If the network was gone" in said
    assert not (tmp_path / ".venv" / "ready").exists()


@pytest.mark.release
def test_two_builds_at_once_make_one_book(tmp_path):
    write_book(tmp_path)
    both = [start(tmp_path), start(tmp_path)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("this one waits" in one for one in said) == 1
    assert sorted((tmp_path / "ran.txt").read_text().split()) == ["one", "three", "two"]


# A GPU, made of paper

TORCH = """\
class cuda:
    is_available = staticmethod(lambda: True)
    is_initialized = staticmethod(lambda: True)
    get_device_name = staticmethod(lambda: "Paper 1")
    get_device_capability = staticmethod(lambda: (9, 0))
class version:
    cuda = "13.0"
class _Cudnn:
    deterministic = False
    version = staticmethod(lambda: 91002)
class backends:
    cudnn = _Cudnn()
"""
NVRM = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (build@host)
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
PAPER = {
    "name": "Paper 1",
    "capability": "9.0",
    "cuda": "13.0",
    "cudnn": "91002",
    "driver": "570.124.06",
}


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """Give the module with a GPU: device and driver are files, torch is a few lines."""
    (tmp_path / "gpu" / "torch").mkdir(parents=True)
    (tmp_path / "gpu" / "torch" / "__init__.py").write_text(TORCH)
    (tmp_path / "driver").write_text(NVRM)
    execution = miniature.extension("execution")
    monkeypatch.setattr(execution, "DRIVERS", (tmp_path / "driver",))
    monkeypatch.setattr(execution, "DRIVER", tmp_path / "driver")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "gpu"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return execution


def test_a_gpu_is_described_by_its_name_driver_and_libraries(paper, monkeypatch):
    assert paper.gpu() == PAPER
    keys = [paper.environment()]
    for change in ({"driver": "570.133.20"}, {"name": "Paper 2"}, {"capability": "10.0"}, {}):
        monkeypatch.setattr(paper, "gpu", lambda change=change: change and PAPER | change)
        keys.append(paper.environment.__wrapped__())
    assert len(set(keys)) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert paper.environment.__wrapped__() not in keys


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_or_none_costs_nothing(paper, monkeypatch, tmp_path, hidden):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert paper.gpu() == {}
    paper.gpu.cache_clear()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(paper, "DRIVERS", (tmp_path / "nothing",))
    assert paper.gpu() == {}


def test_a_gpu_that_cannot_be_used_is_an_error_that_names_the_way_out(paper, tmp_path):
    torch = tmp_path / "gpu" / "torch" / "__init__.py"
    torch.write_text(TORCH.replace('"Paper 1"', "1 / 0"))
    with pytest.raises(Exception, match="Set CUDA_VISIBLE_DEVICES to nothing"):
        paper.gpu()
    # A driver, but a torch for the CPU.
    torch.write_text(TORCH.replace("lambda: True", "lambda: False"))
    assert paper.gpu() == {}


def test_the_driver_is_asked_where_it_has_no_file(paper, tmp_path, monkeypatch):
    (tmp_path / "driver").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert paper.driver() == "unknown"
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 535.104.05\n")
    tool.chmod(0o755)
    assert paper.driver() == "535.104.05"


@pytest.mark.book
def test_on_a_gpu_chapters_run_one_at_a_time_in_full_precision(paper, tmp_path, monkeypatch):
    book = miniature.make(tmp_path / "book")
    pretend = f"""
        from pathlib import Path
        import execution
        def setup(app):
            execution.DRIVER = Path("{tmp_path}/driver")
            execution.DRIVERS = (execution.DRIVER,)
            return {{"version": "1"}}
    """
    book.write("pretend/pretend.py", textwrap.dedent(pretend))
    config = yaml.safe_load(book.read("_config.yml"))
    config["sphinx"]["local_extensions"]["pretend"] = "pretend"
    book.write("_config.yml", yaml.safe_dump(config))
    alone = """
        import json, os, time, torch
        started = time.time()
        time.sleep(0.3)
    """
    note = """
        assert "sys" not in globals()
        with open(os.environ["RAN"] + ".json", "a") as file:
            names = ("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS")
            told = [os.environ.get(name) for name in names] + [torch.backends.cudnn.deterministic]
            print(json.dumps([started, time.time(), told]), file=file)
    """
    for name in ("one", "two"):
        book.append(f"book/{name}.md", miniature.cell(alone))
        book.append(f"book/{name}.md", miniature.cell(note))
    book.write("src/torch/__init__.py", TORCH)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    miniature.good(book.build())
    lines = Path(f"{book.log}.json").read_text().splitlines()
    first, second = sorted(map(json.loads, lines))
    assert first[1] < second[0]
    assert first[2] == second[2] == [":4096:8", "0", "1", True]
    reports = json.loads((book.folder / "_build" / "execution.json").read_text())
    assert reports["book/one"]["device"] == "GPU: Paper 1"
    assert reports["book/one"]["gpu"] == PAPER
    assert reports["book/three"]["device"] == "CPU"
    assert reports["book/three"]["gpu"] == {}
    assert reports["book/three"]["processor"]


# What is recorded


def reports(device: str = "CPU", **more: object) -> dict[str, dict[str, object]]:
    own = {"device": device, "gpu": {}, "processor": "Abacus", "cores": 2, "python": "3.11"}
    own |= {"execution_seconds": 1.26, "versions": {"torch": "2.13.0"}, **more}
    plain = own | {"device": "CPU", "gpu": {}, "versions": {}}
    return {"book/one": own, "book/two": plain}


def test_a_build_is_recorded_after_those_before(tmp_path, capsys):
    history = miniature.extension("history")
    (tmp_path / "_build").mkdir()
    (tmp_path / "benchmarks").mkdir()
    with pytest.raises(SystemExit, match="no built book"):
        history.main(tmp_path)
    for pages in (reports(), reports("GPU: Paper 1", gpu=PAPER)):
        (tmp_path / "_build" / "execution.json").write_text(json.dumps(pages))
        assert history.main(tmp_path) == 0
    assert "GPU: Paper 1: 2 pages, 2.6 s" in capsys.readouterr().out
    first, second = history.recorded(tmp_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", first.pop("date"))
    assert first == {
        "device": "CPU",
        "gpu": {},
        "processor": "Abacus",
        "cores": 2,
        "python": "3.11",
        "torch": "2.13.0",
        "chapters": {"one": 1.3, "two": 1.3},
    }
    assert (second["device"], second["gpu"]) == ("GPU: Paper 1", PAPER)
    mixed = reports()
    mixed["book/one"]["processor"] = "Difference engine"
    (tmp_path / "_build" / "execution.json").write_text(json.dumps(mixed))
    with pytest.raises(SystemExit, match="several machines"):
        history.main(tmp_path)


def test_the_report_shows_builds_side_by_side_and_says_what_was_never_measured(
    tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(miniature.EXTENSIONS))
    report = importlib.import_module("report")
    made = report.Report.__new__(report.Report)
    made.app, made.reports = SimpleNamespace(confdir=tmp_path), reports("GPU: Paper 1", gpu=PAPER)
    made.ran = {"book/two"}
    made.order = lambda: ["book/index", "book/one", "book/two"]
    made.title = str.upper

    def said(part: str) -> str:
        return re.sub(r"\s*<[^>]*>[\s]*", "|", getattr(made, part)())

    def seconds() -> list[str]:
        return [cell for cell in said("seconds").split("|") if cell]

    assert "No build on a CPU has been recorded." in said("history")
    assert "No build on a GPU has been recorded." in said("history")
    assert seconds() == [
        *("Page", "Seconds"),
        *("BOOK/ONE", "1.3"),
        *("BOOK/TWO", "1.3"),
        *("Together", "2.6"),  # of what stands above, not of 1.26 and 1.26
        "1 of 2 pages ran in this build: BOOK/TWO.",
    ]
    facts = {"processor": "Abacus", "cores": 2, "python": "3.11", "torch": "2.13.0"}
    builds = [
        facts | {"date": "2026-01-02", "device": "CPU", "chapters": {"one": 20.0}},
        facts
        | {
            "date": "2026-01-03",
            "device": "GPU: <Paper> 0",
            "chapters": {"one": 3.0, "two": 4.0, "gone": 0.5},
        },
    ]
    (tmp_path / "benchmarks").mkdir()
    records = tmp_path / "benchmarks" / "chapters.json"
    records.write_text(json.dumps(builds[:1]))
    assert "No build on a CPU" not in said("history")
    assert "No build on a GPU has been recorded." in said("history")
    records.write_text(json.dumps(builds))
    assert "has been recorded" not in said("history")
    own = "Abacus (2 cores), Python 3.11, PyTorch 2.13.0."
    assert [cell for cell in said("history").split("|") if cell][1:] == [
        *("Build 1", f"2026-01-02, 1 page, CPU, {own}"),
        *("Build 2", f"2026-01-03, 3 pages, GPU: &lt;Paper&gt; 0, {own}"),
    ]
    assert seconds() == [
        *("Page", "Seconds", "Build 1", "Build 2"),
        *("BOOK/ONE", "1.3", "20.0", "3.0"),
        *("BOOK/TWO", "1.3", "4.0"),
        *("Together", "2.6", "20.0", "7.5"),
        "1 of 2 pages ran in this build: BOOK/TWO.",
    ]
    # Of many, the last five.
    records.write_text(json.dumps([builds[0]] * 3 + [builds[1]] * 5))
    assert "2026-01-02" not in said("history")
    assert said("history").count("2026-01-03") == 5
    assert "Recorded before these: 3." in said("history")
    assert seconds()[2:7] == [f"Build {k}" for k in range(1, 6)]
    machine = made.machine()
    for fact in ("GPU: Paper 1", "570.124.06", "13.0", "91002", "9.0", "Abacus (2 cores)"):
        assert fact in machine
    made.reports = reports()
    assert "Driver" not in made.machine()
