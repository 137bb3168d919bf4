"""The polygons of `regions.cells`, against grids, formulas, torch and exact arithmetic."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl import regions
from udl._network import Layers
from udl.regions import Cells, _plane, cells
from udl.regions._vertices import Vertices

SEEDS = st.integers(0, 10_000)
SQUARE = ((-3, 3), (-3, 3))

Network = tuple[list[np.ndarray], list[np.ndarray]]

fractions = np.frompyfunc(Fraction, 1, 1)


def small(seed: int, widths: Sequence[int], largest: int = 3) -> Network:
    """Small integer weights: many lines through one point, dead units, equal units."""
    rng = np.random.default_rng(seed)
    beta = [rng.integers(-largest, largest + 1, D).astype(float) for D in widths[1:]]
    Omega = [
        rng.integers(-largest, largest + 1, (D, D_in)).astype(float)
        for D_in, D in itertools.pairwise(widths)
    ]
    return beta, Omega


def drawn(seed: int, widths: Sequence[int]) -> Network:
    """Weights in general position."""
    rng = np.random.default_rng(seed)
    beta = [rng.standard_normal(D) for D in widths[1:]]
    Omega = [rng.standard_normal((D, D_in)) for D_in, D in itertools.pairwise(widths)]
    return beta, Omega


def network(*layers: tuple[list[float], list[list[float]]]) -> Network:
    """One (biases, weights) a layer."""
    return [np.array(b, float) for b, _ in layers], [np.array(W, float) for _, W in layers]


def as_fractions(beta: list[np.ndarray], Omega: list[np.ndarray]) -> Network:
    return [fractions(b) for b in beta], [fractions(W) for W in Omega]


def evaluate(x: np.ndarray, beta: list[np.ndarray], Omega: list[np.ndarray]):
    """Return pattern and output at points in rows; exact where all are fractions or integers."""
    h, patterns = x, []
    for b, W in zip(beta[:-1], Omega[:-1], strict=True):
        f = h @ W.T + b
        patterns.append(f > 0)
        h = np.maximum(f, 0)
    return np.hstack(patterns).astype(bool), h @ Omega[-1].T + beta[-1]


def area(polygon: np.ndarray) -> Fraction | float:
    x, y = polygon.T
    return sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2


def turns(polygon: np.ndarray) -> np.ndarray:
    """Twice the area of the triangle that each corner makes with its neighbors."""
    before, after = polygon - np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0) - polygon
    return before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]


def rows(patterns: np.ndarray) -> set[tuple[bool, ...]]:
    return set(map(tuple, patterns.tolist()))


def assert_right(found: Cells, beta: list[np.ndarray], Omega: list[np.ndarray], box=SQUARE):
    """Prove, in exact arithmetic, that the cells are all activation regions within the box.

    Points in the interior, close to each corner, have the cell's pattern, and such a region is
    convex; patterns differ; nothing of the box is left over.
    """
    assert len(rows(found.pattern)) == len(found.polygons)
    (left, right), (low, high) = box
    assert sum(map(area, found.polygons)) == Fraction(right - left) * Fraction(high - low)
    for r, polygon in enumerate(found.polygons):
        assert (turns(polygon) > 0).all()
        inside = (polygon * 999 + polygon.sum(axis=0) / Fraction(len(polygon))) / 1000
        pattern, output = evaluate(inside, beta, Omega)
        assert (pattern == found.pattern[r]).all()
        assert (inside @ found.slope[r].T + found.intercept[r] == output).all()


def assert_same(rounded: Cells, exact: Cells) -> None:
    """Compare a result in float64 with the same one in fractions."""
    assert np.array_equal(rounded.pattern, exact.pattern)
    assert np.array_equal(rounded.linear, exact.linear)
    np.testing.assert_allclose(rounded.slope, exact.slope.astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        rounded.intercept, exact.intercept.astype(float), rtol=1e-12, atol=1e-12
    )
    for one, other in zip(rounded.polygons, exact.polygons, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other.astype(float), atol=1e-12)


def touching(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two convex polygons that do not overlap share more than a point; exact."""
    for a, b in zip(one, np.roll(one, -1, axis=0), strict=True):
        direction, other_side = b - a, np.roll(other, -1, axis=0)
        for c, d in zip(other, other_side, strict=True):
            across = [direction[0] * (p - a)[1] - direction[1] * (p - a)[0] for p in (c, d)]
            ends = sorted((direction @ (p - a)) / (direction @ direction) for p in (c, d))
            if across == [0, 0] and min(ends[1], 1) > max(ends[0], 0):
                return True
    return False


