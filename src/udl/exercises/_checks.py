"""What an exercise asks for, and how an answer to it is judged."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from udl import _answers

Cases = Sequence[tuple[Any, ...]] | Callable[[np.random.Generator], Sequence[tuple[Any, ...]]]


@dataclass(frozen=True)
class Result:
    """What a check says about an answer.

    Parameters
    ----------
    name : str
        Name of the exercise.
    right : bool
        Whether the answer is right.
    feedback : tuple of str
        A sentence for each thing that is wrong; without an answer, what to hand in.
    answered : bool
        Whether something was handed in.
    chapter : str
        The chapter of the exercise.
    case : tuple
        The arguments of the first case that is wrong, to try it again; empty where there is none.
    names : tuple of str
        The names of all exercises of the chapter.
    """

    name: str
    right: bool
    feedback: tuple[str, ...] = ()
    answered: bool = True
    chapter: str = ""
    case: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    names: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def _said(self) -> tuple[str, str]:
        """Return what is said first, and what follows it on the same line."""
        if not self.answered:
            return f"{self.name}: not answered yet.", " ".join(("", *self.feedback))
        return f"{self.name}: {'right' if self.right else 'not yet'}.", ""

    def __repr__(self) -> str:
        """Write whether it is right, and a line for each sentence."""
        return _answers.as_text("".join(self._said()), self.feedback if self.answered else ())

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        state = "right" if self.right else "wrong" if self.answered else "open"
        head, more = self._said()
        said = _answers.as_html(head, self.feedback if self.answered else (), more)
        which = f'data-check="{self.chapter}:{self.name}" data-state="{state}"'
        names = " ".join(self.names)  # for the build of the book
        return f'<div class="udl-check" {which} data-names="{names}">{said}</div>'


@dataclass(frozen=True)
class Verdict:
    """What is wrong with an answer, before it has a name."""

    complaints: tuple[str, ...] = ()
    answered: bool = True
    case: tuple[Any, ...] = ()


_OPEN = Verdict(answered=False)


@dataclass(frozen=True)
class Function:
    """An exercise that asks for a function, which is called on cases.

    Parameters
    ----------
    hand_in : str
        What to hand in, as the end of a sentence: "a function of the limit that returns (K, D)".
    reference : callable
        A function that is right. The names of its arguments are those of the messages.
    cases : sequence of tuple, or callable
        Tuples of arguments, or a function of a random generator that returns such tuples. The
        generator always starts from the same seed.
    mistakes : mapping of str to callable, optional
        For each sentence of feedback a function that makes the foreseen mistake. It is recognized
        if it gives every value that the answer gives.
    rtol, atol : float
        How far numbers may be from those of the reference, as in `numpy.allclose`.

    Examples
    --------
    >>> square = Function("a function of x that returns its square", lambda x: x**2, [(2.0,)])
    >>> square.judge(lambda x: 2 * x + 1).complaints
    ('For x = 2 it returns 5, expected 4.',)
    """

    hand_in: str
    reference: Callable[..., Any]
    cases: Cases
    mistakes: Mapping[str, Callable[..., Any]] | None = None
    rtol: float = 1e-4  # single precision and forward differences are good enough
    atol: float = 1e-6

    def arguments(self) -> list[tuple[Any, ...]]:
        """Return the cases, each a tuple of arguments."""
        cases = self.cases
        return list(cases(np.random.default_rng(0)) if callable(cases) else cases)

    def judge(self, answer: Any, seconds: float = 20.0) -> Verdict:
        """Call the answer on each case, up to the first that has no value."""
        if not callable(answer):
            said = f"Hand in the function itself, without calling it: this is {kind(answer)}."
            return Verdict((said,))
        told: list[tuple[tuple[Any, ...], Any]] = []
        wrong: tuple[tuple[Any, ...], str] | None = None
        for given in self.arguments():
            outcome = _answers.call(answer, *given, seconds=seconds)
            if outcome.empty:
                return _OPEN
            if outcome.trouble:
                wrong = wrong or (given, outcome.trouble)
                break
            if outcome.changed:
                said = "it changes its input: work on a copy."
                return Verdict((f"{self._for(given)}{said}",), case=given)
            right = self.reference(*_answers.copies(given))
            try:
                why = self._unlike(outcome.value, right)
            except Exception:  # nobody knows what it returns
                wrong = wrong or (given, f"it returns {unreadable(outcome.value)}")
                break
            told.append((given, outcome.value))
            if why:
                wrong = wrong or (given, why)
        if wrong is None:
            return Verdict()
        given, why = wrong
        said = f"{self._for(given)}{why}"
        return Verdict((said, *self._recognized(told, given)), case=given)

    def _unlike(self, value: Any, right: Any) -> str:
        """Say how a value differs from the right one, or nothing."""
        why = differs(value, right, self.rtol, self.atol)
        if why is None:
            return ""
        if not why and (show(right) == kind(right) or "array of shape" in show(right)):  # too long
            why = entry(value, right, self.rtol, self.atol)
        return f"it returns {show(value)}{f': {why}' if why else f', expected {show(right)}'}."

    def _for(self, given: tuple[Any, ...]) -> str:
        try:
            names = list(inspect.signature(self.reference).parameters)
        except (TypeError, ValueError):  # some builtins have none
            names = []
        names += [f"argument {n + 1}" for n in range(len(names), len(given))]
        shown = ", ".join(f"{a} = {show(b)}" for a, b in zip(names, given, strict=False))
        return f"For {shown} " if shown else ""

    def _recognized(
        self, told: list[tuple[tuple[Any, ...], Any]], failed: tuple[Any, ...]
    ) -> tuple[str, ...]:
        """Return the feedback of the mistake that explains each value; it may be none."""
        if not any(given is failed for given, _ in told):
            return ()  # the case has no value: it raised, or took too long
        for said, mistake in (self.mistakes or {}).items():
            if all(self._made(mistake, given, value) for given, value in told):
                return (said,)
        return ()

    def _made(self, mistake: Callable[..., Any], given: tuple[Any, ...], value: Any) -> bool:
        try:
            with np.errstate(all="ignore"):
                wrong = mistake(*_answers.copies(given))
            return differs(value, wrong, self.rtol, self.atol) is None
        except Exception:  # a mistake may be impossible in some case
            return False


@dataclass(frozen=True)
class Value:
    """An exercise that asks for a value: a number, an array, a word.

    Parameters
    ----------
    hand_in : str
        What to hand in, as the end of a sentence: "the number of parameters".
    answer : object
        The right value, or a function without arguments that returns it.
    mistakes : sequence of (object, str)
        Foreseen wrong values (or functions without arguments), each with its feedback.
    rtol, atol : float
        How far numbers may be from the right ones, as in `numpy.allclose`.

    Examples
    --------
    >>> Value("the sum of 1 to 4", 10, [(6, "4 is missing.")]).judge(6).complaints
    ('4 is missing.',)
    """

    hand_in: str
    answer: Any
    mistakes: Sequence[tuple[Any, str]] = ()
    rtol: float = 1e-2
    atol: float = 1e-9

    def right(self) -> Any:
        """Return the right value."""
        return self.answer() if callable(self.answer) else self.answer

    def judge(self, answer: Any, seconds: float = 20.0) -> Verdict:
        """Compare with the right value, then with the foreseen wrong ones."""
        if callable(answer):
            said = (
                f"A value is asked for: this is {kind(answer)}. Call it, and hand in the result."
            )
            return Verdict((said,))
        try:
            why = self._unlike(answer, self.right())
            if why is None:
                return Verdict()
            for wrong, said in self.mistakes:
                wrong = wrong() if callable(wrong) else wrong
                if self._unlike(answer, wrong) is None:
                    return Verdict((said,))
            said = f"{why[0].upper()}{why[1:]}." if why else f"{show(answer)} is not right."
        except Exception:
            said = f"This is {unreadable(answer)}"
        return Verdict((said,))

    def _unlike(self, answer: Any, right: Any) -> str | None:
        """Compare as `differs` does, a word without case."""
        if isinstance(answer, str) and isinstance(right, str):
            answer, right = answer.strip().lower(), right.strip().lower()
        return differs(answer, right, self.rtol, self.atol)


@dataclass(frozen=True)
class Rule:
    """An exercise with many right answers: whatever nothing speaks against.

    Parameters
    ----------
    hand_in : str
        What to hand in, as the end of a sentence: "a list of four weights".
    complaints : callable
        Function of the answer that returns a sentence for each thing that is wrong with it. It may
        raise where the answer is of a wrong kind.
    right : object
        An answer that is right, or a function without arguments that returns one.

    Examples
    --------
    >>> even = Rule("an even number", lambda n: [] if n % 2 == 0 else [f"{n} is odd."], right=2)
    >>> even.judge(3).complaints
    ('3 is odd.',)
    """

    hand_in: str
    complaints: Callable[[Any], list[str]]
    right: Any = None

    def judge(self, answer: Any, seconds: float = 20.0) -> Verdict:
        """Ask for complaints, for at most so many seconds."""
        said, error = _answers.within(lambda: self.complaints(plain(answer)), seconds)
        if isinstance(error, NotImplementedError):
            return _OPEN
        if isinstance(error, _answers.Stop):
            return Verdict((f"The check had not finished {error.code}",))
        if error is not None:
            told = f"With {kind(answer)} the check raised {_answers.described(error)}"
            return Verdict((told, f"Hand in {self.hand_in}."))
        return Verdict(tuple(said))


class Checks:
    """The checks of a chapter: call it with the name of an exercise and an answer.

    Parameters
    ----------
    chapter : str
        Name of the chapter: that of its file.
    exercises : mapping of str to Function, Value or Rule
        What each exercise asks for. Its name is its label without the part for the chapter.

    Examples
    --------
    >>> check = Checks("arithmetic", {"sum": Value("the sum of 1 to 4", 10)})
    >>> check("sum", ...)
    sum: not answered yet. Hand in the sum of 1 to 4.
    >>> check("sum", 10.0)
    sum: right.
    """

    def __init__(self, chapter: str, exercises: Mapping[str, Function | Value | Rule]) -> None:
        self.chapter = chapter
        self.exercises = MappingProxyType(dict(exercises))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the exercises."""
        return tuple(self.exercises)

    def __repr__(self) -> str:
        """Say which exercises there are."""
        return f"check(name, answer) with one of the names {', '.join(self.names)}"

    def __call__(self, name: str, answer: Any, *, seconds: float | int = 20) -> Result:
        """Judge an answer.

        Parameters
        ----------
        name : str
            Name of the exercise, one of `names`.
        answer : object
            What the exercise asks for. ``...``, None and NotImplemented count as no answer yet,
            as does a function with nothing but ``...`` in it.
        seconds : float
            How long one call of an answer may take; all calls together, four times as long.

        Returns
        -------
        Result
            Whether it is right, and what is wrong.

        Raises
        ------
        ValueError
            If the chapter has no such exercise.
        """
        if name not in self.exercises:
            raise ValueError(f"expected one of {', '.join(self.names)}, got name={name!r}")
        exercise = self.exercises[name]
        with _answers.quiet(), _answers.budget(4.0 * seconds):
            nothing = empty(answer) or _answers.untouched(answer)
            verdict = _OPEN if nothing else exercise.judge(answer, float(seconds))
        if not verdict.answered:
            said: tuple[str, ...] = (f"Hand in {exercise.hand_in}.",)
            return Result(name, False, said, False, self.chapter, names=self.names)
        said = tuple(dict.fromkeys(verdict.complaints))
        return Result(name, not said, said, True, self.chapter, verdict.case, self.names)


