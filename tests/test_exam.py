"""The mock exam: right answers get all points, each foreseen mistake loses some and is named."""

import importlib.util
import signal
import statistics
import threading
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from udl import data, exam
from udl.exam import _functions

SPEC = importlib.util.spec_from_file_location(
    "wrong_answers", Path(__file__).with_name("wrong_answers.py")
)
answers = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(answers)
RIGHT, WRONG = answers.RIGHT, answers.WRONG
FUNCTIONS = ["fill", "gini", "cut", "bagging"]


@pytest.fixture(autouse=True)
def fresh():
    exam.reset()
    yield
    exam.reset()


# Right answers


@pytest.mark.parametrize("task", exam.TASKS)
def test_a_right_answer_gets_all_points(task, capsys):
    result = exam.check(task, RIGHT[task])
    assert (result.points, result.of) == (exam.TASKS[task].points,) * 2, result
    assert result.feedback == ("All is right.",)
    assert capsys.readouterr() == ("", "")


def test_all_right_answers_together_score_full_marks():
    for task, answer in RIGHT.items():
        exam.check(task, answer)
    assert exam.score().points == exam.score().of == 100


@pytest.mark.parametrize("seed", range(100, 160))
def test_any_split_of_tickets_at_random_is_right(seed):
    assert exam.check("groups", answers.split(seed)).points == 10
    train, test = data.group_split(answers.tickets, seed=seed)
    assert exam.check("groups", [train.tolist(), test.tolist()]).points == 10


def test_other_ways_to_be_right():
    X, y, _, train, test = exam.table()
    deep = DecisionTreeClassifier(max_depth=3).fit(X.to_numpy()[train], y[train])
    assert exam.check("tree", deep).points == 10
    piped = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=3))
    assert exam.check("tree", piped.fit(X.iloc[train], y[train])).points == 10
    boosted = GradientBoostingClassifier(random_state=0).fit(X.iloc[train], y[train])
    assert exam.check("score", answers.final(boosted)).points == 10
    a = float(np.mean(boosted.predict(X.iloc[test]) == y[test]))
    z, I = 1.96, len(test)
    middle = (a + z**2 / (2 * I)) / (1 + z**2 / I)
    half = z * np.sqrt(a * (1 - a) / I + z**2 / (4 * I**2)) / (1 + z**2 / I)
    wilson = {"model": boosted, "accuracy": a, "low": middle - half, "high": middle + half}
    assert exam.check("score", wilson).points == 10
    assert exam.check("forest", list(RIGHT["forest"])).points == 10
    columns = answers.changed(answers.COLUMNS, missing=answers.frame.isna().sum())
    assert exam.check("columns", columns | {"leaks": {"body", "boat"}}).points == 5
    nested = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": range(1, 8)})
    piped = make_pipeline(StandardScaler(), nested)
    assert exam.check("tree", piped.fit(X.iloc[train], y[train])).points == 10
    weights = np.where(y[train], 1.2, 1.0)
    weighed = DecisionTreeClassifier(max_depth=3).fit(X.iloc[train], y[train], weights)
    assert exam.check("tree", weighed).points == 10
    small = answers.trees(max_samples=0.5)
    assert exam.check("forest", (small, 1 - small.oob_score_)).points == 10
    by_text = answers.changed(
        answers.RULES, classes={str(c): a for c, a in answers.RULES["classes"].items()}
    )
    assert exam.check("baseline", by_text).points == 10
    exact = answers.changed(answers.RULES, women=Fraction(answers.RULES["women"]))
    assert exam.check("baseline", exact).points == 10
    assert exam.check("score", answers.final(WomenSurvive())).points == 10


class WomenSurvive:
    steps = 1000  # not those of a pipeline

    def predict(self, X):
        return (np.asarray(X)[:, 1] == 0).astype(int)

    def score(self, X, y):
        return np.mean(self.predict(X) == y)


