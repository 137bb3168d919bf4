r"""Deep networks: forward pass, composition, collapse, parameter counts, two ways to make one.

A network has K hidden layers. Layer k has biases ``beta[k]`` and weights ``Omega[k]``, k = 0..K:

.. math::

    f_0 = \beta_0 + \Omega_0 x, \qquad h_k = a[f_{k-1}], \qquad f_k = \beta_k + \Omega_k h_k

The last preactivations :math:`f_K` are the output. Rows are examples. The functions that take
``beta`` and ``Omega`` take a whole network as ``*network``. Every function raises ValueError where
layers do not fit one another or a weight is not finite.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._check import matrix
from udl._network import Layers, layers
from udl.activations import relu

__all__ = [
    "Forward",
    "Layers",
    "collapse",
    "compose",
    "forward",
    "layers",
    "parameter_count",
    "predict",
    "random_network",
    "triangle_wave",
]


class Forward(NamedTuple):
    """What a forward pass computes: all preactivations f and all activations h.

    ``f[k]`` belongs to layer k, k = 0..K. ``h[k]`` is what layer k reads: ``h[0]`` is the input,
    ``h[k]`` the activations of hidden layer k. Each has one row an example.
    """

    f: tuple[Float[np.ndarray, "I _"], ...]
    h: tuple[Float[np.ndarray, "I _"], ...]

    @property
    def output(self) -> Float[np.ndarray, "I D_o"]:
        """The network's output, the preactivations of its last layer."""
        return self.f[-1]


def forward(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"],
    beta: Sequence[Real[np.ndarray, "_"]],
    Omega: Sequence[Real[np.ndarray, "_ _"]],
    activation: Callable[[Float[np.ndarray, "_ _"]], Real[np.ndarray, "_ _"]] = relu,
) -> Forward:
    r"""Run a network and keep every intermediate result.

    .. math:: h_0 = x, \qquad f_k = \beta_k + \Omega_k h_k, \qquad h_{k+1} = a[f_k]

    Parameters
    ----------
    x : array of shape (I, D_i), or (I,) for one input
        One example a row. NaN is passed on.
    beta, Omega : sequences of K + 1 arrays of shape (D_{k+1},) and (D_{k+1}, D_k)
        Biases and weights, from the input to the output. K = 0 is a linear model.
    activation : function
        Applied elementwise to the preactivations of each hidden layer.

    Returns
    -------
    Forward
        ``f`` and ``h``, K + 1 arrays each, and ``output`` of shape (I, D_o).

    Raises
    ------
    ValueError
        If x does not have the network's number of inputs, or the activation changes the shape.

    References
    ----------
    UDL section 4.4, in the notation of chapter 7.

    Examples
    --------
    >>> Omega = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]
    >>> network = layers([np.zeros(2), np.ones(1)], Omega)
    >>> run = forward(np.array([-3.0, 2.0]), *network)
    >>> run.h[1]
    array([[0., 3.],
           [2., 0.]])
    >>> run.output
    array([[4.],
           [3.]])
    """
    beta, Omega = layers(beta, Omega)
    inputs = Omega[0].shape[1]
    if np.ndim(x) == 1 and inputs == 1:
        x = np.reshape(x, (-1, 1))
    if np.ndim(x) != 2 or np.shape(x)[1] != inputs:
        raise ValueError(
            f"expected x of shape (I, {inputs}) for Omega[0].shape={Omega[0].shape}, "
            f"got x.shape={np.shape(x)}"
        )
    f: list[Float[np.ndarray, "_ _"]] = []
    h = [matrix(x=x)]
    for k, (b, W) in enumerate(zip(beta, Omega, strict=True)):
        if k:
            h.append(np.asarray(activation(f[-1]), dtype=np.float64))
            if h[-1].shape != f[-1].shape:
                raise ValueError(
                    f"expected an elementwise activation, got shape {h[-1].shape} "
                    f"for f[{k - 1}].shape={f[-1].shape}"
                )
        f.append(np.asarray(b + h[-1] @ W.T))
    return Forward(tuple(f), tuple(h))


def predict(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"],
    beta: Sequence[Real[np.ndarray, "_"]],
    Omega: Sequence[Real[np.ndarray, "_ _"]],
    activation: Callable[[Float[np.ndarray, "_ _"]], Real[np.ndarray, "_ _"]] = relu,
) -> Float[np.ndarray, " I"] | Float[np.ndarray, "I D_o"]:
    """Compute a network's output only, as :func:`forward` does.

    Parameters
    ----------
    x : array of shape (I, D_i), or (I,) for one input
        One example a row.
    beta, Omega : sequences of K + 1 arrays of shape (D_{k+1},) and (D_{k+1}, D_k)
        Biases and weights, from the input to the output.
    activation : function
        Applied elementwise to the preactivations of each hidden layer.

    Returns
    -------
    array of shape (I,) for a network with one output, else (I, D_o)

    Examples
    --------
    >>> Omega = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]
    >>> network = layers([np.zeros(2), np.ones(1)], Omega)
    >>> predict(np.array([-3.0, 2.0]), *network)
    array([4., 3.])
    """
    output = forward(x, beta, Omega, activation).output
    return output[:, 0] if output.shape[1] == 1 else output


