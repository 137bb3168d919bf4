"""Call an answer so that nothing it does reaches the exam: no loop, no print, no changed input."""

from __future__ import annotations

import builtins
import contextlib
import copy
import ctypes
import io
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


class _Stop(BaseException):
    """Raised inside an answer whose time is up."""


@dataclass(frozen=True)
class Outcome:
    """What came of a call: a value, or a sentence that says why there is none."""

    value: Any = None
    trouble: str = ""
    changed: bool = False  # the answer changed its input
    empty: bool = False  # the skeleton, not yet filled in


def _no_input(*_: object) -> str:
    raise RuntimeError("it asks for input, which nobody can type here")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Show nothing that is printed or warned, and ask nobody."""
    asked = builtins.input
    sink = io.StringIO()
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
    cannot be stopped; it is left behind, and ends with the program.
    """
    value: list[Any] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            value.append(function())
        except BaseException as error:  # SystemExit, too: an answer may call exit()
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    with quiet():
        thread.start()
        thread.join(seconds)
        if not thread.is_alive():
            return (None, raised[0]) if raised else (value[0], None)
        end = time.monotonic() + 1.0
        while thread.is_alive() and time.monotonic() < end:
            # Again and again: the answer may catch it, and then loop on.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Stop)
            )
            thread.join(0.01)
    return None, TimeoutError()


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
    if isinstance(error, TimeoutError | _Stop):
        return Outcome(
            trouble=f"it had not finished after {seconds:g} seconds: is there a loop that never "
            "ends?"
        )
    if error is not None:
        text = " ".join(str(error).split())[:160]
        return Outcome(trouble=f"it raised {type(error).__name__}" + (f": {text}" if text else ""))
    changed = not all(same(a, b) for a, b in zip(arguments, arrays, strict=True))
    if value is None:
        return Outcome(trouble="it returns nothing: is the return missing?", changed=changed)
    return Outcome(value, changed=changed)


def number(value: Any) -> float | None:
    """Return the one real number that a value is, or None."""
    try:
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            return None
        return float(array.reshape(-1)[0])
    except Exception:
        return None


def array(value: Any) -> np.ndarray | None:
    """Return the array of real numbers that a value is, or None."""
    try:
        found = np.asarray(value)
        if found.dtype == object:
            found = found.astype(float)
    except Exception:
        return None
    return found if found.dtype.kind in "fiub" else None


def kind(value: Any) -> str:
    """Name what was handed in, for a message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple | list | dict | str):
        noun = {tuple: "a tuple", list: "a list", dict: "a dict", str: "text"}[
            next(t for t in (tuple, list, dict, str) if isinstance(value, t))
        ]
        return f"{noun} of length {len(value)}" if not isinstance(value, str) else noun
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
