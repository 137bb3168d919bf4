"""The graph: values that remember what they were computed from, and the way back."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from operator import attrgetter
from typing import Any, TypeAlias, Union

import numpy as np
from jaxtyping import Bool, Float, Real
from numpy.typing import NDArray

from udl.autograd._rules import (
    BINARY,
    UNARY,
    Array,
    Axes,
    Rule,
    d_extreme,
    d_index,
    d_mean,
    d_reshape,
    d_sum,
    d_transpose,
    unbroadcast,
)

Plain: TypeAlias = (
    float | int | Real[np.ndarray, "..."] | Bool[np.ndarray, "..."] | np.generic | Sequence[Any]
)
Operand: TypeAlias = Union["Value", Plain]
Shown: TypeAlias = Float[np.ndarray, "..."] | float
Truth: TypeAlias = Bool[np.ndarray, "..."] | bool

_clock = count(1)  # ticks when a value is made and when its data are written
_recording = True
_detecting = False


class Value:
    """A number or an array of numbers that remembers what it was computed from.

    Parameters
    ----------
    data : number or array of any shape
        Real numbers; they are copied, as float64. Those of another value are copied, too: no
        gradient goes back to it.
    name : str
        What to call it in error messages and in a drawing of the graph.

    Raises
    ------
    TypeError
        If the data are not real numbers.

    Notes
    -----
    A value that you make is a *leaf*. Its ``data`` may be assigned, also by ``-=``; the shape
    stays. A value that is computed is a *result*. Its arrays are read-only. After ``-=``, ``data``
    is the same array as before: to keep a history, append ``w.data.copy()``.

    A leaf can be copied and pickled, without its gradient; a result after :meth:`detach`.

    Operations are those of NumPy: ``+ - * / ** @``, ``value[index]``, and the methods below.
    Comparisons give plain truth values, ``==`` too, elementwise and without a gradient. A value
    is its own key in a dict or set.

    Examples
    --------
    >>> w = Value([1.0, -2.0], name="w")
    >>> loss = ((3 * w + 1) ** 2).sum()
    >>> loss
    Value(41.0)
    >>> loss.backward()
    >>> w.grad
    array([ 24., -30.])
    >>> w.data -= 0.1 * w.grad
    >>> w
    Value([-1.4,  1. ], name='w')
    """

    __slots__ = (
        "_data",
        "_grad",
        "_parents",
        "_rules",
        "_saved",
        "_time",
        "_written",
        "name",
        "op",
    )
    __array_ufunc__ = None  # `array + value` is then left to Value.__radd__
    __hash__ = object.__hash__

    def __init__(self, data: Operand, name: str = "") -> None:
        self._data: NDArray[np.float64] = _copy(data)
        self._grad: Any = None
        self._parents: tuple[Value, ...] = ()
        self._rules: tuple[Rule, ...] = ()  # one a parent
        self._saved: tuple[Any, ...] = ()  # what the rules need besides the gradient
        self._time = next(_clock)  # parents are always older
        self._written = 0  # when data were last assigned
        self.name = name
        self.op = ""  # none: a leaf

    @property
    def data(self) -> Shown:
        """The numbers: a float, or a float64 array."""
        return _shown(self._data, read_only=bool(self._parents))

    @data.setter
    def data(self, data: Plain) -> None:
        if self._parents:
            raise RuntimeError(f"expected a leaf to assign data to, got {label(self)}")
        if data is not self._data:  # after `value.data -= ...` it is the same array
            numbers = _copy(data)
            if numbers.shape != self.shape:
                raise ValueError(f"expected data for {label(self)}, got shape {numbers.shape}")
            self._data = numbers
        self._written = next(_clock)

    @property
    def grad(self) -> Shown | None:
        """The gradient: None before the first backward pass, then like ``data``."""
        return None if self._grad is None else _shown(self._grad, read_only=bool(self._parents))

    @grad.setter
    def grad(self, grad: Plain | None) -> None:
        g = None if grad is None else _copy(grad)
        if g is not None and g.shape != self._data.shape:
            if g.ndim or g != 0:  # a plain 0 stands for zeros of any shape
                raise ValueError(f"expected a gradient for {label(self)}, got shape {g.shape}")
            g = np.zeros(self.shape)
        self._grad = g

    @property
    def parents(self) -> tuple["Value", ...]:
        """The values that this one was computed from; none for a leaf."""
        return self._parents

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of numbers."""
        return self._data.size

    @property
    def T(self) -> "Value":
        """The value with its axes reversed."""
        return self.transpose()

    def backward(self, seed: Plain | None = None) -> None:
        r"""Add to ``grad``, here and in all that this came from, the derivative of this value.

        The chain rule, from the result back to the leaves: the gradient of a value v is the sum
        over all values y that were computed from it,

        .. math:: \frac{\partial L}{\partial v} = \sum_{y}
            \frac{\partial L}{\partial y} \frac{\partial y}{\partial v}

        Parameters
        ----------
        seed : array of the shape of this value, optional
            The derivative of the loss with respect to this value; 1 for a single number.

        Raises
        ------
        ValueError
            If this is not a single number and no seed is given, or the seed has another shape.
        RuntimeError
            If data were assigned to a leaf since the forward pass that used them.
        FloatingPointError
            If a gradient becomes NaN within :func:`detect_nan`.

        Notes
        -----
        Gradients accumulate, over several results and over several passes through one graph, until
        they are set to None or 0. If an error is raised, no gradient has changed.

        References
        ----------
        UDL chapter 7.
        """
        gradient = {self: _seed(self, seed)}  # of this pass alone; v.grad may hold earlier ones
        for node in reversed(ancestors(self)):  # its gradient is complete: all results came before
            g = gradient[node]
            for parent, rule in zip(node._parents, node._rules):  # noqa: B905 (strict is slow)
                if parent._written > node._time:
                    raise RuntimeError(
                        f"{label(parent)} got new data after {label(node)} was computed from it: "
                        "run the forward pass again"
                    )
                part = rule(g, *node._saved)
                if part.shape != parent._data.shape:
                    part = unbroadcast(part, parent._data.shape)
                others = gradient.get(parent)
                if others is not None:
                    part = others + part
                if _detecting:
                    _look_for_nan(part, parent, f"back from {label(node)}")
                gradient[parent] = part
        totals = [  # results may share an array; a leaf has its own, to be changed in place
            node._grad + g if node._grad is not None else g if node._parents else g.copy()
            for node, g in gradient.items()
        ]
        if _detecting:
            for node, g in zip(gradient, totals, strict=True):
                _look_for_nan(g, node, "with that of earlier passes")
        for node, g in zip(gradient, totals, strict=True):  # from here on nothing can fail
            node._grad = g

    def __add__(self, other: Operand) -> "Value":
        return binary("+", self, other)

    def __radd__(self, other: Operand) -> "Value":
        return binary("+", other, self)

    def __sub__(self, other: Operand) -> "Value":
        return binary("-", self, other)

    def __rsub__(self, other: Operand) -> "Value":
        return binary("-", other, self)

    def __mul__(self, other: Operand) -> "Value":
        return binary("*", self, other)

    def __rmul__(self, other: Operand) -> "Value":
        return binary("*", other, self)

    def __truediv__(self, other: Operand) -> "Value":
        return binary("/", self, other)

    def __rtruediv__(self, other: Operand) -> "Value":
        return binary("/", other, self)

    def __pow__(self, other: Operand) -> "Value":
        return binary("**", self, other)

    def __rpow__(self, other: Operand) -> "Value":
        return binary("**", other, self)

    def __matmul__(self, other: Operand) -> "Value":
        return binary("@", self, other)

    def __rmatmul__(self, other: Operand) -> "Value":
        return binary("@", other, self)

    def __pos__(self) -> "Value":
        return self

    def __neg__(self) -> "Value":
        return unary("neg", self)

    def __abs__(self) -> "Value":
        return unary("abs", self)

    def abs(self) -> "Value":
        """Return the absolute value of each number."""
        return unary("abs", self)

    def exp(self) -> "Value":
        """Return e to the power of each number."""
        return unary("exp", self)

    def log(self) -> "Value":
        """Return the natural logarithm of each number."""
        return unary("log", self)

    def sqrt(self) -> "Value":
        """Return the square root of each number."""
        return unary("sqrt", self)

    def sin(self) -> "Value":
        """Return the sine of each number."""
        return unary("sin", self)

    def cos(self) -> "Value":
        """Return the cosine of each number."""
        return unary("cos", self)

    def relu(self) -> "Value":
        """Return each number, or 0 where it is negative."""
        return unary("relu", self)

    def tanh(self) -> "Value":
        """Return the hyperbolic tangent of each number."""
        return unary("tanh", self)

    def sigmoid(self) -> "Value":
        """Return 1 / (1 + e^-z) for each number z."""
        return unary("sigmoid", self)

    def softplus(self) -> "Value":
        """Return log(1 + e^z) for each number z."""
        return unary("softplus", self)

    def sum(self, axis: Axes = None, keepdims: bool = False) -> "Value":
        """Return the sum of all numbers, or of those along one axis or several."""
        a = self._data
        y = a.sum(axis=axis, keepdims=keepdims)
        return result(y, "sum", (self,), (d_sum,), (a.shape, axis, keepdims))

    def mean(self, axis: Axes = None, keepdims: bool = False) -> "Value":
        """Return the mean of all numbers, or of those along one axis or several."""
        a = self._data
        total = a.sum(axis=axis, keepdims=keepdims)
        count = a.size / max(total.size, 1)
        saved = (count, a.shape, axis, keepdims)
        return result(total / count, "mean", (self,), (d_mean,), saved)

    def max(self, axis: Axes = None, keepdims: bool = False) -> "Value":
        """Return the largest of all numbers, or of those along one axis or several."""
        a = self._data
        y = a.max(axis=axis, keepdims=keepdims)
        return result(y, "max", (self,), (d_extreme,), (a, y, axis, keepdims))

    def min(self, axis: Axes = None, keepdims: bool = False) -> "Value":
        """Return the smallest of all numbers, or of those along one axis or several."""
        a = self._data
        y = a.min(axis=axis, keepdims=keepdims)
        return result(y, "min", (self,), (d_extreme,), (a, y, axis, keepdims))

    def reshape(self, *shape: int | Sequence[int]) -> "Value":
        """Return the numbers in another shape; a length of -1 is worked out."""
        a = self._data
        lengths: Any = shape[0] if len(shape) == 1 else shape
        y = _part(self, a.reshape(lengths))
        return result(y, "reshape", (self,), (d_reshape,), (a.shape,))

    def transpose(self, *axes: int | Sequence[int]) -> "Value":
        """Return the value with its axes in the order given, by default reversed."""
        a = self._data
        order = np.ravel(axes) if axes else np.arange(a.ndim)[::-1]
        y = _part(self, np.transpose(a, order))
        back = np.argsort(order % max(a.ndim, 1))
        return result(y, "transpose", (self,), (d_transpose,), (back,))

    def __getitem__(self, index: Any) -> "Value":
        a = self._data
        return result(_part(self, a[index]), "index", (self,), (d_index,), (a.shape, index))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("expected an axis, got a Value that is one number: it has no length")
        return len(self._data)

    def __iter__(self) -> Iterator["Value"]:
        return (self[row] for row in range(len(self)))

    def detach(self) -> "Value":
        """Return a leaf with a copy of the numbers: gradients do not come back through it."""
        return Value(self, self.name)

    def item(self) -> float:
        """Return the one number as a float, a constant: no gradient comes back through it."""
        return float(self._data.item())

    __float__ = item

    def __bool__(self) -> bool:
        return bool(self._data)

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]
        return _compared(self._data == _bare(other))

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]
        return _compared(self._data != _bare(other))

    def __lt__(self, other: Operand) -> Truth:
        return _compared(self._data < _bare(other))

    def __le__(self, other: Operand) -> Truth:
        return _compared(self._data <= _bare(other))

    def __gt__(self, other: Operand) -> Truth:
        return _compared(self._data > _bare(other))

    def __ge__(self, other: Operand) -> Truth:
        return _compared(self._data >= _bare(other))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "expected plain numbers, got a Value: its numbers are in .data; stack joins values"
        )

    def __array_function__(self, function: Any, *_: Any) -> Any:
        raise TypeError(
            f"expected plain numbers in np.{function.__name__}, got a Value: it has methods, such "
            "as .sum(), and its numbers are in .data; stack and concatenate join values"
        )

    def __reduce__(self) -> tuple[type["Value"], tuple[Shown, str]]:
        if self._parents:
            raise TypeError(f"expected a leaf to copy or pickle, got {label(self)}: detach() it")
        return Value, (self.data, self.name)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        text = str(self.data)
        if self.ndim:
            text = np.array2string(self._data, separator=", ", prefix="Value(")
        return f"Value({text}, name={self.name!r})" if self.name else f"Value({text})"


