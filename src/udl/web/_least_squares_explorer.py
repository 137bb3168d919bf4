"""A line and its loss surface, side by side: drag either, or let an optimizer walk."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Real

from udl import linear
from udl._check import finite, same_shape, vector
from udl.web.host import Widget, inline, labeled

BETA, GAMMA, EPSILON = 0.9, 0.999, 1e-8
RACE = 100
_OPTIMIZERS = ("gd", "sgd", "momentum", "adam")
# What a goal needs before it can be reached: optimizers, any of them, and the slip switches.
_GOALS: dict[str, tuple[tuple[str, ...], bool]] = {
    "drag": ((), False),
    "edge": (("gd",), False),
    "race": (_OPTIMIZERS, False),
    "still": (("momentum", "adam"), True),
    "leap": (("adam",), True),
}


def least_squares_explorer(
    x: Real[np.ndarray, " I"],
    y: Real[np.ndarray, " I"],
    *,
    label: str = "",
    task: str = "",
    title: str = "A line, and its place on the loss surface",
    x_name: str = "input x",
    y_name: str = "output y",
    optimizers: Sequence[str] = ("gd",),
    slips: bool = False,
    start: Sequence[float | int] = (0.0, 0.0),
    mean: bool = False,
    seed: int = 0,
    goals: Sequence[str] = (),
) -> Widget:
    r"""Show a line through points beside the surface of its loss, and walk on it.

    .. math:: L[\phi] = \sum_i (\phi_0 + \phi_1 x_i - y_i)^2

    Line and point can be dragged, and the other one follows. The learning rate runs up to the
    largest stable one, and beyond.

    Parameters
    ----------
    x, y : arrays of shape (I,)
        The points, 3 to 400 of them.
    label : str
        Stable id on the page; by default a hash of the content.
    task : str
        What to try. ``$math$`` and ```code``` are allowed.
    title : str
        Name of the interactive.
    x_name, y_name : str
        What x and y are, each with its unit in parentheses at the end, if it has one:
        ``"age (years)"``.
    optimizers : sequence of str
        Any of ``"gd"``, ``"sgd"``, ``"momentum"``, ``"adam"``; with none, there is only dragging.
    slips : bool
        Let momentum and Adam as ELTE's slides print them run beside the right ones.
    start : two numbers
        Where phi is at first.
    mean : bool
        Divide the loss by I.
    seed : int
        Of the batches of SGD.
    goals : sequence of str
        What the interactive recognizes as done: ``"drag"``, a loss within 1% of the smallest, by
        dragging; ``"edge"``, the same by gradient descent with at least 95% of the largest stable
        rate; ``"race"``, the same by any optimizer from `start` in at most 100 steps; ``"still"``,
        a first step as printed, which does nothing; ``"leap"``, a printed step of Adam that is
        more than ten times as long as it should be.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    ValueError
        If points are few, many, not finite or all at one x, a name is unknown or occurs twice, or
        a goal cannot be reached with what is offered.
    TypeError
        If points are no real numbers, or seed is no integer.

    References
    ----------
    UDL sections 2.2 and 6.1; :func:`udl.linear.largest_stable_rate`, :mod:`udl.optim`.

    Examples
    --------
    >>> x, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0])
    >>> widget = least_squares_explorer(x, y, label="three", optimizers=("gd", "adam"))
    >>> widget
    <least-squares: A line, and its place on the loss surface>
    >>> [round(number, 3) for number in widget.props["minimum"]]
    [1.5, 0.5]
    """
    x, y = vector(x=x), vector(y=y)
    same_shape(x=x, y=y)
    finite(x=x, y=y)
    if not 3 <= len(x) <= 400:
        raise ValueError(f"expected 3 to 400 points, got {len(x)}")
    _known("optimizers", optimizers, _OPTIMIZERS)
    _known("goals", goals, _GOALS)
    for goal in goals:
        needed, printed = _GOALS[goal]
        if (needed and not set(needed) & set(optimizers)) or (printed and not slips):
            raise ValueError(
                f"expected goals that can be reached, got {goal!r} with "
                f"optimizers={tuple(optimizers)}, slips={slips}"
            )
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"expected an integer, got seed={seed!r}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"expected a seed from 0 to 2^32 - 1, got seed={seed}")
    origin = vector(start=np.asarray(start))
    finite(start=origin)
    if len(origin) != 2:
        raise ValueError(f"expected two numbers, got start.shape={origin.shape}")

    X = linear.design_matrix(x)
    minimum = np.array(linear.fit_line(x, y))
    hessian = linear.hessian(X, mean=mean)
    edge = linear.largest_stable_rate(X, mean=mean)
    least = linear.sum_of_squares(X, y, minimum) / (len(x) if mean else 1)
    # The picture holds the contour through the start, or one of the loss of a flat line.
    away = origin - minimum
    spread = float(np.sum((y - y.mean()) ** 2)) / (len(x) if mean else 1)
    rise = max(0.5 * float(away @ hessian @ away), 0.5 * spread) or 1.0
    curvature = linear.curvatures(X, mean=mean)
    if curvature[1] > 1e12 * curvature[0]:
        raise ValueError("expected x that vary more: their loss surface is too narrow to draw")
    half = 1.12 * np.sqrt(2 * rise * np.diag(np.linalg.inv(hessian)))

    tops = {
        "gd": 1.5 * edge,
        "sgd": 1.5 * edge,
        "momentum": 1.3 * edge * (1 + BETA) / (1 - BETA),
        "adam": 0.5 * float(np.abs(away).max()),
    }
    props: dict[str, Any] = {
        "title": title,
        "task": inline(task),
        "x": x.tolist(),
        "y": y.tolist(),
        "names": _names(x_name, y_name, mean),
        "mean": mean,
        "minimum": minimum.tolist(),
        "least": least,
        # A line through all points has no loss to take a percent of.
        "within": 1.01 * least if least > 1e-9 * rise else 1e-3 * rise,
        "hessian": hessian.tolist(),
        "edges": {
            "gd": edge,
            "sgd": edge,
            "momentum": edge * (1 + BETA) / (1 - BETA),
            "printed": edge / 2,
        },
        "view": [[c - h, c + h] for c, h in zip(minimum.tolist(), half.tolist(), strict=True)],
        "rates": [edge / 100, max([1.5 * edge, *(tops[name] for name in optimizers)])],
        "optimizers": list(optimizers),
        "slips": slips,
        "start": origin.tolist(),
        "seed": int(seed),
        "goals": list(goals),
        "race": RACE,
        "beta": BETA,
        "gamma": GAMMA,
        "epsilon": EPSILON,
    }
    return labeled(
        "least-squares",
        props,
        label,
        fallback="<p>An interactive: drag a line through the points and watch its place on the "
        "loss surface. It needs JavaScript; the figure of this section shows the same, "
        "at rest.</p>",
        title=title,
        height=760,
    )


def _known(name: str, given: Sequence[str], known: Sequence[str] | dict[str, Any]) -> None:
    """Refuse names that are unknown, or occur twice."""
    if isinstance(given, str):
        raise TypeError(f"expected a sequence of names, got {name}={given!r}")
    if unknown := [one for one in given if one not in known]:
        raise ValueError(f"expected {name} from {', '.join(known)}, got {unknown[0]!r}")
    if len(set(given)) < len(given):
        raise ValueError(f"expected different {name}, got {tuple(given)}")


def _names(x_name: str, y_name: str, mean: bool) -> dict[str, str]:
    """Return what is written at axes and numbers, units included.

    The slope has the unit of y per one unit of x, so "years" becomes "year".
    """
    units = [re.search(r"\(([^()]+)\)$", name) for name in (x_name, y_name)]
    x_unit, y_unit = (found.group(1) if found else "" for found in units)
    one = x_unit.removesuffix("s") if len(x_unit) > 2 else x_unit
    slope = " per ".join(filter(None, [y_unit or ("1" if one else ""), one]))
    return {
        "x": x_name,
        "y": y_name,
        "intercept": y_unit,
        "slope": slope,
        "loss": ("mean" if mean else "sum") + " of squares",
        "square": f"{y_unit}²" if y_unit else "",
    }
