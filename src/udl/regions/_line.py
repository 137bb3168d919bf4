r"""One input: the regions of a ReLU network, from joints that each layer adds to.

Between two joints of the layers before, a preactivation is affine, and has one zero at most. So a
network is swept layer by layer, never point by point. This is done in float64 with a bound on
every error; where a decision is within its bound, all is done again in integers.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Shaped

from udl._network import layers
from udl.regions import _exact, _rounded
from udl.regions._exact import Number
from udl.regions._paths import Doubt


class Pieces(NamedTuple):
    """Regions of a network with one input, R in number, from left to right.

    The network computes ``intercept[r] + slope[r] * x`` between ``joints[r - 1]`` and
    ``joints[r]``. ``pattern[r]`` tells which of the H hidden units are active there, layer after
    layer; in a linear region, that of its leftmost part.
    """

    joints: Shaped[np.ndarray, " N"]
    slope: Shaped[np.ndarray, "R D_o"]
    intercept: Shaped[np.ndarray, "R D_o"]
    pattern: Bool[np.ndarray, "R H"]


def pieces(
    beta: Sequence[Shaped[np.ndarray, "_"]],
    Omega: Sequence[Shaped[np.ndarray, "_ _"]],
    *,
    interval: Sequence[Number] | Shaped[np.ndarray, "2"] = (-inf, inf),
    merge: bool = True,
) -> Pieces:
    r"""Find the regions of a ReLU network with one input, exactly.

    .. math:: f_0 = \beta_0 + \Omega_0 x, \quad f_k = \beta_k + \Omega_k \max(0, f_{k-1})

    A unit is active where its preactivation is greater than zero. An *activation region* is an
    interval, as long as possible, on which the same units are active. On a *linear region*, an
    interval as long as possible too, all outputs are affine functions of the input. Each linear
    region consists of one or more activation regions: a unit may start to be active without any
    effect on the outputs, and effects may cancel. Regions have a length; single points count as
    none.

    Parameters
    ----------
    beta, Omega : sequences of arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output: floats, or integers and fractions in
        arrays of objects.
    interval : (low, high)
        Where to look; its ends may be infinite.
    merge : bool
        Whether to find linear regions; otherwise activation regions.

    Returns
    -------
    Pieces
        R regions. Where there are arrays of objects among the weights, all numbers are fractions,
        else float64. Number and order of regions and their patterns are right for the weights as
        given. Joints, slopes and intercepts in float64 are rounded; in wide networks, a slope may
        have nine digits only. What exceeds the range of float64 is infinite.

    Raises
    ------
    ValueError
        If the network does not have one input, its layers do not fit one another, a number is not
        finite, or the interval is empty.

    Notes
    -----
    Decisions that float64 can't make, such as whether two joints coincide, are left to integers.
    These take a hundred times as long or more: seconds, for hundreds of units in several layers.
    Networks with more than about seven layers need them often.

    References
    ----------
    UDL sections 3.1.2 and 4.2, figures 3.3 and 4.1.

    Examples
    --------
    The identity, as the sum of two units: two activation regions, one linear region.

    >>> beta, Omega = [np.zeros(2), np.zeros(1)], [np.array([[1], [-1]]), np.array([[1, -1]])]
    >>> pieces(beta, Omega, merge=False).joints
    array([0.])
    >>> pieces(beta, Omega).slope
    array([[1.]])
    """
    beta, Omega = [_exact.given(b) for b in beta], [_exact.given(W) for W in Omega]
    objects = any(array.dtype == object for array in (*beta, *Omega))
    checked = layers([_exact.floats(b) for b in beta], [_exact.floats(W) for W in Omega])
    if checked.widths[0] != 1:
        raise ValueError(
            f"expected a network with one input, got Omega[0].shape={checked.Omega[0].shape}"
        )
    low, high = _limits(interval)
    if not objects:
        beta, Omega = checked
        try:
            ends = float(low), float(high)
            if ends == (low, high) and _rounded.usual(checked, ends):
                with np.errstate(all="ignore"):
                    return Pieces(*_rounded.sweep(checked, ends, merge=merge))
        except (Doubt, OverflowError):
            pass
    found = _exact.sweep(beta, Omega, (low, high))
    if merge:
        found = _merged(found)
    if objects:
        return Pieces(*found)
    joints, slope, intercept = (_nearest(part) for part in found[:3])
    return Pieces(joints, slope, intercept, found.pattern)


def _limits(interval: Any) -> tuple[Any, Any]:
    """Return the ends of an interval, after a check."""
    if np.shape(interval) != (2,):
        raise ValueError(f"expected interval (low, high), got interval={interval}")
    low, high = interval
    if low != low or high != high or not low < high:
        raise ValueError(f"expected interval (low, high) with low < high, got interval={interval}")
    return low, high


def _merged(found: _exact.Sweep) -> _exact.Sweep:
    """Make neighbors with the same function one region."""
    differs = (found.slope[1:] != found.slope[:-1]).any(axis=1)
    first = np.append(True, differs)
    return _exact.Sweep(
        found.joints[differs], found.slope[first], found.intercept[first], found.pattern[first]
    )


def _nearest(exact: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Round fractions to float64; what is beyond its range becomes infinite."""

    def nearest(value: Fraction) -> float:
        try:
            return float(value)
        except OverflowError:
            return inf if value > 0 else -inf

    rounded = np.empty(exact.shape)
    rounded[...] = np.frompyfunc(nearest, 1, 1)(exact)
    return rounded
