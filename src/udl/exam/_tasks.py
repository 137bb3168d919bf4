"""The ten tasks: what is asked, what is handed in, how many points, and hints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Task:
    """A task of the mock exam.

    Parameters
    ----------
    name : str
        What ``check`` and ``hint`` call it.
    title : str
        What it is about.
    hand_in : str
        What the answer has to be.
    points : int
        What it is worth.
    hints : tuple of str
        From a nudge to half of the way.
    """

    name: str
    title: str
    hand_in: str
    points: int
    hints: tuple[str, ...]


_ALL = (
    Task(
        "columns",
        "what is missing, and what must not be used",
        'a dict with the keys "missing" and "leaks"',
        5,
        (
            "A pandas frame has isna(). A sum over it counts.",
            "For each column ask: would I know this on the day before the ship sank?",
        ),
    ),
    Task(
        "fill",
        "fill what is missing, without leakage",
        "a function of two arrays that returns two arrays",
        10,
        (
            "The median of a column of the test rows is something that you may not know.",
            "np.nanmedian(train, axis=0) leaves out what is missing. What does it give for a "
            "column of which nothing is known?",
            "np.where(np.isnan(A), row, A) fills each column of A with its entry of row.",
        ),
    ),
    Task(
        "groups",
        "a split that keeps tickets together",
        "two arrays of row numbers: train, test",
        10,
        (
            "Draw tickets, not passengers.",
            "np.unique(tickets) gives each ticket once; np.isin finds the rows of those drawn. "
            "Draw them at random: the file is sorted by class.",
        ),
    ),
    Task(
        "baseline",
        "how good is hardly any model?",
        'a dict with the keys "constant", "women" and "classes"',
        10,
        (
            "A share of correct answers is the mean of (y == f).",
            "For a class, take the mean over the test passengers of this class alone.",
        ),
    ),
    Task(
        "gini",
        "the Gini impurity",
        "a function of an array of labels that returns a number",
        5,
        (
            "np.unique(y, return_counts=True) counts each label.",
            "One minus the sum of the squared shares. Which sum is it if there is no label?",
        ),
    ),
    Task(
        "cut",
        "the best split of one feature",
        "a function of x and y that returns (threshold, impurity)",
        15,
        (
            "Only the midpoints between neighboring distinct values can be thresholds.",
            "The impurity of a split weighs each side by its number of examples.",
            "Drop the missing first. If fewer than two distinct values are left, there is "
            "nothing to cut.",
        ),
    ),
    Task(
        "tree",
        "a tree whose depth the data chose",
        "a fitted DecisionTreeClassifier, or the search that found it",
        10,
        (
            "GridSearchCV tries depths for you. Which rows may it see?",
            "GroupKFold with groups=tickets[train] keeps tickets together in each fold, too.",
        ),
    ),
    Task(
        "bagging",
        "bagging by hand",
        "a function bagging(fit, X, y, X_new, B, rng) that returns an array",
        15,
        (
            "rng.integers(I, size=I) draws row numbers with replacement.",
            "Take the same row numbers of X and of y. Draw anew for each tree.",
            "Collect the B predictions in an array of shape (B, I_new). Which label has more "
            "than half of each column?",
        ),
    ),
    Task(
        "forest",
        "a random forest and its out-of-bag error",
        "a pair: the fitted RandomForestClassifier, its out-of-bag error",
        10,
        (
            "scikit-learn computes it on request: oob_score=True.",
            "An error is what an accuracy leaves to one.",
        ),
    ),
    Task(
        "score",
        "an honest final score",
        'a dict with the keys "model", "accuracy", "low" and "high"',
        10,
        (
            "Choose the model without the test rows, fit it once, then look at them once.",
            "An accuracy is a mean of zeros and ones. Its standard error is "
            "sqrt(a (1 - a) / I), with the I of the rows that it was measured on.",
        ),
    ),
)

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
