"""Checks for the exercises of the chapter "Trust and transfer".

>>> check("sign", lambda gradient, epsilon: ...)
sign: not answered yet. Hand in a function of the gradient and epsilon that returns the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[Any]


def _some_gradients(rng: np.random.Generator) -> list[tuple[Array, float]]:
    return [
        (np.array([3.0, -1.0, 2.0]), 0.1),
        (rng.normal(size=7), 0.5),
        (rng.normal(size=(2, 3)), 2.0),
    ]


def _by_group(
    of: Callable[[Array, Array], tuple[float, float]],
) -> Callable[[Array, Array, Array], dict[str, tuple[float, float]]]:
    """Return a function that applies another one to the scores and outcomes of each group."""

    def all_groups(score: Array, outcome: Array, group: Array) -> dict[str, tuple[float, float]]:
        names = sorted(set(group.tolist()))
        return {name: of(score[group == name], outcome[group == name]) for name in names}

    return all_groups


def _balance(score: Array, outcome: Array) -> tuple[float, float]:
    return float(score @ outcome / outcome.sum()), float(score @ (1 - outcome) / sum(1 - outcome))


def _over_everybody(score: Array, outcome: Array) -> tuple[float, float]:
    return float(np.mean(score * outcome)), float(np.mean(score * (1 - outcome)))


def _decided(score: Array, outcome: Array) -> tuple[float, float]:
    return _balance((score >= 0.5).astype(float), outcome)


def _groups(rng: np.random.Generator) -> list[tuple[Array, Array, Array]]:
    """Return scores, outcomes and groups; each group has people with the outcome and without."""
    cases = []
    for names, I in [("AB", 8), ("ABC", 30)]:
        group = np.array(list(names))[np.arange(I) % len(names)]
        outcome = np.arange(I) // len(names) % 2
        cases.append((rng.random(I).round(2), outcome, group))
    return cases


check = Checks(
    "trust-and-transfer",
    {
        "sign": Function(
            "a function of the gradient and epsilon that returns the change",
            lambda gradient, epsilon: epsilon * np.sign(gradient),
            _some_gradients,
            mistakes={
                "No entry is larger than epsilon, but most are smaller than they may be.": (
                    lambda gradient, epsilon: epsilon * gradient / np.abs(gradient).max()
                ),
                "That is the best change of the length epsilon. Here each entry has a limit.": (
                    lambda gradient, epsilon: epsilon * gradient / np.linalg.norm(gradient)
                ),
                "That lowers the loss.": (lambda gradient, epsilon: -epsilon * np.sign(gradient)),
            },
        ),
        "fair": Function(
            "a function of scores, outcomes (0 or 1) and groups, each (I,), that returns"
            " a dict: for each group the two means",
            _by_group(_balance),
            _groups,
            mistakes={
                "First the mean of those with the outcome, then of those without.": (
                    _by_group(lambda score, outcome: _balance(score, 1 - outcome))
                ),
                "Divide by the number of those whose scores you add.": _by_group(_over_everybody),
                "Take the scores themselves, not whether they are above one half.": (
                    _by_group(_decided)
                ),
            },
        ),
    },
)
