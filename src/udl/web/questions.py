"""Questions that the page checks: a number, or one choice of several.

The expected value comes from a cell, so that question and text cannot disagree. A reader who
slips in a foreseen way is told how; after two wrong tries the answer may be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat

from udl.web.host import Widget, finite, inline, labeled, plain

Mistakes = Mapping[SupportsFloat, str] | Iterable[tuple[SupportsFloat, str]]


def numeric(
    question: str,
    answer: SupportsFloat,
    *,
    unit: str = "",
    rtol: float = 1e-2,
    atol: float = 0.0,
    mistakes: Mistakes = (),
    hint: str = "",
    explanation: str = "",
    label: str = "",
) -> Widget:
    r"""Ask for a number.

    A reply :math:`v` is right if :math:`|v - a| \le \text{atol} + \text{rtol}\,|a|`, with
    :math:`a` the answer. A foreseen mistake is recognized with the same tolerance around itself.

    Parameters
    ----------
    question : str
        What is asked. ``$math$`` and ```code``` are allowed, here and in every text below.
    answer : float
        The expected value, in ``unit``; best taken from a variable of the cell.
    unit : str
        Unit, shown after the input. The reader may type it too.
    rtol, atol : float
        Relative and absolute tolerance.
    mistakes : mapping or iterable of pairs
        Foreseen wrong values, each with the feedback that it gets.
    hint : str
        Shown after a wrong reply that is no foreseen mistake.
    explanation : str
        Shown with the answer.
    label : str
        Stable id of the question on its page; by default a hash of its content.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    ValueError
        If a number is not finite, a tolerance is negative, a text is empty, a mistake lies within
        the tolerance of the answer, or two mistakes cannot be told apart.

    See Also
    --------
    choice : One of several answers.

    Examples
    --------
    >>> numeric("How many parameters has a line?", 2, rtol=0.0,
    ...         mistakes={1: "A line has an intercept too."})
    <questions: How many parameters has a line?>
    """
    _filled(question=question)
    expected = finite("answer", answer)
    for name, value in (("rtol", rtol), ("atol", atol)):
        if finite(name, value) < 0:
            raise ValueError(f"expected {name} >= 0, got {name}={value!r}")

    pairs = mistakes.items() if isinstance(mistakes, Mapping) else mistakes
    foreseen: list[tuple[float, str]] = []
    for mistake, feedback in pairs:
        wrong = finite("mistake", mistake)
        _filled(**{f"feedback for mistake {wrong!r}": feedback})
        if abs(wrong - expected) <= atol + rtol * abs(expected):
            raise ValueError(
                f"expected mistakes outside the tolerance of the answer, got mistake {wrong!r} "
                f"for answer={expected!r} with rtol={rtol!r}, atol={atol!r}"
            )
        for other, _ in foreseen:
            if abs(wrong - other) <= atol + rtol * max(abs(wrong), abs(other)):
                raise ValueError(
                    "expected mistakes that the tolerance tells apart, "
                    f"got {other!r} and {wrong!r}"
                )
        foreseen.append((wrong, feedback))

    shown = _show(expected, atol + rtol * abs(expected)).replace("-", "−")
    gap = "" if unit == "%" else " "
    props: dict[str, Any] = {
        "kind": "numeric",
        "question": inline(question),
        "answer": expected,
        "rtol": float(rtol),
        "atol": float(atol),
        "unit": [unit, inline(unit)],
        "mistakes": [[wrong, inline(feedback)] for wrong, feedback in foreseen],
        "hint": inline(hint),
        "explanation": inline(explanation),
        "solution": inline(_sentence(f"The answer is {shown}{gap}{unit}", explanation)),
    }
    return _widget(props, label, plain(question))


def choice(
    question: str,
    options: Mapping[str, str],
    correct: str,
    *,
    label: str = "",
) -> Widget:
    """Ask for one of several answers.

    Parameters
    ----------
    question : str
        What is asked. ``$math$`` and ```code``` are allowed, here and in every text below.
    options : mapping of str to str
        Each answer with the feedback that it gets, in the order in which they are shown.
    correct : str
        The right one among the answers.
    label : str
        Stable id of the question on its page; by default a hash of its content.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    ValueError
        If there are fewer than two options, a text is empty, or ``correct`` is not an option.

    See Also
    --------
    numeric : A number.

    Examples
    --------
    >>> choice("Is a line convex?", {"yes": "Every chord lies on it.", "no": "Draw a chord."},
    ...        correct="yes")
    <questions: Is a line convex?>
    """
    _filled(question=question)
    if len(options) < 2:
        raise ValueError(f"expected at least two options, got options={dict(options)!r}")
    for text, feedback in options.items():
        _filled(**{"option": text, f"feedback for option {text!r}": feedback})
    if correct not in options:
        raise ValueError(f"expected correct to be one of {list(options)}, got {correct!r}")
    props: dict[str, Any] = {
        "kind": "choice",
        "question": inline(question),
        "options": [[inline(text), inline(feedback)] for text, feedback in options.items()],
        "correct": list(options).index(correct),
        "solution": inline(_sentence(f"The answer is: {correct}", options[correct])),
    }
    items = "".join(f"<li>{text}</li>" for text, _ in props["options"])
    return _widget(props, label, plain(question), f"<ul>{items}</ul>")


def _widget(props: dict[str, Any], label: str, title: str, body: str = "") -> Widget:
    return labeled(
        "questions",
        props,
        label,
        fallback=f"<p>{props['question']}</p>{body}<details>"
        f"<summary>Show the answer</summary><p>{props['solution']}</p></details>",
        title=title,
        height=180 + 24 * (len(title) // 80 + 2 * len(props.get("options", ()))),
    )


def _sentence(text: str, more: str) -> str:
    return f"{text.strip().removesuffix('.')}. {more}".strip()


def _filled(**texts: str) -> None:
    for name, text in texts.items():
        if not isinstance(text, str):
            raise TypeError(f"expected text for {name}, got {text!r}")
        if not text.strip():
            raise ValueError(f"expected text for {name}, got {text!r}")


def _show(value: float, tolerance: float) -> str:
    """Write a number with as many digits as its tolerance can tell apart."""
    for digits in range(3, 18):
        text = f"{value:.{digits}g}"
        if abs(float(text) - value) <= tolerance / 10:
            break
    if "e" in text and 1e-4 <= abs(value) < 1e7:
        text = f"{float(text):.0f}"
    return text