def empty(answer: Any) -> bool:
    """Say whether there is no answer yet; what cannot be read is one."""
    return _answers.empty(answer)


def kind(value: Any) -> str:
    """Name what was handed in, for a message."""
    if inspect.isroutine(value):
        return "a function"
    try:
        value = plain(value)
    except Exception:  # a tensor that NumPy does not know
        return _answers.kind(value)
    return _answers.kind(value)


def unreadable(value: Any) -> str:
    """Name what no check can read, as the end of a sentence."""
    return f"{kind(value)}, which this check cannot read: hand in numbers, lists or arrays."


def plain(value: Any) -> Any:
    """Return tensors as arrays, also those in lists, and anything else as it is."""
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        return value.detach().cpu().numpy()
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, tuple):
        return tuple(plain(part) for part in value)
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return value


def show(value: Any, most: int = 60) -> str:
    """Write a value as short as a message can take it."""
    value = plain(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.random.Generator):
        return "a random generator"
    if callable(value):
        return f"the function {getattr(value, '__name__', kind(value))}"
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, separator=", ") if value.size < 30 else ""
    elif isinstance(value, tuple | list):
        inner = ", ".join(show(part) for part in value)
        if isinstance(value, list):
            text = f"[{inner}]"
        else:
            text = f"({inner},)" if len(value) == 1 else f"({inner})"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key!r}: {show(part)}" for key, part in value.items()) + "}"
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if 0 < len(text) <= most else kind(value)


