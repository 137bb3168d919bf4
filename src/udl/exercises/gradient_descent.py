"""Checks for the exercises of the chapter "Gradient descent".

>>> check("largest", lambda beta, lam: ...)
largest: not answered yet. Hand in a function of beta and lam that returns the largest alpha.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[np.float64]


def _largest(beta: float, lam: float) -> float:
    """Halve an interval around the edge, by the eigenvalues of one step of (phi, m)."""
    low, high = 0.0, 1e4 / lam
    for _ in range(80):
        alpha = (low + high) / 2
        onto_m = np.array([(1 - beta) * lam, beta])
        step = np.array([[1.0, 0.0] - alpha * onto_m, onto_m])
        grows = np.abs(np.linalg.eigvals(step)).max() > 1 + 1e-9
        low, high = (low, alpha) if grows else (alpha, high)
    return low


def _adam(
    gradients: Array,
    alpha: float,
    beta: float,
    gamma: float,
    *,
    correct_m: float | None = None,
    corrected: bool = True,
    clip: str = "each",
    epsilon: str = "behind",
) -> float:
    """Take each average as one sum over all gradients so far, with its weights."""
    phi = 0.0
    for t in range(1, len(gradients) + 1):
        age = np.arange(t)[::-1]
        m = (1 - beta) * np.sum(beta**age * gradients[:t])
        v = (1 - gamma) * np.sum(gamma**age * gradients[:t] ** 2)
        if corrected:
            m = m / (1 - (beta if correct_m is None else correct_m) ** t)
            v = v / (1 - gamma**t)
        under, behind = {"behind": (0.0, 1e-8), "under": (1e-8, 0.0), "none": (0.0, 0.0)}[epsilon]
        phi -= alpha * m / (np.sqrt(v + under) + behind)
        if clip == "each":
            phi = min(max(phi, -1.0), 1.0)
    return min(max(phi, -1.0), 1.0) if clip == "end" else phi


def _ends(gradients: Array, alpha: float, beta: float, gamma: float) -> float:
    return float(_adam(gradients, alpha, beta, gamma))


def _wrong(**how: Any) -> Any:
    return lambda gradients, alpha, beta, gamma: _adam(gradients, alpha, beta, gamma, **how)


def _gradients(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [
        (np.array([3.0, -1.0, -1.0, 3.0]), 0.1, 0.0, 0.1),
        (np.array([3e-8, -1e-8, 2e-8]), 0.1, 0.5, 0.5),
        (rng.normal(size=12), 0.05, 0.9, 0.999),
        (np.r_[np.full(15, -2.0), rng.normal(1.0, 1.0, 15)], 0.2, 0.7, 0.9),
    ]


check = Checks(
    "gradient-descent",
    {
        "largest": Function(
            "a function of beta and lam that returns the largest alpha",
            reference=_largest,
            cases=[(0.9, 1.0), (0.5, 4.0), (0.0, 2.0), (0.6, 0.5)],
            mistakes={
                "That is the bound without momentum.": lambda beta, lam: 2 / lam,
                "A good guess, one over 1 - beta. The averages cancel more than that.": (
                    lambda beta, lam: 2 / lam / (1 - beta)
                ),
                "That is the factor. Multiply the bound without momentum by it.": (
                    lambda beta, lam: (1 + beta) / (1 - beta)
                ),
                "That is for a sum in place of the average: the factor 1 - beta is missing.": (
                    lambda beta, lam: 2 * (1 + beta) / lam
                ),
            },
            rtol=1e-2,
        ),
        "reddi": Function(
            "a function of gradients, alpha, beta and gamma that returns the last phi",
            reference=_ends,
            cases=_gradients,
            mistakes={
                "Both averages begin too small: the bias correction is missing.": (
                    _wrong(corrected=False)
                ),
                "The average of the gradients is corrected with its own beta, not with gamma.": (
                    lambda gradients, alpha, beta, gamma: _adam(
                        gradients, alpha, beta, gamma, correct_m=gamma
                    )
                ),
                "Epsilon is added to the root, not under it.": _wrong(epsilon="under"),
                "Epsilon is missing: small gradients are divided by their root plus epsilon.": (
                    _wrong(epsilon="none")
                ),
                "Clip after every step, not once at the end.": _wrong(clip="end"),
                "The parameter leaves the interval: clip it after every step.": (
                    _wrong(clip="never")
                ),
                "Uphill: a step goes against the gradient.": (
                    lambda gradients, alpha, beta, gamma: _adam(-gradients, alpha, beta, gamma)
                ),
            },
        ),
    },
)
