"""What a classifier says in each point of a plane."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Real
from sklearn.base import BaseEstimator

from udl._check import count, finite, matrix


class Regions(NamedTuple):
    """A classifier on a grid: row j and column i of ``p`` belong to ``(x1[i], x2[j])``.

    ``kind`` says what ``p`` holds: the "probability" of the second of two classes, or the "label",
    an index into the model's ``classes_``.
    """

    x1: Float[np.ndarray, " size"]
    x2: Float[np.ndarray, " size"]
    p: Float[np.ndarray, "size size"]
    kind: Literal["probability", "label"]


def regions(
    model: BaseEstimator,
    X: Real[np.ndarray, "I 2"],
    *,
    size: int = 120,
    margin: float | int = 0.1,
) -> Regions:
    """Evaluate a fitted classifier of two inputs on a grid around the data.

    Parameters
    ----------
    model : estimator
        A fitted classifier of scikit-learn's kind.
    X : array of shape (I, 2)
        The data that the grid shall cover.
    size : int
        Points along each axis.
    margin : float
        Room on each side, in parts of the data's range.

    Returns
    -------
    Regions
        The grid, and the probability of the second class where the model has two classes and
        probabilities. For any other model, such as a support vector machine: the label.

    Raises
    ------
    ValueError
        If X does not have two columns, or the model is no fitted classifier.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> X, y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1])
    >>> grid = regions(KNeighborsClassifier(1).fit(X, y), X, size=3)
    >>> grid.x1
    array([-0.1,  0.5,  1.1])
    >>> grid.p[[0, 2], [0, 2]]
    array([0., 1.])
    """
    X = matrix(X=X)
    finite(X=X)
    count(size=size)
    if X.shape[1] != 2:
        raise ValueError(f"expected two inputs to draw, got X.shape={X.shape}")
    if not 0 <= margin < float("inf"):
        raise ValueError(f"expected a margin of at least 0, and finite, got margin={margin}")
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise ValueError(f"expected a fitted classifier, got {model!r} without classes_")
    low, high = X.min(axis=0), X.max(axis=0)
    room = margin * np.where(high > low, high - low, 1.0)
    x1, x2 = (np.linspace(low[k] - room[k], high[k] + room[k], size) for k in range(2))
    points = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2)
    kind: Literal["probability", "label"]
    if len(classes) == 2 and hasattr(model, "predict_proba"):
        kind, p = "probability", model.predict_proba(points)[:, 1]
    else:
        kind, p = "label", np.searchsorted(classes, model.predict(points))
    return Regions(x1, x2, np.asarray(p, dtype=np.float64).reshape(size, size), kind)
