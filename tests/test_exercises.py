"""Exercises: the framework on right and wrong answers, the chapters' checks, the book's pages."""

import gzip
import importlib
import importlib.util
import itertools
import math
import pkgutil
import re
import time
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from docutils import nodes
from docutils.utils import new_document
from sphinx.errors import ExtensionError
from sphinx_exercise.nodes import (
    exercise_enumerable_node,
    exercise_subtitle,
    exercise_title,
    solution_node,
)

from udl import exercises
from udl.exercises import Checks, Function, Rule, Value
from udl.web import STATIC

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location(
    "miniature", Path(__file__).with_name("test_book.py")
)
miniature = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(miniature)


def mean(x):
    return x.sum() / len(x)


CASES = [(np.array([1.0, 2.0, 6.0]),), (np.array([4.0]),)]
check = Checks(
    "toy",
    {
        "mean": Function(
            "a function of x that returns its mean",
            mean,
            CASES,
            mistakes={
                "That is the sum.": np.sum,
                "It cannot be.": lambda x: 1 // 0,
                "That is the median.": np.median,
            },
        ),
        "pair": Function("a function that returns (n, x)", lambda x: (len(x), x), CASES),
        "scaled": Function(
            "a function", lambda w, a: [a * part for part in w], [([np.ones(2)], 3)]
        ),
        "drawn": Function("a function", lambda I: I, lambda rng: [(int(rng.integers(9)),)] * 2),
        "word": Value("a word", "ReLU", [("tanh", "That one is bounded.")], rtol=0.0),
        "half": Value("a number", lambda: 0.5, [(lambda: 2, "Turn it round.")]),
        "array": Value("the array", np.array([1.0, np.nan])),
        "counts": Value("the dict", {"a": 1, "b": 2}),
        "set": Value("the set", {1, 2}),
        "layers": Value("the weights", [np.ones(2), np.ones((2, 3))]),
        "even": Rule("an even number", lambda n: [f"{n} is odd."] * 2 if n % 2 else []),
        "slow": Rule("a function", lambda f: [f(1)] if f(1) else []),
    },
)


# Right answers


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("mean", np.mean),
        ("mean", lambda x: np.float32(np.mean(x))),
        ("mean", lambda x: torch.tensor(x, requires_grad=True).mean()),
        ("mean", lambda x: [np.mean(x)]),
        ("mean", lambda x: np.mean(x) * (1 + 5e-5)),
        ("pair", lambda x: [len(x), list(x)]),
        ("pair", lambda x: namedtuple("Pair", "n x")(len(x), torch.tensor(x))),
        ("scaled", lambda w, a: tuple(a * part for part in w)),
        ("drawn", lambda I: I),
        ("word", " relu"),
        ("half", 0.5049),
        ("half", np.float64(0.5)),
        ("half", torch.tensor(0.5)),
        ("array", [torch.tensor(1.0, requires_grad=True), math.nan]),
        ("counts", {"b": 2, "a": 1.0}),
        ("set", {2, 1}),
        ("layers", (np.ones(2), np.ones((2, 3)))),
        ("even", 4),
        ("slow", lambda n: n - 1),
    ],
)
def test_a_right_answer_is_right(name, answer, capsys):
    result = check(name, answer)
    assert result.right
    assert result.answered
    assert repr(result) == f"{name}: right."
    assert capsys.readouterr() == ("", "")


# Wrong answers


def spin(x):
    while True:
        pass


def sort_it(x):
    x.sort()
    x[0] = 0
    return x.mean()


def noisy(x):
    print("hello")
    return x.mean() + 1


MEAN = "For x = [1., 2., 6.] "