def binary(op: str, left: Operand, right: Operand) -> Value:
    """Compute an operation of the table BINARY; what is not a value is a constant."""
    operation, rules = BINARY[op]
    a = left._data if isinstance(left, Value) else constant(left)
    b = right._data if isinstance(right, Value) else constant(right)
    y = operation(a, b)
    if not isinstance(right, Value):
        parents = (left,) if isinstance(left, Value) else ()
        return result(y, op, parents, rules[: len(parents)], (a, b, y))
    if not isinstance(left, Value):
        return result(y, op, (right,), rules[1:], (a, b, y))
    return result(y, op, (left, right), rules, (a, b, y))


def unary(op: str, value: Value) -> Value:
    """Compute an operation of the table UNARY."""
    operation, rule = UNARY[op]
    a = value._data
    y = operation(a)
    return result(y, op, (value,), (rule,), (a, y))


def result(
    data: Array,
    op: str,
    parents: tuple[Value, ...],
    rules: tuple[Rule, ...],
    saved: tuple[Any, ...],
) -> Value:
    """Make the value of a result, and with it the node of the graph."""
    if _detecting and np.isnan(data).any():
        raise FloatingPointError(
            f"NaN in the result of {op}, from {' and '.join(map(label, parents)) or 'constants'}"
        )
    if not (_recording and parents):
        return Value(data)
    value: Value = object.__new__(Value)  # __init__ would copy the data
    value._data = data
    value._grad = None
    value._parents = parents
    value._rules = rules
    value._saved = saved
    value._time = next(_clock)
    value._written = 0
    value.name = ""
    value.op = op
    return value


