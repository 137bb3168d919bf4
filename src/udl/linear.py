"""Linear regression: model, loss, curvature, closed forms, and how good predictions are.

A design matrix X has one row an example and one column a parameter. The model is ``f = X phi``,
and the loss is the sum of squared differences between predictions f and targets y.

Every function raises ValueError where shapes do not fit or an array is empty. Model, loss,
gradient and Hessian pass NaN on, so that one can watch a descent diverge; all others refuse it.
"""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._check import finite, matrix, same_shape, vector
from udl._least_squares import (
    EPS,
    HALF,
    Fit,
    IllConditionedWarning,
    RankDeficientWarning,
    checked,
    digits_left,
    least_squares,
    scaled_eigh,
)

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


class Line(NamedTuple):
    """A line, intercept + slope * x."""

    intercept: float
    slope: float


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
    array of shape (I, degree + 1) or (I, D + 1)

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
        if degree != 1:
            raise ValueError(f"expected degree=1 for several predictors, got degree={degree}")
        return np.column_stack([np.ones(len(x)), matrix(x=x)])
    if degree < 0:
        raise ValueError(f"expected a degree of at least 0, got degree={degree}")
    with np.errstate(over="ignore"):
        X = np.asarray(vector(x=x)[:, None] ** np.arange(degree + 1))
    if not np.isfinite(X).all():
        raise ValueError(f"expected powers up to degree={degree} within range, got overflow")
    return X


def predict(X: Real[np.ndarray, "I P"], phi: Real[np.ndarray, " P"]) -> Float[np.ndarray, " I"]:
    r"""Compute the model's predictions, :math:`f = X \phi` (UDL chapter 2 for one predictor).

    Parameters
    ----------
    X, phi : arrays of shape (I, P) and (P,)
        Design matrix and parameters.

    Returns
    -------
    array of shape (I,)
        One prediction an example, in the unit of the targets.

    Raises
    ------
    ValueError
        If X does not have a column for each parameter.

    Examples
    --------
    >>> predict(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([10.0, 1.0]))
    array([12., 13.])
    """
    X, phi = matrix(X=X), vector(phi=phi)
    if X.shape[1] != len(phi):
        raise ValueError(
            f"expected a parameter for each column, got X.shape={X.shape}, phi.shape={phi.shape}"
        )
    return np.asarray(X @ phi)


def sum_of_squares(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"], phi: Real[np.ndarray, " P"]
) -> float:
    r"""Compute the least-squares loss, :math:`L[\phi] = \sum_i (f_i - y_i)^2` (UDL eq. 2.5).

    Parameters
    ----------
    X, y, phi : arrays of shape (I, P), (I,) and (P,)
        Design matrix, targets and parameters.

    Returns
    -------
    float
        The loss, in the squared unit of y.

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
    """Compute the loss per example: :func:`sum_of_squares` divided by I, with the same minimum.

    Parameters
    ----------
    X, y, phi : arrays of shape (I, P), (I,) and (P,)
        Design matrix, targets and parameters.

    Returns
    -------
    float
        The loss, in the squared unit of y.

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
    r"""Compute the gradient of the loss, :math:`2 X^T (X \phi - y)` (UDL chapter 6).

    Parameters
    ----------
    X, y, phi : arrays of shape (I, P), (I,) and (P,)
        Design matrix, targets and parameters.
    mean : bool
        Divide by I: the gradient of :func:`mean_squared_error`.

    Returns
    -------
    array of shape (P,)
        One slope a parameter.

    Examples
    --------
    >>> X, y = np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([12.0, 15.0])
    >>> gradient(X, y, np.array([10.0, 1.0]))
    array([ -4., -12.])
    """
    error = _error(X, y, phi)
    return np.asarray(2.0 * (np.transpose(X) @ error) / (len(error) if mean else 1))


def hessian(X: Real[np.ndarray, "I P"], *, mean: bool = False) -> Float[np.ndarray, "P P"]:
    r"""Compute the second derivatives of the loss, :math:`H = 2 X^T X`, the same at every phi.

    Parameters
    ----------
    X : array of shape (I, P)
        Design matrix.
    mean : bool
        Divide by I: the Hessian of :func:`mean_squared_error`.

    Returns
    -------
    array of shape (P, P)

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

    Examples
    --------
    >>> curvatures(np.array([[1.0, -1.0], [1.0, 1.0], [1.0, 0.0]]))
    array([4., 6.])
    """
    X = matrix(X=X)
    finite(X=X)
    rows, columns = X.shape
    # From the singular values of X, which R shares: X^T X would round the small ones away.
    R = np.linalg.qr(X, mode="r") if rows > columns else X
    sigma = np.linalg.svd(R, compute_uv=False)
    curvature = np.zeros(columns)
    curvature[: len(sigma)] = 2.0 * sigma**2 / (rows if mean else 1)
    return np.sort(curvature)


def largest_stable_rate(X: Real[np.ndarray, "I P"], *, mean: bool = False) -> float:
    r"""Compute the learning rate from which on gradient descent no longer converges.

    Along the axis of curvature :math:`\lambda` a step multiplies the distance to the minimum by
    :math:`1 - \alpha \lambda`, which shrinks it for :math:`\alpha < 2 / \lambda_{\max}(H)`.

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

        \hat\phi_1 = \frac{\sum_i (x_i - \bar x)(y_i - \bar y)}{\sum_i (x_i - \bar x)^2},
        \qquad \hat\phi_0 = \bar y - \hat\phi_1 \bar x

    Parameters
    ----------
    x, y : arrays of shape (I,)
        Predictor and targets.

    Returns
    -------
    Line
        ``intercept`` in the unit of y, ``slope`` in the unit of y over that of x.

    Raises
    ------
    ValueError
        If all x are equal, or an entry is not finite.

    Examples
    --------
    >>> fit_line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    Line(intercept=1.0, slope=2.0)
    """
    x, y = _pair(x=x, y=y)
    if np.all(x == x[0]):
        raise ValueError(f"expected two different values in x, got {len(x)} times {x[0]}")
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    return Line(float(y.mean() - slope * x.mean()), slope)


