"""Reverse-mode differentiation against PyTorch, on single operations and on random graphs."""

import copy
import gc
import math
import operator
import pickle
import random
import subprocess
import sys

import micrograd.engine
import micrograd.nn
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from udl import autograd
from udl.autograd import (
    Value,
    concatenate,
    detect_nan,
    maximum,
    minimum,
    no_grad,
    stack,
    trace,
    where,
    zero_grad,
)
from udl.gradcheck import assert_gradient


def numbers(shape=(), seed=0, low=-2.0, high=2.0):
    """Return random numbers: a float for shape (), else an array."""
    return np.random.default_rng(seed).uniform(low, high, shape)


def twin(ours, theirs, *data, rtol=1e-12):
    """Compare result and gradients of the same function of ours and of torch's."""
    values = [Value(numbers) for numbers in data]
    tensors = [torch.tensor(numbers, dtype=torch.float64, requires_grad=True) for numbers in data]
    y, t = ours(*values), theirs(*tensors)
    assert isinstance(y, Value)
    assert y.shape == tuple(t.shape)
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=rtol, atol=1e-14)
    seed = numbers(y.shape, seed=99)
    y.backward(seed)
    t.backward(torch.tensor(seed, dtype=torch.float64))
    for value, tensor in zip(values, tensors, strict=True):
        assert type(value.grad) is type(value.data)
        assert np.shape(value.grad) == value.shape
        np.testing.assert_allclose(value.grad, tensor.grad.numpy(), rtol=rtol, atol=1e-14)
    for node in trace(y).nodes:
        assert type(node.grad) is type(node.data) in (float, np.ndarray)
        assert np.shape(node.grad) == np.shape(node.data)


PAIRS = [
    ((), ()),
    ((3,), ()),
    ((), (2, 3)),
    ((3,), (3,)),
    ((1,), (4,)),
    ((1,), ()),
    ((2, 3), (3,)),
    ((2, 3), (2, 1)),
    ((2, 1), (1, 3)),
    ((4, 1, 3), (2, 1)),
    ((0,), ()),
    ((0, 3), (3,)),
    ((2, 0), (2, 1)),
    ((0, 1), (0, 3)),
]
BINARY = {
    "+": (operator.add, torch.add),
    "-": (operator.sub, torch.sub),
    "*": (operator.mul, torch.mul),
    "/": (operator.truediv, torch.div),
    "**": (operator.pow, torch.pow),
    "maximum": (maximum, torch.maximum),
    "minimum": (minimum, torch.minimum),
}


@pytest.mark.parametrize(("left", "right"), PAIRS + [pair[::-1] for pair in PAIRS])
@pytest.mark.parametrize("op", BINARY)
def test_two_values_broadcast(op, left, right):
    ours, theirs = BINARY[op]
    a, b = numbers(left, 1, 0.3), numbers(right, 2, 0.3)
    twin(ours, theirs, a, b)
    if op != "**":
        twin(ours, theirs, -a, b)


@pytest.mark.parametrize(("shape", "other"), PAIRS)
@pytest.mark.parametrize("op", BINARY)
def test_a_constant_on_either_side(op, shape, other):
    ours, theirs = BINARY[op]
    a, c = numbers(shape, 1, 0.3), numbers(other, 2, 0.3)
    tensor = torch.tensor(c, dtype=torch.float64)
    twin(lambda v: ours(v, c), lambda t: theirs(t, tensor), a)
    twin(lambda v: ours(c, v), lambda t: theirs(tensor, t), a)


@pytest.mark.parametrize("number", [2, 2.0, True, np.float64(2), np.int64(2), np.float32(2)])
@pytest.mark.parametrize("op", ["+", "-", "*", "/", "**"])
def test_a_plain_number_on_either_side(op, number):
    ours, _ = BINARY[op]
    plain = float(number)
    for data in (1.5, np.array([0.5, 3.0])):
        twin(lambda v: ours(v, number), lambda t: ours(t, plain), data)
        twin(lambda v: ours(number, v), lambda t: ours(plain, t), data)


def test_plain_arrays_and_lists_of_any_real_type():
    for plain in ([1, 2], np.array([1, 2]), np.array([1, 2], dtype=np.float32), (1.0, 2.0)):
        v = Value(3)
        y = (plain * v + plain).sum()
        y.backward()
        assert (y.item(), v.grad) == (12.0, 3.0)
    assert (np.array([True, False]) + Value(1)).data.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("base", [-2.0, 0.0, 3.0])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 5])
def test_whole_powers_of_any_base(base, exponent):
    twin(lambda v: v**exponent, lambda t: t**exponent, base)
    twin(lambda v: v**exponent, lambda t: t**exponent, np.array([base, 1.0]))


@pytest.mark.parametrize("exponent", [-2, -1, -0.5, 0.5, 1.5])
def test_other_powers(exponent):
    twin(lambda v: v**exponent, lambda t: t**exponent, numbers((2, 3), 1, 0.2))


def test_powers_of_zero_with_the_exponent_a_value():
    bases, exponents = np.array([0.0, 0.0, 2.0, 2.0]), np.array([0.0, 2.0, 0.0, -1.0])
    twin(operator.pow, torch.pow, bases, exponents)
    twin(lambda v: 0.0**v, lambda t: 0.0**t, 2.0)
    twin(lambda v: 2**v, lambda t: 2**t, np.array([-1.0, 0.0, 3.0]))
    with np.errstate(divide="ignore"):
        twin(operator.pow, torch.pow, np.array([0.0, 2.0]), np.array([-1.0, -1.0]))
        twin(lambda v: 0.0**v, lambda t: 0.0**t, -2.0)


