"""Checks for the exercises of the chapter "Playground".

>>> check("steps", lambda I, B, epochs: ...)
steps: not answered yet. Hand in a function of I, B and epochs that returns (ours, with leftovers).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from udl.exercises._checks import Checks, Function

__all__ = ["check"]


def _steps(I: int, B: int, epochs: int) -> tuple[int, int]:
    """Count both by going through the examples."""
    ours = leftovers = 0
    for _ in range(epochs):
        waiting = 0
        for i in range(1, I + 1):
            waiting = (waiting + 1) % B
            ours += waiting == 0 or i == I
            leftovers += i % B == 0
    return ours, leftovers


def _soft(w: float, gradient: float, alpha: float, strength: float) -> float:
    """Return the best of the three places where half a square plus a penalty can be least."""
    u = w - alpha * gradient
    pull = alpha * strength
    return min((0.0, u - pull, u + pull), key=lambda v: (v - u) ** 2 / 2 + pull * abs(v))


def _past_zero(w: float, gradient: float, alpha: float, strength: float) -> float:
    u = w - alpha * gradient
    return u - alpha * strength * float(np.sign(u))


def _old_sign(w: float, gradient: float, alpha: float, strength: float) -> float:
    return w - alpha * (gradient + strength * float(np.sign(w)))


def _share(w: float, gradient: float, alpha: float, strength: float) -> float:
    return w - alpha * (gradient + strength * w)


def _whole_strength(w: float, gradient: float, alpha: float, strength: float) -> float:
    return _soft(w - alpha * gradient, 0.0, 1.0, strength)


def _weights(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    some = rng.normal(size=(4, 2)).round(2).tolist()
    return [
        (0.05, 0.2, 0.1, 0.4),
        (0.0, -1.0, 0.1, 0.2),
        (-0.02, -3.0, 0.1, 0.5),
        *[(w, gradient, 0.2, 0.5) for w, gradient in some],
    ]


check = Checks(
    "playground",
    {
        "steps": Function(
            "a function of I, B and epochs that returns (ours, with leftovers)",
            reference=_steps,
            cases=[(50, 30, 6), (200, 10, 3), (7, 3, 5), (5, 8, 4)],
            mistakes={
                "The short batch at the end of an epoch is a step of ours, too.": (
                    lambda I, B, epochs: (epochs * (I // B),) * 2
                ),
                "Ours begins anew in each epoch: round up for each, not once.": (
                    lambda I, B, epochs: (-(-I * epochs // B), epochs * (I // B))
                ),
                "The other one looks at the number of the example within the epoch.": (
                    lambda I, B, epochs: (epochs * -(-I // B), I * epochs // B)
                ),
                "That is one epoch.": lambda I, B, epochs: (-(-I // B), I // B),
                "Ours come first.": lambda I, B, epochs: _steps(I, B, epochs)[::-1],
            },
        ),
        "threshold": Function(
            "a function of w, gradient, alpha and strength that returns the weight after the step",
            reference=_soft,
            cases=_weights,
            mistakes={
                "The penalty stops at 0: it may not carry a weight across.": _past_zero,
                "First the gradient, then the penalty, by the sign that the weight has by then.": (
                    _old_sign
                ),
                "That is L2: a share of the weight. L1 takes the same amount from each.": _share,
                "The penalty moves the weight by alpha times its strength.": _whole_strength,
            },
        ),
    },
)
