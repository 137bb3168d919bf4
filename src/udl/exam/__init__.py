"""The mock exam: tasks, and checks that give points and say what is wrong.

``check("gini", gini)`` grades an answer. It may raise, loop for ever, print, change its input or
have the wrong type: the check says so, and goes on. Functions are run on hidden cases, in this
process: one that ends it (``os._exit``) or patches its modules is not held back. ``score()`` adds
up the last result of each task.

>>> print(check("gini", NotImplemented))
gini: not answered yet: 0 of 5 points
- Hand in a function of an array of labels that returns a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from udl._answers import budget as _budget
from udl._answers import described as _described
from udl._answers import empty as _empty
from udl._answers import quiet as _quiet
from udl.exam import _functions, _models, _values
from udl.exam._grade import Grade as _Grade
from udl.exam._grade import Grader as _Grader
from udl.exam._result import Result, Score
from udl.exam._table import Table, table
from udl.exam._tasks import TASKS, Task

__all__ = [
    "TASKS",
    "Result",
    "Score",
    "Table",
    "Task",
    "check",
    "hint",
    "reset",
    "score",
    "table",
]

_GRADERS: Mapping[str, _Grader] = MappingProxyType(
    {
        "columns": _values.columns,
        "fill": _functions.fill,
        "groups": _values.groups,
        "baseline": _values.baseline,
        "gini": _functions.gini,
        "cut": _functions.cut,
        "tree": _models.tree,
        "bagging": _functions.bagging,
        "forest": _models.forest,
        "score": _models.score,
    }
)
_RESULTS: dict[str, Result] = {}
_HINTS: dict[str, int] = {}  # how many hints to each task were given


def _task(name: str) -> Task:
    if name not in TASKS:
        raise ValueError(f"expected one of {', '.join(TASKS)}, got task={name!r}")
    return TASKS[name]


def check(task: str, answer: Any, *, seconds: float | int = 5, total: float | int = 20) -> Result:
    """Grade the answer to a task.

    Parameters
    ----------
    task : str
        Name of the task, a key of ``TASKS``.
    answer : object
        What the task asks for. ``...``, None and NotImplemented count as no answer yet, also
        where a dict, tuple or list has nothing else.
    seconds : float
        How long one call of an answer may take.
    total : float
        How long all calls together may take.

    Returns
    -------
    Result
        Points, and what is wrong. It is also kept for `score`.

    Raises
    ------
    ValueError
        If there is no such task.

    Notes
    -----
    The hidden cases are drawn by fixed seeds: the same answer always gets the same points.

    Examples
    --------
    >>> check("gini", lambda y: 0.5).points
    0
    """
    asked = _task(task)
    try:
        with _quiet(), _budget(float(total)):
            graded = None if _empty(answer) else _GRADERS[task](answer, float(seconds))
    except Exception as error:  # such as an object whose attributes cannot be read
        why = f"This is so unusual that the check fails: {_described(error)}"
        graded = _Grade(asked.points).nothing(why)
    if graded is None:
        result = Result(task, 0, asked.points, (f"Hand in {asked.hand_in}.",), answered=False)
    else:
        lines = tuple(dict.fromkeys(graded.feedback))
        points = asked.points - graded.lost
        result = Result(task, points, asked.points, lines or ("All is right.",))
    _RESULTS[task] = result
    return result


def hint(task: str, number: int | None = None) -> str:
    """Return the next hint for a task; the later ones say more.

    Parameters
    ----------
    task : str
        Name of the task.
    number : int
        Which hint, from 1; by default the one after the last that was given.

    Returns
    -------
    str
        The hint, how many there are, and how to get the next.

    Raises
    ------
    ValueError
        If there is no such task or no such hint.

    Examples
    --------
    >>> reset()
    >>> print(hint("gini"))
    Hint 1 of 2: np.unique(y, return_counts=True) counts each label. (Ask again for the next.)
    """
    hints = _task(task).hints
    if number is None:
        number = min(_HINTS.get(task, 0) + 1, len(hints))
    if not 1 <= number <= len(hints):
        raise ValueError(f"expected a number from 1 to {len(hints)}, got number={number}")
    _HINTS[task] = number
    more = " (Ask again for the next.)" if number < len(hints) else ""
    return f"Hint {number} of {len(hints)}: {hints[number - 1]}{more}"


def score() -> Score:
    """Return the points of all tasks, each by its last check.

    Returns
    -------
    Score
        ``points``, ``of`` and ``results``; a table in a notebook.

    Examples
    --------
    >>> reset()
    >>> score().points, score().of
    (0, 100)
    """
    return Score(
        {
            name: _RESULTS.get(name, Result(name, 0, task.points, (), answered=False))
            for name, task in TASKS.items()
        },
        {name: task.title for name, task in TASKS.items()},
    )


def reset() -> None:
    """Forget all results and hints, as at the start of the exam.

    Examples
    --------
    >>> reset()
    >>> any(result.answered for result in score().results.values())
    False
    """
    _RESULTS.clear()
    _HINTS.clear()
