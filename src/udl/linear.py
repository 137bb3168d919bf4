"""Linear regression: model, loss, curvature, and the least-squares solution.

A design matrix X has one row an example and one column a parameter. The model is ``f = X phi``,
and the loss is the sum of squared differences between predictions f and targets y.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._check import finite, matrix, same_shape, vector

__all__ = [
    "Fit",
    "IllConditionedWarning",
    "Line",
    "RankDeficientWarning",
    "correlation_matrix",
    "curvatures",
    "design_matrix",
    "fit_line",
    "gradient",
    "hessian",
    "largest_stable_rate",
    "least_squares",
    "mean_squared_error",
    "mse",
    "normal_equation",
    "predict",
    "r_squared",
    "rmse",
    "sum_of_squares",
]

EPS = float(np.finfo(np.float64).eps)

# Rows that are read together: 4096 rows of 20 columns stay in a processor's cache.
BLOCK = 4096

# Beyond this condition number a pass of refinement gains too little; within it a few passes do.
REFINABLE = 1e7
PASSES = 10


class IllConditionedWarning(UserWarning):
    """The columns are nearly dependent, so that parameters have lost digits."""


class RankDeficientWarning(IllConditionedWarning):
    """The columns are dependent, so that more than one solution is best."""


class Line(NamedTuple):
    """A line, intercept + slope * x."""

    intercept: float
    slope: float


class Fit(NamedTuple):
    """A least-squares solution, the rank of its design matrix, and the condition number.

    The condition number is that of the design matrix with its columns scaled to length one.
    """

    phi: Float[np.ndarray, " P"]
    rank: int
    condition: float


def design_matrix(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D"], degree: int = 1
) -> Float[np.ndarray, "I P"]:
    r"""Build the design matrix: a column of ones, then the predictors or the powers of one.

    .. math:: x_i \mapsto (1, x_i, \dots, x_i^d) \qquad\text{or}\qquad (1, x_{i1}, \dots, x_{iD})

    Parameters
    ----------
    x : array of shape (I,) or (I, D)
        One predictor, or one column a predictor.
    degree : int
        Highest power of a single predictor, at least 0. With several predictors it must be 1.

    Returns
    -------
    array of shape (I, P)
        P is degree + 1 for one predictor and D + 1 for several.

    Raises
    ------
    ValueError
        If x is empty, has another number of axes, holds NaN or infinity, or `degree` does not fit.
    TypeError
        If x does not hold real numbers, or `degree` is no integer.

    Examples
    --------
    >>> design_matrix(np.array([2.0, 3.0]), degree=2)
    array([[1., 2., 4.],
           [1., 3., 9.]])
    """
    finite(x=x)
    if isinstance(degree, bool) or not isinstance(degree, int | np.integer):
        raise TypeError(f"expected an integer, got degree={degree!r}")
    if np.ndim(x) == 2:
        columns = matrix(x=x)
        if degree != 1:
            raise ValueError(f"expected degree=1 for several predictors, got degree={degree}")
        return np.column_stack([np.ones(len(columns)), columns])
    powers = vector(x=x)[:, None]
    if degree < 0:
        raise ValueError(f"expected a degree of at least 0, got degree={degree}")
    with np.errstate(over="ignore"):
        X = np.asarray(powers ** np.arange(degree + 1))
    if not np.isfinite(X).all():
        raise ValueError(f"expected powers up to degree={degree} within range, got overflow")
    return X


def predict(X: Real[np.ndarray, "I P"], phi: Real[np.ndarray, " P"]) -> Float[np.ndarray, " I"]:
    r"""Compute the model's predictions.

    .. math:: f = X \phi

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    phi : array of shape (P,)
        Parameters.

    Returns
    -------
    array of shape (I,)
        One prediction an example, in the unit of the targets.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    UDL eq. 2.4 for one predictor.

    Examples
    --------
    >>> predict(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([10.0, 1.0]))
    array([12., 13.])
    """
    X, phi = matrix(X=X), vector(phi=phi)
    if X.shape[1] != phi.shape[0]:
        raise ValueError(
            f"expected a parameter for each column, got X.shape={X.shape}, phi.shape={phi.shape}"
        )
    return np.asarray(X @ phi)


def sum_of_squares(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"], phi: Real[np.ndarray, " P"]
) -> float:
    r"""Compute the least-squares loss.

    .. math:: L[\phi] = \sum_i (f_i - y_i)^2

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    y : array of shape (I,)
        Targets.
    phi : array of shape (P,)
        Parameters.

    Returns
    -------
    float
        The loss, in the squared unit of y.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    UDL eq. 2.5.

    Examples
    --------
    >>> X, y = np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([12.0, 15.0])
    >>> sum_of_squares(X, y, np.array([10.0, 1.0]))
    4.0
    """
    error = _error(X, y, phi)
    return float(error @ error)


def mean_squared_error(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"], phi: Real[np.ndarray, " P"]
) -> float:
    r"""Compute the least-squares loss per example.

    .. math:: \frac{1}{I} \sum_i (f_i - y_i)^2

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    y : array of shape (I,)
        Targets.
    phi : array of shape (P,)
        Parameters.

    Returns
    -------
    float
        The loss, in the squared unit of y.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    The same minimum as :func:`sum_of_squares`; gradient and Hessian are divided by I.

    Examples
    --------
    >>> X, y = np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([12.0, 15.0])
    >>> mean_squared_error(X, y, np.array([10.0, 1.0]))
    2.0
    """
    return sum_of_squares(X, y, phi) / len(X)


def gradient(
    X: Real[np.ndarray, "I P"],
    y: Real[np.ndarray, " I"],
    phi: Real[np.ndarray, " P"],
    *,
    mean: bool = False,
) -> Float[np.ndarray, " P"]:
    r"""Compute the gradient of the least-squares loss.

    .. math:: \frac{\partial L}{\partial \phi} = 2 X^T (X \phi - y)

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    y : array of shape (I,)
        Targets.
    phi : array of shape (P,)
        Parameters.
    mean : bool
        Divide by I: the gradient of :func:`mean_squared_error`.

    Returns
    -------
    array of shape (P,)
        One slope a parameter.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    UDL eq. 6.7 for one predictor.

    Examples
    --------
    >>> X, y = np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([12.0, 15.0])
    >>> gradient(X, y, np.array([10.0, 1.0]))
    array([ -4., -12.])
    """
    error = _error(X, y, phi)
    return np.asarray(2.0 * (np.transpose(X) @ error) / (len(error) if mean else 1))


def hessian(X: Real[np.ndarray, "I P"], *, mean: bool = False) -> Float[np.ndarray, "P P"]:
    r"""Compute the second derivatives of the least-squares loss, the same at every phi.

    .. math:: H = 2 X^T X

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    mean : bool
        Divide by I: the Hessian of :func:`mean_squared_error`.

    Returns
    -------
    array of shape (P, P)
        A symmetric matrix.

    Raises
    ------
    ValueError
        If X does not have two axes, or is empty.

    Examples
    --------
    >>> hessian(np.array([[1.0, 2.0], [1.0, 3.0]]))
    array([[ 4., 10.],
           [10., 26.]])
    """
    X = matrix(X=X)
    return np.asarray(2.0 * (X.T @ X) / (len(X) if mean else 1))


def curvatures(X: Real[np.ndarray, "I P"], *, mean: bool = False) -> Float[np.ndarray, " P"]:
    """Compute the eigenvalues of the Hessian: the loss's curvature along its principal axes.

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    mean : bool
        Take the Hessian of :func:`mean_squared_error`.

    Returns
    -------
    array of shape (P,)
        Curvatures in ascending order, none negative.

    Raises
    ------
    ValueError
        If X does not have two axes, is empty, or holds NaN or infinity.

    Notes
    -----
    They are computed as twice the squared singular values of X. Forming the Hessian first would
    lose the small ones.

    Examples
    --------
    >>> curvatures(np.array([[1.0, -1.0], [1.0, 1.0], [1.0, 0.0]]))
    array([4., 6.])
    """
    X = matrix(X=X)
    finite(X=X)
    rows, columns = X.shape
    # R has the singular values of X, and is small.
    R = np.linalg.qr(X, mode="r") if rows > columns else X
    sigma = np.linalg.svd(R, compute_uv=False)
    curvature = np.zeros(columns)
    curvature[: len(sigma)] = 2.0 * sigma**2 / (rows if mean else 1)
    return np.sort(curvature)


def largest_stable_rate(X: Real[np.ndarray, "I P"], *, mean: bool = False) -> float:
    r"""Compute the learning rate from which on gradient descent no longer converges.

    .. math:: \alpha < \frac{2}{\lambda_{\max}(H)}

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    mean : bool
        For descent on :func:`mean_squared_error`.

    Returns
    -------
    float
        The bound; infinity where X is zero.

    Raises
    ------
    ValueError
        If X does not have two axes, is empty, or holds NaN or infinity.

    Notes
    -----
    Along the axis of curvature lambda a step multiplies the distance to the minimum by
    1 - alpha lambda. That shrinks while alpha lambda is between 0 and 2.

    Examples
    --------
    >>> largest_stable_rate(np.array([[1.0, -1.0], [1.0, 1.0]]))
    0.5
    """
    steepest = float(curvatures(X, mean=mean)[-1])
    return 2.0 / steepest if steepest > 0 else float("inf")


def fit_line(x: Real[np.ndarray, " I"], y: Real[np.ndarray, " I"]) -> Line:
    r"""Fit a line to one predictor in closed form.

    .. math::

        \hat\beta_1 = \frac{\sum_i (x_i - \bar x)(y_i - \bar y)}{\sum_i (x_i - \bar x)^2},
        \qquad \hat\beta_0 = \bar y - \hat\beta_1 \bar x

    Parameters
    ----------
    x : array of shape (I,)
        Predictor.
    y : array of shape (I,)
        Targets.

    Returns
    -------
    Line
        ``intercept`` in the unit of y, ``slope`` in the unit of y over that of x.

    Raises
    ------
    ValueError
        If shapes differ, an entry is not finite, or all x are equal.

    Examples
    --------
    >>> fit_line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    Line(intercept=1.0, slope=2.0)
    """
    x, y = vector(x=x), vector(y=y)
    same_shape(x=x, y=y)
    finite(x=x, y=y)
    if np.all(x == x[0]):
        raise ValueError(f"expected two different values in x, got {len(x)} times {x[0]}")
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    return Line(float(y.mean() - slope * x.mean()), slope)


def normal_equation(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"]
) -> Float[np.ndarray, " P"]:
    r"""Solve the normal equation, the textbook's way to the least-squares solution.

    .. math:: X^T X \phi = X^T y

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    y : array of shape (I,)
        Targets.

    Returns
    -------
    array of shape (P,)
        The parameters with the least sum of squares.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is not finite, or :math:`X^T X` is singular.

    Warns
    -----
    IllConditionedWarning
        If the condition number of :math:`X^T X` costs more than half of the digits.

    Notes
    -----
    :math:`X^T X` has the square of the condition number of X, so that the equation loses twice as
    many digits as the problem itself. :func:`least_squares` does not.

    Examples
    --------
    >>> X = design_matrix(np.array([0.0, 1.0, 2.0]))
    >>> normal_equation(X, np.array([1.0, 3.0, 5.0]))
    array([1., 2.])
    """
    X, y = _shapes(X, y)
    finite(X=X, y=y)
    with np.errstate(over="ignore", invalid="ignore"):
        gram, moment = X.T @ X, X.T @ y
    if not (np.isfinite(gram).all() and np.isfinite(moment).all()):
        raise ValueError("expected X.T @ X and X.T @ y within range, got overflow: rescale X or y")
    eigenvalues, _, _ = _scaled_eigh(gram)
    # Rounding in X.T @ X alone moves its eigenvalues by about this much.
    tolerance = 10 * len(gram) * EPS * eigenvalues[-1]
    rank = int(np.sum(eigenvalues > tolerance))
    if rank < len(gram):
        raise ValueError(
            f"expected an invertible X.T @ X, got rank {rank} of {len(gram)} in float64: "
            "least_squares solves such problems"
        )
    condition = float(eigenvalues[-1] / eigenvalues[0])
    if condition > EPS**-0.5:
        _warn(
            IllConditionedWarning,
            f"X.T @ X has condition number {condition:.1e}, its columns scaled: "
            f"about {_digits(condition)} of 16 digits are left. "
            "least_squares keeps more",
        )
    return np.linalg.solve(gram, moment)


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
        If columns are dependent, so that there are many solutions. The shortest one is returned.
    IllConditionedWarning
        If the condition number exceeds 6.7e7: half of the digits may be wrong.

    Notes
    -----
    The normal equation is solved first. What it got wrong is then corrected: the residual
    y - X phi is computed from X itself, and the same small system is solved for the correction,
    until corrections stop shrinking. Each pass gains about 16 - 2 log10(condition) digits.
    Beyond a condition number of 1e7 that is too little, and X is reduced by Householder
    reflections and a singular value decomposition instead.

    Units do not matter: columns are scaled to length one before rank and condition are judged.
    Where units are so far apart that the shortest solution can't be had in float64, dependent
    columns get the solution that is shortest in scaled units.

    References
    ----------
    Björck, Numerical Methods for Least Squares Problems, section 6.6: corrected seminormal
    equations.

    Examples
    --------
    >>> X = design_matrix(np.array([0.0, 1.0, 2.0]))
    >>> least_squares(X, np.array([1.0, 3.0, 5.0])).phi
    array([1., 2.])
    """
    X, y = _shapes(X, y)
    finite(y=y)
    # A power of two scales without rounding, and keeps products with y in range.
    exponent = int(np.frexp(np.max(np.abs(y)))[1])
    y = np.ldexp(y, -exponent)
    with np.errstate(over="ignore"):
        fit = _refined(X, y, exponent) or _orthogonal(X, y, exponent)
    phi, rank, condition = fit
    if not np.isfinite(phi).all():
        raise ValueError(
            "expected a solution within the range of float64, got overflow: rescale X"
        )
    columns = X.shape[1]
    if rank < columns:
        _warn(
            RankDeficientWarning,
            f"X has rank {rank}, fewer than its {columns} columns (condition number above "
            f"{1 / _tolerance(X):.1e}): many solutions are best, the shortest is returned",
        )
    elif condition > EPS**-0.5:
        _warn(
            IllConditionedWarning,
            f"X has rank {rank} but condition number {condition:.1e}, its columns scaled: "
            f"about {_digits(condition)} of 16 digits of phi are reliable",
        )
    return fit


