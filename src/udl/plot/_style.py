"""The palette, and matplotlib's defaults."""

import os
import sys

import matplotlib as mpl
import numpy as np
from matplotlib.rcsetup import cycler
from numpy.typing import ArrayLike, NDArray

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
            "figure.figsize": (5.6, 3.6),
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


def vectors(**arrays: ArrayLike) -> list[NDArray[np.float64]]:
    """Return the named arrays, or refuse them if they are not vectors of one length."""
    vectors = [np.asarray(array, dtype=np.float64) for array in arrays.values()]
    if vectors[0].ndim != 1 or len({vector.shape for vector in vectors}) > 1:
        expected = "vectors of equal length" if len(vectors) > 1 else "a vector"
        got = ", ".join(f"{n}.shape={v.shape}" for n, v in zip(arrays, vectors, strict=True))
        raise ValueError(f"expected {expected}, got {got}")
    return vectors
