"""The optimizers: each a few lines of arithmetic on blocks of parameters."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from udl._check import positive
from udl.optim._core import Optimizer, Rate

Block = Float[np.ndarray, " B"]


def gradient_descent(alpha: Rate) -> Optimizer:
    r"""Make the optimizer that steps against the gradient g.

    .. math:: \phi \leftarrow \phi - \alpha\, g

    Parameters
    ----------
    alpha : number or schedule
        Learning rate.

    Returns
    -------
    Optimizer

    Raises
    ------
    ValueError
        If alpha is not positive and finite.

    Notes
    -----
    Differences from torch.optim: none, it is ``SGD(lr=alpha)``. What makes a descent stochastic is
    the gradient; see :func:`sgd`.

    References
    ----------
    UDL eq. 6.3; Cauchy 1847.

    Examples
    --------
    >>> phi, optimizer = np.array([3.0]), gradient_descent(0.5)
    >>> optimizer.step(phi, np.array([4.0]), optimizer.init(phi))
    (array([1.]), State(t=1, m=(), v=()))
    """

    def update(alpha: float, t: int, work: Block, g: Block, phi: Block) -> None:
        phi -= np.multiply(g, alpha, out=work)

    return _optimizer(alpha, (), update)


def momentum(alpha: Rate, beta: float | int = 0.9) -> Optimizer:
    r"""Make the optimizer that steps along a running average m of gradients g.

    .. math::

        m &\leftarrow \beta\, m + (1 - \beta)\, g \\
        \phi &\leftarrow \phi - \alpha\, m

    Parameters
    ----------
    alpha : number or schedule
        Learning rate.
    beta : float
        Share of the average that survives a step, at least 0 and less than 1.

    Returns
    -------
    Optimizer
        Its state has m, zero at first.

    Raises
    ------
    ValueError
        If alpha or beta is out of range.

    Notes
    -----
    Differences from torch.optim: ``SGD(lr, momentum)`` sums, m <- beta m + g, so its steps are
    1 / (1 - beta) times as long. ``SGD(lr=(1 - beta) * alpha, momentum=beta)`` takes the same
    steps. ``dampening=beta`` puts the factor 1 - beta back, but not in the first step: torch
    starts with m = g, not with zeros.

    References
    ----------
    UDL eq. 6.11; Polyak 1964.

    Examples
    --------
    >>> phi, optimizer = np.array([3.0]), momentum(0.5, beta=0.75)
    >>> optimizer.step(phi, np.array([4.0]), optimizer.init(phi))
    (array([2.5]), State(t=1, m=array([1.]), v=()))
    """
    _decay_rates(beta=beta)

    def update(alpha: float, t: int, work: Block, g: Block, phi: Block, m: Block) -> None:
        _blend(m, g, beta, work)
        phi -= np.multiply(m, alpha, out=work)

    return _optimizer(alpha, ("m",), update)


def nesterov(alpha: Rate, beta: float | int = 0.9) -> Optimizer:
    r"""Make the optimizer that measures the gradient where momentum is about to lead.

    With :math:`\psi` for the point that UDL calls phi,

    .. math::

        m &\leftarrow \beta\, m + (1 - \beta)\, g(\psi - \alpha \beta\, m) \\
        \psi &\leftarrow \psi - \alpha\, m

    Here phi is the point where the gradient is measured, :math:`\phi = \psi - \alpha \beta\, m`.
    In terms of phi the same steps are

    .. math::

        m &\leftarrow \beta\, m + (1 - \beta)\, g(\phi) \\
        \phi &\leftarrow \phi - \alpha \bigl((1 - \beta)\, g(\phi) + \beta\, m\bigr)

    Parameters
    ----------
    alpha : number or schedule
        Learning rate.
    beta : float
        Share of the average that survives a step, at least 0 and less than 1.

    Returns
    -------
    Optimizer
        Its state has m, zero at first. UDL's point is ``phi + alpha * beta * state.m``.

    Raises
    ------
    ValueError
        If alpha or beta is out of range.

    Notes
    -----
    Differences from torch.optim: as for :func:`momentum`,
    ``SGD(lr=(1 - beta) * alpha, momentum=beta, nesterov=True)`` takes the same steps; torch has
    the same form, and no dampening here. In both, a schedule looks ahead with the old rate.

    References
    ----------
    UDL eq. 6.12; Nesterov 1983; Sutskever et al. 2013.

    Examples
    --------
    >>> phi, optimizer = np.array([3.0]), nesterov(0.5, beta=0.75)
    >>> optimizer.step(phi, np.array([4.0]), optimizer.init(phi))
    (array([2.125]), State(t=1, m=array([1.]), v=()))
    """
    _decay_rates(beta=beta)

    def update(alpha: float, t: int, work: Block, g: Block, phi: Block, m: Block) -> None:
        _blend(m, g, beta, work)
        phi -= np.multiply(g, alpha * (1 - beta), out=work)
        phi -= np.multiply(m, alpha * beta, out=work)

    return _optimizer(alpha, ("m",), update)


def rmsprop(
    alpha: Rate = 0.01, gamma: float | int = 0.99, epsilon: float | int = 1e-8
) -> Optimizer:
    r"""Make the optimizer that divides each slope by the root of its average square.

    .. math::

        v &\leftarrow \gamma\, v + (1 - \gamma)\, g^2 \\
        \phi &\leftarrow \phi - \alpha\, g / (\sqrt{v} + \epsilon)

    Squares, roots and quotients are taken of each number by itself.

    Parameters
    ----------
    alpha : number or schedule
        Learning rate.
    gamma : float
        Share of the average that survives a step, at least 0 and less than 1.
    epsilon : float
        Positive, in the unit of g, so that nothing is divided by zero.

    Returns
    -------
    Optimizer
        Its state has v, zero at first.

    Raises
    ------
    ValueError
        If alpha, gamma or epsilon is out of range.

    Notes
    -----
    Differences from torch.optim: in names only. Torch's ``RMSprop(lr, alpha, eps)`` calls the
    decay rate alpha; epsilon is outside of the root in both. With gamma = 0 this is UDL's
    normalized gradient, each step of length alpha.

    A square may leave the range of floating-point numbers, where a slope exceeds 1e154 in float64
    or 1e19 in float32. Then v is infinite for good, and the parameter no longer moves.

    References
    ----------
    Tieleman and Hinton 2012; UDL eq. 6.14 for gamma = 0.

    Examples
    --------
    >>> phi, optimizer = np.array([3.0]), rmsprop(0.5, gamma=0.75)
    >>> optimizer.step(phi, np.array([4.0]), optimizer.init(phi))
    (array([2.]), State(t=1, m=(), v=array([4.])))
    """
    _decay_rates(gamma=gamma)
    positive(epsilon=float(epsilon))

    def update(alpha: float, t: int, work: Block, g: Block, phi: Block, v: Block) -> None:
        _blend(v, np.square(g, out=work), gamma, work)
        np.sqrt(v, out=work)
        work += epsilon
        np.divide(g, work, out=work)
        work *= alpha
        phi -= work

    return _optimizer(alpha, ("v",), update)


def adam(
    alpha: Rate = 0.001,
    beta: float | int = 0.9,
    gamma: float | int = 0.999,
    epsilon: float | int = 1e-8,
) -> Optimizer:
    r"""Make the optimizer with momentum, and a step length of its own for each parameter.

    .. math::

        m &\leftarrow \beta\, m + (1 - \beta)\, g
        &\qquad \hat m &= m / (1 - \beta^{t+1}) \\
        v &\leftarrow \gamma\, v + (1 - \gamma)\, g^2
        &\qquad \hat v &= v / (1 - \gamma^{t+1}) \\
        \phi &\leftarrow \phi - \alpha\, \hat m / (\sqrt{\hat v} + \epsilon)

    The first step is t = 0. Dividing corrects that the averages start at zero.

    Parameters
    ----------
    alpha : number or schedule
        Learning rate.
    beta, gamma : float
        Shares of the averages m and v that survive a step, at least 0 and less than 1.
    epsilon : float
        Positive, in the unit of g, so that nothing is divided by zero.

    Returns
    -------
    Optimizer
        Its state has m and v as above, zero at first and not corrected.

    Raises
    ------
    ValueError
        If alpha, beta, gamma or epsilon is out of range.

    Notes
    -----
    Differences from torch.optim: in names only. ``Adam(lr, betas=(beta, gamma), eps)`` adds
    epsilon to the corrected root too. Some others add it to the root before the correction, as the
    paper does in its faster form; there epsilon acts more strongly in the first steps.

    Slopes that are too large to be squared stop a parameter, as in :func:`rmsprop`.

    References
    ----------
    UDL eq. 6.15 to 6.17; Kingma and Ba 2015.

    Examples
    --------
    >>> phi, optimizer = np.array([3.0]), adam(0.5, beta=0.75, gamma=0.75)
    >>> optimizer.step(phi, np.array([4.0]), optimizer.init(phi))
    (array([2.5]), State(t=1, m=array([1.]), v=array([4.])))
    """
    return adamw(alpha, beta, gamma, epsilon, decay=0.0)


def adamw(
    alpha: Rate = 0.001,
    beta: float | int = 0.9,
    gamma: float | int = 0.999,
    epsilon: float | int = 1e-8,
    decay: float | int = 0.01,
) -> Optimizer:
    r"""Make Adam with weight decay that does not pass through the averages.

    .. math:: \phi \leftarrow \phi - \alpha \delta\, \phi, \qquad\text{then as in Adam}

    Parameters
    ----------
    alpha : number or schedule
        Learning rate.
    beta, gamma : float
        Shares of the averages m and v that survive a step, at least 0 and less than 1.
    epsilon : float
        Positive, in the unit of g, so that nothing is divided by zero.
    decay : float
        Weight decay :math:`\delta`, at least 0. It shrinks all of phi, biases too.

    Returns
    -------
    Optimizer
        Its state is that of :func:`adam`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Differences from torch.optim: in names only, ``AdamW(lr, betas, eps, weight_decay)``. In both,
    alpha scales the decay; in the paper a schedule does, but not the learning rate itself. Both
    differ from ``Adam(weight_decay=...)``, which couples the decay: it adds delta phi to the
    gradient, so that the averages divide it by the size of the slopes.

    References
    ----------
    Loshchilov and Hutter 2019.

    Examples
    --------
    >>> phi, optimizer = np.array([3.0]), adamw(0.5, decay=0.1)
    >>> optimizer.step(phi, np.array([0.0]), optimizer.init(phi))
    (array([2.85]), State(t=1, m=array([0.]), v=array([0.])))
    """
    _decay_rates(beta=beta, gamma=gamma)
    positive(epsilon=float(epsilon))
    if not 0 <= decay < np.inf:
        raise ValueError(f"expected a decay of at least 0, and finite, got decay={decay}")

    def update(
        alpha: float, t: int, work: Block, g: Block, phi: Block, m: Block, v: Block
    ) -> None:
        _blend(m, g, beta, work)
        _blend(v, np.square(g, out=work), gamma, work)
        # The corrections act on numbers, not on arrays: with c = sqrt(1 - gamma^(t+1)) the
        # quotient is c m / (sqrt(v) + c epsilon), up to the factor that m needs.
        c = math.sqrt(1 - gamma ** (t + 1))
        np.sqrt(v, out=work)
        work += c * epsilon
        np.divide(m, work, out=work)
        work *= alpha * c / (1 - beta ** (t + 1))
        if decay:
            phi *= 1 - alpha * decay
        phi -= work

    return _optimizer(alpha, ("m", "v"), update)


def _blend(average: Block, new: Block, decay: float | int, work: Block) -> None:
    """Update an average in place: decay * average + (1 - decay) * new. New may be work itself."""
    average *= decay
    average += np.multiply(new, 1 - decay, out=work)


def _optimizer(alpha: Rate, averages: tuple[str, ...], update: Callable[..., None]) -> Optimizer:
    """Return an optimizer, after a check of its learning rate."""
    if not callable(alpha):
        positive(alpha=float(alpha))
    return Optimizer(alpha, averages, update)


def _decay_rates(**rates: float | int) -> None:
    """Refuse decay rates that keep nothing finite of an average, or all of it."""
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"expected a decay rate from 0 to less than 1, got {name}={rate}")
