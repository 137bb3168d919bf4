"""The settings of a run, checked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

DATASETS = ("circle", "xor", "gauss", "spiral", "plane", "multigauss", "three", "points")
REGRESSION = ("plane", "multigauss")
FEATURES = ("x1", "x2", "x1^2", "x2^2", "x1*x2", "sin(x1)", "sin(x2)")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "linear")
LOSSES = ("cross-entropy", "squared")
OPTIMIZERS = ("sgd", "momentum", "adam")
LAYERS, WIDTH = (0, 6), (1, 8)
COORDINATE, POINTS = (-10, 10), (4, 1000)
LIMITS = {
    "noise": (0, 0.5),
    "train": (0.1, 0.9),
    "alpha": (1e-6, 10),
    "beta": (0, 0.999),
    "gamma": (0, 0.99999),
    "epsilon": (1e-12, 1),
    "l1": (0, 1),
    "l2": (0, 1),
    "dropout": (0, 0.8),
}
COUNTS = {
    "examples": (20, 1000),
    "batch": (1, 1000),
    "data_seed": (0, 4294967295),
    "seed": (0, 4294967295),
}


@dataclass(frozen=True)
class Config:
    """The settings of a run: data, network, loss and optimizer.

    Parameters
    ----------
    dataset
        "circle", "xor", "gauss", "spiral" (two classes), "three" (three classes), "plane",
        "multigauss" (regression), or "points": one's own.
    points
        One's own points, 4 to 1000 of them, each (x1, x2, label) with coordinates from -10 to 10
        and a label 0, 1 or 2. Other data sets ignore them.
    noise
        From 0 to 0.5.
    examples
        How many there are, training and test together: 20 to 1000. Of one's own points, all.
    train
        Share of the examples to learn from, 0.1 to 0.9.
    data_seed, seed
        Whole numbers of 32 bits: the one for data and their split; the other for initial weights,
        order of the examples and dropout.
    features
        The network's inputs: some of "x1", "x2", "x1^2", "x2^2", "x1*x2", "sin(x1)", "sin(x2)".
    hidden
        Widths of 0 to 6 hidden layers, each 1 to 8.
    activations
        One name for all hidden layers, or one for each: "relu", "tanh", "sigmoid", "linear".
    loss
        "cross-entropy" or "squared"; if None, squared error for regression and cross-entropy for
        classes.
    optimizer
        "sgd", "momentum" or "adam", as in :mod:`udl.optim`.
    alpha
        Learning rate, 1e-6 to 10.
    beta, gamma, epsilon
        Decay rates of momentum and Adam, and what keeps Adam from a division by 0.
    l1, l2
        Penalties on weights, not on biases: l1 times the sum of absolute values, l2 / 2 times the
        sum of squares; 0 to 1.
    dropout
        Probability from 0 to 0.8 that a hidden unit sits out, for each example, in training.
    batch
        Examples a step; the last batch of an epoch may be short.

    Raises
    ------
    ValueError
        If a setting is out of range.
    TypeError
        If a setting is of the wrong type.

    Notes
    -----
    With two classes there is one output. For cross-entropy it is a logit, and labels are 0 and 1;
    for squared error it goes through tanh, and labels are -1 and 1. With three classes there are
    three outputs, with softmax and cross-entropy, or tanh and squared error. For regression there
    is one linear output. Squared error is half the squared distance. Losses are means.

    Initial weights are uniform with variance 2 / D_in before ReLU and 1 / D_in otherwise, and
    initial biases are 0.

    References
    ----------
    UDL sections 5.4, 5.5, 6.2 to 6.4, 7.5, 9.1 and 9.3.3.

    Examples
    --------
    >>> config = Config(dataset="xor", hidden=[3], activations="relu")
    >>> config.activations, config.loss
    (('relu',), 'cross-entropy')
    >>> Config(noise=0.7)
    Traceback (most recent call last):
        ...
    ValueError: expected a number from 0 to 0.5, got noise=0.7
    """

    dataset: str = "circle"
    points: Sequence[Sequence[float | int]] = ()
    noise: float | int = 0.0
    examples: int = 500
    train: float | int = 0.5
    data_seed: int = 0
    features: Sequence[str] = ("x1", "x2")
    hidden: Sequence[int] = (4, 2)
    activations: str | Sequence[str] = "tanh"
    loss: str | None = None
    optimizer: str = "sgd"
    alpha: float | int = 0.03
    beta: float | int = 0.9
    gamma: float | int = 0.999
    epsilon: float | int = 1e-8
    l1: float | int = 0.0
    l2: float | int = 0.0
    dropout: float | int = 0.0
    batch: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Check all, and bring it into one form: tuples of the built-in types."""

        def put(key: str, value: object) -> None:
            object.__setattr__(self, key, value)

        _among("dataset", self.dataset, DATASETS)
        put("points", self._points())
        for key, limits in LIMITS.items():
            put(key, float(_within(key, getattr(self, key), limits)))
        for key, limits in COUNTS.items():
            put(key, int(_within(key, getattr(self, key), limits, whole=True)))
        names = _listed("features", self.features, (1, len(FEATURES)), "features")
        for i, name in enumerate(names):
            _among(f"features[{i}]", name, FEATURES)
        if len(set(names)) < len(names):
            raise ValueError(f"expected each feature once, got features={names}")
        put("features", names)
        widths = _listed("hidden", self.hidden, LAYERS, "widths")
        for i, width in enumerate(widths):
            _within(f"hidden[{i}]", width, WIDTH, whole=True)
        put("hidden", tuple(int(width) for width in widths))
        put("activations", self._activations(len(widths)))
        put("loss", self._loss())
        _among("optimizer", self.optimizer, OPTIMIZERS)

    def _points(self) -> tuple[tuple[float, float, int], ...]:
        if self.dataset != "points":
            return ()
        points = _listed("points", self.points, POINTS, "points")
        for i, point in enumerate(points):
            if not isinstance(point, Sequence) or len(point) != 3:
                raise ValueError(f"expected (x1, x2, label), got points[{i}]={point!r}")
            for j in (0, 1):
                _within(f"points[{i}][{j}]", point[j], COORDINATE)
            _within(f"points[{i}][2]", point[2], (0, 2), whole=True)
        return tuple((float(x1), float(x2), int(label)) for x1, x2, label in points)

    def _activations(self, K: int) -> tuple[str, ...]:
        if isinstance(self.activations, str):
            _among("activations", self.activations, ACTIVATIONS)
            return (self.activations,) * K
        what = "names, one for each hidden layer"
        names = _listed("activations", self.activations, (K, K), what)
        for i, name in enumerate(names):
            _among(f"activations[{i}]", name, ACTIVATIONS)
        return names

    def _loss(self) -> str:
        if self.loss is None:
            return "squared" if self.regression else "cross-entropy"
        _among("loss", self.loss, LOSSES)
        if self.regression and self.loss == "cross-entropy":
            raise ValueError(
                "expected 'squared' where targets are numbers, as in the data set "
                f"{self.dataset}, got loss='cross-entropy'"
            )
        return self.loss

    @property
    def regression(self) -> bool:
        """Whether targets are numbers."""
        return self.dataset in REGRESSION

    @property
    def classes(self) -> int:
        """The number of classes, 2 or 3; 0 for regression."""
        if self.regression:
            return 0
        three = self.dataset == "three" or any(point[2] == 2 for point in self.points)
        return 3 if three else 2

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them; ``Config(**settings)`` makes them again."""
        return {
            key: [list(v) if isinstance(v, tuple) else v for v in value]
            if isinstance(value, tuple)
            else value
            for key, value in asdict(self).items()
        }


def _among(name: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse what is not one of the allowed names."""
    if not isinstance(value, str):
        raise TypeError(f"expected a name, got {name}={value!r}")
    if value not in allowed:
        raise ValueError(f"expected one of {', '.join(allowed)}, got {name}={value!r}")


def _within(
    name: str, value: Any, limits: tuple[float | int, float | int], *, whole: bool = False
) -> float | int:
    """Return a number of a range, ends included, or refuse it."""
    low, high = limits
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"expected {kind} from {low} to {high}, got {name}={value!r}")
    if isinstance(value, np.generic):  # a float32 in range may be a float64 just out of it
        value = value.item()
    if not low <= value <= high:
        raise ValueError(f"expected {kind} from {low} to {high}, got {name}={value}")
    return float(value) if isinstance(value, float) else int(value)


def _listed(name: str, value: Any, limits: tuple[int, int], what: str) -> tuple[Any, ...]:
    """Return a list as a tuple, or refuse it for its length."""
    low, high = limits
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(f"expected a list of {what}, got {name}={value!r}")
    if not low <= len(value) <= high:
        span = str(low) if low == high else f"{low} to {high}"
        raise ValueError(f"expected a list of {span} {what}, got {name} of {len(value)}")
    return tuple(value)
