"""Shallow networks against PyTorch, numbers worked out by hand, and their own laws."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl import activations, shallow
from udl.gradcheck import numerical_gradient

# The network of UDL notebook 3.1.
THETA = np.array([[0.3, -1.0], [-1.0, 2.0], [-0.5, 0.65]])
PHI = np.array([-0.3, 2.0, -1.0, 7.0])

SEEDS = st.integers(0, 10_000)
# (I, D_i, D, D_o)
SHAPES = st.tuples(*(st.integers(1, n) for n in (7, 4, 6, 3)))
TWINS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "elu": torch.nn.functional.elu,
}


def network(
    seed: int, shape: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, theta and phi, drawn from a standard normal distribution."""
    rng = np.random.default_rng(seed)
    I, D_i, D, D_o = shape
    return (
        rng.standard_normal((I, D_i)),
        rng.standard_normal((D, 1 + D_i)),
        rng.standard_normal((D_o, 1 + D)),
    )


def line(seed: int, D: int) -> tuple[np.ndarray, np.ndarray]:
    """Return theta and phi of a network with one input and one output."""
    _, theta, phi = network(seed, (1, 1, D, 1))
    return theta, phi[0]


def twin(theta: np.ndarray, phi: np.ndarray, activation: Callable) -> Callable:
    """Return the same network, made of torch's layers."""
    hidden = torch.nn.Linear(theta.shape[1] - 1, len(theta), dtype=torch.float64)
    output = torch.nn.Linear(len(theta), len(phi), dtype=torch.float64)
    for layer, numbers in ((hidden, theta), (output, phi)):
        layer.bias.data = torch.tensor(numbers[:, 0])
        layer.weight.data = torch.tensor(numbers[:, 1:])
    return lambda x: output(activation(hidden(x)))


# The network of notebook 3.1, worked out by hand.


def test_the_notebooks_network_at_zero() -> None:
    """There f = (.3, -1, -.5), h = (.3, 0, 0), weighted (.6, 0, 0), y = -.3 + .6 = .3."""
    at = shallow.forward(np.array([0.0]), THETA, PHI)
    np.testing.assert_array_equal(at.preactivations, [[0.3, -1.0, -0.5]])
    np.testing.assert_array_equal(at.activations, [[0.3, 0.0, 0.0]])
    np.testing.assert_array_equal(at.weighted, [[0.6, 0.0, 0.0]])
    np.testing.assert_allclose(at.output, [0.3], rtol=1e-15)


def test_the_notebooks_network_at_one() -> None:
    """There f = (-.7, 1, .15), h = (0, 1, .15), weighted (0, -1, 1.05), y = -.25."""
    at = shallow.forward(np.array([1.0]), THETA, PHI)
    np.testing.assert_allclose(at.preactivations, [[-0.7, 1.0, 0.15]], rtol=1e-15)
    np.testing.assert_allclose(at.activations, [[0.0, 1.0, 0.15]], rtol=1e-15)
    np.testing.assert_allclose(at.weighted, [[0.0, -1.0, 1.05]], rtol=1e-15)
    np.testing.assert_allclose(at.output, [-0.25], rtol=1e-14)


def test_the_notebooks_joints_pattern_and_slopes() -> None:
    """The joints are .3 / 1, 1 / 2 and .5 / .65; an active unit adds theta_d1 phi_d."""
    np.testing.assert_allclose(shallow.joints(THETA), [0.3, 0.5, 10 / 13], rtol=1e-15)
    x = np.array([0.0, 0.4, 0.6, 1.0])
    np.testing.assert_array_equal(
        shallow.activation_pattern(x, THETA), [[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 1]]
    )
    slopes = [-1.0 * 2.0, 0.0, 2.0 * -1.0, 2.0 * -1.0 + 0.65 * 7.0]
    np.testing.assert_allclose(shallow.slope(x, THETA, PHI), slopes, rtol=1e-15)


# Forward pass.


