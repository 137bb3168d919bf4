"""Build the book. ``make book`` calls this with the Python that the environment is made with.

One build at a time works in a folder: a second one waits. What was cut off begins anew: an
environment that was not finished is made again, and all pages after a build that did not come to
its end. The outputs of cells are kept: each is stored whole, or computed again. What stops a build
is said in a paragraph; the next ``make book`` goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:
    sys.exit("The book is built on Linux, on macOS, or in Windows' Subsystem for Linux.")

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
VENV = ROOT / ".venv"
READY = VENV / "ready"  # the Makefile's rule makes it, last of all

FULL = f"""\
There is no space left on the device, for {ROOT} or for temporary files. Free some and run
`make book` again: what was computed is kept. The environment takes 3 GB, the book less than 1."""
READ_ONLY = f"""\
{ROOT} can't be written to, and the book is built inside of it. Copy the folder to where you may
write, or change its owner, and run `make book` there."""
CAUSES = {
    r"No space left on device|disk is full|Disk quota exceeded": FULL,
    rf"Read-only file system|readonly database|\[Errno 13\].*{re.escape(str(ROOT))}": READ_ONLY,
}
PACKAGES = """\
The environment could not be made: what pip says stands above. If the network was gone, run
`make book` again when it is back. Once the environment is there, the book needs no network."""
DATA = """\
A data set is not what it should be: what is wrong stands above. Set it right, or take it away from
where it lies to have a stand-in, and run `make book` again."""
BOOK = """\
The book was not built: the cause stands above. The next `make book` keeps what was computed."""
DONE = """
The book is in _build/html. To read it:

    python3 -m http.server -d _build/html

and open http://localhost:8000 in a browser."""


def run(command: list[str], message: str, lock: int | None, **env: str) -> None:
    """Run a step. Pass on what it complains of, but no traceback of what has a known cause.

    The step holds the lock as well: if this process is killed alone, the folder stays locked.
    """
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL if "jupyter-book" in command[0] else None,
        encoding="utf-8",
        errors="replace",
        pass_fds=() if lock is None else (lock,),
    )
    said = trace = ""
    try:
        for line in child.stderr or ():
            said += line
            if trace or re.search(r"Traceback \(|Exception occurred:", line):
                trace += line
            else:
                print(line, end="", file=sys.stderr, flush=True)
        status = child.wait()
    # Ctrl-C goes to the step, too; a signal from elsewhere does not, nor that nobody listens.
    except (KeyboardInterrupt, BrokenPipeError):
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(20)
        child.kill()
        raise
    if status < 0:
        message += f" It was ended by signal {-status}: if not by you, then for want of memory."
    if not status:
        print(trace, end="", file=sys.stderr)
    else:
        known = [text for cause, text in CAUSES.items() if re.search(cause, said)]
        if not known and "There was an error in building your book" in trace:
            trace = trace.partition("Traceback (")[0]  # Sphinx has said it in fewer words
        print("" if known else trace, end="", file=sys.stderr)
        sys.exit("\n" + (known or [message])[0])


def lock_folder() -> int | None:
    """Wait until no other build works here. The lock ends with the processes that hold it."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another `make book` works in this folder; this one waits for it.", flush=True)
        fcntl.flock(folder, fcntl.LOCK_EX)
    except OSError:
        print("This file system has no locks: start no second `make book` here.", flush=True)
        return None
    return folder


def is_of_this_folder() -> bool:
    """Say whether the environment works, and here: the folder may be moved, its Python gone."""
    code = "import importlib.util as i; print(i.find_spec('jupyter_book') and i.find_spec('udl'))"
    command = [str(VENV / "bin" / "python"), "-c", code]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return str(ROOT / "src") in done.stdout


def make_environment(lock: int | None) -> None:
    """Make .venv, or bring it up to date; from nothing if it is half made or does not work."""
    make = os.environ.get("MAKE", "make")
    env = {**os.environ, "MAKEFLAGS": ""}  # -j, for one, is for who called
    if VENV.is_symlink():  # of somebody else, to be taken as it is
        return
    if not (READY.exists() and is_of_this_folder()):
        print("Setting up .venv, which takes some minutes.", flush=True)
        if VENV.exists():
            shutil.rmtree(VENV)
    elif not subprocess.call([make, "-q", ".venv/ready"], cwd=ROOT, env=env):
        return
    # While it is updated it is not ready, and counts as half made if this process is killed.
    old = VENV / "was-ready"
    if READY.exists():
        READY.replace(old)
    try:
        run([make, "--silent", ".venv/ready"], PACKAGES, lock, MAKEFLAGS="")
    except SystemExit:
        if old.exists():
            old.replace(READY)
        raise


def build() -> None:
    """Do all that makes a book, one step after the other."""
    lock = lock_folder()
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=BUILD) as file:
        file.write(bytes(1 << 20))
    make_environment(lock)
    run([str(VENV / "bin" / "python"), "-m", "udl.data"], DATA, lock)
    # Sphinx goes by times, and would keep a file that was cut off. The mark is set and taken away
    # by book/_ext/execution.py, which removes what else such a build has left.
    if (BUILD / "unfinished").exists() and (BUILD / "html").exists():
        print("The last build did not come to its end: all pages are written again.", flush=True)
        shutil.rmtree(BUILD / "html")
    print("Building the book: some minutes at first, then only what has changed.", flush=True)
    command = [str(VENV / "bin" / "jupyter-book"), "build", ".", "-W", "--quiet"]
    run(command, BOOK, lock, UDL_OFFLINE="1")
    print(DONE)


def main() -> int:
    """Build the book; return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have it ignore the first
        signal.signal(number, signal.default_int_handler)
    try:
        build()
    except KeyboardInterrupt:
        print("\nInterrupted. The next `make book` goes on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        known = [text for cause, text in CAUSES.items() if re.search(cause, str(error))]
        sys.exit(f"\n{(known or [error])[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
