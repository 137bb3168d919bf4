"""The graph as plain data."""

from typing import NamedTuple

from udl.autograd._rules import BINARY
from udl.autograd._value import Shown, Value, ancestors


class Node(NamedTuple):
    """One value of a graph: number, name, operation, the numbers of its parents, what it holds.

    ``op`` is empty for a leaf. A constant is part of it, as in ``"** 2"``. ``data`` and ``grad``
    are copies, floats or arrays; ``grad`` is None before a backward pass.
    """

    index: int  # type: ignore[assignment]  # a tuple's method of this name is not needed
    name: str
    op: str
    parents: tuple[int, ...]
    data: Shown
    grad: Shown | None


class Trace(NamedTuple):
    """A graph: its nodes in the order of computation, each after its parents, the root last."""

    nodes: tuple[Node, ...]


def trace(root: Value) -> Trace:
    """Return the graph of all that `root` was computed from, as data.

    Parameters
    ----------
    root : Value
        The result, such as a loss.

    Returns
    -------
    Trace
        Each value once. The backward pass visits the nodes in reverse order.

    Examples
    --------
    >>> x = Value(3.0, name="x")
    >>> y = x * x + 1
    >>> y.backward()
    >>> for node in trace(y).nodes:
    ...     print(node.index, node.name or node.op, node.parents, node.data, node.grad)
    0 x () 3.0 6.0
    1 * (0, 0) 9.0 1.0
    2 + 1 (1,) 10.0 1.0
    """
    values = ancestors(root)
    index = {value: k for k, value in enumerate(values)}
    return Trace(
        tuple(
            Node(
                index[value],
                value.name,
                _operation(value),
                tuple(index[parent] for parent in value.parents),
                value.detach().data,
                None if value.grad is None else Value(value.grad).data,
            )
            for value in values
        )
    )


def _operation(value: Value) -> str:
    """Return the operation with its constant, if it has one, on the side where it stood."""
    if value.op not in BINARY or len(value.parents) == 2:
        return value.op
    left, right, _ = value._saved
    known_left = value._rules[0] is BINARY[value.op][1][0]
    number = right if known_left else left
    constant = "array" if number.ndim else f"{number:g}"
    return f"{value.op} {constant}" if known_left else f"{constant} {value.op}"
