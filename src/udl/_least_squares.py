"""The solver behind ``linear.least_squares``: fast where it can be, never silently wrong.

First the normal equation is solved and what it got wrong is corrected, with residuals computed
from X itself. Where X is too ill-conditioned for that, X is reduced by reflections instead. Both
ways judge columns scaled to length one, so that units do not matter.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._check import finite, matrix, vector

EPS = float(np.finfo(np.float64).eps)

# A condition number that costs half of the digits.
HALF = EPS**-0.5

# Corrections shrink by about EPS * condition^2. Beyond this condition number that is too little.
REACH = 1e7

# Rows that are read together: 4096 rows of 20 columns stay in a processor's cache.
BLOCK = 4096


class IllConditionedWarning(UserWarning):
    """The columns are nearly dependent, so that parameters have lost digits."""


class RankDeficientWarning(IllConditionedWarning):
    """The columns are dependent, so that more than one solution is best."""


class Fit(NamedTuple):
    """A least-squares solution, the rank of its design matrix, and the condition number.

    The condition number is that of the design matrix with its columns scaled to length one.
    """

    phi: Float[np.ndarray, " P"]
    rank: int
    condition: float


def least_squares(X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"]) -> Fit:
    r"""Find the parameters with the least sum of squares, fast and without losing digits.

    .. math:: \hat\phi = \underset{\phi}{\operatorname{argmin}} \; \lVert X \phi - y \rVert^2

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix, of any rank.
    y : array of shape (I,)
        Targets.

    Returns
    -------
    Fit
        ``phi`` of shape (P,), ``rank``, and ``condition``: that of X with columns of length one,
        infinite where the rank is less than P.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is not finite, or the solution exceeds the float64 range.

    Warns
    -----
    RankDeficientWarning
        If columns are dependent, so that there are many solutions. The shortest one is returned;
        where units are too far apart to find it in float64, the shortest one for scaled columns.
    IllConditionedWarning
        If the condition number exceeds 6.7e7: half of the digits may be wrong.

    References
    ----------
    Björck, Numerical Methods for Least Squares Problems: iterative refinement, rank deficiency.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> least_squares(X, np.array([1.0, 3.0, 5.0])).phi
    array([1., 2.])
    """
    X, y = checked(X, y)
    fit = _refined(X, y) or _orthogonal(X, y)
    if not np.isfinite(fit.phi).all():
        raise ValueError(
            "expected a solution within the range of float64, got overflow: rescale X"
        )
    if fit.rank < X.shape[1]:
        warnings.warn(
            f"X has rank {fit.rank}, fewer than its {X.shape[1]} columns (condition number above "
            f"{1 / _tolerance(X):.1e}): many solutions are best, the shortest is returned",
            RankDeficientWarning,
            stacklevel=2,
        )
    elif fit.condition > HALF:
        warnings.warn(
            f"X has rank {fit.rank} but condition number {fit.condition:.1e}, its columns scaled: "
            f"about {digits_left(fit.condition)} of 16 digits of phi are reliable",
            IllConditionedWarning,
            stacklevel=2,
        )
    return fit


def checked(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"]
) -> tuple[Float[np.ndarray, "I P"], Float[np.ndarray, " I"]]:
    """Return design matrix and targets as float64 arrays of matching shapes."""
    X, y = matrix(X=X), vector(y=y)
    if len(X) != len(y):
        raise ValueError(
            f"expected a target for each row, got X.shape={X.shape}, y.shape={y.shape}"
        )
    return X, y


def scaled_eigh(
    gram: Float[np.ndarray, "P P"],
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, "P P"], Float[np.ndarray, " P"]]:
    """Return eigenvalues and eigenvectors of X^T X for columns of length one, and the lengths."""
    lengths = np.sqrt(np.diag(gram))
    lengths[lengths == 0] = 1.0
    eigenvalues, vectors = np.linalg.eigh(gram / lengths / lengths[:, None])
    return eigenvalues, vectors, lengths


def digits_left(condition: float) -> int:
    """Return how many decimal digits of a solution a condition number leaves."""
    return max(0, round(-math.log10(condition * EPS)))


def _refined(X: Float[np.ndarray, "I P"], y: Float[np.ndarray, " I"]) -> Fit | None:
    """Solve the normal equation and correct the solution; None where this can't be trusted."""
    with np.errstate(all="ignore"):
        gram = X.T @ X
        squares = np.append(np.diag(gram), y @ y)
    # NaN and infinity end up in a sum of squares too, so that they need no pass of their own.
    if not np.all((squares > 1e-200) & (squares < 1e200)):
        return None
    eigenvalues, vectors, lengths = scaled_eigh(gram)
    if eigenvalues[0] * REACH**2 < eigenvalues[-1]:
        return None

    def correction(z: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        moment = _moment(X, y, z / lengths) / lengths
        return np.asarray(vectors @ ((vectors.T @ moment) / eigenvalues))

    z = correction(np.zeros(X.shape[1]))
    size, step = np.linalg.norm(z), correction(z)
    if np.linalg.norm(step) > 0.1 * size:
        return None
    # What no longer shrinks is rounding error.
    while np.linalg.norm(step) < 0.1 * size:
        z += step
        size, step = np.linalg.norm(step), correction(z)
    condition = float(np.sqrt(eigenvalues[-1] / eigenvalues[0]))
    return Fit(z / lengths, len(z), condition)


def _moment(
    X: Float[np.ndarray, "I P"], y: Float[np.ndarray, " I"], phi: Float[np.ndarray, " P"]
) -> Float[np.ndarray, " P"]:
    """Return X^T (y - X phi), reading X from memory once: twice as fast as two products."""
    total = np.zeros(X.shape[1])
    for start in range(0, len(X), BLOCK):
        rows = X[start : start + BLOCK]
        total += (y[start : start + BLOCK] - rows @ phi) @ rows
    return total


def _orthogonal(X: Float[np.ndarray, "I P"], y: Float[np.ndarray, " I"]) -> Fit:
    """Solve by Householder reflections and a singular value decomposition, for any rank."""
    finite(X=X, y=y)
    P = X.shape[1]
    A = np.column_stack([X, y])
    # Powers of two scale without rounding, and keep every product in range.
    exponents = np.frexp(np.maximum(A.max(axis=0), -A.min(axis=0)))[1]
    R = np.asarray(np.linalg.qr(np.ldexp(A, -exponents), mode="r"))
    R, moment = R[:P, :P], R[:P, P]
    lengths = np.linalg.norm(R, axis=0)
    lengths[lengths == 0] = 1.0
    U, sigma, Vt = np.linalg.svd(R / lengths)
    rank = int(np.sum(sigma > _tolerance(X) * sigma[0]))
    z = Vt[:rank].T @ ((U[:, :rank].T @ moment) / sigma[:rank])
    condition = float(sigma[0] / sigma[-1]) if rank == P else math.inf
    if rank < P:
        apart = np.maximum(exponents[:P] - exponents[:P].max(), -400)
        z = _shortest(z, Vt[rank:].T, np.ldexp(lengths, apart))
    with np.errstate(over="ignore"):
        phi = np.ldexp(z / lengths, exponents[P] - exponents[:P])
    return Fit(phi, rank, condition)


def _shortest(
    z: Float[np.ndarray, " P"], N: Float[np.ndarray, "P D"], lengths: Float[np.ndarray, " P"]
) -> Float[np.ndarray, " P"]:
    """Make z / lengths as short as a step in the null space N, which predictions ignore, can."""
    short = z - N @ np.linalg.lstsq(N / lengths[:, None], z / lengths)[0]
    # For scaled columns that is not much longer, unless rounding has grown beside a tiny length;
    # predictions would lose as many digits.
    return short if np.linalg.norm(short) <= 1e3 * np.linalg.norm(z) else z


def _tolerance(X: Float[np.ndarray, "I P"]) -> float:
    """Return the singular value, relative to the largest, that counts as zero (as in NumPy)."""
    return float(max(X.shape) * EPS)
