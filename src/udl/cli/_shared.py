"""What the commands share: groups, errors of one line, and how to print."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable

import click


class InOrder(click.Group):
    """A group that lists its commands in the order of their use, and knows what was meant."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names as they were added."""
        return list(self.commands)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for a name that is none, say which ones are like it."""
        name = arguments[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            raise click.UsageError(
                f"No such command {name!r}.{nearest(name, self.commands)}", context
            )
        return super().resolve_command(context, arguments)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a question that names what was probably meant; nothing if nothing is like it."""
    written = {word.lower(): word for word in known}
    found = difflib.get_close_matches(name.lower(), written, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(written[word] for word in found)}?" if found else ""


class Refused(click.ClickException):
    """An error of one line, for what is wrong with an argument or a file."""

    exit_code = 2


class Failed(click.ClickException):
    """An error of one line, for what went wrong on the way."""

    exit_code = 1


def line(error: BaseException) -> str:
    """Return the message of an error on one line; its kind if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def say(text: str) -> None:
    """Print a line; if nobody reads any more (``| head``), print nowhere, and go on."""
    try:
        tell(text)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def tell(text: str, *, err: bool = False) -> None:
    """Print a line, also where the terminal cannot show all of its characters."""
    click.echo(shown(text, err=err), err=err)


def shown(text: str, *, err: bool = False) -> str:
    r"""Return a text with ``\u65e5`` for a character that the terminal or file cannot take."""
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def paint(text: str, color: str, *, err: bool = False) -> str:
    """Color a text for a terminal, unless NO_COLOR is set or the terminal knows no colors."""
    stream = sys.stderr if err else sys.stdout
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or stream is None or not stream.isatty():
        return text
    return click.style(text, fg=color)


def homely(text: str) -> str:
    """Write ``~`` for the home folder, which is nobody's business in a report."""
    home = os.path.expanduser("~")
    return re.sub(re.escape(home) + r"(?![\w.-])", "~", text) if len(home) > 1 else text


def wrapped(text: str, indent: int) -> list[str]:
    """Return lines that fit the terminal, of at most 80 columns; what has no blank stays whole."""
    margin = " " * indent
    return textwrap.wrap(
        homely(text),
        min(max(shutil.get_terminal_size().columns, indent + 20), 80),
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def size(count: int) -> str:
    """Return a number of bytes as people write it."""
    if count < 1e6:
        return f"{max(count / 1e3, 1):.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
