"""Linear regression against SciPy, scikit-learn, PyTorch and its own laws."""

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import scipy.stats
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl import linear
from udl.gradcheck import assert_gradient

# UDL notebook 2.1.
x12 = np.array([0.03, 0.19, 0.34, 0.46, 0.78, 0.81, 1.08, 1.18, 1.39, 1.60, 1.65, 1.90])
y12 = np.array([0.67, 0.85, 1.05, 1.0, 1.40, 1.5, 1.3, 1.54, 1.55, 1.68, 1.73, 1.6])
X12 = np.column_stack([np.ones(12), x12])

SHAPES = st.tuples(st.integers(6, 40), st.integers(1, 6))
SEEDS = st.integers(0, 10_000)


def problem(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape[0]), rng.standard_normal(shape[1])


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


@given(seed=SEEDS, shape=SHAPES)
def test_gradient_is_the_slope_of_the_loss(seed: int, shape: tuple[int, int]) -> None:
    X, y, phi = problem(seed, shape)
    assert_gradient(
        lambda phi: linear.sum_of_squares(X, y, phi),
        lambda phi: linear.gradient(X, y, phi),
        phi,
        atol=1e-6,
    )


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
    sigma = np.geomspace(1, 1e-10, 6)
    U, V = (np.linalg.qr(problem(0, shape)[0])[0] for shape in ((60, 6), (6, 6)))
    X = U * sigma @ V.T
    np.testing.assert_allclose(linear.curvatures(X), np.sort(2 * sigma**2), rtol=1e-4)
    assert linear.curvatures(np.ones((2, 3))) == pytest.approx([0, 0, 12])
    assert linear.largest_stable_rate(np.zeros((2, 2))) == np.inf


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
@given(seed=SEEDS, columns=st.integers(1, 6))
def test_solutions_agree_with_sklearn_and_torch(solve, seed: int, columns: int) -> None:
    X, y, _ = problem(seed, (40, columns))
    phi = solve(linear.design_matrix(X), y)
    model = sklearn.linear_model.LinearRegression().fit(X, y)
    np.testing.assert_allclose(phi, [model.intercept_, *model.coef_], rtol=1e-8, atol=1e-10)
    ones = torch.ones(40, 1, dtype=torch.float64)
    twin = torch.linalg.lstsq(torch.cat([ones, torch.tensor(X)], dim=1), torch.tensor(y)[:, None])
    np.testing.assert_allclose(phi, twin.solution[:, 0].numpy(), rtol=1e-8, atol=1e-10)


# Where the normal equation ends.
@pytest.mark.caller
def test_normal_equation_loses_digits_that_least_squares_keeps_and_says_so() -> None:
    x = np.linspace(0, 1, 50) + 2**16
    X = linear.design_matrix(x)
    phi = np.array([3.0, 2.0])
    y = X @ phi
    with pytest.warns(
        linear.IllConditionedWarning, match=r"condition number \d\.\de\+1[01], its"
    ) as caught:
        textbook = linear.normal_equation(X, y)
    assert caught[0].filename == __file__
    error = np.abs(textbook - phi).max()
    assert np.abs(linear.least_squares(X, y).phi - phi).max() < 0.01 * error


def test_normal_equation_refuses_what_float64_can_not_hold() -> None:
    # Rounding leaves an eigenvalue of either sign.
    for seed in range(20):
        X, y, _ = problem(seed, (30, 5))
        X[:, 4] = X[:, 1]
        with pytest.raises(ValueError, match=r"invertible X.T @ X, got rank 4 of 5 .*least_sq"):
            linear.normal_equation(X, y)
    X[:, 4] += 1e-10 * X[:, 2]
    with pytest.raises(ValueError, match=r"got rank 4 of 5 in float64"):
        linear.normal_equation(X, y)
    with pytest.raises(ValueError, match="within range, got overflow: rescale X or y"):
        linear.normal_equation(X * 1e200, y)


def test_inputs_are_left_alone() -> None:
    X, y = X12.copy(), y12.copy()
    X.flags.writeable = y.flags.writeable = False
    linear.normal_equation(X, y)
    linear.fit_line(X[:, 1], y)
    linear.curvatures(X)
    linear.correlation_matrix(X[:, 1:])


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


@given(seed=SEEDS, rows=st.integers(3, 40))
def test_metrics_agree_with_sklearn(seed: int, rows: int) -> None:
    y, f = np.random.default_rng(seed).standard_normal((2, rows))
    assert linear.mse(y, f) == pytest.approx(sklearn.metrics.mean_squared_error(y, f), rel=1e-12)
    assert linear.rmse(y, f) == pytest.approx(
        sklearn.metrics.root_mean_squared_error(y, f), rel=1e-12
    )
    assert linear.r_squared(y, f) == pytest.approx(sklearn.metrics.r2_score(y, f), rel=1e-10)


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
