"""Losses for labels and counts: Bernoulli, categorical, Poisson."""

import numpy as np
from jaxtyping import Float, Real

from udl.activations import sigmoid, softplus
from udl.losses._arguments import (
    LARGEST_COUNT,
    Floats,
    Labels,
    Loss,
    Matrix,
    Numbers,
    Reduction,
    demand,
    gradient,
    probabilities,
    quiet,
    reduced,
    rows,
    same,
    whole,
)
from udl.losses._softmax import log_softmax, softmax


@quiet
def bernoulli(y: Numbers, lam: Numbers, *, reduction: Reduction = "sum") -> Loss:
    r"""Compute the binary cross-entropy from probabilities (UDL section 5.4).

    .. math:: L = -\sum_i \left[ y_i \log \lambda_i + (1 - y_i) \log(1 - \lambda_i) \right]

    Parameters
    ----------
    y : array of shape (I,) or (I, D_o)
        Labels, 0 or 1.
    lam : array like y
        Probabilities of the label 1.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats; infinity where lam excludes the label. (PyTorch stops at 100.)

    Raises
    ------
    ValueError
        If a label is neither 0 nor 1, or lam leaves the range from 0 to 1; see also the module.

    Examples
    --------
    >>> bernoulli(np.array([1, 0, 1]), np.array([0.1, 0.8, 0.6]), reduction="mean")
    1.4742828
    """
    y, lam = _binary(y, lam)
    return reduced(-np.where(y == 1, np.log(lam), np.log1p(-lam)), reduction)


@quiet
def d_bernoulli(y: Numbers, lam: Numbers, *, reduction: Reduction = "sum") -> Floats:
    r"""Return the gradient of :func:`bernoulli` by lam.

    .. math:: \frac{\partial L}{\partial \lambda} =
        -\frac{1}{\lambda} \text{ if } y = 1, \text{ else } \frac{1}{1 - \lambda}

    Parameters
    ----------
    y, lam : arrays of shape (I,) or (I, D_o)
        Labels, and probabilities of the label 1.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of lam
        Infinite where lam excludes the label.

    Raises
    ------
    ValueError, TypeError
        As for :func:`bernoulli`.

    Examples
    --------
    >>> d_bernoulli(np.array([1, 0]), np.array([0.5, 0.75]))
    array([-2.,  4.])
    """
    y, lam = _binary(y, lam)
    return gradient(np.where(y == 1, -1 / lam, 1 / (1 - lam)), reduction)


@quiet
def bernoulli_logits(y: Numbers, f: Numbers, *, reduction: Reduction = "sum") -> Loss:
    r"""Compute the binary cross-entropy from logits, stable at any size (UDL section 5.4).

    .. math::

        L = -\sum_i \left[ y_i \log \mathrm{sig}[f_i] + (1 - y_i) \log(1 - \mathrm{sig}[f_i])
        \right] = \sum_i \log\left(1 + e^{(1 - 2 y_i) f_i}\right)

    Parameters
    ----------
    y : array of shape (I,) or (I, D_o)
        Labels, 0 or 1.
    f : array like y
        Logits: the sigmoid turns them into the probabilities of the label 1.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats.

    Raises
    ------
    ValueError
        If a label is neither 0 nor 1; see also the module.

    Examples
    --------
    >>> bernoulli_logits(np.array([1, 0]), np.array([-1000.0, -1000.0]), reduction="none")
    array([1000., 0.])
    """
    sign, f = _signed(y, f)
    return reduced(softplus(sign * f), reduction)


@quiet
def d_bernoulli_logits(y: Numbers, f: Numbers, *, reduction: Reduction = "sum") -> Floats:
    r"""Return the gradient of :func:`bernoulli_logits` by f, :math:`\mathrm{sig}[f] - y`.

    Parameters
    ----------
    y, f : arrays of shape (I,) or (I, D_o)
        Labels and logits.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of f
        Prediction minus label, with all its digits where the two are close.

    Raises
    ------
    ValueError, TypeError
        As for :func:`bernoulli_logits`.

    Examples
    --------
    >>> d_bernoulli_logits(np.array([1, 0]), np.array([0.0, 1000.0]))
    array([-0.5,  1. ])
    """
    sign, f = _signed(y, f)
    return gradient(sign * sigmoid(sign * f), reduction)


@quiet
def categorical(y: Labels, lam: Real[np.ndarray, "I K"], *, reduction: Reduction = "sum") -> Loss:
    r"""Compute the multiclass cross-entropy from probabilities (UDL section 5.5).

    .. math:: L = -\sum_i \log \lambda_{i y_i}

    Parameters
    ----------
    y : array of shape (I,)
        Classes, whole numbers from 0 to K - 1.
    lam : array of shape (I, K)
        A probability for each class; rows sum to one.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats; infinity where lam excludes the class.

    Raises
    ------
    ValueError
        If a class is not among the K, lam holds no probabilities, or a row does not sum to one
        within 1e-6; see also the module.

    Examples
    --------
    >>> categorical(np.array([0, 2]), np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]))
    0.6931472
    """
    i, y, lam = _classes(y, lam=lam)
    return reduced(-np.log(lam[i, y]), reduction)


