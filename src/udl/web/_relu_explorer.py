"""The ReLU explorer: a shallow network, or two of them composed, to take hold of.

The page counts linear regions exactly, in integers, as `udl.regions` does. Both take a parameter
for the decimal number that a reader sees: 0.1 is one tenth. So joints that look equal are equal,
and slopes that look as if they cancel do.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Real

from udl import regions
from udl._check import count, finite, matrix, vector
from udl.web.host import Widget, inline, labeled

# theta of shape (D, 2) and phi of shape (1 + D,); each network has a D of its own.
Network = tuple[Real[np.ndarray, "_ _"], Real[np.ndarray, "_"]]

_MOST_UNITS = 6
_LARGEST = 1000  # of a parameter; the page's fields have the same limit


def relu_explorer(
    theta: Real[np.ndarray, "D P"],
    phi: Real[np.ndarray, " Q"],
    *,
    label: str = "",
    second: Network | None = None,
    task: str = "",
    title: str = "",
    x_range: Sequence[float] = (0.0, 1.0),
    y_range: Sequence[float] | None = None,
    presets: Mapping[str, Network | tuple[Network, Network]] | None = None,
    goal: int | str | None = None,
    hints: Sequence[str] = (),
) -> Widget:
    r"""Show a shallow ReLU network in all its steps, or two composed, with parameters to drag.

    .. math::

        h_d = \max(0, \theta_{d0} + \theta_{d1} x), \quad y = \phi_0 + \sum_d \phi_d h_d, \quad
        h'_d = \max(0, \theta'_{d0} + \theta'_{d1} y), \quad y' = \phi'_0 + \sum_d \phi'_d h'_d

    The page counts linear regions, says which units are active where, and notices when a goal is
    reached.

    Parameters
    ----------
    theta : array of shape (D, 2)
        Bias and slope of each hidden unit, 1 to 6 units.
    phi : array of shape (1 + D,)
        Bias and weights of the output.
    label : str
        Stable id of the explorer on its page; by default a hash of the content.
    second : (theta, phi), optional
        A second network, which reads the output of the first; it may have another width.
    task : str
        What to try, with ``$math$`` and ```code```.
    title : str
        Plain-text name; by default it tells one network from two.
    x_range : (low, high)
        The inputs shown.
    y_range : (low, high), optional
        The outputs of the first network shown; by default what they take.
    presets : mapping, optional
        More networks of the same widths to choose from, by name: (theta, phi), or with a
        `second` ((theta, phi), (theta, phi)).
    goal : int or "hat", optional
        What the page watches for. A number: exactly so many linear regions; a network alone must
        also have every unit active somewhere in `x_range`, and no zero among its weights phi.
        "hat": a level line, one piece up, one piece down, and the same level again.
    hints : sequence of str
        Hints to the goal, shown one after the other on request.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite or exceeds 1000, a range is empty, there are
        more than 6 units, `label` is no id, or the goal cannot be reached, or is at the start.
    TypeError
        If an array does not hold real numbers.

    See Also
    --------
    udl.regions.count : The same count for any network with one or two inputs.

    Examples
    --------
    >>> theta, phi = np.array([[0.0, 1.0], [-1.0, 1.0]]), np.array([0.0, 1.0, -2.0])
    >>> explorer = relu_explorer(theta, phi, label="two-units", x_range=(-1.0, 3.0))
    >>> explorer.props["regions"]
    [3]
    >>> relu_explorer(theta, phi, label="four", second=(theta, phi)).props["regions"]
    [3, 3, 4]
    """
    networks = [_checked("", theta, phi)]
    if second is not None:
        networks.append(_checked("second ", *_pair("second", second)))
    widths = [len(net_theta) for net_theta, _ in networks]
    counts = _counts(networks)
    named = _presets(presets or {}, widths)
    _reachable(goal, widths, counts)
    title = title or ("Two ReLU networks, one behind the other" if second else "A ReLU network")
    props: dict[str, Any] = {
        "title": title,
        "task": inline(task),
        "networks": [_plain(network) for network in networks],
        "regions": counts,
        "xRange": _range("x_range", x_range),
        "yRange": None if y_range is None else _range("y_range", y_range),
        "presets": named,
        "goal": goal,
        "hints": [inline(hint) for hint in hints],
    }
    what = (
        f"Two networks of {widths[0]} and {widths[1]} hidden units, the second behind the first: "
        f"{counts[2]} linear regions"
        if second is not None
        else f"A network of {_number(widths[0], 'hidden unit')}: "
        f"{_number(counts[0], 'linear region')}"
    )
    return labeled(
        "relu",
        props,
        label,
        fallback=f"<p><b>{html.escape(title)}.</b> {what}. With JavaScript, its parameters can be "
        "dragged here, and its regions are counted live.</p>",
        title=title,
        height=1100,
    )


def _checked(prefix: str, theta: Any, phi: Any) -> Network:
    """Return a network as float64 arrays, after a check of shapes and numbers."""
    theta, phi = matrix(theta=theta), vector(phi=phi)
    finite(theta=theta, phi=phi)
    D = len(theta)
    if theta.shape[1] != 2 or D > _MOST_UNITS:
        raise ValueError(
            f"expected {prefix}theta.shape=(D, 2) with 1 to {_MOST_UNITS} units, "
            f"got {prefix}theta.shape={theta.shape}"
        )
    if phi.shape != (1 + D,):
        raise ValueError(
            f"expected {prefix}phi.shape={(1 + D,)} for {_number(D, 'unit')}, "
            f"got {prefix}phi.shape={phi.shape}"
        )
    largest = float(max(np.abs(theta).max(), np.abs(phi).max()))
    if largest > _LARGEST:
        raise ValueError(
            f"expected parameters between -{_LARGEST} and {_LARGEST}, "
            f"got {largest:g} as the largest in size of the {prefix}network"
        )
    return theta, phi


def _pair(name: str, value: Any) -> Any:
    """Return what should be two things, after a check that they are two."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"expected (theta, phi) for {name}, got {value!r}")
    return value


