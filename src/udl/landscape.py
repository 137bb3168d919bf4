r"""Pictures of a loss: a plane through the space of parameters, and paths projected on it.

A point of parameter space is one flat vector phi of P numbers, and so is a direction. A plane has
a center and two directions, and a point of it two coordinates:

.. math:: \phi = \hat\phi + s\, d + t\, e

The functions take the loss as a function of phi, so they serve any model. :func:`pack` and
:func:`unpack` translate between phi and the networks of :mod:`udl.deep`; paths are as
:func:`udl.optim.descend` returns them, a point a row.
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

from udl._check import count, finite, matrix, same_shape, vector
from udl.deep import Layers, layers, parameter_count

__all__ = [
    "Coordinates",
    "Directions",
    "Grid",
    "Trajectory",
    "around",
    "filter_normalized",
    "follow",
    "grid",
    "lowest_pass",
    "pack",
    "principal_directions",
    "project",
    "unpack",
]

Loss = Callable[[Float[np.ndarray, " P"]], float]


class Directions(NamedTuple):
    """The two orthonormal directions of a path's largest spread, and what share each one holds.

    ``share`` has the part of the sum of all squared distances from the center that lies along
    each principal direction, largest first, the first two among them. It sums to one.
    """

    first: Float[np.ndarray, " P"]
    second: Float[np.ndarray, " P"]
    share: Float[np.ndarray, " K"]


class Grid(NamedTuple):
    """The loss over a plane: ``loss[j, i]`` is its value at center + s[i] first + t[j] second.

    ``center_loss`` is the loss at the center itself, which need not be a point of the grid.
    """

    center: Float[np.ndarray, " P"]
    first: Float[np.ndarray, " P"]
    second: Float[np.ndarray, " P"]
    s: Float[np.ndarray, " S"]
    t: Float[np.ndarray, " T"]
    loss: Float[np.ndarray, "T S"]
    center_loss: float


class Coordinates(NamedTuple):
    """Where the points of a path are in a plane, and how much of each is not in it.

    ``outside`` is the part of the squared distance from the center that is at a right angle to
    the plane: 0 in the plane and at the center, 1 straight above the center.
    """

    s: Float[np.ndarray, " T"]
    t: Float[np.ndarray, " T"]
    outside: Float[np.ndarray, " T"]


class Trajectory(NamedTuple):
    """Some points of a path: the numbers of their steps, the points, and the loss at each."""

    steps: Int[np.ndarray, " T"]
    path: Float[np.ndarray, "T P"]
    losses: Float[np.ndarray, " T"]


def pack(network: Layers) -> Float[np.ndarray, " P"]:
    r"""Lay a network out as one vector: layer by layer, the weights row by row, then the biases.

    Parameters
    ----------
    network : Layers
        Biases and weights, as :func:`udl.deep.layers` makes them. A gradient of this form will do.

    Returns
    -------
    array of shape (P,)
        All parameters, a copy.

    Raises
    ------
    ValueError, TypeError
        As :func:`udl.deep.layers` does.

    See Also
    --------
    unpack : The way back.

    References
    ----------
    PyTorch's ``torch.nn.utils.parameters_to_vector`` has the same order.

    Examples
    --------
    >>> pack(layers([np.array([5.0, 6.0])], [np.array([[1.0, 2.0], [3.0, 4.0]])]))
    array([1., 2., 3., 4., 5., 6.])
    """
    beta, Omega = layers(*network)
    return np.concatenate([part.ravel() for k in range(len(beta)) for part in (Omega[k], beta[k])])


def unpack(phi: Real[np.ndarray, " P"], widths: Sequence[int]) -> Layers:
    r"""Make a network of a vector, the inverse of :func:`pack`.

    Parameters
    ----------
    phi : array of shape (P,)
        All parameters, in the order of :func:`pack`.
    widths : sequence of at least 2 positive integers
        Number of inputs, of units in each hidden layer, and of outputs.

    Returns
    -------
    Layers
        The network. Its arrays are views of phi if that is float64.

    Raises
    ------
    ValueError
        If phi does not have as many numbers as the network has parameters, one is not finite, or
        the widths describe no network.
    TypeError
        If phi does not hold real numbers, or a width is no integer.

    Examples
    --------
    >>> network = unpack(np.arange(1.0, 8.0), (1, 2, 1))
    >>> network.Omega[0], network.beta[0]
    (array([[1.],
           [2.]]), array([3., 4.]))
    """
    phi = vector(phi=phi)
    P = parameter_count(widths)
    if len(phi) != P:
        raise ValueError(
            f"expected {P} parameters for widths={tuple(widths)}, got phi.shape={phi.shape}"
        )
    beta, Omega, at = [], [], 0
    for in_, out in pairwise(widths):
        Omega.append(phi[at : at + out * in_].reshape(out, in_))
        beta.append(phi[at + out * in_ : at + out * (in_ + 1)])
        at += out * (in_ + 1)
    return layers(beta, Omega)


def filter_normalized(network: Layers, seed: int | np.random.Generator) -> Float[np.ndarray, " P"]:
    r"""Draw a random direction in which every unit moves by as much as it has.

    Each number is drawn from a standard normal distribution. Then each unit's row of weights, and
    the biases of each layer all together, get the length that they have in the network:

    .. math:: d_{kj} \leftarrow \frac{\lVert\Omega_{kj}\rVert}{\lVert d_{kj}\rVert}\, d_{kj}

    Parameters
    ----------
    network : Layers
        The trained network, the center of the picture.
    seed : int or numpy.random.Generator
        The same seed draws the same direction; a generator goes on from where it is.

    Returns
    -------
    array of shape (P,)
        The direction, in the order of :func:`pack`.

    Raises
    ------
    ValueError, TypeError
        As :func:`udl.deep.layers` does, or if NumPy refuses the seed.

    Notes
    -----
    Multiply the weights of a layer of ReLU units by c > 0, its biases too, and divide the weights
    of the next layer by c: the function stays. The direction is rescaled in the same way, so the
    picture stays, too. It does *not* stay where each unit has its own c, since the rows of the
    next layer then change in other ways than by a factor.

    A row or a vector of biases that is zero in the network is zero in the direction. Li et al.
    leave the biases out; a small network has too large a share of them for that.

    References
    ----------
    Li et al., Visualizing the loss landscape of neural nets, NeurIPS 2018, section 4.

    Examples
    --------
    >>> network = layers([np.zeros(2)], [np.array([[3.0, 4.0], [0.0, 2.0]])])
    >>> direction = unpack(filter_normalized(network, seed=0), network.widths)
    >>> np.linalg.norm(direction.Omega[0], axis=1).round(12)
    array([5., 2.])
    >>> direction.beta[0]
    array([0., 0.])
    """
    rng = np.random.default_rng(seed)
    parts = []
    for b, W in zip(*layers(*network), strict=True):
        for own, noise in (W, rng.standard_normal(W.shape)), (b, rng.standard_normal(b.shape)):
            size = np.linalg.norm(own, axis=-1, keepdims=True)
            parts.append((noise * (size / np.linalg.norm(noise, axis=-1, keepdims=True))).ravel())
    return np.concatenate(parts)


def principal_directions(
    path: Real[np.ndarray, "T P"], center: Real[np.ndarray, " P"] | None = None
) -> Directions:
    r"""Find the two directions in which a path extends most.

    They are the first right singular vectors of the matrix with the rows
    :math:`\phi_t - \hat\phi`, and the shares are its squared singular values over their sum.

    Parameters
    ----------
    path : array of shape (T, P)
        A point a row. Several paths may stand one below the other.
    center : array of shape (P,)
        What the spread is measured from; the last row by default.

    Returns
    -------
    Directions
        ``first`` and ``second``, orthonormal, and ``share``. Both point to the side of the center
        on which the path starts.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or all points lie on one line through the
        center, which leaves the second direction open.
    TypeError
        If an array does not hold real numbers.

    Notes
    -----
    A large share does not show that training moves in a plane: a random walk has one as well.

    References
    ----------
    Li et al. 2018, section 7; Antognini and Sohl-Dickstein, PCA of high dimensional random walks,
    NeurIPS 2018.

    Examples
    --------
    >>> path = np.array([[4.0, 0.0, 1.0], [2.0, 0.0, 1.0], [2.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    >>> directions = principal_directions(path, center=np.array([0.0, 0.0, 1.0]))
    >>> directions.first.round(3)
    array([0.996, 0.086, 0.   ])
    >>> directions.share.round(3)
    array([0.967, 0.033, 0.   ])
    """
    path = matrix(path=path)
    center = path[-1] if center is None else vector(center=center)
    finite(path=path, center=center)
    _same_length(path=path[0], center=center)
    moves = path - center
    _, stretch, axes = np.linalg.svd(moves, full_matrices=False)
    if len(stretch) < 2 or not stretch[1] > 1e-12 * stretch[0]:
        raise ValueError(
            "expected a path that leaves a line through the center, got one that does not"
        )
    for axis in axes[:2]:
        along = moves @ axis
        if along[np.argmax(np.abs(along) > 1e-9 * stretch[0])] < 0:
            axis *= -1
    squares = (stretch / stretch[0]) ** 2
    return Directions(axes[0], axes[1], squares / squares.sum())


def project(
    path: Real[np.ndarray, "T P"],
    center: Real[np.ndarray, " P"],
    first: Real[np.ndarray, " P"],
    second: Real[np.ndarray, " P"],
) -> Coordinates:
    r"""Find the points of a plane that are nearest to those of a path.

    .. math:: \min_{s_t,\, t_t} \lVert \phi_t - (\hat\phi + s_t\, d + t_t\, e) \rVert

    Parameters
    ----------
    path : array of shape (T, P)
        A point a row.
    center, first, second : arrays of shape (P,)
        The plane. The directions need neither length one nor a right angle.

    Returns
    -------
    Coordinates
        ``s`` and ``t`` in multiples of the directions, and ``outside``, all of shape (T,). A row
        that holds NaN or infinity, as a path that diverged does, has NaN.

    Raises
    ------
    ValueError
        If shapes do not fit, the plane has a number that is not finite, or the directions are
        parallel or zero.
    TypeError
        If an array does not hold real numbers.

    Examples
    --------
    >>> center, first, second = np.zeros(3), np.array([1.0, 0.0, 0.0]), np.array([1.0, 2.0, 0.0])
    >>> project(np.array([[3.0, 4.0, 0.0], [0.0, 6.0, 8.0]]), center, first, second)
    Coordinates(s=array([ 1., -3.]), t=array([2., 3.]), outside=array([0.  , 0.64]))
    """
    path = matrix(path=path)
    center, first, second = _plane(center, first, second)
    _same_length(path=path[0], center=center)
    good = np.isfinite(path).all(axis=1)
    moves = (path[good] - center).T
    frame, triangle = np.linalg.qr(np.column_stack([first, second]))
    inside = frame.T @ moves
    # Only the signs of a QR decomposition are open, so the coordinates do not depend on it.
    coordinates = np.linalg.solve(triangle, inside)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        size = np.linalg.norm(moves, axis=0)
        rest = np.linalg.norm(moves - frame @ inside, axis=0)
        outside = np.divide(rest, size, out=np.zeros_like(size), where=size > 0) ** 2
    found = np.full((3, len(path)), np.nan)
    found[:, good] = *coordinates, np.minimum(outside, 1.0)
    return Coordinates(*found)


def around(
    *paths: Coordinates, margin: float = 0.25
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the extent of a plane that shows all these points and the center.

    Parameters
    ----------
    *paths : Coordinates
        From :func:`project`. Points that are not finite are left out.
    margin : float
        What to add on each side, as a part of the width and of the height.

    Returns
    -------
    tuple
        ``((s_low, s_high), (t_low, t_high))``, for :func:`grid`.

    Raises
    ------
    ValueError
        If there is nothing but the center, or `margin` is negative or not finite.

    Examples
    --------
    >>> path = Coordinates(np.array([4.0, 0.0]), np.array([-1.0, 1.0]), np.zeros(2))
    >>> around(path, margin=0.5)
    ((-2.0, 6.0), (-2.0, 2.0))
    """
    if not 0 <= margin < np.inf:
        raise ValueError(f"expected a margin of at least 0, and finite, got margin={margin}")
    sides = []
    for name in ("s", "t"):
        values = np.concatenate([np.zeros(1), *(getattr(path, name) for path in paths)])
        values = values[np.isfinite(values)]
        low, high = values.min(), values.max()
        if not high > low:
            raise ValueError(f"expected points apart from the center, got {name}=0 for all")
        sides.append((float(low - margin * (high - low)), float(high + margin * (high - low))))
    return sides[0], sides[1]


def grid(
    loss: Loss,
    center: Real[np.ndarray, " P"],
    first: Real[np.ndarray, " P"],
    second: Real[np.ndarray, " P"],
    *,
    extent: float | int | Sequence[Sequence[float | int]],
    size: int,
) -> Grid:
    r"""Compute the loss at a grid of points of a plane.

    .. math:: L_{ji} = L[\hat\phi + s_i\, d + t_j\, e]

    Parameters
    ----------
    loss : function of phi
        Takes a vector of shape (P,), and returns a number.
    center, first, second : arrays of shape (P,)
        The plane; directions as from :func:`filter_normalized` or :func:`principal_directions`.
    extent : float, or ((s_low, s_high), (t_low, t_high))
        Range of both coordinates; a number a stands for (-a, a) on both axes.
    size : int
        Number of points along each axis, at least 2. The loss is computed size * size times.

    Returns
    -------
    Grid
        The plane, the coordinates ``s`` and ``t``, and ``loss`` of shape (size, size). Where the
        loss is not finite, that is kept.

    Raises
    ------
    ValueError
        If shapes do not fit, a number of the plane or the loss at the center is not finite,
        directions are parallel or zero, the extent is no range, or `size` is less than 2.
    TypeError
        If an array does not hold real numbers, or `size` is no integer.

    Examples
    --------
    >>> def bowl(phi):
    ...     return float(phi @ phi)
    >>> e = np.eye(3)
    >>> grid(bowl, e[2], e[0], 2 * e[1], extent=1.0, size=3).loss
    array([[6., 5., 6.],
           [2., 1., 2.],
           [6., 5., 6.]])
    """
    center, first, second = _plane(center, first, second)
    count(size=size)
    if size < 2:
        raise ValueError(f"expected at least 2 points along each axis, got size={size}")
    s, t = (_axis(low, high, size) for low, high in _ranges(extent))
    center_loss = float(loss(center.copy()))
    finite(center_loss=np.asarray(center_loss))
    with np.errstate(all="ignore"):
        values = [[float(loss(center + a * first + b * second)) for a in s] for b in t]
    return Grid(center, first, second, s, t, np.array(values), center_loss)


def follow(loss: Loss, path: Real[np.ndarray, "T P"], steps: Sequence[int]) -> Trajectory:
    """Pick points of a path, and compute the loss at each.

    Parameters
    ----------
    loss : function of phi
        Takes a vector of shape (P,), and returns a number.
    path : array of shape (T, P)
        The start, then the point after each step.
    steps : sequence of int
        Which points to pick, ascending; 0 is the start.

    Returns
    -------
    Trajectory
        The points up to the last one that is finite, as a path that diverged has an end.

    Raises
    ------
    ValueError
        If the steps do not ascend from 0 or more to less than T, or no point picked is finite.
    TypeError
        If the path does not hold real numbers.

    Examples
    --------
    >>> path = np.array([[4.0], [2.0], [1.0], [np.nan]])
    >>> follow(lambda phi: float(phi @ phi), path, [0, 2, 3])
    Trajectory(steps=array([0, 2]), path=array([[4.],
           [1.]]), losses=array([16.,  1.]))
    """
    path = matrix(path=path)
    at = np.array([int(step) for step in steps], dtype=np.int64)
    if not (len(at) and at[0] >= 0 and at[-1] < len(path) and (np.diff(at) > 0).all()):
        raise ValueError(
            f"expected ascending steps from 0 to {len(path) - 1} at most, got steps={list(steps)}"
        )
    good = np.isfinite(path[at]).all(axis=1)
    at = at[: len(good) if good.all() else int(np.argmin(good))]
    if not len(at):
        raise ValueError(
            "expected a path that starts at finite numbers, got path[steps[0]] not so"
        )
    with np.errstate(all="ignore"):
        losses = np.array([float(loss(phi.copy())) for phi in path[at]])
    return Trajectory(at, path[at], losses)


def lowest_pass(
    loss: Real[np.ndarray, "T S"], start: tuple[int, int], end: tuple[int, int]
) -> float:
    r"""Find how high a way over a grid must climb at least: the height of the pass.

    .. math:: \min_{\text{ways}} \; \max_{(j,\, i) \text{ on the way}} L_{ji}

    A way goes from node to node, to the side or up and down, never across.

    Parameters
    ----------
    loss : array of shape (T, S)
        Heights, as in :class:`Grid`. A way avoids what is not finite.
    start, end : (int, int)
        Nodes (j, i): the row, then the column.

    Returns
    -------
    float
        The highest loss on the best way, its two ends included.

    Raises
    ------
    ValueError
        If a node is not on the grid, or no way connects the two.
    TypeError
        If the heights are no real numbers.

    Notes
    -----
    Dijkstra's algorithm, with the highest point in place of the length. For the whole space this
    is an upper bound only: outside of the plane, a lower pass may exist.

    Examples
    --------
    >>> ridge = np.array([[0.0, 5.0, 0.0], [1.0, 4.0, 1.0], [0.0, 3.0, 0.0]])
    >>> lowest_pass(ridge, (0, 0), (0, 2))
    3.0
    """
    heights = matrix(loss=loss)
    T, S = heights.shape
    start, end = (start[0], start[1]), (end[0], end[1])  # lists and arrays are no keys
    for name, (j, i) in (("start", start), ("end", end)):
        if not (0 <= j < T and 0 <= i < S):
            raise ValueError(f"expected a node of a {T} x {S} grid, got {name}={(j, i)}")
    waiting = [(float(heights[start]), start)]
    seen = set()
    while waiting:
        highest, node = heapq.heappop(waiting)
        if node in seen or not np.isfinite(highest):
            continue
        if node == end:
            return highest
        seen.add(node)
        j, i = node
        for b, a in (j - 1, i), (j + 1, i), (j, i - 1), (j, i + 1):
            if 0 <= b < T and 0 <= a < S and np.isfinite(heights[b, a]):
                heapq.heappush(waiting, (max(highest, float(heights[b, a])), (b, a)))
    raise ValueError(f"expected nodes with a way between them, got start={start}, end={end}")


def _plane(
    center: Real[np.ndarray, " P"], first: Real[np.ndarray, " P"], second: Real[np.ndarray, " P"]
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """Return center and directions as float64, after a check that they make a plane."""
    center, first, second = vector(center=center), vector(first=first), vector(second=second)
    same_shape(center=center, first=first, second=second)
    finite(center=center, first=first, second=second)
    sizes = np.linalg.norm(first), np.linalg.norm(second)
    if not min(sizes) > 0:
        raise ValueError("expected directions other than zero, got a zero in first or second")
    if len(first) > 1:
        units = np.column_stack([first / sizes[0], second / sizes[1]])
    if len(first) < 2 or np.linalg.svd(units, compute_uv=False)[1] < 1e-7:
        raise ValueError(
            "expected two directions that make a plane, got first and second parallel"
        )
    return center, first, second


def _ranges(
    extent: float | int | Sequence[Sequence[float | int]],
) -> list[tuple[float, float]]:
    """Return the range of each coordinate, after a check."""
    sides = [(-extent, extent)] * 2 if isinstance(extent, float | int) else list(extent)
    if len(sides) != 2 or any(len(side) != 2 for side in sides):
        raise ValueError(f"expected a number or two ranges, got extent={extent}")
    ranges = [(float(low), float(high)) for low, high in sides]
    if not all(low < high and np.isfinite([low, high]).all() for low, high in ranges):
        raise ValueError(f"expected ranges from low to high, got extent={extent}")
    return ranges


def _axis(low: float, high: float, size: int) -> Float[np.ndarray, " S"]:
    """Return evenly spaced coordinates, with an exact zero in the middle of a symmetric range."""
    values = np.linspace(low, high, size)
    if low == -high and size % 2:
        values[size // 2] = 0.0
    return values


def _same_length(**arrays: Float[np.ndarray, " P"]) -> None:
    """Refuse points of different length."""
    (name, a), (other, b) = arrays.items()
    if a.shape != b.shape:
        raise ValueError(
            f"expected as many parameters in {name} as in {other}, got {len(a)} and {len(b)}"
        )