def linear_regions(found: Cells) -> list[set[int]]:
    """Join cells that touch and have the same function, each with each."""
    parts = [{r} for r in range(len(found.polygons))]
    for r, s in itertools.combinations(range(len(parts)), 2):
        same = (found.slope[r] == found.slope[s]).all()
        same &= (found.intercept[r] == found.intercept[s]).all()
        if same and touching(found.polygons[r], found.polygons[s]):
            joined = parts[r] | parts[s]
            for t in joined:
                parts[t] = joined
    return [part for r, part in enumerate(parts) if r == min(part)]


def labelled(linear: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(linear == number).tolist()) for number in np.unique(linear)]


# Counting.


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("D", [1, 2, 3, 5, 8, 13])
def test_shallow_networks_reach_zaslavskys_number(D, seed):
    beta, Omega = drawn(seed, (2, D, 1))
    crossings = [
        np.linalg.solve(Omega[0][list(pair)], -beta[0][list(pair)])
        for pair in itertools.combinations(range(D), 2)
    ]
    foot = -beta[0][:, None] * Omega[0] / (Omega[0] ** 2).sum(axis=1, keepdims=True)
    limit = 2 * float(np.abs([*crossings, *foot]).max())
    found = cells(beta, Omega, ((-limit, limit), (-limit, limit)))
    assert len(found.polygons) == 1 + D + comb(D, 2) == len(rows(found.pattern))
    assert sum(map(area, found.polygons)) == pytest.approx(4 * limit**2, rel=1e-12)


WIDTHS = [(2, 3, 1), (2, 5, 1), (2, 3, 3, 1), (2, 4, 3, 2), (2, 2, 2, 2, 1), (2, 3, 1, 3, 1)]


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_small_integer_weights_against_a_grid_and_exact_arithmetic(widths):
    # In 1009ths and 1013ths no point lies on a line with smaller integer coefficients.
    first, second = (
        np.array([m for m in range(-3 * q + 40, 3 * q, 91) if m % q]) for q in (1009, 1013)
    )
    grid = np.stack(np.meshgrid(first * 1013, second * 1009), axis=-1).reshape(-1, 2)
    denominator = 1009 * 1013
    for seed in range(50):
        beta, Omega = small(seed, widths)
        exact = cells(*as_fractions(beta, Omega), SQUARE)
        assert_right(exact, *as_fractions(beta, Omega))
        assert_same(cells(beta, Omega, SQUARE), exact)
        # The network at grid / denominator, times the denominator, in integers.
        scaled = [b.astype(int) * denominator for b in beta], [W.astype(int) for W in Omega]
        assert rows(evaluate(grid, *scaled)[0]) <= rows(exact.pattern)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_linear_regions_against_all_pairs_of_cells(widths):
    for seed in range(12):
        beta, Omega = small(seed, widths, largest=1)
        exact = cells(*as_fractions(beta, Omega), SQUARE)
        assert labelled(exact.linear) == linear_regions(exact)


@pytest.mark.parametrize("widths", [(2, 9, 1), (2, 6, 6, 1), (2, 4, 4, 4, 2)], ids=str)
def test_general_position_against_exact_arithmetic(widths):
    for seed in range(6):
        beta, Omega = drawn(seed, widths)
        exact = cells(*as_fractions(beta, Omega), SQUARE)
        assert_right(exact, *as_fractions(beta, Omega))
        assert_same(cells(beta, Omega, SQUARE), exact)


