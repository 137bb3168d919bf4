"""Each loss against torch and SciPy, each gradient against autograd and finite differences."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
import torch.distributions as td
import torch.nn.functional as F
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from udl import losses
from udl.gradcheck import assert_gradient

RNG = np.random.default_rng(0)
I, D, K = 7, 3, 4
HUGE = 1e308


def real(*shape: int) -> np.ndarray:
    return RNG.normal(0, 2, shape)


def positive(*shape: int) -> np.ndarray:
    return RNG.uniform(0.2, 3, shape)


def rows_of_one(*shape: int) -> np.ndarray:
    return RNG.dirichlet(np.ones(shape[-1]), shape[:-1])


class Case(NamedTuple):
    """A loss, the gradient by the argument at `by` (y is 0), its arguments, and its twins."""

    loss: str
    gradient: str
    by: int
    arguments: tuple[Any, ...]
    twin: Callable[..., torch.Tensor]
    second: Callable[..., np.ndarray]


def normal(y: Any, mu: Any, sigma2: Any = 1.0) -> torch.Tensor:
    return -td.Normal(mu, torch.as_tensor(sigma2, dtype=torch.float64).sqrt()).log_prob(y)


def normal_f(y: Any, f: Any) -> torch.Tensor:
    return F.gaussian_nll_loss(f[:, 0], y, f[:, 1].exp(), full=True, eps=0, reduction="none")


def laplace(y: Any, mu: Any, b: Any = 1.0) -> torch.Tensor:
    return -td.Laplace(mu, b).log_prob(y)


def poisson_f(y: Any, f: Any) -> torch.Tensor:
    return F.poisson_nll_loss(f, y, reduction="none") + torch.lgamma(y + 1)


def norm2(y: Any, mu: Any, sigma2: Any = 1.0) -> np.ndarray:
    return -scipy.stats.norm.logpdf(y, mu, np.sqrt(sigma2))


def laplace2(y: Any, mu: Any, b: Any = 1.0) -> np.ndarray:
    return -scipy.stats.laplace.logpdf(y, mu, b)


def multinomial2(y: Any, lam: Any) -> np.ndarray:
    return -scipy.stats.multinomial.logpmf(np.eye(lam.shape[1])[y], 1, lam)


def cases() -> list[Any]:
    found = []
    for shape in ((I,), (I, D)):
        y, mu, spread = real(*shape), real(*shape), positive(*shape)
        label = RNG.integers(0, 2, shape)
        count = RNG.integers(0, 6, shape)
        lam = RNG.uniform(0.05, 0.95, shape)
        for sigma2 in ((), (0.3,), (2,), (spread,)):
            shared = (y, mu, *sigma2)
            found += [
                Case("gaussian", "d_gaussian", 1, shared, normal, norm2),
                Case("laplace", "d_laplace", 1, shared, laplace, laplace2),
            ]
            if sigma2:
                found += [
                    Case("gaussian", "d_gaussian_variance", 2, shared, normal, norm2),
                    Case("laplace", "d_laplace_scale", 2, shared, laplace, laplace2),
                ]
        found += [
            Case(
                "bernoulli", "d_bernoulli", 1, (label, lam),
                lambda y, lam: F.binary_cross_entropy(lam, y, reduction="none"),
                lambda y, lam: -scipy.stats.bernoulli.logpmf(y, lam),
            ),
            Case(
                "bernoulli_logits", "d_bernoulli_logits", 1, (label, mu),
                lambda y, f: F.binary_cross_entropy_with_logits(f, y, reduction="none"),
                lambda y, f: -scipy.stats.bernoulli.logpmf(y, scipy.special.expit(f)),
            ),
            Case(
                "poisson", "d_poisson", 1, (count, spread),
                lambda y, rate: -td.Poisson(rate).log_prob(y),
                lambda y, rate: -scipy.stats.poisson.logpmf(y, rate),
            ),
            Case(
                "poisson_logits", "d_poisson_logits", 1, (count, mu),
                poisson_f,
                lambda y, f: -scipy.stats.poisson.logpmf(y, np.exp(f)),
            ),
        ]  # fmt: skip
    y, f, label = real(I), real(I, 2), RNG.integers(0, K, I)
    found += [
        Case(
            "gaussian_logits", "d_gaussian_logits", 1, (y, f),
            normal_f,
            lambda y, f: norm2(y, f[:, 0], np.exp(f[:, 1])),
        ),
        Case(
            "laplace_logits", "d_laplace_logits", 1, (y, f),
            lambda y, f: laplace(y, f[:, 0], f[:, 1].exp()),
            lambda y, f: laplace2(y, f[:, 0], np.exp(f[:, 1])),
        ),
        Case(
            "categorical", "d_categorical", 1, (label, rows_of_one(I, K)),
            lambda y, lam: F.nll_loss(lam.log(), y.long(), reduction="none"),
            multinomial2,
        ),
        Case(
            "categorical_logits", "d_categorical_logits", 1, (label, real(I, K)),
            lambda y, f: F.cross_entropy(f, y.long(), reduction="none"),
            lambda y, f: multinomial2(y, scipy.special.softmax(f, axis=1)),
        ),
    ]  # fmt: skip
    return found


CASES = [
    pytest.param(case, id=f"{case.gradient}-{'x'.join(map(str, np.shape(case.arguments[-1])))}")
    for case in cases()
]
LOSSES = [name for name in losses.__all__ if f"d_{name}" in losses.__all__]
REDUCTIONS = ["sum", "mean", "none"]


def call(name: str, *args: Any, **options: Any) -> Any:
    return getattr(losses, name)(*args, **options)


def test_every_gradient_has_a_case() -> None:
    gradients = {name for name in losses.__all__ if name.startswith("d_")}
    assert {case.values[0].gradient for case in CASES} == gradients
    assert {case.values[0].loss for case in CASES} == set(LOSSES)
    assert len(LOSSES) == 10


@pytest.mark.parametrize("case", CASES)
def test_value_agrees_with_torch_and_scipy(case: Case) -> None:
    tensors = [torch.as_tensor(np.asarray(a, dtype=np.float64)) for a in case.arguments]
    for entries in (case.twin(*tensors).numpy(), case.second(*case.arguments)):
        each = np.reshape(entries, (I, -1)).sum(axis=1)
        value = call(case.loss, *case.arguments, reduction="none")
        assert value.shape == (I,)
        np.testing.assert_allclose(value, each, rtol=1e-12, atol=1e-13)
        total = call(case.loss, *case.arguments)
        assert type(total) is float
        assert total == pytest.approx(each.sum(), rel=1e-12)
        mean = call(case.loss, *case.arguments, reduction="mean")
        assert type(mean) is float
        assert mean * I == pytest.approx(each.sum(), rel=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_gradient_agrees_with_autograd(case: Case, reduction: str) -> None:
    tensors = [torch.tensor(np.asarray(a, dtype=np.float64)) for a in case.arguments]
    tensors[case.by].requires_grad_()
    (case.twin(*tensors).sum() / (I if reduction == "mean" else 1)).backward()
    gradient = call(case.gradient, *case.arguments, reduction=reduction)
    assert type(gradient) is np.ndarray
    assert gradient.shape == np.shape(case.arguments[case.by])
    np.testing.assert_allclose(gradient, tensors[case.by].grad.numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_gradient_passes_the_check(case: Case, reduction: str) -> None:
    before, after = case.arguments[: case.by], case.arguments[case.by + 1 :]
    step = 1e-7 if case.loss == "categorical" else 1e-6  # sums of one allow no more
    assert_gradient(
        lambda theta: float(np.sum(call(case.loss, *before, theta, *after, reduction=reduction))),
        lambda theta: call(case.gradient, *before, theta, *after, reduction=reduction),
        np.asarray(case.arguments[case.by], dtype=np.float64),
        eps=step,
    )


@pytest.mark.parametrize("case", CASES)
def test_input_is_left_alone(case: Case) -> None:
    copies = [np.copy(a) for a in case.arguments]
    gradient = call(case.gradient, *case.arguments)
    call(case.loss, *case.arguments)
    gradient[...] = 0
    for copy, argument in zip(copies, case.arguments, strict=True):
        np.testing.assert_array_equal(copy, argument)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_everything_is_computed_in_float64(case: Case, dtype: type) -> None:
    y = case.arguments[0] if dtype is np.float32 else np.abs(case.arguments[0])
    few = (y.astype(dtype), *case.arguments[1:])
    exact = (few[0].astype(np.float64), *case.arguments[1:])
    assert call(case.loss, *few) == call(case.loss, *exact)
    assert call(case.gradient, *few).dtype == np.float64
    np.testing.assert_array_equal(call(case.gradient, *few), call(case.gradient, *exact))


def small_numbers(case: Case) -> list[np.ndarray]:
    """Return arguments that all types hold: 0 or 1 as targets, 1 as the spread."""
    y, output, *spread = (np.asarray(a, dtype=np.float64) for a in case.arguments)
    if case.loss == "categorical":
        output = np.eye(K)[RNG.integers(0, K, I)]
    else:
        output = RNG.integers(0, 2, output.shape) + (case.loss == "poisson")
    return [RNG.integers(0, 2, y.shape), output, *map(np.ones_like, spread)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_parameters_of_any_type_are_taken_as_float64(case: Case, dtype: type) -> None:
    few = [a.astype(dtype) for a in small_numbers(case)]
    if dtype is np.float32 and case.loss != "categorical":
        few[1] = few[1] * dtype(0.7)
    exact = [a.astype(np.float64) for a in few]
    assert call(case.loss, *few) == call(case.loss, *exact)
    assert call(case.gradient, *few).dtype == np.float64
    np.testing.assert_array_equal(call(case.gradient, *few), call(case.gradient, *exact))


@pytest.mark.parametrize("spread", [np.float32(2), np.float64(2), np.int64(2), 2, np.array(2)])
def test_a_spread_may_be_any_number(spread: Any) -> None:
    y, mu = real(I), real(I)
    for case in ("gaussian", "d_gaussian", "d_gaussian_variance", "laplace", "d_laplace_scale"):
        np.testing.assert_array_equal(call(case, y, mu, spread), call(case, y, mu, 2.0))


def test_unsigned_and_boolean_labels() -> None:
    y, mu = np.array([2, 3], np.uint8), np.array([3, 1], np.uint8)
    np.testing.assert_array_equal(losses.d_gaussian(y, mu), [1, -2])
    np.testing.assert_array_equal(losses.d_laplace(y, mu), [1, -1])
    f = np.array([0.3, 0.7])
    yes = np.array([True, False])
    assert losses.bernoulli(yes, f) == losses.bernoulli(yes.astype(int), f)
    assert losses.bernoulli_logits(yes, f) == losses.bernoulli_logits(yes.astype(int), f)


# --- UDL's own numbers ---------------------------------------------------------------------

# The data and the printed results of UDL notebooks 5.1 to 5.3 (Prince, udlbook/udlbook).
X = np.array([
    0.09291784, 0.46809093, 0.93089486, 0.67612654, 0.73441752, 0.86847339, 0.49873225,
    0.51083168, 0.18343972, 0.99380898, 0.27840809, 0.38028817, 0.12055708, 0.56715537,
    0.92005746, 0.77072270, 0.85278176, 0.05315950, 0.87168699, 0.58858043,
])  # fmt: skip
Y_REAL = np.array([
    -0.25934537, 0.18195445, 0.65127015, 0.13921448, 0.09366691, 0.30567674, 0.37229117,
    0.20716968, -0.08131792, 0.51187806, 0.16943738, 0.3994327, 0.01906257, 0.55820410,
    0.45256496, -0.1183121, 0.02957665, -1.24354444, 0.24803884, 0.26824970,
])  # fmt: skip
Y_BINARY = np.array([0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1])
Y_CLASS = np.array([2, 0, 1, 2, 1, 0, 0, 2, 2, 0, 2, 0, 2, 0, 1, 2, 1, 2, 1, 0])


def udl_network(beta: list[float], Omega: list[list[float]]) -> np.ndarray:
    """Return the outputs of the notebooks' shallow network: its hidden layer is always this."""
    h = np.maximum([0.3, -1.0, -0.5] + X[:, None] * [-1.0, 1.8, 0.65], 0)
    return np.asarray(beta + h @ np.transpose(Omega))


