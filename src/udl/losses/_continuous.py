"""Losses for real numbers: Gaussian and Laplace, with a given or a predicted spread."""

import math

import numpy as np
from jaxtyping import Float, Real

from udl._check import finite
from udl.losses._arguments import (
    Floats,
    Labels,
    Loss,
    Numbers,
    Reduction,
    demand,
    gradient,
    quiet,
    reduced,
    rows,
    same,
)

Spread = float | int | np.floating | np.integer | Real[np.ndarray, "..."]
Spreads = Float[np.ndarray, "..."]
Pairs = Real[np.ndarray, "I 2"]

SMALLEST_SPREAD = 1e-308  # its inverse, a slope, is still within range


@quiet
def gaussian(
    y: Numbers, mu: Numbers, sigma2: Spread = 1.0, *, reduction: Reduction = "sum"
) -> Loss:
    r"""Compute the negative log-likelihood of a normal distribution (UDL section 5.3).

    .. math::

        L = \sum_i \left[ \frac{1}{2} \log(2 \pi \sigma_i^2)
        + \frac{(y_i - \mu_i)^2}{2 \sigma_i^2} \right]

    Parameters
    ----------
    y : array of shape (I,) or (I, D_o)
        Targets.
    mu : array like y
        Predicted means, in the unit of y.
    sigma2 : float, or array like y
        The variance of all targets, or of each; in the squared unit of y.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats; negative where the density exceeds 1.

    Raises
    ------
    ValueError
        If a variance is not positive; see also the module.

    Examples
    --------
    >>> gaussian(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    3.8378771
    """
    h, sigma2 = _half_error(y, mu, sigma2=sigma2)
    z = h / np.sqrt(sigma2)
    return reduced(0.5 * (math.log(2 * math.pi) + np.log(sigma2)) + 2 * z * z, reduction)


@quiet
def d_gaussian(
    y: Numbers, mu: Numbers, sigma2: Spread = 1.0, *, reduction: Reduction = "sum"
) -> Floats:
    r"""Return the gradient of :func:`gaussian` by mu, :math:`(\mu - y) / \sigma^2`.

    Parameters
    ----------
    y, mu : arrays of shape (I,) or (I, D_o)
        Targets and predicted means.
    sigma2 : float, or array like y
        Variance.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of mu
        In nats over the unit of y.

    Raises
    ------
    ValueError, TypeError
        As for :func:`gaussian`.

    Examples
    --------
    >>> d_gaussian(np.array([1.0, 2.0]), np.array([1.0, 4.0]), sigma2=0.5)
    array([0., 4.])
    """
    h, sigma2 = _half_error(y, mu, sigma2=sigma2)
    return gradient(2 * (h / sigma2), reduction)


@quiet
def d_gaussian_variance(
    y: Numbers, mu: Numbers, sigma2: Spread = 1.0, *, reduction: Reduction = "sum"
) -> Float[np.ndarray, "..."]:
    r"""Return the gradient of :func:`gaussian` by sigma2.

    .. math:: \frac{\partial L}{\partial \sigma^2} =
        \frac{1}{2 \sigma^2} - \frac{(y - \mu)^2}{2 \sigma^4}

    Parameters
    ----------
    y, mu : arrays of shape (I,) or (I, D_o)
        Targets and predicted means.
    sigma2 : float, or array like y
        Variance.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of sigma2
        The shape is () for one variance of all targets.

    Raises
    ------
    ValueError, TypeError
        As for :func:`gaussian`.

    Examples
    --------
    >>> d_gaussian_variance(np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.array([0.5, 2.0]))
    array([ 1.  , -0.25])
    """
    h, variance = _half_error(y, mu, sigma2=sigma2)
    sigma = np.sqrt(variance)
    z = 2 * (h / sigma)
    # The square of z may overflow where this product does not.
    slopes = 0.5 * ((1 - z) / sigma) * ((1 + z) / sigma)
    return gradient(slopes, reduction, shared=np.ndim(sigma2) == 0)


