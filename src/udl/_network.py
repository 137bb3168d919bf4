"""What `deep` and `regions` share: a network as its biases and weights, layer by layer."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._check import finite, matrix, vector


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
    beta, Omega : sequences of K + 1 arrays of shape (D_{k+1},) and (D_{k+1}, D_k)
        Biases and weights, from the input to the output.

    Returns
    -------
    Layers
        The same numbers, without a copy where that is possible.

    Raises
    ------
    ValueError
        If there is no layer, a shape does not fit the layer before it, or an entry is not finite.
    TypeError
        If an array does not hold real numbers.

    Examples
    --------
    >>> layers([np.zeros(3), np.zeros(1)], [np.ones((3, 2)), np.ones((1, 3))]).widths
    (2, 3, 1)
    """
    if len(beta) != len(Omega) or len(beta) == 0:
        raise ValueError(
            "expected one beta and one Omega a layer, and at least one layer, "
            f"got len(beta)={len(beta)}, len(Omega)={len(Omega)}"
        )
    biases: list[Float[np.ndarray, " D"]] = []
    weights: list[Float[np.ndarray, "D D_i"]] = []
    for k in range(len(beta)):
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