@pytest.mark.parametrize("depth", range(1, 9))
def test_any_depth_that_folds_may_choose_is_right(depth):
    X, y, _, train, _ = exam.table()
    for seed in (None, 1, 2):
        tree = DecisionTreeClassifier(max_depth=depth, random_state=seed)
        assert exam.check("tree", tree.fit(X.iloc[train], y[train])).points == 10


def row_by_row(fit, X, y, X_new, B, rng):
    trees = []
    for _ in range(B):
        rows = rng.choice(len(X), len(X))
        trees.append(fit(X[rows].tolist(), y[rows].tolist()))
    return [statistics.mode(int(tree(row[None])[0]) for tree in trees) for row in X_new]


def with_an_error_of_its_own(fit, X, y, X_new, B, rng):
    votes = 0.0
    for counts in rng.multinomial(len(X), np.full(len(X), 1 / len(X)), size=B):
        rows = np.repeat(np.arange(len(X)), counts)
        tree = fit(X[rows].astype(np.float32), y[rows])
        tree(X[counts == 0])
        votes = votes + tree(X_new)
    return votes > B / 2


def with_pandas(fit, X, y, X_new, B, rng):
    table = pd.DataFrame(X).assign(y=y)
    votes = []
    for _ in range(B):
        drawn = table.sample(frac=1, replace=True, random_state=rng)
        votes.append(fit(drawn.drop(columns="y"), drawn["y"])(pd.DataFrame(X_new)))
    return pd.DataFrame(votes).mode().iloc[0]


@pytest.mark.parametrize("bagging", [row_by_row, with_an_error_of_its_own, with_pandas])
def test_bagging_may_be_written_in_any_way(bagging):
    result = exam.check("bagging", bagging)
    assert result.points == 15, result


def test_functions_may_be_written_in_any_way():
    def with_counter(y):
        shares = [Fraction(count, len(y)) for count in Counter(y.tolist()).values()]
        return 1 - sum(share**2 for share in shares) if shares else Fraction(0)

    def with_sums(x, y):
        x, y = x[~np.isnan(x)], y[~np.isnan(x)]
        x, y = np.sort(x), y[np.argsort(x)]
        one = (y[:, None] == np.unique(y)).cumsum(axis=0)
        n = np.arange(1, len(x))
        impure = n - (one[:-1] ** 2).sum(1) / n
        impure += len(x) - n - ((one[-1] - one[:-1]) ** 2).sum(1) / (len(x) - n)
        impure[x[1:] == x[:-1]] = np.inf
        if np.isinf(impure).all():
            return [None, answers.gini(y)]
        b = impure.argmin()
        return np.array([(x[b] + x[b + 1]) / 2, impure[b] / len(x)])

    def with_pandas(train, test):
        row = pd.DataFrame(train).median().fillna(0)
        return [pd.DataFrame(train).fillna(row), pd.DataFrame(test).fillna(row)]

    for task, answer in (("gini", with_counter), ("cut", with_sums), ("fill", with_pandas)):
        result = exam.check(task, answer)
        assert result.points == result.of, result


# Wrong answers


@pytest.mark.parametrize(
    ("task", "mistake"), [(task, mistake) for task, found in WRONG.items() for mistake in found]
)
def test_a_mistake_loses_points_and_is_named(task, mistake, capsys):
    wrong = WRONG[task][mistake]
    began = time.monotonic()
    seconds = 0.5 if "loops" in mistake else answers.SECONDS
    result = exam.check(task, wrong.answer, seconds=seconds, total=answers.TOTAL)
    assert time.monotonic() - began < 60
    assert 0 <= result.points < result.of
    assert wrong.words in " ".join(result.feedback), result
    assert result.answered
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("task", exam.TASKS)
def test_each_task_has_mistakes_of_its_own_feedback(task):
    own = {name: w for name, w in WRONG[task].items() if name not in answers.ANY_FUNCTION}
    assert len(own) >= 10
    heads = {exam.check(task, wrong.answer, seconds=0.5).feedback for wrong in own.values()}
    assert len(heads) >= 0.8 * len(own)