@quiet
def d_categorical(
    y: Labels, lam: Real[np.ndarray, "I K"], *, reduction: Reduction = "sum"
) -> Float[np.ndarray, "I K"]:
    r"""Return the gradient of :func:`categorical` by lam: -1 / lam at the label, else 0.

    Parameters
    ----------
    y, lam : arrays of shape (I,) and (I, K)
        Classes, and a probability for each class.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of shape (I, K)
        Infinite where lam excludes the class. The entries of lam count as free numbers: that a
        row sums to one plays no part.

    Raises
    ------
    ValueError, TypeError
        As for :func:`categorical`.

    Examples
    --------
    >>> d_categorical(np.array([0]), np.array([[0.5, 0.25, 0.25]]))
    array([[-2.,  0.,  0.]])
    """
    i, y, lam = _classes(y, lam=lam)
    slopes = np.zeros_like(lam)
    slopes[i, y] = -1 / lam[i, y]
    return gradient(slopes, reduction)


@quiet
def categorical_logits(
    y: Labels, f: Real[np.ndarray, "I K"], *, reduction: Reduction = "sum"
) -> Loss:
    r"""Compute the multiclass cross-entropy from logits, stable at any size (UDL section 5.5).

    .. math:: L = -\sum_i \left[ f_{i y_i} - \log \sum_k e^{f_{ik}} \right]

    Parameters
    ----------
    y : array of shape (I,)
        Classes, whole numbers from 0 to K - 1.
    f : array of shape (I, K)
        Logits: :func:`softmax` turns each row into probabilities.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats.

    Raises
    ------
    ValueError
        If a class is not among the K; see also the module.

    Examples
    --------
    >>> categorical_logits(np.array([0, 1]), np.array([[0.0, 0.0], [1000.0, -1000.0]]))
    2000.6931472
    """
    i, y, f = _classes(y, f=f)
    return reduced(-log_softmax(f)[i, y], reduction)


@quiet
def d_categorical_logits(
    y: Labels, f: Real[np.ndarray, "I K"], *, reduction: Reduction = "sum"
) -> Float[np.ndarray, "I K"]:
    r"""Return the gradient of :func:`categorical_logits` by f.

    .. math:: \frac{\partial L}{\partial f_{ik}} = \mathrm{softmax}_k[f_i] - [k = y_i]

    Parameters
    ----------
    y, f : arrays of shape (I,) and (I, K)
        Classes and logits.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of shape (I, K)
        Prediction minus label. Rows sum to zero.

    Raises
    ------
    ValueError, TypeError
        As for :func:`categorical_logits`.

    Examples
    --------
    >>> d_categorical_logits(np.array([0, 1]), np.array([[0.0, 0.0], [1000.0, -1000.0]]))
    array([[-0.5,  0.5],
           [ 1. , -1. ]])
    """
    i, y, f = _classes(y, f=f)
    slopes = softmax(f)
    # Minus the probability of all other classes: p - 1 would lose its digits where p is near 1.
    slopes[i, y] = 0.0
    slopes[i, y] = -slopes.sum(axis=1)
    return gradient(slopes, reduction)


@quiet
def poisson(y: Numbers, rate: Numbers, *, reduction: Reduction = "sum") -> Loss:
    r"""Compute the negative log-likelihood of counts from their rates (UDL figure 5.11).

    .. math:: L = \sum_i \left[ \lambda_i - y_i \log \lambda_i + \log y_i! \right]

    Parameters
    ----------
    y : array of shape (I,) or (I, D_o)
        Counts: 0, 1, 2, ...
    rate : array like y
        Expected counts, lambda in the formula; at least 0.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats; infinity where the rate is 0 and the count is not.

    Raises
    ------
    ValueError
        If a count is negative, fractional, or 2**53 or more, or a rate is negative; see also the
        module.

    Notes
    -----
    Terms of size y log y cancel: at counts of a million some 8 decimals are left, at a billion 5.

    Examples
    --------
    >>> poisson(np.array([0, 3]), np.array([2.0, 1.0]), reduction="none")
    array([2.        , 2.7917595])
    """
    from scipy.special import xlogy

    y, rate = _rates(y, rate)
    return reduced(rate - xlogy(y, rate) + _log_factorial(y), reduction)


