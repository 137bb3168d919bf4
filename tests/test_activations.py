"""Activation functions against PyTorch and SciPy."""

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from udl import activations

Z = np.array([-1000.0, -40.0, -3.0, -1e-9, -0.0, 0.0, 1e-9, 0.5, 40.0, 1000.0])

TWINS = {
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
NAMES = [*TWINS, "heaviside"]


def function(name: str):
    return getattr(activations, name)


def derivative(name: str):
    return getattr(activations, f"d_{name}")


@pytest.mark.parametrize("name", TWINS)
def test_agrees_with_torch(name: str) -> None:
    expected = TWINS[name](torch.tensor(Z))
    np.testing.assert_allclose(function(name)(Z), expected.numpy(), rtol=1e-15)


@pytest.mark.parametrize("name", TWINS)
def test_derivative_agrees_with_torch(name: str) -> None:
    z = torch.tensor(Z, requires_grad=True)
    TWINS[name](z).sum().backward()
    # torch rounds 1 - tanh^2 and sig (1 - sig) to zero in the tails.
    np.testing.assert_allclose(derivative(name)(Z), z.grad.numpy(), rtol=1e-13, atol=1e-16)


def test_derivatives_keep_their_digits_in_the_tails() -> None:
    z = np.array([-700.0, -40.0, 40.0, 300.0])
    sigmoid = scipy.special.expit(z) * scipy.special.expit(-z)
    np.testing.assert_allclose(activations.d_sigmoid(z), sigmoid, rtol=1e-14)
    np.testing.assert_allclose(activations.d_tanh(z), np.cosh(z) ** -2.0, rtol=1e-12)


def test_heaviside_is_one_from_zero_on() -> None:
    np.testing.assert_array_equal(activations.heaviside(Z), [0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(activations.d_heaviside(Z), np.zeros(10))


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0, 3.0])
def test_leaky_slope(slope: float) -> None:
    expected = torch.nn.functional.leaky_relu(torch.tensor(Z), slope).numpy()
    np.testing.assert_allclose(activations.leaky_relu(Z, slope), expected, rtol=1e-15)
    np.testing.assert_allclose(
        activations.d_leaky_relu(np.array([-1.0, 0.0, 1.0]), slope), [slope, slope, 1.0]
    )


@pytest.mark.parametrize("name", NAMES)
@given(z=arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(-8, 8)))
def test_derivative_is_the_slope(name: str, z: np.ndarray) -> None:
    step = 1e-6
    smooth = np.abs(z) > step
    slope = (function(name)(z + step) - function(name)(z - step)) / (2 * step)
    d = derivative(name)(z)
    assert d.shape == z.shape
    np.testing.assert_allclose(d[smooth], slope[smooth], atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_extremes(name: str) -> None:
    z = np.array([np.nan, -1e308, 1e308])
    for g in (function(name), derivative(name)):
        out = g(z)
        assert np.isnan(out[0])
        assert np.isfinite(out[1:]).all()


@pytest.mark.parametrize("name", NAMES)
def test_input_is_left_alone(name: str) -> None:
    z = Z.copy()
    function(name)(z)
    derivative(name)(z)
    np.testing.assert_array_equal(z, Z)
