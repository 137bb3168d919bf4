r"""What `_plane` computes with: vertices, and on which side of each unit's line they lie.

A vertex is a row (w, w x1, w x2, w f_1, ..., w f_D) with w > 0: its place, and the
preactivations there of the D units of one layer. Along an edge of a cell all of them are affine.
Where unit j is positive at one end u and negative at the other end v, it is zero at the vertex

.. math:: |f_j(v)| \, u + |f_j(u)| \, v

Rows are kept in float64, with w = 1 and a bound on each error. Where a bound leaves a sign in
doubt, that row is computed again in integers, from the corners of the box: no step divides.
"""

from bisect import bisect
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from udl._network import Layers
from udl.regions._exact import Scaled, integers

EPS = float(np.finfo(np.float64).eps)

# Between these sizes, products and quotients keep all digits of a float64.
TINY, HUGE = 1e-60, 1e60


class Vertices:
    """The corners of a box, and the vertices added to them.

    ``rows`` are in float64. ``signs`` tells where the units of the layer entered last are
    positive, zero and negative; these are right.

    Parameters
    ----------
    beta, Omega : sequences of arrays of shape (D_out,) and (D_out, D_in)
        Biases and weights, of any kind.
    rounded : Layers
        The same in float64.
    corners : array of shape (4, 2)
        Corners of the box.
    """

    rows: Float[np.ndarray, "V _"]
    signs: Int[np.ndarray, "V D"]

    def __init__(
        self,
        beta: Sequence[Shaped[np.ndarray, "_"]],
        Omega: Sequence[Shaped[np.ndarray, "_ _"]],
        rounded: Layers,
        corners: Shaped[np.ndarray, "4 2"],
    ) -> None:
        self._given, self._rounded, self._corners = (beta, Omega), rounded, corners
        self.rows = np.column_stack([np.ones(4), corners.astype(float)])
        self._bounds = np.zeros((4, 0))
        self._space: tuple[np.ndarray, ...] = ()  # rows, bounds and signs, with room for more
        # Of each call of `_add`: its first vertex, and what it was called with.
        self._first: list[int] = []
        self._edges: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        # Edges that have been cut in this layer, sorted, and the vertices there.
        self._cut = self._cut_at = np.empty(0, dtype=int)
        self._older: list[int] = []  # of each layer entered: how many vertices there were
        self._known: dict[tuple[int, int], np.ndarray] = {}
        sizes = [np.abs(a) for a in (self.rows[:, 1:], *rounded.beta, *rounded.Omega)]
        usual = all(np.all((size == 0) | _usual(size)) for size in sizes)
        usual &= all(np.asarray(a).dtype != object for a in (*beta, *Omega))
        # No bound at all, where float64 can't hold the numbers.
        self._eps = EPS if usual and np.all(self.rows[:, 1:] == corners) else np.inf

    @cached_property
    def integers(self) -> list[Scaled]:
        """All layers in integers."""
        return [integers(b, W) for b, W in zip(*self._given, strict=True)]

    def enter(self, k: int) -> None:
        """Compute the preactivations of layer k from those of the layer before."""
        beta, Omega = self._rounded.beta[k], self._rounded.Omega[k]
        self._older.append(len(self.rows))
        self._cut = self._cut_at = np.empty(0, dtype=int)
        h, bounds = self.rows[:, 1:], np.zeros((4, 2))
        if k:
            h = np.where(self.signs > 0, self.rows[:, 3:], 0)
            bounds = np.where(self.signs > 0, self._bounds, 0)
        size = np.abs(beta) + np.abs(h) @ np.abs(Omega).T
        bounds = bounds @ np.abs(Omega).T + (len(Omega.T) + 3) * self._eps * size
        rows = np.concatenate([self.rows[:, :3], beta + h @ Omega.T], axis=1)
        V, D = 4 * bounds.shape[0], bounds.shape[1]
        self._space = np.empty((V, 3 + D)), np.empty((V, D)), np.empty((V, D), np.int8)
        self._append(0, rows, bounds)

    def between(
        self, j: Int[np.ndarray, " N"], u: Int[np.ndarray, " N"], v: Int[np.ndarray, " N"]
    ) -> Int[np.ndarray, " N"]:
        """Return the vertices where units j are zero on edges from u to v; add those not there.

        Two polygons share an edge, and get the same vertex, whichever asks first.
        """
        old, V = len(self._cut), len(self.rows)
        edges = np.concatenate([self._cut, np.minimum(u, v) << 32 | np.maximum(u, v)])
        self._cut, first, place = np.unique(edges, return_index=True, return_inverse=True)
        new = first >= old
        number = np.empty(len(first), dtype=int)
        number[~new], number[new] = self._cut_at, V + np.arange(len(first) - old)
        self._cut_at = number
        first = first[new] - old
        self._add(j[first], u[first], v[first])
        return number[place[old:]]

    def _add(
        self, j: Int[np.ndarray, " N"], u: Int[np.ndarray, " N"], v: Int[np.ndarray, " N"]
    ) -> None:
        """Append the vertices where units j are zero between vertices u and v."""
        self._first.append(len(self.rows))
        self._edges.append((u, v, j))
        start, way = self.rows.take(u, axis=0), self.rows.take(v, axis=0)
        way -= start
        length = np.abs(way)
        own = np.arange(len(j)), 3 + j
        whole = length[own]
        part = (np.abs(start[own]) / whole)[:, None]
        rows = start + part * way
        before, after = self._bounds.take(u, axis=0), self._bounds.take(v, axis=0)
        bounds = (1 - part) * before + part * after
        # Errors of unit j at the ends, at most a quarter of its size there, move the vertex.
        moved = 2 * bounds[own[0], j] / whole
        bounds += moved[:, None] * (length[:, 3:] + before + after)
        bounds += 8 * self._eps * (length + np.abs(rows))[:, 3:]
        # Zero, without error; but NaN where float64 is not to be trusted.
        rows[own] = bounds[own[0], j] = 0 * (moved + self._eps)
        self._append(len(self.rows), rows, bounds)

    def _append(
        self, V: int, rows: Float[np.ndarray, "N _"], bounds: Float[np.ndarray, "N D"]
    ) -> None:
        """Store rows behind the first V, after those with a sign in doubt have been corrected."""
        f = rows[:, 3:]
        size, signs = np.abs(f), np.sign(f).astype(np.int8)
        sure = (size > 4 * bounds + TINY) & (size < HUGE) | (size + bounds == 0)
        for i in [] if sure.all() else np.flatnonzero(~sure.all(axis=1)):
            exact = self.exact(V + int(i), len(self._older) - 1)
            rows[i] = quotient(exact, exact[0])
            signs[i] = np.sign(exact[3:])
            size[i] = np.abs(f[i])
            bounds[i] = np.where(_usual(size[i]) | (signs[i] == 0), EPS * size[i], np.inf)
        new, end = (rows, bounds, signs), V + len(rows)
        if end > len(self._space[0]):
            self._space = tuple(_roomier(space) for space in self._space)
        for space, part in zip(self._space, new, strict=True):
            space[V:end] = part
        self.rows, self._bounds, self.signs = (space[:end] for space in self._space)

    def exact(self, vertex: int, k: int) -> Shaped[np.ndarray, "_"]:
        """Return the row of a vertex in layer k, in integers."""
        waiting = [(vertex, k)]
        while waiting:
            unknown = [a for a in self._ancestors(*waiting[-1]) if a not in self._known]
            if unknown:
                waiting += unknown
            else:
                row = waiting.pop()
                self._known[row] = self._derived(*row)
        return self._known[vertex, k]

    def _ancestors(self, vertex: int, k: int) -> list[tuple[int, int]]:
        """Return which rows, of which vertices in which layers, a row follows from."""
        if k < 0:
            return []
        if vertex < self._older[k]:
            return [(vertex, k - 1)]
        u, v, _ = self._edge(vertex)
        return [(u, k), (v, k)]

    def _edge(self, vertex: int) -> tuple[int, int, int]:
        """Return the ends of the edge that a vertex was added to, and the unit that cut it."""
        call = bisect(self._first, vertex) - 1
        u, v, j = (int(part[vertex - self._first[call]]) for part in self._edges[call])
        return u, v, j

    def _derived(self, vertex: int, k: int) -> Shaped[np.ndarray, "_"]:
        """Compute a row, in integers, from those it follows from."""
        origins = [self._known[ancestor] for ancestor in self._ancestors(vertex, k)]
        if not origins:
            w, x1, x2 = integers(self._corners[vertex, :1], self._corners[vertex, None, 1:])
            return np.array([w, x1[0], x2[0, 0]], dtype=object)
        if len(origins) == 1:
            (row,), (factor, beta, Omega) = origins, self.integers[k]
            h = np.maximum(row[3:], 0) if k else row[1:]
            return np.append(factor * row[:3], row[0] * beta + Omega @ h)
        (start, end), j = origins, 3 + self._edge(vertex)[2]
        row = abs(end[j]) * start + abs(start[j]) * end
        return np.asarray(row // np.gcd.reduce(row))


def _roomier(space: Shaped[np.ndarray, "V _"]) -> Shaped[np.ndarray, "W _"]:
    """Return an array four times as long that begins with the same rows."""
    larger = np.empty((4 * len(space), space.shape[1]), space.dtype)
    larger[: len(space)] = space
    return larger


def _usual(size: Float[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """Tell where float64 has all its digits, also after a few products."""
    return np.asarray((size > TINY) & (size < HUGE))


def _ratio(a: int, b: int) -> float:
    """Round a fraction to float64; what is beyond its range becomes infinite."""
    try:
        return a / b
    except OverflowError:
        return np.inf if a > 0 else -np.inf


def quotient(a: Shaped[np.ndarray, "*shape"], b: Any) -> Float[np.ndarray, "*shape"]:
    """Divide integers by an integer, each quotient rounded once."""
    return np.asarray(np.frompyfunc(_ratio, 2, 1)(a, b), dtype=float)