@quiet
def gaussian_logits(y: Labels, f: Pairs, *, reduction: Reduction = "sum") -> Loss:
    r"""Compute :func:`gaussian` where a network predicts mean and variance (UDL section 5.3).

    .. math:: \mu_i = f_{i1}, \qquad \sigma_i^2 = e^{f_{i2}}

    Parameters
    ----------
    y : array of shape (I,)
        Targets.
    f : array of shape (I, 2)
        Means, and logarithms of the variances.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats.

    Raises
    ------
    ValueError
        If f does not have two columns; see also the module.

    Notes
    -----
    UDL squares the second output to make it positive. The exponential never yields 0.

    Examples
    --------
    >>> gaussian_logits(np.array([1.0, 3.0]), np.array([[1.0, 0.0], [3.0, -1000.0]]))
    -498.1621229
    """
    h, s = _half_error_and_log(y, f)
    z = _over_exp(h, s / 2)
    return reduced(0.5 * (math.log(2 * math.pi) + s) + 2 * z * z, reduction)


@quiet
def d_gaussian_logits(
    y: Labels, f: Pairs, *, reduction: Reduction = "sum"
) -> Float[np.ndarray, "I 2"]:
    r"""Return the gradient of :func:`gaussian_logits` by both outputs.

    .. math::

        \frac{\partial L}{\partial f_1} = (f_1 - y) e^{-f_2}, \qquad
        \frac{\partial L}{\partial f_2} = \frac{1}{2} - \frac{1}{2} (f_1 - y)^2 e^{-f_2}

    Parameters
    ----------
    y, f : arrays of shape (I,) and (I, 2)
        Targets; means, and logarithms of the variances.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of shape (I, 2)
        A slope for each output.

    Raises
    ------
    ValueError, TypeError
        As for :func:`gaussian_logits`.

    Examples
    --------
    >>> d_gaussian_logits(np.array([1.0]), np.array([[3.0, 0.0]]))
    array([[ 2. , -1.5]])
    """
    h, s = _half_error_and_log(y, f)
    z = _over_exp(h, s / 2)
    return gradient(np.column_stack([2 * _over_exp(h, s), 0.5 - 2 * z * z]), reduction)


@quiet
def laplace(y: Numbers, mu: Numbers, b: Spread = 1.0, *, reduction: Reduction = "sum") -> Loss:
    r"""Compute the negative log-likelihood of a Laplace distribution (UDL figure 5.11).

    .. math:: L = \sum_i \left[ \log(2 b_i) + \frac{|y_i - \mu_i|}{b_i} \right]

    Parameters
    ----------
    y : array of shape (I,) or (I, D_o)
        Targets.
    mu : array like y
        Predicted medians, in the unit of y.
    b : float, or array like y
        The scale of all targets, or of each: the mean of the absolute errors.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats; negative where the density exceeds 1.

    Raises
    ------
    ValueError
        If a scale is not positive; see also the module.

    Examples
    --------
    >>> laplace(np.array([1.0, 2.0]), np.array([1.0, 4.0]), b=0.5)
    4.0
    """
    h, b = _half_error(y, mu, b=b)
    return reduced(math.log(2) + np.log(b) + 2 * abs(h / b), reduction)


@quiet
def d_laplace(y: Numbers, mu: Numbers, b: Spread = 1.0, *, reduction: Reduction = "sum") -> Floats:
    r"""Return the gradient of :func:`laplace` by mu, :math:`\mathrm{sign}(\mu - y) / b`.

    Parameters
    ----------
    y, mu : arrays of shape (I,) or (I, D_o)
        Targets and predicted medians.
    b : float, or array like y
        Scale.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of mu
        0 at the corner mu = y, as in PyTorch.

    Raises
    ------
    ValueError, TypeError
        As for :func:`laplace`.

    Examples
    --------
    >>> d_laplace(np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0, 4.0]), b=0.5)
    array([ 0.,  2., -2.])
    """
    h, b = _half_error(y, mu, b=b)
    return gradient(np.sign(h) / b, reduction)


