"""Checks for the exercises of the chapter "Learning from data".

>>> check("loss", lambda f, y: ...)
loss: not answered yet. Hand in a function of predictions f and targets y that returns a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[np.float64]


def _decompose(predictions: Array, truth: Array) -> tuple[float, float]:
    mean = predictions.mean(axis=0)
    return float(np.mean((mean - truth) ** 2)), float(np.mean((predictions - mean) ** 2))


def _swapped(predictions: Array, truth: Array) -> tuple[float, float]:
    bias2, variance = _decompose(predictions, truth)
    return variance, bias2


def _unsquared(predictions: Array, truth: Array) -> tuple[float, float]:
    bias = np.mean(predictions.mean(axis=0) - truth)
    return float(bias), float(np.mean(predictions.var(axis=0)))


def _whole(predictions: Array, truth: Array) -> tuple[float, float]:
    mean = predictions.mean()
    return float(np.mean((mean - truth) ** 2)), float(predictions.var())


def _mean_bias(predictions: Array, truth: Array) -> tuple[float, float]:
    bias, variance = _unsquared(predictions, truth)
    return bias**2, variance


def _spread(predictions: Array, truth: Array) -> tuple[float, float]:
    return _decompose(predictions, truth)[0], float(np.mean(predictions.std(axis=0)))


def _less_one(predictions: Array, truth: Array) -> tuple[float, float]:
    return _decompose(predictions, truth)[0], float(np.mean(predictions.var(axis=0, ddof=1)))


def _error(predictions: Array, truth: Array) -> tuple[float, float]:
    return float(np.mean((predictions - truth) ** 2)), float(np.mean(predictions.var(axis=0)))


def _group(Z: Array, centers: Array) -> NDArray[np.intp]:
    return np.asarray(((Z[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1))


def _round(Z: Array, centers: Array) -> Array:
    group = _group(Z, centers)
    return np.array([Z[group == k].mean(axis=0) for k in range(len(centers))])


def _until_nothing_changes(Z: Array, centers: Array) -> Array:
    for _ in range(30):
        centers = _round(Z, centers)
    return centers


def _along_the_axes(Z: Array, centers: Array) -> Array:
    group = np.abs(Z[:, None] - centers).sum(axis=2).argmin(axis=1)
    return np.array([Z[group == k].mean(axis=0) for k in range(len(centers))])


def _clouds(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Return points and centers; each center lies on a point, so that none stays without."""
    cases: list[tuple[Any, ...]] = []
    for I, D, K in [(4, 1, 2), (30, 2, 3), (40, 3, 4)]:
        Z = rng.normal(size=(I, D))
        cases.append((Z, Z[:K].copy()))
    return cases


def _degree(x: Array, y: Array, x_valid: Array, y_valid: Array, most: int) -> int:
    losses = [
        np.mean((Polynomial.fit(x, y, degree)(x_valid) - y_valid) ** 2)
        for degree in range(most + 1)
    ]
    return int(np.argmin(losses))


def _trained(x: Array, y: Array, x_valid: Array, y_valid: Array, most: int) -> int:
    return _degree(x, y, x, y, most)


def _waves(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Return noisy curves of several shapes, so that no degree is right for all."""
    at, at_valid = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.5, 2.5])
    cases: list[tuple[Any, ...]] = [(at, np.array([0.0, 1.2, 2.2, 3.0]), at_valid, at_valid, 2)]
    for bends, most in [(0.0, 6), (0.5, 8), (1.0, 10), (2.0, 7)]:
        x = np.linspace(0.0, 1.0, 20)
        x_valid = rng.uniform(0.0, 1.0, 60)
        y, y_valid = (
            np.sin(2.0 * np.pi * bends * at) + rng.normal(0.0, 0.2, at.shape)
            for at in (x, x_valid)
        )
        cases.append((x, y, x_valid, y_valid, most))
    return cases


check = Checks(
    "learning-from-data",
    {
        "loss": Function(
            "a function of predictions f and targets y that returns a number",
            reference=lambda f, y: np.mean((f - y) ** 2),
            cases=[
                (np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 0.0])),
                (np.array([5.0]), np.array([2.0])),
                (np.linspace(0.0, 1.0, 50), np.linspace(0.0, 2.0, 50) ** 2),
            ],
            mistakes={
                "That is the sum: divide by the number of targets.": lambda f, y: np.sum(
                    (f - y) ** 2
                ),
                "That is its root: the loss is the mean of the squares itself.": lambda f, y: (
                    np.sqrt(np.mean((f - y) ** 2))
                ),
                "Square the errors: do not take their absolute values.": lambda f, y: np.mean(
                    np.abs(f - y)
                ),
                "Square first, then take the mean.": lambda f, y: np.mean(f - y) ** 2,
                "Without squares errors of both signs cancel.": lambda f, y: np.mean(f - y),
            },
        ),
        "decompose": Function(
            "a function of predictions (S, N) and truth (N,) that returns (bias2, variance)",
            reference=_decompose,
            cases=lambda rng: [
                (rng.normal(size=(S, N)), rng.normal(size=N)) for S, N in [(3, 2), (50, 7)]
            ],
            mistakes={
                "Return the squared bias first, then the variance.": _swapped,
                "Square the bias at each place, then average.": _unsquared,
                "Square the bias at each place first: biases of both signs cancel.": _mean_bias,
                "That is the standard deviation: the variance is its square.": _spread,
                "Divide by S, not by S - 1: only then both add up to the error.": _less_one,
                "Take the mean over the training sets (axis 0), at each place.": _whole,
                "The first is the whole error: compare the mean prediction with truth.": _error,
            },
        ),
        "round": Function(
            "a function of points Z (I, D) and centers (K, D) that returns new centers (K, D)",
            reference=_round,
            cases=_clouds,
            mistakes={
                "Those are the groups: return the mean of each.": _group,
                "One round, please, not until nothing changes.": _until_nothing_changes,
                "Nearest by the squared distance, not by the sum of the absolute differences.": (
                    _along_the_axes
                ),
                "Those are the old centers: move each to the mean of its points.": (
                    lambda Z, centers: centers
                ),
            },
        ),
        "degree": Function(
            "a function of x, y, x_valid, y_valid and most that returns a degree",
            reference=_degree,
            cases=_waves,
            mistakes={
                "On the points of the fit the largest degree is best, always: fit on the training "
                "points, compare on the validation points.": _trained,
                "The other way round: fit on the training points, compare on the validation "
                "points.": lambda x, y, x_valid, y_valid, most: _degree(
                    x_valid, y_valid, x, y, most
                ),
                "The degree `most` may be the best one, too.": (
                    lambda x, y, x_valid, y_valid, most: _degree(x, y, x_valid, y_valid, most - 1)
                ),
            },
            rtol=0.0,
        ),
    },
)
