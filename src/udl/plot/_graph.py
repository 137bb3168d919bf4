"""A computational graph: what is made of what."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from numpy.typing import NDArray

from udl.plot._style import BLUE, GREEN, INK, MUTED, ORANGE

# All in points. Fonts: of labels, of texts over and under them, and the smallest that is used.
LABEL, VALUE, LEAST = 11.0, 9.5, 8.0
# An arrow's straight end and its bend at least; how far columns and rows are apart at most.
HEAD, BEND, WIDE, TALL = 8.0, 10.0, 64.0, 66.0
AIR = 2.0


class _Arrow(NamedTuple):
    """The cells that an arrow visits, and its number among arrows from one node to another."""

    cells: list[int]
    copy: int


class _Layout(NamedTuple):
    """A graph in columns of cells, from top to bottom.

    A cell is a node or, where an arrow crosses a column, a free place on its way: cells 0..N-1 are
    the nodes.
    """

    columns: list[list[int]]
    arrows: list[_Arrow]
    depth: dict[int, float]  # of each cell, in rows


class _Sizes(NamedTuple):
    """What the texts ask for, in points."""

    widths: NDArray[np.float64]  # of nodes
    height: float  # of nodes
    over: float  # of the texts over nodes, with air
    under: float
    halves: list[float]  # half the width of each column


def graph(
    ax: Axes,
    labels: Sequence[str],
    parents: Sequence[Sequence[int]],
    *,
    above: Sequence[str] | None = None,
    below: Sequence[str] | None = None,
    color: str = GREEN,
) -> None:
    """Draw a computational graph from left to right, with an arrow from each parent to its child.

    Nodes without parents, the leaves, are boxes, and stand one column before their first use.
    Nodes that are made of others are round, and stand right of all of them.

    Parameters
    ----------
    ax : Axes
        Where to draw; its axes are hidden. Up to about 12 nodes are legible.
    labels : sequence of str
        The text in each node.
    parents : sequence of sequence of int
        What each node is made of: positions in `labels`, all before its own. A parent that is used
        twice appears twice, and gets two arrows.
    above, below : sequence of str, optional
        A text over and under each node, ``""`` for none: values in blue, gradients in orange.
    color : str
        One of the palette, for the round nodes.

    Raises
    ------
    ValueError
        If there is no node, a parent does not come before its child, or `parents`, `above` or
        `below` does not have one entry for each node.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> graph(ax, ["x", "y", "x y"], [(), (), (0, 1)], above=["2", "3", "6"])
    >>> [text.get_text() for text in ax.texts]
    ['x', '2', '', 'y', '3', '', 'x y', '6', '']
    """
    above = [""] * len(labels) if above is None else above
    below = [""] * len(labels) if below is None else below
    _check(labels, parents, above, below)
    layout = _layout(parents)
    ax.set_axis_off()
    figure, engine = ax.get_figure(root=True), ax.figure.get_layout_engine()
    if figure is not None and engine is not None:
        engine.execute(figure)  # gives the axes the room that their ticks had
    dots = ax.figure.dpi / 72
    width, height = ax.bbox.width / dots, ax.bbox.height / dots

    texts = [
        [
            ax.text(0, 0, text, color=ink, ha="center", va="center", zorder=3)
            for text, ink in zip(node, (INK, BLUE, ORANGE), strict=True)
        ]
        for node in zip(labels, above, below, strict=True)
    ]
    gaps, rows = max(len(layout.columns) - 1, 1), max(layout.depth.values())
    # The largest fonts that fit.
    largest = min(LABEL, mpl.rcParams["font.size"]) / LABEL
    for scale in np.linspace(largest, min(LEAST / LABEL, largest), 7):
        sizes = _measure(texts, layout.columns, scale, dots)
        row = sizes.over + sizes.height + sizes.under
        wide, tall = 2 * sum(sizes.halves) + gaps * (HEAD + BEND), (rows + 1) * row
        if wide <= width and tall <= height:
            break
    gap = HEAD + BEND + min(max(width - wide, 0.0) / gaps, WIDE)
    step = max(row, min((height - row) / max(rows, 1.0), TALL))
    center, right = {}, -gap
    for cells, half in zip(layout.columns, sizes.halves, strict=True):
        for cell in cells:
            center[cell] = (right + gap + half, -step * layout.depth[cell])
        right += gap + 2 * half

    for node, (label, over, under) in enumerate(texts):
        (x, y), h = center[node], sizes.height
        ax.add_patch(_shape(x, y, sizes.widths[node], h, color if parents[node] else None))
        heights = (y, y + (h + sizes.over) / 2, y - (h + sizes.under) / 2)
        for text, place in zip((label, over, under), heights, strict=True):
            text.set_position((x, place))
    for way in _ways(layout, center, sizes, [not group for group in parents]):
        ax.add_patch(
            FancyArrowPatch(
                path=way, arrowstyle="-|>", mutation_scale=11, color=MUTED, linewidth=1.2, zorder=1
            )
        )
    margin = max(width - right, 2.0) / 2
    ax.set_xlim(-margin, right + margin)
    ax.set_ylim(-step * rows - h / 2 - sizes.under, h / 2 + sizes.over)
    ax.set_aspect("equal")


def _check(
    labels: Sequence[str],
    parents: Sequence[Sequence[int]],
    above: Sequence[str],
    below: Sequence[str],
) -> None:
    """Refuse what is no graph, or has texts for another one."""
    if len(labels) == 0:
        raise ValueError("expected at least one node, got no labels")
    for name, entries in ("parents", parents), ("above", above), ("below", below):
        if len(entries) != len(labels):
            raise ValueError(
                f"expected one entry of {name} for each of {len(labels)} labels, "
                f"got len({name})={len(entries)}"
            )
    for child, group in enumerate(parents):
        for parent in group:
            if not (isinstance(parent, int | np.integer) and 0 <= parent < child):
                raise ValueError(
                    f"expected positions of nodes before node {child}, "
                    f"got parents[{child}]={tuple(group)}"
                )


def _layout(parents: Sequence[Sequence[int]]) -> _Layout:
    """Give each node a column and a depth there, so that arrows are short and rarely cross."""
    column = [0] * len(parents)
    for child, group in enumerate(parents):
        column[child] = 1 + max((column[parent] for parent in group), default=-1)
    for node in range(len(parents)):
        uses = [column[child] for child, group in enumerate(parents) if node in group]
        if uses and not parents[node]:
            column[node] = min(uses) - 1
    columns: list[list[int]] = [[] for _ in range(max(column) + 1)]
    for node, k in enumerate(column):
        columns[k].append(node)
    free: dict[tuple[int, int], int] = {}  # one place a column for all arrows of a parent
    arrows = []
    for child, group in enumerate(parents):
        for n, parent in enumerate(group):
            cells = [parent]
            for k in range(column[parent] + 1, column[child]):
                if (parent, k) not in free:
                    free[parent, k] = len(parents) + len(free)
                    columns[k].append(free[parent, k])
                cells.append(free[parent, k])
            arrows.append(_Arrow([*cells, child], group[:n].count(parent)))
    links = sorted({link for arrow in arrows for link in pairwise(arrow.cells)})
    columns = _untangle(columns, links)
    # Straight are long arrows and those between round nodes: leaves make way.
    weight = dict.fromkeys(free.values(), 2.0)
    weight |= {node: 1.0 if group else 1e-3 for node, group in enumerate(parents)}
    depth = {cell: float(place) for cells in columns for place, cell in enumerate(cells)}
    near = _neighbors(links)
    for cells in [*columns, *reversed(columns)] * 20:
        wanted = [
            np.average([depth[n] for n in near[c]], weights=[weight[n] for n in near[c]])
            if c in near
            else depth[c]
            for c in cells
        ]
        depth |= zip(cells, _apart(wanted, [weight[c] for c in cells], 1.0), strict=True)
    top = min(depth.values())
    return _Layout(columns, arrows, {cell: place - top for cell, place in depth.items()})


def _neighbors(links: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    """Return the cells that each cell is linked to."""
    near: dict[int, list[int]] = {}
    for left, right in links:
        near.setdefault(left, []).append(right)
        near.setdefault(right, []).append(left)
    return near


def _untangle(columns: list[list[int]], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Order the cells of each column by where their neighbors are, so that few links cross."""
    near, best = _neighbors(links), columns
    for sweep in range(8):
        ordered = [list(cells) for cells in columns]
        sides = list(pairwise(ordered if sweep % 2 == 0 else ordered[::-1]))
        for fixed, moved in sides:
            place = {cell: float(k) for k, cell in enumerate(moved)}
            for cell in moved:
                known = [fixed.index(n) for n in near.get(cell, []) if n in fixed]
                place[cell] = float(np.mean(known)) if known else place[cell]
            moved.sort(key=place.__getitem__)
        columns = ordered
        if _crossings(columns, links) < _crossings(best, links):
            best = columns
    return best


