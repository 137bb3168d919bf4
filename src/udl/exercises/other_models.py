"""Checks for the exercises of the chapter "Networks among other models".

>>> check("names", lambda places, K: ...)
names: not answered yet. Hand in a function of the places and their number K that returns a table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[Any]


def _lead(a: Array, b: Array) -> float:
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    return float((only_a - only_b) / np.sqrt(only_a + only_b))


def _over_all(a: Array, b: Array) -> float:
    return float((a.sum() - b.sum()) / np.sqrt(len(a)))


def _unrooted(a: Array, b: Array) -> float:
    return float((a.sum() - b.sum()) / np.sum(a != b))


def _apart(a: Array, b: Array) -> float:
    p, q = a.mean(), b.mean()
    return float((p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / len(a)))


def _pairs_of_models(rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Return which examples two models have right; they disagree on some."""
    cases = []
    for I, share in [(6, 0.5), (40, 0.8), (300, 0.9)]:
        a, b = rng.random((2, I)) < share
        a[0], b[0], b[1] = True, False, not a[1]
        cases.append((a, b))
    return cases


def _interval(
    differences: Array, I_test: int, I_train: int, t: float, correct: float = 1.0, ddof: int = 1
) -> tuple[float, float]:
    R = len(differences)
    mean = sum(differences) / R
    variance = sum((differences - mean) ** 2) / (R - ddof)
    reach = t * np.sqrt((1 / R + correct * I_test / I_train) * variance)
    return float(mean - reach), float(mean + reach)


def _folds(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Return differences in R folds, the sizes of both parts, and t for R - 1."""
    return [
        (rng.normal(0.02, 0.03, 5).round(3), 20, 80, 2.776),
        (rng.normal(-0.01, 0.02, 10).round(3), 30, 270, 2.262),
    ]


check = Checks(
    "other-models",
    {
        "mcnemar": Function(
            "a function of two boolean arrays (I,), of where A and B are right,"
            " that returns A's lead in standard deviations",
            _lead,
            _pairs_of_models,
            mistakes={
                "The examples on which both agree must not count.": _over_all,
                "Divide by the root of the number of examples on which they disagree.": _unrooted,
                "That is for separate test sets.": _apart,
                "A's lead is positive where A is better.": lambda a, b: _lead(b, a),
            },
        ),
        "names": Function(
            "a function of the places and their number K that returns a table",
            lambda places, K: np.eye(K)[places],
            lambda rng: [(np.array([2, 0, 2]), 3), (rng.integers(0, 4, 6), 6), (np.array([0]), 1)],
            mistakes={
                "Rows are examples, columns are places: yours is the other way round.": (
                    lambda places, K: np.eye(K)[places].T
                ),
                "Make a column for each of the K places, also for those that do not occur.": (
                    lambda places, K: np.eye(K)[places][:, np.unique(places)]
                ),
                "Each row marks the place itself, not all places up to it.": (
                    lambda places, K: (np.arange(K) <= places[:, None]).astype(float)
                ),
            },
        ),
        "interval": Function(
            "a function of the differences (R,), I_test, I_train and t that returns (low, high)",
            lambda differences, I_test, I_train, t: _interval(differences, I_test, I_train, t),
            _folds,
            mistakes={
                "That is the usual interval, which takes the folds for independent.": (
                    lambda d, I_test, I_train, t: _interval(d, I_test, I_train, t, correct=0.0)
                ),
                "The second term is the test part over the training part.": (
                    lambda d, I_test, I_train, t: _interval(d, I_train, I_test, t)
                ),
                "The variance of R differences is divided by R - 1.": (
                    lambda d, I_test, I_train, t: _interval(d, I_test, I_train, t, ddof=0)
                ),
            },
        ),
    },
)
