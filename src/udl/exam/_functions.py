"""Grading functions: each runs on hidden cases, against an oracle that tries everything.

A wrong value is compared with the values of known mistakes, so that the feedback can name the
mistake. The right value is never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from udl._answers import Outcome, array, call, kind, number
from udl.exam._grade import Grade

_CHANGED = "It changes the arrays that it is given. Work on copies."
TOLERANCE = 1e-6
Labels = Shaped[np.ndarray, " I"]


def _close(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))


def _no_function(answer: Any) -> str:
    if callable(answer):
        return ""
    return f"Hand in the function itself, without calling it: this is {kind(answer)}."


def _show(values: np.ndarray, most: int = 10) -> str:
    shown = ", ".join(f"{v:g}" if values.dtype.kind == "f" else str(v) for v in values[:most])
    return f"[{shown}{', ...' if len(values) > most else ''}]"


# ---------------------------------------------------------------------------------------- gini


def _shares(y: Labels) -> Float[np.ndarray, " K"]:
    counts = np.unique(y, return_counts=True)[1]
    return np.asarray(counts / counts.sum(), dtype=float)


def impurity(y: Labels) -> float:
    """Return the chance that two labels, drawn with replacement, differ: by trying all pairs."""
    return float(np.mean(y[:, None] != y[None, :])) if len(y) else 0.0


_GINI_MISTAKES: Mapping[str, Callable[[Labels], float]] = {
    "It is the sum of the squared shares: what is it one minus?": lambda y: np.sum(
        _shares(y) ** 2
    ),
    "This is the entropy, another measure of impurity.": lambda y: (
        -np.sum(_shares(y) * np.log2(_shares(y)))
    ),
    "This is the entropy, in nats: another measure of impurity.": lambda y: (
        -np.sum(_shares(y) * np.log(_shares(y)))
    ),
    "This is the share of the less frequent labels (the misclassification error), another "
    "measure of impurity.": lambda y: 1 - np.max(_shares(y)),
    "It is half of the Gini impurity of two classes: p(1 - p) has to be added for each class.": (
        lambda y: np.mean(y == y[0]) * (1 - np.mean(y == y[0]))
    ),
    "It takes the labels for numbers: a label is a name, its value must not matter.": (
        lambda y: 2 * np.mean(y) * (1 - np.mean(y))
    ),
    "It squares counts. Divide each count by the number of examples first.": lambda y: (
        1 - np.sum(np.unique(y, return_counts=True)[1] ** 2.0)
    ),
    "It draws the two labels without replacement: the formula has shares, squared.": lambda y: (
        impurity(y) * len(y) / max(len(y) - 1, 1)
    ),
}


def gini(answer: Any, seconds: float) -> Grade | None:
    """Grade the Gini impurity: two classes, more classes and other names, no label."""
    grade = Grade(5)
    if why := _no_function(answer):
        return grade.nothing(why)
    rng = np.random.default_rng(11)
    two = [np.array([0, 1, 1, 1, 0, 1, 1]), np.ones(6, dtype=int), np.array([0])]
    two += [rng.integers(2, size=int(n)) for n in rng.integers(2, 60, size=8)]
    names = [np.array([3, 7, 7, 3, 9, 3]), np.array(["a", "b", "a", "c"]), np.array([-1, 1, 1])]
    names += [rng.integers(5, size=int(n)) * 10 for n in rng.integers(3, 60, size=8)]
    for cases, points, what in (
        (two, 2, ""),
        (names, 2, "Other labels than 0 and 1: "),
        ([np.array([], dtype=int)], 1, "No label at all: "),
    ):
        told = []
        for y in cases:
            outcome = call(answer, y, seconds=seconds)
            if outcome.empty:
                return None
            told.append((y, outcome))
            if outcome.trouble:
                break
            if outcome.changed and _CHANGED not in grade.feedback:
                grade.lose(1, _CHANGED)
        why = _gini_trouble(told)
        if told[-1][1].late:
            return grade.nothing(why)
        grade.lose(points, why and what + why)
    return grade


def _gini_trouble(told: list[tuple[np.ndarray, Outcome]]) -> str:
    """Say what is wrong with the values; a known mistake explains all of them."""
    for y, outcome in told:
        asked = f"For y = {_show(y)} "
        if outcome.trouble:
            return asked + outcome.trouble
        value = number(outcome.value)
        if value is None:
            return f"{asked}it returns {kind(outcome.value)}. One number is asked for."
        if _close(value, impurity(y)):
            continue
        asked += f"it returns {value:.6g}"
        if not len(y):
            return f"{asked}. Where nothing is mixed, the impurity is zero."
        for said, mistake in _GINI_MISTAKES.items():
            if _explains(mistake, told):
                return f"{asked}. {said}"
        return f"{asked}, which is not the Gini impurity."
    return ""


def _explains(mistake: Callable[[Labels], float], told: list[tuple[np.ndarray, Outcome]]) -> bool:
    """Say whether a mistake gives each of the values, where labels are numbers."""
    with np.errstate(all="ignore"):
        return all(
            (value := number(outcome.value)) is not None and _close(value, mistake(y))
            for y, outcome in told
            if y.dtype.kind in "iuf"
        )


# ----------------------------------------------------------------------------------------- cut


def _midpoints(x: Float[np.ndarray, " I"]) -> Float[np.ndarray, " T"]:
    values = np.unique(x)
    return np.asarray((values[:-1] + values[1:]) / 2)


def _sides(x: np.ndarray, y: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    return y[x <= t], y[x > t]


def _weighed(x: np.ndarray, y: np.ndarray, t: float) -> float:
    left, right = _sides(x, y, t)
    return (len(left) * impurity(left) + len(right) * impurity(right)) / len(y)


def _averaged(x: np.ndarray, y: np.ndarray, t: float) -> float:
    left, right = _sides(x, y, t)
    return (impurity(left) + impurity(right)) / 2


def _purest(x: np.ndarray, y: np.ndarray, t: float) -> float:
    return min(impurity(side) for side in _sides(x, y, t))


def _entropy(x: np.ndarray, y: np.ndarray, t: float) -> float:
    total = 0.0
    for side in _sides(x, y, t):
        p = _shares(side)
        total -= len(side) * float(np.sum(p * np.log2(p)))
    return total / len(y)


def _chosen(x: np.ndarray, y: np.ndarray, measure: Callable[..., float], best: Any) -> list[float]:
    """Return all the thresholds that are best by some measure."""
    values = np.array([measure(x, y, t) for t in _midpoints(x)])
    return [float(t) for t in _midpoints(x)[np.isclose(values, best(values), atol=1e-9)]]


def _cut_case(rng: np.random.Generator, I: int, values: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a feature with repeated values, and labels that depend on it."""
    x = rng.choice(np.round(rng.uniform(0, 80, size=values), 1), size=I)
    return x, (rng.uniform(size=I) < np.where(x < rng.uniform(15, 60), 0.8, 0.25)).astype(int)


