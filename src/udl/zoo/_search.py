"""Random search: how good a model gets after a number of tries."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Real, Shaped
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import check_scoring
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from udl._check import count
from udl.zoo._network import Network

if TYPE_CHECKING:
    import pandas as pd

Sampler = Callable[[np.random.Generator], dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Search:
    """Scores of M models, each with the same number of draws of its parameters.

    Attributes
    ----------
    names : tuple of M str
        The models.
    parameters : tuple of M lists of dict
        What was drawn; the first draw is empty: the defaults.
    validation, test : arrays of shape (M, draws)
        Score of each draw, on average over the repeats.
    seconds : array of shape (M, draws)
        Time of a fit of each draw.
    curves : array of shape (M, shuffles, draws)
        Test score of the draw that has the best validation score among the first n, for
        n = 1, ..., draws, and for each shuffled order of the draws.
    """

    names: tuple[str, ...]
    parameters: tuple[list[dict[str, Any]], ...]
    validation: Float[np.ndarray, "M N"]
    test: Float[np.ndarray, "M N"]
    seconds: Float[np.ndarray, "M N"]
    curves: Float[np.ndarray, "M S N"]

    @property
    def mean(self) -> Float[np.ndarray, "M N"]:
        """Mean of the curves over the shuffles."""
        return np.asarray(self.curves.mean(axis=1))

    @property
    def lowest(self) -> Float[np.ndarray, "M N"]:
        """Lowest of the curves after each number of draws."""
        return np.asarray(self.curves.min(axis=1))

    @property
    def highest(self) -> Float[np.ndarray, "M N"]:
        """Highest of the curves after each number of draws."""
        return np.asarray(self.curves.max(axis=1))

    def best(self, name: str) -> dict[str, Any]:
        """Return the parameters of the draw with the best validation score."""
        if name not in self.names:
            raise ValueError(f"expected one of {', '.join(self.names)}, got {name!r}")
        m = self.names.index(name)
        return self.parameters[m][int(self.validation[m].argmax())]

    def table(self) -> "pd.DataFrame":
        """Return a row for each model: test scores before and after the search, and its time."""
        import pandas as pd

        chosen = self.validation.argmax(axis=1)
        rows = np.arange(len(self.names))
        return pd.DataFrame(
            {
                "model": self.names,
                "defaults": self.test[:, 0],
                "best on validation": self.test[rows, chosen],
                "its validation score": self.validation[rows, chosen],
                "fit seconds": np.median(self.seconds, axis=1),
            }
        )


def spaces(
    task: Literal["classification", "regression"] = "classification",
    *,
    scale: bool = True,
    seed: int = 0,
) -> dict[str, tuple[BaseEstimator, Sampler]]:
    """Return two ensembles of trees and a network, each with a sampler of its parameters.

    Parameters
    ----------
    task : "classification" or "regression"
        What the models do.
    scale : bool
        Standardize the network's inputs, and the targets of its regression. Trees only compare
        values of one column with each other, so that scaling changes nothing for them.
    seed : int
        Of all models that draw at random.

    Returns
    -------
    dict
        By name an estimator, with good defaults, and a function that takes a random generator and
        returns parameters for ``set_params``.

    Raises
    ------
    ValueError
        If there is no such task.

    Examples
    --------
    >>> forest, sampler = spaces()["random forest"]
    >>> sorted(sampler(np.random.default_rng(0)))
    ['max_depth', 'max_features', 'min_samples_leaf', 'n_estimators']
    """
    if task not in ("classification", "regression"):
        raise ValueError(f"expected 'classification' or 'regression', got task={task!r}")
    classes = task == "classification"
    forest = RandomForestClassifier if classes else RandomForestRegressor
    boosting = GradientBoostingClassifier if classes else GradientBoostingRegressor
    network = Network(seed=seed, task=task)
    prefix = ""
    if scale:
        network = Pipeline([("scale", StandardScaler()), ("network", network)])
        prefix = "network__"
        if not classes:
            network = TransformedTargetRegressor(network, transformer=StandardScaler())
            prefix = "regressor__network__"

    def network_sampler(rng: np.random.Generator) -> dict[str, Any]:
        return {prefix + name: value for name, value in _network_parameters(rng).items()}

    return {
        "random forest": (forest(random_state=seed), _forest_parameters),
        "gradient boosting": (boosting(random_state=seed), _boosting_parameters),
        "network": (network, network_sampler),
    }


def _log_uniform(rng: np.random.Generator, low: float | int, high: float | int) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _forest_parameters(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the parameters of a random forest."""
    return {
        "n_estimators": round(_log_uniform(rng, 10, 150)),
        "max_depth": (None, 2, 4, 8)[rng.choice(4, p=[0.55, 0.15, 0.15, 0.15])],
        "max_features": ("sqrt", None, 0.3, 0.6)[rng.integers(4)],
        "min_samples_leaf": round(_log_uniform(rng, 1, 20)),
    }


