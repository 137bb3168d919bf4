"""Grading fitted models: what they were fitted on, how they were chosen, what they promise."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from udl.exam._grade import Grade
from udl.exam._run import array, kind, number, within
from udl.exam._table import table
from udl.exam._values import _empty, _entries

_FEATURES = 7
# Two depths whose accuracies differ by less are equally good: folds vary more than that.
NEAR = 0.015


def _last(model: Any) -> Any:
    """Return the model itself: out of a search, and out of a pipeline."""
    if hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def _cross_validated(model: Any) -> float:
    """Return the accuracy of fresh copies on held-out training rows, tickets kept together."""
    from sklearn.base import clone
    from sklearn.model_selection import GroupKFold, cross_val_score

    X, y, tickets, train, _ = table()
    scores = [
        cross_val_score(
            clone(model),
            X.iloc[train].to_numpy(),
            y[train],
            groups=tickets[train],
            cv=GroupKFold(5, shuffle=True, random_state=shuffle),
        )
        for shuffle in range(3)
    ]
    return float(np.mean(scores))


@functools.cache
def _best_depth() -> tuple[float, int]:
    """Return the best cross-validated accuracy of a tree, and its depth."""
    from sklearn.tree import DecisionTreeClassifier

    return max(
        (_cross_validated(DecisionTreeClassifier(max_depth=depth, random_state=0)), depth)
        for depth in range(2, 7)
    )


def _predict(model: Any, rows: np.ndarray, seconds: float) -> np.ndarray | str:
    """Return the predictions for some rows, or what is wrong with them."""
    X = table().X.iloc[rows]
    raised: BaseException | None = None
    for given in (X, X.to_numpy()):
        value, raised = within(functools.partial(_asked, model, given), 4 * seconds)
        if raised is None:
            found = array(value)
            if found is None or found.shape != (len(rows),):
                return f"for {len(rows)} rows its predict returns {kind(value)}."
            return found
    text = " ".join(str(raised).split())[:160]
    return f"its predict raises {type(raised).__name__}: {text}"


def _asked(model: Any, X: Any) -> Any:
    return model.predict(X)


def _rows_trouble(seen: int) -> str:
    """Say on what else than the training rows a tree was fitted, by their number."""
    own = table()
    I, I_train, I_test = len(own.y), len(own.train), len(own.test)
    if seen == I_train:
        return ""
    said = f"It was fitted on {seen} rows"
    if seen == I:
        return f"{said}: on all passengers, the test rows among them."
    if seen == I_test:
        return f"{said}: on the test rows."
    return f"{said}. The training rows are {I_train}."


def _fitted_trouble(model: Any, name: str) -> str:
    """Say why something is no fitted classifier for the seven columns."""
    last = _last(model)
    if type(last).__name__ != name:
        extra = " Fitted, but to numbers: survived is a class." * (
            type(last).__name__.endswith("Regressor")
        )
        return f"Hand in a fitted {name}: this is {kind(last)}.{extra}"
    if not hasattr(last, "n_features_in_"):
        return "It is not fitted yet."
    if last.n_features_in_ != _FEATURES:
        return (
            f"It was fitted on {last.n_features_in_} columns, but the table has {_FEATURES}. "
            "Is the target among them?"
        )
    return ""


def tree(answer: Any, seconds: float) -> Grade | None:
    """Grade a decision tree: fitted, on the training rows, of a depth that is worth it."""
    grade = Grade(10)
    if why := _fitted_trouble(answer, "DecisionTreeClassifier"):
        return grade.nothing(why)
    own = table()
    model = _last(answer)
    predicted = _predict(answer, own.test, seconds)
    if isinstance(predicted, str):
        return grade.nothing(f"On the test rows {predicted}")
    trouble = _rows_trouble(int(model.tree_.n_node_samples[0]))
    if not trouble:
        share = float(model.tree_.value[0].reshape(-1)[-1] / model.tree_.value[0].sum())
        if abs(share - float(np.mean(own.y[own.train]))) > 1e-6 and model.class_weight is None:
            trouble = "It was not fitted on the training rows: their share of survivors differs."
    grade.need(not trouble, 4, trouble)
    depth = int(model.get_depth())
    best, best_depth = _best_depth()
    value, raised = within(lambda: _cross_validated(model), 10 * seconds)
    if raised is not None:
        grade.lose(6, f"A copy of it cannot be fitted: {type(raised).__name__}.")
    elif value < best - NEAR:
        grade.lose(
            6,
            f"Its depth is {depth}. Cross-validated on the training rows, its accuracy is more "
            f"than {NEAR} below that of the best depth: "
            + (
                "it knows its training rows by heart."
                if depth > best_depth
                else "it asks too few questions."
            ),
        )
    return grade


def forest(answer: Any, seconds: float) -> Grade | None:
    """Grade a random forest: trees, rows, features, and the out-of-bag error."""
    grade = Grade(10)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return grade.nothing(f"Hand in a pair (forest, error): this is {kind(answer)}.")
    if all(_empty(part) for part in answer):
        return None
    model, said = _last(answer[0]), number(answer[1])
    if why := _fitted_trouble(model, "RandomForestClassifier"):
        return grade.nothing(why)
    own = table()
    predicted = _predict(answer[0], own.test, seconds)
    if isinstance(predicted, str):
        return grade.nothing(f"On the test rows {predicted}")
    trees = model.estimators_
    few = len(trees) < 100
    grade.need(not few, 1, f"{len(trees)} trees are few: at least 100 are asked for.")
    seen = round(float(trees[0].tree_.weighted_n_node_samples[0]))
    trouble = "" if model.class_weight is not None else _rows_trouble(seen)
    grade.need(not trouble, 3, trouble)
    tried = trees[0].max_features_
    grade.need(
        tried < _FEATURES,
        2,
        f"Each split tries all {tried} features: that is bagging, not yet a random forest.",
    )
    if not hasattr(model, "oob_score_"):
        grade.lose(4, "It has no out-of-bag score: scikit-learn computes it only on request.")
        return grade
    error = 1 - float(model.oob_score_)
    if said is None:
        grade.lose(4, f"The out-of-bag error is {kind(answer[1])}. A number is asked for.")
    elif abs(said - error) > 1e-3:
        grade.lose(4, _error_trouble(said, error, model, predicted, seconds))
    return grade


def _error_trouble(
    said: float, error: float, model: Any, predicted: np.ndarray, seconds: float
) -> str:
    own = table()
    if abs(1 - said - error) < 1e-3:
        return "This is the out-of-bag accuracy. The error is asked for."
    if abs(said / 100 - error) < 1e-3:
        return "This is in percent. A share between 0 and 1 is asked for."
    if abs(said - float(np.mean(predicted != own.y[own.test]))) < 1e-3:
        return "This is the error on the test rows: they are for the last task."
    known = _predict(model, own.train, seconds)
    if not isinstance(known, str) and abs(said - float(np.mean(known != own.y[own.train]))) < 1e-3:
        return "This is the error on the training rows, which the forest has seen."
    return "This is not the out-of-bag error of this forest."


def score(answer: Any, seconds: float) -> Grade | None:
    """Grade the final score: the accuracy on the test rows, and an interval for it."""
    grade = Grade(10)
    entries = _entries(answer, ("model", "accuracy", "low", "high"))
    if entries is None:
        return None
    if isinstance(entries, str):
        return grade.nothing(entries)
    own = table()
    predicted = _predict(entries["model"], own.test, seconds)
    if isinstance(predicted, str):
        return grade.nothing(f"On the test rows {predicted}")
    accuracy = float(np.mean(predicted == own.y[own.test]))
    rule = float(np.mean((own.X["male"].to_numpy() == 0)[own.test] == own.y[own.test]))
    if accuracy > 0.93 or _seen_test(entries["model"]):
        grade.lose(
            4,
            "This model has seen the test rows: nobody is that good here who has not."
            if accuracy > 0.93
            else "This model was fitted on all passengers, the test rows too.",
        )
    elif accuracy < rule - 0.03:
        grade.lose(2, "This model is clearly worse than the rule that women survive.")
    numbers = {key: number(entries[key]) for key in ("accuracy", "low", "high")}
    for key, value in numbers.items():
        if value is None:
            return grade.nothing(f'"{key}" is {kind(entries[key])}. A number is asked for.')
    said, low, high = (float(value) for value in numbers.values() if value is not None)
    why = _accuracy_trouble(said, accuracy, entries["model"], seconds)
    grade.need(not why, 3, why)
    why = _interval_trouble(said, low, high, accuracy, len(own.test))
    grade.need(not why, 3, why)
    return grade


def _seen_test(model: Any) -> bool:
    """Say whether a tree or a forest was fitted on as many rows as there are passengers."""
    last = _last(model)
    one = getattr(last, "tree_", None)
    if one is None:
        trees = getattr(last, "estimators_", None)
        one = getattr(trees[0], "tree_", None) if isinstance(trees, list) and trees else None
    return one is not None and float(one.weighted_n_node_samples[0]) == len(table().y)


def _accuracy_trouble(said: float, right: float, model: Any, seconds: float) -> str:
    own = table()
    if abs(said - right) < 1e-3:
        return ""
    if abs(said / 100 - right) < 1e-3:
        return "The accuracy is in percent. A share between 0 and 1 is asked for."
    if abs(1 - said - right) < 1e-3:
        return "This is the error. The accuracy is asked for."
    known = _predict(model, own.train, seconds)
    if not isinstance(known, str) and abs(said - float(np.mean(known == own.y[own.train]))) < 1e-3:
        return "This is the accuracy on the training rows, which the model has seen."
    return "This is not the accuracy of this model on the test rows."


def _interval_trouble(said: float, low: float, high: float, accuracy: float, I_test: int) -> str:
    if low > high:
        return "The interval ends before it begins: low is above high."
    if max(low, high) > 1.5:
        return "The interval is in percent. Shares between 0 and 1 are asked for."
    if not low <= said <= high:
        return "The accuracy is not in its own interval."
    half = (high - low) / 2
    error = float(np.sqrt(accuracy * (1 - accuracy) / I_test))
    if abs(half - error) < 0.25 * error and half < 1.5 * error:
        return (
            "The interval is about half as wide as it should be. One standard error to each side "
            "covers about 68%, not 95%. And is its I that of the test rows?"
        )
    if half < 1.5 * error:
        return "The interval is too narrow. With so few passengers the accuracy is less certain."
    if half > 3.2 * error:
        return "The interval is too wide: have you divided by the square root of I?"
    return ""
