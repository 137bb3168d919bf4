"""What one does with optimizers: draw batches, take many steps, choose the length of one."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

from udl._check import count, finite, positive, same_shape
from udl.optim._core import Optimizer

# Takes phi, and here and there the rows to use, and returns the gradient there.
Gradient = Callable[..., Real[np.ndarray, "*shape"]]


def descend(
    gradient: Gradient,
    phi: Real[np.ndarray, "*shape"] | float | int,
    optimizer: Optimizer,
    steps: int,
) -> Float[np.ndarray, "_ *shape"]:
    r"""Take steps, and record the path.

    Parameters
    ----------
    gradient : function of phi
        Gradient of the loss.
    phi : array of any shape, or a number
        Where to start.
    optimizer : Optimizer
        Makes the steps, from a new state.
    steps : int
        How many to take.

    Returns
    -------
    array of shape (steps + 1, *phi.shape)
        The start, then phi after each step, float64. With :func:`nesterov` these are the points
        where gradients are measured.

    Raises
    ------
    ValueError
        If the start, or the gradient there, is not finite, or the gradient has another shape.
    TypeError
        If something is no real number, or `steps` no integer.

    Notes
    -----
    A path that diverges is a result, not an error. It ends where the gradient is no longer finite:
    its other rows are NaN, which a plot leaves out. Overflow on the way does not warn.

    References
    ----------
    UDL section 6.1.

    Examples
    --------
    >>> from udl import optim
    >>> optimizer = optim.gradient_descent(0.25)
    >>> descend(lambda phi: 2 * phi, np.array([4.0, -2.0]), optimizer, steps=2)
    array([[ 4. , -2. ],
           [ 2. , -1. ],
           [ 1. , -0.5]])
    """
    count(steps=steps)
    return _path([gradient] * steps, phi, optimizer)


def sgd(
    gradient: Gradient,
    phi: Real[np.ndarray, "*shape"] | float | int,
    optimizer: Optimizer,
    I: int,
    *,
    size: int,
    epochs: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "_ *shape"]:
    r"""Take steps with gradients of batches, drawn without replacement, and record the path.

    Parameters
    ----------
    gradient : function of phi and rows
        Gradient of the loss of some examples; `rows` is an array of their indices.
    phi : array of any shape, or a number
        Where to start.
    optimizer : Optimizer
        Makes the steps, from a new state. With :func:`gradient_descent`, this is plain SGD.
    I : int
        Number of examples.
    size : int
        Examples in a batch. The last batch of an epoch may have fewer.
    epochs : int
        How often each example is used.
    rng : numpy.random.Generator
        Draws the order of each epoch.

    Returns
    -------
    array of shape (steps + 1, *phi.shape)
        The start, then phi after each step; ``epochs * ceil(I / size)`` steps.

    Raises
    ------
    ValueError, TypeError
        As in :func:`descend` and :func:`batches`.

    Notes
    -----
    Whether the gradients of a batch are summed or averaged is up to `gradient`. In UDL they are
    summed; then the last, smaller batch makes a smaller step.

    References
    ----------
    UDL eq. 6.10; Robbins and Monro 1951.

    Examples
    --------
    >>> from udl import optim
    >>> y, rng = np.array([1.0, 2.0, 3.0]), np.random.default_rng(0)
    >>> slope = lambda phi, rows: 2 * np.mean(phi - y[rows])
    >>> path = sgd(slope, 0.0, optim.gradient_descent(0.1), 3, size=2, epochs=10, rng=rng)
    >>> path.shape
    (21,)
    """
    count(epochs=epochs)
    batched = (rows for _ in range(epochs) for rows in batches(I, size, rng))
    return _path((lambda phi, rows=rows: gradient(phi, rows) for rows in batched), phi, optimizer)


def batches(
    I: int | np.integer, size: int | np.integer, rng: np.random.Generator
) -> Iterator[Int[np.ndarray, " B"]]:
    """Draw the batches of one epoch: each example once, in random order.

    Parameters
    ----------
    I : int
        Number of examples.
    size : int
        Examples in a batch. The last batch has fewer where `size` does not divide I.
    rng : numpy.random.Generator
        Draws the order when the function is called, and not again.

    Returns
    -------
    iterator over arrays of shape (size,)
        Indices of the examples, 0 to I - 1.

    Raises
    ------
    ValueError
        If I or `size` is less than 1.
    TypeError
        If I or `size` is no integer, or `rng` no generator.

    Examples
    --------
    >>> [len(rows) for rows in batches(5, size=2, rng=np.random.default_rng(0))]
    [2, 2, 1]
    """
    count(I=I, size=size)
    if not isinstance(rng, np.random.Generator):
        kind = type(rng).__name__
        raise TypeError(
            f"expected a generator, np.random.default_rng(seed), got rng of type {kind}"
        )
    order = rng.permutation(int(I))
    return (order[start : start + int(size)] for start in range(0, int(I), int(size)))


class LineSearch(NamedTuple):
    """What a line search found: a step length, the loss there, and how often it was computed."""

    alpha: float
    value: float
    evaluations: int


def line_search(
    fun: Callable[[Float[np.ndarray, "*shape"]], float],
    gradient: Gradient,
    phi: Real[np.ndarray, "*shape"] | float | int,
    direction: Real[np.ndarray, "*shape"] | float | int | None = None,
    *,
    alpha: float | int = 1.0,
    factor: float = 0.5,
    share: float = 1e-4,
) -> LineSearch:
    r"""Shorten a step until it lowers the loss enough: backtracking.

    A step of length alpha in direction d is taken if it meets the Armijo condition,

    .. math:: L[\phi + \alpha d] \le L[\phi] + c\, \alpha\, g^T d

    Parameters
    ----------
    fun, gradient : functions of phi
        The loss, a number, and its gradient g.
    phi : array of any shape, or a number
        Where to start.
    direction : array of the same shape
        d, along which the loss must fall. By default :math:`-g`.
    alpha : float
        The length to try first.
    factor : float
        Between 0 and 1: what the length is multiplied by while the step is too long.
    share : float
        Between 0 and 1: c, the share of the decrease promised by the slope that is asked for.

    Returns
    -------
    LineSearch
        ``alpha``, ``value`` = fun(phi + alpha * direction), and ``evaluations`` of `fun`.

    Raises
    ------
    ValueError
        If the direction does not lead down, as at a minimum, no length is short enough, the loss
        or gradient at phi is not finite, shapes differ, or an argument is out of range.

    Notes
    -----
    A loss of NaN or infinity on the way counts as too high.

    References
    ----------
    UDL section 6.1; Armijo 1966.

    Examples
    --------
    >>> line_search(lambda phi: phi**2, lambda phi: 2 * phi, 3.0, alpha=2.0)
    LineSearch(alpha=0.5, value=0.0, evaluations=4)
    """
    positive(alpha=float(alpha))
    for name, number in (("factor", factor), ("share", share)):
        if not 0 < number < 1:
            raise ValueError(f"expected a number between 0 and 1, got {name}={number}")
    start = _start(phi)
    slopes = gradient(start.copy())
    finite(gradient=slopes)
    g = np.asarray(slopes, dtype=np.float64)
    if direction is not None:
        finite(direction=direction)
    d = -g if direction is None else np.asarray(direction, dtype=np.float64)
    same_shape(phi=start, gradient=g, direction=d)
    value = float(fun(start.copy()))
    finite(value=np.asarray(value))
    slope = float(np.vdot(g, d))
    if not slope < 0:
        raise ValueError(f"expected a direction that leads down, got slope {slope:g} along it")
    length = float(alpha)
    with np.errstate(over="ignore", invalid="ignore"):
        for evaluations in itertools.count(2):
            enough = value + share * length * slope
            if enough == value:  # what is asked for is lost in rounding
                break
            found = float(fun(start + length * d))
            if np.isfinite(found) and found <= enough:
                return LineSearch(length, found, evaluations)
            length *= factor
    raise ValueError(
        f"expected fun to fall along direction, as gradient says with slope {slope:g}, "
        f"got no decrease down to alpha={length:g}"
    )


def _path(
    gradients: Iterable[Gradient],
    phi: Real[np.ndarray, "*shape"] | float | int,
    optimizer: Optimizer,
) -> Float[np.ndarray, "_ *shape"]:
    """Take one step with each gradient, and return all points."""
    point = _start(phi)
    state, path = optimizer.init(point), [point]
    with np.errstate(over="ignore", invalid="ignore"):
        for gradient in gradients:
            if not np.isnan(point).any():
                slope = np.asarray(gradient(point.copy()))
                # What is wrong from the start is a mistake, and refused by the step.
                if state.t == 0 or np.isfinite(slope).all():
                    point, state = optimizer.step(point, slope, state)
                else:
                    point = np.full_like(point, np.nan)
                if np.isnan(point).any():
                    point = np.full_like(point, np.nan)
            path.append(point)
    return np.stack(path)


def _start(phi: Real[np.ndarray, "*shape"] | float | int) -> Float[np.ndarray, "*shape"]:
    """Return a point as a float64 array of its own, after a check that it is finite."""
    finite(phi=np.asarray(phi))
    return np.array(phi, dtype=np.float64)