@pytest.mark.parametrize("name", TWINS)
@given(seed=SEEDS, shape=SHAPES)
def test_output_and_slope_agree_with_torch(
    name: str, seed: int, shape: tuple[int, int, int, int]
) -> None:
    x, theta, phi = network(seed, shape)
    I, D_i, _, D_o = shape
    f = twin(theta, phi, TWINS[name])
    z = torch.tensor(x)
    output = shallow.forward(x, theta, phi, getattr(activations, name)).output
    np.testing.assert_allclose(output, f(z).detach().numpy(), rtol=1e-12, atol=1e-13)
    slope = shallow.slope(x, theta, phi, getattr(activations, f"d_{name}"))
    # The sum over examples takes them all at once: none depends on the others.
    expected = torch.autograd.functional.jacobian(lambda z: f(z).sum(0), z).transpose(0, 1)
    assert slope.shape == expected.shape == (I, D_o, D_i)
    np.testing.assert_allclose(slope, expected.numpy(), rtol=1e-12, atol=1e-13)


@given(seed=SEEDS, shape=SHAPES)
def test_the_steps_lead_to_the_output(seed: int, shape: tuple[int, int, int, int]) -> None:
    x, theta, phi = network(seed, shape)
    at = shallow.forward(x, theta, phi)
    I, D_i, D, D_o = shape
    assert at.weighted.shape == (I, D_o, D)
    # Entry by entry, as the formula says.
    for i in range(I):
        for d in range(D):
            f = theta[d, 0] + sum(theta[d, 1 + j] * x[i, j] for j in range(D_i))
            assert at.preactivations[i, d] == pytest.approx(f, rel=1e-12, abs=1e-14)
            assert at.activations[i, d] == max(0.0, at.preactivations[i, d])
            for o in range(D_o):
                assert at.weighted[i, o, d] == phi[o, 1 + d] * at.activations[i, d]
        for o in range(D_o):
            terms = [phi[o, 0], *(phi[o, 1 + d] * at.activations[i, d] for d in range(D))]
            # Each of D additions may be off by half a unit in the last place.
            bound = D * np.finfo(float).eps * sum(map(abs, terms))
            assert abs(at.output[i, o] - math.fsum(terms)) <= bound


@given(seed=SEEDS, shape=SHAPES)
def test_an_axis_that_x_or_phi_lacks_the_result_lacks(
    seed: int, shape: tuple[int, int, int, int]
) -> None:
    x, theta, phi = network(seed, (shape[0], 1, *shape[2:]))
    full, slopes = shallow.forward(x, theta, phi), shallow.slope(x, theta, phi)
    flat = shallow.forward(x[:, 0], theta, phi)
    for a, b in zip(full, flat, strict=True):
        np.testing.assert_array_equal(a, b)
    one = shallow.forward(x, theta, phi[0])
    np.testing.assert_array_equal(one.weighted, full.weighted[:, 0])
    # The sum over units may run in another order, hence a rounding error apart.
    np.testing.assert_allclose(one.output, full.output[:, 0], rtol=1e-12, atol=1e-14)
    for a, b in (
        (shallow.slope(x[:, 0], theta, phi), slopes[:, :, 0]),
        (shallow.slope(x, theta, phi[0]), slopes[:, 0]),
        (shallow.slope(x[:, 0], theta, phi[0]), slopes[:, 0, 0]),
    ):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_the_smallest_network() -> None:
    at = shallow.forward(np.array([2.0]), np.array([[1.0, 3.0]]), np.array([0.5, -2.0]))
    assert [a.tolist() for a in at] == [[[7.0]], [[7.0]], [[-14.0]], [-13.5]]


def test_integers_are_numbers_too() -> None:
    at = shallow.forward(np.array([2]), np.array([[1, 3]]), np.array([1, -2]))
    assert at.output.dtype == np.float64
    assert at.output.tolist() == [-13.0]


def test_any_function_can_be_the_activation() -> None:
    x = np.array([-1.0, 0.0, 1.0])
    step = shallow.forward(x, np.array([[0.0, 1.0]]), np.array([1.0, 2.0]), activations.heaviside)
    np.testing.assert_array_equal(step.output, [1, 3, 3])
    # Whole numbers: their sums are exact on every processor.
    theta, phi = np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(shallow.slope(x, theta, phi, np.ones_like), [2 * 1 + 3 * 2] * 3)
    for function in (lambda z: z > 0, lambda z: (z > 0).astype(np.int8)):
        other = shallow.forward(x, np.array([[0.0, 1.0]]), np.array([1.0, 2.0]), function)
        assert other.activations.dtype == other.output.dtype == np.float64
        np.testing.assert_array_equal(other.output, [1, 1, 3])
        np.testing.assert_array_equal(
            shallow.slope(x, THETA, PHI, function), shallow.slope(x, THETA, PHI)
        )


