"""``python -m udl.data``: download what is missing, and say what will be used."""

import importlib.util
import sys
from collections.abc import Callable

from udl.data import _digits, _files, _life, _text, _titanic


def _who() -> str:
    try:
        file = _files.obtain(_life.FILE)
    except FileNotFoundError as error:
        return f"a surrogate with made-up rows stands in: {error}"
    return f"the real file, {file.place}, SHA-256 {file.sha256}"


def _mnist() -> str:
    try:
        files = _digits.obtain()
    except FileNotFoundError as error:
        small = _files.packaged(_digits.SMALL)
        return f"5,000 digits, {small.place}, SHA-256 {small.sha256}, stand in: {error}"
    return f"all digits, {files[0].place}, SHA-256 of the training images {files[0].sha256}"


def _shakespeare() -> str:
    try:
        file = _files.obtain(_text.FILE)
    except FileNotFoundError as error:
        return f"a surrogate, prose from Python's help pages, stands in: {error}"
    return f"the real file, {file.place}, SHA-256 {file.sha256}"


def _passengers() -> str:
    file, _ = _titanic.obtain()
    return f"the real file, {file.place}, SHA-256 {file.sha256}"


def _tables() -> str:
    if importlib.util.find_spec("sklearn") is None:
        raise FileNotFoundError("expected the package sklearn, got none; install scikit-learn")
    return "the real tables, package sklearn"


SETS: dict[str, Callable[[], str]] = {
    _life.NAME: _who,
    _digits.NAME: _mnist,
    _text.NAME: _shakespeare,
    _titanic.NAME: _passengers,
    "breast cancer, wine": _tables,
    "all others": lambda: "generated or embedded, no file needed",
}


def main() -> int:
    """Download what is missing, and print one line for each set: what will be used.

    Returns
    -------
    int
        Exit status: 0, also with no network; 1 if a file or UDL_DATA_DIR is wrong, or if a
        package that brings data is not there.
    """
    status = 0
    for name, prepare in SETS.items():
        try:
            print(f"{name}: {prepare()}")
        except (ValueError, OSError) as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
