"""Reverse-mode differentiation on a graph of NumPy arrays, numbers included.

A :class:`Value` holds a number or an array. What is computed from values is a value again, and
remembers what it came from. :meth:`Value.backward` walks that graph from a result back to the
leaves and leaves in each value's ``grad`` the derivative of the result with respect to it.

>>> x = Value(3.0, name="x")
>>> y = x * x + 2 * x
>>> y.backward()
>>> x.grad
8.0

To read how it works: the derivatives are the table at the top of ``_rules``, the backward pass is
``Value.backward`` in ``_value``, and the forward pass is ``result`` below it.

Numbers are float64. A plain number or array may stand on either side of an operation. It is a
constant: no gradient is computed for it. Plain arrays are not copied, so leave them as they are
until the backward pass is over. Data of a value are guarded: assigning to ``data``, also by
``-=``, between forward and backward pass makes the backward pass raise an error, and arrays of
results are read-only. The guard is stricter than that of PyTorch: it raises after any use of the
value, also where the derivative does not need its numbers, as in a sum. What nothing notices is
a number written into the array of a leaf, as in ``w.data[0] = 1``.

A gradient comes back through values alone, not through plain numbers made of them: ``Value(y)``
copies the numbers of ``y``, and ``float(y)`` and ``math.exp(y)`` are plain floats.

Where a function has a corner, PyTorch's subgradients are taken: ``relu`` and ``abs`` have slope 0
at 0, numbers that tie in ``max`` and ``min`` share the gradient evenly, as in ``torch.amax``, and
so do the two sides of :func:`maximum` and :func:`minimum`. What was not chosen gets 0, even of an
infinite gradient. NumPy's warnings, of a division by zero for instance, come through.

Nothing calls itself, so a graph may be as deep as memory allows. A graph has no reference cycles:
it is freed with the last name of its root. Thread safety is not promised: a graph, and
:func:`no_grad` and :func:`detect_nan`, belong to one thread.
"""

from udl.autograd._functions import concatenate, maximum, minimum, stack, where
from udl.autograd._trace import Node, Trace, trace
from udl.autograd._value import Value, detect_nan, no_grad, zero_grad

__all__ = [
    "Node",
    "Trace",
    "Value",
    "concatenate",
    "detect_nan",
    "maximum",
    "minimum",
    "no_grad",
    "stack",
    "trace",
    "where",
    "zero_grad",
]
