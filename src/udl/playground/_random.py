"""Chance that is the same in Python and in a browser: mulberry32, by Tommy Ettinger.

Its state goes through all numbers of 32 bits in equal steps, and each state is mixed to an output.
Each purpose has a stream of its own, so that dropout, for one, does not change the order of the
examples by being switched off.
"""

import math
from collections.abc import MutableSequence
from typing import Any

from udl.playground._arithmetic import TWO_PI, cos, log

MASK = 0xFFFFFFFF
INCREMENT = 0x6D2B79F5
PURPOSES = {"data": 1, "weights": 2, "order": 3, "dropout": 4}


def mixed(a: int) -> int:
    """Return the output for a state, both of 32 bits."""
    t = (a ^ (a >> 15)) * (1 | a) & MASK
    t = ((t + ((t ^ (t >> 7)) * (61 | t))) & MASK) ^ t
    return t ^ (t >> 14)


class Stream:
    """Random numbers for one purpose."""

    def __init__(self, seed: int, purpose: str) -> None:
        self.state = seed & MASK
        # The number of the purpose picks a place of the cycle far from those of other purposes.
        for _ in range(2):
            self.next()
            self.state = mixed(self.state) ^ (PURPOSES[purpose] * 0x9E3779B9 & MASK)

    def next(self) -> float:
        """Return a multiple of 2^-32, at least 0 and less than 1."""
        self.state = (self.state + INCREMENT) & MASK
        return mixed(self.state) / 4294967296

    def between(self, low: float | int, high: float | int) -> float:
        """Return a number from a range."""
        return low + (high - low) * self.next()

    def normal(self) -> float:
        """Return a number from the standard normal distribution (Box and Muller 1958)."""
        radius = math.sqrt(-2 * log(1 - self.next()))
        return radius * cos(TWO_PI * self.next())

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Put items in random order (Fisher and Yates 1938)."""
        for i in range(len(items) - 1, 0, -1):
            j = math.floor(self.next() * (i + 1))
            items[i], items[j] = items[j], items[i]