def normal_equation(
    X: Real[np.ndarray, "I P"], y: Real[np.ndarray, " I"]
) -> Float[np.ndarray, " P"]:
    r"""Solve :math:`X^T X \phi = X^T y`, the textbook's way to the least-squares solution.

    :math:`X^T X` has the square of the condition number of X, so that the equation loses twice as
    many digits as the problem itself. :func:`least_squares` does not.

    Parameters
    ----------
    X, y : arrays of shape (I, P) and (I,)
        Design matrix and targets.

    Returns
    -------
    array of shape (P,)
        The parameters with the least sum of squares.

    Raises
    ------
    ValueError
        If :math:`X^T X` is singular or out of range, or an entry is not finite.

    Warns
    -----
    IllConditionedWarning
        If the condition number of :math:`X^T X` costs more than half of the digits.

    Examples
    --------
    >>> X = design_matrix(np.array([0.0, 1.0, 2.0]))
    >>> normal_equation(X, np.array([1.0, 3.0, 5.0]))
    array([1., 2.])
    """
    X, y = checked(X, y)
    finite(X=X, y=y)
    with np.errstate(over="ignore", invalid="ignore"):
        gram, moment = X.T @ X, X.T @ y
    if not (np.isfinite(gram).all() and np.isfinite(moment).all()):
        raise ValueError("expected X.T @ X and X.T @ y within range, got overflow: rescale X or y")
    eigenvalues = scaled_eigh(gram)[0]
    # Rounding in X.T @ X alone moves its eigenvalues by about this much.
    rank = int(np.sum(eigenvalues > 10 * len(gram) * EPS * eigenvalues[-1]))
    if rank < len(gram):
        raise ValueError(
            f"expected an invertible X.T @ X, got rank {rank} of {len(gram)} in float64: "
            "least_squares solves such problems"
        )
    condition = float(eigenvalues[-1] / eigenvalues[0])
    if condition > HALF:
        warnings.warn(
            f"X.T @ X has condition number {condition:.1e}, its columns scaled: "
            f"about {digits_left(condition)} of 16 digits are left. least_squares keeps more",
            IllConditionedWarning,
            stacklevel=2,
        )
    return np.linalg.solve(gram, moment)


def mse(y: Real[np.ndarray, " I"], f: Real[np.ndarray, " I"]) -> float:
    r"""Compute the mean squared error, :math:`\frac{1}{I} \sum_i (f_i - y_i)^2`.

    Parameters
    ----------
    y, f : arrays of shape (I,)
        Targets and predictions.

    Returns
    -------
    float
        The error, in the squared unit of y.

    Examples
    --------
    >>> mse(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    12.5
    """
    y, f = _pair(y=y, f=f)
    return float(np.mean((f - y) ** 2))


def rmse(y: Real[np.ndarray, " I"], f: Real[np.ndarray, " I"]) -> float:
    """Compute the root of the mean squared error :func:`mse`.

    Parameters
    ----------
    y, f : arrays of shape (I,)
        Targets and predictions.

    Returns
    -------
    float
        The error, in the unit of y.

    Examples
    --------
    >>> rmse(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    3.5355339
    """
    return float(np.sqrt(mse(y, f)))


def r_squared(y: Real[np.ndarray, " I"], f: Real[np.ndarray, " I"]) -> float:
    r"""Compute the share of the targets' variance that the predictions explain.

    .. math:: R^2 = 1 - \frac{\sum_i (y_i - f_i)^2}{\sum_i (y_i - \bar y)^2}

    Parameters
    ----------
    y, f : arrays of shape (I,)
        Targets and predictions.

    Returns
    -------
    float
        1 for perfect predictions, 0 for predicting the mean, negative for worse than that.

    Raises
    ------
    ValueError
        If all targets are equal, or an entry is not finite.

    Examples
    --------
    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    0.5
    """
    y, f = _pair(y=y, f=f)
    if np.all(y == y[0]):
        raise ValueError(f"expected two different values in y, got {len(y)} times {y[0]}")
    return float(1.0 - np.sum((y - f) ** 2) / np.sum((y - y.mean()) ** 2))


def correlation_matrix(X: Real[np.ndarray, "I D"]) -> Float[np.ndarray, "D D"]:
    r"""Compute the Pearson correlation of each pair of columns.

    .. math:: r_{jk} = z_j^T z_k, \qquad z_j = (x_j - \bar x_j) / \lVert x_j - \bar x_j \rVert

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
        If a column is constant: its correlation does not exist.

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
    Z = Z / np.abs(Z).max(axis=0)  # so that squares stay in range
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


def _pair(**vectors: Real[np.ndarray, " I"]) -> list[Float[np.ndarray, " I"]]:
    """Return vectors, by their names, after a check that they are finite and of one shape."""
    pair = [vector(**{name: value}) for name, value in vectors.items()]
    same_shape(**vectors)
    finite(**vectors)
    return pair
