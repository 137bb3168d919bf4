r"""Two inputs: the activation regions of a ReLU network as convex polygons, cut out of a box.

On an activation region the network is affine. Each unit of the next layer is zero there along one
line at most, and where it changes sign, that line cuts the region into two convex parts.
Preactivations are continuous, so that a line that leaves a polygon through an edge enters the
neighbor at the same point. Polygons therefore share whole edges with their neighbors, and only one
thing is ever decided: on which side of a line a vertex lies. `_vertices` does so without error.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from udl._check import finite
from udl._network import layers
from udl.regions._exact import Number, Scaled, floats, fraction, given
from udl.regions._vertices import EPS, Vertices, quotient


class Cells(NamedTuple):
    """Activation regions of a network with two inputs, R in number, within a box.

    On the convex polygon ``polygons[r]``, a row a vertex, counterclockwise, the network computes
    ``intercept[r] + slope[r] @ x``. ``pattern[r]`` says which of its H hidden units are active
    there, layer after layer. ``linear[r]`` is the number of the linear region it belongs to.
    """

    polygons: list[Shaped[np.ndarray, "_ 2"]]
    slope: Shaped[np.ndarray, "R D_o 2"]
    intercept: Shaped[np.ndarray, "R D_o"]
    pattern: Bool[np.ndarray, "R H"]
    linear: Int[np.ndarray, " R"]


# Polygons are columns of vertex numbers, counterclockwise. Shorter ones repeat their last vertex.
Faces = Int[np.ndarray, "W R"]


def cells(
    beta: Sequence[Shaped[np.ndarray, "_"]],
    Omega: Sequence[Shaped[np.ndarray, "_ _"]],
    box: Sequence[Sequence[Number]] | Shaped[np.ndarray, "2 2"] = ((-1.0, 1.0), (-1.0, 1.0)),
) -> Cells:
    r"""Find the activation regions of a ReLU network with two inputs, exactly.

    .. math:: f_0 = \beta_0 + \Omega_0 x, \quad f_k = \beta_k + \Omega_k \max(0, f_{k-1})

    All inputs of an activation region have the same activation pattern: which hidden units have a
    preactivation greater than zero. The region is convex, and the network is affine on it. A
    linear region is a connected set of activation regions on which it is the same function.

    Parameters
    ----------
    beta, Omega : sequences of arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, from the input to the output: floats, or integers and fractions in
        arrays of objects.
    box : ((x1 min, x1 max), (x2 min, x2 max))
        Where to look. What lies outside is cut off.

    Returns
    -------
    Cells
        R activation regions, each with a positive area, no two with the same pattern. Where there
        are arrays of objects among the weights, all numbers are fractions, else float64. Number
        of regions, patterns and linear regions are right for the numbers as given; vertices,
        slopes and intercepts in float64 are rounded.

    Raises
    ------
    ValueError
        If the network does not have two inputs, its layers do not fit one another, a number is
        not finite, or the box is empty.

    Notes
    -----
    Neighbors share whole edges, and no polygon has three vertices in line. A unit whose
    preactivation is zero on a whole region is inactive there. What float64 can't decide, such as
    whether three lines meet in one point, is decided in integers, one vertex at a time.

    References
    ----------
    UDL section 3.3.2, figure 3.8. Zaslavsky 1975, Facing up to arrangements: D lines in
    general position make 1 + D + D (D - 1) / 2 regions. Raghu et al. 2017, On the expressive
    power of deep neural networks: the regions of a deep network are convex polygons.

    Examples
    --------
    Three lines make seven regions. The triangle in the middle is where all units are active.

    >>> beta = [np.array([0.0, 0.0, 1.0]), np.zeros(1)]
    >>> Omega = [np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), np.array([[1.0, 2.0, 1.0]])]
    >>> found = cells(beta, Omega, box=((-2.0, 2.0), (-2.0, 2.0)))
    >>> len(found.polygons)
    7
    >>> triangle = int(np.flatnonzero(found.pattern.all(axis=1))[0])
    >>> found.polygons[triangle]
    array([[0., 1.],
           [0., 0.],
           [1., 0.]])
    >>> found.intercept[triangle], found.slope[triangle]
    (array([1.]), array([[0., 1.]]))
    """
    beta, Omega = [given(b) for b in beta], [given(W) for W in Omega]
    checked = layers([floats(b) for b in beta], [floats(W) for W in Omega])
    if checked.widths[0] != 2:
        raise ValueError(
            f"expected a network with two inputs, got Omega[0].shape={checked.Omega[0].shape}"
        )
    objects = any(array.dtype == object for array in (*beta, *Omega))
    vertices = Vertices(beta, Omega, checked, _corners(box))
    with np.errstate(all="ignore"):
        faces, pattern = _subdivide(vertices, len(beta) - 1)
        scaled = [(1, b, W) for b, W in zip(*checked, strict=True)]
        _, function = _functions(scaled, pattern)
        linear = _linear(faces, pattern, scaled, function, vertices)
    places = vertices.rows[:, 1:3]
    if objects or not np.isfinite(function).all():
        scale, function = _functions(vertices.integers, pattern)
        function = fraction(function, scale) if objects else quotient(function, scale)
    if objects:
        rows = np.array([vertices.exact(v, len(beta) - 2)[:3] for v in range(len(places))])
        places = fraction(rows[:, 1:], rows[:, :1])
    last = faces != np.roll(faces, -1, axis=0)
    flat, ends = places[faces.T[last.T]], np.cumsum(last.sum(axis=0)).tolist()
    polygons = [flat[start:end] for start, end in pairwise([0, *ends])]
    function = function.swapaxes(0, 1)
    return Cells(polygons, function[:, :, 1:], function[:, :, 0], pattern, linear)


def _corners(
    box: Sequence[Sequence[Number]] | Shaped[np.ndarray, "2 2"],
) -> Shaped[np.ndarray, "4 2"]:
    """Return the corners of the box, counterclockwise, after a check."""
    limits = np.asarray(box)
    if limits.shape != (2, 2):
        raise ValueError(f"expected box of shape (2, 2), got box.shape={limits.shape}")
    finite(box=floats(limits))
    if not np.all(limits[:, 0] < limits[:, 1]):
        raise ValueError(f"expected limits (low, high) with low < high in box, got box={box}")
    (left, right), (low, high) = limits
    return np.array([(left, low), (right, low), (right, high), (left, high)])


def _subdivide(vertices: Vertices, K: int) -> tuple[Faces, Bool[np.ndarray, "R H"]]:
    """Cut the box along the lines of all units, one hidden layer of K after the other."""
    faces = np.arange(4)[:, None]
    pattern = np.zeros((1, 0), dtype=bool)
    for k in range(K):
        vertices.enter(k)
        origin, unit = np.arange(faces.shape[1]), _crossing(faces, vertices)
        # In each round, every polygon is cut along the first line that crosses it. So of all lines
        # through one edge, the same one is the first to cut it for both polygons there.
        while len(cut := np.flatnonzero(unit >= 0)):
            N = len(cut)
            parts = _cut(faces.take(cut, axis=1), unit.take(cut), vertices)
            if len(parts) > len(faces):
                faces = np.concatenate([faces, faces[-1:]])
            first = _crossing(parts, vertices)
            faces[:, cut], unit[cut] = parts[:, :N], first[:N]
            faces = np.concatenate([faces, parts[:, N:]], axis=1)
            unit = np.concatenate([unit, first[N:]])
            origin = np.concatenate([origin, origin.take(cut)])
        active = (vertices.signs > 0)[faces].any(axis=0)
        pattern = np.concatenate([pattern[origin], active], axis=1)
    return faces, pattern


def _crossing(faces: Faces, vertices: Vertices) -> Int[np.ndarray, " R"]:
    """Return the first unit whose line crosses each polygon, or -1."""
    side = vertices.signs.take(faces, axis=0)
    crossed = side.min(axis=0) * side.max(axis=0) < 0
    return np.asarray(np.where(crossed.any(axis=1), crossed.argmax(axis=1), -1))


def _cut(faces: Faces, unit: Int[np.ndarray, " R"], vertices: Vertices) -> Int[np.ndarray, "V S"]:
    """Cut each polygon along a unit's line; the parts where the unit is negative come last."""
    side = vertices.signs[faces, unit].T
    face = faces.T
    N, W = face.shape
    ahead = np.concatenate([face[:, 1:], face[:, :1]], axis=1)
    leaves = side * np.concatenate([side[:, 1:], side[:, :1]], axis=1) < 0
    # Around each polygon: a vertex, the new one behind it if there is one, the next vertex, ...
    around, keep = np.empty((2, N, W, 2), dtype=int), np.empty((2, N, W, 2), dtype=bool)
    around[..., 0], keep[..., 1] = face, leaves
    around[:, leaves, 1] = vertices.between(
        unit[np.nonzero(leaves)[0]], face[leaves], ahead[leaves]
    )
    last = face != ahead
    keep[0, ..., 0], keep[1, ..., 0] = last & (side >= 0), last & (side <= 0)
    count = keep.sum(axis=(2, 3)).ravel()
    end = count.cumsum()
    place = np.arange(max(W, count.max()))[:, None]
    return np.asarray(around[keep].take(np.minimum(end - count + place, end - 1)))