@pytest.mark.parametrize(
    ("name", "answer", "feedback"),
    [
        ("mean", noisy, [MEAN + "it returns 4, expected 3."]),
        ("mean", lambda x: x.sum(), [MEAN + "it returns 9, expected 3.", "That is the sum."]),
        ("mean", np.median, [MEAN + "it returns 2, expected 3.", "That is the median."]),
        # wrong in the second case alone
        ("mean", lambda x: 3.0, ["For x = [4.] it returns 3, expected 4."]),
        # right for one case, and then none: no foreseen mistake
        ("mean", lambda x: 3.0 if len(x) > 1 else 1 / 0, ["For x = [4.] it raised ZeroDivisi"]),
        ("mean", lambda x: math.nan, [MEAN + "it returns nan: NaN is not a number."]),
        ("mean", lambda x: x, [MEAN + "it returns [1., 2., 6.]: one number is asked for, this"]),
        ("mean", lambda x: "3", [MEAN + "it returns '3': one number is asked for, this is text."]),
        ("mean", lambda x: None if x[0] else 0, [MEAN + "it returns nothing: is the return mi"]),
        ("mean", lambda: 3, [MEAN + "it raised TypeError: "]),
        ("mean", lambda x: x.foo, [MEAN + "it raised AttributeError: "]),
        ("mean", spin, [MEAN + "it had not finished after 0.1 seconds: is there a loop"]),
        ("mean", lambda x: exit(), [MEAN + "it raised SystemExit"]),
        ("mean", sort_it, [MEAN + "it changes its input: work on a copy."]),
        ("mean", 3.0, ["Hand in the function itself, without calling it: this is a float."]),
        ("mean", "mean", ["Hand in the function itself, without calling it: this is text."]),
        ("mean", lambda x: np.mean(x) * (1 + 5e-4), [MEAN + "it returns 3.0015, expected 3."]),
        ("pair", len, [MEAN + "it returns 3: 2 values are asked for, this is an int."]),
        ("pair", lambda x: (1, 2, 3), [MEAN + "it returns (1, 2, 3): 2 values are asked for"]),
        ("pair", lambda x: (3, x[1:]), [MEAN + "it returns (3, [2., 6.]): shape (3,) is asked"]),
        ("pair", lambda x: (4, x), [MEAN + "it returns (4, [1., 2., 6.]), expected (3, [1., 2."]),
        ("pair", lambda x: (3, x * np.nan), [": there are NaN in it."]),
        ("pair", lambda x: (3, "a"), ["an array of numbers is asked for, this is text."]),
        (
            "scaled",
            lambda w, a: [w.append(1), 2],
            ["For w = [[1., 1.]], a = 3 it changes its input"],
        ),
        (
            "scaled",
            lambda w, a: w * a,
            ["it returns [[1., 1.], [1., 1.], [1., 1.]]: shape (1, 2)"],
        ),
        ("word", "tanh", ["That one is bounded."]),
        ("word", 3, ["Text is asked for, this is an int."]),
        ("word", "sine", ["'sine' is not right."]),
        ("half", 2.0, ["Turn it round."]),
        ("half", 0.6, ["0.6 is not right."]),
        ("half", math.nan, ["NaN is not a number."]),
        ("half", "0.5", ["One number is asked for, this is text."]),
        (
            "half",
            lambda: 0.5,
            ["A value is asked for: this is a function. Call it, and hand in the result."],
        ),
        ("array", [1.0, 2.0], ["[1, 2] is not right."]),
        ("array", np.ones(3), ["Shape (2,) is asked for, this has shape (3,)."]),
        ("counts", {"a": 1}, ["A dict with the keys 'a', 'b' is asked for."]),
        ("counts", 3, ["A dict is asked for, this is an int."]),
        ("counts", {"a": 1, "b": 3}, ["{'a': 1, 'b': 3} is not right."]),
        ("set", [1, 2], ["A set is asked for, this is a list of length 2."]),
        ("set", {1}, ["{1} is not right."]),
        ("layers", np.ones(2), ["Shape (2,) is asked for, this has shape ()."]),
        ("layers", 1.0, ["2 values are asked for, this is a float."]),
        ("even", 3, ["3 is odd."]),
        ("even", "a", ["With text the check raised TypeError: ", "Hand in an even number."]),
        ("slow", spin, ["The check had not finished after 0.1 seconds: is there"]),
    ],
)
def test_a_wrong_answer_is_told_why(name, answer, feedback, capsys):
    before = [case[0].copy() for case in CASES]
    result = check(name, answer, seconds=0.1)
    assert result.answered
    assert not result.right
    assert len(result.feedback) == len(feedback), result
    for said, expected in zip(result.feedback, feedback, strict=True):
        assert expected in said
    assert repr(result).splitlines()[0] == f"{name}: not yet."
    assert capsys.readouterr() == ("", "")
    for case, array in zip(CASES, before, strict=True):
        np.testing.assert_array_equal(case[0], array)