def test_an_activation_that_works_in_place_spoils_nothing() -> None:
    x = np.array([-1.0, 1.0])
    at = shallow.forward(x, THETA, PHI, lambda z: np.maximum(z, 0, out=z))
    for mine, expected in zip(at, shallow.forward(x, THETA, PHI), strict=True):
        np.testing.assert_array_equal(mine, expected)
    same = shallow.forward(x, THETA, PHI, lambda z: z)
    assert not np.shares_memory(same.preactivations, same.activations)


# Laws.


@given(seed=SEEDS, shape=SHAPES, data=st.data())
def test_the_order_of_the_units_does_not_matter(
    seed: int, shape: tuple[int, int, int, int], data: st.DataObject
) -> None:
    x, theta, phi = network(seed, shape)
    order = np.array(data.draw(st.permutations(range(shape[2]))))
    at = shallow.forward(x, theta, phi)
    other = shallow.forward(x, theta[order], phi[:, np.concatenate([[0], 1 + order])])
    np.testing.assert_allclose(other.activations, at.activations[:, order], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(other.output, at.output, rtol=1e-12, atol=1e-13)


@given(seed=SEEDS, shape=SHAPES, data=st.data())
def test_scaling_a_unit_up_and_its_weight_down_changes_nothing(
    seed: int, shape: tuple[int, int, int, int], data: st.DataObject
) -> None:
    x, theta, phi = network(seed, shape)
    d, c = data.draw(st.integers(0, shape[2] - 1)), data.draw(st.floats(0.01, 100))
    scaled, weights = theta.copy(), phi.copy()
    scaled[d] *= c
    weights[:, 1 + d] /= c
    at, other = shallow.forward(x, theta, phi), shallow.forward(x, scaled, weights)
    np.testing.assert_allclose(other.output, at.output, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(
        shallow.slope(x, scaled, weights), shallow.slope(x, theta, phi), rtol=1e-11, atol=1e-12
    )


@given(seed=SEEDS, D=st.integers(1, 6))
def test_between_its_joints_the_output_is_a_line_of_the_given_slope(seed: int, D: int) -> None:
    theta, phi = line(seed, D)
    ends = np.concatenate([[-10.0], np.sort(shallow.joints(theta).clip(-10, 10)), [10.0]])
    for left, right in itertools.pairwise(ends):
        if right - left < 1e-6:
            continue
        x = np.linspace(left, right, 7)[1:-1]
        y = shallow.forward(x, theta, phi).output
        np.testing.assert_allclose(np.diff(y, 2), 0, atol=1e-11)
        slope = shallow.slope(x, theta, phi)
        np.testing.assert_allclose(np.diff(y), slope[0] * np.diff(x), atol=1e-11)
        pattern = shallow.activation_pattern(x, theta)
        np.testing.assert_array_equal(pattern, pattern[:1].repeat(5, axis=0))
        np.testing.assert_allclose(slope, pattern @ (theta[:, 1] * phi[1:]), atol=1e-12)


@given(seed=SEEDS, shape=SHAPES)
def test_slope_is_what_differences_measure(seed: int, shape: tuple[int, int, int, int]) -> None:
    x, theta, phi = network(seed, shape)
    # Away from the joints: no step of 1e-6 moves a preactivation that far.
    clear = np.abs(shallow.forward(x, theta, phi).preactivations).min(axis=1) > 1e-4
    slope = shallow.slope(x, theta, phi)
    for i in np.flatnonzero(clear):
        for o in range(shape[3]):
            numeric = numerical_gradient(
                lambda row, o=o: float(shallow.forward(row[None], theta, phi).output[0, o]), x[i]
            )
            np.testing.assert_allclose(slope[i, o], numeric, atol=1e-7)


# Joints and patterns.


@given(seed=SEEDS, D=st.integers(1, 6))
def test_at_a_joint_the_unit_is_zero(seed: int, D: int) -> None:
    theta, phi = line(seed, D)
    x = shallow.joints(theta)
    at = shallow.forward(x, theta, phi).preactivations
    assert (np.abs(np.diag(at)) <= 4e-16 * np.abs(theta[:, 0])).all()
    # A little further right, a unit is active if it slopes up.
    aside = x + 1e-6 * (1 + np.abs(x))
    np.testing.assert_array_equal(
        np.diag(shallow.activation_pattern(aside, theta)), theta[:, 1] > 0
    )


def test_a_unit_without_slope_has_no_joint() -> None:
    theta = np.array([[1.0, 0.0], [-1.0, -0.0], [0.0, 0.0]])
    assert np.isnan(shallow.joints(theta)).all()
    np.testing.assert_array_equal(
        shallow.activation_pattern(np.array([-1e300, 5.0]), theta), [[1, 0, 0], [1, 0, 0]]
    )


def test_a_joint_out_of_range_is_infinite() -> None:
    theta = np.array([[1.0, 1e-310], [-1.0, 1e-310], [1e308, 1e-5], [1e308, -1e-5]])
    np.testing.assert_array_equal(shallow.joints(theta), [-np.inf, np.inf, -np.inf, np.inf])


def test_a_joint_at_zero_has_no_sign() -> None:
    x = shallow.joints(np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, -1.0], [1e-320, -1e308]]))
    np.testing.assert_array_equal(x, np.zeros(4))
    assert not np.signbit(x).any()


