"""Right answers to the mock exam, and for each task wrong ones, each with its mistake's name.

``WRONG[task]`` maps the name of a mistake to the answer that makes it and to words that the
feedback must say. ``tests/test_exam.py`` hands in all of them.
"""

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from udl import data, exam

X, y, tickets, train, test = exam.table()
I, I_TEST = len(y), len(test)
male = X["male"].to_numpy()
rooms = X["class"].to_numpy()
women = (male == 0).astype(int)
frame = data.titanic().frame


SECONDS = 2.0  # that the tests give a call
TOTAL = 8.0  # and a check


class Wrong(NamedTuple):
    answer: Any
    words: str


# -------------------------------------------------------------------------------- right answers


def gini(y):
    p = np.unique(y, return_counts=True)[1] / max(len(y), 1)
    return 1 - np.sum(p**2) if len(y) else 0.0


def fill(train, test):
    row = np.nan_to_num(np.nanmedian(train, axis=0))
    return np.where(np.isnan(train), row, train), np.where(np.isnan(test), row, test)


def cut(x, y, *, weigh=True, middle=True, measure=gini, choose=min, drop=True):
    """Cut one feature; the options are mistakes."""
    if drop:
        x, y = x[~np.isnan(x)], y[~np.isnan(x)]
    values = np.unique(x)
    found = []
    for low, high in itertools.pairwise(values):
        t = (low + high) / 2 if middle else low
        left, right = y[x <= t], y[x > t]
        w = len(left) / len(y) if weigh else 0.5
        found.append((w * measure(left) + (1 - w) * measure(right), t))
    if not found:
        return None, measure(y)
    value, t = choose(found)
    return t, value


def bagging(fit, X, y, X_new, B, rng):
    votes = []
    for _ in range(B):
        rows = rng.integers(len(y), size=len(y))
        votes.append(fit(X[rows], y[rows])(X_new))
    return (np.mean(votes, axis=0) > 0.5).astype(int)


def split(seed=5, share=0.2):
    chosen = np.random.default_rng(seed).permutation(np.unique(tickets))
    mask = np.isin(tickets, chosen[: round(share * len(chosen))])
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def accuracy(f, rows):
    return float(np.mean(f[rows] == y[rows]))


def by_class(f, rows):
    return {c: accuracy(f, rows[rooms[rows] == c]) for c in (1, 2, 3)}


def search(depths=range(1, 13), rows=train, refit=True):
    tree = DecisionTreeClassifier(random_state=0)
    found = GridSearchCV(tree, {"max_depth": list(depths)}, cv=GroupKFold(5), refit=refit)
    return found.fit(X.iloc[rows], y[rows], groups=tickets[rows])


def trees(n=100, rows=train, **options):
    options = {"oob_score": True, "random_state": 0, "min_samples_leaf": 3} | options
    return RandomForestClassifier(n, **options).fit(X.iloc[rows], y[rows])


def final(model, rows=test, width=1.96, I=I_TEST):
    a = model.score(X.iloc[rows], y[rows])
    half = width * np.sqrt(a * (1 - a) / I)
    return {"model": model, "accuracy": a, "low": a - half, "high": a + half}


FOREST = trees()
TREE = search().best_estimator_
FINAL = final(FOREST)
ERROR = 1 - FOREST.oob_score_
RULES = {
    "constant": accuracy(np.zeros(I), test),
    "women": accuracy(women, test),
    "classes": by_class(women, test),
}
COLUMNS = {
    "missing": {c: int(frame[c].isna().sum()) for c in ("age", "fare", "embarked")},
    "leaks": ["boat", "body"],
}

RIGHT: dict[str, Any] = {
    "columns": COLUMNS,
    "fill": fill,
    "groups": split(),
    "baseline": RULES,
    "gini": gini,
    "cut": cut,
    "tree": TREE,
    "bagging": bagging,
    "forest": (FOREST, ERROR),
    "score": FINAL,
}

# -------------------------------------------------------------------------------- wrong answers


def loops(*_: Any) -> None:
    while True:
        pass


def loops_and_catches_all(*_: Any) -> None:
    while True:
        try:
            time.sleep(0.001)
        except BaseException:
            pass