def test_a_case_that_failed_can_be_tried_again():
    assert check("mean", lambda x: 3.0).case is CASES[1]
    assert check("mean", np.mean).case == ()


def test_cases_that_are_drawn_are_the_same_each_time():
    seen = []
    for _ in range(2):
        assert check("drawn", lambda I: seen.append(I) or I).right
    assert len(seen) == 4
    assert len(set(seen)) == 1


def starter(x):
    """Return the mean."""
    ...


@pytest.mark.parametrize(
    "answer", [..., None, NotImplemented, starter, lambda x: ..., [None, ...]]
)
def test_without_an_answer_it_says_what_to_hand_in(answer):
    result = check("mean", answer)
    assert not result.answered
    assert not result.right
    said = "mean: not answered yet. Hand in a function of x that returns its mean."
    assert repr(result) == said
    assert said in re.sub("<[^>]*>", "", result._repr_html_())


@pytest.mark.parametrize("answer", [..., starter])
def test_values_and_rules_may_be_open_too(answer):
    for name in ("half", "slow", "even"):
        assert not check(name, answer).answered


def test_all_calls_together_have_a_limit():
    many = Checks("toy", {"id": Function("it", lambda n: n, [(n,) for n in range(1000)])})
    began = time.monotonic()
    result = many("id", lambda n: time.sleep(0.04) or n, seconds=0.1)
    assert time.monotonic() - began < 2
    assert "when the 0.4 seconds of this check were over" in result.feedback[0]


def test_long_values_are_named_by_their_shape():
    long = Checks("toy", {"a": Function("it", np.zeros, [(40,)]), "b": Value("it", 1)})
    said = long("a", np.ones).feedback[0]
    assert (
        said
        == "For shape = 40 it returns an array of shape (40,): the entry [0] is 1, expected 0; "
        "40 of 40 differ."
    )
    pair = Checks("toy", {"a": Function("it", lambda n: (n, np.eye(n)), [(20,)])})
    said = pair("a", lambda n: (n, np.eye(n) + np.eye(n, k=1))).feedback[0]
    assert "in value 2 the entry [0, 1] is 1, expected 0; 19 of 400 differ." in said


class Mute:
    def __repr__(self):  # noqa: D105
        raise ValueError


def endless(*_):
    inside = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    "made",
    [
        lambda *_: torch.zeros(2, dtype=torch.bfloat16),
        lambda *_: [torch.zeros(2, device="meta")],
        lambda *_: torch.eye(2).to_sparse(),
        lambda *_: Mute(),
        endless,
    ],
)
def test_what_cannot_be_read_is_said(made):
    for name, answer in [("mean", made), ("half", made()), ("array", made())]:
        result = check(name, answer)
        assert not result.right
        assert result.answered
        assert "is asked for" in result.feedback[0] or "cannot read" in result.feedback[0]
    assert not check("even", made()).right


def test_words_of_a_function_are_compared_as_they_are():
    words = Checks("toy", {"a": Function("it", lambda n: ["a", " b"], [(1,)])})
    assert words("a", lambda n: ["a", " b"]).right
    assert not words("a", lambda n: ["A", "b"]).right


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"expected one of mean, pair, .*, got name='median'"):
        check("median", np.median)
    assert check.names[0] == "mean"
    assert repr(check).startswith("check(name, answer) with one of the names mean, pair, ")


def test_in_a_notebook_it_is_html_that_the_build_of_the_book_can_read():
    html = Checks("toy", {"a": Value("it", "x")})("a", "<b>")._repr_html_()
    assert 'data-check="toy:a" data-state="wrong" data-names="a"' in html
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


