"""Two small tables that ship with scikit-learn: breast cancer and wine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from udl.data import _files
from udl.data._provenance import Provenance, record

LICENSE = "CC BY 4.0, as the UCI repository states"


@dataclass(frozen=True, eq=False)  # comparing arrays gives an array, not a bool
class Table:
    """Measurements, classes, and what they are called.

    Parameters
    ----------
    X : ndarray, shape (I, D)
        Measurements; the function that loads them says in which units.
    y : ndarray of int64, shape (I,)
        Classes, counted from 0.
    names : tuple of str
        Names of the D columns.
    classes : tuple of str
        Names of the classes.
    provenance : Provenance
        Where the table comes from.

    Examples
    --------
    >>> from udl import data
    >>> table = data.wine()
    >>> table.names[0], table.classes
    ('alcohol', ('class_0', 'class_1', 'class_2'))
    """

    X: Float64[np.ndarray, "I D"]
    y: Int64[np.ndarray, " I"]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    provenance: Provenance


def breast_cancer() -> Table:
    """Load measurements of cell nuclei from 569 breast tumors, Wisconsin (Diagnostic).

    Returns
    -------
    Table
        30 columns: mean, standard error and worst (mean of the three largest) of ten properties of
        the nuclei in an image. Classes: 0 malignant (212), 1 benign (357).

    Raises
    ------
    ChecksumError
        If scikit-learn brings other numbers.

    References
    ----------
    Wolberg, Mangasarian, Street, Street, Breast Cancer Wisconsin (Diagnostic), UCI Machine
    Learning Repository, 1993.

    Examples
    --------
    >>> from udl import data
    >>> data.breast_cancer().X.shape
    (569, 30)
    """
    from sklearn.datasets import load_breast_cancer

    return _table(
        load_breast_cancer(),
        name="breast cancer",
        content="25e2eb7b7a8745b1bde5ba18bc4969983d2e2f403291ecd5bde4a29ef30c3859",
        url="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
        citation=(
            "W. Wolberg, O. Mangasarian, N. Street, W. Street, Breast Cancer Wisconsin "
            "(Diagnostic), UCI Machine Learning Repository, 1993"
        ),
        note="Properties of cell nuclei, from images; not for medical decisions.",
    )


def wine() -> Table:
    """Load chemical analyses of 178 wines from three cultivars of one region of Italy.

    Returns
    -------
    Table
        13 columns, in units of very different size: alcohol in percent of the volume, magnesium
        around 100, proline in the hundreds. Classes: the cultivar, 0 (59), 1 (71), 2 (48).

    Raises
    ------
    ChecksumError
        If scikit-learn brings other numbers.

    References
    ----------
    Aeberhard, Forina, Wine, UCI Machine Learning Repository, 1992.

    Examples
    --------
    >>> from udl import data
    >>> data.wine().X.shape
    (178, 13)
    """
    from sklearn.datasets import load_wine

    return _table(
        load_wine(),
        name="wine",
        content="3a28849ef2366c4b9d4e382b3fa5624a66f693c04d7fdcf43c529bbb0bb338d7",
        url="https://archive.ics.uci.edu/dataset/109/wine",
        citation="S. Aeberhard, M. Forina, Wine, UCI Machine Learning Repository, 1992",
        note="Three cultivars, 13 chemical measurements.",
    )


def _table(
    bunch: dict[str, Any], *, name: str, content: str, url: str, citation: str, note: str
) -> Table:
    X = np.ascontiguousarray(bunch["data"], dtype=np.float64)
    y = bunch["target"].astype(np.int64)
    found = hashlib.sha256(X.astype("<f8").tobytes() + y.astype("<i8").tobytes()).hexdigest()
    if found != content:
        raise _files.ChecksumError(
            f"{name}: expected numbers of SHA-256 {content}, got {found}. "
            "The installed scikit-learn brings others: install it again"
        )
    provenance = Provenance(
        name=name,
        source="file",
        sha256=found,
        license=LICENSE,
        url=url,
        citation=citation,
        note=f"{note} From scikit-learn; the SHA-256 is that of the numbers.",
    )
    names = tuple(str(column) for column in bunch["feature_names"])
    classes = tuple(str(kind) for kind in bunch["target_names"])
    return Table(X, y, names, classes, record(provenance))
