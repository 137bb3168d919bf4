"""Grading fitted models: what they were fitted on, how they were chosen, what they promise."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from udl._answers import array, call, kind, number
from udl.exam._grade import Grade
from udl.exam._table import table
from udl.exam._values import entries_of, share_trouble

_FEATURES = 7
# Depths whose accuracies are that close are accepted: another way to make the folds, such as one
# that leaves the file's order alone, may choose them.
NEAR = 0.04


def _last(model: Any) -> Any:
    """Return the model itself: out of a search, and out of a pipeline."""
    if hasattr(model, "best_estimator_"):
        return _last(model.best_estimator_)
    steps = getattr(model, "steps", None)
    return _last(steps[-1][1]) if isinstance(steps, list) and steps else model


def _cross_validated(model: Any) -> float:
    """Return the accuracy of fresh copies on held-out training rows, tickets kept together."""
    from sklearn.base import clone
    from sklearn.model_selection import GroupKFold, cross_val_score

    X, y, tickets, train, _ = table()
    scores = [
        cross_val_score(
            clone(model).set_params(random_state=0),
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


def _accuracy(model: Any, rows: np.ndarray, seconds: float) -> float | str:
    """Return the accuracy on some rows, or what is wrong with the predictions."""
    own = table()
    X = own.X.iloc[rows]
    for given in (X, X.to_numpy()):
        outcome = call(lambda X: model.predict(X), given, seconds=4 * seconds)
        if outcome.late or not outcome.trouble:
            break
    if outcome.trouble:
        return f"Asked to predict, {outcome.trouble}"
    found = array(outcome.value)
    if found is None or found.shape != (len(rows),):
        return f"For {len(rows)} rows its predict returns {kind(outcome.value)}."
    return float(np.mean(found == own.y[rows]))


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


def _fitted_trouble(model: Any, wanted: type) -> str:
    """Say why something is no fitted classifier for the seven columns."""
    if hasattr(model, "refit"):  # a search without a best model
        if not hasattr(model, "cv_results_"):
            return "This search is not fitted yet."
        return "This search was not refitted (refit=False), so it has no model to hand in."
    if type(model) is not wanted:
        extra = " Fitted, but to numbers: survived is a class." * (
            type(model).__name__.endswith("Regressor")
        )
        said = f"Hand in a fitted {wanted.__name__} of scikit-learn: this is {kind(model)}."
        return said + extra
    if not hasattr(model, "n_features_in_"):
        return "It is not fitted yet."
    fitted = int(model.n_features_in_)
    if fitted != _FEATURES:
        target = " Is the target among them?" if fitted > _FEATURES else " Use all of them."
        return f"It was fitted on {fitted} columns, but the table has {_FEATURES}.{target}"
    return ""


def _promised(tree: Any) -> float:
    """Return the accuracy on the rows that a tree was fitted on, by what its leaves hold."""
    leaves = tree.children_left < 0
    shares = tree.value[leaves, 0] / tree.value[leaves, 0].sum(axis=1, keepdims=True)
    return float(np.average(shares.max(axis=1), weights=tree.n_node_samples[leaves]))


def tree(answer: Any, seconds: float) -> Grade:
    """Grade a decision tree: fitted, on the training rows, of a depth that is worth it."""
    from sklearn.tree import DecisionTreeClassifier

    grade = Grade(10)
    model = _last(answer)
    if why := _fitted_trouble(model, DecisionTreeClassifier):
        return grade.nothing(why)
    known = _accuracy(answer, table().train, seconds)
    if isinstance(known, str):
        return grade.nothing(known)
    fitted = model.tree_
    trouble = _rows_trouble(int(fitted.n_node_samples[0]))
    unweighted = np.array_equal(fitted.n_node_samples, fitted.weighted_n_node_samples)
    if not trouble and unweighted and abs(known - _promised(fitted)) > 1e-6:
        trouble = (
            "It was not fitted on the training rows as they are: its leaves hold others, or other "
            "survivors."
        )
    grade.lose(4, trouble)
    depth = int(model.get_depth())
    best, best_depth = _best_depth()
    outcome = call(_cross_validated, model, seconds=4 * seconds)
    if outcome.trouble:
        grade.lose(6, f"A copy of it cannot be fitted: {outcome.trouble}")
    elif outcome.value < best - NEAR:
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


def forest(answer: Any, seconds: float) -> Grade:
    """Grade a random forest: trees, rows, features, and the out-of-bag error."""
    from sklearn.ensemble import RandomForestClassifier

    grade = Grade(10)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return grade.nothing(f"Hand in a pair (forest, error): this is {kind(answer)}.")
    model = _last(answer[0])
    if why := _fitted_trouble(model, RandomForestClassifier):
        return grade.nothing(why)
    accuracies = [_accuracy(answer[0], rows, seconds) for rows in (table().test, table().train)]
    for accuracy in accuracies:
        if isinstance(accuracy, str):
            return grade.nothing(accuracy)
    trees = model.estimators_
    if len(trees) < 100:
        grade.lose(1, f"{len(trees)} trees are few: at least 100 are asked for.")
    scored = hasattr(model, "oob_score_")
    if scored:
        seen = len(model.oob_decision_function_)
    else:
        seen = round(float(trees[0].tree_.weighted_n_node_samples[0]))
    counted = scored or (model.class_weight is None and model.max_samples is None)
    trouble = _rows_trouble(seen) if counted else ""
    grade.lose(3, trouble)
    tried = trees[0].max_features_
    if tried >= _FEATURES:
        said = f"Each split tries all {tried} features: that is bagging, not yet a random forest."
        grade.lose(2, said)
    if not scored:
        grade.lose(4, "It has no out-of-bag score: scikit-learn computes it only on request.")
        return grade
    of_test, of_train = (1 - float(accuracy) for accuracy in accuracies)
    mistakes = {
        "this is the out-of-bag accuracy. The error is asked for.": float(model.oob_score_),
        "this is the error on the test rows: they are for the last task.": of_test,
        "this is the error on the training rows, which the forest has seen.": of_train,
    }
    wrong = "this is not the out-of-bag error of this forest."
    why = share_trouble(answer[1], 1 - float(model.oob_score_), mistakes, wrong)
    grade.lose(4, why and f"The error: {why}")
    return grade


def score(answer: Any, seconds: float) -> Grade:
    """Grade the final score: the accuracy on the test rows, and an interval for it."""
    grade = Grade(10)
    entries = entries_of(answer, ("model", "accuracy", "low", "high"))
    if isinstance(entries, str):
        return grade.nothing(entries)
    own = table()
    accuracy = _accuracy(entries["model"], own.test, seconds)
    if isinstance(accuracy, str):
        return grade.nothing(accuracy)
    rule = float(np.mean((own.X["male"].to_numpy() == 0)[own.test] == own.y[own.test]))
    if accuracy > 0.93:
        grade.lose(4, "This model has seen the test rows: nobody is that good here who has not.")
    elif _seen_test(entries["model"]):
        grade.lose(4, "This model was fitted on all passengers, the test rows too.")
    elif accuracy < rule - 0.03:
        grade.lose(2, "This model is clearly worse than the rule that women survive.")
    numbers = {key: number(entries[key]) for key in ("accuracy", "low", "high")}
    for key, value in numbers.items():
        if value is None:
            return grade.nothing(f'"{key}" is {kind(entries[key])}. A number is asked for.')
    said, low, high = (float(value) for value in numbers.values() if value is not None)
    mistakes = {"this is the error. The accuracy is asked for.": 1 - accuracy}
    known = _accuracy(entries["model"], own.train, seconds)
    if not isinstance(known, str):
        why = "this is the accuracy on the training rows, which the model has seen."
        mistakes[why] = known
    wrong = "this is not the accuracy of this model on the test rows."
    why = share_trouble(said, accuracy, mistakes, wrong)
    grade.lose(3, why and f'"accuracy": {why}')
    grade.lose(3, _interval_trouble(said, low, high, accuracy, len(own.test)))
    return grade


def _seen_test(model: Any) -> bool:
    """Say whether a tree or its like was fitted on as many rows as there are passengers."""
    first = _last(model)
    while not hasattr(first, "tree_"):  # in a forest, in boosting
        trees = getattr(first, "estimators_", ())
        if not isinstance(trees, list | np.ndarray) or not len(trees):
            return False
        first = trees[0]
        if isinstance(first, np.ndarray):
            first = first[0]
    return float(first.tree_.weighted_n_node_samples[0]) == len(table().y)


def _interval_trouble(said: float, low: float, high: float, accuracy: float, I_test: int) -> str:
    if low > high:
        return "The interval ends before it begins: low is above high."
    if max(low, high) > 1.5:
        return "The interval is in percent. Shares between 0 and 1 are asked for."
    if not low <= said <= high:
        return "The accuracy is not in its own interval."
    half = (high - low) / 2  # 1.96 standard errors, or about as much
    error = float(np.sqrt(accuracy * (1 - accuracy) / I_test))
    if abs(half - error) < 0.25 * error and half < 1.5 * error:
        return (
            "The interval is about half as wide as it should be. One standard error to each side "
            "covers about 68%, not 95%. And is its I that of the test rows?"
        )
    if 1.5 * error < half < 1.75 * error:
        return "The interval is for a confidence of about 90%. 95% is asked for."
    if half < 1.75 * error:
        return "The interval is too narrow. With so few passengers the accuracy is less certain."
    if 2.4 * error < half < 3.2 * error:
        return "The interval is for a confidence of about 99%. 95% is asked for."
    if half > 3.2 * error:
        return "The interval is too wide: have you divided by the square root of I?"
    return ""
