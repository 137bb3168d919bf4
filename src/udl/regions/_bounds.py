"""How many linear regions a ReLU network of given widths can have."""

from collections.abc import Sequence
from math import comb, prod
from operator import index


def zaslavsky(D: int, D_i: int) -> int:
    r"""Count the parts into which D hyperplanes in general position cut the space of D_i inputs.

    .. math:: \sum_{j=0}^{D_i} \binom{D}{j}

    So many activation regions a shallow network with D hidden units can have, and no more. A
    network reaches the number where no two hyperplanes are parallel and no more than D_i of them
    share a point; with output weights that are not zero these are linear regions too.

    Parameters
    ----------
    D : int
        Hidden units.
    D_i : int
        Inputs.

    Returns
    -------
    int
        The exact number, however large.

    Raises
    ------
    ValueError
        If a number is negative.
    TypeError
        If a number is not an integer.

    References
    ----------
    Zaslavsky 1975, Facing up to arrangements. UDL section 3.8.2 and problem 3.18.

    Examples
    --------
    >>> zaslavsky(3, 1), zaslavsky(3, 2)
    (4, 7)
    """
    for name, number in (("D", D), ("D_i", D_i)):
        if index(number) < 0:
            raise ValueError(f"expected a number that is not negative, got {name}={number}")
    D, D_i = index(D), index(D_i)
    return sum(comb(D, j) for j in range(min(D, D_i) + 1))


def upper_bound(widths: Sequence[int]) -> int:
    r"""Return a number of regions that no ReLU network of these widths exceeds.

    .. math:: \sum_{j \in J} \prod_{k=1}^{K} \binom{D_k}{j_k}, \qquad
        J = \{j : 0 \le j_k \le \min(D_i, D_1 - j_1, \dots, D_{k-1} - j_{k-1}, D_k)\}

    For one input, and at least two units in each hidden layer but the last, this is the product
    of all :math:`D_k + 1`. For one hidden layer it is Zaslavsky's number.

    Parameters
    ----------
    widths : sequence of int
        Inputs, units of each hidden layer, outputs: ``Layers.widths``.

    Returns
    -------
    int
        The exact number, however large. It bounds activation regions, and so linear ones.

    Raises
    ------
    ValueError
        If there are fewer than two numbers, or one is not positive.
    TypeError
        If a number is not an integer.

    Notes
    -----
    A part on which j_k units of layer k are inactive has an image of at most D_k - j_k dimensions.
    What has few dimensions left is cut into fewer parts by the layers behind.

    References
    ----------
    Serra, Tjandraatmadja and Ramalingam 2018, Bounding and counting linear regions of deep neural
    networks: their upper bound for rectifier networks.

    Examples
    --------
    >>> upper_bound((1, 3, 3, 1)), upper_bound((2, 3, 1))
    (16, 7)
    """
    D_i, hidden = _split(widths)

    # From the last layer to the first: the parts of a region whose image there has d dimensions.
    parts = [1] * (D_i + 1)
    for D in reversed(hidden):
        parts = [
            sum(comb(D, j) * parts[min(d, D - j)] for j in range(min(d, D) + 1))
            for d in range(D_i + 1)
        ]
    return parts[D_i]


def lower_bound(widths: Sequence[int]) -> int:
    r"""Return a number of linear regions that some ReLU network of these widths has.

    The largest that one of these theorems gives, for n inputs:

    .. math::

        \prod_{k<K} \left\lfloor \frac{D_k}{n} \right\rfloor^{n} \sum_{j=0}^{n} \binom{D_K}{j}
        \text{ if all } D_k \ge n, \qquad
        \prod_{k<K} \left(\left\lfloor \frac{D_k}{n} \right\rfloor + 1\right)^{n}
        \sum_{j=0}^{n} \binom{D_K}{j} \text{ if all } D_k \ge 3n,

    for each n up to D_i: a network may ignore inputs. It is not what a network at random or
    after training has, which may be far less.

    Parameters
    ----------
    widths : sequence of int
        Inputs, units of each hidden layer, outputs: ``Layers.widths``.

    Returns
    -------
    int
        The exact number, however large.

    Raises
    ------
    ValueError
        If there are fewer than two numbers, or one is not positive.
    TypeError
        If a number is not an integer.

    References
    ----------
    Montúfar, Pascanu, Cho and Bengio 2014, On the number of linear regions of deep neural
    networks, for the first; Serra, Tjandraatmadja and Ramalingam 2018, Bounding and
    counting linear regions of deep neural networks, for the second.

    Examples
    --------
    >>> lower_bound((1, 3, 3, 1)), lower_bound((2, 4, 4, 1)), lower_bound((2, 6, 6, 1))
    (16, 44, 352)
    """
    D_i, hidden = _split(widths)
    best = 1
    for n in range(1, min([D_i, *hidden]) + 1 if hidden else 1):
        spare = 1 if min(hidden) >= 3 * n else 0
        folds = prod((D // n + spare) ** n for D in hidden[:-1])
        best = max(best, folds * zaslavsky(hidden[-1], n))
    return best


def _split(widths: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """Return the number of inputs and the widths of the hidden layers, after a check."""
    numbers = tuple(index(width) for width in widths)
    if len(numbers) < 2 or min(numbers) < 1:
        raise ValueError(
            "expected positive numbers of inputs, hidden units and outputs, "
            f"got widths={tuple(widths)}"
        )
    return numbers[0], numbers[1:-1]
