"""Sets with classes that are generated from a stated rule: two moons, two clouds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from udl.data._provenance import Provenance, record


class Classes(NamedTuple):
    """Inputs, their classes, and where they come from.

    Parameters
    ----------
    x : ndarray, shape (I, D)
        Inputs, without units.
    y : ndarray of int64, shape (I,)
        Classes, counted from 0.
    provenance : Provenance
        The rule, its numbers, and the seed.
    """

    x: Float64[np.ndarray, "I D"]
    y: Int64[np.ndarray, " I"]
    provenance: Provenance


def start(I: int, seed: int) -> np.random.Generator:
    """Return the random numbers of a seed; refuse to make less than one example."""
    if I < 1:
        raise ValueError(f"expected I >= 1 examples, got I={I}")
    return np.random.default_rng(seed)


def generated(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    rule: str,
    seed: int,
    *,
    citation: str = "Hands-on Deep Learning",
    license: str = "CC0-1.0",
    url: str = "",
) -> Classes:
    """Return a generated set with its provenance, which is recorded."""
    provenance = Provenance(
        name=name,
        source="generated",
        license=license,
        url=url,
        citation=citation,
        note=f"{rule} I={len(x)}, seed={seed}.",
    )
    return Classes(x, y.astype(np.int64), record(provenance))


def _start(I: int, seed: int, **spreads: float | int) -> tuple[np.random.Generator, np.ndarray]:
    """Return random numbers and classes 0 and 1 in random order, equal in number if I is even."""
    for name, value in spreads.items():
        if not 0.0 <= value < np.inf:
            raise ValueError(f"expected a finite {name} >= 0, got {name}={value}")
    rng = start(I, seed)
    return rng, rng.permutation(np.arange(I) % 2)


def moons(I: int = 300, noise: float | int = 0.3, seed: int = 0) -> Classes:
    r"""Generate two interleaved half circles of radius 1, with noise.

    .. math::
        x = \begin{cases} (\cos t, \sin t) & y = 0 \\ (1 - \cos t, \tfrac12 - \sin t) & y = 1
        \end{cases} \; + \varepsilon, \qquad t \sim \mathcal U(0, \pi), \quad
        \varepsilon \sim \mathcal N(0, \text{noise}^2)

    Parameters
    ----------
    I : int
        Number of examples; half of them, to within one, are of class 0.
    noise : float
        Standard deviation of the noise.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Classes
        ``x``, shape (I, 2), without units; ``y``, shape (I,): 0 or 1, in random order.

    Raises
    ------
    ValueError
        If `I` is less than 1, or `noise` is negative or not finite.

    Examples
    --------
    >>> moons(I=4).x.shape
    (4, 2)
    """
    rng, y = _start(I, seed, noise=noise)
    t = rng.uniform(0.0, np.pi, I)
    sign = 1.0 - 2.0 * y
    x = np.column_stack([y + sign * np.cos(t), 0.5 * y + sign * np.sin(t)])
    x += rng.normal(0.0, noise, (I, 2))
    return generated("moons", x, y, f"Two half circles, normal noise of {noise}.", seed)


def clouds(I: int = 300, spread: float | int = 0.8, seed: int = 0) -> Classes:
    r"""Generate two round clouds: a line separates them best.

    .. math::
        x = (2 y - 1)\,(1, \tfrac12) + \varepsilon, \qquad
        \varepsilon \sim \mathcal N(0, \text{spread}^2)

    Parameters
    ----------
    I : int
        Number of examples; half of them, to within one, are of class 0.
    spread : float
        Standard deviation of a cloud along each axis.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Classes
        ``x``, shape (I, 2), without units; ``y``, shape (I,): 0 or 1, in random order.

    Raises
    ------
    ValueError
        If `I` is less than 1, or `spread` is negative or not finite.

    Examples
    --------
    >>> clouds(I=4).provenance.name
    'clouds'
    """
    rng, y = _start(I, seed, spread=spread)
    x = np.outer(2.0 * y - 1.0, [1.0, 0.5]) + rng.normal(0.0, spread, (I, 2))
    return generated("clouds", x, y, f"Two normal clouds, spread {spread}.", seed)
