"""The matrix form of backpropagation against PyTorch, finite differences and its own laws."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from udl import activations, backprop, deep, losses
from udl.backprop import Gradient, backward, loss_and_gradient
from udl.deep import Layers
from udl.gradcheck import assert_gradient

SEEDS = st.integers(0, 10_000)
WIDTHS = st.lists(st.integers(1, 6), min_size=2, max_size=6).map(tuple)
F = torch.nn.functional
TWINS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": torch.selu,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "silu": F.silu,
    "hard_swish": F.hardswish,
}
INITS = [backprop.he_network, backprop.glorot_network, partial(backprop.normal_network, sigma=0.5)]


def pair(name: str):
    """Return an activation function and its derivative."""
    return getattr(activations, name), getattr(activations, f"d_{name}")


def network(seed: int, widths: tuple[int, ...]) -> Layers:
    rng = np.random.default_rng(seed)
    sizes = list(zip(widths[1:], widths[:-1], strict=True))
    return Layers(
        tuple(0.5 * rng.standard_normal(out) for out, _ in sizes),
        tuple(rng.standard_normal((out, in_)) * in_**-0.5 for out, in_ in sizes),
    )


def examples(seed: int, D_i: int, I: int = 7) -> np.ndarray:
    return 2 * np.random.default_rng(seed + 1).standard_normal((I, D_i))


def seeded(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed + 2).standard_normal(shape)


def flat(gradient: Gradient) -> list[np.ndarray]:
    return [*gradient.beta, *gradient.Omega, *gradient.f, gradient.x]


def close(actual: np.ndarray, expected: np.ndarray, tol: float = 1e-12) -> None:
    """Agree to 1e-12 of the largest value."""
    assert actual.shape == expected.shape
    assert actual.dtype == np.float64
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tol * scale)


def by_torch(x, net, activation, loss) -> tuple[float, list[np.ndarray]]:
    """Let autograd differentiate the loss of the output by all that `flat` lists."""
    leaf = torch.tensor(np.reshape(x, (len(x), -1)), requires_grad=True)
    beta, Omega = ([torch.tensor(p, requires_grad=True) for p in part] for part in net)
    f, h = [], leaf
    for k, (b, W) in enumerate(zip(beta, Omega, strict=True)):
        h = activation(f[-1]) if k else leaf
        f.append(h @ W.T + b)
        f[-1].retain_grad()
    L = loss(f[-1])
    L.backward()
    return L.item(), [t.grad.numpy() for t in (*beta, *Omega, *f, leaf)]


# Against torch.


@pytest.mark.parametrize("name", TWINS)
@given(seed=SEEDS, widths=WIDTHS)
def test_every_derivative_agrees_with_torch(name: str, seed: int, widths) -> None:
    activation, d_activation = pair(name)
    net, x, d = network(seed, widths), examples(seed, widths[0]), seeded(seed, 7, widths[-1])
    run = deep.forward(x, *net, activation)
    ours = backward(run, *net, d, d_activation)
    _, theirs = by_torch(x, net, TWINS[name], lambda f: (f * torch.tensor(d)).sum())
    assert len(ours.beta) == len(ours.Omega) == len(ours.f) == len(widths) - 1
    for one, other in zip(flat(ours), theirs, strict=True):
        close(one, other)


@pytest.mark.parametrize("depth", [0, 1, 2, 5, 20])
@pytest.mark.parametrize("D", [1, 3, 40])
@pytest.mark.parametrize("I", [1, 30])
def test_depths_and_widths_agree_with_torch(depth: int, D: int, I: int) -> None:
    widths = (3, *[D] * depth, 2)
    net, x, d = network(depth + D, widths), examples(D, 3, I), seeded(D, I, 2)
    ours = backward(deep.forward(x, *net), *net, d)
    _, theirs = by_torch(x, net, torch.relu, lambda f: (f * torch.tensor(d)).sum())
    for one, other in zip(flat(ours), theirs, strict=True):
        close(one, other)


dist = torch.distributions
INTEGERS = np.array([0, 2, 1, 1, 0, 2, 2])
REALS = np.array([0.3, -1.2, 2.2, 0.1, -0.4, 1.7, 0.9])
# Name of the loss in udl, outputs, targets, and the distribution that torch gives them.
LOSSES = {
    "gaussian": ("gaussian", 1, REALS, lambda f: dist.Normal(f[:, 0], 1.0)),
    "gaussian, two": (
        "gaussian",
        2,
        np.stack([REALS, REALS[::-1]], axis=1),
        lambda f: dist.Normal(f, 1.0),
    ),
    "gaussian_logits": (
        "gaussian_logits",
        2,
        REALS,
        lambda f: dist.Normal(f[:, 0], torch.exp(f[:, 1] / 2)),
    ),
    "laplace": ("laplace", 1, REALS, lambda f: dist.Laplace(f[:, 0], 1.0)),
    "laplace_logits": (
        "laplace_logits",
        2,
        REALS,
        lambda f: dist.Laplace(f[:, 0], torch.exp(f[:, 1])),
    ),
    "bernoulli_logits": (
        "bernoulli_logits",
        1,
        INTEGERS % 2,
        lambda f: dist.Bernoulli(logits=f[:, 0]),
    ),
    "bernoulli_logits, a column": (
        "bernoulli_logits",
        1,
        INTEGERS[:, None] % 2,
        lambda f: dist.Bernoulli(logits=f),
    ),
    "categorical_logits": (
        "categorical_logits",
        3,
        INTEGERS,
        lambda f: dist.Categorical(logits=f),
    ),
    "poisson_logits": (
        "poisson_logits",
        1,
        INTEGERS,
        lambda f: dist.Poisson(torch.exp(f[:, 0])),
    ),
}


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("case", LOSSES)
def test_loss_and_gradient_agree_with_torch(case: str, name: str, reduction: str) -> None:
    loss_name, D_o, y, distribution = LOSSES[case]
    loss, d_loss = (
        partial(getattr(losses, prefix + loss_name), reduction=reduction) for prefix in ("", "d_")
    )
    activation, d_activation = pair(name)
    net, x = network(3, (2, 5, 4, D_o)), examples(3, 2)
    L, gradient = loss_and_gradient(
        x, y, *net, loss, d_loss, activation=activation, d_activation=d_activation
    )
    count = 7 if reduction == "mean" else 1
    theirs, parts = by_torch(
        x,
        net,
        TWINS[name],
        lambda f: -distribution(f).log_prob(torch.tensor(y.astype(float))).sum() / count,
    )
    assert type(L) is float
    assert L == pytest.approx(theirs, rel=1e-12)
    assert isinstance(gradient, Layers)
    assert gradient.widths == net.widths
    for one, other in zip([*gradient.beta, *gradient.Omega], parts[: 2 * 3], strict=True):
        close(one, other)


def test_squares_and_one_input_as_a_vector_agree_with_torch() -> None:
    net, x, y = network(0, (1, 6, 1)), np.linspace(-2, 2, 9), np.linspace(1, 0, 9)
    L, gradient = loss_and_gradient(
        x, y, *net, lambda y, f: ((f - y) ** 2).sum(), lambda y, f: 2 * (f - y)
    )
    theirs, parts = by_torch(
        x, net, torch.relu, lambda f: ((f[:, 0] - torch.tensor(y)) ** 2).sum()
    )
    assert L == pytest.approx(theirs, rel=1e-12)
    for one, other in zip([*gradient.beta, *gradient.Omega], parts[:4], strict=True):
        close(one, other)


# By finite differences: every layer, the last one and the inputs included.


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "gelu", "softplus"])
@pytest.mark.parametrize("widths", [(3, 2), (2, 4, 1), (3, 4, 5, 2)])
def test_gradcheck_of_every_layer_and_of_the_inputs(name: str, widths) -> None:
    activation, d_activation = pair(name)
    net, x, y = network(5, widths), examples(5, widths[0]), seeded(5, 7, widths[-1])

    def run(x, beta, Omega):
        return deep.forward(x, beta, Omega, activation)

    def loss(x, beta, Omega):
        return float(((run(x, beta, Omega).output - y) ** 2).sum())

    def gradient(x, beta, Omega):
        done = run(x, beta, Omega)
        return backward(done, beta, Omega, 2 * (done.output - y), d_activation)

    def but(part, k, value):
        return [value if j == k else array for j, array in enumerate(part)]

    for k in range(len(widths) - 1):
        assert_gradient(
            lambda b, k=k: loss(x, but(net.beta, k, b), net.Omega),
            lambda b, k=k: gradient(x, but(net.beta, k, b), net.Omega).beta[k],
            net.beta[k],
        )
        assert_gradient(
            lambda W, k=k: loss(x, net.beta, but(net.Omega, k, W)),
            lambda W, k=k: gradient(x, net.beta, but(net.Omega, k, W)).Omega[k],
            net.Omega[k],
        )
    assert_gradient(lambda x: loss(x, *net), lambda x: gradient(x, *net).x, x)


# By hand.


def test_elte_neuron_by_hand() -> None:
    # J = (relu(theta_0 + theta_1 x) - y)^2 as a hidden layer of one unit, then the identity.
    def at(theta0, theta1):
        beta, Omega = [np.array([theta0]), np.zeros(1)], [np.array([[theta1]]), np.eye(1)]
        run = deep.forward(np.array([2.0]), beta, Omega)
        return backward(run, beta, Omega, 2 * (run.output - 1.0))

    alive, dead = at(5.0, -1.0), at(5.0, -3.0)
    assert (alive.beta[0][0], alive.Omega[0][0, 0], alive.x[0, 0]) == (4.0, 8.0, -4.0)
    assert (dead.beta[0][0], dead.Omega[0][0, 0], dead.x[0, 0]) == (0.0, 0.0, 0.0)


def test_udl_notebook_7_2_where_all_but_its_last_layer_is_checked() -> None:
    # The notebook prints the output, 1.907, and compares with differences, layers 0..K-1 only.
    draw = np.random.RandomState(0).normal
    first, last, b_first, b_last = (draw(size=s) for s in ((6, 1), (1, 6), (6, 1), (1, 1)))
    inner = [(draw(size=(6, 6)), draw(size=(6, 1))) for _ in range(4)]
    Omega = (first, *(W for W, _ in inner), last)
    beta = tuple(b[:, 0] for b in (b_first, *(b for _, b in inner), b_last))
    run = deep.forward(np.array([1.2]), beta, Omega)
    assert run.output[0, 0] == pytest.approx(1.907, abs=5e-4)
    ours = backward(run, beta, Omega, 2 * (run.output - 20.0))
    _, theirs = by_torch(
        np.array([1.2]), (beta, Omega), torch.relu, lambda f: (f - 20).pow(2).sum()
    )
    for one, other in zip(flat(ours), theirs, strict=True):
        close(one, other)


def test_without_hidden_layer_it_is_the_gradient_of_linear_regression() -> None:
    net, x, y = network(2, (3, 1)), examples(2, 3), REALS
    _, gradient = loss_and_gradient(
        x, y, *net, lambda y, f: ((f - y) ** 2).sum(), lambda y, f: 2 * (f - y)
    )
    X, phi = np.column_stack([np.ones(7), x]), np.append(net.beta[0], net.Omega[0])
    by_formula = 2 * X.T @ (X @ phi - y)
    close(np.append(gradient.beta[0], gradient.Omega[0]), by_formula)


def test_one_of_everything() -> None:
    net = Layers((np.array([0.5]), np.array([1.0])), (np.array([[2.0]]), np.array([[-3.0]])))
    ours = backward(deep.forward(np.array([1.5]), *net), *net, np.array([1.0]))
    # f_0 = 3.5, h_1 = 3.5, f_1 = -9.5.
    expected = ([-3.0], [1.0], [[-4.5]], [[3.5]], [[-3.0]], [[1.0]], [[-6.0]])
    for one, other in zip(flat(ours), expected, strict=True):
        np.testing.assert_array_equal(one, other)


# Laws.


@given(seed=SEEDS, widths=WIDTHS, a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_it_is_linear_in_the_derivative_of_the_output(seed: int, widths, a, b) -> None:
    net, x = network(seed, widths), examples(seed, widths[0])
    one, two = seeded(seed, 7, widths[-1]), seeded(seed + 1, 7, widths[-1])
    run = deep.forward(x, *net)
    both = flat(backward(run, *net, a * one + b * two))
    parts = [flat(backward(run, *net, d)) for d in (one, two)]
    for whole, first, second in zip(both, *parts, strict=True):
        close(whole, a * first + b * second)


@given(seed=SEEDS, widths=WIDTHS)
def test_examples_add_up_and_know_nothing_of_one_another(seed: int, widths) -> None:
    net, x, d = network(seed, widths), examples(seed, widths[0]), seeded(seed, 7, widths[-1])
    whole = backward(deep.forward(x, *net), *net, d)
    single = [backward(deep.forward(x[[i]], *net), *net, d[[i]]) for i in range(7)]
    for k in range(len(widths) - 1):
        close(whole.beta[k], sum(part.beta[k] for part in single))
        close(whole.Omega[k], sum(part.Omega[k] for part in single))
        close(whole.f[k], np.vstack([part.f[k] for part in single]))
    close(whole.x, np.vstack([part.x for part in single]))


@given(seed=SEEDS, widths=WIDTHS)
def test_without_biases_each_layer_of_a_relu_network_holds_the_same_product(seed, widths) -> None:
    # Such a network is homogeneous of degree one in the weights of each layer (Euler's theorem).
    net, x, d = network(seed, widths), examples(seed, widths[0]), seeded(seed, 7, widths[-1])
    net = Layers(tuple(np.zeros_like(b) for b in net.beta), net.Omega)
    run = deep.forward(x, *net)
    ours = backward(run, *net, d)
    expected = np.sum(d * run.output)
    for W, d_W in zip(net.Omega, ours.Omega, strict=True):
        np.testing.assert_allclose(np.sum(W * d_W), expected, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(np.sum(x * ours.x), expected, rtol=1e-10, atol=1e-11)


@given(seed=SEEDS, widths=WIDTHS.filter(lambda w: len(w) > 2))
def test_the_order_of_hidden_units_moves_their_derivatives_only(seed: int, widths) -> None:
    net, x, d = network(seed, widths), examples(seed, widths[0]), seeded(seed, 7, widths[-1])
    order = np.random.default_rng(seed).permutation(widths[1])
    beta, Omega = list(net.beta), list(net.Omega)
    beta[0], Omega[0], Omega[1] = beta[0][order], Omega[0][order], Omega[1][:, order]
    before = backward(deep.forward(x, *net), *net, d)
    after = backward(deep.forward(x, beta, Omega), beta, Omega, d)
    close(after.beta[0], before.beta[0][order])
    close(after.Omega[0], before.Omega[0][order])
    close(after.Omega[1], before.Omega[1][:, order])
    close(after.x, before.x)


def test_a_dead_layer_hands_nothing_back() -> None:
    net, x = network(0, (2, 3, 4, 1)), examples(0, 2)
    dead = Layers((net.beta[0], np.full(4, -1e3), net.beta[2]), net.Omega)
    ours = backward(deep.forward(x, *dead), *dead, np.ones(7))
    for array in (*ours.beta[:2], *ours.Omega, *ours.f[:2], ours.x):
        assert not array.any()
    np.testing.assert_array_equal(ours.beta[2], [7.0])


# What it reads, and what it leaves alone.


def test_it_calls_only_the_derivative_once_for_each_hidden_layer() -> None:
    net, x = network(0, (2, 3, 4, 5, 1)), examples(0, 2)
    run, seen = deep.forward(x, *net), []

    def d_activation(f):
        seen.append(f.copy())
        return (f > 0) * 1.0

    backward(run, *net, np.ones(7), d_activation)
    assert len(seen) == 3
    for asked, kept in zip(seen, run.f[-2::-1], strict=True):
        np.testing.assert_array_equal(asked, kept)


def test_the_stored_values_count_not_a_new_forward_pass() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)
    run = deep.forward(x, *net)
    other = run._replace(h=(run.h[0], 10 * run.h[1]))
    ours, changed = (backward(r, *net, np.ones(7)) for r in (run, other))
    close(changed.Omega[1], 10 * ours.Omega[1])
    close(changed.Omega[0], ours.Omega[0])


@pytest.mark.parametrize("widths", [(1, 1), (2, 3), (2, 4, 1), (2, 3, 3, 2)])
def test_inputs_stay_and_results_share_no_memory(widths) -> None:
    net, x, d = network(0, widths), examples(0, widths[0]), seeded(0, 7, widths[-1])
    run = deep.forward(x, *net, lambda z: z)
    given_ = [*run.f, *run.h, *net.beta, *net.Omega, x, d]
    for array in given_:
        array.flags.writeable = False
    arrays = flat(backward(run, *net, d, lambda f: np.ones_like(f)))
    assert all(array.flags.writeable for array in arrays)
    assert not any(np.shares_memory(a, b) for a, b in combinations(arrays, 2))
    assert not any(np.shares_memory(a, b) for a in arrays for b in given_)


def test_a_derivative_that_works_in_place_spoils_nothing() -> None:
    net, x = network(0, (2, 3, 3, 1)), examples(0, 2)
    run = deep.forward(x, *net)
    before = [f.copy() for f in run.f]
    ours = backward(run, *net, np.ones(7), lambda f: np.heaviside(f, 0.0, out=f))
    for one, other in zip(flat(ours), flat(backward(run, *net, np.ones(7))), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(run.f, before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_vector_and_a_column_are_the_same_for_one_output() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)
    run, d = deep.forward(x, *net), seeded(0, 7)
    for one, other in zip(
        flat(backward(run, *net, d)), flat(backward(run, *net, d[:, None])), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("y", "D_o", "shape"),
    [
        (REALS, 1, (7,)),
        (REALS[:, None], 1, (7, 1)),
        (REALS, 2, (7, 2)),
        (INTEGERS, 3, (7, 3)),
        (INTEGERS > 0, 1, (7,)),
    ],
)
def test_the_loss_gets_the_output_in_the_shape_of_the_targets(y, D_o: int, shape) -> None:
    asked = []

    def loss(y, f):
        asked.append(f.shape)
        return 0.0

    def d_loss(y, f):
        asked.append(f.shape)
        return np.zeros_like(f)

    loss_and_gradient(examples(0, 2), y, *network(0, (2, 3, D_o)), loss, d_loss)
    assert asked == [shape, shape]


def test_integers_and_float32_are_computed_in_float64() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)
    run = deep.forward(x, *net)
    expected = backward(run, *net, np.ones(7))
    for dtype in (np.int8, np.float32):
        ours = backward(run, *net, np.ones(7, dtype=dtype), lambda f: (f > 0).astype(np.int8))
        for one, other in zip(flat(ours), flat(expected), strict=True):
            close(one, other)


def test_overflow_is_infinity_without_a_warning() -> None:
    net = Layers((np.zeros(1),) * 3, (np.full((1, 1), 1e-200), np.ones((1, 1)), np.ones((1, 1))))
    run = deep.forward(np.array([1e300]), *net)
    ours = backward(run, *net, np.array([1e300]))
    assert ours.Omega[0][0, 0] == np.inf
    assert np.isfinite(ours.x).all()


def test_layers_are_the_derivatives_by_the_parameters() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)
    ours = backward(deep.forward(x, *net), *net, np.ones(7))
    assert isinstance(ours.layers, Layers)
    assert ours.layers.beta is ours.beta
    assert ours.layers.Omega is ours.Omega
    assert ours.layers.widths == net.widths


# Refusals.


def test_runs_of_other_networks_are_refused() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)
    run, d = deep.forward(x, *net), np.ones(7)
    with pytest.raises(ValueError, match=r"widths \(2, 3, 1\), with 2 layers, got len\(run.f\)=3"):
        backward(deep.forward(x, *network(0, (2, 3, 3, 1))), *net, d)
    with pytest.raises(ValueError, match=r"run.h\[1\] of shape \(7, 3\), got .*=\(7, 4\)"):
        backward(deep.forward(x, *network(0, (2, 4, 1))), *net, d)
    with pytest.raises(ValueError, match=r"run.f\[1\] of shape \(7, 1\), got .*=\(7, 2\)"):
        backward(deep.forward(x, *network(0, (2, 3, 2))), *net, d)
    with pytest.raises(ValueError, match=r"run.h\[0\] of shape \(7, 2\), got .*=\(7, 5\)"):
        backward(deep.forward(examples(0, 5), *network(0, (5, 3, 1))), *net, d)
    with pytest.raises(ValueError, match=r"run.h\[1\] of shape \(7, 3\), got .*=\(6, 3\)"):
        backward(run._replace(h=(run.h[0], run.h[1][:6])), *net, d)
    with pytest.raises(ValueError, match=r"got len\(run.f\)=1, len\(run.h\)=2"):
        backward(run._replace(f=run.f[1:]), *net, d)
    for wrong in (run.output, tuple(run)):
        with pytest.raises(TypeError, match=r"run = deep.forward\(...\), got run of type"):
            backward(wrong, *net, d)


@pytest.mark.parametrize(
    ("D_o", "shape"), [(1, (6,)), (1, (1, 7)), (1, (7, 2)), (2, (2, 7)), (2, (7, 1))]
)
def test_wrong_shapes_of_d_output_are_refused(D_o: int, shape) -> None:
    net, x = network(0, (2, 3, D_o)), examples(0, 2)
    with pytest.raises(ValueError, match=r"output's shape \(7, .\), got d_output.shape=\("):
        backward(deep.forward(x, *net), *net, np.ones(shape))


@pytest.mark.parametrize(("D_o", "shape"), [(2, (7,)), (1, ()), (1, (7, 1, 1))])
def test_wrong_axes_of_d_output_are_refused(D_o: int, shape) -> None:
    net, x = network(0, (2, 3, D_o)), examples(0, 2)
    with pytest.raises(ValueError, match=r"expected a matrix .*, got d_output.shape=\("):
        backward(deep.forward(x, *net), *net, np.ones(shape))


def test_numbers_that_are_not_finite_are_refused() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)
    run, d = deep.forward(x, *net), np.ones(7)
    for bad in (np.nan, np.inf):
        d[3] = bad
        with pytest.raises(
            ValueError, match=rf"finite numbers in d_output, .* d_output\[3\]={bad}"
        ):
            backward(run, *net, d)
    with pytest.raises(ValueError, match=r"finite numbers in Omega\[1\]"):
        backward(run, net.beta, (net.Omega[0], net.Omega[1] * np.nan), np.ones(7))
    with pytest.raises(TypeError, match="real numbers in d_output"):
        backward(run, *net, np.ones(7) * 1j)


def test_derivatives_of_another_shape_are_refused() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)
    run = deep.forward(x, *net)
    with pytest.raises(ValueError, match=r"d_activation to work elementwise"):
        backward(run, *net, np.ones(7), lambda f: f.sum(axis=1))
    with pytest.raises(TypeError, match=r"real numbers in d_activation\(f\)"):
        backward(run, *net, np.ones(7), lambda f: np.full(f.shape, None))


def test_losses_and_targets_that_do_not_fit_are_refused() -> None:
    net, x = network(0, (2, 3, 1)), examples(0, 2)

    def loss(y, f):
        return ((f - y) ** 2).sum()

    def d_loss(y, f):
        return 2 * (f - y)

    for y in (REALS[:6], np.array(1.0), np.array([1.0])):
        with pytest.raises(ValueError, match=r"a target for each of 7 examples, got y.shape=\("):
            loss_and_gradient(x, y, *net, loss, d_loss)
    with pytest.raises(ValueError, match=r"to be one number, got shape \(7,\)"):
        loss_and_gradient(x, REALS, *net, lambda y, f: (f - y) ** 2, d_loss)
    with pytest.raises(ValueError, match=r"equal shapes, got d_loss\(y, f\).shape=\(7, 7\), f.sh"):
        loss_and_gradient(x, REALS, *net, loss, lambda y, f: f[:, None] - y)
    with pytest.raises(ValueError, match="finite numbers in d_output"):
        loss_and_gradient(x, REALS, *net, loss, lambda y, f: f * np.nan)


# Initialization.


def variance(init, in_: int, out: int) -> float:
    if init is backprop.he_network:
        return 2 / in_
    return 2 / (in_ + out) if init is backprop.glorot_network else 0.25


@pytest.mark.parametrize("init", INITS)
def test_weights_are_normal_with_the_stated_variance_and_biases_zero(init) -> None:
    widths = (60, 90, 40, 120)
    net = init(widths, 7)
    assert net.widths == widths
    for b, W in zip(*net, strict=True):
        assert not b.any()
        assert b.dtype == W.dtype == np.float64
        sigma = variance(init, W.shape[1], W.shape[0]) ** 0.5
        # Five standard errors of mean and variance; Kolmogorov and Smirnov on the whole shape.
        assert abs(W.mean()) < 5 * sigma / W.size**0.5
        assert W.var() == pytest.approx(sigma**2, rel=5 * (2 / W.size) ** 0.5)
        assert stats.kstest(W.ravel() / sigma, "norm").pvalue > 1e-3
        # Rows and columns are independent: no singular value far from the edge of the law.
        edge = sigma * (W.shape[0] ** 0.5 + W.shape[1] ** 0.5)
        assert 0.9 * edge < np.linalg.norm(W, 2) < 1.1 * edge


@pytest.mark.parametrize(
    ("init", "theirs"),
    [
        (backprop.he_network, partial(torch.nn.init.kaiming_normal_, nonlinearity="relu")),
        (backprop.glorot_network, torch.nn.init.xavier_normal_),
        (partial(backprop.normal_network, sigma=0.3), partial(torch.nn.init.normal_, std=0.3)),
    ],
)
def test_weights_have_the_distribution_of_torch(init, theirs) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weight = theirs(torch.empty(500, 80)).numpy().ravel()
    ours = init((80, 500), 0).Omega[0].ravel()
    assert stats.ks_2samp(ours, weight).pvalue > 1e-3
    assert ours.std() == pytest.approx(weight.std(), rel=5 * ours.size**-0.5)


@given(seed=SEEDS, widths=WIDTHS)
def test_all_three_scale_the_same_draws(seed: int, widths) -> None:
    plain = backprop.normal_network(widths, seed, 1.0)
    for init in INITS:
        for W, Z in zip(init(widths, seed).Omega, plain.Omega, strict=True):
            close(W, Z * variance(init, W.shape[1], W.shape[0]) ** 0.5, 1e-15)


@pytest.mark.parametrize("init", INITS)
def test_the_same_seed_draws_the_same_network(init) -> None:
    widths, rng = (2, 3, 1), np.random.default_rng(5)

    def drawn(seed) -> np.ndarray:
        return np.concatenate([W.ravel() for W in init(widths, seed).Omega])

    np.testing.assert_array_equal(drawn(5), drawn(5))
    np.testing.assert_array_equal(drawn(5), drawn(rng))
    assert not np.isin(drawn(5), drawn(rng)).any()
    assert not np.isin(drawn(5), drawn(6)).any()
    assert len(np.unique(drawn(5))) == 9


def mean_squares(net: Layers, name: str, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Return the mean squares of all f_k, and of the derivatives by them."""
    activation, d_activation = pair(name)
    x = scale * seeded(seed, 20, net.widths[0])
    run = deep.forward(x, *net, activation)
    back = backward(run, *net, seeded(seed + 1, 20, net.widths[-1]), d_activation)
    return np.array([[np.mean(v**2) for v in values] for values in (run.f, back.f)])


