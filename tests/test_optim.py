"""Optimizers: one contract for all, against torch.optim and against the equations of UDL."""

import copy
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl import optim
from udl.deep import Layers

SEEDS = st.integers(0, 10_000)
STEPS = 60

OPTIMIZERS = {
    "gradient_descent": lambda alpha: optim.gradient_descent(alpha),
    "momentum": lambda alpha: optim.momentum(alpha),
    "nesterov": lambda alpha: optim.nesterov(alpha),
    "rmsprop": lambda alpha: optim.rmsprop(alpha),
    "adam": lambda alpha: optim.adam(alpha),
    "adamw": lambda alpha: optim.adamw(alpha),
}
ADAPTIVE = {"rmsprop", "adam", "adamw"}


def scales(size: int) -> np.ndarray:
    """Curvatures from 0.5 to 2."""
    return np.linspace(0.5, 2, size)


# Objectives: a start, the loss, its gradient, and rates for plain and for adaptive optimizers.


def quadratic(phi: np.ndarray) -> tuple[float, np.ndarray]:
    return float(phi @ (scales(3) * phi)), 2 * scales(3) * phi


def ravine(phi: np.ndarray) -> tuple[float, np.ndarray]:
    curvature = np.array([1.0, 100.0])
    return float(phi @ (curvature * phi)) / 2, curvature * phi


def rosenbrock(phi: np.ndarray) -> tuple[float, np.ndarray]:
    x, y = phi
    slopes = np.array([2 * (x - 1) - 400 * x * (y - x**2), 200 * (y - x**2)])
    return float((1 - x) ** 2 + 100 * (y - x**2) ** 2), slopes


def bowl(phi: Any) -> tuple[float, Any]:
    """Sum the squares of all numbers in a tree; the gradient is a tree too."""
    values = [float(np.sum(leaf**2)) for leaf in flat(phi)]
    return sum(values), mapped(lambda leaf: 2 * leaf, phi)


NETWORK = Layers(
    (np.array([1.0, -2.0]), np.array([0.5])),
    (np.array([[1.0], [3.0]]), np.array([[-1.0, 2.0]])),
)
NESTED = {
    "layers": [
        {"w": np.arange(6.0).reshape(2, 3) - 2, "b": np.array(3.0)},
        {"w": np.ones((0, 2))},
    ],
    "pair": (np.array([-1.0]), NETWORK),
    0: np.asfortranarray(np.arange(6.0).reshape(3, 2) + 1),
}
OBJECTIVES = {
    "quadratic": (np.array([1.0, -2.0, 3.0]), quadratic, 0.1, 0.05),
    "ravine": (np.array([-10.0, 1.0]), ravine, 0.01, 0.1),
    "rosenbrock": (np.array([-1.2, 1.0]), rosenbrock, 5e-4, 0.02),
    "network": (NETWORK, bowl, 0.1, 0.05),
    "nested": (NESTED, bowl, 0.1, 0.05),
}


