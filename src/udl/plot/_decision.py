"""What a classifier decides in each point of a plane."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage

from udl.plot._data import _RASTERIZE_BEYOND
from udl.plot._style import BLUE, GOLD, GREEN, INK, ORANGE, PAPER, PURPLE, vectors

_COLORS = (BLUE, ORANGE, GREEN, PURPLE, GOLD)
_MARKERS = "os^Dv"
# A picture of few tints is a small file.
_TINTS = 10


def decision(
    ax: Axes,
    x1: Float[np.ndarray, "M"],
    x2: Float[np.ndarray, "N"],
    p: Float[np.ndarray, "N M"],
    x: Float[np.ndarray, "I 2"],
    y: Integer[np.ndarray, "I"],
    *,
    names: Sequence[str] | None = None,
    size: float | int = 14,
) -> AxesImage:
    """Tint the plane by a classifier's decision, with its border and the examples.

    Parameters
    ----------
    ax : Axes
        Where to draw. Its limits become those of the grid, with half a step around.
    x1, x2 : ndarray, shapes (M,) and (N,)
        The grid, ascending in equal steps.
    p : ndarray, shape (N, M)
        At ``x1[i]`` and ``x2[j]`` in ``p[j, i]``: the probability of class 1 for two classes, pale
        where it is near one half; for more classes, up to five, the number of the class.
    x, y : ndarray, shapes (I, 2) and (I,)
        Examples and the numbers of their classes from 0, each with a color and a marker.
    names : sequence of str, optional
        The classes' names, for the legend.
    size : float
        Area of a marker in square points.

    Returns
    -------
    AxesImage
        The tints: pixels, which keep their color on a dark page and let it shine through.

    Raises
    ------
    ValueError
        If shapes do not fit, the grid's steps are unequal, or p or y holds something else.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax, grid = Figure().subplots(), np.linspace(0.0, 1.0, 3)
    >>> p = np.array([[0.0, 0.5, 1.0]]).repeat(3, axis=0)
    >>> tints = decision(ax, grid, grid, p, np.array([[0.1, 0.5], [0.9, 0.5]]), np.array([0, 1]))
    >>> tints.get_array()[0, :, 3].tolist()
    [0.5, 0.0, 0.5]
    """
    (x1,), (x2,) = vectors(x1=x1), vectors(x2=x2)
    for name, ticks in {"x1": x1, "x2": x2}.items():
        steps = np.diff(ticks)
        if not (len(steps) and steps[0] > 0 and np.allclose(steps, steps[0])):
            raise ValueError(f"expected two numbers or more in equal steps up, got {name}={ticks}")
    p, x, y = np.asarray(p, dtype=np.float64), np.asarray(x, dtype=np.float64), np.asarray(y)
    if p.shape != (len(x2), len(x1)):
        raise ValueError(f"expected p.shape={(len(x2), len(x1))}, got p.shape={p.shape}")
    if y.ndim != 1 or x.shape != (len(y), 2):
        raise ValueError(f"expected shapes (I, 2) and (I,), got x={x.shape}, y={y.shape}")
    if not np.isin(y, range(len(_COLORS))).all():
        raise ValueError(f"expected classes from 0 to {len(_COLORS) - 1}, got y={np.unique(y)}")
    top = max(1.0, *y, p.max()) if p.min() >= 0 else np.nan  # also NaN where p is
    classes = int(top) + 1 if top < len(_COLORS) else 0
    if not classes or (top > 1 and (p % 1).any()):
        raise ValueError(
            "expected probabilities of class 1 of two, or the numbers of classes from 0 to "
            f"{len(_COLORS) - 1}, got p from {p.min()} to {p.max()}"
        )
    if names is not None and len(names) < classes:
        raise ValueError(f"expected {classes} names, got names={list(names)}")
    rgba = np.empty((*p.shape, 4))
    shown = (p > 0.5).astype(int) if classes == 2 else p.astype(int)
    rgba[..., :3] = np.array([to_rgb(color) for color in _COLORS])[shown]
    sure = abs(2 * p - 1) if classes == 2 else np.full(p.shape, 0.7)
    rgba[..., 3] = 0.5 * np.ceil(sure * _TINTS - 1e-9) / _TINTS
    (left, right), (bottom, above) = (
        (t[0] - (t[1] - t[0]) / 2, t[-1] + (t[1] - t[0]) / 2) for t in (x1, x2)
    )
    tints = ax.imshow(
        rgba,
        extent=(left, right, bottom, above),
        origin="lower",
        aspect="auto",
        interpolation="none",
        zorder=0,
    )
    # Every border has one of the classes but the last on one side.
    borders = [p] if classes == 2 else [(p == k).astype(float) for k in range(classes - 1)]
    for border in borders:
        if border.min() < 0.5 < border.max():
            ax.contour(x1, x2, border, levels=[0.5], colors=INK, linewidths=1.0, zorder=1)
    for k in range(classes):
        ax.scatter(
            x[y == k, 0],
            x[y == k, 1],
            s=size,
            c=_COLORS[k],
            marker=_MARKERS[k],
            edgecolors=PAPER,
            linewidths=0.5,
            label=names[k] if names is not None else None,
            rasterized=len(x) > _RASTERIZE_BEYOND,
            zorder=2,
        )
    ax.set(xlim=(left, right), ylim=(bottom, above))
    ax.grid(visible=False)
    return tints