def test_least_squares_of_udl_notebook_5_1() -> None:
    mu = udl_network([0.1], [[-2.0, -1.0, 7.0]])[:, 0]
    assert losses.gaussian(Y_REAL, mu, 0.2**2) == pytest.approx(11.452419564, abs=5e-9)
    squares = losses.gaussian(Y_REAL, mu, 0.5) - 10 * np.log(np.pi)
    assert squares == pytest.approx(2.020992572, abs=5e-9)


def test_binary_cross_entropy_of_udl_notebook_5_2() -> None:
    f = udl_network([2.6], [[-24.0, -8.0, 50.0]])[:, 0]
    assert losses.bernoulli_logits(Y_BINARY, f) == pytest.approx(9.563639387, abs=5e-9)


def test_multiclass_cross_entropy_of_udl_notebook_5_3() -> None:
    Omega = [[-24.0, -8.0, 50.0], [-2.0, 8.0, -30.0], [16.0, -8.0, -8.0]]
    f = udl_network([2.0, -2.0, 0.0], Omega)
    assert losses.categorical_logits(Y_CLASS, f) == pytest.approx(17.015457867, abs=5e-9)


def test_the_lecture_of_padova() -> None:
    """The mean binary cross-entropy of the slides, with its minus."""
    value = losses.bernoulli(np.array([1, 0, 1]), np.array([0.1, 0.8, 0.6]), reduction="mean")
    assert value == pytest.approx(-np.log(0.1 * 0.2 * 0.6) / 3, rel=1e-14)
    assert round(value, 4) == 1.4743


