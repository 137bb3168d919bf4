"""From text to numbers and back.

A model sees numbers only, each the index of a *token*. The choice of tokens decides how long a
text is for the model: with characters, as many tokens as characters; with byte pairs, a third or a
quarter of that. `BytePairs` learns its tokens from a text, `gpt2_encoding` has those of GPT-2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, SupportsIndex, runtime_checkable

from udl.gpt.bytepairs import BytePairs, as_pair, known
from udl.gpt.gpt2 import GPT2, gpt2_encoding

__all__ = ["GPT2", "BytePairs", "Characters", "Tokenizer", "from_dict", "gpt2_encoding"]


@runtime_checkable
class Tokenizer(Protocol):
    """What the rest of the book asks of a tokenizer."""

    @property
    def size(self) -> int:
        """Number of different tokens: the model's vocabulary."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """Return the text of tokens."""

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes the same tokenizer of, all of it fit for JSON."""


@dataclass(frozen=True)
class Characters:
    """One token for each character, numbered in alphabetic order.

    Parameters
    ----------
    alphabet : str
        A text. Its different characters, sorted, become the alphabet.

    Raises
    ------
    ValueError
        If the text is empty.

    Examples
    --------
    >>> from udl.gpt.tokenizer import Characters
    >>> letters = Characters("to be or not to be")
    >>> letters.alphabet, letters.size
    (' benort', 7)
    >>> letters.encode("bet"), letters.decode([1, 4, 6])
    ([1, 2, 6], 'bot')
    """

    alphabet: str

    def __post_init__(self) -> None:
        """Sort the alphabet, each character once."""
        if not self.alphabet:
            raise ValueError("expected a text with at least one character, got ''")
        object.__setattr__(self, "alphabet", "".join(sorted(set(self.alphabet))))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {character: number for number, character in enumerate(self.alphabet)}

    @property
    def size(self) -> int:
        """Number of different characters."""
        return len(self.alphabet)

    def encode(self, text: str) -> list[int]:
        """Return the number of each character; a ValueError names the first unknown one."""
        try:
            return list(map(self._numbers.__getitem__, text))
        except KeyError as error:
            unknown = error.args[0]
        raise ValueError(
            f"expected characters of the alphabet {self.alphabet!r}, "
            f"got {unknown!r} at position {text.index(unknown)}"
        )

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """Return the characters that the tokens number."""
        return "".join(map(self.alphabet.__getitem__, known(tokens, self.size)))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes the same tokenizer of."""
        return {"kind": "characters", "alphabet": self.alphabet}


def from_dict(plain: Mapping[str, Any]) -> Tokenizer:
    """Make a tokenizer from what its `to_dict` returned.

    Parameters
    ----------
    plain : Mapping
        ``kind`` ("characters", "byte pairs" or "gpt2") and what that kind needs.

    Returns
    -------
    Tokenizer
        A tokenizer that encodes and decodes as the first one did.

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> from udl.gpt import tokenizer
    >>> tokenizer.from_dict(tokenizer.Characters("hello").to_dict()).encode("hole")
    [1, 3, 2, 0]
    """
    match dict(plain):
        case {"kind": "characters", "alphabet": str(alphabet), **rest} if not rest:
            return Characters(alphabet)
        case {"kind": "byte pairs", "merges": list(merges), **rest} if not rest:
            return BytePairs(tuple(map(as_pair, merges)))
        case {"kind": "gpt2", **rest} if not rest:
            return gpt2_encoding()
    shown = ", ".join(f"{key}={value!r:.40}" for key, value in plain.items())
    raise ValueError(
        "expected kind='characters' with alphabet, kind='byte pairs' with merges, or "
        f"kind='gpt2', got {shown or 'nothing'}"
    )
