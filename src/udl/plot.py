"""The book's visual language: arrays in, artists on an ``Axes`` out.

Nothing here computes. A chapter fits, evaluates and differentiates with the other modules and
hands plain arrays to these functions, so that the same thing looks the same on every page.
"""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection, PathCollection, QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.rcsetup import cycler
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BLUE",
    "DIVERGING",
    "GOLD",
    "GREEN",
    "GRID",
    "INK",
    "MUTED",
    "ORANGE",
    "PAPER",
    "PURPLE",
    "SEQUENTIAL",
    "axis_labels",
    "data",
    "heatmap",
    "line",
    "loss_contours",
    "network",
    "path",
    "residuals",
    "squares",
    "style",
]

# The book's stylesheet gives each of these values a twin for dark pages: use no others.
INK = "#1b1f24"
MUTED = "#6b7280"
GRID = "#d5d9df"
PAPER = "#ffffff"
BLUE = "#0072b2"
ORANGE = "#c85200"
GREEN = "#008a64"
PURPLE = "#a0468a"
GOLD = "#a87400"

SEQUENTIAL = "cividis"
DIVERGING = "PuOr"

# Text on a colormap: the map stays as it is on a dark page, so this text must stay too. These
# two differ from INK and PAPER on purpose.
_ON_LIGHT = "#000000"
_ON_DARK = "#fefefe"

# A vector picture of many points is a heavy page.
_RASTERIZE_BEYOND = 400


def style() -> None:
    """Set matplotlib's defaults to the book's look.

    Figures are reproducible SVG: text as paths, a fixed salt for identifiers, no date. The
    background is transparent while the book is built (``UDL_BOOK`` is set), so that the page's
    color shows through, and white everywhere else.

    Examples
    --------
    >>> style()
    >>> mpl.rcParams["svg.fonttype"]
    'path'
    """
    background = "none" if os.environ.get("UDL_BOOK") else PAPER
    mpl.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": MUTED,
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.labelcolor": INK,
            "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, GOLD]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlecolor": INK,
            "axes.titlesize": 11,
            "axes3d.xaxis.panecolor": "none",
            "axes3d.yaxis.panecolor": "none",
            "axes3d.zaxis.panecolor": "none",
            "figure.constrained_layout.use": True,
            "figure.facecolor": background,
            "figure.figsize": (6.4, 3.8),
            "font.size": 11,
            "grid.color": GRID,
            "grid.linewidth": 0.8,
            "image.cmap": SEQUENTIAL,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "savefig.facecolor": background,
            "svg.fonttype": "path",
            "svg.hashsalt": "udl",
            "text.color": INK,
            "xtick.color": MUTED,
            "xtick.labelcolor": INK,
            "ytick.color": MUTED,
            "ytick.labelcolor": INK,
        }
    )
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        from matplotlib_inline import backend_inline

        backend_inline.set_matplotlib_formats(  # type: ignore[no-untyped-call]
            "svg", metadata={"Date": None}
        )


def _vectors(**arrays: ArrayLike) -> list[NDArray[np.float64]]:
    """Return the named arrays, or refuse them if they are not vectors of one length."""
    vectors = [np.asarray(array, dtype=np.float64) for array in arrays.values()]
    if vectors[0].ndim != 1 or len({vector.shape for vector in vectors}) > 1:
        got = ", ".join(f"{n}.shape={v.shape}" for n, v in zip(arrays, vectors, strict=True))
        raise ValueError(f"expected vectors of equal length, got {got}")
    return vectors


def axis_labels(ax: Axes, x: str, y: str) -> None:
    """Name both axes, each with its unit.

    Parameters
    ----------
    ax : Axes
        Where to write.
    x, y : str
        Names such as ``"age (years)"``.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> axis_labels(ax, x="age (years)", y="height (cm)")
    >>> ax.get_ylabel()
    'height (cm)'
    """
    ax.set(xlabel=x, ylabel=y)


