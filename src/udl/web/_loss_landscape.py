"""The loss landscape: a surface to turn, with the paths of optimizers on it.

Losses are computed by the package and only shown by the page. A surface is smooth, so the
differences of neighbors travel, in steps of the logarithm that leave nearly four digits.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from udl import landscape
from udl.landscape import Grid, Trajectory
from udl.web.host import Widget, inline, labeled

_MOST_PATHS = 5  # as many as the page has colors and dashes
_MOST_NODES = 41  # along an axis; more would be slow to draw, and heavy
_DECADE = 5000  # steps of the logarithm
_RANGE = 50_000  # steps of a loss that has no logarithm


def loss_landscape(
    grid: Grid | Mapping[str, Grid],
    trajectories: Mapping[str, Trajectory],
    *,
    label: str = "",
    task: str = "",
    title: str = "A loss landscape",
    axes: tuple[str, str] = ("first direction", "second direction"),
    walk: tuple[str, str] | None = None,
) -> Widget:
    r"""Show the loss over a plane as a surface or as contours, and paths on it.

    Each path is drawn where :func:`udl.landscape.project` puts it, at the height of the surface.
    Its own loss, and how much of it lies outside of the plane, are said beside it.

    Parameters
    ----------
    grid : Grid, or mapping of str to Grid
        One plane, or several to choose from, by name; from :func:`udl.landscape.grid`.
    trajectories : mapping of str to Trajectory
        Paths by name, at most 5; from :func:`udl.landscape.follow`.
    label : str
        Stable id of the landscape on its page; by default a hash of the content.
    task : str
        What to try, with ``$math$`` and ```code```.
    title : str
        Plain-text name.
    axes : (str, str)
        Names of the two directions.
    walk : (str, str), optional
        Names of two paths. The reader is to walk from the end of one to the end of the other, in
        the first plane, as low as possible; the page notices a way at most 5% above the lowest.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    ValueError
        If there is no plane, no path or more than 5, a plane has more than 41 nodes along an axis,
        or fewer than two finite losses, shapes do not fit, a name is empty, `label` is no id, or
        `walk` names no two paths.

    See Also
    --------
    udl.landscape.lowest_pass : Computes how high the lowest way climbs.

    Examples
    --------
    >>> def bowl(phi):
    ...     return float(phi @ phi)
    >>> center, first, second = np.zeros(3), *np.eye(3)[:2]
    >>> plane = landscape.grid(bowl, center, first, second, extent=4.0, size=9)
    >>> path = landscape.follow(bowl, np.array([[3.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), [0, 1])
    >>> loss_landscape(plane, {"two steps": path}, label="bowl").props["paths"][0]["losses"]
    [9.0, 2.0]
    """
    grids = {"": grid} if isinstance(grid, Grid) else dict(grid)
    if not grids:
        raise ValueError("expected at least one plane, got grid={}")
    if not 1 <= len(trajectories) <= _MOST_PATHS:
        raise ValueError(f"expected 1 to {_MOST_PATHS} paths, got {len(trajectories)}")
    for name in [*(grids if len(grids) > 1 else ()), *trajectories, title, *axes]:
        if not name.strip():
            raise ValueError(f"expected names that are not empty, got {name!r}")
    planes = [_plane(name, plane) for name, plane in grids.items()]
    paths = [_path(name, path, list(grids.values())) for name, path in trajectories.items()]
    first = next(iter(grids.values()))
    props: dict[str, Any] = {
        "title": title,
        "task": inline(task),
        "axes": list(axes),
        "planes": planes,
        "paths": paths,
        "walk": None if walk is None else _walk(first, trajectories, walk),
    }
    return labeled(
        "landscape",
        props,
        label,
        fallback=f"<p><b>{html.escape(title)}.</b> With JavaScript, the loss over a plane through "
        f"the parameters stands here as a surface to turn, with the paths of "
        f"{html.escape(', '.join(trajectories))} on it.</p>",
        title=title,
        height=980,
    )


def _plane(name: str, grid: Grid) -> dict[str, Any]:
    """Return what the page needs of a plane."""
    T, S = grid.loss.shape
    if (len(grid.t), len(grid.s)) != (T, S) or not 2 <= min(S, T) <= max(S, T) <= _MOST_NODES:
        raise ValueError(
            f"expected 2 to {_MOST_NODES} nodes along each axis of plane {name!r}, "
            f"got loss.shape={(T, S)}, s.shape={grid.s.shape}, t.shape={grid.t.shape}"
        )
    finite = grid.loss[np.isfinite(grid.loss)]
    if not len(finite) or not finite.max() > finite.min():
        raise ValueError(f"expected losses that differ in plane {name!r}, got none that do")
    return {
        "name": name,
        "s": [float(grid.s[0]), float(grid.s[-1])],
        "t": [float(grid.t[0]), float(grid.t[-1])],
        "size": [S, T],
        **_encoded(grid.loss),
        "center": _round(np.array([grid.center_loss]))[0],
    }


def _path(name: str, path: Trajectory, grids: list[Grid]) -> dict[str, Any]:
    """Return what the page needs of a path: its losses, and where it is in each plane."""
    if not len(path.steps) == len(path.path) == len(path.losses) > 0:
        raise ValueError(
            f"expected a step, a point and a loss each in path {name!r}, "
            f"got {len(path.steps)}, {len(path.path)}, {len(path.losses)}"
        )
    at = []
    for grid in grids:
        found = landscape.project(path.path, grid.center, grid.first, grid.second)
        squares = ((path.path - grid.center) ** 2).sum(axis=1)
        whole = squares.sum()
        # A thousandth of a cell is finer than any picture.
        cells = [(axis[-1] - axis[0]) / (len(axis) - 1) for axis in (grid.s, grid.t)]
        at.append(
            {
                "s": _fine(found.s, cells[0]),
                "t": _fine(found.t, cells[1]),
                "outside": _fine(found.outside, 1.0),
                "share": _fine((found.outside * squares).sum(keepdims=True) / whole, 1.0)[0]
                if whole > 0
                else 0.0,
            }
        )
    return {
        "name": name,
        "steps": [int(step) for step in path.steps],
        "losses": _round(path.losses),
        "at": at,
    }


def _walk(
    grid: Grid, trajectories: Mapping[str, Trajectory], walk: tuple[str, str]
) -> dict[str, Any]:
    """Return the two nodes of a walk, and the height of the lowest pass between them."""
    if len(walk) != 2 or walk[0] == walk[1] or any(name not in trajectories for name in walk):
        raise ValueError(
            f"expected walk to name two of the paths {list(trajectories)}, got walk={walk!r}"
        )
    nodes = []
    for name in walk:
        end = trajectories[name].path[-1:]
        place = landscape.project(end, grid.center, grid.first, grid.second)
        node = tuple(
            int(np.abs(axis - at[0]).argmin())
            for axis, at in ((grid.t, place.t), (grid.s, place.s))
        )
        nodes.append((node[0], node[1]))
    if nodes[0] == nodes[1]:
        raise ValueError(f"expected paths that end apart in the first plane, got walk={walk!r}")
    height = landscape.lowest_pass(grid.loss, *nodes)
    return {
        "names": list(walk),
        "nodes": [[i, j] for j, i in nodes],
        "pass": _round(np.array([height]))[0],
        "limit": _round(np.array([height + 0.05 * abs(height)]))[0],
    }


def _encoded(loss: Float[np.ndarray, "T S"]) -> dict[str, Any]:
    r"""Write a surface as a scale, and the differences along both axes of whole numbers n.

    .. math:: L = 10^{\text{low} + \text{step} \cdot n} \quad \text{or} \quad
        L = \text{low} + \text{step} \cdot n
    """
    good = np.isfinite(loss)
    log = bool((loss[good] > 0).all())
    values = np.where(good, loss, loss[good].min())
    if log:
        values = np.log10(values)
    low = float(values.min())
    step = 1 / _DECADE if log else float(values.max() - low) / _RANGE
    codes = np.round((values - low) / step).astype(np.int64)
    differences = np.diff(np.diff(codes, axis=0, prepend=0), axis=1, prepend=0)
    return {
        "log": log,
        "low": low,
        "step": step,
        "code": differences.ravel().tolist(),
        "holes": np.flatnonzero(~good).tolist(),
    }


def _round(values: Float[np.ndarray, " N"]) -> list[float | None]:
    """Round to four significant digits; what is not finite becomes None."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _fine(values: Float[np.ndarray, " N"], unit: float) -> list[float | None]:
    """Round to about a thousandth of a unit."""
    digits = 3 - int(np.floor(np.log10(unit)))
    return [round(float(v), digits) + 0.0 if np.isfinite(v) else None for v in values]
