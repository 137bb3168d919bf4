"""A network as nodes and links."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle
from numpy.typing import NDArray

from udl.plot._style import BLUE, MUTED, PAPER


def _free_place(
    link: NDArray[np.float64],
    others: NDArray[np.float64],
    texts: NDArray[np.float64],
    lift: float,
) -> NDArray[np.float64]:
    """Return the center of a link's text above it: away from other links and texts, if it can.

    Links are pairs of ends, shape (2, 2) and (N, 2, 2); texts are the places of those drawn.
    """
    start, along = link[0], link[1] - link[0]
    normal = np.array([-along[1], along[0]]) / np.hypot(*along)
    # Nearer to the source at first, where the links of one target are still apart.
    parts = np.array(sorted(np.arange(0.22, 0.79, 0.04), key=lambda part: abs(part - 0.42)))
    places = start + parts[:, None] * along + lift * normal
    to_texts = np.linalg.norm(places[:, None] - texts, axis=2).min(axis=1, initial=0.46)
    sides = others[:, 1] - others[:, 0]
    gaps = places[:, None] - others[:, 0]
    t = np.clip((gaps * sides).sum(axis=2) / (sides**2).sum(axis=1), 0.0, 1.0)
    to_links = np.linalg.norm(gaps - t[..., None] * sides, axis=2).min(axis=1, initial=0.24)
    best: NDArray[np.float64] = places[np.minimum(to_texts - 0.22, to_links).argmax()]
    return best


def network(
    ax: Axes,
    layers: Sequence[Sequence[str]],
    *,
    weights: Sequence[Sequence[Sequence[str]]] | None = None,
    captions: Sequence[str] | None = None,
    color: str = BLUE,
) -> None:
    """Draw a network as nodes and links, from left to right.

    Parameters
    ----------
    ax : Axes
        Where to draw; its axes are hidden. Up to about eight nodes a layer are legible.
    layers : sequence of sequence of str
        The text in each node, layer by layer. A node ``"1"`` or ``"$1$"`` is the constant that
        biases multiply: no link leads to it, unless `weights` has a text for the link.
    weights : nested sequence of str, optional
        ``weights[k][i][j]`` is the text on the link from node i of layer k to node j of layer
        k + 1, ``""`` for none. Without it all links are bare.
    captions : sequence of str, optional
        A text under each layer.
    color : str
        One of the palette, for the nodes.

    Raises
    ------
    ValueError
        If there is no layer or one without a node, or if `weights` does not have one text for
        each link, or `captions` one for each layer.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> network(ax, [["1", "x"], ["f"]], weights=[[["b"], ["w"]]])
    >>> [text.get_text() for text in ax.texts]
    ['b', 'w', '1', 'x', 'f']
    """
    if not layers or not all(layers):
        raise ValueError(f"expected layers with one node or more each, got layers={layers}")
    sizes = [(len(left), len(right)) for left, right in pairwise(layers)]
    if weights is None:
        weights = [[[""] * right] * left for left, right in sizes]
    if [[len(row) for row in rows] for rows in weights] != [[r] * n for n, r in sizes]:
        raise ValueError(f"expected weights of shapes {sizes}, one text a link, got {weights}")
    captions = [""] * len(layers) if captions is None else captions
    if len(captions) != len(layers):
        raise ValueError(f"expected a caption for each of {len(layers)} layers, got {captions}")
    ax.set_axis_off()
    figure, engine = ax.get_figure(root=True), ax.figure.get_layout_engine()
    if figure is not None and engine is not None:
        engine.execute(figure)  # gives the axes the room that their ticks had
    tallest, gaps = max(len(names) for names in layers), max(len(layers) - 1, 1)
    bottom = (tallest - 1) / 2 + 0.5
    under = 0.5 * max((caption.count("\n") + 1 if caption else 0) for caption in captions)
    # As wide as the axes leave room for, so that links and texts stay apart.
    room = ax.bbox.width / ax.bbox.height * (2 * bottom + under) - 1
    texts = any(text for rows in weights for row in rows for text in row)
    least, most = (2.2, 0.7 * tallest) if texts else (1.5, max(2.2, 0.45 * tallest))
    step, radius = max(least, min(room / gaps, most)), 0.32
    dots = min(ax.bbox.width / (gaps * step + 1), ax.bbox.height / (2 * bottom + under))
    font = min(mpl.rcParams["font.size"], 1.1 * radius * dots * 72 / ax.figure.dpi)
    # Air between a link and its text, whatever the scale.
    air = 0.25 * font * ax.figure.dpi / 72
    width = 1.2 if tallest < 5 else 0.7
    centers = [
        [(k * step, (len(names) - 1) / 2 - j) for j in range(len(names))]
        for k, names in enumerate(layers)
    ]
    for k, (left, right) in enumerate(pairwise(centers)):
        links = [
            ([start, end], weights[k][i][j])
            for i, start in enumerate(left)
            for j, end in enumerate(right)
            if weights[k][i][j] or layers[k + 1][j] not in ("1", "$1$")
        ]
        ends = np.array([link for link, _ in links])
        placed = np.empty((0, 2))
        for n, (_, text) in enumerate(links):
            ax.plot(*ends[n].T, color=MUTED, linewidth=width, zorder=1)
            if text:
                artist = ax.text(0, 0, text, ha="center", va="center", size=font, zorder=3)
                # Upright, and as far up as its corner that is nearest to the link asks for.
                box, along = artist.get_window_extent(), ends[n, 1] - ends[n, 0]
                half = np.array([abs(along[1]) * box.width, abs(along[0]) * box.height]) / 2
                lift = (air + half.sum() / np.hypot(*along)) / dots
                place = _free_place(ends[n], np.delete(ends, n, axis=0), placed, lift)
                placed = np.vstack([placed, place])
                artist.set_position((place[0], place[1]))
    for names, column in zip(layers, centers, strict=True):
        for name, center in zip(names, column, strict=True):
            face = to_rgba(color, 0.12)
            ax.add_patch(Circle(center, radius, facecolor=PAPER, edgecolor="none", zorder=2))
            ax.add_patch(Circle(center, radius, facecolor=face, edgecolor=color, zorder=2.1))
            ax.text(*center, name, ha="center", va="center", size=font, zorder=3)
    for k, caption in enumerate(captions):
        if caption:
            ax.text(k * step, -bottom, caption, ha="center", va="top", size=9.5, color=MUTED)
    ax.set_xlim(-0.5, (len(layers) - 1) * step + 0.5)
    ax.set_ylim(-bottom - under, bottom)
    ax.set_aspect("equal")
