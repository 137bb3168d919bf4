"""Models side by side: the same folds for all, and what a difference between two is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Real, Shaped
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from udl._check import count
from udl.zoo._network import Network

if TYPE_CHECKING:
    import pandas as pd


class Difference(NamedTuple):
    """How much better one model scores than another: on each test fold, on average, and about."""

    values: Float[np.ndarray, " R"]
    mean: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of M models on the same R test folds.

    Attributes
    ----------
    names : tuple of M str
        The models.
    scores : array of shape (M, R)
        One score a model and test fold; R = folds * repeats.
    seconds : array of shape (M,)
        Median time of a fit.
    ratio : float
        Test examples for each training example, on average over the folds.
    """

    names: tuple[str, ...]
    scores: Float[np.ndarray, "M R"]
    seconds: Float[np.ndarray, " M"]
    ratio: float

    def table(self) -> "pd.DataFrame":
        """Return a row for each model: mean, spread and range of its scores, and its time."""
        import pandas as pd

        spread = (
            self.scores.std(axis=1, ddof=1)
            if self.scores.shape[1] > 1
            else np.full(len(self.names), np.nan)
        )
        return pd.DataFrame(
            {
                "model": self.names,
                "mean": self.scores.mean(axis=1),
                "standard deviation": spread,
                "lowest": self.scores.min(axis=1),
                "highest": self.scores.max(axis=1),
                "fit seconds": self.seconds,
            }
        )

    def difference(self, a: str, b: str, *, level: float = 0.95) -> Difference:
        r"""Return the scores of model a minus those of model b, with an interval for the mean.

        .. math:: \bar d \pm t_{R-1} \sqrt{\Bigl(\frac1R + \frac{I_\text{test}}
            {I_\text{train}}\Bigr) s^2}

        With d the differences on the same test fold and s their standard deviation. Training sets
        overlap, so that the R differences are not independent, and the usual standard error
        :math:`s / \sqrt R` is far too small: more repeats would shrink it to nothing although
        there are no new data. The second term in the bracket corrects for that.

        Parameters
        ----------
        a, b : str
            Two of the names.
        level : float
            Confidence, between 0 and 1.

        Returns
        -------
        Difference
            ``values`` of shape (R,), their ``mean``, and the ends ``low`` and ``high`` of the
            interval.

        Raises
        ------
        ValueError
            If a name is unknown, there is one fold only, or the level is out of range.

        References
        ----------
        Nadeau and Bengio (2003), "Inference for the generalization error", Machine Learning 52,
        for random splits; Bouckaert and Frank (2004) use it for repeated cross-validation.
        """
        from scipy.special import stdtrit

        for name in (a, b):
            if name not in self.names:
                raise ValueError(f"expected one of {', '.join(self.names)}, got {name!r}")
        if not 0 < level < 1:
            raise ValueError(f"expected a level between 0 and 1, got level={level}")
        values = self.scores[self.names.index(a)] - self.scores[self.names.index(b)]
        R = len(values)
        if R < 2:
            raise ValueError(f"expected two scores or more for an interval, got {R}")
        mean = float(values.mean())
        error = np.sqrt((1 / R + self.ratio) * values.var(ddof=1))
        reach = float(stdtrit(R - 1, (1 + level) / 2) * error)
        return Difference(values, mean, mean - reach, mean + reach)


def classifiers(seed: int = 0) -> dict[str, BaseEstimator]:
    """Return nine classifiers, none of them fitted, with defaults that suit small tables.

    Those that measure distances or descend along a gradient standardize the data first, in a
    pipeline, so that the test fold never takes part in it.

    Parameters
    ----------
    seed : int
        Of all that draw at random.

    Returns
    -------
    dict
        An estimator by its name, from the plainest to the most flexible.

    Notes
    -----
    Boosting is the classical one of scikit-learn: on a few hundred points it fits in well under
    0.1 s, while the histogram version, made for large tables, spends more on its threads.

    Examples
    --------
    >>> models = classifiers()
    >>> list(models)[:2], len(models)
    (['logistic regression', 'logistic regression, RBF features'], 9)
    """
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
        "logistic regression, RBF features": make_pipeline(
            StandardScaler(),
            RBFSampler(gamma=0.5, n_components=100, random_state=seed),
            LogisticRegression(),
        ),
        "5 nearest neighbors": make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
        "15 nearest neighbors": make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
        "decision tree": DecisionTreeClassifier(random_state=seed),
        "random forest": RandomForestClassifier(n_estimators=100, random_state=seed),
        "gradient boosting": GradientBoostingClassifier(random_state=seed),
        "SVM, RBF kernel": make_pipeline(StandardScaler(), SVC()),
        "network": make_pipeline(StandardScaler(), Network(seed=seed)),
    }


def compare(
    models: Mapping[str, BaseEstimator],
    X: Real[np.ndarray, "I D"],
    y: Shaped[np.ndarray, " I"],
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    groups: Shaped[np.ndarray, " I"] | None = None,
    scoring: str = "accuracy",
) -> Comparison:
    """Score models by cross-validation, all of them on the same folds.

    If all models are classifiers, folds are stratified: each has the classes in the proportion of
    the whole. With groups they are not; then a group is in one fold only, so that no model is
    tested on a group that it has seen.

    Parameters
    ----------
    models : mapping of str to estimator
        Estimators of scikit-learn's kind by name. They are cloned and stay as they are.
    X, y : arrays of shape (I, D) and (I,)
        Inputs and targets.
    folds, repeats : int
        Parts of the data, each of them the test set once; how often this is done, each time with
        other parts.
    seed : int
        Of the folds.
    groups : array of shape (I,), optional
        The group of each example, such as its country or patient.
    scoring : str
        One of scikit-learn's names, such as "accuracy" or "r2".

    Returns
    -------
    Comparison
        Scores and times.

    Raises
    ------
    ValueError
        If there is no model, or there are fewer examples or groups than folds.

    Notes
    -----
    The nine models of :func:`classifiers` on 300 points with five folds take about 2 s on one
    core, of which the forest takes half.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> X, y = np.zeros((10, 1)), np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    >>> compare({"most frequent": DummyClassifier()}, X, y, folds=2).scores
    array([[0.8, 0.8]])
    """
    if not models:
        raise ValueError("expected one model or more, got none")
    stratify = all(is_classifier(model) for model in models.values())
    splits = _folds(X, y, folds, repeats, seed, groups, stratify)
    results = [
        cross_validate(model, X, y, cv=splits, scoring=scoring, error_score="raise")
        for model in models.values()
    ]
    return Comparison(
        names=tuple(models),
        scores=np.array([result["test_score"] for result in results]),
        seconds=np.array([np.median(result["fit_time"]) for result in results]),
        ratio=float(np.mean([len(test) / len(train) for train, test in splits])),
    )


def _folds(
    X: Real[np.ndarray, "I D"],
    y: Shaped[np.ndarray, " I"],
    folds: int,
    repeats: int,
    seed: int,
    groups: Shaped[np.ndarray, " I"] | None,
    stratify: bool,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the training and test rows of each fold, as a list that all models share."""
    count(folds=folds, repeats=repeats)
    if groups is None:
        repeated = RepeatedStratifiedKFold if stratify else RepeatedKFold
        splitter = repeated(n_splits=folds, n_repeats=repeats, random_state=seed)
        return list(splitter.split(X, y))
    return [
        split
        for k in range(repeats)
        for split in GroupKFold(folds, shuffle=True, random_state=seed + k).split(X, y, groups)
    ]
