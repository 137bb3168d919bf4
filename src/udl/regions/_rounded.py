r"""One input, in float64: the pieces of a ReLU network, each decision with a bound on its error.

A node is a joint, an end of the interval, or infinity, and has a row of preactivations; infinity
is a direction, so that its row holds their slopes. Between neighbors preactivations are affine.
Where unit j changes sign from node u to node v, there is a joint at

.. math:: x_u + t \, (x_v - x_u), \qquad t = \frac{|f_j(u)|}{|f_j(u)| + |f_j(v)|},

and all other preactivations there follow with the same t. Toward infinity the joint is at
:math:`x_u + t x_v` with :math:`t = |f_j(u)| / |f_j(v)|`. New rows are appended; ``order`` sorts
them. ``row_error`` bounds the length of the error of each row, ``error`` that of one number.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from udl._network import Layers
from udl.regions._exact import Sweep
from udl.regions._paths import EPS, Doubt, bends, functions, product

# Slopes are differences between nodes. Where that loses digits, or little work is to be done,
# weights are multiplied along all paths instead.
POOR, CHEAP = 1e-9, 2e5


class _Nodes(NamedTuple):
    """Positions, and activations or preactivations; the first ``len(far)`` nodes are infinite."""

    x: Float[np.ndarray, " N"]
    x_error: Float[np.ndarray, " N"]
    f: Float[np.ndarray, "N D"]
    row_error: Float[np.ndarray, " N"]
    order: Int[np.ndarray, " N"]
    far: tuple[float, ...]


class _Layer(NamedTuple):
    """Which units are active on the pieces between a number of nodes."""

    active: Bool[np.ndarray, "N-1 D"]
    nodes: int


def usual(network: Layers, interval: tuple[float, float]) -> bool:
    """Tell whether no product along all layers can leave the range in which bounds hold."""
    limit = 10.0 ** (120 / len(network.beta))
    sizes = [np.abs([end for end in interval if np.isfinite(end)])]
    sizes += [np.abs(b) for b in network.beta]
    sizes += [np.abs(W).max(axis=1) for W in network.Omega]
    return all(np.all((s == 0) | ((s > 1 / limit) & (s < limit))) for s in sizes)


def sweep(network: Layers, interval: tuple[float, float], *, merge: bool) -> Sweep:
    """Find the regions of a network with one input, or raise Doubt."""
    nodes = _start(interval)
    layers = []
    for b, W in zip(network.beta[:-1], network.Omega[:-1], strict=True):
        after, error = _affine(nodes, b, W)
        up, down = _signs(nodes, after.f, error, b, W)
        nodes, up = _insert(after, error, up, down)
        np.maximum(nodes.f, 0, out=nodes.f)
        up = up[nodes.order]
        layers.append(_Layer(up[1:] | up[:-1], len(up)))
    nodes, error = _affine(nodes, network.beta[-1], network.Omega[-1])
    return _regions(network, nodes, error, layers, merge)


def _start(interval: tuple[float, float]) -> _Nodes:
    """Return the ends of the interval, and zero if neither is finite."""
    far = tuple(np.copysign(1.0, end) for end in interval if np.isinf(end))
    near = [end for end in interval if np.isfinite(end)] or [0.0]
    x = np.array([*far, *near])
    direction = np.array([end * np.inf for end in far] + near)
    zero = np.zeros(len(x))
    return _Nodes(x, zero, x[:, None], zero, np.argsort(direction), far)


def _affine(
    nodes: _Nodes, b: Float[np.ndarray, " D_out"], W: Float[np.ndarray, "D_out D"]
) -> tuple[_Nodes, Float[np.ndarray, " N"]]:
    """Return the next preactivations of all nodes, with a bound on the error of each number."""
    f, row_error, error = product(nodes.f, nodes.row_error, W)
    f[len(nodes.far) :] += b
    share = (W.shape[1] + 3) * EPS
    row_error += share * np.sqrt(np.dot(b, b))
    error += share * np.abs(b).max()
    return nodes._replace(f=f, row_error=row_error), error


def _signs(
    nodes: _Nodes,
    f: Float[np.ndarray, "N D_out"],
    error: Float[np.ndarray, " N"],
    b: Float[np.ndarray, " D_out"],
    W: Float[np.ndarray, "D_out D"],
) -> tuple[Bool[np.ndarray, "N D_out"], Bool[np.ndarray, "N D_out"]]:
    """Return which preactivations are positive and which negative; the others are zero."""
    bound = 2 * error[:, None]
    up, down = f > bound, f < -bound
    if np.count_nonzero(up) + np.count_nonzero(down) < f.size:
        node, unit = np.nonzero(~(up | down))
        shifted = (node >= len(nodes.far)) & (b[unit] != 0)
        # A sum without any term is zero. Of all other numbers that are small, nobody knows.
        if np.any(shifted) or np.any((nodes.f[node] != 0) & (W[unit] != 0)):
            raise Doubt
        f[node, unit] = 0.0
    return up, down


def _insert(
    nodes: _Nodes,
    error: Float[np.ndarray, " N"],
    up: Bool[np.ndarray, "N D"],
    down: Bool[np.ndarray, "N D"],
) -> tuple[_Nodes, Bool[np.ndarray, "M D"]]:
    """Append a node where a unit changes its sign, and tell where units are positive."""
    x, x_error, f, row_error, order, far = nodes
    N, D = f.shape
    above, below = up[order], down[order]
    crossed = np.flatnonzero((above[1:] & below[:-1]) | (below[1:] & above[:-1]))
    if len(crossed) == 0:
        return nodes, up
    piece, unit = np.divmod(crossed, D)
    u, v = order[piece], order[piece + 1]
    p, q = np.abs(f[u, unit]), np.abs(f[v, unit])
    t = p / (p + q)
    place = piece + t
    sort = np.argsort(place)
    place, piece, unit, u, v, p, q, t = (a[sort] for a in (place, piece, unit, u, v, p, q, t))
    t_error = 2 * (q * error[u] + p * error[v]) / (p + q) ** 2 + 8 * EPS * t
    if not np.all(place[1:] - place[:-1] > 2 * (t_error[1:] + t_error[:-1]) + 8 * N * EPS):
        raise Doubt

    near: Int[np.ndarray, " _"] | slice = slice(None)
    if far:
        # A joint beside infinity is seen from the other node.
        flip = np.flatnonzero(u < len(far))
        u[flip], v[flip], p[flip], q[flip] = v[flip], u[flip], q[flip], p[flip]
        beyond = v < len(far)
        t[beyond] = p[beyond] / q[beyond]
        wrong = error[u[beyond]] / p[beyond] + error[v[beyond]] / q[beyond]
        t_error[beyond] = t[beyond] * (2 * wrong + 8 * EPS)
        near = np.flatnonzero(~beyond)

    room = f.base
    if room is None or len(room) < N + len(unit):
        room = np.empty((N + len(unit), D))
        room[:N] = f
    step, start = room[N : N + len(unit)], f[u]
    np.take(f, v, axis=0, out=step, mode="clip")
    x_u, x_step = x[u], x[v]
    x_step[near] -= x_u[near]
    step[near] -= start[near]
    new_error = 2 * (row_error[u] + t * row_error[v]) + t_error * np.sqrt(
        np.einsum("ij,ij->i", step, step)
    )
    new_x = x_u + t * x_step
    new_x_error = x_error[u] + t * x_error[v] + t_error * np.abs(x_step) + 8 * EPS * np.abs(new_x)
    step *= t[:, None]
    step += start
    step[np.arange(len(unit)), unit] = 0.0
    positive = step > 0
    if np.any((positive ^ up[u]) & (positive ^ up[v])):
        raise Doubt
    joined = _Nodes(
        np.concatenate([x, new_x]),
        np.concatenate([x_error, new_x_error]),
        room[: N + len(unit)],
        np.concatenate([row_error, new_error]),
        _inserted(order, piece + 1),
        far,
    )
    return joined, np.concatenate([up, positive])


def _inserted(order: Int[np.ndarray, " N"], where: Int[np.ndarray, " M"]) -> Int[np.ndarray, " L"]:
    """Insert new nodes into the order; several times as fast as np.insert."""
    longer = np.empty(len(order) + len(where), dtype=order.dtype)
    old = np.ones(len(longer), dtype=bool)
    where = where + np.arange(len(where))
    old[where] = False
    longer[old] = order
    longer[where] = np.arange(len(order), len(longer))
    return longer


def _regions(
    network: Layers,
    nodes: _Nodes,
    error: Float[np.ndarray, " N"],
    layers: list[_Layer],
    merge: bool,
) -> Sweep:
    """Return the regions between the nodes, those that are one put together."""
    x, x_error, f, _, order, far = nodes
    order_far = order < len(far)
    x, x_error, f, error = x[order], x_error[order], f[order], error[order]
    pattern = partial(_pattern, layers, order)
    width, slope, wrong = x[1:] - x[:-1], f[1:] - f[:-1], error[1:] + error[:-1]
    x_wrong = x_error[1:] + x_error[:-1]
    left = np.abs(x[:-1]) <= np.abs(x[1:])
    if order_far[0]:
        width[0], slope[0], left[0] = 1.0, -f[0], False
    if order_far[-1]:
        width[-1], slope[-1], left[-1] = 1.0, f[-1], True
    slope /= width[:, None]
    size = np.abs(slope).max(axis=1)
    # What is to be expected of rounding is far less than the bound.
    poor = 20 * EPS * (np.abs(f[1:]) + np.abs(f[:-1])).max(axis=1) > POOR * size * width
    wrong = (wrong + size * x_wrong) / width + 8 * EPS * size
    intercept = np.where(left[:, None], f[:-1] - slope * x[:-1, None], f[1:] - slope * x[1:, None])

    keep = np.ones(len(width) - 1, dtype=bool)
    if merge:
        jump = np.abs(slope[1:] - slope[:-1]).max(axis=1)
        unsure = np.flatnonzero(~(jump > 2 * (wrong[1:] + wrong[:-1])))
        if len(unsure):
            keep[unsure] = bends(network, pattern(unsure), pattern(unsure + 1))
    elif len(far) == 2:
        zero = np.flatnonzero(order == 2) - 1
        keep[zero] = (pattern(zero) != pattern(zero + 1)).any(axis=1)
    rows = np.flatnonzero(np.append(True, keep))
    slope, intercept, active = slope[rows], intercept[rows], pattern(rows)
    work = len(rows) * sum(W.size for W in network.Omega)
    again = slice(None) if work < CHEAP else np.flatnonzero(poor[rows])
    slope[again], intercept[again] = functions(network, active[again])
    if not (np.isfinite(slope).all() and np.isfinite(intercept).all()):
        raise Doubt
    return Sweep(x[1:-1][keep], slope, intercept, active)


def _pattern(
    layers: list[_Layer], order: Int[np.ndarray, " N"], rows: Int[np.ndarray, " R"]
) -> Bool[np.ndarray, "R H"]:
    """Return the activation patterns of some of the pieces between the sorted nodes."""
    parts = [np.zeros((len(rows), 0), dtype=bool)]
    for layer in layers:
        piece = np.cumsum(order < layer.nodes) - 1
        parts.append(layer.active[piece[rows]])
    return np.concatenate(parts, axis=1)