UNARY = {
    "neg": (operator.neg, torch.neg, -2),
    "abs": (abs, torch.abs, -2),
    "abs method": (Value.abs, torch.abs, -2),
    "exp": (Value.exp, torch.exp, -2),
    "log": (Value.log, torch.log, 0.1),
    "sqrt": (Value.sqrt, torch.sqrt, 0.1),
    "sin": (Value.sin, torch.sin, -2),
    "cos": (Value.cos, torch.cos, -2),
    "relu": (Value.relu, torch.relu, -2),
    "tanh": (Value.tanh, torch.tanh, -2),
    "sigmoid": (Value.sigmoid, torch.sigmoid, -2),
    "softplus": (Value.softplus, torch.nn.functional.softplus, -2),
}
SHAPES = [(), (1,), (5,), (2, 3), (0,), (2, 0, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_value(name, shape):
    ours, theirs, low = UNARY[name]
    twin(ours, theirs, numbers(shape, 3, low))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "relu", "abs"])
@pytest.mark.parametrize("size", [1000.0, 30.0])
def test_far_out(name, size):
    ours, theirs, _ = UNARY[name]
    if name == "softplus":
        theirs = lambda t: torch.logaddexp(torch.zeros_like(t), t)  # noqa: E731
    twin(ours, theirs, np.array([-size, size]))
    twin(ours, theirs, size)


def test_at_a_corner_the_subgradient_is_that_of_torch():
    corner = np.array([0.0, -0.0])
    twin(Value.relu, torch.relu, corner)
    twin(Value.abs, torch.abs, corner)
    twin(maximum, torch.maximum, corner, corner)
    twin(minimum, torch.minimum, corner, corner)
    x = Value(0.0)
    (x.relu() + abs(x)).backward()
    assert x.grad == 0
    tied = Value([1.0, 3.0, 3.0, 0.0])
    tied.max().backward()
    assert tied.grad.tolist() == [0, 0.5, 0.5, 0]


INFINITE = [
    ("relu", Value.relu, torch.relu),
    ("maximum", lambda v: maximum(v, v[::-1]), lambda t: torch.maximum(t, t.flip(0))),
    ("minimum", lambda v: minimum(v, v[::-1]), lambda t: torch.minimum(t, t.flip(0))),
    ("max", Value.max, torch.max),
    ("min", Value.min, torch.min),
    ("power 0", lambda v: v**0, lambda t: t**0),
    ("powers", lambda v: v ** np.array([0, 1]), lambda t: t ** torch.tensor([0, 1])),
]


@pytest.mark.parametrize(
    ("ours", "theirs"), [pytest.param(*functions, id=name) for name, *functions in INFINITE]
)
@pytest.mark.parametrize("data", [[-1.0, 2.0], [-1.0, np.nan], [np.nan, np.nan]])
def test_what_was_not_chosen_gets_0_of_an_infinite_gradient(ours, theirs, data):
    for slope in (1.0, np.inf):
        x, t = Value(data), torch.tensor(data, dtype=torch.float64, requires_grad=True)
        y, u = ours(x), theirs(t)
        y.backward(np.full(y.shape, slope))
        u.backward(torch.full(tuple(u.shape), slope, dtype=torch.float64))
        np.testing.assert_array_equal(x.grad, t.grad.numpy())


def test_the_root_of_a_dead_unit_is_flat():
    for data in (-1.0, [-1.0]):
        x = Value(data)
        with np.errstate(divide="ignore"):
            x.relu().sqrt().backward()
        assert x.grad == 0
        assert type(x.grad) is type(x.data)


def test_the_exponent_of_0_is_flat_also_where_the_gradient_is_infinite():
    v = Value(2.0)
    (0.0**v).backward(np.inf)
    assert v.grad == 0


def test_no_overflow_on_the_way_to_a_gradient_that_is_finite():
    a, b = Value(1e200), Value(1e160)
    (a / b).backward(1e300)
    assert b.grad == pytest.approx(-1e180, rel=1e-12)
    x = Value(1e-100)
    (x**2).backward(1e308)
    assert x.grad == pytest.approx(2e208, rel=1e-12)


MATRICES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((1, 2, 3), (5, 3, 1)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
]


@pytest.mark.parametrize(("left", "right"), MATRICES)
def test_matrix_products(left, right):
    a, b = numbers(left, 4), numbers(right, 5)
    twin(operator.matmul, torch.matmul, a, b)
    twin(lambda v: v @ b, lambda t: t @ torch.tensor(b), a)
    twin(lambda v: a @ v, lambda t: torch.tensor(a) @ t, b)


AXES = [
    ((), None),
    ((4,), None),
    ((4,), 0),
    ((4,), -1),
    ((2, 3), None),
    ((2, 3), 0),
    ((2, 3), -1),
    ((2, 3), (0, 1)),
    ((2, 3, 4), 1),
    ((2, 3, 4), (0, -1)),
    ((2, 3, 4), (2, 0)),
    ((2, 0, 3), 0),
]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reductions(name, shape, axis, keepdims):
    theirs = {"max": torch.amax, "min": torch.amin, "sum": torch.sum, "mean": torch.mean}[name]
    every = tuple(range(len(shape)))
    for data in (numbers(shape, 6), np.round(numbers(shape, 6))):  # rounded: some tie
        twin(
            lambda v: getattr(v, name)(axis=axis, keepdims=keepdims),
            lambda t: theirs(t, dim=every if axis is None else axis, keepdim=keepdims),
            data,
        )


