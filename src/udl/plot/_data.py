"""Examples, a model's predictions, and what lies between them."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from udl.plot._style import BLUE, INK, MUTED, ORANGE, vectors

# A vector picture of many points is a heavy page.
_RASTERIZE_BEYOND = 400


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
    x, y = vectors(x=x, y=y)
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
    (artist,) = ax.plot(*vectors(x=x, y=y), color=color, label=label, **kwargs)
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
    x, y, f = vectors(x=x, y=y, f=f)
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
        Where to draw. Its limits, labels and layout must be final and its axes linear: the
        width of a square is taken from them.
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
    x, y, f = vectors(x=x, y=y, f=f)
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