def test_he_keeps_the_variance_of_a_relu_network_both_ways() -> None:
    D, depth = 400, 25
    forward_, backward_ = mean_squares(backprop.he_network((D,) * (depth + 2), 1), "relu")
    for values in (forward_, backward_):
        assert values.max() / values.min() < 4
    # Half and double the variance: 2^25 smaller and larger after 25 layers, within a factor of 4.
    for factor in (0.5, 2.0):
        sigma = (factor * 2 / D) ** 0.5
        net = backprop.normal_network((D,) * (depth + 2), 1, sigma)
        forward_, backward_ = mean_squares(net, "relu")
        assert abs(np.log2(forward_[-1] / forward_[0]) - depth * np.log2(factor)) < 2
        assert abs(np.log2(backward_[0] / backward_[-1]) - depth * np.log2(factor)) < 2


def test_he_keeps_the_mean_square_in_every_layer_whatever_the_widths() -> None:
    # As an average over networks it is exact: twice the mean square of the inputs.
    widths, x = (8, 30, 12, 50, 20, 6), np.array([[1.0, -2, 0.5, 1, 1, 0, -1, 3]])
    many = [deep.forward(x, *backprop.he_network(widths, seed)).f for seed in range(2000)]
    for k in range(len(widths) - 1):
        squares = np.array([np.mean(f[k] ** 2) for f in many])
        error = squares.std() / len(squares) ** 0.5
        assert abs(squares.mean() - 2 * np.mean(x**2)) < 5 * error
        assert error < 0.08 * np.mean(x**2)