def cut(answer: Any, seconds: float) -> Grade | None:
    """Grade the best split: threshold, impurity, missing values, nothing to cut, speed."""
    grade = Grade(15)
    if why := _no_function(answer):
        return grade.nothing(why)
    rng = np.random.default_rng(12)
    plain = [
        (np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1])),
        (np.array([30.0, 10.0, 20.0, 20.0, 40.0]), np.array([1, 0, 0, 1, 1])),
    ]
    plain += [_cut_case(rng, int(n), 12) for n in rng.integers(8, 60, size=10)]
    cuts = []
    for x, y in plain:
        outcome = call(answer, x, y, seconds=seconds)
        if outcome.empty:
            return None
        pair = _pair(outcome)
        if isinstance(pair, str):
            return grade.nothing(_cut_where(x, y) + pair)
        if outcome.changed and _CHANGED not in grade.feedback:
            grade.lose(2, _CHANGED)
        cuts.append((x, y, *pair))
    if all(_good_threshold(x, y, second) for x, y, _, second in cuts) and not all(
        _good_threshold(x, y, first) for x, y, first, _ in cuts
    ):
        turned = cut(lambda x, y: tuple(answer(x, y))[::-1], seconds)
        if turned is not None:
            turned.lose(4, "The pair is the other way around: the threshold comes first.")
        return turned
    wrong = [_threshold_trouble(cuts), _impurity_trouble(cuts)]
    grade.lose(6, wrong[0])
    grade.lose(3, wrong[1])
    grade.lose(3, _gap_trouble(answer, rng, seconds, forgive=sum(map(bool, wrong)) == 1))
    grade.lose(2, _no_cut_trouble(answer, seconds))
    x = np.arange(3000.0)
    many = _pair(call(answer, x, (x > 1000).astype(int), seconds=seconds))
    if isinstance(many, str):
        grade.lose(1, f"For 3000 examples {many}")
    elif many[0] is None or not 1000 <= many[0] < 1001:
        grade.lose(1, "For 3000 examples it does not find the best cut.")
    return grade


