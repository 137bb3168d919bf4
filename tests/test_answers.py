"""Taking an answer: called on copies, in time, quietly; named for messages."""

import time

import numpy as np
import pytest

from udl import _answers


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (np.zeros((2, 3)), "an array of shape (2, 3)"),
        ((1, 2), "a tuple of length 2"),
        ([], "a list of length 0"),
        ({"a": 1}, "a dict of length 1"),
        (None, "None"),
        (int, "the class int"),
        ("a", "text"),
        (3, "an int"),
        (3.0, "a float"),
    ],
)
def test_what_was_handed_in_is_named(value, name):
    assert _answers.kind(value) == name


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.zeros(2), np.zeros(3), False),
        (np.zeros(2), np.zeros(2, dtype=int), False),
        ([np.zeros(2), np.ones(2)], [np.zeros(2), np.ones(2)], True),
        ([np.zeros(2), np.ones(2)], [np.zeros(2)], False),
        (([np.zeros(2)], 1), ([np.ones(2)], 1), False),
        ({"a": np.zeros(2)}, {"a": np.ones(2)}, False),
        ({"a": 1}, {}, False),
        ("abc", "abc", True),
    ],
)
def test_what_a_call_has_changed_is_seen(one, other, equal):
    assert _answers.same(one, other) is equal


def test_a_call_gets_copies_and_functions_themselves():
    weights = [np.zeros(2), np.zeros(2)]

    def answer(parts, f):
        parts[1][0] = f(1)
        parts.append(0)
        return f

    outcome = _answers.call(answer, weights, abs)
    assert outcome.changed
    assert outcome.value is abs
    assert len(weights) == 2
    assert not weights[1].any()


def text_alone(x):
    """Say nothing."""


def dots(x): ...


def text_and_dots(x):
    """Say nothing."""
    ...


@pytest.mark.parametrize(
    ("function", "open_"),
    [
        (text_alone, True),
        (dots, True),
        (text_and_dots, True),
        (lambda x: None, True),
        (lambda x: ..., False),
        (lambda x: 0, False),
        (lambda x: x, False),
        (lambda x: print(x), False),
        (len, False),
    ],
)
def test_a_function_that_nobody_has_touched_is_known(function, open_):
    assert _answers.untouched(function) is open_
    if open_:
        assert _answers.call(function, 1).empty


def test_dots_that_come_back_are_no_answer():
    assert _answers.call(lambda x: ..., 1).empty
    assert _answers.call(lambda x: (..., ...), 1).empty
    assert not _answers.call(lambda x: None if x else 0, 1).empty
    assert not _answers.call(lambda x: (), 1).empty


def test_time_is_limited_for_one_call_and_for_all():
    def loop():
        while True:
            try:
                time.sleep(0.01)
            except SystemExit:
                continue

    outcome = _answers.call(lambda: sum(0 for _ in iter(int, 1)), seconds=0.05)
    assert outcome.late
    assert "after 0.05 seconds" in outcome.trouble
    with _answers.budget(0.1):
        assert _answers.call(time.sleep, 0.2, seconds=5.0).late
        said = _answers.call(loop, seconds=5.0).trouble
    assert "when the 0.1 seconds of this check were over" in said


def test_what_is_said_in_a_notebook_is_escaped():
    assert _answers.as_html("a < b", ["<x>"]) == (
        "<p><strong>a &lt; b</strong></p><ul><li>&lt;x&gt;</li></ul>"
    )
    assert _answers.as_html("a", []) == "<p><strong>a</strong></p>"
    assert _answers.as_text("a", ["b", "c"]) == "a\n- b\n- c"