def rmse(y: Real[np.ndarray, " I"], f: Real[np.ndarray, " I"]) -> float:
    r"""Compute the root of the mean squared error.

    .. math:: \sqrt{\frac{1}{I} \sum_i (f_i - y_i)^2}

    Parameters
    ----------
    y : array of shape (I,)
        Targets.
    f : array of shape (I,)
        Predictions.

    Returns
    -------
    float
        The error, in the unit of y.

    Raises
    ------
    ValueError
        If shapes differ or an entry is not finite.

    Examples
    --------
    >>> rmse(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    3.5355339
    """
    return float(np.sqrt(mse(y, f)))


def mse(y: Real[np.ndarray, " I"], f: Real[np.ndarray, " I"]) -> float:
    r"""Compute the mean squared error.

    .. math:: \frac{1}{I} \sum_i (f_i - y_i)^2

    Parameters
    ----------
    y : array of shape (I,)
        Targets.
    f : array of shape (I,)
        Predictions.

    Returns
    -------
    float
        The error, in the squared unit of y.

    Raises
    ------
    ValueError
        If shapes differ or an entry is not finite.

    Examples
    --------
    >>> mse(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    12.5
    """
    y, f = _pair(y, f)
    return float(np.mean((f - y) ** 2))


def r_squared(y: Real[np.ndarray, " I"], f: Real[np.ndarray, " I"]) -> float:
    r"""Compute the share of the targets' variance that the predictions explain.

    .. math:: R^2 = 1 - \frac{\sum_i (y_i - f_i)^2}{\sum_i (y_i - \bar y)^2}

    Parameters
    ----------
    y : array of shape (I,)
        Targets.
    f : array of shape (I,)
        Predictions.

    Returns
    -------
    float
        1 for perfect predictions, 0 for predicting the mean, negative for worse than that.

    Raises
    ------
    ValueError
        If shapes differ, an entry is not finite, or all targets are equal.

    Examples
    --------
    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    0.5
    """
    y, f = _pair(y, f)
    if np.all(y == y[0]):
        raise ValueError(f"expected two different values in y, got {len(y)} times {y[0]}")
    return float(1.0 - np.sum((y - f) ** 2) / np.sum((y - y.mean()) ** 2))


