"""The checks name the argument, the value and the expectation."""

import numpy as np
import pytest

from udl import _check


def test_equal_shapes_pass() -> None:
    _check.same_shape(y=np.zeros((3, 1)), f=np.ones((3, 1)))
    _check.same_shape(y=[1, 2])


def test_refuses_to_broadcast() -> None:
    with pytest.raises(ValueError, match=r"equal shapes, got y.shape=\(3,\), f.shape=\(3, 1\)"):
        _check.same_shape(y=np.zeros(3), f=np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([0.0, np.nan]), r"in X, got 1 that is not: X\[1\]=nan"),
        (np.array([[0.0, -np.inf], [np.nan, 1.0]]), r"got 2 that are not, first X\[0, 1\]=-inf"),
        (float("inf"), r"got 1 that is not: X=inf"),
    ],
)
def test_refuses_what_is_not_finite(value: np.ndarray | float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _check.finite(X=value)


def test_finite_checks_each_array() -> None:
    _check.finite(x=np.arange(3), y=np.array([1e308]))
    with pytest.raises(ValueError, match="in y,"):
        _check.finite(x=np.zeros(2), y=np.array([np.nan]))


@pytest.mark.parametrize("check", [_check.vector, _check.matrix, _check.finite])
@pytest.mark.parametrize("value", [np.zeros((2, 2), dtype=complex), ["a"], [object()]])
def test_refuses_what_is_no_real_number(check, value) -> None:
    with pytest.raises(TypeError, match=r"real numbers in phi, got phi.dtype="):
        check(phi=value)


def test_vector_and_matrix_convert_to_float64() -> None:
    assert _check.vector(y=[1, 2]).dtype == np.float64
    assert _check.matrix(X=np.ones((2, 3), dtype=np.float32)).dtype == np.float64
    y = np.zeros(3)
    assert _check.vector(y=y) is y


@pytest.mark.parametrize("value", [3.0, np.zeros((3, 1)), np.zeros(0)])
def test_refuses_what_is_no_vector(value) -> None:
    with pytest.raises(ValueError, match=r"got y.shape="):
        _check.vector(y=value)


@pytest.mark.parametrize("value", [np.zeros(3), np.zeros((0, 3)), np.zeros((3, 0))])
def test_refuses_what_is_no_matrix(value) -> None:
    with pytest.raises(ValueError, match=r"got X.shape="):
        _check.matrix(X=value)


def test_refuses_two_names_where_one_is_meant() -> None:
    with pytest.raises(TypeError, match="one named array, got 2: X, y"):
        _check.matrix(X=np.eye(2), y=np.eye(2))


@pytest.mark.parametrize("value", [0.0, -1, np.nan, np.inf])
def test_refuses_what_is_not_positive(value: float) -> None:
    _check.positive(alpha=1e-300, count=1)
    with pytest.raises(ValueError, match="positive number, got alpha="):
        _check.positive(alpha=value)