def test_coincident_joints() -> None:
    """Two units that bend at the same place: 2 (x - 1)_+ - 6 (1/2 - x/2)_+."""
    theta, phi = np.array([[-1.0, 1.0], [0.5, -0.5]]), np.array([0.0, 2.0, -6.0])
    np.testing.assert_array_equal(shallow.joints(theta), [1, 1])
    x = np.array([0.0, 1.0, 2.0])
    np.testing.assert_array_equal(shallow.forward(x, theta, phi).output, [-3, 0, 2])
    np.testing.assert_array_equal(shallow.slope(x, theta, phi), [3, 0, 2])
    np.testing.assert_array_equal(shallow.activation_pattern(x, theta), [[0, 1], [0, 0], [1, 0]])


def test_dead_units_add_nothing() -> None:
    x = np.linspace(-2, 2, 9)
    silent = np.vstack([THETA, [[-100.0, 1.0], [0.0, 0.0]]])
    weights = np.append(PHI, [5.0, -7.0])
    assert not shallow.activation_pattern(x, silent)[:, 3:].any()
    at, other = shallow.forward(x, THETA, PHI), shallow.forward(x, silent, weights)
    np.testing.assert_allclose(other.output, at.output, rtol=1e-14)
    slope, other_slope = shallow.slope(x, THETA, PHI), shallow.slope(x, silent, weights)
    np.testing.assert_allclose(other_slope, slope, rtol=1e-14)


# Far out, and beyond.


@pytest.mark.parametrize("wide", [False, True])
def test_nan_and_infinity_stay_in_their_row(wide: bool) -> None:
    x, theta, phi = network(0, (9, 2, 5, 2))
    phi = phi if wide else phi[0]
    calm = shallow.forward(x, theta, phi)
    x[2, 1], x[5, 0] = np.nan, np.inf
    at = shallow.forward(x, theta, phi)
    rest = [0, 1, 3, 4, 6, 7, 8]
    assert np.isnan(at.output[2]).all()
    assert not np.isfinite(at.output[5]).any()
    np.testing.assert_array_equal(at.output[rest], calm.output[rest])
    slope = shallow.slope(x, theta, phi)
    assert np.isnan(slope[2]).all()
    assert np.isfinite(np.delete(slope, 2, axis=0)).all()


def test_overflow_is_infinite_and_silent() -> None:
    x = np.array([-1e308, -1000.0, 1000.0, 1e308])
    for name in ("relu", "tanh", "gelu", "silu", "softplus"):
        at = shallow.forward(x, 10 * THETA, PHI, getattr(activations, name))
        assert not np.isfinite(at.preactivations[[0, 3], 1]).any()
        assert np.isfinite(at.output[1:3]).all()
        slope = shallow.slope(x, 10 * THETA, PHI, getattr(activations, f"d_{name}"))
        assert np.isfinite(slope).all()
    assert shallow.forward(x, 10 * THETA, PHI).output[0] == np.inf


