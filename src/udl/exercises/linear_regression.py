"""Checks for the exercises of the chapter "Linear regression".

>>> check("gradient", lambda x, y, phi: ...)
gradient: not answered yet. Hand in a function of x, y and phi that returns two numbers.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[np.float64]


def _gradient(x: Array, y: Array, phi: tuple[float, float]) -> tuple[float, float]:
    """Return both numbers, summed point by point."""
    first = second = 0.0
    for one, target in zip(x, y, strict=True):
        miss = phi[0] + phi[1] * one - target
        first, second = first + 2 * miss, second + 2 * miss * one
    return float(first), float(second)


def _scaled(factor: float) -> Any:
    def wrong(x: Array, y: Array, phi: tuple[float, float]) -> tuple[float, float]:
        first, second = _gradient(x, y, phi)
        return factor * first, factor * second

    return wrong


def _mean(x: Array, y: Array, phi: tuple[float, float]) -> tuple[float, float]:
    first, second = _gradient(x, y, phi)
    return first / len(x), second / len(x)


def _forgot_the_input(x: Array, y: Array, phi: tuple[float, float]) -> tuple[float, float]:
    first, _ = _gradient(x, y, phi)
    return first, first


def _swapped(x: Array, y: Array, phi: tuple[float, float]) -> tuple[float, float]:
    first, second = _gradient(x, y, phi)
    return second, first


def _lines(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [
        (rng.normal(size=I), rng.normal(size=I), tuple(rng.normal(size=2).tolist()))
        for I in (1, 4, 30)
    ]


def _best_of(x: Array, y: Array, intercepts: Array, slopes: Array, power: float | int) -> Any:
    """Return the best pair; the candidates of a case leave one best, for both powers."""

    def cost(pair: tuple[float, float]) -> float:
        return float(np.sum(np.abs(pair[0] + pair[1] * x - y) ** power))

    return min(product(intercepts.tolist(), slopes.tolist()), key=cost)


def _absolute(x: Array, y: Array, intercepts: Array, slopes: Array) -> tuple[float, float]:
    best: tuple[float, float] = _best_of(x, y, intercepts, slopes, 1)
    return best


def _roots(x: Array, y: Array, intercepts: Array, slopes: Array) -> tuple[float, float]:
    best: tuple[float, float] = _best_of(x, y, intercepts, slopes, 0.5)
    return best


def _squares(x: Array, y: Array, intercepts: Array, slopes: Array) -> tuple[float, float]:
    best: tuple[float, float] = _best_of(x, y, intercepts, slopes, 2)
    return best


def _cancelling(x: Array, y: Array, intercepts: Array, slopes: Array) -> tuple[float, float]:
    def cost(pair: tuple[float, float]) -> float:
        return abs(float(np.sum(pair[0] + pair[1] * x - y)))

    return min(product(intercepts.tolist(), slopes.tolist()), key=cost)


def _outliers(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    few = np.arange(4.0), np.array([6.0, 8.0, -1.0, 0.0])
    cases: list[tuple[Any, ...]] = [(*few, np.arange(3.0), np.arange(-1.0, 3.0))]
    for I, intercept, slope in [(9, 1.0, 0.5), (14, -0.4, 2.0), (25, 0.3, -1.5)]:
        x = rng.uniform(0.0, 2.0, I)
        y = intercept + slope * x + rng.normal(0.0, 0.1, I)
        y[-1] += 12.0
        candidates = np.linspace(-1.0, 2.0, 31), np.linspace(-2.0, 3.0, 26)
        cases.append((x, y, *candidates))
    return cases


check = Checks(
    "linear-regression",
    {
        "gradient": Function(
            "a function of x, y and phi that returns two numbers",
            reference=_gradient,
            cases=_lines,
            mistakes={
                "The 2 of the square is missing.": _scaled(0.5),
                "A residual is prediction minus target: the sign is turned.": _scaled(-1.0),
                "That is the gradient of the mean: the loss is a sum.": _mean,
                "In the second number each residual is multiplied by its input.": (
                    _forgot_the_input
                ),
                "The derivative by the intercept comes first.": _swapped,
            },
        ),
        "outlier": Function(
            "a function of x, y, intercepts and slopes that returns (intercept, slope)",
            reference=_absolute,
            cases=_outliers,
            mistakes={
                "That pair has the smallest sum of squares: take absolute values.": _squares,
                "Add the absolute values themselves, not their roots.": _roots,
                "Take each absolute value first, then add: residuals of both signs cancel.": (
                    _cancelling
                ),
                "The intercept comes first.": (
                    lambda x, y, intercepts, slopes: _absolute(x, y, intercepts, slopes)[::-1]
                ),
            },
        ),
    },
)