def _crossings(columns: list[list[int]], links: Sequence[tuple[int, int]]) -> int:
    """Count the pairs of links that cross between two columns."""
    place = {cell: (k, j) for k, cells in enumerate(columns) for j, cell in enumerate(cells)}
    return sum(
        place[a][0] == place[c][0]
        and (place[a][1] - place[c][1]) * (place[b][1] - place[d][1]) < 0
        for (a, b), (c, d) in combinations(links, 2)
    )


def _apart(wanted: Sequence[float], weights: Sequence[float], gap: float) -> list[float]:
    """Return the places nearest to the wanted ones, in this order and at least a gap apart.

    Nearest in the sense of weighted least squares: neighbors that come too close become a pool.
    """
    pools: list[list[float]] = []  # of center, weight, and number of members
    for k, (place, weight) in enumerate(zip(wanted, weights, strict=True)):
        pools.append([place - k * gap, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, v, m), (b, w, n) = pools[-2:]
            pools[-2:] = [[(v * a + w * b) / (v + w), v + w, m + n]]
    centers = [center for center, _, members in pools for _ in range(int(members))]
    return [center + k * gap for k, center in enumerate(centers)]


def _measure(
    texts: Sequence[Sequence[Text]], columns: list[list[int]], scale: float, dots: float
) -> _Sizes:
    """Set the fonts, and measure what the texts need."""
    extents = np.zeros((len(texts), 3, 2))
    for node, parts in enumerate(texts):
        for k, (text, size) in enumerate(zip(parts, (LABEL, VALUE, VALUE), strict=True)):
            text.set_fontsize(max(LEAST, scale * size))
            box = text.get_window_extent()
            extents[node, k] = box.width / dots, box.height / dots
    font = max(LEAST, scale * LABEL)
    inner, over, under = extents.transpose(1, 0, 2)
    height = max(1.9 * font, inner[:, 1].max() + 0.6 * font)
    widths = np.maximum(height, inner[:, 0] + 0.9 * font)
    whole = np.maximum(widths, np.maximum(over[:, 0], under[:, 0]))
    nodes = [[cell for cell in cells if cell < len(texts)] for cells in columns]
    return _Sizes(
        widths,
        height,
        over[:, 1].max() + 2 * AIR,
        under[:, 1].max() + 2 * AIR,
        [float(whole[cells].max()) / 2 for cells in nodes],
    )


def _shape(x: float, y: float, width: float, height: float, color: str | None) -> Patch:
    """Return the outline of a node: round and of a color, or the box of a leaf."""
    if color is None:
        corner = f"round,pad=0,rounding_size={0.18 * height}"
        box = (x - width / 2, y - height / 2)
        return FancyBboxPatch(
            box, width, height, boxstyle=corner, facecolor="none", edgecolor=MUTED, zorder=2
        )
    left, right = (np.asarray(Path.arc(*ends).vertices) for ends in ((90, 270), (-90, 90)))
    shift = np.array([(width - height) / 2, 0.0])
    vertices = np.vstack([left * height / 2 - shift, right * height / 2 + shift, shift])
    curve = [Path.CURVE4] * (len(left) - 1)
    codes = [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY]
    outline = Path(vertices + [x, y], codes)  # noqa: RUF005
    return PathPatch(outline, facecolor=to_rgba(color, 0.12), edgecolor=color, zorder=2)


def _ways(
    layout: _Layout, center: dict[int, tuple[float, float]], sizes: _Sizes, leaf: Sequence[bool]
) -> list[Path]:
    """Return the lines of the arrows: level within columns, where texts are, and bent between."""
    half = {
        cell: w for cells, w in zip(layout.columns, sizes.halves, strict=True) for cell in cells
    }
    radius = sizes.height / 2
    starts = _ports({(cells[0], cells[1], copy) for cells, copy in layout.arrows}, center, radius)
    ends = _ports({(cells[-1], cells[-2], copy) for cells, copy in layout.arrows}, center, radius)
    ways = []
    for cells, copy in layout.arrows:
        lift = dict.fromkeys(cells, 0.0)
        lift[cells[0]] = starts[cells[0], cells[1], copy]
        lift[cells[-1]] = ends[cells[-1], cells[-2], copy]
        # How far the outline is from the middle of a node, at that height.
        reach = {
            cell: sizes.widths[cell] / 2
            - (0.0 if leaf[cell] else radius - np.sqrt(radius**2 - lift[cell] ** 2))
            for cell in (cells[0], cells[-1])
        }
        points, codes = (
            [(center[cells[0]][0] + reach[cells[0]], center[cells[0]][1] + lift[cells[0]])],
            [Path.MOVETO],
        )
        for left, right in pairwise(cells):
            x0, y0 = center[left][0] + half[left], center[left][1] + lift[left]
            x1, y1 = center[right][0] - half[right] - HEAD, center[right][1] + lift[right]
            middle = (x0 + x1) / 2
            points += [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
            codes += [Path.LINETO, *[Path.CURVE4] * 3]
        points.append((center[cells[-1]][0] - reach[cells[-1]], y1))
        codes.append(Path.LINETO)
        ways.append(Path(points, codes))
    return ways


def _ports(
    sides: set[tuple[int, int, int]], center: dict[int, tuple[float, float]], radius: float
) -> dict[tuple[int, int, int], float]:
    """Return how far above the middle of a node each arrow leaves or arrives.

    A side is a node, the cell that its arrow comes from or goes to, and the number of the arrow.
    """
    ports: dict[tuple[int, int, int], float] = {}
    for node in {node for node, _, _ in sides}:
        mine = sorted((s for s in sides if s[0] == node), key=lambda s: (center[s[1]][1], s[2]))
        rise = np.array([center[other][1] - center[node][1] for _, other, _ in mine])
        wanted = radius / 2 * np.clip(rise / 40, -1, 1)
        gap = min(6.0, 1.2 * radius / max(len(mine) - 1, 1))
        lifts = _apart(list(wanted), list(np.where(abs(rise) < 1, 1.0, 0.1)), gap)
        ports |= zip(mine, np.clip(lifts, -0.6 * radius, 0.6 * radius), strict=True)
    return ports
