"""Checks for the exercises of the chapter "Deep networks".

>>> check("budget", lambda limit: ...)
budget: not answered yet. Hand in a function of the limit that returns (K, D).
"""

from __future__ import annotations

import numpy as np

from udl import deep, regions, shallow
from udl.exercises._checks import Checks, Function, Rule, Value

__all__ = ["check"]


def _shapes(limit: int) -> list[tuple[int, int]]:
    """Return all (K, D) with D of 3 or more and at most so many parameters."""
    found = []
    for D in range(3, limit):
        K = 1
        while deep.parameter_count((1, *[D] * K, 1)) <= limit:
            found.append((K, D))
            K += 1
    return found


def _best_depth(limit: int) -> tuple[int, int]:
    return max(_shapes(limit), key=lambda shape: (shape[1] + 1) ** shape[0])


def _widest(limit: int) -> tuple[int, int]:
    return max(_shapes(limit), key=lambda shape: shape[1])


def _turned(limit: int) -> tuple[int, int]:
    K, D = _best_depth(limit)
    return D, K


def _sixteen(answer: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> list[str]:
    """Say what is missing to 16 regions."""
    theta, phi, theta2, phi2 = (np.asarray(part, dtype=float) for part in answer)
    shapes = [part.shape for part in (theta, phi, theta2, phi2)]
    if shapes != [(3, 2), (4,), (3, 2), (4,)]:
        said = ", ".join(map(str, shapes))
        return [f"The shapes are {said}; three units in each network make (3, 2), (4,), twice."]
    first, second = shallow.layers(theta, phi), shallow.layers(theta2, phi2)
    wrong = []
    for name, net in (("Network 1", first), ("Network 2", second)):
        slopes = regions.pieces(*net).slope[:, 0]
        if np.abs(slopes).min() < 1e-9:
            wrong.append(f"{name} has a flat piece: let a unit look to the left.")
    y = deep.predict(np.linspace(0.0, 3.0, 301), *first)
    if y.min() < -1e-6 or y.max() > 1 + 1e-6:
        wrong.append(
            f"For x from 0 to 3, network 1 goes from {y.min():.3g} to {y.max():.3g}, not 0 to 1."
        )
    number = regions.count(*deep.compose(first, second))
    if number != 16:
        wrong.append(f"The composition has {number} of 16 regions.")
    return wrong


def _folds() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([[0.0, 1.0], [-1.0, 1.0], [2.0, -1.0]]),
        np.array([5.0, -3.0, 2.0, -2.0]),
        np.array([[-0.25, 1.0], [-0.5, 1.0], [0.75, -1.0]]),
        np.array([0.0, 1.0, -4.0, -1.0]),
    )


check = Checks(
    "deep-networks",
    {
        "budget": Function(
            "a function of the limit that returns (K, D)",
            reference=_best_depth,
            cases=[(33,), (20,), (46,), (45,), (120,)],
            mistakes={
                "That is the widest network. Which depth gives the most regions?": _widest,
                "Return the depth K first, then the width D.": _turned,
            },
        ),
        "two-units": Value(
            "the largest number of regions that you found",
            7,
            mistakes=[
                (9, "The bound needs three pieces of layer 1 that go up, down and up."),
                *[(count, "Search longer.") for count in (6, 5, 4)],
            ],
            rtol=0.0,
        ),
        "sixteen": Rule(
            "the tuple (theta, phi, theta2, phi2)",
            _sixteen,
            right=_folds,
        ),
    },
)
