"""Checks for the exercises of the chapter "Backpropagation".

>>> check("sigmoid", lambda w1, w2, x, y: ...)
sigmoid: not answered yet. Hand in a function of w1, w2, x and y that returns both derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Pair = tuple[float, float]
Number = complex | float | int


def _slopes(loss: Callable[[complex, complex], complex], first: float, second: float) -> Pair:
    """Differentiate by a tiny imaginary step: no rule is needed, and nothing is subtracted."""
    h = 1e-30
    return loss(first + h * 1j, second).imag / h, loss(first, second + h * 1j).imag / h


def _two_weights(w1: float, w2: float, x: float, y: float) -> Pair:
    return _slopes(lambda a, b: (b / (1 + np.exp(-a * x)) - y) ** 2, w1, w2)


def _without_slope(w1: float, w2: float, x: float, y: float) -> Pair:
    s = 1 / (1 + np.exp(-w1 * x))
    return 2 * (w2 * s - y) * w2 * s * x, 2 * (w2 * s - y) * s


def _neuron(theta0: float, theta1: float, x: float, y: float) -> Pair:
    def loss(a: Number, b: Number) -> Number:
        g = a + b * x
        return ((g if g.real > 0 else 0) - y) ** 2

    return _slopes(loss, theta0, theta1)


def _always_open(theta0: float, theta1: float, x: float, y: float) -> Pair:
    g = theta0 + theta1 * x
    return 2 * (max(0.0, g) - y), 2 * (max(0.0, g) - y) * x


def _product_of_slopes(theta0: float, theta1: float, x: float, y: float) -> Pair:
    return float(theta0 + theta1 * x > 0), 0.0


def _halved(right: Callable[..., Pair]) -> Any:
    return lambda a, b, x, y: tuple(part / 2 for part in right(a, b, x, y))


def _cases(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [tuple(rng.normal(size=4).round(2).tolist()) for _ in range(3)]


check = Checks(
    "backpropagation",
    {
        "sigmoid": Function(
            "a function of w1, w2, x and y that returns both derivatives",
            reference=_two_weights,
            cases=lambda rng: [(0.5, 3.0, 2.0, 1.0), *_cases(rng)],
            mistakes={
                "The local derivative of a sigmoid is s (1 - s), where s is its value.": (
                    _without_slope
                ),
                "Half of it: f is used twice in f * f, and what comes back is added.": (
                    _halved(_two_weights)
                ),
                "The derivative by w1 comes first.": (
                    lambda w1, w2, x, y: _two_weights(w1, w2, x, y)[::-1]
                ),
                "The target is subtracted: add minus y.": (
                    lambda w1, w2, x, y: _two_weights(w1, w2, x, -y)
                ),
            },
        ),
        "dual": Function(
            "a function of theta0, theta1, x and y that returns both derivatives",
            reference=_neuron,
            cases=lambda rng: [(5.0, -1.0, 2.0, 1.0), (5.0, -3.0, 2.0, 1.0), *_cases(rng)],
            mistakes={
                "The ReLU is off in some case: then its slope is 0, too.": _always_open,
                "The slope of a product is u' v + u v', not u' v'.": _product_of_slopes,
                "Only one slope may be 1 in a run: this is the sum of both derivatives.": (
                    lambda theta0, theta1, x, y: (sum(_neuron(theta0, theta1, x, y)),) * 2
                ),
                "The derivative by theta0 comes first.": (
                    lambda theta0, theta1, x, y: _neuron(theta0, theta1, x, y)[::-1]
                ),
            },
        ),
    },
)
