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
from matplotlib.path import Path
from numpy.typing import ArrayLike, NDArray

from udl.plot._style import BLUE, DIVERGING, INK, ORANGE, PAPER

# Text on a colormap: the map stays as it is on a dark page, so this text must stay too. These
# two differ from INK and PAPER on purpose.
_ON_LIGHT = "#000000"
_ON_DARK = "#fefefe"

_Levels = int | np.integer[Any] | Sequence[float] | NDArray[np.float64]


def _surface(**arrays: ArrayLike) -> tuple[NDArray[np.float64], float, float]:
    """Return the last of the named arrays, its minimum and its maximum.

    Refuse it if it does not fit the grid of the first two, or if no picture shows its range.
    """
    (across, up, name), (x, y, z) = arrays, map(np.asarray, arrays.values())
    expected = y.shape + x.shape
    if z.shape != expected:
        raise ValueError(
            f"expected {name}.shape == {up}.shape + {across}.shape == {expected}, "
            f"got {name}.shape={z.shape}"
        )
    low, high = float(z.min()), float(z.max())
    # Also false for NaN. Beyond these bounds matplotlib overflows, or loses the contours.
    if not 1e-200 < high - low < 1e200:
        raise ValueError(
            "expected finite values that differ, by 1e-200 to 1e200, "
            f"got {name} from {low} to {high}"
        )
    return z.astype(np.float64), low, high


def _lines(levels: _Levels) -> int | NDArray[np.float64]:
    """Return how many lines, or their heights in ascending order."""
    if isinstance(levels, int | np.integer):
        if levels >= 1:
            return int(levels)
    else:
        heights = np.unique(np.asarray(levels, dtype=np.float64))
        if heights.size and np.isfinite(heights).all():
            return heights
    raise ValueError(f"expected levels >= 1 or finite heights, got levels={levels}")


