"""What each operation computes, and its derivatives: arrays in, arrays out, no graph.

In a rule, y = operation(a, b) is the result and g the gradient of the root with respect to y. The
rule returns the gradient with respect to one operand: g times the derivative of y. If
broadcasting repeated an operand, what a rule returns has the shape of y: the backward pass sums
it (:func:`unbroadcast`), so that no rule needs to.

A number without axes is an np.float64, never an array of shape (): ``[()]`` turns one into the
other. Arithmetic with np.float64 is quicker, and they have the attributes of an array.
"""

from collections.abc import Callable
from operator import add, matmul, mul, pow, sub, truediv
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from udl.activations import sigmoid, softplus

if TYPE_CHECKING:
    Array: TypeAlias = Any  # no type that NumPy has lets an np.float64 stand in for an array
else:
    Array = Float[np.ndarray, "..."] | np.float64
Axes: TypeAlias = int | tuple[int, ...] | None
Rule: TypeAlias = Callable[..., Array]


def _sigmoid(a: Array) -> Array:
    return sigmoid(np.asarray(a))[()]


def _softplus(a: Array) -> Array:
    return softplus(np.asarray(a))[()]


def _times(g: Array, other: Array, operand: Array) -> Array:
    """Multiply; where one operand served a vector of others, sum the products at once."""
    if g.ndim == 1 and operand.ndim == 0:
        return g.dot(other)  # several times as fast as to multiply, then sum
    return g * other


def _power_base(g: Array, a: Array, b: Array, y: Array) -> Array:
    if b.ndim or b == 0:
        g = np.where(b == 0, 0.0, g)[()]  # a^0 is flat, also where a is 0 or g infinite
    return g * (b * a ** (b - (b != 0)))


def _power_exponent(g: Array, a: Array, b: Array, y: Array) -> Array:
    flat = (a == 0) & (b >= 0)  # 0^b stays 0
    return np.where(flat, 0.0, g)[()] * (y * np.log(np.where(flat, 1.0, a)[()]))


def _matmul_left(g: Array, a: Array, b: Array, y: Array) -> Array:
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ b.swapaxes(-1, -2)


def _matmul_right(g: Array, a: Array, b: Array, y: Array) -> Array:
    if a.ndim == 1:
        return a * g if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return (a.swapaxes(-1, -2) @ g[..., None])[..., 0]
    return a.swapaxes(-1, -2) @ g


def _if_larger(g: Array, a: Array, b: Array) -> Array:
    """Choose g where a > b, 0 where a < b, and where they tie a half, so that both share."""
    return np.where(a < b, 0.0, np.where(a == b, 0.5 * g, g))[()]


def _relu(g: Array, a: Array, y: Array) -> Array:
    """Choose g where y is not 0: to multiply by 0 would make NaN of an infinite g."""
    if y.ndim:
        return np.where(y, g, y)
    return g if y else y


# operation(a, b), and the rules for a and for b
BINARY: dict[str, tuple[Callable[..., Array], tuple[Rule, Rule]]] = {
    "+": (add, (lambda g, a, b, y: g, lambda g, a, b, y: g)),
    "-": (sub, (lambda g, a, b, y: g, lambda g, a, b, y: -g)),
    "*": (mul, (lambda g, a, b, y: _times(g, b, a), lambda g, a, b, y: _times(g, a, b))),
    "/": (truediv, (lambda g, a, b, y: g / b, lambda g, a, b, y: -(g / b) * y)),
    "**": (pow, (_power_base, _power_exponent)),
    "@": (matmul, (_matmul_left, _matmul_right)),
    "maximum": (
        np.maximum,
        (lambda g, a, b, y: _if_larger(g, a, b), lambda g, a, b, y: _if_larger(g, b, a)),
    ),
    "minimum": (
        np.minimum,
        (lambda g, a, b, y: _if_larger(g, b, a), lambda g, a, b, y: _if_larger(g, a, b)),
    ),
}

# operation(a), the rule for a
UNARY: dict[str, tuple[Rule, Rule]] = {
    "neg": (np.negative, lambda g, a, y: -g),
    "abs": (np.abs, lambda g, a, y: g * np.sign(a)),
    "exp": (np.exp, lambda g, a, y: g * y),
    "log": (np.log, lambda g, a, y: g / a),
    "sqrt": (np.sqrt, lambda g, a, y: 0.5 * g / y),
    "sin": (np.sin, lambda g, a, y: g * np.cos(a)),
    "cos": (np.cos, lambda g, a, y: -g * np.sin(a)),
    "relu": (lambda a: np.maximum(a, 0.0), _relu),
    "tanh": (np.tanh, lambda g, a, y: g * (1 - y * y)),
    "sigmoid": (_sigmoid, lambda g, a, y: g * y * (1 - y)),
    "softplus": (_softplus, lambda g, a, y: g * _sigmoid(a)),
}


def d_sum(g: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """Repeat g along the axes that were summed: each number went into its sum as it is."""
    if axis is not None and not keepdims:
        g = np.expand_dims(g, axis)
    repeated = np.empty(shape)
    repeated[...] = g
    return repeated[()]


def d_mean(g: Array, count: float, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """Share g evenly among the `count` numbers of each mean."""
    return d_sum(g, shape, axis, keepdims) / count


def d_extreme(g: Array, a: Array, y: Array, axis: Axes, keepdims: bool) -> Array:
    """Give g to the number that was the largest, or smallest; those that tie share it evenly."""
    best = (a == d_sum(y, a.shape, axis, keepdims)) | np.isnan(a)  # NaN, where there is one
    count = np.add.reduce(best, axis=axis, keepdims=True)
    return np.where(best, d_sum(g, a.shape, axis, keepdims) / count, 0.0)[()]


def d_reshape(g: Array, shape: tuple[int, ...]) -> Array:
    """Bring g back into the shape from before."""
    return np.reshape(g, shape)[()]


def d_transpose(g: Array, back: Any) -> Array:
    """Bring the axes of g back into the order from before."""
    return np.transpose(g, back)[()]


def d_index(g: Array, shape: tuple[int, ...], index: Any) -> Array:
    """Put g where the numbers were taken from; one that was taken twice gets both gradients."""
    full = np.zeros(shape)
    parts = index if isinstance(index, tuple) else (index,)
    if all(isinstance(part, int | slice | None) or part is ... for part in parts):
        full[index] = g  # nothing is taken twice
    else:
        np.add.at(full, index, g)
    return full[()]


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum g over the axes along which broadcasting repeated an operand of the given shape."""
    if not shape:
        return g.sum()
    new = g.ndim - len(shape)  # axes that the operand did not have: they come first
    ones = [new + k for k, length in enumerate(shape) if length == 1]
    return g.sum(axis=(*range(new), *ones)).reshape(shape)
