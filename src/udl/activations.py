"""Activation functions and their derivatives, elementwise.

Each function ``g`` has its derivative beside it as ``d_g``. Where the value is in range, so is
every step on the way: nothing overflows, and infinity gives the limit. NaN stays NaN.

A floating dtype is kept; integers and truth values are computed in float64. TypeError is
raised where z does not hold real numbers.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Real, Shaped

__all__ = [
    "d_elu",
    "d_gelu",
    "d_hard_swish",
    "d_heaviside",
    "d_leaky_relu",
    "d_relu",
    "d_selu",
    "d_sigmoid",
    "d_silu",
    "d_softplus",
    "d_tanh",
    "elu",
    "gelu",
    "hard_swish",
    "heaviside",
    "leaky_relu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]

_Numbers = Real[np.ndarray, "*shape"] | Bool[np.ndarray, "*shape"]

# The only two for which standard normal z give activations with mean 0 and variance 1.
_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772


def relu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    return np.asarray(np.maximum(z, 0))


def d_relu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    return np.asarray(np.heaviside(z, 0.0))


def leaky_relu(z: _Numbers, slope: float = 0.01) -> Float[np.ndarray, "*shape"]:
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

    Raises
    ------
    ValueError
        If `slope` is not finite.

    References
    ----------
    UDL chapter 3, notes on activation functions.

    Examples
    --------
    >>> leaky_relu(np.array([-2.0, 0.0, 3.0]), slope=0.1)
    array([-0.2,  0. ,  3. ])
    """
    z, slope = _floats(z), _parameter("slope", slope)
    if slope == 0:  # times infinity it would be NaN
        return relu(z)
    return np.asarray(np.where(z < 0, slope * np.minimum(z, 0), z))


def d_leaky_relu(z: _Numbers, slope: float = 0.01) -> Float[np.ndarray, "*shape"]:
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

    Raises
    ------
    ValueError
        If `slope` is not finite.

    Examples
    --------
    >>> d_leaky_relu(np.array([-2.0, 0.0, 3.0]), slope=0.1)
    array([0.1, 0.1, 1. ])
    """
    z, slope = _floats(z), _parameter("slope", slope)
    return np.asarray(np.where(z > 0, 1.0, np.where(np.isnan(z), z, slope)))


def elu(z: _Numbers, alpha: float = 1.0) -> Float[np.ndarray, "*shape"]:
    r"""Let negative values level off smoothly: the exponential linear unit.

    .. math:: a(z) = z \text{ if } z \ge 0, \text{ else } \alpha (e^z - 1)

    Parameters
    ----------
    z : array of any shape
        Preactivations.
    alpha : float, positive
        How deep the curve goes: far to the left the value is -alpha.

    Returns
    -------
    array of the same shape
        Activations, none below -alpha.

    Raises
    ------
    ValueError
        If `alpha` is not positive and finite.

    Notes
    -----
    This alpha is not the learning rate: the letter is that of the paper and of PyTorch.

    References
    ----------
    UDL chapter 3, notes on activation functions; Clevert et al. (2015).

    Examples
    --------
    >>> elu(np.array([-1000.0, 0.0, 3.0]))
    array([-1., 0., 3.])
    """
    z, alpha = _floats(z), _parameter("alpha", alpha, above=0.0)
    return np.asarray(np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))))


def d_elu(z: _Numbers, alpha: float = 1.0) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of the ELU: 1 where z > 0, else alpha times e^z.

    Parameters
    ----------
    z : array of any shape
        Preactivations.
    alpha : float, positive
        How deep the curve goes.

    Returns
    -------
    array of the same shape
        The slope at each z; at z = 0 the one of the negative side, as PyTorch does.

    Raises
    ------
    ValueError
        If `alpha` is not positive and finite.

    Examples
    --------
    >>> d_elu(np.array([-1000.0, 0.0, 3.0]))
    array([0., 1., 1.])
    """
    z, alpha = _floats(z), _parameter("alpha", alpha, above=0.0)
    return np.asarray(np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))))


def selu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Scale the ELU so that it keeps mean 0 and variance 1: the self-normalizing ELU.

    .. math::

        a(z) = \lambda \, \mathrm{elu}_\alpha(z), \qquad
        \lambda \approx 1.0507, \quad \alpha \approx 1.6733

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations.

    Notes
    -----
    Standard normal z give activations with mean 0 and variance 1.

    References
    ----------
    UDL chapter 3, notes on activation functions; Klambauer et al. (2017).

    Examples
    --------
    >>> selu(np.array([-1000.0, 0.0, 1.0]))
    array([-1.75809934,  0.        ,  1.05070099])
    """
    return np.asarray(_SELU_SCALE * elu(z, _SELU_ALPHA))


def d_selu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of the SELU, the scaled one of the ELU.

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z; at z = 0 the one of the negative side, as PyTorch does.

    Examples
    --------
    >>> d_selu(np.array([-1000.0, 0.0, 1.0]))
    array([0.        , 1.75809934, 1.05070099])
    """
    return np.asarray(_SELU_SCALE * d_elu(z, _SELU_ALPHA))