def _pair(outcome: Outcome) -> tuple[float | None, float | None] | str:
    """Return threshold and impurity (None where it says None), or what is wrong with them."""
    if outcome.trouble:
        return outcome.trouble
    value = outcome.value
    if not isinstance(value, tuple | list | np.ndarray) or len(value) != 2:
        return f"it returns {kind(value)}. A pair is asked for: (threshold, impurity)."
    found: list[float | None] = []
    for part, name in zip(value, ("threshold", "impurity"), strict=True):
        as_number = number(part)
        if part is not None and as_number is None:
            return f"the {name} is {kind(part)}. A number is asked for."
        found.append(as_number)
    return found[0], found[1]


Cut = tuple[np.ndarray, np.ndarray, float | None, float | None]  # x, y, threshold, impurity


def _cut_where(x: np.ndarray, y: np.ndarray) -> str:
    return f"For x = {_show(x)}, y = {_show(y)} "


def _lowest(x: np.ndarray, y: np.ndarray) -> float:
    return min(_weighed(x, y, t) for t in _midpoints(x))


def _good_threshold(x: np.ndarray, y: np.ndarray, t: float | None) -> bool:
    return t is not None and any(_close(t, best) for best in _chosen(x, y, _weighed, np.min))


def _threshold_trouble(cuts: list[Cut]) -> str:
    """Say what is wrong with the thresholds; a known mistake explains all of them."""
    wrong = [cut for cut in cuts if not _good_threshold(*cut[:3])]
    if not wrong:
        return ""
    x, y, t, _ = wrong[0]
    where = _cut_where(x, y)
    if t is None or not np.isfinite(t):
        return f"{where}there is a threshold, but it returns {t}."
    said = f"{where}the threshold is {t:.6g}. "
    if not any(_close(t, middle) for middle in _midpoints(x)):
        if t in x:
            return f"{said}It is one of the values: take the middle between two neighbors."
        return f"{said}It is not the middle between two neighboring distinct values."
    for measure, best, why in (
        (_averaged, np.min, "It comes from the plain average of both sides: weigh them by size."),
        (_purest, np.min, "It makes one side pure and forgets the other."),
        (_weighed, np.max, "There the impurity is the largest: the smallest is asked for."),
        (_entropy, np.min, "It is the best for the entropy, but the Gini impurity is asked for."),
    ):
        if all(
            t is not None and any(_close(t, other) for other in _chosen(x, y, measure, best))
            for x, y, t, _ in cuts
        ):
            return said + why
    return f"{said}There is one with a lower impurity: have you tried all, also the last?"


