"""Row numbers for training and for testing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike


class Split(NamedTuple):
    """Row numbers of the training and of the test examples.

    Parameters
    ----------
    train : ndarray of int, shape (I_train,)
        Rows for training, ascending.
    test : ndarray of int, shape (I_test,)
        Rows for testing, ascending.
    """

    train: Int[np.ndarray, " I_train"]
    test: Int[np.ndarray, " I_test"]


def _choose(n: int, test: float, seed: int, expected: str) -> np.ndarray:
    """Draw which of n things are for testing: a boolean mask with at least one of each kind."""
    if not 0.0 < test < 1.0:
        raise ValueError(f"expected 0 < test < 1, got test={test}")
    if n < 2:
        raise ValueError(f"expected {expected} to split, got {n}")
    size = min(max(round(test * n), 1), n - 1)
    chosen = np.zeros(n, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(n)[:size]] = True
    return chosen


def random_split(I: int, test: float = 0.2, seed: int = 0) -> Split:
    """Split I examples at random into training and test rows.

    Parameters
    ----------
    I : int
        Number of examples.
    test : float
        Share of test rows, between 0 and 1; rounded to whole rows, at least one on each side.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Split
        ``train`` and ``test``: disjoint, and together all rows.

    Raises
    ------
    ValueError
        If `test` is not between 0 and 1, or if there are fewer than two examples.

    Notes
    -----
    Rows that are alike, such as the years of one country, land on both sides: use `group_split`.

    Examples
    --------
    >>> train, test = random_split(10, test=0.3)
    >>> len(train), len(test)
    (7, 3)
    """
    chosen = _choose(I, test, seed, "I >= 2 examples")
    return Split(np.flatnonzero(~chosen), np.flatnonzero(chosen))


def group_split(groups: ArrayLike, test: float = 0.2, seed: int = 0) -> Split:
    """Split examples so that no group has rows on both sides.

    Parameters
    ----------
    groups : array_like, length I
        Group of each example, such as its country.
    test : float
        Share of the *groups* for testing, between 0 and 1; at least one on each side.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Split
        ``train`` and ``test``: disjoint, and together all rows.

    Raises
    ------
    ValueError
        If `test` is not between 0 and 1, if there are fewer than two groups, or if `groups` is
        not one-dimensional.

    Examples
    --------
    >>> train, test = group_split(["a", "a", "b", "b", "c"], test=0.3)
    >>> len(train) + len(test)
    5
    """
    labels = np.asarray(groups)
    if labels.ndim != 1:
        raise ValueError(f"expected one group for each example, got groups.shape={labels.shape}")
    unique, group = np.unique(labels, return_inverse=True)
    chosen = _choose(len(unique), test, seed, "at least 2 different values in groups")[group]
    return Split(np.flatnonzero(~chosen), np.flatnonzero(chosen))