def ancestors(root: Value) -> list[Value]:
    """Return the root and all that it was computed from, once each, the oldest first."""
    found = {root}
    values = [root]
    for value in values:  # the list grows while it is walked: no recursion, however deep
        for parent in value._parents:
            if parent not in found:
                found.add(parent)
                values.append(parent)
    values.sort(key=attrgetter("_time"))  # who is younger than all parents comes after them
    return values


def constant(data: Plain) -> Array:
    """Return plain numbers as float64, without a copy where that is possible."""
    if isinstance(data, (float, int)):
        return np.float64(data)
    array = np.asarray(data)
    if array.dtype.kind not in "fiub":
        kind = f"{type(data).__name__} of dtype {array.dtype}"
        raise TypeError(f"expected real numbers, got {kind}")
    return array.astype(np.float64, copy=False)[()]


def label(value: Value) -> str:
    """Say which value it is, for an error message."""
    name = f" {value.name!r}" if value.name else ""
    kind = f"result{name} of {value.op}" if value.op else f"leaf{name}"
    return f"the {kind} with shape {value.shape}"


def _part(value: Value, numbers: Array) -> Array:
    """Return a part of the numbers of a value: of a leaf a copy, for its array may change."""
    return numbers[()] if value._parents else numbers.copy()[()]