def data(
    ax: Axes,
    x: Float[np.ndarray, "I"],
    y: Float[np.ndarray, "I"],
    *,
    label: str | None = None,
    color: str | None = None,
    size: float = 26.0,
) -> PathCollection:
    """Draw examples as dots.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x, y : ndarray, shape (I,)
        Inputs and targets.
    label : str, optional
        The legend's entry.
    color : str, optional
        One of the palette. Without it INK, or MUTED for more than 400 examples: those become
        pixels, which keep their color on a dark page.
    size : float
        Area of a dot in square points.

    Returns
    -------
    PathCollection
        The dots; rasterized when there are more than 400.

    Raises
    ------
    ValueError
        If `x` and `y` are not vectors of equal length.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> len(data(ax, np.array([0.0, 1.0]), np.array([2.0, 3.0])).get_offsets())
    2
    """
    x, y = _vectors(x=x, y=y)
    many = len(x) > _RASTERIZE_BEYOND
    return ax.scatter(
        x,
        y,
        s=size,
        color=color or (MUTED if many else INK),
        alpha=0.35 if many else 0.85,
        linewidths=0,
        label=label,
        rasterized=many,
        zorder=3,
    )


def line(
    ax: Axes,
    x: Float[np.ndarray, "N"],
    y: Float[np.ndarray, "N"],
    *,
    label: str | None = None,
    color: str = BLUE,
    **kwargs: Any,
) -> Line2D:
    """Draw a model: its prediction at each of many inputs.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x, y : ndarray, shape (N,)
        Inputs, in ascending order, and predictions.
    label : str, optional
        The legend's entry.
    color : str
        One of the palette.
    **kwargs : Any
        Passed to ``Axes.plot``.

    Returns
    -------
    Line2D
        The line.

    Raises
    ------
    ValueError
        If `x` and `y` are not vectors of equal length.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> line(ax, np.array([0.0, 1.0]), np.array([2.0, 3.0])).get_color() == BLUE
    True
    """
    (artist,) = ax.plot(*_vectors(x=x, y=y), color=color, label=label, **kwargs)
    return artist


def residuals(
    ax: Axes,
    x: Float[np.ndarray, "I"],
    y: Float[np.ndarray, "I"],
    f: Float[np.ndarray, "I"],
    *,
    label: str | None = None,
    color: str = ORANGE,
) -> LineCollection:
    """Draw the residuals ``f[i] - y[i]`` as vertical segments from target to prediction.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x, y, f : ndarray, shape (I,)
        Inputs, targets and predictions.
    label : str, optional
        The legend's entry.
    color : str
        One of the palette.

    Returns
    -------
    LineCollection
        One segment for each example.

    Raises
    ------
    ValueError
        If `x`, `y` and `f` are not vectors of equal length.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> x, y, f = np.array([1.0]), np.array([2.0]), np.array([5.0])
    >>> residuals(ax, x, y, f).get_segments()[0].tolist()
    [[1.0, 2.0], [1.0, 5.0]]
    """
    x, y, f = _vectors(x=x, y=y, f=f)
    ends = np.stack([np.column_stack([x, y]), np.column_stack([x, f])], axis=1)
    artist = LineCollection(list(ends), colors=color, linewidths=1.6, label=label, zorder=2)
    ax.add_collection(artist)
    ax.autoscale_view()
    return artist


def squares(
    ax: Axes,
    x: Float[np.ndarray, "I"],
    y: Float[np.ndarray, "I"],
    f: Float[np.ndarray, "I"],
    *,
    color: str = ORANGE,
) -> PatchCollection:
    """Draw the square of each residual: their total area is the least-squares loss.

    Each square has its residual as one side and lies where a rising line leaves it room. It is
    a square on the page, whatever the units of the two axes are.

    Parameters
    ----------
    ax : Axes
        Where to draw. Its limits, labels and layout must be final: the width of a square is
        taken from them.
    x, y, f : ndarray, shape (I,)
        Inputs, targets and predictions.
    color : str
        One of the palette.

    Returns
    -------
    PatchCollection
        One square for each example.

    Raises
    ------
    ValueError
        If `x`, `y` and `f` are not vectors of equal length.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure(figsize=(4, 4)).add_axes((0, 0, 1, 1))
    >>> _ = ax.set(xlim=(0, 10), ylim=(0, 5))
    >>> patch = squares(ax, np.array([1.0]), np.array([2.0]), np.array([3.0])).get_paths()[0]
    >>> patch.get_extents().size.tolist()
    [2.0, 1.0]
    """
    x, y, f = _vectors(x=x, y=y, f=f)
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.draw_without_rendering()
    scale = ax.transData.transform([(0.0, 0.0), (1.0, 1.0)])
    y_per_x = (scale[1, 1] - scale[0, 1]) / (scale[1, 0] - scale[0, 0])
    # A negative width draws to the left: a rising line has room on the right below it and on the
    # left above it.
    sides = [
        Rectangle((xi, yi), (fi - yi) * y_per_x, fi - yi)
        for xi, yi, fi in zip(x, y, f, strict=True)
    ]
    fill = to_rgba(color, 0.18)
    artist = PatchCollection(sides, facecolors=[fill], edgecolors=color, linewidths=1.0, zorder=1)
    ax.add_collection(artist, autolim=False)
    return artist


