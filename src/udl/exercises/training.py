"""Checks for the exercises of the chapter "Training in practice".

>>> check("epoch-loss", lambda losses, sizes: (0.5 + 2.0) / 2)
epoch-loss: not yet.
- For losses = [0.5, 2. ], sizes = [10, 2] it returns 1.25, expected 0.75.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[Any]


def _epoch_loss(losses: Array, sizes: Array) -> float:
    return float(np.dot(losses, sizes) / np.sum(sizes))


def _batches(rng: np.random.Generator) -> list[tuple[Array, ...]]:
    return [
        (np.array([0.5, 2.0]), np.array([10, 2])),
        (np.array([1.0, 1.0, 4.0]), np.array([8, 8, 1])),
        (rng.uniform(0, 3, 5), rng.integers(1, 20, 5)),
    ]


def _whole_batch(gradients: Array, sizes: Array) -> Array:
    share = np.asarray(sizes) / np.sum(sizes)
    return np.asarray((share[:, None] * gradients).sum(axis=0))


def _parts(rng: np.random.Generator) -> list[tuple[Array, ...]]:
    return [
        (rng.normal(size=(2, 2)).round(1), np.array([3, 1])),
        (rng.normal(size=(4, 3)), np.array([8, 8, 8, 8])),
        (rng.normal(size=(3, 2)), np.array([16, 16, 5])),
        (rng.normal(size=(1, 4)), np.array([7])),
    ]


def _ridge(h: Array, targets: Array, penalty: float) -> Array:
    """Solve least squares with a row for each weight that asks it to be zero."""
    N = h.shape[1]
    rows = np.vstack([h, np.sqrt(penalty) * np.eye(N)])
    zeros = np.zeros((N, targets.shape[1]))
    return np.asarray(np.linalg.lstsq(rows, np.vstack([targets, zeros]), rcond=None)[0])


def _features(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [
        (rng.normal(size=(I, N)).round(1), rng.normal(size=(I, K)).round(1), penalty)
        for I, N, K, penalty in [(3, 2, 1, 0.5), (4, 6, 3, 0.1), (5, 5, 2, 2.0)]
    ]


check = Checks(
    "training",
    {
        "epoch-loss": Function(
            "a function of the batch losses and the batch sizes that returns the mean loss of "
            "an example",
            reference=_epoch_loss,
            cases=_batches,
            mistakes={
                "That is the mean of the means: a batch of 2 counts as much as one of 10.": (
                    lambda losses, sizes: float(np.mean(losses))
                ),
                "That is the sum over all examples. Divide by their number.": (
                    lambda losses, sizes: float(np.dot(losses, sizes))
                ),
                "Divide by the number of examples, not by that of the batches.": (
                    lambda losses, sizes: float(np.dot(losses, sizes) / len(sizes))
                ),
            },
        ),
        "parts": Function(
            "a function of the gradients (parts, parameters) and the sizes of the parts that "
            "returns the gradient of the whole batch",
            reference=_whole_batch,
            cases=_parts,
            mistakes={
                "That is the sum of the gradients: with four equal parts, four times too long.": (
                    lambda gradients, sizes: gradients.sum(axis=0)
                ),
                "Right for parts of equal size. But one of 5 must count less than one of 16.": (
                    lambda gradients, sizes: gradients.mean(axis=0)
                ),
                "Each part counts by its examples. Now divide by the number of all examples.": (
                    lambda gradients, sizes: np.asarray(sizes) @ gradients
                ),
            },
        ),
        "ridge": Function(
            "a function of features h (I, N), targets (I, K) and a penalty that returns the "
            "weights (N, K)",
            reference=_ridge,
            cases=_features,
            mistakes={
                "That is without the penalty.": lambda h, targets, penalty: np.linalg.lstsq(
                    h, targets, rcond=None
                )[0],
                "Those are the predictions. Return the weights.": lambda h, targets, penalty: (
                    h @ _ridge(h, targets, penalty)
                ),
                "The penalty comes in as it is: not squared.": lambda h, targets, penalty: _ridge(
                    h, targets, penalty**2
                ),
            },
        ),
    },
)