def softplus(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Round the corner of the ReLU off: the softplus.

    .. math:: a(z) = \log(1 + e^z) = \max(0, z) + \log(1 + e^{-|z|})

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations, none negative.

    References
    ----------
    UDL chapter 3, notes on activation functions; Glorot et al. (2011).

    Examples
    --------
    >>> softplus(np.array([-1000.0, 0.0, 1000.0]))
    array([0., 0.6931472, 1000.])
    """
    z = _floats(z)
    return np.asarray(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))))


def d_softplus(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of the softplus, which is the sigmoid.

    .. math:: a'(z) = \frac{e^z}{1 + e^z} = \mathrm{sig}(z)

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z, between 0 and 1.

    Examples
    --------
    >>> d_softplus(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    return sigmoid(z)


def gelu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Weight z by the normal probability below it: the Gaussian error linear unit.

    .. math::

        a(z) = z \, \Phi(z), \qquad
        \Phi(z) = \frac{1}{2} \left(1 + \mathrm{erf} \frac{z}{\sqrt 2}\right)

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations; the least is about -0.17, near z = -0.75.

    References
    ----------
    UDL chapter 3, notes on activation functions; Hendrycks and Gimpel (2016).

    Examples
    --------
    >>> gelu(np.array([-1000.0, 0.0, 1.0]))
    array([-0.        ,  0.        ,  0.84134475])
    """
    z = _floats(z)
    # Phi(-100) is 0 in float64: the clip changes no value, but keeps 0 times infinity away.
    return np.asarray(np.maximum(z, -100.0) * _normal(z))


def d_gelu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of the GELU.

    .. math:: a'(z) = \Phi(z) + z \, \frac{e^{-z^2 / 2}}{\sqrt{2 \pi}}

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z, negative left of the minimum, and above 1 from about z = 0.75 on.

    Examples
    --------
    >>> d_gelu(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    z = _floats(z)
    near = np.clip(z, -100.0, 100.0)  # beyond, the density is 0 and z * z may overflow
    return np.asarray(_normal(z) + near * np.exp(-near * near / 2) / math.sqrt(2 * math.pi))


def silu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Weight z by its sigmoid: the sigmoid linear unit, also called swish.

    .. math:: a(z) = z \, \mathrm{sig}(z) = \frac{z}{1 + e^{-z}}

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations; the least is about -0.28, near z = -1.28.

    References
    ----------
    UDL chapter 3, notes on activation functions; Ramachandran et al. (2017).

    Examples
    --------
    >>> silu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    z = _floats(z)
    # sig(-1000) is 0 in float64: the clip changes no value, but keeps 0 times infinity away.
    return np.asarray(np.maximum(z, -1000.0) * sigmoid(z))


def d_silu(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of the SiLU.

    .. math:: a'(z) = \mathrm{sig}(z) + z \, \mathrm{sig}'(z)

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z, negative left of the minimum, and above 1 from about z = 1.28 on.

    Examples
    --------
    >>> d_silu(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    z = _floats(z)
    return np.asarray(sigmoid(z) + np.clip(z, -1000.0, 1000.0) * d_sigmoid(z))


def hard_swish(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Imitate the SiLU by pieces that need no exponential: the hard swish.

    .. math::

        a(z) = 0 \text{ if } z < -3, \quad z \text{ if } z > 3, \quad
        \text{else } z (z + 3) / 6

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        Activations; the least is -3/8, at z = -3/2.

    References
    ----------
    UDL chapter 3, notes on activation functions; Howard et al. (2019).

    Examples
    --------
    >>> hard_swish(np.array([-1000.0, -1.5, 1000.0]))
    array([-0., -0.375, 1000.])
    """
    z = _floats(z)
    near = np.clip(z, -3.0, 3.0)
    return np.asarray(np.where(z > 3, z, near * (near + 3.0) / 6.0))


def d_hard_swish(z: _Numbers) -> Float[np.ndarray, "*shape"]:
    r"""Return the derivative of the hard swish: 0, then (2 z + 3) / 6, then 1.

    Parameters
    ----------
    z : array of any shape
        Preactivations.

    Returns
    -------
    array of the same shape
        The slope at each z; at the corners -3 and 3 the outer one, 0 and 1, as PyTorch does.

    Examples
    --------
    >>> d_hard_swish(np.array([-3.0, 0.0, 3.0]))
    array([0. , 0.5, 1. ])
    """
    z = _floats(z)
    inside = (z > -3) & (z < 3)
    return np.asarray(np.where(inside, np.clip(z, -3.0, 3.0) / 3.0 + 0.5, np.heaviside(z, 0.0)))


def heaviside(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    return np.asarray(np.heaviside(z, 1.0))


def d_heaviside(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    return np.asarray(np.where(np.isnan(z), z, 0.0))


def sigmoid(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1.0, e) / (1.0 + e))


def d_sigmoid(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    e = np.exp(-np.abs(z))
    return np.asarray(e / (1.0 + e) ** 2)


def tanh(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    return np.asarray(np.tanh(z))


def d_tanh(z: _Numbers) -> Float[np.ndarray, "*shape"]:
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
    z = _floats(z)
    e = np.exp(-np.abs(z)) ** 2
    return np.asarray(4.0 * e / (1.0 + e) ** 2)


def _floats(z: Shaped[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return z as it is if it holds floats, else its numbers as float64."""
    z = np.asarray(z)
    if z.dtype.kind not in "fiub":
        raise TypeError(f"expected real numbers in z, got z.dtype={z.dtype}")
    return z if z.dtype.kind == "f" else z.astype(np.float64)


def _parameter(name: str, value: float, above: float = -math.inf) -> float:
    """Return a function's parameter as a Python float, which leaves the dtype to z."""
    if not above < value < math.inf:
        raise ValueError(f"expected {above} < {name} < inf, got {name}={value}")
    return float(value)


def _normal(z: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return the normal probability below z in the dtype of z; SciPy's knows but two."""
    from scipy.special import ndtr  # takes a moment to load, and only the GELU needs it

    return np.asarray(ndtr(z.astype(np.float64)), dtype=z.dtype)
