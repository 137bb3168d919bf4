"""The passengers of the Titanic: 1309 people, 14 columns."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from udl.data import _files
from udl.data._provenance import Provenance, record

if TYPE_CHECKING:
    import pandas as pd

NAME = "Titanic"
_CONTENT = "c56e3785c96cd8aceac85f11bff21c2bf72841426f50903a6f27be8f334a7d03"
FIXTURE = _files.Packaged(
    package="sklearn",
    path="datasets/tests/data/openml/id_40945/data-v1-dl-16826755.arff.gz",
    content=_CONTENT,
)
FILE = _files.Remote(
    name="titanic.arff",
    mirrors=(
        ("https://www.openml.org/data/v1/download/16826755/Titanic.arff", _CONTENT),
        (
            "https://raw.githubusercontent.com/scikit-learn/scikit-learn/1.9.1/sklearn/datasets/"
            "tests/data/openml/id_40945/data-v1-dl-16826755.arff.gz",
            "516e961f519876e5f89b339a0364a08dd64160ac3a4d76d5ec62955bfd6d6ce5",
        ),
    ),
    size=118_039,
)
LICENSE = "public, as OpenML states"


@dataclass(frozen=True, eq=False)  # comparing tables gives a table, not a bool
class Titanic:
    """The table of passengers and its provenance.

    Parameters
    ----------
    frame : pandas.DataFrame
        1309 rows (a passenger each), 14 columns; `titanic` names them.
    provenance : Provenance
        Where the table comes from.

    Examples
    --------
    >>> from udl import data
    >>> data.titanic().frame["survived"].value_counts().to_dict()
    {0: 809, 1: 500}
    """

    frame: pd.DataFrame
    provenance: Provenance


def titanic() -> Titanic:
    """Load the passengers of the Titanic, without the crew.

    Returns
    -------
    Titanic
        The table and its provenance. Columns: ``pclass`` (class of the cabin, 1 to 3),
        ``survived`` (1 or 0), ``name``, ``sex`` (female or male), ``age`` (years), ``sibsp``
        (siblings and spouses aboard), ``parch`` (parents and children aboard), ``ticket``,
        ``fare`` (pounds), ``cabin``, ``embarked`` (C Cherbourg, Q Queenstown, S Southampton),
        ``boat`` (lifeboat), ``body`` (number of a body that was found), ``home.dest``.
        What is unknown is missing (NaN).

    Raises
    ------
    ChecksumError
        If the file's SHA-256 is not the expected one. It is never used.
    FileNotFoundError
        If scikit-learn does not bring the file, and it cannot be had otherwise.
    NotADirectoryError
        If UDL_DATA_DIR does not name a folder, and scikit-learn does not bring the file.

    Notes
    -----
    The file ships with the tests of scikit-learn, byte for byte as OpenML publishes it. Where it
    is not there, it is looked for as ``titanic.arff`` in UDL_DATA_DIR, then downloaded. The table
    is that of ``sklearn.datasets.fetch_openml(data_id=40945, as_frame=True)``, with one
    difference: ``survived`` is a number here, not the text ``'0'`` or ``'1'``.

    ``boat`` and ``body`` were known only after the sinking: they give the answer away.

    References
    ----------
    OpenML 40945, by F. E. Harrell Jr. and T. Cason.

    Examples
    --------
    >>> from udl import data
    >>> frame = data.titanic().frame
    >>> frame.shape, int(frame["age"].isna().sum())
    ((1309, 14), 263)
    """
    file, text = obtain()
    provenance = Provenance(
        name=NAME,
        source="file",
        sha256=file.sha256,
        license=LICENSE,
        url="https://www.openml.org/d/40945",
        citation="F. E. Harrell Jr., T. Cason, Titanic, Vanderbilt Biostatistics; OpenML 40945",
        note="Passengers only. Columns boat and body were known only after the sinking.",
    )
    return Titanic(parse(text, file.place), record(provenance))


def obtain() -> tuple[_files.Content, str]:
    """Return the file as it is stored, and its text; from scikit-learn, or as `_files.obtain`."""
    try:
        file = _files.packaged(FIXTURE)
        raw = _files.unzip(file.data, f"{FIXTURE.package}/{FIXTURE.path}")
        _files.check_packaged(FIXTURE, hashlib.sha256(raw).hexdigest())
    except (FileNotFoundError, _files.ChecksumError) as error:
        try:
            file = _files.obtain(FILE)
        except FileNotFoundError as failure:
            failure.add_note(str(error))
            raise
        raw = file.data
        if raw[:2] == b"\x1f\x8b":
            raw = _files.unzip(raw, file.place)
    return file, raw.decode("utf-8")


def parse(text: str, place: str = "titanic.arff") -> pd.DataFrame:
    """Turn the text of an ARFF file into a table; no sparse rows, no escaped quotes.

    Parameters
    ----------
    text : str
        The file: ``@attribute`` lines, ``@data``, and rows separated by commas.
    place : str
        What an error calls it.

    Returns
    -------
    pandas.DataFrame
        Whole numbers as int64, other numbers as float64, names from a list as categories, text
        as text; ``?`` is missing. ``survived`` is a whole number though the file lists its names.

    Raises
    ------
    ChecksumError
        If a row has another number of values, or a value does not fit its column.
    """
    import pandas as pd

    head, _, body = text.partition("@data\n")
    names, kinds = [], []
    for line in head.splitlines():
        if line.startswith("@attribute "):
            _, name, kind = line.split(" ", 2)
            names.append(name.strip("'"))
            kinds.append(kind)
    rows = []
    reader = csv.reader(body.splitlines(), strict=True)
    try:
        for row in reader:
            if len(row) != len(names):
                raise csv.Error(f"got {len(row)}")
            rows.append([None if value == "?" else value for value in row])
    except csv.Error as error:
        raise _files.ChecksumError(
            f"{place}: expected {len(names)} values in line {reader.line_num} of the data: {error}"
        ) from error
    if not names or not rows:
        raise _files.ChecksumError(f"{place}: expected ARFF with attributes and data")
    frame = pd.DataFrame(rows, columns=names)
    for name, kind in zip(names, kinds, strict=True):
        try:
            if kind == "numeric" or name == "survived":
                frame[name] = pd.to_numeric(frame[name])
            elif kind.startswith("{"):
                known = [value.strip("'") for value in kind.strip("{}").split(",")]
                if strange := set(frame[name].dropna()) - set(known):
                    raise ValueError(f"got {sorted(strange)}")
                frame[name] = pd.Categorical(frame[name], categories=known)
        except ValueError as error:
            raise _files.ChecksumError(
                f"{place}: expected {kind} in column {name!r}: {error}"
            ) from error
    return frame
