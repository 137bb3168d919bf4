"""``python -m udl.data``: download what is missing, and say what will be used."""

import sys

from udl.data._sets import SETS, Set


def _line(one: Set) -> str:
    """Get a set if it can be had, and say what will be used."""
    try:
        one.fetch()
    except FileNotFoundError as error:
        state = one.state()
        if state.kind != "stand-in":
            raise
        sha256 = f", SHA-256 {state.sha256}," if state.sha256 else ""
        return f"{one.stand_in}{sha256} stands in: {error}"
    state = one.state()
    return f"{state.words}, SHA-256 {state.sha256}"


def main() -> int:
    """Download what is missing, and print one line for each set: what will be used.

    Returns
    -------
    int
        Exit status: 0, also with no network; 1 if a file or UDL_DATA_DIR is wrong, or if a
        package that brings data is not there.
    """
    status = 0
    for one in SETS:
        if one.generated:
            continue
        try:
            print(f"{one.title}: {_line(one)}")
        except (ValueError, OSError) as error:
            print(f"{one.title}: {type(error).__name__}: {error}", file=sys.stderr)
            status = 1
    print("all others: generated or embedded, no file needed")
    return status


if __name__ == "__main__":
    sys.exit(main())