# --- Laws ----------------------------------------------------------------------------------

finite = st.floats(-50, 50)
matrices = arrays(np.float64, (5, 3), elements=finite)
vectors = arrays(np.float64, 5, elements=finite)
binary = arrays(np.int64, 5, elements=st.integers(0, 1))
classes = arrays(np.int64, 5, elements=st.integers(0, 2))
counts = arrays(np.int64, 5, elements=st.integers(0, 1000))


@given(f=matrices, shift=vectors)
def test_softmax_does_not_see_a_shift(f: np.ndarray, shift: np.ndarray) -> None:
    moved = f + shift[:, None]
    np.testing.assert_allclose(losses.softmax(moved), losses.softmax(f), rtol=1e-12)
    np.testing.assert_allclose(losses.log_softmax(moved), losses.log_softmax(f), atol=1e-12)


@given(f=matrices)
def test_softmax_agrees_with_scipy_and_sums_to_one(f: np.ndarray) -> None:
    lam = losses.softmax(f)
    np.testing.assert_allclose(lam, scipy.special.softmax(f, axis=1), rtol=1e-13)
    np.testing.assert_allclose(lam.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(losses.softmax(f[0]), lam[0], rtol=1e-15)
    reference = F.log_softmax(torch.tensor(f), dim=1).numpy()
    np.testing.assert_allclose(losses.log_softmax(f), reference, rtol=1e-13, atol=1e-15)


@given(y=classes, f=matrices)
def test_rows_of_a_categorical_gradient_sum_to_zero(y: np.ndarray, f: np.ndarray) -> None:
    gradient = losses.d_categorical_logits(y, f)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)


@given(y=binary, f=vectors)
def test_two_classes_are_a_bernoulli(y: np.ndarray, f: np.ndarray) -> None:
    pair = np.column_stack([np.zeros(5), f])
    one = losses.bernoulli_logits(y, f, reduction="none")
    np.testing.assert_allclose(losses.categorical_logits(y, pair, reduction="none"), one, 1e-13)
    slope = losses.d_categorical_logits(y, pair)[:, 1]
    np.testing.assert_allclose(slope, losses.d_bernoulli_logits(y, f), rtol=1e-13)