def correlation_matrix(X: Real[np.ndarray, "I D"]) -> Float[np.ndarray, "D D"]:
    r"""Compute the Pearson correlation of each pair of columns.

    .. math::

        r_{jk} = \frac{\sum_i (x_{ij} - \bar x_j)(x_{ik} - \bar x_k)}
        {\sqrt{\sum_i (x_{ij} - \bar x_j)^2} \sqrt{\sum_i (x_{ik} - \bar x_k)^2}}

    Parameters
    ----------
    X : array of shape (I, D)
        One column a variable.

    Returns
    -------
    array of shape (D, D)
        A symmetric matrix with ones on its diagonal and entries between -1 and 1.

    Raises
    ------
    ValueError
        If an entry is not finite, or a column is constant: its correlation does not exist.

    Examples
    --------
    >>> correlation_matrix(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]))
    array([[1., 0.],
           [0., 1.]])
    """
    X = matrix(X=X)
    finite(X=X)
    constant = np.flatnonzero(np.all(X == X[0], axis=0))
    if constant.size:
        raise ValueError(f"expected columns that vary, got X[:, {constant[0]}] constant")
    Z = X - X.mean(axis=0)
    Z = Z / np.abs(Z).max(axis=0)
    Z = Z / np.linalg.norm(Z, axis=0)
    R = np.clip(Z.T @ Z, -1.0, 1.0)
    np.fill_diagonal(R, 1.0)
    return np.asarray(R)


