"""The exact regions of networks with one input, and bounds for any number of inputs."""

from fractions import Fraction
from itertools import pairwise, product
from math import comb, inf, nextafter, prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from udl.deep import compose, layers, random_network, triangle_wave
from udl.regions import _exact, _rounded, count, lower_bound, pieces, upper_bound, zaslavsky
from udl.regions._paths import Doubt

# A prime: no joint of the small networks below has it in its denominator, so that none is a point
# of the grid. They have denominators up to 12, and so a distance of 1/132 or more.
FINE = 307


def fractions(network):
    """Return the same network in arrays of fractions."""
    return [[np.frompyfunc(Fraction, 1, 1)(array) for array in part] for part in network]


def small_network(rng, widths, largest, scale, biases=1.0):
    """Return a network whose weights are few different numbers, so that much coincides."""
    drawn = [
        (
            rng.integers(-largest, largest + 1, D) * (rng.random() < biases),
            rng.integers(-largest, largest + 1, (D, D_in)),
        )
        for D_in, D in pairwise(widths)
    ]
    return layers([b / scale for b, _ in drawn], [W / scale for _, W in drawn])


def on_a_grid(network, scale, low, high):
    """Evaluate a network in integers: grid points, slopes, intercepts (scaled), patterns."""
    m = np.arange(low * FINE + 1, high * FINE)  # the points m / FINE
    m = m[m % FINE != 0]
    S, I, unit = np.ones((len(m), 1), dtype=np.int64), np.zeros((len(m), 1), dtype=np.int64), 1
    pattern = []
    for k, (b, W) in enumerate(zip(*network, strict=True)):
        b, W = (b * scale).astype(np.int64), (W * scale).astype(np.int64)
        S, I = S @ W.T, I @ W.T + unit * b
        unit *= scale
        if k < len(network.beta) - 1:
            pattern.append(S * m[:, None] + I * FINE > 0)
            S, I = S * pattern[-1], I * pattern[-1]
    empty = np.zeros((len(m), 0), dtype=bool)
    return m, S / unit, I / unit, np.concatenate([empty, *pattern], axis=1)


def runs(values):
    """Return where rows differ from the row before, the first one included."""
    return np.flatnonzero(np.append(True, (values[1:] != values[:-1]).any(axis=1)))


KINDS = [
    ((1, 3, 1), 2, 1, 1.0),
    ((1, 3, 3, 1), 2, 1, 1.0),
    ((1, 3, 3, 2), 2, 2, 1.0),
    ((1, 2, 3, 1), 2, 4, 0.5),
    ((1, 3, 3, 1), 2, 1, 0.0),
    ((1, 2, 2, 2, 1), 1, 2, 1.0),
    ((1, 2, 2, 2, 2), 1, 1, 0.5),
    ((1, 2), 2, 4, 1.0),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_pieces_are_those_of_a_fine_grid_in_integers(kind):
    rng = np.random.default_rng(0)
    widths, largest, scale, biases = kind
    for trial in range(60):
        network = small_network(rng, widths, largest, scale, biases)
        m, slope, intercept, pattern = on_a_grid(network, scale, -22, 22)
        for merge, form in product((True, False), (network, fractions(network))):
            found = pieces(*form, merge=merge)
            starts = runs(np.concatenate([slope, intercept], axis=1) if merge else pattern)
            assert len(found.slope) == len(starts), (kind, trial)
            np.testing.assert_array_equal(found.slope, slope[starts])
            np.testing.assert_array_equal(found.pattern, pattern[starts])
            np.testing.assert_allclose(
                found.intercept.astype(float), intercept[starts], rtol=1e-14, atol=1e-14
            )
            joints = found.joints * FINE
            assert (m[starts[1:] - 1] < joints).all()
            assert (joints < m[starts[1:]]).all()
            assert count(*form, merge=merge) == len(starts)


@pytest.mark.parametrize("limits", [(-1, 2), (0, 1), (-inf, 0), (0.0, inf), (-2, -1)])
def test_an_interval_cuts_regions_off(limits):
    rng = np.random.default_rng(1)
    low, high = (int(np.clip(end, -22, 22)) for end in limits)
    for _ in range(60):
        network = small_network(rng, (1, 3, 3, 1), 2, 1, 0.8)
        _, slope, intercept, pattern = on_a_grid(network, 1, low, high)
        for merge in (True, False):
            starts = runs(np.concatenate([slope, intercept], axis=1) if merge else pattern)
            found = pieces(*network, interval=limits, merge=merge)
            np.testing.assert_array_equal(found.slope, slope[starts])
            np.testing.assert_array_equal(found.pattern, pattern[starts])
            assert count(*network, box=limits, merge=merge) == len(starts)


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 6), max_size=4),
    st.integers(1, 2),
    st.integers(0, 10**6),
    st.sampled_from([(-inf, inf), (-1.0, 2.5), (0.3, inf), (-inf, 0.0)]),
    st.sampled_from([0.0, 0.4]),
)
def test_float64_decides_as_integers_do(hidden, D_o, seed, interval, zeros):
    rng = np.random.default_rng(seed)
    network = random_network((1, *hidden, D_o), rng)
    network = layers(network.beta, [W * (rng.random(W.shape) >= zeros) for W in network.Omega])
    for merge in (True, False):
        exact = pieces(*fractions(network), interval=interval, merge=merge)
        found = pieces(*network, interval=interval, merge=merge)
        assert (found.pattern == exact.pattern).all()
        for ours, theirs in zip(found[:3], exact[:3], strict=True):
            np.testing.assert_allclose(ours, theirs.astype(float), rtol=1e-9, atol=1e-11)
        assert len(found.slope) <= upper_bound(network.widths)


