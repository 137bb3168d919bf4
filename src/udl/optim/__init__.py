r"""Optimizers: from a gradient to a step, and from steps to a path.

An optimizer makes a state with ``init(phi)``. Then ``step(phi, gradient, state)`` returns the next
parameters and the next state, as often as one likes:

>>> import numpy as np
>>> optimizer = gradient_descent(alpha=0.25)
>>> phi = np.array([4.0, -2.0])
>>> state = optimizer.init(phi)
>>> for _ in range(2):
...     gradient = 2 * phi
...     phi, state = optimizer.step(phi, gradient, state)
>>> phi
array([ 1. , -0.5])

Parameters phi are an array, or lists, tuples, named tuples and dicts of arrays, however deep; so a
:class:`udl.deep.Layers` will do. A gradient has the same structure and shapes. Parameters are
float64 or float32, and keep their type: averages and arithmetic are of that type too.

A learning rate alpha is a number, or a schedule: a function of t, the number of steps taken so
far, t = 0, 1, .... In this module alone, beta and gamma are decay rates: the share of a running
average that survives a step.
"""

from udl.optim._core import Optimizer, State
from udl.optim._paths import LineSearch, batches, descend, line_search, sgd
from udl.optim._rules import adam, adamw, gradient_descent, momentum, nesterov, rmsprop
from udl.optim._schedules import cosine_schedule, step_schedule

__all__ = [
    "LineSearch",
    "Optimizer",
    "State",
    "adam",
    "adamw",
    "batches",
    "cosine_schedule",
    "descend",
    "gradient_descent",
    "line_search",
    "momentum",
    "nesterov",
    "rmsprop",
    "sgd",
    "step_schedule",
]