@given(
    y=vectors,
    f=arrays(np.float64, (5, 2), elements=st.floats(-20, 20)),
    label=binary,
    k=classes,
    n=counts,
    logits=matrices,
)
def test_from_logits_is_from_parameters(
    y: np.ndarray,
    f: np.ndarray,
    label: np.ndarray,
    k: np.ndarray,
    n: np.ndarray,
    logits: np.ndarray,
) -> None:
    mu, spread = f[:, 0], np.exp(f[:, 1])
    near = np.clip(logits[:, 0], -15, 15)  # beyond, 1 - sig[f] has few digits left
    for name, target, from_logits, parameters in [
        ("gaussian", y, f, (mu, spread)),
        ("laplace", y, f, (mu, spread)),
        ("bernoulli", label, near, (scipy.special.expit(near),)),
        ("categorical", k, logits, (scipy.special.softmax(logits, axis=1),)),
        ("poisson", n, logits[:, 0], (np.exp(logits[:, 0]),)),
    ]:
        for reduction in REDUCTIONS:
            np.testing.assert_allclose(
                call(f"{name}_logits", target, from_logits, reduction=reduction),
                call(name, target, *parameters, reduction=reduction),
                rtol=1e-9,
                atol=1e-9,
            )


@given(a=matrices, b=matrices)
def test_divergence_is_not_negative_and_adds_to_the_entropy(a: np.ndarray, b: np.ndarray) -> None:
    q, p = losses.softmax(a), losses.softmax(b)
    divergence = losses.kl_divergence(q, p)
    assert (divergence >= 0).all()
    np.testing.assert_array_equal(losses.kl_divergence(q, q), np.zeros(5))
    np.testing.assert_allclose(divergence, scipy.stats.entropy(q, p, axis=1), 1e-9, 1e-12)
    entropy = losses.entropy(q)
    np.testing.assert_allclose(entropy, scipy.stats.entropy(q, axis=1), rtol=1e-9, atol=1e-12)
    assert (entropy <= np.log(3) + 1e-12).all()
    np.testing.assert_allclose(losses.cross_entropy(q, p), entropy + divergence, 1e-9, 1e-12)


@given(y=classes, f=matrices)
def test_the_categorical_loss_is_a_cross_entropy_with_certainty(
    y: np.ndarray, f: np.ndarray
) -> None:
    p = losses.softmax(f)
    np.testing.assert_allclose(
        losses.cross_entropy(np.eye(3)[y], p), losses.categorical(y, p, reduction="none"), 1e-12
    )


@given(y=vectors, near=vectors, far=vectors)
def test_a_worse_prediction_costs_more(y: np.ndarray, near: np.ndarray, far: np.ndarray) -> None:
    small, large = np.minimum(abs(near), abs(far)), np.maximum(abs(near), abs(far))
    for name in ("gaussian", "laplace"):
        better = call(name, y, y + small, 2.0, reduction="none")
        assert (better <= call(name, y, y - large, 2.0, reduction="none") + 1e-9).all()
    low, high = np.minimum(near, far), np.maximum(near, far)
    one = np.ones(5, dtype=int)
    loss, slope = losses.bernoulli_logits, losses.d_bernoulli_logits
    assert (loss(one, high, reduction="none") <= loss(one, low, reduction="none")).all()
    assert (slope(one, low) < 0).all()
    assert (slope(0 * one, low) > 0).all()


@given(
    y=arrays(np.float64, 5, elements=st.integers(-20, 20).map(float), unique=True),
    step=st.sampled_from([-0.5, -1e-2, 1e-2, 0.5]),
)
def test_real_targets_have_mean_or_median_as_their_minimizer(y: np.ndarray, step: float) -> None:
    same = np.full(5, 1.0)
    mean, variance = y.mean(), y.var()
    best = losses.gaussian(y, mean * same, variance)
    assert losses.d_gaussian(y, mean * same, variance).sum() == pytest.approx(0, abs=1e-12)
    assert losses.d_gaussian_variance(y, mean * same, variance) == pytest.approx(0, abs=1e-12)
    assert losses.gaussian(y, (mean + step) * same, variance) > best
    assert losses.gaussian(y, mean * same, variance * np.exp(step)) > best
    median = np.median(y)
    b = np.mean(abs(y - median))
    best = losses.laplace(y, median * same, b)
    assert losses.d_laplace(y, median * same, b).sum() == pytest.approx(0, abs=1e-12)
    assert losses.d_laplace_scale(y, median * same, b) == pytest.approx(0, abs=1e-12)
    assert losses.laplace(y, (median + step) * same, b) > best
    assert losses.laplace(y, median * same, b * np.exp(step)) > best


@given(
    y=arrays(np.int64, 8, elements=st.integers(0, 2)),
    step=st.sampled_from([-0.3, -1e-2, 1e-2, 0.3]),
)
def test_labels_and_counts_have_their_mean_as_their_minimizer(y: np.ndarray, step: float) -> None:
    y = np.append(y, [0, 1, 2])
    same = np.full(11, 1.0)
    rate = y.mean()
    best = losses.poisson(y, rate * same)
    assert losses.d_poisson(y, rate * same).sum() == pytest.approx(0, abs=1e-12)
    assert losses.poisson(y, rate * np.exp(step) * same) > best
    shares = np.bincount(y, minlength=3) / 11
    f = np.tile(np.log(shares), (11, 1))
    gradient = losses.d_categorical_logits(y, f)
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-12)
    moved = f + np.array([step, 0, 0])
    assert losses.categorical_logits(y, moved) > losses.categorical_logits(y, f)
    y = np.minimum(y, 1)
    lam = y.mean()
    assert losses.d_bernoulli(y, lam * same).sum() == pytest.approx(0, abs=1e-12)
    other = scipy.special.expit(scipy.special.logit(lam) + step)
    assert losses.bernoulli(y, other * same) > losses.bernoulli(y, lam * same)


