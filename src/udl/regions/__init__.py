"""The exact regions of a ReLU network with one or two inputs, and bounds for any number.

An *activation region* is a connected part of the input space, as large as possible, on which the
same hidden units are active, that is, have a preactivation greater than zero. There the network
is affine: a slope and an intercept for each output. A *linear region* is a connected part, as
large as possible, on which all outputs are one affine function. It consists of one or more
activation regions. Parts without length or area count as none.
"""

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from jaxtyping import Shaped

from udl.regions import _exact
from udl.regions._bounds import lower_bound, upper_bound, zaslavsky
from udl.regions._line import Pieces, pieces
from udl.regions._plane import Cells, cells

__all__ = [
    "Cells",
    "Pieces",
    "cells",
    "count",
    "lower_bound",
    "pieces",
    "upper_bound",
    "zaslavsky",
]


def count(
    beta: Sequence[Shaped[np.ndarray, "_"]],
    Omega: Sequence[Shaped[np.ndarray, "_ _"]],
    *,
    box: Sequence[_exact.Number]
    | Sequence[Sequence[_exact.Number]]
    | Shaped[np.ndarray, "..."]
    | None = None,
    merge: bool = True,
) -> int:
    """Count the regions of a ReLU network with one or two inputs, exactly.

    Parameters
    ----------
    beta, Omega : sequences of arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output.
    box : (low, high), or ((x1 min, x1 max), (x2 min, x2 max))
        Where to look: an interval for one input, a rectangle for two. By default all numbers for
        one input, and numbers between -1 and 1 for two.
    merge : bool
        Whether to count linear regions; otherwise activation regions.

    Returns
    -------
    int
        The number of regions.

    Raises
    ------
    ValueError
        If the network has more than two inputs, or `pieces` or `cells` refuses it.

    References
    ----------
    UDL sections 3.4 and 4.3.

    Examples
    --------
    >>> beta, Omega = [np.zeros(2), np.zeros(1)], [np.array([[1], [-1]]), np.array([[1, -1]])]
    >>> count(beta, Omega), count(beta, Omega, merge=False)
    (1, 2)
    """
    where: Any = box
    D_i = np.shape(Omega[0])[-1] if len(Omega) else 1
    if D_i == 1:
        where = (-inf, inf) if where is None else where
        if np.shape(where) != (2,):
            raise ValueError(f"expected box (low, high) for one input, got box={box}")
        return len(pieces(beta, Omega, interval=where, merge=merge).pattern)
    if D_i != 2:
        raise ValueError(
            f"expected a network with one or two inputs, got Omega[0].shape={np.shape(Omega[0])}"
        )
    found = cells(beta, Omega) if where is None else cells(beta, Omega, where)
    return int(found.linear.max()) + 1 if merge else len(found.polygons)
