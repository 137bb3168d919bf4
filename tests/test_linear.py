"""Linear regression against SciPy, scikit-learn, PyTorch, exact arithmetic and its own laws."""

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import scipy.stats
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from udl import linear
from udl.gradcheck import assert_gradient

# A busy machine is no reason to fail, and the same examples each time.
law = settings(deadline=None, derandomize=True, max_examples=50)

# UDL notebook 2.1.
x12 = np.array([0.03, 0.19, 0.34, 0.46, 0.78, 0.81, 1.08, 1.18, 1.39, 1.60, 1.65, 1.90])
y12 = np.array([0.67, 0.85, 1.05, 1.0, 1.40, 1.5, 1.3, 1.54, 1.55, 1.68, 1.73, 1.6])
X12 = np.column_stack([np.ones(12), x12])

SHAPES = st.tuples(st.integers(6, 40), st.integers(1, 6))
SEEDS = st.integers(0, 10_000)


def problem(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape[0]), rng.standard_normal(shape[1])


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


def exact_solution(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Solve the normal equation in rational numbers: what X and y say, to the last digit."""
    columns = [[Fraction(v) for v in column] for column in (*X.T.tolist(), y.tolist())]
    P = len(columns) - 1
    A = [[sum(a * b for a, b in zip(u, v, strict=True)) for v in columns] for u in columns[:P]]
    for k in range(P):
        for i in range(P):
            if i != k:
                factor = A[i][k] / A[k][k]
                A[i] = [a - factor * b for a, b in zip(A[i], A[k], strict=True)]
    return np.array([float(A[k][P] / A[k][k]) for k in range(P)])


def relative_error(phi: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(phi - expected) / np.linalg.norm(expected))


# The twelve points: what the book quotes of them.


@pytest.mark.parametrize(("phi", "loss"), [((0.4, 0.2), 7.07), ((1.6, -0.8), 10.28)])
def test_loss_of_the_twelve_points(phi: tuple[float, float], loss: float) -> None:
    assert linear.sum_of_squares(X12, y12, np.array(phi)) == pytest.approx(loss, abs=5e-3)


def test_optimum_of_the_twelve_points() -> None:
    for phi in (
        linear.fit_line(x12, y12),
        linear.normal_equation(X12, y12),
        linear.least_squares(X12, y12).phi,
    ):
        np.testing.assert_allclose(phi, [0.82595, 0.52223], atol=5e-6)
        assert linear.sum_of_squares(X12, y12, np.array(phi)) == pytest.approx(0.19987, abs=5e-6)


def test_curvature_of_the_twelve_points() -> None:
    low, high = linear.curvatures(X12)
    assert low == pytest.approx(3.994, abs=5e-4)
    assert high == pytest.approx(50.03, abs=5e-3)
    assert linear.largest_stable_rate(X12) == pytest.approx(0.03998, abs=5e-6)


# Model, loss, gradient, Hessian.


def test_design_matrix_agrees_with_sklearn() -> None:
    for degree in range(5):
        expected = sklearn.preprocessing.PolynomialFeatures(degree).fit_transform(x12[:, None])
        np.testing.assert_allclose(linear.design_matrix(x12, degree), expected, rtol=1e-14)
    two = np.column_stack([x12, y12])
    expected = sklearn.preprocessing.PolynomialFeatures(1).fit_transform(two)
    np.testing.assert_array_equal(linear.design_matrix(two), expected)


@law
@given(seed=SEEDS, shape=SHAPES, mean=st.booleans())
def test_loss_and_gradient_agree_with_torch(seed: int, shape: tuple[int, int], mean: bool) -> None:
    X, y, phi = problem(seed, shape)
    twin = torch.tensor(phi, requires_grad=True)
    reduction = "mean" if mean else "sum"
    f = torch.tensor(X) @ twin
    loss = torch.nn.functional.mse_loss(f, torch.tensor(y), reduction=reduction)
    loss.backward()
    ours = linear.mean_squared_error if mean else linear.sum_of_squares
    np.testing.assert_allclose(linear.predict(X, phi), f.detach().numpy(), rtol=1e-12, atol=1e-12)
    assert ours(X, y, phi) == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(
        linear.gradient(X, y, phi, mean=mean), twin.grad.numpy(), rtol=1e-10, atol=1e-12
    )


@law
@given(seed=SEEDS, shape=SHAPES)
def test_gradient_is_the_slope_of_the_loss(seed: int, shape: tuple[int, int]) -> None:
    X, y, phi = problem(seed, shape)
    assert_gradient(
        lambda phi: linear.sum_of_squares(X, y, phi),
        lambda phi: linear.gradient(X, y, phi),
        phi,
        atol=1e-6,
    )


@law
@given(seed=SEEDS, shape=SHAPES, mean=st.booleans())
def test_hessian_is_the_difference_of_gradients(
    seed: int, shape: tuple[int, int], mean: bool
) -> None:
    X, y, phi = problem(seed, shape)
    # The gradient is linear in phi: a step of any size gives the exact difference.
    columns = [
        (linear.gradient(X, y, phi + e, mean=mean) - linear.gradient(X, y, phi - e, mean=mean)) / 2
        for e in np.eye(shape[1])
    ]
    H = linear.hessian(X, mean=mean)
    np.testing.assert_allclose(H, np.column_stack(columns), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        linear.curvatures(X, mean=mean), scipy.linalg.eigvalsh(H), rtol=1e-8, atol=1e-12
    )


def test_curvatures_keep_what_the_hessian_rounds_away() -> None:
    X, _ = conditioned(1e10)
    sigma = np.geomspace(1, 1e-10, 6)
    np.testing.assert_allclose(linear.curvatures(X), np.sort(2 * sigma**2), rtol=1e-4)
    assert linear.curvatures(np.ones((2, 3))) == pytest.approx([0, 0, 12])
    assert linear.largest_stable_rate(np.zeros((2, 2))) == np.inf


@law
@given(seed=SEEDS, shape=SHAPES, mean=st.booleans())
def test_gradient_descent_converges_below_the_bound_only(
    seed: int, shape: tuple[int, int], mean: bool
) -> None:
    X, y, phi = problem(seed, shape)
    best = scipy.linalg.lstsq(X, y)[0]
    bound = linear.largest_stable_rate(X, mean=mean)

    def distance(alpha: float) -> float:
        walk = phi
        for _ in range(200):
            walk = walk - alpha * linear.gradient(X, y, walk, mean=mean)
        # Measured along the steepest axis, which decides.
        axis = np.linalg.svd(X)[2][0]
        return abs(axis @ (walk - best)) / abs(axis @ (phi - best))

    assert distance(0.95 * bound) < 1e-3
    assert distance(1.05 * bound) > 1e3


# Closed forms.


@law
@given(seed=SEEDS, rows=st.integers(3, 40))
def test_fit_line_agrees_with_scipy(seed: int, rows: int) -> None:
    x, y, _ = problem(seed, (rows, 1))
    line = linear.fit_line(x[:, 0], y)
    expected = scipy.stats.linregress(x[:, 0], y)
    assert line.slope == pytest.approx(expected.slope, rel=1e-8, abs=1e-10)
    assert line.intercept == pytest.approx(expected.intercept, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(
    "solve", [linear.normal_equation, lambda X, y: linear.least_squares(X, y).phi]
)
@law
@given(seed=SEEDS, columns=st.integers(1, 6))
def test_solutions_agree_with_sklearn_and_torch(solve, seed: int, columns: int) -> None:
    X, y, _ = problem(seed, (40, columns))
    phi = solve(linear.design_matrix(X), y)
    model = sklearn.linear_model.LinearRegression().fit(X, y)
    np.testing.assert_allclose(phi, [model.intercept_, *model.coef_], rtol=1e-8, atol=1e-10)
    ones = torch.ones(40, 1, dtype=torch.float64)
    twin = torch.linalg.lstsq(torch.cat([ones, torch.tensor(X)], dim=1), torch.tensor(y)[:, None])
    np.testing.assert_allclose(phi, twin.solution[:, 0].numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e6, 1e7, 1e9])
@law
@given(seed=SEEDS)
def test_residual_is_orthogonal_to_the_columns(condition: float, seed: int) -> None:
    X, y = conditioned(condition, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", linear.IllConditionedWarning)
        phi = linear.least_squares(X, y).phi
    residual = y - X @ phi
    size = np.linalg.norm(X) * (np.linalg.norm(y) + np.linalg.norm(X) * np.linalg.norm(phi))
    assert np.abs(X.T @ residual).max() < 1e-13 * size


@law
@given(seed=SEEDS, shape=SHAPES, exponents=st.lists(st.integers(-12, 12), min_size=6, max_size=6))
def test_predictions_do_not_depend_on_units(
    seed: int, shape: tuple[int, int], exponents: list[int]
) -> None:
    X, y, _ = problem(seed, (shape[0] + 10, shape[1]))
    scale = 10.0 ** np.array(exponents[: shape[1]])
    before, after = linear.least_squares(X, y), linear.least_squares(X * scale, y)
    np.testing.assert_allclose(X @ before.phi, X * scale @ after.phi, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(after.phi * scale, before.phi, rtol=1e-9, atol=1e-11)
    assert after.condition == pytest.approx(before.condition, rel=1e-6)


# Digits.


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("order", ["C", "F"])
def test_least_squares_keeps_digits_where_the_normal_equation_loses_them(
    noise: float, order: str
) -> None:
    X, y = conditioned(1e6, noise=noise)
    X = np.asarray(X, order=order)
    expected = exact_solution(X, y)
    fit = linear.least_squares(X, y)
    assert relative_error(fit.phi, expected) < 1e-9
    assert fit.rank == 6
    assert fit.condition == pytest.approx(np.linalg.cond(X / np.linalg.norm(X, axis=0)), rel=1e-3)
    with pytest.warns(linear.IllConditionedWarning, match=r"condition number \d\.\de\+1[12], its"):
        phi = linear.normal_equation(X, y)
    assert relative_error(phi, expected) > 1e-7


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e6, 5e6, 1e8, 1e10, 1e12])
def test_least_squares_is_as_accurate_as_the_data_allow(condition: float) -> None:
    for seed in range(5):
        X, y = conditioned(condition, noise=1e-3, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", linear.IllConditionedWarning)
            phi = linear.least_squares(X, y).phi
        ours = relative_error(phi, exact_solution(X, y))
        # What one rounding of each entry of X changes is as good as it gets.
        rng = np.random.default_rng(seed)
        rounded = X * (1 + 2.0**-53 * rng.choice([-1, 1], X.shape))
        unavoidable = relative_error(exact_solution(rounded, y), exact_solution(X, y))
        assert ours < 30 * unavoidable + 1e-15


def test_both_ways_agree_over_several_blocks() -> None:
    X, y = conditioned(1e3, rows=3 * linear.BLOCK + 17)
    expected = scipy.linalg.lstsq(X, y)[0]
    for way in (linear._refined, linear._orthogonal):
        fit = way(X, y, 0)
        np.testing.assert_allclose(fit.phi, expected, rtol=1e-10)
        assert fit.condition == pytest.approx(np.linalg.cond(X / np.linalg.norm(X, axis=0)))


def test_refinement_is_not_trusted_beyond_its_reach() -> None:
    for condition in (3e7, 1e9, 1e13):
        assert linear._refined(*conditioned(condition), 0) is None


def test_longley() -> None:
    # NIST Statistical Reference Datasets: employment in the USA, made to embarrass programs.
    table = np.array(
        [
            [60323, 83.0, 234289, 2356, 1590, 107608, 1947],
            [61122, 88.5, 259426, 2325, 1456, 108632, 1948],
            [60171, 88.2, 258054, 3682, 1616, 109773, 1949],
            [61187, 89.5, 284599, 3351, 1650, 110929, 1950],
            [63221, 96.2, 328975, 2099, 3099, 112075, 1951],
            [63639, 98.1, 346999, 1932, 3594, 113270, 1952],
            [64989, 99.0, 365385, 1870, 3547, 115094, 1953],
            [63761, 100.0, 363112, 3578, 3350, 116219, 1954],
            [66019, 101.2, 397469, 2904, 3048, 117388, 1955],
            [67857, 104.6, 419180, 2822, 2857, 118734, 1956],
            [68169, 108.4, 442769, 2936, 2798, 120445, 1957],
            [66513, 110.8, 444546, 4681, 2637, 121950, 1958],
            [68655, 112.6, 482704, 3813, 2552, 123366, 1959],
            [69564, 114.2, 502601, 3931, 2514, 125368, 1960],
            [69331, 115.7, 518173, 4806, 2572, 127852, 1961],
            [70551, 116.9, 554894, 4007, 2827, 130081, 1962],
        ]
    )
    certified = [
        -3482258.63459582,
        15.0618722713733,
        -0.0358191792925910,
        -2.02022980381683,
        -1.03322686717359,
        -0.0511041056535807,
        1829.15146461355,
    ]
    fit = linear.least_squares(linear.design_matrix(table[:, 1:]), table[:, 0])
    np.testing.assert_allclose(fit.phi, certified, rtol=1e-9)


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
    with pytest.warns(
        linear.RankDeficientWarning, match=rf"rank {rank}, fewer than its 5 .*number above \d"
    ):
        fit = linear.least_squares(X, y)
    np.testing.assert_allclose(fit.phi, np.linalg.pinv(X) @ y, rtol=1e-9, atol=1e-12)
    assert (fit.rank, fit.condition) == (rank, np.inf)
    with pytest.raises(ValueError, match=rf"invertible X.T @ X, got rank {rank} of 5 .*least_sq"):
        linear.normal_equation(X, y)


def test_shortest_solution_with_units_worlds_apart() -> None:
    X, y, _ = problem(3, (30, 2))
    expected = scipy.linalg.lstsq(X, y)[0]
    scale = np.array([1e-200, 1.0])
    with pytest.warns(linear.RankDeficientWarning, match="rank 2"):
        phi = linear.least_squares(np.column_stack([X * scale, X[:, 1]]), y).phi
    np.testing.assert_allclose(phi[:2] * scale, expected * [1, 0.5], rtol=1e-10)
    assert phi[2] == pytest.approx(phi[1], rel=1e-10)


def test_nearly_dependent_columns_get_a_warning_with_the_condition_number() -> None:
    X, y = conditioned(1e10)
    with pytest.warns(
        linear.IllConditionedWarning, match=r"rank 6 but condition number \d\.\de\+(09|10), its"
    ):
        fit = linear.least_squares(X, y)
    assert fit.condition == pytest.approx(np.linalg.cond(X / np.linalg.norm(X, axis=0)), rel=1e-3)
    with pytest.raises(ValueError, match=r"got rank [2-5] of 6 in float64"):
        linear.normal_equation(X, y)


def test_warning_points_at_the_caller() -> None:
    for solve in (linear.least_squares, linear.normal_equation):
        X, y = conditioned(1e8 if solve is linear.least_squares else 1e6)
        with pytest.warns(linear.IllConditionedWarning) as caught:
            solve(X, y)
        assert caught[0].filename != linear.__file__


# Scales.


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-100, 1e100, 1e200, 1e300])
def test_extreme_units(scale: float) -> None:
    X, y, _ = problem(5, (30, 3))
    expected = scipy.linalg.lstsq(X, y)[0]
    columns = np.array([1.0, scale, 1.0])
    np.testing.assert_allclose(
        linear.least_squares(X * columns, y).phi * columns, expected, rtol=1e-12
    )
    np.testing.assert_allclose(
        linear.least_squares(X, y * scale).phi / scale, expected, rtol=1e-12
    )
    np.testing.assert_allclose(
        linear.least_squares(X * scale, y * scale).phi, expected, rtol=1e-12
    )


def test_solution_out_of_range_is_an_error() -> None:
    X, y, _ = problem(5, (30, 3))
    with pytest.raises(ValueError, match="range of float64, got overflow: rescale X"):
        linear.least_squares(X * 1e-200, y * 1e200)
    with pytest.raises(ValueError, match="within range, got overflow: rescale X or y"):
        linear.normal_equation(X * 1e200, y)


def test_targets_of_zero_and_targets_out_of_reach() -> None:
    X, y, _ = problem(5, (30, 3))
    np.testing.assert_array_equal(linear.least_squares(X, np.zeros(30)).phi, np.zeros(3))
    orthogonal = y - X @ scipy.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(linear.least_squares(X, orthogonal).phi, np.zeros(3), atol=1e-14)


def test_inputs_are_left_alone() -> None:
    X, y = X12.copy(), y12.copy()
    linear.least_squares(X, y)
    linear._orthogonal(X, y, 0)
    linear.normal_equation(X, y)
    linear.correlation_matrix(X[:, 1:])
    np.testing.assert_array_equal(X, X12)
    np.testing.assert_array_equal(y, y12)


def test_integers_and_float32_are_computed_in_float64() -> None:
    X = np.array([[1, 0], [1, 1], [1, 2]])
    y = np.array([1, 3, 6])
    expected = np.array([5 / 6, 5 / 2])
    for dtype in (np.int64, np.int8, np.float32):
        for phi in (
            linear.least_squares(X.astype(dtype), y.astype(dtype)).phi,
            linear.normal_equation(X.astype(dtype), y.astype(dtype)),
        ):
            assert phi.dtype == np.float64
            np.testing.assert_allclose(phi, expected, rtol=1e-14)


# Metrics.


@law
@given(seed=SEEDS, rows=st.integers(3, 40))
def test_metrics_agree_with_sklearn(seed: int, rows: int) -> None:
    y, f = np.random.default_rng(seed).standard_normal((2, rows))
    assert linear.mse(y, f) == pytest.approx(sklearn.metrics.mean_squared_error(y, f), rel=1e-12)
    assert linear.rmse(y, f) == pytest.approx(
        sklearn.metrics.root_mean_squared_error(y, f), rel=1e-12
    )
    assert linear.r_squared(y, f) == pytest.approx(sklearn.metrics.r2_score(y, f), rel=1e-10)


@law
@given(seed=SEEDS, shape=SHAPES)
def test_correlation_agrees_with_pandas(seed: int, shape: tuple[int, int]) -> None:
    X = problem(seed, shape)[0]
    R = linear.correlation_matrix(X)
    np.testing.assert_allclose(R, pd.DataFrame(X).corr().to_numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(R, R.T)
    np.testing.assert_array_equal(np.diag(R), np.ones(shape[1]))
    shifted = linear.correlation_matrix(3.0 - 1e200 * X)
    np.testing.assert_allclose(shifted, R, atol=1e-12)


def test_correlation_of_one_line_is_one() -> None:
    R = linear.correlation_matrix(np.column_stack([x12, 3 - 2 * x12, 1e-300 * x12]))
    np.testing.assert_allclose(R, [[1, -1, 1], [-1, 1, -1], [1, -1, 1]], rtol=1e-15)


# Errors. Names with "refuses": these calls break the annotations on purpose.


@pytest.mark.parametrize("solve", [linear.least_squares, linear.normal_equation])
@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (X12, y12[:5], ValueError, r"each row, got X.shape=\(12, 2\), y.shape=\(5,\)"),
        (X12, y12[:, None], ValueError, r"vector of shape \(I,\), got y.shape=\(12, 1\)"),
        (x12, y12, ValueError, r"matrix of shape \(I, D\), got X.shape=\(12,\)"),
        (X12[:0], y12[:0], ValueError, r"at least one row and column, got X.shape=\(0, 2\)"),
        (X12[:, :0], y12, ValueError, r"at least one row and column, got X.shape=\(12, 0\)"),
        (X12 * 1j, y12, TypeError, "real numbers in X, got X.dtype=complex128"),
        (X12, y12 * 1j, TypeError, "real numbers in y, got y.dtype=complex128"),
        (X12, np.full(12, "a"), TypeError, "real numbers in y"),
        (np.where(X12 > 1.8, np.nan, X12), y12, ValueError, r"in X, got 1 .* X\[11, 1\]=nan"),
        (np.where(X12 > 1.6, -np.inf, X12), y12, ValueError, r"in X, got 2 .* X\[10, 1\]=-inf"),
        (X12, np.where(y12 > 1.7, np.inf, y12), ValueError, r"in y, got 1 .* y\[10\]=inf"),
    ],
)
def test_solver_refuses(solve, X, y, error, message) -> None:
    with pytest.raises(error, match=message):
        solve(X, y)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linear.predict(X12, np.ones(3)), ValueError, r"got X.shape=\(12, 2\), phi.sh"),
        (
            lambda: linear.gradient(X12, y12[:, None], np.ones(2)),
            ValueError,
            r"got y.shape=\(12, 1\)",
        ),
        (
            lambda: linear.sum_of_squares(X12, y12[:3], np.ones(2)),
            ValueError,
            r"equal shapes, got f.shape=\(12,\), y.shape=\(3,\)",
        ),
        (lambda: linear.rmse(y12, y12[:, None]), ValueError, r"got f.shape=\(12, 1\)"),
        (lambda: linear.rmse(y12, y12[:3]), ValueError, r"got y.shape=\(12,\), f.shape=\(3,\)"),
        (lambda: linear.mse(y12, y12 + np.inf), ValueError, r"in f, got 12"),
        (lambda: linear.r_squared(np.ones(3), np.ones(3)), ValueError, "in y, got 3 times 1.0"),
        (lambda: linear.fit_line(np.ones(3), np.arange(3)), ValueError, "in x, got 3 times 1.0"),
        (lambda: linear.fit_line(x12, y12[:3]), ValueError, r"got x.shape=\(12,\), y.shape"),
        (lambda: linear.correlation_matrix(X12), ValueError, r"vary, got X\[:, 0\] constant"),
        (lambda: linear.curvatures(X12 * np.nan), ValueError, "finite numbers in X"),
        (
            lambda: linear.design_matrix(X12, degree=2),
            ValueError,
            "several predictors, got degree=2",
        ),
        (lambda: linear.design_matrix(x12, degree=-1), ValueError, "at least 0, got degree=-1"),
        (lambda: linear.design_matrix(x12, degree=1.5), TypeError, "integer, got degree=1.5"),
        (lambda: linear.design_matrix(X12[None]), ValueError, r"x.shape=\(1, 12, 2\)"),
        (lambda: linear.design_matrix(x12 * np.nan), ValueError, "finite numbers in x"),
        (lambda: linear.design_matrix(x12 * 1e200, 2), ValueError, "degree=2 within range"),
    ],
)
def test_refuses(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