@pytest.mark.parametrize("task", exam.TASKS)
@pytest.mark.parametrize("empty", [..., None, NotImplemented], ids=str)
def test_a_task_without_an_answer_says_so(task, empty):
    result = exam.check(task, empty)
    assert not result.answered
    assert f"{task}: not answered yet: 0 of {result.of} points" in repr(result)
    assert "not answered yet" in result._repr_html_()
    assert exam.TASKS[task].hand_in in repr(result)


@pytest.mark.parametrize("task", FUNCTIONS)
def test_a_skeleton_is_no_answer(task):
    def refuse(*_):
        raise NotImplementedError

    assert not exam.check(task, lambda *_: NotImplemented).answered
    assert not exam.check(task, refuse).answered


def test_a_skeleton_of_a_dict_or_a_pair_is_no_answer():
    assert not exam.check("columns", {"missing": ..., "leaks": ...}).answered
    assert not exam.check("baseline", {"constant": None, "women": None, "classes": None}).answered
    assert not exam.check("groups", (..., ...)).answered
    assert not exam.check("forest", (..., ...)).answered
    assert not exam.check("score", dict.fromkeys(("model", "accuracy", "low", "high"))).answered


def test_part_of_an_answer_gets_part_of_the_points():
    halves = {
        "columns": ("one leak", 4),
        "fill": ("each side its own medians", 5),
        "groups": ("at random", 5),
        "baseline": ("training rows", 7),
        "gini": ("two classes only", 3),
        "cut": ("missing is large", 10),
        "tree": ("all passengers", 6),
        "bagging": ("the last tree", 10),
        "forest": ("the accuracy", 6),
        "score": ("one standard error", 7),
    }
    for task, (mistake, points) in halves.items():
        result = exam.check(task, WRONG[task][mistake].answer)
        assert result.points == points, result


def test_the_same_answer_always_gets_the_same_points():
    for task, mistake in (("cut", "plain average"), ("fill", "means"), ("gini", "the entropy")):
        answer = WRONG[task][mistake].answer
        assert exam.check(task, answer) == exam.check(task, answer)


def test_one_mistake_costs_its_points_once():
    def halves(x, y):
        t, value = answers.cut(x, y)
        return t, value / 2

    def falls(x, y):
        return answers.how_much_it_falls(x[~np.isnan(x)], y[~np.isnan(x)])

    turned = exam.check("cut", lambda x, y: answers.cut(x, y)[::-1])
    assert (turned.points, len(turned.feedback)) == (11, 1)
    assert exam.check("cut", halves).points == 10  # also where nothing is to be cut
    assert exam.check("cut", lambda x, y: answers.cut(x, y, middle=False)).points == 9
    assert exam.check("cut", falls).points == 12


def test_a_check_ends_when_its_time_is_up():
    calls = []

    def slow(y):
        calls.append(1)
        time.sleep(0.25)
        return answers.gini(y)

    began = time.monotonic()
    result = exam.check("gini", slow, seconds=0.5, total=1)
    assert time.monotonic() - began < 30
    assert len(calls) < 8
    assert result.points == 0
    assert "it had not finished when the 1 seconds of this check were over" in repr(result)


def test_no_usual_seed_gives_the_split_of_the_exam():
    for seed in range(100):
        assert exam.check("groups", data.group_split(answers.tickets, seed=seed)).points == 10


def test_feedback_does_not_show_the_right_value():
    said = exam.check("gini", lambda y: 0.123456).feedback
    y = np.array([0, 1, 1, 1, 0, 1, 1])
    assert f"{answers.gini(y):.4f}" not in " ".join(said)
    said = exam.check("baseline", {"constant": 0.1, "women": 0.1, "classes": {1: 0, 2: 0, 3: 0}})
    assert f"{answers.RULES['women']:.2f}" not in " ".join(said.feedback)


# The oracles


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_the_oracle_of_the_impurity_is_the_formula(labels):
    y = np.array(labels)
    assert _functions.impurity(y) == pytest.approx(answers.gini(y), abs=1e-12)