@pytest.mark.parametrize("widths", [(1, 64, 64, 64, 1), (1, 40, 40, 40, 40, 40, 2)])
def test_random_networks_are_left_to_float64(widths, monkeypatch):
    monkeypatch.setattr(_exact, "sweep", None)
    for seed, interval in product(range(3), [(-inf, inf), (-10, 10)]):
        network = random_network(widths, seed)
        found = pieces(*network, interval=interval)
        assert len(found.slope) > 100
        twin = torch.nn.Sequential()
        for b, W in zip(*network, strict=True):
            twin += torch.nn.Sequential(torch.nn.Linear(*W.shape[::-1]), torch.nn.ReLU())
            twin[-2].weight.data, twin[-2].bias.data = torch.tensor(W), torch.tensor(b)
        ends = np.array([max(interval[0], -1e4), *found.joints, min(interval[1], 1e4)])
        x = torch.tensor((ends[1:] + ends[:-1])[:, None] / 2, requires_grad=True)
        y = twin[:-1](x)
        y[:, 0].sum().backward()
        np.testing.assert_allclose(found.slope[:, :1], x.grad, rtol=1e-8, atol=1e-10)
        f = found.intercept + found.slope * x.detach().numpy()
        np.testing.assert_allclose(f, y.detach(), rtol=1e-10, atol=1e-11)


def test_a_pair_of_networks_with_three_units_reaches_sixteen():
    first = layers(
        [np.array([0, -10, 20]), np.zeros(1)],
        [np.array([[1], [1], [-1]]), np.array([[-3, 2, -2]])],
    )
    second = layers(
        [np.array([47.5, 45, -42.5]), np.zeros(1)],
        [np.array([[1], [1], [-1]]), np.array([[1, -4, -1]])],
    )
    network = compose(first, second)
    assert count(*network) == upper_bound(network.widths) == lower_bound(network.widths) == 16
    assert count(*first) == count(*second) == 4


def test_a_shallow_network_has_a_joint_a_unit():
    rng = np.random.default_rng(2)
    for D in range(1, 30):
        network = random_network((1, D, 1), rng)
        found = pieces(*network)
        assert len(found.slope) == zaslavsky(D, 1) == D + 1
        joints = np.sort(-network.beta[0] / network.Omega[0][:, 0])
        np.testing.assert_allclose(found.joints, joints, rtol=1e-14)


@pytest.mark.parametrize("K", range(1, 8))
def test_a_triangle_wave_has_as_many_slopes_as_it_should(K):
    found = pieces(*triangle_wave(K), interval=(0, 1))
    np.testing.assert_array_equal(np.diff(found.joints), 0.5**K)
    assert len(found.slope) == 2**K


def shallow(theta, phi):
    """Return a network with one hidden layer; theta and phi have the biases first."""
    theta, phi = np.array(theta), np.array(phi)
    kind = object if object in (theta.dtype, phi.dtype) else float
    theta, phi = theta.astype(kind), phi.astype(kind)
    return [theta[:, 0], phi[:1]], [theta[:, 1:], phi[None, 1:]]