def differs(got: Any, right: Any, rtol: float, atol: float) -> str | None:
    """Compare a value with the right one.

    Returns None for equal values, "" for others, and for those of a wrong kind or shape the
    reason, as a part of a sentence.
    """
    got, right = plain(got), plain(right)
    if isinstance(right, str):
        if not isinstance(got, str):
            return f"text is asked for, this is {kind(got)}"
        return None if got == right else ""
    if isinstance(right, set | frozenset):
        if not isinstance(got, set | frozenset):
            return f"a set is asked for, this is {kind(got)}"
        return None if got == right else ""
    if isinstance(right, Mapping):
        if not isinstance(got, Mapping):
            return f"a dict is asked for, this is {kind(got)}"
        if set(got) != set(right):
            return f"a dict with the keys {', '.join(map(repr, right))} is asked for"
        return _first([differs(got[key], right[key], rtol, atol) for key in right])
    if isinstance(right, tuple) or (isinstance(right, list) and _answers.array(right) is None):
        count = f"{len(right)} values are asked for"
        several = isinstance(got, tuple | list) or (isinstance(got, np.ndarray) and got.ndim > 0)
        if not several or len(got) != len(right):
            return f"{count}, this is {kind(got)}"
        return _first([differs(a, b, rtol, atol) for a, b in zip(got, right, strict=True)])
    return _numbers(got, right, rtol, atol)