def test_slope_and_intercept_are_what_torch_computes():
    beta, Omega = drawn(0, (2, 12, 12, 3))
    found = cells(beta, Omega, SQUARE)
    middle = torch.tensor(np.array([polygon.mean(axis=0) for polygon in found.polygons]))

    def forward(x: torch.Tensor) -> torch.Tensor:
        for b, W in zip(beta[:-1], Omega[:-1], strict=True):
            x = torch.relu(torch.nn.functional.linear(x, torch.tensor(W), torch.tensor(b)))
        return torch.nn.functional.linear(x, torch.tensor(Omega[-1]), torch.tensor(beta[-1]))

    slope = torch.func.vmap(torch.func.jacrev(forward))(middle).numpy()
    np.testing.assert_allclose(found.slope, slope, rtol=1e-10, atol=1e-10)
    output = np.einsum("roi,ri->ro", found.slope, middle.numpy()) + found.intercept
    np.testing.assert_allclose(output, forward(middle).numpy(), rtol=1e-10, atol=1e-10)


# Laws.


@given(SEEDS)
def test_the_order_of_units_does_not_matter(seed):
    beta, Omega = small(seed, (2, 4, 3, 1), largest=2)
    found = cells(beta, Omega, SQUARE)
    first, second = (np.random.default_rng(seed).permutation(D) for D in (4, 3))
    again = cells(
        [beta[0][first], beta[1][second], beta[2]],
        [Omega[0][first], Omega[1][np.ix_(second, first)], Omega[2][:, second]],
        SQUARE,
    )
    order = np.concatenate([first, 4 + second])
    assert rows(found.pattern[:, order]) == rows(again.pattern)
    assert found.linear.max() == again.linear.max()


@given(SEEDS, st.sampled_from([2.0**-30, 0.3, 7.0, 2.0**40]))
def test_a_larger_box_with_smaller_weights_is_the_same(seed, scale):
    beta, Omega = drawn(seed, (2, 4, 3, 1))
    found = cells(beta, Omega, SQUARE)
    again = cells(beta, [Omega[0] / scale, *Omega[1:]], np.array(SQUARE) * scale)
    assert np.array_equal(found.pattern, again.pattern)
    np.testing.assert_allclose(
        np.concatenate(found.polygons), np.concatenate(again.polygons) / scale, atol=1e-9
    )


@given(SEEDS)
def test_a_network_that_ignores_x2_has_the_pieces_of_one_input(seed):
    beta, Omega = small(seed, (1, 4, 3, 1))
    line = regions.pieces(beta, Omega, interval=(-3, 3), merge=False)
    plane = cells(beta, [np.hstack([Omega[0], 0 * Omega[0]]), *Omega[1:]], SQUARE)
    order = np.argsort([polygon[:, 0].mean() for polygon in plane.polygons])
    assert np.array_equal(plane.pattern[order], line.pattern)
    assert np.array_equal(plane.slope[order, :, 0], line.slope)
    assert np.array_equal(plane.intercept[order], line.intercept)
    assert not plane.slope[:, :, 1].any()
    edges = [plane.polygons[r][:, 0].max() for r in order[:-1]]
    np.testing.assert_allclose(edges, line.joints, atol=1e-12)
    merged = regions.pieces(beta, Omega, interval=(-3, 3))
    assert plane.linear.max() + 1 == len(merged.slope)


@given(SEEDS)
def test_cells_of_a_part_of_the_box_are_parts_of_its_cells(seed):
    beta, Omega = small(seed, (2, 3, 3, 1))
    whole = cells(beta, Omega, SQUARE)
    part = cells(beta, Omega, ((-1, 2), (0, 1)))
    assert rows(part.pattern) <= rows(whole.pattern)


