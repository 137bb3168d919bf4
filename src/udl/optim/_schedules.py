"""Learning rates that fall with the number of steps taken."""

import math
from collections.abc import Callable

from udl._check import count, positive


def step_schedule(
    alpha: float | int, every: int, factor: float | int = 0.1
) -> Callable[[int], float]:
    r"""Make a learning rate that is multiplied by a factor once in a while.

    .. math:: \alpha_t = \alpha \cdot \mathrm{factor}^{\lfloor t / \mathrm{every} \rfloor}

    Parameters
    ----------
    alpha : float
        First learning rate.
    every : int
        Number of steps with the same rate.
    factor : float
        Positive, and at most 1.

    Returns
    -------
    function of t, the number of steps taken

    Raises
    ------
    ValueError
        If an argument is not positive, or `factor` is above 1.
    TypeError
        If `every` is no integer.

    Notes
    -----
    Differences from torch.optim: in names only, ``StepLR(step_size=every, gamma=factor)``.

    Examples
    --------
    >>> schedule = step_schedule(1.0, every=2, factor=0.5)
    >>> [schedule(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    positive(alpha=float(alpha), factor=float(factor))
    if factor > 1:
        raise ValueError(f"expected a factor of at most 1, got factor={factor}")
    count(every=every)
    return lambda t: float(alpha * factor ** (t // every))


def cosine_schedule(
    alpha: float | int, steps: int, *, final: float | int = 0.0, warmup: int = 0
) -> Callable[[int], float]:
    r"""Make a learning rate that falls along half a cosine, from alpha to `final`.

    .. math::

        \alpha_t = \alpha_T + (\alpha - \alpha_T)
        \frac{1 + \cos(\pi s)}{2}, \qquad s = \frac{t - w}{T - w}

    for w <= t <= T. Before that it rises in equal steps, :math:`\alpha (t + 1) / (w + 1)`; after
    that it stays.

    Parameters
    ----------
    alpha : float
        Largest learning rate, reached at t = w.
    steps : int
        T, the number of steps after which the rate is `final`.
    final : float
        Last learning rate, at least 0.
    warmup : int
        w, the number of steps before the largest rate; fewer than `steps`.

    Returns
    -------
    function of t, the number of steps taken

    Raises
    ------
    ValueError
        If an argument is out of range.
    TypeError
        If `steps` or `warmup` is no integer.

    Notes
    -----
    Differences from torch.optim: ``CosineAnnealingLR(T_max=steps, eta_min=final)`` has no warmup,
    and rises again after `steps`.

    References
    ----------
    Loshchilov and Hutter 2017, without restarts.

    Examples
    --------
    >>> schedule = cosine_schedule(1.0, steps=6, warmup=2)
    >>> [round(schedule(t), 3) for t in range(8)]
    [0.333, 0.667, 1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    positive(alpha=float(alpha))
    count(steps=steps)
    if warmup != 0:
        count(warmup=warmup)
    if warmup >= steps:
        raise ValueError(f"expected warmup below steps, got warmup={warmup}, steps={steps}")
    if not 0 <= final < math.inf:
        raise ValueError(f"expected a rate of at least 0, and finite, got final={final}")

    def schedule(t: int) -> float:
        if t < warmup:
            return alpha * (t + 1) / (warmup + 1)
        share = min(1.0, (t - warmup) / (steps - warmup))
        return final + (alpha - final) * (1 + math.cos(math.pi * share)) / 2

    return schedule