def loss_contours(
    ax: Axes,
    phi0: Float[np.ndarray, "N"],
    phi1: Float[np.ndarray, "M"],
    L: Float[np.ndarray, "M N"],
    *,
    levels: int | Sequence[float] = 14,
    color: str = BLUE,
) -> QuadContourSet:
    """Draw a loss over two parameters as contour lines on a fill that deepens with the loss.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    phi0, phi1 : ndarray, shape (N,) and (M,)
        The grid's values of the parameter on the horizontal and on the vertical axis.
    L : ndarray, shape (M, N)
        The loss: ``L[m, n]`` at ``(phi0[n], phi1[m])``, the order of ``np.meshgrid``.
    levels : int or sequence of float
        Where the lines are, or how many. A number spaces them so that they are about evenly
        apart on a bowl: proportional to the squares 0, 1, 4, 9, ...
    color : str
        One of the palette.

    Returns
    -------
    QuadContourSet
        The contour lines.

    Raises
    ------
    ValueError
        If the shape of `L` does not fit the grid, or if `L` is constant or not finite.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> p, q = np.linspace(-1, 1, 21), np.linspace(-2, 2, 31)
    >>> L = p[None, :] ** 2 + q[:, None] ** 2
    >>> len(loss_contours(ax, p, q, L, levels=[1.0, 2.0]).levels)
    2
    """
    expected = (len(phi1), len(phi0))
    if L.shape != expected:
        raise ValueError(
            f"expected L.shape == (phi1.size, phi0.size) == {expected}, got L.shape={L.shape}"
        )
    low, high = float(L.min()), float(L.max())
    if not -np.inf < low < high < np.inf:  # also false for NaN
        raise ValueError(f"expected finite losses that differ, got L from {low} to {high}")
    if isinstance(levels, int):
        heights = low + (high - low) * np.linspace(0.0, 1.0, levels + 1)[1:] ** 2
    else:
        heights = np.asarray(levels, dtype=np.float64)
    # One palette color in steps of opacity, not a colormap: it also works on a dark page.
    edges = np.unique([low, *heights[heights > low], max(high, heights[-1])])
    fills = [to_rgba(color, a) for a in np.linspace(0.0, 0.42, len(edges) - 1)]
    ax.contourf(phi0, phi1, L, levels=edges, colors=fills, zorder=0)
    return ax.contour(phi0, phi1, L, levels=heights, colors=color, linewidths=0.7, zorder=1)


def path(
    ax: Axes,
    phis: Float[np.ndarray, "T 2"],
    *,
    label: str | None = None,
    color: str = ORANGE,
) -> Line2D:
    """Draw the steps of an optimizer over two parameters, with an open circle at the start.

    Parameters
    ----------
    ax : Axes
        Where to draw, for example on `loss_contours`.
    phis : ndarray, shape (T, 2)
        The parameters before the first step, after it, and so on.
    label : str, optional
        The legend's entry.
    color : str
        One of the palette.

    Returns
    -------
    Line2D
        The line through all steps.

    Raises
    ------
    ValueError
        If `phis` does not have two columns and at least one row.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> path(ax, np.array([[0.0, 0.0], [1.0, 2.0]])).get_xydata().shape
    (2, 2)
    """
    phis = np.asarray(phis, dtype=np.float64)
    if phis.ndim != 2 or phis.shape[1] != 2 or len(phis) == 0:
        raise ValueError(f"expected phis of shape (T, 2), T >= 1, got phis.shape={phis.shape}")
    (artist,) = ax.plot(
        *phis.T, "o-", color=color, markersize=3.2, linewidth=1.4, label=label, zorder=4
    )
    ax.plot(*phis[0], "o", color=color, markerfacecolor=PAPER, markersize=7, zorder=5)
    return artist


