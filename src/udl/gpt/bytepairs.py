"""Byte-pair encoding: tokens that are parts of words, learned from a text.

It begins with the 256 bytes and gives the commonest pair of neighbors a number of its own, again
and again (for words: Sennrich et al. 2016; on bytes: Radford et al. 2019). No token reaches across
two words, where a word is a match of `WORDS`: letters, or digits, or other signs, each with at
most one blank ahead; or the white space that is left.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import index
from typing import Any, SupportsIndex

from udl._check import count as count_of

WORDS = re.compile(r" ?[^\W\d_]+| ?\d+| ?(?:[^\w\s]|_)+|\s+?(?= ?\S)|\s+")
Pair = tuple[int, int]


@dataclass(frozen=True)
class BytePairs:
    r"""Byte-pair encoding: tokens 0 to 255 are the bytes, token 256 + m stands for merge m.

    Parameters
    ----------
    merges : tuple of (int, int)
        The pairs of tokens that became one, in the order in which they did. Lists of pairs, as
        from JSON, become tuples.

    Raises
    ------
    ValueError
        If a merge is no pair of integers or names a token that comes later, or a pair is there
        twice.

    Notes
    -----
    Any text can be encoded, also one whose characters the training text did not have: its bytes
    in UTF-8 are tokens. A text cut within a character decodes to ``"\ufffd"`` in that place.

    Each word is encoded once, in a time like its length times the merges in it. A text without
    blanks is one long word, and slow.

    Examples
    --------
    >>> from udl.gpt.bytepairs import BytePairs
    >>> pairs = BytePairs.train("low lower lowest low slow", 259)
    >>> pairs.tokens[256:]
    [b'lo', b'low', b' low']
    >>> pairs.encode("low slower"), pairs.decode([257, 258])
    ([257, 32, 115, 257, 101, 114], 'low low')
    """

    merges: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        """See that each merge only needs tokens that are there."""
        object.__setattr__(self, "merges", tuple(map(as_pair, self.merges)))
        for number, merged in enumerate(self.merges):
            if not 0 <= min(merged) <= max(merged) < 256 + number:
                raise ValueError(
                    f"expected merge {number} to be of tokens below {256 + number}, got {merged}"
                )
        if len(set(self.merges)) < len(self.merges):
            raise ValueError("expected each merge once, got a pair that is there twice")

    def __repr__(self) -> str:
        """Tell the number of tokens; thousands of merges would fill the screen."""
        return f"<{type(self).__name__} of {self.size} tokens>"

    @classmethod
    def train(cls, text: str, size: int) -> BytePairs:
        """Merge the commonest pair of neighbors until there are as many tokens as asked for.

        Parameters
        ----------
        text : str
            The training text.
        size : int
            Number of tokens, 256 or more.

        Returns
        -------
        BytePairs
            With fewer tokens if no pair is left that the text has twice.

        Raises
        ------
        ValueError
            If `size` is below 256.
        TypeError
            If `size` is no integer.

        Notes
        -----
        Of pairs that are equally common, the one with the smaller numbers is merged. Each
        different word is kept once, with its count. A merge changes the counts of few pairs, so
        only the words that have the pair are looked at again.

        Examples
        --------
        >>> from udl.gpt.bytepairs import BytePairs
        >>> BytePairs.train("aaabdaaabac", 257).merges
        ((97, 97),)
        """
        count_of(size=size)
        if size < 256:
            raise ValueError(f"expected size of 256 or more (the bytes are there), got {size}")
        counted = Counter(_words(_bytes(text)))
        words = [list(word) for word in counted]
        times = list(counted.values())
        counts: Counter[Pair] = Counter()
        where: defaultdict[Pair, set[int]] = defaultdict(set)  # which words may have the pair
        for number, word in enumerate(words):
            for pair in pairwise(word):
                counts[pair] += times[number]
                where[pair].add(number)
        heap = [(-count, pair) for pair, count in counts.items()]
        heapq.heapify(heap)
        merges: list[Pair] = []
        while heap and 256 + len(merges) < size:
            count, best = heapq.heappop(heap)
            if -count != counts[best]:
                continue  # an entry from before a merge; the pair has a later one
            if -count < 2:
                break
            changed = set()
            for number in where.pop(best):
                old, new = words[number], merge(words[number], best, 256 + len(merges))
                for pair in pairwise(old):
                    counts[pair] -= times[number]
                    changed.add(pair)
                for pair in pairwise(new):
                    counts[pair] += times[number]
                    changed.add(pair)
                    where[pair].add(number)
                words[number] = new
            for pair in changed - {best}:
                heapq.heappush(heap, (-counts[pair], pair))
            merges.append(best)
        return cls(tuple(merges))

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}

    @cached_property
    def tokens(self) -> list[bytes]:
        """The bytes that each token stands for."""
        found = [bytes([byte]) for byte in range(256)]
        for first, second in self.merges:
            found.append(found[first] + found[second])
        return found

    @property
    def size(self) -> int:
        """Number of different tokens."""
        return 256 + len(self.merges)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of any text."""
        return self.encode_bytes(_bytes(text))

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return the tokens of any bytes, which need not be UTF-8."""
        pieces: dict[bytes, list[int]] = {}  # most words come again and again
        tokens: list[int] = []
        for word in _words(data):
            if word not in pieces:
                pieces[word] = self._encode_word(word)
            tokens += pieces[word]
        return tokens

    def _encode_word(self, word: bytes) -> list[int]:
        """Merge the pair that was merged first in training, until no known pair is left."""
        tokens, ranks = list(word), self._ranks
        while len(tokens) > 1:
            best = min(pairwise(tokens), key=lambda pair: ranks.get(pair, len(ranks)))
            if best not in ranks:
                break
            tokens = merge(tokens, best, 256 + ranks[best])
        return tokens

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """Return the text of tokens; bytes that are no UTF-8 become the sign for that.

        A lone half of a surrogate pair, which :meth:`encode` accepts, comes back, unless there are
        other bytes that are no UTF-8: then it becomes such signs, too.
        """
        data = self.decode_bytes(tokens)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    def decode_bytes(self, tokens: Iterable[SupportsIndex]) -> bytes:
        """Return the bytes of tokens."""
        return b"".join(map(self.tokens.__getitem__, known(tokens, self.size)))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes the same tokenizer of."""
        return {"kind": "byte pairs", "merges": [list(merge) for merge in self.merges]}