# --- Range: warnings are errors in these tests ---------------------------------------------

wide = st.floats(-1e308, 1e308)


def wide_range(value: np.longdouble) -> float:
    """Round to float64; what is too large for it becomes infinity."""
    with np.errstate(over="ignore"):
        return float(value)


@given(y=wide, mu=wide, spread=st.floats(1e-300, 1e308))
@example(y=HUGE, mu=-HUGE, spread=10.0)  # mu - y alone exceeds float64
@example(y=HUGE, mu=-HUGE, spread=HUGE)
@example(y=-HUGE, mu=HUGE, spread=1.9)
def test_given_spreads_against_long_double(y: float, mu: float, spread: float) -> None:
    error, s = np.longdouble(mu) - np.longdouble(y), np.longdouble(spread)
    expected = {
        "gaussian": (np.log(2 * np.pi * s) + error**2 / s) / 2,
        "d_gaussian": error / s,
        "d_gaussian_variance": (1 - error / np.sqrt(s)) * (1 + error / np.sqrt(s)) / (2 * s),
        "laplace": np.log(2 * s) + abs(error) / s,
        "d_laplace": np.sign(error) / s,
        "d_laplace_scale": (1 - abs(error) / s) / s,
    }
    for name, reference in expected.items():
        value = float(np.squeeze(call(name, np.array([y]), np.array([mu]), spread)))
        # At the minimum by the spread, the difference of two equal terms is left.
        atol = 1e-12 * (1 / min(spread, 1.0) if name.endswith(("variance", "scale")) else 1.0)
        assert value == pytest.approx(wide_range(reference), rel=1e-13, abs=atol), name