@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((2, 0), 1), ((0, 3), 0)])
def test_a_sum_of_nothing(shape, axis):
    dim = tuple(range(len(shape))) if axis is None else axis
    twin(lambda v: v.sum(axis), lambda t: t.sum(dim), np.zeros(shape))
    with pytest.raises(ValueError, match="zero-size array"):
        Value(np.zeros(shape)).max(axis)


RESHAPED = [
    ("reshape(6)", lambda v: v.reshape(6)),
    ("reshape(-1)", lambda v: v.reshape(-1)),
    ("reshape(3, -1)", lambda v: v.reshape(3, -1)),
    ("reshape((1, 2, 3))", lambda v: v.reshape((1, 2, 3))),
    ("T", lambda v: v.T),
    ("reshape then T", lambda v: (v * v).reshape((3, 2)).T * v),
]


@pytest.mark.parametrize("change", [pytest.param(f, id=name) for name, f in RESHAPED])
def test_reshape_and_transpose(change):
    twin(change, change, numbers((2, 3), 7))


@pytest.mark.parametrize("axes", [(2, 0, 1), (0, 2, 1), (-1, 0, -2), (1, 2, 0)])
def test_transpose_in_any_order(axes):
    twin(lambda v: v.transpose(axes), lambda t: t.permute(axes), numbers((2, 3, 4), 8))
    twin(lambda v: v.transpose(*axes), lambda t: t.permute(axes), numbers((2, 3, 4), 8))


def test_reshape_and_transpose_of_one_number():
    twin(lambda v: v.reshape(1, 1), lambda t: t.reshape(1, 1), 2.0)
    twin(lambda v: v.reshape(()), lambda t: t.reshape(()), np.array([[2.0]]))
    twin(lambda v: v.reshape(()) * v.T, lambda t: t.reshape(()) * t, 2.0)
    twin(lambda v: v[None], lambda t: t[None], 2.0)
    twin(lambda v: v[...] * v[()], lambda t: t[...] * t[()], 2.0)


INDICES = [
    1,
    -1,
    (1, 2),
    (-1, -2),
    slice(1, None),
    (slice(None), slice(0, 3, 2)),
    (slice(None), 1),
    (..., 1),
    (None, 1),
    (slice(None), None),
    ...,
    slice(2, 2),
    [0, 0, 2],
    np.array([2, -1, 2]),
    np.array([[0, 1], [1, 0]]),
    (np.array([0, 0, 2]), np.array([1, 1, 3])),
    (slice(None), [1, 1]),
    ([0, 0], slice(1, 3)),
    (np.array([[0], [2]]), np.array([1, 1])),
    np.array([True, False, True]),
    (slice(None), np.array([True, False, True, True])),
    np.arange(12).reshape(3, 4) % 3 == 0,
    np.zeros((3, 4), dtype=bool),
    np.array([], dtype=np.int64),
    np.int64(2),
]


@pytest.mark.parametrize("index", INDICES, ids=lambda index: repr(index).replace("\n", ""))
def test_indices(index):
    def tensors(part):
        return torch.tensor(part) if isinstance(part, np.ndarray) else part

    theirs = tuple(map(tensors, index)) if isinstance(index, tuple) else tensors(index)
    twin(lambda v: v[index], lambda t: t[theirs], numbers((3, 4), 9))


def test_a_slice_backward_goes_where_it_came_from():
    x = Value([1.0, 2.0, 3.0])
    (x[::-1] * [1.0, 10.0, 100.0]).sum().backward()
    assert x.grad.tolist() == [100, 10, 1]


