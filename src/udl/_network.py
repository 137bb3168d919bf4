"""What `shallow`, `deep` and `regions` share: a network by layers, and how one layer works."""

from collections.abc import Callable, Sequence, Sized
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._check import finite, matrix, vector

Elementwise = Callable[[Float[np.ndarray, "I D"]], Real[np.ndarray, "I D"]]


class Layers(NamedTuple):
    """A network: ``beta[k]`` and ``Omega[k]`` are the biases and the weights of layer k.

    ``Omega[k]`` has one row an output of the layer and one column an input, like
    ``torch.nn.Linear.weight``. The last layer is the network's output; all before it are hidden.
    """

    beta: tuple[Float[np.ndarray, "_"], ...]
    Omega: tuple[Float[np.ndarray, "_ _"], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of inputs, of units in each hidden layer, and of outputs."""
        return (self.Omega[0].shape[1], *(len(b) for b in self.beta))


def layers(
    beta: Sequence[Real[np.ndarray, "_"]], Omega: Sequence[Real[np.ndarray, "_ _"]]
) -> Layers:
    """Return a network's layers as float64 arrays, after a check that they fit one another.

    Parameters
    ----------
    beta, Omega : sequences of K + 1 arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output; D_in numbers enter a layer, D_out leave.

    Returns
    -------
    Layers
        The same numbers, without a copy where that is possible.

    Raises
    ------
    ValueError
        If there is no layer, a shape does not fit the layer before it, or an entry is not finite.
    TypeError
        If an array does not hold real numbers, or `beta` or `Omega` has no length.

    Examples
    --------
    >>> layers([np.zeros(3), np.zeros(1)], [np.ones((3, 2)), np.ones((1, 3))]).widths
    (2, 3, 1)
    """
    biased, weighted = length(beta=beta), length(Omega=Omega)
    if isinstance(Omega, np.ndarray) and Omega.ndim < 3 and Omega.dtype != object:
        raise ValueError(
            f"expected a matrix of weights for each layer, got Omega.shape={Omega.shape}; "
            "udl.shallow.layers(theta, phi) makes layers of a shallow network"
        )
    if biased != weighted or biased == 0:
        raise ValueError(
            "expected one beta and one Omega a layer, and at least one layer, "
            f"got len(beta)={biased}, len(Omega)={weighted}"
        )
    biases: list[Float[np.ndarray, " D"]] = []
    weights: list[Float[np.ndarray, "D D_i"]] = []
    for k in range(biased):
        b, W = vector(**{f"beta[{k}]": beta[k]}), matrix(**{f"Omega[{k}]": Omega[k]})
        finite(**{f"beta[{k}]": b, f"Omega[{k}]": W})
        if len(b) != len(W):
            raise ValueError(
                f"expected a bias for each row of weights, got beta[{k}].shape={b.shape}, "
                f"Omega[{k}].shape={W.shape}"
            )
        if k and W.shape[1] != len(biases[-1]):
            raise ValueError(
                f"expected a column of weights for each of the {len(biases[-1])} units of the "
                f"layer before, got Omega[{k}].shape={W.shape}"
            )
        biases.append(b)
        weights.append(W)
    return Layers(tuple(biases), tuple(weights))


def inputs(
    x: Real[np.ndarray, " I"] | Real[np.ndarray, "I D_i"], D_i: int
) -> Float[np.ndarray, "I D_i"]:
    """Return a copy of x as float64, a column an input, after a check that there are `D_i`."""
    single = D_i == 1 and np.ndim(x) == 1
    if not single and (np.ndim(x) != 2 or np.shape(x)[1] != D_i):
        shapes = "(I,) or (I, 1)" if D_i == 1 else f"(I, {D_i})"
        raise ValueError(
            f"expected x of shape {shapes} for a network with D_i={D_i}, got x.shape={np.shape(x)}"
        )
    return np.array(vector(x=x)[:, None] if single else matrix(x=x))


def affine(
    h: Float[np.ndarray, "I D"], beta: Float[np.ndarray, " D_o"], Omega: Float[np.ndarray, "D_o D"]
) -> Float[np.ndarray, "I D_o"]:
    """Return beta + Omega h for each row of h; overflow becomes infinity, without a warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(beta + h @ Omega.T)


def elementwise(
    name: str, function: Elementwise, f: Float[np.ndarray, "I D"]
) -> Float[np.ndarray, "I D"]:
    """Return function(f) as float64, after a check that it has the shape of f.

    The copies keep f as it is when the function works in place, or uses one array in every call.
    """
    value = np.array(function(f.copy()))
    if value.shape != f.shape:
        raise ValueError(
            f"expected {name} to work elementwise, got {name}(f).shape={value.shape}, "
            f"f.shape={f.shape}"
        )
    return matrix(**{f"{name}(f)": value})


def length(**named: Sized) -> int:
    """Return the length of the one named sequence, or raise TypeError if it has none."""
    ((name, value),) = named.items()
    try:
        return len(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"expected a sequence, got {name} of type {kind}") from None