def _first(reasons: list[str | None]) -> str | None:
    """Return a reason if there is one, else "" if anything is wrong at all."""
    wrong = [reason for reason in reasons if reason is not None]
    return max(wrong, key=bool) if wrong else None


def _numbers(got: Any, right: Any, rtol: float, atol: float) -> str | None:
    found, expected = _answers.array(got), np.asarray(right)
    if expected.ndim == 0:
        value = _answers.number(got)
        if value is None:
            return f"one number is asked for, this is {kind(got)}"
        found = np.asarray(value)
    elif found is None:
        return f"an array of numbers is asked for, this is {kind(got)}"
    elif found.shape != expected.shape:
        return f"shape {expected.shape} is asked for, this has shape {found.shape}"
    if np.isnan(found).any() and not np.isnan(np.asarray(expected, float)).any():
        return "NaN is not a number" if found.ndim == 0 else "there are NaN in it"
    with np.errstate(all="ignore"):
        close = np.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    return None if close else ""


def entry(got: Any, right: Any, rtol: float, atol: float) -> str:
    """Name the first entry of an array that is wrong; elsewhere say nothing."""
    got, right = plain(got), plain(right)
    if isinstance(right, tuple):
        pairs = enumerate(zip(got, right, strict=True), 1)
        for n, (one, other) in pairs:
            if differs(one, other, rtol, atol) is not None:
                said = entry(one, other, rtol, atol)
                return said and f"in value {n} {said}"
    found, expected = _answers.array(got), _answers.array(right)
    if found is None or expected is None or expected.ndim == 0:
        return ""
    off = ~np.isclose(found.astype(float), expected.astype(float), rtol, atol, equal_nan=True)
    at = tuple(np.argwhere(off)[0].tolist())
    return (
        f"the entry {list(at)} is {show(found[at])}, expected {show(expected[at])}; "
        f"{off.sum()} of {off.size} differ"
    )
