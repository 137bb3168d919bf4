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
        """Take points away and say why; without a reason, take nothing."""
        if why:
            self.lost = min(self.of, self.lost + points)
            self.feedback.append(why)

    def nothing(self, why: str) -> Grade:
        """Give no points at all, and say why."""
        self.lost = self.of
        self.feedback = [why]
        return self


# None says that there is no answer yet: a function that is still the worksheet's.
Grader = Callable[[Any, float], Grade | None]