def _error(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"], phi: Real[np.ndarray, " P"]
) -> Float[np.ndarray, " I"]:
    """Return predictions minus targets, after a check that both have the same shape."""
    f, y = predict(X, phi), vector(y=y)
    same_shape(f=f, y=y)
    return np.asarray(f - y)


def _pair(
    y: Real[np.ndarray, " I"], f: Real[np.ndarray, " I"]
) -> tuple[Float[np.ndarray, " I"], Float[np.ndarray, " I"]]:
    """Return targets and predictions as checked vectors."""
    y, f = vector(y=y), vector(f=f)
    same_shape(y=y, f=f)
    finite(y=y, f=f)
    return y, f


def _shapes(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"]
) -> tuple[Float[np.ndarray, "I P"], Float[np.ndarray, " I"]]:
    """Return design matrix and targets as arrays of matching shapes."""
    X, y = matrix(X=X), vector(y=y)
    if len(X) != len(y):
        raise ValueError(
            f"expected a target for each row, got X.shape={X.shape}, y.shape={y.shape}"
        )
    return X, y


def _scaled_eigh(
    gram: Float[np.ndarray, "P P"],
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, "P P"], Float[np.ndarray, " P"]]:
    """Return eigenvalues and eigenvectors of the Gram matrix of scaled columns, and the scales."""
    lengths = np.sqrt(np.diag(gram))
    lengths[lengths == 0] = 1.0
    eigenvalues, vectors = np.linalg.eigh(gram / lengths / lengths[:, None])
    return eigenvalues, vectors, lengths