def test_rows_one_by_one():
    x = Value([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    (first * second).sum().backward()
    assert x.grad.tolist() == [[3, 4], [1, 2]]
    assert [value.item() for value in first] == [1, 2]
    assert sum(x[0]).data == 3


CHOICES = [
    ((3,), (3,), (3,)),
    ((2, 3), (3,), ()),
    ((2, 1), (3,), (2, 3)),
    ((), (), ()),
    ((3,), (), ()),
]


@pytest.mark.parametrize(("condition", "left", "right"), CHOICES)
def test_where(condition, left, right):
    chosen = numbers(condition, 10) > 0
    mask, a, b = torch.tensor(chosen), numbers(left, 11), numbers(right, 12)
    twin(
        lambda v, w: where(chosen, v, w),
        lambda t, u: torch.where(mask, t, u),
        a,
        b,
    )
    twin(lambda v: where(chosen, v, b), lambda t: torch.where(mask, t, torch.tensor(b)), a)
    twin(lambda w: where(chosen, 1, w), lambda u: torch.where(mask, 1.0, u), b)


def test_where_computes_both_sides():
    data = np.array([0.0, 4.0])
    twin(lambda v: where(v > 0, v, 1.0).log(), lambda t: torch.where(t > 0, t, 1.0).log(), data)
    with np.errstate(divide="ignore", invalid="ignore"):
        twin(
            lambda v: where(v > 0, v.log(), 1.0), lambda t: torch.where(t > 0, t.log(), 1.0), data
        )


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_concatenate(axis):
    shapes = [tuple(np.insert([4, 4], axis % 3, n).tolist()) for n in (1, 2, 0)]
    parts = [numbers(shape, k) for k, shape in enumerate(shapes)]
    twin(
        lambda *values: concatenate([*values, values[0]], axis=axis),
        lambda *tensors: torch.cat([*tensors, tensors[0]], dim=axis),
        *parts,
    )
    twin(
        lambda v: concatenate((part for part in (parts[0], v)), axis),
        lambda t: torch.cat([torch.tensor(parts[0]), t], dim=axis),
        parts[1],
    )


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_stack(axis):
    parts = [numbers((3,), k) for k in range(3)]
    twin(
        lambda *values: stack([*values, values[0]], axis=axis),
        lambda *tensors: torch.stack([*tensors, tensors[0]], dim=axis),
        *parts,
    )
    twin(
        lambda v: stack([parts[0], v], axis=axis),
        lambda t: torch.stack([torch.tensor(parts[0]), t], dim=axis),
        parts[1],
    )


def test_stack_numbers():
    twin(lambda v, w: stack([v, w, v * w]), lambda t, u: torch.stack([t, u, t * u]), 2.0, 3.0)


def test_functions_of_constants_alone_give_a_leaf():
    for y in (maximum(1, 2), where(True, 2.0, 1), stack([1, 2])[1], concatenate([[1], [2]])[1]):
        assert y.item() == 2
    assert maximum(1, 2).parents == ()
    assert maximum(1, 2).op == ""


# Whole graphs


def layers(module):
    """Return a network with softmax on top, in terms that both libraries have."""

    def loss(W, b, v, c):
        h = ((X @ W + b) * 0.5).tanh() if module is np else ((T @ W + b) * 0.5).tanh()
        f = h @ v + c
        return ((f - 1) ** 2).mean() + 0.1 * (W * W).sum() + f.exp().sum().log()

    X = numbers((7, 2), 20)
    T = torch.tensor(X)
    return loss


def test_a_network():
    shapes = [(2, 3), (3,), (3, 1), (1,)]
    twin(layers(np), layers(torch), *(numbers(shape, k) for k, shape in enumerate(shapes)))


def test_a_gradient_against_finite_differences():
    def loss(phi):
        w = Value(phi)
        y = ((w[:3] @ w[3:].reshape(3, 2)).softplus() / (1 + w.max() ** 2)).sum().sqrt()
        return w, y

    def gradient(phi):
        w, y = loss(phi)
        y.backward()
        return w.grad

    assert_gradient(lambda phi: loss(phi)[1].item(), gradient, numbers((9,), 21))


SMOOTH = ["+", "-", "tanh of *", "sin", "sigmoid", "softplus"]
CORNERS = ["relu", "abs", "maximum", "minimum", "max", "where"]
SUMS = ["mean", "sum", "row", "matmul"]


def apply(op, a, b, library):
    """Apply one of the operations, all of which give something of a shape that fits (2, 3)."""
    ours = library is autograd
    keep = {"keepdims": True} if ours else {"keepdim": True}
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "tanh of *":
            return (a * b).tanh()
        case "sin" | "sigmoid" | "relu" | "abs":
            return getattr(a, op)()
        case "softplus":
            return a.softplus() if ours else torch.nn.functional.softplus(a)
        case "maximum" | "minimum":
            return getattr(library, op)(a, b)
        case "where":
            return library.where(a > b, a, b)
        case "max":
            return a.max() if ours else a.amax()
        case "mean" | "sum":
            return getattr(a, op)(-1, **keep) if a.ndim else a * 1
        case "row":
            return a[-1] if a.ndim == 2 else a + a
        case "matmul":
            return (a @ a.T @ a).tanh() if a.ndim == 2 else a * 0.5


@st.composite
def graphs(draw):
    """Draw leaves, and steps that each name an operation and two of the values before it."""
    shapes = draw(st.lists(st.sampled_from([(), (3,), (2, 3), (2, 1)]), min_size=1, max_size=3))
    number = st.integers(-4, 4).map(lambda n: n / 2)  # few, so that some tie
    leaves = []
    for shape in shapes:
        size = math.prod(shape)
        drawn = draw(st.lists(number, min_size=size, max_size=size))
        leaves.append(np.array(drawn).reshape(shape))
    steps = []
    for k in range(draw(st.integers(1, 12))):
        known = st.integers(0, len(leaves) + k - 1)
        steps.append((draw(st.sampled_from(SMOOTH + CORNERS + SUMS)), draw(known), draw(known)))
    return leaves, steps


def run(leaves, steps, library):
    """Return all values of a graph, and a root that every one of them goes into."""
    values = list(leaves)
    for op, left, right in steps:
        values.append(apply(op, values[left], values[right], library))
    root = values[0].sum()
    for weight, value in enumerate(values[1:], 2):
        root = root + weight * value.sum()
    return values, root


@settings(max_examples=300)
@given(graphs())
def test_random_graphs(graph):
    data, steps = graph
    ours, root = run([Value(numbers) for numbers in data], steps, autograd)
    leaves = [torch.tensor(numbers, requires_grad=True) for numbers in data]
    theirs, twin_root = run(leaves, steps, torch)
    for tensor in theirs:
        tensor.retain_grad()
    for times in (1, 2):  # the second time accumulates
        root.backward()
        twin_root.backward(retain_graph=True)
        for value, tensor in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(value.data, tensor.detach().numpy(), rtol=1e-12, atol=1e-11)
            np.testing.assert_allclose(value.grad, tensor.grad.numpy(), rtol=1e-10, atol=1e-9)
        assert root.grad == times

    nodes = trace(root).nodes
    assert [node.index for node in nodes] == list(range(len(nodes)))
    assert all(parent < node.index for node in nodes for parent in node.parents)
    reached, waiting = set(), [root]
    while waiting:
        value = waiting.pop()
        reached.add(value)
        waiting += [parent for parent in value.parents if parent not in reached]
    assert len(nodes) == len(reached)
    assert sorted(node.op == "" for node in nodes) == sorted(v.op == "" for v in reached)


# Gradients


def test_gradients_are_none_first_and_then_accumulate():
    x = Value(3.0)
    assert x.grad is None
    (x * x).backward()
    assert x.grad == 6.0
    (2 * x).backward()
    assert x.grad == 8.0
    zero_grad([x])
    assert x.grad is None
    x.grad = 2.0
    zero_grad(x)
    assert x.grad is None
    x.grad = 0
    (2 * x).backward()
    assert x.grad == 2.0


def test_a_second_pass_through_one_graph_adds_the_same_again():
    x = Value([1.0, 2.0])
    h = x * x
    y = (h * h).sum()
    y.backward()
    first = x.grad.copy()
    y.backward()
    assert (x.grad == 2 * first).all()
    assert (h.grad == 4 * h.data).all()
    assert y.grad == 2
    h.backward([1.0, 0.0])
    assert (x.grad == 2 * first + [2, 0]).all()


def test_gradients_of_leaves_do_not_share_memory():
    a, b = Value([1.0, 2.0]), Value([3.0, 4.0])
    y = a + b
    seed = np.array([1.0, 1.0])
    y.backward(seed)
    a.grad *= 10
    seed += 5
    assert a.grad.tolist() == [10, 10]
    assert b.grad.tolist() == y.grad.tolist() == [1, 1]
    leaf = Value([1.0])
    leaf.backward()
    assert leaf.grad.tolist() == [1]


def test_gradients_of_results_do_not_share_memory_while_they_add_up():
    x = Value([1.0, 2.0])
    h = x * 1
    y = h + h
    z = y * 1
    z.backward([1, 1])
    assert z.grad.tolist() == y.grad.tolist() == [1, 1]
    assert h.grad.tolist() == x.grad.tolist() == [2, 2]


def test_a_gradient_that_is_assigned():
    x = Value([1.0, 2.0], name="x")
    array = np.array([1.0, 2.0])
    x.grad = array
    array += 1
    x.sum().backward()
    assert x.grad.tolist() == [2, 3]
    assert x.grad.dtype == np.float64
    x.grad *= 2
    assert x.grad.tolist() == [4, 6]
    x.grad = 0
    assert x.grad.tolist() == [0, 0]
    for wrong in ([1.0], [[1.0, 2.0]], 1.0, [0.0]):
        with pytest.raises(
            ValueError, match=r"a gradient for the leaf 'x' with shape \(2,\), got shape \("
        ):
            x.grad = wrong
    assert x.grad.tolist() == [0, 0]


def test_refuse_a_gradient_that_is_no_number():
    x = Value(1.0)
    with pytest.raises(TypeError, match="expected real numbers"):
        x.grad = "text"


def test_no_gradient_changes_if_one_overflows():
    x, b = Value(1.0), Value(1.0)
    y = x * 2 + b
    x.grad = b.grad = 1.7e308
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        y.backward(1e308)
    assert x.grad == b.grad == 1.7e308
    assert y.grad is None


def test_one_leaf_in_many_places():
    x = Value(2.0)
    y = x
    for _ in range(10):
        y = y + y
    y.backward()
    assert x.grad == 1024


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_root_with_one_number_needs_no_seed(shape):
    x = Value(np.full(shape, 3.0))
    y = x * x
    y.backward()
    assert x.grad == np.full(shape, 6.0)
    assert type(x.grad) is type(y.grad) is type(x.data)
    assert np.shape(y.grad) == shape


def test_a_root_with_several_numbers_needs_a_seed_of_its_shape():
    y = 2 * Value([1.0, 2.0], name="x")
    with pytest.raises(
        ValueError, match=r"one number, or a seed, got the result of \* with shape \(2,\)"
    ):
        y.backward()
    for seed in (1.0, [1.0], [[1.0, 1.0]]):
        with pytest.raises(
            ValueError,
            match=r"expected a seed for the result of \* with shape \(2,\), got shape \(",
        ):
            y.backward(seed)
    assert y.grad is None
    with pytest.raises(ValueError, match=r"one number, or a seed, got the leaf with shape \(0,\)"):
        Value(np.zeros(0)).backward()
    y.backward([1, 2])
    assert y.grad.tolist() == [1, 2]


# What must not change between forward and backward pass


def assigned(x):
    x.data = 5.0 if x.ndim == 0 else np.ones(x.shape)


def subtracted(x):
    x.data -= 1.0


@pytest.mark.parametrize("change", [assigned, subtracted])
@pytest.mark.parametrize("data", [2.0, [1.0, 2.0]])
def test_data_assigned_between_forward_and_backward(change, data):
    w, b = Value(data, name="w"), Value(1.0, name="b")
    loss = (w * w + b).sum()
    change(w)
    with pytest.raises(
        RuntimeError, match=r"the leaf 'w' with .* got new data after the result of \*"
    ):
        loss.backward()
    assert w.grad is b.grad is loss.grad is None
    loss = (w * w + b).sum()
    loss.backward()
    np.testing.assert_allclose(w.grad, 2 * w.data)
    change(w)
    with pytest.raises(RuntimeError, match="run the forward pass again"):
        loss.backward()
    assert [node.name for node in trace(loss).nodes if not node.parents] == ["w", "b"]


GUARDED = [
    ("where", lambda v: where(np.array([True, False]), v, 0.0)),
    ("stack", lambda v: stack([v, v])),
    ("concatenate", lambda v: concatenate([v, v])),
    ("sum", lambda v: v.sum()),
    ("index", lambda v: v[0]),
    ("+", lambda v: v + 1),
]


@pytest.mark.parametrize("function", [pytest.param(f, id=name) for name, f in GUARDED])
def test_data_assigned_right_after_or_right_before_one_operation(function):
    x = Value([1.0, 2.0])
    y = function(x)
    x.data = [3.0, 4.0]
    with pytest.raises(RuntimeError, match="got new data after"):
        y.backward(np.ones(y.shape))
    y = function(x)
    y.backward(np.ones(y.shape))
    assert x.grad is not None


PARTS = [
    lambda v: v[0],
    lambda v: v[:, 1],
    lambda v: v.T,
    lambda v: v.reshape(4),
    lambda v: +v * 1,
]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_leaf_stays_when_the_leaf_changes(part):
    x = Value([[1.0, 2.0], [3.0, 4.0]])
    y = part(x)
    before = y.data.copy()
    x.data -= 1
    assert (y.data == before).all()


def test_another_leaf_may_change():
    x, other = Value(2.0), Value(3.0)
    y = x * x
    other.data -= 1
    y.backward()
    assert x.grad == 4


def test_a_step_of_gradient_descent():
    w = Value([1.0, -2.0])
    for _ in range(3):
        before = w.data.copy()
        w.grad = None
        (w * w).sum().backward()
        w.data -= 0.25 * w.grad
        assert (w.data == before / 2).all()
    w.data = w.data.tolist()
    w.data[0] = 7.0  # a leaf's array is the user's
    assert (w + 0).data[0] == 7.0


def test_arrays_of_results_are_read_only():
    x = Value([1.0, 2.0])
    y = x.exp()
    y.backward([1.0, 1.0])
    for array in (y.data, y.grad):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    y.name = "y"
    with pytest.raises(
        RuntimeError, match="expected a leaf to assign data to, got the result 'y' of exp"
    ):
        y.data = [0.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        y.data -= 1


def test_data_keep_their_shape():
    x = Value([1.0, 2.0], name="x")
    with pytest.raises(
        ValueError, match=r"data for the leaf 'x' with shape \(2,\), got shape \(2, 2\)"
    ):
        x.data = np.ones((2, 2))
    assert x.data.tolist() == [1, 2]


def test_a_value_does_not_share_memory_with_what_it_was_made_of():
    array = np.array([1.0, 2.0])
    x = Value(array)
    y = x.detach()
    x2 = Value([0.0, 0.0])
    x2.data = array
    with no_grad():
        z = x.T
    array += 1
    x.data += 10
    assert x.data.tolist() == [11, 12]
    assert y.data.tolist() == x2.data.tolist() == z.data.tolist() == [1, 2]


# Recording and watching


def test_no_grad():
    x = Value([1.0, 2.0])
    with no_grad():
        y = (x * 3 + x.sum())[0]
        with no_grad():
            pass
        z = where(x > 1, x, 0.0)
    assert y.parents == z.parents == ()
    assert y.op == ""
    assert y.data == 6
    (y * x.sum()).backward()
    assert x.grad.tolist() == [6, 6]
    with pytest.raises(ZeroDivisionError), no_grad():
        1 // 0  # noqa: B018
    assert (x * 2).parents == (x,)


def test_detach():
    x = Value([1.0, 2.0], name="x")
    y = (x * x.detach()).sum()
    y.backward()
    assert x.grad.tolist() == [1, 2]
    assert x.detach().name == "x"
    assert x.detach().parents == (x * 1).detach().parents == ()


def test_nan_forward_names_operation_and_node():
    x = Value([1.0, -1.0], name="x")
    with detect_nan():
        h = x * 2
        with pytest.raises(
            FloatingPointError, match=r"NaN in the result of log, from the result of \*"
        ):
            h.log()
        with pytest.raises(
            FloatingPointError, match=r"of sqrt, from the leaf 'x' with shape \(2,\)"
        ):
            x.sqrt()
        with pytest.raises(
            FloatingPointError, match=r"of /, from the leaf 'x' .* and the leaf 'zero'"
        ):
            Value(0.0, name="x") / Value(0.0, name="zero")
        with pytest.raises(FloatingPointError, match=r"of maximum, from constants"):
            maximum(np.nan, 1.0)
    with np.errstate(invalid="ignore"):
        assert np.isnan(x.sqrt().data[1])


def test_nan_backward_names_operation_and_node():
    x = Value(0.0, name="x")
    y = (x * 0.0).sqrt() * 0.0  # 0 times the infinite slope of the root at 0
    with pytest.raises(
        FloatingPointError,
        match=r"NaN in the gradient of the result of \* .* from the result of sqrt",
    ):
        with detect_nan(), np.errstate(divide="ignore"):
            y.backward()
    assert x.grad is y.grad is None
    with np.errstate(invalid="ignore"):
        y.backward()
    assert np.isnan(x.grad)


def test_one_nan_among_numbers_is_enough():
    x = Value([0.0, 1.0], name="x")
    with detect_nan(), np.errstate(divide="ignore"):
        with pytest.raises(FloatingPointError, match="NaN in the result of sqrt"):
            (x - [1.0, 0.0]).sqrt()
        with pytest.raises(FloatingPointError, match=r"gradient of the result of \*"):
            ((x * [0.0, 1.0]).sqrt() * [0.0, 1.0]).sum().backward()
    assert x.grad is None


def test_nan_that_comes_up_where_gradients_add_up():
    x = Value(1.0, name="x")
    h = x * 1
    h.name = "h"
    y = stack([h, -h])
    with pytest.raises(FloatingPointError, match=r"gradient of the result 'h' of .*, back from"):
        with detect_nan():
            y.backward([np.inf, np.inf])
    x.grad = np.inf
    with pytest.raises(FloatingPointError, match=r"the leaf 'x' with .* of earlier passes"):
        with detect_nan():
            h.backward(-np.inf)
    with pytest.raises(FloatingPointError, match=r"gradient of the result 'h' .*, the seed"):
        with detect_nan():
            h.backward(np.nan)
    assert x.grad == np.inf
    assert h.grad is y.grad is None


def test_detect_nan_within_detect_nan():
    x = Value(-1.0)
    with detect_nan():
        with detect_nan():
            pass
        with pytest.raises(FloatingPointError):
            x.log()
    with np.errstate(invalid="ignore"):
        assert np.isnan(x.log().data)


def test_trace():
    x, w = Value([1.0, 2.0], name="x"), Value(3.0, name="w")
    h = w * x
    h.name = "h"
    y = (h + h**2).sum()
    before = trace(y).nodes
    assert [node.grad for node in before] == [None] * 6
    y.backward()
    nodes = trace(y).nodes
    assert [node.name or node.op for node in nodes] == ["x", "w", "h", "** 2", "+", "sum"]
    assert [node.op for node in nodes[:3]] == ["", "", "*"]
    assert [node.parents for node in nodes] == [(), (), (1, 0), (2,), (2, 3), (4,)]
    assert nodes[1].data == 3.0
    assert nodes[1].grad == w.grad == 1 * 1 + 2 * 2 + 2 * 3 * (1 + 4) - 2
    assert nodes[-1].data == y.data
    x.data -= 1
    x.grad *= 0
    assert nodes[0].data.tolist() == [1, 2]  # a trace is a snapshot
    assert nodes[0].grad.tolist() == [3 * (1 + 2 * 3), 3 * (1 + 2 * 6)]


def test_a_trace_shows_constants():
    x = Value([4.0])
    results = [x - 1, 1 - x, x**0.5, 2 / x, np.ones((1, 1)) @ x, maximum(x, 0), x + np.ones(1), -x]
    ops = [trace(y).nodes[-1].op for y in results]
    assert ops == ["- 1", "1 -", "** 0.5", "2 /", "array @", "maximum 0", "+ array", "neg"]
    assert trace(x).nodes == ((0, "", "", (), x.data, None),)


# As deep as memory allows, and gone at once


DEEP = """
import gc, sys, threading
from udl.autograd import Value, trace
gc.disable()
sys.setrecursionlimit(200)
def work():
    x = Value(1.0)
    y = x
    for k in range(100_000):
        y = y + 0.5 if k % 2 else y * 1.0
    y.backward()
    y.backward()
    assert x.grad == 2.0 and len(trace(y).nodes) == 100_001
    del y
    wide = sum((x * k for k in range(100_000)), Value(0.0))
    wide.backward()
    del wide
    assert x.grad == 2.0 + sum(range(100_000))
    assert not [v for v in gc.get_objects() if isinstance(v, Value) and v is not x]
    print("done")
threading.stack_size(256 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_chain_of_100_000_nodes_needs_no_recursion():
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_graph_is_freed_with_its_root():
    def alive():
        return sum(type(thing) is Value for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        x = Value(numbers((3, 3)))
        y = (x @ x.T).tanh()[0].max() + concatenate([x, x]).mean() * stack([x, x]).sum()
        y = maximum(where(x > 0, x, y), y).sum().reshape(1)
        y.backward()
        assert alive() > before + 10
        del x, y
        assert alive() == before
    finally:
        gc.enable()


# The everyday interface


def test_attributes():
    x = Value(np.arange(6).reshape(2, 3), name="x")
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)
    assert (x.name, x.op, x.parents) == ("x", "", ())
    assert x.data.dtype == np.float64
    assert x.T.shape == (3, 2)
    y = x + 1
    assert (y.name, y.op, y.parents) == ("", "+", (x,))


def test_a_number_is_a_float_to_look_at():
    x = Value(2)
    assert str(x.data) == repr(x.data) == "2.0"
    assert type((x * 3).data) is type(x.data) is float
    x.data -= 1
    assert x.data == 1.0
    assert (x.shape, x.ndim, x.size, x.item(), float(x)) == ((), 0, 1, 1.0, 1.0)
    assert Value([[3.0]]).item() == 3.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(2.0), "Value(2.0)"),
        (Value(2.0, name="x"), "Value(2.0, name='x')"),
        (Value([1.0, 2.5]), "Value([1. , 2.5])"),
        (Value([1.0], name="w") * 2, "Value([2.])"),
        (Value([[1.0, 2.5], [3.0, 4.0]]), "Value([[1. , 2.5],\n       [3. , 4. ]])"),
    ],
)
def test_what_is_shown(value, text):
    assert repr(value) == str(value) == text


def test_format():
    x = Value(2.0, name="x")
    assert f"{x * 1.23456:.3f} {Value([[0.5]]):5.1%} {x}" == "2.469 50.0% Value(2.0, name='x')"
    with pytest.raises(ValueError, match="size 1"):
        f"{Value([1.0, 2.0]):.3f}"


def test_plus_is_the_value_itself():
    x = Value(2.0)
    assert +x is x


def test_comparisons_are_plain_and_elementwise():
    x, y = Value([1.0, 2.0, 3.0]), Value(2.0)
    assert (x > y).tolist() == (y < x).tolist() == (x > 2).tolist() == [False, False, True]
    assert (x >= 2).tolist() == (np.array(2) <= x).tolist() == [False, True, True]
    assert (x <= [1, 1, 9]).tolist() == [True, False, True]
    assert (x == y).tolist() == [False, True, False]
    assert (x != y).tolist() == [True, False, True]
    assert (y == 2) is True
    assert (y != 2) is (y < 2) is (y == None) is False  # noqa: E711
    assert max(y, Value(3.0), Value(1.0)).data == 3
    assert Value(1.0)
    assert not Value(0.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)


def test_a_value_is_its_own_key():
    x, twin_of_x = Value(1.0), Value(1.0)
    assert len({x, twin_of_x}) == 2
    assert {x: "x", twin_of_x: "twin"}[x] == "x"


COPIES = [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))]


@pytest.mark.parametrize("copied", COPIES)
def test_a_leaf_can_be_copied(copied):
    x = Value([1.0, 2.0], name="x")
    x.sum().backward()
    y = copied(x)
    y.data -= 1
    assert (x.data.tolist(), y.data.tolist(), y.name) == ([1, 2], [0, 1], "x")
    assert y.grad is None
    z = y * copied(Value(3.0))
    z.backward([1, 1])
    assert y.grad.tolist() == [3, 3]
    with pytest.raises(TypeError, match=r"got the result of \* with shape \(2,\): detach\(\) it"):
        copied(z)
    assert copied(z.detach()).data.tolist() == [0, 3]


REFUSED = ["text", None, 1j, object(), np.array(["a"]), np.array([1j]), {"a": 1}]


@pytest.mark.parametrize("thing", REFUSED, ids=lambda thing: type(thing).__name__)
def test_refuse_what_is_no_real_number(thing):
    with pytest.raises(TypeError, match="expected real numbers, got"):
        Value(thing)
    x = Value([1.0, 2.0])
    for op in ("+", "-", "*", "/", "**"):
        for pair in ((x, thing), (thing, x)):
            with pytest.raises(TypeError):
                BINARY[op][0](*pair)
    with pytest.raises(TypeError, match="expected real numbers"):
        x.data = thing


def test_refuse_numpy_functions_of_a_value():
    x = Value([1.0, 2.0])
    for function in (np.exp, np.asarray, np.array, lambda v: np.stack([v, v]), np.isnan):
        with pytest.raises(TypeError, match=r"Value"):
            function(x)
    with pytest.raises(TypeError, match=r"its numbers are in \.data"):
        np.zeros(3)[x]
    for things in ([x, x], [Value(1.0), 2.0]):
        with pytest.raises(TypeError, match="stack joins values"):
            Value(things)
    for function in (np.sum, np.mean, np.max, np.min):
        with pytest.raises(
            TypeError, match=rf"np\.{function.__name__}, got a Value: it has methods"
        ):
            function(x)


def test_refuse_conditions_and_axes_of_other_types():
    x = Value([1.0, 2.0])
    for condition in ([1.0, 0.0], np.array([1, 0]), [], 1):
        with pytest.raises(
            TypeError, match=r"truth values, got condition\.dtype=\w+, condition\.shape=\("
        ):
            where(condition, x, x)
    with pytest.raises(TypeError, match="to join along, got axis=None"):
        concatenate([x, x], axis=None)


def test_refuse_the_rows_and_length_of_one_number():
    for function in (len, list):
        with pytest.raises(TypeError, match="a Value that is one number"):
            function(Value(1.0))
    for function in (float, Value.item):
        with pytest.raises(ValueError, match="size 1"):
            function(Value([1.0, 2.0]))


def test_shapes_that_do_not_fit_are_an_error_at_once():
    x = Value(np.ones((2, 3)))
    with pytest.raises(ValueError, match="broadcast"):
        x + Value(np.ones(2))
    with pytest.raises(ValueError, match="mismatch"):
        x @ x


# On top of it: micrograd


def readme(Value):
    """Return the example that micrograd's page shows."""
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return a, b, g


def test_the_example_of_micrograd():
    results = []
    for kind in (Value, micrograd.engine.Value):
        a, b, g = readme(kind)
        g.backward()
        results.append((g.data, a.grad, b.grad))
    np.testing.assert_allclose(*results, rtol=1e-14)
    assert results[0] == pytest.approx((24.7041, 138.8338, 645.5773), abs=5e-5)


def train(module, inputs, y, mean):
    """Train micrograd's own network for three steps, as its demo does, and return the losses."""
    random.seed(0)
    model = module.nn.MLP(2, [4, 1])
    losses = []
    for _ in range(3):
        loss = mean(model, inputs, y) + 1e-2 * sum(p * p for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        losses.append(loss.data)
    return losses, [p.data for p in model.parameters()]


def test_the_network_of_micrograd_on_columns(monkeypatch):
    X, y = numbers((10, 2), 30), np.sign(numbers((10,), 31))

    def one_by_one(model, inputs, y):
        scores = [model(row) for row in inputs]
        losses = [(1 - yi * score).relu() for yi, score in zip(y, scores, strict=True)]
        return sum(losses) * (1 / len(losses))

    expected = train(micrograd, X.tolist(), y.tolist(), one_by_one)
    monkeypatch.setattr(micrograd.nn, "Value", Value)
    for columns in ([X[:, 0], X[:, 1]], [Value(X[:, 0]), Value(X[:, 1])]):
        found = train(micrograd, columns, y, lambda model, x, y: (1 - y * model(x)).relu().mean())
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