def _copy(data: Operand) -> Array:
    numbers = data._data if isinstance(data, Value) else constant(data)
    return numbers.copy() if isinstance(numbers, np.ndarray) else numbers


def _seed(root: Value, seed: Plain | None) -> Array:
    """Return the gradient of the root with respect to itself, where the backward pass begins."""
    if seed is not None:
        g = _copy(seed)
        if g.shape != root.shape:
            raise ValueError(f"expected a seed for {label(root)}, got shape {g.shape}")
        if _detecting:
            _look_for_nan(g, root, "the seed")
        return g
    if root.size != 1:
        raise ValueError(f"expected a root that is one number, or a seed, got {label(root)}")
    return np.ones(root.shape)[()]


def _look_for_nan(g: Array, value: Value, where: str) -> None:
    if np.isnan(g).any():
        raise FloatingPointError(f"NaN in the gradient of {label(value)}, {where}")


def _shown(numbers: Any, read_only: bool) -> Shown:
    """Return what a user sees: a float in place of an np.float64; arrays of results locked."""
    if isinstance(numbers, np.float64):
        return float(numbers)
    if read_only and isinstance(numbers, np.ndarray):
        numbers.setflags(write=False)
    shown: Shown = numbers
    return shown


def _bare(other: object) -> Any:
    return other._data if isinstance(other, Value) else other


def _compared(truth: Any) -> Truth:
    return truth if isinstance(truth, np.ndarray) else bool(truth)


def zero_grad(values: Iterable[Value] | Value) -> None:
    """Forget gradients: set ``grad`` of each value to None.

    Parameters
    ----------
    values : values, or one
        Usually the parameters, before a backward pass.

    Examples
    --------
    >>> x = Value(2.0)
    >>> (x * x).backward()
    >>> zero_grad([x])
    >>> x.grad is None
    True
    """
    for value in [values] if isinstance(values, Value) else values:
        value.grad = None


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording a graph: all results are leaves.

    Examples
    --------
    >>> x = Value(2.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y, y.parents
    (Value(4.0), ())
    """
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before


@contextmanager
def detect_nan() -> Iterator[None]:
    """Raise FloatingPointError where the first NaN comes up, on the way forward or back.

    The message names the operation and what it worked on. NumPy's own warning of an invalid value
    is off meanwhile.

    Examples
    --------
    >>> x = Value(-1.0, name="x")
    >>> with detect_nan():
    ...     x.log()
    Traceback (most recent call last):
        ...
    FloatingPointError: NaN in the result of log, from the leaf 'x' with shape ()
    """
    global _detecting
    before, _detecting = _detecting, True
    try:
        with np.errstate(invalid="ignore"):
            yield
    finally:
        _detecting = before
