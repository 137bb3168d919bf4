"""Shallow networks: one layer of hidden units, with everything it computes on the way.

Row d of ``theta`` is what hidden unit d does to the inputs, and ``phi`` is what the output does to
the hidden units, bias first in both:

    h_d = a[theta_d0 + theta_d1 x_1 + theta_d2 x_2 + ...],    y = phi_0 + sum_d phi_d h_d

Rows of x are examples. ``phi`` of shape (1 + D,) has one output, which then has no axis; of shape
(D_o, 1 + D) it has D_o of them. `theta` and `phi` must be finite. NaN and infinity in x pass on
to the outputs of their row by the rules of floating-point arithmetic, and so does overflow, as
infinity. Nothing but a function handed over can warn.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from udl import _network
from udl._check import count, finite, matrix, same_shape, vector
from udl._network import Elementwise, affine, elementwise, inputs
from udl.activations import d_relu, relu

__all__ = [
    "Forward",
    "Shallow",
    "activation_pattern",
    "forward",
    "interpolant",
    "joints",
    "layers",
    "parameter_count",
    "slope",
]


class Forward(NamedTuple):
    """What a forward pass computed, step by step.

    The last two have the axis D_o only if `phi` has it: for a vector `phi` the output is (I,).
    :class:`udl.deep.Forward` has it always.
    """

    preactivations: Float[np.ndarray, "I D"]
    activations: Float[np.ndarray, "I D"]
    weighted: Float[np.ndarray, "I D"] | Float[np.ndarray, "I D_o D"]
    output: Float[np.ndarray, " I"] | Float[np.ndarray, "I D_o"]


class Shallow(NamedTuple):
    """A shallow network as its parameters, to be unpacked: ``forward(x, *network)``."""

    theta: Float[np.ndarray, "D P"]
    phi: Float[np.ndarray, " Q"] | Float[np.ndarray, "D_o Q"]


def forward(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"],
    theta: Real[np.ndarray, "D P"],
    phi: Real[np.ndarray, " Q"] | Real[np.ndarray, "D_o Q"],
    activation: Elementwise = relu,
) -> Forward:
    r"""Compute a shallow network's output, and all that leads to it.

    .. math::

        f_d = \theta_{d0} + \sum_j \theta_{dj} x_j, \qquad h_d = a[f_d], \qquad
        y = \phi_0 + \sum_d \phi_d h_d

    Parameters
    ----------
    x : array of shape (I,) or (I, D_i)
        Inputs; the first form is for a network with one input.
    theta : array of shape (D, 1 + D_i)
        Bias and weights of each hidden unit.
    phi : array of shape (1 + D,) or (D_o, 1 + D)
        Bias and weights of each output.
    activation : callable
        The function a, elementwise.

    Returns
    -------
    Forward
        ``preactivations`` f and ``activations`` h of shape (I, D); ``weighted``, the terms
        phi_d h_d, of shape (I, D) or (I, D_o, D); ``output`` of shape (I,) or (I, D_o).

    Raises
    ------
    ValueError
        If shapes do not fit, an array is empty, `theta` or `phi` is not finite, or the activation
        changes the shape.
    TypeError
        If an array does not hold real numbers, or the activation returns something else.

    Notes
    -----
    The output is computed as ``phi[..., 0] + weighted.sum(axis=-1)``, and equals it to the bit.

    References
    ----------
    UDL eq. 3.1, and eq. 3.11 and 3.12 for several inputs and outputs.

    Examples
    --------
    >>> theta, phi = np.array([[0.0, 1.0], [-1.0, 1.0]]), np.array([0.5, 1.0, -2.0])
    >>> network = forward(np.array([-1.0, 1.0, 3.0]), theta, phi)
    >>> network.weighted
    array([[ 0., -0.],
           [ 1., -0.],
           [ 3., -4.]])
    >>> network.output
    array([ 0.5,  1.5, -0.5])
    """
    X, theta, phi = _network_at(x, theta, phi)
    f = affine(X, theta[:, 0], theta[:, 1:])
    h = elementwise("activation", activation, f)
    with np.errstate(over="ignore", invalid="ignore"):
        weighted = h * phi[1:] if phi.ndim == 1 else h[:, None, :] * phi[:, 1:]
        output = phi[..., 0] + weighted.sum(axis=-1)
    return Forward(f, h, weighted, output)


def slope(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"],
    theta: Real[np.ndarray, "D P"],
    phi: Real[np.ndarray, " Q"] | Real[np.ndarray, "D_o Q"],
    derivative: Elementwise = d_relu,
) -> Float[np.ndarray, "I *axes"]:
    r"""Compute the derivative of a shallow network's output with respect to its input.

    .. math:: \frac{\partial y}{\partial x_j} = \sum_d \phi_d \, a'[f_d] \, \theta_{dj}

    Parameters
    ----------
    x : array of shape (I,) or (I, D_i)
        Inputs.
    theta : array of shape (D, 1 + D_i)
        Bias and weights of each hidden unit.
    phi : array of shape (1 + D,) or (D_o, 1 + D)
        Bias and weights of each output.
    derivative : callable
        The derivative a' of the activation function, elementwise.

    Returns
    -------
    array of shape (I, D_o, D_i)
        Without the axis D_o where `phi` is a vector, and without the axis D_i where x is one:
        (I,) for numbers in, numbers out.

    Raises
    ------
    ValueError
        If shapes do not fit, an array is empty, `theta` or `phi` is not finite, or the derivative
        changes the shape.
    TypeError
        If an array does not hold real numbers, or the derivative returns something else.

    Notes
    -----
    At a joint a ReLU network has no derivative. There :func:`udl.activations.d_relu` counts the
    unit as inactive, and so the result is the slope with this unit off.

    References
    ----------
    UDL section 3.1.1: the slope of a region comes from its active units.

    Examples
    --------
    >>> theta, phi = np.array([[0.0, 1.0], [-1.0, 1.0]]), np.array([0.5, 1.0, -2.0])
    >>> slope(np.array([-1.0, 0.5, 3.0]), theta, phi)
    array([ 0.,  1., -1.])
    """
    X, theta, phi = _network_at(x, theta, phi)
    d = elementwise("derivative", derivative, affine(X, theta[:, 0], theta[:, 1:]))
    with np.errstate(over="ignore", invalid="ignore"):
        # phi times theta first would make an inactive unit 0 times infinity where that overflows.
        J = np.stack([(d * w) @ theta[:, 1:] for w in np.atleast_2d(phi)[:, 1:]], axis=1)
    J = J[..., 0] if np.ndim(x) == 1 else J
    return np.asarray(J[:, 0] if phi.ndim == 1 else J)


def activation_pattern(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"], theta: Real[np.ndarray, "D P"]
) -> Bool[np.ndarray, "I D"]:
    """Say which hidden units are active: those whose preactivation is greater than zero.

    Parameters
    ----------
    x : array of shape (I,) or (I, D_i)
        Inputs.
    theta : array of shape (D, 1 + D_i)
        Bias and weights of each hidden unit.

    Returns
    -------
    array of shape (I, D)
        True for an active unit. A unit at its joint is inactive.

    Raises
    ------
    ValueError
        If shapes do not fit, an array is empty, an entry is not finite, or a preactivation
        overflows: a pattern has no way to pass that on.
    TypeError
        If an array does not hold real numbers.

    Notes
    -----
    Within a rounding error of its joint a unit may be on the wrong side.

    References
    ----------
    UDL section 3.1.1.

    Examples
    --------
    >>> activation_pattern(np.array([-1.0, 1.0, 3.0]), np.array([[0.0, 1.0], [-1.0, 1.0]]))
    array([[False, False],
           [ True, False],
           [ True,  True]])
    """
    finite(x=x)
    theta = _units(theta)
    f = affine(inputs(x, theta.shape[1] - 1), theta[:, 0], theta[:, 1:])
    if not np.isfinite(f).all():
        raise ValueError("expected preactivations within range, got overflow")
    return np.asarray(f > 0)


def joints(theta: Real[np.ndarray, "D 2"]) -> Float[np.ndarray, " D"]:
    r"""Compute where each hidden unit of a network with one input turns on or off.

    .. math:: \theta_{d0} + \theta_{d1} x = 0 \quad\Rightarrow\quad x = -\theta_{d0} / \theta_{d1}

    Parameters
    ----------
    theta : array of shape (D, 2)
        Intercept and slope of each hidden unit.

    Returns
    -------
    array of shape (D,)
        One joint a unit, in the order of the units and the unit of x. NaN for a unit with slope
        zero, which has none; infinite where the joint is beyond the range of float64.

    Raises
    ------
    ValueError
        If `theta` is empty, has another shape, or is not finite.
    TypeError
        If it does not hold real numbers.

    References
    ----------
    UDL section 3.1.1.

    Examples
    --------
    >>> joints(np.array([[0.3, -1.0], [-1.0, 2.0], [1.0, 0.0]]))
    array([0.3, 0.5, nan])
    """
    theta = _units(theta)
    if theta.shape[1] != 2:
        raise ValueError(
            f"expected intercept and slope of units with one input, got theta.shape={theta.shape}"
        )
    intercept, weight = theta.T
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        # Adding zero turns -0.0 into 0.0.
        return np.asarray(np.where(weight == 0, np.nan, -intercept / weight) + 0.0)


def interpolant(x: Real[np.ndarray, " I"], y: Real[np.ndarray, " I"]) -> Shallow:
    r"""Construct the ReLU network that connects the points (x, y) by straight lines.

    It has a unit with slope 1 and a joint at each point but the last. The unit's weight is the
    change of slope there:

    .. math::

        f[x] = y_1 + \sum_{i=1}^{I-1} (s_i - s_{i-1}) \, \mathrm{ReLU}[x - x_i], \qquad
        s_i = \frac{y_{i+1} - y_i}{x_{i+1} - x_i}, \quad s_0 = 0

    Before the first point the network is constant, y_1. After the last it goes on with the last
    slope.

    Parameters
    ----------
    x : array of shape (I,)
        Positions of the points, strictly increasing, at least two.
    y : array of shape (I,)
        Heights of the points.

    Returns
    -------
    Shallow
        ``theta`` of shape (I - 1, 2) and ``phi`` of shape (I,).

    Raises
    ------
    ValueError
        If x does not increase strictly, there are fewer than two points, shapes differ, an entry
        is not finite, or a slope overflows.
    TypeError
        If an array does not hold real numbers.

    Notes
    -----
    Up to the last point the output equals ``np.interp`` but for rounding. The error is about the
    float64 precision, times the largest weighted activation, times the number of units. It is
    largest to the right, where steep pieces far to the left have to cancel.

    References
    ----------
    UDL section 3.2, universal approximation: the weights are constructed here, not trained.

    Examples
    --------
    >>> network = interpolant(np.array([0.0, 1.0, 3.0]), np.array([5.0, 7.0, 3.0]))
    >>> network.phi
    array([ 5.,  2., -4.])
    >>> forward(np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0]), *network).output
    array([5., 5., 6., 7., 5., 3., 1.])
    """
    x, y = vector(x=x), vector(y=y)
    same_shape(x=x, y=y)
    finite(x=x, y=y)
    if len(x) < 2:
        raise ValueError(f"expected at least two points, got x.shape={x.shape}")
    back = np.flatnonzero(x[1:] <= x[:-1])
    if back.size:
        i = int(back[0])
        raise ValueError(
            f"expected x to increase strictly, got x[{i}]={x[i]}, x[{i + 1}]={x[i + 1]}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        dx = np.diff(x)
        bends = np.diff(np.diff(y) / dx, prepend=0.0)
    if not (np.isfinite(dx).all() and np.isfinite(bends).all()):
        raise ValueError("expected slopes between the points within range, got overflow")
    theta = np.column_stack([0.0 - x[:-1], np.ones(len(x) - 1)])  # 0.0 for x = 0, not -0.0
    return Shallow(theta, np.concatenate([y[:1], bends]))


def parameter_count(D_i: int, D: int, D_o: int = 1) -> int:
    r"""Count the parameters of a shallow network, :math:`D (D_i + 1) + D_o (D + 1)`.

    Parameters
    ----------
    D_i, D, D_o : int
        Number of inputs, of hidden units, and of outputs, each at least 1.

    Returns
    -------
    int
        The number of weights and biases.

    Raises
    ------
    ValueError
        If a number is less than 1.
    TypeError
        If it is no integer.

    Examples
    --------
    >>> parameter_count(1, 3)
    10
    """
    count(D_i=D_i, D=D, D_o=D_o)
    # int(), because NumPy's integers wrap around.
    return int(D) * (int(D_i) + 1) + int(D_o) * (int(D) + 1)


def layers(
    theta: Real[np.ndarray, "D P"], phi: Real[np.ndarray, " Q"] | Real[np.ndarray, "D_o Q"]
) -> _network.Layers:
    r"""Write a shallow network in the notation of :mod:`udl.deep`: biases and weights by layer.

    .. math::

        \beta_0 = \theta_{\cdot 0}, \quad \Omega_0 = \theta_{\cdot 1 \ldots}, \quad
        \beta_1 = \phi_{\cdot 0}, \quad \Omega_1 = \phi_{\cdot 1 \ldots}

    Parameters
    ----------
    theta : array of shape (D, 1 + D_i)
        Bias and weights of each hidden unit.
    phi : array of shape (1 + D,) or (D_o, 1 + D)
        Bias and weights of each output.

    Returns
    -------
    Layers
        Two layers with the same numbers; one output has an axis here.

    Raises
    ------
    ValueError
        If shapes do not fit, an array is empty, or an entry is not finite.
    TypeError
        If an array does not hold real numbers.

    Examples
    --------
    >>> theta, phi = np.array([[0.0, 1.0], [-1.0, 1.0]]), np.array([0.5, 1.0, -2.0])
    >>> layers(theta, phi).widths
    (1, 2, 1)
    >>> layers(theta, phi).Omega[1]
    array([[ 1., -2.]])
    """
    theta = _units(theta)
    phi = np.atleast_2d(_outputs(phi, theta))
    return _network.layers(
        [theta[:, 0].copy(), phi[:, 0].copy()], [theta[:, 1:].copy(), phi[:, 1:].copy()]
    )


def _units(theta: Real[np.ndarray, "D P"]) -> Float[np.ndarray, "D P"]:
    """Return `theta` as float64, after a check of its shape and numbers."""
    finite(theta=theta)
    theta = matrix(theta=theta)
    if theta.shape[1] < 2:
        raise ValueError(
            f"expected a bias and at least one weight in each row, got theta.shape={theta.shape}"
        )
    return theta


def _outputs(
    phi: Real[np.ndarray, " Q"] | Real[np.ndarray, "D_o Q"], theta: Float[np.ndarray, "D P"]
) -> Float[np.ndarray, " Q"] | Float[np.ndarray, "D_o Q"]:
    """Return `phi` as float64, after a check that it fits the hidden units."""
    finite(phi=phi)
    phi = matrix(phi=phi) if np.ndim(phi) == 2 else vector(phi=phi)
    D = len(theta)
    if phi.shape[-1] != 1 + D:
        raise ValueError(
            f"expected a bias and a weight for each hidden unit, 1 + {D} numbers an output, "
            f"got phi.shape={phi.shape}"
        )
    return phi


def _network_at(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"],
    theta: Real[np.ndarray, "D P"],
    phi: Real[np.ndarray, " Q"] | Real[np.ndarray, "D_o Q"],
) -> tuple[
    Float[np.ndarray, "I D_i"],
    Float[np.ndarray, "D P"],
    Float[np.ndarray, " Q"] | Float[np.ndarray, "D_o Q"],
]:
    """Return inputs and parameters as float64, after a check that they fit one another."""
    theta = _units(theta)
    return inputs(x, theta.shape[1] - 1), theta, _outputs(phi, theta)
