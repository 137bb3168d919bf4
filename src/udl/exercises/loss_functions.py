"""Checks for the exercises of the chapter "Loss functions".

>>> check("exponential", lambda y, f: np.exp(f) * y - f).right
False
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[np.float64]


def _exponential(y: Array, f: Array) -> tuple[Array, Array]:
    """Return the loss from the density, and its derivative by the product and chain rules."""
    rate = np.exp(f)
    density = rate * np.exp(-rate * y)
    by_rate = np.exp(-rate * y) - rate * y * np.exp(-rate * y)
    return -np.log(density), -by_rate * rate / density


def _by_rate(y: Array, f: Array) -> tuple[Array, Array]:
    loss, slope = _exponential(y, f)
    return loss, slope / np.exp(f)


def _gaps(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [(rng.exponential(size=I), rng.normal(size=I)) for I in (1, 4, 20)]


def _calibration(lam: Array, y: Array, bins: int) -> Array:
    edges = np.linspace(0.0, 1.0, bins + 1)
    rows = []
    for low, high in pairwise(edges):
        inside = (lam >= low) & ((lam < high) | (high == 1.0))
        rows.append([lam[inside].mean(), y[inside].mean()])
    return np.array(rows)


def _edged(lam: Array, y: Array, bins: int, low_in: bool, last_in: bool) -> Array:
    """Lose the predictions of 0 or of 1."""
    kept = ((lam > 0) | low_in) & ((lam < 1) | last_in)
    return _calibration(lam[kept], y[kept], bins)


def _from_least_to_most(lam: Array, y: Array, bins: int) -> Array:
    return np.column_stack(
        [_calibration((lam - lam.min()) / np.ptp(lam), values, bins)[:, 1] for values in (lam, y)]
    )


def _of_equal_size(lam: Array, y: Array, bins: int) -> Array:
    groups = np.array_split(np.argsort(lam), bins)
    return np.array([[lam[group].mean(), y[group].mean()] for group in groups])


def _predictions(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Return cases in which each bin has some examples, and none lies on a border but 0 and 1."""
    within = np.array([0.07, 0.2, 0.49, 0.6, 0.9]), np.array([0.0, 0.0, 1.0, 0.0, 1.0])
    cases: list[tuple[Any, ...]] = [(*within, 2)]
    for I, bins in [(60, 2), (400, 5), (500, 8)]:
        lam = np.r_[rng.beta(0.7, 1.2, I), (np.arange(bins) + 0.5) / bins, 0.0, 1.0]
        cases.append((lam, (rng.random(len(lam)) < lam**1.5).astype(float), bins))
    return cases


check = Checks(
    "loss-functions",
    {
        "exponential": Function(
            "a function of y and f that returns (loss, derivative), an entry per example",
            reference=_exponential,
            cases=_gaps,
            mistakes={
                "The derivative is by the logit f, not by the rate: apply the chain rule.": (
                    _by_rate
                ),
                "The loss is the negative logarithm.": lambda y, f: tuple(
                    -part for part in _exponential(y, f)
                ),
                "One loss for each example: do not add them.": lambda y, f: (
                    np.sum(_exponential(y, f)[0]),
                    _exponential(y, f)[1],
                ),
                "The density has the rate as a factor: its logarithm is missing.": lambda y, f: (
                    np.exp(f) * y,
                    np.exp(f) * y,
                ),
            },
        ),
        "calibration": Function(
            "a function of lam, y and bins that returns an array (bins, 2)",
            reference=_calibration,
            cases=_predictions,
            mistakes={
                "The bins have equal widths, not equal numbers of examples.": _of_equal_size,
                "The bins divide 0 to 1, not the smallest to the largest prediction.": (
                    _from_least_to_most
                ),
                "A prediction of 1 belongs to the last bin.": (
                    lambda lam, y, bins: _edged(lam, y, bins, low_in=True, last_in=False)
                ),
                "A prediction of 0 belongs to the first bin.": (
                    lambda lam, y, bins: _edged(lam, y, bins, low_in=False, last_in=True)
                ),
                "The predictions of 0 and of 1 belong to the first bin and the last.": (
                    lambda lam, y, bins: _edged(lam, y, bins, low_in=False, last_in=False)
                ),
                "The mean prediction comes first, then the share of ones.": (
                    lambda lam, y, bins: _calibration(lam, y, bins)[:, ::-1]
                ),
                "A row for each bin, please: this is transposed.": (
                    lambda lam, y, bins: _calibration(lam, y, bins).T
                ),
            },
        ),
    },
)