@pytest.mark.parametrize(
    ("theta", "phi", "activation", "linear"),
    [
        pytest.param([(0, 1), (0, -1)], (0, 1, -1), 2, 1, id="joints that cancel"),
        pytest.param([(1, 2), (1, 2)], (0, 1, 1), 2, 2, id="the same joint twice"),
        pytest.param([(1, 2), (2, 4)], (0, 2, -1), 2, 1, id="the same joint, cancelling"),
        pytest.param([(0.1, 0.3), (0.2, 0.6)], (0, 2, -1), 2, 1, id="rounded, cancelling"),
        pytest.param([(0, 1), (0, -1)], (0, 1, -nextafter(1, 2)), 2, 2, id="nearly cancelling"),
        pytest.param([(1, 0), (-1, 0)], (0, 1, 1), 1, 1, id="no input weight"),
        pytest.param([(0, 0)], (0, 1), 1, 1, id="always zero"),
        pytest.param([(1, 1), (2, 1)], (0, 1, 0), 3, 2, id="no output weight"),
        pytest.param([(0, 1), (0, 2), (0, -3)], (0, 1, 1, 1), 2, 2, id="no bias"),
        pytest.param([(1e300, 1e-300)], (0, 1), 2, 2, id="joint beyond float64"),
        pytest.param([(1e-300, 1e300)], (0, 1), 2, 2, id="joint too small for float64"),
        pytest.param([(1, 5e-324), (0, 1)], (0, 1, 1), 3, 3, id="smallest slope"),
        pytest.param([(1e308, 1e308), (1e308, -1e308)], (0, 1e308, 1e308), 3, 3, id="huge"),
        pytest.param([(1, 3), (nextafter(1, 2), 3)], (0, 1, 1), 3, 3, id="close joints"),
    ],
)
def test_shallow_networks_that_are_special(theta, phi, activation, linear):
    network = shallow(theta, phi)
    assert count(*network, merge=False) == activation
    assert count(*network) == linear


@pytest.mark.parametrize(
    ("beta", "Omega", "regions"),
    [
        # h_2 = a[-1 - h_1] is never active.
        pytest.param(([0], [-1], [3]), ([[1]], [[-1]], [[5]]), (2, 1), id="dead second layer"),
        # Two units whose slopes cancel on the right: the next unit's joint is at infinity.
        pytest.param(
            ([0, -1], [-1], [0]), ([[1], [1]], [[1, -1]], [[1]]), (3, 1), id="joint at infinity"
        ),
        pytest.param(
            ([0, -1], [-0.5], [0]), ([[1], [1]], [[1, -1]], [[1]]), (4, 3), id="flat beyond"
        ),
        # The preactivation of the second layer is zero for all x < 0, and then positive.
        pytest.param(([0], [0], [0]), ([[1]], [[1]], [[1]]), (2, 2), id="zero on a piece"),
        # ... and |x| touches zero without a crossing: the first layer's joint stays alone.
        pytest.param(
            ([0, 0], [0], [0]), ([[1], [-1]], [[1, 1]], [[1]]), (2, 2), id="touches zero"
        ),
        pytest.param(
            ([0, 0], [0], [0]), ([[1], [-1]], [[-1, -1]], [[1]]), (2, 1), id="touches from below"
        ),
        # The slope of h_1 arrives at the output twice.
        pytest.param(
            ([0], [5, 5], [0]), ([[1]], [[1], [1]], [[1, -1]]), (2, 1), id="cancels at the output"
        ),
        pytest.param(
            ([0], [5, 5], [0]),
            ([[1]], [[1], [1]], [[1, -nextafter(1, 2)]]),
            (2, 2),
            id="nearly cancels at the output",
        ),
        pytest.param(([1], [0]), ([[0]], [[0]]), (1, 1), id="constant"),
        pytest.param(([1, 2],), ([[1], [2]],), (1, 1), id="no hidden layer"),
    ],
)
def test_deep_networks_that_are_special(beta, Omega, regions):
    beta, Omega = [np.array(b) for b in beta], [np.array(W) for W in Omega]
    assert (count(beta, Omega, merge=False), count(beta, Omega)) == regions


