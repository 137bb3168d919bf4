"""Curves of a training: losses against epochs."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Real
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from udl.plot._style import BLUE, GOLD, GREEN, MUTED, ORANGE, PURPLE, vectors

_COLORS = {"training": BLUE, "validation": ORANGE}


def history(
    ax: Axes | None,
    epochs: Real[np.ndarray, "E"],
    curves: Mapping[str, Real[np.ndarray, "E"]],
    *,
    best: float | int | np.number | None = None,
    y: str = "loss",
) -> Axes:
    """Draw what was measured in each epoch.

    Parameters
    ----------
    ax : Axes or None
        Where to draw; None makes a figure.
    epochs : ndarray, shape (E,)
        Their numbers.
    curves : mapping of name to ndarray, shape (E,)
        What to draw, by the names in the legend. ``"training"`` is blue and ``"validation"``
        orange on every page.
    best : float, optional
        An epoch to mark.
    y : str
        The name of the vertical axis.

    Returns
    -------
    Axes
        With the curves.

    Raises
    ------
    ValueError
        If a curve has not one number for each epoch.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = history(ax, np.array([1, 2]), {"training": np.array([0.7, 0.4])}, best=2)
    >>> len(ax.lines), ax.get_xlabel()
    (2, 'epoch')
    """
    if ax is None:
        _, ax = plt.subplots()
    others = iter([GREEN, PURPLE, GOLD] * len(curves))
    # One epoch is a dot, since a line needs two points.
    marker = "o" if len(epochs) == 1 else None
    for name, values in curves.items():
        color = _COLORS.get(name) or next(others)
        ax.plot(*vectors(epochs=epochs, **{name: values}), color=color, label=name, marker=marker)
    if best is not None:
        ax.axvline(float(best), color=MUTED, linewidth=1.2, linestyle=":", label="best epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=y)
    ax.legend()
    return ax