def _refined(X: Float[np.ndarray, "I P"], y: Float[np.ndarray, " I"], exponent: int) -> Fit | None:
    """Solve the normal equation and correct the solution; None where this can't be trusted."""
    with np.errstate(all="ignore"):
        gram = X.T @ X
    squares = np.diag(gram)
    # NaN and infinity in X end up on the diagonal, so that X needs no pass of its own.
    if not np.all((squares > 1e-200) & (squares < 1e200)):
        return None
    eigenvalues, vectors, lengths = _scaled_eigh(gram)
    if eigenvalues[0] * REFINABLE**2 < eigenvalues[-1]:
        return None

    def solve(moment: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        return np.asarray(vectors @ ((vectors.T @ (moment / lengths)) / eigenvalues))

    z = solve(_moment(X, y, np.zeros(X.shape[1])))
    before = np.linalg.norm(z)
    for passes in range(PASSES):
        step = solve(_moment(X, y, z / lengths))
        size = np.linalg.norm(step)
        if size > 0.1 * before:
            # What is left is rounding error, unless corrections never shrank.
            if passes == 0:
                return None
            break
        z += step
        # At this rate the next correction would be below rounding.
        if size * size <= EPS * before * np.linalg.norm(z):
            break
        before = size
    condition = float(np.sqrt(eigenvalues[-1] / eigenvalues[0]))
    return Fit(np.ldexp(z / lengths, exponent), len(z), condition)


def _moment(
    X: Float[np.ndarray, "I P"], y: Float[np.ndarray, " I"], phi: Float[np.ndarray, " P"]
) -> Float[np.ndarray, " P"]:
    """Return X^T (y - X phi), reading X from memory once."""
    total = np.zeros(X.shape[1])
    for start in range(0, len(X), BLOCK):
        rows = X[start : start + BLOCK]
        total += (y[start : start + BLOCK] - rows @ phi) @ rows
    return total


def _orthogonal(X: Float[np.ndarray, "I P"], y: Float[np.ndarray, " I"], exponent: int) -> Fit:
    """Solve by Householder reflections and a singular value decomposition, for any rank."""
    finite(X=X)
    columns = X.shape[1]
    exponents = np.frexp(np.maximum(X.max(axis=0), -X.min(axis=0)))[1]
    # The triangle R of (X, y) has all that matters of both, and so do the triangles of its blocks.
    triangles = []
    for start in range(0, len(X), BLOCK):
        rows = np.ldexp(X[start : start + BLOCK], -exponents)
        block = np.column_stack([rows, y[start : start + BLOCK]])
        triangles.append(np.linalg.qr(block, mode="r"))
    R = np.asarray(np.linalg.qr(np.vstack(triangles), mode="r"))
    R, moment = R[:columns, :columns], R[:columns, columns]
    lengths = np.linalg.norm(R, axis=0)
    lengths[lengths == 0] = 1.0
    U, sigma, Vt = np.linalg.svd(R / lengths, full_matrices=False)
    rank = int(np.sum(sigma > _tolerance(X) * sigma[0]))
    V = Vt[:rank].T
    z = V @ ((U[:, :rank].T @ moment) / sigma[:rank])
    if rank == columns:
        return Fit(np.ldexp(z / lengths, exponent - exponents), rank, float(sigma[0] / sigma[-1]))
    # Of all solutions z is the shortest in scaled units. Projected on the rows of X, which the
    # columns of D V span, it is the shortest in the units of X. What rounding loses is put back;
    # where D is so graded that too much is lost, z stays.
    with np.errstate(all="ignore"):
        D = np.ldexp(lengths, exponents - exponents.max())
        Q = np.linalg.qr(D[:, None] * V)[0]
        short = z
        for _ in range(3):
            short = D * (Q @ (Q.T @ (short / D)))
            loss = V.T @ (z - short)
            short = short + V @ loss
    if np.linalg.norm(loss) <= 1e-9 * np.linalg.norm(z):
        z = short
    return Fit(np.ldexp(z / lengths, exponent - exponents), rank, float("inf"))


def _tolerance(X: Float[np.ndarray, "I P"]) -> float:
    """Return the singular value, relative to the largest, that counts as zero (as in NumPy)."""
    return float(max(X.shape) * EPS)


def _digits(condition: float) -> int:
    """Return how many decimal digits of a solution a condition number leaves."""
    return max(0, round(-math.log10(condition * EPS)))


def _warn(category: type[Warning], message: str) -> None:
    """Warn at the line that called the public function."""
    warnings.warn(message, category, stacklevel=3)