def mapped(function: Any, tree: Any) -> Any:
    """Apply a function to the arrays of a tree."""
    if isinstance(tree, dict):
        return {key: mapped(function, branch) for key, branch in tree.items()}
    if isinstance(tree, Layers):
        return Layers(*(mapped(function, branch) for branch in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(mapped(function, branch) for branch in tree)
    return np.asarray(function(tree))


def flat(tree: Any) -> list[np.ndarray]:
    """Return the arrays of a tree, in their order."""
    found: list[np.ndarray] = []
    mapped(lambda leaf: found.append(leaf) or leaf, tree)
    return found


def same(one: Any, other: Any) -> bool:
    """Tell whether two trees have the same structure, types, and numbers, bit by bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        equal = type(one) is type(other) and len(one) == len(other)
        return equal and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return (
            one.dtype == other.dtype and np.array_equal(one, other) and type(other) is np.ndarray
        )
    return one == other


def walk(optimizer: optim.Optimizer, phi: Any, objective: Any, steps: int, **how: bool) -> Any:
    """Take steps and return all parameters and states on the way."""
    state = optimizer.init(phi)
    path = [(phi, state)]
    for _ in range(steps):
        phi, state = optimizer.step(phi, objective(phi)[1], state, **how)
        path.append((phi, state))
    return path


# The contract.


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_contract(name: str, objective: str) -> None:
    start, loss, plain, adaptive = OBJECTIVES[objective]
    rates: list[int] = []

    def schedule(t: int) -> float:
        rates.append(t)
        return adaptive if name in ADAPTIVE else plain

    optimizer = OPTIMIZERS[name](schedule)
    kept = copy.deepcopy(start)
    path = walk(optimizer, start, loss, STEPS)

    # Schedules see t = 0, 1, 2, ..., and the state counts along.
    assert rates == list(range(STEPS))
    assert [state.t for _, state in path] == list(range(STEPS + 1))
    # A step leaves alone what it gets, and each of its arrays is new.
    assert same(start, kept)
    arrays = [[*flat(phi), *flat(state.m), *flat(state.v)] for phi, state in path]
    first, second = ({id(a) for a in arrays[t]} for t in (1, 2))
    assert len(first) == len(arrays[1])
    assert not first & second
    assert not any(np.shares_memory(*pair) for pair in zip(arrays[1], arrays[2], strict=True))
    # The structure stays as it was.
    zeros = mapped(lambda leaf: 0 * leaf, start)
    initial = path[0][1]
    for phi, state in path:
        assert same(mapped(lambda leaf: 0 * leaf, phi), zeros)
        for average, at_first in zip(state[1:], initial[1:], strict=True):
            assert same(mapped(lambda leaf: 0 * leaf, average), at_first)
            assert same(at_first, zeros) if flat(at_first) else at_first == ()
    # The same steps again give the same numbers; so does a constant rate.
    assert same(walk(OPTIMIZERS[name](schedule), start, loss, STEPS), path)
    assert same(walk(OPTIMIZERS[name](schedule(0)), start, loss, STEPS), path)
    # In place the numbers are the same, in the arrays that were there.
    mine = copy.deepcopy(start)
    places = [id(a) for a in flat(mine)]
    reused = walk(optimizer, mine, loss, STEPS, in_place=True)
    assert same(reused[-1], path[-1])
    assert reused[-1][0] is mine
    assert [id(a) for a in flat(mine)] == places
    for average in (1, 2):
        assert reused[-1][1][average] is reused[0][1][average]
    # And the loss falls.
    assert loss(path[-1][0])[0] < 0.7 * loss(start)[0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zero_gradient_changes_nothing_but_decay(name: str, dtype: type) -> None:
    phi = np.array([1.0, -2.0, 0.0], dtype)
    optimizer = OPTIMIZERS[name](0.1)
    new, state = optimizer.step(phi, np.zeros(3, dtype), optimizer.init(phi))
    decay = 0.1 * 0.01 if name == "adamw" else 0.0
    np.testing.assert_allclose(new, phi * (1 - decay), rtol=1e-7 if dtype == np.float32 else 1e-15)
    assert decay or np.array_equal(new, phi)
    assert not np.any(state.m)
    assert not np.any(state.v)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_keep_their_type(name: str) -> None:
    start = np.array([1.0, -2.0, 3.0])
    optimizer = OPTIMIZERS[name](optim.cosine_schedule(0.05, 2 * STEPS))
    wide = walk(optimizer, start, quadratic, STEPS)
    narrow = walk(optimizer, start.astype(np.float32), quadratic, STEPS)
    mixed = walk(optimizer, [start, start.astype(np.float32)], lambda tree: (0, tree), 1)[-1]
    for tree in narrow[-1]:
        assert all(a.dtype == np.float32 for a in flat(tree) if a.ndim)
    for tree in (mixed[0], *mixed[1][1:]):
        assert [a.dtype for a in flat(tree)] in ([], [np.float64, np.float32])
    np.testing.assert_allclose(narrow[-1][0], wide[-1][0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_single_precision_is_computed_in_single_precision(name: str) -> None:
    """An update that slipped into float64 would round once, not after each operation."""
    rng = np.random.default_rng(0)
    phi, g = rng.standard_normal((2, 50)).astype(np.float32)
    seen = set()
    optimizer = OPTIMIZERS[name](0.1)

    def update(alpha: Any, t: Any, *blocks: np.ndarray) -> None:
        seen.update(block.dtype for block in blocks)
        assert type(alpha) is float
        optimizer.update(alpha, t, *blocks)

    optim.Optimizer(np.float64(0.1), optimizer.averages, update).step(
        phi, g.astype(np.float64), optimizer.init(phi)
    )
    assert seen == {np.dtype(np.float32)}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_layout_and_block_length_do_not_matter(name: str, in_place: bool, monkeypatch) -> None:
    rng = np.random.default_rng(1)
    start, g = rng.standard_normal((2, 20, 30))
    optimizer = OPTIMIZERS[name](0.1)

    def end(phi: np.ndarray, g: np.ndarray) -> np.ndarray:
        state = optimizer.init(phi)
        for factor in (1.0, -0.5, 2.0):
            phi, state = optimizer.step(phi, factor * g, state, in_place=in_place)
        return phi

    expected = end(start.copy(), g)
    wide = np.repeat(start, 2, axis=1)
    for phi in (start.copy(order="F"), wide[:, ::2], start[::-1].copy()[::-1]):
        np.testing.assert_array_equal(end(phi, np.asfortranarray(g)), expected)
    np.testing.assert_array_equal(wide[:, 1::2], start)
    for length in (1, 7, 600, 10_000):
        monkeypatch.setattr("udl.optim._core.BLOCK", length)
        np.testing.assert_array_equal(end(start.copy(), g), expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradient_may_share_memory_with_parameters(name: str) -> None:
    optimizer = OPTIMIZERS[name](0.1)
    start = np.random.default_rng(2).standard_normal(40_000)
    for view in (lambda phi: phi, lambda phi: phi[::-1]):
        phi = start.copy()
        expected = optimizer.step(phi, view(phi).copy(), optimizer.init(phi))
        assert same(optimizer.step(phi, view(phi), optimizer.init(phi), in_place=True), expected)


def test_structures_need_the_same_names_only() -> None:
    """Keys may come in another order, and a list may stand for a tuple."""
    optimizer = optim.adam(0.1)
    phi = {"a": (np.ones(1), np.ones(2)), "b": np.ones(3)}
    g = {"b": np.full(3, 2.0), "a": [np.zeros(1), np.full(2, -1.0)]}
    new, state = optimizer.step(phi, g, optimizer.init(phi))
    assert list(new) == ["a", "b"]
    assert type(new["a"]) is type(state.m["a"]) is tuple
    np.testing.assert_allclose(new["b"], 0.9)
    np.testing.assert_allclose(new["a"][1], 1.1)
    np.testing.assert_array_equal(new["a"][0], 1.0)
    # Whole numbers and single numbers will do for a gradient.
    whole, _ = optimizer.step(np.array(1.0), 2, optimizer.init(np.array(1.0)))
    assert whole == pytest.approx(0.9)
    assert optimizer.step([], (), optimizer.init([]))[0] == []


def test_overflow_passes_without_a_warning() -> None:
    huge = np.array([1e300])
    phi, _ = optim.gradient_descent(1e10).step(-huge, huge, optim.State(0))
    assert phi == -np.inf
    for name in ADAPTIVE:
        optimizer = OPTIMIZERS[name](0.1)
        phi, state = optimizer.step(np.ones(1), huge, optimizer.init(np.ones(1)))
        assert state.v == np.inf
        assert phi == pytest.approx(1.0, abs=2e-3)


def test_an_optimizer_of_your_own() -> None:
    """The sign of an average: works block by block, pure and in place, like the others."""

    def update(alpha, t, work, g, phi, m) -> None:
        m *= 0.5
        m += g
        phi -= np.multiply(np.sign(m, out=work), alpha, out=work)

    optimizer = optim.Optimizer(0.25, ("m",), update)
    path = optim.descend(lambda phi: 2 * phi, np.array([1.0, -0.5]), optimizer, 2)
    np.testing.assert_array_equal(path, [[1.0, -0.5], [0.75, -0.25], [0.5, 0.0]])


# Against torch.optim, once the differences that the docstrings state are accounted for.

BETA, GAMMA = 0.8, 0.95
TWINS = {
    "gradient_descent": (
        lambda alpha: optim.gradient_descent(alpha),
        lambda p, lr: torch.optim.SGD(p, lr),
    ),
    "momentum": (
        lambda alpha: optim.momentum(alpha, BETA),
        lambda p, lr: torch.optim.SGD(p, (1 - BETA) * lr, momentum=BETA),
    ),
    "nesterov": (
        lambda alpha: optim.nesterov(alpha, BETA),
        lambda p, lr: torch.optim.SGD(p, (1 - BETA) * lr, momentum=BETA, nesterov=True),
    ),
    "rmsprop": (
        lambda alpha: optim.rmsprop(alpha, GAMMA, 0.1),
        lambda p, lr: torch.optim.RMSprop(p, lr, alpha=GAMMA, eps=0.1),
    ),
    "rmsprop as it comes": (
        lambda alpha: optim.rmsprop(alpha),
        lambda p, lr: torch.optim.RMSprop(p, lr),
    ),
    "adam": (
        lambda alpha: optim.adam(alpha, BETA, GAMMA, 0.1),
        lambda p, lr: torch.optim.Adam(p, lr, (BETA, GAMMA), 0.1),
    ),
    "adam as it comes": (
        lambda alpha: optim.adam(alpha),
        lambda p, lr: torch.optim.Adam(p, lr),
    ),
    "adamw": (
        lambda alpha: optim.adamw(alpha, BETA, GAMMA, 0.1, 0.3),
        lambda p, lr: torch.optim.AdamW(p, lr, (BETA, GAMMA), 0.1, 0.3),
    ),
    "adamw as it comes": (
        lambda alpha: optim.adamw(alpha),
        lambda p, lr: torch.optim.AdamW(p, lr),
    ),
}
SCHEDULES = {
    "constant": (lambda alpha: alpha, None),
    "step": (
        lambda alpha: optim.step_schedule(alpha, 15, 0.5),
        lambda opt: torch.optim.lr_scheduler.StepLR(opt, 15, 0.5),
    ),
    "cosine": (
        lambda alpha: optim.cosine_schedule(alpha, STEPS),
        lambda opt: torch.optim.lr_scheduler.CosineAnnealingLR(opt, STEPS),
    ),
}


def torch_walk(make, scheduler, start, objective, steps: int) -> list[list[np.ndarray]]:
    """Walk with an optimizer of torch, which gets its gradients from the same objective."""
    tensors = [torch.tensor(leaf, requires_grad=True) for leaf in flat(start)]
    optimizer = make(tensors)
    schedule = scheduler and scheduler(optimizer)
    path = []
    for _ in range(steps):
        arrays = iter([tensor.detach().numpy() for tensor in tensors])
        gradient = objective(mapped(lambda _, arrays=arrays: next(arrays), start))[1]
        for tensor, slope in zip(tensors, flat(gradient), strict=True):
            tensor.grad = torch.tensor(slope)
        optimizer.step()
        if schedule:
            schedule.step()
        path.append([tensor.detach().numpy().copy() for tensor in tensors])
    return path


def close(ours: Any, theirs: list[np.ndarray]) -> None:
    """Agree to 1e-12, relative to the size of the parameters where that is more than 1."""
    for a, b in zip(flat(ours), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", TWINS)
def test_agrees_with_torch(name: str, objective: str, schedule: str) -> None:
    start, loss, plain, adaptive = OBJECTIVES[objective]
    alpha = adaptive if name.split()[0] in ADAPTIVE else plain
    ours, theirs = TWINS[name]
    ours_rate, theirs_rate = SCHEDULES[schedule]
    path = walk(ours(ours_rate(alpha)), start, loss, STEPS)[1:]
    twin = torch_walk(lambda p: theirs(p, alpha), theirs_rate, start, loss, STEPS)
    for (phi, _), expected in zip(path, twin, strict=True):
        close(phi, expected)


def test_dampening_differs_from_momentum_by_the_first_buffer_only() -> None:
    start, loss, alpha, _ = OBJECTIVES["rosenbrock"]
    ours = walk(optim.momentum(alpha, BETA), start, loss, STEPS)[1:]

    def from_zeros(p):
        optimizer = torch.optim.SGD(p, alpha, momentum=BETA, dampening=BETA)
        optimizer.state[p[0]]["momentum_buffer"] = torch.zeros_like(p[0])
        return optimizer

    for (phi, _), expected in zip(
        ours, torch_walk(from_zeros, None, start, loss, STEPS), strict=True
    ):
        close(phi, expected)
    as_it_comes = torch_walk(
        lambda p: torch.optim.SGD(p, alpha, momentum=BETA, dampening=BETA), None, start, loss, 1
    )
    g = loss(start)[1]
    np.testing.assert_allclose(as_it_comes[0][0], start - alpha * g, rtol=1e-15)
    np.testing.assert_allclose(ours[0][0], start - alpha * (1 - BETA) * g, rtol=1e-15)


def test_coupled_decay_is_a_term_of_the_gradient() -> None:
    start, loss, _, alpha = OBJECTIVES["ravine"]
    decay = 0.3

    def decayed(phi):
        value, slope = loss(phi)
        return value, slope + decay * phi

    coupled = walk(optim.adam(alpha), start, decayed, STEPS)[1:]
    twin = torch_walk(
        lambda p: torch.optim.Adam(p, alpha, weight_decay=decay), None, start, loss, STEPS
    )
    for (phi, _), expected in zip(coupled, twin, strict=True):
        close(phi, expected)
    decoupled = walk(optim.adamw(alpha, decay=decay), start, loss, STEPS)[-1][0]
    assert np.abs(decoupled - twin[-1][0]).max() > 0.1


@pytest.mark.parametrize("final", [0.0, 0.02])
def test_schedules_agree_with_torch(final: float) -> None:
    def rates(make, steps: int) -> list[float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
        schedule = make(optimizer)
        found = []
        for _ in range(steps):
            found += schedule.get_last_lr()
            optimizer.step()
            schedule.step()
        return found

    expected = rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50, final), 51)
    ours = optim.cosine_schedule(0.1, 50, final=final)
    np.testing.assert_allclose([ours(t) for t in range(51)], expected, rtol=1e-12, atol=1e-14)
    expected = rates(lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.3), 60)
    ours = optim.step_schedule(0.1, 7, 0.3)
    np.testing.assert_allclose([ours(t) for t in range(60)], expected, rtol=1e-12)


# Against the equations.


def test_nesterov_is_momentum_that_looks_ahead() -> None:
    """UDL eq. 6.12 in its own two steps, at its own point."""
    start, loss, alpha, _ = OBJECTIVES["rosenbrock"]
    psi, m = start, np.zeros(2)
    for phi, state in walk(optim.nesterov(alpha, BETA), start, loss, STEPS):
        np.testing.assert_allclose(phi, psi - alpha * BETA * m, rtol=1e-12)
        np.testing.assert_allclose(phi + alpha * BETA * state.m, psi, rtol=1e-12)
        np.testing.assert_allclose(state.m, m, rtol=1e-12)
        m = BETA * m + (1 - BETA) * loss(psi - alpha * BETA * m)[1]
        psi = psi - alpha * m


def test_averages_are_weighted_sums() -> None:
    """UDL's averages written out: m = (1 - beta) sum of beta^(t - s) g_s; so v, of squares."""
    g = np.random.default_rng(3).standard_normal((STEPS, 4))
    optimizer = optim.adam(0.1, BETA, GAMMA)
    phi, state = np.zeros(4), optimizer.init(np.zeros(4))
    for t in range(STEPS):
        phi, state = optimizer.step(phi, g[t], state)
        age = t - np.arange(t + 1)
        m = (1 - BETA) * BETA**age @ g[: t + 1]
        v = (1 - GAMMA) * GAMMA**age @ g[: t + 1] ** 2
        np.testing.assert_allclose(state.m, m, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(state.v, v, rtol=1e-12)


@given(seed=SEEDS, alpha=st.floats(0.01, 0.9))
def test_gradient_descent_shrinks_each_axis_of_a_quadratic(seed: int, alpha: float) -> None:
    start, curvature = np.random.default_rng(seed).uniform(0.1, 2.0, (2, 3))
    path = optim.descend(lambda phi: curvature * phi, start, optim.gradient_descent(alpha), 20)
    powers = (1 - alpha * curvature) ** np.arange(21)[:, None]
    np.testing.assert_allclose(path, powers * start, rtol=1e-10, atol=1e-12)


@given(seed=SEEDS, alpha=st.floats(1e-4, 1.0), size=st.floats(1e-3, 1e3))
def test_first_step_of_adam_has_length_alpha(seed: int, alpha: float, size: float) -> None:
    g = size * np.random.default_rng(seed).standard_normal(5)
    optimizer = optim.adam(alpha)
    phi, _ = optimizer.step(np.zeros(5), g, optimizer.init(np.zeros(5)))
    np.testing.assert_allclose(phi, -alpha * g / (np.abs(g) + 1e-8), rtol=1e-10)


@pytest.mark.parametrize("make", [optim.rmsprop, optim.adam])
@given(seed=SEEDS, power=st.integers(-40, 40))
def test_adaptive_steps_ignore_the_unit_of_the_loss(make, seed: int, power: int) -> None:
    """A power of two changes no digit, so that the steps are equal bit by bit."""
    g, unit = np.random.default_rng(seed).standard_normal((10, 3)), 2.0**power
    ends = []
    for scale in (1.0, unit):
        optimizer = make(0.1, epsilon=1e-4 * scale)
        phi, state = np.zeros(3), optimizer.init(np.zeros(3))
        for row in g:
            phi, state = optimizer.step(phi, scale * row, state)
        ends.append(phi)
    np.testing.assert_array_equal(*ends)


def test_special_cases_meet() -> None:
    start, loss, _, _ = OBJECTIVES["ravine"]

    def end(optimizer: optim.Optimizer) -> np.ndarray:
        return walk(optimizer, start, loss, STEPS)[-1][0]

    plain = end(optim.gradient_descent(0.01))
    np.testing.assert_array_equal(end(optim.momentum(0.01, 0)), plain)
    np.testing.assert_array_equal(end(optim.nesterov(0.01, 0)), plain)
    np.testing.assert_array_equal(end(optim.adamw(0.1, decay=0)), end(optim.adam(0.1)))
    # UDL eq. 6.14, the normalized gradient: each step has length alpha.
    normalized = optim.descend(lambda phi: loss(phi)[1], start, optim.rmsprop(0.3, gamma=0), 10)
    np.testing.assert_allclose(np.abs(np.diff(normalized, axis=0)), 0.3, rtol=1e-6)
    np.testing.assert_allclose(end(optim.adam(0.1, 0, 0)), end(optim.rmsprop(0.1, 0)), rtol=1e-12)


def test_warmup_rises_evenly_to_the_cosine() -> None:
    schedule = optim.cosine_schedule(0.4, 20, final=0.1, warmup=3)
    rates = [schedule(t) for t in range(30)]
    np.testing.assert_allclose(rates[:4], [0.1, 0.2, 0.3, 0.4], rtol=1e-15)
    plain = optim.cosine_schedule(0.4, 17, final=0.1)
    np.testing.assert_allclose(rates[3:21], [plain(t) for t in range(18)], rtol=1e-15)
    np.testing.assert_allclose(rates[20:], 0.1)
    assert min(rates) == pytest.approx(0.1)


# Paths.


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_descend_records_the_steps(name: str) -> None:
    start, loss, _, _ = OBJECTIVES["rosenbrock"]
    optimizer = OPTIMIZERS[name](1e-4)
    path = optim.descend(lambda phi: loss(phi)[1], start, optimizer, STEPS)
    expected = [phi for phi, _ in walk(optimizer, start, loss, STEPS)]
    np.testing.assert_array_equal(path, expected)

    def careless(phi: np.ndarray) -> np.ndarray:
        slope = loss(phi)[1]
        phi[:] = np.nan
        return slope

    np.testing.assert_array_equal(optim.descend(careless, start, optimizer, STEPS), path)


@pytest.mark.parametrize("start", [3, 3.0, np.array(3.0), np.float32(3), np.array(3)])
def test_descend_from_a_number(start: Any) -> None:
    path = optim.descend(lambda phi: 2 * phi, np.asarray(start), optim.gradient_descent(0.25), 2)
    assert path.dtype == np.float64
    np.testing.assert_array_equal(path, [3.0, 1.5, 0.75])
    if isinstance(start, int | float):
        again = optim.descend(lambda phi: 2 * phi, start, optim.gradient_descent(0.25), 2)
        np.testing.assert_array_equal(again, path)


@pytest.mark.parametrize("name", ["gradient_descent", "momentum", "nesterov"])
def test_a_diverging_path_can_be_drawn(name: str) -> None:
    def gradient(phi: np.ndarray) -> np.ndarray:
        return 4 * phi**3

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = optim.descend(gradient, np.array([2.0, -3.0]), OPTIMIZERS[name](1.0), 40)
    assert path.shape == (41, 2)
    gone = np.isnan(path).any(axis=1)
    first = int(np.argmax(gone))
    assert 3 < first < 20
    assert np.isnan(path[first:]).all()
    assert np.isfinite(path[: first - 1]).all()
    sizes = np.abs(path[: first - 1]).max(axis=1)
    assert (np.diff(sizes) > 0).all()


@given(I=st.integers(1, 40), size=st.integers(1, 50), seed=SEEDS)
def test_batches_are_a_permutation_in_pieces(I: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.bit_generator.state
    drawn = optim.batches(I, size, rng)
    after = rng.bit_generator.state
    found = list(drawn)
    assert rng.bit_generator.state == after
    sizes = [len(rows) for rows in found]
    assert sizes[:-1] == [size] * (len(found) - 1)
    assert 1 <= sizes[-1] <= size
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(I))
    rng.bit_generator.state = before
    again = list(optim.batches(I, size, rng))
    assert all(map(np.array_equal, found, again))
    assert len(again) == math.ceil(I / size)


def test_epochs_have_orders_of_their_own() -> None:
    rng = np.random.default_rng(0)
    orders = {tuple(np.concatenate(list(optim.batches(20, 6, rng)))) for _ in range(10)}
    assert len(orders) == 10


X, Y = np.random.default_rng(4).standard_normal((2, 23))


def line_gradient(phi: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
    """Gradient of the mean squared error of a line."""
    error = phi[0] + phi[1] * X[rows] - Y[rows]
    return 2 * np.array([error.mean(), (error * X[rows]).mean()])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_sgd_with_one_batch_is_descent(name: str) -> None:
    optimizer, start = OPTIMIZERS[name](0.1), np.array([2.0, -1.0])
    full = optim.descend(line_gradient, start, optimizer, STEPS)
    rng = np.random.default_rng(0)
    path = optim.sgd(line_gradient, start, optimizer, 23, size=23, epochs=STEPS, rng=rng)
    np.testing.assert_allclose(path, full, rtol=1e-10, atol=1e-12)


def test_sgd_uses_each_example_once_an_epoch() -> None:
    seen: list[np.ndarray] = []

    def gradient(phi: np.ndarray, rows: np.ndarray) -> np.ndarray:
        seen.append(rows)
        return line_gradient(phi, rows)

    def path(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        optimizer = optim.momentum(0.05)
        return optim.sgd(gradient, np.zeros(2), optimizer, 23, size=5, epochs=4, rng=rng)

    first = path(0)
    assert first.shape == (4 * 5 + 1, 2)
    assert [len(rows) for rows in seen] == [5, 5, 5, 5, 3] * 4
    for epoch in range(4):
        rows = np.concatenate(seen[5 * epoch : 5 * epoch + 5])
        np.testing.assert_array_equal(np.sort(rows), np.arange(23))
    # The generator decides, and nothing else does.
    np.testing.assert_array_equal(path(0), first)
    assert not np.array_equal(path(1), first)
    # What one would write by hand.
    optimizer, rng = optim.momentum(0.05), np.random.default_rng(0)
    phi, state = np.zeros(2), optimizer.init(np.zeros(2))
    for _ in range(4):
        for rows in optim.batches(23, 5, rng):
            phi, state = optimizer.step(phi, line_gradient(phi, rows), state)
    np.testing.assert_array_equal(first[-1], phi)


# Line search.


@given(
    seed=SEEDS,
    alpha=st.floats(0.01, 100),
    factor=st.floats(0.1, 0.9),
    share=st.floats(1e-4, 0.5),
)
def test_line_search_takes_the_first_length_that_will_do(
    seed: int, alpha: float, factor: float, share: float
) -> None:
    rng = np.random.default_rng(seed)
    A, phi, d = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)
    H = A @ A.T + np.eye(3)
    calls = []

    def fun(phi: np.ndarray) -> float:
        calls.append(phi)
        return float(phi @ H @ phi / 2 + np.cos(phi).sum())

    def gradient(phi: np.ndarray) -> np.ndarray:
        return H @ phi - np.sin(phi)

    g = gradient(phi)
    d = d if d @ g < 0 else -d
    found = optim.line_search(fun, gradient, phi, d, alpha=alpha, factor=factor, share=share)
    assert found.evaluations == len(calls)
    tried = alpha * factor ** np.arange(found.evaluations - 1)
    assert found.alpha == pytest.approx(tried[-1], rel=1e-12)
    assert found.value == fun(phi + found.alpha * d)
    enough = [fun(phi + a * d) <= fun(phi) + share * a * (g @ d) for a in tried]
    assert enough == [False] * (len(tried) - 1) + [True]


def test_line_search_descends_where_a_fixed_rate_fails() -> None:
    phi, loss, _, _ = OBJECTIVES["rosenbrock"]
    values = [loss(phi)[0]]
    for _ in range(200):
        found = optim.line_search(lambda p: loss(p)[0], lambda p: loss(p)[1], phi)
        phi = phi - found.alpha * loss(phi)[1]
        values.append(found.value)
        assert values[-1] == loss(phi)[0] < values[-2]
    assert values[-1] < 0.5
    diverged = optim.descend(
        lambda p: loss(p)[1], OBJECTIVES["rosenbrock"][0], optim.gradient_descent(1.0), 20
    )
    assert np.isnan(diverged[-1]).all()


def test_line_search_steps_back_into_the_domain() -> None:
    def fun(phi: Any) -> float:
        return -math.log(phi) + float(phi) if phi > 0 else math.nan

    found = optim.line_search(fun, lambda phi: 1 - 1 / phi, 3, alpha=8)
    assert found.alpha == 4.0
    assert found.value == fun(3 - 4 * (1 - 1 / 3))


# Errors. Names with "refuse": these calls break the annotations on purpose.

PHI = {"w": np.ones(2), "b": [np.ones(1)]}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        ({"w": np.ones(2)}, ValueError, r"of phi in gradient, got phi\['b'\]\[0\] but no grad"),
        (
            {"w": np.ones(2), "b": [np.ones(1), np.ones(1)]},
            ValueError,
            r"got gradient\['b'\]\[1\] but no phi\['b'\]\[1\]",
        ),
        (np.ones(3), ValueError, r"got phi\['w'\] but no gradient\['w'\]"),
        (
            {"w": np.ones((2, 1)), "b": [np.ones(1)]},
            ValueError,
            r"phi\['w'\].shape=\(2,\), gradient\['w'\].shape=\(2, 1\)",
        ),
        (
            {"w": np.array([1, np.nan]), "b": [np.ones(1)]},
            ValueError,
            r"in gradient\['w'\], got 1 that is not: gradient\['w'\]\[1\]=nan, in step t=1",
        ),
        (
            {"w": np.ones(2), "b": [np.array([-np.inf])]},
            ValueError,
            r"gradient\['b'\]\[0\]\[0\]=-inf, in step t=1",
        ),
        ({"w": np.ones(2) * 1j, "b": [np.ones(1)]}, TypeError, "gradient.'w'., got dtype complex"),
        ({"w": np.ones(2), "b": [None]}, TypeError, "real numbers in .* got dtype object"),
    ],
)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_step_refuses(name: str, gradient, error, message, in_place) -> None:
    optimizer = OPTIMIZERS[name](0.1)
    phi, state = optimizer.step(PHI, PHI, optimizer.init(PHI))
    kept = copy.deepcopy((phi, state))
    with pytest.raises(error, match=message):
        optimizer.step(phi, gradient, state, in_place=in_place)
    assert same((phi, state), kept)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_step_refuses_a_bad_rate(bad: float, in_place: bool) -> None:
    optimizer = optim.adam(lambda t: 0.1 if t < 1 else bad)
    phi, state = optimizer.step(PHI, PHI, optimizer.init(PHI))
    kept = copy.deepcopy((phi, state))
    with pytest.raises(ValueError, match=rf"at least 0, and finite, got alpha\(1\)={bad}"):
        optimizer.step(phi, PHI, state, in_place=in_place)
    assert same((phi, state), kept)


def test_step_refuses_a_state_of_another_kind() -> None:
    phi = np.ones(2)
    plain, moving, adam = optim.gradient_descent(1), optim.momentum(1), optim.adam(1)
    with pytest.raises(ValueError, match=r"phi in state.m, got state.m but no phi"):
        plain.step(phi, phi, moving.init(phi))
    with pytest.raises(ValueError, match=r"phi in state.v, got phi but no state.v"):
        adam.step(phi, phi, moving.init(phi))
    with pytest.raises(ValueError, match=r"phi.shape=\(2,\), state.m.shape=\(3,\)"):
        moving.step(phi, phi, moving.init(np.ones(3)))


def test_step_refuses_to_overwrite_what_is_read_only() -> None:
    optimizer, phi = optim.momentum(0.1), [np.ones(2), np.ones(3)]
    state = optimizer.init(phi)
    for locked, name in ((phi[1], r"phi\[1\]"), (state.m[0], r"m\[0\]")):
        locked.flags.writeable = False
        optimizer.step(phi, phi, state)
        with pytest.raises(ValueError, match=rf"overwrite, got {name} read-only"):
            optimizer.step(phi, phi, state, in_place=True)
        locked.flags.writeable = True
        assert np.all(phi[0] == 1)


@pytest.mark.parametrize(
    ("phi", "message"),
    [
        (np.arange(3), "float64 or float32 in phi, got int64"),
        ([np.ones(2), 1.0], r"in phi\[1\], got a float"),
        ({"a": np.ones(2, np.float16)}, r"in phi\['a'\], got float16"),
        (Layers((np.ones(1) * 1j,), ()), r"in phi.beta\[0\], got complex128"),
        (None, "in phi, got a NoneType"),
    ],
)
def test_parameters_are_refused(phi, message) -> None:
    optimizer = optim.gradient_descent(0.1)
    for call in (lambda: optimizer.init(phi), lambda: optimizer.step(phi, phi, optim.State(0))):
        with pytest.raises(TypeError, match=message):
            call()


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        *(
            (lambda m=m: m(0.0), ValueError, "positive number, got alpha=0")
            for m in OPTIMIZERS.values()
        ),
        *(
            (lambda m=m: m(-1), ValueError, "positive number, got alpha=-1")
            for m in OPTIMIZERS.values()
        ),
        *((lambda m=m: m(np.nan), ValueError, "got alpha=nan") for m in OPTIMIZERS.values()),
        (lambda: optim.momentum(1.0, 1.0), ValueError, "0 to less than 1, got beta=1.0"),
        (lambda: optim.nesterov(1.0, -0.1), ValueError, "got beta=-0.1"),
        (lambda: optim.rmsprop(gamma=1.5), ValueError, "got gamma=1.5"),
        (lambda: optim.rmsprop(epsilon=0.0), ValueError, "positive number, got epsilon=0"),
        (lambda: optim.adam(gamma=np.nan), ValueError, "got gamma=nan"),
        (lambda: optim.adam(beta=1), ValueError, "got beta=1"),
        (lambda: optim.adam(epsilon=-1e-8), ValueError, "got epsilon=-1e-08"),
        (lambda: optim.adamw(decay=-0.1), ValueError, "at least 0, and finite, got decay=-0.1"),
        (lambda: optim.step_schedule(-1.0, 2), ValueError, "got alpha=-1"),
        (lambda: optim.step_schedule(1.0, 0), ValueError, "at least 1, got every=0"),
        (lambda: optim.step_schedule(1.0, 2.5), TypeError, "an integer, got every=2.5"),
        (lambda: optim.step_schedule(1.0, 2, 0.0), ValueError, "got factor=0"),
        (lambda: optim.cosine_schedule(0.0, 5), ValueError, "got alpha=0"),
        (lambda: optim.cosine_schedule(1.0, True), TypeError, "got steps=True"),
        (lambda: optim.cosine_schedule(1.0, 5, final=-1), ValueError, "got final=-1"),
        (lambda: optim.cosine_schedule(1.0, 5, warmup=5), ValueError, "got warmup=5, steps=5"),
        (lambda: optim.cosine_schedule(1.0, 5, warmup=-1), ValueError, "got warmup=-1"),
        (lambda: optim.batches(0, 1, RNG), ValueError, "at least 1, got I=0"),
        (lambda: optim.batches(3, 0, RNG), ValueError, "at least 1, got size=0"),
        (lambda: optim.batches(3, 1.0, RNG), TypeError, "an integer, got size=1.0"),
        (lambda: optim.batches(3, 1, 0), TypeError, "default_rng.*got rng of type int"),
    ],
)
def test_refuses(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def square(phi: Any) -> Any:
    return np.sum(phi**2)


def slope(phi: Any) -> Any:
    return 2 * phi


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda o: optim.descend(slope, 1.0, o, 0), ValueError, "at least 1, got steps=0"),
        (lambda o: optim.descend(slope, 1.0, o, 1.5), TypeError, "got steps=1.5"),
        (lambda o: optim.descend(slope, np.nan, o, 1), ValueError, "in phi, got 1 .* phi=nan"),
        (lambda o: optim.descend(slope, "a", o, 1), TypeError, "real numbers in phi"),
        (
            lambda o: optim.descend(lambda phi: phi[:1], np.ones(2), o, 1),
            ValueError,
            r"equal shapes, got phi.shape=\(2,\), gradient.shape=\(1,\)",
        ),
        (
            lambda o: optim.descend(lambda phi: phi + np.nan, np.ones(2), o, 1),
            ValueError,
            r"got 2 .* gradient\[0\]=nan, in step t=0",
        ),
        (
            lambda o: optim.sgd(lambda phi, _: phi, 1.0, o, 3, size=1, epochs=0, rng=RNG),
            ValueError,
            "at least 1, got epochs=0",
        ),
        (
            lambda o: optim.sgd(lambda phi, _: phi, 1.0, o, 3, size=0, epochs=1, rng=RNG),
            ValueError,
            "at least 1, got size=0",
        ),
        (
            lambda o: optim.line_search(square, slope, np.ones(2), np.ones(2)),
            ValueError,
            "leads down, got slope 4 along it",
        ),
        (
            lambda o: optim.line_search(square, slope, np.zeros(2)),
            ValueError,
            "leads down, got slope",
        ),
        (
            lambda o: optim.line_search(square, lambda phi: -slope(phi), np.ones(2)),
            ValueError,
            "as gradient says with slope -8, got no decrease down to alpha=",
        ),
        (
            lambda o: optim.line_search(square, slope, np.ones(2), np.ones((2, 1))),
            ValueError,
            r"gradient.shape=\(2,\), direction.shape=\(2, 1\)",
        ),
        (
            lambda o: optim.line_search(lambda phi: np.nan, slope, np.ones(2)),
            ValueError,
            "in value, got 1",
        ),
        (lambda o: optim.line_search(square, slope, 1.0, alpha=0.0), ValueError, "got alpha=0"),
        (lambda o: optim.line_search(square, slope, 1.0, factor=1.0), ValueError, "got factor=1"),
        (lambda o: optim.line_search(square, slope, 1.0, share=0.0), ValueError, "got share=0"),
    ],
)
def test_paths_refuse(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call(optim.gradient_descent(0.1))


def test_line_search_ends_where_rounding_leaves_no_decrease():
    for factor in (0.5, 0.6, 0.99):
        with pytest.raises(ValueError, match="no decrease"):
            optim.line_search(
                lambda p: float(abs(p[0])), lambda p: np.ones(1), np.zeros(1), factor=factor
            )
    with pytest.raises(ValueError, match="no decrease"):
        optim.line_search(lambda p: 1.0, lambda p: p, np.ones(2))


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float16])
def test_line_search_computes_the_slope_in_float64(kind):
    slope = {np.int64: 4_000_000_000, np.uint8: 200, np.float16: 300}[kind]
    found = optim.line_search(
        lambda p: float(slope * p[0]), lambda p: np.array([slope], kind), np.ones(1), alpha=1e-3
    )
    assert found.evaluations == 2


