"""Checks for the exercises of the chapter "Shallow networks".

>>> check("root", lambda points: ...)
root: not answered yet. Hand in a function of the points that returns a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[np.float64]


def _largest_error(points: Array) -> float:
    r"""Return the largest error of a chord of the root, found by calculus.

    Between a and b the root is farthest from its chord where its slope is that of the chord.
    The distance there is :math:`(\sqrt b - \sqrt a)^2 / (4 (\sqrt a + \sqrt b))`.
    """
    low, high = np.sqrt(points[:-1]), np.sqrt(points[1:])
    return float(np.max((high - low) ** 2 / (4 * (low + high))))


def _on(x: Array) -> Any:
    return lambda points: np.max(np.abs(np.interp(x, points, np.sqrt(points)) - np.sqrt(x)))


def _points(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    scattered = np.r_[0.0, np.sort(rng.uniform(0.05, 0.95, 6)), 1.0]
    return [(np.linspace(0, 1, D + 1) ** power,) for D, power in [(64, 1), (16, 1), (16, 4)]] + [
        (scattered,)
    ]


def _along(theta: Array, p: Array, q: Array) -> Array:
    """Read the two numbers of each unit from its preactivations at both ends."""
    at_p, at_q = (theta[:, 0] + (theta[:, 1:] * x).sum(axis=1) for x in (p, q))
    return np.stack([at_p, at_q - at_p], axis=1)


def _walks(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [
        (rng.normal(size=(D, 1 + D_i)), rng.normal(size=D_i), rng.normal(size=D_i))
        for D, D_i in [(1, 1), (3, 2), (20, 10)]
    ]


check = Checks(
    "shallow-networks",
    {
        "root": Function(
            "a function of the points that returns a number",
            reference=_largest_error,
            cases=_points,
            mistakes={
                **{
                    f"A grid of {N} points is too coarse near zero, where the root is steep.": _on(
                        np.linspace(0, 1, N)
                    )
                    for N in (50, 51, 100, 101, 200)
                },
                "At the points themselves there is no error: look between them.": (
                    lambda points: 0.0
                ),
                "Halfway between two points is not where the error is largest.": lambda points: (
                    np.max(
                        np.abs(
                            np.sqrt((points[1:] + points[:-1]) / 2)
                            - (np.sqrt(points[1:]) + np.sqrt(points[:-1])) / 2
                        )
                    )
                ),
            },
            rtol=1e-2,
        ),
        "walk": Function(
            "a function of theta (D, 1 + D_i), p and q that returns an array (D, 2)",
            reference=_along,
            cases=_walks,
            mistakes={
                "The walk starts at p, not at the origin.": lambda theta, p, q: np.column_stack(
                    [theta[:, 0], theta[:, 1:] @ (q - p)]
                ),
                "At t = 1 the walk is at q: its direction is q - p.": lambda theta, p, q: (
                    np.column_stack([theta[:, 0] + theta[:, 1:] @ p, theta[:, 1:] @ q])
                ),
                "The bias belongs to the start alone.": lambda theta, p, q: np.column_stack(
                    [theta[:, 0] + theta[:, 1:] @ p, theta[:, 0] + theta[:, 1:] @ (q - p)]
                ),
                "The bias comes first, then the weight.": lambda theta, p, q: _along(theta, p, q)[
                    :, ::-1
                ],
            },
        ),
    },
)