# Degenerate networks: cells, linear regions.

ONE = ([0.0], [[1.0, 1.0, 1.0]])
STAR = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]

DEGENERATE = {
    "three lines through a point": (network(([-1, -1, -2], STAR), ONE), 6, 6),
    "three lines through 1/3": (
        network(([-1, -1, -2], [[3, 0], [0, 3], [3, 3]]), ONE),
        6,
        6,
    ),
    "no biases": (network(([0, 0, 0], STAR), ONE), 6, 6),
    "coincident lines, same side": (network(([1, 2], [[1, 1], [2, 2]]), ([0], [[1, 1]])), 2, 2),
    "coincident lines, opposite sides": (
        network(([1, -2], [[1, 1], [-2, -2]]), ([0], [[1, 1]])),
        2,
        2,
    ),
    "the two halves of the identity": (
        network(([0, 0], [[1, 0], [-1, 0]]), ([0], [[1, -1]])),
        2,
        1,
    ),
    "coincident lines, the units cancel": (
        network(([1, 2], [[1, 1], [2, 2]]), ([0], [[2, -1]])),
        2,
        1,
    ),
    "a line along a side of the box": (network(([3], [[1, 0]]), ([0], [[1]])), 1, 1),
    "a line through a corner of the box": (network(([6], [[1, 1]]), ([0], [[1]])), 1, 1),
    "a diagonal of the box": (network(([0], [[1, 1]]), ([0], [[1]])), 2, 2),
    "a line outside the box": (network(([7], [[1, 1]]), ([0], [[1]])), 1, 1),
    "a unit that ignores its inputs": (
        network(([1, -1], [[0, 0], [0, 0]]), ([0], [[1, 1]])),
        1,
        1,
    ),
    "all zero": (network(([0, 0], [[0, 0], [0, 0]]), ([0], [[0, 0]])), 1, 1),
    "no way out": (network(([0, 1], [[1, 0], [0, 1]]), ([0], [[1, 0]])), 4, 2),
    "no way out at all": (network(([0, 1], [[1, 0], [0, 1]]), ([5], [[0, 0]])), 4, 1),
    "a second layer that repeats the first": (
        network(([0, 0], [[1, 0], [0, 1]]), ([0, 0], [[1, 0], [0, 1]]), ([0], [[1, 1]])),
        4,
        4,
    ),
    "a dead second layer": (
        network(([0, 0], [[1, 0], [0, 1]]), ([-9, 0], [[1, 1], [-1, 0]]), ([0], [[1, 1]])),
        4,
        1,
    ),
    "zero on a whole cell, a line through its corner": (
        network(([0, 0], [[1, 0], [0, 1]]), ([0], [[1, -1]]), ([0], [[1]])),
        5,
        3,
    ),
    "the same function on two sides that do not touch": (
        network(([0, 0], [[1, 0], [-1, 0]]), ([1], [[-1, -1]]), ([0], [[1]])),
        4,
        4,
    ),
    "no hidden layer": (network(([1], [[2, 3]])), 1, 1),
}


