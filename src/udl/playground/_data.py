"""The data sets, and what the rule behind each would score."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from udl.playground._arithmetic import TWO_PI, cos, log, sin
from udl.playground._config import Config
from udl.playground._random import Stream

CENTERS = ((0.0, 3.0), (-2.598076211353316, -1.5), (2.598076211353316, -1.5))
BUMPS = ((-4, 2.5, 1), (0, 2.5, -1), (4, 2.5, 1), (-4, -2.5, -1), (0, -2.5, 1), (4, -2.5, -1))
Row = tuple[float, float, float]


class Points(NamedTuple):
    """Coordinates of examples, and of each a class (0, 1, 2) or a value."""

    x: Float[np.ndarray, "I 2"]
    y: Float[np.ndarray, " I"]


class Data(NamedTuple):
    """Examples to learn from, and others to test with."""

    train: Points
    test: Points


class Losses(NamedTuple):
    """Mean losses, and shares of the examples that are classified correctly: NaN without classes.

    Of many runs, arrays.
    """

    train: float
    test: float
    train_accuracy: float
    test_accuracy: float


def make_data(config: Config) -> Data:
    """Draw the examples, and split them.

    Parameters
    ----------
    config : Config
        The settings, of which those of the data are used.

    Returns
    -------
    Data
        ``train`` and ``test``, each with coordinates ``x`` of shape (I, 2) and ``y`` of shape
        (I,), in random order.

    Notes
    -----
    Noise moves a point of circle, xor, plane and multigauss only while its label is looked up, so
    it flips labels near the border, or shifts values. Points of spiral, gauss and three stay where
    noise put them.

    Examples
    --------
    >>> train, test = make_data(Config(dataset="xor", examples=20, train=0.7))
    >>> train.x.shape, test.y.shape
    ((14, 2), (6,))
    >>> bool(((train.x[:, 0] * train.x[:, 1] >= 0) == train.y).all())
    True
    """
    rows = drawn(config)
    split = min(max(math.floor(len(rows) * config.train + 0.5), 1), len(rows) - 1)
    return Data(_points(rows[:split]), _points(rows[split:]))


def drawn(config: Config) -> list[Row]:
    """Return all examples (x1, x2, y), in random order."""
    chance = Stream(config.data_seed, "data")
    if config.dataset == "points":
        rows = [(float(x1), float(x2), float(label)) for x1, x2, label in config.points]
    else:
        draw = DRAW[config.dataset]
        rows = [
            draw(chance, float(config.noise), i, config.examples) for i in range(config.examples)
        ]
    chance.shuffle(rows)
    return rows


def _points(rows: Sequence[Row]) -> Points:
    table = np.array(rows)
    return Points(table[:, :2].copy(), table[:, 2].copy())


def _bump(x1: float, x2: float) -> float:
    """Return the height at a point of six cones, three up and three down."""
    value = 0.0
    for c1, c2, sign in BUMPS:
        d1, d2 = x1 - c1, x2 - c2
        height = 1 - math.sqrt(d1 * d1 + d2 * d2) / 2
        if height > 0:
            value = sign * height  # bumps do not overlap
    return value


def _circle(chance: Stream, noise: float, i: int, examples: int) -> Row:
    radius = chance.between(0, 2.5) if i % 2 else chance.between(3.5, 5)
    angle = chance.between(0, TWO_PI)
    x1, x2 = radius * cos(angle), radius * sin(angle)
    n1 = x1 + noise * chance.between(-5, 5)
    n2 = x2 + noise * chance.between(-5, 5)
    return x1, x2, 1.0 if n1 * n1 + n2 * n2 < 6.25 else 0.0


def _xor(chance: Stream, noise: float, i: int, examples: int) -> Row:
    a1, a2 = chance.between(-5, 5), chance.between(-5, 5)
    x1 = a1 + 0.3 if a1 > 0 else a1 - 0.3
    x2 = a2 + 0.3 if a2 > 0 else a2 - 0.3
    n1 = x1 + noise * chance.between(-5, 5)
    n2 = x2 + noise * chance.between(-5, 5)
    return x1, x2, 1.0 if n1 * n2 >= 0 else 0.0


def _gauss(chance: Stream, noise: float, i: int, examples: int) -> Row:
    label = i % 2
    center, spread = 2 if label else -2, math.sqrt(0.5 + 7 * noise)
    x1 = center + spread * chance.normal()
    return x1, center + spread * chance.normal(), float(label)


def _spiral(chance: Stream, noise: float, i: int, examples: int) -> Row:
    label = i % 2
    along = (i - label) / examples
    radius = 5 * along
    angle = 1.75 * TWO_PI * along + (0 if label else TWO_PI / 2)
    x1 = radius * sin(angle) + noise * chance.between(-1, 1)
    return x1, radius * cos(angle) + noise * chance.between(-1, 1), float(label)


def _plane(chance: Stream, noise: float, i: int, examples: int) -> Row:
    x1, x2 = chance.between(-6, 6), chance.between(-6, 6)
    n1 = x1 + noise * chance.between(-6, 6)
    n2 = x2 + noise * chance.between(-6, 6)
    return x1, x2, (n1 + n2) / 10


def _multigauss(chance: Stream, noise: float, i: int, examples: int) -> Row:
    x1, x2 = chance.between(-6, 6), chance.between(-6, 6)
    n1 = x1 + noise * chance.between(-6, 6)
    n2 = x2 + noise * chance.between(-6, 6)
    return x1, x2, _bump(n1, n2)


def _three(chance: Stream, noise: float, i: int, examples: int) -> Row:
    label = i % 3
    (c1, c2), spread = CENTERS[label], math.sqrt(0.5 + 7 * noise)
    x1 = c1 + spread * chance.normal()
    return x1, c2 + spread * chance.normal(), float(label)


DRAW: dict[str, Callable[[Stream, float, int, int], Row]] = {
    "circle": _circle,
    "xor": _xor,
    "gauss": _gauss,
    "spiral": _spiral,
    "plane": _plane,
    "multigauss": _multigauss,
    "three": _three,
}


def _spiral_rule(x1: float, x2: float) -> float:
    """Return the arm that passes nearest, along a ray from the middle."""
    radius = math.sqrt(x1 * x1 + x2 * x2)
    angle = 1.75 * TWO_PI * radius / 5
    # Along the arm of class 1, (x1, x2) is radius (sin, cos); along the other, the opposite.
    return 1.0 if x1 * sin(angle) + x2 * cos(angle) >= 0 else 0.0


def _three_rule(x1: float, x2: float) -> float:
    far = [(x1 - c1) * (x1 - c1) + (x2 - c2) * (x2 - c2) for c1, c2 in CENTERS]
    return float(far.index(min(far)))


RULE: dict[str, Callable[[float, float], float]] = {
    "circle": lambda x1, x2: float(x1 * x1 + x2 * x2 < 9),
    "xor": lambda x1, x2: float(x1 * x2 >= 0),
    "gauss": lambda x1, x2: float(x1 + x2 >= 0),
    "spiral": _spiral_rule,
    "plane": lambda x1, x2: (x1 + x2) / 10,
    "multigauss": _bump,
    "three": _three_rule,
}


def oracle(config: Config) -> Losses:
    r"""Return what the rule behind the data scores: a goal that is known to be reachable.

    Parameters
    ----------
    config : Config
        The settings: data and loss.

    Returns
    -------
    Losses
        Of the rule that knows where the border is, or the surface, but not where noise moved a
        point.

    Raises
    ------
    ValueError
        For one's own points: nobody knows the rule behind them.

    Notes
    -----
    For squared error the rule answers -1 or 1 with two classes, so its loss is twice its share of
    wrong answers; with three, 1 for its class and -1 for the others; and the value for regression.
    For cross-entropy it gives its class the probability (right + 1) / (I + 2) (Laplace's rule of
    succession), where it is right on that many of the I training examples, and divides what is
    left among the other classes.

    A network can score better, on the training examples and by chance on the test examples too.

    Examples
    --------
    >>> noisy = Config(dataset="xor", noise=0.5, loss="squared", data_seed=1)
    >>> oracle(noisy).test_accuracy > 0.75
    True
    """
    if config.dataset == "points":
        raise ValueError("expected a data set that has a rule, got dataset='points'")
    rule = RULE[config.dataset]
    train, test = make_data(config)
    hits = [
        [rule(x1, x2) == y for (x1, x2), y in zip(part.x.tolist(), part.y.tolist(), strict=True)]
        for part in (train, test)
    ]
    if config.regression:
        gaps = [
            [(rule(x1, x2) - y) for (x1, x2), y in zip(p.x.tolist(), p.y.tolist(), strict=True)]
            for p in (train, test)
        ]
        means = [sum(gap * gap / 2 for gap in part) / len(part) for part in gaps]
        return Losses(means[0], means[1], math.nan, math.nan)
    right = [sum(part) / len(part) for part in hits]
    if config.loss == "squared":
        # One output off by 2 costs 2; with three classes, two outputs are off.
        price = 2.0 if config.classes == 2 else 4.0
        losses = [price * (1 - share) for share in right]
    else:
        sure = (sum(hits[0]) + 1) / (len(hits[0]) + 2)
        other = (1 - sure) / (config.classes - 1)
        losses = [-share * log(sure) - (1 - share) * log(other) for share in right]
    return Losses(losses[0], losses[1], right[0], right[1])


FEATURE: dict[str, Callable[[float, float], float]] = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1^2": lambda x1, x2: x1 * x1,
    "x2^2": lambda x1, x2: x2 * x2,
    "x1*x2": lambda x1, x2: x1 * x2,
    "sin(x1)": lambda x1, x2: sin(x1),
    "sin(x2)": lambda x1, x2: sin(x2),
}
