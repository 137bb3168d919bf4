"""The real file where it can be had, otherwise the word that something else must stand in."""

from __future__ import annotations

import warnings

from udl.data import _files


class SurrogateWarning(UserWarning):
    """A surrogate stands in for the real data because that could not be had."""


def file_or_none(source: str, file: _files.Remote, stands_in: str) -> _files.Content | None:
    """Return the file that a source asks for; None if a surrogate is to stand in.

    Parameters
    ----------
    source : str
        ``"file"``, ``"surrogate"`` or ``"auto"``, as a reader of the data set gave it.
    file : Remote
        The real one.
    stands_in : str
        Beginning of the warning.

    Returns
    -------
    Content or None
        The file, checked.

    Raises
    ------
    ValueError
        If `source` is another word.
    FileNotFoundError
        With ``"file"``, if the file cannot be had.
    NotADirectoryError, ChecksumError
        As `_files.find` does.
    """
    if source not in ("auto", "file", "surrogate"):
        raise ValueError(f"expected source 'auto', 'file' or 'surrogate', got {source!r}")
    if source == "surrogate":
        return None
    try:
        return _files.obtain(file)
    except FileNotFoundError as error:
        if source == "file":
            error.add_note('source="surrogate" needs no file')
            raise
        if not _files.offline():  # blames whoever asked for the data set
            warnings.warn(f"{stands_in}: {error}", SurrogateWarning, stacklevel=3)
        return None