def _boosting_parameters(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the parameters of gradient boosting."""
    return {
        "learning_rate": _log_uniform(rng, 0.01, 0.5),
        "n_estimators": round(_log_uniform(rng, 10, 150)),
        "max_depth": int(rng.integers(1, 6)),
        "subsample": float(rng.uniform(0.5, 1.0)),
        "min_samples_leaf": round(_log_uniform(rng, 1, 20)),
    }


def _network_parameters(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the parameters of a network."""
    width = round(_log_uniform(rng, 8, 128))
    return {
        "hidden": (width,) * int(rng.integers(1, 4)),
        "alpha": _log_uniform(rng, 0.001, 0.05),
        "weight_decay": _log_uniform(rng, 0.001, 3.0),
        "epochs": round(_log_uniform(rng, 30, 300)),
        "batch": (None, 256)[rng.integers(2)],
    }


def search(
    spaces: Mapping[str, tuple[BaseEstimator, Sampler]],
    X: Real[np.ndarray, "I D"],
    y: Shaped[np.ndarray, " I"],
    *,
    draws: int,
    shuffles: int,
    seed: int = 0,
    groups: Shaped[np.ndarray, " I"] | None = None,
    scoring: str | None = None,
    repeats: int = 1,
) -> Search:
    """Give each model the same number of tries, and follow its score over them.

    Three fifths of the examples (with groups: of the groups) train each draw of the parameters,
    one fifth validates it and one fifth tests it. The test score that counts after n tries is
    that of the draw with the best *validation* score so far: nobody may choose by the test set.
    The order of the draws is luck, so it is shuffled many times, except for the first, which is
    always the defaults.

    Parameters
    ----------
    spaces : mapping
        By name an estimator and a sampler of its parameters, as from :func:`spaces`.
    X, y : arrays of shape (I, D) and (I,)
        Inputs and targets.
    draws : int
        Tries of each model.
    shuffles : int
        Orders of the tries.
    seed : int
        Of the splits, the draws and the shuffles. A model's draws do not depend on the others.
    groups : array of shape (I,), optional
        The group of each example; then no group is in two of the three parts.
    scoring : str, optional
        One of scikit-learn's names; without it, accuracy for classifiers and R squared for the
        others.
    repeats : int
        Splits over which the scores of each draw are averaged.

    Returns
    -------
    Search
        Scores of all draws, and the curves.

    Raises
    ------
    ValueError
        If there is no model, there are too few examples or groups to split, or a score is not
        finite.

    References
    ----------
    Grinsztajn, Oyallon and Varoquaux (2022), "Why do tree-based models still outperform deep
    learning on typical tabular data?", NeurIPS datasets and benchmarks, whose form this follows.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> def sampler(rng):
    ...     return {"max_depth": int(rng.integers(1, 5))}
    >>> X = np.arange(20.0)[:, None]
    >>> found = search(
    ...     {"tree": (DecisionTreeClassifier(), sampler)}, X, X[:, 0] > 9.5, draws=3, shuffles=2
    ... )
    >>> found.curves.shape, found.parameters[0][0]
    ((1, 2, 3), {})
    """
    if not spaces:
        raise ValueError("expected one model or more, got none")
    count(draws=draws, shuffles=shuffles, repeats=repeats)
    stratify = all(is_classifier(estimator) for estimator, _ in spaces.values())
    splits = _splits(X, y, repeats, seed, groups, stratify)
    parameters = []
    scores = np.empty((3, len(spaces), draws))
    for m, (name, (estimator, sampler)) in enumerate(spaces.items()):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        parameters.append([{}, *(sampler(rng) for _ in range(draws - 1))])
        for n, drawn in enumerate(parameters[m]):
            model = clone(estimator).set_params(**drawn)
            scores[:, m, n] = _scores(model, X, y, splits, scoring)
            if not np.isfinite(scores[:, m, n]).all():
                raise ValueError(
                    f"expected finite scores, got {scores[:2, m, n]} for {name!r} with {drawn}"
                )
    validation, test, seconds = scores
    curves = np.empty((len(spaces), shuffles, draws))
    rng = np.random.default_rng(seed)
    for s in range(shuffles):
        order = np.array([0, *(1 + rng.permutation(draws - 1))])
        for m in range(len(spaces)):
            best = order[_running_best(validation[m, order])]
            curves[m, s] = test[m, best]
    return Search(tuple(spaces), tuple(parameters), validation, test, seconds, curves)


def _running_best(values: Float[np.ndarray, " N"]) -> np.ndarray:
    """Return where the highest of the first n values is, the first of equals, for each n."""
    new = np.concatenate([[True], values[1:] > np.maximum.accumulate(values)[:-1]])
    return np.maximum.accumulate(np.where(new, np.arange(len(values)), 0))


def _scores(
    model: BaseEstimator,
    X: Real[np.ndarray, "I D"],
    y: Shaped[np.ndarray, " I"],
    splits: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    scoring: str | None,
) -> Float[np.ndarray, "3"]:
    """Return validation score, test score and seconds of a fit, on average over the splits."""
    rows = []
    for train, validation, test in splits:
        began = perf_counter()
        model.fit(X[train], y[train])
        seconds = perf_counter() - began
        scorer = check_scoring(model, scoring)
        rows.append([scorer(model, X[k], y[k]) for k in (validation, test)] + [seconds])
    return np.asarray(np.mean(rows, axis=0))


def _splits(
    X: Real[np.ndarray, "I D"],
    y: Shaped[np.ndarray, " I"],
    repeats: int,
    seed: int,
    groups: Shaped[np.ndarray, " I"] | None,
    stratify: bool,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return rows to train on, to validate and to test, three fifths, one and one."""
    if groups is not None:
        shuffled = GroupShuffleSplit
    else:
        shuffled = StratifiedShuffleSplit if stratify else ShuffleSplit
    outer = shuffled(repeats, test_size=0.2, random_state=seed)
    inner = shuffled(1, test_size=0.25, random_state=seed)
    splits = []
    for rest, test in outer.split(X, y, groups):
        some = groups[rest] if groups is not None else None
        train, validation = next(inner.split(X[rest], y[rest], some))
        splits.append((rest[train], rest[validation], test))
    return splits