def test_line_search_takes_no_infinite_loss_and_does_not_warn():
    found = optim.line_search(
        lambda p: float(p[0] ** 2) if p[0] > 0 else -np.inf, lambda p: 2 * p, np.array([0.5])
    )
    assert np.isfinite(found.value)
    assert optim.line_search(lambda p: p**4, lambda p: 4 * p**3, 1.0, alpha=1e100).value < 1


def test_a_path_ends_whole_where_one_coordinate_is_lost():
    path = optim.descend(
        lambda p: np.array([np.clip(p[0], -1e300, 1e300), 0.0]),
        np.array([1e300, 1.0]),
        optim.gradient_descent(1e10),
        4,
    )
    lost = np.isnan(path)
    assert lost.any()
    np.testing.assert_array_equal(lost[:, 0], lost[:, 1])


def test_a_gradient_too_large_for_the_type_of_phi_is_refused():
    phi = np.ones(3, np.float32)
    optimizer = optim.adam(0.1)
    with pytest.raises(ValueError, match="gradient"):
        optimizer.step(phi, np.full(3, 1e39), optimizer.init(phi))


def test_a_state_of_another_type_is_refused_before_anything_changes():
    phi = [np.ones(2), np.ones(2)]
    state = optim.State(0, [np.zeros(2), np.zeros(2, int)])
    with pytest.raises(TypeError, match=r"state\.m\[1\]"):
        optim.momentum(0.1).step(phi, [np.ones(2)] * 2, state, in_place=True)
    np.testing.assert_array_equal(phi[0], 1.0)