@pytest.mark.parametrize(("net", "activation", "linear"), DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_networks(net, activation, linear):
    found, exact = cells(*net, SQUARE), cells(*as_fractions(*net), SQUARE)
    assert (len(found.polygons), len(np.unique(found.linear))) == (activation, linear)
    assert labelled(exact.linear) == linear_regions(exact)
    assert_same(found, exact)
    if len(net[0]) > 1:
        assert_right(exact, *as_fractions(*net))


@pytest.mark.parametrize("power", [-900, -200, -20, 20, 200, 900])
def test_weights_of_any_size(power):
    for seed in range(5):
        beta, Omega = small(seed, (2, 4, 3, 1))
        found = cells(beta, Omega, SQUARE)
        scale = 2.0**power
        again = cells(
            [beta[0] * scale, *beta[1:]],
            [Omega[0] * scale, Omega[1] / scale, Omega[2]],
            SQUARE,
        )
        assert np.array_equal(again.pattern, found.pattern)
        assert np.array_equal(again.linear, found.linear)
        assert np.array_equal(again.slope, found.slope)
        assert np.array_equal(again.intercept, found.intercept)
        for one, other in zip(again.polygons, found.polygons, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_preactivations_below_the_range_of_float64():
    """Each of seven layers makes them 1e59 times smaller; the last one cuts where x1 is 1."""
    first = ([3, 4], [[1, 0], [0, 0]])
    smaller = ([0, 0], [[1e-59, 0], [0, 1e-59]])
    beta, Omega = network(first, *[smaller] * 7, ([0], [[1e-59, -1e-59]]), ([0], [[1]]))
    found = cells(beta, Omega, SQUARE)
    assert found.pattern.tolist() == [[True] * 17, [True] * 16 + [False]]
    assert [polygon.tolist() for polygon in found.polygons] == [
        [[1, -3], [3, -3], [3, 3], [1, 3]],
        [[-3, -3], [1, -3], [1, 3], [-3, 3]],
    ]


def test_functions_that_differ_by_less_than_float64_sees():
    beta, Omega = network(([9, 0], [[1, 0], [1, 0]]), ([0], [[1, 2.0**-60]]))
    found = cells(beta, Omega, SQUARE)
    assert np.array_equal(found.slope[0], found.slope[1])
    assert found.linear.tolist() == [0, 1]


@pytest.mark.parametrize("widths", [(2, 9, 1), (2, 7, 7, 1), (2, 5, 5, 5, 1)], ids=str)
def test_no_error_exceeds_its_bound(widths):
    for seed in range(3):
        beta, Omega = drawn(seed, widths)
        corners = _plane._corners(((-2.0, 2.0), (-2.0, 2.0)))
        vertices = Vertices(beta, Omega, Layers(tuple(beta), tuple(Omega)), corners)
        _plane._subdivide(vertices, len(widths) - 2)
        for v, (row, bounds) in enumerate(zip(vertices.rows, vertices._bounds, strict=True)):
            w, _, _, *exact = vertices.exact(v, len(widths) - 3)
            for f, bound, true in zip(row[3:], bounds, exact, strict=True):
                assert abs(Fraction(float(f)) - Fraction(true, w)) <= bound


def test_lines_that_miss_a_point_by_less_than_float64_sees():
    low = 1000.0
    side = (low, low + 2**-30)
    middle = low + 2.0**-31
    for gap, expected in ((0, 6), (2.0**-52, 7), (-(2.0**-52), 7)):
        first = [Fraction(-middle), Fraction(-middle), Fraction(-2 * middle) + Fraction(gap)]
        beta = [np.array(first, dtype=object), np.array([Fraction(0)])]
        Omega = [fractions(np.array(STAR)), fractions(np.ones((1, 3)))]
        assert len(cells(beta, Omega, (side, side)).polygons) == expected


@pytest.mark.parametrize(
    "name",
    [
        "a unit that ignores its inputs",
        "all zero",
        "a dead second layer",
        "a line outside the box",
        "a second layer that repeats the first",
    ],
)
def test_zeros_of_the_network_itself_need_no_integers(name, monkeypatch):
    monkeypatch.setattr(Vertices, "exact", lambda *_: pytest.fail("computed in integers"))
    assert len(cells(*DEGENERATE[name][0], SQUARE).polygons) == DEGENERATE[name][1]


def test_general_position_needs_no_integers(monkeypatch):
    monkeypatch.setattr(Vertices, "exact", lambda *_: pytest.fail("computed in integers"))
    for seed in range(5):
        assert len(cells(*drawn(seed, (2, 16, 16, 1)), SQUARE).polygons) > 100


def test_fractions_stay_fractions():
    third = Fraction(1, 3)
    beta = [np.array([-third, Fraction(0)]), np.array([Fraction(1, 7)])]
    Omega = [fractions(np.eye(2)), np.array([[1, 2]], dtype=object)]
    found = cells(beta, Omega, ((0, 1), (0, 1)))
    assert [polygon.tolist() for polygon in found.polygons] == [
        [[third, 0], [1, 0], [1, 1], [third, 1]],
        [[0, 0], [third, 0], [third, 1], [0, 1]],
    ]
    assert found.intercept.tolist() == [[Fraction(1, 7) - third], [Fraction(1, 7)]]
    assert found.slope.tolist() == [[[1, 2]], [[0, 2]]]
    for numbers in (*found.polygons, found.slope, found.intercept):
        assert all(isinstance(number, Fraction) for number in numbers.flat)


def test_the_box_may_be_given_in_fractions():
    beta, Omega = network(([-0.25], [[1, 0]]), ([0], [[1]]))
    box = ((Fraction(-1, 3), Fraction(1, 3)), (0, 1))
    corners = np.concatenate(cells(beta, Omega, box).polygons)
    assert corners.dtype == np.float64
    assert set(corners[:, 0]) == {-1 / 3, 0.25, 1 / 3}


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_other_numbers_are_the_same_numbers(dtype):
    beta, Omega = small(3, (2, 4, 3, 1))
    found = cells(beta, Omega, SQUARE)
    again = cells([b.astype(dtype) for b in beta], [W.astype(dtype) for W in Omega], SQUARE)
    assert np.array_equal(found.pattern, again.pattern)
    assert np.array_equal(found.slope, again.slope)


def test_slopes_beyond_float64_are_infinite():
    found = cells(*network(([0], [[1e200, 0]]), ([0], [[1e200]])))
    assert found.slope.tolist() == [[[np.inf, 0.0]], [[0.0, 0.0]]]


def test_the_box_is_a_square_unless_another_is_given():
    beta, Omega = drawn(0, (2, 5, 1))
    assert sum(map(area, cells(beta, Omega).polygons)) == pytest.approx(4)


# Errors.


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (((1, 1), (0, 1)), r"low < high in box, got box=\(\(1, 1\), \(0, 1\)\)"),
        (((0, 1), (1, -1)), r"low < high in box"),
        (((0, np.inf), (0, 1)), r"finite numbers in box, got 1 that is not: box\[0, 1\]=inf"),
        (((0, 1), (np.nan, 1)), r"finite numbers in box, got 1 that is not: box\[1, 0\]=nan"),
        ((0, 1), r"box of shape \(2, 2\), got box.shape=\(2,\)"),
    ],
)
def test_a_box_without_area_is_refused(box, message):
    with pytest.raises(ValueError, match=message):
        cells(*drawn(0, (2, 3, 1)), box)


@pytest.mark.parametrize("D_i", [1, 3])
def test_other_numbers_of_inputs_are_refused(D_i):
    message = rf"two inputs, got Omega\[0\].shape=\(4, {D_i}\)"
    with pytest.raises(ValueError, match=message):
        cells(*drawn(0, (D_i, 4, 1)))


def test_layers_that_do_not_fit_are_refused():
    beta, Omega = drawn(0, (2, 4, 1))
    with pytest.raises(ValueError, match=r"bias for each row"):
        cells([beta[0][1:], beta[1]], Omega)
    Omega[0][2, 1] = np.nan
    with pytest.raises(ValueError, match=r"finite numbers in Omega\[0\]"):
        cells(beta, Omega)


def test_slopes_that_cancel_below_the_range_of_float64():
    beta = [np.zeros(3), np.zeros(1)]
    first = np.array([[0.5, 0.0], [0.5, 0.0], [1.0, 0.0]]) * 2.0**-540
    found = cells(beta, [first, np.array([[1.0, 1.0, -1.0]]) * 2.0**-534])
    assert found.linear.max() == 0
    assert len(found.polygons) == 2