def test_units_of_two_layers_share_a_joint_that_float64_can_not_hold():
    unlucky = [(a, b) for a, b in product(range(1, 60), repeat=2) if b * (a / b) != a]
    for a, b in unlucky[:100]:
        # a[b x - a] and, one layer later, a[b a[x] - a]
        beta = [np.array([-a, 0]), np.array([0, -a]), np.zeros(1)]
        Omega = [np.array([[b], [1]]), np.array([[1, 0], [0, b]]), np.array([[1, -1]])]
        assert count(beta, Omega, merge=False) == 3
        assert count(beta, Omega) == 1


def test_a_unit_at_zero_is_inactive():
    found = pieces([np.zeros(1)] * 2, [np.zeros((1, 1)), np.ones((1, 1))])
    assert found.pattern.tolist() == [[False]]


def test_an_end_on_a_joint_cuts_no_region():
    network = shallow([(-0.3, 1)], (0, 1))
    assert count(*network, box=(0.3, 1)) == 1
    assert count(*network, box=(0, 0.3)) == 1
    assert count(*network, box=(0, nextafter(0.3, 1))) == 2
    assert count(*network, box=(0, Fraction(3, 10))) == 2  # 0.3 in float64 is a bit less


def test_an_end_may_be_beyond_float64():
    assert count(*shallow([(-1, 1)], (0, 1)), box=(0, Fraction(10) ** 400)) == 2


def test_regions_differ_in_any_output():
    network = ([np.array([0, -1]), np.zeros(2)], [np.ones((2, 1)), np.eye(2)])
    found = pieces(*network)
    np.testing.assert_array_equal(found.slope, [[0, 0], [1, 0], [1, 1]])


def test_fractions_stay_fractions():
    network = shallow([(Fraction(-1, 3), 1)], (Fraction(1, 7), 3))
    found = pieces(*network)
    assert found.joints.tolist() == [Fraction(1, 3)]
    assert found.slope.tolist() == [[0], [3]]
    assert found.intercept.tolist() == [[Fraction(1, 7)], [Fraction(1, 7) - 1]]


def test_what_exceeds_float64_is_infinite():
    assert pieces(*shallow([(1e300, 1e-300)], (0, 1))).joints.tolist() == [-inf]


def test_two_inputs_are_counted_as_cells():
    network = shallow([(0, 1, 0), (0, 0, 1)], (0, 1, 0))
    assert count(*network, merge=False) == 4
    assert count(*network) == 2
    assert count(*network, box=((1, 2), (-1, 1))) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pieces(*random_network((2, 3, 1), 0)),
            r"one input, got Omega\[0\].shape=\(3, 2\)",
        ),
        (
            lambda: pieces(*random_network((1, 1), 0), interval=(1, 1)),
            r"low < high, got .*\(1, 1\)",
        ),
        (lambda: pieces(*random_network((1, 1), 0), interval=(np.nan, 1)), "low < high"),
        (lambda: pieces(*random_network((1, 1), 0), interval=(1,)), r"\(low, high\), got"),
        (
            lambda: pieces([np.zeros(1)], [np.full((1, 1), np.nan)]),
            r"finite numbers in Omega\[0\]",
        ),
        (lambda: pieces([], []), "at least one layer"),
        (lambda: count(*random_network((3, 2, 1), 0)), r"one or two inputs, got .*\(2, 3\)"),
        (
            lambda: count(*random_network((1, 2, 1), 0), box=((0, 1), (0, 1))),
            r"one input, got box=",
        ),
        (lambda: zaslavsky(-1, 2), "D=-1"),
        (lambda: upper_bound((1,)), r"widths=\(1,\)"),
        (lambda: lower_bound((1, 0, 1)), r"widths=\(1, 0, 1\)"),
    ],
)
def test_errors_name_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_zaslavsky_counts_exactly():
    assert [zaslavsky(D, 2) for D in range(5)] == [1, 2, 4, 7, 11]
    assert zaslavsky(5, 9) == 2**5
    assert zaslavsky(500, 500) == 2**500
    with pytest.raises(TypeError):
        zaslavsky(2.0, 1)


