"""Pictures as pictures, and which class was taken for which."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer, Real
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from udl.plot._style import BLUE, DIVERGING, INK, ORANGE


def images(
    axes: Axes | Sequence[Axes] | NDArray[np.object_],
    images: Real[np.ndarray, "N H W"],
    titles: Sequence[str] | None = None,
    *,
    limits: tuple[float | int, float | int] | None = None,
    signed: bool = False,
) -> list[AxesImage]:
    """Draw gray pictures side by side, each with a short title, all on one scale.

    Parameters
    ----------
    axes : Axes, or sequence or ndarray of Axes
        Where to draw, row by row: what ``plt.subplots`` returns. Axes without a picture are
        left empty.
    images : ndarray, shape (N, H, W)
        The pictures, N at most the number of axes.
    titles : sequence of str, optional
        A line above each of the N pictures.
    limits : pair of float, optional
        The values that get the first and the last color. Without it, the lowest and the highest
        value of all pictures.
    signed : bool
        Whether values have a sign, as weights and differences have. Then the colors part at zero,
        and `limits`, if given, must be as far below zero as above.

    Returns
    -------
    list of AxesImage
        The pictures, in order.

    Raises
    ------
    ValueError
        If there are no pictures, more pictures than axes, not one title for each, values that are
        not finite, or limits that do not ascend or do not fit `signed`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots(1, 3)
    >>> drawn = images(axes, np.arange(8.0).reshape(2, 2, 2), ["low", "high"])
    >>> [artist.get_clim() for artist in drawn]
    [(0.0, 7.0), (0.0, 7.0)]
    """
    places = [axes] if isinstance(axes, Axes) else list(np.ravel(np.asarray(axes, dtype=object)))
    if images.ndim != 3 or not 0 < len(images) <= len(places) or images.size == 0:
        raise ValueError(
            f"expected 1 to {len(places)} pictures, one for each of the axes at most, "
            f"got images.shape={images.shape}"
        )
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"expected {len(images)} titles, got {len(titles)}")
    if not np.isfinite(images).all():
        raise ValueError("expected finite images, got a value that is NaN or infinite")
    if limits is not None:
        low, high = map(float, limits)
        if not low < high or (signed and low != -high):
            wanted = "(-a, a), a > 0" if signed else "(low, high), low < high"
            raise ValueError(f"expected limits {wanted}, got {limits}")
    elif signed:
        high = float(np.abs(images).max())
        low = -high
    else:
        low, high = float(images.min()), float(images.max())
    drawn = []
    for k, ax in enumerate(places):
        ax.set_axis_off()
        if k < len(images):
            # As stored, without smoothing: a pixel is a pixel, and the file stays small.
            artist = ax.imshow(
                images[k],
                cmap=DIVERGING if signed else "gray",
                vmin=low,
                vmax=high,
                interpolation="none",
            )
            drawn.append(artist)
            if titles is not None:
                ax.set_title(titles[k], size=10)
    return drawn


def confusion(ax: Axes, M: Integer[np.ndarray, "K K"], names: Sequence[str]) -> PolyCollection:
    """Draw how many examples of each class were taken for which: a confusion matrix.

    Blue cells on the diagonal are right, the deeper the larger their share of the row. Orange
    cells are errors, the deeper the more. A cell without a number counts none.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    M : ndarray, shape (K, K)
        Counts: ``M[i, j]`` examples of class i were predicted to be of class j.
    names : sequence of str
        The names of the K classes.

    Returns
    -------
    PolyCollection
        The K * K cells, row by row.

    Raises
    ------
    ValueError
        If a count is negative, or if there is not one name for each row and column.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = confusion(ax, np.array([[9, 1], [0, 10]]), ["cat", "dog"])
    >>> [text.get_text() for text in ax.texts]
    ['9', '1', '10']
    """
    if M.shape != (len(names), len(names)) or len(names) == 0:
        raise ValueError(
            f"expected a name for each row and column, got M.shape={M.shape}, {len(names)} names"
        )
    if M.min() < 0:
        raise ValueError(f"expected counts, got {M.min()} in M")
    right = np.diag(M)
    errors = M - np.diag(right)
    share = right / np.maximum(M.sum(axis=1), 1)
    # A single error is seen, on a dark page too.
    opacity = np.where(errors > 0, 0.2 + 0.4 * errors / max(int(errors.max()), 1), 0.0)
    squares, fills = [], []
    for (i, j), count in np.ndenumerate(M):
        squares.append([(j, i), (j + 1, i), (j + 1, i + 1), (j, i + 1)])
        alpha = 0.4 * share[i] if i == j else opacity[i, j]
        fills.append(to_rgba(BLUE if i == j else ORANGE, float(alpha)))
        if count:
            ax.text(j + 0.5, i + 0.5, f"{count}", ha="center", va="center", color=INK, size=9)
    artist = PolyCollection(squares, facecolors=fills, linewidths=0)
    ax.add_collection(artist)
    ticks = np.arange(len(names)) + 0.5
    ax.set_xticks(ticks, list(names))
    ax.set_yticks(ticks, list(names))
    ax.set(xlim=(0, len(names)), ylim=(len(names), 0), aspect="equal")
    ax.set(xlabel="predicted", ylabel="true")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return artist
