r"""One input, in integers: the pieces of a ReLU network without any rounding.

On piece r the preactivations of layer k are affine, and kept multiplied by a common factor:

.. math:: c_k f_k(x) = I_r + S_r x, \qquad c_k > 0

with integers in S and I: floats are fractions, and each layer's common denominator goes into c.
Only joints, ratios of two such integers, are fractions.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import inf, lcm
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

# What an end of an interval may be.
Number = float | int | Fraction | np.floating[Any] | np.integer[Any]

# A layer in integers: a positive factor, and biases and weights multiplied by it.
Scaled = tuple[int, Shaped[np.ndarray, "_"], Shaped[np.ndarray, "_ _"]]

# Numerator and denominator to fraction, elementwise.
fraction = np.frompyfunc(Fraction, 2, 1)


def as_fraction(number: Any) -> Fraction:
    """Return a number as a fraction of Python's integers, which NumPy's are not."""
    return Fraction(number.item() if isinstance(number, np.generic) else number)


_fractions = np.frompyfunc(as_fraction, 1, 1)


class Sweep(NamedTuple):
    """Activation regions from left to right: joints, function on each, and pattern."""

    joints: Shaped[np.ndarray, " N"]
    slope: Shaped[np.ndarray, "R D_o"]
    intercept: Shaped[np.ndarray, "R D_o"]
    pattern: Bool[np.ndarray, "R H"]


def sweep(
    beta: Sequence[Shaped[np.ndarray, "_"]],
    Omega: Sequence[Shaped[np.ndarray, "_ _"]],
    interval: tuple[Any, Any],
) -> Sweep:
    """Find the activation regions of a network with one input; all numbers are fractions."""
    ends = [None if abs(end) == inf else as_fraction(end) for end in interval]
    joints = np.empty(0, dtype=object)
    h_slope, h_intercept = np.ones((1, 1), dtype=object), np.zeros((1, 1), dtype=object)
    pattern = np.zeros((1, 0), dtype=bool)
    scale = 1
    for k, (b, W) in enumerate(zip(beta, Omega, strict=True)):
        factor, b, W = integers(b, W)
        S, I = h_slope @ W.T, h_intercept @ W.T + scale * b
        scale *= factor
        if k == len(beta) - 1:
            break
        left, right = _at_ends(S, I, joints, ends)
        piece, unit = np.nonzero(left * right < 0)
        found = fraction(-I[piece, unit], S[piece, unit])
        refined = np.unique(np.concatenate([joints, found]))
        # A new piece lies in the old one that has as many old joints to its left.
        parent = np.append(0, np.searchsorted(joints, refined, side="right"))
        joints, S, I = refined, S[parent], I[parent]
        left, right = _at_ends(S, I, joints, ends)
        active = (left > 0) | (right > 0)
        h_slope, h_intercept = S * active, I * active
        pattern = np.hstack([pattern[parent], active])
    return Sweep(joints, fraction(S, scale), fraction(I, scale), pattern)


def given(array: Any) -> Shaped[np.ndarray, "..."]:
    """Return an array that loses nothing: of objects, where integers are beyond float64."""
    kept = np.asarray(array)
    if kept.dtype.kind == "f" and kept.dtype.itemsize > 8:
        raise TypeError(f"expected float64 or less, or objects, got an array of {kept.dtype}")
    if kept.dtype.kind in "iu" and np.any((kept > 2**53) | (kept < -(2**53))):
        kept = kept.astype(object)
    return kept


def floats(array: Any) -> Shaped[np.ndarray, "..."]:
    """Turn objects into floats, and leave other arrays as they are."""
    return np.asarray(array, dtype=float if np.asarray(array).dtype == object else None)


def integers(b: Shaped[np.ndarray, "_"], W: Shaped[np.ndarray, "_ _"]) -> Scaled:
    """Multiply a layer by the common denominator of its numbers."""
    rows = np.column_stack([_fractions(b), _fractions(W)])
    factor = lcm(*(number.denominator for number in rows.flat))
    rows = np.frompyfunc(int, 1, 1)(rows * factor)
    return factor, rows[:, 0], rows[:, 1:]


def _at_ends(
    S: Shaped[np.ndarray, "R D"],
    I: Shaped[np.ndarray, "R D"],
    joints: Shaped[np.ndarray, " N"],
    ends: list[Fraction | None],
) -> tuple[Int[np.ndarray, "R D"], Int[np.ndarray, "R D"]]:
    """Return the signs of affine functions at the left and at the right end of their pieces."""
    signs = []
    for end, direction, inner in ((ends[0], -1, slice(1, None)), (ends[1], 1, slice(None, -1))):
        p, q = (0, 1) if end is None else (end.numerator, end.denominator)
        ratio = np.full((len(S), 2), (p, q), dtype=object)
        if len(joints):
            ratio[inner] = [(x.numerator, x.denominator) for x in joints]
        value = S * ratio[:, :1] + I * ratio[:, 1:]
        if end is None:  # far out the slope decides, and where there is none, the intercept
            last = 0 if direction < 0 else -1
            value[last] = np.where(S[last] != 0, direction * S[last], I[last])
        signs.append((value > 0).astype(np.int8) - (value < 0).astype(np.int8))
    return signs[0], signs[1]
