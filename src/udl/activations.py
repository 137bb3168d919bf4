"""Activation functions and their derivatives, elementwise.

Each function ``g`` has its derivative beside it as ``d_g``. None of them overflows, at any z, and
NaN stays NaN.
"""

import numpy as np
from jaxtyping import Float, Real

__all__ = [
    "d_heaviside",
    "d_leaky_relu",
    "d_relu",
    "d_sigmoid",
    "d_tanh",
    "heaviside",
    "leaky_relu",
    "relu",
    "sigmoid",
    "tanh",
]


def relu(z: Real[np.ndarray, "*shape"]) -> Real[np.ndarray, "*shape"]:
    r"""Clip negative values to zero: the rectified linear unit.

    .. math:: a(z) = \max(0, z)

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations.

    References
    ----------
    UDL chapter 3.

    Examples
    --------
    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    return np.asarray(np.maximum(z, 0))


def d_relu(z: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return the derivative of the ReLU: 1 where z > 0, else 0.

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z.

    Notes
    -----
    At z = 0 the ReLU has no derivative. Zero is the subgradient taken here, as PyTorch does.

    References
    ----------
    UDL chapter 7: the indicator in the backward pass.

    Examples
    --------
    >>> d_relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 1.])
    """
    return np.asarray(np.heaviside(z, 0.0))


def leaky_relu(z: Real[np.ndarray, "*shape"], slope: float = 0.01) -> Float[np.ndarray, "*shape"]:
    r"""Scale negative values down instead of clipping them: the leaky ReLU.

    .. math:: a(z) = z \text{ if } z \ge 0, \text{ else } s z

    Parameters
    ----------
    z : array of any shape
        Preactivations.
    slope : float
        The slope s on the negative side; 0 gives the ReLU.

    Returns
    -------
    array of the same shape
        Activations.

    References
    ----------
    UDL chapter 3, notes on activation functions.

    Examples
    --------
    >>> leaky_relu(np.array([-2.0, 0.0, 3.0]), slope=0.1)
    array([-0.2,  0. ,  3. ])
    """
    return np.asarray(np.where(np.less(z, 0), slope * z, z))


def d_leaky_relu(
    z: Real[np.ndarray, "*shape"], slope: float = 0.01
) -> Float[np.ndarray, "*shape"]:
    """Return the derivative of the leaky ReLU: 1 where z > 0, else `slope`.

    Parameters
    ----------
    z : array of any shape
        Preactivations.
    slope : float
        The slope on the negative side.

    Returns
    -------
    array of the same shape
        The slope at each z; at z = 0 the one of the negative side, as PyTorch does.

    Examples
    --------
    >>> d_leaky_relu(np.array([-2.0, 0.0, 3.0]), slope=0.1)
    array([0.1, 0.1, 1. ])
    """
    return np.asarray(slope + (1 - slope) * d_relu(z))


def heaviside(z: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    r"""Step from 0 to 1 at zero: the Heaviside function.

    .. math:: a(z) = 0 \text{ if } z < 0, \text{ else } 1

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations, 0 or 1.

    Examples
    --------
    >>> heaviside(np.array([-2.0, 0.0, 3.0]))
    array([0., 1., 1.])
    """
    return np.asarray(np.heaviside(z, 1.0))


def d_heaviside(z: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return the derivative of the step function: 0 everywhere.

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Zeros; NaN where z is NaN.

    Notes
    -----
    At the jump the derivative does not exist; zero is returned there too. This is why a network of
    step functions can't be trained by gradient descent.

    Examples
    --------
    >>> d_heaviside(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 0.])
    """
    return np.asarray(np.where(np.isnan(z), np.nan, 0.0))


def sigmoid(z: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    r"""Map the real line to (0, 1): the logistic sigmoid.

    .. math:: \mathrm{sig}(z) = \frac{1}{1 + e^{-z}}

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations between 0 and 1.

    Notes
    -----
    Only :math:`e^{-|z|}` is computed, which can't overflow.

    References
    ----------
    UDL chapter 5, binary classification.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(np.greater_equal(z, 0), 1.0, e) / (1.0 + e))


def d_sigmoid(z: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of the sigmoid, accurate in the tails too.

    .. math:: \mathrm{sig}'(z) = \frac{e^{-|z|}}{(1 + e^{-|z|})^2}

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z, at most 1/4.

    Notes
    -----
    The form sig(z) (1 - sig(z)) is equal on paper, but is 0 from z = 37 on.

    Examples
    --------
    >>> d_sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0.  , 0.25, 0.  ])
    """
    e = np.exp(-np.abs(z))
    return np.asarray(e / (1.0 + e) ** 2)


def tanh(z: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    r"""Map the real line to (-1, 1): the hyperbolic tangent.

    .. math:: \tanh(z) = \frac{e^z - e^{-z}}{e^z + e^{-z}}

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations between -1 and 1.

    References
    ----------
    UDL chapter 3, notes on activation functions.

    Examples
    --------
    >>> tanh(np.array([-1000.0, 0.0, 1000.0]))
    array([-1.,  0.,  1.])
    """
    return np.asarray(np.tanh(z))


def d_tanh(z: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of tanh, accurate in the tails too.

    .. math:: \tanh'(z) = 1 - \tanh^2(z) = \frac{4 e^{-2|z|}}{(1 + e^{-2|z|})^2}

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z, at most 1.

    Examples
    --------
    >>> d_tanh(np.array([-1000.0, 0.0, 1000.0]))
    array([0., 1., 0.])
    """
    e = np.exp(-np.abs(z)) ** 2
    return np.asarray(4.0 * e / (1.0 + e) ** 2)
