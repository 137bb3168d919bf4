"""The program ``udl``: what the book does, on files of your own.

- ``udl gpt``: train a small GPT on a text, let it write, take it along.
- ``udl data``: which data are at hand; download and check them.
- ``udl doctor``: what is installed, which device, what is missing and how to get it.

Its exit status is 0; 1 if something failed on the way; 2 if it was asked for what cannot be; 130
after Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Sequence

from udl.cli import _interrupt

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Parameters
    ----------
    arguments : sequence of str, optional
        What a shell would pass; None takes what it did pass.

    Returns
    -------
    int
        Exit status.

    Examples
    --------
    >>> main(["gpt", "--help"])  # doctest: +ELLIPSIS
    Usage: udl gpt [OPTIONS] COMMAND [ARGS]...
    ...
    0
    """
    try:
        with _interrupt.ending_at_once():  # what follows loads modules
            from udl.cli import _program
        return _program.run(arguments)
    except KeyboardInterrupt:
        return _interrupt.INTERRUPTED
    finally:
        if arguments is None:
            _interrupt.ignore()
