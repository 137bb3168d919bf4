"""Ctrl-C that waits for the end of a step."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred(active: bool) -> Iterator[Callable[[], bool]]:
    """Have the first Ctrl-C wait; yield a function that tells whether there was one.

    The second one interrupts at once. Where another handler than Python's own is in charge, or
    in a thread, which Ctrl-C never interrupts, all stays as it is.
    """
    asked: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if (
        not active
        or before is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
        yield lambda: False
        return

    def wait(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, wait)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