def compose(first: Layers, second: Layers) -> Layers:
    r"""Make one network of two, the second after the first.

    Between the last hidden units of the first network and the first hidden units of the second
    there are two linear layers. They become one, with biases and weights

    .. math:: \psi_0 = \beta'_0 + \Omega'_0 \beta_K, \qquad \Psi = \Omega'_0 \Omega_K

    where the prime marks the second network. The rank of :math:`\Psi` is at most the number of
    values handed over; free weights in its place could have a higher one.

    Parameters
    ----------
    first, second : Layers
        Two networks; the first has as many outputs as the second has inputs.

    Returns
    -------
    Layers
        A network with the hidden layers of both. Unchanged layers are shared, not copied.

    Raises
    ------
    ValueError
        If outputs and inputs do not match in number, or a product exceeds the float64 range.

    References
    ----------
    UDL sections 4.1 and 4.2; eq. 4.5, where one value is handed over and the rank is one.

    Examples
    --------
    >>> beta = [np.array([0.0, -0.5]), np.zeros(1)]
    >>> tent = layers(beta, [np.ones((2, 1)), np.array([[2.0, -4.0]])])
    >>> twice = compose(tent, tent)
    >>> twice.widths
    (1, 2, 2, 1)
    >>> twice.Omega[1]
    array([[ 2., -4.],
           [ 2., -4.]])
    """
    first, second = layers(*first), layers(*second)
    if first.widths[-1] != second.widths[0]:
        raise ValueError(
            "expected as many outputs of the first network as inputs of the second, "
            f"got first.widths={first.widths}, second.widths={second.widths}"
        )
    psi = _after(first.beta[-1], first.Omega[-1], second.beta[0], second.Omega[0])
    return Layers(
        (*first.beta[:-1], psi.beta[0], *second.beta[1:]),
        (*first.Omega[:-1], psi.Omega[0], *second.Omega[1:]),
    )


def collapse(
    beta: Sequence[Real[np.ndarray, "_"]], Omega: Sequence[Real[np.ndarray, "_ _"]]
) -> Layers:
    r"""Write a network without activation functions as the one linear layer that it is.

    .. math:: \Omega = \Omega_K \cdots \Omega_1 \Omega_0, \qquad
        \beta = \beta_K + \Omega_K (\beta_{K-1} + \Omega_{K-1} (\cdots + \Omega_1 \beta_0))

    Parameters
    ----------
    beta, Omega : sequences of K + 1 arrays of shape (D_{k+1},) and (D_{k+1}, D_k)
        Biases and weights, from the input to the output.

    Returns
    -------
    Layers
        One layer; the rank of its weights is at most the narrowest width.

    Raises
    ------
    ValueError
        If a product exceeds the float64 range.

    References
    ----------
    UDL chapter 3, problems: a linear activation function.

    Examples
    --------
    >>> Omega = [np.array([[1.0], [2.0]]), np.array([[1.0, 10.0]])]
    >>> line = collapse([np.array([1.0, 0.0]), np.array([3.0])], Omega)
    >>> line.beta[0], line.Omega[0]
    (array([4.]), array([[21.]]))
    """
    network = layers(beta, Omega)
    total = Layers(network.beta[:1], network.Omega[:1])
    for b, W in zip(network.beta[1:], network.Omega[1:], strict=True):
        total = _after(total.beta[0], total.Omega[0], b, W)
    return total


def parameter_count(widths: Sequence[int]) -> int:
    r"""Count the weights and biases of a network.

    .. math:: \sum_{k=0}^{K} D_{k+1} (D_k + 1), \qquad D_0 = D_i, \quad D_{K+1} = D_o

    For one input, one output and K hidden layers of D units: :math:`3D + 1 + (K-1)D(D+1)`.

    Parameters
    ----------
    widths : sequence of at least 2 positive integers
        Number of inputs, of units in each hidden layer, and of outputs.

    Returns
    -------
    int
        The number of parameters.

    Raises
    ------
    ValueError
        If there are fewer than two widths, or one is less than 1.
    TypeError
        If a width is no integer.

    References
    ----------
    UDL section 4.5.2 for one input and one output.

    Examples
    --------
    >>> parameter_count((1, 3, 3, 1))
    22
    """
    widths = _checked(widths)
    return sum(out * (in_ + 1) for in_, out in pairwise(widths))