def merge(tokens: list[int], pair: Pair, new: int) -> list[int]:
    """Replace each place where a pair stands, from the left, by one token.

    Parameters
    ----------
    tokens : list of int
        The tokens.
    pair : (int, int)
        The pair.
    new : int
        What stands in its place.

    Returns
    -------
    list of int
        A new list.

    Examples
    --------
    >>> from udl.gpt.bytepairs import merge
    >>> merge([1, 1, 1, 2], (1, 1), 9)
    [9, 1, 2]
    """
    first, second = pair
    merged: list[int] = []
    place, last = 0, len(tokens) - 1
    while place <= last:
        if tokens[place] == first and place < last and tokens[place + 1] == second:
            merged.append(new)
            place += 2
        else:
            merged.append(tokens[place])
            place += 1
    return merged


def as_pair(merge: Sequence[SupportsIndex]) -> Pair:
    """Return a merge as two plain integers."""
    try:
        first, second = map(index, merge)
    except (TypeError, ValueError):
        message = f"expected merges to be pairs of whole numbers, got {merge!r:.40}"
        raise ValueError(message) from None
    return first, second


def _bytes(text: str) -> bytes:
    """Return a text in UTF-8; a lone half of a surrogate pair is no error."""
    return text.encode("utf-8", "surrogatepass")


def _words(data: bytes) -> Iterable[bytes]:
    """Cut bytes in words; together they are all the bytes."""
    # A byte that is no UTF-8 becomes a sign that stands for itself, and comes back as that byte.
    words = WORDS.findall(data.decode("utf-8", "surrogateescape"))
    return (word.encode("utf-8", "surrogateescape") for word in words)


def known(tokens: Iterable[SupportsIndex], size: int) -> list[int]:
    """Return tokens as plain integers; a ValueError names the first that is not below the size."""
    numbers = [index(token) for token in tokens]
    if numbers and not 0 <= min(numbers) <= max(numbers) < size:
        wrong = next(number for number in numbers if not 0 <= number < size)
        raise ValueError(f"expected tokens from 0 to {size - 1}, got {wrong}")
    return numbers