def test_glorot_keeps_the_variance_of_a_nearly_linear_tanh_network_both_ways() -> None:
    net = backprop.glorot_network((300,) * 22, 1)
    for values in mean_squares(net, "tanh", scale=1e-3):
        assert values.max() / values.min() < 2


def test_glorot_is_a_compromise_where_widths_differ() -> None:
    # One layer changes the variance by 2 D_in / (D_in + D_out) ahead, 2 D_out / ... back.
    net = backprop.glorot_network((900, 300), 0)
    x, d = seeded(0, 50, 900), seeded(1, 50, 300)
    run = deep.forward(x, *net)
    assert run.output.var() == pytest.approx(1.5, rel=0.05)
    assert backward(run, *net, d).x.var() == pytest.approx(0.5, rel=0.05)


def test_a_sigma_of_zero_and_an_integer_are_fine() -> None:
    zero = backprop.normal_network((2, 3, 1), 0, 0)
    assert not any(W.any() for W in zero.Omega)
    one, other = (backprop.normal_network((2, 3), 0, sigma) for sigma in (2, 2.0))
    np.testing.assert_array_equal(one.Omega[0], other.Omega[0])


def test_widths_of_numpy_integers_are_not_refused() -> None:
    small = np.array([100, 100], dtype=np.int8)  # 100 + 100 does not fit an int8
    net = backprop.glorot_network(list(small), 0)
    assert net.Omega[0].std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("init", INITS)
def test_widths_that_make_no_network_are_refused(init) -> None:
    for widths, error in [((3,), ValueError), ((2, 0, 1), ValueError), ((2, 1.5), TypeError)]:
        with pytest.raises(error, match="widths="):
            init(widths, 0)
    with pytest.raises(ValueError, match="non-negative"):
        init((2, 1), -1)


@pytest.mark.parametrize("sigma", [-1.0, np.nan, np.inf])
def test_a_sigma_out_of_range_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=r"0 <= sigma < inf, got sigma="):
        backprop.normal_network((2, 1), 0, sigma)
