"""Grading values: counts, row numbers, shares."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from udl import data
from udl._answers import array, kind, number
from udl.exam._grade import Grade
from udl.exam._table import table

_GAPS = ("age", "fare", "embarked")
_LEAKS = {"boat", "body"}
_NO_LEAKS = {
    "survived": "survived is the target itself, not a leak: it is never among the inputs.",
    "cabin": "The cabin was known before the ship sailed, though for few: missing is no leak.",
}


def entries_of(answer: Any, keys: tuple[str, ...]) -> dict[str, Any] | str:
    """Return the asked entries of a dict, or what is wrong with it."""
    if not isinstance(answer, Mapping):
        return f"Hand in a dict with the keys {', '.join(keys)}: this is {kind(answer)}."
    missing = [key for key in keys if key not in answer]
    if missing:
        return f"The dict has no key {', '.join(map(repr, missing))}."
    return {key: answer[key] for key in keys}


def _lookup(value: Any, key: Any) -> float | None:
    """Return a number of a dict or a pandas Series; None if it is not there."""
    try:
        for name in (key, str(key), float(key) if isinstance(key, int) else key):
            if name in value:
                return number(value[name])
    except Exception:
        return None
    return None


def columns(answer: Any, seconds: float) -> Grade:
    """Grade the counts of missing values, and the columns that give the outcome away."""
    grade = Grade(5)
    entries = entries_of(answer, ("missing", "leaks"))
    if isinstance(entries, str):
        return grade.nothing(entries)
    frame = data.titanic().frame
    _missing(grade, entries["missing"], {c: int(frame[c].isna().sum()) for c in _GAPS}, len(frame))
    leaks = entries["leaks"]
    if isinstance(leaks, str):
        leaks = [leaks]
    try:
        named = {str(name) for name in itertools.islice(leaks, 100)}  # it may have no end
    except TypeError:
        grade.lose(3, f'"leaks" is {kind(leaks)}. A list of names of columns is asked for.')
        return grade
    wrong = []
    if unknown := named - set(frame.columns):
        wrong.append(f"There is no column {', '.join(sorted(unknown))}.")
    for name in sorted((named & set(frame.columns)) - _LEAKS):
        why = f"The column {name} was known before the ship sailed."
        wrong.append(_NO_LEAKS.get(name, why))
    found = len(named & _LEAKS)
    if found < 2:
        few = "One leak is" if found else "The leaks are"
        wrong.append(
            f"{few} not in the list. Which columns could be filled in only after the sinking?"
        )
    if wrong:
        grade.lose(min(3, len(wrong)) if found else 3, wrong[0])
        grade.feedback += wrong[1:]
    return grade


def _missing(grade: Grade, counts: Any, right: dict[str, int], I: int) -> None:
    found = {column: _lookup(counts, column) for column in right}
    if all(value is None for value in found.values()):
        grade.lose(2, '"missing" has no numbers for age, fare and embarked.')
        return
    wrong = [c for c, value in found.items() if value is None or value != right[c]]
    if not wrong:
        return
    said = f'"missing" is not right for {", ".join(wrong)}. '
    if all(v is not None and abs(v - right[c] / I) < 0.01 for c, v in found.items()):
        said += "These are shares: counts are asked for."
    elif all(v is not None and v == I - right[c] for c, v in found.items()):
        said += "It counts the values that are there."
    grade.lose(2 if len(wrong) > 1 else 1, said.strip())


def groups(answer: Any, seconds: float) -> Grade:
    """Grade a split: all rows once, a size, no ticket on both sides, drawn at random."""
    grade = Grade(10)
    own = table()
    I = len(own.y)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return grade.nothing(f"Hand in a pair of arrays (train, test): this is {kind(answer)}.")
    parts = []
    for part, name in zip(answer, ("train", "test"), strict=True):
        rows = array(part)
        if rows is None or rows.ndim != 1:
            return grade.nothing(f"{name} is {kind(part)}. Row numbers are asked for.")
        if rows.dtype.kind == "b":
            return grade.nothing(
                f"{name} is a mask of True and False. Row numbers are asked for: np.flatnonzero "
                "turns one into the other."
            )
        if not np.array_equal(rows, np.round(rows)):
            return grade.nothing(f"{name} has numbers that are not whole.")
        if len(rows) and not (0 <= rows.min() and rows.max() < I):
            return grade.nothing(f"{name} has row numbers outside of 0 to {I - 1}.")
        parts.append(rows.astype(int))
    train, test = parts
    if not len(train) or not len(test):
        return grade.nothing("One side is empty.")
    if np.array_equal(np.sort(test), own.test):
        return grade.nothing("This is the exam's own split. Make one yourself.")
    both = np.intersect1d(train, test)
    if len(both):
        grade.lose(2, f"{len(both)} rows are on both sides.")
    elif len(np.unique(train)) < len(train) or len(np.unique(test)) < len(test):
        grade.lose(2, "Some rows are there twice.")
    lost = I - len(np.union1d(train, test))
    if lost:
        grade.lose(1, f"{lost} passengers are on neither side.")
    _size(grade, len(np.unique(test)) / I)
    shared = np.intersect1d(own.tickets[train], own.tickets[test])
    if len(shared):
        grade.lose(5, f"{len(shared)} tickets have passengers on both sides.")
    _like_the_rest(grade, own.X["class"].to_numpy(), np.unique(test))
    return grade


def _size(grade: Grade, share: float) -> None:
    if share > 0.5:
        grade.lose(2, f"{share:.0%} of the passengers are in test. Are the two sides swapped?")
    elif not 0.15 <= share <= 0.25:
        grade.lose(2, f"{share:.0%} of the passengers are in test. About 20% are asked for.")


def _like_the_rest(grade: Grade, ship_class: np.ndarray, test: np.ndarray) -> None:
    for c, name in ((1, "first"), (2, "second"), (3, "third")):
        here, there = np.mean(ship_class[test] == c), np.mean(ship_class == c)
        if abs(here - there) > 0.2:  # no draw of tickets in 10,000 is that far off
            grade.lose(
                2,
                f"In test {here:.0%} travel in {name} class, on the ship {there:.0%}: such a "
                "split is not drawn at random.",
            )
            return


def baseline(answer: Any, seconds: float) -> Grade:
    """Grade the accuracy of two rules, and of one of them by class."""
    grade = Grade(10)
    entries = entries_of(answer, ("constant", "women", "classes"))
    if isinstance(entries, str):
        return grade.nothing(entries)
    X, y, _, train, test = table()
    always = int(np.mean(y[train]) > 0.5)
    women = (X["male"].to_numpy() == 0).astype(int)
    ship_class = X["class"].to_numpy()

    everybody = np.arange(len(y))

    def trouble(said: Any, rule: Any, among: np.ndarray, mistakes: Mapping[str, float]) -> str:
        """Compare with the accuracy of a rule on those test rows that are among some rows."""

        def right(rows: np.ndarray) -> float:
            return float(np.mean((rule == y)[np.intersect1d(rows, among)]))

        elsewhere = {
            "this is the error. The accuracy is asked for.": 1 - right(test),
            "this is measured on the training rows. The test rows are asked for.": right(train),
            "this is measured on all passengers. The test rows are asked for.": right(everybody),
        }
        wrong = "this is not the share of test passengers for whom the rule is right."
        return share_trouble(said, right(test), {**mistakes, **elsewhere}, wrong)

    for key, rule in (("constant", always), ("women", women)):
        why = trouble(entries[key], rule, everybody, {})
        grade.lose(3, why and f'"{key}": {why}')
    found = {c: _lookup(entries["classes"], c) for c in (1, 2, 3)}
    if None in found.values():
        grade.lose(4, '"classes" has no numbers for the keys 1, 2 and 3.')
        return grade
    reasons: dict[str, list[str]] = {}
    for c, said in found.items():
        rows = test[ship_class[test] == c]
        mistakes = {
            "this is the share of the class that survived. How often is the rule right?": float(
                np.mean(y[rows])
            ),
            "divide by the passengers of this class, not by all of test.": float(
                np.sum(women[rows] == y[rows]) / len(test)
            ),
        }
        if why := trouble(said, women, np.flatnonzero(ship_class == c), mistakes):
            reasons.setdefault(why, []).append(str(c))
    if reasons:
        lost = min(4, sum(map(len, reasons.values())) + 1)
        told = [f"{' and '.join(classes)}: {why}" for why, classes in reasons.items()]
        grade.lose(lost, f'"classes", {" ".join(told)}')
    return grade


def share_trouble(said: Any, right: float, mistakes: Mapping[str, float], otherwise: str) -> str:
    """Say what is wrong with a share; a mistake's sentence stands with the share it gives."""
    near = 6e-4  # what is rounded to three digits is near enough
    value = number(said)
    if value is None:
        return f"this is {kind(said)}. A number is asked for."
    if abs(value - right) < near:
        return ""
    if abs(value / 100 - right) < near:
        return "this is in percent. A share between 0 and 1 is asked for."
    if value == round(right, 2):
        return "this is rounded too far. Do not round, or give three digits or more."
    for why, mistake in mistakes.items():
        if abs(value - mistake) < near:
            return why
    return otherwise if 0 <= value <= 1 else "this is not a share: it is outside of 0 to 1."
