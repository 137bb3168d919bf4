"""Functions of two numbers, and a matrix: contour lines, paths over them, colored cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D

from udl.plot._style import BLUE, DIVERGING, INK, ORANGE, PAPER

# Text on a colormap: the map stays as it is on a dark page, so this text must stay too. These
# two differ from INK and PAPER on purpose.
_ON_LIGHT = "#000000"
_ON_DARK = "#fefefe"


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


def field(
    ax: Axes,
    x1: Float[np.ndarray, "N"],
    x2: Float[np.ndarray, "M"],
    F: Float[np.ndarray, "M N"],
    *,
    levels: int | Sequence[float] = 9,
) -> QuadContourSet:
    """Draw a function of two inputs: blue where positive, orange where negative.

    The fill is more opaque where the function is larger in size, and there is none where it is
    zero. A dark line follows the edge of what is zero.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x1, x2 : ndarray, shape (N,) and (M,)
        The grid's values of the input on the horizontal and on the vertical axis.
    F : ndarray, shape (M, N)
        The function: ``F[m, n]`` at ``(x1[n], x2[m])``, the order of ``np.meshgrid``.
    levels : int or sequence of float
        Where the lines are, or about how many, evenly apart. The same sequence gives several
        pictures the same colors for the same values, if it reaches as far as they do.

    Returns
    -------
    QuadContourSet
        The contour lines, with one at zero if `F` reaches it.

    Raises
    ------
    ValueError
        If the shape of `F` does not fit the grid, or if `F` is constant or not finite.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> x = np.linspace(-1, 1, 21)
    >>> field(ax, x, x, x[:, None] + x, levels=[-1.0, 1.0]).levels.tolist()
    [-1.0, 0.0, 1.0]
    """
    expected = (len(x2), len(x1))
    if F.shape != expected:
        raise ValueError(
            f"expected F.shape == (x2.size, x1.size) == {expected}, got F.shape={F.shape}"
        )
    low, high = float(F.min()), float(F.max())
    if not -np.inf < low < high < np.inf:  # also false for NaN
        raise ValueError(f"expected finite values that differ, got F from {low} to {high}")
    # A plateau of zeros may come with rounding errors, which have no border.
    F = np.where(np.abs(F) <= 1e-12 * max(-low, high), 0.0, F)
    low, high = float(F.min()), float(F.max())
    if isinstance(levels, int):
        step = (high - low) / (levels + 1)
        heights = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    else:
        heights = np.asarray(levels, dtype=np.float64)
    tiny = float(np.finfo(np.float64).tiny)
    null = F == 0
    plateau = (null[1:, 1:] & null[1:, :-1] & null[:-1, 1:] & null[:-1, :-1]).any()
    # To matplotlib a plateau of zeros is low ground: -tiny finds its border with what is negative.
    below = low < 0 <= high and (bool(plateau) or high == 0)
    edge_of_zero = [0.0] * (low <= 0 < high) + [-tiny] * below
    heights = np.union1d(heights[heights != 0], edge_of_zero)
    ends = np.array([low, high, *heights])
    most, least = np.abs(ends).max(), max(ends.min(), -ends.max(), 0.0)
    for sign, color in ((1, BLUE), (-1, ORANGE)):
        size = sign * F
        if size.max() > 0:
            # Not from zero: a plateau of zeros stays empty.
            inner = sign * heights[sign * heights > max(size.min(), tiny)]
            edges = np.unique([max(size.min(), tiny), *inner, most])
            middle = ((edges[1:] + edges[:-1]) / 2 - least) / (most - least)
            fills = [to_rgba(color, 0.04 + 0.5 * m) for m in middle]
            ax.contourf(x1, x2, size, levels=edges, colors=fills, zorder=0)
    zero = np.abs(heights) <= tiny
    ax.grid(visible=False)
    return ax.contour(
        x1,
        x2,
        F,
        levels=heights,
        colors=np.where(zero, INK, np.where(heights > 0, BLUE, ORANGE)).tolist(),
        linewidths=np.where(zero, 1.6, 0.7),
        linestyles="solid",
        zorder=1,
    )


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
