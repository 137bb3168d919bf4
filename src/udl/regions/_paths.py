"""How preactivations, slopes and changes of slope travel through a network, with error bounds."""

import numpy as np
from jaxtyping import Bool, Float, Int

from udl._network import Layers

# A rounded operation is wrong by at most this share of its result.
EPS = float(np.finfo(np.float64).eps) / 2

# Below this size, squares and products may have lost digits that no bound would notice.
TINY = 1e-150


class Doubt(ArithmeticError):
    """A decision that float64 can't make."""


def product(
    h: Float[np.ndarray, "N D"],
    row_error: Float[np.ndarray, " N"],
    W: Float[np.ndarray, "D_out D"],
) -> tuple[Float[np.ndarray, "N D_out"], Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Multiply rows by weights, and bound the errors of rows and of numbers."""
    squares = np.einsum("ij,ij->i", W, W)
    wrong = np.sqrt(np.einsum("ij,ij->i", h, h))
    wrong *= (W.shape[1] + 3) * EPS
    wrong += row_error
    whole, one = np.sqrt(squares.sum()), np.sqrt(squares.max())
    # The rows that `_insert` appends will find room behind; memory that is not touched is free.
    rows = np.empty((len(h) + 2 * len(W), len(W)))[: len(h)]
    return np.matmul(h, W.T, out=rows), wrong * whole + TINY, wrong * one + TINY


def functions(
    network: Layers, active: Bool[np.ndarray, "R H"]
) -> tuple[Float[np.ndarray, "R D_o"], Float[np.ndarray, "R D_o"]]:
    """Return slope and intercept on activation regions, from layer to layer."""
    slope, intercept, start = np.ones((len(active), 1)), np.zeros((len(active), 1)), 0
    for k, (b, W) in enumerate(zip(*network, strict=True)):
        if k:
            on = active[:, start : start + W.shape[1]]
            slope, intercept, start = slope * on, intercept * on, start + W.shape[1]
        slope, intercept = slope @ W.T + 0.0, intercept @ W.T + b  # no zero gets a sign
    return slope, intercept


def bends(
    network: Layers, before: Bool[np.ndarray, "R H"], after: Bool[np.ndarray, "R H"]
) -> Bool[np.ndarray, " R"]:
    """Say where the slope of the output changes between two activation regions.

    One unit starts or ceases to be active there. The change of its slope travels through the
    units that are active on both sides. Where all ways end at inactive units or at weights of
    zero, nothing arrives, exactly.
    """
    changes = before != after
    number = np.count_nonzero(changes, axis=1)
    if np.any(number > 1):
        raise Doubt
    if not np.any(number):
        return np.zeros(len(changes), dtype=bool)
    unit = np.where(number == 1, changes.argmax(axis=1), changes.shape[1])
    rows = np.argsort(unit)
    unit, active = unit[rows], after[rows]
    found = np.zeros(len(rows), dtype=bool)
    change, error = _arriving(network.Omega, unit, active)
    found[rows[: len(change)]] = sure = (np.abs(change) > 2 * error[:, None]).any(axis=1)
    if not np.all(sure):
        rest = np.flatnonzero(~sure)
        ways = [(W != 0).astype(np.float64) for W in network.Omega]
        if np.any(_arriving(ways, unit[rest], active[rest])[0]):
            raise Doubt
    return found


def _arriving(
    Omega: tuple[Float[np.ndarray, "_ _"], ...] | list[Float[np.ndarray, "_ _"]],
    unit: Int[np.ndarray, " R"],
    active: Bool[np.ndarray, "R H"],
) -> tuple[Float[np.ndarray, "S D_o"], Float[np.ndarray, " S"]]:
    """Return what a change of one in the slope of each unit changes at the output, with errors.

    Units come in order. Rows of units beyond the last are left out.
    """
    change, row_error, error, start = np.zeros((0, 1)), np.zeros(0), np.zeros(0), 0
    for k, W in enumerate(Omega):
        if k:
            D = W.shape[1]
            old, new = len(change), int(np.searchsorted(unit, start + D))
            begun = np.zeros((new, D))
            begun[:old] = change * active[:old, start : start + D]
            begun[np.arange(old, new), unit[old:new] - start] = 1.0
            row_error = np.append(row_error, np.zeros(new - old))
            change, row_error, error = product(begun, row_error, W)
            start += D
    return change, error