def leaves(*_: Any) -> None:
    sys.exit("good bye")


def raises(*_: Any) -> None:
    raise KeyError("age")


def asks(*_: Any) -> str:
    return input("your answer? ")


def recurses(*a: Any) -> Any:
    return recurses(*a)


def says_nothing(*_: Any) -> None:
    print("the answer is 42")


def raises_what_cannot_be_shown(*_: Any) -> None:
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    raise Mute


def prints_for_ever(*_: Any) -> None:
    while True:
        print("x" * 10**6)


async def waits(*_: Any) -> int:
    return 0


ANY_FUNCTION = {
    "loops for ever": Wrong(loops, "never ends"),
    "loops and catches everything": Wrong(loops_and_catches_all, "never ends"),
    "ends the program": Wrong(leaves, "SystemExit: good bye"),
    "raises": Wrong(raises, "KeyError"),
    "raises what cannot be shown": Wrong(raises_what_cannot_be_shown, "it raised Mute."),
    "loops and prints": Wrong(prints_for_ever, "never ends"),
    "asks somebody": Wrong(asks, "nobody can type"),
    "calls itself for ever": Wrong(recurses, "RecursionError"),
    "prints instead of returning": Wrong(says_nothing, "is the return missing?"),
    "takes no argument": Wrong(lambda: 0, "TypeError"),
    "returns text": Wrong(lambda *_: "all", "text"),
    "is a number": Wrong(0.5, "the function itself"),
}


def clobbers_gini(y):
    value = gini(y)
    y[:] = 0
    return value


def clobbers_cut(x, y):
    answer = cut(x, y)
    x.sort()
    return answer


def clobbers_fill(train, test):
    row = np.nan_to_num(np.nanmedian(train, axis=0))
    for A in (train, test):
        gaps = np.isnan(A)
        A[gaps] = np.broadcast_to(row, A.shape)[gaps]
    return train, test


def clobbers_bagging(fit, X, y, X_new, B, rng):
    answer = bagging(fit, X, y, X_new, B, rng)
    y += 1
    return answer


def filling(row_of: Callable[..., Any]) -> Callable[..., Any]:
    """Fill both tables with the rows that a function of both gives."""

    def fill(train, test):
        row = np.nan_to_num(row_of(train, test))
        rows = row if isinstance(row, tuple) else (row, row)
        return tuple(np.where(np.isnan(A), r, A) for A, r in zip((train, test), rows, strict=True))

    return fill


def each_its_own(train, test):
    return fill(train, train)[0], fill(test, test)[0]


def loses_rows(train, test):
    return tuple(A[~np.isnan(A).any(axis=1)] for A in (train, test))


def leaves_gaps(train, test):
    return fill(train, train)[0], test.copy()


def rounds(train, test):
    return tuple(A.round() for A in fill(train, test))


def drops_the_empty_column(train, test):
    row = np.nanmedian(train, axis=0)
    return np.where(np.isnan(train), row, train), np.where(np.isnan(test), row, test)


def knows_two_classes(y):
    p = np.mean(y) if len(y) else 0.0
    return 2 * p * (1 - p)


def entropy(y):
    p = np.unique(y, return_counts=True)[1] / max(len(y), 1)
    return float(-np.sum(p * np.log2(p)))


def one_side(x, y):
    x, y = x[~np.isnan(x)], y[~np.isnan(x)]
    middles = (np.unique(x)[1:] + np.unique(x)[:-1]) / 2
    if not len(middles):
        return None, gini(y)
    return min(((t, gini(y[x <= t])) for t in middles), key=lambda pair: pair[1])


def how_much_it_falls(x, y):
    t, value = cut(x, y)
    return t, (value if t is None else gini(y) - value)


def no_division(x, y):
    t, value = cut(x, y)
    return t, value if t is None else value * len(y)


def missing_is_large(x, y):
    return cut(np.where(np.isnan(x), 1000.0, x), y)


def missing_still_counts(x, y):
    t, value = cut(x, y)
    return t, value if t is None else value * np.mean(~np.isnan(x))


def always_cuts(x, y):
    t, value = cut(x, y)
    return (float(np.nanmean(x)) if t is None else t), value


