"""Call an answer so that nothing it does reaches the exam: no loop, no print, no changed input."""

from __future__ import annotations

import builtins
import contextlib
import contextvars
import copy
import ctypes
import io
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


class _Stop(SystemExit):
    """Raised inside an answer whose time is up; a thread may end by it without a word."""


@dataclass
class _Budget:
    """The seconds that an answer may take in all calls of one check, and those that are left."""

    total: float
    left: float


_LEFT: contextvars.ContextVar[_Budget | None] = contextvars.ContextVar("left", default=None)


@contextlib.contextmanager
def budget(seconds: float) -> Iterator[None]:
    """Let all calls of an answer together take so many seconds."""
    token = _LEFT.set(_Budget(seconds, seconds))
    try:
        yield
    finally:
        _LEFT.reset(token)


class _Nowhere(io.StringIO):
    """Forget what is written, however much it is."""

    def write(self, text: str) -> int:
        return len(text)


@dataclass(frozen=True)
class Outcome:
    """What came of a call: a value, or the end of a sentence that says why there is none."""

    value: Any = None
    trouble: str = ""
    late: bool = False  # its time was up
    changed: bool = False  # the answer changed its input
    empty: bool = False  # the skeleton, not yet filled in


def _no_input(*_: object) -> str:
    raise RuntimeError("it asks for input, which nobody can type here")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Show nothing that is printed or warned, and ask nobody."""
    asked = builtins.input
    sink = _Nowhere()
    legacy = np.random.get_state()  # noqa: NPY002 (an answer may seed it)
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            builtins.input = _no_input
            try:
                yield
            finally:
                builtins.input = asked
                np.random.set_state(legacy)  # noqa: NPY002


def within(function: Callable[[], Any], seconds: float) -> tuple[Any, BaseException | None]:
    """Run a function for at most so many seconds; returns its value, or what it raised.

    It runs in a thread. When its time is up, an exception is raised inside it from outside, which
    stops any loop of Python code, on every platform. A thread that waits inside compiled code
    cannot be stopped; it is left behind, and ends with the program. Inside `budget` there may be
    less time than asked for, or none.
    """
    late = f"after {seconds:g} seconds: is there a loop that never ends?"
    whole = _LEFT.get()
    if whole is not None and whole.left <= seconds:
        seconds = whole.left
        late = (
            f"when the {whole.total:g} seconds of this check were over: is it slow, or is there a "
            "loop that never ends?"
        )
        if seconds <= 0:
            return None, _Stop(late)
    value: list[Any] = []
    raised: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            value.append(function())
        except BaseException as error:  # SystemExit, too: an answer may call exit()
            raised.append(error)
        done.set()

    thread = threading.Thread(target=work, daemon=True)
    began = time.monotonic()
    thread.start()
    try:
        in_time = done.wait(seconds)
    finally:  # also when somebody interrupts the check
        end = time.monotonic() + 1.0
        while not (value or raised) and time.monotonic() < end:
            # Again and again: the answer may catch it, and then loop on.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Stop)
            )
            done.wait(0.01)
    if whole is not None:
        whole.left -= time.monotonic() - began
    if not in_time:
        return None, _Stop(late)
    return (None, raised[0]) if raised else (value[0], None)


def same(one: Any, other: Any) -> bool:
    """Say whether an argument is what it was before the call."""
    if isinstance(one, np.ndarray):
        equal = one.shape == other.shape and one.dtype == other.dtype
        return equal and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    return True


def call(function: Any, *arguments: Any, seconds: float = 5.0) -> Outcome:
    """Call an answer with copies of the arguments."""
    arrays = [
        copy.deepcopy(a) if isinstance(a, np.ndarray | np.random.Generator) else a
        for a in arguments
    ]
    value, error = within(lambda: function(*arrays), seconds)
    if value is NotImplemented or isinstance(error, NotImplementedError):
        return Outcome(empty=True)
    if isinstance(error, _Stop):
        return Outcome(trouble=f"it had not finished {error.code}", late=True)
    if error is not None:
        return Outcome(trouble=f"it raised {described(error)}")
    changed = not all(same(a, b) for a, b in zip(arguments, arrays, strict=True))
    if value is None:
        return Outcome(trouble="it returns nothing: is the return missing?", changed=changed)
    return Outcome(value, changed=changed)


def described(error: BaseException) -> str:
    """Name an exception and what it says, as the end of a sentence."""
    try:
        text = " ".join(str(error).split())[:160]
    except Exception:  # its own __str__ may fail
        text = ""
    said = type(error).__name__ + (f": {text}" if text else "")
    return said if said[-1] in "?!." else f"{said}."


def empty(value: Any) -> bool:
    """Say whether something is still as the worksheet has it."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return len(value) > 0 and all(empty(part) for part in value)
    return value is None or value is Ellipsis or value is NotImplemented


def number(value: Any) -> float | None:
    """Return the one real number that a value is, or None."""
    found = None if value is None else array(value)
    return float(found.reshape(-1)[0]) if found is not None and found.size == 1 else None


def array(value: Any) -> np.ndarray | None:
    """Return the array of real numbers that a value is, or None."""
    try:
        found = np.asarray(value)
        if found.dtype == object:  # fractions, lists with None
            found = found.astype(float)
    except Exception:
        return None
    return found if found.dtype.kind in "fiub" else None


def kind(value: Any) -> str:
    """Name what was handed in, for a message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, str):
        return "text"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = "None" if value is None else type(value).__name__
    article = "" if value is None else "an " if name[:1].lower() in tuple("aeiou") else "a "
    length = f" of length {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return article + name + length
