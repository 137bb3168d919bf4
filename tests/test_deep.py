"""Deep networks against PyTorch, exact arithmetic, and the laws of composition."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl import activations, deep
from udl.deep import Layers

SEEDS = st.integers(0, 10_000)
WIDTHS = st.lists(st.integers(1, 6), min_size=2, max_size=6).map(tuple)
TWINS = [
    (activations.relu, torch.nn.ReLU()),
    (activations.tanh, torch.nn.Tanh()),
    (activations.sigmoid, torch.nn.Sigmoid()),
    (activations.leaky_relu, torch.nn.LeakyReLU()),
]
# UDL notebook 3.1, in the notation of layers.
UDL = Layers(
    (np.array([0.3, -1.0, -0.5]), np.array([-0.3])),
    (np.array([[-1.0], [2.0], [0.65]]), np.array([[2.0, -1.0, 7.0]])),
)
# Two networks whose composition has 16 linear regions.
FIRST = Layers(
    (np.array([0.0, -10, 20]), np.array([0.0])),
    (np.array([[1.0], [1], [-1]]), np.array([[-3.0, 2, -2]])),
)
SECOND = Layers(
    (np.array([47.5, 45, -42.5]), np.array([0.0])),
    (np.array([[1.0], [1], [-1]]), np.array([[1.0, -4, -1]])),
)


def network(seed: int, widths: tuple[int, ...]) -> Layers:
    rng = np.random.default_rng(seed)
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    return Layers(
        tuple(rng.standard_normal(out) for out, _ in pairs),
        tuple(rng.standard_normal(shape) for shape in pairs),
    )


def inputs(seed: int, D_i: int, I: int = 20) -> np.ndarray:
    return 3 * np.random.default_rng(seed).standard_normal((I, D_i))


def twin(net: Layers, activation: torch.nn.Module) -> torch.nn.Sequential:
    """Build the same network in PyTorch."""
    parts: list[torch.nn.Module] = []
    for b, W in zip(*net, strict=True):
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W))
            linear.bias.copy_(torch.tensor(b))
        parts += [linear, activation]
    return torch.nn.Sequential(*parts[:-1])


def close(actual: np.ndarray, expected: np.ndarray, size: float = 0.0) -> None:
    """Agree to 1e-12 of the size of the values, or of those that they were computed from."""
    assert actual.shape == expected.shape
    scale = max(1.0, size, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * scale)


def largest(run: deep.Forward) -> float:
    return max(float(np.abs(f).max()) for f in run.f)


def apart(*arrays: np.ndarray) -> bool:
    return not any(np.shares_memory(one, other) for one, other in combinations(arrays, 2))


def gain(*networks: Layers) -> float:
    """Bound the products of weights, with which their rounding errors grow."""
    layers = [layer for net in networks for layer in zip(*net, strict=True)]
    return float(np.prod([1 + np.linalg.norm(b) + np.linalg.norm(W) for b, W in layers]))


# Forward pass.


@pytest.mark.parametrize(("activation", "module"), TWINS)
@given(seed=SEEDS, widths=WIDTHS)
def test_every_value_agrees_with_torch(activation, module, seed: int, widths) -> None:
    net, x = network(seed, widths), inputs(seed, widths[0])
    run = deep.forward(x, *net, activation)
    value = torch.tensor(x)
    K = len(widths) - 2
    assert len(run.f) == len(run.h) == K + 1
    for k, part in enumerate(twin(net, module)):
        close((run.h if k % 2 == 0 else run.f)[k // 2], value.numpy())
        value = part(value).detach()
    close(run.f[K], value.numpy())
    assert run.output is run.f[K]


@given(seed=SEEDS, widths=WIDTHS)
def test_predict_is_the_output_and_a_vector_for_one_output(seed: int, widths) -> None:
    net, x = network(seed, widths), inputs(seed, widths[0])
    output, y = deep.forward(x, *net).output, deep.predict(x, *net)
    assert output.shape == (20, widths[-1])
    assert y.shape == ((20,) if widths[-1] == 1 else output.shape)
    np.testing.assert_array_equal(y.reshape(output.shape), output)
    # Rows are examples: no row knows of another one.
    for i in (0, 7, 19):
        close(deep.forward(x[i : i + 1], *net).output, output[i : i + 1], gain(net))


def test_network_of_udl_notebook_3_1() -> None:
    # By hand: at x = 1 the units hold -0.7, 1 and 0.15, the first one is clipped.
    run = deep.forward(np.array([1.0]), *UDL)
    np.testing.assert_allclose(run.f[0], [[-0.7, 1.0, 0.15]], rtol=1e-14)
    np.testing.assert_allclose(run.h[1], [[0.0, 1.0, 0.15]], rtol=1e-14)
    np.testing.assert_allclose(run.output, [[-0.3 - 1.0 + 7 * 0.15]], rtol=1e-14)


def test_one_input_may_be_a_vector() -> None:
    x = np.linspace(0, 2, 7)
    run = deep.forward(x, *UDL)
    np.testing.assert_array_equal(run.h[0], x[:, None])
    np.testing.assert_array_equal(run.output, deep.forward(x[:, None], *UDL).output)


def test_a_linear_model_has_no_hidden_layer() -> None:
    beta, Omega = (np.array([1.0, 2.0]),), (np.array([[1.0, 0.0, 2.0], [0.0, -1.0, 0.0]]),)
    run = deep.forward(np.array([[1.0, 2.0, 3.0]]), beta, Omega)
    np.testing.assert_array_equal(run.output, [[8.0, 0.0]])
    assert len(run.f) == len(run.h) == 1


def test_any_elementwise_function_is_an_activation() -> None:
    x = np.linspace(-1, 1, 5)
    beta, Omega = (np.array([0.5]), np.zeros(1)), (np.ones((1, 1)), np.ones((1, 1)))
    for function in (np.sin, lambda z: z > 0, lambda z: z.astype(int), activations.heaviside):
        run = deep.forward(x, beta, Omega, function)
        assert run.h[1].dtype == np.float64
        np.testing.assert_array_equal(run.output[:, 0], function(x + 0.5))


def test_integers_and_float32_are_computed_in_float64() -> None:
    beta, Omega = ([1], [0]), ([[3]], [[2]])
    for dtype in (np.int8, np.float32):
        run = deep.forward(
            np.array([50, -50], dtype=dtype),
            [np.array(b, dtype=dtype) for b in beta],
            [np.array(W, dtype=dtype) for W in Omega],
        )
        assert all(a.dtype == np.float64 for a in (*run.f, *run.h))
        np.testing.assert_array_equal(run.output, [[302], [0]])


def test_nan_stays_in_its_row() -> None:
    x = np.array([0.5, np.nan, 1.5])
    np.testing.assert_array_equal(np.isnan(deep.predict(x, *UDL)), [False, True, False])


def test_infinity_and_overflow_pass_on_in_their_row() -> None:
    net, x = network(3, (2, 4, 3, 2)), inputs(0, 2)
    calm = deep.forward(x, *net)
    x[3, 0], x[7] = np.inf, [1e308, -1e308]
    for function in (activations.relu, activations.silu, lambda z: z):
        run = deep.forward(x, *net, function)
        assert not np.isfinite(run.f[0][3]).any()
        assert not np.isfinite(run.output[3]).any()
        assert np.isfinite(np.delete(run.output, [3, 7], axis=0)).all()
    run = deep.forward(x, *net)
    np.testing.assert_array_equal(
        np.delete(run.output, [3, 7], axis=0), np.delete(calm.output, [3, 7], axis=0)
    )
    steep = Layers(UDL.beta, (1e3 * UDL.Omega[0], UDL.Omega[1]))
    run = deep.forward(np.array([-1e308, 0.0, 1e308]), *steep)
    np.testing.assert_array_equal(run.f[0][[0, 2]], np.outer([-1, 1], [-np.inf, np.inf, np.inf]))
    assert run.output[0, 0] == np.inf
    assert run.output[1, 0] == pytest.approx(0.3)
    assert np.isnan(run.output[2, 0])  # minus one infinity and plus seven


def test_an_activation_that_works_in_place_spoils_nothing() -> None:
    net, x = network(0, (2, 3, 3, 1)), inputs(0, 2)
    before, run = x.copy(), deep.forward(x, *net, lambda z: np.maximum(z, 0, out=z))
    np.testing.assert_array_equal(x, before)
    expected = deep.forward(x, *net)
    for mine, yours in zip((*run.f, *run.h), (*expected.f, *expected.h), strict=True):
        np.testing.assert_array_equal(mine, yours)


def test_no_two_arrays_of_a_run_share_memory() -> None:
    for x, widths in ((inputs(0, 2), (2, 3, 3, 2)), (inputs(0, 1), (1, 1)), (np.ones(5), (1, 1))):
        run = deep.forward(x, *network(0, widths), lambda z: z)
        assert apart(x, *run.f, *run.h)


def test_a_dead_layer_passes_on_nothing() -> None:
    net = network(1, (2, 4, 3, 2))
    dead = Layers((net.beta[0], np.full(3, -1e3), net.beta[2]), net.Omega)
    run = deep.forward(inputs(0, 2), *dead)
    np.testing.assert_array_equal(run.h[2], np.zeros((20, 3)))
    np.testing.assert_array_equal(run.output, np.tile(net.beta[2], (20, 1)))


@given(seed=SEEDS, widths=WIDTHS)
def test_zero_weights_leave_the_last_bias(seed: int, widths) -> None:
    net = network(seed, widths)
    zero = Layers(net.beta, tuple(np.zeros_like(W) for W in net.Omega))
    output = deep.forward(inputs(seed, widths[0]), *zero).output
    np.testing.assert_array_equal(output, np.tile(net.beta[-1], (20, 1)))


# Two networks with other numbers that are the same function.


@given(seed=SEEDS, widths=WIDTHS.filter(lambda w: len(w) > 2))
def test_the_order_of_hidden_units_does_not_matter(seed: int, widths) -> None:
    net, x, rng = network(seed, widths), inputs(seed, widths[0]), np.random.default_rng(seed)
    beta, Omega = list(net.beta), list(net.Omega)
    for k in range(len(widths) - 2):
        order = rng.permutation(widths[k + 1])
        beta[k], Omega[k], Omega[k + 1] = beta[k][order], Omega[k][order], Omega[k + 1][:, order]
    run = deep.forward(x, *net)
    close(deep.forward(x, beta, Omega).output, run.output, largest(run))


@given(seed=SEEDS, widths=WIDTHS.filter(lambda w: len(w) > 2))
def test_a_positive_factor_moves_through_a_relu(seed: int, widths) -> None:
    net, x, rng = network(seed, widths), inputs(seed, widths[0]), np.random.default_rng(seed)
    beta, Omega = list(net.beta), list(net.Omega)
    for k in range(len(widths) - 2):
        c = rng.uniform(0.1, 10, widths[k + 1])
        beta[k], Omega[k], Omega[k + 1] = beta[k] * c, Omega[k] * c[:, None], Omega[k + 1] / c
    run = deep.forward(x, *net)
    close(deep.forward(x, beta, Omega).output, run.output, largest(run))


# Composition.


@pytest.mark.parametrize("activation", [pair[0] for pair in TWINS])
@given(seed=SEEDS, before=WIDTHS, after=WIDTHS)
def test_composition_is_one_network_after_the_other(activation, seed, before, after) -> None:
    first, second = network(seed, before), network(seed + 1, (before[-1], *after))
    x = inputs(seed, before[0])
    both = deep.compose(first, second)
    assert both.widths == (*before[:-1], *after)
    halfway = deep.forward(x, *first, activation)
    run = deep.forward(halfway.output, *second, activation)
    size = max(largest(halfway), largest(run))
    close(deep.forward(x, *both, activation).output, run.output, size)
    seam = both.Omega[len(before) - 2]
    assert np.linalg.matrix_rank(seam, tol=1e-12 * gain(first, second)) <= before[-1]


@given(seed=SEEDS, one=WIDTHS, two=WIDTHS, three=WIDTHS)
def test_composition_is_associative(seed: int, one, two, three) -> None:
    a = network(seed, one)
    b = network(seed + 1, (one[-1], *two))
    c = network(seed + 2, (two[-1], *three))
    left, right = deep.compose(deep.compose(a, b), c), deep.compose(a, deep.compose(b, c))
    assert left.widths == right.widths
    for mine, yours in zip((*left.beta, *left.Omega), (*right.beta, *right.Omega), strict=True):
        close(mine, yours, gain(a, b, c))


@given(seed=SEEDS, widths=WIDTHS)
def test_composing_with_the_identity_changes_nothing(seed: int, widths) -> None:
    net = network(seed, widths)
    for D, order in ((widths[0], 1), (widths[-1], -1)):
        identity = Layers((np.zeros(D),), (np.eye(D),))
        both = deep.compose(*(identity, net)[::order])
        assert both.widths == widths
        for old, new in zip((*net.beta, *net.Omega), (*both.beta, *both.Omega), strict=True):
            np.testing.assert_array_equal(new, old)


def test_the_pair_that_folds() -> None:
    both = deep.compose(FIRST, SECOND)
    assert both.widths == (1, 3, 3, 1)
    # Psi is the outer product of a column and a row.
    np.testing.assert_array_equal(both.Omega[1], [[-3, 2, -2], [-3, 2, -2], [3, -2, 2]])
    np.testing.assert_array_equal(both.beta[1], SECOND.beta[0])
    assert np.linalg.matrix_rank(both.Omega[1]) == 1
    # Integers and halves: nothing is rounded.
    x = np.arange(-80, 160) / 2
    np.testing.assert_array_equal(
        deep.predict(x, *both), deep.predict(deep.predict(x, *FIRST), *SECOND)
    )


def test_composition_leaves_its_parts_alone() -> None:
    first, second = network(0, (2, 3, 2)), network(1, (2, 3, 1))
    parts = (*first.beta, *first.Omega, *second.beta, *second.Omega)
    for array in parts:
        array.flags.writeable = False
    both = deep.compose(first, second)
    assert apart(*parts, *both.beta, *both.Omega)
    twice = deep.compose(second, deep.compose(UDL, UDL))
    assert apart(*second.beta, *second.Omega, *UDL.beta, *UDL.Omega, *twice.beta, *twice.Omega)


# Linear layers collapse.


@given(seed=SEEDS, widths=WIDTHS)
def test_collapse_is_the_network_with_the_identity(seed: int, widths) -> None:
    net, x = network(seed, widths), inputs(seed, widths[0])
    one = deep.collapse(*net)
    assert one.widths == (widths[0], widths[-1])
    run = deep.forward(x, *net, lambda z: z)
    close(deep.forward(x, *one).output, run.output, largest(run))
    close(run.output, twin(net, torch.nn.Identity())(torch.tensor(x)).detach().numpy())
    assert np.linalg.matrix_rank(one.Omega[0], tol=1e-12 * gain(net)) <= min(widths)


@given(seed=SEEDS, before=WIDTHS, after=WIDTHS)
def test_collapse_and_composition_commute(seed: int, before, after) -> None:
    first, second = network(seed, before), network(seed + 1, (before[-1], *after))
    one = deep.collapse(*deep.compose(first, second))
    two = deep.compose(deep.collapse(*first), deep.collapse(*second))
    close(one.Omega[0], two.Omega[0], gain(first, second))
    close(one.beta[0], two.beta[0], gain(first, second))


def test_collapse_of_one_layer_is_a_copy() -> None:
    line = network(0, (2, 3))
    one = deep.collapse(*line)
    np.testing.assert_array_equal(one.Omega[0], line.Omega[0])
    assert apart(*line.beta, *line.Omega, *one.beta, *one.Omega)


# Parameter counts.


@given(widths=WIDTHS)
def test_parameter_count_agrees_with_torch(widths) -> None:
    model = twin(network(0, widths), torch.nn.ReLU())
    assert deep.parameter_count(widths) == sum(p.numel() for p in model.parameters())


def test_parameter_count_agrees_with_the_formula_for_one_input() -> None:
    for D in range(1, 12):
        for K in range(1, 8):
            count = deep.parameter_count((1, *[D] * K, 1))
            assert count == 3 * D + 1 + (K - 1) * D * (D + 1)


def test_parameter_counts_of_the_lectures() -> None:
    assert deep.parameter_count((1, 3, 1)) == 10
    assert 2 * deep.parameter_count((1, 3, 1)) == 20
    assert deep.parameter_count((1, 6, 1)) == 19
    assert deep.parameter_count((1, 3, 3, 1)) == 22
    assert deep.parameter_count([784, 100, 10]) == 79_510


def test_parameter_count_refuses_no_integer_of_numpy() -> None:
    wide = np.full(2, 2**31 - 1, dtype=np.int32)
    count = deep.parameter_count(wide)
    assert isinstance(count, int)
    assert count == 2**31 * (2**31 - 1)


# Random networks.


def test_random_network_is_drawn_as_documented() -> None:
    widths = (4, 2000, 100, 3)
    net = deep.random_network(widths, seed=7)
    assert net.widths == widths
    for b, W in zip(*net, strict=True):
        bound = W.shape[1] ** -0.5
        for array in (b, W):
            assert np.abs(array).max() <= bound
        many = W.ravel() if W.size > 1000 else b
        if many.size > 1000:  # within five standard errors
            error = 5 / np.sqrt(many.size)
            assert abs(many.mean()) < error * bound / np.sqrt(3)
            assert many.var() == pytest.approx(bound**2 / 3, rel=error)
            assert np.abs(many).max() > 0.99 * bound
    first = net.beta[0]
    assert first.var() == pytest.approx(1 / 12, rel=0.1)
    assert abs(np.corrcoef(first, net.Omega[0][:, 0])[0, 1]) < 0.1


def test_random_network_has_the_distribution_of_torch() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = torch.nn.Linear(25, 4000)
    net = deep.random_network((25, 4000), 0)
    # Quantile by quantile; both reach to 0.2. More than five standard errors.
    for ours, theirs, atol in (
        (net.Omega[0], linear.weight, 0.004),
        (net.beta[0], linear.bias, 0.02),
    ):
        theirs = np.sort(theirs.detach().numpy().ravel())
        np.testing.assert_allclose(np.sort(ours.ravel()), theirs, rtol=0, atol=atol)


def test_the_same_seed_draws_the_same_network() -> None:
    def flat(net: Layers) -> np.ndarray:
        return np.concatenate([a.ravel() for a in (*net.beta, *net.Omega)])

    widths, rng = (2, 3, 1), np.random.default_rng(5)
    five = flat(deep.random_network(widths, 5))
    np.testing.assert_array_equal(five, flat(deep.random_network(widths, 5)))
    np.testing.assert_array_equal(five, flat(deep.random_network(widths, rng)))
    assert not np.isin(five, flat(deep.random_network(widths, rng))).any()
    assert not np.isin(five, flat(deep.random_network(widths, 6))).any()
    assert len(np.unique(five)) == len(five)


# The constructed wave.


def tooth(x: Fraction, K: int) -> Fraction:
    """Compute the wave without a network: how far 2^K x is from the nearest even integer."""
    z = 2**K * x % 2
    return min(z, 2 - z)


@given(x=st.floats(0, 1), K=st.integers(1, 60))
def test_the_wave_is_exact_wherever_it_is_read(x: float, K: int) -> None:
    y = deep.predict(np.array([x]), *deep.triangle_wave(K))[0]
    assert Fraction(float(y)) == tooth(Fraction(x), K)


@pytest.mark.parametrize("K", range(1, 6))
def test_the_layers_of_a_wave_share_no_memory(K: int) -> None:
    wave = deep.triangle_wave(K)
    assert apart(*wave.beta, *wave.Omega)


def test_the_wave_is_tents_in_a_row() -> None:
    tent = wave = deep.triangle_wave(1)
    for K in range(2, 6):
        wave = deep.compose(wave, tent)
        built = deep.triangle_wave(K)
        for mine, yours in zip(
            (*built.beta, *built.Omega), (*wave.beta, *wave.Omega), strict=True
        ):
            np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("K", range(1, 11))
def test_the_wave_has_twice_the_teeth_with_each_layer(K: int) -> None:
    wave = deep.triangle_wave(K)
    assert wave.widths == (1, *[2] * K, 1)
    assert deep.parameter_count(wave.widths) == 6 * K + 1
    x = np.arange(2**K + 1) / 2**K
    y = deep.predict(x, *wave)
    np.testing.assert_array_equal(y, np.arange(2**K + 1) % 2)  # 0, 1, 0, 1, ..., 0
    assert np.sum(y == 1) == 2 ** (K - 1)
    middle = (x[1:] + x[:-1]) / 2
    np.testing.assert_array_equal(deep.predict(middle, *wave), np.full(2**K, 0.5))


def test_the_wave_outside_the_unit_interval() -> None:
    left, right = np.array([-1e6, -3.0, -1e-9]), np.array([1.5, 3.0, 1e6])
    for K in range(1, 6):
        np.testing.assert_array_equal(deep.predict(left, *deep.triangle_wave(K)), np.zeros(3))
    np.testing.assert_array_equal(deep.predict(right, *deep.triangle_wave(1)), 2 - 2 * right)
    for K in range(2, 6):
        np.testing.assert_array_equal(deep.predict(right, *deep.triangle_wave(K)), np.zeros(3))


# Errors. Names with "refuses": these calls break the annotations on purpose.

PLANE = network(0, (2, 3, 1))
HUGE = Layers((np.full(1, 1e200),), (np.full((1, 1), 1e200),))
HIGH = Layers((np.full(1, 1e200),), (np.ones((1, 1)),))
STEEP = Layers((np.zeros(1),), (np.full((1, 1), 1e200),))
HOLE = Layers(UDL.beta, (UDL.Omega[0], np.array([[2.0, np.nan, 7.0]])))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: deep.forward(np.zeros(5), *PLANE),
            ValueError,
            r"x of shape \(I, 2\) for a network with D_i=2, got x.shape=\(5,\)",
        ),
        (lambda: deep.forward(np.zeros((5, 3)), *PLANE), ValueError, r"got x.shape=\(5, 3\)"),
        (lambda: deep.predict(np.zeros((5, 2)), *UDL), ValueError, r"\(I, 1\) .*shape=\(5, 2\)"),
        (lambda: deep.predict(np.zeros((1, 5, 1)), *UDL), ValueError, r"x.shape=\(1, 5, 1\)"),
        (lambda: deep.predict(0.5, *UDL), ValueError, r"\(I, 1\) .*x.shape=\(\)"),
        (
            lambda: deep.predict(np.zeros(0), *UDL),
            ValueError,
            r"at least one number, got x.shape=\(0,\)",
        ),
        (lambda: deep.predict(np.array(["a"]), *UDL), TypeError, "real numbers in x"),
        (
            lambda: deep.forward(np.zeros(5), *UDL, np.sum),
            ValueError,
            r"elementwise, got activation\(f\).shape=\(\), f.shape=\(5, 3\)",
        ),
        (
            lambda: deep.forward(np.zeros(5), *UDL, lambda z: z * 1j),
            TypeError,
            r"real numbers in activation\(f\), got activation\(f\).dtype=complex128",
        ),
        (lambda: deep.predict(np.zeros(5), UDL.Omega[0], np.zeros(4)), ValueError, "shallow"),
        (lambda: deep.forward(np.zeros(5), UDL.beta[:1], UDL.Omega), ValueError, r"len\(beta\)=1"),
        (lambda: deep.collapse([], []), ValueError, "at least one layer"),
        (
            lambda: deep.compose(UDL, PLANE),
            ValueError,
            r"got first.widths=\(1, 3, 1\), second.widths=\(2, 3, 1\)",
        ),
        (
            lambda: deep.compose(UDL, Layers(UDL.beta, UDL.Omega[::-1])),
            ValueError,
            r"bias for each row",
        ),
        (
            lambda: deep.compose(Layers(UDL.beta, UDL.Omega[::-1]), UDL),
            ValueError,
            r"bias for each row",
        ),
        (lambda: deep.compose(HOLE, UDL), ValueError, r"finite numbers in Omega\[1\]"),
        (lambda: deep.compose(UDL, HOLE), ValueError, r"finite numbers in Omega\[1\]"),
        (lambda: deep.compose(HIGH, STEEP), ValueError, r"range, got overflow in beta\[0\]"),
        (lambda: deep.compose(STEEP, STEEP), ValueError, r"range, got overflow in Omega\[0\]"),
        (
            lambda: deep.compose(Layers(UDL.beta, (UDL.Omega[0], 1e200 * UDL.Omega[1])), STEEP),
            ValueError,
            r"range, got overflow in Omega\[1\]",
        ),
        (lambda: deep.collapse(*deep.compose(UDL, HOLE)), ValueError, "finite numbers"),
        (
            lambda: deep.collapse(
                STEEP.beta + HIGH.beta * 2, STEEP.Omega + STEEP.Omega + HIGH.Omega
            ),
            ValueError,
            r"range, got overflow in Omega\[1\]",
        ),
        (
            lambda: deep.collapse(HIGH.beta * 3, HIGH.Omega * 2 + STEEP.Omega),
            ValueError,
            r"range, got overflow in beta\[2\]",
        ),
        (lambda: deep.parameter_count((3,)), ValueError, r"inputs and the outputs, got .*\(3,\)"),
        (lambda: deep.parameter_count(5), TypeError, "a sequence, got widths of type int"),
        (
            lambda: deep.random_network((D for D in (1, 2)), 0),
            TypeError,
            "a sequence, got widths of type generator",
        ),
        (lambda: deep.parameter_count(()), ValueError, r"got widths=\(\)"),
        (lambda: deep.parameter_count((1, 0, 1)), ValueError, r"at least 1 .* widths=\(1, 0, 1\)"),
        (lambda: deep.parameter_count((1, -3, 1)), ValueError, r"got widths=\(1, -3, 1\)"),
        (lambda: deep.parameter_count((1, 3.0, 1)), TypeError, r"integers, got .*\(1, 3.0, 1\)"),
        (lambda: deep.parameter_count((1, True)), TypeError, r"got widths=\(1, True\)"),
        (lambda: deep.random_network((2,), 0), ValueError, r"got widths=\(2,\)"),
        (lambda: deep.random_network((2, 1.5), 0), TypeError, r"got widths=\(2, 1.5\)"),
        (lambda: deep.triangle_wave(0), ValueError, "at least one hidden layer, got K=0"),
        (lambda: deep.triangle_wave(1.5), TypeError, "integer, got K=1.5"),
        (lambda: deep.triangle_wave(True), TypeError, "integer, got K=True"),
    ],
)
def test_refuses(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