def forgets_the_last(x, y):
    known = ~np.isnan(x)
    x, y = x[known], y[known]
    middles = (np.unique(x)[1:] + np.unique(x)[:-1]) / 2
    found = []
    for t in middles[: max(1, len(middles) // 4)]:
        left, right = y[x <= t], y[x > t]
        found.append(((len(left) * gini(left) + len(right) * gini(right)) / len(y), t))
    return tuple(reversed(min(found))) if found else (None, gini(y))


def slow(x, y):
    time.sleep(len(x) / 1000)
    return cut(x, y)


def slow_by_a_hair(x, y):
    time.sleep(0.9 * SECONDS)
    return cut(x, y)


def bagging_with(
    rows_of: Callable[..., Any], vote: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """Write a bagging that draws its rows of X and of y in another way, or votes in another."""

    def bagging(fit, X, y, X_new, B, rng):
        votes = []
        for b in range(B):
            of_X, of_y = rows_of(len(y), rng, b)
            votes.append(fit(X[of_X], y[of_y])(X_new))
        return (vote or majority)(np.array(votes))

    return bagging


def majority(votes):
    return (votes.mean(axis=0) > 0.5).astype(int)


def twice(rows):
    return rows, rows


def good_rows(I, rng, b):
    return twice(rng.integers(I, size=I))


def one_sample(fit, X, y, X_new, B, rng):
    rows = rng.integers(len(y), size=len(y))
    return majority(np.array([fit(X[rows], y[rows])(X_new) for _ in range(B)]))


def one_tree(fit, X, y, X_new, B, rng):
    return bagging(fit, X, y, X_new, 1, rng)


def predicts_training_rows(fit, X, y, X_new, B, rng):
    return bagging(fit, X, y, X, B, rng)


def fits_nothing(fit, X, y, X_new, B, rng):
    return np.zeros(len(X_new), dtype=int)


def never_predicts(fit, X, y, X_new, B, rng):
    bagging(lambda A, b: fit(A, b) and (lambda Z: np.zeros(len(Z))), X, y, X_new, B, rng)
    return np.zeros(len(X_new), dtype=int)


ORDER = np.argsort(tickets, kind="stable")
FIRST = np.argsort(rooms, kind="stable")


def in_order(order):
    """Take whole tickets from the start of an order, until a fifth is reached."""
    mask = np.isin(tickets, tickets[order[:200]])
    return np.flatnonzero(~mask), np.flatnonzero(mask)


RANDOM = data.random_split(I, 0.2, seed=1)
MASK = np.isin(np.arange(I), split()[1])
ALL_ROWS = np.arange(I)
BOTH = {key: RULES[key] for key in ("constant", "women")}
LINEAR = make_pipeline(StandardScaler(), LogisticRegression()).fit(X.iloc[train], y[train])
TARGET = X.assign(survived=y)
LEAKY = RandomForestClassifier(20, random_state=0).fit(X, y)


class Unreadable:
    @property
    def best_estimator_(self):
        raise RuntimeError("nobody may read this")


class NeverPredicts:
    def predict(self, X):
        loops()


def changed(answer, **entries):
    return answer | entries


WRONG: dict[str, dict[str, Wrong]] = {
    "columns": {
        "no dict": Wrong([263, 1, 2], "a dict"),
        "a key is missing": Wrong({"missing": {"age": 1}}, "'leaks'"),
        "shares, not counts": Wrong(
            changed(COLUMNS, missing=frame[["age", "fare", "embarked"]].isna().mean()), "shares"
        ),
        "what is there": Wrong(
            changed(COLUMNS, missing=frame.notna().sum()), "counts the values that are there"
        ),
        "one count is wrong": Wrong(
            changed(COLUMNS, missing=COLUMNS["missing"] | {"age": 177}), "not right for age"
        ),
        "no counts": Wrong(changed(COLUMNS, missing=3), "no numbers"),
        "one leak": Wrong(changed(COLUMNS, leaks=["boat"]), "One leak"),
        "one leak, as text": Wrong(changed(COLUMNS, leaks="body"), "One leak"),
        "no leak": Wrong(changed(COLUMNS, leaks=[]), "only after the sinking"),
        "the target": Wrong(changed(COLUMNS, leaks=["boat", "body", "survived"]), "target itself"),
        "the cabin": Wrong(
            changed(COLUMNS, leaks=["boat", "body", "cabin"]), "missing is no leak"
        ),
        "the class": Wrong(changed(COLUMNS, leaks=["boat", "body", "pclass"]), "known before"),
        "no such column": Wrong(
            changed(COLUMNS, leaks=["boat", "body", "ship"]), "no column ship"
        ),
        "leaks is a number": Wrong(changed(COLUMNS, leaks=2), "list of names"),
        "all columns": Wrong(changed(COLUMNS, leaks=list(frame.columns)), "target itself"),
        "leaks for ever": Wrong(changed(COLUMNS, leaks=itertools.cycle(["boat"])), "One leak"),
    },
    "fill": ANY_FUNCTION
    | {
        "each side its own medians": Wrong(each_its_own, "medians of the test rows"),
        "medians of both": Wrong(
            filling(lambda a, b: np.nanmedian(np.vstack([a, b]), axis=0)), "contribute: a leak"
        ),
        "means": Wrong(filling(lambda a, b: np.nanmean(a, axis=0)), "means"),
        "zeros": Wrong(filling(lambda a, b: np.zeros(a.shape[1])), "zeros"),
        "one number for all": Wrong(
            filling(lambda a, b: np.full(a.shape[1], np.nanmedian(a))), "one number for all"
        ),
        "largest": Wrong(filling(lambda a, b: np.nanmax(a, axis=0)), "other numbers"),
        "rows are lost": Wrong(loses_rows, "rows must not get lost"),
        "gaps are left": Wrong(leaves_gaps, "still there"),
        "known numbers change": Wrong(rounds, "that are known"),
        "the empty column": Wrong(drops_the_empty_column, "know nothing"),
        "the input changes": Wrong(clobbers_fill, "Work on copies"),
        "one array": Wrong(lambda a, b: fill(a, b)[0], "A pair is asked for"),
        "two words": Wrong(lambda a, b: ("a", "b"), "no array of numbers"),
        "the other way around": Wrong(lambda a, b: fill(a, b)[::-1], "rows must not get lost"),
        "a generator": Wrong(lambda a, b: (A for A in fill(a, b)), "a generator"),
        "whole numbers": Wrong(
            lambda a, b: tuple(A.astype(int) for A in fill(a, b)), "that are known"
        ),
    },
    "groups": {
        "no pair": Wrong(split()[1], "a pair"),
        "at random": Wrong(tuple(RANDOM), "tickets have passengers on both sides"),
        "masks": Wrong((~MASK, MASK), "flatnonzero"),
        "swapped": Wrong(split()[::-1], "swapped"),
        "half": Wrong(split(share=0.45), "About 20%"),
        "some passengers are nowhere": Wrong((split()[0][10:], split()[1]), "on neither side"),
        "rows on both sides": Wrong((ALL_ROWS, split()[1]), "on both sides"),
        "rows twice": Wrong((split()[0], np.repeat(split()[1], 2)), "twice"),
        "in the file's order": Wrong(in_order(FIRST), "not drawn at random"),
        "by ticket's name": Wrong(in_order(ORDER), "not drawn at random"),
        "the exam's own": Wrong((train, test), "own split"),
        "names": Wrong((["Allen"], ["Allison"]), "Row numbers"),
        "from one": Wrong((split()[0] + 1, split()[1] + 1), "outside of"),
        "not whole": Wrong((split()[0] + 0.5, split()[1]), "not whole"),
        "one side is empty": Wrong((ALL_ROWS, []), "empty"),
        "a table": Wrong((X, X), "Row numbers"),
    },
    "baseline": {
        "no dict": Wrong(0.66, "a dict"),
        "a key is missing": Wrong(BOTH, "'classes'"),
        "training rows": Wrong(
            changed(RULES, women=accuracy(women, train)), '"women": this is measured on the train'
        ),
        "all passengers": Wrong(
            changed(RULES, constant=accuracy(np.zeros(I), ALL_ROWS)), "measured on all passengers"
        ),
        "percent": Wrong(changed(RULES, women=100 * RULES["women"]), "in percent"),
        "the error": Wrong(changed(RULES, women=1 - RULES["women"]), "this is the error"),
        "all survive": Wrong(changed(RULES, constant=np.mean(y[test])), '"constant": this is the'),
        "text": Wrong(changed(RULES, constant="most"), "this is text"),
        "outside": Wrong(changed(RULES, constant=262), "not a share"),
        "a guess": Wrong(changed(RULES, constant=0.5), "not the share"),
        "two digits": Wrong(changed(RULES, women=round(RULES["women"], 2)), "rounded too far"),
        "one passenger more": Wrong(
            changed(RULES, women=RULES["women"] + 1 / len(test)), "not the share"
        ),
        "not a number": Wrong(changed(RULES, constant=np.nan), "not a share"),
        "no classes": Wrong(changed(RULES, classes=0.7), "keys 1, 2 and 3"),
        "survivors by class": Wrong(
            changed(RULES, classes={c: np.mean(y[test][rooms[test] == c]) for c in (1, 2, 3)}),
            "that survived",
        ),
        "divided by all": Wrong(
            changed(
                RULES,
                classes={c: np.mean((women == y)[test] & (rooms[test] == c)) for c in (1, 2, 3)},
            ),
            "not by all of test",
        ),
        "two kinds of mistakes": Wrong(
            changed(RULES, classes=RULES["classes"] | {1: 80, 3: 0.5}), "3: this is not the share"
        ),
        "classes of the training rows": Wrong(
            changed(RULES, classes=by_class(women, train)), "1 and 2 and 3: this is measured on"
        ),
    },
    "gini": ANY_FUNCTION
    | {
        "the sum, not one minus": Wrong(lambda y: 1 - gini(y), "what is it one minus"),
        "the entropy": Wrong(entropy, "the entropy"),
        "the entropy in nats": Wrong(lambda y: entropy(y) * np.log(2), "in nats"),
        "the error": Wrong(
            lambda y: 1 - np.max(np.unique(y, return_counts=True)[1]) / len(y), "less frequent"
        ),
        "half": Wrong(lambda y: np.mean(y) * (1 - np.mean(y)), "It is half"),
        "two classes only": Wrong(knows_two_classes, "Other labels than 0 and 1"),
        "labels as numbers": Wrong(
            lambda y: 2 * np.mean(y.astype(float)) * (1 - np.mean(y.astype(float))), "Other labels"
        ),
        "counts, not shares": Wrong(
            lambda y: 1 - np.sum(np.unique(y, return_counts=True)[1] ** 2), "It squares counts"
        ),
        "without replacement": Wrong(
            lambda y: gini(y) * len(y) / max(1, len(y) - 1), "without replacement"
        ),
        "no label": Wrong(lambda y: 1 - np.sum((np.bincount(y) / len(y)) ** 2), "No label at all"),
        "one for no label": Wrong(lambda y: gini(y) if len(y) else 1.0, "nothing is mixed"),
        "an array": Wrong(lambda y: np.zeros(3), "One number"),
        "a constant": Wrong(lambda y: 0.3, "not the Gini impurity"),
        "the input changes": Wrong(clobbers_gini, "Work on copies"),
        "rounds": Wrong(lambda y: round(float(gini(y)), 2), "not the Gini impurity"),
        "is async": Wrong(waits, "a coroutine"),
        "knows one hidden case": Wrong(lambda y: gini(y) if len(y) == 7 else 0, "it returns 0"),
        "says seconds": Wrong(lambda y: gini(y) if len(y) else int("seconds"), "No label at all"),
    },
    "cut": ANY_FUNCTION
    | {
        "plain average": Wrong(lambda x, y: cut(x, y, weigh=False), "weigh them by size"),
        "a value, not the middle": Wrong(lambda x, y: cut(x, y, middle=False), "the middle"),
        "the largest": Wrong(lambda x, y: cut(x, y, choose=max), "impurity is the largest"),
        "the entropy": Wrong(lambda x, y: cut(x, y, measure=entropy), "the entropy"),
        "one side": Wrong(one_side, "forgets the other"),
        "gain, not impurity": Wrong(how_much_it_falls, "how much it falls"),
        "no division": Wrong(no_division, "Divide by"),
        "not all thresholds": Wrong(forgets_the_last, "also the last"),
        "before the split": Wrong(lambda x, y: (cut(x, y)[0], gini(y)), "before the split"),
        "one side's impurity": Wrong(
            lambda x, y: (cut(x, y)[0], gini(y[x <= (cut(x, y)[0] or 0)])), "of one side alone"
        ),
        "a random threshold": Wrong(lambda x, y: (12.34567, 0.2), "not the middle"),
        "the other way around": Wrong(lambda x, y: cut(x, y)[::-1], "the threshold comes first"),
        "plain average, with gaps": Wrong(
            lambda x, y: cut(x, y, weigh=False), "the same mistakes as without"
        ),
        "slow by a hair": Wrong(slow_by_a_hair, "seconds of this check were over"),
        "missing is large": Wrong(missing_is_large, "Leave them out"),
        "missing is kept": Wrong(lambda x, y: cut(x, y, drop=False), "Missing values"),
        "missing still counts": Wrong(missing_still_counts, "still count"),
        "always cuts": Wrong(always_cuts, "Nothing to cut"),
        "never cuts": Wrong(lambda x, y: (None, gini(y)), "there is a threshold"),
        "impurity of nothing": Wrong(
            lambda x, y: cut(x, y) if cut(x, y)[0] is not None else (None, 0.0), "uncut"
        ),
        "slow": Wrong(slow, "3000 examples"),
        "raises for many": Wrong(
            lambda x, y: cut(x, y) if len(x) < 1000 else int("many"), "3000 examples it raised"
        ),
        "wrong for many": Wrong(
            lambda x, y: cut(x, y) if len(x) < 1000 else (3.5, 0.1), "not find the best cut"
        ),
        "NaN for None": Wrong(
            lambda x, y: (cut(x, y)[0] or np.nan, cut(x, y)[1]), "threshold is nan, but None"
        ),
        "threshold only": Wrong(lambda x, y: cut(x, y)[0], "A pair"),
        "a word": Wrong(lambda x, y: ("left", 0.1), "the threshold is text"),
        "no impurity": Wrong(lambda x, y: (cut(x, y)[0], None), "impurity is None"),
        "the input changes": Wrong(clobbers_cut, "Work on copies"),
    },
    "tree": {
        "not fitted": Wrong(DecisionTreeClassifier(max_depth=3), "not fitted"),
        "all passengers": Wrong(search(rows=ALL_ROWS), "all passengers"),
        "the test rows": Wrong(
            DecisionTreeClassifier(max_depth=3).fit(X.iloc[test], y[test]), "on the test rows"
        ),
        "a part": Wrong(
            DecisionTreeClassifier(max_depth=3).fit(X.iloc[train[:800]], y[train[:800]]),
            "800 rows",
        ),
        "other rows": Wrong(
            DecisionTreeClassifier(max_depth=3).fit(X.iloc[: len(train)], y[: len(train)]),
            "leaves hold others",
        ),
        "any depth": Wrong(
            DecisionTreeClassifier(random_state=0).fit(X.iloc[train], y[train]), "by heart"
        ),
        "no question": Wrong(
            DecisionTreeClassifier(min_samples_leaf=600).fit(X.iloc[train], y[train]), "too few"
        ),
        "a regression tree": Wrong(
            DecisionTreeRegressor(max_depth=3).fit(X.iloc[train], y[train]), "is a class"
        ),
        "a forest": Wrong(FOREST, "DecisionTreeClassifier"),
        "a depth": Wrong(3, "an int"),
        "the class, not the object": Wrong(DecisionTreeClassifier, "is the class Decision"),
        "other survivors": Wrong(
            DecisionTreeClassifier(max_depth=3).fit(
                X.iloc[train], np.random.default_rng(0).permutation(y[train])
            ),
            "other survivors",
        ),
        "scaled": Wrong(
            DecisionTreeClassifier(max_depth=3).fit((X - X.mean()).iloc[train], y[train]),
            "as they are",
        ),
        "its own class": Wrong(Unreadable(), "so unusual that the check fails"),
        "not refitted": Wrong(search(refit=False), "refit=False"),
        "a search that is not fitted": Wrong(
            GridSearchCV(DecisionTreeClassifier(), {"max_depth": [3]}), "search is not fitted yet"
        ),
        "few columns": Wrong(
            DecisionTreeClassifier(max_depth=3).fit(X.iloc[train, :6], y[train]), "Use all"
        ),
        "the target is an input": Wrong(
            DecisionTreeClassifier(max_depth=3).fit(TARGET.iloc[train], y[train]), "8 columns"
        ),
    },
    "bagging": ANY_FUNCTION
    | {
        "returns text": Wrong(lambda *_: "all", "never calls fit"),
        "returns text in the end": Wrong(bagging_with(good_rows, lambda v: "all"), "this is text"),
        "no bootstrap": Wrong(
            bagging_with(lambda I, rng, b: twice(np.arange(I))), "there is no bootstrap"
        ),
        "without replacement": Wrong(
            bagging_with(lambda I, rng, b: twice(rng.permutation(I))), "with replacement"
        ),
        "X and y apart": Wrong(
            bagging_with(lambda I, rng, b: (rng.integers(I, size=I), rng.integers(I, size=I))),
            "drawn apart",
        ),
        "half a sample": Wrong(
            bagging_with(lambda I, rng, b: twice(rng.integers(I, size=I // 2))), "as large"
        ),
        "one sample for all": Wrong(one_sample, "draw anew"),
        "the last row never": Wrong(
            bagging_with(lambda I, rng, b: twice(rng.integers(I - 1, size=I))), "never drawn"
        ),
        "few rows often": Wrong(
            bagging_with(lambda I, rng, b: twice(rng.integers(I, size=I // 4).repeat(4))),
            "equal chances",
        ),
        "its own seed": Wrong(
            bagging_with(lambda I, rng, b: good_rows(I, np.random.default_rng(b), b)),
            "Another rng",
        ),
        "its own chance": Wrong(
            bagging_with(lambda I, rng, b: good_rows(I, np.random.default_rng(), b)),
            "the second time",
        ),
        "one tree": Wrong(one_tree, "it fits 1 trees"),
        "the last tree": Wrong(bagging_with(good_rows, lambda v: v[-1]), "last tree"),
        "the first tree": Wrong(bagging_with(good_rows, lambda v: v[0]), "first tree"),
        "the minority": Wrong(bagging_with(good_rows, lambda v: 1 - majority(v)), "fewer votes"),
        "a share": Wrong(bagging_with(good_rows, lambda v: v.mean(axis=0)), "share of votes"),
        "a number of votes": Wrong(bagging_with(good_rows, lambda v: v.sum(axis=0)), "number of"),
        "one is enough": Wrong(
            bagging_with(good_rows, lambda v: v.max(axis=0)), "One vote for 1 is enough"
        ),
        "all are needed": Wrong(bagging_with(good_rows, lambda v: v.min(axis=0)), "All have to"),
        "the vote of rows": Wrong(
            bagging_with(good_rows, lambda v: v.mean(axis=1) > 0.5), "array of shape"
        ),
        "random votes": Wrong(
            bagging_with(good_rows, lambda v: np.arange(v.shape[1]) % 2), "most trees"
        ),
        "other numbers": Wrong(
            bagging_with(good_rows, lambda v: 7 * majority(v)), "other numbers than 0 and 1"
        ),
        "predicts the training rows": Wrong(predicts_training_rows, "other rows than those of"),
        "fits nothing": Wrong(fits_nothing, "never calls fit"),
        "never predicts": Wrong(never_predicts, "No tree is asked"),
        "rows that are not rows": Wrong(
            lambda fit, X, y, Z, B, rng: bagging(fit, X + 0.5, y, Z, B, rng), "not rows of X"
        ),
        "labels as a column": Wrong(
            lambda fit, X, y, Z, B, rng: bagging(fit, X, y[:, None], Z, B, rng), "rows of X and y"
        ),
        "rows that are nothing": Wrong(
            lambda fit, X, y, Z, B, rng: bagging(fit, X * np.nan, y, Z, B, rng), "not rows of X"
        ),
        "one tree too many": Wrong(
            lambda fit, X, y, Z, B, rng: bagging(fit, X, y, Z, B + 1, rng), "it fits 16 trees"
        ),
        "new rows in another order": Wrong(
            lambda fit, X, y, Z, B, rng: bagging(fit, X, y, Z[::-1], B, rng), "most trees vote for"
        ),
        "the input changes": Wrong(clobbers_bagging, "Work on copies"),
    },
    "forest": {
        "only the forest": Wrong(FOREST, "a pair"),
        "not fitted": Wrong((RandomForestClassifier(oob_score=True), 0.2), "not fitted"),
        "a tree": Wrong((TREE, 0.2), "RandomForestClassifier"),
        "few trees": Wrong((trees(50), 1 - trees(50).oob_score_), "50 trees are few"),
        "all passengers": Wrong(
            (trees(rows=ALL_ROWS), 1 - trees(rows=ALL_ROWS).oob_score_), "on all passengers"
        ),
        "all features": Wrong(
            (trees(max_features=None), 1 - trees(max_features=None).oob_score_), "not yet a random"
        ),
        "no out-of-bag score": Wrong((trees(oob_score=False), 0.2), "only on request"),
        "the accuracy": Wrong((FOREST, FOREST.oob_score_), "out-of-bag accuracy"),
        "percent": Wrong((FOREST, 100 * ERROR), "in percent"),
        "test error": Wrong((FOREST, 1 - FOREST.score(X.iloc[test], y[test])), "the test rows"),
        "training error": Wrong(
            (FOREST, 1 - FOREST.score(X.iloc[train], y[train])), "the training rows"
        ),
        "a guess": Wrong((FOREST, 0.31), "not the out-of-bag error"),
        "not a number": Wrong((FOREST, np.nan), "not a share"),
        "text": Wrong((FOREST, "small"), "text"),
    },
    "score": {
        "no dict": Wrong(0.8, "a dict"),
        "a key is missing": Wrong({"model": FOREST, "accuracy": 0.8}, "'low', 'high'"),
        "training accuracy": Wrong(final(FOREST, rows=train, I=len(test)), "on the training rows"),
        "the error": Wrong(changed(FINAL, accuracy=1 - FINAL["accuracy"]), "this is the error"),
        "percent": Wrong(
            changed(FINAL, **{k: 100 * FINAL[k] for k in ("accuracy", "low", "high")}), "percent"
        ),
        "a guess": Wrong(changed(FINAL, accuracy=FINAL["accuracy"] - 0.02), "not the accuracy"),
        "fitted on all": Wrong(final(LEAKY), "seen the test rows"),
        "fitted on all, pruned": Wrong(final(search(rows=ALL_ROWS)), "fitted on all passengers"),
        "fitted on all, boosted": Wrong(
            final(GradientBoostingClassifier(max_depth=2).fit(X, y)), "fitted on all passengers"
        ),
        "loops when it predicts": Wrong(changed(FINAL, model=NeverPredicts()), "never ends"),
        "90%": Wrong(final(FOREST, width=1.645), "about 90%"),
        "99%": Wrong(final(FOREST, width=2.576), "about 99%"),
        "one standard error": Wrong(final(FOREST, width=1.0), "68%"),
        "the wrong I": Wrong(final(FOREST, I=len(train)), "that of the test rows"),
        "no width": Wrong(final(FOREST, width=0.01), "too narrow"),
        "no square root of I": Wrong(final(FOREST, width=20.0), "too wide"),
        "swapped": Wrong(changed(FINAL, low=FINAL["high"], high=FINAL["low"]), "before it begins"),
        "elsewhere": Wrong(changed(FINAL, low=0.1, high=0.2), "its own interval"),
        "a constant": Wrong(
            final(DummyClassifier(strategy="most_frequent").fit(X.iloc[train], y[train])),
            "clearly worse",
        ),
        "no model": Wrong(changed(FINAL, model="a forest"), "AttributeError"),
        "not fitted": Wrong(changed(FINAL, model=RandomForestClassifier()), "NotFittedError"),
        "no number": Wrong(changed(FINAL, low="0.7"), "A number is asked for"),
    },
}
