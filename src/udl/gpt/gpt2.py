"""The tokens of GPT-2: byte pairs that were learned by others, from a text of 40 GB."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from udl.data import _files
from udl.gpt.bytepairs import known

if TYPE_CHECKING:
    import tiktoken

GPT2_FILE = _files.Remote(
    name="gpt2-vocab.bpe",
    mirrors=(
        (
            "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/vocab.bpe",
            "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        ),
    ),
)
# What GPT-2 calls a word: as `WORDS`, but the ends of contractions are words of their own.
GPT2_WORDS = r"'(?:[sdmt]|ll|re|ve)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
END = "<|endoftext|>"


@dataclass(frozen=True)
class GPT2:
    """The tokens of GPT-2; `gpt2_encoding` makes it.

    Parameters
    ----------
    encoding : tiktoken.Encoding
        What encodes and decodes.
    """

    encoding: tiktoken.Encoding

    @property
    def size(self) -> int:
        """Number of different tokens: 256 bytes, the merges and the end of a text."""
        return self.encoding.n_vocab

    def encode(self, text: str) -> list[int]:
        """Return the tokens of any text; the end of a text is never among them."""
        return self.encoding.encode_ordinary(text)

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """Return the text of tokens; bytes that are no UTF-8 become the sign for that."""
        return self.encoding.decode(known(tokens, self.size))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes the same tokenizer of."""
        return {"kind": "gpt2"}


def gpt2_encoding() -> GPT2:
    """Give the byte pairs of GPT-2 (Radford et al. 2019): 50,257 tokens, encoded by tiktoken.

    Returns
    -------
    GPT2
        The tokenizer. GPT-3 has the same tokens.

    Raises
    ------
    FileNotFoundError
        If the list of merges cannot be had. It is looked for in the folder TIKTOKEN_CACHE_DIR
        under the name that tiktoken gives it, as ``gpt2-vocab.bpe`` in the folder UDL_DATA_DIR,
        and among earlier downloads; then it is downloaded (0.5 MB), unless UDL_OFFLINE is set.
    ChecksumError
        If ``gpt2-vocab.bpe`` is there with another SHA-256. It is never used.
    ModuleNotFoundError
        If tiktoken is not installed.

    Examples
    --------
    >>> from udl.gpt.gpt2 import gpt2_encoding
    >>> gpt2_encoding().encode("Hello world")  # doctest: +SKIP
    [15496, 995]
    """
    import tiktoken

    lines = _gpt2_file().decode().strip("\n").split("\n")[1:]  # the first names the version
    # The file writes each byte as a printable character: itself, or one from 256 on.
    printable = [b for b in range(256) if chr(b).isprintable() and chr(b) != " "]
    bytes_ = printable + [b for b in range(256) if b not in printable]
    signs = [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    byte = dict(zip(signs, bytes_, strict=True))
    tokens = [bytes([b]) for b in bytes_]
    tokens += [bytes(byte[sign] for sign in line.replace(" ", "")) for line in lines]
    return GPT2(
        tiktoken.Encoding(
            "gpt2",
            pat_str=GPT2_WORDS,
            mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
            special_tokens={END: len(tokens)},
        )
    )


def _gpt2_file() -> bytes:
    url, sha256 = GPT2_FILE.mirrors[0]
    if folder := os.environ.get("TIKTOKEN_CACHE_DIR"):
        path = Path(folder, hashlib.sha1(url.encode()).hexdigest())
        if path.is_file() and hashlib.sha256(data := path.read_bytes()).hexdigest() == sha256:
            return data
    return _files.obtain(GPT2_FILE).data
