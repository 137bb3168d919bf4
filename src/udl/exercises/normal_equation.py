"""Checks for the exercises of the chapter "The normal equation".

>>> check("ridge", lambda X, y, strength: ...)
ridge: not answered yet. Hand in a function of X, y and strength that returns phi.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[np.float64]


def _solved(X: Array, y: Array) -> Array:
    return np.asarray(np.linalg.lstsq(X, y, rcond=None)[0], np.float64)


def _leave_out(X: Array, y: Array, group: NDArray[Any]) -> Array:
    """Predict row by row, each from a fit to the rows of the other groups."""
    return np.array(
        [
            row @ _solved(X[group != name], y[group != name])
            for row, name in zip(X, group, strict=True)
        ]
    )


def _leave_row_out(X: Array, y: Array, group: NDArray[Any]) -> Array:
    rows = np.arange(len(y))
    return np.array([X[i] @ _solved(X[rows != i], y[rows != i]) for i in rows])


def _own_group_alone(X: Array, y: Array, group: NDArray[Any]) -> Array:
    return np.array(
        [
            row @ _solved(X[group == name], y[group == name])
            for row, name in zip(X, group, strict=True)
        ]
    )


def _groups(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    cases: list[tuple[Any, ...]] = []
    for names, D in [(np.array(["a", "b", "a", "c", "b", "c", "a"]), 1), (np.arange(40) % 5, 3)]:
        X = np.column_stack([np.ones(len(names)), rng.normal(size=(len(names), D))])
        cases.append((X, X @ rng.normal(size=D + 1) + rng.normal(size=len(names)), names))
    return cases


def _penalized(X: Array, y: Array, penalty: Array) -> Array:
    return np.asarray(np.linalg.solve(X.T @ X + np.diag(penalty), X.T @ y), np.float64)


def _ridge(X: Array, y: Array, strength: float) -> Array:
    """Solve the normal equation with the penalty added to its diagonal."""
    return _penalized(X, y, np.r_[0.0, np.full(X.shape[1] - 1, strength)])


def _ridge_cases(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    cases: list[tuple[Any, ...]] = []
    for I, D, strength in [(4, 1, 2.0), (20, 3, 5.0), (12, 2, 0.3)]:
        X = np.column_stack([np.ones(I), rng.normal(size=(I, D)).round(1)])
        cases.append((X, rng.normal(size=I).round(1) + 3.0, strength))
    return cases


check = Checks(
    "normal-equation",
    {
        "loco": Function(
            "a function of X, y and group that returns a prediction for each row",
            reference=_leave_out,
            cases=_groups,
            mistakes={
                "That is the fit to all rows: leave the group out of it.": (
                    lambda X, y, group: X @ _solved(X, y)
                ),
                "That leaves out one row at a time: leave out its whole group.": _leave_row_out,
                "The fit is to the *other* groups.": _own_group_alone,
                "Those are the residuals: return the predictions.": (
                    lambda X, y, group: _leave_out(X, y, group) - y
                ),
            },
        ),
        "ridge": Function(
            "a function of X, y and strength that returns phi",
            reference=_ridge,
            cases=_ridge_cases,
            mistakes={
                "The intercept pays no penalty.": (
                    lambda X, y, strength: _penalized(X, y, np.full(X.shape[1], strength))
                ),
                "The rows hold the root of the strength: their squares are the penalty.": (
                    lambda X, y, strength: _ridge(X, y, strength**2)
                ),
                "The loss is a sum here: do not multiply the strength by the number of rows.": (
                    lambda X, y, strength: _ridge(X, y, strength * len(y))
                ),
                "That is least squares without a penalty.": lambda X, y, strength: _solved(X, y),
            },
        ),
    },
)