def _impurity_trouble(cuts: list[Cut]) -> str:
    """Say what is wrong with the impurities, given the thresholds that they belong to."""
    told = []
    for x, y, t, value in cuts:
        if value is None or not np.isfinite(value):
            return f"{_cut_where(x, y)}the impurity is {value}."
        if t is None or not np.isfinite(t) or not (x <= t).any() or not (x > t).any():
            t = _chosen(x, y, _weighed, np.min)[0]
        told.append((x, y, t, value))
    wrong = [(x, y, t, value) for x, y, t, value in told if not _close(value, _weighed(x, y, t))]
    if not wrong:
        return ""
    x, y, t, value = wrong[0]
    said = f"{_cut_where(x, y)}the impurity is {value:.6g}. "
    for mistake, why in _IMPURITY_MISTAKES:
        if all(_close(value, mistake(x, y, t)) for x, y, t, value in told):
            return said + why
    return f"{said}It is not what the threshold {t:.6g} leaves over."


_IMPURITY_MISTAKES: tuple[tuple[Callable[[np.ndarray, np.ndarray, float], float], str], ...] = (
    (_averaged, "That is the plain average of both sides: weigh them by size."),
    (lambda x, y, t: _weighed(x, y, t) * len(y), "Divide by the number of examples."),
    (
        lambda x, y, t: impurity(y) - _weighed(x, y, t),
        "That is how much it falls, not what is left.",
    ),
    (lambda x, y, t: impurity(y), "That is the impurity before the split."),
    (lambda x, y, t: impurity(_sides(x, y, t)[0]), "That is the impurity of one side alone."),
    (lambda x, y, t: impurity(_sides(x, y, t)[1]), "That is the impurity of one side alone."),
    (_entropy, "That is the entropy, but the Gini impurity is asked for."),
)


def _gap_trouble(answer: Any, rng: np.random.Generator, seconds: float, *, forgive: bool) -> str:
    """Say what is wrong with missing values; a mistake that is there without them is not new."""
    for n in (12, 25, 40):
        x, y = _cut_case(rng, n, 10)
        x[:: int(n / 4)] = np.nan
        known = ~np.isnan(x)
        where = f"Missing values, x = {_show(x)}: "
        outcome = call(answer, x, y, seconds=seconds)
        pair = _pair(outcome)
        if isinstance(pair, str):
            return where + pair
        t, value = pair
        good = _good_threshold(x[known], y[known], t)
        if not good or value is None or not _close(value, _lowest(x[known], y[known])):
            alone = _pair(call(answer, x[known], y[known], seconds=seconds))
            if not isinstance(alone, str) and _same_pair(pair, alone):
                if forgive:
                    continue
                return f"{where}the same mistakes as without them."
        if t is None or value is None or not np.isfinite([t, value]).all():
            return f"{where}it returns ({t}, {value}). Leave these rows out, and cut the rest."
        if not _good_threshold(x[known], y[known], t):
            return f"{where}the threshold is {t:.6g}. Leave these rows out, and cut the rest."
        if not _close(value, _weighed(x[known], y[known], t)):
            return f"{where}these rows still count in the impurity. Leave them out."
    return ""


def _same_pair(
    one: tuple[float | None, float | None], other: tuple[float | None, float | None]
) -> bool:
    return all(
        a is b if a is None or b is None else _close(a, b) for a, b in zip(one, other, strict=True)
    )


def _no_cut_trouble(answer: Any, seconds: float) -> str:
    y = np.array([0, 1, 1, 0, 1])
    for x in (np.full(5, 7.5), np.array([np.nan, 3.0, 3.0, np.nan, 3.0])):
        where = f"Nothing to cut, x = {_show(x)}: "
        pair = _pair(call(answer, x, y, seconds=seconds))
        if isinstance(pair, str):
            return where + pair
        if pair[0] is not None:
            return f"{where}the threshold is {pair[0]:.6g}, but None is asked for."
        if pair[1] is None or not _close(pair[1], impurity(y[~np.isnan(x)])):
            return f"{where}the impurity of the rows that are known is asked for, uncut."
    return ""