@given(st.integers(0, 10**6))
def test_the_oracle_of_the_cut_agrees_with_scikit_learn(seed):
    x, y = _functions._cut_case(np.random.default_rng(seed), 30, 10)
    stump = DecisionTreeClassifier(max_depth=1).fit(x[:, None], y)
    if stump.tree_.node_count == 1:
        return
    t = float(stump.tree_.threshold[0])
    best = _functions._chosen(x, y, _functions._weighed, np.min)
    assert min(abs(t - b) for b in best) < 1e-5
    sides = stump.tree_.n_node_samples[1:] @ stump.tree_.impurity[1:] / len(y)
    assert _functions._weighed(x, y, best[0]) == pytest.approx(sides)


def test_the_oracle_of_the_medians_is_numpy():
    train, _ = _functions._fill_case(np.random.default_rng(0))
    np.testing.assert_allclose(_functions._medians(train), np.nanmedian(train, axis=0))


# The runner


def test_a_loop_is_stopped_for_good():
    ticks = []

    def loop(*_):
        while True:
            ticks.append(1)

    result = exam.check("gini", loop, seconds=0.2)
    assert result.points == 0
    before = len(ticks)
    time.sleep(0.1)
    assert len(ticks) == before


def test_a_loop_is_stopped_when_the_check_is_interrupted():
    ticks = []

    def loop(*_):
        while True:
            ticks.append(1)

    # A shell has its background jobs ignore interrupts, and they pass that on.
    before_us = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()
    threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            exam.check("gini", loop, seconds=20)
    finally:
        signal.signal(signal.SIGINT, before_us)
    before = len(ticks)
    time.sleep(0.1)
    assert len(ticks) == before


def test_an_answer_does_not_disturb_random_numbers_or_later_input(monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: "typed")
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    exam.check("gini", lambda y: np.random.seed(1) or np.random.rand())  # noqa: NPY002
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert input() == "typed"


# The tasks, the table, the score


def test_the_points_make_one_hundred():
    assert sum(task.points for task in exam.TASKS.values()) == 100
    assert all(task.name == name for name, task in exam.TASKS.items())


def test_the_table_is_complete_and_its_split_keeps_tickets_together():
    X, y, tickets, train, test = exam.table()
    assert X.shape == (1309, 7)
    assert not X.isna().any().any()
    assert y.sum() == 500
    assert not set(tickets[train]) & set(tickets[test])
    assert sorted([*train, *test]) == list(range(1309))
    raw = data.titanic().frame["age"].to_numpy()
    filled = X["age"].to_numpy()[np.isnan(raw)]
    assert (filled == np.nanmedian(raw[train])).all()
    X.iloc[:] = 0
    y[:] = 0
    assert exam.table().X.to_numpy().any()
    assert exam.table().y.any()


def test_the_score_takes_the_last_result_of_each_task():
    exam.check("gini", answers.gini)
    assert exam.score().points == 5
    exam.check("gini", lambda y: 7)
    exam.check("columns", answers.COLUMNS)
    assert exam.score().points == 5
    assert "columns" in repr(exam.score())
    assert "<td>5 of 5</td>" in exam.score()._repr_html_()
    exam.reset()
    assert exam.score().points == 0


def test_html_of_a_result_is_escaped():
    def angry(y):
        raise ValueError("<b>no</b>")

    assert "&lt;b&gt;no" in exam.check("gini", angry)._repr_html_()


def test_hints_go_from_a_nudge_to_half_of_the_way():
    for task in exam.TASKS.values():
        for number in range(1, len(task.hints) + 1):
            said = exam.hint(task.name)
            assert said.startswith(f"Hint {number} of {len(task.hints)}: {task.hints[number - 1]}")
            assert ("next" in said) == (number < len(task.hints))
            assert exam.hint(task.name, number) == said
        assert exam.hint(task.name) == said
    with pytest.raises(ValueError, match="from 1 to 2, got number=3"):
        exam.hint("gini", 3)


def test_unknown_tasks_are_named():
    with pytest.raises(ValueError, match=r"expected one of columns, .*, got task='genie'"):
        exam.check("genie", 1)
    with pytest.raises(ValueError, match="got task='genie'"):
        exam.hint("genie")