@given(y=wide, mu=wide, s=st.floats(-3000, 3000))
@example(y=HUGE, mu=-HUGE, s=5.0)
@example(y=HUGE, mu=-HUGE, s=710.0)  # so does e^s
@example(y=0.0, mu=1e-300, s=-1400.0)
def test_predicted_spreads_against_long_double(y: float, mu: float, s: float) -> None:
    error, scale = np.longdouble(mu) - np.longdouble(y), np.exp(np.longdouble(s))
    z2 = error**2 / scale
    target, f = np.array([y]), np.array([[mu, s]])
    value = losses.gaussian_logits(target, f)
    expected = (np.log(2 * np.pi) + np.longdouble(s) + z2) / 2
    assert value == pytest.approx(wide_range(expected), rel=1e-11, abs=1e-11)
    a, b = losses.d_gaussian_logits(target, f)[0]
    assert a == pytest.approx(wide_range(error / scale), rel=1e-11)
    assert b == pytest.approx(wide_range((1 - z2) / 2), rel=1e-11, abs=1e-11)
    value = losses.laplace_logits(target, f)
    expected = np.log(np.longdouble(2)) + s + abs(error) / scale
    assert value == pytest.approx(wide_range(expected), rel=1e-11, abs=1e-11)
    a, b = losses.d_laplace_logits(target, f)[0]
    assert a == pytest.approx(wide_range(np.sign(error) / scale), rel=1e-11)
    assert b == pytest.approx(wide_range(1 - abs(error) / scale), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("s", [-HUGE, HUGE])
def test_a_log_spread_at_the_end_of_the_range(s: float) -> None:
    y, f = np.array([0.0, 0.0, 0.0]), np.array([[0.0, s], [1.0, s], [-1e-300, s]])
    inf = np.inf
    hit, miss = (s / 2, inf) if s < 0 else (s / 2, s / 2)
    each = losses.gaussian_logits(y, f, reduction="none")
    np.testing.assert_allclose(each, [hit, miss, miss], rtol=1e-15)
    each = losses.laplace_logits(y, f, reduction="none")
    np.testing.assert_allclose(each, [s, inf, inf] if s < 0 else [s, s, s], rtol=1e-15)
    for name, at_hit in (("d_gaussian_logits", 0.5), ("d_laplace_logits", 1.0)):
        far = [[inf, -inf], [-inf, -inf]] if s < 0 else [[0, at_hit], [0, at_hit]]
        np.testing.assert_array_equal(call(name, y, f), [[0, at_hit], *far])


@pytest.mark.parametrize("far", [40.0, 700.0, 1000.0, HUGE])
def test_far_logits(far: float) -> None:
    f, little = np.array([far, -far, far, -far]), np.exp(-far)
    y = np.array([1, 0, 0, 1])
    expected = [little, little, far, far]
    each = losses.bernoulli_logits(y, f, reduction="none")
    np.testing.assert_allclose(each, expected, rtol=1e-14)
    slope = losses.d_bernoulli_logits(y, f)
    np.testing.assert_allclose(slope, [-little, little, 1, -1], rtol=1e-14)
    pair = np.column_stack([np.zeros(4), f])
    each = losses.categorical_logits(y, pair, reduction="none")
    np.testing.assert_allclose(each, expected, rtol=1e-14)
    np.testing.assert_allclose(losses.d_categorical_logits(y, pair)[:, 1], slope, rtol=1e-14)
    np.testing.assert_allclose(losses.d_categorical_logits(y, pair)[:, 0], -slope, rtol=1e-14)
    counts = np.array([0, 3])
    each = losses.poisson_logits(counts, np.array([-far, -far]), reduction="none")
    np.testing.assert_allclose(each, [little, np.log(6) + 3 * far + little], rtol=1e-13)
    np.testing.assert_allclose(losses.d_poisson_logits(counts, -f[::2]), [little, -3], rtol=1e-14)
    rate = np.exp(far) if far < 709 else np.inf
    each = losses.poisson_logits(counts, f[::2], reduction="none")
    np.testing.assert_allclose(each, [rate, rate], rtol=1e-14)
    np.testing.assert_allclose(losses.d_poisson_logits(counts, f[::2]), [rate, rate], rtol=1e-14)


def test_no_gradient_shows_a_negative_zero() -> None:
    sure = losses.d_categorical_logits(np.array([0]), np.array([[1000.0, 0.0]]))
    for zeros in (sure, losses.d_bernoulli_logits(np.array([1]), np.array([1000.0]))):
        np.testing.assert_array_equal(zeros, np.zeros_like(zeros))
        assert not np.signbit(zeros).any()


def test_logits_that_are_farther_apart_than_the_largest_number() -> None:
    f = np.array([[HUGE, -HUGE, HUGE]])
    np.testing.assert_array_equal(losses.softmax(f), [[0.5, 0, 0.5]])
    np.testing.assert_array_equal(losses.log_softmax(f), [[-np.log(2), -np.inf, -np.log(2)]])
    assert losses.categorical_logits(np.array([0]), f) == np.log(2)
    assert losses.categorical_logits(np.array([1]), f) == np.inf
    np.testing.assert_array_equal(losses.d_categorical_logits(np.array([1]), f), [[0.5, -1, 0.5]])


def test_a_mean_within_range_does_not_overflow_on_the_way() -> None:
    y, f = np.zeros(4), np.full(4, HUGE)
    assert losses.bernoulli_logits(y, f, reduction="mean") == pytest.approx(HUGE)
    assert losses.bernoulli_logits(y, f) == np.inf
    y, f = np.zeros((4, 2)), np.zeros((4, 2))
    f[0] = HUGE  # the sum of this row exceeds float64
    assert losses.bernoulli_logits(y, f, reduction="mean") == pytest.approx(HUGE / 2)
    assert losses.bernoulli_logits(y, f) == np.inf


def test_sums_of_large_numbers_of_both_signs() -> None:
    y, mu = np.zeros(100), np.repeat([0.0, 1.0], 50)
    for name in ("d_laplace_scale", "d_gaussian_variance"):
        for reduction in REDUCTIONS:
            assert call(name, y, mu, 1e-308, reduction=reduction) == -np.inf
    y, f = np.zeros(16), np.column_stack([np.zeros(16), np.repeat([HUGE, -HUGE], 8)])
    for name in ("laplace_logits", "gaussian_logits"):
        for reduction in ("sum", "mean"):
            assert call(name, y, f, reduction=reduction) == 0


def test_the_smallest_distances_count() -> None:
    y, near = np.array([0.0, 1e-322]), np.array([1e-322, 0.0])
    np.testing.assert_array_equal(losses.d_laplace(y, near), [1, -1])
    assert losses.d_laplace(np.array([0.0]), np.array([5e-324]))[0] in (0, 1)


def test_callers_who_raise_on_underflow_are_not_disturbed() -> None:
    y, f = np.array([0, 1]), np.array([-1000.0, 1000.0])
    pair, p = np.column_stack([f, -f]), np.array([1e-300, 1.0])
    with np.errstate(all="raise"):
        for name in (
            "bernoulli_logits",
            "poisson_logits",
            "d_bernoulli_logits",
            "d_poisson_logits",
            "gaussian",
            "d_gaussian",
            "laplace",
        ):
            call(name, y, f)
        for name in ("gaussian_logits", "laplace_logits", "categorical_logits"):
            call(name, y, pair)
            call(f"d_{name}", y, pair)
        losses.softmax(pair)
        losses.log_softmax(pair)
        losses.entropy(p)
        losses.cross_entropy(p[::-1], p)
        losses.kl_divergence(p, p[::-1])


def test_poisson_at_large_counts() -> None:
    y = np.array([1e6])
    stirling = np.log(2 * np.pi * y[0]) / 2 + 1 / (12 * y[0])
    for value in (losses.poisson(y, y), losses.poisson_logits(y, np.log(y))):
        assert value == pytest.approx(stirling, abs=1e-8)
    assert np.isfinite(losses.poisson(np.array([2**53 - 1]), np.array([2.0**53])))


def test_probabilities_at_the_edges() -> None:
    y, lam = np.array([0, 1, 0, 1]), np.array([0.0, 1.0, 1.0, 0.0])
    each = losses.bernoulli(y, lam, reduction="none")
    np.testing.assert_array_equal(each, [0, 0, np.inf, np.inf])
    assert losses.bernoulli(y, lam, reduction="mean") == np.inf
    np.testing.assert_array_equal(losses.d_bernoulli(y, lam), [1, -1, np.inf, -np.inf])
    assert losses.bernoulli(np.array([0]), np.array([1e-20])) == 1e-20

    y, lam = np.array([1, 1]), np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(losses.categorical(y, lam, reduction="none"), [0, np.inf])
    np.testing.assert_array_equal(losses.d_categorical(y, lam), [[0, -1], [0, -np.inf]])

    y, rate = np.array([0, 2, 0, 1]), np.array([0.0, 0.0, HUGE, HUGE])
    each = losses.poisson(y, rate, reduction="none")
    np.testing.assert_array_equal(each, [0, np.inf, HUGE, HUGE])
    np.testing.assert_array_equal(losses.d_poisson(y, rate), [1, -np.inf, 1, 1])


def test_entropies_at_the_edges() -> None:
    q, p = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    np.testing.assert_allclose(losses.entropy(q), [0, np.log(2)])
    np.testing.assert_allclose(losses.cross_entropy(q, p), [np.log(2), np.inf])
    np.testing.assert_allclose(losses.kl_divergence(q, p), [np.log(2), np.inf])
    assert losses.cross_entropy(q[0], q[0]) == 0
    for value in (losses.entropy(q[0]), losses.cross_entropy(q[0], p[0])):
        assert type(value) is float


def test_corners_of_the_laplace_loss_have_slope_zero() -> None:
    y = np.array([1.0, -2.0])
    np.testing.assert_array_equal(losses.d_laplace(y, y), [0, 0])
    f = np.column_stack([y, [3.0, -1000.0]])
    np.testing.assert_array_equal(losses.d_laplace_logits(y, f), [[0, 1], [0, 1]])


# --- Refusals ------------------------------------------------------------------------------

ONE, TWO = np.array([1]), np.array([[0.5, 0.5]])
THREE, COLUMN = np.array([0, 1, 0]), np.full((3, 1), 0.5)

SHAPES = [
    (name, (THREE, COLUMN), "expected equal shapes, got y.shape=(3,), {}.shape=(3, 1)")
    for name in ("gaussian", "laplace", "bernoulli", "bernoulli_logits", "poisson",
                 "poisson_logits")
]  # fmt: skip
REFUSED: list[tuple[str, tuple[Any, ...], str]] = [
    *[(name, args, text.format({"bernoulli": "lam", "poisson": "rate"}.get(
        name, "f" if "logits" in name else "mu"))) for name, args, text in SHAPES],
    ("gaussian", (COLUMN, COLUMN, THREE + 1.0), "mu.shape=(3, 1), sigma2.shape=(3,)"),
    ("laplace", (THREE, THREE, COLUMN), "mu.shape=(3,), b.shape=(3, 1)"),
    ("gaussian", (np.array(1.0), np.array(1.0)), "y of shape (I,) or (I, D_o), not empty, got"),
    ("bernoulli", (np.ones((2, 2, 2)), np.ones((2, 2, 2))), "got y.shape=(2, 2, 2)"),
    ("bernoulli_logits", (np.ones(0), np.ones(0)), "got y.shape=(0,)"),
    ("categorical", (THREE, TWO), "row of lam for each entry of y, got y.shape=(3,), lam.sh"),
    ("categorical_logits", (COLUMN, TWO), "of class numbers, not one-hot, got y.shape=(3, 1)"),
    ("categorical_logits", (THREE, THREE), "matrix of shape (I, D), got f.shape=(3,)"),
    ("gaussian_logits", (THREE, COLUMN), "expected two columns in f, got f.shape=(3, 1)"),
    ("laplace_logits", (THREE, np.ones((3, 3))), "two columns in f, got f.shape=(3, 3)"),
    ("laplace_logits", (ONE, COLUMN), "row of f for each entry of y, got y.shape=(1,), f.sha"),
    ("gaussian", (ONE, ONE, 0.0), "expected positive numbers in sigma2, got sigma2=0.0"),
    ("gaussian", (ONE, ONE, -1), "expected positive numbers in sigma2, got sigma2=-1.0"),
    ("gaussian", (THREE, THREE, THREE + 0.0), "positive numbers in sigma2, got sigma2[0]=0.0"),
    ("laplace", (ONE, ONE, 0.0), "expected positive numbers in b, got b=0.0"),
    ("gaussian", (ONE, ONE, np.nan), "expected finite numbers in sigma2, got 1 that is not"),
    ("bernoulli", (THREE / 2, THREE / 2), "whole numbers from 0 to 1 in y, got y[1]=0.5"),
    ("bernoulli_logits", (THREE * 2, THREE / 2), "whole numbers from 0 to 1 in y, got y[1]=2.0"),
    ("bernoulli_logits", (-THREE, THREE / 2), "whole numbers from 0 to 1 in y, got y[1]=-1.0"),
    ("bernoulli", (THREE, THREE * 1.5), "numbers from 0 to 1 in lam, got lam[1]=1.5"),
    ("bernoulli", (THREE, -THREE * 0.5), "numbers from 0 to 1 in lam, got lam[1]=-0.5"),
    ("categorical", (ONE * -1, TWO), "whole numbers from 0 to 1 in y, got y[0]=-1.0"),
    ("categorical_logits", (ONE * 2, TWO), "whole numbers from 0 to 1 in y, got y[0]=2.0"),
    ("categorical_logits", (ONE * 0.5, TWO), "whole numbers from 0 to 1 in y, got y[0]=0.5"),
    ("categorical", (ONE, TWO * 1.1), "of one in lam.sum(axis=-1), got lam.sum(axis=-1)[0]=1.1"),
    ("categorical", (ONE, np.array([[1.5, -0.5]])), "from 0 to 1 in lam, got lam[0, 0]=1.5"),
    ("poisson", (-ONE, ONE), f"whole numbers from 0 to {2**53 - 1} in y, got y[0]=-1.0"),
    ("poisson_logits", (ONE * 1.5, ONE), f"numbers from 0 to {2**53 - 1} in y, got y[0]=1.5"),
    ("poisson", (ONE * 1e300, ONE), f"whole numbers from 0 to {2**53 - 1} in y, got y[0]=1e+300"),
    ("poisson", (np.array([2**53 + 1]), ONE), f"from 0 to {2**53 - 1} in y, got y[0]=9007199"),
    ("laplace", (ONE, ONE, 1e-309), "numbers of at least 1e-308 in b, got b=1e-309"),
    ("poisson", (ONE, ONE * -0.5), "numbers of at least 0 in rate, got rate[0]=-0.5"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "message"), REFUSED)
def test_what_does_not_fit_is_refused(name: str, args: tuple[Any, ...], message: str) -> None:
    gradients = [g for g in losses.__all__ if g == f"d_{name}"]
    gradients += [f"d_{name}_variance"] * (name == "gaussian") + [f"d_{name}_scale"] * (
        name == "laplace"
    )
    for function in (name, *gradients):
        with pytest.raises(ValueError, match=re.escape(message)):
            call(function, *args)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(case: Case, bad: float) -> None:
    names = ["y", "lam|mu|rate|f", "sigma2|b"]
    for position, argument in enumerate(case.arguments):
        spoiled = np.array(argument, dtype=np.float64)
        spoiled[(-1,) * spoiled.ndim] = bad
        args = [*case.arguments[:position], spoiled, *case.arguments[position + 1 :]]
        match = rf"finite numbers in ({names[position]}), got 1 that is not: .*={bad}$"
        for function in (case.loss, case.gradient):
            with pytest.raises(ValueError, match=match):
                call(function, *args)


@pytest.mark.parametrize("case", CASES)
def test_an_unknown_reduction_is_refused(case: Case) -> None:
    for function in (case.loss, case.gradient):
        with pytest.raises(ValueError, match="'sum', 'mean' or 'none', got reduction='average'"):
            call(function, *case.arguments, reduction="average")


def test_an_array_as_reduction_is_refused() -> None:
    for function in (losses.gaussian, losses.d_gaussian):
        with pytest.raises(ValueError, match=r"'none', got reduction=array\(\[1, 2\]\)"):
            function(ONE, ONE, reduction=np.array([1, 2]))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_no_real_number_is_refused(name: str) -> None:
    for bad in (np.array(["1"]), np.array([1j]), np.array([None])):
        with pytest.raises(TypeError, match=r"expected real numbers in y, got y.dtype="):
            call(name, bad, np.ones((1, 2)) if "ate" in name else np.ones(1))


def test_what_is_no_distribution_is_refused() -> None:
    good = np.array([0.5, 0.5])
    for function in (losses.cross_entropy, losses.kl_divergence):
        with pytest.raises(ValueError, match=r"got q.shape=\(2,\), p.shape=\(1, 2\)"):
            function(good, TWO)
        with pytest.raises(ValueError, match=r"sums of one in p.sum\(axis=-1\), got .*=0.9$"):
            function(good, np.array([0.5, 0.4]))
    for bad, message in [
        (np.array([0.5, 0.6]), "got p.sum(axis=-1)=1.1"),
        (np.array([[0.5, 0.5], [1.0, 0.5]]), "got p.sum(axis=-1)[1]=1.5"),
        (np.array([1.5, -0.5]), "numbers from 0 to 1 in p, got p[0]=1.5"),
        (np.array([np.nan, 1.0]), "p[0]=nan"),
        (np.ones(0), "got p.shape=(0,)"),
        (np.array(1.0), "got p.shape=()"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            losses.entropy(bad)
    for function in (losses.softmax, losses.log_softmax):
        for bad, message in [
            (np.array([[0.0, np.nan]]), "finite numbers in f, got 1 that is not: f[0, 1]=nan"),
            (np.array(1.0), "at least one logit on an axis, got f.shape=()"),
            (np.ones((2, 0)), "at least one logit on an axis, got f.shape=(2, 0)"),
        ]:
            with pytest.raises(ValueError, match=re.escape(message)):
                function(bad)


def test_probabilities_computed_in_float32_are_taken() -> None:
    f = np.random.default_rng(1).normal(0, 5, (100, 50)).astype(np.float32)
    lam = F.softmax(torch.tensor(f), dim=1).numpy()
    assert abs(lam.astype(np.float64).sum(axis=1) - 1).max() > 1e-8
    value = losses.categorical(np.zeros(100, dtype=int), lam)
    assert value == pytest.approx(losses.categorical_logits(np.zeros(100, dtype=int), f), rel=1e-5)


@pytest.mark.parametrize("off", [2e-6, -2e-6])
def test_sums_beyond_the_tolerance_are_refused(off: float) -> None:
    for p in (np.array([0.5, 0.5 + off]), np.array([1 + off, 0.0])):
        with pytest.raises(ValueError, match=r"sums of one in|numbers from 0 to 1 in"):
            losses.entropy(p)
        with pytest.raises(ValueError, match=r"sums of one in|numbers from 0 to 1 in"):
            losses.categorical(np.array([0]), p[None])


@pytest.mark.parametrize("off", [5e-7, -5e-7])
def test_sums_within_the_tolerance_are_taken(off: float) -> None:
    assert losses.entropy(np.array([0.5, 0.5 + off])) == pytest.approx(np.log(2), abs=1e-6)
    sure = np.array([1 + off, 0.0])
    for value in (losses.entropy(sure), losses.categorical(np.array([0]), sure[None])):
        assert 0 <= value < 1e-6


def test_scipy_waits_until_it_is_needed() -> None:
    code = "import sys, udl.losses; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
