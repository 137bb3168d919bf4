"""Checks for the exercises of the chapter "Making training work".

>>> check("least", lambda X, y, phi_0: ...)
least: not answered yet. Hand in a function of X, y and phi_0 that returns where descent ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[Any]


def _end(X: Array, y: Array, phi_0: Array) -> Array:
    """Add the shortest correction that makes the equations hold."""
    return np.asarray(phi_0 + np.linalg.lstsq(X, y - X @ phi_0, rcond=None)[0])


def _equations(rng: np.random.Generator) -> list[tuple[Array, ...]]:
    row, right = np.array([[1.0, 2.0]]), np.array([5.0])
    return [
        (row, right, np.array([2.0, 0.0])),
        (row, right, np.zeros(2)),
        (rng.normal(size=(3, 6)), rng.normal(size=3), rng.normal(size=6)),
    ]


def _loss_at(logits: Array, labels: Array, tau: float) -> float:
    z = logits / tau
    own = z[np.arange(len(labels)), labels]
    return float(np.mean(np.logaddexp.reduce(z, axis=1) - own))


def _overflowing(logits: Array, labels: Array, tau: float) -> float:
    z = logits / tau
    own = z[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - own))


def _underflowing(logits: Array, labels: Array, tau: float) -> float:
    z = logits / tau
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return float(np.mean(-np.log(p[np.arange(len(labels)), labels])))


def _logits(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [
        (np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), 1.0),
        (rng.normal(size=(6, 4)), rng.integers(0, 4, 6), 2.5),
        (400 * rng.normal(size=(5, 3)), rng.integers(0, 3, 5), 0.5),
    ]


check = Checks(
    "making-training-work",
    {
        "least": Function(
            "a function of X, y and phi_0 that returns where descent ends",
            reference=_end,
            cases=_equations,
            mistakes={
                "That is where it ends from zero: a part of the start stays.": (
                    lambda X, y, phi_0: np.linalg.pinv(X) @ y
                ),
                "Not all of the start stays: only what X maps to zero.": (
                    lambda X, y, phi_0: np.linalg.pinv(X) @ y + phi_0
                ),
                "You kept the part of the start that the equations see. The other part stays.": (
                    lambda X, y, phi_0: np.linalg.pinv(X) @ (y + X @ phi_0)
                ),
            },
            rtol=1e-4,
            atol=1e-6,
        ),
        "temperature": Function(
            "a function of logits (I, K), labels (I,) and a temperature tau that returns the mean "
            "cross-entropy of the logits divided by tau",
            reference=_loss_at,
            cases=_logits,
            mistakes={
                "A large logit overflows in exp: subtract the largest of each row first.": (
                    _overflowing
                ),
                "exp overflows, or a probability is rounded to 0: take the logarithm of the sum, "
                "with the largest logit of each row subtracted.": _underflowing,
                "Divide by the temperature, do not multiply.": lambda logits, labels, tau: (
                    _loss_at(logits, labels, 1 / tau)
                ),
                "That is the sum over the examples: take the mean.": lambda logits, labels, tau: (
                    len(labels) * _loss_at(logits, labels, tau)
                ),
                "The temperature is ignored.": lambda logits, labels, tau: _loss_at(
                    logits, labels, 1.0
                ),
            },
        ),
    },
)