def test_a_slope_overflows_only_where_its_unit_is_active() -> None:
    theta, phi = np.array([[0.0, 1e200], [1.0, 0.0]]), np.array([[0.0, 1e200, 1.0]] * 2)
    x = np.array([-1.0, 1.0])
    np.testing.assert_array_equal(shallow.slope(x, theta, phi), [[0, 0], [np.inf, np.inf]])
    np.testing.assert_array_equal(shallow.slope(x, theta, -phi[0]), [0, -np.inf])


def test_a_pattern_is_not_made_up_where_preactivations_overflow() -> None:
    """Here 1e308 (x_1 + x_2 - x_3) at (10, 10, 10) is positive, but no float64 computes it."""
    theta = np.array([[0.0, 1e308, 1e308, -1e308], [-1e308, 1e308, 0.0, 0.0]])
    for x in ([10.0, 10.0, 10.0], [1.0, 0.0, 0.0], [10.0, 0.0, 0.0]):
        if max(x) == 1:
            pattern = shallow.activation_pattern(np.array([x]), theta)
            np.testing.assert_array_equal(pattern, [[True, False]])
        else:
            with pytest.raises(ValueError, match="preactivations within range, got overflow"):
                shallow.activation_pattern(np.array([[0.0, 0.0, 0.0], x]), theta)


# The network through given points.


@given(seed=SEEDS, I=st.integers(2, 30))
def test_interpolant_equals_numpys(seed: int, I: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.uniform(0.01, 1, I)) - rng.uniform(0, 10)
    y = rng.standard_normal(I)
    net = shallow.interpolant(x, y)
    assert net.theta.shape == (I - 1, 2)
    assert net.phi.shape == (I,)
    inside = np.concatenate([x, np.linspace(x[0], x[-1], 101)])
    at = shallow.forward(inside, *net)
    # Each of the terms may be rounded by half a unit in its last place, and so may their sum.
    bound = 4 * np.finfo(float).eps * (np.abs(y[0]) + np.abs(at.weighted).sum(axis=1)) * I
    assert (np.abs(at.output - np.interp(inside, x, y)) <= bound).all()
    np.testing.assert_allclose(at.output, np.interp(inside, x, y), atol=1e-9)


@given(seed=SEEDS, I=st.integers(2, 30))
def test_interpolant_outside(seed: int, I: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.permutation(np.arange(100.0))[:I]), rng.standard_normal(I)
    net = shallow.interpolant(x, y)
    left = x[0] - np.array([1e9, 1.0, 0.0])
    np.testing.assert_array_equal(shallow.forward(left, *net).output, y[0])
    np.testing.assert_array_equal(shallow.slope(left, *net), 0)
    np.testing.assert_array_equal(shallow.joints(net.theta), x[:-1])
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])
    right = x[-1] + np.array([0.5, 100.0])
    np.testing.assert_allclose(shallow.slope(right, *net), last, atol=1e-12)
    np.testing.assert_allclose(
        shallow.forward(right, *net).output, y[-1] + last * (right - x[-1]), atol=1e-9
    )


def test_a_thousand_units_follow_a_curve() -> None:
    x = np.linspace(0, 2 * np.pi, 1001)
    fine = np.linspace(0, 2 * np.pi, 7919)
    f = shallow.forward(fine, *shallow.interpolant(x, np.sin(x))).output
    np.testing.assert_allclose(f, np.interp(fine, x, np.sin(x)), atol=1e-12)
    # The error of a chord is at most max |f''| h^2 / 8.
    assert np.abs(f - np.sin(fine)).max() <= (x[1] - x[0]) ** 2 / 8 + 1e-12