def _luminance(rgba: Any) -> float:
    """Relative luminance, as WCAG defines it: black and white contrast equally with 0.18."""
    rgb = np.asarray(rgba)[:3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def heatmap(
    ax: Axes,
    M: Float[np.ndarray, "D D"],
    names: Sequence[str],
    *,
    limit: float = 1.0,
) -> QuadMesh:
    """Draw a square matrix as colored cells with their values, zero in the middle of the colors.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    M : ndarray, shape (D, D)
        The matrix, a correlation matrix for example.
    names : sequence of str
        The D names of its rows, which are also those of its columns.
    limit : float
        The absolute value that gets the strongest color.

    Returns
    -------
    QuadMesh
        The cells.

    Raises
    ------
    ValueError
        If there is not one name for each row and column.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = heatmap(ax, np.eye(2), ["GDP", "BMI"])
    >>> [text.get_text() for text in ax.texts]
    ['1.00', '0.00', '0.00', '1.00']
    """
    if M.shape != (len(names), len(names)):
        raise ValueError(
            f"expected a name for each row and column, got M.shape={M.shape}, {len(names)} names"
        )
    artist = ax.pcolormesh(M, cmap=DIVERGING, vmin=-limit, vmax=limit, edgecolors=PAPER)
    for (i, j), value in np.ndenumerate(M):
        ink = _ON_DARK if _luminance(artist.to_rgba(value)) < 0.18 else _ON_LIGHT
        ax.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", color=ink, size=9)
    ticks = np.arange(len(names)) + 0.5
    ax.set_xticks(ticks, list(names), rotation=40, ha="right")
    ax.set_yticks(ticks, list(names))
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return artist


def network(
    ax: Axes,
    layers: Sequence[Sequence[str]],
    *,
    weights: Sequence[Sequence[Sequence[str]]] | None = None,
    color: str = BLUE,
) -> None:
    """Draw a network as nodes and links, from left to right.

    Parameters
    ----------
    ax : Axes
        Where to draw; its axes are hidden.
    layers : sequence of sequence of str
        The text in each node, layer by layer.
    weights : nested sequence of str, optional
        ``weights[k][i][j]`` is the text on the link from node i of layer k to node j of layer
        k + 1, ``""`` for none. Without it all links are bare.
    color : str
        One of the palette, for the nodes.

    Raises
    ------
    ValueError
        If `weights` does not have one text for each link.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> network(ax, [["1", "x"], ["f"]], weights=[[["b"], ["w"]]])
    >>> [text.get_text() for text in ax.texts]
    ['b', 'w', '1', 'x', 'f']
    """
    tallest = max(len(names) for names in layers)
    step, radius = 2.2, 0.32
    centers = [
        [(k * step, (len(names) - 1) / 2 - j) for j in range(len(names))]
        for k, names in enumerate(layers)
    ]
    sizes = [(len(left), len(right)) for left, right in pairwise(layers)]
    if weights is None:
        weights = [[[""] * right] * left for left, right in sizes]
    if [[len(row) for row in rows] for rows in weights] != [[r] * n for n, r in sizes]:
        raise ValueError(f"expected weights of shapes {sizes}, one text a link, got {weights}")
    for k, (left, right) in enumerate(pairwise(centers)):
        for i, (x0, y0) in enumerate(left):
            for j, (x1, y1) in enumerate(right):
                text = weights[k][i][j]
                ax.plot([x0, x1], [y0, y1], color=MUTED, linewidth=1.2, zorder=1)
                if text:
                    angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
                    # Nearer to the source, where the links of one target are still apart.
                    at = (x0 + 0.42 * (x1 - x0), y0 + 0.42 * (y1 - y0) + 0.04)
                    ax.text(*at, text, ha="center", va="bottom", rotation=angle, zorder=3)
    for names, column in zip(layers, centers, strict=True):
        for name, center in zip(names, column, strict=True):
            face = to_rgba(color, 0.12)
            ax.add_patch(Circle(center, radius, facecolor=PAPER, edgecolor="none", zorder=2))
            ax.add_patch(Circle(center, radius, facecolor=face, edgecolor=color, zorder=2.1))
            ax.text(*center, name, ha="center", va="center", zorder=3)
    ax.set_xlim(-0.5, (len(layers) - 1) * step + 0.5)
    ax.set_ylim(-(tallest - 1) / 2 - 0.5, (tallest - 1) / 2 + 0.5)
    ax.set_aspect("equal")
    ax.set_axis_off()
