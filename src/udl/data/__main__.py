"""``python -m udl.data``: download what is missing, and say what will be used."""

import sys

from udl.data import _files, _life


def main() -> int:
    """Download what is missing, and print one line for each set: what will be used.

    Returns
    -------
    int
        Exit status: 0, also with no network; 1 if a file or UDL_DATA_DIR is wrong.
    """
    try:
        file = _files.obtain(_life.FILE)
        print(f"{_life.NAME}: the real file, {file.place}, SHA-256 {file.sha256}")
    except FileNotFoundError as error:
        print(f"{_life.NAME}: a surrogate with made-up rows stands in: {error}")
    except (ValueError, OSError) as error:
        print(f"{_life.NAME}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
