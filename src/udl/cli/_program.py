"""The commands together, and how a run of one ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from udl.cli import _data, _doctor, _gpt
from udl.cli._interrupt import INTERRUPTED
from udl.cli._shared import Failed, InOrder, line


@click.group(
    name="udl",
    cls=InOrder,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  udl doctor\n  udl data fetch\n  udl gpt train poems.txt --out poems",
)
@click.version_option(package_name="udl", message="%(prog)s %(version)s")
def udl() -> None:
    """Do what Hands-on Deep Learning does, on files of your own."""


udl.add_command(_gpt.group)
udl.add_command(_data.group)
udl.add_command(_doctor.doctor)


def run(arguments: Sequence[str] | None) -> int:
    """Run a command, and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if sys.stderr is None:  # closed by whoever started it: a bar has to be drawn somewhere
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    try:
        status = udl.main(arguments, prog_name="udl", standalone_mode=False, obj=arguments)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except OSError as error:  # such as a full disk below what the shell redirects
        Failed(line(error)).show()
        return Failed.exit_code
    return status if isinstance(status, int) else 0
