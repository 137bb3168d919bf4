"""Attention: which token looks at which."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage

from udl.plot._style import BLUE, MUTED

# What would be invisible on an axis.
_VISIBLE = {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\\t"}


def attention(
    ax: Axes,
    weights: Float[np.ndarray, "T T"],
    tokens: Sequence[str],
    *,
    limit: float | int = 1.0,
) -> AxesImage:
    """Draw the weights of one attention head as a heat map, with the tokens on both axes.

    A cell is deeper the larger its weight, and empty where the weight is zero. If all weights
    above the diagonal are zero, a line marks the border: no token looks beyond it.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    weights : ndarray, shape (T, T)
        ``weights[t, s]`` is how much of the value of token s the output at token t takes.
    tokens : sequence of str
        The T tokens; a ``str`` for characters. Blanks and line ends are drawn as signs.
    limit : float
        The weight that gets the strongest color. Larger ones get the same.

    Returns
    -------
    AxesImage
        The cells.

    Raises
    ------
    ValueError
        If there is not one token for each row and column, if a weight is not from 0 to 1, or if
        `limit` is not positive.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = attention(ax, np.array([[1.0, 0.0], [0.25, 0.75]]), "o ")
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['o', '␣']
    """
    T = len(tokens)
    if weights.shape != (T, T) or T == 0:
        raise ValueError(
            "expected a token for each row and column, "
            f"got weights.shape={weights.shape}, {T} tokens"
        )
    # A sum of float32 exponentials over itself may be a last bit above 1. False for NaN, too.
    if not (weights.min() >= 0 and weights.max() <= 1 + 1e-5):
        raise ValueError(
            f"expected weights from 0 to 1, got values from {weights.min()} to {weights.max()}"
        )
    if not limit > 0:
        raise ValueError(f"expected limit > 0, got {limit}")
    # Opacity instead of a colormap: zero is the page itself, light or dark.
    cells = np.empty((T, T, 4))
    cells[..., :3] = to_rgb(BLUE)
    cells[..., 3] = np.clip(weights / limit, 0.0, 1.0)
    artist = ax.imshow(cells, interpolation="none", extent=(0, T, T, 0))
    if T > 1 and not np.triu(weights, 1).any():
        steps = np.repeat(np.arange(T + 1), 2)
        ax.plot(steps[1:], steps[:-1], color=MUTED, linewidth=0.8)
    names = [_VISIBLE.get(token, token) for token in tokens]
    size = min(9.0, max(5.0, 210 / T))
    ax.set_xticks(np.arange(T) + 0.5, names, size=size)
    ax.set_yticks(np.arange(T) + 0.5, names, size=size)
    for label in ax.get_yticklabels():
        if label.get_text() == _VISIBLE[" "]:  # hangs below the line of the letters
            label.set_verticalalignment("bottom")
    ax.set(xlim=(0, T), ylim=(T, 0), xlabel="looks at (key)", ylabel="looks from (query)")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return artist