def loss_contours(
    ax: Axes,
    phi0: Float[np.ndarray, "N"],
    phi1: Float[np.ndarray, "M"],
    L: Float[np.ndarray, "M N"],
    *,
    levels: _Levels = 14,
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
        If the shape of `L` does not fit the grid, if `L` is constant, not finite, or of a range
        beyond 1e-200 to 1e200, or if `levels` are no number of lines and no finite heights.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> p, q = np.linspace(-1, 1, 21), np.linspace(-2, 2, 31)
    >>> L = p[None, :] ** 2 + q[:, None] ** 2
    >>> len(loss_contours(ax, p, q, L, levels=[1.0, 2.0]).levels)
    2
    """
    L, low, high = _surface(phi0=phi0, phi1=phi1, L=L)
    heights = _lines(levels)
    if isinstance(heights, int):
        heights = low + (high - low) * np.linspace(0.0, 1.0, heights + 1)[1:] ** 2
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
    # Dots of tiny steps would cover one another: one for each 1/150 of the diagonal is enough.
    (artist,) = ax.plot(
        *phis.T,
        "o-",
        color=color,
        linewidth=1.4,
        markersize=3.2,
        markevery=1 / 150,
        label=label,
        zorder=4,
    )
    ax.plot(*phis[0], "o", color=color, markerfacecolor=PAPER, markersize=7, zorder=5)
    return artist


def _all_zero(F: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which squares of the grid have zeros at all corners."""
    null: NDArray[np.bool_] = F == 0
    rows = null[1:] & null[:-1]
    return rows[:, 1:] & rows[:, :-1]


def _beyond(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `size`, at least 0, with plateaus of zeros lowered next to their border.

    There it continues what is beyond the border in a straight line: down to a negative value, so
    that the contour at zero lies where a clipped plane reaches zero, between the grid's points.
    """
    null = size == 0
    # A border that leaves the grid is straight up to its end.
    squares = _all_zero(np.pad(size, 1))
    plateau = squares[1:, 1:] | squares[1:, :-1] | squares[:-1, 1:] | squares[:-1, :-1]
    lowered = np.full(size.shape, -np.inf)
    for here, there in (
        (lowered, size),
        (lowered[::-1], size[::-1]),
        (lowered.T, size.T),
        (lowered.T[::-1], size.T[::-1]),
    ):
        near, far = there[1:-1], there[2:]
        guess = 2 * near - far
        guess[(near == 0) | (guess >= 0)] = -np.inf
        np.maximum(here[:-2], guess, out=here[:-2])
    lowered[~plateau | (lowered == -np.inf)] = -np.finfo(np.float64).tiny
    return np.where(null, lowered, size)


def field(
    ax: Axes,
    x1: Float[np.ndarray, "N"],
    x2: Float[np.ndarray, "M"],
    F: Float[np.ndarray, "M N"],
    *,
    levels: _Levels = 9,
) -> QuadContourSet:
    """Draw a function of two inputs: blue where positive, orange where negative.

    The fill is more opaque where the function is larger in size, and there is none where it is
    zero. A dark line follows the edge of what is zero. If the function reaches zero, values
    within 1e-12 of its largest size count as zero.

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
        The contour lines, with one at zero if `F` reaches it: two if a plateau of zeros lies
        between positive and negative values. A function of one sign that reaches zero has no
        levels of the other sign.

    Raises
    ------
    ValueError
        If the shape of `F` does not fit the grid, if `F` is constant, not finite, or of a range
        beyond 1e-200 to 1e200, or if `levels` are no number of lines and no finite heights.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> x = np.linspace(-1, 1, 21)
    >>> field(ax, x, x, x[:, None] + x, levels=[-1.0, 1.0]).levels.tolist()
    [-1.0, 0.0, 1.0]
    """
    F, low, high = _surface(x1=x1, x2=x2, F=F)
    if low <= 0 <= high:
        # A plateau of zeros may come with rounding errors, which have no border.
        F[np.abs(F) <= 1e-12 * max(-low, high)] = 0.0
        low, high = float(F.min()), float(F.max())
    heights = _lines(levels)
    if isinstance(heights, int):
        step = (high - low) / (heights + 1)
        heights = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    ends = np.array([low, high, *heights])
    most, least = np.abs(ends).max(), max(ends.min(), -ends.max(), 0.0)
    tiny = float(np.finfo(np.float64).tiny)
    heights = heights[heights != 0]
    if low < 0 < high:
        # To matplotlib zeros are low ground: -tiny finds their border with what is negative.
        heights = np.union1d(heights, [0.0, -tiny] if _all_zero(F).any() else [0.0])
    elif low == 0 or high == 0:
        sign = 1 if high > 0 else -1
        F = sign * _beyond(sign * F)
        heights = np.union1d(heights[sign * heights > 0], [0.0])
    for sign, color in ((1, BLUE), (-1, ORANGE)):
        bottom, top = sorted([sign * low, sign * high])
        if top > 0:
            # Not from zero: a plateau of zeros stays empty.
            bottom = max(bottom, tiny)
            edges = np.unique([bottom, *sign * heights[sign * heights > bottom], most])
            middle = ((edges[1:] + edges[:-1]) / 2 - least) / (most - least)
            fills = [to_rgba(color, 0.04 + 0.5 * m) for m in middle]
            _straighten(ax.contourf(x1, x2, sign * F, levels=edges, colors=fills, zorder=0))
    zero = np.abs(heights) <= tiny
    ax.grid(visible=False)
    lines = ax.contour(
        x1,
        x2,
        F,
        levels=heights,
        colors=np.where(zero, INK, np.where(heights > 0, BLUE, ORANGE)).tolist(),
        linewidths=np.where(zero, 1.6, 0.7),
        linestyles="solid",
        zorder=1,
    )
    lines.levels = np.where(zero, 0.0, heights)
    _straighten(lines)
    return lines


def _straighten(contours: QuadContourSet) -> None:
    """Drop corners that lie on a straight line.

    There is one at each line of the grid. The contours of a piecewise linear function are straight
    but for a few joints, and its picture would be most of its page.
    """
    paths = []
    for old in contours.get_paths():
        corners, codes = np.asarray(old.vertices), np.asarray(old.codes)
        if len(corners) < 3:
            paths.append(old)
            continue
        before, after = corners[1:-1] - corners[:-2], corners[2:] - corners[1:-1]
        chord = np.hypot(*(before + after).T)
        height = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
        straight = height <= 1e-7 * np.ptp(corners, axis=0).max() * chord
        inner = (codes[1:-1] == Path.LINETO) & (codes[2:] == Path.LINETO)
        keep = np.concatenate([[True], ~(straight & inner), [True]])
        paths.append(Path(corners[keep], codes[keep]))
    contours.set_paths(paths)


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
        ax.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", color=ink, size=9.5)
    ticks = np.arange(len(names)) + 0.5
    ax.set_xticks(ticks, list(names), rotation=40, ha="right")
    ax.set_yticks(ticks, list(names))
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return artist