def _functions(
    network: Sequence[Scaled], pattern: Bool[np.ndarray, "R H"]
) -> tuple[Any, Shaped[np.ndarray, "D_o R 3"]]:
    """Return a factor, and that many times the intercept and the slope of each cell."""
    R = len(pattern)
    # From the output back to the input: outputs are few.
    scale, intercept, slope = network[-1]
    intercept, slope = intercept[:, None], slope[:, None]
    for factor, beta, Omega in reversed(network[:-1]):
        active, pattern = pattern[:, -len(beta) :], pattern[:, : -len(beta)]
        slope = np.where(active, slope, 0)
        intercept = factor * intercept + slope @ beta
        slope = slope @ Omega
        scale *= factor
    rows = np.empty((len(slope), R, 3), dtype=slope.dtype)
    rows[:, :, 0], rows[:, :, 1:] = intercept, slope
    return scale, rows


def _linear(
    faces: Faces,
    pattern: Bool[np.ndarray, "R H"],
    floats: Sequence[Scaled],
    function: Float[np.ndarray, "D_o R 3"],
    vertices: Vertices,
) -> Int[np.ndarray, " R"]:
    """Give neighbors with the same function the same number."""
    a, b = _neighbors(faces)
    # No error exceeds this many times what the sizes of all weights add up to.
    sizes = [(1, np.abs(beta), np.abs(Omega)) for _, beta, Omega in floats]
    _, largest = _functions(sizes, np.ones_like(pattern[:1]))
    bound = 4 * EPS * sum(Omega.shape[1] + 2 for _, _, Omega in floats) * largest
    near = ~(np.abs(function[:, a] - function[:, b]) > bound).any(axis=(0, 2))
    ways = [(1, np.sign(beta), np.sign(Omega)) for _, beta, Omega in sizes]
    _, way = _functions(ways, np.ones_like(pattern[:1]))
    if not np.all((way == 0) | ((largest > 1e-250) & (largest < 1e250))):
        near[:] = True  # products may have lost digits that the bound does not see
    a, b = a[near], b[near]
    if len(a):
        few, place = np.unique(np.concatenate([a, b]), return_inverse=True)
        exact = _functions(vertices.integers, pattern[few])[1][:, place]
        same = (exact[:, : len(a)] == exact[:, len(a) :]).all(axis=(0, 2))
        a, b = a[same], b[same]
    return _components(len(pattern), a, b)


def _neighbors(faces: Faces) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, " E"]]:
    """Return the pairs of polygons that share an edge."""
    ahead = np.concatenate([faces[1:], faces[:1]])
    _, face = np.nonzero(faces != ahead)
    edge = (np.minimum(faces, ahead) * (faces.max() + 1) + np.maximum(faces, ahead))[
        faces != ahead
    ]
    order = np.argsort(edge)
    edge, face = edge[order], face[order]
    shared = edge[1:] == edge[:-1]
    return face[:-1][shared], face[1:][shared]


def _components(
    R: int, a: Int[np.ndarray, " E"], b: Int[np.ndarray, " E"]
) -> Int[np.ndarray, " R"]:
    """Label the connected components of R nodes, numbered in the order of their first nodes."""
    label, before = np.arange(R), np.arange(0)
    while not np.array_equal(label, before):
        before = label.copy()
        low = np.minimum(label[a], label[b])
        np.minimum.at(label, before[a], low)
        np.minimum.at(label, before[b], low)
        label = label[label]
    return np.unique(label, return_inverse=True)[1]
