"""Checks for the exercises of the chapter "Large language models".

>>> check("encode", lambda text, merges: ...)
encode: not answered yet. Hand in a function of text and merges that returns a list of tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Merges = Sequence[tuple[str, str]]

_LEARNED: list[tuple[str, str]] = [("a", "n"), ("an", "a"), ("b", "ana")]


def _encode(text: str, merges: Merges) -> list[str]:
    """Join the pair that was learned first, as long as there is one; from the left."""
    tokens, rank = list(text), {pair: r for r, pair in enumerate(merges)}
    while True:
        known = [(rank[pair], t) for t, pair in enumerate(_pairs(tokens)) if pair in rank]
        if not known:
            return tokens
        _, t = min(known)
        tokens[t : t + 2] = [tokens[t] + tokens[t + 1]]


def _pairs(tokens: list[str]) -> list[tuple[str, str]]:
    return list(pairwise(tokens))


def _longest(text: str, merges: Merges) -> list[str]:
    """Take the longest known token that fits, from the left."""
    known, out = [a + b for a, b in merges], []
    while text:
        fits = [token for token in known if text.startswith(token)]
        out.append(max(fits, key=len, default=text[0]))
        text = text[len(out[-1]) :]
    return out


def _once(text: str, merges: Merges) -> list[str]:
    """Join each pair at its first place only."""
    tokens = list(text)
    for pair in merges:
        if pair in _pairs(tokens):
            t = _pairs(tokens).index(pair)
            tokens[t : t + 2] = ["".join(pair)]
    return tokens


def _backwards(text: str, merges: Merges) -> list[str]:
    """Make the merges from the last to the first."""
    tokens = list(text)
    for pair in reversed(merges):
        tokens = _joined(tokens, pair)
    return tokens


def _joined(tokens: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for token in tokens:
        if out and (out[-1], token) == pair:
            out[-1] += token
        else:
            out.append(token)
    return out


def _balanced(days: float, gpus: int, flops: float, used: float) -> tuple[float, float]:
    """Solve C = 6 N T with T = 20 N."""
    budget = days * 86_400 * gpus * flops * used
    N = float(np.sqrt(budget / 120))
    return N, 20 * N


check = Checks(
    "large-language-models",
    {
        "encode": Function(
            "a function of text and merges that returns a list of tokens",
            reference=_encode,
            cases=[
                ("bananas", _LEARNED),
                ("an ananas", _LEARNED),
                ("aaaaa", [("a", "a"), ("aa", "aa")]),
                ("these", [("h", "e"), ("t", "h"), ("s", "e"), ("th", "e")]),
            ],
            mistakes={
                "Do not look for the longest token: make the merges in their order.": _longest,
                "The merge that was learned first is made first.": _backwards,
                "Join each occurrence of the pair.": _once,
            },
        ),
        "budget": Function(
            "a function of days, gpus, flops and used that returns (N, T)",
            reference=_balanced,
            cases=[(30.0, 8, 1e15, 0.4), (1.0, 1, 3e14, 0.5), (90.0, 1024, 1e15, 0.35)],
            mistakes={
                "Six FLOPs for each parameter and token.": (
                    lambda days, gpus, flops, used: _balanced(6 * days, gpus, flops, used)
                ),
                "A GPU does only the share `used` of its FLOPs.": (
                    lambda days, gpus, flops, used: _balanced(days, gpus, flops, 1.0)
                ),
                "A day has 86,400 seconds.": (
                    lambda days, gpus, flops, used: _balanced(days / 86_400, gpus, flops, used)
                ),
                "Return the parameters N first, then the tokens T.": (
                    lambda days, gpus, flops, used: _balanced(days, gpus, flops, used)[::-1]
                ),
            },
        ),
    },
)
