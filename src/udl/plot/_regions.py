"""The regions on which a network is linear: bands of one input, cells of two."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

from udl.plot._style import BLUE, MUTED, PAPER, vectors


def bands(
    ax: Axes,
    edges: Float[np.ndarray, "J"],
    *,
    labels: Sequence[str] | None = None,
    color: str = MUTED,
) -> PolyCollection:
    """Tint every second of the bands between joints, with a dotted line at each joint.

    Parameters
    ----------
    ax : Axes
        Where to draw. Its x-limits must be final, for they close the two outer bands, and its
        x-axis linear, for the labels to be in the middle.
    edges : ndarray, shape (J,)
        The joints, ascending. J = 0 leaves one band.
    labels : sequence of str, optional
        A short text on top of each of the J + 1 bands.
    color : str
        One of the palette.

    Returns
    -------
    PolyCollection
        The tinted bands. What lies outside the x-limits is not drawn.

    Raises
    ------
    ValueError
        If `edges` is not a vector, ascending and finite, or if there is not one label for each
        band.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = ax.set_xlim(0, 4)
    >>> tinted = bands(ax, np.array([1.0, 3.0]), labels=["low", "middle", "high"])
    >>> [text.get_position()[0] for text in ax.texts]
    [0.5, 2.0, 3.5]
    """
    (edges,) = vectors(edges=edges)
    if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        raise ValueError(f"expected finite edges in ascending order, got edges={edges.tolist()}")
    if labels is not None and len(labels) != len(edges) + 1:
        raise ValueError(
            f"expected a label for each of {len(edges) + 1} bands, got {len(labels)} labels"
        )
    low, high = sorted(ax.get_xlim())
    joints = np.clip([low, *edges, high], low, high).tolist()
    visible = [(a, b, k) for k, (a, b) in enumerate(pairwise(joints)) if a < b]
    # Heights in parts of the axes, outside the data limits: the picture of the data stays put.
    across = ax.get_xaxis_transform()
    tinted = PolyCollection(
        [[(a, 0), (b, 0), (b, 1), (a, 1)] for a, b, k in visible if k % 2 == 0],
        facecolors=[to_rgba(color, 0.1)],
        linewidths=0,
        transform=across,
        zorder=0,
    )
    dotted = LineCollection(
        [[(x, 0), (x, 1)] for x in edges if low <= x <= high],
        colors=color,
        linewidths=0.9,
        linestyles=":",
        transform=across,
        zorder=0.9,
    )
    ax.add_collection(tinted, autolim=False)
    ax.add_collection(dotted, autolim=False)
    for a, b, k in visible:
        if labels is not None:
            middle = ((a + b) / 2, 0.98)
            ax.text(*middle, labels[k], transform=across, ha="center", va="top", size=9)
    return tinted


def _shades(polygons: Sequence[NDArray[np.float64]], number: int) -> list[int]:
    """Return one of `number` shades for each polygon, others across each edge.

    Neighbors of convex polygons form a planar graph, and such a graph always has a node with at
    most five neighbors. Taking the node with the fewest away again and again, and coloring in
    the opposite order, leaves one of six shades for each (Matula and Beck 1983).
    """
    corners = np.vstack(polygons)
    # Corners are equal up to rounding: along either axis no gap parts them.
    gap = 1e-7 * np.ptp(corners, axis=0).max()
    labels = np.empty(corners.shape, dtype=int)
    for axis, order in enumerate(np.argsort(corners, axis=0).T):
        sorted_ = corners[order, axis]
        labels[order, axis] = np.cumsum(np.diff(sorted_, prepend=sorted_[0]) > gap)
    meeting = defaultdict(set)
    owners = np.repeat(np.arange(len(polygons)), [len(polygon) for polygon in polygons])
    for corner, owner in zip(map(tuple, labels.tolist()), owners.tolist(), strict=True):
        meeting[corner].add(owner)
    common = Counter(pair for here in meeting.values() for pair in combinations(sorted(here), 2))
    neighbors: list[set[int]] = [set() for _ in polygons]
    for (a, b), count in common.items():
        if count > 1:
            neighbors[a].add(b)
            neighbors[b].add(a)
    left = {k: set(others) for k, others in enumerate(neighbors)}
    last_first = []
    while left:
        fewest = min(left, key=lambda k: len(left[k]))
        last_first.append(fewest)
        for other in left.pop(fewest):
            left[other].remove(fewest)
    shades: dict[int, int] = {}
    for k in reversed(last_first):
        taken = [shades[other] for other in neighbors[k] if other in shades]
        # Two steps away if it can be, for the eye.
        shades[k] = max(range(number), key=lambda s: min([2, *(abs(s - t) for t in taken)]))
    return [shades[k] for k in range(len(polygons))]


def cells(
    ax: Axes,
    polygons: Sequence[Float[np.ndarray, "_ 2"]],
    values: Float[np.ndarray, "R"] | None = None,
    *,
    color: str = BLUE,
    outline: str = PAPER,
) -> PolyCollection:
    """Fill convex polygons with one color, more opaque where the value is higher.

    Parameters
    ----------
    ax : Axes
        Where to draw. Its limits become those of the polygons.
    polygons : sequence of R ndarray, shape (V, 2)
        The corners of each polygon, in order.
    values : ndarray, shape (R,), optional
        Scaled from the lowest to the highest. Without it, polygons that share two corners, and so
        an edge, differ; corners nearer than 1e-7 of the picture's size are the same.
    color, outline : str
        Two of the palette, for the fills and for the edges.

    Returns
    -------
    PolyCollection
        The polygons.

    Raises
    ------
    ValueError
        If there is no polygon, one has another shape, corners are not finite or all on one
        horizontal or vertical line, or there is not one finite value for each.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> artist = cells(ax, [square, square + [1, 0]], np.array([3.0, 5.0]))
    >>> artist.get_facecolor()[:, 3].tolist()
    [0.08, 0.62]
    """
    shapes = [np.shape(polygon) for polygon in polygons]
    if not shapes or any(len(s) != 2 or s[0] < 3 or s[1] != 2 for s in shapes):
        raise ValueError(f"expected polygons of shape (V, 2), V >= 3, got shapes {shapes}")
    corners = np.vstack(polygons)
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    if not (0 < right - left < np.inf and 0 < top - bottom < np.inf):  # also false for NaN
        raise ValueError(
            "expected polygons with finite corners and a size, "
            f"got corners from ({left}, {bottom}) to ({right}, {top})"
        )
    if values is None:
        height = np.array(_shades(polygons, 6)) / 5
    else:
        (values,) = vectors(values=values)
        if len(values) != len(shapes) or not np.isfinite(values).all():
            raise ValueError(
                f"expected a finite value for each of {len(shapes)} polygons, got values={values}"
            )
        spread = np.ptp(values)
        height = (values - values.min()) / spread if spread > 0 else np.full(len(values), 0.5)
    artist = PolyCollection(
        list(polygons),
        facecolors=[to_rgba(color, 0.08 + 0.54 * h) for h in height],
        edgecolors=outline,
        linewidths=0.6,
        zorder=1,
    )
    ax.add_collection(artist)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.grid(visible=False)
    return artist
