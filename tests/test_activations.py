"""Activation functions against PyTorch and SciPy."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch.nn import functional as F

from udl import activations
from udl.gradcheck import numerical_gradient

Z = np.array([-1000.0, -40.0, -3.0, -1.0, -1e-9, -0.0, 0.0, 1e-9, 0.5, 3.0, 40.0, 1000.0])

TWINS = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    # torch's own softplus is the identity from a threshold on.
    "softplus": lambda z: torch.logaddexp(torch.zeros_like(z), z),
    "gelu": F.gelu,
    "silu": F.silu,
    "hard_swish": F.hardswish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
NAMES = [*TWINS, "heaviside"]
EVERY = [*NAMES, *(f"d_{name}" for name in NAMES)]
CORNERS = {
    "relu": [0],
    "leaky_relu": [0],
    "elu": [0],
    "selu": [0],
    "hard_swish": [-3, 3],
    "heaviside": [0],
}
# From minus to plus infinity: the limits of the function, and those of its derivative.
LIMITS = {
    "relu": ((0, np.inf), (0, 1)),
    "leaky_relu": ((-np.inf, np.inf), (0.01, 1)),
    "elu": ((-1, np.inf), (0, 1)),
    "selu": ((-1.0507009873554805 * 1.6732632423543772, np.inf), (0, 1.0507009873554805)),
    "softplus": ((0, np.inf), (0, 1)),
    "gelu": ((0, np.inf), (0, 1)),
    "silu": ((0, np.inf), (0, 1)),
    "hard_swish": ((0, np.inf), (0, 1)),
    "sigmoid": ((0, 1), (0, 0)),
    "tanh": ((-1, 1), (0, 0)),
    "heaviside": ((0, 1), (0, 0)),
}


def function(name: str):
    return getattr(activations, name)


def derivative(name: str):
    return getattr(activations, f"d_{name}")


def test_every_function_has_its_derivative() -> None:
    assert set(activations.__all__) == set(EVERY)


@pytest.mark.parametrize("name", TWINS)
def test_agrees_with_torch(name: str) -> None:
    expected = TWINS[name](torch.tensor(Z)).numpy()
    # torch computes the normal probability as 1 + erf, which loses its digits far to the left.
    np.testing.assert_allclose(function(name)(Z), expected, rtol=2e-15, atol=1e-16)


@pytest.mark.parametrize("name", TWINS)
def test_derivative_agrees_with_torch(name: str) -> None:
    points = np.setdiff1d(Z, [-3.0, 3.0]) if name == "hard_swish" else Z
    z = torch.tensor(points, requires_grad=True)
    TWINS[name](z).sum().backward()
    # torch rounds 1 - tanh^2 and sig (1 - sig) to zero in the tails.
    np.testing.assert_allclose(derivative(name)(points), z.grad.numpy(), rtol=1e-13, atol=1e-15)


def test_digits_are_kept_in_the_tails() -> None:
    z = np.array([-700.0, -40.0, 40.0, 300.0])
    sigmoid, normal = scipy.special.expit(z), scipy.stats.norm
    np.testing.assert_allclose(activations.softplus(z), -scipy.special.log_expit(-z), rtol=1e-14)
    np.testing.assert_allclose(activations.silu(z), z * sigmoid, rtol=1e-14)
    np.testing.assert_allclose(
        activations.d_sigmoid(z), sigmoid * scipy.special.expit(-z), rtol=1e-14
    )
    np.testing.assert_allclose(activations.d_tanh(z), np.cosh(z) ** -2.0, rtol=1e-12)
    np.testing.assert_allclose(activations.d_silu(z[:2]), (1 + z[:2]) * sigmoid[:2], rtol=1e-14)
    z = np.array([-37.0, -20.0, -8.0, -2.0])
    np.testing.assert_allclose(activations.gelu(z), z * np.exp(normal.logcdf(z)), rtol=1e-12)
    np.testing.assert_allclose(
        activations.d_gelu(z), np.exp(normal.logcdf(z)) + z * normal.pdf(z), rtol=1e-12
    )


def test_the_far_tails_against_long_double() -> None:
    """At -38.3 the normal density is subnormal, at -710 e^z is; 40 is past the digits of 1."""
    z = np.array([-38.3, -710.0, 40.0])
    wide = z.astype(np.longdouble)
    e = np.exp(wide)
    sigmoid = e / (1 + e)
    d_sigmoid = e / (1 + e) ** 2
    e2 = np.exp(-2 * abs(wide))
    # For x < 0 the asymptotic series of the normal probability; for x = 40 it is 1.
    q = 1 / wide**2
    series = 1 - q * (1 - 3 * q * (1 - 5 * q * (1 - 7 * q * (1 - 9 * q * (1 - 11 * q)))))
    density = np.exp(-(wide**2) / 2) / np.sqrt(2 * np.arccos(np.longdouble(-1)))
    normal = np.where(wide < 0, density / -wide * series, 1)
    expected = {
        "sigmoid": sigmoid,
        "d_softplus": sigmoid,
        "d_sigmoid": d_sigmoid,
        "softplus": np.log1p(e),
        "silu": wide * sigmoid,
        "d_silu": sigmoid + wide * d_sigmoid,
        "tanh": np.sign(wide) * (1 - e2) / (1 + e2),
        "d_tanh": 4 * e2 / (1 + e2) ** 2,
        "elu": np.where(wide > 0, wide, np.expm1(wide)),
        "d_elu": np.where(wide > 0, 1, e),
        "gelu": wide * normal,
        "d_gelu": normal + wide * density,
    }
    for name, reference in expected.items():
        # exp(-z^2 / 2) magnifies the rounding of z^2 / 2, about 733.
        rtol = 1e-12 if "gelu" in name else 2e-15
        # Subnormal numbers are 5e-324 apart; SciPy's normal probability is 0 instead of subnormal.
        atol = (np.finfo(float).tiny if "gelu" in name else 5e-324) * np.abs(z)
        error = np.abs(function(name)(z) - reference)
        assert (error <= rtol * np.abs(reference) + atol).all(), (name, error)


def test_near_zero_the_elu_keeps_its_digits() -> None:
    np.testing.assert_allclose(activations.elu(np.array([-1e-20, -1e-9])), [-1e-20, -1e-9], 1e-9)


def test_heaviside_is_one_from_zero_on() -> None:
    np.testing.assert_array_equal(activations.heaviside(Z), [0] * 5 + [1] * 7)
    np.testing.assert_array_equal(activations.d_heaviside(Z), np.zeros(12))


@pytest.mark.parametrize("slope", [0.0, 0.2, 0.3, 1.0, 3.0, 1e20])
def test_leaky_slope(slope: float) -> None:
    expected = F.leaky_relu(torch.tensor(Z), slope).numpy()
    np.testing.assert_allclose(activations.leaky_relu(Z, slope), expected, rtol=1e-15)
    np.testing.assert_array_equal(
        activations.d_leaky_relu(np.array([-1.0, 0.0, 1.0]), slope), [slope, slope, 1.0]
    )


def test_a_leaky_relu_without_slope_is_the_relu_at_infinity_too() -> None:
    z = np.array([-np.inf, -2.0, 3.0, np.inf, np.nan])
    np.testing.assert_array_equal(activations.leaky_relu(z, 0.0), [0, 0, 3, np.inf, np.nan])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 0.0])
def test_parameters_out_of_range_are_refused(value: float) -> None:
    for name in ("elu", "d_elu"):
        with pytest.raises(ValueError, match=rf"0.0 < alpha < inf, got alpha={value}"):
            function(name)(Z, value)
    for name in ("leaky_relu", "d_leaky_relu"):
        if np.isfinite(value):
            assert np.isfinite(function(name)(Z, value)).all()
        else:
            with pytest.raises(ValueError, match=rf"-inf < slope < inf, got slope={value}"):
                function(name)(Z, value)


def test_a_steep_leaky_relu_does_not_overflow_where_it_is_not_steep() -> None:
    np.testing.assert_array_equal(
        activations.leaky_relu(np.array([-1.0, 1e308]), 3.0), [-3, 1e308]
    )


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_depth_of_the_elu(alpha: float) -> None:
    z = torch.tensor(Z, requires_grad=True)
    twin = F.elu(z, alpha)
    twin.sum().backward()
    np.testing.assert_allclose(activations.elu(Z, alpha), twin.detach().numpy(), rtol=1e-15)
    np.testing.assert_allclose(activations.d_elu(Z, alpha), z.grad.numpy(), rtol=1e-15)


def test_the_selu_normalizes_itself() -> None:
    def moment(power: int) -> float:
        def integrand(z: float) -> float:
            return float(activations.selu(np.array(z))) ** power * scipy.stats.norm.pdf(z)

        return sum(scipy.integrate.quad(integrand, *ends)[0] for ends in [(-20, 0), (0, 20)])

    assert moment(1) == pytest.approx(0, abs=1e-9)
    assert moment(2) == pytest.approx(1, abs=1e-9)


def test_the_hard_swish_meets_the_silu_and_has_outer_slopes_at_its_corners() -> None:
    z = np.linspace(-30, 30, 601)
    assert np.abs(activations.hard_swish(z) - activations.silu(z)).max() < 0.15
    np.testing.assert_array_equal(activations.d_hard_swish(np.array([-3.0, 3.0])), [0, 1])


@pytest.mark.parametrize("name", NAMES)
@given(z=arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(-8, 8)))
def test_derivative_is_the_slope(name: str, z: np.ndarray) -> None:
    smooth = np.ones(z.shape, dtype=bool)
    for corner in CORNERS.get(name, []):
        smooth &= np.abs(z - corner) > 1e-5
    # Elementwise: the gradient of the sum is the slope of each.
    slope = numerical_gradient(lambda z: float(np.sum(function(name)(z))), z)
    d = derivative(name)(z)
    assert d.shape == z.shape
    # The sum of up to 64 values of size 8 is rounded at 1e-13, over a step of 1e-6.
    np.testing.assert_allclose(d[smooth], slope[smooth], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_limits(name: str) -> None:
    """At infinity, and as far out as the book promises; warnings are errors."""
    for g, (left, right) in zip((function(name), derivative(name)), LIMITS[name], strict=True):
        np.testing.assert_allclose(g(np.array([-np.inf, np.inf])), [left, right], rtol=1e-15)
        for far in (1000.0, 1e308):
            at = g(np.array([-far, far]))
            assert np.isfinite(at).all()
            for value, limit in zip(at, (left, right), strict=True):
                if np.isfinite(limit):
                    assert value == pytest.approx(limit, rel=1e-15, abs=0)
                else:
                    assert abs(value) >= 0.01 * far


@pytest.mark.parametrize("name", EVERY)
def test_nan_stays_nan_alone(name: str) -> None:
    isnan = np.isnan(function(name)(np.array([1.0, np.nan, -1.0])))
    np.testing.assert_array_equal(isnan, [0, 1, 0])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool])
def test_integers_and_truth_values_are_computed_in_float64(name: str, dtype: type) -> None:
    if dtype is bool:
        z = np.array([False, True])
    else:
        ends = np.iinfo(dtype)
        z = np.array([ends.min, max(ends.min, -4), 0, 1, 3, 4, ends.max], dtype=dtype)
    value = function(name)(z)
    assert value.dtype == np.float64
    np.testing.assert_array_equal(value, function(name)(z.astype(np.float64)))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_floating_dtype_is_kept(name: str, dtype: type) -> None:
    for z in (np.array([-7, -3, -0.5, 0, 2, 5], dtype=dtype), np.array(1, dtype=dtype)):
        value = function(name)(z)
        assert value.dtype == dtype
        expected = function(name)(z.astype(np.float64))
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(value, expected, rtol=16 * eps, atol=2 * eps)


def test_a_parameter_of_numpy_leaves_the_dtype_to_z() -> None:
    for name in ("leaky_relu", "d_leaky_relu", "elu", "d_elu"):
        assert function(name)(np.ones(2, np.float32), np.float64(0.5)).dtype == np.float32


@pytest.mark.parametrize("name", EVERY)
def test_what_is_no_real_number_is_refused(name: str) -> None:
    for z in (np.ones(2) * 1j, np.array(["1"]), np.array([None])):
        with pytest.raises(TypeError, match=r"real numbers in z, got z.dtype=\S+"):
            function(name)(z)


@pytest.mark.parametrize("name", EVERY)
def test_input_is_left_alone(name: str) -> None:
    z = Z.copy()
    assert not np.shares_memory(function(name)(z), z)
    np.testing.assert_array_equal(z, Z)


def test_scipy_waits_until_it_is_needed() -> None:
    code = "import sys, udl.activations; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
