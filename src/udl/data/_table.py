"""From a table with gaps to an array without."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float

from udl import _check

if TYPE_CHECKING:
    import pandas as pd


def select(frame: pd.DataFrame, columns: Sequence[str]) -> Float[np.ndarray, "I C"]:
    """Take numeric columns of a table as an array, one example a row.

    Parameters
    ----------
    frame : pandas.DataFrame
        Table with one example a row.
    columns : sequence of str
        Names of the C columns, spelled as in the table.

    Returns
    -------
    ndarray, shape (I, C)
        The columns as float64, gaps as NaN; a copy.

    Raises
    ------
    TypeError
        If `columns` is one string instead of a list of strings.
    ValueError
        If a column does not exist (the message names the nearest) or is not numeric.

    Examples
    --------
    >>> from udl import data
    >>> frame = data.life_expectancy("surrogate").frame
    >>> data.select(frame, ["BMI", "GDP"]).shape
    (2938, 2)
    """
    if isinstance(columns, str):
        raise TypeError(f"expected a list of column names, got {columns!r}; write [{columns!r}]")
    names = [str(name) for name in frame.columns]
    plain = {name.strip().casefold(): name for name in names}
    for column in columns:
        if column not in names:
            near = difflib.get_close_matches(str(column).strip().casefold(), plain, n=3)
            hint = f"nearest: {[plain[n] for n in near]}" if near else f"expected one of {names}"
            raise ValueError(f"no column {column!r}; {hint}")
        if frame[column].dtype.kind not in "biuf":
            raise ValueError(
                f"expected numeric columns, got {column!r} of type {frame[column].dtype}"
            )
    return frame[list(columns)].to_numpy(dtype=np.float64, copy=True)


def _numbers(X: Float[np.ndarray, "I ..."]) -> Float[np.ndarray, "I ..."]:
    return _check.matrix(X=X) if np.ndim(X) > 1 else _check.vector(X=X)


def fill(
    X: Float[np.ndarray, "I ..."], how: Literal["mean", "median"] = "mean"
) -> Float[np.ndarray, "I ..."]:
    """Replace each gap (NaN) with the mean or the median of its column.

    Parameters
    ----------
    X : ndarray, shape (I, D) or (I,)
        Examples; left as it is.
    how : {"mean", "median"}
        Statistic of the values that are there.

    Returns
    -------
    ndarray, shape of `X`
        A copy without gaps.

    Raises
    ------
    ValueError
        If `how` is another word, if `X` is empty or neither a matrix nor a vector, if it holds
        infinity, or if a column has no value at all.
    TypeError
        If `X` does not hold real numbers.

    Notes
    -----
    The statistic comes from the rows given. To keep test rows out of it, fill with the statistic
    of the training rows instead.

    Examples
    --------
    >>> import numpy as np
    >>> fill(np.array([1.0, np.nan, 5.0]))
    array([1., 3., 5.])
    """
    if how not in ("mean", "median"):
        raise ValueError(f"expected how to be 'mean' or 'median', got {how!r}")
    X = _numbers(X)
    if np.isinf(X).any():
        raise ValueError(f"expected numbers or NaN in X, got {np.isinf(X).sum()} infinite")
    gaps = np.isnan(X)
    empty = np.flatnonzero(gaps.all(axis=0))
    if empty.size:
        raise ValueError(f"cannot fill a column that has no values: X[:, {empty.tolist()}]")
    statistic = np.nanmean(X, axis=0) if how == "mean" else np.nanmedian(X, axis=0)
    return np.where(gaps, statistic, X)
