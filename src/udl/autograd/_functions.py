"""Functions of several values."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool

from udl.autograd._rules import Array
from udl.autograd._value import Operand, Value, binary, constant, result


def maximum(left: Operand, right: Operand) -> Value:
    """Return the larger of each two numbers, broadcast against each other.

    Parameters
    ----------
    left, right : values, numbers or arrays
        What to compare.

    Returns
    -------
    Value
        Where both are equal, each gets half of the gradient.

    Examples
    --------
    >>> maximum(Value([1.0, 5.0]), 3.0)
    Value([3., 5.])
    """
    return binary("maximum", left, right)


def minimum(left: Operand, right: Operand) -> Value:
    """Return the smaller of each two numbers, broadcast against each other.

    Parameters
    ----------
    left, right : values, numbers or arrays
        What to compare.

    Returns
    -------
    Value
        Where both are equal, each gets half of the gradient.

    Examples
    --------
    >>> minimum(Value([1.0, 5.0]), 3.0)
    Value([1., 3.])
    """
    return binary("minimum", left, right)


def where(
    condition: Bool[np.ndarray, "..."] | np.bool_ | bool, left: Operand, right: Operand
) -> Value:
    """Return numbers of `left` where the condition holds, else those of `right`.

    Parameters
    ----------
    condition : truth values
        Such as a comparison of values gives.
    left, right : values, numbers or arrays
        What to choose from, broadcast against each other and the condition.

    Returns
    -------
    Value
        Each number's gradient goes to the side that it came from; the other side gets 0.

    Raises
    ------
    TypeError
        If the condition does not hold truth values.

    Notes
    -----
    Both sides are computed. Where the slope of the side that is not taken is infinite, 0 times
    it is NaN, in PyTorch too: ``where(x > 0, x, 1.0).log()`` has no such trouble, the logarithm
    inside does.

    Examples
    --------
    >>> x = Value([-1.0, 2.0])
    >>> where(x > 0, x, 0.1 * x)
    Value([-0.1,  2. ])
    """
    condition = np.asarray(condition)
    if condition.dtype != bool:
        raise TypeError(
            "expected truth values, "
            f"got condition.dtype={condition.dtype}, condition.shape={condition.shape}"
        )
    y: Array = np.where(condition, _numbers(left), _numbers(right))
    rules = [partial(_masked, condition), partial(_masked, ~condition)]
    return _gathered("where", y[()], [left, right], rules)


def concatenate(values: Iterable[Operand], axis: int = 0) -> Value:
    """Join values along an axis that they have.

    Parameters
    ----------
    values : values or arrays
        Their shapes may differ along the axis.
    axis : int
        Along which axis to join.

    Returns
    -------
    Value
        The parts one after the other.

    Raises
    ------
    TypeError
        If the axis is None: ``reshape(-1)`` the parts first.

    Examples
    --------
    >>> concatenate([Value([1.0, 2.0]), [3.0]])
    Value([1., 2., 3.])
    """
    if axis is None:
        raise TypeError("expected the number of an axis to join along, got axis=None")
    values = list(values)
    parts = [_numbers(value) for value in values]
    y = np.concatenate(parts, axis=axis)
    before = (slice(None),) * (axis % y.ndim)
    ends = np.cumsum([part.shape[axis] for part in parts])
    rules = [
        partial(_taken, (*before, slice(end - part.shape[axis], end)))
        for part, end in zip(parts, ends, strict=True)
    ]
    return _gathered("concatenate", y, values, rules)


def stack(values: Iterable[Operand], axis: int = 0) -> Value:
    """Join values of one shape along a new axis.

    Parameters
    ----------
    values : values, numbers or arrays
        All of one shape.
    axis : int
        Where the new axis goes.

    Returns
    -------
    Value
        With one axis more than each value.

    Examples
    --------
    >>> stack([Value(1.0), 2.0])
    Value([1., 2.])
    """
    values = list(values)
    y = np.stack([_numbers(value) for value in values], axis=axis)
    before = (slice(None),) * (axis % y.ndim)
    rules = [partial(_taken, (*before, k)) for k in range(len(values))]
    return _gathered("stack", y, values, rules)


def _gathered(op: str, y: Array, operands: Sequence[Operand], rules: Sequence[Any]) -> Value:
    """Make the result of operands with a rule each; those that are constants need none."""
    known = [(v, rule) for v, rule in zip(operands, rules, strict=True) if isinstance(v, Value)]
    return result(y, op, tuple(v for v, _ in known), tuple(rule for _, rule in known), ())


def _numbers(operand: Operand) -> Array:
    return operand._data if isinstance(operand, Value) else constant(operand)


def _masked(condition: Any, g: Array) -> Array:
    return np.where(condition, g, 0.0)[()]


def _taken(index: tuple[Any, ...], g: Array) -> Array:
    return g[index]