def test_nan_among_several_numbers_of_a_gradient_is_refused():
    phi = np.ones(5)
    optimizer = optim.gradient_descent(0.1)
    with pytest.raises(ValueError, match=r"gradient\[3\]"):
        optimizer.step(phi, np.array([0, 0, 0, np.nan, 0]), optimizer.init(phi))


def test_a_schedule_does_not_grow_and_may_end_at_zero():
    with pytest.raises(ValueError, match="at most 1"):
        optim.step_schedule(1.0, 1, 10.0)
    optimizer = optim.gradient_descent(lambda t: 0.0)
    phi, _ = optimizer.step(np.ones(2), np.ones(2), optimizer.init(np.ones(2)))
    np.testing.assert_array_equal(phi, 1.0)


def test_defaults_are_the_usual_ones():
    assert optim.step_schedule(1.0, 1)(1) == 0.1
    for make in (optim.momentum, optim.nesterov):
        optimizer = make(1.0)
        _, state = optimizer.step(np.ones(1), np.ones(1), optimizer.init(np.ones(1)))
        np.testing.assert_allclose(state.m, 0.1)


def test_batches_count_with_small_integers_too():
    rng = np.random.default_rng(0)
    rows = [len(batch) for batch in optim.batches(np.uint8(250), np.uint8(200), rng)]
    assert rows == [200, 50]