@quiet
def d_poisson(y: Numbers, rate: Numbers, *, reduction: Reduction = "sum") -> Floats:
    r"""Return the gradient of :func:`poisson` by the rate, :math:`1 - y / \lambda`.

    Parameters
    ----------
    y, rate : arrays of shape (I,) or (I, D_o)
        Counts and expected counts.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of rate
        Infinite where the rate excludes the count.

    Raises
    ------
    ValueError, TypeError
        As for :func:`poisson`.

    Examples
    --------
    >>> d_poisson(np.array([0, 3]), np.array([2.0, 1.0]))
    array([ 1., -2.])
    """
    y, rate = _rates(y, rate)
    return gradient(1 - np.divide(y, rate, out=np.zeros_like(y), where=y > 0), reduction)


@quiet
def poisson_logits(y: Numbers, f: Numbers, *, reduction: Reduction = "sum") -> Loss:
    r"""Compute the negative log-likelihood of counts from the logarithms of their rates.

    .. math:: L = \sum_i \left[ e^{f_i} - y_i f_i + \log y_i! \right]

    Parameters
    ----------
    y : array of shape (I,) or (I, D_o)
        Counts: 0, 1, 2, ...
    f : array like y
        Logits: the exponential turns them into rates.
    reduction : {"sum", "mean", "none"}
        Sum or mean over the examples, or one loss each.

    Returns
    -------
    float, or array of shape (I,)
        The loss in nats; infinity where the rate exceeds float64, from f = 710 on.

    Raises
    ------
    ValueError
        If a count is negative, fractional, or 2**53 or more; see also the module.

    Notes
    -----
    PyTorch leaves :math:`\log y!` out, or replaces it by Stirling's formula.
    Terms of size y log y cancel: at counts of a million some 8 decimals are left, at a billion 5.

    Examples
    --------
    >>> poisson_logits(np.array([0, 3]), np.array([-1000.0, 0.0]), reduction="none")
    array([0.        , 2.7917595])
    """
    y, f = same(y=y, f=f)
    whole(LARGEST_COUNT, y)
    # From f = 710 on the rate is infinite, and must not meet an infinite y f.
    return reduced(np.exp(f) - y * np.minimum(f, 800.0) + _log_factorial(y), reduction)


@quiet
def d_poisson_logits(y: Numbers, f: Numbers, *, reduction: Reduction = "sum") -> Floats:
    r"""Return the gradient of :func:`poisson_logits` by f, :math:`e^f - y`.

    Parameters
    ----------
    y, f : arrays of shape (I,) or (I, D_o)
        Counts and logits.
    reduction : {"sum", "mean", "none"}
        That of the loss.

    Returns
    -------
    array of the shape of f
        Expected minus observed count.

    Raises
    ------
    ValueError, TypeError
        As for :func:`poisson_logits`.

    Examples
    --------
    >>> d_poisson_logits(np.array([0, 3]), np.array([-1000.0, 0.0]))
    array([ 0., -2.])
    """
    y, f = same(y=y, f=f)
    whole(LARGEST_COUNT, y)
    return gradient(np.exp(f) - y, reduction)


def _binary(y: Numbers, lam: Numbers) -> tuple[Floats, Floats]:
    """Return labels 0 or 1, and their probabilities."""
    y, lam = same(y=y, lam=lam)
    whole(1, y)
    demand((lam >= 0) & (lam <= 1), "numbers from 0 to 1", lam=lam)
    return y, lam


def _signed(y: Numbers, f: Numbers) -> tuple[Floats, Floats]:
    """Return 1 for the label 0 and -1 for the label 1, and the logits."""
    y, f = same(y=y, f=f)
    whole(1, y)
    return 1 - 2 * y, f


def _classes(
    y: Labels, **outputs: Real[np.ndarray, "I K"]
) -> tuple[np.ndarray, np.ndarray, Matrix]:
    """Return the numbers of the rows, the classes as integers, and the one named matrix."""
    if np.ndim(y) == 2:
        raise ValueError(
            "expected a vector of shape (I,) of class numbers, not one-hot, "
            f"got y.shape={np.shape(y)}"
        )
    y, f = rows(y, **outputs)
    whole(f.shape[1] - 1, y)
    if "lam" in outputs:
        f = probabilities(lam=f)
    return np.arange(len(y)), y.astype(np.intp), f


def _rates(y: Numbers, rate: Numbers) -> tuple[Floats, Floats]:
    """Return counts, and rates of at least 0."""
    y, rate = same(y=y, rate=rate)
    whole(LARGEST_COUNT, y)
    demand(rate >= 0, "numbers of at least 0", rate=rate)
    return y, rate


def _log_factorial(y: Floats) -> Floats:
    """Return log y!."""
    from scipy.special import gammaln  # SciPy takes a moment to load

    return np.asarray(gammaln(y + 1))
