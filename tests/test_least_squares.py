"""The solver against exact arithmetic, SciPy and its own laws."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from udl import _least_squares
from udl._least_squares import IllConditionedWarning, RankDeficientWarning, least_squares

SEEDS = st.integers(0, 10_000)


def problem(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape[0])


def conditioned(
    condition: float, rows: int = 60, columns: int = 6, noise: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Singular values fall geometrically; scaling the columns does not help."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((rows, columns)))[0]
    V = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    X = U * np.geomspace(1, 1 / condition, columns) @ V.T
    y = X @ rng.standard_normal(columns)
    return X, y + noise * np.linalg.norm(y) / np.sqrt(rows) * rng.standard_normal(rows)


def exact(A: np.ndarray) -> np.ndarray:
    """Turn floats into the rational numbers that they are."""
    return np.array([[Fraction(v) for v in row] for row in A.tolist()], dtype=object)


def exact_solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve a symmetric positive definite system in rational numbers."""
    rows = np.column_stack([A, b])
    for k in range(len(A)):
        for i in range(len(A)):
            if i != k:
                rows[i] = rows[i] - rows[i, k] / rows[k, k] * rows[k]
    return rows[:, -1] / np.diag(rows)


def exact_solution(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Solve the normal equation: what X and y say, to the last digit."""
    X, y = exact(X), exact(y[:, None])[:, 0]
    return exact_solve(X.T @ X, X.T @ y).astype(float)


def relative_error(phi: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(phi - expected) / np.linalg.norm(expected))


def scaled_condition(X: np.ndarray) -> float:
    return float(np.linalg.cond(X / np.linalg.norm(X, axis=0)))


def quietly(X: np.ndarray, y: np.ndarray) -> _least_squares.Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IllConditionedWarning)
        return least_squares(X, y)


# Digits.


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reaches_nine_digits_at_condition_one_million(noise: float, order: str) -> None:
    X, y = conditioned(1e6, noise=noise)
    fit = least_squares(np.asarray(X, order=order), y)
    assert relative_error(fit.phi, exact_solution(X, y)) < 1e-9
    assert fit.rank == 6
    assert fit.condition == pytest.approx(scaled_condition(X), rel=1e-3)


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e6, 5e6, 1e8, 1e10, 1e12])
def test_is_as_accurate_as_the_data_allow(condition: float) -> None:
    for seed in range(5):
        X, y = conditioned(condition, noise=1e-3, seed=seed)
        expected = exact_solution(X, y)
        # What one rounding of each entry of X changes is as good as it gets.
        rng = np.random.default_rng(seed)
        rounded = X * (1 + 2.0**-53 * rng.choice([-1, 1], X.shape))
        unavoidable = relative_error(exact_solution(rounded, y), expected)
        assert relative_error(quietly(X, y).phi, expected) < 30 * unavoidable + 1e-15


@pytest.mark.parametrize("degree", [1, 2])
def test_years_and_their_squares(degree: int) -> None:
    # All numbers are integers far below 2^53, so that the targets have no rounding error.
    X = np.arange(2000.0, 2016.0)[:, None] ** np.arange(degree + 1)
    phi = np.arange(1.0, degree + 2)
    np.testing.assert_allclose(quietly(X, X @ phi).phi, phi, rtol=1e-3)


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e6, 1e7, 1e9])
@given(seed=SEEDS)
def test_residual_is_orthogonal_to_the_columns(condition: float, seed: int) -> None:
    X, y = conditioned(condition, seed=seed)
    phi = quietly(X, y).phi
    size = np.linalg.norm(X) * (np.linalg.norm(y) + np.linalg.norm(X) * np.linalg.norm(phi))
    assert np.abs(X.T @ (y - X @ phi)).max() < 1e-13 * size


# The two ways.


@pytest.mark.parametrize("rows", [7, 3 * _least_squares.BLOCK + 17])
def test_both_ways_agree(rows: int) -> None:
    X, y = conditioned(1e3, rows=rows)
    for way in (_least_squares._refined, _least_squares._orthogonal):
        fit = way(X, y)
        np.testing.assert_allclose(fit.phi, scipy.linalg.lstsq(X, y)[0], rtol=1e-10)
        assert fit.condition == pytest.approx(scaled_condition(X))


def test_refinement_is_not_trusted_beyond_its_reach() -> None:
    assert _least_squares._refined(*conditioned(5e6)) is not None
    for condition in (3e7, 1e9, 1e13):
        assert _least_squares._refined(*conditioned(condition)) is None


def test_corrections_that_never_shrink_are_not_trusted() -> None:
    X, y = problem(5, (30, 3))
    residual = y - X @ scipy.linalg.lstsq(X, y)[0]
    # All that is left of the solution is rounding error, and so are all corrections.
    assert _least_squares._refined(X, residual) is None
    np.testing.assert_allclose(least_squares(X, residual).phi, np.zeros(3), atol=1e-14)


# Columns that depend on each other.


def dependent(kind: str) -> np.ndarray:
    X = problem(3, (30, 5))[0]
    if kind == "duplicate":
        X[:, 4] = X[:, 1]
    elif kind == "sum":
        X[:, 0] = X[:, 1] - 2 * X[:, 2] + X[:, 3]
    elif kind == "zero":
        X[:, 2] = 0.0
    elif kind == "all zero":
        X[:] = 0.0
    elif kind == "two":
        X[:, 3:] = X[:, :2] * 1e4
    else:
        X = X[:3]
    return X


@pytest.mark.parametrize("kind", ["duplicate", "sum", "zero", "all zero", "two", "few rows"])
def test_dependent_columns_get_the_shortest_solution_and_a_warning(kind: str) -> None:
    X = dependent(kind)
    y = problem(4, (len(X), 1))[1]
    rank = np.linalg.matrix_rank(X)
    with pytest.warns(RankDeficientWarning, match=rf"rank {rank}, fewer than its 5 .*above \d"):
        fit = least_squares(X, y)
    np.testing.assert_allclose(fit.phi, np.linalg.pinv(X) @ y, rtol=1e-9, atol=1e-12)
    assert (fit.rank, fit.condition) == (rank, np.inf)


@pytest.mark.parametrize("apart", [1, 2**20, 2**40])
@given(seed=SEEDS)
def test_shortest_solution_is_exact_whatever_the_units(apart: int, seed: int) -> None:
    # X = B C has the rank of B by construction, and integers have no rounding error.
    rng = np.random.default_rng(seed)
    B = rng.integers(-50, 50, (12, 3)).astype(float)
    C = np.column_stack([np.eye(3), [1, 1, 0], [0, 2, -1]])[:, rng.permutation(5)]
    C = C * rng.permutation([1, apart, 1, apart, 1])
    y = rng.integers(-50, 50, 12).astype(float)
    middle = exact_solve(exact(B.T @ B), exact((B.T @ y)[:, None])[:, 0])
    rows = exact(C)
    expected = (rows.T @ exact_solve(rows @ rows.T, middle)).astype(float)
    with pytest.warns(RankDeficientWarning, match="rank 3"):
        phi = least_squares(B @ C, y).phi
    assert relative_error(phi, expected) < 1e-11


@pytest.mark.parametrize("scale", [(1e-10, 1, 1), (1e-200, 1, 1), (1e-300, 1, 1e300)])
@pytest.mark.parametrize("seed", range(5))
def test_shortest_solution_with_units_worlds_apart(
    scale: tuple[float, float, float], seed: int
) -> None:
    X, y = problem(seed, (30, 3))
    z = scipy.linalg.lstsq(X, y)[0]
    A, lengths = np.column_stack([X, X[:, 1] + X[:, 2]]), np.array([*scale, scale[2]])
    with pytest.warns(RankDeficientWarning, match="rank 3"):
        phi = least_squares(A * lengths, y).phi
    # Of all (z + t (0, 1, 1, -1)) / lengths, the shortest.
    weight = np.append(0.0, lengths[1:].min() / lengths[1:]) ** 2
    z, null = np.append(z, 0.0), np.array([0.0, 1.0, 1.0, -1.0])
    shortest = (z - null * (weight * null @ z) / (weight * null @ null)) / lengths
    assert np.linalg.norm((phi - shortest) * lengths.min()) < 1e-12 * np.abs(z).max()
    np.testing.assert_allclose(A @ (phi * lengths), A @ z, atol=1e-13)


def test_predictions_come_before_length() -> None:
    X, y = conditioned(1e9, columns=4)
    twice = np.column_stack([X, X[:, 1]]) * [1e-60, 1, 1e-30, 1, 1]
    with pytest.warns(RankDeficientWarning, match="rank 4"):
        phi = least_squares(twice, y).phi
    best = y - X @ scipy.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(y - twice @ phi, best, atol=1e-8)


@pytest.mark.caller
def test_nearly_dependent_columns_get_a_warning_with_the_condition_number() -> None:
    X, y = conditioned(1e10)
    with pytest.warns(
        IllConditionedWarning, match=r"rank 6 but condition number \d\.\de\+(09|10), its"
    ) as caught:
        fit = least_squares(X, y)
    assert fit.condition == pytest.approx(scaled_condition(X), rel=1e-3)
    assert caught[0].filename == __file__


# Scales.


@given(
    seed=SEEDS,
    shape=st.tuples(st.integers(16, 50), st.integers(1, 6)),
    exponents=st.lists(st.integers(-12, 12), min_size=6, max_size=6),
)
def test_predictions_do_not_depend_on_units(
    seed: int, shape: tuple[int, int], exponents: list[int]
) -> None:
    X, y = problem(seed, shape)
    scale = 10.0 ** np.array(exponents[: shape[1]])
    before, after = least_squares(X, y), least_squares(X * scale, y)
    np.testing.assert_allclose(after.phi * scale, before.phi, rtol=1e-9, atol=1e-11)
    assert after.condition == pytest.approx(before.condition, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-100, 1e100, 1e200, 1e300])
def test_extreme_units(scale: float) -> None:
    X, y = problem(5, (30, 3))
    expected = scipy.linalg.lstsq(X, y)[0]
    columns = np.array([1.0, scale, 1.0])
    for phi in (
        least_squares(X * columns, y).phi * columns,
        least_squares(X, y * scale).phi / scale,
        least_squares(X * scale, y * scale).phi,
    ):
        np.testing.assert_allclose(phi, expected, rtol=1e-12)


def test_solution_out_of_range_is_an_error() -> None:
    X, y = problem(5, (30, 3))
    with pytest.raises(ValueError, match="range of float64, got overflow: rescale X"):
        least_squares(X * 1e-200, y * 1e200)


def test_targets_of_zero() -> None:
    X, _ = problem(5, (30, 3))
    np.testing.assert_array_equal(least_squares(X, np.zeros(30)).phi, np.zeros(3))


def test_inputs_are_left_alone() -> None:
    for condition in (10, 1e9):
        X, y = conditioned(condition)
        X.flags.writeable = y.flags.writeable = False
        quietly(X, y)
