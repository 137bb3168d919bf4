"""Ctrl-C, from the first import to the last line: no traceback, and always the same status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


def _end(number: int, frame: FrameType | None) -> None:
    with suppress(Exception):
        sys.stdout.flush()
    with suppress(OSError):
        os.write(2, b"Interrupted.\n")
    os._exit(INTERRUPTED)


def _set(handler: object) -> bool:
    """Change what Ctrl-C does, unless whoever started the program has decided that."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    try:
        signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]
    except ValueError:  # not in the main thread, where Ctrl-C never arrives
        return False
    return True


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End the program at once on Ctrl-C, while modules load and there is nothing to save.

    A module that is interrupted as it loads may swallow the interruption, or turn it into an error
    of its own.
    """
    changed = _set(_end)
    try:
        yield
    finally:
        if changed:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def ignore() -> None:
    """Ignore Ctrl-C from now on: all is done, and Python only cleans up."""
    _set(signal.SIG_IGN)
