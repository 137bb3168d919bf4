r"""Backpropagation in matrix form for the networks of `deep`, and how their weights start.

A forward pass keeps all preactivations :math:`f_k` and activations :math:`h_k`. The backward pass
reads them from the output to the input. Rows are examples; :math:`\odot` multiplies elementwise:

.. math::

    \frac{\partial L}{\partial \beta_k} = \sum_i \frac{\partial L}{\partial f_{ik}}, \qquad
    \frac{\partial L}{\partial \Omega_k} = \frac{\partial L}{\partial f_k}^T h_k

    \frac{\partial L}{\partial h_k} = \frac{\partial L}{\partial f_k} \Omega_k, \qquad
    \frac{\partial L}{\partial f_{k-1}} = \frac{\partial L}{\partial h_k} \odot a'[f_{k-1}]

It costs about two forward passes: each layer has two matrix products here, and one there.

Overflow becomes infinity or NaN in the gradient, without a warning.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from udl._check import finite, matrix, same_shape, vector
from udl._network import Elementwise, elementwise
from udl.activations import d_relu, relu
from udl.deep import Forward, Layers, forward, layers, parameter_count

__all__ = [
    "Gradient",
    "backward",
    "glorot_network",
    "he_network",
    "loss_and_gradient",
    "normal_network",
]

_Numbers = Real[np.ndarray, "..."] | Bool[np.ndarray, "..."]
_Loss = Callable[[_Numbers, Float[np.ndarray, "..."]], float]
_LossGradient = Callable[[_Numbers, Float[np.ndarray, "..."]], Real[np.ndarray, "..."]]


class Gradient(NamedTuple):
    """What a backward pass computes: the derivatives of the loss by all that it depends on.

    ``beta[k]`` and ``Omega[k]`` have the shapes of the biases and the weights. ``f[k]`` is the
    derivative by the preactivations of layer k, and ``x`` by the inputs; both have a row an
    example. No two share memory.
    """

    beta: tuple[Float[np.ndarray, "_"], ...]
    Omega: tuple[Float[np.ndarray, "_ _"], ...]
    f: tuple[Float[np.ndarray, "I _"], ...]
    x: Float[np.ndarray, "I D_i"]

    @property
    def layers(self) -> Layers:
        """The derivatives by the parameters only, in the form of a network: what a step needs."""
        return Layers(self.beta, self.Omega)


def backward(
    run: Forward,
    beta: Sequence[Real[np.ndarray, "_"]],
    Omega: Sequence[Real[np.ndarray, "_ _"]],
    d_output: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_o"],
    d_activation: Elementwise = d_relu,
) -> Gradient:
    r"""Compute the derivatives of a loss by all parameters, in one pass from the output back.

    For k = K, ..., 0, from :math:`\partial L / \partial f_K`, which is `d_output`:

    .. math::

        \frac{\partial L}{\partial \beta_k} = \sum_i \frac{\partial L}{\partial f_{ik}}, \quad
        \frac{\partial L}{\partial \Omega_k} = \frac{\partial L}{\partial f_k}^T h_k, \quad
        \frac{\partial L}{\partial f_{k-1}} =
        \Bigl( \frac{\partial L}{\partial f_k} \Omega_k \Bigr) \odot a'[f_{k-1}]

    Parameters
    ----------
    run : Forward
        What :func:`udl.deep.forward` returned for this network.
    beta, Omega : sequences of K + 1 arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output; D_in numbers enter a layer, D_out leave.
    d_output : array of shape (I, D_o), or (I,) for one output
        The derivative of the loss by the network's output.
    d_activation : function
        The derivative of the activation function that the run was made with, elementwise.

    Returns
    -------
    Gradient
        The derivatives by ``beta`` and ``Omega``, by all preactivations ``f``, and by ``x``.

    Raises
    ------
    ValueError
        If the arrays of `run` do not have the shapes of this network, `d_output` does not have the
        shape of the output or is not finite, layers do not fit one another, a weight is not
        finite, or `d_activation` changes the shape.
    TypeError
        If `run` is no Forward, an array does not hold real numbers, or `d_activation` returns
        something else.

    Notes
    -----
    Only the shapes of `run` are checked. That it belongs to these weights and to the activation
    function of `d_activation` is up to the caller.

    References
    ----------
    UDL section 7.4 (eq. 7.24 by UDL's notebook 7.2), for one example as a column; here examples
    are rows.

    Examples
    --------
    Four is the output, the target is one, and the loss is the square of the difference.

    >>> network = layers([np.zeros(2), np.ones(1)], [np.array([[1.0], [-1.0]]), np.ones((1, 2))])
    >>> run = forward(np.array([-3.0]), *network)
    >>> gradient = backward(run, *network, 2 * (run.output - 1.0))
    >>> gradient.beta
    (array([0., 6.]), array([6.]))
    >>> gradient.Omega
    (array([[  0.], [-18.]]), array([[ 0., 18.]]))
    """
    beta, Omega = layers(beta, Omega)
    _check_run(run, Layers(beta, Omega))
    K = len(Omega) - 1
    d_f, d_beta, d_Omega = {K: _column(d_output, run.output.shape)}, {}, {}
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(K, -1, -1):
            d_beta[k] = d_f[k].sum(axis=0)
            d_Omega[k] = d_f[k].T @ run.h[k]
            d_h = d_f[k] @ Omega[k]
            if k > 0:
                d_f[k - 1] = d_h * elementwise("d_activation", d_activation, run.f[k - 1])
    order = range(K + 1)
    return Gradient(
        beta=tuple(d_beta[k] for k in order),
        Omega=tuple(d_Omega[k] for k in order),
        f=tuple(d_f[k] for k in order),
        x=d_h,  # what layer 0 reads is x
    )


def loss_and_gradient(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"],
    y: _Numbers,
    beta: Sequence[Real[np.ndarray, "_"]],
    Omega: Sequence[Real[np.ndarray, "_ _"]],
    loss: _Loss,
    d_loss: _LossGradient,
    *,
    activation: Elementwise = relu,
    d_activation: Elementwise = d_relu,
) -> tuple[float, Layers]:
    r"""Compute a network's loss and its gradient: one forward and one backward pass.

    .. math:: L[\phi] = L(y, f_K), \qquad
        \frac{\partial L}{\partial \beta_k}, \; \frac{\partial L}{\partial \Omega_k}
        \quad \text{from} \quad \frac{\partial L}{\partial f_K}

    Parameters
    ----------
    x : array of shape (I, D_i), or (I,) for one input
        One example a row.
    y : array with one row or entry an example
        Targets, of the form that `loss` expects.
    beta, Omega : sequences of K + 1 arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output; D_in numbers enter a layer, D_out leave.
    loss, d_loss : functions of y and f
        The loss, one number, and its derivative by f, an array like f, as in :mod:`udl.losses`.
        f is the network's output of shape (I, D_o); of shape (I,) if D_o is 1 and y is a vector.
    activation, d_activation : functions
        Applied elementwise to the preactivations of each hidden layer, and its derivative.

    Returns
    -------
    loss : float
        The loss for these examples.
    gradient : Layers
        Its derivatives by all biases and weights.

    Raises
    ------
    ValueError
        If y does not have one entry or row an example, `loss` does not return one number, `d_loss`
        does not return finite numbers in the shape of f, or as :func:`backward` does.
    TypeError
        As :func:`backward` does.

    Examples
    --------
    >>> network = layers([np.zeros(2), np.ones(1)], [np.array([[1.0], [-1.0]]), np.ones((1, 2))])
    >>> x, y = np.array([-3.0, 2.0]), np.array([1.0, 3.0])
    >>> def squares(y, f):
    ...     return ((f - y) ** 2).sum()
    >>> def d_squares(y, f):
    ...     return 2 * (f - y)
    >>> L, gradient = loss_and_gradient(x, y, *network, squares, d_squares)
    >>> L, gradient.beta[1]
    (9.0, array([6.]))
    """
    run = forward(x, beta, Omega, activation)
    if np.ndim(y) == 0 or len(y) != len(run.output):
        raise ValueError(
            f"expected a target for each of {len(run.output)} examples, got y.shape={np.shape(y)}"
        )
    one = np.ndim(y) == 1 and run.output.shape[1] == 1
    f = run.output[:, 0] if one else run.output
    L, d_output = loss(y, f), d_loss(y, f)
    if np.size(L) != 1:
        raise ValueError(f"expected loss(y, f) to be one number, got shape {np.shape(L)}")
    same_shape(**{"d_loss(y, f)": d_output, "f": f})
    return float(L), backward(run, beta, Omega, d_output, d_activation).layers


def he_network(widths: Sequence[int], seed: int | np.random.Generator) -> Layers:
    r"""Draw weights whose size suits the ReLU, by the rule of He; biases are zero.

    .. math:: \beta_k = 0, \qquad \Omega_k \sim \text{Norm}\left[0,\, \frac{2}{D_k}\right]

    :math:`D_k` is the number of inputs of layer k.

    Parameters
    ----------
    widths : sequence of at least 2 positive integers
        Number of inputs, of units in each hidden layer, and of outputs.
    seed : int or numpy.random.Generator
        The same seed draws the same network; a generator goes on from where it is.

    Returns
    -------
    Layers
        A network of these widths.

    Raises
    ------
    ValueError
        If there are fewer than two widths, one is less than 1, or NumPy refuses the seed.
    TypeError
        If `widths` is no sequence, a width is no integer, or NumPy refuses the seed.

    Notes
    -----
    A ReLU sets half of a symmetric distribution to zero. The 2 makes up for it: over random
    weights, the mean square of the preactivations is the same in all layers. The first layer
    reads inputs that nothing has clipped, so there it is twice the mean square of the inputs.

    The distribution is that of ``torch.nn.init.kaiming_normal_(weight, nonlinearity="relu")``,
    with ``mode="fan_in"``, its default. The numbers are NumPy's.

    References
    ----------
    UDL section 7.5; He et al., Delving deep into rectifiers, 2015.

    Examples
    --------
    >>> network = he_network((200, 100, 1), seed=0)
    >>> network.widths
    (200, 100, 1)
    >>> bool(abs(network.Omega[0].std() - 0.1) < 0.01)
    True
    """
    return _draw(widths, seed, lambda inputs, outputs: math.sqrt(2 / inputs))


def glorot_network(widths: Sequence[int], seed: int | np.random.Generator) -> Layers:
    r"""Draw weights whose size suits both directions, by the rule of Glorot; biases are zero.

    .. math::

        \beta_k = 0, \qquad
        \Omega_k \sim \text{Norm}\left[0,\, \frac{2}{D_k + D_{k+1}}\right]

    :math:`D_k` and :math:`D_{k+1}` are the numbers of inputs and of outputs of layer k.

    Parameters
    ----------
    widths : sequence of at least 2 positive integers
        Number of inputs, of units in each hidden layer, and of outputs.
    seed : int or numpy.random.Generator
        The same seed draws the same network; a generator goes on from where it is.

    Returns
    -------
    Layers
        A network of these widths.

    Raises
    ------
    ValueError
        If there are fewer than two widths, one is less than 1, or NumPy refuses the seed.
    TypeError
        If `widths` is no sequence, a width is no integer, or NumPy refuses the seed.

    Notes
    -----
    Where the activation function is close to the identity, as tanh is near zero, the variance
    :math:`1/D_k` keeps the size of values on the way forward, and :math:`1/D_{k+1}` that of
    derivatives on the way back. This is the compromise. UDL makes the same one for the ReLU, where
    both are twice as large.

    The distribution is that of ``torch.nn.init.xavier_normal_(weight)``. The numbers are NumPy's.

    References
    ----------
    UDL section 7.5; Glorot and Bengio, Understanding the difficulty of training deep feedforward
    neural networks, 2010.

    Examples
    --------
    >>> network = glorot_network((150, 50, 1), seed=0)
    >>> bool(abs(network.Omega[0].std() - 0.1) < 0.01)
    True
    """
    return _draw(widths, seed, lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)))


def normal_network(
    widths: Sequence[int], seed: int | np.random.Generator, sigma: float | int
) -> Layers:
    r"""Draw weights of one size in all layers, whatever the widths; biases are zero.

    .. math:: \beta_k = 0, \qquad \Omega_k \sim \text{Norm}[0, \sigma^2]

    Parameters
    ----------
    widths : sequence of at least 2 positive integers
        Number of inputs, of units in each hidden layer, and of outputs.
    seed : int or numpy.random.Generator
        The same seed draws the same network; a generator goes on from where it is.
    sigma : float
        The standard deviation of all weights, not negative.

    Returns
    -------
    Layers
        A network of these widths.

    Raises
    ------
    ValueError
        If `sigma` is negative or not finite, there are fewer than two widths, one is less than 1,
        or NumPy refuses the seed.
    TypeError
        If `widths` is no sequence, a width is no integer, or NumPy refuses the seed.

    Notes
    -----
    The distribution is that of ``torch.nn.init.normal_(weight, std=sigma)``. The numbers are
    NumPy's.

    References
    ----------
    UDL section 7.5, which asks for the right sigma.

    Examples
    --------
    >>> network = normal_network((100, 100, 1), seed=0, sigma=3.0)
    >>> bool(abs(network.Omega[0].std() - 3.0) < 0.1)
    True
    """
    if not 0 <= sigma < math.inf:
        raise ValueError(f"expected a standard deviation 0 <= sigma < inf, got sigma={sigma}")
    return _draw(widths, seed, lambda inputs, outputs: float(sigma))


def _draw(
    widths: Sequence[int],
    seed: int | np.random.Generator,
    deviation: Callable[[int, int], float],
) -> Layers:
    """Draw normal weights, with a standard deviation by each layer's inputs and outputs."""
    parameter_count(widths)  # refuses widths that make no network
    rng = np.random.default_rng(seed)
    sizes = [(int(inputs), int(outputs)) for inputs, outputs in pairwise(widths)]
    return Layers(
        tuple(np.zeros(outputs) for _, outputs in sizes),
        tuple(
            deviation(inputs, outputs) * rng.standard_normal((outputs, inputs))
            for inputs, outputs in sizes
        ),
    )


def _check_run(run: Forward, network: Layers) -> None:
    """Refuse what is no forward pass through a network of these widths."""
    if not isinstance(run, Forward):
        raise TypeError(f"expected run = deep.forward(...), got run of type {type(run).__name__}")
    widths = network.widths
    if not len(run.f) == len(run.h) == len(network.beta):
        raise ValueError(
            f"expected the run of a network of widths {widths}, with {len(network.beta)} layers, "
            f"got len(run.f)={len(run.f)}, len(run.h)={len(run.h)}"
        )
    I = len(run.h[0])
    for name, arrays, columns in ("h", run.h, widths[:-1]), ("f", run.f, widths[1:]):
        for k, (array, D) in enumerate(zip(arrays, columns, strict=True)):
            if np.shape(array) != (I, D):
                raise ValueError(
                    f"expected the run of a network of widths {widths}, with run.{name}[{k}] of "
                    f"shape {(I, D)}, got run.{name}[{k}].shape={np.shape(array)}"
                )


def _column(
    d_output: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_o"], shape: tuple[int, ...]
) -> Float[np.ndarray, "I D_o"]:
    """Return a copy of the derivative by the output as a matrix of this shape."""
    one = np.ndim(d_output) == 1 and shape[1] == 1
    d = np.array(vector(d_output=d_output)[:, None] if one else matrix(d_output=d_output))
    if d.shape != shape:
        raise ValueError(
            f"expected d_output of the output's shape {shape}, got d_output.shape={d_output.shape}"
        )
    finite(d_output=d_output)
    return d
