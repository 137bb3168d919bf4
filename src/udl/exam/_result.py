"""What a check says: points and feedback, for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from udl._answers import as_html, as_text


@dataclass(frozen=True)
class Result:
    """The points that an answer gets, and why it does not get more.

    Parameters
    ----------
    task : str
        Name of the task.
    points : int
        Points of the answer.
    of : int
        Points that the task is worth.
    feedback : tuple of str
        A sentence for each thing that is wrong, or one that says that all is well.
    answered : bool
        Whether something was handed in.
    """

    task: str
    points: int
    of: int
    feedback: tuple[str, ...]
    answered: bool = True

    def _head(self) -> str:
        if not self.answered:
            return f"{self.task}: not answered yet: 0 of {self.of} points"
        return f"{self.task}: {self.points} of {self.of} points"

    def __repr__(self) -> str:
        """Write the points, and a line for each sentence."""
        return as_text(self._head(), self.feedback)

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return as_html(self._head(), self.feedback)


@dataclass(frozen=True)
class Score:
    """The points of all tasks.

    Parameters
    ----------
    results : mapping of str to Result
        The last result of each task; a task that was not checked has no answer.
    titles : mapping of str to str, optional
        What each task is about.
    """

    results: Mapping[str, Result]
    titles: Mapping[str, str] | None = None

    @property
    def points(self) -> int:
        """Return the sum of the points."""
        return sum(result.points for result in self.results.values())

    @property
    def of(self) -> int:
        """Return the points of the whole exam."""
        return sum(result.of for result in self.results.values())

    def _rows(self) -> list[tuple[str, str, str]]:
        rows, titles = [], self.titles or {}
        for name, result in self.results.items():
            said = f"{result.points} of {result.of}" if result.answered else f"– of {result.of}"
            rows.append((name, titles.get(name, ""), said))
        return [*rows, ("all", "", f"{self.points} of {self.of}")]

    def __repr__(self) -> str:
        """Write a line for each task, and the sum."""
        return "\n".join(f"{a:<10}{b:<44}{c:>11}" for a, b, c in self._rows())

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        left = ' style="text-align: left"'
        rows = "".join(
            f"<tr><td{left}><code>{escape(a)}</code></td><td{left}>{escape(b)}</td>"
            f"<td>{escape(c)}</td></tr>"
            for a, b, c in self._rows()
        )
        head = f"<tr><th{left}>task</th><th{left}>about</th><th>points</th></tr>"
        return f'<table class="dataframe"><thead>{head}</thead><tbody>{rows}</tbody></table>'