def test_interpolant_of_integers_shows_no_negative_zero() -> None:
    theta, phi = shallow.interpolant(np.array([0, 1, 3]), np.array([0, 2, 2]))
    assert theta.tolist() == [[0, 1], [-1, 1]]
    assert phi.tolist() == [0, 2, -2]
    assert not np.signbit(theta[0, 0])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([0.0, 1.0, 1.0], [0.0, 1.0, 2.0], r"increase strictly, got x\[1\]=1.0, x\[2\]=1.0"),
        ([0.0, -1.0], [0.0, 1.0], r"increase strictly, got x\[0\]=0.0, x\[1\]=-1.0"),
        ([-0.0, 0.0], [0.0, 1.0], r"increase strictly"),
        ([0.0], [0.0], r"at least two points, got x.shape=\(1,\)"),
        ([0.0, 1.0], [0.0], r"equal shapes, got x.shape=\(2,\), y.shape=\(1,\)"),
        ([0.0, np.nan], [0.0, 1.0], r"finite numbers in x.*x\[1\]=nan"),
        ([0.0, 1.0], [0.0, np.inf], r"finite numbers in y.*y\[1\]=inf"),
        ([0.0, 1e-300], [0.0, 1e10], r"slopes .* within range, got overflow"),
        ([-1e308, 1e308], [0.0, 1.0], r"slopes .* within range, got overflow"),
        ([0.0, 1.0, 2.0], [0.0, 1e308, 0.0], r"slopes .* within range, got overflow"),
    ],
)
def test_interpolant_refuses(x: list[float], y: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shallow.interpolant(np.array(x), np.array(y))


# Counting, and the notation of deep networks.


@pytest.mark.parametrize(
    ("widths", "count"), [((1, 3), 10), ((1, 6, 1), 19), ((2, 3, 1), 13), ((1, 4, 2), 18)]
)
def test_parameter_count(widths: tuple[int, ...], count: int) -> None:
    assert shallow.parameter_count(*widths) == count


@given(seed=SEEDS, shape=SHAPES)
def test_parameter_count_counts_parameters(seed: int, shape: tuple[int, int, int, int]) -> None:
    _, theta, phi = network(seed, shape)
    assert shallow.parameter_count(*shape[1:]) == theta.size + phi.size


def test_numpys_integers_are_not_refused_and_do_not_wrap_around() -> None:
    many = np.int32(100_000)
    assert shallow.parameter_count(many, many, many) == 2 * 100_000 * 100_001


@pytest.mark.parametrize(
    ("widths", "error", "message"),
    [
        ((0, 3), ValueError, "at least 1, got D_i=0"),
        ((1, -3), ValueError, "at least 1, got D=-3"),
        ((1, 3, 0), ValueError, "at least 1, got D_o=0"),
        ((1, 3.0), TypeError, r"an integer, got D=3\.0"),
        ((True, 3), TypeError, "an integer, got D_i=True"),
    ],
)
def test_parameter_count_refuses(
    widths: tuple[int, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        shallow.parameter_count(*widths)


@given(seed=SEEDS, shape=SHAPES)
def test_layers_are_the_same_network(seed: int, shape: tuple[int, int, int, int]) -> None:
    x, theta, phi = network(seed, shape)
    beta, Omega = net = shallow.layers(theta, phi)
    assert net.widths == shape[1:]
    h = np.maximum(beta[0] + x @ Omega[0].T, 0)
    output = shallow.forward(x, theta, phi).output
    np.testing.assert_allclose(beta[1] + h @ Omega[1].T, output, rtol=1e-12, atol=1e-13)


def test_layers_of_one_output_are_copies() -> None:
    theta, phi = THETA.copy(), PHI.copy()
    beta, Omega = shallow.layers(theta, phi)
    theta[:], phi[:] = 0, 0
    np.testing.assert_array_equal(beta[0], THETA[:, 0])
    np.testing.assert_array_equal(Omega[0], THETA[:, 1:])
    np.testing.assert_array_equal(beta[1], PHI[:1])
    np.testing.assert_array_equal(Omega[1], PHI[None, 1:])


# What does not fit.

NAN = np.array([[0.3, np.nan]])
TWO = np.zeros((3, 2))


@pytest.mark.parametrize("function", [shallow.forward, shallow.slope])
@pytest.mark.parametrize(
    ("x", "theta", "phi", "error", "message"),
    [
        (TWO, THETA, PHI, ValueError, r"\(I,\) or \(I, 1\) .* D_i=1, got x.shape=\(3, 2\)"),
        (TWO[0], np.zeros((3, 3)), PHI, ValueError, r"\(I, 2\) .* D_i=2, got x.shape=\(2,\)"),
        (np.zeros(0), THETA, PHI, ValueError, r"at least one number, got x.shape=\(0,\)"),
        (np.array(1.0), THETA, PHI, ValueError, r"shape \(I,\) or .* got x.shape=\(\)"),
        (TWO[None], THETA, PHI, ValueError, r"got x.shape=\(1, 3, 2\)"),
        (TWO[0], THETA[:, 0], PHI, ValueError, r"shape \(I, D\), got theta.shape=\(3,\)"),
        (TWO[0], THETA[:, :1], PHI, ValueError, r"at least one weight .* theta.shape=\(3, 1\)"),
        (TWO[0], THETA[:0], PHI, ValueError, r"at least one row .* theta.shape=\(0, 2\)"),
        (TWO[0], NAN, PHI[:2], ValueError, r"finite numbers in theta.*theta\[0, 1\]=nan"),
        (TWO[0], THETA, PHI[:3], ValueError, r"1 \+ 3 numbers an output, got phi.shape=\(3,\)"),
        (TWO[0], THETA, PHI[:, None], ValueError, r"1 \+ 3 numbers .* phi.shape=\(4, 1\)"),
        (TWO[0], THETA, PHI * np.inf, ValueError, r"finite numbers in phi.*phi\[0\]=-inf"),
        (TWO[0], THETA, np.array(1.0), ValueError, r"got phi.shape=\(\)"),
        (np.array(["a"]), THETA, PHI, TypeError, r"real numbers in x"),
        (TWO[0], THETA * 1j, PHI, TypeError, r"real numbers in theta"),
        (TWO[0], THETA, PHI * 1j, TypeError, r"real numbers in phi"),
    ],
)
def test_a_network_refuses(
    function: Callable,
    x: np.ndarray,
    theta: np.ndarray,
    phi: np.ndarray,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        function(x, theta, phi)


def test_a_function_that_is_not_elementwise_is_refused() -> None:
    x = np.zeros(2)
    with pytest.raises(ValueError, match=r"expected activation to .*shape=\(\), f.shape=\(2, 3\)"):
        shallow.forward(x, THETA, PHI, np.sum)
    with pytest.raises(ValueError, match=r"expected derivative to .*shape=\(\), f.shape=\(2, 3\)"):
        shallow.slope(x, THETA, PHI, np.sum)


@pytest.mark.parametrize("function", [lambda z: z * 1j, lambda z: z.astype(str)])
def test_a_function_that_returns_no_real_numbers_is_refused(function: Callable) -> None:
    with pytest.raises(TypeError, match=r"real numbers in activation\(f\), got .*dtype="):
        shallow.forward(np.zeros(2), THETA, PHI, function)
    with pytest.raises(TypeError, match=r"real numbers in derivative\(f\), got .*dtype="):
        shallow.slope(np.zeros(2), THETA, PHI, function)


def test_joints_pattern_and_layers_refuse() -> None:
    with pytest.raises(ValueError, match=r"units with one input, got theta.shape=\(3, 3\)"):
        shallow.joints(np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"finite numbers in theta"):
        shallow.joints(NAN)
    for x in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"finite numbers in x"):
            shallow.activation_pattern(np.array([x]), THETA)
    with pytest.raises(ValueError, match=r"D_i=1, got x.shape=\(3, 2\)"):
        shallow.activation_pattern(TWO, THETA)
    with pytest.raises(ValueError, match=r"1 \+ 3 numbers an output"):
        shallow.layers(THETA, PHI[:2])


def test_arguments_are_left_alone() -> None:
    x, theta, phi = network(1, (4, 2, 3, 2))
    copies = x.copy(), theta.copy(), phi.copy()
    shallow.forward(x, theta, phi)
    shallow.slope(x, theta, phi)
    shallow.activation_pattern(x, theta)
    for now, before in zip((x, theta, phi), copies, strict=True):
        np.testing.assert_array_equal(now, before)
