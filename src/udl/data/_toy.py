"""Small sets: twelve points of a textbook, and sets generated from a stated rule."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from udl.data._provenance import Provenance, record


class Points(NamedTuple):
    """Inputs, targets, and where they come from.

    Parameters
    ----------
    x : ndarray, shape (I,) or (I, D)
        Inputs; the function that made them says in which units.
    y : ndarray, shape (I,)
        Targets.
    provenance : Provenance
        Source, license, and the rule and seed of a generated set.
    """

    x: Float[np.ndarray, "I ..."]
    y: Float[np.ndarray, " I"]
    provenance: Provenance


def twelve_points() -> Points:
    """Return the 12 points of UDL notebook 2.1.

    Returns
    -------
    Points
        ``x`` and ``y`` of shape (12,), without units.

    References
    ----------
    UDL notebook 2.1.

    Examples
    --------
    >>> twelve_points().y[:3]
    array([0.67, 0.85, 1.05])
    """
    x = [0.03, 0.19, 0.34, 0.46, 0.78, 0.81, 1.08, 1.18, 1.39, 1.60, 1.65, 1.90]
    y = [0.67, 0.85, 1.05, 1.0, 1.40, 1.5, 1.3, 1.54, 1.55, 1.68, 1.73, 1.6]
    provenance = Provenance(
        name="twelve points",
        source="embedded",
        license="twelve numbers, quoted with their source (udlbook: CC BY-NC-ND 4.0)",
        url="https://github.com/udlbook/udlbook",
        citation="Simon J.D. Prince, Understanding Deep Learning, notebook 2.1 (udlbook)",
        note="No units.",
    )
    return Points(np.array(x), np.array(y), record(provenance))


def _start(I: int, seed: int) -> np.random.Generator:
    if I < 1:
        raise ValueError(f"expected I >= 1 examples, got I={I}")
    return np.random.default_rng(seed)


def _generated(name: str, x: np.ndarray, y: np.ndarray, rule: str, seed: int) -> Points:
    provenance = Provenance(
        name=name,
        source="generated",
        license="CC0-1.0",
        citation="Hands-on Deep Learning",
        note=f"{rule} I={len(x)}, seed={seed}.",
    )
    return Points(x, y, record(provenance))


def age_height(I: int = 60, seed: int = 0) -> Points:
    r"""Generate ages and heights of made-up children and teenagers.

    .. math:: y = 77 + 5.9\,x + \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 5^2)

    Parameters
    ----------
    I : int
        Number of examples.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Points
        ``x``: age in years, 2 to 16, ascending, shape (I,); ``y``: height in cm, shape (I,).
        Both are rounded to tenths.

    Raises
    ------
    ValueError
        If `I` is less than 1.

    Notes
    -----
    Growth is close to a line at these ages only: outside them the line does not hold.

    Examples
    --------
    >>> age_height(I=5).x.shape
    (5,)
    """
    rng = _start(I, seed)
    x = np.sort(rng.uniform(2.0, 16.0, I)).round(1)
    y = (77.0 + 5.9 * x + rng.normal(0.0, 5.0, I)).round(1)
    rule = "Height (cm) is 77 + 5.9 age (years), plus normal noise of 5 cm."
    return _generated("age and height", x, y, rule, seed)


def flat_prices(I: int = 80, seed: int = 0) -> Points:
    r"""Generate sizes and prices of made-up flats.

    .. math:: y = 8 + 1.15\,x + \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 7^2)

    Parameters
    ----------
    I : int
        Number of examples.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Points
        ``x``: size in square meters, 28 to 120, ascending, shape (I,); ``y``: price in millions
        of forints, shape (I,). Sizes are rounded to whole numbers, prices to tenths.

    Raises
    ------
    ValueError
        If `I` is less than 1.

    Examples
    --------
    >>> flat_prices(I=5).y.shape
    (5,)
    """
    rng = _start(I, seed)
    x = np.sort(rng.uniform(28.0, 120.0, I)).round(0)
    y = (8.0 + 1.15 * x + rng.normal(0.0, 7.0, I)).round(1)
    rule = "Price (M HUF) is 8 + 1.15 size (m^2), plus normal noise of 7 M HUF."
    return _generated("flat prices", x, y, rule, seed)


def cars(I: int = 60, seed: int = 0) -> Points:
    r"""Generate the number of cars in made-up towns, from two predictors.

    .. math::
        y = 1 + 0.36\,x_1 + 0.03\,x_2 + \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1.5^2)

    Parameters
    ----------
    I : int
        Number of examples.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Points
        ``x``, shape (I, 2): residents in thousands, 20 to 150, and distance to the capital in
        km, 5 to 250; ``y``: cars in thousands, shape (I,). Rounded to tenths, whole kilometers
        and hundredths.

    Raises
    ------
    ValueError
        If `I` is less than 1.

    Examples
    --------
    >>> cars(I=5).x.shape
    (5, 2)
    """
    rng = _start(I, seed)
    residents = rng.uniform(20.0, 150.0, I).round(1)
    distance = rng.uniform(5.0, 250.0, I).round(0)
    x = np.column_stack([residents, distance])
    y = (1.0 + x @ np.array([0.36, 0.03]) + rng.normal(0.0, 1.5, I)).round(2)
    rule = "Cars (thousands) are 1 + 0.36 residents (thousands) + 0.03 distance (km), plus noise."
    return _generated("cars", x, y, rule, seed)


def noisy_sine(I: int = 30, seed: int = 0) -> Points:
    r"""Generate one period of a sine with noise.

    .. math:: y = \sin(2 \pi x) + \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 0.2^2)

    Parameters
    ----------
    I : int
        Number of examples.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Points
        ``x`` in [0, 1], ascending, shape (I,); ``y``, shape (I,); no units.

    Raises
    ------
    ValueError
        If `I` is less than 1.

    Examples
    --------
    >>> noisy_sine(I=5).x.shape
    (5,)
    """
    rng = _start(I, seed)
    x = np.sort(rng.uniform(0.0, 1.0, I))
    y = np.sin(2.0 * np.pi * x) + rng.normal(0.0, 0.2, I)
    return _generated("noisy sine", x, y, "sin(2 pi x) plus normal noise of 0.2.", seed)
