"""Least squares at a million rows, 20 columns and condition number 1e6: seconds and digits.

``udl.linear.least_squares`` against ``numpy.linalg.lstsq``, scikit-learn's ``LinearRegression``
and the normal equation, on the same data. Errors are relative to the exact solution of these very
arrays, found in integers, for targets with three levels of noise; the worst one counts. Scaling
the columns does not improve the condition number here.

Goals: 3.5 times as fast as lstsq, with a relative error of at most 1e-9.

Run ``python benchmarks/least_squares.py`` on a quiet machine with 2 GB of free memory. It takes
one to two minutes.
"""

import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression

from _harness import compare, report, table
from udl.linear import IllConditionedWarning, least_squares, normal_equation

ROWS, COLUMNS, CONDITION = 1_000_000, 20, 1e6
NOISE = (0.0, 1e-3, 1.0)  # standard deviation; that of the predictors is about 0.3

# Sums of 100,000 products of two such integers fit into the 53 bits of a float64.
BITS = 15
BLOCK = 100_000


def design(rng: np.random.Generator) -> np.ndarray:
    """Return X with singular values that fall geometrically to 1 / CONDITION of the largest."""
    U = np.linalg.qr(rng.standard_normal((ROWS, COLUMNS)))[0]
    V = np.linalg.qr(rng.standard_normal((COLUMNS, COLUMNS)))[0]
    return (U * np.geomspace(1, 1 / CONDITION, COLUMNS)) @ V.T * np.sqrt(ROWS)


def exact_solution(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Solve the normal equation without any rounding, and round the solution.

    Each number is cut into integers of 15 bits. BLAS sums their products exactly; Python's
    integers put the sums together, and fractions solve the system.
    """
    A = np.column_stack([X, y])
    exponents = np.frexp(np.abs(A).max(axis=0))[1]
    depth = 16  # slices that the smallest number may need
    gram = np.zeros((A.shape[1], A.shape[1]), dtype=object)
    for start in range(0, len(A), BLOCK):
        rest = np.ldexp(A[start : start + BLOCK], -exponents)
        slices = []
        while rest.any():
            rest = np.ldexp(rest, BITS)
            slices.append(np.rint(rest))
            rest -= slices[-1]
        assert len(slices) <= depth
        for i, left in enumerate(slices):
            for j, right in enumerate(slices):
                exact = (left.T @ right).astype(np.int64).astype(object)
                gram += exact << (BITS * (2 * depth - i - j))
    rows = [[Fraction(value) for value in row] for row in gram[:-1]]
    for k, pivot in enumerate(rows):
        for i, row in enumerate(rows):
            if i != k:
                factor = row[k] / pivot[k]
                rows[i] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
    z = np.array([float(row[-1] / row[k]) for k, row in enumerate(rows)])
    return np.ldexp(z, exponents[-1] - exponents[:-1])


def solvers() -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Return what is compared, by name and version."""
    return {
        "udl least_squares": lambda X, y: least_squares(X, y).phi,
        f"numpy {np.__version__} lstsq": lambda X, y: np.linalg.lstsq(X, y)[0],
        f"scikit-learn {sklearn.__version__} LinearRegression": lambda X, y: (
            LinearRegression(fit_intercept=False).fit(X, y).coef_
        ),
        "udl normal_equation": normal_equation,
    }


def main() -> None:
    """Measure errors, then seconds, and report both."""
    # That the normal equation loses digits is measured here, and needs no warning.
    warnings.simplefilter("ignore", IllConditionedWarning)
    rng = np.random.default_rng(0)
    X, phi = design(rng), rng.standard_normal(COLUMNS)
    errors: dict[str, list[float]] = {name: [] for name in solvers()}
    for noise in NOISE:
        y = X @ phi + noise * rng.standard_normal(ROWS)
        exact = exact_solution(X, y)
        for name, solve in solvers().items():
            error = np.linalg.norm(solve(X, y) - exact) / np.linalg.norm(exact)
            errors[name].append(float(error))
    timings = compare({name: partial(solve, X, y) for name, solve in solvers().items()})

    ours, lstsq, learn, normal = timings
    seconds = {name: timing.seconds for name, timing in timings.items()}
    table(
        [
            "solver",
            "seconds",
            "times ours",
            *(f"error, noise {noise:g}" for noise in NOISE),
            "kept",
        ],
        [
            [
                name,
                f"{timing.seconds:.3f}",
                f"{timing.seconds / seconds[ours]:.2f}",
                *(f"{error:.1e}" for error in errors[name]),
                f"{timing.kept} of {timing.taken}",
            ]
            for name, timing in timings.items()
        ],
    )
    report(
        "least_squares",
        {
            "speedup_lstsq": seconds[lstsq] / seconds[ours],
            "speedup_sklearn": seconds[learn] / seconds[ours],
            "speedup_normal_equation": seconds[normal] / seconds[ours],
            "seconds": seconds[ours],
            "relative_error": max(errors[ours]),
            "relative_error_lstsq": max(errors[lstsq]),
            "relative_error_sklearn": max(errors[learn]),
            "relative_error_normal_equation": max(errors[normal]),
            "samples_kept": min(timing.kept for timing in timings.values()),
            "samples_taken": max(timing.taken for timing in timings.values()),
        },
    )


if __name__ == "__main__":
    main()
