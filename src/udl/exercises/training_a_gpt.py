"""Checks for the exercises of the chapter "Training a GPT".

>>> check("min-p", lambda logits, share: ...)
min-p: not answered yet. Hand in a function of logits and share that returns the probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[Any]


def _logs(z: Array, axis: int = -1) -> Array:
    """Return the logarithms of the softmax."""
    return np.asarray(z - np.logaddexp.reduce(z, axis=axis, keepdims=True))


def _entropy(z: Array) -> float:
    logs = _logs(z)
    return float(-(np.exp(logs) * logs).sum(axis=1).mean())


def _naive(z: Array) -> float:
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return float(-(p * np.log(p)).sum(axis=1).mean())


def _down(z: Array) -> float:
    logs = _logs(z, axis=0)
    return float(-(np.exp(logs) * logs).sum(axis=1).mean())


def _hesitations(rng: np.random.Generator) -> list[tuple[Array]]:
    return [
        (np.zeros((1, 4)),),
        (3 * rng.normal(size=(5, 6)),),
        (np.array([[2000.0, 0.0, 0.0], [1.0, 0.0, -1.0]]),),
    ]


def _min_p(logits: Array, share: float) -> Array:
    """Compare logits: the share of the largest is a distance from it."""
    kept = np.where(logits >= logits.max() + np.log(share), logits, -np.inf)
    return np.exp(_logs(kept))


def _undivided(logits: Array, share: float) -> Array:
    p = np.exp(_logs(logits))
    return np.where(p >= share * p.max(), p, 0.0)


def _of_one(logits: Array, share: float) -> Array:
    p = np.exp(_logs(logits))
    p = np.where(p >= share, p, 0.0)
    return np.asarray(p / p.sum())


def _more_than(logits: Array, share: float) -> Array:
    p = np.exp(_logs(logits))
    p = np.where(p > share * p.max(), p, 0.0)
    return np.asarray(p / p.sum())


def _of_logits(logits: Array, share: float) -> Array:
    return np.exp(_logs(np.where(logits >= share * logits.max(), logits, -np.inf)))


check = Checks(
    "training-a-gpt",
    {
        "entropy": Function(
            "a function of the logits z, one place a row, that returns the mean entropy in nats",
            reference=_entropy,
            cases=_hesitations,
            mistakes={
                "A large logit overflows in exp, and 0 times log 0 is NaN: take the logarithms of "
                "the softmax without either, as log_softmax does.": _naive,
                "That is in bits.": lambda z: _entropy(z) / np.log(2),
                "Mind the sign: an entropy is not negative.": lambda z: -_entropy(z),
                "The softmax goes over the characters, the last dimension.": _down,
                "That is the sum over the places. Take their mean.": (
                    lambda z: len(z) * _entropy(z)
                ),
            },
        ),
        "min-p": Function(
            "a function of logits and share that returns the probabilities",
            reference=_min_p,
            cases=[
                (np.log([0.5, 0.3, 0.15, 0.05]), 0.5),
                (np.array([1.0, 3.0, 2.0, -1.0]), 0.1),
                (np.array([0.0, 0.0, -4.0]), 0.7),
                (np.array([0.0, 0.0, -4.0]), 1.0),
            ],
            mistakes={
                "Divide what is left by its sum.": _undivided,
                "Compare with a share of the largest probability, not of one.": _of_one,
                "At least the share: a probability that equals it stays.": _more_than,
                "Compare probabilities, not logits.": _of_logits,
            },
        ),
    },
)