def random_network(widths: Sequence[int], seed: int | np.random.Generator) -> Layers:
    r"""Draw a network's biases and weights at random, by PyTorch's rule for ``nn.Linear``.

    .. math:: \beta_k, \Omega_k \sim \text{Uniform}\left(-1/\sqrt{D_k},\, 1/\sqrt{D_k}\right)

    Each number is drawn on its own. :math:`D_k` is the number of inputs of layer k.

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
        If there are fewer than two widths, or one is less than 1.
    TypeError
        If a width is no integer.

    Notes
    -----
    The distribution is PyTorch's; the numbers are NumPy's.

    References
    ----------
    PyTorch documentation, ``torch.nn.Linear``: how weight and bias are initialized.

    Examples
    --------
    >>> network = random_network((4, 3, 1), seed=0)
    >>> network.widths
    (4, 3, 1)
    >>> bool(np.abs(network.Omega[0]).max() <= 1 / 2)
    True
    """
    widths = _checked(widths)
    rng = np.random.default_rng(seed)
    beta, Omega = [], []
    for in_, out in pairwise(widths):
        bound = in_**-0.5
        Omega.append(rng.uniform(-bound, bound, (out, in_)))
        beta.append(rng.uniform(-bound, bound, out))
    return Layers(tuple(beta), tuple(Omega))


def triangle_wave(K: int) -> Layers:
    r"""Construct a network whose wave has twice as many teeth with each hidden layer.

    Two ReLU units make a tent on [0, 1], and K tents in a row make the wave:

    .. math:: t(x) = 2 a[x] - 4 a[x - \tfrac12], \qquad y = t(t(\cdots t(x)))

    On [0, 1] it goes from 0 to 1 and back :math:`2^{K-1}` times: :math:`2^K` linear pieces from
    :math:`6K + 1` parameters. A shallow network needs a unit for each joint.

    Parameters
    ----------
    K : int
        Number of hidden layers, at least 1.

    Returns
    -------
    Layers
        A network with one input, K hidden layers of 2 units, and one output.

    Raises
    ------
    ValueError
        If K is less than 1.
    TypeError
        If K is no integer.

    Notes
    -----
    Nothing is rounded on the way: for each float64 x in [0, 1] the output is exact. Left of 0 it
    is 0; right of 1 it is 0 for K > 1, while a single tent goes on falling.

    References
    ----------
    Telgarsky, Benefits of depth in neural networks, COLT 2016. UDL chapter 4, notes: depth
    efficiency.

    Examples
    --------
    >>> x = np.array([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])
    >>> predict(x, *triangle_wave(1))
    array([0.  , 0.25, 0.5 , 1.  , 0.5 , 0.  ])
    >>> predict(x, *triangle_wave(2))
    array([0. , 0.5, 1. , 0. , 1. , 0. ])
    """
    if not _is_integer(K):
        raise TypeError(f"expected an integer, got K={K!r}")
    if K < 1:
        raise ValueError(f"expected at least one hidden layer, got K={K}")
    tent = Layers((np.array([0.0, -0.5]), np.zeros(1)), (np.ones((2, 1)), np.array([[2.0, -4.0]])))
    twice = compose(tent, tent)  # its middle layer joins any two tents
    return Layers(
        (tent.beta[0], *[twice.beta[1]] * (K - 1), tent.beta[1]),
        (tent.Omega[0], *[twice.Omega[1]] * (K - 1), tent.Omega[1]),
    )


def _after(
    b: Float[np.ndarray, " D"],
    W: Float[np.ndarray, "D D_i"],
    b_next: Float[np.ndarray, " D_o"],
    W_next: Float[np.ndarray, "D_o D"],
) -> Layers:
    """Return the one linear layer that does what two do."""
    with np.errstate(over="ignore", invalid="ignore"):
        b, W = b_next + W_next @ b, W_next @ W
    if not (np.isfinite(b).all() and np.isfinite(W).all()):
        raise ValueError("expected products of weights within range, got overflow")
    return Layers((b,), (W,))


def _checked(widths: Sequence[int]) -> tuple[int, ...]:
    """Return widths as Python integers, after a check that they describe a network."""
    if len(widths) < 2:
        raise ValueError(f"expected at least the inputs and the outputs, got widths={widths}")
    if not all(_is_integer(width) for width in widths):
        raise TypeError(f"expected integers, got widths={widths}")
    if min(widths) < 1:
        raise ValueError(f"expected at least 1 of each, got widths={widths}")
    return tuple(int(width) for width in widths)


def _is_integer(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)
