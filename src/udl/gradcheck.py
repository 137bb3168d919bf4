"""Compare a gradient that somebody derived with one that finite differences measure."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

__all__ = ["GradCheck", "assert_gradient", "gradcheck", "numerical_gradient"]


class GradCheck(NamedTuple):
    """What a gradient check found: the verdict, the largest error, and both gradients."""

    ok: bool
    error: float
    numeric: Float[np.ndarray, "*shape"]
    analytic: Float[np.ndarray, "*shape"]


def numerical_gradient(
    fun: Callable[[Float[np.ndarray, "*shape"]], float],
    phi: Real[np.ndarray, "*shape"],
    eps: float = 1e-6,
) -> Float[np.ndarray, "*shape"]:
    r"""Measure the gradient of `fun` at `phi` by central differences.

    .. math::

        \frac{\partial L}{\partial \phi_j} \approx
        \frac{L[\phi + h_j e_j] - L[\phi - h_j e_j]}{2 h_j},
        \qquad h_j = \epsilon \max(1, |\phi_j|)

    Parameters
    ----------
    fun : callable
        Takes an array like `phi` and returns a number, the loss.
    phi : array of any shape
        Where to measure.
    eps : float
        The step, relative to each parameter where that exceeds 1.

    Returns
    -------
    array of the same shape as `phi`
        The measured gradient.

    Raises
    ------
    ValueError
        If `eps` is not positive, or `fun` does not return one number.

    Notes
    -----
    The truncation error shrinks with eps squared, the rounding error grows with 1/eps.

    Examples
    --------
    >>> numerical_gradient(lambda phi: float(phi @ phi), np.array([1.0, -2.0]))
    array([ 2.00000, -4.00000])
    """
    if not eps > 0:
        raise ValueError(f"expected a positive step, got eps={eps}")
    point = np.array(phi, dtype=np.float64)
    slope = np.empty_like(point)
    for j in np.ndindex(point.shape):
        value = float(point[j])
        step = eps * max(1.0, abs(value))
        ahead, behind = value + step, value - step
        point[j] = ahead
        up = _number(fun(point.copy()))
        point[j] = behind
        down = _number(fun(point.copy()))
        point[j] = value
        # ahead - behind is the step that was taken after rounding; 2 * step is not.
        slope[j] = (up - down) / (ahead - behind)
    return slope


def gradcheck(
    fun: Callable[[Float[np.ndarray, "*shape"]], float],
    grad: Callable[[Float[np.ndarray, "*shape"]], Real[np.ndarray, "*shape"]],
    phi: Real[np.ndarray, "*shape"],
    *,
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> GradCheck:
    r"""Compare the gradient `grad` with the numerical gradient of `fun` at `phi`.

    The check passes if for every parameter

    .. math:: |g_j - \hat g_j| \le \mathrm{atol} + \mathrm{rtol} \cdot \max_k |\hat g_k|

    Parameters
    ----------
    fun : callable
        Takes an array like `phi` and returns a number, the loss.
    grad : callable
        Takes an array like `phi` and returns the derived gradient, of the same shape.
    phi : array of any shape
        Where to compare.
    eps : float
        The step of the differences; see :func:`numerical_gradient`.
    rtol : float
        Tolerance relative to the largest entry of the measured gradient.
    atol : float
        Absolute tolerance, in units of the loss over the parameter.

    Returns
    -------
    GradCheck
        ``ok``, ``error`` (the largest absolute difference), ``numeric`` and ``analytic``.

    Raises
    ------
    ValueError
        If `grad` returns another shape than that of `phi`, or `fun` more than one number.

    Notes
    -----
    A NaN in either gradient fails the check.

    Examples
    --------
    >>> check = gradcheck(lambda phi: float(phi @ phi), lambda phi: 2 * phi, np.array([1.0, -2.0]))
    >>> check.ok
    True
    """
    numeric = numerical_gradient(fun, phi, eps)
    analytic = np.array(grad(np.array(phi, dtype=np.float64)), dtype=np.float64)
    if analytic.shape != numeric.shape:
        raise ValueError(
            "expected a gradient of the shape of phi, "
            f"got grad(phi).shape={analytic.shape}, phi.shape={numeric.shape}"
        )
    error = float(np.max(np.abs(analytic - numeric), initial=0.0))
    scale = float(np.max(np.abs(numeric), initial=0.0))
    return GradCheck(error <= atol + rtol * scale < np.inf, error, numeric, analytic)


def assert_gradient(
    fun: Callable[[Float[np.ndarray, "*shape"]], float],
    grad: Callable[[Float[np.ndarray, "*shape"]], Real[np.ndarray, "*shape"]],
    phi: Real[np.ndarray, "*shape"],
    *,
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> None:
    """Raise AssertionError where :func:`gradcheck` fails, with both numbers at the worst index.

    Parameters
    ----------
    fun : callable
        Takes an array like `phi` and returns a number, the loss.
    grad : callable
        Takes an array like `phi` and returns the derived gradient, of the same shape.
    phi : array of any shape
        Where to compare.
    eps : float
        The step of the differences.
    rtol : float
        Tolerance relative to the largest entry of the measured gradient.
    atol : float
        Absolute tolerance.

    Raises
    ------
    AssertionError
        If the two gradients differ by more than the tolerance.

    Examples
    --------
    >>> assert_gradient(lambda phi: float(phi @ phi), lambda phi: phi, np.array([1.0, -2.0]))
    Traceback (most recent call last):
        ...
    AssertionError: gradient differs most at [1]: analytic -2, numeric -4, error 2
    """
    check = gradcheck(fun, grad, phi, eps=eps, rtol=rtol, atol=atol)
    if not check.ok:
        # argmax takes the first NaN for the largest, which is where to look.
        gap = np.abs(check.analytic - check.numeric)
        worst = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
        raise AssertionError(
            f"gradient differs most at {list(worst)}: analytic {check.analytic[worst]:.9g}, "
            f"numeric {check.numeric[worst]:.9g}, error {gap[worst]:.3g}"
        )


def _number(loss: float) -> float:
    """Return the loss as a float, or raise ValueError if it is an array of several numbers."""
    if np.size(loss) != 1:
        raise ValueError(f"expected fun to return one number, got shape {np.shape(loss)}")
    return float(np.reshape(loss, ()))