@quiet
def d_laplace_scale(
    y: Numbers, mu: Numbers, b: Spread = 1.0, *, reduction: Reduction = "sum"
) -> Float[np.ndarray, "..."]:
    r"""Return the gradient of :func:`laplace` by b, :math:`1 / b - |y - \mu| / b^2`.

    Parameters
    ----------
    y, mu : arrays of shape (I,) or (I, D_o)
        Targets and predicted medians.
    b : float, or array like y
        Scale.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of b
        The shape is () for one scale of all targets.

    Raises
    ------
    ValueError, TypeError
        As for :func:`laplace`.

    Examples
    --------
    >>> d_laplace_scale(np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.array([0.5, 1.0]))
    array([ 2., -1.])
    """
    h, scale = _half_error(y, mu, b=b)
    return gradient(2 * ((0.5 - abs(h / scale)) / scale), reduction, shared=np.ndim(b) == 0)


@quiet
def laplace_logits(y: Labels, f: Pairs, *, reduction: Reduction = "sum") -> Loss:
    r"""Compute :func:`laplace` where a network predicts median and scale.

    .. math:: \mu_i = f_{i1}, \qquad b_i = e^{f_{i2}}

    Parameters
    ----------
    y : array of shape (I,)
        Targets.
    f : array of shape (I, 2)
        Medians, and logarithms of the scales.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats.

    Raises
    ------
    ValueError
        If f does not have two columns; see also the module.

    Examples
    --------
    >>> laplace_logits(np.array([1.0, 3.0]), np.array([[1.0, 0.0], [3.0, -1000.0]]))
    -998.6137056
    """
    h, s = _half_error_and_log(y, f)
    return reduced(math.log(2) + s + 2 * abs(_over_exp(h, s)), reduction)


@quiet
def d_laplace_logits(
    y: Labels, f: Pairs, *, reduction: Reduction = "sum"
) -> Float[np.ndarray, "I 2"]:
    r"""Return the gradient of :func:`laplace_logits` by both outputs.

    .. math::

        \frac{\partial L}{\partial f_1} = \mathrm{sign}(f_1 - y) e^{-f_2}, \qquad
        \frac{\partial L}{\partial f_2} = 1 - |f_1 - y| e^{-f_2}

    Parameters
    ----------
    y, f : arrays of shape (I,) and (I, 2)
        Targets; medians, and logarithms of the scales.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of shape (I, 2)
        A slope for each output; the first is 0 at the corner, as in :func:`d_laplace`.

    Raises
    ------
    ValueError, TypeError
        As for :func:`laplace_logits`.

    Examples
    --------
    >>> d_laplace_logits(np.array([1.0]), np.array([[3.0, 0.0]]))
    array([[ 1., -1.]])
    """
    h, s = _half_error_and_log(y, f)
    slopes = [_over_exp(np.sign(h), s), 1 - 2 * abs(_over_exp(h, s))]
    return gradient(np.column_stack(slopes), reduction)


def _half_error(y: Numbers, mu: Numbers, **spread: Spread) -> tuple[Floats, Spreads]:
    """Return (mu - y) / 2, which unlike mu - y cannot overflow, and the spread."""
    ((name, value),) = spread.items()
    width = np.asarray(value)
    finite(**{name: width})
    width = width.astype(np.float64)
    demand(width > 0, "positive numbers", **{name: width})
    demand(width >= SMALLEST_SPREAD, f"numbers of at least {SMALLEST_SPREAD}", **{name: width})
    y, mu = same(y=y, mu=mu, **({name: width} if width.ndim else {}))[:2]
    return mu / 2 - y / 2, width


def _half_error_and_log(y: Labels, f: Pairs) -> tuple[Floats, Floats]:
    """Return half of the first output minus y, and the second output."""
    y, f = rows(y, f=f)
    if f.shape[1] != 2:
        raise ValueError(f"expected two columns in f, got f.shape={f.shape}")
    return f[:, 0] / 2 - y / 2, f[:, 1]


def _over_exp(h: Floats, s: Floats) -> Floats:
    """Return h / e^s, also where e^s alone is out of range, and 0 where h is 0."""
    # Beyond 2100 the smallest h gives infinity, and the largest 0: the clip changes no value.
    root = np.exp(-np.clip(s, -2100, 2100) / 3)
    return np.asarray(h * root * root * root)