# The chapters

CHAPTERS = [
    module.name for module in pkgutil.iter_modules(exercises.__path__) if module.name[0] != "_"
]
ALL = [
    pytest.param(module.check, name, id=f"{module.check.chapter}-{name}")
    for module in (importlib.import_module(f"udl.exercises.{name}") for name in CHAPTERS)
    for name in module.check.names
]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_module_is_named_as_its_chapter(name):
    module = importlib.import_module(f"udl.exercises.{name}")
    assert module.__all__ == ["check"]
    assert module.check.chapter == name.replace("_", "-")
    assert (ROOT / "book" / f"{module.check.chapter}.md").is_file()
    assert ">>> check(" in module.__doc__


@pytest.mark.parametrize(("check", "name"), ALL)
def test_a_check_of_a_chapter_knows_right_from_wrong(check, name):
    exercise = check.exercises[name]
    assert re.match(r"(an?|the|two|three|four|five|your) ", exercise.hand_in), exercise.hand_in
    assert exercise.hand_in[-1] not in ".:!?"
    open_ = check(name, ...)
    assert not open_.answered
    if isinstance(exercise, Function):
        assert exercise.arguments()
        assert check(name, exercise.reference).right
        wrong = (exercise.mistakes or {}).items()
    elif isinstance(exercise, Value):
        right = exercise.answer() if callable(exercise.answer) else exercise.answer
        assert check(name, right).right
        wrong = [
            (said, value() if callable(value) else value) for value, said in exercise.mistakes
        ]
    else:
        assert exercise.right is not None, "a Rule needs an answer that is right"
        right = exercise.right() if callable(exercise.right) else exercise.right
        result = check(name, right)
        assert result.right, result
        wrong = []
    for said, mistake in wrong:
        result = check(name, mistake)
        assert not result.right, said
        assert said in result.feedback, result
        assert said[-1] in ".?!"


# The book


def question(label):
    return miniature.cell(f'numeric("How many?", 2, label="{label}")')


def exercise(label, grade, cell="", solution="A text.", title="A title"):
    start, end = f"```{{solution-start}} {label}\n:class: dropdown\n```", "```{solution-end}\n```"
    asked = f"```{{exercise}} {title}\n:label: {label}\n:class: {grade}\nDo it.\n```"
    return "\n".join([asked, cell, start, solution, end, ""])


@pytest.mark.book
def test_exercises_are_graded_and_listed(tmp_path):
    book = miniature.make(tmp_path / "book")
    book.edit("_config.yml", "udl_exercises_strict: false", "udl_exercises_strict: true")
    book.write("book/allowed-numbers.yml", "{}")
    for name in ("one", "two", "three"):
        book.edit("_toc.yml", f"- file: book/{name}\n", "")
        (book.folder / "book" / f"{name}.md").unlink()
    both = "```{exercise-counts}\n```\n\n```{exercise-list}\n```\n"
    book.write("book/index.md", f"# Miniature\n\n{both}")
    first = """
    from udl.exercises import Checks, Function
    from udl.web import numeric
    check = Checks("one", {"double": Function("a function of x", lambda x: 2 * x, [(3,)])})
    """
    body = [exercise(f"ex-on-{n}", "easy", question(n)) for n in "abc"]
    body += [exercise(f"ex-on-{n}", "medium") for n in "defg"]
    open_, right = (miniature.cell(f'check("double", lambda x: {x})') for x in ("...", "2 * x"))
    body += [exercise("ex-on-double", "hard", open_, right, "Twice")]
    head = f"{miniature.HEAD}# Chapter one\n\n{miniature.cell(first)}\n"
    book.add("one", head + "\n".join(body))
    miniature.good(book.build())

    def rows(table):
        pattern = rf'<table class="[^"]*{table}.*?</table>'
        html = re.search(pattern, book.page("index"), re.DOTALL)[0]
        found = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
        return [re.sub(r"<[^>]*>|\s+", " ", row).split() for row in found]

    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", book.page("one")))
    assert "Exercise 1.1 (A title) easy answer checked" in text
    assert "Exercise 1.4 (A title) medium no check" in text
    assert "Exercise 1.8 (Twice) hard code checked" in text
    assert "udl/loader.js" in book.page("one")
    assert rows("exercise-counts")[1:] == [
        ["Chapter", "one", "3", "4", "1", "4", "8"],
        ["The", "whole", "book", "3", "4", "1", "4", "8"],
    ]
    assert ["1.8", "Twice", "hard", "code"] in rows("exercise-list")
    assert 'href="one.html#ex-on-double"' in book.page("index")

    book.edit("book/one.md", "} Twice", "} Two times")
    miniature.good(book.build())
    assert "Two times" in book.page("index")


