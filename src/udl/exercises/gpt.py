"""Checks for the exercises of the chapter "Predicting the next token".

>>> check("heads", lambda q, k, v, H: ...)
heads: not answered yet. Hand in a function of q, k, v and H that returns the heads side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[Any]


def _heads(q: Array, k: Array, v: Array, H: int) -> Array:
    return _attend(q, k, v, H)


def _attend(
    q: Array, k: Array, v: Array, H: int, size: float | None = None, causal: bool = True
) -> Array:
    """Attend in all heads at once, the heads in the last dimension but one."""
    T, D = q.shape
    q, k, v = (a.reshape(T, H, D // H) for a in (q, k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size or D // H)
    if causal:
        scores = np.where(np.tri(T, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return np.asarray(np.einsum("hqk,khd->qhd", weights, v).reshape(T, D))


def _scrambled(q: Array, k: Array, v: Array, H: int) -> Array:
    """Cut without changing the places of tokens and heads: each head has a part of the text."""
    T, D = q.shape
    q, k, v = (a.reshape(H, T, D // H) for a in (q, k, v))
    return np.concatenate([_attend(q[h], k[h], v[h], 1) for h in range(H)], axis=1)


def _texts(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    sizes = [(2, 2, 1), (3, 4, 2), (5, 6, 3)]  # T, D, H
    return [(*rng.normal(size=(3, T, D)).round(1), H) for T, D, H in sizes]


def _times(text: str, run: str) -> int:
    """Count the places of a run, also those that overlap."""
    return sum(text.startswith(run, t) for t in range(len(text)))


def _fall_back(text: str, before: str, c: str) -> float:
    p = text.count(c) / len(text)
    for n in range(1, len(before) + 1):
        end = before[-n:]
        places = _times(text[:-1], end)  # the last has nothing behind it
        p = (_times(text, end + c) + 10 * p) / (places + 10)
    return p


def _no_overlap(text: str, before: str, c: str) -> float:
    p = text.count(c) / len(text)
    for n in range(1, len(before) + 1):
        end = before[-n:]
        p = (text.count(end + c) + 10 * p) / (text[:-1].count(end) + 10)
    return p


def _near_first(text: str, before: str, c: str) -> float:
    p = text.count(c) / len(text)
    for n in range(1, len(before) + 1):
        end = before[:n]
        p = (_times(text, end + c) + 10 * p) / (_times(text[:-1], end) + 10)
    return p


def _with_the_last(text: str, before: str, c: str) -> float:
    p = text.count(c) / len(text)
    for n in range(1, len(before) + 1):
        end = before[-n:]
        p = (_times(text, end + c) + 10 * p) / (_times(text, end) + 10)
    return p


def _to_the_singles(text: str, before: str, c: str) -> float:
    p = text.count(c) / len(text)
    return (_times(text, before + c) + 10 * p) / (_times(text[:-1], before) + 10)


check = Checks(
    "gpt",
    {
        "heads": Function(
            "a function of q, k, v and H that returns the heads side by side",
            reference=_heads,
            cases=_texts,
            mistakes={
                "The mask is missing: a token may look at itself and at those before it.": (
                    lambda q, k, v, H: _attend(q, k, v, H, causal=False)
                ),
                "Divide by the root of the length of a head's query, D / H.": (
                    lambda q, k, v, H: _attend(q, k, v, H, size=float(q.shape[1]))
                ),
                "Divide the scores by the root of D / H.": (
                    lambda q, k, v, H: _attend(q, k, v, H, size=1.0)
                ),
                "Each head gets some of the numbers of all tokens, not all of some tokens.": (
                    _scrambled
                ),
                "That is one head. Cut the numbers of each token in H parts.": (
                    lambda q, k, v, H: _attend(q, k, v, 1)
                ),
            },
        ),
        "fallback": Function(
            "a function of text, before and c that returns the probability of c",
            reference=_fall_back,
            cases=[
                ("abab", "a", "b"),
                ("abab", "b", "a"),
                ("aaaab", "aa", "a"),
                ("a.b\nacb\na.b", "a.", "b"),
                ("a.b\nacb\na.b", "b", "\n"),
                ("to be or not to be", "to b", "e"),
                ("to be or not to be", "not b", "e"),
                ("to be or not to be", "", "o"),
            ],
            mistakes={
                "Only places with something behind them count: not one at the end of the text.": (
                    _with_the_last
                ),
                "Places may overlap: in 'aaaa' are three of 'aa', and str.count finds two.": (
                    _no_overlap
                ),
                "The shorter context drops the first character, which is farthest away.": (
                    _near_first
                ),
                "Fall back step by step, to the context that is shorter by one.": (
                    _to_the_singles
                ),
            },
        ),
    },
)
