"""Take the answer that somebody hands in: call it so that nothing it does reaches the caller.

No loop, no print, no changed input. The mock exam and the exercises check with it.
"""

from __future__ import annotations

import builtins
import contextlib
import contextvars
import copy
import ctypes
import dis
import io
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

_NOTHING = {"RESUME", "NOP", "RETURN_VALUE", "COPY_FREE_VARS"}  # steps that any function has


class Stop(SystemExit):
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
    late = (
        f"after {seconds:g} seconds: is there a loop that never ends? If it is only slow, pass "
        "seconds=60."
    )
    whole = _LEFT.get()
    if whole is not None and whole.left <= seconds:
        seconds = whole.left
        late = (
            f"when the {whole.total:g} seconds of this check were over: is there a loop that "
            "never ends? If it is only slow, give the check more seconds."
        )
        if seconds <= 0:
            return None, Stop(late)
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
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stop)
            )
            done.wait(0.01)
    if whole is not None:
        whole.left -= time.monotonic() - began
    if not in_time:
        return None, Stop(late)
    return (None, raised[0]) if raised else (value[0], None)


def copies(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copy what a call may change; functions stay what they are."""
    return tuple(a if callable(a) else copy.deepcopy(a) for a in arguments)


def untouched(function: Any) -> bool:
    """Say whether a function still has the body of the worksheet: ``...``, and maybe a text."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_names:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in _NOTHING]
    ends = ("LOAD_CONST", "RETURN_CONST")
    return len(steps) == 1 and steps[0].opname in ends and steps[0].argval is None


def same(one: Any, other: Any) -> bool:
    """Say whether an argument is what it was before the call."""
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        equal = one.shape == other.shape and one.dtype == other.dtype
        return equal and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    return True


def call(function: Any, *arguments: Any, seconds: float = 20.0) -> Outcome:
    """Call an answer with copies of the arguments."""
    if untouched(function):
        return Outcome(empty=True)
    given = copies(arguments)
    value, error = within(lambda: function(*given), seconds)
    if (value is not None and empty(value)) or isinstance(error, NotImplementedError):
        return Outcome(empty=True)
    if isinstance(error, Stop):
        return Outcome(trouble=f"it had not finished {error.code}", late=True)
    if error is not None:
        return Outcome(trouble=f"it raised {described(error)}")
    changed = not same(arguments, given)
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
        try:
            return len(value) > 0 and all(empty(part) for part in value)
        except RecursionError:  # a list that contains itself
            return False
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


def as_text(head: str, lines: Iterable[str]) -> str:
    """Write what a check says for a terminal."""
    return "\n".join([head, *(f"- {line}" for line in lines)])


def as_html(head: str, lines: Iterable[str], more: str = "") -> str:
    """Write what a check says for a notebook; ``more`` follows the head on its line."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    said = f"<p><strong>{escape(head)}</strong>{escape(more)}</p>"
    return said + (f"<ul>{items}</ul>" if items else "")