# ---------------------------------------------------------------------------------------- fill


def _medians(A: np.ndarray) -> Float[np.ndarray, " D"]:
    """Take each column's median by sorting; 0 where nothing is known."""
    result = np.zeros(A.shape[1])
    for d, column in enumerate(A.T):
        known = sorted(float(v) for v in column if v == v)
        if known:
            result[d] = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
    return result


def _means(A: np.ndarray) -> Float[np.ndarray, " D"]:
    known = ~np.isnan(A)
    return np.asarray(np.where(known, A, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _filled(A: np.ndarray, row: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(A), row, A)


def _fill_case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    D = int(rng.integers(2, 5))
    train = rng.exponential(10, size=(int(rng.integers(12, 30)), D)).round(2)
    test = rng.exponential(30, size=(int(rng.integers(8, 20)), D)).round(2) + 5
    for A in (train, test):
        A[rng.uniform(size=A.shape) < 0.25] = np.nan
        A[0] = np.nan
        A[1] = 1.5
    return train, test


def fill(answer: Any, seconds: float) -> Grade | None:
    """Grade the filling: training rows, test rows, a column without values, the input intact."""
    grade = Grade(10)
    if why := _no_function(answer):
        return grade.nothing(why)
    rng = np.random.default_rng(13)
    wrong = {"train": "", "test": "", "kept": ""}
    for _ in range(6):
        train, test = _fill_case(rng)
        outcome = call(answer, train, test, seconds=seconds)
        if outcome.empty:
            return None
        pair = _two_tables(outcome, train, test)
        if isinstance(pair, str):
            return grade.nothing(pair)
        if outcome.changed and _CHANGED not in grade.feedback:
            grade.lose(1, _CHANGED)
        for name, found, A in zip(wrong, pair, (train, test), strict=False):
            known = ~np.isnan(A)
            if not _close(found[known], A[known]):
                wrong["kept"] = f"It changes numbers of {name} that are known."
            wrong[name] = wrong[name] or _fill_trouble(name, found, A, train, test)
    for name, points in (("train", 3), ("test", 4), ("kept", 1)):
        grade.lose(points, wrong[name])
    train, test = _fill_case(rng)
    train[:, 1] = np.nan
    pair = _two_tables(call(answer, train, test, seconds=seconds), train, test)
    gaps = [np.isnan(A[:, 1]) for A in (train, test)]
    none = "A column of which the training rows know nothing: "
    if isinstance(pair, str):
        grade.lose(1, none + pair)
    elif not all(_close(A[gap, 1], 0) for A, gap in zip(pair, gaps, strict=True)):
        grade.lose(1, none + "its gaps become 0, also where the test rows know something.")
    return grade


def _two_tables(
    outcome: Outcome, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | str:
    if outcome.trouble:
        return f"Tried on hidden rows, {outcome.trouble}"
    value = outcome.value
    if not isinstance(value, tuple | list) or len(value) != 2:
        return f"It returns {kind(value)}. A pair is asked for: train and test, both filled."
    found = [array(part) for part in value]
    for part, A, name in zip(found, (train, test), ("train", "test"), strict=True):
        if part is None or part.shape != A.shape:
            got = "no array of numbers" if part is None else f"an array of shape {part.shape}"
            return f"For {name} of shape {A.shape} it returns {got}: rows must not get lost."
    return np.asarray(found[0], dtype=float), np.asarray(found[1], dtype=float)


def _fill_trouble(
    name: str, found: np.ndarray, A: np.ndarray, train: np.ndarray, test: np.ndarray
) -> str:
    gap = np.isnan(A)
    if np.isnan(found[gap]).any():
        return f"Some gaps of {name} are still there."
    if _close(found[gap], _filled(A, _medians(train))[gap]):
        return ""
    said = f"The gaps of {name} get "
    for values, what in (
        (_medians(test), "the medians of the test rows: a leak, and with one passenger useless."),
        (_medians(np.vstack([train, test])), "medians to which the test rows contribute: a leak."),
        (_means(train), "means. A few high fares move a mean: medians are asked for."),
        (_means(test), "means of the test rows: a leak, and medians are asked for."),
        (np.zeros(A.shape[1]), "zeros, as if they had been measured."),
        (np.full(A.shape[1], np.nanmedian(train)), "one number for all columns."),
    ):
        if _close(found[gap], _filled(A, values)[gap]):
            return said + what
    return said + "other numbers than the medians of the training rows, column by column."


# ------------------------------------------------------------------------------------- bagging


def _which(rows: np.ndarray, table: np.ndarray) -> Int[np.ndarray, " n"] | None:
    """Return which rows of a table these are, also in less precision; None if they are others."""
    if rows.ndim != 2 or rows.shape[1] != table.shape[1]:
        return None
    apart = np.abs(rows[:, None] - table).max(axis=2)
    return np.argmin(apart, axis=1) if (apart.min(axis=1) < 1e-4).all() else None


class _Spy:
    """A stand-in for the training of a tree: notes its rows, and predicts what was prepared."""

    def __init__(self, X_new: np.ndarray, votes: Int[np.ndarray, "B I_new"]) -> None:
        self.X_new = X_new
        self.prepared = votes
        self.rows: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []
        self.asked = False
        self.strange = False  # other rows than those of X_new were to be predicted

    def fit(self, X: Any, y: Any) -> Callable[[Any], np.ndarray]:
        votes = self.prepared[len(self.rows) % len(self.prepared)]
        self.rows.append(np.array(X, dtype=float))
        self.targets.append(np.array(y, dtype=float))

        def predict(X_new: Any) -> np.ndarray:
            rows = np.array(X_new, dtype=float)
            ids = _which(rows, self.X_new)
            self.asked |= ids is not None
            self.strange |= ids is None
            return np.zeros(len(rows), dtype=int) if ids is None else votes[ids]

        return predict

    def votes(self) -> Int[np.ndarray, "trees I_new"]:
        """Return the votes of as many trees as were trained."""
        return self.prepared[np.arange(len(self.rows)) % len(self.prepared)]


def bagging(answer: Any, seconds: float) -> Grade | None:
    """Grade bagging with a spy for a tree: the samples it is given, and the vote."""
    grade = Grade(15)
    if why := _no_function(answer):
        return grade.nothing(why)
    rng = np.random.default_rng(14)
    I, I_new, B = 60, 40, 15
    X = np.column_stack([np.arange(I), rng.normal(size=I)]).astype(float)
    y = (np.arange(I) % 3 == 0).astype(int)
    X_new = rng.normal(size=(I_new, 2))
    votes = (rng.uniform(size=(B, I_new)) < rng.uniform(0.2, 0.8, size=I_new)).astype(int)
    spies = []
    for seed in (1, 1, 2):
        spy = _Spy(X_new, votes)
        outcome = call(
            answer, spy.fit, X, y, X_new, B, np.random.default_rng(seed), seconds=seconds
        )
        if outcome.empty:
            return None
        if outcome.trouble:
            return grade.nothing(f"Tried on hidden rows, {outcome.trouble}")
        spies.append((spy, outcome))
    spy, outcome = spies[0]
    if any(outcome.changed for _, outcome in spies):
        grade.lose(1, _CHANGED)
    if not all(spy.rows for spy, _ in spies):
        return grade.nothing("It never calls fit, so there is not one tree.")
    if len(spy.rows) != B:
        grade.lose(2, f"For B = {B} it fits {len(spy.rows)} trees: one for each vote.")
    if why := _sample_trouble(spy, X, y):
        grade.lose(6, why)
    else:
        grade.lose(2, _draw_trouble([s for s, _ in spies]))
    grade.lose(5, _vote_trouble(spy, outcome.value, I_new))
    return grade


def _sample_trouble(spy: _Spy, X: np.ndarray, y: np.ndarray) -> str:
    drawn = []
    for rows, targets in zip(spy.rows, spy.targets, strict=True):
        if rows.ndim != 2 or rows.shape[1:] != X.shape[1:] or targets.shape != (len(rows),):
            return f"fit gets arrays of shape {rows.shape} and {targets.shape}: rows of X and y."
        if len(rows) != len(X):
            return (
                f"A bootstrap sample of {len(X)} examples has {len(rows)} here. It is as large "
                "as the data."
            )
        ids = _which(rows, X)
        if ids is None:
            return "fit gets rows that are not rows of X."
        if not np.array_equal(y[ids], targets):
            return "X and y are drawn apart: a passenger gets the fate of another."
        drawn.append(ids)
    if all(np.array_equal(ids, np.arange(len(X))) for ids in drawn):
        return "Each tree gets all of the data, as it is: there is no bootstrap."
    if any(len(set(ids.tolist())) == len(X) for ids in drawn):
        return "No row is drawn twice: a bootstrap draws with replacement."
    if len(drawn) > 1 and all(np.array_equal(ids, drawn[0]) for ids in drawn):
        return "All trees get the same sample, so all are the same tree: draw anew for each."
    counts = np.bincount(np.concatenate(drawn), minlength=len(X))
    share = np.mean([len(set(ids.tolist())) / len(X) for ids in drawn])
    if not 0.55 < share < 0.72:
        return "The samples do not look drawn with equal chances: some rows come far too often."
    if (counts == 0).any() and len(drawn) > 10:
        return "Some rows are never drawn, by any tree: is the range of the row numbers right?"
    return ""


def _draw_trouble(spies: list[_Spy]) -> str:
    first, again, other = (np.concatenate([r[:, 0] for r in spy.rows]) for spy in spies)
    if not np.array_equal(first, again):
        return "The same rng gives other samples the second time: draw with the rng you are given."
    if len(first) == len(other) and np.array_equal(first, other):
        return "Another rng gives the same samples: draw with the rng you are given."
    return ""


def _vote_trouble(spy: _Spy, value: Any, I_new: int) -> str:
    found = array(value)
    if found is None:
        return f"It returns an array of 0 and 1, one for each new row: this is {kind(value)}."
    votes = spy.votes()
    majority: Bool[np.ndarray, " I_new"] = 2 * votes.sum(axis=0) > len(votes)
    if found.shape == (I_new,) and _close(found, majority):
        return ""
    if not spy.asked:
        return (
            "The trees predict other rows than those of X_new."
            if spy.strange
            else "No tree is asked to predict: call what fit returns with X_new."
        )
    if found.shape != (I_new,):
        return f"For {I_new} new rows it returns an array of shape {found.shape}."
    if not np.isin(found, (0, 1)).all():
        if _close(found, votes.mean(axis=0)):
            return "It returns the share of votes for 1. A vote ends with 0 or 1."
        if _close(found, votes.sum(axis=0)):
            return "It returns the number of votes for 1. A vote ends with 0 or 1."
        return "It returns other numbers than 0 and 1."
    for wrong, why in (
        (votes[-1], "Only the last tree is heard: each tree has a vote."),
        (votes[0], "Only the first tree is heard: each tree has a vote."),
        (~majority, "It returns the label with fewer votes."),
        (votes.any(axis=0), "One vote for 1 is enough here: the majority decides."),
        (votes.all(axis=0), "All have to vote for 1 here: the majority decides."),
    ):
        if _close(found, wrong):
            return why
    return "For some rows it is not the label that most trees vote for."