@settings(max_examples=50)
@given(st.integers(1, 4), st.lists(st.integers(1, 5), max_size=3))
def test_the_upper_bound_is_the_sum_of_its_formula(D_i, hidden):
    total = 0
    for j in product(*(range(D + 1) for D in hidden)):
        room = [D_i]
        for D, j_k in zip(hidden, j, strict=True):
            room.append(D - j_k)
        if all(j_k <= min(room[: k + 1]) for k, j_k in enumerate(j)):
            total += prod(comb(D, j_k) for D, j_k in zip(hidden, j, strict=True))
    assert upper_bound((D_i, *hidden, 1)) == total
    assert upper_bound((D_i, *hidden, 1)) <= prod(zaslavsky(D, D_i) for D in hidden)
    assert lower_bound((D_i, *hidden, 1)) <= total


@given(st.lists(st.integers(3, 40), max_size=6))
def test_for_one_input_the_bounds_meet(hidden):
    expected = prod(D + 1 for D in hidden)
    assert upper_bound((1, *hidden, 1)) == lower_bound((1, *hidden, 1)) == expected


def test_the_lower_bound_for_a_shallow_network_is_reached():
    for D_i, D in product(range(1, 5), range(1, 9)):
        assert lower_bound((D_i, D, 1)) <= upper_bound((D_i, D, 1)) == zaslavsky(D, D_i)
        if D >= D_i:
            assert lower_bound((D_i, D, 1)) == zaslavsky(D, D_i)


def test_weights_so_small_that_their_squares_vanish():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(2, 9))
        last = rng.integers(-9, 10, n - 1) / 3
        last = np.append(last, -last) / 7  # cancels, whatever is rounded
        beta = [np.zeros(1), np.full(len(last), 5.0), np.zeros(1)]
        Omega = [np.full((1, 1), 2.0**133), np.ones((len(last), 1)), last[None] * 2.0**-565]
        assert count(beta, Omega) == 1


def test_the_order_of_joints_where_squares_overflow():
    rng = np.random.default_rng(0)
    for _ in range(40):
        beta, Omega = map(list, random_network((1, 2, 2, 1), rng))
        Omega[1][1] = Omega[1][0] * (1 + 1e-9 * rng.random())
        beta[1][1] = beta[1][0]
        beta, Omega = [b * 2.0**100 for b in beta], [Omega[0] * 2.0**100, *Omega[1:]]
        beta[1], Omega[1] = beta[1] * 2.0**450, Omega[1] * 2.0**450
        found, exact = pieces(beta, Omega), pieces(*fractions((beta, Omega)))
        np.testing.assert_array_equal(found.pattern, exact.pattern)


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.integers(4, 14))
def test_nearly_the_same_joints_come_in_their_order(seed, digits):
    beta, Omega = map(list, random_network((1, 3, 3, 1), seed))
    Omega[1][1] = Omega[1][0] * (1 + 10.0**-digits)
    beta[1][1] = beta[1][0] * (1 - 10.0**-digits)
    found, exact = pieces(beta, Omega), pieces(*fractions((beta, Omega)))
    np.testing.assert_array_equal(found.pattern, exact.pattern)


def test_integers_that_float64_rounds_are_not_rounded():
    beta = [np.array([-(2**53 + 1), -(2**53)]), np.zeros(1, dtype=int)]
    Omega = [np.ones((2, 1), dtype=int), np.ones((1, 2), dtype=int)]
    assert count(beta, Omega) == 3
    as_numpy = np.array([np.int64(2**40 + 1), np.int64(3)], dtype=object)
    beta = [as_numpy, np.zeros(1)]
    Omega = [np.array([[2.0**40], [2.0**-40]]), np.array([[np.int64(2**40 + 1), 1]], dtype=object)]
    assert count(beta, Omega) == 3
    shallow_net = shallow([(-0.5, 1), (-1, 2)], (0, 1, 1))
    assert count(*shallow_net, box=(np.float32(0), np.float32(1))) == 2
    with pytest.raises(TypeError, match="float64 or less"):
        count([np.zeros(1, dtype=np.longdouble)], [np.ones((1, 1))])


def test_the_upper_bound_of_a_very_deep_network():
    assert upper_bound((1, *[3] * 1500, 1)) == 4**1500


def test_rounded_refuses_what_it_can_not_decide():
    network = layers(*shallow([(0.1, 0.3), (0.2, 0.6)], (0, 2, -1)))
    with pytest.raises(Doubt):
        _rounded.sweep(network, (-inf, inf), merge=True)
