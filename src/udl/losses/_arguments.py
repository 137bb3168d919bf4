"""What all losses share: checks of their arguments, and the reduction over the examples."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Real, Shaped

from udl._check import finite, matrix, same_shape, vector

Numbers = Real[np.ndarray, "*shape"] | Bool[np.ndarray, "*shape"]
Labels = Real[np.ndarray, " I"] | Bool[np.ndarray, " I"]
Floats = Float[np.ndarray, "*shape"]
Matrix = Float[np.ndarray, "I D"]
Reduction = Literal["sum", "mean", "none"]

if TYPE_CHECKING:
    Loss = float | Any
else:
    Loss = float | Float[np.ndarray, " _"]

# Far results become infinity without a warning, as the losses promise.
quiet = np.errstate(over="ignore", under="ignore", divide="ignore")

LARGEST_COUNT = 2**53 - 1  # beyond, float64 cannot tell a whole number from its neighbor
SUM_TOLERANCE = 1e-6  # rows computed in float32 sum to one this well, up to some 10,000 classes


def same(**arrays: Shaped[np.ndarray, "..."]) -> list[Float[np.ndarray, "..."]]:
    """Return arrays of examples in rows as float64: finite, not empty, and of one shape."""
    finite(**arrays)
    same_shape(**arrays)
    for name, array in arrays.items():
        if np.ndim(array) not in (1, 2) or np.size(array) == 0:
            raise ValueError(
                f"expected {name} of shape (I,) or (I, D_o), not empty, "
                f"got {name}.shape={np.shape(array)}"
            )
    return [np.asarray(array, dtype=np.float64) for array in arrays.values()]


def rows(
    y: Shaped[np.ndarray, "..."], **outputs: Shaped[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, " I"], Matrix]:
    """Return targets (I,) and the one named matrix (I, D) as float64, both finite."""
    (name,) = outputs
    y, f = vector(y=y), matrix(**outputs)
    finite(y=y, **outputs)
    if len(y) != len(f):
        raise ValueError(
            f"expected a row of {name} for each entry of y, "
            f"got y.shape={y.shape}, {name}.shape={f.shape}"
        )
    return y, f


def demand(
    ok: Bool[np.ndarray, "..."] | np.bool_, expected: str, **arrays: Float[np.ndarray, "..."]
) -> None:
    """Raise ValueError with the first entry of the one named array that is not ok."""
    ((name, array),) = arrays.items()
    if not np.all(ok):
        first = tuple(int(i) for i in np.argwhere(~np.asarray(ok))[0])
        index = f"[{', '.join(map(str, first))}]" if first else ""
        raise ValueError(f"expected {expected} in {name}, got {name}{index}={array[first]}")


def whole(highest: int, y: Floats) -> None:
    """Refuse labels that are no whole numbers from 0 to `highest`."""
    ok = (y >= 0) & (y <= highest) & (y == np.floor(y))
    demand(ok, f"whole numbers from 0 to {highest}", y=y)


def probabilities(**arrays: Numbers) -> Floats:
    """Return the one named array as float64 if its last axis holds probabilities."""
    ((name, value),) = arrays.items()
    finite(**arrays)
    p = np.asarray(value, dtype=np.float64)
    if p.ndim == 0 or p.size == 0:
        raise ValueError(f"expected at least one number on an axis, got {name}.shape={p.shape}")
    demand((p >= 0) & (p <= 1 + SUM_TOLERANCE), "numbers from 0 to 1", **{name: p})
    sums = np.asarray(p.sum(axis=-1))
    demand(abs(sums - 1) <= SUM_TOLERANCE, "sums of one", **{f"{name}.sum(axis=-1)": sums})
    return np.minimum(p, 1.0)


def reduced(losses: Floats, reduction: Reduction) -> Loss:
    """Return the sum or the mean over the examples, or each example's loss."""
    known(reduction)
    if reduction == "mean":
        losses = losses / len(losses)  # first: a mean within range shall not overflow on the way
    each = losses.reshape(len(losses), -1).sum(axis=1)
    return np.asarray(each) if reduction == "none" else total(each)


def gradient(
    slopes: Floats, reduction: Reduction, *, shared: bool = False
) -> Float[np.ndarray, "..."]:
    """Return the gradient of the reduced loss; that of a `shared` number adds all slopes up."""
    known(reduction)
    slopes = (slopes / len(slopes) if reduction == "mean" else slopes) + 0.0  # -0 becomes 0
    return np.asarray(total(slopes) if shared else slopes)


def total(terms: Floats) -> float:
    """Return the sum; infinities in `terms` all have one sign."""
    # Without the scale, large terms of one sign could overflow before those of the other come,
    # and inf - inf is NaN. A power of two leaves all digits as they are.
    scale = 2.0 ** terms.size.bit_length()
    return float(np.sum(terms / scale) * scale)


def known(reduction: str) -> None:
    """Refuse a reduction that does not exist."""
    if not isinstance(reduction, str) or reduction not in ("sum", "mean", "none"):
        raise ValueError(f"expected 'sum', 'mean' or 'none', got reduction={reduction!r}")
