"""What a grader returns: lost points, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Grade:
    """The points that an answer loses, and why."""

    of: int
    lost: int = 0
    feedback: list[str] = field(default_factory=list)

    def lose(self, points: int, why: str) -> None:
        """Take points away, and say why."""
        self.lost = min(self.of, self.lost + points)
        self.feedback.append(why)

    def need(self, ok: bool, points: int, why: str) -> bool:
        """Take points away unless something holds; returns whether it holds."""
        if not ok:
            self.lose(points, why)
        return ok

    def nothing(self, why: str) -> Grade:
        """Give no points at all, and say why."""
        self.lost = self.of
        self.feedback = [why]
        return self


# None says that there is no answer yet.
Grader = Callable[[Any, float], Grade | None]
