"""A decision tree as questions."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from udl.plot._style import BLUE, INK, MUTED, PAPER


def tree(
    ax: Axes,
    texts: Sequence[str],
    left: Sequence[int],
    right: Sequence[int],
    *,
    color: str | Sequence[str] = BLUE,
    size: float = 9,
) -> None:
    """Draw a decision tree: questions above, answers below.

    Parameters
    ----------
    ax : Axes
        Where to draw; its axes are hidden. Up to eight leaves are legible.
    texts : sequence of str
        What node k says: its question, or for a leaf its answer. Node 0 is the root.
    left, right : sequence of int
        The children of node k, for yes and for no; -1 for both makes it a leaf.
    color : str or sequence of str
        Color of the leaves' outlines: one for all, or one for each node (the questions' are not
        used).
    size : float
        Size of the text (points).

    Raises
    ------
    ValueError
        If the lengths differ, or the links from node 0 do not reach each node exactly once.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> tree(ax, ["x < 3?", "yes", "no"], [1, -1, -1], [2, -1, -1])
    >>> [text.get_text() for text in ax.texts]
    ['yes', 'no', 'yes', 'no', 'x < 3?']
    """
    if not len(texts) == len(left) == len(right) > 0:
        raise ValueError(
            "expected texts, left and right of the same length, at least 1, "
            f"got {len(texts)}, {len(left)} and {len(right)}"
        )
    colors = [color] * len(texts) if isinstance(color, str) else list(color)
    if len(colors) != len(texts):
        raise ValueError(f"expected {len(texts)} colors, one for each node, got {len(colors)}")
    seen: list[int] = []
    places: dict[int, tuple[float, float]] = {}
    leaves = 0

    def place(k: int, depth: int) -> None:
        nonlocal leaves
        if not 0 <= k < len(texts) or k in seen:
            raise ValueError(f"expected a tree: a link leads to node {k}, or leads there twice")
        seen.append(k)
        if left[k] < 0 and right[k] < 0:
            places[k] = (float(leaves), -float(depth))
            leaves += 1
            return
        place(left[k], depth + 1)
        place(right[k], depth + 1)
        middle = (places[left[k]][0] + places[right[k]][0]) / 2
        places[k] = (middle, -float(depth))

    place(0, 0)
    if len(seen) < len(texts):
        raise ValueError(f"expected links to all of {len(texts)} nodes, got {len(seen)} reached")
    for k, (x, y) in places.items():
        for child, word in ((left[k], "yes"), (right[k], "no")):
            if child < 0:
                continue
            to_x, to_y = places[child]
            ax.plot([x, to_x], [y, to_y], color=MUTED, linewidth=1, zorder=1)
            if k == 0:  # once is enough: yes is always on the left
                side = "right" if to_x < x else "left"
                at = (0.55 * x + 0.45 * to_x, 0.55 * y + 0.45 * to_y + 0.06)
                ax.text(*at, word, ha=side, va="bottom", color=MUTED, fontsize=size)
    for k, (x, y) in places.items():
        leaf = left[k] < 0
        box = {
            "boxstyle": "round,pad=0.3",
            "facecolor": PAPER,
            "edgecolor": colors[k] if leaf else MUTED,
            "linewidth": 1.6 if leaf else 0.8,
        }
        ax.text(x, y, texts[k], ha="center", va="center", color=INK, fontsize=size, bbox=box)
    depth = -min(y for _, y in places.values())
    ax.set(xlim=(-0.5, leaves - 0.5), ylim=(-depth - 0.35, 0.35))
    ax.set_axis_off()
