r"""Deep networks: forward pass, composition, collapse, parameter counts, two ways to make one.

A network has K hidden layers. Layer k has biases ``beta[k]`` and weights ``Omega[k]``, k = 0..K:

.. math::

    f_0 = \beta_0 + \Omega_0 x, \qquad h_k = a[f_{k-1}], \qquad f_k = \beta_k + \Omega_k h_k

The last preactivations :math:`f_K` are the output. Rows are examples. The functions that take
``beta`` and ``Omega`` take a whole network as ``*network``. Every function raises ValueError where
layers do not fit one another or a weight is not finite, and TypeError where one is no real number.

NaN and infinity in x pass on to the outputs of their row by the rules of floating-point
arithmetic, and so does overflow, as infinity. Nothing but a function handed over can warn.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._network import Elementwise, Layers, affine, elementwise, inputs, layers, length
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
    ``h[k]`` the activations of hidden layer k. Each has one row an example, and the axis D_o is
    there for one output too: unlike :func:`predict`, and :mod:`udl.shallow` with a vector phi. No
    two share memory, nor with x.
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
    activation: Elementwise = relu,
) -> Forward:
    r"""Run a network and keep every intermediate result.

    .. math:: h_0 = x, \qquad f_k = \beta_k + \Omega_k h_k, \qquad h_{k+1} = a[f_k]

    Parameters
    ----------
    x : array of shape (I, D_i), or (I,) for one input
        One example a row.
    beta, Omega : sequences of K + 1 arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output (K = 0 is a linear model); D_in numbers
        enter a layer, D_out leave.
    activation : function
        Applied elementwise to the preactivations of each hidden layer.

    Returns
    -------
    Forward
        ``f`` and ``h``, K + 1 arrays each, and ``output`` of shape (I, D_o).

    Raises
    ------
    ValueError
        If x is empty or does not have the network's number of inputs, layers do not fit one
        another, a weight is not finite, or the activation changes the shape.
    TypeError
        If an array does not hold real numbers, or the activation returns something else.

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
    h = [inputs(x, Omega[0].shape[1])]
    f = [affine(h[0], beta[0], Omega[0])]
    for b, W in zip(beta[1:], Omega[1:], strict=True):
        h.append(elementwise("activation", activation, f[-1]))
        f.append(affine(h[-1], b, W))
    return Forward(tuple(f), tuple(h))


def predict(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"],
    beta: Sequence[Real[np.ndarray, "_"]],
    Omega: Sequence[Real[np.ndarray, "_ _"]],
    activation: Elementwise = relu,
) -> Float[np.ndarray, " I"] | Float[np.ndarray, "I D_o"]:
    """Compute a network's output only, as :func:`forward` does.

    Parameters
    ----------
    x : array of shape (I, D_i), or (I,) for one input
        One example a row.
    beta, Omega : sequences of K + 1 arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output; D_in numbers enter a layer, D_out leave.
    activation : function
        Applied elementwise to the preactivations of each hidden layer.

    Returns
    -------
    array of shape (I,) for a network with one output, else (I, D_o)

    Raises
    ------
    ValueError, TypeError
        As :func:`forward` does.

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
        A network with the hidden layers of both. It shares no memory with them.

    Raises
    ------
    ValueError
        If outputs and inputs do not match in number, layers of one do not fit one another, a
        weight is not finite, or a product exceeds the float64 range.
    TypeError
        If an array does not hold real numbers.

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
    seam = len(first.beta) - 1
    psi0, Psi = _after(first.beta[-1], first.Omega[-1], second.beta[0], second.Omega[0], seam)
    return _copy(
        (*first.beta[:-1], psi0, *second.beta[1:]), (*first.Omega[:-1], Psi, *second.Omega[1:])
    )


def collapse(
    beta: Sequence[Real[np.ndarray, "_"]], Omega: Sequence[Real[np.ndarray, "_ _"]]
) -> Layers:
    r"""Write a network without activation functions as the one linear layer that it is.

    .. math:: \Omega = \Omega_K \cdots \Omega_1 \Omega_0, \qquad
        \beta = \beta_K + \Omega_K (\beta_{K-1} + \Omega_{K-1} (\cdots + \Omega_1 \beta_0))

    Parameters
    ----------
    beta, Omega : sequences of K + 1 arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output; D_in numbers enter a layer, D_out leave.

    Returns
    -------
    Layers
        One layer, all of it new; the rank of its weights is at most the narrowest width.

    Raises
    ------
    ValueError
        If layers do not fit one another, a weight is not finite, or a product exceeds the float64
        range.
    TypeError
        If an array does not hold real numbers.

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
    beta, Omega = layers(beta, Omega)
    b, W = beta[0], Omega[0]
    for k in range(1, len(beta)):
        b, W = _after(b, W, beta[k], Omega[k], k)
    return _copy((b,), (W,))


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
        If `widths` is no sequence, or a width is no integer.

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
        If there are fewer than two widths, one is less than 1, or NumPy refuses the seed.
    TypeError
        If `widths` is no sequence, a width is no integer, or NumPy refuses the seed.

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
    return _copy(
        (tent.beta[0], *[twice.beta[1]] * (K - 1), tent.beta[1]),
        (tent.Omega[0], *[twice.Omega[1]] * (K - 1), tent.Omega[1]),
    )


def _copy(
    beta: tuple[Float[np.ndarray, "_"], ...], Omega: tuple[Float[np.ndarray, "_ _"], ...]
) -> Layers:
    """Return a network of new arrays, so that a change of one is a change of no other."""
    return Layers(tuple(b.copy() for b in beta), tuple(W.copy() for W in Omega))


def _after(
    b: Float[np.ndarray, " D"],
    W: Float[np.ndarray, "D D_i"],
    b_next: Float[np.ndarray, " D_o"],
    W_next: Float[np.ndarray, "D_o D"],
    k: int,
) -> tuple[Float[np.ndarray, " D_o"], Float[np.ndarray, "D_o D_i"]]:
    """Return the one linear layer that does what two do; k is its number in the message."""
    with np.errstate(over="ignore", invalid="ignore"):
        b, W = b_next + W_next @ b, W_next @ W
    for name, array in ("beta", b), ("Omega", W):
        if not np.isfinite(array).all():
            raise ValueError(f"expected products within range, got overflow in {name}[{k}]")
    return b, W


def _checked(widths: Sequence[int]) -> tuple[int, ...]:
    """Return widths as Python integers, after a check that they describe a network."""
    if length(widths=widths) < 2:
        raise ValueError(f"expected at least the inputs and the outputs, got widths={widths}")
    if not all(_is_integer(width) for width in widths):
        raise TypeError(f"expected integers, got widths={widths}")
    if min(widths) < 1:
        raise ValueError(f"expected at least 1 of each, got widths={widths}")
    return tuple(int(width) for width in widths)


def _is_integer(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)