def _counts(networks: Sequence[Network]) -> list[int]:
    """Count the regions of each network, and of the composition if there are two."""
    exact = [_layers(network) for network in networks]
    found = [regions.count(*network) for network in exact]
    if len(exact) == 2:
        (beta, Omega), (beta2, Omega2) = exact
        middle = beta2[0] + Omega2[0] @ beta[1], Omega2[0] @ Omega[1]
        found.append(
            regions.count([beta[0], middle[0], beta2[1]], [Omega[0], middle[1], Omega2[1]])
        )
    return found


def _layers(network: Network) -> tuple[list[Any], list[Any]]:
    """Write a network by layers, in fractions: of each number the decimal one that is shown."""
    decimal = np.frompyfunc(lambda number: Fraction(repr(float(number))), 1, 1)
    theta, phi = (np.asarray(decimal(part), dtype=object) for part in network)
    return [theta[:, 0], phi[:1]], [theta[:, 1:], phi[None, 1:]]


def _presets(presets: Mapping[str, Any], widths: list[int]) -> list[list[Any]]:
    """Return presets by name, after a check that they have the widths of the start."""
    named: list[list[Any]] = []
    for name, value in presets.items():
        pairs = [value] if len(widths) == 1 else _pair(f"preset {name!r}", value)
        networks = [_checked(f"preset {name!r} ", *_pair(f"preset {name!r}", p)) for p in pairs]
        got = [len(theta) for theta, _ in networks]
        if got != widths:
            raise ValueError(f"expected {widths} hidden units in preset {name!r}, got {got}")
        named.append([name, [_plain(network) for network in networks]])
    return named


def _reachable(goal: int | str | None, widths: list[int], counts: list[int]) -> None:
    """Refuse a goal that no parameters reach, or that the start has reached."""
    if goal is None:
        return
    if isinstance(goal, str):
        if goal != "hat" or len(widths) > 1 or widths[0] < 3:
            raise ValueError(
                'expected a number of regions, or "hat" for one network of at least 3 units, '
                f"as the goal, got goal={goal!r} for {widths} units"
            )
        return
    count(goal=goal)
    most = int(np.prod([1 + D for D in widths]))
    if goal > most or goal == counts[-1]:
        raise ValueError(
            f"expected a goal of at most {most} regions that the start, with {counts[-1]}, "
            f"does not have, got goal={goal}"
        )


def _range(name: str, ends: Sequence[float]) -> list[float]:
    low_high = [float(end) for end in ends]
    if len(low_high) != 2 or not np.isfinite(low_high).all() or not low_high[0] < low_high[1]:
        raise ValueError(f"expected {name}=(low, high) with low < high, got {name}={ends}")
    return low_high


def _plain(network: Network) -> dict[str, list[Any]]:
    theta, phi = network
    return {"theta": theta.tolist(), "phi": phi.tolist()}


def _number(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