def made(label, grade="easy", *before, solution=("",), name=""):
    """Return the nodes of an exercise: itself, what its cells put out, its solution."""

    def outputs(which):
        return [
            nodes.raw("", html if isinstance(html, str) else html._repr_html_(), format="html")
            for html in which
        ]

    title = exercise_title("", nodes.Text("Exercise"), exercise_subtitle("", label))
    node = exercise_enumerable_node("", title, classes=["exercise", *grade.split()], label=label)
    folded = solution_node("", nodes.title(), nodes.section("", *outputs(solution)))
    folded["target_label"] = label if solution else ""
    return [node, *outputs(before), folded]


@pytest.fixture(scope="module")
def ours():
    """Give the extension; it imports another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(miniature.EXTENSIONS))
        return miniature.extension("exercises")


def judged(ours, *exercises, strict=True):
    """Return what the extension says about a chapter with these exercises."""
    config = SimpleNamespace(udl_exercises_strict=strict, root_doc="book/toy")
    env = SimpleNamespace(docname="book/toy", config=config)
    env.toctree_includes, env.all_docs, env.toc_fignumbers = {}, {"book/toy": 0}, {}
    env.titles = {"book/toy": nodes.title("", "Toy")}
    document = new_document("toy")
    document += nodes.section("", *itertools.chain(*exercises))
    ours.collect(SimpleNamespace(env=env), document)
    try:
        ours.judge(None, env)
    except ExtensionError as error:
        return str(error).splitlines()
    return []


ASKED = '<div class="udl-widget" id="a" data-module="questions"></div>'
TOY = Checks("toy", {"code": Value("it", 1)})
CODE = made("ex-to-code", "hard", TOY("code", ...), solution=[TOY("code", 1)])
EASY = [made(f"ex-to-{n}", "easy", ASKED) for n in "abcdef"]
HARD = made("ex-to-h", "hard")


def test_exercises_that_keep_the_rules_pass(ours):
    assert judged(ours, *EASY, HARD, CODE) == []
    assert judged(ours, *EASY[:3], *[made(f"ex-to-{n}", "medium") for n in "wxyz"], CODE) == []
    assert judged(ours, HARD, made("ex-to-x", ""), strict=False) == []


@pytest.mark.parametrize(
    ("exercises", "said"),
    [
        ([*EASY, CODE], ["expected at least 8 exercises, got 7"]),
        ([*EASY, HARD, HARD], ["expected an exercise whose code is checked, got none"]),
        (
            [*EASY[:2], *[made(f"ex-to-{n}", "easy") for n in "uvwxy"], CODE],
            ["expected checks for half of the exercises, got 3"],
        ),
        ([HARD, *EASY, CODE], ["exercise ex-to-a: easy after hard: expected the easier ones"]),
        ([*EASY, made("ex-to-x", "other"), CODE], ["exercise ex-to-x: expected :class: easy, me"]),
        ([*EASY, made("ex-to-x", "hard", solution=()), CODE], ["exercise ex-to-x: it has no sol"]),
    ],
)
def test_a_rule_that_is_broken_is_named(ours, exercises, said):
    found = judged(ours, *exercises)
    assert len(found) == len(said), found
    for line, expected in zip(found, said, strict=True):
        assert line.startswith(f"book/toy: {expected}")


TWO = Checks("toy", {"code": Value("it", 1), "more": Value("it", 2)})
OTHER = Checks("other", {"code": Value("it", 1)})


@pytest.mark.parametrize(
    ("exercise", "said"),
    [
        (
            made("ex-to-code", "hard", TOY("code", ...), solution=[TOY("code", 2)]),
            [
                "exercise ex-to-code: the check in its solution does not say right",
                "exercise ex-to-code: no check in its solution says right",
            ],
        ),
        (
            made("ex-to-code", "hard", TOY("code", ...), solution=["a text"]),
            ["exercise ex-to-code: no check in its solution says right"],
        ),
        (
            made("ex-to-code", "hard", TOY("code", 1), solution=[TOY("code", 1)]),
            ["exercise ex-to-code: its check says more than that there is no answer yet"],
        ),
        (
            made("ex-to-code", "hard", solution=[TOY("code", 1)]),
            ["exercise ex-to-code: there is a check in its solution, but none to begin with"],
        ),
        (
            made("ex-to-code", "hard", OTHER("code", ...), solution=[TOY("code", 1)]),
            ["exercise ex-to-code: it asks the check of the chapter 'other'"],
        ),
        (
            made("ex-to-x", "hard", TOY("code", ...)),
            [
                "exercise ex-to-x: it asks the check 'code', expected 'x'",
                "the check 'code' belongs to no exercise of this page: its label would end in -c",
            ],
        ),
        (
            made("ex-to-code", "hard", TWO("code", ...), solution=[TWO("code", 1)]),
            ["the check 'more' belongs to no exercise of this page: its label would end in -m"],
        ),
        (made("to-x", "easy"), ["exercise to-x: expected a label of ex-, letters, digits and -"]),
        (made("ex-to-x", "easy hard"), ["exercise ex-to-x: expected one grade, got easy, hard"]),
    ],
)
def test_a_check_that_does_not_fit_its_exercise_is_named(ours, exercise, said):
    found = judged(ours, exercise, strict=False)
    assert len(found) == len(said), found
    for line, expected in zip(found, said, strict=True):
        assert line.startswith(f"book/toy: {expected}")


def test_every_chapter_has_exercises():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [part for part in toc["parts"] if part.get("numbered", True)]
    for name in (chapter["file"] for part in parts for chapter in part["chapters"]):
        if not name.startswith("book/mock-exam"):
            assert "```{exercise}" in (ROOT / f"{name}.md").read_text(encoding="utf-8"), name


# Progress, as a file and in the browser


def test_a_file_of_progress_is_read_strictly_and_merged(run_node):
    days = {"ex-a-b": "2026-01-02", "ex-a-c": "2026-01-02"}
    other = {"ex-a-b": "2026-01-01", "ex-a-c": "2026-01-03", "ex-d": "2026-01-01"}
    wrong = ["", "3", "null", "{}", '{"done": {}}', '{"book": "udl-progress", "done": 3}']
    newer = '{"book": "udl-progress", "version": 2, "done": {}}'
    script = """
    import { merge, parse, write } from "./progress.mjs";
    const said = data.wrong.map((text) => {
      try { return parse(text); } catch (error) { return error.message; }
    });
    const odd = parse(write({ ...data.days, "__proto__x": "2026-01-01", ...data.odd }));
    give({ said, odd, merged: merge(data.days, data.other), again: merge(data.other, data.days) });
    """
    odd = {"ex-e": "today", "ex-f": ["2026-01-01"]}
    given = {"days": days, "other": other, "odd": odd, "wrong": [*wrong, newer]}
    found = run_node(script, given)
    assert "newer version" in found["said"].pop()
    assert all("holds no progress of this book" in text for text in found["said"])
    assert found["odd"] == days
    both = {"ex-a-b": "2026-01-01", "ex-a-c": "2026-01-02", "ex-d": "2026-01-01"}
    assert found["merged"] == found["again"] == both


def test_the_script_is_light():
    assert len(gzip.compress((STATIC / "progress.mjs").read_bytes())) < 3000
